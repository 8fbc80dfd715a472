/// The writer against texts written by hand, and against a reader of somebody else's (jansson), which also sees what
/// random bytes become.
#include "core/alloc.h"
#include "core/json.h"

#include <float.h>
#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void write_all(struct weft_json *j) {
    weft_json_object(j, NULL);
    weft_json_str(j, "name", "a \"b\"\\/\n\t\b\f\r\x01\x1f");
    weft_json_array(j, "numbers");
    weft_json_i64(j, NULL, INT64_MIN);
    weft_json_i64(j, NULL, -1);
    weft_json_u64(j, NULL, UINT64_MAX);
    weft_json_real(j, NULL, 0.5);
    weft_json_real(j, NULL, 3);
    weft_json_real(j, NULL, -0.0);
    weft_json_real(j, NULL, 1e300);
    j->digits = 3;
    weft_json_real(j, NULL, 1e-7);
    weft_json_real(j, NULL, NAN);
    weft_json_real(j, NULL, -INFINITY);
    weft_json_end(j);
    weft_json_array(j, "empty");
    weft_json_end(j);
    weft_json_object(j, "none");
    weft_json_end(j);
    weft_json_array(j, "flags");
    weft_json_bool(j, NULL, true);
    weft_json_bool(j, NULL, false);
    weft_json_null(j, NULL);
    weft_json_str(j, NULL, NULL);
    weft_json_object(j, NULL);
    weft_json_u64(j, "k\ney", 7);
    weft_json_end(j);
    weft_json_end(j);
    weft_json_end(j);
}

static void expect(unsigned indent, const char *text) {
    struct weft_str s = {0};
    struct weft_json j;
    weft_json_begin(&j, &s, indent);
    assert_false(weft_json_done(&j));
    write_all(&j);
    assert_true(weft_json_done(&j));
    assert_string_equal(weft_str_get(&s), text);
    weft_str_free(&s);
}

static void layout(void **state) {
    (void)state;
    expect(0, "{\"name\": \"a \\\"b\\\"\\\\/\\n\\t\\b\\f\\r\\u0001\\u001f\", "
              "\"numbers\": [-9223372036854775808, -1, 18446744073709551615, 0.5, 3.0, -0.0, 1.0000000000000001e300, "
              "1e-7, null, null], \"empty\": [], \"none\": {}, "
              "\"flags\": [true, false, null, \"\", {\"k\\ney\": 7}]}");
    expect(3, "{\n   \"name\": \"a \\\"b\\\"\\\\/\\n\\t\\b\\f\\r\\u0001\\u001f\",\n   \"numbers\": [\n"
              "      -9223372036854775808,\n      -1,\n      18446744073709551615,\n      0.5,\n      3.0,\n"
              "      -0.0,\n      1.0000000000000001e300,\n      1e-7,\n      null,\n      null\n   ],\n"
              "   \"empty\": [],\n   \"none\": {},\n"
              "   \"flags\": [\n      true,\n      false,\n      null,\n      \"\",\n      {\n"
              "         \"k\\ney\": 7\n      }\n   ]\n}");
}

/// One string as a text of its own.
static void written(struct weft_str *s, const char *bytes, size_t length) {
    struct weft_json j;
    weft_json_begin(&j, s, 0);
    weft_json_strn(&j, NULL, bytes, length);
    assert_true(weft_json_done(&j));
}

static void expect_text(const char *bytes, size_t length, const char *text) {
    struct weft_str s = {0};
    written(&s, bytes, length);
    assert_string_equal(weft_str_get(&s), text);
    weft_str_free(&s);
}

/// What is no UTF-8 becomes U+FFFD byte by byte; what a terminal or a script might act on is escaped.
static void any_bytes(void **state) {
    (void)state;
    expect_text("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", 11, "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"");
    expect_text("a\xff\xc3", 3, "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
    expect_text("\xed\xa0\x80z", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
    expect_text("a\0b", 3, "\"a\\u0000b\"");
    expect_text("\x1b[31m\x7f\xc2\x9b"
                "2J\xc2\xa0",
                12, "\"\\u001b[31m\\u007f\\u009b2J\xc2\xa0\"");
    // Separators of lines and the marks that turn the direction of writing; their neighbours stand as they are.
    expect_text("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", 12, "\"\xe2\x80\xa7\\u2028\\u2029\\u202a\"");
    expect_text("\xe2\x80\xae\xe2\x80\xaf\xe2\x81\xa6", 9, "\"\\u202e\xe2\x80\xaf\\u2066\"");
    uint32_t seed = 12345;
    for (int round = 0; round < 2000; round++) {
        char bytes[24];
        size_t length = (size_t)round % sizeof bytes;
        for (size_t i = 0; i < length; i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i] = (char)(seed >> 24);
        }
        struct weft_str s = {0};
        written(&s, bytes, length);
        json_error_t error;
        json_t *read = json_loadb(weft_str_get(&s), s.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        if (!read) fail_msg("round %d: %s", round, error.text);
        json_decref(read);
        for (size_t i = 0; i < s.len; i++) assert_true((unsigned char)s.data[i] >= 0x20 && s.data[i] != 0x7f);
        weft_str_free(&s);
    }
}

static double read_back(double x, int digits, bool *integer) {
    struct weft_str s = {0};
    struct weft_json j;
    weft_json_begin(&j, &s, 0);
    j.digits = digits;
    weft_json_real(&j, NULL, x);
    json_t *read = json_loadb(weft_str_get(&s), s.len, JSON_DECODE_ANY, NULL);
    assert_non_null(read);
    *integer = json_is_integer(read);
    double y = json_number_value(read);
    json_decref(read);
    weft_str_free(&s);
    return y;
}

static void reals(void **state) {
    (void)state;
    static const double some[] = {0.1, 1.0 / 3, 1e-300, 5e-324, DBL_MAX, -DBL_MIN, 123456789, 1e15, 1e17, 1e22, 65536};
    for (int lang = 0; lang < 2; lang++) {
        // A locale with another point, where the system has one; the text must not show it.
        if (lang && !setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8")) break;
        for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
            bool integer;
            double y = read_back(some[i], 17, &integer);
            assert_memory_equal(&y, &some[i], sizeof y);
            assert_false(integer);
            if (!isfinite((float)some[i])) continue;
            y = read_back((float)some[i], 9, &integer);
            assert_true((float)y == (float)some[i]);
        }
    }
    setlocale(LC_NUMERIC, "C");
}

/// Calls out of order: nothing that looks complete comes of them.
static void misuse(void **state) {
    (void)state;
    for (int kind = 0; kind < 7; kind++) {
        struct weft_str s = {0};
        struct weft_json j;
        weft_json_begin(&j, &s, 1);
        if (kind == 0) weft_json_u64(&j, "key at the top", 1);
        if (kind == 1) weft_json_object(&j, NULL), weft_json_u64(&j, NULL, 1), weft_json_end(&j);
        if (kind == 2) weft_json_array(&j, NULL), weft_json_u64(&j, "key", 1), weft_json_end(&j);
        if (kind == 3) weft_json_u64(&j, NULL, 1), weft_json_u64(&j, NULL, 2);
        if (kind == 4) weft_json_end(&j);
        if (kind == 5) weft_json_array(&j, NULL);
        for (int i = 0; kind == 6 && i <= WEFT_JSON_DEPTH; i++) weft_json_array(&j, NULL);
        assert_false(weft_json_done(&j));
        assert_int_equal(s.failed, kind != 5);
        weft_str_free(&s);
    }
    // The control: as deep as may be, and complete.
    struct weft_str s = {0};
    struct weft_json j;
    weft_json_begin(&j, &s, 1);
    for (int i = 0; i < WEFT_JSON_DEPTH; i++) i % 2 ? weft_json_object(&j, "o") : weft_json_array(&j, i ? "" : NULL);
    assert_true(s.failed); // an array takes no key
    weft_str_free(&s);
    weft_json_begin(&j, &s, 1);
    for (int i = 0; i < WEFT_JSON_DEPTH; i++) i % 2 ? weft_json_array(&j, "o") : weft_json_object(&j, NULL);
    for (int i = 0; i < WEFT_JSON_DEPTH; i++) weft_json_end(&j);
    assert_true(weft_json_done(&j));
    json_t *read = json_loadb(weft_str_get(&s), s.len, 0, NULL);
    assert_non_null(read);
    json_decref(read);
    weft_str_free(&s);
}

static void out_of_memory(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    for (uint64_t n = 1; n < 8; n++) {
        struct weft_str s = {0};
        struct weft_json j;
        weft_json_begin(&j, &s, 2);
        weft_alloc_fail_at(n, 1);
        write_all(&j);
        weft_alloc_fail_at(0, 0);
        assert_int_equal(weft_json_done(&j), !s.failed);
        if (n == 1) assert_true(s.failed);
        weft_str_free(&s);
        assert_int_equal(weft_alloc_stats().live, live);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(layout), cmocka_unit_test(any_bytes), cmocka_unit_test(reals),
                                       cmocka_unit_test(misuse), cmocka_unit_test(out_of_memory)};
    return cmocka_run_group_tests_name("core/json", tests, NULL, NULL);
}
