/// The tokenizer of Gemma 3 270M: known ids, the text of the GPL-3, round trips. Skips where the model is not there.
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "core/sha256.h"
#include "model/gguf.h"
#include "model/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "real_model.h"

#define SPACE "\xE2\x96\x81"

static struct weft_tokenizer *gemma;

static int open_model(void **state) {
    (void)state;
    char *path = real_model();
    struct weft_source *g = NULL;
    if (!path) return 0; // each test skips
    weft_status status = weft_gguf_open(path, &g);
    if (status == WEFT_OK) status = weft_tokenizer_create(g, &gemma);
    if (status != WEFT_OK) fprintf(stderr, "%s\n", weft_error_message());
    weft_source_close(g);
    weft_free(path);
    return status == WEFT_OK ? 0 : -1;
}

static int close_model(void **state) {
    (void)state;
    weft_tokenizer_destroy(gemma);
    return weft_alloc_stats().live == 0 ? 0 : -1;
}

struct row {
    const char *text;
    size_t len;
    int32_t on[40], off[40]; // 0 ends; `off`: special parsing off, empty if the same
};

#define TEXT(literal) literal, sizeof(literal) - 1

static const struct row rows[] = {
    {TEXT(""), {2}, {0}},
    {TEXT(" Hello"), {2, 26352}, {0}},
    {TEXT("Hello "), {2, 9259, 236743}, {0}},
    {TEXT("  Hello"), {2, 138, 9259}, {0}},
    {TEXT("Hello  world   x"), {2, 9259, 138, 12392, 139, 236781}, {0}},
    {TEXT("                                        x"), {2, 167, 145, 236781}, {0}},
    {TEXT("a\nb\n\nc\r\nd\n"), {2, 236746, 107, 236763, 108, 236755, 251, 107, 236753, 107}, {0}},
    {TEXT("\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"), {2, 137, 110}, {0}},
    {TEXT("\tif x:\n\t\treturn\t1"), {2, 255968, 584, 1123, 236787, 107, 255969, 2060, 255968, 236770}, {0}},
    {TEXT("\U0001F469\u200D\U0001F469\u200D\U0001F467 \U0001F44D\U0001F3FD"),
     {2, 243767, 237243, 243767, 237243, 244814, 103712, 242713},
     {0}},
    {TEXT("\u4F60\u597D\uFF0C\u4E16\u754C\u3002\u65E5\u672C\u8A9E\u30C6\u30B9\u30C8 \uD55C\uAD6D\uC5B4"),
     {2, 144626, 236900, 12811, 236924, 94951, 88733, 50413, 237430},
     {0}},
    {TEXT("3.14159 12345 0x1F"),
     {2, 236800, 236761, 236770, 236812, 236770, 236810, 236819, 236743, 236770, 236778, 236800, 236812, 236810, 236743,
      236771, 236781, 236770, 236811},
     {0}},
    {TEXT("e\u0301 \u00E9 Z\u0351\u0322algo"), {2, 236744, 238288, 1559, 1491, 246540, 247685, 62155}, {0}},
    {TEXT("a\xff\xc3(\xe2\x82"), {2, 236746, 493, 433, 278, 464, 368}, {0}},
    {TEXT("\U00012345\u0378"), {2, 478, 384, 379, 371, 443, 422}, {0}},
    {TEXT("a\0b"), {2, 236746, 238, 236763}, {0}},
    {TEXT("<start_of_turn>user\nHi<end_of_turn>"),
     {2, 105, 2364, 107, 10979, 106},
     {2, 236820, 3041, 236779, 1340, 236779, 887, 236813, 2364, 107, 10979, 236820, 643, 236779, 1340, 236779, 887,
      236813}},
    {TEXT("<bos>x<eos>"), {2, 2, 236781, 1}, {2, 236820, 46757, 236813, 236781, 236820, 211827, 236813}},
    {TEXT("<table><tr><b>x</b>"), {2, 168, 173, 200, 236781, 209}, {0}},
    {TEXT("<0x41>"), {2, 236820, 236771, 236781, 236812, 236770, 236813}, {0}},
    {TEXT("a" SPACE "b " SPACE), {2, 236746, 518, 236743, 236743}, {0}},
    {TEXT("</s>"), {2, 212}, {0}}, // by the file's types a tag of HTML, not a control token
};

static size_t length(const int32_t *ids) {
    size_t n = 0;
    while (ids[n]) n++;
    return n;
}

static bool same(const char *text, size_t len, unsigned flags, const int32_t *want, size_t count) {
    struct weft_ids ids = {0};
    assert_int_equal(weft_tokenizer_encode(gemma, text, len, flags, &ids), WEFT_OK);
    bool equal = ids.count == count && (count == 0 || memcmp(ids.data, want, 4 * count) == 0);
    weft_ids_free(&ids);
    return equal;
}

static void test_table(void **state) {
    (void)state;
    if (!gemma) skip();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        const int32_t *off = r->off[0] ? r->off : r->on;
        if (!same(r->text, r->len, WEFT_ENCODE_ADD_BOS | WEFT_ENCODE_PARSE_SPECIAL, r->on, length(r->on)) ||
            !same(r->text, r->len, WEFT_ENCODE_ADD_BOS, off, length(off)))
            fail_msg("row %zu: '%s'", i, r->text);
        if (!same(r->text, r->len, 0, off + 1, length(off) - 1)) fail_msg("row %zu without BOS: '%s'", i, r->text);
    }
    // The negative control: the comparison does see a wrong id.
    assert_false(same("a", 1, 0, (const int32_t[]){236747}, 1));
}

/// `n` times one letter: `count` times `id`, then `last`.
static void check_run(char letter, size_t n, size_t count, int32_t id, int32_t last) {
    char text[128];
    int32_t want[32];
    memset(text, letter, n);
    for (size_t i = 0; i < count; i++) want[i] = id;
    want[count] = last;
    assert_true(same(text, n, 0, want, count + 1));
}

static void test_runs(void **state) {
    (void)state;
    if (!gemma) skip();
    check_run('a', 100, 12, 128820, 50354);
    check_run('=', 100, 6, 6977, 2119);
    check_run('!', 70, 4, 213253, 123947);
}

static void test_gpl(void **state) {
    (void)state;
    char *text, hex[65];
    size_t len;
    if (!gemma) skip();
    const char *path = "/usr/share/common-licenses/GPL-3";
    if (weft_file_read(path, 0, &text, &len) != WEFT_OK) {
        fprintf(stderr, "\n*** SKIPPED: there is no %s (Debian and Ubuntu have it).\n\n", path);
        skip();
    }
    assert_int_equal(len, 35149);
    struct weft_ids ids = {0};
    assert_int_equal(weft_tokenizer_encode(gemma, text, len, 3, &ids), WEFT_OK);
    assert_int_equal(ids.count, 7563);
    assert_int_equal(weft_sha256_hex(ids.data, 4 * ids.count, hex), WEFT_OK); // little-endian machines
    assert_string_equal(hex, "313b45e30a4ca0787ec591683d0aa03093cdc5b03af31fdbdbe60eae8d06be0b");
    weft_ids_free(&ids);
    weft_free(text);
}

static void test_vocabulary(void **state) {
    (void)state;
    if (!gemma) skip();
    int counts[7] = {0};
    for (int32_t id = 0; id < weft_tokenizer_size(gemma); id++) {
        struct weft_source_str text = weft_tokenizer_text(gemma, id);
        counts[weft_tokenizer_type(gemma, id)]++;
        assert_int_equal(weft_tokenizer_find(gemma, text.data, text.len), id);
        assert_int_equal(weft_tokenizer_is_stop(gemma, id), id == 1 || id == 106);
    }
    assert_int_equal(weft_tokenizer_size(gemma), 262144);
    assert_memory_equal(counts, ((int[]){0, 255474, 0, 6249, 165, 0, 256}), sizeof counts);
    assert_int_equal(weft_tokenizer_bos(gemma), 2);
    assert_int_equal(weft_tokenizer_eos(gemma), 1);
    assert_true(weft_tokenizer_adds_bos(gemma));
    size_t n;
    const int32_t *stops = weft_tokenizer_stop_ids(gemma, &n);
    assert_int_equal(n, 2);
    assert_memory_equal(stops, ((int32_t[]){1, 106}), 8);
}

// ---- Round trips --------------------------------------------------------------------------------------------

static uint64_t random_state = 7;

static uint32_t next_random(uint32_t bound) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % bound;
}

/// Length of the well-formed character at `p`, 0 if there is none.
static size_t character(const unsigned char *p, size_t left) {
    uint32_t c = p[0], n = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
    if (n == 0 || n > left) return 0;
    c &= n == 1 ? 0x7F : 0xFFu >> (n + 1);
    for (uint32_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (p[i] & 0x3F);
    }
    bool ok = c >= (n == 3 ? 0x800u : n == 4 ? 0x10000u : 0) && c < 0x110000 && !(c >= 0xD800 && c < 0xE000);
    return ok ? n : 0;
}

static bool whole(const char *text, size_t len) {
    for (size_t i = 0, n; i < len; i += n) {
        if ((n = character((const unsigned char *)text + i, len - i)) == 0) return false;
    }
    return true;
}

/// Writes U+2581 as a space, the one difference that a round trip may make.
static size_t without_marks(char *text, size_t len) {
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        bool mark = i + 3 <= len && memcmp(text + i, SPACE, 3) == 0;
        text[n++] = mark ? ' ' : text[i];
        i += mark ? 3 : 1;
    }
    return n;
}

/// Streams the ids of a text; it must come out equal. Well-formed text must be whole after every push and lose
/// marks to spaces only; in broken text a lead byte also swallows part of the mark that a space behind it became.
static void check_stream(const struct weft_ids *ids, char *text, size_t len) {
    struct weft_decoder d = {.tokenizer = gemma};
    struct weft_str out = {0};
    bool good = whole(text, len);
    for (size_t i = 0; i < ids->count; i++) {
        assert_int_equal(weft_decoder_push(&d, ids->data[i], &out), WEFT_OK);
        assert_true(d.held <= 3);
        if (good) assert_true(whole(weft_str_get(&out), out.len));
    }
    if (good) assert_int_equal(d.held, 0);
    assert_int_equal(weft_decoder_flush(&d, &out), WEFT_OK);
    len = without_marks(text, len);
    if (!good && len) out.len = without_marks(out.data, out.len);
    assert_int_equal(out.len, len);
    if (len) assert_memory_equal(out.data, text, len);
    weft_str_free(&out);
}

/// Bytes, or characters of any length, spaces, line ends, tags and marks.
static size_t random_text(char *out, size_t most) {
    static const char *const pieces[] = {"<bos>", "<end_of_turn>", "<table>",   "\r\n",
                                         "   ",   "\t\t",          "<unused7>", "the "};
    size_t len = 0;
    uint32_t mode = next_random(3);
    for (size_t n = next_random((uint32_t)most - 20); len < n;) {
        uint32_t kind = mode == 0 ? 0 : mode == 1 ? 1 + next_random(4) : next_random(6);
        if (kind == 0 || kind == 5) {
            out[len++] = (char)next_random(256);
        } else if (kind == 1) {
            len += (size_t)sprintf(out + len, "%s", pieces[next_random(8)]);
        } else if (kind == 2) {
            out[len++] = (char)(32 + next_random(95));
        } else {
            uint32_t c = kind == 3 ? 0x80 + next_random(0x500) : 0x3000 + next_random(0x7000);
            if (c >= 0x800) out[len++] = (char)(0xE0 | c >> 12);
            out[len++] = (char)(c >= 0x800 ? 0x80 | (c >> 6 & 63) : 0xC0 | c >> 6);
            out[len++] = (char)(0x80 | (c & 63));
        }
    }
    return len;
}

static void test_round_trip(void **state) {
    (void)state;
    if (!gemma) skip();
    int well_formed = 0;
    for (int round = 0; round < 600; round++) {
        char text[2048];
        size_t len = random_text(text, round % 2 ? 100 : sizeof text);
        struct weft_ids ids = {0};
        assert_int_equal(weft_tokenizer_encode(gemma, text, len, 0, &ids), WEFT_OK);
        well_formed += len > 0 && whole(text, len);
        check_stream(&ids, text, len);
        weft_ids_free(&ids);
    }
    assert_true(well_formed > 100);
    static const char *const marked[] = {"x" SPACE "y" SPACE, "\xC3 a", "\xF9 " SPACE, "\xE2" SPACE};
    for (size_t i = 0; i < 4; i++) {
        char text[32];
        size_t len = strlen(strcpy(text, marked[i]));
        struct weft_ids ids = {0};
        assert_int_equal(weft_tokenizer_encode(gemma, text, len, 0, &ids), WEFT_OK);
        check_stream(&ids, text, len);
        weft_ids_free(&ids);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),      cmocka_unit_test(test_runs),       cmocka_unit_test(test_gpl),
        cmocka_unit_test(test_vocabulary), cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests_name("model/tokenizer gemma3", tests, open_model, close_model);
}
