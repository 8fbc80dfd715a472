/// group_norm(x[, w[, b]]; groups, eps) = (x - mean) / sqrt(mean((x - mean)^2) + eps) [* w [+ b]]
///
/// x is [N, C, ...], w and b are [C]; the result has the shape of x. Axis 1 is cut into `groups` runs of C / groups
/// channels, and both means go over a run and all axes behind axis 1, for each of the N alone. All of it is f32,
/// whatever the types of operands and result. C must be a multiple of groups for all sizes. A NaN or an infinity makes
/// its group NaN. It is built from simpler operators, so operands may overlap in any way.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/shape.h"

#include <math.h>

enum { GROUPS, EPS };

static weft_status infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, const struct weft_attr *attrs,
                         struct weft_type *out) {
    if (in[0].rank < 2 || !weft_ops_is_float(in[0].dtype))
        return weft_fail(WEFT_ERR_INVALID, "operand 0 is %s; it must be of a float type, [N, C, ...]",
                         weft_ops_type_text(g, &in[0]));
    if (!weft_dim_is_multiple(g->dims, in[0].dims[1], attrs[GROUPS].i))
        return weft_fail(WEFT_ERR_INVALID,
                         "axis 1 of %s is no multiple of %lld groups for all sizes; choose groups that divide it",
                         weft_ops_type_text(g, &in[0]), (long long)attrs[GROUPS].i);
    *out = in[0];
    out->dtype = weft_ops_promote(in[0].dtype, in[0].dtype);
    for (uint32_t i = 1; i < n_in; i++) {
        if (in[i].rank != 1 || in[i].dims[0] != in[0].dims[1] || !weft_ops_is_float(in[i].dtype))
            return weft_fail(WEFT_ERR_INVALID, "operand %u is %s; it must be a float vector as long as axis 1 of %s", i,
                             weft_ops_type_text(g, &in[i]), weft_ops_type_text(g, &in[0]));
        out->dtype = weft_ops_promote(out->dtype, in[i].dtype);
    }
    return WEFT_OK;
}

/// One group: `channels` runs of `size` elements, all side by side.
static void normalise(const double *x, double *y, int64_t channels, int64_t size, double eps, const double *w,
                      const double *b) {
    int64_t n = channels * size;
    double mean = 0, square = 0;
    for (int64_t i = 0; i < n; i++) mean += x[i] / (double)n;
    for (int64_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) / sqrt(square + eps) * (w ? w[i / size] : 1) + (b ? b[i / size] : 0);
}

static weft_status eval(const struct weft_eval *e) {
    double *owned[3] = {0};
    const double *in[3] = {0};
    weft_status status = WEFT_OK;
    int64_t size = 1, groups = e->attrs[GROUPS].i, channels = e->in[0].shape[1] / groups;
    for (uint32_t i = 0; i < e->n_in; i++)
        if (!(in[i] = weft_ops_dense(&e->in[i], &owned[i])))
            status = weft_fail(WEFT_ERR_NOMEM, "group_norm: no memory for operand %u", i);
    for (uint32_t i = 2; i < e->in[0].rank; i++) size *= e->in[0].shape[i];
    for (int64_t k = 0; status == WEFT_OK && k < e->in[0].shape[0] * groups; k++) {
        int64_t start = k * channels * size, channel = k % groups * channels;
        normalise(in[0] + start, e->out[0].data + start, channels, size, e->attrs[EPS].f,
                  in[1] ? in[1] + channel : NULL, in[2] ? in[2] + channel : NULL);
    }
    for (uint32_t i = 0; i < 3; i++) weft_free(owned[i]);
    return status;
}

// ---- in simpler operators ------------------------------------------------------------------------------------------

/// An operand with a value for each channel, in the axes of the groups: [groups, channels of one, 1, ...].
static weft_value by_channel(struct weft_build *b, const struct weft_node *n, uint32_t operand, const weft_dim *cut,
                             uint32_t rank) {
    weft_dim dims[WEFT_MAX_RANK] = {cut[1], cut[2]};
    for (uint32_t i = 2; i + 1 < rank; i++) dims[i] = weft_dim_const(b->g->dims, 1);
    return weft_ops_reshape(b, n->name, n->in[operand], dims, rank - 1);
}

/// The mean over all axes behind the groups, which stay as 1.
static weft_value mean(struct weft_build *b, const char *name, weft_value x, uint32_t rank) {
    int64_t axes[WEFT_MAX_RANK];
    for (uint32_t i = 2; i < rank; i++) axes[i - 2] = i;
    return weft_bn(b, "mean", name, &x, 1, &(struct weft_arg){.name = "axes", .ints = axes, .n = rank - 2}, 1);
}

/// The node by value: adding nodes moves the graph's array. Axis 1 becomes two, groups and channels of one, so that all
/// of it is computed in one space; of the most axes, the last two are seen as one.
static weft_status decompose(struct weft_graph *g, const struct weft_node *node, uint32_t *outs) {
    struct weft_build b = {.g = g};
    const struct weft_node n = *node;
    const struct weft_type t = g->values[n.in[0]].type;
    weft_dtype dtype = g->values[n.out[0]].type.dtype;
    weft_dim cut[WEFT_MAX_RANK] = {t.dims[0], weft_dim_const(g->dims, n.attrs[GROUPS].i),
                                   weft_dim_floordiv(g->dims, t.dims[1], n.attrs[GROUPS].i)};
    uint32_t rank = 3;
    for (uint32_t i = 2; i < t.rank; i++)
        if (rank < WEFT_MAX_RANK) cut[rank++] = t.dims[i];
        else cut[rank - 1] = weft_dim_mul(g->dims, cut[rank - 1], t.dims[i]);
    weft_value x = weft_ops_as(&b, n.name, weft_ops_reshape(&b, n.name, n.in[0], cut, rank), WEFT_F32);
    x = weft_ops_b2(&b, n.name, "sub", x, mean(&b, n.name, x, rank));
    weft_value square = mean(&b, n.name, weft_ops_b1(&b, n.name, "square", x), rank);
    weft_value shifted = weft_ops_b2(&b, n.name, "add", square, weft_bf(&b, (float)n.attrs[EPS].f));
    x = weft_ops_b2(&b, n.name, "mul", x, weft_ops_b1(&b, n.name, "rsqrt", shifted));
    if (n.n_in > 1) x = weft_ops_b2(&b, n.name, "mul", x, by_channel(&b, &n, 1, cut, rank));
    if (n.n_in > 2) x = weft_ops_b2(&b, n.name, "add", x, by_channel(&b, &n, 2, cut, rank));
    outs[0] = weft_ops_as(&b, n.name, weft_ops_reshape(&b, n.name, x, t.dims, t.rank), dtype);
    return b.status;
}

const struct weft_op weft_op_group_norm = {
    .name = "group_norm",
    .doc = "x[, w[, b]] -> y: groups of channels normalised by their mean and variance, times w plus b",
    .n_in_min = 1,
    .n_in_max = 3,
    .n_out = 1,
    .attrs = {{.name = "groups", .type = WEFT_ATTR_INT, .required = true, .lo = 1, .hi = 1 << 30},
              {.name = "eps", .type = WEFT_ATTR_FLOAT, .dflt = 1e-5, .lo = 0, .hi = 1}},
    .infer = infer,
    .eval = eval,
    .decompose = decompose,
};
