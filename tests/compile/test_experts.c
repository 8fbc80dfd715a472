/// Plans of selections and of products by experts: how many steps they take, and what is shared, on every kind of
/// device and at sizes around all edges. Overlaps, bindings and limits are checked by the compiler itself.
#include "plan_fixture.h"

static void targets(struct weft_gpu_caps out[3]) {
    for (int i = 0; i < 3; i++) out[i] = fixture_caps();
    out[0].kind = WEFT_GPU_DISCRETE;
    out[1].kind = WEFT_GPU_CPU;
    weft_gpu_caps_min(&out[2]);
}

static uint32_t count(const struct weft_schedule *sc, const char *kernel) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < sc->n_steps; i++) n += strcmp(sc->steps[i].kernel->name, kernel) == 0;
    return n;
}

/// At every live size each element has a thread, and what a merge leaves is what the next one takes.
static void check_selection(const struct weft_plan *p, int64_t n, int64_t k) {
    const struct weft_schedule *sc = &p->schedules[0];
    const int64_t symbols[WEFT_MAX_SYMBOLS] = {n};
    uint32_t runs = 0, cap = 0;
    for (uint32_t i = 0; i < sc->n_steps; i++) {
        uint32_t w[WEFT_MAX_WORDS], grid[3];
        struct weft_update u = {p->graph->dims, symbols, &p->caps, &sc->steps[i]};
        weft_step_update(&u, w, grid);
        uint64_t groups = (uint64_t)grid[0] * grid[1] * grid[2];
        if (i == 0) { // groups, rows, n, chunks, cap
            assert_true(groups >= w[0] && w[0] == w[3] * w[1]);
            runs = w[3], cap = w[4];
        } else { // total, n, runs, cap, span, out_runs, out_cap
            assert_int_equal(w[2], runs);
            assert_int_equal(w[3], cap);
            assert_true(groups * sc->steps[i].workgroup[0] >= w[0] && w[0] == w[2] * w[3] * 3);
            assert_true((uint64_t)w[4] * w[2] >= (uint64_t)n);
            runs = w[5], cap = w[6];
        }
    }
    assert_int_equal(runs, 1);
    assert_int_equal(cap, k);
}

static void selections_take_few_steps(void **state) {
    (void)state;
    struct weft_gpu_caps caps[3];
    targets(caps);
    static const struct {
        int64_t n;
        uint32_t k, gpu, cpu;
    } sizes[] = {{8, 2, 1, 1},       {256, 8, 1, 1},    {257, 8, 1, 2},     {1024, 5, 1, 2},   {1025, 5, 2, 2},
                 {4097, 4097, 2, 3}, {16385, 40, 3, 3}, {262144, 64, 3, 4}, {300000, 1, 4, 4}, {20000, 20000, 3, 3}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int d = 0; d < 3; d++) {
            char text[160];
            snprintf(text, sizeof text,
                     "symbol N %u %d\ninput x f32 [3, N]\n%%0 %%1 = topk %%x {k=%u}\noutput %%0 y\n"
                     "output %%1 i\n",
                     sizes[i].k, (int)sizes[i].n, sizes[i].k);
            struct weft_plan *p = fixture_plan(text, &caps[d], NULL);
            assert_int_equal(p->schedules[0].n_steps, d == 1 ? sizes[i].cpu : sizes[i].gpu);
            for (int64_t n = sizes[i].n; n >= sizes[i].k; n = n / 2 >= sizes[i].k ? n / 2 : 0) {
                check_selection(p, n, sizes[i].k);
                if (n == 0) break;
            }
            weft_plan_destroy(p);
        }
}

#define LAYER                                                                                                          \
    "symbol T 1 %d\ninput x f32 [T, %d]\ninput i i32 [T, %d]\ninput j i32 [T, %d]\nweight g q8_0 [%d, %d, %d]\n"       \
    "weight u q8_0 [%d, %d, %d]\nweight d f16 [%d, %d, %d]\n%%0 = matmul_experts %%x %%g %%i\n"                        \
    "%%1 = matmul_experts %%x %%u %%%s\n%%2 = silu %%0\n%%3 = mul %%2 %%1\n%%4 = matmul_experts %%3 %%d %%i\n"         \
    "output %%4 y\n"

/// Gate and up of few tokens are one step, by the same ids or by others; of many three steps and one that sorts, of
/// other ids another.
static void products_share_what_they_can(void **state) {
    (void)state;
    struct weft_gpu_caps caps[3];
    targets(caps);
    static const int shapes[][4] = {
        {64, 2, 8, 96}, {32, 1, 1, 33}, {256, 8, 128, 64}, {4096, 2, 3, 7}, {32, 8, 512, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int d = 0; d < 3; d++)
            for (int other = 0; other < 2; other++)
                for (int most = 1; most <= 600; most = most * 4 + 4) {
                    int k = shapes[i][0], used = shapes[i][1], e = shapes[i][2], n = shapes[i][3];
                    char text[700];
                    snprintf(text, sizeof text, LAYER, most, k, used, used, e, n, k, e, n, k, e, k, n,
                             other ? "j" : "i");
                    struct weft_plan *p = fixture_plan(text, &caps[d], NULL);
                    const struct weft_schedule *sc = &p->schedules[0];
                    bool few = most <= 8 || most * used <= e;
                    if (few) assert_int_equal(count(sc, "matvec"), 2);
                    else assert_int_equal(count(sc, "matmul_experts"), 3);
                    assert_int_equal(count(sc, "route"), few ? 0 : 1 + other);
                    assert_int_equal(sc->n_steps, few ? 2 : 4 + other);
                    weft_plan_destroy(p);
                }
}

/// Products of other numbers of rows are steps of their own.
static void products_of_other_rows_stand_alone(void **state) {
    (void)state;
    static const char *const texts[] = {
        "symbol T 1 4\ninput x f32 [T, 64]\ninput i i32 [T, 2]\ninput j i32 [T, 3]\nweight w q8_0 [5, 9, 64]\n"
        "%0 = matmul_experts %x %w %i\n%1 = matmul_experts %x %w %j\noutput %0 y\noutput %1 z\n",
        "symbol T 1 1\ninput x f32 [T, 64]\ninput i i32 [T, 2]\nweight w q8_0 [5, 9, 64]\nweight v q8_0 [9, 64]\n"
        "%0 = matmul_experts %x %w %i\n%1 = matmul %x %v\noutput %0 y\noutput %1 z\n"};
    for (int i = 0; i < 2; i++) {
        struct weft_plan *p = fixture_plan(texts[i], NULL, NULL);
        assert_int_equal(count(&p->schedules[0], "matvec"), 2);
        weft_plan_destroy(p);
    }
}

/// A weight in parts is a step for each, at any number of tokens, and each writes some of the result.
static void parts_are_steps(void **state) {
    (void)state;
    struct weft_gpu_caps caps = fixture_caps();
    caps.max_binding = 1 << 20;
    static const char *const text = "symbol T 1 100\ninput x f32 [T, 1024]\ninput i i32 [T, 2]\n"
                                    "weight w q8_0 [8, 300, 1024]\n%0 = matmul_experts %x %w %i\noutput %0 y\n";
    struct weft_compile_params params = {.split_symbol = "T", .split_at = {8}, .n_splits = 1};
    struct weft_plan *p = fixture_plan(text, &caps, &params);
    assert_int_equal(p->n_schedules, 2);
    assert_true(count(&p->schedules[0], "matvec") >= 3 && count(&p->schedules[0], "route") == 0);
    assert_int_equal(count(&p->schedules[1], "matmul_experts"), count(&p->schedules[0], "matvec"));
    assert_int_equal(count(&p->schedules[1], "route"), 1);
    weft_plan_destroy(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selections_take_few_steps),
        cmocka_unit_test(products_share_what_they_can),
        cmocka_unit_test(products_of_other_rows_stand_alone),
        cmocka_unit_test(parts_are_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
