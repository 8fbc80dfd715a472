/// What a hybrid model's three kinds of state promise together (keys and values, convolution, recurrent; the file is
/// written by scripts/make_hybrid.py): replay equals checker mode in state and output, generators that interleave equal
/// their solo runs, and rewinding, snapshots and forks lead to the very bits of a session that never took the detour.
#include "core/alloc.h"
#include "core/error.h"
#include "support/graph_run.h"
#include "support/lm_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CTX = 128, CHUNK = 16, RUNS = 8, VOCAB = 320 };

static weft_gpu *gpu;
static struct weft_test_model model;
static weft_program *program;    ///< states in place
static weft_program *twofold[2]; ///< ping-pong, double-buffered
static bool dear;                ///< SwiftShader: a run costs ten times what it does elsewhere

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static void refused(weft_status status, weft_status want, const char *said) {
    if (status != want)
        fail_msg("%s, not %s: %s", weft_status_name(status), weft_status_name(want), weft_error_message());
    if (!strstr(weft_error_message(), said)) fail_msg("'%s' does not say '%s'", weft_error_message(), said);
}

// ---- runs ----------------------------------------------------------------------------------------------------------

static void begin(weft_session *s) {
    const uint32_t greedy[16] = {0};
    must(weft_session_reset(s));
    weft_test_sampling(s, greedy, -1, UINT32_MAX, CTX);
}

static weft_session *open_in(weft_program *p, bool checker) {
    weft_session *s = weft_test_session(p, checker, RUNS);
    begin(s);
    return s;
}

static weft_session *open_session(bool checker) { return open_in(program, checker); }

/// Feeds t tokens of a fixed sequence at position pos; the last one's logits stand in the output.
static void feed(weft_session *s, uint64_t text, uint32_t pos, uint32_t t) {
    int32_t ids[CHUNK];
    for (uint32_t i = 0; i < t; i++) {
        uint64_t seed = text * 1000 + pos + i;
        weft_test_random(&seed, VOCAB);
        ids[i] = (int32_t)weft_test_random(&seed, VOCAB);
    }
    must(weft_test_sizes(s, t, 1, pos + t));
    must(weft_session_write(s, "tokens", 0, ids, t * sizeof *ids));
    must(weft_session_run(s, 1, NULL));
}

/// Runs that feed themselves.
static void decode(weft_session *s, uint32_t pos, uint32_t runs, bool apart) {
    must(weft_test_sizes(s, 1, 1, pos + runs));
    if (!apart) must(weft_session_run(s, runs, NULL));
    for (uint32_t i = 0; apart && i < runs; i++) must(weft_session_run(s, 1, NULL));
}

struct logits {
    float x[VOCAB];
};

static struct logits read_logits(weft_session *s) {
    struct logits l;
    must(weft_session_read(s, "logits", 0, l.x, sizeof l.x));
    return l;
}

static bool same(const struct logits *a, const struct logits *b) { return memcmp(a, b, sizeof *a) == 0; }

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

// ---- replay and checker --------------------------------------------------------------------------------------------

/// Random prefills and self-feeding runs, the same in all sessions; those of odd number submit run by run. All must
/// agree in every state and output after each move.
static void replay_together(weft_session *const *sessions, uint32_t n, uint32_t runs) {
    uint64_t seed = 3;
    uint32_t pos = 0;
    for (uint32_t done = 0; done < runs;) {
        if (pos > CTX - CHUNK) {
            for (uint32_t i = 0; i < n; i++) begin(sessions[i]);
            pos = 0;
        }
        bool prefill = pos == 0 || weft_test_random(&seed, 4) == 0;
        uint32_t count = 1 + weft_test_random(&seed, prefill ? CHUNK : RUNS);
        for (uint32_t i = 0; i < n; i++) {
            if (prefill) feed(sessions[i], done, pos, count);
            else decode(sessions[i], pos, count, i % 2);
        }
        pos += count;
        done += prefill ? 1 : count;
        for (uint32_t i = 1; i < n; i++) {
            const char *name = weft_test_differ(sessions[0], sessions[i], true);
            if (name) fail_msg("after %u runs, at position %u, session %u: %s differs", done, pos, i, name);
        }
    }
}

/// Runs that are compared.
static uint32_t replayed(void) { return dear ? 40 : weft_test_short() ? 80 : 200; }

static void test_hybrid_replay_equals_checker(void **state) {
    (void)state;
    weft_session *s[] = {open_session(false), open_session(true)};
    replay_together(s, 2, replayed());
    for (int i = 0; i < 2; i++) weft_session_destroy(&s[i]);
}

static uint32_t count_policy(const weft_program *p, enum weft_state_policy policy) {
    const struct weft_plan *plan = weft_program_plan(p);
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n_states; i++)
        n += plan->states[i].kind == WEFT_STATE_DENSE && plan->states[i].policy == policy;
    return n;
}

/// The convolution and recurrent states in two buffers, those that take turns and those that are committed: replay
/// equals checker mode, and what all three policies make of one text agrees in every bit of state and output.
static void test_hybrid_policies_agree(void **state) {
    (void)state;
    if (!twofold[0]) skip();
    assert_int_equal(count_policy(twofold[0], WEFT_STATE_PING_PONG), 12); // six recurrent layers
    assert_int_equal(count_policy(twofold[1], WEFT_STATE_DOUBLE), 12);
    weft_session *s[5];
    for (int i = 0; i < 4; i++) s[i] = open_in(twofold[i / 2], i % 2);
    s[4] = open_session(false);
    replay_together(s, 5, replayed());
    for (int i = 0; i < 5; i++) weft_session_destroy(&s[i]);
}

// ---- several generators --------------------------------------------------------------------------------------------

/// A generator's life: a prompt of its own, then tokens that it picks itself.
struct generator {
    weft_session *s;
    uint64_t text;
    uint32_t pos, prompt, length;
};

static struct generator new_generator(uint64_t text) {
    return (struct generator){
        .s = open_session(false), .text = text, .prompt = 3 + text * 7 % 40, .length = 60 + text * 11 % 40};
}

/// One move; false at the end. What a move is depends on the generator alone.
static bool move(struct generator *g) {
    if (g->pos >= g->length) return false;
    uint32_t n;
    if (g->pos < g->prompt) {
        n = least(1 + (uint32_t)(g->text + g->pos) % CHUNK, g->prompt - g->pos);
        feed(g->s, g->text, g->pos, n);
    } else {
        n = least(1 + (uint32_t)(g->text + g->pos) % 5, g->length - g->pos);
        decode(g->s, g->pos, n, false);
    }
    g->pos += n;
    return true;
}

static struct weft_test_image solo(uint64_t text) {
    struct generator g = new_generator(text);
    while (move(&g)) {}
    struct weft_test_image image = weft_test_image(g.s, true);
    weft_session_destroy(&g.s);
    return image;
}

/// `n` at a time in random turns; one that is done, or sometimes one that is not, makes room for another.
static void interleave(uint32_t n, uint32_t lives) {
    struct generator g[16];
    uint64_t seed = n;
    uint32_t born = 0, compared = 0;
    for (uint32_t i = 0; i < n; i++) g[i] = new_generator(born++);
    while (compared < lives) {
        struct generator *x = &g[weft_test_random(&seed, n)];
        if (move(x) && weft_test_random(&seed, 60)) continue;
        if (x->pos >= x->length) {
            struct weft_test_image mine = weft_test_image(x->s, true), alone = solo(x->text);
            const char *name = weft_test_image_differs(x->s, &mine, &alone);
            if (name) fail_msg("generator %u of %u: %s differs from its solo run", (unsigned)x->text, n, name);
            weft_free(mine.bytes);
            weft_free(alone.bytes);
            compared++;
        }
        weft_session_destroy(&x->s);
        *x = new_generator(born++);
    }
    for (uint32_t i = 0; i < n; i++) weft_session_destroy(&g[i].s);
}

static void test_two_generators_interleaved(void **state) {
    (void)state;
    interleave(2, dear ? 1 : 3);
}
static void test_four_generators_interleaved(void **state) {
    (void)state;
    if (dear) skip();
    interleave(4, 3);
}
static void test_sixteen_generators_interleaved(void **state) {
    (void)state;
    if (dear) skip();
    interleave(16, weft_test_long() ? 16 : 4);
}

// ---- the past ------------------------------------------------------------------------------------------------------

/// Logits of a session that was fed `text` straight to position n in the pieces of `feed_to`.
static void feed_to(weft_session *s, uint64_t text, uint32_t from_pos, uint32_t to_pos) {
    for (uint32_t pos = from_pos; pos < to_pos;) {
        uint32_t t = least(CHUNK, to_pos - pos);
        feed(s, text, pos, t);
        pos += t;
    }
}

static struct logits straight(uint64_t first, uint32_t turn, uint64_t second, uint32_t to_pos) {
    weft_session *s = open_session(false);
    feed_to(s, first, 0, turn);
    feed_to(s, second, turn, to_pos);
    struct logits l = read_logits(s);
    weft_session_destroy(&s);
    return l;
}

static void test_rewind_to_zero(void **state) {
    (void)state;
    weft_session *s = open_session(false);
    struct logits want = straight(1, 40, 1, 40);
    feed_to(s, 2, 0, 77);
    must(weft_session_rewind(s, 0));
    feed_to(s, 1, 0, 40);
    struct logits got = read_logits(s);
    assert_true(same(&got, &want));
    weft_session_destroy(&s);
}

/// A recurrent state can't be cropped: without a checkpoint the call says so and changes nothing, with one it goes
/// back.
static void test_rewind_to_an_odd_position(void **state) {
    (void)state;
    weft_session *s = open_session(false);
    struct logits want = straight(1, 37, 2, 70), on = straight(1, 37, 1, 80), got;
    feed_to(s, 1, 0, 37);
    must(weft_session_checkpoint(s));
    feed_to(s, 1, 37, 64);
    refused(weft_session_rewind(s, 51), WEFT_ERR_UNSUPPORTED, "conv.0");
    feed_to(s, 1, 64, 80);
    got = read_logits(s);
    assert_false(same(&got, &want));
    weft_session *other = open_session(false);
    feed_to(other, 1, 0, 37);
    feed_to(other, 1, 37, 64);
    feed_to(other, 1, 64, 80);
    on = read_logits(other);
    assert_true(same(&got, &on)); // the refused call changed nothing
    must(weft_session_rewind(s, 37));
    feed_to(s, 2, 37, 70);
    got = read_logits(s);
    assert_true(same(&got, &want));
    weft_session_destroy(&other);
    weft_session_destroy(&s);
}

static void snapshot_and_restore(uint32_t flags) {
    weft_session *s = open_session(false), *other = open_session(false);
    struct logits a = straight(1, 33, 2, 60), b = straight(1, 33, 3, 50), got;
    weft_snapshot *snapshot;
    feed_to(s, 1, 0, 33);
    must(weft_session_snapshot(s, flags, &snapshot));
    assert_int_equal(weft_snapshot_position(snapshot), 33);
    feed_to(s, 2, 33, 60);
    got = read_logits(s);
    assert_true(same(&got, &a)); // taking it changed nothing
    must(weft_session_restore(s, snapshot));
    feed_to(s, 3, 33, 50);
    got = read_logits(s);
    assert_true(same(&got, &b));
    feed_to(other, 9, 0, 12);
    must(weft_session_restore(other, snapshot));
    feed_to(other, 2, 33, 60);
    got = read_logits(other);
    assert_true(same(&got, &a));
    weft_snapshot_destroy(&snapshot);
    weft_session_destroy(&s);
    weft_session_destroy(&other);
}

static void test_snapshot_on_the_host(void **state) {
    (void)state;
    snapshot_and_restore(WEFT_SNAPSHOT_HOST);
}
static void test_snapshot_on_the_device(void **state) {
    (void)state;
    snapshot_and_restore(WEFT_SNAPSHOT_DEVICE);
}

/// Two continuations of one prefix, in turns, with the parent destroyed in between.
static void test_fork(void **state) {
    (void)state;
    weft_session *parent = open_session(false), *left, *right;
    struct logits a = straight(1, 45, 2, 90), b = straight(1, 45, 3, 90), got;
    feed_to(parent, 1, 0, 45);
    must(weft_session_fork(parent, &left));
    must(weft_session_fork(parent, &right));
    for (uint32_t pos = 45; pos < 90;) {
        uint32_t t = least(CHUNK, 90 - pos);
        feed(left, 2, pos, t);
        if (parent && pos > 60) weft_session_destroy(&parent);
        feed(right, 3, pos, t);
        pos += t;
    }
    got = read_logits(left);
    assert_true(same(&got, &a));
    got = read_logits(right);
    assert_true(same(&got, &b));
    assert_false(same(&a, &b));
    weft_session_destroy(&left);
    weft_session_destroy(&right);
}

// ---- the program ---------------------------------------------------------------------------------------------------

static int setup(void **state) {
    (void)state;
    gpu = weft_test_gpu();
    if (!gpu) return -1;
    weft_test_model_open(&model, "models/hybrid.gguf");
    struct weft_test_build build = {.gemma = {.ctx = CTX, .chunk = CHUNK, .head = WEFT_LM_GENERATE}, .logits = true};
    program = weft_test_program(gpu, &model, &build);
    // SwiftShader takes long for kernels: there tests/exec/test_gpu_policy.c has the policies to itself.
    dear = weft_test_thin();
    if (dear) return 0;
    static const enum weft_state_policy policies[] = {WEFT_STATE_PING_PONG, WEFT_STATE_DOUBLE};
    for (int i = 0; i < 2; i++) {
        build.policy = policies[i];
        twofold[i] = weft_test_program(gpu, &model, &build);
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_program_destroy(&program);
    for (int i = 0; i < 2; i++) weft_program_destroy(&twofold[i]);
    weft_test_model_free(&model);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hybrid_replay_equals_checker),   cmocka_unit_test(test_hybrid_policies_agree),
        cmocka_unit_test(test_two_generators_interleaved),     cmocka_unit_test(test_four_generators_interleaved),
        cmocka_unit_test(test_sixteen_generators_interleaved), cmocka_unit_test(test_rewind_to_zero),
        cmocka_unit_test(test_rewind_to_an_odd_position),      cmocka_unit_test(test_snapshot_on_the_host),
        cmocka_unit_test(test_snapshot_on_the_device),         cmocka_unit_test(test_fork),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
