/// Views: the input's memory under another shape or from another row on. No kernel; the place of the output is the
/// input's, at an offset.
///
///   reshape(x; shape)      the same elements in the same order; the element counts must be the same expression
///   slice(x; start, len)   rows start .. start+len of axis 0
#include "core/error.h"
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
