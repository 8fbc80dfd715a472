// Time: ticks and serials, polling, waiting, timeouts, and what is freed once the work that uses it is finished.
//
// Every submit to a device, the layer's own ones included (readbacks, fills, flushes), has a tick; the caller's submits
// also have a serial. The device reports finished ticks; tick_of translates.
#include "core/cancel.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "gpu/front/front.h"
#include "gpu/gpu_test.h"
#include <stdio.h>
#include <string.h>

// ---- ticks ----------------------------------------------------------------------------------------------------------

weft_status weft_gpu_submit_work(weft_gpu *gpu, struct weft_gpu_work *work) {
    WEFT_TRY(weft_gpu_lost(gpu));
    work->tick = gpu->tick + 1;
    weft_status status = weft_gpu_inject_now(gpu, WEFT_GPU_AT_SUBMIT, "submit");
    if (status == WEFT_OK) status = gpu->backend->submit(gpu->dev, work);
    if (status == WEFT_ERR_DEVICE) {
        weft_status lost = weft_gpu_lost(gpu);
        if (lost != WEFT_OK) status = lost;
    }
    if (status != WEFT_OK) return status;
    gpu->tick = work->tick;
    gpu->unflushed = 0;
    return WEFT_OK;
}

void weft_gpu_free_later(weft_gpu *gpu, void *obj, void (*free_obj)(void *, void *)) {
    bool idle = gpu->finished_tick >= gpu->tick;
    // Without memory for the list the object is freed now: implementations keep what work in flight uses.
    if (idle ||
        !weft_gpu_grow(gpu, (void **)&gpu->deferred, &gpu->cap_deferred, gpu->n_deferred + 1, sizeof *gpu->deferred)) {
        free_obj(gpu->dev, obj);
        return;
    }
    gpu->deferred[gpu->n_deferred++] = (struct weft_gpu_deferred){obj, free_obj, gpu->tick};
}

static void add_time(void *user, uint32_t row, double seconds) {
    weft_gpu *gpu = user;
    gpu->rows[row].count++;
    gpu->rows[row].seconds += seconds;
}

static void collect_times(weft_gpu *gpu) {
    if (gpu->backend->profile_take) gpu->backend->profile_take(gpu->dev, add_time, gpu);
}

void weft_gpu_advance(weft_gpu *gpu) {
    uint64_t now_finished = gpu->backend->finished(gpu->dev);
    if (now_finished > gpu->finished_tick) gpu->progress = weft_now();
    gpu->finished_tick = now_finished;
    while (gpu->finished < gpu->serial && gpu->tick_of[(gpu->finished + 1) % WEFT_GPU_TICKS] <= gpu->finished_tick)
        gpu->finished++;
    size_t kept = 0;
    for (size_t i = 0; i < gpu->n_deferred; i++) {
        struct weft_gpu_deferred *d = &gpu->deferred[i];
        if (d->tick <= gpu->finished_tick) d->free_obj(gpu->dev, d->obj);
        else gpu->deferred[kept++] = *d;
    }
    gpu->n_deferred = kept;
    if (gpu->profile) collect_times(gpu);
}

weft_status weft_gpu_poll_once(weft_gpu *gpu) {
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

weft_status weft_gpu_poll(weft_gpu *gpu, uint64_t *finished) {
    weft_status status = weft_gpu_poll_once(gpu);
    weft_gpu_lock(gpu);
    if (finished) *finished = gpu->finished;
    weft_gpu_unlock(gpu);
    return status;
}

// ---- giving up ------------------------------------------------------------------------------------------------------

static void copy_label(char *out, const char *label) {
    size_t n = label ? strnlen(label, WEFT_GPU_LABEL - 1) : 0;
    if (n) memcpy(out, label, n);
    out[n] = 0;
}

// Labels are copied: a program may be destroyed while its work is in flight.
void weft_gpu_note_flight(weft_gpu *gpu, uint64_t serial, const struct weft_gpu_step *steps, size_t n) {
    struct weft_gpu_flight *f = &gpu->flights[serial % WEFT_GPU_TICKS];
    f->n_steps = (uint32_t)n;
    copy_label(f->first, n ? steps[0].label : NULL);
    copy_label(f->last, n ? steps[n - 1].label : NULL);
}

static void describe_flight(const weft_gpu *gpu, char *text, size_t size) {
    uint64_t n = gpu->serial - gpu->finished;
    if (n == 0) {
        snprintf(text, size, "copies, writes and readbacks are in flight, but no steps");
        return;
    }
    const struct weft_gpu_flight *f = &gpu->flights[(gpu->finished + 1) % WEFT_GPU_TICKS];
    snprintf(text, size, "the oldest of %llu submits in flight is number %llu, %u steps: '%s' to '%s'",
             (unsigned long long)n, (unsigned long long)gpu->finished + 1, f->n_steps, f->first, f->last);
}

weft_status weft_gpu_check_timeout(weft_gpu *gpu, double since) {
    WEFT_TRY(weft_fail_in(weft_cancel_check(), "while waiting"));
    weft_gpu_lock(gpu);
    double quiet = weft_now() - (gpu->progress > since ? gpu->progress : since), most = gpu->timeout;
    weft_status status = WEFT_OK;
    if (most > 0 && quiet >= most) {
        char flight[2 * WEFT_GPU_LABEL + 120];
        describe_flight(gpu, flight, sizeof flight);
        if (!gpu->lost) {
            gpu->lost = gpu->hung = true;
            snprintf(gpu->lost_why, sizeof gpu->lost_why, "nothing finished for %g s; %.*s", most,
                     (int)(sizeof gpu->lost_why - 64), flight);
            weft_log(WEFT_LOG_ERROR, "gpu: %s: %s", gpu->caps.adapter, gpu->lost_why);
        }
        status =
            weft_fail(WEFT_ERR_TIMEOUT, "nothing finished for %g s; %s; the device counts as lost now", most, flight);
    }
    weft_gpu_unlock(gpu);
    return status;
}

bool weft_gpu_stall(weft_gpu *gpu, bool on) {
    if (!gpu->backend->stall) return false;
    weft_gpu_lock(gpu);
    gpu->backend->stall(gpu->dev, on);
    weft_gpu_unlock(gpu);
    return true;
}

// ---- waiting --------------------------------------------------------------------------------------------------------

// A blocking wait of the implementation would block other threads' submits, so all waiting is polling. Sleeps are a
// quarter of the time waited so far: short work is noticed soon, long work costs little. The shortest sleep takes some
// 70 us, as long as a copy of a few MiB, so what should end sooner is waited for without; but for a CPU driver, which
// wants the processor itself.
void weft_gpu_backoff(const weft_gpu *gpu, double since, uint64_t bytes) {
    const double slow_bus = 4e9, start = 100e-6;
    bool own = gpu->caps.kind == WEFT_GPU_DISCRETE || gpu->caps.kind == WEFT_GPU_INTEGRATED;
    double waited = weft_now() - since;
    if (waited < (own ? start + (double)bytes / slow_bus : 20e-6)) gpu->pause(0);
    else gpu->pause(waited < 80e-6 ? 20e-6 : waited < 800e-6 ? waited / 4 : 200e-6);
}

weft_status weft_gpu_stand_by(weft_gpu *gpu, double since) {
    WEFT_TRY(weft_fail_in(weft_cancel_check(), "while waiting"));
    weft_gpu_backoff(gpu, since, 0);
    return WEFT_OK;
}

weft_status weft_gpu_wait_tick(weft_gpu *gpu, uint64_t tick) {
    weft_status result = WEFT_OK;
    double since = weft_now();
    const uint32_t generation = gpu->generation;
    while (gpu->finished_tick < tick) {
        weft_gpu_unlock(gpu);
        weft_status status = weft_gpu_poll_once(gpu);
        weft_gpu_lock(gpu);
        if (gpu->generation != generation) return weft_fail(WEFT_ERR_LOST, "the device was lost during the wait");
        if (gpu->finished_tick >= tick) break;
        weft_gpu_unlock(gpu);
        weft_status ended = status == WEFT_ERR_LOST ? status : weft_gpu_check_timeout(gpu, since);
        if (ended == WEFT_OK) weft_gpu_backoff(gpu, since, 0);
        weft_gpu_lock(gpu);
        if (ended != WEFT_OK) return ended;
        if (status != WEFT_OK) result = status; // reported once the wait is over
    }
    return result;
}

weft_status weft_gpu_wait(weft_gpu *gpu, uint64_t serial, double seconds) {
    weft_gpu_lock(gpu);
    uint64_t last = gpu->serial;
    bool lost = weft_gpu_was_lost(gpu, serial);
    weft_gpu_unlock(gpu);
    if (lost)
        return weft_fail(WEFT_ERR_LOST, "submit %llu was not finished when the device was lost",
                         (unsigned long long)serial);
    if (serial > last)
        return weft_fail(WEFT_ERR_INVALID, "wait for submit %llu, but only %llu were made", (unsigned long long)serial,
                         (unsigned long long)last);
    double since = weft_now();
    for (;;) {
        uint64_t finished;
        WEFT_TRY(weft_gpu_poll(gpu, &finished));
        if (finished >= serial) return WEFT_OK;
        if (seconds >= 0 && weft_now() - since >= seconds)
            return weft_fail(WEFT_ERR_TIMEOUT, "submit %llu was not finished after %g s", (unsigned long long)serial,
                             seconds);
        WEFT_TRY(weft_gpu_check_timeout(gpu, since));
        weft_gpu_backoff(gpu, since, 0);
    }
}

weft_status weft_gpu_wait_idle(weft_gpu *gpu) {
    weft_gpu_lock(gpu);
    weft_status status = weft_gpu_lost(gpu);
    if (status == WEFT_OK) status = weft_gpu_wait_tick(gpu, gpu->tick);
    weft_gpu_unlock(gpu);
    return status;
}
