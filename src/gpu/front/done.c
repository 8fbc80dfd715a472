// Functions to call once a submit is finished.
#include "core/error.h"
#include "core/file.h"
#include "gpu/front/front.h"
#include <stdio.h>
#include <string.h>

weft_status weft_gpu_on_done(weft_gpu *gpu, uint64_t serial, weft_gpu_done_fn fn, void *user, const void *owner) {
    weft_gpu_lock(gpu);
    weft_status status = WEFT_OK;
    if (serial > gpu->serial)
        status = weft_fail(WEFT_ERR_INVALID, "a function to be called after submit %llu, but only %llu were made",
                           (unsigned long long)serial, (unsigned long long)gpu->serial);
    else if (!weft_gpu_grow(gpu, (void **)&gpu->callbacks, &gpu->cap_callbacks, gpu->n_callbacks + 1,
                            sizeof *gpu->callbacks))
        status = weft_fail(WEFT_ERR_NOMEM, "out of memory for a function to be called after submit %llu",
                           (unsigned long long)serial);
    else
        gpu->callbacks[gpu->n_callbacks++] =
            (struct weft_gpu_callback){serial, ++gpu->callback_number, fn, user, owner};
    weft_gpu_unlock(gpu);
    return status;
}

// Takes the first one out that is due and was registered before `newest`; order of serial, then of registration.
static bool take_callback(weft_gpu *gpu, uint64_t newest, bool all, struct weft_gpu_callback *out) {
    size_t best = gpu->n_callbacks;
    for (size_t i = 0; i < gpu->n_callbacks; i++) {
        const struct weft_gpu_callback *d = &gpu->callbacks[i];
        if (d->number > newest || (!all && d->serial > gpu->finished)) continue;
        if (best == gpu->n_callbacks || d->serial < gpu->callbacks[best].serial) best = i;
    }
    if (best == gpu->n_callbacks) return false;
    *out = gpu->callbacks[best];
    memmove(&gpu->callbacks[best], &gpu->callbacks[best + 1], (gpu->n_callbacks - best - 1) * sizeof *gpu->callbacks);
    gpu->n_callbacks--;
    return true;
}

weft_status weft_gpu_fire(weft_gpu *gpu) {
    weft_status status = weft_gpu_poll(gpu, NULL);
    char sentence[512] = "";
    if (status != WEFT_OK) snprintf(sentence, sizeof sentence, "%s", weft_error_message());
    weft_gpu_lock(gpu);
    uint64_t newest = gpu->callback_number;
    struct weft_gpu_callback callback;
    while (take_callback(gpu, newest, status == WEFT_ERR_LOST, &callback)) {
        bool lost = weft_gpu_was_lost(gpu, callback.serial), done = callback.serial <= gpu->finished;
        struct weft_gpu_call call = {callback.owner, pthread_self(), gpu->calls}, **link = &gpu->calls;
        gpu->calls = &call;
        weft_gpu_unlock(gpu);
        callback.fn(callback.user, callback.serial, lost ? WEFT_ERR_LOST : done ? WEFT_OK : status);
        weft_gpu_lock(gpu);
        while (*link != &call) link = &(*link)->next;
        *link = call.next;
    }
    weft_gpu_unlock(gpu);
    return status == WEFT_OK ? status : weft_fail(status, "%s", sentence); // the functions may have failed too
}

/// Another thread is in a function of this owner. A function may end its own owner.
static bool is_called(const weft_gpu *gpu, const void *owner) {
    for (const struct weft_gpu_call *c = gpu->calls; c; c = c->next)
        if (c->owner == owner && !pthread_equal(c->thread, pthread_self())) return true;
    return false;
}

void weft_gpu_forget(weft_gpu *gpu, const void *owner) {
    weft_gpu_lock(gpu);
    size_t kept = 0;
    for (size_t i = 0; i < gpu->n_callbacks; i++)
        if (gpu->callbacks[i].owner != owner) gpu->callbacks[kept++] = gpu->callbacks[i];
    gpu->n_callbacks = kept;
    for (double since = weft_now(); is_called(gpu, owner);) {
        weft_gpu_unlock(gpu);
        weft_gpu_backoff(gpu, since, 0);
        weft_gpu_lock(gpu);
    }
    weft_gpu_unlock(gpu);
}
