// Seconds of GPU time by step label. Labels become row numbers at submit, so that they need not outlive it.
#include "core/alloc.h"
#include "core/error.h"
#include "gpu/front/front.h"
#include <string.h>

weft_status weft_gpu_profile_row_of(weft_gpu *gpu, const char *label, uint32_t *row) {
    uint64_t found;
    size_t len = strlen(label);
    if (weft_map_get(&gpu->row_map, label, len, &found)) {
        *row = (uint32_t)found;
        return WEFT_OK;
    }
    gpu->counters.allocs += 2;
    char *copy = weft_strdup(label);
    if (!copy || !weft_gpu_grow(gpu, (void **)&gpu->rows, &gpu->cap_rows, gpu->n_rows + 1, sizeof *gpu->rows) ||
        !weft_map_set(&gpu->row_map, label, len, gpu->n_rows)) {
        weft_free(copy);
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for the profile");
    }
    gpu->rows[gpu->n_rows] = (struct weft_gpu_row){.label = copy};
    *row = (uint32_t)gpu->n_rows++;
    return WEFT_OK;
}

weft_status weft_gpu_profile(weft_gpu *gpu, struct weft_gpu_profile_row **rows, size_t *count, bool reset) {
    *rows = NULL;
    *count = 0;
    if (!gpu->profile)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "no profile: the device was opened without, or has no timestamps");
    WEFT_TRY(weft_gpu_poll(gpu, NULL));
    weft_gpu_lock(gpu);
    struct weft_gpu_profile_row *out = weft_alloc((gpu->n_rows ? gpu->n_rows : 1) * sizeof *out);
    size_t n = 0;
    for (size_t i = 0; out && i < gpu->n_rows; i++) {
        struct weft_gpu_row *r = &gpu->rows[i];
        if (r->count) out[n++] = (struct weft_gpu_profile_row){r->label, r->count, r->seconds};
        if (reset) r->count = 0, r->seconds = 0;
    }
    weft_gpu_unlock(gpu);
    if (!out) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the profile");
    *rows = out;
    *count = n;
    return WEFT_OK;
}
