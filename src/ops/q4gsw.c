/// Products and rows of weights in groups of 4-bit numbers with f32 scales, in the layout of their files.
///
/// A byte holds two numbers u = q + 8 of 4 bits, q in -8..7; an element is (u - 8) * scale of its group.
///
///   dequant_q4gsw(weight, scales; group, columns, linear_order, across)
///     weight u8 [V, B]; y f32 [V, columns], 2 B of them or one less, 0: 2 B
///     y[i, d] = (u[i, d] - 8) * scales[i, d / group], of scales f32 [V, ceil(columns/group)]
///     linear_order 0: even columns lie in the high half of a byte; 1: in the low half
///     across: scales are f32 [ceil(columns/group), V rounded up to 4] (transposed)
///
///   embedding_q4gsw(weight, scales, ids; group, linear_order)
///     weight u8 [V, E/2], ids u32 or i32 [n...]; y f32 [n..., E]
///     y[i, d] = dequant_q4gsw(weight, scales)[ids[i], d]
///     An id is taken as gather takes it: negative ones count from the end, the rest is clamped.
///
///   linear_q4gsw(x, weight, scales[, bias]; group)
///     x f32 or f16 [..., K], weight u8 [N, ceil(K/2)] (even k in the low half), scales f32 [ceil(K/group), N rounded
///     up to 4], bias f32 [N] or [N rounded up to 4]; y f32 [..., N]
///     y[m, n] = bias[n] + sum over k of x[m, k] * (u[n, k] - 8) * scales[k / group, n]
///
/// Weight and scales of dequant_q4gsw are weights or constants, and it is no step: its value is repacked when the two
/// are loaded (plan/wpair.h), and whoever reads it reads a packed weight. The others are built from it, gather and
/// matmul. A head that is tied to its embedding shares the numbers, if linear_order is 1; only the scales differ. An
/// infinite scale makes a sum NaN where columns do not fill the last block of 32.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/shape.h"
#include "plan/wpair.h"

enum { GROUP };

static int64_t constant(struct weft_graph *g, weft_dim d) {
    int64_t c;
    return weft_dim_is_const(g->dims, d, &c) ? c : -1;
}

/// u8 [rows, columns] and f32 [rows, columns], all constants.
static weft_status matrices(struct weft_graph *g, const struct weft_type *weight, const struct weft_type *scales) {
    bool good = weight->dtype == WEFT_U8 && weight->rank == 2 && scales->dtype == WEFT_F32 && scales->rank == 2;
    for (int k = 0; good && k < 2; k++) good = constant(g, weight->dims[k]) >= 1 && constant(g, scales->dims[k]) >= 1;
    if (good) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID,
                     "the weight is %s and its scales are %s; they must be u8 and f32 of two constant axes",
                     weft_ops_type_text(g, weight), weft_ops_type_text(g, scales));
}

static weft_status shape_of_scales(struct weft_graph *g, const struct weft_type *scales, int64_t rows, int64_t columns,
                                   int64_t group) {
    if (constant(g, scales->dims[0]) == rows && constant(g, scales->dims[1]) == columns) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "the scales are %s; with groups of %lld they must be f32[%lld, %lld]",
                     weft_ops_type_text(g, scales), (long long)group, (long long)rows, (long long)columns);
}

#define GROUP_ATTR                                                                                                     \
    { .name = "group", .type = WEFT_ATTR_INT, .required = true, .lo = 1, .hi = 1 << 20 }
#define ORDER_ATTR                                                                                                     \
    { .name = "linear_order", .type = WEFT_ATTR_INT, .lo = 0, .hi = 1 }

static int number(const double *row, int64_t c, bool low_first) {
    return (c % 2 == 0) == low_first ? (int)row[c / 2] & 15 : (int)row[c / 2] >> 4;
}

static int64_t padded(int64_t n) { return (n + 3) / 4 * 4; }

// ---- the elements --------------------------------------------------------------------------------------------------

enum { COLUMNS = 1, ORDER, ACROSS };

static weft_status dequant_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                 const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    WEFT_TRY(matrices(g, &in[0], &in[1]));
    int64_t rows = constant(g, in[0].dims[0]), most = 2 * constant(g, in[0].dims[1]), group = attrs[GROUP].i;
    int64_t columns = attrs[COLUMNS].i ? attrs[COLUMNS].i : most, groups = (columns + group - 1) / group;
    if (columns != most && columns != most - 1)
        return weft_fail(WEFT_ERR_INVALID, "rows of %s have %lld or %lld columns, not %lld",
                         weft_ops_type_text(g, &in[0]), (long long)most - 1, (long long)most, (long long)columns);
    if (attrs[ACROSS].i) WEFT_TRY(shape_of_scales(g, &in[1], groups, padded(rows), group));
    else WEFT_TRY(shape_of_scales(g, &in[1], rows, groups, group));
    *out = in[0];
    out->dtype = WEFT_F32;
    out->dims[1] = weft_dim_const(g->dims, columns);
    return WEFT_OK;
}

static weft_status dequant_eval(const struct weft_eval *e) {
    int64_t rows = e->out[0].shape[0], k = e->out[0].shape[1], bytes = e->in[0].shape[1], stride = e->in[1].shape[1];
    double *owned, *buffer = weft_alloc((size_t)bytes * sizeof *buffer);
    const double *scales = weft_ops_dense(&e->in[1], &owned);
    for (int64_t r = 0; buffer && scales && r < rows; r++) {
        const double *w = weft_host_row(&e->in[0], r, buffer);
        for (int64_t c = 0; c < k; c++) {
            int64_t g = c / e->attrs[GROUP].i;
            e->out[0].data[r * k + c] = (number(w, c, e->attrs[ORDER].i == 1) - 8) *
                                        scales[e->attrs[ACROSS].i ? g * stride + r : r * stride + g];
        }
    }
    weft_status status = buffer && scales ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "dequant_q4gsw: out of memory");
    weft_free(buffer);
    weft_free(owned);
    return status;
}

static void dequant_repack(const struct weft_graph *g, const struct weft_node *n, struct weft_wpair *out) {
    const struct weft_type *scales = &g->values[n->in[1]].type, *y = &g->values[n->out[0]].type;
    int64_t k = 0, stride = 0;
    weft_dim_is_const(g->dims, y->dims[1], &k);
    weft_dim_is_const(g->dims, scales->dims[1], &stride);
    out->quants = n->in[0];
    out->scales = n->in[1];
    out->k = (uint64_t)k;
    out->stride = (uint64_t)stride;
    out->group = (uint32_t)n->attrs[GROUP].i;
    out->high_first = n->attrs[ORDER].i == 0;
    out->across = n->attrs[ACROSS].i == 1;
}

const struct weft_op weft_op_dequant_q4gsw = {
    .name = "dequant_q4gsw",
    .doc = "w, scales -> y: the elements of a weight in groups of 4-bit numbers; no step",
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out = 1,
    .attrs = {GROUP_ATTR,
              {.name = "columns", .type = WEFT_ATTR_INT, .lo = 0, .hi = 4294967295.0},
              ORDER_ATTR,
              {.name = "across", .type = WEFT_ATTR_INT, .lo = 0, .hi = 1}},
    .infer = dequant_infer,
    .eval = dequant_eval,
    .repack = dequant_repack,
};

/// The node of the elements of `weight`.
static weft_value dequant(struct weft_build *b, const char *name, weft_value weight, weft_value scales, int64_t group,
                          int64_t columns, bool low_first, bool across) {
    const struct weft_arg args[] = {{"group", .x = (double)group},
                                    {"columns", .x = (double)columns},
                                    {"linear_order", .x = low_first},
                                    {"across", .x = across}};
    const weft_value in[] = {weight, scales};
    return weft_bn(b, "dequant_q4gsw", name, in, 2, args, 4);
}

// ---- embedding -----------------------------------------------------------------------------------------------------

enum { EMBED_ORDER = 1 };

static weft_status embed_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                               const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    WEFT_TRY(matrices(g, &in[0], &in[1]));
    int64_t e = 2 * constant(g, in[0].dims[1]), group = attrs[GROUP].i;
    WEFT_TRY(shape_of_scales(g, &in[1], constant(g, in[0].dims[0]), (e + group - 1) / group, group));
    if ((in[2].dtype != WEFT_U32 && in[2].dtype != WEFT_I32) || in[2].rank + 1 > WEFT_MAX_RANK)
        return weft_fail(WEFT_ERR_INVALID, "ids are %s; it takes u32 or i32 of at most %d axes",
                         weft_ops_type_text(g, &in[2]), WEFT_MAX_RANK - 1);
    *out = in[2];
    out->dtype = WEFT_F32;
    out->dims[out->rank++] = weft_dim_const(g->dims, e);
    return WEFT_OK;
}

static weft_status embed_eval(const struct weft_eval *e) {
    int64_t rows = e->in[0].shape[0], bytes = e->in[0].shape[1], groups = e->in[1].shape[1];
    int64_t n = weft_host_count(&e->in[2]), group = e->attrs[GROUP].i;
    double *buffer = weft_alloc((size_t)(bytes + groups) * sizeof *buffer);
    if (!buffer) return weft_fail(WEFT_ERR_NOMEM, "embedding_q4gsw: out of memory");
    for (int64_t i = 0; i < n; i++) {
        int64_t id = weft_ops_row(e->in[2].data[i], rows);
        const double *w = weft_host_row(&e->in[0], id, buffer), *s = weft_host_row(&e->in[1], id, buffer + bytes);
        for (int64_t d = 0; d < 2 * bytes; d++)
            e->out[0].data[i * 2 * bytes + d] = (number(w, d, e->attrs[EMBED_ORDER].i == 1) - 8) * s[d / group];
    }
    weft_free(buffer);
    return WEFT_OK;
}

static weft_status embed_decompose(struct weft_graph *g, const struct weft_node *node, uint32_t *outs) {
    struct weft_build b = {.g = g};
    const struct weft_node n = *node; // adding moves the graph's nodes
    weft_value table = dequant(&b, n.name, n.in[0], n.in[1], n.attrs[GROUP].i, 0, n.attrs[EMBED_ORDER].i == 1, false);
    outs[0] = weft_ops_b2(&b, n.name, "gather", table, n.in[2]);
    return b.status;
}

const struct weft_op weft_op_embedding_q4gsw = {
    .name = "embedding_q4gsw",
    .doc = "w, scales, ids -> y: rows of a table in groups of 4-bit numbers",
    .n_in_min = 3,
    .n_in_max = 3,
    .n_out = 1,
    .attrs = {GROUP_ATTR, ORDER_ATTR},
    .infer = embed_infer,
    .eval = embed_eval,
    .decompose = embed_decompose,
};

// ---- linear --------------------------------------------------------------------------------------------------------

enum { X, WEIGHT, SCALES, BIAS };

static weft_status linear_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                const struct weft_attr *attrs, struct weft_type *out) {
    WEFT_TRY(matrices(g, &in[WEIGHT], &in[SCALES]));
    int64_t n = constant(g, in[WEIGHT].dims[0]), packed = constant(g, in[WEIGHT].dims[1]);
    int64_t k = in[X].rank ? constant(g, in[X].dims[in[X].rank - 1]) : -1, group = attrs[GROUP].i;
    if ((in[X].dtype != WEFT_F32 && in[X].dtype != WEFT_F16) || k < 1 || (k + 1) / 2 != packed)
        return weft_fail(WEFT_ERR_INVALID,
                         "x is %s; for the weight %s it must be f32 or f16 [..., %lld] or [..., %lld]",
                         weft_ops_type_text(g, &in[X]), weft_ops_type_text(g, &in[WEIGHT]), (long long)(2 * packed - 1),
                         (long long)(2 * packed));
    WEFT_TRY(shape_of_scales(g, &in[SCALES], (k + group - 1) / group, padded(n), group));
    int64_t bias = n_in > BIAS && in[BIAS].rank == 1 ? constant(g, in[BIAS].dims[0]) : -1;
    if (n_in > BIAS && (in[BIAS].dtype != WEFT_F32 || (bias != n && bias != padded(n))))
        return weft_fail(WEFT_ERR_INVALID, "the bias is %s; it must be f32 [%lld] or [%lld]",
                         weft_ops_type_text(g, &in[BIAS]), (long long)n, (long long)padded(n));
    *out = in[X];
    out->dtype = WEFT_F32;
    out->dims[out->rank - 1] = in[WEIGHT].dims[0];
    return WEFT_OK;
}

static weft_status linear_eval(const struct weft_eval *e) {
    int64_t m, k, n = e->in[WEIGHT].shape[0], packed = e->in[WEIGHT].shape[1], stride = e->in[SCALES].shape[1];
    weft_ops_rows(&e->in[X], &m, &k);
    double *owned[4] = {NULL}, *row = weft_alloc((size_t)packed * sizeof *row);
    const double *x = weft_ops_dense(&e->in[X], &owned[0]), *scales = weft_ops_dense(&e->in[SCALES], &owned[1]);
    const double *bias = e->n_in > BIAS ? weft_ops_dense(&e->in[BIAS], &owned[2]) : NULL;
    bool good = row && x && scales && (bias || e->n_in <= BIAS);
    for (int64_t j = 0; good && j < n; j++) {
        const double *w = weft_host_row(&e->in[WEIGHT], j, row);
        for (int64_t i = 0; i < m; i++) {
            double sum = bias ? bias[j] : 0;
            for (int64_t c = 0; c < k; c++)
                sum += x[i * k + c] * (number(w, c, true) - 8) * scales[c / e->attrs[GROUP].i * stride + j];
            e->out[0].data[i * n + j] = sum;
        }
    }
    weft_free(row);
    for (int i = 0; i < 3; i++) weft_free(owned[i]);
    return good ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "linear_q4gsw: out of memory");
}

/// The first n of a bias that is as long as the scales.
static weft_value bias_of(struct weft_build *b, const struct weft_node *n, weft_dim rows) {
    if (b->g->values[n->in[BIAS]].type.dims[0] == rows) return n->in[BIAS];
    const struct weft_arg args[] = {{"start", .d = weft_dim_const(b->g->dims, 0)}, {"len", .d = rows}};
    return weft_bn(b, "slice", n->name, &n->in[BIAS], 1, args, 2);
}

static weft_status linear_decompose(struct weft_graph *g, const struct weft_node *node, uint32_t *outs) {
    struct weft_build b = {.g = g};
    const struct weft_node n = *node;
    const struct weft_type x = g->values[n.in[X]].type;
    weft_dim rows = g->values[n.in[WEIGHT]].type.dims[0];
    weft_value w =
        dequant(&b, n.name, n.in[WEIGHT], n.in[SCALES], n.attrs[GROUP].i, constant(g, x.dims[x.rank - 1]), true, true);
    outs[0] = weft_ops_b2(&b, n.name, "matmul", n.in[X], w);
    if (n.n_in > BIAS) outs[0] = weft_ops_b2(&b, n.name, "add", outs[0], bias_of(&b, &n, rows));
    return b.status;
}

const struct weft_op weft_op_linear_q4gsw = {
    .name = "linear_q4gsw",
    .doc = "x, w, scales[, b] -> y: matmul with a weight in groups of 4-bit numbers",
    .n_in_min = 3,
    .n_in_max = 4,
    .n_out = 1,
    .attrs = {GROUP_ATTR},
    .infer = linear_infer,
    .eval = linear_eval,
    .decompose = linear_decompose,
};
