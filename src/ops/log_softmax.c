/// log_softmax(x; axis) = d - log(sum(exp(d))), d = x - max(x), along an axis.
///
/// x is a tensor of floats with an axis, which counts from the last where it is negative; the result has its shape and
/// type (bf16 gives f32). What lies between is f32. Nothing overflows, and no logarithm is taken of a probability that
/// has become 0. A row with a NaN or +inf, or of nothing but -inf, is NaN; an element of -inf in any other row stays
/// -inf. It is built from simpler operators, so operands may overlap in any way.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/shape.h"

#include <math.h>

enum { AXIS };

static weft_status infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, const struct weft_attr *attrs,
                         struct weft_type *out) {
    uint32_t axis;
    (void)n_in;
    if (in[0].rank == 0 || !weft_ops_is_float(in[0].dtype))
        return weft_fail(WEFT_ERR_INVALID, "operand 0 is %s; it must have an axis and a float type",
                         weft_ops_type_text(g, &in[0]));
    WEFT_TRY(weft_ops_axis(g, &in[0], attrs[AXIS].i, &axis));
    *out = in[0];
    out->dtype = weft_ops_promote(in[0].dtype, in[0].dtype);
    return WEFT_OK;
}

static void line(const double *x, double *y, int64_t n, int64_t stride) {
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) top = isnan(x[i * stride]) || x[i * stride] > top ? x[i * stride] : top;
    for (int64_t i = 0; i < n; i++) sum += exp(x[i * stride] - top);
    for (int64_t i = 0; i < n; i++) y[i * stride] = x[i * stride] - top - log(sum);
}

static weft_status eval(const struct weft_eval *e) {
    const struct weft_host *t = &e->in[0];
    int64_t outer, inner, n = t->shape[weft_ops_around(t, e->attrs[AXIS].i, &outer, &inner)];
    double *owned;
    const double *x = weft_ops_dense(t, &owned);
    if (!x) return weft_fail(WEFT_ERR_NOMEM, "log_softmax: no memory for its operand");
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < inner; k++) {
            int64_t start = o * n * inner + k;
            line(x + start, e->out[0].data + start, n, inner);
        }
    weft_free(owned);
    return WEFT_OK;
}

// ---- in simpler operators ------------------------------------------------------------------------------------------

static weft_status decompose(struct weft_graph *g, const struct weft_node *node, uint32_t *outs) {
    struct weft_build b = {.g = g};
    const char *name = node->name;
    const struct weft_type t = g->values[node->in[0]].type;
    weft_dtype dtype = g->values[node->out[0]].type.dtype;
    uint32_t axis;
    WEFT_TRY(weft_ops_axis(g, &t, node->attrs[AXIS].i, &axis));
    weft_value x = weft_ops_as(&b, name, node->in[0], WEFT_F32);
    x = weft_ops_b2(&b, name, "sub", x, weft_ops_reduce(&b, name, "amax", x, axis));
    weft_value sum = weft_ops_reduce(&b, name, "sum", weft_ops_b1(&b, name, "exp", x), axis);
    x = weft_ops_b2(&b, name, "sub", x, weft_ops_b1(&b, name, "log", sum));
    outs[0] = weft_ops_as(&b, name, x, dtype);
    return b.status;
}

const struct weft_op weft_op_log_softmax = {
    .name = "log_softmax",
    .doc = "x -> y: x - log(sum(exp(x))) along an axis",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .attrs = {{.name = "axis", .type = WEFT_ATTR_INT, .dflt = -1}},
    .infer = infer,
    .eval = eval,
    .decompose = decompose,
};
