// Policies of states, and pairs of an input and an output that are one state's past and present.
#include "core/alloc.h"
#include "core/error.h"
#include "ir/graph_impl.h"
#include <ctype.h>
#include <string.h>

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory while building a graph"); }

// ---- policies

const char *weft_state_policy_name(enum weft_state_policy policy) {
    static const char *const names[] = {"as_declared", "in_place", "ping_pong", "double", "separate"};
    return (unsigned)policy < sizeof names / sizeof names[0] ? names[policy] : "?";
}

weft_status weft_graph_state_policy(weft_graph *graph, weft_value state, enum weft_state_policy policy) {
    if (!graph) return weft_fail(WEFT_ERR_INVALID, "weft_graph_state_policy: graph must not be NULL");
    if (state >= graph->n_values || graph->values[state].state == UINT32_MAX)
        return weft_fail(WEFT_ERR_INVALID, "weft_graph_state_policy: value %u is no state of the graph", state);
    uint32_t number = graph->values[state].state;
    const struct weft_value_info *info = &graph->values[graph->states[number]];
    if (policy < WEFT_STATE_IN_PLACE || policy > WEFT_STATE_DOUBLE)
        return weft_fail(WEFT_ERR_INVALID, "state '%s' can't have policy %s; choose in_place, ping_pong or double",
                         info->name, weft_state_policy_name(policy));
    if (info->state_kind == WEFT_STATE_VAR && policy != WEFT_STATE_IN_PLACE)
        return weft_fail(WEFT_ERR_INVALID, "variable '%s' is always in place; policies are for tensors", info->name);
    for (size_t i = 0; i < graph->n_values; i++)
        if (graph->values[i].state == number) graph->values[i].policy = policy;
    return WEFT_OK;
}

static bool writes_whole(const struct weft_op *op, uint32_t operand) {
    const struct weft_state_access *a = weft_op_writes(op, operand);
    return a && a->touch == WEFT_TOUCH_WHOLE;
}

bool weft_graph_state_whole(const struct weft_graph *g, uint32_t state, struct weft_str *why) {
    struct weft_str ignored = {0}, *out = why ? why : &ignored;
    const struct weft_node *writer = NULL;
    uint32_t operand = 0;
    const struct weft_value_info *info = &g->values[g->states[state]];
    bool once = true, fixed = weft_type_const_count(g->dims, &info->type) >= 0;
    if (info->state_kind == WEFT_STATE_VAR || info->state_kind == WEFT_STATE_PAGED || !fixed) {
        weft_str_add(out, !fixed                               ? "has a shape that varies from run to run"
                          : info->state_kind == WEFT_STATE_VAR ? "is a variable"
                                                               : "is paged");
        return false;
    }
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct weft_node *n = &g->nodes[i];
        for (uint32_t k = 0; !n->dead && k < n->n_out; k++) {
            if (!weft_node_writes(g, n, k) || g->values[n->in[k]].state != state) continue;
            if (writer && once)
                weft_str_addf(out, "is written twice in a run, by '%s' (%s) and '%s' (%s)",
                              writer->name ? writer->name : "unnamed", writer->op->name, n->name ? n->name : "unnamed",
                              n->op->name);
            once &= !writer;
            writer = n;
            operand = k;
        }
    }
    if (!writer) weft_str_add(out, "is written by no operator");
    bool whole = once && writer && writes_whole(writer->op, operand);
    if (once && writer && !whole)
        weft_str_addf(out, "is written in part only, by '%s' (%s)", writer->name ? writer->name : "unnamed",
                      writer->op->name);
    weft_str_free(&ignored);
    return whole;
}

// ---- pairs

static weft_value find_output(const struct weft_graph *g, const char *name) {
    for (size_t v = 0; v < g->n_values; v++) {
        const struct weft_value_info *info = &g->values[v];
        if (info->is_output && info->output_name && weft_is_live(g, info) && strcmp(info->output_name, name) == 0)
            return (weft_value)v;
    }
    return WEFT_NO_VALUE;
}

weft_status weft_pair_find(const struct weft_graph *g, const struct weft_pair *p, weft_value *past,
                           weft_value *present) {
    *past = weft_graph_find(g, p->past);
    *present = find_output(g, p->present);
    if (*past == WEFT_NO_VALUE || g->values[*past].kind != WEFT_VALUE_INPUT)
        return weft_fail(WEFT_ERR_NOT_FOUND, "pair '%s' and '%s': the graph has no input '%s'", p->past, p->present,
                         p->past);
    if (*present == WEFT_NO_VALUE)
        return weft_fail(WEFT_ERR_NOT_FOUND, "pair '%s' and '%s': the graph has no output '%s'", p->past, p->present,
                         p->present);
    const struct weft_type *a = &g->values[*past].type, *b = &g->values[*present].type;
    if (weft_type_same(a, b)) return WEFT_OK;
    struct weft_str s = {0}, t = {0};
    weft_type_print(g->dims, a, &s);
    weft_type_print(g->dims, b, &t);
    weft_status status =
        weft_fail(WEFT_ERR_INVALID, "past '%s' is %s and present '%s' is %s; as one state they need equal types",
                  p->past, weft_str_get(&s), p->present, weft_str_get(&t));
    weft_str_free(&s);
    weft_str_free(&t);
    return status;
}

// Whether a pair may be added; its names are the caller's.
static weft_status check_pair(const struct weft_graph *g, const struct weft_pair *p) {
    weft_value past, present;
    if (p->policy < WEFT_STATE_IN_PLACE || p->policy > WEFT_STATE_SEPARATE)
        return weft_fail(WEFT_ERR_INVALID, "pair '%s' and '%s': %s is not a policy for it", p->past, p->present,
                         weft_state_policy_name(p->policy));
    if (p->kind != WEFT_STATE_DENSE && p->kind != WEFT_STATE_RING)
        return weft_fail(WEFT_ERR_INVALID, "pair '%s' and '%s': a pair makes a dense or a ring state", p->past,
                         p->present);
    WEFT_TRY(weft_pair_find(g, p, &past, &present));
    if (p->kind == WEFT_STATE_RING && g->values[past].type.rank == 0)
        return weft_fail(WEFT_ERR_INVALID, "pair '%s' and '%s': a ring needs an axis 0, its capacity", p->past,
                         p->present);
    for (size_t i = 0; i < g->n_pairs; i++) {
        const struct weft_pair *q = &g->pairs[i];
        bool same_past = strcmp(q->past, p->past) == 0;
        if (same_past || strcmp(q->present, p->present) == 0)
            return weft_fail(WEFT_ERR_INVALID, "pair '%s' and '%s': '%s' is paired with '%s' already", p->past,
                             p->present, same_past ? p->past : p->present, same_past ? q->present : q->past);
    }
    return WEFT_OK;
}

weft_status weft_graph_pair_state(weft_graph *graph, const char *past, const char *present, enum weft_state_kind kind,
                                  enum weft_state_policy policy) {
    if (!graph || !past || !present)
        return weft_fail(WEFT_ERR_INVALID, "weft_graph_pair_state: %s must not be NULL",
                         !graph ? "graph"
                         : past ? "present"
                                : "past");
    struct weft_pair p = {.past = past, .present = present, .kind = kind, .policy = policy};
    WEFT_TRY(check_pair(graph, &p));
    void *items = graph->pairs;
    if (!weft_grow(&items, &graph->cap_pairs, graph->n_pairs + 1, sizeof *graph->pairs)) return no_memory();
    graph->pairs = items;
    p.past = weft_arena_strdup(&graph->arena, past);
    p.present = weft_arena_strdup(&graph->arena, present);
    if (!p.past || !p.present) return no_memory();
    graph->pairs[graph->n_pairs++] = p;
    return WEFT_OK;
}

// The digits of `name` where `template` has %d: their start and number. False if it does not fit.
static bool match(const char *template, const char *name, const char **digits, size_t *n) {
    size_t before = (size_t)(strstr(template, "%d") - template), len = strlen(name);
    const char *after = template + before + 2;
    size_t behind = strlen(after);
    if (len <= before + behind || memcmp(name, template, before) != 0 || strcmp(name + len - behind, after) != 0)
        return false;
    *digits = name + before;
    *n = len - before - behind;
    for (size_t i = 0; i < *n; i++)
        if (!isdigit((unsigned char)(*digits)[i])) return false;
    return true;
}

static weft_status pair_matches(struct weft_graph *g, const char *past, const char *present, enum weft_state_kind kind,
                                enum weft_state_policy policy, size_t *count) {
    size_t before = (size_t)(strstr(present, "%d") - present), n;
    const char *digits;
    for (size_t v = 0; v < g->n_values; v++) {
        const struct weft_value_info *info = &g->values[v];
        if (info->kind != WEFT_VALUE_INPUT || !match(past, info->name, &digits, &n)) continue;
        struct weft_str name = {0};
        weft_str_addn(&name, present, before);
        weft_str_addn(&name, digits, n);
        weft_str_add(&name, present + before + 2);
        weft_status status =
            name.failed ? no_memory() : weft_graph_pair_state(g, info->name, weft_str_get(&name), kind, policy);
        weft_str_free(&name);
        WEFT_TRY(status);
        ++*count;
    }
    if (*count == 0)
        return weft_fail(WEFT_ERR_NOT_FOUND, "no input of the graph has a name such as '%s' with a number for %%d",
                         past);
    return WEFT_OK;
}

weft_status weft_graph_pair_states(weft_graph *graph, const char *past, const char *present, enum weft_state_kind kind,
                                   enum weft_state_policy policy, size_t *count) {
    size_t n = 0;
    if (count) *count = 0;
    if (!graph || !past || !present)
        return weft_fail(WEFT_ERR_INVALID, "weft_graph_pair_states: %s must not be NULL",
                         !graph ? "graph"
                         : past ? "present"
                                : "past");
    const char *templates[2] = {past, present};
    for (int i = 0; i < 2; i++) {
        const char *first = strchr(templates[i], '%');
        if (!first || first[1] != 'd' || strchr(first + 1, '%'))
            return weft_fail(WEFT_ERR_INVALID, "template '%s' needs one %%d, where the number stands", templates[i]);
    }
    size_t had = graph->n_pairs;
    weft_status status = pair_matches(graph, past, present, kind, policy, &n);
    if (status != WEFT_OK) {
        graph->n_pairs = had;
        return status;
    }
    if (count) *count = n;
    return WEFT_OK;
}

// ---- sharing

// Marks what shows the memory of value `past`: itself and views of it.
static bool *mark_views(const struct weft_graph *g, weft_value past) {
    bool *shows = weft_calloc(g->n_values + 1, sizeof *shows);
    if (!shows) return NULL;
    shows[past] = true;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct weft_node *n = &g->nodes[i];
        if (!n->dead && n->op->view && n->n_in && shows[n->in[0]]) shows[n->out[0]] = true;
    }
    return shows;
}

// The node that writes present over past of its own accord: a state operator of past alone, after all other readers.
static uint32_t own_writer(const struct weft_graph *g, weft_value past, weft_value present,
                           enum weft_state_policy policy, const bool *shows) {
    const struct weft_value_info *info = &g->values[present];
    if (info->kind != WEFT_VALUE_NODE || info->out != 0 || info->state != UINT32_MAX) return WEFT_NO_NODE;
    const struct weft_node *writer = &g->nodes[info->node];
    if (!weft_op_writes(writer->op, 0) || writer->in[0] != past) return WEFT_NO_NODE;
    if (policy != WEFT_STATE_IN_PLACE && !writes_whole(writer->op, 0)) return WEFT_NO_NODE;
    for (size_t i = info->node; i < g->n_nodes; i++)
        for (uint32_t k = i == info->node; !g->nodes[i].dead && k < g->nodes[i].n_in; k++)
            if (shows[g->nodes[i].in[k]]) return WEFT_NO_NODE;
    return info->node;
}

// Puts the last node in front of all others.
static void move_to_front(struct weft_graph *g) {
    struct weft_node last = g->nodes[g->n_nodes - 1];
    memmove(g->nodes + 1, g->nodes, (g->n_nodes - 1) * sizeof *g->nodes);
    g->nodes[0] = last;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (uint32_t k = 0; !g->nodes[i].dead && k < g->nodes[i].n_out; k++)
            g->values[g->nodes[i].out[k]].node = (uint32_t)i;
}

// State operators that take the past, but are not its writer, are to stay functions when it becomes a state: they read
// it through a view.
static weft_status keep_functions(struct weft_graph *g, weft_value past, uint32_t writer) {
    weft_value view = WEFT_NO_VALUE;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct weft_node *n = &g->nodes[i];
        if (n->dead || !weft_op_writes(n->op, 0) || n->in[0] != past || i == writer) continue;
        if (view == WEFT_NO_VALUE) {
            WEFT_TRY(weft_graph_show(g, past, &view));
            move_to_front(g);
            i++; // this node has moved on
            if (writer != WEFT_NO_NODE) writer++;
        }
        g->nodes[i].in[0] = view;
    }
    return WEFT_OK;
}

static weft_status become_state(struct weft_graph *g, weft_value past, const struct weft_pair *p,
                                enum weft_state_policy policy) {
    void *items = g->states;
    if (!weft_grow(&items, &g->cap_states, g->n_states + 1, sizeof *g->states)) return no_memory();
    g->states = items;
    struct weft_value_info *info = &g->values[past];
    info->kind = WEFT_VALUE_STATE;
    info->state = (uint32_t)g->n_states;
    info->state_kind = p->kind;
    info->policy = policy;
    g->states[g->n_states++] = past;
    return WEFT_OK;
}

weft_status weft_graph_share_pair(struct weft_graph *g, const struct weft_pair *p, enum weft_state_policy policy,
                                  bool *by_itself) {
    weft_value past, present, written;
    *by_itself = false;
    WEFT_TRY(weft_pair_find(g, p, &past, &present));
    bool *shows = mark_views(g, past);
    if (!shows) return no_memory();
    bool shown = shows[present];
    uint32_t writer = own_writer(g, past, present, policy, shows);
    for (size_t v = 0; v < g->n_values; v++) shown |= shows[v] && g->values[v].is_output;
    weft_free(shows);
    if (shown && !(present == past && policy == WEFT_STATE_IN_PLACE))
        return weft_fail(WEFT_ERR_INVALID,
                         "past '%s' is itself an output, or a view of it is; as a state it would be written over",
                         p->past);
    const struct weft_op *op = weft_op_find(g->ops, "state_write");
    if (!op) return weft_fail(WEFT_ERR_INTERNAL, "the operator set has no state_write");
    g->values[present].is_output = false;
    WEFT_TRY(keep_functions(g, past, writer));
    WEFT_TRY(become_state(g, past, p, policy));
    if (present == past) return WEFT_OK; // never written: the state is what the host wrote
    if (writer == WEFT_NO_NODE)
        return weft_graph_add_raw(g, op, p->present, (weft_value[]){past, present}, 2, NULL, &written);
    struct weft_value_info *after = &g->values[present];
    const struct weft_value_info *before = &g->values[past];
    after->name = before->name;
    after->state = before->state;
    after->state_kind = before->state_kind;
    after->policy = before->policy;
    *by_itself = true;
    return WEFT_OK;
}
