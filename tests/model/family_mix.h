/// A mixed batch of a family's model: sequences of several lengths and texts in one run, a piece of one's prompt beside
/// single tokens of the others, begun one after the other, one of them taken back. The texts differ, so that a slot
/// that sees another one's past is noticed. For tests of the host reference and of devices, which run what this lays
/// out.
#ifndef WEFT_TEST_FAMILY_MIX_H
#define WEFT_TEST_FAMILY_MIX_H
#include "core/alloc.h"
#include "model/host.h"

#include "family_models.h"

enum { MIX_SLOTS = 4, MIX_CHUNK = 16, MIX_PIECE = 9, MIX_BACK = 3, MIX_ORACLE = 1 /* the slot of the oracle's text */ };

struct family_mix {
    const struct family_model *f;
    const struct family_oracle *oracle;
    int32_t ids[MIX_SLOTS][FAMILY_TOKENS];
    uint32_t length[MIX_SLOTS], at[MIX_SLOTS], counts[MIX_SLOTS], step;
    double *want[MIX_SLOTS]; ///< logits of each alone, by the host reference
    uint32_t mixed;          ///< runs of a piece beside single tokens
    bool went_back;
};

static inline void family_mix_must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static inline void family_mix_begin(struct family_mix *m, const struct family_model *f, const struct family_oracle *o,
                                    const struct weft_source *file) {
    struct weft_host_lm *lm;
    *m = (struct family_mix){.f = f, .oracle = o};
    family_mix_must(weft_host_lm_create(file, &(struct weft_host_lm_params){.ctx = f->ctx, .chunk = f->tokens}, &lm));
    for (uint32_t i = 0; i < MIX_SLOTS; i++) {
        m->length[i] = f->tokens - (i == MIX_ORACLE ? 0 : 5 * (i + 1));
        for (uint32_t k = 0; k < f->tokens; k++)
            m->ids[i][k] = o->ids[i == MIX_ORACLE ? k : (k * (2 * i + 5) + 7 * i + 3) % f->tokens];
        m->want[i] = weft_alloc((size_t)FAMILY_TOKENS * FAMILY_VOCAB * sizeof *m->want[i]);
        assert_non_null(m->want[i]);
        weft_host_lm_reset(lm);
        family_mix_must(weft_host_lm_feed(lm, m->ids[i], f->tokens, f->tokens, m->want[i]));
    }
    weft_host_lm_destroy(lm);
}

static inline void family_mix_end(struct family_mix *m) {
    for (uint32_t i = 0; i < MIX_SLOTS; i++) weft_free(m->want[i]);
}

/// From the start again.
static inline void family_mix_again(struct family_mix *m) {
    for (uint32_t i = 0; i < MIX_SLOTS; i++) m->at[i] = 0;
    m->step = m->mixed = 0;
    m->went_back = false;
}

/// Tokens of the next run and how many each slot has; slots take turns with a piece, and begin every second run. Gives
/// their number, 0 behind the last, and how far the furthest slot comes.
static inline uint32_t family_mix_next(struct family_mix *m, int32_t *tokens, uint32_t *end) {
    uint32_t n = 0, single = 0, piece = 0;
    *end = 1;
    for (uint32_t i = 0; i < MIX_SLOTS; i++) {
        uint32_t left = m->step >= 2 * i ? m->length[i] - m->at[i] : 0,
                 wanted = m->step % MIX_SLOTS == i ? MIX_PIECE : 1;
        uint32_t count = wanted < left ? wanted : left;
        m->counts[i] = count;
        memcpy(tokens + n, m->ids[i] + m->at[i], count * sizeof *tokens);
        n += count;
        single += count == 1;
        piece += count > 1;
        if (count && m->at[i] + count > *end) *end = m->at[i] + count;
    }
    m->mixed += single && piece;
    m->step++;
    return n;
}

/// Whether the third slot has to go back now, and to where.
static inline bool family_mix_goes_back(struct family_mix *m, uint32_t *slot, uint32_t *to) {
    *slot = 2;
    if (m->went_back || m->at[*slot] < 2 * MIX_PIECE) return false;
    m->went_back = true;
    m->at[*slot] -= MIX_BACK;
    *to = m->at[*slot];
    return true;
}

/// Compares a run's logits with those of each sequence alone and, of its text, with the oracle's; moves on. Gives the
/// largest difference from the host's. An infinite bound asks for no numbers.
static inline double family_mix_compare(struct family_mix *m, const double *rows, double oracle_bound) {
    double most = 0;
    for (uint32_t i = 0; i < MIX_SLOTS; rows += (size_t)m->counts[i] * FAMILY_VOCAB, m->at[i] += m->counts[i], i++) {
        const double *want = m->want[i] + (size_t)m->at[i] * FAMILY_VOCAB;
        for (uint32_t k = 0; k < m->counts[i] * FAMILY_VOCAB; k++)
            if (!(fabs(rows[k] - want[k]) <= most)) most = fabs(rows[k] - want[k]);
        if (i != MIX_ORACLE) continue;
        double d = family_apart_double(m->oracle, rows, m->at[i], m->counts[i]);
        if (!(d <= oracle_bound)) fail_msg("%s in a mixed batch: logits are %g from the oracle's", m->f->oracle, d);
    }
    return most;
}

/// All sequences came to their ends, in a mix.
static inline void family_mix_was_whole(const struct family_mix *m) {
    for (uint32_t i = 0; i < MIX_SLOTS; i++) assert_int_equal(m->at[i], m->length[i]);
    assert_true(m->mixed >= 5 || m->f->tokens < FAMILY_TOKENS);
    assert_true(m->mixed > 0 && (m->went_back || m->f->tokens < FAMILY_TOKENS));
}

static inline void family_mix_run(const struct family_mix *m, weft_session *s, const int32_t *tokens, uint32_t n,
                                  uint32_t end, double *out) {
    static float rows[MIX_CHUNK * FAMILY_VOCAB];
    uint32_t picks[MIX_CHUNK];
    for (uint32_t i = 0; i < n; i++) picks[i] = i;
    for (uint32_t i = 0; i < MIX_SLOTS; i++) family_mix_must(weft_session_set_var_at(s, "count", i, m->counts[i]));
    family_mix_must(weft_test_sizes(s, n, n, end));
    family_mix_must(weft_session_write(s, "tokens", 0, tokens, n * sizeof *tokens));
    family_mix_must(weft_session_write(s, "rows", 0, picks, n * sizeof *picks));
    family_mix_must(weft_session_run(s, 1, NULL));
    family_mix_must(weft_session_read(s, "logits", 0, rows, (uint64_t)n * FAMILY_VOCAB * sizeof *rows));
    for (uint32_t i = 0; i < n * FAMILY_VOCAB; i++) out[i] = (double)rows[i];
}

/// All of it on a device; gives what family_mix_compare does, at most.
static inline double family_mix_on_device(struct family_mix *m, weft_gpu *gpu, struct weft_test_model *model,
                                          double oracle_bound) {
    const struct weft_test_build build = {.gemma = {.ctx = m->f->ctx, .chunk = MIX_CHUNK, .slots = MIX_SLOTS}};
    static double rows[MIX_CHUNK * FAMILY_VOCAB];
    int32_t tokens[MIX_CHUNK];
    uint32_t end, slot, to;
    double most = 0;
    weft_program *program = weft_test_program(gpu, model, &build);
    weft_session *s = weft_test_session(program, false, 1);
    family_mix_again(m);
    for (uint32_t i = 0; i < MIX_SLOTS; i++) family_mix_must(weft_session_set_var_at(s, "live", i, 1));
    for (uint32_t n; (n = family_mix_next(m, tokens, &end));) {
        family_mix_run(m, s, tokens, n, end, rows);
        most = fmax(most, family_mix_compare(m, rows, oracle_bound));
        if (family_mix_goes_back(m, &slot, &to)) family_mix_must(weft_session_rewind_slot(s, slot, to));
    }
    family_mix_was_whole(m);
    weft_session_destroy(&s);
    weft_program_destroy(&program);
    return most;
}
#endif
