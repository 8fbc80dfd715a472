/// Weights whose numbers and scales the file has apart, two leaves of the graph: repacked into the planes of
/// plan/wlayout.h when they are loaded, like the types that have both in one block.
///
/// Element (r, c) is (u - 8) * scale of its group, u one half of byte c / 2 of row r. Where a group is a multiple of 16
/// elements, or a row has one group, the numbers stay at 4 bits with their scales in f32; else the elements are stored.
#ifndef WEFT_PLAN_WPAIR_H
#define WEFT_PLAN_WPAIR_H
#include "plan/wlayout.h"

struct weft_wpair {
    uint32_t quants, scales;             ///< values: u8 [rows, ceil(k / 2)] and f32
    uint64_t quants_first, scales_first; ///< elements of their leaves at which they begin; lowering finds them
    uint64_t k;
    uint64_t stride; ///< of the rows of the scales
    uint32_t group;  ///< elements of a row that share a scale
    bool high_first; ///< even elements lie in the high half of their byte
    bool across;     ///< the scales are [groups, stride], a column for each row; else [rows, stride]
};

/// True if they differ in their leaves at most.
static inline bool weft_wpair_alike(const struct weft_wpair *a, const struct weft_wpair *b) {
    return a->quants_first == b->quants_first && a->scales_first == b->scales_first && a->k == b->k &&
           a->stride == b->stride && a->group == b->group && a->high_first == b->high_first && a->across == b->across;
}

/// The device layout of all columns: of 4-bit numbers with scales, or of f32 elements (bits == 32).
struct weft_wlayout weft_wpair_layout(const struct weft_wpair *p);

/// Both count rows from the first of `src` on, and fill the padding: numbers with 8, which stands for 0, scales with 0.
void weft_wpair_pack_quants(const struct weft_wpair *p, const uint8_t *src, uint64_t rows, uint8_t *q);
void weft_wpair_pack_scales(const struct weft_wpair *p, const uint8_t *src, uint64_t rows, uint8_t *s);

/// Elements first .. first + n of the whole, in the order of rows; `quants` and `scales` are where the pair begins.
void weft_wpair_decode(const struct weft_wpair *p, const uint8_t *quants, const uint8_t *scales, uint64_t first,
                       uint64_t n, float *out);
#endif
