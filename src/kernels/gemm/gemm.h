/// The contraction family: y[m, n] = sum over k of x[m, k] w[n, k], with a row program in front and elementwise work
/// behind.
#ifndef WEFT_KERNELS_GEMM_GEMM_H
#define WEFT_KERNELS_GEMM_GEMM_H
#include "plan/lower.h"

weft_status weft_gemm_lower(struct weft_lower *l, uint32_t group);

/// True if every reader of `v`, seen through reshapes, is a contraction of few rows that stages v itself: then v may be
/// deferred.
bool weft_gemm_stages(const struct weft_lower *l, weft_value v);

/// True if a contraction over k elements can take a prologue: its left operand's row must fit workgroup memory.
bool weft_gemm_takes_prologue(const struct weft_lower *l, int64_t k);
#endif
