/// Going back to an earlier position.
#include "core/error.h"
#include "exec/session/history.h"

/// Rows by position; everything else is as the positions so far have made it.
static bool is_cache(const struct weft_plan_state *p) { return p->position != WEFT_NO_POSITION; }

/// The lowest position to which a ring can be cropped: the rows from `top - rows` on are there, and what stands at p
/// looks back by the window.
static uint64_t lowest(const struct weft_history *h, const struct weft_plan_state *p) {
    uint64_t top = h->positions->tracks[p->position].top;
    if (p->kind != WEFT_STATE_RING || top <= p->rows) return 0;
    uint64_t first = top - p->rows;
    return p->window > UINT64_MAX - first ? UINT64_MAX : first + p->window;
}

/// Asks for everything that may refuse a crop to `position`, before anything is touched.
static weft_status check_crop(const struct weft_history *h, uint64_t position) {
    const struct weft_plan *plan = h->base->plan;
    if (position == weft_positions_at(h->positions, 0)) return WEFT_OK;
    for (uint32_t i = 0; i < plan->n_states; i++) {
        const struct weft_plan_state *p = &plan->states[i];
        if (!p->written || p->non_positional || weft_is_position(plan, i)) continue;
        if (!is_cache(p))
            return weft_fail(WEFT_ERR_UNSUPPORTED,
                             "state '%s' is what all positions made of it and can't be cropped to position %llu; "
                             "restore a snapshot or have a checkpoint at that position, or rewind to 0 and feed again",
                             p->name, (unsigned long long)position);
        uint64_t low = lowest(h, p);
        if (position >= low) continue;
        if (low > weft_positions_at(h->positions, 0))
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

/// Sets to zero what operators write and what is no cache, and variables to what they start with.
static weft_status clear_written(struct weft_history *h) {
    const struct weft_plan *plan = h->base->plan;
    for (uint32_t i = 0; i < plan->n_states; i++) {
        const struct weft_plan_state *p = &plan->states[i];
        if (!p->written || is_cache(p)) continue;
        if (p->kind == WEFT_STATE_VAR) WEFT_TRY(weft_positions_start(h->positions, i));
        else WEFT_TRY(weft_states_zero_one(h->states, i));
    }
    WEFT_TRY(weft_positions_start_all(h->positions));
    return weft_pages_release(h->pages, WEFT_ALL_SLOTS, 0);
}

static weft_status crop(struct weft_history *h, uint64_t position) {
    const struct weft_plan *plan = h->base->plan;
    const struct weft_snapshot *x = weft_history_find(h, position);
    uint32_t variable = plan->positions[0].state;
    if (x) return weft_snapshot_put(h, x, false);
    WEFT_TRY(check_crop(h, position));
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
            return weft_fail(WEFT_ERR_UNSUPPORTED, "the program has %u positions, so it can be rewound to 0 only",
                             plan->n_positions);
        WEFT_TRY(weft_positions_settle(h->positions));
        uint64_t at = weft_positions_at(h->positions, 0);
        if (position > at)
            return weft_fail(WEFT_ERR_INVALID, "the session stands at position %llu and can't be rewound to %llu",
                             (unsigned long long)at, (unsigned long long)position);
        WEFT_TRY(crop(h, position));
    } else {
        if (h->states->gone) return weft_history_reset(h); // settings went with the rest
        weft_states_mark_gone(h->states, true);            // until all of it is done
        WEFT_TRY(clear_written(h));
        weft_states_mark_gone(h->states, false);
    }
    weft_history_forget(h, plan->n_positions ? position + 1 : position);
    return weft_history_set_word(h, WEFT_VAR_ACTIVE, 1);
}
