/// The one kernel that copies: behind `assign` and `state_write`, behind every copy that the planner makes, and behind
/// elements that another kernel stored as a word each.
#ifndef WEFT_KERNELS_COPY_MOVE_H
#define WEFT_KERNELS_COPY_MOVE_H
#include "plan/lower.h"

/// Emits a step that moves `count` elements from one place to another. Types of one width move as bits; words are
/// joined where elements of `to_type` share them, of which `from_type` must then hold any value
/// (weft_storage.as_word): f32 is rounded. A range of such elements may start and end inside a word: who owns the word
/// keeps the rest of it. Each invocation reads what it writes before it writes, so that a move of a range to itself is
/// whole.
struct weft_step *weft_emit_move(struct weft_lower *l, const char *label, weft_dim count, struct weft_place from,
                                 weft_dtype from_type, struct weft_place to, weft_dtype to_type);
/// All of value `from` to value `to`, of equal types; `to` may be a state's version.
weft_status weft_move_value(struct weft_lower *l, const char *label, weft_value from, weft_value to);
/// Marks a move as a copy because of aliasing; `why` is a clause such as "it is a view of 'm'".
void weft_move_is_copy(struct weft_lower *l, struct weft_step *s, weft_dim count, weft_dtype to_type, const char *why);
/// Emits the step that copies the present of a double-buffered state (a number in plan->states) to its past, always: a
/// run that was not active has kept the past as the present, and one that ends itself (a sampler at a stop) counts.
weft_status weft_move_commit(struct weft_lower *l, uint32_t state);
#endif
