/// Generation that goes on from what the caches hold: the same ids as from empty caches, and no more tokens fed than
/// there must be, with caches that can be cropped, rings that have gone past and recurrent states.
#include "core/alloc.h"
#include "engine/held.h"
#include "engine/lm.h"
#include "support/graph_run.h"
#include "support/tiny_gemma3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CTX = 128, FIRST = 21, NEW = 12, LONG = 60, CHUNK = 16 };

static weft_gpu *gpu;
static char path[] = "/tmp/weft-reuse-XXXXXX";
static int32_t text[CTX];

struct taken {
    int32_t ids[CTX];
    uint32_t n, stop_after;
    struct weft_generate_stats stats;
};

static bool take(void *user, int32_t id) {
    struct taken *t = user;
    t->ids[t->n++] = id;
    return !t->stop_after || t->n < t->stop_after;
}

static struct taken generate(weft_lm *lm, const int32_t *ids, uint32_t n, struct weft_model_generate_params params) {
    struct taken t = {.stop_after = params.max_tokens == 7 ? 5 : 0};
    params.token = take;
    params.user = &t;
    params.ignore_stops = true;
    weft_status status = weft_lm_generate(lm, ids, n, &params, &t.stats);
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
    return t;
}

/// Generates from what is held and, with another model object, from empty caches.
static uint32_t compare(weft_lm *lm, weft_lm *fresh, const int32_t *ids, uint32_t n,
                        struct weft_model_generate_params params, struct taken *out) {
    struct taken want = generate(fresh, ids, n, params);
    params.reuse = true;
    *out = generate(lm, ids, n, params);
    assert_int_equal(want.stats.cached_tokens, 0);
    assert_int_equal(out->n, want.n);
    assert_memory_equal(out->ids, want.ids, want.n * sizeof *want.ids);
    assert_int_equal(out->stats.reason, want.stats.reason);
    assert_int_equal(out->stats.prompt_tokens, n);
    return out->stats.cached_tokens;
}

static weft_lm *open_lm(const char *file, uint32_t runs) {
    weft_lm *lm = NULL;
    if (weft_lm_open(gpu, file, &(struct weft_model_params){.ctx = CTX, .chunk = CHUNK, .runs = runs}, &lm) != WEFT_OK)
        fail_msg("%s", weft_error_message());
    return lm;
}

/// A turn, the next one, the same again, an earlier one changed: with so many runs a submit. `marks`: the caches can't
/// be cropped at all.
static void turns(const char *file, uint32_t runs, bool marks) {
    weft_lm *lm = open_lm(file, runs), *fresh = open_lm(file, 1);
    struct weft_model_generate_params greedy = {.max_tokens = NEW},
                                      warm = {
                                          .max_tokens = NEW,
                                          .sampling = {.temp = 1.2f, .seed = 9, .repetition = 1.3f, .presence = 0.5f}};
    struct taken t;
    int32_t ids[CTX];
    memcpy(ids, text, sizeof ids);
    assert_int_equal(compare(lm, fresh, ids, FIRST, greedy, &t), 0);
    memcpy(ids + FIRST, t.ids, NEW * sizeof *ids); // the reply, whose last token was not fed, and a new turn
    memcpy(ids + FIRST + NEW, text + 40, 9 * sizeof *ids);
    uint32_t n = FIRST + NEW + 9;
    assert_int_equal(compare(lm, fresh, ids, n, greedy, &t), FIRST + NEW - 1);
    assert_int_equal(compare(lm, fresh, ids, n, greedy, &t), n - 1); // again: all but the last
    assert_int_equal(compare(lm, fresh, ids, n, warm, &t), n - 1);   // counts and draws begin anew
    assert_int_equal(compare(lm, fresh, ids, n, warm, &t), n - 1);
    ids[FIRST + 4] = ids[FIRST + 4] == 7 ? 8 : 7; // within what was the first reply
    assert_int_equal(compare(lm, fresh, ids, n, greedy, &t), marks ? FIRST - 1 : FIRST + 4);
    ids[3] = ids[3] == 7 ? 8 : 7;
    assert_int_equal(compare(lm, fresh, ids, n, greedy, &t), marks ? 0 : 3);
    // A reply that the caller ended: runs ahead have fed what nobody saw.
    greedy.max_tokens = 7;
    compare(lm, fresh, ids, n, greedy, &t);
    assert_int_equal(t.n, 5);
    memcpy(ids + n, t.ids, 5 * sizeof *ids);
    ids[n + 5] = 11;
    greedy.max_tokens = NEW;
    uint32_t kept = compare(lm, fresh, ids, n + 6, greedy, &t);
    assert_in_range(kept, marks ? n - 1 : n + 4, n + 4);
    // What a call without reuse leaves is held too.
    generate(lm, ids, 8, greedy);
    assert_int_equal(compare(lm, fresh, ids, FIRST, greedy, &t), marks ? 0 : 8);
    weft_lm_close(&lm);
    weft_lm_close(&fresh);
}

static void test_rings(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    turns(path, 1, false);
    turns(path, 8, false);
}

static void test_recurrent(void **state) {
    (void)state;
    if (weft_test_thin()) skip();
    turns("models/hybrid.gguf", 1, true);
    turns("models/hybrid.gguf", 8, true);
}

/// A reply that is longer than a window's ring: going back is to the prompt's end or the one before, by marks.
static void test_long_reply(void **state) {
    (void)state;
    weft_lm *lm = open_lm(path, 4), *fresh = open_lm(path, 4);
    struct weft_model_generate_params greedy = {.max_tokens = LONG};
    struct taken t;
    int32_t ids[CTX];
    memcpy(ids, text, sizeof ids);
    compare(lm, fresh, ids, FIRST, greedy, &t);
    assert_int_equal(compare(lm, fresh, ids, FIRST, greedy, &t), FIRST - 1);
    memcpy(ids + FIRST, t.ids, LONG * sizeof *ids);
    uint32_t n = FIRST + LONG + 4;
    greedy.max_tokens = 0; // until the context is full
    assert_int_equal(compare(lm, fresh, ids, n, greedy, &t), FIRST + LONG - 1);
    assert_int_equal(t.stats.reason, WEFT_STOP_CONTEXT);
    ids[FIRST + 6] = ids[FIRST + 6] == 7 ? 8 : 7;
    assert_int_equal(compare(lm, fresh, ids, n, greedy, &t), FIRST - 1); // the mark, as the ring is past it
    ids[2] = ids[2] == 7 ? 8 : 7;
    assert_int_equal(compare(lm, fresh, ids, n, greedy, &t), 0);
    weft_lm_close(&lm);
    weft_lm_close(&fresh);
}

/// What is common is a prefix, and never the whole prompt.
static void test_common(void **state) {
    (void)state;
    int32_t ids[] = {5, 6, 7, 8};
    struct weft_held held = {.ids = {.data = ids, .count = 3}};
    static const struct {
        int32_t ids[5];
        uint32_t n, want;
    } cases[] = {{{5}, 1, 0},          {{5, 6}, 2, 1},          {{5, 6, 7}, 3, 2}, {{5, 6, 7, 8}, 4, 3},
                 {{5, 6, 9, 8}, 4, 2}, {{5, 6, 7, 9, 9}, 5, 3}, {{4, 6, 7}, 3, 0}, {{0}, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(weft_held_common(&held, cases[i].ids, cases[i].n), cases[i].want);
    held.ids.count = 0;
    assert_int_equal(weft_held_common(&held, ids, 4), 0);
}

static int setup(void **state) {
    (void)state;
    uint32_t x = 7;
    int fd = mkstemp(path);
    const struct weft_tiny_gemma3 tiny = {.seed = 3, .ctx = CTX, .n_layer = 3};
    if (fd < 0 || close(fd) || !weft_tiny_gemma3_write(&tiny, path)) return -1;
    gpu = weft_test_gpu();
    if (!gpu) return -1;
    text[0] = 2;
    for (uint32_t i = 1; i < CTX; i++) text[i] = (int32_t)(4 + ((x = x * 1664525 + 1013904223) >> 16) % 290);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    unlink(path);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common),
        cmocka_unit_test(test_rings),
        cmocka_unit_test(test_long_reply),
        cmocka_unit_test(test_recurrent),
    };
    return cmocka_run_group_tests_name("reuse", tests, setup, teardown);
}
