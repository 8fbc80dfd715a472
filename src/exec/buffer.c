/// Buffers of the user's own: their life, and what becomes of them with a lost device.
#include "exec/buffer.h"
#include "core/alloc.h"
#include "core/error.h"
#include "plan/kernel.h"

// After a recovery: of the same size, all zero. A session remembers the handle of before until it is made again too.
static weft_status renew(void *self, void *report) {
    weft_buffer *b = self;
    (void)report;
    if (b->buf.id) b->before = b->buf; // of a recovery that failed here, sessions know the one before
    return weft_stay_lost(b->lost_why, weft_fail_in(weft_buf_create(b->gpu, weft_align256(b->bytes), WEFT_BUF_STORAGE,
                                                                    "user buffer", &b->buf),
                                                    "a buffer of the user"));
}

weft_status weft_buffer_there(const weft_buffer *b) {
    if (!b->lost_why[0]) return WEFT_OK;
    return weft_fail(WEFT_ERR_LOST, "the buffer was lost with the device and not recovered: %s", b->lost_why);
}

weft_status weft_buffer_why_gone(weft_gpu *gpu, const weft_buffer *b) {
    return weft_gpu_depends(gpu, WEFT_GPU_RANK_BUFFER, b) ? weft_buffer_there(b) : WEFT_OK;
}

weft_buf weft_buffer_renewed(weft_gpu *gpu, const weft_buffer *b, weft_buf buf) {
    if (!weft_gpu_depends(gpu, WEFT_GPU_RANK_BUFFER, b)) return buf;
    return b->before.id == buf.id && b->before.gen == buf.gen && b->buf.id ? b->buf : buf;
}

weft_status weft_buffer_make(weft_gpu *gpu, uint64_t bytes, weft_buffer **out) {
    weft_buffer *b = weft_calloc(1, sizeof *b);
    if (!b) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a buffer");
    weft_status status = weft_buf_create(gpu, weft_align256(bytes), WEFT_BUF_STORAGE, "user buffer", &b->buf);
    if (status != WEFT_OK) {
        weft_free(b);
        return status;
    }
    b->gpu = gpu;
    b->bytes = bytes;
    b->dependent = (struct weft_gpu_dependent){.rank = WEFT_GPU_RANK_BUFFER, .remake = renew, .self = b};
    weft_gpu_depend(gpu, &b->dependent);
    *out = b;
    return WEFT_OK;
}

void weft_buffer_destroy(weft_buffer **buffer) {
    if (!buffer || !*buffer) return;
    weft_buffer *b = *buffer;
    *buffer = NULL;
    weft_gpu_undepend(b->gpu, &b->dependent);
    weft_buf_release(b->gpu, &b->buf);
    weft_free(b);
}

uint64_t weft_buffer_size(const weft_buffer *buffer) { return buffer ? buffer->bytes : 0; }
