/// Shapes, refusals and the host reference of topk, against results worked out by hand.
#include "core/error.h"
#include "ir/graph.h"
#include "ops/ops.h"
#include "refused.h"
#include <math.h>
#include <stdio.h>

enum { MOST = 64 };
struct run {
    double *x, out[2][MOST];
    int64_t n[2];
};

static weft_status leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *t) {
    (void)v, (void)info;
    t->data = ((struct run *)user)->x;
    return WEFT_OK;
}

static weft_status keep(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    struct run *r = user;
    if (info->kind != WEFT_VALUE_NODE) return WEFT_OK;
    int k = t->dtype == WEFT_I32 && v % 2 == 0;
    r->n[k] = weft_host_count(t);
    memcpy(r->out[k], t->data, (size_t)r->n[k] * sizeof *t->data);
    return WEFT_OK;
}

/// The first output is value 1, the second 2.
static void run(const char *text, struct run *r) {
    struct weft_graph *g;
    assert_int_equal(weft_graph_parse(weft_ops(), text, strlen(text), &g), WEFT_OK);
    struct weft_eval_params params = {.leaf = leaf, .each = keep, .user = r};
    assert_int_equal(weft_graph_eval(g, &params), WEFT_OK);
    weft_graph_destroy(g);
}

static void largest_first_and_of_equals_the_one_in_front(void **state) {
    (void)state;
    double x[] = {1, 3, 3, -2, 7, 3, -INFINITY, INFINITY, 0, -0.0, 0, -0.0};
    struct run r = {.x = x};
    run("input x f32 [2, 6]\n%v %i = topk %x {k=4}\noutput %v values\noutput %i indices\n", &r);
    const double values[] = {7, 3, 3, 3, INFINITY, 0, 0, 0}, indices[] = {4, 1, 2, 5, 1, 2, 3, 4};
    assert_int_equal(r.n[0], 8);
    for (int i = 0; i < 8; i++) {
        assert_true(r.out[0][i] == values[i]);
        assert_true(r.out[1][i] == indices[i]);
    }
    assert_true(signbit(r.out[0][6]) && !signbit(r.out[0][5])); // bits stay
}

static void what_is_no_number_stands_first(void **state) {
    (void)state;
    double x[] = {1, NAN, INFINITY, -NAN, 2, NAN};
    struct run r = {.x = x};
    run("input x f32 [6]\n%v %i = topk %x {k=5}\noutput %v values\noutput %i indices\n", &r);
    const double indices[] = {1, 3, 5, 2, 4};
    for (int i = 0; i < 5; i++) assert_true(r.out[1][i] == indices[i]);
    for (int i = 0; i < 3; i++) assert_true(isnan(r.out[0][i]));
    assert_true(r.out[0][3] == INFINITY && r.out[0][4] == 2);
}

/// The same as a sort of all pairs would have it.
static void all_of_a_row_are_in_order(void **state) {
    (void)state;
    double x[MOST];
    uint32_t seed = 7;
    for (int i = 0; i < MOST; i++) x[i] = (seed = seed * 1664525u + 1013904223u) >> 28;
    struct run r = {.x = x};
    run("input x i32 [64]\n%v %i = topk %x {k=64}\n%c = cast %v {to=f32}\noutput %c values\noutput %i indices\n", &r);
    for (int i = 1; i < MOST; i++) {
        int a = (int)r.out[1][i - 1], b = (int)r.out[1][i];
        assert_true(x[a] > x[b] || (x[a] == x[b] && a < b));
    }
}

static void it_refuses_with_a_reason(void **state) {
    (void)state;
    refused("input x f32 []\n%v %i = topk %x {k=1}\n", "operand 0 is a scalar");
    refused("input x f32 [3]\n%v %i = topk %x {k=4}\n", "k is");
    refused("input x bool [3]\n%v %i = topk %x {k=1}\n", "cast it first");
    refused("weight x q8_0 [3, 32]\n%v %i = topk %x {k=1}\n", "floats and integers");
    refused("input x f32 [3]\n%v %i = topk %x\n", "k");
    refused("input x f32 [3]\n%v %i = topk %x {k=-1}\n", "k");
}

/// A live row may be too short at some size only: a guard says so when that size is set.
static void a_live_row_is_guarded(void **state) {
    (void)state;
    struct weft_graph *g;
    const char *text = "symbol N 0 9\ninput x f32 [N]\n%v %i = topk %x {k=4}\noutput %i indices\n";
    assert_int_equal(weft_graph_parse(weft_ops(), text, strlen(text), &g), WEFT_OK);
    int64_t sizes[WEFT_MAX_SYMBOLS] = {4};
    assert_int_equal(weft_graph_sizes_check(g, sizes), WEFT_OK);
    sizes[0] = 3;
    assert_int_equal(weft_graph_sizes_check(g, sizes), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "topk"));
    weft_graph_destroy(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(largest_first_and_of_equals_the_one_in_front),
        cmocka_unit_test(what_is_no_number_stands_first),
        cmocka_unit_test(all_of_a_row_are_in_order),
        cmocka_unit_test(it_refuses_with_a_reason),
        cmocka_unit_test(a_live_row_is_guarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
