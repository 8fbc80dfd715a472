/// The region family: elementwise regions and row kernels, generated from the nodes of a group. Contractions use its
/// pieces for their prologues.
#ifndef WEFT_OPS_REGION_H
#define WEFT_OPS_REGION_H
#include "ops/emit.h"

#define WEFT_REGION_PARTS 4 ///< independent parts that one step holds at most

weft_status weft_region_lower(struct weft_lower *l, uint32_t group);

/// levels[node] = number of reductions on the deepest path that ends in the node, within the group; returns the
/// greatest.
uint32_t weft_region_levels(const struct weft_lower *l, uint32_t group, uint32_t *levels);
/// Chooses the held regime where it fits: defines the columns and makes them the emitter's variants. False: loop.
bool weft_region_hold(struct weft_emitter *e, uint32_t n_nodes, uint32_t wg, struct weft_str *out);
/// Text that computes the reductions among `nodes`, a loop a level; `loop` is the loop's head over `col`. Ends with
/// every reduction given to the emitter.
void weft_region_reductions(struct weft_emitter *e, const uint32_t *nodes, uint32_t n_nodes, const uint32_t *levels,
                            uint32_t top, const char *loop, struct weft_str *out);
/// Text that stores all values of `nodes` that somebody outside the group reads; `first` is true for one thread (or
/// column) a row.
void weft_region_stores(struct weft_emitter *e, const uint32_t *nodes, uint32_t n_nodes, const char *loop,
                        const char *first, struct weft_str *out);
#endif
