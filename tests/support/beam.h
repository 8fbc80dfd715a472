/// Beam search over the slots of one session, in public calls only: a beam is a slot, its tokens and the sum of their
/// log probabilities. Each step is one run for all beams and keeps the best continuations of all; a beam that goes on
/// in several ways is forked to free slots, one that does not go on gives its slot back.
///
/// The program has an input "token" (i32, one for each token of the run) and an output "logits" (f32, a row of
/// `vocabulary` for each). Either it has a variable "count" by slot and a symbol "T", and a run has tokens of live
/// beams alone; or each run has one token of every slot, and those of free slots are nobody's.
#ifndef WEFT_TEST_BEAM_H
#define WEFT_TEST_BEAM_H
#include "weft/weft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BEAM_MOST = 64, BEAM_LENGTH = 16, BEAM_VOCABULARY = 32 };
#define BEAM_NONE UINT32_MAX

struct beam {
    uint32_t slot; ///< has read all tokens but the last
    int32_t tokens[BEAM_LENGTH];
    uint32_t n;
    double score;
};

struct beam_search {
    weft_session *session;
    uint32_t slots, vocabulary;
    bool counted;       ///< the program has "count" and "T"
    bool without_forks; ///< slots are taken as they are: for a negative control
    struct beam beams[BEAM_MOST];
    uint32_t n;
    uint32_t runs, forks; ///< so far
};

/// One continuation of a beam.
struct beam_way {
    uint32_t beam;
    int32_t token;
    double score;
};

static inline int beam_compare(const void *a, const void *b) {
    const struct beam_way *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->beam != y->beam ? (x->beam < y->beam ? -1 : 1) : x->token - y->token;
}

/// Natural log probabilities of logits.
static inline void beam_log_softmax(const float *logits, uint32_t n, double *out) {
    double most = (double)logits[0], sum = 0;
    for (uint32_t i = 1; i < n; i++) most = fmax(most, (double)logits[i]);
    for (uint32_t i = 0; i < n; i++) sum += exp((double)logits[i] - most);
    for (uint32_t i = 0; i < n; i++) out[i] = (double)logits[i] - most - log(sum);
}

/// The beam of a slot; NULL: it is free.
static inline const struct beam *beam_of(const struct beam *beams, uint32_t n, uint32_t slot) {
    for (uint32_t i = 0; i < n; i++)
        if (beams[i].slot == slot) return &beams[i];
    return NULL;
}

/// The run of a step: feeds every beam its last token. row[i] is where the logits of beam i are.
static inline weft_status beam_run(struct beam_search *s, uint32_t *row, float *logits) {
    int32_t tokens[BEAM_MOST];
    uint32_t t = 0;
    weft_status status = WEFT_OK;
    for (uint32_t slot = 0; slot < s->slots && status == WEFT_OK; slot++) {
        const struct beam *b = beam_of(s->beams, s->n, slot);
        if (s->counted) status = weft_session_set_var_at(s->session, "count", slot, b != NULL);
        if (s->counted && !b) continue;
        if (b) row[b - s->beams] = t;
        tokens[t++] = b ? b->tokens[b->n - 1] : 0;
    }
    if (status == WEFT_OK && s->counted) status = weft_session_set_sizes(s->session, &(struct weft_size){"T", t}, 1);
    if (status == WEFT_OK) status = weft_session_write(s->session, "token", 0, tokens, t * sizeof *tokens);
    if (status == WEFT_OK) status = weft_session_run(s->session, 1, NULL);
    s->runs++;
    if (status != WEFT_OK) return status;
    return weft_session_read(s->session, "logits", 0, logits, (uint64_t)t * s->vocabulary * sizeof *logits);
}

/// All ways on of all beams, the best first.
static inline weft_status beam_look(struct beam_search *s, struct beam_way *ways) {
    static float logits[BEAM_MOST * BEAM_VOCABULARY];
    double logs[BEAM_VOCABULARY];
    uint32_t row[BEAM_MOST] = {0}, n = 0;
    weft_status status = beam_run(s, row, logits);
    for (uint32_t i = 0; i < s->n && status == WEFT_OK; i++) {
        beam_log_softmax(logits + row[i] * s->vocabulary, s->vocabulary, logs);
        for (uint32_t t = 0; t < s->vocabulary; t++)
            ways[n++] = (struct beam_way){i, (int32_t)t, s->beams[i].score + logs[t]};
    }
    qsort(ways, n, sizeof *ways, beam_compare);
    return status;
}

/// Begins with one beam that has read all of `prefix` but its last token.
static inline weft_status beam_begin(struct beam_search *s, const int32_t *prefix, uint32_t n) {
    static struct beam_way ways[BEAM_MOST * BEAM_VOCABULARY];
    weft_status status = weft_session_reset(s->session);
    s->n = 1;
    s->beams[0] = (struct beam){.n = 1};
    for (uint32_t i = 0; i < n && status == WEFT_OK; i++) {
        s->beams[0].tokens[0] = prefix[i];
        if (i + 1 < n) status = beam_look(s, ways);
    }
    return status;
}

/// Gives the slots of beams that do not go on back, then each beam but the first of its parent's a slot of its own.
static inline weft_status beam_move(struct beam_search *s, const struct beam_way *ways, struct beam *next, uint32_t n) {
    bool first[BEAM_MOST] = {false};
    weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < n; i++) {
        if (first[ways[i].beam]) next[i].slot = BEAM_NONE;
        first[ways[i].beam] = true;
    }
    for (uint32_t i = 0; i < s->n && status == WEFT_OK; i++)
        if (!first[i]) status = weft_session_reset_slot(s->session, s->beams[i].slot);
    for (uint32_t i = 0, slot = 0; i < n && status == WEFT_OK; i++) {
        if (next[i].slot != BEAM_NONE) continue;
        while (beam_of(next, n, slot)) slot++;
        if (!s->without_forks)
            status = weft_session_fork_slot(s->session, s->beams[ways[i].beam].slot, s->session, slot);
        next[i].slot = slot;
        s->forks++;
    }
    return status;
}

/// One step: the beams become the best `width` continuations, at most as many as there are slots.
static inline weft_status beam_step(struct beam_search *s, uint32_t width) {
    static struct beam_way ways[BEAM_MOST * BEAM_VOCABULARY];
    struct beam next[BEAM_MOST];
    uint32_t n = s->n * s->vocabulary < width ? s->n * s->vocabulary : width;
    weft_status status = beam_look(s, ways);
    if (status != WEFT_OK) return status;
    for (uint32_t i = 0; i < n; i++) {
        next[i] = s->beams[ways[i].beam];
        next[i].tokens[next[i].n++] = ways[i].token;
        next[i].score = ways[i].score;
    }
    status = beam_move(s, ways, next, n);
    memcpy(s->beams, next, n * sizeof *next);
    s->n = n;
    return status;
}
#endif
