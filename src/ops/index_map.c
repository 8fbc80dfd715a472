/// Operators that show their operand's elements at other places, or several times.
///
///   flip(x; axes)             the listed axes backwards; without a list all of them
///   expand(x; shape)          NumPy broadcasting to a shape: axes are aligned at the last, those of one row are
///                             repeated, those in front are new. -1 keeps an axis as it is
///   tile(x; repeats)          x side by side with itself: axis k is repeats[k] times as long
///   repeat(x; times, axis)    each row of an axis `times` times in a row
///   roll(x; shift, axis)      rows move up by `shift` (below 0: down), and what leaves one end enters at the other
///
/// All plain types; elements are copied as they are. A kernel that reads the result reads the operand there instead, so
/// that these cost a step only where nobody else computes.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/move.h"
#include "plan/expr.h"
#include "plan/update.h"

#include <string.h>

static weft_status plain(struct weft_graph *g, const struct weft_type *t) {
    if (weft_ops_is_plain(t->dtype)) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "%s holds blocks, whose elements can't be moved; gather reads its rows",
                     weft_ops_type_text(g, t));
}

/// y[i] = x[from(i)], where `from` maps a coordinate of axis k of y to one of x's axis k. Axes are aligned at the last;
/// y may have more.
static weft_status map_host(const struct weft_eval *e,
                            int64_t (*from)(const struct weft_eval *e, uint32_t k, int64_t i)) {
    const struct weft_host *x = &e->in[0], *y = &e->out[0];
    double *owned;
    const double *data = weft_ops_dense(x, &owned);
    if (!data) return weft_fail(WEFT_ERR_NOMEM, "%s: out of memory", e->node->op->name);
    int64_t n = weft_host_count(y);
    for (int64_t i = 0; i < n; i++) {
        int64_t left = i, at = 0, stride = 1;
        for (uint32_t k = y->rank; k-- > y->rank - x->rank; left /= y->shape[k]) {
            uint32_t axis = k - (y->rank - x->rank);
            at += from(e, axis, left % y->shape[k]) * stride;
            stride *= x->shape[axis];
        }
        y->data[i] = data[at];
    }
    weft_free(owned);
    return WEFT_OK;
}

/// The same as instructions, for outputs of the operand's rank.
static uint32_t map_expr(struct weft_expr *e, const struct weft_node *n, const struct weft_at *at,
                         uint32_t (*from)(struct weft_expr *e, const struct weft_node *n, uint32_t k, uint32_t c)) {
    const struct weft_type *y = &weft_lv(e->step->l, n->out[0])->type;
    uint32_t c[WEFT_MAX_RANK] = {0};
    for (uint32_t k = 0; k < y->rank; k++) c[k] = from(e, n, k, weft_x_coord_of(e, at, y, k));
    return weft_x_value_at(e, n->in[0], c, WEFT_X_NONE, at);
}

/// True if the INT attribute `a`, which passed `infer`, is axis k of a value of rank `rank`.
static bool is_axis(int64_t a, uint32_t rank, uint32_t k) { return (a < 0 ? a + rank : a) == (int64_t)k; }

static const struct weft_type *operand_type(const struct weft_expr *e, const struct weft_node *n) {
    return &weft_lv(e->step->l, n->in[0])->type;
}

// ---- flip ----------------------------------------------------------------------------------------------------------

static weft_status flip_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                              const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    uint32_t seen = 0, axis;
    WEFT_TRY(plain(g, &in[0]));
    for (uint32_t k = 0; k < attrs[0].n; k++) {
        WEFT_TRY(weft_ops_axis(g, &in[0], attrs[0].ints[k], &axis));
        if (seen >> axis & 1)
            return weft_fail(WEFT_ERR_INVALID, "axes names axis %u of %s twice", axis, weft_ops_type_text(g, &in[0]));
        seen |= 1u << axis;
    }
    *out = in[0];
    return WEFT_OK;
}

static bool flips(const struct weft_attr *axes, uint32_t rank, uint32_t k) {
    bool listed = axes->n == 0;
    for (uint32_t i = 0; i < axes->n; i++) listed |= is_axis(axes->ints[i], rank, k);
    return listed;
}

static int64_t flip_from(const struct weft_eval *e, uint32_t k, int64_t i) {
    return flips(&e->attrs[0], e->in[0].rank, k) ? e->in[0].shape[k] - 1 - i : i;
}

static weft_status flip_eval(const struct weft_eval *e) { return map_host(e, flip_from); }

static uint32_t flip_coord(struct weft_expr *e, const struct weft_node *n, uint32_t k, uint32_t c) {
    const struct weft_type *x = operand_type(e, n);
    if (!flips(&n->attrs[0], x->rank, k) || weft_lower_const(e->step->l, x->dims[k]) == 1) return c;
    return weft_x_sub(e, weft_x_sub(e, weft_x_dim(e, x->dims[k]), weft_x_u32(e, 1)), c);
}

static uint32_t flip_expr(struct weft_expr *e, const struct weft_node *n, uint32_t out, const struct weft_at *at) {
    return (void)out, map_expr(e, n, at, flip_coord);
}

const struct weft_op weft_op_flip = {
    .name = "flip",
    .doc = "x -> y: the listed axes backwards; without axes all of them",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .traits = WEFT_OP_MOVE,
    .attrs = {{.name = "axes", .type = WEFT_ATTR_INTS}},
    .infer = flip_infer,
    .eval = flip_eval,
    .expr = flip_expr,
};

// ---- expand --------------------------------------------------------------------------------------------------------

static weft_status expand_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    weft_dim one = weft_dim_const(g->dims, 1), keep = weft_dim_const(g->dims, -1), zero = weft_dim_const(g->dims, 0);
    WEFT_TRY(plain(g, &in[0]));
    if (attrs[0].n < in[0].rank || attrs[0].n > WEFT_MAX_RANK)
        return weft_fail(WEFT_ERR_INVALID, "its shape has %u axes; for %s it has %u to %d", attrs[0].n,
                         weft_ops_type_text(g, &in[0]), in[0].rank, WEFT_MAX_RANK);
    *out = (struct weft_type){.dtype = in[0].dtype, .rank = attrs[0].n};
    for (uint32_t k = 0; k < out->rank; k++) {
        uint32_t fresh = out->rank - in[0].rank;
        weft_dim size = attrs[0].dims[k], have = k < fresh ? one : in[0].dims[k - fresh];
        if (size == keep && k < fresh)
            return weft_fail(WEFT_ERR_INVALID, "axis %u of its shape is -1, but %s has no such axis to keep", k,
                             weft_ops_type_text(g, &in[0]));
        out->dims[k] = size == keep ? have : size;
        if (size == keep || size == have) continue;
        if (have == one) WEFT_TRY(weft_graph_guard(g, zero, size, 0, "the least size is", "one of its sizes is"));
        else WEFT_TRY(weft_graph_guard_equal(g, have, size, 0, "an axis of more than one row has", "its shape says"));
    }
    return WEFT_OK;
}

static int64_t expand_from(const struct weft_eval *e, uint32_t k, int64_t i) { return e->in[0].shape[k] == 1 ? 0 : i; }

static weft_status expand_eval(const struct weft_eval *e) { return map_host(e, expand_from); }

/// Whoever asks for an element of a value with axes of one row has them repeated.
static uint32_t expand_expr(struct weft_expr *e, const struct weft_node *n, uint32_t out, const struct weft_at *at) {
    return (void)out, weft_x_value(e, n->in[0], at);
}

const struct weft_op weft_op_expand = {
    .name = "expand",
    .doc = "x -> y: x broadcast to a shape, in which -1 keeps an axis",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .traits = WEFT_OP_ELEMENTWISE | WEFT_OP_COPY,
    .laws = WEFT_LAW_SAME_TYPE,
    .attrs = {{.name = "shape", .type = WEFT_ATTR_DIMS, .required = true}},
    .infer = expand_infer,
    .eval = expand_eval,
    .expr = expand_expr,
};

// ---- tile ----------------------------------------------------------------------------------------------------------

static weft_status tile_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                              const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    weft_dim zero = weft_dim_const(g->dims, 0);
    WEFT_TRY(plain(g, &in[0]));
    if (attrs[0].n != in[0].rank)
        return weft_fail(WEFT_ERR_INVALID, "repeats lists %u numbers for the %u axes of %s; reshape x to have as many",
                         attrs[0].n, in[0].rank, weft_ops_type_text(g, &in[0]));
    *out = in[0];
    for (uint32_t k = 0; k < in[0].rank; k++) {
        WEFT_TRY(weft_graph_guard(g, zero, attrs[0].dims[k], 0, "it is repeated at least", "one of repeats is"));
        out->dims[k] = weft_dim_mul(g->dims, in[0].dims[k], attrs[0].dims[k]);
    }
    return WEFT_OK;
}

static int64_t tile_from(const struct weft_eval *e, uint32_t k, int64_t i) { return i % e->in[0].shape[k]; }

static weft_status tile_eval(const struct weft_eval *e) { return map_host(e, tile_from); }

static uint32_t tile_coord(struct weft_expr *e, const struct weft_node *n, uint32_t k, uint32_t c) {
    if (weft_lower_const(e->step->l, n->attrs[0].dims[k]) == 1) return c;
    return weft_x_mod(e, c, weft_x_dim(e, operand_type(e, n)->dims[k]));
}

static uint32_t tile_expr(struct weft_expr *e, const struct weft_node *n, uint32_t out, const struct weft_at *at) {
    return (void)out, map_expr(e, n, at, tile_coord);
}

const struct weft_op weft_op_tile = {
    .name = "tile",
    .doc = "x -> y: x side by side with itself, repeats[k] times along axis k",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .traits = WEFT_OP_MOVE,
    .laws = WEFT_LAW_SAME_TYPE,
    .attrs = {{.name = "repeats", .type = WEFT_ATTR_DIMS, .required = true}},
    .infer = tile_infer,
    .eval = tile_eval,
    .expr = tile_expr,
};

// ---- repeat --------------------------------------------------------------------------------------------------------

enum { TIMES, REPEAT_AXIS };

static weft_status repeat_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    uint32_t axis;
    WEFT_TRY(plain(g, &in[0]));
    WEFT_TRY(weft_ops_axis(g, &in[0], attrs[REPEAT_AXIS].i, &axis));
    WEFT_TRY(weft_graph_guard(g, weft_dim_const(g->dims, 0), attrs[TIMES].d, 0, "it is repeated at least", "times is"));
    *out = in[0];
    out->dims[axis] = weft_dim_mul(g->dims, in[0].dims[axis], attrs[TIMES].d);
    return WEFT_OK;
}

static int64_t repeat_from(const struct weft_eval *e, uint32_t k, int64_t i) {
    bool mine = is_axis(e->attrs[REPEAT_AXIS].i, e->in[0].rank, k);
    return mine ? i / weft_dim_eval(e->dims, e->attrs[TIMES].d, e->symbols) : i;
}

static weft_status repeat_eval(const struct weft_eval *e) { return map_host(e, repeat_from); }

static uint32_t repeat_coord(struct weft_expr *e, const struct weft_node *n, uint32_t k, uint32_t c) {
    if (!is_axis(n->attrs[REPEAT_AXIS].i, operand_type(e, n)->rank, k)) return c;
    return weft_x_div(e, c, weft_x_dim(e, n->attrs[TIMES].d));
}

static uint32_t repeat_expr(struct weft_expr *e, const struct weft_node *n, uint32_t out, const struct weft_at *at) {
    return (void)out, map_expr(e, n, at, repeat_coord);
}

const struct weft_op weft_op_repeat = {
    .name = "repeat",
    .doc = "x -> y: each row of an axis `times` times in a row",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .traits = WEFT_OP_MOVE,
    .laws = WEFT_LAW_SAME_TYPE,
    .attrs = {{.name = "times", .type = WEFT_ATTR_DIM, .required = true},
              {.name = "axis", .type = WEFT_ATTR_INT, .lo = -WEFT_MAX_RANK, .hi = WEFT_MAX_RANK - 1}},
    .infer = repeat_infer,
    .eval = repeat_eval,
    .expr = repeat_expr,
};

// ---- roll ----------------------------------------------------------------------------------------------------------

enum { SHIFT, ROLL_AXIS };

static weft_status roll_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                              const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    uint32_t axis;
    WEFT_TRY(plain(g, &in[0]));
    WEFT_TRY(weft_ops_axis(g, &in[0], attrs[ROLL_AXIS].i, &axis));
    *out = in[0];
    return WEFT_OK;
}

static int64_t roll_from(const struct weft_eval *e, uint32_t k, int64_t i) {
    int64_t n = e->in[0].shape[k];
    return is_axis(e->attrs[ROLL_AXIS].i, e->in[0].rank, k) ? ((i - e->attrs[SHIFT].i) % n + n) % n : i;
}

static weft_status roll_eval(const struct weft_eval *e) { return map_host(e, roll_from); }

/// Row c comes from c + n - shift, or from c - shift where the shift goes down, both modulo n.
static uint32_t roll_coord(struct weft_expr *e, const struct weft_node *n, uint32_t k, uint32_t c) {
    int64_t shift = n->attrs[SHIFT].i;
    if (!is_axis(n->attrs[ROLL_AXIS].i, operand_type(e, n)->rank, k)) return c;
    uint32_t size = weft_x_dim(e, operand_type(e, n)->dims[k]);
    uint32_t by = weft_x_mod(e, weft_x_u32(e, (uint32_t)(shift < 0 ? -shift : shift)), size);
    return weft_x_mod(e, weft_x_add(e, c, shift < 0 ? by : weft_x_sub(e, size, by)), size);
}

static uint32_t roll_expr(struct weft_expr *e, const struct weft_node *n, uint32_t out, const struct weft_at *at) {
    return (void)out, map_expr(e, n, at, roll_coord);
}

const struct weft_op weft_op_roll = {
    .name = "roll",
    .doc = "x -> y: rows of an axis moved up by shift; what leaves one end enters at the other",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .traits = WEFT_OP_MOVE,
    .attrs = {{.name = "shift", .type = WEFT_ATTR_INT, .required = true, .lo = -2147483647.0, .hi = 2147483647.0},
              {.name = "axis", .type = WEFT_ATTR_INT, .lo = -WEFT_MAX_RANK, .hi = WEFT_MAX_RANK - 1}},
    .infer = roll_infer,
    .eval = roll_eval,
    .expr = roll_expr,
};
