/// Replay is exact: a session's runs give the bits that a checker session gives, one submit a step over poisoned
/// transients, whatever else happens on the device; and these tests notice when it does not.
///
/// One program for all: a random Gemma 3 of three layers with the full sampler and its logits as an output. Rings of
/// its local layers hold 64 rows and the context 160, so that they go round.
#include "support/lm_program.h"

#include "core/alloc.h"
#include "core/error.h"
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
    assert_int_equal(mixed(pairs, 2, 200, 1), 0);
    for (int i = 0; i < 2; i++) {
        weft_session_destroy(&pairs[i].replay);
        weft_session_destroy(&pairs[i].checker);
    }
}

// ---- negative controls ---------------------------------------------------------------------------------------------

/// A prefill of 5, two decode runs: what every control does.
static void short_story(weft_session *s) {
    uint64_t seed = 5;
    struct move first = prefill_of(&seed, 0, 5, 1), more = decode_of(5, 2);
    restart(s);
    apply(s, &first, false);
    apply(s, &more, false);
}

static uint32_t most_steps(void) {
    const struct weft_plan *plan = weft_program_plan(program);
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n_schedules; i++)
        if (plan->schedules[i].n_steps > n) n = plan->schedules[i].n_steps;
    return n;
}

/// Words of a step's block in the schedule that has most, 0 if no schedule has the step.
static uint32_t words_of(uint32_t step) {
    const struct weft_plan *plan = weft_program_plan(program);
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n_schedules; i++) {
        const struct weft_schedule *sc = &plan->schedules[i];
        if (step < sc->n_steps && sc->steps[step].n_words > n) n = sc->steps[step].n_words;
    }
    return n;
}

static void test_sabotaged_update(void **state) {
    (void)state;
    struct twins pair = {.replay = begin(false), .checker = begin(true)};
    short_story(pair.checker);
    struct weft_test_image truth = weft_test_image(pair.checker, true);
    for (uint32_t step = 0; step < most_steps(); step++) {
        for (uint32_t word = 0; word < words_of(step); word++) {
            weft_session_sabotage(pair.replay, step, word);
            short_story(pair.replay);
            struct weft_test_image image = weft_test_image(pair.replay, true);
            const char *name = weft_test_image_differs(pair.replay, &truth, &image);
            const struct weft_step *st = &weft_program_plan(program)->schedules[0].steps[step];
            print_message("%2u %2u/%u %s: %s\n", step, word, st->n_fields, st->label, name ? name : "-");
            weft_free(image.bytes);
        }
    }
    weft_free(truth.bytes);
    weft_session_destroy(&pair.replay);
    weft_session_destroy(&pair.checker);
}

static void test_stale_bind(void **state) {
    (void)state;
    weft_session *s = begin(false), *other = begin(false);
    short_story(s);
    struct weft_test_image truth = weft_test_image(s, true);
    for (uint32_t step = 0; step < most_steps(); step++) {
        restart(other);
        must(weft_test_sizes(other, 1, 0, CTX));
        weft_session_sabotage_bind(s, step, other);
        short_story(s);
        struct weft_test_image image = weft_test_image(s, true);
        const char *name = weft_test_image_differs(s, &truth, &image);
        const struct weft_step *st = &weft_program_plan(program)->schedules[0].steps[step];
        print_message("%2u %s: %s\n", step, st->label, name ? name : "-");
        weft_free(image.bytes);
    }
    weft_free(truth.bytes);
    weft_session_destroy(&s);
    weft_session_destroy(&other);
}

static int setup(void **state) {
    (void)state;
    gpu = weft_test_gpu();
    if (!gpu) return -1;
    struct weft_sample_settings warm = {
        .temperature = 1.2f, .top_k = 50, .top_p = 0.97f, .repetition = 1.1f, .frequency = 0.2f, .seed = 11};
    must(weft_sample_pack(&warm, settings));
    weft_test_model_make(&model, &(struct weft_tiny_gemma3){.seed = 4, .n_layer = 3, .ctx = CTX});
    program = weft_test_program(gpu, &model,
                                &(struct weft_test_build){.gemma = {.ctx = CTX, .chunk = CHUNK, .head = WEFT_LM_GENERATE,
                                                                    .sampling = true},
                                                          .logits = true});
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
        cmocka_unit_test(test_replay_equals_checker),
        cmocka_unit_test(test_sabotaged_update),
        cmocka_unit_test(test_stale_bind),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
