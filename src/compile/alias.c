#include "compile/alias.h"
#include "compile/passes.h"
#include "core/cancel.h"
#include "core/error.h"
#include "plan/byte_range.h"
#include "plan/family.h"
#include "plan/update.h"
#include <string.h>

// ---- ranges --------------------------------------------------------------------------------------------------------

static bool is_view(const struct weft_graph *g, weft_value v) {
    const struct weft_value_info *info = &g->values[v];
    return info->kind == WEFT_VALUE_NODE && g->nodes[info->node].op->view;
}

static weft_dim times(struct weft_lower *l, weft_dim d, uint32_t n) {
    return weft_dim_mul(l->graph->dims, d, weft_dim_const(l->graph->dims, n));
}

static struct weft_byte_range range_of(struct weft_lower *l, weft_value v) {
    const struct weft_graph *g = l->graph;
    const struct weft_type *t = &g->values[v].type;
    uint32_t width = weft_accessor_width(t->dtype);
    struct weft_byte_range x = {.start = weft_dim_const(g->dims, 0), .width = width};
    weft_dim bytes = times(l, weft_lower_product(l, t, 0, t->rank), width);
    for (; is_view(g, v); v = g->nodes[g->values[v].node].in[0]) {
        const struct weft_node *n = &g->nodes[g->values[v].node];
        const struct weft_type *from = &g->values[n->in[0]].type;
        if (n->op->view != WEFT_VIEW_ROWS) continue;
        weft_dim row = times(l, weft_lower_product(l, from, 1, from->rank), weft_accessor_width(from->dtype));
        x.start = weft_dim_add(g->dims, x.start, weft_dim_mul(g->dims, n->attrs[n->op->view_start].d, row));
    }
    x.root = g->values[v].state != UINT32_MAX ? g->states[g->values[v].state] : v;
    x.end = weft_dim_add(g->dims, x.start, bytes);
    return x;
}

/// The range that a node that writes one (weft_op_range) writes.
static struct weft_byte_range written(struct weft_lower *l, const struct weft_node *n) {
    const struct weft_graph *g = l->graph;
    const struct weft_value_info *state = &g->values[n->out[0]];
    const struct weft_type *t = &g->values[n->in[1]].type;
    uint32_t width = weft_accessor_width(state->type.dtype);
    struct weft_byte_range x = {.root = g->states[state->state], .width = width};
    x.start = times(l, n->attrs[weft_op_range(n->op)->attr].d, width);
    x.end = weft_dim_add(g->dims, x.start, times(l, weft_lower_product(l, t, 0, t->rank), width));
    return x;
}

// ---- nodes of one dispatch -----------------------------------------------------------------------------------------

bool weft_alias_clash(struct weft_lower *l, uint32_t writer, uint32_t reader, bool strict, struct weft_clash *why) {
    const struct weft_graph *g = l->graph;
    const struct weft_node *w = &g->nodes[writer], *r = &g->nodes[reader];
    uint32_t state = g->values[w->out[0]].state;
    *why = (struct weft_clash){writer, reader, WEFT_NO_VALUE};
    for (uint32_t k = 0; k < r->n_out; k++)
        if (r != w && g->values[r->out[k]].state == state) return true;
    bool shared = weft_shares_words(g->values[w->out[0]].type.dtype);
    for (uint32_t i = r == w ? 1 : 0; i < r->n_in; i++) {
        weft_value base = weft_graph_base(g, r->in[i]);
        if (g->values[base].state != state) continue;
        why->read = r->in[i];
        if (base != w->in[0] || !weft_op_range(w->op)) return true; // the new version, or rows of a cache
        if (shared || l->skip_alias_check)
            continue; // what others read, a step behind such a region writes (plan/expr_value.c)
        struct weft_byte_range a = written(l, w), b = range_of(l, r->in[i]);
        enum weft_overlap how = weft_byte_range_compare(l, &a, &b);
        if (how == WEFT_DISJOINT) continue;
        const struct weft_type *t = &g->values[r->in[i]].type, *x = &g->values[w->in[1]].type;
        if (how == WEFT_OVERLAPPING || strict || (r->op->traits & WEFT_OP_CONTRACT) || !weft_type_same(t, x))
            return true;
    }
    why->read = WEFT_NO_VALUE;
    return false;
}

static void add_range(struct weft_lower *l, const struct weft_byte_range *x, weft_dtype dtype, struct weft_str *s) {
    struct weft_dims *dims = l->graph->dims;
    int64_t width = weft_accessor_width(dtype);
    weft_dim_print(dims, weft_dim_floordiv(dims, x->start, width), s);
    weft_str_add(s, " .. ");
    weft_dim_print(dims, weft_dim_floordiv(dims, x->end, width), s);
}

const char *weft_alias_reason(struct weft_lower *l, const struct weft_clash *c) {
    const struct weft_graph *g = l->graph;
    const struct weft_node *w = &g->nodes[c->writer], *r = &g->nodes[c->reader];
    const struct weft_value_info *state = &g->values[w->out[0]];
    struct weft_str s = {0};
    struct weft_byte_range x = written(l, w);
    weft_str_add(&s, "it writes elements ");
    add_range(l, &x, state->type.dtype, &s);
    weft_str_addf(&s, " of state '%s'", state->name);
    const char *name = weft_node_label(r);
    if (c->read == WEFT_NO_VALUE) {
        weft_str_addf(&s, ", and '%s' stands between them", name);
    } else {
        x = range_of(l, c->read);
        weft_str_addf(&s, ", of which '%s' reads ", name);
        add_range(l, &x, g->values[c->read].type.dtype, &s);
        if (g->values[c->read].type.dtype != state->type.dtype)
            weft_str_addf(&s, " as %s", weft_dtype_name(g->values[c->read].type.dtype));
    }
    const char *text = s.failed ? NULL : weft_arena_strdup(&l->plan->arena, weft_str_get(&s));
    weft_str_free(&s);
    return text;
}

// ---- outputs that are views ----------------------------------------------------------------------------------------

weft_status weft_pass_outputs(struct weft_compiling *c) {
    struct weft_lower *l = &c->lower;
    const struct weft_graph *g = l->graph;
    l->output_view = weft_arena_alloc(&l->plan->arena, (g->n_values + 1) * sizeof *l->output_view);
    if (!l->output_view) return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph");
    memset(l->output_view, 0xff, (g->n_values + 1) * sizeof *l->output_view);
    for (weft_value v = 0; v < g->n_values; v++) {
        const struct weft_value_info *info = &g->values[v];
        if (!info->is_output || !is_view(g, v) || g->nodes[info->node].dead) continue;
        weft_value base = weft_graph_base(g, v);
        const struct weft_value_info *root = &g->values[base];
        if (weft_graph_is_leaf(g, base) || root->state != UINT32_MAX || root->is_output) continue;
        struct weft_byte_range part = range_of(l, v), all = range_of(l, base);
        bool whole = part.start == all.start && part.end == all.end && part.end != WEFT_DIM_BAD;
        if (whole && l->output_view[base] == WEFT_NO_VALUE) l->output_view[base] = v;
    }
    return l->status;
}

weft_status weft_alias_copy_output(struct weft_lower *l, weft_value v, struct weft_place from) {
    const struct weft_value_info *info = weft_lv(l, v);
    const struct weft_value_info *base = weft_lv(l, weft_graph_base(l->graph, v));
    struct weft_arena *arena = &l->plan->arena;
    weft_dim count = weft_lower_product(l, &info->type, 0, info->type.rank);
    weft_lower_place(l, v);
    const char *name = l->status == WEFT_OK ? l->tensors[from.tensor].name : "?", *of = base->name ? base->name : name;
    const char *label = weft_arena_printf(arena, "copy to output '%s'", info->output_name);
    const char *why = weft_arena_printf(arena, "the output is a view of '%s'", of);
    if (l->status != WEFT_OK) return l->status;
    weft_lower_families(l)->copy(l, label, count, from, l->places[v], info->type.dtype, why);
    return l->status;
}

// ---- steps ---------------------------------------------------------------------------------------------------------

/// Moves the last step to place `at`.
static void move_last(struct weft_lower *l, uint32_t at) {
    struct weft_step last = l->steps[l->n_steps - 1];
    memmove(&l->steps[at + 1], &l->steps[at], (l->n_steps - 1 - at) * sizeof *l->steps);
    l->steps[at] = last;
}

/// Puts a copy of what operand r of step n reads in front of the step. The step is then number n + 1.
static void stage(struct weft_lower *l, uint32_t n, uint32_t r, uint32_t w) {
    struct weft_operand o = l->steps[n].operands[r];
    struct weft_tensor from = l->tensors[o.tensor];
    uint32_t width = weft_accessor_width(o.dtype);
    weft_dim count = o.count;
    if (count == WEFT_DIM_NONE) count = weft_dim_const(l->graph->dims, (int64_t)(o.bytes / width));
    int64_t most = weft_lower_max(l, count);
    const struct weft_plan *plan = l->plan;
    if (from.mem == WEFT_MEM_STATE && plan->states[from.index & ~WEFT_STATE_PRESENT].kind == WEFT_STATE_PAGED) {
        weft_lower_fail(l, WEFT_ERR_UNSUPPORTED,
                        "step '%s' reads '%s' while it writes other rows of it, and its pages can't be copied; read it "
                        "in an operator of its own, before",
                        l->steps[n].label, from.name);
        return;
    }
    const char *step = l->steps[n].label, *name = l->steps[n].operands[w].name;
    const char *label = weft_arena_printf(&l->plan->arena, "copy of '%s' for %s", from.name, step);
    const char *why = weft_arena_printf(
        &l->plan->arena, "the step reads '%s' as '%s' and writes it as '%s', at elements that may overlap", from.name,
        o.name, name);
    if (!label || !why) {
        weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while compiling the graph");
        return;
    }
    uint32_t t = weft_lower_scratch(l, from.name, o.dtype, most > 0 ? (uint64_t)most : 1);
    if (l->status != WEFT_OK) return;
    l->tensors[t].state_capacity = from.state_capacity;
    l->tensors[t].slots = from.slots;
    l->tensors[t].slot_rows = from.slot_rows;
    l->group = l->steps[n].group;
    weft_lower_families(l)->copy(l, label, count, (struct weft_place){o.tensor, o.elem_offset},
                                 (struct weft_place){t, WEFT_DIM_ZERO}, o.dtype, why);
    if (l->status != WEFT_OK) return;
    move_last(l, n);
    struct weft_operand *staged = &l->steps[n + 1].operands[r];
    staged->tensor = t;
    staged->elem_offset = WEFT_DIM_ZERO;
    staged->byte_offset = 0;
    staged->bytes = l->tensors[t].bytes;
}

/// Settles how operand r, which reads, stands to operand w of its step, which writes its tensor. True if a copy was put
/// in front of the step.
static bool settle(struct weft_lower *l, uint32_t n, uint32_t r, uint32_t w) {
    struct weft_operand *a = &l->steps[n].operands[r], *b = &l->steps[n].operands[w];
    if (a->inplace_of == (int8_t)w || b->inplace_of == (int8_t)r) return false;
    struct weft_byte_range x = weft_byte_range_of(l, a), y = weft_byte_range_of(l, b);
    enum weft_overlap how = weft_byte_range_compare(l, &x, &y);
    if (l->skip_alias_check && how == WEFT_OVERLAPPING) {
        a->inplace_of = (int8_t)w;
        a->flags |= WEFT_OPERAND_INPLACE;
        return false;
    }
    bool in_place = how == WEFT_SAME && (a->flags & b->flags & WEFT_OPERAND_INPLACE) && a->dtype == b->dtype;
    if (how == WEFT_DISJOINT || in_place) {
        a->inplace_of = (int8_t)w;
        a->flags |= how == WEFT_DISJOINT ? WEFT_OPERAND_DISJOINT : WEFT_OPERAND_INPLACE;
        return false;
    }
    stage(l, n, r, w);
    return l->status == WEFT_OK;
}

/// Returns the step's number, which copies in front of it raise.
static uint32_t settle_step(struct weft_lower *l, uint32_t n) {
    for (uint32_t w = 0; w < l->steps[n].n_operands; w++) {
        if (!(l->steps[n].operands[w].access & WEFT_WRITE)) continue;
        for (uint32_t r = 0; r < l->steps[n].n_operands && l->status == WEFT_OK; r++) {
            const struct weft_operand *a = &l->steps[n].operands[r];
            if (a->access != WEFT_READ || a->tensor != l->steps[n].operands[w].tensor) continue;
            if (settle(l, n, r, w)) n++;
        }
    }
    return n;
}

weft_status weft_pass_alias(struct weft_compiling *c) {
    struct weft_lower *l = &c->lower;
    for (uint32_t n = 0; n < l->n_steps; n++) {
        const struct weft_node *node = &l->graph->nodes[l->groups[l->steps[n].group].nodes[0]];
        WEFT_TRY(weft_cancel_check());
        n = settle_step(l, n);
        if (l->status != WEFT_OK)
            return weft_fail_in(l->status, "node '%s' (%s)",
                                weft_node_called(node) ? weft_node_called(node) : "unnamed", node->op->name);
    }
    return WEFT_OK;
}
