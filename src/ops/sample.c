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
/// A thirteenth operand makes it the sampler of S sequences (1 to 64), each with settings, stops, counts, limits and a
/// random counter of its own:
///   0 counts u32 [S, V], 1 ring u32 [S, N]   states, a row for each slot
///   2 active, 3 token, 4 n_out, 5 rng        u32 variables of S slots; there is no operand `tokens`
///   6 logits [R, V], R at most S             7 sampling u32 [S, 16]      8 stops u32 [S, L]
///   9 pos, 10 n_max, 11 pos_max              u32 variables of S slots
///   12 row_slot u32 [R]                      whose each row of logits is
/// Row r is sampled for slot row_slot[r] as the only row of one sequence would be, whatever the other rows are: draws
/// depend on the slot's seed and rng alone. What ends the output clears active[slot], never the session's activity, and
/// a slot whose activity is 0 is left alone, as is one without a row. A row with a row_slot of S or more is nobody's;
/// of several rows of a slot the last one counts.
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

enum {
    COUNTS,
    RING,
    TOKENS,
    ACTIVE = TOKENS, ///< of several sequences
    TOKEN,
    N_OUT,
    RNG,
    LOGITS,
    SAMPLING,
    STOPS,
    POS,
    N_MAX,
    POS_MAX,
    ROW_SLOT,
    INPUTS
};
static const char *const input_names[INPUTS] = {"counts",   "ring",  "tokens", "token", "n_out",   "rng",     "logits",
                                                "sampling", "stops", "pos",    "n_max", "pos_max", "row_slot"};
static const uint8_t variables[] = {TOKEN, N_OUT, RNG, POS, N_MAX, POS_MAX};

static bool by_slot(uint32_t n_in) { return n_in > ROW_SLOT; }

static const char *name_of(uint32_t n_in, uint32_t i) {
    return i == ACTIVE && by_slot(n_in) ? "active" : input_names[i];
}

enum { threads = 256, max_segments = 32, bins = 256, narrow_words = 64 + 3 * 2 * 256, max_vocabulary = 1 << 22 };

#define SAMPLE_PARAMS(F) F(u32, rows)
WEFT_PARAMS(sample_params, SAMPLE_PARAMS)

struct sample_cfg {
    weft_dim rows;             ///< of logits; WEFT_DIM_NONE: a single one without an axis
    uint32_t v, groups, slots; ///< workgroups a row; 0: one sequence
};

/// Operand i has `rank` axes and, of several sequences, one of their slots in front.
static weft_status check_type(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, uint32_t i,
                              weft_dtype dtype, uint32_t rank) {
    uint32_t axis = by_slot(n_in);
    if (in[i].dtype == dtype && in[i].rank == rank + axis && (!axis || in[i].dims[0] == in[COUNTS].dims[0]))
        return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "sample: %s is %s; it must be %s with %u axes%s%s", name_of(n_in, i),
                     weft_ops_type_text(g, &in[i]), weft_dtype_name(dtype), rank + axis,
                     axis ? ", the first of them the slots of counts " : "",
                     axis ? weft_ops_type_text(g, &in[COUNTS]) : "");
}

static weft_status check_length(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, uint32_t i,
                                int64_t least) {
    int64_t n;
    if (weft_dim_is_const(g->dims, in[i].dims[in[i].rank - 1], &n) && n >= least) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "sample: %s is %s; its length must be a constant, at least %lld",
                     name_of(n_in, i), weft_ops_type_text(g, &in[i]), (long long)least);
}

static weft_status check_slots(struct weft_graph *g, const struct weft_type *in) {
    const struct weft_type *counts = &in[COUNTS], *logits = &in[LOGITS];
    int64_t slots, least, most;
    if (counts->rank != 2 || !weft_dim_is_const(g->dims, counts->dims[0], &slots) || slots < 1 ||
        slots > WEFT_MAX_SEQUENCES)
        return weft_fail(WEFT_ERR_INVALID,
                         "sample: counts is %s; of several sequences it must be u32 [S, V] with S 1 "
                         "to %d",
                         weft_ops_type_text(g, counts), WEFT_MAX_SEQUENCES);
    if (logits->rank != 2)
        return weft_fail(WEFT_ERR_INVALID, "sample: logits are %s; of several sequences they must be floats [R, V]",
                         weft_ops_type_text(g, logits));
    weft_dim_bounds(g->dims, logits->dims[0], &least, &most);
    if (most > slots)
        return weft_fail(WEFT_ERR_INVALID, "sample: logits %s may have %lld rows; each of %lld slots has one at most",
                         weft_ops_type_text(g, logits), (long long)most, (long long)slots);
    struct weft_type want = {.dtype = WEFT_U32, .rank = 1, .dims = {logits->dims[0]}};
    if (weft_type_same(&in[ROW_SLOT], &want)) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "sample: row_slot is %s; it takes one for each row of logits, %s",
                     weft_ops_type_text(g, &in[ROW_SLOT]), weft_ops_type_text(g, &want));
}

static weft_status sample_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                const struct weft_attr *attrs, struct weft_type *out) {
    (void)attrs;
    const struct weft_type *logits = &in[LOGITS];
    if (!weft_ops_is_float(logits->dtype) || logits->rank < 1 || logits->rank > 2)
        return weft_fail(WEFT_ERR_INVALID, "sample: logits are %s; they must be floats [V] or [R, V]",
                         weft_ops_type_text(g, logits));
    if (by_slot(n_in)) WEFT_TRY(check_slots(g, in));
    WEFT_TRY(check_type(g, in, n_in, COUNTS, WEFT_U32, 1));
    WEFT_TRY(check_type(g, in, n_in, RING, WEFT_U32, 1));
    if (by_slot(n_in)) WEFT_TRY(check_type(g, in, n_in, ACTIVE, WEFT_U32, 0));
    else WEFT_TRY(check_type(g, in, n_in, TOKENS, WEFT_I32, 1));
    WEFT_TRY(check_type(g, in, n_in, SAMPLING, WEFT_U32, 1));
    WEFT_TRY(check_type(g, in, n_in, STOPS, WEFT_U32, 1));
    for (size_t i = 0; i < sizeof variables; i++) WEFT_TRY(check_type(g, in, n_in, variables[i], WEFT_U32, 0));
    WEFT_TRY(check_length(g, in, n_in, COUNTS, 1));
    WEFT_TRY(check_length(g, in, n_in, RING, 1));
    if (!by_slot(n_in)) WEFT_TRY(check_length(g, in, n_in, TOKENS, 0));
    WEFT_TRY(check_length(g, in, n_in, SAMPLING, WEFT_SAMPLE_WORDS));
    WEFT_TRY(check_length(g, in, n_in, STOPS, 1));
    int64_t v = 0;
    weft_dim vocabulary = in[COUNTS].dims[in[COUNTS].rank - 1];
    if (logits->dims[logits->rank - 1] != vocabulary)
        return weft_fail(WEFT_ERR_INVALID, "sample: logits %s and counts %s differ in their vocabulary",
                         weft_ops_type_text(g, logits), weft_ops_type_text(g, &in[COUNTS]));
    if (weft_dim_is_const(g->dims, vocabulary, &v) && v > max_vocabulary)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "sample: a vocabulary of %lld; at most %d", (long long)v,
                         max_vocabulary);
    memcpy(out, in, (RNG + 1) * sizeof *out);
    return WEFT_OK;
}

// ---- host reference ------------------------------------------------------------------------------------------------

/// What one sequence has of an operand: all of it, or what belongs to its slot.
static struct weft_host part(const struct weft_eval *e, uint32_t i, int64_t slot) {
    struct weft_host t = e->in[i];
    if (!by_slot(e->n_in)) return t;
    t.rank--;
    memmove(t.shape, t.shape + 1, t.rank * sizeof *t.shape);
    t.data += slot * weft_host_count(&t);
    return t;
}

static bool is_stop(const struct weft_host *stops, uint32_t token) {
    double listed = (double)stops->shape[0] - 1;
    int64_t n = (int64_t)(stops->data[0] < listed ? stops->data[0] : listed);
    for (int64_t i = 1; i <= n; i++)
        if (stops->data[i] == token) return true;
    return false;
}

/// Whether a token ends the output of a slot. Of one sequence `active` is not a tensor of the graph: eval can't clear
/// it.
static bool ends(const struct weft_eval *e, int64_t slot, uint32_t token, double n_out, double most) {
    struct weft_host stops = part(e, STOPS, slot);
    double n_max = part(e, N_MAX, slot).data[0];
    return token == WEFT_SAMPLE_NONE || is_stop(&stops, token) || n_out >= (n_max < most ? n_max : most) ||
           part(e, POS, slot).data[0] >= part(e, POS_MAX, slot).data[0];
}

/// The states of a slot after the token, as the last kernel leaves them.
static void commit(const struct weft_eval *e, int64_t slot, const uint32_t *words, uint32_t token) {
    struct weft_host counted = part(e, COUNTS, slot), ids = part(e, RING, slot), last = part(e, TOKEN, slot);
    struct weft_host n_out = part(e, N_OUT, slot), rng = part(e, RNG, slot);
    uint32_t n = (uint32_t)n_out.data[0], window = words[WEFT_SAMPLE_WINDOW];
    uint32_t ring = (uint32_t)ids.shape[0];
    double *counts = counted.data;
    if (window > 0 && window <= ring && n >= window) {
        double old = ids.data[(n - window) % ring];
        if (old < (double)counted.shape[0] && counts[(size_t)old] > 0) counts[(size_t)old] -= 1;
    }
    if (token != WEFT_SAMPLE_NONE) counts[token] += 1;
    ids.data[n % ring] = token;
    if (!by_slot(e->n_in) && e->in[TOKENS].shape[0] > 0) e->in[TOKENS].data[0] = token == WEFT_SAMPLE_NONE ? 0 : token;
    last.data[0] = token < last.hi ? token : (double)last.hi;
    n_out.data[0] = n < n_out.hi ? n + 1.0 : (double)n_out.hi;
    double step = rng.data[0] < (double)rng.lo ? (double)rng.lo : rng.data[0];
    rng.data[0] = step < (double)rng.hi ? step + 1 : (double)rng.lo;
    if (by_slot(e->n_in) && ends(e, slot, token, n_out.data[0], (double)n_out.hi)) e->in[ACTIVE].data[slot] = 0;
}

/// Samples a row of logits for a slot. `x` and `counts` have room for the vocabulary.
static weft_status sample_row(const struct weft_eval *e, int64_t slot, const double *logits, int64_t v, float *x,
                              uint32_t *counts) {
    uint32_t words[WEFT_SAMPLE_WORDS], token = 0;
    struct weft_host sampling = part(e, SAMPLING, slot), counted = part(e, COUNTS, slot);
    for (int i = 0; i < WEFT_SAMPLE_WORDS; i++) words[i] = (uint32_t)sampling.data[i];
    if (e->attrs[0].i) words[WEFT_SAMPLE_FLAGS] &= ~(uint32_t)WEFT_SAMPLE_DRAW;
    for (int64_t i = 0; i < v; i++) {
        x[i] = (float)logits[i];
        counts[i] = (uint32_t)counted.data[i];
    }
    WEFT_TRY(weft_sample_pick(words, x, counts, (uint32_t)v, (uint32_t)part(e, RNG, slot).data[0], &token));
    commit(e, slot, words, token);
    return WEFT_OK;
}

/// The slot whose token row r decides; -1: nobody's. Of one sequence the last row counts.
static int64_t slot_of(const struct weft_eval *e, int64_t r, int64_t rows) {
    if (!by_slot(e->n_in)) return r == rows - 1 ? 0 : -1;
    const double *slots = e->in[ROW_SLOT].data;
    if (slots[r] >= (double)e->in[COUNTS].shape[0] || e->in[ACTIVE].data[(int64_t)slots[r]] == 0) return -1;
    for (int64_t later = r + 1; later < rows; later++)
        if (slots[later] == slots[r]) return -1;
    return (int64_t)slots[r];
}

static weft_status sample_eval(const struct weft_eval *e) {
    double *owned;
    const double *logits = weft_ops_dense(&e->in[LOGITS], &owned);
    int64_t rows, v;
    weft_ops_rows(&e->in[LOGITS], &rows, &v);
    float *x = weft_alloc((size_t)v * sizeof *x);
    uint32_t *counts = weft_alloc((size_t)v * sizeof *counts);
    weft_status status = WEFT_OK;
    if (!logits || !x || !counts) status = weft_fail(WEFT_ERR_NOMEM, "sample: out of memory");
    for (int64_t r = 0; status == WEFT_OK && r < rows; r++) {
        int64_t slot = slot_of(e, r, rows);
        if (slot >= 0) status = sample_row(e, slot, logits + r * v, v, x, counts);
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

/// Workgroups of a row lie one behind the other. One sequence has one row at most.
static void sample_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct sample_cfg *cfg = u->step->cfg;
    int64_t rows = cfg->rows == WEFT_DIM_NONE ? 1 : weft_live(u, cfg->rows);
    struct sample_params p = {.rows = rows > 0 ? (uint32_t)rows : 0};
    memcpy(words, &p, sizeof p);
    weft_grid_fold((uint64_t)cfg->groups * (cfg->slots ? p.rows : p.rows > 0), u->caps->max_groups, grid);
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
    uint32_t segment, segments;              ///< elements a workgroup; workgroups a row
    uint32_t rows;                           ///< parts of the scratch tensors
    uint32_t keys, part, hist, narrow, cand; ///< scratch tensors
};

static int64_t length(const struct sampler *m, uint32_t input) {
    const struct weft_type *t = &weft_lv(m->l, m->node->in[input])->type;
    return weft_lower_const(m->l, t->dims[t->rank - 1]);
}

/// A workgroup takes a segment of a row.
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
    weft_emit_int(l, s, "SLOTS", m->cfg.slots);
    weft_emit_int(l, s, "SETTINGS", length(m, SAMPLING));
    weft_emit_int(l, s, "ACTIVE", m->cfg.slots ? weft_lower_var_slot(l, m->node->in[ACTIVE]) : WEFT_VAR_ACTIVE);
    weft_emit_workgroup(s, threads, memory + 16); // owner() takes a word
    weft_emit_value(l, s, "sampling", WEFT_READ, m->node->in[SAMPLING], 0);
    if (m->cfg.slots) weft_emit_value(l, s, "row_slot", WEFT_READ, m->node->in[ROW_SLOT], 0);
    weft_emit_vars(l, s, WEFT_READ);
    weft_emit_items(s, 1);
    return s;
}

/// All workgroups of a row share so many elements of the operand. The only row of one sequence has them all.
static void reach_row(const struct sampler *m, struct weft_step *s, uint32_t operand, uint64_t groups, uint64_t unit) {
    if (m->cfg.slots) weft_emit_reach(s, operand, groups, unit);
}

static void emit_prepare(struct sampler *m) {
    struct weft_step *s = begin(m, &prepare_kernel, m->segments, 2 * threads * 4);
    uint32_t logits = weft_emit_value(m->l, s, "logits", WEFT_READ, m->node->in[LOGITS], 0);
    uint32_t counts = weft_emit_value(m->l, s, "counts", WEFT_READ, m->node->in[COUNTS], 0);
    uint32_t keys = m->greedy ? WEFT_NO_OPERAND : weft_emit_scratch(m->l, s, "keys", WEFT_WRITE, m->keys, 0);
    uint32_t part = weft_emit_scratch(m->l, s, "part", WEFT_WRITE, m->part, 0);
    reach_row(m, s, logits, m->segments, m->cfg.v);
    if (!m->cfg.slots) weft_emit_reach(s, counts, 1, m->segment);
    weft_emit_reach(s, keys, 1, m->segment);
    weft_emit_reach(s, part, 1, 2);
}

static void emit_select(struct sampler *m) {
    struct weft_step *s = begin(m, &histogram_kernel, m->segments, 6 * bins * 4);
    uint32_t keys = weft_emit_scratch(m->l, s, "keys", WEFT_READ, m->keys, 0);
    uint32_t part = weft_emit_scratch(m->l, s, "part", WEFT_READ, m->part, 0);
    uint32_t hist = weft_emit_scratch(m->l, s, "hist", WEFT_WRITE, m->hist, 0);
    weft_emit_reach(s, keys, 1, m->segment);
    weft_emit_reach(s, hist, 1, 5 * bins);
    reach_row(m, s, part, m->segments, 2 * (uint64_t)m->segments);
    s = begin(m, &narrow_kernel, m->segments, 6 * bins * 4 + 32);
    weft_emit_int(m->l, s, "VAR_RNG", weft_lower_var_slot(m->l, m->node->in[RNG]));
    keys = weft_emit_scratch(m->l, s, "keys", WEFT_READ, m->keys, 0);
    part = weft_emit_scratch(m->l, s, "part", WEFT_READ, m->part, 0);
    hist = weft_emit_scratch(m->l, s, "hist", WEFT_READ, m->hist, 0);
    uint32_t narrow = weft_emit_scratch(m->l, s, "narrow", WEFT_WRITE, m->narrow, 0);
    uint32_t cand = weft_emit_scratch(m->l, s, "cand", WEFT_WRITE, m->cand, 0);
    weft_emit_reach(s, keys, 1, m->segment);
    weft_emit_reach(s, cand, 1, 2 * (uint64_t)m->segment);
    reach_row(m, s, part, m->segments, 2 * (uint64_t)m->segments);
    reach_row(m, s, hist, m->segments, (uint64_t)m->segments * 5 * bins);
    reach_row(m, s, narrow, m->segments, narrow_words);
}

/// What the last step takes the token from.
static void emit_found(struct sampler *m, struct weft_step *s) {
    if (m->greedy) {
        uint32_t part = weft_emit_scratch(m->l, s, "part", WEFT_READ, m->part, 0);
        reach_row(m, s, part, 1, 2 * (uint64_t)m->segments);
        return;
    }
    uint32_t narrow = weft_emit_scratch(m->l, s, "narrow", WEFT_READ, m->narrow, 0);
    uint32_t cand = weft_emit_scratch(m->l, s, "cand", WEFT_READ, m->cand, 0);
    reach_row(m, s, narrow, 1, narrow_words);
    reach_row(m, s, cand, 1, 2 * (uint64_t)m->segments * m->segment);
}

/// A workgroup takes a row.
static void emit_finish(struct sampler *m) {
    struct weft_lower *l = m->l;
    const weft_value *in = m->node->in;
    struct weft_step *s = begin(m, &finish_kernel, 1, m->greedy ? 0 : 1024 * 8 + 5 * bins * 4 + 256);
    if (m->greedy) s->workgroup[0] = 32;
    weft_emit_int(l, s, "RING", length(m, RING));
    weft_emit_int(l, s, "STOPS", length(m, STOPS));
    weft_emit_int(l, s, "TOKENS", m->cfg.slots ? 0 : length(m, TOKENS));
    weft_emit_int(l, s, "TOKEN_HI", weft_lv(l, in[TOKEN])->var_hi);
    weft_emit_int(l, s, "N_OUT_HI", weft_lv(l, in[N_OUT])->var_hi);
    weft_emit_int(l, s, "RNG_LO", weft_lv(l, in[RNG])->var_lo);
    weft_emit_int(l, s, "RNG_HI", weft_lv(l, in[RNG])->var_hi);
    static const char *const words[] = {"VAR_TOKEN", "VAR_N_OUT", "VAR_RNG", "VAR_POS", "VAR_N_MAX", "VAR_POS_MAX"};
    for (size_t i = 0; i < sizeof variables; i++)
        weft_emit_int(l, s, words[i], weft_lower_var_slot(l, in[variables[i]]));
    emit_found(m, s);
    weft_emit_vars(l, s, WEFT_READ_WRITE);
    weft_emit_value(l, s, "stops", WEFT_READ, in[STOPS], 0);
    weft_emit_value(l, s, "counts", WEFT_READ_WRITE, m->node->out[COUNTS], 0);
    weft_emit_value(l, s, "ring", WEFT_READ_WRITE, m->node->out[RING], 0);
    if (!m->cfg.slots) weft_emit_value(l, s, "tokens", WEFT_WRITE, m->node->out[TOKENS], 0);
}

static bool is_variable_at(uint32_t n_in, uint32_t i) {
    return i == TOKEN || i == N_OUT || i == RNG || (i >= POS && i <= POS_MAX) || (i == ACTIVE && by_slot(n_in));
}

static weft_status check_states(struct weft_lower *l, const struct weft_node *node) {
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (i == LOGITS || i == SAMPLING || i == STOPS || i == ROW_SLOT) continue;
        bool variable = is_variable_at(node->n_in, i);
        const struct weft_value_info *info = weft_lv(l, node->in[i]);
        bool is_state = info->state != UINT32_MAX;
        bool is_variable = is_state && l->plan->states[info->state].kind == WEFT_STATE_VAR;
        if (variable ? is_variable : is_state && !is_variable) continue;
        return weft_lower_fail(l, WEFT_ERR_INVALID, "sample: %s must be a %s of the graph", name_of(node->n_in, i),
                               variable ? "variable" : "dense state");
    }
    return WEFT_OK;
}

/// What the variables must be able to hold.
static weft_status check_bounds(const struct sampler *m) {
    struct weft_lower *l = m->l;
    const struct weft_value_info *token = weft_lv(l, m->node->in[TOKEN]), *n_out = weft_lv(l, m->node->in[N_OUT]);
    const struct weft_value_info *active = weft_lv(l, m->node->in[ACTIVE]);
    if (n_out->var_hi < 1)
        return weft_lower_fail(l, WEFT_ERR_INVALID, "sample: variable '%s', which counts tokens, may not leave %lld",
                               n_out->name, (long long)n_out->var_hi);
    if (m->cfg.slots && active->var_lo > 0)
        return weft_lower_fail(l, WEFT_ERR_INVALID,
                               "sample: variable '%s' goes from %lld to %lld; where an output ends it becomes 0",
                               active->name, (long long)active->var_lo, (long long)active->var_hi);
    if (token->var_lo > 0 || token->var_hi < (int64_t)m->cfg.v - 1)
        return weft_lower_fail(l, WEFT_ERR_INVALID,
                               "sample: variable '%s' goes from %lld to %lld; it must hold the tokens 0 to %u",
                               token->name, (long long)token->var_lo, (long long)token->var_hi, m->cfg.v - 1);
    return WEFT_OK;
}

static weft_status sample_lower(struct weft_lower *l, uint32_t group) {
    struct sampler m = {.l = l, .node = &l->graph->nodes[l->groups[group].nodes[0]], .rows = 1};
    WEFT_TRY(check_states(l, m.node));
    const struct weft_type *t = &weft_lv(l, m.node->in[LOGITS])->type;
    m.greedy = m.node->attrs[0].i != 0;
    m.cfg.v = (uint32_t)weft_lower_const(l, t->dims[t->rank - 1]);
    m.cfg.rows = t->rank == 2 ? t->dims[0] : WEFT_DIM_NONE;
    if (by_slot(m.node->n_in)) {
        int64_t rows = weft_lower_max(l, m.cfg.rows);
        m.cfg.slots = (uint32_t)weft_lower_const(l, weft_lv(l, m.node->in[COUNTS])->type.dims[0]);
        m.rows = rows > 1 ? (uint32_t)rows : 1;
    }
    WEFT_TRY(check_bounds(&m));
    m.segment = ((m.cfg.v + max_segments - 1) / max_segments + threads - 1) / threads * threads;
    m.segments = (m.cfg.v + m.segment - 1) / m.segment;
    uint64_t segments = (uint64_t)m.rows * m.segments;
    m.part = weft_lower_scratch(l, "sample best", WEFT_U32, 2 * segments);
    if (m.greedy) {
        emit_prepare(&m);
    } else {
        m.keys = weft_lower_scratch(l, "sample keys", WEFT_U32, m.cfg.slots ? segments * m.segment : m.cfg.v);
        m.hist = weft_lower_scratch(l, "sample histograms", WEFT_U32, segments * 5 * bins);
        m.narrow = weft_lower_scratch(l, "sample sums", WEFT_U32, (uint64_t)m.rows * narrow_words);
        m.cand = weft_lower_scratch(l, "sample candidates", WEFT_U32, 2 * segments * m.segment);
        emit_prepare(&m);
        emit_select(&m);
    }
    emit_finish(&m);
    return l->status;
}

#define NOTED(i)                                                                                                       \
    { WEFT_TOUCH_PART, .operand = i, .must_be_state = true, .beside = true, .clears = i == ACTIVE }
const struct weft_op weft_op_sample = {
    .name = "sample",
    .doc =
        "counts, ring, tokens, token, n, rng, logits, sampling, stops, pos, n_max, pos_max[, row_slot] -> counts2, "
        "ring2, tokens2, token2, n2, rng2: picks a token and does what follows from it, without the host; of several "
        "sequences a token for each row, with `active` in place of `tokens`",
    .n_in_min = ROW_SLOT,
    .n_in_max = INPUTS,
    .n_out = RNG + 1,
    .states = {NOTED(COUNTS), NOTED(RING), NOTED(ACTIVE), NOTED(TOKEN), NOTED(N_OUT), NOTED(RNG)},
    .attrs = {{.name = "greedy", .type = WEFT_ATTR_INT, .lo = 0, .hi = 1}},
    .infer = sample_infer,
    .eval = sample_eval,
    .lower = sample_lower,
};
