/// Places in a scalar program: coordinates and element numbers of values at a point, at coordinates, or behind views,
/// which give the elements of their operand other coordinates and the same numbers.
#include "plan/expr.h"
#include "plan/expr_impl.h"
#include <string.h>

static bool is_one(const struct weft_expr *e, weft_dim d) { return weft_lower_const(e->step->l, d) == 1; }

static const struct weft_type *space_at(const struct weft_expr *e, const struct weft_at *at) {
    return at->space ? at->space : &e->space;
}

static uint32_t cols_at(const struct weft_expr *e, const struct weft_at *at) { return at->space ? at->cols : e->cols; }

// ---- places --------------------------------------------------------------------------------------------------------

/// Part of the row or the column that axes [first, last] of the space have, all of one side, as a number in row-major
/// order.
static uint32_t run_of(struct weft_expr *e, const struct weft_at *at, uint32_t first, uint32_t last) {
    struct weft_dims *dims = e->step->l->graph->dims;
    const struct weft_type *space = space_at(e, at);
    uint32_t cols = cols_at(e, at);
    bool col = cols >> first & 1, outermost = true;
    weft_dim below = weft_dim_const(dims, 1), size = below;
    for (uint32_t a = last + 1; a < space->rank; a++)
        if ((bool)(cols >> a & 1) == col) below = weft_dim_mul(dims, below, space->dims[a]);
    for (uint32_t a = first; a <= last; a++) size = weft_dim_mul(dims, size, space->dims[a]);
    for (uint32_t a = 0; a < first; a++)
        if ((bool)(cols >> a & 1) == col && !is_one(e, space->dims[a])) outermost = false;
    uint32_t x = weft_x_div(e, col ? at->col : at->row, weft_x_dim(e, below));
    return outermost ? x : weft_x_mod(e, x, weft_x_dim(e, size));
}

uint32_t weft_x_coord(struct weft_expr *e, const struct weft_at *at, uint32_t rank, uint32_t axis) {
    if (at->explicit_) return at->c[axis + at->rank - rank];
    const struct weft_type *space = space_at(e, at);
    uint32_t a = axis + space->rank - rank;
    return a < space->rank ? run_of(e, at, a, a) : weft_x_u32(e, 0);
}

uint32_t weft_x_coord_of(struct weft_expr *e, const struct weft_at *at, const struct weft_type *t, uint32_t axis) {
    return is_one(e, t->dims[axis]) ? weft_x_u32(e, 0) : weft_x_coord(e, at, t->rank, axis);
}

static uint32_t index_at(struct weft_expr *e, const struct weft_type *t, const struct weft_at *at) {
    struct weft_dims *dims = e->step->l->graph->dims;
    weft_dim stride = weft_dim_const(dims, 1);
    uint32_t index = weft_x_u32(e, 0);
    for (uint32_t k = t->rank; k-- > 0;) {
        if (is_one(e, t->dims[k])) continue;
        index = weft_x_add(e, weft_x_mul(e, weft_x_coord(e, at, t->rank, k), weft_x_dim(e, stride)), index);
        stride = weft_dim_mul(dims, stride, t->dims[k]);
    }
    return index;
}

/// Adjacent axes of one side that the value has, too, count as one: row-major order makes them a single number.
static uint32_t index_of_point(struct weft_expr *e, const struct weft_type *t, const struct weft_at *at) {
    struct weft_dims *dims = e->step->l->graph->dims;
    const struct weft_type *space = space_at(e, at);
    weft_dim stride = weft_dim_const(dims, 1);
    uint32_t index = weft_x_u32(e, 0), r = space->rank, cols = cols_at(e, at);
    for (uint32_t a = r; a-- > 0;) {
        int k = (int)t->rank - (int)(r - a);
        if (k < 0) break;
        if (is_one(e, t->dims[k])) continue;
        uint32_t last = a;
        weft_dim size = t->dims[k];
        for (; a > 0 && k > 0; a--, k--) { // take what stands in front along
            bool unit = is_one(e, space->dims[a - 1]);
            if (!unit && (is_one(e, t->dims[k - 1]) || (cols >> (a - 1) & 1) != (cols >> last & 1))) break;
            if (unit) continue;
            size = weft_dim_mul(dims, size, t->dims[k - 1]);
        }
        while (a < last && (cols >> a & 1) != (cols >> last & 1)) a++; // axes of one row, of the other side
        index = weft_x_add(e, weft_x_mul(e, run_of(e, at, a, last), weft_x_dim(e, stride)), index);
        stride = weft_dim_mul(dims, stride, size);
    }
    return index;
}

uint32_t weft_x_index(struct weft_expr *e, const struct weft_type *t, const struct weft_at *at) {
    return at->explicit_ || t->rank > space_at(e, at)->rank ? index_at(e, t, at) : index_of_point(e, t, at);
}

// ---- other shapes --------------------------------------------------------------------------------------------------

/// True if t is the space with one element along all column axes.
static bool row_of_space(const struct weft_expr *e, const struct weft_type *t) {
    if (t->rank != e->shape.rank) return false;
    for (uint32_t a = 0; a < t->rank; a++)
        if (e->cols >> a & 1 ? !is_one(e, t->dims[a]) : t->dims[a] != e->shape.dims[a]) return false;
    return true;
}

static weft_dim elements(const struct weft_expr *e, const struct weft_type *t, uint32_t first) {
    return weft_lower_product(e->step->l, t, first, t->rank);
}

uint32_t weft_x_number(struct weft_expr *e) {
    const struct weft_at point = weft_x_point(e);
    if (e->x_number == WEFT_X_NONE) e->x_number = weft_x_index(e, &e->shape, &point);
    return e->x_number;
}

bool weft_x_is_row_number(const struct weft_expr *e, uint32_t number) {
    const struct weft_x *x = &e->x[number];
    return number == e->x_row || (is_one(e, e->rows) && x->op == WEFT_XOP_CONST && x->u == 0);
}

bool weft_x_is_whole(struct weft_expr *e, const struct weft_type *t, const struct weft_at *at) {
    return !at->explicit_ && at->when == WEFT_X_NONE && elements(e, t, 0) == elements(e, &e->shape, 0) &&
           weft_x_index(e, t, at) == weft_x_number(e);
}

/// The element of number `number` of a value of type t. What has the number of the element at the point is there, with
/// rows and columns that are those of the point where the last axes make a column: then what is one a row stays so.
static struct weft_at place_at(struct weft_expr *e, const struct weft_type *t, uint32_t number, uint32_t when) {
    struct weft_at at = weft_x_point(e);
    uint32_t here = weft_x_number(e);
    if (when == WEFT_X_NONE && number == here && weft_type_same_dims(t, &e->shape)) return at;
    if (when == WEFT_X_NONE && number != here && weft_x_is_row_number(e, number) && row_of_space(e, t)) return at;
    at.when = when;
    at.space = t;
    for (uint32_t k = t->rank + 1; number == here && e->suffix && !e->flat && k-- > 0;) {
        if (elements(e, t, k) != e->n) continue;
        at.cols = ((1u << t->rank) - 1) & ~((1u << k) - 1);
        return at;
    }
    at.cols = (1u << t->rank) - 1;
    at.row = weft_x_u32(e, 0);
    at.col = number;
    return at;
}

struct weft_at weft_x_place_of(struct weft_expr *e, const struct weft_type *t) {
    weft_dim n = elements(e, t, 0);
    if (weft_type_same_dims(t, &e->shape) || row_of_space(e, t)) return weft_x_point(e);
    if (n == elements(e, &e->shape, 0)) return place_at(e, t, weft_x_number(e), WEFT_X_NONE);
    return n == e->rows && !e->flat ? place_at(e, t, e->x_row, WEFT_X_NONE) : weft_x_point(e);
}

struct weft_at weft_x_behind_view(struct weft_expr *e, const struct weft_type *x, const struct weft_type *y,
                                  const struct weft_at *at) {
    return place_at(e, x, weft_x_index(e, y, at), at->when);
}
