/// The groups that the fuser (fuse.c) grows: members, order, dependences, what they need. Only these two files include
/// this.
#ifndef WEFT_COMPILE_GROUPS_H
#define WEFT_COMPILE_GROUPS_H
#include "compile/alias.h"
#include "compile/compile.h"

#define WEFT_NO_GROUP UINT32_MAX
#define WEFT_ALL_GROUPS (UINT32_MAX - 1)

struct weft_space {
    enum weft_group_kind kind;
    const struct weft_family *family; ///< NULL: a view
    struct weft_type type;
    uint32_t mask; ///< axes along which it reduces, or some value of it has one element; 0: none
    bool has_row;  ///< holds reductions or row maps
    bool fixed;    ///< its row length has a meaning for some node: the space must not widen
    bool uneven;   ///< some value has another shape than the space, such as one element a row
    bool reshaped; ///< some value has another shape of as many elements as the space, or as it has rows
    bool dead;
    uint32_t n_nodes, n_anchors, n_parts, n_reductions, n_rowmaps, n_moves, n_sinks;
    uint32_t budget;     ///< most bindings that it may need
    uint32_t head, tail; ///< members, by f->next
    uint32_t at;         ///< place in f->order
};

struct weft_fuser {
    struct weft_lower *l;
    struct weft_graph *g;
    uint32_t *group;        ///< by node
    uint32_t *next;         ///< by node: the next member of its group
    uint8_t *role;          ///< by node: enum weft_role
    uint32_t *weight_of[2]; ///< packed and element by element, by value: number of its plan weight plus one, where an
                            ///< earlier attempt or schedule made it
    uint32_t *mark;         ///< by group, for searches
    uint32_t stamp;
    uint32_t *stack, *scratch;
    struct weft_space *spaces;       ///< by group
    uint32_t bridges[16], n_bridges; ///< views between two groups that are to merge: part of the first while one asks
    uint32_t *order; ///< groups in a topological order, with holes (WEFT_NO_GROUP) where groups were merged
    // adjacency: consumers of each node (data and state order)
    uint32_t *edge_start, *edges;
    int level;
};

/// Lists the consumers of every node.
weft_status weft_groups_edges(struct weft_fuser *f);
/// True if group b depends on group a in any way.
bool weft_groups_reach(struct weft_fuser *f, uint32_t a, uint32_t b);
/// True if the node is a view whose elements have the numbers of its operand's, in a group of its own.
bool weft_group_is_view(const struct weft_fuser *f, uint32_t node);
bool weft_group_is_bridge(const struct weft_fuser *f, uint32_t group);
/// Finds the views between values of group a and nodes of group b, so that what is asked about a next counts them as a
/// part of it. False: they are too many.
bool weft_groups_bridge(struct weft_fuser *f, uint32_t a, uint32_t b);
/// Ends that; `take`: group a, whose values they show, takes them in.
void weft_groups_unbridge(struct weft_fuser *f, uint32_t a, bool take);
/// False if a path leads from one to the other through a third group: merging them would make a cycle.
bool weft_groups_may_merge(struct weft_fuser *f, uint32_t a, uint32_t b);
/// Moves all members of `from` to `into`, and keeps the order topological.
void weft_groups_merge(struct weft_fuser *f, uint32_t into, uint32_t from);
/// True if a state write and a read, or another write, of the same memory would overlap in the two as one dispatch.
/// Reading the very range that is written clashes where `strict` (a group, or WEFT_ALL_GROUPS) takes part, and in
/// prologues, which every workgroup computes.
bool weft_groups_clash(const struct weft_fuser *f, uint32_t a, uint32_t b, uint32_t strict, struct weft_clash *why);
/// True if the two may stand side by side in one step: they stay within their budgets of bindings and operands, and
/// nothing clashes.
bool weft_groups_affordable(const struct weft_fuser *f, uint32_t a, uint32_t b);
/// True if the two may become one row program, whose text has bounded room. If not because of a clash, *why has it;
/// otherwise why->writer is WEFT_NO_GROUP.
bool weft_groups_joinable(const struct weft_fuser *f, uint32_t a, uint32_t b, struct weft_clash *why);
/// Writes l->groups and l->node_group, in an order that runs.
weft_status weft_groups_order(struct weft_fuser *f);
#endif
