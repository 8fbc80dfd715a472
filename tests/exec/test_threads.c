/// Threads on the null device: thread_rig.h, as often as it is worth.
#include "slot_rig.h"
#include "support/lm_program.h"
#include "thread_rig.h"

// ---- one pool, several threads -------------------------------------------------------------------------------------

static weft_program *slots;

/// One sequence of a session: it begins with what others have published, goes on, and publishes what it has.
static void take_part(weft_session *s, uint32_t slot, uint64_t *seed) {
    int32_t ids[SLOT_ROWS];
    size_t adopted = 0, n = 8 + weft_test_random(seed, 24);
    uint64_t position = 0;
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)weft_test_random(seed, 9) / 8;
    if (!good(weft_session_rewind_slot(s, slot, 0))) return;
    if (!good(weft_session_adopt_slot(s, slot, ids, n, &adopted))) return;
    holds(adopted <= n && adopted % 4 == 0, "half a page was adopted");
    for (size_t t; adopted < n; adopted += t) {
        t = n - adopted < SLOT_MOST ? n - adopted : SLOT_MOST;
        good(weft_session_set_var_at(s, "count", slot, (uint32_t)t));
        good(weft_session_set_sizes(s, &(struct weft_size){"T", (int64_t)t}, 1));
        good(weft_session_run(s, 1, NULL));
    }
    good(weft_session_set_var_at(s, "count", slot, 0));
    good(weft_session_position_slot(s, slot, &position));
    holds(position == n, "a slot does not stand where its tokens end");
    good(weft_session_publish_slot(s, slot, ids, n));
}

static void *slot_thread(void *arg) {
    uint64_t seed = *(const uint32_t *)arg;
    for (int life = 0; life < 3; life++) {
        weft_session *s = NULL;
        weft_snapshot *x = NULL;
        if (!good(weft_session_create(slots, NULL, &s))) return NULL;
        for (int i = 0; i < rounds / 2; i++) {
            uint32_t slot = weft_test_random(&seed, SLOTS), other = weft_test_random(&seed, SLOTS);
            take_part(s, slot, &seed);
            if (i % 3 == 0) good(weft_session_fork_slot(s, slot, s, other));
            if (i % 5 == 0) {
                weft_snapshot_destroy(&x);
                good(weft_session_snapshot_slot(s, slot, WEFT_SNAPSHOT_DEVICE, &x));
            } else if (x && i % 5 == 3) good(weft_session_restore_slot(s, other, x));
            if (i % 11 == 10) good(weft_session_forget_prefixes(s));
        }
        weft_session_destroy(&s);
        weft_snapshot_destroy(&x);
    }
    return NULL;
}

/// Sessions of several threads share pages by slots, snapshots and beginnings, and give all of them back.
static void slots_share_a_pool(void **state) {
    (void)state;
    static uint32_t seeds[THREADS];
    thread_fn fns[THREADS];
    void *users[THREADS];
    uint64_t before, after;
    assert_true(alive(&before));
    slots = rig_program(device, SLOT_GRAPH("paged"), &(struct weft_compile_params){.page_rows = 4});
    for (uint32_t i = 0; i < THREADS; i++) seeds[i] = i + 1, fns[i] = slot_thread, users[i] = &seeds[i];
    run_threads(fns, users, THREADS);
    weft_program_destroy(&slots);
    assert_true(alive(&after));
    assert_int_equal(after, before);
}

int main(void) {
    thread_on = "null";
    rounds = 60;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_program),     cmocka_unit_test(runs_never_mix),  cmocka_unit_test(cancelled_at_random),
        cmocka_unit_test(slots_share_a_pool), cmocka_unit_test(nothing_is_left),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
