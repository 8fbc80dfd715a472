/// The tokenizer on vocabularies made here: against a plain reading of the rules, its keys, its refusals, streaming.
#include "core/alloc.h"
#include "core/error.h"
#include "model/gguf.h"
#include "model/tokenizer/tokenizer.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf_writer.h"

#define SPACE "\xE2\x96\x81"

static uint64_t random_state = 1;

static uint32_t next_random(uint32_t bound) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % bound;
}

// ---- A vocabulary in a file --------------------------------------------------------------------------------

struct entry {
    char text[24];
    size_t len;
    float score;
    int type;
};

struct vocabulary {
    struct entry entries[400];
    int count;
};

static void add(struct vocabulary *v, const char *text, size_t len, float score, int type) {
    struct entry *e = &v->entries[v->count++];
    assert_true(v->count <= 400 && len < sizeof e->text);
    memcpy(e->text, text, len);
    e->len = len;
    e->score = score;
    e->type = type;
}

static void add_bytes(struct vocabulary *v) {
    for (int b = 0; b < 256; b++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)b);
        add(v, text, 6, 0, WEFT_TOKEN_BYTE);
    }
}

static struct gguf_writer writer;

/// All but what a test adds, before finish().
static void begin(const struct vocabulary *v) {
    gw_begin(&writer, 3);
    gw_text(&writer, "tokenizer.ggml.model", "llama");
    gw_array(&writer, "tokenizer.ggml.tokens", WEFT_SOURCE_STRING, (uint64_t)v->count);
    for (int i = 0; i < v->count; i++) gw_string(&writer, "", v->entries[i].text, v->entries[i].len);
    gw_array(&writer, "tokenizer.ggml.scores", WEFT_SOURCE_F32, (uint64_t)v->count);
    for (int i = 0; i < v->count; i++) gw_bytes(&writer, &v->entries[i].score, 4);
    gw_array(&writer, "tokenizer.ggml.token_type", WEFT_SOURCE_I32, (uint64_t)v->count);
    for (int i = 0; i < v->count; i++) gw_number(&writer, (uint64_t)v->entries[i].type, 4);
}

static weft_status finish(struct weft_tokenizer **out) {
    struct weft_source *g;
    gw_end(&writer, 32, 0);
    weft_status status = weft_gguf_open_memory(writer.data, writer.len, "v.gguf", &g);
    if (status == WEFT_OK) status = weft_tokenizer_create(g, out);
    weft_source_close(g); // the tokenizer must not need it
    return status;
}

// ---- The rules, read plainly --------------------------------------------------------------------------------

static int plain_find(const struct vocabulary *v, const char *text, size_t len) {
    for (int i = v->count - 1; i >= 0; i--) {
        if (len && v->entries[i].len == len && memcmp(v->entries[i].text, text, len) == 0) return i;
    }
    return -1;
}

/// What a piece of text may become: no special token but user-defined ones.
static int plain_word(const struct vocabulary *v, const char *text, size_t len) {
    int id = plain_find(v, text, len);
    return id >= 0 && (v->entries[id].type == WEFT_TOKEN_CONTROL || v->entries[id].type == WEFT_TOKEN_UNKNOWN) ? -1
                                                                                                               : id;
}

static void plain_piece(const struct vocabulary *v, const char *text, size_t len, struct weft_ids *out) {
    static char symbols[4096][64];
    static size_t sizes[4096];
    static char spaced[4096];
    size_t n = 0, total = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ' ') memcpy(spaced + total, SPACE, 3);
        else spaced[total] = text[i];
        total += text[i] == ' ' ? 3 : 1;
    }
    for (size_t i = 0; i < total;) {
        unsigned char c = (unsigned char)spaced[i];
        size_t size = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
        if (size > total - i) size = total - i;
        memcpy(symbols[n], spaced + i, size);
        sizes[n++] = size;
        i += size;
    }
    for (;;) {
        size_t best = SIZE_MAX;
        float score = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            char joined[128];
            memcpy(joined, symbols[i], sizes[i]);
            memcpy(joined + sizes[i], symbols[i + 1], sizes[i + 1]);
            int id = plain_word(v, joined, sizes[i] + sizes[i + 1]);
            if (id >= 0 && (best == SIZE_MAX || v->entries[id].score > score)) {
                best = i;
                score = v->entries[id].score;
            }
        }
        if (best == SIZE_MAX) break;
        memcpy(symbols[best] + sizes[best], symbols[best + 1], sizes[best + 1]);
        sizes[best] += sizes[best + 1];
        n--;
        for (size_t i = best + 1; i < n; i++) {
            memcpy(symbols[i], symbols[i + 1], sizeof symbols[0]);
            sizes[i] = sizes[i + 1];
        }
    }
    for (size_t i = 0; i < n; i++) {
        int id = plain_word(v, symbols[i], sizes[i]);
        for (size_t k = 0; k < (id < 0 ? sizes[i] : 1); k++) {
            char text_of_byte[8];
            snprintf(text_of_byte, sizeof text_of_byte, "<0x%02X>", (unsigned char)symbols[i][k]);
            assert_true(weft_grow((void **)&out->data, &out->cap, out->count + 1, sizeof *out->data));
            out->data[out->count++] = id >= 0 ? id : plain_find(v, text_of_byte, 6);
        }
    }
}

/// owner[i]: index of the special token that has byte i, -1: text. Longest first, then by id, then left to right.
static void plain_encode(const struct vocabulary *v, const char *text, size_t len, bool control, struct weft_ids *out) {
    static int owner[4096];
    static bool first[4096];
    for (size_t i = 0; i < len; i++) owner[i] = -1, first[i] = false;
    for (size_t size = 24; size-- > 1;) {
        for (int id = 0; id < v->count; id++) {
            const struct entry *e = &v->entries[id];
            bool special = e->type == WEFT_TOKEN_USER_DEFINED ||
                           (control && (e->type == WEFT_TOKEN_CONTROL || e->type == WEFT_TOKEN_UNKNOWN));
            if (e->len != size || !special) continue;
            for (size_t at = 0; at + size <= len; at++) {
                bool fits = memcmp(text + at, e->text, size) == 0;
                for (size_t k = 0; k < size; k++) fits = fits && owner[at + k] < 0;
                if (!fits) continue;
                first[at] = true;
                for (size_t k = 0; k < size; k++) owner[at + k] = id;
            }
        }
    }
    for (size_t i = 0; i < len;) {
        size_t to = i + 1;
        if (owner[i] >= 0) {
            assert_true(first[i]);
            assert_true(weft_grow((void **)&out->data, &out->cap, out->count + 1, sizeof *out->data));
            out->data[out->count++] = owner[i];
            to = i + v->entries[owner[i]].len;
        } else {
            while (to < len && owner[to] < 0) to++;
            plain_piece(v, text + i, to - i, out);
        }
        i = to;
    }
}

// ---- Random vocabularies ------------------------------------------------------------------------------------

static size_t random_text(char *out, size_t most) {
    static const char *const letters[] = {"a", "b", "c", "<", " ", "\n", "\xC3\xA9", SPACE, "\xFF", "\xE2"};
    size_t len = 0, kinds = next_random(2) ? 3 : 10; // few letters make long merges, many make broken characters
    for (size_t n = next_random((uint32_t)most + 1); n > 0; n--) {
        const char *letter = letters[next_random((uint32_t)kinds)];
        if (len + strlen(letter) > most) break;
        memcpy(out + len, letter, strlen(letter));
        len += strlen(letter);
    }
    return len;
}

static void random_vocabulary(struct vocabulary *v) {
    v->count = 0;
    add_bytes(v);
    uint32_t specials = next_random(12), scores = 1 + next_random(100); // few scores make ties
    for (int n = 30 + (int)next_random(100); n > 0; n--) {
        char text[24];
        size_t len = random_text(text, 1 + next_random(n % 4 ? 4 : 20));
        int type = next_random(100) < specials ? 2 + (int)next_random(4) : WEFT_TOKEN_NORMAL;
        add(v, text, len, -(float)next_random(scores), type);
    }
}

static void fail_with_text(const char *text, size_t len, uint64_t seed) {
    for (size_t i = 0; i < len; i++) fprintf(stderr, "\\x%02x", (unsigned char)text[i]);
    fail_msg("ids differ from the plain rules (random state %llx)", (unsigned long long)seed);
}

static void test_against_plain_rules(void **state) {
    (void)state;
    static struct vocabulary v;
    size_t specials_seen = 0;
    for (int round = 0; round < 150; round++) {
        struct weft_tokenizer *t = NULL;
        random_vocabulary(&v);
        begin(&v);
        gw_integer(&writer, "tokenizer.ggml.add_space_prefix", WEFT_SOURCE_BOOL, 0);
        assert_int_equal(finish(&t), WEFT_OK);
        for (int i = 0; i < 20; i++) {
            char text[301];
            uint64_t seed = random_state;
            size_t len = random_text(text, i < 15 ? 40 : 300);
            bool control = next_random(2);
            struct weft_ids got = {0}, want = {0};
            assert_int_equal(weft_tokenizer_encode(t, text, len, control ? WEFT_ENCODE_PARSE_SPECIAL : 0, &got),
                             WEFT_OK);
            plain_encode(&v, text, len, control, &want);
            if (got.count != want.count || (got.count && memcmp(got.data, want.data, 4 * got.count) != 0))
                fail_with_text(text, len, seed);
            for (size_t k = 0; k < got.count; k++)
                specials_seen += v.entries[got.data[k]].type == WEFT_TOKEN_USER_DEFINED;
            weft_ids_free(&got);
            weft_ids_free(&want);
        }
        weft_tokenizer_destroy(t);
    }
    assert_true(specials_seen > 500); // the comparison saw what it is for
}

// ---- Small vocabularies -------------------------------------------------------------------------------------

static void small_vocabulary(struct vocabulary *v) {
    v->count = 0;
    add(v, "<unk>", 5, 0, WEFT_TOKEN_UNKNOWN);
    add(v, "<s>", 3, 0, WEFT_TOKEN_CONTROL);
    add(v, "</s>", 4, 0, WEFT_TOKEN_CONTROL);
    add(v, SPACE, 3, -1, WEFT_TOKEN_NORMAL);
    add(v, "a", 1, -2, WEFT_TOKEN_NORMAL);
    add(v, SPACE "a", 4, -3, WEFT_TOKEN_NORMAL);
    add(v, "<|im_end|>", 10, 0, WEFT_TOKEN_CONTROL);
    add(v, "<end_of_turn>", 13, 0, WEFT_TOKEN_USER_DEFINED);
    add(v, "stop", 4, 0, WEFT_TOKEN_UNUSED);
}

static void check_ids(const struct weft_tokenizer *t, const char *text, size_t len, unsigned flags, const int32_t *want,
                      size_t count) {
    struct weft_ids ids = {0};
    assert_int_equal(weft_tokenizer_encode(t, text, len, flags, &ids), WEFT_OK);
    if (ids.count != count || (count && memcmp(ids.data, want, 4 * count) != 0)) {
        fprintf(stderr, "\"%.*s\" gives", (int)len, text);
        for (size_t i = 0; i < ids.count; i++) fprintf(stderr, " %d", ids.data[i]);
        fail_msg("not the %zu ids wanted", count);
    }
    weft_ids_free(&ids);
}

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / 4

static void test_keys(void **state) {
    (void)state;
    static struct vocabulary v;
    struct weft_tokenizer *t = NULL;
    small_vocabulary(&v);
    begin(&v);
    gw_integer(&writer, "tokenizer.ggml.bos_token_id", WEFT_SOURCE_U32, 1);
    gw_integer(&writer, "tokenizer.ggml.eos_token_id", WEFT_SOURCE_U32, 2);
    gw_integer(&writer, "tokenizer.ggml.eot_token_id", WEFT_SOURCE_U32, 8);
    gw_integer(&writer, "tokenizer.ggml.unknown_token_id", WEFT_SOURCE_U32, 0);
    gw_integer(&writer, "tokenizer.ggml.add_eos_token", WEFT_SOURCE_BOOL, 1);
    assert_int_equal(finish(&t), WEFT_OK);
    // add_bos and add_space_prefix are on where the file says nothing; without byte tokens a byte is unknown.
    check_ids(t, "a a", 3, WEFT_ENCODE_ADD_BOS, IDS(1, 5, 5, 2));
    check_ids(t, "a a", 3, 0, IDS(5, 5));
    check_ids(t, "", 0, 0, NULL, 0);
    check_ids(t, "", 0, WEFT_ENCODE_ADD_BOS, IDS(1, 2));
    check_ids(t, "ba", 2, 0, IDS(3, 0, 4));
    check_ids(t, "<s>a", 4, WEFT_ENCODE_PARSE_SPECIAL, IDS(1, 5));
    check_ids(t, "<s>", 3, 0, IDS(3, 0, 0, 0));
    check_ids(t, "<s><s>", 6, WEFT_ENCODE_PARSE_SPECIAL | WEFT_ENCODE_ADD_BOS, IDS(1, 1, 1, 2));
    check_ids(t, "<end_of_turn>a", 14, 0, IDS(7, 5));
    check_ids(t, "<unk>", 5, WEFT_ENCODE_PARSE_SPECIAL, IDS(0));
    // Stops: by key, and by text where the type is control; <end_of_turn> is user-defined here.
    size_t n;
    const int32_t *stops = weft_tokenizer_stop_ids(t, &n);
    assert_int_equal(n, 3);
    assert_memory_equal(stops, ((int32_t[]){2, 6, 8}), 12);
    for (int id = -1; id < 10; id++) assert_int_equal(weft_tokenizer_is_stop(t, id), id == 2 || id == 6 || id == 8);
    assert_int_equal(weft_tokenizer_size(t), 9);
    assert_int_equal(weft_tokenizer_bos(t), 1);
    assert_int_equal(weft_tokenizer_eos(t), 2);
    assert_true(weft_tokenizer_adds_bos(t));
    assert_string_equal(weft_tokenizer_kind(t), "llama");
    assert_int_equal(weft_tokenizer_type(t, 8), WEFT_TOKEN_UNUSED);
    assert_null(weft_tokenizer_text(t, 9).data);
    assert_int_equal(weft_tokenizer_find(t, "</s>", 4), 2);
    assert_int_equal(weft_tokenizer_find(t, "</s", 3), -1);
    // Decoding.
    static const char *const plain[] = {"", "", "", " ", "a", " a", "", "<end_of_turn>", ""};
    static const char *const shown[] = {"<unk>", "<s>", "</s>", " ", "a", " a", "<|im_end|>", "<end_of_turn>", "stop"};
    for (int id = 0; id < 9; id++) {
        struct weft_str a = {0}, b = {0};
        assert_int_equal(weft_tokenizer_decode(t, id, false, &a), WEFT_OK);
        assert_int_equal(weft_tokenizer_decode(t, id, true, &b), WEFT_OK);
        assert_string_equal(weft_str_get(&a), plain[id]);
        assert_string_equal(weft_str_get(&b), shown[id]);
        weft_str_free(&a);
        weft_str_free(&b);
    }
    struct weft_str out = {0};
    assert_int_equal(weft_tokenizer_decode(t, 9, true, &out), WEFT_ERR_INVALID);
    assert_int_equal(weft_tokenizer_decode(t, -1, true, &out), WEFT_ERR_INVALID);
    weft_tokenizer_destroy(t);
}

static void test_equal_texts(void **state) {
    (void)state;
    static struct vocabulary v;
    struct weft_tokenizer *t = NULL;
    small_vocabulary(&v);
    add(&v, "a", 1, 5, WEFT_TOKEN_NORMAL);
    add(&v, "", 0, 5, WEFT_TOKEN_NORMAL); // never made
    add(&v, "", 0, 5, WEFT_TOKEN_USER_DEFINED);
    begin(&v);
    gw_integer(&writer, "tokenizer.ggml.unknown_token_id", WEFT_SOURCE_U32, 0);
    gw_integer(&writer, "tokenizer.ggml.add_space_prefix", WEFT_SOURCE_BOOL, 0);
    assert_int_equal(finish(&t), WEFT_OK);
    check_ids(t, "aa", 2, WEFT_ENCODE_ADD_BOS, IDS(9, 9)); // no bos key: none is added
    assert_int_equal(weft_tokenizer_find(t, "", 0), -1);
    assert_int_equal(weft_tokenizer_eos(t), -1);
    assert_false(weft_tokenizer_is_stop(t, -1));
    weft_tokenizer_destroy(t);
}

static void expect_refused(weft_status status, const char *part) {
    struct weft_tokenizer *t = (struct weft_tokenizer *)&writer;
    assert_int_equal(finish(&t), status);
    assert_null(t);
    if (!strstr(weft_error_message(), part)) fail_msg("'%s' is not in: %s", part, weft_error_message());
}

static void test_refusals(void **state) {
    (void)state;
    static struct vocabulary v;
    static const char *const ids[] = {"bos", "eos", "unknown", "eot"};
    for (size_t i = 0; i < 4; i++) {
        for (int wrong_type = 0; wrong_type < 2; wrong_type++) {
            char key[64];
            small_vocabulary(&v);
            begin(&v);
            snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", ids[i]);
            gw_integer(&writer, key, wrong_type ? WEFT_SOURCE_F32 : WEFT_SOURCE_U32, wrong_type ? 0 : 9);
            expect_refused(WEFT_ERR_FORMAT, key);
        }
    }
    begin(&v);
    expect_refused(WEFT_ERR_FORMAT, "neither a token for byte 0x00 nor an unknown token");
    gw_begin(&writer, 3);
    expect_refused(WEFT_ERR_NOT_FOUND, "tokenizer.ggml.model");
    gw_begin(&writer, 3);
    gw_text(&writer, "tokenizer.ggml.model", "rwkv");
    expect_refused(WEFT_ERR_UNSUPPORTED, "'rwkv'");
    gw_begin(&writer, 3);
    gw_text(&writer, "tokenizer.ggml.model", "llama");
    expect_refused(WEFT_ERR_NOT_FOUND, "tokenizer.ggml.tokens");
    gw_array(&writer, "tokenizer.ggml.tokens", WEFT_SOURCE_STRING, 0);
    expect_refused(WEFT_ERR_FORMAT, "is empty");
    for (int missing = 0; missing < 4; missing++) { // scores: absent, too few, not floats, NaN
        gw_begin(&writer, 3);
        gw_text(&writer, "tokenizer.ggml.model", "llama");
        gw_integer(&writer, "tokenizer.ggml.unknown_token_id", WEFT_SOURCE_U32, 0);
        gw_array(&writer, "tokenizer.ggml.tokens", WEFT_SOURCE_STRING, 2);
        gw_string(&writer, "", "a", 1);
        gw_string(&writer, "", "b", 1);
        if (missing)
            gw_array(&writer, "tokenizer.ggml.scores", missing == 2 ? WEFT_SOURCE_I32 : WEFT_SOURCE_F32,
                     missing == 1 ? 1 : 2);
        if (missing) gw_number(&writer, 0, 4);
        if (missing > 1) gw_number(&writer, 0x7FC00000, 4);
        expect_refused(missing ? WEFT_ERR_FORMAT : WEFT_ERR_NOT_FOUND, "tokenizer.ggml.scores");
    }
    for (int type = -1; type < 9; type++) {
        struct weft_tokenizer *t = NULL;
        small_vocabulary(&v);
        v.entries[4].type = type;
        begin(&v);
        gw_integer(&writer, "tokenizer.ggml.unknown_token_id", WEFT_SOURCE_U32, 0);
        if (type < 0 || type > 6) expect_refused(WEFT_ERR_FORMAT, "tokenizer.ggml.token_type: token 4");
        else if (type == 6) expect_refused(WEFT_ERR_FORMAT, "token 4 is a byte token");
        else assert_int_equal(finish(&t), WEFT_OK);
        weft_tokenizer_destroy(t);
    }
}

static void test_out_of_memory(void **state) {
    (void)state;
    static struct vocabulary v;
    struct weft_tokenizer *t = NULL;
    small_vocabulary(&v);
    begin(&v);
    gw_integer(&writer, "tokenizer.ggml.unknown_token_id", WEFT_SOURCE_U32, 0);
    assert_int_equal(finish(&t), WEFT_OK);
    struct weft_ids ids = {0};
    assert_int_equal(weft_tokenizer_encode(t, "a", 1, 0, &ids), WEFT_OK);
    int64_t live = weft_alloc_stats().live;
    for (uint64_t n = 1;; n++) {
        weft_alloc_fail_at(n, 0);
        weft_status status = weft_tokenizer_encode(t, "a a<end_of_turn>aa <s>aaaaaaaaaaaaaaaaa", 37, 3, &ids);
        weft_alloc_fail_at(0, 0);
        assert_int_equal(weft_alloc_stats().live, live);
        if (status == WEFT_OK) break;
        assert_int_equal(status, WEFT_ERR_NOMEM);
        assert_int_equal(ids.count, 1); // as it was
        assert_true(n < 100);
    }
    assert_true(ids.count > 10);
    weft_ids_free(&ids);
    weft_tokenizer_destroy(t);
}

// ---- Streaming ----------------------------------------------------------------------------------------------

static struct weft_tokenizer *byte_tokenizer(void) {
    static struct vocabulary v;
    struct weft_tokenizer *t = NULL;
    v.count = 0;
    add_bytes(&v);
    begin(&v);
    gw_integer(&writer, "tokenizer.ggml.add_space_prefix", WEFT_SOURCE_BOOL, 0);
    assert_int_equal(finish(&t), WEFT_OK);
    return t;
}

static void test_streaming(void **state) {
    (void)state;
    struct weft_tokenizer *t = byte_tokenizer();
    // What is held after each byte: only what can still become a character.
    static const struct {
        const char *bytes, *held;
    } cases[] = {{"a", "0"},
                 {"\xC3\xA9z", "100"},
                 {"\xE2\x82\xAC", "120"},
                 {"\xF0\x9F\x91\xA9", "1230"},
                 {"\xC0\xAF", "00"},           // overlong
                 {"\xE0\x80\x80", "100"},      // overlong
                 {"\xED\xA0\x80", "100"},      // a surrogate
                 {"\xF4\x90\x80\x80", "1000"}, // beyond U+10FFFF
                 {"\xF5\x80", "00"},
                 {"\x80\xBF", "00"},
                 {"\xE2\x82\xE2\x82\xAC", "12120"},
                 {"\xC3\xC3\xA9", "110"},
                 {"\xF0\x9F\x91x", "1230"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weft_decoder d = {.tokenizer = t};
        struct weft_str out = {0};
        size_t n = strlen(cases[i].bytes);
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(weft_decoder_push(&d, (unsigned char)cases[i].bytes[k], &out), WEFT_OK);
            if (d.held != (unsigned)(cases[i].held[k] - '0'))
                fail_msg("case %zu holds %u after byte %zu", i, d.held, k);
            assert_int_equal(out.len + d.held, k + 1);
        }
        assert_int_equal(weft_decoder_flush(&d, &out), WEFT_OK);
        assert_memory_equal(out.data, cases[i].bytes, n);
        assert_int_equal(out.len, n);
        weft_str_free(&out);
    }
    // A wrong id leaves what is held alone.
    struct weft_decoder d = {.tokenizer = t};
    struct weft_str out = {0};
    assert_int_equal(weft_decoder_push(&d, 0xE2, &out), WEFT_OK);
    assert_int_equal(weft_decoder_push(&d, 256, &out), WEFT_ERR_INVALID);
    assert_int_equal(out.len, 0);
    assert_int_equal(weft_decoder_push(&d, 0x82, &out), WEFT_OK);
    assert_int_equal(weft_decoder_push(&d, 0xAC, &out), WEFT_OK);
    assert_string_equal(weft_str_get(&out), "\xE2\x82\xAC");
    weft_str_free(&out);
    weft_tokenizer_destroy(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_plain_rules), cmocka_unit_test(test_keys),
        cmocka_unit_test(test_equal_texts),         cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_out_of_memory),       cmocka_unit_test(test_streaming),
    };
    return cmocka_run_group_tests_name("model/tokenizer", tests, NULL, NULL);
}
