// Large writes and uploads on the null device: who waits for what, what is refused, and what happens without memory.
#include "core/thread.h"
#include <stdio.h>
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
    OK(weft_buf_write(r.gpu, r.buf, 0, r.data, MIB - 4)); // small enough for the queue
    assert_int_equal(counters(&r).bytes_for[WEFT_BUF_FOR_STAGING], 0);
    OK(weft_buf_write(r.gpu, r.buf, 4, r.data, MIB));
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
    struct weft_cancel cancel = {0};
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, &cancel);
    assert_true(weft_gpu_stall(r.gpu, true));
    weft_cancel_set(&cancel);
    REFUSED(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG), WEFT_ERR_CANCELLED, "cancelled");
    REFUSED(weft_buf_read(r.gpu, r.buf, 0, r.data, BIG), WEFT_ERR_CANCELLED, "cancelled");
    assert_true(weft_gpu_stall(r.gpu, false));
    weft_cancel_end(&scope);
    OK(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG));
    OK(weft_buf_read(r.gpu, r.buf, 0, r.data, BIG));
    weft_readback rb[64]; // all are free again
    for (int i = 0; i < 64; i++) OK(weft_readback_start(r.gpu, r.buf, 0, 16, &rb[i]));
    close_rig(&r);
}

// An upload that ends itself, or whose items are counted as they go.
struct counted {
    struct rig *r;
    struct weft_cancel cancel;
    size_t end_at, last, calls; // end_at 0: never
    atomic_size_t made;
};

static void place_counted(void *user, size_t item, struct weft_buf_span spans[WEFT_UPLOAD_SPANS]) {
    const struct counted *c = user;
    spans[0] = (struct weft_buf_span){c->r->buf, item * MIB, MIB};
}

static weft_status make_counted(void *user, size_t item, uint8_t *scratch, uint8_t *const to[WEFT_UPLOAD_SPANS]) {
    struct counted *c = user;
    (void)scratch;
    memset(to[0], (int)item, MIB);
    atomic_fetch_add(&c->made, 1);
    return WEFT_OK;
}

static void count_sent(void *user, size_t items) {
    struct counted *c = user;
    assert_true(items > c->last);
    c->last = items;
    c->calls++;
    if (c->end_at && items >= c->end_at) weft_cancel_set(&c->cancel);
}

// Once it is cancelled nothing more is sent, and little more is made; through pieces and without them.
static void test_uploads_are_counted_and_cancelled(void **state) {
    (void)state;
    enum { ITEMS = 20 };
    for (int queue = 0; queue < 2; queue++) {
        struct rig r = open_rig(0);
        const uint64_t most = queue ? 5 * MIB : MIB; // no piece takes an item that large
        for (size_t end_at = 0; end_at <= ITEMS; end_at += 5) {
            struct counted c = {.r = &r, .end_at = end_at};
            struct weft_cancel_scope scope;
            struct weft_gpu_upload up = {.count = ITEMS,
                                         .most = most,
                                         .place = place_counted,
                                         .make = make_counted,
                                         .sent = count_sent,
                                         .user = &c};
            uint64_t before = counters(&r).bytes_written;
            weft_cancel_begin(&scope, &c.cancel);
            weft_status status = weft_gpu_upload(r.gpu, &up);
            weft_cancel_end(&scope);
            assert_int_equal(status, end_at && c.last < ITEMS ? WEFT_ERR_CANCELLED : WEFT_OK);
            assert_int_equal(counters(&r).bytes_written - before, c.last * MIB);
            if (end_at == 0 || end_at == ITEMS) assert_int_equal(c.last, ITEMS);
            if (end_at) assert_in_range(c.last, end_at, end_at + 3);
            assert_true(c.calls >= c.last / 4 && atomic_load(&c.made) <= c.last + 2 * 4 * 4);
        }
        close_rig(&r);
    }
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

static weft_status make_nested(void *user, size_t item, uint8_t *scratch, uint8_t *const to[WEFT_UPLOAD_SPANS]) {
    struct nested *n = user;
    (void)scratch;
    memset(to[0], 1, MIB);
    if (item == 2) n->inner = weft_buf_write(n->r->gpu, n->r->buf, 8 * MIB, n->r->data, 4 * MIB);
    if (item == 2) weft_buf_release(n->r->gpu, &n->gone);
    return WEFT_OK;
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

static weft_status make_slow(void *user, size_t item, uint8_t *scratch, uint8_t *const to[WEFT_UPLOAD_SPANS]) {
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
    return WEFT_OK;
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

struct broken {
    struct rig *r;
    size_t at;
    pthread_t caller;
    bool by_helper; // the item is one that another thread makes
    atomic_int failed;
};

static void place_broken(void *user, size_t item, struct weft_buf_span spans[WEFT_UPLOAD_SPANS]) {
    const struct broken *b = user;
    spans[0] = (struct weft_buf_span){b->r->buf, item * MIB, MIB};
}

static weft_status make_broken(void *user, size_t item, uint8_t *scratch, uint8_t *const to[WEFT_UPLOAD_SPANS]) {
    struct broken *b = user;
    bool caller = pthread_equal(pthread_self(), b->caller);
    (void)scratch;
    for (int i = 0; i < 20000 && b->by_helper && caller && !atomic_load(&b->failed); i++) weft_sleep(1e-3);
    memset(to[0], 1, MIB);
    if (b->by_helper ? caller : item != b->at) return WEFT_OK;
    atomic_fetch_add(&b->failed, 1);
    return weft_fail(WEFT_ERR_IO, "item %zu is not to be had", item);
}

// What an item's thread says is what the caller of the upload gets; nothing of its piece, or behind it, is written,
// and the next upload has the pieces.
static void test_items_that_cannot_be_made(void **state) {
    (void)state;
    for (size_t at = 0; at < 20; at += 1 + at / 4) {
        struct rig r = open_rig(0);
        int64_t live = weft_alloc_stats().live;
        struct broken b = {.r = &r, .at = at, .caller = pthread_self()};
        struct weft_gpu_upload up = {.count = 20, .most = MIB, .place = place_broken, .make = make_broken, .user = &b};
        char why[64];
        snprintf(why, sizeof why, "item %zu is not", at);
        REFUSED(weft_gpu_upload(r.gpu, &up), WEFT_ERR_IO, why);
        assert_true(counters(&r).bytes_written <= at * MIB);
        up.most = 5 * MIB; // no piece takes it
        REFUSED(weft_gpu_upload(r.gpu, &up), WEFT_ERR_IO, why);
        OK(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG));
        assert_true(weft_alloc_stats().live <= live + 64);
        close_rig(&r);
    }
    struct rig r = open_rig(0);
    struct broken b = {.r = &r, .caller = pthread_self(), .by_helper = true};
    struct weft_gpu_upload up = {.count = 20, .most = MIB, .place = place_broken, .make = make_broken, .user = &b};
    REFUSED(weft_gpu_upload(r.gpu, &up), WEFT_ERR_IO, "is not to be had");
    OK(weft_buf_write(r.gpu, r.buf, 0, r.data, BIG));
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
        cmocka_unit_test(test_uploads_are_counted_and_cancelled),
        cmocka_unit_test(test_reads_with_few_readbacks),
        cmocka_unit_test(test_reads_of_readback_buffers),
        cmocka_unit_test(test_a_write_beside_an_upload),
        cmocka_unit_test(test_items_that_cannot_be_made),
        cmocka_unit_test(test_pieces_wait_for_all_of_their_items),
        cmocka_unit_test(test_a_buffer_released_beside_an_upload),
        cmocka_unit_test(test_host_memory),
        cmocka_unit_test(test_maps_that_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
