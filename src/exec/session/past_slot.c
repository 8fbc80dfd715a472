/// The past of one slot as users see it: rewinding, forks, snapshots.
#include "core/error.h"
#include "exec/session/impl.h"

weft_status weft_session_reset_slot(weft_session *s, uint32_t slot) {
    if (!s) return weft_session_null_argument("weft_session_reset_slot");
    WEFT_TRY(weft_history_check_slot(&s->history, slot, false));
    return weft_history_reset(&s->history, slot);
}

weft_status weft_session_rewind_slot(weft_session *s, uint32_t slot, uint64_t position) {
    if (!s) return weft_session_null_argument("weft_session_rewind_slot");
    return weft_history_rewind_slot(&s->history, slot, position);
}

weft_status weft_session_position_slot(weft_session *s, uint32_t slot, uint64_t *position) {
    uint32_t track;
    if (!s || !position) return weft_session_null_argument("weft_session_position_slot");
    *position = 0;
    WEFT_TRY(weft_history_check_slot(&s->history, slot, false));
    WEFT_TRY(weft_history_slot_position(&s->history, slot, &track));
    WEFT_TRY(weft_positions_settle(&s->positions));
    *position = weft_positions_at(&s->positions, track);
    return WEFT_OK;
}

weft_status weft_session_snapshot_slot(weft_session *s, uint32_t slot, uint32_t flags, weft_snapshot **out) {
    if (out) *out = NULL;
    if (!s || !out) return weft_session_null_argument("weft_session_snapshot_slot");
    if (flags != WEFT_SNAPSHOT_DEVICE && flags != WEFT_SNAPSHOT_HOST)
        return weft_fail(WEFT_ERR_INVALID, "a snapshot is taken either on the device or on the host (flags %u)", flags);
    WEFT_TRY(weft_history_check_slot(&s->history, slot, true));
    return weft_snapshot_take(&s->history, slot, flags == WEFT_SNAPSHOT_HOST, true, out);
}

/// Puts a snapshot of a slot in place of a slot, of which all is asked.
static weft_status put(weft_session *s, uint32_t slot, const weft_snapshot *x) {
    WEFT_TRY(weft_snapshot_put(&s->history, slot, x, true));
    weft_history_forget(&s->history, 0);
    return WEFT_OK;
}

weft_status weft_session_restore_slot(weft_session *s, uint32_t slot, const weft_snapshot *x) {
    if (!s || !x) return weft_session_null_argument("weft_session_restore_slot");
    WEFT_TRY(weft_history_check_slot(&s->history, slot, true));
    WEFT_TRY(weft_snapshot_suits(&s->history, slot, x));
    return put(s, slot, x);
}

weft_status weft_session_fork_slot(weft_session *from, uint32_t from_slot, weft_session *to, uint32_t to_slot) {
    weft_snapshot *x = NULL;
    if (!from || !to) return weft_session_null_argument("weft_session_fork_slot");
    if (from->base.program != to->base.program)
        return weft_fail(WEFT_ERR_INVALID, "the sessions are of two programs, which share no pages; take a snapshot of "
                                           "the slot on the host instead");
    WEFT_TRY(weft_history_check_slot(&from->history, from_slot, true));
    WEFT_TRY(weft_history_check_slot(&to->history, to_slot, true));
    if (from == to && from_slot == to_slot) return WEFT_OK;
    WEFT_TRY(weft_snapshot_take(&from->history, from_slot, false, false, &x));
    weft_status status = put(to, to_slot, x);
    weft_snapshot_destroy(&x);
    return status;
}
