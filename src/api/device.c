/// weft/device.h: devices as users see them. The handle is the GPU layer's own.
#include "core/alloc.h"
#include "core/error.h"
#include "core/params.h"
#include "api/impl.h"
#include "gpu/gpu.h"
#include "weft/device.h"
#include <stdio.h>
#include <string.h>

static weft_status translate(const struct weft_device_params *params, struct weft_gpu_params *out) {
    struct weft_device_params p;
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_device_params, profile, params, &p));
    *out = (struct weft_gpu_params){.implementation = p.implementation,
                                    .adapter = p.adapter,
                                    .limits_min = p.limits_min,
                                    .timeout = p.timeout_seconds,
                                    .profile = p.profile};
    return WEFT_OK;
}

weft_status weft_device_open(const struct weft_device_params *params, weft_device **out) {
    struct weft_gpu_params p;
    if (!out) return weft_api_null("weft_device_open", "out");
    *out = NULL;
    WEFT_TRY(translate(params, &p));
    return weft_gpu_open(&p, out);
}

void weft_device_close(weft_device **device) {
    if (device && *device) weft_gpu_close(device);
}

static enum weft_device_kind public_kind(enum weft_gpu_kind kind) {
    switch (kind) {
    case WEFT_GPU_NULL: return WEFT_DEVICE_NULL;
    case WEFT_GPU_CPU: return WEFT_DEVICE_CPU;
    case WEFT_GPU_INTEGRATED: return WEFT_DEVICE_INTEGRATED;
    case WEFT_GPU_DISCRETE: return WEFT_DEVICE_DISCRETE;
    case WEFT_GPU_OTHER: break;
    }
    return WEFT_DEVICE_OTHER;
}

static void describe(const struct weft_gpu_caps *c, struct weft_device_info *out) {
    *out = (struct weft_device_info){
        .kind = public_kind(c->kind),
        .memory = c->memory,
        .max_buffer = c->max_buffer,
        .max_binding = c->max_binding,
        .max_storage_buffers = c->max_storage_buffers,
        .workgroup_memory = c->workgroup_memory,
        .f16 = c->f16,
        .subgroups = c->subgroups,
        .dot4 = c->dot4,
        .timestamps = c->timestamps,
        .subgroup_min = c->subgroup_min,
        .subgroup_max = c->subgroup_max,
        .max_invocations = c->max_invocations,
        .matrix_configs = c->n_matrix_configs,
    };
    for (uint32_t i = 0; i < c->n_matrix_configs; i++) {
        struct weft_device_matrix *m = &out->matrices[i];
        *m = (struct weft_device_matrix){
            .m = c->matrix_configs[i].m, .n = c->matrix_configs[i].n, .k = c->matrix_configs[i].k};
        snprintf(m->in, sizeof m->in, "%s", c->matrix_configs[i].in);
        snprintf(m->out, sizeof m->out, "%s", c->matrix_configs[i].out);
    }
    snprintf(out->implementation, sizeof out->implementation, "%s", c->implementation);
    snprintf(out->library, sizeof out->library, "%s", c->library);
    snprintf(out->adapter, sizeof out->adapter, "%s", c->adapter);
    snprintf(out->driver, sizeof out->driver, "%s", c->driver);
}

weft_status weft_device_list(const struct weft_device_params *params, struct weft_device_found *rows, size_t capacity,
                             size_t *count) {
    struct weft_gpu_params p;
    struct weft_gpu_found *found;
    if (!count || (capacity && !rows)) return weft_api_null("weft_device_list", count ? "rows" : "count");
    WEFT_TRY(translate(params, &p));
    WEFT_TRY(weft_gpu_list(&p, &found, count));
    for (size_t i = 0; i < *count && i < capacity; i++) {
        rows[i] = (struct weft_device_found){.usable = found[i].usable, .chosen = found[i].chosen};
        describe(&found[i].caps, &rows[i].info);
        snprintf(rows[i].why, sizeof rows[i].why, "%s", found[i].why);
    }
    weft_free(found);
    return WEFT_OK;
}

weft_status weft_device_info(const weft_device *device, struct weft_device_info *out) {
    if (!device || !out) return weft_api_null("weft_device_info", device ? "out" : "device");
    describe(weft_gpu_caps(device), out);
    return WEFT_OK;
}

weft_status weft_device_counters(const weft_device *device, struct weft_device_counters *out) {
    struct weft_gpu_counters c;
    if (!device || !out) return weft_api_null("weft_device_counters", device ? "out" : "device");
    weft_gpu_counters(device, &c);
    *out = (struct weft_device_counters){
        .submits = c.submits,
        .passes = c.passes,
        .dispatches = c.dispatches,
        .copies = c.copies,
        .bytes_written = c.bytes_written,
        .bytes_read = c.bytes_read,
        .buffers_made = c.buffers_made,
        .buffers_live = c.buffers_live,
        .bytes_live = c.buffer_bytes_live,
        .bytes_peak = c.buffer_bytes_peak,
        .pipelines_made = c.pipelines_made,
        .groups_made = c.groups_made,
        .groups_live = c.groups_live,
        .allocations = c.allocs,
        .encode_seconds = c.encode_seconds,
        .submit_seconds = c.submit_seconds,
    };
    return WEFT_OK;
}

weft_status weft_device_memory(const weft_device *device, struct weft_device_memory *out) {
    struct weft_gpu_counters c;
    if (!device || !out) return weft_api_null("weft_device_memory", device ? "out" : "device");
    weft_gpu_counters(device, &c);
    // Of a device that is gone nothing is in use, though sessions have yet to give their pages back.
    uint64_t pages = c.bytes_for[WEFT_BUF_FOR_PAGES], used = c.pages_used < pages ? c.pages_used : pages;
    *out = (struct weft_device_memory){
        .weights = c.bytes_for[WEFT_BUF_FOR_WEIGHTS],
        .states = c.bytes_for[WEFT_BUF_FOR_STATES],
        .pages = pages,
        .pages_used = used,
        .pages_free = pages - used,
        .snapshots = c.bytes_for[WEFT_BUF_FOR_SNAPSHOTS],
        .transients = c.bytes_for[WEFT_BUF_FOR_TRANSIENTS],
        .params = c.bytes_for[WEFT_BUF_FOR_PARAMS],
        .io = c.bytes_for[WEFT_BUF_FOR_IO],
        .staging = c.bytes_for[WEFT_BUF_FOR_STAGING],
        .readback = c.bytes_for[WEFT_BUF_FOR_READBACK],
        .other = c.bytes_for[WEFT_BUF_FOR_OTHER],
        .total = c.buffer_bytes_live,
    };
    return WEFT_OK;
}

weft_status weft_device_wait_idle(weft_device *device) {
    return device ? weft_gpu_wait_idle(device) : weft_api_null("weft_device_wait_idle", "device");
}

weft_status weft_device_profile(weft_device *device,
                                void (*step)(void *user, const char *label, uint64_t count, double seconds),
                                void *user) {
    struct weft_gpu_profile_row *rows;
    size_t n;
    if (!device) return weft_api_null("weft_device_profile", "device");
    WEFT_TRY(weft_gpu_wait_idle(device));
    WEFT_TRY(weft_gpu_profile(device, &rows, &n, true));
    for (size_t i = 0; i < n && step; i++) step(user, rows[i].label, rows[i].count, rows[i].seconds);
    weft_free(rows);
    return WEFT_OK;
}

weft_status weft_device_poll(weft_device *device) {
    return device ? weft_gpu_fire(device) : weft_api_null("weft_device_poll", "device");
}

/// What depends on the device makes itself again, each object on its own, so that all handles stay valid.
weft_status weft_device_recover(weft_device *device, struct weft_recovery *report) {
    struct weft_recovery r = {0};
    size_t failed = 0;
    if (report) *report = r;
    if (!device) return weft_api_null("weft_device_recover", "device");
    WEFT_TRY(weft_gpu_reopen(device));
    weft_status status = weft_gpu_remake(device, &r, &failed);
    if (report) *report = r;
    return weft_fail_in(status, "%u of %u programs and %u of %u sessions were recovered", r.programs,
                        r.programs + r.programs_failed, r.sessions, r.sessions + r.sessions_failed);
}
