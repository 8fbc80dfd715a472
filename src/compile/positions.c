/// What a run does to states, by position: which variables move on by how much, which states get rows at them, and how
/// far back their readers look. Sessions use it to rewind, and to know how many rows a run needs before it starts.
#include "compile/compile.h"
#include "core/error.h"
#include <string.h>

static bool is(const struct weft_node *n, const char *op) { return strcmp(n->op->name, op) == 0; }

static uint32_t state_of(const struct weft_plan *p, weft_value v) { return p->graph->values[v].state; }

static bool is_variable(const struct weft_plan *p, weft_value v)
{
    uint32_t state = state_of(p, v);
    return state != UINT32_MAX && p->states[state].kind == WEFT_STATE_VAR;
}

/// The position that variable `v` is, listed on first sight.
static uint32_t position_of(struct weft_plan *p, weft_value v)
{
    uint32_t state = state_of(p, v);
    for (uint32_t i = 0; i < p->n_positions; i++)
        if (p->positions[i].state == state) return i;
    p->positions[p->n_positions] =
        (struct weft_plan_position){.state = state, .by = weft_dim_const(p->graph->dims, 0)};
    return p->n_positions++;
}

static weft_status note_writes(struct weft_plan *p, const struct weft_node *n)
{
    for (uint32_t k = 0; k < n->n_out; k++) {
        uint32_t state = state_of(p, n->out[k]);
        if (state == UINT32_MAX) continue;
        struct weft_plan_state *s = &p->states[state];
        s->notes = (n->op->traits & WEFT_OP_NOTES) && (s->notes || !s->written);
        s->written = true;
    }
    if (is(n, "advance") && is_variable(p, n->in[0])) {
        struct weft_plan_position *at = &p->positions[position_of(p, n->in[0])];
        at->by = weft_dim_add(p->graph->dims, at->by, n->attrs[0].d);
        if (at->by == WEFT_DIM_BAD) return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph");
    }
    return WEFT_OK;
}

/// Rows that are written from a variable on. Of a dense state they are a cache only if runs move that variable on.
static void note_rows(struct weft_plan *p, const struct weft_node *n)
{
    if (!(n->op->traits & WEFT_OP_SINK) || !is_variable(p, n->in[2]) || state_of(p, n->in[0]) == UINT32_MAX) return;
    struct weft_plan_state *s = &p->states[state_of(p, n->in[0])];
    bool moved = false;
    for (uint32_t i = 0; i < p->n_positions; i++) moved |= p->positions[i].state == state_of(p, n->in[2]);
    if (moved || s->kind != WEFT_STATE_DENSE) s->position = position_of(p, n->in[2]);
}

/// Readers that look back through a window of keys; every other reader may look at all rows.
static void note_reads(struct weft_plan *p, const struct weft_node *n)
{
    const struct weft_attr *window = is(n, "attention") ? weft_node_attr(n, "window") : NULL;
    for (uint32_t k = 0; k < n->n_in; k++) {
        uint32_t state = state_of(p, n->in[k]);
        if (state == UINT32_MAX || (k == 0 && (n->op->traits & WEFT_OP_SINK))) continue;
        uint64_t back = window && window->i > 0 ? (uint64_t)window->i - 1 : UINT64_MAX;
        if (back > p->states[state].window) p->states[state].window = back;
    }
}

static void note_others(struct weft_plan *p, const struct weft_node *n)
{
    for (uint32_t k = 0; k < n->n_out && !is(n, "advance"); k++)
        for (uint32_t i = 0; i < p->n_positions; i++)
            if (state_of(p, n->out[k]) == p->positions[i].state) p->positions[i].untracked = true;
}

weft_status weft_pass_positions(struct weft_plan *p)
{
    p->positions = weft_arena_alloc(&p->arena, (p->n_states + 1) * sizeof *p->positions);
    if (!p->positions) return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph");
    for (uint32_t i = 0; i < p->n_states; i++) p->states[i].position = WEFT_NO_POSITION;
    for (size_t i = 0; i < p->graph->n_nodes; i++) {
        const struct weft_node *n = &p->graph->nodes[i];
        if (n->dead) continue;
        WEFT_TRY(note_writes(p, n));
        note_reads(p, n);
    }
    for (size_t i = 0; i < p->graph->n_nodes; i++)
        if (!p->graph->nodes[i].dead) note_rows(p, &p->graph->nodes[i]);
    for (size_t i = 0; i < p->graph->n_nodes; i++)
        if (!p->graph->nodes[i].dead) note_others(p, &p->graph->nodes[i]);
    return WEFT_OK;
}

bool weft_plan_may_stop(const struct weft_plan *p)
{
    for (uint32_t k = 0; k < p->n_schedules; k++) {
        for (uint32_t i = 0; i < p->schedules[k].n_steps; i++) {
            const struct weft_step *s = &p->schedules[k].steps[i];
            if (strcmp(s->kernel->name, "advance") == 0) continue;
            for (uint32_t o = 0; o < s->n_operands; o++)
                if (strcmp(s->operands[o].name, "vars") == 0 && (s->operands[o].access & WEFT_WRITE)) return true;
        }
    }
    return false;
}
