/// WordPiece and unigram on vocabularies made here: rules, a plain search for the best way, mappings, refusals.
#include "core/alloc.h"
#include "model/tokenizer/impl.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vocabulary_file.h"

static uint64_t random_state = 11;

static uint32_t next_random(uint32_t bound) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % bound;
}

// ---- WordPiece
// --------------------------------------------------------------------------------------------------------

#define W "\u2581" // in front of a word's first piece
static const char *const pieces[] = {"[UNK]",    "[CLS]", "[SEP]", W "un", "want", "ed",  W "want", W "a",     W "!",
                                     W "\u4E2D", W "e",   W "unw", "b",    W "!?", W "x", "\u00E9", W "\u00E9"};
enum { N_PIECES = sizeof pieces / sizeof *pieces };

static void begin_pieces(void) {
    vf_begin("bert", pieces, N_PIECES);
    vf_types("23311111111111111");
    vf_id("unknown", 0);
    vf_id("cls", 1);
    vf_id("seperator", 2);
}

static void test_wordpiece(void **state) {
    (void)state;
    begin_pieces();
    struct weft_tokenizer *t = vf_must_open();
    assert_string_equal(weft_tokenizer_kind(t), "bert");
    vf_check(t, "", WEFT_ENCODE_ADD_BOS, "1 2");
    vf_check(t, "want ed", WEFT_ENCODE_ADD_BOS, "1 6 0 2"); // "ed" begins no word
    vf_check(t, "unwanted", 0, "0");                        // the longest beginning is taken, and what is left is none
    vf_check(t, "unedwant", 0, "3 5 4");
    vf_check(t, "un" W "want", 0, "0"); // a mark in the text begins no word
    vf_check(t, "WANT", 0, "6");
    vf_check(t, "a!a", 0, "7 8 7");      // marks are words of their own
    vf_check(t, "a!?", 0, "7 8 0");      // each of them
    vf_check(t, "a\u4E2Da", 0, "7 9 7"); // and Chinese characters
    vf_check(t, "\u00C9\u00E9e\u0301", 0, "0");
    vf_check(t, "\u00C9", 0, "10"); // without its accent
    vf_check(t, "a\tab\n a\u200B", 0, "7 7 12 7");
    vf_check(t,
             "a\x80"
             "b",
             0, "0"); // a broken byte is kept, so that the word is unknown
    vf_check(t, "[SEP] a", WEFT_ENCODE_PARSE_SPECIAL, "2 7");
    vf_check_back(t, "uned want!", " uned want !");
    char word[103];
    memset(word, 'b', sizeof word);
    word[0] = 'a';
    word[102] = 0;
    vf_check(t, word, 0, "0"); // longer than a word may be
    struct weft_ids ids = {0};
    assert_int_equal(weft_tokenizer_encode(t, word, 100, 0, &ids), WEFT_OK);
    assert_int_equal(ids.count, 100);
    weft_ids_free(&ids);
    weft_tokenizer_destroy(t);
    begin_pieces();
    vf_flag("normalizer.lowercase", false);
    t = vf_must_open();
    vf_check(t, "WANT want \u00E9 e\u0301", 0, "0 6 16 0"); // accents stay with the case
    weft_tokenizer_destroy(t);
    vf_begin("bert", pieces, N_PIECES);
    vf_id("seperator", 2);
    vf_refused(WEFT_ERR_FORMAT, "no unknown token");
}

// ---- unigram
// ----------------------------------------------------------------------------------------------------------

enum { MOST = 40 };
static char token_texts[MOST][16];
static float scores[MOST];
static const char *tokens[MOST];
static size_t n_tokens;

/// The best sum of a text, by trying every way. An unknown character takes the place of one that is no token.
static double best_sum(const char *text, size_t len, double unknown) {
    double best = -INFINITY;
    if (len == 0) return 0;
    bool single = false;
    for (size_t i = 1; i < n_tokens; i++) {
        size_t n = strlen(token_texts[i]);
        if (n > len || memcmp(token_texts[i], text, n) != 0) continue;
        single = single || n == 1;
        double sum = scores[i] + best_sum(text + n, len - n, unknown);
        if (sum > best) best = sum;
    }
    if (!single) {
        double sum = unknown + best_sum(text + 1, len - 1, unknown);
        if (sum > best) best = sum;
    }
    return best;
}

static void test_unigram_is_best(void **state) {
    (void)state;
    size_t unknowns = 0, longer = 0;
    for (int round = 0; round < 60; round++) {
        double least = 0;
        snprintf(token_texts[0], sizeof token_texts[0], "<unk>");
        for (n_tokens = 1; n_tokens < 12 + next_random(20);) {
            char *text = token_texts[n_tokens];
            size_t len = 1 + next_random(n_tokens < 4 ? 1 : 4);
            for (size_t k = 0; k < len; k++) text[k] = (char)('a' + next_random(3));
            text[len] = 0;
            bool again = false;
            for (size_t i = 1; i < n_tokens; i++) again = again || !strcmp(token_texts[i], text);
            if (again) continue;
            scores[n_tokens] = -(float)next_random(1000) / 64;
            if (scores[n_tokens] < least) least = scores[n_tokens];
            n_tokens++;
        }
        for (size_t i = 0; i < n_tokens; i++) tokens[i] = token_texts[i];
        vf_begin("t5", tokens, n_tokens);
        vf_scores(scores, n_tokens);
        char types[MOST + 1] = "2";
        memset(types + 1, '1', n_tokens - 1);
        types[n_tokens] = 0;
        vf_types(types);
        vf_id("unknown", 0);
        vf_flag("add_space_prefix", false);
        struct weft_tokenizer *t = vf_must_open();
        for (int i = 0; i < 10; i++) {
            char text[13];
            size_t len = next_random(12);
            double sum = 0;
            for (size_t k = 0; k < len; k++) text[k] = (char)('a' + next_random(4));
            struct weft_ids ids = {0};
            assert_int_equal(weft_tokenizer_encode(t, text, len, 0, &ids), WEFT_OK);
            size_t at = 0;
            for (size_t k = 0; k < ids.count; k++) {
                int32_t id = ids.data[k];
                bool unknown = id == 0;
                if (k) assert_true(!unknown || ids.data[k - 1] != 0); // one for all in a row
                size_t n = unknown ? 0 : strlen(token_texts[id]);
                for (; unknown && at < len && text[at] == 'd'; at++, unknowns++) sum += least - 10; // no token has a d
                if (!unknown) assert_true(at + n <= len && !memcmp(text + at, token_texts[id], n));
                if (!unknown) sum += scores[id];
                longer += n > 1;
                at += n;
            }
            assert_int_equal(at, len);
            double want = best_sum(text, len, least - 10);
            if (fabs(sum - want) > 1e-4) fail_msg("\"%.*s\": %g instead of %g", (int)len, text, sum, want);
            weft_ids_free(&ids);
        }
        weft_tokenizer_destroy(t);
    }
    assert_true(unknowns > 50 && longer > 300); // the comparison saw what it is for
}

/// A mapping: U+FB01 becomes "fi", "A" becomes "a", U+200B nothing.
static size_t write_map(uint8_t *out) {
    // A double array by hand: the root leads to 256 ^ byte, each node behind it to a place of its own.
    static uint32_t units[4096];
    memset(units, 0, sizeof units);
    static const struct {
        const char *from;
        uint32_t to;
    } rows[] = {{"\uFB01", 0}, {"A", 3}, {"\u200B", 5}};
    static const char texts[] = "fi\0a\0";
    units[0] = 256u << 10;
    uint32_t free_base = 512, bases[4096] = {0};
    bases[0] = 256;
    for (size_t i = 0; i < 3; i++) {
        uint32_t node = 0;
        for (const char *c = rows[i].from; *c; c++) {
            uint32_t next = bases[node] ^ (unsigned char)*c;
            if (!bases[next]) {
                bases[next] = free_base;
                free_base += 256;
                units[next] = (unsigned char)*c | (next ^ bases[next]) << 10;
            }
            node = next;
        }
        units[node] |= 1u << 8;
        units[bases[node]] = 1u << 31 | rows[i].to;
    }
    for (size_t i = 0; i < 4096; i++)
        for (unsigned k = 0; k < 4; k++) out[4 + 4 * i + k] = (uint8_t)(units[i] >> 8 * k);
    for (unsigned k = 0; k < 4; k++) out[k] = (uint8_t)(16384u >> 8 * k);
    memcpy(out + 4 + 16384, texts, 6);
    return 4 + 16384 + 6;
}

static const char *const words[] = {"<unk>", "</s>", W, W "fi", "a", W "a", "fi", "<0x21>", "<0xC3>", "<0xA9>"};
static const float word_scores[] = {0, 0, -2, -1, -3, -2.5f, -4, 0, 0, 0};

static void begin_words(void) {
    vf_begin("t5", words, 10);
    vf_types("2311111666");
    vf_scores(word_scores, 10);
    vf_id("unknown", 0);
    vf_id("eos", 1);
}

static void test_unigram_keys(void **state) {
    (void)state;
    static uint8_t map[16500];
    size_t size = write_map(map);
    begin_words();
    struct weft_tokenizer *t = vf_must_open();
    assert_string_equal(weft_tokenizer_kind(t), "t5");
    vf_check(t, "fi a", WEFT_ENCODE_ADD_BOS, "3 5 1"); // EOS behind, unless the file says otherwise
    vf_check(t, "", 0, "");
    vf_check(t, " a", 0, "2 5");
    vf_check(t, "a!\u00E9q", 0, "5 0"); // one of the bytes is no token
    vf_check(t, "a!\u00E9", 0, "5 7 8 9");
    vf_check_back(t, "fi a!", " fi a!");
    weft_tokenizer_destroy(t);
    begin_words();
    vf_flag("remove_extra_whitespaces", true);
    gw_array(&vf_writer, "tokenizer.ggml.precompiled_charsmap", WEFT_SOURCE_U8, size);
    gw_bytes(&vf_writer, map, size);
    t = vf_must_open();
    vf_check(t, "  \uFB01   A ", 0, "3 5");
    vf_check(t, "\u200B\uFB01\u200B A", 0, "3 5");
    vf_check(t, "a\xEF\xAC", 0, "5 0"); // a broken beginning of a mapped character
    weft_tokenizer_destroy(t);
}

static void test_unigram_refusals(void **state) {
    (void)state;
    static uint8_t map[16500];
    size_t size = write_map(map);
    vf_begin("t5", words, 10);
    vf_scores(word_scores, 10);
    vf_refused(WEFT_ERR_FORMAT, "no unknown token");
    vf_begin("t5", words, 10);
    vf_scores((float[10]){0, INFINITY}, 10);
    vf_id("unknown", 0);
    vf_refused(WEFT_ERR_FORMAT, "score of token 1");
    for (int fault = 0; fault < 5; fault++) {
        begin_words();
        size_t n = fault == 0 ? 7 : fault == 1 ? 16000 : fault == 2 ? size - 2 : size;
        if (fault == 3) map[0] = 1;
        if (fault == 4) memset(map, 0, 4);
        gw_array(&vf_writer, "tokenizer.ggml.precompiled_charsmap", WEFT_SOURCE_U8, n);
        gw_bytes(&vf_writer, map, n);
        vf_refused(WEFT_ERR_FORMAT, "precompiled_charsmap");
        write_map(map);
    }
    // What is replaced by a text beyond all texts is not replaced.
    for (size_t i = 4; i < 4 + 16384; i += 4)
        if (map[i + 3] == 0x80 && map[i] == 3) map[i + 2] = 1; // that of "A"
    struct weft_charsmap far = {0};
    const char *with = NULL;
    assert_int_equal(weft_charsmap_load(&far, "far", map, size), WEFT_OK);
    assert_int_equal(weft_charsmap_find(&far, "A", 1, &with), 0);
    assert_int_equal(weft_charsmap_find(&far, "\uFB01", 3, &with), 3);
    assert_string_equal(with, "fi");
    weft_charsmap_free(&far);
    // Units that lead anywhere: whatever is found, nothing is read outside.
    for (int round = 0; round < 200; round++) {
        struct weft_charsmap m = {0};
        size_t units = 4 * (1 + next_random(64));
        for (size_t i = 4; i < 4 + units + 8; i++) map[i] = (uint8_t)next_random(256);
        for (unsigned k = 0; k < 4; k++) map[k] = (uint8_t)(units >> 8 * k);
        map[4 + units + 7] = 0;
        assert_int_equal(weft_charsmap_load(&m, "m", map, 4 + units + 8), WEFT_OK);
        for (int c = 1; c < 256; c++) {
            const char text[3] = {(char)c, (char)next_random(256), 0}, *with = NULL;
            size_t found = weft_charsmap_find(&m, text, 2, &with);
            assert_true(found <= 2 && (!found || (with >= m.texts && with < m.texts + m.n_texts)));
        }
        weft_charsmap_free(&m);
    }
    assert_int_equal(weft_alloc_stats().live, 0);
}

static void begin_words_with_map(void) {
    static uint8_t map[16500];
    size_t size = write_map(map);
    begin_words();
    gw_array(&vf_writer, "tokenizer.ggml.precompiled_charsmap", WEFT_SOURCE_U8, size);
    gw_bytes(&vf_writer, map, size);
}

static void test_out_of_memory(void **state) {
    (void)state;
    vf_without_memory(begin_words_with_map, "unwant a! fi", 300);
    vf_without_memory(begin_pieces, "unwant a! fi", 300);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wordpiece),     cmocka_unit_test(test_unigram_is_best),
        cmocka_unit_test(test_unigram_keys),  cmocka_unit_test(test_unigram_refusals),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
