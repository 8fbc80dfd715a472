/// A tiny encoder on a device: vectors beside another implementation's in both formats, alone and beside others; NaN
/// that stays in its text; replay after many sizes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/embed_impl.h"
#include "model/gguf.h"
#include "support/embed_cases.h"
#include "support/graph_run.h"

#define BOUND 1e-4 // asked; f32 sums over 52 terms and three layers, and the oracle's five digits, give 1e-5

enum { SIZE = 36 };

static weft_gpu *gpu;
static struct embed_cases cases;
static weft_embedder *embedder;

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static weft_embedder *open_path(bool folder) {
    weft_embedder *e = NULL;
    must(weft_embed_open(gpu, embed_path(folder), &(struct weft_embedder_params){.batch_tokens = 96}, &e));
    return e;
}

/// Vectors of cases `which`, in one call.
static void embed(weft_embedder *e, const uint32_t *which, size_t n, struct weft_embed_params params, float *out) {
    int32_t ids[EMBED_CASES * EMBED_IDS];
    size_t counts[EMBED_CASES], at = 0;
    struct weft_embed_stats stats;
    for (size_t i = 0; i < n; i++) {
        const struct embed_case *c = &cases.cases[which[i]];
        memcpy(ids + at, c->ids, c->n * sizeof *ids);
        counts[i] = c->n;
        at += c->n;
    }
    must(weft_embed_run(e, ids, counts, n, &params, out, &stats));
}

/// All cases at once.
static void embed_all(weft_embedder *e, struct weft_embed_params params, float *out) {
    uint32_t all[EMBED_CASES];
    for (uint32_t i = 0; i < cases.n; i++) all[i] = i;
    embed(e, all, cases.n, params, out);
}

static void vectors_are_the_oracles(void **state) {
    (void)state;
    float together[EMBED_CASES * SIZE], alone[SIZE];
    embed_all(embedder, (struct weft_embed_params){0}, together);
    for (uint32_t i = 0; i < cases.n; i++) {
        double d = embed_apart(together + i * SIZE, cases.cases[i].vector, SIZE);
        if (!(d <= BOUND)) fail_msg("text %u beside others: %g apart", i, d);
        for (uint32_t k = 0; k < cases.n; k++) // control: no other text has this vector
            assert_true(k == i || embed_apart(together + i * SIZE, cases.cases[k].vector, SIZE) > 10 * BOUND);
        embed(embedder, &i, 1, (struct weft_embed_params){0}, alone);
        d = embed_apart(alone, cases.cases[i].vector, SIZE);
        if (!(d <= BOUND)) fail_msg("text %u alone: %g apart", i, d);
        for (uint32_t k = 0; k < SIZE; k++)
            assert_true(fabsf(alone[k] - together[i * SIZE + k]) <= 1e-6f); // a few last bits
    }
}

static void formats_give_the_same_bits(void **state) {
    (void)state;
    float a[EMBED_CASES * SIZE], b[EMBED_CASES * SIZE];
    weft_embedder *folder = NULL;
    must(weft_embed_open(gpu, embed_path(true), &(struct weft_embedder_params){.max_tokens = 40, .batch_tokens = 96},
                         &folder));
    embed_all(embedder, (struct weft_embed_params){0}, a);
    embed_all(folder, (struct weft_embed_params){0}, b);
    assert_memory_equal(a, b, cases.n * SIZE * sizeof *a);
    embed_all(embedder, (struct weft_embed_params){0}, b); // sizes that were used before
    assert_memory_equal(a, b, cases.n * SIZE * sizeof *a);
    weft_embed_close(folder);
}

/// Whole texts, of which some are longer than the folder's files allow: cut, with what stands behind a text kept.
static void cut_texts_are_the_oracles(void **state) {
    (void)state;
    float out[EMBED_CASES * SIZE];
    struct weft_ids ids = {0};
    size_t counts[EMBED_CASES];
    struct weft_embed_stats stats;
    uint32_t cut = 0;
    weft_embedder *folder = open_path(true);
    for (uint32_t i = 0; i < cases.n; i++) {
        const struct embed_case *c = &cases.cases[i];
        size_t before = ids.count;
        must(weft_tokenizer_encode(weft_embed_tokenizer(folder), c->text, c->len, WEFT_ENCODE_ADD_BOS, &ids));
        counts[i] = ids.count - before;
        assert_int_equal(counts[i], c->whole);
        cut += c->whole > c->n;
    }
    must(weft_embed_run(folder, ids.data, counts, cases.n, &(struct weft_embed_params){.truncate = true}, out, &stats));
    assert_true(cut >= 3 && stats.truncated == cut);
    for (uint32_t i = 0; i < cases.n; i++) {
        double d = embed_apart(out + i * SIZE, cases.cases[i].vector, SIZE);
        if (!(d <= BOUND)) fail_msg("text %u: %g apart", i, d);
    }
    weft_embed_close(folder);
    weft_ids_free(&ids);
}

static void pooling_and_length(void **state) {
    (void)state;
    float out[EMBED_CASES * SIZE];
    embed_all(embedder, (struct weft_embed_params){.raw = true}, out);
    for (uint32_t i = 0; i < cases.n; i++)
        for (uint32_t k = 0; k < SIZE; k++)
            assert_true(fabs(out[i * SIZE + k] / cases.cases[i].length - cases.cases[i].vector[k]) <= BOUND);
    embed_all(embedder, (struct weft_embed_params){.raw = true, .pooling = WEFT_POOLING_CLS}, out);
    for (uint32_t i = 0; i < cases.n; i++) assert_true(fabs(out[i * SIZE] - cases.cases[i].cls) <= 10 * BOUND);
    embed_all(embedder, (struct weft_embed_params){.raw = true, .pooling = WEFT_POOLING_LAST}, out);
    for (uint32_t i = 0; i < cases.n; i++) assert_true(fabs(out[i * SIZE] - cases.cases[i].last) <= 10 * BOUND);
}

// ---- NaN -----------------------------------------------------------------------------------------------------------

/// An embedder whose tensor has NaN in rows `from` and on; the file's bytes go to *data.
static weft_embedder *open_spoilt(const char *tensor, uint32_t from, char **data) {
    struct weft_source *source;
    weft_embedder *e = NULL;
    size_t size;
    must(weft_file_read(embed_path(false), 16 << 20, data, &size));
    must(weft_gguf_open_memory(*data, size, "spoilt", &source));
    const struct weft_source_tensor *t = weft_source_find(source, tensor);
    memset(*data + (t->data - (const uint8_t *)*data) + (size_t)from * SIZE * 4, 0xff,
           t->size - (size_t)from * SIZE * 4);
    must(weft_embed_open_source(gpu, source, &(struct weft_embedder_params){.batch_tokens = 96}, &e));
    return e;
}

/// One run of ids in rows, with mean pooling, as it comes from the device.
static void run_rows(weft_embedder *e, const int32_t *ids, const uint32_t *lengths, uint32_t n, uint32_t longest,
                     float *out) {
    int64_t symbols[WEFT_MAX_SYMBOLS] = {0};
    float weights[96] = {0};
    symbols[e->at.b] = n;
    symbols[e->at.l] = longest;
    for (uint32_t i = 0; i < n; i++) weft_pooling_weights(WEFT_POOLING_MEAN, lengths[i], weights + i * longest);
    must(weft_session_resize(e->session, symbols));
    must(weft_session_write_io(e->session, e->at.ids, 0, ids, (uint64_t)n * longest * 4));
    must(weft_session_write_io(e->session, e->at.length, 0, lengths, n * 4));
    must(weft_session_write_io(e->session, e->at.weights, 0, weights, (uint64_t)n * longest * 4));
    must(weft_session_run(e->session, 1, NULL));
    must(weft_session_read_io(e->session, e->at.embedding, 0, out, (uint64_t)n * SIZE * 4));
}

static void nan_stays_in_its_text(void **state) {
    (void)state;
    enum { LONGEST = 24 };
    const uint32_t some[] = {9, 2, 0}; // 22, 9 and 2 tokens
    int32_t ids[3 * LONGEST];
    uint32_t lengths[3];
    float out[3 * SIZE];
    char *data;
    weft_embedder *e = open_spoilt("position_embd.weight", 9, &data);
    for (uint32_t i = 0; i < 3; i++) {
        const struct embed_case *c = &cases.cases[some[i]];
        lengths[i] = c->n;
        for (uint32_t k = 0; k < LONGEST; k++) ids[i * LONGEST + k] = k < c->n ? c->ids[k] : 11;
    }
    run_rows(e, ids, lengths, 3, LONGEST, out);
    assert_true(isnan(out[0]) && isnan(out[SIZE - 1]));
    for (uint32_t i = 1; i < 3; i++) {
        double length = cases.cases[some[i]].length;
        for (uint32_t k = 0; k < SIZE; k++)
            assert_true(fabs(out[i * SIZE + k] / length - cases.cases[some[i]].vector[k]) <= BOUND);
    }
    // Whoever asks for such a text is told, and gets no NaN.
    struct weft_embed_stats stats;
    assert_int_equal(weft_embed_run(e, ids, (size_t[]){22, 2}, 2, &(struct weft_embed_params){0}, out, &stats),
                     WEFT_ERR_FORMAT);
    assert_non_null(strstr(weft_error_message(), "text 1 of 2"));
    must(weft_embed_run(e, ids + LONGEST, (size_t[]){9}, 1, &(struct weft_embed_params){0}, out, &stats));
    weft_embed_close(e);
    weft_free(data);
}

static int setup(void **state) {
    (void)state;
    gpu = weft_test_gpu();
    cases = embed_cases_read("bert");
    embedder = open_path(false);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    weft_embed_close(embedder);
    embed_cases_free(&cases);
    weft_gpu_close(&gpu);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_the_oracles),   cmocka_unit_test(formats_give_the_same_bits),
        cmocka_unit_test(cut_texts_are_the_oracles), cmocka_unit_test(pooling_and_length),
        cmocka_unit_test(nan_stays_in_its_text),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
