// Adapters of a library: how to ask for them, what they can do, and which one is preferred.
#include "core/alloc.h"
#include "core/file.h"
#include "gpu/webgpu/dawn.h"
#include "gpu/webgpu/impl.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// ---- asking ---------------------------------------------------------------------------------------------------------

const char *const weft_webgpu_dawn_toggles[] = {"allow_unsafe_apis", "use_vulkan_memory_model",
                                                "vulkan_enable_f16_on_nvidia", "disable_robustness"};

bool weft_webgpu_await(const struct weft_webgpu_lib *lib, WGPUInstance instance, const _Atomic bool *done,
                       double seconds) {
    for (double end = weft_now() + seconds; !atomic_load(done) && weft_now() < end;) {
        lib->InstanceProcessEvents(instance);
        if (!atomic_load(done)) weft_gpu_pause_native(1e-4);
    }
    return atomic_load(done);
}

static WGPUInstance make_instance(const struct weft_webgpu_lib *lib) {
    WGPUInstanceExtras extras = {.chain = {.sType = (WGPUSType)WGPUSType_InstanceExtras},
                                 .backends = WGPUInstanceBackend_Primary,
                                 .flags = WGPUInstanceFlag_Empty};
    struct dawn_toggles toggles = {.chain = {.sType = (WGPUSType)DAWN_STYPE_TOGGLES},
                                   .n_enabled = WEFT_WEBGPU_INSTANCE_TOGGLES,
                                   .enabled = weft_webgpu_dawn_toggles};
    WGPUInstanceDescriptor desc = {0};
    if (lib->kind == WEFT_WEBGPU_WGPU) desc.nextInChain = &extras.chain;
    if (lib->kind == WEFT_WEBGPU_DAWN) desc.nextInChain = &toggles.chain;
    return lib->CreateInstance(&desc);
}

struct asked {
    _Atomic bool done;
    WGPUAdapter adapter;
    char why[256];
};

static void on_adapter(WGPURequestAdapterStatus status, WGPUAdapter adapter, WGPUStringView message, void *user,
                       void *unused) {
    (void)unused;
    struct asked *a = user;
    a->adapter = status == WGPURequestAdapterStatus_Success ? adapter : NULL;
    weft_webgpu_text(message, a->why, sizeof a->why);
    atomic_store(&a->done, true);
}

static WGPUAdapter request_adapter(const struct weft_webgpu_lib *lib, WGPUInstance instance, WGPUPowerPreference power,
                                   bool fallback, char *why, size_t why_size) {
    struct dawn_toggles toggles = {.chain = {.sType = (WGPUSType)DAWN_STYPE_TOGGLES},
                                   .n_enabled = WEFT_WEBGPU_ADAPTER_TOGGLES,
                                   .enabled = weft_webgpu_dawn_toggles};
    WGPURequestAdapterOptions options = {
        .featureLevel = WGPUFeatureLevel_Core, .powerPreference = power, .forceFallbackAdapter = fallback};
    if (lib->kind == WEFT_WEBGPU_DAWN) options.nextInChain = &toggles.chain;
    struct asked asked = {0};
    WGPURequestAdapterCallbackInfo info = {
        .mode = WGPUCallbackMode_AllowProcessEvents, .callback = on_adapter, .userdata1 = &asked};
    lib->InstanceRequestAdapter(instance, &options, info);
    bool answered = weft_webgpu_await(lib, instance, &asked.done, 30);
    snprintf(why, why_size, "%s", answered ? asked.why : "no answer within 30 s");
    return asked.adapter;
}

// ---- what an adapter can do -----------------------------------------------------------------------------------------

static const char *component_name(uint32_t type) {
    static const char *const names[] = {"", "f32", "f16", "u32", "i32", "u8", "i8"};
    return type < sizeof names / sizeof *names ? names[type] : "";
}

static void take_matrix_configs(struct weft_gpu_caps *caps, const struct dawn_matrix_configs *found) {
    for (size_t i = 0; i < found->count && caps->n_matrix_configs < 16; i++) {
        const struct dawn_matrix_config *c = &found->configs[i];
        if (!component_name(c->in)[0] || !component_name(c->out)[0]) continue;
        caps->matrix_configs[caps->n_matrix_configs].m = c->m;
        caps->matrix_configs[caps->n_matrix_configs].n = c->n;
        caps->matrix_configs[caps->n_matrix_configs].k = c->k;
        snprintf(caps->matrix_configs[caps->n_matrix_configs].in, 8, "%s", component_name(c->in));
        snprintf(caps->matrix_configs[caps->n_matrix_configs].out, 8, "%s", component_name(c->out));
        caps->n_matrix_configs++;
    }
}

static void read_info(struct weft_webgpu_adapter *a) {
    struct weft_gpu_caps *caps = &a->caps;
    bool matrices = a->lib->kind == WEFT_WEBGPU_DAWN && weft_webgpu_has(a, DAWN_FEATURE_SUBGROUP_MATRIX);
    struct dawn_matrix_configs configs = {.chain = {.sType = (WGPUSType)DAWN_STYPE_MATRIX_CONFIGS}};
    WGPUAdapterInfo info = {.nextInChain = matrices ? &configs.chain : NULL};
    if (a->lib->AdapterGetInfo(a->adapter, &info) != WGPUStatus_Success) return;
    weft_webgpu_text(info.device, caps->adapter, sizeof caps->adapter);
    weft_webgpu_text(info.description, caps->driver, sizeof caps->driver);
    caps->kind = info.adapterType == WGPUAdapterType_DiscreteGPU     ? WEFT_GPU_DISCRETE
                 : info.adapterType == WGPUAdapterType_IntegratedGPU ? WEFT_GPU_INTEGRATED
                 : info.adapterType == WGPUAdapterType_CPU           ? WEFT_GPU_CPU
                                                                     : WEFT_GPU_OTHER;
    caps->subgroup_min = info.subgroupMinSize;
    caps->subgroup_max = info.subgroupMaxSize;
    if (matrices) take_matrix_configs(caps, &configs);
    a->lib->AdapterInfoFreeMembers(info);
}

static void read_limits(struct weft_webgpu_adapter *a) {
    struct weft_gpu_caps *caps = &a->caps;
    memset(&a->limits, 0, sizeof a->limits);
    a->lib->AdapterGetLimits(a->adapter, &a->limits);
    a->limits.nextInChain = NULL;
    const WGPULimits *l = &a->limits;
    caps->max_binding = l->maxStorageBufferBindingSize / 16 * 16;
    caps->max_buffer = l->maxBufferSize / 16 * 16;
    // A pipeline of Weft has at most 16 bindings, one of them the parameter block.
    caps->max_storage_buffers = l->maxStorageBuffersPerShaderStage < 15 ? l->maxStorageBuffersPerShaderStage : 15;
    caps->max_dynamic_uniforms = l->maxDynamicUniformBuffersPerPipelineLayout;
    caps->max_uniform_binding =
        l->maxUniformBufferBindingSize > UINT32_MAX ? UINT32_MAX : (uint32_t)l->maxUniformBufferBindingSize;
    caps->offset_align = l->minStorageBufferOffsetAlignment > l->minUniformBufferOffsetAlignment
                             ? l->minStorageBufferOffsetAlignment
                             : l->minUniformBufferOffsetAlignment;
    caps->max_invocations = l->maxComputeInvocationsPerWorkgroup;
    caps->max_workgroup_x = l->maxComputeWorkgroupSizeX;
    caps->max_workgroup_y = l->maxComputeWorkgroupSizeY;
    caps->max_workgroup_z = l->maxComputeWorkgroupSizeZ;
    caps->max_groups = l->maxComputeWorkgroupsPerDimension;
    caps->workgroup_memory = l->maxComputeWorkgroupStorageSize;
    caps->immediates = l->maxImmediateSize > 0;
}

static void read_features(struct weft_webgpu_adapter *a) {
    struct weft_gpu_caps *caps = &a->caps;
    bool wgpu = a->lib->kind == WEFT_WEBGPU_WGPU;
    caps->f16 = weft_webgpu_has(a, WGPUFeatureName_ShaderF16);
    caps->timestamps = weft_webgpu_has(a, WGPUFeatureName_TimestampQuery);
    caps->subgroups = weft_webgpu_has(a, wgpu ? (int)WGPUNativeFeature_Subgroup : (int)WGPUFeatureName_Subgroups);
    if (wgpu) caps->immediates = caps->immediates && weft_webgpu_has(a, WGPUNativeFeature_Immediates);
    if (!caps->subgroups) caps->subgroup_min = caps->subgroup_max = 0;
    a->probe_subgroups = caps->subgroups && caps->subgroup_max == 0;
    caps->wgsl_naga = wgpu;
    caps->wgsl_enable_subgroups = !wgpu;
    // wgpu-native aborts when it is asked for language features; a probe compiles a kernel instead.
    a->probe_dot4 = !a->lib->HasWGSLLanguageFeature;
    caps->dot4 =
        !a->probe_dot4 &&
        (a->lib->HasWGSLLanguageFeature(a->instance, WGPUWGSLLanguageFeatureName_Packed4x8IntegerDotProduct) & 0xff);
}

// GPUs before CPU drivers; then Dawn with matrix units, wgpu-native, Dawn without.
static int score_of(const struct weft_webgpu_adapter *a) {
    static const int kinds[] = {[WEFT_GPU_NULL] = 0,
                                [WEFT_GPU_CPU] = 1,
                                [WEFT_GPU_OTHER] = 2,
                                [WEFT_GPU_INTEGRATED] = 3,
                                [WEFT_GPU_DISCRETE] = 4};
    int library = a->lib->kind == WEFT_WEBGPU_WGPU ? 2 : a->caps.n_matrix_configs ? 3 : 1;
    return kinds[a->caps.kind] * 10 + library;
}

static void describe(struct weft_webgpu_adapter *a) {
    snprintf(a->caps.implementation, sizeof a->caps.implementation, "%s", weft_webgpu_kind_name(a->lib->kind));
    snprintf(a->caps.library, sizeof a->caps.library, "%s", a->lib->path);
    read_info(a);
    read_limits(a);
    read_features(a);
    if (a->caps.kind == WEFT_GPU_CPU) // its memory is the host's
        a->caps.memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    a->score = score_of(a);
}

// ---- listing --------------------------------------------------------------------------------------------------------

void weft_webgpu_adapter_free(struct weft_webgpu_adapter *a) {
    if (a->adapter) a->lib->AdapterRelease(a->adapter);
    if (a->instance) a->lib->InstanceRelease(a->instance);
    a->adapter = NULL;
    a->instance = NULL;
}

// wgpu-native lists its adapters.
static size_t enumerate(const struct weft_webgpu_lib *lib, WGPUInstance instance, struct weft_webgpu_adapter *out) {
    WGPUInstanceEnumerateAdapterOptions options = {.backends = WGPUInstanceBackend_Primary};
    size_t found = lib->EnumerateAdapters(instance, &options, NULL), n = 0;
    WGPUAdapter *all = weft_calloc(found ? found : 1, sizeof(WGPUAdapter));
    if (all && found) lib->EnumerateAdapters(instance, &options, all);
    for (size_t i = 0; all && i < found; i++) {
        if (n < WEFT_WEBGPU_ADAPTERS) out[n++] = (struct weft_webgpu_adapter){.lib = lib, .adapter = all[i]};
        else lib->AdapterRelease(all[i]);
    }
    weft_free(all);
    return n;
}

static bool same(const struct weft_gpu_caps *a, const struct weft_gpu_caps *b) {
    return a->kind == b->kind && strcmp(a->adapter, b->adapter) == 0 && strcmp(a->driver, b->driver) == 0;
}

// The standard header only lets one ask for the best adapter under a preference, so others ask for each in turn.
static size_t ask_each(const struct weft_webgpu_lib *lib, WGPUInstance instance, struct weft_webgpu_adapter *out,
                       char *why, size_t why_size) {
    static const struct {
        WGPUPowerPreference power;
        bool fallback;
    } requests[] = {{WGPUPowerPreference_HighPerformance, false},
                    {WGPUPowerPreference_LowPower, false},
                    {WGPUPowerPreference_Undefined, true}};
    size_t n = 0;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        char reason[256];
        WGPUAdapter adapter =
            request_adapter(lib, instance, requests[i].power, requests[i].fallback, reason, sizeof reason);
        if (i == 0) snprintf(why, why_size, "%s", reason);
        if (!adapter) continue;
        out[n] = (struct weft_webgpu_adapter){.lib = lib, .instance = instance, .adapter = adapter};
        read_info(&out[n]);
        size_t j = 0;
        while (j < n && !same(&out[j].caps, &out[n].caps)) j++;
        if (j == n) n++;
        else lib->AdapterRelease(adapter);
    }
    return n;
}

size_t weft_webgpu_adapters(const struct weft_webgpu_lib *lib, struct weft_webgpu_adapter *out,
                            struct weft_str *tried) {
    char why[256] = "no adapter: no GPU driver for Vulkan was found";
    WGPUInstance instance = make_instance(lib);
    size_t n = 0;
    if (instance)
        n = lib->EnumerateAdapters ? enumerate(lib, instance, out) : ask_each(lib, instance, out, why, sizeof why);
    for (size_t i = 0; i < n; i++) {
        lib->InstanceAddRef(instance);
        out[i].instance = instance;
        memset(&out[i].caps, 0, sizeof out[i].caps);
        describe(&out[i]);
    }
    if (n) weft_webgpu_keep_alive(lib, instance);
    if (instance) lib->InstanceRelease(instance);
    if (n == 0) weft_str_addf(tried, "  %s: %s\n", lib->path, why);
    // Few rows: order them by insertion, keeping the implementation's order among equals.
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && out[j].score > out[j - 1].score; j--) {
            struct weft_webgpu_adapter t = out[j];
            out[j] = out[j - 1];
            out[j - 1] = t;
        }
    return n;
}
