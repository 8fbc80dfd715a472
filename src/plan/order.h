/// The orders of sums of WEFT_NUMBERS_INVARIANT (weft_profile.invariant). There, what a row of a result is depends
/// on the row alone: on how long its sums are, and for attention on absolute positions of keys, but never on how many
/// rows there are, which schedule they are computed in, or what stands beside them. Kernels of one family differ in how
/// they spread work and share these orders; a number that fixes an order is made here and nowhere else.
///
///   products    the blocks of 32 along k fall into groups. A group is summed from 0 on, block after block, element
///   after
///               element, one fused multiplication and addition each; then groups are added up in their order
///   rows        element c of a row is thread c mod THREADS's, whose elements are summed in order; then the threads'
///   sums,
///               as plan/reduce.wgsl does without subgroups. Short rows are summed in order; long ones fall into chunks
///   attention   keys fall into pieces by position, each walked 32 keys at a time; then pieces are joined in their
///   order
///
/// These numbers are no rows of the table of tile shapes, since a measured shape must not change what is computed.
///
/// The order alone does not give equal bits: a compiler of shaders may fuse a multiplication with the addition behind
/// it in one kernel and not in another. So kernels of the family write fma where they mean it (plan/ordered.wgsl), and
/// values of scalar programs are passed through an operation that a compiler can't see through (plan/expr_wgsl.c).
#ifndef WEFT_PLAN_ORDER_H
#define WEFT_PLAN_ORDER_H
#include "plan/profile.h"

/// How the blocks of a product's k fall into groups. Of a packed weight group g has blocks g, g + lanes, g + 2 lanes,
/// ..., so that lanes side by side read memory side by side; of all others it has blocks g piece .. (g + 1) piece - 1.
/// Groups of a packed weight meet in turns of `slices`: those of a turn are added up, then turns are, both in their
/// order. A kernel of one row has all groups at once; one of some rows has a turn at a time, or a turn a workgroup.
struct weft_order_product {
    uint32_t lanes;  ///< 0: groups are pieces
    uint32_t piece;  ///< 0: groups are lanes
    uint32_t slices; ///< of a turn, which divide `lanes`
};
/// `blocks`: of 32 along k, of a packed weight.
struct weft_order_product weft_order_packed(const struct weft_profile *p, uint64_t blocks);
struct weft_order_product weft_order_plain(void);
/// Turns of a packed weight of so many blocks.
uint32_t weft_order_turns(const struct weft_profile *p, uint64_t blocks);

/// Threads that share a row's reduction, and every workgroup that holds one has. A power of two.
uint32_t weft_order_threads(const struct weft_profile *p);
/// Columns up to which a row is summed by one thread.
#define WEFT_ORDER_SHORT 16
/// Threads that share a row of n elements whose elements are no neighbours.
uint32_t weft_order_lanes(const struct weft_profile *p, uint64_t n);
/// Columns of a chunk of a row of at most n, which `lanes` threads share; 0: the row is whole.
uint64_t weft_order_chunk(const struct weft_profile *p, uint64_t n, uint32_t lanes);

/// Keys of a piece of attention, counted from position 0: a multiple of 32.
uint32_t weft_order_keys(const struct weft_profile *p);
#endif
