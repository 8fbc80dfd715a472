/// Lowering of contractions. The kernels:
///
/// few      few rows (a decode step) by packed weights: a workgroup stages the rows of x in workgroup memory, by way of
///          the prologue's scalar program if there is one, and computes a run of outputs; TPR lanes share an output,
///          each lane group has R of them. Contractions of one x stand side by side as segments of the grid; those that
///          an epilogue combines (gate and up) are computed by one lane.
/// rows     some rows (several sequences) by packed weights: a thread holds a block of the weight, which meets the rows
///          of a tile; k falls into slices within a workgroup and, where outputs are few, into pieces among workgroups.
/// tiled    many rows: tiles of BM x BN outputs, blocks of 32 along k staged and decoded once a tile.
/// general  batches, transposed sides and vectors: the same tiles, both sides made by scalar programs.
/// direct   few rows by a right side that is no packed weight: lanes read both sides where they lie, along k or n, as
///          the right side does.
/// experts  rows that choose their matrix (experts.c): few rows as above, many in tiles of rows of one matrix.
///
/// A weight cut into parts by the binding limit gives one step a part. The order of a sum depends on template values
/// alone.
#include "kernels/gemm/impl.h"
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/map/region.h"
#include "plan/expand.h"
#include "plan/order.h"
#include "plan/update.h"
#include <stdio.h>
#include <string.h>

bool weft_gemm_takes_prologue(const struct weft_lower *l, int64_t k) {
    // Rows that regions reduce otherwise than a workgroup of this family would are theirs.
    if (l->profile->invariant &&
        (k <= WEFT_ORDER_SHORT || weft_order_chunk(l->profile, (uint64_t)k, weft_order_threads(l->profile))))
        return false;
    return k > 0 && k % 4 == 0 && weft_gemm_row_fits(l->profile, (uint64_t)k);
}

bool weft_gemm_packed(struct weft_lower *l, const struct weft_node *n) {
    struct weft_gemm g;
    if (!n->op->gemm || !weft_lower_packs(l, n->in[1])) return false;
    n->op->gemm(l, n, &g);
    return g.rows;
}

bool weft_gemm_few(const struct weft_lower *l, weft_dim rows) {
    return (uint64_t)weft_lower_max(l, rows) <= weft_gemm_few_rows(l->profile);
}

bool weft_gemm_stages(struct weft_lower *l, weft_value v) {
    const struct weft_graph *g = l->graph;
    uint32_t readers = 0;
    if (g->values[v].is_output) return false;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        const struct weft_node *node = &g->nodes[n];
        for (uint32_t i = 0; !node->dead && i < node->n_in; i++) {
            if (node->in[i] != v) continue;
            readers++;
            if (node->op->view == WEFT_VIEW_SAME) {
                if (!weft_gemm_stages(l, node->out[0])) return false;
                continue;
            }
            const struct weft_type *t = &g->values[v].type;
            weft_dim rows = weft_lower_product(l, t, 0, t->rank - 1);
            if (!(node->op->traits & WEFT_OP_CONTRACT) || i != 0 || !weft_gemm_packed(l, node) ||
                !weft_gemm_few(l, rows) || !weft_gemm_takes_prologue(l, weft_lower_const(l, t->dims[t->rank - 1])))
                return false;
        }
    }
    return readers > 0;
}

bool weft_gemm_one_part(struct weft_lower *l, const struct weft_node *n) {
    const struct weft_plan_weight *w = weft_lower_weight(l, n->in[1]);
    return w->n_parts == 1 && w->rows && w->k;
}

// ---- the group ---

static bool split_group(struct weft_lower *l, const struct weft_group *g, struct weft_gemm_group *p) {
    memset(p, 0, sizeof *p);
    p->prologue = weft_arena_alloc(&l->plan->arena, (g->n_nodes + 1) * sizeof *p->prologue);
    p->epilogue = weft_arena_alloc(&l->plan->arena, (g->n_nodes + 1) * sizeof *p->epilogue);
    if (!p->prologue || !p->epilogue) return false;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        uint32_t n = g->nodes[i];
        if (l->graph->nodes[n].op->traits & WEFT_OP_CONTRACT) {
            if (p->n_anchors == WEFT_GEMM_ANCHORS) return false;
            p->anchors[p->n_anchors++] = n;
        } else if (g->roles[i] == WEFT_ROLE_EPILOGUE) { // by the fuser: not all of it need depend on the contraction
            p->epilogue[p->n_epilogue++] = n;
        } else {
            p->prologue[p->n_prologue++] = n;
        }
    }
    return p->n_anchors > 0;
}

// ---- lowering ---

/// What the group computes at most, of part `part` of its weights.
static struct weft_gemm_extents extents_of(struct weft_lower *l, const struct weft_gemm_group *p,
                                           const struct weft_plan_weight *w, uint32_t part) {
    const struct weft_node *n = weft_gemm_node(l, p->anchors[0]);
    const struct weft_type *xt = &weft_lv(l, n->in[0])->type, *yt = &weft_lv(l, n->out[0])->type;
    struct weft_gemm_extents x = {.batch = 1,
                                  .m = (uint64_t)weft_lower_max(l, weft_lower_product(l, xt, 0, xt->rank - 1)),
                                  .k = (uint64_t)weft_lower_max(l, xt->dims[xt->rank - 1]),
                                  .prologue = p->n_prologue > 0 || weft_lower_deferred(l, n->in[0]) != NULL,
                                  .n_anchors = p->n_anchors,
                                  .weight_bytes = 4};
    if (!w) {
        x.n = (uint64_t)weft_lower_max(l, yt->dims[yt->rank - 1]);
        return x;
    }
    x.packed = true;
    for (uint32_t i = 0; i < p->n_anchors; i++) {
        const struct weft_plan_weight *other = weft_lower_weight(l, weft_gemm_node(l, p->anchors[i])->in[1]);
        if (part >= other->n_parts) continue;
        x.all_n += other->parts[part].rows;
        if (other->parts[part].rows > x.n) x.n = other->parts[part].rows;
    }
    if (w->n_parts && w->rows && x.k)
        x.weight_bytes = (double)weft_weight_bytes(l->plan, w, part) / (double)w->parts[part].rows / (double)x.k;
    return x;
}

static uint64_t elements_of(const struct weft_lower *l, weft_value v) {
    const struct weft_type *t = &weft_lv(l, v)->type;
    uint64_t n = 1;
    for (uint32_t a = 0; a < t->rank; a++) n *= (uint64_t)weft_lower_max(l, t->dims[a]);
    return n;
}

/// True if the left side or the result is larger than a binding: then rows are to be cut, which tiles can.
static bool cut_by_rows(const struct weft_lower *l, const struct weft_node *n) {
    const weft_value values[] = {n->in[0], n->out[0]};
    for (int i = 0; i < 2; i++)
        if (elements_of(l, values[i]) * weft_accessor_width(weft_lv(l, values[i])->type.dtype) > l->caps->max_binding)
            return true;
    return false;
}

bool weft_gemm_slices(struct weft_lower *l, const struct weft_node *n) {
    if (!l->profile->slices || !weft_gemm_packed(l, n) || !weft_gemm_one_part(l, n)) return false;
    const struct weft_type *t = &weft_lv(l, n->in[0])->type;
    uint64_t rows = (uint64_t)weft_lower_max(l, weft_lower_product(l, t, 0, t->rank - 1));
    return rows > weft_gemm_few_rows(l->profile) && rows <= WEFT_GEMM_MOST_ROWS && !cut_by_rows(l, n);
}

/// Multiplications that computing a node's element at a place of its own stands for: indices, most of all.
#define WORK_OF_NODE 4

bool weft_gemm_takes_side(struct weft_lower *l, const struct weft_node *n, uint32_t operand, uint32_t work) {
    const struct weft_profile *p = l->profile;
    struct weft_gemm g;
    n->op->gemm(l, n, &g);
    if (g.by_expert) return false;
    weft_value v = n->in[operand];
    double elements = (double)elements_of(l, v), evaluations;
    if (g.rows && weft_lower_packs(l, n->in[1])) { // of a packed weight, tiles alone compute the left side
        struct weft_gemm_extents x = {.batch = 1, .n = elements_of(l, n->in[1]), .packed = true, .n_anchors = 1};
        x.k = (uint64_t)weft_lower_max(l, g.k);
        if (x.k == 0) return false;
        x.n /= x.k;
        x.m = (uint64_t)elements / x.k;
        if (x.m <= WEFT_GEMM_MOST_FEW || weft_gemm_takes_rows(p, &x)) return false;
        uint32_t columns = weft_gemm_tiles(p, &x).columns;
        evaluations = elements * (double)((x.n + columns - 1) / columns);
    } else {
        if (g.rows && cut_by_rows(l, n)) return false;
        evaluations = weft_gemm_evaluations(l, &g, v);
    }
    double again = (evaluations - elements) * work * WORK_OF_NODE / p->macs_per_us;
    return again <= p->step_us + 2 * 4 * elements / p->bytes_per_us;
}

weft_status weft_gemm_lower(struct weft_lower *l, uint32_t group) {
    struct weft_gemm_group p;
    if (!split_group(l, &l->groups[group], &p))
        return weft_fail(WEFT_ERR_INTERNAL, "a contraction group could not be split");
    const struct weft_node *n = weft_gemm_node(l, p.anchors[0]);
    struct weft_xstep step = {.l = l, .group = group};
    struct weft_gemm g;
    n->op->gemm(l, n, &g);
    if (g.by_expert) {
        weft_gemm_emit_experts(l, &p, &step);
        weft_region_narrow(&step);
        return l->status;
    }
    bool packed = g.rows && weft_lower_packs(l, n->in[1]);
    if (!g.rows || (!packed && (p.n_prologue || (!cut_by_rows(l, n) && weft_gemm_wants_general(l, &g))))) {
        weft_gemm_emit_general(l, &p, &g, &step);
        weft_region_narrow(&step);
        return l->status;
    }
    const struct weft_plan_weight *w = packed ? weft_lower_weight(l, n->in[1]) : NULL;
    uint32_t n_parts = w ? w->n_parts : 1;
    for (uint32_t part = 0; part < n_parts && l->status == WEFT_OK; part++) {
        struct weft_gemm_extents x = extents_of(l, &p, w, part);
        struct weft_gemm_choice choice = w ? weft_gemm_choose(l->profile, &x) : weft_gemm_tiles(l->profile, &x);
        if (l->status != WEFT_OK) return l->status;
        if (choice.kernel == WEFT_GEMM_ROWS && cut_by_rows(l, n)) choice = weft_gemm_tiles(l->profile, &x);
        if (choice.kernel == WEFT_GEMM_ROWS) weft_gemm_emit_rows(l, &p, part, &choice, &step);
        else if (choice.kernel == WEFT_GEMM_FEW) weft_gemm_emit_few(l, &p, part, &choice, &step);
        else weft_gemm_emit_tiled(l, &p, w, part, &choice, &step);
    }
    weft_region_narrow(&step);
    return l->status;
}
