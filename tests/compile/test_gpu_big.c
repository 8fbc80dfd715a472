/// Operands larger than a binding, in every operator, against the host reference; and all cases of tests/ops with
/// bindings of a few KiB. In short, as many of them as bring every kernel once.
#include "../ops/cases_pick.h"
#include "../ops/cases_run.h"
#include "big_cases.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "support/lm_program.h"
#include "tiny_bindings.h"

/// A device whose storage bindings have at most `limit` bytes.
static weft_gpu *open_limited(uint64_t limit) {
    weft_gpu *gpu = NULL;
    if (weft_test_open((struct weft_gpu_params){.max_binding = limit}, &gpu) != WEFT_OK)
        fail_msg("no device: %s", weft_error_message());
    assert_int_equal(weft_gpu_caps(gpu)->max_binding, limit);
    return gpu;
}

static bool wanted(const char *name) {
    const char *only = getenv("WEFT_TEST_CASE");
    return !only || strstr(name, only);
}

static void every_operator_with_large_operands(void **state) {
    (void)state;
    weft_gpu *gpu = open_limited(BIG_LIMIT);
    const char *limits = getenv("WEFT_LIMITS");
    struct op_picks picks = {.operators = !limits || !*limits}; // else a configuration of the same compiler has them
    int bad = 0;
    for (size_t i = 0; weft_test_short() && !weft_test_thin() && i < N_BIG; i++)
        for (int level = 0; level < (big_cases[i].levels ? OP_LEVELS : 1); level++)
            assert_true(op_item_add(&picks, &big_cases[i], level, 0, weft_gpu_caps(gpu)));
    op_pick(&picks);
    for (size_t i = 0; i < N_BIG; i++) {
        const char *name = big_cases[i].name;
        // SwiftShader takes a second for a pipeline: one case for each way to reach large operands
        bool few = strcmp(name, "one operation of 2.3 MiB operands") == 0 || strcmp(name, "gather") == 0;
        if (weft_test_thin() && !few) continue;
        uint32_t levels = 0;
        for (int level = 0; level < (big_cases[i].levels ? OP_LEVELS : 1); level++)
            if (op_picked(&picks, &big_cases[i], level, 0)) levels |= 1u << level;
        if (wanted(name) && levels) bad += op_case_run_at(gpu, &big_cases[i], levels, NULL);
    }
    op_picks_free(&picks);
    weft_gpu_close(&gpu);
    assert_int_equal(bad, 0);
}

/// Pages for all rows of all slots, as cases fill them, do not fit the one bank that such bindings leave to a pool.
static bool fills_pages_of_slots(const struct op_case *c) {
    return strstr(c->graph, " paged ") && strstr(c->graph, " slots\n");
}

/// The cases of tests/ops with bindings so small that most operands have segments or are cut. A few need more bindings
/// than there are, and say so.
static void every_case_with_tiny_bindings(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    weft_gpu *gpu = open_limited(TINY_BINDING);
    struct op_picks picks = {.operators = false}; // other configurations have them with whole operands
    int bad = 0;
    uint32_t run = 0, fit = 0, refused = 0;
    for (size_t t = 0; t < sizeof op_tables / sizeof *op_tables; t++)
        for (size_t i = 0; i < op_tables[t].n; i++) {
            const struct op_case *c = &op_tables[t].cases[i];
            if (!wanted(c->name)) continue;
            bool fits = compiles(weft_gpu_caps(gpu), c) && !fills_pages_of_slots(c);
            fits ? fit++ : refused++;
            for (int level = 0; fits && level < (c->levels ? OP_LEVELS : 1); level++)
                assert_true(op_item_add(&picks, c, level, 0, weft_gpu_caps(gpu)));
        }
    if (weft_test_short()) op_pick(&picks);
    for (size_t i = 0; i < picks.n; i++) {
        if (weft_test_short() && !picks.items[i].picked) continue;
        bad += op_case_run_at(gpu, picks.items[i].c, 1u << picks.items[i].level, NULL);
        run++;
    }
    print_message("%u of %zu run, of %u cases; %u more need more bindings than there are\n", run, picks.n, fit,
                  refused);
    op_picks_free(&picks);
    weft_gpu_close(&gpu);
    assert_int_equal(bad, 0);
    assert_true(getenv("WEFT_TEST_CASE") || fit > 3 * refused);
}

// ---- a model -------------------------------------------------------------------------------------------------------

enum { CTX = 64, CHUNK = 16, PROMPT = 41, VOCAB = 300 };

/// Logits of all positions of a prompt, fed in chunks and then one by one, with bindings of at most `limit` bytes.
static float *model_logits(struct weft_test_model *m, uint64_t limit, uint32_t *pieces) {
    float *logits = weft_calloc(PROMPT * VOCAB, sizeof *logits);
    weft_gpu *gpu = open_limited(limit);
    struct weft_test_build build = {.gemma = {.ctx = CTX, .chunk = CHUNK, .cache_f16 = true, .head = WEFT_LM_LOGITS}};
    weft_program *program = weft_test_program(gpu, m, &build);
    weft_session *s = weft_test_session(program, false, 1);
    const struct weft_plan *plan = weft_program_plan(program);
    *pieces = 0;
    for (uint32_t k = 0; k < plan->n_schedules; k++)
        for (uint32_t i = 0; i < plan->schedules[k].n_steps; i++) {
            const struct weft_step *step = &plan->schedules[k].steps[i];
            *pieces += step->split.end != 0;
            for (uint32_t o = 0; o < step->n_operands; o++) *pieces += step->operands[o].bound.n_segments > 1;
        }
    int32_t ids[PROMPT];
    uint64_t seed = 7;
    for (uint32_t i = 0; i < PROMPT; i++) ids[i] = (int32_t)weft_test_random(&seed, VOCAB);
    for (uint32_t at = 0, t; at < PROMPT; at += t) {
        t = PROMPT - at > CHUNK ? CHUNK : PROMPT - at > 4 ? PROMPT - at - 4 : 1;
        assert_int_equal(weft_test_sizes(s, t, t, at + t), WEFT_OK);
        assert_int_equal(weft_session_write(s, "tokens", 0, ids + at, t * sizeof *ids), WEFT_OK);
        assert_int_equal(weft_session_run(s, 1, NULL), WEFT_OK);
        assert_int_equal(weft_session_read(s, "logits", 0, logits + at * VOCAB, (uint64_t)t * VOCAB * sizeof *logits),
                         WEFT_OK);
    }
    weft_session_destroy(&s);
    weft_program_destroy(&program);
    weft_gpu_close(&gpu);
    return logits;
}

/// A model whose weights, caches and logits exceed a binding says what it says without that limit.
static void model_with_small_bindings(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    struct weft_test_model m;
    weft_test_model_make(&m, &(struct weft_tiny_gemma3){.seed = 9, .n_layer = 3, .ctx = CTX});
    uint32_t none, some, differ = 0;
    float *whole = model_logits(&m, (uint64_t)64 << 20, &none), *small = model_logits(&m, 12288, &some);
    assert_int_equal(none, 0);
    assert_true(some > 0);
    for (uint32_t i = 0; i < PROMPT * VOCAB; i++) {
        differ += memcmp(&whole[i], &small[i], sizeof *whole) != 0;
        if (!(fabsf(whole[i] - small[i]) <= 1e-3f)) fail_msg("logit %u is %g, %g whole", i, small[i], whole[i]);
    }
    print_message("%u segments and pieces; %u of %d logits differ in bits\n", some, differ, PROMPT * VOCAB);
    weft_free(whole);
    weft_free(small);
    weft_test_model_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_with_large_operands),
        cmocka_unit_test(every_case_with_tiny_bindings),
        cmocka_unit_test(model_with_small_bindings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
