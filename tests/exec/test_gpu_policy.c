/// Policies of states: in place, ping-pong and double give the same bits, replayed and in checker mode, whatever a
/// caller does between runs and wherever runs are not active; every run happens once; and the tests notice a session
/// whose buffers do not take turns.
#include "support/lm_program.h"
#include "support/policy_graph.h"

#include "core/alloc.h"
#include "core/error.h"
#include "exec/session_test.h"
#include "core/half.h"
#include "support/graph_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { RUNS = 5, POLICIES = 3, PAIRS = 2 * POLICIES };
static const enum weft_state_policy policies[POLICIES] = {WEFT_STATE_IN_PLACE, WEFT_STATE_PING_PONG, WEFT_STATE_DOUBLE};
static weft_program *programs[POLICIES];

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static weft_session *begin(int policy, bool checker) {
    weft_session *s = NULL;
    struct weft_session_params params = {.checker = checker, .max_runs = RUNS, .replay = true};
    must(weft_session_create(programs[policy], &params, &s));
    return s;
}

// ---- moves ---------------------------------------------------------------------------------------------------------

/// What a caller does to each session between two looks at them.
struct move {
    int64_t symbols[POLICY_SYMBOLS];
    uint32_t runs;
    bool reset, wake, sleep, poke; ///< a reset, active set or cleared, a state written by the host
    float x[24], decay[6], beta[6], u[24], poked[24];
    uint16_t uh[16];
};

static float uniform(uint64_t *seed, double lo, double hi) {
    return (float)(lo + (hi - lo) * weft_test_random(seed, 1u << 20) / (1u << 20));
}

static struct move draw(uint64_t *seed) {
    struct move m = {.symbols = {weft_test_random(seed, 4), 0}, .runs = 1 + weft_test_random(seed, RUNS)};
    for (int i = 0; i < 24; i++) {
        m.x[i] = uniform(seed, -0.5, 0.5);
        m.u[i] = uniform(seed, -1, 1);
        m.poked[i] = uniform(seed, -1, 1);
    }
    for (int i = 0; i < 6; i++) {
        m.decay[i] = uniform(seed, -1, 0);
        m.beta[i] = uniform(seed, 0, 1);
    }
    for (int i = 0; i < 15; i++) m.uh[i] = weft_f32_to_f16(uniform(seed, -1, 1));
    m.reset = weft_test_random(seed, 25) == 0;
    m.wake = weft_test_random(seed, 3) == 0;
    m.sleep = weft_test_random(seed, 12) == 0;
    m.poke = weft_test_random(seed, 8) == 0;
    if (weft_test_random(seed, 6) == 0) m.symbols[POLICY_S] = POLICY_STOP;
    return m;
}

static void apply(weft_session *s, const struct move *m) {
    uint64_t t = (uint64_t)m->symbols[POLICY_T];
    if (m->reset) must(weft_session_reset(s));
    if (m->wake) must(weft_session_set_active(s, 1));
    if (m->sleep) must(weft_session_set_active(s, 0));
    if (m->poke) must(weft_session_write(s, "s", 0, m->poked, sizeof m->poked));
    must(weft_session_resize(s, m->symbols));
    must(weft_session_write(s, "x", 0, m->x, t * 32));
    must(weft_session_write(s, "decay", 0, m->decay, t * 8));
    must(weft_session_write(s, "beta", 0, m->beta, t * 8));
    must(weft_session_write(s, "u", 0, m->u, sizeof m->u));
    must(weft_session_write(s, "uh", 0, m->uh, sizeof m->uh));
    must(weft_session_run(s, m->runs, NULL));
}

/// Random moves until so many runs were made: the number of the first run after which two sessions differ, 0 if none
/// does. *idle counts the runs that began while the first session was not active.
static uint32_t mixed(weft_session **sessions, int n, uint32_t runs, uint64_t seed, uint32_t *idle) {
    for (uint32_t done = 0; done < runs;) {
        struct move m = draw(&seed);
        bool active;
        for (int i = 0; i < n; i++) apply(sessions[i], &m);
        must(weft_session_get_active(sessions[0], &active));
        *idle += active ? 0 : m.runs;
        done += m.runs;
        for (int i = 1; i < n; i++) {
            const char *name = weft_test_differ(sessions[0], sessions[i], true);
            if (!name) continue;
            print_message("after %u runs: %s of session %d differs\n", done, name, i);
            return done;
        }
    }
    return 0;
}

// ---- tests ---------------------------------------------------------------------------------------------------------

static void all_policies_and_checkers_agree(void **state) {
    (void)state;
    weft_session *s[PAIRS];
    uint32_t idle = 0;
    for (int i = 0; i < PAIRS; i++) s[i] = begin(i % POLICIES, i >= POLICIES);
    assert_int_equal(mixed(s, PAIRS, 200, 11, &idle), 0);
    assert_in_range(idle, 20, 180);
    for (int i = 0; i < PAIRS; i++) weft_session_destroy(&s[i]);
}

/// The seed of faults in other systems: bindings that do not follow when the buffers change roles.
static void fixed_parity_is_noticed(void **state) {
    (void)state;
    weft_session *s[2] = {begin(0, false), begin(1, false)};
    uint32_t idle = 0;
    weft_session_test_parity(s[1], true);
    assert_in_range(mixed(s, 2, 200, 3, &idle), 1, 20);
    weft_session_destroy(&s[0]);
    weft_session_destroy(&s[1]);
}

static bool notices(int policy, uint32_t step, uint32_t word) {
    weft_session *s[2] = {begin(policy, true), begin(policy, false)};
    uint32_t idle = 0;
    weft_session_test_word(s[1], step, word);
    bool noticed = mixed(s, 2, 60, 5, &idle) != 0;
    weft_session_destroy(&s[0]);
    weft_session_destroy(&s[1]);
    return noticed;
}

/// Each step that moves a state has a word that must not be wrong, under each policy.
static void wrong_words_are_noticed(void **state) {
    (void)state;
    if (weft_test_sanitized()) skip(); // hundreds of sessions, all of which do what the others do
    for (int p = 0; p < POLICIES; p++) {
        const struct weft_schedule *sc = &weft_program_plan(programs[p])->schedules[0];
        for (uint32_t i = 0; i < sc->n_steps; i++) {
            const struct weft_step *step = &sc->steps[i];
            bool noticed = strcmp(step->kernel->name, "move") != 0;
            for (uint32_t w = step->bound.n_words; w-- > 0 && !noticed;) noticed = notices(p, i, w);
            // Wide operands have slack in their offsets, and a commit reads no variable.
            if (!noticed && !step->copy.kind) fail_msg("no wrong word of step '%s' is noticed", step->label);
        }
    }
}

static uint32_t counter(weft_session *s) {
    uint32_t n;
    must(weft_session_read(s, "n", 0, &n, 4));
    return n;
}

/// A state that each run raises by one: after n runs, in whatever submits, it is n.
static void every_run_happens_once(void **state) {
    (void)state;
    static const uint32_t groups[] = {1, 2, 1, 3, 5, 4, 1, 1, 2, 5, 3};
    for (int i = 0; i < PAIRS; i++) {
        weft_session *s = begin(i % POLICIES, i >= POLICIES);
        int64_t symbols[POLICY_SYMBOLS] = {1, 0};
        uint32_t n = 0;
        must(weft_session_resize(s, symbols));
        for (size_t k = 0; k < sizeof groups / sizeof *groups; k++) {
            must(weft_session_run(s, groups[k], NULL));
            n += groups[k];
            if (k % 3 == 2) assert_int_equal(counter(s), n);
        }
        assert_int_equal(counter(s), n);
        symbols[POLICY_S] = POLICY_STOP; // the first of four clears active, which counts; three leave no trace
        must(weft_session_resize(s, symbols));
        must(weft_session_run(s, 4, NULL));
        assert_int_equal(counter(s), n + 1);
        must(weft_session_run(s, 3, NULL));
        assert_int_equal(counter(s), n + 1);
        must(weft_session_set_active(s, 1));
        must(weft_session_run(s, 1, NULL));
        assert_int_equal(counter(s), n + 2);
        must(weft_session_reset(s));
        assert_int_equal(counter(s), 0);
        weft_session_destroy(&s);
    }
}

/// Snapshots and forks hold what the session holds now, in whichever buffer it lies.
static void forks_and_snapshots_at_odd_runs(void **state) {
    (void)state;
    for (int p = 0; p < POLICIES; p++) {
        for (uint32_t before = 1; before <= 2; before++) {
            weft_session *s = begin(p, false), *fork;
            weft_snapshot *device, *host;
            uint64_t seed = 40 + before;
            struct move first = draw(&seed), next = draw(&seed);
            first.reset = first.sleep = next.reset = next.sleep = false;
            first.runs = before;
            next.runs = 3;
            apply(s, &first);
            must(weft_session_fork(s, &fork));
            must(weft_session_snapshot(s, WEFT_SNAPSHOT_DEVICE, &device));
            must(weft_session_snapshot(s, WEFT_SNAPSHOT_HOST, &host));
            apply(s, &next);
            assert_non_null(weft_test_differ(s, fork, false));
            apply(fork, &next);
            assert_null(weft_test_differ(s, fork, true));
            must(weft_session_restore(fork, device));
            apply(fork, &next);
            assert_null(weft_test_differ(s, fork, true));
            must(weft_session_run(fork, 1, NULL));
            must(weft_session_restore(fork, host));
            apply(fork, &next);
            assert_null(weft_test_differ(s, fork, true));
            weft_snapshot_destroy(&device);
            weft_snapshot_destroy(&host);
            weft_session_destroy(&fork);
            weft_session_destroy(&s);
        }
    }
}

// ---- the host reference --------------------------------------------------------------------------------------------

struct reference {
    double *data[64];
    int64_t n[64];
};

static weft_status leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *out) {
    struct reference *r = user;
    (void)info;
    out->data = r->data[v];
    return WEFT_OK;
}

static void set_floats(struct reference *r, const struct weft_graph *g, const char *name, const float *x, size_t n) {
    double *to = r->data[weft_graph_find(g, name)];
    for (size_t i = 0; i < n; i++) to[i] = (double)x[i];
}

static void give_leaves(struct reference *r, const struct weft_graph *g, const struct move *m) {
    const void *w;
    uint64_t bytes;
    size_t t = (size_t)m->symbols[POLICY_T];
    policy_weight(NULL, "w", &w, &bytes);
    set_floats(r, g, "x", m->x, t * 8);
    set_floats(r, g, "decay", m->decay, t * 2);
    set_floats(r, g, "beta", m->beta, t * 2);
    set_floats(r, g, "u", m->u, 24);
    set_floats(r, g, "w", w, 32);
    for (int i = 0; i < 15; i++) r->data[weft_graph_find(g, "uh")][i] = weft_f16_to_f32(m->uh[i]);
}

/// Sixteen-bit states round in each run, which the recurrences damp; else a few ulp a run.
static void compare_state(weft_session *s, const struct weft_graph *g, const struct reference *r, const char *name) {
    weft_value v = weft_graph_find(g, name);
    bool half = g->values[v].type.dtype == WEFT_F16;
    uint8_t bytes[1024];
    must(weft_session_read(s, name, 0, bytes, ((uint64_t)r->n[v] * (half ? 2 : 4) + 3) & ~3ull));
    for (int64_t i = 0; i < r->n[v]; i++) {
        double x = half                                  ? weft_f16_to_f32(((uint16_t *)bytes)[i])
                   : g->values[v].type.dtype == WEFT_U32 ? ((uint32_t *)bytes)[i]
                                                         : ((float *)bytes)[i];
        if (!(fabs(x - r->data[v][i]) <= (half ? 2e-3 : 2e-5)))
            fail_msg("%s[%d] is %.9g, expected %.9g", name, (int)i, x, r->data[v][i]);
    }
}

static void states_follow_the_reference(void **state) {
    (void)state;
    for (int p = 0; p < POLICIES; p++) {
        weft_session *s = begin(p, false);
        struct weft_graph *g = NULL;
        struct reference r = {0};
        uint64_t seed = 99;
        must(weft_graph_parse(weft_ops(), policy_graph, strlen(policy_graph), &g));
        assert_true(g->n_values <= 64);
        for (size_t v = 0; v < g->n_values; v++) {
            r.data[v] = weft_calloc(256, sizeof(double));
            r.n[v] = 1;
            for (uint32_t a = 0; a < g->values[v].type.rank; a++) {
                int64_t lo, hi;
                weft_dim_bounds(g->dims, g->values[v].type.dims[a], &lo, &hi);
                r.n[v] *= hi;
            }
        }
        r.data[weft_graph_find(g, "gate")][0] = 1;
        for (int i = 0; i < 12; i++) {
            struct move m = draw(&seed);
            m.reset = m.sleep = m.poke = false;
            m.symbols[POLICY_S] = 0;
            apply(s, &m);
            give_leaves(&r, g, &m);
            struct weft_eval_params eval = {.symbols = m.symbols, .leaf = leaf, .user = &r};
            for (uint32_t k = 0; k < m.runs; k++) must(weft_graph_eval(g, &eval));
            static const char *const names[] = {"s", "h", "g", "n", "r", "c", "kc"};
            for (size_t k = 0; k < sizeof names / sizeof *names; k++) compare_state(s, g, &r, names[k]);
        }
        for (size_t v = 0; v < g->n_values; v++) weft_free(r.data[v]);
        weft_graph_destroy(g);
        weft_session_destroy(&s);
    }
}

static int setup(void **state) {
    (void)state;
    if (!weft_test_gpu()) return 1;
    for (int p = 0; p < POLICIES; p++) must(policy_program(weft_test_gpu(), policy_graph, policies[p], &programs[p]));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (int p = 0; p < POLICIES; p++) weft_program_destroy(&programs[p]);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_follow_the_reference), cmocka_unit_test(all_policies_and_checkers_agree),
        cmocka_unit_test(fixed_parity_is_noticed),     cmocka_unit_test(wrong_words_are_noticed),
        cmocka_unit_test(every_run_happens_once),      cmocka_unit_test(forks_and_snapshots_at_odd_runs),
    };
    return cmocka_run_group_tests_name("exec/policy", tests, setup, teardown);
}
