// After a loss: the same adapter is opened again underneath the same handle, and what depends on it is made again.
#include "gpu/open.h"
#include "core/error.h"
#include "core/file.h"
#include <stdio.h>
#include <string.h>

// ---- dependents -----------------------------------------------------------------------------------------------------

void weft_gpu_depend(weft_gpu *gpu, struct weft_gpu_dependent *d) {
    weft_gpu_lock(gpu);
    struct weft_gpu_dependent **at = &gpu->dependents[d->rank];
    d->prev = NULL;
    d->next = NULL;
    while (*at) {
        d->prev = *at;
        at = &(*at)->next;
    }
    *at = d;
    d->listed = true;
    weft_gpu_unlock(gpu);
}

void weft_gpu_undepend(weft_gpu *gpu, struct weft_gpu_dependent *d) {
    weft_gpu_lock(gpu);
    if (d->listed) {
        if (d->prev) d->prev->next = d->next;
        else gpu->dependents[d->rank] = d->next;
        if (d->next) d->next->prev = d->prev;
    }
    d->listed = false;
    weft_gpu_unlock(gpu);
}

bool weft_gpu_depends(weft_gpu *gpu, enum weft_gpu_rank rank, const void *self) {
    bool found = false;
    weft_gpu_lock(gpu);
    for (const struct weft_gpu_dependent *d = gpu->dependents[rank]; d && !found; d = d->next) found = d->self == self;
    weft_gpu_unlock(gpu);
    return found;
}

weft_status weft_gpu_remake(weft_gpu *gpu, void *report, size_t *failed) {
    weft_status first = WEFT_OK;
    char sentence[1024] = "";
    *failed = 0;
    // Nothing is registered or taken away meanwhile, so the lists are walked without the lock, which `remake` needs.
    for (int rank = 0; rank < WEFT_GPU_RANKS; rank++)
        for (struct weft_gpu_dependent *d = gpu->dependents[rank]; d; d = d->next) {
            weft_status status = d->remake(d->self, report);
            if (status == WEFT_OK) continue;
            ++*failed;
            if (first != WEFT_OK) continue;
            first = status;
            snprintf(sentence, sizeof sentence, "%s", weft_error_message());
        }
    return first == WEFT_OK ? WEFT_OK : weft_fail(first, "%s", sentence);
}

// ---- opening again --------------------------------------------------------------------------------------------------

// From here on every call is refused until a device is there again.
static void refuse_calls(weft_gpu *gpu, const char *why) {
    if (!gpu->lost) snprintf(gpu->lost_why, sizeof gpu->lost_why, "%s", why);
    gpu->lost = true;
}

// What was submitted and not finished stays so.
static void end_serials(weft_gpu *gpu) {
    if (gpu->finished < gpu->serial) weft_gpu_note_lost(gpu, gpu->finished + 1, gpu->serial);
    gpu->finished = gpu->serial;
    gpu->tick = gpu->finished_tick = gpu->flush_tick = gpu->unflushed = 0;
    memset(gpu->tick_of, 0, sizeof gpu->tick_of);
}

// With the poll lock and the lock: the device of before gives way.
static void install(weft_gpu *gpu, const struct weft_gpu_opened *opened) {
    if (!weft_gpu_left(gpu)) gpu->backend->close(gpu->dev);
    gpu->backend = opened->backend;
    gpu->dev = opened->dev;
    gpu->caps = opened->caps;
    gpu->lost = gpu->hung = false;
    end_serials(gpu);
}

// Plans were made for the capabilities of before. Memory may differ: it is only a figure to compare with.
static bool same_caps(const struct weft_gpu_caps *a, const struct weft_gpu_caps *b) {
    return strcmp(a->implementation, b->implementation) == 0 && strcmp(a->adapter, b->adapter) == 0 &&
           strcmp(a->driver, b->driver) == 0 && a->kind == b->kind && a->f16 == b->f16 &&
           a->subgroups == b->subgroups && a->dot4 == b->dot4 && a->timestamps == b->timestamps &&
           a->immediates == b->immediates && a->subgroup_min == b->subgroup_min && a->subgroup_max == b->subgroup_max &&
           a->n_matrix_configs == b->n_matrix_configs && a->max_binding == b->max_binding &&
           a->max_buffer == b->max_buffer && a->max_storage_buffers == b->max_storage_buffers &&
           a->max_dynamic_uniforms == b->max_dynamic_uniforms && a->max_uniform_binding == b->max_uniform_binding &&
           a->max_invocations == b->max_invocations && a->max_workgroup_x == b->max_workgroup_x &&
           a->max_workgroup_y == b->max_workgroup_y && a->max_workgroup_z == b->max_workgroup_z &&
           a->max_groups == b->max_groups && a->workgroup_memory == b->workgroup_memory;
}

// Frees what was on the device. The poll lock is held until the new one is there: nobody polls the old one.
static void free_device(weft_gpu *gpu) {
    weft_gpu_lock(gpu);
    // An answer of a device that is gone changes nothing here.
    if (weft_gpu_lost(gpu) == WEFT_OK) (void)weft_gpu_wait_tick(gpu, gpu->tick);
    refuse_calls(gpu, "it is being opened again");
    for (double since = weft_now(); gpu->building;) {
        weft_gpu_unlock(gpu);
        weft_gpu_backoff(gpu, since, 0);
        weft_gpu_lock(gpu);
    }
    weft_gpu_advance(gpu); // what was finished in time has been
    weft_gpu_unlock(gpu);
    pthread_mutex_lock(&gpu->poll_lock);
    weft_gpu_lock(gpu);
    weft_gpu_free_objects(gpu);
    gpu->generation++;
    weft_gpu_unlock(gpu);
}

// Asks the new device what the old one was asked.
static weft_status probe_again(weft_gpu *gpu, const struct weft_gpu_opened *opened,
                               const struct weft_gpu_caps *before) {
    weft_status status = weft_gpu_probe(gpu, opened->probe_subgroups, opened->probe_dot4);
    weft_gpu_lock(gpu);
    if (status == WEFT_OK && !same_caps(&gpu->caps, before))
        status = weft_fail(WEFT_ERR_DEVICE,
                           "the adapter that was found again, %s, can do other things than %s could before; close the "
                           "device and compile anew",
                           gpu->caps.adapter, before->adapter);
    if (status != WEFT_OK) refuse_calls(gpu, "it was not the same when it was opened again");
    weft_gpu_unlock(gpu);
    return status;
}

weft_status weft_gpu_reopen(weft_gpu *gpu) {
    const struct weft_gpu_caps before = gpu->caps;
    struct weft_gpu_params params = gpu->params;
    struct weft_gpu_opened opened = {0};
    params.implementation = gpu->library;
    free_device(gpu);
    weft_status status = weft_gpu_find(&params, &opened);
    weft_gpu_lock(gpu);
    if (status == WEFT_OK) install(gpu, &opened);
    weft_gpu_unlock(gpu);
    pthread_mutex_unlock(&gpu->poll_lock);
    if (status == WEFT_OK) status = probe_again(gpu, &opened, &before);
    return weft_fail_in(status, "%s could not be opened again", before.adapter);
}
