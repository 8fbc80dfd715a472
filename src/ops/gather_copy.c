/// y[ids..., :] = x[id, :]: what gather gives of a table whose elements are copied as they are.
///
/// x[V, ...] of any plain type with a row at least, ids[n...] (i32 or u32), y[n..., ...] of x's type. Ids count as
/// gather's do: a negative one from the end, and what then lies outside is clamped to the first or last row.
///
/// An index map: kernels that read the result find the element in x by the id, so that it costs no step of its own
/// where somebody else computes.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/move.h"
#include "plan/expr.h"

#include <string.h>

enum { TABLE, IDS };

static weft_status gather_copy_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                     const struct weft_attr *attrs, struct weft_type *out) {
    const struct weft_type *x = &in[TABLE], *ids = &in[IDS];
    int64_t least, most;
    (void)n_in;
    (void)attrs;
    if (!weft_ops_is_plain(x->dtype) || x->rank == 0)
        return weft_fail(WEFT_ERR_INVALID, "the table is %s; it takes a plain type with an axis of rows",
                         weft_ops_type_text(g, x));
    if ((ids->dtype != WEFT_U32 && ids->dtype != WEFT_I32) || ids->rank + x->rank - 1 > WEFT_MAX_RANK)
        return weft_fail(WEFT_ERR_INVALID, "ids are %s; it takes u32 or i32 of at most %u axes",
                         weft_ops_type_text(g, ids), WEFT_MAX_RANK + 1 - x->rank);
    weft_dim_bounds(g->dims, x->dims[0], &least, &most);
    if (least < 1) return weft_fail(WEFT_ERR_INVALID, "the table %s may have no rows", weft_ops_type_text(g, x));
    *out = *ids;
    out->dtype = x->dtype;
    for (uint32_t k = 1; k < x->rank; k++) out->dims[out->rank++] = x->dims[k];
    return WEFT_OK;
}

static weft_status gather_copy_eval(const struct weft_eval *e) {
    const struct weft_host *x = &e->in[TABLE], *ids = &e->in[IDS];
    int64_t rows = x->shape[0], width = weft_host_count(x) / rows, n = weft_host_count(ids);
    double *owned;
    const double *data = weft_ops_dense(x, &owned);
    if (!data) return weft_fail(WEFT_ERR_NOMEM, "gather: out of memory");
    for (int64_t i = 0; i < n && width; i++) {
        int64_t id = weft_ops_row(ids->data[i], rows);
        memcpy(e->out[0].data + i * width, data + id * width, (size_t)width * sizeof *data);
    }
    weft_free(owned);
    return WEFT_OK;
}

/// The row that an id names.
static uint32_t row_of(struct weft_expr *e, uint32_t id, bool is_signed, uint32_t rows) {
    uint32_t row = weft_x_min(e, id, weft_x_sub(e, rows, weft_x_u32(e, 1)));
    if (!is_signed) return row;
    uint32_t back = weft_x_add(e, id, rows); // of an id below 0, which is a large number here, it wraps
    back = weft_x_select(e, weft_x_less(e, back, rows), back, weft_x_u32(e, 0));
    return weft_x_select(e, weft_x_less(e, id, weft_x_u32(e, 1u << 31)), row, back);
}

static uint32_t gather_copy_expr(struct weft_expr *e, const struct weft_node *n, uint32_t out,
                                 const struct weft_at *at) {
    struct weft_lower *l = e->step->l;
    const struct weft_type *x = &weft_lv(l, n->in[TABLE])->type, *ids = &weft_lv(l, n->in[IDS])->type;
    const struct weft_type *y = &weft_lv(l, n->out[out])->type;
    uint32_t c[WEFT_MAX_RANK] = {0}, from[WEFT_MAX_RANK] = {0};
    for (uint32_t k = 0; k < y->rank; k++) c[k] = weft_x_coord_of(e, at, y, k);
    uint32_t id = weft_x_as_bits(e, WEFT_X_U32, weft_x_value_at(e, n->in[IDS], c, WEFT_X_NONE, at));
    if (l->status != WEFT_OK) return 0;
    from[0] = row_of(e, id, ids->dtype == WEFT_I32, weft_x_dim(e, x->dims[0]));
    for (uint32_t k = 1; k < x->rank; k++) from[k] = c[ids->rank + k - 1];
    return weft_x_value_at(e, n->in[TABLE], from, WEFT_X_NONE, at);
}

const struct weft_op weft_op_gather_copy = {
    .name = "gather_copy",
    .doc = "table, ids -> y: what gather gives of a plain type, as it is; a negative id counts from the end",
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out = 1,
    .traits = WEFT_OP_MOVE,
    .infer = gather_copy_infer,
    .eval = gather_copy_eval,
    .expr = gather_copy_expr,
};
