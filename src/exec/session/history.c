#include "exec/session/history.h"
#include "core/error.h"
#include <string.h>

/// Zeros what is a slot's, and its variables start again.
static weft_status reset_slot(struct weft_history *h, uint32_t slot) {
    const struct weft_plan *plan = h->base->plan;
    for (uint32_t i = 0; i < plan->n_states; i++) {
        if (plan->states[i].kind != WEFT_STATE_VAR) WEFT_TRY(weft_states_zero_one(h->states, i, slot));
        else if (weft_plan_by_slot(plan, i) && plan->states[i].var_slot != WEFT_VAR_ACTIVE)
            WEFT_TRY(weft_positions_start(h->positions, i, slot));
    }
    return WEFT_OK;
}

weft_status weft_history_reset(struct weft_history *h, uint32_t slot) {
    bool all = slot == WEFT_ALL_SLOTS;
    WEFT_TRY(weft_base_check_alive(h->base));
    weft_states_mark_gone(h->states, true); // until all of it is done
    WEFT_TRY(all ? weft_states_zero(h->states) : reset_slot(h, slot));
    WEFT_TRY(weft_pages_release(h->pages, slot, 0));
    if (all) WEFT_TRY(weft_positions_reset(h->positions));
    weft_history_forget(h, 0);
    weft_states_mark_gone(h->states, false);
    return WEFT_OK;
}

weft_status weft_history_set_word(struct weft_history *h, uint32_t word, uint32_t bits) {
    // What the device stopped goes on from where it was, not from where the host thinks that it might be.
    if (word == WEFT_VAR_ACTIVE && bits) WEFT_TRY(weft_positions_settle(h->positions));
    WEFT_TRY(weft_positions_write(h->positions, word, bits));
    weft_history_forget(h, h->base->plan->n_positions ? weft_positions_at(h->positions, 0) + 1 : UINT64_MAX);
    return WEFT_OK;
}

weft_status weft_history_restore(struct weft_history *h, const struct weft_snapshot *x) {
    WEFT_TRY(weft_base_check_alive(h->base));
    WEFT_TRY(weft_snapshot_suits(h, WEFT_ALL_SLOTS, x));
    WEFT_TRY(weft_snapshot_put(h, WEFT_ALL_SLOTS, x, true));
    weft_history_forget(h, 0);
    weft_snapshot_follow(h, (struct weft_snapshot *)(uintptr_t)x);
    return WEFT_OK;
}

weft_status weft_history_resume(struct weft_history *h, struct weft_snapshot *newest) {
    weft_states_mark_gone(h->states, h->base->plan->n_states > 0);
    return newest ? weft_history_restore(h, newest) : WEFT_OK;
}

// ---- checkpoints ---------------------------------------------------------------------------------------------------

void weft_history_forget(struct weft_history *h, uint64_t from) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < h->n_checkpoints; i++) {
        if (weft_snapshot_position(h->checkpoints[i]) >= from) weft_snapshot_destroy(&h->checkpoints[i]);
        else h->checkpoints[kept++] = h->checkpoints[i];
    }
    h->n_checkpoints = kept;
    weft_snapshot_unfollow(h, from);
}

const struct weft_snapshot *weft_history_find(const struct weft_history *h, uint64_t position) {
    for (uint32_t i = h->n_checkpoints; i-- > 0;)
        if (weft_snapshot_position(h->checkpoints[i]) == position) return h->checkpoints[i];
    return NULL;
}

weft_status weft_history_checkpoint(struct weft_history *h) {
    struct weft_snapshot *x;
    WEFT_TRY(weft_snapshot_take(h, WEFT_ALL_SLOTS, false, true, &x));
    if (h->n_checkpoints == WEFT_CHECKPOINTS) {
        weft_snapshot_destroy(&h->checkpoints[0]);
        memmove(h->checkpoints, h->checkpoints + 1, (WEFT_CHECKPOINTS - 1) * sizeof *h->checkpoints);
        h->n_checkpoints--;
    }
    h->checkpoints[h->n_checkpoints++] = x;
    return WEFT_OK;
}
