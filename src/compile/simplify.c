/// Takes out nodes that compute nothing: what the rows of their operators promise (ir/op.h) is all that is known here.
///
///     neg (neg x)              x        a function that is its own inverse
///     floor (floor x)          floor x  a function for which once is enough
///     cast x {to=f32}          x        of f32; likewise a reshape to the same shape, a slice of everything
///     mul x 1, add x -0        x        a constant that changes nothing. add x 0 is no such case: -0 + 0 is 0
///     reshape (reshape x)      reshape x
///     transpose (transpose x)  x, or one transpose
///
/// A version of a state stands for nothing but itself (ir/rewrite.h), and a view that is an output stays.
#include "compile/passes.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ir/rewrite.h"
#include <math.h>
#include <string.h>

/// The node that makes operand 0, if it has the same operator; else NULL.
static const struct weft_node *same_before(const struct weft_graph *g, const struct weft_node *n) {
    const struct weft_value_info *x = &g->values[n->in[0]];
    if (x->kind != WEFT_VALUE_NODE || g->nodes[x->node].op != n->op) return NULL;
    return &g->nodes[x->node];
}

// ---- patterns: the value that stands for output 0, or NO_VALUE ------------------------------------------------------

static weft_value twice_is_none(const struct weft_graph *g, const struct weft_node *n) {
    const struct weft_node *before = n->op->laws & WEFT_LAW_TWICE_IS_NONE ? same_before(g, n) : NULL;
    return before ? before->in[0] : WEFT_NO_VALUE;
}

static weft_value twice_is_once(const struct weft_graph *g, const struct weft_node *n) {
    return n->op->laws & WEFT_LAW_TWICE_IS_ONCE && same_before(g, n) ? n->in[0] : WEFT_NO_VALUE;
}

static weft_value same_type(const struct weft_graph *g, const struct weft_node *n) {
    (void)g;
    return n->op->laws & WEFT_LAW_SAME_TYPE ? n->in[0] : WEFT_NO_VALUE;
}

enum { MOST_UNITS = 4096 }; ///< elements of a constant that are looked at

static bool is_unit(const struct weft_graph *g, weft_value v, const struct weft_unit *unit) {
    const struct weft_value_info *c = &g->values[v];
    const struct weft_dtype_info *dtype = weft_dtype_info(c->type.dtype);
    if (c->kind != WEFT_VALUE_CONST || dtype->quantised || c->data_size > MOST_UNITS * dtype->block_bytes) return false;
    size_t n = c->data_size / dtype->block_bytes;
    for (size_t i = 0; i < n; i++) {
        double x;
        dtype->decode((const uint8_t *)c->data + i * dtype->block_bytes, 1, &x);
        if (dtype->is_float ? x != unit->real || signbit(x) != signbit(unit->real) : x != (double)unit->whole)
            return false;
    }
    return n > 0;
}

static weft_value unit_right(const struct weft_graph *g, const struct weft_node *n) {
    return n->op->unit && is_unit(g, n->in[1], n->op->unit) ? n->in[0] : WEFT_NO_VALUE;
}

static weft_value unit_left(const struct weft_graph *g, const struct weft_node *n) {
    return n->op->unit && n->op->unit->either && is_unit(g, n->in[0], n->op->unit) ? n->in[1] : WEFT_NO_VALUE;
}

/// Where axis k of the node's output comes from, below 0 if the row's attribute says nothing that can be used.
static int64_t axis_from(const struct weft_node *n, uint32_t rank, uint32_t k) {
    const struct weft_attr *perm = &n->attrs[n->op->permutes - 1];
    if (perm->n && perm->n != rank) return -1;
    int64_t axis = perm->n ? perm->ints[k] : (int64_t)(rank - 1 - k);
    if (axis < 0) axis += rank;
    return axis < (int64_t)rank ? axis : -1;
}

/// Both permutations in one; false if there are no two. What the first reads is read later then, so no state's memory.
static bool compose(const struct weft_graph *g, const struct weft_node *n, struct weft_attr *both) {
    const struct weft_node *before = n->op->permutes ? same_before(g, n) : NULL;
    if (!before || g->values[weft_graph_base(g, before->in[0])].state != UINT32_MAX) return false;
    uint32_t rank = g->values[n->out[0]].type.rank;
    *both = (struct weft_attr){.n = rank};
    for (uint32_t k = 0; k < rank; k++) {
        int64_t mine = axis_from(n, rank, k), from = mine < 0 ? -1 : axis_from(before, rank, (uint32_t)mine);
        if (from < 0) return false;
        both->ints[k] = from;
    }
    return true;
}

static bool is_identity(const struct weft_attr *perm) {
    for (uint32_t k = 0; k < perm->n; k++)
        if (perm->ints[k] != (int64_t)k) return false;
    return true;
}

static weft_value permuted_back(const struct weft_graph *g, const struct weft_node *n) {
    struct weft_attr both;
    return compose(g, n, &both) && is_identity(&both) ? same_before(g, n)->in[0] : WEFT_NO_VALUE;
}

static weft_value (*const patterns[])(const struct weft_graph *g, const struct weft_node *n) = {
    twice_is_none, twice_is_once, same_type, unit_right, unit_left, permuted_back,
};

// ---- changes of a node itself --------------------------------------------------------------------------------------

static bool view_of_view(struct weft_rewrite *r, uint32_t i) {
    const struct weft_graph *g = r->g;
    const struct weft_node *n = &g->nodes[i], *before = n->op->view == WEFT_VIEW_SAME ? same_before(g, n) : NULL;
    if (!before) return false;
    weft_rewrite_operand(r, i, 0, before->in[0]);
    return true;
}

static bool permuted_twice(struct weft_rewrite *r, uint32_t i) {
    struct weft_node *n = &r->g->nodes[i];
    struct weft_attr both;
    if (!compose(r->g, n, &both)) return false;
    weft_value first = same_before(r->g, n)->in[0];
    n->attrs[n->op->permutes - 1] = both;
    weft_rewrite_operand(r, i, 0, first);
    return true;
}

static bool (*const edits[])(struct weft_rewrite *r, uint32_t i) = {view_of_view, permuted_twice};

// ---- the pass ------------------------------------------------------------------------------------------------------

/// Removes what has become unused, and those in front of it that only it used.
static void sweep(struct weft_rewrite *r, weft_value v) {
    const struct weft_graph *g = r->g;
    while (g->values[v].kind == WEFT_VALUE_NODE && !weft_rewrite_needed(r, g->values[v].node)) {
        uint32_t i = g->values[v].node;
        if (!g->nodes[i].n_in) return;
        v = g->nodes[i].in[0];
        weft_rewrite_kill(r, i);
    }
}

static weft_status simplify(struct weft_rewrite *r, uint32_t i) {
    struct weft_graph *g = r->g;
    const struct weft_node *n = &g->nodes[i];
    if (!weft_rewrite_pure(n) || !n->n_in) return WEFT_OK;
    for (size_t k = 0; k < sizeof patterns / sizeof *patterns; k++) {
        weft_value to = patterns[k](g, n);
        if (to == WEFT_NO_VALUE || !weft_rewrite_stands(g, n->out[0], to)) continue;
        weft_value out = n->out[0];
        WEFT_TRY(weft_rewrite_replace(r, out, to, i));
        sweep(r, out);
        return WEFT_OK;
    }
    for (size_t k = 0; k < sizeof edits / sizeof *edits; k++) {
        weft_value x = n->in[0];
        if (!edits[k](r, i)) continue;
        weft_rewrite_push(r, i);
        sweep(r, x);
        return WEFT_OK;
    }
    return WEFT_OK;
}

weft_status weft_pass_simplify(struct weft_graph *g) {
    struct weft_rewrite r;
    weft_status status = WEFT_OK;
    WEFT_TRY(weft_rewrite_begin(g, &r));
    for (uint32_t i; status == WEFT_OK && (i = weft_rewrite_next(&r)) != WEFT_NO_NODE;) status = simplify(&r, i);
    return weft_rewrite_end(&r, status);
}
