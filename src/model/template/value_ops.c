/// What Python asks of values: truth, equality, order, membership, iteration, text.
#include "model/template/value.h"

#include "model/template/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool weft_j_true(const struct weft_jv *v) {
    switch (v->kind) {
    case WEFT_J_MISSING:
    case WEFT_J_UNDEFINED:
    case WEFT_J_NONE: return false;
    case WEFT_J_BOOL: return v->b;
    case WEFT_J_INT: return v->i != 0;
    case WEFT_J_REAL: return v->r != 0;
    case WEFT_J_STR: return v->s->len > 0;
    case WEFT_J_LIST: return v->list->n > 0 || v->list->flavour == WEFT_J_GENERATOR;
    case WEFT_J_MAP: return v->map->n > 0;
    default: return true;
    }
}

const char *weft_j_type(const struct weft_jv *v) {
    static const char *const lists[] = {"a list", "a tuple", "a range", "a view of a map", "a generator"};
    static const char *const names[] = {"nothing",       "an undefined value", "none",       "a boolean", "an integer",
                                        "a real number", "a string",           "a list",     "a map",     "a namespace",
                                        "a macro",       "a method",           "a function", "a loop"};
    return v->kind == WEFT_J_LIST ? lists[v->list->flavour] : names[v->kind];
}

bool weft_j_is(const struct weft_jv *v, const char *word) {
    return v->kind == WEFT_J_STR && weft_j_js_is(v->s, word, strlen(word));
}

bool weft_j_whole(const struct weft_jv *v, int64_t *x) {
    if (v->kind != WEFT_J_BOOL && v->kind != WEFT_J_INT) return false;
    *x = v->kind == WEFT_J_BOOL ? v->b : v->i;
    return true;
}

bool weft_j_number(const struct weft_jv *v, double *x) {
    int64_t i;
    if (weft_j_whole(v, &i)) return *x = (double)i, true;
    if (v->kind != WEFT_J_REAL) return false;
    *x = v->r;
    return true;
}

// ---- equality and order -------------------------------------------------------------------------------------------

static bool equal_lists(struct weft_jrun *r, const struct weft_jlist *a, const struct weft_jlist *b, bool *equal) {
    *equal = a == b;
    if (a == b || a->flavour != b->flavour || a->n != b->n || a->flavour > WEFT_J_RANGE) return true;
    for (size_t i = 0; i < a->n; i++)
        if (!weft_j_equal(r, &a->items[i], &b->items[i], equal) || !*equal) return r->status == WEFT_OK;
    return *equal = true;
}

static bool equal_maps(struct weft_jrun *r, const struct weft_jmap *a, const struct weft_jmap *b, bool *equal) {
    *equal = a == b;
    if (a == b || a->n != b->n) return true;
    for (size_t i = 0; i < a->n; i++) {
        size_t place;
        if (!weft_j_get(r, b, a->keys[i], &place)) return false;
        if (place == SIZE_MAX) return true;
        bool same;
        if (!weft_j_equal(r, &a->values[i], &b->values[place], &same)) return false;
        if (!same) return true;
    }
    return *equal = true;
}

static bool equal_values(struct weft_jrun *r, const struct weft_jv *a, const struct weft_jv *b, bool *equal) {
    int64_t i, j;
    double x, y;
    *equal = false;
    if (weft_j_whole(a, &i) && weft_j_whole(b, &j)) *equal = i == j;
    else if (weft_j_number(a, &x) && weft_j_number(b, &y)) *equal = x == y;
    else if (a->kind != b->kind) *equal = false;
    else if (a->kind == WEFT_J_STR)
        *equal = weft_j_steps(r, a->s->len / 64) && a->s->len == b->s->len &&
                 (a->s->len == 0 || memcmp(a->s->text, b->s->text, a->s->len) == 0);
    else if (a->kind == WEFT_J_LIST) return equal_lists(r, a->list, b->list, equal);
    else if (a->kind == WEFT_J_MAP) return equal_maps(r, a->map, b->map, equal);
    else if (a->kind <= WEFT_J_NONE) *equal = true;
    else *equal = a->map == b->map; // one object
    return r->status == WEFT_OK;
}

bool weft_j_equal(struct weft_jrun *r, const struct weft_jv *a, const struct weft_jv *b, bool *equal) {
    bool ok = weft_j_enter(r) && equal_values(r, a, b, equal);
    weft_j_leave(r);
    return ok;
}

static int order_of(double x, double y) { return x < y ? -1 : x > y ? 1 : 0; }

static bool compare_lists(struct weft_jrun *r, const struct weft_jlist *a, const struct weft_jlist *b, int *order) {
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool same;
        if (!weft_j_equal(r, &a->items[i], &b->items[i], &same)) return false;
        if (!same) return weft_j_compare(r, &a->items[i], &b->items[i], order);
    }
    *order = order_of((double)a->n, (double)b->n);
    return true;
}

// Bytes of UTF-8 are ordered as the characters are.
static int compare_texts(const struct weft_js *a, const struct weft_js *b) {
    size_t n = a->len < b->len ? a->len : b->len;
    int order = n ? memcmp(a->text, b->text, n) : 0;
    return order ? (order > 0) - (order < 0) : order_of((double)a->len, (double)b->len);
}

bool weft_j_compare(struct weft_jrun *r, const struct weft_jv *a, const struct weft_jv *b, int *order) {
    int64_t i, j;
    double x, y;
    if (weft_j_whole(a, &i) && weft_j_whole(b, &j)) *order = i < j ? -1 : i > j;
    else if (weft_j_number(a, &x) && weft_j_number(b, &y)) *order = isnan(x) || isnan(y) ? 2 : order_of(x, y);
    else if (a->kind == WEFT_J_STR && b->kind == WEFT_J_STR) {
        if (!weft_j_steps(r, a->s->len / 64)) return false;
        *order = compare_texts(a->s, b->s);
    } else if (a->kind == WEFT_J_LIST && b->kind == WEFT_J_LIST && a->list->flavour == b->list->flavour &&
               a->list->flavour < WEFT_J_RANGE) {
        bool ok = weft_j_enter(r) && compare_lists(r, a->list, b->list, order);
        weft_j_leave(r);
        return ok;
    } else if (a->kind == WEFT_J_UNDEFINED || b->kind == WEFT_J_UNDEFINED)
        return weft_j_fail(r, WEFT_ERR_INVALID, "%s, so it has no order",
                           a->kind == WEFT_J_UNDEFINED ? a->s->text : b->s->text);
    else return weft_j_fail(r, WEFT_ERR_INVALID, "%s and %s have no order", weft_j_type(a), weft_j_type(b));
    return true;
}

// A needle may nearly match everywhere, so the bytes compared count.
bool weft_j_find(struct weft_jrun *r, const struct weft_js *s, const struct weft_js *needle, size_t from, size_t *at) {
    size_t work = 0;
    *at = SIZE_MAX;
    if (needle->len == 0) return *at = from, true;
    for (size_t i = from; needle->len <= s->len && i <= s->len - needle->len; i++) {
        const char *first = memchr(s->text + i, needle->text[0], s->len - needle->len - i + 1);
        if (!first) break;
        i = (size_t)(first - s->text);
        size_t same = 1;
        while (same < needle->len && first[same] == needle->text[same]) same++;
        work += same;
        if (same == needle->len) {
            *at = i;
            break;
        }
        if (work > 4096) {
            if (!weft_j_steps(r, work / 16)) return false;
            work = 0;
        }
    }
    return weft_j_steps(r, ((*at == SIZE_MAX ? s->len : *at) - from + work) / 64);
}

bool weft_j_contains(struct weft_jrun *r, const struct weft_jv *a, const struct weft_jv *b, bool *in) {
    size_t place;
    *in = false;
    if (b->kind == WEFT_J_STR) {
        if (a->kind != WEFT_J_STR)
            return weft_j_fail(r, WEFT_ERR_INVALID, "a string holds strings only, not %s", weft_j_type(a));
        size_t at;
        if (!weft_j_find(r, b->s, a->s, 0, &at)) return false;
        *in = at != SIZE_MAX;
        return true;
    }
    if (b->kind == WEFT_J_MAP) {
        if (!weft_j_get(r, b->map, *a, &place)) return false;
        *in = place != SIZE_MAX;
        return true;
    }
    struct weft_jlist *list;
    if (!weft_j_iterate(r, b, &list)) return false;
    for (size_t i = 0; i < list->n && !*in; i++)
        if (!weft_j_equal(r, a, &list->items[i], in)) return false;
    return true;
}

// ---- iteration ----------------------------------------------------------------------------------------------------

static bool characters(struct weft_jrun *r, const struct weft_js *s, struct weft_jlist *list) {
    for (size_t i = 0, n; i < s->len; i += n) {
        struct weft_jv c;
        n = weft_j_char(s, i, NULL);
        if (!weft_j_slice(r, s, i, i + n, &c) || !weft_j_append(r, list, c)) return false;
    }
    return true;
}

bool weft_j_iterate(struct weft_jrun *r, const struct weft_jv *v, struct weft_jlist **out) {
    struct weft_jv list;
    if (v->kind == WEFT_J_LIST && v->list->flavour != WEFT_J_GENERATOR) return *out = v->list, true;
    if (!weft_j_list(r, 0, WEFT_J_PLAIN, &list)) return false;
    *out = list.list;
    switch (v->kind) {
    case WEFT_J_LIST:
        if (v->list->spent) return true;
        v->list->spent = true;
        *out = v->list;
        return true;
    case WEFT_J_STR: return characters(r, v->s, list.list);
    case WEFT_J_MAP:
        for (size_t i = 0; i < v->map->n; i++)
            if (!weft_j_append(r, list.list, v->map->keys[i])) return false;
        return true;
    case WEFT_J_UNDEFINED: return true;
    default: return weft_j_fail(r, WEFT_ERR_INVALID, "%s can't be iterated over", weft_j_type(v));
    }
}

// ---- text ---------------------------------------------------------------------------------------------------------

// The shortest digits that give the number back, set as Python sets them. The locale's point is skipped.
size_t weft_j_real_text(double x, char *to) {
    char text[40], digits[24];
    int precision = 0, n = 0, exponent = 0;
    if (isnan(x)) return (size_t)sprintf(to, "nan");
    if (isinf(x)) return (size_t)sprintf(to, x < 0 ? "-inf" : "inf");
    do snprintf(text, sizeof text, "%.*e", precision++, x);
    while (precision < 17 && strtod(text, NULL) != x);
    for (const char *c = text; *c && *c != 'e'; c++)
        if (*c >= '0' && *c <= '9') digits[n++] = *c;
    exponent = atoi(strchr(text, 'e') + 1);
    char *at = to;
    if (signbit(x)) *at++ = '-';
    if (exponent < -4 || exponent >= 16) {
        *at++ = digits[0];
        if (n > 1) *at++ = '.';
        for (int i = 1; i < n; i++) *at++ = digits[i];
        return (size_t)(at - to) + (size_t)sprintf(at, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
    }
    if (exponent < 0) {
        *at++ = '0', *at++ = '.';
        for (int i = -1; i > exponent; i--) *at++ = '0';
        for (int i = 0; i < n; i++) *at++ = digits[i];
    } else {
        for (int i = 0; i < n || i <= exponent + 1; i++) {
            if (i == exponent + 1) *at++ = '.';
            *at++ = i < n ? digits[i] : '0';
        }
    }
    *at = 0;
    return (size_t)(at - to);
}

static bool quoted_char(struct weft_jrun *r, struct weft_jbuf *b, const struct weft_js *s, size_t at, size_t n,
                        uint32_t code, char quote) {
    static const char plain[] = "\n\r\t\\", letters[] = "nrt\\";
    char text[16];
    bool data = s->marks ? s->marks[at] : s->data;
    const char *letter = code && code < 0x80 ? strchr(plain, (int)code) : NULL;
    if (letter) snprintf(text, sizeof text, "\\%c", letters[letter - plain]);
    else if (code == (uint32_t)quote) snprintf(text, sizeof text, "\\%c", quote);
    else if (weft_j_printable(code)) return weft_j_add_js(r, b, s, at, at + n);
    else snprintf(text, sizeof text, code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)code);
    return weft_j_add(r, b, text, strlen(text), NULL, data);
}

static bool quoted(struct weft_jrun *r, struct weft_jbuf *b, const struct weft_js *s) {
    bool single = s->len && memchr(s->text, '\'', s->len), twice = s->len && memchr(s->text, '"', s->len);
    char quote[2] = {single && !twice ? '"' : '\'', 0};
    if (!weft_j_steps(r, s->len / 16) || !weft_j_add_word(r, b, quote)) return false;
    for (size_t i = 0, n; i < s->len; i += n) {
        uint32_t code;
        n = weft_j_char(s, i, &code);
        if (!quoted_char(r, b, s, i, n, code, quote[0])) return false;
    }
    return weft_j_add_word(r, b, quote);
}

static bool print_list(struct weft_jrun *r, struct weft_jbuf *b, const struct weft_jlist *list) {
    bool tuple = list->flavour == WEFT_J_TUPLE;
    if (list->flavour >= WEFT_J_RANGE)
        return weft_j_fail(r, WEFT_ERR_INVALID, "%s has no text; filter it by `list` first",
                           weft_j_type(&(struct weft_jv){.kind = WEFT_J_LIST, .list = (struct weft_jlist *)list}));
    if (!weft_j_add_word(r, b, tuple ? "(" : "[")) return false;
    for (size_t i = 0; i < list->n; i++)
        if ((i && !weft_j_add_word(r, b, ", ")) || !weft_j_print(r, b, &list->items[i], true)) return false;
    return weft_j_add_word(r, b, tuple ? list->n == 1 ? ",)" : ")" : "]");
}

static bool print_map(struct weft_jrun *r, struct weft_jbuf *b, const struct weft_jmap *map) {
    if (!weft_j_add_word(r, b, "{")) return false;
    for (size_t i = 0; i < map->n; i++)
        if ((i && !weft_j_add_word(r, b, ", ")) || !weft_j_print(r, b, &map->keys[i], true) ||
            !weft_j_add_word(r, b, ": ") || !weft_j_print(r, b, &map->values[i], true))
            return false;
    return weft_j_add_word(r, b, "}");
}

static bool print_value(struct weft_jrun *r, struct weft_jbuf *b, const struct weft_jv *v, bool quotes) {
    char text[48];
    switch (v->kind) {
    case WEFT_J_UNDEFINED: return quotes ? weft_j_add_word(r, b, "Undefined") : true;
    case WEFT_J_NONE: return weft_j_add_word(r, b, "None");
    case WEFT_J_BOOL: return weft_j_add_word(r, b, v->b ? "True" : "False");
    case WEFT_J_INT: snprintf(text, sizeof text, "%lld", (long long)v->i); return weft_j_add_word(r, b, text);
    case WEFT_J_REAL: weft_j_real_text(v->r, text); return weft_j_add_word(r, b, text);
    case WEFT_J_STR: return quotes ? quoted(r, b, v->s) : weft_j_add_js(r, b, v->s, 0, v->s->len);
    case WEFT_J_LIST: return print_list(r, b, v->list);
    case WEFT_J_MAP: return print_map(r, b, v->map);
    default: return weft_j_fail(r, WEFT_ERR_INVALID, "%s has no text", weft_j_type(v));
    }
}

bool weft_j_print(struct weft_jrun *r, struct weft_jbuf *b, const struct weft_jv *v, bool quotes) {
    bool ok = weft_j_enter(r) && print_value(r, b, v, quotes);
    weft_j_leave(r);
    return ok;
}

bool weft_j_to_str(struct weft_jrun *r, const struct weft_jv *v, struct weft_jv *out) {
    struct weft_jbuf b = {0};
    if (v->kind == WEFT_J_STR) return *out = *v, true;
    return weft_j_print(r, &b, v, false) && weft_j_done(r, &b, false, out);
}
