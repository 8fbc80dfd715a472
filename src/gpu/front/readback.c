// Readbacks: a ring of mappable buffers. A WEFT_BUF_READBACK buffer of the caller is mapped as it is; a
// range of any other buffer is copied to a buffer of the ring first.
#include "core/error.h"
#include "core/file.h"
#include "gpu/front/front.h"
#include "gpu/gpu_test.h"

// A slot of the ring that is free, preferring one whose own buffer is large enough. NULL: all are outstanding.
static struct weft_gpu_read_slot *take_slot(weft_gpu *gpu, uint64_t size, bool own) {
    struct weft_gpu_read_slot *best = NULL;
    for (size_t i = 0; i < WEFT_GPU_READBACKS; i++) {
        struct weft_gpu_read_slot *s = &gpu->reads[i];
        if (s->used) continue;
        const struct weft_gpu_buf_slot *b = s->own ? weft_gpu_buf(gpu, s->buf) : NULL;
        if (own && b && b->size >= size) return s;
        // A slot without a buffer serves a direct readback best, and is the next best otherwise.
        if (!best || (best->own && !s->own)) best = s;
    }
    return best;
}

void weft_gpu_readbacks_trim(weft_gpu *gpu) {
    for (size_t i = 0; i < WEFT_GPU_READBACKS; i++) {
        struct weft_gpu_read_slot *s = &gpu->reads[i];
        if (s->own && !s->used) weft_gpu_buf_drop(gpu, s->buf), s->own = false;
    }
}

static weft_status ready_own_buffer(weft_gpu *gpu, struct weft_gpu_read_slot *s, uint64_t size) {
    const struct weft_gpu_buf_slot *b = s->own ? weft_gpu_buf(gpu, s->buf) : NULL;
    if (b && b->size >= size) return WEFT_OK;
    if (s->own) weft_gpu_buf_drop(gpu, s->buf);
    s->own = false;
    uint64_t capacity = 4096;
    while (capacity < size) capacity *= 2;
    if (capacity > gpu->caps.max_buffer) capacity = size;
    WEFT_TRY(weft_gpu_buf_new(gpu, WEFT_BUF_FOR_READBACK, capacity, WEFT_BUF_READBACK, "readback", &s->buf));
    s->own = true;
    return WEFT_OK;
}

static weft_status copy_out(weft_gpu *gpu, const struct weft_gpu_buf_slot *src, uint64_t offset, uint64_t size,
                            const struct weft_gpu_buf_slot *dst) {
    struct weft_gpu_move move = {.src = src->obj, .dst = dst->obj, .src_offset = offset, .size = size};
    struct weft_gpu_work work = {.before = &move, .n_before = 1};
    return weft_gpu_submit_work(gpu, &work);
}

static weft_status start(weft_gpu *gpu, weft_buf buf, uint64_t offset, uint64_t size, weft_readback *out) {
    struct weft_gpu_buf_slot *b;
    WEFT_TRY(weft_gpu_lost(gpu));
    WEFT_TRY(weft_gpu_buf_need(gpu, buf, "readback", &b));
    WEFT_TRY(weft_gpu_buf_range(b, "readback", offset, size));
    if (b->mapped) return weft_fail(WEFT_ERR_INVALID, "buffer '%s' is being read back already", b->label);
    bool direct = b->usage == WEFT_BUF_READBACK;
    struct weft_gpu_read_slot *s = take_slot(gpu, size, !direct);
    if (!s)
        return weft_fail(WEFT_ERR_LIMIT, "%d readbacks are outstanding; finish some before starting more",
                         WEFT_GPU_READBACKS);
    if (direct) {
        if (s->own) weft_gpu_buf_drop(gpu, s->buf);
        s->own = false;
        s->buf = buf;
    } else {
        WEFT_TRY(ready_own_buffer(gpu, s, size));
        b = weft_gpu_buf(gpu, buf); // the table may have grown
        if (size) WEFT_TRY(copy_out(gpu, b, offset, size, weft_gpu_buf(gpu, s->buf)));
    }
    struct weft_gpu_buf_slot *m = weft_gpu_buf(gpu, s->buf);
    WEFT_TRY(weft_gpu_inject_now(gpu, WEFT_GPU_AT_MAP, "readback"));
    WEFT_TRY(gpu->backend->map_start(gpu->dev, m->obj));
    m->mapped = true;
    s->used = true;
    s->gen++;
    s->offset = direct ? offset : 0;
    s->size = size;
    *out = (weft_readback){(uint32_t)(s - gpu->reads) + 1, s->gen};
    return WEFT_OK;
}

weft_status weft_readback_start(weft_gpu *gpu, weft_buf buf, uint64_t offset, uint64_t size, weft_readback *out) {
    *out = (weft_readback){0};
    weft_gpu_lock(gpu);
    weft_status status = start(gpu, buf, offset, size, out);
    weft_gpu_unlock(gpu);
    return status;
}

static weft_status find(weft_gpu *gpu, weft_readback rb, struct weft_gpu_read_slot **out) {
    struct weft_gpu_read_slot *s = rb.id - 1 < WEFT_GPU_READBACKS ? &gpu->reads[rb.id - 1] : NULL;
    if (!s || !s->used || s->gen != rb.gen) return weft_fail(WEFT_ERR_STALE, "readback %u is not outstanding", rb.id);
    *out = s;
    return WEFT_OK;
}

// The slot of a readback and its buffer. Where the caller has released that since, the slot is freed.
static weft_status find_both(weft_gpu *gpu, weft_readback rb, struct weft_gpu_read_slot **slot,
                             struct weft_gpu_buf_slot **buf) {
    WEFT_TRY(find(gpu, rb, slot));
    *buf = weft_gpu_buf(gpu, (*slot)->buf);
    if (*buf) return WEFT_OK;
    (*slot)->used = false;
    return weft_fail(WEFT_ERR_STALE, "the buffer of readback %u was released before it was finished", rb.id);
}

static weft_status state(weft_gpu *gpu, weft_readback rb, enum weft_gpu_map *out) {
    struct weft_gpu_read_slot *s;
    struct weft_gpu_buf_slot *b;
    WEFT_TRY(find_both(gpu, rb, &s, &b));
    *out = gpu->backend->map_state(gpu->dev, b->obj);
    return WEFT_OK;
}

weft_status weft_readback_ready(weft_gpu *gpu, weft_readback rb, bool *ready) {
    *ready = false;
    weft_status polled = weft_gpu_poll_once(gpu);
    enum weft_gpu_map map = WEFT_GPU_MAP_PENDING;
    weft_gpu_lock(gpu);
    weft_status status = state(gpu, rb, &map);
    weft_gpu_unlock(gpu);
    if (status != WEFT_OK) return status;
    *ready = map != WEFT_GPU_MAP_PENDING; // a failed one is ready: finishing reports it
    return polled == WEFT_ERR_LOST ? polled : WEFT_OK;
}

// Copies out and frees the slot; without `data` only frees it.
static weft_status take(weft_gpu *gpu, weft_readback rb, void *data, uint64_t size) {
    struct weft_gpu_read_slot *s;
    struct weft_gpu_buf_slot *b;
    WEFT_TRY(find_both(gpu, rb, &s, &b));
    s->used = false;
    b->mapped = false;
    weft_status status = WEFT_OK;
    if (data && gpu->backend->map_state(gpu->dev, b->obj) == WEFT_GPU_MAP_READY) {
        status = gpu->backend->map_take(gpu->dev, b->obj, s->offset, data, size);
        gpu->counters.bytes_read += size;
    } else {
        gpu->backend->map_drop(gpu->dev, b->obj);
        if (data) status = weft_fail(WEFT_ERR_DEVICE, "buffer '%s' could not be mapped", b->label);
    }
    return status;
}

static weft_status wait_mapped(weft_gpu *gpu, weft_readback rb) {
    double since = weft_now();
    for (;;) {
        bool ready;
        WEFT_TRY(weft_readback_ready(gpu, rb, &ready));
        if (ready) return WEFT_OK;
        WEFT_TRY(weft_gpu_check_timeout(gpu, since));
        weft_gpu_backoff(since);
    }
}

weft_status weft_readback_finish(weft_gpu *gpu, weft_readback *rb, void *data, uint64_t size) {
    weft_gpu_lock(gpu);
    struct weft_gpu_read_slot *s = NULL;
    weft_status status = find(gpu, *rb, &s);
    uint64_t have = status == WEFT_OK ? s->size : 0;
    weft_gpu_unlock(gpu);
    if (status != WEFT_OK) return status;
    if (size > have || (size && !data))
        return weft_fail(WEFT_ERR_INVALID, "readback of %llu bytes, %llu were asked for", (unsigned long long)have,
                         (unsigned long long)size);
    status = wait_mapped(gpu, *rb);
    weft_gpu_lock(gpu);
    char nothing;
    weft_status taken = take(gpu, *rb, status == WEFT_OK ? (data ? data : &nothing) : NULL, size);
    weft_gpu_unlock(gpu);
    *rb = (weft_readback){0};
    return status != WEFT_OK ? status : taken;
}

weft_status weft_buf_read(weft_gpu *gpu, weft_buf buf, uint64_t offset, void *data, uint64_t size) {
    uint64_t at = 0;
    do {
        uint64_t n = size - at < WEFT_GPU_READ_CHUNK ? size - at : WEFT_GPU_READ_CHUNK;
        weft_readback rb;
        WEFT_TRY(weft_readback_start(gpu, buf, offset + at, n, &rb));
        WEFT_TRY(weft_readback_finish(gpu, &rb, (char *)data + at, n));
        at += n;
    } while (at < size);
    return WEFT_OK;
}
