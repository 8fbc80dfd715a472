/// Methods of lists, maps and loops, and the search for a method.
#include "model/template/methods.h"
#include "model/template/text.h"

#include <string.h>

#define METHOD(name)                                                                                                   \
    static bool name(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args,                   \
                     struct weft_jv *out)

static bool bind(struct weft_jrun *r, const char *what, const struct weft_jargs *args, const char *names,
                 struct weft_jv *a) {
    if (!weft_j_bind(r, what, args, names, a)) return false;
    if (!*names || a[0].kind != WEFT_J_MISSING) return true;
    return weft_j_fail(r, WEFT_ERR_INVALID, "%s needs an argument", what);
}

// ---- lists --------------------------------------------------------------------------------------------------------

METHOD(append) {
    struct weft_jv v;
    *out = weft_j_none();
    return bind(r, "append", args, "object", &v) && weft_j_append(r, self->list, v);
}

METHOD(extend) {
    struct weft_jv v;
    struct weft_jlist *items;
    *out = weft_j_none();
    if (!bind(r, "extend", args, "iterable", &v) || !weft_j_iterate(r, &v, &items)) return false;
    for (size_t i = 0, n = items->n; i < n; i++)
        if (!weft_j_append(r, self->list, items->items[i])) return false;
    return true;
}

static bool place_of(struct weft_jrun *r, const struct weft_jlist *list, const struct weft_jv *v, size_t *place) {
    bool same = false;
    for (*place = 0; *place < list->n; ++*place) {
        if (!weft_j_equal(r, &list->items[*place], v, &same)) return false;
        if (same) return true;
    }
    return weft_j_fail(r, WEFT_ERR_INVALID, "the list has no such element");
}

METHOD(index_of) {
    struct weft_jv v;
    size_t place;
    if (!bind(r, "index", args, "value", &v) || !place_of(r, self->list, &v, &place)) return false;
    *out = weft_j_int((int64_t)place);
    return true;
}

METHOD(count) {
    struct weft_jv v;
    int64_t n = 0;
    if (!bind(r, "count", args, "value", &v)) return false;
    for (size_t i = 0; i < self->list->n; i++) {
        bool same;
        if (!weft_j_equal(r, &self->list->items[i], &v, &same)) return false;
        n += same;
    }
    *out = weft_j_int(n);
    return true;
}

static bool take_out(struct weft_jrun *r, struct weft_jlist *list, size_t place) {
    memmove(list->items + place, list->items + place + 1, (list->n - place - 1) * sizeof *list->items);
    list->n--;
    return weft_j_steps(r, list->n / 8);
}

METHOD(pop_element) {
    struct weft_jv v;
    int64_t i = -1;
    struct weft_jlist *list = self->list;
    if (!weft_j_bind(r, "pop", args, "index", &v)) return false;
    if (v.kind != WEFT_J_MISSING && !weft_j_whole(&v, &i))
        return weft_j_fail(r, WEFT_ERR_INVALID, "pop takes an integer");
    if (i < 0) i += (int64_t)list->n;
    if (i < 0 || i >= (int64_t)list->n) return weft_j_fail(r, WEFT_ERR_INVALID, "pop: the list has no such element");
    *out = list->items[i];
    return take_out(r, list, (size_t)i);
}

METHOD(remove_element) {
    struct weft_jv v;
    size_t place;
    *out = weft_j_none();
    return bind(r, "remove", args, "value", &v) && place_of(r, self->list, &v, &place) &&
           take_out(r, self->list, place);
}

METHOD(insert) {
    struct weft_jv a[2];
    struct weft_jlist *list = self->list;
    int64_t i, n = (int64_t)list->n;
    *out = weft_j_none();
    if (!bind(r, "insert", args, "index,object", a)) return false;
    if (!weft_j_whole(&a[0], &i) || a[1].kind == WEFT_J_MISSING)
        return weft_j_fail(r, WEFT_ERR_INVALID, "insert takes an integer and a value");
    if (i < 0) i = i < -n ? 0 : i + n;
    if (i > n) i = n;
    if (!weft_j_append(r, list, a[1]) || !weft_j_steps(r, list->n / 8)) return false;
    memmove(list->items + i + 1, list->items + i, (size_t)(n - i) * sizeof *list->items);
    list->items[i] = a[1];
    return true;
}

METHOD(reverse) {
    struct weft_jlist *list = self->list;
    *out = weft_j_none();
    if (!bind(r, "reverse", args, "", NULL) || !weft_j_steps(r, list->n / 8)) return false;
    for (size_t i = 0; i < list->n / 2; i++) {
        struct weft_jv v = list->items[i];
        list->items[i] = list->items[list->n - 1 - i];
        list->items[list->n - 1 - i] = v;
    }
    return true;
}

METHOD(clear_list) {
    *out = weft_j_none();
    if (!bind(r, "clear", args, "", NULL)) return false;
    self->list->n = 0;
    return true;
}

METHOD(copy_list) {
    if (!bind(r, "copy", args, "", NULL) || !weft_j_list(r, self->list->n, WEFT_J_PLAIN, out)) return false;
    for (size_t i = 0; i < self->list->n; i++)
        if (!weft_j_append(r, out->list, self->list->items[i])) return false;
    return true;
}

const struct weft_jfunction weft_j_list_methods[] = {
    {"append", append},    {"extend", extend},         {"index", index_of}, {"count", count},
    {"pop", pop_element},  {"remove", remove_element}, {"insert", insert},  {"reverse", reverse},
    {"clear", clear_list}, {"copy", copy_list},        {NULL, NULL}};

const struct weft_jfunction weft_j_tuple_methods[] = {{"index", index_of}, {"count", count}, {NULL, NULL}};

// ---- maps ---------------------------------------------------------------------------------------------------------

METHOD(get) {
    struct weft_jv a[2];
    size_t place;
    if (!bind(r, "get", args, "key,default", a) || !weft_j_get(r, self->map, a[0], &place)) return false;
    *out = place != SIZE_MAX ? self->map->values[place] : a[1].kind == WEFT_J_MISSING ? weft_j_none() : a[1];
    return true;
}

static bool view(struct weft_jrun *r, const struct weft_jmap *map, int what, struct weft_jv *out) {
    if (!weft_j_list(r, map->n, WEFT_J_VIEW, out)) return false;
    for (size_t i = 0; i < map->n; i++) {
        struct weft_jv v = what == 0 ? map->keys[i] : map->values[i];
        if (what == 2 && !weft_j_pair(r, map->keys[i], map->values[i], &v)) return false;
        if (!weft_j_append(r, out->list, v)) return false;
    }
    return true;
}

METHOD(keys) { return bind(r, "keys", args, "", NULL) && view(r, self->map, 0, out); }
METHOD(values) { return bind(r, "values", args, "", NULL) && view(r, self->map, 1, out); }
METHOD(items) { return bind(r, "items", args, "", NULL) && view(r, self->map, 2, out); }

METHOD(pop_member) {
    struct weft_jv a[2];
    size_t place;
    struct weft_jmap *map = self->map;
    if (!bind(r, "pop", args, "key,default", a) || !weft_j_get(r, map, a[0], &place)) return false;
    if (place == SIZE_MAX) {
        *out = a[1];
        return a[1].kind != WEFT_J_MISSING || weft_j_fail(r, WEFT_ERR_INVALID, "pop: the map has no such key");
    }
    *out = map->values[place];
    memmove(map->keys + place, map->keys + place + 1, (map->n - place - 1) * sizeof *map->keys);
    memmove(map->values + place, map->values + place + 1, (map->n - place - 1) * sizeof *map->values);
    map->n--;
    return weft_j_steps(r, map->n / 8);
}

METHOD(setdefault) {
    struct weft_jv a[2];
    size_t place;
    if (!bind(r, "setdefault", args, "key,default", a) || !weft_j_get(r, self->map, a[0], &place)) return false;
    if (place != SIZE_MAX) return *out = self->map->values[place], true;
    *out = a[1].kind == WEFT_J_MISSING ? weft_j_none() : a[1];
    return weft_j_put(r, self->map, a[0], *out);
}

static bool put_all(struct weft_jrun *r, struct weft_jmap *to, const struct weft_jmap *from) {
    for (size_t i = 0, n = from->n; i < n; i++)
        if (!weft_j_put(r, to, from->keys[i], from->values[i])) return false;
    return true;
}

METHOD(update) {
    *out = weft_j_none();
    if (args->n > 1 || (args->n && args->items[0].kind != WEFT_J_MAP))
        return weft_j_fail(r, WEFT_ERR_INVALID, "update takes a map and names");
    if (args->n && !put_all(r, self->map, args->items[0].map)) return false;
    for (size_t i = 0; i < args->named; i++)
        if (!weft_j_put(r, self->map, weft_j_text(args->names[i]), args->items[args->n + i])) return false;
    return true;
}

METHOD(copy_map) { return bind(r, "copy", args, "", NULL) && weft_j_map(r, out) && put_all(r, out->map, self->map); }

METHOD(clear_map) {
    *out = weft_j_none();
    if (!bind(r, "clear", args, "", NULL)) return false;
    self->map->n = 0;
    return true;
}

const struct weft_jfunction weft_j_map_methods[] = {
    {"get", get},       {"items", items},   {"keys", keys},       {"values", values},         {"pop", pop_member},
    {"update", update}, {"copy", copy_map}, {"clear", clear_map}, {"setdefault", setdefault}, {NULL, NULL}};

// ---- loops --------------------------------------------------------------------------------------------------------

METHOD(cycle) {
    if (!args->n || args->named) return weft_j_fail(r, WEFT_ERR_INVALID, "loop.cycle takes values");
    *out = args->items[self->loop->index % args->n];
    return true;
}

METHOD(changed) {
    struct weft_jv now;
    bool same = false;
    struct weft_jloop *loop = self->loop;
    if (!weft_j_list(r, args->n, WEFT_J_TUPLE, &now)) return false;
    for (size_t i = 0; i < args->n; i++)
        if (!weft_j_append(r, now.list, args->items[i])) return false;
    if (loop->last.kind != WEFT_J_MISSING && !weft_j_equal(r, &loop->last, &now, &same)) return false;
    loop->last = now;
    *out = weft_j_bool(!same);
    return true;
}

const struct weft_jfunction weft_j_loop_methods[] = {{"cycle", cycle}, {"changed", changed}, {NULL, NULL}};

// ---- search -------------------------------------------------------------------------------------------------------

const struct weft_jfunction *weft_j_find_method(const struct weft_jv *self, const struct weft_js *name) {
    const struct weft_jfunction *table = NULL;
    if (self->kind == WEFT_J_STR) table = weft_j_text_methods;
    else if (self->kind == WEFT_J_MAP) table = weft_j_map_methods;
    else if (self->kind == WEFT_J_LOOP) table = weft_j_loop_methods;
    else if (self->kind == WEFT_J_LIST && self->list->flavour == WEFT_J_PLAIN) table = weft_j_list_methods;
    else if (self->kind == WEFT_J_LIST && self->list->flavour <= WEFT_J_RANGE) table = weft_j_tuple_methods;
    for (; table && table->name; table++)
        if (weft_j_js_is(name, table->name, strlen(table->name))) return table;
    return NULL;
}

bool weft_j_all_cased(const struct weft_js *s, bool upper) {
    bool any = false;
    for (size_t i = 0; i < s->len;) {
        uint32_t code, to[3];
        i += weft_j_char(s, i, &code);
        if (!weft_j_cased(code)) continue;
        any = true;
        if (weft_j_map_case(code, upper ? WEFT_J_UPPER : WEFT_J_LOWER, to) != 1 || to[0] != code) return false;
    }
    return any;
}
