// Loss of the device: how it is noticed, why it happened, and which submits it cut off.
#include "core/error.h"
#include "gpu/front/front.h"
#include "gpu/gpu_test.h"
#include <stdio.h>
#include <string.h>

weft_status weft_gpu_lost(weft_gpu *gpu) {
    if (!gpu->lost) {
        const char *why = gpu->backend->lost(gpu->dev);
        if (!why) return WEFT_OK;
        gpu->lost = true;
        snprintf(gpu->lost_why, sizeof gpu->lost_why, "%s", why);
    }
    return weft_fail(WEFT_ERR_LOST, "the device %s is gone (%s); recover it (weft_device_recover) or close it",
                     gpu->caps.adapter, gpu->lost_why);
}

weft_status weft_gpu_check(weft_gpu *gpu) {
    weft_gpu_lock(gpu);
    weft_status status = weft_gpu_lost(gpu);
    weft_gpu_unlock(gpu);
    return status;
}

void weft_gpu_lose(weft_gpu *gpu) {
    weft_gpu_lock(gpu);
    gpu->backend->lose(gpu->dev);
    weft_gpu_unlock(gpu);
}

bool weft_gpu_was_lost(const weft_gpu *gpu, uint64_t serial) {
    for (size_t i = 0; i < gpu->n_lost_serials; i++)
        if (serial >= gpu->lost_serials[i].first && serial <= gpu->lost_serials[i].last) return true;
    return false;
}

// The two oldest become one where the table is full: what lies between them was finished, but nobody waits so long.
void weft_gpu_note_lost(weft_gpu *gpu, uint64_t first, uint64_t last) {
    if (gpu->n_lost_serials == WEFT_GPU_LOSSES) {
        gpu->lost_serials[0].last = gpu->lost_serials[1].last;
        memmove(&gpu->lost_serials[1], &gpu->lost_serials[2], (WEFT_GPU_LOSSES - 2) * sizeof *gpu->lost_serials);
        gpu->n_lost_serials--;
    }
    gpu->lost_serials[gpu->n_lost_serials++] = (struct weft_gpu_serials){first, last};
}
