/// Sequences of a batch on a device beside the same ones alone: mixed lengths, settings and seeds, admitted, evicted
/// and stopped while others go on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
// cmocka wants those above first
#include <cmocka.h>

#include "core/alloc.h"
#include "engine/batch.h"
#include "support/graph_run.h"
#include "support/lm_program.h"
#include "support/tiny_gemma3.h"

#include <string.h>

enum { VOCAB = 300, CTX = 128, CHUNK = 16, MOST = 128, SEQUENCES = 9 };

static weft_gpu *gpu;
static char path[] = "/tmp/weft-batch-XXXXXX";
static weft_lm *lm;

struct taken {
    int32_t ids[MOST];
    uint32_t n, most; ///< that the callback takes; 0: all
    uint64_t id;
    struct weft_batch_result end;
};

static bool take(void *user, int32_t id) {
    struct taken *t = user;
    assert_true(t->n < MOST);
    t->ids[t->n++] = id;
    return t->n != t->most;
}

struct wanted {
    uint32_t prompt; ///< tokens
    struct weft_model_generate_params params;
    uint32_t most;
    int32_t ids[CTX];
    struct taken alone;
};
static struct wanted wanted[SEQUENCES] = {
    {.prompt = 5, .params = {.max_tokens = 20}},
    {.prompt = 41, .params = {.max_tokens = 7}},
    {.prompt = 1, .params = {.max_tokens = 30, .sampling = {.temp = 1, .seed = 5}}},
    {.prompt = 17,
     .params = {.max_tokens = 24, .sampling = {.temp = 0.8f, .top_k = 20, .repetition = 1.3f, .seed = 6}}},
    {.prompt = 100, .params = {.ignore_stops = true}}, // to the end of the context
    {.prompt = 16, .params = {.max_tokens = 9, .sampling = {.frequency = 0.5f, .presence = 0.2f}}},
    {.prompt = 33, .params = {.max_tokens = 40, .sampling = {.temp = 1.5f, .top_p = 0.9f, .seed = 7}}, .most = 6},
    {.prompt = 2, .params = {.max_tokens = 1}},
    {.prompt = 41, .params = {.max_tokens = 12}}, // begins as the second one does
};

static void compare(const struct wanted *w, const struct taken *t) {
    assert_int_equal(t->end.status, WEFT_OK);
    if (t->n != w->alone.n || memcmp(t->ids, w->alone.ids, t->n * sizeof *t->ids))
        fail_msg("a prompt of %u tokens gave %u ids in a batch, %u alone", w->prompt, t->n, w->alone.n);
    assert_int_equal(t->end.stats.new_tokens, w->alone.end.stats.new_tokens);
    assert_int_equal(t->end.stats.reason, w->alone.end.stats.reason);
    assert_int_equal(t->end.stats.prompt_tokens, w->prompt);
}

static weft_batch *open_batch(uint32_t slots, uint32_t runs) {
    weft_batch *b = NULL;
    const struct weft_batch_params params = {.slots = slots, .chunk = CHUNK, .runs = runs};
    if (weft_lm_batch_create(lm, &params, &b) != WEFT_OK) fail_msg("%s", weft_error_message());
    return b;
}

static void add(weft_batch *b, const struct wanted *w, struct taken *t) {
    struct weft_model_generate_params params = w->params;
    params.token = take;
    params.user = t;
    *t = (struct taken){.most = w->most};
    if (weft_lm_batch_add(b, w->ids, w->prompt, &params, &t->id) != WEFT_OK) fail_msg("%s", weft_error_message());
}

static size_t step_as(weft_batch *b, struct taken *taken, bool wait) {
    struct weft_batch_result end;
    size_t left = 0;
    if (weft_lm_batch_step(b, wait, &left) != WEFT_OK) fail_msg("%s", weft_error_message());
    while (weft_lm_batch_next(b, &end))
        for (int i = 0; i < SEQUENCES; i++)
            if (taken[i].id == end.id) taken[i].end = end;
    return left;
}

static size_t step(weft_batch *b, struct taken *taken) { return step_as(b, taken, true); }

static void all_at_once(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    struct taken taken[SEQUENCES] = {{{0}, 0, 0, 0, {0}}};
    weft_batch *b = open_batch(4, 0);
    for (int i = 0; i < SEQUENCES; i++) add(b, &wanted[i], &taken[i]);
    while (step(b, taken)) {}
    for (int i = 0; i < SEQUENCES; i++) compare(&wanted[i], &taken[i]);
    assert_int_equal(weft_lm_batch_counts(b).evicted, 0);
    // the same again: slots hold prompts from before
    uint64_t reused = weft_lm_batch_counts(b).reused_tokens;
    for (int i = 0; i < SEQUENCES; i++) add(b, &wanted[i], &taken[i]);
    while (step_as(b, taken, false)) {} // never waits
    for (int i = 0; i < SEQUENCES; i++) compare(&wanted[i], &taken[i]);
    assert_true(weft_lm_batch_counts(b).reused_tokens > reused);
    weft_lm_batch_destroy(&b);
    assert_null(b);
}

/// Those whose draws and penalties go on from the ids that they have lose their slot once in the midst of these.
static uint64_t cut_short(weft_batch *b, const struct taken *taken, bool *cut) {
    uint64_t n = 0;
    for (int i = 0; i < SEQUENCES; i++) {
        const struct weft_sampling *s = &wanted[i].params.sampling;
        if (cut[i] || taken[i].n < 3 || (s->temp == 0 && s->frequency == 0)) continue;
        cut[i] = weft_lm_batch_evict(b, taken[i].id) == WEFT_OK;
        n += cut[i];
    }
    return n;
}

/// At random times sequences come, lose their slots and get another.
static void come_and_go(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    struct taken taken[SEQUENCES] = {{{0}, 0, 0, 0, {0}}};
    uint64_t seed = 11, evicted = 0;
    bool cut[SEQUENCES] = {false};
    weft_batch *b = open_batch(3, 2);
    uint32_t added = 0;
    size_t left = 0;
    while (added < SEQUENCES || left) {
        if (added < SEQUENCES && (left == 0 || weft_test_random(&seed, 3) == 0)) {
            add(b, &wanted[added], &taken[added]);
            added++;
        }
        if (added && weft_test_random(&seed, 4) == 0)
            evicted += weft_lm_batch_evict(b, taken[weft_test_random(&seed, added)].id) == WEFT_OK;
        evicted += cut_short(b, taken, cut);
        left = step(b, taken);
    }
    assert_true(evicted > 2);
    assert_true(cut[2] && cut[3] && cut[5] && cut[6]);
    assert_int_equal(weft_lm_batch_counts(b).evicted, evicted);
    for (int i = 0; i < SEQUENCES; i++) compare(&wanted[i], &taken[i]);
    weft_lm_batch_destroy(&b);
}

/// A sequence that takes over the beginning of another one, and for which the runs that follow have no room.
static void no_room_at_first(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    struct taken taken[SEQUENCES] = {{{0}, 0, 0, 0, {0}}};
    weft_batch *b = NULL;
    assert_int_equal(weft_lm_batch_create(lm, &(struct weft_batch_params){.slots = 4, .chunk = 4, .runs = 1}, &b),
                     WEFT_OK);
    add(b, &wanted[SEQUENCES - 1], &taken[SEQUENCES - 1]);
    add(b, &wanted[0], &taken[0]);
    while (taken[SEQUENCES - 1].n == 0 || taken[0].n == 0) step(b, taken);
    add(b, &wanted[4], &taken[4]); // takes what is left of each run
    add(b, &wanted[1], &taken[1]); // begins as the first one does
    while (step(b, taken)) {}
    static const int ran[] = {SEQUENCES - 1, 0, 4, 1};
    for (int i = 0; i < 4; i++) compare(&wanted[ran[i]], &taken[ran[i]]);
    assert_true(weft_lm_batch_counts(b).reused_tokens >= 30);
    weft_lm_batch_destroy(&b);
}

/// Random models of other kinds: experts, positions that are learned, recurrent layers. Prompts of 3, 20 and 9 tokens
/// in two slots, greedily.
static void families(void **state) {
    (void)state;
    static const char *const names[] = {"hybrid", "mixtral", "gpt2", "qwen3moe", "gemma2", "phi3"};
    static const uint32_t lengths[] = {3, 20, 9};
    const char *build = getenv("WEFT_TEST_BUILD");
    bool few = !weft_test_long();
    if (weft_test_thin()) skip();
    for (size_t f = 0; f < (few ? 1 : sizeof names / sizeof *names); f++) {
        char file[512];
        weft_lm *own = NULL;
        weft_batch *b = NULL;
        struct taken alone[3] = {{{0}, 0, 0, 0, {0}}}, taken[SEQUENCES] = {{{0}, 0, 0, 0, {0}}};
        int32_t ids[20];
        snprintf(file, sizeof file, "%s/models/%s.gguf", build ? build : ".", names[f]);
        const struct weft_model_params params = {.chunk = CHUNK, .greedy = true};
        if (weft_lm_open(gpu, file, &params, &own) != WEFT_OK ||
            weft_lm_batch_create(own, &(struct weft_batch_params){.slots = 2, .chunk = CHUNK}, &b) != WEFT_OK)
            fail_msg("%s: %s", names[f], weft_error_message());
        for (int i = 0; i < 20; i++) ids[i] = 5 + i * 7 % 50;
        for (int i = 0; i < 3; i++) {
            struct weft_model_generate_params p = {
                .max_tokens = 12, .ignore_stops = true, .token = take, .user = &alone[i]};
            assert_int_equal(weft_lm_generate(own, ids, lengths[i], &p, NULL), WEFT_OK);
            p.user = &taken[i];
            assert_int_equal(weft_lm_batch_add(b, ids, lengths[i], &p, &taken[i].id), WEFT_OK);
        }
        while (step(b, taken)) {}
        for (int i = 0; i < 3; i++)
            if (taken[i].n != 12 || memcmp(taken[i].ids, alone[i].ids, sizeof alone[i].ids))
                fail_msg("%s: %u tokens got other ids in a batch", names[f], lengths[i]);
        weft_lm_batch_destroy(&b);
        weft_lm_close(&own);
    }
}

static int setup(void **state) {
    (void)state;
    uint32_t x = 7;
    int fd = mkstemp(path);
    const struct weft_tiny_gemma3 tiny = {.seed = 3, .ctx = CTX, .n_layer = 3};
    if (fd < 0 || close(fd) || !weft_tiny_gemma3_write(&tiny, path)) return -1;
    gpu = weft_test_gpu();
    if (gpu && weft_test_thin()) return 0;
    if (!gpu || weft_lm_open(gpu, path, &(struct weft_model_params){.chunk = CHUNK}, &lm) != WEFT_OK) return -1;
    for (int i = 0; i < SEQUENCES; i++) {
        struct wanted *w = &wanted[i];
        for (uint32_t k = 0; k < w->prompt; k++)
            w->ids[k] = (int32_t)(4 + ((x = x * 1664525 + 1013904223) >> 16) % (VOCAB - 4));
        if (i == SEQUENCES - 1) memcpy(w->ids, wanted[1].ids, 30 * sizeof *w->ids);
        struct weft_model_generate_params params = w->params;
        w->alone.most = w->most;
        params.token = take;
        params.user = &w->alone;
        if (weft_lm_generate(lm, w->ids, w->prompt, &params, &w->alone.end.stats) != WEFT_OK) return -1;
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_lm_close(&lm);
    unlink(path);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_at_once),
        cmocka_unit_test(come_and_go),
        cmocka_unit_test(no_room_at_first),
        cmocka_unit_test(families),
    };
    return cmocka_run_group_tests_name("batch", tests, setup, teardown);
}
