/// Texts with their vectors by scripts/embed_oracle.py, and where the models lie. Header-only; include it after
/// cmocka.h.
#ifndef WEFT_TEST_EMBED_CASES_H
#define WEFT_TEST_EMBED_CASES_H
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json_read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EMBED_CASES = 16, EMBED_IDS = 512, EMBED_SIZE = 384 };

struct embed_case {
    const char *text; ///< `len` bytes, which may hold NUL
    size_t len, whole;
    uint32_t n; ///< ids, cut where the model cuts
    int32_t ids[EMBED_IDS];
    double vector[EMBED_SIZE]; ///< the mean's, of length 1
    double length, cls, last;  ///< of the mean; first elements of the first and last token's vectors
};

struct embed_cases {
    struct weft_arena arena;
    struct embed_case *cases;
    uint32_t n, size;
};

static inline double embed_number(const struct weft_json_value *v) {
    assert_non_null(v);
    return v->type == WEFT_JSON_INT ? (double)v->i : v->r;
}

static inline void embed_case_take(const struct weft_json_value *row, struct embed_case *c, uint32_t *size) {
    const struct weft_json_value *text = weft_json_find(row, "text"), *ids = weft_json_find(row, "ids");
    const struct weft_json_value *vector = weft_json_find(row, "vector");
    c->text = text->s.text;
    c->len = text->s.len;
    c->whole = (size_t)embed_number(weft_json_find(row, "whole"));
    c->n = (uint32_t)ids->n;
    assert_true(ids->n <= EMBED_IDS && vector->n <= EMBED_SIZE);
    for (size_t i = 0; i < ids->n; i++) c->ids[i] = (int32_t)ids->items[i].i;
    for (size_t i = 0; i < vector->n; i++) c->vector[i] = embed_number(&vector->items[i]);
    c->length = embed_number(weft_json_find(row, "length"));
    c->cls = embed_number(weft_json_find(row, "cls"));
    c->last = embed_number(weft_json_find(row, "last"));
    *size = (uint32_t)vector->n;
}

static inline struct embed_cases embed_cases_read(const char *name) {
    const char *source = getenv("WEFT_TEST_SOURCE");
    struct embed_cases e = {.cases = weft_calloc(EMBED_CASES, sizeof *e.cases)};
    struct weft_json_value root;
    char path[512], *text;
    size_t len;
    assert_non_null(e.cases);
    snprintf(path, sizeof path, "%s/tests/engine/embeddings/%s.json", source ? source : ".", name);
    if (weft_file_read(path, 1 << 20, &text, &len) != WEFT_OK || weft_json_read(text, len, name, &e.arena, &root))
        fail_msg("%s", weft_error_message());
    weft_free(text);
    assert_true(root.type == WEFT_JSON_LIST && root.n > 0 && root.n <= EMBED_CASES);
    for (e.n = 0; e.n < root.n; e.n++) embed_case_take(&root.items[e.n], &e.cases[e.n], &e.size);
    return e;
}

static inline void embed_cases_free(struct embed_cases *e) {
    weft_free(e->cases);
    weft_arena_free(&e->arena);
}

/// "models/bert.gguf" or the folder "models/bert", in the build folder.
static inline const char *embed_path(bool folder) {
    static char path[512];
    const char *build = getenv("WEFT_TEST_BUILD");
    snprintf(path, sizeof path, "%s/models/bert%s", build ? build : ".", folder ? "" : ".gguf");
    return path;
}

static inline double embed_cosine(const float *x, const double *y, uint32_t n) {
    double xx = 0, yy = 0, xy = 0;
    for (uint32_t i = 0; i < n; i++) xx += (double)x[i] * x[i], yy += y[i] * y[i], xy += (double)x[i] * y[i];
    return xy / sqrt(xx * yy);
}

/// The largest difference; NaN stays.
static inline double embed_apart(const float *x, const double *y, uint32_t n) {
    double most = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!(fabs((double)x[i] - y[i]) <= most)) most = fabs((double)x[i] - y[i]);
    return most;
}
#endif
