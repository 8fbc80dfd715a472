/// Normalisations over the last axis, softmax over any. All of them are built from simpler operators by `decompose`;
/// the fuser makes them one row program again, with whatever stands around them.
///
///   rms_norm(x, w[, b])   = x / sqrt(mean(x^2) + eps) * w [+ b]
///   layer_norm(x, w[, b]) = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) * w [+ b]
///   softmax(x; axis)      = exp(x - max(x)) / sum(exp(x - max(x)))
///
/// x is [..., N], w and b are [N]; the result has the shape of x. The variance is that of the differences, never
/// mean(x^2) - mean(x)^2, which cancels. All of it is f32, whatever the types of operands and result. A softmax row
/// with a NaN or +inf, or of nothing but -inf, is NaN.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/shape.h"

#include <math.h>

static weft_status infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, const struct weft_attr *attrs,
                         struct weft_type *out) {
    (void)attrs;
    if (in[0].rank == 0 || !weft_ops_is_float(in[0].dtype))
        return weft_fail(WEFT_ERR_INVALID, "operand 0 must have an axis and a float type");
    for (uint32_t i = 1; i < n_in; i++)
        if (in[i].rank != 1 || in[i].dims[0] != in[0].dims[in[0].rank - 1] || !weft_ops_is_float(in[i].dtype))
            return weft_fail(WEFT_ERR_INVALID,
                             "operand %u is %s; it must be a float vector as long as the last axis of %s", i,
                             weft_ops_type_text(g, &in[i]), weft_ops_type_text(g, &in[0]));
    *out = in[0];
    for (uint32_t i = 0; i < n_in; i++) out->dtype = weft_ops_promote(out->dtype, in[i].dtype);
    return WEFT_OK;
}

// ---- host reference ----

static void scale_row(double *y, const double *x, int64_t n, double centre, double factor, const double *w,
                      const double *b) {
    for (int64_t i = 0; i < n; i++) y[i] = (x[i] - centre) * factor * w[i] + (b ? b[i] : 0);
}

static double mean_square(const double *x, int64_t n, double centre) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (x[i] - centre) * (x[i] - centre);
    return sum / (double)n;
}

static double mean(const double *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

static weft_status normalise(const struct weft_eval *e, bool centred) {
    double *owned[3] = {0};
    const double *in[3] = {0};
    weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < e->n_in; i++)
        if (!(in[i] = weft_ops_dense(&e->in[i], &owned[i])))
            status = weft_fail(WEFT_ERR_NOMEM, "%s: no memory", e->node->op->name);
    int64_t rows, n;
    weft_ops_rows(&e->in[0], &rows, &n);
    for (int64_t r = 0; status == WEFT_OK && r < rows; r++) {
        const double *x = in[0] + r * n;
        double centre = centred ? mean(x, n) : 0;
        scale_row(e->out[0].data + r * n, x, n, centre, 1 / sqrt(mean_square(x, n, centre) + e->attrs[0].f), in[1],
                  in[2]);
    }
    for (uint32_t i = 0; i < 3; i++) weft_free(owned[i]);
    return status;
}

static weft_status infer_softmax(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                 const struct weft_attr *attrs, struct weft_type *out) {
    uint32_t axis;
    WEFT_TRY(infer(g, in, n_in, attrs, out));
    return weft_ops_axis(g, &in[0], attrs[0].i, &axis);
}

static weft_status eval_rms_norm(const struct weft_eval *e) { return normalise(e, false); }
static weft_status eval_layer_norm(const struct weft_eval *e) { return normalise(e, true); }

static void softmax(const double *x, double *y, int64_t n, int64_t stride) {
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) top = x[i * stride] > top || isnan(x[i * stride]) ? x[i * stride] : top;
    for (int64_t i = 0; i < n; i++) sum += y[i * stride] = exp(x[i * stride] - top);
    for (int64_t i = 0; i < n; i++) y[i * stride] /= sum;
}

static weft_status eval_softmax(const struct weft_eval *e) {
    double *owned;
    const double *x = weft_ops_dense(&e->in[0], &owned);
    if (!x) return weft_fail(WEFT_ERR_NOMEM, "softmax: no memory");
    int64_t outer, inner, n = e->in[0].shape[weft_ops_around(&e->in[0], e->attrs[0].i, &outer, &inner)];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < inner; k++) {
            int64_t start = o * n * inner + k;
            softmax(x + start, e->out[0].data + start, n, inner);
        }
    weft_free(owned);
    return WEFT_OK;
}

// ---- in simpler operators ----

/// The node by value: adding nodes moves the graph's array.
static weft_status decompose_norm(struct weft_graph *g, struct weft_node n, bool centred, uint32_t *outs) {
    struct weft_build b = {.g = g};
    weft_value x = weft_ops_as(&b, n.name, n.in[0], WEFT_F32);
    if (centred) x = weft_ops_b2(&b, n.name, "sub", x, weft_ops_b1(&b, n.name, "mean", x));
    weft_value square = weft_ops_b1(&b, n.name, "mean", weft_ops_b1(&b, n.name, "square", x));
    weft_value shifted = weft_ops_b2(&b, n.name, "add", square, weft_bf(&b, (float)n.attrs[0].f));
    weft_value y = weft_ops_b2(&b, n.name, "mul", x, weft_ops_b1(&b, n.name, "rsqrt", shifted));
    y = weft_ops_b2(&b, n.name, "mul", y, n.in[1]);
    y = n.n_in > 2 ? weft_ops_b2(&b, n.name, "add", y, n.in[2]) : y;
    outs[0] = weft_ops_as(&b, n.name, y, g->values[n.out[0]].type.dtype);
    return b.status;
}

static weft_status decompose_rms_norm(struct weft_graph *g, const struct weft_node *node, uint32_t *outs) {
    return decompose_norm(g, *node, false, outs);
}

static weft_status decompose_layer_norm(struct weft_graph *g, const struct weft_node *node, uint32_t *outs) {
    return decompose_norm(g, *node, true, outs);
}

static weft_status decompose_softmax(struct weft_graph *g, const struct weft_node *node, uint32_t *outs) {
    struct weft_build b = {.g = g};
    const char *name = node->name;
    weft_dtype dtype = g->values[node->out[0]].type.dtype;
    uint32_t axis;
    WEFT_TRY(weft_ops_axis(g, &g->values[node->in[0]].type, node->attrs[0].i, &axis));
    weft_value x = weft_ops_as(&b, name, node->in[0], WEFT_F32);
    x = weft_ops_b2(&b, name, "sub", x, weft_ops_reduce(&b, name, "amax", x, axis));
    x = weft_ops_b1(&b, name, "exp", x);
    x = weft_ops_b2(&b, name, "div", x, weft_ops_reduce(&b, name, "sum", x, axis));
    outs[0] = weft_ops_as(&b, name, x, dtype);
    return b.status;
}

#define EPS_ATTR                                                                                                       \
    { .name = "eps", .type = WEFT_ATTR_FLOAT, .dflt = 1e-5, .lo = 0, .hi = 1 }

const struct weft_op weft_op_rms_norm = {
    .name = "rms_norm",
    .doc = "x, w[, b] -> y: x / sqrt(mean(x^2) + eps) w + b, by rows",
    .n_in_min = 2,
    .n_in_max = 3,
    .n_out = 1,
    .attrs = {EPS_ATTR},
    .infer = infer,
    .eval = eval_rms_norm,
    .decompose = decompose_rms_norm,
};
const struct weft_op weft_op_layer_norm = {
    .name = "layer_norm",
    .doc = "x, w[, b] -> y: (x - mean(x)) / sqrt(variance(x) + eps) w + b, by rows",
    .n_in_min = 2,
    .n_in_max = 3,
    .n_out = 1,
    .attrs = {EPS_ATTR},
    .infer = infer,
    .eval = eval_layer_norm,
    .decompose = decompose_layer_norm,
};
const struct weft_op weft_op_softmax = {
    .name = "softmax",
    .doc = "x -> y: exp(x - max(x)) / sum(exp(x - max(x))) along an axis",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .attrs = {{.name = "axis", .type = WEFT_ATTR_INT, .dflt = -1}},
    .infer = infer_softmax,
    .eval = eval_softmax,
    .decompose = decompose_softmax,
};
