// Building graphs: types, attributes, states, and what is refused.
#include "tiny_ops.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct weft_graph *g;
static weft_dim T;
static weft_value x, w, kc, pos;

static struct weft_type type(weft_dtype dtype, uint32_t rank, weft_dim a, weft_dim b) {
    return (struct weft_type){.dtype = dtype, .rank = rank, .dims = {a, b}};
}

static weft_dim k(int64_t value) { return weft_dim_const(g->dims, value); }

static int setup(void **state) {
    (void)state;
    if (weft_graph_create(&tiny_ops, &g) != WEFT_OK) return -1;
    T = weft_dim_symbol(g->dims, "T", 1, 16);
    weft_status status = weft_graph_input(g, "x", type(WEFT_F32, 2, T, k(32)), &x);
    if (status == WEFT_OK) status = weft_graph_weight(g, "w", type(WEFT_Q8_0, 2, k(8), k(32)), &w);
    if (status == WEFT_OK) status = weft_graph_state(g, "kc", type(WEFT_F16, 2, k(4), k(8)), WEFT_STATE_RING, &kc);
    if (status == WEFT_OK) status = weft_graph_var(g, "pos", WEFT_U32, 0, 100, &pos);
    return status;
}

static int teardown(void **state) {
    (void)state;
    weft_graph_destroy(g);
    return 0;
}

// The status is as wanted and the sentence holds `part`.
#define refused(call, want, part)                                                                                      \
    do {                                                                                                               \
        assert_int_equal((call), (want));                                                                              \
        if (!strstr(weft_error_message(), (part))) fail_msg("'%s' lacks '%s'", weft_error_message(), (part));          \
    } while (0)

static void test_types_are_inferred(void **state) {
    (void)state;
    weft_value y, s;
    assert_int_equal(weft_graph_add(g, &tiny_matmul, "q", (weft_value[]){x, w}, 2, NULL, 0, &y), WEFT_OK);
    assert_true(g->values[y].type.dims[0] == T && g->values[y].type.dims[1] == k(8));
    assert_int_equal(weft_graph_add(g, &tiny_sum, NULL, &y, 1, NULL, 0, &s), WEFT_OK);
    assert_true(g->values[s].type.dims[1] == k(1));
    assert_int_equal(weft_graph_output(g, s, "out"), WEFT_OK);
    assert_int_equal(weft_graph_output(g, s, "out"), WEFT_OK);
    size_t values = g->n_values;
    assert_int_equal(weft_graph_output(g, s, "other"), WEFT_OK); // a second name: a view of all of it
    assert_string_equal(g->values[s].output_name, "out");
    assert_int_equal(g->n_values, values + 1);
    assert_string_equal(g->values[values].output_name, "other");
    assert_int_equal(weft_graph_base(g, (weft_value)values), s);
    assert_int_equal(weft_graph_output(g, (weft_value)values, "other"), WEFT_OK);
    refused(weft_graph_output(g, s, "other"), WEFT_ERR_INVALID, "two outputs named 'other'");
    refused(weft_graph_output(g, y, "out"), WEFT_ERR_INVALID, "two outputs named 'out'");
    refused(weft_graph_output(g, 999, "far"), WEFT_ERR_INVALID, "far");
    assert_int_equal(weft_graph_verify(g), WEFT_OK);
    assert_string_equal(g->nodes[0].name, "q");
    assert_int_equal(weft_graph_find(g, "w"), w);
    assert_int_equal(weft_graph_find(g, "nope"), WEFT_NO_VALUE);
}

/// A session finds inputs, outputs and states by name: no two of them share one, in whatever order they come.
static void test_names_are_told_apart(void **state) {
    (void)state;
    weft_value y, s, late;
    struct weft_type four = {.dtype = WEFT_F32, .rank = 1, .dims = {k(4)}};
    assert_int_equal(weft_graph_add(g, &tiny_matmul, "q", (weft_value[]){x, w}, 2, NULL, 0, &y), WEFT_OK);
    assert_int_equal(weft_graph_state(g, "kept", four, WEFT_STATE_DENSE, &s), WEFT_OK);
    refused(weft_graph_output(g, y, "x"), WEFT_ERR_INVALID, "an input has that name");
    refused(weft_graph_output(g, y, "kept"), WEFT_ERR_INVALID, "a state has that name");
    assert_int_equal(weft_graph_output(g, x, "x"), WEFT_OK); // is what the name says, and so is a state
    assert_int_equal(weft_graph_output(g, s, "kept"), WEFT_OK);
    assert_int_equal(weft_graph_output(g, y, "w"), WEFT_OK); // no session knows weights
    assert_int_equal(weft_graph_verify(g), WEFT_OK);
    g->values[y].output_name = "late";
    assert_int_equal(weft_graph_input(g, "late", four, &late), WEFT_OK);
    refused(weft_graph_verify(g), WEFT_ERR_INVALID, "output 'late' has the name of an input");
}

static void test_failed_nodes_leave_no_trace(void **state) {
    (void)state;
    size_t nodes = g->n_nodes, values = g->n_values;
    weft_value y;
    refused(weft_graph_add(g, &tiny_matmul, "bad", (weft_value[]){w, x}, 2, NULL, 0, &y), WEFT_OK, "");
    nodes++, values++;
    refused(weft_graph_add(g, &tiny_matmul, "bad", (weft_value[]){x, kc}, 2, NULL, 0, &y), WEFT_ERR_INVALID,
            "matmul 'bad' (f32 [T, 32], f16 [4, 8]): the columns");
    refused(weft_graph_add(g, &tiny_matmul, "bad", (weft_value[]){x}, 1, NULL, 0, &y), WEFT_ERR_INVALID,
            "takes 2 to 2 inputs");
    refused(weft_graph_add(g, &tiny_sum, "bad", (weft_value[]){77}, 1, NULL, 0, &y), WEFT_ERR_INVALID, "no value");
    assert_int_equal(g->n_nodes, nodes);
    assert_int_equal(g->n_values, values);
}

static void test_attributes(void **state) {
    (void)state;
    weft_value y[2];
    struct weft_arg good[] = {{.name = "to", .x = 1}, {.name = "bias", .x = 5}};
    assert_int_equal(weft_graph_add(g, &tiny_cast, NULL, &x, 1, good, 2, y), WEFT_OK);
    const struct weft_node *n = &g->nodes[g->n_nodes - 1];
    assert_int_equal(n->attrs[0].i, 1);
    assert_int_equal(n->attrs[2].i, 5);
    assert_true(n->attrs[1].f == 1);
    struct {
        struct weft_arg args[2];
        uint32_t n;
        const char *part;
    } wrong[] = {
        {{{.name = "k", .x = 2}}, 1, "to is missing"},
        {{{.name = "to", .x = 3}}, 1, "one of f32|f16|bf16"},
        {{{.name = "to", .x = 1}, {.name = "to", .x = 1}}, 2, "twice"},
        {{{.name = "to", .x = 1}, {.name = "eps", .x = 1}}, 2, "no attribute eps"},
        {{{.name = "to", .x = 1}, {.name = "bias", .x = 6}}, 2, "within -5 and 5"},
        {{{.name = "to", .x = 1}, {.name = "bias", .x = 0.5}}, 2, "must be an integer"},
        {{{.name = "to", .x = 1}, {.name = "k", .x = NAN}}, 2, "attribute k"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        refused(weft_graph_add(g, &tiny_cast, NULL, &x, 1, wrong[i].args, wrong[i].n, y), WEFT_ERR_INVALID,
                wrong[i].part);
    // dims: a handle, a plain number, the default; lists of dims and of integers
    assert_int_equal(weft_graph_add(g, &tiny_split, NULL, &w, 1, &(struct weft_arg){.name = "at", .x = 3}, 1, y),
                     WEFT_OK);
    assert_true(g->values[y[1]].type.dims[0] == k(5));
    assert_int_equal(weft_graph_add(g, &tiny_split, NULL, &x, 1, &(struct weft_arg){.name = "at", .d = T}, 1, y),
                     WEFT_OK);
    assert_true(g->values[y[1]].type.dims[0] == k(0));
    weft_dim shape[] = {T, k(4), k(8)};
    struct weft_arg list[] = {{.name = "shape", .dims = shape, .n = 3},
                              {.name = "marks", .ints = (int64_t[]){1, -9}, .n = 2}};
    assert_int_equal(weft_graph_add(g, &tiny_reshape, NULL, &x, 1, list, 2, y), WEFT_OK);
    assert_int_equal(g->values[y[0]].type.rank, 3);
    list[1].ints = (int64_t[]){1, 10};
    refused(weft_graph_add(g, &tiny_reshape, NULL, &x, 1, list, 2, y), WEFT_ERR_INVALID, "marks");
    assert_int_equal(weft_graph_verify(g), WEFT_OK);
}

static void test_states_have_versions(void **state) {
    (void)state;
    weft_value rows, first, second, moved, both[2], pair[2], other;
    assert_int_equal(weft_graph_add(g, &tiny_matmul, "k", (weft_value[]){x, w}, 2, NULL, 0, &rows), WEFT_OK);
    assert_int_equal(tiny_latest(g, kc), kc);
    assert_int_equal(tiny_latest(g, x), WEFT_NO_VALUE);
    assert_int_equal(weft_graph_add(g, &tiny_append, NULL, (weft_value[]){kc, rows, pos}, 3, NULL, 0, &first), WEFT_OK);
    assert_int_equal(weft_graph_add(g, &tiny_append, NULL, (weft_value[]){first, rows, pos}, 3, NULL, 0, &second),
                     WEFT_OK);
    assert_int_equal(
        weft_graph_add(g, &tiny_advance, NULL, &pos, 1, &(struct weft_arg){.name = "by", .d = T}, 1, &moved), WEFT_OK);
    assert_int_equal(tiny_latest(g, kc), second);
    assert_int_equal(tiny_latest(g, first), second);
    assert_int_equal(g->values[second].state, g->values[kc].state);
    assert_int_equal(g->values[moved].var_hi, 100);
    assert_int_equal(weft_graph_verify(g), WEFT_OK);
    assert_int_equal(weft_graph_state(g, "vc", type(WEFT_F16, 2, k(4), k(8)), WEFT_STATE_RING, &other), WEFT_OK);
    assert_int_equal(weft_graph_add(g, &tiny_swap, NULL, (weft_value[]){second, other}, 2, NULL, 0, both), WEFT_OK);
    assert_int_equal(tiny_latest(g, kc), both[0]);
    assert_int_equal(tiny_latest(g, other), both[1]);
    assert_int_equal(weft_graph_verify(g), WEFT_OK);
    refused(weft_graph_add(g, &tiny_swap, NULL, (weft_value[]){rows, both[1]}, 2, NULL, 0, pair), WEFT_ERR_INVALID,
            "must be a state");
    // Of a value that is no state, one state's operator is a function.
    assert_int_equal(weft_graph_add(g, &tiny_append, NULL, (weft_value[]){rows, rows, moved}, 3, NULL, 0, &other),
                     WEFT_OK);
    assert_int_equal(g->values[other].state, UINT32_MAX);
    assert_int_equal(weft_graph_verify(g), WEFT_OK);
}

static void test_leaves_are_checked(void **state) {
    (void)state;
    weft_value v;
    refused(weft_graph_input(g, "w", type(WEFT_F32, 1, T, 0), &v), WEFT_ERR_INVALID, "named 'w'");
    refused(weft_graph_input(g, "", type(WEFT_F32, 1, T, 0), &v), WEFT_ERR_INVALID, "name");
    refused(weft_graph_input(g, NULL, type(WEFT_F32, 1, T, 0), &v), WEFT_ERR_INVALID, "name");
    refused(weft_graph_input(g, "a", type(WEFT_DTYPE_COUNT, 1, T, 0), &v), WEFT_ERR_INVALID, "element type");
    refused(weft_graph_input(g, "a", type(WEFT_F32, 9, T, 0), &v), WEFT_ERR_INVALID, "axes");
    refused(weft_graph_input(g, "a", type(WEFT_F32, 1, WEFT_DIM_BAD, 0), &v), WEFT_ERR_INVALID, "not a valid dim");
    refused(weft_graph_input(g, "a", type(WEFT_F32, 1, k(-1), 0), &v), WEFT_ERR_INVALID, "never above -1");
    weft_dim below = weft_dim_sub(g->dims, k(7), T);
    assert_int_equal(weft_graph_input(g, "below", type(WEFT_F32, 2, k(3), below), &v), WEFT_OK);
    assert_int_equal(weft_graph_sizes_check(g, &(int64_t){7}), WEFT_OK);
    refused(weft_graph_sizes_check(g, &(int64_t){9}), WEFT_ERR_INVALID, "'below': ");
    refused(weft_graph_weight(g, "a", type(WEFT_Q4_K, 2, k(256), k(128)), &v), WEFT_ERR_INVALID, "multiple of 256");
    refused(weft_graph_weight(g, "a", type(WEFT_Q4_0, 1, T, 0), &v), WEFT_ERR_INVALID, "multiple of 32");
    refused(weft_graph_state(g, "a", type(WEFT_F32, 0, 0, 0), WEFT_STATE_RING, &v), WEFT_ERR_INVALID, "capacity");
    refused(weft_graph_state(g, "a", type(WEFT_Q4_0, 1, k(32), 0), WEFT_STATE_DENSE, &v), WEFT_ERR_INVALID,
            "quantised");
    refused(weft_graph_var(g, "a", WEFT_U32, -1, 4, &v), WEFT_ERR_INVALID, "bounds");
    refused(weft_graph_var(g, "a", WEFT_I32, 5, 4, &v), WEFT_ERR_INVALID, "bounds");
    refused(weft_graph_var(g, "a", WEFT_F16, 0, 4, &v), WEFT_ERR_INVALID, "must be u32, i32 or f32");
    refused(weft_graph_const(g, type(WEFT_F32, 1, k(2), 0), "abcd", 4, &v), WEFT_ERR_INVALID, "takes 8 bytes");
    refused(weft_graph_const(g, type(WEFT_F32, 1, T, 0), "abcd", 4, &v), WEFT_ERR_INVALID, "symbols");
    assert_int_equal(weft_graph_verify(g), WEFT_OK);
}

/// One variable of a graph may be the session's activity, whatever it is called.
static void test_activity(void **state) {
    (void)state;
    weft_value pos = weft_graph_find(g, "pos"), wide, signed_one, gate, other;
    refused(weft_graph_activity(g, x), WEFT_ERR_INVALID, "must be a variable");
    refused(weft_graph_activity(g, WEFT_NO_VALUE), WEFT_ERR_INVALID, "must be a variable");
    refused(weft_graph_activity(g, pos), WEFT_ERR_INVALID, "'pos'");
    assert_int_equal(weft_graph_var(g, "active", WEFT_U32, 0, 2, &wide), WEFT_OK);
    assert_int_equal(weft_graph_var(g, "i", WEFT_I32, 0, 1, &signed_one), WEFT_OK);
    assert_int_equal(weft_graph_var(g, "gate", WEFT_U32, 0, 1, &gate), WEFT_OK);
    assert_int_equal(weft_graph_var(g, "other", WEFT_U32, 0, 1, &other), WEFT_OK);
    refused(weft_graph_activity(g, wide), WEFT_ERR_INVALID, "'active'");
    refused(weft_graph_activity(g, signed_one), WEFT_ERR_INVALID, "within 0 and 1");
    assert_int_equal(weft_graph_activity(g, gate), WEFT_OK);
    assert_int_equal(weft_graph_activity(g, gate), WEFT_OK); // again
    refused(weft_graph_activity(g, other), WEFT_ERR_INVALID, "'gate' is already");
    assert_true(g->values[gate].is_activity && !g->values[other].is_activity);
    assert_int_equal(weft_graph_verify(g), WEFT_OK);
}

static void test_builders_stick_to_the_first_error(void **state) {
    (void)state;
    struct weft_build b = {.g = g};
    g->scope = "blk.0";
    weft_value y = weft_b2(&b, "add", weft_b2(&b, "mul", x, x), weft_bf(&b, 2));
    weft_value named = weft_bn(&b, "sum", "total", &y, 1, NULL, 0);
    assert_int_equal(b.status, WEFT_OK);
    assert_string_equal(g->nodes[g->values[named].node].name, "blk.0.total");
    g->scope = NULL;
    size_t nodes = g->n_nodes;
    assert_int_equal(weft_b1(&b, "sunm", y), WEFT_NO_VALUE);
    assert_int_equal(b.status, WEFT_ERR_NOT_FOUND);
    assert_int_equal(weft_b1(&b, "sum", y), WEFT_NO_VALUE);
    assert_int_equal(weft_bf(&b, 1), WEFT_NO_VALUE);
    assert_int_equal(g->n_nodes, nodes);
    assert_non_null(strstr(weft_error_message(), "'sunm'"));
}

// Every allocation may fail; then the call fails with a status, nothing leaks and the graph still verifies.
static void test_out_of_memory(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    weft_status status = WEFT_ERR_NOMEM;
    for (uint64_t n = 1; status != WEFT_OK; n++) {
        struct weft_graph *h = NULL;
        assert_true(n < 500);
        weft_alloc_fail_at(n, 1);
        status = weft_graph_create(&tiny_ops, &h);
        if (status == WEFT_OK) {
            struct weft_build b = {.g = h};
            weft_value a = WEFT_NO_VALUE;
            weft_dim d = weft_dim_const(h->dims, 7);
            b.status = weft_graph_input(h, "a", (struct weft_type){.rank = 1, .dims = {d}}, &a);
            for (int i = 0; i < 40; i++) a = weft_bn(&b, "add", "n", (weft_value[]){a, weft_bf(&b, 1)}, 2, NULL, 0);
            if (b.status == WEFT_OK) b.status = weft_graph_output(h, a, "y");
            status = b.status;
            assert_true(status == WEFT_OK || status == WEFT_ERR_NOMEM || d == WEFT_DIM_BAD);
        }
        weft_alloc_fail_at(0, 0);
        if (h) assert_int_equal(weft_graph_verify(h), WEFT_OK);
        weft_graph_destroy(h);
        assert_true(weft_alloc_stats().live == live);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_types_are_inferred, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_nodes_leave_no_trace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_attributes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_states_have_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaves_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_activity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_builders_stick_to_the_first_error, setup, teardown),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("ir/graph", tests, NULL, NULL);
}
