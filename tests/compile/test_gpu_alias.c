/// Kernels whose operands share memory, on a device: the destination is near the host reference, everything around it
/// keeps its bits. Slow drivers run a handful, since all of them run on the host in test_host.c; WEFT_TEST_LONG=1 runs
/// all here, and more random regions.
#include "core/error.h"
#include "support/alias_cases.h"
#include "support/graph_run.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sweep {
    weft_gpu *gpu;
    bool all;
    uint32_t n, caught, checked;
    const char *only;
};

static int run_case(void *user, const struct alias_case *c) {
    struct sweep *s = user;
    if (s->only ? !strstr(c->name, s->only) : !s->all && !c->few) return 0;
    s->n++;
    return alias_case_run(s->gpu, c, 0, false);
}

static bool slow(void) { return weft_test_thin(); }

static void results_do_not_depend_on_sharing(void **state) {
    (void)state;
    // a checked build compiles each kernel for long, and its kernels are those of the few
    struct sweep s = {
        .gpu = weft_test_gpu(), .all = !weft_test_short() && !weft_test_checked(), .only = getenv("WEFT_TEST_CASE")};
    assert_non_null(s.gpu);
    assert_int_equal(alias_cases(run_case, &s, !weft_test_short() ? 600 : 4), 0);
    assert_true(s.only || s.n > (s.all ? 500 : 20));
}

/// The same, compiled as for a discrete GPU: rows are then held in registers, and workgroups are larger.
static void results_do_not_depend_on_sharing_as_gpu(void **state) {
    assert_non_null(weft_test_gpu());
    if (slow()) skip();
    enum weft_gpu_kind was = weft_test_as(WEFT_GPU_DISCRETE);
    results_do_not_depend_on_sharing(state);
    weft_test_as(was);
}

/// Negative control: with a binder that takes every overlap for in place, the plan is refused; and run without the
/// check, it gives something else.
static int unchecked_case(void *user, const struct alias_case *c) {
    struct sweep *s = user;
    if (c->copied == 0 || c->type != WEFT_F32 || c->random || strncmp(c->name, "norm: destination", 17) != 0) return 0;
    s->n++;
    s->checked += alias_case_run(s->gpu, c, 1, true) != 0 && strstr(weft_error_message(), "overlap partly");
    s->caught += alias_case_run(s->gpu, c, 2, true) != 0;
    return 0;
}

static void skipped_alias_checks_are_noticed(void **state) {
    (void)state;
    if (slow()) skip();
    struct sweep s = {.gpu = weft_test_gpu()};
    assert_non_null(s.gpu);
    alias_cases(unchecked_case, &s, 0);
    assert_true(s.n > 10);
    assert_int_equal(s.checked, s.n); // every one is refused
    // A race need not show every time, but it does show; a GPU may run all of so little work at once.
    assert_true(s.caught > 0 || weft_gpu_caps(weft_test_gpu())->kind != WEFT_GPU_CPU);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_do_not_depend_on_sharing),
        cmocka_unit_test(results_do_not_depend_on_sharing_as_gpu),
        cmocka_unit_test(skipped_alias_checks_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
