/// A tiny Gemma 3 on a device: logits, greedy and sampled generation, stop conditions and perplexity against the host
/// reference.
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
#include "model/gguf.h"
#include "model/host.h"
#include "engine/lm.h"
#include "support/graph_run.h"
#include "support/tiny_gemma3.h"

#include <math.h>
#include <string.h>

enum { VOCAB = 300, CTX = 192, N = 40, LONG = 150, LAYERS = 3, MOST = 256 };
#define BOUND 1e-3 // f32 sums over at most 96 terms and 3 layers, against doubles; logits are of size 1 to 10

static weft_gpu *gpu;
static char path[] = "/tmp/weft-lm-XXXXXX";
static weft_lm *lms[2]; // one run a submit, eight
static int32_t text[LONG];
static double *truth; // logits of the text by the host reference

static weft_lm *open_lm(struct weft_model_params params) {
    weft_lm *lm = NULL;
    weft_status status = weft_lm_open(gpu, path, &params, &lm);
    if (status != WEFT_OK) fprintf(stderr, "%s\n", weft_error_message());
    assert_int_equal(status, WEFT_OK);
    return lm;
}

/// Logits of `n` ids by the host reference, with this many rows a call.
static void host_logits(const char *file, const int32_t *ids, uint32_t n, double *out) {
    struct weft_source *gguf;
    struct weft_host_lm *host;
    assert_int_equal(weft_gguf_open(file, &gguf), WEFT_OK);
    assert_int_equal(weft_host_lm_create(gguf, &(struct weft_host_lm_params){.ctx = CTX, .chunk = CTX}, &host),
                     WEFT_OK);
    assert_int_equal(weft_host_lm_feed(host, ids, n, n, out), WEFT_OK);
    weft_host_lm_destroy(host);
    weft_source_close(gguf);
}

static uint32_t argmax(const double *x) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < VOCAB; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

// ---- scoring -------------------------------------------------------------------------------------------------------

static double worst_difference(uint32_t chunk, const double *want) {
    float *logits = weft_alloc((size_t)N * VOCAB * sizeof *logits);
    weft_status status = weft_lm_logits(lms[0], text, N, chunk, logits);
    if (status != WEFT_OK) fprintf(stderr, "%s\n", weft_error_message());
    assert_int_equal(status, WEFT_OK);
    double worst = 0;
    for (size_t i = 0; i < (size_t)N * VOCAB; i++) {
        assert_true(isfinite(logits[i]));
        double d = fabs((double)logits[i] - want[i]);
        if (d > worst) worst = d;
    }
    weft_free(logits);
    return worst;
}

static void test_logits(void **state) {
    (void)state;
    if (weft_test_thin()) skip();             // tests/model/test_gpu_gemma3.c has them there
    static const uint32_t chunks[] = {7, 64}; // more sizes: tests/model/test_gpu_gemma3.c
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        double worst = worst_difference(chunks[i], truth);
        if (worst > BOUND) fprintf(stderr, "chunks of %u: largest difference %g\n", chunks[i], worst);
        assert_true(worst <= BOUND);
    }
    // Control: another model's logits must not pass.
    char other[] = "/tmp/weft-lm2-XXXXXX";
    int fd = mkstemp(other);
    close(fd);
    double *wrong = weft_alloc((size_t)N * VOCAB * sizeof *wrong);
    assert_true(weft_tiny_gemma3_write(&(struct weft_tiny_gemma3){.seed = 5, .ctx = CTX, .n_layer = LAYERS}, other));
    host_logits(other, text, N, wrong);
    assert_true(worst_difference(chunks[0], wrong) > BOUND);
    unlink(other);
    weft_free(wrong);
}

static void test_perplexity(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    enum { LENGTH = 16, CHUNKS = 2 };
    double sum = 0, figure = 0, *logits = weft_alloc((size_t)LENGTH * VOCAB * sizeof *logits);
    for (uint32_t c = 0; c < CHUNKS; c++) {
        int32_t ids[LENGTH];
        memcpy(ids, text + c * LENGTH, sizeof ids);
        ids[0] = 2;
        host_logits(path, ids, LENGTH, logits);
        for (uint32_t i = LENGTH / 2; i + 1 < LENGTH; i++) {
            double total = 0;
            for (uint32_t v = 0; v < VOCAB; v++) total += exp(logits[(size_t)i * VOCAB + v]);
            sum += log(total) - logits[(size_t)i * VOCAB + (size_t)ids[i + 1]];
        }
    }
    double want = exp(sum / (CHUNKS * (LENGTH - 1 - LENGTH / 2)));
    assert_int_equal(weft_lm_perplexity(lms[0], text, N, LENGTH, 0, NULL, NULL, &figure), WEFT_OK);
    if (!(fabs(figure / want - 1) < 1e-4)) fprintf(stderr, "perplexity %g, expected %g\n", figure, want);
    assert_true(fabs(figure / want - 1) < 1e-4);
    assert_int_equal(weft_lm_perplexity(lms[0], text, 2 * LENGTH - 1, LENGTH, 0, NULL, NULL, &figure),
                     WEFT_ERR_INVALID);
    weft_free(logits);
}

// ---- generation ----------------------------------------------------------------------------------------------------

struct taken {
    int32_t ids[MOST];
    uint32_t n, stop_after; // stop_after 0: never
    struct weft_gpu_counters first, last;
    uint64_t first_allocs, last_allocs;
    struct weft_generate_stats stats;
    struct weft_cancel cancel;
    bool cancel_after_first;
};

static bool take(void *user, int32_t id) {
    struct taken *t = user;
    assert_true(t->n < MOST);
    t->ids[t->n++] = id;
    if (t->cancel_after_first) weft_cancel_set(&t->cancel);
    struct weft_gpu_counters *c = t->n == 50 ? &t->first : &t->last;
    weft_gpu_counters(gpu, c);
    *(t->n == 50 ? &t->first_allocs : &t->last_allocs) = weft_alloc_stats().calls;
    return !t->stop_after || t->n < t->stop_after;
}

static void generate(weft_lm *lm, uint32_t prompt, struct weft_model_generate_params params, struct taken *t) {
    params.token = take;
    params.user = t;
    params.cancel = &t->cancel;
    weft_status status = weft_lm_generate(lm, text, prompt, &params, &t->stats);
    if (status != WEFT_OK) fprintf(stderr, "%s\n", weft_error_message());
    assert_int_equal(status, WEFT_OK);
    assert_int_equal(t->stats.new_tokens, t->n);
    assert_int_equal(t->stats.prompt_tokens, prompt);
}

static void assert_same(const struct taken *a, const struct taken *b) {
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->ids, b->ids, a->n * sizeof *a->ids);
    assert_int_equal(a->stats.reason, b->stats.reason);
}

/// Greedy ids are the host's, by one run a submit and by eight.
static void test_greedy(void **state) {
    (void)state;
    enum { PROMPT = 13, NEW = 24 };
    int32_t ids[PROMPT + NEW];
    double *logits = weft_alloc((size_t)(PROMPT + NEW) * VOCAB * sizeof *logits);
    memcpy(ids, text, PROMPT * sizeof *ids);
    for (uint32_t i = 0; i < NEW; i++) {
        host_logits(path, ids, PROMPT + i, logits);
        ids[PROMPT + i] = (int32_t)argmax(logits + (size_t)(PROMPT + i - 1) * VOCAB);
    }
    for (int i = 0; i < 2; i++) {
        struct taken t = {0};
        generate(lms[i], PROMPT, (struct weft_model_generate_params){.max_tokens = NEW, .ignore_stops = true}, &t);
        assert_int_equal(t.n, NEW);
        assert_int_equal(t.stats.reason, WEFT_STOP_LENGTH);
        assert_memory_equal(t.ids, ids + PROMPT, NEW * sizeof *ids);
    }
    weft_free(logits);
}

static const struct weft_sampling warm = {.temp = 1.5f, .top_k = 100, .top_p = 0.98f, .seed = 42};

/// Sampling: the seed decides, the number of runs a submit does not; penalties matter.
static void test_sampling(void **state) {
    (void)state;
    struct weft_model_generate_params params = {.sampling = warm, .max_tokens = 30, .ignore_stops = true},
                                      cold = params, other = params;
    struct taken one = {0}, eight = {0}, seeded = {0}, greedy = {0}, penalised = {0};
    cold.sampling = (struct weft_sampling){0};
    other.sampling.seed = 43;
    generate(lms[0], 5, params, &one);
    generate(lms[1], 5, params, &eight);
    assert_same(&one, &eight);
    generate(lms[0], 5, other, &seeded);
    assert_memory_not_equal(one.ids, seeded.ids, sizeof one.ids);
    generate(lms[0], 5, cold, &greedy);
    assert_memory_not_equal(one.ids, greedy.ids, sizeof one.ids);
    cold.sampling.frequency = 50;
    generate(lms[0], 5, cold, &penalised);
    for (uint32_t i = 0; i < penalised.n; i++) // nothing comes twice while there are fresh tokens
        for (uint32_t j = 0; j < i; j++) assert_int_not_equal(penalised.ids[i], penalised.ids[j]);
}

/// A stop token in the middle of a submit: what follows leaves no trace, and a later generation is as if it had not
/// been.
static void test_stop(void **state) {
    (void)state;
    struct weft_model_generate_params params = {.sampling = warm, .max_tokens = 24, .ignore_stops = true};
    struct taken whole = {0};
    generate(lms[0], 5, params, &whole);
    for (uint32_t at = 0; at < 20; at += 6) {
        uint32_t want = 0;
        while (whole.ids[want] != whole.ids[at]) want++;
        struct weft_model_generate_params stopping = params;
        stopping.stop_ids = &whole.ids[at];
        stopping.n_stop_ids = 1;
        for (int i = 0; i < 2; i++) {
            struct taken t = {0}, again = {0};
            generate(lms[i], 5, stopping, &t);
            assert_int_equal(t.n, want);
            assert_memory_equal(t.ids, whole.ids, want * sizeof *t.ids);
            assert_int_equal(t.stats.reason, WEFT_STOP_TOKEN);
            generate(lms[i], 5, params, &again);
            assert_same(&again, &whole);
        }
    }
}

static void test_ends(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct weft_model_generate_params params = {.ignore_stops = true};
        struct taken full = {0}, exact = {0}, caller = {0}, cancel = {.cancel_after_first = true},
                     before = {.cancel = {.set = 1}}, one = {0};
        generate(lms[i], LONG, params, &full);
        assert_int_equal(full.n, CTX - LONG);
        assert_int_equal(full.stats.reason, WEFT_STOP_CONTEXT);
        params.max_tokens = CTX - LONG; // the length asked for counts first
        generate(lms[i], LONG, params, &exact);
        assert_int_equal(exact.n, full.n);
        assert_int_equal(exact.stats.reason, WEFT_STOP_LENGTH);
        caller.stop_after = 5;
        generate(lms[i], N, params, &caller);
        assert_int_equal(caller.n, 5);
        assert_int_equal(caller.stats.reason, WEFT_STOP_CALLER);
        generate(lms[i], N, params, &cancel);
        assert_in_range(cancel.n, 1, 16);
        assert_int_equal(cancel.stats.reason, WEFT_STOP_CALLER);
        generate(lms[i], N, params, &before);
        assert_int_equal(before.n, 0);
        assert_int_equal(before.stats.reason, WEFT_STOP_CALLER);
        params.max_tokens = 1;
        generate(lms[i], 1, params, &one);
        assert_int_equal(one.n, 1);
    }
}

/// Over 100 tokens in a steady state nothing is made and nothing allocated.
static void test_steady(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct taken t = {0};
        generate(lms[i], 5, (struct weft_model_generate_params){.ignore_stops = true}, &t);
        assert_true(t.n >= 150);
        assert_int_equal(t.last.buffers_made, t.first.buffers_made);
        assert_int_equal(t.last.pipelines_made, t.first.pipelines_made);
        assert_int_equal(t.last.groups_made, t.first.groups_made);
        assert_int_equal(t.last.allocs, t.first.allocs);
        assert_int_equal(t.last_allocs, t.first_allocs);
        assert_true(t.last.dispatches > t.first.dispatches); // the counters do count
    }
}

static void test_refusals(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    struct weft_model_generate_params params = {.max_tokens = 1}, hot = {.max_tokens = 1, .sampling = warm},
                                      bad_stop = params, bad_temp = hot;
    int32_t wrong = VOCAB, many[CTX + 1] = {0}, stops[100] = {0};
    weft_lm *none = NULL, *greedy = open_lm((struct weft_model_params){.ctx = 32, .lazy = true, .greedy = true});
    assert_null(weft_lm_program(greedy));
    assert_int_equal(weft_lm_generate(lms[0], text, 0, &params, NULL), WEFT_ERR_INVALID);
    assert_int_equal(weft_lm_generate(lms[0], &wrong, 1, &params, NULL), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "300"));
    assert_int_equal(weft_lm_generate(lms[0], many, CTX + 1, &params, NULL), WEFT_ERR_LIMIT);
    assert_non_null(strstr(weft_error_message(), "--ctx"));
    assert_int_equal(weft_lm_generate(lms[0], many, CTX, &params, NULL), WEFT_OK);
    bad_stop.stop_ids = stops;
    bad_stop.n_stop_ids = 100;
    assert_int_equal(weft_lm_generate(lms[0], text, 1, &bad_stop, NULL), WEFT_ERR_LIMIT);
    bad_temp.sampling.temp = -1;
    assert_int_equal(weft_lm_generate(lms[0], text, 1, &bad_temp, NULL), WEFT_ERR_INVALID);
    assert_int_equal(weft_lm_generate(greedy, text, 1, &hot, NULL), WEFT_ERR_INVALID);
    assert_int_equal(weft_lm_generate(greedy, text, 1, &params, NULL), WEFT_OK);
    assert_non_null(weft_lm_program(greedy));
    weft_lm_close(&greedy);
    struct weft_gpu_counters before, after;
    weft_gpu_counters(gpu, &before);
    assert_int_equal(weft_lm_open(gpu, path, &(struct weft_model_params){.memory_limit = 10000, .greedy = true}, &none),
                     WEFT_ERR_LIMIT);
    assert_non_null(strstr(weft_error_message(), "--ctx"));
    assert_null(none);
    weft_gpu_counters(gpu, &after);
    assert_int_equal(after.buffers_made, before.buffers_made); // refused before anything is allocated
    assert_int_equal(weft_lm_open(gpu, path, &(struct weft_model_params){.ctx = CTX + 1, .greedy = true}, &none),
                     WEFT_ERR_LIMIT);
    assert_int_equal(weft_lm_open(gpu, "/nowhere", NULL, &none), WEFT_ERR_NOT_FOUND);
}

/// A model whose logits are all NaN ends with an error that says so, however it samples; scoring gives NaN.
static void test_nan(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    char nan[] = "/tmp/weft-nan-XXXXXX";
    int fd = mkstemp(nan);
    const struct weft_tiny_gemma3 tiny = {.seed = 8, .ctx = 64, .n_layer = 1, .nan = "output_norm"};
    assert_true(fd >= 0 && close(fd) == 0 && weft_tiny_gemma3_write(&tiny, nan));
    for (int sampling = 0; sampling < 2; sampling++) {
        weft_lm *lm;
        struct weft_generate_stats stats;
        double figure = 0;
        struct weft_model_generate_params params = {
            .max_tokens = 20, .ignore_stops = true, .sampling = {.temp = sampling ? 1 : 0, .repetition = 1.5f}};
        const struct weft_model_params open = {.greedy = !sampling, .chunk = 8};
        assert_int_equal(weft_lm_open(gpu, nan, &open, &lm), WEFT_OK);
        assert_int_equal(weft_lm_generate(lm, text, 11, &params, &stats), WEFT_ERR_FORMAT);
        assert_non_null(strstr(weft_error_message(), "after 11 tokens all logits are NaN"));
        assert_int_equal(stats.new_tokens, 0);
        if (!sampling) {
            assert_int_equal(weft_lm_perplexity(lm, text, 32, 16, 1, NULL, NULL, &figure), WEFT_OK);
            assert_true(isnan(figure));
        }
        weft_lm_close(&lm);
    }
    unlink(nan);
}

static int setup(void **state) {
    (void)state;
    uint32_t x = 7;
    int fd = mkstemp(path);
    const struct weft_tiny_gemma3 tiny = {.seed = 3, .ctx = CTX, .n_layer = LAYERS};
    if (fd < 0 || close(fd) || !weft_tiny_gemma3_write(&tiny, path)) return -1;
    gpu = weft_test_gpu();
    if (!gpu) return -1;
    text[0] = 2;
    for (uint32_t i = 1; i < LONG; i++) text[i] = (int32_t)(4 + ((x = x * 1664525 + 1013904223) >> 16) % (VOCAB - 4));
    truth = weft_alloc((size_t)N * VOCAB * sizeof *truth);
    host_logits(path, text, N, truth);
    lms[0] = open_lm((struct weft_model_params){.runs = 1, .chunk = 16});
    lms[1] = open_lm((struct weft_model_params){.runs = 8, .chunk = 16});
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_lm_close(&lms[0]);
    weft_lm_close(&lms[1]);
    weft_free(truth);
    unlink(path);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits),   cmocka_unit_test(test_perplexity), cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_sampling), cmocka_unit_test(test_stop),       cmocka_unit_test(test_ends),
        cmocka_unit_test(test_steady),   cmocka_unit_test(test_refusals),   cmocka_unit_test(test_nan),
    };
    return cmocka_run_group_tests_name("lm", tests, setup, teardown);
}
