/// Inside of the dim table. Only dim.c, dim_range.c and dim_text.c include this.
///
/// A dim is a polynomial: a sorted list of terms (coefficient times monomial). A monomial is a sorted product of atoms
/// with powers. An atom is a symbol or floordiv, mod, min or max of a dim by a constant; ceildiv(a, c) is stored as
/// floordiv(a + c - 1, c). All three are hash-consed, and the order is structural (never by index), so that text is the
/// same whichever way a graph was made.
#ifndef WEFT_IR_DIM_IMPL_H
#define WEFT_IR_DIM_IMPL_H
#include "core/arena.h"
#include "core/map.h"
#include "ir/dim.h"

// Beyond these an expression is WEFT_DIM_BAD; they bound the work of eval and print for hostile text.
#define WEFT_DIM_MAX_TERMS 64
#define WEFT_DIM_MAX_FACTORS 8
#define WEFT_DIM_MAX_DEGREE 16
#define WEFT_DIM_MAX_SIZE 4096 ///< nodes of the expression seen as a tree
#define WEFT_DIM_MAX_DEPTH 24  ///< nested floordiv, mod, min, max
#define WEFT_DIM_MAX_RELATIONS 32

enum weft_dim_atom_kind {
    WEFT_DIM_SYMBOL,
    WEFT_DIM_FLOORDIV,
    WEFT_DIM_MOD,
    WEFT_DIM_MIN,
    WEFT_DIM_MAX,
};

struct weft_dim_atom {
    uint32_t kind;
    uint32_t arg; ///< the symbol's index, or a dim
    int64_t c;
};

struct weft_dim_mono {
    uint32_t n, degree;
    struct {
        uint32_t atom, power;
    } f[WEFT_DIM_MAX_FACTORS];
};

struct weft_dim_term {
    int64_t coef; ///< never 0, never INT64_MIN
    uint32_t mono, zero;
};

__extension__ typedef __int128 weft_wide;
/// Inclusive bounds. Finite values stay within 2^63; beyond that they are infinite (dim_range.c).
struct weft_dim_range {
    weft_wide lo, hi;
};

struct weft_dim_poly {
    const struct weft_dim_term *terms;
    uint32_t n, size, depth;
    struct weft_dim_range range;   ///< from the symbols' bounds alone: what simplification may rely on
    struct weft_dim_range related; ///< the same with the relations declared so far
};

struct weft_dim_symbol_info {
    const char *name;
    int64_t lo, hi;
};
struct weft_dim_relation {
    weft_dim d;
    int64_t max;
};

struct weft_dims {
    struct weft_arena arena;
    struct weft_dim_poly *polys;
    size_t n_polys, cap_polys;
    struct weft_dim_mono *monos; ///< 0 is the empty product
    size_t n_monos, cap_monos;
    struct weft_dim_atom *atoms;
    size_t n_atoms, cap_atoms;
    struct weft_map ids; ///< tag and content -> index, for all three
    struct weft_dim_symbol_info symbols[WEFT_MAX_SYMBOLS];
    uint32_t n_symbols;
    struct weft_dim_relation relations[WEFT_DIM_MAX_RELATIONS];
    uint32_t n_relations;
};

/// A polynomial under construction: terms sorted, no zero coefficient.
struct weft_dim_work {
    uint32_t n;
    bool bad;
    struct weft_dim_term t[WEFT_DIM_MAX_TERMS];
};
void weft_dim_work_add(const struct weft_dims *t, struct weft_dim_work *w, int64_t coef, uint32_t mono);

/// Floor division and its remainder in [0, c) for c > 0.
static inline int64_t weft_floor_div(int64_t a, int64_t c) {
    int64_t q = a / c;
    return a % c < 0 ? q - 1 : q;
}
static inline int64_t weft_floor_mod(int64_t a, int64_t c) {
    int64_t r = a % c;
    return r < 0 ? r + c : r;
}

/// Bounds of a list of terms; `related` uses the relations.
struct weft_dim_range weft_dim_terms_range(const struct weft_dims *t, const struct weft_dim_term *terms, uint32_t n,
                                           bool related);
/// True when floor(x / c) is the same for all x of the range; gives it.
bool weft_dim_range_quotient(struct weft_dim_range r, int64_t c, int64_t *quotient);
#endif
