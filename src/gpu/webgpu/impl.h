/// WebGPU by way of webgpu.h, loaded at run time: one table of procedures for each library, and the device behind the
/// validation layer. Included by the files of webgpu/ only.
#ifndef WEFT_GPU_WEBGPU_IMPL_H
#define WEFT_GPU_WEBGPU_IMPL_H
#include "core/str.h"
#include "gpu/gpu_backend.h"
#include <pthread.h>
#include <webgpu/webgpu.h>
#include <webgpu/wgpu.h>

// clang-format off
/// Procedures of the standard header that Weft calls; a library without one of them is refused.
#define WEFT_WEBGPU_PROCS(X)                                                                                           \
    X(CreateInstance) X(InstanceAddRef) X(InstanceProcessEvents) X(InstanceRequestAdapter) X(InstanceRelease)          \
    X(AdapterGetInfo) X(AdapterInfoFreeMembers) X(AdapterGetLimits) X(AdapterHasFeature) X(AdapterRequestDevice)       \
    X(AdapterRelease) X(BindGroupRelease) X(BindGroupLayoutRelease)                                                    \
    X(BufferDestroy) X(BufferGetConstMappedRange) X(BufferGetMappedRange) X(BufferMapAsync) X(BufferUnmap)             \
    X(BufferRelease)                                                                                                   \
    X(CommandBufferRelease) X(CommandEncoderBeginComputePass) X(CommandEncoderClearBuffer)                             \
    X(CommandEncoderCopyBufferToBuffer) X(CommandEncoderFinish) X(CommandEncoderResolveQuerySet)                       \
    X(CommandEncoderRelease) X(ComputePassEncoderDispatchWorkgroups) X(ComputePassEncoderEnd)                          \
    X(ComputePassEncoderSetBindGroup) X(ComputePassEncoderSetPipeline) X(ComputePassEncoderRelease)                    \
    X(ComputePipelineRelease) X(DeviceCreateBindGroup) X(DeviceCreateBindGroupLayout) X(DeviceCreateBuffer)            \
    X(DeviceCreateCommandEncoder) X(DeviceCreateComputePipeline) X(DeviceCreatePipelineLayout)                         \
    X(DeviceCreateQuerySet) X(DeviceCreateShaderModule) X(DeviceDestroy) X(DeviceGetLimits) X(DeviceGetQueue)          \
    X(DeviceRelease) X(PipelineLayoutRelease) X(QuerySetRelease) X(QueueOnSubmittedWorkDone) X(QueueRelease)           \
    X(QueueSubmit) X(QueueWriteBuffer) X(ShaderModuleRelease)
// clang-format on

enum weft_webgpu_kind { WEFT_WEBGPU_WGPU, WEFT_WEBGPU_DAWN, WEFT_WEBGPU_OTHER };

/// A loaded library. Libraries stay loaded until the process ends: they have threads of their own.
struct weft_webgpu_lib {
    enum weft_webgpu_kind kind;
    char path[256];
#define WEFT_WEBGPU_FIELD(name) WGPUProc##name name;
    WEFT_WEBGPU_PROCS(WEFT_WEBGPU_FIELD)
#undef WEFT_WEBGPU_FIELD
    // wgpu-native only
    size_t (*EnumerateAdapters)(WGPUInstance, const WGPUInstanceEnumerateAdapterOptions *, WGPUAdapter *);
    WGPUBool (*DevicePoll)(WGPUDevice, WGPUBool wait, const WGPUSubmissionIndex *);
    float (*GetTimestampPeriod)(WGPUQueue);
    WGPUShaderModule (*CreateShaderModuleTrusted)(WGPUDevice, const WGPUShaderModuleDescriptor *,
                                                  WGPUShaderRuntimeChecks);
    // Dawn only (wgpu-native aborts in it)
    WGPUProcInstanceHasWGSLLanguageFeature HasWGSLLanguageFeature;
    void (*ForceLoss)(WGPUDevice, WGPUDeviceLostReason, WGPUStringView);
    bool disk_cache;   ///< the cache descriptor has the layout that dawn.h knows
    WGPUInstance kept; ///< by weft_webgpu_keep_alive
};

/// Loads a file or the first library of an implementation that is found. `tried` gets a line for each attempt; NULL
/// when none could be loaded. `kind` is one that has a loader (load.h), so not WEFT_WEBGPU_OTHER. The result is shared
/// and lives as long as the process.
const struct weft_webgpu_lib *weft_webgpu_load_file(const char *path, struct weft_str *tried);
const struct weft_webgpu_lib *weft_webgpu_load(enum weft_webgpu_kind kind, struct weft_str *tried);
const char *weft_webgpu_kind_name(enum weft_webgpu_kind kind);
/// Keeps the first such instance, in which adapters were found, alive to the end of the process, and with it the
/// driver. Otherwise closing the last device unloads it, and NVIDIA's can be loaded some ten times only, since its
/// thread-local storage takes space of the process that is not given back.
void weft_webgpu_keep_alive(const struct weft_webgpu_lib *lib, WGPUInstance instance);

/// One adapter with what it can do. The holder releases instance and adapter (weft_webgpu_adapter_free).
struct weft_webgpu_adapter {
    const struct weft_webgpu_lib *lib;
    WGPUInstance instance;
    WGPUAdapter adapter;
    struct weft_gpu_caps caps;
    WGPULimits limits;
    bool probe_subgroups, probe_dot4;
    int score; ///< the higher, the rather it is chosen
};

enum { WEFT_WEBGPU_ADAPTERS = 8 };
/// The adapters of a library, best first; at most WEFT_WEBGPU_ADAPTERS. Zero and a line in `tried` if there are none.
size_t weft_webgpu_adapters(const struct weft_webgpu_lib *lib, struct weft_webgpu_adapter *out, struct weft_str *tried);
void weft_webgpu_adapter_free(struct weft_webgpu_adapter *a);
/// Only the low byte of an implementation's answer is set.
static inline bool weft_webgpu_has(const struct weft_webgpu_adapter *a, int feature) {
    return a->lib->AdapterHasFeature(a->adapter, (WGPUFeatureName)feature) & 0xff;
}
/// Lets callbacks run until one has set `done`. False: it has not within so many seconds.
bool weft_webgpu_await(const struct weft_webgpu_lib *lib, WGPUInstance instance, const _Atomic bool *done,
                       double seconds);
/// Dawn's switches. An instance gets the first; an adapter, and a device that keeps its robustness, those on which
/// features depend that are experimental or behind a driver check; any other device all.
extern const char *const weft_webgpu_dawn_toggles[];
enum { WEFT_WEBGPU_INSTANCE_TOGGLES = 1, WEFT_WEBGPU_ADAPTER_TOGGLES = 3, WEFT_WEBGPU_DEVICE_TOGGLES = 4 };

/// Opens a device; takes the adapter over, also when it fails.
weft_status weft_webgpu_device_open(struct weft_webgpu_adapter *a, const struct weft_gpu_params *params,
                                    struct weft_gpu_opened *out);

// ---- the device -----------------------------------------------------------------------------------------------------

struct weft_webgpu_buf {
    WGPUBuffer buffer;
    uint64_t size;
    bool written;                 ///< mapped to write, not to read
    _Atomic uint64_t map;         ///< enum weft_gpu_map, and the number of the latest map above it (MAP_BITS)
    _Atomic int calls;            ///< map callbacks that are still to come, also for maps given up meanwhile
    struct weft_webgpu_buf *next; ///< among the orphans
};

struct weft_webgpu_layout {
    WGPUBindGroupLayout group;
    WGPUPipelineLayout pipeline;
};

struct weft_webgpu_device {
    const struct weft_webgpu_lib *lib;
    WGPUInstance instance;
    WGPUAdapter adapter;
    WGPUDevice device;
    WGPUQueue queue;
    bool trusted;
    double tick_seconds; ///< of a timestamp
    _Atomic uint64_t finished;
    _Atomic int lost;
    char lost_why[256]; ///< written before `lost` is set
    pthread_mutex_t error_lock;
    char error[512];                 ///< an error that came outside any call of ours
    struct weft_webgpu_buf *orphans; ///< freed while a map was pending: the callback may still come
    struct weft_webgpu_profile *profile;
    struct weft_webgpu_cache *cache;
};

/// Errors that implementations report by callback during a call of this thread.
struct weft_webgpu_capture {
    struct weft_webgpu_capture *outer;
    WGPUErrorType type;
    char text[4096];
};
void weft_webgpu_capture_begin(struct weft_webgpu_capture *c);
/// Ends the capture: WEFT_OK, or the error as a status (NOMEM, LOST, DEVICE) with the implementation's text.
weft_status weft_webgpu_capture_end(struct weft_webgpu_device *d, struct weft_webgpu_capture *c, const char *what);
void weft_webgpu_on_error(WGPUDevice const *device, WGPUErrorType type, WGPUStringView message, void *dev,
                          void *unused);
void weft_webgpu_on_lost(WGPUDevice const *device, WGPUDeviceLostReason reason, WGPUStringView message, void *dev,
                         void *unused);

static inline WGPUStringView weft_webgpu_view(const char *s) {
    return s ? (WGPUStringView){s, __builtin_strlen(s)} : (WGPUStringView){NULL, WGPU_STRLEN};
}
void weft_webgpu_text(WGPUStringView view, char *out, size_t size); ///< copies, trims, terminates, cuts

// Objects (object.c), submits (submit.c), loss (error.c): the functions of the device table.
weft_status weft_webgpu_buf_make(void *dev, uint64_t size, enum weft_buf_usage usage, const char *label, void **out);
void weft_webgpu_buf_free(void *dev, void *buf);
weft_status weft_webgpu_buf_write(void *dev, void *buf, uint64_t offset, const void *data, uint64_t size);
weft_status weft_webgpu_layout_make(void *dev, const struct weft_gpu_layout *layout, void **out);
void weft_webgpu_layout_free(void *dev, void *layout);
weft_status weft_webgpu_pipeline_make(void *dev, void *layout, const struct weft_pipeline_desc *desc, void **out);
void weft_webgpu_pipeline_free(void *dev, void *pipeline);
weft_status weft_webgpu_group_make(void *dev, void *layout, const struct weft_gpu_layout *pattern,
                                   const struct weft_gpu_range *ranges, void **out);
void weft_webgpu_group_free(void *dev, void *group);
weft_status weft_webgpu_map_start(void *dev, void *buf);
enum weft_gpu_map weft_webgpu_map_state(void *dev, void *buf);
weft_status weft_webgpu_map_view(void *dev, void *buf, void **out);
void weft_webgpu_map_drop(void *dev, void *buf);
weft_status weft_webgpu_submit(void *dev, struct weft_gpu_work *work);
const char *weft_webgpu_lost(void *dev);
void weft_webgpu_lose(void *dev);
bool weft_webgpu_take_error(void *dev, char *text, size_t size);

// Timestamps (profile.c). A frame holds the queries of one submit.
struct weft_webgpu_frame;
weft_status weft_webgpu_profile_open(struct weft_webgpu_device *d);
void weft_webgpu_profile_close(struct weft_webgpu_device *d);
/// A frame for `steps` passes; NULL (with a status) if it can't be made.
weft_status weft_webgpu_frame_begin(struct weft_webgpu_device *d, size_t steps, struct weft_webgpu_frame **out);
/// The timestamp writes of pass `i`.
WGPUPassTimestampWrites weft_webgpu_frame_pass(struct weft_webgpu_frame *f, size_t i, uint32_t row);
void weft_webgpu_frame_resolve(struct weft_webgpu_device *d, struct weft_webgpu_frame *f, WGPUCommandEncoder encoder);
void weft_webgpu_frame_end(struct weft_webgpu_device *d, struct weft_webgpu_frame *f, bool submitted);
void weft_webgpu_profile_take(void *dev, void (*add)(void *user, uint32_t row, double seconds), void *user);

// Dawn's disk cache (cache.c).
struct weft_webgpu_cache *weft_webgpu_cache_open(void); ///< NULL: no folder for it
void weft_webgpu_cache_close(struct weft_webgpu_cache *cache);
size_t weft_webgpu_cache_load(size_t key_size, const uint8_t *key, size_t value_size, uint8_t *value, void *cache,
                              void *unused); ///< size of the value, 0 if there is none; copies it if it fits
void weft_webgpu_cache_store(size_t key_size, const uint8_t *key, size_t value_size, const uint8_t *value, void *cache,
                             void *unused);
#endif
