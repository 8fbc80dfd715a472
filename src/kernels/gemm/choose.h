/// The one place that picks a kernel and its tile for a contraction, by a modelled cost.
///
/// The model counts bytes, multiplications and waves of workgroups, with the profile's orders of magnitude. It serves
/// to compare kernels for one shape on one device, and to show that no extent falls off its kernel
/// (tests/kernels/test_gemm_choose.c); it predicts no times.
#ifndef WEFT_KERNELS_GEMM_CHOOSE_H
#define WEFT_KERNELS_GEMM_CHOOSE_H
#include "plan/lower.h"
#include <stdint.h>

/// The model is trusted where one kernel costs more than DOUBT times the other, and DOUBT_STEPS dispatches more.
#define WEFT_GEMM_DOUBT 2
#define WEFT_GEMM_DOUBT_STEPS 8

/// Beyond so many rows all is computed in tiles: a weight would be read too often, whatever the model says.
#define WEFT_GEMM_MOST_FEW 64

/// Up to so many rows ROWS is measured to be faster than tiles of many rows, and fusion counts on it.
#define WEFT_GEMM_MOST_ROWS 256

enum weft_gemm_kernel {
    WEFT_GEMM_FEW,    ///< a workgroup stages rows of the left side and computes a run of outputs
    WEFT_GEMM_ROWS,   ///< threads hold blocks of the weight, which meet all rows of a tile
    WEFT_GEMM_DIRECT, ///< lanes read a few rows and a right side of any form where they lie
    WEFT_GEMM_TILED   ///< tiles of rows times columns
};

/// Upper bounds of what is to be computed.
struct weft_gemm_extents {
    uint64_t batch, m, n, k;
    bool packed;         ///< the right side is a packed weight, and k is constant
    bool across;         ///< not packed: neighbours along n lie side by side in memory, those along k do not
    bool prologue;       ///< a scalar program makes the rows of the left side, each of which must be staged whole
    uint32_t n_anchors;  ///< contractions of the left side in one step
    uint64_t all_n;      ///< columns of all these; 0: n
    double weight_bytes; ///< of an element of the right side
};

struct weft_gemm_choice {
    enum weft_gemm_kernel kernel;
    uint32_t threads; ///< of a workgroup
    uint32_t lanes;   ///< FEW, DIRECT: threads that share an output; ROWS, TILED: threads along the columns
    uint32_t outputs; ///< FEW, DIRECT: of a group of lanes; ROWS: columns of a thread
    uint32_t rows;    ///< FEW: staged at once; DIRECT: of a workgroup; ROWS, TILED: of a tile
    uint32_t columns; ///< TILED: of a tile
    /// FEW: blocks of 32 columns that are staged at once. All of them: rows are staged whole; fewer: one run after the
    /// other, between barriers.
    uint32_t chunk;
    bool whole_blocks; ///< TILED: a thread decodes a block of 32 at once
    uint32_t split;    ///< DIRECT, TILED, ROWS: blocks of 32 columns of a piece, whose sums a step behind joins; 0: all
    uint32_t turns;    ///< ROWS where numbers are invariant: of a workgroup, whose sums a step behind joins; 0: all
    double us;         ///< modelled cost
};

/// Most rows that FEW computes of a packed weight at any cost, since fusion counts on it.
uint64_t weft_gemm_few_rows(const struct weft_profile *p);
/// True if ROWS computes it, at any cost.
bool weft_gemm_takes_rows(const struct weft_profile *p, const struct weft_gemm_extents *x);
/// vec4 of workgroup memory that ROWS stages.
uint32_t weft_gemm_rows_staged(const struct weft_gemm_choice *c);
/// True if a row of k columns can be staged whole.
bool weft_gemm_row_fits(const struct weft_profile *p, uint64_t k);
struct weft_gemm_choice weft_gemm_choose(const struct weft_profile *p, const struct weft_gemm_extents *x);
/// The shape of TILED, and that of DIRECT, in one piece.
struct weft_gemm_choice weft_gemm_tiles(const struct weft_profile *p, const struct weft_gemm_extents *x);
struct weft_gemm_choice weft_gemm_direct(const struct weft_profile *p, const struct weft_gemm_extents *x);
/// The cost of a choice for other extents than it was made for.
double weft_gemm_cost(const struct weft_profile *p, const struct weft_gemm_extents *x,
                      const struct weft_gemm_choice *c);
#endif
