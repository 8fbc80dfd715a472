/// Going back to an earlier position.
#include "core/error.h"
#include "exec/session/history.h"

/// Rows by position; everything else is as the positions so far have made it.
static bool is_cache(const struct weft_plan_state *p) { return p->position != WEFT_NO_POSITION; }

/// Whether a call for `slot`, or for all, is about a state.
static bool is_of(const struct weft_plan *plan, uint32_t state, uint32_t slot) {
    return slot == WEFT_ALL_SLOTS || weft_plan_by_slot(plan, state);
}

// ---- of one slot ---------------------------------------------------------------------------------------------------

weft_status weft_history_slot_position(const struct weft_history *h, uint32_t slot, uint32_t *position) {
    const struct weft_plan *plan = h->base->plan;
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n_positions; i++) {
        uint32_t state = plan->positions[i].state;
        if (!weft_plan_by_slot(plan, state) || plan->positions[i].word != plan->states[state].var_slot) continue;
        if (n++ == 0) *position = i + slot;
    }
    if (n == 1) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "a slot of the program has %u positions; a call for its position needs one", n);
}

weft_status weft_history_check_slot(const struct weft_history *h, uint32_t slot, bool whole) {
    const struct weft_plan *plan = h->base->plan;
    WEFT_TRY(weft_base_check_alive(h->base));
    if (plan->slots == 0)
        return weft_fail(WEFT_ERR_INVALID, "the program's states and positions are kept for different numbers of "
                                           "slots, so it has no slots to ask for");
    if (slot >= plan->slots)
        return weft_fail(WEFT_ERR_LIMIT, "there is no slot %u: the program serves %u sequence%s", slot, plan->slots,
                         plan->slots == 1 ? "" : "s");
    for (uint32_t i = 0; i < plan->n_states && plan->slots > 1; i++) {
        const struct weft_plan_state *p = &plan->states[i];
        if (p->kind == WEFT_STATE_VAR) continue;
        if (weft_plan_by_slot(plan, i)) {
            if (p->rows * p->row_bytes % 4 == 0) continue;
            return weft_fail(WEFT_ERR_UNSUPPORTED,
                             "a slot has %llu bytes of state '%s', which are no whole words, so it can't be moved by "
                             "itself; give it a multiple of 4",
                             (unsigned long long)(p->rows * p->row_bytes), p->name);
        }
        if (whole && is_cache(p) && plan->states[plan->positions[p->position].state].slots == plan->slots)
            return weft_fail(WEFT_ERR_UNSUPPORTED,
                             "state '%s' has rows of all slots but is not kept by slot; declare it so "
                             "(weft_graph_state_by_slot)",
                             p->name);
    }
    return weft_states_check(h->states);
}

// ---- cropping ------------------------------------------------------------------------------------------------------

/// The lowest position to which a ring can be cropped: the rows from `top - rows` on are there, and what stands at p
/// looks back by the window.
static uint64_t lowest(const struct weft_history *h, const struct weft_plan_state *p, uint32_t slot) {
    uint64_t top = h->positions->tracks[p->position + (slot == WEFT_ALL_SLOTS ? 0 : slot)].top;
    if (p->kind != WEFT_STATE_RING || top <= p->rows) return 0;
    uint64_t first = top - p->rows;
    return p->window > UINT64_MAX - first ? UINT64_MAX : first + p->window;
}

/// Asks for everything that may refuse a crop from `at` to `position`, before anything is touched.
static weft_status check_crop(const struct weft_history *h, uint32_t slot, uint64_t at, uint64_t position) {
    const struct weft_plan *plan = h->base->plan;
    if (position == at) return WEFT_OK;
    for (uint32_t i = 0; i < plan->n_states; i++) {
        const struct weft_plan_state *p = &plan->states[i];
        if (!p->written || p->non_positional || weft_is_position(plan, i) || !is_of(plan, i, slot)) continue;
        if (!is_cache(p))
            return weft_fail(WEFT_ERR_UNSUPPORTED,
                             "state '%s' is what all positions made of it and can't be cropped to position %llu; "
                             "restore a snapshot or have a checkpoint at that position, or rewind to 0 and feed again",
                             p->name, (unsigned long long)position);
        uint64_t low = lowest(h, p, slot);
        if (position >= low) continue;
        if (low > at)
            return weft_fail(WEFT_ERR_LIMIT,
                             "state '%s' keeps %llu rows and went past them, so it can't be cropped to position %llu; "
                             "rewind to 0 or restore a snapshot",
                             p->name, (unsigned long long)p->rows, (unsigned long long)position);
        return weft_fail(WEFT_ERR_LIMIT,
                         "state '%s' keeps %llu rows and no longer has those before position %llu; the lowest position "
                         "it can be cropped to is %llu",
                         p->name, (unsigned long long)p->rows, (unsigned long long)position, (unsigned long long)low);
    }
    return WEFT_OK;
}

static weft_status check_not_beyond(uint64_t at, uint64_t position, const char *whose) {
    if (position <= at) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "the %s stands at position %llu and can't be rewound to %llu", whose,
                     (unsigned long long)at, (unsigned long long)position);
}

/// Sets to zero what operators write and what is no cache, and variables to what they start with.
static weft_status clear_written(struct weft_history *h, uint32_t slot) {
    const struct weft_plan *plan = h->base->plan;
    for (uint32_t i = 0; i < plan->n_states; i++) {
        const struct weft_plan_state *p = &plan->states[i];
        bool moves = slot != WEFT_ALL_SLOTS && weft_is_position(plan, i); // those of all slots start below
        if (!is_of(plan, i, slot) || (!moves && (!p->written || is_cache(p)))) continue;
        if (slot != WEFT_ALL_SLOTS && p->kind == WEFT_STATE_VAR && p->var_slot == WEFT_VAR_ACTIVE) continue;
        if (p->kind == WEFT_STATE_VAR) WEFT_TRY(weft_positions_start(h->positions, i, slot));
        else WEFT_TRY(weft_states_zero_one(h->states, i, slot));
    }
    if (slot == WEFT_ALL_SLOTS) WEFT_TRY(weft_positions_start_all(h->positions));
    return weft_pages_release(h->pages, slot, 0);
}

static weft_status crop(struct weft_history *h, uint64_t position) {
    const struct weft_plan *plan = h->base->plan;
    const struct weft_snapshot *x = weft_history_find(h, position);
    uint32_t variable = plan->positions[0].state;
    if (x) return weft_snapshot_put(h, WEFT_ALL_SLOTS, x, false);
    WEFT_TRY(check_crop(h, WEFT_ALL_SLOTS, weft_positions_at(h->positions, 0), position));
    WEFT_TRY(weft_var_check(plan, variable, (uint32_t)position));
    WEFT_TRY(weft_history_set_word(h, plan->states[variable].var_slot, (uint32_t)position));
    return weft_pages_release(h->pages, WEFT_ALL_SLOTS, position);
}

weft_status weft_history_rewind(struct weft_history *h, uint64_t position) {
    const struct weft_plan *plan = h->base->plan;
    WEFT_TRY(weft_base_check_alive(h->base));
    if (position) {
        WEFT_TRY(weft_states_check(h->states));
        if (plan->n_positions != 1)
            return weft_fail(WEFT_ERR_UNSUPPORTED, "the program has %u positions, so it can be rewound to 0 only%s",
                             plan->n_positions,
                             plan->slots > 1 ? "; weft_session_rewind_slot rewinds one of its slots" : "");
        WEFT_TRY(weft_positions_settle(h->positions));
        WEFT_TRY(check_not_beyond(weft_positions_at(h->positions, 0), position, "session"));
        WEFT_TRY(crop(h, position));
    } else {
        if (h->states->gone) return weft_history_reset(h, WEFT_ALL_SLOTS); // settings went with the rest
        weft_states_mark_gone(h->states, true);                            // until all of it is done
        WEFT_TRY(clear_written(h, WEFT_ALL_SLOTS));
        weft_states_mark_gone(h->states, false);
    }
    weft_history_forget(h, plan->n_positions ? position + 1 : position);
    return weft_history_set_word(h, WEFT_VAR_ACTIVE, 1);
}

static weft_status crop_slot(struct weft_history *h, uint32_t slot, uint64_t position) {
    const struct weft_plan *plan = h->base->plan;
    uint32_t track;
    WEFT_TRY(weft_history_slot_position(h, slot, &track));
    WEFT_TRY(weft_positions_settle(h->positions));
    WEFT_TRY(check_not_beyond(weft_positions_at(h->positions, track), position, "slot"));
    WEFT_TRY(check_crop(h, slot, weft_positions_at(h->positions, track), position));
    WEFT_TRY(weft_var_check(plan, plan->positions[track].state, (uint32_t)position));
    WEFT_TRY(weft_positions_write(h->positions, plan->positions[track].word, (uint32_t)position));
    return weft_pages_release(h->pages, slot, position);
}

weft_status weft_history_rewind_slot(struct weft_history *h, uint32_t slot, uint64_t position) {
    WEFT_TRY(weft_history_check_slot(h, slot, false));
    if (position) {
        WEFT_TRY(crop_slot(h, slot, position));
    } else {
        weft_states_mark_gone(h->states, true); // until all of it is done
        WEFT_TRY(clear_written(h, slot));
        weft_states_mark_gone(h->states, false);
    }
    weft_history_forget(h, 0);
    return WEFT_OK;
}
