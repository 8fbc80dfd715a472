// Buffers: a table of slots with generations.
#include "core/error.h"
#include "gpu/front/front.h"
#include "gpu/gpu_test.h"
#include <stdio.h>
#include <string.h>

// A free slot of the table, or a new one; 0 when out of memory.
static uint32_t slot_take(weft_gpu *gpu) {
    if (gpu->free_buf) {
        uint32_t id = gpu->free_buf;
        gpu->free_buf = gpu->bufs[id - 1].next_free;
        return id;
    }
    if (!weft_gpu_grow(gpu, (void **)&gpu->bufs, &gpu->cap_bufs, gpu->n_bufs + 1, sizeof *gpu->bufs)) return 0;
    memset(&gpu->bufs[gpu->n_bufs], 0, sizeof *gpu->bufs);
    return (uint32_t)++gpu->n_bufs;
}

static void slot_give(weft_gpu *gpu, uint32_t id) {
    gpu->bufs[id - 1].live = false;
    gpu->bufs[id - 1].next_free = gpu->free_buf;
    gpu->free_buf = id;
}

static void count_buf(weft_gpu *gpu, uint64_t size, enum weft_buf_purpose purpose) {
    struct weft_gpu_counters *c = &gpu->counters;
    c->bytes_for[purpose] += size;
    c->buffers_made++;
    c->buffers_live++;
    c->buffer_bytes_live += size;
    if (c->buffer_bytes_live > c->buffer_bytes_peak) c->buffer_bytes_peak = c->buffer_bytes_live;
}

weft_status weft_gpu_buf_new(weft_gpu *gpu, enum weft_buf_purpose purpose, uint64_t size, enum weft_buf_usage usage,
                             const char *label, weft_buf *out) {
    if (!label) label = "buffer";
    if (size > gpu->caps.max_buffer)
        return weft_fail(WEFT_ERR_LIMIT, "buffer '%s' of %llu bytes is larger than the device's %llu", label,
                         (unsigned long long)size, (unsigned long long)gpu->caps.max_buffer);
    size = size ? (size + 15) / 16 * 16 : 16;
    WEFT_TRY(weft_gpu_lost(gpu));
    uint32_t id = slot_take(gpu);
    if (!id) return weft_fail(WEFT_ERR_NOMEM, "out of memory for buffer '%s'", label);
    void *obj = NULL;
    weft_status status = weft_gpu_inject_now(gpu, WEFT_GPU_AT_BUFFER, "no buffer");
    if (status == WEFT_OK) status = gpu->backend->buf_make(gpu->dev, size, usage, label, &obj);
    gpu->counters.allocs++;
    struct weft_gpu_buf_slot *b = &gpu->bufs[id - 1];
    snprintf(b->label, sizeof b->label, "%s", label);
    if (status != WEFT_OK) {
        slot_give(gpu, id);
        return weft_fail_in(status, "buffer '%s' of %llu bytes", label, (unsigned long long)size);
    }
    b->obj = obj;
    b->size = size;
    b->usage = usage;
    b->gen++;
    b->live = true;
    b->mapped = b->lost = false;
    b->purpose = purpose;
    count_buf(gpu, size, purpose);
    *out = (weft_buf){id, b->gen};
    return WEFT_OK;
}

weft_status weft_buf_make(weft_gpu *gpu, enum weft_buf_purpose purpose, uint64_t size, enum weft_buf_usage usage,
                          const char *label, weft_buf *out) {
    *out = (weft_buf){0};
    weft_gpu_lock(gpu);
    weft_status status = weft_gpu_buf_new(gpu, purpose, size, usage, label, out);
    if (status == WEFT_ERR_NOMEM && gpu->n_deferred) {
        // What was released may still be waiting for work in flight: its memory is as good as free.
        status = weft_gpu_wait_tick(gpu, gpu->tick);
        if (status == WEFT_OK) status = weft_gpu_buf_new(gpu, purpose, size, usage, label, out);
    }
    weft_gpu_unlock(gpu);
    return status;
}

weft_status weft_buf_create(weft_gpu *gpu, uint64_t size, enum weft_buf_usage usage, const char *label, weft_buf *out) {
    return weft_buf_make(gpu, usage == WEFT_BUF_READBACK ? WEFT_BUF_FOR_READBACK : WEFT_BUF_FOR_OTHER, size, usage,
                         label, out);
}

void weft_gpu_note_pages(weft_gpu *gpu, int64_t bytes) {
    weft_gpu_lock(gpu);
    gpu->counters.pages_used += (uint64_t)bytes;
    weft_gpu_unlock(gpu);
}

void weft_gpu_buf_drop(weft_gpu *gpu, weft_buf buf) {
    struct weft_gpu_buf_slot *b = weft_gpu_buf(gpu, buf);
    if (!b) return;
    weft_gpu_groups_drop(gpu, buf);
    weft_gpu_free_later(gpu, b->obj, gpu->backend->buf_free);
    gpu->counters.buffers_live--;
    gpu->counters.buffer_bytes_live -= b->size;
    gpu->counters.bytes_for[b->purpose] -= b->size;
    b->obj = NULL;
    slot_give(gpu, buf.id);
}

void weft_buf_release(weft_gpu *gpu, weft_buf *buf) {
    if (!gpu || !buf || buf->id == 0) return;
    weft_gpu_lock(gpu);
    weft_gpu_buf_drop(gpu, *buf);
    weft_gpu_unlock(gpu);
    *buf = (weft_buf){0};
}

bool weft_buf_alive(const weft_gpu *gpu, weft_buf buf) { return weft_buf_size(gpu, buf) != 0; }

uint64_t weft_buf_size(const weft_gpu *gpu, weft_buf buf) {
    weft_gpu_lock(gpu);
    const struct weft_gpu_buf_slot *b = weft_gpu_buf((weft_gpu *)(uintptr_t)gpu, buf);
    uint64_t size = b ? b->size : 0;
    weft_gpu_unlock(gpu);
    return size;
}
