/// What operators over several sequences share: variables by slot, and positions and slots by token.
///
/// A session serves S sequences, each in a slot. Variables of S words say where each stands (`pos`) and how many tokens
/// of a run are its (`count`); the tokens of slot 0 come first. Operators that work on single tokens take position[T]
/// and slot[T] from place_tokens; those that work on whole sequences take pos and count, or count alone where only the
/// order of tokens matters.
///
/// Only src/ops includes this.
#ifndef WEFT_OPS_SEQUENCE_H
#define WEFT_OPS_SEQUENCE_H
#include "plan/lower.h"

/// The n types are those of pos, count and active in this order: u32 [S] with S a constant of 1 to WEFT_MAX_SEQUENCES,
/// all the same. Errors: INVALID.
weft_status weft_sequence_check_vars(struct weft_graph *g, const char *op, const struct weft_type *in, uint32_t n);
/// How many of a node's last operands say whose its tokens are: count and, if there are two, active. Those in front are
/// of other types than u32.
uint32_t weft_sequence_tail(const struct weft_type *in, uint32_t n_in);
uint32_t weft_sequence_tail_of(const struct weft_graph *g, const struct weft_node *n);
uint32_t weft_sequence_tail_host(const struct weft_eval *e);
/// The n types are those of count and active, in this order, for the slots that axis 0 of `state` has. Errors: INVALID.
weft_status weft_sequence_check_tail(struct weft_graph *g, const char *op, const struct weft_type *state,
                                     const struct weft_type *in, uint32_t n);
/// Fills the limit of a node with a tail: its counts add up to `most` at most. Returns the number of limits.
uint32_t weft_sequence_tail_limits(const struct weft_graph *g, const struct weft_node *n, weft_dim most,
                                   struct weft_op_limit *out);
/// Of a node with a tail: that it lies in the variables block (UNSUPPORTED otherwise, which names what does not), and
/// that the state, operand 0, is kept by slot or may be. Of any other node: that its state is of one sequence.
weft_status weft_sequence_check_tail_lower(struct weft_lower *l, const struct weft_node *node);
/// Template values SLOTS, COUNT and ACTIVE (-1: no such operand) of ops/sequence_at.wgsl and ops/sequence_of.wgsl, and
/// operand vars. SLOTS is 0 for a node without a tail, which gets no operand.
void weft_sequence_emit_tail(struct weft_lower *l, struct weft_step *s, const struct weft_node *node, int64_t slots);
/// Past and next of operand 0 are one memory, so that a slot that keeps its state is not written.
bool weft_sequence_in_place(const struct weft_lower *l, const struct weft_node *node);
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
/// The same of a node with a tail of n operands; none of a slot whose activity is 0. Without a tail the sequences of a
/// batch have `tokens` each.
int64_t weft_sequence_tail_tokens(const struct weft_eval *e, uint32_t n, int64_t slot, int64_t tokens, int64_t *first);
#endif
