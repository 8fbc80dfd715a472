/// Policies and pairs on the null device, by the public calls where there are some: memory to the byte, steady state,
/// dispatches of steps that write states, refusals of replay with every cause and way out, and running out of memory.
#include "api_graph.h"
#include "core/alloc.h"
#include "core/error.h"
#include "exec/exec_impl.h"
#include "exec/session_test.h"
#include "support/policy_graph.h"

static const enum weft_state_policy policies[] = {WEFT_STATE_IN_PLACE, WEFT_STATE_PING_PONG, WEFT_STATE_DOUBLE};

static weft_gpu *open_null(void) {
    weft_gpu *gpu = NULL;
    struct weft_gpu_params null = {.implementation = "null"};
    api_must(weft_gpu_open(&null, &gpu));
    return gpu;
}

static struct weft_gpu_counters count(const weft_gpu *gpu) {
    struct weft_gpu_counters c;
    weft_gpu_counters(gpu, &c);
    return c;
}

static void memory_is_told_before_it_is_taken(void **state) {
    (void)state;
    uint64_t states[3];
    for (int i = 0; i < 3; i++) {
        weft_gpu *gpu = open_null();
        weft_program *p = NULL;
        weft_session *s = NULL;
        api_must(policy_program(gpu, policy_graph, policies[i], &p));
        struct weft_memory_use use = weft_program_memory(p);
        uint64_t before = count(gpu).buffer_bytes_live;
        api_must(weft_session_create(p, NULL, &s));
        uint64_t taken = count(gpu).buffer_bytes_live - before;
        assert_int_equal(taken, use.states + use.params + use.io);
        states[i] = use.states;
        weft_session_destroy(&s);
        assert_int_equal(count(gpu).buffer_bytes_live, before);
        weft_program_destroy(&p);
        weft_gpu_close(&gpu);
    }
    assert_int_equal(states[1], states[2]);
    assert_int_equal(states[1] - states[0], 6 * 256); // all but the ring have a second buffer
}

static void steady_state_makes_nothing(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        weft_gpu *gpu = open_null();
        weft_program *p = NULL;
        weft_session *s = NULL;
        api_must(policy_program(gpu, policy_graph, policies[i], &p));
        api_must(weft_session_create(p, NULL, &s));
        static const int64_t sizes[3][POLICY_SYMBOLS] = {{3, 0}, {1, 0}, {0, 0}};
        for (uint32_t k = 0; k < 6; k++) {
            api_must(weft_session_resize(s, sizes[k % 3]));
            api_must(weft_session_run(s, 1 + k, NULL));
        }
        struct weft_gpu_counters before = count(gpu);
        uint64_t calls = weft_alloc_stats().calls, expected = 0;
        for (uint32_t k = 0; k < 60; k++) {
            api_must(weft_session_resize(s, sizes[k / 5 % 3]));
            api_must(weft_session_run(s, 1 + k % 4, NULL));
            expected += (1 + k % 4) * weft_session_dispatches(s);
        }
        struct weft_gpu_counters after = count(gpu);
        assert_int_equal(weft_alloc_stats().calls, calls);
        assert_int_equal(after.dispatches - before.dispatches, expected);
        assert_int_equal(after.submits - before.submits, 60);
        assert_int_equal(after.buffers_made, before.buffers_made);
        assert_int_equal(after.groups_made, before.groups_made);
        assert_int_equal(after.allocs, before.allocs);
        assert_int_equal(after.bytes_written, before.bytes_written);
        assert_int_equal(after.copies, before.copies); // commits are dispatches
        weft_session_destroy(&s);
        weft_program_destroy(&p);
        weft_gpu_close(&gpu);
    }
}

/// How often a step that writes state `name`, and is no commit, stands among the steps that the live sizes replay.
static uint32_t writers_of(weft_session *s, const char *name) {
    struct weft_session_view v = weft_session_view(s);
    const struct weft_schedule *sc = &weft_program_plan(weft_session_program(s))->schedules[v.schedule];
    uint32_t n = 0;
    for (uint32_t i = 0; i < v.n_steps; i++)
        for (uint32_t k = 0; k < sc->n_steps; k++) {
            const struct weft_step *step = &sc->steps[k];
            if (v.steps[i].label != step->label || step->copy.kind) continue;
            for (uint32_t o = 0; o < step->n_operands; o++)
                n += sc->tensors[step->operands[o].tensor].mem == WEFT_MEM_STATE &&
                     (step->operands[o].access & WEFT_WRITE) &&
                     strcmp(sc->tensors[step->operands[o].tensor].name, name) == 0;
        }
    return n;
}

/// One dispatch of a run writes each state, with no tokens as with some; the device is asked for that many.
static void states_are_written_once_a_run(void **state) {
    (void)state;
    static const char *const names[] = {"s", "h", "g", "n", "r", "c"};
    for (int i = 0; i < 3; i++) {
        weft_gpu *gpu = open_null();
        weft_program *p = NULL;
        weft_session *s = NULL;
        api_must(policy_program(gpu, policy_graph, policies[i], &p));
        api_must(weft_session_create(p, NULL, &s));
        for (int64_t t = 0; t <= 3; t += 3) {
            int64_t symbols[POLICY_SYMBOLS] = {t, 0};
            api_must(weft_session_resize(s, symbols));
            for (size_t k = 0; k < sizeof names / sizeof *names; k++) assert_int_equal(writers_of(s, names[k]), 1);
            assert_in_range(writers_of(s, "kc"), t > 0, 1); // its step may do more than append
            for (uint32_t runs = 1; runs <= 7; runs += 3) {
                struct weft_gpu_counters before = count(gpu);
                api_must(weft_session_run(s, runs, NULL));
                assert_int_equal(count(gpu).dispatches - before.dispatches, runs * weft_session_dispatches(s));
            }
        }
        weft_session_destroy(&s);
        weft_program_destroy(&p);
        weft_gpu_close(&gpu);
    }
}

static void no_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    (void)u, (void)words;
    grid[0] = grid[1] = grid[2] = 0;
}
static const struct weft_kernel lazy = {"lazy", "kernels/copy/move.wgsl", NULL, no_update};

/// A kernel that skips a whole write, against its trait, is an error of the resize and not a wrong number.
static void a_skipped_writer_is_refused(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        weft_gpu *gpu = open_null();
        weft_program *p = NULL;
        weft_session *s = NULL;
        int64_t symbols[POLICY_SYMBOLS] = {2, 0};
        api_must(policy_program(gpu, policy_graph, policies[i], &p));
        api_must(weft_session_create(p, NULL, &s));
        for (uint32_t k = 0; k < p->plan->schedules[0].n_steps; k++)
            if (strstr(p->plan->schedules[0].steps[k].label, "recur")) p->plan->schedules[0].steps[k].kernel = &lazy;
        if (i == 0) api_must(weft_session_resize(s, symbols)); // one buffer keeps what it has
        else api_fails(weft_session_resize(s, symbols), WEFT_ERR_INTERNAL, "writes all of state 's' in each run");
        weft_session_destroy(&s);
        weft_program_destroy(&p);
        weft_gpu_close(&gpu);
    }
}

// ---- replay with pairs apart ---------------------------------------------------------------------------------------

static const char paired[] = "input past_0 f32 [4, 8]\ninput past_1 f32 [16, 8]\ninput x f32 [1, 8]\nvar pos u32 0 99\n"
                             "%a = add %past_0 %x\n%b = cache_append %past_1 %x %pos\n%c = sum %b\n"
                             "output %a present_0\n"
                             "output %b present_1\noutput %c y\n";

static weft_device *open_device(void) {
    weft_device *device = NULL;
    struct weft_device_params params = {.implementation = "null"};
    api_must(weft_device_open(&params, &device));
    return device;
}

static weft_program *compile_paired(weft_device *device, enum weft_state_policy pair, enum weft_state_policy program) {
    weft_graph *g;
    weft_program *p;
    size_t n;
    struct weft_program_compile_params params = {.state_policy = program};
    api_must(weft_graph_parse_text(paired, strlen(paired), &g));
    api_must(weft_graph_pair_states(g, "past_%d", "present_%d", WEFT_STATE_DENSE, pair, &n));
    assert_int_equal(n, 2);
    api_must(weft_program_compile(device, &g, &params, &p));
    return p;
}

static void has_words(const char *const *words, bool wanted) {
    for (; *words; words++)
        if ((strstr(weft_error_message(), *words) != NULL) != wanted)
            fail_msg("'%s' %s '%s'", weft_error_message(), wanted ? "lacks" : "has", *words);
}

static void replay_apart_names_all_causes(void **state) {
    (void)state;
#define BY_PAIR "policy separate of the pair (weft_graph_pair_state)"
#define BY_PROGRAM "state_policy separate of the program (weft_program_compile_params)"
    static const struct {
        enum weft_state_policy pair, program;
        const char *has[6], *lacks[4];
    } cases[] = {
        {WEFT_STATE_SEPARATE,
         WEFT_STATE_AS_DECLARED,
         {"because of " BY_PAIR "; compile with policy in_place, ping_pong or double, or run once at a time"},
         {"state_policy"}},
        {WEFT_STATE_IN_PLACE,
         WEFT_STATE_SEPARATE,
         {"because of " BY_PROGRAM "; compile with state_policy in_place, ping_pong or double, or run once"},
         {"of the pair"}},
        {WEFT_STATE_SEPARATE,
         WEFT_STATE_SEPARATE,
         {"because of " BY_PAIR " and " BY_PROGRAM "; compile with state_policy in_place"},
         {NULL}},
    };
    weft_device *device = open_device();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weft_program *p = compile_paired(device, cases[i].pair, cases[i].program);
        weft_session *s, *none_made;
        static const char *const tensors[] = {"past 'past_0' with present 'present_0'",
                                              " and past 'past_1' with present 'present_1'", NULL};
        api_must(weft_session_create(p, NULL, &s));
        api_must(weft_session_run_blocking(s, 1)); // one at a time is fine
        api_fails(weft_session_run(s, 3, NULL), WEFT_ERR_INVALID, "3 runs in one submit: ");
        has_words(tensors, true);
        has_words(cases[i].has, true);
        has_words(cases[i].lacks, false);
        struct weft_session_params replay = {.replay = true};
        api_fails(weft_session_create(p, &replay, &none_made), WEFT_ERR_INVALID, "a session made for replay: ");
        assert_null(none_made);
        has_words(tensors, true);
        has_words(cases[i].has, true);
        weft_session_destroy(&s);
        weft_program_destroy(&p);
    }
    weft_device_close(&device);
}

static void shared_pairs_replay(void **state) {
    (void)state;
    weft_device *device = open_device();
    for (int i = 0; i < 3; i++) {
        weft_program *p = compile_paired(device, policies[i], WEFT_STATE_AS_DECLARED);
        weft_session *s;
        struct weft_session_params replay = {.replay = true};
        struct weft_tensor_info info;
        api_must(weft_session_create(p, &replay, &s));
        api_must(weft_session_run_blocking(s, 3));
        api_must(weft_session_tensor(s, "past_0", &info));
        assert_int_equal(info.bytes, 4 * 8 * 4);
        api_fails(weft_session_tensor(s, "present_0", &info), WEFT_ERR_NOT_FOUND, "present_0");
        weft_session_destroy(&s);
        weft_program_destroy(&p);
    }
    weft_device_close(&device);
}

/// Five pairs: the first four by name, the others counted.
static void many_pairs_are_summed_up(void **state) {
    (void)state;
    weft_device *device = open_device();
    weft_graph *g;
    weft_program *p;
    weft_session *s;
    weft_value in, out;
    size_t n;
    api_must(weft_graph_new(&g));
    for (int i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "k%d.in", i * 10);
        api_must(weft_graph_add_input(g, name, WEFT_F32, "4", &in));
        api_must(weft_graph_add_op(g, "neg", &in, 1, NULL, &out));
        snprintf(name, sizeof name, "k%d.out", i * 10);
        api_must(weft_graph_add_output(g, out, name));
    }
    api_must(weft_graph_pair_states(g, "k%d.in", "k%d.out", WEFT_STATE_DENSE, WEFT_STATE_SEPARATE, &n));
    assert_int_equal(n, 6);
    api_must(weft_program_compile(device, &g, NULL, &p));
    api_must(weft_session_create(p, NULL, &s));
    api_fails(weft_session_run(s, 2, NULL), WEFT_ERR_INVALID, "past 'k30.in' with present 'k30.out' and 2 more");
    weft_session_destroy(&s);
    weft_program_destroy(&p);
    weft_device_close(&device);
}

/// One pair apart is enough to be refused.
static void one_pair_is_refused(void **state) {
    (void)state;
    static const char text[] = "input past f32 [4]\n%0 = neg %past\noutput %0 present\n";
    weft_device *device = open_device();
    for (int by_program = 0; by_program < 2; by_program++) {
        weft_graph *g;
        weft_program *p;
        weft_session *s;
        struct weft_program_compile_params params = {.state_policy =
                                                         by_program ? WEFT_STATE_SEPARATE : WEFT_STATE_AS_DECLARED};
        api_must(weft_graph_parse_text(text, strlen(text), &g));
        api_must(weft_graph_pair_state(g, "past", "present", WEFT_STATE_DENSE,
                                       by_program ? WEFT_STATE_IN_PLACE : WEFT_STATE_SEPARATE));
        api_must(weft_program_compile(device, &g, &params, &p));
        api_must(weft_session_create(p, NULL, &s));
        api_fails(weft_session_run(s, 2, NULL), WEFT_ERR_INVALID, "past 'past' with present 'present' because of ");
        weft_session_destroy(&s);
        weft_program_destroy(&p);
    }
    weft_device_close(&device);
}

// ---- memory --------------------------------------------------------------------------------------------------------

static void running_out_of_memory(void **state) {
    (void)state;
    int64_t live = weft_alloc_stats().live;
    weft_gpu *gpu = open_null();
    weft_program *p = NULL;
    weft_status status = WEFT_ERR_NOMEM;
    api_must(policy_program(gpu, policy_graph, WEFT_STATE_PING_PONG, &p));
    uint64_t bytes = count(gpu).buffer_bytes_live;
    for (uint64_t n = 1; status != WEFT_OK; n++) {
        weft_session *s = NULL;
        assert_true(n < 2000);
        weft_alloc_fail_at(n, 1);
        status = weft_session_create(p, NULL, &s);
        weft_alloc_fail_at(0, 0);
        if (status != WEFT_OK) assert_int_equal(status, WEFT_ERR_NOMEM);
        if (status != WEFT_OK) assert_null(s);
        weft_session_destroy(&s);
        assert_int_equal(count(gpu).buffer_bytes_live, bytes);
    }
    weft_program_destroy(&p);
    weft_gpu_close(&gpu);
    assert_true(weft_alloc_stats().live == live);
}

static void public_calls_refuse_what_is_wrong(void **state) {
    (void)state;
    weft_graph *g;
    weft_value s, x;
    api_must(weft_graph_new(&g));
    api_must(weft_graph_add_state(g, "s", WEFT_STATE_DENSE, WEFT_F32, "4", &s));
    api_must(weft_graph_add_input(g, "x", WEFT_F32, "4", &x));
    api_must(weft_graph_state_policy(g, s, WEFT_STATE_DOUBLE));
    api_fails(weft_graph_verify(g), WEFT_ERR_INVALID, "is written by no operator");
    api_must(weft_graph_add_op(g, "state_write", (weft_value[]){s, x}, 2, NULL, &s));
    api_must(weft_graph_verify(g));
    api_fails(weft_graph_state_policy(NULL, s, WEFT_STATE_DOUBLE), WEFT_ERR_INVALID, "graph must not be NULL");
    api_fails(weft_graph_pair_states(g, "p%d", NULL, WEFT_STATE_DENSE, WEFT_STATE_DOUBLE, NULL), WEFT_ERR_INVALID,
              "present must not be NULL");
    weft_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_told_before_it_is_taken),
        cmocka_unit_test(steady_state_makes_nothing),
        cmocka_unit_test(states_are_written_once_a_run),
        cmocka_unit_test(a_skipped_writer_is_refused),
        cmocka_unit_test(replay_apart_names_all_causes),
        cmocka_unit_test(shared_pairs_replay),
        cmocka_unit_test(many_pairs_are_summed_up),
        cmocka_unit_test(running_out_of_memory),
        cmocka_unit_test(one_pair_is_refused),
        cmocka_unit_test(public_calls_refuse_what_is_wrong),
    };
    return cmocka_run_group_tests_name("exec/policy", tests, NULL, NULL);
}
