// The door, first part: opening and closing, time (ticks, waiting, loss), and what is freed late.
//
// Ticks and serials: every submit to a device, the layer's own ones included (readbacks, fills, flushes), has a tick;
// the caller's submits also have a serial. The device reports finished ticks; tick_of translates.
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/thread.h"
#include "gpu/door.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool weft_gpu_grow(weft_gpu *gpu, void **items, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap) return true;
    gpu->counters.allocs++;
    return weft_grow(items, cap, need, size) != 0;
}

void weft_gpu_caps_min(struct weft_gpu_caps *caps)
{
    caps->f16 = caps->subgroups = caps->dot4 = caps->timestamps = caps->immediates = false;
    caps->subgroup_min = caps->subgroup_max = 0;
    caps->n_matrix_configs = 0;
    memset(caps->matrix_configs, 0, sizeof caps->matrix_configs);
    caps->max_binding = (uint64_t)128 << 20;
    caps->max_buffer = (uint64_t)256 << 20;
    caps->max_storage_buffers = 8;
    caps->max_dynamic_uniforms = 8;
    caps->max_uniform_binding = 64 << 10;
    caps->offset_align = WEFT_GPU_ALIGN;
    caps->max_invocations = caps->max_workgroup_x = caps->max_workgroup_y = 256;
    caps->max_workgroup_z = 64;
    caps->max_groups = 65535;
    caps->workgroup_memory = 16 << 10;
}

weft_status weft_gpu_door_open(struct weft_gpu_opened *opened, const struct weft_gpu_params *params, weft_gpu **out)
{
    weft_gpu *gpu = weft_calloc(1, sizeof *gpu);
    if (!gpu) {
        opened->backend->close(opened->dev);
        return weft_fail(WEFT_ERR_NOMEM, "out of memory opening a device");
    }
    gpu->backend = opened->backend;
    gpu->dev = opened->dev;
    gpu->caps = opened->caps;
    gpu->profile = params->profile && opened->caps.timestamps;
    gpu->epoch = 1;
    gpu->params = *params;
    gpu->params.implementation = NULL;
    gpu->params.adapter = opened->adapter;
    bool null_device = opened->caps.kind == WEFT_GPU_NULL;
    snprintf(gpu->library, sizeof gpu->library, "%s", null_device ? "null" : opened->caps.library);
    gpu->close_timeout = 60;
    if (params->timeout > 0) gpu->timeout = gpu->close_timeout = params->timeout;
    pthread_mutex_init(&gpu->lock, NULL);
    pthread_mutex_init(&gpu->poll_lock, NULL);
    pthread_cond_init(&gpu->built, NULL);
    pthread_cond_init(&gpu->called, NULL);
    weft_status status = weft_gpu_probe(gpu, opened->probe_subgroups, opened->probe_dot4);
    if (status != WEFT_OK) {
        weft_gpu_close(&gpu);
        return status;
    }
    weft_gpu_readbacks_trim(gpu);
    memset(&gpu->counters, 0, sizeof gpu->counters); // what probing did is not the caller's
    gpu->serial = gpu->finished = 0;
    *out = gpu;
    return WEFT_OK;
}

bool weft_gpu_wants_min(const struct weft_gpu_params *params)
{
    const char *limits = getenv("WEFT_LIMITS");
    return params->limits_min || (limits && strcmp(limits, "min") == 0);
}

static bool wants_null(const struct weft_gpu_params *params)
{
    const char *name = params->implementation ? params->implementation : getenv("WEFT_WEBGPU");
    return name && strcmp(name, "null") == 0;
}

weft_status weft_gpu_open(const struct weft_gpu_params *params, weft_gpu **out)
{
    if (!out) return weft_fail(WEFT_ERR_INVALID, "weft_gpu_open: out is NULL");
    *out = NULL;
    struct weft_gpu_params p = {0};
    if (params) p = *params;
    p.limits_min = weft_gpu_wants_min(&p);
    struct weft_gpu_opened opened = {0};
    if (!(p.timeout >= 0)) return weft_fail(WEFT_ERR_INVALID, "a timeout of %g s; 0 is for none", p.timeout);
    WEFT_TRY(weft_gpu_find(&p, &opened));
    return weft_gpu_door_open(&opened, &p, out);
}

weft_status weft_gpu_find(const struct weft_gpu_params *params, struct weft_gpu_opened *out)
{
    WEFT_TRY(wants_null(params) ? weft_gpu_null_open(params, out) : weft_gpu_native_open(params, out));
    if (params->limits_min) {
        weft_gpu_caps_min(&out->caps);
        out->probe_subgroups = out->probe_dot4 = false;
    }
    if (params->max_binding && params->max_binding < out->caps.max_binding)
        out->caps.max_binding = params->max_binding / 16 * 16;
    if (params->max_groups && params->max_groups < out->caps.max_groups) out->caps.max_groups = params->max_groups;
    return WEFT_OK;
}

// The objects of a kind: freed unless they are left to a device that hangs.
static void free_groups(weft_gpu *gpu, bool leave)
{
    for (size_t i = 0; i < gpu->n_groups; i++) {
        struct weft_gpu_group_slot *g = &gpu->groups[i];
        if (!g->live) continue;
        if (!leave) gpu->backend->group_free(gpu->dev, g->obj);
        g->obj = NULL;
        g->live = false;
        g->killer[0] = 0;
        g->next_free = gpu->free_group;
        gpu->free_group = (uint32_t)i + 1;
    }
    weft_map_free(&gpu->group_map);
    gpu->counters.groups_live = 0;
}

static void free_pipelines(weft_gpu *gpu, bool leave)
{
    const struct weft_gpu_backend *b = gpu->backend;
    for (size_t i = 0; !leave && i < gpu->n_pipes; i++)
        if (gpu->pipes[i].state == WEFT_GPU_BUILD_READY) b->pipeline_free(gpu->dev, gpu->pipes[i].obj);
    for (size_t i = 0; !leave && i < gpu->n_layouts; i++) b->layout_free(gpu->dev, gpu->layouts[i].obj);
    gpu->n_pipes = gpu->n_layouts = 0;
    weft_map_free(&gpu->pipe_map);
}

static void free_bufs(weft_gpu *gpu, bool leave)
{
    for (size_t i = 0; i < gpu->n_bufs; i++) {
        struct weft_gpu_buf_slot *b = &gpu->bufs[i];
        if (!b->live) continue;
        if (!leave) gpu->backend->buf_free(gpu->dev, b->obj);
        b->obj = NULL;
        b->live = b->mapped = false;
        b->lost = true;
        b->next_free = gpu->free_buf;
        gpu->free_buf = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < WEFT_GPU_READBACKS; i++) gpu->reads[i].used = gpu->reads[i].own = false;
    gpu->counters.buffers_live = gpu->counters.buffer_bytes_live = 0;
    memset(gpu->counters.bytes_for, 0, sizeof gpu->counters.bytes_for);
}

void weft_gpu_free_objects(weft_gpu *gpu)
{
    bool leave = weft_gpu_left(gpu);
    if (leave)
        weft_log(WEFT_LOG_WARN, "gpu: %s never finished its work; what it holds is left behind", gpu->caps.adapter);
    for (size_t i = 0; !leave && i < gpu->n_graves; i++) gpu->graves[i].free_obj(gpu->dev, gpu->graves[i].obj);
    gpu->n_graves = 0;
    free_groups(gpu, leave);
    free_pipelines(gpu, leave);
    free_bufs(gpu, leave);
}

static void free_tables(weft_gpu *gpu)
{
    for (size_t i = 0; i < gpu->n_rows; i++) weft_free(gpu->rows[i].label);
    weft_map_free(&gpu->row_map);
    weft_free(gpu->bufs);
    weft_free(gpu->layouts);
    weft_free(gpu->pipes);
    weft_free(gpu->groups);
    weft_free(gpu->graves);
    weft_free(gpu->moves);
    weft_free(gpu->dispatches);
    weft_free(gpu->dues);
    weft_free(gpu->rows);
    weft_free(gpu->fill_words);
}

void weft_gpu_close(weft_gpu **gpu_at)
{
    if (!gpu_at || !*gpu_at) return;
    weft_gpu *gpu = *gpu_at;
    *gpu_at = NULL;
    weft_gpu_lock(gpu);
    gpu->timeout = gpu->close_timeout;
    // A device that is gone finishes nothing, so a failure here only ends the waiting.
    (void)weft_gpu_wait_tick(gpu, gpu->tick);
    weft_gpu_free_objects(gpu);
    if (!weft_gpu_left(gpu)) gpu->backend->close(gpu->dev);
    weft_gpu_unlock(gpu);
    free_tables(gpu);
    pthread_cond_destroy(&gpu->built);
    pthread_cond_destroy(&gpu->called);
    pthread_mutex_destroy(&gpu->poll_lock);
    pthread_mutex_destroy(&gpu->lock);
    weft_free(gpu);
}

const struct weft_gpu_caps *weft_gpu_caps(const weft_gpu *gpu) { return &gpu->caps; }

void weft_gpu_counters(const weft_gpu *gpu, struct weft_gpu_counters *out)
{
    weft_gpu_lock(gpu);
    *out = gpu->counters;
    weft_gpu_unlock(gpu);
}

// ---- time ----------------------------------------------------------------------------------------------------------

weft_status weft_gpu_lost(weft_gpu *gpu)
{
    if (!gpu->lost) {
        const char *why = gpu->backend->lost(gpu->dev);
        if (!why) return WEFT_OK;
        gpu->lost = true;
        snprintf(gpu->lost_why, sizeof gpu->lost_why, "%s", why);
    }
    return weft_fail(WEFT_ERR_LOST, "the device %s is gone (%s); recover it (weft_device_recover) or close it",
                     gpu->caps.adapter, gpu->lost_why);
}

weft_status weft_gpu_check(weft_gpu *gpu)
{
    weft_gpu_lock(gpu);
    weft_status status = weft_gpu_lost(gpu);
    weft_gpu_unlock(gpu);
    return status;
}

void weft_gpu_lose(weft_gpu *gpu)
{
    weft_gpu_lock(gpu);
    gpu->backend->lose(gpu->dev);
    weft_gpu_unlock(gpu);
}

void weft_gpu_bury(weft_gpu *gpu, void *obj, void (*free_obj)(void *, void *))
{
    bool idle = gpu->finished_tick >= gpu->tick;
    // Without memory for the list the object is freed now: implementations keep what work in flight uses.
    if (idle || !weft_gpu_grow(gpu, (void **)&gpu->graves, &gpu->cap_graves, gpu->n_graves + 1, sizeof *gpu->graves)) {
        free_obj(gpu->dev, obj);
        return;
    }
    gpu->graves[gpu->n_graves++] = (struct weft_gpu_grave){obj, free_obj, gpu->tick};
}

void weft_gpu_advance(weft_gpu *gpu)
{
    uint64_t now_finished = gpu->backend->finished(gpu->dev);
    if (now_finished > gpu->finished_tick) gpu->progress = weft_now();
    gpu->finished_tick = now_finished;
    while (gpu->finished < gpu->serial && gpu->tick_of[(gpu->finished + 1) % WEFT_GPU_TICKS] <= gpu->finished_tick)
        gpu->finished++;
    size_t kept = 0;
    for (size_t i = 0; i < gpu->n_graves; i++) {
        struct weft_gpu_grave *g = &gpu->graves[i];
        if (g->tick <= gpu->finished_tick) g->free_obj(gpu->dev, g->obj);
        else gpu->graves[kept++] = *g;
    }
    gpu->n_graves = kept;
    if (gpu->profile) weft_gpu_profile_collect(gpu);
}

weft_status weft_gpu_poll_once(weft_gpu *gpu)
{
    // If another thread polls already, its poll will do.
    if (pthread_mutex_trylock(&gpu->poll_lock) == 0) {
        gpu->backend->poll(gpu->dev);
        pthread_mutex_unlock(&gpu->poll_lock);
    }
    char text[512];
    weft_gpu_lock(gpu);
    weft_gpu_advance(gpu);
    weft_status status = weft_gpu_lost(gpu);
    if (status == WEFT_OK && gpu->backend->take_error(gpu->dev, text, sizeof text)) {
        weft_log(WEFT_LOG_ERROR, "gpu: %s", text);
        status = weft_fail(WEFT_ERR_DEVICE, "%s: %s", gpu->caps.implementation, text);
    }
    weft_gpu_unlock(gpu);
    return status;
}

// A blocking wait of the implementation would block other threads' submits, so all waiting is polling. Sleeps are a
// quarter of the time waited so far: short work is noticed soon, long work costs little.
void weft_gpu_backoff(double since)
{
    double waited = weft_now() - since;
    if (waited < 20e-6) sched_yield();
    else weft_sleep(waited < 80e-6 ? 20e-6 : waited < 800e-6 ? waited / 4 : 200e-6);
}

weft_status weft_gpu_wait_tick(weft_gpu *gpu, uint64_t tick)
{
    weft_status result = WEFT_OK;
    double since = weft_now();
    const uint32_t epoch = gpu->epoch;
    while (gpu->finished_tick < tick) {
        weft_gpu_unlock(gpu);
        weft_status status = weft_gpu_poll_once(gpu);
        weft_gpu_lock(gpu);
        if (gpu->epoch != epoch) return weft_fail(WEFT_ERR_LOST, "the device was lost during the wait");
        if (gpu->finished_tick >= tick) break;
        weft_gpu_unlock(gpu);
        weft_status patience = status == WEFT_ERR_LOST ? status : weft_gpu_patience(gpu, since);
        if (patience == WEFT_OK) weft_gpu_backoff(since);
        weft_gpu_lock(gpu);
        if (patience != WEFT_OK) return patience;
        if (status != WEFT_OK) result = status; // told once the wait is over
    }
    return result;
}

weft_status weft_gpu_poll(weft_gpu *gpu, uint64_t *finished)
{
    weft_status status = weft_gpu_poll_once(gpu);
    weft_gpu_lock(gpu);
    if (finished) *finished = gpu->finished;
    weft_gpu_unlock(gpu);
    return status;
}
