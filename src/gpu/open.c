// Opening and closing: an implementation's device is found, the validation layer is put in front of it, and shaders are
// asked what the adapter does not report.
#include "gpu/open.h"
#include "core/alloc.h"
#include "core/error.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool wants_null(const struct weft_gpu_params *params) {
    const char *name = params->implementation ? params->implementation : getenv("WEFT_WEBGPU");
    return name && strcmp(name, "null") == 0;
}

weft_status weft_gpu_find(const struct weft_gpu_params *params, struct weft_gpu_opened *out) {
    WEFT_TRY(wants_null(params) ? weft_gpu_null_open(params, out) : weft_webgpu_open(params, out));
    if (params->limits_min) {
        weft_gpu_caps_min(&out->caps);
        out->probe_subgroups = out->probe_dot4 = false;
    }
    if (params->max_binding && params->max_binding < out->caps.max_binding)
        out->caps.max_binding = params->max_binding / 16 * 16;
    if (params->max_groups && params->max_groups < out->caps.max_groups) out->caps.max_groups = params->max_groups;
    return WEFT_OK;
}

// Takes the opened device over, also when it fails.
static weft_status put_front(const struct weft_gpu_opened *opened, const struct weft_gpu_params *params,
                             weft_gpu **out) {
    weft_gpu *gpu = weft_calloc(1, sizeof *gpu);
    if (!gpu) {
        opened->backend->close(opened->dev);
        return weft_fail(WEFT_ERR_NOMEM, "out of memory opening a device");
    }
    gpu->backend = opened->backend;
    gpu->dev = opened->dev;
    gpu->pause = opened->backend->pause;
    gpu->caps = opened->caps;
    gpu->profile = params->profile && opened->caps.timestamps;
    gpu->generation = 1;
    gpu->params = *params;
    gpu->params.implementation = NULL;
    gpu->params.adapter = opened->adapter;
    bool null_device = opened->caps.kind == WEFT_GPU_NULL;
    snprintf(gpu->library, sizeof gpu->library, "%s", null_device ? "null" : opened->caps.library);
    gpu->close_timeout = 60;
    if (params->timeout > 0) gpu->timeout = gpu->close_timeout = params->timeout;
    pthread_mutex_init(&gpu->lock, NULL);
    pthread_mutex_init(&gpu->poll_lock, NULL);
    pthread_mutex_init(&gpu->stage.lock, NULL);
    weft_status status = weft_gpu_probe(gpu, opened->probe_subgroups, opened->probe_dot4);
    if (status != WEFT_OK) {
        weft_gpu_close(&gpu);
        return status;
    }
    *out = gpu;
    return WEFT_OK;
}

weft_status weft_gpu_open(const struct weft_gpu_params *params, weft_gpu **out) {
    if (!out) return weft_fail(WEFT_ERR_INVALID, "weft_gpu_open: out is NULL");
    *out = NULL;
    struct weft_gpu_params p = {0};
    if (params) p = *params;
    p.limits_min = weft_gpu_wants_min(&p);
    struct weft_gpu_opened opened = {0};
    if (!(p.timeout >= 0)) return weft_fail(WEFT_ERR_INVALID, "a timeout of %g s; 0 is for none", p.timeout);
    WEFT_TRY(weft_gpu_find(&p, &opened));
    return put_front(&opened, &p, out);
}

void weft_gpu_close(weft_gpu **gpu_at) {
    if (!gpu_at || !*gpu_at) return;
    weft_gpu *gpu = *gpu_at;
    *gpu_at = NULL;
    weft_workers_destroy(gpu->stage.workers);
    weft_gpu_lock(gpu);
    gpu->timeout = gpu->close_timeout;
    // A device that is gone finishes nothing, so a failure here only ends the waiting.
    (void)weft_gpu_wait_tick(gpu, gpu->tick);
    weft_gpu_free_objects(gpu);
    if (!weft_gpu_left(gpu)) gpu->backend->close(gpu->dev);
    weft_gpu_unlock(gpu);
    weft_gpu_free_tables(gpu);
    pthread_mutex_destroy(&gpu->stage.lock);
    pthread_mutex_destroy(&gpu->poll_lock);
    pthread_mutex_destroy(&gpu->lock);
    weft_free(gpu);
}

const struct weft_gpu_caps *weft_gpu_caps(const weft_gpu *gpu) { return &gpu->caps; }

void weft_gpu_counters(const weft_gpu *gpu, struct weft_gpu_counters *out) {
    weft_gpu_lock(gpu);
    *out = gpu->counters;
    weft_gpu_unlock(gpu);
}
