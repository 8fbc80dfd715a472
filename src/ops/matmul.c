/// matmul(x, w): products of matrices over the last axes of x and w.
///
/// x is [..., M, K], or [..., K, M] with transpose_a; w is [..., N, K] as model files store weights, or [..., K, N]
/// with transpose_b = 0; the result is [..., M, N]. Axes in front are broadcast as everywhere; of a w without any, all
/// axes of x but the last are rows. A side of one axis is a vector, whose own axis the result does not have. Both are
/// floats, w of any type, and the result is f32; or both are i32 or u32, and the result wraps. K = 0 gives zeros. Sums
/// are f32 on the device, double here. kernels/gemm lowers it.
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/gemm/gemm.h"
#include "ops/shape.h"

enum { TRANSPOSE_A, TRANSPOSE_B };

/// Where a side of rank 1 or more has its rows (NO_AXIS: it is a vector) and its summed axis.
#define NO_AXIS WEFT_GEMM_NO_AXIS
struct axes {
    uint32_t row, col, n_batch;
};
static struct axes axes_of(uint32_t rank, bool swapped) {
    if (rank == 1) return (struct axes){NO_AXIS, 0, 0};
    return (struct axes){swapped ? rank - 1 : rank - 2, swapped ? rank - 2 : rank - 1, rank - 2};
}
static struct axes axes_a(uint32_t rank, const struct weft_attr *attrs) {
    return axes_of(rank, attrs[TRANSPOSE_A].i == 1);
}
static struct axes axes_b(uint32_t rank, const struct weft_attr *attrs) {
    return axes_of(rank, attrs[TRANSPOSE_B].i == 0);
}

static bool sums_wrap(weft_dtype d) { return d == WEFT_I32 || d == WEFT_U32; }

static weft_status infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, const struct weft_attr *attrs,
                         struct weft_type *out) {
    (void)n_in;
    const struct weft_type *x = &in[0], *w = &in[1];
    bool whole = sums_wrap(x->dtype) && x->dtype == w->dtype;
    if (x->rank == 0 || (!weft_ops_is_float(x->dtype) && !whole))
        return weft_fail(WEFT_ERR_INVALID,
                         "operand 0 is %s; it must be a float tensor [..., K], or i32 or u32 as operand 1",
                         weft_ops_type_text(g, x));
    if (w->rank == 0 || (!whole && (weft_ops_is_integer(w->dtype) || w->dtype == WEFT_BOOL)))
        return weft_fail(WEFT_ERR_INVALID,
                         "operand 1 is %s; it must be a float or quantised tensor [..., N, K], or an integer one of "
                         "operand 0's type",
                         weft_ops_type_text(g, w));
    struct axes a = axes_a(x->rank, attrs), b = axes_b(w->rank, attrs);
    if (x->dims[a.col] != w->dims[b.col])
        return weft_fail(
            WEFT_ERR_INVALID,
            "the summed axes of %s (axis %u) and %s (axis %u) differ; the second operand is [..., N, K], one "
            "output a row, or [..., K, N] with transpose_b=0",
            weft_ops_type_text(g, x), a.col, weft_ops_type_text(g, w), b.col);
    struct weft_type batch[2] = {*x, *w};
    batch[0].rank = a.n_batch;
    batch[1].rank = b.n_batch;
    WEFT_TRY(weft_ops_broadcast(g, batch, 2, out));
    out->dtype = whole ? x->dtype : WEFT_F32;
    if (out->rank + (a.row != NO_AXIS) + (b.row != NO_AXIS) > WEFT_MAX_RANK)
        return weft_fail(WEFT_ERR_INVALID, "the result of %s and %s would have more than %d axes; reshape an operand",
                         weft_ops_type_text(g, x), weft_ops_type_text(g, w), WEFT_MAX_RANK);
    if (a.row != NO_AXIS) out->dims[out->rank++] = x->dims[a.row];
    if (b.row != NO_AXIS) out->dims[out->rank++] = w->dims[b.row];
    return WEFT_OK;
}

/// Rows of floats by a matrix as model files have them.
static bool is_rows(uint32_t x_rank, uint32_t w_rank, weft_dtype sums, const struct weft_attr *attrs) {
    return w_rank == 2 && attrs[TRANSPOSE_B].i == 1 && (attrs[TRANSPOSE_A].i == 0 || x_rank == 1) && !sums_wrap(sums);
}

// ---- the description -----------------------------------------------------------------------------------------------

static void describe(struct weft_lower *l, const struct weft_node *n, struct weft_gemm *out) {
    const struct weft_type *x = &weft_lv(l, n->in[0])->type, *w = &weft_lv(l, n->in[1])->type;
    const struct weft_type *y = &weft_lv(l, n->out[0])->type;
    struct axes a = axes_a(x->rank, n->attrs), b = axes_b(w->rank, n->attrs);
    weft_dim one = weft_dim_const(l->graph->dims, 1);
    *out = (struct weft_gemm){.n_batch = y->rank - (a.row != NO_AXIS) - (b.row != NO_AXIS),
                              .m = a.row == NO_AXIS ? one : x->dims[a.row],
                              .n = b.row == NO_AXIS ? one : w->dims[b.row],
                              .k = x->dims[a.col],
                              .sums = y->dtype,
                              .rows = is_rows(x->rank, w->rank, y->dtype, n->attrs)};
    for (uint32_t i = 0; i < out->n_batch; i++) out->batch[i] = y->dims[i];
    out->a = (struct weft_gemm_side){n->in[0], a.n_batch, a.row, a.col};
    out->b = (struct weft_gemm_side){n->in[1], b.n_batch, b.row, b.col};
    if (b.row != NO_AXIS) return;
    // By a vector: rows of x are the columns of the result, whose last axis they are.
    const struct weft_gemm_side side = out->a;
    out->a = out->b;
    out->b = side;
    out->n = out->m;
    out->m = one;
}

// ---- the reference -------------------------------------------------------------------------------------------------

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

/// Rows of x by a matrix [N, K], which is decoded a row at a time.
static weft_status eval_rows(const struct weft_eval *e) {
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

struct side {
    const double *data;
    int64_t batch[WEFT_MAX_RANK], row, col, rows;
};

static struct side side_of(const struct weft_host *t, struct axes axes, const double *data, uint32_t n_batch) {
    struct side s = {.data = data, .rows = axes.row == NO_AXIS ? 1 : t->shape[axes.row]};
    int64_t strides[WEFT_MAX_RANK], stride = 1;
    for (uint32_t i = t->rank; i-- > 0; stride *= t->shape[i]) strides[i] = stride;
    for (uint32_t i = 0; i < axes.n_batch; i++) s.batch[n_batch - axes.n_batch + i] = t->shape[i] == 1 ? 0 : strides[i];
    s.row = axes.row == NO_AXIS ? 0 : strides[axes.row];
    s.col = strides[axes.col];
    return s;
}

/// One element: a sum of products in double, or modulo 2^32.
static double sum_of(const double *a, int64_t a_step, const double *b, int64_t b_step, int64_t k, weft_dtype dtype) {
    double sum = 0;
    uint32_t whole = 0;
    for (int64_t i = 0; i < k; i++) {
        if (sums_wrap(dtype)) whole += (uint32_t)(int64_t)a[i * a_step] * (uint32_t)(int64_t)b[i * b_step];
        else sum += a[i * a_step] * b[i * b_step];
    }
    return dtype == WEFT_I32 ? (double)(int32_t)whole : dtype == WEFT_U32 ? (double)whole : sum;
}

static weft_status eval(const struct weft_eval *e) {
    const struct weft_host *x = &e->in[0], *w = &e->in[1], *y = &e->out[0];
    if (is_rows(x->rank, w->rank, y->dtype, e->attrs)) return eval_rows(e);
    struct axes ax = axes_a(x->rank, e->attrs), bx = axes_b(w->rank, e->attrs);
    uint32_t n_batch = y->rank - (ax.row != NO_AXIS) - (bx.row != NO_AXIS);
    double *owned[2] = {NULL, NULL};
    const double *xs = weft_ops_dense(x, &owned[0]), *ws = weft_ops_dense(w, &owned[1]);
    if (xs && ws) {
        struct side a = side_of(x, ax, xs, n_batch), b = side_of(w, bx, ws, n_batch);
        int64_t count = weft_host_count(y), k = x->shape[ax.col];
        for (int64_t i = 0; i < count; i++) {
            int64_t n = i % b.rows, m = i / b.rows % a.rows, rest = i / b.rows / a.rows, at = 0, bt = 0;
            for (uint32_t axis = n_batch; axis-- > 0; rest /= y->shape[axis]) {
                at += rest % y->shape[axis] * a.batch[axis];
                bt += rest % y->shape[axis] * b.batch[axis];
            }
            y->data[i] = sum_of(a.data + at + m * a.row, a.col, b.data + bt + n * b.row, b.col, k, y->dtype);
        }
    }
    weft_status status = xs && ws ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "matmul: no memory for its operands");
    weft_free(owned[0]);
    weft_free(owned[1]);
    return status;
}

const struct weft_op weft_op_matmul = {
    .name = "matmul",
    .doc = "x, w -> y: y[..., n] = sum over k of x[..., k] w[n, k]",
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out = 1,
    .traits = WEFT_OP_CONTRACT,
    .attrs = {{.name = "transpose_a", .type = WEFT_ATTR_INT, .lo = 0, .hi = 1},
              {.name = "transpose_b", .type = WEFT_ATTR_INT, .dflt = 1, .lo = 0, .hi = 1}},
    .infer = infer,
    .eval = eval,
    .lower = weft_gemm_lower,
    .gemm = describe,
};
