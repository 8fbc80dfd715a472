/// What becomes of a session's past: snapshots, checkpoints, and going back to an earlier position.
#ifndef WEFT_EXEC_SESSION_HISTORY_H
#define WEFT_EXEC_SESSION_HISTORY_H
#include "exec/session/pages.h"
#include "weft/session.h"

#define WEFT_CHECKPOINTS 8

struct weft_history {
    struct weft_base *base;
    struct weft_states *states;
    struct weft_positions *positions;
    struct weft_pages *pages;
    struct weft_snapshot *checkpoints[WEFT_CHECKPOINTS]; ///< oldest first
    uint32_t n_checkpoints;
    struct weft_snapshot *newest; ///< on the host, taken or restored and not undone since; the caller's
    struct weft_history *next;    ///< of those whose newest that snapshot is
};

/// All states and variables as after creation, or those of one slot, which there is. Should it fail midway, states are
/// gone.
weft_status weft_history_reset(struct weft_history *h, uint32_t slot);
/// Writes word `word` of the variables block. Checkpoints that the position has left behind are forgotten.
weft_status weft_history_set_word(struct weft_history *h, uint32_t word, uint32_t bits);
/// Forgets checkpoints at `from` and beyond, and the newest host snapshot if it was taken there.
void weft_history_forget(struct weft_history *h, uint64_t from);
weft_status weft_history_checkpoint(struct weft_history *h);
/// See weft_session_restore.
weft_status weft_history_restore(struct weft_history *h, const struct weft_snapshot *snapshot);
/// After a loss and a reset: states are gone, unless `newest`, which may be NULL, can be restored.
weft_status weft_history_resume(struct weft_history *h, struct weft_snapshot *newest);
/// See weft_session_rewind and weft_session_rewind_slot (session/rewind.c).
weft_status weft_history_rewind(struct weft_history *h, uint64_t position);
weft_status weft_history_rewind_slot(struct weft_history *h, uint32_t slot, uint64_t position);
/// The plan's position of a slot. Errors: INVALID (the slots have none, or several).
weft_status weft_history_slot_position(const struct weft_history *h, uint32_t slot, uint32_t *position);
/// Refuses what can't be asked of a slot: LIMIT (there is none of this number), INVALID (states and positions disagree
/// about how many there are), UNSUPPORTED (a slot has no whole words of some state); STALE, LOST. `whole`: also where
/// rows of all slots lie in a state that is not kept by slot.
weft_status weft_history_check_slot(const struct weft_history *h, uint32_t slot, bool whole);
/// The newest checkpoint at just this position; NULL: there is none.
const struct weft_snapshot *weft_history_find(const struct weft_history *h, uint64_t position);

// ---- snapshots (session/snapshot.c) ---------------------------------------------------------------------------------

/// Takes one on the device or on the host, of the session or of one slot. On failure *out is NULL. `settle` false: with
/// positions that may be upper bounds, which it then says, so that nothing is waited for.
weft_status weft_snapshot_take(struct weft_history *h, uint32_t slot, bool host, bool settle,
                               struct weft_snapshot **out);
/// Refuses (INVALID, STALE) a snapshot of other states, and one of a slot for a session or the other way round.
weft_status weft_snapshot_suits(const struct weft_history *h, uint32_t slot, const struct weft_snapshot *snapshot);
/// Puts it in place of the states and variables, or of those of a slot; `all` false leaves alone what no operator
/// writes.
weft_status weft_snapshot_put(struct weft_history *h, uint32_t slot, const struct weft_snapshot *snapshot, bool all);
/// Makes a host snapshot the session's newest: what a recovery restores, as long as the caller keeps it. Nothing
/// happens if it is one on the device.
void weft_snapshot_follow(struct weft_history *h, struct weft_snapshot *snapshot);
/// Forgets the newest host snapshot if it was taken at `from` or beyond.
void weft_snapshot_unfollow(struct weft_history *h, uint64_t from);
#endif
