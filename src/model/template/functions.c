/// Functions that every template knows.
#include "model/template/call.h"
#include "model/template/template.h"

#include <stdio.h>
#include <string.h>

#define FUNCTION(name)                                                                                                 \
    static bool name(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args,                   \
                     struct weft_jv *out)

FUNCTION(range) {
    int64_t x[3] = {0, 0, 1};
    (void)self;
    if (args->n < 1 || args->n > 3 || args->named)
        return weft_j_fail(r, WEFT_ERR_INVALID, "range takes 1 to 3 integers");
    for (size_t i = 0; i < args->n; i++)
        if (!weft_j_whole(&args->items[i], &x[args->n == 1 ? 1 : i]))
            return weft_j_fail(r, WEFT_ERR_INVALID, "range takes integers, not %s", weft_j_type(&args->items[i]));
    if (x[2] == 0) return weft_j_fail(r, WEFT_ERR_INVALID, "range: the step is 0");
    if (!weft_j_list(r, 0, WEFT_J_RANGE, out)) return false;
    struct weft_jlist *list = out->list;
    for (int64_t i = x[0]; x[2] > 0 ? i < x[1] : i > x[1];) {
        if (!weft_j_steps(r, 1) || !weft_j_append(r, list, weft_j_int(i))) return false;
        if (__builtin_add_overflow(i, x[2], &i)) break;
    }
    return true;
}

static bool members(struct weft_jrun *r, const char *what, const struct weft_jargs *args, struct weft_jv *out) {
    struct weft_jlist *pairs;
    if (!weft_j_map(r, out)) return false;
    struct weft_jmap *map = out->map;
    if (args->n > 1) return weft_j_fail(r, WEFT_ERR_INVALID, "%s takes one map, and names", what);
    if (args->n && args->items[0].kind == WEFT_J_MAP) {
        const struct weft_jmap *from = args->items[0].map;
        for (size_t i = 0; i < from->n; i++)
            if (!weft_j_put(r, map, from->keys[i], from->values[i])) return false;
    } else if (args->n) {
        if (!weft_j_iterate(r, &args->items[0], &pairs)) return false;
        for (size_t i = 0; i < pairs->n; i++) {
            const struct weft_jv *p = &pairs->items[i];
            if (p->kind != WEFT_J_LIST || p->list->n != 2)
                return weft_j_fail(r, WEFT_ERR_INVALID, "%s takes a map or a list of pairs", what);
            if (!weft_j_put(r, map, p->list->items[0], p->list->items[1])) return false;
        }
    }
    for (size_t i = 0; i < args->named; i++)
        if (!weft_j_put(r, map, weft_j_text(args->names[i]), args->items[args->n + i])) return false;
    return true;
}

FUNCTION(namespace) {
    (void)self;
    if (!members(r, "namespace", args, out)) return false;
    out->kind = WEFT_J_SPACE;
    return true;
}

FUNCTION(dict) {
    (void)self;
    return members(r, "dict", args, out);
}

FUNCTION(raise_exception) {
    struct weft_jv message, text;
    (void)self, (void)out;
    if (!weft_j_bind(r, "raise_exception", args, "message", &message) || !weft_j_to_str(r, &message, &text))
        return false;
    return weft_j_fail(r, WEFT_ERR_INVALID, "the template refuses the conversation: %.*s",
                       text.s->len < 800 ? (int)text.s->len : 800, text.s->text);
}

// ---- strftime_now -------------------------------------------------------------------------------------------------

static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

static int within(int x, int n) { return x < 0 ? 0 : x % n; }

// One conversion in the C locale; false where there is none of that letter. `bare`: without leading zeros.
static bool date_part(const struct tm *t, char letter, bool bare, char *to, size_t size) {
    int hour = t->tm_hour % 12 ? t->tm_hour % 12 : 12, number = -1, width = 2;
    const char *day = days[within(t->tm_wday, 7)], *month = months[within(t->tm_mon, 12)];
    switch (letter) {
    case 'Y': snprintf(to, size, "%d", t->tm_year + 1900); return true;
    case 'A': snprintf(to, size, "%s", day); return true;
    case 'a': snprintf(to, size, "%.3s", day); return true;
    case 'B': snprintf(to, size, "%s", month); return true;
    case 'b': snprintf(to, size, "%.3s", month); return true;
    case 'p': snprintf(to, size, t->tm_hour < 12 ? "AM" : "PM"); return true;
    case '%': snprintf(to, size, "%%"); return true;
    case 'y': number = within(t->tm_year, 100); break;
    case 'm': number = t->tm_mon + 1; break;
    case 'd': number = t->tm_mday; break;
    case 'H': number = t->tm_hour; break;
    case 'I': number = hour; break;
    case 'M': number = t->tm_min; break;
    case 'S': number = t->tm_sec; break;
    case 'j': number = t->tm_yday + 1, width = 3; break;
    default: return false;
    }
    snprintf(to, size, "%0*d", bare ? 1 : width, number);
    return true;
}

static bool local_now(struct tm *t) {
    time_t now = time(NULL);
    return now != (time_t)-1 && localtime_r(&now, t);
}

FUNCTION(strftime_now) {
    struct weft_jv format;
    struct weft_jbuf b = {0};
    struct tm t;
    char text[32];
    (void)self;
    if (!weft_j_bind(r, "strftime_now", args, "format", &format)) return false;
    if (format.kind != WEFT_J_STR) return weft_j_fail(r, WEFT_ERR_INVALID, "strftime_now takes a format");
    if (r->options->now) t = *r->options->now;
    else if (!local_now(&t)) return weft_j_fail(r, WEFT_ERR_IO, "the system has no time");
    const struct weft_js *s = format.s;
    size_t from = 0;
    for (size_t i = 0; i < s->len; i++) {
        if (s->text[i] != '%' || i + 1 == s->len) continue;
        if (!weft_j_add_js(r, &b, s, from, i)) return false;
        bool bare = s->text[i + 1] == '-' && i + 2 < s->len;
        i += 1 + bare;
        if (!date_part(&t, s->text[i], bare, text, sizeof text))
            return weft_j_fail(r, WEFT_ERR_UNSUPPORTED,
                               "strftime_now knows no %%%c; it knows Y y m d H I M S j A a B b p",
                               (unsigned char)s->text[i] < 0x80 ? s->text[i] : '?');
        if (!weft_j_add_word(r, &b, text)) return false;
        from = i + 1;
    }
    return weft_j_add_js(r, &b, s, from, s->len) && weft_j_done(r, &b, false, out);
}

const struct weft_jfunction *weft_j_functions(size_t *n) {
    static const struct weft_jfunction functions[] = {{"range", range},
                                                      {"namespace", namespace},
                                                      {"dict", dict},
                                                      {"raise_exception", raise_exception},
                                                      {"strftime_now", strftime_now}};
    *n = sizeof functions / sizeof *functions;
    return functions;
}
