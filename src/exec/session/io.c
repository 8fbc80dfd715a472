#include "exec/session/io.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/str.h"
#include "exec/buffer.h"
#include <string.h>

// ---- life ----------------------------------------------------------------------------------------------------------

weft_status weft_io_init(struct weft_io *io) {
    size_t n = io->base->plan->n_ios + 1;
    io->own = weft_calloc(n, sizeof *io->own);
    io->bound = weft_calloc(n, sizeof *io->bound);
    io->next = weft_calloc(n, sizeof *io->next);
    io->backs = weft_calloc(n, sizeof *io->backs);
    io->changed = weft_calloc(n, sizeof *io->changed);
    io->copies = weft_calloc(2 * n, sizeof *io->copies);
    return io->own && io->bound && io->next && io->backs && io->changed && io->copies ? WEFT_OK
                                                                                      : weft_session_no_memory();
}

void weft_io_free(struct weft_io *io) {
    weft_free(io->own);
    weft_free(io->bound);
    weft_free(io->next);
    weft_free(io->backs);
    weft_free(io->changed);
    weft_free(io->copies);
}

weft_status weft_io_make(struct weft_io *io) {
    const struct weft_plan *plan = io->base->plan;
    for (uint32_t i = 0; i < plan->n_ios; i++)
        WEFT_TRY(weft_buf_make(io->base->gpu, WEFT_BUF_FOR_IO, weft_plan_io_bytes(plan, i), WEFT_BUF_STORAGE,
                               plan->ios[i].name, &io->own[i]));
    return WEFT_OK;
}

void weft_io_drop_needed(struct weft_io *io) {
    for (uint32_t i = 0; io->backs && i < io->base->plan->n_ios; i++) weft_io_drop_backs(io, i);
    weft_dummies_drop(io->base->gpu, &io->dummies);
}

void weft_io_drop(struct weft_io *io) {
    weft_io_drop_needed(io);
    for (uint32_t i = 0; io->own && i < io->base->plan->n_ios; i++)
        if (io->own[i].id) weft_buf_release(io->base->gpu, &io->own[i]);
}

// ---- looking at it -------------------------------------------------------------------------------------------------

bool weft_io_of_key(uint32_t mem_key, uint32_t *number) {
    *number = mem_key & 0xffffff;
    return mem_key >> 24 == WEFT_MEM_INPUT || mem_key >> 24 == WEFT_MEM_OUTPUT;
}

bool weft_io_find(const struct weft_io *io, const char *name, uint32_t *number) {
    const struct weft_plan *plan = io->base->plan;
    for (*number = 0; *number < plan->n_ios; ++*number)
        if (plan->ios[*number].name && strcmp(plan->ios[*number].name, name) == 0) return true;
    return false;
}

weft_status weft_io_no_tensor(const struct weft_io *io, const char *name) {
    const struct weft_plan *plan = io->base->plan;
    struct weft_str names = {0};
    for (uint32_t i = 0; i < plan->n_ios && i < 8; i++) weft_str_addf(&names, " %s", plan->ios[i].name);
    for (uint32_t i = 0; i < plan->n_states && i < 8; i++) weft_str_addf(&names, " %s", plan->states[i].name);
    weft_status status = weft_fail(WEFT_ERR_NOT_FOUND, "the program has no input, output or state '%s'; it has%s", name,
                                   weft_str_get(&names));
    weft_str_free(&names);
    return status;
}

weft_buf weft_io_buffer(const struct weft_io *io, uint32_t number, uint64_t *offset) {
    const struct weft_io_binding *b = &io->bound[number];
    *offset = b->buf.id ? b->offset : 0;
    return b->buf.id ? b->buf : io->own[number];
}

bool weft_io_slot(const struct weft_io *io, const struct weft_step *step, uint32_t slot, struct weft_bind *out) {
    const struct weft_slot *at = &step->bound.slots[slot];
    uint32_t number;
    weft_io_of_key(at->mem_key, &number);
    const struct weft_io_binding *b = &io->bound[number];
    *out = (struct weft_bind){io->own[number], at->offset, at->size};
    if (!weft_io_is_direct(b)) return true;
    if (!weft_buf_alive(io->base->gpu, b->buf)) return false;
    uint64_t room = weft_align256(b->bytes);
    // Live elements end before the bytes that are bound do, so what begins behind them is not reached.
    if (at->offset >= room) *out = weft_dummies_bind(&io->dummies, at, slot);
    else
        *out = (struct weft_bind){b->buf, b->offset + at->offset,
                                  at->size < room - at->offset ? at->size : room - at->offset};
    return true;
}

weft_status weft_io_fits(const struct weft_io *io, const struct weft_io_binding *table, const int64_t *symbols) {
    const struct weft_plan *plan = io->base->plan;
    for (uint32_t i = 0; i < plan->n_ios; i++) {
        const struct weft_io_binding *b = &table[i];
        if (!weft_io_is_bound(b)) continue;
        uint64_t need = weft_plan_io_live_bytes(plan, i, symbols), have = b->bytes;
        if (b->buf.id) have = (have + 3) & ~(uint64_t)3;
        if (need > have)
            return weft_fail(WEFT_ERR_LIMIT,
                             "%s '%s' needs %llu bytes at the live sizes and %llu are bound; bind more "
                             "of them, or NULL for the session's own buffer",
                             weft_io_kind(io, i), weft_io_name(io, i), (unsigned long long)need,
                             (unsigned long long)b->bytes);
    }
    return WEFT_OK;
}
