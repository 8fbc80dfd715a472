/// Operators, with Python's meaning. Integers have 64 bits; what needs more is an error.
#include "model/template/call.h"

#include <math.h>
#include <string.h>

static bool too_large(struct weft_jrun *r) {
    return weft_j_fail(r, WEFT_ERR_LIMIT, "the integer needs more than 64 bits");
}

static const char *name_of(int op, char *to) {
    to[0] = (char)(op > 0xff ? op >> 8 : op);
    to[1] = op > 0xff ? (char)(op & 0xff) : 0;
    to[2] = 0;
    return to;
}

static bool unsuited(struct weft_jrun *r, int op, const struct weft_jv *a, const struct weft_jv *b) {
    char name[3];
    const struct weft_jv *undefined = a->kind == WEFT_J_UNDEFINED ? a : b->kind == WEFT_J_UNDEFINED ? b : NULL;
    if (undefined)
        return weft_j_fail(r, WEFT_ERR_INVALID, "%s, so '%s' can't take it", undefined->s->text, name_of(op, name));
    return weft_j_fail(r, WEFT_ERR_INVALID, "'%s' can't take %s and %s", name_of(op, name), weft_j_type(a),
                       weft_j_type(b));
}

// ---- numbers ------------------------------------------------------------------------------------------------------

static bool power(struct weft_jrun *r, int64_t a, int64_t b, struct weft_jv *out) {
    int64_t x = 1;
    bool over = false;
    if (b < 0) {
        if (a == 0) return weft_j_fail(r, WEFT_ERR_INVALID, "0 has no negative power");
        return *out = weft_j_real(pow((double)a, (double)b)), true;
    }
    if (a == 0 || a == 1) return *out = weft_j_int(b == 0 ? 1 : a), true;
    if (a == -1) return *out = weft_j_int(b % 2 ? -1 : 1), true;
    for (int64_t i = 0; i < b && !over; i++) over = __builtin_mul_overflow(x, a, &x);
    *out = weft_j_int(x);
    return !over || too_large(r);
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

static bool whole(struct weft_jrun *r, int op, int64_t a, int64_t b, struct weft_jv *out) {
    int64_t x = 0;
    bool over = false;
    bool divides = op == '/' || op == '%' || op == WEFT_J_OP2('/', '/');
    if (divides && b == 0) return weft_j_fail(r, WEFT_ERR_INVALID, "division by zero");
    switch (op) {
    case '+': over = __builtin_add_overflow(a, b, &x); break;
    case '-': over = __builtin_sub_overflow(a, b, &x); break;
    case '*': over = __builtin_mul_overflow(a, b, &x); break;
    case '/': return *out = weft_j_real((double)a / (double)b), true;
    case '%':
        if (b != -1) x = a - floor_div(a, b) * b;
        break;
    case WEFT_J_OP2('/', '/'):
        over = b == -1 && __builtin_sub_overflow((int64_t)0, a, &x);
        if (b != -1) x = floor_div(a, b);
        break;
    default: return power(r, a, b, out);
    }
    *out = weft_j_int(x);
    return !over || too_large(r);
}

static double real_mod(double a, double b) {
    double m = fmod(a, b);
    if (m != 0 && (m < 0) != (b < 0)) m += b;
    return m == 0 ? copysign(0, b) : m;
}

static bool real(struct weft_jrun *r, int op, double a, double b, struct weft_jv *out) {
    double x;
    bool divides = op == '/' || op == '%' || op == WEFT_J_OP2('/', '/');
    if (divides && b == 0) return weft_j_fail(r, WEFT_ERR_INVALID, "division by zero");
    switch (op) {
    case '+': x = a + b; break;
    case '-': x = a - b; break;
    case '*': x = a * b; break;
    case '/': x = a / b; break;
    case '%': x = real_mod(a, b); break;
    case WEFT_J_OP2('/', '/'): x = floor((a - real_mod(a, b)) / b + 0.5); break;
    default:
        if (a < 0 && b != floor(b)) return weft_j_fail(r, WEFT_ERR_UNSUPPORTED, "complex numbers are not supported");
        if (a == 0 && b < 0) return weft_j_fail(r, WEFT_ERR_INVALID, "0 has no negative power");
        x = pow(a, b);
    }
    *out = weft_j_real(x);
    return true;
}

// ---- texts and lists ----------------------------------------------------------------------------------------------

static bool add_escaped(struct weft_jrun *r, struct weft_jbuf *b, const struct weft_js *s, bool escape) {
    static const char plain[] = "&<>'\"", *const entities[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    size_t from = 0;
    for (size_t i = 0; escape && i < s->len; i++) {
        const char *at = s->text[i] ? strchr(plain, s->text[i]) : NULL;
        if (!at) continue;
        const char *entity = entities[at - plain];
        if (!weft_j_add_js(r, b, s, from, i) ||
            !weft_j_add(r, b, entity, strlen(entity), NULL, s->marks ? s->marks[i] : s->data))
            return false;
        from = i + 1;
    }
    return weft_j_add_js(r, b, s, from, s->len);
}

// A text behind `|safe` is markup: what joins it is escaped for HTML, as markupsafe does.
static bool join(struct weft_jrun *r, const struct weft_js *a, const struct weft_js *b, struct weft_jv *out) {
    struct weft_jbuf buf = {0};
    bool markup = a->markup || b->markup;
    if (!markup && a->len == 0) return *out = weft_j_text(b), true;
    if (!markup && b->len == 0) return *out = weft_j_text(a), true;
    if (!markup) {
        struct weft_jbuf *tail = weft_j_tail(r, a);
        return tail && weft_j_add_js(r, tail, b, 0, b->len) && weft_j_owned(r, tail, out);
    }
    return add_escaped(r, &buf, a, !a->markup) && add_escaped(r, &buf, b, !b->markup) &&
           weft_j_done(r, &buf, true, out);
}

static bool join_lists(struct weft_jrun *r, const struct weft_jlist *a, const struct weft_jlist *b,
                       struct weft_jv *out) {
    if (!weft_j_list(r, a->n + b->n, a->flavour, out)) return false;
    struct weft_jlist *list = out->list;
    for (size_t i = 0; i < a->n; i++)
        if (!weft_j_append(r, list, a->items[i])) return false;
    for (size_t i = 0; i < b->n; i++)
        if (!weft_j_append(r, list, b->items[i])) return false;
    return true;
}

static bool repeat(struct weft_jrun *r, const struct weft_jv *v, int64_t times, struct weft_jv *out) {
    struct weft_jbuf buf = {0};
    if (times < 0) times = 0;
    if (v->kind == WEFT_J_STR) {
        for (int64_t i = 0; i < times && v->s->len; i++)
            if (!weft_j_steps(r, 1) || !weft_j_add_js(r, &buf, v->s, 0, v->s->len)) return false;
        return weft_j_done(r, &buf, v->s->markup, out);
    }
    if (!weft_j_list(r, 0, v->list->flavour, out)) return false;
    struct weft_jlist *list = out->list;
    for (int64_t i = 0; i < times && v->list->n; i++)
        for (size_t k = 0; k < v->list->n; k++)
            if (!weft_j_append(r, list, v->list->items[k])) return false;
    return true;
}

static bool repeats(const struct weft_jv *v) {
    return v->kind == WEFT_J_STR || (v->kind == WEFT_J_LIST && v->list->flavour <= WEFT_J_TUPLE);
}

bool weft_j_binary(struct weft_jrun *r, int op, const struct weft_jv *a, const struct weft_jv *b, struct weft_jv *out) {
    int64_t i, j;
    double x, y;
    if (weft_j_whole(a, &i) && weft_j_whole(b, &j)) return whole(r, op, i, j, out);
    if (weft_j_number(a, &x) && weft_j_number(b, &y)) return real(r, op, x, y, out);
    if (op == '+' && a->kind == WEFT_J_STR && b->kind == WEFT_J_STR) return join(r, a->s, b->s, out);
    if (op == '+' && a->kind == WEFT_J_LIST && repeats(a) && b->kind == WEFT_J_LIST &&
        a->list->flavour == b->list->flavour)
        return join_lists(r, a->list, b->list, out);
    if (op == '*' && repeats(a) && weft_j_whole(b, &j)) return repeat(r, a, j, out);
    if (op == '*' && repeats(b) && weft_j_whole(a, &i)) return repeat(r, b, i, out);
    if (op == '%' && a->kind == WEFT_J_STR) return weft_j_percent(r, a->s, b, out);
    return unsuited(r, op, a, b);
}

bool weft_j_negate(struct weft_jrun *r, const struct weft_jv *v, bool minus, struct weft_jv *out) {
    int64_t i;
    if (weft_j_whole(v, &i)) return whole(r, minus ? '-' : '+', 0, i, out);
    if (v->kind == WEFT_J_REAL) return *out = weft_j_real(minus ? -v->r : v->r), true;
    if (v->kind == WEFT_J_UNDEFINED) return weft_j_fail(r, WEFT_ERR_INVALID, "%s, so it has no sign", v->s->text);
    return weft_j_fail(r, WEFT_ERR_INVALID, "%s has no sign", weft_j_type(v));
}

bool weft_j_related(struct weft_jrun *r, int op, const struct weft_jv *a, const struct weft_jv *b, bool *out) {
    int order;
    bool yes;
    switch (op) {
    case WEFT_J_OP2('=', '='): return weft_j_equal(r, a, b, out);
    case WEFT_J_OP2('!', '='):
        if (!weft_j_equal(r, a, b, &yes)) return false;
        *out = !yes;
        return true;
    case 'i': return weft_j_contains(r, a, b, out);
    case 'n':
        if (!weft_j_contains(r, a, b, &yes)) return false;
        *out = !yes;
        return true;
    default: break;
    }
    if (!weft_j_compare(r, a, b, &order)) return false;
    bool equal = op > 0xff, less = (op > 0xff ? op >> 8 : op) == '<'; // "<=" and ">=" hold for equals
    *out = order != 2 && ((equal && order == 0) || (less ? order < 0 : order == 1));
    return true;
}
