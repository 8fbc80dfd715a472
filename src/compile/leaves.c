/// Checks that sessions can read and write inputs and outputs, and gives every output a value of its own. A leaf, or a
/// version of a state, has memory that is no output's; an output that is one becomes a view of all of it, and lowering
/// copies views that are outputs (alias.c).
///
///     input x f32 [2]; output %x y   becomes   %1 = reshape %x {shape=[2]}; output %1 y
///
/// The newest version of a state under the state's own name stays as it is: sessions find the state.
#include "compile/passes.h"
#include "core/error.h"
#include <string.h>

static bool lies_elsewhere(const struct weft_graph *g, weft_value v) {
    const struct weft_value_info *info = &g->values[v];
    if (info->state == UINT32_MAX) return weft_graph_is_leaf(g, v);
    if (info->state_kind == WEFT_STATE_PAGED) return false; // refused by name (positions.c)
    return strcmp(info->output_name, g->values[g->states[info->state]].name) != 0;
}

weft_status weft_pass_leaves(struct weft_graph *g) {
    size_t n = g->n_values;
    for (weft_value v = 0; v < n; v++) {
        weft_value shown;
        const struct weft_dtype_info *dtype = weft_dtype_info(g->values[v].type.dtype);
        if (g->values[v].kind == WEFT_VALUE_INPUT && dtype->quantised)
            return weft_fail(WEFT_ERR_INVALID,
                             "input '%s' would hold blocks of %s, but a session writes elements; make it a weight",
                             g->values[v].name, dtype->name);
        if (!g->values[v].is_output) continue;
        if (dtype->quantised)
            return weft_fail(WEFT_ERR_INVALID,
                             "output '%s' would hold blocks of %s, whose elements can't be read; "
                             "gather its rows, or multiply by it",
                             g->values[v].output_name, dtype->name);
        if (!lies_elsewhere(g, v)) continue;
        WEFT_TRY(weft_graph_show(g, v, &shown));
        weft_graph_move_output(g, v, shown);
    }
    return WEFT_OK;
}
