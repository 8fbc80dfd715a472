// Uploads and writes: through pieces where they are large and pieces are to be had, else by the queue.
#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "gpu/front/front.h"
#include <string.h>

// Without pieces: item by item through memory of its own.
static weft_status upload_plainly(weft_gpu *gpu, const struct weft_gpu_upload *up, size_t first) {
    uint64_t room = up->most + (uint64_t)WEFT_UPLOAD_SPANS * WEFT_GPU_LINE;
    uint8_t *memory = weft_alloc((size_t)(room + up->scratch)), *to[WEFT_UPLOAD_SPANS];
    weft_status status = memory ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory for an upload");
    for (size_t i = first; i < up->count && status == WEFT_OK; i++) {
        struct weft_buf_span spans[WEFT_UPLOAD_SPANS] = {{{0}, 0, 0}};
        uint8_t *at = memory;
        status = weft_cancel_check();
        if (status != WEFT_OK) break;
        up->place(up->user, i, spans);
        for (int k = 0; k < WEFT_UPLOAD_SPANS; k++) {
            to[k] = at;
            at += (spans[k].size + WEFT_GPU_LINE - 1) / WEFT_GPU_LINE * WEFT_GPU_LINE;
        }
        status = up->make(up->user, i, memory + room, to);
        for (int k = 0; k < WEFT_UPLOAD_SPANS && status == WEFT_OK; k++)
            if (spans[k].size) status = weft_gpu_write_queue(gpu, spans[k].buf, spans[k].offset, to[k], spans[k].size);
        if (status == WEFT_OK && up->sent) up->sent(up->user, i + 1);
    }
    weft_free(memory);
    return status;
}

weft_status weft_gpu_upload(weft_gpu *gpu, const struct weft_gpu_upload *up) {
    size_t done = 0;
    if (up->count * up->most >= WEFT_GPU_STAGE_FROM / 4) WEFT_TRY(weft_gpu_stage(gpu, up, &done));
    return done < up->count ? upload_plainly(gpu, up, done) : WEFT_OK;
}

// Bytes that a thread copies at a time: 1 MiB keeps all of them busy, and is written in 76 us instead of 86.
enum { WRITE_ITEM = 128 << 10 };

struct bytes {
    weft_buf buf;
    uint64_t offset, size;
    const uint8_t *data;
};

static void place_bytes(void *user, size_t i, struct weft_buf_span spans[WEFT_UPLOAD_SPANS]) {
    const struct bytes *b = user;
    uint64_t at = (uint64_t)i * WRITE_ITEM, left = b->size - at;
    spans[0] = (struct weft_buf_span){b->buf, b->offset + at, left < WRITE_ITEM ? left : WRITE_ITEM};
}

static weft_status make_bytes(void *user, size_t i, uint8_t *scratch, uint8_t *const to[WEFT_UPLOAD_SPANS]) {
    const struct bytes *b = user;
    uint64_t at = (uint64_t)i * WRITE_ITEM, left = b->size - at;
    (void)scratch;
    memcpy(to[0], b->data + at, (size_t)(left < WRITE_ITEM ? left : WRITE_ITEM));
    return WEFT_OK;
}

static weft_status stage_bytes(weft_gpu *gpu, weft_buf buf, uint64_t offset, const void *data, uint64_t size,
                               uint64_t *written) {
    struct bytes b = {buf, offset, size, data};
    size_t done = 0;
    struct weft_gpu_upload up = {.count = (size_t)((size + WRITE_ITEM - 1) / WRITE_ITEM),
                                 .most = WRITE_ITEM,
                                 .place = place_bytes,
                                 .make = make_bytes,
                                 .user = &b};
    weft_status status = weft_gpu_stage(gpu, &up, &done);
    *written = done == up.count ? size : (uint64_t)done * WRITE_ITEM;
    return status;
}

weft_status weft_buf_write(weft_gpu *gpu, weft_buf buf, uint64_t offset, const void *data, uint64_t size) {
    struct weft_gpu_buf_slot *b;
    uint64_t staged = 0;
    weft_gpu_lock(gpu);
    weft_status status = weft_gpu_writable(gpu, buf, "write", offset, size, &b);
    if (status == WEFT_OK && size && !data)
        status = weft_fail(WEFT_ERR_INVALID, "write: no data for %llu bytes of buffer '%s'", (unsigned long long)size,
                           b->label);
    weft_gpu_unlock(gpu);
    if (status == WEFT_OK && size >= WEFT_GPU_STAGE_FROM) status = stage_bytes(gpu, buf, offset, data, size, &staged);
    if (status != WEFT_OK || staged >= size) return status;
    return weft_gpu_write_queue(gpu, buf, offset + staged, (const char *)data + staged, size - staged);
}
