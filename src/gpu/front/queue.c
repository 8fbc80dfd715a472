// Writes and fills by the queue, in bounded chunks: what is small, and what finds no pieces (stage.c).
#include "core/alloc.h"
#include "core/error.h"
#include "gpu/front/front.h"
#include "gpu/gpu_test.h"

enum { FILL_WORDS = 1 << 16 };

weft_status weft_gpu_writable(weft_gpu *gpu, weft_buf buf, const char *what, uint64_t offset, uint64_t size,
                              struct weft_gpu_buf_slot **out) {
    WEFT_TRY(weft_gpu_lost(gpu));
    WEFT_TRY(weft_gpu_buf_need(gpu, buf, what, out));
    WEFT_TRY(weft_gpu_buf_range(*out, what, offset, size));
    if ((*out)->usage == WEFT_BUF_READBACK || (*out)->usage == WEFT_BUF_STAGING)
        return weft_fail(WEFT_ERR_INVALID, "%s: buffer '%s' is for reading back; it is written by copies", what,
                         (*out)->label);
    return WEFT_OK;
}

// Queued writes hold host memory until they are submitted, so a long upload is flushed and throttled: at most two
// flushes are in flight.
static weft_status flush_writes(weft_gpu *gpu) {
    struct weft_gpu_work work = {0};
    uint64_t before = gpu->flush_tick;
    WEFT_TRY(weft_gpu_submit_work(gpu, &work));
    gpu->flush_tick = gpu->tick;
    return weft_gpu_wait_tick(gpu, before);
}

static weft_status write_chunk(weft_gpu *gpu, weft_buf buf, const char *what, uint64_t offset, const void *data,
                               uint64_t size) {
    struct weft_gpu_buf_slot *b;
    WEFT_TRY(weft_gpu_writable(gpu, buf, what, offset, size, &b));
    WEFT_TRY(weft_gpu_inject_now(gpu, WEFT_GPU_AT_WRITE, what));
    WEFT_TRY(gpu->backend->buf_write(gpu->dev, b->obj, offset, data, size));
    gpu->unflushed += size;
    return gpu->unflushed >= WEFT_GPU_WRITE_FLUSH ? flush_writes(gpu) : WEFT_OK;
}

weft_status weft_gpu_write_queue(weft_gpu *gpu, weft_buf buf, uint64_t offset, const void *data, uint64_t size) {
    weft_status status = WEFT_OK;
    weft_gpu_lock(gpu);
    for (uint64_t at = 0; status == WEFT_OK && at < size; at += WEFT_GPU_WRITE_CHUNK) {
        uint64_t n = size - at < WEFT_GPU_WRITE_CHUNK ? size - at : WEFT_GPU_WRITE_CHUNK;
        // The lock is given up while a flush is waited for, so each chunk looks the buffer up again.
        status = write_chunk(gpu, buf, "write", offset + at, (const char *)data + at, n);
        if (status == WEFT_OK) gpu->counters.bytes_written += n;
    }
    weft_gpu_unlock(gpu);
    return status;
}

static weft_status fill_words(weft_gpu *gpu, uint32_t word) {
    if (!gpu->fill_words) {
        gpu->counters.allocs++;
        gpu->fill_words = weft_alloc(FILL_WORDS * sizeof *gpu->fill_words);
        if (!gpu->fill_words) return weft_fail(WEFT_ERR_NOMEM, "out of memory filling a buffer");
    }
    for (size_t i = 0; i < FILL_WORDS; i++) gpu->fill_words[i] = word;
    return WEFT_OK;
}

static weft_status fill_zero(weft_gpu *gpu, const struct weft_gpu_buf_slot *b, uint64_t offset, uint64_t size) {
    struct weft_gpu_move zero = {.dst = b->obj, .dst_offset = offset, .size = size};
    struct weft_gpu_work work = {.before = &zero, .n_before = 1};
    return weft_gpu_submit_work(gpu, &work);
}

weft_status weft_buf_fill(weft_gpu *gpu, weft_buf buf, uint64_t offset, uint64_t size, uint32_t word) {
    weft_gpu_lock(gpu);
    struct weft_gpu_buf_slot *b;
    weft_status status = weft_gpu_writable(gpu, buf, "fill", offset, size, &b);
    if (status == WEFT_OK && size && word == 0) {
        status = fill_zero(gpu, b, offset, size);
    } else if (status == WEFT_OK && size) {
        // The pattern is shared, and a flush gives the lock up, so it is written again for each chunk.
        const uint64_t chunk = FILL_WORDS * sizeof(uint32_t);
        for (uint64_t at = 0; status == WEFT_OK && at < size; at += chunk) {
            uint64_t n = size - at < chunk ? size - at : chunk;
            status = fill_words(gpu, word);
            if (status == WEFT_OK) status = write_chunk(gpu, buf, "fill", offset + at, gpu->fill_words, n);
        }
    }
    weft_gpu_unlock(gpu);
    return status;
}
