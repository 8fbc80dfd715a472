/// Rows in chunks. For each level of reductions one step has a workgroup for each chunk of a row, which leaves partial
/// results, and one joins those of a row in their order. What the graph asks for is stored by the last of the joining
/// steps where all of it is one value a row, else by a step behind, again with a workgroup a chunk. Each step is a
/// scalar program over the same space; reductions of earlier levels are loads of what was joined.
///
///     softmax     partial max, joined; partial sum of exp(x - max), joined; exp(x - max) / sum
#include "core/error.h"
#include "kernels/map/region_impl.h"
#include <stdio.h>

enum { MOST_LEVELS = 8, MOST_KEPT = 24 };

struct chunks {
    struct weft_lower *l;
    uint32_t group;
    const struct weft_region_part *part;
    struct weft_map_schedule schedule;
    uint32_t n; ///< reductions
    struct {
        uint32_t node, level, slot; ///< slot: place among those of its level
    } kept[MOST_KEPT];
    uint32_t levels, n_slots[MOST_LEVELS + 1], joined[MOST_LEVELS + 1]; ///< by level
    weft_dim per_row;                                                   ///< chunks of a row
    bool columns; ///< something is stored that is not one value a row
};

static const struct weft_node *node_of(const struct chunks *x, uint32_t i) {
    return &x->l->graph->nodes[x->kept[i].node];
}

/// Reductions on the deepest path to a value, within the part.
static uint32_t level_of(const struct chunks *x, const uint32_t *levels, weft_value v) {
    const struct weft_value_info *info = weft_lv(x->l, v);
    for (uint32_t i = 0; i < x->part->n && info->kind == WEFT_VALUE_NODE; i++)
        if (x->part->nodes[i] == info->node) return levels[i];
    return 0;
}

/// False if there are too many of something for chunks.
static bool find_levels(struct chunks *x) {
    uint32_t *levels = weft_arena_alloc(&x->l->plan->arena, (x->part->n + 1) * sizeof *levels);
    if (!levels) return weft_lower_fail(x->l, WEFT_ERR_NOMEM, "out of memory while writing a kernel"), false;
    for (uint32_t i = 0; i < x->part->n; i++) {
        const struct weft_node *n = &x->l->graph->nodes[x->part->nodes[i]];
        for (uint32_t k = 0; k < n->n_in; k++) {
            uint32_t level = level_of(x, levels, n->in[k]);
            if (level > levels[i]) levels[i] = level;
        }
        if (!n->op->reduce) continue;
        uint32_t level = ++levels[i];
        if (level > MOST_LEVELS || x->n == MOST_KEPT) return false;
        x->kept[x->n].node = x->part->nodes[i];
        x->kept[x->n].level = level;
        x->kept[x->n++].slot = x->n_slots[level]++;
        if (level > x->levels) x->levels = level;
    }
    return true;
}

/// True if a value of type t is one element a row, in whatever shape.
static bool one_a_row(const struct chunks *x, const struct weft_type *t) {
    const struct weft_type *space = &x->part->space;
    if (weft_lower_product(x->l, t, 0, t->rank) == x->part->rows) return true;
    for (uint32_t a = 0; a < t->rank; a++)
        if (t->rank != space->rank || (x->part->mask >> a & 1 && weft_lower_const(x->l, t->dims[a]) != 1)) return false;
    return true;
}

/// What is stored. False if a value of the row is written over memory that other chunks of it may read.
static bool find_stores(struct chunks *x) {
    bool sinks = false;
    for (uint32_t i = 0; i < x->part->n; i++) {
        const struct weft_node *n = &x->l->graph->nodes[x->part->nodes[i]];
        bool sink = weft_op_sink(n->op) != NULL;
        for (uint32_t k = 0; k < n->n_out; k++) {
            const struct weft_type *t = &weft_lv(x->l, sink ? n->in[1] : n->out[k])->type;
            if (!sink && !weft_lower_live_out(x->l, x->group, n->out[k])) continue;
            bool row = one_a_row(x, t);
            sinks |= sink && row;
            x->columns |= !row;
        }
    }
    return !(sinks && x->columns);
}

static void begin_program(const struct chunks *x, struct weft_region *r) {
    weft_expr_begin(r->programs, &r->step, x->part->space, x->part->mask, NULL);
}

static enum weft_xtype type_of(const struct chunks *x, uint32_t i) {
    return weft_x_type_of(weft_lv(x->l, node_of(x, i)->in[0])->type.dtype);
}

/// Gives the program all reductions below a level.
static void know(const struct chunks *x, struct weft_expr *e, uint32_t level) {
    for (uint32_t i = 0; i < x->n; i++) {
        uint32_t k = x->kept[i].level;
        if (k >= level) continue;
        uint32_t index = weft_x_mul(e, e->x_row, weft_x_u32(e, x->n_slots[k]));
        index = weft_x_add(e, index, weft_x_u32(e, x->kept[i].slot));
        weft_x_know(e, node_of(x, i)->out[0], weft_x_scratch(e, x->joined[k], type_of(x, i), index));
    }
}

/// Place of a reduction's partial result for a chunk.
static uint32_t partial_at(const struct chunks *x, struct weft_expr *e, uint32_t i, uint32_t chunk) {
    uint32_t at = weft_x_add(e, weft_x_mul(e, e->x_row, weft_x_dim(e, x->per_row)), chunk);
    at = weft_x_mul(e, at, weft_x_u32(e, x->n_slots[x->kept[i].level]));
    return weft_x_add(e, at, weft_x_u32(e, x->kept[i].slot));
}

static void cut(const struct chunks *x, struct weft_expr *e) {
    int64_t chunks = weft_lower_const(x->l, x->per_row);
    if (!x->schedule.beside && x->l->status == WEFT_OK)
        weft_x_split_chunks(e, x->schedule.chunk, chunks > 0 ? (uint64_t)chunks : 0);
}

static void lower_partial(const struct chunks *x, uint32_t level, uint32_t partial) {
    struct weft_region r;
    if (!weft_region_begin(&r, x->l, x->group, x->part->nodes, x->part->n, "in chunks", 1, x->schedule.threads)) return;
    struct weft_expr *e = r.programs;
    begin_program(x, &r);
    know(x, e, level);
    uint32_t found[MOST_KEPT];
    for (uint32_t i = 0; i < x->n && x->l->status == WEFT_OK; i++)
        if (x->kept[i].level == level) found[i] = weft_x_reduction(e, node_of(x, i));
    for (uint32_t i = 0; i < x->n && x->l->status == WEFT_OK; i++)
        if (x->kept[i].level == level) weft_x_store_scratch(e, partial, found[i], partial_at(x, e, i, weft_x_chunk(e)));
    cut(x, e);
    struct weft_region_walk walk = {&x->schedule, x->part->n, e->n, x->per_row, false};
    weft_region_write(&r, 0, &walk);
    r.cfg.part[0].has_once = false; // of no columns there are no chunks
    weft_region_end(&r);
}

static void lower_joined(const struct chunks *x, uint32_t level, uint32_t partial) {
    struct weft_region r;
    int64_t chunks = weft_lower_max(x->l, x->per_row);
    struct weft_map_shape shape = {.rows = x->part->shape.rows, .n = chunks > 0 ? (uint64_t)chunks : 1, .inner = 1};
    struct weft_map_schedule schedule =
        weft_map_schedule(x->l->profile, &shape, weft_map_threads(x->l->profile, &shape));
    bool last = level == x->levels && !x->columns;
    if (!weft_region_begin(&r, x->l, x->group, x->part->nodes, x->part->n, "joined", 1, schedule.threads)) return;
    struct weft_expr *e = r.programs;
    begin_program(x, &r);
    if (last) know(x, e, level);
    for (uint32_t i = 0; i < x->n && x->l->status == WEFT_OK; i++) {
        if (x->kept[i].level != level) continue;
        const struct weft_node *n = node_of(x, i);
        bool mean = n->op->reduce == WEFT_REDUCE_MEAN;
        weft_dtype dtype = weft_lv(x->l, n->in[0])->type.dtype;
        if (type_of(x, i) == WEFT_X_F32) dtype = WEFT_F32;
        uint32_t at = weft_x_scratch(e, partial, type_of(x, i), partial_at(x, e, i, e->x_col));
        uint32_t y = weft_x_reduce(e, mean ? WEFT_REDUCE_SUM : n->op->reduce, dtype, at);
        if (mean) y = weft_x_mean(e, y);
        if (last) {
            weft_x_know(e, n->out[0], y);
            continue;
        }
        uint32_t index = weft_x_mul(e, e->x_row, weft_x_u32(e, x->n_slots[level]));
        index = weft_x_add(e, index, weft_x_u32(e, x->kept[i].slot));
        weft_x_store_scratch(e, x->joined[level], y, index);
    }
    if (last) weft_region_build(e, x->part->nodes, x->part->n);
    struct weft_region_walk walk = {&schedule, x->part->n, x->per_row, WEFT_DIM_NONE, false};
    weft_region_write(&r, 0, &walk);
    weft_region_end(&r);
}

static void lower_stores(const struct chunks *x) {
    struct weft_region r;
    if (!weft_region_begin(&r, x->l, x->group, x->part->nodes, x->part->n, "behind chunks", 1, x->schedule.threads))
        return;
    struct weft_expr *e = r.programs;
    begin_program(x, &r);
    know(x, e, x->levels + 1);
    weft_region_build(e, x->part->nodes, x->part->n);
    cut(x, e);
    weft_dim chunks = weft_dim_max(x->l->graph->dims, x->per_row, 1); // one stores what is there without columns
    struct weft_region_walk walk = {&x->schedule, x->part->n, e->n, chunks, true};
    weft_region_write(&r, 0, &walk);
    weft_region_end(&r);
}

static uint32_t scratch(struct chunks *x, const char *name, uint32_t level, int64_t chunks) {
    int64_t rows = weft_lower_max(x->l, x->part->rows);
    uint64_t n = (uint64_t)(rows > 0 ? rows : 1) * (uint64_t)(chunks > 0 ? chunks : 1) * x->n_slots[level];
    return weft_lower_scratch(x->l, name, WEFT_U32, n);
}

bool weft_region_chunks(struct weft_lower *l, uint32_t group, const struct weft_region_part *part) {
    struct chunks x = {.l = l, .group = group, .part = part};
    if (!part->mask) return false;
    x.schedule = weft_map_schedule(l->profile, &part->shape, weft_map_threads(l->profile, &part->shape));
    if (!x.schedule.chunk || !find_levels(&x) || !find_stores(&x)) return false;
    x.per_row = weft_dim_ceildiv(l->graph->dims, part->width, (int64_t)x.schedule.chunk);
    for (uint32_t level = 1; level <= x.levels && l->status == WEFT_OK; level++) {
        uint32_t partial = scratch(&x, "partial results", level, weft_lower_max(l, x.per_row));
        if (level < x.levels || x.columns) x.joined[level] = scratch(&x, "joined results", level, 1);
        lower_partial(&x, level, partial);
        lower_joined(&x, level, partial);
    }
    if (x.columns && l->status == WEFT_OK) lower_stores(&x);
    return true;
}
