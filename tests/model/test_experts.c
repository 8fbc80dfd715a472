/// The block of experts by the host reference of its graph, against the formula; and what it says of files that lack
/// something.
#include "experts_rig.h"
#include <string.h>

static weft_status leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *t) {
    struct experts_rig *r = user;
    static double data[RIG_TOKENS * RIG_N];
    (void)v;
    if (info->kind == WEFT_VALUE_WEIGHT) return t->raw = rig_data(r, info->name), WEFT_OK;
    for (int i = 0; i < RIG_TOKENS * RIG_N; i++) data[i] = r->x[i];
    t->data = data;
    return WEFT_OK;
}

static double y[RIG_TOKENS * RIG_N];

static weft_status keep(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    (void)user, (void)v;
    if (info->is_output) memcpy(y, t->data, sizeof y);
    return WEFT_OK;
}

static void it_computes_the_formula(void **state) {
    (void)state;
    static struct experts_rig r;
    for (int i = 0; i < RIG_WAYS; i++) {
        struct weft_graph *g;
        rig_open(&r, &rig_ways[i], RIG_TENSORS);
        if (rig_graph(&r, &g) != WEFT_OK) fail_msg("%s", weft_error_message());
        const int64_t symbols[WEFT_MAX_SYMBOLS] = {RIG_TOKENS};
        struct weft_eval_params params = {.leaf = leaf, .each = keep, .user = &r, .symbols = symbols};
        assert_int_equal(weft_graph_eval(g, &params), WEFT_OK);
        assert_int_equal(rig_differences(&r, 0, RIG_TOKENS, y, 1e-12), 0);
        // Negative control: by another number of experts it is something else.
        r.block.used = r.block.used == RIG_COUNT ? 1 : r.block.used + 1;
        assert_true(rig_differences(&r, 0, RIG_TOKENS, y, 1e-3) > RIG_TOKENS * RIG_N / 2);
        weft_graph_destroy(g);
        rig_close(&r);
    }
}

static void files_that_lack_something_are_refused(void **state) {
    (void)state;
    static struct experts_rig r;
    for (size_t i = 0; i < RIG_TENSORS; i++) {
        struct weft_graph *g;
        rig_open(&r, &rig_ways[1], i);
        assert_int_equal(rig_graph(&r, &g), WEFT_ERR_NOT_FOUND);
        assert_non_null(strstr(weft_error_message(), rig_tensors[i].name));
        weft_graph_destroy(g);
        rig_close(&r);
    }
    struct weft_block_experts wrong[] = {rig_ways[0], rig_ways[0], rig_ways[1]};
    wrong[0].count = 4;
    wrong[1].width = 8;
    wrong[2].shared = 4;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct weft_graph *g;
        rig_open(&r, &wrong[i], RIG_TENSORS);
        assert_int_equal(rig_graph(&r, &g), WEFT_ERR_FORMAT);
        assert_non_null(strstr(weft_error_message(), "the model's keys make it"));
        weft_graph_destroy(g);
        rig_close(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_computes_the_formula),
        cmocka_unit_test(files_that_lack_something_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
