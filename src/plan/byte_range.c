#include "plan/byte_range.h"
#include "plan/update.h"

/// True if a ends before b begins for all sizes, and no word belongs to both.
static bool before(struct weft_lower *l, const struct weft_byte_range *a, const struct weft_byte_range *b) {
    struct weft_dims *dims = l->graph->dims;
    int64_t lo, hi;
    weft_dim gap = weft_dim_sub(dims, b->start, a->end);
    if (gap == WEFT_DIM_BAD) return false;
    weft_dim_bounds_within(dims, gap, l->lo, l->hi, &lo, &hi);
    uint32_t least = a->width < b->width ? a->width : b->width;
    if (lo >= 4 - (int64_t)least) return true; // b begins in a later word than a ends in
    return lo >= 0 && weft_dim_is_multiple(dims, a->end, 4);
}

enum weft_overlap weft_byte_range_compare(struct weft_lower *l, const struct weft_byte_range *a,
                                          const struct weft_byte_range *b) {
    if (a->root != b->root) return WEFT_DISJOINT;
    if (a->start == WEFT_DIM_BAD || a->end == WEFT_DIM_BAD || b->start == WEFT_DIM_BAD || b->end == WEFT_DIM_BAD)
        return WEFT_OVERLAPPING; // unknown
    if (a->start == a->end || b->start == b->end) return WEFT_DISJOINT;
    if (before(l, a, b) || before(l, b, a)) return WEFT_DISJOINT;
    bool same = a->start == b->start && a->end == b->end && a->width == b->width;
    return same ? WEFT_SAME : WEFT_OVERLAPPING;
}

static weft_dim times(struct weft_lower *l, weft_dim d, uint32_t n) {
    return weft_dim_mul(l->graph->dims, d, weft_dim_const(l->graph->dims, n));
}

struct weft_byte_range weft_byte_range_of(struct weft_lower *l, const struct weft_operand *o) {
    struct weft_dims *dims = l->graph->dims;
    uint32_t width = weft_accessor_width(o->dtype);
    weft_dim start = weft_dim_const(dims, (int64_t)o->byte_offset),
             end = weft_dim_const(dims, (int64_t)(o->byte_offset + o->bytes));
    start = weft_dim_add(dims, start, times(l, o->elem_offset, width));
    if (o->count != WEFT_DIM_NONE) end = weft_dim_add(dims, start, times(l, o->count, width));
    return (struct weft_byte_range){o->tensor, start, end, width};
}
