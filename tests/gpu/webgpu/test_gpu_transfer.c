// Large writes, reads and uploads: every byte arrives, in order with runs and with other writes, whatever sizes,
// threads and faults there are.
#include "core/alloc.h"
#include "core/error.h"
#include "gpu/gpu.h"
#include "gpu/gpu_test.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device_rig.h"

#define OK(e)                                                                                                          \
    do {                                                                                                               \
        weft_status ok_ = (e);                                                                                         \
        if (ok_ != WEFT_OK) fail_msg("%s: %s: %s", #e, weft_status_name(ok_), weft_error_message());                   \
    } while (0)

enum { KIB = 1 << 10, MIB = 1 << 20, SPACE = 21 * MIB };

static uint32_t seed = 1;

static uint32_t pick(uint32_t n) {
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)seed * n) >> 32);
}

static void scramble(uint8_t *p, size_t n) {
    for (size_t i = 0; i + 4 <= n; i += 4) {
        seed = seed * 1664525u + 1013904223u;
        memcpy(p + i, &seed, 4);
    }
}

/// A buffer and what it should hold.
struct mirror {
    weft_buf buf;
    uint8_t *host, *seen;
};

static struct mirror mirror_make(size_t bytes) {
    struct mirror m = {.host = weft_calloc(1, bytes), .seen = weft_alloc(bytes)};
    assert_true(m.host && m.seen);
    OK(weft_buf_create(gpu, bytes, WEFT_BUF_STORAGE, "mirror", &m.buf));
    return m;
}

static void mirror_free(struct mirror *m) {
    weft_buf_release(gpu, &m->buf);
    weft_free(m->host);
    weft_free(m->seen);
}

static void mirror_write(struct mirror *m, size_t offset, size_t bytes) {
    scramble(m->host + offset, bytes);
    OK(weft_buf_write(gpu, m->buf, offset, m->host + offset, bytes));
}

static size_t differs_at(const uint8_t *a, const uint8_t *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) return i;
    return n;
}

static void mirror_check(struct mirror *m, size_t bytes) {
    memset(m->seen, 0x5A, bytes);
    OK(weft_buf_read(gpu, m->buf, 0, m->seen, bytes));
    if (memcmp(m->host, m->seen, bytes) != 0)
        fail_msg("byte %zu of %zu differs", differs_at(m->host, m->seen, bytes), bytes);
}

static const size_t sizes[] = {0,       4,           256 * KIB,   MIB - 4,     MIB,          MIB + 4,       MIB + 252,
                               2 * MIB, 4 * MIB - 4, 4 * MIB + 4, 5 * MIB + 8, 12 * MIB + 4, 16 * MIB + 12, 20 * MIB};

// Each size at offsets that no piece begins at; what lies beside stays, which the whole buffer shows.
static void test_sizes_and_offsets(void **state) {
    (void)state;
    struct mirror m = mirror_make(SPACE);
    for (int threads = 1; threads <= 4; threads += 3) {
        weft_gpu_set_threads(gpu, threads);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            mirror_write(&m, 4 * pick((uint32_t)(SPACE - sizes[i]) / 4 + 1), sizes[i]);
        mirror_check(&m, SPACE);
    }
    mirror_free(&m);
}

// Reads of each size and offset give what one read of all gives.
static void test_reads(void **state) {
    (void)state;
    struct mirror m = mirror_make(SPACE);
    mirror_write(&m, 0, SPACE);
    for (int threads = 1; threads <= 4; threads += 3) {
        weft_gpu_set_threads(gpu, threads);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t offset = 4 * pick((uint32_t)(SPACE - sizes[i]) / 4 + 1);
            memset(m.seen, 0x5A, sizes[i] + 4);
            OK(weft_buf_read(gpu, m.buf, offset, m.seen, sizes[i]));
            assert_int_equal(differs_at(m.host + offset, m.seen, sizes[i]), sizes[i]);
            assert_int_equal(m.seen[sizes[i]], 0x5A);
        }
    }
    mirror_free(&m);
}

// The control of the two above.
static void test_a_changed_byte_is_noticed(void **state) {
    (void)state;
    struct mirror m = mirror_make(3 * MIB);
    mirror_write(&m, 0, 3 * MIB);
    OK(weft_buf_read(gpu, m.buf, 0, m.seen, 3 * MIB));
    m.seen[2 * MIB + 77] ^= 1;
    assert_int_equal(differs_at(m.host, m.seen, 3 * MIB), 2 * MIB + 77);
    mirror_free(&m);
}

// ---- order ----------------------------------------------------------------------------------------------------------

// y[i] = x[i] * 3 + 1
static const char step_wgsl[] = "@group(0) @binding(0) var<storage, read> x: array<u32>;\n"
                                "@group(0) @binding(1) var<storage, read_write> y: array<u32>;\n"
                                "@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) g: vec3<u32>) {\n"
                                "  y[g.x] = x[g.x] * 3u + 1u;\n"
                                "}\n";

// Small and large writes in turn with runs: a run sees all writes before it and none behind it.
static void test_writes_and_runs_in_turn(void **state) {
    (void)state;
    enum { BYTES = 3 * MIB, WORDS = BYTES / 4 };
    struct mirror x = mirror_make(BYTES), y = mirror_make(BYTES);
    struct weft_pipeline_desc d = {.label = "step",
                                   .wgsl = step_wgsl,
                                   .n_bindings = 2,
                                   .kinds = {WEFT_BIND_READ, WEFT_BIND_READ_WRITE},
                                   .workgroup = {64, 1, 1}};
    struct weft_gpu_step step = {.grid = {WORDS / 64, 1, 1}, .label = "step"};
    struct weft_bind binds[] = {{x.buf, 0, BYTES}, {y.buf, 0, BYTES}};
    OK(weft_pipeline_get(gpu, &d, &step.pipeline));
    OK(weft_bindgroup_get(gpu, step.pipeline, binds, 2, &step.group));
    weft_gpu_set_threads(gpu, 3);
    for (int turn = 0; turn < 6; turn++) {
        mirror_write(&x, 0, BYTES);
        mirror_write(&x, 4096 * (size_t)turn, 64);
        mirror_write(&x, MIB, MIB + 8);
        OK(weft_gpu_submit(gpu, &(struct weft_gpu_submit){.steps = &step, .n_steps = 1}, NULL));
        for (size_t i = 0; i < WORDS; i++) ((uint32_t *)(void *)y.host)[i] = ((uint32_t *)(void *)x.host)[i] * 3 + 1;
        mirror_write(&x, 0, BYTES); // of the next turn, which the run must not see
        if (turn % 2) mirror_write(&y, 2 * MIB - 8, 64);
        mirror_check(&y, BYTES);
        mirror_check(&x, BYTES);
    }
    mirror_free(&x);
    mirror_free(&y);
}

// ---- threads --------------------------------------------------------------------------------------------------------

static void *come_and_go(void *arg) {
    struct mirror *m = arg;
    uint32_t own = (uint32_t)(uintptr_t)m->host | 1;
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < 3 * MIB; i += 4) {
            own = own * 1664525u + 1013904223u;
            memcpy(m->host + i, &own, 4);
        }
        if (weft_buf_write(gpu, m->buf, 0, m->host, 3 * MIB) != WEFT_OK) return m;
        if (weft_buf_read(gpu, m->buf, 0, m->seen, 3 * MIB) != WEFT_OK) return m;
        if (memcmp(m->host, m->seen, 3 * MIB) != 0) return m;
    }
    return NULL;
}

// One of them has the pieces and the helpers at a time; the others go by the queue.
static void test_threads(void **state) {
    (void)state;
    enum { N = 4 };
    struct mirror m[N];
    pthread_t threads[N];
    weft_gpu_set_threads(gpu, 3);
    for (int i = 0; i < N; i++) m[i] = mirror_make(3 * MIB);
    for (int i = 0; i < N; i++) assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &m[i]), 0);
    void *failed;
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    for (int i = 0; i < N; i++) mirror_free(&m[i]);
}

// ---- uploads --------------------------------------------------------------------------------------------------------

/// Item i fills 4 * (i % 7) bytes of one buffer and `stride` of another, of numbers that follow from it.
struct made {
    weft_buf a, b;
    size_t stride;
    atomic_int calls;
};

static uint64_t first_in_a(size_t item) {
    uint64_t at = 0;
    for (size_t i = 0; i < item; i++) at += 4 * (i % 7);
    return at;
}

static void place_made(void *user, size_t item, struct weft_buf_span spans[WEFT_UPLOAD_SPANS]) {
    const struct made *m = user;
    spans[1] = (struct weft_buf_span){m->a, first_in_a(item), 4 * (item % 7)};
    spans[2] = (struct weft_buf_span){m->b, item * m->stride, m->stride};
}

static weft_status make_made(void *user, size_t item, uint8_t *scratch, uint8_t *const to[WEFT_UPLOAD_SPANS]) {
    struct made *m = user;
    for (size_t i = 0; i < item % 7; i++) memcpy(to[1] + 4 * i, &(uint32_t){(uint32_t)(item * 8 + i)}, 4);
    for (size_t i = 0; i < m->stride; i += 4) memcpy(scratch + i, &(uint32_t){(uint32_t)(item * 977 + i)}, 4);
    memcpy(to[2], scratch, m->stride);
    atomic_fetch_add(&m->calls, 1);
    return WEFT_OK;
}

static void upload(size_t items, size_t stride, int threads) {
    struct made m = {.stride = stride};
    size_t a_bytes = first_in_a(items), b_bytes = items * stride;
    weft_gpu_set_threads(gpu, threads);
    OK(weft_buf_create(gpu, a_bytes, WEFT_BUF_STORAGE, "a", &m.a));
    OK(weft_buf_create(gpu, b_bytes, WEFT_BUF_STORAGE, "b", &m.b));
    struct weft_gpu_upload up = {
        .count = items, .most = stride + 24, .scratch = stride, .place = place_made, .make = make_made, .user = &m};
    OK(weft_gpu_upload(gpu, &up));
    assert_int_equal(m.calls, items);
    uint32_t *a = weft_alloc(a_bytes + 4), *b = weft_alloc(b_bytes + 4), *at = a;
    OK(weft_buf_read(gpu, m.a, 0, a, a_bytes));
    OK(weft_buf_read(gpu, m.b, 0, b, b_bytes));
    for (size_t item = 0; item < items; item++) {
        for (size_t i = 0; i < item % 7; i++) assert_int_equal(*at++, item * 8 + i);
        for (size_t i = 0; i < stride; i += 4) assert_int_equal(b[(item * stride + i) / 4], item * 977 + i);
    }
    weft_free(a);
    weft_free(b);
    weft_buf_release(gpu, &m.a);
    weft_buf_release(gpu, &m.b);
}

static void test_uploads(void **state) {
    (void)state;
    upload(1, 4, 1);
    upload(9, 256 * KIB, 1);
    upload(61, 100 * KIB + 4, 4);
    upload(3000, 92, 4);   // more spans than a piece takes
    upload(2, 4 * MIB, 2); // an item larger than a piece
    OK(weft_gpu_upload(gpu, &(struct weft_gpu_upload){0}));
}

// ---- memory and faults ----------------------------------------------------------------------------------------------

static struct weft_gpu_counters counters(void) {
    struct weft_gpu_counters c;
    weft_gpu_counters(gpu, &c);
    return c;
}

// Whatever is written and read, the pieces of an upload and those of a read are all there is, and they are made once.
static void test_memory_stays(void **state) {
    (void)state;
    struct mirror m = mirror_make(SPACE);
    weft_gpu_set_threads(gpu, 2);
    mirror_write(&m, 0, 5 * MIB);
    mirror_check(&m, SPACE);
    struct weft_gpu_counters before = counters();
    uint64_t calls = weft_alloc_stats().calls;
    assert_in_range(before.bytes_for[WEFT_BUF_FOR_STAGING], 1, 16 * MIB);
    assert_in_range(before.bytes_for[WEFT_BUF_FOR_READBACK], 1, 20 * MIB);
    for (int i = 0; i < 3; i++) mirror_write(&m, 0, SPACE);
    OK(weft_buf_read(gpu, m.buf, 0, m.seen, SPACE));
    struct weft_gpu_counters after = counters();
    assert_int_equal(after.buffers_made, before.buffers_made);
    assert_int_equal(after.allocs, before.allocs);
    assert_int_equal(weft_alloc_stats().calls, calls);
    assert_int_equal(after.bytes_written - before.bytes_written, 3 * (uint64_t)SPACE);
    mirror_check(&m, SPACE);
    mirror_free(&m);
}

// Memory that runs out at any call to the device: the write ends well or says so, and the next one arrives whole.
static void test_no_memory(void **state) {
    (void)state;
    struct mirror m = mirror_make(9 * MIB + 4);
    weft_gpu_set_threads(gpu, 2);
    for (uint64_t n = 1;; n++) {
        weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, WEFT_GPU_AT_ANY, n);
        scramble(m.host, 9 * MIB + 4);
        weft_status wrote = weft_buf_write(gpu, m.buf, 0, m.host, 9 * MIB + 4);
        weft_status read = wrote == WEFT_OK ? weft_buf_read(gpu, m.buf, 0, m.seen, 9 * MIB + 4) : WEFT_OK;
        bool met = weft_gpu_injected(gpu) >= n;
        weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, 0, 0);
        assert_true(wrote == WEFT_OK || wrote == WEFT_ERR_NOMEM);
        assert_true(read == WEFT_OK || read == WEFT_ERR_NOMEM);
        if (wrote == WEFT_OK && read == WEFT_OK) assert_memory_equal(m.host, m.seen, 9 * MIB + 4);
        mirror_write(&m, 0, 9 * MIB + 4);
        mirror_check(&m, 9 * MIB + 4);
        if (!met) break;
    }
    mirror_free(&m);
}

static bool survives(weft_status status) { return status == WEFT_OK || status == WEFT_ERR_LOST; }

// A loss at any call: the transfer says so, and those after a recovery arrive.
static void test_loss(void **state) {
    (void)state;
    for (int fault = WEFT_GPU_LOSS; fault <= WEFT_GPU_LOSS_IN; fault++)
        for (uint64_t n = 1;; n += 3) {
            struct mirror m = mirror_make(9 * MIB + 4);
            weft_gpu_set_threads(gpu, 2);
            weft_gpu_inject(gpu, (enum weft_gpu_fault)fault, WEFT_GPU_AT_ANY, n);
            scramble(m.host, 9 * MIB + 4);
            weft_status status = weft_buf_write(gpu, m.buf, 0, m.host, 9 * MIB + 4);
            if (status == WEFT_OK) status = weft_buf_read(gpu, m.buf, 0, m.seen, 9 * MIB + 4);
            bool met = weft_gpu_injected(gpu) >= n;
            weft_gpu_inject(gpu, WEFT_GPU_NO_MEMORY, 0, 0);
            if (!survives(status)) fail_msg("call %d: %s", (int)n, weft_error_message());
            if (met) OK(weft_gpu_reopen(gpu));
            mirror_free(&m);
            m = mirror_make(5 * MIB);
            mirror_write(&m, 0, 5 * MIB);
            mirror_check(&m, 5 * MIB);
            mirror_free(&m);
            if (!met) break;
        }
}

static void test_nothing_is_left(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    weft_gpu *saved = gpu;
    OK(weft_gpu_open(NULL, &gpu));
    struct mirror m = mirror_make(9 * MIB);
    weft_gpu_set_threads(gpu, 3);
    mirror_write(&m, 0, 9 * MIB);
    mirror_check(&m, 9 * MIB);
    mirror_write(&m, 0, 9 * MIB); // in flight when the device is closed
    mirror_free(&m);
    weft_gpu_close(&gpu);
    gpu = saved;
    assert_int_equal(weft_alloc_stats().live, live);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_and_offsets),
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_a_changed_byte_is_noticed),
        cmocka_unit_test(test_writes_and_runs_in_turn),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_uploads),
        cmocka_unit_test(test_memory_stays),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
