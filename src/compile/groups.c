/// Bookkeeping of groups while they are merged. A topological order of the groups is kept up to date, so that the
/// search for a cycle only looks at groups between the two that are to merge: graphs of thousands of nodes take
/// milliseconds.
#include "compile/groups.h"
#include "compile/alias.h"
#include "core/alloc.h"
#include "core/error.h"
#include "plan/family.h"
#include "plan/update.h"
#include <string.h>

// ---- dependences ---------------------------------------------------------------------------------------------------

static void visit_edges(struct weft_fuser *f, const uint32_t *writer,
                        void (*fn)(struct weft_fuser *, uint32_t from, uint32_t to)) {
    struct weft_graph *g = f->g;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (g->nodes[n].dead) continue;
        for (uint32_t i = 0; i < g->nodes[n].n_in; i++) {
            const struct weft_value_info *v = &g->values[g->nodes[n].in[i]];
            if (v->kind == WEFT_VALUE_NODE) fn(f, v->node, n);
            // Readers of a version, or of a view of it, come before the node that replaces it.
            uint32_t w = writer[weft_graph_base(g, g->nodes[n].in[i])];
            if (w != WEFT_NO_GROUP && w != n) fn(f, n, w);
        }
    }
}

/// writer[v]: the node that replaces version v of a state.
static void find_writers(const struct weft_graph *g, uint32_t *writer) {
    memset(writer, 0xff, (g->n_values + 1) * sizeof *writer);
    for (uint32_t w = 0; w < g->n_nodes; w++) {
        const struct weft_node *n = &g->nodes[w];
        if (n->dead) continue;
        for (uint32_t k = 0; k < n->n_out && k < n->n_in; k++) {
            uint32_t state = g->values[n->in[k]].state;
            if (weft_node_writes(g, n, k) && g->values[n->out[k]].state == state) writer[n->in[k]] = w;
        }
    }
}

static void count_edge(struct weft_fuser *f, uint32_t from, uint32_t to) {
    (void)to;
    f->edge_start[from + 2]++;
}

static void put_edge(struct weft_fuser *f, uint32_t from, uint32_t to) { f->edges[f->edge_start[from + 1]++] = to; }

weft_status weft_groups_edges(struct weft_fuser *f) {
    size_t n = f->g->n_nodes;
    uint32_t *writer = weft_alloc((f->g->n_values + 1) * sizeof *writer);
    f->edge_start = weft_calloc(n + 3, sizeof *f->edge_start);
    if (writer && f->edge_start) {
        find_writers(f->g, writer);
        visit_edges(f, writer, count_edge);
        for (size_t i = 2; i < n + 3; i++) f->edge_start[i] += f->edge_start[i - 1];
        f->edges = weft_alloc((f->edge_start[n + 2] + 1) * sizeof *f->edges);
    }
    if (f->edges) visit_edges(f, writer, put_edge);
    weft_free(writer);
    return f->edges ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory while fusing");
}

bool weft_group_is_bridge(const struct weft_fuser *f, uint32_t group) {
    for (uint32_t i = 0; i < f->n_bridges; i++)
        if (f->bridges[i] == group) return true;
    return false;
}

bool weft_group_is_view(const struct weft_fuser *f, uint32_t node) {
    const struct weft_node *n = &f->g->nodes[node];
    if (n->dead || f->spaces[f->group[node]].kind != WEFT_GROUP_VIEW) return false;
    if (n->op->view == WEFT_VIEW_SAME) return true;
    weft_dtype from = f->g->values[n->in[0]].type.dtype, to = f->g->values[n->out[0]].type.dtype;
    return n->op->view == WEFT_VIEW_BITS && weft_accessor_width(from) == 4 && weft_accessor_width(to) == 4;
}

/// The views by which `v` shows a value of group a become bridges, if it shows one.
static bool bridge(struct weft_fuser *f, uint32_t a, weft_value v) {
    uint32_t found = f->n_bridges;
    for (const struct weft_value_info *i = &f->g->values[v]; i->kind == WEFT_VALUE_NODE; i = &f->g->values[v]) {
        if (f->group[i->node] == a) return true;
        if (!weft_group_is_view(f, i->node)) break;
        if (!weft_group_is_bridge(f, f->group[i->node])) {
            if (f->n_bridges == sizeof f->bridges / sizeof *f->bridges) return false;
            f->bridges[f->n_bridges++] = f->group[i->node];
        }
        v = f->g->nodes[i->node].in[0];
    }
    f->n_bridges = found;
    return true;
}

bool weft_groups_bridge(struct weft_fuser *f, uint32_t a, uint32_t b) {
    f->n_bridges = 0;
    for (uint32_t n = f->spaces[b].head; n != WEFT_NO_GROUP; n = f->next[n])
        for (uint32_t i = 0; i < f->g->nodes[n].n_in; i++)
            if (!bridge(f, a, f->g->nodes[n].in[i])) return false;
    return true;
}

void weft_groups_unbridge(struct weft_fuser *f, uint32_t a, bool take) {
    uint32_t n = f->n_bridges;
    f->n_bridges = 0;
    for (; take && n; n--) { // in order, so that no view waits for a group that waits for it
        uint32_t first = 0;
        for (uint32_t i = 1; i < n; i++)
            if (f->spaces[f->bridges[i]].at < f->spaces[f->bridges[first]].at) first = i;
        weft_groups_merge(f, a, f->bridges[first]);
        f->bridges[first] = f->bridges[n - 1];
    }
}

/// Marks the groups that follow group a and stand before place `end`, a itself not among them. True if group b
/// (WEFT_NO_GROUP: none) is reached from one of those, or (`direct`) from a itself.
static bool search(struct weft_fuser *f, uint32_t a, uint32_t b, uint32_t end, bool direct) {
    uint32_t top = 0;
    f->mark[a] = ++f->stamp;
    f->stack[top++] = a;
    while (top) {
        uint32_t g = f->stack[--top];
        for (uint32_t n = f->spaces[g].head; n != WEFT_NO_GROUP; n = f->next[n]) {
            for (uint32_t e = f->edge_start[n]; e < f->edge_start[n + 1]; e++) {
                uint32_t to = f->group[f->edges[e]];
                if (to == b && (direct || !(g == a || weft_group_is_bridge(f, g)))) return true;
                if (to == b || f->mark[to] == f->stamp || f->spaces[to].at >= end) continue;
                f->mark[to] = f->stamp;
                f->stack[top++] = to;
            }
        }
    }
    return false;
}

bool weft_groups_reach(struct weft_fuser *f, uint32_t a, uint32_t b) {
    return f->spaces[a].at < f->spaces[b].at && search(f, a, b, f->spaces[b].at, true);
}

bool weft_groups_may_merge(struct weft_fuser *f, uint32_t a, uint32_t b) {
    if (f->spaces[a].at > f->spaces[b].at) return !search(f, b, a, f->spaces[a].at, false);
    return !search(f, a, b, f->spaces[b].at, false);
}

/// Puts the merged group behind what stood between the two and does not follow the first, and before what does.
static void reorder(struct weft_fuser *f, uint32_t into, uint32_t from) {
    uint32_t first = f->spaces[into].at < f->spaces[from].at ? into : from, start = f->spaces[first].at;
    uint32_t end = f->spaces[first == into ? from : into].at, n = start, n_late = 0;
    search(f, first, WEFT_NO_GROUP, end, false);
    for (uint32_t i = start; i <= end; i++) {
        uint32_t g = f->order[i];
        if (g == WEFT_NO_GROUP || g == into || g == from) continue;
        if (f->mark[g] == f->stamp) {
            f->scratch[n_late++] = g;
            continue;
        }
        f->order[n] = g;
        f->spaces[g].at = n++;
    }
    f->order[n] = into;
    f->spaces[into].at = n++;
    for (uint32_t i = 0; i < n_late; i++, n++) {
        f->order[n] = f->scratch[i];
        f->spaces[f->scratch[i]].at = n;
    }
    for (; n <= end; n++) f->order[n] = WEFT_NO_GROUP;
}

void weft_groups_merge(struct weft_fuser *f, uint32_t into, uint32_t from) {
    struct weft_space *a = &f->spaces[into], *b = &f->spaces[from];
    reorder(f, into, from);
    for (uint32_t n = b->head; n != WEFT_NO_GROUP; n = f->next[n]) f->group[n] = into;
    f->next[a->tail] = b->head;
    a->tail = b->tail;
    a->n_nodes += b->n_nodes;
    a->n_anchors += b->n_anchors;
    a->n_reductions += b->n_reductions;
    a->n_rowmaps += b->n_rowmaps;
    a->n_moves += b->n_moves;
    a->n_sinks += b->n_sinks;
    a->has_row |= b->has_row;
    a->fixed |= b->fixed;
    a->uneven |= b->uneven;
    a->reshaped |= b->reshaped;
    if (b->budget < a->budget) a->budget = b->budget;
    b->head = b->tail = WEFT_NO_GROUP;
    b->dead = true;
}

// ---- budgets -------------------------------------------------------------------------------------------------------

/// What a group loads and stores. Weights of one shard and width share a binding; those without a place yet are taken
/// to share one.
struct need {
    weft_value seen[64], roots[64]; ///< operands; the memory that they are views of, where a binding serves all of it
    uint32_t n_seen, n_roots, operands, n_weights;
    struct {
        uint32_t shard;
        bool wide;
    } shards[16];
    uint32_t n_shards;
    bool vars;
};

static void need_shard(struct need *c, uint32_t shard, bool wide) {
    for (uint32_t i = 0; i < c->n_shards; i++)
        if (c->shards[i].shard == shard && c->shards[i].wide == wide) return;
    if (c->n_shards == sizeof c->shards / sizeof c->shards[0]) return;
    c->shards[c->n_shards].shard = shard;
    c->shards[c->n_shards++].wide = wide;
}

/// A weight that is read packed (a product's right side), or element by element.
static void need_weight(const struct weft_fuser *f, struct need *c, weft_value v, bool packed) {
    const struct weft_wlayout layout = packed ? weft_lower_layout(f->l, v) : (struct weft_wlayout){0};
    const struct weft_wlayout *y = packed ? &layout : NULL;
    const struct weft_plan *p = f->l->plan;
    const uint32_t *known = &f->weight_of[packed ? WEFT_FORM_PACKED : WEFT_FORM_ELEMENTS][weft_graph_base(f->g, v)];
    uint32_t shard = UINT32_MAX;
    if (*known && p->weights[*known - 1].n_parts) shard = p->weights[*known - 1].parts[0].shard;
    bool narrow = !y || weft_wlayout_planes(y) > 1;
    if (y) need_shard(c, shard, true);
    if (narrow) need_shard(c, shard, false);
    c->n_weights++;
    c->operands += y ? weft_wlayout_planes(y) : 1;
}

static bool inside(const struct weft_fuser *f, uint32_t node, uint32_t a, uint32_t b) {
    return f->group[node] == a || f->group[node] == b || weft_group_is_bridge(f, f->group[node]);
}

static bool is_var(const struct weft_fuser *f, weft_value v) {
    uint32_t state = f->g->values[v].state;
    return state != UINT32_MAX && f->l->plan->states[state].kind == WEFT_STATE_VAR;
}

static bool reads(const struct weft_graph *g, uint32_t n, weft_value v) {
    for (uint32_t i = 0; i < g->nodes[n].n_in; i++)
        if (g->nodes[n].in[i] == v) return true;
    return false;
}

/// True if a value of node n is a tensor that the group {a, b} loads or stores.
static bool is_operand(const struct weft_fuser *f, uint32_t n, weft_value v, bool is_input, uint32_t a, uint32_t b) {
    const struct weft_value_info *info = &f->g->values[v];
    if (is_var(f, v)) return false; // in the variables block
    if (info->kind == WEFT_VALUE_CONST && info->type.rank == 0 && info->type.dtype == WEFT_F32)
        return false; // a literal
    if (info->state != UINT32_MAX) return true;
    if (is_input) return info->kind != WEFT_VALUE_NODE || !inside(f, info->node, a, b);
    if (info->is_output) return true;
    for (uint32_t e = f->edge_start[n]; e < f->edge_start[n + 1]; e++)
        if (!inside(f, f->edges[e], a, b) && reads(f->g, f->edges[e], v)) return true; // else the edge orders writes
    return false;
}

static void need_members(const struct weft_fuser *f, struct need *c, uint32_t members, uint32_t a, uint32_t b) {
    for (uint32_t n = members; n != WEFT_NO_GROUP; n = f->next[n]) {
        const struct weft_node *node = &f->g->nodes[n];
        for (uint32_t i = 0; i < node->n_in + node->n_out && c->n_seen < 64; i++) {
            weft_value v = i < node->n_in ? node->in[i] : node->out[i - node->n_in];
            bool fresh = is_operand(f, n, v, i < node->n_in, a, b);
            c->vars |= f->g->values[v].state != UINT32_MAX; // variables themselves, and `active` for states
            uint32_t state = f->g->values[v].state;
            if (state != UINT32_MAX && weft_state_buffers(&f->l->plan->states[state]) == 1)
                v = f->g->states[state]; // all versions are one tensor
            for (uint32_t k = 0; k < c->n_seen && fresh; k++) fresh = c->seen[k] != v;
            if (!fresh) continue;
            c->seen[c->n_seen++] = v;
            weft_value root = weft_graph_base(f->g, v);
            if (f->g->values[root].state != UINT32_MAX) root = f->g->states[f->g->values[root].state];
            bool known = false;
            for (uint32_t k = 0; k < c->n_roots && !known; k++) known = c->roots[k] == root;
            if (!known) c->roots[c->n_roots++] = root;
            bool packed = i == 1 && (node->op->traits & WEFT_OP_CONTRACT) && weft_lower_packs(f->l, v);
            if (packed || weft_lower_is_leaf(f->l, v)) need_weight(f, c, v, packed);
            else c->operands++;
        }
    }
}

/// Bindings and operands of two groups seen as one (a == b: of one): an upper bound before placement merges ranges.
static uint32_t count_bindings(const struct weft_fuser *f, uint32_t a, uint32_t b, uint32_t *operands) {
    struct need c = {0};
    need_members(f, &c, f->spaces[a].head, a, b);
    if (a != b) need_members(f, &c, f->spaces[b].head, a, b);
    for (uint32_t i = 0; i < f->n_bridges; i++) need_members(f, &c, f->spaces[f->bridges[i]].head, a, b);
    uint32_t tables = f->spaces[a].n_rowmaps + (a != b ? f->spaces[b].n_rowmaps : 0);
    if (tables) need_shard(&c, UINT32_MAX, false);
    *operands = c.n_seen == 64 ? 64 : c.operands + tables + c.vars;
    return c.n_roots - c.n_weights + c.n_shards + c.vars;
}

/// True if a sink in group a and a node of group b clash. `strict`: whether reading what is written is in place or not.
static bool sinks_clash(const struct weft_fuser *f, uint32_t a, uint32_t b, uint32_t strict, struct weft_clash *why) {
    const struct weft_graph *g = f->g;
    for (uint32_t n = f->spaces[a].n_sinks ? f->spaces[a].head : WEFT_NO_GROUP; n != WEFT_NO_GROUP; n = f->next[n]) {
        if (!weft_op_sink(g->nodes[n].op)) continue;
        for (uint32_t m = f->spaces[b].head; m != WEFT_NO_GROUP; m = f->next[m]) {
            bool apart = strict == WEFT_ALL_GROUPS || strict == a || strict == b || f->role[n] == WEFT_ROLE_PROLOGUE ||
                         f->role[m] == WEFT_ROLE_PROLOGUE;
            if (weft_alias_clash(f->l, n, m, apart, why)) return true;
        }
    }
    return false;
}

bool weft_groups_clash(const struct weft_fuser *f, uint32_t a, uint32_t b, uint32_t strict, struct weft_clash *why) {
    return sinks_clash(f, a, b, strict, why) || sinks_clash(f, b, a, strict, why) ||
           sinks_clash(f, a, a, strict, why) || sinks_clash(f, b, b, strict, why);
}

static bool fits(const struct weft_fuser *f, uint32_t a, uint32_t b) {
    const struct weft_space *x = &f->spaces[a], *y = &f->spaces[b];
    uint32_t operands, bindings = count_bindings(f, a, b, &operands);
    return bindings <= x->budget && bindings <= y->budget && operands <= WEFT_MAX_OPERANDS;
}

bool weft_groups_affordable(const struct weft_fuser *f, uint32_t a, uint32_t b) {
    struct weft_clash why;
    return !weft_groups_clash(f, a, b, WEFT_ALL_GROUPS, &why) && fits(f, a, b);
}

/// True if the value can be computed at any place, not only at the one at hand: of what the two groups hold, no
/// reduction, product or state stands before it. `room` bounds the nodes that are looked at.
static bool anywhere(const struct weft_fuser *f, uint32_t a, uint32_t b, weft_value v, uint32_t *room) {
    const struct weft_value_info *info = &f->g->values[v];
    if (info->kind != WEFT_VALUE_NODE || !inside(f, info->node, a, b)) return true;
    const struct weft_node *n = &f->g->nodes[info->node];
    bool free = n->op->view || (n->op->traits & (WEFT_OP_ELEMENTWISE | WEFT_OP_MOVE | WEFT_OP_ROWMAP));
    if (!free || (*room)-- == 0) return false;
    for (uint32_t i = 0; i < n->n_in; i++)
        if (!anywhere(f, a, b, n->in[i], room)) return false;
    return true;
}

/// Moves ask for their operands at other places.
static bool moves_reach(const struct weft_fuser *f, uint32_t a, uint32_t b) {
    const uint32_t both[] = {a, b};
    uint32_t room = 64;
    for (int k = 0; k < 2; k++) {
        for (uint32_t n = f->spaces[both[k]].head; n != WEFT_NO_GROUP; n = f->next[n]) {
            const struct weft_node *node = &f->g->nodes[n];
            for (uint32_t i = 0; i < node->n_in && (node->op->traits & WEFT_OP_MOVE); i++)
                if (!anywhere(f, a, b, node->in[i], &room)) return false;
        }
    }
    return true;
}

bool weft_groups_joinable(const struct weft_fuser *f, uint32_t a, uint32_t b, struct weft_clash *why) {
    const struct weft_space *x = &f->spaces[a], *y = &f->spaces[b];
    uint32_t rowmaps = x->n_rowmaps + y->n_rowmaps;
    *why = (struct weft_clash){WEFT_NO_GROUP, WEFT_NO_GROUP, WEFT_NO_VALUE};
    const struct weft_family *family = x->kind == WEFT_GROUP_REGION ? x->family : y->family;
    if (!family->holds(&(struct weft_family_load){x->n_nodes + y->n_nodes, x->n_reductions + y->n_reductions, rowmaps}))
        return false;
    bool moves = x->n_moves + y->n_moves > 0;
    if (!fits(f, a, b) || (moves && !moves_reach(f, a, b))) return false;
    // A row map or a move looks at elements that another thread may have stored already.
    if (weft_groups_clash(f, a, b, rowmaps || moves ? WEFT_ALL_GROUPS : WEFT_NO_GROUP, why)) return false;
    why->writer = WEFT_NO_GROUP;
    return true;
}

// ---- order ---------------------------------------------------------------------------------------------------------

/// The ready groups as a heap of their first nodes: the least comes out.
static void heap_put(uint32_t *heap, uint32_t *n, uint32_t x) {
    uint32_t i = (*n)++;
    for (; i && heap[(i - 1) / 2] > x; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = x;
}

static uint32_t heap_take(uint32_t *heap, uint32_t *n) {
    uint32_t least = heap[0], x = heap[--*n], i = 0;
    for (uint32_t k = 1; k < *n; i = k, k = 2 * k + 1) {
        if (k + 1 < *n && heap[k + 1] < heap[k]) k++;
        if (heap[k] >= x) break;
        heap[i] = heap[k];
    }
    heap[i] = x;
    return least;
}

/// Kahn's algorithm over groups; among ready groups the one whose first node comes first in the graph.
weft_status weft_groups_order(struct weft_fuser *f) {
    struct weft_lower *l = f->l;
    struct weft_graph *g = f->g;
    uint32_t n = (uint32_t)g->n_nodes, n_ready = 0, n_done = 0, n_live = 0;
    uint32_t *waiting = weft_calloc(n + 1, sizeof *waiting), *ready = weft_alloc((n + 1) * sizeof *ready);
    struct weft_group *made =
        weft_arena_alloc(&l->plan->arena, (n + 1) * sizeof *made); // by group number, then by order
    l->groups = weft_arena_alloc(&l->plan->arena, (n + 1) * sizeof *l->groups);
    weft_status status =
        waiting && ready && made && l->groups ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory while fusing");
    for (uint32_t i = 0; i < n && status == WEFT_OK; i++) {
        if (g->nodes[i].dead) continue;
        n_live++;
        uint32_t k = f->group[i];
        if (made[k].n_nodes == 0) {
            made[k].nodes = weft_arena_alloc(&l->plan->arena, f->spaces[k].n_nodes * sizeof *made[k].nodes);
            made[k].roles = weft_arena_alloc(&l->plan->arena, f->spaces[k].n_nodes);
        }
        if (!made[k].nodes || !made[k].roles) {
            status = weft_fail(WEFT_ERR_NOMEM, "out of memory while fusing");
            break;
        }
        made[k].roles[made[k].n_nodes] = f->role[i];
        made[k].nodes[made[k].n_nodes++] = i;
        for (uint32_t e = f->edge_start[i]; e < f->edge_start[i + 1]; e++)
            if (f->group[f->edges[e]] != k) waiting[f->group[f->edges[e]]]++;
    }
    for (uint32_t k = 0; k < n && status == WEFT_OK; k++)
        if (made[k].n_nodes && waiting[k] == 0) heap_put(ready, &n_ready, made[k].nodes[0]);
    while (n_ready && status == WEFT_OK) {
        uint32_t k = f->group[heap_take(ready, &n_ready)], operands;
        struct weft_group *out = &l->groups[l->n_groups];
        *out = made[k];
        out->kind = f->spaces[k].kind;
        out->family = f->spaces[k].family;
        out->n_anchors = f->spaces[k].n_anchors;
        out->n_bindings = count_bindings(f, k, k, &operands);
        for (uint32_t m = 0; m < out->n_nodes; m++) {
            uint32_t i = out->nodes[m];
            l->node_group[i] = l->n_groups;
            for (uint32_t e = f->edge_start[i]; e < f->edge_start[i + 1]; e++) {
                uint32_t to = f->group[f->edges[e]];
                if (to != k && --waiting[to] == 0) heap_put(ready, &n_ready, made[to].nodes[0]);
            }
        }
        n_done += out->n_nodes;
        l->n_groups++;
    }
    if (status == WEFT_OK && n_done != n_live)
        status = weft_fail(WEFT_ERR_INTERNAL, "fusion made a cycle among the graph's nodes");
    weft_free(waiting);
    weft_free(ready);
    return status;
}
