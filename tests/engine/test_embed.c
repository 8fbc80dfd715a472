/// Embedders on the null device: opening, what is asked for and refused, how texts are put together, and hostile texts.
/// What is computed: model/test_encoder, engine/test_gpu_embed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/embed_cases.h"
#include "weft/weft.h"

enum { SIZE = 36, FOLDER_TOKENS = 32, POSITIONS = 40 };

static weft_device *device;

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

/// The call fails so, and its sentence has these words.
static void refused(weft_status got, weft_status want, const char *words) {
    if (got != want || !strstr(weft_error_message(), words))
        fail_msg("%s, %s; not %s, ...%s...", weft_status_name(got), weft_error_message(), weft_status_name(want),
                 words);
}

static weft_embedder *open_with(bool folder, struct weft_embedder_params params) {
    weft_embedder *e = NULL;
    must(weft_embedder_open(device, embed_path(folder), &params, &e));
    return e;
}

static struct weft_text text_of(const char *s) { return (struct weft_text){s, strlen(s)}; }

// ---- opening -------------------------------------------------------------------------------------------------------

static void info_says_what_it_is(void **state) {
    (void)state;
    for (int folder = 0; folder < 2; folder++) {
        weft_embedder *e = open_with(folder, (struct weft_embedder_params){0});
        struct weft_embedder_info info;
        must(weft_embedder_info(e, &info));
        assert_string_equal(info.architecture, "bert");
        assert_string_equal(info.name, folder ? "" : "an encoder of random weights");
        assert_int_equal(info.size, SIZE);
        assert_int_equal(info.max_tokens, folder ? FOLDER_TOKENS : POSITIONS);
        assert_int_equal(info.model_tokens, POSITIONS);
        assert_int_equal(info.pooling, WEFT_POOLING_MEAN);
        assert_true(info.normalize && info.memory.weights > 100000 && info.file_bytes > 100000);
        assert_int_equal(weft_tokenizer_size(weft_embedder_tokenizer(e)), 83);
        assert_non_null(weft_embedder_program(e));
        weft_embedder_close(&e);
        assert_null(e);
        weft_embedder_close(&e);
    }
}

static void opening_is_refused(void **state) {
    (void)state;
    static const struct {
        struct weft_embedder_params params;
        weft_status status;
        const char *says;
    } rows[] = {
        {{.max_tokens = POSITIONS + 1}, WEFT_ERR_INVALID, "positions for 40"},
        {{.max_tokens = UINT32_MAX}, WEFT_ERR_INVALID, "positions for 40"},
        {{.max_tokens = 2}, WEFT_ERR_INVALID, "no room"},
        {{.max_tokens = 1}, WEFT_ERR_INVALID, "no room"},
        {{.batch_tokens = POSITIONS - 1}, WEFT_ERR_INVALID, "39 tokens"},
        {{.batch_tokens = UINT32_MAX}, WEFT_ERR_INVALID, "at most"},
        {{.batch = 4097}, WEFT_ERR_INVALID, "4096"},
        {{.memory_limit = 100000}, WEFT_ERR_LIMIT, "--max-tokens"},
    };
    weft_embedder *e;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        refused(weft_embedder_open(device, embed_path(false), &rows[i].params, &e), rows[i].status, rows[i].says);
        assert_null(e);
    }
    refused(weft_embedder_open(device, "/nowhere.gguf", NULL, &e), WEFT_ERR_NOT_FOUND, "nowhere");
    refused(weft_embedder_open(NULL, "x", NULL, &e), WEFT_ERR_INVALID, "device");
    refused(weft_embedder_open(device, NULL, NULL, &e), WEFT_ERR_INVALID, "path");
    refused(weft_embedder_open(device, "x", NULL, NULL), WEFT_ERR_INVALID, "out");
    e = open_with(false, (struct weft_embedder_params){.max_tokens = 3, .batch_tokens = 3, .batch = 4096});
    weft_embedder_close(&e);
}

/// Who generates text makes no embeddings, and the other way round.
static void kinds_are_told_apart(void **state) {
    (void)state;
    char path[512];
    const char *own = embed_path(false);
    weft_embedder *e;
    weft_model *model;
    weft_model_file *file;
    weft_graph *graph;
    snprintf(path, sizeof path, "%.*s/llama.gguf", (int)(strrchr(own, '/') - own), own);
    refused(weft_embedder_open(device, path, NULL, &e), WEFT_ERR_UNSUPPORTED, "generates text");
    refused(weft_model_open(device, own, NULL, &model), WEFT_ERR_UNSUPPORTED, "weft embed");
    must(weft_model_file_open(own, &file));
    must(weft_model_file_graph(file, device, NULL, &graph, NULL));
    weft_graph_free(&graph);
    weft_model_file_close(&file);
}

// ---- what is asked for ---------------------------------------------------------------------------------------------

static void params_are_checked(void **state) {
    (void)state;
    float out[SIZE];
    struct weft_text one = text_of("a cat");
    weft_embedder *e = open_with(false, (struct weft_embedder_params){0});
    static const struct {
        struct weft_embed_params params;
        const char *says;
    } rows[] = {
        {{.pooling = (enum weft_pooling)4}, "pooling 4"},
        {{.pooling = (enum weft_pooling) - 1}, "pooling"},
        {{.raw = true, .normalize = true}, "raw"},
        {{.tokenize = 64}, "flags"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refused(weft_embedder_run(e, &one, 1, &rows[i].params, out, NULL), WEFT_ERR_INVALID, rows[i].says);
    refused(weft_embedder_run(NULL, &one, 1, NULL, out, NULL), WEFT_ERR_INVALID, "embedder");
    refused(weft_embedder_run(e, NULL, 1, NULL, out, NULL), WEFT_ERR_INVALID, "texts");
    refused(weft_embedder_run(e, &one, 1, NULL, NULL, NULL), WEFT_ERR_INVALID, "vectors");
    struct weft_text bad = {NULL, 3};
    refused(weft_embedder_run(e, &bad, 1, NULL, out, NULL), WEFT_ERR_INVALID, "text 1 of 1");
    struct weft_cancel cancel = {0};
    weft_cancel_set(&cancel);
    refused(weft_embedder_run(e, &one, 1, &(struct weft_embed_params){.cancel = &cancel}, out, NULL),
            WEFT_ERR_CANCELLED, "cancel");
    must(weft_embedder_run(e, NULL, 0, NULL, NULL, NULL));
    must(weft_embedder_run(e, &one, 1, NULL, out, NULL));
    weft_embedder_close(&e);
}

static void ids_are_checked(void **state) {
    (void)state;
    float out[2 * SIZE];
    weft_embedder *e = open_with(false, (struct weft_embedder_params){0});
    int32_t ids[] = {2, 5, 3, 2, 6, 3};
    size_t counts[] = {3, 3}, none[] = {6, 0};
    must(weft_embedder_run_ids(e, ids, counts, 2, NULL, out, NULL));
    refused(weft_embedder_run_ids(e, ids, none, 2, NULL, out, NULL), WEFT_ERR_INVALID, "text 2 of 2 has no token");
    ids[4] = 83;
    refused(weft_embedder_run_ids(e, ids, counts, 2, NULL, out, NULL), WEFT_ERR_INVALID, "token 1 of text 2 has id 83");
    ids[4] = -1;
    refused(weft_embedder_run_ids(e, ids, counts, 2, NULL, out, NULL), WEFT_ERR_INVALID, "id -1");
    refused(weft_embedder_run_ids(e, NULL, counts, 2, NULL, out, NULL), WEFT_ERR_INVALID, "ids");
    refused(weft_embedder_run_ids(e, ids, NULL, 2, NULL, out, NULL), WEFT_ERR_INVALID, "counts");
    weft_embedder_close(&e);
}

static void long_texts_are_cut_or_refused(void **state) {
    (void)state;
    float out[3 * SIZE];
    uint32_t tokens[3];
    struct weft_embed_stats stats;
    char many[2 * POSITIONS + 1];
    for (int i = 0; i < POSITIONS; i++) many[2 * i] = 'a', many[2 * i + 1] = ' '; // a token each
    struct weft_text texts[] = {text_of("a"), {many, 2 * (FOLDER_TOKENS - 2)}, {many, 2 * (FOLDER_TOKENS - 1)}};
    weft_embedder *e = open_with(true, (struct weft_embedder_params){0});
    must(weft_embedder_run(e, texts, 2, &(struct weft_embed_params){.tokens = tokens}, out, &stats));
    assert_true(tokens[0] == 3 && tokens[1] == FOLDER_TOKENS && stats.truncated == 0);
    refused(weft_embedder_run(e, texts, 3, NULL, out, &stats), WEFT_ERR_LIMIT,
            "text 3 of 3 has 33 tokens and at most 32 are taken");
    assert_non_null(strstr(weft_error_message(), "--truncate"));
    must(weft_embedder_run(e, texts, 3, &(struct weft_embed_params){.tokens = tokens, .truncate = true}, out, &stats));
    assert_true(tokens[2] == FOLDER_TOKENS && stats.truncated == 1 && stats.tokens == 3 + 2 * FOLDER_TOKENS);
    weft_embedder_close(&e);
    e = open_with(true, (struct weft_embedder_params){.max_tokens = POSITIONS});
    must(weft_embedder_run(e, texts, 3, NULL, out, &stats));
    assert_int_equal(stats.truncated, 0);
    weft_embedder_close(&e);
}

/// A million bytes, broken UTF-8, zero bytes, a word that never ends, nothing but blanks, control tokens spelled out.
static void any_bytes_are_a_text(void **state) {
    (void)state;
    enum { LONG = 1 << 20, N = 8 };
    static float out[N * SIZE];
    uint32_t tokens[N];
    char *word = weft_alloc(LONG), *broken = weft_alloc(LONG);
    memset(word, 'x', LONG);
    for (uint32_t i = 0, x = 1; i < LONG; i++) broken[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
    const struct weft_text texts[N] = {{NULL, 0},     {word, LONG}, {broken, LONG},      {"\0\0\0", 3},
                                       {" \t\n ", 4}, {"\xff", 1},  {"[CLS] [SEP]", 11}, {"\xf0\x9f\x98\x80", 4}};
    weft_embedder *e = open_with(false, (struct weft_embedder_params){0});
    struct weft_embed_params p = {.truncate = true, .tokens = tokens};
    must(weft_embedder_run(e, texts, N, &p, out, NULL));
    assert_true(tokens[0] == 2 && tokens[1] == 3 && tokens[2] == POSITIONS && tokens[3] == 2 && tokens[4] == 2);
    assert_true(tokens[6] > 4);
    p.tokenize = WEFT_TOKENIZE_SPECIAL;
    must(weft_embedder_run(e, texts + 6, 1, &p, out, NULL));
    assert_int_equal(tokens[0], 4);
    p.tokenize = WEFT_TOKENIZE_NO_BOS;
    refused(weft_embedder_run(e, texts, 1, &p, out, NULL), WEFT_ERR_INVALID, "no token");
    weft_embedder_close(&e);
    weft_free(word);
    weft_free(broken);
}

// ---- runs ----------------------------------------------------------------------------------------------------------

struct progress {
    size_t calls, last;
};

static void count_done(void *user, size_t done, size_t count) {
    struct progress *p = user;
    assert_true(done > p->last && done <= count);
    p->last = done;
    p->calls++;
}

/// `n` texts of these many tokens each: how many runs they take, and slots with what is filled up.
static void check_runs(weft_embedder *e, const uint32_t *lengths, size_t n, uint64_t runs, uint64_t slots) {
    enum { MOST = 64 };
    static float out[MOST * SIZE];
    int32_t ids[MOST * POSITIONS];
    size_t counts[MOST], total = 0;
    struct progress seen = {0};
    struct weft_embed_stats stats;
    for (size_t i = 0; i < n; i++) counts[i] = lengths[i], total += lengths[i];
    for (size_t i = 0; i < total; i++) ids[i] = 5;
    must(weft_embedder_run_ids(e, ids, counts, n, &(struct weft_embed_params){.each = count_done, .user = &seen}, out,
                               &stats));
    assert_true(stats.seconds >= 0 && stats.tokens == total && seen.last == n && seen.calls == stats.runs);
    if (stats.runs != runs || stats.slots != slots)
        fail_msg("%llu runs of %llu slots, not %llu of %llu", (unsigned long long)stats.runs,
                 (unsigned long long)stats.slots, (unsigned long long)runs, (unsigned long long)slots);
}

static void texts_of_like_lengths_run_together(void **state) {
    (void)state;
    weft_embedder *e = open_with(false, (struct weft_embedder_params){.batch_tokens = 80, .batch = 8});
    static const uint32_t equal[20] = {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4};
    check_runs(e, equal, 20, 3, 80);                            // eight, eight and four
    check_runs(e, (uint32_t[]){40, 40, 40}, 3, 2, 120);         // as many as 80 tokens hold
    check_runs(e, (uint32_t[]){1, 40, 2, 39, 1}, 5, 2, 80 + 6); // no short one beside long ones
    check_runs(e, (uint32_t[]){20, 3, 5}, 3, 2, 40 + 3);        // unless little is filled up
    check_runs(e, (uint32_t[]){18, 3, 2}, 3, 1, 54);
    check_runs(e, (uint32_t[]){1}, 1, 1, 1);
    weft_embedder_close(&e);
}

// ---- memory --------------------------------------------------------------------------------------------------------

/// Memory that ends at any place is an error, which leaves nothing behind; the embedder goes on.
static void nothing_is_lost_without_memory(void **state) {
    (void)state;
    static const struct weft_text texts[] = {{"a cat", 5}, {"", 0}, {"the mat, the cat and the text", 29}};
    float out[3 * SIZE];
    weft_embedder *open = open_with(true, (struct weft_embedder_params){0});
    must(weft_embedder_run(open, texts, 3, NULL, out, NULL)); // sizes that are made once
    int64_t live = weft_alloc_stats().live;
    for (int call = 0; call < 2; call++) {
        // Every place at first, then one in so many.
        for (uint64_t n = 1, step = 1;; n += step, step = n < 300 ? 1 : n / 40) {
            weft_embedder *e = NULL;
            uint64_t failures = weft_alloc_failures();
            weft_alloc_fail_at(n, 0);
            weft_status status = call ? weft_embedder_run(open, texts, 3, NULL, out, NULL)
                                      : weft_embedder_open(device, embed_path(true), NULL, &e);
            weft_alloc_fail_at(0, 0);
            weft_embedder_close(&e);
            if (status == WEFT_OK && weft_alloc_failures() == failures) break; // beyond the last place
            if (status == WEFT_OK) continue;                                   // that could be done without
            if (status != WEFT_ERR_NOMEM)
                fail_msg("call %d, place %llu: %s", call, (unsigned long long)n, weft_error_message());
            if (weft_alloc_stats().live != live)
                fail_msg("call %d, place %llu: %lld left", call, (unsigned long long)n,
                         (long long)(weft_alloc_stats().live - live));
        }
        must(weft_embedder_run(open, texts, 3, NULL, out, NULL));
    }
    weft_embedder_close(&open);
}

static int setup(void **state) {
    (void)state;
    return weft_device_open(&(struct weft_device_params){.implementation = "null"}, &device) == WEFT_OK ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    weft_device_close(&device);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_says_what_it_is),
        cmocka_unit_test(opening_is_refused),
        cmocka_unit_test(kinds_are_told_apart),
        cmocka_unit_test(params_are_checked),
        cmocka_unit_test(ids_are_checked),
        cmocka_unit_test(long_texts_are_cut_or_refused),
        cmocka_unit_test(any_bytes_are_a_text),
        cmocka_unit_test(texts_of_like_lengths_run_together),
        cmocka_unit_test(nothing_is_lost_without_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
