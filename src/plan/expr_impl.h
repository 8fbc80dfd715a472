/// Shared by the files of plan/expr*.c.
#ifndef WEFT_PLAN_EXPR_IMPL_H
#define WEFT_PLAN_EXPR_IMPL_H
#include "plan/expr.h"

/// Keeps value v at a place for the next who asks.
void weft_x_remember(struct weft_expr *e, weft_value v, const struct weft_at *at, uint32_t x);
/// Integers of 8 bits wrap to their width.
uint32_t weft_x_wrap(struct weft_expr *e, weft_dtype dtype, uint32_t x);
/// Which arithmetic of indices a function is.
enum weft_xindex {
    WEFT_X_INDEX_OTHER,
    WEFT_X_INDEX_ADD,
    WEFT_X_INDEX_SUB,
    WEFT_X_INDEX_MUL,
    WEFT_X_INDEX_DIV,
    WEFT_X_INDEX_MOD
};
enum weft_xindex weft_x_index_function(const struct weft_scalar *fn);
#endif
