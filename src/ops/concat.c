/// y = x0, x1, ... one behind the other along an axis.
///
/// 1 to 16 operands of one plain type and of equal shape but for `axis` (negative: from the end); any may be empty.
///
/// Kernels that read the result read its operands instead; where nobody can, a region of the move alone copies.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/move.h"
#include "ops/ops.h"
#include "plan/expr.h"

#include <string.h>

static weft_status concat_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                const struct weft_attr *attrs, struct weft_type *out) {
    uint32_t axis;
    *out = in[0];
    if (!weft_ops_is_plain(in[0].dtype))
        return weft_fail(WEFT_ERR_INVALID, "concat: %s holds blocks, whose elements can't be moved",
                         weft_ops_type_text(g, &in[0]));
    WEFT_TRY(weft_ops_axis(g, &in[0], attrs[0].i, &axis));
    for (uint32_t i = 1; i < n_in; i++) {
        if (in[i].dtype != in[0].dtype || in[i].rank != in[0].rank)
            return weft_fail(WEFT_ERR_INVALID,
                             "concat: %s and %s differ in type or in their number of axes; cast or "
                             "reshape one of them",
                             weft_ops_type_text(g, &in[0]), weft_ops_type_text(g, &in[i]));
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
    int64_t outer, inner, axis = weft_ops_around(y, e->attrs[0].i, &outer, &inner), at = 0;
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

enum { MOST = 6 }; ///< operands that a step binds on any device, beside what else it may need

/// A longer list is one of lists; fusion makes it one step where the device binds so many.
static weft_status concat_decompose(struct weft_graph *g, const struct weft_node *node, uint32_t *outs) {
    weft_value parts[WEFT_MAX_INS];
    uint32_t n = 0;
    const struct weft_node own = *node; // adding moves the graph's nodes
    outs[0] = own.out[0];
    if (own.n_in <= MOST) return WEFT_OK;
    for (uint32_t from = 0; from < own.n_in; from += MOST) {
        uint32_t most = own.n_in - from < MOST ? own.n_in - from : MOST;
        if (most == 1) parts[n++] = own.in[from];
        else WEFT_TRY(weft_graph_add_raw(g, &weft_op_concat, own.name, &own.in[from], most, own.attrs, &parts[n++]));
    }
    return weft_graph_add_raw(g, &weft_op_concat, own.name, parts, n, own.attrs, outs);
}

static uint32_t concat_expr(struct weft_expr *e, const struct weft_node *n, uint32_t out, const struct weft_at *at) {
    struct weft_lower *l = e->step->l;
    const struct weft_type *y = &weft_lv(l, n->out[0])->type;
    uint32_t axis, c[WEFT_MAX_RANK], x = WEFT_X_NONE;
    weft_dim first = weft_dim_const(l->graph->dims, 0);
    (void)out;
    weft_ops_axis(l->graph, y, n->attrs[0].i, &axis);
    for (uint32_t k = 0; k < y->rank; k++) c[k] = weft_x_coord_of(e, at, y, k);
    uint32_t place = c[axis];
    for (uint32_t i = 0; i < n->n_in; i++) { // what stands in front of an operand wraps, and is not below its size then
        weft_dim size = weft_lv(l, n->in[i])->type.dims[axis];
        if (weft_lower_const(l, size) == 0) continue;
        c[axis] = weft_x_sub(e, place, weft_x_dim(e, first));
        uint32_t inside = n->n_in == 1 ? WEFT_X_NONE : weft_x_less(e, c[axis], weft_x_dim(e, size));
        uint32_t v = weft_x_value_at(e, n->in[i], c, inside, at);
        x = x == WEFT_X_NONE ? v : weft_x_select(e, inside, v, x);
        first = weft_dim_add(l->graph->dims, first, size);
    }
    return x == WEFT_X_NONE ? weft_x_element(e, y->dtype, 0) : x;
}

const struct weft_op weft_op_concat = {
    .name = "concat",
    .doc = "x... -> y: the operands one behind the other along an axis",
    .n_in_min = 1,
    .n_in_max = WEFT_MAX_INS,
    .n_out = 1,
    .traits = WEFT_OP_MOVE,
    .attrs = {{.name = "axis", .type = WEFT_ATTR_INT, .lo = -WEFT_MAX_RANK, .hi = WEFT_MAX_RANK - 1}},
    .infer = concat_infer,
    .eval = concat_eval,
    .decompose = concat_decompose,
    .expr = concat_expr,
};
