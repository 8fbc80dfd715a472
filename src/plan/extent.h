/// Ranges of memory, symbolic: two of them are apart, or the same, only if that holds for all sizes of the schedule.
#ifndef WEFT_PLAN_EXTENT_H
#define WEFT_PLAN_EXTENT_H
#include "plan/lower.h"

/// Bytes [start, end) of a root: the initial version of a state, or the value that no view stands before. `width`:
/// bytes of an element; neighbours of less than 4 may share a word.
struct weft_extent {
    weft_value root;
    weft_dim start, end;
    uint32_t width;
};

enum weft_overlap { WEFT_APART, WEFT_SAME, WEFT_MEET }; ///< MEET: they overlap in part, or may for some sizes

enum weft_overlap weft_extent_compare(struct weft_lower *l, const struct weft_extent *a, const struct weft_extent *b);
/// What an operand may reach; its root is the tensor.
struct weft_extent weft_extent_of(struct weft_lower *l, const struct weft_operand *o);
#endif
