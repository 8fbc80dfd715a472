/// Runs of a submit: what callers choose, what a device is given at first, and how they rise. The clock is the test's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants those above first
#include <cmocka.h>

#include "engine/pace.h"
#include "weft/status.h"

static void begins(void **state) {
    (void)state;
    static const struct {
        uint32_t wanted, ring;
        enum weft_gpu_kind kind;
        uint32_t session, runs, most, ahead; ///< most of the session, and what the pace begins with
    } cases[] = {
        {0, 256, WEFT_GPU_DISCRETE, 64, 8, 64, 2}, {0, 256, WEFT_GPU_CPU, 1, 1, 1, 1},
        {0, 256, WEFT_GPU_NULL, 64, 8, 64, 2},     {5, 256, WEFT_GPU_CPU, 5, 5, 5, 1},
        {64, 256, WEFT_GPU_OTHER, 64, 64, 64, 2},  {64, 96, WEFT_GPU_OTHER, 64, 32, 32, 2},
        {0, 20, WEFT_GPU_INTEGRATED, 64, 6, 6, 2}, {1, 3, WEFT_GPU_DISCRETE, 1, 1, 1, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t most = 0;
        assert_int_equal(weft_pace_most(cases[i].wanted, cases[i].kind, &most), WEFT_OK);
        assert_int_equal(most, cases[i].session);
        struct weft_pace p = weft_pace_begin(cases[i].wanted, most, cases[i].kind, cases[i].ring, 0);
        assert_int_equal(p.runs, cases[i].runs);
        assert_int_equal(p.most, cases[i].most);
        assert_int_equal(p.ahead, cases[i].ahead);
    }
    uint32_t most = 7;
    assert_int_equal(weft_pace_most(65, WEFT_GPU_CPU, &most), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "65 decode runs"));
}

static void rises(void **state) {
    (void)state;
    static const struct {
        uint32_t wanted, runs;
        bool dry;
        double took;
        uint32_t then;
    } cases[] = {
        {0, 8, false, 0.001, 16},   {0, 8, false, 0.014, 16}, // quick
        {0, 8, false, 0.016, 8},    {0, 8, false, 3, 8},      // slow enough
        {0, 8, true, 0.001, 8},                               // the device waited for the host
        {0, 7, false, 0.001, 8},                              // a last submit, of fewer runs
        {0, 0, false, 0.001, 8},                              // prompts
        {12, 12, false, 0.001, 12},                           // chosen
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weft_pace p = weft_pace_begin(cases[i].wanted, 64, WEFT_GPU_DISCRETE, cases[i].wanted ? 36 : 256, 100);
        weft_pace_arrived(&p, cases[i].runs, cases[i].dry, 100 + cases[i].took);
        assert_int_equal(p.runs, cases[i].then);
    }
    // From arrival to arrival, up to the most of all.
    struct weft_pace p = weft_pace_begin(0, 64, WEFT_GPU_DISCRETE, 256, 0);
    double now = 0;
    for (int i = 0; i < 6; i++) weft_pace_arrived(&p, p.runs, false, now += 0.01);
    assert_int_equal(p.runs, 64);
    p = weft_pace_begin(0, 64, WEFT_GPU_DISCRETE, 141, 0); // 47 runs fit the ring
    for (int i = 0; i < 6; i++) weft_pace_arrived(&p, p.runs, false, now += 0.01);
    assert_int_equal(p.runs, 32);
}

static void begins_again_behind_prompts(void **state) {
    (void)state;
    struct weft_pace p = weft_pace_begin(0, 64, WEFT_GPU_DISCRETE, 256, 0);
    for (int i = 1; i < 4; i++) weft_pace_arrived(&p, p.runs, false, i * 0.01);
    assert_int_equal(p.runs, 64);
    weft_pace_prompts(&p);
    assert_int_equal(p.runs, 8);
    weft_pace_arrived(&p, 0, false, 0.04); // the prompts
    weft_pace_arrived(&p, 8, false, 0.05);
    assert_int_equal(p.runs, 16);
    p = weft_pace_begin(0, 64, WEFT_GPU_DISCRETE, 20, 0);
    weft_pace_prompts(&p);
    assert_int_equal(p.runs, 6);
    p = weft_pace_begin(40, 40, WEFT_GPU_DISCRETE, 256, 0);
    weft_pace_prompts(&p);
    assert_int_equal(p.runs, 40); // chosen
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(begins), cmocka_unit_test(rises),
                                       cmocka_unit_test(begins_again_behind_prompts)};
    return cmocka_run_group_tests_name("engine/pace", tests, NULL, NULL);
}
