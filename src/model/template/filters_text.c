/// Filters of texts and numbers.
#include "model/template/call.h"
#include "model/template/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILTER(name)                                                                                                   \
    static bool name(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jargs *args, struct weft_jv *out)

static bool text_of(struct weft_jrun *r, const struct weft_jv *v, const struct weft_js **out) {
    struct weft_jv s;
    if (!weft_j_to_str(r, v, &s)) return false;
    *out = s.s;
    return true;
}

static bool given(const struct weft_jv *v) { return v->kind != WEFT_J_MISSING && v->kind != WEFT_J_NONE; }

FILTER(trim) {
    struct weft_jv chars;
    const struct weft_js *s;
    if (!weft_j_bind(r, "trim", args, "chars", &chars) || !text_of(r, v, &s)) return false;
    if (given(&chars) && chars.kind != WEFT_J_STR)
        return weft_j_fail(r, WEFT_ERR_INVALID, "trim takes a string, not %s", weft_j_type(&chars));
    return weft_j_strip(r, s, given(&chars) ? chars.s : NULL, 3, out);
}

static bool cased(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jargs *args, enum weft_j_how how,
                  struct weft_jv *out) {
    const struct weft_js *s;
    return weft_j_bind(r, "the filter", args, "", NULL) && text_of(r, v, &s) && weft_j_change_case(r, s, how, out);
}

FILTER(upper) { return cased(r, v, args, WEFT_J_AS_UPPER, out); }
FILTER(lower) { return cased(r, v, args, WEFT_J_AS_LOWER, out); }
FILTER(title) { return cased(r, v, args, WEFT_J_AS_WORDS, out); }
FILTER(capitalize) { return cased(r, v, args, WEFT_J_AS_CAPITALIZED, out); }

FILTER(string) { return weft_j_bind(r, "string", args, "", NULL) && weft_j_to_str(r, v, out); }

static bool marked(struct weft_jrun *r, const struct weft_js *s, struct weft_jv *out) {
    if (!weft_j_str(r, s->text, s->len, s->data, out)) return false;
    ((struct weft_js *)out->s)->marks = s->marks;
    ((struct weft_js *)out->s)->markup = true;
    return true;
}

FILTER(safe) {
    const struct weft_js *s;
    return weft_j_bind(r, "safe", args, "", NULL) && text_of(r, v, &s) && marked(r, s, out);
}

// Joined to markup of no length, a text is escaped.
FILTER(escape) {
    static const struct weft_js nothing = {.text = "", .markup = true};
    const struct weft_js *s;
    if (!weft_j_bind(r, "escape", args, "", NULL) || !text_of(r, v, &s)) return false;
    struct weft_jv empty = weft_j_text(&nothing), text = weft_j_text(s);
    return weft_j_binary(r, '+', &empty, &text, out);
}

FILTER(replace) {
    struct weft_jv a[3];
    const struct weft_js *s, *old, *with;
    int64_t most = -1;
    if (!weft_j_bind(r, "replace", args, "old,new,count", a)) return false;
    if (a[1].kind == WEFT_J_MISSING) return weft_j_fail(r, WEFT_ERR_INVALID, "replace takes two texts");
    if (given(&a[2]) && !weft_j_whole(&a[2], &most))
        return weft_j_fail(r, WEFT_ERR_INVALID, "replace: count is an integer");
    return text_of(r, v, &s) && text_of(r, &a[0], &old) && text_of(r, &a[1], &with) &&
           weft_j_replace(r, s, old, with, most, out);
}

FILTER(format) {
    const struct weft_js *s;
    struct weft_jv values;
    if (!text_of(r, v, &s)) return false;
    if (args->named) return weft_j_fail(r, WEFT_ERR_UNSUPPORTED, "format takes values without names");
    if (!weft_j_list(r, args->n, WEFT_J_TUPLE, &values)) return false;
    for (size_t i = 0; i < args->n; i++)
        if (!weft_j_append(r, values.list, args->items[i])) return false;
    return weft_j_percent(r, s, &values, out);
}

// ---- indent -------------------------------------------------------------------------------------------------------

static bool indention_of(struct weft_jrun *r, const struct weft_jv *width, struct weft_jv *out) {
    static const struct weft_js blank = {.text = " ", .len = 1};
    struct weft_jv one = weft_j_text(&blank), n = width->kind == WEFT_J_MISSING ? weft_j_int(4) : *width;
    if (width->kind == WEFT_J_STR) return *out = *width, true;
    return weft_j_binary(r, '*', &one, &n, out);
}

FILTER(indent) {
    struct weft_jv a[3], in;
    struct weft_jbuf b = {0};
    const struct weft_js *s;
    if (!weft_j_bind(r, "indent", args, "width,first,blank", a) || !indention_of(r, &a[0], &in)) return false;
    if (v->kind != WEFT_J_STR) return weft_j_fail(r, WEFT_ERR_INVALID, "indent takes a string, not %s", weft_j_type(v));
    s = v->s;
    bool first = weft_j_true(&a[1]), blank = weft_j_true(&a[2]);
    if (first && !weft_j_add_js(r, &b, in.s, 0, in.s->len)) return false;
    // A line end is thought behind the text, so that an empty last line stays.
    for (size_t from = 0, next, line = 0; line == 0 || from <= s->len; from = next, line++) {
        size_t to = weft_j_line(s, from, &next);
        if (line && !weft_j_add_word(r, &b, "\n")) return false;
        if (line && (blank || to > from) && !weft_j_add_js(r, &b, in.s, 0, in.s->len)) return false;
        if (!weft_j_add_js(r, &b, s, from, to)) return false;
        if (to == s->len) break;
    }
    return weft_j_steps(r, s->len / 16) && weft_j_done(r, &b, s->markup, out);
}

// ---- numbers ------------------------------------------------------------------------------------------------------

FILTER(to_int) {
    struct weft_jv a[2];
    int64_t i;
    double x;
    if (!weft_j_bind(r, "int", args, "default,base", a)) return false;
    if (a[1].kind != WEFT_J_MISSING && !(a[1].kind == WEFT_J_INT && a[1].i == 10))
        return weft_j_fail(r, WEFT_ERR_UNSUPPORTED, "int: only base 10 is supported");
    if (v->kind == WEFT_J_UNDEFINED) return weft_j_fail(r, WEFT_ERR_INVALID, "%s, so it is no number", v->s->text);
    *out = a[0].kind == WEFT_J_MISSING ? weft_j_int(0) : a[0];
    if (weft_j_whole(v, &i)) *out = weft_j_int(i);
    else if (v->kind == WEFT_J_STR && weft_j_read_int(v->s, &i)) *out = weft_j_int(i);
    else if (v->kind == WEFT_J_REAL || v->kind == WEFT_J_STR) {
        if (v->kind == WEFT_J_REAL) x = v->r;
        else if (!weft_j_read_real(v->s, &x)) return true;
        if (!(fabs(x) < 9.2e18)) return isfinite(x) ? weft_j_fail(r, WEFT_ERR_LIMIT, "int: beyond 64 bits") : true;
        *out = weft_j_int((int64_t)x);
    }
    return true;
}

FILTER(to_float) {
    struct weft_jv a;
    double x;
    if (!weft_j_bind(r, "float", args, "default", &a)) return false;
    if (v->kind == WEFT_J_UNDEFINED) return weft_j_fail(r, WEFT_ERR_INVALID, "%s, so it is no number", v->s->text);
    *out = a.kind == WEFT_J_MISSING ? weft_j_real(0) : a;
    if (weft_j_number(v, &x) || (v->kind == WEFT_J_STR && weft_j_read_real(v->s, &x))) *out = weft_j_real(x);
    return true;
}

FILTER(absolute) {
    int64_t i;
    if (!weft_j_bind(r, "abs", args, "", NULL)) return false;
    if (weft_j_whole(v, &i) && i >= 0) return *out = weft_j_int(i), true;
    if (v->kind == WEFT_J_REAL) return *out = weft_j_real(fabs(v->r)), true;
    return weft_j_negate(r, v, true, out);
}

// Digits as printf rounds them, which is exact and to even.
static double rounded(double x, int64_t precision) {
    char text[400];
    if (precision > 300 || !isfinite(x)) return x;
    if (precision < 0) {
        double scale = pow(10, (double)(precision < -308 ? 308 : -precision));
        return nearbyint(x / scale) * scale;
    }
    int n = snprintf(text, sizeof text, "%.*f", (int)precision, x);
    return n > 0 && (size_t)n < sizeof text ? strtod(text, NULL) : x;
}

FILTER(round_to) {
    struct weft_jv a[2];
    int64_t precision = 0;
    double x;
    if (!weft_j_bind(r, "round", args, "precision,method", a)) return false;
    if (given(&a[0]) && !weft_j_whole(&a[0], &precision))
        return weft_j_fail(r, WEFT_ERR_INVALID, "round: the precision is an integer");
    if (!weft_j_number(v, &x)) return weft_j_fail(r, WEFT_ERR_INVALID, "round takes a number, not %s", weft_j_type(v));
    if (!given(&a[1]) || weft_j_is(&a[1], "common")) {
        if (v->kind != WEFT_J_REAL && precision >= 0)
            return *out = weft_j_int((int64_t)(v->kind == WEFT_J_BOOL ? v->b : v->i)), true;
        *out = weft_j_real(rounded(x, precision));
        if (v->kind != WEFT_J_REAL) *out = weft_j_int((int64_t)out->r);
        return true;
    }
    double scale = pow(10, (double)precision);
    if (weft_j_is(&a[1], "ceil")) *out = weft_j_real(ceil(x * scale) / scale);
    else if (weft_j_is(&a[1], "floor")) *out = weft_j_real(floor(x * scale) / scale);
    else return weft_j_fail(r, WEFT_ERR_INVALID, "round: methods are common, ceil and floor");
    return true;
}

const struct weft_jfunction weft_j_text_filters[] = {{"trim", trim},
                                                     {"upper", upper},
                                                     {"lower", lower},
                                                     {"title", title},
                                                     {"capitalize", capitalize},
                                                     {"string", string},
                                                     {"safe", safe},
                                                     {"escape", escape},
                                                     {"e", escape},
                                                     {"forceescape", escape},
                                                     {"replace", replace},
                                                     {"format", format},
                                                     {"indent", indent},
                                                     {"int", to_int},
                                                     {"float", to_float},
                                                     {"abs", absolute},
                                                     {"round", round_to},
                                                     {"tojson", weft_j_tojson},
                                                     {"from_json", weft_j_fromjson},
                                                     {NULL, NULL}};
