/// y = x0, x1, ... one behind the other along an axis.
///
/// 1 to 16 operands of one plain type and of equal shape but for `axis` (negative: from the end); any may be empty.
///
/// One step takes as many operands as the device binds; a step of a longer list writes only what is its own.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/move.h"

#include <stdio.h>
#include <string.h>

#define CONCAT_PARAMS(F)                                                                                               \
    F(u32, n) F(u32, row) F(u32, first) F(u32, own)                                                                    \
    F(u32, l0) F(u32, l1) F(u32, l2) F(u32, l3) F(u32, l4) F(u32, l5) F(u32, l6) F(u32, l7)                            \
    F(u32, l8) F(u32, l9) F(u32, l10) F(u32, l11) F(u32, l12) F(u32, l13) F(u32, l14) F(u32, l15)
WEFT_PARAMS(concat_params, CONCAT_PARAMS)
enum { CONCAT_N, CONCAT_ROW, CONCAT_FIRST, CONCAT_OWN, CONCAT_LENGTHS }; ///< a step has those of its operands only

struct concat_cfg {
    weft_dim outer, row, first, lengths[WEFT_MAX_INS]; ///< elements; row is the sum of all operands' lengths
    uint32_t n, unit, per, threads;
};

static weft_status concat_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                const struct weft_attr *attrs, struct weft_type *out) {
    uint32_t axis;
    *out = in[0];
    if (!weft_ops_is_plain(in[0].dtype))
        return weft_fail(WEFT_ERR_INVALID, "concat: %s holds blocks, whose elements can't be moved",
                         weft_ops_type_text(g, &in[0]));
    WEFT_TRY(weft_move_axis(g, &in[0], attrs[0].i, &axis));
    for (uint32_t i = 1; i < n_in; i++) {
        if (in[i].dtype != in[0].dtype || in[i].rank != in[0].rank)
            return weft_fail(WEFT_ERR_INVALID, "concat: %s and %s differ in type or in their number of axes; cast or "
                             "reshape one of them", weft_ops_type_text(g, &in[0]), weft_ops_type_text(g, &in[i]));
        for (uint32_t k = 0; k < in[0].rank; k++) {
            if (k == axis) continue;
            weft_status status = weft_graph_guard_equal(g, in[i].dims[k], in[0].dims[k], i,
                                                        "its size beside the axis is", "that of the first operand is");
            if (status != WEFT_OK)
                return weft_fail(status, "concat: %s and %s differ in axis %u, which is not the one joined",
                                 weft_ops_type_text(g, &in[0]), weft_ops_type_text(g, &in[i]), k);
        }
        out->dims[axis] = weft_dim_add(g->dims, out->dims[axis], in[i].dims[axis]);
    }
    return WEFT_OK;
}

static weft_status concat_eval(const struct weft_eval *e) {
    const struct weft_host *y = &e->out[0];
    int64_t axis = e->attrs[0].i < 0 ? e->attrs[0].i + y->rank : e->attrs[0].i, outer = 1, inner = 1, at = 0;
    for (int64_t i = 0; i < axis; i++) outer *= y->shape[i];
    for (int64_t i = axis + 1; i < y->rank; i++) inner *= y->shape[i];
    for (uint32_t k = 0; k < e->n_in; k++) {
        double *owned;
        const double *x = weft_ops_dense(&e->in[k], &owned);
        if (!x) return weft_fail(WEFT_ERR_NOMEM, "concat: out of memory");
        int64_t length = e->in[k].shape[axis] * inner, row = y->shape[axis] * inner;
        for (int64_t o = 0; o < outer && length > 0; o++)
            memcpy(y->data + o * row + at, x + o * length, (size_t)length * sizeof *x);
        at += length;
        weft_free(owned);
    }
    return WEFT_OK;
}

static uint32_t live(const struct weft_update *u, weft_dim d) {
    int64_t x = weft_live(u, d);
    return x > 0 ? (uint32_t)x : 0;
}

static void concat_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct concat_cfg *cfg = u->step->cfg;
    uint64_t n = (uint64_t)live(u, cfg->outer) * live(u, cfg->row), own = 0;
    words[CONCAT_N] = (uint32_t)(n / cfg->unit);
    words[CONCAT_ROW] = live(u, cfg->row) / cfg->unit;
    words[CONCAT_FIRST] = live(u, cfg->first) / cfg->unit;
    for (uint32_t k = 0; k < cfg->n; k++) own += words[CONCAT_LENGTHS + k] = live(u, cfg->lengths[k]) / cfg->unit;
    words[CONCAT_OWN] = (uint32_t)own;
    uint64_t items = own ? (n + cfg->per - 1) / cfg->per : 0; // none of the operands has anything: y gets nothing
    weft_grid_fold((items + cfg->threads - 1) / cfg->threads, u->caps->max_groups, grid);
}

static const struct weft_kernel concat_kernel = {"concat", "ops/concat.wgsl", concat_params_fields, concat_update};

static void emit_piece(struct weft_lower *l, const struct weft_node *node, struct concat_cfg *cfg, uint32_t from,
                       bool wide) {
    weft_dtype dtype = weft_lv(l, node->out[0])->type.dtype;
    uint8_t flags = wide ? WEFT_OPERAND_WIDE : 0;
    struct weft_step *s = weft_emit(l, &concat_kernel, weft_move_label(l, node), cfg, sizeof *cfg);
    s->n_fields = CONCAT_LENGTHS + cfg->n;
    weft_lower_place(l, node->out[0]);
    for (uint32_t k = 0; k < cfg->n; k++) {
        char name[8];
        snprintf(name, sizeof name, "x%u", k);
        weft_emit_value(l, s, name, WEFT_READ, node->in[from + k], flags);
    }
    // two operands may meet within a word of 16-bit elements: a later step keeps what an earlier one stored there
    bool keeps = cfg->per == 2 && from > 0;
    uint32_t y = weft_emit_value(l, s, "y", keeps ? WEFT_READ_WRITE : WEFT_WRITE, node->out[0], flags);
    weft_move_words(l, s, dtype);
    weft_emit_int(l, s, "N", cfg->n);
    weft_emit_int(l, s, "PER", cfg->per);
    weft_emit_int(l, s, "WIDE", wide);
    weft_emit_int(l, s, "ALL", cfg->n == node->n_in);
    weft_emit_workgroup(s, cfg->threads, 0);
    weft_emit_items(s, cfg->threads);
    weft_emit_reach(s, y, 1, cfg->per);
}

static weft_status concat_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_type *y = &weft_lv(l, node->out[0])->type;
    struct weft_dims *dims = l->graph->dims;
    uint32_t axis, most = l->caps->max_storage_buffers > 4 ? l->caps->max_storage_buffers - 2 : 2;
    WEFT_TRY(weft_move_axis(l->graph, y, node->attrs[0].i, &axis));
    weft_dim inner = weft_lower_product(l, y, axis + 1, y->rank), first = weft_dim_const(dims, 0);
    struct concat_cfg cfg = {.outer = weft_lower_product(l, y, 0, axis),
                             .row = weft_dim_mul(dims, y->dims[axis], inner),
                             .threads = weft_move_threads(l)};
    bool wide = true; // whole vec4: every operand starts at a multiple of 4 in itself and in y
    for (uint32_t i = 0; i < node->n_in; i++) {
        weft_dim size = weft_lv(l, node->in[i])->type.dims[axis];
        wide &= weft_lower_wide(l, node->in[i]) && weft_move_quads(l, weft_dim_mul(dims, size, inner));
    }
    cfg.unit = wide ? 4 : 1;
    cfg.per = wide ? 4 : y->dtype == WEFT_F16 || y->dtype == WEFT_BF16 ? 2 : 1;
    for (uint32_t from = 0; from < node->n_in && l->status == WEFT_OK; from += cfg.n) {
        cfg.first = first;
        cfg.n = node->n_in - from < most ? node->n_in - from : most;
        for (uint32_t k = 0; k < cfg.n; k++) {
            cfg.lengths[k] = weft_dim_mul(dims, weft_lv(l, node->in[from + k])->type.dims[axis], inner);
            first = weft_dim_add(dims, first, cfg.lengths[k]);
        }
        if (first == WEFT_DIM_BAD) return weft_lower_fail(l, WEFT_ERR_NOMEM, "concat: its sizes overflow");
        emit_piece(l, node, &cfg, from, wide);
    }
    return l->status;
}

const struct weft_op weft_op_concat = {
    .name = "concat",
    .doc = "x... -> y: the operands one behind the other along an axis",
    .n_in_min = 1,
    .n_in_max = WEFT_MAX_INS,
    .n_out = 1,
    .attrs = {{.name = "axis", .type = WEFT_ATTR_INT, .lo = -WEFT_MAX_RANK, .hi = WEFT_MAX_RANK - 1}},
    .infer = concat_infer,
    .eval = concat_eval,
    .lower = concat_lower,
};
