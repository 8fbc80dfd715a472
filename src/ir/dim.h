/// Symbolic dims: integer polynomials of symbols with floordiv, ceildiv, mod, min and max by constants, in a normal
/// form, so that two dims are equal for all values of the symbols if their handles are equal (the converse need not
/// hold for the non-polynomial atoms: then an equality becomes a guard).
///
/// A table owns all dims of a graph; a handle is an index in it. Dims are never negative where they size something, but
/// differences such as T-R may occur inside an expression.
#ifndef WEFT_IR_DIM_H
#define WEFT_IR_DIM_H
#include "core/str.h"
#include "weft/status.h"
#include <stdbool.h>
#include <stdint.h>

typedef uint32_t weft_dim; ///< handle; compare with ==
#define WEFT_DIM_ZERO 0u   ///< the constant 0 in every table; a zeroed field is it
/// Out of memory, overflow or an invalid argument; every operation on it gives it again.
#define WEFT_DIM_BAD UINT32_MAX
/// Of a field that may stay open: none is given, and the field's comment says what then holds. It stands for no size,
/// so operations on it give WEFT_DIM_BAD.
#define WEFT_DIM_NONE (UINT32_MAX - 1)
#define WEFT_MAX_SYMBOLS 16

struct weft_dims; ///< the table; grows, never shrinks

struct weft_dims *weft_dims_create(void); ///< NULL: out of memory
void weft_dims_destroy(struct weft_dims *t);

/// A symbol with inclusive bounds. The same name again returns the same symbol (bounds must agree, else WEFT_DIM_BAD).
weft_dim weft_dim_symbol(struct weft_dims *t, const char *name, int64_t lo, int64_t hi);
weft_dim weft_dim_const(struct weft_dims *t, int64_t value);
weft_dim weft_dim_add(struct weft_dims *t, weft_dim a, weft_dim b);
weft_dim weft_dim_sub(struct weft_dims *t, weft_dim a, weft_dim b);
weft_dim weft_dim_mul(struct weft_dims *t, weft_dim a, weft_dim b);
weft_dim weft_dim_floordiv(struct weft_dims *t, weft_dim a, int64_t c); ///< c > 0
weft_dim weft_dim_ceildiv(struct weft_dims *t, weft_dim a, int64_t c);  ///< c > 0
weft_dim weft_dim_mod(struct weft_dims *t, weft_dim a, int64_t c);      ///< c > 0; result in [0, c)
weft_dim weft_dim_min(struct weft_dims *t, weft_dim a, int64_t c);
weft_dim weft_dim_max(struct weft_dims *t, weft_dim a, int64_t c);

bool weft_dim_valid(const struct weft_dims *t, weft_dim d); ///< a handle of this table; BAD and NONE are not
bool weft_dim_is_const(const struct weft_dims *t, weft_dim d, int64_t *value);
/// True if d is a multiple of c > 0 for all sizes, as far as is known.
bool weft_dim_is_multiple(struct weft_dims *t, weft_dim d, int64_t c);
/// Value under a binding: values[i] belongs to symbol i. Saturates at INT64_MAX on overflow.
int64_t weft_dim_eval(const struct weft_dims *t, weft_dim d, const int64_t *values);
/// Bounds from the symbols' bounds (interval arithmetic, relations considered for single-product upper bounds).
void weft_dim_bounds(const struct weft_dims *t, weft_dim d, int64_t *lo, int64_t *hi);
/// The same where symbol i is known to lie in from[i]..to[i].
void weft_dim_bounds_within(const struct weft_dims *t, weft_dim d, const int64_t *from, const int64_t *to, int64_t *lo,
                            int64_t *hi);

/// Declares `d <= max` (such as B*T <= 512); weft_dim_bounds and weft_dims_check use it.
weft_status weft_dim_relate(struct weft_dims *t, weft_dim d, int64_t max);
/// Checks a binding against bounds and relations; the error names the symbol, its value and its bounds.
weft_status weft_dims_check(const struct weft_dims *t, const int64_t *values);
uint32_t weft_dims_relation_count(const struct weft_dims *t);
/// Relation i: the dim, and in *max its bound.
weft_dim weft_dims_relation(const struct weft_dims *t, uint32_t i, int64_t *max);

uint32_t weft_dims_symbol_count(const struct weft_dims *t);
const char *weft_dims_symbol_name(const struct weft_dims *t, uint32_t i);
void weft_dims_symbol_bounds(const struct weft_dims *t, uint32_t i, int64_t *lo, int64_t *hi);
int weft_dims_symbol_find(const struct weft_dims *t, const char *name); ///< index or -1

/// Text such as "T", "4*T+1", "ceildiv(T,64)", "min(T,8)"; parse reads it back to the same handle.
void weft_dim_print(const struct weft_dims *t, weft_dim d, struct weft_str *out);
weft_status weft_dim_parse(struct weft_dims *t, const char *text, size_t len, weft_dim *out);
#endif
