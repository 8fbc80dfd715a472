/// What the compiler adds for states of two buffers.
#ifndef WEFT_OPS_STATE_WRITE_H
#define WEFT_OPS_STATE_WRITE_H
#include "plan/lower.h"

/// Emits the step that copies the present of a double-buffered state (a number in plan->states) to its past, always: a
/// run that was not active has kept the past as the present, and one that ends itself (a sampler at a stop) counts.
weft_status weft_state_commit_lower(struct weft_lower *l, uint32_t state);
/// Emits the step that copies value `from` to value `to`, of equal types; `to` may be a state's version.
weft_status weft_state_copy_lower(struct weft_lower *l, const char *label, weft_value from, weft_value to);
#endif
