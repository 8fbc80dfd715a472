/// Steps whose operands are larger than a binding.
#ifndef WEFT_COMPILE_CUT_H
#define WEFT_COMPILE_CUT_H
#include "plan/plan.h"

/// Binds a step (weft_bind_step), as a whole or in pieces. Whole: *pieces is NULL and the step is bound. Else *pieces
/// are *n_pieces bound steps, which the caller frees (weft_free) and which take the step's place, in order. Errors:
/// those of weft_bind_step, with LIMIT where neither will do.
weft_status weft_cut_step(struct weft_plan *plan, const struct weft_schedule *schedule, struct weft_step *step,
                          struct weft_step **pieces, uint32_t *n_pieces);

/// Binds all steps of a schedule, which is given pieces in their place; lifetimes are numbered anew. `refused` (may be
/// NULL) is asked about a step that the device's limits do not allow: true goes on, and the worst status is returned in
/// the end.
weft_status weft_cut_schedule(struct weft_plan *plan, struct weft_schedule *schedule,
                              bool (*refused)(void *user, const struct weft_step *step), void *user);
#endif
