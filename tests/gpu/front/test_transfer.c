// Large writes and uploads on the null device: who waits for what, what is refused, and what happens without memory.
#include "core/thread.h"
#include "../null_world.h"

enum { MIB = 1 << 20, BIG = 20 * MIB };

struct rig {
    weft_gpu *gpu;
    weft_buf buf;
    uint8_t *data;
};

static struct rig open_rig(double timeout) {
    struct rig r = {.data = weft_calloc(1, BIG)};
    struct weft_gpu_params params = {.implementation = "null", .timeout = timeout};
    assert_non_null(r.data);
    OK(weft_gpu_open(&params, &r.gpu));
    OK(weft_buf_create(r.gpu, BIG, WEFT_BUF_STORAGE, "big", &r.buf));
    weft_gpu_set_threads(r.gpu, 3);
    return r;
}

static void close_rig(struct rig *r) {
    weft_gpu_close(&r->gpu);
    weft_free(r->data);
}

static struct weft_gpu_counters counters(const struct rig *r) {
    struct weft_gpu_counters c;
    weft_gpu_counters(r->gpu, &c);
    return c;
}

static void test_pieces_are_made_once(void **state) {
    (void)state;
    struct rig r = open_rig(0);
    OK(weft_buf_write(r.gpu, r.buf, 0, r.data, MIB)); // small enough for the queue
    assert_int_equal(counters(&r).bytes_for[WEFT_BUF_FOR_STAGING], 0);
    OK(weft_buf_write(r.gpu, r.buf, 4, r.data, MIB + 4));
    struct weft_gpu_counters first = counters(&r);
    assert_int_equal(first.bytes_for[WEFT_BUF_FOR_STAGING], 8 * MIB);
    for (int i = 0; i < 3; i++) OK(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG));
    struct weft_gpu_counters then = counters(&r);
    assert_int_equal(then.buffers_made, first.buffers_made);
    assert_int_equal(then.allocs, first.allocs);
    assert_int_equal(then.bytes_written - first.bytes_written, 3 * (uint64_t)BIG);
    assert_int_equal(then.submits, 0); // those of the caller
    close_rig(&r);
}

static void test_refusals(void **state) {
    (void)state;
    struct rig r = open_rig(0);
    weft_buf other, old;
    REFUSED(weft_buf_write(r.gpu, r.buf, 4, r.data, BIG), WEFT_ERR_INVALID, "outside buffer 'big'");
    REFUSED(weft_buf_write(r.gpu, r.buf, 2, r.data, 2 * MIB), WEFT_ERR_INVALID, "multiples of 4");
    REFUSED(weft_buf_write(r.gpu, r.buf, 0, NULL, 2 * MIB), WEFT_ERR_INVALID, "no data");
    OK(weft_buf_make(r.gpu, WEFT_BUF_FOR_STAGING, 2 * MIB, WEFT_BUF_STAGING, "piece", &other));
    REFUSED(weft_buf_write(r.gpu, other, 0, r.data, 2 * MIB), WEFT_ERR_INVALID, "piece");
    old = other;
    weft_buf_release(r.gpu, &other);
    REFUSED(weft_buf_write(r.gpu, old, 0, r.data, 2 * MIB), WEFT_ERR_STALE, "released");
    assert_int_equal(counters(&r).bytes_written, 0);
    close_rig(&r);
}

// ---- waiting --------------------------------------------------------------------------------------------------------

// A device that finishes nothing holds up what is larger than the pieces; until then a write waits for nothing.
static void test_a_full_ring_waits(void **state) {
    (void)state;
    struct rig r = open_rig(0.05);
    OK(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG));
    assert_true(weft_gpu_stall(r.gpu, true));
    OK(weft_buf_write(r.gpu, r.buf, 0, r.data, 5 * MIB));
    REFUSED(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG), WEFT_ERR_TIMEOUT, "nothing finished");
    REFUSED(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG), WEFT_ERR_LOST, "gone");
    assert_true(weft_gpu_stall(r.gpu, false));
    OK(weft_gpu_reopen(r.gpu));
    OK(weft_buf_create(r.gpu, BIG, WEFT_BUF_STORAGE, "big", &r.buf));
    OK(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG));
    close_rig(&r);
}

static void test_a_wait_can_be_cancelled(void **state) {
    (void)state;
    struct rig r = open_rig(0);
    atomic_bool cancelled = false;
    const atomic_bool *before = weft_gpu_token(&cancelled);
    assert_true(weft_gpu_stall(r.gpu, true));
    atomic_store(&cancelled, true);
    REFUSED(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG), WEFT_ERR_CANCELLED, "cancelled");
    REFUSED(weft_buf_read(r.gpu, r.buf, 0, r.data, BIG), WEFT_ERR_CANCELLED, "cancelled");
    assert_true(weft_gpu_stall(r.gpu, false));
    weft_gpu_token(before);
    OK(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG));
    OK(weft_buf_read(r.gpu, r.buf, 0, r.data, BIG));
    weft_readback rb[64]; // all are free again
    for (int i = 0; i < 64; i++) OK(weft_readback_start(r.gpu, r.buf, 0, 16, &rb[i]));
    close_rig(&r);
}

// A read takes what readbacks there are, down to one.
static void test_reads_with_few_readbacks(void **state) {
    (void)state;
    struct rig r = open_rig(0);
    weft_readback rb[64];
    for (int i = 0; i < 63; i++) OK(weft_readback_start(r.gpu, r.buf, 0, 16, &rb[i]));
    OK(weft_buf_read(r.gpu, r.buf, 0, r.data, BIG));
    OK(weft_readback_start(r.gpu, r.buf, 0, 16, &rb[63]));
    REFUSED(weft_buf_read(r.gpu, r.buf, 0, r.data, BIG), WEFT_ERR_LIMIT, "64 readbacks");
    for (int i = 0; i < 64; i++) OK(weft_readback_finish(r.gpu, &rb[i], r.data, 16));
    OK(weft_buf_read(r.gpu, r.buf, 0, r.data, BIG));
    close_rig(&r);
}

// A buffer that is for reading back is mapped whole, not in pieces.
static void test_reads_of_readback_buffers(void **state) {
    (void)state;
    struct rig r = open_rig(0);
    weft_buf buf;
    OK(weft_buf_create(r.gpu, 9 * MIB, WEFT_BUF_READBACK, "back", &buf));
    memset(r.data, 1, 9 * MIB);
    OK(weft_buf_read(r.gpu, buf, 0, r.data, 9 * MIB));
    assert_int_equal(r.data[0] | r.data[9 * MIB - 1], 0);
    assert_int_equal(counters(&r).bytes_for[WEFT_BUF_FOR_READBACK], 9 * MIB);
    OK(weft_buf_read(r.gpu, buf, 4, r.data, 0));
    REFUSED(weft_buf_read(r.gpu, buf, 9 * MIB, r.data, 4), WEFT_ERR_INVALID, "outside");
    close_rig(&r);
}

// ---- uploads --------------------------------------------------------------------------------------------------------

struct nested {
    struct rig *r;
    weft_buf gone;
    weft_status inner;
};

static void place_nested(void *user, size_t item, struct weft_buf_span spans[WEFT_UPLOAD_SPANS]) {
    const struct nested *n = user;
    spans[0] = (struct weft_buf_span){n->r->buf, item * MIB, MIB};
}

static void make_nested(void *user, size_t item, uint8_t *scratch, uint8_t *const to[WEFT_UPLOAD_SPANS]) {
    struct nested *n = user;
    (void)scratch;
    memset(to[0], 1, MIB);
    if (item == 2) n->inner = weft_buf_write(n->r->gpu, n->r->buf, 8 * MIB, n->r->data, 4 * MIB);
    if (item == 2) weft_buf_release(n->r->gpu, &n->gone);
}

// A write from within an upload finds the pieces taken, and goes by the queue.
static void test_a_write_beside_an_upload(void **state) {
    (void)state;
    struct rig r = open_rig(0);
    struct nested n = {.r = &r, .inner = WEFT_ERR_INVALID};
    struct weft_gpu_upload up = {.count = 6, .most = MIB, .place = place_nested, .make = make_nested, .user = &n};
    OK(weft_gpu_upload(r.gpu, &up));
    OK(n.inner);
    assert_int_equal(counters(&r).bytes_written, 10 * MIB);
    close_rig(&r);
}

/// The first item that a helper makes takes until the rest of its piece, and the piece behind it, are made by the
/// caller.
struct slow {
    struct rig *r;
    size_t count;
    pthread_t caller;
    atomic_int made, slow_ones;
    uint64_t sent, may_be_sent;
};

static void place_slow(void *user, size_t item, struct weft_buf_span spans[WEFT_UPLOAD_SPANS]) {
    const struct slow *s = user;
    spans[0] = (struct weft_buf_span){s->r->buf, item * MIB, MIB};
}

static void make_slow(void *user, size_t item, uint8_t *scratch, uint8_t *const to[WEFT_UPLOAD_SPANS]) {
    struct slow *s = user;
    size_t first = item / 4 * 4, end = first + 8 < s->count ? first + 8 : s->count;
    bool caller = pthread_equal(pthread_self(), s->caller);
    (void)scratch;
    for (int i = 0; i < 20000 && caller && atomic_load(&s->slow_ones) == 0; i++) weft_sleep(1e-3);
    if (!caller && atomic_fetch_add(&s->slow_ones, 1) == 0) {
        for (int i = 0; i < 20000 && (size_t)atomic_load(&s->made) + 1 < end; i++) weft_sleep(1e-3);
        s->sent = counters(s->r).bytes_written;
        s->may_be_sent = first * MIB;
    }
    memset(to[0], 1, MIB);
    atomic_fetch_add(&s->made, 1);
}

// A piece goes when all of it is made, and none goes before one in front of it.
static void test_pieces_wait_for_all_of_their_items(void **state) {
    (void)state;
    struct rig r = open_rig(0);
    weft_gpu_set_threads(r.gpu, 2);
    for (int turn = 0; turn < 8; turn++) {
        struct slow s = {.r = &r, .count = 20, .caller = pthread_self()};
        struct weft_gpu_upload up = {.count = 20, .most = MIB, .place = place_slow, .make = make_slow, .user = &s};
        uint64_t before = counters(&r).bytes_written;
        OK(weft_gpu_upload(r.gpu, &up));
        assert_int_equal(counters(&r).bytes_written - before, BIG);
        if (s.slow_ones) assert_true(s.sent - before <= s.may_be_sent);
    }
    close_rig(&r);
}

// A buffer that is released while it is being written ends the upload.
static void test_a_buffer_released_beside_an_upload(void **state) {
    (void)state;
    struct rig r = open_rig(0);
    weft_buf kept = r.buf;
    struct nested n = {.r = &r, .gone = r.buf};
    struct weft_gpu_upload up = {.count = 12, .most = MIB, .place = place_nested, .make = make_nested, .user = &n};
    REFUSED(weft_gpu_upload(r.gpu, &up), WEFT_ERR_STALE, "released");
    OK(weft_buf_create(r.gpu, BIG, WEFT_BUF_STORAGE, "next", &r.buf));
    OK(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG));
    REFUSED(weft_buf_write(r.gpu, kept, 0, r.data, BIG), WEFT_ERR_STALE, "released");
    close_rig(&r);
}

// ---- without memory -------------------------------------------------------------------------------------------------

// Pieces and helpers are no condition: without memory for them a write goes by the queue.
static void test_host_memory(void **state) {
    (void)state;
    for (int sticky = 0; sticky < 2; sticky++)
        for (uint64_t n = 1; n < 14; n++) {
            int64_t live = weft_alloc_stats().live;
            struct rig r = open_rig(0);
            weft_gpu_set_threads(r.gpu, 3);
            weft_alloc_fail_at(n, sticky);
            weft_status wrote = weft_buf_write(r.gpu, r.buf, 0, r.data, BIG);
            weft_status read = weft_buf_read(r.gpu, r.buf, 0, r.data, BIG);
            weft_alloc_fail_at(0, 0);
            OK(wrote);
            assert_true(read == WEFT_OK || read == WEFT_ERR_NOMEM);
            OK(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG));
            OK(weft_buf_read(r.gpu, r.buf, 0, r.data, BIG));
            close_rig(&r);
            assert_int_equal(weft_alloc_stats().live, live);
        }
}

// Maps that fail take their piece away, until none is left; all bytes are written all the same.
static void test_maps_that_fail(void **state) {
    (void)state;
    for (uint64_t n = 1; n < 12; n++) {
        struct rig r = open_rig(0);
        weft_gpu_inject(r.gpu, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_MAP, n);
        OK(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG));
        weft_gpu_inject(r.gpu, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_MAP, 1);
        OK(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG));
        assert_int_equal(counters(&r).bytes_written, 2 * (uint64_t)BIG);
        close_rig(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_are_made_once),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_full_ring_waits),
        cmocka_unit_test(test_a_wait_can_be_cancelled),
        cmocka_unit_test(test_reads_with_few_readbacks),
        cmocka_unit_test(test_reads_of_readback_buffers),
        cmocka_unit_test(test_a_write_beside_an_upload),
        cmocka_unit_test(test_pieces_wait_for_all_of_their_items),
        cmocka_unit_test(test_a_buffer_released_beside_an_upload),
        cmocka_unit_test(test_host_memory),
        cmocka_unit_test(test_maps_that_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
