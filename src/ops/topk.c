/// values, indices = the k largest elements of each row of x[..., N], in descending order.
///
///   topk(x; k)
///
/// x is a tensor of floats or integers with an axis; values are [..., k] of its type and bits, indices [..., k] i32. Of
/// equal elements the one in front comes first, and zeros of both signs are equal. NaN stands before all numbers, of
/// either sign, so that one is never lost (argmax, which picks tokens, passes over it). k is at most N: a row has no
/// more elements to give. Comparison is on integer keys, so that the result is exact (kernels/select/select.h); no
/// operand is written over, since a row is read until its last result is stored.
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/select/select.h"
#include "ops/shape.h"
#include <math.h>

enum { K };

static weft_status infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, const struct weft_attr *attrs,
                         struct weft_type *out) {
    (void)n_in;
    if (in[0].rank == 0) return weft_fail(WEFT_ERR_INVALID, "operand 0 is a scalar and has no rows; reshape it to [1]");
    if (!weft_ops_is_float(in[0].dtype) && !weft_ops_is_integer(in[0].dtype))
        return weft_fail(WEFT_ERR_INVALID, "operand 0 is %s; it takes floats and integers, so cast it first",
                         weft_ops_type_text(g, &in[0]));
    weft_dim k = weft_dim_const(g->dims, attrs[K].i), n = in[0].dims[in[0].rank - 1];
    WEFT_TRY(weft_graph_guard(g, k, n, 0, "k is", "a row has"));
    out[0] = in[0];
    out[0].dims[in[0].rank - 1] = k;
    out[1] = out[0];
    out[1].dtype = WEFT_I32;
    return WEFT_OK;
}

/// True if a stands before b, of which it is the one in front.
static bool first(double a, double b) { return isnan(a) || a >= b; }

static weft_status eval(const struct weft_eval *e) {
    double *owned;
    const double *x = weft_ops_dense(&e->in[0], &owned);
    if (!x) return weft_fail(WEFT_ERR_NOMEM, "topk: no memory for its operand");
    int64_t rows, n, k = e->attrs[K].i;
    weft_ops_rows(&e->in[0], &rows, &n);
    double *values = e->out[0].data, *indices = e->out[1].data;
    for (int64_t r = 0; r < rows && k; r++, x += n, values += k, indices += k) {
        int64_t have = 0;
        for (int64_t i = 0; i < n; i++) { // insertion, behind all that stand before it
            int64_t at = have;
            while (at > 0 && !first(values[at - 1], x[i])) at--;
            if (at == k) continue;
            if (have < k) have++;
            for (int64_t m = have - 1; m > at; m--) values[m] = values[m - 1], indices[m] = indices[m - 1];
            values[at] = x[i];
            indices[at] = (double)i;
        }
    }
    weft_free(owned);
    return WEFT_OK;
}

static weft_status lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *n = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_select select = {
        .x = n->in[0], .values = n->out[0], .indices = n->out[1], .k = (uint32_t)n->attrs[K].i};
    return weft_select_lower(l, weft_node_label(n), &select);
}

const struct weft_op weft_op_topk = {
    .name = "topk",
    .doc = "x -> values, indices: the k largest of each row in descending order, and where they stand (i32)",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 2,
    .attrs = {{.name = "k", .type = WEFT_ATTR_INT, .required = true, .lo = 0, .hi = 2147483647.0}},
    .infer = infer,
    .eval = eval,
    .lower = lower,
};
