/// Graphs: what is to be computed, with symbolic sizes, before it is known where.
///
/// A graph has leaves (inputs, weights, states, constants), operators in the order in which they were added, and named
/// outputs. A value is an index in its graph. Every value has an element type and a shape; shapes are checked and
/// inferred while the graph is built, so a mistake is reported by the call that makes it.
///
/// Shapes are texts: dims between commas, "" for a scalar. A dim is an integer, a symbol, or an expression such as
/// "4*T", "T-1", "ceildiv(T,64)", "floordiv(T,2)", "min(T,8)". Symbols are declared first, with bounds; memory is
/// planned for the upper bounds, and a session picks live sizes within them (weft/session.h).
///
/// A state is a tensor that lives from run to run, such as a cache. An operator that writes one takes its present
/// version as input 0 and gives the next version as output 0, in the same memory. What reads the old version must be
/// added before. Given something else than a state, such an operator is a function: its output is a new value and its
/// input stays as it is.
///
/// What reaches no output, no state and no variable is not computed. Inputs, states and variables that nothing uses can
/// be written and read all the same.
///
/// A graph is only a description: it holds no weights and needs no device. weft/program.h compiles it.
/// Thread-safety: one thread at a time uses a graph.
#ifndef WEFT_GRAPH_H
#define WEFT_GRAPH_H
#include "weft/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_graph weft_graph;

typedef uint32_t weft_value;     ///< a value of one graph
#define WEFT_NO_VALUE UINT32_MAX ///< what a call that failed leaves in its output

enum weft_state_kind {
    WEFT_STATE_DENSE, ///< [n, ...] as it stands
    WEFT_STATE_RING,  ///< dim 0 is a capacity: the row of position p is p mod capacity
    WEFT_STATE_PAGED, ///< dim 0 is a capacity in rows; pages of rows are taken as positions are reached, and shared
    WEFT_STATE_VAR,   ///< a scalar on the device; made by weft_graph_add_variable
};

/// How the version of a state that a run reads (the past) and the one that it leaves (the present) share memory. All
/// policies give the same bits. PING_PONG and DOUBLE need a state of fixed shape that one operator writes, once and as
/// a whole: state_write does, cache_append, which writes rows, does not.
enum weft_state_policy {
    WEFT_STATE_AS_DECLARED, ///< of a program only: each state as its graph says
    WEFT_STATE_IN_PLACE,    ///< one buffer: the present is written over the past. What a state has if nothing is said
    WEFT_STATE_PING_PONG,   ///< two buffers that change roles with every run
    WEFT_STATE_DOUBLE,      ///< two buffers in fixed roles; a step at the end of the run copies the present to the past
    WEFT_STATE_SEPARATE,    ///< of pairs (below) only: not shared, the caller moves the present to the past
};

// ---- life ----------------------------------------------------------------------------------------------------------

/// An empty graph. Errors: NOMEM.
WEFT_API weft_status weft_graph_new(weft_graph **out);
/// Frees a graph and sets *graph to NULL. NULL, or a pointer to NULL, is fine.
WEFT_API void weft_graph_free(weft_graph **graph);

/// Reads the text format, one statement a line; # begins a comment:
///
///     symbol T 1 512
///     input x f32 [T, 640]
///     state s dense f32 [16, 64] ping_pong
///     weight w q4_0 [1024, 640]
///     %y = matmul %x %w
///     %z = silu %y
///     output %z activations
///
/// Errors: FORMAT and INVALID name the line and what stands there.
WEFT_API weft_status weft_graph_parse_text(const char *text, size_t length, weft_graph **out);

/// Writes the graph as such text; reading it back gives an equal graph. Writes at most `capacity` bytes with the
/// closing NUL and sets *length to the length without it. `text` may be NULL if `capacity` is 0, to ask for the length
/// alone. Errors: LIMIT (the text does not fit; *length is set), NOMEM.
WEFT_API weft_status weft_graph_print_text(const weft_graph *graph, char *text, size_t capacity, size_t *length);

// ---- sizes ---------------------------------------------------------------------------------------------------------

/// Declares a symbol with inclusive bounds, 0 <= lo <= hi; at most 16 of them. Errors: INVALID (no plain word, bounds
/// in disorder, declared before).
WEFT_API weft_status weft_graph_symbol(weft_graph *graph, const char *name, int64_t lo, int64_t hi);
/// Declares that an expression, such as "B*T", never exceeds `max`. It bounds memory, and sessions enforce it.
WEFT_API weft_status weft_graph_relation(weft_graph *graph, const char *expression, int64_t max);

// ---- leaves --------------------------------------------------------------------------------------------------------
// Names are unique among inputs, weights, states and variables. *out is the new value. Errors of all: INVALID (names
// the clash, the axis or the type), FORMAT (a shape that can't be read), NOMEM.

/// Written by the host before a run. A quantised type can't be an input.
WEFT_API weft_status weft_graph_add_input(weft_graph *graph, const char *name, weft_dtype dtype, const char *shape,
                                          weft_value *out);
/// Given once, when the graph is compiled. Quantised types need a last axis that is a multiple of their block.
WEFT_API weft_status weft_graph_add_weight(weft_graph *graph, const char *name, weft_dtype dtype, const char *shape,
                                           weft_value *out);
/// Lives from run to run, zero at first; each session has its own. A PAGED state is written by `cache_append` at a
/// variable that only `advance` and the host move, and read by `attention`; compiling refuses other uses.
WEFT_API weft_status weft_graph_add_state(weft_graph *graph, const char *name, enum weft_state_kind kind,
                                          weft_dtype dtype, const char *shape, weft_value *out);
/// Sets the policy of a state (IN_PLACE, PING_PONG or DOUBLE), in any order with the operators that use it. What a
/// policy asks of the operators is checked by weft_graph_verify and when the graph is compiled. Errors: INVALID (no
/// state, a variable, or another policy).
WEFT_API weft_status weft_graph_state_policy(weft_graph *graph, weft_value state, enum weft_state_policy policy);
/// Makes axis 0 of a state the slot of a sequence (1 to 64 of them, a constant), so that a session serves several: axis
/// 1 is then what axis 0 is of other states, the capacity of a ring or paged state. Errors: INVALID (no state, a
/// variable, such axes are missing).
WEFT_API weft_status weft_graph_state_by_slot(weft_graph *graph, weft_value state);
/// A scalar state (u32, i32 or f32) on the device, such as a position, whose value never leaves lo..hi: it starts at
/// what of them is nearest to 0, `advance` ends at them, and sessions refuse to set or to move it beyond. As a position
/// it is at most 2147483647.
WEFT_API weft_status weft_graph_add_variable(weft_graph *graph, const char *name, weft_dtype dtype, int64_t lo,
                                             int64_t hi, weft_value *out);
/// `count` (1 to 64) variables of one name, a value of shape [count], such as the positions of several sequences by
/// slot. The bounds hold for each.
WEFT_API weft_status weft_graph_add_variables(weft_graph *graph, const char *name, weft_dtype dtype, uint32_t count,
                                              int64_t lo, int64_t hi, weft_value *out);
/// Makes a variable the session's activity, under whatever name it has: it is 1 in a new session, and while it is 0,
/// runs leave no trace in states and variables (weft_session_set_active). Every session has an activity; a graph
/// declares it only to read or write it by operators of its own. Errors: INVALID (no u32 variable of 0..1; the graph
/// has one).
WEFT_API weft_status weft_graph_activity(weft_graph *graph, weft_value variable);
/// A constant of fixed shape; `data` (row-major, `bytes` in all) is copied.
WEFT_API weft_status weft_graph_add_const(weft_graph *graph, weft_dtype dtype, const char *shape, const void *data,
                                          uint64_t bytes, weft_value *out);
/// A scalar f32 constant; it becomes part of the kernels that use it.
WEFT_API weft_status weft_graph_add_scalar(weft_graph *graph, float value, weft_value *out);

// ---- operators and outputs -----------------------------------------------------------------------------------------

/// Name of operator `index` in the list of all, NULL behind the last. Static storage. Thread-safety: safe.
WEFT_API const char *weft_operator_name(size_t index);
/// Writes a line about an operator: how many inputs and outputs, and its attributes with type, default and range.
/// `text`, `capacity`, `length` as in weft_graph_print_text. Errors: NOT_FOUND, LIMIT, NOMEM.
WEFT_API weft_status weft_operator_describe(const char *name, char *text, size_t capacity, size_t *length);

/// Adds an operator. `attributes` is a text such as "eps=1e-6, axes=[0, 1]", NULL or "" for the defaults. `outputs`
/// receives as many values as the operator has (one, for most). Elementwise operators broadcast as NumPy does.
/// Errors: NOT_FOUND (no such operator); INVALID and FORMAT name the operator, the shapes and what does not fit.
WEFT_API weft_status weft_graph_add_op(weft_graph *graph, const char *op, const weft_value *inputs, size_t n_inputs,
                                       const char *attributes, weft_value *outputs);
/// Makes a value an output under a name of its own. Any value may be one, under several names: an input, a weight, a
/// constant, a state or variable (its newest version at the end of a run), a result, a view. Where its elements lie
/// elsewhere, the compiler copies them. Errors: INVALID (an output, input or state has that name, unless it is that
/// input, or a version of that state). Compiling refuses outputs of quantised types, of paged states, and of versions
/// of a state that a later operator writes over.
WEFT_API weft_status weft_graph_add_output(weft_graph *graph, weft_value value, const char *name);

// ---- past and present ----------------------------------------------------------------------------------------------

/// Declares that output `present` is what input `past` is to be in the next run, as models exported step by step have
/// it. Compiling then makes one state named `past` of the two: a state operator that takes the past and gives the
/// present (such as cache_append) writes it in place of its own accord, anything else is followed by a state_write; the
/// input and the output are gone, and weft_session_read and write reach the state by the name of the past. `kind` is
/// DENSE or RING. With policy SEPARATE the two stay an input and an output, which the caller moves after each run; such
/// programs refuse several runs in one submit. Both must exist. Errors: NOT_FOUND (no such input or output), INVALID
/// (types that differ, one of them paired already; names both).
WEFT_API weft_status weft_graph_pair_state(weft_graph *graph, const char *past, const char *present,
                                           enum weft_state_kind kind, enum weft_state_policy policy);
/// The same for many: in both templates one %d stands for a number, such as "past_key_values.%d.key" and
/// "present.%d.key". Every input whose name fits the first is paired with the output of the same number; numbers may
/// have gaps. All or nothing. *count, which may be NULL, is how many were paired. Errors: INVALID (a template without
/// %d), NOT_FOUND (no input fits, or one lacks its output), and those above.
WEFT_API weft_status weft_graph_pair_states(weft_graph *graph, const char *past, const char *present,
                                            enum weft_state_kind kind, enum weft_state_policy policy, size_t *count);

/// Checks the whole graph: order, arity, shapes, the rule of states, names. A graph built by the calls above passes;
/// compiling checks again. Errors: INVALID names the operator.
WEFT_API weft_status weft_graph_verify(const weft_graph *graph);

#ifdef __cplusplus
}
#endif
#endif
