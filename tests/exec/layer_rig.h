/// The Vulkan layer of tests/vulkan, where the driver's loader has loaded it (cmake/WeftTests.cmake says for which
/// tests), and devices that are made to finish nothing: the null device by itself, drivers by the layer.
#ifndef WEFT_TEST_LAYER_RIG_H
#define WEFT_TEST_LAYER_RIG_H
#include "gpu/front/front.h"
#include "gpu/gpu_test.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// What a test program ends with where it needs the layer and there is none: skipped.
enum { LAYER_NONE = 77 };

struct layer {
    bool (*arm)(const char *name, uint64_t at, uint64_t count, int result);
    uint64_t (*seen)(void);
    void (*stall)(bool on);
};

/// False, with a line on standard error: it is not loaded.
static inline bool layer_find(struct layer *out) {
    const char *path = getenv("WEFT_TEST_FAULT_LAYER");
    void *handle = path ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;
    *out = (struct layer){0};
    if (handle) {
        void *symbols[3] = {dlsym(handle, "weft_fault_arm"), dlsym(handle, "weft_fault_seen"),
                            dlsym(handle, "weft_fault_stall")};
        memcpy(&out->arm, &symbols[0], sizeof out->arm);
        memcpy(&out->seen, &symbols[1], sizeof out->seen);
        memcpy(&out->stall, &symbols[2], sizeof out->stall);
    }
    if (out->arm && out->seen && out->stall) return true;
    fprintf(stderr, "the Vulkan fault layer is not loaded (WEFT_TEST_FAULT_LAYER, VK_INSTANCE_LAYERS)\n");
    return false;
}

/// While `on`, work that is submitted does not finish: of this device, or with a layer of all in the process. False:
/// neither can.
static inline bool layer_stall(const struct layer *layer, weft_gpu *gpu, bool on) {
    if (weft_gpu_stall(gpu, on)) return true;
    if (layer->stall) layer->stall(on);
    return layer->stall != NULL;
}
#endif
