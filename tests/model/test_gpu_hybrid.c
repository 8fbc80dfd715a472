/// A hybrid model of random weights (three recurrent layers to one of attention; scripts/make_hybrid.py), loaded from
/// its file like any model: logits against the host reference, and everything that its three kinds of state - keys and
/// values, convolution, recurrent - promise: policies, replay, several generators, rewinding, snapshots, forks.
#include "core/alloc.h"
#include "core/error.h"
#include "model/host.h"
#include "model/lm.h"
#include "support/graph_run.h"
#include "support/lm_program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CTX = 128, CHUNK = 64, VOCAB = 320, TOKENS = 100 };

static weft_gpu *gpu;
static struct weft_test_model model;

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static void make_ids(int32_t *ids, uint32_t n) {
    uint64_t seed = 7;
    for (uint32_t i = 0; i < n; i++) ids[i] = i ? (int32_t)weft_test_random(&seed, VOCAB) : 2;
}

// ---- logits --------------------------------------------------------------------------------------------------------

static double *host_logits(uint32_t n, uint32_t chunk) {
    struct weft_host_lm *lm;
    int32_t ids[TOKENS];
    double *logits = weft_alloc((size_t)n * VOCAB * sizeof *logits);
    assert_non_null(logits);
    make_ids(ids, n);
    must(weft_host_lm_create(model.file, &(struct weft_host_lm_params){.chunk = chunk}, &lm));
    for (uint32_t at = 0, t; at < n; at += t) {
        t = n - at < chunk ? n - at : chunk;
        must(weft_host_lm_feed(lm, ids + at, t, t, logits + (size_t)at * VOCAB));
    }
    weft_host_lm_destroy(lm);
    return logits;
}

/// Largest difference of the device's logits from `want`, tokens in pieces of `chunk`.
static double worst(weft_session *s, uint32_t n, uint32_t chunk, const double *want) {
    int32_t ids[TOKENS];
    float *rows = weft_alloc((size_t)chunk * VOCAB * sizeof *rows);
    double most = 0;
    assert_non_null(rows);
    make_ids(ids, n);
    must(weft_session_reset(s));
    for (uint32_t at = 0, t; at < n; at += t) {
        t = n - at < chunk ? n - at : chunk;
        must(weft_test_sizes(s, t, t, at + t));
        must(weft_session_write(s, "tokens", 0, ids + at, t * sizeof *ids));
        must(weft_session_run(s, 1, NULL));
        must(weft_session_read(s, "logits", 0, rows, (uint64_t)t * VOCAB * sizeof *rows));
        for (uint32_t i = 0; i < t * VOCAB; i++) {
            double d = fabs((double)rows[i] - want[(size_t)at * VOCAB + i]);
            if (!(d <= most)) most = d; // a NaN stays
        }
    }
    weft_free(rows);
    return most;
}

/// Chunks of one token take the recurrence, longer ones the chunked form; the host takes all tokens one after the
/// other.
static void test_hybrid_logits(void **state) {
    (void)state;
    static const uint32_t chunks[] = {1, 7, 16, 64};
    struct weft_test_build build = {.gemma = {.ctx = CTX, .chunk = CHUNK}};
    weft_program *program = weft_test_program(gpu, &model, &build);
    weft_session *s = weft_test_session(program, false, 1);
    double *want = host_logits(TOKENS, TOKENS), *steps = host_logits(TOKENS, 1), apart = 0;
    for (uint32_t i = 0; i < TOKENS * VOCAB; i++) apart = fmax(apart, fabs(want[i] - steps[i]));
    assert_true(apart < 1e-9); // the reference agrees with itself
    for (uint32_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        double d = worst(s, TOKENS, chunks[i], want);
        if (getenv("WEFT_TEST_TIMES")) print_message("chunks of %u: %.1e\n", chunks[i], d);
        if (!(d <= 2e-4)) fail_msg("chunks of %u: logits differ by %g", chunks[i], d);
    }
    weft_session_destroy(&s);
    weft_program_destroy(&program);
    weft_free(want);
    weft_free(steps);
}

static int setup(void **state) {
    (void)state;
    gpu = weft_test_gpu();
    if (!gpu) return -1;
    weft_test_model_open(&model, "models/hybrid.gguf");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_test_model_free(&model);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hybrid_logits),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
