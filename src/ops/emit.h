/// Writes WGSL for row programs: values of elementwise nodes, reductions of the last axis and rotary maps, as
/// expressions at a (row, column) of one index space. The region family makes whole kernels of it; contractions use it
/// for prologues and epilogues.
///
/// Every value is a `let` in the scope where it was first wanted: the row scope (same for all columns of a row) or the
/// column scope (one column). A rotary map asks for its operand again at the partner column: another `variant` of the
/// same program.
#ifndef WEFT_OPS_EMIT_H
#define WEFT_OPS_EMIT_H
#include "plan/lower.h"

#define WEFT_EMIT_VARIANTS 4
#define WEFT_EMIT_HELD 16 ///< columns a thread may hold
#define WEFT_EMIT_DIMS 24

/// Live numbers that generated text uses, as parameter words after the kernel's own fields. It is the head of the
/// step's cfg.
struct weft_emit_dims { uint32_t n; weft_dim dims[WEFT_EMIT_DIMS]; };

struct weft_emitter {
    struct weft_lower *l;
    struct weft_step *s;
    uint32_t group;
    struct weft_type space;         ///< index space: rows are all axes but the last
    weft_dim rows, n;               ///< of the space
    const char *row_text, *col_text;///< WGSL names of the row and column at hand
    const char *n_text;             ///< WGSL of the row length, such as "p.n" or "640u"
    struct weft_emit_dims extra;    ///< parameters added; field names e0, e1, ...
    bool uses_vars, uses_sincos;
    uint32_t n_loads, n_stores;
    // given values: anchors of a contraction, finished reductions
    struct { weft_value v; const char *text; } given[32];
    uint32_t n_given;
    // variants: where columns other than the current one are looked at
    struct { const char *col; } variants[WEFT_EMIT_VARIANTS * 8];
    uint32_t n_variants;
    /// Held regime: a thread keeps its columns of the row in registers from the first phase to the last. Variants 0 ..
    /// n_held - 1 are those columns; held_ok[i] is true where column i exists (NULL: always). 0: phases loop and read
    /// again.
    uint32_t n_held;
    const char *held_ok[WEFT_EMIT_HELD];
    struct { weft_value v; uint32_t variant; bool row_scope; const char *text; } memo[2048];
    uint32_t n_memo;
    weft_value
        locals[512]; ///< values in order of first use: text names them by their place here, so that equal programs
    uint32_t n_locals;              ///< have equal text wherever they stand in a graph
    struct { weft_value v; const char *name; } leaves[32];
    uint32_t n_leaves;
    struct { weft_value v; uint32_t tensor; } halves[16]; ///< 16-bit values, stored as f32 in a scratch tensor so far
    uint32_t n_halves;
    struct weft_str *row_out, *col_out; ///< where lets go
};

/// Type of the index space that a node computes in: of a reduction its operand's, of a sink the rows that it stores.
const struct weft_type *weft_emit_node_space(const struct weft_graph *g, const struct weft_node *n);
/// Index space of region nodes: the widest of theirs.
struct weft_type weft_emit_space(const struct weft_lower *l, const uint32_t *nodes, uint32_t n);
/// Starts with an index space. weft_emit_next goes on with another one in the same step: parameters and operands stay.
void weft_emit_begin(struct weft_emitter *e, struct weft_lower *l, struct weft_step *s, uint32_t group,
                     struct weft_type space);
void weft_emit_next(struct weft_emitter *e, struct weft_type space);
/// Forgets what was computed in the column scope (before a new loop) or in both scopes.
void weft_emit_forget(struct weft_emitter *e, bool rows_too);
/// Lets the step be cut (weft_emit_items): its workgroups do `items` rows each (`by_row`) or elements of the one space.
void weft_emit_cut(struct weft_emitter *e, bool by_row, uint32_t items);
/// Number of a value within this text.
uint32_t weft_emit_local(struct weft_emitter *e, weft_value v);
/// Declares the text of a value: an accumulator, a finished reduction.
void weft_emit_give(struct weft_emitter *e, weft_value v, const char *text);
/// Text of `v` at the current row and column; lets are appended to row_out and col_out.
const char *weft_emit_at(struct weft_emitter *e, weft_value v, uint32_t variant);
/// Operand for storing `v`, which somebody outside the group reads, or for a sink; returns its accessor's name.
const char *weft_emit_output(struct weft_emitter *e, weft_value v);
/// Statement that stores `v` at the row and a variant's column; row values are stored where `first` holds.
void weft_emit_store(struct weft_emitter *e, weft_value v, const char *name, uint32_t variant, struct weft_str *out,
                     const char *first);
/// Statement of a sink: stores its row operand at its position in the state.
void weft_emit_sink(struct weft_emitter *e, const struct weft_node *n, const char *name, uint32_t variant,
                    struct weft_str *out);
/// Emits the steps that finish the 16-bit values stored; after the step at hand is complete (its pointer is stale
/// afterwards).
void weft_emit_narrow(struct weft_emitter *e);
/// WGSL of a dim: a literal, or a parameter word.
const char *weft_emit_dim(struct weft_emitter *e, weft_dim d);
/// True if v has one value a row of the space.
bool weft_emit_is_row(const struct weft_emitter *e, weft_value v);
/// Installs the kernel's fields followed by the extra ones on the step, and the cfg (whose first member is
/// weft_emit_dims).
void weft_emit_finish(struct weft_emitter *e, const struct weft_field *own);
/// Fills the extra words after the kernel's own `n_own`.
void weft_emit_update(const struct weft_update *u, uint32_t n_own, uint32_t *words);
#endif
