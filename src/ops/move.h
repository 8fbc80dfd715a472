/// What the movement operators share: axes, slices, and steps that copy by strides. Only src/ops includes this.
#ifndef WEFT_OPS_MOVE_H
#define WEFT_OPS_MOVE_H
#include "ops/shape.h"
#include "plan/lower.h"

/// An axis attribute as an index: negative ones count from the end. Errors: INVALID.
weft_status weft_move_axis(struct weft_graph *g, const struct weft_type *t, int64_t axis, uint32_t *out);
/// Start of a slice: a constant below 0 counts from the end of the axis.
weft_dim weft_move_start(struct weft_graph *g, weft_dim start, weft_dim size);
/// start .. start+len of an axis: refused where it never lies inside, guarded where it may not.
weft_status weft_move_guard(struct weft_graph *g, const struct weft_type *t, uint32_t axis, weft_dim start,
                            weft_dim len);
/// Product of dims [first, last).
weft_dim weft_move_product(struct weft_graph *g, const weft_dim *dims, uint32_t first, uint32_t last);

/// Host: y[o, r, i] = x[o, start + r, i] with `inner` elements behind and `outer` in front of the axis.
void weft_move_host(const double *x, double *y, int64_t outer, int64_t size, int64_t start, int64_t len, int64_t inner);

/// Emits a copy of values: element (i0, i1, ...) of node->out[0], seen with `dims`, is element base + sum i_k
/// strides[k] of node->in[0].
struct weft_move { uint32_t rank; weft_dim dims[WEFT_MAX_RANK], strides[WEFT_MAX_RANK], base; };
weft_status weft_move_emit(struct weft_lower *l, const struct weft_node *node, const struct weft_move *m);

/// Every bit pattern arrives as it was: 32-bit types are read and stored as words, 16-bit ones by bits_x and
/// put_word_y, two a thread or four. Called when the operands are there, those that are read first. Sets HALF: 16-bit
/// elements; HALVES: bit i of an operand that has them.
void weft_move_words(struct weft_lower *l, struct weft_step *s, weft_dtype dtype);
/// True if `d` is a multiple of 4 for all sizes.
bool weft_move_quads(struct weft_lower *l, weft_dim d);
/// "concat name" in the plan's arena.
const char *weft_move_label(struct weft_lower *l, const struct weft_node *node);
static inline uint32_t weft_move_threads(const struct weft_lower *l) { return l->caps->kind == WEFT_GPU_CPU ? 16 : 64; }
#endif
