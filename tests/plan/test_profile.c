/// The profile of a device and the table of tile shapes: every use has a shape for every size, which a device can run.
#include "gpu/gpu_backend.h"
#include "plan/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct weft_gpu_caps caps_of(enum weft_gpu_kind kind) {
    struct weft_gpu_caps caps;
    weft_gpu_null_caps(&caps);
    caps.kind = kind;
    return caps;
}

static const enum weft_gpu_kind kinds[] = {WEFT_GPU_NULL, WEFT_GPU_CPU, WEFT_GPU_INTEGRATED, WEFT_GPU_DISCRETE,
                                           WEFT_GPU_OTHER};

static void only_a_cpu_driver_is_software(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct weft_gpu_caps caps = caps_of(kinds[i]);
        struct weft_profile p = weft_profile_make(&caps);
        assert_int_equal(p.software, kinds[i] == WEFT_GPU_CPU);
        assert_int_equal(p.unrolls, kinds[i] != WEFT_GPU_CPU);
        assert_int_equal(p.workgroup_memory, caps.workgroup_memory);
        assert_true(p.bytes_per_us > 0 && p.macs_per_us > 0 && p.step_us > 0 && p.slots > 0);
    }
}

/// Sizes at and beside every power of two up to 2^40, none, and the largest.
static void every_use_has_a_shape_for_every_size(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct weft_gpu_caps caps = caps_of(kinds[i]);
        struct weft_profile p = weft_profile_make(&caps);
        for (int use = 0; use < WEFT_TILE_USES; use++)
            for (int bit = 0; bit <= 42; bit++)
                for (int d = -1; d <= 1; d++) {
                    uint64_t size = bit == 42 ? UINT64_MAX : bit == 41 ? 0 : ((uint64_t)1 << bit) + (uint64_t)d;
                    const struct weft_tile *t = weft_tile_of(&p, (enum weft_tile_use)use, size);
                    assert_true(t->threads > 0 && t->threads <= 256);
                    assert_int_equal(t->threads & (t->threads - 1), 0);
                    assert_true(t->lanes <= t->threads);
                }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_cpu_driver_is_software),
        cmocka_unit_test(every_use_has_a_shape_for_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
