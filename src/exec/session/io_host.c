/// Runs and the host's ends of inputs and outputs: what is copied to and from them around the steps.
#include "core/error.h"
#include "exec/buffer.h"
#include "exec/session/io.h"
#include "plan/kernel.h"

// ---- buffers on the way to the host --------------------------------------------------------------------------------

void weft_io_drop_backs(struct weft_io *io, uint32_t number) {
    for (uint32_t r = 0; r < WEFT_HOST_RUNS; r++) {
        weft_buf_release(io->base->gpu, &io->backs[number].bufs[r]);
        weft_buf_release(io->base->gpu, &io->backs[number].old[r]);
    }
    io->backs[number] = (struct weft_io_back){0};
}

void weft_io_replace_backs(struct weft_io *io, uint32_t number, const struct weft_io_back *larger) {
    struct weft_io_back *b = &io->backs[number];
    for (uint32_t r = 0; r < WEFT_HOST_RUNS; r++) {
        if (io->host_fences[r] && b->host[r] && !b->old[r].id) b->old[r] = b->bufs[r];
        else weft_buf_release(io->base->gpu, &b->bufs[r]);
        b->bufs[r] = larger->bufs[r];
    }
}

weft_status weft_io_make_backs(struct weft_io *io, uint32_t number, struct weft_io_back *out) {
    uint64_t bytes = io->next[number].bytes, most = weft_plan_io_bytes(io->base->plan, number);
    bytes = bytes < most ? weft_align256(bytes) : most;
    if (io->backs[number].bufs[0].id && weft_buf_size(io->base->gpu, io->backs[number].bufs[0]) >= bytes)
        return WEFT_OK;
    for (uint32_t r = 0; r < WEFT_HOST_RUNS; r++) {
        weft_status status =
            weft_buf_create(io->base->gpu, bytes, WEFT_BUF_READBACK, weft_io_name(io, number), &out->bufs[r]);
        if (status == WEFT_OK) continue;
        while (r-- > 0) weft_buf_release(io->base->gpu, &out->bufs[r]);
        *out = (struct weft_io_back){0};
        return status;
    }
    return WEFT_OK;
}

// ---- runs ----------------------------------------------------------------------------------------------------------

static weft_status check_alive(const struct weft_io *io) {
    for (uint32_t i = 0; i < io->base->plan->n_ios; i++) {
        if (!io->bound[i].buf.id || weft_buf_alive(io->base->gpu, io->bound[i].buf)) continue;
        WEFT_TRY(weft_fail_in(weft_buffer_why_gone(io->base->gpu, io->bound[i].buffer), "%s '%s'", weft_io_kind(io, i),
                              weft_io_name(io, i)));
        return weft_fail(WEFT_ERR_STALE,
                         "%s '%s' is bound to a buffer that has been destroyed; bind another, or "
                         "NULL for the session's own (weft_session_bind)",
                         weft_io_kind(io, i), weft_io_name(io, i));
    }
    return WEFT_OK;
}

weft_status weft_io_begin(struct weft_io *io, const int64_t *symbols, struct weft_gpu_submit *ends) {
    const struct weft_plan *plan = io->base->plan;
    struct weft_gpu_copy *before = io->copies, *after = io->copies + plan->n_ios + 1;
    *ends = (struct weft_gpu_submit){.before = before, .after = after};
    if (!io->n_bound) return WEFT_OK;
    WEFT_TRY(check_alive(io));
    for (uint32_t i = 0; i < plan->n_ios; i++) {
        const struct weft_io_binding *b = &io->bound[i];
        uint64_t live = weft_plan_io_live_bytes(plan, i, symbols);
        if (b->host && !plan->ios[i].is_output && live)
            WEFT_TRY(
                weft_fail_in(weft_buf_write(io->base->gpu, io->own[i], 0, b->host, live), "'%s'", plan->ios[i].name));
        if (b->staged && !plan->ios[i].is_output)
            before[ends->n_before++] = (struct weft_gpu_copy){b->buf, b->offset, io->own[i], 0, live};
        if (b->staged && plan->ios[i].is_output) // a run writes all that is live of an output
            after[ends->n_after++] = (struct weft_gpu_copy){io->own[i], 0, b->buf, b->offset, live};
        if (weft_io_is_back(io, io->bound, i))
            after[ends->n_after++] = (struct weft_gpu_copy){io->own[i], 0, io->backs[i].bufs[io->host_next], 0, live};
    }
    return WEFT_OK;
}

void weft_io_ran(struct weft_io *io, const int64_t *symbols, uint64_t fence) {
    const struct weft_plan *plan = io->base->plan;
    bool any = false;
    for (uint32_t i = 0; io->n_bound && i < plan->n_ios; i++) {
        bool back = weft_io_is_back(io, io->bound, i);
        any |= back;
        weft_buf_release(io->base->gpu, &io->backs[i].old[io->host_next]);
        io->backs[i].host[io->host_next] = back ? io->bound[i].host : NULL;
        io->backs[i].bytes[io->host_next] = weft_plan_io_live_bytes(plan, i, symbols);
    }
    if (!any) return;
    io->host_fences[io->host_next] = fence;
    io->host_next = (io->host_next + 1) % WEFT_HOST_RUNS;
}

static weft_status take_back(struct weft_io *io, uint32_t number, uint32_t r) {
    struct weft_io_back *b = &io->backs[number];
    weft_readback rb;
    if (!b->host[r] || !b->bytes[r]) return WEFT_OK;
    WEFT_TRY(weft_readback_start(io->base->gpu, b->old[r].id ? b->old[r] : b->bufs[r], 0, b->bytes[r], &rb));
    return weft_readback_finish(io->base->gpu, &rb, b->host[r], b->bytes[r]);
}

weft_status weft_io_deliver(struct weft_io *io, uint64_t fence) {
    uint32_t newest = WEFT_HOST_RUNS;
    for (uint32_t r = 0; r < WEFT_HOST_RUNS; r++)
        if (io->host_fences[r] && io->host_fences[r] <= fence &&
            (newest == WEFT_HOST_RUNS || io->host_fences[r] > io->host_fences[newest]))
            newest = r;
    if (newest == WEFT_HOST_RUNS) return WEFT_OK;
    for (uint32_t i = 0; i < io->base->plan->n_ios; i++)
        WEFT_TRY(weft_fail_in(take_back(io, i, newest), "output '%s'", weft_io_name(io, i)));
    for (uint32_t r = 0; r < WEFT_HOST_RUNS; r++) {
        if (io->host_fences[r] > fence) continue;
        io->host_fences[r] = 0;
        for (uint32_t i = 0; i < io->base->plan->n_ios; i++) weft_buf_release(io->base->gpu, &io->backs[i].old[r]);
    }
    return WEFT_OK;
}
