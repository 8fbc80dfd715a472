/// Writes a value to a range of a state.
///
/// assign(state, x; start): the elements of x, in row-major order, become elements start .. start + count(x) of the
/// state, whose shape does not matter; the others stay. The output is the state after the write. x has the type of the
/// state, or is f32 where the state is f16 or bf16. The range must lie within the state for all sizes: what can't be
/// shown to is refused when the node is added.
///
/// A region or the epilogue of a contraction may end in it: then the fused kernel stores to the range itself, in place
/// where it reads that very range. docs/aliasing.md says when it does not.
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/copy/move.h"
#include "ops/shape.h"
#include "plan/update.h"

#include <stdio.h>
#include <string.h>

static weft_status infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, const struct weft_attr *attrs,
                         struct weft_type *out) {
    (void)n_in;
    const char *state = weft_ops_type_text(g, &in[0]), *x = weft_ops_type_text(g, &in[1]);
    bool half = weft_is_half(in[0].dtype);
    if (in[0].dtype != in[1].dtype && !(half && in[1].dtype == WEFT_F32))
        return weft_fail(WEFT_ERR_INVALID, "the state is %s, x is %s; cast x to the type of the state", state, x);
    weft_dim rest = weft_dim_const(g->dims, 1), count = rest;
    for (uint32_t i = 0; i < in[0].rank; i++) rest = weft_dim_mul(g->dims, rest, in[0].dims[i]);
    for (uint32_t i = 0; i < in[1].rank; i++) count = weft_dim_mul(g->dims, count, in[1].dims[i]);
    rest = weft_dim_sub(g->dims, weft_dim_sub(g->dims, rest, attrs[0].d), count);
    int64_t from = -1, left = -1, most;
    if (rest != WEFT_DIM_BAD) {
        weft_dim_bounds(g->dims, attrs[0].d, &from, &most);
        weft_dim_bounds(g->dims, rest, &left, &most);
    }
    if (from < 0 || left < 0) {
        struct weft_str s = {0};
        weft_dim_print(g->dims, attrs[0].d, &s);
        weft_status status = weft_fail(WEFT_ERR_INVALID,
                                       "x %s at element %s can't be shown to lie within the state %s for all sizes; "
                                       "bound the symbols, or make the state larger",
                                       x, weft_str_get(&s), state);
        weft_str_free(&s);
        return status;
    }
    out[0] = in[0];
    return WEFT_OK;
}

static weft_status eval(const struct weft_eval *e) {
    double *owned;
    const double *x = weft_ops_dense(&e->in[1], &owned);
    if (!x) return weft_fail(WEFT_ERR_NOMEM, "assign: out of memory");
    int64_t n = weft_host_count(&e->in[1]), start = weft_dim_eval(e->dims, e->attrs[0].d, e->symbols);
    weft_status status = WEFT_OK;
    if (start < 0 || start > weft_host_count(&e->out[0]) - n)
        status = weft_fail(WEFT_ERR_INVALID, "elements %lld to %lld of %lld", (long long)start, (long long)(start + n),
                           (long long)weft_host_count(&e->out[0]));
    else memcpy(e->out[0].data + start, x, (size_t)n * sizeof *x);
    weft_free(owned);
    return status;
}

// ---- how it runs ----------------------------------------------------------------------------------------------------

static weft_status lower(struct weft_lower *l, uint32_t group) {
    uint32_t index = l->groups[group].nodes[0];
    const struct weft_node *node = &l->graph->nodes[index];
    const struct weft_type *x = &weft_lv(l, node->in[1])->type;
    weft_dtype state = weft_lv(l, node->in[0])->type.dtype;
    weft_dim count = weft_lower_product(l, x, 0, x->rank);
    char label[160];
    const char *called = weft_node_called(node);
    snprintf(label, sizeof label, "assign %s", called ? called : weft_lv(l, node->in[0])->name);
    weft_lower_place(l, node->in[1]);
    if (weft_lv(l, node->in[0])->state == UINT32_MAX) // a function
        WEFT_TRY(weft_move_value(l, label, node->in[0], node->out[0]));
    if (l->status != WEFT_OK) return l->status;
    struct weft_place to = weft_lower_range(l, node);
    struct weft_step *s = weft_emit_move(l, label, count, l->places[node->in[1]], x->dtype, to, state);
    if (l->copy_why && l->copy_why[index]) weft_move_is_copy(l, s, count, state, l->copy_why[index]);
    return l->status;
}

const struct weft_op weft_op_assign = {
    .name = "assign",
    .doc = "state, x -> next: the elements of x replace those of the state from start on",
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out = 1,
    .states = {{WEFT_TOUCH_RANGE, .operand = 0, .value = 1, .attr = 0}},
    .attrs = {{.name = "start", .type = WEFT_ATTR_DIM}},
    .infer = infer,
    .eval = eval,
    .lower = lower,
};
