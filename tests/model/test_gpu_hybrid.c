/// A hybrid model of random weights (three recurrent layers to one of attention; scripts/make_hybrid.py), loaded from
/// its file like any model: logits against the host reference, and everything that its three kinds of state - keys and
/// values, convolution, recurrent - promise: policies, replay, several generators, rewinding, snapshots, forks.
#include "core/alloc.h"
#include "core/error.h"
#include "model/host.h"
#include "engine/lm.h"
#include "support/graph_run.h"
#include "support/lm_program.h"

#include "logits.h"

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

/// Chunks of one token take the recurrence, longer ones the chunked form; the host takes all tokens one after the
/// other.
static void test_hybrid_logits(void **state) {
    (void)state;
    static const uint32_t chunks[] = {1, 7, 16, 64};
    struct weft_test_build build = {.gemma = {.ctx = CTX, .chunk = CHUNK}};
    weft_program *program = weft_test_program(gpu, &model, &build);
    weft_session *s = weft_test_session(program, false, 1);
    double *want = logits_by_host(&model, VOCAB, TOKENS, TOKENS, false),
           *steps = logits_by_host(&model, VOCAB, TOKENS, 1, false), apart = 0;
    for (uint32_t i = 0; i < TOKENS * VOCAB; i++) apart = fmax(apart, fabs(want[i] - steps[i]));
    assert_true(apart < 1e-9); // the reference agrees with itself
    for (uint32_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        double d = logits_apart(s, VOCAB, TOKENS, chunks[i], want);
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
