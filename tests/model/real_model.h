/// Where tests find real models: named by the environment, else the cache folder of `weft pull`. Header-only.
#ifndef WEFT_TESTS_REAL_MODEL_H
#define WEFT_TESTS_REAL_MODEL_H
#include "core/alloc.h"
#include "core/file.h"
#include "core/str.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/// The path, freed with weft_free; NULL, and a loud line, if the model is not there: then the test skips.
static inline char *real_model_of(const char *variable, const char *name, const char *file) {
    struct weft_str path = {0};
    const char *named = getenv(variable);
    char *cache = NULL;
    if (named && *named) weft_str_add(&path, named);
    else if (weft_cache_dir(&cache) == WEFT_OK) weft_str_addf(&path, "%s/models/%s", cache, file);
    weft_free(cache);
    if (access(weft_str_get(&path), R_OK) == 0) return weft_str_take(&path);
    fprintf(stderr,
            "\n*** SKIPPED: the real model is not at '%s'.\n*** Fetch it with `weft pull %s` or set %s to %s.\n\n",
            weft_str_get(&path), name, variable, file);
    weft_str_free(&path);
    return NULL;
}

/// Gemma 3 270M.
static inline char *real_model(void) {
    return real_model_of("WEFT_TEST_MODEL", "gemma3-270m", "gemma-3-270m-q4_k_m.gguf");
}

/// SmolLM2 135M Instruct.
static inline char *real_chat_model(void) {
    return real_model_of("WEFT_TEST_CHAT_MODEL", "smollm2-135m", "smollm2-135m-instruct-q4_1.gguf");
}
#endif
