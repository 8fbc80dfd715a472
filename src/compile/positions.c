/// What a run does to states, by position: which variables move on by how much, which states get rows at them, and how
/// far back their readers look. Sessions use it to rewind, and to know how many rows a run needs before it starts. All
/// of it stands in the operators' rows (struct weft_state_access).
#include "compile/passes.h"
#include "core/error.h"

static uint32_t state_of(const struct weft_plan *p, weft_value v) { return p->graph->values[v].state; }

static bool is_variable(const struct weft_plan *p, weft_value v) {
    uint32_t state = state_of(p, v);
    return state != UINT32_MAX && p->states[state].kind == WEFT_STATE_VAR;
}

/// The position that variable `v` is, or the first of those of a variable by slot, listed on first sight.
static uint32_t position_of(struct weft_plan *p, weft_value v) {
    uint32_t state = state_of(p, v), first = p->n_positions;
    for (uint32_t i = 0; i < p->n_positions; i++)
        if (p->positions[i].state == state) return i;
    for (uint32_t k = 0; k < p->states[state].slots; k++)
        p->positions[p->n_positions++] = (struct weft_plan_position){.state = state,
                                                                     .word = p->states[state].var_slot + k,
                                                                     .by = weft_dim_const(p->graph->dims, 0),
                                                                     .by_word = WEFT_NO_WORD,
                                                                     .gate_word = WEFT_NO_WORD};
    return first;
}

static weft_status note_writes(struct weft_plan *p, const struct weft_node *n) {
    for (uint32_t k = 0; k < n->n_out; k++) {
        uint32_t state = state_of(p, n->out[k]);
        const struct weft_state_access *a = state == UINT32_MAX ? NULL : weft_op_writes(n->op, k);
        if (!a) continue;
        struct weft_plan_state *s = &p->states[state];
        s->non_positional = a->beside && (s->non_positional || !s->written);
        s->written = true;
        s->raised |= !a->clears;
        if (a->touch != WEFT_TOUCH_ADVANCE || s->kind != WEFT_STATE_VAR || s->var_slot == WEFT_VAR_ACTIVE) continue;
        uint32_t first = position_of(p, n->in[k]);
        for (uint32_t slot = 0; slot < s->slots; slot++) {
            weft_dim *by = &p->positions[first + slot].by;
            *by = weft_dim_add(p->graph->dims, *by, n->attrs[a->attr].d);
            if (*by == WEFT_DIM_BAD) return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph");
        }
    }
    return WEFT_OK;
}

/// The first word of the activities of as many slots that an operand of a node has, if a word of 0 stays so until the
/// host writes it.
static uint32_t gate_of(const struct weft_plan *p, const struct weft_node *n, uint32_t operand, uint32_t slots) {
    if (!operand || operand >= n->n_in || !is_variable(p, n->in[operand])) return WEFT_NO_WORD;
    const struct weft_plan_state *s = &p->states[state_of(p, n->in[operand])];
    return s->slots == slots && !s->raised ? s->var_slot : WEFT_NO_WORD;
}

/// Positions that an operand of counts moves on, slot for slot. What the device alone decides (a count that operators
/// write, a second count) leaves them to the device.
static void note_counts(struct weft_plan *p, const struct weft_node *n) {
    const struct weft_state_access *a = weft_op_writes(n->op, 0);
    if (!a || a->touch != WEFT_TOUCH_ADVANCE || !a->value || a->value >= n->n_in || !is_variable(p, n->in[0])) return;
    uint32_t first = position_of(p, n->in[0]), slots = p->states[state_of(p, n->in[0])].slots;
    const struct weft_plan_state *count =
        is_variable(p, n->in[a->value]) ? &p->states[state_of(p, n->in[a->value])] : NULL;
    bool known = count && count->slots == slots && !count->written;
    uint32_t gate = gate_of(p, n, a->gate, slots);
    for (uint32_t k = 0; k < slots; k++) {
        struct weft_plan_position *at = &p->positions[first + k];
        if (!known || at->by_word != WEFT_NO_WORD) at->untracked = true;
        else at->by_word = count->var_slot + k;
        at->gate_word = gate == WEFT_NO_WORD || at->untracked ? WEFT_NO_WORD : gate + k;
    }
}

/// Rows that are written from a variable on. Of a dense state they are a cache only if runs move that variable on.
static void note_rows(struct weft_plan *p, const struct weft_node *n) {
    const struct weft_state_access *a = weft_op_sink(n->op);
    if (!a || a->touch != WEFT_TOUCH_ROWS) return;
    weft_value at = weft_graph_counted_from(p->graph, n->in[a->at]);
    if (!is_variable(p, at) || state_of(p, n->in[a->operand]) == UINT32_MAX) return;
    struct weft_plan_state *s = &p->states[state_of(p, n->in[a->operand])];
    bool moved = false;
    for (uint32_t i = 0; i < p->n_positions; i++) moved |= p->positions[i].state == state_of(p, at);
    if (moved || s->kind != WEFT_STATE_DENSE) s->position = position_of(p, at);
}

/// How far operand k of a node looks back from its position: rows before it, UINT64_MAX for all.
static uint64_t looks_back(const struct weft_node *n, const struct weft_state_access *a) {
    int64_t window = a && a->touch == WEFT_TOUCH_BACK ? n->attrs[a->attr].i : 0;
    return window > 0 ? (uint64_t)window - 1 : UINT64_MAX;
}

static void note_reads(struct weft_plan *p, const struct weft_node *n) {
    for (uint32_t k = 0; k < n->n_in; k++) {
        uint32_t state = state_of(p, n->in[k]);
        const struct weft_state_access *a = weft_op_access(n->op, k);
        if (state == UINT32_MAX || (a && a == weft_op_sink(n->op))) continue; // a sink reads nothing of its state
        uint64_t back = looks_back(n, a);
        if (back > p->states[state].window) p->states[state].window = back;
    }
}

/// A position that something else writes as well is known to the device alone.
static void note_others(struct weft_plan *p, const struct weft_node *n) {
    for (uint32_t k = 0; k < n->n_out; k++) {
        const struct weft_state_access *a = weft_op_writes(n->op, k);
        for (uint32_t i = 0; i < p->n_positions; i++)
            if (state_of(p, n->out[k]) == p->positions[i].state && !(a && a->touch == WEFT_TOUCH_ADVANCE))
                p->positions[i].untracked = true;
    }
}

/// What sequences there are: see weft_plan.slots.
static void count_slots(struct weft_plan *p) {
    uint32_t slots = 0;
    for (uint32_t i = 0; i < p->n_states; i++) {
        const struct weft_value_info *info = &p->graph->values[p->states[i].value];
        bool counts = info->by_slot;
        for (uint32_t k = 0; k < p->n_positions && info->type.rank == 1; k++) counts |= p->positions[k].state == i;
        if (!counts) continue;
        bool differs = slots && slots != p->states[i].slots;
        slots = p->states[i].slots;
        if (differs) p->slots = 0;
        if (differs) return;
    }
    p->slots = slots ? slots : 1;
}

weft_status weft_pass_positions(struct weft_compiling *c) {
    struct weft_plan *p = c->plan;
    const struct weft_graph *g = p->graph;
    p->positions = weft_arena_alloc(&p->arena, (p->n_vars + 1) * sizeof *p->positions);
    if (!p->positions) return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph");
    for (uint32_t i = 0; i < p->n_states; i++) p->states[i].position = WEFT_NO_POSITION;
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (g->nodes[i].dead) continue;
        WEFT_TRY(note_writes(p, &g->nodes[i]));
        note_reads(p, &g->nodes[i]);
    }
    for (size_t i = 0; i < g->n_nodes; i++)
        if (!g->nodes[i].dead) note_counts(p, &g->nodes[i]);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (!g->nodes[i].dead) note_rows(p, &g->nodes[i]);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (!g->nodes[i].dead) note_others(p, &g->nodes[i]);
    count_slots(p);
    return WEFT_OK;
}
