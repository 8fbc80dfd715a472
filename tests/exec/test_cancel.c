/// Fences, cancelling and timeouts on the null device: cancel_tests.h, and what needs no work to be done.
#include "cancel_tests.h"

/// Time that passes while nothing is in flight is no waiting.
static void idle_is_no_timeout(void **state) {
    (void)state;
    struct world w = begin(0.05);
    uint64_t fence[6];
    for (int i = 0; i < 6; i++) {
        api_must(weft_session_run(w.session, 1, &fence[i]));
        api_must(weft_session_wait(w.session, fence[i], -1));
        weft_sleep(0.02);
    }
    api_must(weft_device_wait_idle(w.device));
    end(&w);
    struct weft_device_params never = {.implementation = "null", .timeout_seconds = -1};
    api_fails(weft_device_open(&never, &w.device), WEFT_ERR_INVALID, "timeout");
}

int main(void) {
    cancel_on = "null";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fences),
        cmocka_unit_test(several_wait),
        cmocka_unit_test(callbacks),
        cmocka_unit_test(callbacks_of_ends),
        cmocka_unit_test(destroyed_while_called),
        cmocka_unit_test(callbacks_of_a_loss),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(reads_after_given_up_ones),
        cmocka_unit_test(reset_while_cancelled),
        cmocka_unit_test(others_go_on),
        cmocka_unit_test(checker_is_whole),
        cmocka_unit_test(begun_is_finished),
        cmocka_unit_test(destroyed_while_cancelled),
        cmocka_unit_test(closed_beside_cancelled),
        cmocka_unit_test(timeouts),
        cmocka_unit_test(idle_is_no_timeout),
        cmocka_unit_test(hung_destroy_and_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
