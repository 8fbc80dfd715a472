/// y[..., :] = scale * table[ids[...], :]: rows of a table, such as token embeddings.
///
/// table[V, K] (a weight of any type, or an f32 or f16 value), ids[n...] (i32 or u32), y[n..., K] f32. A negative id
/// counts from the end; what then still lies outside the table is clamped to its first or last row. (u32 ids are never
/// negative.)
///
/// A table of integers or of bool has any number of axes behind its rows, a scale of 1, and a y of its own type. It
/// becomes gather_copy, which kernels read through.
///
/// A table above the device's binding limit comes in parts of whole rows. Each part has a step of its own, which writes
/// the rows whose id lies in the part: the parts share out all ids, so that every row of y is written exactly once.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/ops.h"
#include "ops/shape.h"
#include "plan/lower.h"

#include <stdio.h>
#include <string.h>

#define GATHER_PARAMS(F) F(u32, count) F(u32, rows) F(u32, first) F(u32, last) F(u32, k) F(u32, items) F(f32, scale)
WEFT_PARAMS(gather_params, GATHER_PARAMS)

enum { SCALE };
struct gather_cfg {
    weft_dim ids, rows, k; ///< number of ids; rows of the whole table; its columns
    uint32_t per;          ///< columns a work item
    uint32_t first, last;  ///< rows of the part, last excluded; 0, 0: all
    uint32_t threads;
    float scale;
};

/// Elements are moved as they are, and no float comes of them.
static bool moves(weft_dtype table) { return weft_ops_is_integer(table) || table == WEFT_BOOL; }

static weft_status gather_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                const struct weft_attr *attrs, struct weft_type *out) {
    int64_t lo, hi;
    if (moves(in[0].dtype) && attrs[SCALE].f != 1)
        return weft_fail(WEFT_ERR_INVALID, "gather: rows of %s come as they are; leave scale out, or cast the table",
                         weft_ops_type_text(g, &in[0]));
    if (moves(in[0].dtype)) return weft_op_gather_copy.infer(g, in, n_in, attrs, out);
    if (in[0].rank != 2)
        return weft_fail(WEFT_ERR_INVALID,
                         "gather: the table is %s; of floats and quantised types it takes [rows, columns]",
                         weft_ops_type_text(g, &in[0]));
    if ((in[1].dtype != WEFT_U32 && in[1].dtype != WEFT_I32) || in[1].rank + 1 > WEFT_MAX_RANK)
        return weft_fail(WEFT_ERR_INVALID, "gather: ids are %s; it takes u32 or i32 of at most %d axes",
                         weft_ops_type_text(g, &in[1]), WEFT_MAX_RANK - 1);
    weft_dim_bounds(g->dims, in[0].dims[0], &lo, &hi);
    if (lo < 1)
        return weft_fail(WEFT_ERR_INVALID, "gather: the table %s may have no rows", weft_ops_type_text(g, &in[0]));
    out[0] = in[1];
    out[0].dtype = WEFT_F32;
    out[0].dims[out[0].rank++] = in[0].dims[1];
    return WEFT_OK;
}

static weft_status gather_decompose(struct weft_graph *g, const struct weft_node *node, uint32_t *outs) {
    const struct weft_node own = *node; // adding moves the graph's nodes
    outs[0] = own.out[0];
    if (!moves(g->values[own.in[0]].type.dtype)) return WEFT_OK;
    const struct weft_attr none[WEFT_MAX_ATTRS] = {{0}};
    return weft_graph_add_raw(g, &weft_op_gather_copy, own.name, own.in, 2, none, outs);
}

static weft_status gather_eval(const struct weft_eval *e) {
    if (moves(e->in[0].dtype)) return weft_op_gather_copy.eval(e);
    int64_t rows = e->in[0].shape[0], k = e->in[0].shape[1], n = weft_host_count(&e->in[1]);
    double *buffer = weft_alloc((size_t)k * sizeof *buffer);
    if (!buffer) return weft_fail(WEFT_ERR_NOMEM, "gather: out of memory");
    for (int64_t i = 0; i < n; i++) {
        int64_t id = weft_ops_row(e->in[1].data[i], rows);
        const double *row = weft_host_row(&e->in[0], id, buffer);
        for (int64_t c = 0; c < k; c++) e->out[0].data[i * k + c] = e->attrs[SCALE].f * row[c];
    }
    weft_free(buffer);
    return WEFT_OK;
}

static void gather_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct gather_cfg *cfg = u->step->cfg;
    uint32_t k = (uint32_t)weft_live(u, cfg->k), pieces = (k + cfg->per - 1) / cfg->per;
    uint64_t items = (uint64_t)weft_live(u, cfg->ids) * pieces;
    struct gather_params p = {.count = (uint32_t)items,
                              .rows = (uint32_t)weft_live(u, cfg->rows),
                              .first = cfg->first,
                              .last = cfg->last,
                              .k = k,
                              .items = pieces ? pieces : 1,
                              .scale = cfg->scale};
    if (p.last == 0) p.last = p.rows;
    memcpy(words, &p, sizeof p);
    weft_grid_fold((items + cfg->threads - 1) / cfg->threads, u->caps->max_groups, grid);
}

static const struct weft_kernel gather_kernel = {"gather", "ops/gather.wgsl", gather_params_fields, gather_update};

static struct weft_step *gather_step(struct weft_lower *l, const struct weft_node *node, const struct gather_cfg *cfg) {
    char label[128];
    snprintf(label, sizeof label, "gather%s%s", weft_node_called(node) ? " " : "",
             weft_node_called(node) ? weft_node_called(node) : "");
    struct weft_step *s = weft_emit(l, &gather_kernel, label, cfg, sizeof *cfg);
    weft_lower_place(l, node->out[0]);
    const struct weft_type *y = &weft_lv(l, node->out[0])->type;
    bool variable = weft_lv(l, node->in[1])->state_kind == WEFT_STATE_VAR &&
                    weft_lv(l, node->in[1])->state != UINT32_MAX && weft_lv(l, node->in[1])->type.rank == 0;
    uint32_t at_ids = WEFT_NO_OPERAND;
    if (variable) weft_emit_vars(l, s, WEFT_READ);
    else at_ids = weft_emit_value(l, s, "ids", WEFT_READ, node->in[1], 0);
    uint8_t y_flags = weft_lower_wide(l, node->out[0]) ? WEFT_OPERAND_WIDE : 0;
    uint32_t at_y = weft_emit_value(l, s, "y", WEFT_WRITE, node->out[0], y_flags);
    weft_emit_int(l, s, "VAR", variable ? (int64_t)weft_lower_var_slot(l, node->in[1]) : -1);
    weft_emit_int(l, s, "SIGNED", weft_lv(l, node->in[1])->type.dtype == WEFT_I32);
    int64_t k = weft_lower_const(l, y->dims[y->rank - 1]);
    uint64_t items = k > 0 ? ((uint64_t)k + cfg->per - 1) / cfg->per : 0;
    char columns[16] = "p.k", pieces[16] = "p.items"; // of a live width, or of none: a constant 0 must not divide
    if (items) {
        snprintf(columns, sizeof columns, "%uu", (unsigned)k);
        snprintf(pieces, sizeof pieces, "%uu", (unsigned)items);
    }
    weft_emit_text(l, s, "K", columns);
    weft_emit_text(l, s, "ITEMS", pieces);
    weft_emit_int(l, s, "QUADS", items && k % 4 == 0);
    weft_emit_int(l, s, "BLOCKS", items && k % 32 == 0);
    weft_emit_workgroup(s, cfg->threads, 0);
    weft_emit_items(s, cfg->threads);
    if (!items) return s;
    weft_emit_reach(s, at_ids, items, 1);
    weft_emit_reach(s, at_y, items, (uint64_t)k);
    return s;
}

static weft_status gather_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_value_info *table = weft_lv(l, node->in[0]);
    const struct weft_type *ids = &weft_lv(l, node->in[1])->type;
    struct gather_cfg cfg = {.ids = weft_lower_product(l, ids, 0, ids->rank),
                             .rows = table->type.dims[0],
                             .k = table->type.dims[1],
                             .per = 4,
                             .threads = weft_tile_of(l->profile, WEFT_TILE_ELEMENTS, 0)->threads,
                             .scale = (float)node->attrs[SCALE].f};
    if (!weft_lower_packs(l, node->in[0]) || weft_lower_const(l, cfg.k) == 0) {
        struct weft_step *s = gather_step(l, node, &cfg);
        weft_lower_place(l, node->in[0]);
        uint8_t flags = weft_lower_wide(l, node->in[0]) ? WEFT_OPERAND_WIDE : 0;
        weft_emit_value(l, s, "w", WEFT_READ, node->in[0], flags);
        weft_emit_int(l, s, "PACKED", 0);
        return l->status;
    }
    const struct weft_plan_weight *w = weft_lower_weight(l, node->in[0]);
    cfg.per = 32;
    for (uint32_t part = 0; part < w->n_parts && l->status == WEFT_OK; part++) {
        cfg.first = (uint32_t)w->parts[part].row0;
        cfg.last = (uint32_t)(w->parts[part].row0 + w->parts[part].rows);
        struct weft_step *s = gather_step(l, node, &cfg);
        weft_emit_weight(l, s, "w", w, part);
        weft_emit_int(l, s, "PACKED", 1);
        weft_emit_text(l, s, "W", "w");
        weft_emit_int(l, s, "W_KB", (int64_t)(w->k + 31) / 32);
    }
    return l->status;
}

const struct weft_op weft_op_gather = {
    .name = "gather",
    .doc = "table, ids -> y: scale times rows of a table, those of integers as they are; a negative id counts from the "
           "end",
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out = 1,
    .attrs = {{.name = "scale", .type = WEFT_ATTR_FLOAT, .dflt = 1}},
    .infer = gather_infer,
    .eval = gather_eval,
    .decompose = gather_decompose,
    .lower = gather_lower,
};
