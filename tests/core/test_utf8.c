/// Each sequence of up to four bytes that a table of Unicode's well-formed ranges allows, and no other.
#include "core/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/// Writes a code point as the encoding defines it; the length.
static size_t encode(uint32_t code, char out[4]) {
    if (code < 0x80) return out[0] = (char)code, 1;
    if (code < 0x800) return out[0] = (char)(0xc0 | code >> 6), out[1] = (char)(0x80 | (code & 63)), 2;
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12), out[1] = (char)(0x80 | (code >> 6 & 63));
        out[2] = (char)(0x80 | (code & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18), out[1] = (char)(0x80 | (code >> 12 & 63));
    out[2] = (char)(0x80 | (code >> 6 & 63)), out[3] = (char)(0x80 | (code & 63));
    return 4;
}

static void every_code_point(void **state) {
    (void)state;
    for (uint32_t code = 0; code < 0x110000 + 64; code++) {
        char text[4];
        uint32_t got = 0;
        size_t n = encode(code, text);
        bool exists = code < 0xd800 || (code > 0xdfff && code < 0x110000);
        assert_int_equal(weft_utf8_next(text, n, &got), exists ? n : 0);
        if (exists) assert_int_equal(got, code);
        if (n > 1) assert_int_equal(weft_utf8_next(text, n - 1, NULL), 0); // cut short
        if (exists) assert_int_equal(weft_utf8_next(text, n, NULL), n);
    }
}

static void malformed(void **state) {
    (void)state;
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x80\x80",
                                      "\xe0\x9f\xbf",
                                      "\xf0\x80\x80\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xe2(\xa1",
                                      "\xe2\x82(",
                                      "\xf0\x9f\x98(",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(weft_utf8_next(bad[i], strlen(bad[i]), NULL), 0);
    assert_int_equal(weft_utf8_next("", 0, NULL), 0);
    assert_int_equal(weft_utf8_next("", 1, NULL), 1); // a zero byte is a character
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_code_point), cmocka_unit_test(malformed)};
    return cmocka_run_group_tests_name("core/utf8", tests, NULL, NULL);
}
