/// The host reference on random Gemma 3 models of a few layers: what must not change a result, and what must.
#include "core/alloc.h"
#include "model/decoder.h"
#include "model/gguf.h"
#include "model/host.h"
#include "support/tiny_gemma3.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TOKENS 40
#define VOCAB 300

struct result {
    double logits[TOKENS][VOCAB];
};

static void make_ids(int32_t *ids) {
    uint32_t x = 7;
    for (int i = 0; i < TOKENS; i++) {
        x = x * 1664525u + 1013904223u;
        ids[i] = i ? (int32_t)(x >> 8) % VOCAB : 2;
    }
}

/// Logits of all rows, the tokens given in pieces of `chunk`.
static struct result *run(const struct weft_tiny_gemma3 *tiny, uint32_t chunk, bool cache_f16) {
    struct weft_source *file;
    struct weft_host_lm *lm;
    size_t size;
    int32_t ids[TOKENS];
    make_ids(ids);
    void *data = weft_tiny_gemma3_make(tiny, &size);
    struct result *r = weft_calloc(1, sizeof *r);
    assert_true(data && r);
    if (weft_gguf_open_memory(data, size, "tiny", &file) != WEFT_OK) fail_msg("%s", weft_error_message());
    struct weft_host_lm_params params = {.chunk = chunk, .cache_f16 = cache_f16};
    if (weft_host_lm_create(file, &params, &lm) != WEFT_OK) fail_msg("%s", weft_error_message());
    assert_int_equal(weft_host_lm_vocab(lm), VOCAB);
    for (uint32_t at = 0; at < TOKENS; at += chunk) {
        uint32_t n = TOKENS - at < chunk ? TOKENS - at : chunk;
        if (weft_host_lm_feed(lm, ids + at, n, n, r->logits[at]) != WEFT_OK) fail_msg("%s", weft_error_message());
    }
    assert_int_equal(weft_host_lm_position(lm), TOKENS);
    weft_host_lm_destroy(lm);
    weft_source_close(file);
    weft_free(data);
    return r;
}

static double distance(const struct result *a, const struct result *b) {
    double most = 0;
    for (int t = 0; t < TOKENS; t++)
        for (int v = 0; v < VOCAB; v++) {
            double d = fabs(a->logits[t][v] - b->logits[t][v]);
            if (!(d <= most)) most = d; // a NaN stays
        }
    return most;
}

static double distance_of(const struct weft_tiny_gemma3 *a, const struct weft_tiny_gemma3 *b) {
    struct result *x = run(a, 64, false), *y = run(b, 64, false);
    double d = distance(x, y);
    weft_free(x);
    weft_free(y);
    return d;
}

static void check_chunks(const struct weft_tiny_gemma3 *tiny) {
    static const uint32_t chunks[] = {1, 7, 8, 9};
    struct result *whole = run(tiny, 64, false);
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        struct result *r = run(tiny, chunks[i], false);
        double d = distance(whole, r);
        if (!(d < 1e-9)) fail_msg("chunks of %u differ by %g", chunks[i], d);
        weft_free(r);
    }
    weft_free(whole);
}

static void test_chunks(void **state) {
    (void)state;
    check_chunks(&(struct weft_tiny_gemma3){0});
    check_chunks(&(struct weft_tiny_gemma3){.seed = 1, .n_head = 4, .n_head_kv = 2, .window = 3, .period = 2});
}

static void test_chunks_k_types(void **state) {
    (void)state;
    check_chunks(&(struct weft_tiny_gemma3){.k_types = true, .n_layer = 5});
    check_chunks(&(struct weft_tiny_gemma3){.every_type = true, .n_layer = 2});
}

/// The window's edge, and that layers differ in it.
static void test_window(void **state) {
    (void)state;
    struct weft_tiny_gemma3 base = {0}, narrow = {.window = 7}, wide = {.window = 9}, other = {.period = 6};
    assert_true(distance_of(&base, &narrow) > 1e-3);
    assert_true(distance_of(&base, &wide) > 1e-3);
    assert_true(distance_of(&base, &other) > 1e-3);
    // A window that holds everything is no window.
    struct weft_tiny_gemma3 all = {.window = TOKENS}, more = {.window = 64};
    assert_true(distance_of(&all, &more) == 0);
}

/// Rows before the window's length do not see it.
static void test_window_reach(void **state) {
    (void)state;
    struct result *a = run(&(struct weft_tiny_gemma3){.window = 8}, 64, false);
    struct result *b = run(&(struct weft_tiny_gemma3){.window = 9}, 64, false);
    for (int v = 0; v < VOCAB; v++) assert_true(a->logits[7][v] == b->logits[7][v]);
    double most = 0;
    for (int v = 0; v < VOCAB; v++) most = fmax(most, fabs(a->logits[8][v] - b->logits[8][v]));
    assert_true(most > 1e-6);
    weft_free(a);
    weft_free(b);
}

static void test_keys(void **state) {
    (void)state;
    struct weft_tiny_gemma3 base = {0}, flags = {.flags = true}, head = {.separate_head = true},
                            rope = {.rope_factor = 4};
    struct weft_tiny_gemma3 seed = {.seed = 9};
    assert_true(distance_of(&base, &flags) == 0);
    assert_true(distance_of(&base, &head) > 1e-3);
    assert_true(distance_of(&base, &rope) > 1e-3);
    assert_true(distance_of(&base, &seed) > 1e-3);
    // All layers local: linear scaling concerns global layers only.
    struct weft_tiny_gemma3 local = {.period = 100}, local_rope = {.period = 100, .rope_factor = 4};
    assert_true(distance_of(&local, &local_rope) == 0);
}

static void test_softcap(void **state) {
    (void)state;
    struct result *free_ = run(&(struct weft_tiny_gemma3){0}, 64, false);
    struct result *capped = run(&(struct weft_tiny_gemma3){.softcap = 2}, 64, false);
    double most = 0, largest = 0;
    for (int t = 0; t < TOKENS; t++)
        for (int v = 0; v < VOCAB; v++) {
            most = fmax(most, fabs(capped->logits[t][v] - 2 * tanh(free_->logits[t][v] / 2)));
            largest = fmax(largest, fabs(free_->logits[t][v]));
        }
    assert_true(largest > 2);
    assert_true(most < 1e-6); // 1/2 and 2 are exact, the rest is double
    weft_free(free_);
    weft_free(capped);
}

static void test_f16_cache(void **state) {
    (void)state;
    struct result *a = run(&(struct weft_tiny_gemma3){0}, 8, false), *b = run(&(struct weft_tiny_gemma3){0}, 8, true);
    double d = distance(a, b);
    assert_true(d > 1e-6 && d < 0.05);
    weft_free(a);
    weft_free(b);
}

static void test_refusals(void **state) {
    (void)state;
    struct weft_source *file;
    struct weft_host_lm *lm;
    size_t size;
    int32_t ids[64] = {2};
    double row[VOCAB], again[VOCAB];
    void *data = weft_tiny_gemma3_make(&(struct weft_tiny_gemma3){0}, &size);
    assert_int_equal(weft_gguf_open_memory(data, size, "tiny", &file), WEFT_OK);
    assert_int_equal(weft_host_lm_create(file, &(struct weft_host_lm_params){.ctx = 65}, &lm), WEFT_ERR_INVALID);
    assert_null(lm);
    assert_int_equal(weft_host_lm_create(file, &(struct weft_host_lm_params){.ctx = 16, .chunk = 10}, &lm), WEFT_OK);
    assert_int_equal(weft_host_lm_feed(lm, ids, 11, 1, row), WEFT_ERR_LIMIT);
    assert_int_equal(weft_host_lm_feed(lm, ids, 0, 0, row), WEFT_ERR_LIMIT);
    assert_int_equal(weft_host_lm_feed(lm, ids, 3, 4, row), WEFT_ERR_LIMIT);
    assert_int_equal(weft_host_lm_feed(lm, (int32_t[]){VOCAB}, 1, 1, row), WEFT_ERR_INVALID);
    assert_int_equal(weft_host_lm_feed(lm, ids, 10, 0, NULL), WEFT_OK);
    assert_int_equal(weft_host_lm_feed(lm, ids, 7, 1, row), WEFT_ERR_LIMIT);
    assert_int_equal(weft_host_lm_feed(lm, ids, 6, 1, row), WEFT_OK);
    // From the start again, the same numbers.
    weft_host_lm_reset(lm);
    assert_int_equal(weft_host_lm_feed(lm, ids, 10, 0, NULL), WEFT_OK);
    assert_int_equal(weft_host_lm_feed(lm, ids, 6, 1, again), WEFT_OK);
    assert_memory_equal(row, again, sizeof row);
    weft_host_lm_destroy(lm);
    weft_source_close(file);
    weft_free(data);
}

// ---- the other ends of the graph, run by hand ----

struct by_hand {
    const struct weft_source *file;
    struct weft_graph *g;
    double *states[64];
    double nll[TOKENS];
    int64_t symbols[WEFT_MAX_SYMBOLS];
};

static weft_status hand_leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *t) {
    struct by_hand *h = user;
    (void)v;
    if (info->kind == WEFT_VALUE_WEIGHT) {
        t->raw = weft_source_find(h->file, info->name)->data;
        return WEFT_OK;
    }
    double **data = &h->states[info->state];
    if (!*data) *data = weft_calloc((size_t)weft_host_count(t), sizeof **data);
    t->data = *data;
    return WEFT_OK;
}

static weft_status hand_each(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    struct by_hand *h = user;
    (void)v;
    if (info->is_output) memcpy(h->nll, t->data, (size_t)weft_host_count(t) * sizeof *h->nll);
    return WEFT_OK;
}

static double *hand_state(struct by_hand *h, const char *name) {
    uint64_t v = 0;
    assert_true(weft_map_get(&h->g->names, name, strlen(name), &v));
    double **data = &h->states[h->g->values[v].state];
    if (!*data) *data = weft_calloc(300 + WEFT_LM_RING, sizeof **data);
    return *data;
}

static void hand_run(struct by_hand *h, int64_t tokens, int64_t rows) {
    static const char *const names[] = {"T", "R", "P"};
    const int64_t values[] = {tokens, rows, (int64_t)*hand_state(h, "pos") + tokens};
    for (int i = 0; i < 3; i++) h->symbols[weft_dims_symbol_find(h->g->dims, names[i])] = values[i];
    struct weft_eval_params params = {.symbols = h->symbols, .leaf = hand_leaf, .each = hand_each, .user = h};
    if (weft_graph_eval(h->g, &params) != WEFT_OK) fail_msg("%s", weft_error_message());
}

static void with_graph(enum weft_lm_head head, void (*body)(struct by_hand *h)) {
    struct weft_model_config config;
    struct by_hand h = {0};
    struct weft_source *file;
    size_t size;
    void *data = weft_tiny_gemma3_make(&(struct weft_tiny_gemma3){0}, &size);
    assert_int_equal(weft_gguf_open_memory(data, size, "tiny", &file), WEFT_OK);
    assert_int_equal(weft_model_config_read(file, &config), WEFT_OK);
    struct weft_decoder_params params = {.ctx = 64, .chunk = TOKENS, .head = head};
    if (weft_decoder_build(file, &config, &params, &h.g) != WEFT_OK) fail_msg("%s", weft_error_message());
    h.file = file;
    body(&h);
    for (int i = 0; i < 64; i++) weft_free(h.states[i]);
    weft_graph_destroy(h.g);
    weft_source_close(file);
    weft_free(data);
}

static void body_nll(struct by_hand *h) {
    struct result *r = run(&(struct weft_tiny_gemma3){0}, 64, false);
    int32_t ids[TOKENS];
    make_ids(ids);
    for (int i = 0; i < TOKENS; i++) hand_state(h, "tokens")[i] = ids[i];
    for (int i = 0; i < TOKENS; i++) hand_state(h, "targets")[i] = ids[(i + 1) % TOKENS];
    hand_run(h, TOKENS, 7);
    for (int i = 0; i < 7; i++) {
        const double *row = r->logits[TOKENS - 7 + i];
        double sum = 0;
        for (int v = 0; v < VOCAB; v++) sum += exp(row[v]);
        assert_true(fabs(h->nll[i] - (log(sum) - row[ids[(TOKENS - 7 + i + 1) % TOKENS]])) < 1e-9);
    }
    weft_free(r);
}

/// Prefill without a row, then one with, then runs that feed themselves: pos, tokens and ring move on as they should.
static void body_generate(struct by_hand *h) {
    int32_t ids[TOKENS], fed[TOKENS];
    struct weft_host_lm *lm;
    double logits[VOCAB];
    make_ids(ids);
    for (int i = 0; i < 6; i++) hand_state(h, "tokens")[i] = ids[i];
    hand_run(h, 6, 0);
    assert_true(*hand_state(h, "pos") == 6 && *hand_state(h, "n_out") == 0);
    for (int i = 0; i < 4; i++) hand_state(h, "tokens")[i] = ids[6 + i];
    hand_run(h, 4, 1);
    for (int i = 1; i < 12; i++) hand_run(h, 1, 1);
    assert_true(*hand_state(h, "pos") == 21 && *hand_state(h, "n_out") == 12);
    assert_int_equal(weft_host_lm_create(h->file, &(struct weft_host_lm_params){0}, &lm), WEFT_OK);
    assert_int_equal(weft_host_lm_feed(lm, ids, 10, 1, logits), WEFT_OK);
    for (int i = 0; i < 12; i++) {
        fed[i] = 0;
        for (int v = 1; v < VOCAB; v++)
            if (logits[v] > logits[fed[i]]) fed[i] = v;
        assert_int_equal((int)hand_state(h, "ring")[i], fed[i]);
        assert_int_equal(weft_host_lm_feed(lm, &fed[i], 1, 1, logits), WEFT_OK);
    }
    assert_int_equal((int)*hand_state(h, "token"), fed[11]);
    weft_host_lm_destroy(lm);
}

static void test_nll_graph(void **state) {
    (void)state;
    with_graph(WEFT_LM_NLL, body_nll);
}

static void test_generate_graph(void **state) {
    (void)state;
    with_graph(WEFT_LM_GENERATE, body_generate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks),         cmocka_unit_test(test_chunks_k_types), cmocka_unit_test(test_window),
        cmocka_unit_test(test_window_reach),   cmocka_unit_test(test_keys),           cmocka_unit_test(test_softcap),
        cmocka_unit_test(test_f16_cache),      cmocka_unit_test(test_refusals),       cmocka_unit_test(test_nll_graph),
        cmocka_unit_test(test_generate_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
