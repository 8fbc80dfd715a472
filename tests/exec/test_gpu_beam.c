/// Beam search over slots of one session, a run a step, finds what the host finds with the same width, and with a width
/// for all sequences the best of all: with a recurrent state of a row a slot, under each policy, and with keys and
/// values in pages, in a ring under a window and in a matrix. A program that keeps past and present apart, whose rows
/// the caller moves, finds the same.
#include "support/beam.h"
#include "core/error.h"
#include "exec/session.h"
#include "ops/ops.h"
#include "support/graph_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { D = 8, V = 4, PREFIX = 20, STEPS = 3, SLOTS = V * V, WINDOW = 3 };

/// h = tanh(W h + E[token]), logits = U h, for a token of every slot.
#define RECURRENCE                                                                                                     \
    "input token i32 [16]\nweight E f32 [4, 8]\nweight W f32 [8, 8]\nweight U f32 [4, 8]\n%e = gather %E %token\n"     \
    "%w = matmul %past %W\n%s = add %w %e\n%h = tanh %s\n%l = matmul %h %U\noutput %l logits\n"
static const char recurrence[] = "state past dense f32 [16, 8] slots\n" RECURRENCE "%z = state_write %past %h\n";
/// The same as it is exported: past in, present out.
static const char exported[] = "input past f32 [16, 8]\n" RECURRENCE "output %h present\n"
                               "pair past present dense separate\n";
/// x = E[token]; logits = U tanh(x + attention + attention under a window + linear attention), by W x as queries and x
/// as keys and values.
static const char decoder[] =
    "symbol T 1 16\nvar pos u32 [16] 0 32\nvar count u32 [16] 0 1\ninput token i32 [T]\nweight E f32 [4, 8]\n"
    "weight W f32 [8, 8]\nweight U f32 [4, 8]\nstate paged paged f32 [16, 32, 1, 8] slots\n"
    "state ring ring f32 [16, 18, 1, 8] slots\nstate matrix dense f32 [16, 1, 8, 8] slots\n"
    "%at %slot = place_tokens %pos %count {tokens=T}\n%x = gather %E %token\n%qx = matmul %x %W\n"
    "%q = reshape %qx {shape=[T,1,8]}\n%k = reshape %x {shape=[T,1,8]}\n"
    "%0 = cache_append %paged %k %at %slot\n%1 = cache_append %ring %k %at %slot\n"
    "%2 = attention %q %0 %0 %pos %count {scale=1}\n%3 = attention %q %1 %1 %pos %count {scale=1, window=3}\n"
    "%4 %5 = linear_attention %matrix %qx %x %x %count {rule=linear, q_heads=1, kv_heads=1, scale=0.25}\n"
    "%6 = add %2 %3\n%7 = reshape %6 {shape=[T,8]}\n%8 = add %7 %5\n%9 = add %8 %x\n%10 = tanh %9\n"
    "%11 = matmul %10 %U\n%12 = advance %pos %count\noutput %11 logits\n";

static float E[V * D], W[D * D], U[V * D];
static const int32_t prefix[PREFIX] = {2, 0, 1, 3, 3, 1, 0, 2, 2, 1, 3, 0, 0, 1, 2, 3, 1, 2, 2, 1};

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static void fill(float *x, size_t n, float scale, uint32_t seed) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = ((float)(seed >> 8) / (1 << 23) - 1) * scale;
    }
}

static weft_status weight(void *user, const char *name, const void **data, uint64_t *bytes) {
    (void)user;
    *data = *name == 'E' ? E : *name == 'W' ? W : U;
    *bytes = *name == 'W' ? sizeof W : sizeof E;
    return WEFT_OK;
}

static weft_program *compile(const char *text, enum weft_state_policy policy) {
    struct weft_graph *g = NULL;
    weft_program *p = NULL;
    struct weft_program_params params = {.compile = {.state_policy = policy, .page_rows = 4}, .source = {weight, NULL}};
    must(weft_graph_parse(weft_ops(), text, strlen(text), &g));
    must(weft_program_create(weft_test_gpu(), g, &params, &p));
    return p;
}

// ---- the host ------------------------------------------------------------------------------------------------------

struct host_beam {
    double score;
    int32_t tokens[PREFIX + STEPS];
    uint32_t n;
};

/// out = m x, of `rows` rows.
static void product(const float *m, const double *x, uint32_t rows, double *out) {
    for (uint32_t i = 0; i < rows; i++) {
        out[i] = 0;
        for (int k = 0; k < D; k++) out[i] += (double)m[i * D + k] * x[k];
    }
}

static void recurrent(const int32_t *tokens, uint32_t n, double *h) {
    for (uint32_t t = 0; t < n; t++) {
        double next[D];
        product(W, h, D, next);
        for (int i = 0; i < D; i++) h[i] = tanh(next[i] + (double)E[tokens[t] * D + i]);
    }
}

/// Adds what a query sees of tokens [first, n).
static void attend(const int32_t *tokens, uint32_t first, uint32_t n, const double *q, double *y) {
    double sum = 0, seen[D] = {0};
    for (uint32_t t = first; t < n; t++) {
        double score = 0;
        for (int k = 0; k < D; k++) score += q[k] * (double)E[tokens[t] * D + k];
        sum += exp(score);
        for (int k = 0; k < D; k++) seen[k] += exp(score) * (double)E[tokens[t] * D + k];
    }
    for (int k = 0; k < D; k++) y[k] += seen[k] / sum;
}

static void attentive(const int32_t *tokens, uint32_t n, double *h) {
    double q[D], x[D];
    for (int i = 0; i < D; i++) h[i] = x[i] = (double)E[tokens[n - 1] * D + i];
    product(W, x, D, q);
    attend(tokens, 0, n, q, h);
    attend(tokens, n > WINDOW ? n - WINDOW : 0, n, q, h);
    for (uint32_t t = 0; t < n; t++) {
        double score = 0;
        for (int k = 0; k < D; k++) score += q[k] * (double)E[tokens[t] * D + k];
        for (int k = 0; k < D; k++) h[k] += 0.25 * score * (double)E[tokens[t] * D + k];
    }
    for (int i = 0; i < D; i++) h[i] = tanh(h[i]);
}

/// Log probabilities of what follows a sequence.
static void host_logs(bool recurs, const struct host_beam *b, double *logs) {
    double h[D] = {0}, logits[V];
    float rounded[V];
    if (recurs) recurrent(b->tokens, b->n, h);
    else attentive(b->tokens, b->n, h);
    product(U, h, V, logits);
    for (int t = 0; t < V; t++) rounded[t] = (float)logits[t];
    beam_log_softmax(rounded, V, logs);
}

static int host_compare(const void *a, const void *b) {
    const struct host_beam *x = a, *y = b;
    return x->score < y->score ? 1 : x->score > y->score ? -1 : 0;
}

static struct host_beam host_start(void) {
    struct host_beam b = {.n = PREFIX};
    memcpy(b.tokens, prefix, sizeof prefix);
    return b;
}

/// The best `width` sequences of STEPS tokens, best first; returns how many. Neighbours differ by more than rounding.
static uint32_t host_search(bool recurs, uint32_t width, struct host_beam *beams) {
    static struct host_beam all[BEAM_MOST * V];
    uint32_t n = 1;
    beams[0] = host_start();
    for (int step = 0; step < STEPS; step++) {
        for (uint32_t i = 0; i < n; i++) {
            double logs[V];
            host_logs(recurs, &beams[i], logs);
            for (int t = 0; t < V; t++) {
                struct host_beam *b = &all[i * V + (uint32_t)t];
                *b = beams[i];
                b->tokens[b->n++] = t;
                b->score += logs[t];
            }
        }
        uint32_t most = n * V;
        qsort(all, most, sizeof *all, host_compare);
        for (uint32_t i = 0; i + 1 < most; i++) assert_true(all[i].score - all[i + 1].score > 1e-5);
        n = most < width ? most : width;
        memcpy(beams, all, n * sizeof *beams);
    }
    return n;
}

/// The best sequence of all V^STEPS, one by one.
static struct host_beam host_exhaustive(bool recurs) {
    struct host_beam best = {.score = -1e30};
    for (int code = 0; code < V * V * V; code++) {
        struct host_beam b = host_start();
        double logs[V];
        int digits[STEPS] = {code % V, code / V % V, code / V / V};
        for (int i = 0; i < STEPS; i++) {
            host_logs(recurs, &b, logs);
            b.score += logs[digits[i]];
            b.tokens[b.n++] = digits[i];
        }
        if (b.score > best.score) best = b;
    }
    return best;
}

// ---- the device ----------------------------------------------------------------------------------------------------

static struct beam_search begin(weft_program *p, bool recurs) {
    struct beam_search s = {.slots = SLOTS, .vocabulary = V, .counted = !recurs};
    must(weft_session_create(p, NULL, &s.session));
    must(beam_begin(&s, prefix, PREFIX));
    return s;
}

/// Tokens behind the prefix and the score, within what sums in f32 may be off.
static bool agrees(const struct host_beam *want, const int32_t *tokens, double score) {
    for (uint32_t k = PREFIX; k < want->n; k++)
        if (tokens[k - PREFIX] != want->tokens[k]) return false;
    return fabs(score - want->score) < 1e-5;
}

/// Searches of several widths one after the other in one session, so that slots are used again.
static bool search(weft_program *p, bool recurs, bool without_forks) {
    struct beam_search s = begin(p, recurs);
    bool same = true;
    s.without_forks = without_forks;
    for (uint32_t width = 1; width <= 5; width += 2) {
        struct host_beam want[BEAM_MOST];
        uint32_t expected = host_search(recurs, width, want);
        must(beam_begin(&s, prefix, PREFIX));
        s.runs = s.forks = 0;
        for (int step = 0; step < STEPS; step++) must(beam_step(&s, width));
        assert_int_equal(s.runs, STEPS); // one for all beams of a step
        assert_true(width == 1 ? s.forks == 0 : s.forks >= width - 1);
        assert_int_equal(s.n, expected);
        for (uint32_t i = 0; i < s.n; i++) same = agrees(&want[i], s.beams[i].tokens + 1, s.beams[i].score) && same;
    }
    weft_session_destroy(&s.session);
    return same;
}

static void forked_beams_find_what_the_host_finds(void **state) {
    (void)state;
    for (enum weft_state_policy policy = WEFT_STATE_IN_PLACE; policy <= WEFT_STATE_DOUBLE; policy++) {
        weft_program *p = compile(recurrence, policy);
        assert_true(search(p, true, false));
        weft_program_destroy(&p);
    }
    weft_program *p = compile(decoder, WEFT_STATE_AS_DECLARED);
    assert_true(search(p, false, false));
    weft_program_destroy(&p);
}

static void all_beams_find_the_best(void **state) {
    (void)state;
    for (int recurs = 0; recurs < 2; recurs++) {
        weft_program *p =
            compile(recurs ? recurrence : decoder, recurs ? WEFT_STATE_PING_PONG : WEFT_STATE_AS_DECLARED);
        struct host_beam best = host_exhaustive(recurs), narrow[BEAM_MOST];
        struct beam_search s = begin(p, recurs);
        for (int step = 0; step < STEPS; step++) must(beam_step(&s, SLOTS));
        assert_true(agrees(&best, s.beams[0].tokens + 1, s.beams[0].score));
        host_search(recurs, 1, narrow); // it is not what a greedy search finds, so that beams matter
        assert_true(narrow[0].score < best.score - 1e-3);
        weft_session_destroy(&s.session);
        weft_program_destroy(&p);
    }
}

/// The other way: past and present apart, whose rows the caller moves between runs. Several runs are refused then.
static void moved_states_find_the_same(void **state) {
    (void)state;
    enum { WIDTH = 3 };
    float past[SLOTS * D] = {0}, present[SLOTS * D];
    struct beam_way ways[SLOTS * V];
    struct host_beam want[BEAM_MOST];
    weft_program *p = compile(exported, WEFT_STATE_AS_DECLARED);
    struct beam_search s = {.slots = SLOTS, .vocabulary = V, .n = 1, .beams = {{.n = 1}}};
    must(weft_session_create(p, NULL, &s.session));
    assert_int_equal(weft_session_run(s.session, 2, NULL), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "policy separate of the pair"));
    for (int i = 0; i + 1 < PREFIX + STEPS; i++) {
        bool given = i + 1 < PREFIX;
        struct beam next[WIDTH];
        uint32_t n = given ? 1 : s.n * V < WIDTH ? s.n * V : WIDTH;
        if (i < PREFIX) s.beams[0].tokens[0] = prefix[i];
        must(weft_session_write(s.session, "past", 0, past, sizeof past));
        must(beam_look(&s, ways));
        must(weft_session_read(s.session, "present", 0, present, sizeof present));
        for (uint32_t k = 0; k < n; k++) {
            const struct beam *from = &s.beams[given ? 0 : ways[k].beam];
            memcpy(past + k * D, present + from->slot * D, D * sizeof *past);
            next[k] = *from;
            if (!given) next[k].tokens[next[k].n++] = ways[k].token, next[k].score = ways[k].score;
            next[k].slot = k;
        }
        memcpy(s.beams, next, n * sizeof *next);
        s.n = n;
    }
    assert_int_equal(host_search(true, WIDTH, want), s.n);
    for (uint32_t i = 0; i < s.n; i++) assert_true(agrees(&want[i], s.beams[i].tokens + 1, s.beams[i].score));
    weft_session_destroy(&s.session);
    weft_program_destroy(&p);
}

/// Negative control: beams that take a slot without a fork find something else.
static void beams_without_forks_are_noticed(void **state) {
    (void)state;
    for (int recurs = 0; recurs < 2; recurs++) {
        weft_program *p = compile(recurs ? recurrence : decoder, WEFT_STATE_AS_DECLARED);
        assert_false(search(p, recurs, true));
        weft_program_destroy(&p);
    }
}

static int setup(void **state) {
    (void)state;
    fill(E, V * D, 1.5f, 7);
    fill(W, D * D, 1.0f, 8);
    fill(U, V * D, 1.0f, 9);
    return weft_test_gpu() ? 0 : 1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forked_beams_find_what_the_host_finds),
        cmocka_unit_test(all_beams_find_the_best),
        cmocka_unit_test(moved_states_find_the_same),
        cmocka_unit_test(beams_without_forks_are_noticed),
    };
    return cmocka_run_group_tests_name("exec/beam", tests, setup, NULL);
}
