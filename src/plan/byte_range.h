/// Ranges of memory, symbolic: two of them are disjoint, or the same, only if that holds for all sizes of the schedule.
#ifndef WEFT_PLAN_BYTE_RANGE_H
#define WEFT_PLAN_BYTE_RANGE_H
#include "plan/lower.h"

/// Bytes [start, end) of a root: the initial version of a state, or the value that no view stands before.
struct weft_byte_range {
    weft_value root;
    weft_dim start, end;
    uint32_t width; ///< bytes of an element; neighbours of less than 4 may share a word
};

enum weft_overlap { WEFT_DISJOINT, WEFT_SAME, WEFT_OVERLAPPING }; ///< OVERLAPPING: in part, or may for some sizes

enum weft_overlap weft_byte_range_compare(struct weft_lower *l, const struct weft_byte_range *a,
                                          const struct weft_byte_range *b);
/// What an operand may reach; its root is the tensor.
struct weft_byte_range weft_byte_range_of(struct weft_lower *l, const struct weft_operand *o);
#endif
