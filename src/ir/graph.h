/// The graph: values and nodes in SSA order. Passes make new graphs or edit in place; order of nodes is execution
/// order.
///
/// State: a state value is a tensor that lives across runs. A node whose op writes operand k (weft_op_writes) takes the
/// current version as input k and gives the next one as output k: the same memory. Readers of the old version must
/// stand before the writer (the verifier checks it), so SSA order is enough for exactness. Where input k is no state,
/// the node is functional: output k is a fresh value, which starts as a copy of input k.
///
/// Policy: whether both versions lie in one buffer or in two (weft/graph.h). It concerns planning alone; order and
/// meaning are those of one buffer.
///
/// Thread-safety: none; one thread builds a graph, then it is read-only and may be shared.
#ifndef WEFT_IR_GRAPH_H
#define WEFT_IR_GRAPH_H
#include "core/arena.h"
#include "core/map.h"
#include "ir/op.h"
#include "weft/graph.h" // weft_value (index in graph->values), enum weft_state_kind, weft_graph_verify
#include <string.h>

#define WEFT_NO_NODE UINT32_MAX
#define WEFT_MAX_SEQUENCES 64 ///< sequences that one session serves, at most

enum weft_value_kind { WEFT_VALUE_INPUT, WEFT_VALUE_WEIGHT, WEFT_VALUE_STATE, WEFT_VALUE_CONST, WEFT_VALUE_NODE };

struct weft_value_info {
    enum weft_value_kind kind;
    const char *name; ///< inputs, weights and states always have one; others may
    struct weft_type type;
    uint32_t node, out; ///< producer (kind NODE)
    enum weft_state_kind state_kind;
    enum weft_state_policy policy;
    uint32_t state;   ///< index in graph->states for a state and for each of its versions, else UINT32_MAX
    const void *data; ///< CONST: bytes in file layout, owned by the graph. WEIGHT: may be NULL until bound
    uint64_t data_size;
    int64_t var_lo, var_hi; ///< VAR: host-side bounds of the value
    bool is_activity;       ///< VAR: the session's activity (weft_graph_activity)
    bool by_slot; ///< axis 0 is a sequence's slot, and axis 1 what axis 0 is of other states (weft_graph_state_by_slot)
    bool is_output;
    const char *output_name;
};

struct weft_node {
    const struct weft_op *op;
    const char *name; ///< may be NULL; for messages and profiles, such as "blk.3.attn_q"
    /// Of a node that a pass made: name, or else operator, of the user's node that it is a part of. NULL: none.
    const char *origin;
    uint32_t n_in, n_out;
    weft_value in[WEFT_MAX_INS], out[WEFT_MAX_OUTS];
    struct weft_attr attrs[WEFT_MAX_ATTRS]; ///< by position in op->attrs
    bool dead;                              ///< removed by a pass; printers and walkers skip it
};

/// An input and an output that are one state's past and present; resolved when the graph is compiled.
struct weft_pair {
    const char *past, *present;
    enum weft_state_kind kind;
    enum weft_state_policy policy; ///< never AS_DECLARED
};
/// An inequality low <= high that infer could not prove for all sizes: checked whenever sizes are set, before anything
/// changes. The texts (static, but for `who`) make the sentence "WHO: LOW_IS 40 (P+T), but HIGH_IS 32".
struct weft_guard {
    weft_dim low, high;
    uint32_t input;
    const char *who, *low_is, *high_is;
};

struct weft_graph {
    const struct weft_op_set *ops;
    struct weft_dims *dims;
    struct weft_arena arena;
    struct weft_value_info *values;
    size_t n_values, cap_values;
    struct weft_node *nodes;
    size_t n_nodes, cap_nodes;
    weft_value *states; ///< initial version of each state
    size_t n_states, cap_states;
    struct weft_pair *pairs;
    size_t n_pairs, cap_pairs;
    struct weft_map names;     ///< name -> value, for inputs, weights, states
    const char *scope;         ///< prefix put before node names, set by builders
    struct weft_guard *guards; ///< of all nodes, each inequality once; never printed: infer finds them again
    size_t n_guards, cap_guards;
    uint64_t work; ///< what rewriting it has cost: nodes visited, added and removed, uses changed (ir/rewrite.h)
};

/// What messages and profiles call a node: its own name, or what it comes from. NULL: the user's, without a name.
static inline const char *weft_node_called(const struct weft_node *n) { return n->name ? n->name : n->origin; }
/// The same, or the operator.
static inline const char *weft_node_label(const struct weft_node *n) {
    return weft_node_called(n) ? weft_node_called(n) : n->op->name;
}

weft_status weft_graph_create(const struct weft_op_set *ops, struct weft_graph **out);
void weft_graph_destroy(struct weft_graph *g);

/// Leaves. Names must be unique among leaves (ERR_INVALID names the clash). Dims are handles of g->dims.
weft_status weft_graph_input(struct weft_graph *g, const char *name, struct weft_type type, weft_value *out);
weft_status weft_graph_weight(struct weft_graph *g, const char *name, struct weft_type type, weft_value *out);
weft_status weft_graph_const(struct weft_graph *g, struct weft_type type, const void *data, uint64_t size,
                             weft_value *out);
weft_status weft_graph_const_f32(struct weft_graph *g, float x, weft_value *out); ///< rank 0; folds into kernels
weft_status weft_graph_state(struct weft_graph *g, const char *name, struct weft_type type, enum weft_state_kind kind,
                             weft_value *out);
weft_status weft_graph_var(struct weft_graph *g, const char *name, weft_dtype dtype, int64_t lo, int64_t hi,
                           weft_value *out);
/// `count` variables of one name, a value of shape [count].
weft_status weft_graph_vars(struct weft_graph *g, const char *name, weft_dtype dtype, uint32_t count, int64_t lo,
                            int64_t hi, weft_value *out);

/// One attribute by name when adding a node.
struct weft_arg {
    const char *name;
    double x;
    weft_dim d;
    const int64_t *ints;
    const weft_dim *dims;
    uint32_t n;
};

/// Adds a node: checks arity and attributes (defaults, ranges, unknown names), runs infer, makes output values.
/// outs receives n_out values. Errors name the op, the node's name and the shapes.
weft_status weft_graph_add(struct weft_graph *g, const struct weft_op *op, const char *name, const weft_value *in,
                           uint32_t n_in, const struct weft_arg *args, uint32_t n_args, weft_value *outs);
/// The same with already resolved attributes, in the row's order (used by decompose and the parser; NULL: all
/// defaults). Does not put g->scope before the name.
weft_status weft_graph_add_raw(struct weft_graph *g, const struct weft_op *op, const char *name, const weft_value *in,
                               uint32_t n_in, const struct weft_attr *attrs, weft_value *outs);
/// Makes `v` an output. A value that has a name already is shown by a view, which has the other. Errors: INVALID (the
/// name is taken).
weft_status weft_graph_output(struct weft_graph *g, weft_value v, const char *name);
/// Adds a view of all of `v`: another value of its type.
weft_status weft_graph_show(struct weft_graph *g, weft_value v, weft_value *out);
/// Lets `to` be the output that `from` was.
void weft_graph_move_output(struct weft_graph *g, weft_value from, weft_value to);
/// For infer: demands low <= high. Nothing happens where that is proven; where it never holds it is refused (INVALID);
/// otherwise it becomes a guard. `input` is the operand that it is about: its name goes into the message.
weft_status weft_graph_guard(struct weft_graph *g, weft_dim low, weft_dim high, uint32_t input, const char *low_is,
                             const char *high_is);
/// low == high, as two guards.
weft_status weft_graph_guard_equal(struct weft_graph *g, weft_dim a, weft_dim b, uint32_t input, const char *a_is,
                                   const char *b_is);
/// Sizes against bounds and relations of the symbols, then against all guards. Errors: INVALID, naming the operator,
/// its operand, both sides and their values.
weft_status weft_graph_sizes_check(const struct weft_graph *g, const int64_t *symbols);
/// The input, weight or state of this name (a state's initial version); WEFT_NO_VALUE if there is none.
weft_value weft_graph_find(const struct weft_graph *g, const char *name);
/// The version of a state, or other value, that v is or is a view of.
weft_value weft_graph_base(const struct weft_graph *g, weft_value v);
/// True if no step makes `v`: a leaf, or what is made of weights while they are loaded (weft_op.repack).
bool weft_graph_is_leaf(const struct weft_graph *g, weft_value v);
/// An output of the same name as this input or state would be something else: a session finds both by name.
bool weft_graph_ambiguous(const struct weft_graph *g, weft_value leaf, weft_value output);
/// Equal dims have equal handles, so types of one graph are compared by them.
static inline bool weft_type_same_dims(const struct weft_type *a, const struct weft_type *b) {
    return a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) == 0;
}
static inline bool weft_type_same(const struct weft_type *a, const struct weft_type *b) {
    return a->dtype == b->dtype && weft_type_same_dims(a, b);
}
/// Text such as "f32 [T, 640]".
void weft_type_print(const struct weft_dims *dims, const struct weft_type *type, struct weft_str *out);
/// Number of elements when all dims are constants; -1 otherwise or on overflow.
int64_t weft_type_const_count(const struct weft_dims *dims, const struct weft_type *type);

/// True if node n writes a state: output k is the next version of input k.
bool weft_node_writes(const struct weft_graph *g, const struct weft_node *n, uint32_t k);
/// The variable from which positions are counted: of positions by token (an operator with WEFT_OP_PLACES) the variable
/// that those are counted from, of every other value itself.
weft_value weft_graph_counted_from(const struct weft_graph *g, weft_value v);
/// Mask of the axes of operand 0 that a reduction reduces; 0 for all other nodes.
uint32_t weft_node_reduced(const struct weft_graph *g, const struct weft_node *n);
/// True if the state may have two buffers: its shape is fixed, and one node writes it, as a whole. Otherwise `why`
/// (which may be NULL) receives the end of a sentence that begins with the state, such as "is written in part only, by
/// 'kv' (cache_append)".
bool weft_graph_state_whole(const struct weft_graph *g, uint32_t state, struct weft_str *why);
/// "in_place", "ping_pong", "double", "separate".
const char *weft_state_policy_name(enum weft_state_policy policy);
/// Makes one state of an input and an output (weft_graph_pair_state), with a policy other than SEPARATE. *by_itself
/// says whether their own operator writes it, without a state_write. The pair stays listed. Errors: INVALID, NOMEM.
weft_status weft_graph_share_pair(struct weft_graph *g, const struct weft_pair *pair, enum weft_state_policy policy,
                                  bool *by_itself);

/// Convenience for builders: a sticky status, so that a model reads as formulas.
struct weft_build {
    struct weft_graph *g;
    weft_status status;
};
weft_value weft_b1(struct weft_build *b, const char *op, weft_value x);
weft_value weft_b2(struct weft_build *b, const char *op, weft_value x, weft_value y);
weft_value weft_bn(struct weft_build *b, const char *op, const char *name, const weft_value *in, uint32_t n_in,
                   const struct weft_arg *args, uint32_t n_args); ///< output 0; WEFT_NO_VALUE once failed
weft_value weft_bf(struct weft_build *b, float x);                ///< constant

/// Text format; parse(print(g)) prints the same. Weights carry no data in text. `symbols` are declared on top.
weft_status weft_graph_print(const struct weft_graph *g, struct weft_str *out);
weft_status weft_graph_parse(const struct weft_op_set *ops, const char *text, size_t len, struct weft_graph **out);
/// Pieces of it: a type such as "f32 [T, 640]", and attributes such as "eps=1e-6, axes=[0, 1]" (those left out get
/// their defaults; `attrs` has WEFT_MAX_ATTRS entries). `text` ends in NUL.
weft_status weft_type_parse(struct weft_graph *g, const char *text, struct weft_type *out);
weft_status weft_attrs_parse(struct weft_graph *g, const struct weft_op *op, const char *text, struct weft_attr *attrs);

/// Graph to Graphviz is not done here. Host reference run: evaluates all nodes in order with op->eval. `leaf` gives the
/// host tensor of a leaf (inputs, weights, states: state data is modified in place). Outputs (and every node value when
/// `each` is not NULL) are reported by callback before being freed.
struct weft_eval_params {
    const int64_t *symbols;
    weft_status (*leaf)(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *out);
    weft_status (*each)(void *user, weft_value v, const struct weft_value_info *info,
                        const struct weft_host *t); ///< may be NULL
    void *user;
};
weft_status weft_graph_eval(const struct weft_graph *g, const struct weft_eval_params *params);
#endif
