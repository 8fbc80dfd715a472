/// Use lists, order and worklist of a graph under edit. All lists are doubly linked through arrays, so that entering
/// and leaving one takes a constant number of steps.
#include "ir/rewrite.h"
#include "core/alloc.h"
#include "core/error.h"

/// A use is a number: operand k of node n is use n * WEFT_MAX_INS + k.
#define NO_USE UINT32_MAX
struct use_link {
    uint32_t next, prev;
};
struct weft_rewrite_node {
    uint32_t next, prev; ///< in the order of execution
    uint32_t queue_next;
    bool queued;
    struct use_link uses[WEFT_MAX_INS]; ///< in the lists of the operands
};

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory while rewriting a graph"); }

// ---- use lists -----------------------------------------------------------------------------------------------------

static struct use_link *link_of(struct weft_rewrite *r, uint32_t use) {
    return &r->nodes[use / WEFT_MAX_INS].uses[use % WEFT_MAX_INS];
}

static void add_use(struct weft_rewrite *r, uint32_t use, weft_value v) {
    struct use_link *link = link_of(r, use);
    *link = (struct use_link){r->first[v], NO_USE};
    if (link->next != NO_USE) link_of(r, link->next)->prev = use;
    r->first[v] = use;
    r->work++;
}

static void drop_use(struct weft_rewrite *r, uint32_t use, weft_value v) {
    const struct use_link *link = link_of(r, use);
    if (link->prev == NO_USE) r->first[v] = link->next;
    else link_of(r, link->prev)->next = link->next;
    if (link->next != NO_USE) link_of(r, link->next)->prev = link->prev;
    r->work++;
}

// ---- order and worklist --------------------------------------------------------------------------------------------

static void put_before(struct weft_rewrite *r, uint32_t node, uint32_t at) {
    struct weft_rewrite_node *n = &r->nodes[node];
    n->next = at;
    n->prev = at == WEFT_NO_NODE ? r->tail : r->nodes[at].prev;
    if (n->prev == WEFT_NO_NODE) r->head = node;
    else r->nodes[n->prev].next = node;
    if (at == WEFT_NO_NODE) r->tail = node;
    else r->nodes[at].prev = node;
}

static void take_out(struct weft_rewrite *r, uint32_t node) {
    const struct weft_rewrite_node *n = &r->nodes[node];
    if (n->prev == WEFT_NO_NODE) r->head = n->next;
    else r->nodes[n->prev].next = n->next;
    if (n->next == WEFT_NO_NODE) r->tail = n->prev;
    else r->nodes[n->next].prev = n->prev;
}

uint32_t weft_rewrite_before(const struct weft_rewrite *r, uint32_t node) {
    return node == WEFT_NO_NODE ? r->tail : r->nodes[node].prev;
}

uint32_t weft_rewrite_after(const struct weft_rewrite *r, uint32_t node) {
    return node == WEFT_NO_NODE ? r->head : r->nodes[node].next;
}

void weft_rewrite_push(struct weft_rewrite *r, uint32_t node) {
    struct weft_rewrite_node *n = &r->nodes[node];
    if (n->queued) return;
    n->queued = true;
    n->queue_next = WEFT_NO_NODE;
    if (r->queue_tail == WEFT_NO_NODE) r->queue_head = node;
    else r->nodes[r->queue_tail].queue_next = node;
    r->queue_tail = node;
}

uint32_t weft_rewrite_next(struct weft_rewrite *r) {
    while (r->queue_head != WEFT_NO_NODE) {
        uint32_t node = r->queue_head;
        r->queue_head = r->nodes[node].queue_next;
        if (r->queue_head == WEFT_NO_NODE) r->queue_tail = WEFT_NO_NODE;
        r->nodes[node].queued = false;
        r->work++;
        if (!r->g->nodes[node].dead) return node;
    }
    return WEFT_NO_NODE;
}

// ---- begin and end -------------------------------------------------------------------------------------------------

weft_status weft_rewrite_take(struct weft_rewrite *r, uint32_t at, const char *origin) {
    struct weft_graph *g = r->g;
    void *nodes = r->nodes, *first = r->first;
    if (g->n_nodes > UINT32_MAX / WEFT_MAX_INS - 1)
        return weft_fail(WEFT_ERR_LIMIT, "the graph has %zu nodes; %u are the most", g->n_nodes,
                         UINT32_MAX / WEFT_MAX_INS - 1);
    bool room = weft_grow(&nodes, &r->cap_nodes, g->n_nodes + 1, sizeof *r->nodes);
    r->nodes = nodes;
    room = room && weft_grow(&first, &r->cap_values, g->n_values + 1, sizeof *r->first);
    r->first = first;
    if (!room) return no_memory();
    for (; r->n_values < g->n_values; r->n_values++) r->first[r->n_values] = NO_USE;
    for (; r->n_nodes < g->n_nodes; r->n_nodes++) {
        uint32_t i = (uint32_t)r->n_nodes;
        struct weft_node *n = &g->nodes[i];
        r->nodes[i] = (struct weft_rewrite_node){.queue_next = WEFT_NO_NODE};
        if (n->dead) continue;
        if (!n->origin) n->origin = origin;
        put_before(r, i, at);
        for (uint32_t k = 0; k < n->n_in; k++) add_use(r, i * WEFT_MAX_INS + k, n->in[k]);
        weft_rewrite_push(r, i);
        r->changed = true;
    }
    return WEFT_OK;
}

static void free_all(struct weft_rewrite *r) {
    weft_free(r->nodes);
    weft_free(r->first);
    *r = (struct weft_rewrite){0};
}

weft_status weft_rewrite_begin(struct weft_graph *g, struct weft_rewrite *r) {
    *r = (struct weft_rewrite){
        .g = g, .head = WEFT_NO_NODE, .tail = WEFT_NO_NODE, .queue_head = WEFT_NO_NODE, .queue_tail = WEFT_NO_NODE};
    weft_status status = weft_rewrite_take(r, WEFT_NO_NODE, NULL);
    r->changed = false;
    if (status != WEFT_OK) free_all(r);
    return status;
}

static weft_status put_in_order(struct weft_rewrite *r) {
    struct weft_graph *g = r->g;
    size_t n = 0;
    struct weft_node *nodes = weft_alloc((g->n_nodes + 1) * sizeof *nodes);
    if (!nodes) return no_memory();
    for (size_t i = 0; i < g->n_nodes; i++) // the results of dead nodes are made by none
        for (uint32_t k = 0; g->nodes[i].dead && k < g->nodes[i].n_out; k++)
            g->values[g->nodes[i].out[k]].node = WEFT_NO_NODE;
    for (uint32_t i = r->head; i != WEFT_NO_NODE; i = r->nodes[i].next, n++) {
        nodes[n] = g->nodes[i];
        for (uint32_t k = 0; k < nodes[n].n_out; k++) g->values[nodes[n].out[k]].node = (uint32_t)n;
    }
    weft_free(g->nodes);
    g->cap_nodes = g->n_nodes + 1;
    g->nodes = nodes;
    g->n_nodes = n;
    return WEFT_OK;
}

weft_status weft_rewrite_end(struct weft_rewrite *r, weft_status status) {
    if (status == WEFT_OK && r->changed) status = put_in_order(r);
    r->g->work += r->work;
    free_all(r);
    return status;
}

// ---- changes -------------------------------------------------------------------------------------------------------

/// True if an output can't simply become `to`, because that is one already or a session finds it elsewhere.
static bool needs_view(const struct weft_graph *g, weft_value to) {
    const struct weft_value_info *b = &g->values[to];
    return b->is_output || weft_graph_is_leaf(g, to) || b->state != UINT32_MAX;
}

weft_status weft_rewrite_replace(struct weft_rewrite *r, weft_value from, weft_value to, uint32_t at) {
    struct weft_graph *g = r->g;
    if (from == to) return WEFT_OK;
    r->changed = true;
    while (r->first[from] != NO_USE) {
        uint32_t use = r->first[from], node = use / WEFT_MAX_INS;
        weft_rewrite_operand(r, node, use % WEFT_MAX_INS, to);
        weft_rewrite_push(r, node);
    }
    if (g->values[from].is_output) {
        weft_value shown = to;
        if (needs_view(g, to)) {
            WEFT_TRY(weft_graph_show(g, to, &shown));
            WEFT_TRY(weft_rewrite_take(r, at, NULL));
        }
        weft_graph_move_output(g, from, shown);
    }
    if (!g->values[to].name) g->values[to].name = g->values[from].name;
    return WEFT_OK;
}

void weft_rewrite_operand(struct weft_rewrite *r, uint32_t node, uint32_t k, weft_value v) {
    struct weft_node *n = &r->g->nodes[node];
    drop_use(r, node * WEFT_MAX_INS + k, n->in[k]);
    n->in[k] = v;
    add_use(r, node * WEFT_MAX_INS + k, v);
    r->changed = true;
}

void weft_rewrite_kill(struct weft_rewrite *r, uint32_t node) {
    struct weft_node *n = &r->g->nodes[node];
    for (uint32_t k = 0; k < n->n_in; k++) drop_use(r, node * WEFT_MAX_INS + k, n->in[k]);
    n->dead = true;
    take_out(r, node);
    r->changed = true;
}

// ---- questions -----------------------------------------------------------------------------------------------------

bool weft_rewrite_used(const struct weft_rewrite *r, weft_value v) {
    return r->first[v] != NO_USE || r->g->values[v].is_output;
}

bool weft_rewrite_needed(const struct weft_rewrite *r, uint32_t node) {
    const struct weft_node *n = &r->g->nodes[node];
    for (uint32_t k = 0; k < n->n_out; k++)
        if (weft_rewrite_used(r, n->out[k]) || weft_node_writes(r->g, n, k)) return true;
    return false;
}

bool weft_rewrite_stands(const struct weft_graph *g, weft_value from, weft_value to) {
    const struct weft_type *a = &g->values[from].type, *b = &g->values[to].type;
    if (!weft_type_same(a, b)) return false;
    if (g->values[weft_graph_base(g, to)].state != UINT32_MAX) return false;
    return !g->values[from].is_output || !needs_view(g, to);
}

bool weft_rewrite_pure(const struct weft_node *n) {
    return n->op->states[0].touch == WEFT_TOUCH_NONE && !(n->op->traits & WEFT_OP_RANDOM);
}
