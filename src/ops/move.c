/// Operators that only move elements: each is another place at which its operand is asked for, so that kernels which
/// read the result take it from there. Where nobody can, a region of the move alone copies.
///
///   transpose(x; perm)                    axis k of y is axis perm[k] of x; without perm the axes are reversed
///   slice_copy(x; start, len, axis, drop, step)
///                                         rows start, start+step, ... of an axis, `len` of them, as a copy (slice says
///                                         when it is a view; schedules of one row make it one); with drop the axis,
///                                         of one row, goes away. step is 1 or more
///   pad(x; before, after, value)          `value` around x: before[k] rows in front of axis k, after[k] behind it
///
/// All plain types. Elements are copied as they are; `value` is rounded to the type of x.
#include "ops/move.h"
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/map/region.h"
#include "plan/expr.h"
#include "plan/update.h"

#include <math.h>
#include <string.h>

// ---- shared --------------------------------------------------------------------------------------------------------

weft_dim weft_move_start(struct weft_graph *g, weft_dim start, weft_dim size) {
    int64_t c;
    return weft_dim_is_const(g->dims, start, &c) && c < 0 ? weft_dim_add(g->dims, size, start) : start;
}

weft_dim weft_move_product(struct weft_graph *g, const weft_dim *dims, uint32_t first, uint32_t last) {
    weft_dim product = weft_dim_const(g->dims, 1);
    for (uint32_t i = first; i < last; i++) product = weft_dim_mul(g->dims, product, dims[i]);
    return product;
}

static weft_status never_inside(struct weft_graph *g, const struct weft_type *t, uint32_t axis, weft_dim start,
                                weft_dim len) {
    struct weft_str s = {0};
    weft_dim_print(g->dims, start, &s);
    weft_str_add(&s, ", length ");
    weft_dim_print(g->dims, len, &s);
    weft_status status = weft_fail(WEFT_ERR_INVALID, "start %s is never inside axis %u of %s", weft_str_get(&s), axis,
                                   weft_ops_type_text(g, t));
    weft_str_free(&s);
    return status;
}

weft_status weft_move_guard(struct weft_graph *g, const struct weft_type *t, uint32_t axis, weft_dim start,
                            weft_dim len, int64_t step) {
    weft_dim zero = weft_dim_const(g->dims, 0), one = weft_dim_const(g->dims, 1), size = t->dims[axis];
    weft_dim way = weft_dim_mul(g->dims, weft_dim_sub(g->dims, len, one), weft_dim_const(g->dims, step));
    weft_dim end = weft_dim_add(g->dims, weft_dim_add(g->dims, start, way), one); // behind the last row
    weft_dim parts[3] = {start, len, weft_dim_sub(g->dims, size, end)};
    for (int i = 0; i < 3; i++) {
        int64_t lo, hi = -1;
        if (parts[i] != WEFT_DIM_BAD) weft_dim_bounds(g->dims, parts[i], &lo, &hi);
        if (hi < 0) return never_inside(g, t, axis, start, len);
    }
    WEFT_TRY(weft_graph_guard(g, zero, start, 0, "the least start is", "it starts at"));
    WEFT_TRY(weft_graph_guard(g, zero, len, 0, "the least length is", "its length is"));
    return weft_graph_guard(g, end, size, 0, "it takes rows up to", "the axis ends at");
}

weft_status weft_move_host(const struct weft_host *x, double *y, int64_t axis, int64_t start, int64_t len,
                           int64_t step) {
    int64_t outer, inner, size, last = start + (len - 1) * step;
    axis = weft_ops_around(x, axis, &outer, &inner);
    size = x->shape[axis];
    if (len < 0 || (len > 0 && (start < 0 || start >= size || last < 0 || last >= size)))
        return weft_fail(WEFT_ERR_INVALID, "rows %lld to %lld of %lld", (long long)start, (long long)last,
                         (long long)size);
    double *owned;
    const double *data = weft_ops_dense(x, &owned);
    if (!data) return weft_fail(WEFT_ERR_NOMEM, "out of memory");
    for (int64_t o = 0; o < outer; o++)
        for (int64_t r = 0; r < len && inner > 0; r++, y += inner)
            memcpy(y, data + (o * size + start + r * step) * inner, (size_t)inner * sizeof *y);
    weft_free(owned);
    return WEFT_OK;
}

const char *weft_move_label(struct weft_lower *l, const struct weft_node *node) {
    const char *text = weft_arena_printf(&l->plan->arena, "%s%s%s", node->op->name, weft_node_called(node) ? " " : "",
                                         weft_node_called(node) ? weft_node_called(node) : "");
    return text ? text : node->op->name;
}

// ---- transpose -----------------------------------------------------------------------------------------------------

static weft_status permutation(struct weft_graph *g, const struct weft_type *t, const struct weft_attr *a,
                               uint32_t perm[WEFT_MAX_RANK]) {
    uint32_t seen = 0;
    if (a->n && a->n != t->rank)
        return weft_fail(WEFT_ERR_INVALID, "perm lists %u axes of %s", a->n, weft_ops_type_text(g, t));
    for (uint32_t k = 0; k < t->rank; k++) {
        perm[k] = t->rank - 1 - k;
        if (a->n) WEFT_TRY(weft_ops_axis(g, t, a->ints[k], &perm[k]));
        if (seen >> perm[k] & 1)
            return weft_fail(WEFT_ERR_INVALID, "perm names axis %u of %s twice", perm[k], weft_ops_type_text(g, t));
        seen |= 1u << perm[k];
    }
    return WEFT_OK;
}

static weft_status plain(struct weft_graph *g, const struct weft_type *t) {
    if (weft_ops_is_plain(t->dtype)) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "%s holds blocks, whose elements can't be moved", weft_ops_type_text(g, t));
}

static weft_status transpose_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                   const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    uint32_t perm[WEFT_MAX_RANK];
    WEFT_TRY(plain(g, &in[0]));
    WEFT_TRY(permutation(g, &in[0], &attrs[0], perm));
    *out = in[0];
    for (uint32_t k = 0; k < in[0].rank; k++) out->dims[k] = in[0].dims[perm[k]];
    return WEFT_OK;
}

static weft_status transpose_eval(const struct weft_eval *e) {
    const struct weft_host *x = &e->in[0], *y = &e->out[0];
    double *owned;
    const double *data = weft_ops_dense(x, &owned);
    if (!data) return weft_fail(WEFT_ERR_NOMEM, "transpose: out of memory");
    int64_t n = weft_host_count(y), strides[WEFT_MAX_RANK], at = 1;
    for (uint32_t k = x->rank; k-- > 0; at *= x->shape[k]) strides[k] = at;
    for (int64_t i = 0; i < n; i++) {
        int64_t left = i, from = 0;
        for (uint32_t k = y->rank; k-- > 0; left /= y->shape[k]) {
            int64_t axis = e->attrs[0].n ? e->attrs[0].ints[k] : (int64_t)(y->rank - 1 - k);
            from += left % y->shape[k] * strides[axis < 0 ? axis + y->rank : axis];
        }
        y->data[i] = data[from];
    }
    weft_free(owned);
    return WEFT_OK;
}

static uint32_t transpose_expr(struct weft_expr *e, const struct weft_node *n, uint32_t out, const struct weft_at *at) {
    const struct weft_type *x = &weft_lv(e->step->l, n->in[0])->type, *y = &weft_lv(e->step->l, n->out[out])->type;
    uint32_t perm[WEFT_MAX_RANK], c[WEFT_MAX_RANK];
    permutation(e->step->l->graph, x, &n->attrs[0], perm);
    for (uint32_t k = 0; k < x->rank; k++) c[perm[k]] = weft_x_coord_of(e, at, y, k);
    return weft_x_value_at(e, n->in[0], c, WEFT_X_NONE, at);
}

const struct weft_op weft_op_transpose = {
    .name = "transpose",
    .doc = "x -> y: axis k of y is axis perm[k] of x; without perm the axes are reversed",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .traits = WEFT_OP_MOVE,
    .permutes = 1,
    .attrs = {{.name = "perm", .type = WEFT_ATTR_INTS}},
    .infer = transpose_infer,
    .eval = transpose_eval,
    .expr = transpose_expr,
};

// ---- slice_copy ----------------------------------------------------------------------------------------------------

enum { START, LEN, AXIS, DROP, STEP };

static weft_status slice_copy_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                    const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    uint32_t axis;
    WEFT_TRY(plain(g, &in[0]));
    WEFT_TRY(weft_ops_axis(g, &in[0], attrs[AXIS].i, &axis));
    weft_dim start = weft_move_start(g, attrs[START].d, in[0].dims[axis]);
    WEFT_TRY(weft_move_guard(g, &in[0], axis, start, attrs[LEN].d, attrs[STEP].i));
    *out = in[0];
    out->dims[axis] = attrs[LEN].d;
    if (!attrs[DROP].i) return WEFT_OK;
    if (attrs[LEN].d != weft_dim_const(g->dims, 1))
        return weft_fail(WEFT_ERR_INVALID, "only an axis of one row can be dropped");
    out->rank--;
    memmove(out->dims + axis, out->dims + axis + 1, (out->rank - axis) * sizeof *out->dims);
    return WEFT_OK;
}

static weft_status slice_copy_eval(const struct weft_eval *e) {
    const struct weft_host *x = &e->in[0];
    int64_t axis = e->attrs[AXIS].i < 0 ? e->attrs[AXIS].i + x->rank : e->attrs[AXIS].i;
    int64_t start = weft_dim_eval(e->dims, e->attrs[START].d, e->symbols), c;
    if (weft_dim_is_const(e->dims, e->attrs[START].d, &c) && c < 0) start += x->shape[axis];
    int64_t len = weft_dim_eval(e->dims, e->attrs[LEN].d, e->symbols);
    return weft_move_host(x, e->out[0].data, axis, start, len, e->attrs[STEP].i);
}

/// A view of `v` has wider elements, so that it can't start at any of v's.
static bool seen_wider(const struct weft_lower *l, weft_value v) {
    for (uint32_t i = l->use_start[v]; i < l->use_start[v + 1]; i++) {
        const struct weft_node *n = &l->graph->nodes[l->uses[i]];
        if (n->dead || !n->op->view) continue;
        uint32_t width = weft_accessor_width(weft_lv(l, n->out[0])->type.dtype);
        if (width > weft_accessor_width(weft_lv(l, v)->type.dtype) || seen_wider(l, n->out[0])) return true;
    }
    return false;
}

/// Where no size of the schedule has more than one row in front of the axis, as with one token, the slice lies in one
/// piece in what it is taken from, and is that memory at an offset. Not of states, whose next version comes into the
/// same memory, and not as an output, or what an output shows whole: that has memory of its own.
static bool slice_copy_rests(struct weft_lower *l, const struct weft_node *node) {
    const struct weft_type *x = &weft_lv(l, node->in[0])->type;
    uint32_t axis;
    if (weft_ops_axis(l->graph, x, node->attrs[AXIS].i, &axis) != WEFT_OK) return false;
    if (node->attrs[STEP].i != 1) return false;
    if (weft_lower_max(l, weft_lower_product(l, x, 0, axis)) > 1 || weft_lv(l, node->out[0])->is_output) return false;
    if (l->output_view && l->output_view[node->out[0]] != WEFT_NO_VALUE) return false;
    return weft_lv(l, weft_graph_base(l->graph, node->in[0]))->state == UINT32_MAX && !seen_wider(l, node->out[0]);
}

/// What no binding holds is cut by a copy better than by all who read a slice of it.
static weft_status slice_copy_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_type *x = &weft_lv(l, node->in[0])->type;
    uint32_t axis;
    WEFT_TRY(weft_ops_axis(l->graph, x, node->attrs[AXIS].i, &axis));
    weft_dim start = weft_move_start(l->graph, node->attrs[START].d, x->dims[axis]);
    if (!slice_copy_rests(l, node) || weft_lower_deferred(l, node->in[0])) return weft_region_lower(l, group);
    weft_lower_place(l, node->in[0]);
    if (l->status != WEFT_OK) return l->status;
    if (l->tensors[l->places[node->in[0]].tensor].bytes > l->caps->max_binding) return weft_region_lower(l, group);
    return weft_lower_view(l, node->out[0], node->in[0],
                           weft_dim_mul(l->graph->dims, start, weft_lower_product(l, x, axis + 1, x->rank)));
}

static uint32_t slice_copy_expr(struct weft_expr *e, const struct weft_node *n, uint32_t out,
                                const struct weft_at *at) {
    struct weft_graph *g = e->step->l->graph;
    const struct weft_type *x = &weft_lv(e->step->l, n->in[0])->type, *y = &weft_lv(e->step->l, n->out[out])->type;
    uint32_t axis, c[WEFT_MAX_RANK] = {0};
    weft_ops_axis(g, x, n->attrs[AXIS].i, &axis);
    for (uint32_t k = 0, from = 0; k < x->rank; k++)
        c[k] = k == axis && n->attrs[DROP].i ? weft_x_u32(e, 0) : weft_x_coord_of(e, at, y, from++);
    c[axis] = weft_x_mul(e, c[axis], weft_x_u32(e, (uint32_t)n->attrs[STEP].i));
    c[axis] = weft_x_add(e, c[axis], weft_x_dim(e, weft_move_start(g, n->attrs[START].d, x->dims[axis])));
    return weft_x_value_at(e, n->in[0], c, WEFT_X_NONE, at);
}

const struct weft_op weft_op_slice_copy = {
    .name = "slice_copy",
    .doc = "x -> y: what slice gives, as a copy, with a step of 1 or more; with drop the axis, of one row, goes away",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .traits = WEFT_OP_MOVE,
    .laws = WEFT_LAW_SAME_TYPE,
    .attrs = {{.name = "start", .type = WEFT_ATTR_DIM, .required = true},
              {.name = "len", .type = WEFT_ATTR_DIM, .required = true},
              {.name = "axis", .type = WEFT_ATTR_INT, .lo = -WEFT_MAX_RANK, .hi = WEFT_MAX_RANK - 1},
              {.name = "drop", .type = WEFT_ATTR_INT, .lo = 0, .hi = 1},
              {.name = "step", .type = WEFT_ATTR_INT, .dflt = 1, .lo = 1, .hi = 2147483647.0}},
    .infer = slice_copy_infer,
    .eval = slice_copy_eval,
    .expr = slice_copy_expr,
    .rests = slice_copy_rests,
    .lower = slice_copy_lower,
};

// ---- pad -----------------------------------------------------------------------------------------------------------

enum { BEFORE, AFTER, VALUE };

/// True if a value of this type can be `value`; floats round it.
static bool holds(weft_dtype dtype, double value) {
    switch (dtype) {
    case WEFT_I32: return value == floor(value) && value >= INT32_MIN && value <= INT32_MAX;
    case WEFT_U32: return value == floor(value) && value >= 0 && value <= UINT32_MAX;
    case WEFT_I8: return value == floor(value) && value >= INT8_MIN && value <= INT8_MAX;
    case WEFT_U8: return value == floor(value) && value >= 0 && value <= UINT8_MAX;
    case WEFT_BOOL: return value == 0 || value == 1;
    default: return true;
    }
}

static weft_status pad_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                             const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    weft_dim zero = weft_dim_const(g->dims, 0);
    WEFT_TRY(plain(g, &in[0]));
    if (attrs[BEFORE].n != in[0].rank || attrs[AFTER].n != in[0].rank)
        return weft_fail(WEFT_ERR_INVALID, "before and after list %u and %u sizes for the %u axes of %s",
                         attrs[BEFORE].n, attrs[AFTER].n, in[0].rank, weft_ops_type_text(g, &in[0]));
    double value = attrs[VALUE].f;
    if (!holds(in[0].dtype, value))
        return weft_fail(WEFT_ERR_INVALID, "value %g is no %s", value, weft_dtype_name(in[0].dtype));
    *out = in[0];
    for (uint32_t k = 0; k < in[0].rank; k++) {
        WEFT_TRY(weft_graph_guard(g, zero, attrs[BEFORE].dims[k], 0, "the least padding is", "before is"));
        WEFT_TRY(weft_graph_guard(g, zero, attrs[AFTER].dims[k], 0, "the least padding is", "after is"));
        out->dims[k] =
            weft_dim_add(g->dims, weft_dim_add(g->dims, attrs[BEFORE].dims[k], in[0].dims[k]), attrs[AFTER].dims[k]);
    }
    return WEFT_OK;
}

static weft_status pad_eval(const struct weft_eval *e) {
    const struct weft_host *x = &e->in[0], *y = &e->out[0];
    double *owned;
    const double *data = weft_ops_dense(x, &owned);
    if (!data) return weft_fail(WEFT_ERR_NOMEM, "pad: out of memory");
    int64_t n = weft_host_count(y);
    for (int64_t i = 0; i < n; i++) {
        int64_t left = i, from = 0, stride = 1;
        bool inside = true;
        for (uint32_t k = y->rank; k-- > 0; left /= y->shape[k], stride *= x->shape[k]) {
            int64_t at = left % y->shape[k] - weft_dim_eval(e->dims, e->attrs[BEFORE].dims[k], e->symbols);
            inside = inside && at >= 0 && at < x->shape[k];
            from += at * stride;
        }
        y->data[i] = inside ? data[from] : weft_ops_is_float(y->dtype) ? (float)e->attrs[VALUE].f : e->attrs[VALUE].f;
    }
    weft_free(owned);
    return WEFT_OK;
}

static uint32_t pad_expr(struct weft_expr *e, const struct weft_node *n, uint32_t out, const struct weft_at *at) {
    const struct weft_type *x = &weft_lv(e->step->l, n->in[0])->type, *y = &weft_lv(e->step->l, n->out[out])->type;
    uint32_t c[WEFT_MAX_RANK] = {0}, inside = WEFT_X_NONE;
    for (uint32_t k = 0; k < x->rank; k++) { // what stands in front wraps, and is not below the size then
        c[k] = weft_x_sub(e, weft_x_coord_of(e, at, y, k), weft_x_dim(e, n->attrs[BEFORE].dims[k]));
        if (weft_lower_const(e->step->l, n->attrs[BEFORE].dims[k]) != 0 ||
            weft_lower_const(e->step->l, n->attrs[AFTER].dims[k]) != 0)
            inside = weft_x_both(e, inside, weft_x_less(e, c[k], weft_x_dim(e, x->dims[k])));
    }
    uint32_t value = weft_x_value_at(e, n->in[0], c, inside, at);
    return inside == WEFT_X_NONE ? value
                                 : weft_x_select(e, inside, value, weft_x_element(e, x->dtype, n->attrs[VALUE].f));
}

const struct weft_op weft_op_pad = {
    .name = "pad",
    .doc = "x -> y: a value around x",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .traits = WEFT_OP_MOVE,
    .attrs = {{.name = "before", .type = WEFT_ATTR_DIMS, .required = true},
              {.name = "after", .type = WEFT_ATTR_DIMS, .required = true},
              {.name = "value", .type = WEFT_ATTR_FLOAT}},
    .infer = pad_infer,
    .eval = pad_eval,
    .expr = pad_expr,
};
