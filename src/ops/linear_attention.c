/// Linear attention with a matrix as memory: each token decays the state, writes a key and a value to it, and reads it
/// with its queries.
///
///   next, y = linear_attention(state, q, k, v [, decay] [, beta] [, count [, active]]; rule, q_heads, kv_heads, scale,
///                              chunk, layout, sharing)
///
/// For each state head, S in R^{dk x dv}, and for each token in order:
///   linear        S <- S + k v^T
///   gated         S <- diag(exp g) S + k v^T
///   delta         S <- S + beta k (v - S^T k)^T
///   gated_delta   S <- diag(exp g) S, then S <- S + beta k (v - S^T k)^T
/// and then y = scale S^T q. scale 0 stands for 1 / sqrt(dk).
///
/// Shapes. Activations are [B, T, columns], or [T, columns], which means B = 1; T may be symbolic, B may not.
///   state  f32 [B, kv_heads, dk, dv], layout = value: [B, kv_heads, dv, dk]; without the axis B for [T, columns] too
///   q      [B, T, q_heads dk]
///   k      [B, T, kv_heads dk], or fewer heads of which kv_heads is a multiple
///   v      [B, T, kv_heads dv]
///   decay  [B, T, kv_heads] (a head) or [B, T, kv_heads dk] (a channel); natural logarithm, at most 0
///   beta   [B, T, kv_heads], or [B, T, 1] for all heads
///   next   the state after the run; with T = 0 the state as it was
///   y      f32 [B, T, max(q_heads, kv_heads) dv]
/// The rule tells which of decay and beta there are; others are refused. Where dk = 1 decay is read as one of heads,
/// where kv_heads = 1 beta as one of heads: both readings give the same. One of q_heads and kv_heads is a multiple of
/// the other: query head h reads state head floor(h kv_heads / q_heads); where there are fewer query heads than state
/// heads, each is read with several states, and y has kv_heads heads. Key head floor(h key_heads / kv_heads) writes to
/// state head h. That is sharing = blocks, where heads that share one are neighbours; with sharing = turns query head h
/// reads state head h mod kv_heads (or state head h is read with query head h mod q_heads), and key head h mod
/// key_heads writes to state head h. A decay below -100 counts as -100, which leaves nothing of an f32.
///
/// Of several sequences: count, a u32 variable of S slots, and optionally active, likewise, stand behind the others.
/// The state is [S, kv_heads, dk, dv], kept by slot, activations are [T, columns], and of the T tokens the first
/// count[0] are slot 0's, the next count[1] slot 1's, and so on (ops/sequence.h). Each slot's tokens go on from its own
/// state. A slot without tokens, or whose activity is 0, keeps its state bit for bit; y of tokens that are an idle
/// slot's or nobody's is 0. What a slot gets depends on its own tokens in each run alone, bit for bit, not on its
/// number or its neighbours': the kernels below are chosen for each slot by its count.
///
/// Kernels. Runs of few tokens take linear_attention.wgsl, which keeps the state in registers and goes token by token,
/// and so does what does not fit the other form: dk of more than LINEAR_MAX_DK is refused. Runs of more (by the upper
/// bound of T in the schedule) go in chunks of up to 64 tokens, a power of two of at most `chunk` where that is 4 or
/// more, and fewer where 16 KiB of workgroup memory demand it: linear_attention_pairs.wgsl, all chunks side by side,
/// then linear_attention_chunks.wgsl, chunk after chunk. All sums are f32. Very long runs are cut into several steps,
/// which hand the state on through scratch memory. Of several sequences both forms are there where a run may have more
/// than a few tokens: slots that have few go token by token, the others in chunks that begin with their first token.
///
/// Yang et al., "Parallelizing Linear Transformers with the Delta Rule over Sequence Length", 2024; Yang, Kautz,
/// Hatamizadeh, "Gated Delta Networks: Improving Mamba2 with Delta Rule", 2024.
#include "ops/linear_attention.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ops/sequence.h"
#include "ops/shape.h"

#include <math.h>
#include <string.h>

struct linear_shape weft_linear_shape(const struct weft_attr *attrs, const int64_t *columns, int64_t batch) {
    int64_t rule = attrs[LINEAR_RULE].i;
    struct linear_shape s = {.batch = batch,
                             .q_heads = attrs[LINEAR_Q_HEADS].i,
                             .kv_heads = attrs[LINEAR_KV_HEADS].i,
                             .value_major = attrs[LINEAR_LAYOUT].i == 1,
                             .turns = attrs[LINEAR_SHARING].i == 1};
    s.dk = columns[LINEAR_Q] / s.q_heads;
    s.dv = columns[LINEAR_V] / s.kv_heads;
    s.key_heads = columns[LINEAR_K] / (s.dk ? s.dk : 1);
    s.out_heads = s.q_heads > s.kv_heads ? s.q_heads : s.kv_heads;
    s.group = s.out_heads / s.kv_heads;
    if (rule & 1) s.decay_in = LINEAR_GATES;
    if (rule & 2) s.beta_in = LINEAR_GATES + (rule & 1);
    if (s.decay_in) s.decay = columns[s.decay_in] == s.kv_heads ? LINEAR_DECAY_HEAD : LINEAR_DECAY_CHANNEL;
    if (s.beta_in) s.beta = columns[s.beta_in] == s.kv_heads ? LINEAR_BETA_HEAD : LINEAR_BETA_ONE;
    s.scale = attrs[LINEAR_SCALE].f != 0 ? attrs[LINEAR_SCALE].f : 1 / sqrt((double)s.dk);
    return s;
}

// ---- what it means -------------------------------------------------------------------------------------------------

static const char *const operand_names[] = {"state", "q", "k", "v", "decay", "beta"};

/// Name of operand i: without decay, beta takes its place.
static const char *name_of(const struct weft_attr *attrs, uint32_t i) {
    return operand_names[i == LINEAR_GATES && attrs[LINEAR_RULE].i == 2 ? LINEAR_GATES + 1 : i];
}

static weft_status check_arity(const struct weft_attr *attrs, uint32_t n_in) {
    static const char *const wants[] = {"neither decay nor beta", "decay and no beta", "beta and no decay",
                                        "decay and beta"};
    static const char *const rules[] = {"linear", "gated", "delta", "gated_delta"};
    int64_t rule = attrs[LINEAR_RULE].i;
    uint32_t want = LINEAR_GATES + (rule & 1) + (rule >> 1 & 1);
    if (n_in == want) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "rule %s takes %u operands: state, q, k, v, %s; it was given %u", rules[rule],
                     want, wants[rule], n_in);
}

/// Activations: floats of equal leading axes and constant columns.
static weft_status check_rows(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                              const struct weft_attr *attrs, bool by_slot, int64_t *columns) {
    uint32_t rank = in[LINEAR_Q].rank;
    if (rank != 2 && by_slot)
        return weft_fail(WEFT_ERR_INVALID, "q is %s; the tokens of several sequences are [T, columns]",
                         weft_ops_type_text(g, &in[LINEAR_Q]));
    if (rank != 2 && rank != 3)
        return weft_fail(WEFT_ERR_INVALID, "q is %s; it takes [B, T, columns] or [T, columns]",
                         weft_ops_type_text(g, &in[LINEAR_Q]));
    for (uint32_t i = LINEAR_Q; i < n_in; i++) {
        bool same = in[i].rank == rank && weft_ops_is_float(in[i].dtype);
        for (uint32_t a = 0; same && a + 1 < rank; a++) same = in[i].dims[a] == in[LINEAR_Q].dims[a];
        if (!same)
            return weft_fail(WEFT_ERR_INVALID, "%s is %s; it takes floats of as many tokens as q %s", name_of(attrs, i),
                             weft_ops_type_text(g, &in[i]), weft_ops_type_text(g, &in[LINEAR_Q]));
        if (!weft_dim_is_const(g->dims, in[i].dims[rank - 1], &columns[i]) || columns[i] < 1)
            return weft_fail(WEFT_ERR_INVALID, "%s is %s; its last axis must be a constant above 0", name_of(attrs, i),
                             weft_ops_type_text(g, &in[i]));
    }
    return WEFT_OK;
}

static weft_status check_columns(const struct weft_attr *attrs, const int64_t *columns) {
    int64_t hq = attrs[LINEAR_Q_HEADS].i, hkv = attrs[LINEAR_KV_HEADS].i;
    if (hq % hkv && hkv % hq)
        return weft_fail(WEFT_ERR_INVALID, "%lld query heads and %lld kv_heads: one must be a multiple of the other",
                         (long long)hq, (long long)hkv);
    if (columns[LINEAR_Q] % hq)
        return weft_fail(WEFT_ERR_INVALID, "q has %lld columns, which %lld heads do not share evenly",
                         (long long)columns[LINEAR_Q], (long long)hq);
    int64_t dk = columns[LINEAR_Q] / hq, hk = columns[LINEAR_K] / dk;
    if (columns[LINEAR_K] % dk || hk > hkv || hkv % hk)
        return weft_fail(WEFT_ERR_INVALID, "k has %lld columns; it takes %lld heads of %lld, or a divisor of that many",
                         (long long)columns[LINEAR_K], (long long)hkv, (long long)dk);
    if (columns[LINEAR_V] % hkv)
        return weft_fail(WEFT_ERR_INVALID, "v has %lld columns, which %lld heads do not share evenly",
                         (long long)columns[LINEAR_V], (long long)hkv);
    if (dk > LINEAR_MAX_DK)
        return weft_fail(WEFT_ERR_LIMIT, "heads of %lld key channels; %d is the most", (long long)dk, LINEAR_MAX_DK);
    struct linear_shape s = weft_linear_shape(attrs, columns, 1);
    if (s.decay == LINEAR_DECAY_CHANNEL && columns[s.decay_in] != hkv * dk)
        return weft_fail(WEFT_ERR_INVALID, "decay has %lld columns; it takes %lld (a head) or %lld (a channel)",
                         (long long)columns[s.decay_in], (long long)hkv, (long long)(hkv * dk));
    if (s.beta == LINEAR_BETA_ONE && columns[s.beta_in] != 1)
        return weft_fail(WEFT_ERR_INVALID, "beta has %lld columns; it takes %lld (a head) or 1",
                         (long long)columns[s.beta_in], (long long)hkv);
    return WEFT_OK;
}

static weft_status check_state(struct weft_graph *g, const struct weft_type *in, const struct linear_shape *s,
                               bool by_slot) {
    const struct weft_type *state = &in[LINEAR_STATE], *q = &in[LINEAR_Q];
    int64_t want[4] = {s->batch, s->kv_heads, s->value_major ? s->dv : s->dk, s->value_major ? s->dk : s->dv}, x;
    uint32_t rank = state->rank, skip = rank == 3 && q->rank == 2 && !by_slot;
    bool same = state->dtype == WEFT_F32 && rank + skip == 4;
    for (uint32_t a = 0; same && a < rank; a++)
        same = weft_dim_is_const(g->dims, state->dims[a], &x) && x == want[a + skip];
    if (same) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "the state is %s; it takes f32 [%lld, %lld, %lld, %lld]%s",
                     weft_ops_type_text(g, state), (long long)want[0], (long long)want[1], (long long)want[2],
                     (long long)want[3], q->rank == 2 && !by_slot ? " (or without the 1 in front)" : "");
}

static weft_status linear_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                const struct weft_attr *attrs, struct weft_type *out) {
    int64_t columns[LINEAR_GATES + 2] = {0}, batch = 1;
    uint32_t tail = weft_sequence_tail(in, n_in);
    WEFT_TRY(check_arity(attrs, n_in - tail));
    WEFT_TRY(check_rows(g, in, n_in - tail, attrs, tail > 0, columns));
    WEFT_TRY(weft_sequence_check_tail(g, "linear_attention", &in[LINEAR_STATE], in + n_in - tail, tail));
    const struct weft_type *q = &in[LINEAR_Q];
    if (q->rank == 3 && !weft_dim_is_const(g->dims, q->dims[0], &batch))
        return weft_fail(WEFT_ERR_INVALID,
                         "q is %s; its first axis must be a constant, since each sequence of the batch has a state; "
                         "make a program for each number of sequences",
                         weft_ops_type_text(g, q));
    if (tail) weft_dim_is_const(g->dims, in[LINEAR_STATE].dims[0], &batch);
    WEFT_TRY(check_columns(attrs, columns));
    struct linear_shape s = weft_linear_shape(attrs, columns, batch);
    WEFT_TRY(check_state(g, in, &s, tail > 0));
    out[0] = in[LINEAR_STATE];
    out[1] = *q;
    out[1].dtype = WEFT_F32;
    out[1].dims[q->rank - 1] = weft_dim_const(g->dims, s.out_heads * s.dv);
    return WEFT_OK;
}

// ---- host reference ------------------------------------------------------------------------------------------------

struct linear_eval {
    struct linear_shape s;
    const double *q, *k, *v, *decay, *beta;
    double *state, *y, *error;
};

static double *at(const struct linear_eval *e, double *state, int64_t i, int64_t j) {
    return state + (e->s.value_major ? j * e->s.dk + i : i * e->s.dv + j);
}

/// One token of one state head; `row` = b T + t.
static void eval_token(const struct linear_eval *e, double *state, int64_t row, int64_t h) {
    const struct linear_shape *s = &e->s;
    const double *k = e->k + (row * s->key_heads + weft_linear_head(s, h, s->key_heads, s->kv_heads)) * s->dk;
    const double *v = e->v + (row * s->kv_heads + h) * s->dv;
    for (int64_t i = 0; s->decay && i < s->dk; i++) {
        int64_t head = row * s->kv_heads + h;
        double keep = exp(e->decay[s->decay == LINEAR_DECAY_HEAD ? head : head * s->dk + i]);
        for (int64_t j = 0; j < s->dv; j++) *at(e, state, i, j) *= keep;
    }
    for (int64_t j = 0; j < s->dv; j++) {
        double found = 0;
        for (int64_t i = 0; i < s->dk; i++) found += *at(e, state, i, j) * k[i];
        double beta = s->beta == LINEAR_BETA_HEAD ? e->beta[row * s->kv_heads + h] : s->beta ? e->beta[row] : 1;
        e->error[j] = s->beta ? beta * (v[j] - found) : v[j];
    }
    for (int64_t i = 0; i < s->dk; i++)
        for (int64_t j = 0; j < s->dv; j++) *at(e, state, i, j) += k[i] * e->error[j];
    for (int64_t g = 0; g < s->group; g++) {
        const double *q = e->q + (row * s->q_heads + weft_linear_q_head(s, h, g)) * s->dk;
        double *y = e->y + (row * s->out_heads + weft_linear_out_head(s, h, g)) * s->dv;
        for (int64_t j = 0; j < s->dv; j++) {
            double sum = 0;
            for (int64_t i = 0; i < s->dk; i++) sum += *at(e, state, i, j) * q[i];
            y[j] = s->scale * sum;
        }
    }
}

static weft_status linear_eval(const struct weft_eval *e) {
    double *owned[LINEAR_GATES + 2] = {0};
    const double *in[LINEAR_GATES + 2] = {0};
    int64_t columns[LINEAR_GATES + 2] = {0};
    const struct weft_host *q = &e->in[LINEAR_Q];
    uint32_t tail = weft_sequence_tail_host(e), n_in = e->n_in - tail;
    bool ok = true;
    for (uint32_t i = 0; i < n_in; i++) {
        columns[i] = e->in[i].shape[e->in[i].rank - 1];
        ok &= (in[i] = weft_ops_dense(&e->in[i], &owned[i])) != NULL;
    }
    int64_t batch = tail ? e->in[LINEAR_STATE].shape[0] : q->rank == 3 ? q->shape[0] : 1;
    struct linear_eval r = {.s = weft_linear_shape(e->attrs, columns, batch),
                            .q = in[LINEAR_Q],
                            .k = in[LINEAR_K],
                            .v = in[LINEAR_V],
                            .state = e->out[0].data,
                            .y = e->out[1].data};
    r.s.tokens = q->shape[q->rank - 2];
    if (r.s.decay) r.decay = in[r.s.decay_in];
    if (r.s.beta) r.beta = in[r.s.beta_in];
    r.error = weft_alloc((size_t)r.s.dv * sizeof *r.error);
    ok &= r.error != NULL;
    if (ok && r.state != in[LINEAR_STATE])
        memcpy(r.state, in[LINEAR_STATE], (size_t)weft_host_count(&e->in[LINEAR_STATE]) * sizeof *r.state);
    for (int64_t n = 0; ok && n < r.s.batch * r.s.kv_heads; n++) {
        int64_t first, count = weft_sequence_tail_tokens(e, tail, n / r.s.kv_heads, r.s.tokens, &first);
        for (int64_t t = 0; t < count; t++) eval_token(&r, r.state + n * r.s.dk * r.s.dv, first + t, n % r.s.kv_heads);
    }
    for (uint32_t i = 0; i < n_in; i++) weft_free(owned[i]);
    weft_free(r.error);
    return ok ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "linear_attention: out of memory");
}

static uint32_t linear_limits(const struct weft_graph *g, const struct weft_node *n, struct weft_op_limit *out) {
    return weft_sequence_tail_limits(g, n, g->values[n->in[LINEAR_Q]].type.dims[0], out);
}

const struct weft_op weft_op_linear_attention = {
    .name = "linear_attention",
    .doc =
        "state, q, k, v[, decay][, beta][, count[, active]] -> next, y: each token decays a matrix, writes to it and "
        "reads it; of several sequences, each its own",
    .n_in_min = 4,
    .n_in_max = 8,
    .n_out = 2,
    .states = {{WEFT_TOUCH_WHOLE, .operand = 0}},
    .attrs = {{.name = "rule", .type = WEFT_ATTR_ENUM, .choices = "linear|gated|delta|gated_delta", .dflt = 3},
              {.name = "q_heads", .type = WEFT_ATTR_INT, .required = true, .lo = 1, .hi = 65536},
              {.name = "kv_heads", .type = WEFT_ATTR_INT, .required = true, .lo = 1, .hi = 65536},
              {.name = "scale", .type = WEFT_ATTR_FLOAT},
              {.name = "chunk", .type = WEFT_ATTR_INT, .dflt = 64, .lo = 1, .hi = 1 << 20},
              {.name = "layout", .type = WEFT_ATTR_ENUM, .choices = "key|value"},
              {.name = "sharing", .type = WEFT_ATTR_ENUM, .choices = "blocks|turns"}},
    .limits = linear_limits,
    .infer = linear_infer,
    .eval = linear_eval,
    .lower = weft_linear_attention_lower,
};
