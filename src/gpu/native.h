/// WebGPU by way of webgpu.h, loaded at run time: one table of procedures for each library, and the device behind the
/// door. Included by native_*.c and choose.c only.
#ifndef WEFT_GPU_NATIVE_H
#define WEFT_GPU_NATIVE_H
#include "core/str.h"
#include "gpu/gpu_backend.h"
#include <pthread.h>
#include <webgpu/webgpu.h>
#include <webgpu/wgpu.h>

/// Procedures of the standard header that Weft calls; a library without one of them is refused.
#define WEFT_NATIVE_PROCS(X)                                                                                           \
    X(CreateInstance) X(InstanceAddRef) X(InstanceProcessEvents) X(InstanceRequestAdapter) X(InstanceRelease)          \
    X(AdapterGetInfo) X(AdapterInfoFreeMembers) X(AdapterGetLimits) X(AdapterHasFeature) X(AdapterRequestDevice)       \
    X(AdapterRelease) X(BindGroupRelease) X(BindGroupLayoutRelease)                                                    \
    X(BufferDestroy) X(BufferGetConstMappedRange) X(BufferMapAsync) X(BufferUnmap) X(BufferRelease)                    \
    X(CommandBufferRelease) X(CommandEncoderBeginComputePass) X(CommandEncoderClearBuffer)                             \
    X(CommandEncoderCopyBufferToBuffer) X(CommandEncoderFinish) X(CommandEncoderResolveQuerySet)                       \
    X(CommandEncoderRelease) X(ComputePassEncoderDispatchWorkgroups) X(ComputePassEncoderEnd)                          \
    X(ComputePassEncoderSetBindGroup) X(ComputePassEncoderSetPipeline) X(ComputePassEncoderRelease)                    \
    X(ComputePipelineRelease) X(DeviceCreateBindGroup) X(DeviceCreateBindGroupLayout) X(DeviceCreateBuffer)            \
    X(DeviceCreateCommandEncoder) X(DeviceCreateComputePipeline) X(DeviceCreatePipelineLayout)                         \
    X(DeviceCreateQuerySet) X(DeviceCreateShaderModule) X(DeviceDestroy) X(DeviceGetLimits) X(DeviceGetQueue)          \
    X(DeviceRelease) X(PipelineLayoutRelease) X(QuerySetRelease) X(QueueOnSubmittedWorkDone) X(QueueRelease)           \
    X(QueueSubmit) X(QueueWriteBuffer) X(ShaderModuleRelease)

enum weft_native_kind { WEFT_NATIVE_WGPU, WEFT_NATIVE_DAWN, WEFT_NATIVE_OTHER };

/// A loaded library. Libraries stay loaded until the process ends: they have threads of their own.
struct weft_native_lib {
    enum weft_native_kind kind;
    char path[256];
#define WEFT_NATIVE_FIELD(name) WGPUProc##name name;
    WEFT_NATIVE_PROCS(WEFT_NATIVE_FIELD)
#undef WEFT_NATIVE_FIELD
    // wgpu-native only
    size_t (*EnumerateAdapters)(WGPUInstance, const WGPUInstanceEnumerateAdapterOptions *, WGPUAdapter *);
    WGPUBool (*DevicePoll)(WGPUDevice, WGPUBool wait, const WGPUSubmissionIndex *);
    float (*GetTimestampPeriod)(WGPUQueue);
    WGPUShaderModule (*CreateShaderModuleTrusted)(WGPUDevice, const WGPUShaderModuleDescriptor *,
                                                  WGPUShaderRuntimeChecks);
    // Dawn only (wgpu-native aborts in it)
    WGPUProcInstanceHasWGSLLanguageFeature HasWGSLLanguageFeature;
    void (*ForceLoss)(WGPUDevice, WGPUDeviceLostReason, WGPUStringView);
    bool disk_cache; ///< the cache descriptor has the layout that dawn.h knows
    WGPUInstance anchor; ///< weft_native_anchor
};

/// Loads a file or the first library of an implementation that is found. `tried` gets a line for each attempt; NULL
/// when none could be loaded. The result is shared and lives as long as the process.
const struct weft_native_lib *weft_native_load_file(const char *path, struct weft_str *tried);
const struct weft_native_lib *weft_native_load(enum weft_native_kind kind, struct weft_str *tried);
const char *weft_native_kind_name(enum weft_native_kind kind);
/// Keeps the first such instance, in which adapters were found, to the end of the process, and with it the driver:
/// otherwise closing the last device unloads it, and NVIDIA's can be loaded some ten times only, since its thread-local
/// storage takes room of the process that it does not get back.
void weft_native_anchor(const struct weft_native_lib *lib, WGPUInstance instance);

/// One adapter with what it can do. The holder releases instance and adapter (weft_native_adapter_free).
struct weft_native_adapter {
    const struct weft_native_lib *lib;
    WGPUInstance instance;
    WGPUAdapter adapter;
    struct weft_gpu_caps caps;
    WGPULimits limits;
    bool probe_subgroups, probe_dot4;
    int score; ///< the higher, the rather it is chosen
};

enum { WEFT_NATIVE_ADAPTERS = 8 };
/// The adapters of a library, best first; at most WEFT_NATIVE_ADAPTERS. Zero and a line in `tried` if there are none.
size_t weft_native_adapters(const struct weft_native_lib *lib, struct weft_native_adapter *out, struct weft_str *tried);
void weft_native_adapter_free(struct weft_native_adapter *a);

/// Opens a device; takes the adapter over, also when it fails.
weft_status weft_native_device_open(struct weft_native_adapter *a, const struct weft_gpu_params *params,
                                    struct weft_gpu_opened *out);

// ---- the device ----------------------------------------------------------------------------------------------------

struct weft_native_buf {
    WGPUBuffer buffer;
    uint64_t size;
    _Atomic uint64_t map;         ///< enum weft_gpu_map, and the number of the latest map above it (MAP_BITS)
    _Atomic int calls;            ///< map callbacks that are still to come, also for maps given up meanwhile
    struct weft_native_buf *next; ///< among the orphans
};

struct weft_native_layout { WGPUBindGroupLayout group; WGPUPipelineLayout pipeline; };

struct weft_native_device {
    const struct weft_native_lib *lib;
    WGPUInstance instance;
    WGPUAdapter adapter;
    WGPUDevice device;
    WGPUQueue queue;
    bool trusted;
    double tick_seconds; ///< of a timestamp
    _Atomic uint64_t finished;
    _Atomic int lost;
    char lost_why[256];           ///< written before `lost` is set
    pthread_mutex_t error_lock;
    char error[512];              ///< an error that came outside any call of ours
    struct weft_native_buf *orphans; ///< freed while a map was pending: the callback may still come
    struct weft_native_profile *profile;
    struct weft_native_cache *cache;
};

/// Errors that implementations report by callback during a call of this thread.
struct weft_native_capture { struct weft_native_capture *outer; WGPUErrorType type; char text[4096]; };
void weft_native_capture_begin(struct weft_native_capture *c);
/// Ends the capture: WEFT_OK, or the error as a status (NOMEM, LOST, DEVICE) with the implementation's text.
weft_status weft_native_capture_end(struct weft_native_device *d, struct weft_native_capture *c, const char *what);
void weft_native_on_error(WGPUDevice const *device, WGPUErrorType type, WGPUStringView message, void *dev,
                          void *unused);
void weft_native_on_lost(WGPUDevice const *device, WGPUDeviceLostReason reason, WGPUStringView message, void *dev,
                         void *unused);

static inline WGPUStringView weft_native_view(const char *s)
{
    return s ? (WGPUStringView){s, __builtin_strlen(s)} : (WGPUStringView){NULL, WGPU_STRLEN};
}
void weft_native_text(WGPUStringView view, char *out, size_t size); ///< copies, trims, terminates, cuts

// Objects (native_object.c), submits (native_submit.c): the functions of the device table.
weft_status weft_native_buf_make(void *dev, uint64_t size, enum weft_buf_usage usage, const char *label, void **out);
void weft_native_buf_free(void *dev, void *buf);
weft_status weft_native_buf_write(void *dev, void *buf, uint64_t offset, const void *data, uint64_t size);
weft_status weft_native_layout_make(void *dev, const struct weft_gpu_layout *layout, void **out);
void weft_native_layout_free(void *dev, void *layout);
weft_status weft_native_pipeline_make(void *dev, void *layout, const struct weft_pipeline_desc *desc, void **out);
void weft_native_pipeline_free(void *dev, void *pipeline);
weft_status weft_native_group_make(void *dev, void *layout, const struct weft_gpu_layout *pattern,
                                   const struct weft_gpu_range *ranges, void **out);
void weft_native_group_free(void *dev, void *group);
weft_status weft_native_map_start(void *dev, void *buf);
enum weft_gpu_map weft_native_map_state(void *dev, void *buf);
weft_status weft_native_map_take(void *dev, void *buf, uint64_t offset, void *data, uint64_t size);
void weft_native_map_drop(void *dev, void *buf);
weft_status weft_native_submit(void *dev, struct weft_gpu_work *work);

// Timestamps (native_profile.c). A frame holds the queries of one submit.
struct weft_native_frame;
weft_status weft_native_profile_open(struct weft_native_device *d);
void weft_native_profile_close(struct weft_native_device *d);
/// A frame for `steps` passes; NULL (with a status) if it can't be made.
weft_status weft_native_frame_begin(struct weft_native_device *d, size_t steps, struct weft_native_frame **out);
/// The timestamp writes of pass `i`.
WGPUPassTimestampWrites weft_native_frame_pass(struct weft_native_frame *f, size_t i, uint32_t row);
void weft_native_frame_resolve(struct weft_native_device *d, struct weft_native_frame *f, WGPUCommandEncoder encoder);
void weft_native_frame_end(struct weft_native_device *d, struct weft_native_frame *f, bool submitted);
void weft_native_profile_take(void *dev, void (*add)(void *user, uint32_t row, double seconds), void *user);

// Dawn's disk cache (native_cache.c).
struct weft_native_cache *weft_native_cache_open(void); ///< NULL: no folder for it
void weft_native_cache_close(struct weft_native_cache *cache);
size_t weft_native_cache_load(size_t key_size, const uint8_t *key, size_t value_size, uint8_t *value, void *cache,
                              void *unused); ///< size of the value, 0 if there is none; copies it if it fits
void weft_native_cache_store(size_t key_size, const uint8_t *key, size_t value_size, const uint8_t *value, void *cache,
                             void *unused);
#endif
