// The restriction to what every WebGPU device guarantees.
#include "gpu/gpu_backend.h"
#include <stdlib.h>
#include <string.h>

void weft_gpu_caps_min(struct weft_gpu_caps *caps) {
    caps->f16 = caps->subgroups = caps->dot4 = caps->timestamps = caps->immediates = false;
    caps->subgroup_min = caps->subgroup_max = 0;
    caps->n_matrix_configs = 0;
    memset(caps->matrix_configs, 0, sizeof caps->matrix_configs);
    caps->max_binding = (uint64_t)128 << 20;
    caps->max_buffer = (uint64_t)256 << 20;
    caps->max_storage_buffers = 8;
    caps->max_dynamic_uniforms = 8;
    caps->max_uniform_binding = 64 << 10;
    caps->offset_align = 256;
    caps->max_invocations = caps->max_workgroup_x = caps->max_workgroup_y = 256;
    caps->max_workgroup_z = 64;
    caps->max_groups = 65535;
    caps->workgroup_memory = 16 << 10;
}

bool weft_gpu_wants_min(const struct weft_gpu_params *params) {
    const char *limits = getenv("WEFT_LIMITS");
    return params->limits_min || (limits && strcmp(limits, "min") == 0);
}
