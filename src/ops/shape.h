/// What infer and eval of several operators share: types in messages, broadcasting, dense operands.
///
/// Only src/ops includes this.
#ifndef WEFT_OPS_SHAPE_H
#define WEFT_OPS_SHAPE_H
#include "ir/graph.h"

/// "f32[T, 640]" in the graph's arena; never NULL.
const char *weft_ops_type_text(struct weft_graph *g, const struct weft_type *t);

bool weft_ops_is_float(weft_dtype dtype);   ///< f32, f16, bf16
bool weft_ops_is_integer(weft_dtype dtype); ///< i32, u32, i8, u8
bool weft_ops_is_plain(weft_dtype dtype);   ///< a float, an integer or bool: not block-quantised

/// Common type of two operands: equal ones stay (bf16 becomes f32: no kernel stores bf16), different floats give f32.
/// WEFT_DTYPE_COUNT where there is none (an integer with a float, a quantised type).
weft_dtype weft_ops_promote(weft_dtype a, weft_dtype b);

/// NumPy broadcasting of shapes only: axes are aligned at the last; two dims agree if they are the same handle or one
/// is the constant 1. Anything else is refused with the shapes of all operands.
weft_status weft_ops_broadcast(struct weft_graph *g, const struct weft_type *in, uint32_t n_in, struct weft_type *out);

/// An axis attribute as an index: negative ones count from the end. Errors: INVALID, with the type; *out is 0 then.
weft_status weft_ops_axis(struct weft_graph *g, const struct weft_type *t, int64_t axis, uint32_t *out);

/// x as a value of type `dtype`: itself, or a node `cast` named `name`. What a decomposition computes in between is
/// f32: casts stand at its ends.
weft_value weft_ops_as(struct weft_build *b, const char *name, weft_value x, weft_dtype dtype);

/// weft_b1 and weft_b2 of a decomposition: nodes carry the name of the node that they replace a part of.
weft_value weft_ops_b1(struct weft_build *b, const char *name, const char *op, weft_value x);
weft_value weft_ops_b2(struct weft_build *b, const char *name, const char *op, weft_value x, weft_value y);
/// A reduction along one axis, which stays as 1.
weft_value weft_ops_reduce(struct weft_build *b, const char *name, const char *op, weft_value x, uint32_t axis);
weft_value weft_ops_reshape(struct weft_build *b, const char *name, weft_value x, const weft_dim *dims, uint32_t rank);

/// Values of an operand as doubles: its own data, or those of a weight decoded into a block that goes to *owned (free
/// it with weft_free, NULL is fine). NULL: out of memory.
const double *weft_ops_dense(const struct weft_host *t, double **owned);

/// The position that element `i` of a u32 operand stands for, as kernels take it; a variable of one word has number 0.
int64_t weft_ops_position(const struct weft_host *var, int64_t i);

/// The row of a table of `rows` that an id names: a negative one counts from the end, and what then lies outside is the
/// first or the last.
int64_t weft_ops_row(double id, int64_t rows);

/// Rows of the tensor seen as [rows, last]; a scalar is [1, 1].
void weft_ops_rows(const struct weft_host *t, int64_t *rows, int64_t *last);

/// The tensor seen as [outer, size of the axis, inner]. Returns the axis as an index: negative ones count from the end.
int64_t weft_ops_around(const struct weft_host *t, int64_t axis, int64_t *outer, int64_t *inner);
#endif
