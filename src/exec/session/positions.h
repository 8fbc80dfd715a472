/// Variables and positions of a session as the host knows them: set by the caller, moved on by runs. While no step of
/// the program can clear the activity they are exact; else runs after a stop leave no trace on the device and the
/// host's count is an upper bound, until the variables are read back.
///
/// Calls that need the live sizes are given the values of the graph's symbols.
#ifndef WEFT_EXEC_SESSION_POSITIONS_H
#define WEFT_EXEC_SESSION_POSITIONS_H
#include "exec/session/states.h"

/// What the host knows of one of the plan's positions.
struct weft_track {
    uint64_t at;  ///< its value; an upper bound while positions are inexact
    uint64_t top; ///< highest value since the caches were empty: rings hold rows from top - capacity on
};

struct weft_positions {
    struct weft_base *base;
    struct weft_states *states;
    struct weft_track *tracks; ///< by number in plan->positions
    /// Variables that no operator writes, by word: what they hold. Of those that operators only clear: 0 if they hold
    /// it and the host knows.
    uint32_t *known;
    uint32_t *settled; ///< room for them, to be read back
    bool inexact;      ///< the device may have stopped a run: tracks[].at are upper bounds
    bool idle;         ///< the activity is 0: runs move nothing on
};

weft_status weft_positions_init(struct weft_positions *p);
void weft_positions_free(struct weft_positions *p);

/// Sets all positions and variables as after a reset, on the device too.
weft_status weft_positions_reset(struct weft_positions *p);
/// Sets one variable, or its word of a slot, to what it starts with, on the device too, and a position with it.
weft_status weft_positions_start(struct weft_positions *p, uint32_t state, uint32_t slot);
/// Sets all positions to what they start with, on the device too. They are exact then.
weft_status weft_positions_start_all(struct weft_positions *p);
/// Writes word `word` of the variables block.
weft_status weft_positions_write(struct weft_positions *p, uint32_t word, uint32_t bits);
/// Whether a slot is known to be idle: runs leave it where it is.
bool weft_positions_idle(const struct weft_positions *p, uint32_t position);
/// How far a run moves a position on, at these sizes and with what the host has written.
int64_t weft_positions_step(const struct weft_positions *p, uint32_t position, const int64_t *symbols);
/// Moves the positions on, after the submit of `runs` runs.
void weft_positions_ran(struct weft_positions *p, uint32_t runs, const int64_t *symbols);
/// Makes the positions exact: reads the variables back if the device may have stopped a run. Errors: LOST, DEVICE.
weft_status weft_positions_settle(struct weft_positions *p);
/// Whether `runs` runs keep to the plan's limits, reading variables back where the host's bound says no. Errors: LIMIT
/// (names the variable, what it would lead to, ways out), LOST.
weft_status weft_positions_check(struct weft_positions *p, uint32_t runs, const int64_t *symbols);

static inline uint64_t weft_positions_at(const struct weft_positions *p, uint32_t position) {
    return p->tracks[position].at;
}

/// Puts what was kept of a slot's variable, and of its position if that is one (else NULL), in place of a slot's.
void weft_positions_put_slot(struct weft_positions *p, uint32_t state, uint32_t slot, uint32_t word,
                             const struct weft_track *track);
/// Makes one session's positions those of another one of the program.
void weft_positions_copy(const struct weft_positions *from, struct weft_positions *to);
/// Puts positions that were kept in place of these; `words`, if not NULL, in place of the variables too. They are
/// exact.
void weft_positions_put(struct weft_positions *p, const struct weft_track *tracks, const uint32_t *words, bool idle);

// ---- of a plan -----------------------------------------------------------------------------------------------------

/// A variable starts with 0, or with the bound that is nearest to it.
uint32_t weft_var_start(const struct weft_plan *plan, uint32_t state);
/// Refuses (INVALID) bits that a variable may not hold.
weft_status weft_var_check(const struct weft_plan *plan, uint32_t state, uint32_t bits);
/// The number of a variable's first position; WEFT_NO_POSITION: it is none.
static inline uint32_t weft_position_of(const struct weft_plan *plan, uint32_t state) {
    for (uint32_t i = 0; i < plan->n_positions; i++)
        if (plan->positions[i].state == state) return i;
    return WEFT_NO_POSITION;
}
static inline bool weft_is_position(const struct weft_plan *plan, uint32_t state) {
    return weft_position_of(plan, state) != WEFT_NO_POSITION;
}
#endif
