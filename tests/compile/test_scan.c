/// Plans of scans and of group norms: how many steps they take, that a long line uses the whole device, and that each
/// element is scanned once at every live size.
#include "plan_fixture.h"

struct target {
    const char *name;
    struct weft_gpu_caps caps;
};

static void targets(struct target out[3]) {
    out[0] = (struct target){"gpu", fixture_caps()};
    out[0].caps.kind = WEFT_GPU_DISCRETE;
    out[1] = (struct target){"cpu", fixture_caps()};
    out[1].caps.kind = WEFT_GPU_CPU;
    out[2] = (struct target){"min", fixture_caps()};
    weft_gpu_caps_min(&out[2].caps);
}

enum { GROUPS, LINES, N, INNER, CHUNKS }; // words of a scan

static int64_t value(const struct weft_step *s, const char *name) {
    for (uint32_t i = 0; i < s->n_tvals; i++)
        if (strcmp(s->tvals[i].name, name) == 0) return s->tvals[i].i;
    fail_msg("a scan without %s", name);
    return 0;
}

static void live(const struct weft_plan *p, const struct weft_step *s, const int64_t *symbols, uint32_t *words,
                 uint32_t grid[3]) {
    struct weft_update u = {p->graph->dims, symbols, &p->caps, s};
    weft_step_update(&u, words, grid);
    for (int i = 0; i < 3; i++) assert_true(grid[i] <= p->caps.max_groups);
}

/// Lines of n elements, `inner` apart, are all covered: by chunks, and by workgroups of as many lines as stand in one.
static void check_step(const struct weft_plan *p, const struct weft_step *s, const int64_t *symbols, uint64_t lines,
                       uint64_t n) {
    uint32_t w[WEFT_MAX_WORDS], grid[3];
    live(p, s, symbols, w, grid);
    uint64_t lanes_ = (uint64_t)value(s, "LANES"), chunk = lanes_ * (uint64_t)value(s, "PER");
    uint64_t side = s->workgroup[0] / lanes_, blocks = (lines + side - 1) / side;
    assert_int_equal(w[LINES], lines);
    assert_int_equal(w[N], n);
    if (lines == 0 || n == 0) {
        assert_int_equal(grid[0], 0);
        return;
    }
    assert_int_equal(w[CHUNKS], (n + chunk - 1) / chunk);
    assert_int_equal(w[GROUPS], value(s, "STREAM") ? blocks : blocks * w[CHUNKS]);
    assert_true((uint64_t)grid[0] * grid[1] * grid[2] >= w[GROUPS]);
    if (!value(s, "STREAM") && value(s, "MODE") == 0) assert_int_equal(w[CHUNKS], 1);
}

static void each_size_is_covered(void **state) {
    (void)state;
    static const struct {
        const char *type, *axis;
        int64_t outer, inner;
    } kinds[] = {
        {"f32 [N]", "0", 1, 1},         {"f32 [3, N]", "1", 3, 1},  {"i32 [N, 5]", "0", 1, 5},
        {"u32 [2, N, 70]", "1", 2, 70}, {"f16 [N, 2]", "-2", 1, 2}, {"f32 [600, N]", "-1", 600, 1},
    };
    static const int64_t bounds[] = {1, 9, 255, 2049, 20000, 100000};
    struct target all[3];
    targets(all);
    for (size_t d = 0; d < 3; d++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++) {
                char text[256];
                snprintf(text, sizeof text, "symbol N 0 %d\ninput x %s\n%%0 = cumsum %%x {axis=%s}\noutput %%0 y\n",
                         (int)bounds[b], kinds[k].type, kinds[k].axis);
                struct weft_plan *p = fixture_plan(text, &all[d].caps, NULL);
                const struct weft_schedule *sc = &p->schedules[0];
                uint32_t scans = sc->n_steps - (strncmp(kinds[k].type, "f16", 3) == 0);
                if (scans != 1 && scans != 3) fail_msg("%s: %u steps for\n%s", all[d].name, sc->n_steps, text);
                for (int64_t n = bounds[b]; n >= 0; n = n ? n / 3 : -1) {
                    uint64_t lines = (uint64_t)(kinds[k].outer * kinds[k].inner);
                    for (uint32_t i = 0; i < scans; i++) {
                        uint64_t chunk = (uint64_t)(value(&sc->steps[0], "LANES") * value(&sc->steps[0], "PER"));
                        uint64_t own = i == 1 ? ((uint64_t)n + chunk - 1) / chunk : (uint64_t)n;
                        check_step(p, &sc->steps[i], &n, lines, own);
                    }
                }
                weft_plan_destroy(p);
            }
}

/// A row of ten million: three steps, two of which have a workgroup for each chunk.
static void a_long_row_uses_the_device(void **state) {
    (void)state;
    struct target all[3];
    targets(all);
    for (size_t d = 0; d < 3; d++) {
        struct weft_plan *p = fixture_plan("input x f32 [10000000]\n%0 = cumsum %x\noutput %0 y\n", &all[d].caps, NULL);
        const struct weft_schedule *sc = &p->schedules[0];
        uint32_t w[WEFT_MAX_WORDS], grid[3];
        assert_int_equal(sc->n_steps, 3);
        for (uint32_t i = 0; i < 3; i += 2) {
            live(p, &sc->steps[i], NULL, w, grid);
            assert_true(w[GROUPS] >= 4096);
        }
        weft_plan_destroy(p);
    }
}

/// One step for lines of one chunk, of few, and for so many lines that they fill a device.
static void short_and_many_lines_take_one_step(void **state) {
    (void)state;
    static const char *const types[] = {"f32 [7, 5]",           "f32 [1, 2048]", "f32 [2, 15000]", "f32 [300, 50000]",
                                        "f32 [40, 60000, 128]", "i32 [1]",       "u32 [8, 0]"};
    struct target all[3];
    targets(all);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char text[160];
        snprintf(text, sizeof text, "input x %s\n%%0 = cumsum %%x {axis=%d}\noutput %%0 y\n", types[i],
                 strstr(types[i], "128") ? 1 : -1);
        struct weft_plan *p = fixture_plan(text, &all[0].caps, NULL);
        if (p->schedules[0].n_steps != 1) fail_msg("%u steps for %s", p->schedules[0].n_steps, types[i]);
        weft_plan_destroy(p);
    }
}

/// A long row above the binding limit is cut where chunks end; no piece needs the whole.
static void long_rows_are_cut(void **state) {
    (void)state;
    struct weft_gpu_caps caps = fixture_caps();
    caps.max_binding = 1 << 20;
    struct weft_plan *p =
        fixture_plan("symbol N 0 4000000\ninput x f32 [N]\n%0 = cumsum %x {reverse=1}\noutput %0 y\n", &caps, NULL);
    for (uint32_t i = 0; i < p->schedules[0].n_steps; i++)
        for (uint32_t k = 1; k < p->schedules[0].steps[i].bound.n_slots; k++)
            assert_true(p->schedules[0].steps[i].bound.slots[k].size <= caps.max_binding);
    weft_plan_destroy(p);
}

static void group_norm_takes_two_steps(void **state) {
    (void)state;
    static const char *const graphs[] = {
        "input x f32 [2, 32, 64, 64]\nweight w f32 [32]\nweight b f32 [32]\n%0 = group_norm %x %w %b {groups=8}\n"
        "%1 = silu %0\noutput %1 y\n",
        "symbol B 0 3\nsymbol H 0 40\ninput x f16 [B, 12, H, H]\nweight w f16 [12]\nweight b f16 [12]\n"
        "%0 = group_norm %x %w %b {groups=3}\n%c = cast %0 {to=f32}\n%1 = silu %c\noutput %1 y\n",
        "symbol B 0 9\ninput x f32 [B, 10]\ninput w f32 [10]\n%0 = group_norm %x %w {groups=5}\n%1 = silu %0\n"
        "%2 = mul %1 %x\noutput %2 y\n",
        "symbol S 0 900\ninput x f32 [1, 6, S]\n%0 = group_norm %x {groups=2}\n%1 = silu %0\noutput %1 y\n",
    };
    struct target all[3];
    targets(all);
    for (size_t d = 0; d < 3; d++)
        for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++) {
            struct weft_plan *p = fixture_plan(graphs[i], &all[d].caps, NULL);
            if (p->schedules[0].n_steps > 2)
                fail_msg("%s: %u steps for\n%s", all[d].name, p->schedules[0].n_steps, graphs[i]);
            weft_plan_destroy(p);
        }
    // The control: without fusion it takes more.
    struct weft_compile_params apart = {.no_fuse = 1};
    struct weft_plan *p = fixture_plan(graphs[0], NULL, &apart);
    assert_true(p->schedules[0].n_steps > 2);
    weft_plan_destroy(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_size_is_covered),
        cmocka_unit_test(a_long_row_uses_the_device),
        cmocka_unit_test(short_and_many_lines_take_one_step),
        cmocka_unit_test(long_rows_are_cut),
        cmocka_unit_test(group_norm_takes_two_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
