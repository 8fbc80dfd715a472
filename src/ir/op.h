/// An operator: one const row with everything the compiler asks of it. ops/ops.def lists the rows.
#ifndef WEFT_IR_OP_H
#define WEFT_IR_OP_H
#include "ir/dim.h"
#include "ir/dtype.h"
#include <stdbool.h>

struct weft_graph;
struct weft_node;
struct weft_lower;      ///< plan/lower.h
struct weft_expr;       ///< plan/expr.h
struct weft_at;         ///< plan/expr.h
struct weft_scalar;     ///< plan/scalar.h
struct weft_family_set; ///< plan/family.h
struct weft_gemm;       ///< kernels/gemm/gemm.h
struct weft_wpair;      ///< plan/wpair.h

enum weft_attr_type {
    WEFT_ATTR_INT,   ///< i
    WEFT_ATTR_FLOAT, ///< f
    WEFT_ATTR_ENUM,  ///< i: index in the '|'-separated names of `choices`
    WEFT_ATTR_DIM,   ///< d
    WEFT_ATTR_INTS,  ///< ints[n], such as axes
    WEFT_ATTR_DIMS,  ///< dims[n], such as a target shape
};
struct weft_attr {
    uint32_t n;
    int64_t i;
    double f;
    weft_dim d;
    int64_t ints[8];
    weft_dim dims[8];
};
struct weft_attr_desc {
    const char *name;
    enum weft_attr_type type;
    bool required;
    double dflt, lo, hi; ///< default (INT, FLOAT, ENUM) and legal range; lo == hi == 0: any
    const char *choices; ///< ENUM: "neox|normal"
};
#define WEFT_MAX_ATTRS 10
#define WEFT_MAX_INS 16
#define WEFT_MAX_OUTS 8

enum weft_trait {
    WEFT_OP_ELEMENTWISE = 1 << 0, ///< out[i] depends on in[..][i] under NumPy broadcasting only
    WEFT_OP_CONTRACT = 1 << 1,    ///< may take a row-program prologue and an epilogue
    WEFT_OP_MOVE = 1 << 3,        ///< moves elements and computes nothing: its `expr` asks for operands elsewhere
    WEFT_OP_ROWMAP = 1 << 2,      ///< reads other columns of the same row (rope): the region compiler knows it
    WEFT_OP_RANDOM = 1 << 4,      ///< draws random numbers: two nodes that look alike give different results
    WEFT_OP_COPY = 1 << 5,        ///< elementwise, and the result is the operand's element as it is
    WEFT_OP_PLACES = 1 << 6,      ///< output 0 is the position of each token, counted from variable operand 0
};

/// What the compiler may use to leave an operator out (compile/simplify.c). A law holds for every element, bit for bit,
/// minus zero and infinities too; of a NaN it holds that it stays one.
enum weft_law {
    WEFT_LAW_TWICE_IS_NONE = 1 << 0, ///< f(f(x)) is x
    WEFT_LAW_TWICE_IS_ONCE = 1 << 1, ///< f(f(x)) is f(x)
    WEFT_LAW_SAME_TYPE = 1 << 2,     ///< where output 0 has the type of operand 0, it is operand 0
};
/// A constant that changes nothing: f(x, c) is x, and f(c, x) too if it stands on either side.
struct weft_unit {
    bool either;
    double real;   ///< of floats; its sign counts
    int64_t whole; ///< of integers
};

/// What becomes of the elements along reduced axes. ANY and ALL are of truth values.
enum weft_reduction {
    WEFT_REDUCE_NONE,
    WEFT_REDUCE_SUM,
    WEFT_REDUCE_MEAN,
    WEFT_REDUCE_MAX,
    WEFT_REDUCE_MIN,
    WEFT_REDUCE_PROD,
    WEFT_REDUCE_ANY,
    WEFT_REDUCE_ALL,
};

/// What an operator joins to running totals along an axis (kernels/scan).
enum weft_scan_kind { WEFT_SCAN_NONE, WEFT_SCAN_SUM };

/// How output 0 shows the memory of input 0: contiguous, and without a step where that is possible.
enum weft_view {
    WEFT_VIEW_NONE, ///< output 0 has memory of its own
    WEFT_VIEW_SAME, ///< the same elements in the same order, in another shape
    WEFT_VIEW_ROWS, ///< a run of rows of axis 0, which begins at row `view_start`, a DIM attribute
    WEFT_VIEW_BITS, ///< the same bytes as elements of another type
};

/// How an operator touches an operand that may be a state. All but BACK write: output k is the next version of operand
/// k, in the same memory.
enum weft_touch {
    WEFT_TOUCH_NONE, ///< ends the table
    WEFT_TOUCH_PART, ///< writes some elements
    /// Writes every element exactly once (of a state in one buffer: what changes), and is never skipped while the state
    /// has elements (not even when a run brings no tokens), so that the two versions may lie in two buffers. Its
    /// kernels read the past through an operand emitted from the input, if they read it, and write through one emitted
    /// from the output; both have WEFT_OPERAND_INPLACE, since in one buffer they are one range.
    WEFT_TOUCH_WHOLE,
    WEFT_TOUCH_ROWS,    ///< writes operand `value` to the rows from position `at` on; a region may end in it
    WEFT_TOUCH_RANGE,   ///< writes operand `value` to the elements from DIM attribute `attr` on; likewise
    WEFT_TOUCH_ADVANCE, ///< moves a position on by DIM attribute `attr`, and by operand `value` where that is not 0
    WEFT_TOUCH_BACK,    ///< reads rows from position `at` back, as far as INT attribute `attr` says (0: all)
};
struct weft_state_access {
    enum weft_touch touch;
    uint8_t operand;
    uint8_t value, at; ///< operands: what is written, and the variable that has the position
    uint8_t slot;      ///< operand: which slot each row belongs to; 0, or beyond the node's operands: there are none
    uint8_t attr;      ///< number of an attribute
    uint8_t gate;      ///< ADVANCE: the operand with each slot's activity, without which it stays; 0: none
    /// Written operands only. An operator without it is a function where the operand is no state: its output is then a
    /// value of its own, which starts as a copy.
    bool must_be_state;
    bool beside; ///< what is written stands for no position (counts, ids): a crop leaves it
    bool clears; ///< where the operand is a variable, it only ever becomes 0
};

/// Shape and type of a value as `infer` sees it.
struct weft_type {
    weft_dtype dtype;
    uint32_t rank;
    weft_dim dims[WEFT_MAX_RANK];
};

/// What a run must keep to, by a variable: its value then plus `span` is at most `most`. Sessions refuse what would
/// not.
enum weft_limit_kind {
    WEFT_LIMIT_WRITE, ///< rows from the variable on are written to operand `of`, which may be a state
    WEFT_LIMIT_READ,  ///< rows before the variable plus `span` are read from operand `of`
    WEFT_LIMIT_REACH, ///< the caller's promise `most`
    WEFT_LIMIT_BOUND, ///< the variable moves on by `span`, within its declared bounds
    WEFT_LIMIT_SUM,   ///< the words of the variable add up to `most` at most
};
struct weft_op_limit {
    enum weft_limit_kind kind;
    uint8_t at, of; ///< operands: the variable; the rows
    /// Of a variable by slot: 1 + the operand that says how many tokens each slot has, which adds to `span`. 0: none.
    uint8_t count;
    weft_dim span, most; ///< live sizes; `most` of REACH and SUM only
};
#define WEFT_MAX_LIMITS 4
/// Positions are at most this: kernels take a variable above it for this one, so that a position and a run's tokens add
/// up without going round.
#define WEFT_MOST_POSITION 0x7fffffffu

/// A host tensor for `eval`: contiguous doubles, or (data NULL) encoded rows of a weight that weft_host_row decodes.
struct weft_host {
    weft_dtype dtype;
    uint32_t rank;
    int64_t shape[WEFT_MAX_RANK];
    double *data;
    const void *raw; ///< file layout, for weights
    bool ends;       ///< of a dense or paged state: position p lies in row p; else in row p modulo their number
    int64_t lo, hi;  ///< of a variable: its bounds
};
int64_t weft_host_count(const struct weft_host *t);
/// Row r of a tensor seen as [count/last, last]: a pointer into `data`, or `buffer` (last doubles) filled from `raw`.
const double *weft_host_row(const struct weft_host *t, int64_t r, double *buffer);

struct weft_eval {
    const struct weft_node *node;
    const struct weft_attr *attrs; ///< in the order of the row's attribute table
    const int64_t *symbols;        ///< binding of the graph's symbols
    const struct weft_dims *dims;
    uint32_t n_in, n_out;
    struct weft_host *in, *out; ///< out[i].data is allocated (zeroed), but of a state op out[0].data is in[0].data,
                                ///< or, where in[0] is no state, a copy of it
};

struct weft_op {
    const char *name;
    /// A line of docs/operators.md: operands and results, then what is computed. "x, w[, b] -> y: ..." takes two or
    /// three operands, "x... -> y: ..." any number.
    const char *doc;
    uint8_t n_in_min, n_in_max, n_out;
    uint32_t traits; ///< enum weft_trait, or-ed
    enum weft_reduction reduce;
    /// 1 + the number of the INTS attribute that lists the axes which are reduced (empty: the last); 0: the last one.
    uint8_t reduces;
    enum weft_scan_kind scan;
    enum weft_view view;
    uint8_t view_start;           ///< number of an attribute
    uint32_t laws;                ///< enum weft_law, or-ed
    const struct weft_unit *unit; ///< NULL: none
    /// 1 + the number of the INTS attribute that says from where each axis of output 0 comes (empty: reversed); 0: the
    /// operator permutes no axes.
    uint8_t permutes;
    struct weft_state_access states[WEFT_MAX_OUTS]; ///< one entry an operand that may be a state; ends at touch NONE
    struct weft_attr_desc attrs[WEFT_MAX_ATTRS];    ///< ends at name NULL
    /// NULL, or the name of a required list attribute with an entry for each output; n_out is then the most there are.
    const char *n_out_of;
    /// Fills out[0..n_out). Refuses with a reason that names the operand.
    weft_status (*infer)(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, const struct weft_attr *attrs,
                         struct weft_type *out);
    weft_status (*eval)(const struct weft_eval *e);
    /// Optional, also beside `lower`: the same in simpler operators; writes the values that replace the outputs. A node
    /// that is as simple as it gets is left alone: outs[k] = node->out[k] for all k, and nothing added.
    weft_status (*decompose)(struct weft_graph *g, const struct weft_node *node, uint32_t *outs);
    /// Optional: fills at most WEFT_MAX_LIMITS limits and returns how many.
    uint32_t (*limits)(const struct weft_graph *g, const struct weft_node *n, struct weft_op_limit *out);
    /// Chooses a kernel and emits steps. NULL only for views and for what the region compiler or decompose handles.
    weft_status (*lower)(struct weft_lower *l, uint32_t group);
    /// Contractions: what the node computes, as a description that its family lowers.
    void (*gemm)(struct weft_lower *l, const struct weft_node *n, struct weft_gemm *out);
    /// Output 0 is made of two weights while they are loaded, and no step computes it: how, in a struct of zeros.
    void (*repack)(const struct weft_graph *g, const struct weft_node *n, struct weft_wpair *out);
    /// Elementwise: the function of scalars for operands of floats (and truth values), of i32 and of u32. NULL entries
    /// are types that infer refuses.
    const struct weft_scalar *scalar[3];
    /// The value of output `out` at a place, as instructions of a scalar program (plan/expr.h): of elementwise
    /// operators that are more than one function, and of movement, which asks for its operand at other coordinates.
    uint32_t (*expr)(struct weft_expr *e, const struct weft_node *n, uint32_t out, const struct weft_at *at);
    /// Of movement: true if the output lies in its operand's memory for all sizes of the schedule, so that `lower`
    /// makes no step of it and no kernel should take it in.
    bool (*rests)(struct weft_lower *l, const struct weft_node *n);
};

/// The entry of an operand, NULL if the operator does not treat it as a state.
static inline const struct weft_state_access *weft_op_access(const struct weft_op *op, uint32_t operand) {
    for (uint32_t i = 0; i < WEFT_MAX_OUTS && op->states[i].touch != WEFT_TOUCH_NONE; i++)
        if (op->states[i].operand == operand) return &op->states[i];
    return NULL;
}
/// The entry of operand k if the operator writes it, and so gives its next version as output k; else NULL.
static inline const struct weft_state_access *weft_op_writes(const struct weft_op *op, uint32_t k) {
    const struct weft_state_access *a = weft_op_access(op, k);
    return a && a->touch != WEFT_TOUCH_BACK ? a : NULL;
}
/// The entry of an operator that stores a value to a range of elements or to rows of a state, and in which a region may
/// end. The state is operand and output 0. NULL for all others.
static inline const struct weft_state_access *weft_op_sink(const struct weft_op *op) {
    const struct weft_state_access *a = &op->states[0];
    return a->touch == WEFT_TOUCH_ROWS || a->touch == WEFT_TOUCH_RANGE ? a : NULL;
}
/// The same for a range of elements only.
static inline const struct weft_state_access *weft_op_range(const struct weft_op *op) {
    return op->states[0].touch == WEFT_TOUCH_RANGE ? &op->states[0] : NULL;
}

/// True if the results are elements of the operands, bit for bit.
static inline bool weft_op_keeps_bits(const struct weft_op *op) { return op->traits & (WEFT_OP_MOVE | WEFT_OP_COPY); }

/// All operators, ended by NULL. Defined in ops/; the IR receives it when a graph is made.
struct weft_op_set {
    const struct weft_op *const *ops;
    const struct weft_family_set *families; ///< plan/family.h; NULL: nobody compiles graphs of these operators
};
/// Number of outputs of a node with these attributes; n_out where they do not decide it. 0: the list is empty or longer
/// than n_out.
uint32_t weft_op_outputs(const struct weft_op *op, const struct weft_attr *attrs);
const struct weft_op *weft_op_find(const struct weft_op_set *set, const char *name);
#endif
