/// Partitions the nodes of a graph into groups, each of which becomes one dispatch or one family's few.
///
/// 1. Regions: nodes that are elementwise, reduce one set of axes or map rows grow together in one index space:
///        y = matmul ...; s = square y; m = mean s; ...; x1 = add x t      becomes   {s, m, ..., x1}
/// 2. Contractions of one left operand become one group (when few rows are computed at once).
/// 3. A region all of whose consumers-to-be allow it joins a contraction: in front of it as the prologue that makes its
/// left operand (few rows only: every workgroup computes it), or behind it as an elementwise epilogue. Of moves and
/// elementwise nodes an operand of any contraction is made where it is read, if that is cheaper than storing it.
/// A merge never makes a cycle among groups. Dependences are data, and for states: a writer runs after all readers of
/// the version that it replaces. Groups leave in a topological order that keeps the graph's own order where free.
#include "compile/groups.h"
#include "compile/passes.h"
#include "core/alloc.h"
#include "core/error.h"
#include "plan/family.h"
#include <string.h>

static uint32_t last_axis(const struct weft_type *t) { return t->rank ? 1u << (t->rank - 1) : 0; }

/// b is a with 1 along the axes of the mask.
static bool row_of(const struct weft_fuser *f, const struct weft_type *a, const struct weft_type *b, uint32_t mask) {
    if (a->rank != b->rank || mask == 0) return false;
    for (uint32_t i = 0; i < a->rank; i++)
        if (mask >> i & 1 ? weft_lower_const(f->l, b->dims[i]) != 1 : b->dims[i] != a->dims[i]) return false;
    return true;
}

/// The axes that may be 1 in a value of either of two spaces as one: those that one of them reduces, the last where
/// none does. False: they reduce different ones.
static bool common_mask(const struct weft_space *a, const struct weft_space *b, uint32_t *mask) {
    *mask = a->mask ? a->mask : b->mask ? b->mask : last_axis(&a->type);
    return !a->mask || !b->mask || a->mask == b->mask;
}

/// The index space that a node computes in.
static const struct weft_type *space_of(const struct weft_graph *g, const struct weft_node *n,
                                        const struct weft_family *family) {
    return family && family->space ? family->space(g, n) : &g->values[n->out[0]].type;
}

static bool fits_space(const struct weft_fuser *f, const struct weft_space *s, const struct weft_node *n,
                       uint32_t mask) {
    const struct weft_type *t = &f->g->values[n->out[0]].type;
    if (weft_op_sink(n->op)) return weft_type_same_dims(&s->type, space_of(f->g, n, s->family));
    if (n->op->reduce)
        return weft_type_same_dims(&s->type, &f->g->values[n->in[0]].type) && row_of(f, &s->type, t, mask);
    return weft_type_same_dims(&s->type, t) || row_of(f, &s->type, t, mask);
}

/// Remembers why a write of a range does not end the kernel that makes its value.
static void stands_alone(struct weft_fuser *f, uint32_t n, const struct weft_clash *why) {
    if (!weft_op_range(f->g->nodes[n].op) || why->writer == WEFT_NO_GROUP) return;
    f->l->copy_why[n] = weft_alias_reason(f->l, why);
}

/// The write would have to stand before a reader of the old version that waits for the value itself.
static void waits_for_reader(struct weft_fuser *f, uint32_t n) {
    const struct weft_graph *g = f->g;
    if (!weft_op_range(g->nodes[n].op)) return;
    for (uint32_t m = 0; m < n; m++) {
        if (g->nodes[m].dead || g->nodes[m].op->view) continue;
        for (uint32_t i = 0; i < g->nodes[m].n_in; i++)
            if (weft_graph_base(g, g->nodes[m].in[i]) == g->nodes[n].in[0] && f->group[m] != f->group[n])
                stands_alone(f, n, &(struct weft_clash){n, m, g->nodes[m].in[i]});
    }
}

// ---- the three steps -----------------------------------------------------------------------------------------------

enum { MOST_AGAIN = 16 }; ///< nodes that are computed at each place where a move asks for them

/// True if group `part`, `other` or a view of its values, is read by `other`, by such views and by moves and products
/// of `mine` alone: what is asked for at the point as well may be broadcast there.
static bool read_by_moves(const struct weft_fuser *f, uint32_t part, uint32_t other, uint32_t mine) {
    const struct weft_graph *g = f->g;
    for (uint32_t n = f->spaces[part].head; n != WEFT_NO_GROUP; n = f->next[n]) {
        for (uint32_t k = 0; k < g->nodes[n].n_out; k++)
            if (g->values[g->nodes[n].out[k]].is_output) return false;
        for (uint32_t e = f->edge_start[n]; e < f->edge_start[n + 1]; e++) {
            uint32_t to = f->group[f->edges[e]];
            bool moves = to == mine && (g->nodes[f->edges[e]].op->traits & (WEFT_OP_MOVE | WEFT_OP_CONTRACT));
            if (to != other && !moves && !weft_group_is_bridge(f, to)) return false;
        }
    }
    return true;
}

/// True if all of group `other` may be computed where the move in group `mine` asks for it, and nobody else reads it.
static bool only_moved(const struct weft_fuser *f, uint32_t other, uint32_t mine) {
    const struct weft_space *s = &f->spaces[other];
    if (s->n_nodes > MOST_AGAIN || s->n_reductions || s->n_sinks) return false;
    for (uint32_t i = 0; i < f->n_bridges; i++)
        if (!read_by_moves(f, f->bridges[i], other, mine)) return false;
    return read_by_moves(f, other, other, mine);
}

/// What a move alone reads is computed by its kernel.
static void take_in_front(struct weft_fuser *f, uint32_t n, uint32_t other) {
    struct weft_clash why;
    uint32_t mine = f->group[n];
    bool move = (f->g->nodes[n].op->traits & WEFT_OP_MOVE) != 0;
    if (!move || f->spaces[mine].n_nodes > MOST_AGAIN) return;
    bool joins = weft_groups_bridge(f, other, mine) && only_moved(f, other, mine) &&
                 weft_groups_joinable(f, mine, other, &why) && weft_groups_may_merge(f, other, mine);
    weft_groups_unbridge(f, other, joins);
    if (joins) weft_groups_merge(f, mine, other);
}

// ---- other shapes --------------------------------------------------------------------------------------------------

static weft_dim elements(const struct weft_fuser *f, const struct weft_type *t) {
    return weft_lower_product(f->l, t, 0, t->rank);
}

/// True if each node of the group computes `n` elements, one for one of its operands'.
static bool all_have(const struct weft_fuser *f, uint32_t group, weft_dim n) {
    for (uint32_t m = f->spaces[group].head; m != WEFT_NO_GROUP; m = f->next[m]) {
        const struct weft_node *node = &f->g->nodes[m];
        bool each = (node->op->traits & WEFT_OP_ELEMENTWISE) || node->op->view || weft_op_sink(node->op);
        if (!each || elements(f, space_of(f->g, node, f->spaces[group].family)) != n) return false;
    }
    return true;
}

/// True if whatever of group a the nodes of group b read, through views or not, has `n` elements, or is one element a
/// row of the space that the two have in common.
static bool reads_all(const struct weft_fuser *f, uint32_t a, uint32_t b, weft_dim n) {
    const struct weft_space *s = &f->spaces[a];
    bool common = s->n_reductions && weft_type_same_dims(&s->type, &f->spaces[b].type);
    for (uint32_t m = f->spaces[b].head; m != WEFT_NO_GROUP; m = f->next[m]) {
        for (uint32_t i = 0; i < f->g->nodes[m].n_in; i++) {
            weft_value v = f->g->nodes[m].in[i];
            const struct weft_value_info *x = &f->g->values[v];
            while (x->kind == WEFT_VALUE_NODE && weft_group_is_view(f, x->node))
                x = &f->g->values[f->g->nodes[x->node].in[0]];
            if (x->kind != WEFT_VALUE_NODE || f->group[x->node] != a) continue;
            if (f->g->nodes[m].op->traits & WEFT_OP_MOVE) return false;
            if (elements(f, &x->type) != n && !(common && row_of(f, &s->type, &f->g->values[v].type, s->mask)))
                return false;
        }
    }
    return true;
}

/// Number of rows of a group that reduces; WEFT_DIM_NONE: it has none.
static weft_dim rows_of(const struct weft_fuser *f, const struct weft_space *s) {
    weft_dim rows = weft_dim_const(f->g->dims, 1);
    if (!s->n_reductions) return WEFT_DIM_NONE;
    for (uint32_t a = 0; a < s->type.rank; a++)
        if (!(s->mask >> a & 1)) rows = weft_dim_mul(f->g->dims, rows, s->type.dims[a]);
    return rows;
}

/// True if the groups may become one though their shapes differ: an element of the one is that of the same number of
/// the other, or a row of it. *space is the one whose space stays.
static bool same_numbers(struct weft_fuser *f, uint32_t other, uint32_t mine, uint32_t *space) {
    const struct weft_space *s = &f->spaces[other], *m = &f->spaces[mine];
    weft_dim n = elements(f, &s->type), rows = rows_of(f, s);
    *space = other;
    if (n == elements(f, &m->type)) {
        bool theirs = s->has_row || s->uneven, ours = m->has_row || m->uneven;
        if (!reads_all(f, other, mine, n) || (!s->has_row && s->uneven) || (!m->has_row && m->uneven)) return false;
        if (!theirs && ours) *space = mine;
        return all_have(f, *space == other ? mine : other, n);
    }
    return rows != WEFT_DIM_BAD && rows == elements(f, &m->type) && all_have(f, mine, rows) &&
           reads_all(f, other, mine, rows) && !m->n_sinks;
}

/// Joins the group of a value that node n reads, perhaps through views, where both count alike.
static bool join_reshaped(struct weft_fuser *f, uint32_t n, uint32_t other) {
    struct weft_clash why;
    uint32_t mine = f->group[n], space;
    bool joins = weft_groups_bridge(f, other, mine) && same_numbers(f, other, mine, &space) &&
                 weft_groups_joinable(f, other, mine, &why) && weft_groups_may_merge(f, other, mine);
    if (!joins) {
        weft_groups_unbridge(f, other, false);
        return false;
    }
    const struct weft_type type = f->spaces[space].type;
    const uint32_t mask = f->spaces[space].mask;
    weft_groups_unbridge(f, other, true);
    weft_groups_merge(f, other, mine);
    f->spaces[other].type = type;
    f->spaces[other].mask = mask;
    f->spaces[other].fixed = f->spaces[other].reshaped = true;
    return true;
}

/// `reshaped`: groups of other shapes join too, which is tried when all of one shape have.
static void grow_regions(struct weft_fuser *f, bool reshaped) {
    struct weft_graph *g = f->g;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        struct weft_node *node = &g->nodes[n];
        if (node->dead || f->spaces[n].kind != WEFT_GROUP_REGION) continue;
        for (uint32_t i = 0; i < node->n_in; i++) {
            const struct weft_value_info *v = &g->values[node->in[i]];
            bool seen = false; // through a view
            for (; reshaped && v->kind == WEFT_VALUE_NODE && weft_group_is_view(f, v->node); seen = true)
                v = &g->values[g->nodes[v->node].in[0]];
            if (v->kind != WEFT_VALUE_NODE) continue;
            uint32_t other = f->group[v->node], mine = f->group[n];
            if (other == mine || f->spaces[other].kind != WEFT_GROUP_REGION) continue;
            struct weft_space *s = &f->spaces[other], *m = &f->spaces[mine];
            if (seen) {
                if (!join_reshaped(f, n, other)) take_in_front(f, n, other);
                continue;
            }
            // A group of row scalars takes the wider space of the one it joins.
            uint32_t mask;
            bool agree = common_mask(s, m, &mask);
            bool fits = m->n_nodes == 1 ? fits_space(f, s, node, mask)
                                        : weft_type_same_dims(&s->type, &m->type) ||
                                              (!m->fixed && row_of(f, &s->type, &m->type, mask));
            bool widens = !fits && !s->fixed && row_of(f, &m->type, &s->type, mask);
            struct weft_clash why;
            bool uneven = !weft_type_same_dims(&s->type, &m->type);
            if (!s->has_row && !m->has_row && (s->reshaped || m->reshaped) && (uneven || s->uneven || m->uneven))
                fits = widens = false; // numbers of elements mean something to a program of one shape, or by rows
            if (!agree || !(fits || widens)) {
                if (!reshaped || !join_reshaped(f, n, other)) take_in_front(f, n, other);
                continue;
            }
            if (!weft_groups_joinable(f, other, mine, &why)) {
                if (i) stands_alone(f, n, &why);
                continue;
            }
            if (!weft_groups_may_merge(f, other, mine)) {
                if (i) waits_for_reader(f, n);
                continue;
            }
            s->mask |= weft_type_same_dims(&s->type, &m->type) ? m->mask : mask;
            if (widens) s->type = m->type;
            s->uneven |= uneven;
            weft_groups_merge(f, other, mine);
        }
    }
}

static bool is_contraction(const struct weft_node *n) { return !n->dead && (n->op->traits & WEFT_OP_CONTRACT); }

static void join_contractions(struct weft_fuser *f) {
    struct weft_graph *g = f->g;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (!is_contraction(&g->nodes[n])) continue;
        const struct weft_family *family = f->spaces[n].family;
        if (!family->joins(f->l, &g->nodes[n], &g->nodes[n])) continue; // no joint kernel
        for (uint32_t m = 0; m < n; m++) {
            if (!is_contraction(&g->nodes[m]) || g->nodes[m].in[0] != g->nodes[n].in[0] || f->group[m] == f->group[n])
                continue;
            if (f->spaces[m].family != family || !family->joins(f->l, &g->nodes[n], &g->nodes[m])) continue;
            if (f->spaces[f->group[m]].n_anchors >= family->most_anchors ||
                !weft_groups_affordable(f, f->group[m], f->group[n]) ||
                !weft_groups_may_merge(f, f->group[m], f->group[n]))
                continue;
            weft_groups_merge(f, f->group[m], f->group[n]);
            break;
        }
    }
}

static void set_role(struct weft_fuser *f, uint32_t group, enum weft_role role) {
    for (uint32_t m = f->spaces[group].head; m != WEFT_NO_GROUP; m = f->next[m]) f->role[m] = (uint8_t)role;
}

/// True if a region stands in the space of a product of group c, of type t, or (`seen`: through views) in another shape
/// of as many elements.
static bool behind(const struct weft_fuser *f, uint32_t c, const struct weft_type *t, uint32_t mine, bool seen) {
    const struct weft_type *space = &f->spaces[mine].type;
    weft_dim n = elements(f, t);
    if (!seen) return weft_type_same_dims(t, space);
    return n == elements(f, space) && all_have(f, mine, n) && reads_all(f, c, mine, n);
}

/// A purely elementwise region, or a write of a range, that reads the outputs of one contraction group and stands in
/// their space.
static void join_epilogues(struct weft_fuser *f) {
    struct weft_graph *g = f->g;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        struct weft_node *node = &g->nodes[n];
        if (node->dead || !((node->op->traits & WEFT_OP_ELEMENTWISE) || weft_op_range(node->op))) continue;
        uint32_t mine = f->group[n];
        if (f->spaces[mine].kind != WEFT_GROUP_REGION || f->spaces[mine].has_row) continue;
        for (uint32_t i = weft_op_range(node->op) ? 1 : 0; i < node->n_in; i++) {
            const struct weft_value_info *v = &g->values[node->in[i]];
            bool seen = false; // through a view
            for (; v->kind == WEFT_VALUE_NODE && weft_group_is_view(f, v->node); seen = true)
                v = &g->values[g->nodes[v->node].in[0]];
            if (v->kind != WEFT_VALUE_NODE || !is_contraction(&g->nodes[v->node])) continue;
            uint32_t c = f->group[v->node];
            if (!behind(f, c, &v->type, mine, seen)) continue;
            bool equal = true; // all anchors of the group have this shape
            for (uint32_t m = f->spaces[c].head; m != WEFT_NO_GROUP; m = f->next[m]) {
                if (is_contraction(&g->nodes[m]))
                    equal &= weft_type_same_dims(&g->values[g->nodes[m].out[0]].type, &v->type);
            }
            struct weft_clash why;
            if (!equal) continue;
            bool bridged = weft_groups_bridge(f, c, mine), joinable = weft_groups_joinable(f, c, mine, &why);
            if (bridged && joinable && weft_groups_may_merge(f, c, mine)) {
                set_role(f, mine, WEFT_ROLE_EPILOGUE);
                for (uint32_t k = 0; k < f->n_bridges; k++) set_role(f, f->bridges[k], WEFT_ROLE_EPILOGUE);
                weft_groups_unbridge(f, c, true);
                weft_groups_merge(f, c, mine);
                break;
            }
            weft_groups_unbridge(f, c, false);
            if (!joinable && i) stands_alone(f, n, &why);
        }
    }
}

/// True if work behind the contractions of group c reads what group r makes: it could not see it within one dispatch.
static bool epilogue_reads(const struct weft_fuser *f, uint32_t c, uint32_t r) {
    const struct weft_graph *g = f->g;
    for (uint32_t n = f->spaces[c].head; n != WEFT_NO_GROUP; n = f->next[n]) {
        if (is_contraction(&g->nodes[n])) continue;
        for (uint32_t i = 0; i < g->nodes[n].n_in; i++) {
            const struct weft_value_info *v = &g->values[g->nodes[n].in[i]];
            if (v->kind == WEFT_VALUE_NODE && f->group[v->node] == r) return true;
        }
    }
    return false;
}

/// The region that makes the left operand of a contraction group, where few rows are computed.
static void join_prologues(struct weft_fuser *f) {
    struct weft_graph *g = f->g;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (!is_contraction(&g->nodes[n])) continue;
        const struct weft_family *family = f->spaces[n].family;
        const struct weft_value_info *x = &g->values[g->nodes[n].in[0]];
        if (x->kind != WEFT_VALUE_NODE || !family->takes_prologue(f->l, &g->nodes[n])) continue;
        uint32_t r = f->group[x->node], c = f->group[n];
        if (r == c || f->spaces[r].kind != WEFT_GROUP_REGION || !weft_type_same_dims(&f->spaces[r].type, &x->type))
            continue;
        uint32_t mask = f->spaces[r].mask;
        if (mask && mask != last_axis(&x->type)) continue; // its rows are not those of the product
        struct weft_clash why;
        if (epilogue_reads(f, c, r) || !weft_groups_joinable(f, r, c, &why) || weft_groups_clash(f, r, c, r, &why) ||
            !weft_groups_may_merge(f, r, c))
            continue;
        set_role(f, r, WEFT_ROLE_PROLOGUE);
        weft_groups_merge(f, c, r);
    }
}

/// A region that makes an operand of a contraction and that nobody else reads, where the family would rather compute
/// its elements than have them stored.
static void join_sides(struct weft_fuser *f) {
    struct weft_graph *g = f->g;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        if (!is_contraction(&g->nodes[n])) continue;
        const struct weft_family *family = f->spaces[n].family;
        for (uint32_t i = 0; i < g->nodes[n].n_in; i++) {
            const struct weft_value_info *x = &g->values[g->nodes[n].in[i]];
            if (x->kind != WEFT_VALUE_NODE) continue;
            uint32_t r = f->group[x->node], c = f->group[n];
            if (r == c || f->spaces[r].kind != WEFT_GROUP_REGION || !only_moved(f, r, c)) continue;
            const struct weft_family_load load = {f->spaces[r].n_nodes, 0, f->spaces[r].n_rowmaps};
            struct weft_clash why;
            if (!family->takes_side(f->l, &g->nodes[n], i, &load) || !weft_groups_joinable(f, r, c, &why) ||
                weft_groups_clash(f, r, c, r, &why) || !weft_groups_may_merge(f, r, c))
                continue;
            set_role(f, r, WEFT_ROLE_PROLOGUE);
            weft_groups_merge(f, c, r);
        }
    }
}

/// A write of a range that stands alone: a move of its own does it, which also owns the words of 16-bit elements.
static bool is_move(const struct weft_fuser *f, uint32_t group) {
    const struct weft_space *s = &f->spaces[group];
    return s->n_nodes == 1 && weft_op_range(f->g->nodes[s->head].op);
}

/// Independent regions that are ready together become parts of one step: a decode step is many short dispatches.
static void join_parts(struct weft_fuser *f) {
    struct weft_graph *g = f->g;
    uint32_t recent[4] = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, at = 0;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        uint32_t mine = f->group[n];
        if (g->nodes[n].dead || f->spaces[mine].dead || f->spaces[mine].kind != WEFT_GROUP_REGION || is_move(f, mine))
            continue;
        bool joined = false;
        for (uint32_t k = 0; k < 4 && !joined; k++) {
            uint32_t other = recent[k];
            if (other == mine) joined = true;
            if (other == UINT32_MAX || other == mine || f->spaces[other].dead) continue;
            if (f->spaces[other].n_parts + f->spaces[mine].n_parts > f->spaces[mine].family->most_parts) continue;
            if (!weft_groups_affordable(f, other, mine) || weft_groups_reach(f, other, mine) ||
                weft_groups_reach(f, mine, other))
                continue;
            uint32_t parts = f->spaces[other].n_parts + f->spaces[mine].n_parts;
            weft_groups_merge(f, other, mine);
            f->spaces[other].n_parts = parts;
            joined = true;
        }
        if (!joined) recent[at++ % 4] = mine;
    }
}

static const struct weft_family *family_of(const struct weft_fuser *f, const struct weft_node *n) {
    const struct weft_family *const *family = f->g->ops->families->families;
    bool rests = n->op->rests && n->op->rests(f->l, n);
    while (family[1] && (rests || !(*family)->takes(f->g, n))) family++; // the last takes all
    return *family;
}

static void start_groups(struct weft_fuser *f) {
    for (uint32_t i = 0; i < f->g->n_nodes; i++) {
        struct weft_node *n = &f->g->nodes[i];
        struct weft_space *s = &f->spaces[i];
        f->group[i] = f->order[i] = s->at = i;
        s->head = s->tail = f->next[i] = WEFT_NO_GROUP;
        if (n->dead) continue;
        s->head = s->tail = i;
        s->n_nodes = s->n_parts = 1;
        s->family = n->op->view || n->op->repack ? NULL : family_of(f, n);
        s->kind = s->family ? s->family->kind : WEFT_GROUP_VIEW;
        s->n_anchors = s->kind == WEFT_GROUP_CONTRACT;
        s->n_reductions = n->op->reduce != WEFT_REDUCE_NONE;
        s->n_rowmaps = (n->op->traits & WEFT_OP_ROWMAP) != 0;
        s->n_moves = (n->op->traits & WEFT_OP_MOVE) != 0;
        s->n_sinks = s->kind == WEFT_GROUP_REGION && weft_op_sink(n->op);
        s->has_row = s->n_reductions || s->n_rowmaps;
        s->uneven = s->n_reductions != 0;
        s->fixed = s->has_row || weft_op_sink(n->op);
        s->budget = f->l->caps->max_storage_buffers;
        if (f->l->node_budget && f->l->node_budget[i] && f->l->node_budget[i] < s->budget)
            s->budget = f->l->node_budget[i];
        s->type = *space_of(f->g, n, s->family);
        s->mask = n->op->reduce ? weft_node_reduced(f->g, n) : s->n_rowmaps ? last_axis(&s->type) : 0;
    }
}

weft_status weft_pass_fuse(struct weft_lower *l, int level) {
    struct weft_fuser f = {.l = l, .g = l->graph, .level = level};
    size_t n = l->graph->n_nodes;
    weft_status status = WEFT_OK;
    f.group = weft_alloc((n + 1) * sizeof *f.group);
    f.mark = weft_calloc(n + 1, sizeof *f.mark);
    f.next = weft_alloc((n + 1) * sizeof *f.next);
    f.role = weft_calloc(n + 1, sizeof *f.role);
    for (int k = 0; k < 2; k++) f.weight_of[k] = weft_calloc(l->graph->n_values + 1, sizeof *f.weight_of[k]);
    f.stack = weft_alloc((n + 1) * sizeof *f.stack);
    f.scratch = weft_alloc((n + 1) * sizeof *f.scratch);
    f.order = weft_alloc((n + 1) * sizeof *f.order);
    f.spaces = weft_calloc(n + 1, sizeof *f.spaces);
    if (!f.group || !f.mark || !f.next || !f.role || !f.weight_of[0] || !f.weight_of[1] || !f.stack || !f.scratch ||
        !f.order || !f.spaces) {
        status = weft_fail(WEFT_ERR_NOMEM, "out of memory while fusing");
        goto done;
    }
    for (uint32_t i = 0; i < l->plan->n_weights; i++) {
        const struct weft_plan_weight *w = &l->plan->weights[i];
        if (w->form == WEFT_FORM_PACKED || w->form == WEFT_FORM_ELEMENTS) f.weight_of[w->form][w->value] = i + 1;
    }
    start_groups(&f);
    status = weft_groups_edges(&f);
    if (status != WEFT_OK) goto done;
    if (level >= 1) grow_regions(&f, false);
    if (level >= 1) grow_regions(&f, true);
    if (level >= 2) {
        join_contractions(&f);
        join_epilogues(&f);
        join_prologues(&f);
        join_sides(&f);
        join_parts(&f);
    }
    status = l->status != WEFT_OK ? l->status : weft_groups_order(&f);
done:
    weft_free(f.group);
    weft_free(f.mark);
    weft_free(f.next);
    weft_free(f.role);
    for (int k = 0; k < 2; k++) weft_free(f.weight_of[k]);
    weft_free(f.stack);
    weft_free(f.scratch);
    weft_free(f.order);
    weft_free(f.spaces);
    weft_free(f.edge_start);
    weft_free(f.edges);
    return status;
}
