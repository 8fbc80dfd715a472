#include "engine/held.h"

#include "core/alloc.h"
#include "core/error.h"

#include <string.h>

void weft_held_cut(struct weft_held *held, uint32_t position) {
    if (held->ids.count > position) held->ids.count = position;
    while (held->n_marks && held->at[held->n_marks - 1] > position)
        weft_snapshot_destroy(&held->marks[--held->n_marks]);
}

void weft_held_free(struct weft_held *held) {
    while (held->n_marks) weft_snapshot_destroy(&held->marks[--held->n_marks]);
    weft_ids_free(&held->ids);
}

weft_status weft_held_reserve(struct weft_held *held, uint32_t n) {
    if (weft_grow((void **)&held->ids.data, &held->ids.cap, n, sizeof *held->ids.data)) return WEFT_OK;
    return weft_fail(WEFT_ERR_NOMEM, "out of memory for the ids of %u tokens", n);
}

uint32_t weft_held_common(const struct weft_held *held, const int32_t *ids, uint32_t n) {
    uint32_t same = 0;
    while (same < held->ids.count && same + 1 < n && held->ids.data[same] == ids[same]) same++;
    return same;
}

/// The caches can't be cropped to just there, or went with a lost device.
static bool out_of_reach(weft_status status) {
    return status == WEFT_ERR_LIMIT || status == WEFT_ERR_UNSUPPORTED || status == WEFT_ERR_STALE;
}

/// The highest mark at or before a position, restored; 0 where there is none.
static weft_status restore_mark(struct weft_held *held, weft_session *session, uint32_t position, uint32_t *kept) {
    *kept = 0;
    for (uint32_t i = held->n_marks; i-- > 0;) {
        if (held->at[i] > position) continue;
        if (weft_session_restore(session, held->marks[i]) != WEFT_OK) break; // from the start, then
        *kept = held->at[i];
        return WEFT_OK;
    }
    return weft_session_rewind(session, 0);
}

weft_status weft_held_rewind(struct weft_held *held, weft_session *session, const int32_t *ids, uint32_t n,
                             uint32_t *kept) {
    *kept = weft_held_common(held, ids, n);
    weft_status status = weft_session_rewind(session, *kept);
    if (out_of_reach(status)) status = restore_mark(held, session, *kept, kept);
    weft_held_cut(held, status == WEFT_OK ? *kept : 0);
    return status;
}

bool weft_held_wants_marks(const weft_program *program) {
    const struct weft_plan *plan = weft_program_plan(program);
    for (uint32_t i = 0; i < plan->n_states; i++) {
        const struct weft_plan_state *s = &plan->states[i];
        bool position = false;
        for (uint32_t k = 0; k < plan->n_positions; k++) position = position || plan->positions[k].state == i;
        if (!s->written || s->non_positional || position) continue;
        if (s->position == WEFT_NO_POSITION || s->kind == WEFT_STATE_RING) return true;
    }
    return false;
}

void weft_held_mark(struct weft_held *held, weft_session *session, uint32_t position) {
    if (held->n_marks && held->at[held->n_marks - 1] >= position) return;
    if (held->n_marks == WEFT_LM_MARKS) {
        weft_snapshot_destroy(&held->marks[0]);
        memmove(held->marks, held->marks + 1, (WEFT_LM_MARKS - 1) * sizeof *held->marks);
        memmove(held->at, held->at + 1, (WEFT_LM_MARKS - 1) * sizeof *held->at);
        held->n_marks--;
    }
    if (weft_session_snapshot(session, WEFT_SNAPSHOT_DEVICE, &held->marks[held->n_marks]) != WEFT_OK) return;
    held->at[held->n_marks++] = position;
}
