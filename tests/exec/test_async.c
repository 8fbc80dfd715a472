/// Compiling with progress and cancelled, on the null device: async_tests.h, and a cancel at every place in turn,
/// behind which nothing is left and the next compile is as the first.
#include "async_tests.h"

#include "core/alloc.h"
#include "core/cancel.h"
#include "exec/exec_impl.h"

struct books {
    int64_t blocks;
    uint64_t bytes, buffers, groups;
};

static struct books count(void) {
    struct weft_device_counters c;
    api_must(weft_device_wait_idle(device));
    api_must(weft_device_counters(device, &c));
    return (struct books){weft_alloc_stats().live, c.bytes_live, c.buffers_live, c.groups_live};
}

static void balanced(const struct books *a, long n) {
    struct books b = count();
    if (memcmp(a, &b, sizeof b) != 0)
        fail_msg("cancel %ld: %lld blocks, %llu bytes, %llu buffers were alive before and %lld, %llu, %llu are now", n,
                 (long long)a->blocks, (unsigned long long)a->bytes, (unsigned long long)a->buffers,
                 (long long)b.blocks, (unsigned long long)b.bytes, (unsigned long long)b.buffers);
}

static char *plan_of(const weft_program *p) {
    size_t length = 0;
    api_must(weft_program_print(p, false, NULL, 0, &length));
    char *text = malloc(length + 1);
    assert_non_null(text);
    api_must(weft_program_print(p, false, text, length + 1, NULL));
    return text;
}

/// All stages come in order, from this thread, each to its end; and nobody need listen.
static void progress(void **state) {
    (void)state;
    struct heard h = hearing(0);
    weft_program *p, *q;
    api_must(async_compile(0, &h, &p));
    assert_false(h.elsewhere || h.wrong);
    assert_int_equal(h.stages, 1u << WEFT_PROGRESS_PLAN | 1u << WEFT_PROGRESS_WEIGHTS | 1u << WEFT_PROGRESS_COMPILE);
    assert_true(h.calls >= 3 + 3 + 1); // the graph and two schedules; pieces of a weight, and another; pipelines
    assert_int_equal(h.done, h.total);
    api_must(async_compile(0, NULL, &q));
    weft_program_destroy(&p);
    weft_program_destroy(&q);
}

static int told;
static void on_weights(void *user, enum weft_progress_stage stage, uint64_t done, uint64_t total) {
    uint64_t *bytes = user;
    if (stage != WEFT_PROGRESS_WEIGHTS) return;
    told++;
    *bytes = total;
    assert_true(done <= total);
}

/// Weights are counted in bytes of the device; those of another program are not loaded and not counted.
static void progress_of_weights(void **state) {
    (void)state;
    static const float u[ASYNC_K];
    weft_program *p, *q;
    char text[500];
    api_must(async_compile(0, NULL, &p));
    const uint64_t all = weft_program_memory(p).weights;
    for (int share = 0; share < 2; share++) {
        weft_graph *g;
        uint64_t bytes = 0;
        struct weft_weight weights[3] = {async_weights[0], async_weights[1], {"u", u, sizeof u}};
        struct weft_program_compile_params params = {.weights = weights,
                                                     .n_weights = 3,
                                                     .progress = on_weights,
                                                     .progress_user = &bytes,
                                                     .share_weights = share ? p : NULL};
        told = 0;
        snprintf(text, sizeof text, "%s%s", async_text(0),
                 share ? "weight u f32 [512]\n%5 = add %x %u\noutput %5 more\n" : "");
        api_must(weft_graph_parse_text(text, strlen(text), &g));
        api_must(weft_program_compile(device, &g, &params, &q));
        assert_true(share ? bytes == sizeof u && told == 1 : bytes <= all && bytes + 4096 > all && told >= 3);
        weft_program_destroy(&q);
    }
    weft_program_destroy(&p);
}

/// Cancelled from each call of the callback, it is the last.
static void cancelled_at_each_call(void **state) {
    (void)state;
    const struct books before = count();
    long n = 0;
    for (bool hit = true; hit;) {
        struct heard h = hearing(++n);
        weft_program *p = (weft_program *)&h;
        weft_status status = async_compile(0, &h, &p);
        hit = status != WEFT_OK;
        if (h.calls > n) fail_msg("cancel %ld: %ld more calls", n, h.calls - n);
        if (status == WEFT_OK) {
            assert_int_equal(h.stage, WEFT_PROGRESS_COMPILE); // the last call of all
            weft_program_destroy(&p);
        } else {
            api_fails(status, WEFT_ERR_CANCELLED, "cancelled by the caller");
        }
        assert_null(p);
        balanced(&before, n);
    }
    assert_true(n >= 7);
}

/// Cancelled wherever it is looked at: nothing is left, and the next compile gives the same program.
static void cancelled_at_each_check(void **state) {
    (void)state;
    weft_program *p;
    api_must(async_compile(0, NULL, &p));
    char *plan = plan_of(p);
    weft_program_destroy(&p);
    const struct books before = count();
    long n = 0;
    for (weft_status status = WEFT_ERR_CANCELLED; status != WEFT_OK;) {
        struct heard h = hearing(0);
        weft_cancel_at((uint64_t)++n);
        status = async_compile(0, &h, &p);
        weft_cancel_at(0);
        if (status != WEFT_OK) {
            api_fails(status, WEFT_ERR_CANCELLED, "cancelled by the caller");
            assert_null(p);
            balanced(&before, n);
        }
    }
    char *text = plan_of(p);
    assert_string_equal(text, plan);
    weft_program_destroy(&p);
    print_message("cancelled at %ld checks\n", n - 1);
    assert_true(n > 60);
    free(text);
    free(plan);
}

static int asked;
static weft_status never_asked(void *user, const char *name, const void **data, uint64_t *bytes) {
    (void)user, (void)name, (void)data, (void)bytes;
    asked++;
    return WEFT_ERR_INVALID;
}

/// What is cancelled before it begins makes nothing, asks for nothing, and takes the graph.
static void cancelled_before(void **state) {
    (void)state;
    struct weft_device_counters a, b;
    struct weft_cancel cancel = {0};
    weft_graph *g;
    weft_program *p;
    weft_plan *plan;
    const struct books before = count();
    struct weft_program_compile_params params = {WEFT_SIZED(weft_program_compile_params), .weight = never_asked,
                                                 .cancel = &cancel};
    weft_cancel_set(&cancel);
    api_must(weft_device_counters(device, &a));
    api_must(weft_graph_parse_text(async_text(0), strlen(async_text(0)), &g));
    api_fails(weft_program_compile(device, &g, &params, &p), WEFT_ERR_CANCELLED, "cancelled");
    assert_true(!g && !p && !asked);
    api_must(weft_graph_parse_text(async_text(0), strlen(async_text(0)), &g));
    api_fails(weft_plan_make(device, &g, &params, &plan), WEFT_ERR_CANCELLED, "cancelled");
    assert_true(!g && !plan);
    api_must(weft_device_counters(device, &b));
    assert_int_equal(a.buffers_made, b.buffers_made);
    assert_int_equal(a.pipelines_made, b.pipelines_made);
    balanced(&before, 0);
    // A caller of before the field was there does not have it looked at.
    struct weft_program_compile_params old = params;
    old.struct_size = 0;
    old.weight = NULL;
    old.weights = async_weights;
    old.n_weights = 2;
    api_must(weft_graph_parse_text(async_text(0), strlen(async_text(0)), &g));
    api_must(weft_program_compile(device, &g, &old, &p));
    weft_program_destroy(&p);
}

static void hear_plan(void *user, enum weft_progress_stage stage, uint64_t done, uint64_t total) {
    int *calls = user;
    assert_int_equal(stage, WEFT_PROGRESS_PLAN);
    assert_int_equal(total, 2);
    assert_int_equal(done, ++*calls);
}

/// weft_plan_make makes nothing but a plan, so that is the stage it tells of.
static void progress_of_plans(void **state) {
    (void)state;
    weft_graph *g;
    weft_plan *plan;
    int calls = 0;
    struct weft_program_compile_params params = {.progress = hear_plan, .progress_user = &calls};
    api_must(weft_graph_parse_text(async_text(0), strlen(async_text(0)), &g));
    api_must(weft_plan_make(device, &g, &params, &plan));
    assert_int_equal(calls, 2);
    weft_plan_free(&plan);
}

/// A host snapshot waits, so that a cancel of its session ends it; nothing is changed, and it can be taken later.
static void cancelled_snapshots(void **state) {
    (void)state;
    static const char text[] = "input x f32 [4]\nstate s dense f32 [4]\n%0 = add %s %x\n%1 = state_write %s %0\n"
                               "output %0 y\n";
    weft_graph *g;
    weft_program *p;
    weft_session *s;
    weft_snapshot *shot = NULL;
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_must(weft_program_compile(device, &g, NULL, &p));
    api_must(weft_session_create(p, NULL, &s));
    api_must(weft_session_run(s, 1, NULL));
    weft_session_cancel(s);
    api_fails(weft_session_snapshot(s, WEFT_SNAPSHOT_HOST, &shot), WEFT_ERR_CANCELLED, "weft_session_resume");
    assert_null(shot);
    weft_session_resume(s);
    api_must(weft_session_snapshot(s, WEFT_SNAPSHOT_HOST, &shot));
    api_must(weft_session_restore(s, shot));
    weft_snapshot_destroy(&shot);
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

// ---- turns ---------------------------------------------------------------------------------------------------------

enum { TURNS = 4 };
static weft_program *turns;
static int order[TURNS];
static atomic_int entered;

static void *turn_thread(void *arg) {
    if (weft_program_enter(turns, NULL) != WEFT_OK) return NULL;
    order[atomic_fetch_add(&entered, 1)] = *(int *)arg;
    weft_program_leave(turns);
    return NULL;
}

static void *cancelled_turn(void *arg) { return weft_program_enter(turns, arg) == WEFT_ERR_CANCELLED ? arg : NULL; }

static int queued(weft_program *p) {
    int n = 0;
    pthread_mutex_lock(&p->lock);
    for (struct weft_program_waiter *w = p->first; w; w = w->next) n++;
    pthread_mutex_unlock(&p->lock);
    return n;
}

/// Runs of a program's sessions take turns in the order in which they came; one that is cancelled holds nobody up.
static void runs_take_turns(void **state) {
    (void)state;
    int numbers[TURNS];
    api_must(async_compile(0, NULL, &turns));
    for (int round = 0; round < 8; round++) {
        pthread_t t[TURNS], c;
        struct weft_cancel cancel = {0};
        void *was_cancelled;
        atomic_store(&entered, 0);
        api_must(weft_program_enter(turns, NULL));
        for (int i = 0; i < TURNS; i++) {
            numbers[i] = i;
            assert_int_equal(pthread_create(&t[i], NULL, turn_thread, &numbers[i]), 0);
            while (queued(turns) < i + 1) weft_sleep(1e-4);
            if (i != 1) continue;
            assert_int_equal(pthread_create(&c, NULL, cancelled_turn, &cancel), 0);
            while (queued(turns) < 3) weft_sleep(1e-4);
            weft_cancel_set(&cancel);
            pthread_join(c, &was_cancelled);
            assert_ptr_equal(was_cancelled, &cancel);
        }
        weft_program_leave(turns);
        for (int i = 0; i < TURNS; i++) pthread_join(t[i], NULL);
        for (int i = 0; i < TURNS; i++) assert_int_equal(order[i], i);
    }
    weft_program_destroy(&turns);
}

int main(void) {
    async_on = "null";
    async_rounds = 12;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(progress),
        cmocka_unit_test(progress_of_weights),
        cmocka_unit_test(progress_of_plans),
        cmocka_unit_test(cancelled_at_each_call),
        cmocka_unit_test(cancelled_at_each_check),
        cmocka_unit_test(cancelled_before),
        cmocka_unit_test(cancelled_snapshots),
        cmocka_unit_test(compiles_beside_runs),
        cmocka_unit_test(runs_take_turns),
    };
    return cmocka_run_group_tests(tests, async_setup, async_teardown);
}
