/// The scheduler of batches on the null device, where every run picks id 0: what is admitted when, how many tokens each
/// sequence gets, what ends it, and that nothing is lost however sequences come and go.
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
#include "gpu/gpu_test.h"
#include "support/lm_program.h"
#include "support/must.h"
#include "support/tiny_gemma3.h"
#include "weft/weft.h"

#include <math.h>

#include <string.h>

enum { CTX = 64, VOCAB = 300, MOST = 400 };

static weft_device *device;
static weft_model *model;
static char path[] = "/tmp/weft-batch-null-XXXXXX";
static const int32_t prompt[CTX] = {2, 5, 6, 7, 8, 9, 10, 11, 12, 13};

static weft_batch *open_batch(struct weft_batch_params params) {
    weft_batch *b = NULL;
    MUST(weft_batch_create(model, &params, &b));
    return b;
}

static bool count(void *user, int32_t id) {
    assert_int_equal(id, 0);
    ++*(uint32_t *)user;
    return true;
}

/// The results of all that is left, by id.
static void finish(weft_batch *b, struct weft_batch_result *results, size_t n) {
    struct weft_batch_result r;
    size_t left = 1;
    while (left) {
        MUST(weft_batch_step(b, true, &left));
        while (weft_batch_next(b, &r)) {
            assert_true(r.id >= 1 && r.id <= n);
            assert_int_equal(results[r.id - 1].id, 0); // each ends once
            results[r.id - 1] = r;
        }
    }
    assert_false(weft_batch_next(b, &r));
}

static void each_gets_its_tokens(void **state) {
    (void)state;
    static const struct {
        uint32_t prompt, wanted, gets;
        enum weft_stop_reason reason;
    } texts[] = {
        {3, 5, 5, WEFT_STOP_LENGTH},     {60, 2, 2, WEFT_STOP_LENGTH},  {10, 0, 54, WEFT_STOP_CONTEXT},
        {64, 0, 0, WEFT_STOP_CONTEXT},   {1, 1, 1, WEFT_STOP_LENGTH},   {63, 9, 1, WEFT_STOP_CONTEXT},
        {20, 44, 44, WEFT_STOP_CONTEXT}, {7, 30, 30, WEFT_STOP_LENGTH},
    };
    enum { N = sizeof texts / sizeof *texts };
    for (uint32_t slots = 1; slots <= 8; slots += slots < 3 ? 1 : 5) {
        struct weft_batch_result results[N] = {{0}};
        uint32_t seen[N] = {0};
        weft_batch *b = open_batch((struct weft_batch_params){.slots = slots, .chunk = 16, .ctx = CTX});
        for (uint32_t i = 0; i < N; i++) {
            uint64_t id;
            const struct weft_model_generate_params params = {
                .max_tokens = texts[i].wanted, .token = count, .user = &seen[i]};
            MUST(weft_batch_add_ids(b, prompt, texts[i].prompt, &params, &id));
            assert_int_equal(id, i + 1);
        }
        finish(b, results, N);
        for (uint32_t i = 0; i < N; i++) {
            assert_int_equal(results[i].status, WEFT_OK);
            assert_int_equal(results[i].stats.new_tokens, texts[i].gets);
            assert_int_equal(seen[i], texts[i].gets);
            assert_int_equal(results[i].stats.reason, texts[i].reason);
        }
        weft_batch_destroy(&b);
    }
}

/// A prompt of many chunks does not hold up those that generate; what came first is read first.
static void prompts_stand_in_line(void **state) {
    (void)state;
    weft_batch *b = open_batch((struct weft_batch_params){.slots = 3, .chunk = 8, .runs = 1});
    uint32_t seen[3] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        const struct weft_model_generate_params params = {.max_tokens = 20, .token = count, .user = &seen[i]};
        MUST(weft_batch_add_ids(b, prompt, i ? 30 : 2, &params, NULL));
    }
    size_t left = 0;
    for (int i = 0; i < 4; i++) MUST(weft_batch_step(b, true, &left));
    assert_int_equal(seen[0], 4); // one a run, from the first on
    assert_int_equal(seen[1], 0);
    for (int i = 0; i < 2; i++) MUST(weft_batch_step(b, true, &left));
    assert_int_equal(seen[0], 6);
    assert_true(seen[1] >= 1 && seen[2] == 0); // of 8 tokens a run one is the first text's: 30 take four and a bit
    struct weft_batch_result results[3] = {{0}};
    finish(b, results, 3);
    struct weft_batch_counters c;
    MUST(weft_batch_counters(b, &c));
    assert_int_equal(c.tokens, 2 + 30 + 30 + 3 * 19);
    weft_batch_destroy(&b);
}

struct chain {
    weft_batch *batch;
    uint32_t added, tokens;
    uint64_t first;
};

/// Adds another text at each first token, and stops the first one.
static bool add_more(void *user, int32_t id) {
    struct chain *c = user;
    (void)id;
    c->tokens++;
    if (c->added >= 5) return true;
    const struct weft_model_generate_params params = {.max_tokens = 2, .token = add_more, .user = c};
    c->added++;
    MUST(weft_batch_add_ids(c->batch, prompt, 3, &params, NULL));
    if (c->added == 3) MUST(weft_batch_stop(c->batch, c->first));
    return true;
}

static void callbacks_add_and_stop(void **state) {
    (void)state;
    struct chain c = {.batch = open_batch((struct weft_batch_params){.slots = 2, .chunk = 8})};
    struct weft_batch_result results[6] = {{0}};
    const struct weft_model_generate_params params = {.max_tokens = 40, .token = add_more, .user = &c};
    MUST(weft_batch_add_ids(c.batch, prompt, 3, &params, &c.first));
    finish(c.batch, results, 6);
    assert_int_equal(c.added, 5);
    assert_int_equal(results[0].stats.reason, WEFT_STOP_CALLER);
    for (int i = 1; i < 6; i++) assert_int_equal(results[i].stats.new_tokens, 2);
    weft_batch_destroy(&c.batch);
}

static void stopping(void **state) {
    (void)state;
    weft_batch *b = open_batch((struct weft_batch_params){.slots = 1, .chunk = 8});
    uint64_t ids[3];
    struct weft_cancel cancel = {0};
    struct weft_batch_result results[3] = {{0}};
    const struct weft_model_generate_params params = {.max_tokens = 50, .cancel = &cancel};
    for (int i = 0; i < 3; i++) MUST(weft_batch_add_ids(b, prompt, 4, &params, &ids[i]));
    MUST(weft_batch_stop(b, ids[1])); // it waits
    FAILS(weft_batch_stop(b, ids[1]), WEFT_ERR_NOT_FOUND, "there is no sequence 2");
    FAILS(weft_batch_stop(b, 99), WEFT_ERR_NOT_FOUND, "99");
    size_t left;
    MUST(weft_batch_step(b, true, &left));
    assert_int_equal(left, 2);
    weft_cancel_set(&cancel);
    finish(b, results, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(results[i].status, WEFT_OK);
        assert_int_equal(results[i].stats.reason, WEFT_STOP_CALLER);
    }
    assert_true(results[0].stats.new_tokens < 50);
    MUST(weft_batch_add_ids(b, prompt, 4, &params, NULL)); // dropped with the batch
    weft_batch_destroy(&b);
    weft_batch_destroy(&b);
}

/// The model's cancel ends every text of its batches, and what waits for a slot is ended at once by its own.
static void cancelled(void **state) {
    (void)state;
    struct weft_cancel own = {0}, all = {0};
    struct weft_model_params open = {WEFT_SIZED(weft_model_params), .cancel = &all};
    struct weft_batch_result r, results[3] = {{0}};
    weft_model *other = NULL;
    weft_batch *b = NULL;
    size_t left;
    MUST(weft_model_open(device, path, &open, &other));
    MUST(weft_batch_create(other, &(struct weft_batch_params){.slots = 1, .chunk = 8}, &b));
    for (int i = 0; i < 3; i++)
        MUST(weft_batch_add_ids(b, prompt, 4,
                                &(struct weft_model_generate_params){.max_tokens = 50, .cancel = i == 1 ? &own : NULL},
                                NULL));
    weft_cancel_set(&own);
    MUST(weft_batch_step(b, true, &left));
    assert_int_equal(left, 2); // the first has the slot, and goes on
    assert_true(weft_batch_next(b, &r));
    assert_int_equal(r.id, 2);
    assert_int_equal(r.stats.reason, WEFT_STOP_CALLER);
    weft_cancel_set(&all);
    finish(b, results, 3);
    for (int i = 0; i < 3; i += 2) {
        assert_int_equal(results[i].status, WEFT_OK);
        assert_int_equal(results[i].stats.reason, WEFT_STOP_CALLER);
        assert_true(results[i].stats.new_tokens < 50);
    }
    weft_batch_destroy(&b);
    weft_model_close(&other);
}

/// Many sequences of random lengths over random slots: all end with what they are due.
static void many(void **state) {
    (void)state;
    uint64_t seed = 3;
    for (int round = 0; round < 4; round++) {
        uint32_t slots = 1 + weft_test_random(&seed, 64), n = 100 + weft_test_random(&seed, MOST - 100);
        struct weft_batch_result *results = weft_calloc(n, sizeof *results);
        uint32_t *wanted = weft_calloc(n, sizeof *wanted);
        weft_batch *b = open_batch((struct weft_batch_params){.slots = slots, .chunk = 64});
        for (uint32_t i = 0; i < n; i++) {
            uint32_t length = 1 + weft_test_random(&seed, CTX - 1);
            wanted[i] = 1 + weft_test_random(&seed, CTX - length);
            const struct weft_model_generate_params params = {.max_tokens = wanted[i]};
            MUST(weft_batch_add_ids(b, prompt, length, &params, NULL));
            if (weft_test_random(&seed, 2)) MUST(weft_batch_step(b, false, NULL));
        }
        finish(b, results, n);
        for (uint32_t i = 0; i < n; i++) assert_int_equal(results[i].stats.new_tokens, wanted[i]);
        weft_batch_destroy(&b);
        weft_free(results);
        weft_free(wanted);
    }
}

/// A prompt whose sequence has left its slot to another one finds its pages again, in a model without rings and as long
/// as nobody needs them.
static void pages_outlive_slots(void **state) {
    (void)state;
    enum { TEXTS = 5 };
    static const uint32_t lengths[TEXTS] = {120, 120, 20, 20, 100};
    const char *build = getenv("WEFT_TEST_BUILD");
    char file[512];
    weft_model *llama;
    weft_batch *b;
    int32_t ids[120];
    struct weft_batch_result r, results[TEXTS];
    size_t left = 0;
    snprintf(file, sizeof file, "%s/models/llama.gguf", build ? build : ".");
    MUST(weft_model_open(device, file, &(struct weft_model_params){.lazy = true}, &llama));
    MUST(weft_batch_create(llama, &(struct weft_batch_params){.slots = 2}, &b));
    for (int i = 0; i < TEXTS; i++) {
        for (int k = 0; k < 120; k++) ids[k] = 3 + k + 20 * (i % 4); // the last one begins as the first one does
        MUST(weft_batch_add_ids(b, ids, lengths[i], &(struct weft_model_generate_params){.max_tokens = 2}, NULL));
        for (left = i % 2; left;) MUST(weft_batch_step(b, true, &left)); // two at once
    }
    do MUST(weft_batch_step(b, true, &left));
    while (left);
    while (weft_batch_next(b, &r)) results[r.id - 1] = r;
    for (int i = 0; i < 4; i++) assert_int_equal(results[i].stats.cached_tokens, 0);
    assert_int_equal(results[4].stats.cached_tokens, 64); // a full page
    weft_batch_destroy(&b);
    weft_model_close(&llama);
}

static void refusals(void **state) {
    (void)state;
    weft_batch *b = NULL;
    FAILS(weft_batch_create(model, &(struct weft_batch_params){.slots = 65}, &b), WEFT_ERR_INVALID, "at most 64");
    FAILS(weft_batch_create(model, &(struct weft_batch_params){.slots = 9, .chunk = 8}, &b), WEFT_ERR_INVALID,
          "runs of 8 tokens for 9 sequences");
    FAILS(weft_batch_create(model, &(struct weft_batch_params){.runs = 65}, &b), WEFT_ERR_INVALID, "65 decode runs");
    FAILS(weft_batch_create(model, &(struct weft_batch_params){.ctx = CTX + 1}, &b), WEFT_ERR_LIMIT, "context of 65");
    FAILS(weft_batch_create(model, &(struct weft_batch_params){.slots = 9, .ctx = 8}, &b), WEFT_ERR_LIMIT,
          "9 sequences at once in a context of 8 tokens");
    FAILS(weft_batch_create(NULL, NULL, &b), WEFT_ERR_INVALID, "model");
    assert_null(b);
    b = open_batch((struct weft_batch_params){.slots = 2});
    uint64_t id = 7;
    const struct weft_model_generate_params hot = {.sampling = {.temp = NAN}};
    FAILS(weft_batch_add_ids(b, prompt, CTX + 1, NULL, &id), WEFT_ERR_LIMIT, "the prompt has 65 tokens");
    FAILS(weft_batch_add_ids(b, prompt, 0, NULL, &id), WEFT_ERR_INVALID, "empty prompt");
    FAILS(weft_batch_add_ids(b, &(int32_t){VOCAB}, 1, NULL, &id), WEFT_ERR_INVALID, "outside the vocabulary");
    FAILS(weft_batch_add_ids(b, prompt, 2, &hot, &id), WEFT_ERR_INVALID, "temperature");
    FAILS(weft_batch_add_ids(b, prompt, 2,
                             &(struct weft_model_generate_params){.stop_texts = &(const char *){""}, .n_stop_texts = 1},
                             &id),
          WEFT_ERR_INVALID, "stop text 0 is empty");
    assert_int_equal(id, 0);
    size_t left = 9;
    MUST(weft_batch_step(b, true, &left));
    assert_int_equal(left, 0);
    FAILS(weft_batch_step(NULL, true, &left), WEFT_ERR_INVALID, "batch");
    assert_false(weft_batch_next(NULL, NULL));
    weft_batch_destroy(&b);
    weft_batch_destroy(NULL);
}

/// A device that is lost and recovered: what was generated stays, and the rest comes.
static void a_lost_device(void **state) {
    (void)state;
    weft_batch *b = open_batch((struct weft_batch_params){.slots = 2, .chunk = 8, .runs = 2});
    struct weft_batch_result results[4] = {{0}};
    uint32_t seen[4] = {0};
    size_t left = 0;
    for (uint32_t i = 0; i < 4; i++) {
        const struct weft_model_generate_params params = {.max_tokens = 20, .token = count, .user = &seen[i]};
        MUST(weft_batch_add_ids(b, prompt, 3 + 5 * i, &params, NULL));
    }
    for (int i = 0; i < 4; i++) MUST(weft_batch_step(b, true, &left));
    assert_true(seen[0] > 1 && seen[0] < 20);
    weft_gpu_lose(device);
    assert_int_equal(weft_batch_step(b, true, &left), WEFT_ERR_LOST);
    assert_int_equal(left, 4);
    assert_int_equal(weft_batch_step(b, true, &left), WEFT_ERR_LOST);
    MUST(weft_device_recover(device, NULL));
    finish(b, results, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(results[i].stats.new_tokens, 20);
        assert_int_equal(seen[i], 20);
    }
    weft_batch_destroy(&b);
}

/// Whatever allocation fails, a batch is made or refused whole, and a text is added or not.
static void out_of_memory(void **state) {
    (void)state;
    for (uint64_t at = 0;; at++) {
        weft_batch *b = NULL;
        size_t left = 0;
        const struct weft_model_generate_params params = {.stop_texts = &(const char *){"end"}, .n_stop_texts = 1};
        weft_alloc_fail_at(at + 1, 0);
        weft_status status = weft_batch_create(model, &(struct weft_batch_params){.slots = 2, .chunk = 8}, &b);
        if (status == WEFT_OK) status = weft_batch_add_ids(b, prompt, 5, &params, NULL);
        if (status == WEFT_OK) status = weft_batch_step(b, true, &left);
        weft_alloc_fail_at(0, 0);
        weft_batch_destroy(&b);
        if (status == WEFT_OK) break;
        assert_int_equal(status, WEFT_ERR_NOMEM);
    }
}

static int setup(void **state) {
    (void)state;
    int fd = mkstemp(path);
    const struct weft_tiny_gemma3 tiny = {.seed = 3, .ctx = CTX, .n_layer = 1};
    if (fd < 0 || close(fd) || !weft_tiny_gemma3_write(&tiny, path)) return -1;
    MUST(weft_device_open(&(struct weft_device_params){.implementation = "null"}, &device));
    MUST(weft_model_open(device, path, NULL, &model));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_model_close(&model);
    weft_device_close(&device);
    unlink(path);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_gets_its_tokens),
        cmocka_unit_test(prompts_stand_in_line),
        cmocka_unit_test(callbacks_add_and_stop),
        cmocka_unit_test(stopping),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(many),
        cmocka_unit_test(pages_outlive_slots),
        cmocka_unit_test(refusals),
        cmocka_unit_test(a_lost_device),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("batch", tests, setup, teardown);
}
