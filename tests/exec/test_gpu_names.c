/// What a user calls a thing decides nothing: inputs, weights, states, variables, symbols, nodes and outputs may have
/// the names that the library has for things of its own, and a graph computes what it computes under any other names.
/// The control is the same graph with plain names: both must agree, and with figures worked out here.
#include "api_device.h"
#include "api_graph.h"
#include <stdlib.h>

/// Names in the order: symbol, input, weight, cache, variable, total, operators' names, outputs. Two sets of them are
/// the library's own words, each in a role in which it could be taken for something else.
struct names {
    const char *symbol, *input, *weight, *cache, *pos, *sum, *node, *y, *top;
};
static const struct names plain = {"T", "in", "scale", "rows", "count", "total", "n", "out", "top"},
                          own[] = {{"active", "vars", "constant", "state_write", "active", "fault", "advance",
                                    "reshape", "amax"},
                                   {"vars", "active", "vars0", "heap", "vars", "x", "attention", "cast", "where"},
                                   {"P", "advance", "active", "vars", "fault", "out0", "state_write", "p", "narrow"},
                                   {"R", "s", "value", "kept_s", "constant", "active", "copy", "y", "rope"}};

/// A cache of in * scale + 0.5, appended at a position; the sum of first rows so far; the greatest of a row; a constant
/// beside a weight.
static weft_program *compile(const struct names *n, weft_program *share) {
    static const float scale[4] = {1, 2, 3, 4};
    const struct weft_weight weight = {n->weight, scale, sizeof scale};
    struct weft_program_compile_params params = {.weights = &weight, .n_weights = 1, .share_weights = share};
    char text[1024];
    weft_graph *g;
    weft_program *program;
    snprintf(text, sizeof text,
             "symbol %s 1 4\ninput %s f32 [%s, 4]\nweight %s f32 [4]\nstate %s dense f32 [16, 4]\nvar %s u32 0 16\n"
             "state %s dense f32 [4]\nconst %%half f32 [4] 0.5 0.5 0.5 0.5\n%%0 = mul %%%s %%%s\n%%1 = add %%0 %%half\n"
             "%%2 = cache_append %%%s %%1 %%%s \"%s\"\n%%3 = slice %%1 {start=0, len=1}\n"
             "%%4 = reshape %%3 {shape=[4]}\n"
             "%%5 = add %%%s %%4\n%%6 = state_write %%%s %%5 \"%s\"\n%%7 = advance %%%s {by=%s} \"%s\"\n"
             "%%8 = amax %%1 \"%s\"\noutput %%1 %s\noutput %%8 %s\n",
             n->symbol, n->input, n->symbol, n->weight, n->cache, n->pos, n->sum, n->input, n->weight, n->cache, n->pos,
             n->node, n->sum, n->sum, n->node, n->pos, n->symbol, n->node, n->node, n->y, n->top);
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_must(weft_program_compile(device, &g, &params, &program));
    return program;
}

struct image {
    float y[8], top[2], rows[64], sum[4];
    uint32_t pos;
};

static void read_image(weft_session *s, const struct names *n, struct image *m) {
    memset(m, 0, sizeof *m);
    api_must(weft_session_read(s, n->y, 0, m->y, sizeof m->y));
    api_must(weft_session_read(s, n->top, 0, m->top, sizeof m->top));
    api_must(weft_session_read(s, n->cache, 0, m->rows, sizeof m->rows));
    api_must(weft_session_read(s, n->sum, 0, m->sum, sizeof m->sum));
    api_must(weft_session_get_var(s, n->pos, &m->pos));
}

/// Two rows at position 3, again at 5, then a run while the session is not active, which leaves no trace.
static void run(const struct names *n, struct image m[2]) {
    static const float x[8] = {1, -2, 3, 5, 0.5f, 8, -1, 2};
    weft_program *program = compile(n, NULL);
    weft_session *s;
    bool active = false;
    api_must(weft_session_create(program, NULL, &s));
    api_must(weft_session_set_sizes(s, &(struct weft_size){n->symbol, 2}, 1));
    api_must(weft_session_write(s, n->input, 0, x, sizeof x));
    api_must(weft_session_set_var(s, n->pos, 3));
    api_must(weft_session_run(s, 2, NULL));
    read_image(s, n, &m[0]);
    api_must(weft_session_get_active(s, &active));
    assert_true(active);
    api_must(weft_session_set_active(s, false));
    api_must(weft_session_run(s, 1, NULL));
    read_image(s, n, &m[1]);
    api_must(weft_session_set_active(s, true));
    weft_session_destroy(&s);
    weft_program_destroy(&program);
}

static void names_decide_nothing(void **state) {
    (void)state;
    static const float y[8] = {1.5f, -3.5f, 9.5f, 20.5f, 1, 16.5f, -2.5f, 8.5f};
    struct image want[2], got[2];
    run(&plain, want);
    assert_memory_equal(want[0].y, y, sizeof y);
    assert_true(want[0].top[0] == 20.5f && want[0].top[1] == 16.5f);
    assert_int_equal(want[0].pos, 7);
    for (int i = 0; i < 64; i++) assert_true(want[0].rows[i] == (i >= 12 && i < 28 ? y[(i - 12) % 8] : 0));
    for (int i = 0; i < 4; i++) assert_true(want[0].sum[i] == 2 * y[i]);
    assert_memory_equal(&want[0], &want[1], sizeof want[0]); // the third run left no trace
    for (size_t k = 0; k < sizeof own / sizeof *own; k++) {
        run(&own[k], got);
        if (memcmp(got, want, sizeof want) != 0) fail_msg("names of set %zu change what is computed", k);
    }
}

/// A weight is shared by its name, whatever that is; constants are not, though equal.
static void weights_share_under_any_name(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof own / sizeof *own; k++) {
        weft_program *a = compile(&own[k], NULL), *b = compile(&own[k], a), *c = compile(&plain, a);
        assert_true(weft_program_memory(b).weights < weft_program_memory(a).weights); // the constant alone
        assert_true(weft_program_memory(b).weights > 0);
        assert_int_equal(weft_program_memory(c).weights, weft_program_memory(a).weights); // another name: its own
        weft_program_destroy(&b);
        weft_program_destroy(&c);
        weft_program_destroy(&a);
    }
}

static weft_session *session_of(const char *text, weft_program **program) {
    weft_graph *g;
    weft_session *s;
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_must(weft_program_compile(device, &g, NULL, program));
    api_must(weft_session_create(*program, NULL, &s));
    return s;
}

static uint32_t variable(weft_session *s, const char *name) {
    uint32_t bits = 99;
    api_must(weft_session_get_var(s, name, &bits));
    return bits;
}

/// A variable is the activity because it is declared so, not because of its name: the first run clears it, and the
/// others of the submit leave no trace. "active" without the declaration is a number like any other.
static void activity_is_declared(void **state) {
    (void)state;
    static const char *const names[] = {"door", "active", "vars"};
    for (size_t k = 0; k < 3; k++) {
        char text[256];
        weft_program *program;
        bool active = true;
        snprintf(text, sizeof text,
                 "var %s u32 0 1 activity\nvar n u32 0 100\n%%0 = advance %%n {by=7}\n"
                 "%%1 = advance %%%s {by=-1}\n",
                 names[k], names[k]);
        weft_session *s = session_of(text, &program);
        assert_int_equal(variable(s, names[k]), 1);
        api_must(weft_session_run(s, 4, NULL));
        assert_int_equal(variable(s, "n"), 7);
        api_must(weft_session_get_active(s, &active));
        assert_false(active);
        api_must(weft_session_set_var(s, names[k], 1)); // the same word under its own name
        api_must(weft_session_run(s, 2, NULL));
        assert_int_equal(variable(s, "n"), 14);
        uint64_t position = 0; // known though the device ended runs that the host had queued
        api_must(weft_session_position(s, &position));
        assert_int_equal(position, 14);
        weft_session_destroy(&s);
        weft_program_destroy(&program);
    }
    weft_program *program;
    uint32_t bits;
    weft_session *s = session_of("var active u32 0 9\nvar n u32 0 100\n%0 = advance %n {by=7}\n", &program);
    assert_int_equal(variable(s, "active"), 0);
    api_must(weft_session_set_var(s, "active", 0));
    api_must(weft_session_run(s, 3, NULL));
    assert_int_equal(variable(s, "n"), 21);
    api_fails(weft_session_get_var(s, "gate", &bits), WEFT_ERR_NOT_FOUND, "weft_session_set_active");
    weft_session_destroy(&s);
    weft_program_destroy(&program);
}

/// The block of variables has no name by which a session reaches it.
static void no_name_reaches_the_variables(void **state) {
    (void)state;
    uint32_t words[4] = {5, 6, 7, 8};
    weft_program *program;
    weft_session *s = session_of("var n u32 0 100\n%0 = advance %n {by=2}\n", &program);
    api_fails(weft_session_write(s, "vars", 0, words, sizeof words), WEFT_ERR_NOT_FOUND, "'vars'");
    api_fails(weft_session_read(s, "vars", 0, words, sizeof words), WEFT_ERR_NOT_FOUND, "'vars'");
    api_must(weft_session_run(s, 1, NULL));
    assert_int_equal(variable(s, "n"), 2);
    weft_session_destroy(&s);
    weft_program_destroy(&program);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_decide_nothing),
        cmocka_unit_test(weights_share_under_any_name),
        cmocka_unit_test(activity_is_declared),
        cmocka_unit_test(no_name_reaches_the_variables),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
