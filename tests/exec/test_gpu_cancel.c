/// Fences, cancelling and timeouts on drivers: cancel_tests.h with results that count. What "finishes nothing" is the
/// driver itself, by the Vulkan layer of tests/vulkan, so waits are blocked below the WebGPU implementation.
#include "cancel_tests.h"

// ---- controls ------------------------------------------------------------------------------------------------------

/// One run too many or too few, or in other states, is seen: a refused run that counted, an accepted one that did not.
static void wrong_counts_are_noticed(void **state) {
    (void)state;
    struct world w = begin(0);
    for (uint32_t n = 0; n < 12; n++) {
        assert_null(not_after(w.session, n));
        assert_non_null(not_after(w.session, n + 1));
        if (n) assert_non_null(not_after(w.session, n - 1));
        weft_session_cancel(w.session);
        api_fails(weft_session_run(w.session, 1, NULL), WEFT_ERR_CANCELLED, "cancelled");
        weft_session_resume(w.session);
        assert_null(not_after(w.session, n)); // as if it had not been asked for
        if (n == 5) api_must(weft_session_reset(w.session));
        if (n == 5) assert_non_null(not_after(w.session, n));
        for (uint32_t k = n == 5 ? 0 : n; k <= n; k++) api_must(weft_session_run(w.session, 1, NULL));
    }
    float word = 3;
    api_must(weft_session_write(w.session, "kept", 4, &word, 4));
    assert_string_equal(not_after(w.session, 12), "kept");
    end(&w);
}

/// Functions that are called twice, in another order, for another fence, not at all, or with an error are seen.
static void wrong_calls_are_noticed(void **state) {
    (void)state;
    static const uint64_t want[] = {4, 5, 7};
    static const struct heard right = {.fences = {4, 5, 7}, .n = 3}, twice = {.fences = {4, 5, 5, 7}, .n = 4},
                              order = {.fences = {5, 4, 7}, .n = 3}, other = {.fences = {4, 5, 6}, .n = 3},
                              less = {.fences = {4, 5}, .n = 2},
                              failed = {.fences = {4, 5, 7}, .status = {[1] = WEFT_ERR_LOST}, .n = 3};
    assert_true(heard_just(&right, want, 3));
    assert_false(heard_just(&twice, want, 3));
    assert_false(heard_just(&order, want, 3));
    assert_false(heard_just(&other, want, 3));
    assert_false(heard_just(&less, want, 3));
    assert_false(heard_just(&failed, want, 3));
}

/// It is the layer that holds waits up: without it the same calls return by themselves. What lives is seen to live.
static void nothing_blocks_by_itself(void **state) {
    (void)state;
    for (enum blocker how = WAIT; how < BLOCKERS; how++) {
        struct world w = begin(0);
        struct blocked b = {.world = &w, .how = how};
        api_must(block(&b));
        ran(w.session, how == ANOTHER_S_RUN ? 1 : b.accepted, "not held up");
        assert_true(alive(w.device) > 0);
        end(&w);
    }
}

/// A test that failed may have left the driver stalled: the next one is to say what it has to say.
static int unstalled(void **state) {
    (void)state;
    cancel_layer.stall(false);
    return 0;
}

int main(void) {
    weft_device *device;
    if (weft_device_open(NULL, &device) != WEFT_OK) {
        fprintf(stderr, "%s\n", weft_error_message());
        return getenv("WEFT_TEST_ALLOW_NO_GPU") ? 0 : 1;
    }
    bool found = layer_find(&cancel_layer); // which the loader has while a device is open, and we from then on
    weft_device_close(&device);
    if (!found) return LAYER_NONE;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(wrong_counts_are_noticed, unstalled),
        cmocka_unit_test_setup(wrong_calls_are_noticed, unstalled),
        cmocka_unit_test_setup(nothing_blocks_by_itself, unstalled),
        cmocka_unit_test_setup(fences, unstalled),
        cmocka_unit_test_setup(several_wait, unstalled),
        cmocka_unit_test_setup(callbacks, unstalled),
        cmocka_unit_test_setup(callbacks_of_ends, unstalled),
        cmocka_unit_test_setup(destroyed_while_called, unstalled),
        cmocka_unit_test_setup(callbacks_of_a_loss, unstalled),
        cmocka_unit_test_setup(cancelled, unstalled),
        cmocka_unit_test_setup(reads_after_given_up_ones, unstalled),
        cmocka_unit_test_setup(reset_while_cancelled, unstalled),
        cmocka_unit_test_setup(others_go_on, unstalled),
        cmocka_unit_test_setup(checker_is_whole, unstalled),
        cmocka_unit_test_setup(begun_is_finished, unstalled),
        cmocka_unit_test_setup(destroyed_while_cancelled, unstalled),
        cmocka_unit_test_setup(closed_beside_cancelled, unstalled),
        cmocka_unit_test_setup(timeouts, unstalled),
        cmocka_unit_test_setup(hung_destroy_and_close, unstalled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
