/// A change of what inputs and outputs are bound to, by the caller or by a loss.
#include "core/alloc.h"
#include "core/error.h"
#include "exec/buffer.h"
#include "exec/session/io.h"
#include "plan/kernel.h"
#include <string.h>

// ---- validating a table --------------------------------------------------------------------------------------------

static bool one_buffer(const struct weft_io_binding *a, const struct weft_io_binding *b) {
    return a->buf.id && a->buf.id == b->buf.id && a->buf.gen == b->buf.gen;
}

static weft_status no_overlap(const struct weft_io *io, uint32_t i, uint32_t j) {
    const struct weft_io_binding *a = &io->next[i], *b = &io->next[j];
    const struct weft_plan_io *ios = io->base->plan->ios;
    if (!one_buffer(a, b) || !(ios[i].is_output || ios[j].is_output)) return WEFT_OK;
    uint64_t a_end = a->offset + weft_align256(a->bytes), b_end = b->offset + weft_align256(b->bytes);
    if (a->offset >= b_end || b->offset >= a_end) return WEFT_OK;
    uint64_t from = a->offset > b->offset ? a->offset : b->offset, to = a_end < b_end ? a_end : b_end;
    return weft_fail(WEFT_ERR_INVALID,
                     "%s '%s' and %s '%s' would share bytes %llu to %llu of one buffer (ranges take "
                     "whole blocks of %d); bind ranges that do not overlap",
                     weft_io_kind(io, i), ios[i].name, weft_io_kind(io, j), ios[j].name, (unsigned long long)from,
                     (unsigned long long)to, WEFT_BUFFER_ALIGN);
}

/// WebGPU validates usage by whole buffer: where a step would bind one buffer read and read_write, the side that is
/// only read, an input if there is one, goes through the session's own buffer.
static void stage_step(struct weft_io *io, const struct weft_step *step) {
    const struct weft_step_bound *bound = &step->bound;
    uint32_t a, b;
    for (uint32_t i = 1; i < bound->n_slots; i++) {
        if (!weft_io_of_key(bound->slots[i].mem_key, &a)) continue;
        for (uint32_t j = 1; j < i; j++) {
            if (bound->slots[i].kind == bound->slots[j].kind || !weft_io_of_key(bound->slots[j].mem_key, &b)) continue;
            if (a == b || !weft_io_is_direct(&io->next[a]) || !weft_io_is_direct(&io->next[b]) ||
                !one_buffer(&io->next[a], &io->next[b]))
                continue;
            io->next[bound->slots[i].kind == WEFT_BIND_READ ? a : b].staged = true;
        }
    }
}

weft_status weft_io_validate(struct weft_io *io, const int64_t *symbols) {
    const struct weft_plan *plan = io->base->plan;
    bool shared = false;
    if (symbols) WEFT_TRY(weft_io_fits(io, io->next, symbols));
    for (uint32_t i = 0; i < plan->n_ios; i++) {
        io->next[i].staged = false;
        for (uint32_t j = 0; j < i; j++) {
            WEFT_TRY(no_overlap(io, j, i));
            shared |= one_buffer(&io->next[i], &io->next[j]);
        }
    }
    for (uint32_t k = 0; shared && k < plan->n_schedules; k++)
        for (uint32_t i = 0; i < plan->schedules[k].n_steps; i++) stage_step(io, &plan->schedules[k].steps[i]);
    return WEFT_OK;
}

// ---- making it -----------------------------------------------------------------------------------------------------

void weft_io_copy_table(struct weft_io *io) { memcpy(io->next, io->bound, io->base->plan->n_ios * sizeof *io->next); }

/// Makes whatever io->next needs and is not there yet, and marks it in `made` (own buffers) and `backs`.
static weft_status make_needed(struct weft_io *io, bool *made, struct weft_io_back *backs) {
    const struct weft_plan *plan = io->base->plan;
    bool dummies = false;
    for (uint32_t i = 0; i < plan->n_ios; i++) {
        if (weft_io_is_back(io, io->next, i)) WEFT_TRY(weft_io_make_backs(io, i, &backs[i]));
        dummies |= weft_io_is_direct(&io->next[i]) && weft_align256(io->next[i].bytes) < weft_plan_io_bytes(plan, i);
        if (weft_io_is_direct(&io->next[i]) || io->own[i].id) continue;
        WEFT_TRY(weft_buf_make(io->base->gpu, WEFT_BUF_FOR_IO, weft_plan_io_bytes(plan, i), WEFT_BUF_STORAGE,
                               weft_io_name(io, i), &io->own[i]));
        made[i] = true;
    }
    return dummies ? weft_dummies_make(io->base->gpu, WEFT_BUF_FOR_OTHER, "nothing bound", &io->dummies) : WEFT_OK;
}

static bool changes(const struct weft_io *io, uint32_t number, bool made) {
    const struct weft_io_binding *a = &io->bound[number], *b = &io->next[number];
    if (!weft_io_is_direct(a) && !weft_io_is_direct(b)) return made;
    return weft_io_is_direct(a) != weft_io_is_direct(b) || !one_buffer(a, b) || a->offset != b->offset ||
           weft_align256(a->bytes) != weft_align256(b->bytes);
}

static void swap_tables(struct weft_io *io) {
    struct weft_io_binding *was = io->bound;
    io->bound = io->next;
    io->next = was;
}

weft_status weft_io_stage(struct weft_io *io, struct weft_io_change *change) {
    const struct weft_plan *plan = io->base->plan;
    *change = (struct weft_io_change){.made = weft_calloc(plan->n_ios + 1, sizeof *change->made),
                                      .backs = weft_calloc(plan->n_ios + 1, sizeof *change->backs)};
    if (!change->made || !change->backs) return weft_session_no_memory();
    WEFT_TRY(make_needed(io, change->made, change->backs));
    for (uint32_t i = 0; i < plan->n_ios; i++) change->any |= io->changed[i] = changes(io, i, change->made[i]);
    swap_tables(io);
    return WEFT_OK;
}

static void end_change(struct weft_io_change *change) {
    weft_free(change->made);
    weft_free(change->backs);
    *change = (struct weft_io_change){0};
}

void weft_io_commit(struct weft_io *io, struct weft_io_change *change) {
    io->n_bound = 0;
    for (uint32_t i = 0; i < io->base->plan->n_ios; i++) {
        io->n_bound += weft_io_is_bound(&io->bound[i]);
        if (weft_io_is_direct(&io->bound[i]) && io->own[i].id) weft_buf_release(io->base->gpu, &io->own[i]);
        if (!weft_io_is_back(io, io->bound, i)) weft_io_drop_backs(io, i);
        else if (change->backs[i].bufs[0].id) weft_io_replace_backs(io, i, &change->backs[i]);
    }
    end_change(change);
}

void weft_io_undo(struct weft_io *io, struct weft_io_change *change, bool staged) {
    if (staged) swap_tables(io);
    for (uint32_t i = 0; change->made && change->backs && i < io->base->plan->n_ios; i++) {
        if (change->made[i]) weft_buf_release(io->base->gpu, &io->own[i]);
        for (uint32_t r = 0; r < WEFT_HOST_RUNS; r++)
            if (change->backs[i].bufs[r].id) weft_buf_release(io->base->gpu, &change->backs[i].bufs[r]);
    }
    end_change(change);
}

weft_status weft_io_remake(struct weft_io *io) {
    bool made[1];
    WEFT_TRY(weft_io_make(io));
    weft_io_drop_needed(io); // of the device that was lost
    memset(io->host_fences, 0, sizeof io->host_fences);
    for (uint32_t i = 0; i < io->base->plan->n_ios; i++) {
        struct weft_io_binding *b = &io->bound[i];
        if (b->buf.id) b->buf = weft_buffer_renewed(io->base->gpu, b->buffer, b->buf);
        if (weft_io_is_direct(b)) weft_buf_release(io->base->gpu, &io->own[i]);
    }
    weft_io_copy_table(io);
    return make_needed(io, made, io->backs); // own buffers are there where they are needed: `made` is not touched
}
