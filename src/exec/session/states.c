#include "exec/session/states.h"
#include "core/alloc.h"
#include "core/error.h"
#include <stdio.h>
#include <string.h>

// ---- life ----------------------------------------------------------------------------------------------------------

weft_status weft_states_init(struct weft_states *st) {
    const struct weft_plan *plan = st->base->plan;
    for (uint32_t i = 0; i < plan->n_states; i++) st->flips |= plan->states[i].policy == WEFT_STATE_PING_PONG;
    st->bufs = weft_calloc(plan->n_states + 1, sizeof *st->bufs);
    st->others = weft_calloc(plan->n_states + 1, sizeof *st->others);
    return st->bufs && st->others ? WEFT_OK : weft_session_no_memory();
}

void weft_states_free(struct weft_states *st) {
    weft_free(st->bufs);
    weft_free(st->others);
}

static weft_status make(struct weft_states *st, uint64_t bytes, const char *label, weft_buf *out) {
    return weft_buf_make(st->base->gpu, WEFT_BUF_FOR_STATES, bytes, WEFT_BUF_STORAGE, label, out);
}

weft_status weft_states_make(struct weft_states *st) {
    const struct weft_plan *plan = st->base->plan;
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (plan->states[i].kind != WEFT_STATE_VAR && plan->states[i].kind != WEFT_STATE_PAGED)
            WEFT_TRY(make(st, plan->states[i].bytes, plan->states[i].name, &st->bufs[i]));
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (st->bufs[i].id && weft_state_buffers(&plan->states[i]) == 2)
            WEFT_TRY(make(st, plan->states[i].bytes, plan->states[i].name, &st->others[i]));
    WEFT_TRY(make(st, plan->vars_bytes, "vars", &st->vars));
    return plan->checked ? make(st, WEFT_FAULT_BYTES, "fault", &st->fault) : WEFT_OK;
}

void weft_states_drop(struct weft_states *st) {
    weft_gpu *gpu = st->base->gpu;
    for (uint32_t i = 0; st->bufs && i < st->base->plan->n_states; i++)
        if (st->bufs[i].id) weft_buf_release(gpu, &st->bufs[i]);
    for (uint32_t i = 0; st->others && i < st->base->plan->n_states; i++)
        if (st->others[i].id) weft_buf_release(gpu, &st->others[i]);
    if (st->vars.id) weft_buf_release(gpu, &st->vars);
    if (st->fault.id) weft_buf_release(gpu, &st->fault);
}

weft_status weft_states_remake(struct weft_states *st) {
    st->parity = 0;
    return weft_states_make(st);
}

// ---- past and present ----------------------------------------------------------------------------------------------

/// Ping-pong states exchange their buffers when the parity flips; groups of the other parity are made for the time
/// when they have.
weft_buf weft_states_buffer(const struct weft_states *st, uint32_t number, uint32_t parity) {
    bool present = (number & WEFT_STATE_PRESENT) != 0;
    number &= ~WEFT_STATE_PRESENT;
    if (st->base->plan->states[number].policy == WEFT_STATE_PING_PONG && parity != st->parity) present = !present;
    return present ? st->others[number] : st->bufs[number];
}

void weft_states_flip(struct weft_states *st, uint32_t runs) {
    if (!st->flips || st->fixed_parity || runs % 2 == 0) return;
    const struct weft_plan *plan = st->base->plan;
    for (uint32_t i = 0; i < plan->n_states; i++) {
        if (plan->states[i].policy != WEFT_STATE_PING_PONG) continue;
        weft_buf past = st->bufs[i];
        st->bufs[i] = st->others[i];
        st->others[i] = past;
    }
    st->parity ^= 1;
}

uint32_t weft_states_parity(const struct weft_states *st, uint32_t run) {
    return st->parity ^ (st->flips && !st->fixed_parity && run % 2);
}

// ---- contents ------------------------------------------------------------------------------------------------------

static weft_status zero(struct weft_states *st, weft_buf buf) {
    return buf.id ? weft_buf_fill(st->base->gpu, buf, 0, weft_buf_size(st->base->gpu, buf), 0) : WEFT_OK;
}

bool weft_states_range(const struct weft_states *st, uint32_t state, uint32_t slot, uint64_t *offset, uint64_t *bytes) {
    const struct weft_plan *plan = st->base->plan;
    *offset = *bytes = 0;
    if (!st->bufs[state].id || (slot != WEFT_ALL_SLOTS && !weft_plan_by_slot(plan, state))) return false;
    *bytes = weft_buf_size(st->base->gpu, st->bufs[state]);
    if (slot == WEFT_ALL_SLOTS) return true;
    *bytes = plan->states[state].rows * plan->states[state].row_bytes;
    if (plan->slots == 1) *bytes = weft_plan_state_live_bytes(&plan->states[state]); // whole words, as elsewhere
    *offset = slot * *bytes;
    return *bytes > 0;
}

weft_status weft_states_zero_one(struct weft_states *st, uint32_t state, uint32_t slot) {
    uint64_t offset, bytes;
    if (!weft_states_range(st, state, slot, &offset, &bytes)) return WEFT_OK;
    return weft_buf_fill(st->base->gpu, st->bufs[state], offset, bytes, 0);
}

weft_status weft_states_zero(struct weft_states *st) {
    for (uint32_t i = 0; i < st->base->plan->n_states; i++) WEFT_TRY(zero(st, st->bufs[i]));
    for (uint32_t i = 0; i < st->base->plan->n_states; i++) WEFT_TRY(zero(st, st->others[i]));
    return WEFT_OK;
}

weft_status weft_states_poison(struct weft_states *st) {
    const struct weft_plan *plan = st->base->plan;
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (st->others[i].id)
            WEFT_TRY(weft_buf_fill(st->base->gpu, st->others[i], 0,
                                   weft_plan_state_used_bytes(&plan->states[i]) & ~3ull, WEFT_POISON));
    return WEFT_OK;
}

weft_status weft_states_write_words(struct weft_states *st, uint64_t word, const uint32_t *words, uint64_t count) {
    return weft_buf_write(st->base->gpu, st->vars, word * 4, words, count * 4);
}

weft_status weft_states_copy(struct weft_states *from, struct weft_states *to) {
    const struct weft_plan *plan = from->base->plan;
    struct weft_gpu_copy *copies = weft_calloc(plan->n_states + 1, sizeof *copies);
    size_t n = 0;
    if (!copies) return weft_session_no_memory();
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (from->bufs[i].id)
            copies[n++] = (struct weft_gpu_copy){
                .src = from->bufs[i], .dst = to->bufs[i], .size = weft_buf_size(from->base->gpu, from->bufs[i])};
    copies[n++] = (struct weft_gpu_copy){.src = from->vars, .dst = to->vars, .size = weft_vars_bytes(plan->n_vars)};
    struct weft_gpu_submit submit = {.before = copies, .n_before = n};
    weft_status status = weft_base_submit(from->base, &submit, true);
    to->base->last_serial = from->base->last_serial;
    weft_free(copies);
    return status;
}

// ---- what is gone --------------------------------------------------------------------------------------------------

void weft_states_mark_gone(struct weft_states *st, bool gone) { st->gone = gone; }

weft_status weft_states_check(const struct weft_states *st) {
    const struct weft_plan *plan = st->base->plan;
    if (!st->gone || !plan->n_states) return WEFT_OK;
    WEFT_TRY(weft_gpu_check(st->base->gpu)); // while the device itself is gone, that is what to say
    char more[40] = "";
    if (plan->n_states > 1) snprintf(more, sizeof more, " and %u more", plan->n_states - 1);
    return weft_fail(WEFT_ERR_STALE,
                     "what state '%s'%s held is gone (with a lost device, or in a reset or restore that failed "
                     "midway); restore a snapshot, rewind to 0 or reset the session",
                     plan->states[0].name, more);
}

weft_status weft_states_check_one(const struct weft_states *st, const char *name) {
    const struct weft_plan *plan = st->base->plan;
    bool state = false;
    for (uint32_t i = 0; i < plan->n_states && !state; i++) state = strcmp(plan->states[i].name, name) == 0;
    return state ? weft_states_check(st) : WEFT_OK;
}
