/// Schedules of scalar programs. A program without reductions runs flat, four elements a thread: side by side where
/// that makes vectors of loads and stores or whole words of 16-bit elements, else a workgroup apart. One with
/// reductions runs a workgroup a row, in one of two regimes. Held (a constant row of a few columns a thread, on a GPU):
/// straight-line text, each thread keeps its columns in registers from phase to phase. Looped: one loop over the
/// columns for each level of reductions, re-reading and recomputing, and a last loop that stores; reductions of one
/// level share a loop. Sums depend on the workgroup size alone.
#include "kernels/map/region.h"
#include "core/alloc.h"
#include "core/error.h"
#include <stdio.h>
#include <string.h>

#define PER_THREAD 4 ///< elements a thread of a flat part computes
#define MAX_PARTS WEFT_REGION_PARTS
#define REGION_PARAMS(F) F(u32, end0) F(u32, end1) F(u32, end2) F(u32, end3) F(u32, zero)
WEFT_PARAMS(region_params, REGION_PARAMS)
#define N_REGION 5

/// Parts stand side by side in the grid: part i has the workgroups up to end_i.
struct region_cfg {
    struct weft_xdims dims;
    uint32_t n_parts, wg;
    struct {
        weft_dim rows, n;
        bool by_row;
        bool has_once; ///< by row: some of its values are one a row, and there without any column
        uint32_t more; ///< flat: elements that a range which begins inside a word adds
    } part[MAX_PARTS];
};

static void region_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct region_cfg *cfg = u->step->cfg;
    uint64_t end = 0;
    for (uint32_t i = 0; i < MAX_PARTS; i++) {
        if (i < cfg->n_parts) {
            uint64_t rows = (uint64_t)weft_live(u, cfg->part[i].rows), n = (uint64_t)weft_live(u, cfg->part[i].n);
            uint64_t each = (uint64_t)cfg->wg * PER_THREAD;
            if (cfg->part[i].by_row) end += n || cfg->part[i].has_once ? rows : 0;
            else end += n ? (n + cfg->part[i].more + each - 1) / each : 0;
        }
        words[i] = (uint32_t)end;
    }
    weft_x_update(u, N_REGION, words);
    weft_grid_fold(end, u->caps->max_groups, grid);
}

static const struct weft_kernel region_kernel = {"region", "kernels/map/region.wgsl", region_params_fields,
                                                 region_update};

// ---- index spaces --------------------------------------------------------------------------------------------------

const struct weft_type *weft_region_node_space(const struct weft_graph *g, const struct weft_node *n) {
    return &g->values[n->op->reduce ? n->in[0] : weft_op_sink(n->op) ? n->in[1] : n->out[0]].type;
}

/// Index space of nodes: the widest of theirs.
static struct weft_type space_of(const struct weft_lower *l, const uint32_t *nodes, uint32_t n) {
    struct weft_type best = {0};
    bool have = false;
    for (uint32_t i = 0; i < n; i++) {
        const struct weft_node *node = &l->graph->nodes[nodes[i]];
        if (node->op->traits & WEFT_OP_CONTRACT) continue;
        struct weft_type t = *weft_region_node_space(l->graph, node);
        if (have && best.rank && t.rank == best.rank && weft_lower_const(l, t.dims[t.rank - 1]) == 1) continue;
        if (!have || (best.rank && weft_lower_const(l, best.dims[best.rank - 1]) == 1)) best = t;
        have = true;
    }
    return best;
}

uint32_t weft_region_last_axis(const struct weft_type *space) { return space->rank ? 1u << (space->rank - 1) : 0; }

// ---- the program ---------------------------------------------------------------------------------------------------

void weft_region_build(struct weft_expr *e, const uint32_t *nodes, uint32_t n_nodes) {
    struct weft_lower *l = e->step->l;
    const struct weft_at at = weft_x_point(e);
    for (uint32_t i = 0; i < n_nodes && l->status == WEFT_OK; i++) { // all that is read comes before what is written
        const struct weft_node *n = &l->graph->nodes[nodes[i]];
        if (weft_op_sink(n->op)) weft_x_value(e, n->in[1], &at);
        for (uint32_t k = 0; k < n->n_out && !weft_op_sink(n->op); k++)
            if (weft_lower_escapes(l, e->step->group, n->out[k])) weft_x_value(e, n->out[k], &at);
    }
    for (uint32_t i = 0; i < n_nodes && l->status == WEFT_OK; i++) {
        const struct weft_node *n = &l->graph->nodes[nodes[i]];
        if (weft_op_sink(n->op)) {
            weft_x_store_sink(e, n);
            continue;
        }
        for (uint32_t k = 0; k < n->n_out; k++)
            if (weft_lower_escapes(l, e->step->group, n->out[k])) weft_x_store_value(e, n->out[k]);
    }
}

/// Chooses the held regime where it fits, and defines its columns. False: loop.
static bool hold(struct weft_xtext *t, uint32_t n_nodes, uint32_t wg, struct weft_str *out) {
    struct weft_lower *l = t->e->step->l;
    int64_t width = weft_lower_const(l, t->e->n);
    uint32_t columns = width > 0 ? (uint32_t)((width + wg - 1) / wg) : 0;
    if (!l->profile->unrolls || columns == 0 || columns > 8 || (uint64_t)n_nodes * columns * 3 > 1500) return false;
    for (uint32_t u = 0; u < columns; u++) {
        bool whole = (int64_t)(u + 1) * wg <= width;
        weft_str_addf(out, whole ? "let hold%u = lid + %uu;\n" : "let hold%u = min(lid + %uu, %uu);\n", u, u * wg,
                      (unsigned)(width - 1));
        t->col[u] = weft_arena_printf(&l->plan->arena, "hold%u", u);
        t->ok[u] = whole ? NULL : weft_arena_printf(&l->plan->arena, "lid + %uu < %uu", u * wg, (unsigned)width);
    }
    t->n_held = columns;
    return true;
}

// ---- parts ---------------------------------------------------------------------------------------------------------

/// Numbers the connected parts of a group: part[i] for its i-th node; returns how many there are.
static uint32_t find_parts(const struct weft_lower *l, const struct weft_group *g, uint32_t group, uint32_t *part) {
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

/// Of the nodes of a part, those whose values are asked for at the point: what only a move reads is asked for
/// elsewhere. Keeps their order in `out`; returns how many there are.
static uint32_t at_point(const struct weft_lower *l, uint32_t group, const uint32_t *nodes, uint32_t n, uint32_t *out) {
    uint32_t kept = 0;
    for (uint32_t i = n; i-- > 0;) { // readers stand behind
        const struct weft_node *node = &l->graph->nodes[nodes[i]];
        bool asked = weft_op_sink(node->op) != NULL;
        for (uint32_t k = 0; k < node->n_out && !asked; k++) asked = weft_lower_escapes(l, group, node->out[k]);
        for (uint32_t r = 0; r < kept && !asked; r++) {
            const struct weft_node *reader = &l->graph->nodes[out[r]];
            for (uint32_t k = 0; k < reader->n_in && !asked && !(reader->op->traits & WEFT_OP_MOVE); k++)
                for (uint32_t o = 0; o < node->n_out; o++) asked |= reader->in[k] == node->out[o];
        }
        if (asked) out[kept++] = nodes[i];
    }
    for (uint32_t i = 0; i < kept / 2; i++) {
        uint32_t swap = out[i];
        out[i] = out[kept - 1 - i];
        out[kept - 1 - i] = swap;
    }
    return kept;
}

struct region {
    struct weft_lower *l;
    struct weft_step *s;
    struct weft_xstep step;
    struct weft_expr *programs; ///< one a part
    uint32_t *part, *nodes, *points;
    struct region_cfg cfg;
    struct weft_str body;
    bool any_rows;
};

static bool moves_only(const struct weft_lower *l, const uint32_t *nodes, uint32_t n) {
    bool any = false;
    for (uint32_t i = 0; i < n; i++) {
        const struct weft_node *node = &l->graph->nodes[nodes[i]];
        bool range =
            weft_op_range(node->op) && weft_lv(l, node->in[1])->type.dtype == weft_lv(l, node->out[0])->type.dtype;
        if (!(node->op->traits & WEFT_OP_MOVE) && !range) return false;
        any |= (node->op->traits & WEFT_OP_MOVE) != 0;
    }
    return any;
}

/// The space of a flat program. A value of one element a row is there when rows have none: then the last axis counts as
/// one.
static struct weft_type flat_space(const struct weft_lower *l, struct weft_type space, const uint32_t *nodes,
                                   uint32_t n) {
    int64_t lo, hi;
    bool shared = false;
    if (space.rank == 0) return space;
    weft_dim *last = &space.dims[space.rank - 1];
    weft_dim_bounds(l->graph->dims, *last, &lo, &hi);
    for (uint32_t i = 0; i < n; i++) {
        const struct weft_node *node = &l->graph->nodes[nodes[i]];
        const struct weft_type *t = weft_region_node_space(l->graph, node);
        shared |= t->rank != space.rank || t->dims[t->rank - 1] != *last;
    }
    if (shared && lo <= 0) *last = weft_dim_max(l->graph->dims, *last, 1);
    return space;
}

/// True if the number of elements is a multiple of 4 for all sizes, and a row too.
static bool whole_quads(const struct weft_lower *l, const struct weft_expr *e) {
    int64_t row = e->space.rank ? weft_lower_const(l, e->space.dims[e->space.rank - 1]) : 1;
    return weft_dim_is_multiple(l->graph->dims, e->n, 4) && row % 4 == 0;
}

/// Four neighbours a thread. `exact`: all or none of them are there.
static void side_by_side(struct region *r, struct weft_xtext *t, const char *start, const char *total, bool exact) {
    const struct weft_expr *e = t->e;
    struct weft_arena *arena = &r->l->plan->arena;
    static const char *const names[] = {"c0", "c1", "c2", "c3"};
    bool phase = e->phase != NULL;
    t->n_held = 4;
    t->quads = exact;
    t->word = "word";
    weft_str_addf(&r->body, "let quad = (group - %s) * WG + lid;\n", start);
    weft_str_add(&r->body, "let word = quad * 2u;\n");
    for (uint32_t u = 0; u < 4; u++) {
        t->col[u] = names[u];
        if (exact) {
            weft_str_addf(&r->body, "let c%u = quad * 4u + %uu;\n", u, u);
            continue;
        }
        weft_str_addf(&r->body, "let n%u = quad * 4u + %uu", u, u);
        if (phase) weft_str_addf(&r->body, " - phase_%s()", e->phase);
        weft_str_addf(&r->body, ";\nlet c%u = min(n%u, %s - 1u);\n", u, u, total); // in front of the first: wraps
        t->ok[u] = weft_arena_printf(arena, "n%u < %s", u, total);
    }
    if (exact) weft_str_addf(&r->body, "if (c0 < %s) {\n", total);
    else weft_str_addf(&r->body, "if (quad * 4u < %s + %uu) {\n", total, phase ? 1 : 0);
    if (exact && r->cfg.n_parts == 1) weft_xtext_widen(t);
    weft_xtext_stores(t, "", "true", false, &r->body);
    weft_str_add(&r->body, "}\n");
}

static void flat(struct region *r, struct weft_xtext *t, const char *start) {
    struct weft_lower *l = r->l;
    const struct weft_expr *e = t->e;
    const char *total = weft_xtext_dim(&r->step, e->n);
    bool packed = false, exact = whole_quads(l, e) && !e->phase;
    for (uint32_t i = 0; i < e->n_stores; i++) packed |= e->stores[i].packed;
    if (packed || (exact && l->profile->unrolls && (uint64_t)e->n_x * 4 < 600)) {
        side_by_side(r, t, start, total, exact);
        return;
    }
    weft_str_addf(&r->body, "for (var k = 0u; k < %uu; k++) {\nlet col = (group - %s) * %uu * WG + k * WG + lid;\n",
                  PER_THREAD, start, PER_THREAD);
    weft_str_addf(&r->body, "if (col < %s) {\n", total);
    weft_xtext_stores(t, "", "true", false, &r->body);
    weft_str_add(&r->body, "}\n}\n");
}

static void by_row(struct region *r, struct weft_xtext *t, const char *start, uint32_t n_nodes) {
    char loop[96];
    snprintf(loop, sizeof loop, "for (var col = lid; col < %s; col += WG)", weft_xtext_dim(&r->step, t->e->n));
    weft_str_addf(&r->body, "let row = group - %s;\n", start);
    hold(t, n_nodes, r->cfg.wg, &r->body);
    weft_xtext_reductions(t, loop, &r->body);
    weft_xtext_stores(t, loop, "lid == 0u", true, &r->body);
}

static void lower_part(struct region *r, const struct weft_group *g, uint32_t p) {
    struct weft_lower *l = r->l;
    struct weft_expr *e = &r->programs[p];
    struct weft_xtext t;
    uint32_t n = 0;
    bool reduces = false, once = false;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        if (r->part[i] != p) continue;
        r->nodes[n++] = g->nodes[i];
        reduces |= l->graph->nodes[g->nodes[i]].op->reduce != WEFT_REDUCE_NONE;
    }
    uint32_t n_points = at_point(l, r->step.group, r->nodes, n, r->points);
    struct weft_type space = space_of(l, r->points, n_points);
    if (!reduces) space = flat_space(l, space, r->points, n_points);
    weft_expr_begin(e, &r->step, space, reduces ? weft_region_last_axis(&space) : (1u << space.rank) - 1, NULL);
    e->flat = !reduces;
    e->raw = !reduces && moves_only(l, r->nodes, n);
    weft_region_build(e, r->nodes, n);
    if (l->status != WEFT_OK || !weft_xtext_begin(&t, e)) return;
    for (uint32_t i = 0; i < e->n_stores; i++) once |= e->stores[i].once;
    char start[16];
    snprintf(start, sizeof start, p ? "p.end%u" : "0u", p - 1);
    weft_str_addf(&r->body, "%sif (group < p.end%u) {\n", p ? " else " : "", p);
    if (reduces) by_row(r, &t, start, n);
    else flat(r, &t, start);
    weft_str_add(&r->body, "}");
    r->cfg.part[p].rows = e->rows;
    r->cfg.part[p].n = e->n;
    r->cfg.part[p].by_row = reduces;
    r->cfg.part[p].has_once = once;
    r->cfg.part[p].more = e->phase ? 1 : 0;
    r->any_rows |= reduces;
}

/// Threads of a workgroup: by the widest row that is reduced.
static uint32_t choose_wg(const struct weft_lower *l, const struct weft_group *g) {
    int64_t width = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const struct weft_node *n = &l->graph->nodes[g->nodes[i]];
        if (!n->op->reduce) continue;
        const struct weft_type *t = weft_region_node_space(l->graph, n);
        int64_t w = weft_lower_max(l, t->dims[t->rank - 1]);
        if (w > width) width = w;
    }
    if (width == 0) return 64;
    return weft_tile_of(l->profile, WEFT_TILE_ROWS, (uint64_t)width)->threads;
}

/// The step keeps its programs, for weft_expr_run; without the lowering, which ends.
static void keep_programs(struct region *r) {
    struct weft_xstep *step = weft_arena_dup(&r->l->plan->arena, &r->step, sizeof r->step);
    if (!step) weft_lower_fail(r->l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    if (r->l->status != WEFT_OK) return;
    step->l = NULL;
    step->s = NULL;
    for (uint32_t p = 0; p < r->cfg.n_parts; p++) r->programs[p].step = step;
    r->s->programs = r->programs;
    r->s->n_programs = r->cfg.n_parts;
}

weft_status weft_region_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_group *g = &l->groups[group];
    const struct weft_node *named = &l->graph->nodes[g->nodes[g->n_nodes - 1]];
    char label[160];
    struct region r = {.l = l};
    r.part = weft_calloc(g->n_nodes + 1, sizeof *r.part);
    r.nodes = weft_calloc(g->n_nodes + 1, sizeof *r.nodes);
    r.points = weft_calloc(g->n_nodes + 1, sizeof *r.points);
    weft_status status =
        r.part && r.nodes && r.points ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    if (status != WEFT_OK) goto done;
    r.cfg.n_parts = find_parts(l, g, group, r.part);
    r.cfg.wg = choose_wg(l, g);
    if (r.cfg.n_parts > MAX_PARTS) {
        weft_lower_crowded(l, "a region has more than %d parts", MAX_PARTS);
        status = l->status;
        goto done;
    }
    r.programs = weft_arena_alloc(&l->plan->arena, r.cfg.n_parts * sizeof *r.programs);
    if (!r.programs) {
        status = weft_fail(WEFT_ERR_NOMEM, "out of memory while writing a kernel");
        goto done;
    }
    snprintf(label, sizeof label, "region %s, %u nodes, %u parts", weft_node_label(named), g->n_nodes, r.cfg.n_parts);
    r.s = weft_emit(l, &region_kernel, label, &r.cfg, sizeof r.cfg);
    weft_xstep_begin(&r.step, l, r.s, group);
    for (uint32_t p = 0; p < r.cfg.n_parts && l->status == WEFT_OK; p++) lower_part(&r, g, p);
    weft_emit_int(l, r.s, "REDUCE", r.any_rows);
    weft_emit_text(l, r.s, "BODY", weft_str_get(&r.body));
    weft_emit_workgroup(r.s, r.cfg.wg, r.any_rows ? r.cfg.wg * 28 : 0);
    if (l->status == WEFT_OK) memcpy((void *)r.s->cfg, &r.cfg, sizeof r.cfg);
    if (r.cfg.n_parts == 1 && l->status == WEFT_OK)
        weft_x_cut(&r.programs[0], r.any_rows, r.any_rows ? 1 : PER_THREAD * r.cfg.wg);
    weft_xstep_finish(&r.step, region_params_fields);
    keep_programs(&r);
    weft_region_narrow(&r.step);
    status = r.body.failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory while writing a kernel") : l->status;
done:
    weft_str_free(&r.body);
    weft_free(r.part);
    weft_free(r.nodes);
    weft_free(r.points);
    return status;
}
