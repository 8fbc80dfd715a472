/// Partitions the nodes of a graph into groups, each of which becomes one dispatch or one family's few.
///
/// 1. Regions: elementwise nodes, reductions of the last axis and row maps that live in one index space grow together:
///        y = matmul ...; s = square y; m = mean s; ...; x1 = add x t      becomes   {s, m, ..., x1}
/// 2. Contractions of one left operand become one group (when few rows are computed at once).
/// 3. A region all of whose consumers-to-be allow it joins a contraction: in front of it as the prologue that makes its left operand
///    (few rows only: every workgroup computes it), or behind it as an elementwise epilogue.
/// A merge never makes a cycle among groups. Dependences are data, and for states: a writer runs after all readers of the version
/// that it replaces. Groups leave in a topological order that keeps the graph's own order where free.
///
/// A topological order of the groups is kept up to date, so that the search for a cycle only looks at groups between the two that
/// are to merge. Graphs of thousands of nodes take milliseconds.
#include "compile/compile.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ops/contract.h"
#include "ops/region.h"
#include <string.h>

#define NONE UINT32_MAX
/// What the emitter (ops/emit.h) has room for in one index space: at most four variants of each value, two more for each rotary map.
#define MAX_WORK 120
#define MAX_REDUCTIONS 24

struct space {
    enum weft_group_kind kind;
    struct weft_type type;
    bool has_row;  ///< holds reductions or row maps
    bool fixed;    ///< its row length has a meaning for some node: the space must not widen
    bool dead;
    uint32_t n_nodes, n_anchors, n_parts, n_reductions, n_rowmaps;
    uint32_t budget; ///< most bindings that it may need
    uint32_t head, tail; ///< members, by f->next
    uint32_t at;   ///< place in f->order
};

struct fuser {
    struct weft_lower *l;
    struct weft_graph *g;
    uint32_t *group;          ///< by node
    uint32_t *next;           ///< by node: the next member of its group
    uint32_t *mark;           ///< by group, for searches
    uint32_t stamp;
    uint32_t *stack, *scratch;
    struct space *spaces;     ///< by group
    uint32_t *order;          ///< groups in a topological order, with holes (NONE) where groups were merged
    // adjacency: consumers of each node (data and state order)
    uint32_t *edge_start, *edges;
    int level;
};

static bool regionable(const struct weft_graph *g, const struct weft_node *n)
{
    if (n->op->traits & WEFT_OP_SINK) return g->values[n->in[0]].type.dtype == WEFT_F32; // a word has one owner
    return (n->op->traits & (WEFT_OP_ELEMENTWISE | WEFT_OP_REDUCE | WEFT_OP_ROWMAP)) != 0;
}

static bool same_dims(const struct weft_type *a, const struct weft_type *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) == 0;
}

/// b is a with its last axis 1.
static bool row_of(const struct fuser *f, const struct weft_type *a, const struct weft_type *b)
{
    return a->rank && a->rank == b->rank && memcmp(a->dims, b->dims, (a->rank - 1) * sizeof *a->dims) == 0 &&
           weft_lower_const(f->l, b->dims[b->rank - 1]) == 1;
}

static bool fits_space(const struct fuser *f, const struct space *s, const struct weft_node *n)
{
    const struct weft_type *t = &f->g->values[n->out[0]].type;
    if (n->op->traits & WEFT_OP_SINK) return same_dims(&s->type, weft_emit_node_space(f->g, n));
    if (n->op->traits & WEFT_OP_REDUCE) return same_dims(&s->type, &f->g->values[n->in[0]].type) && row_of(f, &s->type, t);
    return same_dims(&s->type, t) || row_of(f, &s->type, t);
}

// ---- dependences ---------------------------------------------------------------------------------------------------

static void visit_edges(struct fuser *f, const uint32_t *writer, void (*fn)(struct fuser *, uint32_t from, uint32_t to))
{
    struct weft_graph *g = f->g;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (g->nodes[n].dead) continue;
        for (uint32_t i = 0; i < g->nodes[n].n_in; i++) {
            const struct weft_value_info *v = &g->values[g->nodes[n].in[i]];
            if (v->kind == WEFT_VALUE_NODE) fn(f, v->node, n);
            // Readers of a version come before the node that replaces it.
            uint32_t w = writer[g->nodes[n].in[i]];
            if (w != NONE && w != n) fn(f, n, w);
        }
    }
}

/// writer[v]: the node that replaces version v of a state.
static void find_writers(const struct weft_graph *g, uint32_t *writer)
{
    memset(writer, 0xff, (g->n_values + 1) * sizeof *writer);
    for (uint32_t w = 0; w < g->n_nodes; w++) {
        const struct weft_node *n = &g->nodes[w];
        if (n->dead || !(n->op->traits & (WEFT_OP_STATE | WEFT_OP_STATES))) continue;
        for (uint32_t k = 0; k < n->n_out && k < n->n_in; k++) {
            uint32_t state = g->values[n->in[k]].state;
            if (state != UINT32_MAX && g->values[n->out[k]].state == state) writer[n->in[k]] = w;
        }
    }
}

static void count_edge(struct fuser *f, uint32_t from, uint32_t to)
{
    (void)to;
    f->edge_start[from + 2]++;
}

static void put_edge(struct fuser *f, uint32_t from, uint32_t to)
{
    f->edges[f->edge_start[from + 1]++] = to;
}

static weft_status build_edges(struct fuser *f)
{
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

/// Marks the groups that follow group a and stand before place `end`, a itself not among them. True if group b (NONE: none) is
/// reached from one of those, or (`direct`) from a itself.
static bool search(struct fuser *f, uint32_t a, uint32_t b, uint32_t end, bool direct)
{
    uint32_t top = 0;
    f->mark[a] = ++f->stamp;
    f->stack[top++] = a;
    while (top) {
        uint32_t g = f->stack[--top];
        for (uint32_t n = f->spaces[g].head; n != NONE; n = f->next[n]) {
            for (uint32_t e = f->edge_start[n]; e < f->edge_start[n + 1]; e++) {
                uint32_t to = f->group[f->edges[e]];
                if (to == b && (direct || g != a)) return true;
                if (to == b || f->mark[to] == f->stamp || f->spaces[to].at >= end) continue;
                f->mark[to] = f->stamp;
                f->stack[top++] = to;
            }
        }
    }
    return false;
}

/// True if group b depends on group a in any way.
static bool reaches(struct fuser *f, uint32_t a, uint32_t b)
{
    return f->spaces[a].at < f->spaces[b].at && search(f, a, b, f->spaces[b].at, true);
}

/// False if a path leads from one to the other through a third group: merging them would make a cycle.
static bool may_merge(struct fuser *f, uint32_t a, uint32_t b)
{
    if (f->spaces[a].at > f->spaces[b].at) return !search(f, b, a, f->spaces[a].at, false);
    return !search(f, a, b, f->spaces[b].at, false);
}

/// Puts the merged group behind what stood between the two and does not follow the first, and before what does.
static void reorder(struct fuser *f, uint32_t into, uint32_t from)
{
    uint32_t first = f->spaces[into].at < f->spaces[from].at ? into : from, start = f->spaces[first].at;
    uint32_t end = f->spaces[first == into ? from : into].at, n = start, n_late = 0;
    search(f, first, NONE, end, false);
    for (uint32_t i = start; i <= end; i++) {
        uint32_t g = f->order[i];
        if (g == NONE || g == into || g == from) continue;
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
    for (; n <= end; n++) f->order[n] = NONE;
}

static void merge(struct fuser *f, uint32_t into, uint32_t from)
{
    struct space *a = &f->spaces[into], *b = &f->spaces[from];
    reorder(f, into, from);
    for (uint32_t n = b->head; n != NONE; n = f->next[n]) f->group[n] = into;
    f->next[a->tail] = b->head;
    a->tail = b->tail;
    a->n_nodes += b->n_nodes;
    a->n_anchors += b->n_anchors;
    a->n_reductions += b->n_reductions;
    a->n_rowmaps += b->n_rowmaps;
    a->has_row |= b->has_row;
    a->fixed |= b->fixed;
    if (b->budget < a->budget) a->budget = b->budget;
    b->head = b->tail = NONE;
    b->dead = true;
}

// ---- budgets -------------------------------------------------------------------------------------------------------

struct need {
    weft_value seen[64];
    uint32_t n_seen, operands;
    bool narrow, packed; ///< weights read element by element; packed matrices
};

static void need_weight(struct need *c, const struct weft_value_info *info)
{
    const struct weft_wlayout *y = info->kind == WEFT_VALUE_WEIGHT && info->type.rank >= 2 ? weft_wlayout(info->type.dtype) : NULL;
    c->packed |= y != NULL;
    c->narrow |= y == NULL;
    c->operands += y ? 1 + (y->high != 0) + (y->scale != WEFT_WSCALE_NONE) + (y->scale == WEFT_WSCALE_K) : 1;
}

static bool inside(const struct fuser *f, uint32_t node, uint32_t a, uint32_t b) { return f->group[node] == a || f->group[node] == b; }

/// True if a value of node n is a tensor that the group {a, b} loads or stores.
static bool is_operand(const struct fuser *f, uint32_t n, weft_value v, bool is_input, uint32_t a, uint32_t b)
{
    const struct weft_value_info *info = &f->g->values[v];
    if (info->state != UINT32_MAX && f->l->plan->states[info->state].kind == WEFT_STATE_VAR) return false; // in the variables block
    if (info->kind == WEFT_VALUE_CONST && info->type.rank == 0 && info->type.dtype == WEFT_F32) return false; // a literal
    if (info->state != UINT32_MAX) return true;
    if (is_input) return info->kind != WEFT_VALUE_NODE || !inside(f, info->node, a, b);
    if (info->is_output) return true;
    for (uint32_t e = f->edge_start[n]; e < f->edge_start[n + 1]; e++)
        if (!inside(f, f->edges[e], a, b)) return true;
    return false;
}

static void need_members(const struct fuser *f, struct need *c, uint32_t members, uint32_t a, uint32_t b)
{
    for (uint32_t n = members; n != NONE; n = f->next[n]) {
        const struct weft_node *node = &f->g->nodes[n];
        for (uint32_t i = 0; i < node->n_in + node->n_out && c->n_seen < 64; i++) {
            weft_value v = i < node->n_in ? node->in[i] : node->out[i - node->n_in];
            bool fresh = is_operand(f, n, v, i < node->n_in, a, b);
            if (f->g->values[v].state != UINT32_MAX) v = f->g->states[f->g->values[v].state]; // all versions are one tensor
            for (uint32_t k = 0; k < c->n_seen && fresh; k++) fresh = c->seen[k] != v;
            if (!fresh) continue;
            c->seen[c->n_seen++] = v;
            const struct weft_value_info *info = &f->g->values[v];
            if (info->kind == WEFT_VALUE_WEIGHT || info->kind == WEFT_VALUE_CONST) need_weight(c, info);
            else c->operands++;
        }
    }
}

/// Bindings and operands of two groups seen as one (a == b: of one): an upper bound before placement merges ranges, as long as
/// their weights share a shard. Both include the variables block.
static uint32_t count_bindings(const struct fuser *f, uint32_t a, uint32_t b, uint32_t *operands)
{
    struct need c = {.operands = 1};
    need_members(f, &c, f->spaces[a].head, a, b);
    if (a != b) need_members(f, &c, f->spaces[b].head, a, b);
    uint32_t tables = f->spaces[a].n_rowmaps + (a != b ? f->spaces[b].n_rowmaps : 0), n_weights = 0;
    for (uint32_t k = 0; k < c.n_seen; k++) {
        enum weft_value_kind kind = f->g->values[c.seen[k]].kind;
        n_weights += kind == WEFT_VALUE_WEIGHT || kind == WEFT_VALUE_CONST;
    }
    *operands = c.n_seen == 64 ? 64 : c.operands + tables;
    return c.n_seen - n_weights + (c.packed ? 2 : c.narrow || tables) + 1;
}

static bool affordable(const struct fuser *f, uint32_t a, uint32_t b)
{
    const struct space *x = &f->spaces[a], *y = &f->spaces[b];
    uint32_t operands, bindings = count_bindings(f, a, b, &operands);
    return bindings <= x->budget && bindings <= y->budget && operands <= WEFT_MAX_OPERANDS;
}

/// The same for groups that become one row program: its text has bounded room.
static bool joinable(const struct fuser *f, uint32_t a, uint32_t b)
{
    const struct space *x = &f->spaces[a], *y = &f->spaces[b];
    uint32_t rowmaps = x->n_rowmaps + y->n_rowmaps;
    if (x->n_reductions + y->n_reductions > MAX_REDUCTIONS || rowmaps > 3) return false;
    if ((x->n_nodes + y->n_nodes + WEFT_MAX_OPERANDS / 2) << rowmaps > MAX_WORK) return false;
    return affordable(f, a, b);
}

// ---- the three steps -----------------------------------------------------------------------------------------------

static void grow_regions(struct fuser *f)
{
    struct weft_graph *g = f->g;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        struct weft_node *node = &g->nodes[n];
        if (node->dead || !regionable(g, node)) continue;
        for (uint32_t i = 0; i < node->n_in; i++) {
            const struct weft_value_info *v = &g->values[node->in[i]];
            if (v->kind != WEFT_VALUE_NODE) continue;
            uint32_t other = f->group[v->node], mine = f->group[n];
            if (other == mine || f->spaces[other].kind != WEFT_GROUP_REGION) continue;
            struct space *s = &f->spaces[other], *m = &f->spaces[mine];
            // A group of row scalars takes the wider space of the one it joins.
            bool fits = m->n_nodes == 1 ? fits_space(f, s, node) : same_dims(&s->type, &m->type) || (!m->fixed && row_of(f, &s->type, &m->type));
            bool widens = !fits && !s->fixed && row_of(f, &m->type, &s->type);
            if (!(fits || widens) || !joinable(f, other, mine) || !may_merge(f, other, mine)) continue;
            if (widens) s->type = m->type;
            merge(f, other, mine);
        }
    }
}

static bool few_rows(const struct fuser *f, const struct weft_node *n)
{
    const struct weft_type *t = &f->g->values[n->in[0]].type;
    weft_dim rows = weft_lower_product(f->l, t, 0, t->rank - 1);
    return weft_lower_max(f->l, rows) <= WEFT_FEW_ROWS;
}

static bool is_contraction(const struct weft_node *n) { return !n->dead && (n->op->traits & WEFT_OP_CONTRACT); }

static bool one_part(struct fuser *f, const struct weft_node *n)
{
    const struct weft_plan_weight *w = weft_lower_weight(f->l, n->in[1]);
    return w->n_parts == 1 && w->rows && w->k; // without elements there is nothing that could read a prologue
}

static void join_contractions(struct fuser *f)
{
    struct weft_graph *g = f->g;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (!is_contraction(&g->nodes[n]) || !few_rows(f, &g->nodes[n]) || g->values[g->nodes[n].in[1]].kind != WEFT_VALUE_WEIGHT) continue;
        const struct weft_type *x = &g->values[g->nodes[n].in[0]].type;
        if (!weft_contract_takes_prologue(f->l->caps, weft_lower_const(f->l, x->dims[x->rank - 1]))) continue; // no matvec: no joint kernel
        for (uint32_t m = 0; m < n; m++) {
            if (!is_contraction(&g->nodes[m]) || g->nodes[m].in[0] != g->nodes[n].in[0] || f->group[m] == f->group[n]) continue;
            if (g->values[g->nodes[m].in[1]].kind != WEFT_VALUE_WEIGHT || !one_part(f, &g->nodes[m]) || !one_part(f, &g->nodes[n])) continue;
            if (f->spaces[f->group[m]].n_anchors >= 4 || !affordable(f, f->group[m], f->group[n]) || !may_merge(f, f->group[m], f->group[n])) continue;
            merge(f, f->group[m], f->group[n]);
            break;
        }
    }
}

/// A purely elementwise region that reads the outputs of one contraction group and stands in their space.
static void join_epilogues(struct fuser *f)
{
    struct weft_graph *g = f->g;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        struct weft_node *node = &g->nodes[n];
        if (node->dead || !(node->op->traits & WEFT_OP_ELEMENTWISE)) continue;
        uint32_t mine = f->group[n];
        if (f->spaces[mine].kind != WEFT_GROUP_REGION || f->spaces[mine].has_row) continue;
        for (uint32_t i = 0; i < node->n_in; i++) {
            const struct weft_value_info *v = &g->values[node->in[i]];
            if (v->kind != WEFT_VALUE_NODE || !is_contraction(&g->nodes[v->node]) || !same_dims(&v->type, &f->spaces[mine].type)) continue;
            uint32_t c = f->group[v->node];
            bool equal = true; // all anchors of the group have this shape, and their weights are in one part
            for (uint32_t m = f->spaces[c].head; m != NONE; m = f->next[m]) {
                if (!is_contraction(&g->nodes[m])) continue;
                equal &= same_dims(&g->values[g->nodes[m].out[0]].type, &v->type) && g->values[g->nodes[m].in[1]].kind == WEFT_VALUE_WEIGHT && one_part(f, &g->nodes[m]);
            }
            if (!equal || !joinable(f, c, mine) || !may_merge(f, c, mine)) continue;
            merge(f, c, mine);
            break;
        }
    }
}

/// True if work behind the contractions of group c reads what group r makes: it could not see it within one dispatch.
static bool epilogue_reads(const struct fuser *f, uint32_t c, uint32_t r)
{
    const struct weft_graph *g = f->g;
    for (uint32_t n = f->spaces[c].head; n != NONE; n = f->next[n]) {
        if (is_contraction(&g->nodes[n])) continue;
        for (uint32_t i = 0; i < g->nodes[n].n_in; i++) {
            const struct weft_value_info *v = &g->values[g->nodes[n].in[i]];
            if (v->kind == WEFT_VALUE_NODE && f->group[v->node] == r) return true;
        }
    }
    return false;
}

/// The region that makes the left operand of a contraction group, where few rows are computed.
static void join_prologues(struct fuser *f)
{
    struct weft_graph *g = f->g;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (!is_contraction(&g->nodes[n]) || !few_rows(f, &g->nodes[n])) continue;
        const struct weft_value_info *x = &g->values[g->nodes[n].in[0]];
        if (x->kind != WEFT_VALUE_NODE || g->values[g->nodes[n].in[1]].kind != WEFT_VALUE_WEIGHT) continue;
        uint32_t r = f->group[x->node], c = f->group[n];
        if (r == c || f->spaces[r].kind != WEFT_GROUP_REGION || !same_dims(&f->spaces[r].type, &x->type)) continue;
        if (!weft_contract_takes_prologue(f->l->caps, weft_lower_const(f->l, x->type.dims[x->type.rank - 1]))) continue;
        if (!one_part(f, &g->nodes[n]) || epilogue_reads(f, c, r) || !joinable(f, r, c) || !may_merge(f, r, c)) continue;
        merge(f, c, r);
    }
}

/// Independent regions that are ready together become parts of one step: a decode step is many short dispatches.
static void join_parts(struct fuser *f)
{
    struct weft_graph *g = f->g;
    uint32_t recent[4] = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, at = 0;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        uint32_t mine = f->group[n];
        if (g->nodes[n].dead || f->spaces[mine].dead || f->spaces[mine].kind != WEFT_GROUP_REGION) continue;
        bool joined = false;
        for (uint32_t k = 0; k < 4 && !joined; k++) {
            uint32_t other = recent[k];
            if (other == mine) joined = true;
            if (other == UINT32_MAX || other == mine || f->spaces[other].dead) continue;
            if (f->spaces[other].n_parts + f->spaces[mine].n_parts > WEFT_REGION_PARTS) continue;
            if (!affordable(f, other, mine) || reaches(f, other, mine) || reaches(f, mine, other)) continue;
            uint32_t parts = f->spaces[other].n_parts + f->spaces[mine].n_parts;
            merge(f, other, mine);
            f->spaces[other].n_parts = parts;
            joined = true;
        }
        if (!joined) recent[at++ % 4] = mine;
    }
}

// ---- order ---------------------------------------------------------------------------------------------------------

/// The ready groups as a heap of their first nodes: the least comes out.
static void heap_put(uint32_t *heap, uint32_t *n, uint32_t x)
{
    uint32_t i = (*n)++;
    for (; i && heap[(i - 1) / 2] > x; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = x;
}

static uint32_t heap_take(uint32_t *heap, uint32_t *n)
{
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
static weft_status order_groups(struct fuser *f)
{
    struct weft_lower *l = f->l;
    struct weft_graph *g = f->g;
    uint32_t n = (uint32_t)g->n_nodes, n_ready = 0, n_done = 0, n_live = 0;
    uint32_t *waiting = weft_calloc(n + 1, sizeof *waiting), *ready = weft_alloc((n + 1) * sizeof *ready);
    struct weft_group *made = weft_arena_alloc(&l->plan->arena, (n + 1) * sizeof *made); // by group number, then by order
    l->groups = weft_arena_alloc(&l->plan->arena, (n + 1) * sizeof *l->groups);
    weft_status status = waiting && ready && made && l->groups ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory while fusing");
    for (uint32_t i = 0; i < n && status == WEFT_OK; i++) {
        if (g->nodes[i].dead) continue;
        n_live++;
        uint32_t k = f->group[i];
        if (made[k].n_nodes == 0) made[k].nodes = weft_arena_alloc(&l->plan->arena, f->spaces[k].n_nodes * sizeof *made[k].nodes);
        if (!made[k].nodes) status = weft_fail(WEFT_ERR_NOMEM, "out of memory while fusing");
        else made[k].nodes[made[k].n_nodes++] = i;
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
    if (status == WEFT_OK && n_done != n_live) status = weft_fail(WEFT_ERR_INTERNAL, "fusion made a cycle among the graph's nodes");
    weft_free(waiting);
    weft_free(ready);
    return status;
}

static void start_groups(struct fuser *f)
{
    for (uint32_t i = 0; i < f->g->n_nodes; i++) {
        struct weft_node *n = &f->g->nodes[i];
        struct space *s = &f->spaces[i];
        f->group[i] = f->order[i] = s->at = i;
        s->head = s->tail = f->next[i] = NONE;
        if (n->dead) continue;
        s->head = s->tail = i;
        s->n_nodes = s->n_parts = 1;
        s->kind = n->op->traits & WEFT_OP_VIEW ? WEFT_GROUP_VIEW : n->op->traits & WEFT_OP_CONTRACT ? WEFT_GROUP_CONTRACT
                : regionable(f->g, n) ? WEFT_GROUP_REGION : WEFT_GROUP_NODE;
        s->n_anchors = s->kind == WEFT_GROUP_CONTRACT;
        s->n_reductions = (n->op->traits & WEFT_OP_REDUCE) != 0;
        s->n_rowmaps = (n->op->traits & WEFT_OP_ROWMAP) != 0;
        s->has_row = s->n_reductions || s->n_rowmaps;
        s->fixed = s->has_row || (n->op->traits & WEFT_OP_SINK);
        s->budget = f->l->caps->max_storage_buffers;
        if (f->l->node_budget && f->l->node_budget[i] && f->l->node_budget[i] < s->budget) s->budget = f->l->node_budget[i];
        s->type = *weft_emit_node_space(f->g, n);
    }
}

weft_status weft_pass_fuse(struct weft_lower *l, int level)
{
    struct fuser f = {.l = l, .g = l->graph, .level = level};
    size_t n = l->graph->n_nodes;
    weft_status status = WEFT_OK;
    f.group = weft_alloc((n + 1) * sizeof *f.group);
    f.mark = weft_calloc(n + 1, sizeof *f.mark);
    f.next = weft_alloc((n + 1) * sizeof *f.next);
    f.stack = weft_alloc((n + 1) * sizeof *f.stack);
    f.scratch = weft_alloc((n + 1) * sizeof *f.scratch);
    f.order = weft_alloc((n + 1) * sizeof *f.order);
    f.spaces = weft_calloc(n + 1, sizeof *f.spaces);
    if (!f.group || !f.mark || !f.next || !f.stack || !f.scratch || !f.order || !f.spaces) {
        status = weft_fail(WEFT_ERR_NOMEM, "out of memory while fusing");
        goto done;
    }
    start_groups(&f);
    status = build_edges(&f);
    if (status != WEFT_OK) goto done;
    if (level >= 1) grow_regions(&f);
    if (level >= 2) {
        join_contractions(&f);
        join_epilogues(&f);
        join_prologues(&f);
        join_parts(&f);
    }
    status = l->status != WEFT_OK ? l->status : order_groups(&f);
done:
    weft_free(f.group);
    weft_free(f.mark);
    weft_free(f.next);
    weft_free(f.stack);
    weft_free(f.scratch);
    weft_free(f.order);
    weft_free(f.spaces);
    weft_free(f.edge_start);
    weft_free(f.edges);
    return status;
}
