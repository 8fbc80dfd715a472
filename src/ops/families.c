/// The families of kernels, handed to the compiler with the operators.
#include "core/error.h"
#include "kernels/copy/move.h"
#include "kernels/map/region.h"
#include "kernels/gemm/gemm.h"
#include "plan/family.h"

// ---- regions -------------------------------------------------------------------------------------------------------

/// What one kernel's text should hold: a rotary map computes its operand at two columns.
enum { MOST_WORK = 120, MOST_REDUCTIONS = 24, MOST_ROWMAPS = 3 };

static bool region_takes(const struct weft_graph *g, const struct weft_node *n) {
    if (weft_op_sink(n->op)) { // of a state, else it is a function; but for ranges a word has one owner
        const struct weft_value_info *state = &g->values[n->in[0]];
        return state->state != UINT32_MAX && (weft_op_range(n->op) || state->type.dtype == WEFT_F32);
    }
    return n->op->reduce || (n->op->traits & (WEFT_OP_ELEMENTWISE | WEFT_OP_ROWMAP | WEFT_OP_MOVE));
}

static bool region_holds(const struct weft_family_load *x) {
    return x->reductions <= MOST_REDUCTIONS && x->rowmaps <= MOST_ROWMAPS &&
           (x->nodes + WEFT_MAX_OPERANDS / 2) << x->rowmaps <= MOST_WORK;
}

/// A write of a range that stands alone is a move.
static bool is_move(const struct weft_lower *l, const struct weft_group *group) {
    return group->n_nodes == 1 && weft_op_range(l->graph->nodes[group->nodes[0]].op);
}

static weft_status region_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_group *g = &l->groups[group];
    return is_move(l, g) ? l->graph->nodes[g->nodes[0]].op->lower(l, group) : weft_region_lower(l, group);
}

static const struct weft_family region = {
    .name = "region",
    .kind = WEFT_GROUP_REGION,
    .takes = region_takes,
    .space = weft_region_node_space,
    .lower = region_lower,
    .most_parts = WEFT_REGION_PARTS,
    .holds = region_holds,
};

// ---- contractions --------------------------------------------------------------------------------------------------

static bool contract_takes(const struct weft_graph *g, const struct weft_node *n) {
    (void)g;
    return (n->op->traits & WEFT_OP_CONTRACT) != 0;
}

/// Few rows, of a constant length that fits workgroup memory, by a weight in one part that has elements.
static bool contract_takes_prologue(struct weft_lower *l, const struct weft_node *n) {
    const struct weft_type *t = &weft_lv(l, n->in[0])->type;
    if (!weft_gemm_few(l, weft_lower_product(l, t, 0, t->rank - 1)) || !weft_gemm_packed(l, n) ||
        !weft_gemm_takes_prologue(l, weft_lower_const(l, t->dims[t->rank - 1])))
        return false;
    return weft_gemm_one_part(l, n);
}

static bool contract_takes_side(struct weft_lower *l, const struct weft_node *n, uint32_t operand,
                                const struct weft_family_load *load) {
    return weft_gemm_takes_side(l, n, operand, load->nodes << load->rowmaps);
}

/// Products that could take a prologue, products of some rows, or products by experts.
static bool contract_joins(struct weft_lower *l, const struct weft_node *a, const struct weft_node *b) {
    bool rows = contract_takes_prologue(l, a) || weft_gemm_slices(l, a);
    return rows ? a == b || contract_takes_prologue(l, b) || weft_gemm_slices(l, b) : weft_gemm_joins(l, a, b);
}

static const struct weft_family contraction = {
    .name = "contraction",
    .kind = WEFT_GROUP_CONTRACT,
    .takes = contract_takes,
    .lower = weft_gemm_lower,
    .most_anchors = WEFT_GEMM_ANCHORS,
    .takes_prologue = contract_takes_prologue,
    .joins = contract_joins,
    .takes_side = contract_takes_side,
};

// ---- nodes alone ----------------------------------------------------------------------------------------------------

static weft_status own_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_op *op = l->graph->nodes[l->groups[group].nodes[0]].op;
    return op->lower ? op->lower(l, group) : weft_fail(WEFT_ERR_UNSUPPORTED, "operator '%s' has no kernel", op->name);
}

// ---- scans ---------------------------------------------------------------------------------------------------------

static bool scan_takes(const struct weft_graph *g, const struct weft_node *n) {
    (void)g;
    return n->op->scan != WEFT_SCAN_NONE;
}

/// The operator's `lower` says which axis, from which end and whether exclusive.
static const struct weft_family scan = {
    .name = "scan", .kind = WEFT_GROUP_NODE, .takes = scan_takes, .lower = own_lower};

// ---- all others ----------------------------------------------------------------------------------------------------

static bool takes_all(const struct weft_graph *g, const struct weft_node *n) {
    (void)g, (void)n;
    return true;
}

static const struct weft_family own_kernel = {
    .name = "own kernel", .kind = WEFT_GROUP_NODE, .takes = takes_all, .lower = own_lower};

static void copy(struct weft_lower *l, const char *label, weft_dim count, struct weft_place from, struct weft_place to,
                 weft_dtype dtype, const char *why) {
    struct weft_step *s = weft_emit_move(l, label, count, from, dtype, to, dtype);
    weft_move_is_copy(l, s, count, dtype, why);
}

static const struct weft_family *const families[] = {&contraction, &region, &scan, &own_kernel, NULL};
const struct weft_family_set weft_op_families = {families, copy, weft_move_commit};
