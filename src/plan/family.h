/// Families of kernels: what lowers groups of nodes. The operators hand the table to the compiler with their rows
/// (weft_op_set.families), so that compile/ knows neither an operator nor a kernel.
#ifndef WEFT_PLAN_FAMILY_H
#define WEFT_PLAN_FAMILY_H
#include "plan/lower.h"

/// What a kernel of a family would hold: asked before two groups become one.
struct weft_family_load {
    uint32_t nodes, reductions, rowmaps;
};

struct weft_family {
    const char *name;
    /// What fusion may make of its nodes: NODE (each its own group), REGION (they grow together in one index space) or
    /// CONTRACT (they are the anchors of a group, with regions in front and behind).
    enum weft_group_kind kind;
    bool (*takes)(const struct weft_graph *g, const struct weft_node *n);
    /// Type of the index space that a node computes in; NULL: that of its first output.
    const struct weft_type *(*space)(const struct weft_graph *g, const struct weft_node *n);
    /// Emits the steps of a group. A group that asks for more than a kernel has room for is reported by
    /// weft_lower_over_budget and lowered again, smaller.
    weft_status (*lower)(struct weft_lower *l, uint32_t group);

    // REGION
    uint32_t most_parts;                                ///< independent regions side by side in one step
    bool (*holds)(const struct weft_family_load *load); ///< one kernel has room for it
    // CONTRACT: every kernel computes each element of an anchor once, so that an elementwise region behind it may be
    // computed there.
    uint32_t most_anchors;
    /// The anchor stages rows of its first operand, so that the region which makes them may be computed there.
    bool (*takes_prologue)(struct weft_lower *l, const struct weft_node *n);
    /// Two anchors of one first operand may share a step; asked of an anchor and itself, whether it ever may.
    bool (*joins)(struct weft_lower *l, const struct weft_node *a, const struct weft_node *b);
    /// The anchor computes elements of an operand where it reads them, as often as it does, and that is cheaper than a
    /// step which stores what a region of this load makes: of elementwise nodes, row maps and moves, no reductions.
    bool (*takes_side)(struct weft_lower *l, const struct weft_node *n, uint32_t operand,
                       const struct weft_family_load *load);
};

struct weft_family_set {
    /// Ended by NULL. The first that takes a node has it; the last takes all.
    const struct weft_family *const *families;
    // What the compiler itself asks for.
    /// Emits a step that copies `count` elements from one place to another because of aliasing. `why` is a clause.
    void (*copy)(struct weft_lower *l, const char *label, weft_dim count, struct weft_place from, struct weft_place to,
                 weft_dtype dtype, const char *why);
    /// Emits the step that copies the present of a double-buffered state (a number in plan->states) to its past.
    weft_status (*commit)(struct weft_lower *l, uint32_t state);
};

static inline const struct weft_family_set *weft_lower_families(const struct weft_lower *l) {
    return l->graph->ops->families;
}
#endif
