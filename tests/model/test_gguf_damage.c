/// GGUF files damaged in every way that a header can be: each gives a status or an open file whose every byte can be
/// read, within a second and 256 MB.
#include "core/alloc.h"
#include "core/error.h"
#include "model/gguf.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf_rich.h"

static struct gguf_writer rich;

static int opened, refused;
static double slowest;

static double cpu_seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

/// Opens a copy that ends where its memory ends, so that a read beyond it is seen by the sanitizer.
static weft_status try_bytes(const uint8_t *data, size_t len) {
    struct weft_source *g;
    double start = cpu_seconds();
    int64_t live = weft_alloc_stats().live;
    void *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len) memcpy(copy, data, len);
    weft_error_clear();
    weft_status status = weft_gguf_open_memory(copy, len, "t.gguf", &g);
    if (status == WEFT_OK) {
        opened++;
        use_all(g);
        weft_source_close(g);
    } else {
        refused++;
        assert_null(g);
        assert_true(status == WEFT_ERR_FORMAT || status == WEFT_ERR_UNSUPPORTED);
        check_message("t.gguf: ");
    }
    free(copy);
    assert_int_equal(weft_alloc_stats().live, live);
    double took = cpu_seconds() - start;
    if (took > slowest) slowest = took;
    return status;
}

static long peak_kib(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/// The bounds of every damaged file below 64 KB: one second of processor time, 256 MB.
static void check_bounds(long peak_before) {
    assert_true(slowest < 1.0);
    assert_true(peak_kib() - peak_before < 256 * 1024);
}

static void test_damaged_fields(void **state) {
    (void)state;
    static uint8_t damaged[GW_CAPACITY];
    opened = refused = 0;
    slowest = 0;
    long peak = peak_kib();
    write_rich(&rich, 3);
    for (size_t f = 0; f < rich.n_fields; f++) {
        struct gw_field field = rich.fields[f];
        uint64_t truth = 0;
        for (unsigned i = 0; i < field.width; i++) truth |= (uint64_t)rich.data[field.at + i] << (8 * i);
        uint64_t values[] = {0,
                             1,
                             UINT64_MAX,
                             UINT64_C(1) << (8 * field.width - 1),
                             (UINT64_C(1) << (8 * field.width - 1)) - 1,
                             truth + 1,
                             truth - 1,
                             rich.len,
                             rich.len + 1,
                             rich.len - 1,
                             UINT64_MAX - rich.len,
                             UINT64_MAX / 8 + 1,
                             255};
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            memcpy(damaged, rich.data, rich.len);
            gw_put(damaged + field.at, values[v], field.width);
            try_bytes(damaged, rich.len);
        }
    }
    assert_true(rich.n_fields > 400);
    assert_true(opened > 100 && refused > 2000); // both ways happen
    check_bounds(peak);
}

static void test_truncated(void **state) {
    (void)state;
    long peak = peak_kib();
    slowest = 0;
    for (uint32_t version = 2; version <= 3; version++) {
        write_rich(&rich, version);
        for (size_t len = 0; len < rich.len; len++) {
            if (try_bytes(rich.data, len) == WEFT_OK) fail_msg("a file cut at byte %zu of %zu opens", len, rich.len);
        }
        assert_int_equal(try_bytes(rich.data, rich.len), WEFT_OK);
        rich.data[rich.len] = 0;
        assert_int_equal(try_bytes(rich.data, rich.len + 1), WEFT_OK); // bytes behind the last tensor do no harm
    }
    check_bounds(peak);
}

static void test_random_damage(void **state) {
    (void)state;
    static uint8_t damaged[GW_CAPACITY];
    uint64_t random = 88172645463325252u;
    long peak = peak_kib();
    slowest = 0;
    opened = refused = 0;
    write_rich(&rich, 3);
    for (int round = 0; round < 6000; round++) {
        memcpy(damaged, rich.data, rich.len);
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        int changes = 1 + (int)(random % 4);
        for (int i = 0; i < changes; i++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            damaged[(random >> 8) % rich.header] = (uint8_t)random;
        }
        try_bytes(damaged, rich.len);
    }
    assert_true(opened > 100 && refused > 100);
    check_bounds(peak);
}

/// Files of nearly 64 KB made of as many small things as fit.
static void test_crowded(void **state) {
    (void)state;
    static struct gguf_writer w;
    char name[16];
    long peak = peak_kib();
    slowest = 0;
    gw_begin(&w, 3);
    for (int i = 0; w.len < 64000; i++, w.n_fields = 4) {
        snprintf(name, sizeof name, "%x", i);
        gw_integer(&w, name, WEFT_SOURCE_U8, 1);
    }
    gw_end(&w, 32, 0);
    assert_int_equal(try_bytes(w.data, w.len), WEFT_OK);
    gw_begin(&w, 3);
    for (int i = 0; w.len < 64000; i++, w.n_fields = 4) {
        snprintf(name, sizeof name, "%x", i);
        gw_tensor(&w, name, WEFT_GGML_F32, 1, (uint64_t[]){0}, 0);
    }
    gw_end(&w, 32, 0);
    assert_int_equal(try_bytes(w.data, w.len), WEFT_OK);
    // The same with room for one element each, all in one place: they overlap.
    gw_begin(&w, 3);
    for (int i = 0; w.len < 64000; i++, w.n_fields = 4) {
        snprintf(name, sizeof name, "%x", i);
        gw_tensor(&w, name, WEFT_GGML_F32, 0, NULL, 0);
    }
    gw_end(&w, 32, 64);
    assert_int_equal(try_bytes(w.data, w.len), WEFT_ERR_FORMAT);
    check_message("overlap");
    // A vocabulary of empty texts, and one of nested runs, which all match everywhere.
    for (int nested = 0; nested < 2; nested++) {
        int count = nested ? 300 : 3000;
        char run[400];
        memset(run, 'a', sizeof run);
        gw_begin(&w, 3);
        gw_text(&w, "tokenizer.ggml.model", "llama");
        gw_integer(&w, "tokenizer.ggml.unknown_token_id", WEFT_SOURCE_U32, 0);
        gw_array(&w, "tokenizer.ggml.tokens", WEFT_SOURCE_STRING, (uint64_t)count);
        for (int i = 0; i < count; i++, w.n_fields = 4) gw_string(&w, "", run, nested ? (size_t)(i % 150) : 0);
        gw_array(&w, "tokenizer.ggml.scores", WEFT_SOURCE_F32, (uint64_t)count);
        for (int i = 0; i < count; i++) gw_number(&w, 0, 4);
        gw_array(&w, "tokenizer.ggml.token_type", WEFT_SOURCE_U8, (uint64_t)count);
        for (int i = 0; i < count; i++) gw_number(&w, 4, 1);
        gw_end(&w, 32, 0);
        assert_int_equal(try_bytes(w.data, w.len), WEFT_OK);
    }
    check_bounds(peak);
}

/// A file made by `write` must be refused with `status` and a sentence that holds `part`.
static void refuse(weft_status status, const char *part) {
    assert_int_equal(try_bytes(rich.data, rich.len), status);
    check_message(part);
}

static void test_refusals(void **state) {
    (void)state;
    struct gguf_writer *w = &rich;
    gw_begin(w, 3);
    gw_integer(w, "twice.here", WEFT_SOURCE_U8, 1);
    gw_integer(w, "other", WEFT_SOURCE_U8, 1);
    gw_text(w, "twice.here", "x");
    gw_end(w, 32, 0);
    refuse(WEFT_ERR_FORMAT, "'twice.here' is there twice");

    gw_begin(w, 3);
    gw_tensor(w, "same.name", WEFT_GGML_F32, 1, (uint64_t[]){8}, 0);
    gw_tensor(w, "same.name", WEFT_GGML_F32, 1, (uint64_t[]){8}, 32);
    gw_end(w, 32, 64);
    refuse(WEFT_ERR_FORMAT, "'same.name' is there twice");

    static const struct {
        uint64_t second, size;
        weft_status status;
    } layouts[] = {
        {0, 8, WEFT_ERR_FORMAT}, {32, 8, WEFT_ERR_FORMAT}, {64, 8, WEFT_OK}, {64, 0, WEFT_OK}, {0, 0, WEFT_OK}};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        for (int swap = 0; swap < 2; swap++) {
            gw_begin(w, 3);
            if (swap) gw_tensor(w, "second", WEFT_GGML_F32, 1, (uint64_t[]){layouts[i].size}, layouts[i].second);
            gw_tensor(w, "first", WEFT_GGML_F32, 1, (uint64_t[]){16}, 0);
            if (!swap) gw_tensor(w, "second", WEFT_GGML_F32, 1, (uint64_t[]){layouts[i].size}, layouts[i].second);
            gw_end(w, 32, 128);
            assert_int_equal(try_bytes(w->data, w->len), layouts[i].status);
            if (layouts[i].status != WEFT_OK) check_message("'second'");
            if (layouts[i].status != WEFT_OK) check_message("'first'");
        }
    }

    gw_begin(w, 3);
    gw_tensor(w, "strange", 999, 1, (uint64_t[]){8}, 0);
    gw_end(w, 32, 32);
    refuse(WEFT_ERR_UNSUPPORTED, "'strange' has type 999");

    gw_begin(w, 3);
    gw_tensor(w, "ragged", WEFT_GGML_Q8_0, 1, (uint64_t[]){33}, 0);
    gw_end(w, 32, 128);
    refuse(WEFT_ERR_FORMAT, "'ragged' has rows of 33");

    gw_begin(w, 3);
    gw_tensor(w, "huge", WEFT_GGML_F32, 3, (uint64_t[]){UINT64_C(1) << 31, UINT64_C(1) << 31, 4}, 0);
    gw_end(w, 32, 128);
    refuse(WEFT_ERR_FORMAT, "'huge' overflows");

    gw_begin(w, 3);
    gw_tensor(w, "wrapping", WEFT_GGML_F32, 2, (uint64_t[]){UINT64_C(1) << 31, UINT64_C(1) << 31}, 0);
    gw_end(w, 32, 128);
    refuse(WEFT_ERR_FORMAT, "'wrapping'");

    gw_begin(w, 3);
    gw_tensor(w, "late", WEFT_GGML_F32, 1, (uint64_t[]){8}, UINT64_MAX - 31);
    gw_end(w, 32, 128);
    refuse(WEFT_ERR_FORMAT, "'late'");

    gw_begin(w, 3);
    gw_tensor(w, "askew", WEFT_GGML_F32, 1, (uint64_t[]){8}, 16);
    gw_end(w, 32, 128);
    refuse(WEFT_ERR_FORMAT, "'askew' starts at 16");

    gw_begin(w, 3);
    gw_array(w, "nested", WEFT_SOURCE_ARRAY, 1);
    gw_number(w, 0, 4);
    gw_number(w, 0, 8);
    gw_end(w, 32, 0);
    refuse(WEFT_ERR_UNSUPPORTED, "'nested' is an array of arrays");

    gw_begin(w, 3);
    gw_integer(w, "maybe", WEFT_SOURCE_BOOL, 2);
    gw_end(w, 32, 0);
    refuse(WEFT_ERR_FORMAT, "'maybe'");

    gw_begin(w, 3);
    gw_integer(w, "bell\a", WEFT_SOURCE_U8, 2);
    gw_end(w, 32, 0);
    refuse(WEFT_ERR_FORMAT, "control characters");

    gw_begin(w, 1);
    gw_end(w, 32, 0);
    refuse(WEFT_ERR_UNSUPPORTED, "version 1");
    gw_begin(w, 0x03000000);
    gw_end(w, 32, 0);
    refuse(WEFT_ERR_UNSUPPORTED, "big-endian");
    gw_begin(w, 3);
    gw_end(w, 32, 0);
    assert_int_equal(try_bytes(w->data, w->len), WEFT_OK); // nothing in it, but well formed
    w->data[0] = 'g';
    refuse(WEFT_ERR_FORMAT, "not a GGUF file");
    struct weft_source *g;
    assert_int_equal(weft_gguf_open_memory(w->data + 1, 24, "t.gguf", &g), WEFT_ERR_INVALID);
}

static void test_alignment(void **state) {
    (void)state;
    static const struct {
        enum weft_source_type type;
        uint64_t value;
        weft_status status;
    } cases[] = {
        {WEFT_SOURCE_U32, 8, WEFT_OK},
        {WEFT_SOURCE_U32, 32, WEFT_OK},
        {WEFT_SOURCE_U32, 4096, WEFT_OK},
        {WEFT_SOURCE_U64, 64, WEFT_OK},
        {WEFT_SOURCE_U32, 0, WEFT_ERR_FORMAT},
        {WEFT_SOURCE_U32, 1, WEFT_ERR_FORMAT},
        {WEFT_SOURCE_U32, 4, WEFT_ERR_FORMAT},
        {WEFT_SOURCE_U32, 24, WEFT_ERR_FORMAT},
        {WEFT_SOURCE_U32, 33, WEFT_ERR_FORMAT},
        {WEFT_SOURCE_I32, -32, WEFT_ERR_FORMAT},
        {WEFT_SOURCE_F32, 32, WEFT_ERR_FORMAT},
        {WEFT_SOURCE_BOOL, 1, WEFT_ERR_FORMAT},
        {WEFT_SOURCE_U64, UINT64_C(1) << 63, WEFT_ERR_FORMAT},
        {WEFT_SOURCE_U32, UINT64_C(1) << 31, WEFT_ERR_FORMAT},
        {WEFT_SOURCE_U32, UINT32_MAX, WEFT_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gw_begin(&rich, 3);
        gw_integer(&rich, "general.alignment", cases[i].type, cases[i].value);
        gw_tensor(&rich, "w", WEFT_GGML_F32, 1, (uint64_t[]){2}, 0);
        gw_end(&rich, cases[i].status == WEFT_OK ? cases[i].value : 32, 8);
        assert_int_equal(try_bytes(rich.data, rich.len), cases[i].status);
        if (cases[i].status != WEFT_OK && cases[i].value != UINT64_C(1) << 31) check_message("general.alignment");
    }
}

static void test_out_of_memory(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    write_rich(&rich, 3);
    uint64_t n = 1;
    for (;; n++) {
        struct weft_source *g;
        struct weft_tokenizer *t = NULL;
        weft_alloc_fail_at(n, 0);
        weft_status status = weft_gguf_open_memory(rich.data, rich.len, "t.gguf", &g);
        if (status == WEFT_OK) status = weft_tokenizer_create(g, &t);
        weft_alloc_fail_at(0, 0);
        weft_tokenizer_destroy(t);
        weft_source_close(g);
        assert_int_equal(weft_alloc_stats().live, live);
        if (status == WEFT_OK) break;
        assert_int_equal(status, WEFT_ERR_NOMEM);
    }
    assert_true(n > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_fields), cmocka_unit_test(test_truncated), cmocka_unit_test(test_random_damage),
        cmocka_unit_test(test_crowded),        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("model/gguf damage", tests, NULL, NULL);
}
