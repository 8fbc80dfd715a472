// Readbacks: a ring of mappable buffers. A WEFT_BUF_READBACK buffer of the caller is mapped as it is; a
// range of any other buffer is copied to a buffer of the ring first.
#include "core/error.h"
#include "core/file.h"
#include "gpu/front/front.h"
#include "gpu/gpu_test.h"
#include <string.h>

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

/// Where the bytes of a readback go, and what is done while others copy them.
struct landing {
    void *data;
    uint64_t size;
    void (*meanwhile)(void *user);
    void *user;
};

// Copies out what is mapped. A buffer of the ring is nobody else's until its slot is freed, so the lock is given up
// meanwhile; one of the caller may be released at any time.
static weft_status copy_mapped(weft_gpu *gpu, const struct weft_gpu_read_slot *s, struct weft_gpu_buf_slot *b,
                               const struct landing *to) {
    void *mapped = NULL;
    const uint64_t offset = s->offset;
    const bool own = s->own;
    if (gpu->backend->map_state(gpu->dev, b->obj) != WEFT_GPU_MAP_READY)
        return weft_fail(WEFT_ERR_DEVICE, "buffer '%s' could not be mapped", b->label);
    WEFT_TRY(gpu->backend->map_view(gpu->dev, b->obj, &mapped));
    gpu->counters.bytes_read += to->size;
    if (own) weft_gpu_unlock(gpu);
    if (!mapped) memset(to->data, 0, to->size); // of the null device
    weft_gpu_copy_host(gpu, to->data, mapped ? (const char *)mapped + offset : NULL, mapped ? to->size : 0,
                       own ? to->meanwhile : NULL, to->user);
    if (own) weft_gpu_lock(gpu);
    return WEFT_OK;
}

// Copies out and frees the slot; without a landing only frees it.
static weft_status take(weft_gpu *gpu, weft_readback rb, const struct landing *to) {
    struct weft_gpu_read_slot *s;
    struct weft_gpu_buf_slot *b;
    WEFT_TRY(find_both(gpu, rb, &s, &b));
    s->gen++; // from here on nobody else finds it
    weft_status status = to ? copy_mapped(gpu, s, b, to) : WEFT_OK;
    b = weft_gpu_buf(gpu, s->buf); // the table may have grown
    s->used = false;
    if (!b) return status;
    b->mapped = false;
    gpu->backend->map_drop(gpu->dev, b->obj);
    return status;
}

static weft_status wait_mapped(weft_gpu *gpu, weft_readback rb, uint64_t bytes) {
    double since = weft_now();
    for (;;) {
        bool ready;
        WEFT_TRY(weft_readback_ready(gpu, rb, &ready));
        if (ready) return WEFT_OK;
        WEFT_TRY(weft_gpu_check_timeout(gpu, since));
        weft_gpu_backoff(gpu, since, bytes);
    }
}

static weft_status finish(weft_gpu *gpu, weft_readback *rb, const struct landing *to) {
    weft_gpu_lock(gpu);
    struct weft_gpu_read_slot *s = NULL;
    weft_status status = find(gpu, *rb, &s);
    uint64_t have = status == WEFT_OK ? s->size : 0;
    weft_gpu_unlock(gpu);
    if (status != WEFT_OK) return status;
    if (to->size > have || (to->size && !to->data))
        return weft_fail(WEFT_ERR_INVALID, "readback of %llu bytes, %llu were asked for", (unsigned long long)have,
                         (unsigned long long)to->size);
    status = wait_mapped(gpu, *rb, have);
    weft_gpu_lock(gpu);
    weft_status taken = take(gpu, *rb, status == WEFT_OK ? to : NULL);
    weft_gpu_unlock(gpu);
    *rb = (weft_readback){0};
    return status != WEFT_OK ? status : taken;
}

weft_status weft_readback_finish(weft_gpu *gpu, weft_readback *rb, void *data, uint64_t size) {
    char nothing;
    return finish(gpu, rb, &(struct landing){.data = size ? data : &nothing, .size = size});
}

// ---- reads ----------------------------------------------------------------------------------------------------------

enum { OUTSTANDING = WEFT_GPU_PIECES + 1 };

/// Pieces of a read, one of them copied out while the device is at those behind it.
struct reading {
    weft_gpu *gpu;
    weft_buf buf;
    uint64_t offset, size, piece, asked;
    size_t first, last, most; // readbacks that are outstanding, and how many may be
    weft_readback rb[OUTSTANDING];
    weft_status status;
};

static void read_next(struct reading *r) {
    uint64_t left = r->size - r->asked, n = left < r->piece ? left : r->piece;
    r->status = weft_readback_start(r->gpu, r->buf, r->offset + r->asked, n, &r->rb[r->last % OUTSTANDING]);
    if (r->status != WEFT_OK) return;
    r->asked += n;
    r->last++;
}

// Starts as many pieces as may be outstanding. Where others have all other readbacks, fewer will do.
static void read_ahead(void *user) {
    struct reading *r = user;
    while (r->status == WEFT_OK && r->last - r->first < r->most && r->asked < r->size) {
        size_t before = r->last;
        read_next(r);
        if (r->status == WEFT_ERR_LIMIT && r->last > r->first) r->status = WEFT_OK;
        if (r->last == before) return;
    }
}

// A buffer that is for reading back is mapped as it is, hence once.
static uint64_t piece_of(weft_gpu *gpu, weft_buf buf, uint64_t size) {
    weft_gpu_lock(gpu);
    const struct weft_gpu_buf_slot *b = weft_gpu_buf(gpu, buf);
    bool direct = b && b->usage == WEFT_BUF_READBACK;
    weft_gpu_unlock(gpu);
    return direct ? size : WEFT_GPU_PIECE;
}

weft_status weft_buf_read(weft_gpu *gpu, weft_buf buf, uint64_t offset, void *data, uint64_t size) {
    struct reading r = {.gpu = gpu, .buf = buf, .offset = offset, .size = size, .piece = piece_of(gpu, buf, size)};
    r.most = WEFT_GPU_PIECES;
    read_next(&r); // also of no bytes, for its errors
    read_ahead(&r);
    r.most = OUTSTANDING; // while one is copied out
    for (uint64_t got = 0; r.status == WEFT_OK && r.first < r.last; got += r.piece) {
        uint64_t n = size - got < r.piece ? size - got : r.piece;
        char nothing;
        struct landing to = {.data = n ? (char *)data + got : &nothing, .size = n, .meanwhile = read_ahead, .user = &r};
        weft_status status = finish(gpu, &r.rb[r.first % OUTSTANDING], &to);
        r.first++;
        if (status != WEFT_OK) r.status = status;
        if (r.status == WEFT_OK && r.first == r.last && r.asked < size) read_next(&r);
    }
    weft_gpu_lock(gpu);
    for (; r.first < r.last; r.first++) (void)take(gpu, r.rb[r.first % OUTSTANDING], NULL);
    weft_gpu_unlock(gpu);
    return r.status;
}
