// The dim table: interning, arithmetic, and the rules that bring an expression to its normal form.
//
// Simplification relies on the symbols' bounds only, never on relations: these may be declared later, and a handle must
// not depend on when it was made.
#include "core/alloc.h"
#include "ir/dim_impl.h"
#include <string.h>

// Tags of the three kinds of keys in the one map.
enum { KEY_ATOM, KEY_MONO, KEY_POLY };

struct weft_dims *weft_dims_create(void) {
    struct weft_dims *t = weft_calloc(1, sizeof *t);
    if (!t) return NULL;
    void *monos = NULL;
    if (!weft_grow(&monos, &t->cap_monos, 1, sizeof *t->monos)) goto fail;
    t->monos = monos;
    t->monos[0] = (struct weft_dim_mono){0};
    t->n_monos = 1;
    if (weft_dim_const(t, 0) != WEFT_DIM_ZERO) goto fail;
    return t;
fail:
    weft_dims_destroy(t);
    return NULL;
}

void weft_dims_destroy(struct weft_dims *t) {
    if (!t) return;
    weft_map_free(&t->ids);
    weft_free(t->polys);
    weft_free(t->monos);
    weft_free(t->atoms);
    weft_arena_free(&t->arena);
    weft_free(t);
}

// ---- structural order

static int compare_dims(const struct weft_dims *t, weft_dim a, weft_dim b);

static int compare_atoms(const struct weft_dims *t, uint32_t a, uint32_t b) {
    if (a == b) return 0;
    const struct weft_dim_atom *x = &t->atoms[a], *y = &t->atoms[b];
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    if (x->kind == WEFT_DIM_SYMBOL) return x->arg < y->arg ? -1 : 1;
    if (x->c != y->c) return x->c < y->c ? -1 : 1;
    return compare_dims(t, x->arg, y->arg);
}

// Higher degree first, so that constants come last.
static int compare_monos(const struct weft_dims *t, uint32_t a, uint32_t b) {
    if (a == b) return 0;
    const struct weft_dim_mono *x = &t->monos[a], *y = &t->monos[b];
    if (x->degree != y->degree) return x->degree > y->degree ? -1 : 1;
    for (uint32_t i = 0; i < x->n && i < y->n; i++) {
        int order = compare_atoms(t, x->f[i].atom, y->f[i].atom);
        if (order) return order;
        if (x->f[i].power != y->f[i].power) return x->f[i].power > y->f[i].power ? -1 : 1;
    }
    return x->n < y->n ? -1 : 1;
}

static int compare_dims(const struct weft_dims *t, weft_dim a, weft_dim b) {
    if (a == b) return 0;
    const struct weft_dim_poly *x = &t->polys[a], *y = &t->polys[b];
    for (uint32_t i = 0; i < x->n && i < y->n; i++) {
        int order = compare_monos(t, x->terms[i].mono, y->terms[i].mono);
        if (order) return order;
        if (x->terms[i].coef != y->terms[i].coef) return x->terms[i].coef < y->terms[i].coef ? -1 : 1;
    }
    return x->n < y->n ? -1 : 1;
}

// ---- interning

static bool find_key(const struct weft_dims *t, const void *key, size_t len, uint32_t *id) {
    uint64_t value;
    if (!weft_map_get(&t->ids, key, len, &value)) return false;
    *id = (uint32_t)value;
    return true;
}

static uint32_t intern_atom(struct weft_dims *t, enum weft_dim_atom_kind kind, uint32_t arg, int64_t c) {
    struct {
        uint64_t tag;
        struct weft_dim_atom atom;
    } key = {KEY_ATOM, {kind, arg, c}};
    uint32_t id;
    if (find_key(t, &key, sizeof key, &id)) return id;
    void *items = t->atoms;
    if (!weft_grow(&items, &t->cap_atoms, t->n_atoms + 1, sizeof *t->atoms)) return UINT32_MAX;
    t->atoms = items;
    id = (uint32_t)t->n_atoms;
    if (!weft_map_set(&t->ids, &key, sizeof key, id)) return UINT32_MAX;
    t->atoms[t->n_atoms++] = key.atom;
    return id;
}

static uint32_t intern_mono(struct weft_dims *t, const struct weft_dim_mono *m) {
    if (m->n == 0) return 0;
    struct {
        uint64_t tag;
        struct weft_dim_mono mono;
    } key;
    memset(&key, 0, sizeof key);
    key.tag = KEY_MONO;
    key.mono.n = m->n;
    key.mono.degree = m->degree;
    for (uint32_t i = 0; i < m->n; i++) key.mono.f[i] = m->f[i];
    uint32_t id;
    if (find_key(t, &key, sizeof key, &id)) return id;
    void *items = t->monos;
    if (!weft_grow(&items, &t->cap_monos, t->n_monos + 1, sizeof *t->monos)) return UINT32_MAX;
    t->monos = items;
    id = (uint32_t)t->n_monos;
    if (!weft_map_set(&t->ids, &key, sizeof key, id)) return UINT32_MAX;
    t->monos[t->n_monos++] = key.mono;
    return id;
}

// Size and depth as a tree; false when over the limits.
static bool measure(const struct weft_dims *t, const struct weft_dim_work *w, struct weft_dim_poly *p) {
    uint64_t size = 1;
    uint32_t depth = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        const struct weft_dim_mono *m = &t->monos[w->t[i].mono];
        size++;
        for (uint32_t j = 0; j < m->n; j++) {
            const struct weft_dim_atom *a = &t->atoms[m->f[j].atom];
            size++;
            if (a->kind == WEFT_DIM_SYMBOL) continue;
            size += t->polys[a->arg].size;
            if (depth < t->polys[a->arg].depth + 1) depth = t->polys[a->arg].depth + 1;
        }
    }
    p->size = (uint32_t)(size < WEFT_DIM_MAX_SIZE ? size : WEFT_DIM_MAX_SIZE);
    p->depth = depth;
    return size <= WEFT_DIM_MAX_SIZE && depth <= WEFT_DIM_MAX_DEPTH;
}

static weft_dim intern(struct weft_dims *t, const struct weft_dim_work *w) {
    if (w->bad) return WEFT_DIM_BAD;
    struct {
        uint64_t tag;
        struct weft_dim_term t[WEFT_DIM_MAX_TERMS];
    } key;
    key.tag = KEY_POLY;
    memcpy(key.t, w->t, w->n * sizeof w->t[0]);
    size_t len = sizeof key.tag + w->n * sizeof w->t[0];
    uint32_t id;
    if (find_key(t, &key, len, &id)) return id;
    struct weft_dim_poly p = {.n = w->n};
    if (!measure(t, w, &p)) return WEFT_DIM_BAD;
    if (w->n) p.terms = weft_arena_dup(&t->arena, w->t, w->n * sizeof w->t[0]);
    if (w->n && !p.terms) return WEFT_DIM_BAD;
    p.range = weft_dim_terms_range(t, p.terms, p.n, false);
    p.related = weft_dim_terms_range(t, p.terms, p.n, true);
    void *items = t->polys;
    if (!weft_grow(&items, &t->cap_polys, t->n_polys + 1, sizeof *t->polys)) return WEFT_DIM_BAD;
    t->polys = items;
    id = (uint32_t)t->n_polys;
    if (!weft_map_set(&t->ids, &key, len, id)) return WEFT_DIM_BAD;
    t->polys[t->n_polys++] = p;
    return id;
}

// ---- polynomials under construction

void weft_dim_work_add(const struct weft_dims *t, struct weft_dim_work *w, int64_t coef, uint32_t mono) {
    if (w->bad || coef == 0) return;
    uint32_t i = 0;
    while (i < w->n && compare_monos(t, w->t[i].mono, mono) < 0) i++;
    if (i < w->n && w->t[i].mono == mono) {
        int64_t sum;
        if (__builtin_add_overflow(w->t[i].coef, coef, &sum) || sum == INT64_MIN) w->bad = true;
        w->t[i].coef = sum;
        if (sum != 0) return;
        memmove(&w->t[i], &w->t[i + 1], (--w->n - i) * sizeof w->t[0]);
        return;
    }
    if (w->n == WEFT_DIM_MAX_TERMS || coef == INT64_MIN) {
        w->bad = true;
        return;
    }
    memmove(&w->t[i + 1], &w->t[i], (w->n++ - i) * sizeof w->t[0]);
    w->t[i] = (struct weft_dim_term){coef, mono, 0};
}

static void work_add_dim(const struct weft_dims *t, struct weft_dim_work *w, int64_t k, weft_dim d) {
    if (d == WEFT_DIM_BAD) {
        w->bad = true;
        return;
    }
    const struct weft_dim_poly *p = &t->polys[d];
    for (uint32_t i = 0; i < p->n && !w->bad; i++) {
        int64_t coef;
        if (__builtin_mul_overflow(k, p->terms[i].coef, &coef)) w->bad = true;
        else weft_dim_work_add(t, w, coef, p->terms[i].mono);
    }
}

bool weft_dim_valid(const struct weft_dims *t, weft_dim d) { return d < t->n_polys; }

// k * a + constant
static weft_dim affine(struct weft_dims *t, int64_t k, weft_dim a, int64_t constant) {
    struct weft_dim_work w = {0};
    work_add_dim(t, &w, k, a);
    weft_dim_work_add(t, &w, constant, 0);
    return intern(t, &w);
}

static weft_dim atom_dim(struct weft_dims *t, enum weft_dim_atom_kind kind, uint32_t arg, int64_t c) {
    struct weft_dim_mono m = {.n = 1, .degree = 1, .f = {{intern_atom(t, kind, arg, c), 1}}};
    if (m.f[0].atom == UINT32_MAX) return WEFT_DIM_BAD;
    uint32_t mono = intern_mono(t, &m);
    if (mono == UINT32_MAX) return WEFT_DIM_BAD;
    struct weft_dim_work w = {0};
    weft_dim_work_add(t, &w, 1, mono);
    return intern(t, &w);
}

static bool legal_name(const char *s) {
    static const char *const reserved[] = {"floordiv", "ceildiv", "mod", "min", "max"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (strcmp(s, reserved[i]) == 0) return false;
    for (const char *p = s; *p; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_';
        if (!letter && !(p > s && *p >= '0' && *p <= '9')) return false;
    }
    return *s != 0;
}

weft_dim weft_dim_symbol(struct weft_dims *t, const char *name, int64_t lo, int64_t hi) {
    int found = weft_dims_symbol_find(t, name);
    uint32_t i = found >= 0 ? (uint32_t)found : t->n_symbols;
    if (found >= 0) {
        if (t->symbols[i].lo != lo || t->symbols[i].hi != hi) return WEFT_DIM_BAD;
        return atom_dim(t, WEFT_DIM_SYMBOL, i, 0);
    }
    if (t->n_symbols == WEFT_MAX_SYMBOLS || lo > hi || !legal_name(name)) return WEFT_DIM_BAD;
    t->symbols[i] = (struct weft_dim_symbol_info){weft_arena_strdup(&t->arena, name), lo, hi};
    if (!t->symbols[i].name) return WEFT_DIM_BAD;
    t->n_symbols++; // first, since the bounds of the new dim read it
    weft_dim d = atom_dim(t, WEFT_DIM_SYMBOL, i, 0);
    if (d == WEFT_DIM_BAD) t->n_symbols--;
    return d;
}

weft_dim weft_dim_const(struct weft_dims *t, int64_t value) {
    struct weft_dim_work w = {0};
    weft_dim_work_add(t, &w, value, 0);
    return intern(t, &w);
}

weft_dim weft_dim_add(struct weft_dims *t, weft_dim a, weft_dim b) {
    if (!weft_dim_valid(t, a) || !weft_dim_valid(t, b)) return WEFT_DIM_BAD;
    struct weft_dim_work w = {0};
    work_add_dim(t, &w, 1, a);
    work_add_dim(t, &w, 1, b);
    return intern(t, &w);
}

weft_dim weft_dim_sub(struct weft_dims *t, weft_dim a, weft_dim b) {
    if (!weft_dim_valid(t, a) || !weft_dim_valid(t, b)) return WEFT_DIM_BAD;
    struct weft_dim_work w = {0};
    work_add_dim(t, &w, 1, a);
    work_add_dim(t, &w, -1, b);
    return intern(t, &w);
}

static uint32_t mul_monos(struct weft_dims *t, uint32_t a, uint32_t b) {
    if (a == 0 || b == 0) return a ? a : b;
    const struct weft_dim_mono x = t->monos[a], y = t->monos[b]; // copies: interning moves the array
    struct weft_dim_mono m = {.degree = x.degree + y.degree};
    if (m.degree > WEFT_DIM_MAX_DEGREE) return UINT32_MAX;
    for (uint32_t i = 0, j = 0; i < x.n || j < y.n;) {
        int order = i == x.n ? 1 : j == y.n ? -1 : compare_atoms(t, x.f[i].atom, y.f[j].atom);
        if (m.n == WEFT_DIM_MAX_FACTORS) return UINT32_MAX;
        m.f[m.n] = order <= 0 ? x.f[i] : y.f[j];
        if (order == 0) m.f[m.n].power += y.f[j].power;
        m.n++;
        i += order <= 0;
        j += order >= 0;
    }
    return intern_mono(t, &m);
}

weft_dim weft_dim_mul(struct weft_dims *t, weft_dim a, weft_dim b) {
    if (!weft_dim_valid(t, a) || !weft_dim_valid(t, b)) return WEFT_DIM_BAD;
    const struct weft_dim_poly x = t->polys[a], y = t->polys[b];
    struct weft_dim_work w = {0};
    for (uint32_t i = 0; i < x.n; i++) {
        for (uint32_t j = 0; j < y.n && !w.bad; j++) {
            int64_t coef;
            uint32_t mono = mul_monos(t, x.terms[i].mono, y.terms[j].mono);
            if (mono == UINT32_MAX || __builtin_mul_overflow(x.terms[i].coef, y.terms[j].coef, &coef)) w.bad = true;
            else weft_dim_work_add(t, &w, coef, mono);
        }
    }
    return intern(t, &w);
}

// ---- floordiv, mod, min, max

static int64_t gcd(int64_t a, int64_t b) {
    if (a < 0) a = -a;
    if (b < 0) b = -b;
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

// Greatest common divisor of c and all coefficients but the constant's.
static int64_t content(const struct weft_dims *t, weft_dim d, int64_t c) {
    const struct weft_dim_poly *p = &t->polys[d];
    for (uint32_t i = 0; i < p->n; i++)
        if (p->terms[i].mono != 0) c = gcd(c, p->terms[i].coef);
    return c;
}

static int64_t constant_of(const struct weft_dims *t, weft_dim d) {
    const struct weft_dim_poly *p = &t->polys[d];
    return p->n && p->terms[p->n - 1].mono == 0 ? p->terms[p->n - 1].coef : 0; // the constant sorts last
}

// (d - remainder of the constant) / g, where g divides all other coefficients: the constant is divided with floor.
static weft_dim divide(struct weft_dims *t, weft_dim d, int64_t g) {
    const struct weft_dim_poly p = t->polys[d];
    struct weft_dim_work w = {0};
    for (uint32_t i = 0; i < p.n; i++) weft_dim_work_add(t, &w, weft_floor_div(p.terms[i].coef, g), p.terms[i].mono);
    return intern(t, &w);
}

// If d is exactly one atom of this kind plus a constant, gives the atom and the constant.
static bool single_atom(const struct weft_dims *t, weft_dim d, enum weft_dim_atom_kind kind, struct weft_dim_atom *atom,
                        int64_t *constant) {
    const struct weft_dim_poly *p = &t->polys[d];
    *constant = constant_of(t, d);
    if (p->n != 1u + (*constant != 0) || p->terms[0].coef != 1) return false;
    const struct weft_dim_mono *m = &t->monos[p->terms[0].mono];
    if (m->n != 1 || m->f[0].power != 1 || t->atoms[m->f[0].atom].kind != kind) return false;
    *atom = t->atoms[m->f[0].atom];
    return true;
}

// Splits d = c * quotient + rest with small coefficients in `rest`. Coefficients keep their sign, so that bounds stay
// tight; the constant's remainder is in [0, c).
static void split(struct weft_dims *t, weft_dim d, int64_t c, weft_dim *quotient, weft_dim *rest) {
    const struct weft_dim_poly p = t->polys[d];
    struct weft_dim_work q = {0}, r = {0};
    for (uint32_t i = 0; i < p.n; i++) {
        const struct weft_dim_term *e = &p.terms[i];
        weft_dim_work_add(t, &q, e->mono ? e->coef / c : weft_floor_div(e->coef, c), e->mono);
        weft_dim_work_add(t, &r, e->mono ? e->coef % c : weft_floor_mod(e->coef, c), e->mono);
    }
    *quotient = intern(t, &q);
    *rest = intern(t, &r);
}

weft_dim weft_dim_floordiv(struct weft_dims *t, weft_dim a, int64_t c) {
    if (!weft_dim_valid(t, a) || c <= 0) return WEFT_DIM_BAD;
    if (c == 1) return a;
    int64_t k;
    if (weft_dim_range_quotient(t->polys[a].range, c, &k)) return weft_dim_const(t, k);
    weft_dim quotient, rest;
    split(t, a, c, &quotient, &rest);
    if (quotient == WEFT_DIM_BAD || rest == WEFT_DIM_BAD) return WEFT_DIM_BAD;
    if (quotient != 0) return weft_dim_add(t, quotient, weft_dim_floordiv(t, rest, c));
    int64_t g = content(t, a, c);
    if (g > 1) return weft_dim_floordiv(t, divide(t, a, g), c / g);
    struct weft_dim_atom inner;
    int64_t scaled, product;
    if (single_atom(t, a, WEFT_DIM_FLOORDIV, &inner, &k) && !__builtin_mul_overflow(k, inner.c, &scaled) &&
        !__builtin_mul_overflow(c, inner.c, &product)) {
        weft_dim sum = affine(t, 1, inner.arg, scaled); // floor((floor(p / b) + k) / c) = floor((p + k b) / (b c))
        if (sum != WEFT_DIM_BAD) return weft_dim_floordiv(t, sum, product);
    }
    return atom_dim(t, WEFT_DIM_FLOORDIV, a, c);
}

weft_dim weft_dim_ceildiv(struct weft_dims *t, weft_dim a, int64_t c) {
    if (!weft_dim_valid(t, a) || c <= 0) return WEFT_DIM_BAD;
    return weft_dim_floordiv(t, affine(t, 1, a, c - 1), c);
}

// Coefficients modulo c; a term k * mod(p, m) with c dividing k m becomes k * p.
static weft_dim reduce_mod(struct weft_dims *t, weft_dim d, int64_t c) {
    const struct weft_dim_poly p = t->polys[d];
    struct weft_dim_work w = {0};
    for (uint32_t i = 0; i < p.n; i++) {
        const struct weft_dim_mono *m = &t->monos[p.terms[i].mono];
        const struct weft_dim_atom *a = m->n == 1 && m->f[0].power == 1 ? &t->atoms[m->f[0].atom] : NULL;
        int64_t k = weft_floor_mod(p.terms[i].coef, c), product;
        if (a && a->kind == WEFT_DIM_MOD && !__builtin_mul_overflow(k, a->c, &product) && product % c == 0)
            work_add_dim(t, &w, k, a->arg);
        else weft_dim_work_add(t, &w, k, p.terms[i].mono);
    }
    return intern(t, &w);
}

weft_dim weft_dim_mod(struct weft_dims *t, weft_dim a, int64_t c) {
    if (!weft_dim_valid(t, a) || c <= 0) return WEFT_DIM_BAD;
    int64_t k, shift;
    if (weft_dim_range_quotient(t->polys[a].range, c, &k) && !__builtin_mul_overflow(k, c, &shift) &&
        shift != INT64_MIN)
        return t->polys[a].range.lo == t->polys[a].range.hi ? weft_dim_const(t, t->polys[a].range.lo - shift)
                                                            : affine(t, 1, a, -shift);
    weft_dim reduced = reduce_mod(t, a, c);
    if (reduced != a) return weft_dim_mod(t, reduced, c);
    int64_t g = content(t, a, c);
    if (g > 1) return affine(t, g, weft_dim_mod(t, divide(t, a, g), c / g), weft_floor_mod(constant_of(t, a), g));
    return atom_dim(t, WEFT_DIM_MOD, a, c);
}

static weft_dim min_max(struct weft_dims *t, weft_dim a, int64_t c, bool min) {
    if (!weft_dim_valid(t, a) || c == INT64_MIN) return WEFT_DIM_BAD;
    struct weft_dim_range r = t->polys[a].range;
    if (r.hi <= c) return min ? a : weft_dim_const(t, c);
    if (r.lo >= c) return min ? weft_dim_const(t, c) : a;
    int64_t k = constant_of(t, a), moved;
    if (k != 0) { // min(x + k, c) = k + min(x, c - k)
        if (__builtin_sub_overflow(c, k, &moved)) return WEFT_DIM_BAD;
        return affine(t, 1, min_max(t, affine(t, 1, a, -k), moved, min), k);
    }
    int64_t g = content(t, a, c);
    if (g > 1) return affine(t, g, min_max(t, divide(t, a, g), c / g, min), 0);
    struct weft_dim_atom inner;
    if (single_atom(t, a, min ? WEFT_DIM_MIN : WEFT_DIM_MAX, &inner, &k))
        return min_max(t, inner.arg, (inner.c < c) == min ? inner.c : c, min);
    // Of a clamp, the minimum stands outside: max(min(x, b), c) = min(max(x, c), b) for c <= b, which the bounds
    // ensure.
    if (!min && single_atom(t, a, WEFT_DIM_MIN, &inner, &k))
        return min_max(t, min_max(t, inner.arg, c, false), inner.c, true);
    return atom_dim(t, min ? WEFT_DIM_MIN : WEFT_DIM_MAX, a, c);
}

weft_dim weft_dim_min(struct weft_dims *t, weft_dim a, int64_t c) { return min_max(t, a, c, true); }

weft_dim weft_dim_max(struct weft_dims *t, weft_dim a, int64_t c) { return min_max(t, a, c, false); }

bool weft_dim_is_const(const struct weft_dims *t, weft_dim d, int64_t *value) {
    if (!weft_dim_valid(t, d)) return false;
    const struct weft_dim_poly *p = &t->polys[d];
    if (p->n > 1 || (p->n == 1 && p->terms[0].mono != 0)) return false;
    if (value) *value = constant_of(t, d);
    return true;
}

bool weft_dim_is_multiple(struct weft_dims *t, weft_dim d, int64_t c) {
    int64_t rest;
    return weft_dim_is_const(t, weft_dim_mod(t, d, c), &rest) && rest == 0;
}

uint32_t weft_dims_symbol_count(const struct weft_dims *t) { return t->n_symbols; }

const char *weft_dims_symbol_name(const struct weft_dims *t, uint32_t i) {
    return i < t->n_symbols ? t->symbols[i].name : "?";
}

void weft_dims_symbol_bounds(const struct weft_dims *t, uint32_t i, int64_t *lo, int64_t *hi) {
    *lo = i < t->n_symbols ? t->symbols[i].lo : 0;
    *hi = i < t->n_symbols ? t->symbols[i].hi : 0;
}

int weft_dims_symbol_find(const struct weft_dims *t, const char *name) {
    for (uint32_t i = 0; i < t->n_symbols; i++)
        if (strcmp(t->symbols[i].name, name) == 0) return (int)i;
    return -1;
}
