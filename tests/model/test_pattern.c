/// Expressions of pre-tokenizers: what they match, what is refused, and what a text may cost.
#include "core/alloc.h"
#include "core/error.h"
#include "core/str.h"
#include "core/utf8.h"
#include "model/tokenizer/pattern.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MOST = 1 << 17 };

static size_t read_chars(const char *text, weft_char *chars) {
    size_t n = 0, len = strlen(text);
    for (size_t at = 0; at < len; n++) {
        uint32_t code = 0xFFFD;
        size_t size = weft_utf8_next(text + at, len - at, &code);
        chars[n] = weft_char_of(code);
        at += size ? size : 1;
    }
    return n;
}

/// The lengths of matches and gaps in turn: "m3 g1 m2".
static weft_status spans(const char *pattern, const char *text, struct weft_str *out) {
    static weft_char chars[MOST];
    struct weft_pattern *p;
    struct weft_matcher m = {.chars = chars, .count = read_chars(text, chars)};
    m.steps = weft_matcher_steps(m.count);
    WEFT_TRY(weft_pattern_create(pattern, strlen(pattern), &p));
    weft_status status = WEFT_OK;
    for (size_t at = 0; at < m.count && status == WEFT_OK;) {
        size_t begin, end;
        status = weft_pattern_find(p, &m, 0, m.count, at, &begin, &end);
        if (status == WEFT_OK && begin > at) weft_str_addf(out, "%sg%zu", out->len ? " " : "", begin - at);
        if (status == WEFT_OK && end > begin) weft_str_addf(out, "%sm%zu", out->len ? " " : "", end - begin);
        at = end;
    }
    weft_matcher_free(&m);
    weft_pattern_destroy(p);
    return status;
}

static void test_matches(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text, *spans;
    } rows[] = {
        {"a", "", ""},
        {"a", "bab", "g1 m1 g1"},
        {"a|ab", "ab", "m1 g1"}, // the first alternative that matches, not the longest
        {"ab|a", "aab", "m1 m2"},
        {"a*", "baa", "g1 m2"}, // an empty match is none
        {"a+b", "aaab", "m4"},
        {"a+b", "aaac aab", "g5 m3"},
        {"a?ab", "ab", "m2"},
        {"a?+ab", "ab", "g2"}, // what a possessive repetition took it keeps
        {"a++b", "aab", "m3"},
        {"a{2}", "aaaaa", "m2 m2 g1"},
        {"a{2,}", "aaaaa", "m5"},
        {"a{1,3}", "aaaaa", "m3 m2"},
        {"a{,3}", "a{,3}", "m5"}, // no counts, so it is text
        {"a{x", "a{x", "m3"},
        {"(ab){1,2}c", "ababc abababc", "m5 g3 m5"},
        {"(a|b)+c", "abac", "m4"},
        {"(?:a(?:b|c)*)+d", "abcacbd", "m7"},
        {"(a{1,2}){2}", "aaaa", "m4"},
        {"[abc]+", "xbcax", "g1 m3 g1"},
        {"[^abc]+", "xbcax", "m1 g3 m1"},
        {"[]a]+", "]a", "m2"},
        {"[a\\-z]+", "a-zb", "m3 g1"},
        {"[a-]+", "a-b", "m2 g1"},
        {"[\\s\\d]+", "a1 2b", "g1 m3 g1"},
        {"[^\\s\\p{L}]+", "a1 2b", "g1 m1 g1 m1 g1"},
        {"\\p{L}+", "a\u00E9\u4E2D1\u0301", "m3 g2"},
        {"\\p{Lu}\\P{Lu}*", "HelloWorld", "m5 m5"},
        {"\\pL", "1a", "g1 m1"},
        {"\\p{^L}+", "12a", "m2 g1"},
        {"\\p{N}{1,3}", "12345", "m3 m2"},
        {"\\p{Han}+", "a\u4E2D\u6587\u3042", "g1 m2 g1"},
        {"[\\p{Hiragana}\\p{Katakana}]+", "\u4E2D\u3042\u30A2", "g1 m2"},
        {"\\p{M}", "e\u0301", "g1 m1"},
        {"\\s+(?!\\S)", "a   b  ", "g1 m2 g2 m2"},
        {"a(?=b)", "abac", "m1 g3"},
        {"a(?!(?=b))", "abac", "g2 m1 g1"},
        {"(?i:'s|'ll)", "'S'lL's", "m2 m3 m2"},
        {"(?i:s)", "s\u017FS", "m1 m1 m1"},
        {"(?i:k)k", "\u212Ak Kk KK", "m2 g1 m2 g3"},
        {"^a", "a\naa", "m1 g1 m1 g1"},
        {"a$", "aa\na", "g1 m1 g1 m1"},
        {"\\s+$", "  a  ", "g3 m2"},
        {"\\Aa", "aa", "m1 g1"},
        {"a\\z", "aa", "g1 m1"},
        {"\\bfoo\\b", "foo foofoo foo", "m3 g8 m3"},
        {"a\\B", "aa", "m1 g1"},
        {".+", "ab\ncd", "m2 g1 m2"},
        {"\\x41\\u00e9\\x{1F600}", "A\u00E9\U0001F600", "m3"},
        {"[\\u00e0-\\u00ff]", "\u00DF\u00E0\u00FF\u0100", "g1 m1 m1 g1"},
        {"\\.\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|\\^\\$\\\\\\/", ".*+?()[]{}|^$\\/", "m15"},
        {"\\r\\n|\\t", "\r\n\t", "m2 m1"},
        {"\\w+", "a_1\u0301-\u24B6", "m4 g1 m1"},
        {"[^\\r\\n\\p{L}\\p{N}]?\\p{L}+", " ab'cd\nef", "m3 m3 g1 m2"},
        {"a||b", "ab", "m1 g1"}, // nothing matches before b does
        {"()a", "a", "m1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft_str out = {0};
        weft_status status = spans(rows[i].pattern, rows[i].text, &out);
        if (status != WEFT_OK) fail_msg("%s: %s", rows[i].pattern, weft_error_message());
        if (strcmp(weft_str_get(&out), rows[i].spans) != 0)
            fail_msg("%s in \"%s\": %s", rows[i].pattern, rows[i].text, weft_str_get(&out));
        weft_str_free(&out);
    }
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *pattern;
        weft_status status;
        const char *part;
    } rows[] = {
        {"a*?", WEFT_ERR_UNSUPPORTED, "lazy"},
        {"a{2}?", WEFT_ERR_UNSUPPORTED, "lazy"},
        {"(?<=a)b", WEFT_ERR_UNSUPPORTED, "group of an unknown kind at byte 1"},
        {"(?<n>a)", WEFT_ERR_UNSUPPORTED, "group of an unknown kind"},
        {"(a)\\1", WEFT_ERR_UNSUPPORTED, "an escape at byte 4"},
        {"\\q", WEFT_ERR_UNSUPPORTED, "an escape at byte 1"},
        {"[a&&b]", WEFT_ERR_UNSUPPORTED, "intersection"},
        {"[a[b]]", WEFT_ERR_UNSUPPORTED, "class within a class"},
        {"\\p{Greek}", WEFT_ERR_UNSUPPORTED, "property"},
        {"\\P{Han}", WEFT_ERR_UNSUPPORTED, "property"},
        {"(?:ab)++", WEFT_ERR_UNSUPPORTED, "possessive"},
        {"(a?)*", WEFT_ERR_UNSUPPORTED, "may be empty"},
        {"(?i:\u00E9)", WEFT_ERR_UNSUPPORTED, "both cases"},
        {"(a", WEFT_ERR_FORMAT, "lacks a )"},
        {"a)", WEFT_ERR_FORMAT, ") too many"},
        {"[a", WEFT_ERR_FORMAT, "lacks a ]"},
        {"[b-a]", WEFT_ERR_FORMAT, "ends before it begins"},
        {"*a", WEFT_ERR_FORMAT, "repeats nothing"},
        {"a{3,2}", WEFT_ERR_FORMAT, "repeats too often"},
        {"a{2000}", WEFT_ERR_FORMAT, "repeats too often"},
        {"\\", WEFT_ERR_FORMAT, "ends with a backslash"},
        {"\\x{110000}", WEFT_ERR_FORMAT, "wrong number"},
        {"\\xZ", WEFT_ERR_FORMAT, "wrong number"},
        {"\\p{L", WEFT_ERR_FORMAT, "lacks a }"},
        {"\\p", WEFT_ERR_FORMAT, "ends within"},
        {"\xFF", WEFT_ERR_FORMAT, "no UTF-8"},
        {"((a{1,1000}b){1,1000}c){1,1000}", WEFT_ERR_LIMIT, "more than 32768 steps"},
        {"((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))", WEFT_ERR_LIMIT, "nested deeper"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft_str out = {0};
        weft_status status = spans(rows[i].pattern, "", &out);
        if (status != rows[i].status || !strstr(weft_error_message(), rows[i].part))
            fail_msg("%s: %s: %s", rows[i].pattern, weft_status_name(status), weft_error_message());
        weft_str_free(&out);
    }
    assert_int_equal(weft_alloc_stats().live, 0);
}

/// What would take for ever ends in an error; what fails along a run of one class is not tried at each of its places.
static void test_costs(void **state) {
    (void)state;
    static char text[MOST];
    struct weft_str out = {0};
    memset(text, 'a', 40);
    assert_int_equal(spans("(?:a+)+b", text, &out), WEFT_ERR_LIMIT);
    assert_non_null(strstr(weft_error_message(), "too many steps"));
    weft_str_free(&out);
    memset(text, ' ', MOST - 2);
    text[MOST - 2] = 'x';
    assert_int_equal(spans("\\s+$", text, &out), WEFT_OK);
    assert_string_equal(weft_str_get(&out), "g131071");
    weft_str_free(&out);
}

static void test_out_of_memory(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    for (uint64_t n = 1;; n++) {
        struct weft_str out = {0};
        weft_alloc_fail_at(n, 1);
        weft_status status = spans("(?i:'s)|[^a-c]+(?!x)|(ab){2}", "'Sababdef", &out);
        weft_alloc_fail_at(0, 0);
        bool done = status == WEFT_OK && !out.failed;
        weft_str_free(&out);
        assert_int_equal(weft_alloc_stats().live, live);
        if (done) break;
        if (status != WEFT_OK) assert_int_equal(status, WEFT_ERR_NOMEM);
        assert_true(n < 100);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_costs),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
