/// The interface between the compiler and an operator's `lower`: a group of nodes in, steps out.
#ifndef WEFT_PLAN_LOWER_H
#define WEFT_PLAN_LOWER_H
#include "plan/plan.h"

/// A contraction over at most so many rows at once is a matrix-vector product: prologues are folded into it.
#define WEFT_FEW_ROWS 8

/// Nodes that become one dispatch (or a few of one family).
enum weft_group_kind {
    WEFT_GROUP_NODE,     ///< one node, lowered by its operator
    WEFT_GROUP_REGION,   ///< elementwise and row nodes, lowered by the region family; independent parts side by side
    WEFT_GROUP_CONTRACT, ///< contraction(s) of one left operand with prologue and epilogue nodes
    WEFT_GROUP_VIEW,     ///< no step
};
enum weft_role {
    WEFT_ROLE_BODY,
    WEFT_ROLE_PROLOGUE,
    WEFT_ROLE_EPILOGUE
};                  ///< of a region's node in a contraction group
struct weft_family; ///< plan/family.h
struct weft_group {
    enum weft_group_kind kind;
    const struct weft_family *family; ///< NULL: a view
    uint32_t *nodes;                  ///< graph node indices in order
    uint8_t *roles;                   ///< enum weft_role of each
    uint32_t n_nodes;
    uint32_t n_anchors;  ///< CONTRACT: how many of them are contractions
    uint32_t n_bindings; ///< that the fuser counted on
    bool dead;
};

/// Whether what a group becomes fits a kernel and the device. Of several nodes that do not fit, less is made at once.
enum weft_fit { WEFT_FITS, WEFT_TOO_LARGE };

/// Where a value is: a tensor and a live element offset (views are resolved).
struct weft_place {
    uint32_t tensor;
    weft_dim elem_offset;
};

/// A value that no step stores, because each of its readers computes it while it stages its operand: `stage` adds the
/// operands to the reader's step and appends text that fills slot m of `xs` with row `row` of the value.
struct weft_lower;
struct weft_deferred {
    struct weft_deferred *next;
    weft_value value;
    const void *cfg;
    uint32_t scratch[2];
    void (*stage)(struct weft_lower *l, struct weft_step *s, const struct weft_deferred *d, struct weft_str *out);
};

/// Scratch that one step left and others of the schedule read as well: what it was made of, by which kernel.
struct weft_remembered {
    struct weft_remembered *next;
    const struct weft_kernel *kernel;
    weft_value of;
    uint32_t numbers[3]; ///< what else it depends on
    uint32_t scratch[2];
};

struct weft_lower {
    struct weft_plan *plan;
    struct weft_graph *graph;
    const struct weft_gpu_caps *caps;
    const struct weft_profile *profile; ///< of the caps
    struct weft_group *groups;
    uint32_t n_groups;
    uint32_t *node_group;                               ///< group of each node
    struct weft_place *places;                          ///< by value
    int64_t lo[WEFT_MAX_SYMBOLS], hi[WEFT_MAX_SYMBOLS]; ///< guard of the schedule being lowered
    struct weft_step *steps;
    uint32_t n_steps;
    size_t cap_steps;
    struct weft_tensor *tensors;
    uint32_t n_tensors;
    size_t cap_tensors;
    uint32_t group;             ///< being lowered; steps remember it
    uint32_t *use_start, *uses; ///< nodes that read value v: uses[use_start[v]] .. uses[use_start[v + 1] - 1]
    const uint8_t
        *node_budget; ///< by node: most bindings of a group that holds it, 0: the device's; NULL: all the device's
    struct weft_deferred *deferred;
    struct weft_remembered *remembered;
    weft_value *output_view; ///< by value: the output that is a view of all of it and gives it its memory, or NO_VALUE
    bool skip_alias_check;   ///< tests: overlaps count as in place (weft_compile_params.skip_alias_check)
    const char **copy_why;   ///< by node: why a state write that could have ended a kernel stands alone, or NULL
    enum weft_fit fit;       ///< TOO_LARGE: `status` is LIMIT because of the size of the group at hand
    weft_status status;      ///< sticky: emit calls may be chained and checked once with weft_lower_status
};

// ---- asking ----
static inline const struct weft_value_info *weft_lv(const struct weft_lower *l, weft_value v) {
    return &l->graph->values[v];
}
/// Upper bound of a dim under the schedule's guard.
int64_t weft_lower_max(const struct weft_lower *l, weft_dim d);
/// Constant value of a dim, or -1.
int64_t weft_lower_const(const struct weft_lower *l, weft_dim d);
/// True if `v` starts at a multiple of 4 elements for all sizes and its last axis is a constant multiple of 4.
bool weft_lower_wide(const struct weft_lower *l, weft_value v);
/// True if some node outside the group (or an output) reads `v`: then the group must store it.
bool weft_lower_live_out(const struct weft_lower *l, uint32_t group, weft_value v);
/// The record of a deferred value, or of the one that it is a view of; NULL for all others.
const struct weft_deferred *weft_lower_deferred(const struct weft_lower *l, weft_value v);
/// True if `v` is a weight or a constant, or made of such while they are loaded (weft_op.repack); not a view of one.
bool weft_lower_is_leaf(const struct weft_lower *l, weft_value v);
/// Element type of `v` on the device: that of its type, f32 for quantised types.
weft_dtype weft_lower_dtype(const struct weft_lower *l, weft_value v);
/// What messages call a value.
const char *weft_lower_name(const struct weft_lower *l, weft_value v);
/// True if `v` is a weight, or a run of one's elements seen in any shape, whose type has a packed form. Whatever reads
/// rows of 32 elements (products, gather) asks for that form; all others read elements, through weft_emit_value.
bool weft_lower_packs(const struct weft_lower *l, weft_value v);
/// The layout of that form.
struct weft_wlayout weft_lower_layout(const struct weft_lower *l, weft_value v);
/// The packed form of `v`, for which weft_lower_packs holds; made on first use, common to all readers of the same run.
/// Never NULL; without parts once failed.
const struct weft_plan_weight *weft_lower_weight(struct weft_lower *l, weft_value v);
/// The form that accessors read of a weight or constant (weft_lower_is_leaf). weft_lower_place calls it.
const struct weft_plan_weight *weft_lower_elements(struct weft_lower *l, weft_value leaf);
/// A constant table made by a lowering; equal name and bytes are shared. Returns the weight, plain words.
const struct weft_plan_weight *weft_lower_table(struct weft_lower *l, const char *name, const void *data,
                                                uint64_t bytes);
/// Product of dims [first, last) as a dim.
weft_dim weft_lower_product(struct weft_lower *l, const struct weft_type *t, uint32_t first, uint32_t last);

// ---- emitting ----
#define WEFT_NO_OPERAND UINT32_MAX
/// Starts a step; `cfg` is copied (size may be 0). Returns a scratch step even when failed, never NULL.
struct weft_step *weft_emit(struct weft_lower *l, const struct weft_kernel *kernel, const char *label, const void *cfg,
                            size_t cfg_size);
/// Adds an operand for a graph value, wherever it lies (weft_lower_place), and returns its index. To write a variable
/// is to write the variables block: then it returns WEFT_NO_OPERAND.
uint32_t weft_emit_value(struct weft_lower *l, struct weft_step *s, const char *name, enum weft_access access,
                         weft_value v, uint8_t flags);
/// Adds an operand for `count` elements at a place: a value's own, or a range of a state. Returns its index.
uint32_t weft_emit_place(struct weft_lower *l, struct weft_step *s, const char *name, enum weft_access access,
                         struct weft_place place, weft_dtype dtype, weft_dim count, uint8_t flags);
/// The range of a state that a node that writes one (weft_op_range) writes.
struct weft_place weft_lower_range(struct weft_lower *l, const struct weft_node *n);
/// Adds the planes of one part of a packed weight as operands NAME_q, NAME_h, NAME_s, NAME_d (u32, wide for q), and the
/// template values W_BITS, W_HIGH, W_GROUP, W_ZERO, W_MIN, W_SCALE (0 none, 1 f16, 2 k, 3 i8, 4 f32), W_BF16.
void weft_emit_weight(struct weft_lower *l, struct weft_step *s, const char *name, const struct weft_plan_weight *w,
                      uint32_t part);
/// Adds a plain table.
uint32_t weft_emit_table(struct weft_lower *l, struct weft_step *s, const char *name, const struct weft_plan_weight *w,
                         weft_dtype dtype, uint8_t flags);
/// Makes a scratch tensor (alive while steps that name it are) and adds it.
uint32_t weft_lower_scratch(struct weft_lower *l, const char *name, weft_dtype dtype, uint64_t max_elements);
uint32_t weft_emit_scratch(struct weft_lower *l, struct weft_step *s, const char *name, enum weft_access access,
                           uint32_t tensor, uint8_t flags);
/// What an earlier step made of `of` by this kernel and these numbers, or NULL.
const struct weft_remembered *weft_lower_recall(const struct weft_lower *l, const struct weft_kernel *kernel,
                                                weft_value of, const uint32_t numbers[3]);
void weft_lower_remember(struct weft_lower *l, const struct weft_remembered *r); ///< keeps a copy
/// The variables block as operand "vars" (read, or read_write for kernels that advance variables).
void weft_emit_vars(struct weft_lower *l, struct weft_step *s, enum weft_access access);
/// Word of a variable in the block.
uint32_t weft_lower_var_slot(const struct weft_lower *l, weft_value var);
void weft_emit_int(struct weft_lower *l, struct weft_step *s, const char *tval, int64_t x);
void weft_emit_text(struct weft_lower *l, struct weft_step *s, const char *tval, const char *text); ///< text is copied
void weft_emit_workgroup(struct weft_step *s, uint32_t x, uint32_t memory_bytes);
/// Tensor of a state's only buffer or, of one with two, of its past or its present.
uint32_t weft_lower_state_tensor(struct weft_lower *l, uint32_t state, bool present);
/// The step may be split between workgroups, numbered by group_index() over a folded grid, each of which has
/// `items` work items; weft_emit_reach says which elements these reach (struct weft_operand).
void weft_emit_items(struct weft_step *s, uint32_t items);
/// Of WEFT_NO_OPERAND there is nothing to say.
void weft_emit_reach(struct weft_step *s, uint32_t operand, uint64_t every, uint64_t unit);
/// Lets `v` be the memory of `of` from element `start` on, which nothing writes while `v` is read: no kernel.
weft_status weft_lower_view(struct weft_lower *l, weft_value v, weft_value of, weft_dim start);
/// Where a value lies: makes its tensor (output, state, elements of a weight, transient) if it has none yet. Variables
/// are words of the variables block.
void weft_lower_place(struct weft_lower *l, weft_value v);

/// LIMIT, because the group being lowered needs more of something than a kernel has room for: it is lowered again,
/// smaller.
void weft_lower_over_budget(struct weft_lower *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
weft_status weft_lower_fail(struct weft_lower *l, weft_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#endif
