/// The phases of the operator `rope`. Only src/ops and tests include this.
#ifndef WEFT_OPS_ROPE_H
#define WEFT_OPS_ROPE_H
#include "ir/graph.h"

/// Phase steps of the node's first `n_pairs` rotated pairs (n_pairs = n_rot / 2): what one position adds to the angle,
/// in turns as 0.32 fixed point, rounded. `factors` are the node's (NULL: all 1). position * step then wraps around
/// exactly in u32; the error of the step itself is at most 2^-33 turns a position (2.4e-5 radians at position 32768).
/// out has n_pairs words.
void weft_rope_table(const struct weft_node *node, const float *factors, uint32_t *out, uint32_t n_pairs);
#endif
