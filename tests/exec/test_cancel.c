/// Fences, cancelling and timeouts, on a null device that is made to finish nothing: what waits ends when it should and
/// not before, and only what was accepted has run.
#include "bind_graph.h"
#include "core/thread.h"
#include "exec/program.h"
#include "gpu/door.h"
#include <stdatomic.h>

struct world {
    weft_device *device;
    weft_program *program;
    weft_session *session;
};

static struct world begin(double timeout) {
    struct world w;
    struct weft_device_params params = {.implementation = "null", .timeout_seconds = timeout};
    api_must(weft_device_open(&params, &w.device));
    w.program = bind_program(w.device, 1);
    w.session = bind_session(w.program, false);
    api_must(api_set_rows(w.session, 2));
    return w;
}

static void end(struct world *w) {
    weft_session_destroy(&w->session);
    weft_program_destroy(&w->program);
    weft_device_close(&w->device);
}

static void stall(struct world *w, bool on) { assert_true(weft_gpu_stall(w->device, on)); }

// ---- fences --------------------------------------------------------------------------------------------------------

static void fences(void **state) {
    (void)state;
    struct world w = begin(0);
    weft_session *other = bind_session(w.program, false);
    uint64_t first, second;
    bool done = true;
    api_must(weft_session_wait(w.session, 0, -1)); // no run: nothing to wait for
    api_must(weft_session_run(w.session, 1, &first));
    stall(&w, true);
    api_must(weft_session_run(other, 3, &second));
    assert_true(second > first);
    api_must(weft_session_wait(other, first, -1)); // a fence of another session
    api_must(weft_session_done(w.session, second, &done));
    assert_false(done);
    api_fails(weft_session_wait(w.session, second, 0), WEFT_ERR_TIMEOUT, "not finished");
    api_fails(weft_session_wait(w.session, second, 0.002), WEFT_ERR_TIMEOUT, "0.002");
    api_fails(weft_session_wait(w.session, second + 1, -1), WEFT_ERR_INVALID, "only");
    api_fails(weft_session_wait(w.session, UINT64_MAX, 0), WEFT_ERR_INVALID, "only");
    api_fails(weft_session_done(w.session, second + 1, &done), WEFT_ERR_INVALID, "only");
    api_fails(weft_session_wait(NULL, 1, 0), WEFT_ERR_INVALID, "session");
    stall(&w, false);
    api_must(weft_session_wait(w.session, second, -1));
    api_must(weft_session_done(w.session, second, &done));
    assert_true(done);
    api_must(weft_device_wait_idle(w.device));
    api_fails(weft_device_wait_idle(NULL), WEFT_ERR_INVALID, "device");
    weft_session_destroy(&other);
    end(&w);
}

struct waiter {
    struct world *world;
    weft_session *session;
    uint64_t fence;
    atomic_bool in;
    atomic_int status;
    pthread_t thread;
};

static void *wait_fence(void *user) {
    struct waiter *me = user;
    atomic_store(&me->in, true);
    weft_status status = me->fence ? weft_session_wait(me->session, me->fence, -1)
                                   : weft_device_wait_idle(me->world->device);
    atomic_store(&me->status, (int)status);
    return NULL;
}

/// Several threads wait for another session's fences and for idleness; none returns before what it waits for is
/// finished.
static void several_wait(void **state) {
    (void)state;
    enum { THREADS = 6 };
    struct world w = begin(0);
    struct waiter t[THREADS];
    uint64_t fence[2];
    stall(&w, true);
    for (int i = 0; i < 2; i++) api_must(weft_session_run(w.session, 1, &fence[i]));
    for (int i = 0; i < THREADS; i++) {
        t[i] = (struct waiter){
            .world = &w, .session = bind_session(w.program, false), .fence = i % 3 == 2 ? 0 : fence[i % 3]};
        atomic_init(&t[i].status, -1);
        assert_int_equal(pthread_create(&t[i].thread, NULL, wait_fence, &t[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        while (!atomic_load(&t[i].in)) weft_sleep(1e-4);
    weft_sleep(0.01);
    for (int i = 0; i < THREADS; i++) assert_int_equal(atomic_load(&t[i].status), -1);
    stall(&w, false);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i].thread, NULL);
        assert_int_equal(atomic_load(&t[i].status), WEFT_OK);
        weft_session_destroy(&t[i].session);
    }
    end(&w);
}

// ---- functions called by poll --------------------------------------------------------------------------------------

struct heard {
    weft_session *session;
    uint64_t fences[16];
    weft_status status[16];
    int n, again;
};

static void on_done(void *user, uint64_t fence, weft_status status) {
    struct heard *h = user;
    h->fences[h->n] = fence;
    h->status[h->n++] = status;
    if (status != WEFT_OK) return;
    uint64_t next; // anything may be called; what is registered here waits for the next poll
    if (h->again-- > 0 && weft_session_run(h->session, 1, &next) == WEFT_OK)
        (void)weft_session_on_done(h->session, next, on_done, h);
}

static void callbacks(void **state) {
    (void)state;
    struct world w = begin(0);
    struct heard h = {.session = w.session};
    uint64_t fence[3];
    stall(&w, true);
    for (int i = 0; i < 3; i++) api_must(weft_session_run(w.session, 1, &fence[i]));
    for (int i = 2; i >= 0; i--) api_must(weft_session_on_done(w.session, fence[i], on_done, &h));
    api_fails(weft_session_on_done(w.session, fence[2] + 1, on_done, &h), WEFT_ERR_INVALID, "only");
    api_fails(weft_session_on_done(w.session, fence[0], NULL, &h), WEFT_ERR_INVALID, "fn");
    api_must(weft_device_poll(w.device));
    assert_int_equal(h.n, 0);
    stall(&w, false);
    api_must(weft_session_wait(w.session, fence[2], -1)); // waiting calls nothing
    assert_int_equal(h.n, 0);
    api_must(weft_device_poll(w.device));
    assert_int_equal(h.n, 3);
    for (int i = 0; i < 3; i++) assert_true(h.fences[i] == fence[i] && h.status[i] == WEFT_OK);
    api_must(weft_device_poll(w.device)); // once each
    assert_int_equal(h.n, 3);
    h.again = 2;
    api_must(weft_session_on_done(w.session, fence[0], on_done, &h)); // finished long ago
    for (int polls = 1; polls <= 4; polls++) {
        api_must(weft_device_poll(w.device));
        assert_int_equal(h.n, 3 + (polls < 3 ? polls : 3));
    }
    // A session that goes takes its functions along; a device that is lost calls all.
    weft_session *other = bind_session(w.program, false);
    stall(&w, true);
    api_must(weft_session_run(w.session, 1, &fence[0]));
    api_must(weft_session_on_done(w.session, fence[0], on_done, &h));
    api_must(weft_session_on_done(other, fence[0], on_done, &h));
    weft_session_destroy(&other);
    weft_gpu_lose(w.device);
    api_fails(weft_device_poll(w.device), WEFT_ERR_LOST, "gone");
    assert_int_equal(h.n, 7);
    assert_int_equal(h.status[6], WEFT_ERR_LOST);
    api_fails(weft_device_poll(NULL), WEFT_ERR_INVALID, "device");
    end(&w);
}

// ---- cancelling ----------------------------------------------------------------------------------------------------

enum blocker { WAIT, RUN_BLOCKING, READ, READ_FINISH, GET_VAR, BACK_PRESSURE, ANOTHER_S_RUN, BLOCKERS };

struct blocked {
    struct world *world;
    weft_session *other;
    enum blocker how;
    uint64_t accepted;
    atomic_bool in;
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
    b->status = block(b);
    snprintf(b->sentence, sizeof b->sentence, "%s", weft_error_message());
    return NULL;
}

static void *fill_other(void *user) {
    struct blocked *b = user;
    atomic_store(&b->in, true);
    b->status = fill_queue(b->other, &b->accepted);
    return NULL;
}

static pthread_t start(void *(*fn)(void *), struct blocked *b) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fn, b), 0);
    while (!atomic_load(&b->in)) weft_sleep(1e-4);
    weft_sleep(0.01); // until it is well inside; it is right either way
    return thread;
}

static void cancelled(void **state) {
    (void)state;
    for (enum blocker how = WAIT; how < BLOCKERS; how++) {
        struct world w = begin(0);
        struct blocked b = {.world = &w, .how = how, .other = bind_session(w.program, false)},
                       filler = {.world = &w, .other = b.other};
        pthread_t t, f = 0;
        uint64_t before = bind_counters(w.device).submits, fence;
        bool done = true;
        stall(&w, true);
        if (how == ANOTHER_S_RUN) f = start(fill_other, &filler);
        t = start(blocked, &b);
        assert_false(weft_session_cancelled(w.session));
        weft_session_cancel(w.session);
        pthread_join(t, NULL); // though nothing finished
        if (b.status != WEFT_ERR_CANCELLED) fail_msg("way %d: %d, %s", (int)how, (int)b.status, b.sentence);
        assert_true(weft_session_cancelled(w.session));
        api_fails(weft_session_run(w.session, 1, &fence), WEFT_ERR_CANCELLED, "weft_session_resume");
        api_fails(weft_session_run_blocking(w.session, 1), WEFT_ERR_CANCELLED, "weft_session_resume");
        api_fails(weft_session_wait(w.session, 0, -1), WEFT_ERR_CANCELLED, "weft_session_resume");
        api_must(weft_session_reset(w.session)); // which does not resume
        api_fails(weft_session_run(w.session, 1, &fence), WEFT_ERR_CANCELLED, "cancelled");
        if (f) {
            weft_session_cancel(b.other);
            pthread_join(f, NULL);
            assert_int_equal(filler.status, WEFT_ERR_CANCELLED);
        }
        stall(&w, false);
        weft_session_resume(w.session);
        api_must(weft_session_run(w.session, 1, &fence));
        api_must(weft_session_wait(w.session, fence, -1));
        api_must(weft_session_done(w.session, fence, &done));
        assert_true(done);
        assert_int_equal(bind_counters(w.device).submits - before, b.accepted + filler.accepted + 1);
        weft_session_destroy(&b.other);
        end(&w);
    }
    weft_session_cancel(NULL);
    weft_session_resume(NULL);
}

/// Only the session that was cancelled is.
static void others_go_on(void **state) {
    (void)state;
    struct world w = begin(0);
    weft_session *other = bind_session(w.program, false);
    weft_session_cancel(w.session);
    api_must(weft_session_run_blocking(other, 2));
    api_fails(weft_session_run_blocking(w.session, 2), WEFT_ERR_CANCELLED, "cancelled");
    weft_session_destroy(&other);
    end(&w); // destroying one that is cancelled is fine
}

/// In checker mode a run that was begun is finished: cancelled before its first submit or not at all.
static void checker_is_whole(void **state) {
    (void)state;
    struct world w = begin(0);
    weft_session *s = bind_session(w.program, true);
    api_must(api_set_rows(s, 2));
    uint64_t before = bind_counters(w.device).dispatches, steps;
    api_must(weft_session_run(s, 1, NULL));
    steps = bind_counters(w.device).dispatches - before;
    assert_true(steps > 1);
    weft_session_cancel(s);
    api_fails(weft_session_run(s, 1, NULL), WEFT_ERR_CANCELLED, "cancelled");
    weft_session_resume(s);
    api_must(weft_session_run(s, 3, NULL));
    assert_int_equal(bind_counters(w.device).dispatches - before, 4 * steps);
    weft_session_destroy(&s);
    end(&w);
}

struct held { weft_session *session; atomic_int status; };

static void *run_one(void *user) {
    struct held *h = user;
    atomic_store(&h->status, (int)weft_session_run(h->session, 1, NULL));
    return NULL;
}

/// The same where its second submit has to wait for room while it is cancelled.
static void begun_is_finished(void **state) {
    (void)state;
    struct world w = begin(0);
    struct held h = {.session = bind_session(w.program, true)};
    pthread_t thread;
    atomic_init(&h.status, -1);
    api_must(api_set_rows(h.session, 2));
    uint64_t before = bind_counters(w.device).dispatches, steps;
    api_must(weft_session_run(h.session, 1, NULL));
    steps = bind_counters(w.device).dispatches - before;
    assert_true(steps > 1);
    api_must(weft_device_wait_idle(w.device));
    stall(&w, true);
    for (int i = 1; i < WEFT_GPU_IN_FLIGHT; i++) api_must(weft_session_run(w.session, 1, NULL));
    before = bind_counters(w.device).dispatches;
    assert_int_equal(pthread_create(&thread, NULL, run_one, &h), 0);
    while (bind_counters(w.device).dispatches == before) weft_sleep(1e-4);
    weft_session_cancel(h.session);
    weft_sleep(0.01);
    assert_int_equal(atomic_load(&h.status), -1);
    stall(&w, false);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&h.status), WEFT_OK);
    assert_int_equal(bind_counters(w.device).dispatches - before, steps);
    weft_session_destroy(&h.session);
    end(&w);
}

// ---- timeouts ------------------------------------------------------------------------------------------------------

static weft_status idle(struct blocked *b) { return weft_device_wait_idle(b->world->device); }

static void timeouts(void **state) {
    (void)state;
    for (int how = WAIT; how <= ANOTHER_S_RUN; how++) {
        struct world w = begin(0.03);
        struct blocked b = {.world = &w, .how = how == ANOTHER_S_RUN ? WAIT : (enum blocker)how};
        const char *first = weft_program_plan(w.program)->schedules[1].steps[0].label; // of two rows
        uint64_t fence;
        api_must(weft_session_run(w.session, 1, &fence));
        api_must(weft_session_wait(w.session, fence, -1));
        stall(&w, true);
        api_must(weft_session_run(w.session, 1, &fence));
        api_fails(weft_session_wait(w.session, fence, 0.001), WEFT_ERR_TIMEOUT, "was not finished"); // no harm done
        api_must(weft_device_poll(w.device));
        weft_status status = how == ANOTHER_S_RUN ? idle(&b) : block(&b);
        api_fails(status, WEFT_ERR_TIMEOUT, "nothing finished for 0.03 s");
        assert_non_null(strstr(weft_error_message(), first)); // the label of the first step in flight
        api_fails(weft_session_run(w.session, 1, NULL), WEFT_ERR_LOST, "nothing finished for 0.03 s");
        api_fails(weft_device_wait_idle(w.device), WEFT_ERR_LOST, "gone");
        end(&w); // does not hang
    }
}

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
    api_fails(weft_device_open(&never, &w.device),
              WEFT_ERR_INVALID, "timeout");
}

/// Destroying and closing with hung work end too: the destroying by the timeout, the closing even without one.
static void hung_destroy_and_close(void **state) {
    (void)state;
    struct world w = begin(0.03);
    stall(&w, true);
    api_must(weft_session_run(w.session, 4, NULL));
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fences),       cmocka_unit_test(several_wait),     cmocka_unit_test(callbacks),
        cmocka_unit_test(cancelled),    cmocka_unit_test(others_go_on),     cmocka_unit_test(checker_is_whole),
        cmocka_unit_test(begun_is_finished),
        cmocka_unit_test(timeouts),     cmocka_unit_test(idle_is_no_timeout),
        cmocka_unit_test(hung_destroy_and_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
