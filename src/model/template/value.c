#include "model/template/value.h"

#include "core/alloc.h"
#include "core/error.h"
#include "model/template/template.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// ---- failing, counting --------------------------------------------------------------------------------------------

bool weft_j_fail(struct weft_jrun *r, weft_status status, const char *format, ...) {
    char text[1024];
    va_list args;
    if (r->status != WEFT_OK) return false; // the first reason is the one to tell
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->status = weft_fail(status, "chat template, line %u, column %u: %s", r->line, r->column, text);
    return false;
}

static bool no_memory(struct weft_jrun *r) { return weft_j_fail(r, WEFT_ERR_NOMEM, "out of memory"); }

bool weft_j_steps(struct weft_jrun *r, size_t n) {
    uint64_t most = r->options->limits.steps;
    r->steps += n;
    if (r->steps <= most && r->status == WEFT_OK) return true;
    return weft_j_fail(r, WEFT_ERR_LIMIT, "the template takes more than %llu steps (limits.steps)",
                       (unsigned long long)most);
}

bool weft_j_charge(struct weft_jrun *r, size_t bytes) {
    size_t most = r->options->limits.memory;
    if (bytes > most || r->bytes > most - bytes)
        return weft_j_fail(r, WEFT_ERR_LIMIT, "the template needs more than %zu bytes of memory (limits.memory)", most);
    r->bytes += bytes;
    return true;
}

void *weft_j_alloc(struct weft_jrun *r, size_t size) {
    if (!weft_j_charge(r, size + 16)) return NULL;
    void *p = weft_arena_alloc(&r->arena, size);
    if (!p) no_memory(r);
    return p;
}

bool weft_j_enter(struct weft_jrun *r) {
    r->depth++;
    if (r->depth <= r->options->limits.depth) return weft_j_steps(r, 1);
    return weft_j_fail(r, WEFT_ERR_LIMIT, "evaluation is nested more than %zu deep (limits.depth)",
                       r->options->limits.depth);
}

// ---- texts --------------------------------------------------------------------------------------------------------

bool weft_j_str(struct weft_jrun *r, const char *text, size_t n, bool data, struct weft_jv *out) {
    struct weft_js *s = weft_j_alloc(r, sizeof *s);
    if (!s) return false;
    *s = (struct weft_js){.text = text, .len = n, .data = data};
    *out = weft_j_text(s);
    return true;
}

bool weft_j_slice(struct weft_jrun *r, const struct weft_js *s, size_t from, size_t to, struct weft_jv *out) {
    if (from == 0 && to == s->len) return *out = weft_j_text(s), true;
    if (!weft_j_str(r, s->text + from, to - from, s->data, out)) return false;
    struct weft_js *part = (struct weft_js *)out->s;
    part->marks = s->marks ? s->marks + from : NULL;
    part->markup = s->markup;
    return true;
}

bool weft_j_undefined(struct weft_jrun *r, struct weft_jv *out, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t n = strlen(text);
    char *copy = weft_j_alloc(r, n + 1);
    if (!copy) return false;
    memcpy(copy, text, n);
    if (!weft_j_str(r, copy, n, false, out)) return false;
    out->kind = WEFT_J_UNDEFINED;
    return true;
}

static bool reserve(struct weft_jrun *r, struct weft_jbuf *b, size_t n) {
    if (n <= b->cap - b->len) return true;
    if (n > r->options->limits.memory) return weft_j_alloc(r, n) != NULL; // fails, with the sentence
    size_t cap = b->cap * 2 > b->len + n ? b->cap * 2 : b->len + n;
    if (cap < 64) cap = 64;
    char *text = weft_j_alloc(r, cap);
    uint8_t *marks = text ? weft_j_alloc(r, cap) : NULL;
    if (!marks) return false;
    if (b->len) {
        memcpy(text, b->text, b->len);
        memcpy(marks, b->marks, b->len);
    }
    b->text = text;
    b->marks = marks;
    b->cap = cap;
    return true;
}

bool weft_j_add(struct weft_jrun *r, struct weft_jbuf *b, const char *text, size_t n, const uint8_t *marks, bool data) {
    if (n == 0) return true;
    if (b == r->out && r->is_root_output && n > r->options->limits.output - b->len)
        return weft_j_fail(r, WEFT_ERR_LIMIT, "the text grows beyond %zu bytes (limits.output)",
                           r->options->limits.output);
    if (!weft_j_steps(r, n / 64) || !reserve(r, b, n)) return false;
    memcpy(b->text + b->len, text, n);
    if (marks) memcpy(b->marks + b->len, marks, n);
    else memset(b->marks + b->len, data, n);
    b->len += n;
    return true;
}

bool weft_j_add_js(struct weft_jrun *r, struct weft_jbuf *b, const struct weft_js *s, size_t from, size_t to) {
    return weft_j_add(r, b, s->text + from, to - from, s->marks ? s->marks + from : NULL, s->data);
}

bool weft_j_add_word(struct weft_jrun *r, struct weft_jbuf *b, const char *word) {
    return weft_j_add(r, b, word, strlen(word), NULL, false);
}

bool weft_j_done(struct weft_jrun *r, struct weft_jbuf *b, bool markup, struct weft_jv *out) {
    if (!weft_j_str(r, b->len ? b->text : "", b->len, false, out)) return false;
    struct weft_js *s = (struct weft_js *)out->s;
    s->markup = markup;
    s->marks = b->marks;
    return true;
}

struct weft_jbuf *weft_j_tail(struct weft_jrun *r, const struct weft_js *s) {
    if (s->owner && s->owner->len == s->len) return s->owner;
    struct weft_jbuf *b = weft_j_alloc(r, sizeof *b);
    return b && weft_j_add_js(r, b, s, 0, s->len) ? b : NULL;
}

bool weft_j_owned(struct weft_jrun *r, struct weft_jbuf *b, struct weft_jv *out) {
    if (!weft_j_done(r, b, false, out)) return false;
    ((struct weft_js *)out->s)->owner = b;
    return true;
}

// ---- lists and maps -----------------------------------------------------------------------------------------------

bool weft_j_list(struct weft_jrun *r, size_t cap, enum weft_j_flavour flavour, struct weft_jv *out) {
    struct weft_jlist *list = weft_j_alloc(r, sizeof *list);
    if (!list) return false;
    list->flavour = flavour;
    if (cap && cap < SIZE_MAX / sizeof *list->items) list->items = weft_j_alloc(r, cap * sizeof *list->items);
    if (cap && !list->items) return weft_j_fail(r, WEFT_ERR_LIMIT, "a list of %zu elements is too long", cap);
    list->cap = cap;
    *out = (struct weft_jv){.kind = WEFT_J_LIST, .list = list};
    return true;
}

static void *grown(struct weft_jrun *r, const void *old, size_t n, size_t cap, size_t size) {
    void *p = weft_j_alloc(r, cap * size);
    if (p && n) memcpy(p, old, n * size);
    return p;
}

bool weft_j_append(struct weft_jrun *r, struct weft_jlist *list, struct weft_jv v) {
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 4;
        struct weft_jv *items = grown(r, list->items, list->n, cap, sizeof *items);
        if (!items) return false;
        list->items = items;
        list->cap = cap;
    }
    list->items[list->n++] = v;
    return true;
}

bool weft_j_pair(struct weft_jrun *r, struct weft_jv a, struct weft_jv b, struct weft_jv *out) {
    return weft_j_list(r, 2, WEFT_J_TUPLE, out) && weft_j_append(r, out->list, a) && weft_j_append(r, out->list, b);
}

bool weft_j_map(struct weft_jrun *r, struct weft_jv *out) {
    struct weft_jmap *map = weft_j_alloc(r, sizeof *map);
    *out = (struct weft_jv){.kind = WEFT_J_MAP, .map = map};
    return map != NULL;
}

bool weft_j_get_text(const struct weft_jmap *map, const char *key, size_t n, size_t *place) {
    for (size_t i = 0; i < map->n; i++)
        if (map->keys[i].kind == WEFT_J_STR && weft_j_js_is(map->keys[i].s, key, n)) return *place = i, true;
    return false;
}

bool weft_j_get(struct weft_jrun *r, const struct weft_jmap *map, struct weft_jv key, size_t *place) {
    *place = SIZE_MAX;
    if (key.kind == WEFT_J_LIST ? key.list->flavour != WEFT_J_TUPLE : key.kind == WEFT_J_MAP)
        return weft_j_fail(r, WEFT_ERR_INVALID, "%s can't be a key", weft_j_type(&key));
    if (!weft_j_steps(r, map->n / 8)) return false;
    if (key.kind == WEFT_J_STR) {
        weft_j_get_text(map, key.s->text, key.s->len, place);
        return true;
    }
    for (size_t i = 0; i < map->n; i++) {
        bool same;
        if (!weft_j_equal(r, &map->keys[i], &key, &same)) return false;
        if (same) return *place = i, true;
    }
    return true;
}

bool weft_j_put(struct weft_jrun *r, struct weft_jmap *map, struct weft_jv key, struct weft_jv v) {
    size_t place;
    if (!weft_j_get(r, map, key, &place)) return false;
    if (place != SIZE_MAX) return map->values[place] = v, true;
    if (map->n == map->cap) {
        size_t cap = map->cap ? map->cap * 2 : 4;
        struct weft_jv *keys = grown(r, map->keys, map->n, cap, sizeof *keys);
        struct weft_jv *values = keys ? grown(r, map->values, map->n, cap, sizeof *values) : NULL;
        if (!values) return false;
        map->keys = keys;
        map->values = values;
        map->cap = cap;
    }
    map->keys[map->n] = key;
    map->values[map->n++] = v;
    return true;
}

// Keys of a JSON map differ, so they need not be looked up.
static bool members(struct weft_jrun *r, const struct weft_json_value *v, bool data, struct weft_jv *out) {
    if (!weft_j_map(r, out)) return false;
    struct weft_jmap *map = out->map;
    if (v->n == 0) return true;
    map->keys = weft_j_alloc(r, v->n * sizeof *map->keys);
    map->values = map->keys ? weft_j_alloc(r, v->n * sizeof *map->values) : NULL;
    if (!map->values) return false;
    map->n = map->cap = v->n;
    for (size_t i = 0; i < v->n; i++)
        if (!weft_j_str(r, v->keys[i].text, v->keys[i].len, data, &map->keys[i]) ||
            !weft_j_from_json(r, &v->items[i], data, &map->values[i]))
            return false;
    return true;
}

static bool elements(struct weft_jrun *r, const struct weft_json_value *v, bool data, struct weft_jv *out) {
    if (!weft_j_list(r, v->n, WEFT_J_PLAIN, out)) return false;
    for (size_t i = 0; i < v->n; i++) {
        struct weft_jv item;
        if (!weft_j_from_json(r, &v->items[i], data, &item) || !weft_j_append(r, out->list, item)) return false;
    }
    return true;
}

bool weft_j_from_json(struct weft_jrun *r, const struct weft_json_value *v, bool data, struct weft_jv *out) {
    bool ok = true;
    if (!weft_j_enter(r)) return false;
    switch (v->type) {
    case WEFT_JSON_NULL: *out = weft_j_none(); break;
    case WEFT_JSON_BOOL: *out = weft_j_bool(v->b); break;
    case WEFT_JSON_INT: *out = weft_j_int(v->i); break;
    case WEFT_JSON_REAL: *out = weft_j_real(v->r); break;
    case WEFT_JSON_STRING: ok = weft_j_str(r, v->s.text, v->s.len, data, out); break;
    case WEFT_JSON_LIST: ok = elements(r, v, data, out); break;
    case WEFT_JSON_MAP: ok = members(r, v, data, out); break;
    }
    weft_j_leave(r);
    return ok;
}

// ---- arguments ----------------------------------------------------------------------------------------------------

// Place of a name in "a,b,c", or the number of names.
static size_t place_of(const char *names, const char *name, size_t n) {
    size_t place = 0;
    for (const char *at = names; *at; place++) {
        size_t len = strcspn(at, ",");
        if (name && len == n && memcmp(at, name, n) == 0) return place;
        at += len + (at[len] == ',');
    }
    return name ? SIZE_MAX : place;
}

bool weft_j_bind(struct weft_jrun *r, const char *what, const struct weft_jargs *args, const char *names,
                 struct weft_jv *out) {
    size_t most = place_of(names, NULL, 0);
    for (size_t i = 0; i < most; i++) out[i] = (struct weft_jv){.kind = WEFT_J_MISSING};
    if (args->n > most)
        return weft_j_fail(r, WEFT_ERR_INVALID, "%s takes at most %zu arguments, not %zu", what, most, args->n);
    for (size_t i = 0; i < args->n; i++) out[i] = args->items[i];
    for (size_t i = 0; i < args->named; i++) {
        const struct weft_js *name = args->names[i];
        size_t place = place_of(names, name->text, name->len);
        if (place == SIZE_MAX)
            return weft_j_fail(r, WEFT_ERR_INVALID, "%s has no argument '%.*s'", what, (int)name->len, name->text);
        if (out[place].kind != WEFT_J_MISSING)
            return weft_j_fail(r, WEFT_ERR_INVALID, "%s got argument '%.*s' twice", what, (int)name->len, name->text);
        out[place] = args->items[args->n + i];
    }
    return true;
}
