/// Logits of random tokens by the host reference and by a session, and how far apart they are.
#ifndef WEFT_TEST_LOGITS_H
#define WEFT_TEST_LOGITS_H
#include "core/alloc.h"
#include "core/error.h"
#include "model/host.h"
#include "support/lm_program.h"

#include <math.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LOGITS_MOST = 128 }; ///< tokens

static inline void logits_must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

/// The same ids each time, below `vocab`; the first is BOS.
static inline void logits_ids(uint32_t vocab, int32_t *ids, uint32_t n) {
    uint64_t seed = 7;
    for (uint32_t i = 0; i < n; i++) ids[i] = i ? (int32_t)weft_test_random(&seed, vocab) : 2;
}

/// Logits of n positions by the host, tokens in pieces of `chunk`. weft_free.
static inline double *logits_by_host(const struct weft_test_model *m, uint32_t vocab, uint32_t n, uint32_t chunk,
                                     bool cache_f16) {
    struct weft_host_lm *lm;
    int32_t ids[LOGITS_MOST];
    double *logits = weft_alloc((size_t)n * vocab * sizeof *logits);
    assert_non_null(logits);
    assert_true(n <= LOGITS_MOST);
    logits_ids(vocab, ids, n);
    logits_must(
        weft_host_lm_create(m->file, &(struct weft_host_lm_params){.chunk = chunk, .cache_f16 = cache_f16}, &lm));
    for (uint32_t at = 0, t; at < n; at += t) {
        t = n - at < chunk ? n - at : chunk;
        logits_must(weft_host_lm_feed(lm, ids + at, t, t, logits + (size_t)at * vocab));
    }
    weft_host_lm_destroy(lm);
    return logits;
}

/// Largest difference of the device's logits from `want`, tokens in pieces of `chunk`. A NaN stays.
static inline double logits_apart(weft_session *s, uint32_t vocab, uint32_t n, uint32_t chunk, const double *want) {
    int32_t ids[LOGITS_MOST];
    float *rows = weft_alloc((size_t)chunk * vocab * sizeof *rows);
    double most = 0;
    assert_non_null(rows);
    assert_true(n <= LOGITS_MOST);
    logits_ids(vocab, ids, n);
    logits_must(weft_session_reset(s));
    for (uint32_t at = 0, t; at < n; at += t) {
        t = n - at < chunk ? n - at : chunk;
        logits_must(weft_test_sizes(s, t, t, at + t));
        logits_must(weft_session_write(s, "tokens", 0, ids + at, t * sizeof *ids));
        logits_must(weft_session_run(s, 1, NULL));
        logits_must(weft_session_read(s, "logits", 0, rows, (uint64_t)t * vocab * sizeof *rows));
        for (uint32_t i = 0; i < t * vocab; i++) {
            double d = fabs((double)rows[i] - want[(size_t)at * vocab + i]);
            if (!(d <= most)) most = d;
        }
    }
    weft_free(rows);
    return most;
}
#endif
