/// Where tests find Gemma 3 270M: $WEFT_TEST_MODEL, else the cache folder of `weft pull`. Header-only.
#ifndef WEFT_TESTS_REAL_MODEL_H
#define WEFT_TESTS_REAL_MODEL_H
#include "core/alloc.h"
#include "core/file.h"
#include "core/str.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/// The path, freed with weft_free; NULL, and a loud line, if the model is not there: then the test skips.
static inline char *real_model(void) {
    struct weft_str path = {0};
    const char *named = getenv("WEFT_TEST_MODEL");
    char *cache = NULL;
    if (named && *named) weft_str_add(&path, named);
    else if (weft_cache_dir(&cache) == WEFT_OK) weft_str_addf(&path, "%s/models/gemma-3-270m-q4_k_m.gguf", cache);
    weft_free(cache);
    if (access(weft_str_get(&path), R_OK) == 0) return weft_str_take(&path);
    fprintf(stderr,
            "\n*** SKIPPED: the real model is not at '%s'.\n"
            "*** Fetch it with `weft pull` or set WEFT_TEST_MODEL to gemma-3-270m-q4_k_m.gguf.\n\n",
            weft_str_get(&path));
    weft_str_free(&path);
    return NULL;
}
#endif
