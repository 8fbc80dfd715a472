/// Replay is exact: a session's runs give the bits that a checker session gives, one submit a step over poisoned
/// transients, whatever else happens on the device; and these tests notice when it does not.
///
/// One program for all: a random Gemma 3 of three layers with the full sampler and its logits as an output. Rings of
/// its local layers hold 64 rows and the context 160, so that they go round.
#include "support/lm_program.h"

#include "core/alloc.h"
#include "core/error.h"
#include "exec/session_test.h"
#include "ops/sample.h"
#include "support/graph_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CTX = 160, CHUNK = 16, RUNS = 8, VOCAB = 300 };
#define NO_LIMIT UINT32_MAX

static weft_gpu *gpu;
static struct weft_test_model model;
static weft_program *program;
static uint32_t settings[WEFT_SAMPLE_WORDS];

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

// ---- runs ----------------------------------------------------------------------------------------------------------

/// What a caller may do between two looks at a session. The host's count of positions is right as long as nothing ends
/// the output.
struct move {
    uint32_t t, r, p, runs;
    int32_t ids[CHUNK]; ///< written before a prefill; decode runs feed themselves
    bool prefill;
};

static struct move prefill_of(uint64_t *seed, uint32_t pos, uint32_t t, uint32_t r) {
    struct move m = {.t = t, .r = r, .p = pos + t, .runs = 1, .prefill = true};
    for (uint32_t i = 0; i < t; i++) m.ids[i] = (int32_t)weft_test_random(seed, VOCAB);
    return m;
}

static struct move decode_of(uint32_t pos, uint32_t runs) {
    return (struct move){.t = 1, .r = 1, .p = pos + runs, .runs = runs};
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/// A prefill or some decode runs, with any bound of positions that covers them.
static struct move draw(uint64_t *seed, uint32_t pos) {
    struct move m = {0};
    uint32_t room = CTX - pos;
    if (pos == 0 || weft_test_random(seed, 3) == 0)
        m = prefill_of(seed, pos, 1 + weft_test_random(seed, least(room, CHUNK)), weft_test_random(seed, 4) > 0);
    else m = decode_of(pos, 1 + weft_test_random(seed, least(room, 3)));
    m.p += weft_test_random(seed, CTX - m.p + 1);
    return m;
}

/// The move in one submit, or in one for each run.
static void apply(weft_session *s, const struct move *m, bool apart) {
    must(weft_test_sizes(s, m->t, m->r, m->p));
    if (m->prefill) must(weft_session_write(s, "tokens", 0, m->ids, m->t * sizeof *m->ids));
    if (!apart) must(weft_session_run(s, m->runs, NULL));
    for (uint32_t i = 0; apart && i < m->runs; i++) must(weft_session_run(s, 1, NULL));
}

static void restart(weft_session *s) {
    must(weft_session_reset(s));
    weft_test_sampling(s, settings, -1, NO_LIMIT, CTX);
}

static weft_session *begin(bool checker) {
    weft_session *s = weft_test_session(program, checker, RUNS);
    restart(s);
    return s;
}

// ---- replay and checker --------------------------------------------------------------------------------------------

struct twins {
    weft_session *replay, *checker;
    uint32_t pos;
};

/// Random moves by random pairs until so many runs were made. The number of the first run after which some bit of a
/// pair differs, 0 if none does.
static uint32_t mixed(struct twins *pairs, uint32_t n_pairs, uint32_t runs, uint64_t seed) {
    for (uint32_t done = 0; done < runs;) {
        struct twins *w = &pairs[weft_test_random(&seed, n_pairs)];
        if (w->pos == CTX || (w->pos > CTX / 2 && weft_test_random(&seed, 40) == 0)) {
            restart(w->replay);
            restart(w->checker);
            w->pos = 0;
        }
        struct move m = draw(&seed, w->pos);
        apply(w->replay, &m, false);
        apply(w->checker, &m, true);
        w->pos += m.t * m.runs;
        done += m.runs;
        const char *name = weft_test_differ(w->replay, w->checker, true);
        if (!name) continue;
        print_message("after %u runs, at position %u: %s differs\n", done, w->pos, name);
        return done;
    }
    return 0;
}

static void test_replay_equals_checker(void **state) {
    (void)state;
    struct twins pairs[2];
    for (int i = 0; i < 2; i++) pairs[i] = (struct twins){.replay = begin(false), .checker = begin(true)};
    assert_int_equal(mixed(pairs, 2, weft_test_thin() ? 80 : 200, 1), 0);
    for (int i = 0; i < 2; i++) {
        weft_session_destroy(&pairs[i].replay);
        weft_session_destroy(&pairs[i].checker);
    }
}

// ---- negative controls ---------------------------------------------------------------------------------------------

enum part { PREFILL, DECODE, PARTS };

struct fault { ///< in one part of the sequence only; step NO_LIMIT: none
    enum part part;
    uint32_t step, word;
    const weft_session *stale; ///< NULL: a word is wrong
};

static void plant(weft_session *s, const struct fault *f, bool on) {
    uint32_t step = on ? f->step : NO_LIMIT;
    if (f->stale) weft_session_test_groups(s, step, f->stale);
    else weft_session_test_word(s, step, f->word);
}

/// A prefill of 5, then two decode runs, up to the part of the fault: what every control does.
static struct weft_test_image sequence(weft_session *s, const struct fault *f) {
    uint64_t seed = 5;
    struct move parts[PARTS] = {prefill_of(&seed, 0, 5, 1), decode_of(5, 2)};
    restart(s);
    for (enum part p = PREFILL; p <= f->part; p++) {
        plant(s, f, p == f->part);
        apply(s, &parts[p], false);
    }
    plant(s, f, false);
    return weft_test_image(s, true);
}

/// The schedule of a part.
static const struct weft_schedule *schedule_of(enum part part) {
    const struct weft_plan *plan = weft_program_plan(program);
    uint32_t t = (uint32_t)weft_dims_symbol_find(plan->graph->dims, "T");
    const int64_t live = part == PREFILL ? 5 : 1;
    for (uint32_t i = 0; i < plan->n_schedules; i++)
        if (plan->schedules[i].lo[t] <= live && live <= plan->schedules[i].hi[t]) return &plan->schedules[i];
    fail_msg("no schedule for %d tokens", (int)live);
    return NULL;
}

/// True if the sequence with this fault ends in other bits than `truth`.
static bool notices(weft_session *s, const struct weft_test_image *truth, const struct fault *f) {
    struct weft_test_image image = sequence(s, f);
    bool differs = weft_test_image_differs(s, truth, &image) != NULL;
    weft_free(image.bytes);
    return differs;
}

/// Each step of each schedule has a word that must not be wrong. (Not each word is such: a bound may have slack, and
/// wide operands take offsets of whole vectors.)
static void test_wrong_update(void **state) {
    (void)state;
    if (weft_test_thin()) skip(); // the words are the same on both implementations
    weft_session *s = begin(false), *checker = begin(true);
    for (enum part p = PREFILL; p < PARTS; p++) {
        const struct weft_schedule *sc = schedule_of(p);
        struct fault none = {.part = p, .step = NO_LIMIT};
        struct weft_test_image truth = sequence(checker, &none);
        assert_false(notices(s, &truth, &none));
        for (uint32_t i = 0; i < sc->n_steps; i++) {
            bool noticed = false;
            for (uint32_t w = sc->steps[i].bound.n_words;
                 w-- > 0 && !noticed;) // the binder's words are the sharper ones
                noticed = notices(s, &truth, &(struct fault){.part = p, .step = i, .word = w});
            if (!noticed) fail_msg("no wrong word of step %u, '%s', is noticed", i, sc->steps[i].label);
        }
        assert_false(notices(s, &truth, &none));
        weft_free(truth.bytes);
    }
    weft_session_destroy(&s);
    weft_session_destroy(&checker);
}

/// The comparison of the first test itself fails by one wrong word of one of its sessions.
static void test_mixed_notices(void **state) {
    (void)state;
    struct twins pair = {.replay = begin(false), .checker = begin(true)};
    const struct weft_schedule *sc = schedule_of(DECODE);
    uint32_t step = 0;
    while (step < sc->n_steps && strcmp(sc->steps[step].kernel->name, "advance") != 0) step++;
    assert_true(step < sc->n_steps);
    weft_session_test_word(pair.replay, step, 0);
    assert_in_range(mixed(&pair, 1, 200, 1), 1, 20);
    weft_session_destroy(&pair.replay);
    weft_session_destroy(&pair.checker);
}

/// True if the step binds something that each session has for itself, beside its parameters and a position that it only
/// reads: the number of splits that it follows from is the same in both.
static bool binds_own(const struct weft_step *step) {
    for (uint32_t i = 1; i < step->bound.n_slots; i++) {
        uint32_t mem = step->bound.slots[i].mem_key >> 24;
        if (mem == WEFT_MEM_VARS && step->bound.slots[i].kind == WEFT_BIND_READ) continue;
        if (mem != WEFT_MEM_TRANSIENT && mem != WEFT_MEM_WEIGHT) return true;
    }
    return false;
}

/// Every such step that finds another session's buffers in place of its own is noticed.
static void check_stale_steps(weft_session *s, weft_session *other, enum part p, uint32_t *tried) {
    const struct weft_schedule *sc = schedule_of(p);
    struct fault none = {.part = p, .step = NO_LIMIT};
    uint32_t greedy[WEFT_SAMPLE_WORDS] = {0};
    uint64_t seed = 77;
    struct move far = prefill_of(&seed, 0, CHUNK, 1);
    struct weft_test_image truth = sequence(s, &none);
    for (uint32_t i = 0; i < sc->n_steps; i++) {
        if (!binds_own(&sc->steps[i])) continue;
        restart(other);
        weft_test_sampling(other, greedy, -1, NO_LIMIT, CTX);
        apply(other, &far, false);
        if (!notices(s, &truth, &(struct fault){.part = p, .step = i, .stale = other}))
            fail_msg("another session's buffers in step %u, '%s', are not noticed", i, sc->steps[i].label);
        ++*tried;
    }
    assert_false(notices(s, &truth, &none));
    weft_free(truth.bytes);
}

static void test_stale_bind(void **state) {
    (void)state;
    weft_session *s = begin(false), *other = begin(false);
    uint32_t tried = 0;
    for (enum part p = PREFILL; p < PARTS; p++) check_stale_steps(s, other, p, &tried);
    assert_true(tried > 10);
    restart(s); // the runs above have come to the end of the context
    // Buffers that are gone are not run with at all.
    struct weft_test_image before = weft_test_image(s, true);
    weft_session_test_groups(s, 0, other);
    weft_session_destroy(&other);
    assert_int_equal(weft_session_run(s, 1, NULL), WEFT_ERR_STALE);
    struct weft_test_image after = weft_test_image(s, true);
    assert_null(weft_test_image_differs(s, &before, &after));
    weft_session_test_groups(s, NO_LIMIT, NULL);
    must(weft_session_run(s, 1, NULL));
    weft_free(after.bytes);
    weft_free(before.bytes);
    weft_session_destroy(&s);
}

// ---- several runs a submit -----------------------------------------------------------------------------------------

/// A prompt of 5, then `runs` runs: `a` in one submit with the loosest bound of positions, `b` in one each with the
/// tightest.
static void both(weft_session *a, weft_session *b, uint64_t seed, int32_t stop, uint32_t n_max, uint32_t pos_max,
                 uint32_t a_runs, uint32_t b_runs) {
    struct move prompt = prefill_of(&seed, 0, 5, 1), submit = decode_of(5, a_runs);
    submit.p = CTX;
    restart(a);
    restart(b);
    weft_test_sampling(a, settings, stop, n_max, pos_max);
    weft_test_sampling(b, settings, stop, n_max, pos_max);
    apply(a, &prompt, false);
    apply(b, &prompt, false);
    apply(a, &submit, false);
    for (uint32_t i = 0; i < b_runs; i++) {
        struct move one = decode_of(5 + i, 1);
        apply(b, &one, false);
    }
}

static uint32_t variable(weft_session *s, const char *name) {
    uint32_t bits;
    must(weft_session_get_var(s, name, &bits));
    return bits;
}

static bool active(weft_session *s) {
    bool active;
    must(weft_session_get_active(s, &active));
    return active;
}

/// The output ends with run `last` of the eight: those behind it leave no trace.
static void check_end(weft_session *a, weft_session *b, uint64_t seed, int32_t stop, uint32_t n_max, uint32_t pos_max,
                      uint32_t last) {
    both(a, b, seed, stop, n_max, pos_max, RUNS, last);
    assert_false(active(a));
    assert_int_equal(variable(a, "n_out"), last + 1);
    assert_int_equal(variable(a, "pos"), 5 + last);
    for (int more = 0; more < 2; more++) { // and so do more runs, in either session
        const char *name = weft_test_differ(a, b, false);
        if (name) fail_msg("%s differs behind the end", name);
        must(weft_session_run(a, RUNS, NULL));
        must(weft_session_run(b, 1, NULL));
    }
    // Control: it is the variable that holds them back.
    must(weft_session_set_active(a, 1));
    must(weft_session_run(a, 1, NULL));
    assert_non_null(weft_test_differ(a, b, false));
}

static void test_runs_a_submit(void **state) {
    (void)state;
    weft_session *a = begin(false), *b = begin(false);
    uint32_t ids[1 + RUNS], tried = 0;
    for (uint64_t seed = 1; tried < 3; seed++) {
        both(a, b, seed, -1, NO_LIMIT, CTX, RUNS, RUNS);
        assert_null(weft_test_differ(a, b, true));
        assert_true(active(a));
        must(weft_session_read(a, "ring", 0, ids, sizeof ids));
        for (uint32_t at = 3; at < 7; at++) {
            uint32_t first = 0;
            while (ids[first] != ids[at]) first++;
            if (first != at) continue;
            check_end(a, b, seed, (int32_t)ids[at], NO_LIMIT, CTX, at);
            tried++;
            break;
        }
        assert_true(seed < 20);
    }
    check_end(a, b, 1, -1, 5, CTX, 4);
    check_end(a, b, 1, -1, NO_LIMIT, 5 + 4, 4);
    weft_session_destroy(&a);
    weft_session_destroy(&b);
}

// ---- a steady state ------------------------------------------------------------------------------------------------

static void assert_nothing_made(const struct weft_gpu_counters *a, const struct weft_gpu_counters *b) {
    assert_int_equal(a->buffers_made, b->buffers_made);
    assert_int_equal(a->groups_made, b->groups_made);
    assert_int_equal(a->pipelines_made, b->pipelines_made);
}

/// `tokens` decoded in submits of `runs`; the variables are read one submit behind.
static void decode_and_read(weft_session *s, uint32_t pos, uint32_t tokens, uint32_t runs) {
    weft_readback behind = {0};
    uint32_t block[4];
    for (uint32_t i = 0; i < tokens; i += runs) {
        weft_readback next;
        struct move m = decode_of(pos + i, runs);
        apply(s, &m, false);
        must(weft_session_vars_start(s, 0, sizeof block, &next));
        if (i) must(weft_readback_finish(gpu, &behind, block, sizeof block));
        behind = next;
    }
    must(weft_readback_finish(gpu, &behind, block, sizeof block));
}

/// The first run is like any other: all was made with the session. Over 100 tokens nothing is made nor allocated, so
/// that it does no harm if nothing can be.
static void test_steady(void **state) {
    (void)state;
    struct weft_gpu_counters before, after;
    weft_session *s = begin(false);
    uint64_t seed = 3;
    struct move prompt = prefill_of(&seed, 0, 5, 1);
    weft_gpu_counters(gpu, &before);
    apply(s, &prompt, false);
    weft_gpu_counters(gpu, &after);
    assert_nothing_made(&before, &after);
    for (uint32_t runs = 1; runs <= RUNS; runs += RUNS - 1) {
        restart(s);
        apply(s, &prompt, false);
        decode_and_read(s, 5, 3 * runs, runs);
        weft_gpu_counters(gpu, &before);
        uint64_t calls = weft_alloc_stats().calls;
        weft_alloc_fail_at(1, 1);
        decode_and_read(s, 5 + 3 * runs, 104, runs);
        weft_alloc_fail_at(0, 0);
        weft_gpu_counters(gpu, &after);
        assert_int_equal(weft_alloc_stats().calls, calls);
        assert_int_equal(after.allocs, before.allocs);
        assert_nothing_made(&before, &after);
        assert_int_equal(after.dispatches - before.dispatches, 104 * weft_session_dispatches(s));
        assert_int_equal(variable(s, "n_out"), 1 + 3 * runs + 104);
    }
    weft_session_destroy(&s);
    // Control: a session is not made of nothing.
    weft_gpu_counters(gpu, &before);
    s = begin(false);
    weft_gpu_counters(gpu, &after);
    assert_true(after.buffers_made > before.buffers_made && after.groups_made > before.groups_made);
    weft_session_destroy(&s);
}

// ---- disturbances --------------------------------------------------------------------------------------------------

enum { BLOCKS = 24, MOVES = 12 };

/// Memory of the host and of the device is taken, filled with rubbish, partly given back; another session of the
/// program comes, runs over poisoned transients, and goes.
static void disturb(weft_buf *bufs, uint32_t round) {
    void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        size_t size = (size_t)1 << (4 + (i + round) % 16);
        blocks[i] = weft_alloc(size);
        assert_non_null(blocks[i]);
        memset(blocks[i], 0xA7, size);
    }
    for (int i = 0; i < BLOCKS; i++) weft_free(blocks[i]);
    for (int i = 0; i < 4; i++) {
        weft_buf *b = &bufs[(round + (uint32_t)i * 5) % BLOCKS];
        if (b->id) weft_buf_release(gpu, b);
        must(weft_buf_create(gpu, 256u << (round + (uint32_t)i) % 9, WEFT_BUF_STORAGE, "rubbish", b));
        must(weft_buf_fill(gpu, *b, 0, weft_buf_size(gpu, *b), 0x7FC0A7A7));
    }
    if (round % 3) return;
    weft_session *other = begin(true);
    uint64_t seed = round;
    struct move m = prefill_of(&seed, 0, CHUNK, 1);
    apply(other, &m, false);
    weft_session_destroy(&other);
}

static void test_disturbances(void **state) {
    (void)state;
    struct weft_test_image quiet[MOVES];
    weft_buf bufs[BLOCKS] = {0};
    for (int loud = 0; loud < 2; loud++) {
        weft_session *s = weft_test_session(program, false, RUNS);
        uint64_t seed = 9;
        uint32_t pos = 0;
        if (loud) disturb(bufs, 0);
        restart(s);
        for (uint32_t i = 0; i < MOVES; i++) {
            if (loud) disturb(bufs, i);
            struct move m = draw(&seed, pos);
            apply(s, &m, false);
            pos += m.t * m.runs;
            struct weft_test_image image = weft_test_image(s, true);
            if (!loud) {
                quiet[i] = image;
                continue;
            }
            const char *name = weft_test_image_differs(s, &quiet[i], &image);
            if (name) fail_msg("disturbed, %s differs after move %u", name, i);
            weft_free(image.bytes);
            weft_free(quiet[i].bytes);
        }
        weft_session_destroy(&s);
    }
    for (int i = 0; i < BLOCKS; i++)
        if (bufs[i].id) weft_buf_release(gpu, &bufs[i]);
}

// ---- refusals ------------------------------------------------------------------------------------------------------

/// What is refused changes no state, nor the sizes that are live.
static void test_refusals(void **state) {
    (void)state;
    static const int64_t sizes[][3] = {{CHUNK + 1, 1, CTX}, {1, 1, CTX + 1}, {1, 2, CTX},
                                       {0, 0, CTX},         {1, 1, 0},       {-1, 1, CTX},
                                       {1, -1, CTX},        {5, 6, CTX},     {INT64_MAX, 1, INT64_MAX}};
    static const uint32_t runs[] = {0, RUNS + 1, UINT32_MAX};
    weft_session *s = begin(false), *twin = begin(false);
    uint64_t seed = 21;
    struct move prompt = prefill_of(&seed, 0, 5, 1), more = decode_of(5, 3);
    uint8_t junk[64] = {1};
    more.p = CTX; // runs at these sizes come behind
    apply(s, &prompt, false);
    apply(s, &more, false);
    apply(twin, &prompt, false);
    apply(twin, &more, false);
    struct weft_test_image before = weft_test_image(s, true);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(weft_test_sizes(s, sizes[i][0], sizes[i][1], sizes[i][2]), WEFT_ERR_INVALID);
        assert_true(strlen(weft_error_message()) > 10);
    }
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        assert_int_equal(weft_session_run(s, runs[i], NULL), WEFT_ERR_INVALID);
    assert_int_equal(weft_session_write(s, "tokens", UINT64_MAX - 3, junk, 8), WEFT_ERR_LIMIT);
    assert_int_equal(weft_session_write(s, "tokens", 4096, junk, 64), WEFT_ERR_LIMIT);
    assert_int_equal(weft_session_write(s, "takens", 0, junk, 4), WEFT_ERR_NOT_FOUND);
    assert_int_equal(weft_session_set_var(s, "positron", 1), WEFT_ERR_NOT_FOUND);
    struct weft_test_image after = weft_test_image(s, true);
    const char *name = weft_test_image_differs(s, &before, &after);
    if (name) fail_msg("%s changed by what was refused", name);
    must(weft_session_run(s, 2, NULL)); // at the sizes from before
    must(weft_session_run(twin, 2, NULL));
    assert_null(weft_test_differ(s, twin, true));
    weft_free(before.bytes);
    weft_free(after.bytes);
    weft_session_destroy(&s);
    weft_session_destroy(&twin);
}

static int setup(void **state) {
    (void)state;
    gpu = weft_test_gpu();
    if (!gpu) return -1;
    struct weft_sample_settings warm = {
        .temperature = 1.2f, .top_k = 50, .top_p = 0.97f, .repetition = 1.1f, .frequency = 0.2f, .seed = 11};
    must(weft_sample_pack(&warm, settings));
    weft_test_model_make(&model, &(struct weft_tiny_gemma3){.seed = 4, .n_layer = 3, .ctx = CTX, .plain = true});
    struct weft_test_build build = {.gemma = {.ctx = CTX, .chunk = CHUNK, .head = WEFT_LM_GENERATE, .sampling = true},
                                    .logits = true};
    program = weft_test_program(gpu, &model, &build);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_program_destroy(&program);
    weft_test_model_free(&model);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay_equals_checker), cmocka_unit_test(test_mixed_notices),
        cmocka_unit_test(test_wrong_update),          cmocka_unit_test(test_stale_bind),
        cmocka_unit_test(test_runs_a_submit),         cmocka_unit_test(test_steady),
        cmocka_unit_test(test_disturbances),          cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
