/// Editing a graph: who uses each value is known all the time, so that what a change costs does not depend on the size
/// of the graph. Passes walk a worklist of nodes and call what is below.
///
/// Between begin and end the graph's nodes stand in the array in the order in which they were made; their order of
/// execution is a list. `end` puts the array in that order, without dead nodes.
///
/// Replacing a value by one of its own operands, or by a value made before it, keeps the graph correct as long as the
/// two agree in every element. A version of a state is memory that a later node writes over, so no value may be
/// replaced by one (weft_rewrite_stands).
#ifndef WEFT_IR_REWRITE_H
#define WEFT_IR_REWRITE_H
#include "ir/graph.h"

struct weft_rewrite {
    struct weft_graph *g;
    size_t n_nodes, n_values; ///< known so far
    size_t cap_nodes, cap_values;
    struct weft_rewrite_node *nodes; ///< by node: its place in the order and in the worklist, its operands' uses
    uint32_t *first;                 ///< by value: its first use
    uint32_t head, tail;             ///< of the order
    uint32_t queue_head, queue_tail; ///< of the worklist
    bool changed;
    uint64_t work; ///< goes to weft_graph.work, which tests bound
};

/// Every live node stands in the worklist, in order. Errors: NOMEM, after which `end` need not be called.
weft_status weft_rewrite_begin(struct weft_graph *g, struct weft_rewrite *r);
/// Puts nodes in order, unless `status`, which is returned, is an error or nothing has changed; frees all.
weft_status weft_rewrite_end(struct weft_rewrite *r, weft_status status);

/// The next node of the worklist, which leaves it; WEFT_NO_NODE at the end.
uint32_t weft_rewrite_next(struct weft_rewrite *r);
/// Puts a live node at the end of the worklist, if it is not in it.
void weft_rewrite_push(struct weft_rewrite *r, uint32_t node);
/// Neighbours in the order of execution. Before WEFT_NO_NODE stands the last node, behind it the first.
uint32_t weft_rewrite_before(const struct weft_rewrite *r, uint32_t node);
uint32_t weft_rewrite_after(const struct weft_rewrite *r, uint32_t node);

/// Takes in the nodes that were added to the graph since, in front of node `at`, and puts them in the worklist.
/// `origin`: what they come from; NULL: nothing. Errors: NOMEM.
weft_status weft_rewrite_take(struct weft_rewrite *r, uint32_t at, const char *origin);
/// Every use of value `from` becomes one of `to`; the users come into the worklist. An output `from` hands its name on;
/// where `to` is an output itself, or memory that is no output's, a view of all of it is added in front of node `at`
/// and becomes the output. Errors: of adding that view.
weft_status weft_rewrite_replace(struct weft_rewrite *r, weft_value from, weft_value to, uint32_t at);
/// Operand k of a node becomes `v`.
void weft_rewrite_operand(struct weft_rewrite *r, uint32_t node, uint32_t k, weft_value v);
/// Removes a node that nothing uses (weft_rewrite_used).
void weft_rewrite_kill(struct weft_rewrite *r, uint32_t node);

/// True if a node reads `v`, or it is an output.
bool weft_rewrite_used(const struct weft_rewrite *r, weft_value v);
/// True if a result of the node is used, or it writes a state.
bool weft_rewrite_needed(const struct weft_rewrite *r, uint32_t node);
/// True if `to` may take the place of `from`: it has the same type, shows no memory of a state, and no output needs a
/// view for it.
bool weft_rewrite_stands(const struct weft_graph *g, weft_value from, weft_value to);
/// True if the node's results follow from the elements of its operands alone: it neither writes nor looks back into a
/// state, and draws no random numbers.
bool weft_rewrite_pure(const struct weft_node *n);
#endif
