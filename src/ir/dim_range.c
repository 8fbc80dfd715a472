// What values a dim can take: interval arithmetic, relations, evaluation under a binding.
#include "core/error.h"
#include "ir/dim_impl.h"
#include <inttypes.h>

// A lower end that would pass below -LIMIT becomes -INF; one that would pass above LIMIT is clamped there, which is
// still a lower end. Upper ends likewise.
#define LIMIT ((weft_wide)1 << 63)
#define INF ((weft_wide)1 << 64)

static weft_wide low_end(weft_wide x) { return x < -LIMIT ? -INF : x > LIMIT ? LIMIT : x; }

static weft_wide high_end(weft_wide x) { return x > LIMIT ? INF : x < -LIMIT ? -LIMIT : x; }

static struct weft_dim_range add(struct weft_dim_range a, struct weft_dim_range b) {
    return (struct weft_dim_range){low_end(a.lo == -INF || b.lo == -INF ? -INF : a.lo + b.lo),
                                   high_end(a.hi == INF || b.hi == INF ? INF : a.hi + b.hi)};
}

// Products of finite ends are below 2^126; anything beyond LIMIT is as good as infinite.
static weft_wide times(weft_wide a, weft_wide b) {
    if (a == 0 || b == 0) return 0;
    bool infinite = a >= INF || a <= -INF || b >= INF || b <= -INF;
    weft_wide p = infinite ? ((a < 0) == (b < 0) ? INF : -INF) : a * b;
    return p > LIMIT ? INF : p < -LIMIT ? -INF : p;
}

static struct weft_dim_range multiply(struct weft_dim_range a, struct weft_dim_range b) {
    weft_wide p[4] = {times(a.lo, b.lo), times(a.lo, b.hi), times(a.hi, b.lo), times(a.hi, b.hi)};
    struct weft_dim_range r = {p[0], p[0]};
    for (int i = 1; i < 4; i++) {
        if (p[i] < r.lo) r.lo = p[i];
        if (p[i] > r.hi) r.hi = p[i];
    }
    return (struct weft_dim_range){low_end(r.lo), high_end(r.hi)};
}

static struct weft_dim_range scale(struct weft_dim_range a, int64_t k) {
    return multiply(a, (struct weft_dim_range){k, k});
}

static struct weft_dim_range power(struct weft_dim_range a, uint32_t n) {
    if (n % 2 == 0) { // the same as the power of |x|
        weft_wide lo = a.lo < 0 ? -a.lo : a.lo, hi = a.hi < 0 ? -a.hi : a.hi;
        bool spans = a.lo < 0 && a.hi > 0;
        a = (struct weft_dim_range){spans ? 0 : lo < hi ? lo : hi, lo < hi ? hi : lo};
        a = (struct weft_dim_range){low_end(a.lo > LIMIT ? LIMIT : a.lo), high_end(a.hi)};
    }
    weft_wide lo = 1, hi = 1;
    for (uint32_t i = 0; i < n; i++) { // x^n rises with x for odd n, and for even n where x >= 0
        lo = times(lo, a.lo);
        hi = times(hi, a.hi);
    }
    return (struct weft_dim_range){low_end(lo), high_end(hi)};
}

static weft_wide floor_wide(weft_wide a, int64_t c) {
    if (a >= INF || a <= -INF) return a;
    weft_wide q = a / c;
    return a % c < 0 ? q - 1 : q;
}

bool weft_dim_range_quotient(struct weft_dim_range r, int64_t c, int64_t *quotient) {
    if (r.lo <= -LIMIT || r.hi >= LIMIT) return false;
    weft_wide q = floor_wide(r.lo, c);
    if (q != floor_wide(r.hi, c)) return false;
    *quotient = (int64_t)q;
    return true;
}

// Range of floordiv, mod, min or max over a range of its argument.
static struct weft_dim_range function_range(const struct weft_dim_atom *a, struct weft_dim_range r) {
    int64_t q;
    switch (a->kind) {
    case WEFT_DIM_FLOORDIV: return (struct weft_dim_range){floor_wide(r.lo, a->c), floor_wide(r.hi, a->c)};
    case WEFT_DIM_MOD:
        if (weft_dim_range_quotient(r, a->c, &q))
            return (struct weft_dim_range){r.lo - (weft_wide)q * a->c, r.hi - (weft_wide)q * a->c};
        return (struct weft_dim_range){0, a->c - 1};
    case WEFT_DIM_MIN: return (struct weft_dim_range){r.lo < a->c ? r.lo : a->c, r.hi < a->c ? r.hi : a->c};
    default: return (struct weft_dim_range){r.lo > a->c ? r.lo : a->c, r.hi > a->c ? r.hi : a->c};
    }
}

static struct weft_dim_range atom_range(const struct weft_dims *t, uint32_t id, bool related) {
    const struct weft_dim_atom *a = &t->atoms[id];
    if (a->kind == WEFT_DIM_SYMBOL) return (struct weft_dim_range){t->symbols[a->arg].lo, t->symbols[a->arg].hi};
    return function_range(a, related ? t->polys[a->arg].related : t->polys[a->arg].range);
}

// If monomial `part` divides `whole`, gives the bounds of the quotient.
static bool quotient_range(const struct weft_dims *t, const struct weft_dim_mono *whole,
                           const struct weft_dim_mono *part, struct weft_dim_range *out) {
    uint32_t found = 0;
    *out = (struct weft_dim_range){1, 1};
    for (uint32_t i = 0; i < whole->n; i++) {
        uint32_t left = whole->f[i].power;
        for (uint32_t j = 0; j < part->n; j++) {
            if (part->f[j].atom != whole->f[i].atom) continue;
            if (part->f[j].power > left) return false;
            left -= part->f[j].power;
            found++;
        }
        if (left) *out = multiply(*out, power(atom_range(t, whole->f[i].atom, true), left));
    }
    return found == part->n;
}

static struct weft_dim_range plain_mono_range(const struct weft_dims *t, const struct weft_dim_mono *m, bool related) {
    struct weft_dim_range r = {1, 1};
    for (uint32_t i = 0; i < m->n; i++) r = multiply(r, power(atom_range(t, m->f[i].atom, related), m->f[i].power));
    return r;
}

// A relation k * M + c <= max with one monomial M >= 0 caps every multiple of M by a factor that is never negative.
static struct weft_dim_range mono_range(const struct weft_dims *t, uint32_t id, bool related) {
    const struct weft_dim_mono *m = &t->monos[id];
    struct weft_dim_range r = plain_mono_range(t, m, related), q;
    for (uint32_t i = 0; related && i < t->n_relations; i++) {
        const struct weft_dim_poly *p = &t->polys[t->relations[i].d];
        if (p->n == 0 || p->n > 2 || p->terms[0].mono == 0 || p->terms[0].coef < 0) continue;
        if (p->n == 2 && p->terms[1].mono != 0) continue;
        const struct weft_dim_mono *part = &t->monos[p->terms[0].mono];
        if (!quotient_range(t, m, part, &q) || q.lo < 0 || plain_mono_range(t, part, false).lo < 0) continue;
        weft_wide room = (weft_wide)t->relations[i].max - (p->n == 2 ? p->terms[1].coef : 0);
        weft_wide cap = high_end(times(floor_wide(room, p->terms[0].coef), q.hi));
        if (cap < r.hi) r.hi = cap < r.lo ? r.lo : cap;
    }
    return r;
}

static struct weft_dim_range sum_range(const struct weft_dims *t, const struct weft_dim_term *terms, uint32_t n,
                                       bool related) {
    struct weft_dim_range r = {0, 0};
    for (uint32_t i = 0; i < n; i++) r = add(r, scale(mono_range(t, terms[i].mono, related), terms[i].coef));
    return r;
}

static int64_t coef_of(const struct weft_dim_term *terms, uint32_t n, uint32_t mono) {
    for (uint32_t i = 0; i < n; i++)
        if (terms[i].mono == mono) return terms[i].coef;
    return 0;
}

// The largest |k| such that subtracting k * d shortens every non-constant term towards zero; 0: does not fit.
static int64_t multiple_of(const struct weft_dim_poly *d, const struct weft_dim_term *terms, uint32_t n) {
    int64_t best = 0;
    for (uint32_t i = 0; i < d->n; i++) {
        if (d->terms[i].mono == 0) continue;
        int64_t k = coef_of(terms, n, d->terms[i].mono) / d->terms[i].coef;
        if (k == 0 || (best != 0 && (k < 0) != (best < 0))) return 0;
        if (best == 0 || (k < 0 ? -k : k) < (best < 0 ? -best : best)) best = k;
    }
    return best;
}

// With d <= max and p = k d + rest: p <= k max + rest for k > 0, and p >= k max + rest for k < 0.
static void apply_relation(const struct weft_dims *t, const struct weft_dim_relation *relation,
                           const struct weft_dim_term *terms, uint32_t n, struct weft_dim_range *r) {
    const struct weft_dim_poly *d = &t->polys[relation->d];
    int64_t k = multiple_of(d, terms, n);
    if (k == 0) return;
    struct weft_dim_work rest = {0};
    for (uint32_t i = 0; i < n; i++) weft_dim_work_add(t, &rest, terms[i].coef, terms[i].mono);
    for (uint32_t i = 0; i < d->n; i++) {
        int64_t coef;
        if (__builtin_mul_overflow(-k, d->terms[i].coef, &coef)) return;
        weft_dim_work_add(t, &rest, coef, d->terms[i].mono);
    }
    if (rest.bad) return;
    struct weft_dim_range most = {relation->max, relation->max};
    struct weft_dim_range bound = add(scale(most, k), sum_range(t, rest.t, rest.n, true));
    if (k > 0 && bound.hi < r->hi) r->hi = bound.hi < r->lo ? r->lo : bound.hi;
    if (k < 0 && bound.lo > r->lo) r->lo = bound.lo > r->hi ? r->hi : bound.lo;
}

struct weft_dim_range weft_dim_terms_range(const struct weft_dims *t, const struct weft_dim_term *terms, uint32_t n,
                                           bool related) {
    struct weft_dim_range r = sum_range(t, terms, n, related);
    for (uint32_t i = 0; related && i < t->n_relations; i++) apply_relation(t, &t->relations[i], terms, n, &r);
    return r;
}

/// Infinite values become INT64_MIN and INT64_MAX.
static int64_t clamp(weft_wide x) { return x >= INT64_MAX ? INT64_MAX : x <= INT64_MIN ? INT64_MIN : (int64_t)x; }

void weft_dim_bounds(const struct weft_dims *t, weft_dim d, int64_t *lo, int64_t *hi) {
    bool known = d < t->n_polys;
    *lo = known ? clamp(t->polys[d].related.lo) : INT64_MIN;
    *hi = known ? clamp(t->polys[d].related.hi) : INT64_MAX;
}

// ---- narrower symbols

struct within {
    const struct weft_dims *t;
    const int64_t *from, *to;
};

static struct weft_dim_range range_within(const struct within *w, weft_dim d);

static struct weft_dim_range atom_within(const struct within *w, uint32_t id) {
    const struct weft_dim_atom *a = &w->t->atoms[id];
    if (a->kind == WEFT_DIM_SYMBOL) return (struct weft_dim_range){w->from[a->arg], w->to[a->arg]};
    return function_range(a, range_within(w, a->arg));
}

static struct weft_dim_range range_within(const struct within *w, weft_dim d) {
    const struct weft_dim_poly *p = &w->t->polys[d];
    struct weft_dim_range sum = {0, 0};
    for (uint32_t i = 0; i < p->n; i++) {
        const struct weft_dim_mono *m = &w->t->monos[p->terms[i].mono];
        struct weft_dim_range product = {1, 1};
        for (uint32_t k = 0; k < m->n; k++)
            product = multiply(product, power(atom_within(w, m->f[k].atom), m->f[k].power));
        sum = add(sum, scale(product, p->terms[i].coef));
    }
    return sum;
}

void weft_dim_bounds_within(const struct weft_dims *t, weft_dim d, const int64_t *from, const int64_t *to, int64_t *lo,
                            int64_t *hi) {
    weft_dim_bounds(t, d, lo, hi);
    if (d >= t->n_polys) return;
    struct weft_dim_range r = range_within(&(struct within){t, from, to}, d);
    int64_t low = clamp(r.lo), high = clamp(r.hi);
    if (low > *lo) *lo = low;
    if (high < *hi) *hi = high;
    if (*hi < *lo) *hi = *lo;
}

// ---- evaluation

static bool eval_dim(const struct weft_dims *t, weft_dim d, const int64_t *values, int64_t *out);

static bool eval_atom(const struct weft_dims *t, uint32_t id, const int64_t *values, int64_t *out) {
    const struct weft_dim_atom *a = &t->atoms[id];
    if (a->kind == WEFT_DIM_SYMBOL) {
        *out = values[a->arg];
        return true;
    }
    int64_t x;
    if (!eval_dim(t, a->arg, values, &x)) return false;
    switch (a->kind) {
    case WEFT_DIM_FLOORDIV: *out = weft_floor_div(x, a->c); break;
    case WEFT_DIM_MOD: *out = weft_floor_mod(x, a->c); break;
    case WEFT_DIM_MIN: *out = x < a->c ? x : a->c; break;
    default: *out = x > a->c ? x : a->c; break;
    }
    return true;
}

static bool eval_dim(const struct weft_dims *t, weft_dim d, const int64_t *values, int64_t *out) {
    const struct weft_dim_poly *p = &t->polys[d];
    weft_wide sum = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct weft_dim_mono *m = &t->monos[p->terms[i].mono];
        weft_wide product = p->terms[i].coef;
        for (uint32_t j = 0; j < m->n; j++) {
            int64_t x;
            if (!eval_atom(t, m->f[j].atom, values, &x)) return false;
            for (uint32_t k = 0; k < m->f[j].power; k++)
                if (__builtin_mul_overflow(product, (weft_wide)x, &product)) return false;
        }
        if (__builtin_add_overflow(sum, product, &sum)) return false;
    }
    if (sum > INT64_MAX || sum < INT64_MIN) return false;
    *out = (int64_t)sum;
    return true;
}

int64_t weft_dim_eval(const struct weft_dims *t, weft_dim d, const int64_t *values) {
    int64_t x;
    return d < t->n_polys && eval_dim(t, d, values, &x) ? x : INT64_MAX;
}

// ---- relations

weft_status weft_dim_relate(struct weft_dims *t, weft_dim d, int64_t max) {
    if (d >= t->n_polys)
        return weft_fail(WEFT_ERR_INVALID, "relation: the dim is not valid (it overflowed when it was made)");
    if (t->polys[d].range.lo > max) {
        struct weft_str s = {0};
        weft_dim_print(t, d, &s);
        weft_status status =
            weft_fail(WEFT_ERR_INVALID, "relation %s <= %" PRId64 " never holds: it is at least %" PRId64,
                      weft_str_get(&s), max, clamp(t->polys[d].range.lo));
        weft_str_free(&s);
        return status;
    }
    uint32_t i = 0;
    while (i < t->n_relations && t->relations[i].d != d) i++;
    if (i == WEFT_DIM_MAX_RELATIONS)
        return weft_fail(WEFT_ERR_LIMIT, "a graph holds at most %d relations between dims", WEFT_DIM_MAX_RELATIONS);
    if (i < t->n_relations && t->relations[i].max <= max) return WEFT_OK;
    t->relations[i] = (struct weft_dim_relation){d, max};
    if (i == t->n_relations) t->n_relations++;
    // An atom's argument has a smaller index than any dim that holds the atom, so one pass in order settles all.
    for (size_t k = 0; k < t->n_polys; k++)
        t->polys[k].related = weft_dim_terms_range(t, t->polys[k].terms, t->polys[k].n, true);
    return WEFT_OK;
}

uint32_t weft_dims_relation_count(const struct weft_dims *t) { return t->n_relations; }

weft_dim weft_dims_relation(const struct weft_dims *t, uint32_t i, int64_t *max) {
    *max = i < t->n_relations ? t->relations[i].max : 0;
    return i < t->n_relations ? t->relations[i].d : WEFT_DIM_BAD;
}

weft_status weft_dims_check(const struct weft_dims *t, const int64_t *values) {
    for (uint32_t i = 0; i < t->n_symbols; i++) {
        if (values[i] >= t->symbols[i].lo && values[i] <= t->symbols[i].hi) continue;
        return weft_fail(WEFT_ERR_INVALID, "dim %s is %" PRId64 ", but its bounds are %" PRId64 " to %" PRId64,
                         t->symbols[i].name, values[i], t->symbols[i].lo, t->symbols[i].hi);
    }
    for (uint32_t i = 0; i < t->n_relations; i++) {
        int64_t x = weft_dim_eval(t, t->relations[i].d, values);
        if (x <= t->relations[i].max) continue;
        struct weft_str s = {0};
        weft_dim_print(t, t->relations[i].d, &s);
        weft_status status =
            weft_fail(WEFT_ERR_INVALID, "%s is %" PRId64 ", but the graph was made for at most %" PRId64,
                      weft_str_get(&s), x, t->relations[i].max);
        weft_str_free(&s);
        return status;
    }
    return WEFT_OK;
}
