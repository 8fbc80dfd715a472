/// Lowers regions: finds the connected parts of a group, and makes one step of them, side by side in the grid. A part
/// without reductions runs flat, four elements a thread: side by side where that makes vectors of loads and stores or
/// whole words of narrow elements, else a workgroup apart. One with reductions runs as schedule.h says; of a row that a
/// workgroup has to itself, threads hold their columns in registers from phase to phase where they are few and constant
/// (on a GPU), or there is one loop over the columns for each level of reductions, re-reading and recomputing, and a
/// last loop that stores. Reductions of one level share a loop. Sums depend on the schedule alone.
#include "kernels/map/region_impl.h"
#include "core/alloc.h"
#include "core/error.h"
#include <stdio.h>
#include <string.h>

#define MAX_PARTS WEFT_REGION_PARTS
#define REGION_PARAMS(F) F(u32, end0) F(u32, end1) F(u32, end2) F(u32, end3) F(u32, zero)
WEFT_PARAMS(region_params, REGION_PARAMS)
#define N_REGION 5

static void region_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct weft_region_cfg *cfg = u->step->cfg;
    uint64_t end = 0;
    for (uint32_t i = 0; i < MAX_PARTS; i++) {
        if (i < cfg->n_parts) {
            uint64_t rows = (uint64_t)weft_live(u, cfg->part[i].rows), n = (uint64_t)weft_live(u, cfg->part[i].n);
            uint64_t each = (uint64_t)cfg->wg * WEFT_REGION_PER_THREAD, rows_each = cfg->part[i].each, chunks = 1;
            if (cfg->part[i].chunks != WEFT_DIM_NONE) chunks = (uint64_t)weft_live(u, cfg->part[i].chunks);
            if (!rows_each) end += n ? (n + cfg->part[i].more + each - 1) / each : 0;
            else end += n || cfg->part[i].has_once ? (rows + rows_each - 1) / rows_each * chunks : 0;
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

/// True if the type has one element along its last axis.
static bool is_row(const struct weft_lower *l, const struct weft_type *t) {
    return t->rank && weft_lower_const(l, t->dims[t->rank - 1]) == 1;
}

/// Index space of nodes that reduce nothing: the widest of theirs.
static struct weft_type space_of(const struct weft_lower *l, const uint32_t *nodes, uint32_t n) {
    struct weft_type best = {0};
    bool have = false;
    for (uint32_t i = 0; i < n; i++) // others may have another shape of as many elements
        if (l->graph->nodes[nodes[i]].op->traits & WEFT_OP_ROWMAP)
            return *weft_region_node_space(l->graph, &l->graph->nodes[nodes[i]]);
    for (uint32_t i = 0; i < n; i++) {
        const struct weft_node *node = &l->graph->nodes[nodes[i]];
        if (node->op->traits & WEFT_OP_CONTRACT) continue;
        struct weft_type t = *weft_region_node_space(l->graph, node);
        if (have && best.rank && t.rank == best.rank && is_row(l, &t)) continue;
        if (!have || is_row(l, &best)) best = t;
        have = true;
    }
    return best;
}

uint32_t weft_region_last_axis(const struct weft_type *space) { return space->rank ? 1u << (space->rank - 1) : 0; }

// ---- the program ---------------------------------------------------------------------------------------------------

static bool is_stored(const struct weft_lower *l, uint32_t group, weft_value v) {
    return weft_lower_live_out(l, group, v) && weft_x_rests_in(l, group, v) == WEFT_NO_VALUE;
}

static void ask(struct weft_expr *e, weft_value v) {
    const struct weft_at at = weft_x_place_of(e, &weft_lv(e->step->l, v)->type);
    weft_x_value(e, v, &at);
}

void weft_region_build(struct weft_expr *e, const uint32_t *nodes, uint32_t n_nodes) {
    struct weft_lower *l = e->step->l;
    for (uint32_t i = 0; i < n_nodes && l->status == WEFT_OK; i++) { // all that is read comes before what is written
        const struct weft_node *n = &l->graph->nodes[nodes[i]];
        if (weft_op_sink(n->op)) ask(e, n->in[1]);
        for (uint32_t k = 0; k < n->n_out && !weft_op_sink(n->op); k++)
            if (is_stored(l, e->step->group, n->out[k])) ask(e, n->out[k]);
    }
    for (uint32_t i = 0; i < n_nodes && l->status == WEFT_OK; i++) {
        const struct weft_node *n = &l->graph->nodes[nodes[i]];
        if (weft_op_sink(n->op)) {
            weft_x_store_sink(e, n);
            continue;
        }
        for (uint32_t k = 0; k < n->n_out; k++)
            if (is_stored(l, e->step->group, n->out[k])) weft_x_store_value(e, n->out[k]);
    }
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
        for (uint32_t k = 0; k < node->n_out && !asked; k++) asked = weft_lower_live_out(l, group, node->out[k]);
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

static bool moves_only(const struct weft_lower *l, const uint32_t *nodes, uint32_t n) {
    bool any = false;
    for (uint32_t i = 0; i < n; i++) {
        const struct weft_node *node = &l->graph->nodes[nodes[i]];
        if (node->op->view) continue;
        bool range =
            weft_op_range(node->op) && weft_lv(l, node->in[1])->type.dtype == weft_lv(l, node->out[0])->type.dtype;
        if (!weft_op_keeps_bits(node->op) && !range) return false;
        any |= weft_op_keeps_bits(node->op);
    }
    return any;
}

/// The space of a flat program. A value of one element a row is there when rows have none: then the last axis counts as
/// one.
static struct weft_type flat_space(struct weft_lower *l, struct weft_type space, const uint32_t *nodes, uint32_t n) {
    int64_t lo, hi;
    bool shared = false;
    if (space.rank == 0) return space;
    weft_dim n_space = weft_lower_product(l, &space, 0, space.rank);
    weft_dim *last = &space.dims[space.rank - 1];
    weft_dim_bounds(l->graph->dims, *last, &lo, &hi);
    for (uint32_t i = 0; i < n; i++) {
        const struct weft_node *node = &l->graph->nodes[nodes[i]];
        const struct weft_type *t = weft_region_node_space(l->graph, node);
        bool other = t->rank != space.rank || t->dims[t->rank - 1] != *last;
        shared |= other && weft_lower_product(l, t, 0, t->rank) != n_space;
    }
    if (shared && lo <= 0) *last = weft_dim_max(l->graph->dims, *last, 1);
    return space;
}

/// Finds what a part's nodes are, and in which space they compute.
static void describe(struct weft_lower *l, uint32_t group, struct weft_region_part *part, uint32_t *points) {
    uint32_t n_points = at_point(l, group, part->nodes, part->n, points), last = 0;
    const struct weft_type *reduced = NULL; // all reductions of a part have one space
    for (uint32_t i = 0; i < part->n; i++) {
        const struct weft_node *node = &l->graph->nodes[part->nodes[i]];
        part->mask |= weft_node_reduced(l->graph, node);
        if (node->op->reduce) reduced = weft_region_node_space(l->graph, node);
    }
    part->whole = part->space = part->mask ? *reduced : space_of(l, points, n_points);
    if (part->mask == 0) {
        part->space = flat_space(l, part->space, points, n_points);
        return;
    }
    struct weft_dims *dims = l->graph->dims;
    weft_dim inner = part->rows = part->width = weft_dim_const(dims, 1);
    for (uint32_t a = 0; a < part->space.rank; a++) {
        weft_dim *side = part->mask >> a & 1 ? &part->width : &part->rows;
        *side = weft_dim_mul(dims, *side, part->space.dims[a]);
        if (part->mask >> a & 1) last = a;
    }
    for (uint32_t a = last + 1; a < part->space.rank; a++) inner = weft_dim_mul(dims, inner, part->space.dims[a]);
    if (part->rows == WEFT_DIM_BAD || part->width == WEFT_DIM_BAD || inner == WEFT_DIM_BAD) {
        weft_lower_fail(l, WEFT_ERR_NOMEM,
                        "out of memory while compiling the graph, or a value of more than 2^63 elements");
        return;
    }
    int64_t rows = weft_lower_max(l, part->rows), n = weft_lower_max(l, part->width), beside = weft_lower_max(l, inner);
    part->shape = (struct weft_map_shape){.rows = rows > 0 ? (uint64_t)rows : 0,
                                          .n = n > 0 ? (uint64_t)n : 0,
                                          .inner = beside > 1 ? (uint64_t)beside : 1,
                                          .across = last + 1 < part->space.rank};
}

static struct weft_region_part *find(struct weft_lower *l, uint32_t group, uint32_t *n_parts) {
    const struct weft_group *g = &l->groups[group];
    struct weft_arena *arena = &l->plan->arena;
    uint32_t *part = weft_arena_alloc(arena, (g->n_nodes + 1) * sizeof *part);
    uint32_t *nodes = weft_arena_alloc(arena, (2 * g->n_nodes + 1) * sizeof *nodes);
    *n_parts = part ? find_parts(l, g, group, part) : 0;
    struct weft_region_part *parts = weft_arena_alloc(arena, (*n_parts + 1) * sizeof *parts);
    if (!part || !nodes || !parts) {
        weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
        return NULL;
    }
    uint32_t *points = nodes + g->n_nodes;
    for (uint32_t p = 0; p < *n_parts && l->status == WEFT_OK; p++) {
        parts[p] = (struct weft_region_part){.nodes = nodes};
        for (uint32_t i = 0; i < g->n_nodes; i++)
            if (part[i] == p) nodes[parts[p].n++] = g->nodes[i];
        nodes += parts[p].n;
        describe(l, group, &parts[p], points);
    }
    return parts;
}

// ---- steps ---------------------------------------------------------------------------------------------------------

bool weft_region_begin(struct weft_region *r, struct weft_lower *l, uint32_t group, const uint32_t *nodes, uint32_t n,
                       const char *what, uint32_t n_parts, uint32_t threads) {
    const struct weft_node *named = &l->graph->nodes[nodes[n - 1]];
    char label[160];
    *r = (struct weft_region){.l = l, .group = group, .cfg = {.n_parts = n_parts, .wg = threads}};
    r->programs = weft_arena_alloc(&l->plan->arena, n_parts * sizeof *r->programs);
    if (!r->programs) weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    snprintf(label, sizeof label, "region %s, %u nodes, %s", weft_node_label(named), n, what);
    r->s = weft_emit(l, &region_kernel, label, &r->cfg, sizeof r->cfg);
    weft_xstep_begin(&r->step, l, r->s, group);
    return l->status == WEFT_OK;
}

/// The step keeps its programs, for weft_expr_run; without the lowering, which ends.
static void keep_programs(struct weft_region *r) {
    struct weft_xstep *step = weft_arena_dup(&r->l->plan->arena, &r->step, sizeof r->step);
    if (!step) weft_lower_fail(r->l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    if (r->l->status != WEFT_OK) return;
    step->l = NULL;
    step->s = NULL;
    for (uint32_t p = 0; p < r->cfg.n_parts; p++) r->programs[p].step = step;
    r->s->programs = r->programs;
    r->s->n_programs = r->cfg.n_parts;
}

void weft_region_end(struct weft_region *r) {
    struct weft_lower *l = r->l;
    uint32_t words = r->step.trees ? 8 : 7; // of a thread: f32, vec2 and vec4 of reductions, and a tree
    weft_emit_int(l, r->s, "REDUCE", r->any_rows);
    weft_emit_text(l, r->s, "BODY", weft_str_get(&r->body));
    weft_emit_workgroup(r->s, r->cfg.wg, r->any_rows ? r->cfg.wg * 4 * words : 0);
    if (l->status == WEFT_OK) memcpy((void *)r->s->cfg, &r->cfg, sizeof r->cfg);
    weft_xstep_finish(&r->step, region_params_fields);
    if (r->keeps) keep_programs(r);
    weft_region_narrow(&r->step);
    if (r->body.failed) weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    weft_str_free(&r->body);
}

void weft_region_write(struct weft_region *r, uint32_t p, const struct weft_region_walk *walk) {
    const struct weft_expr *e = &r->programs[p];
    struct weft_xtext t;
    bool once = false;
    if (r->l->status != WEFT_OK || !weft_xtext_begin(&t, e)) return;
    for (uint32_t i = 0; i < e->n_stores; i++) once |= e->stores[i].once;
    char first[16];
    snprintf(first, sizeof first, p ? "p.end%u" : "0u", p - 1);
    weft_str_addf(&r->body, "%sif (group < p.end%u) {\n", p ? " else " : "", p);
    if (walk) weft_region_rows(r, &t, walk, first);
    else weft_region_flat(r, &t, first);
    weft_str_add(&r->body, "}");
    r->cfg.part[p].rows = e->rows;
    r->cfg.part[p].n = e->n;
    r->cfg.part[p].chunks = walk ? walk->chunks : WEFT_DIM_NONE;
    r->cfg.part[p].each = walk ? walk->schedule->rows : 0;
    r->cfg.part[p].has_once = once;
    r->cfg.part[p].more = e->phase ? WEFT_REGION_PER_THREAD - 1 : 0;
    r->any_rows |= walk != NULL;
}

static void lower_part(struct weft_region *r, uint32_t p, const struct weft_region_part *part) {
    struct weft_lower *l = r->l;
    struct weft_expr *e = &r->programs[p];
    uint32_t all = (1u << part->space.rank) - 1;
    weft_expr_begin(e, &r->step, part->space, part->mask ? part->mask : all, NULL);
    e->flat = !part->mask;
    e->shape = part->whole;
    e->padded = !weft_type_same_dims(&part->whole, &part->space);
    e->raw = !part->mask && moves_only(l, part->nodes, part->n);
    struct weft_map_schedule schedule = weft_map_schedule(l->profile, &part->shape, r->cfg.wg);
    int64_t width = weft_lower_const(l, e->n);
    e->row_words = part->mask && e->suffix && !schedule.beside && width > 0 && width % 4 == 0;
    weft_region_build(e, part->nodes, part->n);
    struct weft_region_walk walk = {&schedule, part->n, e->n, WEFT_DIM_NONE, false};
    e->each = part->mask ? schedule.rows : 0;
    weft_region_write(r, p, part->mask ? &walk : NULL);
    if (r->cfg.n_parts > 1 || l->status != WEFT_OK) return;
    if (!part->mask && !e->phase) weft_x_split(e, false, WEFT_REGION_PER_THREAD * r->cfg.wg);
    else if (part->mask && !schedule.beside) weft_x_split(e, true, 1);
}

/// Threads of a workgroup: as many as the part wants that reduces and wants most.
static uint32_t choose_threads(const struct weft_lower *l, const struct weft_region_part *parts, uint32_t n) {
    uint32_t most = 0;
    for (uint32_t p = 0; p < n; p++) {
        uint32_t threads = parts[p].mask ? weft_map_threads(l->profile, &parts[p].shape) : 0;
        if (threads > most) most = threads;
    }
    return most ? most : 64;
}

weft_status weft_region_lower(struct weft_lower *l, uint32_t group) {
    struct weft_region r;
    char what[24];
    uint32_t n_parts, n = 0;
    struct weft_region_part *parts = find(l, group, &n_parts);
    if (n_parts > MAX_PARTS) weft_lower_over_budget(l, "a region has more than %d parts", MAX_PARTS);
    for (uint32_t p = 0; p < n_parts && l->status == WEFT_OK; p++)
        if (!weft_region_chunks(l, group, &parts[p])) parts[n++] = parts[p];
    if (l->status != WEFT_OK || n == 0) return l->status;
    snprintf(what, sizeof what, "%u parts", n);
    const struct weft_group *g = &l->groups[group];
    if (!weft_region_begin(&r, l, group, g->nodes, g->n_nodes, what, n, choose_threads(l, parts, n))) return l->status;
    for (uint32_t p = 0; p < n && l->status == WEFT_OK; p++) lower_part(&r, p, &parts[p]);
    r.keeps = true;
    weft_region_end(&r);
    return l->status;
}
