/// Threads on drivers: thread_rig.h, with results that count, and controls of what it compares.
#include "exec/exec_impl.h"
#include "thread_rig.h"

/// Stories differ from move to move, life to life and user to user, so an image of another place is noticed.
static void other_stories_are_noticed(void **state) {
    (void)state;
    struct bind_image *alone = stories_alone();
    for (int i = 0; i < THREADS * LIVES * MOVES; i++)
        for (int k = 0; k < i; k++) assert_non_null(bind_differs(&alone[i], &alone[k]));
    free(alone);
}

/// A cancelled run that counts as done is noticed, and one that was done but does not count.
static void wrong_counts_are_noticed(void **state) {
    (void)state;
    struct bind_image *x = malloc(2 * sizeof *x);
    assert_non_null(x);
    for (int runs = 2; runs <= 4; runs += 2) {
        weft_session *s[] = {own_inputs(false, 1), own_inputs(false, 1)};
        for (int i = 0; i < 2; i++) {
            int accepted = i ? 3 : runs;
            for (int k = 0; k < accepted; k++) api_must(weft_session_run(s[i], 1, NULL));
            bind_image(s[i], &x[i]);
        }
        assert_non_null(bind_differs(&x[0], &x[1]));
        for (int i = 0; i < 2; i++) weft_session_destroy(&s[i]);
    }
    free(x);
}

static void *run_checked(void *arg) { return good(weft_session_run(arg, 1, NULL)), NULL; }

/// Bytes written since the last submit.
static uint64_t unflushed(void) {
    weft_gpu_lock(device);
    uint64_t bytes = device->unflushed;
    weft_gpu_unlock(device);
    return bytes;
}

/// Runs that do mix are noticed: one is held up behind its first step, the program is taken from it, and another run
/// begins and poisons what the first was about to read.
static void mixed_runs_are_noticed(void **state) {
    (void)state;
    if (!thread_layer.stall) skip();
    weft_session *filler = own_inputs(false, 9), *s[] = {own_inputs(true, 1), own_inputs(true, 2)};
    weft_session *twin = own_inputs(false, 1);
    struct bind_image *x = malloc(2 * sizeof *x);
    pthread_t t[2];
    assert_non_null(x);
    atomic_store(&failures, 0);
    api_must(weft_device_wait_idle(device));
    uint64_t full = bind_counters(device).submits + WEFT_GPU_IN_FLIGHT;
    assert_true(layer_stall(&thread_layer, device, true));
    for (int i = 1; i < WEFT_GPU_IN_FLIGHT; i++) api_must(weft_session_run(filler, 1, NULL));
    assert_int_equal(pthread_create(&t[0], NULL, run_checked, s[0]), 0);
    while (bind_counters(device).submits < full) weft_sleep(1e-4);
    weft_program_leave(program);
    assert_int_equal(pthread_create(&t[1], NULL, run_checked, s[1]), 0);
    while (unflushed() < weft_buf_size(device, program->heaps[0])) weft_sleep(1e-4);
    assert_true(layer_stall(&thread_layer, device, false));
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    assert_int_equal(atomic_load(&failures), 0);
    api_must(weft_session_run(twin, 1, NULL));
    bind_image(s[0], &x[0]);
    bind_image(twin, &x[1]);
    assert_non_null(bind_differs(&x[0], &x[1]));
    free(x);
    weft_session_destroy(&filler);
    weft_session_destroy(&twin);
    for (int i = 0; i < 2; i++) weft_session_destroy(&s[i]);
}

/// A test that failed may have left the driver stalled.
static int unstalled(void **state) {
    (void)state;
    if (thread_layer.stall) thread_layer.stall(false);
    return 0;
}

int main(void) {
    rounds = 24;
    crowds = 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(other_stories_are_noticed, unstalled),
        cmocka_unit_test_setup(wrong_counts_are_noticed, unstalled),
        cmocka_unit_test_setup(mixed_runs_are_noticed, unstalled),
        cmocka_unit_test_setup(shared_program, unstalled),
        cmocka_unit_test_setup(runs_never_mix, unstalled),
        cmocka_unit_test_setup(cancelled_at_random, unstalled),
        cmocka_unit_test_setup(nothing_is_left, unstalled),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
