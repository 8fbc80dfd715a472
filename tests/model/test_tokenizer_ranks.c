/// Byte-pair encoding by rank on vocabularies made here: against a plain reading of the rules, keys, refusals.
#include "core/alloc.h"
#include "core/utf8.h"
#include "model/tokenizer/impl.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vocabulary_file.h"

static uint64_t random_state = 7;

static uint32_t next_random(uint32_t bound) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % bound;
}

// ---- a vocabulary of bytes and random merges
// --------------------------------------------------------------------------

enum { BYTES = 256, MERGES = 120 };

static char texts[BYTES + MERGES][64], merge_texts[MERGES][128];
static const char *tokens[BYTES + MERGES], *merges[MERGES];
static int left_of[MERGES], right_of[MERGES];
static size_t n_tokens;

static int find_text(const char *text) {
    for (size_t i = 0; i < n_tokens; i++)
        if (strcmp(texts[i], text) == 0) return (int)i;
    return -1;
}

static void make_vocabulary(void) {
    static const char letters[] = "ab \n1'"; // of which texts are made
    for (n_tokens = 0; n_tokens < BYTES; n_tokens++) {
        char byte = (char)n_tokens;
        texts[n_tokens][weft_bytes_spell(&byte, 1, texts[n_tokens])] = 0;
    }
    for (size_t m = 0; m < MERGES;) {
        char both[128];
        size_t last = n_tokens - BYTES;
        int a =
            next_random(2) || !last ? (unsigned char)letters[next_random(6)] : BYTES + (int)next_random((uint32_t)last);
        int b =
            next_random(2) || !last ? (unsigned char)letters[next_random(6)] : BYTES + (int)next_random((uint32_t)last);
        snprintf(both, sizeof both, "%s%s", texts[a], texts[b]);
        if (strlen(both) > 40) continue;
        if (find_text(both) < 0) memcpy(texts[n_tokens++], both, strlen(both) + 1);
        left_of[m] = a;
        right_of[m] = b;
        snprintf(merge_texts[m++], sizeof merge_texts[0], "%s %s", texts[a], texts[b]);
    }
    for (size_t i = 0; i < n_tokens; i++) tokens[i] = texts[i];
    for (size_t i = 0; i < MERGES; i++) merges[i] = merge_texts[i];
}

static void begin(const char *pre) {
    vf_begin("gpt2", tokens, n_tokens);
    if (pre) gw_text(&vf_writer, "tokenizer.ggml.pre", pre);
    vf_texts("tokenizer.ggml.merges", merges, MERGES);
}

/// The rules read plainly: the best pair anywhere is merged, from the left, until there is none.
static size_t plain_word(const char *word, size_t len, int *ids) {
    size_t n = 0;
    for (; n < len; n++) ids[n] = (unsigned char)word[n];
    for (;;) {
        size_t best = SIZE_MAX, rank = MERGES;
        for (size_t i = 0; i + 1 < n; i++)
            for (size_t m = 0; m < rank; m++)
                if (left_of[m] == ids[i] && right_of[m] == ids[i + 1]) rank = m, best = i;
        if (best == SIZE_MAX) return n;
        char both[128];
        snprintf(both, sizeof both, "%s%s", texts[ids[best]], texts[ids[best + 1]]);
        ids[best] = find_text(both);
        n--;
        for (size_t i = best + 1; i < n; i++) ids[i] = ids[i + 1];
    }
}

static void test_against_plain_rules(void **state) {
    (void)state;
    static const char mixed[] = "aabb \n1'";
    size_t merged = 0;
    for (int round = 0; round < 40; round++) {
        make_vocabulary();
        begin("laguna");
        struct weft_tokenizer *t = vf_must_open();
        for (int i = 0; i < 20; i++) {
            char text[64];
            size_t len = next_random(60);
            for (size_t k = 0; k < len; k++) text[k] = (char)('a' + next_random(2)); // letters alone are one word
            int want[64];
            size_t n = plain_word(text, len, want);
            struct weft_ids got = {0};
            assert_int_equal(weft_tokenizer_encode(t, text, len, 0, &got), WEFT_OK);
            if (got.count != n || (n && memcmp(got.data, want, n * sizeof *want) != 0))
                fail_msg("\"%.*s\" gives %zu ids, not these %zu", (int)len, text, got.count, n);
            merged += len - n;
            weft_ids_free(&got);
        }
        for (int i = 0; i < 20; i++) { // and any bytes come back
            char text[200];
            size_t len = next_random(200);
            struct weft_ids ids = {0};
            struct weft_str back = {0};
            for (size_t k = 0; k < len; k++) text[k] = i % 2 ? (char)next_random(256) : mixed[next_random(8)];
            assert_int_equal(weft_tokenizer_encode(t, text, len, 0, &ids), WEFT_OK);
            for (size_t k = 0; k < ids.count; k++)
                assert_int_equal(weft_tokenizer_decode(t, ids.data[k], false, &back), WEFT_OK);
            assert_int_equal(back.len, len);
            if (len) assert_memory_equal(back.data, text, len);
            weft_ids_free(&ids);
            weft_str_free(&back);
        }
        weft_tokenizer_destroy(t);
    }
    assert_true(merged > 1000); // the comparison saw what it is for
}

// ---- small vocabularies ---------------------------------------------------------------------------------------------

#define G "\u0120" // how a space is written

static const char *const small[] = {"<|endoftext|>", "a", "b",   G,        "ab",     G "ab",
                                    "abc",           "c", "<x>", "\u00C3", "\u00A9", "<unk>"};
static const char *const small_merges[] = {"a b", G " ab", "a b"};

static void begin_small(const char *pre) {
    vf_begin("gpt2", small, 12);
    vf_types("311111114113");
    gw_text(&vf_writer, "tokenizer.ggml.pre", pre);
    vf_texts("tokenizer.ggml.merges", small_merges, 3);
    vf_id("bos", 0);
    vf_id("eos", 0);
}

static void test_keys(void **state) {
    (void)state;
    begin_small("gpt-2");
    struct weft_tokenizer *t = vf_must_open();
    assert_string_equal(weft_tokenizer_kind(t), "gpt2");
    vf_check(t, "ab ab abc", WEFT_ENCODE_ADD_BOS, "4 5 5 7"); // nothing is added unless the file says so
    vf_check(t, "a<|endoftext|>b", WEFT_ENCODE_PARSE_SPECIAL, "1 0 2");
    vf_check(t, "azbz", 0, "4"); // neither a token nor an unknown token: left out, and its neighbours merge
    vf_check(t, "zz", 0, "");
    vf_check(t, "", 0, "");
    vf_check_back(t, "ab abc a", "ab abc a");
    weft_tokenizer_destroy(t);
    begin_small("llama-bpe"); // whole words that are tokens need no merges, and BOS is added
    t = vf_must_open();
    vf_check(t, "abc ab", WEFT_ENCODE_ADD_BOS, "0 6 5");
    weft_tokenizer_destroy(t);
    begin_small("llama-bpe");
    vf_flag("add_bos_token", false);
    vf_flag("add_eos_token", true);
    vf_id("unknown", 11);
    t = vf_must_open();
    vf_check(t, "zab", WEFT_ENCODE_ADD_BOS, "11 4 0");
    weft_tokenizer_destroy(t);
    begin_small("roberta-bpe"); // BOS in front, the separator behind
    vf_id("seperator", 8);
    t = vf_must_open();
    vf_check(t, "ab", WEFT_ENCODE_ADD_BOS, "0 4 8");
    weft_tokenizer_destroy(t);
}

static void test_refusals(void **state) {
    (void)state;
    begin_small("no-such-way");
    vf_refused(WEFT_ERR_UNSUPPORTED, "tokenizer.ggml.pre is 'no-such-way'");
    begin_small("roberta-bpe");
    vf_refused(WEFT_ERR_FORMAT, "no seperator_token_id");
    begin_small("gpt-2");
    vf_flag("remove_extra_whitespaces", true);
    vf_refused(WEFT_ERR_UNSUPPORTED, "tokenizer.ggml.remove_extra_whitespaces");
    begin_small("gpt-2");
    vf_flag("normalizer.lowercase", true);
    vf_refused(WEFT_ERR_UNSUPPORTED, "tokenizer.ggml.normalizer.lowercase");
    vf_begin("gpt2", small, 12);
    vf_refused(WEFT_ERR_NOT_FOUND, "tokenizer.ggml.merges");
    static const struct {
        const char *merge, *part;
    } rows[] = {{"ab", "element 0 is not two texts"},   {"", "element 0 is not two texts"},
                {" ", "element 0 is not two texts"},    {"a q", "has a text that is no token"},
                {"q a", "has a text that is no token"}, {"b a", "has a text that is no token"},
                {"a ", "has a text that is no token"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        vf_begin("gpt2", small, 12);
        vf_texts("tokenizer.ggml.merges", &rows[i].merge, 1);
        vf_refused(WEFT_ERR_FORMAT, rows[i].part);
    }
}

/// Characters instead of bytes, with tokens for the bytes of those that are none.
static void test_characters(void **state) {
    (void)state;
    static const char *const list[] = {"<bos>", "a", "\u2581", "\u2581a", "<0xC3>", "<0xA9>", "\u00E9a", "aa"};
    static const char *const pairs[] = {"\u2581 a", "a a"};
    vf_begin("gemma4", list, 8);
    vf_types("31116611");
    vf_texts("tokenizer.ggml.merges", pairs, 2);
    vf_id("bos", 0);
    struct weft_tokenizer *t = vf_must_open();
    vf_check(t, "a aaa", WEFT_ENCODE_ADD_BOS, "0 1 3 7");
    vf_check(t, "a\u00E9", 0, "1 4 5");
    vf_check_back(t, "a\u00E9 aa", "a\u00E9 aa");
    weft_tokenizer_destroy(t);
}

static void test_alphabet(void **state) {
    (void)state;
    bool seen[0x200] = {false};
    for (int b = 0; b < 256; b++) {
        uint32_t code = weft_byte_char((unsigned char)b);
        assert_true(code < 0x144 && !seen[code]);
        seen[code] = true;
        assert_int_equal(weft_char_byte(code), b);
    }
    for (uint32_t code = 0; code < 0x200; code++)
        if (!seen[code]) assert_int_equal(weft_char_byte(code), -1);
    assert_int_equal(weft_byte_char(' '), 0x120);
    assert_int_equal(weft_byte_char('\n'), 0x10A);
    assert_int_equal(weft_byte_char(0xAD), 0x143);
}

static void begin_small_llama(void) { begin_small("llama-bpe"); }

static void test_out_of_memory(void **state) {
    (void)state;
    vf_without_memory(begin_small_llama, "ab<x>abc ab", 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_plain_rules),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_alphabet),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
