// Errors and loss as implementations report them.
//
// Callbacks touch atomics and the error slot only, and call nothing of the implementation: wgpu-native deadlocks when
// an error is raised inside its error callback.
#include "core/error.h"
#include "gpu/webgpu/impl.h"
#include <stdio.h>
#include <string.h>

enum { LOST_NO, LOST_RECORDING, LOST_YES }; // RECORDING: a thread is writing down why

void weft_webgpu_text(WGPUStringView view, char *out, size_t size) {
    size_t n = !view.data ? 0 : view.length == WGPU_STRLEN ? strlen(view.data) : view.length;
    while (n > 0 && (view.data[n - 1] == '\n' || view.data[n - 1] == ' ')) n--;
    if (n >= size) n = size - 1;
    if (n) memcpy(out, view.data, n);
    out[n] = 0;
}

// Both implementations call back on the thread that made the bad call, before that call returns, so a capture is a
// thread's own, and no error is taken for another thread's (an error scope of wgpu-native would take it).
static _Thread_local struct weft_webgpu_capture *capture;

void weft_webgpu_capture_begin(struct weft_webgpu_capture *c) {
    c->outer = capture;
    c->type = WGPUErrorType_NoError;
    c->text[0] = 0;
    capture = c;
}

// wgpu-native reports a loss only by what later calls answer, so such an answer is remembered: a submit to a lost
// device would end the process.
static void mark_lost(struct weft_webgpu_device *d, const char *why) {
    int there = LOST_NO;
    if (!atomic_compare_exchange_strong(&d->lost, &there, LOST_RECORDING)) return;
    snprintf(d->lost_why, sizeof d->lost_why, "%.*s", (int)strcspn(why, "\n"), why);
    atomic_store(&d->lost, LOST_YES);
}

weft_status weft_webgpu_capture_end(struct weft_webgpu_device *d, struct weft_webgpu_capture *c, const char *what) {
    capture = c->outer;
    if (c->type == WGPUErrorType_NoError) return WEFT_OK;
    if (strstr(c->text, "evice is lost")) mark_lost(d, "the implementation says that the device is lost");
    if (atomic_load(&d->lost)) return weft_fail(WEFT_ERR_LOST, "%s: %s", what, c->text);
    // Memory that ran out is a validation error to wgpu-native, and at times an internal one to Dawn.
    bool memory = c->type == WGPUErrorType_OutOfMemory || strstr(c->text, "Not enough memory") ||
                  strstr(c->text, "VK_ERROR_OUT_OF_DEVICE_MEMORY") || strstr(c->text, "VK_ERROR_OUT_OF_HOST_MEMORY");
    return weft_fail(memory ? WEFT_ERR_NOMEM : WEFT_ERR_DEVICE, "%s: %s", what, c->text);
}

void weft_webgpu_on_error(WGPUDevice const *device, WGPUErrorType type, WGPUStringView message, void *dev,
                          void *unused) {
    (void)device, (void)unused;
    struct weft_webgpu_device *d = dev;
    if (capture) {
        // The first error is the cause; what follows are its consequences.
        if (capture->type != WGPUErrorType_NoError) return;
        capture->type = type;
        weft_webgpu_text(message, capture->text, sizeof capture->text);
        return;
    }
    pthread_mutex_lock(&d->error_lock);
    if (!d->error[0]) weft_webgpu_text(message, d->error, sizeof d->error);
    pthread_mutex_unlock(&d->error_lock);
}

void weft_webgpu_on_lost(WGPUDevice const *device, WGPUDeviceLostReason reason, WGPUStringView message, void *dev,
                         void *unused) {
    (void)device, (void)unused;
    struct weft_webgpu_device *d = dev;
    if (reason == WGPUDeviceLostReason_Destroyed) return;
    char why[sizeof d->lost_why];
    weft_webgpu_text(message, why, sizeof why);
    mark_lost(d, why);
}

bool weft_webgpu_take_error(void *dev, char *text, size_t size) {
    struct weft_webgpu_device *d = dev;
    pthread_mutex_lock(&d->error_lock);
    bool any = d->error[0] != 0;
    if (any) snprintf(text, size, "%s", d->error);
    d->error[0] = 0;
    pthread_mutex_unlock(&d->error_lock);
    return any;
}

const char *weft_webgpu_lost(void *dev) {
    struct weft_webgpu_device *d = dev;
    int state = atomic_load(&d->lost);
    return state == LOST_YES ? d->lost_why : state == LOST_RECORDING ? "just now" : NULL;
}

void weft_webgpu_lose(void *dev) {
    struct weft_webgpu_device *d = dev;
    if (d->lib->ForceLoss)
        d->lib->ForceLoss(d->device, WGPUDeviceLostReason_Unknown, weft_webgpu_view("a test asked for it"));
    else weft_webgpu_on_lost(NULL, WGPUDeviceLostReason_Unknown, weft_webgpu_view("a test asked for it"), d, NULL);
}
