/// Shared by the files of plan/expr*.c.
#ifndef WEFT_PLAN_EXPR_IMPL_H
#define WEFT_PLAN_EXPR_IMPL_H
#include "plan/expr.h"

/// Keeps value v at a place for the next who asks.
void weft_x_remember(struct weft_expr *e, weft_value v, const struct weft_at *at, uint32_t x);
/// A name of an operand of the step.
const char *weft_x_numbered(struct weft_expr *e, const char *prefix, uint32_t n);
/// A load more, of an operand whose number and dtype are to be filled in; NULL: there are too many.
struct weft_xload *weft_x_add_load(struct weft_expr *e, weft_value v, bool raw);
/// Row-major number of an element of type t at `at`, with axes of size 1 broadcast.
uint32_t weft_x_index(struct weft_expr *e, const struct weft_type *t, const struct weft_at *at);
/// True if a value of type t, asked for at `at`, is asked for the element of the point's number, and has as many as the
/// space.
bool weft_x_is_whole(struct weft_expr *e, const struct weft_type *t, const struct weft_at *at);
/// True if `number` is that of the row at hand.
bool weft_x_is_row_number(const struct weft_expr *e, uint32_t number);
/// Where a view, of type y at `at`, shows an element of its operand, of type x and of as many elements.
struct weft_at weft_x_behind_view(struct weft_expr *e, const struct weft_type *x, const struct weft_type *y,
                                  const struct weft_at *at);
/// Integers of 8 bits wrap to their width.
uint32_t weft_x_wrap(struct weft_expr *e, weft_dtype dtype, uint32_t x);
/// Number of a live size in the step, which has it from then on; WEFT_X_NONE: it has too many (the lowering failed).
uint32_t weft_xstep_dim(struct weft_xstep *t, weft_dim d);
/// Arithmetic of indices, u32.
extern const struct weft_scalar weft_fn_add, weft_fn_sub, weft_fn_mul, weft_fn_div, weft_fn_mod;
#endif
