/// The parts of Dawn's own header that Weft uses: values and structs that the standard webgpu.h does not have.
/// Layouts belong to the Dawn of 2026 that Weft is tested with.
#ifndef WEFT_GPU_DAWN_H
#define WEFT_GPU_DAWN_H
#include <webgpu/webgpu.h>

enum {
    DAWN_FEATURE_IMPLICIT_SYNC = 0x00050004,
    DAWN_FEATURE_SUBGROUP_MATRIX = 0x00050034,
    DAWN_STYPE_CACHE = 0x00050007,
    DAWN_STYPE_TOGGLES = 0x0005000A,
    DAWN_STYPE_MATRIX_CONFIGS = 0x0005003B,
};

struct dawn_toggles {
    WGPUChainedStruct chain;
    size_t n_enabled; const char *const *enabled;
    size_t n_disabled; const char *const *disabled;
};

struct dawn_matrix_config { uint32_t in, out, m, n, k; };
struct dawn_matrix_configs { WGPUChainedStruct chain; size_t count; const struct dawn_matrix_config *configs; };

#endif
