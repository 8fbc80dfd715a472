/// Beam search on the host and on the null device, whose logits are all 0: how ways on are chosen, scored and ranked,
/// what ends a beam, and what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
// cmocka wants those above first
#include <cmocka.h>

#include "core/alloc.h"
#include "core/cancel.h"
#include "engine/beam_choose.h"
#include "gpu/gpu_test.h"
#include "support/lm_program.h"
#include "support/must.h"
#include "support/tiny_gemma3.h"
#include "weft/weft.h"

#include <math.h>
#include <string.h>

enum { CTX = 64, VOCAB = 300 };

static weft_device *device;
static weft_model *model;
static char path[] = "/tmp/weft-beam-null-XXXXXX";
static const int32_t prompt[CTX] = {2, 5, 6, 7, 8, 9, 10, 11, 12, 13};
static uint64_t seed = 3;

// ---- choosing ------------------------------------------------------------------------------------------------------

static bool allowed(float x) { return x > -INFINITY; }

/// log(softmax(x)[t]) straight from its definition.
static double log_of(const float *x, uint32_t n, uint32_t t) {
    double sum = 0, infinite = 0, most = -INFINITY;
    for (uint32_t i = 0; i < n; i++) infinite += x[i] == INFINITY;
    if (infinite > 0) return x[t] == INFINITY ? -log(infinite) : -INFINITY;
    for (uint32_t i = 0; i < n; i++)
        if (allowed(x[i])) most = fmax(most, (double)x[i]);
    for (uint32_t i = 0; i < n; i++)
        if (allowed(x[i])) sum += exp((double)x[i] - most);
    return (double)x[t] - most - log(sum);
}

static float any_logit(bool hostile) {
    uint32_t kind = weft_test_random(&seed, 8);
    if (hostile && kind == 0) return NAN;
    if (hostile && kind == 1) return -INFINITY;
    return (float)weft_test_random(&seed, 40) / 4 - 5; // many equal ones
}

/// Ways are the first of all in their order, which is that of sums, of beams, of logits and of tokens.
static void choose_random(uint32_t n, uint32_t vocabulary, uint32_t most, bool hostile) {
    float logits[8][128];
    const float *rows[8];
    double sums[8];
    struct weft_beam_way ways[WEFT_BEAMS];
    uint32_t all = 0;
    for (uint32_t i = 0; i < n; i++) {
        rows[i] = logits[i];
        sums[i] = -(double)weft_test_random(&seed, 4);
        for (uint32_t t = 0; t < vocabulary; t++) logits[i][t] = any_logit(hostile);
        logits[i][vocabulary / 2] = 1;
        for (uint32_t t = 0; t < vocabulary; t++) all += allowed(logits[i][t]);
    }
    uint32_t count = weft_beam_choose(rows, sums, n, vocabulary, most, ways);
    assert_int_equal(count, all < most ? all : most);
    for (uint32_t k = 0; k < count; k++) {
        const struct weft_beam_way *w = &ways[k];
        assert_true(allowed(logits[w->beam][w->token]));
        assert_true(fabs(w->sum - sums[w->beam] - log_of(logits[w->beam], vocabulary, (uint32_t)w->token)) < 1e-12);
        uint32_t before = 0; // ways that come in front of this one
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t t = 0; t < vocabulary; t++) {
                if (!allowed(logits[i][t])) continue;
                double sum = sums[i] + log_of(logits[i], vocabulary, t);
                if (fabs(sum - w->sum) > 1e-9) before += sum > w->sum;
                else if (i != w->beam) before += i < w->beam;
                else before += t < (uint32_t)w->token;
            }
        assert_int_equal(before, k);
    }
}

static void ways_are_the_best_in_order(void **state) {
    (void)state;
    static const uint32_t most[] = {1, 2, 7, 64};
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t n = 1; n <= 8; n += n == 1 ? 2 : 5)
            for (int hostile = 0; hostile < 2; hostile++) {
                choose_random(n, 5, most[i], hostile);
                choose_random(n, 128, most[i], hostile);
            }
}

static void special_logits(void **state) {
    (void)state;
    struct weft_beam_way ways[WEFT_BEAMS];
    const double sum = -1;
    const float nothing[] = {NAN, -INFINITY, NAN}, infinite[] = {3, INFINITY, NAN, INFINITY, -INFINITY},
                one[] = {NAN, -3e38f, -INFINITY}, large[] = {3e38f, -3e38f};
    const float *rows[] = {nothing, one};
    assert_int_equal(weft_beam_choose(rows, &sum, 1, 3, 4, ways), 0);
    assert_int_equal(weft_beam_choose((const float *[]){one, nothing}, (double[]){0, 0}, 2, 3, 4, ways), 0);
    rows[0] = infinite;
    assert_int_equal(weft_beam_choose(rows, &sum, 1, 5, 4, ways), 2);
    assert_true(ways[0].token == 1 && ways[1].token == 3 && ways[0].sum == sum - log(2));
    assert_int_equal(weft_beam_choose(rows, &sum, 1, 5, 1, ways), 1); // though one place is left only
    assert_true(ways[0].token == 1 && ways[0].sum == sum - log(2));
    rows[0] = one;
    assert_int_equal(weft_beam_choose(rows, &sum, 1, 3, 4, ways), 1);
    assert_true(ways[0].token == 1 && ways[0].sum == sum);
    rows[0] = large;
    assert_int_equal(weft_beam_choose(rows, &sum, 1, 2, 4, ways), 2);
    assert_true(ways[0].sum == sum && isfinite(ways[1].sum));
}

static void scores_and_their_bounds(void **state) {
    (void)state;
    assert_true(weft_beam_score(-6, 3, 0) == -6 && weft_beam_score(-6, 3, 1) == -2 &&
                weft_beam_score(-6, 3, -1) == -18);
    assert_true(weft_beam_score(0, 0, 1) == 0);
    for (int p = -4; p <= 4; p++) { // a beam of sum -6 that ends with any length from 4 to 20, and no better sum
        double best = -INFINITY;
        for (uint32_t length = 4; length <= 20; length++) best = fmax(best, weft_beam_score(-6, length, p * 0.5));
        assert_true(fabs(weft_beam_bound(-6, 4, 20, p * 0.5) - best) < 1e-12);
    }
}

// ---- searches ------------------------------------------------------------------------------------------------------

static weft_beams *search(const struct weft_beam_params *params, size_t n) {
    weft_beams *b = NULL;
    MUST(weft_model_beams_ids(model, prompt, n, params, &b));
    return b;
}

static struct weft_beam_result result(const weft_beams *b, size_t i) {
    struct weft_beam_result r;
    MUST(weft_beams_result(b, i, &r));
    return r;
}

/// All ways are equal: lower tokens of the first beam win.
static void equal_ways_have_an_order(void **state) {
    (void)state;
    weft_beams *b = search(
        &(struct weft_beam_params){
            .beams = 3, .results = 3, .max_tokens = 4, .length_penalty = 1, .ignore_stops = true},
        5);
    struct weft_beam_stats stats;
    assert_int_equal(weft_beams_count(b), 3);
    for (int32_t i = 0; i < 3; i++) {
        struct weft_beam_result r = result(b, (size_t)i);
        const int32_t want[] = {0, 0, 0, i};
        assert_int_equal(r.count, 4);
        assert_memory_equal(r.ids, want, sizeof want);
        assert_int_equal(r.reason, WEFT_STOP_LENGTH);
        assert_true(fabs(r.log_probability + 4 * log(VOCAB)) < 1e-9 && fabs(r.score + log(VOCAB)) < 1e-9);
        assert_int_equal(strlen(r.text), r.length);
    }
    MUST(weft_beams_stats(b, &stats));
    assert_true(stats.prompt_tokens == 5 && stats.steps == 4 && stats.tokens == 9); // 3 runs of 3 beams
    weft_beams_destroy(&b);
}

static void stops_take_places(void **state) {
    (void)state;
    const int32_t stops[] = {1, 2};
    struct weft_beam_params params = {
        .beams = 4, .results = 4, .max_tokens = 6, .stop_ids = stops, .n_stop_ids = 2, .length_penalty = 1};
    weft_beams *b = search(&params, 5); // 0, 1, 2, 3; then 0 0, 0 1: two places are left for what goes on
    const size_t lengths[] = {0, 0, 1, 6};
    assert_int_equal(weft_beams_count(b), 4); // all scores are equal, so that what ended first is the first
    for (size_t i = 0; i < 4; i++) {
        struct weft_beam_result r = result(b, i);
        assert_int_equal(r.count, lengths[i]);
        assert_int_equal(r.reason, i < 3 ? WEFT_STOP_TOKEN : WEFT_STOP_LENGTH);
        assert_true(fabs(r.log_probability + log(VOCAB) * (double)(i < 3 ? r.count + 1 : r.count)) < 1e-9);
    }
    weft_beams_destroy(&b);
    params.length_penalty = -1; // short texts, so nothing can be better than the first stop
    params.results = 1;
    struct weft_beam_stats stats;
    b = search(&params, 5);
    MUST(weft_beams_stats(b, &stats));
    assert_true(stats.steps == 1 && result(b, 0).count == 0);
    weft_beams_destroy(&b);
}

static void ends_of_the_context(void **state) {
    (void)state;
    static const struct {
        uint32_t prompt, max, gets;
        enum weft_stop_reason reason;
    } cases[] = {
        {CTX, 0, 0, WEFT_STOP_CONTEXT},    {CTX, 5, 0, WEFT_STOP_CONTEXT}, {CTX - 1, 9, 1, WEFT_STOP_CONTEXT},
        {CTX - 1, 1, 1, WEFT_STOP_LENGTH}, {20, 0, 44, WEFT_STOP_CONTEXT}, {20, 44, 44, WEFT_STOP_LENGTH},
        {1, 1, 1, WEFT_STOP_LENGTH},
    };
    static const uint32_t beams[] = {0, 1, 64};
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            weft_beams *b =
                search(&(struct weft_beam_params){.beams = beams[k], .max_tokens = cases[i].max, .ignore_stops = true},
                       cases[i].prompt);
            assert_int_equal(weft_beams_count(b), 1);
            struct weft_beam_result r = result(b, 0);
            assert_int_equal(r.count, cases[i].gets);
            assert_int_equal(r.reason, cases[i].reason);
            if (!r.count) assert_true(r.score == 0 && r.log_probability == 0 && *r.text == 0);
            weft_beams_destroy(&b);
        }
}

static void hostile_params(void **state) {
    (void)state;
    weft_beams *b = NULL;
    struct weft_beam_result r;
    static const int32_t high = VOCAB, low = -1;
#define REFUSED(status, text, ...)                                                                                     \
    FAILS(weft_model_beams_ids(model, prompt, 5, &(struct weft_beam_params){__VA_ARGS__}, &b), status, text);          \
    assert_null(b)
    REFUSED(WEFT_ERR_INVALID, "65 beams; at most 64", .beams = 65);
    REFUSED(WEFT_ERR_INVALID, "at most 64", .beams = UINT32_MAX);
    REFUSED(WEFT_ERR_INVALID, "5 results of 4 beams", .results = 5);
    REFUSED(WEFT_ERR_INVALID, "3 results of 2 beams", .beams = 2, .results = 3);
    REFUSED(WEFT_ERR_INVALID, "length penalty of nan", .length_penalty = NAN);
    REFUSED(WEFT_ERR_INVALID, "length penalty of inf", .length_penalty = INFINITY);
    REFUSED(WEFT_ERR_INVALID, "length penalty of -10.5", .length_penalty = -10.5f);
    REFUSED(WEFT_ERR_INVALID, "stop_ids must not be NULL", .n_stop_ids = 1);
    REFUSED(WEFT_ERR_INVALID, "outside the vocabulary", .n_stop_ids = 1, .stop_ids = &high);
    REFUSED(WEFT_ERR_LIMIT, "stop tokens", .n_stop_ids = 64, .stop_ids = prompt);
    FAILS(weft_model_beams_ids(model, prompt, 0, NULL, &b), WEFT_ERR_INVALID, "empty prompt");
    FAILS(weft_model_beams_ids(model, &low, 1, NULL, &b), WEFT_ERR_INVALID, "outside the vocabulary");
    FAILS(weft_model_beams_ids(model, prompt, CTX + 1, NULL, &b), WEFT_ERR_LIMIT, "the prompt has 65 tokens");
    FAILS(weft_model_beams_ids(model, NULL, 1, NULL, &b), WEFT_ERR_INVALID, "ids must not be NULL");
    FAILS(weft_model_beams_ids(NULL, prompt, 1, NULL, &b), WEFT_ERR_INVALID, "model must not be NULL");
    FAILS(weft_model_beams(model, NULL, 1, NULL, &b), WEFT_ERR_INVALID, "prompt must not be NULL");
    FAILS(weft_model_beams(model, "a", 1, NULL, NULL), WEFT_ERR_INVALID, "out must not be NULL");
    struct weft_cancel cancel = {0};
    weft_cancel_set(&cancel);
    REFUSED(WEFT_ERR_CANCELLED, "", .cancel = &cancel);
    b = search(&(struct weft_beam_params){.beams = 2, .max_tokens = 2}, 5); // and goes on as ever
    FAILS(weft_beams_result(b, 1, &r), WEFT_ERR_INVALID, "there is no result 1; the search found 1");
    FAILS(weft_beams_result(NULL, 0, &r), WEFT_ERR_INVALID, "beams must not be NULL");
    assert_int_equal(weft_beams_count(NULL), 0);
    weft_beams_destroy(&b);
    weft_beams_destroy(&b);
    weft_beams_destroy(NULL);
    weft_model *small = NULL; // a run holds a token of each beam
    MUST(weft_model_open(device, path, &(struct weft_model_params){.lazy = true, .ctx = 16}, &small));
    FAILS(weft_model_beams_ids(small, prompt, 5, &(struct weft_beam_params){.beams = 17}, &b), WEFT_ERR_LIMIT,
          "17 sequences at once in a context of 16 tokens");
    MUST(weft_model_beams_ids(small, prompt, 5, &(struct weft_beam_params){.beams = 16}, &b));
    weft_beams_destroy(&b);
    weft_model_close(&small);
}

/// Every allocation of a search fails once: the search says so, and the next one finds what it always did.
static void memory_runs_out(void **state) {
    (void)state;
    const struct weft_beam_params params = {.beams = 3, .results = 3, .max_tokens = 5, .ignore_stops = true};
    weft_beams *b = search(&params, 5);
    weft_beams_destroy(&b);
    weft_status status = WEFT_ERR_NOMEM;
    uint32_t failed = 0;
    for (uint32_t at = 1; status != WEFT_OK; at++) {
        weft_alloc_fail_at(at, 1);
        status = weft_model_beams_ids(model, prompt, 5, &params, &b);
        weft_alloc_fail_at(0, 0);
        if (status == WEFT_OK) break;
        assert_int_equal(status, WEFT_ERR_NOMEM);
        assert_null(b);
        failed++;
    }
    assert_true(failed > 5 && weft_beams_count(b) == 3 && result(b, 2).ids[4] == 2);
    weft_beams_destroy(&b);
}

/// A search that is cancelled at any of its checks says so, and the next one finds what it always did.
static void cancelled_anywhere(void **state) {
    (void)state;
    const struct weft_beam_params params = {.beams = 3, .results = 3, .max_tokens = 5, .ignore_stops = true};
    weft_beams *b = search(&params, 40);
    weft_beams_destroy(&b);
    uint32_t cancelled = 0;
    for (uint64_t at = 1;; at++) {
        weft_cancel_at(at);
        weft_status status = weft_model_beams_ids(model, prompt, 40, &params, &b);
        weft_cancel_at(0);
        if (status == WEFT_OK) break;
        assert_int_equal(status, WEFT_ERR_CANCELLED);
        assert_null(b);
        cancelled++;
    }
    assert_true(cancelled >= 7 && result(b, 2).ids[4] == 2); // 3 chunks, 4 steps
    weft_beams_destroy(&b);
}

static int setup(void **state) {
    (void)state;
    int fd = mkstemp(path);
    if (fd < 0 || close(fd)) return 1;
    const struct weft_tiny_gemma3 tiny = {.seed = 2, .n_layer = 2, .period = 2, .ctx = CTX, .n_vocab = VOCAB};
    if (!weft_tiny_gemma3_write(&tiny, path)) return 1;
    MUST(weft_device_open(&(struct weft_device_params){.implementation = "null"}, &device));
    MUST(weft_model_open(device, path, &(struct weft_model_params){.lazy = true, .ctx = CTX, .chunk = 16}, &model));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_model_close(&model);
    weft_device_close(&device);
    return unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ways_are_the_best_in_order),
        cmocka_unit_test(special_logits),
        cmocka_unit_test(scores_and_their_bounds),
        cmocka_unit_test(equal_ways_have_an_order),
        cmocka_unit_test(stops_take_places),
        cmocka_unit_test(ends_of_the_context),
        cmocka_unit_test(hostile_params),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(cancelled_anywhere),
    };
    return cmocka_run_group_tests_name("engine/beam", tests, setup, teardown);
}
