/// Scalar programs of rows in chunks: partial results between steps, and what a workgroup reaches.
#include "plan/expr_impl.h"

uint32_t weft_x_scratch(struct weft_expr *e, uint32_t tensor, enum weft_xtype type, uint32_t index) {
    struct weft_xstep *step = e->step;
    weft_value key = 0xc0000000u | tensor; // no value of a graph
    uint32_t i = 0;
    while (i < step->n_loads && step->loads[i].v != key) i++;
    if (i == step->n_loads) {
        struct weft_xload *load = weft_x_add_load(e, key, false);
        if (!load) return 0;
        load->dtype = WEFT_U32;
        load->operand = weft_emit_scratch(step->l, step->s, load->name, WEFT_READ, tensor, 0);
    }
    uint32_t x = weft_x_load(e, i, WEFT_X_U32, index, WEFT_X_NONE);
    return weft_x_as_bits(e, type, x);
}

void weft_x_store_scratch(struct weft_expr *e, uint32_t tensor, uint32_t x, uint32_t index) {
    struct weft_lower *l = e->step->l;
    if (e->n_stores == sizeof e->stores / sizeof e->stores[0]) {
        weft_lower_over_budget(l, "a fused group stores too many tensors");
        return;
    }
    uint32_t operand = WEFT_NO_OPERAND;
    const char *name = NULL;
    for (uint32_t i = 0; i < e->n_stores; i++)
        if (e->step->s->operands[e->stores[i].operand].tensor == tensor) operand = e->stores[i].operand;
    if (operand == WEFT_NO_OPERAND) {
        name = weft_x_numbered(e, "out", e->step->n_stores++);
        operand = weft_emit_scratch(l, e->step->s, name, WEFT_WRITE, tensor, 0);
    }
    if (l->status != WEFT_OK) return;
    e->stores[e->n_stores++] = (struct weft_xstore){.name = e->step->s->operands[operand].name,
                                                    .operand = operand,
                                                    .x = weft_x_as_bits(e, WEFT_X_U32, x),
                                                    .index = index,
                                                    .when = WEFT_X_NONE,
                                                    .dtype = WEFT_U32,
                                                    .once = true};
}

void weft_x_split_chunks(struct weft_expr *e, uint64_t chunk, uint64_t chunks) {
    struct weft_step *s = e->step->s;
    bool one = weft_lower_const(e->step->l, e->rows) == 1;
    if (e->step->uses_sincos) return; // looks at columns of other chunks
    for (uint32_t i = 0; i < s->n_operands; i++) {
        struct weft_operand *o = &s->operands[i];
        bool row = o->unit == 1;
        if (o->every == 0) continue;
        if (one && !row) o->unit = chunk;
        else if (!one && o->unit) o->every = chunks;
        else o->every = o->unit = 0;
    }
    weft_emit_items(s, 1);
}
