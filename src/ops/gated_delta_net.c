/// The core of a gated delta layer as hybrid models have it: gates, the norm of queries and keys, and the recurrence.
///
///   next, y = gated_delta_net(state, q, k, v, a, b [, A_log, dt_bias] [, count [, active]]; gate_activation,
///                             beta_activation, qk_l2_norm, q_heads, kv_heads, scale, layout, chunk, sharing)
///
///   g    = a                                            gate_activation none (a log decay, at most 0)
///        = -exp(A_log) softplus(a + dt_bias)            qwen
///   beta = b                                            beta_activation none
///        = 1 / (1 + exp(-b))                            sigmoid
///   q, k = x / sqrt(sum x^2 + 1e-12) a head             with qk_l2_norm = 1
///   next, y = linear_attention(state, q, k, v, g, beta; rule = gated_delta)
///
/// Shapes are those of linear_attention, with decays a head: q [B, T, q_heads dk]; k [B, T, q_heads dk] or, as many
/// heads as v, [B, T, kv_heads dk]; v [B, T, kv_heads dv]; a and b [B, T, kv_heads]; A_log and dt_bias [kv_heads];
/// state f32 [B, kv_heads, dv, dk], layout = key: [B, kv_heads, dk, dv]; y f32 [B, T, max(q_heads, kv_heads) dv]. The
/// axis B may be left out. scale 0 stands for 1 / sqrt(dk), and multiplies after the norm. Count and active make it the
/// layer of several sequences, as linear_attention has it: activations [T, columns], state [S, ...].
///
/// Built by `decompose` from linear_attention and elementwise and row operators, which the fuser joins with what stands
/// around them.
#include "ops/linear_attention.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ops/sequence.h"
#include "ops/shape.h"

#include <math.h>
#include <string.h>

enum { STATE, Q, K, V, A, B, A_LOG, DT_BIAS };
enum { GATE, BETA, NORM, Q_HEADS, KV_HEADS, SCALE, LAYOUT, CHUNK, SHARING };
#define NORM_EPS 1e-12

/// Attributes of the linear_attention inside.
static void linear_attrs(const struct weft_attr *attrs, struct weft_attr out[WEFT_MAX_ATTRS]) {
    memset(out, 0, WEFT_MAX_ATTRS * sizeof *out);
    out[LINEAR_RULE].i = 3;
    out[LINEAR_Q_HEADS] = attrs[Q_HEADS];
    out[LINEAR_KV_HEADS] = attrs[KV_HEADS];
    out[LINEAR_SCALE] = attrs[SCALE];
    out[LINEAR_CHUNK] = attrs[CHUNK];
    out[LINEAR_SHARING] = attrs[SHARING];
    out[LINEAR_LAYOUT].i = attrs[LAYOUT].i == 0; // value-major comes first here
}

static weft_status net_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                             const struct weft_attr *attrs, struct weft_type *out) {
    static const char *const gates[] = {"a", "b"}, *const vectors[] = {"A_log", "dt_bias"};
    struct weft_attr inner[WEFT_MAX_ATTRS];
    int64_t heads = attrs[KV_HEADS].i, n;
    uint32_t want = attrs[GATE].i ? DT_BIAS + 1 : B + 1, tail = weft_sequence_tail(in, n_in);
    if (n_in - tail != want)
        return weft_fail(WEFT_ERR_INVALID,
                         "gate_activation = %s takes %u operands: state, q, k, v, a, b%s; it was "
                         "given %u",
                         attrs[GATE].i ? "qwen" : "none", want, attrs[GATE].i ? ", A_log, dt_bias" : "", n_in - tail);
    linear_attrs(attrs, inner);
    const struct weft_op *inside = weft_op_find(g->ops, "linear_attention");
    if (!inside) return weft_fail(WEFT_ERR_INTERNAL, "linear_attention is not among the operators");
    struct weft_type inputs[B + 3]; // a and b for decay and beta, then what says whose the tokens are
    memcpy(inputs, in, (B + 1) * sizeof *in);
    memcpy(inputs + B + 1, in + n_in - tail, tail * sizeof *in);
    WEFT_TRY(inside->infer(g, inputs, B + 1 + tail, inner, out));
    for (uint32_t i = A; i <= B; i++)
        if (!weft_dim_is_const(g->dims, in[i].dims[in[i].rank - 1], &n) || n != heads)
            return weft_fail(WEFT_ERR_INVALID, "%s is %s; it takes %lld columns, one a head of the state", gates[i - A],
                             weft_ops_type_text(g, &in[i]), (long long)heads);
    for (uint32_t i = A_LOG; i < want; i++)
        if (in[i].rank != 1 || !weft_ops_is_float(in[i].dtype) || !weft_dim_is_const(g->dims, in[i].dims[0], &n) ||
            n != heads)
            return weft_fail(WEFT_ERR_INVALID, "%s is %s; it takes floats [%lld]", vectors[i - A_LOG],
                             weft_ops_type_text(g, &in[i]), (long long)heads);
    return WEFT_OK;
}

// ---- host reference ------------------------------------------------------------------------------------------------

/// A head of q or k of one row, normalised if the node says so.
static void read_head(const struct weft_eval *e, const double *x, int64_t dk, double *out) {
    double sum = NORM_EPS;
    for (int64_t i = 0; i < dk; i++) sum += x[i] * x[i];
    for (int64_t i = 0; i < dk; i++) out[i] = e->attrs[NORM].i ? x[i] / sqrt(sum) : x[i];
}

static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

static double keep_of(const struct weft_eval *e, const double *const *in, int64_t row, int64_t h) {
    double a = in[A][row * e->attrs[KV_HEADS].i + h];
    return exp(e->attrs[GATE].i ? -exp(in[A_LOG][h]) * softplus(a + in[DT_BIAS][h]) : a);
}

/// One token of one state head: S <- keep S; S <- S + beta k (v - S^T k)^T; y = scale S^T q. `work` has 2 dk doubles.
static void net_token(const struct weft_eval *e, const struct linear_shape *s, const double *const *in, double *state,
                      double *work, int64_t row, int64_t h) {
    double *k = work, *q = work + s->dk, keep = keep_of(e, in, row, h), b = in[B][row * s->kv_heads + h];
    double beta = e->attrs[BETA].i ? 1 / (1 + exp(-b)) : b;
    int64_t down = s->value_major ? 1 : s->dv, right = s->value_major ? s->dk : 1;
    read_head(e, in[K] + (row * s->key_heads + weft_linear_head(s, h, s->key_heads, s->kv_heads)) * s->dk, s->dk, k);
    for (int64_t j = 0; j < s->dv; j++) {
        double *column = state + j * right, found = 0;
        for (int64_t i = 0; i < s->dk; i++) found += (column[i * down] *= keep) * k[i];
        double d = beta * (in[V][(row * s->kv_heads + h) * s->dv + j] - found);
        for (int64_t i = 0; i < s->dk; i++) column[i * down] += k[i] * d;
    }
    for (int64_t g = 0; g < s->group; g++) {
        read_head(e, in[Q] + (row * s->q_heads + weft_linear_q_head(s, h, g)) * s->dk, s->dk, q);
        for (int64_t j = 0; j < s->dv; j++) {
            double sum = 0;
            for (int64_t i = 0; i < s->dk; i++) sum += state[j * right + i * down] * q[i];
            e->out[1].data[(row * s->out_heads + weft_linear_out_head(s, h, g)) * s->dv + j] = s->scale * sum;
        }
    }
}

static weft_status net_eval(const struct weft_eval *e) {
    double *owned[DT_BIAS + 1] = {0}, *state = e->out[0].data;
    const double *in[DT_BIAS + 1] = {0};
    int64_t columns[DT_BIAS + 1] = {0};
    struct weft_attr inner[WEFT_MAX_ATTRS];
    const struct weft_host *q = &e->in[Q];
    uint32_t tail = weft_sequence_tail_host(e), n_in = e->n_in - tail;
    bool ok = true;
    for (uint32_t i = 0; i < n_in; i++) {
        columns[i] = e->in[i].shape[e->in[i].rank - 1];
        ok &= (in[i] = weft_ops_dense(&e->in[i], &owned[i])) != NULL;
    }
    linear_attrs(e->attrs, inner);
    int64_t batch = tail ? e->in[STATE].shape[0] : q->rank == 3 ? q->shape[0] : 1;
    struct linear_shape s = weft_linear_shape(inner, columns, batch);
    int64_t tokens = q->shape[q->rank - 2];
    double *work = weft_alloc((size_t)s.dk * 2 * sizeof *work);
    ok &= work != NULL;
    if (ok && state != in[STATE]) memcpy(state, in[STATE], (size_t)weft_host_count(&e->in[STATE]) * sizeof *state);
    for (int64_t n = 0; ok && n < s.batch * s.kv_heads; n++) {
        int64_t first, count = weft_sequence_tail_tokens(e, tail, n / s.kv_heads, tokens, &first);
        for (int64_t t = 0; t < count; t++)
            net_token(e, &s, in, state + n * s.dk * s.dv, work, first + t, n % s.kv_heads);
    }
    for (uint32_t i = 0; i < n_in; i++) weft_free(owned[i]);
    weft_free(work);
    return ok ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "gated_delta_net: out of memory");
}

// ---- in simpler operators ------------------------------------------------------------------------------------------

/// x / sqrt(sum x^2 + eps) over each head of dk columns.
static weft_value normalise(struct weft_build *b, const char *name, weft_value x, int64_t dk) {
    if (b->status != WEFT_OK) return WEFT_NO_VALUE;
    struct weft_type flat = b->g->values[x].type, heads = flat;
    int64_t columns = dk;
    weft_dim_is_const(b->g->dims, flat.dims[flat.rank - 1], &columns);
    heads.rank = flat.rank + 1;
    heads.dims[flat.rank - 1] = weft_dim_const(b->g->dims, columns / dk);
    heads.dims[flat.rank] = weft_dim_const(b->g->dims, dk);
    x = weft_ops_as(b, name, weft_ops_reshape(b, name, x, heads.dims, heads.rank), WEFT_F32);
    weft_value sum = weft_ops_b1(b, name, "sum", weft_ops_b1(b, name, "square", x));
    sum = weft_ops_b2(b, name, "add", sum, weft_bf(b, (float)NORM_EPS));
    x = weft_ops_b2(b, name, "mul", x, weft_ops_b1(b, name, "rsqrt", sum));
    return weft_ops_reshape(b, name, x, flat.dims, flat.rank);
}

/// The node by value: adding nodes moves the graph's array.
static weft_status decompose_net(struct weft_graph *g, struct weft_node n, uint32_t *outs) {
    struct weft_build b = {.g = g};
    weft_value decay = n.in[A], beta = n.in[B], q = n.in[Q], k = n.in[K];
    if (n.attrs[GATE].i) {
        weft_value a = weft_ops_as(&b, n.name, decay, WEFT_F32), log = weft_ops_as(&b, n.name, n.in[A_LOG], WEFT_F32);
        decay = weft_ops_b1(&b, n.name, "softplus", weft_ops_b2(&b, n.name, "add", a, n.in[DT_BIAS]));
        log = weft_ops_b1(&b, n.name, "exp", log);
        decay = weft_ops_b2(&b, n.name, "mul", decay, weft_ops_b1(&b, n.name, "neg", log));
    }
    if (n.attrs[BETA].i) beta = weft_ops_b1(&b, n.name, "sigmoid", weft_ops_as(&b, n.name, beta, WEFT_F32));
    if (n.attrs[NORM].i) {
        const struct weft_type *type = &g->values[q].type;
        int64_t columns = n.attrs[Q_HEADS].i;
        weft_dim_is_const(g->dims, type->dims[type->rank - 1], &columns);
        q = normalise(&b, n.name, q, columns / n.attrs[Q_HEADS].i);
        k = normalise(&b, n.name, k, columns / n.attrs[Q_HEADS].i);
    }
    WEFT_TRY(b.status);
    struct weft_attr inner[WEFT_MAX_ATTRS];
    linear_attrs(n.attrs, inner);
    weft_value in[B + 3] = {n.in[STATE], q, k, n.in[V], decay, beta};
    uint32_t tail = weft_sequence_tail_of(g, &n);
    memcpy(in + B + 1, n.in + n.n_in - tail, tail * sizeof *in);
    return weft_graph_add_raw(g, weft_op_find(g->ops, "linear_attention"), n.name, in, B + 1 + tail, inner, outs);
}

static weft_status net_decompose(struct weft_graph *g, const struct weft_node *node, uint32_t *outs) {
    return decompose_net(g, *node, outs);
}

const struct weft_op weft_op_gated_delta_net = {
    .name = "gated_delta_net",
    .doc = "state, q, k, v, a, b[, A_log, dt_bias][, count[, active]] -> next, y: gates, norms and linear_attention of "
           "a gated delta layer",
    .n_in_min = 6,
    .n_in_max = 10,
    .n_out = 2,
    .states = {{WEFT_TOUCH_WHOLE, .operand = 0}},
    .attrs = {{.name = "gate_activation", .type = WEFT_ATTR_ENUM, .choices = "none|qwen"},
              {.name = "beta_activation", .type = WEFT_ATTR_ENUM, .choices = "none|sigmoid"},
              {.name = "qk_l2_norm", .type = WEFT_ATTR_INT, .lo = 0, .hi = 1},
              {.name = "q_heads", .type = WEFT_ATTR_INT, .required = true, .lo = 1, .hi = 65536},
              {.name = "kv_heads", .type = WEFT_ATTR_INT, .required = true, .lo = 1, .hi = 65536},
              {.name = "scale", .type = WEFT_ATTR_FLOAT},
              {.name = "layout", .type = WEFT_ATTR_ENUM, .choices = "value|key"},
              {.name = "chunk", .type = WEFT_ATTR_INT, .dflt = 64, .lo = 1, .hi = 1 << 20},
              {.name = "sharing", .type = WEFT_ATTR_ENUM, .choices = "blocks|turns"}},
    .infer = net_infer,
    .eval = net_eval,
    .decompose = net_decompose,
};
