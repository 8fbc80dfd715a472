/// Operations on texts that methods and filters share.
#include "core/utf8.h"
#include "model/template/call.h"
#include "model/template/text.h"

#include <string.h>

static bool strips(uint32_t code, const struct weft_js *chars) {
    if (!chars) return weft_j_space(code);
    for (size_t i = 0; i < chars->len;) {
        uint32_t c;
        i += weft_j_char(chars, i, &c);
        if (c == code) return true;
    }
    return false;
}

bool weft_j_strip(struct weft_jrun *r, const struct weft_js *s, const struct weft_js *chars, int sides,
                  struct weft_jv *out) {
    size_t from = 0, to = s->len, work = 1 + (chars ? chars->len / 8 : 0);
    uint32_t code;
    while ((sides & 1) && from < to) {
        size_t n = weft_j_char(s, from, &code);
        if (!strips(code, chars)) break;
        if (!weft_j_steps(r, work)) return false;
        from += n;
    }
    while ((sides & 2) && to > from) {
        size_t n = weft_j_char_before(s, to, &code);
        if (!strips(code, chars)) break;
        if (!weft_j_steps(r, work)) return false;
        to -= n;
    }
    return weft_j_slice(r, s, from, to, out);
}

// Jinja's filter `title` begins a word behind these, where str.title begins one behind every character without case.
static bool divides(uint32_t code) { return weft_j_space(code) || (code && code < 0x80 && strchr("-({[<", (int)code)); }

static enum weft_j_case case_of(enum weft_j_how how, bool first, bool behind_cased) {
    switch (how) {
    case WEFT_J_AS_UPPER: return WEFT_J_UPPER;
    case WEFT_J_AS_LOWER: return WEFT_J_LOWER;
    case WEFT_J_AS_TITLE: return behind_cased ? WEFT_J_LOWER : WEFT_J_TITLE;
    case WEFT_J_AS_WORDS: return first ? WEFT_J_UPPER : WEFT_J_LOWER;
    default: return first ? WEFT_J_TITLE : WEFT_J_LOWER;
    }
}

// Sigma at the end of a word is written otherwise.
static bool ends_word(const struct weft_js *s, size_t next) {
    uint32_t code = 0;
    if (next < s->len) weft_j_char(s, next, &code);
    return next >= s->len || !weft_j_cased(code);
}

bool weft_j_change_case(struct weft_jrun *r, const struct weft_js *s, enum weft_j_how how, struct weft_jv *out) {
    struct weft_jbuf b = {0};
    bool first = true, behind_cased = false;
    if (!weft_j_steps(r, s->len / 4)) return false;
    for (size_t i = 0, n; i < s->len; i += n) {
        uint32_t code, to[3];
        char text[12];
        size_t len = 0;
        n = weft_j_char(s, i, &code);
        enum weft_j_case want = case_of(how, first, behind_cased);
        size_t count = weft_j_map_case(code, want, to);
        if (want == WEFT_J_LOWER && code == 0x3a3 && behind_cased && ends_word(s, i + n)) to[0] = 0x3c2;
        bool same = count == 1 && to[0] == code;
        for (size_t k = 0; k < count && !same; k++) len += weft_utf8_put(to[k], text + len);
        if (same ? !weft_j_add_js(r, &b, s, i, i + n)
                 : !weft_j_add(r, &b, text, len, NULL, s->marks ? s->marks[i] : s->data))
            return false;
        first = how == WEFT_J_AS_WORDS && divides(code);
        behind_cased = weft_j_cased(code);
    }
    return weft_j_done(r, &b, s->markup, out);
}

// An empty `old` stands before each character and at the end.
static bool interleave(struct weft_jrun *r, const struct weft_js *s, const struct weft_js *with, int64_t count,
                       struct weft_jv *out) {
    struct weft_jbuf b = {0};
    size_t i = 0;
    for (;; count--) {
        if (count != 0 && !weft_j_add_js(r, &b, with, 0, with->len)) return false;
        if (i >= s->len) break;
        size_t n = weft_j_char(s, i, NULL);
        if (!weft_j_steps(r, 1) || !weft_j_add_js(r, &b, s, i, i + n)) return false;
        i += n;
        if (count == 0) count = 1;
    }
    return weft_j_done(r, &b, false, out);
}

bool weft_j_replace(struct weft_jrun *r, const struct weft_js *s, const struct weft_js *old, const struct weft_js *with,
                    int64_t count, struct weft_jv *out) {
    struct weft_jbuf b = {0};
    size_t from = 0, at;
    if (old->len == 0) return interleave(r, s, with, count, out);
    for (; count != 0; count--) {
        if (!weft_j_find(r, s, old, from, &at)) return false;
        if (at == SIZE_MAX) break;
        if (!weft_j_steps(r, 1) || !weft_j_add_js(r, &b, s, from, at) || !weft_j_add_js(r, &b, with, 0, with->len))
            return false;
        from = at + old->len;
    }
    return weft_j_add_js(r, &b, s, from, s->len) && weft_j_done(r, &b, false, out);
}

bool weft_j_join(struct weft_jrun *r, const struct weft_js *between, const struct weft_jlist *list, bool strict,
                 struct weft_jv *out) {
    struct weft_jbuf b = {0};
    for (size_t i = 0; i < list->n; i++) {
        if (strict && list->items[i].kind != WEFT_J_STR)
            return weft_j_fail(r, WEFT_ERR_INVALID, "join() takes strings only; element %zu is %s", i,
                               weft_j_type(&list->items[i]));
        if (i && !weft_j_add_js(r, &b, between, 0, between->len)) return false;
        if (!weft_j_print(r, &b, &list->items[i], false)) return false;
    }
    return weft_j_done(r, &b, false, out);
}

size_t weft_j_line(const struct weft_js *s, size_t from, size_t *next) {
    size_t i = from;
    while (i < s->len) {
        uint32_t c;
        size_t n = weft_j_char(s, i, &c);
        bool ends = (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
        if (ends) {
            *next = i + n + (c == '\r' && i + 1 < s->len && s->text[i + 1] == '\n');
            return i;
        }
        i += n;
    }
    *next = s->len;
    return i;
}
