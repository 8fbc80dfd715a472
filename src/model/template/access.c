/// Attributes, items and slices. What is not there is undefined; asking an undefined value for more is an error.
#include "model/template/call.h"

#include "model/template/text.h"

#include <stdlib.h>
#include <string.h>

static bool is_undefined(struct weft_jrun *r, const struct weft_jv *v, const struct weft_js *name) {
    if (v->kind != WEFT_J_UNDEFINED) return false;
    if (name) weft_j_fail(r, WEFT_ERR_INVALID, "%s, so it has no '%.*s'", v->s->text, (int)name->len, name->text);
    else weft_j_fail(r, WEFT_ERR_INVALID, "%s, so it has no elements", v->s->text);
    return true;
}

static bool absent(struct weft_jrun *r, const struct weft_jv *v, const struct weft_js *name, struct weft_jv *out) {
    return weft_j_undefined(r, out, "'%.*s' of %s is undefined", name->len < 100 ? (int)name->len : 100, name->text,
                            weft_j_type(v));
}

static bool loop_attr(struct weft_jrun *r, const struct weft_jv *v, const struct weft_js *name, struct weft_jv *out) {
    const struct weft_jloop *l = v->loop;
    int64_t i = (int64_t)l->index, n = (int64_t)l->items->n;
    const struct {
        const char *name;
        struct weft_jv value;
    } all[] = {{"index", weft_j_int(i + 1)},
               {"index0", weft_j_int(i)},
               {"revindex", weft_j_int(n - i)},
               {"revindex0", weft_j_int(n - i - 1)},
               {"first", weft_j_bool(i == 0)},
               {"last", weft_j_bool(i + 1 == n)},
               {"length", weft_j_int(n)},
               {"depth", weft_j_int((int64_t)l->depth + 1)},
               {"depth0", weft_j_int((int64_t)l->depth)}};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        if (weft_j_js_is(name, all[k].name, strlen(all[k].name))) return *out = all[k].value, true;
    if (weft_j_js_is(name, "previtem", 8) && i) return *out = l->items->items[i - 1], true;
    if (weft_j_js_is(name, "nextitem", 8) && i + 1 < n) return *out = l->items->items[i + 1], true;
    return absent(r, v, name, out);
}

static bool method(struct weft_jrun *r, const struct weft_jv *v, const struct weft_js *name, struct weft_jv *out) {
    const struct weft_jfunction *function = weft_j_find_method(v, name);
    if (!function) return false;
    struct weft_jmethod *m = weft_j_alloc(r, sizeof *m);
    if (!m) return true;
    *m = (struct weft_jmethod){function, *v};
    *out = (struct weft_jv){.kind = WEFT_J_METHOD, .method = m};
    return true;
}

static bool member(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jv *key, bool *found,
                   struct weft_jv *out) {
    size_t place = SIZE_MAX;
    if (!weft_j_get(r, v->map, *key, &place)) return false;
    *found = place != SIZE_MAX;
    if (*found) *out = v->map->values[place];
    return true;
}

bool weft_j_attr(struct weft_jrun *r, const struct weft_jv *v, const struct weft_js *name, struct weft_jv *out) {
    struct weft_jv key = weft_j_text(name);
    bool found = false;
    if (is_undefined(r, v, name)) return false;
    if (v->kind == WEFT_J_LOOP && !weft_j_find_method(v, name)) return loop_attr(r, v, name, out);
    if (method(r, v, name, out)) return r->status == WEFT_OK;
    if (v->kind == WEFT_J_MAP || v->kind == WEFT_J_SPACE) {
        if (!member(r, v, &key, &found, out)) return false;
        if (found) return true;
    }
    return absent(r, v, name, out);
}

static bool at_index(struct weft_jrun *r, const struct weft_jv *v, int64_t i, struct weft_jv *out) {
    size_t n = v->kind == WEFT_J_STR ? weft_j_chars(v->s) : v->list->n;
    if (v->kind == WEFT_J_STR && !weft_j_steps(r, v->s->len / 16)) return false;
    if (i < 0) i += (int64_t)n;
    if (i < 0 || i >= (int64_t)n || (v->kind == WEFT_J_LIST && v->list->flavour > WEFT_J_RANGE))
        return weft_j_undefined(r, out, "element %lld of %s is undefined", (long long)i, weft_j_type(v));
    if (v->kind == WEFT_J_LIST) return *out = v->list->items[i], true;
    size_t from = weft_j_byte_of(v->s, (size_t)i);
    return weft_j_slice(r, v->s, from, from + weft_j_char(v->s, from, NULL), out);
}

bool weft_j_item(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jv *key, struct weft_jv *out) {
    int64_t i;
    bool found = false;
    if (is_undefined(r, v, key->kind == WEFT_J_STR ? key->s : NULL)) return false;
    if (v->kind == WEFT_J_MAP && !(key->kind == WEFT_J_MAP || (key->kind == WEFT_J_LIST && !key->list->flavour))) {
        if (!member(r, v, key, &found, out)) return false;
        if (found) return true;
    }
    if (key->kind == WEFT_J_STR) return weft_j_attr(r, v, key->s, out);
    if ((v->kind == WEFT_J_STR || v->kind == WEFT_J_LIST) && weft_j_whole(key, &i)) return at_index(r, v, i, out);
    return weft_j_undefined(r, out, "an element of %s, looked up by %s, is undefined", weft_j_type(v),
                            weft_j_type(key));
}

// ---- slices -------------------------------------------------------------------------------------------------------

// As Python's slice.indices: where to begin, where to stop, and the step.
static bool bounds(const struct weft_jv part[3], int64_t n, int64_t *from, int64_t *to, int64_t *step) {
    int64_t given[3];
    bool has[3];
    for (int i = 0; i < 3; i++) {
        has[i] = part[i].kind != WEFT_J_MISSING && part[i].kind != WEFT_J_NONE;
        if (has[i] && !weft_j_whole(&part[i], &given[i])) return false;
    }
    *step = has[2] ? given[2] : 1;
    if (*step == 0) return false;
    int64_t low = *step < 0 ? -1 : 0, high = *step < 0 ? n - 1 : n;
    int64_t *ends[2] = {from, to}, absent[2] = {*step < 0 ? high : low, *step < 0 ? low : high};
    for (int i = 0; i < 2; i++) {
        int64_t x = has[i] ? given[i] : absent[i];
        if (has[i] && x < 0) x = x < -n ? low : x + n;
        if (has[i] && x < low) x = low;
        *ends[i] = x > high ? high : x;
    }
    return true;
}

static int64_t count(int64_t from, int64_t to, int64_t step) {
    if (step > 0) return from < to ? (to - from - 1) / step + 1 : 0;
    return from > to ? (int64_t)(((uint64_t)(from - to) - 1) / (0 - (uint64_t)step)) + 1 : 0;
}

static bool slice_list(struct weft_jrun *r, const struct weft_jlist *list, int64_t from, int64_t n, int64_t step,
                       struct weft_jv *out) {
    if (!weft_j_list(r, (size_t)n, list->flavour, out)) return false;
    for (int64_t i = 0; i < n; i++)
        if (!weft_j_append(r, out->list, list->items[from + i * step])) return false;
    return true;
}

static bool slice_text(struct weft_jrun *r, const struct weft_js *s, int64_t from, int64_t n, int64_t step,
                       struct weft_jv *out) {
    struct weft_jbuf b = {0};
    if (!weft_j_steps(r, s->len / 16)) return false;
    if (n == 0) return weft_j_slice(r, s, 0, 0, out);
    if (step == 1) {
        size_t start = weft_j_byte_of(s, (size_t)from);
        struct weft_js rest = {.text = s->text + start, .len = s->len - start};
        return weft_j_slice(r, s, start, start + weft_j_byte_of(&rest, (size_t)n), out);
    }
    struct weft_jv whole = weft_j_text(s);
    struct weft_jlist *chars;
    if (!weft_j_iterate(r, &whole, &chars)) return false;
    for (int64_t i = 0; i < n; i++) {
        const struct weft_js *c = chars->items[from + i * step].s;
        if (!weft_j_add_js(r, &b, c, 0, c->len)) return false;
    }
    return weft_j_done(r, &b, s->markup, out);
}

bool weft_j_slice_of(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jv part[3], struct weft_jv *out) {
    int64_t from, to, step;
    bool text = v->kind == WEFT_J_STR, list = v->kind == WEFT_J_LIST && v->list->flavour <= WEFT_J_RANGE;
    if (is_undefined(r, v, NULL)) return false;
    if (!text && !list) return weft_j_fail(r, WEFT_ERR_INVALID, "%s has no slices", weft_j_type(v));
    int64_t n = text ? (int64_t)weft_j_chars(v->s) : (int64_t)v->list->n;
    if (!bounds(part, n, &from, &to, &step))
        return weft_j_fail(r, WEFT_ERR_INVALID, "a slice takes integers, and a step other than 0");
    int64_t items = count(from, to, step);
    if (items <= 1) step = 1; // a huge step would overflow the products
    return text ? slice_text(r, v->s, from, items, step, out) : slice_list(r, v->list, from, items, step, out);
}

// ---- paths --------------------------------------------------------------------------------------------------------

bool weft_j_path(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jv *path, struct weft_jv *out) {
    *out = *v;
    if (path->kind == WEFT_J_MISSING || path->kind == WEFT_J_NONE) return true;
    if (path->kind != WEFT_J_STR) return weft_j_item(r, v, path, out);
    const struct weft_js *s = path->s;
    for (size_t from = 0, to; from <= s->len; from = to + 1) {
        struct weft_jv part, next;
        const char *dot = from < s->len ? memchr(s->text + from, '.', s->len - from) : NULL;
        to = dot ? (size_t)(dot - s->text) : s->len;
        bool digits = to > from && to - from < 18;
        int64_t index = 0;
        for (size_t i = from; i < to && digits; i++) {
            digits = s->text[i] >= '0' && s->text[i] <= '9';
            index = index * 10 + (s->text[i] - '0');
        }
        if (digits) part = weft_j_int(index);
        else if (!weft_j_slice(r, s, from, to, &part)) return false;
        if (!weft_j_item(r, out, &part, &next)) return false;
        *out = next;
    }
    return true;
}
