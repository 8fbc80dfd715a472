/// "%s" % v and "{}".format(v), as far as templates use them: %s %r %d %i %f %x %%, {} {0} {name} {0.attr} without a
/// specification behind a colon.
#include "model/template/call.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The locale's point becomes a point.
static bool add_real(struct weft_jrun *r, struct weft_jbuf *b, double x, int precision) {
    char text[400];
    int n = snprintf(text, sizeof text, "%.*f", precision, x);
    if (n < 0 || (size_t)n >= sizeof text) return weft_j_fail(r, WEFT_ERR_LIMIT, "the number is too long");
    for (char *c = text; *c; c++)
        if (!strchr("-0123456789infa", *c)) *c = '.';
    return weft_j_add_word(r, b, text);
}

// One conversion; `precision` is -1 where none is given.
static bool convert(struct weft_jrun *r, struct weft_jbuf *b, char kind, int precision, const struct weft_jv *v) {
    char text[32];
    int64_t i;
    double x;
    if (kind == 's' || kind == 'r') return weft_j_print(r, b, v, kind == 'r');
    if (!weft_j_number(v, &x))
        return weft_j_fail(r, WEFT_ERR_INVALID, "%%%c takes a number, not %s", kind, weft_j_type(v));
    if (kind == 'f' || kind == 'F') return add_real(r, b, x, precision < 0 ? 6 : precision);
    if (!weft_j_whole(v, &i)) {
        if (kind == 'x' || !(fabs(x) < 9e18))
            return weft_j_fail(r, WEFT_ERR_INVALID, "%%%c takes an integer, not %s", kind, weft_j_type(v));
        i = (int64_t)x;
    }
    snprintf(text, sizeof text, kind == 'x' ? "%s%llx" : "%s%llu", i < 0 ? "-" : "",
             i < 0 ? 0 - (unsigned long long)i : (unsigned long long)i);
    return weft_j_add_word(r, b, text);
}

bool weft_j_percent(struct weft_jrun *r, const struct weft_js *format, const struct weft_jv *v, struct weft_jv *out) {
    struct weft_jbuf b = {0};
    bool tuple = v->kind == WEFT_J_LIST && v->list->flavour == WEFT_J_TUPLE;
    size_t n = tuple ? v->list->n : 1, used = 0, from = 0;
    for (size_t i = 0; i < format->len; i++) {
        if (format->text[i] != '%') continue;
        int precision = -1;
        if (!weft_j_add_js(r, &b, format, from, i)) return false;
        char kind = ++i < format->len ? format->text[i] : 0;
        if (kind == '.')
            for (precision = 0, i++; i < format->len && format->text[i] >= '0' && format->text[i] <= '9'; i++)
                precision = precision > 60 ? 60 : precision * 10 + (format->text[i] - '0');
        kind = i < format->len ? format->text[i] : 0;
        from = i + 1;
        if (kind == '%') {
            if (!weft_j_add_word(r, &b, "%")) return false;
            continue;
        }
        if (!kind || !strchr("srdifFx", kind) || (precision >= 0 && kind != 'f' && kind != 'F'))
            return weft_j_fail(r, WEFT_ERR_UNSUPPORTED, "formats are %%s %%r %%d %%i %%f %%.Nf %%x and %%%%");
        if (used == n) return weft_j_fail(r, WEFT_ERR_INVALID, "the format wants more than %zu values", n);
        const struct weft_jv *item = tuple ? &v->list->items[used] : v;
        used++;
        if (!convert(r, &b, kind, precision, item)) return false;
    }
    bool lookup = v->kind == WEFT_J_MAP || v->kind == WEFT_J_UNDEFINED ||
                  (v->kind == WEFT_J_LIST && !tuple); // Python takes these for maps of names
    if (used != n && !(used == 0 && lookup))
        return weft_j_fail(r, WEFT_ERR_INVALID, "the format wants %zu values, not %zu", used, n);
    return weft_j_add_js(r, &b, format, from, format->len) && weft_j_done(r, &b, format->markup, out);
}

static bool named(const struct weft_jargs *args, const char *name, size_t n, struct weft_jv *out) {
    for (size_t i = 0; i < args->named; i++)
        if (weft_j_js_is(args->names[i], name, n)) return *out = args->items[args->n + i], true;
    return false;
}

// A field between braces: its first part is an argument, what follows points are attributes.
static bool field(struct weft_jrun *r, struct weft_jbuf *b, const char *text, size_t n, const struct weft_jargs *args,
                  size_t *next) {
    const char *dot = memchr(text, '.', n);
    size_t head = dot ? (size_t)(dot - text) : n;
    struct weft_jv v, name, value;
    bool digits = head > 0 && head < 9;
    size_t index = 0;
    for (size_t i = 0; i < head && digits; i++) {
        digits = text[i] >= '0' && text[i] <= '9';
        index = index * 10 + (size_t)(text[i] - '0');
    }
    if (memchr(text, ':', n) || memchr(text, '!', n) || memchr(text, '[', n))
        return weft_j_fail(r, WEFT_ERR_UNSUPPORTED, "a field of format() may be {}, {0}, {name} or {name.attribute}");
    if (head == 0) index = (*next)++, digits = true;
    if (digits ? index >= args->n : !named(args, text, head, &v))
        return weft_j_fail(r, WEFT_ERR_INVALID, "format() got nothing for the field '%.*s'", (int)(n < 40 ? n : 40),
                           text);
    if (digits) v = args->items[index];
    if (dot) {
        if (!weft_j_str(r, dot + 1, n - head - 1, false, &name) || !weft_j_path(r, &v, &name, &value)) return false;
        v = value;
    }
    return weft_j_print(r, b, &v, false);
}

bool weft_j_braces(struct weft_jrun *r, const struct weft_js *format, const struct weft_jargs *args,
                   struct weft_jv *out) {
    struct weft_jbuf b = {0};
    size_t from = 0, next = 0;
    for (size_t i = 0; i < format->len; i++) {
        char c = format->text[i];
        if (c != '{' && c != '}') continue;
        if (i + 1 < format->len && format->text[i + 1] == c) { // twice is once
            if (!weft_j_add_js(r, &b, format, from, i + 1)) return false;
            from = ++i + 1;
            continue;
        }
        const char *close = c == '{' ? memchr(format->text + i, '}', format->len - i) : NULL;
        if (!close) return weft_j_fail(r, WEFT_ERR_INVALID, "a single '%c' stands in the format", c);
        size_t end = (size_t)(close - format->text);
        if (!weft_j_add_js(r, &b, format, from, i) || !field(r, &b, format->text + i + 1, end - i - 1, args, &next))
            return false;
        from = end + 1;
        i = end;
    }
    return weft_j_add_js(r, &b, format, from, format->len) && weft_j_done(r, &b, format->markup, out);
}
