/// What stands above the validation layer and is not called from outside src/gpu: finding a device, and probing it.
#ifndef WEFT_GPU_OPEN_H
#define WEFT_GPU_OPEN_H
#include "gpu/front/front.h"

/// Finds and opens what the parameters ask for, without the validation layer. Errors as weft_gpu_open.
weft_status weft_gpu_find(const struct weft_gpu_params *params, struct weft_gpu_opened *out);
/// Asks shaders what the adapter did not report and corrects the capabilities. Leaves counters, serials and the profile
/// as they were. Nothing else uses the device meanwhile, and no submit is unfinished.
weft_status weft_gpu_probe(weft_gpu *gpu, bool subgroups, bool dot4);
#endif
