/// Views: the input's memory under another shape or from another row on. No kernel; the place of the output is the
/// input's, at an offset.
///
///   reshape(x; shape)            the same elements in the same order; the element counts must be the same expression
///   slice(x; start, len, axis, step)
///                                rows start, start+step, ... of an axis, `len` of them; a step below 0 walks back
///   select(x; index, axis)       one row of an axis, which goes away: slice and reshape
///   split(x; sizes, axis)        pieces one behind the other: a slice each
///   bitcast(x; dtype)            the same bits as another type. Types of one width keep the shape; from 32 bits to
///                                f16 or bf16 the last axis doubles (a word's low half comes first), and back it
///                                halves. Back, the view must start at an even element for all sizes, which is checked
///                                when it is compiled. Bits of a NaN may change when they are computed with, never when
///                                they are moved.
///
/// A constant start or index below 0 counts from the end. A slice is a view where its rows lie side by side (a step of
/// 1, only axes of one row in front of the axis); elsewhere it becomes slice_copy, which kernels read through, and
/// where it walks back a flip of that.
#include "core/alloc.h"
#include "core/error.h"
#include "ir/dtype.h"
#include "ops/move.h"
#include "ops/ops.h"

#include <string.h>

static weft_status infer_reshape(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                 const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    if (attrs[0].n > WEFT_MAX_RANK)
        return weft_fail(WEFT_ERR_LIMIT, "its shape has %u axes; %d is the most", attrs[0].n, WEFT_MAX_RANK);
    *out = (struct weft_type){.dtype = in[0].dtype, .rank = attrs[0].n};
    memcpy(out->dims, attrs[0].dims, out->rank * sizeof *out->dims);
    weft_dim have = weft_move_product(g, in[0].dims, 0, in[0].rank);
    weft_dim want = weft_move_product(g, out->dims, 0, out->rank);
    if (have == WEFT_DIM_BAD || have != want)
        return weft_fail(WEFT_ERR_INVALID, "%s does not have as many elements as %s for all sizes",
                         weft_ops_type_text(g, &in[0]), weft_ops_type_text(g, out));
    const struct weft_dtype_info *info = weft_dtype_info(in[0].dtype);
    int64_t last = 1;
    if (info && info->quantised &&
        (!out->rank || !weft_dim_is_const(g->dims, out->dims[out->rank - 1], &last) || last % info->block))
        return weft_fail(WEFT_ERR_INVALID, "%s to %s cuts blocks of %u", weft_ops_type_text(g, &in[0]),
                         weft_ops_type_text(g, out), info->block);
    return WEFT_OK;
}

enum { START, LEN, AXIS, STEP };

/// The least row that a slice takes, from its first. A slice of no rows that walks back begins behind its first.
static weft_dim least_row(struct weft_graph *g, weft_dim start, weft_dim len, int64_t step) {
    struct weft_dims *dims = g->dims;
    weft_dim any = weft_dim_min(dims, len, 1), one = weft_dim_const(dims, 1);
    if (step > 0) return start;
    weft_dim way = weft_dim_mul(dims, weft_dim_sub(dims, len, any), weft_dim_const(dims, step));
    return weft_dim_add(dims, weft_dim_add(dims, start, way), weft_dim_sub(dims, one, any));
}

/// Only what is wrong for every size is refused here; the rest is guarded, and refused when such sizes are set.
static weft_status infer_slice(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                               const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    uint32_t axis;
    if (in[0].rank == 0) return weft_fail(WEFT_ERR_INVALID, "its operand is a scalar and has no axis 0");
    WEFT_TRY(weft_ops_axis(g, &in[0], attrs[AXIS].i, &axis));
    if ((axis || in[0].rank == 1) && !weft_ops_is_plain(in[0].dtype))
        return weft_fail(WEFT_ERR_INVALID, "a slice of axis %u of %s would cut blocks", axis,
                         weft_ops_type_text(g, &in[0]));
    int64_t step = attrs[STEP].i;
    if (step == 0) return weft_fail(WEFT_ERR_INVALID, "its step is 0; expand repeats a row");
    if (step != 1 && !weft_ops_is_plain(in[0].dtype))
        return weft_fail(WEFT_ERR_INVALID, "a step of %lld takes %s apart; gather reads its rows", (long long)step,
                         weft_ops_type_text(g, &in[0]));
    weft_dim start = weft_move_start(g, attrs[START].d, in[0].dims[axis]);
    weft_dim least = least_row(g, start, attrs[LEN].d, step);
    WEFT_TRY(weft_move_guard(g, &in[0], axis, least, attrs[LEN].d, step < 0 ? -step : step));
    *out = in[0];
    out->dims[axis] = attrs[LEN].d;
    return WEFT_OK;
}

static weft_status eval_reshape(const struct weft_eval *e) {
    int64_t rows, last;
    weft_ops_rows(&e->in[0], &rows, &last);
    for (int64_t r = 0; r < rows; r++) {
        double *to = e->out[0].data + r * last;
        const double *from = weft_host_row(&e->in[0], r, to);
        if (from != to) memcpy(to, from, (size_t)last * sizeof *to);
    }
    return WEFT_OK;
}

/// A start or index: constants below 0 count from the end.
static int64_t host_start(const struct weft_eval *e, weft_dim start, int64_t axis) {
    int64_t c;
    const struct weft_host *x = &e->in[0];
    if (weft_dim_is_const(e->dims, start, &c) && c < 0) return c + x->shape[axis < 0 ? axis + x->rank : axis];
    return weft_dim_eval(e->dims, start, e->symbols);
}

static weft_status eval_slice(const struct weft_eval *e) {
    int64_t axis = e->attrs[AXIS].i;
    return weft_move_host(&e->in[0], e->out[0].data, axis, host_start(e, e->attrs[START].d, axis),
                          weft_dim_eval(e->dims, e->attrs[LEN].d, e->symbols), e->attrs[STEP].i);
}

// ---- simpler forms -------------------------------------------------------------------------------------------------

static weft_status add_reshape(struct weft_graph *g, weft_value x, const weft_dim *dims, uint32_t rank,
                               weft_value *out) {
    struct weft_attr shape[WEFT_MAX_ATTRS] = {{.n = rank}};
    if (rank) memcpy(shape[0].dims, dims, rank * sizeof *dims);
    return weft_graph_add_raw(g, &weft_op_reshape, NULL, &x, 1, shape, out);
}

static weft_status add_slice(struct weft_graph *g, const char *name, weft_value x, weft_dim start, weft_dim len,
                             int64_t axis, weft_value *out) {
    struct weft_attr attrs[WEFT_MAX_ATTRS] = {
        [START] = {.d = start}, [LEN] = {.d = len}, [AXIS] = {.i = axis}, [STEP] = {.i = 1}};
    return weft_graph_add_raw(g, &weft_op_slice, name, &x, 1, attrs, out);
}

/// A slice that kernels read through. `drop`: its axis, of one row, goes away. Its attributes stand in another order.
static weft_status add_slice_copy(struct weft_graph *g, const char *name, weft_value x, weft_dim start, weft_dim len,
                                  int64_t axis, int64_t step, bool drop, weft_value *out) {
    struct weft_attr attrs[WEFT_MAX_ATTRS] = {[START] = {.d = start},
                                              [LEN] = {.d = len},
                                              [AXIS] = {.i = axis},
                                              [AXIS + 1] = {.i = drop},
                                              [AXIS + 2] = {.i = step}};
    return weft_graph_add_raw(g, &weft_op_slice_copy, name, &x, 1, attrs, out);
}

/// Rows in steps of 1 or more, from the least on.
static weft_status slice_up(struct weft_graph *g, const char *name, weft_value x, weft_dim start, weft_dim len,
                            uint32_t axis, int64_t step, weft_value *out) {
    const struct weft_type t = g->values[x].type;
    if (step != 1 || weft_move_product(g, t.dims, 0, axis) != weft_dim_const(g->dims, 1))
        return add_slice_copy(g, name, x, start, len, axis, step, false, out);
    if (axis) WEFT_TRY(add_reshape(g, x, t.dims + axis, t.rank - axis, &x));
    WEFT_TRY(add_slice(g, name, x, start, len, 0, out));
    struct weft_type y = t;
    y.dims[axis] = len;
    return axis ? add_reshape(g, *out, y.dims, y.rank, out) : WEFT_OK;
}

/// Rows of axis 0 from a row that is no constant below 0 on, in steps of 1, are as simple as it gets: a view.
static weft_status decompose_slice(struct weft_graph *g, const struct weft_node *node, uint32_t *outs) {
    const struct weft_node n = *node; // adding moves the graph's nodes
    const struct weft_type x = g->values[n.in[0]].type;
    int64_t step = n.attrs[STEP].i;
    uint32_t axis;
    WEFT_TRY(weft_ops_axis(g, &x, n.attrs[AXIS].i, &axis));
    weft_dim start = weft_move_start(g, n.attrs[START].d, x.dims[axis]), len = n.attrs[LEN].d;
    if (step > 0 && len == x.dims[axis]) return add_reshape(g, n.in[0], x.dims, x.rank, outs); // all rows
    outs[0] = n.out[0];
    if (n.attrs[AXIS].i == 0 && start == n.attrs[START].d && step == 1) return WEFT_OK;
    if (step > 0) return slice_up(g, n.name, n.in[0], start, len, axis, step, outs);
    WEFT_TRY(slice_up(g, n.name, n.in[0], least_row(g, start, len, step), len, axis, -step, outs));
    struct weft_attr attrs[WEFT_MAX_ATTRS] = {{.n = 1, .ints = {axis}}};
    return weft_graph_add_raw(g, &weft_op_flip, n.name, outs, 1, attrs, outs);
}

enum { INDEX, SELECT_AXIS };

static weft_status infer_select(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    uint32_t axis;
    WEFT_TRY(weft_ops_axis(g, &in[0], attrs[SELECT_AXIS].i, &axis));
    if (!weft_ops_is_plain(in[0].dtype) && (axis || in[0].rank < 3))
        return weft_fail(WEFT_ERR_INVALID, "%s holds blocks along its last axis; gather picks its rows",
                         weft_ops_type_text(g, &in[0]));
    weft_dim start = weft_move_start(g, attrs[INDEX].d, in[0].dims[axis]);
    WEFT_TRY(weft_move_guard(g, &in[0], axis, start, weft_dim_const(g->dims, 1), 1));
    *out = in[0];
    out->rank--;
    memmove(out->dims + axis, out->dims + axis + 1, (out->rank - axis) * sizeof *out->dims);
    return WEFT_OK;
}

static weft_status eval_select(const struct weft_eval *e) {
    int64_t axis = e->attrs[SELECT_AXIS].i;
    return weft_move_host(&e->in[0], e->out[0].data, axis, host_start(e, e->attrs[INDEX].d, axis), 1, 1);
}

static weft_status decompose_select(struct weft_graph *g, const struct weft_node *node, uint32_t *outs) {
    const struct weft_node n = *node; // adding moves the graph's nodes
    const struct weft_type x = g->values[n.in[0]].type, y = g->values[n.out[0]].type;
    uint32_t axis;
    weft_dim one = weft_dim_const(g->dims, 1), index = n.attrs[INDEX].d;
    WEFT_TRY(weft_ops_axis(g, &x, n.attrs[SELECT_AXIS].i, &axis));
    if (weft_move_product(g, x.dims, 0, axis) != one)
        return add_slice_copy(g, n.name, n.in[0], index, one, axis, 1, true, outs);
    WEFT_TRY(add_slice(g, n.name, n.in[0], index, one, n.attrs[SELECT_AXIS].i, outs));
    return add_reshape(g, outs[0], y.dims, y.rank, outs);
}

enum { SIZES, SPLIT_AXIS };

static weft_status infer_split(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                               const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    uint32_t axis;
    weft_dim sum = weft_dim_const(g->dims, 0), zero = sum;
    WEFT_TRY(weft_ops_axis(g, &in[0], attrs[SPLIT_AXIS].i, &axis));
    if (!weft_ops_is_plain(in[0].dtype) && (axis || in[0].rank == 1))
        return weft_fail(WEFT_ERR_INVALID, "%s holds blocks, which can't be split; rows of axis 0 can",
                         weft_ops_type_text(g, &in[0]));
    for (uint32_t k = 0; k < attrs[SIZES].n; k++) {
        weft_dim size = attrs[SIZES].dims[k];
        WEFT_TRY(weft_graph_guard(g, zero, size, 0, "the least size is", "one of its sizes is"));
        sum = weft_dim_add(g->dims, sum, size);
        out[k] = in[0];
        out[k].dims[axis] = size;
    }
    return weft_graph_guard_equal(g, sum, in[0].dims[axis], 0, "its sizes add up to", "the axis has");
}

static weft_status eval_split(const struct weft_eval *e) {
    int64_t start = 0;
    for (uint32_t k = 0; k < e->n_out; k++) {
        int64_t len = weft_dim_eval(e->dims, e->attrs[SIZES].dims[k], e->symbols);
        WEFT_TRY(weft_move_host(&e->in[0], e->out[k].data, e->attrs[SPLIT_AXIS].i, start, len, 1));
        start += len;
    }
    return WEFT_OK;
}

static weft_status decompose_split(struct weft_graph *g, const struct weft_node *n, uint32_t *outs) {
    weft_dim start = weft_dim_const(g->dims, 0);
    const struct weft_node own = *n; // adding moves the graph's nodes
    for (uint32_t k = 0; k < own.n_out; k++) {
        weft_dim size = own.attrs[SIZES].dims[k];
        WEFT_TRY(add_slice(g, own.name, own.in[0], start, size, own.attrs[SPLIT_AXIS].i, &outs[k]));
        start = weft_dim_add(g->dims, start, size);
    }
    return WEFT_OK;
}

/// Bytes of an element on the device and in files: of the types that bitcast takes they are the same.
static int64_t bits_width(weft_dtype dtype) {
    switch (dtype) {
    case WEFT_F32:
    case WEFT_I32:
    case WEFT_U32: return 4;
    case WEFT_F16:
    case WEFT_BF16: return 2;
    default: return 0;
    }
}

static weft_status infer_bitcast(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                 const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    *out = in[0];
    out->dtype = (weft_dtype)attrs[0].i; // the choices stand in the order of weft_dtype
    int64_t from = bits_width(in[0].dtype), to = bits_width(out->dtype);
    if (!from)
        return weft_fail(WEFT_ERR_INVALID, "its operand is %s; it takes f32, i32, u32, f16 and bf16",
                         weft_ops_type_text(g, &in[0]));
    if (from == to) return WEFT_OK;
    if (in[0].rank == 0)
        return weft_fail(WEFT_ERR_INVALID, "a scalar has no axis that could change its length; reshape it to [1]");
    weft_dim *last = &out->dims[out->rank - 1];
    if (from > to) {
        *last = weft_dim_mul(g->dims, *last, weft_dim_const(g->dims, 2));
        return WEFT_OK;
    }
    if (!weft_dim_is_multiple(g->dims, *last, 2))
        return weft_fail(WEFT_ERR_INVALID, "the last axis of %s is not even for all sizes",
                         weft_ops_type_text(g, &in[0]));
    *last = weft_dim_floordiv(g->dims, *last, 2);
    return WEFT_OK;
}

static weft_status eval_bitcast(const struct weft_eval *e) {
    int64_t n = weft_host_count(&e->in[0]), out = weft_host_count(&e->out[0]);
    double *owned;
    const double *x = weft_ops_dense(&e->in[0], &owned);
    void *bits = weft_alloc((size_t)n * 4 + 4);
    weft_status status = x && bits ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "bitcast: out of memory");
    if (status == WEFT_OK) {
        weft_dtype_encode(e->in[0].dtype, x, n, bits);
        weft_dtype_info(e->out[0].dtype)->decode(bits, out, e->out[0].data);
    }
    weft_free(bits);
    weft_free(owned);
    return status;
}

const struct weft_op weft_op_bitcast = {
    .name = "bitcast",
    .doc = "x -> y: the same bits as another type",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .laws = WEFT_LAW_SAME_TYPE,
    .view = WEFT_VIEW_BITS,
    .attrs = {{.name = "dtype", .type = WEFT_ATTR_ENUM, .required = true, .choices = "f32|f16|bf16|i32|u32"}},
    .infer = infer_bitcast,
    .eval = eval_bitcast,
};
const struct weft_op weft_op_reshape = {
    .name = "reshape",
    .doc = "x -> y: the same elements in the same order under another shape",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .laws = WEFT_LAW_SAME_TYPE,
    .view = WEFT_VIEW_SAME,
    .attrs = {{.name = "shape", .type = WEFT_ATTR_DIMS, .required = true}},
    .infer = infer_reshape,
    .eval = eval_reshape,
};
const struct weft_op weft_op_slice = {
    .name = "slice",
    .doc = "x -> y: rows start, start + step, ... of an axis, len of them",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .view = WEFT_VIEW_ROWS,
    .view_start = 0,
    .attrs = {{.name = "start", .type = WEFT_ATTR_DIM, .required = true},
              {.name = "len", .type = WEFT_ATTR_DIM, .required = true},
              {.name = "axis", .type = WEFT_ATTR_INT, .lo = -WEFT_MAX_RANK, .hi = WEFT_MAX_RANK - 1},
              {.name = "step", .type = WEFT_ATTR_INT, .dflt = 1, .lo = -2147483647.0, .hi = 2147483647.0}},
    .infer = infer_slice,
    .eval = eval_slice,
    .decompose = decompose_slice,
};
const struct weft_op weft_op_select = {
    .name = "select",
    .doc = "x -> y: one row of an axis, which goes away",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .attrs = {{.name = "index", .type = WEFT_ATTR_DIM, .required = true},
              {.name = "axis", .type = WEFT_ATTR_INT, .lo = -WEFT_MAX_RANK, .hi = WEFT_MAX_RANK - 1}},
    .infer = infer_select,
    .eval = eval_select,
    .decompose = decompose_select,
};
const struct weft_op weft_op_split = {
    .name = "split",
    .doc = "x -> y...: pieces of an axis, one behind the other",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = WEFT_MAX_OUTS,
    .attrs = {{.name = "sizes", .type = WEFT_ATTR_DIMS, .required = true},
              {.name = "axis", .type = WEFT_ATTR_INT, .lo = -WEFT_MAX_RANK, .hi = WEFT_MAX_RANK - 1}},
    .n_out_of = "sizes",
    .infer = infer_split,
    .eval = eval_split,
    .decompose = decompose_split,
};
