/// Methods of texts.
#include "model/template/call.h"
#include "model/template/methods.h"
#include "model/template/text.h"

#include <string.h>

static bool wants_text(struct weft_jrun *r, const char *what, const struct weft_jv *v) {
    if (v->kind == WEFT_J_STR) return true;
    return weft_j_fail(r, WEFT_ERR_INVALID, "%s takes a string, not %s", what, weft_j_type(v));
}

static bool strip(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args, int sides,
                  struct weft_jv *out) {
    struct weft_jv chars;
    if (!weft_j_bind(r, "strip", args, "chars", &chars)) return false;
    if (chars.kind == WEFT_J_MISSING || chars.kind == WEFT_J_NONE) return weft_j_strip(r, self->s, NULL, sides, out);
    return wants_text(r, "strip", &chars) && weft_j_strip(r, self->s, chars.s, sides, out);
}

#define METHOD(name)                                                                                                   \
    static bool name(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args,                   \
                     struct weft_jv *out)

METHOD(strip_both) { return strip(r, self, args, 3, out); }
METHOD(strip_left) { return strip(r, self, args, 1, out); }
METHOD(strip_right) { return strip(r, self, args, 2, out); }

static bool cased(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args, enum weft_j_how how,
                  struct weft_jv *out) {
    return weft_j_bind(r, "the method", args, "", NULL) && weft_j_change_case(r, self->s, how, out);
}

METHOD(upper) { return cased(r, self, args, WEFT_J_AS_UPPER, out); }
METHOD(lower) { return cased(r, self, args, WEFT_J_AS_LOWER, out); }
METHOD(title) { return cased(r, self, args, WEFT_J_AS_TITLE, out); }
METHOD(capitalize) { return cased(r, self, args, WEFT_J_AS_CAPITALIZED, out); }

// ---- split --------------------------------------------------------------------------------------------------------

static bool push(struct weft_jrun *r, struct weft_jlist *list, const struct weft_js *s, size_t from, size_t to) {
    struct weft_jv part;
    return weft_j_steps(r, 1) && weft_j_slice(r, s, from, to, &part) && weft_j_append(r, list, part);
}

static size_t skip(const struct weft_js *s, size_t at, bool space) {
    while (at < s->len) {
        uint32_t code;
        size_t n = weft_j_char(s, at, &code);
        if (weft_j_space(code) != space) break;
        at += n;
    }
    return at;
}

static bool split_blanks(struct weft_jrun *r, const struct weft_js *s, int64_t most, struct weft_jlist *list) {
    size_t at = skip(s, 0, true);
    if (!weft_j_steps(r, s->len / 16)) return false;
    for (; at < s->len && most != 0; most--) {
        size_t end = skip(s, at, false);
        if (!push(r, list, s, at, end)) return false;
        at = skip(s, end, true);
    }
    if (at >= s->len) return true;
    struct weft_jv rest;
    if (!weft_j_slice(r, s, at, s->len, &rest) || !weft_j_strip(r, rest.s, NULL, 2, &rest)) return false;
    return weft_j_append(r, list, rest);
}

static bool split_by(struct weft_jrun *r, const struct weft_js *s, const struct weft_js *by, int64_t most,
                     struct weft_jlist *list) {
    size_t from = 0, at;
    for (; most != 0; most--) {
        if (!weft_j_find(r, s, by, from, &at)) return false;
        if (at == SIZE_MAX) break;
        if (!push(r, list, s, from, at)) return false;
        from = at + by->len;
    }
    return push(r, list, s, from, s->len);
}

static bool split_arguments(struct weft_jrun *r, const struct weft_jargs *args, const struct weft_js **by,
                            int64_t *most) {
    struct weft_jv a[2];
    if (!weft_j_bind(r, "split", args, "sep,maxsplit", a)) return false;
    bool blanks = a[0].kind == WEFT_J_MISSING || a[0].kind == WEFT_J_NONE;
    *by = blanks ? NULL : a[0].s;
    *most = -1;
    if (!blanks && !wants_text(r, "split", &a[0])) return false;
    if (!blanks && a[0].s->len == 0) return weft_j_fail(r, WEFT_ERR_INVALID, "split: the separator is empty");
    if (a[1].kind != WEFT_J_MISSING && !weft_j_whole(&a[1], most))
        return weft_j_fail(r, WEFT_ERR_INVALID, "split: maxsplit is an integer");
    if (*most < 0) *most = -1;
    return true;
}

METHOD(split) {
    const struct weft_js *by;
    int64_t most;
    if (!split_arguments(r, args, &by, &most) || !weft_j_list(r, 0, WEFT_J_PLAIN, out)) return false;
    return by ? split_by(r, self->s, by, most, out->list) : split_blanks(r, self->s, most, out->list);
}

// From the right: what a split from the left finds too much of is put together again. Only separators that overlap
// themselves ("aa" in "aaa") would tell the difference.
METHOD(rsplit) {
    const struct weft_js *by;
    int64_t most;
    struct weft_jv all;
    if (!split_arguments(r, args, &by, &most) || !weft_j_list(r, 0, WEFT_J_PLAIN, &all)) return false;
    if (!(by ? split_by(r, self->s, by, -1, all.list) : split_blanks(r, self->s, -1, all.list))) return false;
    if (most < 0 || all.list->n <= (size_t)most + 1) return *out = all, true;
    size_t first = all.list->n - (size_t)most;
    if (!weft_j_list(r, 0, WEFT_J_PLAIN, out)) return false;
    const struct weft_js *last = all.list->items[first - 1].s;
    if (!push(r, out->list, self->s, 0, (size_t)(last->text - self->s->text) + last->len)) return false;
    for (size_t i = first; i < all.list->n; i++)
        if (!weft_j_append(r, out->list, all.list->items[i])) return false;
    return true;
}

METHOD(splitlines) {
    struct weft_jv keep;
    if (!weft_j_bind(r, "splitlines", args, "keepends", &keep) || !weft_j_list(r, 0, WEFT_J_PLAIN, out)) return false;
    for (size_t from = 0, next; from < self->s->len; from = next) {
        size_t to = weft_j_line(self->s, from, &next);
        if (!push(r, out->list, self->s, from, weft_j_true(&keep) ? next : to)) return false;
    }
    return true;
}

METHOD(partition) {
    struct weft_jv by;
    size_t at;
    if (!weft_j_bind(r, "partition", args, "sep", &by) || !wants_text(r, "partition", &by)) return false;
    if (by.s->len == 0) return weft_j_fail(r, WEFT_ERR_INVALID, "partition: the separator is empty");
    if (!weft_j_find(r, self->s, by.s, 0, &at) || !weft_j_list(r, 3, WEFT_J_TUPLE, out)) return false;
    size_t a = at == SIZE_MAX ? self->s->len : at, b = at == SIZE_MAX ? a : at + by.s->len;
    return push(r, out->list, self->s, 0, a) && push(r, out->list, self->s, a, b) &&
           push(r, out->list, self->s, b, self->s->len);
}

// ---- asking -------------------------------------------------------------------------------------------------------

static bool begins(const struct weft_js *s, const struct weft_js *with, bool end) {
    if (with->len > s->len) return false;
    return with->len == 0 || memcmp(end ? s->text + s->len - with->len : s->text, with->text, with->len) == 0;
}

static bool edge(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args, bool end,
                 struct weft_jv *out) {
    struct weft_jv v;
    bool yes = false;
    if (!weft_j_bind(r, end ? "endswith" : "startswith", args, "prefix", &v)) return false;
    if (v.kind == WEFT_J_LIST && v.list->flavour == WEFT_J_TUPLE) {
        for (size_t i = 0; i < v.list->n && !yes; i++) {
            if (!wants_text(r, "startswith", &v.list->items[i])) return false;
            yes = begins(self->s, v.list->items[i].s, end);
        }
    } else if (!wants_text(r, end ? "endswith" : "startswith", &v)) return false;
    else yes = begins(self->s, v.s, end);
    *out = weft_j_bool(yes);
    return true;
}

METHOD(startswith) { return edge(r, self, args, false, out); }
METHOD(endswith) { return edge(r, self, args, true, out); }

static bool without(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args, bool end,
                    struct weft_jv *out) {
    struct weft_jv v;
    const struct weft_js *s = self->s;
    if (!weft_j_bind(r, "removeprefix", args, "prefix", &v) || !wants_text(r, "removeprefix", &v)) return false;
    size_t n = begins(s, v.s, end) ? v.s->len : 0;
    return weft_j_slice(r, s, end ? 0 : n, end ? s->len - n : s->len, out);
}

METHOD(removeprefix) { return without(r, self, args, false, out); }
METHOD(removesuffix) { return without(r, self, args, true, out); }

// The place in characters, or -1.
static bool find_text(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args, bool last,
                      int64_t *place) {
    struct weft_jv v;
    size_t at = SIZE_MAX, next = 0;
    *place = -1;
    if (!weft_j_bind(r, "find", args, "sub", &v) || !wants_text(r, "find", &v)) return false;
    if (last && v.s->len == 0) at = self->s->len;
    else do {
            if (!weft_j_find(r, self->s, v.s, at == SIZE_MAX ? 0 : at + 1, &next)) return false;
            if (next != SIZE_MAX) at = next;
        } while (last && next != SIZE_MAX);
    if (at == SIZE_MAX) return true;
    struct weft_js before = {.text = self->s->text, .len = at};
    *place = (int64_t)weft_j_chars(&before);
    return weft_j_steps(r, at / 16);
}

static bool find_method(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args, bool last,
                        bool must, struct weft_jv *out) {
    int64_t place;
    if (!find_text(r, self, args, last, &place)) return false;
    if (must && place < 0) return weft_j_fail(r, WEFT_ERR_INVALID, "index: the text has no such part");
    *out = weft_j_int(place);
    return true;
}

METHOD(find) { return find_method(r, self, args, false, false, out); }
METHOD(rfind) { return find_method(r, self, args, true, false, out); }
METHOD(index_of) { return find_method(r, self, args, false, true, out); }

METHOD(count) {
    struct weft_jv v;
    int64_t n = 0;
    size_t at = 0;
    if (!weft_j_bind(r, "count", args, "sub", &v) || !wants_text(r, "count", &v)) return false;
    if (v.s->len == 0) return *out = weft_j_int((int64_t)weft_j_chars(self->s) + 1), true;
    for (;; n++, at += v.s->len) {
        if (!weft_j_find(r, self->s, v.s, at, &at)) return false;
        if (at == SIZE_MAX) break;
    }
    *out = weft_j_int(n);
    return true;
}

enum class { DIGIT, ALPHA, ALNUM, SPACE, UPPER, LOWER };

static bool in_class(uint32_t c, enum class what) {
    bool digit = c >= '0' && c <= '9', alpha = (c | 32) >= 'a' && (c | 32) <= 'z' && c < 0x80;
    switch (what) {
    case DIGIT: return digit;
    case ALPHA: return alpha || (c >= 0x80 && weft_j_cased(c));
    case ALNUM: return digit || alpha || (c >= 0x80 && weft_j_cased(c));
    default: return weft_j_space(c);
    }
}

static bool is(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args, enum class what,
               struct weft_jv *out) {
    bool all = self->s->len > 0;
    if (!weft_j_bind(r, "the method", args, "", NULL) || !weft_j_steps(r, self->s->len / 16)) return false;
    if (what >= UPPER) return *out = weft_j_bool(weft_j_all_cased(self->s, what == UPPER)), true;
    for (size_t i = 0; i < self->s->len && all;) {
        uint32_t code;
        i += weft_j_char(self->s, i, &code);
        all = in_class(code, what);
        if (!all && what < SPACE && code >= 0x80)
            return weft_j_fail(r, WEFT_ERR_UNSUPPORTED, "classes of characters beyond ASCII are not supported");
    }
    *out = weft_j_bool(all);
    return true;
}

METHOD(all_digit) { return is(r, self, args, DIGIT, out); }
METHOD(all_alpha) { return is(r, self, args, ALPHA, out); }
METHOD(all_alnum) { return is(r, self, args, ALNUM, out); }
METHOD(all_space) { return is(r, self, args, SPACE, out); }
METHOD(all_upper) { return is(r, self, args, UPPER, out); }
METHOD(all_lower) { return is(r, self, args, LOWER, out); }

// ---- making -------------------------------------------------------------------------------------------------------

METHOD(replace) {
    struct weft_jv a[3];
    int64_t most = -1;
    if (!weft_j_bind(r, "replace", args, "old,new,count", a) || !wants_text(r, "replace", &a[0]) ||
        !wants_text(r, "replace", &a[1]))
        return false;
    if (a[2].kind != WEFT_J_MISSING && !weft_j_whole(&a[2], &most))
        return weft_j_fail(r, WEFT_ERR_INVALID, "replace: count is an integer");
    return weft_j_replace(r, self->s, a[0].s, a[1].s, most, out);
}

METHOD(join) {
    struct weft_jv v;
    struct weft_jlist *list;
    return weft_j_bind(r, "join", args, "iterable", &v) && weft_j_iterate(r, &v, &list) &&
           weft_j_join(r, self->s, list, true, out);
}

METHOD(format) { return weft_j_braces(r, self->s, args, out); }

METHOD(zfill) {
    struct weft_jv v;
    struct weft_jbuf b = {0};
    const struct weft_js *s = self->s;
    int64_t width;
    if (!weft_j_bind(r, "zfill", args, "width", &v)) return false;
    if (!weft_j_whole(&v, &width)) return weft_j_fail(r, WEFT_ERR_INVALID, "zfill takes an integer");
    size_t sign = s->len && (s->text[0] == '-' || s->text[0] == '+');
    if (!weft_j_add_js(r, &b, s, 0, sign)) return false;
    for (int64_t n = (int64_t)weft_j_chars(s); n < width; n++)
        if (!weft_j_steps(r, 1) || !weft_j_add_word(r, &b, "0")) return false;
    return weft_j_add_js(r, &b, s, sign, s->len) && weft_j_done(r, &b, false, out);
}

const struct weft_jfunction weft_j_text_methods[] = {{"strip", strip_both},
                                                     {"lstrip", strip_left},
                                                     {"rstrip", strip_right},
                                                     {"upper", upper},
                                                     {"lower", lower},
                                                     {"title", title},
                                                     {"capitalize", capitalize},
                                                     {"split", split},
                                                     {"rsplit", rsplit},
                                                     {"splitlines", splitlines},
                                                     {"partition", partition},
                                                     {"startswith", startswith},
                                                     {"endswith", endswith},
                                                     {"removeprefix", removeprefix},
                                                     {"removesuffix", removesuffix},
                                                     {"find", find},
                                                     {"rfind", rfind},
                                                     {"index", index_of},
                                                     {"count", count},
                                                     {"isdigit", all_digit},
                                                     {"isnumeric", all_digit},
                                                     {"isdecimal", all_digit},
                                                     {"isalpha", all_alpha},
                                                     {"isalnum", all_alnum},
                                                     {"isspace", all_space},
                                                     {"isupper", all_upper},
                                                     {"islower", all_lower},
                                                     {"replace", replace},
                                                     {"join", join},
                                                     {"format", format},
                                                     {"zfill", zfill},
                                                     {NULL, NULL}};
