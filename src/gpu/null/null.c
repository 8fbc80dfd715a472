// The null device: nothing runs and buffers remember nothing, so reads give zeros. All checks and counters are those of
// the validation layer, hence the same as on a real device.
#include "core/alloc.h"
#include "core/error.h"
#include "gpu/gpu_backend.h"
#include <string.h>

struct device {
    uint64_t tick, stalled_at;
    bool lost, stalled;
};
struct object {
    enum weft_gpu_map map;
    uint64_t map_tick;
    uint8_t *memory; // of what is written mapped
};

static weft_status object_make(void **out) {
    struct object *o = weft_calloc(1, sizeof *o);
    *out = o;
    return o ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory");
}

static void object_free(void *dev, void *obj) {
    (void)dev;
    weft_free(((struct object *)obj)->memory);
    weft_free(obj);
}

static void close_device(void *dev) { weft_free(dev); }

static weft_status buf_make(void *dev, uint64_t size, enum weft_buf_usage usage, const char *label, void **out) {
    (void)dev, (void)label;
    WEFT_TRY(object_make(out));
    struct object *o = *out;
    if (usage != WEFT_BUF_STAGING) return WEFT_OK;
    o->memory = weft_alloc((size_t)size);
    if (o->memory) return WEFT_OK;
    weft_free(o);
    return weft_fail(WEFT_ERR_NOMEM, "out of memory");
}

static weft_status buf_write(void *dev, void *buf, uint64_t offset, const void *data, uint64_t size) {
    (void)dev, (void)buf, (void)offset, (void)data, (void)size;
    return WEFT_OK;
}

static weft_status layout_make(void *dev, const struct weft_gpu_layout *layout, void **out) {
    (void)dev, (void)layout;
    return object_make(out);
}

static weft_status pipeline_make(void *dev, void *layout, const struct weft_pipeline_desc *desc, void **out) {
    (void)dev, (void)layout, (void)desc;
    return object_make(out);
}

static weft_status group_make(void *dev, void *layout, const struct weft_gpu_layout *pattern,
                              const struct weft_gpu_range *ranges, void **out) {
    (void)dev, (void)layout, (void)pattern, (void)ranges;
    return object_make(out);
}

static weft_status submit(void *dev, struct weft_gpu_work *work) {
    ((struct device *)dev)->tick = work->tick;
    return WEFT_OK;
}

static void poll(void *dev) { (void)dev; }
static uint64_t finished(void *dev) {
    const struct device *d = dev;
    return d->stalled ? d->stalled_at : d->tick;
}

static void stall(void *dev, bool on) {
    struct device *d = dev;
    if (on && !d->stalled) d->stalled_at = d->tick;
    d->stalled = on;
}

static const char *lost(void *dev) { return ((struct device *)dev)->lost ? "a test asked for it" : NULL; }
static void lose(void *dev) { ((struct device *)dev)->lost = true; }
static bool take_error(void *dev, char *text, size_t size) { return (void)dev, (void)text, (void)size, false; }

static weft_status map_start(void *dev, void *buf) {
    struct object *o = buf;
    o->map = WEFT_GPU_MAP_READY;
    o->map_tick = ((struct device *)dev)->tick;
    return WEFT_OK;
}

static enum weft_gpu_map map_state(void *dev, void *buf) {
    const struct object *o = buf;
    return o->map == WEFT_GPU_MAP_READY && o->map_tick > finished(dev) ? WEFT_GPU_MAP_PENDING : o->map;
}

static void map_drop(void *dev, void *buf) { (void)dev, ((struct object *)buf)->map = WEFT_GPU_MAP_NONE; }

static weft_status map_view(void *dev, void *buf, void **out) {
    (void)dev;
    *out = ((struct object *)buf)->memory;
    return WEFT_OK;
}

static const struct weft_gpu_backend null_backend = {
    .close = close_device,
    .buf_make = buf_make,
    .buf_free = object_free,
    .buf_write = buf_write,
    .layout_make = layout_make,
    .layout_free = object_free,
    .pipeline_make = pipeline_make,
    .pipeline_free = object_free,
    .group_make = group_make,
    .group_free = object_free,
    .submit = submit,
    .poll = poll,
    .pause = weft_gpu_pause_native,
    .finished = finished,
    .lost = lost,
    .stall = stall,
    .lose = lose,
    .take_error = take_error,
    .map_start = map_start,
    .map_state = map_state,
    .map_view = map_view,
    .map_drop = map_drop,
};

// What an ordinary desktop GPU offers, so that plans made on the null device look like those that run.
void weft_gpu_null_caps(struct weft_gpu_caps *caps) {
    *caps = (struct weft_gpu_caps){
        .implementation = "null",
        .adapter = "null",
        .driver = "runs nothing",
        .kind = WEFT_GPU_NULL,
        .f16 = true,
        .subgroups = true,
        .dot4 = true,
        .subgroup_min = 32,
        .subgroup_max = 32,
        .wgsl_enable_subgroups = true,
        .max_binding = (uint64_t)2 << 30,
        .max_buffer = (uint64_t)4 << 30,
        .max_storage_buffers = 10,
        .max_dynamic_uniforms = 8,
        .max_uniform_binding = 64 << 10,
        .offset_align = 256,
        .max_invocations = 1024,
        .max_workgroup_x = 1024,
        .max_workgroup_y = 1024,
        .max_workgroup_z = 64,
        .max_groups = 65535,
        .workgroup_memory = 32 << 10,
    };
}

weft_status weft_gpu_null_open(const struct weft_gpu_params *params, struct weft_gpu_opened *out) {
    if (params->adapter != 0)
        return weft_fail(WEFT_ERR_NOT_FOUND, "the null device has one adapter, not %d", params->adapter);
    memset(out, 0, sizeof *out);
    out->dev = weft_calloc(1, sizeof(struct device));
    if (!out->dev) return weft_fail(WEFT_ERR_NOMEM, "out of memory opening the null device");
    out->backend = &null_backend;
    weft_gpu_null_caps(&out->caps);
    return WEFT_OK;
}
