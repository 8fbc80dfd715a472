/// Takes reshapes out of the way of writes to ranges of states.
#include "compile/passes.h"

static bool is_used(const struct weft_graph *g, weft_value v)
{
    if (g->values[v].is_output) return true;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (uint32_t k = 0; k < g->nodes[i].n_in && !g->nodes[i].dead; k++)
            if (g->nodes[i].in[k] == v) return true;
    return false;
}

/// A write of a range takes elements in order, so a reshape in front of it changes nothing: without it the kernel that
/// makes the value can end in the write.
weft_status weft_pass_ranges(struct weft_graph *g)
{
    for (size_t i = 0; i < g->n_nodes; i++) {
        struct weft_node *n = &g->nodes[i];
        if (n->dead || !weft_op_range(n->op)) continue;
        for (weft_value v = n->in[1]; g->values[v].kind == WEFT_VALUE_NODE; v = n->in[1]) {
            struct weft_node *view = &g->nodes[g->values[v].node];
            if (view->op->view != WEFT_VIEW_SAME) break;
            n->in[1] = view->in[0];
            view->dead = !is_used(g, v);
        }
    }
    return WEFT_OK;
}
