/// weft/buffer.h, first part: buffers of the user's own. Binding them is in session_bind.c.
#include "core/alloc.h"
#include "core/error.h"
#include "exec/api_impl.h"
#include "exec/buffer.h"
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

weft_status weft_buffer_create(weft_device *device, uint64_t bytes, weft_buffer **out) {
    if (out) *out = NULL;
    if (!device || !out) return weft_api_null("weft_buffer_create", device ? "out" : "device");
    if (!bytes) return weft_fail(WEFT_ERR_INVALID, "a buffer of 0 bytes; it must have at least one");
    uint64_t most = weft_gpu_caps(device)->max_buffer;
    if (bytes > (most & ~(uint64_t)(WEFT_BUFFER_ALIGN - 1)))
        return weft_fail(WEFT_ERR_LIMIT, "a buffer of %llu bytes is larger than the device's limit of %llu",
                         (unsigned long long)bytes, (unsigned long long)most);
    weft_buffer *b = weft_calloc(1, sizeof *b);
    if (!b) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a buffer");
    weft_status status = weft_buf_create(device, weft_align256(bytes), WEFT_BUF_STORAGE, "user buffer", &b->buf);
    if (status != WEFT_OK) {
        weft_free(b);
        return status;
    }
    b->gpu = device;
    b->bytes = bytes;
    b->dependent = (struct weft_gpu_dependent){.rank = WEFT_GPU_RANK_BUFFER, .remake = renew, .self = b};
    weft_gpu_depend(device, &b->dependent);
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

static weft_status check(const weft_buffer *b, const char *call, uint64_t offset, const void *data, uint64_t bytes) {
    if (!b || (bytes && !data)) return weft_api_null(call, b ? "data" : "buffer");
    WEFT_TRY(weft_buffer_there(b));
    if (offset % 4 || bytes % 4)
        return weft_fail(WEFT_ERR_INVALID, "%s: offset %llu and %llu bytes must be multiples of 4", call,
                         (unsigned long long)offset, (unsigned long long)bytes);
    uint64_t end = (b->bytes + 3) & ~(uint64_t)3;
    if (offset <= end && bytes <= end - offset) return WEFT_OK;
    return weft_fail(WEFT_ERR_LIMIT, "%s: the buffer has %llu bytes; %llu at offset %llu lie beyond its end", call,
                     (unsigned long long)b->bytes, (unsigned long long)bytes, (unsigned long long)offset);
}

weft_status weft_buffer_write(weft_buffer *b, uint64_t offset, const void *data, uint64_t bytes) {
    WEFT_TRY(check(b, "weft_buffer_write", offset, data, bytes));
    return bytes ? weft_buf_write(b->gpu, b->buf, offset, data, bytes) : WEFT_OK;
}

weft_status weft_buffer_read(weft_buffer *b, uint64_t offset, void *data, uint64_t bytes) {
    WEFT_TRY(check(b, "weft_buffer_read", offset, data, bytes));
    return bytes ? weft_buf_read(b->gpu, b->buf, offset, data, bytes) : WEFT_OK;
}

weft_status weft_buffer_read_async(weft_buffer *b, uint64_t offset, uint64_t bytes, weft_pending *out) {
    weft_readback rb = {0};
    if (!out) return weft_api_null("weft_buffer_read_async", "out");
    *out = (weft_pending){0};
    WEFT_TRY(check(b, "weft_buffer_read_async", offset, out, bytes));
    WEFT_TRY(weft_readback_start(b->gpu, b->buf, offset, bytes, &rb));
    *out = (weft_pending){rb.id, rb.gen};
    return WEFT_OK;
}

weft_status weft_buffer_read_done(weft_buffer *b, weft_pending pending, bool *done) {
    if (!b || !done) return weft_api_null("weft_buffer_read_done", b ? "done" : "buffer");
    return weft_readback_ready(b->gpu, (weft_readback){pending.id, pending.gen}, done);
}

weft_status weft_buffer_read_finish(weft_buffer *b, weft_pending *pending, void *data, uint64_t bytes) {
    if (!b || !pending) return weft_api_null("weft_buffer_read_finish", b ? "pending" : "buffer");
    weft_readback rb = {pending->id, pending->gen};
    weft_status status = weft_readback_finish(b->gpu, &rb, data, bytes);
    *pending = (weft_pending){rb.id, rb.gen};
    return status;
}
