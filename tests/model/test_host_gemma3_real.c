/// The host reference on Gemma 3 270M itself: greedy ids of three prompts and the perplexity of one chunk of a known
/// text, as an independent engine with float activations has them. Slow, so a part of each by default; WEFT_TEST_LONG=1
/// runs all.
#include "core/alloc.h"
#include "core/file.h"
#include "model/gguf.h"
#include "model/host.h"
#include "model/real_model.h"
#include "model/tokenizer/tokenizer.h"
#include "support/graph_run.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct weft_source *file;
static struct weft_tokenizer *tokenizer;

static int setup(void **state) {
    (void)state;
    char *path = real_model();
    if (!path) return 0;
    int failed = weft_gguf_open(path, &file) != WEFT_OK || weft_tokenizer_create(file, &tokenizer) != WEFT_OK;
    if (failed) fprintf(stderr, "%s\n", weft_error_message());
    weft_free(path);
    return failed;
}

static int teardown(void **state) {
    (void)state;
    weft_tokenizer_destroy(tokenizer);
    weft_source_close(file);
    return 0;
}

static struct weft_host_lm *make(uint32_t ctx, uint32_t chunk) {
    struct weft_host_lm *lm;
    struct weft_host_lm_params params = {.ctx = ctx, .chunk = chunk};
    if (weft_host_lm_create(file, &params, &lm) != WEFT_OK) fail_msg("%s", weft_error_message());
    return lm;
}

static void feed(struct weft_host_lm *lm, const int32_t *ids, uint32_t n, uint32_t rows, double *logits) {
    if (weft_host_lm_feed(lm, ids, n, rows, logits) != WEFT_OK) fail_msg("%s", weft_error_message());
}

// ---- greedy ids ----

static int32_t largest(const double *x, uint32_t n) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return (int32_t)best;
}

static void check_greedy(const char *prompt, const int32_t *want, uint32_t n) {
    struct weft_host_lm *lm = make(128, 16);
    struct weft_ids ids = {0};
    uint32_t vocab = weft_host_lm_vocab(lm);
    double *logits = weft_alloc(vocab * sizeof *logits);
    assert_int_equal(weft_tokenizer_encode(tokenizer, prompt, strlen(prompt), WEFT_ENCODE_ADD_BOS, &ids), WEFT_OK);
    feed(lm, ids.data, (uint32_t)ids.count, 1, logits);
    for (uint32_t i = 0; i < n; i++) {
        int32_t got = largest(logits, vocab);
        if (got != want[i]) fail_msg("\"%s\": id %u is %d, not %d", prompt, i, got, want[i]);
        if (i + 1 < n) feed(lm, &got, 1, 1, logits);
    }
    weft_ids_free(&ids);
    weft_free(logits);
    weft_host_lm_destroy(lm);
}

static void test_greedy_story(void **state) {
    (void)state;
    static const int32_t want[64] = {
        236764, 993,  691,    496, 2268, 3953, 7489, 60708, 236761, 2625,   691,  496,    1401,  6538, 3953,   236764,
        532,    1304, 9312,   531, 1441, 607,  1116, 4690,  236761, 3656,   1719, 236764, 60708, 691,  5662,   607,
        1116,   4690, 236764, 532, 1304, 691,  1401, 9775,  531,    1441,   607,  1116,   861,   4690, 236761, 2625,
        691,    1401, 9775,   531, 1441, 607,  1116, 861,   4690,   236764, 532,  1304,   691,   1401, 9775,   531,
    };
    if (!file) skip();
    check_greedy("Once upon a time", want, weft_test_long() ? 64 : 8);
}

static void test_greedy_laws(void **state) {
    (void)state;
    static const int32_t period[16] = {506, 2778, 529,  496,  1458, 563,   45434, 236761,
                                       108, 818,  1806, 9734, 529,  67280, 1883,  600};
    int32_t want[64];
    if (!file) skip();
    for (int i = 0; i < 64; i++) want[i] = period[i % 16];
    check_greedy("The three laws of thermodynamics state that", want, weft_test_long() ? 64 : 8);
}

static void test_greedy_code(void **state) {
    (void)state;
    // if n == D:\n return D, with D = 1 (0, then 1, 2, 3, ...) as in the specification
    static const int32_t head[] = {107, 140, 584, 538, 1251, 236743, -1, 236787, 107, 144, 2060, 236743, -1};
    static const int32_t more[] = {107, 140, 36208, 538, 1251, 236743, -1, 236787, 107, 144, 2060, 236743, -1};
    static const int32_t digits[] = {236771, 236770, 236778, 236800, 236812, 236810};
    int32_t want[78];
    if (!file) skip();
    for (int block = 0, at = 0; block < 5; block++)
        for (int i = 0; i < 13; i++, at++) {
            int32_t id = block ? more[i] : head[i];
            want[at] = id < 0 ? digits[block] : id;
        }
    check_greedy("def fibonacci(n):", want, weft_test_long() ? 64 : 8);
}

// ---- perplexity ----

/// Sum of -log p of the tokens behind the first half of a chunk, and their number.
static double chunk_nll(struct weft_host_lm *lm, const int32_t *ids, uint32_t n, uint32_t *scored) {
    uint32_t vocab = weft_host_lm_vocab(lm), first = n / 2;
    double *logits = weft_alloc((size_t)n * vocab * sizeof *logits), total = 0;
    assert_non_null(logits);
    weft_host_lm_reset(lm);
    feed(lm, ids, n, n - first, logits);
    for (uint32_t i = first; i + 1 < n; i++, ++*scored) {
        const double *row = logits + (size_t)(i - first) * vocab;
        double top = row[largest(row, vocab)], sum = 0;
        for (uint32_t v = 0; v < vocab; v++) sum += exp(row[v] - top);
        total += log(sum) + top - row[ids[i + 1]];
    }
    weft_free(logits);
    return total;
}

static void test_perplexity(void **state) {
    (void)state;
    static const double want[] = {17.3989, 19.5641, 17.9305, 18.9386};
    enum { n = 64 };
    struct weft_mapping text = {0};
    struct weft_ids ids = {0};
    if (!file) skip();
    if (weft_file_map("/usr/share/common-licenses/GPL-3", &text) != WEFT_OK) {
        fprintf(stderr, "\n*** SKIPPED: %s\n\n", weft_error_message());
        skip();
    }
    assert_int_equal(weft_tokenizer_encode(tokenizer, (const char *)text.data, text.size, WEFT_ENCODE_ADD_BOS, &ids),
                     WEFT_OK);
    assert_int_equal(ids.count, 7563);
    struct weft_host_lm *lm = make(n, n);
    double total = 0;
    uint32_t scored = 0;
    for (uint32_t chunk = 0; chunk < (weft_test_long() ? 4 : 1); chunk++) {
        ids.data[chunk * n] = weft_tokenizer_bos(tokenizer);
        total += chunk_nll(lm, ids.data + chunk * n, n, &scored);
        double figure = exp(total / scored);
        print_message("perplexity after chunk %u: %.4f\n", chunk + 1, figure);
        if (!(fabs(figure / want[chunk] - 1) < 1e-3))
            fail_msg("after chunk %u: %g, not %g", chunk + 1, figure, want[chunk]);
    }
    weft_host_lm_destroy(lm);
    weft_ids_free(&ids);
    weft_file_unmap(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_perplexity),
        cmocka_unit_test(test_greedy_story),
        cmocka_unit_test(test_greedy_laws),
        cmocka_unit_test(test_greedy_code),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
