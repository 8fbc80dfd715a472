// Timestamps: a frame has the query sets of one submit, a buffer they are resolved to and one that is mapped. Frames
// are kept and used again. Only queries that were written are resolved: one driver hangs on others.
#include "core/alloc.h"
#include "core/error.h"
#include "gpu/webgpu/impl.h"

enum { SET_PASSES = 2048, MAX_SETS = 64, STAMP = 8 }; // a query set has at most 4096 queries

enum frame_state { FRAME_FREE, FRAME_ENCODING, FRAME_IN_FLIGHT };

struct weft_webgpu_frame {
    enum frame_state state;
    size_t capacity, n, n_sets; ///< in passes; passes used; query sets
    WGPUQuerySet sets[MAX_SETS];
    uint32_t *rows;
    WGPUBuffer resolved;
    struct weft_webgpu_buf *read;
    struct weft_webgpu_frame *next;
};

struct weft_webgpu_profile {
    struct weft_webgpu_frame *frames;
};

weft_status weft_webgpu_profile_open(struct weft_webgpu_device *d) {
    d->profile = weft_calloc(1, sizeof *d->profile);
    if (!d->profile) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the profile");
    d->tick_seconds = d->lib->GetTimestampPeriod ? d->lib->GetTimestampPeriod(d->queue) * 1e-9 : 1e-9;
    return WEFT_OK;
}

static void frame_free(struct weft_webgpu_device *d, struct weft_webgpu_frame *f) {
    for (size_t i = 0; i < f->n_sets; i++)
        if (f->sets[i]) d->lib->QuerySetRelease(f->sets[i]);
    if (f->resolved) d->lib->BufferRelease(f->resolved);
    if (f->read) weft_webgpu_buf_free(d, f->read);
    weft_free(f->rows);
    weft_free(f);
}

void weft_webgpu_profile_close(struct weft_webgpu_device *d) {
    while (d->profile->frames) {
        struct weft_webgpu_frame *next = d->profile->frames->next;
        frame_free(d, d->profile->frames);
        d->profile->frames = next;
    }
    weft_free(d->profile);
    d->profile = NULL;
}

static void frame_objects(struct weft_webgpu_device *d, struct weft_webgpu_frame *f) {
    for (size_t i = 0; i < f->n_sets; i++) {
        size_t passes = f->capacity - i * SET_PASSES < SET_PASSES ? f->capacity - i * SET_PASSES : SET_PASSES;
        WGPUQuerySetDescriptor desc = {.type = WGPUQueryType_Timestamp, .count = (uint32_t)(2 * passes)};
        f->sets[i] = d->lib->DeviceCreateQuerySet(d->device, &desc);
    }
    WGPUBufferDescriptor desc = {.label = weft_webgpu_view("timestamps"),
                                 .size = f->capacity * 2 * STAMP,
                                 .usage = WGPUBufferUsage_QueryResolve | WGPUBufferUsage_CopySrc};
    f->resolved = d->lib->DeviceCreateBuffer(d->device, &desc);
}

static weft_status frame_make(struct weft_webgpu_device *d, size_t steps, struct weft_webgpu_frame **out) {
    size_t capacity = 64;
    while (capacity < steps && capacity < SET_PASSES) capacity *= 2;
    if (capacity < steps) capacity = (steps + SET_PASSES - 1) / SET_PASSES * SET_PASSES;
    size_t n_sets = (capacity + SET_PASSES - 1) / SET_PASSES;
    if (n_sets > MAX_SETS)
        return weft_fail(WEFT_ERR_LIMIT, "a profiled submit has at most %d steps, not %zu", MAX_SETS * SET_PASSES,
                         steps);
    struct weft_webgpu_frame *f = weft_calloc(1, sizeof *f);
    if (f) f->rows = weft_calloc(capacity, sizeof *f->rows);
    if (!f || !f->rows) {
        weft_free(f);
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for timestamps");
    }
    f->capacity = capacity;
    f->n_sets = n_sets;
    struct weft_webgpu_capture capture;
    weft_webgpu_capture_begin(&capture);
    frame_objects(d, f);
    weft_status status = weft_webgpu_capture_end(d, &capture, "timestamps");
    void *read = NULL;
    if (status == WEFT_OK)
        status = weft_webgpu_buf_make(d, capacity * 2 * STAMP, WEFT_BUF_READBACK, "timestamps", &read);
    f->read = read;
    if (status != WEFT_OK) {
        frame_free(d, f);
        return status;
    }
    f->next = d->profile->frames;
    d->profile->frames = f;
    *out = f;
    return WEFT_OK;
}

weft_status weft_webgpu_frame_begin(struct weft_webgpu_device *d, size_t steps, struct weft_webgpu_frame **out) {
    struct weft_webgpu_frame *f = d->profile->frames;
    while (f && (f->state != FRAME_FREE || f->capacity < steps)) f = f->next;
    if (!f) WEFT_TRY(frame_make(d, steps, &f));
    f->state = FRAME_ENCODING;
    f->n = 0;
    *out = f;
    return WEFT_OK;
}

WGPUPassTimestampWrites weft_webgpu_frame_pass(struct weft_webgpu_frame *f, size_t i, uint32_t row) {
    f->rows[i] = row;
    f->n = i + 1;
    uint32_t at = (uint32_t)(2 * (i % SET_PASSES));
    return (WGPUPassTimestampWrites){
        .querySet = f->sets[i / SET_PASSES], .beginningOfPassWriteIndex = at, .endOfPassWriteIndex = at + 1};
}

void weft_webgpu_frame_resolve(struct weft_webgpu_device *d, struct weft_webgpu_frame *f, WGPUCommandEncoder encoder) {
    for (size_t first = 0; first < f->n; first += SET_PASSES) {
        size_t passes = f->n - first < SET_PASSES ? f->n - first : SET_PASSES;
        d->lib->CommandEncoderResolveQuerySet(encoder, f->sets[first / SET_PASSES], 0, (uint32_t)(2 * passes),
                                              f->resolved, first * 2 * STAMP);
    }
    d->lib->CommandEncoderCopyBufferToBuffer(encoder, f->resolved, 0, f->read->buffer, 0, f->n * 2 * STAMP);
}

void weft_webgpu_frame_end(struct weft_webgpu_device *d, struct weft_webgpu_frame *f, bool submitted) {
    f->state = submitted && weft_webgpu_map_start(d, f->read) == WEFT_OK ? FRAME_IN_FLIGHT : FRAME_FREE;
}

static void frame_read(struct weft_webgpu_device *d, struct weft_webgpu_frame *f,
                       void (*add)(void *user, uint32_t row, double seconds), void *user) {
    const uint64_t *stamps = d->lib->BufferGetConstMappedRange(f->read->buffer, 0, (size_t)f->read->size);
    for (size_t i = 0; stamps && i < f->n; i++) {
        uint64_t begin = stamps[2 * i], end = stamps[2 * i + 1];
        add(user, f->rows[i], end > begin ? (double)(end - begin) * d->tick_seconds : 0.0);
    }
    weft_webgpu_map_drop(d, f->read);
}

void weft_webgpu_profile_take(void *dev, void (*add)(void *user, uint32_t row, double seconds), void *user) {
    struct weft_webgpu_device *d = dev;
    for (struct weft_webgpu_frame *f = d->profile ? d->profile->frames : NULL; f; f = f->next) {
        if (f->state != FRAME_IN_FLIGHT) continue;
        enum weft_gpu_map map = weft_webgpu_map_state(d, f->read);
        if (map == WEFT_GPU_MAP_PENDING) continue;
        if (map == WEFT_GPU_MAP_READY) frame_read(d, f, add, user);
        else weft_webgpu_map_drop(d, f->read);
        f->state = FRAME_FREE;
    }
}
