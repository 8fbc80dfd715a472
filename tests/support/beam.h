/// Beam search by forking sessions, in public calls only: a beam is a session, its tokens and the sum of their log
/// probabilities. Each step runs every beam once and keeps the best continuations of all; a beam that goes on in
/// several ways is forked, one that does not go on is destroyed.
///
/// The program has an input "token" (i32 [1]) and an output "logits" (f32, `vocabulary` of them).
#ifndef WEFT_TEST_BEAM_H
#define WEFT_TEST_BEAM_H
#include "weft/weft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BEAM_MOST = 64, BEAM_LENGTH = 16, BEAM_VOCABULARY = 32 };

struct beam {
    weft_session *session; ///< has read all tokens but the last
    int32_t tokens[BEAM_LENGTH];
    uint32_t n;
    double score;
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

/// Feeds a beam its last token and lists all ways on.
static inline weft_status beam_look(struct beam *b, uint32_t number, uint32_t vocabulary, struct beam_way *ways) {
    float logits[BEAM_VOCABULARY];
    double logs[BEAM_VOCABULARY];
    weft_status status = weft_session_write(b->session, "token", 0, &b->tokens[b->n - 1], 4);
    if (status == WEFT_OK) status = weft_session_run(b->session, 1, NULL);
    if (status == WEFT_OK) status = weft_session_read(b->session, "logits", 0, logits, vocabulary * 4);
    if (status != WEFT_OK) return status;
    beam_log_softmax(logits, vocabulary, logs);
    for (uint32_t t = 0; t < vocabulary; t++) ways[t] = (struct beam_way){number, (int32_t)t, b->score + logs[t]};
    return WEFT_OK;
}

/// One step: beams[0 .. *n) become the best `width` continuations. After a failure all beams still are the caller's.
static inline weft_status beam_step(struct beam *beams, uint32_t *n, uint32_t width, uint32_t vocabulary) {
    static struct beam_way ways[BEAM_MOST * BEAM_VOCABULARY];
    struct beam next[BEAM_MOST];
    bool gone_on[BEAM_MOST] = {false};
    uint32_t n_next = 0, most = *n * vocabulary;
    for (uint32_t i = 0; i < *n; i++) {
        weft_status status = beam_look(&beams[i], i, vocabulary, ways + i * vocabulary);
        if (status != WEFT_OK) return status;
    }
    qsort(ways, most, sizeof *ways, beam_compare);
    for (; n_next < width && n_next < most; n_next++) {
        const struct beam_way *w = &ways[n_next];
        struct beam *b = &next[n_next];
        *b = beams[w->beam];
        b->tokens[b->n++] = w->token;
        b->score = w->score;
        weft_status status = WEFT_OK;
        if (gone_on[w->beam]) status = weft_session_fork(beams[w->beam].session, &b->session);
        gone_on[w->beam] = true;
        if (status == WEFT_OK) continue;
        for (uint32_t i = 0; i < n_next; i++) // forks made so far; the others are the beams' own
            if (next[i].session != beams[ways[i].beam].session) weft_session_destroy(&next[i].session);
        return status;
    }
    for (uint32_t i = 0; i < *n; i++)
        if (!gone_on[i]) weft_session_destroy(&beams[i].session);
    memcpy(beams, next, n_next * sizeof *next);
    *n = n_next;
    return WEFT_OK;
}
#endif
