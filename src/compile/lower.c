/// Lowering: each group, in order, becomes steps, by its family or (views) none.
#include "compile/alias.h"
#include "compile/passes.h"
#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "plan/expr.h"
#include "plan/family.h"
#include "plan/update.h"
#include <stdio.h>
#include <string.h>

// ---- begin and end -------------------------------------------------------------------------------------------------

static weft_status out_of_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph"); }

/// Lists the nodes that read each value. Counts stand two places on, so that placing leaves each list's start at its
/// value.
static weft_status index_uses(struct weft_lower *l) {
    const struct weft_graph *g = l->graph;
    size_t total = 0;
    for (size_t n = 0; n < g->n_nodes; n++) total += g->nodes[n].n_in;
    l->use_start = weft_calloc(g->n_values + 3, sizeof *l->use_start);
    l->uses = weft_alloc((total + 1) * sizeof *l->uses);
    if (!l->use_start || !l->uses) return out_of_memory();
    for (uint32_t n = 0; n < g->n_nodes; n++)
        for (uint32_t i = 0; i < g->nodes[n].n_in && !g->nodes[n].dead; i++) l->use_start[g->nodes[n].in[i] + 2]++;
    for (size_t v = 2; v < g->n_values + 2; v++) l->use_start[v] += l->use_start[v - 1];
    for (uint32_t n = 0; n < g->n_nodes; n++)
        for (uint32_t i = 0; i < g->nodes[n].n_in && !g->nodes[n].dead; i++)
            l->uses[l->use_start[g->nodes[n].in[i] + 1]++] = n;
    return WEFT_OK;
}

weft_status weft_lower_begin(struct weft_compiling *c) {
    const struct weft_graph *g = c->plan->graph;
    struct weft_lower *l = &c->lower;
    *l = (struct weft_lower){.plan = c->plan,
                             .graph = c->plan->graph,
                             .caps = &c->plan->caps,
                             .profile = &c->plan->profile,
                             .node_budget = c->node_budget,
                             .skip_alias_check = c->params->skip_alias_check != 0};
    memcpy(l->lo, c->schedule->lo, sizeof l->lo);
    memcpy(l->hi, c->schedule->hi, sizeof l->hi);
    l->node_group = weft_calloc(g->n_nodes + 1, sizeof *l->node_group);
    l->places = weft_alloc((g->n_values + 1) * sizeof *l->places);
    l->copy_why = weft_arena_alloc(&c->plan->arena, (g->n_nodes + 1) * sizeof *l->copy_why);
    if (!l->node_group || !l->places || !l->copy_why) return out_of_memory();
    for (size_t i = 0; i < g->n_values; i++) l->places[i] = (struct weft_place){WEFT_NO_TENSOR, WEFT_DIM_ZERO};
    return index_uses(l);
}

weft_status weft_lower_keep(struct weft_compiling *c) {
    struct weft_lower *l = &c->lower;
    struct weft_schedule *sc = c->schedule;
    sc->steps = weft_arena_dup(&c->plan->arena, l->steps, l->n_steps * sizeof *l->steps);
    sc->tensors = weft_arena_dup(&c->plan->arena, l->tensors, l->n_tensors * sizeof *l->tensors);
    if (!sc->steps || !sc->tensors) return out_of_memory();
    sc->n_steps = l->n_steps;
    sc->n_tensors = l->n_tensors;
    sc->copied_bytes = 0;
    for (uint32_t i = 0; i < l->n_steps; i++) sc->copied_bytes += l->steps[i].copy.bytes;
    return WEFT_OK;
}

void weft_lower_end(struct weft_compiling *c) {
    struct weft_lower *l = &c->lower;
    weft_free(l->use_start);
    weft_free(l->uses);
    weft_free(l->node_group);
    weft_free(l->places);
    weft_free(l->steps);
    weft_free(l->tensors);
    l->use_start = l->uses = l->node_group = NULL;
    l->places = NULL;
    l->steps = NULL;
    l->tensors = NULL;
}

// ---- views ---------------------------------------------------------------------------------------------------------

/// Offset of a view in its own elements, from that of what it views in that one's.
static weft_dim view_offset(struct weft_lower *l, const struct weft_node *n, weft_dim offset) {
    struct weft_dims *dims = l->graph->dims;
    const struct weft_type *from = &weft_lv(l, n->in[0])->type, *to = &weft_lv(l, n->out[0])->type;
    uint32_t wide = weft_accessor_width(from->dtype), narrow = weft_accessor_width(to->dtype);
    if (n->op->view == WEFT_VIEW_ROWS)
        offset =
            weft_dim_add(dims, offset,
                         weft_dim_mul(dims, n->attrs[n->op->view_start].d, weft_lower_product(l, from, 1, from->rank)));
    if (wide > narrow) offset = weft_dim_mul(dims, offset, weft_dim_const(dims, wide / narrow));
    if (wide < narrow) {
        if (!weft_dim_is_multiple(dims, offset, narrow / wide))
            weft_lower_fail(l, WEFT_ERR_UNSUPPORTED,
                            "what it views starts inside a word of %s for some sizes; start it at an even element",
                            weft_dtype_name(to->dtype));
        offset = weft_dim_floordiv(dims, offset, narrow / wide);
    }
    if (offset == WEFT_DIM_BAD) weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while compiling the graph");
    return offset;
}

static weft_status lower_views(struct weft_lower *l, const struct weft_group *group) {
    for (uint32_t i = 0; i < group->n_nodes; i++) {
        const struct weft_node *n = &l->graph->nodes[group->nodes[i]];
        weft_value in = n->in[0], out = n->out[0];
        if (n->op->repack || weft_lower_deferred(l, in)) continue; // has no memory, or a weight's
        bool shown = weft_lv(l, out)->is_output && l->output_view[weft_graph_base(l->graph, out)] != out;
        if (shown || !weft_lower_is_leaf(l, weft_graph_base(l->graph, in))) weft_lower_place(l, in);
        if (l->status != WEFT_OK) return l->status;
        struct weft_place place = {l->places[in].tensor, view_offset(l, n, l->places[in].elem_offset)};
        if (l->status != WEFT_OK) return l->status;
        if (shown) WEFT_TRY(weft_alias_copy_output(l, out, place));
        else l->places[out] = place;
    }
    return WEFT_OK;
}

// ---- groups --------------------------------------------------------------------------------------------------------

/// Kernels read positions as words of the variables block. A position for each token is a tensor like others.
static weft_status check_position(const struct weft_lower *l, weft_value v) {
    const struct weft_value_info *pos = weft_lv(l, v);
    if (pos->type.rank) return WEFT_OK;
    if (pos->state != UINT32_MAX && pos->state_kind == WEFT_STATE_VAR) return WEFT_OK;
    return weft_fail(WEFT_ERR_UNSUPPORTED, "pos must be a variable of the graph, so that it lies on the device");
}

static weft_status check_operands(const struct weft_lower *l, const struct weft_group *group) {
    for (uint32_t i = 0; i < group->n_nodes; i++) {
        const struct weft_node *n = &l->graph->nodes[group->nodes[i]];
        for (uint32_t k = 0; k < WEFT_MAX_OUTS; k++) {
            enum weft_touch touch = n->op->states[k].touch;
            if (touch == WEFT_TOUCH_ROWS || touch == WEFT_TOUCH_BACK)
                WEFT_TRY(check_position(l, n->in[n->op->states[k].at]));
        }
        if (n->op->traits & WEFT_OP_ROWMAP) WEFT_TRY(check_position(l, n->in[1]));
        if (!weft_op_range(n->op)) continue;
        const struct weft_value_info *s = weft_lv(l, n->in[0]);
        if (s->state != UINT32_MAX && s->state_kind != WEFT_STATE_DENSE)
            return weft_fail(WEFT_ERR_UNSUPPORTED, "'%s' is a %s; ranges are written to dense states", s->name,
                             s->state_kind == WEFT_STATE_VAR ? "variable" : "state that maps its rows");
    }
    return WEFT_OK;
}

/// Views that a kernel computes through, and that others read, lie in the memory of what they view, if that is stored.
static weft_status place_views(struct weft_lower *l, uint32_t k) {
    const struct weft_group *group = &l->groups[k];
    for (uint32_t i = 0; i < group->n_nodes && l->status == WEFT_OK; i++) {
        const struct weft_node *n = &l->graph->nodes[group->nodes[i]];
        if (!n->op->view || !weft_lower_live_out(l, k, n->out[0])) continue;
        weft_value of = weft_x_rests_in(l, k, n->out[0]);
        if (of != WEFT_NO_VALUE) weft_lower_view(l, n->out[0], of, weft_dim_const(l->graph->dims, 0));
    }
    return l->status;
}

static weft_status lower_group(struct weft_lower *l, uint32_t k) {
    const struct weft_group *group = &l->groups[k];
    l->group = k;
    WEFT_TRY(check_operands(l, group));
    if (group->kind == WEFT_GROUP_VIEW) return lower_views(l, group);
    WEFT_TRY(group->family->lower(l, k));
    return l->status == WEFT_OK ? place_views(l, k) : l->status;
}

weft_status weft_pass_lower(struct weft_compiling *c) {
    struct weft_lower *l = &c->lower;
    for (uint32_t k = 0; k < l->n_groups; k++) {
        const struct weft_node *n = &l->graph->nodes[l->groups[k].nodes[0]];
        WEFT_TRY(weft_cancel_check());
        weft_status status = lower_group(l, k);
        if (status == WEFT_OK) continue;
        weft_fail_in(status, "node '%s' (%s)", weft_node_called(n) ? weft_node_called(n) : "unnamed", n->op->name);
        return l->fit == WEFT_TOO_LARGE ? weft_too_large(c, k, true) : status;
    }
    return WEFT_OK;
}
