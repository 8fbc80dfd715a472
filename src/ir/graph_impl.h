/// What the graph's own files share. Only src/ir/*.c include this.
#ifndef WEFT_IR_GRAPH_IMPL_H
#define WEFT_IR_GRAPH_IMPL_H
#include "ir/graph.h"

/// Adds a value that no node makes. Errors: INVALID (the name is taken or no name, the type), NOMEM.
weft_status weft_graph_leaf(struct weft_graph *g, const char *name, struct weft_value_info info, weft_value *out);
uint32_t weft_op_attr_count(const struct weft_op *op);
/// Attribute values against the row: ranges, choices, list lengths. The error names operator and attribute.
weft_status weft_attrs_check(const struct weft_dims *dims, const struct weft_op *op, const struct weft_attr *attrs);
/// Default of one attribute; false: out of memory.
bool weft_attr_default(struct weft_dims *dims, const struct weft_attr_desc *desc, struct weft_attr *out);
/// Rank, element type and dims are legal. `what` begins the message.
weft_status weft_type_check(const struct weft_dims *dims, const struct weft_type *type, const char *what);
/// Puts "matmul 'name' (f32 [T, 640], ...): " in front of the sentence stored.
weft_status weft_node_blame(const struct weft_graph *g, const struct weft_op *op, const char *name,
                            const weft_value *in, uint32_t n_in, weft_status status);
/// The values of a pair. Errors: NOT_FOUND (no such input or output), INVALID (their types differ; names both).
weft_status weft_pair_find(const struct weft_graph *g, const struct weft_pair *pair, weft_value *past,
                           weft_value *present);
/// Gives the guards from number `first` on, which infer has just made for this node, the text that says whose they are.
weft_status weft_guards_name(struct weft_graph *g, size_t first, const struct weft_op *op, const char *name,
                             const weft_value *in, uint32_t n_in);
/// The verifier; without `infer` it leaves out what may intern dims, so that a shared graph is only read.
weft_status weft_graph_check(const struct weft_graph *g, bool infer);
static inline bool weft_is_live(const struct weft_graph *g, const struct weft_value_info *info) {
    return info->kind != WEFT_VALUE_NODE || (info->node < g->n_nodes && !g->nodes[info->node].dead);
}
#endif
