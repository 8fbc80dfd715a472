/// The reader of JSON: values, exactness, refusals with their places, and against a reader of somebody else's (jansson)
/// on changed texts.
#include "core/alloc.h"
#include "core/error.h"
#include "core/json_read.h"

#include <jansson.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct weft_arena arena;

static struct weft_json_value read_ok(const char *text) {
    struct weft_json_value v;
    if (weft_json_read(text, strlen(text), "test", &arena, &v) != WEFT_OK)
        fail_msg("%s: %s", text, weft_error_message());
    return v;
}

static int teardown(void **state) {
    (void)state;
    weft_arena_free(&arena);
    return 0;
}

static void test_values(void **state) {
    (void)state;
    struct weft_json_value v =
        read_ok(" {\"a\": [1, -2.5e3, true, false, null], \"b\": {\"c\": \"x\"}, \"e\": {}, \"f\": []} ");
    assert_int_equal(v.type, WEFT_JSON_MAP);
    assert_int_equal(v.n, 4);
    const struct weft_json_value *a = weft_json_find(&v, "a");
    assert_int_equal(a->n, 5);
    assert_int_equal(a->items[0].type, WEFT_JSON_INT);
    assert_int_equal(a->items[0].i, 1);
    assert_int_equal(a->items[1].type, WEFT_JSON_REAL);
    assert_true(a->items[1].r == -2500);
    assert_true(a->items[2].b && !a->items[3].b && a->items[3].type == WEFT_JSON_BOOL);
    assert_int_equal(a->items[4].type, WEFT_JSON_NULL);
    assert_string_equal(weft_json_find(weft_json_find(&v, "b"), "c")->s.text, "x");
    assert_int_equal(weft_json_find(&v, "e")->n, 0);
    assert_int_equal(weft_json_find(&v, "f")->type, WEFT_JSON_LIST);
    assert_null(weft_json_find(&v, "z"));
    assert_null(weft_json_find(a, "a"));
    assert_null(weft_json_find(NULL, "a"));
    assert_true(weft_json_is(weft_json_find(weft_json_find(&v, "b"), "c"), "x"));
    assert_false(weft_json_is(weft_json_find(weft_json_find(&v, "b"), "c"), "xy"));
    assert_false(weft_json_is(a, "x") || weft_json_is(NULL, ""));
}

static void test_numbers(void **state) {
    static const struct {
        const char *text;
        int64_t i;
    } whole[] = {{"0", 0}, {"-0", 0}, {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN}};
    static const struct {
        const char *text;
        double r;
    } real[] = {{"9223372036854775808", 9223372036854775808.0},
                {"-9223372036854775809", -9223372036854775808.0},
                {"1e2", 100},
                {"1E+2", 100},
                {"0.1", 0.1},
                {"-0.0", -0.0},
                {"5e-324", 5e-324},
                {"1e-999", 0},
                {"0.1000000000000000000000000000000000000000000000000000000000000000000000001", 0.1}};
    (void)state;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        struct weft_json_value v = read_ok(whole[i].text);
        assert_int_equal(v.type, WEFT_JSON_INT);
        assert_true(v.i == whole[i].i);
    }
    for (int locale = 0; locale < 2; locale++) { // a locale with a comma changes nothing, where there is one
        for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
            struct weft_json_value v = read_ok(real[i].text);
            assert_int_equal(v.type, WEFT_JSON_REAL);
            assert_memory_equal(&v.r, &real[i].r, sizeof v.r);
        }
        if (!setlocale(LC_NUMERIC, "de_DE.UTF-8")) break;
    }
    setlocale(LC_NUMERIC, "C");
}

static void test_strings(void **state) {
    static const struct {
        const char *text, *bytes;
        size_t n;
    } cases[] = {{"\"\"", "", 0},
                 {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
                 {"\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac", 6},
                 {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 4},
                 {"\"a\\u0000b\"", "a\0b", 3},
                 {"\"\xf0\x9f\x98\x80\x7f\"", "\xf0\x9f\x98\x80\x7f", 5}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weft_json_value v = read_ok(cases[i].text);
        assert_int_equal(v.type, WEFT_JSON_STRING);
        assert_int_equal(v.s.len, cases[i].n);
        assert_memory_equal(v.s.text, cases[i].bytes, cases[i].n + 1);
    }
}

static void test_last_duplicate_stays(void **state) {
    (void)state;
    struct weft_json_value v = read_ok("{\"a\": 1, \"b\": 2, \"\\u0061\": 3}");
    assert_int_equal(v.n, 2);
    assert_string_equal(v.keys[0].text, "a");
    assert_int_equal(v.items[0].i, 3);
}

static void test_refusals(void **state) {
    static const struct {
        const char *text, *sentence;
    } cases[] = {{"", "line 1, column 1: expected a value"},
                 {"[1,\n  x]", "line 2, column 3: expected a value"},
                 {"[\"\xc3\xa9\", x]", "line 1, column 7: expected a value"},
                 {"1 2", "something stands behind the value"},
                 {" ", "line 1, column 2: expected a value"},
                 {"]", "expected a value"},
                 {"[", "expected a value"},
                 {"{", "expected a string"},
                 {"[1", "expected ',' or ']'"},
                 {"[1 2]", "expected ',' or ']'"},
                 {"[1,", "expected a value"},
                 {"[1,]", "expected a value"},
                 {"{\"a\":1,}", "expected a string"},
                 {"{\"a\" 1}", "expected ':'"},
                 {"{\"a\"}", "expected ':'"},
                 {"{\"a\":}", "expected a value"},
                 {"{a:1}", "expected a string"},
                 {"{1: 2}", "expected a string"},
                 {"{\"a\": 1", "expected ',' or '}'"},
                 {"\"", "does not end"},
                 {"\"\\", "does not end"},
                 {"[\"\xc3\xa9", "does not end"},
                 {"\"a", "does not end"},
                 {"\"a\\\"", "does not end"},
                 {"\"a\n\"", "must be escaped"},
                 {"\"\\x\"", "no escape begins like this"},
                 {"\"\\u12\"", "four hexadecimal digits"},
                 {"\"\\u12g4\"", "four hexadecimal digits"},
                 {"\"\\ud800\"", "high surrogate"},
                 {"\"\\ud800\\u0041\"", "high surrogate"},
                 {"\"\\udc00\"", "low surrogate"},
                 {"\"a\\udfff\"", "low surrogate"},
                 {"\"\xc3\"", "no UTF-8"},
                 {"\"\xff\"", "no UTF-8"},
                 {"\"\xc0\xaf\"", "no UTF-8"},
                 {"\"\xed\xa0\x80\"", "no UTF-8"},
                 {"01", "may not begin with a zero"},
                 {"-", "expected a value"},
                 {"1.", "a point needs a digit"},
                 {".5", "expected a value"},
                 {"+1", "expected a value"},
                 {"0x1", "something stands behind"},
                 {"1e+", "an exponent needs a digit"},
                 {"1e", "an exponent needs a digit"},
                 {"1e999", "larger than a double"},
                 {"nul", "expected a value"},
                 {"truee", "something stands behind"},
                 {"'a'", "expected a value"},
                 {"True", "expected a value"},
                 {"NaN", "expected a value"},
                 {"\xef\xbb\xbf 1", "expected a value"},
                 {"// c\n1", "expected a value"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weft_json_value v;
        weft_status status = weft_json_read(cases[i].text, strlen(cases[i].text), "doc.json", &arena, &v);
        if (status != WEFT_ERR_FORMAT || !strstr(weft_error_message(), cases[i].sentence) ||
            strncmp(weft_error_message(), "doc.json: line ", 15) != 0)
            fail_msg("'%s' gave %d: %s", cases[i].text, status, weft_error_message());
    }
}

static void test_depth(void **state) {
    char text[2 * WEFT_JSON_READ_DEPTH + 3];
    struct weft_json_value v;
    (void)state;
    for (size_t depth = WEFT_JSON_READ_DEPTH; depth <= WEFT_JSON_READ_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        weft_status status = weft_json_read(text, 2 * depth, "deep", &arena, &v);
        assert_int_equal(status, depth == WEFT_JSON_READ_DEPTH ? WEFT_OK : WEFT_ERR_FORMAT);
    }
}

static void test_refused_memory(void **state) {
    static const char text[] =
        "{\"a\": [1, 2, {\"b\": \"c\"}], \"d\": 0.125000000000000000000000000000000000000000000000000000001}";
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct weft_arena own = {0};
        struct weft_json_value v;
        int64_t live = weft_alloc_stats().live;
        weft_alloc_fail_at(n, 0);
        weft_status status = weft_json_read(text, sizeof text - 1, "test", &own, &v);
        weft_alloc_fail_at(0, 0);
        weft_arena_free(&own);
        assert_int_equal(weft_alloc_stats().live, live);
        if (status == WEFT_OK) {
            assert_true(n > 3);
            break;
        }
        assert_int_equal(status, WEFT_ERR_NOMEM);
    }
}

// ---- against jansson -----------------------------------------------------------------------------------------------

static bool same(const struct weft_json_value *v, const json_t *j) {
    switch (v->type) {
    case WEFT_JSON_NULL: return json_is_null(j);
    case WEFT_JSON_BOOL: return json_is_boolean(j) && json_is_true(j) == v->b;
    case WEFT_JSON_INT: return json_is_integer(j) && json_integer_value(j) == v->i;
    case WEFT_JSON_REAL: return json_is_real(j) && json_real_value(j) == v->r;
    case WEFT_JSON_STRING:
        return json_is_string(j) && json_string_length(j) == v->s.len &&
               memcmp(json_string_value(j), v->s.text, v->s.len) == 0;
    case WEFT_JSON_LIST:
        if (!json_is_array(j) || json_array_size(j) != v->n) return false;
        for (size_t i = 0; i < v->n; i++)
            if (!same(&v->items[i], json_array_get(j, i))) return false;
        return true;
    case WEFT_JSON_MAP:
        if (!json_is_object(j) || json_object_size(j) != v->n) return false;
        for (size_t i = 0; i < v->n; i++) {
            const json_t *member = json_object_get(j, v->keys[i].text);
            if (!member || !same(&v->items[i], member)) return false;
        }
        return true;
    }
    return false;
}

static void test_agrees_with_jansson(void **state) {
    static const char base[] =
        "{\"k\": [1, -2, 3.5e1, \"a\\u00e9\\n\", true, null], \"m\": {\"x\": {}, \"y\": [[]]}, \"z\": \"\xc3\xa9\"}";
    static const char letters[] = "{}[]\",:0123eE.+-\\untrfl \xc3\xa9";
    uint32_t random = 12345;
    size_t read = 0;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[sizeof base];
        memcpy(text, base, sizeof base);
        for (int k = 0; k < 1 + round % 3; k++) {
            random = random * 1664525 + 1013904223;
            text[(random >> 8) % (sizeof base - 1)] = letters[(random >> 20) % (sizeof letters - 1)];
        }
        struct weft_arena own = {0};
        struct weft_json_value v;
        json_error_t error;
        json_t *j = json_loadb(text, sizeof base - 1, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        bool ours = weft_json_read(text, sizeof base - 1, "random", &own, &v) == WEFT_OK;
        if (ours != (j != NULL) || (ours && !same(&v, j)))
            fail_msg("%s: jansson says %s", text, j ? "yes" : error.text);
        read += ours;
        json_decref(j);
        weft_arena_free(&own);
    }
    assert_in_range(read, 500, 19500); // both sides are met
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),         cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_strings),        cmocka_unit_test(test_last_duplicate_stays),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_depth),
        cmocka_unit_test(test_refused_memory), cmocka_unit_test(test_agrees_with_jansson)};
    return cmocka_run_group_tests_name("json_read", tests, NULL, teardown);
}
