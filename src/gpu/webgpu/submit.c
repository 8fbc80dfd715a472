// Encoding and submitting. What the validation layer let through should never fail here; if it does, nothing is
// submitted, because wgpu-native aborts the process on a command buffer in error.
#include "core/error.h"
#include "core/file.h"
#include "gpu/webgpu/impl.h"

static void encode_moves(const struct weft_webgpu_lib *lib, WGPUCommandEncoder encoder,
                         const struct weft_gpu_move *moves, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const struct weft_gpu_move *m = &moves[i];
        struct weft_webgpu_buf *src = m->src, *dst = m->dst;
        if (src)
            lib->CommandEncoderCopyBufferToBuffer(encoder, src->buffer, m->src_offset, dst->buffer, m->dst_offset,
                                                  m->size);
        else lib->CommandEncoderClearBuffer(encoder, dst->buffer, m->dst_offset, m->size);
    }
}

// Sets only what changes from one dispatch to the next.
static void encode_dispatch(const struct weft_webgpu_lib *lib, WGPUComputePassEncoder pass,
                            const struct weft_gpu_dispatch *s, const struct weft_gpu_dispatch *before) {
    if (!before || before->pipeline != s->pipeline) lib->ComputePassEncoderSetPipeline(pass, s->pipeline);
    if (!before || before->group != s->group || before->uniform_offset != s->uniform_offset)
        lib->ComputePassEncoderSetBindGroup(pass, 0, s->group, s->has_uniform ? 1 : 0, &s->uniform_offset);
    lib->ComputePassEncoderDispatchWorkgroups(pass, s->grid[0], s->grid[1], s->grid[2]);
}

static void encode_pass(const struct weft_webgpu_lib *lib, WGPUCommandEncoder encoder,
                        const struct weft_gpu_dispatch *steps, size_t n, const WGPUPassTimestampWrites *times) {
    WGPUComputePassDescriptor desc = {.timestampWrites = times};
    WGPUComputePassEncoder pass = lib->CommandEncoderBeginComputePass(encoder, &desc);
    for (size_t i = 0; i < n; i++) encode_dispatch(lib, pass, &steps[i], i ? &steps[i - 1] : NULL);
    lib->ComputePassEncoderEnd(pass);
    lib->ComputePassEncoderRelease(pass);
}

static void encode(struct weft_webgpu_device *d, const struct weft_gpu_work *work, struct weft_webgpu_frame *frame,
                   WGPUCommandEncoder encoder) {
    encode_moves(d->lib, encoder, work->before, work->n_before);
    if (frame) {
        for (size_t i = 0; i < work->n_steps; i++) {
            WGPUPassTimestampWrites times = weft_webgpu_frame_pass(frame, i, work->steps[i].row);
            encode_pass(d->lib, encoder, &work->steps[i], 1, &times);
        }
        weft_webgpu_frame_resolve(d, frame, encoder);
    } else if (work->n_steps) {
        encode_pass(d->lib, encoder, work->steps, work->n_steps, NULL);
    }
    encode_moves(d->lib, encoder, work->after, work->n_after);
}

static void on_done(WGPUQueueWorkDoneStatus status, WGPUStringView message, void *dev, void *tick) {
    (void)status, (void)message; // after a loss the statuses differ by implementation; `lost` is asked instead
    struct weft_webgpu_device *d = dev;
    uint64_t now = (uint64_t)(uintptr_t)tick, seen = atomic_load(&d->finished);
    while (seen < now && !atomic_compare_exchange_weak(&d->finished, &seen, now)) {}
}

static WGPUCommandBuffer finish(struct weft_webgpu_device *d, const struct weft_gpu_work *work,
                                struct weft_webgpu_frame *frame) {
    WGPUCommandEncoderDescriptor edesc = {0};
    WGPUCommandEncoder encoder = d->lib->DeviceCreateCommandEncoder(d->device, &edesc);
    if (!encoder) return NULL;
    encode(d, work, frame, encoder);
    WGPUCommandBufferDescriptor cdesc = {0};
    WGPUCommandBuffer commands = d->lib->CommandEncoderFinish(encoder, &cdesc);
    d->lib->CommandEncoderRelease(encoder);
    return commands;
}

// Hands the commands to the queue and asks for a callback when they are done.
static weft_status send(struct weft_webgpu_device *d, struct weft_gpu_work *work, WGPUCommandBuffer commands) {
    struct weft_webgpu_capture capture;
    weft_webgpu_capture_begin(&capture);
    d->lib->QueueSubmit(d->queue, 1, &commands);
    WGPUQueueWorkDoneCallbackInfo info = {.mode = WGPUCallbackMode_AllowProcessEvents,
                                          .callback = on_done,
                                          .userdata1 = d,
                                          .userdata2 = (void *)(uintptr_t)work->tick};
    d->lib->QueueOnSubmittedWorkDone(d->queue, info);
    return weft_webgpu_capture_end(d, &capture, "submit");
}

weft_status weft_webgpu_submit(void *dev, struct weft_gpu_work *work) {
    struct weft_webgpu_device *d = dev;
    struct weft_webgpu_frame *frame = NULL;
    if (work->profile && d->profile && work->n_steps) WEFT_TRY(weft_webgpu_frame_begin(d, work->n_steps, &frame));
    double start = weft_now();
    struct weft_webgpu_capture capture;
    weft_webgpu_capture_begin(&capture);
    WGPUCommandBuffer commands = finish(d, work, frame);
    weft_status status = weft_webgpu_capture_end(d, &capture, "encoding");
    if (status == WEFT_OK && !commands) status = weft_fail(WEFT_ERR_DEVICE, "encoding gave no command buffer");
    double middle = weft_now();
    if (status == WEFT_OK) status = send(d, work, commands);
    if (commands) d->lib->CommandBufferRelease(commands);
    if (frame) weft_webgpu_frame_end(d, frame, status == WEFT_OK);
    work->encode_seconds = middle - start;
    work->submit_seconds = weft_now() - middle;
    return status;
}
