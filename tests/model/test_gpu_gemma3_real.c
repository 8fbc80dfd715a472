/// Gemma 3 270M itself on a device, one model for all: greedy ids of three prompts and the perplexity of a known text,
/// as an independent engine with float activations has them; logits against the host reference; replay against checker
/// mode.
///
/// The model is $WEFT_TEST_MODEL, else where `weft pull` leaves it; without it this fails, unless
/// WEFT_TEST_ALLOW_NO_MODEL is set. CPU drivers do a part (see `parts`), and nothing where limits are masked;
/// WEFT_TEST_LONG=1 makes lavapipe do all, and SwiftShader, which would take most of an hour, what lavapipe does else.
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "model/host.h"
#include "engine/lm.h"
#include "model/real_model.h"
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

enum { CTX = 512, POSITIONS = 128, HOST_CHUNK = 32 };
#define BOUND_F32 0.01
#define BOUND_F16 0.2

/// How much is done. Decoding a token takes a few milliseconds on a GPU, 0.3 s of processor time on lavapipe and 1.4 s
/// on SwiftShader; a chunk of 64 tokens with all its logits 9 and 40 s, one of 13 tokens 4 and 18 s, a chunk of
/// perplexity 6 and 26 s.
struct parts {
    uint32_t greedy[3]; ///< ids of each prompt
    uint32_t chunks;    ///< of the perplexity at context 64
    struct {
        uint32_t chunk, positions;
    } logits[4];
    uint32_t f16;       ///< positions with an f16 cache
    uint32_t runs;      ///< replay against checker
    bool long_contexts; ///< perplexity at 512 and 1024 over the whole text
};
static const struct parts on_gpu = {
    {64, 64, 64}, 4, {{64, POSITIONS}, {13, POSITIONS}, {1, POSITIONS}, {512, POSITIONS}}, POSITIONS, 20, true};
/// The same as far as CPU drivers hold it: logits of 512 rows are beyond a binding, and long contexts take an hour.
static const struct parts on_cpu = {
    {64, 64, 64}, 4, {{64, POSITIONS}, {13, POSITIONS}, {1, POSITIONS}, {POSITIONS, POSITIONS}}, POSITIONS, 20, false};
static const struct parts brief = {{16, 4, 4}, 1, {{64, 64}, {13, 26}, {1, 8}}, 32, 8, false};
static const struct parts least = {{4, 0, 0}, 0, {{13, 13}}, 0, 0, false};
static const struct parts *parts;

static weft_gpu *gpu;
static weft_lm *lm;
static char *path;
static struct weft_ids text;
static float *truth; ///< logits of the text's first positions by the host

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

// ---- greedy ids ----------------------------------------------------------------------------------------------------

struct taken {
    int32_t ids[64];
    uint32_t n;
};

static bool take(void *user, int32_t id) {
    struct taken *t = user;
    assert_true(t->n < 64);
    t->ids[t->n++] = id;
    return true;
}

static void check_greedy(const char *prompt, const int32_t *want, uint32_t n) {
    struct weft_generate_stats stats;
    struct weft_ids ids = {0};
    struct taken t = {0};
    if (n == 0) return;
    must(weft_tokenizer_encode(weft_lm_tokenizer(lm), prompt, strlen(prompt), WEFT_ENCODE_ADD_BOS, &ids));
    must(weft_lm_generate(lm, ids.data, (uint32_t)ids.count,
                          &(struct weft_model_generate_params){.max_tokens = n, .token = take, .user = &t}, &stats));
    assert_int_equal(stats.reason, WEFT_STOP_LENGTH);
    assert_int_equal(t.n, n);
    for (uint32_t i = 0; i < n; i++)
        if (t.ids[i] != want[i]) fail_msg("\"%s\": id %u is %d, not %d", prompt, i, t.ids[i], want[i]);
    weft_ids_free(&ids);
}

static void test_greedy(void **state) {
    (void)state;
    static const int32_t story[64] = {
        236764, 993,  691,    496, 2268, 3953, 7489, 60708, 236761, 2625,   691,  496,    1401,  6538, 3953,   236764,
        532,    1304, 9312,   531, 1441, 607,  1116, 4690,  236761, 3656,   1719, 236764, 60708, 691,  5662,   607,
        1116,   4690, 236764, 532, 1304, 691,  1401, 9775,  531,    1441,   607,  1116,   861,   4690, 236761, 2625,
        691,    1401, 9775,   531, 1441, 607,  1116, 861,   4690,   236764, 532,  1304,   691,   1401, 9775,   531,
    };
    static const int32_t laws[16] = {506, 2778, 529,  496,  1458, 563,   45434, 236761,
                                     108, 818,  1806, 9734, 529,  67280, 1883,  600};
    // if n == D:\n return D, with D = 1 (0, then 1, 2, 3, ...)
    static const int32_t head[] = {107, 140, 584, 538, 1251, 236743, -1, 236787, 107, 144, 2060, 236743, -1};
    static const int32_t digits[] = {236771, 236770, 236778, 236800, 236812, 236810};
    int32_t want[78];
    if (!lm) skip();
    check_greedy("Once upon a time", story, parts->greedy[0]);
    for (int i = 0; i < 64; i++) want[i] = laws[i % 16];
    check_greedy("The three laws of thermodynamics state that", want, parts->greedy[1]);
    for (int i = 0; i < 5 * 13; i++) want[i] = head[i % 13] < 0 ? digits[i / 13] : head[i % 13];
    for (int i = 13 + 2; i < 5 * 13; i += 13) want[i] = 36208; // elif
    check_greedy("def fibonacci(n):", want, parts->greedy[2]);
}

// ---- perplexity ----------------------------------------------------------------------------------------------------

static void check_perplexity(uint32_t ctx, uint32_t chunks, double want) {
    double figure = 0;
    must(weft_lm_perplexity(lm, text.data, (uint32_t)text.count, ctx, chunks, NULL, NULL, &figure));
    print_message("perplexity at %u: %.4f, expected %.4f\n", ctx, figure, want);
    if (!(fabs(figure / want - 1) < 1e-3)) fail_msg("perplexity at %u: %g, not %g", ctx, figure, want);
}

static void test_perplexity(void **state) {
    (void)state;
    static const double first[] = {17.3989, 19.5641, 17.9305, 18.9386}; // of so many chunks
    if (!lm || !parts->chunks) skip();
    check_perplexity(64, parts->chunks, first[parts->chunks - 1]);
    if (!parts->long_contexts) return;
    check_perplexity(512, 0, 13.8287);
    check_perplexity(1024, 0, 13.8268);
}

// ---- logits --------------------------------------------------------------------------------------------------------

static uint32_t most_positions(void) {
    uint32_t n = parts->f16;
    for (int i = 0; i < 4; i++)
        if (parts->logits[i].positions > n) n = parts->logits[i].positions;
    return n;
}

static void compute_truth(uint32_t n) {
    struct weft_host_lm *host;
    must(weft_host_lm_create(weft_lm_source(lm), &(struct weft_host_lm_params){.ctx = n, .chunk = HOST_CHUNK}, &host));
    size_t vocab = weft_host_lm_vocab(host);
    double *rows = weft_alloc(HOST_CHUNK * vocab * sizeof *rows);
    truth = weft_alloc(n * vocab * sizeof *truth);
    assert_true(rows && truth);
    for (uint32_t p = 0, t; p < n; p += t) {
        t = n - p < HOST_CHUNK ? n - p : HOST_CHUNK;
        must(weft_host_lm_feed(host, text.data + p, t, t, rows));
        for (size_t i = 0; i < t * vocab; i++) truth[p * vocab + i] = (float)rows[i];
    }
    weft_free(rows);
    weft_host_lm_destroy(host);
}

static void check_logits(weft_lm *model, uint32_t chunk, uint32_t n, double bound) {
    size_t count = (size_t)n * (size_t)weft_tokenizer_size(weft_lm_tokenizer(model));
    float *got = weft_alloc(count * sizeof *got);
    double most = 0, sum = 0;
    assert_non_null(got);
    must(weft_lm_logits(model, text.data, n, chunk, got));
    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)got[i] - truth[i]);
        if (!(d <= most)) most = d; // a NaN stays
        sum += d;
    }
    print_message("%u positions in chunks of %u: logits differ by at most %.2e, %.1e on average\n", n, chunk, most,
                  sum / (double)count);
    if (!(most <= bound)) fail_msg("chunks of %u: logits differ by %g, at most %g", chunk, most, bound);
    weft_free(got);
}

static void test_logits(void **state) {
    (void)state;
    if (!lm) skip();
    compute_truth(most_positions());
    for (int i = 0; i < 4; i++)
        if (parts->logits[i].chunk) check_logits(lm, parts->logits[i].chunk, parts->logits[i].positions, BOUND_F32);
}

/// Last, in place of the other model, so that two are never in memory.
static void test_f16_cache(void **state) {
    (void)state;
    if (!lm || !parts->f16) skip();
    assert_non_null(truth);
    weft_lm_close(&lm);
    must(weft_lm_open(gpu, path,
                      &(struct weft_model_params){.ctx = CTX, .lazy = true, .cache_f16 = true, .greedy = true}, &lm));
    check_logits(lm, 64, parts->f16, BOUND_F16);
}

// ---- replay --------------------------------------------------------------------------------------------------------

/// A prefill (t > 0) or so many decode runs.
struct move {
    uint32_t t, r, runs;
};

static void apply(weft_session *s, const struct move *m, uint32_t pos, bool apart) {
    uint32_t t = m->t ? m->t : 1, end = pos + t * m->runs;
    must(weft_test_sizes(s, t, m->r, apart ? end : CTX)); // the bound of positions changes no bit
    if (m->t) must(weft_session_write(s, "tokens", 0, text.data + pos, t * sizeof *text.data));
    if (!apart) must(weft_session_run(s, m->runs, NULL));
    for (uint32_t i = 0; apart && i < m->runs; i++) must(weft_session_run(s, 1, NULL));
}

static void test_replay_equals_checker(void **state) {
    (void)state;
    static const struct move moves[] = {{4, 1, 1}, {0, 1, 4}, {1, 0, 1}, {13, 1, 1}, {0, 1, 2},
                                        {2, 0, 1}, {1, 1, 1}, {0, 1, 8}, {5, 1, 1}};
    static const uint32_t words[16] = {0}; // greedy
    if (!lm || !parts->runs) skip();
    weft_session *s[2]; // replay, checker
    for (int i = 0; i < 2; i++) {
        s[i] = weft_test_session(weft_lm_program(lm), i == 1, 8);
        weft_test_sampling(s[i], words, -1, UINT32_MAX, CTX);
    }
    uint32_t pos = 0, runs = 0;
    for (size_t k = 0; k < sizeof moves / sizeof *moves && runs < parts->runs; k++) {
        for (int i = 0; i < 2; i++) apply(s[i], &moves[k], pos, i == 1);
        pos += (moves[k].t ? moves[k].t : 1) * moves[k].runs;
        runs += moves[k].runs;
        const char *name = weft_test_differ(s[0], s[1], false);
        if (name) fail_msg("%s differs after run %u", name, runs);
    }
    assert_true(runs >= parts->runs);
    // Control: one run more in one of them is noticed.
    apply(s[0], &(struct move){0, 1, 1}, pos, false);
    assert_non_null(weft_test_differ(s[0], s[1], false));
    for (int i = 0; i < 2; i++) weft_session_destroy(&s[i]);
}

// ---- set-up --------------------------------------------------------------------------------------------------------

static int setup(void **state) {
    (void)state;
    const char *limits = getenv("WEFT_LIMITS");
    if (limits && strcmp(limits, "min") == 0 && !weft_test_long()) {
        print_message("the real model is left out where limits are masked; WEFT_TEST_LONG=1 runs it\n");
        return 0;
    }
    path = real_model();
    if (!path) return getenv("WEFT_TEST_ALLOW_NO_MODEL") ? 0 : -1;
    gpu = weft_test_gpu();
    if (!gpu) return -1;
    const struct weft_gpu_caps *caps = weft_gpu_caps(gpu);
    bool slow = weft_test_compiles_slowly(), longer = weft_test_long();
    parts = caps->kind != WEFT_GPU_CPU ? &on_gpu : slow ? (longer ? &brief : &least) : longer ? &on_cpu : &brief;
    must(weft_lm_open(gpu, path, &(struct weft_model_params){.ctx = CTX, .greedy = true}, &lm));
    struct weft_mapping gpl = {0};
    must(weft_file_map("/usr/share/common-licenses/GPL-3", &gpl));
    must(weft_tokenizer_encode(weft_lm_tokenizer(lm), (const char *)gpl.data, gpl.size, WEFT_ENCODE_ADD_BOS, &text));
    weft_file_unmap(&gpl);
    assert_int_equal(text.count, 7563);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_lm_close(&lm);
    weft_ids_free(&text);
    weft_free(truth);
    weft_free(path);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy),     cmocka_unit_test(test_replay_equals_checker),
        cmocka_unit_test(test_perplexity), cmocka_unit_test(test_logits),
        cmocka_unit_test(test_f16_cache),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
