/// How a scalar program with reductions is spread over threads. Pure functions of the device's profile and of the most
/// that sizes are in a schedule, so that the order of a sum follows from these and from the live sizes.
///
///   by rows   the innermost axis is reduced: a workgroup has a row, neighbouring threads take neighbouring columns
///   beside    the innermost axis is kept (sums of columns), or rows are a few elements: neighbouring threads take
///             neighbouring rows; `lanes` threads of a workgroup share each
///   chunks    rows are too few to keep the device busy, or so long that a thread would add up too many elements by
///             itself: a step computes partial results of `chunk` columns each, a second one joins them in order
#ifndef WEFT_KERNELS_MAP_SCHEDULE_H
#define WEFT_KERNELS_MAP_SCHEDULE_H
#include "plan/profile.h"
#include <stdint.h>

struct weft_map_shape {
    uint64_t rows, n; ///< most rows, and columns of one
    uint64_t inner;   ///< most kept elements side by side; 1: the innermost axis is reduced
    bool across;      ///< the innermost axis is kept, though it may have one element
};
struct weft_map_schedule {
    uint32_t threads; ///< of a workgroup
    bool beside;
    uint32_t rows;  ///< of a workgroup
    uint32_t lanes; ///< threads that share a row
    uint64_t chunk; ///< columns of a chunk, a multiple of lanes; 0: rows are whole
};

/// Threads of a workgroup that suits the shape.
uint32_t weft_map_threads(const struct weft_profile *p, const struct weft_map_shape *s);
/// `threads`: a power of two.
struct weft_map_schedule weft_map_schedule(const struct weft_profile *p, const struct weft_map_shape *s,
                                           uint32_t threads);
#endif
