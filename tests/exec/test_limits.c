/// What a session refuses because of where its variables stand: rows behind the end of a state, written or read, keys
/// beyond a promise, a variable beyond its bounds. A refused run leaves all as it was. On the null device, which moves
/// variables by the host's count alone.
#include "api_graph.h"
#include "exec/session.h"

static weft_device *device;

static weft_session *session_of(const char *text) {
    weft_graph *g;
    weft_program *p;
    weft_session *s;
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_must(weft_program_compile(device, &g, NULL, &p));
    api_must(weft_session_create(p, NULL, &s));
    return s;
}

static void close_session(weft_session **s) {
    weft_program *p = weft_session_program(*s);
    weft_session_destroy(s);
    weft_program_destroy(&p);
}

static void at(weft_session *s, uint64_t expected) {
    uint64_t position;
    api_must(weft_session_position(s, &position));
    assert_int_equal(position, expected);
}

static void runs(weft_session *s, uint32_t n, uint32_t each) {
    for (uint32_t i = 0; i < n; i++) api_must(weft_session_run(s, each, NULL));
}

static void rows_behind_a_dense_state(void **state) {
    (void)state;
    weft_session *s = session_of("symbol T 0 4\nvar pos u32 0 1000\ninput x f32 [T, 3]\nstate rows dense f32 [19, 3]\n"
                                 "%n = cache_append %rows %x %pos\n%p = advance %pos {by=T}\n");
    runs(s, 4, 1);
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "write rows up to 20 of 'rows', whose capacity is 19");
    at(s, 16);
    api_must(weft_session_set_sizes(s, &(struct weft_size){"T", 1}, 1));
    api_fails(weft_session_run(s, 4, NULL), WEFT_ERR_LIMIT, "4 runs from 16 of variable 'pos'");
    runs(s, 1, 3);
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "rows");
    api_must(weft_session_set_sizes(s, &(struct weft_size){"T", 0}, 1));
    runs(s, 2, 2); // no rows: nothing to refuse
    api_must(weft_session_rewind(s, 17));
    api_must(weft_session_set_sizes(s, &(struct weft_size){"T", 2}, 1));
    runs(s, 1, 1);
    at(s, 19);
    api_must(weft_session_set_active(s, false));
    runs(s, 3, 1); // they leave no trace
    api_must(weft_session_set_active(s, true));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "rows up to 21");
    close_session(&s);
}

/// A position that only the host moves, and one that is moved on before it is used.
static void positions_of_all_kinds(void **state) {
    (void)state;
    weft_session *s = session_of("var pos u32 0 4000000000\ninput x f32 [2, 4]\nstate rows dense f32 [7, 4]\n"
                                 "state ring ring f32 [5, 4]\n%n = cache_append %rows %x %pos\n"
                                 "%m = cache_append %ring %x %pos\n"),
                 *other;
    weft_snapshot *x;
    api_must(weft_session_set_var(s, "pos", 5));
    runs(s, 3, 1);
    api_must(weft_session_snapshot(s, WEFT_SNAPSHOT_DEVICE, &x));
    api_must(weft_session_set_var(s, "pos", 6));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "from 6 of variable 'pos' would write rows up to 8");
    api_must(weft_session_fork(s, &other));
    api_fails(weft_session_run(other, 1, NULL), WEFT_ERR_LIMIT, "rows up to 8");
    api_must(weft_session_restore(s, x));
    runs(s, 1, 2);
    api_must(weft_session_set_var(s, "pos", 9));
    api_must(weft_session_reset(s));
    runs(s, 1, 1);
    weft_session_destroy(&other);
    weft_snapshot_destroy(&x);
    close_session(&s);
    s = session_of("var pos u32 0 4000000000\ninput x f32 [2, 4]\nstate ring ring f32 [5, 4]\n"
                   "%m = cache_append %ring %x %pos\n");
    api_must(weft_session_set_var(s, "pos", 2147483646));
    runs(s, 1, 1);
    api_must(weft_session_set_var(s, "pos", 2147483647));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "2147483648");
    close_session(&s);
    s = session_of("var pos u32 0 1000\ninput x f32 [3, 4]\nstate rows dense f32 [13, 4]\n%p = advance %pos {by=4}\n"
                   "%n = cache_append %rows %x %p\n%q = advance %p {by=1}\n");
    runs(s, 2, 1); // rows 4..6 and 9..11
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "rows up to 17");
    close_session(&s);
    s = session_of("var pos u32 0 1000\ninput x f32 [3, 4]\ninput q f32 [3, 1, 4]\nstate rows paged f32 [13, 4]\n"
                   "%p = advance %pos {by=4}\n%n = cache_append %rows %x %p\n%q1 = advance %p {by=1}\n");
    runs(s, 2, 1);
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "rows up to 17");
    close_session(&s);
}

static void rows_that_are_not_there_to_read(void **state) {
    (void)state;
    weft_session *s = session_of("symbol T 1 3\nvar pos u32 0 99\ninput q f32 [T, 2, 4]\n"
                                 "state keys dense f32 [9, 1, 4]\nstate values ring f32 [9, 1, 4]\n"
                                 "%y = attention %q %keys %values %pos\noutput %y y\n");
    api_must(weft_session_set_var(s, "pos", 6));
    runs(s, 1, 1);
    api_must(weft_session_set_var(s, "pos", 7));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "would read rows up to 10 of 'keys', whose capacity is 9");
    close_session(&s);
}

static void keys_beyond_the_reach(void **state) {
    (void)state;
    static const char text[] = "symbol T 1 3\nsymbol N 1 64\nvar pos u32 0 99\ninput q f32 [T, 2, 4]\n"
                               "state k ring f32 [80, 1, 4]\nstate v ring f32 [80, 1, 4]\n"
                               "%y = attention %q %k %v %pos {reach=N} \"look\"\noutput %y y\n";
    weft_session *s = session_of(text);
    struct weft_size sizes[] = {{"T", 2}, {"N", 21}};
    api_must(weft_session_set_sizes(s, sizes, 2));
    api_must(weft_session_set_var(s, "pos", 19));
    runs(s, 1, 1);
    api_must(weft_session_set_var(s, "pos", 20));
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "positions up to 22 in 'look', whose reach is 21");
    sizes[1].value = 1;
    api_fails(weft_session_set_sizes(s, sizes, 2), WEFT_ERR_INVALID, "the reach is"); // less than its own tokens
    close_session(&s);
    weft_graph *g;
    char printed[1024];
    size_t length;
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_must(weft_graph_print_text(g, printed, sizeof printed, &length));
    assert_non_null(strstr(printed, "reach=N"));
    weft_graph_free(&g);
    static const char too_few[] = "symbol N 1 2\nvar p u32 0 9\ninput q f32 [3, 1, 4]\nstate k ring f32 [8, 1, 4]\n"
                                  "%y = attention %q %k %k %p {reach=N}\n";
    api_fails(weft_graph_parse_text(too_few, strlen(too_few), &g), WEFT_ERR_INVALID, "its tokens are 3");
}

static void variables_within_their_bounds(void **state) {
    (void)state;
    weft_session *s = session_of("var pos u32 2 17\nvar i i32 -5 -2\nvar f f32 1 3\nvar free u32 0 4294967295\n"
                                 "input x f32 [4]\n%p = advance %pos {by=4}\n%y = neg %x\noutput %y y\n"),
                 *other;
    weft_snapshot *x;
    uint32_t bits;
    float f;
    at(s, 2); // what is nearest to 0
    api_must(weft_session_get_var(s, "i", &bits));
    runs(s, 3, 1);
    at(s, 14);
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_LIMIT, "would reach 18 with 'pos', whose bound is 17");
    at(s, 14);
    api_fails(weft_session_set_var(s, "pos", 18), WEFT_ERR_INVALID, "'pos' goes from 2 to 17");
    api_fails(weft_session_set_var(s, "pos", 1), WEFT_ERR_INVALID, "from 2 to 17");
    api_must(weft_session_set_var(s, "pos", 17));
    api_fails(weft_session_set_var(s, "i", 0), WEFT_ERR_INVALID, "from -5 to -2");
    api_must(weft_session_set_var(s, "i", (uint32_t)-5));
    f = 3.5f, memcpy(&bits, &f, 4);
    api_fails(weft_session_set_var(s, "f", bits), WEFT_ERR_INVALID, "from 1 to 3");
    f = NAN, memcpy(&bits, &f, 4);
    api_fails(weft_session_set_var(s, "f", bits), WEFT_ERR_INVALID, "from 1 to 3");
    f = 2.5f, memcpy(&bits, &f, 4);
    api_must(weft_session_set_var(s, "f", bits));
    api_must(weft_session_set_var(s, "free", UINT32_MAX));
    api_must(weft_session_snapshot(s, WEFT_SNAPSHOT_HOST, &x));
    other = session_of("var pos u32 2 15\nvar i i32 -5 -2\nvar f f32 1 3\nvar free u32 0 4294967295\n"
                       "input x f32 [4]\n%p = advance %pos {by=4}\n%y = neg %x\noutput %y y\n");
    api_fails(weft_session_restore(other, x), WEFT_ERR_INVALID, "from 2 to 15");
    api_must(weft_session_restore(s, x));
    api_must(weft_session_rewind(s, 0));
    at(s, 2);
    weft_snapshot_destroy(&x);
    close_session(&other);
    close_session(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_behind_a_dense_state),       cmocka_unit_test(positions_of_all_kinds),
        cmocka_unit_test(rows_that_are_not_there_to_read), cmocka_unit_test(keys_beyond_the_reach),
        cmocka_unit_test(variables_within_their_bounds),
    };
    struct weft_device_params params = {.implementation = "null"};
    if (weft_device_open(&params, &device) != WEFT_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    weft_device_close(&device);
    return failed;
}
