/// Running on the null device, where counters are exact: what a run dispatches, that steady state makes and allocates
/// nothing, several runs in one submit, buffers that are gone, and running out of memory at every single allocation.
#include "exec/exec_impl.h"
#include "exec/session_test.h"
#include "plan_fixture.h"

static const char model[] = "symbol T 0 32\ninput x f32 [T, 64]\nweight n f32 [64]\nweight q q8_0 [64, 64]\nweight k "
                            "q8_0 [64, 64]\nweight d f16 [64, 64]\n"
                            "state s ring f32 [32, 64]\nvar p u32 0 4096\n%0 = rms_norm %x %n\n%1 = matmul %0 %q "
                            "\"left\"\n%2 = matmul %0 %k \"right\"\n%3 = mul %1 %2\n"
                            "%4 = matmul %3 %d \"down\"\n%5 = add %4 %x\n%6 = cache_append %s %5 %p\n%7 = advance %p "
                            "{by=T}\n%8 = softmax %5\noutput %8 z\n";

static weft_status zeros(void *user, const char *name, const void **data, uint64_t *bytes) {
    (void)user;
    static uint8_t block[64 * 64 * 4];
    *data = block;
    *bytes = *name == 'n' ? 64 * 4 : *name == 'd' ? 64 * 64 * 2 : 64 * 64 / 32 * 34;
    return WEFT_OK;
}

static const struct weft_program_params usual = {.compile = {.split_symbol = "T", .split_at = {1}, .n_splits = 1},
                                                 .source = {.get = zeros, .user = NULL}};

struct world {
    weft_gpu *gpu;
    weft_program *program;
    weft_session *session;
};

static struct world begin(const struct weft_session_params *params) {
    struct world w = {0};
    struct weft_gpu_params null = {.implementation = "null"};
    if (weft_gpu_open(&null, &w.gpu) != WEFT_OK ||
        weft_program_create(w.gpu, fixture_graph(model), &usual, &w.program) != WEFT_OK ||
        weft_session_create(w.program, params, &w.session) != WEFT_OK)
        fail_msg("%s", weft_error_message());
    return w;
}

static void end(struct world *w) {
    weft_session_destroy(&w->session);
    weft_program_destroy(&w->program);
    weft_gpu_close(&w->gpu);
}

static struct weft_gpu_counters count(const struct world *w) {
    struct weft_gpu_counters c;
    weft_gpu_counters(w->gpu, &c);
    return c;
}

static void dispatches_equal_steps(void **state) {
    (void)state;
    struct world w = begin(NULL);
    const struct weft_plan *plan = weft_program_plan(w.program);
    for (int64_t t = 1; t <= 32; t += 31) {
        assert_int_equal(weft_session_resize(w.session, &t), WEFT_OK);
        const struct weft_schedule *sc = &plan->schedules[t == 1 ? 0 : 1];
        struct weft_gpu_counters before = count(&w);
        assert_int_equal(weft_session_run(w.session, 1, NULL), WEFT_OK);
        struct weft_gpu_counters after = count(&w);
        assert_int_equal(weft_session_dispatches(w.session), sc->n_steps);
        assert_int_equal(after.dispatches - before.dispatches, sc->n_steps);
        assert_int_equal(after.submits - before.submits, 1);
        assert_int_equal(after.passes - before.passes, 1);
        assert_int_equal(after.copies, before.copies);
    }
    end(&w);
}

static void steady_state_makes_nothing(void **state) {
    (void)state;
    struct world w = begin(NULL);
    static const int64_t sizes[] = {32, 1, 7};
    for (int i = 0; i < 6; i++) { // sizes met once, the device's own tables grown
        assert_int_equal(weft_session_resize(w.session, &sizes[i % 3]), WEFT_OK);
        assert_int_equal(weft_session_run(w.session, 1 + (uint32_t)i, NULL), WEFT_OK);
    }
    struct weft_gpu_counters before = count(&w);
    uint64_t calls = weft_alloc_stats().calls, expected = 0;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(weft_session_resize(w.session, &sizes[i / 10 % 3]), WEFT_OK);
        uint64_t serial;
        assert_int_equal(weft_session_run(w.session, 1, &serial), WEFT_OK);
        expected += weft_session_dispatches(w.session);
    }
    assert_int_equal(weft_alloc_stats().calls, calls);
    struct weft_gpu_counters after = count(&w);
    assert_int_equal(after.submits - before.submits, 100);
    assert_int_equal(after.dispatches - before.dispatches, expected);
    assert_int_equal(after.buffers_made, before.buffers_made);
    assert_int_equal(after.pipelines_made, before.pipelines_made);
    assert_int_equal(after.groups_made, before.groups_made);
    assert_int_equal(after.allocs, before.allocs);
    assert_int_equal(after.bytes_written, before.bytes_written);
    int64_t fresh = 19; // a size not met before costs one write and no allocation either
    assert_int_equal(weft_session_resize(w.session, &fresh), WEFT_OK);
    assert_int_equal(weft_alloc_stats().calls, calls);
    assert_int_equal(count(&w).bytes_written - after.bytes_written, weft_session_view(w.session).staged_bytes);
    end(&w);
}

static void several_runs_a_submit(void **state) {
    (void)state;
    struct weft_session_params params = {.max_runs = 5};
    struct world w = begin(&params);
    for (uint32_t runs = 1; runs <= 5; runs++) {
        struct weft_gpu_counters before = count(&w);
        assert_int_equal(weft_session_run(w.session, runs, NULL), WEFT_OK);
        assert_int_equal(count(&w).submits - before.submits, 1);
        assert_int_equal(count(&w).dispatches - before.dispatches, runs * weft_session_dispatches(w.session));
    }
    struct weft_gpu_counters before = count(&w);
    REFUSED(weft_session_run(w.session, 6, NULL), WEFT_ERR_INVALID, "made for 1 to 5");
    REFUSED(weft_session_run(w.session, 0, NULL), WEFT_ERR_INVALID, "0 runs");
    assert_int_equal(count(&w).submits, before.submits);
    end(&w);
}

/// The checker submits every step alone and poisons the transients before each run.
static void checker_submits_each_step(void **state) {
    (void)state;
    struct weft_session_params params = {.checker = true};
    struct world w = begin(&params);
    struct weft_gpu_counters before = count(&w);
    assert_int_equal(weft_session_run(w.session, 2, NULL), WEFT_OK);
    uint32_t n = weft_session_dispatches(w.session);
    assert_int_equal(count(&w).dispatches - before.dispatches, 2 * n);
    assert_int_equal(count(&w).submits - before.submits, 2 * n);
    end(&w);
}

static void stale_buffers_are_refused(void **state) {
    (void)state;
    for (int which = 0; which < 4; which++) {
        struct world w = begin(NULL), other = begin(NULL);
        struct weft_session_view v = weft_session_view(w.session);
        weft_buf buf = which == 0   ? w.program->heaps[0]
                       : which == 1 ? v.states[0]
                       : which == 2 ? v.ios[0]
                                    : weft_shards_buf(w.program->shards, 0);
        assert_true(weft_buf_alive(w.gpu, buf));
        weft_buf_release(w.gpu, &buf);
        struct weft_gpu_counters before = count(&w);
        assert_int_equal(weft_session_run(w.session, 1, NULL), WEFT_ERR_STALE);
        assert_int_equal(count(&w).submits, before.submits);
        assert_int_equal(count(&w).dispatches, before.dispatches);
        weft_buf again; // another buffer in its place is not taken for it
        assert_int_equal(weft_buf_create(w.gpu, 1 << 20, WEFT_BUF_STORAGE, "in its place", &again), WEFT_OK);
        assert_int_equal(weft_session_run(w.session, 1, NULL), WEFT_ERR_STALE);
        assert_int_equal(weft_session_run(other.session, 1, NULL), WEFT_OK);
        weft_buf_release(w.gpu, &again);
        end(&w);
        end(&other);
    }
}

static void needs_sizes_first(void **state) {
    (void)state;
    struct world w = {0};
    struct weft_gpu_params null = {.implementation = "null"};
    assert_int_equal(weft_gpu_open(&null, &w.gpu), WEFT_OK);
    // The upper bounds together break a relation, so the session cannot start at them.
    assert_int_equal(
        weft_program_create(
            w.gpu,
            fixture_graph(
                "symbol A 1 64\nsymbol B 1 64\nrelate A*B <= 64\ninput x f32 [A*B, 64]\n%0 = tanh %x\noutput %0 z\n"),
            NULL, &w.program),
        WEFT_OK);
    assert_int_equal(weft_program_plan(w.program)->schedules[0].tensors[0].bytes, 64 * 64 * 4); // sized by the relation
    assert_int_equal(weft_session_create(w.program, NULL, &w.session), WEFT_OK);
    assert_int_equal(weft_session_dispatches(w.session), 0);
    REFUSED(weft_session_run(w.session, 1, NULL), WEFT_ERR_INVALID, "set the session's sizes");
    assert_int_equal(weft_session_resize(w.session, (int64_t[]){8, 9}), WEFT_ERR_INVALID);
    assert_int_equal(weft_session_resize(w.session, (int64_t[]){8, 8}), WEFT_OK);
    assert_int_equal(weft_session_run(w.session, 1, NULL), WEFT_OK);
    end(&w);
}

// ---- out of memory -------------------------------------------------------------------------------------------------

/// What the compiler wrote, kernels included.
static uint64_t fingerprint(const struct weft_plan *p) {
    struct weft_str text = {0};
    weft_plan_print(p, true, &text);
    assert_false(text.failed);
    uint64_t h = weft_hash(weft_str_get(&text), text.len, 1);
    weft_str_free(&text);
    for (uint32_t k = 0; k < p->n_schedules; k++)
        for (uint32_t i = 0; i < p->schedules[k].n_steps; i++)
            h = weft_hash(p->schedules[k].steps[i].bound.wgsl, strlen(p->schedules[k].steps[i].bound.wgsl), h);
    return h;
}

/// Either all is well, or the status says out of memory; nothing stays behind in both cases, and a plan that was made
/// is the right one.
static void out_of_memory_while_compiling(void **state) {
    (void)state;
    struct weft_gpu_caps caps = fixture_caps();
    for (int sticky = 0; sticky < 2; sticky++) {
        uint64_t want = 0;
        uint32_t refused = 0, survived = 0;
        for (uint64_t n = 0;; n++) {
            struct weft_graph *g = fixture_graph(model);
            int64_t live = weft_alloc_stats().live;
            uint64_t calls = weft_alloc_stats().calls;
            struct weft_plan *p = NULL;
            weft_error_clear();
            weft_alloc_fail_at(n, sticky);
            weft_status status = weft_compile(g, &caps, &usual.compile, &p);
            weft_alloc_fail_at(0, 0);
            bool reached = n && weft_alloc_stats().calls - calls >= n;
            if (status == WEFT_OK) {
                uint64_t got = fingerprint(p);
                if (n == 0) want = got;
                else if (got != want)
                    fail_msg("allocation %llu failed unnoticed and the plan is another", (unsigned long long)n);
                survived += reached;
                weft_plan_destroy(p);
            } else {
                if (status != WEFT_ERR_NOMEM || !strstr(weft_error_message(), "memory"))
                    fail_msg("allocation %llu: status %d, '%s'", (unsigned long long)n, status, weft_error_message());
                assert_null(p);
                refused++;
            }
            assert_true(weft_alloc_stats().live < live); // the graph is gone too
            if (n && !reached) break;
        }
        print_message("compile, sticky %d: %u allocations refused, %u survived\n", sticky, refused, survived);
        assert_true(refused > 100);
    }
}

static void out_of_memory_while_creating(void **state) {
    (void)state;
    for (int sticky = 0; sticky < 2; sticky++) {
        int64_t live = weft_alloc_stats().live;
        uint32_t refused = 0;
        for (uint64_t n = 1;; n++) {
            struct world w = {0};
            struct weft_gpu_params null = {.implementation = "null"};
            assert_int_equal(weft_gpu_open(&null, &w.gpu), WEFT_OK);
            struct weft_graph *g = fixture_graph(model);
            uint64_t calls = weft_alloc_stats().calls;
            weft_alloc_fail_at(n, sticky);
            weft_status status = weft_program_create(w.gpu, g, &usual, &w.program);
            if (status == WEFT_OK) status = weft_session_create(w.program, NULL, &w.session);
            else assert_null(w.program);
            weft_alloc_fail_at(0, 0);
            bool reached = weft_alloc_stats().calls - calls >= n;
            if (status != WEFT_OK && status != WEFT_ERR_NOMEM)
                fail_msg("allocation %llu: status %d, '%s'", (unsigned long long)n, status, weft_error_message());
            if (status == WEFT_OK) assert_int_equal(weft_session_run(w.session, 2, NULL), WEFT_OK);
            else assert_null(w.session);
            refused += status != WEFT_OK;
            end(&w);
            assert_int_equal(weft_alloc_stats().live, live);
            if (!reached) break;
        }
        print_message("program and session, sticky %d: %u refused\n", sticky, refused);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dispatches_equal_steps),        cmocka_unit_test(steady_state_makes_nothing),
        cmocka_unit_test(several_runs_a_submit),         cmocka_unit_test(checker_submits_each_step),
        cmocka_unit_test(stale_buffers_are_refused),     cmocka_unit_test(needs_sizes_first),
        cmocka_unit_test(out_of_memory_while_compiling), cmocka_unit_test(out_of_memory_while_creating),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
