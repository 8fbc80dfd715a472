/// Selection: the first elements of each row in descending order, with their places.
///
/// Elements are compared as integer keys of their bits: NaN stands before all numbers, zeros of both signs are equal,
/// and of equal elements the one in front comes first. So a result is exact and depends on nothing but the row.
///
/// A row is cut into runs of a constant number of elements. A workgroup keeps the keys of one in its memory and counts,
/// for each element, those before it: that is its place, if it is among those wanted. Rows of one run are done then,
/// and several short ones share a workgroup. Runs of longer rows are merged, FAN of them a step: the place of an
/// element is its own plus, of each other run, the number of elements before it, which a binary search finds. No run is
/// longer than what is wanted, so that a few out of many cost little, and all out of many are a sort.
#ifndef WEFT_KERNELS_SELECT_SELECT_H
#define WEFT_KERNELS_SELECT_SELECT_H
#include "plan/lower.h"

struct weft_select {
    weft_value x;       ///< [..., n], floats or integers
    weft_value values;  ///< [..., k], of x's type, bit for bit
    weft_value indices; ///< [..., k], i32
    uint32_t k;         ///< at most n at every size
};

/// Emits the steps: one, and one for each factor of FAN by which a row is longer than a run; one more where elements
/// share words, of which two rows may own halves.
weft_status weft_select_lower(struct weft_lower *l, const char *label, const struct weft_select *select);
#endif
