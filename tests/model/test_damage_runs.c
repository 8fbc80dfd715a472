/// Model files damaged in every way that a header can be, opened as a model and run on the null device: each gives a
/// status, or a model that runs, within a second of processor time and 256 MB.
///
/// By default a part of the cases, drawn with a fixed seed; WEFT_TEST_LONG=1 runs all.
#include "core/alloc.h"
#include "core/error.h"
#include "engine/lm.h"
#include "model/gguf.h"
#include "model/lm_graph.h"
#include "support/lm_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/gguf_fields.h"

enum { MOST_BYTES = 65536, MEGABYTES = 256 };

static uint8_t *good, damaged[MOST_BYTES]; ///< the file as it should be, and what is made of it
static size_t good_len;
static struct gguf_walk walk;
static char path[] = "/tmp/weft-damage-XXXXXX";
static int file = -1;
static int opened, refused, ran;
static double slowest;
static uint64_t device_bytes;

static double cpu_seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

/// Memory in use now; the sanitizer's hoard of freed blocks, which grows with the cases, is part of it.
static long now_kib(void) {
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_true(f && fscanf(f, "%*d %ld", &pages) == 1);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static long peak_kib(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

// ---- one case ------------------------------------------------------------------------------------------------------

/// A refusal says something about the file or what was asked; running out of memory or an inner contradiction is none.
static void check_refusal(weft_status status, const char *what) {
    if (status == WEFT_ERR_INTERNAL || status == WEFT_ERR_NOMEM || status == WEFT_ERR_DEVICE)
        fail_msg("%s: %s: %s", what, weft_status_name(status), weft_error_message());
    if (strlen(weft_error_message()) < 10) fail_msg("%s: refused with '%s'", what, weft_error_message());
}

/// Everything that a user does with a model: text in, tokens out.
static void use(weft_lm *lm, const char *what) {
    struct weft_ids ids = {0};
    struct weft_str text = {0};
    struct weft_generate_stats stats;
    const struct weft_tokenizer *t = weft_lm_tokenizer(lm);
    unsigned flags = WEFT_ENCODE_ADD_BOS | WEFT_ENCODE_PARSE_SPECIAL;
    weft_status status = weft_tokenizer_encode(t, "ab <bos> c\xFF", 11, flags, &ids);
    struct weft_model_generate_params params = {.max_tokens = 3, .sampling = {.temp = 1}};
    if (status == WEFT_OK && ids.count) status = weft_lm_generate(lm, ids.data, (uint32_t)ids.count, &params, &stats);
    if (status != WEFT_OK) check_refusal(status, what);
    else ran++;
    for (size_t i = 0; i < ids.count; i++) must(weft_tokenizer_decode(t, ids.data[i], true, &text));
    weft_ids_free(&ids);
    weft_str_free(&text);
}

static weft_status weight(void *user, const char *name, const void **data, uint64_t *bytes) {
    const struct weft_source_tensor *t = weft_source_find(user, name);
    if (!t) return weft_fail(WEFT_ERR_NOT_FOUND, "no tensor '%s'", name);
    *data = t->data;
    *bytes = t->size;
    return WEFT_OK;
}

/// The same model from memory that ends where the file ends, so that the sanitizer sees what is read beyond: a mapped
/// file is followed by the rest of its page.
static void load_exactly(weft_gpu *gpu, const uint8_t *data, size_t len) {
    struct weft_source *g;
    struct weft_model_config config;
    struct weft_lm_build build = {.head = WEFT_LM_GENERATE};
    struct weft_graph *graph;
    weft_program *program;
    weft_session *session;
    void *copy = malloc(len);
    assert_non_null(copy);
    memcpy(copy, data, len);
    must(weft_gguf_open_memory(copy, len, "damaged", &g));
    must(weft_model_config_read(g, &config));
    must(weft_lm_build_defaults(&config, weft_gpu_caps(gpu), &build));
    must(weft_lm_build_graph(g, &config, &build, NULL, &graph));
    struct weft_program_params params = {.compile = weft_lm_compile_params(weft_gpu_caps(gpu), build.chunk),
                                         .source = {.get = weight, .user = g}};
    must(weft_program_create(gpu, graph, &params, &program));
    must(weft_session_create(program, NULL, &session));
    must(weft_test_sizes(session, 1, 1, build.ctx));
    must(weft_session_run(session, build.ctx > 1 ? 2 : 1, NULL)); // as far as the context goes
    weft_session_destroy(&session);
    weft_program_destroy(&program);
    weft_source_close(g);
    free(copy);
}

static weft_status try_bytes(const uint8_t *data, size_t len, const char *what) {
    weft_gpu *gpu;
    weft_lm *lm;
    struct weft_gpu_counters counters;
    double start = cpu_seconds();
    int64_t live = weft_alloc_stats().live;
    long before = now_kib(), peak = peak_kib();
    assert_true(ftruncate(file, 0) == 0 && pwrite(file, data, len, 0) == (ssize_t)len);
    assert_int_equal(weft_gpu_open(&(struct weft_gpu_params){.implementation = "null"}, &gpu), WEFT_OK);
    weft_error_clear();
    weft_status status = weft_lm_open(gpu, path, &(struct weft_model_params){.runs = 2}, &lm);
    if (status == WEFT_OK) {
        opened++;
        use(lm, what);
        if (opened % 3 == 0 || weft_test_long()) load_exactly(gpu, data, len);
        weft_gpu_counters(gpu, &counters);
        if (counters.buffer_bytes_peak > device_bytes) device_bytes = counters.buffer_bytes_peak;
        weft_lm_close(&lm);
    } else {
        refused++;
        assert_null(lm);
        check_refusal(status, what);
    }
    weft_gpu_close(&gpu);
    if (weft_alloc_stats().live != live) fail_msg("%s: %d blocks leak", what, (int)(weft_alloc_stats().live - live));
    double took = cpu_seconds() - start;
    if (took > slowest) slowest = took;
    if (took >= 1) fail_msg("%s: %.1f seconds", what, took);
    if (peak_kib() > peak && peak_kib() - before >= MEGABYTES * 1024)
        fail_msg("%s: %ld KiB of memory", what, peak_kib() - before);
    return status;
}

// ---- the matrix ----------------------------------------------------------------------------------------------------

static void begin(void) {
    opened = refused = ran = 0;
    slowest = 0;
    device_bytes = 0;
}

static void end(void) {
    print_message("%d refused, %d opened, %d of them ran; at most %.0f ms\n", refused, opened, ran, 1e3 * slowest);
    assert_true(device_bytes < (uint64_t)MEGABYTES << 20);
}

enum { VALUES = 56 };

/// What a field is set to.
static size_t values_of(const struct gw_field *f, uint64_t values[VALUES]) {
    static const uint32_t floats[] = {0x7FC00000, 0x7F800000, 0xFF800000, 0x80000000, 0xBF800000, 1, 0x7F7FFFFF};
    uint64_t truth = gf_get(good + f->at, f->width), top = UINT64_C(1) << (8 * f->width - 1);
    const uint64_t common[] = {0,
                               1,
                               UINT64_MAX,
                               top,
                               top - 1,
                               truth + 1,
                               truth - 1,
                               good_len,
                               good_len + 1,
                               good_len - 1,
                               UINT64_MAX - good_len,
                               UINT64_MAX / 8 + 1,
                               255,
                               truth * 2,
                               truth / 2,
                               UINT64_C(1) << 30};
    size_t n = sizeof common / sizeof *common;
    memcpy(values, common, sizeof common);
    if (strstr(f->what, "type")) // every type there is, and some that are not
        for (uint64_t i = 0; i < 40; i++) values[n++] = i;
    for (size_t i = 0; strcmp(f->what, "f32") == 0 && i < sizeof floats / sizeof *floats; i++) values[n++] = floats[i];
    return n;
}

/// One in so many cases is tried, except for hyper-parameters and for types that there are, which reach furthest.
static bool drawn(const struct gw_field *f, uint64_t value, uint64_t *seed) {
    if (weft_test_long() || strcmp(f->what, "value") == 0 || strcmp(f->what, "f32") == 0) return true;
    if (strstr(f->what, "type") && value < 32) return true;
    return weft_test_random(seed, 4) == 0;
}

static void test_fields(void **state) {
    (void)state;
    uint64_t values[VALUES], seed = 1;
    begin();
    for (size_t k = 0; k < walk.n; k++) {
        const struct gw_field *f = &walk.fields[k];
        for (size_t i = 0, n = values_of(f, values); i < n; i++) {
            char what[96];
            if (!drawn(f, values[i], &seed)) continue;
            snprintf(what, sizeof what, "%s at %zu is %#llx", f->what, f->at, (unsigned long long)values[i]);
            memcpy(damaged, good, good_len);
            gw_put(damaged + f->at, values[i], f->width);
            try_bytes(damaged, good_len, what);
        }
    }
    end();
    assert_true(walk.n > 250);
    assert_true(opened > 50 && refused > 500 && ran > 50); // all ways happen
}

/// A text of the header gets another of the same length.
static void rename_in_copy(const char *from, const char *to) {
    assert_int_equal(strlen(from), strlen(to));
    memcpy(damaged, good, good_len);
    uint8_t *at = memmem(damaged, walk.at, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(to));
}

static void refuse(weft_status status, const char *part) {
    assert_int_equal(try_bytes(damaged, good_len, part), status);
    if (!strstr(weft_error_message(), part)) fail_msg("'%s' does not say '%s'", weft_error_message(), part);
}

static void test_planted(void **state) {
    (void)state;
    begin();
    rename_in_copy("tokenizer.ggml.eos_token_id", "tokenizer.ggml.bos_token_id");
    refuse(WEFT_ERR_FORMAT, "twice");
    rename_in_copy("blk.1.attn_q.weight", "blk.0.attn_q.weight");
    refuse(WEFT_ERR_FORMAT, "twice");
    rename_in_copy("gemma3.block_count", "gemma3.block_tnuoc");
    refuse(WEFT_ERR_NOT_FOUND, "gemma3.block_count");
    rename_in_copy("blk.1.ffn_up.weight", "blk.1.ffn_pu.weight");
    refuse(WEFT_ERR_NOT_FOUND, "blk.1.ffn_up.weight");
    rename_in_copy("gemma3.context_length", "gemma3.xontext_length");
    refuse(WEFT_ERR_NOT_FOUND, "gemma3.context_length");
    uint64_t first = 0; // every tensor of data lies where the first one does
    for (size_t k = 0; k < walk.n; k++) {
        if (strcmp(walk.fields[k].what, "tensor offset") != 0 || first++ == 0) continue;
        memcpy(damaged, good, good_len);
        gw_put(damaged + walk.fields[k].at, 0, 8);
        refuse(WEFT_ERR_FORMAT, "overlap");
    }
    assert_int_equal(opened, 0);
    end();
}

static void test_truncated(void **state) {
    (void)state;
    begin();
    assert_int_equal(try_bytes(good, good_len, "the whole file"), WEFT_OK);
    assert_int_equal(ran, 1);
    // Every byte of a header is cut in test_gguf_damage.c.
    for (size_t len = 0; len < good_len; len += weft_test_long() ? 1 : len < walk.at ? 5 : 97)
        if (try_bytes(good, len, "cut") == WEFT_OK) fail_msg("a file cut at byte %zu of %zu opens", len, good_len);
    end();
}

static void test_random_damage(void **state) {
    (void)state;
    uint64_t seed = 3;
    begin();
    for (int round = 0; round < (weft_test_long() ? 10000 : 1000); round++) {
        memcpy(damaged, good, good_len);
        for (uint32_t i = 0, n = 1 + weft_test_random(&seed, 4); i < n; i++)
            damaged[weft_test_random(&seed, (uint32_t)walk.at)] = (uint8_t)weft_test_random(&seed, 256);
        try_bytes(damaged, good_len, "random");
    }
    end();
    assert_true(opened > 30 && refused > 100);
}

static int setup(void **state) {
    (void)state;
    const struct weft_tiny_gemma3 tiny = {.n_layer = 2,
                                          .period = 2,
                                          .n_embd = 32,
                                          .head_dim = 16,
                                          .n_ff = 32,
                                          .n_vocab = 264,
                                          .softcap = 5,
                                          .rope_factor = 2};
    good = weft_tiny_gemma3_make(&tiny, &good_len);
    file = mkstemp(path);
    if (!good || file < 0 || good_len >= MOST_BYTES) return -1;
    gf_walk(&walk, good, good_len);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    close(file);
    unlink(path);
    weft_free(good);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_planted),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_random_damage),
    };
    return cmocka_run_group_tests_name("model/damaged models", tests, setup, teardown);
}
