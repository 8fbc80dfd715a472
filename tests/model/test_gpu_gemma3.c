/// Random Gemma 3 models of a few layers on a device against the host reference: logits in chunks of every kind, both
/// caches, all weight types, all levels of fusion; windows, full contexts, residuals beyond f16, and sampling.
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "model/host.h"
#include "model/lm.h"
#include "support/graph_run.h"
#include "support/lm_program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CTX = 64, LONG_CTX = 192, VOCAB = 300 };

static weft_gpu *gpu;

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

// ---- both sides ----------------------------------------------------------------------------------------------------

static void make_ids(int32_t *ids, uint32_t n) {
    uint64_t seed = 7;
    for (uint32_t i = 0; i < n; i++) ids[i] = i ? (int32_t)weft_test_random(&seed, VOCAB) : 2;
}

/// Logits of n positions by the host, all tokens at once.
static double *host_logits(struct weft_test_model *m, uint32_t n, bool cache_f16) {
    struct weft_host_lm *lm;
    int32_t ids[LONG_CTX];
    double *logits = weft_alloc((size_t)n * VOCAB * sizeof *logits);
    assert_non_null(logits);
    make_ids(ids, n);
    must(weft_host_lm_create(m->file, &(struct weft_host_lm_params){.chunk = n, .cache_f16 = cache_f16}, &lm));
    must(weft_host_lm_feed(lm, ids, n, n, logits));
    weft_host_lm_destroy(lm);
    return logits;
}

/// Largest difference of the device's logits from `want`, tokens in pieces of `chunk`.
static double worst(weft_session *s, uint32_t n, uint32_t chunk, const double *want) {
    int32_t ids[LONG_CTX];
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

struct variant {
    const char *name;
    struct weft_tiny_gemma3 tiny;
    uint32_t ctx, chunk, n;
    bool cache_f16;
    int no_fuse;
};

static void check(const struct variant *v, const uint32_t *chunks, uint32_t n_chunks, double bound) {
    struct weft_test_model m;
    double t0 = weft_now();
    weft_test_model_make(&m, &v->tiny);
    double *want = host_logits(&m, v->n, v->cache_f16), top = 0;
    for (uint32_t i = 0; i < v->n * VOCAB; i++) top = fmax(top, fabs(want[i]));
    double t1 = weft_now();
    struct weft_test_build build = {.gemma = {.ctx = v->ctx, .chunk = v->chunk, .cache_f16 = v->cache_f16}, .no_fuse = v->no_fuse};
    weft_program *program = weft_test_program(gpu, &m, &build);
    double t2 = weft_now();
    weft_session *s = weft_test_session(program, false, 1);
    struct weft_gpu_counters c;
    weft_gpu_counters(gpu, &c);
    printf("%s: top %.2f host %.2f compile %.2f pipelines %u (all %u)", v->name, top, t1 - t0, t2 - t1, weft_program_plan(program)->n_pipelines, (unsigned)c.pipelines_made);
    for (uint32_t i = 0; i < n_chunks; i++) {
        double d = worst(s, v->n, chunks[i], want);
        printf(" %u: %.2g", chunks[i], d);
        if (!(d <= bound)) fail_msg("%s, chunks of %u: logits differ by %g", v->name, chunks[i], d);
    }
    printf(" runs %.2f\n", weft_now() - t2);
    weft_session_destroy(&s);
    weft_program_destroy(&program);
    weft_test_model_free(&m);
    weft_free(want);
}

static void test_logits(void **state) {
    (void)state;
    static const uint32_t chunks[] = {1, 7, 8, 9, 64};
    static const struct variant variants[] = {
        {"base", {0}, 64, 64, 64, false, 0},
        {"few rows", {0}, 64, 8, 64, false, 0},
        {"f16", {0}, 64, 64, 64, true, 0},
        {"base3", {.n_layer = 3}, 64, 64, 64, false, 0},
        {"unfused 1", {.n_layer = 3}, 64, 64, 64, false, 1},
        {"unfused 2", {.n_layer = 3}, 64, 64, 64, false, 2},
        {"k", {.k_types = true, .n_layer = 5}, 64, 64, 64, false, 0},
        {"k3", {.k_types = true, .n_layer = 3}, 64, 64, 64, false, 0},
        {"k1", {.k_types = true, .n_layer = 3}, 64, 64, 64, false, 1},
        {"k2", {.k_types = true, .n_layer = 3}, 64, 64, 64, false, 2},
        {"k3 f16", {.k_types = true, .n_layer = 3}, 64, 64, 64, true, 0},
        {"plain", {.plain=true}, 64, 64, 64, false, 0},
        {"plain 1", {.plain=true}, 64, 64, 64, false, 1},
        {"plain 2", {.plain=true}, 64, 64, 64, false, 2},
        {"plain f16", {.plain=true}, 64, 64, 64, true, 0},
        {"gqa", {.plain = true, .n_head = 4, .n_head_kv = 2, .softcap = 5, .rope_factor = 4, .flags = true, .separate_head = true, .period = 2}, 64, 64, 64, false, 0},
        {"wrap", {.plain = true, .ctx = 192}, 192, 9, 192, false, 0},
    };
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) check(&variants[i], chunks, variants[i].chunk < 64 ? 3 : 5, 1);
}

static int setup(void **state) {
    (void)state;
    gpu = weft_test_gpu();
    return gpu ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
