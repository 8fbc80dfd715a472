#include "exec/session/base.h"
#include "core/error.h"

weft_status weft_session_no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for a session"); }

weft_status weft_session_null_argument(const char *call) {
    return weft_fail(WEFT_ERR_INVALID, "%s: an argument is NULL", call);
}

weft_status weft_base_check_alive(const struct weft_base *b) {
    WEFT_TRY(weft_program_check_alive(b->program));
    if (!b->lost_why[0]) return WEFT_OK;
    return weft_fail(WEFT_ERR_LOST, "the session was lost with the device and not recovered: %s", b->lost_why);
}

weft_status weft_base_check_not_cancelled(const struct weft_base *b) {
    if (!weft_cancel_is_set(&b->cancel)) return WEFT_OK;
    return weft_fail(WEFT_ERR_CANCELLED, "the session was cancelled; weft_session_resume lets it go on");
}

weft_status weft_base_read(struct weft_base *b, weft_buf buf, uint64_t offset, void *data, uint64_t bytes) {
    WEFT_TRY(weft_base_check_not_cancelled(b));
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, &b->cancel);
    weft_status status = weft_buf_read(b->gpu, buf, offset, data, bytes);
    weft_cancel_end(&scope);
    return status;
}

weft_status weft_base_submit(struct weft_base *b, const struct weft_gpu_submit *submit, bool whole) {
    struct weft_cancel_scope scope;
    if (whole) weft_cancel_begin_whole(&scope);
    else weft_cancel_begin(&scope, &b->cancel);
    weft_status status = weft_gpu_submit(b->gpu, submit, &b->last_serial);
    weft_cancel_end(&scope);
    return status;
}

bool weft_base_computes(const struct weft_base *b) { return weft_gpu_caps(b->gpu)->kind != WEFT_GPU_NULL; }
