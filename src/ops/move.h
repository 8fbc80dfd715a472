/// What the movement operators share: axes and slices. Only src/ops includes this.
#ifndef WEFT_OPS_MOVE_H
#define WEFT_OPS_MOVE_H
#include "ops/shape.h"
#include "plan/lower.h"

/// Start of a slice: a constant below 0 counts from the end of the axis.
weft_dim weft_move_start(struct weft_graph *g, weft_dim start, weft_dim size);
/// Rows start, start+step, ... of an axis, `len` of them: refused where they never lie inside, guarded where they may
/// not. step is above 0.
weft_status weft_move_guard(struct weft_graph *g, const struct weft_type *t, uint32_t axis, weft_dim start,
                            weft_dim len, int64_t step);
/// Product of dims [first, last).
weft_dim weft_move_product(struct weft_graph *g, const weft_dim *dims, uint32_t first, uint32_t last);

/// Host: row r of y along an axis (below 0: from the last) is row start + r * step of x.
weft_status weft_move_host(const struct weft_host *x, double *y, int64_t axis, int64_t start, int64_t len,
                           int64_t step);

/// "concat name" in the plan's arena.
const char *weft_move_label(struct weft_lower *l, const struct weft_node *node);
static inline uint32_t weft_move_threads(const struct weft_lower *l) {
    return weft_tile_of(l->profile, WEFT_TILE_ELEMENTS, 0)->threads;
}
#endif
