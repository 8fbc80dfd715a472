/// Plans of kernels whose operands share memory: dispatches, bindings and copied bytes follow from the ranges.
#include "plan_fixture.h"
#include "support/alias_cases.h"

static int plan_case(void *user, const struct alias_case *c)
{
    uint32_t *n = user;
    struct weft_gpu_caps caps = fixture_caps();
    ++*n;
    return alias_case_plan(c, &caps);
}

static void plans_follow_from_ranges(void **state)
{
    (void)state;
    uint32_t n = 0;
    assert_int_equal(alias_cases(plan_case, &n, 300), 0);
    assert_true(n > 700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_follow_from_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
