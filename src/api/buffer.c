/// weft/buffer.h, first part: buffers of the user's own. Binding them is in exec/session/bind.c.
#include "core/error.h"
#include "api/impl.h"
#include "exec/buffer.h"

weft_status weft_buffer_create(weft_device *device, uint64_t bytes, weft_buffer **out) {
    if (out) *out = NULL;
    if (!device || !out) return weft_api_null("weft_buffer_create", device ? "out" : "device");
    if (!bytes) return weft_fail(WEFT_ERR_INVALID, "a buffer of 0 bytes; it must have at least one");
    uint64_t most = weft_gpu_caps(device)->max_buffer;
    if (bytes > (most & ~(uint64_t)(WEFT_BUFFER_ALIGN - 1)))
        return weft_fail(WEFT_ERR_LIMIT, "a buffer of %llu bytes is larger than the device's limit of %llu",
                         (unsigned long long)bytes, (unsigned long long)most);
    return weft_buffer_make(device, bytes, out);
}

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
