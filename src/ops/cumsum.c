/// y = sums of x along an axis, up to each element: y[i] = x[0] + ... + x[i].
///
///   cumsum(x; axis, exclusive, reverse)
///
/// x is a tensor of floats, i32 or u32 with an axis; y has its shape and type (bf16 gives f32). `exclusive` leaves x[i]
/// itself out of y[i], so that the first is 0; `reverse` counts from the end of the axis. A negative axis counts from
/// the last. Integers wrap. Floats are added in f32, in an order that depends on the kernel alone
/// (kernels/scan/scan.h). A NaN, and infinities of both signs, give NaN in y from there on and leave what stands in
/// front as it is. Each element of y is stored by who read that of x.
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/scan/scan.h"
#include "ops/shape.h"

enum { AXIS, EXCLUSIVE, REVERSE };

static weft_status infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, const struct weft_attr *attrs,
                         struct weft_type *out) {
    uint32_t axis;
    (void)n_in;
    if (in[0].rank == 0)
        return weft_fail(WEFT_ERR_INVALID, "operand 0 is a scalar and has no axis to sum along; reshape it to [1]");
    if (!weft_ops_is_float(in[0].dtype) && in[0].dtype != WEFT_I32 && in[0].dtype != WEFT_U32)
        return weft_fail(WEFT_ERR_INVALID, "operand 0 is %s; it takes floats, i32 and u32, so cast it first",
                         weft_ops_type_text(g, &in[0]));
    WEFT_TRY(weft_ops_axis(g, &in[0], attrs[AXIS].i, &axis));
    *out = in[0];
    out->dtype = weft_ops_promote(in[0].dtype, in[0].dtype);
    return WEFT_OK;
}

static double add(weft_dtype dtype, double total, double x) {
    switch (dtype) {
    case WEFT_I32: return (int32_t)((uint32_t)(int64_t)total + (uint32_t)(int64_t)x);
    case WEFT_U32: return (uint32_t)((uint32_t)total + (uint32_t)x);
    default: return total + x;
    }
}

static weft_status eval(const struct weft_eval *e) {
    const struct weft_host *t = &e->in[0];
    int64_t outer, inner, n = t->shape[weft_ops_around(t, e->attrs[AXIS].i, &outer, &inner)];
    double *owned, *y = e->out[0].data;
    const double *x = weft_ops_dense(t, &owned);
    if (!x) return weft_fail(WEFT_ERR_NOMEM, "cumsum: no memory for its operand");
    for (int64_t line = 0; line < outer * inner; line++) {
        double total = 0;
        for (int64_t k = 0; k < n; k++) {
            int64_t i = e->attrs[REVERSE].i ? n - 1 - k : k, at = line / inner * n * inner + i * inner + line % inner;
            if (e->attrs[EXCLUSIVE].i) y[at] = total;
            total = add(e->out[0].dtype, total, x[at]);
            if (!e->attrs[EXCLUSIVE].i) y[at] = total;
        }
    }
    weft_free(owned);
    return WEFT_OK;
}

static weft_status lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *n = &l->graph->nodes[l->groups[group].nodes[0]];
    struct weft_scan scan = {.x = n->in[0],
                             .y = n->out[0],
                             .kind = n->op->scan,
                             .exclusive = n->attrs[EXCLUSIVE].i != 0,
                             .reverse = n->attrs[REVERSE].i != 0};
    WEFT_TRY(weft_ops_axis(l->graph, &weft_lv(l, n->in[0])->type, n->attrs[AXIS].i, &scan.axis));
    return weft_scan_lower(l, n->name ? n->name : "cumsum", &scan);
}

const struct weft_op weft_op_cumsum = {
    .name = "cumsum",
    .doc = "x -> y: sums of all elements up to each, along an axis",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .scan = WEFT_SCAN_SUM,
    .attrs = {{.name = "axis", .type = WEFT_ATTR_INT, .dflt = -1},
              {.name = "exclusive", .type = WEFT_ATTR_INT, .lo = 0, .hi = 1},
              {.name = "reverse", .type = WEFT_ATTR_INT, .lo = 0, .hi = 1}},
    .infer = infer,
    .eval = eval,
    .lower = lower,
};
