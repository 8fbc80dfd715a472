// The verifier: a table of rules, each of which sees the whole graph. A message begins with the rule's name.
//
// It runs between passes, so it trusts nothing: every index is checked before it is used. Results that a pass has
// orphaned (their node is dead or gone) may lie about in graph->values, as long as nothing uses them.
#include "core/error.h"
#include "ir/graph_impl.h"
#include <inttypes.h>
#include <string.h>

struct verify {
    const struct weft_graph *g;
    const char *rule;
    bool infer;          ///< also ask the operators for the types again; this may intern dims
    weft_value *current; ///< state -> its present version while walking
    uint32_t *root; ///< value -> state whose memory it shows (itself a version, or a view of one); UINT32_MAX: none
    weft_value *version; ///< value -> that version
    bool *defined;       ///< value -> made by now
};

static const char *node_name(const struct weft_node *n) {
    return weft_node_called(n) ? weft_node_called(n) : n->op && n->op->name ? n->op->name : "?";
}

#define broken(v, ...) broken(v, __VA_ARGS__)
static weft_status broken(const struct verify *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static weft_status broken(const struct verify *v, const char *format, ...) {
    struct weft_str s = {0};
    va_list args;
    va_start(args, format);
    weft_str_addv(&s, format, args);
    va_end(args);
    weft_status status = weft_fail(WEFT_ERR_INVALID, "graph is broken (%s): %s", v->rule, weft_str_get(&s));
    weft_str_free(&s);
    return status;
}

// Walks the live nodes.
#define EACH_NODE(g, i, n)                                                                                             \
    for (size_t i = 0; i < (g)->n_nodes; i++)                                                                          \
        for (const struct weft_node *n = &(g)->nodes[i]; n; n = NULL)                                                  \
            if (!n->dead)

// ---- rules

static weft_status rule_arity(struct verify *v) {
    EACH_NODE(v->g, i, n) {
        if (!n->op) return broken(v, "node %zu has no operator", i);
        if (weft_op_find(v->g->ops, n->op->name) != n->op)
            return broken(v, "node '%s': operator %s is not of the graph's operator set", node_name(n), n->op->name);
        if (n->n_in < n->op->n_in_min || n->n_in > n->op->n_in_max || n->n_in > WEFT_MAX_INS)
            return broken(v, "node '%s' has %u inputs; %s takes %d to %d", node_name(n), n->n_in, n->op->name,
                          n->op->n_in_min, n->op->n_in_max);
        if (n->n_out != weft_op_outputs(n->op, n->attrs) || n->n_out > WEFT_MAX_OUTS)
            return broken(v, "node '%s' has %u outputs; %s gives %u", node_name(n), n->n_out, n->op->name,
                          weft_op_outputs(n->op, n->attrs));
    }
    return WEFT_OK;
}

static weft_status rule_index(struct verify *v) {
    const struct weft_graph *g = v->g;
    EACH_NODE(g, i, n) {
        for (uint32_t k = 0; k < n->n_in; k++)
            if (n->in[k] >= g->n_values)
                return broken(v, "input %u of node '%s' is value %u of %zu", k, node_name(n), n->in[k], g->n_values);
        for (uint32_t k = 0; k < n->n_out; k++)
            if (n->out[k] >= g->n_values)
                return broken(v, "output %u of node '%s' is value %u of %zu", k, node_name(n), n->out[k], g->n_values);
    }
    for (size_t i = 0; i < g->n_states; i++)
        if (g->states[i] >= g->n_values || g->values[g->states[i]].kind != WEFT_VALUE_STATE ||
            g->values[g->states[i]].state != i)
            return broken(v, "entry %zu of the list of states is not that state", i);
    for (size_t i = 0; i < g->n_values; i++) {
        uint32_t state = g->values[i].state;
        bool listed = state < g->n_states && g->states[state] == i, free_of = state == UINT32_MAX;
        bool result = g->values[i].kind == WEFT_VALUE_NODE && state < g->n_states;
        if (g->values[i].kind == WEFT_VALUE_STATE ? !listed : !free_of && !result)
            return broken(v, "value %zu can't be a version of state %u of %zu", i, state, g->n_states);
    }
    return WEFT_OK;
}

static weft_status rule_producer(struct verify *v) {
    const struct weft_graph *g = v->g;
    EACH_NODE(g, i, n) {
        for (uint32_t k = 0; k < n->n_out; k++) {
            const struct weft_value_info *info = &g->values[n->out[k]];
            if (info->kind != WEFT_VALUE_NODE || info->node != i || info->out != k)
                return broken(v, "output %u of node '%s' names another producer", k, node_name(n));
        }
    }
    return WEFT_OK;
}

static weft_status rule_order(struct verify *v) {
    const struct weft_graph *g = v->g;
    for (size_t i = 0; i < g->n_values; i++) v->defined[i] = g->values[i].kind != WEFT_VALUE_NODE;
    EACH_NODE(g, i, n) {
        for (uint32_t k = 0; k < n->n_in; k++) {
            if (v->defined[n->in[k]]) continue;
            bool live = weft_is_live(g, &g->values[n->in[k]]);
            return broken(v, "input %u of node '%s' is made %s", k, node_name(n), live ? "later" : "by a dead node");
        }
        for (uint32_t k = 0; k < n->n_out; k++) v->defined[n->out[k]] = true;
    }
    return WEFT_OK;
}

static weft_status rule_attributes(struct verify *v) {
    EACH_NODE(v->g, i, n) {
        weft_status status = weft_attrs_check(v->g->dims, n->op, n->attrs);
        if (status != WEFT_OK) return weft_fail_in(status, "graph is broken (%s): node '%s'", v->rule, node_name(n));
    }
    return WEFT_OK;
}

static weft_status check_types(struct verify *v, const struct weft_node *n) {
    const struct weft_graph *g = v->g;
    struct weft_type in[WEFT_MAX_INS], out[WEFT_MAX_OUTS];
    memset(out, 0, sizeof out);
    for (uint32_t k = 0; k < n->n_in; k++) in[k] = g->values[n->in[k]].type;
    // infer may intern dims, which changes no dim that exists; the graph itself is only read
    weft_status status = n->op->infer((struct weft_graph *)g, in, n->n_in, n->attrs, out);
    if (status != WEFT_OK) return weft_fail_in(status, "graph is broken (%s): node '%s'", v->rule, node_name(n));
    for (uint32_t k = 0; k < n->n_out; k++) {
        if (weft_type_same(&out[k], &g->values[n->out[k]].type)) continue;
        struct weft_str want = {0}, have = {0};
        weft_type_print(g->dims, &out[k], &want);
        weft_type_print(g->dims, &g->values[n->out[k]].type, &have);
        status = broken(v, "output %u of node '%s' is declared %s, but its operator gives %s", k, node_name(n),
                        weft_str_get(&have), weft_str_get(&want));
        weft_str_free(&want);
        weft_str_free(&have);
        return status;
    }
    return WEFT_OK;
}

static weft_status rule_type(struct verify *v) {
    const struct weft_graph *g = v->g;
    for (size_t i = 0; i < g->n_values; i++) {
        if (g->values[i].kind == WEFT_VALUE_NODE) continue;
        weft_status status =
            weft_type_check(g->dims, &g->values[i].type, g->values[i].name ? g->values[i].name : "a constant");
        if (status != WEFT_OK) return weft_fail_in(status, "graph is broken (%s)", v->rule);
    }
    if (!v->infer) return WEFT_OK;
    EACH_NODE(g, i, n) WEFT_TRY(check_types(v, n));
    return WEFT_OK;
}

static weft_status rule_constant(struct verify *v) {
    const struct weft_graph *g = v->g;
    for (size_t i = 0; i < g->n_values; i++) {
        const struct weft_value_info *info = &g->values[i];
        if (info->kind != WEFT_VALUE_CONST) continue;
        int64_t count = weft_type_const_count(g->dims, &info->type);
        if (count < 0 || !info->data || info->data_size != weft_dtype_bytes(info->type.dtype, (uint64_t)count))
            return broken(v, "constant %zu has %" PRIu64 " bytes for %" PRId64 " elements of %s", i, info->data_size,
                          count, weft_dtype_name(info->type.dtype));
    }
    return WEFT_OK;
}

static weft_status rule_name(struct verify *v) {
    const struct weft_graph *g = v->g;
    for (size_t i = 0; i < g->n_values; i++) {
        const struct weft_value_info *info = &g->values[i];
        if (info->kind == WEFT_VALUE_NODE || info->kind == WEFT_VALUE_CONST) continue;
        if (!info->name || !*info->name) return broken(v, "value %zu is an input, weight or state without a name", i);
        if (weft_graph_find(g, info->name) != i)
            return broken(v, "the name '%s' does not lead to its value; it is used twice or not listed", info->name);
    }
    return WEFT_OK;
}

static weft_status rule_output(struct verify *v) {
    const struct weft_graph *g = v->g;
    struct weft_map seen = {0};
    weft_status status = WEFT_OK;
    for (size_t i = 0; status == WEFT_OK && i < g->n_values; i++) {
        const struct weft_value_info *info = &g->values[i];
        uint64_t other;
        if (!info->is_output) continue;
        if (!info->output_name || !*info->output_name) status = broken(v, "value %zu is an output without a name", i);
        else if (!v->defined[i]) status = broken(v, "output '%s' is made by a dead node", info->output_name);
        else if (weft_map_get(&seen, info->output_name, strlen(info->output_name), &other))
            status = broken(v, "two outputs are named '%s'", info->output_name);
        else if (weft_graph_ambiguous(g, weft_graph_find(g, info->output_name), (weft_value)i))
            status = weft_fail(WEFT_ERR_INVALID,
                               "output '%s' has the name of an input or state, and a session could not "
                               "tell them apart; choose another",
                               info->output_name);
        else if (!weft_map_set(&seen, info->output_name, strlen(info->output_name), i))
            status = weft_fail(WEFT_ERR_NOMEM, "out of memory while checking a graph");
    }
    weft_map_free(&seen);
    return status;
}

static weft_status rule_state_write(struct verify *v) {
    const struct weft_graph *g = v->g;
    EACH_NODE(g, i, n) {
        for (uint32_t k = 0; k < n->n_out; k++) {
            const struct weft_value_info *after = &g->values[n->out[k]];
            const struct weft_state_access *writes = weft_op_writes(n->op, k);
            if (!writes) {
                if (after->state != UINT32_MAX)
                    return broken(v, "output %u of node '%s' is marked as a state, but %s does not write one", k,
                                  node_name(n), n->op->name);
                continue;
            }
            bool state = k < n->n_in && g->values[n->in[k]].state != UINT32_MAX;
            if (!state && !writes->must_be_state && after->state == UINT32_MAX) continue; // a function
            if (!state) return broken(v, "node '%s' writes its input %u, which is not a state", node_name(n), k);
            if (after->state != g->values[n->in[k]].state)
                return broken(v, "node '%s': output %u is not marked as a version of state '%s'", node_name(n), k,
                              g->values[g->states[g->values[n->in[k]].state]].name);
        }
    }
    return WEFT_OK;
}

// Memory of a state holds one version at a time, so whoever uses a version (or a view of one) must stand before the
// next write.
static weft_status rule_state_order(struct verify *v) {
    const struct weft_graph *g = v->g;
    for (size_t i = 0; i < g->n_states; i++) v->current[i] = g->states[i];
    for (size_t i = 0; i < g->n_values; i++) {
        v->root[i] = g->values[i].state;
        v->version[i] = (weft_value)i;
    }
    EACH_NODE(g, i, n) {
        for (uint32_t k = 0; k < n->n_in; k++) {
            uint32_t state = v->root[n->in[k]];
            if (state == UINT32_MAX || v->current[state] == v->version[n->in[k]]) continue;
            return broken(v, "node '%s' uses %s of state '%s' after '%s' has written the next one", node_name(n),
                          v->version[n->in[k]] == n->in[k] ? "a version" : "a view", g->values[g->states[state]].name,
                          node_name(&g->nodes[g->values[v->current[state]].node]));
        }
        for (uint32_t k = 0; k < n->n_out; k++) {
            if (weft_node_writes(g, n, k)) {
                v->current[g->values[n->out[k]].state] = n->out[k];
            } else if (n->op->view && n->n_in > 0) {
                v->root[n->out[k]] = v->root[n->in[0]];
                v->version[n->out[k]] = v->version[n->in[0]];
            }
        }
    }
    for (size_t i = 0; i < g->n_values; i++) {
        uint32_t state = v->root[i];
        if (g->values[i].is_output && state != UINT32_MAX && v->current[state] != v->version[i])
            return broken(v, "output '%s' shows a version of state '%s' that is written over later in the run",
                          g->values[i].output_name, g->values[g->states[state]].name);
    }
    return WEFT_OK;
}

static weft_status rule_variable(struct verify *v) {
    const struct weft_graph *g = v->g;
    for (size_t i = 0; i < g->n_states; i++) {
        const struct weft_value_info *info = &g->values[g->states[i]];
        if (info->state_kind == WEFT_STATE_VAR && (info->type.rank > 1 || info->var_lo > info->var_hi))
            return broken(v, "variable '%s' has axes, or its bounds %" PRId64 " to %" PRId64 " are empty", info->name,
                          info->var_lo, info->var_hi);
        if ((info->state_kind == WEFT_STATE_RING || info->state_kind == WEFT_STATE_PAGED) &&
            info->type.rank <= info->by_slot)
            return broken(v, "state '%s' has no axis %d, its capacity", info->name, info->by_slot);
    }
    return WEFT_OK;
}

static weft_status rule_policy(struct verify *v) {
    const struct weft_graph *g = v->g;
    for (size_t i = 0; i < g->n_values; i++) {
        const struct weft_value_info *info = &g->values[i];
        if (info->state == UINT32_MAX || !weft_is_live(g, info)) continue;
        const struct weft_value_info *first = &g->values[g->states[info->state]];
        if (info->policy < WEFT_STATE_IN_PLACE || info->policy > WEFT_STATE_DOUBLE || info->policy != first->policy)
            return broken(v, "value %zu, a version of state '%s', has policy %d; the state has %d", i, first->name,
                          (int)info->policy, (int)first->policy);
        if (info != first || info->policy == WEFT_STATE_IN_PLACE) continue;
        struct weft_str why = {0};
        weft_status status = WEFT_OK;
        if (!weft_graph_state_whole(g, info->state, &why))
            status = broken(v, "state '%s' has policy %s, but %s; give it policy in_place", info->name,
                            weft_state_policy_name(info->policy), weft_str_get(&why));
        weft_str_free(&why);
        WEFT_TRY(status);
    }
    return WEFT_OK;
}

static weft_status rule_pair(struct verify *v) {
    const struct weft_graph *g = v->g;
    for (size_t i = 0; i < g->n_pairs; i++) {
        const struct weft_pair *p = &g->pairs[i];
        weft_value past, present;
        weft_status status = weft_pair_find(g, p, &past, &present);
        if (status != WEFT_OK) return broken(v, "%s", weft_error_message());
        for (size_t k = 0; k < i; k++)
            if (strcmp(g->pairs[k].past, p->past) == 0 || strcmp(g->pairs[k].present, p->present) == 0)
                return broken(v, "'%s' or '%s' is paired twice", p->past, p->present);
    }
    return WEFT_OK;
}

// In this order: a rule may rely on those before it.
static const struct {
    const char *name;
    weft_status (*check)(struct verify *v);
} rules[] = {
    {"arity", rule_arity},
    {"index", rule_index},
    {"producer", rule_producer},
    {"order", rule_order},
    {"name", rule_name},
    {"attribute", rule_attributes},
    {"type", rule_type},
    {"constant", rule_constant},
    {"output", rule_output},
    {"state-write", rule_state_write},
    {"state-order", rule_state_order},
    {"variable", rule_variable},
    {"policy", rule_policy},
    {"pair", rule_pair},
};

weft_status weft_graph_verify(const struct weft_graph *g) { return weft_graph_check(g, true); }

weft_status weft_graph_check(const struct weft_graph *g, bool infer) {
    struct weft_arena arena = {0};
    struct verify v = {.g = g, .infer = infer};
    weft_status status = WEFT_OK;
    v.current = weft_arena_alloc(&arena, (g->n_states + 1) * sizeof *v.current);
    v.root = weft_arena_alloc(&arena, (g->n_values + 1) * sizeof *v.root);
    v.version = weft_arena_alloc(&arena, (g->n_values + 1) * sizeof *v.version);
    v.defined = weft_arena_alloc(&arena, (g->n_values + 1) * sizeof *v.defined);
    if (!v.current || !v.root || !v.version || !v.defined)
        status = weft_fail(WEFT_ERR_NOMEM, "out of memory while checking a graph");
    for (size_t i = 0; status == WEFT_OK && i < sizeof rules / sizeof rules[0]; i++) {
        v.rule = rules[i].name;
        status = rules[i].check(&v);
    }
    weft_arena_free(&arena);
    return status;
}
