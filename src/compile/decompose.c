/// Replaces nodes whose operator has no kernel of its own by simpler nodes, until none is left.
///
///     y = rms_norm x w   becomes   s = square x; m = mean s; a = add m eps; r = rsqrt a; t = mul x r; y = mul t w
#include "compile/passes.h"
#include "core/alloc.h"
#include "core/error.h"
#include <string.h>

static bool wants(const struct weft_node *n)
{
    return !n->dead && n->op->decompose && !n->op->lower;
}

/// An operator may be built of nothing: what it gives is then a value that has a name, or memory, of its own. As an
/// output it is a view of that one.
static weft_status shown_output(struct weft_graph *g, weft_value from, weft_value *to)
{
    const struct weft_value_info *b = &g->values[*to];
    if (!g->values[from].is_output || (!b->is_output && b->kind == WEFT_VALUE_NODE && b->state == UINT32_MAX))
        return WEFT_OK;
    return weft_graph_show(g, *to, to);
}

static void replace_uses(struct weft_graph *g, weft_value from, weft_value to)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        for (uint32_t k = 0; k < g->nodes[i].n_in; k++)
            if (g->nodes[i].in[k] == from) g->nodes[i].in[k] = to;
    struct weft_value_info *a = &g->values[from], *b = &g->values[to];
    if (a->is_output) weft_graph_move_output(g, from, to);
    if (!b->name) b->name = a->name;
}

/// Puts nodes into the order given (indices into the present array, live ones only).
static weft_status reorder(struct weft_graph *g, const uint32_t *order, size_t n)
{
    struct weft_node *nodes = weft_alloc(n * sizeof *nodes);
    if (!nodes) return weft_fail(WEFT_ERR_NOMEM, "out of memory while decomposing the graph");
    for (size_t i = 0; i < n; i++) {
        nodes[i] = g->nodes[order[i]];
        for (uint32_t k = 0; k < nodes[i].n_out; k++) g->values[nodes[i].out[k]].node = (uint32_t)i;
    }
    memcpy(g->nodes, nodes, n * sizeof *nodes);
    g->n_nodes = n;
    weft_free(nodes);
    return WEFT_OK;
}

static weft_status once(struct weft_graph *g, bool *changed)
{
    weft_status status = WEFT_OK;
    size_t before = g->n_nodes, n_order = 0, cap = 0;
    uint32_t *order = NULL;
    *changed = false;
    for (size_t i = 0; i < before; i++) {
        size_t first = g->n_nodes;
        struct weft_node node = g->nodes[i]; // the array may move
        if (node.dead) continue;
        if (wants(&node)) {
            uint32_t outs[WEFT_MAX_OUTS];
            status = node.op->decompose(g, &node, outs);
            if (status != WEFT_OK) {
                weft_fail_in(status, "decomposing node '%s'", node.name ? node.name : node.op->name);
                goto done;
            }
            bool simple = outs[0] == node.out[0];
            for (uint32_t k = 0; k < node.n_out && !simple; k++) {
                status = shown_output(g, node.out[k], &outs[k]);
                if (status != WEFT_OK) goto done;
                replace_uses(g, node.out[k], outs[k]);
            }
            g->nodes[i].dead = !simple;
            *changed |= !simple;
        }
        size_t added = g->n_nodes - first;
        if (!weft_grow((void **)&order, &cap, n_order + added + 1, sizeof *order)) {
            status = weft_fail(WEFT_ERR_NOMEM, "out of memory while decomposing the graph");
            goto done;
        }
        if (g->nodes[i].dead)
            for (size_t k = 0; k < added; k++) order[n_order++] = (uint32_t)(first + k);
        else
            order[n_order++] = (uint32_t)i;
    }
    if (*changed) status = reorder(g, order, n_order);
done:
    weft_free(order);
    return status;
}

weft_status weft_pass_decompose(struct weft_graph *g)
{
    bool changed = true;
    for (int depth = 0; changed; depth++) {
        if (depth == 16) return weft_fail(WEFT_ERR_INTERNAL, "an operator decomposes into itself");
        WEFT_TRY(once(g, &changed));
    }
    return WEFT_OK;
}
