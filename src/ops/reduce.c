/// Reductions over the last axis, which stays as 1: [..., N] -> [..., 1]. sum, mean, amax, amin (max and min are the
/// binary operators).
///
/// An empty row gives 0 for sum, NaN for mean, -inf for amax and +inf for amin. A NaN in the row wins both. The region
/// compiler makes the kernels: a reduction is a phase of a row program.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/shape.h"

#include <math.h>

static weft_status infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, const struct weft_attr *attrs,
                         struct weft_type *out) {
    (void)n_in, (void)attrs;
    if (in[0].rank == 0)
        return weft_fail(WEFT_ERR_INVALID, "a reduction needs an axis, but its operand is a scalar; reshape it to [1]");
    if (!weft_ops_is_float(in[0].dtype))
        return weft_fail(WEFT_ERR_INVALID, "a reduction of %s: only float types are reduced; cast it to f32 first",
                         weft_ops_type_text(g, &in[0]));
    *out = in[0];
    out->dtype = weft_ops_promote(in[0].dtype, in[0].dtype);
    out->dims[out->rank - 1] = weft_dim_const(g->dims, 1);
    return WEFT_OK;
}

static double sum(const double *x, int64_t n) {
    double total = 0;
    for (int64_t i = 0; i < n; i++) total += x[i];
    return total;
}

static double mean(const double *x, int64_t n) { return sum(x, n) / (double)n; }

static double largest(const double *x, int64_t n) {
    double best = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (x[i] > best || isnan(x[i])) best = x[i];
        else if (isnan(best)) break;
    return best;
}

static double smallest(const double *x, int64_t n) {
    double best = INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (x[i] < best || isnan(x[i])) best = x[i];
        else if (isnan(best)) break;
    return best;
}

static weft_status reduce(const struct weft_eval *e, double (*row)(const double *x, int64_t n)) {
    int64_t rows, last;
    weft_ops_rows(&e->in[0], &rows, &last);
    double *buffer = weft_alloc((size_t)last * sizeof *buffer);
    if (!buffer)
        return weft_fail(WEFT_ERR_NOMEM, "%s: no memory for a row of %lld", e->node->op->name, (long long)last);
    for (int64_t r = 0; r < rows; r++) e->out[0].data[r] = row(weft_host_row(&e->in[0], r, buffer), last);
    weft_free(buffer);
    return WEFT_OK;
}

static weft_status eval_sum(const struct weft_eval *e) { return reduce(e, sum); }
static weft_status eval_mean(const struct weft_eval *e) { return reduce(e, mean); }
static weft_status eval_max(const struct weft_eval *e) { return reduce(e, largest); }
static weft_status eval_min(const struct weft_eval *e) { return reduce(e, smallest); }

const struct weft_op weft_op_sum = {.name = "sum",
                                    .doc = "x -> y: the sum of each row; 0 of an empty one",
                                    .n_in_min = 1,
                                    .n_in_max = 1,
                                    .n_out = 1,
                                    .reduce = WEFT_REDUCE_SUM,
                                    .infer = infer,
                                    .eval = eval_sum};
const struct weft_op weft_op_mean = {.name = "mean",
                                     .doc = "x -> y: the mean of each row; NaN of an empty one",
                                     .n_in_min = 1,
                                     .n_in_max = 1,
                                     .n_out = 1,
                                     .reduce = WEFT_REDUCE_MEAN,
                                     .infer = infer,
                                     .eval = eval_mean};
const struct weft_op weft_op_amax = {.name = "amax",
                                     .doc = "x -> y: the largest of each row; -inf of an empty one",
                                     .n_in_min = 1,
                                     .n_in_max = 1,
                                     .n_out = 1,
                                     .reduce = WEFT_REDUCE_MAX,
                                     .infer = infer,
                                     .eval = eval_max};
const struct weft_op weft_op_amin = {.name = "amin",
                                     .doc = "x -> y: the smallest of each row; +inf of an empty one",
                                     .n_in_min = 1,
                                     .n_in_max = 1,
                                     .n_out = 1,
                                     .reduce = WEFT_REDUCE_MIN,
                                     .infer = infer,
                                     .eval = eval_min};
