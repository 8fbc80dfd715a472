// Dims as text. Grammar (spaces are ignored):
//   sum     = ["-"] product {("+" | "-") product}
//   product = factor {"*" factor}
//   factor  = integer | symbol | "(" sum ")" | ("floordiv" | "ceildiv" | "mod" | "min" | "max") "(" sum "," ["-"]
//   integer ")"
#include "core/error.h"
#include "ir/dim_impl.h"
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define MAX_NESTING 48

static void print_atom(const struct weft_dims *t, uint32_t id, struct weft_str *out);

// All terms of `d`, the constant moved by `shift`.
static void print_shifted(const struct weft_dims *t, weft_dim d, int64_t shift, struct weft_str *out) {
    const struct weft_dim_poly *p = &t->polys[d];
    size_t start = out->len;
    int64_t constant = shift;
    for (uint32_t i = 0; i < p->n; i++) {
        int64_t k = p->terms[i].coef;
        if (p->terms[i].mono == 0) {
            constant += k;
            continue;
        }
        weft_str_add(out, k < 0 ? "-" : out->len > start ? "+" : "");
        if (k != 1 && k != -1) weft_str_addf(out, "%" PRId64 "*", k < 0 ? -k : k);
        const struct weft_dim_mono *m = &t->monos[p->terms[i].mono];
        for (uint32_t j = 0; j < m->n; j++) {
            for (uint32_t e = 0; e < m->f[j].power; e++) {
                if (j + e > 0) weft_str_add(out, "*");
                print_atom(t, m->f[j].atom, out);
            }
        }
    }
    if (constant != 0 || out->len == start)
        weft_str_addf(out, "%s%" PRId64, constant >= 0 && out->len > start ? "+" : "", constant);
}

static void print_atom(const struct weft_dims *t, uint32_t id, struct weft_str *out) {
    static const char *const names[] = {"", "floordiv", "mod", "min", "max"};
    const struct weft_dim_atom *a = &t->atoms[id];
    if (a->kind == WEFT_DIM_SYMBOL) {
        weft_str_add(out, t->symbols[a->arg].name);
        return;
    }
    const struct weft_dim_poly *p = &t->polys[a->arg];
    bool rounds_up =
        a->kind == WEFT_DIM_FLOORDIV && p->terms[p->n - 1].mono == 0 && p->terms[p->n - 1].coef == a->c - 1;
    weft_str_addf(out, "%s(", rounds_up ? "ceildiv" : names[a->kind]);
    print_shifted(t, a->arg, rounds_up ? 1 - a->c : 0, out);
    weft_str_addf(out, ",%" PRId64 ")", a->c);
}

void weft_dim_print(const struct weft_dims *t, weft_dim d, struct weft_str *out) {
    if (d >= t->n_polys) weft_str_add(out, "?");
    else print_shifted(t, d, 0, out);
}

// ---- parsing

struct parser {
    struct weft_dims *t;
    const char *p, *end;
    int depth;
    weft_status status;
};

static weft_dim refuse(struct parser *s, const char *what) {
    if (s->status == WEFT_OK) {
        int left = (int)(s->end - s->p < 24 ? s->end - s->p : 24);
        s->status = left > 0 ? weft_fail(WEFT_ERR_FORMAT, "dim: %s at '%.*s'", what, left, s->p)
                             : weft_fail(WEFT_ERR_FORMAT, "dim: %s at its end", what);
    }
    return WEFT_DIM_BAD;
}

static void skip_space(struct parser *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t')) s->p++;
}

static bool take(struct parser *s, char c) {
    skip_space(s);
    if (s->p == s->end || *s->p != c) return false;
    s->p++;
    return true;
}

static bool parse_integer(struct parser *s, int64_t *out) {
    skip_space(s);
    const char *start = s->p;
    uint64_t x = 0;
    for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++) {
        uint64_t digit = (uint64_t)(*s->p - '0');
        if (x > (INT64_MAX - digit) / 10) {
            refuse(s, "an integer beyond 64 bits");
            return false;
        }
        x = x * 10 + digit;
    }
    if (s->p == start) refuse(s, "an integer is missing");
    *out = (int64_t)x;
    return s->p > start;
}

static weft_dim parse_sum(struct parser *s);

typedef weft_dim (*dim_function)(struct weft_dims *t, weft_dim a, int64_t c);

static weft_dim parse_call(struct parser *s, dim_function fn, bool positive) {
    int64_t c;
    if (!take(s, '(')) return refuse(s, "'(' is missing");
    weft_dim a = parse_sum(s);
    if (s->status != WEFT_OK) return WEFT_DIM_BAD;
    if (!take(s, ',')) return refuse(s, "',' is missing");
    bool negative = take(s, '-');
    if (!parse_integer(s, &c)) return WEFT_DIM_BAD;
    if (positive && (negative || c == 0)) return refuse(s, "a divisor that is not above zero");
    if (!take(s, ')')) return refuse(s, "')' is missing");
    return fn(s->t, a, negative ? -c : c);
}

static weft_dim parse_name(struct parser *s) {
    static const struct {
        const char *name;
        dim_function fn;
        bool positive;
    } functions[] = {
        {"floordiv", weft_dim_floordiv, true}, {"ceildiv", weft_dim_ceildiv, true}, {"mod", weft_dim_mod, true},
        {"min", weft_dim_min, false},          {"max", weft_dim_max, false},
    };
    const char *start = s->p;
    const char *p = start;
    while (p < s->end && (isalnum((unsigned char)*p) || *p == '_')) p++;
    size_t len = (size_t)(p - start);
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strlen(functions[i].name) != len || memcmp(functions[i].name, start, len) != 0) continue;
        s->p = p;
        return parse_call(s, functions[i].fn, functions[i].positive);
    }
    for (uint32_t i = 0; i < s->t->n_symbols; i++) {
        const struct weft_dim_symbol_info *info = &s->t->symbols[i];
        if (strlen(info->name) != len || memcmp(info->name, start, len) != 0) continue;
        s->p = p;
        return weft_dim_symbol(s->t, info->name, info->lo, info->hi);
    }
    return refuse(s, "a symbol that was not declared");
}

static weft_dim parse_factor(struct parser *s) {
    skip_space(s);
    if (s->p == s->end) return refuse(s, "a value is missing");
    if (++s->depth > MAX_NESTING) return refuse(s, "nested too deep");
    weft_dim d;
    if (*s->p >= '0' && *s->p <= '9') {
        int64_t x;
        d = parse_integer(s, &x) ? weft_dim_const(s->t, x) : WEFT_DIM_BAD;
    } else if (take(s, '(')) {
        d = parse_sum(s);
        if (s->status == WEFT_OK && !take(s, ')')) d = refuse(s, "')' is missing");
    } else if (isalpha((unsigned char)*s->p) || *s->p == '_') {
        d = parse_name(s);
    } else {
        d = refuse(s, "a value is missing");
    }
    s->depth--;
    return d;
}

static weft_dim parse_product(struct parser *s) {
    weft_dim d = parse_factor(s);
    while (s->status == WEFT_OK && take(s, '*')) d = weft_dim_mul(s->t, d, parse_factor(s));
    return d;
}

static weft_dim parse_sum(struct parser *s) {
    bool negative = take(s, '-');
    weft_dim d = parse_product(s);
    if (negative) d = weft_dim_sub(s->t, 0, d);
    while (s->status == WEFT_OK) {
        if (take(s, '+')) d = weft_dim_add(s->t, d, parse_product(s));
        else if (take(s, '-')) d = weft_dim_sub(s->t, d, parse_product(s));
        else break;
    }
    return d;
}

weft_status weft_dim_parse(struct weft_dims *t, const char *text, size_t len, weft_dim *out) {
    struct parser s = {.t = t, .p = text, .end = text + len};
    *out = parse_sum(&s);
    skip_space(&s);
    if (s.status == WEFT_OK && s.p < s.end) refuse(&s, "unexpected text");
    if (s.status == WEFT_OK && *out == WEFT_DIM_BAD)
        s.status =
            weft_fail(WEFT_ERR_LIMIT, "dim '%.*s' overflows 64 bits, is too large an expression, or memory ran out",
                      (int)(len < 80 ? len : 80), text);
    if (s.status != WEFT_OK) *out = WEFT_DIM_BAD;
    return s.status;
}
