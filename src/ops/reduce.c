/// Reductions over any set of axes: sum, mean, prod, amax, amin of numbers, any and all of truth values (max and min
/// are the binary operators).
///
///   y[kept] = join of x[kept, reduced]
///
/// `axes` lists what is reduced, negative axes count from the end, and none stands twice. Without it (an empty list is
/// no list) it is the last axis; list all of them to reduce all. `keep` 1 leaves reduced axes as 1, 0 takes them away.
///
/// Floats keep their type (bf16 gives f32), and what lies between is f32. sum and prod of integers wrap in 32 bits: i8
/// gives i32, u8 gives u32. amax and amin of integers keep their type. Of nothing, sum is 0, prod 1, mean NaN, any
/// false, all true; amax is -inf or the least value of an integer type, amin +inf or the greatest. A NaN among the
/// elements wins all of them. The region compiler makes the kernels (kernels/map/region.h).
#include "core/alloc.h"
#include "core/error.h"
#include "ops/shape.h"

#include <math.h>
#include <string.h>

enum { AXES, KEEP };

/// Mask of the axes that a node reduces. Errors: INVALID.
static weft_status reduced(struct weft_graph *g, const struct weft_type *t, const struct weft_attr *attrs,
                           uint32_t *mask) {
    *mask = 0;
    if (t->rank == 0)
        return weft_fail(WEFT_ERR_INVALID, "a reduction needs an axis, but its operand is a scalar; reshape it to [1]");
    if (attrs[AXES].n == 0) *mask = 1u << (t->rank - 1);
    for (uint32_t i = 0; i < attrs[AXES].n; i++) {
        uint32_t axis;
        WEFT_TRY(weft_ops_axis(g, t, attrs[AXES].ints[i], &axis));
        if (*mask >> axis & 1)
            return weft_fail(WEFT_ERR_INVALID, "axis %u of %s stands twice in its axes", axis,
                             weft_ops_type_text(g, t));
        *mask |= 1u << axis;
    }
    return WEFT_OK;
}

static weft_status infer(struct weft_graph *g, const struct weft_type *in, const struct weft_attr *attrs,
                         weft_dtype dtype, struct weft_type *out) {
    uint32_t mask;
    WEFT_TRY(reduced(g, in, attrs, &mask));
    *out = (struct weft_type){.dtype = dtype};
    for (uint32_t a = 0; a < in->rank; a++) {
        if (mask >> a & 1 && !attrs[KEEP].i) continue;
        out->dims[out->rank++] = mask >> a & 1 ? weft_dim_const(g->dims, 1) : in->dims[a];
    }
    return WEFT_OK;
}

static weft_status refuse(struct weft_graph *g, const struct weft_type *in, const char *why) {
    return weft_fail(WEFT_ERR_INVALID, "a reduction of %s: %s", weft_ops_type_text(g, in), why);
}

#define INFER(NAME)                                                                                                    \
    static weft_status NAME(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,                           \
                            const struct weft_attr *attrs, struct weft_type *out)

INFER(infer_number) {
    (void)n_in;
    if (!weft_ops_is_float(in->dtype) && !weft_ops_is_integer(in->dtype))
        return refuse(g, in, "only floats and integers are reduced so; cast it to f32 or i32 first");
    return infer(g, in, attrs, weft_ops_promote(in->dtype, in->dtype), out);
}

INFER(infer_wide) {
    WEFT_TRY(infer_number(g, in, n_in, attrs, out));
    if (out->dtype == WEFT_I8) out->dtype = WEFT_I32;
    if (out->dtype == WEFT_U8) out->dtype = WEFT_U32;
    return WEFT_OK;
}

INFER(infer_mean) {
    (void)n_in;
    if (!weft_ops_is_float(in->dtype))
        return refuse(g, in, "a mean of integers has no integer type; cast it to f32 first");
    return infer(g, in, attrs, weft_ops_promote(in->dtype, in->dtype), out);
}

INFER(infer_truth) {
    (void)n_in;
    if (in->dtype != WEFT_BOOL) return refuse(g, in, "it must be bool; compare it with 0 first");
    return infer(g, in, attrs, WEFT_BOOL, out);
}

// ---- host reference ------------------------------------------------------------------------------------------------

/// What is joined to what was joined before, which starts at `start`. Integers that wrap do so once, at the end of each
/// call: two of 32 bits never leave what a double holds exactly, but for products.
struct join {
    double start;
    double (*of)(double so_far, double x);
};

static double add(double a, double x) { return a + x; }
static double add_i32(double a, double x) { return (int32_t)(uint32_t)((int64_t)a + (int64_t)x); }
static double add_u32(double a, double x) { return (uint32_t)((int64_t)a + (int64_t)x); }
static double times(double a, double x) { return a * x; }
static double times_i32(double a, double x) { return (int32_t)((uint32_t)(int64_t)a * (uint32_t)(int64_t)x); }
static double times_u32(double a, double x) { return (uint32_t)a * (uint32_t)x; }
static double greater(double a, double x) { return isnan(a) || a > x ? a : x; }
static double less(double a, double x) { return isnan(a) || a < x ? a : x; }

static double least_of(weft_dtype d) {
    return d == WEFT_I8 ? -128 : d == WEFT_I32 ? -2147483648.0 : weft_ops_is_integer(d) ? 0 : -INFINITY;
}
static double greatest_of(weft_dtype d) {
    return d == WEFT_I8    ? 127
           : d == WEFT_U8  ? 255
           : d == WEFT_I32 ? 2147483647.0
           : d == WEFT_U32 ? 4294967295.0
                           : INFINITY;
}

static struct join join_of(enum weft_reduction kind, weft_dtype d) {
    bool is_signed = d == WEFT_I8 || d == WEFT_I32, whole = weft_ops_is_integer(d);
    switch (kind) {
    case WEFT_REDUCE_PROD: return (struct join){1, !whole ? times : is_signed ? times_i32 : times_u32};
    case WEFT_REDUCE_MAX: return (struct join){least_of(d), greater};
    case WEFT_REDUCE_MIN: return (struct join){greatest_of(d), less};
    case WEFT_REDUCE_ANY: return (struct join){0, greater};
    case WEFT_REDUCE_ALL: return (struct join){1, less};
    default: return (struct join){0, !whole ? add : is_signed ? add_i32 : add_u32};
    }
}

static uint32_t host_mask(const struct weft_eval *e) {
    uint32_t mask = 0, rank = e->in[0].rank;
    for (uint32_t i = 0; i < e->attrs[AXES].n; i++)
        mask |= 1u << (e->attrs[AXES].ints[i] < 0 ? e->attrs[AXES].ints[i] + rank : e->attrs[AXES].ints[i]);
    return mask ? mask : 1u << (rank - 1);
}

static weft_status eval(const struct weft_eval *e) {
    const struct weft_host *x = &e->in[0];
    struct join join = join_of(e->node->op->reduce, x->dtype);
    uint32_t mask = host_mask(e);
    int64_t n = weft_host_count(x), n_out = weft_host_count(&e->out[0]), each = 1;
    double *owned, *y = e->out[0].data;
    const double *in = weft_ops_dense(x, &owned);
    if (!in) return weft_fail(WEFT_ERR_NOMEM, "%s: no memory for its operand", e->node->op->name);
    for (uint32_t a = 0; a < x->rank; a++) each *= mask >> a & 1 ? x->shape[a] : 1;
    for (int64_t i = 0; i < n_out; i++) y[i] = join.start;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0, stride = 1, rest = i;
        for (uint32_t a = x->rank; a-- > 0; rest /= x->shape[a]) {
            if (mask >> a & 1) continue;
            at += rest % x->shape[a] * stride;
            stride *= x->shape[a];
        }
        y[at] = join.of(y[at], in[i]);
    }
    for (int64_t i = 0; i < n_out && e->node->op->reduce == WEFT_REDUCE_MEAN; i++) y[i] /= (double)each;
    weft_free(owned);
    return WEFT_OK;
}

// ---- in its simplest form ------------------------------------------------------------------------------------------

/// The axes in order and without those that have one element, kept as 1; a view in another shape behind. What is then
/// the last axis is no list at all, so that equal nodes look alike.
static weft_status decompose(struct weft_graph *g, const struct weft_node *node, uint32_t *outs) {
    struct weft_build b = {.g = g};
    const struct weft_node n = *node;
    const struct weft_type x = g->values[n.in[0]].type, y = g->values[n.out[0]].type;
    struct weft_attr attrs[WEFT_MAX_ATTRS] = {[KEEP] = {.i = 1}};
    int64_t one;
    uint32_t mask;
    WEFT_TRY(reduced(g, &x, n.attrs, &mask));
    for (uint32_t a = 0; a < x.rank; a++)
        if (mask >> a & 1 && !(weft_dim_is_const(g->dims, x.dims[a], &one) && one == 1))
            attrs[AXES].ints[attrs[AXES].n++] = a;
    bool none = attrs[AXES].n == 0;
    if (attrs[AXES].n == 1 && attrs[AXES].ints[0] == x.rank - 1) attrs[AXES].n = 0;
    bool simple = !none && n.attrs[KEEP].i && n.attrs[AXES].n == attrs[AXES].n &&
                  memcmp(n.attrs[AXES].ints, attrs[AXES].ints, attrs[AXES].n * sizeof(int64_t)) == 0;
    outs[0] = n.out[0];
    if (simple) return WEFT_OK;
    if (none) outs[0] = weft_ops_as(&b, n.name, n.in[0], y.dtype);
    else WEFT_TRY(weft_graph_add_raw(g, n.op, n.name, &n.in[0], 1, attrs, &outs[0]));
    if (!n.attrs[KEEP].i) outs[0] = weft_ops_reshape(&b, n.name, outs[0], y.dims, y.rank);
    return b.status;
}

#define REDUCTION(NAME, KIND, INFER_NAME, DOC)                                                                         \
    const struct weft_op weft_op_##NAME = {.name = #NAME,                                                              \
                                           .doc = DOC,                                                                 \
                                           .n_in_min = 1,                                                              \
                                           .n_in_max = 1,                                                              \
                                           .n_out = 1,                                                                 \
                                           .reduce = KIND,                                                             \
                                           .reduces = 1 + AXES,                                                        \
                                           .attrs = {{.name = "axes", .type = WEFT_ATTR_INTS},                         \
                                                     {.name = "keep", .type = WEFT_ATTR_INT, .dflt = 1, .hi = 1}},     \
                                           .infer = INFER_NAME,                                                        \
                                           .eval = eval,                                                               \
                                           .decompose = decompose}

REDUCTION(sum, WEFT_REDUCE_SUM, infer_wide, "x -> y: the sum along axes, the last one by default; 0 of nothing");
REDUCTION(mean, WEFT_REDUCE_MEAN, infer_mean, "x -> y: the mean along axes, of floats; NaN of nothing");
REDUCTION(prod, WEFT_REDUCE_PROD, infer_wide, "x -> y: the product along axes; 1 of nothing");
REDUCTION(amax, WEFT_REDUCE_MAX, infer_number,
          "x -> y: the largest along axes; of nothing -inf, or the least of an integer type");
REDUCTION(amin, WEFT_REDUCE_MIN, infer_number,
          "x -> y: the smallest along axes; of nothing +inf, or the greatest of an integer type");
REDUCTION(any, WEFT_REDUCE_ANY, infer_truth, "x -> y: whether a truth value along axes is true; false of nothing");
REDUCTION(all, WEFT_REDUCE_ALL, infer_truth, "x -> y: whether all truth values along axes are true; true of nothing");
