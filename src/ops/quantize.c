/// quantize(x; block) -> q i8 [..., K], scale f32 [..., K / block]: for each block of the last axis
///   scale = absmax / 127,   q = round(x * 127 / absmax), ties to the even integer;   a block of zeros gives zeros.
/// What absmax alone holds becomes 127 or -127. A NaN in a block makes its scale NaN and its q 0.
///
/// It is built from simpler operators, so that the fuser joins it to what makes x. On the device q takes a word an
/// element, as all i8 values do.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/shape.h"

#include <math.h>
#include <string.h>

static weft_status infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, const struct weft_attr *attrs,
                         struct weft_type *out) {
    (void)n_in;
    int64_t k, block = attrs[0].i;
    if (in[0].rank == 0 || !weft_ops_is_float(in[0].dtype))
        return weft_fail(WEFT_ERR_INVALID, "its operand is %s; it must be a float tensor [..., K]",
                         weft_ops_type_text(g, &in[0]));
    if (!weft_dim_is_const(g->dims, in[0].dims[in[0].rank - 1], &k) || k % block)
        return weft_fail(WEFT_ERR_INVALID, "the last axis of %s must be a constant multiple of the block, %lld",
                         weft_ops_type_text(g, &in[0]), (long long)block);
    out[0] = out[1] = in[0];
    out[0].dtype = WEFT_I8;
    out[1].dtype = WEFT_F32;
    out[1].dims[in[0].rank - 1] = weft_dim_const(g->dims, k / block);
    return WEFT_OK;
}

static void quantize_block(const double *x, int64_t n, double *q, double *scale) {
    double top = 0;
    for (int64_t i = 0; i < n; i++) top = fabs(x[i]) > top || isnan(x[i]) ? fabs(x[i]) : top;
    *scale = top / 127;
    for (int64_t i = 0; i < n; i++) {
        double y = top == 0 ? 0 : rint(x[i] * 127 / top);
        q[i] = isnan(y) ? 0 : y;
    }
}

static weft_status eval(const struct weft_eval *e) {
    double *owned;
    const double *x = weft_ops_dense(&e->in[0], &owned);
    if (!x) return weft_fail(WEFT_ERR_NOMEM, "quantize: out of memory");
    int64_t block = e->attrs[0].i, blocks = weft_host_count(&e->in[0]) / block;
    for (int64_t b = 0; b < blocks; b++)
        quantize_block(x + b * block, block, e->out[0].data + b * block, e->out[1].data + b);
    weft_free(owned);
    return WEFT_OK;
}

static weft_status decompose(struct weft_graph *g, const struct weft_node *at, uint32_t *outs) {
    struct weft_node n = *at; // adding nodes moves the graph's array
    struct weft_build b = {.g = g};
    struct weft_type t = g->values[n.in[0]].type, q = g->values[n.out[0]].type, s = g->values[n.out[1]].type;
    weft_dim rows = weft_dim_const(g->dims, 1), shape[3];
    for (uint32_t i = 0; i + 1 < t.rank; i++) rows = weft_dim_mul(g->dims, rows, t.dims[i]);
    shape[0] = rows;
    shape[1] = s.dims[s.rank - 1];
    shape[2] = weft_dim_const(g->dims, n.attrs[0].i);
    weft_value x = weft_ops_as(&b, n.name, weft_ops_reshape(&b, n.name, n.in[0], shape, 3), WEFT_F32);
    weft_value one = weft_bf(&b, 1), zero = weft_bf(&b, 0), steps = weft_bf(&b, 127);
    weft_value top = weft_b1(&b, "amax", weft_b1(&b, "abs", x));
    weft_value choice[3] = {weft_b2(&b, "eq", top, zero), one, top};
    weft_value divisor = weft_bn(&b, "where", n.name, choice, 3, NULL, 0);
    // x * 127 would be infinite near the end of f32: large blocks are made smaller first, by a power of two
    weft_value large[3] = {weft_b2(&b, "gt", top, weft_bf(&b, 0x1p64f)), weft_bf(&b, 0x1p-64f), one};
    weft_value less = weft_bn(&b, "where", n.name, large, 3, NULL, 0);
    weft_value y = weft_b2(&b, "mul", x, weft_b2(&b, "mul", less, steps));
    y = weft_b1(&b, "round", weft_b2(&b, "div", y, weft_b2(&b, "mul", divisor, less)));
    y = weft_ops_as(&b, n.name, y, WEFT_I8);
    weft_value scale = weft_b2(&b, "div", top, steps);
    outs[0] = weft_ops_reshape(&b, n.name, y, q.dims, q.rank);
    outs[1] = weft_ops_reshape(&b, n.name, scale, s.dims, s.rank);
    return b.status;
}

const struct weft_op weft_op_quantize = {
    .name = "quantize",
    .doc = "x -> q, scale: i8 numbers and a scale for each block of a row",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 2,
    .attrs = {{.name = "block", .type = WEFT_ATTR_INT, .dflt = 32, .lo = 1, .hi = 1 << 20}},
    .infer = infer,
    .eval = eval,
    .decompose = decompose,
};
