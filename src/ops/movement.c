/// Views: the input's memory under another shape or from another row on. No kernel; the place of the output is the
/// input's, at an offset.
///
///   reshape(x; shape)      the same elements in the same order; the element counts must be the same expression
///   slice(x; start, len)   rows start .. start+len of axis 0
///   bitcast(x; dtype)      the same bits as another type. Types of one width keep the shape; from f32, i32 or u32 to
///   f16
///                          or bf16 the last axis doubles (a word's low half comes first), and back it halves. Back,
///                          the view must start at an even element for all sizes, which is checked when it is compiled.
///
/// NaN: bits of a NaN may change when they are computed with, never when they are moved.
#include "core/alloc.h"
#include "core/error.h"
#include "ir/dtype.h"
#include "ops/shape.h"

#include <string.h>

static weft_dim count_of(struct weft_graph *g, const weft_dim *dims, uint32_t n) {
    weft_dim product = weft_dim_const(g->dims, 1);
    for (uint32_t i = 0; i < n; i++) product = weft_dim_mul(g->dims, product, dims[i]);
    return product;
}

static weft_status infer_reshape(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                 const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    if (attrs[0].n > WEFT_MAX_RANK)
        return weft_fail(WEFT_ERR_LIMIT, "its shape has %u axes; %d is the most", attrs[0].n, WEFT_MAX_RANK);
    *out = (struct weft_type){.dtype = in[0].dtype, .rank = attrs[0].n};
    memcpy(out->dims, attrs[0].dims, out->rank * sizeof *out->dims);
    weft_dim have = count_of(g, in[0].dims, in[0].rank), want = count_of(g, out->dims, out->rank);
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

/// Only what is wrong for every size is refused here; a slice that is out of range for some sizes fails when it is run
/// so.
static weft_status infer_slice(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                               const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    if (in[0].rank == 0) return weft_fail(WEFT_ERR_INVALID, "its operand is a scalar and has no axis 0");
    weft_dim start = attrs[0].d, len = attrs[1].d;
    weft_dim rest = weft_dim_sub(g->dims, weft_dim_sub(g->dims, in[0].dims[0], start), len);
    weft_dim parts[3] = {start, len, rest};
    for (int i = 0; i < 3; i++) {
        int64_t lo, hi = -1;
        if (parts[i] != WEFT_DIM_BAD) weft_dim_bounds(g->dims, parts[i], &lo, &hi);
        if (hi >= 0) continue;
        struct weft_str s = {0};
        weft_dim_print(g->dims, start, &s);
        weft_str_add(&s, ", length ");
        weft_dim_print(g->dims, len, &s);
        weft_status status = weft_fail(WEFT_ERR_INVALID, "start %s is never inside axis 0 of %s", weft_str_get(&s),
                                       weft_ops_type_text(g, &in[0]));
        weft_str_free(&s);
        return status;
    }
    *out = in[0];
    out->dims[0] = len;
    return WEFT_OK;
}

static weft_status copy_rows(const struct weft_eval *e, int64_t first, int64_t rows, int64_t last) {
    for (int64_t r = 0; r < rows; r++) {
        double *to = e->out[0].data + r * last;
        const double *from = weft_host_row(&e->in[0], first + r, to);
        if (from != to) memcpy(to, from, (size_t)last * sizeof *to);
    }
    return WEFT_OK;
}

static weft_status eval_reshape(const struct weft_eval *e) {
    int64_t rows, last;
    weft_ops_rows(&e->in[0], &rows, &last);
    return copy_rows(e, 0, rows, last);
}

static weft_status eval_slice(const struct weft_eval *e) {
    int64_t rows, last, per = 1, start = weft_dim_eval(e->dims, e->attrs[0].d, e->symbols);
    const struct weft_host *x = &e->in[0];
    int64_t len = e->out[0].shape[0];
    if (start < 0 || len < 0 || start > x->shape[0] - len)
        return weft_fail(WEFT_ERR_INVALID, "slice: rows %lld to %lld of %lld", (long long)start,
                         (long long)(start + len), (long long)x->shape[0]);
    weft_ops_rows(x, &rows, &last);
    if (x->rank == 1) {
        const double *row = x->data;
        if (!row) return weft_fail(WEFT_ERR_UNSUPPORTED, "slice of a one-dimensional weight");
        memcpy(e->out[0].data, row + start, (size_t)len * sizeof *row);
        return WEFT_OK;
    }
    for (uint32_t i = 1; i + 1 < x->rank; i++) per *= x->shape[i];
    return copy_rows(e, start * per, len * per, last);
}

/// Bytes of an element on the device and in files: of the types that bitcast takes they are the same.
static int64_t bits_width(weft_dtype dtype) {
    switch (dtype) {
    case WEFT_F32: case WEFT_I32: case WEFT_U32: return 4;
    case WEFT_F16: case WEFT_BF16: return 2;
    default: return 0;
    }
}

static weft_status infer_bitcast(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                 const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    *out = in[0];
    out->dtype = (weft_dtype)attrs[0].i; // the choices stand in the order of weft_dtype
    int64_t from = bits_width(in[0].dtype), to = bits_width(out->dtype), zero;
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
    if (!weft_dim_is_const(g->dims, weft_dim_mod(g->dims, *last, 2), &zero) || zero)
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
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .traits = WEFT_OP_VIEW,
    .attrs = {{.name = "dtype", .type = WEFT_ATTR_ENUM, .required = true, .choices = "f32|f16|bf16|i32|u32"}},
    .infer = infer_bitcast,
    .eval = eval_bitcast,
};
const struct weft_op weft_op_reshape = {
    .name = "reshape",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .traits = WEFT_OP_VIEW,
    .attrs = {{.name = "shape", .type = WEFT_ATTR_DIMS, .required = true}},
    .infer = infer_reshape,
    .eval = eval_reshape,
};
const struct weft_op weft_op_slice = {
    .name = "slice",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .traits = WEFT_OP_VIEW,
    .attrs = {{.name = "start", .type = WEFT_ATTR_DIM, .required = true},
              {.name = "len", .type = WEFT_ATTR_DIM, .required = true}},
    .infer = infer_slice,
    .eval = eval_slice,
};
