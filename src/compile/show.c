/// What stands behind a pass: the graph, the groups of nodes, or the steps with as much of their operands as is known.
#include "compile/bind.h"
#include "compile/passes.h"
#include "compile/print_impl.h"
#include "plan/family.h"
#include <inttypes.h>

static void show_groups(const struct weft_lower *l, struct weft_str *out) {
    static const char *const roles[] = {"", " (in front)", " (behind)"};
    if (!l->n_groups) weft_str_add(out, " no groups yet\n");
    for (uint32_t k = 0; k < l->n_groups; k++) {
        const struct weft_group *g = &l->groups[k];
        weft_str_addf(out, " group %u, %s, at most %u bindings:", k, g->family ? g->family->name : "view",
                      g->n_bindings);
        for (uint32_t i = 0; i < g->n_nodes; i++) {
            const struct weft_node *n = &l->graph->nodes[g->nodes[i]];
            weft_str_addf(out, "%s %s%s%s%s", i ? "," : "", n->op->name, weft_node_called(n) ? " " : "",
                          weft_node_called(n) ? weft_node_called(n) : "", roles[g->roles[i]]);
        }
        weft_str_add(out, "\n");
    }
}

/// "!y = heap0+256 (silu.4)": written or not, accessor, buffer and place as far as there is one, tensor.
static void show_operand(const struct weft_plan *p, const struct weft_tensor *t, const struct weft_operand *o,
                         struct weft_str *out) {
    bool placed = t->first != UINT32_MAX; // the pass that places also says when it is used first
    weft_str_addf(out, "    %s%s =", o->access & WEFT_WRITE ? "!" : " ", o->name);
    bool in_buffer = t->mem != WEFT_MEM_TRANSIENT && t->mem != WEFT_MEM_WEIGHT;
    weft_str_add(out, " ");
    if (placed || in_buffer) weft_print_buffer(p, weft_mem_key(t), out);
    else weft_str_add(out, weft_print_mem(t->mem));
    if (placed) weft_str_addf(out, "+%" PRIu64 ":%" PRIu64, t->offset + o->byte_offset, o->bytes);
    weft_str_addf(out, " (%s, %s", t->name, weft_dtype_name(o->dtype));
    if (o->elem_offset != WEFT_DIM_ZERO) {
        weft_str_add(out, " from element ");
        weft_dim_print(p->graph->dims, o->elem_offset, out);
    }
    weft_str_addf(out, ")%s\n", o->inplace_of < 0 ? "" : o->flags & WEFT_OPERAND_DISJOINT ? " disjoint" : " in place");
}

static void show_steps(const struct weft_compiling *c, const struct weft_step *steps, uint32_t n,
                       const struct weft_tensor *tensors, struct weft_str *out) {
    for (uint32_t i = 0; i < n; i++) {
        const struct weft_step *s = &steps[i];
        const struct weft_group *g = &c->lower.groups[s->group];
        weft_str_addf(out, " step %u, %s, of group %u (%s)", i, s->label, s->group,
                      weft_node_label(&c->plan->graph->nodes[g->nodes[0]]));
        weft_str_addf(out, ": kernel %s, workgroup %ux%ux%u", s->kernel->name, s->workgroup[0], s->workgroup[1],
                      s->workgroup[2]);
        if (s->split.end) weft_str_addf(out, ", workgroups %u..%u", s->split.first, s->split.end - 1);
        weft_str_addf(out, "%s\n", s->copy.kind ? ", a copy" : "");
        for (uint32_t k = 0; k < s->n_operands; k++)
            show_operand(c->plan, &tensors[s->operands[k].tensor], &s->operands[k], out);
        for (uint32_t k = 1; k < s->bound.n_slots; k++) {
            const struct weft_slot *slot = &s->bound.slots[k];
            weft_str_addf(out, "    binding %u %s ", k, slot->kind == WEFT_BIND_READ ? "r" : "rw");
            weft_print_buffer(c->plan, slot->mem_key, out);
            weft_str_addf(out, "+%" PRIu64 ":%" PRIu64 "%s\n", slot->offset, slot->size, slot->wide ? " vec4" : "");
        }
    }
}

void weft_pass_show(const struct weft_compiling *c, enum weft_pass_scope scope, struct weft_str *out) {
    const struct weft_lower *l = &c->lower;
    const struct weft_schedule *sc = c->schedule;
    if (scope == WEFT_PASS_PLAN) {
        if (weft_graph_print(c->plan->graph, out) != WEFT_OK) out->failed = true;
        return;
    }
    if (scope == WEFT_PASS_END) {
        weft_plan_print(c->plan, false, out);
        return;
    }
    weft_str_addf(out, "schedule %s\n", sc->name);
    if (scope == WEFT_PASS_STEPS) show_steps(c, sc->steps, sc->n_steps, sc->tensors, out);
    else if (l->n_steps) show_steps(c, l->steps, l->n_steps, l->tensors, out);
    else show_groups(l, out);
}
