// Buffers, layouts, pipelines, bind groups and mapping.
#include "core/alloc.h"
#include "core/error.h"
#include "gpu/webgpu/impl.h"
#include <string.h>

// ---- buffers --------------------------------------------------------------------------------------------------------

static WGPUBufferUsage usage_of(enum weft_buf_usage usage) {
    const WGPUBufferUsage copies = WGPUBufferUsage_CopySrc | WGPUBufferUsage_CopyDst;
    switch (usage) {
    case WEFT_BUF_UNIFORM: return WGPUBufferUsage_Uniform | copies;
    case WEFT_BUF_READBACK: return WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst;
    case WEFT_BUF_STAGING: return WGPUBufferUsage_MapWrite | WGPUBufferUsage_CopySrc;
    case WEFT_BUF_INDIRECT: return WGPUBufferUsage_Indirect | WGPUBufferUsage_Storage | copies;
    default: return WGPUBufferUsage_Storage | copies;
    }
}

// The state of a buffer's mapping, with the number of the map that it is the state of above it: the callback of a map
// that was given up may come when the buffer is being mapped again, and reports nothing of that.
enum { MAP_BITS = 2, MAP_MASK = (1 << MAP_BITS) - 1 };

static bool is_mapped(uint64_t map) {
    uint64_t state = map & MAP_MASK;
    return state == WEFT_GPU_MAP_PENDING || state == WEFT_GPU_MAP_READY;
}

weft_status weft_webgpu_buf_make(void *dev, uint64_t size, enum weft_buf_usage usage, const char *label, void **out) {
    struct weft_webgpu_device *d = dev;
    struct weft_webgpu_buf *b = weft_calloc(1, sizeof *b);
    if (!b) return weft_fail(WEFT_ERR_NOMEM, "out of memory");
    struct weft_webgpu_capture capture;
    weft_webgpu_capture_begin(&capture);
    WGPUBufferDescriptor desc = {.label = weft_webgpu_view(label), .usage = usage_of(usage), .size = size};
    b->buffer = d->lib->DeviceCreateBuffer(d->device, &desc);
    b->size = size;
    b->written = usage == WEFT_BUF_STAGING;
    weft_status status = weft_webgpu_capture_end(d, &capture, "no buffer");
    if (status == WEFT_OK && !b->buffer) status = weft_fail(WEFT_ERR_NOMEM, "the implementation gave no buffer");
    if (status != WEFT_OK) {
        if (b->buffer) d->lib->BufferRelease(b->buffer);
        weft_free(b);
        return status;
    }
    *out = b;
    return WEFT_OK;
}

void weft_webgpu_buf_free(void *dev, void *buf) {
    struct weft_webgpu_device *d = dev;
    struct weft_webgpu_buf *b = buf;
    if (is_mapped(atomic_load(&b->map))) d->lib->BufferUnmap(b->buffer);
    d->lib->BufferRelease(b->buffer);
    b->buffer = NULL;
    if (atomic_load(&b->calls) > 0) {
        b->next = d->orphans;
        d->orphans = b;
    } else {
        weft_free(b);
    }
}

weft_status weft_webgpu_buf_write(void *dev, void *buf, uint64_t offset, const void *data, uint64_t size) {
    struct weft_webgpu_device *d = dev;
    struct weft_webgpu_capture capture;
    weft_webgpu_capture_begin(&capture);
    d->lib->QueueWriteBuffer(d->queue, ((struct weft_webgpu_buf *)buf)->buffer, offset, data, (size_t)size);
    return weft_webgpu_capture_end(d, &capture, "write");
}

// ---- mapping --------------------------------------------------------------------------------------------------------

static void on_mapped(WGPUMapAsyncStatus status, WGPUStringView message, void *buf, void *number) {
    (void)message;
    struct weft_webgpu_buf *b = buf;
    uint64_t above = (uint64_t)(uintptr_t)number << MAP_BITS;
    uint64_t pending = above | WEFT_GPU_MAP_PENDING; // one given up meanwhile stays given up
    atomic_compare_exchange_strong(
        &b->map, &pending, above | (status == WGPUMapAsyncStatus_Success ? WEFT_GPU_MAP_READY : WEFT_GPU_MAP_FAILED));
    atomic_fetch_sub(&b->calls, 1);
}

weft_status weft_webgpu_map_start(void *dev, void *buf) {
    struct weft_webgpu_device *d = dev;
    struct weft_webgpu_buf *b = buf;
    struct weft_webgpu_capture capture;
    weft_webgpu_capture_begin(&capture);
    uint64_t number = (uint32_t)((atomic_load(&b->map) >> MAP_BITS) + 1), above = number << MAP_BITS;
    atomic_store(&b->map, above | WEFT_GPU_MAP_PENDING);
    atomic_fetch_add(&b->calls, 1);
    WGPUBufferMapCallbackInfo info = {.mode = WGPUCallbackMode_AllowProcessEvents,
                                      .callback = on_mapped,
                                      .userdata1 = b,
                                      .userdata2 = (void *)(uintptr_t)number};
    d->lib->BufferMapAsync(b->buffer, b->written ? WGPUMapMode_Write : WGPUMapMode_Read, 0, (size_t)b->size, info);
    weft_status status = weft_webgpu_capture_end(d, &capture, "mapping");
    if (status != WEFT_OK) atomic_store(&b->map, above | WEFT_GPU_MAP_FAILED);
    return status;
}

enum weft_gpu_map weft_webgpu_map_state(void *dev, void *buf) {
    (void)dev;
    return (enum weft_gpu_map)(atomic_load(&((struct weft_webgpu_buf *)buf)->map) & MAP_MASK);
}

void weft_webgpu_map_drop(void *dev, void *buf) {
    struct weft_webgpu_device *d = dev;
    struct weft_webgpu_buf *b = buf;
    uint64_t map = atomic_fetch_and(&b->map, ~(uint64_t)MAP_MASK); // WEFT_GPU_MAP_NONE, of the same number
    struct weft_webgpu_capture capture;
    weft_webgpu_capture_begin(&capture);
    if (is_mapped(map)) d->lib->BufferUnmap(b->buffer);
    (void)weft_webgpu_capture_end(d, &capture, "unmapping");
}

weft_status weft_webgpu_map_view(void *dev, void *buf, void **out) {
    struct weft_webgpu_device *d = dev;
    struct weft_webgpu_buf *b = buf;
    // The whole range: its ends are aligned, which wgpu-native would answer with an abort otherwise.
    const void *read = b->written ? NULL : d->lib->BufferGetConstMappedRange(b->buffer, 0, (size_t)b->size);
    *out = b->written ? d->lib->BufferGetMappedRange(b->buffer, 0, (size_t)b->size) : (void *)(uintptr_t)read;
    return *out ? WEFT_OK : weft_fail(WEFT_ERR_DEVICE, "the implementation gave no mapped range");
}

// ---- layouts --------------------------------------------------------------------------------------------------------

static WGPUBufferBindingType type_of(uint8_t kind) {
    return kind == WEFT_BIND_UNIFORM ? WGPUBufferBindingType_Uniform
           : kind == WEFT_BIND_READ  ? WGPUBufferBindingType_ReadOnlyStorage
                                     : WGPUBufferBindingType_Storage;
}

weft_status weft_webgpu_layout_make(void *dev, const struct weft_gpu_layout *layout, void **out) {
    struct weft_webgpu_device *d = dev;
    struct weft_webgpu_layout *l = weft_calloc(1, sizeof *l);
    if (!l) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a layout");
    WGPUBindGroupLayoutEntry entries[16];
    memset(entries, 0, sizeof entries);
    for (uint32_t i = 0; i < layout->n_bindings; i++) {
        bool uniform = layout->kinds[i] == WEFT_BIND_UNIFORM;
        entries[i].binding = i;
        entries[i].visibility = WGPUShaderStage_Compute;
        entries[i].buffer.type = type_of(layout->kinds[i]);
        entries[i].buffer.hasDynamicOffset = uniform;
        entries[i].buffer.minBindingSize = uniform ? layout->uniform_size : 0;
    }
    struct weft_webgpu_capture capture;
    weft_webgpu_capture_begin(&capture);
    WGPUBindGroupLayoutDescriptor group = {.entryCount = layout->n_bindings, .entries = entries};
    l->group = d->lib->DeviceCreateBindGroupLayout(d->device, &group);
    WGPUPipelineLayoutDescriptor pipeline = {.bindGroupLayoutCount = 1, .bindGroupLayouts = &l->group};
    l->pipeline = d->lib->DeviceCreatePipelineLayout(d->device, &pipeline);
    weft_status status = weft_webgpu_capture_end(d, &capture, "layout");
    if (status != WEFT_OK) {
        weft_webgpu_layout_free(dev, l);
        return status;
    }
    *out = l;
    return WEFT_OK;
}

void weft_webgpu_layout_free(void *dev, void *layout) {
    struct weft_webgpu_device *d = dev;
    struct weft_webgpu_layout *l = layout;
    if (l->pipeline) d->lib->PipelineLayoutRelease(l->pipeline);
    if (l->group) d->lib->BindGroupLayoutRelease(l->group);
    weft_free(l);
}

// ---- pipelines and groups -------------------------------------------------------------------------------------------

weft_status weft_webgpu_pipeline_make(void *dev, void *layout, const struct weft_pipeline_desc *desc, void **out) {
    struct weft_webgpu_device *d = dev;
    struct weft_webgpu_capture capture;
    weft_webgpu_capture_begin(&capture);
    WGPUShaderSourceWGSL source = {.chain = {.sType = WGPUSType_ShaderSourceWGSL},
                                   .code = weft_webgpu_view(desc->wgsl)};
    WGPUShaderModuleDescriptor mdesc = {.nextInChain = &source.chain, .label = weft_webgpu_view(desc->label)};
    WGPUShaderModule module = d->trusted
                                  ? d->lib->CreateShaderModuleTrusted(d->device, &mdesc, WGPUShaderRuntimeChecks_None)
                                  : d->lib->DeviceCreateShaderModule(d->device, &mdesc);
    WGPUComputePipeline pipeline = NULL;
    // A module that is in error has reported why already.
    if (module && capture.type == WGPUErrorType_NoError) {
        WGPUComputePipelineDescriptor pdesc = {
            .label = weft_webgpu_view(desc->label),
            .layout = ((struct weft_webgpu_layout *)layout)->pipeline,
            .compute = {.module = module, .entryPoint = weft_webgpu_view(desc->entry ? desc->entry : "main")}};
        pipeline = d->lib->DeviceCreateComputePipeline(d->device, &pdesc);
    }
    if (module) d->lib->ShaderModuleRelease(module);
    weft_status status = weft_webgpu_capture_end(d, &capture, "the implementation refused it");
    if (status == WEFT_OK && !pipeline) status = weft_fail(WEFT_ERR_DEVICE, "the implementation gave no pipeline");
    if (status != WEFT_OK) {
        if (pipeline) d->lib->ComputePipelineRelease(pipeline);
        return status;
    }
    *out = pipeline;
    return WEFT_OK;
}

void weft_webgpu_pipeline_free(void *dev, void *pipeline) {
    ((struct weft_webgpu_device *)dev)->lib->ComputePipelineRelease(pipeline);
}

weft_status weft_webgpu_group_make(void *dev, void *layout, const struct weft_gpu_layout *pattern,
                                   const struct weft_gpu_range *ranges, void **out) {
    struct weft_webgpu_device *d = dev;
    WGPUBindGroupEntry entries[16];
    memset(entries, 0, sizeof entries);
    for (uint32_t i = 0; i < pattern->n_bindings; i++) {
        entries[i].binding = i;
        entries[i].buffer = ((struct weft_webgpu_buf *)ranges[i].buf)->buffer;
        entries[i].offset = ranges[i].offset;
        entries[i].size = ranges[i].size;
    }
    struct weft_webgpu_capture capture;
    weft_webgpu_capture_begin(&capture);
    WGPUBindGroupDescriptor desc = {
        .layout = ((struct weft_webgpu_layout *)layout)->group, .entryCount = pattern->n_bindings, .entries = entries};
    WGPUBindGroup group = d->lib->DeviceCreateBindGroup(d->device, &desc);
    weft_status status = weft_webgpu_capture_end(d, &capture, "bind group");
    if (status == WEFT_OK && !group) status = weft_fail(WEFT_ERR_DEVICE, "the implementation gave no bind group");
    if (status != WEFT_OK) {
        if (group) d->lib->BindGroupRelease(group);
        return status;
    }
    *out = group;
    return WEFT_OK;
}

void weft_webgpu_group_free(void *dev, void *group) {
    ((struct weft_webgpu_device *)dev)->lib->BindGroupRelease(group);
}
