/// Fences on a device that is made to finish nothing: they are done once their runs are and not before, threads that
/// wait for them end when they should, and functions are called once each. Run like cancel_tests.h, which includes
/// this.
#ifndef WEFT_TEST_FENCE_TESTS_H
#define WEFT_TEST_FENCE_TESTS_H
#include "cancel_rig.h"
#include "gpu/gpu_test.h"
#include <stdatomic.h>

/// A fence is done once its run is, not before; then outputs are there, also those that go to host memory.
static void fences(void **state) {
    (void)state;
    struct world w = begin(0);
    weft_session *other = cancel_session(w.program, false);
    uint64_t first, second;
    bool done = true;
    struct image then;
    float host[CANCEL_RING * 4], before[CANCEL_RING * 4];
    for (int i = 0; i < CANCEL_RING * 4; i++) host[i] = before[i] = 77;
    image_after(3, &then);
    if (cancel_on) memset(&then, 0, sizeof then);
    api_must(weft_session_bind_host(other, "y", host, sizeof host));
    api_must(weft_session_wait(w.session, 0, -1)); // no run: nothing to wait for
    api_must(weft_session_run(w.session, 1, &first));
    api_must(weft_session_wait(w.session, first, -1));
    stall(&w, true);
    api_must(weft_session_run(other, 3, &second));
    assert_true(second > first);
    api_must(weft_session_wait(other, first, -1)); // a fence of another session
    api_must(weft_session_done(other, first, &done));
    assert_true(done);
    api_must(weft_session_done(other, second, &done));
    assert_false(done);
    api_fails(weft_session_wait(w.session, second, 0), WEFT_ERR_TIMEOUT, "not finished");
    api_fails(weft_session_wait(other, second, 0.002), WEFT_ERR_TIMEOUT, "0.002");
    api_fails(weft_session_wait(w.session, second + 1, -1), WEFT_ERR_INVALID, "only");
    api_fails(weft_session_wait(w.session, UINT64_MAX, 0), WEFT_ERR_INVALID, "only");
    api_fails(weft_session_done(w.session, second + 1, &done), WEFT_ERR_INVALID, "only");
    api_fails(weft_session_wait(NULL, 1, 0), WEFT_ERR_INVALID, "session");
    assert_memory_equal(host, before, sizeof host);
    stall(&w, false);
    api_must(weft_session_wait(other, second, -1));
    assert_memory_equal(host, then.y, sizeof host);
    api_must(weft_session_done(w.session, second, &done));
    assert_true(done);
    api_must(weft_session_bind_host(other, "y", NULL, 0));
    ran(w.session, 1, "the first");
    api_must(weft_device_wait_idle(w.device));
    api_fails(weft_device_wait_idle(NULL), WEFT_ERR_INVALID, "device");
    weft_session_destroy(&other);
    end(&w);
}

struct waiter {
    struct world *world;
    weft_session *session;
    uint64_t fence; ///< 0: until the device is idle
    atomic_bool in;
    atomic_int status;
    pthread_t thread;
};

static void *wait_fence(void *user) {
    struct waiter *me = user;
    atomic_store(&me->in, true);
    weft_status status =
        me->fence ? weft_session_wait(me->session, me->fence, -1) : weft_device_wait_idle(me->world->device);
    atomic_store(&me->status, (int)status);
    return NULL;
}

static void begin_waiting(struct world *w, struct waiter *t, uint64_t fence) {
    *t = (struct waiter){.world = w, .session = cancel_session(w->program, false), .fence = fence};
    atomic_init(&t->status, -1);
    assert_int_equal(pthread_create(&t->thread, NULL, wait_fence, t), 0);
}

static void end_waiting(struct waiter *t, weft_status expected) {
    pthread_join(t->thread, NULL);
    assert_int_equal(atomic_load(&t->status), expected);
}

/// Several threads wait for another session's fences and for idleness; none returns before what it waits for is
/// finished, but those whose session is cancelled, and these at once.
static void several_wait(void **state) {
    (void)state;
    enum { THREADS = 8 };
    struct world w = begin(0);
    struct waiter t[THREADS];
    uint64_t fence[2];
    stall(&w, true);
    for (int i = 0; i < 2; i++) api_must(weft_session_run(w.session, 1, &fence[i]));
    for (int i = 0; i < THREADS; i++) begin_waiting(&w, &t[i], i % 3 == 2 ? 0 : fence[i % 3]);
    for (int i = 0; i < THREADS; i++)
        while (!atomic_load(&t[i].in)) weft_sleep(1e-4);
    weft_sleep(0.01);
    for (int i = 0; i < THREADS; i++) assert_int_equal(atomic_load(&t[i].status), -1);
    for (int i = 0; i < 2; i++) weft_session_cancel(t[i].session);
    for (int i = 0; i < 2; i++) end_waiting(&t[i], WEFT_ERR_CANCELLED);
    for (int i = 2; i < THREADS; i++) assert_int_equal(atomic_load(&t[i].status), -1);
    stall(&w, false);
    for (int i = 2; i < THREADS; i++) end_waiting(&t[i], WEFT_OK);
    for (int i = 0; i < THREADS; i++) weft_session_destroy(&t[i].session);
    ran(w.session, 2, "waited for by many");
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
    if (h->n == 16) return;
    h->fences[h->n] = fence;
    h->status[h->n++] = status;
    if (status != WEFT_OK) return;
    uint64_t next; // anything may be called; what is registered here waits for the next poll
    if (h->again-- > 0 && weft_session_run(h->session, 1, &next) == WEFT_OK)
        (void)weft_session_on_done(h->session, next, on_done, h);
}

/// These fences, each once, in this order, all with OK.
static bool heard_just(const struct heard *h, const uint64_t *fences, int n) {
    if (h->n != n) return false;
    for (int i = 0; i < n; i++)
        if (h->fences[i] != fences[i] || h->status[i] != WEFT_OK) return false;
    return true;
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
    assert_true(heard_just(&h, fence, 3));
    api_must(weft_device_poll(w.device)); // once each
    assert_int_equal(h.n, 3);
    h.again = 2;
    api_must(weft_session_on_done(w.session, fence[0], on_done, &h)); // finished long ago
    for (int polls = 1; polls <= 4; polls++) {
        api_must(weft_device_wait_idle(w.device));
        api_must(weft_device_poll(w.device));
        assert_int_equal(h.n, 3 + (polls < 3 ? polls : 3));
    }
    ran(w.session, 5, "run by what poll called");
    end(&w);
}

/// A cancelled session's functions are called when its runs finish, for they do; a refused run has no fence; a session
/// that goes takes its functions along.
static void callbacks_of_ends(void **state) {
    (void)state;
    struct world w = begin(0);
    weft_session *stays = cancel_session(w.program, false), *goes = cancel_session(w.program, false);
    struct heard h = {.session = stays};
    uint64_t fence[4], refused = 0;
    stall(&w, true);
    api_must(weft_session_run(w.session, 1, &fence[0]));
    api_must(weft_session_run(goes, 1, &fence[1]));
    api_must(weft_session_run(stays, 1, &fence[2]));
    api_must(weft_session_on_done(stays, fence[2], on_done, &h));
    api_must(weft_session_on_done(goes, fence[1], on_done, &h));
    api_must(weft_session_on_done(goes, fence[2], on_done, &h));
    api_must(weft_session_on_done(w.session, fence[0], on_done, &h));
    weft_session_cancel(w.session);
    api_fails(weft_session_run(w.session, 1, &refused), WEFT_ERR_CANCELLED, "cancelled");
    assert_int_equal(refused, 0);
    api_fails(weft_session_on_done(w.session, fence[2] + 1, on_done, &h), WEFT_ERR_INVALID, "only");
    api_must(weft_device_poll(w.device));
    assert_int_equal(h.n, 0);
    stall(&w, false);
    weft_session_destroy(&goes); // waits, which calls nothing
    api_must(weft_device_wait_idle(w.device));
    assert_int_equal(h.n, 0);
    api_must(weft_device_poll(w.device));
    assert_true(heard_just(&h, (uint64_t[]){fence[0], fence[2]}, 2));
    weft_session_resume(w.session);
    api_must(weft_session_run(w.session, 1, &fence[3]));
    assert_int_equal(fence[3], fence[2] + 1); // the refused one took no number
    api_must(weft_device_wait_idle(w.device));
    api_must(weft_device_poll(w.device));
    assert_int_equal(h.n, 2);
    ran(w.session, 2, "cancelled and resumed");
    ran(stays, 1, "beside one that was cancelled");
    weft_session_destroy(&stays);
    end(&w);
}

struct lingering {
    atomic_bool in, go, out;
    weft_session **self; ///< destroyed by its own function
};

static void linger(void *user, uint64_t fence, weft_status status) {
    struct lingering *l = user;
    (void)fence, (void)status;
    atomic_store(&l->in, true);
    if (l->self) weft_session_destroy(l->self);
    while (!l->self && !atomic_load(&l->go)) weft_sleep(1e-4);
    weft_sleep(0.005); // that whoever does not wait is seen to have gone on
    atomic_store(&l->out, true);
}

static void *poll_once(void *device) {
    (void)weft_device_poll(device);
    return NULL;
}

static void *go_soon(void *user) {
    weft_sleep(0.005);
    atomic_store(&((struct lingering *)user)->go, true);
    return NULL;
}

/// Destroying a session waits for a function of it that another thread is in; a function may destroy its own session,
/// and those of others are not waited for.
static void destroyed_while_called(void **state) {
    (void)state;
    struct world w = begin(0);
    weft_session *goes = cancel_session(w.program, false);
    struct lingering l = {0}, own = {.self = &goes};
    pthread_t poller, helper;
    uint64_t fence;
    api_must(weft_session_run(goes, 1, &fence));
    api_must(weft_session_on_done(goes, fence, linger, &l));
    api_must(weft_session_wait(goes, fence, -1));
    assert_int_equal(pthread_create(&poller, NULL, poll_once, w.device), 0);
    while (!atomic_load(&l.in)) weft_sleep(1e-4);
    weft_session *other = cancel_session(w.program, false);
    weft_session_destroy(&other); // at once: it would wait for ever
    assert_false(atomic_load(&l.out));
    assert_int_equal(pthread_create(&helper, NULL, go_soon, &l), 0);
    weft_session_destroy(&goes);
    assert_true(atomic_load(&l.out));
    pthread_join(poller, NULL);
    pthread_join(helper, NULL);

    goes = cancel_session(w.program, false);
    api_must(weft_session_run_blocking(goes, 1));
    api_must(weft_session_run(goes, 1, &fence));
    api_must(weft_session_on_done(goes, fence, linger, &own));
    api_must(weft_session_wait(goes, fence, -1));
    api_must(weft_device_poll(w.device));
    assert_true(atomic_load(&own.out));
    assert_null(goes);
    end(&w);
}

/// A device that is lost calls all, but those of sessions that are gone.
static void callbacks_of_a_loss(void **state) {
    (void)state;
    struct world w = begin(0);
    weft_session *other = cancel_session(w.program, false);
    struct heard h = {.session = w.session};
    uint64_t fence, past;
    api_must(weft_session_run(w.session, 1, &past));
    api_must(weft_session_wait(w.session, past, -1));
    stall(&w, true);
    api_must(weft_session_run(w.session, 1, &fence));
    api_must(weft_session_on_done(w.session, fence, on_done, &h));
    api_must(weft_session_on_done(other, fence, on_done, &h));
    weft_session_destroy(&other);
    weft_gpu_lose(w.device);
    api_fails(weft_device_poll(w.device), WEFT_ERR_LOST, "gone");
    assert_int_equal(h.n, 1);
    assert_true(h.fences[0] == fence && h.status[0] == WEFT_ERR_LOST);
    api_fails(weft_device_poll(w.device), WEFT_ERR_LOST, "gone");
    assert_int_equal(h.n, 1);
    api_fails(weft_device_poll(NULL), WEFT_ERR_INVALID, "device");
    stall(&w, false); // a device whose loss was reported is released, which waits for the driver
    end(&w);
}
#endif
