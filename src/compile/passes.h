/// The passes, and what they share. driver.c lists them in order; each has its file.
///
/// A pass returns OK, or an error that ends the compilation. Passes over a schedule may also answer that a group is too
/// large for the device (weft_too_large): then the schedule is lowered again with that group smaller.
#ifndef WEFT_COMPILE_PASSES_H
#define WEFT_COMPILE_PASSES_H
#include "compile/compile.h"

/// A compilation under way. One schedule is at hand at a time.
struct weft_compiling {
    struct weft_plan *plan;
    const struct weft_compile_params *params; ///< never NULL
    struct weft_schedule *schedule;
    struct weft_lower lower; ///< of the schedule: groups and steps, until it has the steps itself
    // how much is fused
    int level;            ///< 0: nothing, 1: regions, 2: also prologues, epilogues and parts
    uint8_t *node_budget; ///< by node: weft_lower.node_budget
    // what does not fit
    enum weft_fit fit;           ///< of the attempt at hand
    uint32_t attempt, n_smaller; ///< attempts so far at this level; groups that are to be smaller in the next
    char why[256];               ///< the first of them has to
};

/// For passes over a schedule, with the error at hand as the reason: the steps of group k don't fit. OK if the group
/// can be made smaller, and the pass may go on to find others; LIMIT if it can't. `now`: at once; else from the second
/// attempt on, which knows in which shards the weights lie.
weft_status weft_too_large(struct weft_compiling *c, uint32_t k, bool now);

// Before and behind the passes of the scope WEFT_PASS_LOWER (lower.c).
weft_status weft_lower_begin(struct weft_compiling *c);
weft_status weft_lower_keep(struct weft_compiling *c); ///< gives the schedule its steps and tensors
void weft_lower_end(struct weft_compiling *c);         ///< frees; twice is fine

// What each of them does stands in the table of driver.c.
weft_status weft_pass_pairs(struct weft_compiling *c);
weft_status weft_pass_states(struct weft_compiling *c);
weft_status weft_pass_positions(struct weft_compiling *c);
weft_status weft_pass_variables(struct weft_compiling *c);
weft_status weft_pass_pages(struct weft_compiling *c);
weft_status weft_pass_size(struct weft_compiling *c);
weft_status weft_pass_io(struct weft_compiling *c);
weft_status weft_pass_schedules(struct weft_compiling *c);
weft_status weft_pass_outputs(struct weft_compiling *c);
weft_status weft_pass_lower(struct weft_compiling *c);
weft_status weft_pass_alias(struct weft_compiling *c);
weft_status weft_pass_commit(struct weft_compiling *c);
weft_status weft_pass_limits(struct weft_compiling *c);
weft_status weft_pass_split(struct weft_compiling *c);
weft_status weft_pass_bind(struct weft_compiling *c);
weft_status weft_pass_write(struct weft_compiling *c);
weft_status weft_pass_number(struct weft_compiling *c);
weft_status weft_pass_forms(struct weft_compiling *c);

// Those that tests also run alone.
weft_status weft_pass_leaves(struct weft_graph *g);
weft_status weft_pass_decompose(struct weft_graph *g);
weft_status weft_pass_fold(struct weft_graph *g);
weft_status weft_pass_simplify(struct weft_graph *g);
weft_status weft_pass_common(struct weft_graph *g);
weft_status weft_pass_ranges(struct weft_graph *g);
weft_status weft_pass_dead(struct weft_graph *g);
/// Partitions the nodes into groups (l->groups, l->node_group) in an order that respects data and state dependences.
weft_status weft_pass_fuse(struct weft_lower *l, int level);
/// `from`: weft_compile_params.weights_of.
weft_status weft_pass_shards(struct weft_plan *plan, const struct weft_plan *from);
/// Lifetimes and heaps of a schedule's transients: first, last, heap and offset of its tensors, heap_bytes and
/// lower_bound. Errors: LIMIT (they fit no heap), NOMEM.
weft_status weft_pass_place(const struct weft_plan *plan, struct weft_schedule *schedule);

/// By how much the run has moved a variable on where version `var` of it is read. WEFT_DIM_NONE: something else
/// than `advance` wrote it, which no variable with a tracked position has seen.
weft_dim weft_plan_ahead(struct weft_plan *plan, weft_value var);

/// What stands behind a pass, as text: the graph, the groups, or the steps (show.c).
void weft_pass_show(const struct weft_compiling *c, enum weft_pass_scope scope, struct weft_str *out);
#endif
