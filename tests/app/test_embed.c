/// `weft embed` on the null device: what it prints, where texts come from, and wrong command lines.
#include "cli.h"
#include "support/embed_cases.h"

#include <jansson.h>

enum { SIZE = 36 };

static size_t count_char(const char *text, char c) {
    size_t n = 0;
    for (; *text; text++) n += *text == c;
    return n;
}

/// `n` lines of numbers; the null device computes nothing, so all are 0.
static void check_lines(const struct cli *c, size_t n) {
    assert_int_equal(cli_lines(c->out), n);
    assert_int_equal(count_char(c->out, ' '), n * (SIZE - 1));
    assert_int_equal(count_char(c->out, '0'), n * SIZE);
    assert_string_equal(c->err, "");
}

#define EMBED(...)                                                                                                     \
    {                                                                                                                  \
        .args = { "embed", embed_path(false), "--webgpu", "null", __VA_ARGS__ }                                        \
    }

static void test_texts(void **state) {
    (void)state;
    static const char lines[] = "a cat\r\n\nlast", zeros[] = "a\nb";
    char texts_path[256], zeros_path[256];
    snprintf(texts_path, sizeof texts_path, "%s", cli_path("texts"));
    snprintf(zeros_path, sizeof zeros_path, "%s", cli_path("zeros"));
    cli_write(texts_path, lines, sizeof lines - 1);
    cli_write(zeros_path, zeros, sizeof zeros); // the zero behind it too
    struct {
        struct cli cli;
        size_t n;
    } rows[] = {
        {EMBED("a cat"), 1},
        {EMBED("a cat", "", "the mat"), 3},
        {{.args = {"embed", embed_path(true), "--webgpu", "null", "a"}}, 1},
        {EMBED("-f", texts_path), 3},
        {EMBED("-f", zeros_path, "--null"), 1},
        {{.args = {"embed", embed_path(false), "--webgpu", "null"}, .input = lines}, 3},
        {{.args = {"embed", embed_path(false), "--webgpu", "null", "-f", "-"}, .input = "one\n"}, 1},
        {{.args = {"embed", embed_path(false), "--webgpu", "null", "--null"}, .input = "one\ntwo"}, 1},
        {{.args = {"embed", embed_path(false), "--webgpu", "null"}, .input = ""}, 0},
        {{.args = {"embed", embed_path(false), "--webgpu", "null"}, .input = "\n"}, 1},
        {EMBED("--pooling", "last", "--no-normalize", "x"), 1},
        {EMBED("--max-tokens", "3", "--batch-tokens", "3", "--truncate", "a b c d e"), 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cli_expect(&rows[i].cli, 0);
        check_lines(&rows[i].cli, rows[i].n);
        cli_free(&rows[i].cli);
    }
}

/// More lines than run together.
static void test_many_lines(void **state) {
    (void)state;
    enum { MANY = 600 };
    static char lines[MANY * 4 + 1];
    for (int i = 0; i < MANY; i++) memcpy(lines + 4 * i, i % 3 ? "a b\n" : "abc\n", 4);
    struct cli c = {.args = {"embed", embed_path(false), "--webgpu", "null"}, .input = lines};
    cli_expect(&c, 0);
    check_lines(&c, MANY);
    cli_free(&c);
    c = (struct cli){.args = {"embed", embed_path(false), "--webgpu", "null", "--json"}, .input = lines};
    cli_expect(&c, 0);
    assert_int_equal(cli_lines(c.out), MANY);
    const char *last = c.out + c.out_size - 1;
    while (last > c.out && last[-1] != '\n') last--;
    json_error_t error;
    json_t *row = json_loads(last, 0, &error);
    assert_non_null(row);
    assert_int_equal(json_integer_value(json_object_get(row, "index")), MANY - 1);
    assert_int_equal(json_integer_value(json_object_get(row, "tokens")), 4);
    assert_int_equal(json_array_size(json_object_get(row, "embedding")), SIZE);
    json_decref(row);
    cli_free(&c);
}

static void test_failures(void **state) {
    (void)state;
    char many[101];
    for (int i = 0; i < 50; i++) memcpy(many + 2 * i, "a ", 2);
    many[100] = 0;
    struct {
        struct cli cli;
        int code;
        const char *says;
    } rows[] = {
        {EMBED("a", many), 1, "text 2 of 2 has 52 tokens and at most 40 are taken; cut texts there (--truncate)"},
        {EMBED("--max-tokens", "41", "a"), 1, "positions for 40"},
        {{.args = {"embed", "/nowhere", "--webgpu", "null", "a"}}, 1, "/nowhere"},
        {{.args = {"embed"}}, 2, "which model?"},
        {EMBED("a", "-f", "x"), 2, "exclude each other"},
        {EMBED("a", "--null"), 2, "--null"},
        {EMBED("a", "--normalize", "--no-normalize"), 2, "exclude each other"},
        {EMBED("a", "--pooling", "max"), 2, "mean, cls or last, not 'max'"},
        {EMBED("a", "--max-tokens", "0"), 2, "--max-tokens"},
        {EMBED("-f", "/nowhere"), 1, "/nowhere"},
        {{.args = {"run", embed_path(false), "--webgpu", "null", "hi"}}, 1, "weft embed"},
        {{.args = {"perplexity", embed_path(false), "/dev/null", "--webgpu", "null"}}, 1, "weft embed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cli_expect(&rows[i].cli, rows[i].code);
        if (!strstr(rows[i].cli.err, rows[i].says)) fail_msg("row %zu: %s", i, rows[i].cli.err);
        assert_int_equal(cli_lines(rows[i].cli.err), 1);
        cli_free(&rows[i].cli);
    }
    struct cli full = EMBED("a");
    full.stdout_to = "/dev/full";
    cli_expect(&full, 1);
    cli_free(&full);
    struct cli pipe = EMBED("a");
    pipe.closed_pipe = true;
    cli_expect(&pipe, 141);
    cli_free(&pipe);
}

static void test_inspect(void **state) {
    (void)state;
    struct cli plan = {.args = {"inspect", embed_path(true), "--plan"}};
    cli_expect(&plan, 0);
    assert_non_null(strstr(plan.out, "out embedding"));
    assert_non_null(strstr(plan.out, "L 1..32"));
    cli_free(&plan);
    struct cli longer = {.args = {"inspect", embed_path(true), "--plan", "--ctx", "40"}};
    cli_expect(&longer, 0);
    assert_non_null(strstr(longer.out, "L 1..40"));
    cli_free(&longer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_many_lines),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_inspect),
    };
    return cmocka_run_group_tests(tests, NULL, cli_teardown);
}
