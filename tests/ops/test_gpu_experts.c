/// What a token gets of its experts does not depend on who else is in the run: bit for bit what it gets alone, in every
/// regime. And the router picks what the products then use, on the device, whatever its scores are.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/ops.h"
#include "support/graph_run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 40, K = 96, J = 3, N = 70, EXPERTS = 5, WEIGHTS = EXPERTS * N * K };

static uint16_t weights[WEIGHTS];
static float x[TOKENS * K], all[TOKENS * J * N], solo[J * N];
static int32_t ids[TOKENS * J];

static uint32_t seed;
static uint32_t random_bits(void) { return (seed = seed * 1664525u + 1013904223u) >> 8; }

static void must(weft_status s) {
    if (s != WEFT_OK) fail_msg("%s", weft_error_message());
}

static weft_status weight(void *user, const char *name, const void **data, uint64_t *bytes) {
    (void)user, (void)name;
    *data = weights;
    *bytes = sizeof weights;
    return WEFT_OK;
}

static void fill(void) {
    seed = 3;
    for (int i = 0; i < WEIGHTS; i++)
        weights[i] = (uint16_t)(0x2c00 + random_bits() % 0x1000 + (random_bits() % 2 << 15));
    for (int i = 0; i < TOKENS * K; i++) x[i] = (float)random_bits() / 8388608.0f - 1;
    for (int i = 0; i < TOKENS * J; i++) ids[i] = (int32_t)(random_bits() % (EXPERTS + 2)) - 1;
}

static void run(weft_session *s, int first, int tokens, float *y) {
    must(weft_session_resize(s, (const int64_t[WEFT_MAX_SYMBOLS]){tokens}));
    must(weft_session_write(s, "x", 0, x + first * K, sizeof *x * (size_t)tokens * K));
    must(weft_session_write(s, "i", 0, ids + first * J, sizeof *ids * (size_t)tokens * J));
    must(weft_session_run(s, 1, NULL));
    must(weft_session_read(s, "y", 0, y, sizeof *y * (size_t)tokens * J * N));
}

/// Tokens that differ from what they are alone, in one schedule of up to `most`.
static int differing(int most, uint32_t flip) {
    char text[300];
    struct weft_graph *g;
    weft_program *program;
    weft_session *s;
    int bad = 0;
    fill();
    snprintf(text, sizeof text,
             "symbol T 1 %d\ninput x f32 [T, %d]\ninput i i32 [T, %d]\nweight w f16 [%d, %d, %d]\n"
             "%%0 = matmul_experts %%x %%w %%i\noutput %%0 y\n",
             most, K, J, EXPERTS, N, K);
    must(weft_graph_parse(weft_ops(), text, strlen(text), &g));
    struct weft_program_params params = {.source = {.get = weight}};
    must(weft_program_create(weft_test_gpu(), g, &params, &program));
    must(weft_session_create(program, NULL, &s));
    run(s, 0, most, all);
    for (int t = 0; t < most; t++) {
        run(s, t, 1, solo);
        uint32_t bits;
        memcpy(&bits, &solo[N], sizeof bits);
        bits ^= flip;
        memcpy(&solo[N], &bits, sizeof bits);
        bad += memcmp(solo, all + t * J * N, sizeof solo) != 0;
    }
    weft_session_destroy(&s);
    weft_program_destroy(&program);
    return bad;
}

static void many_tokens_get_what_each_gets_alone(void **state) {
    (void)state;
    assert_int_equal(differing(TOKENS, 0), 0);
}

static void and_so_do_few(void **state) {
    (void)state;
    assert_int_equal(differing(8, 0), 0);
}

/// Negative control: one bit of one sum.
static void a_bit_is_noticed(void **state) {
    (void)state;
    assert_int_equal(differing(8, 1), 8);
}

/// Scores that are NaN, infinite or all alike give some experts, and the products stay inside.
static void odd_scores_choose_some_expert(void **state) {
    (void)state;
    static const char *const text =
        "symbol T 1 40\ninput r f32 [T, 5]\ninput x f32 [T, 96]\nweight w f16 [5, 70, 96]\n"
        "%v %i = topk %r {k=3}\n%0 = matmul_experts %x %w %i\noutput %0 y\noutput %i chosen\n";
    const float odd[] = {NAN, 0, INFINITY, -INFINITY, -0.0f, 1, NAN, 1e38f, -1e38f, 1e-40f, 0};
    for (int split = 0; split < 2; split++) {
        struct weft_graph *g;
        weft_program *program;
        weft_session *s;
        float r[TOKENS * 5];
        int32_t chosen[TOKENS * J];
        fill();
        for (int i = 0; i < TOKENS * 5; i++) r[i] = odd[i % 11];
        must(weft_graph_parse(weft_ops(), text, strlen(text), &g));
        struct weft_program_params params = {
            .compile = {.checked = true, .split_symbol = split ? "T" : NULL, .split_at = {8}, .n_splits = split},
            .source = {.get = weight}};
        must(weft_program_create(weft_test_gpu(), g, &params, &program));
        must(weft_session_create(program, NULL, &s));
        for (int tokens = TOKENS; tokens > 0; tokens /= 3) {
            must(weft_session_resize(s, (const int64_t[WEFT_MAX_SYMBOLS]){tokens}));
            must(weft_session_write(s, "x", 0, x, sizeof *x * (size_t)tokens * K));
            must(weft_session_write(s, "r", 0, r, sizeof *r * (size_t)tokens * 5));
            must(weft_session_run(s, 1, NULL));
            must(weft_session_read(s, "y", 0, all, sizeof *all * (size_t)tokens * J * N));
            must(weft_session_read(s, "chosen", 0, chosen, sizeof *chosen * (size_t)tokens * J));
            for (int t = 0; t < tokens; t++) {
                const int32_t *c = chosen + t * J;
                for (int j = 0; j < J; j++) assert_true(c[j] >= 0 && c[j] < EXPERTS);
                assert_true(c[0] != c[1] && c[1] != c[2] && c[0] != c[2]);
            }
            for (int i = 0; i < tokens * J * N; i++) assert_true(isfinite(all[i]));
            assert_int_equal(weft_test_fault(s, "odd scores"), 0);
        }
        weft_session_destroy(&s);
        weft_program_destroy(&program);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_tokens_get_what_each_gets_alone),
        cmocka_unit_test(and_so_do_few),
        cmocka_unit_test(a_bit_is_noticed),
        cmocka_unit_test(odd_scores_choose_some_expert),
    };
    if (!weft_test_gpu()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
