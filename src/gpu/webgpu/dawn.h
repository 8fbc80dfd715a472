/// The parts of Dawn's own header that Weft uses: values and structs that the standard webgpu.h does not have.
/// Layouts belong to the Dawn of 2026 that Weft is tested with.
#ifndef WEFT_GPU_WEBGPU_DAWN_H
#define WEFT_GPU_WEBGPU_DAWN_H
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
    size_t n_enabled;
    const char *const *enabled;
    size_t n_disabled;
    const char *const *disabled;
};

struct dawn_cache_load {
    WGPUChainedStruct *next;
    size_t (*call)(size_t key_size, const uint8_t *key, size_t value_size, uint8_t *value, void *user1, void *user2);
    void *user1, *user2;
};
struct dawn_cache_store {
    WGPUChainedStruct *next;
    void (*call)(size_t key_size, const uint8_t *key, size_t value_size, const uint8_t *value, void *user1,
                 void *user2);
    void *user1, *user2;
};
struct dawn_cache {
    WGPUChainedStruct chain;
    WGPUStringView isolation_key;
    struct dawn_cache_load load;
    struct dawn_cache_store store;
};

/// A function inside Dawn whose signature changed together with the cache descriptor's layout. A Dawn without it, older
/// or stripped, gets no disk cache.
#define DAWN_CACHE_FINGERPRINT                                                                                         \
    "_ZN4dawn6native9BlobCache5StoreERKNS0_8CacheKeyESt4spanIKSt4byteLm18446744073709551615EE"

struct dawn_matrix_config {
    uint32_t in, out, m, n, k;
};
struct dawn_matrix_configs {
    WGPUChainedStruct chain;
    size_t count;
    const struct dawn_matrix_config *configs;
};

#endif
