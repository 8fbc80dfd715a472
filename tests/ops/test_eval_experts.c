/// Shapes, refusals and the host reference of matmul_experts, against numbers worked out by hand.
#include "core/error.h"
#include "ir/graph.h"
#include "ops/ops.h"
#include "refused.h"
#include <stdio.h>

static double x[] = {1, 2, 10, 20, 3, 4, 30, 40}, w[] = {1, 0, 0, 1, 1, 1, 2, 2, 0, 0, -1, 0}, ids[4];
static double out[8];

static weft_status leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *t) {
    (void)user, (void)v;
    t->data = info->name[0] == 'x' ? x : info->name[0] == 'w' ? w : ids;
    return WEFT_OK;
}

static weft_status keep(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    (void)user, (void)v;
    if (info->kind == WEFT_VALUE_NODE) memcpy(out, t->data, (size_t)weft_host_count(t) * sizeof *out);
    return WEFT_OK;
}

static void check(const char *x_type, const char *ids_type, const double *chosen, const double *want) {
    char text[256];
    struct weft_graph *g;
    memcpy(ids, chosen, sizeof ids);
    snprintf(
        text, sizeof text,
        "input x f32 %s\ninput w f32 [3, 2, 2]\ninput i %s [2, 2]\n%%0 = matmul_experts %%x %%w %%i\noutput %%0 y\n",
        x_type, ids_type);
    if (weft_graph_parse(weft_ops(), text, strlen(text), &g) != WEFT_OK) fail_msg("%s", weft_error_message());
    struct weft_eval_params params = {.leaf = leaf, .each = keep};
    assert_int_equal(weft_graph_eval(g, &params), WEFT_OK);
    weft_graph_destroy(g);
    for (int i = 0; i < 8; i++) assert_true(out[i] == want[i]);
}

static void each_row_meets_its_matrix(void **state) {
    (void)state;
    const double chosen[] = {0, 1, 2, 1};
    const double each[] = {1, 2, 30, 60, 0, -3, 70, 140};
    check("[2, 2, 2]", "i32", chosen, each);
    const double common[] = {1, 2, 3, 6, 0, -10, 30, 60};
    check("[2, 2]", "u32", chosen, common);
    check("[2, 1, 2]", "i32", chosen, common);
}

static void an_id_outside_counts_as_the_nearest(void **state) {
    (void)state;
    const double wild[] = {-2147483648.0, 3, 2147483647.0, -1};
    const double want[] = {1, 2, 0, -1, 0, -10, 10, 20};
    check("[2, 2]", "i32", wild, want);
    const double large[] = {0, 4294967295.0, 3, 0};
    check("[2, 2]", "u32", large, want);
}

static void it_refuses_with_a_reason(void **state) {
    (void)state;
#define TRY(x, w, i) "input x " x "\ninput w " w "\ninput i " i "\n%0 = matmul_experts %x %w %i\n"
    refused(TRY("f32 [4]", "f32 [3, 2, 4]", "i32 [1, 2]"), "operand 0 is");
    refused(TRY("i32 [5, 4]", "f32 [3, 2, 4]", "i32 [5, 2]"), "operand 0 is");
    refused(TRY("f32 [5, 4]", "f32 [2, 4]", "i32 [5, 2]"), "[E, N, K]");
    refused(TRY("f32 [5, 4]", "i8 [3, 2, 4]", "i32 [5, 2]"), "operand 1 is");
    refused(TRY("f32 [5, 4]", "f32 [3, 2, 4]", "f32 [5, 2]"), "operand 2 is");
    refused(TRY("f32 [5, 4]", "f32 [3, 2, 4]", "i32 [10]"), "i32 or u32 [T, J]");
    refused(TRY("f32 [5, 3]", "f32 [3, 2, 4]", "i32 [5, 2]"), "differ in length");
    refused(TRY("f32 [6, 4]", "f32 [3, 2, 4]", "i32 [5, 2]"), "other rows");
    refused(TRY("f32 [5, 3, 4]", "f32 [3, 2, 4]", "i32 [5, 2]"), "[T, 1, K]");
    refused(TRY("f32 [5, 4]", "f32 [0, 2, 4]", "i32 [5, 2]"), "number of matrices");
#undef TRY
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_meets_its_matrix),
        cmocka_unit_test(an_id_outside_counts_as_the_nearest),
        cmocka_unit_test(it_refuses_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
