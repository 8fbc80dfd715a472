// The door's patience: what ends a wait before its work is finished, and what is called once work is.
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "gpu/door.h"
#include <stdio.h>
#include <string.h>

// ---- cancelling ----------------------------------------------------------------------------------------------------

static _Thread_local const atomic_bool *thread_token;

const atomic_bool *weft_gpu_token(const atomic_bool *token)
{
    const atomic_bool *before = thread_token;
    thread_token = token;
    return before;
}

// ---- giving up -----------------------------------------------------------------------------------------------------

static void copy_label(char *out, const char *label)
{
    size_t n = label ? strnlen(label, WEFT_GPU_LABEL - 1) : 0;
    if (n) memcpy(out, label, n);
    out[n] = 0;
}

// Labels are copied: a program may be destroyed while its work is in flight.
void weft_gpu_note_flight(weft_gpu *gpu, uint64_t serial, const struct weft_gpu_step *steps, size_t n)
{
    struct weft_gpu_flight *f = &gpu->flights[serial % WEFT_GPU_TICKS];
    f->n_steps = (uint32_t)n;
    copy_label(f->first, n ? steps[0].label : NULL);
    copy_label(f->last, n ? steps[n - 1].label : NULL);
}

static void describe_flight(const weft_gpu *gpu, char *text, size_t size)
{
    uint64_t n = gpu->serial - gpu->finished;
    if (n == 0) {
        snprintf(text, size, "copies, writes and readbacks are in flight, but no steps");
        return;
    }
    const struct weft_gpu_flight *f = &gpu->flights[(gpu->finished + 1) % WEFT_GPU_TICKS];
    snprintf(text, size, "the oldest of %llu submits in flight is number %llu, %u steps: '%s' to '%s'",
             (unsigned long long)n, (unsigned long long)gpu->finished + 1, f->n_steps, f->first, f->last);
}

weft_status weft_gpu_patience(weft_gpu *gpu, double since)
{
    if (thread_token && atomic_load(thread_token)) return weft_fail(WEFT_ERR_CANCELLED, "cancelled while waiting");
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
        status = weft_fail(WEFT_ERR_TIMEOUT, "nothing finished for %g s; %s; the device counts as lost now", most,
                           flight);
    }
    weft_gpu_unlock(gpu);
    return status;
}

bool weft_gpu_stall(weft_gpu *gpu, bool on)
{
    if (!gpu->backend->stall) return false;
    weft_gpu_lock(gpu);
    gpu->backend->stall(gpu->dev, on);
    weft_gpu_unlock(gpu);
    return true;
}

// ---- functions to call ---------------------------------------------------------------------------------------------

weft_status weft_gpu_on_done(weft_gpu *gpu, uint64_t serial, weft_gpu_done_fn fn, void *user, const void *owner)
{
    weft_gpu_lock(gpu);
    weft_status status = WEFT_OK;
    if (serial > gpu->serial)
        status = weft_fail(WEFT_ERR_INVALID, "a function to be called after submit %llu, but only %llu were made",
                           (unsigned long long)serial, (unsigned long long)gpu->serial);
    else if (!weft_gpu_grow(gpu, (void **)&gpu->dues, &gpu->cap_dues, gpu->n_dues + 1, sizeof *gpu->dues))
        status = weft_fail(WEFT_ERR_NOMEM, "out of memory for a function to be called after submit %llu",
                           (unsigned long long)serial);
    else gpu->dues[gpu->n_dues++] = (struct weft_gpu_due){serial, ++gpu->due_number, fn, user, owner};
    weft_gpu_unlock(gpu);
    return status;
}

// Takes the first one out that is due and was registered before `newest`; order of serial, then of registration.
static bool take_due(weft_gpu *gpu, uint64_t newest, bool all, struct weft_gpu_due *out)
{
    size_t best = gpu->n_dues;
    for (size_t i = 0; i < gpu->n_dues; i++) {
        const struct weft_gpu_due *d = &gpu->dues[i];
        if (d->number > newest || (!all && d->serial > gpu->finished)) continue;
        if (best == gpu->n_dues || d->serial < gpu->dues[best].serial) best = i;
    }
    if (best == gpu->n_dues) return false;
    *out = gpu->dues[best];
    memmove(&gpu->dues[best], &gpu->dues[best + 1], (gpu->n_dues - best - 1) * sizeof *gpu->dues);
    gpu->n_dues--;
    return true;
}

weft_status weft_gpu_fire(weft_gpu *gpu)
{
    weft_status status = weft_gpu_poll(gpu, NULL);
    char sentence[512] = "";
    if (status != WEFT_OK) snprintf(sentence, sizeof sentence, "%s", weft_error_message());
    weft_gpu_lock(gpu);
    uint64_t newest = gpu->due_number;
    struct weft_gpu_due due;
    while (take_due(gpu, newest, status == WEFT_ERR_LOST, &due)) {
        bool lost = weft_gpu_was_lost(gpu, due.serial), done = due.serial <= gpu->finished;
        struct weft_gpu_call call = {due.owner, pthread_self(), gpu->calls}, **link = &gpu->calls;
        gpu->calls = &call;
        weft_gpu_unlock(gpu);
        due.fn(due.user, due.serial, lost ? WEFT_ERR_LOST : done ? WEFT_OK : status);
        weft_gpu_lock(gpu);
        while (*link != &call) link = &(*link)->next;
        *link = call.next;
        pthread_cond_broadcast(&gpu->called);
    }
    weft_gpu_unlock(gpu);
    return status == WEFT_OK ? status : weft_fail(status, "%s", sentence); // the functions may have failed too
}

/// Another thread is in a function of this owner. A function may end its own owner.
static bool is_called(const weft_gpu *gpu, const void *owner)
{
    for (const struct weft_gpu_call *c = gpu->calls; c; c = c->next)
        if (c->owner == owner && !pthread_equal(c->thread, pthread_self())) return true;
    return false;
}

void weft_gpu_forget(weft_gpu *gpu, const void *owner)
{
    weft_gpu_lock(gpu);
    size_t kept = 0;
    for (size_t i = 0; i < gpu->n_dues; i++)
        if (gpu->dues[i].owner != owner) gpu->dues[kept++] = gpu->dues[i];
    gpu->n_dues = kept;
    while (is_called(gpu, owner)) pthread_cond_wait(&gpu->called, &gpu->lock);
    weft_gpu_unlock(gpu);
}
