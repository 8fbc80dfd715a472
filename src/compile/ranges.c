/// Takes reshapes out of the way of writes to ranges of states.
#include "compile/passes.h"
#include "core/error.h"
#include "ir/rewrite.h"

/// A write of a range takes elements in order, so a reshape in front of it changes nothing: without it the kernel that
/// makes the value can end in the write.
weft_status weft_pass_ranges(struct weft_graph *g) {
    struct weft_rewrite r;
    WEFT_TRY(weft_rewrite_begin(g, &r));
    for (uint32_t i; (i = weft_rewrite_next(&r)) != WEFT_NO_NODE;) {
        const struct weft_node *n = &g->nodes[i];
        if (!weft_op_range(n->op)) continue;
        for (weft_value v = n->in[1]; g->values[v].kind == WEFT_VALUE_NODE; v = n->in[1]) {
            uint32_t view = g->values[v].node;
            if (g->nodes[view].op->view != WEFT_VIEW_SAME) break;
            weft_rewrite_operand(&r, i, 1, g->nodes[view].in[0]);
            if (!weft_rewrite_used(&r, v)) weft_rewrite_kill(&r, view);
        }
    }
    return weft_rewrite_end(&r, WEFT_OK);
}
