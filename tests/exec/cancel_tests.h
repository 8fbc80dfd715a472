/// Cancelling and timeouts on a device that is made to finish nothing: what waits ends when it should and not before,
/// and only what was accepted has run. test_cancel.c runs these and fence_tests.h on the null device, which stalls by
/// itself, test_gpu_cancel.c on drivers, which the layer stalls below the WebGPU implementation. Nothing here depends
/// on who is scheduled when: a stalled device finishes nothing however long one waits, so what is asserted of it stays
/// true.
#ifndef WEFT_TEST_CANCEL_TESTS_H
#define WEFT_TEST_CANCEL_TESTS_H
#include "fence_tests.h"

// ---- cancelling ----------------------------------------------------------------------------------------------------

enum blocker { WAIT, RUN_BLOCKING, READ, READ_FINISH, GET_VAR, BACK_PRESSURE, ANOTHER_S_RUN, BLOCKERS };

struct blocked {
    struct world *world;
    weft_session *other;
    enum blocker how;
    uint64_t accepted;
    atomic_bool in, out;
    weft_status status;
    char sentence[256];
};

/// Runs until one is refused.
static weft_status fill_queue(weft_session *s, uint64_t *accepted) {
    weft_status status = WEFT_OK;
    for (int i = 0; i < 100 && (status = weft_session_run(s, 1, NULL)) == WEFT_OK; i++) ++*accepted;
    return status;
}

static weft_status block(struct blocked *b) {
    weft_session *s = b->world->session;
    weft_pending pending;
    uint64_t fence;
    uint32_t word;
    weft_status status;
    switch (b->how) {
    case WAIT:
        status = weft_session_run(s, 1, &fence);
        b->accepted += status == WEFT_OK;
        return status == WEFT_OK ? weft_session_wait(s, fence, -1) : status;
    case RUN_BLOCKING: b->accepted++; return weft_session_run_blocking(s, 1);
    case READ: return weft_session_read(s, "y", 0, &word, 4);
    case READ_FINISH:
        status = weft_session_read_async(s, "y", 0, 4, &pending);
        return status == WEFT_OK ? weft_session_read_finish(s, &pending, &word, 4) : status;
    case GET_VAR: return weft_session_get_var(s, "pos", &word);
    case BACK_PRESSURE: return fill_queue(s, &b->accepted);
    default: return weft_session_run(s, 1, &fence); // while `other` fills the queue
    }
}

static void *blocked(void *user) {
    struct blocked *b = user;
    atomic_store(&b->in, true);
    b->status = b->other ? fill_queue(b->other, &b->accepted) : block(b);
    snprintf(b->sentence, sizeof b->sentence, "%s", weft_error_message());
    atomic_store(&b->out, true);
    return NULL;
}

/// Returns once it has made `least` submits, or ended.
static pthread_t start(struct blocked *b, uint64_t least) {
    pthread_t thread;
    uint64_t before = submits(b->world);
    assert_int_equal(pthread_create(&thread, NULL, blocked, b), 0);
    while (!atomic_load(&b->in) || (submits(b->world) - before < least && !atomic_load(&b->out))) weft_sleep(1e-4);
    weft_sleep(0.01); // until it is well inside; it is right either way
    return thread;
}

static uint64_t submits_of(enum blocker how) {
    return how == WAIT || how == RUN_BLOCKING ? 1 : how == BACK_PRESSURE ? WEFT_GPU_IN_FLIGHT : 0;
}

static void refuses(weft_session *s) {
    uint64_t fence;
    assert_true(weft_session_cancelled(s));
    api_fails(weft_session_run(s, 1, &fence), WEFT_ERR_CANCELLED, "weft_session_resume");
    api_fails(weft_session_run_blocking(s, 1), WEFT_ERR_CANCELLED, "weft_session_resume");
    api_fails(weft_session_wait(s, 0, -1), WEFT_ERR_CANCELLED, "weft_session_resume");
}

/// However a call is held up, cancelling ends it though nothing finishes; what was accepted has then run, and nothing
/// else, and the session goes on from there.
static void cancelled(void **state) {
    (void)state;
    for (enum blocker how = WAIT; how < BLOCKERS; how++) {
        struct world w = begin(0);
        weft_session *other = cancel_session(w.program, false);
        struct blocked b = {.world = &w, .how = how}, filler = {.world = &w, .other = other};
        pthread_t t, f = 0;
        uint64_t fence;
        bool done = false;
        api_must(weft_session_run_blocking(w.session, 2));
        uint64_t before = submits(&w);
        stall(&w, true);
        if (how == ANOTHER_S_RUN) f = start(&filler, WEFT_GPU_IN_FLIGHT);
        t = start(&b, submits_of(how));
        assert_false(weft_session_cancelled(w.session));
        weft_session_cancel(w.session);
        pthread_join(t, NULL); // though nothing finished
        if (b.status != WEFT_ERR_CANCELLED) fail_msg("way %d: %d, %s", (int)how, (int)b.status, b.sentence);
        refuses(w.session);
        if (f) {
            weft_session_cancel(other);
            pthread_join(f, NULL);
            assert_int_equal(filler.status, WEFT_ERR_CANCELLED);
        }
        assert_int_equal(submits(&w) - before, b.accepted + filler.accepted);
        stall(&w, false);
        weft_session_resume(w.session);
        weft_session_resume(other);
        ran(w.session, 2 + b.accepted, "cancelled");
        if (filler.accepted) ran(other, filler.accepted, "the other, cancelled");
        api_must(weft_session_run(w.session, 1, &fence));
        api_must(weft_session_wait(w.session, fence, -1));
        api_must(weft_session_done(w.session, fence, &done));
        assert_true(done);
        ran(w.session, 3 + b.accepted, "resumed");
        weft_session_destroy(&other);
        end(&w);
    }
    weft_session_cancel(NULL);
    weft_session_resume(NULL);
}

/// Reads that were given up while they were under way say nothing of those that take their place, whenever the
/// implementation gets around to telling of them.
static void reads_after_given_up_ones(void **state) {
    (void)state;
    enum { READS = 6 };
    struct world w = begin(0);
    weft_pending pending[READS];
    float y[4];
    api_must(weft_session_run_blocking(w.session, 1));
    ran(w.session, 1, "read without haste");
    for (uint32_t round = 2; round < 5; round++) {
        stall(&w, true);
        api_must(weft_session_run(w.session, 1, NULL));
        for (int i = 0; i < READS; i++) api_must(weft_session_read_async(w.session, "y", 0, sizeof y, &pending[i]));
        weft_session_cancel(w.session);
        for (int i = READS - 1; i >= 0; i--) // the last one given up is the first to be replaced
            api_fails(weft_session_read_finish(w.session, &pending[i], y, sizeof y), WEFT_ERR_CANCELLED, "cancelled");
        api_fails(weft_session_read_finish(w.session, &pending[0], y, sizeof y), WEFT_ERR_STALE, "not outstanding");
        stall(&w, false);
        weft_session_resume(w.session);
        ran(w.session, round, "read after reads that were given up");
    }
    end(&w);
}

/// Resetting acts meanwhile, and does not resume.
static void reset_while_cancelled(void **state) {
    (void)state;
    struct world w = begin(0);
    struct blocked b = {.world = &w, .how = WAIT};
    stall(&w, true);
    pthread_t t = start(&b, 1);
    weft_session_cancel(w.session);
    pthread_join(t, NULL);
    api_must(weft_session_reset(w.session)); // after the run that is under way
    refuses(w.session);
    stall(&w, false);
    weft_session_resume(w.session);
    api_must(weft_session_run_blocking(w.session, 3));
    ran(w.session, 3, "reset while cancelled");
    end(&w);
}

/// Only the session that was cancelled is.
static void others_go_on(void **state) {
    (void)state;
    struct world w = begin(0);
    weft_session *other = cancel_session(w.program, false);
    weft_session_cancel(w.session);
    api_must(weft_session_run_blocking(other, 2));
    api_fails(weft_session_run_blocking(w.session, 2), WEFT_ERR_CANCELLED, "cancelled");
    ran(other, 2, "beside one that is cancelled");
    weft_session_resume(w.session);
    api_must(weft_session_run_blocking(w.session, 1));
    ran(w.session, 1, "refused before");
    weft_session_cancel(w.session);
    weft_session_destroy(&other);
    end(&w); // destroying one that is cancelled is fine
}

/// In checker mode a run that was begun is finished: cancelled before its first submit or not at all.
static void checker_is_whole(void **state) {
    (void)state;
    struct world w = begin(0);
    weft_session *s = cancel_session(w.program, true);
    uint64_t before = dispatches(&w), steps;
    api_must(weft_session_run(s, 1, NULL));
    steps = dispatches(&w) - before;
    assert_true(steps > 1);
    weft_session_cancel(s);
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_CANCELLED, "cancelled");
    weft_session_resume(s);
    api_must(weft_session_run(s, 3, NULL));
    assert_int_equal(dispatches(&w) - before, 4 * steps);
    ran(s, 4, "a checker that was cancelled");
    weft_session_destroy(&s);
    end(&w);
}

struct held {
    weft_session *session;
    atomic_int status;
};

static void *run_one(void *user) {
    struct held *h = user;
    atomic_store(&h->status, (int)weft_session_run(h->session, 1, NULL));
    return NULL;
}

/// The same where its second submit has to wait for room while it is cancelled.
static void begun_is_finished(void **state) {
    (void)state;
    struct world w = begin(0);
    struct held h = {.session = cancel_session(w.program, true)};
    pthread_t thread;
    atomic_init(&h.status, -1);
    uint64_t before = dispatches(&w), steps;
    api_must(weft_session_run(h.session, 1, NULL));
    steps = dispatches(&w) - before;
    assert_true(steps > 1);
    api_must(weft_device_wait_idle(w.device));
    stall(&w, true);
    for (int i = 1; i < WEFT_GPU_IN_FLIGHT; i++) api_must(weft_session_run(w.session, 1, NULL));
    before = dispatches(&w);
    assert_int_equal(pthread_create(&thread, NULL, run_one, &h), 0);
    while (dispatches(&w) == before) weft_sleep(1e-4);
    weft_session_cancel(h.session);
    weft_sleep(0.01);
    assert_int_equal(atomic_load(&h.status), -1);
    stall(&w, false);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&h.status), WEFT_OK);
    assert_int_equal(dispatches(&w) - before, steps);
    weft_session_resume(h.session);
    ran(h.session, 2, "begun and cancelled");
    ran(w.session, WEFT_GPU_IN_FLIGHT - 1, "in front of it");
    weft_session_destroy(&h.session);
    end(&w);
}

struct destroyed {
    weft_session *session;
    atomic_bool done;
};

static void *destroy(void *user) {
    struct destroyed *d = user;
    weft_session_destroy(&d->session);
    atomic_store(&d->done, true);
    return NULL;
}

/// A cancelled session that is destroyed waits for its runs in flight, as any, gives back what it had, and harms no
/// other; functions that it registered are not called.
static void destroyed_while_cancelled(void **state) {
    (void)state;
    struct world w = begin(0);
    struct destroyed d[2];
    struct heard h = {0};
    pthread_t t[2];
    uint64_t fence;
    api_must(weft_session_run_blocking(w.session, 1));
    uint64_t had = alive(w.device);
    for (int i = 0; i < 2; i++) {
        d[i] = (struct destroyed){.session = cancel_session(w.program, false)};
        assert_true(alive(w.device) > had);
        atomic_init(&d[i].done, false);
    }
    api_must(weft_device_wait_idle(w.device));
    stall(&w, true);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 3; k++) api_must(weft_session_run(d[i].session, 2, &fence));
        api_must(weft_session_on_done(d[i].session, fence, on_done, &h));
        weft_session_cancel(d[i].session);
    }
    api_must(weft_session_run(w.session, 1, &fence));
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&t[i], NULL, destroy, &d[i]), 0);
    weft_sleep(0.01);
    for (int i = 0; i < 2; i++) assert_false(atomic_load(&d[i].done));
    stall(&w, false);
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    api_must(weft_session_wait(w.session, fence, -1));
    api_must(weft_device_poll(w.device));
    assert_int_equal(h.n, 0);
    assert_int_equal(alive(w.device), had);
    ran(w.session, 2, "beside cancelled ones that go");
    end(&w);
}

/// A device is closed right behind cancelled runs that are still under way.
static void closed_beside_cancelled(void **state) {
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct world w = begin(0);
        weft_session *s[3];
        weft_pending pending;
        float y[4];
        for (int i = 0; i < 3; i++) {
            s[i] = cancel_session(w.program, i == 2);
            api_must(weft_session_run(s[i], 4, NULL));
            weft_session_cancel(s[i]);
        }
        api_must(weft_session_read_async(s[0], "y", 0, sizeof y, &pending));
        weft_status status = weft_session_read_finish(s[0], &pending, y, sizeof y); // which ends the read in any case
        if (status != WEFT_OK) api_fails(status, WEFT_ERR_CANCELLED, "cancelled");
        for (int i = 0; i < 3; i++) weft_session_destroy(&s[(i + round) % 3]);
        end(&w);
    }
}

// ---- timeouts ------------------------------------------------------------------------------------------------------

static void timeouts(void **state) {
    (void)state;
    for (int how = WAIT; how <= ANOTHER_S_RUN; how++) {
        struct world w = begin(0.03);
        struct blocked b = {.world = &w, .how = how == ANOTHER_S_RUN ? WAIT : (enum blocker)how};
        const char *first = weft_program_plan(w.program)->schedules[0].steps[0].label;
        uint64_t fence;
        api_must(weft_session_run(w.session, 1, &fence));
        api_must(weft_session_wait(w.session, fence, -1));
        stall(&w, true);
        api_must(weft_session_run(w.session, 1, &fence));
        api_fails(weft_session_wait(w.session, fence, 0.001), WEFT_ERR_TIMEOUT, "was not finished"); // no harm done
        api_must(weft_device_poll(w.device));
        arm_timeout(&w);
        weft_status status = how == ANOTHER_S_RUN ? weft_device_wait_idle(w.device) : block(&b);
        api_fails(status, WEFT_ERR_TIMEOUT, "nothing finished for 0.03 s");
        assert_non_null(strstr(weft_error_message(), first)); // the label of the first step in flight
        api_fails(weft_session_run(w.session, 1, NULL), WEFT_ERR_LOST, "nothing finished for 0.03 s");
        api_fails(weft_device_wait_idle(w.device), WEFT_ERR_LOST, "gone");
        end(&w); // does not hang
    }
}

/// Destroying and closing with hung work end too: the destroying by the timeout, the closing even without one.
static void hung_destroy_and_close(void **state) {
    (void)state;
    struct world w = begin(0.03);
    api_must(weft_device_wait_idle(w.device));
    stall(&w, true);
    api_must(weft_session_run(w.session, 4, NULL));
    arm_timeout(&w);
    end(&w);
    w = begin(0);
    weft_session_destroy(&w.session);
    w.device->close_timeout = 0.03; // instead of a minute
    weft_buffer *b;
    api_must(weft_buffer_create(w.device, 64, &b));
    stall(&w, true);
    weft_pending pending;
    api_must(weft_buffer_read_async(b, 0, 64, &pending));
    weft_buffer_destroy(&b);
    end(&w);
}
#endif
