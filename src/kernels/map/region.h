/// The map family: regions of elementwise, row and movement nodes as kernels, rendered from scalar programs
/// (plan/expr.h).
#ifndef WEFT_KERNELS_MAP_REGION_H
#define WEFT_KERNELS_MAP_REGION_H
#include "plan/expr_wgsl.h"

#define WEFT_REGION_PARTS 4 ///< independent parts that one step holds at most

weft_status weft_region_lower(struct weft_lower *l, uint32_t group);

/// Type of the index space that a node computes in: of a reduction its operand's, of a sink the rows that it stores.
const struct weft_type *weft_region_node_space(const struct weft_graph *g, const struct weft_node *n);
/// Mask of the last axis, which is the column where nothing says otherwise.
uint32_t weft_region_last_axis(const struct weft_type *space);
/// Adds to the program the stores of all values of `nodes` that somebody outside the group reads.
void weft_region_build(struct weft_expr *e, const uint32_t *nodes, uint32_t n_nodes);
/// Emits the steps that finish the 16-bit values that a step stored; after that step is complete (its pointer is stale
/// afterwards).
void weft_region_narrow(struct weft_xstep *t);
#endif
