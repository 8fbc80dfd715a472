/// Reading JSON: values, escapes, refusals, depth, and what json.c writes.
#include "core/alloc.h"
#include "core/error.h"
#include "core/json.h"
#include "core/json_read.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/// A tree written again.
static void write(struct weft_json *j, const struct weft_json_value *v) {
    char key[64] = "";
    if (v->key) memcpy(key, v->key, v->key_len), key[v->key_len] = 0;
    const char *name = v->key ? key : NULL;
    switch (v->kind) {
    case WEFT_JSON_NULL: weft_json_null(j, name); break;
    case WEFT_JSON_BOOL: weft_json_bool(j, name, v->flag); break;
    case WEFT_JSON_NUMBER: weft_json_real(j, name, v->number); break;
    case WEFT_JSON_STRING: weft_json_strn(j, name, v->text, v->len); break;
    case WEFT_JSON_ARRAY:
    case WEFT_JSON_OBJECT:
        if (v->kind == WEFT_JSON_ARRAY) weft_json_array(j, name);
        else weft_json_object(j, name);
        for (const struct weft_json_value *m = v->first; m; m = m->next) write(j, m);
        weft_json_end(j);
    }
}

static void test_values(void **state) {
    (void)state;
    static const struct {
        const char *text, *again;
    } rows[] = {
        {" null ", "null"},
        {"true", "true"},
        {"[ ]", "[]"},
        {"{ }", "{}"},
        {"[1,-0.5,1e3,2E-2]", "[1.0,-0.5,1000.0,0.02]"},
        {"{\"a\" : [true, {\"b\":null}], \"c\":\"\"}", "{\"a\":[true,{\"b\":null}],\"c\":\"\"}"},
        {"\"\\u0041\\n\\\"\\\\\\/\\u00e9\\ud83d\\ude00\"", "\"A\\n\\\"\\\\/\u00E9\U0001F600\""},
        {"{\"k\\u0031\":1}", "{\"k1\":1.0}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weft_arena arena = {0};
        const struct weft_json_value *v;
        struct weft_str out = {0};
        struct weft_json j;
        if (weft_json_read(rows[i].text, strlen(rows[i].text), &arena, &v) != WEFT_OK)
            fail_msg("%s", weft_error_message());
        weft_json_begin(&j, &out, 0);
        write(&j, v);
        assert_true(weft_json_done(&j));
        struct weft_str packed = {0}; // the writer may put blanks
        for (const char *c = weft_str_get(&out); *c; c++)
            if (*c != ' ') weft_str_addn(&packed, c, 1);
        assert_string_equal(weft_str_get(&packed), rows[i].again);
        weft_str_free(&packed);
        weft_str_free(&out);
        weft_arena_free(&arena);
    }
}

static void test_refusals(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "[",
        "]",
        "{",
        "[1",
        "[1,",
        "[1,]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "nul",
        "truee",
        "1 2",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"a\nb\"",
        "\"\xFF\"",
        "\"\xC3\"",
        "[\"\xC3\xA9",
        "\xEF\xBB\xBF"
        "1",
        "'a'",
        "/**/1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct weft_arena arena = {0};
        const struct weft_json_value *v;
        if (weft_json_read(texts[i], strlen(texts[i]), &arena, &v) != WEFT_ERR_FORMAT)
            fail_msg("%s is taken", texts[i]);
        assert_null(v);
        weft_arena_free(&arena);
    }
    for (int levels = WEFT_JSON_DEPTH; levels <= WEFT_JSON_DEPTH + 1; levels++) {
        struct weft_arena arena = {0};
        const struct weft_json_value *v;
        struct weft_str text = {0};
        for (int i = 0; i < levels; i++) weft_str_add(&text, "[");
        for (int i = 0; i < levels; i++) weft_str_add(&text, "]");
        assert_int_equal(weft_json_read(text.data, text.len, &arena, &v),
                         levels == WEFT_JSON_DEPTH ? WEFT_OK : WEFT_ERR_FORMAT);
        weft_str_free(&text);
        weft_arena_free(&arena);
    }
}

static void test_look_up(void **state) {
    (void)state;
    static const char text[] = "{\"a\":\"x\",\"b\":[1e400],\"a\":\"y\"}";
    struct weft_arena arena = {0};
    const struct weft_json_value *v;
    assert_int_equal(weft_json_read(text, sizeof text - 1, &arena, &v), WEFT_OK);
    assert_int_equal(v->len, 3);
    assert_true(weft_json_is(weft_json_get(v, "a"), "x")); // the first of equal keys
    assert_false(weft_json_is(weft_json_get(v, "a"), "xy"));
    assert_null(weft_json_get(v, "c"));
    assert_null(weft_json_get(NULL, "c"));
    assert_null(weft_json_get(weft_json_get(v, "a"), "a"));
    assert_true(isinf(weft_json_get(v, "b")->first->number));
    weft_arena_free(&arena);
    int64_t live = weft_alloc_stats().live;
    for (uint64_t n = 1; n < 4; n++) {
        weft_alloc_fail_at(n, 1);
        weft_status status = weft_json_read(text, sizeof text - 1, &arena, &v);
        weft_alloc_fail_at(0, 0);
        weft_arena_free(&arena);
        assert_int_equal(weft_alloc_stats().live, live);
        assert_true(status == WEFT_OK || status == WEFT_ERR_NOMEM);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_look_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
