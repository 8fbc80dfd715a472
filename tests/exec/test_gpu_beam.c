/// Beam search by forked sessions finds what the host finds with the same width, and with a width for all sequences
/// the best of all; a program compiled for beams, whose states the caller moves, finds the same.
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

enum { D = 8, V = 4, PREFIX = 3, STEPS = 3 };

/// A recurrent language model: h = tanh(W h + E[token]), logits = U h, as it is exported: past in, present out.
static const char model[] = "input token i32 [1]\ninput past f32 [1, 8]\nweight E f32 [4, 8]\nweight W f32 [8, 8]\n"
                            "weight U f32 [4, 8]\n%e = gather %E %token\n%w = matmul %past %W\n%s = add %w %e\n"
                            "%h = tanh %s\n%l = matmul %h %U\noutput %h present\noutput %l logits\n"
                            "pair past present dense in_place\n";

static float E[V * D], W[D * D], U[V * D];
static const int32_t prefix[PREFIX] = {2, 0, 1};

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

static weft_program *compile(enum weft_state_policy policy, uint32_t beams) {
    struct weft_graph *g = NULL;
    weft_program *p = NULL;
    struct weft_program_params params = {.compile = {.state_policy = policy, .beams = beams}, .source = {weight, NULL}};
    must(weft_graph_parse(weft_ops(), model, strlen(model), &g));
    must(weft_program_create(weft_test_gpu(), g, &params, &p));
    return p;
}

// ---- the host ------------------------------------------------------------------------------------------------------

struct host_beam {
    double h[D], score;
    int32_t tokens[BEAM_LENGTH];
    uint32_t n;
};

/// Reads a token and gives the log probabilities of the next.
static void host_read(double *h, int32_t token, double *logs) {
    double next[D];
    float logits[V];
    for (int i = 0; i < D; i++) {
        double sum = (double)E[token * D + i];
        for (int k = 0; k < D; k++) sum += (double)W[i * D + k] * h[k];
        next[i] = tanh(sum);
    }
    memcpy(h, next, sizeof next);
    for (int t = 0; t < V; t++) {
        double sum = 0;
        for (int k = 0; k < D; k++) sum += (double)U[t * D + k] * h[k];
        logits[t] = (float)sum;
    }
    beam_log_softmax(logits, V, logs);
}

static int host_compare(const void *a, const void *b) {
    const struct host_beam *x = a, *y = b;
    return x->score < y->score ? 1 : x->score > y->score ? -1 : 0;
}

static struct host_beam host_start(void) {
    struct host_beam b = {.n = 1, .tokens = {prefix[PREFIX - 1]}};
    double logs[V];
    for (int i = 0; i + 1 < PREFIX; i++) host_read(b.h, prefix[i], logs);
    return b;
}

/// The best `width` sequences of STEPS tokens, best first; returns how many. Neighbours differ by more than rounding.
static uint32_t host_search(uint32_t width, struct host_beam *beams) {
    static struct host_beam all[BEAM_MOST * V];
    uint32_t n = 1;
    beams[0] = host_start();
    for (int step = 0; step < STEPS; step++) {
        for (uint32_t i = 0; i < n; i++) {
            double logs[V];
            host_read(beams[i].h, beams[i].tokens[beams[i].n - 1], logs);
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
static struct host_beam host_exhaustive(void) {
    struct host_beam best = {.score = -1e30};
    for (int code = 0; code < V * V * V; code++) {
        struct host_beam b = host_start();
        double logs[V];
        int digits[STEPS] = {code % V, code / V % V, code / V / V};
        for (int i = 0; i < STEPS; i++) {
            host_read(b.h, b.tokens[b.n - 1], logs);
            b.score += logs[digits[i]];
            b.tokens[b.n++] = digits[i];
        }
        if (b.score > best.score) best = b;
    }
    return best;
}

// ---- the device ----------------------------------------------------------------------------------------------------

/// One session that has read the prefix but its last token.
static struct beam start(weft_program *p) {
    struct beam b = {.n = 1, .tokens = {prefix[PREFIX - 1]}};
    must(weft_session_create(p, NULL, &b.session));
    for (int i = 0; i + 1 < PREFIX; i++) {
        must(weft_session_write(b.session, "token", 0, &prefix[i], 4));
        must(weft_session_run(b.session, 1, NULL));
    }
    return b;
}

static void compare(const struct host_beam *want, const int32_t *tokens, double score) {
    for (uint32_t k = 0; k < want->n; k++) assert_int_equal(tokens[k], want->tokens[k]);
    assert_true(fabs(score - want->score) < 1e-5);
}

static void search(weft_program *p, uint32_t width) {
    struct host_beam want[BEAM_MOST];
    uint32_t expected = host_search(width, want), n = 1;
    struct beam beams[BEAM_MOST] = {start(p)};
    for (int step = 0; step < STEPS; step++) must(beam_step(beams, &n, width, V));
    assert_int_equal(n, expected);
    for (uint32_t i = 0; i < n; i++) {
        compare(&want[i], beams[i].tokens, beams[i].score);
        weft_session_destroy(&beams[i].session);
    }
}

static void forked_beams_find_what_the_host_finds(void **state) {
    (void)state;
    for (enum weft_state_policy policy = WEFT_STATE_IN_PLACE; policy <= WEFT_STATE_DOUBLE; policy++) {
        weft_program *p = compile(policy, 1);
        for (uint32_t width = 1; width <= 5; width += 2) search(p, width);
        weft_program_destroy(&p);
    }
}

static void all_beams_find_the_best(void **state) {
    (void)state;
    weft_program *p = compile(WEFT_STATE_PING_PONG, 1);
    struct host_beam best = host_exhaustive();
    struct beam beams[BEAM_MOST] = {start(p)};
    uint32_t n = 1;
    for (int step = 0; step < STEPS; step++) must(beam_step(beams, &n, V * V, V));
    compare(&best, beams[0].tokens, beams[0].score);
    struct host_beam narrow[BEAM_MOST]; // it is not what a greedy search finds, so that beams matter
    host_search(1, narrow);
    assert_true(narrow[0].score < best.score - 1e-3);
    for (uint32_t i = 0; i < n; i++) weft_session_destroy(&beams[i].session);
    weft_program_destroy(&p);
}

/// The other way: past and present apart, one session for all beams, whose states the caller keeps.
static void moved_states_find_the_same(void **state) {
    (void)state;
    enum { WIDTH = 3 };
    struct moved {
        float h[D];
        struct beam b;
    } beams[WIDTH], next[WIDTH];
    struct beam_way ways[WIDTH * V];
    struct host_beam want[BEAM_MOST];
    weft_program *p = compile(WEFT_STATE_AS_DECLARED, WIDTH);
    weft_session *s = NULL;
    uint32_t n = 1;
    must(weft_session_create(p, NULL, &s));
    assert_int_equal(weft_session_run(s, 2, NULL), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "beam search over 3 beams"));
    memset(beams, 0, sizeof beams);
    for (int i = 0; i + 1 < PREFIX; i++) {
        must(weft_session_write(s, "past", 0, beams[0].h, sizeof beams[0].h));
        must(weft_session_write(s, "token", 0, &prefix[i], 4));
        must(weft_session_run(s, 1, NULL));
        must(weft_session_read(s, "present", 0, beams[0].h, sizeof beams[0].h));
    }
    beams[0].b = (struct beam){.session = s, .n = 1, .tokens = {prefix[PREFIX - 1]}};
    for (int step = 0; step < STEPS; step++) {
        for (uint32_t i = 0; i < n; i++) {
            must(weft_session_write(s, "past", 0, beams[i].h, sizeof beams[i].h));
            must(beam_look(&beams[i].b, i, V, ways + i * V));
            must(weft_session_read(s, "present", 0, beams[i].h, sizeof beams[i].h));
        }
        qsort(ways, n * V, sizeof *ways, beam_compare);
        n = n * V < WIDTH ? n * V : WIDTH;
        for (uint32_t i = 0; i < n; i++) {
            next[i] = beams[ways[i].beam];
            next[i].b.tokens[next[i].b.n++] = ways[i].token;
            next[i].b.score = ways[i].score;
        }
        memcpy(beams, next, sizeof beams);
    }
    assert_int_equal(host_search(WIDTH, want), n);
    for (uint32_t i = 0; i < n; i++) compare(&want[i], beams[i].b.tokens, beams[i].b.score);
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

/// Negative control: beams that do not fork but share their parent's session find something else.
static void beams_without_forks_are_noticed(void **state) {
    (void)state;
    weft_program *p = compile(WEFT_STATE_IN_PLACE, 1);
    struct host_beam want[BEAM_MOST];
    struct beam one = start(p), beams[V];
    struct beam_way ways[V * V];
    must(beam_look(&one, 0, V, ways));
    for (uint32_t t = 0; t < V; t++) { // the second step, all in one session
        beams[t] = one;
        beams[t].tokens[beams[t].n++] = ways[t].token;
        beams[t].score = ways[t].score;
    }
    double worst = 0;
    for (uint32_t t = 0; t < V; t++) {
        must(beam_look(&beams[t], t, V, ways));
        want[0] = host_start();
        double logs[V];
        host_read(want[0].h, want[0].tokens[0], logs);
        want[0].score = logs[t];
        host_read(want[0].h, (int32_t)t, logs);
        for (uint32_t u = 0; u < V; u++) worst = fmax(worst, fabs(ways[u].score - want[0].score - logs[u]));
    }
    assert_true(worst > 1e-3);
    weft_session_destroy(&one.session);
    weft_program_destroy(&p);
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
