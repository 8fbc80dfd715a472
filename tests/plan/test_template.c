/// The template language: every construct, every error with its file and line, the line map, running out of memory.
/// The embedded files are this test's own: it defines plan/wgsl.h's table in place of the library's.
#include "core/alloc.h"
#include "core/error.h"
#include "plan/template.h"
#include "plan/wgsl.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FILE_ROW(name, text)                                                                                           \
    { name, text, sizeof(text) - 1 }
const struct weft_wgsl_file weft_wgsl_files[] = {
    FILE_ROW("t/a.wgsl", "fn a() {}\n"),
    FILE_ROW("t/b.wgsl", "//% include \"t/a.wgsl\"\nfn b() { let r = ${R}; }\n"),
    FILE_ROW("t/bad.wgsl", "fn bad() {\n  let x = ${NOPE};\n}\n"),
    FILE_ROW("t/deep.wgsl", "//% include again \"t/deep.wgsl\"\n"),
    FILE_ROW("t/count.wgsl", "//% if defined(N)\n//% set N = N + 1\n//% else\n//% set N = 1\n//% end\n${N}\n"),
    FILE_ROW("t/open.wgsl", "//% if 1\nx\n"),
    FILE_ROW("t/end.wgsl", "x\n//% end\n"),
    FILE_ROW("t/loop.wgsl", "//% include \"t/loop.wgsl\"\nonce\n"),
    {NULL, NULL, 0},
};
const size_t weft_wgsl_file_count = sizeof weft_wgsl_files / sizeof *weft_wgsl_files - 1;

static const struct weft_tval values[] = {
    {"R", 3, NULL},          {"ZERO", 0, NULL},        {"SUBGROUPS", 1, NULL},
    {"K", 256, NULL},        {"FORMAT", 8, NULL},      {"Q8_0", 8, NULL},
    {"Q4_0", 2, NULL},       {"TYPE", 0, "f16"},       {"BODY", 0, "one;\n  two;"},
    {"NEG", -2, NULL},       {"LOW", INT64_MIN, NULL}, {"EMPTY", 0, ""},
    {"FILE", 0, "t/a.wgsl"},
};
enum { N_VALUES = sizeof values / sizeof *values };

static weft_status expand(const char *text, struct weft_str *out, struct weft_line_map *map) {
    return weft_template_expand_text("x.wgsl", text, values, N_VALUES, out, map);
}

static void expect(const char *text, const char *expected) {
    struct weft_str out = {0};
    weft_status status = expand(text, &out, NULL);
    if (status != WEFT_OK) fail_msg("%s\nin:\n%s", weft_error_message(), text);
    assert_string_equal(weft_str_get(&out), expected);
    weft_str_free(&out);
}

/// The sentence must start with `where` and hold `what`; nothing may be appended.
static void expect_error(const char *text, weft_status expected, const char *where, const char *what) {
    struct weft_str out = {0};
    weft_str_add(&out, "kept\n");
    weft_error_clear();
    assert_int_equal(expand(text, &out, NULL), expected);
    const char *message = weft_error_message();
    if (strncmp(message, where, strlen(where)) != 0 || !strstr(message, what))
        fail_msg("expected '%s ... %s', found '%s'", where, what, message);
    assert_string_equal(weft_str_get(&out), "kept\n");
    weft_str_free(&out);
}

static void expect_format(const char *text, const char *where, const char *what) {
    expect_error(text, WEFT_ERR_FORMAT, where, what);
}

static void test_text(void **state) {
    (void)state;
    expect("", "");
    expect("a\n\n  b", "a\n\n  b\n"); // the last line gets its end
    expect("a\r\nb\r\n", "a\nb\n");
    expect("// % plain\n/% x\n//%% gone ${NOPE}\n  //%% gone\nx $ { $R $}\n", "// % plain\n/% x\nx $ { $R $}\n");
    expect("let a = ${R * 4}u; let b = ${ R }${K};", "let a = 12u; let b = 3256;\n");
    expect("${TYPE} ${EMPTY}|${BODY}|${NEG}", "f16 |one;\n  two;|-2\n");
    expect("${\"a } b\"}", "a } b\n");
}

static void test_expressions(void **state) {
    static const struct {
        const char *text, *value;
    } rows[] = {
        {"1 + 2 * 3", "7"},
        {"(1 + 2) * 3", "9"},
        {"7 / 2", "3"},
        {"-7 / 2", "-3"},
        {"7 % 4", "3"},
        {"-7 % 4", "-3"},
        {"10 - 3 - 2", "5"},
        {"64 / 4 / 2", "8"},
        {"0x1f", "31"},
        {"--3", "3"},
        {"!0", "1"},
        {"!!5", "1"},
        {"!R == 0", "1"},
        {"1 < 2", "1"},
        {"2 <= 1", "0"},
        {"2 > 1", "1"},
        {"1 >= 2", "0"},
        {"3 == R", "1"},
        {"3 != R", "0"},
        {"1 < 2 == 1", "1"},
        {"1 || 0 && 0", "1"},
        {"(1 || 0) && 0", "0"},
        {"5 && 7", "1"},
        {"FORMAT == Q8_0", "1"},
        {"FORMAT == Q4_0", "0"},
        {"TYPE == \"f16\"", "1"},
        {"TYPE != \"f16\"", "0"},
        {"TYPE == \"f1\"", "0"},
        {"TYPE == EMPTY", "0"},
        {"EMPTY == \"\"", "1"},
        {"defined(R)", "1"},
        {"defined(NOPE)", "0"},
        {"defined(NOPE) && NOPE > 1", "0"},
        {"!defined(NOPE) || NOPE / 0", "1"},
        {"ZERO && 1 / 0", "0"},
        {"R-1", "2"},
        {"NEG*NEG", "4"},
        {"definedX", NULL},
        {"9223372036854775807", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128], value[32];
        snprintf(text, sizeof text, "${%s}", rows[i].text);
        snprintf(value, sizeof value, "%s\n", rows[i].value ? rows[i].value : "");
        if (rows[i].value) expect(text, value);
        else expect_format(text, "x.wgsl:1: ", "");
    }
}

static void test_if(void **state) {
    (void)state;
    expect("//% if SUBGROUPS && R > 1\na\n//% else\nb\n//% end\n", "a\n");
    expect("//% if ZERO\na\n//% elif FORMAT == Q4_0\nb\n//% elif FORMAT == Q8_0 // taken\nc\n//% elif 1\nd\n//% else\n"
           "e\n//% end",
           "c\n");
    expect("//% if ZERO\na\n//% elif ZERO\nb\n//% else // last\nc\n//% end // if ZERO\nd", "c\nd\n");
    expect("//% if ZERO\na\n//% end\n", "");
    expect("  //%if R==3\na\n\t//%   end  \n", "a\n");
    // What is not taken is neither evaluated nor included, but its structure counts.
    expect("//% if 0\n${NOPE}\n//% if NOPE\n//% else\n//% end\n//% for i in 0..NOPE\n${1 / NOPE}\n//% end\n"
           "//% set A = NOPE\n//% include \"nowhere\"\n//% end\nz",
           "z\n");
    expect("//% if 1\na\n//% elif NOPE\n${NOPE}\n//% end\n", "a\n"); // after a taken branch
    expect("//% if 1\n//% if 0\na\n//% else\n//% if 1\nb\n//% end\n//% end\nc\n//% else\n//% if 1\nd\n//% end\n//% end",
           "b\nc\n");
}

static void test_for(void **state) {
    (void)state;
    expect("//% for r in 0..R\nx${r} = ${r * 2};\n//% end\n", "x0 = 0;\nx1 = 2;\nx2 = 4;\n");
    expect("//% for r in R - 1..R + 1\n${r}\n//% end\n", "2\n3\n");
    expect("//% for r in 0..ZERO\n${r / 0}\n//% if r\n//% end\n//% end\nz\n", "z\n");
    expect("//% for r in 5..2\n${r}\n//% end\nz\n", "z\n");
    expect("//% for i in 0..2\n//% for j in i..2\n${i}${j}\n//% if i == j\n=\n//% end\n//% end\n//% end\n",
           "00\n=\n01\n11\n=\n");
    expect("//% for i in 0..2\n${i}\n//% end\n//% for i in 7..8\n${i}\n//% end\n", "0\n1\n7\n"); // a name is free again
    expect("//% for i in NEG..0\n${i}\n//% end\n", "-2\n-1\n");
    // set inside a loop, and after the loop's variable is gone
    expect("//% set S = 0\n//% for i in 0..4\n//% set S = S + i\n//% set L = i\n//% end\n${S} ${L} ${defined(i)}\n",
           "6 3 0\n");
}

static void test_set(void **state) {
    (void)state;
    expect("//% set BLOCKS = K / 32\n${BLOCKS}\n//% set BLOCKS = BLOCKS + 1 // again\n${BLOCKS}\n", "8\n9\n");
    expect("//% set T = \"vec4<f32>\"\n//% set U = T\n${U}\n", "vec4<f32>\n");
    expect("//% set R = R + 1\n${R}\n", "4\n"); // hides the caller's value for the rest of the kernel
    expect("//% if 0\n//% set A = 1\n//% end\n${defined(A)}\n", "0\n");
    expect("//% if !defined(A)\n//% set A = 1\n//% end\n${A}\n", "1\n");
}

static void test_include(void **state) {
    (void)state;
    expect("//% include \"t/a.wgsl\"\n//% include \"t/a.wgsl\"\nx\n", "fn a() {}\nx\n");
    expect("//% include \"t/a.wgsl\"\n//% include again \"t/a.wgsl\"\n", "fn a() {}\nfn a() {}\n");
    expect("//% include \"t/b.wgsl\"\n//% include \"t/a.wgsl\"\n", "fn a() {}\nfn b() { let r = 3; }\n");
    expect("//% include FILE\n", "fn a() {}\n");
    expect("//% for i in 0..3\n//% include again \"t/count.wgsl\"\n//% end\n", "1\n2\n3\n"); // values go in and out
    expect("//% for i in 0..3\n//% include \"t/count.wgsl\"\n//% end\n", "1\n");
    struct weft_str out = {0};
    assert_int_equal(weft_template_expand("t/b.wgsl", values, N_VALUES, &out, NULL), WEFT_OK);
    assert_int_equal(weft_template_expand("t/loop.wgsl", NULL, 0, &out, NULL), WEFT_OK); // no file re-enters itself
    assert_string_equal(weft_str_get(&out), "fn a() {}\nfn b() { let r = 3; }\nonce\n");
    assert_int_equal(weft_template_expand("t/none.wgsl", NULL, 0, &out, NULL), WEFT_ERR_NOT_FOUND);
    assert_non_null(strstr(weft_error_message(), "t/none.wgsl"));
    weft_str_free(&out);
}

static void test_errors(void **state) {
    (void)state;
    expect_format("a\n${NOPE}\n", "x.wgsl:2: ", "'NOPE' is not defined");
    expect_format("a\nb\n//% if NOPE\n//% end", "x.wgsl:3: ", "'NOPE' is not defined");
    expect_format("//% if 1\na\n", "x.wgsl:1: ", "this if has no end");
    expect_format("//% if 1\na\n//% else\n//% if 0\n//% end\n", "x.wgsl:1: ", "this if has no end");
    expect_format("\n//% for r in 0..2\na\n", "x.wgsl:2: ", "this for has no end");
    expect_format("\n//% for r in 0..0\na\n", "x.wgsl:2: ", "this for has no end");
    expect_format("a\n//% end\n", "x.wgsl:2: ", "belongs to no if or for");
    expect_format("a\n//% else\n", "x.wgsl:2: ", "belongs to no if or for");
    expect_format("//% if 1\n//% else\n//% elif 1\n//% end", "x.wgsl:3: ", "nothing but end");
    expect_format("//% if 0\n//% else\n//% else\n//% end", "x.wgsl:3: ", "nothing but end");
    expect_format("//% for r in 0..2\n//% else\n//% end", "x.wgsl:2: ", "belong to an if");
    expect_format("//% while 1\n", "x.wgsl:1: ", "unknown directive 'while 1'");
    expect_format("//%\n", "x.wgsl:1: ", "unknown directive");
    expect_format("//% if 0\n//% iff\n//% end\n", "x.wgsl:2: ", "unknown directive"); // also where not taken
    expect_format("//% if 0\n${1 +}\n//% end\n", "x.wgsl:2: ", "unexpected '}'");
    expect_format("//% if 1 2\n//% end", "x.wgsl:1: ", "unexpected '2' at the end");
    expect_format("//% if 1\n//% end x", "x.wgsl:2: ", "unexpected 'x' at the end");
    expect_format("//% if 1\n//% else x\n//% end", "x.wgsl:2: ", "unexpected 'x' at the end");
    expect_format("//% if\n//% end", "x.wgsl:1: ", "ends where a value is needed");
    expect_format("//% if (1\n//% end", "x.wgsl:1: ", "closing parenthesis");
    expect_format("//% if TYPE\n//% end", "x.wgsl:1: ", "the string \"f16\"");
    expect_format("//% if TYPE == 1\n//% end", "x.wgsl:1: ", "compared with an integer");
    expect_format("//% if TYPE < \"x\"\n//% end", "x.wgsl:1: ", "an integer is needed");
    expect_format("//% if \"x\n//% end", "x.wgsl:1: ", "no closing quote");
    expect_format("//% if defined R\n//% end", "x.wgsl:1: ", "defined(NAME)");
    expect_format("//% if 1 & 2\n//% end", "x.wgsl:1: ", "unexpected '& 2'");
    expect_format("//% if 1 = 2\n//% end", "x.wgsl:1: ", "unexpected '= 2'");
    expect_format("${3x}", "x.wgsl:1: ", "malformed");
    expect_format("${0x}", "x.wgsl:1: ", "malformed");
    expect_format("${99999999999999999999}", "x.wgsl:1: ", "too large");
    expect_format("${1 / ZERO}", "x.wgsl:1: ", "division by zero");
    expect_format("${1 % ZERO}", "x.wgsl:1: ", "division by zero");
    expect_format("${K * 288230376151711744 * 256}", "x.wgsl:1: ", "does not fit");
    expect_format("${LOW}", "x.wgsl:1: ", "does not fit");
    expect_format("${-LOW / -1}", "x.wgsl:1: ", "does not fit");
    expect_format("${R", "x.wgsl:1: ", "no closing }");
    expect_format("${}", "x.wgsl:1: ", "unexpected '}'");
    expect_format("//% for 1 in 0..2\n//% end", "x.wgsl:1: ", "for NAME in A..B");
    expect_format("//% for r of 0..2\n//% end", "x.wgsl:1: ", "for NAME in A..B");
    expect_format("//% for r in 0\n//% end", "x.wgsl:1: ", "for NAME in A..B");
    expect_format("//% for R in 0..2\n//% end", "x.wgsl:1: ", "hide a value");
    expect_format("//% for i in 0..2\n//% for i in 0..2\n//% end\n//% end", "x.wgsl:2: ", "hide a value");
    expect_format("//% for i in 0..2\n//% set i = 3\n//% end", "x.wgsl:2: ", "variable of a loop");
    expect_format("//% for i in 0..3\n${1 / (i - 2)}\n//% end", "x.wgsl:2: ", "division by zero"); // in the last turn
    expect_format("//% set = 3\n", "x.wgsl:1: ", "set NAME = EXPRESSION");
    expect_format("//% set A 3\n", "x.wgsl:1: ", "set NAME = EXPRESSION");
    expect_format("//% include R\n", "x.wgsl:1: ", "in quotes");
    expect_format("//% include\n", "x.wgsl:1: ", "value is needed");
    expect_error("a\n//% include \"t/none.wgsl\"\n", WEFT_ERR_NOT_FOUND, "x.wgsl:2: ", "\"t/none.wgsl\"");
    expect_format("a\n\n//% include \"t/bad.wgsl\"\n", "t/bad.wgsl:2: ", "included from x.wgsl:3");
    expect_format("//% if 1\n//% include \"t/end.wgsl\"\n", "t/end.wgsl:2: ", "belongs to no if");
    expect_format("//% include \"t/open.wgsl\"\n//% end\n", "t/open.wgsl:1: ", "has no end");
    expect_format("//% include \"t/deep.wgsl\"\n", "t/deep.wgsl:1: ", "nested deeper");
}

/// Hostile sizes end in an error, not in a full stack or a full memory.
static void test_bounds(void **state) {
    (void)state;
    struct weft_str text = {0};
    for (int i = 0; i < 100000; i++) weft_str_add(&text, "//% if 1\n");
    expect_format(weft_str_get(&text), "x.wgsl:49: ", "nested deeper");
    weft_str_free(&text);
    weft_str_add(&text, "${");
    for (int i = 0; i < 100000; i++) weft_str_add(&text, "(");
    expect_format(weft_str_get(&text), "x.wgsl:1: ", "nested deeper");
    weft_str_free(&text);
    weft_str_add(&text, "${");
    for (int i = 0; i < 100000; i++) weft_str_add(&text, "!");
    expect_format(weft_str_get(&text), "x.wgsl:1: ", "nested deeper");
    weft_str_free(&text);
    expect_format("//% for i in 0..2000000\n//% end\n", "x.wgsl:1: ", "turns");
    weft_str_add(&text, "//% for i in 0..1000000\n");
    for (int i = 0; i < 64; i++) weft_str_add(&text, "a line ");
    weft_str_add(&text, "\n//% end\n");
    expect_format(weft_str_get(&text), "x.wgsl:2: ", "MiB");
    weft_str_free(&text);
    assert_int_equal(weft_template_expand_text("x", NULL, NULL, 0, &text, NULL), WEFT_ERR_INVALID);
    assert_int_equal(weft_template_expand(NULL, NULL, 0, &text, NULL), WEFT_ERR_INVALID);
}

static void test_line_map(void **state) {
    (void)state;
    struct weft_str out = {0};
    struct weft_line_map map = {0};
    weft_str_add(&out, "enable f16;\nstruct P {};\n"); // what a binder wrote before
    const char *text = "//%% head\n//% include \"t/b.wgsl\"\n${BODY}\n//% for i in 0..2\n\ny${i}\n//% end\nz";
    assert_int_equal(expand(text, &out, &map), WEFT_OK);
    static const struct {
        const char *line, *at;
    } rows[] = {
        {"enable f16;", "(generated):1"},
        {"struct P {};", "(generated):2"},
        {"fn a() {}", "t/a.wgsl:1"},
        {"fn b() { let r = 3; }", "t/b.wgsl:2"},
        {"one;", "x.wgsl:3"},
        {"  two;", "x.wgsl:3"},
        {"", "x.wgsl:5"},
        {"y0", "x.wgsl:6"},
        {"", "x.wgsl:5"},
        {"y1", "x.wgsl:6"},
        {"z", "x.wgsl:8"},
    };
    const char *p = weft_str_get(&out);
    assert_int_equal(map.n, sizeof rows / sizeof *rows);
    for (uint32_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = strcspn(p, "\n");
        assert_int_equal(len, strlen(rows[i].line));
        assert_memory_equal(p, rows[i].line, len);
        assert_string_equal(weft_line_map_at(&map, i + 1), rows[i].at);
        p += len + 1;
    }
    assert_string_equal(weft_line_map_at(&map, 0), "(no such line):0");
    assert_string_equal(weft_line_map_at(&map, 12), "(no such line):12");
    // A failed expansion leaves text and map as they were; a second one goes on.
    size_t n = map.n, len = out.len;
    assert_int_equal(expand("a\nb\n${NOPE}", &out, &map), WEFT_ERR_FORMAT);
    assert_int_equal(map.n, n);
    assert_int_equal(out.len, len);
    assert_int_equal(expand("\nlast", &out, &map), WEFT_OK);
    assert_string_equal(weft_line_map_at(&map, (uint32_t)n + 2), "x.wgsl:2");
    weft_line_map_free(&map);
    weft_str_free(&out);
    assert_int_equal(map.n, 0);
}

/// Every allocation fails once: an error each time, no block left.
static void test_memory(void **state) {
    (void)state;
    const char *text = "//% set A = 1\n//% for i in 0..40\n//% include again \"t/b.wgsl\"\n//% set B = i\n${BODY}\n"
                       "//% end\n";
    int64_t live = weft_alloc_stats().live;
    for (uint64_t n = 1;; n++) {
        struct weft_str out = {0};
        struct weft_line_map map = {0};
        weft_alloc_fail_at(n, 0);
        weft_status status = expand(text, &out, &map);
        weft_alloc_fail_at(0, 0);
        weft_str_free(&out);
        weft_line_map_free(&map);
        assert_int_equal(weft_alloc_stats().live, live);
        if (status == WEFT_OK) {
            assert_true(n > 5); // the loop above did meet allocations
            break;
        }
        assert_int_equal(status, WEFT_ERR_NOMEM);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),   cmocka_unit_test(test_expressions), cmocka_unit_test(test_if),
        cmocka_unit_test(test_for),    cmocka_unit_test(test_set),         cmocka_unit_test(test_include),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_bounds),      cmocka_unit_test(test_line_map),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests_name("plan/template", tests, NULL, NULL);
}
