// Injected faults. The validation layer asks before each call to the device; off, that costs one comparison.
#include "core/error.h"
#include "gpu/front/front.h"
#include "gpu/gpu_test.h"

void weft_gpu_inject(weft_gpu *gpu, enum weft_gpu_fault fault, uint32_t sites, uint64_t n) {
    weft_gpu_lock(gpu);
    gpu->inject = (struct weft_gpu_inject){.fault = (int)fault, .sites = n ? sites : 0, .at = n};
    weft_gpu_unlock(gpu);
}

uint64_t weft_gpu_injected(const weft_gpu *gpu) {
    weft_gpu_lock(gpu);
    uint64_t count = gpu->inject.count;
    weft_gpu_unlock(gpu);
    return count;
}

weft_status weft_gpu_inject_now(weft_gpu *gpu, uint32_t site, const char *what) {
    struct weft_gpu_inject *in = &gpu->inject;
    if (!(in->sites & site) || ++in->count != in->at) return WEFT_OK;
    if (in->fault == WEFT_GPU_NO_MEMORY) return weft_fail(WEFT_ERR_NOMEM, "%s: a test lets memory run out here", what);
    gpu->backend->lose(gpu->dev);
    return in->fault == WEFT_GPU_LOSS ? weft_gpu_lost(gpu) : WEFT_OK;
}
