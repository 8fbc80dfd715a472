/// The sampler's kernels against its host reference: the same token, bit for bit, over vocabularies and settings;
/// several runs in one submit; what stops them. argmax and nll against theirs.
#include "core/alloc.h"
#include "ops/ops.h"
#include "ops/sample.h"
#include "support/graph_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const struct weft_op weft_op_advance, weft_op_argmax, weft_op_nll, weft_op_sample;
static const struct weft_op *const rows[] = {&weft_op_advance, &weft_op_argmax, &weft_op_nll, &weft_op_sample, NULL};
static const struct weft_op_set ops = {.ops = rows, .families = &weft_op_families};

static uint64_t seed;
static uint32_t next(void) { // a small generator of its own: splitmix
    uint64_t z = seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}
static float uniform(void) { return (float)(next() >> 8) * 0x1p-24f; }
static float bell(void) { return (uniform() + uniform() + uniform() + uniform() - 2) * 1.7f; }

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        if ((call) != WEFT_OK) fail_msg("%s: %s", #call, weft_error_message());                                        \
    } while (0)

static struct weft_type type(struct weft_graph *g, weft_dtype dtype, int64_t a, int64_t b) {
    struct weft_type t = {.dtype = dtype, .rank = (uint32_t)(a > 0) + (b > 0)};
    if (a > 0) t.dims[0] = weft_dim_const(g->dims, a);
    if (b > 0) t.dims[1] = weft_dim_const(g->dims, b);
    return t;
}

enum { RING = 8 };

/// A session of a graph that only advances and samples; logits [R, v], R in 0..2.
static weft_session *sampler(uint32_t v, int greedy, bool checker, weft_program **program) {
    struct weft_graph *g;
    weft_value in[12], pos, outs[6], logits;
    OK(weft_graph_create(&ops, &g));
    OK(weft_graph_state(g, "counts", type(g, WEFT_U32, v, 0), WEFT_STATE_DENSE, &in[0]));
    OK(weft_graph_state(g, "ring", type(g, WEFT_U32, RING, 0), WEFT_STATE_DENSE, &in[1]));
    OK(weft_graph_state(g, "tokens", type(g, WEFT_I32, 3, 0), WEFT_STATE_DENSE, &in[2]));
    static const char *const variables[] = {"token", "n_out", "rng", "pos", "n_max", "pos_max"};
    static const uint8_t at[] = {3, 4, 5, 9, 10, 11};
    for (int i = 0; i < 6; i++) OK(weft_graph_var(g, variables[i], WEFT_U32, 0, UINT32_MAX, &in[at[i]]));
    struct weft_type t = type(g, WEFT_F32, v, v);
    t.dims[0] = weft_dim_symbol(g->dims, "R", 0, 2);
    OK(weft_graph_input(g, "logits", t, &logits));
    in[6] = logits;
    OK(weft_graph_state(g, "sampling", type(g, WEFT_U32, 16, 0), WEFT_STATE_DENSE, &in[7]));
    OK(weft_graph_state(g, "stops", type(g, WEFT_U32, 4, 0), WEFT_STATE_DENSE, &in[8]));
    struct weft_arg by = {.name = "by", .d = weft_dim_const(g->dims, 1)}, arg = {.name = "greedy", .x = greedy};
    OK(weft_graph_add(g, &weft_op_advance, "advance", &in[9], 1, &by, 1, &pos));
    in[9] = pos;
    OK(weft_graph_add(g, &weft_op_sample, "sample", in, 12, &arg, 1, outs));
    weft_session *session;
    OK(weft_program_create(weft_test_gpu(), g, &(struct weft_program_params){0}, program));
    OK(weft_session_create(*program, &(struct weft_session_params){.checker = checker}, &session));
    OK(weft_session_resize(session, (int64_t[]){1}));
    return session;
}

/// What the host knows of the session's states.
struct model {
    uint32_t *counts, ring[RING], token, n_out, rng, pos, n_max, pos_max, active, stops[4], words[WEFT_SAMPLE_WORDS], v;
    const float *logits;
};

static void model_run(struct model *m) {
    if (!m->active) return;
    m->pos++;
    OK(weft_sample_pick(m->words, m->logits, m->counts, m->v, m->rng, &m->token));
    uint32_t window = m->words[WEFT_SAMPLE_WINDOW];
    if (window && m->n_out >= window) {
        uint32_t old = m->ring[(m->n_out - window) % RING];
        if (old < m->v && m->counts[old]) m->counts[old]--;
    }
    if (m->token == WEFT_SAMPLE_NONE) m->active = 0;
    else m->counts[m->token]++;
    m->ring[m->n_out % RING] = m->token;
    m->n_out++;
    m->rng++;
    for (uint32_t i = 0; i < m->stops[0]; i++)
        if (m->stops[1 + i] == m->token) m->active = 0;
    if (m->n_out >= m->n_max || m->pos >= m->pos_max) m->active = 0;
}

static void write_model(weft_session *s, const struct model *m) {
    OK(weft_session_write(s, "logits", 0, m->logits, m->v * 4ull));
    OK(weft_session_write(s, "counts", 0, m->counts, m->v * 4ull));
    OK(weft_session_write(s, "sampling", 0, m->words, sizeof m->words));
    OK(weft_session_write(s, "stops", 0, m->stops, sizeof m->stops));
    OK(weft_session_set_var(s, "n_out", m->n_out));
    OK(weft_session_set_var(s, "rng", m->rng));
    OK(weft_session_set_var(s, "pos", m->pos));
    OK(weft_session_set_var(s, "n_max", m->n_max));
    OK(weft_session_set_var(s, "pos_max", m->pos_max));
    OK(weft_session_set_active(s, m->active));
}

static bool agrees(weft_session *s, const struct model *m, const char *what) {
    const struct {
        const char *name;
        uint32_t want;
    } vars[] = {{"token", m->token}, {"n_out", m->n_out}, {"rng", m->rng}, {"pos", m->pos}};
    bool ok = true, active;
    OK(weft_session_get_active(s, &active));
    if (active != m->active) {
        print_message("%s: active is %d, not %u\n", what, active, m->active);
        ok = false;
    }
    for (size_t i = 0; i < sizeof vars / sizeof *vars; i++) {
        uint32_t got;
        OK(weft_session_get_var(s, vars[i].name, &got));
        if (got != vars[i].want)
            ok = false,
            printf("%s, vocabulary %u: %s is %u, should be %u\n", what, m->v, vars[i].name, got, vars[i].want);
    }
    uint32_t *counts = weft_alloc(m->v * 4ull), ring[RING], tokens[3];
    OK(weft_session_read(s, "counts", 0, counts, m->v * 4ull));
    OK(weft_session_read(s, "ring", 0, ring, sizeof ring));
    OK(weft_session_read(s, "tokens", 0, tokens, sizeof tokens));
    if (memcmp(counts, m->counts, m->v * 4ull)) ok = false, printf("%s, vocabulary %u: counts differ\n", what, m->v);
    for (uint32_t i = 0; i < RING && i < m->n_out; i++)
        if (ring[i] != m->ring[i])
            ok = false, printf("%s, vocabulary %u: ring[%u] is %u, should be %u\n", what, m->v, i, ring[i], m->ring[i]);
    uint32_t fed = m->token == WEFT_SAMPLE_NONE ? 0 : m->token;
    if (tokens[0] != fed || tokens[1] || tokens[2]) ok = false, printf("%s: tokens\n", what);
    weft_free(counts);
    return ok;
}

static void fill_logits(float *x, uint32_t v, int kind) {
    for (uint32_t i = 0; i < v; i++) {
        float b = bell();
        x[i] = kind == 0   ? 3 * b
               : kind == 1 ? 40 * b
               : kind == 2 ? roundf(2 * b)
               : kind == 3 ? 1.5f
               : kind == 4 ? 1e-3f * b
                           : b;
        if (kind == 5 && uniform() < 0.3f) x[i] = NAN;
        if (kind == 6) x[i] = uniform() < 0.5f ? -INFINITY : b;
        if (kind == 7) x[i] = NAN;
    }
    if (kind == 6) x[next() % v] = INFINITY;
}

static struct weft_sample_settings random_settings(void) {
    static const float temperatures[] = {0, 0.3f, 0.8f, 1, 1.5f, 20}, top_ps[] = {0, 0.1f, 0.5f, 0.95f, 1, 1},
                       min_ps[] = {0, 0, 0.05f, 0.5f, 1};
    static const uint32_t top_ks[] = {0, 0, 1, 5, 40, 1000};
    struct weft_sample_settings s = {.temperature = temperatures[next() % 6],
                                     .top_p = top_ps[next() % 6],
                                     .min_p = min_ps[next() % 5],
                                     .top_k = top_ks[next() % 6],
                                     .repetition = 1,
                                     .seed = (uint64_t)next() << 32 | next(),
                                     .window = next() % 4};
    // Powers of two: products are exact, so it does not matter whether a device fuses them.
    if (next() & 1) s.repetition = 2, s.frequency = 0.5f, s.presence = 0.25f;
    return s;
}

static void run_vocabulary(uint32_t v, int greedy, bool checker, int cases) {
    weft_program *program;
    weft_session *session = sampler(v, greedy, checker, &program);
    float *x = weft_alloc(v * sizeof *x);
    int bad = 0;
    for (int i = 0; i < cases; i++) {
        struct model m = {.counts = weft_calloc(v, 4),
                          .rng = next(),
                          .n_max = 3 + next() % 9,
                          .pos_max = 1000,
                          .active = i % 13 != 12,
                          .v = v,
                          .logits = x};
        if (next() % 4 == 0) m.pos_max = 2;
        for (uint32_t k = 0; k < v; k++) m.counts[k] = uniform() < 0.1f ? 1 + next() % 3 : 0;
        m.stops[0] = next() % 4;
        for (int k = 1; k < 4; k++) m.stops[k] = next() % v;
        fill_logits(x, v, i % 8);
        struct weft_sample_settings s = random_settings();
        OK(weft_sample_pack(&s, m.words));
        OK(weft_session_reset(session));
        write_model(session, &m);
        if (greedy) m.words[WEFT_SAMPLE_FLAGS] &= ~(uint32_t)WEFT_SAMPLE_DRAW;
        uint32_t runs = 1 + next() % 6;
        OK(weft_session_run(session, runs, NULL));
        for (uint32_t k = 0; k < runs; k++) model_run(&m);
        char what[160];
        snprintf(what, sizeof what, "case %d: T %g k %u p %g m %g, %u runs", i, (double)s.temperature, s.top_k,
                 (double)s.top_p, (double)s.min_p, runs);
        bad += !agrees(session, &m, what);
        weft_free(m.counts);
    }
    weft_free(x);
    weft_session_destroy(&session);
    weft_program_destroy(&program);
    assert_int_equal(bad, 0);
}

/// SwiftShader takes minutes for 70,000 workgroups, and seconds to compile the kernels of one vocabulary.
static bool thin(void) { return weft_test_thin(); }

static void samples_as_the_host(void **state) {
    (void)state;
    static const uint32_t sizes[] = {1, 2, 257, 1000, 32000};
    if (thin()) {
        run_vocabulary(32000, 0, false, 18);
        return;
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) run_vocabulary(sizes[i], 0, false, 18);
    run_vocabulary(262144, 0, false, 6);
}

static void greedy_program_samples_as_the_host(void **state) {
    (void)state;
    static const uint32_t sizes[] = {8193, 1};
    for (size_t i = 0; i < (thin() ? 1 : sizeof sizes / sizeof *sizes); i++) run_vocabulary(sizes[i], 1, false, 16);
}

static void checker_samples_as_the_host(void **state) {
    (void)state;
    run_vocabulary(1000, 0, true, 10);
}

static void rows_of_logits(void **state) {
    (void)state;
    weft_program *program;
    weft_session *session = sampler(300, 0, false, &program);
    float x[600];
    struct model m = {
        .counts = weft_calloc(300, 4), .n_max = 100, .pos_max = 100, .active = 1, .v = 300, .logits = x + 300};
    struct weft_sample_settings s = {.temperature = 1, .top_p = 1, .repetition = 1};
    OK(weft_sample_pack(&s, m.words));
    for (int i = 0; i < 600; i++) x[i] = bell();
    OK(weft_session_resize(session, (int64_t[]){2}));
    write_model(session, &m);
    OK(weft_session_write(session, "logits", 0, x, sizeof x));
    OK(weft_session_run(session, 1, NULL));
    model_run(&m);
    assert_true(agrees(session, &m, "the last of two rows"));
    OK(weft_session_resize(session, (int64_t[]){0}));
    OK(weft_session_run(session, 2, NULL));
    m.pos += 2; // advance runs, sample does not
    assert_true(agrees(session, &m, "no row"));
    m.token ^= 1; // negative control
    assert_false(agrees(session, &m, "negative control (a difference is expected)"));
    weft_free(m.counts);
    weft_session_destroy(&session);
    weft_program_destroy(&program);
}

// ---- argmax and nll
// ----------------------------------------------------------------------------------------------------

static double *eval_out; // what the host reference works on
static const float *eval_x;
static const int32_t *eval_target;
static double *eval_data[2];

static weft_status leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *t) {
    (void)user;
    (void)v;
    int which = info->name[0] == 'y';
    int64_t n = weft_host_count(t);
    eval_data[which] = weft_realloc(eval_data[which], (size_t)(n + 1) * sizeof(double));
    for (int64_t i = 0; i < n; i++) eval_data[which][i] = which ? (double)eval_target[i] : (double)eval_x[i];
    t->data = eval_data[which];
    return WEFT_OK;
}

static weft_status each(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    (void)user;
    (void)v;
    if (info->is_output) memcpy(eval_out, t->data, (size_t)weft_host_count(t) * sizeof *eval_out);
    return WEFT_OK;
}

/// One node over x [r, n] as an own graph; R is a symbol up to r.
static struct weft_graph *node_graph(const struct weft_op *op, int64_t r, int64_t n, bool target) {
    struct weft_graph *g;
    weft_value in[2], out;
    OK(weft_graph_create(&ops, &g));
    struct weft_type t = type(g, WEFT_F32, r, n);
    t.dims[0] = weft_dim_symbol(g->dims, "R", 0, r);
    OK(weft_graph_input(g, "x", t, &in[0]));
    t.rank = 1;
    t.dtype = WEFT_I32;
    if (target) OK(weft_graph_input(g, "y", t, &in[1]));
    OK(weft_graph_add(g, op, "node", in, target ? 2 : 1, NULL, 0, &out));
    OK(weft_graph_output(g, out, "out"));
    return g;
}

/// Largest error of the session's output against the host: a difference of indices, or nll's error. That is measured in
/// 0.1 + the value: below, x - max decides, which f32 rounds before anything else happens.
static double error_of(weft_session *session, const struct weft_graph *g, int64_t r, int64_t n, bool target) {
    OK(weft_graph_eval(g, &(struct weft_eval_params){.symbols = (int64_t[]){r}, .leaf = leaf, .each = each}));
    OK(weft_session_write(session, "x", 0, eval_x, (uint64_t)(r * n) * 4));
    if (target) OK(weft_session_write(session, "y", 0, eval_target, (uint64_t)r * 4));
    OK(weft_session_run(session, 1, NULL));
    uint32_t *got = weft_alloc((size_t)r * 4);
    OK(weft_session_read(session, "out", 0, got, (uint64_t)r * 4));
    double worst = 0;
    for (int64_t i = 0; i < r; i++) {
        float f;
        memcpy(&f, &got[i], 4);
        double a = target ? (double)f : got[i], b = eval_out[i];
        double error = fabs(a - b) / (target ? 0.1 + b : 1);
        if (isnan(a) || isnan(b)) error = isnan(a) && isnan(b) ? 0 : INFINITY;
        if (error > worst) worst = error;
    }
    weft_free(got);
    return worst;
}

static void run_rows(const struct weft_op *op, int64_t r, int64_t n, bool with_target) {
    weft_program *program;
    weft_session *session;
    float *x = weft_alloc((size_t)(r * n) * 4);
    int32_t *target = weft_alloc((size_t)r * 4);
    eval_out = weft_calloc((size_t)r, sizeof *eval_out);
    eval_x = x;
    eval_target = target;
    struct weft_graph *g = node_graph(op, r, n, with_target);
    struct weft_graph *consumed = node_graph(op, r, n, with_target);
    OK(weft_program_create(weft_test_gpu(), consumed, &(struct weft_program_params){0}, &program));
    OK(weft_session_create(program, NULL, &session));
    for (int kind = 0; kind < (r > 1000 ? 1 : 8); kind++) {
        fill_logits(x, (uint32_t)(r * n), kind);
        for (int64_t k = 0; k < r; k++) target[k] = (int32_t)(next() % (uint32_t)(n + 4)) - 2;
        for (int64_t live = r; live > 0; live /= r > 1000 ? 40 : 2) {
            OK(weft_session_resize(session, (int64_t[]){live}));
            double error = error_of(session, g, live, n, with_target);
            if (error > (with_target ? 1e-6 : 0))
                fail_msg("%s [%d, %d], kind %d: error %g", op->name, (int)live, (int)n, kind, error);
        }
    }
    for (int i = 0; i < 2; i++) {
        weft_free(eval_data[i]);
        eval_data[i] = NULL;
    }
    weft_graph_destroy(g);
    weft_session_destroy(&session);
    weft_program_destroy(&program);
    weft_free(eval_out);
    weft_free(x);
    weft_free(target);
}

static void argmax_and_nll(void **state) {
    (void)state;
    static const int64_t shapes[][2] = {{1, 1}, {5, 255}, {70000, 3}, {4, 8192}, {2, 20001}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (thin() && shapes[i][0] > 1000) continue;
        run_rows(&weft_op_argmax, shapes[i][0], shapes[i][1], false);
        run_rows(&weft_op_nll, shapes[i][0], shapes[i][1], true);
    }
}

int main(void) {
    if (!weft_test_gpu()) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(samples_as_the_host),
                                       cmocka_unit_test(greedy_program_samples_as_the_host),
                                       cmocka_unit_test(checker_samples_as_the_host), cmocka_unit_test(rows_of_logits),
                                       cmocka_unit_test(argmax_and_nll)};
    cmocka_set_test_filter(getenv("WEFT_TEST_CASE")); // NULL: all
    return cmocka_run_group_tests_name("sample on the device", tests, NULL, NULL);
}
