/// What the movement operators share: axes and slices. Only src/ops includes this.
#ifndef WEFT_OPS_MOVE_H
#define WEFT_OPS_MOVE_H
#include "ops/shape.h"
#include "plan/lower.h"

/// Start of a slice: a constant below 0 counts from the end of the axis.
weft_dim weft_move_start(struct weft_graph *g, weft_dim start, weft_dim size);
/// start .. start+len of an axis: refused where it never lies inside, guarded where it may not.
weft_status weft_move_guard(struct weft_graph *g, const struct weft_type *t, uint32_t axis, weft_dim start,
                            weft_dim len);
/// Product of dims [first, last).
weft_dim weft_move_product(struct weft_graph *g, const weft_dim *dims, uint32_t first, uint32_t last);

/// Host: y[o, r, i] = x[o, start + r, i] with `inner` elements behind and `outer` in front of the axis.
void weft_move_host(const double *x, double *y, int64_t outer, int64_t size, int64_t start, int64_t len, int64_t inner);

/// "concat name" in the plan's arena.
const char *weft_move_label(struct weft_lower *l, const struct weft_node *node);
static inline uint32_t weft_move_threads(const struct weft_lower *l) {
    return weft_tile_of(l->profile, WEFT_TILE_ELEMENTS, 0)->threads;
}
#endif
