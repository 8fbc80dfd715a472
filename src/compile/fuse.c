/// Partitions the nodes of a graph into groups, each of which becomes one dispatch or one family's few.
///
/// 1. Regions: elementwise nodes, reductions of the last axis and row maps that live in one index space grow together:
///        y = matmul ...; s = square y; m = mean s; ...; x1 = add x t      becomes   {s, m, ..., x1}
/// 2. Contractions of one left operand become one group (when few rows are computed at once).
/// 3. A region all of whose consumers-to-be allow it joins a contraction: in front of it as the prologue that makes its left operand
///    (few rows only: every workgroup computes it), or behind it as an elementwise epilogue.
/// A merge never makes a cycle among groups. Dependences are data, and for states: a writer runs after all readers of the version
/// that it replaces. Groups leave in a topological order that keeps the graph's own order where free.
#include "compile/compile.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ops/contract.h"
#include "ops/region.h"
#include <string.h>

struct fuser {
    struct weft_lower *l;
    struct weft_graph *g;
    uint32_t *group;          ///< by node
    uint32_t *mark;           ///< by group, for searches
    uint32_t stamp;
    uint32_t *stack;
    // by group
    struct space { enum weft_group_kind kind; struct weft_type type; bool has_row; uint32_t n_nodes, n_anchors, n_parts; bool dead; } *spaces;
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

static void visit_edges(struct fuser *f, void (*fn)(struct fuser *, uint32_t from, uint32_t to))
{
    struct weft_graph *g = f->g;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (g->nodes[n].dead) continue;
        for (uint32_t i = 0; i < g->nodes[n].n_in; i++) {
            const struct weft_value_info *v = &g->values[g->nodes[n].in[i]];
            if (v->kind == WEFT_VALUE_NODE) fn(f, v->node, n);
            if (v->state == UINT32_MAX) continue;
            // Readers of a version come before the node that replaces it.
            for (uint32_t w = 0; w < g->n_nodes; w++) {
                if (w == n || g->nodes[w].dead || !(g->nodes[w].op->traits & (WEFT_OP_STATE | WEFT_OP_STATES))) continue;
                for (uint32_t k = 0; k < g->nodes[w].n_out && k < g->nodes[w].n_in; k++)
                    if (g->nodes[w].in[k] == g->nodes[n].in[i] && g->values[g->nodes[w].out[k]].state == v->state) fn(f, n, w);
            }
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
    f->edge_start = weft_calloc(n + 3, sizeof *f->edge_start);
    if (!f->edge_start) return weft_fail(WEFT_ERR_NOMEM, "out of memory while fusing");
    visit_edges(f, count_edge);
    for (size_t i = 2; i < n + 3; i++) f->edge_start[i] += f->edge_start[i - 1];
    f->edges = weft_alloc((f->edge_start[n + 2] + 1) * sizeof *f->edges);
    if (!f->edges) return weft_fail(WEFT_ERR_NOMEM, "out of memory while fusing");
    visit_edges(f, put_edge);
    return WEFT_OK;
}

/// True if a path leads from group a to group b through at least one other group: merging them would make a cycle.
static bool indirect_path(struct fuser *f, uint32_t a, uint32_t b)
{
    uint32_t top = 0;
    f->stamp++;
    f->mark[a] = f->stamp;
    for (uint32_t n = 0; n < f->g->n_nodes; n++) {
        if (f->g->nodes[n].dead || f->group[n] != a) continue;
        for (uint32_t e = f->edge_start[n]; e < f->edge_start[n + 1]; e++) {
            uint32_t to = f->group[f->edges[e]];
            if (to == b || f->mark[to] == f->stamp) continue;
            f->mark[to] = f->stamp;
            f->stack[top++] = to;
        }
    }
    while (top) {
        uint32_t g = f->stack[--top];
        for (uint32_t n = 0; n < f->g->n_nodes; n++) {
            if (f->g->nodes[n].dead || f->group[n] != g) continue;
            for (uint32_t e = f->edge_start[n]; e < f->edge_start[n + 1]; e++) {
                uint32_t to = f->group[f->edges[e]];
                if (to == b) return true;
                if (f->mark[to] == f->stamp) continue;
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
    for (uint32_t n = 0; n < f->g->n_nodes; n++) {
        if (f->g->nodes[n].dead || f->group[n] != a) continue;
        for (uint32_t e = f->edge_start[n]; e < f->edge_start[n + 1]; e++)
            if (f->group[f->edges[e]] == b) return true;
    }
    return indirect_path(f, a, b);
}

static bool may_merge(struct fuser *f, uint32_t a, uint32_t b) { return !indirect_path(f, a, b) && !indirect_path(f, b, a); }

static void merge(struct fuser *f, uint32_t into, uint32_t from)
{
    for (uint32_t n = 0; n < f->g->n_nodes; n++)
        if (f->group[n] == from) f->group[n] = into;
    f->spaces[into].n_nodes += f->spaces[from].n_nodes;
    f->spaces[into].n_anchors += f->spaces[from].n_anchors;
    f->spaces[into].has_row |= f->spaces[from].has_row;
    f->spaces[from].dead = true;
}

// ---- binding budget ------------------------------------------------------------------------------------------------

/// Distinct tensors that two groups, seen as one, would bind: an upper bound before placement merges ranges.
static uint32_t count_bindings(struct fuser *f, uint32_t a, uint32_t b)
{
    struct weft_graph *g = f->g;
    weft_value seen[64];
    uint32_t n_seen = 0, weights = 0, packed = 0;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (g->nodes[n].dead || (f->group[n] != a && f->group[n] != b)) continue;
        struct weft_node *node = &g->nodes[n];
        for (uint32_t i = 0; i < node->n_in + node->n_out; i++) {
            weft_value v = i < node->n_in ? node->in[i] : node->out[i - node->n_in];
            const struct weft_value_info *info = &g->values[v];
            if (info->kind == WEFT_VALUE_WEIGHT || info->kind == WEFT_VALUE_CONST) {
                if (info->type.rank >= 2) packed = 1;
                else if (info->type.rank) weights = 1;
                continue;
            }
            bool outside = i < node->n_in ? info->kind != WEFT_VALUE_NODE || (f->group[info->node] != a && f->group[info->node] != b) : info->is_output;
            if (i >= node->n_in && !outside) // read by another group?
                for (uint32_t e = f->edge_start[n]; e < f->edge_start[n + 1] && !outside; e++)
                    outside = f->group[f->edges[e]] != a && f->group[f->edges[e]] != b;
            for (uint32_t k = 0; k < n_seen && outside; k++) outside = seen[k] != v;
            if (!outside) continue;
            if (n_seen == 64) return 64;
            seen[n_seen++] = v;
        }
    }
    return n_seen + (packed ? 2 : weights);
}

static bool affordable(struct fuser *f, uint32_t a, uint32_t b) { return count_bindings(f, a, b) + 1 <= f->l->caps->max_storage_buffers; }

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
            bool fits = f->spaces[mine].n_nodes == 1 ? fits_space(f, s, node) : same_dims(&s->type, &m->type) || row_of(f, &s->type, &m->type);
            bool widens = !fits && (row_of(f, &m->type, &s->type));
            if (!(fits || widens) || !may_merge(f, other, mine) || !affordable(f, other, mine)) continue;
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
    return weft_lower_weight(f->l, n->in[1])->n_parts == 1;
}

static void join_contractions(struct fuser *f)
{
    struct weft_graph *g = f->g;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (!is_contraction(&g->nodes[n]) || !few_rows(f, &g->nodes[n]) || g->values[g->nodes[n].in[1]].kind != WEFT_VALUE_WEIGHT) continue;
        for (uint32_t m = 0; m < n; m++) {
            if (!is_contraction(&g->nodes[m]) || g->nodes[m].in[0] != g->nodes[n].in[0] || f->group[m] == f->group[n]) continue;
            if (g->values[g->nodes[m].in[1]].kind != WEFT_VALUE_WEIGHT || !one_part(f, &g->nodes[m]) || !one_part(f, &g->nodes[n])) continue;
            if (f->spaces[f->group[m]].n_anchors >= 4 || !may_merge(f, f->group[m], f->group[n]) || !affordable(f, f->group[m], f->group[n])) continue;
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
            for (uint32_t m = 0; m < g->n_nodes; m++) {
                if (g->nodes[m].dead || f->group[m] != c || !is_contraction(&g->nodes[m])) continue;
                equal &= same_dims(&g->values[g->nodes[m].out[0]].type, &v->type) && g->values[g->nodes[m].in[1]].kind == WEFT_VALUE_WEIGHT && one_part(f, &g->nodes[m]);
            }
            if (!equal || !may_merge(f, c, mine) || !affordable(f, c, mine)) continue;
            merge(f, c, mine);
            break;
        }
    }
}

/// True if work behind the contractions of group c reads what group r makes: it could not see it within one dispatch.
static bool epilogue_reads(const struct fuser *f, uint32_t c, uint32_t r)
{
    const struct weft_graph *g = f->g;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (g->nodes[n].dead || f->group[n] != c || is_contraction(&g->nodes[n])) continue;
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
        if (!one_part(f, &g->nodes[n]) || epilogue_reads(f, c, r) || !may_merge(f, r, c) || !affordable(f, r, c)) continue;
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
            if (reaches(f, other, mine) || reaches(f, mine, other) || !affordable(f, other, mine)) continue;
            uint32_t parts = f->spaces[other].n_parts + f->spaces[mine].n_parts;
            merge(f, other, mine);
            f->spaces[other].n_parts = parts;
            joined = true;
        }
        if (!joined) recent[at++ % 4] = mine;
    }
}

// ---- order ---------------------------------------------------------------------------------------------------------

/// Kahn's algorithm over groups; among ready groups the one whose first node comes first in the graph.
static weft_status order_groups(struct fuser *f)
{
    struct weft_lower *l = f->l;
    struct weft_graph *g = f->g;
    size_t n = g->n_nodes;
    uint32_t *waiting = weft_calloc(n + 1, sizeof *waiting), *first = weft_alloc((n + 1) * sizeof *first);
    uint32_t *number = weft_alloc((n + 1) * sizeof *number);
    l->groups = weft_arena_alloc(&l->plan->arena, (n + 1) * sizeof *l->groups);
    weft_status status = waiting && first && number && l->groups ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory while fusing");
    if (status != WEFT_OK) goto done;
    memset(first, 0xff, (n + 1) * sizeof *first);
    for (uint32_t i = 0; i < n; i++) {
        if (g->nodes[i].dead) continue;
        if (first[f->group[i]] == UINT32_MAX) first[f->group[i]] = i;
        for (uint32_t e = f->edge_start[i]; e < f->edge_start[i + 1]; e++)
            if (f->group[f->edges[e]] != f->group[i]) waiting[f->group[f->edges[e]]]++;
    }
    for (;;) {
        uint32_t best = UINT32_MAX;
        for (uint32_t k = 0; k < n; k++) // group numbers are node numbers
            if (first[k] != UINT32_MAX && waiting[k] == 0 && (best == UINT32_MAX || first[k] < first[best])) best = k;
        if (best == UINT32_MAX) break;
        struct weft_group *out = &l->groups[l->n_groups];
        *out = (struct weft_group){.kind = f->spaces[best].kind, .n_anchors = f->spaces[best].n_anchors,
                                   .nodes = weft_arena_alloc(&l->plan->arena, f->spaces[best].n_nodes * sizeof *out->nodes)};
        if (!out->nodes) {
            status = weft_fail(WEFT_ERR_NOMEM, "out of memory while fusing");
            goto done;
        }
        for (uint32_t i = first[best]; i < n; i++) {
            if (g->nodes[i].dead || f->group[i] != best) continue;
            out->nodes[out->n_nodes++] = i;
            number[i] = l->n_groups;
            for (uint32_t e = f->edge_start[i]; e < f->edge_start[i + 1]; e++)
                if (f->group[f->edges[e]] != best) waiting[f->group[f->edges[e]]]--;
        }
        first[best] = UINT32_MAX;
        l->n_groups++;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (g->nodes[i].dead) continue;
        if (first[f->group[i]] != UINT32_MAX) {
            status = weft_fail(WEFT_ERR_INTERNAL, "fusion made a cycle at node '%s'", g->nodes[i].name ? g->nodes[i].name : g->nodes[i].op->name);
            goto done;
        }
        l->node_group[i] = number[i];
    }
done:
    weft_free(waiting);
    weft_free(first);
    weft_free(number);
    return status;
}

static void start_groups(struct fuser *f)
{
    for (uint32_t i = 0; i < f->g->n_nodes; i++) {
        struct weft_node *n = &f->g->nodes[i];
        f->group[i] = i;
        if (n->dead) continue;
        struct space *s = &f->spaces[i];
        s->n_nodes = 1;
        s->kind = n->op->traits & WEFT_OP_VIEW ? WEFT_GROUP_VIEW : n->op->traits & WEFT_OP_CONTRACT ? WEFT_GROUP_CONTRACT
                : regionable(f->g, n) ? WEFT_GROUP_REGION : WEFT_GROUP_NODE;
        s->n_anchors = s->kind == WEFT_GROUP_CONTRACT;
        s->has_row = (n->op->traits & (WEFT_OP_REDUCE | WEFT_OP_ROWMAP)) != 0;
        s->type = *weft_emit_node_space(f->g, n);
        s->n_parts = 1;
    }
}

weft_status weft_pass_fuse(struct weft_lower *l, int level)
{
    struct fuser f = {.l = l, .g = l->graph, .level = level};
    size_t n = l->graph->n_nodes;
    weft_status status = WEFT_OK;
    f.group = weft_alloc((n + 1) * sizeof *f.group);
    f.mark = weft_calloc(n + 1, sizeof *f.mark);
    f.stack = weft_alloc((n + 1) * sizeof *f.stack);
    f.spaces = weft_calloc(n + 1, sizeof *f.spaces);
    if (!f.group || !f.mark || !f.stack || !f.spaces) {
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
    weft_free(f.stack);
    weft_free(f.spaces);
    weft_free(f.edge_start);
    weft_free(f.edges);
    return status;
}
