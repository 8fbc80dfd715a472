/// An operator: one const row with everything the compiler asks of it. ops/ops.def lists the rows.
#ifndef WEFT_IR_OP_H
#define WEFT_IR_OP_H
#include "ir/dim.h"
#include "ir/dtype.h"
#include <stdbool.h>

struct weft_graph;
struct weft_node;
struct weft_lower; ///< plan/lower.h

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
    double dflt, lo, hi;  ///< default (INT, FLOAT, ENUM) and legal range; lo == hi == 0: any
    const char *choices;  ///< ENUM: "neox|normal"
};
#define WEFT_MAX_ATTRS 10
#define WEFT_MAX_INS 16
#define WEFT_MAX_OUTS 8

enum weft_trait {
    WEFT_OP_ELEMENTWISE = 1 << 0, ///< out[i] depends on in[..][i] under NumPy broadcasting only
    WEFT_OP_REDUCE = 1 << 1,      ///< reduces the last axis, keeping it as 1
    WEFT_OP_VIEW = 1 << 2,        ///< output is the input's memory at an offset (contiguous); no step where possible
    WEFT_OP_CONTRACT = 1 << 3,    ///< may take a row-program prologue and an epilogue
    WEFT_OP_STATE = 1 << 4,       ///< in 0 is a state, out 0 the same state after the write (same memory). With
                                  ///< another value as in 0: a function of it, out 0 is a value of its own
    WEFT_OP_RANDOM = 1 << 5,
    WEFT_OP_MOVE = 1 << 6,        ///< copies elements, computes nothing
    WEFT_OP_STATES = 1 << 7,      ///< like STATE for several: out i is the next version of in i
    WEFT_OP_SINK = 1 << 9,        ///< writes in 1 to state in 0, rows from position in 2 on: a region may end in it
    WEFT_OP_RANGE = 1 << 13,      ///< SINK too: writes all of in 1 to elements of the state from attribute `start` on
    /// Of a state operator: it writes every element of out 0 exactly once and is never skipped while the state has
    /// elements (not even when a run brings no tokens), so that the two versions may lie in two buffers. Its kernels
    /// read the past through an operand emitted from in[0], if they read it, and write through one emitted from out[0];
    /// both have WEFT_OPERAND_INPLACE, since in one buffer they are one range.
    WEFT_OP_STATE_WHOLE = 1 << 10,
    WEFT_OP_NOTES = 1 << 12,      ///< what it writes stands for no position (counts, ids): a crop leaves it
    WEFT_OP_ROWMAP = 1 << 8,      ///< reads other columns of the same row (rope): the region compiler knows it
};

/// Shape and type of a value as `infer` sees it.
struct weft_type { weft_dtype dtype; uint32_t rank; weft_dim dims[WEFT_MAX_RANK]; };

/// A host tensor for `eval`: contiguous doubles, or (data NULL) encoded rows of a weight that weft_host_row decodes.
struct weft_host {
    weft_dtype dtype;
    uint32_t rank;
    int64_t shape[WEFT_MAX_RANK];
    double *data;
    const void *raw; ///< file layout, for weights
};
int64_t weft_host_count(const struct weft_host *t);
/// Row r of a tensor seen as [count/last, last]: a pointer into `data`, or `buffer` (last doubles) filled from `raw`.
const double *weft_host_row(const struct weft_host *t, int64_t r, double *buffer);

struct weft_eval {
    const struct weft_node *node;
    const struct weft_attr *attrs;     ///< in the order of the row's attribute table
    const int64_t *symbols;            ///< binding of the graph's symbols
    const struct weft_dims *dims;
    uint32_t n_in, n_out;
    struct weft_host *in, *out; ///< out[i].data is allocated (zeroed), but of a state op out[0].data is in[0].data,
                                ///< or, where in[0] is no state, a copy of it
    bool round_f16;                    ///< unused by most: outputs declared f16 are rounded by the caller
};

struct weft_op {
    const char *name;
    uint8_t n_in_min, n_in_max, n_out;
    uint32_t traits;
    struct weft_attr_desc attrs[WEFT_MAX_ATTRS]; ///< ends at name NULL
    /// NULL, or the name of a required list attribute with an entry for each output; n_out is then the most there are.
    const char *n_out_of;
    /// Fills out[0..n_out). Refuses with a reason that names the operand.
    weft_status (*infer)(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, const struct weft_attr *attrs,
                         struct weft_type *out);
    weft_status (*eval)(const struct weft_eval *e);
    /// Optional: the same in simpler operators; writes the values that replace the outputs. A node that is as simple as
    /// it gets is left alone: outs[k] = node->out[k] for all k, and nothing added.
    weft_status (*decompose)(struct weft_graph *g, const struct weft_node *node, uint32_t *outs);
    /// Chooses a kernel and emits steps. NULL only for views and for what the region compiler or decompose handles.
    weft_status (*lower)(struct weft_lower *l, uint32_t group);
    /// Elementwise: WGSL of the result as a printf-like pattern with $0, $1, $2 for the operands and $a0.. for FLOAT
    /// attributes.
    const char *wgsl;
    const char *wgsl_helper; ///< a function that `wgsl` calls, by the name under which plan/wgsl_helpers lists it
};

/// All operators, ended by NULL. Defined in ops/; the IR receives it when a graph is made.
struct weft_op_set { const struct weft_op *const *ops; };
/// Number of outputs of a node with these attributes; n_out where they do not decide it. 0: the list is empty or longer
/// than n_out.
uint32_t weft_op_outputs(const struct weft_op *op, const struct weft_attr *attrs);
const struct weft_op *weft_op_find(const struct weft_op_set *set, const char *name);
#endif
