/// Waiting for runs and reads, and cancelling what waits.
#include "core/error.h"
#include "exec/session/impl.h"

static weft_status missing(const char *call, const char *argument) {
    return weft_fail(WEFT_ERR_INVALID, "%s: %s must not be NULL", call, argument);
}

weft_status weft_session_read_finish(weft_session *s, weft_pending *pending, void *data, uint64_t bytes) {
    if (!s || !pending) return missing("weft_session_read_finish", s ? "pending" : "session");
    weft_readback rb = {pending->id, pending->gen};
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, &s->base.cancel);
    weft_status status = weft_readback_finish(s->base.gpu, &rb, data, bytes);
    weft_cancel_end(&scope);
    *pending = (weft_pending){rb.id, rb.gen};
    return status;
}

weft_status weft_session_wait(weft_session *s, uint64_t fence, double seconds) {
    if (!s) return missing("weft_session_wait", "session");
    WEFT_TRY(weft_base_check_not_cancelled(&s->base));
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, &s->base.cancel);
    weft_status status = weft_gpu_wait(s->base.gpu, fence, seconds);
    if (status == WEFT_OK) status = weft_io_deliver(&s->io, fence);
    weft_cancel_end(&scope);
    return status;
}

weft_status weft_session_done(weft_session *s, uint64_t fence, bool *done) {
    if (!s || !done) return missing("weft_session_done", s ? "done" : "session");
    *done = false;
    weft_status status = weft_gpu_wait(s->base.gpu, fence, 0);
    if (status == WEFT_ERR_TIMEOUT) return WEFT_OK; // not finished is an answer, not a failure
    if (status == WEFT_OK) status = weft_io_deliver(&s->io, fence);
    *done = status == WEFT_OK;
    return status;
}

weft_status weft_session_on_done(weft_session *s, uint64_t fence, weft_done_fn fn, void *user) {
    if (!s || !fn) return missing("weft_session_on_done", s ? "fn" : "session");
    return weft_gpu_on_done(s->base.gpu, fence, fn, user, s);
}

weft_status weft_session_run_blocking(weft_session *s, uint32_t runs) {
    uint64_t fence = 0;
    WEFT_TRY(weft_session_run(s, runs, &fence));
    return weft_session_wait(s, fence, -1);
}

// ---- cancelling ----------------------------------------------------------------------------------------------------

void weft_session_cancel(weft_session *s) {
    if (s) weft_cancel_set(&s->base.cancel);
}

void weft_session_resume(weft_session *s) {
    if (s) weft_cancel_clear(&s->base.cancel);
}

bool weft_session_cancelled(const weft_session *s) { return s && weft_cancel_is_set(&s->base.cancel); }
