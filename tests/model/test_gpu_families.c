/// The table of families on a device, on tiny models of random weights: logits in pieces of every kind, after a rewind,
/// and of several sequences in one run, against another implementation's and against the host reference.
#include "core/alloc.h"
#include "core/file.h"
#include "model/host.h"

#include "family_mix.h"

enum { CHUNK = 16, BACK = 21 };

#define BOUND 1e-3      // asked of another implementation
#define BOUND_HOST 1e-4 // rounding of f32: 2e-5 at most

static weft_gpu *gpu;

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

/// CPU drivers take seconds for a model's kernels, which several share: there only those that differ most, of which
/// SwiftShader, the slower one, runs the last two.
static bool skips(const struct family_model *f) {
    static const char *const few[] = {"llama-freqs", "smollm3", "qwen3",      "qwen2moe",
                                      "gemma2",      "phi3-q8", "phi3-lists", "gpt2"};
    enum { FEW = sizeof few / sizeof *few };
    bool one = !weft_test_short();
    for (size_t i = weft_test_thin() ? FEW - 2 : 0; i < FEW; i++) one |= !strcmp(f->oracle, few[i]);
    return !one;
}

/// Several sequences have kernels of their own, so here still fewer: experts, windows and caps, and learned positions,
/// of which SwiftShader has the last.
static bool skips_mixed(const struct family_model *f) {
    static const char *const few[] = {"qwen2moe", "gemma2", "gpt2"};
    enum { FEW = sizeof few / sizeof *few };
    bool one = !weft_test_short();
    for (size_t i = weft_test_thin() ? FEW - 1 : 0; i < FEW; i++) one |= !strcmp(f->oracle, few[i]);
    return !one;
}

struct rig {
    const struct family_model *f;
    struct family_oracle oracle;
    double *host; ///< logits [tokens][vocab]
    weft_session *s;
};

static void host_logits(struct rig *r, const struct weft_test_model *m) {
    struct weft_host_lm *lm;
    const struct weft_host_lm_params params = {.ctx = r->f->ctx, .chunk = r->f->tokens};
    r->host = weft_alloc((size_t)FAMILY_TOKENS * FAMILY_VOCAB * sizeof *r->host);
    assert_non_null(r->host);
    must(weft_host_lm_create(m->file, &params, &lm));
    must(weft_host_lm_feed(lm, r->oracle.ids, r->f->tokens, r->f->tokens, r->host));
    weft_host_lm_destroy(lm);
}

/// Feeds the tokens from `at` on and compares all rows; returns the largest difference from the host's.
static double feed(struct rig *r, uint32_t at, uint32_t chunk) {
    static float rows[CHUNK * FAMILY_VOCAB];
    double most = 0;
    for (uint32_t n; at < r->f->tokens; at += n) {
        n = r->f->tokens - at < chunk ? r->f->tokens - at : chunk;
        must(weft_test_sizes(r->s, n, n, at + n));
        must(weft_session_write(r->s, "tokens", 0, r->oracle.ids + at, n * sizeof *r->oracle.ids));
        must(weft_session_run(r->s, 1, NULL));
        must(weft_session_read(r->s, "logits", 0, rows, (uint64_t)n * FAMILY_VOCAB * sizeof *rows));
        double d = family_apart_float(&r->oracle, rows, at, n);
        if (!(d <= BOUND)) fail_msg("%s: logits differ from the oracle's by %g", r->f->oracle, d);
        for (uint32_t i = 0; i < n * FAMILY_VOCAB; i++) {
            d = fabs((double)rows[i] - r->host[(size_t)at * FAMILY_VOCAB + i]);
            if (!(d <= most)) most = d;
        }
    }
    if (!(most <= BOUND_HOST)) fail_msg("%s, chunks of %u: logits differ by %g", r->f->oracle, chunk, most);
    return most;
}

static void check(const struct family_model *f) {
    struct rig r = {.f = f};
    struct weft_test_model m;
    const struct weft_test_build build = {.gemma = {.ctx = f->ctx, .chunk = CHUNK}};
    double start = weft_now(), most;
    family_oracle_read(f, &r.oracle);
    family_open(f, &m);
    host_logits(&r, &m);
    weft_program *program = weft_test_program(gpu, &m, &build);
    r.s = weft_test_session(program, false, 1);
    most = feed(&r, 0, CHUNK);
    must(weft_session_rewind(r.s, BACK)); // then one token after the other
    most = fmax(most, feed(&r, BACK, 1));
    must(weft_session_reset(r.s));
    most = fmax(most, feed(&r, 0, 7));
    if (getenv("WEFT_TEST_TIMES")) print_message("%-16s %.1e  %.1f s\n", f->oracle, most, weft_now() - start);
    weft_session_destroy(&r.s);
    weft_program_destroy(&program);
    weft_test_model_free(&m);
    weft_free(r.host);
}

static void logits_are_the_oracles(void **state) {
    (void)state;
    for (uint32_t i = 0; i < FAMILY_MODELS; i++)
        if (!skips(&family_models[i])) check(&family_models[i]);
}

// ---- several sequences ---------------------------------------------------------------------------------------------

static void mixed_batches_are_as_alone(void **state) {
    (void)state;
    for (uint32_t i = 0; i < FAMILY_MODELS; i++) {
        const struct family_model *f = &family_models[i];
        static struct family_oracle oracle;
        struct weft_test_model m;
        struct family_mix mix;
        double start = weft_now();
        if (skips_mixed(f)) continue;
        family_oracle_read(f, &oracle);
        family_open(f, &m);
        family_mix_begin(&mix, f, &oracle, m.file);
        double d = family_mix_on_device(&mix, gpu, &m, BOUND);
        if (getenv("WEFT_TEST_TIMES")) print_message("%-16s %.1e  %.1f s, mixed\n", f->oracle, d, weft_now() - start);
        if (!(d <= BOUND_HOST)) fail_msg("%s in a mixed batch: logits differ by %g", f->oracle, d);
        family_mix_end(&mix);
        weft_test_model_free(&m);
    }
}

static int setup(void **state) {
    (void)state;
    gpu = weft_test_gpu();
    return gpu ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(logits_are_the_oracles),
                                       cmocka_unit_test(mixed_batches_are_as_alone)};
    return cmocka_run_group_tests_name("model/families on a device", tests, setup, NULL);
}
