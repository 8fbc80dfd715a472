/// Small vocabularies in GGUF files, for tests. Include it after cmocka.h.
#ifndef WEFT_TESTS_VOCABULARY_FILE_H
#define WEFT_TESTS_VOCABULARY_FILE_H
#include "core/alloc.h"
#include "core/error.h"
#include "model/gguf.h"
#include "model/gguf_writer.h"
#include "model/tokenizer/tokenizer.h"
#include <stdio.h>
#include <stdlib.h>

static struct gguf_writer vf_writer;

static inline void vf_texts(const char *key, const char *const *texts, size_t n) {
    gw_array(&vf_writer, key, WEFT_SOURCE_STRING, n);
    for (size_t i = 0; i < n; i++) gw_string(&vf_writer, "", texts[i], strlen(texts[i]));
}

static inline void vf_begin(const char *kind, const char *const *tokens, size_t n) {
    gw_begin(&vf_writer, 3);
    gw_text(&vf_writer, "tokenizer.ggml.model", kind);
    vf_texts("tokenizer.ggml.tokens", tokens, n);
}

/// One digit a token: its type.
static inline void vf_types(const char *digits) {
    gw_array(&vf_writer, "tokenizer.ggml.token_type", WEFT_SOURCE_I32, strlen(digits));
    for (size_t i = 0; digits[i]; i++) gw_number(&vf_writer, (uint64_t)(digits[i] - '0'), 4);
}

static inline void vf_scores(const float *scores, size_t n) {
    gw_array(&vf_writer, "tokenizer.ggml.scores", WEFT_SOURCE_F32, n);
    for (size_t i = 0; i < n; i++) gw_bytes(&vf_writer, &scores[i], 4);
}

static inline void vf_id(const char *name, uint32_t id) {
    char key[80];
    snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", name);
    gw_integer(&vf_writer, key, WEFT_SOURCE_U32, id);
}

static inline void vf_flag(const char *name, bool flag) {
    char key[80];
    snprintf(key, sizeof key, "tokenizer.ggml.%s", name);
    gw_integer(&vf_writer, key, WEFT_SOURCE_BOOL, flag);
}

static inline weft_status vf_open(struct weft_tokenizer **out) {
    struct weft_source *g;
    *out = NULL;
    gw_end(&vf_writer, 32, 0);
    weft_status status = weft_gguf_open_memory(vf_writer.data, vf_writer.len, "v.gguf", &g);
    if (status == WEFT_OK) status = weft_tokenizer_create(g, out);
    weft_source_close(g); // the tokenizer must not need it
    return status;
}

static inline struct weft_tokenizer *vf_must_open(void) {
    struct weft_tokenizer *t;
    if (vf_open(&t) != WEFT_OK) fail_msg("%s", weft_error_message());
    return t;
}

static inline void vf_refused(weft_status status, const char *part) {
    struct weft_tokenizer *t;
    assert_int_equal(vf_open(&t), status);
    assert_null(t);
    if (!strstr(weft_error_message(), part)) fail_msg("'%s' is not in: %s", part, weft_error_message());
}

/// Refuses each allocation in turn, fewer than `most`, while the vocabulary that `begin` writes is opened and a text
/// encoded: the error is NOMEM, and nothing stays behind.
static inline void vf_without_memory(void (*begin)(void), const char *text, uint64_t most) {
    int64_t live = weft_alloc_stats().live;
    for (uint64_t n = 1;; n++) {
        struct weft_tokenizer *t = NULL;
        struct weft_ids ids = {0};
        begin();
        weft_alloc_fail_at(n, 0);
        weft_status status = vf_open(&t);
        if (status == WEFT_OK) status = weft_tokenizer_encode(t, text, strlen(text), 3, &ids);
        weft_alloc_fail_at(0, 0);
        weft_ids_free(&ids);
        weft_tokenizer_destroy(t);
        assert_int_equal(weft_alloc_stats().live, live);
        if (status == WEFT_OK) break;
        assert_int_equal(status, WEFT_ERR_NOMEM);
        assert_true(n < most);
    }
}

/// Ids as they should be, written out.
static inline void vf_check(const struct weft_tokenizer *t, const char *text, unsigned flags, const char *want) {
    struct weft_ids ids = {0};
    struct weft_str got = {0};
    if (weft_tokenizer_encode(t, text, strlen(text), flags, &ids) != WEFT_OK) fail_msg("%s", weft_error_message());
    for (size_t i = 0; i < ids.count; i++) weft_str_addf(&got, "%s%d", i ? " " : "", ids.data[i]);
    if (strcmp(weft_str_get(&got), want) != 0) fail_msg("\"%s\" gives %s, not %s", text, weft_str_get(&got), want);
    weft_ids_free(&ids);
    weft_str_free(&got);
}

/// The text of the ids of a text.
static inline void vf_check_back(const struct weft_tokenizer *t, const char *text, const char *want) {
    struct weft_ids ids = {0};
    struct weft_str got = {0};
    struct weft_decoder d = {.tokenizer = t};
    assert_int_equal(weft_tokenizer_encode(t, text, strlen(text), 0, &ids), WEFT_OK);
    for (size_t i = 0; i < ids.count; i++) assert_int_equal(weft_decoder_push(&d, ids.data[i], &got), WEFT_OK);
    assert_int_equal(weft_decoder_flush(&d, &got), WEFT_OK);
    if (strcmp(weft_str_get(&got), want) != 0) fail_msg("\"%s\" comes back as \"%s\"", text, weft_str_get(&got));
    weft_ids_free(&ids);
    weft_str_free(&got);
}
#endif
