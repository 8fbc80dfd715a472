// The device of an implementation: opening, polling, and its table of functions.
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "gpu/webgpu/dawn.h"
#include "gpu/webgpu/impl.h"

// ---- polling --------------------------------------------------------------------------------------------------------

static void poll(void *dev) {
    struct weft_webgpu_device *d = dev;
    if (atomic_load(&d->lost)) return; // to poll a lost device ends the process with wgpu-native
    // DevicePoll sets only the low byte of its answer; nothing here depends on it.
    if (d->lib->DevicePoll) (void)d->lib->DevicePoll(d->device, 0, NULL);
    else d->lib->InstanceProcessEvents(d->instance);
}

static uint64_t finished(void *dev) {
    struct weft_webgpu_device *d = dev;
    return atomic_load(&d->finished);
}

// ---- opening --------------------------------------------------------------------------------------------------------

struct asked {
    _Atomic bool done;
    WGPUDevice device;
    char why[512];
};

static void on_device(WGPURequestDeviceStatus status, WGPUDevice device, WGPUStringView message, void *user,
                      void *unused) {
    (void)unused;
    struct asked *a = user;
    a->device = status == WGPURequestDeviceStatus_Success ? device : NULL;
    weft_webgpu_text(message, a->why, sizeof a->why);
    atomic_store(&a->done, true);
}

static size_t wanted_features(const struct weft_webgpu_adapter *a, bool min, bool profile, WGPUFeatureName *out) {
    static const int wgpu[] = {WGPUNativeFeature_Subgroup, WGPUNativeFeature_SubgroupBarrier,
                               WGPUNativeFeature_Immediates};
    static const int dawn[] = {WGPUFeatureName_Subgroups, DAWN_FEATURE_SUBGROUP_MATRIX};
    const struct weft_webgpu_lib *lib = a->lib;
    size_t n = 0;
    // Dawn is safe to call from several threads only with this one; it is no capability of kernels.
    if (lib->kind == WEFT_WEBGPU_DAWN) out[n++] = (WGPUFeatureName)DAWN_FEATURE_IMPLICIT_SYNC;
    if (min) return n;
    if (weft_webgpu_has(a, WGPUFeatureName_ShaderF16)) out[n++] = WGPUFeatureName_ShaderF16;
    if (profile && a->caps.timestamps) out[n++] = WGPUFeatureName_TimestampQuery;
    const int *list = lib->kind == WEFT_WEBGPU_WGPU ? wgpu : dawn;
    size_t count = lib->kind == WEFT_WEBGPU_WGPU ? 3 : lib->kind == WEFT_WEBGPU_DAWN ? 2 : 1;
    for (size_t i = 0; i < count; i++)
        if (weft_webgpu_has(a, list[i])) out[n++] = (WGPUFeatureName)list[i];
    return n;
}

static const char *const dawn_disabled[] = {"timestamp_quantization"};

static void request_device(struct weft_webgpu_device *d, const struct weft_webgpu_adapter *a,
                           const struct weft_gpu_params *params, struct asked *asked) {
    WGPUFeatureName features[8];
    WGPULimits defaults = WGPU_LIMITS_INIT;
    size_t n_toggles = params->keep_robustness ? WEFT_WEBGPU_ADAPTER_TOGGLES : WEFT_WEBGPU_DEVICE_TOGGLES;
    struct dawn_toggles toggles = {.chain = {.sType = (WGPUSType)DAWN_STYPE_TOGGLES},
                                   .n_enabled = n_toggles,
                                   .enabled = weft_webgpu_dawn_toggles,
                                   .n_disabled = params->profile ? 1 : 0,
                                   .disabled = dawn_disabled};
    WGPUDeviceDescriptor desc = {
        .label = weft_webgpu_view("weft"),
        .requiredFeatureCount = wanted_features(a, params->limits_min, params->profile, features),
        .requiredFeatures = features,
        .requiredLimits = params->limits_min ? &defaults : &a->limits,
        .deviceLostCallbackInfo = {.mode = WGPUCallbackMode_AllowSpontaneous,
                                   .callback = weft_webgpu_on_lost,
                                   .userdata1 = d},
        .uncapturedErrorCallbackInfo = {.callback = weft_webgpu_on_error, .userdata1 = d},
    };
    struct dawn_cache cache = {.chain = {.sType = (WGPUSType)DAWN_STYPE_CACHE},
                               .isolation_key = weft_webgpu_view("weft"),
                               .load = {.call = weft_webgpu_cache_load, .user1 = d->cache},
                               .store = {.call = weft_webgpu_cache_store, .user1 = d->cache}};
    if (d->lib->kind == WEFT_WEBGPU_DAWN) desc.nextInChain = &toggles.chain;
    if (d->cache) toggles.chain.next = &cache.chain;
    WGPURequestDeviceCallbackInfo info = {
        .mode = WGPUCallbackMode_AllowProcessEvents, .callback = on_device, .userdata1 = asked};
    d->lib->AdapterRequestDevice(d->adapter, &desc, info);
    weft_webgpu_await(d->lib, d->instance, &asked->done, 60);
    d->device = asked->device;
}

static void close_device(void *dev) {
    struct weft_webgpu_device *d = dev;
    if (d->profile) weft_webgpu_profile_close(d);
    if (d->queue) d->lib->QueueRelease(d->queue);
    if (d->device) d->lib->DeviceRelease(d->device);
    if (d->adapter) d->lib->AdapterRelease(d->adapter);
    if (d->instance) {
        if (!d->lib->DevicePoll) d->lib->InstanceProcessEvents(d->instance);
        d->lib->InstanceRelease(d->instance);
    }
    while (d->orphans) {
        struct weft_webgpu_buf *next = d->orphans->next;
        weft_free(d->orphans);
        d->orphans = next;
    }
    weft_webgpu_cache_close(d->cache);
    pthread_mutex_destroy(&d->error_lock);
    weft_free(d);
}

static const struct weft_gpu_backend webgpu_backend = {
    .close = close_device,
    .buf_make = weft_webgpu_buf_make,
    .buf_free = weft_webgpu_buf_free,
    .buf_write = weft_webgpu_buf_write,
    .layout_make = weft_webgpu_layout_make,
    .layout_free = weft_webgpu_layout_free,
    .pipeline_make = weft_webgpu_pipeline_make,
    .pipeline_free = weft_webgpu_pipeline_free,
    .group_make = weft_webgpu_group_make,
    .group_free = weft_webgpu_group_free,
    .submit = weft_webgpu_submit,
    .poll = poll,
    .pause = weft_gpu_pause_native,
    .finished = finished,
    .lost = weft_webgpu_lost,
    .lose = weft_webgpu_lose,
    .may_block = true,
    .take_error = weft_webgpu_take_error,
    .map_start = weft_webgpu_map_start,
    .map_state = weft_webgpu_map_state,
    .map_view = weft_webgpu_map_view,
    .map_drop = weft_webgpu_map_drop,
    .profile_take = weft_webgpu_profile_take,
};

weft_status weft_webgpu_device_open(struct weft_webgpu_adapter *a, const struct weft_gpu_params *params,
                                    struct weft_gpu_opened *out) {
    struct weft_webgpu_device *d = weft_calloc(1, sizeof *d);
    if (!d) {
        weft_webgpu_adapter_free(a);
        return weft_fail(WEFT_ERR_NOMEM, "out of memory opening a device");
    }
    pthread_mutex_init(&d->error_lock, NULL);
    d->lib = a->lib;
    d->instance = a->instance;
    d->adapter = a->adapter;
    d->trusted = !params->keep_robustness && d->lib->CreateShaderModuleTrusted;
    if (d->lib->disk_cache) d->cache = weft_webgpu_cache_open();
    struct asked asked = {0};
    request_device(d, a, params, &asked);
    a->instance = NULL;
    a->adapter = NULL;
    if (!d->device) {
        weft_status status = weft_fail(WEFT_ERR_DEVICE, "%s gave no device for adapter '%s': %s", d->lib->path,
                                       a->caps.adapter, asked.why);
        close_device(d);
        return status;
    }
    d->queue = d->lib->DeviceGetQueue(d->device);
    *out = (struct weft_gpu_opened){.backend = &webgpu_backend,
                                    .dev = d,
                                    .caps = a->caps,
                                    .probe_subgroups = a->probe_subgroups,
                                    .probe_dot4 = a->probe_dot4};
    if (!params->profile || params->limits_min || !a->caps.timestamps) return WEFT_OK;
    weft_status status = weft_webgpu_profile_open(d);
    if (status != WEFT_OK) close_device(d);
    return status;
}
