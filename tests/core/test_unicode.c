/// Unicode: categories and lower case at the edges of their tables, and normal forms.
#include "core/alloc.h"
#include "core/unicode.h"
#include "core/utf8.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_categories(void **state) {
    (void)state;
    static const struct {
        uint32_t code;
        enum weft_category category;
        uint32_t lower;
        unsigned combining;
    } rows[] = {
        {0, WEFT_UC_CC, 0, 0},
        {' ', WEFT_UC_ZS, ' ', 0},
        {'0', WEFT_UC_ND, '0', 0},
        {'A', WEFT_UC_LU, 'a', 0},
        {'Z', WEFT_UC_LU, 'z', 0},
        {'[', WEFT_UC_PS, '[', 0},
        {'a', WEFT_UC_LL, 'a', 0},
        {'z', WEFT_UC_LL, 'z', 0},
        {'{', WEFT_UC_PS, '{', 0},
        {'$', WEFT_UC_SC, '$', 0},
        {0xD7, WEFT_UC_SM, 0xD7, 0},
        {0xDE, WEFT_UC_LU, 0xFE, 0},
        {0x100, WEFT_UC_LU, 0x101, 0},
        {0x101, WEFT_UC_LL, 0x101, 0},
        {0x130, WEFT_UC_LU, 0x130, 0}, // its lower case is two characters, so it has no simple one
        {0x1C5, WEFT_UC_LT, 0x1C6, 0},
        {0x301, WEFT_UC_MN, 0x301, 230},
        {0x327, WEFT_UC_MN, 0x327, 202},
        {0x391, WEFT_UC_LU, 0x3B1, 0},
        {0x200D, WEFT_UC_CF, 0x200D, 0},
        {0x2028, WEFT_UC_ZL, 0x2028, 0},
        {0x4E2D, WEFT_UC_LO, 0x4E2D, 0},
        {0xAC00, WEFT_UC_LO, 0xAC00, 0},
        {0xD800, WEFT_UC_CS, 0xD800, 0},
        {0xE000, WEFT_UC_CO, 0xE000, 0},
        {0x10400, WEFT_UC_LU, 0x10428, 0},
        {0x1F600, WEFT_UC_SO, 0x1F600, 0},
        {0x10FFFF, WEFT_UC_CN, 0x10FFFF, 0},
        {0x110000, WEFT_UC_CN, 0x110000, 0},
        {UINT32_MAX, WEFT_UC_CN, UINT32_MAX, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (weft_unicode_category(rows[i].code) != rows[i].category ||
            weft_unicode_lower(rows[i].code) != rows[i].lower ||
            weft_unicode_combining(rows[i].code) != rows[i].combining)
            fail_msg("U+%04X: category %d, lower case U+%04X, class %u", rows[i].code,
                     (int)weft_unicode_category(rows[i].code), weft_unicode_lower(rows[i].code),
                     weft_unicode_combining(rows[i].code));
    }
    size_t counts[WEFT_UC_CO + 1] = {0}, spaces = 0, lowered = 0;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        counts[weft_unicode_category(code)]++;
        spaces += weft_unicode_is_space(code);
        lowered += weft_unicode_lower(code) != code;
    }
    // As Python's unicodedata of the same version counts them.
    assert_string_equal(weft_unicode_version, "14.0.0");
    assert_int_equal(counts[WEFT_UC_LU], 1831);
    assert_int_equal(counts[WEFT_UC_LL], 2227);
    assert_int_equal(counts[WEFT_UC_ND], 660);
    assert_int_equal(counts[WEFT_UC_MN], 1950);
    assert_int_equal(counts[WEFT_UC_CN], 829834);
    assert_int_equal(spaces, 25);
    assert_int_equal(lowered, 1432);
}

static void check_form(enum weft_form form, const char *text, size_t len, const char *want) {
    struct weft_str out = {0};
    weft_unicode_normalize(form, text, len, &out);
    if (strcmp(weft_str_get(&out), want) != 0)
        fail_msg("form %d of \"%s\" is \"%s\"", (int)form, text, weft_str_get(&out));
    weft_str_free(&out);
}

static void test_forms(void **state) {
    (void)state;
    static const struct {
        const char *text, *forms[4]; // NFC, NFD, NFKC, NFKD
    } rows[] = {
        {"", {"", "", "", ""}},
        {"a", {"a", "a", "a", "a"}},
        {"\u00E9", {"\u00E9", "e\u0301", "\u00E9", "e\u0301"}},
        {"e\u0301", {"\u00E9", "e\u0301", "\u00E9", "e\u0301"}},
        {"\u1EC7", {"\u1EC7", "e\u0323\u0302", "\u1EC7", "e\u0323\u0302"}},
        {"e\u0302\u0323", {"\u1EC7", "e\u0323\u0302", "\u1EC7", "e\u0323\u0302"}}, // marks in another order
        {"e\u0327\u0301", {"\u0229\u0301", "e\u0327\u0301", "\u0229\u0301", "e\u0327\u0301"}},
        {"a\u0301\u0301", {"\u00E1\u0301", "a\u0301\u0301", "\u00E1\u0301", "a\u0301\u0301"}},
        {"a\u0305\u0301",
         {"a\u0305\u0301", "a\u0305\u0301", "a\u0305\u0301", "a\u0305\u0301"}}, // a mark stands between
        {"\u212B", {"\u00C5", "A\u030A", "\u00C5", "A\u030A"}},
        {"\uFB01", {"\uFB01", "\uFB01", "fi", "fi"}},
        {"\uFF21\uFF22", {"\uFF21\uFF22", "\uFF21\uFF22", "AB", "AB"}},
        {"\u2460", {"\u2460", "\u2460", "1", "1"}},
        {"\uD55C", {"\uD55C", "\u1112\u1161\u11AB", "\uD55C", "\u1112\u1161\u11AB"}},
        {"\u1112\u1161\u11AB", {"\uD55C", "\u1112\u1161\u11AB", "\uD55C", "\u1112\u1161\u11AB"}},
        {"\u0958", {"\u0915\u093C", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C"}}, // excluded from composition
        {"\u0301e", {"\u0301e", "\u0301e", "\u0301e", "\u0301e"}},
        {"a\xCC"
         "b",
         {"a\xCC"
          "b",
          "a\xCC"
          "b",
          "a\xCC"
          "b",
          "a\xCC"
          "b"}}, // a broken byte stays
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int form = 0; form < 4; form++)
            check_form((enum weft_form)form, rows[i].text, strlen(rows[i].text), rows[i].forms[form]);
}

/// Marks without an end behind one letter are sorted all the same.
static void test_many_marks(void **state) {
    (void)state;
    enum { PAIRS = 100000 };
    struct weft_str text = {0}, out = {0};
    weft_str_add(&text, "x");
    for (int i = 0; i < PAIRS; i++) weft_str_add(&text, "\u0301\u0323");
    weft_unicode_normalize(WEFT_NFD, text.data, text.len, &out);
    assert_int_equal(out.len, text.len);
    assert_memory_equal(out.data + 1, "\u0323\u0323", 4);
    assert_memory_equal(out.data + 1 + 2 * PAIRS, "\u0301\u0301", 4);
    weft_str_free(&text);
    weft_str_free(&out);
    int64_t live = weft_alloc_stats().live;
    for (uint64_t n = 1; n < 8; n++) {
        weft_alloc_fail_at(n, 1);
        weft_unicode_normalize(WEFT_NFC, "e\u0302\u0323", 5, &out);
        weft_alloc_fail_at(0, 0);
        if (n < 3) assert_true(out.failed);
        weft_str_free(&out);
        assert_int_equal(weft_alloc_stats().live, live);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_categories),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_many_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
