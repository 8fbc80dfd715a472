/// The block of experts on the device, against the formula: few tokens and many.
#include "experts_rig.h"
#include "support/graph_run.h"
#include <string.h>

static void must(weft_status s) {
    if (s != WEFT_OK) fail_msg("%s", weft_error_message());
}

static weft_status weight(void *user, const char *name, const void **data, uint64_t *bytes) {
    const struct weft_source_tensor *t = weft_source_find(((struct experts_rig *)user)->file, name);
    if (!t) return weft_fail(WEFT_ERR_NOT_FOUND, "no tensor %s", name);
    *data = t->data;
    *bytes = t->size;
    return WEFT_OK;
}

static int differences(struct experts_rig *r, weft_session *s, int first, int tokens) {
    static float out[RIG_TOKENS * RIG_N];
    static double y[RIG_TOKENS * RIG_N];
    uint64_t bytes = (uint64_t)tokens * RIG_N * sizeof *out;
    must(weft_session_resize(s, (const int64_t[WEFT_MAX_SYMBOLS]){tokens}));
    must(weft_session_write(s, "x", 0, r->x + first * RIG_N, bytes));
    must(weft_session_run(s, 1, NULL));
    must(weft_session_read(s, "y", 0, out, bytes));
    for (int i = 0; i < tokens * RIG_N; i++) y[i] = out[i];
    return rig_differences(r, first, tokens, y, 2e-5);
}

static void the_device_computes_the_formula(void **state) {
    (void)state;
    static struct experts_rig r;
    int bad = 0;
    for (int i = 0; i < RIG_WAYS; i++) {
        if (weft_test_short() && i != 1) continue; // the one with most operators
        struct weft_graph *g;
        weft_program *program;
        weft_session *s;
        rig_open(&r, &rig_ways[i], RIG_TENSORS);
        must(rig_graph(&r, &g));
        struct weft_program_params params = {
            .compile = {.split_symbol = "T", .split_at = {8}, .n_splits = weft_test_thin() ? 0 : 1},
            .source = {.get = weight, .user = &r}};
        must(weft_program_create(weft_test_gpu(), g, &params, &program));
        must(weft_session_create(program, NULL, &s));
        static const int runs[] = {RIG_TOKENS, 1, 8, 9, 3};
        for (size_t k = 0; k < sizeof runs / sizeof *runs; k++)
            bad += differences(&r, s, (int)k * 3 % (RIG_TOKENS - runs[k] + 1), runs[k]);
        weft_session_destroy(&s);
        weft_program_destroy(&program);
        rig_close(&r);
    }
    assert_int_equal(bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_device_computes_the_formula)};
    if (!weft_test_gpu()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
