/// The contraction family: y[b, m, n] = sum over k of A(b, m, k) B(b, n, k), with scalar programs as sides, rows that a
/// program with reductions makes of few, matrices that rows choose, and elementwise work behind. Operators describe;
/// the family chooses a kernel and emits steps.
#ifndef WEFT_KERNELS_GEMM_GEMM_H
#define WEFT_KERNELS_GEMM_GEMM_H
#include "plan/lower.h"

enum { WEFT_GEMM_ANCHORS = 4 }; ///< contractions that one step holds at most

#define WEFT_GEMM_NO_AXIS UINT32_MAX
/// A side: a value, whose axes in front are batch axes, aligned at the last one of the product; where one has size 1,
/// the side is broadcast.
struct weft_gemm_side {
    weft_value v;
    uint32_t n_batch;
    uint32_t row, col; ///< axes of the rows (WEFT_GEMM_NO_AXIS: it is a vector) and of what is summed
};

/// What a node computes. The left side has rows m, the right side n. The output is dense: its elements are those of
/// [batch..., m, n] in order.
struct weft_gemm {
    weft_dim batch[WEFT_MAX_RANK];
    uint32_t n_batch;
    weft_dim m, n, k; ///< all may be symbolic, and 0: a sum over nothing is 0
    struct weft_gemm_side a, b;
    weft_dtype sums; ///< type of products and sums: F32, or I32 and U32, which wrap
    /// The left side is dense rows of its last axis and the right side a dense matrix [n, k] without batch axes, both
    /// floats: then all of `batch` and `m` are rows, the right side may be a packed weight, and the group may have a
    /// prologue and an epilogue.
    bool rows;
    /// Each row of the product chooses its matrix: row r meets matrix ids[r] of the right side, [experts, n, k], and
    /// row r / share of the left side, dense rows of its last axis; m counts rows of the product, and there is no
    /// batch. An id outside 0 .. experts - 1 counts as the nearest that is inside. Floats; the right side may be a
    /// packed weight.
    bool by_expert;
    weft_value ids; ///< i32 or u32, m of them
    weft_dim share, experts;
};

weft_status weft_gemm_lower(struct weft_lower *l, uint32_t group);

/// True if the node is a product of rows by a packed weight.
bool weft_gemm_packed(struct weft_lower *l, const struct weft_node *n);

/// True if every reader of `v`, seen through reshapes, is a contraction of few rows that stages v itself: then v may be
/// deferred.
bool weft_gemm_stages(struct weft_lower *l, weft_value v);

/// True if computing `operand` of a contraction where it is read, by `work` nodes, costs less than a step that stores
/// it.
bool weft_gemm_takes_side(struct weft_lower *l, const struct weft_node *n, uint32_t operand, uint32_t work);

/// True if so many rows are staged whole, so that a product of them by a packed weight may have a prologue.
bool weft_gemm_few(const struct weft_lower *l, weft_dim rows);

/// True if the node is a product of some rows by a packed weight in one part, which may share a step with others.
bool weft_gemm_slices(struct weft_lower *l, const struct weft_node *n);

/// True if the node's weight, which is packed, has elements and lies in one part.
bool weft_gemm_one_part(struct weft_lower *l, const struct weft_node *n);

/// True if two products of one left side, whose rows choose their matrices, may share a step.
bool weft_gemm_joins(struct weft_lower *l, const struct weft_node *a, const struct weft_node *b);

/// True if a contraction over k elements can take a prologue: its left operand's row must fit workgroup memory.
bool weft_gemm_takes_prologue(const struct weft_lower *l, int64_t k);
#endif
