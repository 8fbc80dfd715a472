/// What a device implements. The validation layer (front/) has checked every argument before it calls one of these
/// functions, so an implementation holds no rules of its own; it only reports what went wrong beneath it.
///
/// Included by src/gpu only. Objects of a device are opaque pointers. The validation layer holds the device's lock
/// around every call but `pipeline_make` and `poll`, which may run at any time, `poll` on one thread at a time.
#ifndef WEFT_GPU_BACKEND_H
#define WEFT_GPU_BACKEND_H
#include "gpu/gpu.h"

/// The pattern that bind group layouts are shared by.
struct weft_gpu_layout {
    uint32_t n_bindings, uniform_size;
    uint8_t kinds[16];
};

struct weft_gpu_range {
    void *buf;
    uint64_t offset, size;
};

/// A copy between two buffers, or zeroing of `dst` where `src` is NULL.
struct weft_gpu_move {
    void *src, *dst;
    uint64_t src_offset, dst_offset, size;
};

struct weft_gpu_dispatch {
    void *pipeline, *group;
    bool has_uniform;
    uint32_t uniform_offset, grid[3];
    uint32_t row; ///< of the profile; meaningless without params.profile
};

/// A submit whose handles are resolved.
struct weft_gpu_work {
    uint64_t tick; ///< rises by one with each call of `submit`
    const struct weft_gpu_move *before;
    size_t n_before;
    const struct weft_gpu_dispatch *steps;
    size_t n_steps;
    const struct weft_gpu_move *after;
    size_t n_after;
    bool profile;                          ///< one timed pass a step
    double encode_seconds, submit_seconds; ///< filled in
};

enum weft_gpu_map { WEFT_GPU_MAP_NONE, WEFT_GPU_MAP_PENDING, WEFT_GPU_MAP_READY, WEFT_GPU_MAP_FAILED };

struct weft_gpu_backend {
    void (*close)(void *dev); ///< waits for nothing; frees the device after all its objects were freed
    weft_status (*buf_make)(void *dev, uint64_t size, enum weft_buf_usage usage, const char *label, void **out);
    void (*buf_free)(void *dev, void *buf);
    weft_status (*buf_write)(void *dev, void *buf, uint64_t offset, const void *data, uint64_t size);
    weft_status (*layout_make)(void *dev, const struct weft_gpu_layout *layout, void **out);
    void (*layout_free)(void *dev, void *layout);
    weft_status (*pipeline_make)(void *dev, void *layout, const struct weft_pipeline_desc *desc, void **out);
    void (*pipeline_free)(void *dev, void *pipeline);
    weft_status (*group_make)(void *dev, void *layout, const struct weft_gpu_layout *pattern,
                              const struct weft_gpu_range *ranges, void **out);
    void (*group_free)(void *dev, void *group);
    weft_status (*submit)(void *dev, struct weft_gpu_work *work);
    void (*poll)(void *dev); ///< lets callbacks run; they touch atomics only
    /// Lets `seconds` pass, 0: gives way to others. Every wait of the library is a loop around this, without locks: the
    /// one place that sleeps natively, and that is suspended in a browser. Holds for all devices of an implementation.
    void (*pause)(double seconds);
    uint64_t (*finished)(void *dev);   ///< highest tick known to be finished
    const char *(*lost)(void *dev);    ///< NULL while the device is there, else why it is gone
    void (*stall)(void *dev, bool on); ///< for tests: finishes nothing more while on; NULL: cannot
    bool may_block;                    ///< freeing objects that work in flight uses may wait for it
    void (*lose)(void *dev);           ///< for tests: loses the device, or at least reports so from now on
    bool (*take_error)(void *dev, char *text, size_t size); ///< an error that no call could report; given once
    /// Mapping of a WEFT_BUF_READBACK buffer to read, or of a WEFT_BUF_STAGING one to write: all of it, after the work
    /// submitted so far.
    weft_status (*map_start)(void *dev, void *buf);
    enum weft_gpu_map (*map_state)(void *dev, void *buf);
    /// The memory of a buffer whose map is READY, until map_drop; NULL from the null device: it reads as zeros.
    weft_status (*map_view)(void *dev, void *buf, void **out);
    void (*map_drop)(void *dev, void *buf); ///< unmaps, or gives up a map that is pending
    /// Hands out the seconds of finished profiled steps: add(user, row, seconds). NULL without timestamps.
    void (*profile_take)(void *dev, void (*add)(void *user, uint32_t row, double seconds), void *user);
};

/// A device that webgpu/ or null/ opened, before the validation layer is put in front of it.
struct weft_gpu_opened {
    const struct weft_gpu_backend *backend;
    void *dev;
    struct weft_gpu_caps caps;
    bool probe_subgroups, probe_dot4; ///< the adapter does not report it: a shader is asked
    int adapter;                      ///< its place among its implementation's adapters
};

void weft_gpu_pause_native(double seconds); ///< `pause` where there are threads

weft_status weft_gpu_null_open(const struct weft_gpu_params *params, struct weft_gpu_opened *out);
void weft_gpu_null_caps(struct weft_gpu_caps *caps);
/// The best adapter of an implementation that is asked for, or of all that are found. Errors as weft_gpu_open.
weft_status weft_webgpu_open(const struct weft_gpu_params *params, struct weft_gpu_opened *out);
bool weft_gpu_wants_min(const struct weft_gpu_params *params); ///< by parameter or WEFT_LIMITS
/// Masks capabilities to what every WebGPU device guarantees.
void weft_gpu_caps_min(struct weft_gpu_caps *caps);
#endif
