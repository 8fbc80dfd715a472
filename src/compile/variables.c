/// What runs must keep to by the value of a variable (plan->limits): rows of states, promises of the caller, bounds of
/// the variable itself. Operators say what they ask for (weft_op.limits); what no value of the variable within its
/// bounds can break is left out. Kernels keep to all of this by themselves, so that nothing is written where it does
/// not belong; the limits are there for sessions to refuse a run instead of running it half.
#include "compile/passes.h"
#include "core/error.h"

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph"); }

weft_dim weft_plan_ahead(struct weft_plan *p, weft_value var) {
    const struct weft_graph *g = p->graph;
    weft_dim ahead = weft_dim_const(g->dims, 0);
    while (g->values[var].kind == WEFT_VALUE_NODE) {
        const struct weft_node *n = &g->nodes[g->values[var].node];
        struct weft_op_limit limits[WEFT_MAX_LIMITS];
        uint32_t count = n->op->limits ? n->op->limits(g, n, limits) : 0;
        if (count != 1 || limits[0].kind != WEFT_LIMIT_BOUND) return WEFT_DIM_NONE;
        ahead = weft_dim_add(g->dims, ahead, limits[0].span);
        var = n->in[limits[0].at];
    }
    return ahead;
}

/// Rows that operand v of a node has room for, by position; `by_slot`: of each sequence, also where a dense state does
/// not say that it is kept by slot.
static weft_dim rows_of(struct weft_plan *p, weft_value v, bool by_slot) {
    const struct weft_value_info *info = &p->graph->values[v];
    bool ends = info->state != UINT32_MAX && p->states[info->state].kind != WEFT_STATE_RING;
    int64_t lo, rows = ends ? (int64_t)p->states[info->state].rows : (int64_t)WEFT_MOST_POSITION + 1;
    if (ends && by_slot && !info->by_slot) weft_dim_bounds(p->graph->dims, info->type.dims[1], &lo, &rows);
    return weft_dim_const(p->graph->dims, rows);
}

static const char *name_of(const struct weft_plan *p, const struct weft_node *n, weft_value v) {
    uint32_t state = p->graph->values[v].state;
    if (state != UINT32_MAX) return p->states[state].name;
    return p->graph->values[v].name ? p->graph->values[v].name : n->name ? n->name : n->op->name;
}

/// True if no value within the variable's bounds breaks it.
static bool never_broken(const struct weft_plan *p, const struct weft_plan_limit *x) {
    const struct weft_dims *dims = p->graph->dims;
    const struct weft_value_info *var = &p->graph->values[p->states[x->variable].value];
    int64_t lo, span, least, most;
    weft_dim_bounds(dims, x->span, &lo, &span);
    weft_dim_bounds(dims, x->most, &least, &most);
    if (x->kind == WEFT_LIMIT_SUM || x->by_word != WEFT_NO_WORD) return false;
    if (x->kind == WEFT_LIMIT_BOUND) return lo == 0 && span == 0;
    return span <= 0 || (span < INT64_MAX / 2 && var->var_hi + span <= least);
}

/// An earlier limit asks for the same, as each layer of a decoder does for its caches. Equal dims have equal handles.
static bool is_listed(const struct weft_plan *p, const struct weft_plan_limit *x) {
    for (uint32_t i = 0; i < p->n_limits; i++) {
        const struct weft_plan_limit *y = &p->limits[i];
        if (x->kind == y->kind && x->word == y->word && x->by_word == y->by_word && x->span == y->span &&
            x->most == y->most)
            return true;
    }
    return false;
}

/// The value of the variable is known to the host: nothing else than advancing moves it.
static bool is_known(const struct weft_plan *p, uint32_t variable, uint32_t *position) {
    for (*position = 0; *position < p->n_positions; ++*position)
        if (p->positions[*position].state == variable) return !p->positions[*position].untracked;
    *position = WEFT_NO_POSITION;
    return !p->states[variable].written;
}

/// The word of a count of tokens by slot, which only the host writes; WEFT_NO_WORD otherwise.
static uint32_t count_word(const struct weft_plan *p, weft_value count, uint32_t slot) {
    uint32_t state = p->graph->values[count].state;
    if (state == UINT32_MAX || p->states[state].kind != WEFT_STATE_VAR || p->states[state].written) return WEFT_NO_WORD;
    return slot < p->states[state].slots ? p->states[state].var_slot + slot : WEFT_NO_WORD;
}

/// The variable that a limit is about and, by slot, what counts its tokens. Of positions by token both are those that
/// they were counted from.
static weft_value variable_of(const struct weft_plan *p, const struct weft_node *n, const struct weft_op_limit *from,
                              weft_value *count) {
    const struct weft_graph *g = p->graph;
    weft_value at = n->in[from->at], var = weft_graph_counted_from(g, at);
    *count = from->count ? n->in[from->count - 1u] : WEFT_NO_VALUE;
    if (var != at) *count = g->nodes[g->values[at].node].in[1];
    return var;
}

/// The limit for one slot, or for a variable that is one word. Of a variable by slot that has moved on already in this
/// run nothing is said: kernels keep to their bounds.
static weft_status add(struct weft_plan *p, const struct weft_node *n, const struct weft_op_limit *from,
                       uint32_t slot) {
    struct weft_dims *dims = p->graph->dims;
    weft_value count, var = variable_of(p, n, from, &count);
    struct weft_plan_limit x = {
        .kind = from->kind, .variable = p->graph->values[var].state, .most = from->most, .by_word = WEFT_NO_WORD};
    if (x.variable == UINT32_MAX || p->states[x.variable].kind != WEFT_STATE_VAR) return WEFT_OK;
    if (!is_known(p, x.variable, &x.position)) return WEFT_OK;
    if (x.kind == WEFT_LIMIT_SUM && p->states[x.variable].written) return WEFT_OK;
    if (p->states[x.variable].var_slot == WEFT_VAR_ACTIVE) return WEFT_OK; // runs behind its end leave no trace
    const struct weft_value_info *info = &p->graph->values[p->states[x.variable].value];
    bool moved = p->graph->values[var].kind == WEFT_VALUE_NODE;
    if (x.position != WEFT_NO_POSITION) x.position += slot;
    x.word = p->states[x.variable].var_slot + slot;
    if (from->count) x.by_word = count_word(p, count, slot);
    if (from->count && (x.by_word == WEFT_NO_WORD || moved)) return WEFT_OK;
    x.by = x.position == WEFT_NO_POSITION ? weft_dim_const(dims, 0) : p->positions[x.position].by;
    x.span = weft_dim_add(dims, from->span, weft_plan_ahead(p, var));
    x.name = n->name ? n->name : n->op->name;
    x.least = info->var_lo;
    if (x.kind == WEFT_LIMIT_BOUND) x.most = weft_dim_const(dims, info->var_hi);
    if (x.kind == WEFT_LIMIT_BOUND) x.name = info->name;
    if (x.kind == WEFT_LIMIT_WRITE || x.kind == WEFT_LIMIT_READ) {
        x.most = rows_of(p, n->in[from->of], from->count != 0);
        x.name = name_of(p, n, n->in[from->of]);
    }
    if (x.by == WEFT_DIM_BAD || x.span == WEFT_DIM_BAD || x.most == WEFT_DIM_BAD) return no_memory();
    if (never_broken(p, &x) || is_listed(p, &x)) return WEFT_OK;
    p->limits[p->n_limits++] = x;
    return WEFT_OK;
}

static weft_status add_all(struct weft_plan *p, const struct weft_node *n, const struct weft_op_limit *from) {
    weft_value count;
    uint32_t state = p->graph->values[variable_of(p, n, from, &count)].state;
    uint32_t slots = from->count && state != UINT32_MAX ? p->states[state].slots : 1;
    for (uint32_t slot = 0; slot < slots; slot++) WEFT_TRY(add(p, n, from, slot));
    return WEFT_OK;
}

weft_status weft_pass_variables(struct weft_compiling *c) {
    struct weft_plan *p = c->plan;
    const struct weft_graph *g = p->graph;
    struct weft_op_limit limits[WEFT_MAX_LIMITS];
    size_t most = 1;
    for (size_t i = 0; i < g->n_nodes; i++)
        if (!g->nodes[i].dead && g->nodes[i].op->limits)
            most += g->nodes[i].op->limits(g, &g->nodes[i], limits) * (size_t)WEFT_MAX_SEQUENCES;
    p->limits = weft_arena_alloc(&p->arena, most * sizeof *p->limits);
    if (!p->limits) return no_memory();
    for (int kind = WEFT_LIMIT_WRITE; kind <= WEFT_LIMIT_SUM; kind++) {
        for (size_t i = 0; i < g->n_nodes; i++) {
            const struct weft_node *n = &g->nodes[i];
            uint32_t count = n->dead || !n->op->limits ? 0 : n->op->limits(g, n, limits);
            for (uint32_t k = 0; k < count; k++)
                if ((int)limits[k].kind == kind) WEFT_TRY(add_all(p, n, &limits[k]));
        }
    }
    return WEFT_OK;
}
