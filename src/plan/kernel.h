/// What lowering speaks: kernels, parameter blocks, steps, the tensors of a plan.
///
/// A kernel names operands, never bindings: its template calls load_x(i), store_y(i, v); the binder (compile/bind.c)
/// alone decides which buffer range is bound where and writes the accessors. A kernel's `update` fills the whole
/// parameter block and the grid from live dims; compile calls it at the maximum, resize at the live size. A kernel
/// without it cannot be emitted.
#ifndef WEFT_PLAN_KERNEL_H
#define WEFT_PLAN_KERNEL_H
#include "gpu/caps.h"
#include "ir/graph.h"
#include "plan/storage.h"
#include "plan/template.h"

enum weft_access { WEFT_READ = 1, WEFT_WRITE = 2, WEFT_READ_WRITE = 3 };

/// A field of a parameter block: one 32-bit word of type WEFT_U32, WEFT_I32 or WEFT_F32.
struct weft_field {
    const char *name;
    weft_dtype type;
};

struct weft_step;
struct weft_expr; ///< plan/expr.h

/// What `update` may look at: live host dims and bounds, never device values.
struct weft_update {
    const struct weft_dims *dims;
    const int64_t *symbols; ///< live binding
    const struct weft_gpu_caps *caps;
    const struct weft_step *step;
};
/// `words` has the kernel's fields in order, one word each (the binder's own fields come after and are not seen here).
/// grid = {0, 0, 0} says that all outputs are empty; that is the only reason to skip.
typedef void (*weft_update_fn)(const struct weft_update *u, uint32_t *words, uint32_t grid[3]);

struct weft_kernel {
    const char *name;
    const char *file;                ///< template, such as "ops/gather.wgsl"
    const struct weft_field *fields; ///< ends at name NULL; may be replaced per step (step->fields)
    weft_update_fn update;
};

/// Declares a parameter block once: the C struct `struct NAME`, and the field table NAME_fields with matching order.
///   #define ROPE_PARAMS(F) F(u32, rows) F(f32, scale)
///   WEFT_PARAMS(rope_params, ROPE_PARAMS)
#define WEFT_C_u32 uint32_t
#define WEFT_C_i32 int32_t
#define WEFT_C_f32 float
#define WEFT_FIELD_MEMBER_(type, name) WEFT_C_##type name;
#define WEFT_DTYPE_u32 WEFT_U32
#define WEFT_DTYPE_i32 WEFT_I32
#define WEFT_DTYPE_f32 WEFT_F32
#define WEFT_FIELD_ROW_(type, name) {#name, WEFT_DTYPE_##type},
#define WEFT_PARAMS(NAME, LIST)                                                                                        \
    struct NAME {                                                                                                      \
        LIST(WEFT_FIELD_MEMBER_)                                                                                       \
    };                                                                                                                 \
    static const struct weft_field NAME##_fields[] = {LIST(WEFT_FIELD_ROW_){NULL, WEFT_U32}};                          \
    _Static_assert(sizeof(struct NAME) / 4 + 1 == sizeof NAME##_fields / sizeof NAME##_fields[0], "32-bit fields "     \
                                                                                                  "only");

/// Where a tensor of the plan lives.
enum weft_mem {
    WEFT_MEM_TRANSIENT,
    WEFT_MEM_WEIGHT,
    WEFT_MEM_STATE,
    WEFT_MEM_INPUT,
    WEFT_MEM_OUTPUT,
    WEFT_MEM_VARS,
    WEFT_MEM_FAULT, ///< a session's fault buffer; bindings of checked steps only, never a tensor
};

#define WEFT_NO_TENSOR UINT32_MAX

/// A memory object of a plan. Offsets and sizes in bytes, all rounded to 256.
struct weft_tensor {
    const char *name;
    enum weft_mem mem;
    weft_dtype dtype;     ///< storage: F32, F16, I32, U32, BOOL; U32 for packed weights
    uint64_t bytes;       ///< at the maximum of all symbols
    uint64_t used;        ///< of scratch: bytes asked for, before rounding; else 0
    uint32_t index;       ///< weight part, state (with WEFT_STATE_PRESENT), input or output number; unused for
                          ///< transients
    weft_value value;     ///< the graph value, or WEFT_NO_VALUE (scratch)
    uint32_t first, last; ///< steps between which a transient is alive
    uint32_t heap;        ///< placement: heap (transient) or shard (weight)
    uint64_t offset;
    uint32_t state_capacity;   ///< rows of a ring state, 0 otherwise
    uint32_t slots, slot_rows; ///< of a state by slot: how many, and rows of each; 0 otherwise
    uint64_t bank_bytes;       ///< of a paged state whose pool has several banks (struct weft_plan_pages): of each
};

enum weft_operand_flags {
    WEFT_OPERAND_WIDE = 1,  ///< the kernel only uses load4/store4 at multiples of 4 elements: vec4 bindings allowed
    WEFT_OPERAND_STATE = 2, ///< stores are predicated by `active`
    WEFT_OPERAND_INPLACE =
        4, ///< may share its range with the operand `inplace_of` (same element map, read before write)
    WEFT_OPERAND_ATOMIC = 8, ///< array<atomic<u32>>; never shared
    WEFT_OPERAND_DISJOINT =
        16, ///< lies in the tensor of operand `inplace_of`, and never overlaps it (compile/alias.c proved it)
    WEFT_OPERAND_VARS = 64, ///< the variables block, read by var_u32 and its like; one variable is another operand
    WEFT_OPERAND_BITS = 32, ///< of 16-bit floats: read by bits_x, written a word at a time by put_word_x
};

/// Set by the splitter for an operand whose range it made smaller (compile/split.c).
struct weft_operand_split {
    uint64_t first; ///< elements between the operand's own start and byte_offset
};

/// Set by the binder for an operand (compile/bind.c).
struct weft_operand_bound {
    uint8_t slot;           ///< binding number (0 is the uniform block); of a segmented operand the first
    uint8_t n_segments;     ///< consecutive bindings that hold it, 1 for all that fit one
    uint64_t segment_bytes; ///< bytes of all but the last, a multiple of 256; 0 with one segment
    uint64_t slot_offset;   ///< bytes from the slot's start to the operand's start
};

/// An operand as lowering sets it, but for the two members at the end.
struct weft_operand {
    const char *name; ///< accessor suffix
    uint8_t access;   ///< enum weft_access
    uint8_t flags;
    int8_t inplace_of; ///< operand index or -1
    weft_dtype dtype;  ///< element type as the accessor sees it
    uint32_t tensor;
    uint64_t byte_offset; ///< static start inside the tensor (weight planes and segments), a multiple of 16
    uint64_t bytes;       ///< range at the maximum, from byte_offset
    weft_dim elem_offset; ///< live offset in elements that the accessor adds (views such as the last rows)
    weft_dim count;       ///< live elements that it may touch from elem_offset on; WEFT_DIM_NONE: to the tensor's end
    weft_dim live;        ///< checked plans: live length in elements; WEFT_DIM_NONE: `used`
    uint64_t used;        ///< checked plans: bytes that hold elements, 0: `bytes`
    /// Of a step that may be split (step->items): its items [i * every, (i + 1) * every) reach elements [i * unit,
    /// (i + 1) * unit) and no others. every 0: any item may reach any element.
    uint64_t every, unit;
    struct weft_operand_split split;
    struct weft_operand_bound bound;
};

/// True if binding `slot` holds the operand or a segment of it.
static inline bool weft_operand_in_slot(const struct weft_operand *o, uint32_t slot) {
    const struct weft_operand_bound *b = &o->bound;
    return slot >= b->slot && slot < (uint32_t)b->slot + (b->n_segments ? b->n_segments : 1);
}

/// Plans place everything at multiples of 256 bytes, which every implementation accepts as an offset.
static inline uint64_t weft_align256(uint64_t bytes) { return (bytes + 255) & ~(uint64_t)255; }

#define WEFT_MAX_OPERANDS 24
#define WEFT_MAX_TVALS 32
#define WEFT_MAX_SLOTS 16

struct weft_slot {
    uint8_t kind;
    bool wide, atomic;
    bool segment; ///< holds a part of an operand that is larger than a binding
    uint8_t bank; ///< of a pool: which of its buffers; the session binds as much of it as there is
    uint32_t mem_key;
    uint64_t offset, size;
};

enum weft_copy_kind {
    WEFT_COPY_NONE,
    WEFT_COPY_ALIAS,  ///< because of aliasing
    WEFT_COPY_COMMIT, ///< of a double-buffered state
};

/// Of a step that copies because the planner wants it: reported.
struct weft_step_copy {
    enum weft_copy_kind kind;
    uint64_t bytes;  ///< at the upper bounds
    const char *why; ///< the reason, a clause (arena)
};

/// Set by the splitter for a step that computes a part of what lowering meant (compile/split.c).
struct weft_step_split {
    uint32_t first, end; ///< workgroups [first, end) of the whole; end 0: the whole
};

/// Set by binding for a step (compile/bind.c, write.c, number.c).
struct weft_step_bound {
    struct weft_slot slots[WEFT_MAX_SLOTS];
    uint32_t n_slots;
    uint32_t n_words;  ///< words of the block: fields, then the binder's
    bool checked;      ///< its accessors record accesses out of range; the last slot is the fault buffer
    uint32_t number;   ///< what a fault calls it: schedule << 16 | place in the schedule
    char *wgsl;        ///< complete text (arena)
    uint32_t pipeline; ///< index in the program's pipeline list
};

/// One dispatch as lowering sets it, but for the three members at the end.
struct weft_step {
    const struct weft_kernel *kernel;
    const char *label;               ///< op and node names, for messages and profiles
    const struct weft_field *fields; ///< kernel->fields or a generated list (arena)
    uint32_t n_fields;
    struct weft_operand operands[WEFT_MAX_OPERANDS];
    uint32_t n_operands;
    struct weft_tval tvals[WEFT_MAX_TVALS];
    uint32_t n_tvals;
    const void *cfg; ///< the lowering's own constants for `update` (arena)
    uint32_t workgroup[3];
    uint32_t workgroup_memory; ///< bytes
    bool writes_state;
    bool only_advances; ///< all that it writes of the variables are positions, which it moves on
    uint32_t group;     ///< group of nodes that it came from (weft_lower.groups)
    /// Of a step that is nothing else: its scalar programs (arena), for weft_expr_run.
    const struct weft_expr *programs;
    uint32_t n_programs;
    /// Work items of a workgroup: workgroup g, as group_index() counts, computes items [g * items, (g + 1) * items).
    /// 0: the step can't be split.
    uint32_t items;
    struct weft_step_copy copy;
    struct weft_step_split split;
    struct weft_step_bound bound;
};

/// Folds a one-dimensional number of workgroups into the device's limit; kernels use group_index(). Never drops work:
/// a total that does not fit x*y*z is reported by the compiler at the maximum.
void weft_grid_fold(uint64_t total, uint32_t max_groups, uint32_t grid[3]);

/// Live value of a dim, never below 0. Sizes that are set keep every size at 0 or above (guards); the upper ends of all
/// symbols together, for which compile asks, may break a guard.
static inline int64_t weft_live(const struct weft_update *u, weft_dim d) {
    int64_t x = weft_dim_eval(u->dims, d, u->symbols);
    return x > 0 ? x : 0;
}
#endif
