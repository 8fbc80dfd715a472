/// What states of two buffers need, behind all steps: writers of the present get the past, which they store while the
/// run is not active, and double-buffered states their commits.
#include "compile/passes.h"
#include "core/error.h"
#include "plan/family.h"

/// Where a run is not active the present must still become the past: a step that writes it reads the past as well.
static void keep_past(struct weft_lower *l, uint32_t step, uint32_t operand) {
    const struct weft_operand o = l->steps[step].operands[operand];
    const struct weft_tensor t = l->tensors[o.tensor];
    if (t.mem != WEFT_MEM_STATE || !(t.index & WEFT_STATE_PRESENT) || !(o.access & WEFT_WRITE)) return;
    uint32_t past = weft_lower_state_tensor(l, t.index & ~WEFT_STATE_PRESENT, false);
    struct weft_step *s = &l->steps[step];
    l->group = s->group; // which may be too large for one operand more
    for (uint32_t i = 0; i < s->n_operands; i++) {
        const struct weft_operand *p = &s->operands[i];
        if (p->tensor == past && (p->access & WEFT_READ) && p->dtype == o.dtype && p->byte_offset == o.byte_offset &&
            p->elem_offset == o.elem_offset)
            return;
    }
    const char *name = weft_arena_printf(&l->plan->arena, "kept_%s", o.name);
    if (!name || l->status != WEFT_OK) {
        weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while compiling the graph");
        return;
    }
    uint32_t n = weft_emit_scratch(l, s, name, WEFT_READ, past, o.flags & WEFT_OPERAND_WIDE);
    if (l->status != WEFT_OK) return;
    s->operands[n].dtype = o.dtype;
    s->operands[n].byte_offset = o.byte_offset;
    s->operands[n].bytes = o.bytes;
    s->operands[n].elem_offset = o.elem_offset;
    s->operands[n].used = o.used;
    s->operands[n].live = o.live;
    s->operands[n].every = o.every;
    s->operands[n].unit = o.unit;
}

weft_status weft_pass_commit(struct weft_compiling *c) {
    struct weft_lower *l = &c->lower;
    const struct weft_plan *plan = l->plan;
    bool two = false;
    for (uint32_t i = 0; i < plan->n_states; i++) two |= weft_state_buffers(&plan->states[i]) == 2;
    for (uint32_t k = 0; two && k < l->n_steps; k++)
        for (uint32_t i = 0, n = l->steps[k].n_operands; i < n && l->status == WEFT_OK; i++) keep_past(l, k, i);
    for (uint32_t i = 0; i < plan->n_states && l->status == WEFT_OK; i++)
        if (plan->states[i].policy == WEFT_STATE_DOUBLE) WEFT_TRY(weft_lower_families(l)->commit(l, i));
    return l->fit == WEFT_TOO_LARGE ? weft_too_large(c, l->group, true) : l->status;
}
