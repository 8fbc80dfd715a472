/// Where two features of sessions meet, on the null device: cancelling and pages, host memory and resizing, loss and
/// every other call, snapshots and pools that are full.
#include "core/alloc.h"
#include "core/thread.h"
#include "gpu/gpu_test.h"
#include "page_rig.h"
#include "weft/weft.h"
#include <pthread.h>
#include <stdatomic.h>

// ---- cancelling and pages ------------------------------------------------------------------------------------------

struct call {
    weft_session *s;
    weft_status (*make)(weft_session *s);
    atomic_bool in, out;
    weft_status status;
};

static void *make_call(void *user) {
    struct call *c = user;
    atomic_store(&c->in, true);
    c->status = c->make(c->s);
    atomic_store(&c->out, true);
    return NULL;
}

/// Calls on a device that finishes nothing, cancels, and expects the call to end before anything is finished.
static void ends_when_cancelled(weft_session *s, weft_status (*make)(weft_session *s)) {
    struct call c = {.s = s, .make = make};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, make_call, &c), 0);
    while (!atomic_load(&c.in)) weft_sleep(1e-4);
    weft_sleep(0.01); // until it is well inside; it is right either way
    weft_session_cancel(s);
    for (int i = 0; i < 2000 && !atomic_load(&c.out); i++) weft_sleep(1e-3);
    bool ended = atomic_load(&c.out);
    assert_true(weft_gpu_stall(gpu, false));
    pthread_join(thread, NULL);
    weft_session_resume(s);
    assert_true(ended);
    assert_int_equal(c.status, WEFT_ERR_CANCELLED);
}

static weft_status one_run(weft_session *s) { return weft_session_run(s, 1, NULL); }

static weft_status read_rows(weft_session *s) {
    float row[RIG_HEAD];
    return weft_session_read(s, "kf", 0, row, sizeof row);
}

/// A run that finds the queue full while it takes pages ends like one that finds it full later; the pages go back.
static void test_cancelled_while_taking_pages(void **state) {
    (void)state;
    weft_program *rings = rig_program(gpu, RIG_GRAPH("ring"), NULL);
    weft_session *s = session(), *fork = NULL, *filler = NULL;
    rig_must(weft_session_create(rings, NULL, &filler));
    rig_must(resize(filler, 1));
    rig_must(feed(s, 6));
    uint64_t used = pages_used();
    for (int room = 0; room < 3; room++) { // a new page, a copy of a shared one, the run: each may find the queue full
        rig_must(weft_session_fork(s, &fork));
        rig_must(resize(fork, 4));
        rig_must(weft_device_wait_idle(gpu));
        assert_true(weft_gpu_stall(gpu, true));
        for (int k = 0; k < 16 - room; k++) rig_must(weft_session_run(filler, 1, NULL));
        ends_when_cancelled(fork, one_run);
        assert_int_equal(position(fork), 6);
        assert_int_equal(pages_used(), used + (room == 2 ? 2 : room)); // what was taken stays for the next run
        rig_must(weft_session_run(fork, 1, NULL));
        assert_int_equal(position(fork), 10);
        assert_int_equal(pages_used(), used + 2);
        weft_session_destroy(&fork);
        assert_int_equal(pages_used(), used);
    }
    weft_session_destroy(&s);
    weft_session_destroy(&filler);
    weft_program_destroy(&rings);
    assert_int_equal(memory().pages, 0);
}

/// Reads of rows in pages end like other reads.
static void test_cancelled_read_of_rows(void **state) {
    (void)state;
    weft_session *s = session();
    rig_must(feed(s, 6));
    assert_true(weft_gpu_stall(gpu, true));
    rig_must(weft_session_run(s, 1, NULL));
    ends_when_cancelled(s, read_rows);
    weft_session_cancel(s);
    rig_fails(read_rows(s), WEFT_ERR_CANCELLED, "weft_session_resume");
    weft_session_resume(s);
    rig_must(read_rows(s));
    weft_session_destroy(&s);
}

// ---- memory of the host and sizes ----------------------------------------------------------------------------------

/// Results of a run reach the memory that was bound when it began, also if larger memory was bound since.
static void test_host_memory_grows(void **state) {
    (void)state;
    static uint8_t small[64], large[RIG_Y * 4];
    uint64_t fence[2];
    weft_session *s = session();
    rig_must(resize(s, 1));
    rig_must(weft_session_bind_host(s, "y", small, sizeof small));
    rig_must(weft_session_run(s, 1, &fence[0]));
    rig_must(weft_session_bind_host(s, "y", large, sizeof large));
    rig_must(resize(s, 8));
    rig_must(weft_session_run(s, 1, &fence[1]));
    memset(small, 0x55, sizeof small);
    memset(large, 0x55, sizeof large);
    rig_must(weft_session_wait(s, fence[0], -1));
    for (size_t i = 0; i < sizeof small; i++) assert_int_equal(small[i], 0); // which is what a null device reads
    assert_int_equal(large[0], 0x55);
    rig_must(weft_session_wait(s, fence[1], -1));
    for (size_t i = 0; i < sizeof large; i++) assert_int_equal(large[i], 0);
    // What is never waited for goes with the next round, or with the session.
    rig_must(resize(s, 1));
    for (int i = 0; i < 3 * WEFT_HOST_RUNS; i++) {
        rig_must(weft_session_bind_host(s, "y", i % 2 ? large : small, i % 2 ? sizeof large : sizeof small));
        rig_must(weft_session_run(s, 1, NULL));
    }
    uint64_t readback = memory().readback;
    for (int i = 0; i < 2 * WEFT_HOST_RUNS; i++) rig_must(weft_session_run(s, 1, NULL));
    assert_int_equal(memory().readback, readback);
    rig_must(weft_session_bind_host(s, "y", NULL, 0));
    assert_true(memory().readback < readback);
    weft_session_destroy(&s);
}

/// A size that nobody has is as good as the largest that is needed.
static void test_host_memory_without_end(void **state) {
    (void)state;
    static uint8_t all[RIG_Y * 4];
    weft_session *s = session();
    rig_must(resize(s, 8));
    memset(all, 0x55, sizeof all);
    rig_must(weft_session_bind_host(s, "y", all, UINT64_MAX));
    rig_must(weft_session_run_blocking(s, 1));
    for (size_t i = 0; i < sizeof all; i++) assert_int_equal(all[i], 0);
    weft_session_destroy(&s);
}

/// Buffers that a session gave up and took back are inputs and outputs still, in the accounts.
static void test_accounts_of_bindings(void **state) {
    (void)state;
    weft_session *s = session();
    weft_buffer *b;
    rig_must(weft_buffer_create(gpu, RIG_Y * 4, &b));
    struct weft_device_memory before = memory(), during, after;
    rig_must(weft_session_bind(s, "y", b, 0, 0));
    during = memory();
    assert_int_equal(before.io - during.io, RIG_Y * 4);
    rig_must(weft_session_bind(s, "y", NULL, 0, 0));
    after = memory();
    assert_memory_equal(&before, &after, sizeof after);
    weft_buffer_destroy(&b);
    weft_session_destroy(&s);
}

// ---- loss ----------------------------------------------------------------------------------------------------------

/// What could not be recovered says so in every call, pages and bindings included.
static void test_lost_says_so(void **state) {
    (void)state;
    weft_session *s = session();
    weft_buffer *b;
    uint64_t at;
    struct weft_recovery r;
    rig_must(weft_buffer_create(gpu, RIG_Y * 4, &b));
    rig_must(feed(s, 20));
    weft_gpu_lose(gpu);
    weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_BUFFER, 1);
    assert_int_equal(weft_device_recover(gpu, &r), WEFT_ERR_NOMEM);
    weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, 0, 0);
    assert_int_equal(r.programs_failed, 1);
    assert_int_equal(r.sessions_failed, 1);
    struct weft_device_counters before, after;
    rig_must(weft_device_counters(gpu, &before));
    rig_fails(weft_session_reserve(s, 40), WEFT_ERR_LOST, "not recovered");
    rig_fails(weft_session_reserve(s, 20), WEFT_ERR_LOST, "not recovered");
    rig_fails(weft_session_position(s, &at), WEFT_ERR_LOST, "not recovered");
    rig_fails(weft_session_bind(s, "y", b, 0, 0), WEFT_ERR_LOST, "not recovered");
    rig_fails(weft_session_checkpoint(s), WEFT_ERR_LOST, "not recovered");
    rig_must(weft_device_counters(gpu, &after));
    assert_int_equal(before.buffers_made, after.buffers_made);
    rig_must(weft_device_recover(gpu, NULL));
    rig_must(weft_session_reset(s));
    rig_must(feed(s, 20));
    weft_buffer_destroy(&b);
    weft_session_destroy(&s);
}

/// A recovery in which one allocation fails after the other, until only the user's buffer can't be made again.
static bool lose_buffer(weft_buffer *b) {
    struct weft_recovery r;
    float x[4];
    for (uint64_t n = 1; n < 100; n++) {
        weft_gpu_lose(gpu);
        weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_BUFFER, n);
        weft_status status = weft_device_recover(gpu, &r);
        weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, 0, 0);
        if (status != WEFT_OK && weft_buffer_read(b, 0, x, sizeof x) == WEFT_ERR_LOST) return true;
    }
    return false;
}

/// A buffer of the user that was not recovered says so, in its own calls and in those of sessions that it is bound to;
/// what does not use it goes on, and the next recovery brings it back.
static void test_lost_buffer_says_so(void **state) {
    (void)state;
    weft_session *s = session(), *other = session();
    weft_buffer *b;
    float x[4] = {0};
    weft_pending pending;
    rig_must(weft_buffer_create(gpu, RIG_Y * 4, &b));
    rig_must(weft_session_bind(s, "y", b, 0, 0));
    rig_must(feed(s, 20));
    assert_true(lose_buffer(b));
    rig_fails(weft_buffer_write(b, 0, x, sizeof x), WEFT_ERR_LOST, "not recovered");
    rig_fails(weft_buffer_read_async(b, 0, 16, &pending), WEFT_ERR_LOST, "not recovered");
    rig_fails(weft_session_bind(other, "y", b, 0, 0), WEFT_ERR_LOST, "'y': the buffer was lost");
    rig_must(weft_session_reset(other));
    rig_must(feed(other, 20));
    rig_must(weft_session_reset(s));
    rig_fails(feed(s, 1), WEFT_ERR_LOST, "output 'y': the buffer was lost");
    rig_must(weft_session_bind(s, "y", NULL, 0, 0));
    rig_must(feed(s, 8));
    weft_gpu_lose(gpu);
    rig_must(weft_device_recover(gpu, NULL));
    rig_must(weft_buffer_write(b, 0, x, sizeof x));
    rig_must(weft_session_bind(s, "y", b, 0, 0));
    rig_must(weft_session_reset(s));
    rig_must(feed(s, 1));
    weft_session_destroy(&s);
    weft_session_destroy(&other);
    weft_buffer_destroy(&b);
}

/// While a device is gone, nothing on it is in use.
static void test_accounts_of_a_lost_device(void **state) {
    (void)state;
    weft_session *s = session(), *gone = session();
    rig_must(feed(s, 20));
    rig_must(feed(gone, 9));
    weft_gpu_lose(gpu);
    weft_alloc_fail_at(1, 0);
    assert_int_equal(weft_device_recover(gpu, NULL), WEFT_ERR_NOMEM);
    weft_alloc_fail_at(0, 0);
    assert_int_equal(memory().pages, 0);
    weft_session_destroy(&gone);
    assert_int_equal(memory().pages, 0);
    rig_must(weft_device_recover(gpu, NULL));
    assert_int_equal(pages_used(), 1);
    weft_session_destroy(&s);
    assert_int_equal(memory().pages, 0);
}

/// Fences of runs that a loss cut off say so for good, however often the device is lost again.
static void test_fences_of_many_losses(void **state) {
    (void)state;
    enum { LOSSES = 24 };
    weft_session *s = session();
    uint64_t done[LOSSES], cut[LOSSES];
    for (int i = 0; i < LOSSES; i++) {
        rig_must(resize(s, 1));
        rig_must(weft_session_run(s, 1, &done[i]));
        rig_must(weft_session_wait(s, done[i], -1));
        assert_true(weft_gpu_stall(gpu, true));
        rig_must(weft_session_run(s, 1, &cut[i]));
        weft_gpu_lose(gpu);
        rig_must(weft_device_recover(gpu, NULL));
        rig_must(weft_session_reset(s));
        for (int k = 0; k <= i; k++) rig_fails(weft_session_wait(s, cut[k], -1), WEFT_ERR_LOST, "device was lost");
        for (int k = i > 12 ? i - 12 : 0; k <= i; k++) rig_must(weft_session_wait(s, done[k], -1));
    }
    weft_session_destroy(&s);
}

// ---- snapshots and pages -------------------------------------------------------------------------------------------

/// A restore that fails between states and pages leaves neither: runs are refused until one succeeds.
static void test_half_a_restore(void **state) {
    (void)state;
    weft_session *s = session();
    weft_snapshot *x = NULL;
    rig_must(feed(s, 10));
    rig_must(weft_session_snapshot(s, WEFT_SNAPSHOT_DEVICE, &x));
    rig_must(weft_session_checkpoint(s));
    rig_must(feed(s, 10));
    weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_WRITE, 1);
    assert_int_equal(weft_session_restore(s, x), WEFT_ERR_NOMEM);
    weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, 0, 0);
    rig_fails(weft_session_run(s, 1, NULL), WEFT_ERR_STALE, "is gone");
    rig_must(weft_session_restore(s, x));
    rig_must(feed(s, 1));
    assert_int_equal(position(s), 11);
    // A rewind to a checkpoint is a restore too.
    rig_must(weft_session_rewind(s, 10));
    rig_must(weft_session_checkpoint(s));
    rig_must(feed(s, 10));
    weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_WRITE, 1);
    assert_int_equal(weft_session_rewind(s, 10), WEFT_ERR_NOMEM);
    weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, 0, 0);
    rig_fails(weft_session_run(s, 1, NULL), WEFT_ERR_STALE, "is gone");
    rig_must(weft_session_rewind(s, 0));
    rig_must(feed(s, 1));
    weft_session_destroy(&s);
    weft_snapshot_destroy(&x);
    assert_int_equal(memory().pages, 0);
}

/// A host snapshot goes into the pages that the session gives up, so a pool that is full has room for it.
static void test_restore_into_own_pages(void **state) {
    (void)state;
    weft_session *s = session();
    weft_snapshot *x = NULL;
    rig_must(feed(s, RIG_ROWS));
    rig_must(weft_session_snapshot(s, WEFT_SNAPSHOT_HOST, &x));
    uint64_t pages = memory().pages;
    assert_int_equal(pages, (PAGES + 1) * PAGE_BYTES);
    rig_must(weft_session_restore(s, x));
    assert_int_equal(memory().pages, pages);
    assert_int_equal(position(s), RIG_ROWS);
    // Pages that another one shares stay with it.
    weft_session *fork = NULL;
    rig_must(weft_session_fork(s, &fork));
    rig_must(weft_session_restore(s, x));
    assert_int_equal(pages_used(), 1 + 2 * PAGES);
    weft_session_destroy(&fork);
    weft_session_destroy(&s);
    weft_snapshot_destroy(&x);
}

#define TWO_POSITIONS(AT)                                                                                              \
    "symbol T 1 8\ninput k f32 [T, 1, 8]\ninput q f32 [T, 1, 8]\nvar a u32 0 1000\nvar b u32 0 1000\n"                 \
    "state c paged f32 [48, 1, 8]\n%0 = cache_append %c %k %" AT "\n%1 = attention %q %0 %0 %" AT "\n"                 \
    "%2 = advance %a {by=T}\n%3 = advance %b {by=T}\noutput %1 y\n"

/// The same states whose rows stand for other positions are another program's.
static void test_snapshot_of_another_position(void **state) {
    (void)state;
    struct weft_compile_params compile = {.page_rows = PAGE};
    weft_program *p[2] = {rig_program(gpu, TWO_POSITIONS("a"), &compile),
                          rig_program(gpu, TWO_POSITIONS("b"), &compile)};
    weft_session *s[2] = {NULL};
    weft_snapshot *x = NULL;
    for (int i = 0; i < 2; i++) rig_must(weft_session_create(p[i], NULL, &s[i]));
    rig_must(feed(s[0], 5));
    rig_must(weft_session_set_var(s[0], "b", 900));
    rig_must(weft_session_snapshot(s[0], WEFT_SNAPSHOT_HOST, &x));
    rig_fails(weft_session_restore(s[1], x), WEFT_ERR_INVALID, "'c'");
    rig_must(weft_session_restore(s[0], x));
    weft_snapshot_destroy(&x);
    for (int i = 0; i < 2; i++) weft_session_destroy(&s[i]);
    for (int i = 0; i < 2; i++) weft_program_destroy(&p[i]);
}

/// A write that is refused changes nothing: it takes no page and writes no part.
static void test_refused_write_of_rows(void **state) {
    (void)state;
    static uint8_t rows[RIG_ROWS * ROW];
    weft_session *s = session();
    weft_pending pending;
    uint64_t used = pages_used();
    struct weft_device_counters before, after;
    rig_must(weft_device_counters(gpu, &before));
    rig_fails(weft_session_write(s, "kf", 0, rows, 3 * PAGE * ROW + 2), WEFT_ERR_INVALID, "'kf'");
    rig_fails(weft_session_write(s, "kf", 6, rows, 4), WEFT_ERR_INVALID, "'kf'");
    rig_fails(weft_session_read(s, "kf", 6, rows, 4), WEFT_ERR_INVALID, "'kf'");
    rig_fails(weft_session_read(s, "y", 0, rows, 3), WEFT_ERR_INVALID, "multiples of 4");
    rig_fails(weft_session_read_async(s, "y", 2, 4, &pending), WEFT_ERR_INVALID, "multiples of 4");
    rig_must(weft_device_counters(gpu, &after));
    assert_int_equal(before.bytes_written, after.bytes_written);
    assert_int_equal(pages_used(), used);
    weft_session_destroy(&s);
}

// ---- snapshots and threads -----------------------------------------------------------------------------------------

struct heap {
    _Atomic(weft_snapshot *) next;
    atomic_bool stop;
};

static void *destroy_snapshots(void *user) {
    struct heap *h = user;
    while (!atomic_load(&h->stop)) {
        weft_snapshot *x = atomic_exchange(&h->next, NULL);
        weft_snapshot_destroy(&x);
    }
    return NULL;
}

/// A host snapshot may be destroyed by one thread while the session that follows it goes on in another. (Who reads
/// what is gone is told by the sanitizers.)
static void test_snapshots_of_another_thread(void **state) {
    (void)state;
    struct heap h = {0};
    pthread_t thread;
    weft_session *s = session();
    int64_t live = weft_alloc_stats().live;
    assert_int_equal(pthread_create(&thread, NULL, destroy_snapshots, &h), 0);
    for (int i = 0; i < 400; i++) {
        weft_snapshot *x = NULL;
        rig_must(feed(s, 2));
        rig_must(weft_session_snapshot(s, WEFT_SNAPSHOT_HOST, &x));
        x = atomic_exchange(&h.next, x);
        rig_must(weft_session_rewind(s, i % 3));
        weft_snapshot_destroy(&x);
        if (i % 3 == 2) rig_must(weft_session_reset(s));
    }
    atomic_store(&h.stop, true);
    pthread_join(thread, NULL);
    weft_snapshot *x = atomic_exchange(&h.next, NULL);
    weft_snapshot_destroy(&x);
    assert_true(weft_alloc_stats().live - live < 16); // tables of the device may have grown
    weft_session_destroy(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancelled_while_taking_pages),
        cmocka_unit_test(test_cancelled_read_of_rows),
        cmocka_unit_test(test_host_memory_grows),
        cmocka_unit_test(test_host_memory_without_end),
        cmocka_unit_test(test_accounts_of_bindings),
        cmocka_unit_test(test_lost_says_so),
        cmocka_unit_test(test_lost_buffer_says_so),
        cmocka_unit_test(test_accounts_of_a_lost_device),
        cmocka_unit_test(test_fences_of_many_losses),
        cmocka_unit_test(test_half_a_restore),
        cmocka_unit_test(test_restore_into_own_pages),
        cmocka_unit_test(test_snapshot_of_another_position),
        cmocka_unit_test(test_refused_write_of_rows),
        cmocka_unit_test(test_snapshots_of_another_thread),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
