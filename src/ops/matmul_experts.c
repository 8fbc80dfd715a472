/// y[t, j, n] = sum over k of x[t, j, k] w[ids[t, j], n, k]: rows by matrices that they choose, as tokens choose
/// experts.
///
///   matmul_experts(x, w, ids)
///
/// w is [E, N, K], floats or a quantised type, as model files store experts; ids i32 or u32 [T, J]: the J matrices of
/// each token; x floats, [T, J, K], or [T, K] or [T, 1, K], which all J have in common; y f32 [T, J, N]. An id outside
/// 0 .. E - 1 counts as the nearest that is inside (a negative one as 0), so that nothing else is read. K = 0 gives
/// zeros. Sums are f32 on the device, double here; the order of a sum depends on K and on how many rows the schedule
/// may have, never on other rows. kernels/gemm lowers it.
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/gemm/gemm.h"
#include "ops/shape.h"

enum { X, W, IDS };

static weft_status infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, const struct weft_attr *attrs,
                         struct weft_type *out) {
    (void)n_in, (void)attrs;
    const struct weft_type *x = &in[X], *w = &in[W], *ids = &in[IDS];
    weft_dim one = weft_dim_const(g->dims, 1);
    if (!weft_ops_is_float(x->dtype) || x->rank < 2 || x->rank > 3)
        return weft_fail(WEFT_ERR_INVALID, "operand 0 is %s; it must be a float tensor [T, K] or [T, J, K]",
                         weft_ops_type_text(g, x));
    if (w->rank != 3 || weft_ops_is_integer(w->dtype) || w->dtype == WEFT_BOOL)
        return weft_fail(WEFT_ERR_INVALID, "operand 1 is %s; it must be a float or quantised tensor [E, N, K]",
                         weft_ops_type_text(g, w));
    if (ids->rank != 2 || (ids->dtype != WEFT_I32 && ids->dtype != WEFT_U32))
        return weft_fail(WEFT_ERR_INVALID, "operand 2 is %s; it must be i32 or u32 [T, J]", weft_ops_type_text(g, ids));
    if (x->dims[x->rank - 1] != w->dims[2])
        return weft_fail(WEFT_ERR_INVALID, "rows of %s and of %s differ in length", weft_ops_type_text(g, x),
                         weft_ops_type_text(g, w));
    if (x->dims[0] != ids->dims[0] || (x->rank == 3 && x->dims[1] != one && x->dims[1] != ids->dims[1]))
        return weft_fail(WEFT_ERR_INVALID,
                         "%s has other rows than the ids %s; with ids [T, J] it is [T, K], [T, 1, K] or [T, J, K]",
                         weft_ops_type_text(g, x), weft_ops_type_text(g, ids));
    WEFT_TRY(weft_graph_guard(g, one, w->dims[0], W, "there is at least", "the number of matrices is"));
    *out = (struct weft_type){.dtype = WEFT_F32, .rank = 3, .dims = {ids->dims[0], ids->dims[1], w->dims[1]}};
    return WEFT_OK;
}

static void describe(struct weft_lower *l, const struct weft_node *n, struct weft_gemm *out) {
    const struct weft_type *x = &weft_lv(l, n->in[X])->type, *w = &weft_lv(l, n->in[W])->type;
    const struct weft_type *ids = &weft_lv(l, n->in[IDS])->type;
    weft_dim one = weft_dim_const(l->graph->dims, 1);
    bool common = x->rank == 2 || x->dims[1] != ids->dims[1];
    *out = (struct weft_gemm){.m = weft_lower_product(l, ids, 0, 2),
                              .n = w->dims[1],
                              .k = w->dims[2],
                              .a = {n->in[X], 0, x->rank - 2, x->rank - 1},
                              .b = {n->in[W], 1, 1, 2},
                              .sums = WEFT_F32,
                              .by_expert = true,
                              .ids = n->in[IDS],
                              .share = common ? ids->dims[1] : one,
                              .experts = w->dims[0]};
}

static weft_status eval(const struct weft_eval *e) {
    const struct weft_host *x = &e->in[X], *w = &e->in[W], *ids = &e->in[IDS];
    int64_t experts = w->shape[0], width = w->shape[1], k = w->shape[2], rows = weft_host_count(ids);
    int64_t share = x->rank == 2 || x->shape[1] != ids->shape[1] ? ids->shape[1] : 1;
    double *owned = NULL, *buffer = weft_alloc((size_t)(k + 1) * sizeof *buffer);
    const double *data = weft_ops_dense(x, &owned);
    for (int64_t r = 0; r < rows && buffer && data; r++) {
        const double *row = data + r / share * k;
        int64_t id = (int64_t)ids->data[r];
        id = id < 0 ? 0 : id >= experts ? experts - 1 : id;
        for (int64_t n = 0; n < width; n++) {
            const double *column = weft_host_row(w, id * width + n, buffer);
            double sum = 0;
            for (int64_t i = 0; i < k; i++) sum += row[i] * column[i];
            e->out[0].data[r * width + n] = sum;
        }
    }
    weft_status status = buffer && data ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "matmul_experts: no memory for a row");
    weft_free(buffer);
    weft_free(owned);
    return status;
}

const struct weft_op weft_op_matmul_experts = {
    .name = "matmul_experts",
    .doc = "x, w, ids -> y: y[t, j, n] = sum over k of x[t, j, k] w[ids[t, j], n, k]",
    .n_in_min = 3,
    .n_in_max = 3,
    .n_out = 1,
    .traits = WEFT_OP_CONTRACT,
    .infer = infer,
    .eval = eval,
    .lower = weft_gemm_lower,
    .gemm = describe,
};
