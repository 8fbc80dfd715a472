/// s' = x: writes a whole state, dense or ring, with a value of its type. What a model computes anew in each run, or a
/// graph that gives the present as an output (weft_graph_pair_state), becomes a state so. Where in[0] is no state the
/// output is a copy of x.
///
/// Elements are moved as they are, bit by bit.
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/copy/move.h"
#include "ops/shape.h"

#include <stdio.h>
#include <string.h>

static weft_status state_write_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                     const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    (void)attrs;
    bool same = in[0].dtype == in[1].dtype && in[0].rank == in[1].rank;
    for (uint32_t i = 0; same && i < in[0].rank; i++) same = in[0].dims[i] == in[1].dims[i];
    if (!same)
        return weft_fail(WEFT_ERR_INVALID, "state_write: the state is %s, the value %s; they must have equal types",
                         weft_ops_type_text(g, &in[0]), weft_ops_type_text(g, &in[1]));
    out[0] = in[0];
    return WEFT_OK;
}

static weft_status state_write_eval(const struct weft_eval *e) {
    double *owned;
    const double *x = weft_ops_dense(&e->in[1], &owned);
    if (!x) return weft_fail(WEFT_ERR_NOMEM, "state_write: out of memory");
    memmove(e->out[0].data, x, (size_t)weft_host_count(&e->in[1]) * sizeof *x);
    weft_free(owned);
    return WEFT_OK;
}

static weft_status state_write_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    for (int i = 0; i < 2; i++) {
        const struct weft_value_info *info = weft_lv(l, node->in[i]);
        if (info->state != UINT32_MAX && info->state_kind == WEFT_STATE_VAR)
            return weft_lower_fail(l, WEFT_ERR_UNSUPPORTED,
                                   "state_write: '%s' is a variable; it moves tensors, variables have advance",
                                   info->name);
    }
    char label[128];
    snprintf(label, sizeof label, "state_write%s%s", weft_node_called(node) ? " " : "",
             weft_node_called(node) ? weft_node_called(node) : "");
    return weft_move_value(l, label, node->in[1], node->out[0]);
}

const struct weft_op weft_op_state_write = {
    .name = "state_write",
    .doc = "state, x -> next: x replaces the whole state",
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out = 1,
    .states = {{WEFT_TOUCH_WHOLE, .operand = 0}},
    .infer = state_write_infer,
    .eval = state_write_eval,
    .lower = state_write_lower,
};
