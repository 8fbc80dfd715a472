/// tokenizer.json: each kind of model, normalizer and pre-tokenizer with a tiny vocabulary, added tokens, refusals.
#include "core/alloc.h"
#include "model/tokenizer/impl.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vocabulary_file.h"

#define MARK "\\u2581"

/// Ids of letters and some words.
#define WORDS                                                                                                          \
    "\"<unk>\":0,\"a\":1,\"b\":2,\"c\":3,\" \":4,\"ab\":5,\"abc\":6,\"1\":7,\"!\":8,\"" MARK "\":9,\"" MARK "a\":10,"  \
    "\"\\u0120\":11,\"\\u0120a\":12,\"A\":13,\"\\u00e9\":14,\"e\":15,\"-\":16"
#define BPE(MORE)                                                                                                      \
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"vocab\":{" WORDS                                            \
    "},\"merges\":[\"a b\",[\"ab\",\"c\"],\"" MARK " a\",\"\\u0120 a\"]" MORE "}"

static weft_status make(const char *text, struct weft_tokenizer **out) {
    return weft_tokenizer_create_json("t.json", text, strlen(text), 0, out);
}

static struct weft_tokenizer *must_make(const char *text) {
    struct weft_tokenizer *t;
    if (make(text, &t) != WEFT_OK) fail_msg("%s: %s", weft_error_message(), text);
    return t;
}

static void check(const char *members, const char *text, const char *want) {
    struct weft_str json = {0};
    weft_str_addf(&json, "{%s}", members);
    struct weft_tokenizer *t = must_make(weft_str_get(&json));
    vf_check(t, text, WEFT_ENCODE_PARSE_SPECIAL | WEFT_ENCODE_ADD_BOS, want);
    weft_tokenizer_destroy(t);
    weft_str_free(&json);
}

static void test_bpe(void **state) {
    (void)state;
    struct weft_tokenizer *t = must_make("{" BPE("") "}");
    assert_string_equal(weft_tokenizer_kind(t), "BPE");
    assert_int_equal(weft_tokenizer_size(t), 17);
    vf_check(t, "abc ab", 0, "6 4 5");
    vf_check(t, "xyb", 0, "0 0 2"); // one for each character
    vf_check_back(t, "abc ab", "abc ab");
    weft_tokenizer_destroy(t);
    check(BPE(",\"fuse_unk\":true"), "xyb\u4E2D", "0 2 0");
    check("\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}", "xab",
          "2"); // an old file, no unknown
    check("\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"<0xC3>\":1,\"<0xA9>\":2},\"merges\":[],"
          "\"byte_fallback\":true}",
          "a\u00E9", "0 1 2");
    check("\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[],\"ignore_merges\":true}",
          "ab", "2");
}

static void test_normalizers(void **state) {
    (void)state;
#define WITH(N) "\"normalizer\":" N "," BPE("")
    check(WITH("{\"type\":\"Lowercase\"}"), "ABC", "6");
    check(WITH("{\"type\":\"NFC\"}"), "e\u0301", "14");
    check(WITH("{\"type\":\"NFD\"}"), "\u00E9", "15 0");
    check(WITH("{\"type\":\"NFKC\"}"), "\uFF41", "1");
    check(WITH("{\"type\":\"NFKD\"}"), "\uFF41\u00E9", "1 15 0");
    check(WITH("{\"type\":\"StripAccents\"}"), "e\u0301\u0903", "15"); // marks of all kinds
    check(WITH("{\"type\":\"Strip\"}"), " \u3000a \t", "1");
    check(WITH("{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true}"), " a ", "4 1");
    check(WITH("{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":false}"), " a ", "1 4");
    check(WITH("{\"type\":\"Prepend\",\"prepend\":\"b\"}"), "a", "2 1");
    check(WITH("{\"type\":\"Prepend\",\"prepend\":\"b\"}"), "", "");
    check(WITH("{\"type\":\"Replace\",\"pattern\":{\"String\":\"ab\"},\"content\":\"c\"}"), "abab b", "3 3 4 2");
    check(WITH("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\" \"}"), "a   b", "1 4 2");
    check(WITH("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"},{\"type\":\"Sequence\",\"normalizers\":["
               "{\"type\":\"StripAccents\"},{\"type\":\"Lowercase\"}]}]}"),
          "\u00C1", "1");
    check(WITH("{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,\"strip_accents\":null,"
               "\"lowercase\":true}"),
          "\u00C1\t\u4E2D", "1 4 4 0 4");
    check(
        WITH("{\"type\":\"BertNormalizer\",\"clean_text\":false,\"handle_chinese_chars\":false,\"strip_accents\":false,"
             "\"lowercase\":false}"),
        "A\u00E9", "13 14");
    check(WITH("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"\"}"), "a", "1");
    check(WITH("null"), "a", "1");
}

static void test_pre_tokenizers(void **state) {
    (void)state;
#define CUT(P) "\"pre_tokenizer\":" P "," BPE("")
#define SPLIT(B, I) "{\"type\":\"Split\",\"pattern\":{\"String\":\"b\"},\"behavior\":\"" B "\",\"invert\":" I "}"
    check(CUT("null"), "abc", "6");
    check(CUT(SPLIT("Isolated", "false")), "abc", "1 2 3");
    check(CUT(SPLIT("Removed", "false")), "abc", "1 3");
    check(CUT(SPLIT("MergedWithPrevious", "false")), "abc", "5 3");
    check(CUT(SPLIT("MergedWithNext", "false")), "abc", "1 2 3"); // "bc" is no token
    check(CUT(SPLIT("Contiguous", "false")), "abbabc", "1 2 2 1 2 3");
    check(CUT(SPLIT("Removed", "true")), "abcb", "2 2");
    check(CUT("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"c+\"},\"behavior\":\"Removed\",\"invert\":false}"),
          "abccab", "5 5");
    check(CUT("{\"type\":\"Split\",\"pattern\":{\"String\":\".\"},\"behavior\":\"Removed\",\"invert\":false}"), "ab",
          "5");
    check(CUT("{\"type\":\"Whitespace\"}"), "ab!  a", "5 8 1");
    check(CUT("{\"type\":\"WhitespaceSplit\"}"), "ab!  a\u3000b", "5 8 1 2");
    check(CUT("{\"type\":\"BertPreTokenizer\"}"), "a-b a", "1 16 2 1");
    check(CUT("{\"type\":\"Digits\",\"individual_digits\":true}"), "ab11", "5 7 7");
    check(CUT("{\"type\":\"Punctuation\",\"behavior\":\"Removed\"}"), "a!b", "1 2");
    check(CUT("{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"-\"}"), "a-b", "1 2");
    check(CUT("{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"), "a ab\u00E9", "1 11 5 0 0");
    check(CUT("{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":false}"), "a b", "12 11 2");
    check(CUT("{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\",\"prepend_scheme\":\"always\"}"), "a  a",
          "10 9 10");
    check(CUT("{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\",\"prepend_scheme\":\"never\",\"split\":false}"),
          "a a", "1 10");
    check(CUT("{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\",\"add_prefix_space\":true}"), " a", "10");
    check(CUT("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},{\"type\":\"Metaspace\","
              "\"replacement\":\"" MARK "\",\"prepend_scheme\":\"always\"}]}"),
          " a  ab\u2581a", "10 9 5 10");
    check("\"added_tokens\":[{\"id\":20,\"content\":\"<s>\",\"special\":true,\"normalized\":false}],"
          "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"" MARK
          "\",\"prepend_scheme\":\"first\"}," BPE(""),
          "a<s>a", "10 20 1");
}

static void test_words_and_unigram(void **state) {
    (void)state;
    struct weft_tokenizer *t = must_make(
        "{\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":["
        "\"[SEP]\",2],\"cls\":[\"[CLS]\",1]},\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
        "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"max_input_chars_per_word\":6,\"vocab\":{\"[UNK]\":"
        "0,"
        "\"[CLS]\":1,\"[SEP]\":2,\"un\":3,\"##want\":4,\"want\":5,\"!\":6,\"##ed\":7}}}");
    assert_string_equal(weft_tokenizer_kind(t), "WordPiece");
    vf_check(t, "unwant want!", WEFT_ENCODE_ADD_BOS, "1 3 4 5 6 2");
    vf_check(t, "unwanted unedx ed", 0, "0 0 0"); // too long; no piece; no first piece
    vf_check_back(t, "unwant want!", " unwant want !");
    assert_int_equal(weft_tokenizer_bos(t), 1);
    assert_int_equal(weft_tokenizer_eos(t), 2);
    weft_tokenizer_destroy(t);
    t = must_make(
        "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"BAAAAAAAAAAAAAAA\"},\"pre_tokenizer\":{"
        "\"type\":\"Metaspace\",\"replacement\":\"" MARK "\",\"prepend_scheme\":\"always\"},\"decoder\":{\"type\":"
        "\"Metaspace\"},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"" MARK
        "\",-2.5],[\"a\",-3],"
        "[\"" MARK "a\",-1e0],[\"aa\",-5.5]]}}");
    assert_string_equal(weft_tokenizer_kind(t), "Unigram");
    vf_check(t, "a aaa xy", 0, "3 3 4 1 0");
    vf_check_back(t, "a aaa", " a aaa");
    weft_tokenizer_destroy(t);
}

static void test_added_tokens(void **state) {
    (void)state;
#define ADDED(A) "\"added_tokens\":[" A "],"
    check(ADDED("{\"id\":20,\"content\":\"<x>\",\"special\":true}") BPE(""), "a<x>b", "1 20 2");
    struct weft_tokenizer *t = must_make("{" ADDED("{\"id\":20,\"content\":\"<x>\",\"special\":true},"
                                                   "{\"id\":21,\"content\":\"<y>\",\"special\":false}") BPE("") "}");
    vf_check(t, "<x><y>", 0, "0 0 0 21"); // special ones count only where they are asked for
    assert_int_equal(weft_tokenizer_type(t, 20), WEFT_TOKEN_CONTROL);
    assert_int_equal(weft_tokenizer_type(t, 21), WEFT_TOKEN_USER_DEFINED);
    assert_int_equal(weft_tokenizer_type(t, 18), WEFT_TOKEN_UNUSED); // an id that has no token
    weft_tokenizer_destroy(t);
#define ABC "{\"id\":20,\"content\":\"bc\"},{\"id\":21,\"content\":\"ab\"},{\"id\":22,\"content\":\"bca\"}"
    check("\"added_tokens\":[{\"id\":5,\"content\":\"ab\"},{\"id\":20,\"content\":\"bca\"}]," BPE(""), "abca bca",
          "5 3 1 4 20"); // from left to right, not the longest of all
    check(ADDED("{\"id\":20,\"content\":\"<x>\",\"lstrip\":true}") BPE(""), "a \t<x> b", "1 20 4 2");
    check(ADDED("{\"id\":20,\"content\":\"<x>\",\"rstrip\":true}") BPE(""), "a <x> \u3000b", "1 4 20 2");
    check(ADDED("{\"id\":20,\"content\":\"<x>\",\"rstrip\":true,\"lstrip\":true}") BPE(""), "<x> <x> ", "20 20");
    check(ADDED("{\"id\":20,\"content\":\"bc\",\"single_word\":true}") BPE(""), "bc abc bc!bcc", "20 4 6 4 20 8 2 3 3");
    // In rewritten text, if it says so; else in the text as it is.
    check(
        ADDED("{\"id\":20,\"content\":\"aa\",\"normalized\":true}") "\"normalizer\":{\"type\":\"Lowercase\"}," BPE(""),
        "AAb", "20 2");
    check(
        ADDED("{\"id\":20,\"content\":\"aa\",\"normalized\":false}") "\"normalizer\":{\"type\":\"Lowercase\"}," BPE(""),
        "AAaab", "1 1 20 2");
    check(ADDED("{\"id\":0,\"content\":\"<unk>\",\"special\":true}") BPE(""), "<unk>", "0");
    check(
        "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"[A]\",\"type_id\":"
        "0}},"
        "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"[B]\",\"type_id\":0}}],\"pair\":[],"
        "\"special_tokens\":{\"[A]\":{\"id\":\"[A]\",\"ids\":[1,2],\"tokens\":[]},\"[B]\":{\"id\":\"[B]\",\"ids\":[3],"
        "\"tokens\":[]}}}," BPE(""),
        "!", "1 2 8 3");
    check("\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},{\"type\":"
          "\"RobertaProcessing\",\"sep\":[\"b\",2],\"cls\":[\"a\",1]}]}," BPE(""),
          "!", "1 8 2");
}

static void test_refusals(void **state) {
    (void)state;
#define R(TEXT, STATUS, PART)                                                                                          \
    { TEXT, WEFT_ERR_##STATUS, PART }
    static const struct {
        const char *text;
        weft_status status;
        const char *part;
    } rows[] = {
        R("", FORMAT, "JSON: line 1, column 1: expected a value"),
        R("{} {}", FORMAT, "JSON: line 1, column 4: something stands behind"),
        R("[]", FORMAT, "no object"),
        R("{}", FORMAT, "no model with a 'vocab'"),
        R("{\"novel\":1," BPE("") "}", UNSUPPORTED, "'novel'"),
        R("{\"model\":{\"type\":\"WordLevel\",\"vocab\":{}}}", UNSUPPORTED, "model 'WordLevel'"),
        R("{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}", FORMAT, "is empty"),
        R("{\"model\":{\"type\":\"BPE\",\"vocab\":[]}}", FORMAT, "'vocab' is not"),
        R("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}", FORMAT, "no 'merges'"),
        R("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0.5},\"merges\":[]}}", FORMAT, "no token has an id"),
        R("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0.5},\"merges\":[]}}", FORMAT,
          "'b' has an id that is no whole number"),
        R("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":-1},\"merges\":[]}}", FORMAT,
          "'b' has an id that is no whole number"),
        R("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":9223372036854775807},\"merges\":[]}}", LIMIT,
          "ids up to 9223372036854775807"),
        R("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":\"0\"},\"merges\":[]}}", FORMAT, "no token has an id"),
        R("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", FORMAT, "id 0 has two tokens"),
        R("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1000000000},\"merges\":[]}}", LIMIT, "ids up to 1000000000"),
        R("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]}}", FORMAT, "merge 0 is not two texts"),
        R("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}}", FORMAT, "no token"),
        R("{" BPE(",\"novel\":1") "}", UNSUPPORTED, "'novel'"),
        R("{" BPE(",\"dropout\":0.1") "}", UNSUPPORTED, "'dropout'"),
        R("{" BPE(",\"end_of_word_suffix\":\"</w>\"") "}", UNSUPPORTED, "'end_of_word_suffix'"),
        R("{" BPE(",\"fuse_unk\":1") "}", FORMAT, "'fuse_unk'"),
        R("{\"model\":{\"type\":\"BPE\",\"unk_token\":\"q\",\"vocab\":{\"a\":0},\"merges\":[]}}", FORMAT,
          "unknown token"),
        R("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]]}}", FORMAT, "no unknown token"),
        R("{\"model\":{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"a\",0]]}}", FORMAT, "'unk_id'"),
        R("{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\"]]}}", FORMAT, "not a text with a score"),
        R("{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",1e400]]}}", FORMAT, "larger than a double"),
        R("{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",1e300]]}}", FORMAT, "score of token 0"),
        R("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}}", FORMAT, "no unknown token"),
        R("{" WITH("{\"type\":\"Nmt\"}") "}", UNSUPPORTED, "normalizer 'Nmt'"),
        R("{" WITH("{}") "}", FORMAT, "has no 'type'"),
        R("{" WITH("{\"type\":\"Sequence\"}") "}", FORMAT, "no 'normalizers'"),
        R("{" WITH("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(?<=a)\"},\"content\":\"\"}") "}", UNSUPPORTED,
          "group"),
        R("{" WITH("{\"type\":\"Replace\",\"content\":\"\"}") "}", FORMAT, "Replace has no text"),
        R("{" WITH("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"?\"}") "}", FORMAT, "base64"),
        R("{" WITH("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}") "}", FORMAT, "cannot hold"),
        R("{" CUT("{\"type\":\"UnicodeScripts\"}") "}", UNSUPPORTED, "pre-tokenizer 'UnicodeScripts'"),
        R("{" CUT("{\"type\":\"Split\",\"behavior\":\"Isolated\"}") "}", FORMAT, "no pattern"),
        R("{" CUT(SPLIT("Novel", "false")) "}", UNSUPPORTED, "behavior 'Novel'"),
        R("{" CUT("{\"type\":\"Metaspace\",\"replacement\":\"_\"}") "}", UNSUPPORTED, "U+2581"),
        R("{" CUT("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"},{\"type\":\"Metaspace\","
                  "\"replacement\":\"" MARK "\"}]}") "}",
          UNSUPPORTED, "leaves spaces"),
        R("{" CUT("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"},{\"type\":\"ByteLevel\"}]}") "}",
          UNSUPPORTED, "in front of"),
        R("{\"decoder\":{\"type\":\"CTC\"}," BPE("") "}", UNSUPPORTED, "decoder 'CTC'"),
        R("{\"decoder\":{\"type\":\"WordPiece\"}," BPE("") "}", UNSUPPORTED, "as decoder or as model alone"),
        R("{" WITH("{\"type\":\"Prepend\",\"prepend\":"
                   "\"0123456789012345678901234567890123456789012345678901234567890123456789\"}") "}",
          LIMIT, "text of 70 bytes"),
        R("{\"post_processor\":{\"type\":\"Novel\"}," BPE("") "}", UNSUPPORTED, "post-processor 'Novel'"),
        R("{\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"b\",2],\"cls\":[\"a\",99]}," BPE("") "}", FORMAT,
          "none of the 17 tokens"),
        R("{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[]}," BPE("") "}", UNSUPPORTED, "no text"),
        R("{" ADDED("{\"id\":20}") BPE("") "}", FORMAT, "no content"),
        R("{" ADDED("{\"id\":1,\"content\":\"x\"}") BPE("") "}", FORMAT, "id 1 has two tokens"),
        R("{" ADDED("{\"id\":20,\"content\":\"AA\",\"normalized\":true}") WITH("{\"type\":\"Lowercase\"}") "}",
          UNSUPPORTED, "'AA' is looked for in normalized text"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft_tokenizer *t;
        weft_status status = make(rows[i].text, &t);
        if (status != rows[i].status || t || !strstr(weft_error_message(), rows[i].part))
            fail_msg("%s: %s: %s", rows[i].text, weft_status_name(status), weft_error_message());
    }
    assert_int_equal(weft_alloc_stats().live, 0);
}

/// A text that grows and grows is given up.
static void test_growth(void **state) {
    (void)state;
#define GROW "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"aaaaaaaaaaaaaaaa\"}"
    struct weft_tokenizer *t = must_make("{" WITH("{\"type\":\"Sequence\",\"normalizers\":[" GROW "," GROW "," GROW
                                                  "," GROW "," GROW "," GROW "]}") "}");
    struct weft_ids ids = {0};
    assert_int_equal(weft_tokenizer_encode(t, "a", 1, 0, &ids), WEFT_ERR_LIMIT);
    assert_non_null(strstr(weft_error_message(), "the normalizers make"));
    assert_int_equal(ids.count, 0);
    weft_ids_free(&ids);
    weft_tokenizer_destroy(t);
}

static void test_out_of_memory(void **state) {
    (void)state;
    static const char text[] = "{" ADDED(
        "{\"id\":20,\"content\":\"<x>\",\"normalized\":true}") "\"normalizer\":{\"type\":\"Sequence\","
                                                               "\"normalizers\":[{\"type\":\"NFC\"},{\"type\":"
                                                               "\"Replace\",\"pattern\":{\"Regex\":\"1\"},\"content\":"
                                                               "\"b\"},"
                                                               "{\"type\":\"Prepend\",\"prepend\":\"b\"}]}," CUT(
                                                                   "{\"type\":\"Sequence\",\"pretokenizers\":[{"
                                                                   "\"type\":\"Whitespace\"},"
                                                                   "{\"type\":\"Metaspace\",\"replacement\":\"" MARK
                                                                   "\"}]}") "}";
    struct weft_tokenizer *t;
    assert_int_equal(make(text, &t), WEFT_ERR_UNSUPPORTED); // the prefix changes the added token
    for (uint64_t n = 1;; n++) {
        struct weft_ids ids = {0};
        char other[sizeof text];
        memcpy(other, text, sizeof text);
        memcpy(strstr(other, "\"normalized\""), "\"special\":   ", 13); // and so it is not looked for in rewritten text
        weft_alloc_fail_at(n, 0);
        weft_status status = make(other, &t);
        if (status == WEFT_OK) status = weft_tokenizer_encode(t, "a1 <x> abc", 10, 3, &ids);
        weft_alloc_fail_at(0, 0);
        weft_ids_free(&ids);
        weft_tokenizer_destroy(t);
        assert_int_equal(weft_alloc_stats().live, 0);
        if (status == WEFT_OK) break;
        assert_int_equal(status, WEFT_ERR_NOMEM);
        assert_true(n < 1000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bpe),
        cmocka_unit_test(test_normalizers),
        cmocka_unit_test(test_pre_tokenizers),
        cmocka_unit_test(test_words_and_unigram),
        cmocka_unit_test(test_added_tokens),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
