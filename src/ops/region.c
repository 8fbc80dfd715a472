/// Elementwise regions and row kernels. A group without reductions runs flat: one thread an element. A group with
/// reductions of the last axis runs a workgroup a row, in one of two regimes. Held (a constant row of a few columns a
/// thread, on a GPU): straight-line text, each thread keeps its columns in registers from phase to phase. Looped: one
/// loop over the columns for each level of reductions, re-reading and recomputing, and a last loop that stores;
/// reductions of one level share a loop. Sums depend on the workgroup size alone.
#include "ops/region.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ops/emit.h"
#include <stdio.h>
#include <string.h>

#define PER_THREAD 4 ///< elements a thread of a flat part computes
#define MAX_PARTS WEFT_REGION_PARTS
#define REGION_PARAMS(F) F(u32, end0) F(u32, end1) F(u32, end2) F(u32, end3) F(u32, zero)
WEFT_PARAMS(region_params, REGION_PARAMS)
#define N_REGION 5

/// Parts stand side by side in the grid: part i has the workgroups up to end_i.
struct region_cfg {
    struct weft_emit_dims extra;
    uint32_t n_parts, wg;
    struct { weft_dim rows, n; bool by_row; } part[MAX_PARTS];
};

static void region_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3])
{
    const struct region_cfg *cfg = u->step->cfg;
    uint64_t end = 0;
    for (uint32_t i = 0; i < MAX_PARTS; i++) {
        if (i < cfg->n_parts) {
            uint64_t rows = (uint64_t)weft_live(u, cfg->part[i].rows), n = (uint64_t)weft_live(u, cfg->part[i].n);
            end += cfg->part[i].by_row ? rows : (rows * n + cfg->wg * PER_THREAD - 1) / (cfg->wg * PER_THREAD);
        }
        words[i] = (uint32_t)end;
    }
    weft_emit_update(u, N_REGION, words);
    weft_grid_fold(end, u->caps->max_groups, grid);
}

static const struct weft_kernel region_kernel = {"region", "ops/region.wgsl", region_params_fields, region_update};

/// Level of reductions below a value inside the group: a reduction of level k needs those of lower levels.
static uint32_t level_of(const struct weft_lower *l, uint32_t group, weft_value v, uint32_t *levels)
{
    const struct weft_value_info *info = weft_lv(l, v);
    if (info->kind != WEFT_VALUE_NODE || l->node_group[info->node] != group) return 0;
    return levels[info->node];
}

uint32_t weft_region_levels(const struct weft_lower *l, uint32_t group, uint32_t *levels)
{
    const struct weft_group *g = &l->groups[group];
    uint32_t top = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const struct weft_node *n = &l->graph->nodes[g->nodes[i]];
        uint32_t level = 0;
        for (uint32_t k = 0; k < n->n_in; k++) {
            uint32_t below = level_of(l, group, n->in[k], levels);
            if (below > level) level = below;
        }
        if (n->op->reduce) level++;
        levels[g->nodes[i]] = level;
        if (level > top) top = level;
    }
    return top;
}

/// What stands before, in and behind the loop of one reduction. Extremes go through wg_max2 with a mark for a NaN
/// beside them, since the device's max may drop one. Over no columns they are infinite, which no constant of WGSL can
/// be.
static void add_reduction(struct weft_emitter *e, enum weft_reduction how, uint32_t id, const char *x,
                          struct weft_str *head, struct weft_str *col, struct weft_str *tail) {
    bool top = how == WEFT_REDUCE_MAX;
    if (!top && how != WEFT_REDUCE_MIN) {
        weft_str_addf(head, "var acc%u = 0.0;\n", id);
        weft_str_addf(col, "acc%u += %s;\n", id, x);
        weft_str_addf(tail, "let red%u = wg_sum(acc%u, lid)", id, id);
        if (how == WEFT_REDUCE_MEAN) weft_str_addf(tail, " / f32(%s)", e->n_text);
        weft_str_add(tail, ";\n");
        return;
    }
    const char *sign = top ? "" : "-";
    weft_str_addf(head, "var acc%u = %s3.4028234e38;\n", id, top ? "-" : "");
    weft_str_addf(col, "acc%u = %s(acc%u, %s);\n", id, top ? "max_nan" : "min_nan", id, x);
    weft_str_addf(
        tail,
        "let ext%u = wg_max2(select(vec2<f32>(%sacc%u, 0.0), vec2<f32>(-3.4028234e38, 1.0), is_nan(acc%u)), lid);\n",
        id, sign, id, id);
    weft_str_addf(tail, "var red%u = select(%sext%u.x, bitcast<f32>(p.zero | 0x7fc00000u), ext%u.y > 0.0);\n", id, sign,
                  id, id);
    if (strncmp(e->n_text, "p.", 2) == 0)
        weft_str_addf(tail, "if (%s == 0u) { red%u = bitcast<f32>(p.zero | %s); }\n", e->n_text, id,
                      top ? "0xff800000u" : "0x7f800000u");
}

/// One level of reductions: text before the loop (or before the held columns), for a column, and behind.
struct phase { struct weft_str row, col, heads, tails; };

static void end_phase(struct phase *p)
{
    weft_str_free(&p->row);
    weft_str_free(&p->col);
    weft_str_free(&p->heads);
    weft_str_free(&p->tails);
}

static void give_reduction(struct weft_emitter *e, weft_value v, uint32_t id)
{
    char given[32];
    snprintf(given, sizeof given, "red%u", id);
    weft_emit_give(e, v, weft_arena_strdup(&e->l->plan->arena, given));
}

static void looped_level(struct weft_emitter *e, const uint32_t *nodes, uint32_t n_nodes, const uint32_t *levels,
                         uint32_t level, const char *loop, struct weft_str *out) {
    struct phase p = {0};
    e->row_out = &p.row;
    e->col_out = &p.col;
    weft_emit_forget(e, false);
    for (uint32_t i = 0; i < n_nodes; i++) {
        const struct weft_node *n = &e->l->graph->nodes[nodes[i]];
        if (!n->op->reduce || levels[nodes[i]] != level) continue;
        uint32_t id = weft_emit_local(e, n->out[0]);
        add_reduction(e, n->op->reduce, id, weft_emit_at(e, n->in[0], 0), &p.heads, &p.col, &p.tails);
        give_reduction(e, n->out[0], id);
    }
    weft_str_addf(out, "%s%s%s {\n%s}\n%s", weft_str_get(&p.row), weft_str_get(&p.heads), loop, weft_str_get(&p.col),
                  weft_str_get(&p.tails));
    end_phase(&p);
}

/// Straight-line text: what one level computed of a column stays at hand for the next.
static void held_level(struct weft_emitter *e, const uint32_t *nodes, uint32_t n_nodes, const uint32_t *levels,
                       uint32_t level, struct weft_str *out) {
    struct weft_str tails = {0};
    e->row_out = e->col_out = out;
    for (uint32_t i = 0; i < n_nodes; i++) {
        const struct weft_node *n = &e->l->graph->nodes[nodes[i]];
        if (!n->op->reduce || levels[nodes[i]] != level) continue;
        uint32_t id = weft_emit_local(e, n->out[0]);
        for (uint32_t u = 0; u < e->n_held; u++) {
            struct phase p = {0};
            const char *x = weft_emit_at(e, n->in[0], u), *ok = e->held_ok[u];
            add_reduction(e, n->op->reduce, id, x, &p.heads, &p.col, &p.tails);
            if (u == 0) weft_str_add(out, weft_str_get(&p.heads));
            if (ok) weft_str_addf(out, "if (%s) { %s}\n", ok, weft_str_get(&p.col));
            else weft_str_add(out, weft_str_get(&p.col));
            if (u == 0) weft_str_add(&tails, weft_str_get(&p.tails));
            end_phase(&p);
        }
        give_reduction(e, n->out[0], id);
    }
    weft_str_add(out, weft_str_get(&tails));
    weft_str_free(&tails);
}

void weft_region_reductions(struct weft_emitter *e, const uint32_t *nodes, uint32_t n_nodes, const uint32_t *levels,
                            uint32_t top, const char *loop, struct weft_str *out) {
    for (uint32_t level = 1; level <= top; level++) {
        if (e->n_held) held_level(e, nodes, n_nodes, levels, level, out);
        else looped_level(e, nodes, n_nodes, levels, level, loop, out);
    }
}

/// The stores of one node's outputs at all held columns, or at the column of the loop.
static void store_node(struct weft_emitter *e, const struct weft_node *n, const char *first, struct weft_str *rows_out,
                       struct weft_str *col, struct weft_str *last) {
    uint32_t columns = e->n_held ? e->n_held : 1;
    for (uint32_t k = 0; k < n->n_out; k++) {
        bool sink = weft_op_sink(n->op) != NULL;
        if (!sink && !weft_lower_escapes(e->l, e->group, n->out[k])) continue;
        bool row = !sink && weft_emit_is_row(e, n->out[k]);
        weft_emit_at(e, sink ? n->in[1] : n->out[k], 0); // operands that are read come first
        const char *name = weft_emit_output(e, n->out[k]);
        for (uint32_t u = 0; u < (row ? 1 : columns); u++) {
            struct weft_str text = {0};
            if (sink) weft_emit_sink(e, n, name, u, &text);
            else weft_emit_store(e, n->out[k], name, u, &text, first);
            const char *ok = e->n_held && !row ? e->held_ok[u] : NULL;
            struct weft_str *to = sink ? last : row ? rows_out : col;
            if (ok) weft_str_addf(to, "if (%s) { %s}\n", ok, weft_str_get(&text));
            else weft_str_add(to, weft_str_get(&text));
            weft_str_free(&text);
        }
    }
}

/// The last loop: every value that somebody outside reads. Stores to states come last of all, since what they write
/// over may be what the others read.
void weft_region_stores(struct weft_emitter *e, const uint32_t *nodes, uint32_t n_nodes, const char *loop,
                        const char *first, struct weft_str *out) {
    struct phase p = {0};
    struct weft_str sinks = {0};
    e->row_out = e->n_held ? out : &p.row;
    e->col_out = e->n_held ? out : &p.col;
    if (!e->n_held) weft_emit_forget(e, false);
    for (uint32_t i = 0; i < n_nodes; i++)
        store_node(e, &e->l->graph->nodes[nodes[i]], first, &p.heads, e->n_held ? &p.tails : &p.col, &sinks);
    weft_str_add(e->n_held ? &p.tails : &p.col, weft_str_get(&sinks));
    weft_str_free(&sinks);
    weft_str_addf(out, "%s%s%s", weft_str_get(&p.row), weft_str_get(&p.heads), weft_str_get(&p.tails));
    if (p.col.len) weft_str_addf(out, "%s {\n%s}\n", loop, weft_str_get(&p.col));
    end_phase(&p);
}

bool weft_region_hold(struct weft_emitter *e, uint32_t n_nodes, uint32_t wg, struct weft_str *out)
{
    struct weft_arena *arena = &e->l->plan->arena;
    int64_t width = weft_lower_const(e->l, e->n);
    uint32_t columns = width > 0 ? (uint32_t)((width + wg - 1) / wg) : 0;
    if (e->l->caps->kind == WEFT_GPU_CPU || columns == 0 || columns > 8 || (uint64_t)n_nodes * columns * 3 > 1500)
        return false;
    for (uint32_t u = 0; u < columns; u++) {
        bool whole = (int64_t)(u + 1) * wg <= width;
        weft_str_addf(out, whole ? "let hold%u = lid + %uu;\n" : "let hold%u = min(lid + %uu, %uu);\n", u, u * wg,
                      (unsigned)(width - 1));
        e->variants[u].col = weft_arena_printf(arena, "hold%u", u);
        e->held_ok[u] = whole ? NULL : weft_arena_printf(arena, "lid + %uu < %uu", u * wg, (unsigned)width);
    }
    e->n_held = e->n_variants = columns;
    return true;
}

// ---- parts ---------------------------------------------------------------------------------------------------------

/// Numbers the connected parts of a group: part[i] for its i-th node; returns how many there are.
static uint32_t find_parts(const struct weft_lower *l, const struct weft_group *g, uint32_t group, uint32_t *part)
{
    for (uint32_t i = 0; i < g->n_nodes; i++) part[i] = i;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const struct weft_node *n = &l->graph->nodes[g->nodes[i]];
        for (uint32_t k = 0; k < n->n_in; k++) {
            const struct weft_value_info *v = weft_lv(l, n->in[k]);
            if (v->kind != WEFT_VALUE_NODE || l->node_group[v->node] != group) continue;
            uint32_t j = 0;
            while (g->nodes[j] != v->node) j++;
            uint32_t from = part[i], to = part[j];
            for (uint32_t q = 0; q < g->n_nodes; q++)
                if (part[q] == from) part[q] = to;
        }
    }
    uint32_t n_parts = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        uint32_t root = part[i];
        if (root & 0x80000000u) continue;
        for (uint32_t q = i; q < g->n_nodes; q++)
            if (part[q] == root) part[q] = n_parts | 0x80000000u;
        n_parts++;
    }
    for (uint32_t i = 0; i < g->n_nodes; i++) part[i] &= 0x7fffffffu;
    return n_parts;
}

struct region {
    struct weft_lower *l;
    struct weft_step *s;
    struct weft_emitter *e;
    uint32_t *levels, *part, *nodes;
    struct region_cfg cfg;
    struct weft_str body;
    bool any_rows;
};

static void lower_part(struct region *r, const struct weft_group *g, uint32_t p)
{
    struct weft_lower *l = r->l;
    uint32_t n = 0, top = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        if (r->part[i] != p) continue;
        r->nodes[n++] = g->nodes[i];
        if (r->levels[g->nodes[i]] > top) top = r->levels[g->nodes[i]];
    }
    weft_emit_next(r->e, weft_emit_space(l, r->nodes, n));
    const char *rows = weft_emit_dim(r->e, r->e->rows), *width = strcmp(r->e->n_text, "0u") == 0 ? "1u" : r->e->n_text;
    char start[16];
    snprintf(start, sizeof start, p ? "p.end%u" : "0u", p - 1);
    weft_str_addf(&r->body, "%sif (group < p.end%u) {\n", p ? " else " : "", p);
    if (top) {
        char loop[96];
        snprintf(loop, sizeof loop, "for (var col = lid; col < %s; col += WG)", width);
        weft_str_addf(&r->body, "let row = group - %s;\n", start);
        weft_region_hold(r->e, n, r->cfg.wg, &r->body);
        weft_region_reductions(r->e, r->nodes, n, r->levels, top, loop, &r->body);
        weft_region_stores(r->e, r->nodes, n, loop, "lid == 0u", &r->body);
    } else {
        weft_str_addf(&r->body,
                      "for (var k = 0u; k < %uu; k++) {\nlet i = (group - %s) * %uu * WG + k * WG + lid;\nlet row = i "
                      "/ %s;\nlet col = i %% %s;\nif (row < %s) {\n",
                      PER_THREAD, start, PER_THREAD, width, width, rows);
        weft_region_stores(r->e, r->nodes, n, "", "col == 0u", &r->body);
        weft_str_add(&r->body, "}\n}\n");
    }
    weft_str_add(&r->body, "}");
    r->cfg.part[p].rows = r->e->rows;
    r->cfg.part[p].n = r->e->n;
    r->cfg.part[p].by_row = top > 0;
    r->any_rows |= top > 0;
}

/// Threads of a workgroup: by the widest row that is reduced.
static uint32_t choose_wg(const struct weft_lower *l, const struct weft_group *g)
{
    int64_t width = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const struct weft_node *n = &l->graph->nodes[g->nodes[i]];
        if (!n->op->reduce) continue;
        const struct weft_type *t = weft_emit_node_space(l->graph, n);
        int64_t w = weft_lower_max(l, t->dims[t->rank - 1]);
        if (w > width) width = w;
    }
    if (width == 0) return 64;
    return width <= 64 ? 32 : width <= 512 || l->caps->kind == WEFT_GPU_CPU ? 64 : 256;
}

weft_status weft_region_lower(struct weft_lower *l, uint32_t group)
{
    const struct weft_group *g = &l->groups[group];
    const struct weft_node *named = &l->graph->nodes[g->nodes[g->n_nodes - 1]];
    char label[160];
    struct region r = {.l = l};
    r.e = weft_alloc(sizeof *r.e);
    r.levels = weft_calloc(l->graph->n_nodes + 1, sizeof *r.levels);
    r.part = weft_calloc(g->n_nodes + 1, sizeof *r.part);
    r.nodes = weft_calloc(g->n_nodes + 1, sizeof *r.nodes);
    weft_status status = r.e && r.levels && r.part && r.nodes
                             ? WEFT_OK
                             : weft_fail(WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    if (status != WEFT_OK) goto done;
    r.cfg.n_parts = find_parts(l, g, group, r.part);
    r.cfg.wg = choose_wg(l, g);
    if (r.cfg.n_parts > MAX_PARTS) {
        weft_lower_crowded(l, "a region has more than %d parts", MAX_PARTS);
        status = l->status;
        goto done;
    }
    snprintf(label, sizeof label, "region %s, %u nodes, %u parts", named->name ? named->name : named->op->name,
             g->n_nodes, r.cfg.n_parts);
    r.s = weft_emit(l, &region_kernel, label, &r.cfg, sizeof r.cfg);
    weft_emit_begin(r.e, l, r.s, group, weft_emit_space(l, g->nodes, g->n_nodes));
    weft_region_levels(l, group, r.levels);
    for (uint32_t p = 0; p < r.cfg.n_parts; p++) lower_part(&r, g, p);
    weft_emit_int(l, r.s, "REDUCE", r.any_rows);
    weft_emit_int(l, r.s, "SINCOS", r.e->uses_sincos);
    weft_emit_text(l, r.s, "BODY", weft_str_get(&r.body));
    weft_emit_workgroup(r.s, r.cfg.wg, r.any_rows ? r.cfg.wg * 28 : 0);
    if (l->status == WEFT_OK) memcpy((void *)r.s->cfg, &r.cfg, sizeof r.cfg);
    if (r.cfg.n_parts == 1) weft_emit_cut(r.e, r.any_rows, r.any_rows ? 1 : PER_THREAD * r.cfg.wg);
    weft_emit_finish(r.e, region_params_fields);
    weft_emit_narrow(r.e);
    status = r.body.failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory while writing a kernel") : l->status;
done:
    weft_str_free(&r.body);
    weft_free(r.e);
    weft_free(r.levels);
    weft_free(r.part);
    weft_free(r.nodes);
    return status;
}
