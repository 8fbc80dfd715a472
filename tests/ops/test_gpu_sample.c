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

// ---- several sequences
// --------------------------------------------------------------------------------------------

enum { SLOTS = 5, WORDS = 500, STEPS = 12 };

/// advance and sample by slot over WORDS tokens, at positions up to `last`.
static weft_session *slot_sampler(const char *attrs, uint32_t last, bool checker, weft_program **program) {
    char text[1600];
    struct weft_graph *g;
    weft_session *session;
    snprintf(text, sizeof text,
             "symbol R 0 %d\nstate counts dense u32 [%d, %d]\nstate ring dense u32 [%d, %d]\nvar on u32 [%d] 0 1\n"
             "var token u32 [%d] 0 4294967295\nvar n_out u32 [%d] 0 4294967295\nvar rng u32 [%d] 0 4294967295\n"
             "var pos u32 [%d] 0 %u\nvar n_max u32 [%d] 0 4294967295\nvar pos_max u32 [%d] 0 4294967295\n"
             "var count u32 [%d] 0 1\nstate sampling dense u32 [%d, 16]\nstate stops dense u32 [%d, 4]\n"
             "input logits f32 [R, %d]\ninput whose u32 [R]\n%%p = advance %%pos %%count %%on\n"
             "%%a %%b %%c %%d %%e %%f = sample %%counts %%ring %%on %%token %%n_out %%rng %%logits %%sampling %%stops "
             "%%p %%n_max %%pos_max %%whose%s\n",
             SLOTS, SLOTS, WORDS, SLOTS, RING, SLOTS, SLOTS, SLOTS, SLOTS, SLOTS, last, SLOTS, SLOTS, SLOTS, SLOTS,
             SLOTS, WORDS, attrs);
    OK(weft_graph_parse(weft_ops(), text, strlen(text), &g));
    OK(weft_program_create(weft_test_gpu(), g, &(struct weft_program_params){0}, program));
    OK(weft_session_create(*program, &(struct weft_session_params){.checker = checker}, &session));
    return session;
}

static const char *const slot_vars[] = {"token", "n_out", "rng", "pos", "n_max", "pos_max"};

/// Gives a sequence to slot `s`, and to a session of its own.
static void admit(weft_session *all, weft_session *alone, uint32_t s) {
    uint32_t counts[WORDS], words[WEFT_SAMPLE_WORDS], stops[4] = {next() % 4};
    const uint32_t vars[] = {0, 0, next(), next() % 3, 2 + next() % 9, 3 + next() % 9};
    struct weft_sample_settings settings = random_settings();
    OK(weft_sample_pack(&settings, words));
    for (uint32_t i = 0; i < WORDS; i++) counts[i] = uniform() < 0.1f ? 1 + next() % 3 : 0;
    for (int i = 1; i < 4; i++) stops[i] = next() % WORDS;
    const struct {
        const char *name;
        const void *data;
        uint64_t bytes;
    } states[] = {{"counts", counts, sizeof counts}, {"sampling", words, sizeof words}, {"stops", stops, sizeof stops}};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        OK(weft_session_write(all, states[i].name, s * states[i].bytes, states[i].data, states[i].bytes));
        OK(weft_session_write(alone, states[i].name, 0, states[i].data, states[i].bytes));
    }
    for (size_t i = 0; i < sizeof vars / sizeof *vars; i++) {
        OK(weft_session_set_var_at(all, slot_vars[i], s, vars[i]));
        OK(weft_session_set_var(alone, slot_vars[i], vars[i]));
    }
    OK(weft_session_set_var_at(all, "on", s, 1));
    OK(weft_session_set_active(alone, true));
}

/// What slot `s` holds is what its session alone holds, bit for bit.
static bool slot_agrees(weft_session *all, weft_session *alone, uint32_t s, uint32_t step) {
    uint32_t a, b, x[WORDS], y[WORDS];
    bool active, ok = true;
    for (size_t i = 0; i < sizeof slot_vars / sizeof *slot_vars; i++) {
        OK(weft_session_get_var_at(all, slot_vars[i], s, &a));
        OK(weft_session_get_var(alone, slot_vars[i], &b));
        if (a != b) ok = false, printf("step %u, slot %u: %s is %u, alone %u\n", step, s, slot_vars[i], a, b);
    }
    OK(weft_session_get_var_at(all, "on", s, &a));
    OK(weft_session_get_active(alone, &active));
    if (a != active) ok = false, printf("step %u, slot %u: activity is %u, alone %d\n", step, s, a, active);
    OK(weft_session_read(all, "counts", s * sizeof x, x, sizeof x));
    OK(weft_session_read(alone, "counts", 0, y, sizeof y));
    if (memcmp(x, y, sizeof x)) ok = false, printf("step %u, slot %u: counts differ\n", step, s);
    OK(weft_session_read(all, "ring", s * RING * 4ull, x, RING * 4ull));
    OK(weft_session_read(alone, "ring", 0, y, RING * 4ull));
    if (memcmp(x, y, RING * 4ull)) ok = false, printf("step %u, slot %u: ids differ\n", step, s);
    return ok;
}

/// A run in which some slots have a row, in any order, beside rows of nobody.
static void slots_step(weft_session *all, weft_session *const *alone, uint32_t step) {
    static float x[SLOTS * WORDS];
    uint32_t rows = next() % (SLOTS + 1), whose[SLOTS], order[SLOTS], kind = step % 8;
    for (uint32_t i = 0; i < SLOTS; i++) order[i] = i;
    for (uint32_t i = 0; i + 1 < SLOTS; i++) {
        uint32_t k = i + next() % (SLOTS - i), kept = order[i];
        order[i] = order[k], order[k] = kept;
    }
    for (uint32_t s = 0; s < SLOTS; s++) OK(weft_session_set_var_at(all, "count", s, 0));
    for (uint32_t r = 0; r < rows; r++) {
        fill_logits(x + r * WORDS, WORDS, (int)(kind == 7 && r ? 0 : kind)); // NaN alone in one row only
        whose[r] = next() % 5 ? order[r] : SLOTS + next() % 9;
        if (whose[r] >= SLOTS) continue;
        OK(weft_session_set_var_at(all, "count", whose[r], 1));
        OK(weft_session_write(alone[whose[r]], "logits", 0, x + r * WORDS, WORDS * 4));
        OK(weft_session_run(alone[whose[r]], 1, NULL));
    }
    OK(weft_session_resize(all, (int64_t[]){rows}));
    if (rows) OK(weft_session_write(all, "logits", 0, x, rows * WORDS * 4ull));
    if (rows) OK(weft_session_write(all, "whose", 0, whose, rows * 4ull));
    OK(weft_session_run(all, 1, NULL));
}

static int slots_against_alone(int greedy, bool checker) {
    weft_program *program, *one;
    weft_session *alone[SLOTS], *all = slot_sampler(greedy ? " {greedy=1}" : "", 99, checker, &program);
    int bad = 0;
    alone[0] = sampler(WORDS, greedy, false, &one);
    for (int s = 1; s < SLOTS; s++) OK(weft_session_create(one, NULL, &alone[s]));
    for (int s = 1; s < SLOTS; s++) OK(weft_session_resize(alone[s], (int64_t[]){1}));
    for (uint32_t s = 0; s < SLOTS; s++) admit(all, alone[s], s);
    for (uint32_t step = 0; step < STEPS; step++) {
        if (step % 4 == 3) admit(all, alone[step % SLOTS], step % SLOTS); // another sequence takes the slot
        slots_step(all, alone, step);
        for (uint32_t s = 0; s < SLOTS; s++) bad += !slot_agrees(all, alone[s], s, step);
    }
    bool active;
    OK(weft_session_get_active(all, &active));
    assert_true(active);                          // ends of slots are not the session's
    OK(weft_session_set_var(alone[1], "rng", 1)); // negative control
    assert_false(slot_agrees(all, alone[1], 1, 999));
    for (int s = 0; s < SLOTS; s++) weft_session_destroy(&alone[s]);
    weft_session_destroy(&all);
    weft_program_destroy(&program);
    weft_program_destroy(&one);
    return bad;
}

static void slots_sample_as_alone(void **state) {
    (void)state;
    int bad = 0;
    for (int round = 0; round < 3; round++) bad += slots_against_alone(0, false);
    if (!thin()) bad += slots_against_alone(1, false) + slots_against_alone(0, true);
    assert_int_equal(bad, 0);
}

/// Several runs of a submit: slots end where each would alone, those behind their ends ask nothing of the host.
static void slots_end_within_a_submit(void **state) {
    (void)state;
    weft_program *program;
    weft_session *s = slot_sampler(" {greedy=1}", 8, false, &program);
    static float x[SLOTS * WORDS];
    uint32_t whose[SLOTS], got;
    for (uint32_t i = 0; i < SLOTS * WORDS; i++) x[i] = bell();
    OK(weft_session_resize(s, (int64_t[]){SLOTS}));
    for (uint32_t i = 0; i < SLOTS; i++) {
        whose[i] = SLOTS - 1 - i;
        OK(weft_session_set_var_at(s, "count", i, 1));
        OK(weft_session_set_var_at(s, "on", i, i != 2));
        OK(weft_session_set_var_at(s, "n_max", i, 1 + 2 * i));
        OK(weft_session_set_var_at(s, "pos_max", i, i == 4 ? 4 : 99));
    }
    OK(weft_session_write(s, "whose", 0, whose, sizeof whose));
    OK(weft_session_write(s, "logits", 0, x, sizeof x));
    OK(weft_session_run(s, 6, NULL));
    static const uint32_t made[] = {1, 3, 0, 6, 4};
    for (uint32_t i = 0; i < SLOTS; i++) {
        OK(weft_session_get_var_at(s, "n_out", i, &got));
        assert_int_equal(got, made[i]);
        OK(weft_session_get_var_at(s, "pos", i, &got));
        assert_int_equal(got, made[i]);
        OK(weft_session_get_var_at(s, "on", i, &got));
        assert_int_equal(got, i == 3);
    }
    OK(weft_session_run(s, 2, NULL)); // the last one ends at position 7
    OK(weft_session_run(s, 2, NULL)); // to the host they might all have moved on beyond 8
    OK(weft_session_set_var_at(s, "on", 3, 1));
    assert_int_equal(weft_session_run(s, 2, NULL), WEFT_ERR_LIMIT);
    weft_session_destroy(&s);
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
                                       cmocka_unit_test(checker_samples_as_the_host),
                                       cmocka_unit_test(rows_of_logits),
                                       cmocka_unit_test(slots_sample_as_alone),
                                       cmocka_unit_test(slots_end_within_a_submit),
                                       cmocka_unit_test(argmax_and_nll)};
    cmocka_set_test_filter(getenv("WEFT_TEST_CASE")); // NULL: all
    return cmocka_run_group_tests_name("sample on the device", tests, NULL, NULL);
}
