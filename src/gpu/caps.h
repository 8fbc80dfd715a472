/// What a device can do, as far as choosing kernels and planning memory goes. Folders left of exec may include this
/// header of src/gpu only.
#ifndef WEFT_GPU_CAPS_H
#define WEFT_GPU_CAPS_H
#include <stdbool.h>
#include <stdint.h>

enum weft_gpu_kind { WEFT_GPU_NULL, WEFT_GPU_CPU, WEFT_GPU_INTEGRATED, WEFT_GPU_DISCRETE, WEFT_GPU_OTHER };

/// What kernels may use. With `limits_min` all features are off and limits are WebGPU's guaranteed minimums, and the
/// validation layer enforces them (workgroup memory included, which wgpu-native does not check).
struct weft_gpu_caps {
    char implementation[32]; ///< "wgpu", "dawn", "null"
    char library[256];       ///< file that was loaded
    char adapter[128], driver[128];
    enum weft_gpu_kind kind;
    bool f16, subgroups, dot4, timestamps, immediates;
    uint32_t subgroup_min, subgroup_max; ///< a shader is asked where the adapter is silent; 0 without
    bool wgsl_enable_subgroups;          ///< dialect: Tint requires `enable subgroups;`, naga refuses it
    bool wgsl_naga;                      ///< dialect of naga (restrictions of webgpu/facts)
    uint32_t n_matrix_configs;           ///< subgroup matrix configurations (Dawn)
    struct {
        uint32_t m, n, k;
        char in[8], out[8];
    } matrix_configs[16];
    uint64_t max_binding;         ///< bytes of one storage binding
    uint64_t max_buffer;          ///< bytes of one buffer
    uint32_t max_storage_buffers; ///< storage bindings a stage
    uint32_t max_dynamic_uniforms;
    uint32_t max_uniform_binding;
    uint32_t offset_align; ///< of storage and uniform offsets; plans use 256 everywhere
    uint32_t max_invocations, max_workgroup_x, max_workgroup_y, max_workgroup_z;
    uint32_t max_groups;       ///< workgroups a dimension
    uint32_t workgroup_memory; ///< bytes
    uint64_t memory;           ///< device memory if known, else 0
};

/// How a kernel's binding is declared.
enum weft_bind_kind { WEFT_BIND_UNIFORM, WEFT_BIND_READ, WEFT_BIND_READ_WRITE };

/// Most bytes of a buffer that one storage binding shows whole.
static inline uint64_t weft_caps_bindable(const struct weft_gpu_caps *c) {
    return c->max_binding < c->max_buffer ? c->max_binding : c->max_buffer;
}
#endif
