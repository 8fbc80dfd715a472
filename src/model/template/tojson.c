/// tojson as Hugging Face's templates have it, which is Python's json.dumps, and from_json.
#include "model/template/call.h"
#include "model/template/text.h"

#include "core/error.h"
#include "core/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct dump {
    struct weft_jbuf out;
    bool ascii, sorted, lines;
    const struct weft_js *item, *colon; ///< what separates members, and key and value
    struct weft_js indent;
    size_t depth;
};

static bool escaped(struct weft_jrun *r, struct dump *d, uint32_t code, bool data) {
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    char text[16];
    const char *at = code && code < 0x80 ? strchr(plain, (int)code) : NULL;
    if (at) snprintf(text, sizeof text, "\\%c", letters[at - plain]);
    else if (code < 0x10000) snprintf(text, sizeof text, "\\u%04x", (unsigned)code);
    else {
        code -= 0x10000;
        snprintf(text, sizeof text, "\\u%04x\\u%04x", (unsigned)(0xd800 + (code >> 10)),
                 (unsigned)(0xdc00 + (code & 0x3ff)));
    }
    return weft_j_add(r, &d->out, text, strlen(text), NULL, data);
}

static bool string(struct weft_jrun *r, struct dump *d, const struct weft_js *s) {
    size_t from = 0;
    if (!weft_j_steps(r, s->len / 16) || !weft_j_add_word(r, &d->out, "\"")) return false;
    for (size_t i = 0, n; i < s->len; i += n) {
        uint32_t code;
        n = weft_j_char(s, i, &code);
        if (code >= 0x20 && code != '"' && code != '\\' && (!d->ascii || code < 0x7f)) continue;
        if (!weft_j_add_js(r, &d->out, s, from, i) || !escaped(r, d, code, s->marks ? s->marks[i] : s->data))
            return false;
        from = i + n;
    }
    return weft_j_add_js(r, &d->out, s, from, s->len) && weft_j_add_word(r, &d->out, "\"");
}

static bool new_line(struct weft_jrun *r, struct dump *d) {
    if (!d->lines) return true;
    bool ok = weft_j_add_word(r, &d->out, "\n");
    for (size_t i = 0; i < d->depth && ok; i++) ok = weft_j_add_js(r, &d->out, &d->indent, 0, d->indent.len);
    return ok;
}

static bool scalar_text(const struct weft_jv *v, char *text, size_t size) {
    switch (v->kind) {
    case WEFT_J_NONE: snprintf(text, size, "null"); return true;
    case WEFT_J_BOOL: snprintf(text, size, v->b ? "true" : "false"); return true;
    case WEFT_J_INT: snprintf(text, size, "%lld", (long long)v->i); return true;
    case WEFT_J_REAL:
        if (isfinite(v->r)) weft_j_real_text(v->r, text);
        else snprintf(text, size, isnan(v->r) ? "NaN" : v->r < 0 ? "-Infinity" : "Infinity");
        return true;
    default: return false;
    }
}

static bool value(struct weft_jrun *r, struct dump *d, const struct weft_jv *v);

static bool key(struct weft_jrun *r, struct dump *d, const struct weft_jv *k) {
    char text[48];
    if (k->kind == WEFT_J_STR) return string(r, d, k->s);
    if (!scalar_text(k, text, sizeof text))
        return weft_j_fail(r, WEFT_ERR_INVALID, "tojson: %s can't be a key", weft_j_type(k));
    return weft_j_add_word(r, &d->out, "\"") && weft_j_add_word(r, &d->out, text) && weft_j_add_word(r, &d->out, "\"");
}

// The places of members in the order of their keys.
static bool order(struct weft_jrun *r, const struct weft_jmap *m, size_t *places) {
    for (size_t i = 0; i < m->n; i++) {
        size_t at = i;
        for (; at > 0; at--) {
            int order;
            if (!weft_j_steps(r, 1) || !weft_j_compare(r, &m->keys[i], &m->keys[places[at - 1]], &order)) return false;
            if (order >= 0) break;
            places[at] = places[at - 1];
        }
        places[at] = i;
    }
    return true;
}

static bool map(struct weft_jrun *r, struct dump *d, const struct weft_jmap *m) {
    size_t *places = d->sorted && m->n ? weft_j_alloc(r, m->n * sizeof *places) : NULL;
    if (d->sorted && m->n && (!places || !order(r, m, places))) return false;
    if (m->n == 0) return weft_j_add_word(r, &d->out, "{}");
    bool ok = weft_j_add_word(r, &d->out, "{");
    d->depth++;
    for (size_t i = 0; i < m->n && ok; i++) {
        size_t at = places ? places[i] : i;
        ok = (!i || weft_j_add_js(r, &d->out, d->item, 0, d->item->len)) && new_line(r, d) && key(r, d, &m->keys[at]) &&
             weft_j_add_js(r, &d->out, d->colon, 0, d->colon->len) && value(r, d, &m->values[at]);
    }
    d->depth--;
    return ok && new_line(r, d) && weft_j_add_word(r, &d->out, "}");
}

static bool list(struct weft_jrun *r, struct dump *d, const struct weft_jlist *l) {
    if (l->n == 0) return weft_j_add_word(r, &d->out, "[]");
    bool ok = weft_j_add_word(r, &d->out, "[");
    d->depth++;
    for (size_t i = 0; i < l->n && ok; i++)
        ok = (!i || weft_j_add_js(r, &d->out, d->item, 0, d->item->len)) && new_line(r, d) && value(r, d, &l->items[i]);
    d->depth--;
    return ok && new_line(r, d) && weft_j_add_word(r, &d->out, "]");
}

static bool any(struct weft_jrun *r, struct dump *d, const struct weft_jv *v) {
    char text[48];
    if (v->kind == WEFT_J_STR) return string(r, d, v->s);
    if (v->kind == WEFT_J_MAP) return map(r, d, v->map);
    if (v->kind == WEFT_J_LIST && v->list->flavour <= WEFT_J_TUPLE) return list(r, d, v->list);
    if (scalar_text(v, text, sizeof text)) return weft_j_add_word(r, &d->out, text);
    if (v->kind == WEFT_J_UNDEFINED) return weft_j_fail(r, WEFT_ERR_INVALID, "tojson: %s", v->s->text);
    return weft_j_fail(r, WEFT_ERR_INVALID, "tojson: %s has no JSON", weft_j_type(v));
}

static bool value(struct weft_jrun *r, struct dump *d, const struct weft_jv *v) {
    bool ok = weft_j_enter(r) && any(r, d, v);
    weft_j_leave(r);
    return ok;
}

static bool set_indent(struct weft_jrun *r, struct dump *d, const struct weft_jv *indent) {
    static const char blanks[] = "                                ";
    int64_t n;
    if (indent->kind == WEFT_J_MISSING || indent->kind == WEFT_J_NONE) return true;
    d->lines = true;
    if (indent->kind == WEFT_J_STR) d->indent = *indent->s;
    else if (!weft_j_whole(indent, &n)) return weft_j_fail(r, WEFT_ERR_INVALID, "tojson: indent is no number");
    else if (n > (int64_t)sizeof blanks - 1)
        return weft_j_fail(r, WEFT_ERR_LIMIT, "tojson: indent may be at most %zu", sizeof blanks - 1);
    else d->indent = (struct weft_js){.text = blanks, .len = n < 0 ? 0 : (size_t)n};
    return true;
}

bool weft_j_tojson(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args,
                   struct weft_jv *out) {
    static const struct weft_js comma = {.text = ",", .len = 1}, wide = {.text = ", ", .len = 2},
                                colon = {.text = ": ", .len = 2};
    struct weft_jv a[4];
    struct dump d = {.item = &wide, .colon = &colon};
    if (!weft_j_bind(r, "tojson", args, "ensure_ascii,indent,separators,sort_keys", a) || !set_indent(r, &d, &a[1]))
        return false;
    d.ascii = weft_j_true(&a[0]);
    d.sorted = weft_j_true(&a[3]);
    if (d.lines) d.item = &comma;
    if (a[2].kind != WEFT_J_MISSING && a[2].kind != WEFT_J_NONE) {
        if (a[2].kind != WEFT_J_LIST || a[2].list->n != 2 || a[2].list->items[0].kind != WEFT_J_STR ||
            a[2].list->items[1].kind != WEFT_J_STR)
            return weft_j_fail(r, WEFT_ERR_INVALID, "tojson: separators are two strings");
        d.item = a[2].list->items[0].s;
        d.colon = a[2].list->items[1].s;
    }
    return value(r, &d, self) && weft_j_done(r, &d.out, false, out);
}

bool weft_j_fromjson(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args,
                     struct weft_jv *out) {
    struct weft_json_value v;
    if (!weft_j_bind(r, "from_json", args, "", NULL)) return false;
    if (self->kind != WEFT_J_STR)
        return weft_j_fail(r, WEFT_ERR_INVALID, "from_json takes a string, not %s", weft_j_type(self));
    const struct weft_js *s = self->s;
    // A tree of JSON takes at most some 50 times the text, all of which the limits on memory must see.
    if (!weft_j_steps(r, s->len / 4) || !weft_j_charge(r, s->len < SIZE_MAX / 50 ? s->len * 50 : SIZE_MAX))
        return false;
    weft_status status = weft_json_read(s->text, s->len, "from_json", &r->arena, &v);
    if (status != WEFT_OK) {
        char why[256];
        snprintf(why, sizeof why, "%s", weft_error_message());
        return weft_j_fail(r, status == WEFT_ERR_NOMEM ? status : WEFT_ERR_INVALID, "%s", why);
    }
    bool data = s->data;
    for (size_t i = 0; s->marks && i < s->len && !data; i++) data = s->marks[i];
    return weft_j_from_json(r, &v, data, out);
}
