/// Batch invariance of whole decoders (WEFT_NUMBERS_INVARIANT): the logits of a token are the same to the bit, whatever
/// pieces its sequence is fed in. Models are tiny and random; kernels are those of CPU drivers and those of GPUs, which
/// a CPU driver runs too. The mode without that promise is the control: there, some logits must differ.
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "model/host.h"

#include "family_models.h"

enum { CHUNK = 64, MOST_TOKENS = 288, PIECES = 10, RANDOM = 0 };

#define BOUND 1e-3     // rounding of f32 and of its order: what families are held to
#define BOUND_F16 5e-3 // and of keys that round to the other side

static weft_gpu *gpu;

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

struct model {
    const char *name, *family; ///< family: of the table of files; NULL: `tiny`
    struct weft_tiny_gemma3 tiny;
    uint32_t ctx, tokens;
    bool cache_f16;
    int no_fuse;
    enum {
        LONG,
        BRIEF,
        QUICK
    } most; ///< QUICK: wherever; BRIEF: not where compiling is dear; LONG: if asked for, and never there
};

static const struct model models[] = {
    // Pieces of keys are 128 positions on CPU drivers, and rings of local layers go round.
    {"gemma3", NULL, {.n_layer = 2, .period = 2, .ctx = 288, .n_head = 4}, 288, 280, false, 0, QUICK},
    {"gemma3, K types", NULL, {.k_types = true, .n_layer = 2, .period = 2}, 64, 64, false, 0, BRIEF},
    {"gemma3, every type", NULL, {.every_type = true, .n_layer = 2, .period = 2}, 64, 64, false, 0, LONG},
    {"gemma3, f16 cache", NULL, {.n_layer = 2, .period = 2, .ctx = 160}, 160, 150, true, 0, BRIEF},
    {"gemma3, plain", NULL, {.plain = true, .n_layer = 2, .period = 2, .n_embd = 96}, 64, 64, false, 0, LONG},
    {"gemma3, regions", NULL, {.n_layer = 2, .period = 2}, 64, 64, false, 2, LONG},
    {"gemma3, unfused", NULL, {.n_layer = 2, .period = 2}, 64, 64, false, 1, LONG},
    {"llama", "llama", {0}, 128, 120, false, 0, LONG},
    {"gemma2, softcap", "gemma2", {0}, 128, 120, false, 0, BRIEF},
    {"qwen3", "qwen3", {0}, 128, 100, false, 0, LONG},
    {"phi3", "phi3-q8", {0}, 128, 80, false, 0, LONG},
    {"gpt2", "gpt2", {0}, 128, 80, false, 0, BRIEF},
    {"mixtral", "mixtral", {0}, 128, 100, false, 0, LONG},
    {"hybrid", "hybrid", {0}, 128, 120, false, 0, BRIEF},
    {"qwen2moe", "qwen2moe", {0}, 128, 120, false, 0, BRIEF},
};

struct rig {
    const struct model *m;
    struct weft_test_model file;
    weft_program *program;
    weft_session *s;
    uint32_t vocab;
    int32_t ids[MOST_TOKENS];
    float *alone, *rows; ///< [tokens][vocab]: token by token, and otherwise
};

static void open_rig(struct rig *r, const struct model *m, enum weft_numbers numbers) {
    uint64_t seed = 5;
    const struct weft_test_build build = {
        .gemma = {.ctx = m->ctx, .chunk = CHUNK, .cache_f16 = m->cache_f16}, .no_fuse = m->no_fuse, .numbers = numbers};
    *r = (struct rig){.m = m};
    if (m->family) family_open(&(struct family_model){.name = m->family}, &r->file);
    else weft_test_model_make(&r->file, &m->tiny);
    r->vocab = r->file.config.n_vocab;
    for (uint32_t i = 0; i < m->tokens; i++) r->ids[i] = (int32_t)weft_test_random(&seed, r->vocab);
    r->program = weft_test_program(gpu, &r->file, &build);
    r->s = weft_test_session(r->program, false, 1);
    r->alone = weft_alloc((size_t)m->tokens * r->vocab * sizeof *r->alone);
    r->rows = weft_alloc((size_t)m->tokens * r->vocab * sizeof *r->rows);
    assert_true(r->alone && r->rows);
}

static void close_rig(struct rig *r) {
    weft_session_destroy(&r->s);
    weft_program_destroy(&r->program);
    weft_test_model_free(&r->file);
    weft_free(r->alone);
    weft_free(r->rows);
}

/// Feeds all tokens in pieces of `chunk`, or of random lengths.
static void feed(struct rig *r, uint32_t chunk, float *rows) {
    uint64_t seed = 11;
    must(weft_session_reset(r->s));
    for (uint32_t at = 0, n; at < r->m->tokens; at += n) {
        n = chunk == RANDOM ? 1 + weft_test_random(&seed, weft_test_random(&seed, 2) ? CHUNK : 9) : chunk;
        if (n > r->m->tokens - at) n = r->m->tokens - at;
        must(weft_test_sizes(r->s, n, n, at + n));
        must(weft_session_write(r->s, "tokens", 0, r->ids + at, n * sizeof *r->ids));
        must(weft_session_run(r->s, 1, NULL));
        must(weft_session_read(r->s, "logits", 0, rows + (size_t)at * r->vocab, (uint64_t)n * r->vocab * sizeof *rows));
    }
}

/// How many tokens have other logits than alone; `first`: the first of them.
static uint32_t differing(struct rig *r, uint32_t chunk, uint32_t *first) {
    uint32_t n = 0;
    feed(r, chunk, r->rows);
    for (uint32_t t = 0; t < r->m->tokens; t++) {
        size_t at = (size_t)t * r->vocab;
        if (memcmp(r->alone + at, r->rows + at, r->vocab * sizeof *r->rows) == 0) continue;
        if (n++ == 0) *first = t;
    }
    return n;
}

/// The logits are the model's: the host's, but for rounding.
static void compare_with_host(const struct rig *r) {
    const struct weft_host_lm_params params = {.ctx = r->m->ctx, .chunk = r->m->tokens, .cache_f16 = r->m->cache_f16};
    struct weft_host_lm *lm;
    double *host = weft_alloc((size_t)r->m->tokens * r->vocab * sizeof *host), most = 0;
    assert_non_null(host);
    must(weft_host_lm_create(r->file.file, &params, &lm));
    must(weft_host_lm_feed(lm, r->ids, r->m->tokens, r->m->tokens, host));
    weft_host_lm_destroy(lm);
    for (size_t i = 0; i < (size_t)r->m->tokens * r->vocab; i++) {
        double d = fabs((double)r->alone[i] - host[i]);
        if (!(d <= most)) most = d;
    }
    weft_free(host);
    if (!(most <= (r->m->cache_f16 ? BOUND_F16 : BOUND)))
        fail_msg("%s: logits are %g from the host's", r->m->name, most);
}

static uint32_t all_pieces(const struct model *m, enum weft_numbers numbers, bool fails) {
    static const uint32_t chunks[] = {2, 3, 7, 8, 9, 63, 64, RANDOM};
    struct rig r;
    uint32_t all = 0, first = 0;
    double start = weft_now();
    open_rig(&r, m, numbers);
    feed(&r, 1, r.alone);
    if (fails) compare_with_host(&r);
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        uint32_t n = differing(&r, chunks[i], &first);
        if (n && fails)
            fail_msg("%s, chunks of %u: logits of %u tokens differ, the first is %u", m->name, chunks[i], n, first);
        all += n;
    }
    if (getenv("WEFT_TEST_TIMES")) print_message("%-20s %u differ  %.1f s\n", m->name, all, weft_now() - start);
    close_rig(&r);
    return all;
}

static bool skips(const struct model *m) {
    const char *only = getenv("WEFT_TEST_CASE");
    if (only) return !strstr(m->name, only);
    return m->most < (weft_test_short() ? QUICK : weft_test_compiles_slowly() ? BRIEF : LONG);
}

static void logits_are_those_of_the_token_alone(void **state) {
    (void)state;
    if (weft_test_thin()) skip(); // operators have them there
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (!skips(&models[i])) all_pieces(&models[i], WEFT_NUMBERS_INVARIANT, true);
}

/// With the orders, lanes and pieces of kernels for GPUs.
static void also_by_kernels_of_gpus(void **state) {
    if (weft_test_thin()) skip();
    enum weft_gpu_kind was = weft_test_as(WEFT_GPU_DISCRETE);
    logits_are_those_of_the_token_alone(state);
    weft_test_as(was);
}

/// Without the mode the same comparison finds that orders depend on rows.
static void without_the_mode_some_differ(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    enum weft_gpu_kind was = weft_test_as(WEFT_GPU_DISCRETE);
    assert_true(all_pieces(&models[0], WEFT_NUMBERS_F32, false) > 0);
    weft_test_as(was);
}

static int setup(void **state) {
    (void)state;
    gpu = weft_test_gpu();
    return gpu ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_those_of_the_token_alone),
        cmocka_unit_test(also_by_kernels_of_gpus),
        cmocka_unit_test(without_the_mode_some_differ),
    };
    return cmocka_run_group_tests_name("model/batch invariance on a device", tests, setup, NULL);
}
