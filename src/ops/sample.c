/// The sampler: one token from a row of logits, and what follows from it, without the host.
///
/// Inputs, states that it advances first (out i is the next version of in i):
///   0 counts u32 [V]    how often each token occurs in the penalty window
///   1 ring u32 [N]      ids out; id number n is in slot n mod N
///   2 tokens i32 [C]    the next run's input ids; the token goes to the first
///   3 token, 4 n_out, 5 rng   u32 variables: last id; ids written so far; step of the random generator
/// then what it reads:
///   6 logits f32, f16 or bf16 [V] or [R, V]: the last row counts; with R = 0 nothing happens
///   7 sampling u32 [16] words of ops/sample.h      8 stops u32 [S]  count, then ids that end the output
///   9 pos, 10 n_max, 11 pos_max   u32 variables: position of the next token (already advanced), limits of n_out and
///   pos
///
/// Variables stay within their bounds: token's must hold the vocabulary, n_out ends at its upper one, which ends the
/// output as n_max does, and rng goes round.
///
/// Attribute greedy = 1 compiles the argmax of the penalised logits alone (2 steps); else 4 steps serve every setting,
/// and temperature 0 leaves the middle two at once. Clears `active` at a stop token, at n_out >= n_max and at pos >=
/// pos_max; the token that ends the output is in the ring like any other. A row of nothing but NaN has no token: the
/// ring gets WEFT_SAMPLE_NONE, and `active` is cleared. Every store is predicated by `active`.
///
/// The survivors of top-k and top-p are a prefix of one order: descending logit, then ascending index. So each filter
/// is a position in that order, and the draw is one as well. Positions are found by histograms of counts and masses:
/// 256 bins of distance below the maximum over the whole vocabulary, then 8 bits at a time among the elements of the
/// bins concerned. Masses are integers (2^-40 of the largest): sums are exact, in any order, and a setting never drops
/// a token silently. A token below 2^-40 of the likeliest has mass 0. docs/sampler.md is the description for users.
#include "ops/sample.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ops/shape.h"
#include "plan/lower.h"

#include <stdio.h>
#include <string.h>

enum { COUNTS, RING, TOKENS, TOKEN, N_OUT, RNG, LOGITS, SAMPLING, STOPS, POS, N_MAX, POS_MAX, INPUTS };
static const char *const input_names[INPUTS] = {"counts", "ring",     "tokens", "token", "n_out", "rng",
                                                "logits", "sampling", "stops",  "pos",   "n_max", "pos_max"};

enum { threads = 256, max_segments = 32, bins = 256, narrow_words = 64 + 3 * 2 * 256, max_vocabulary = 1 << 22 };

#define SAMPLE_PARAMS(F) F(u32, base)
WEFT_PARAMS(sample_params, SAMPLE_PARAMS)

struct sample_cfg {
    weft_dim rows; ///< of logits; WEFT_DIM_NONE: a single one without an axis
    uint32_t v, groups;
};

static weft_status check_type(struct weft_graph *g, const struct weft_type *in, uint32_t i, weft_dtype dtype,
                              uint32_t rank) {
    if (in[i].dtype == dtype && in[i].rank == rank) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "sample: %s is %s; it must be %s with %u axes", input_names[i],
                     weft_ops_type_text(g, &in[i]), weft_dtype_name(dtype), rank);
}

static weft_status check_length(struct weft_graph *g, const struct weft_type *in, uint32_t i, int64_t least) {
    int64_t n;
    if (weft_dim_is_const(g->dims, in[i].dims[0], &n) && n >= least) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "sample: %s is %s; its length must be a constant, at least %lld", input_names[i],
                     weft_ops_type_text(g, &in[i]), (long long)least);
}

static weft_status sample_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    (void)attrs;
    const struct weft_type *logits = &in[LOGITS];
    if (!weft_ops_is_float(logits->dtype) || logits->rank < 1 || logits->rank > 2)
        return weft_fail(WEFT_ERR_INVALID, "sample: logits are %s; they must be floats [V] or [R, V]",
                         weft_ops_type_text(g, logits));
    WEFT_TRY(check_type(g, in, COUNTS, WEFT_U32, 1));
    WEFT_TRY(check_type(g, in, RING, WEFT_U32, 1));
    WEFT_TRY(check_type(g, in, TOKENS, WEFT_I32, 1));
    WEFT_TRY(check_type(g, in, SAMPLING, WEFT_U32, 1));
    WEFT_TRY(check_type(g, in, STOPS, WEFT_U32, 1));
    static const uint8_t variables[] = {TOKEN, N_OUT, RNG, POS, N_MAX, POS_MAX};
    for (size_t i = 0; i < sizeof variables; i++) WEFT_TRY(check_type(g, in, variables[i], WEFT_U32, 0));
    WEFT_TRY(check_length(g, in, COUNTS, 1));
    WEFT_TRY(check_length(g, in, RING, 1));
    WEFT_TRY(check_length(g, in, TOKENS, 0));
    WEFT_TRY(check_length(g, in, SAMPLING, WEFT_SAMPLE_WORDS));
    WEFT_TRY(check_length(g, in, STOPS, 1));
    int64_t v = 0;
    if (logits->dims[logits->rank - 1] != in[COUNTS].dims[0])
        return weft_fail(WEFT_ERR_INVALID, "sample: logits %s and counts %s differ in their vocabulary",
                         weft_ops_type_text(g, logits), weft_ops_type_text(g, &in[COUNTS]));
    if (weft_dim_is_const(g->dims, in[COUNTS].dims[0], &v) && v > max_vocabulary)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "sample: a vocabulary of %lld; at most %d", (long long)v,
                         max_vocabulary);
    memcpy(out, in, (RNG + 1) * sizeof *out);
    return WEFT_OK;
}

// ---- host reference ------------------------------------------------------------------------------------------------

/// The states after the token, as the last kernel leaves them. `active` is not a tensor of the graph: eval can't clear
/// it.
static void commit(const struct weft_eval *e, const uint32_t *words, uint32_t token) {
    uint32_t n = (uint32_t)e->in[N_OUT].data[0], window = words[WEFT_SAMPLE_WINDOW];
    uint32_t ring = (uint32_t)e->in[RING].shape[0];
    double *counts = e->in[COUNTS].data;
    if (window > 0 && window <= ring && n >= window) {
        double old = e->in[RING].data[(n - window) % ring];
        if (old < (double)e->in[COUNTS].shape[0] && counts[(size_t)old] > 0) counts[(size_t)old] -= 1;
    }
    if (token != WEFT_SAMPLE_NONE) counts[token] += 1;
    e->in[RING].data[n % ring] = token;
    if (e->in[TOKENS].shape[0] > 0) e->in[TOKENS].data[0] = token == WEFT_SAMPLE_NONE ? 0 : token;
    const struct weft_host *rng = &e->in[RNG];
    e->in[TOKEN].data[0] = token < e->in[TOKEN].hi ? token : (double)e->in[TOKEN].hi;
    e->in[N_OUT].data[0] = n < e->in[N_OUT].hi ? n + 1.0 : (double)e->in[N_OUT].hi;
    double step = rng->data[0] < (double)rng->lo ? (double)rng->lo : rng->data[0];
    rng->data[0] = step < (double)rng->hi ? step + 1 : (double)rng->lo;
}

static weft_status sample_eval(const struct weft_eval *e) {
    double *owned;
    const double *logits = weft_ops_dense(&e->in[LOGITS], &owned);
    int64_t rows, v;
    weft_ops_rows(&e->in[LOGITS], &rows, &v);
    float *x = weft_alloc((size_t)v * sizeof *x);
    uint32_t *counts = weft_alloc((size_t)v * sizeof *counts), words[WEFT_SAMPLE_WORDS], token = 0;
    weft_status status = WEFT_OK;
    if (!logits || !x || !counts) {
        status = weft_fail(WEFT_ERR_NOMEM, "sample: out of memory");
    } else if (rows > 0) {
        for (int i = 0; i < WEFT_SAMPLE_WORDS; i++) words[i] = (uint32_t)e->in[SAMPLING].data[i];
        if (e->attrs[0].i) words[WEFT_SAMPLE_FLAGS] &= ~(uint32_t)WEFT_SAMPLE_DRAW;
        for (int64_t i = 0; i < v; i++) {
            x[i] = (float)logits[(rows - 1) * v + i];
            counts[i] = (uint32_t)e->in[COUNTS].data[i];
        }
        status = weft_sample_pick(words, x, counts, (uint32_t)v, (uint32_t)e->in[RNG].data[0], &token);
        if (status == WEFT_OK) commit(e, words, token);
    }
    for (uint32_t i = 0; status == WEFT_OK && i < e->n_out;
         i++) // states are in place; copies only where the caller has them apart
        if (e->out[i].data != e->in[i].data)
            memcpy(e->out[i].data, e->in[i].data, (size_t)weft_host_count(&e->in[i]) * sizeof *e->in[i].data);
    weft_free(owned);
    weft_free(x);
    weft_free(counts);
    return status;
}

// ---- lowering ------------------------------------------------------------------------------------------------------

static void sample_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct sample_cfg *cfg = u->step->cfg;
    int64_t rows = cfg->rows == WEFT_DIM_NONE ? 1 : weft_live(u, cfg->rows);
    struct sample_params p = {.base = rows > 0 ? (uint32_t)(rows - 1) * cfg->v : 0};
    memcpy(words, &p, sizeof p);
    grid[0] = rows > 0 ? cfg->groups : 0;
    grid[1] = grid[2] = rows > 0;
}

static const struct weft_kernel prepare_kernel = {"sample_prepare", "ops/sample_prepare.wgsl", sample_params_fields,
                                                  sample_update};
static const struct weft_kernel histogram_kernel = {"sample_histogram", "ops/sample_histogram.wgsl",
                                                    sample_params_fields, sample_update};
static const struct weft_kernel narrow_kernel = {"sample_narrow", "ops/sample_narrow.wgsl", sample_params_fields,
                                                 sample_update};
static const struct weft_kernel finish_kernel = {"sample_finish", "ops/sample_finish.wgsl", sample_params_fields,
                                                 sample_update};

/// What the four steps have in common.
struct sampler {
    struct weft_lower *l;
    const struct weft_node *node;
    struct sample_cfg cfg;
    bool greedy;
    uint32_t segment, segments;              ///< elements a workgroup; workgroups
    uint32_t keys, part, hist, narrow, cand; ///< scratch tensors
};

static struct weft_step *begin(struct sampler *m, const struct weft_kernel *kernel, uint32_t groups, uint32_t memory) {
    struct weft_lower *l = m->l;
    char label[96];
    snprintf(label, sizeof label, "%s.%s", weft_node_label(m->node), strchr(kernel->name, '_') + 1);
    m->cfg.groups = groups;
    struct weft_step *s = weft_emit(l, kernel, label, &m->cfg, sizeof m->cfg);
    weft_emit_int(l, s, "V", m->cfg.v);
    weft_emit_int(l, s, "SEGMENT", m->segment);
    weft_emit_int(l, s, "SEGMENTS", m->segments);
    weft_emit_int(l, s, "GREEDY", m->greedy);
    weft_emit_workgroup(s, threads, memory);
    weft_emit_value(l, s, "sampling", WEFT_READ, m->node->in[SAMPLING], 0);
    weft_emit_vars(l, s, WEFT_READ);
    return s;
}

static void emit_prepare(struct sampler *m) {
    struct weft_step *s = begin(m, &prepare_kernel, m->segments, 2 * threads * 4);
    weft_emit_value(m->l, s, "logits", WEFT_READ, m->node->in[LOGITS], 0);
    uint32_t counts = weft_emit_value(m->l, s, "counts", WEFT_READ, m->node->in[COUNTS], 0);
    uint32_t keys = m->greedy ? WEFT_NO_OPERAND : weft_emit_scratch(m->l, s, "keys", WEFT_WRITE, m->keys, 0);
    uint32_t part = weft_emit_scratch(m->l, s, "part", WEFT_WRITE, m->part, 0);
    weft_emit_items(s, 1); // a segment a workgroup
    weft_emit_reach(s, counts, 1, m->segment);
    weft_emit_reach(s, keys, 1, m->segment);
    weft_emit_reach(s, part, 1, 2);
}

static void emit_select(struct sampler *m) {
    struct weft_step *s = begin(m, &histogram_kernel, m->segments, 6 * bins * 4);
    uint32_t keys = weft_emit_scratch(m->l, s, "keys", WEFT_READ, m->keys, 0);
    weft_emit_scratch(m->l, s, "part", WEFT_READ, m->part, 0);
    uint32_t hist = weft_emit_scratch(m->l, s, "hist", WEFT_WRITE, m->hist, 0);
    weft_emit_items(s, 1);
    weft_emit_reach(s, keys, 1, m->segment);
    weft_emit_reach(s, hist, 1, 5 * bins);
    s = begin(m, &narrow_kernel, m->segments, 6 * bins * 4 + 32);
    weft_emit_int(m->l, s, "VAR_RNG", weft_lower_var_slot(m->l, m->node->in[RNG]));
    keys = weft_emit_scratch(m->l, s, "keys", WEFT_READ, m->keys, 0);
    weft_emit_scratch(m->l, s, "part", WEFT_READ, m->part, 0);
    weft_emit_scratch(m->l, s, "hist", WEFT_READ, m->hist, 0);
    weft_emit_scratch(m->l, s, "narrow", WEFT_WRITE, m->narrow, 0);
    uint32_t cand = weft_emit_scratch(m->l, s, "cand", WEFT_WRITE, m->cand, 0);
    weft_emit_items(s, 1);
    weft_emit_reach(s, keys, 1, m->segment);
    weft_emit_reach(s, cand, 1, 2 * (uint64_t)m->segment);
}

static void emit_finish(struct sampler *m) {
    struct weft_lower *l = m->l;
    const weft_value *in = m->node->in;
    struct weft_step *s = begin(m, &finish_kernel, 1, m->greedy ? 0 : 1024 * 8 + 5 * bins * 4 + 256);
    if (m->greedy) s->workgroup[0] = 32;
    weft_emit_int(l, s, "RING", weft_lower_const(l, weft_lv(l, in[RING])->type.dims[0]));
    weft_emit_int(l, s, "STOPS", weft_lower_const(l, weft_lv(l, in[STOPS])->type.dims[0]));
    weft_emit_int(l, s, "TOKENS", weft_lower_const(l, weft_lv(l, in[TOKENS])->type.dims[0]));
    weft_emit_int(l, s, "TOKEN_HI", weft_lv(l, in[TOKEN])->var_hi);
    weft_emit_int(l, s, "N_OUT_HI", weft_lv(l, in[N_OUT])->var_hi);
    weft_emit_int(l, s, "RNG_LO", weft_lv(l, in[RNG])->var_lo);
    weft_emit_int(l, s, "RNG_HI", weft_lv(l, in[RNG])->var_hi);
    static const struct {
        const char *name;
        uint8_t input;
    } variables[] = {{"VAR_TOKEN", TOKEN}, {"VAR_N_OUT", N_OUT}, {"VAR_RNG", RNG},
                     {"VAR_POS", POS},     {"VAR_N_MAX", N_MAX}, {"VAR_POS_MAX", POS_MAX}};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        weft_emit_int(l, s, variables[i].name, weft_lower_var_slot(l, in[variables[i].input]));
    if (m->greedy) {
        weft_emit_scratch(l, s, "part", WEFT_READ, m->part, 0);
    } else {
        weft_emit_scratch(l, s, "narrow", WEFT_READ, m->narrow, 0);
        weft_emit_scratch(l, s, "cand", WEFT_READ, m->cand, 0);
    }
    weft_emit_vars(l, s, WEFT_READ_WRITE);
    weft_emit_value(l, s, "stops", WEFT_READ, in[STOPS], 0);
    weft_emit_value(l, s, "counts", WEFT_READ_WRITE, m->node->out[COUNTS], 0);
    weft_emit_value(l, s, "ring", WEFT_READ_WRITE, m->node->out[RING], 0);
    weft_emit_value(l, s, "tokens", WEFT_WRITE, m->node->out[TOKENS], 0);
}

static weft_status check_states(struct weft_lower *l, const struct weft_node *node) {
    for (uint32_t i = 0; i < INPUTS; i++) {
        if (i == LOGITS) continue;
        bool variable = i == TOKEN || i == N_OUT || i == RNG || i >= POS;
        const struct weft_value_info *info = weft_lv(l, node->in[i]);
        bool is_state = info->state != UINT32_MAX;
        bool is_variable = is_state && l->plan->states[info->state].kind == WEFT_STATE_VAR;
        if (variable ? is_variable : (is_state && !is_variable) || i == SAMPLING || i == STOPS) continue;
        return weft_lower_fail(l, WEFT_ERR_INVALID, "sample: %s must be a %s of the graph", input_names[i],
                               variable ? "variable" : "dense state");
    }
    return WEFT_OK;
}

static weft_status sample_lower(struct weft_lower *l, uint32_t group) {
    struct sampler m = {.l = l, .node = &l->graph->nodes[l->groups[group].nodes[0]]};
    WEFT_TRY(check_states(l, m.node));
    const struct weft_type *t = &weft_lv(l, m.node->in[LOGITS])->type;
    m.greedy = m.node->attrs[0].i != 0;
    m.cfg.v = (uint32_t)weft_lower_const(l, t->dims[t->rank - 1]);
    const struct weft_value_info *token = weft_lv(l, m.node->in[TOKEN]);
    const struct weft_value_info *n_out = weft_lv(l, m.node->in[N_OUT]);
    if (n_out->var_hi < 1)
        return weft_lower_fail(l, WEFT_ERR_INVALID, "sample: variable '%s', which counts tokens, may not leave %lld",
                               n_out->name, (long long)n_out->var_hi);
    if (token->var_lo > 0 || token->var_hi < (int64_t)m.cfg.v - 1)
        return weft_lower_fail(l, WEFT_ERR_INVALID,
                               "sample: variable '%s' goes from %lld to %lld; it must hold the tokens 0 to %u",
                               token->name, (long long)token->var_lo, (long long)token->var_hi, m.cfg.v - 1);
    m.cfg.rows = t->rank == 2 ? t->dims[0] : WEFT_DIM_NONE;
    m.segment = ((m.cfg.v + max_segments - 1) / max_segments + threads - 1) / threads * threads;
    m.segments = (m.cfg.v + m.segment - 1) / m.segment;
    m.part = weft_lower_scratch(l, "sample best", WEFT_U32, 2 * (uint64_t)m.segments);
    if (m.greedy) {
        emit_prepare(&m);
    } else {
        m.keys = weft_lower_scratch(l, "sample keys", WEFT_U32, m.cfg.v);
        m.hist = weft_lower_scratch(l, "sample histograms", WEFT_U32, (uint64_t)m.segments * 5 * bins);
        m.narrow = weft_lower_scratch(l, "sample sums", WEFT_U32, narrow_words);
        m.cand = weft_lower_scratch(l, "sample candidates", WEFT_U32, 2 * (uint64_t)m.segments * m.segment);
        emit_prepare(&m);
        emit_select(&m);
    }
    emit_finish(&m);
    return l->status;
}

#define NOTED(i)                                                                                                       \
    { WEFT_TOUCH_PART, .operand = i, .must_be_state = true, .beside = true }
const struct weft_op weft_op_sample = {
    .name = "sample",
    .doc = "counts, ring, tokens, token, n, rng, logits, sampling, stops, pos, n_max, pos_max -> counts2, ring2, "
           "tokens2, token2, n2, rng2: picks a token and does what follows from it, without the host",
    .n_in_min = INPUTS,
    .n_in_max = INPUTS,
    .n_out = RNG + 1,
    .states = {NOTED(COUNTS), NOTED(RING), NOTED(TOKENS), NOTED(TOKEN), NOTED(N_OUT), NOTED(RNG)},
    .attrs = {{.name = "greedy", .type = WEFT_ATTR_INT, .lo = 0, .hi = 1}},
    .infer = sample_infer,
    .eval = sample_eval,
    .lower = sample_lower,
};
