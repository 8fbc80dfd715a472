/// Files of measured shapes (plan/tune.c): whatever stands there, what is taken is a shape that the device has.
#include "fuzz.h"
#include "gpu/gpu_backend.h"
#include "plan/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t live = weft_alloc_stats().live;
    struct weft_arena arena = {0};
    struct weft_gpu_caps caps;
    weft_gpu_null_caps(&caps);
    struct weft_profile p = weft_profile_make(&caps);
    char *text = malloc(size + 1);
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = 0;
    weft_status status = weft_profile_tune_text(&p, "input", text, &arena);
    fuzz_refused(status);
    fuzz_require((status == WEFT_OK) == (p.tuned != NULL), "a refused file changes nothing");
    for (int use = 0; use < WEFT_TILE_USES; use++)
        for (uint64_t at = 1; at < (uint64_t)1 << 20; at *= 2) {
            const struct weft_tile *t = weft_tile_of(&p, (enum weft_tile_use)use, at);
            fuzz_require(t->threads && t->threads <= caps.max_invocations, "a workgroup has threads");
            fuzz_require(t->lanes <= t->threads, "lanes are threads");
        }
    weft_arena_free(&arena);
    free(text);
    fuzz_require(weft_alloc_stats().live == live, "all memory is given back");
    return 0;
}
