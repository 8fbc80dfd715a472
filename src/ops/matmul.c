/// matmul(x [..., K], w [N, K]) -> [..., N]: y[..., n] = sum over k of x[..., k] * w[n, k].
///
/// Rows of w are outputs, as model files store them, so neither operand is ever transposed. w is a weight of any type,
/// decoded as it is read, or a plain value; x is a float. K = 0 gives zeros. The result is f32 and sums are f32 on the
/// device, double here. kernels/gemm/gemm.h lowers it.
#include "kernels/gemm/gemm.h"

#include "core/alloc.h"
#include "core/error.h"
#include "ops/shape.h"

static weft_status infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, const struct weft_attr *attrs,
                         struct weft_type *out) {
    (void)n_in, (void)attrs;
    const struct weft_type *x = &in[0], *w = &in[1];
    if (x->rank == 0 || !weft_ops_is_float(x->dtype))
        return weft_fail(WEFT_ERR_INVALID, "operand 0 is %s; it must be a float tensor [..., K]",
                         weft_ops_type_text(g, x));
    if (w->rank != 2 || weft_ops_is_integer(w->dtype) || w->dtype == WEFT_BOOL)
        return weft_fail(WEFT_ERR_INVALID, "operand 1 is %s; it must be a float or quantised matrix [N, K]",
                         weft_ops_type_text(g, w));
    if (x->dims[x->rank - 1] != w->dims[1])
        return weft_fail(WEFT_ERR_INVALID,
                         "the last axes of %s and %s differ; the second operand is [N, K], one output a row",
                         weft_ops_type_text(g, x), weft_ops_type_text(g, w));
    *out = *x;
    out->dtype = WEFT_F32;
    out->dims[x->rank - 1] = w->dims[0];
    return WEFT_OK;
}

#define LANES 8
#define ROWS 4 // rows of x that share a pass over a row of w

/// Dot products of one row of w with ROWS rows of x, each in LANES partial sums so that the loops vectorise.
static void dots(const double *w, const double *const x[ROWS], int64_t k, double out[ROWS]) {
    double sums[ROWS][LANES] = {{0}};
    int64_t whole = k / LANES * LANES;
    for (int64_t i = 0; i < whole; i += LANES)
        for (int r = 0; r < ROWS; r++)
            for (int l = 0; l < LANES; l++) sums[r][l] += w[i + l] * x[r][i + l];
    for (int r = 0; r < ROWS; r++) {
        out[r] = 0;
        for (int l = 0; l < LANES; l++) out[r] += sums[r][l];
        for (int64_t i = whole; i < k; i++) out[r] += w[i] * x[r][i];
    }
}

/// Row n of w is read once and used for all rows of x.
static void column(const struct weft_host *out, const double *x, int64_t rows, int64_t k, const double *w, int64_t n) {
    int64_t width = out->shape[out->rank - 1];
    for (int64_t r = 0; r < rows; r += ROWS) {
        const double *part[ROWS];
        double y[ROWS];
        for (int i = 0; i < ROWS; i++) part[i] = x + (r + i < rows ? r + i : rows - 1) * k;
        dots(w, part, k, y);
        for (int i = 0; i < ROWS && r + i < rows; i++) out->data[(r + i) * width + n] = y[i];
    }
}

static weft_status eval(const struct weft_eval *e) {
    int64_t rows, k, width = e->in[1].shape[0];
    weft_ops_rows(&e->in[0], &rows, &k);
    if (rows == 0) return WEFT_OK;
    double *owned, *buffer = weft_alloc((size_t)k * sizeof *buffer);
    const double *x = weft_ops_dense(&e->in[0], &owned);
    weft_status status = WEFT_OK;
    if (!buffer || !x) status = weft_fail(WEFT_ERR_NOMEM, "matmul: no memory for rows of %lld", (long long)k);
    for (int64_t n = 0; status == WEFT_OK && n < width; n++)
        column(&e->out[0], x, rows, k, weft_host_row(&e->in[1], n, buffer), n);
    weft_free(buffer);
    weft_free(owned);
    return status;
}

const struct weft_op weft_op_matmul = {
    .name = "matmul",
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out = 1,
    .traits = WEFT_OP_CONTRACT,
    .infer = infer,
    .eval = eval,
    .lower = weft_gemm_lower,
};
