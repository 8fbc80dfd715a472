/// Copies by strides, and the operators that are nothing else.
///
///   transpose(x; perm)                    axis k of y is axis perm[k] of x; without perm the axes are reversed
///   slice_copy(x; start, len, axis, drop) rows start .. start+len of an axis, as a copy (slice says when it is a
///                                         view; schedules of one row make it one); with drop the axis, of one row,
///                                         goes away
///   pad(x; before, after, value)          `value` around x: before[k] rows in front of axis k, after[k] behind it
///
/// All plain types. Elements are copied as they are; `value` is rounded to the type of x.
#include "ops/move.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/half.h"
#include "plan/update.h"

#include <math.h>
#include <string.h>

// ---- shared --------------------------------------------------------------------------------------------------------

weft_status weft_move_axis(struct weft_graph *g, const struct weft_type *t, int64_t axis, uint32_t *out) {
    int64_t a = axis < 0 ? axis + t->rank : axis;
    *out = 0;
    if (a < 0 || a >= t->rank)
        return weft_fail(WEFT_ERR_INVALID, "%s has no axis %lld", weft_ops_type_text(g, t), (long long)axis);
    *out = (uint32_t)a;
    return WEFT_OK;
}

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
                            weft_dim len) {
    weft_dim zero = weft_dim_const(g->dims, 0), end = weft_dim_add(g->dims, start, len), size = t->dims[axis];
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

void weft_move_host(const double *x, double *y, int64_t outer, int64_t size, int64_t start, int64_t len,
                    int64_t inner) {
    for (int64_t o = 0; o < outer && len * inner > 0; o++)
        memcpy(y + o * len * inner, x + (o * size + start) * inner, (size_t)(len * inner) * sizeof *y);
}

static bool half(weft_dtype d) { return d == WEFT_F16 || d == WEFT_BF16; }

void weft_move_words(struct weft_lower *l, struct weft_step *s, weft_dtype dtype) {
    uint32_t halves = 0;
    for (uint32_t i = 0; i < s->n_operands && l->status == WEFT_OK; i++) {
        struct weft_operand *o = &s->operands[i];
        if (half(o->dtype)) o->flags |= WEFT_OPERAND_BITS;
        else if (!half(dtype)) o->dtype = WEFT_U32;
        halves |= (uint32_t)half(o->dtype) << i;
    }
    weft_emit_int(l, s, "HALF", half(dtype));
    weft_emit_int(l, s, "HALVES", halves);
}

bool weft_move_quads(struct weft_lower *l, weft_dim d) {
    int64_t c;
    return weft_dim_is_const(l->graph->dims, weft_dim_mod(l->graph->dims, d, 4), &c) && c == 0;
}

const char *weft_move_label(struct weft_lower *l, const struct weft_node *node) {
    const char *text = weft_arena_printf(&l->plan->arena, "%s%s%s", node->op->name, node->name ? " " : "",
                                         node->name ? node->name : "");
    return text ? text : node->op->name;
}

static uint32_t live(const struct weft_update *u, weft_dim d) {
    int64_t x = weft_live(u, d);
    return x > 0 ? (uint32_t)x : 0;
}

// ---- the copy ------------------------------------------------------------------------------------------------------

#define MOVE_PARAMS(F)                                                                                                 \
    F(u32, n) F(u32, base)                                                                                             \
    F(u32, d0) F(u32, s0) F(u32, d1) F(u32, s1) F(u32, d2) F(u32, s2) F(u32, d3) F(u32, s3)                            \
    F(u32, d4) F(u32, s4) F(u32, d5) F(u32, s5) F(u32, d6) F(u32, s6) F(u32, d7) F(u32, s7)
WEFT_PARAMS(move_params, MOVE_PARAMS)
enum { MOVE_N, MOVE_BASE, MOVE_AXES }; ///< then a size and a stride for each axis; a step has those of its axes only

struct move_cfg {
    struct weft_move m;
    uint32_t unit; ///< elements that one word of the parameters counts: 1 or 4
    uint32_t per;  ///< elements that a thread moves: 1, 2 or 4
    uint32_t threads;
};

static void move_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct move_cfg *cfg = u->step->cfg;
    uint32_t last = cfg->m.rank - 1;
    uint64_t n = 1;
    for (uint32_t k = 0; k < cfg->m.rank; k++) {
        uint32_t d = live(u, cfg->m.dims[k]), s = live(u, cfg->m.strides[k]);
        n *= d;
        words[MOVE_AXES + 2 * k] = k == last ? d / cfg->unit : d;
        words[MOVE_AXES + 2 * k + 1] = k == last ? s : s / cfg->unit;
    }
    words[MOVE_N] = (uint32_t)(n / cfg->unit);
    words[MOVE_BASE] = live(u, cfg->m.base) / cfg->unit;
    uint64_t items = (n + cfg->per - 1) / cfg->per;
    weft_grid_fold((items + cfg->threads - 1) / cfg->threads, u->caps->max_groups, grid);
}

static const struct weft_kernel move_kernel = {"move", "ops/move.wgsl", move_params_fields, move_update};

/// True if whole vec4 may be moved: the last axis stays together, and everything starts at a multiple of 4.
static bool quads(struct weft_lower *l, const struct weft_node *node, const struct weft_move *m) {
    int64_t step;
    bool wide = weft_dim_is_const(l->graph->dims, m->strides[m->rank - 1], &step) && step == 1 &&
                weft_lower_wide(l, node->in[0]) && weft_move_quads(l, m->dims[m->rank - 1]) &&
                weft_move_quads(l, m->base);
    for (uint32_t k = 0; k + 1 < m->rank; k++) wide &= weft_move_quads(l, m->strides[k]);
    return wide;
}

weft_status weft_move_emit(struct weft_lower *l, const struct weft_node *node, const struct weft_move *m) {
    weft_dtype dtype = weft_lv(l, node->out[0])->type.dtype;
    struct move_cfg cfg = {.m = *m, .unit = quads(l, node, m) ? 4 : 1, .threads = weft_move_threads(l)};
    cfg.per = cfg.unit == 4 ? 4 : half(dtype) ? 2 : 1;
    struct weft_step *s = weft_emit(l, &move_kernel, weft_move_label(l, node), &cfg, sizeof cfg);
    s->n_fields = MOVE_AXES + 2 * m->rank;
    weft_lower_place(l, node->out[0]);
    uint8_t flags = cfg.unit == 4 ? WEFT_OPERAND_WIDE : 0;
    weft_emit_value(l, s, "x", WEFT_READ, node->in[0], flags);
    uint32_t y = weft_emit_value(l, s, "y", WEFT_WRITE, node->out[0], flags);
    weft_move_words(l, s, dtype);
    weft_emit_int(l, s, "R", m->rank);
    weft_emit_int(l, s, "PER", cfg.per);
    weft_emit_int(l, s, "WIDE", cfg.unit == 4);
    weft_emit_workgroup(s, cfg.threads, 0);
    weft_emit_items(s, cfg.threads);
    weft_emit_reach(s, y, 1, cfg.per);
    return l->status;
}

// ---- transpose -----------------------------------------------------------------------------------------------------

static weft_status permutation(struct weft_graph *g, const struct weft_type *t, const struct weft_attr *a,
                               uint32_t perm[WEFT_MAX_RANK]) {
    uint32_t seen = 0;
    if (a->n && a->n != t->rank)
        return weft_fail(WEFT_ERR_INVALID, "perm lists %u axes of %s", a->n, weft_ops_type_text(g, t));
    for (uint32_t k = 0; k < t->rank; k++) {
        perm[k] = t->rank - 1 - k;
        if (a->n) WEFT_TRY(weft_move_axis(g, t, a->ints[k], &perm[k]));
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

/// Axes that stay side by side count as one.
static weft_status transpose_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_type *x = &weft_lv(l, node->in[0])->type;
    uint32_t perm[WEFT_MAX_RANK];
    struct weft_move m = {.base = weft_dim_const(l->graph->dims, 0)};
    WEFT_TRY(permutation(l->graph, x, &node->attrs[0], perm));
    for (uint32_t k = 0; k < x->rank; k++) {
        weft_dim size = x->dims[perm[k]];
        if (k && perm[k] == perm[k - 1] + 1) size = weft_dim_mul(l->graph->dims, m.dims[--m.rank], size);
        m.dims[m.rank] = size;
        m.strides[m.rank++] = weft_lower_product(l, x, perm[k] + 1, x->rank);
    }
    if (m.rank == 0) {
        m.dims[0] = m.strides[0] = weft_dim_const(l->graph->dims, 1);
        m.rank = 1;
    }
    return weft_move_emit(l, node, &m);
}

const struct weft_op weft_op_transpose = {
    .name = "transpose",
    .doc = "x -> y: axis k of y is axis perm[k] of x; without perm the axes are reversed",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .attrs = {{.name = "perm", .type = WEFT_ATTR_INTS}},
    .infer = transpose_infer,
    .eval = transpose_eval,
    .lower = transpose_lower,
};

// ---- slice_copy ----------------------------------------------------------------------------------------------------

enum { START, LEN, AXIS, DROP };

static weft_status slice_copy_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                    const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    uint32_t axis;
    WEFT_TRY(plain(g, &in[0]));
    WEFT_TRY(weft_move_axis(g, &in[0], attrs[AXIS].i, &axis));
    weft_dim start = weft_move_start(g, attrs[START].d, in[0].dims[axis]);
    WEFT_TRY(weft_move_guard(g, &in[0], axis, start, attrs[LEN].d));
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
    int64_t axis = e->attrs[AXIS].i < 0 ? e->attrs[AXIS].i + x->rank : e->attrs[AXIS].i, outer = 1, inner = 1;
    int64_t start = weft_dim_eval(e->dims, e->attrs[START].d, e->symbols), c;
    if (weft_dim_is_const(e->dims, e->attrs[START].d, &c) && c < 0) start += x->shape[axis];
    int64_t len = weft_dim_eval(e->dims, e->attrs[LEN].d, e->symbols);
    if (start < 0 || len < 0 || start > x->shape[axis] - len)
        return weft_fail(WEFT_ERR_INVALID, "rows %lld to %lld of %lld", (long long)start, (long long)(start + len),
                         (long long)x->shape[axis]);
    for (int64_t i = 0; i < axis; i++) outer *= x->shape[i];
    for (int64_t i = axis + 1; i < x->rank; i++) inner *= x->shape[i];
    double *owned;
    const double *data = weft_ops_dense(x, &owned);
    if (!data) return weft_fail(WEFT_ERR_NOMEM, "out of memory");
    weft_move_host(data, e->out[0].data, outer, x->shape[axis], start, len, inner);
    weft_free(owned);
    return WEFT_OK;
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
/// same memory, and not as an output, or what an output shows whole: that has memory of its own. What no binding holds
/// is cut by a copy better than by all who read a slice of it.
static bool lies_in_one(struct weft_lower *l, const struct weft_node *node, const struct weft_move *m) {
    const struct weft_value_info *out = weft_lv(l, node->out[0]),
                                 *base = weft_lv(l, weft_graph_base(l->graph, node->in[0]));
    if (weft_lower_max(l, m->dims[0]) > 1 || out->is_output || weft_lower_deferred(l, node->in[0])) return false;
    if (l->output_view && l->output_view[node->out[0]] != WEFT_NO_VALUE) return false;
    if (base->state != UINT32_MAX) return false;
    weft_lower_place(l, node->in[0]);
    if (l->status != WEFT_OK || l->tensors[l->places[node->in[0]].tensor].bytes > l->caps->max_binding) return false;
    return !seen_wider(l, node->out[0]);
}

static weft_status slice_copy_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_type *x = &weft_lv(l, node->in[0])->type;
    struct weft_dims *dims = l->graph->dims;
    uint32_t axis;
    WEFT_TRY(weft_move_axis(l->graph, x, node->attrs[AXIS].i, &axis));
    weft_dim inner = weft_lower_product(l, x, axis + 1, x->rank), one = weft_dim_const(dims, 1);
    weft_dim start = weft_move_start(l->graph, node->attrs[START].d, x->dims[axis]);
    struct weft_move m = {
        .rank = 2,
        .dims = {weft_lower_product(l, x, 0, axis), weft_dim_mul(dims, node->attrs[LEN].d, inner)},
        .strides = {weft_dim_mul(dims, x->dims[axis], inner), one},
        .base = weft_dim_mul(dims, start, inner),
    };
    if (lies_in_one(l, node, &m)) return weft_lower_view(l, node->out[0], node->in[0], m.base);
    return weft_move_emit(l, node, &m);
}

const struct weft_op weft_op_slice_copy = {
    .name = "slice_copy",
    .doc = "x -> y: what slice gives, as a copy; with drop the axis, of one row, goes away",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .attrs = {{.name = "start", .type = WEFT_ATTR_DIM, .required = true},
              {.name = "len", .type = WEFT_ATTR_DIM, .required = true},
              {.name = "axis", .type = WEFT_ATTR_INT, .lo = -WEFT_MAX_RANK, .hi = WEFT_MAX_RANK - 1},
              {.name = "drop", .type = WEFT_ATTR_INT, .lo = 0, .hi = 1}},
    .infer = slice_copy_infer,
    .eval = slice_copy_eval,
    .lower = slice_copy_lower,
};

// ---- pad -----------------------------------------------------------------------------------------------------------

#define PAD_PARAMS(F)                                                                                                  \
    F(u32, n) F(u32, value)                                                                                            \
    F(u32, d0) F(u32, x0) F(u32, b0) F(u32, d1) F(u32, x1) F(u32, b1) F(u32, d2) F(u32, x2) F(u32, b2)                 \
    F(u32, d3) F(u32, x3) F(u32, b3) F(u32, d4) F(u32, x4) F(u32, b4) F(u32, d5) F(u32, x5) F(u32, b5)                 \
    F(u32, d6) F(u32, x6) F(u32, b6) F(u32, d7) F(u32, x7) F(u32, b7)
WEFT_PARAMS(pad_params, PAD_PARAMS)
enum { PAD_N, PAD_VALUE, PAD_AXES }; ///< then sizes of y and of x, and the padding in front, for each axis
enum { BEFORE, AFTER, VALUE };

struct pad_cfg {
    uint32_t rank, value, per, threads;
    weft_dim dims[WEFT_MAX_RANK], from[WEFT_MAX_RANK], before[WEFT_MAX_RANK];
};

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
        out->dims[k] = weft_dim_add(g->dims, weft_dim_add(g->dims, attrs[BEFORE].dims[k], in[0].dims[k]),
                                    attrs[AFTER].dims[k]);
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

static void pad_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct pad_cfg *cfg = u->step->cfg;
    uint64_t n = 1;
    for (uint32_t k = 0; k < cfg->rank; k++) {
        n *= words[PAD_AXES + 3 * k] = live(u, cfg->dims[k]);
        words[PAD_AXES + 3 * k + 1] = live(u, cfg->from[k]);
        words[PAD_AXES + 3 * k + 2] = live(u, cfg->before[k]);
    }
    words[PAD_N] = (uint32_t)n;
    words[PAD_VALUE] = cfg->value;
    uint64_t items = (n + cfg->per - 1) / cfg->per;
    weft_grid_fold((items + cfg->threads - 1) / cfg->threads, u->caps->max_groups, grid);
}

static const struct weft_kernel pad_kernel = {"pad", "ops/pad.wgsl", pad_params_fields, pad_update};

static weft_status pad_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_type *x = &weft_lv(l, node->in[0])->type, *y = &weft_lv(l, node->out[0])->type;
    struct pad_cfg cfg = {.rank = x->rank, .per = half(x->dtype) ? 2 : 1, .threads = weft_move_threads(l)};
    float value = (float)node->attrs[VALUE].f;
    if (x->dtype == WEFT_F16) cfg.value = weft_f32_to_f16(value);
    else if (x->dtype == WEFT_BF16) cfg.value = weft_f32_to_bf16(value);
    else if (x->dtype == WEFT_F32) memcpy(&cfg.value, &value, 4);
    else cfg.value = (uint32_t)(int64_t)node->attrs[VALUE].f;
    for (uint32_t k = 0; k < x->rank; k++) {
        cfg.dims[k] = y->dims[k];
        cfg.from[k] = x->dims[k];
        cfg.before[k] = node->attrs[BEFORE].dims[k];
    }
    struct weft_step *s = weft_emit(l, &pad_kernel, weft_move_label(l, node), &cfg, sizeof cfg);
    s->n_fields = PAD_AXES + 3 * x->rank;
    weft_lower_place(l, node->out[0]);
    weft_emit_value(l, s, "x", WEFT_READ, node->in[0], 0);
    uint32_t to = weft_emit_value(l, s, "y", WEFT_WRITE, node->out[0], 0);
    weft_move_words(l, s, x->dtype);
    weft_emit_int(l, s, "R", x->rank);
    weft_emit_workgroup(s, cfg.threads, 0);
    weft_emit_items(s, cfg.threads);
    weft_emit_reach(s, to, 1, cfg.per);
    return l->status;
}

const struct weft_op weft_op_pad = {
    .name = "pad",
    .doc = "x -> y: a value around x",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .attrs = {{.name = "before", .type = WEFT_ATTR_DIMS, .required = true},
              {.name = "after", .type = WEFT_ATTR_DIMS, .required = true},
              {.name = "value", .type = WEFT_ATTR_FLOAT}},
    .infer = pad_infer,
    .eval = pad_eval,
    .lower = pad_lower,
};
