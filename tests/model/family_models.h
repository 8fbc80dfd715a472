/// Tiny models of random weights, one for each way in which rows of src/model/families.c differ (scripts/make_family.py
/// writes them into the build folder), and their logits by another implementation (scripts/family_oracle.py).
#ifndef WEFT_TEST_FAMILY_MODELS_H
#define WEFT_TEST_FAMILY_MODELS_H
#include "core/error.h"
#include "support/lm_program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { FAMILY_TOKENS = 48, FAMILY_COLUMNS = 11, FAMILY_VOCAB = 320, FAMILY_CTX = 128 };

struct family_model {
    const char *name, *oracle;
    uint32_t ctx, tokens;
};

static const struct family_model family_models[] = {
    {"llama", "llama", FAMILY_CTX, FAMILY_TOKENS},
    {"llama-freqs", "llama-freqs", FAMILY_CTX, FAMILY_TOKENS},
    {"llama-keys", "llama-keys", FAMILY_CTX, FAMILY_TOKENS},
    {"llama-biases", "llama-biases", FAMILY_CTX, FAMILY_TOKENS},
    {"mistral", "mistral", FAMILY_CTX, FAMILY_TOKENS},
    {"qwen2", "qwen2", FAMILY_CTX, FAMILY_TOKENS},
    {"qwen2-yarn", "qwen2-yarn", FAMILY_CTX, FAMILY_TOKENS},
    {"qwen3", "qwen3", FAMILY_CTX, FAMILY_TOKENS},
    {"mixtral", "mixtral", FAMILY_CTX, FAMILY_TOKENS},
    {"qwen2moe", "qwen2moe", FAMILY_CTX, FAMILY_TOKENS},
    {"qwen3moe", "qwen3moe", FAMILY_CTX, FAMILY_TOKENS},
    {"gemma2", "gemma2", FAMILY_CTX, FAMILY_TOKENS},
    {"gemma3", "gemma3", FAMILY_CTX, FAMILY_TOKENS},
    {"phi3", "phi3", FAMILY_CTX, FAMILY_TOKENS},
    {"phi3-lists", "phi3-lists", FAMILY_CTX, FAMILY_TOKENS},
    {"phi3-lists", "phi3-lists.short", 32, 24},        // a context no longer than the original takes the other list
    {"phi3-q8", "phi3-q8", FAMILY_CTX, FAMILY_TOKENS}, // runs of rows of quantised tensors
    {"smollm3", "smollm3", FAMILY_CTX, FAMILY_TOKENS},
    {"gpt2", "gpt2", FAMILY_CTX, FAMILY_TOKENS},
};
enum { FAMILY_MODELS = sizeof family_models / sizeof *family_models };

/// What the oracle said of some columns of the logits.
struct family_oracle {
    int32_t ids[FAMILY_TOKENS];
    uint32_t columns[FAMILY_COLUMNS];
    double logits[FAMILY_TOKENS][FAMILY_COLUMNS];
};

static inline void family_oracle_read(const struct family_model *f, struct family_oracle *o) {
    const char *source = getenv("WEFT_TEST_SOURCE");
    char path[512];
    snprintf(path, sizeof path, "%s/tests/model/families/%s.txt", source ? source : ".", f->oracle);
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("no file %s", path);
    for (uint32_t i = 0; i < f->tokens; i++) assert_int_equal(fscanf(file, "%d", &o->ids[i]), 1);
    for (uint32_t k = 0; k < FAMILY_COLUMNS; k++) assert_int_equal(fscanf(file, "%u", &o->columns[k]), 1);
    for (uint32_t i = 0; i < f->tokens; i++)
        for (uint32_t k = 0; k < FAMILY_COLUMNS; k++) assert_int_equal(fscanf(file, "%lf", &o->logits[i][k]), 1);
    fclose(file);
}

static inline void family_open(const struct family_model *f, struct weft_test_model *m) {
    char name[64];
    snprintf(name, sizeof name, "models/%s.gguf", f->name);
    weft_test_model_open(m, name);
}

/// How far rows of logits are from the oracle's rows `at` and on. A NaN stays.
#define FAMILY_APART(TYPE)                                                                                             \
    static inline double family_apart_##TYPE(const struct family_oracle *o, const TYPE *rows, uint32_t at,             \
                                             uint32_t n) {                                                             \
        double most = 0;                                                                                               \
        for (uint32_t i = 0; i < n * FAMILY_COLUMNS; i++) {                                                            \
            uint32_t row = i / FAMILY_COLUMNS, k = i % FAMILY_COLUMNS;                                                 \
            double d = fabs((double)rows[row * FAMILY_VOCAB + o->columns[k]] - o->logits[at + row][k]);                \
            if (!(d <= most)) most = d;                                                                                \
        }                                                                                                              \
        return most;                                                                                                   \
    }
FAMILY_APART(float)
FAMILY_APART(double)
#undef FAMILY_APART
#endif
