/// Replaces nodes whose operator has no kernel of its own by simpler nodes, until none is left. These know what they
/// come from (weft_node.origin), which labels and messages show.
///
///     y = rms_norm x w   becomes   s = square x; m = mean s; a = add m eps; r = rsqrt a; t = mul x r; y = mul t w
#include "compile/passes.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ir/rewrite.h"

enum { DEEPEST = 16 }; ///< operators within operators

struct decompose {
    struct weft_rewrite r;
    uint8_t *depth; ///< by node: of how many operators it is a part
    size_t n, cap;
};

/// Nodes added since the last call are parts of `depth` operators.
static weft_status set_depth(struct decompose *d, uint8_t depth) {
    void *items = d->depth;
    if (!weft_grow(&items, &d->cap, d->r.g->n_nodes + 1, 1))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory while decomposing the graph");
    d->depth = items;
    for (; d->n < d->r.g->n_nodes; d->n++) d->depth[d->n] = depth;
    return WEFT_OK;
}

/// An operator may be built of nothing: then its value is one that is there already.
static weft_status replace_node(struct decompose *d, uint32_t i) {
    struct weft_graph *g = d->r.g;
    struct weft_node node = g->nodes[i]; // the array may move
    uint32_t outs[WEFT_MAX_OUTS];
    weft_status status = node.op->decompose(g, &node, outs);
    if (status != WEFT_OK) return weft_fail_in(status, "decomposing node '%s'", weft_node_label(&node));
    WEFT_TRY(weft_rewrite_take(&d->r, i, weft_node_label(&node)));
    if (outs[0] == node.out[0]) return WEFT_OK; // as simple as it gets
    if (d->depth[i] == DEEPEST) return weft_fail(WEFT_ERR_INTERNAL, "an operator decomposes into itself");
    for (uint32_t k = 0; k < node.n_out; k++) WEFT_TRY(weft_rewrite_replace(&d->r, node.out[k], outs[k], i));
    weft_rewrite_kill(&d->r, i);
    return set_depth(d, (uint8_t)(d->depth[i] + 1));
}

weft_status weft_pass_decompose(struct weft_graph *g) {
    struct decompose d = {0};
    WEFT_TRY(weft_rewrite_begin(g, &d.r));
    weft_status status = set_depth(&d, 0);
    for (uint32_t i; status == WEFT_OK && (i = weft_rewrite_next(&d.r)) != WEFT_NO_NODE;)
        if (g->nodes[i].op->decompose) status = replace_node(&d, i);
    weft_free(d.depth);
    return weft_rewrite_end(&d.r, status);
}
