/// Schedules of reductions: which one a shape gets, and what holds for all of them.
#include "gpu/gpu_backend.h"
#include "kernels/map/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct weft_profile profile_of(enum weft_gpu_kind kind) {
    struct weft_gpu_caps caps;
    weft_gpu_null_caps(&caps);
    caps.kind = kind;
    return weft_profile_make(&caps);
}

static struct weft_map_schedule schedule_of(const struct weft_profile *p, uint64_t rows, uint64_t n, uint64_t inner) {
    struct weft_map_shape shape = {rows, n, inner, inner > 1};
    return weft_map_schedule(p, &shape, weft_map_threads(p, &shape));
}

static void rows_of_a_model_have_a_workgroup_each(void **state) {
    (void)state;
    static const enum weft_gpu_kind kinds[] = {WEFT_GPU_CPU, WEFT_GPU_INTEGRATED, WEFT_GPU_DISCRETE};
    static const uint64_t rows[] = {1, 4, 512, 100000}, widths[] = {64, 256, 640, 3840, 16384};
    for (size_t k = 0; k < 3; k++)
        for (size_t r = 0; r < 4; r++)
            for (size_t w = 0; w < 5; w++) {
                struct weft_profile p = profile_of(kinds[k]);
                struct weft_map_schedule s = schedule_of(&p, rows[r], widths[w], 1);
                assert_true(!s.beside && s.chunk == 0 && s.rows == 1 && s.lanes == s.threads);
            }
}

static void short_rows_have_a_thread_each(void **state) {
    (void)state;
    struct weft_profile gpu = profile_of(WEFT_GPU_DISCRETE), cpu = profile_of(WEFT_GPU_CPU);
    struct weft_map_schedule s = schedule_of(&gpu, 1 << 20, 3, 1);
    assert_true(s.beside && s.lanes == 1 && s.rows == s.threads && s.chunk == 0);
    assert_true(schedule_of(&cpu, 1 << 20, 16, 1).beside);
    assert_false(schedule_of(&gpu, 64, 3, 1).beside);       // too few for the device
    assert_false(schedule_of(&gpu, 1 << 20, 17, 1).beside); // long enough to share
}

static void columns_are_read_by_lines(void **state) {
    (void)state;
    struct weft_profile p = profile_of(WEFT_GPU_DISCRETE);
    struct weft_map_schedule s = schedule_of(&p, 4096, 64, 4096);
    assert_true(s.beside && s.rows == 32 && s.lanes == 8 && s.chunk == 0);
    s = schedule_of(&p, 3, 64, 3); // a line of three elements is short: threads share the rows
    assert_true(s.beside && s.rows == 4 && s.lanes == 64);
    s = schedule_of(&p, 1 << 20, 1000, 4096); // rows enough for all threads
    assert_true(s.beside && s.lanes == 1 && s.chunk == 0);
    s = schedule_of(&p, 4096, 4, 4096); // no more threads than columns
    assert_true(s.beside && s.lanes == 4);
}

static void long_rows_are_cut(void **state) {
    (void)state;
    struct weft_profile gpu = profile_of(WEFT_GPU_DISCRETE), cpu = profile_of(WEFT_GPU_CPU);
    struct weft_map_schedule s = schedule_of(&gpu, 1, 10000000, 1);
    assert_true(!s.beside && s.chunk > 0 && 10000000 / s.chunk * s.threads >= gpu.slots); // all of the device
    assert_true(schedule_of(&gpu, 32, 100000, 1).chunk > 0);
    assert_true(schedule_of(&gpu, 1000, 100000, 1).chunk == 0); // rows enough
    assert_true(schedule_of(&gpu, 1000, 1000000, 1).chunk > 0); // but too much for a thread to add up
    assert_true(schedule_of(&cpu, 1, 10000000, 1).chunk > 0);
    assert_true(schedule_of(&cpu, 1, 30000, 1).chunk == 0);
    assert_true(schedule_of(&gpu, 64, 1000000, 64).chunk > 0); // columns
    assert_true(schedule_of(&cpu, 64, 1000000, 64).chunk > 0);
}

/// Shapes at and beside every power of two, on each kind of device.
static void every_schedule_holds_its_promises(void **state) {
    (void)state;
    static const enum weft_gpu_kind kinds[] = {WEFT_GPU_CPU, WEFT_GPU_INTEGRATED, WEFT_GPU_DISCRETE};
    for (size_t k = 0; k < 3; k++) {
        struct weft_profile p = profile_of(kinds[k]);
        for (int a = 0; a < 32; a++)
            for (int b = 0; b < 32; b++)
                for (int c = 0; c < 96; c++) {
                    uint64_t inner = (uint64_t)1 << (c / 3), rows = ((uint64_t)1 << a) + (uint64_t)(c % 3) - 1;
                    uint64_t n = ((uint64_t)1 << b) + (uint64_t)(c % 3) - 1;
                    if (inner > rows || rows == 0) continue;
                    struct weft_map_schedule s = schedule_of(&p, rows, n, inner);
                    assert_true(s.threads > 0 && s.threads <= 256 && (s.threads & (s.threads - 1)) == 0);
                    assert_true(s.rows > 0 && s.lanes > 0 && (s.beside || (s.rows == 1 && s.lanes == s.threads)));
                    if (n) assert_int_equal(s.rows * s.lanes, s.threads);
                    uint64_t turns = (s.chunk ? s.chunk : n) / s.lanes,
                             chunks = s.chunk ? (n + s.chunk - 1) / s.chunk : 1;
                    assert_true(turns <= 1024 || chunks >= 4000); // what one thread adds up by itself
                    assert_true(chunks <= 4096 && (!s.chunk || (chunks > 1 && s.chunk % s.lanes == 0)));
                }
    }
}

static bool same(const struct weft_map_schedule *a, const struct weft_map_schedule *b) {
    return a->threads == b->threads && a->beside == b->beside && a->lanes == b->lanes && a->rows == b->rows &&
           a->chunk == b->chunk;
}

/// How many rows there are, or stand side by side, decides nothing where numbers are invariant; without that, it does.
static void invariant_schedules_follow_from_the_length(void **state) {
    (void)state;
    static const enum weft_gpu_kind kinds[] = {WEFT_GPU_CPU, WEFT_GPU_DISCRETE};
    static const uint64_t rows[] = {1, 2, 9, 512, 100000, 1 << 24};
    uint32_t differ = 0;
    for (size_t k = 0; k < 4; k++) {
        struct weft_profile p = profile_of(kinds[k / 2]);
        p.invariant = k % 2 == 0;
        for (uint64_t n = 1; n < 40000000; n += n / 3 + 1)
            for (int across = 0; across < 2; across++)
                for (size_t r = 1; r < sizeof rows / sizeof *rows; r++) {
                    struct weft_map_shape one = {rows[0], n, 1, across},
                                          many = {rows[r], n, across ? rows[r] : 1, across};
                    struct weft_map_schedule a = weft_map_schedule(&p, &one, weft_map_threads(&p, &one));
                    struct weft_map_schedule b = weft_map_schedule(&p, &many, weft_map_threads(&p, &many));
                    if (p.invariant) assert_true(same(&a, &b));
                    else differ += !same(&a, &b);
                    uint64_t chunks = b.chunk ? (n + b.chunk - 1) / b.chunk : 1;
                    if (p.invariant) assert_true(chunks <= 4096 && b.chunk % b.lanes == 0);
                }
    }
    assert_true(differ > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_a_model_have_a_workgroup_each),
        cmocka_unit_test(short_rows_have_a_thread_each),
        cmocka_unit_test(columns_are_read_by_lines),
        cmocka_unit_test(long_rows_are_cut),
        cmocka_unit_test(every_schedule_holds_its_promises),
        cmocka_unit_test(invariant_schedules_follow_from_the_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
