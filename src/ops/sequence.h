/// What operators over several sequences share: variables by slot, and positions and slots by token.
///
/// A session serves S sequences, each in a slot. Variables of S words say where each stands (`pos`) and how many tokens
/// of a run are its (`count`); the tokens of slot 0 come first. Operators that work on single tokens take position[T]
/// and slot[T] from place_tokens; those that work on whole sequences take pos and count.
///
/// Only src/ops includes this.
#ifndef WEFT_OPS_SEQUENCE_H
#define WEFT_OPS_SEQUENCE_H
#include "plan/lower.h"

/// The n types are those of pos, count and active in this order: u32 [S] with S a constant of 1 to WEFT_MAX_SEQUENCES,
/// all the same. Errors: INVALID.
weft_status weft_sequence_check_vars(struct weft_graph *g, const char *op, const struct weft_type *in, uint32_t n);
/// `t` is u32 [tokens]. Errors: INVALID.
weft_status weft_sequence_check_tokens(struct weft_graph *g, const char *op, const char *name,
                                       const struct weft_type *t, weft_dim tokens);
/// The node's last operands from number `pos` on, which are pos, count and active in this order, lie in the variables
/// block. Errors: UNSUPPORTED, which names the one that does not.
weft_status weft_sequence_need_vars(struct weft_lower *l, const struct weft_node *node, uint32_t pos);
/// Refuses (INVALID) operand `i` if it is a state that is kept by slot and the operator has one sequence, or one of
/// several sequences whose kind places rows, but not by slot. A dense state may be either.
weft_status weft_sequence_check_state(struct weft_lower *l, const struct weft_node *node, uint32_t i, bool by_slot);
/// Tokens of a slot, of `tokens` in all, and in *first the number of its first one.
int64_t weft_sequence_tokens(const struct weft_host *count, int64_t slot, int64_t tokens, int64_t *first);
#endif
