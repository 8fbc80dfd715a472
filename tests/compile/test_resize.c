/// Resizing: what a session writes to its parameter arena and dispatches, compared byte for byte with a session that
/// knows only that size, and with a plan compiled for that size alone. On the null device.
#include "exec/session_test.h"
#include "plan_fixture.h"

#define SLOT_WORDS 64

struct world {
    weft_gpu *gpu;
    weft_program *program;
    weft_session *session;
    uint32_t *arena; ///< what the parameter arena holds, kept from what the session staged
    uint64_t arena_bytes;
};

static weft_status no_weights(void *user, const char *name, const void **data, uint64_t *bytes) {
    (void)user;
    static uint8_t zeros[1 << 16];
    *data = zeros;
    *bytes = strcmp(name, "w") == 0 ? 96 * 64 / 32 * 34 : strcmp(name, "d") == 0 ? 64 * 96 * 2 : 64 * 4;
    return WEFT_OK;
}

static weft_gpu *open_null(void) {
    weft_gpu *gpu = NULL;
    struct weft_gpu_params params = {.implementation = "null"};
    if (weft_gpu_open(&params, &gpu) != WEFT_OK) fail_msg("%s", weft_error_message());
    return gpu;
}

static struct world begin(weft_gpu *gpu, const char *graph, const char *split) {
    struct world w = {.gpu = gpu};
    struct weft_program_params params = {
        .compile = {.split_symbol = split, .split_at = {1, 8}, .n_splits = split ? 2 : 0},
        .source = {.get = no_weights, .user = NULL}};
    if (weft_program_create(gpu, fixture_graph(graph), &params, &w.program) != WEFT_OK)
        fail_msg("%s", weft_error_message());
    if (weft_session_create(w.program, NULL, &w.session) != WEFT_OK) fail_msg("%s", weft_error_message());
    w.arena_bytes = weft_buf_size(gpu, weft_session_view(w.session).arena);
    w.arena = weft_calloc(1, w.arena_bytes);
    struct weft_session_view v = weft_session_view(w.session); // the first sizes were set at creation
    if (v.staged_bytes) memcpy((char *)w.arena + v.staged_offset, v.staged, v.staged_bytes);
    return w;
}

static void end(struct world *w) {
    weft_free(w->arena);
    weft_session_destroy(&w->session);
    weft_program_destroy(&w->program);
}

static uint64_t written(weft_gpu *gpu) {
    struct weft_gpu_counters c;
    weft_gpu_counters(gpu, &c);
    return c.bytes_written;
}

/// Resizes, and follows what the session wrote.
static weft_status resize(struct world *w, int64_t t) {
    uint64_t before = written(w->gpu);
    weft_status status = weft_session_resize(w->session, &t);
    struct weft_session_view v = weft_session_view(w->session);
    uint64_t bytes = written(w->gpu) - before;
    assert_true(bytes == 0 || bytes == v.staged_bytes);
    if (bytes) memcpy((char *)w->arena + v.staged_offset, v.staged, v.staged_bytes);
    return status;
}

/// Differences between what two sessions replay: steps, grids, labels and the bytes that each dispatch sees.
static int differences(const struct world *a, const struct world *b) {
    struct weft_session_view x = weft_session_view(a->session), y = weft_session_view(b->session);
    if (x.n_steps != y.n_steps || x.schedule != y.schedule) return 1;
    int n = 0;
    for (uint32_t i = 0; i < x.n_steps; i++) {
        n += memcmp(x.steps[i].grid, y.steps[i].grid, sizeof x.steps[i].grid) != 0;
        n += strcmp(x.steps[i].label, y.steps[i].label) != 0;
        n += x.steps[i].pipeline.id != y.steps[i].pipeline.id;
        n += memcmp((char *)a->arena + x.steps[i].uniform_offset, (char *)b->arena + y.steps[i].uniform_offset, 256) !=
             0;
    }
    return n;
}

static const char dynamic[] = "symbol T 0 64\ninput x f32 [T, 64]\ninput y f32 [4, T]\nweight n f32 [64]\nweight w "
                              "q8_0 [96, 64]\nweight d f16 [64, 96]\n"
                              "%0 = rms_norm %x %n\n%1 = matmul %0 %w\n%2 = silu %1\n%3 = matmul %2 %d\n%4 = add %3 "
                              "%x\n%5 = softmax %y\n%6 = sum %y\n"
                              "output %4 z\noutput %5 p\noutput %6 s\n";
static const int64_t sizes[] = {64, 1, 16, 1, 64, 0, 63};

static void follows_fresh_sessions(void **state) {
    (void)state;
    weft_gpu *gpu = open_null();
    for (int split = 0; split < 2; split++) {
        struct world w = begin(gpu, dynamic, split ? "T" : NULL);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            assert_int_equal(resize(&w, sizes[i]), WEFT_OK);
            struct world fresh = begin(gpu, dynamic, split ? "T" : NULL);
            assert_int_equal(resize(&fresh, sizes[i]), WEFT_OK);
            if (differences(&w, &fresh))
                fail_msg("size %d, split %d: %d differences", (int)sizes[i], split, differences(&w, &fresh));
            end(&fresh);
        }
        end(&w);
    }
    weft_gpu_close(&gpu);
}

/// More sizes than versions are kept, back and forth: an evicted version must not be believed.
static void many_sizes(void **state) {
    (void)state;
    weft_gpu *gpu = open_null();
    struct world w = begin(gpu, dynamic, "T");
    uint32_t seed = 21;
    for (int i = 0; i < 300; i++) {
        int64_t t = i < 65 ? i : (int64_t)(fixture_random(&seed) % 65);
        assert_int_equal(resize(&w, t), WEFT_OK);
        if (i % 7) continue;
        struct world fresh = begin(gpu, dynamic, "T");
        assert_int_equal(resize(&fresh, t), WEFT_OK);
        assert_int_equal(differences(&w, &fresh), 0);
        end(&fresh);
    }
    end(&w);
    weft_gpu_close(&gpu);
}

/// Words of a step by name, from a plan whose symbol can only have one value. Placement may differ, so the binder's
/// words are not compared; generated fields (e0, e1, ...) stand for literals there.
static int differs_from_bound_plan(const struct world *w, int64_t t) {
    char text[1024];
    snprintf(text, sizeof text, "symbol T %d %d%s", (int)t, (int)t, strstr(dynamic, "\ninput"));
    struct weft_plan *p = fixture_plan(text, weft_gpu_caps(w->gpu), NULL);
    const struct weft_plan *mine = weft_program_plan(w->program);
    const struct weft_schedule *a = &mine->schedules[weft_session_view(w->session).schedule], *b = &p->schedules[0];
    struct weft_session_view v = weft_session_view(w->session);
    int n = a->n_steps != b->n_steps;
    uint32_t at = 0;
    for (uint32_t i = 0; i < a->n_steps && n == 0; i++) {
        struct weft_update u = {.dims = p->graph->dims, .symbols = &t, .caps = &p->caps, .step = &b->steps[i]};
        uint32_t words[SLOT_WORDS], grid[3];
        weft_step_update(&u, words, grid);
        n += a->steps[i].kernel != b->steps[i].kernel || strcmp(a->steps[i].label, b->steps[i].label) != 0;
        bool skipped = grid[0] == 0 || grid[1] == 0 || grid[2] == 0,
             mine_skipped = at == v.n_steps || strcmp(v.steps[at].label, a->steps[i].label) != 0;
        n += skipped != mine_skipped;
        if (skipped || mine_skipped) continue;
        n += memcmp(grid, v.steps[at].grid, sizeof grid) != 0;
        const uint32_t *block = w->arena + v.steps[at].uniform_offset / 4;
        for (uint32_t f = 0; f < a->steps[i].n_fields; f++)
            for (uint32_t g = 0; g < b->steps[i].n_fields; g++)
                if (a->steps[i].fields[f].name[0] != 'e' &&
                    strcmp(a->steps[i].fields[f].name, b->steps[i].fields[g].name) == 0)
                    n += block[f] != words[g];
        at++;
    }
    weft_plan_destroy(p);
    return n;
}

static void equals_a_plan_for_that_size(void **state) {
    (void)state;
    weft_gpu *gpu = open_null();
    struct world w = begin(gpu, dynamic, NULL);
    static const int64_t same_kernels[] = {64, 16, 63, 9, 64, 33}; // enough rows for the matmul that 64 rows take
    for (size_t i = 0; i < sizeof same_kernels / sizeof *same_kernels; i++) {
        assert_int_equal(resize(&w, same_kernels[i]), WEFT_OK);
        if (differs_from_bound_plan(&w, same_kernels[i])) fail_msg("size %d differs", (int)same_kernels[i]);
    }
    assert_int_equal(resize(&w, 16), WEFT_OK);
    assert_true(differs_from_bound_plan(&w, 17)); // negative control
    end(&w);
    weft_gpu_close(&gpu);
}

/// Only steps without output elements are skipped: the sum over nothing still writes its zeros.
static void empty_runs(void **state) {
    (void)state;
    weft_gpu *gpu = open_null();
    struct world w = begin(
        gpu,
        "symbol T 0 64\ninput x f32 [T, 64]\ninput y f32 [4, T]\n%0 = tanh %x\n%1 = sum %y\noutput %0 z\noutput %1 s\n",
        NULL);
    assert_int_equal(resize(&w, 0), WEFT_OK);
    struct weft_session_view v = weft_session_view(w.session);
    assert_int_equal(v.n_steps, 1);
    uint64_t groups = 0;
    for (uint32_t i = 0; i < v.n_steps; i++)
        groups += (uint64_t)v.steps[i].grid[0] * v.steps[i].grid[1] * v.steps[i].grid[2];
    assert_int_equal(groups, 4); // the rows of the sum
    assert_int_equal(weft_session_run(w.session, 1, NULL), WEFT_OK);
    end(&w);
    w = begin(gpu, "symbol T 0 64\ninput x f32 [T, 64]\n%0 = tanh %x\noutput %0 z\n", NULL);
    assert_int_equal(resize(&w, 0), WEFT_OK);
    assert_int_equal(weft_session_dispatches(w.session), 0);
    assert_int_equal(weft_session_run(w.session, 3, NULL), WEFT_OK);
    end(&w);
    weft_gpu_close(&gpu);
}

static void static_graphs_never_change(void **state) {
    (void)state;
    weft_gpu *gpu = open_null();
    struct world w =
        begin(gpu, "input x f32 [8, 64]\nweight w q8_0 [96, 64]\n%0 = matmul %x %w\n%1 = silu %0\noutput %1 z\n", NULL);
    struct weft_session_view first = weft_session_view(w.session);
    uint32_t block[SLOT_WORDS];
    memcpy(block, w.arena + first.steps[0].uniform_offset / 4, sizeof block);
    uint64_t before = written(gpu);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(resize(&w, i), WEFT_OK); // there is no symbol that this could set
        assert_int_equal(weft_session_run(w.session, 1, NULL), WEFT_OK);
        struct weft_session_view v = weft_session_view(w.session);
        assert_int_equal(v.n_steps, first.n_steps);
        assert_memory_equal(block, w.arena + v.steps[0].uniform_offset / 4, sizeof block);
    }
    assert_int_equal(written(gpu), before);
    end(&w);
    weft_gpu_close(&gpu);
}

static void failed_resizes_change_nothing(void **state) {
    (void)state;
    weft_gpu *gpu = open_null();
    struct world w = begin(gpu, dynamic, "T"), other = begin(gpu, dynamic, "T");
    assert_int_equal(resize(&w, 16), WEFT_OK);
    assert_int_equal(resize(&other, 16), WEFT_OK);
    uint64_t before = written(gpu);
    assert_int_equal(resize(&w, 65), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "T"));
    assert_int_equal(resize(&w, -1), WEFT_ERR_INVALID);
    assert_int_equal(written(gpu), before);
    assert_int_equal(differences(&w, &other), 0);
    weft_buf arena = weft_session_view(w.session).arena; // a write that fails: the sizes before stay live
    weft_buf_release(gpu, &arena);
    assert_int_equal(weft_session_resize(w.session, &(int64_t){40}), WEFT_ERR_STALE);
    assert_int_equal(differences(&w, &other), 0);
    assert_int_equal(resize(&other, 40), WEFT_OK);
    assert_true(differences(&w, &other) > 0);
    end(&w);
    end(&other);
    weft_gpu_close(&gpu);
}

/// Negative control: an update function that lies is noticed, in whatever step and word.
static void wrong_words_are_noticed(void **state) {
    (void)state;
    weft_gpu *gpu = open_null();
    struct world w = begin(gpu, dynamic, NULL), other = begin(gpu, dynamic, NULL);
    for (uint32_t step = 0; step < weft_program_plan(w.program)->schedules[0].n_steps; step++) {
        assert_int_equal(resize(&w, 16), WEFT_OK);
        assert_int_equal(resize(&other, 16), WEFT_OK);
        assert_int_equal(differences(&w, &other), 0);
        weft_session_test_word(w.session, step, step % 3);
        struct weft_session_view v = weft_session_view(w.session);
        memcpy((char *)w.arena + v.staged_offset, v.staged, v.staged_bytes);
        assert_int_equal(differences(&w, &other), 1);
        weft_session_test_word(w.session, UINT32_MAX, 0);
        v = weft_session_view(w.session);
        memcpy((char *)w.arena + v.staged_offset, v.staged, v.staged_bytes);
        assert_int_equal(differences(&w, &other), 0);
    }
    end(&w);
    end(&other);
    weft_gpu_close(&gpu);
}

/// Sizes of leaves that some values of the symbols would make negative: refused when set, computed otherwise.
static void sizes_below_zero_are_refused(void **state) {
    (void)state;
    static const char graph[] = "symbol T 0 50\nsymbol S 0 9\ninput x f32 [30-T, 3]\ninput y f32 [S-T+4, 2, 5]\n"
                                "%0 = softmax %x\n%1 = mean %y\noutput %0 a\noutput %1 b\n";
    static const struct {
        int64_t sizes[2];
        const char *refusal;
    } rows[] = {
        {{0, 0}, NULL},  {{4, 0}, NULL},     {{5, 0}, "'y': the smallest size is 0, but an axis has size -1 (-T+S+4)"},
        {{13, 9}, NULL}, {{31, 9}, "'x': "}, {{50, 0}, "'x': "},
    };
    weft_gpu *gpu = open_null();
    struct world w = begin(gpu, graph, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].refusal) REFUSED(weft_session_resize(w.session, rows[i].sizes), WEFT_ERR_INVALID, rows[i].refusal);
        else if (weft_session_resize(w.session, rows[i].sizes) != WEFT_OK ||
                 weft_session_run(w.session, 1, NULL) != WEFT_OK)
            fail_msg("%s", weft_error_message());
    }
    end(&w);
    weft_gpu_close(&gpu);
}

/// No number of workgroups is lost or overflows: what fits no grid gives one that the limit check refuses.
static void any_number_of_groups_is_folded(void **state) {
    (void)state;
    static const uint64_t totals[] = {
        0, 1, 65535, 65536, 1u << 31, (uint64_t)65535 * 65535, UINT64_C(1) << 47, UINT64_MAX - 70000, UINT64_MAX};
    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++)
        for (uint32_t limit = 1; limit <= 65535; limit = limit * 7 + 3) {
            uint32_t grid[3];
            weft_grid_fold(totals[i], limit, grid);
            bool fits = grid[0] <= limit && grid[1] <= limit && grid[2] <= limit;
            // Three numbers of at most 16 bits: the product is exact.
            if (fits) assert_true((uint64_t)grid[0] * grid[1] * grid[2] >= totals[i]);
            else assert_true(totals[i] > (uint64_t)limit * limit * limit);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_fresh_sessions),         cmocka_unit_test(many_sizes),
        cmocka_unit_test(equals_a_plan_for_that_size),    cmocka_unit_test(empty_runs),
        cmocka_unit_test(static_graphs_never_change),     cmocka_unit_test(failed_resizes_change_nothing),
        cmocka_unit_test(wrong_words_are_noticed),        cmocka_unit_test(sizes_below_zero_are_refused),
        cmocka_unit_test(any_number_of_groups_is_folded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
