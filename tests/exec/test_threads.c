/// Threads on the null device: thread_rig.h, as often as it is worth.
#include "thread_rig.h"

int main(void) {
    thread_on = "null";
    rounds = 60;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_program),
        cmocka_unit_test(runs_never_mix),
        cmocka_unit_test(cancelled_at_random),
        cmocka_unit_test(nothing_is_left),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
