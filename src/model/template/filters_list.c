/// Filters of lists and maps.
#include "model/template/call.h"
#include "model/template/text.h"

#include <string.h>

#define FILTER(name)                                                                                                   \
    static bool name(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jargs *args, struct weft_jv *out)

static bool given(const struct weft_jv *v) { return v->kind != WEFT_J_MISSING && v->kind != WEFT_J_NONE; }

FILTER(length) {
    if (!weft_j_bind(r, "length", args, "", NULL)) return false;
    switch (v->kind) {
    case WEFT_J_UNDEFINED: *out = weft_j_int(0); return true;
    case WEFT_J_STR: *out = weft_j_int((int64_t)weft_j_chars(v->s)); return weft_j_steps(r, v->s->len / 16);
    case WEFT_J_MAP: *out = weft_j_int((int64_t)v->map->n); return true;
    case WEFT_J_LIST:
        if (v->list->flavour == WEFT_J_GENERATOR) break;
        *out = weft_j_int((int64_t)v->list->n);
        return true;
    default: break;
    }
    return weft_j_fail(r, WEFT_ERR_INVALID, "%s has no length", weft_j_type(v));
}

FILTER(fallback) {
    static const struct weft_js empty = {.text = ""};
    struct weft_jv a[2];
    if (!weft_j_bind(r, "default", args, "default_value,boolean", a)) return false;
    bool missing = v->kind == WEFT_J_UNDEFINED || (weft_j_true(&a[1]) && !weft_j_true(v));
    *out = !missing ? *v : a[0].kind == WEFT_J_MISSING ? weft_j_text(&empty) : a[0];
    return true;
}

static bool mapped(struct weft_jrun *r, const struct weft_jlist *items, const struct weft_jv *path,
                   enum weft_j_flavour flavour, struct weft_jv *out) {
    struct weft_jv item;
    if (!weft_j_list(r, items->n, flavour, out)) return false;
    struct weft_jlist *list = out->list;
    for (size_t i = 0; i < items->n; i++)
        if (!weft_j_steps(r, 1) || !weft_j_path(r, &items->items[i], path, &item) || !weft_j_append(r, list, item))
            return false;
    return true;
}

FILTER(join) {
    static const struct weft_js empty = {.text = ""};
    struct weft_jv a[2], between, items;
    struct weft_jlist *list;
    if (!weft_j_bind(r, "join", args, "d,attribute", a) || !weft_j_iterate(r, v, &list) ||
        !mapped(r, list, &a[1], WEFT_J_PLAIN, &items))
        return false;
    if (a[0].kind == WEFT_J_MISSING) between = weft_j_text(&empty);
    else if (!weft_j_to_str(r, &a[0], &between)) return false;
    return weft_j_join(r, between.s, items.list, false, out);
}

static bool end_of(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jargs *args, bool last,
                   struct weft_jv *out) {
    struct weft_jlist *list;
    if (!weft_j_bind(r, last ? "last" : "first", args, "", NULL) || !weft_j_iterate(r, v, &list)) return false;
    if (list->n == 0)
        return weft_j_undefined(r, out, "the %s element of nothing is undefined", last ? "last" : "first");
    *out = list->items[last ? list->n - 1 : 0];
    return true;
}

FILTER(first) { return end_of(r, v, args, false, out); }
FILTER(last) { return end_of(r, v, args, true, out); }

FILTER(to_list) {
    static const struct weft_jv no_path = {.kind = WEFT_J_MISSING};
    struct weft_jlist *list;
    return weft_j_bind(r, "list", args, "", NULL) && weft_j_iterate(r, v, &list) &&
           mapped(r, list, &no_path, WEFT_J_PLAIN, out);
}

FILTER(reverse) {
    struct weft_jlist *list;
    static const struct weft_js empty = {.text = ""};
    if (!weft_j_bind(r, "reverse", args, "", NULL) || !weft_j_iterate(r, v, &list) ||
        !weft_j_list(r, list->n, WEFT_J_GENERATOR, out))
        return false;
    struct weft_jlist *to = out->list;
    for (size_t i = list->n; i-- > 0;)
        if (!weft_j_append(r, to, list->items[i])) return false;
    return v->kind != WEFT_J_STR || weft_j_join(r, &empty, to, false, out);
}

FILTER(items) {
    if (!weft_j_bind(r, "items", args, "", NULL)) return false;
    if (v->kind != WEFT_J_MAP && v->kind != WEFT_J_UNDEFINED)
        return weft_j_fail(r, WEFT_ERR_INVALID, "items takes a map, not %s", weft_j_type(v));
    if (!weft_j_list(r, 0, WEFT_J_GENERATOR, out)) return false;
    struct weft_jlist *list = out->list;
    for (size_t i = 0; v->kind == WEFT_J_MAP && i < v->map->n; i++) {
        struct weft_jv pair;
        if (!weft_j_pair(r, v->map->keys[i], v->map->values[i], &pair) || !weft_j_append(r, list, pair)) return false;
    }
    return true;
}

FILTER(attr) {
    struct weft_jv name;
    if (!weft_j_bind(r, "attr", args, "name", &name)) return false;
    if (name.kind != WEFT_J_STR) return weft_j_fail(r, WEFT_ERR_INVALID, "attr takes a name");
    return weft_j_attr(r, v, name.s, out);
}

// map and select take what is false for nothing at all.
static bool iterate_true(struct weft_jrun *r, const struct weft_jv *v, struct weft_jlist **out) {
    struct weft_jv nothing;
    if (weft_j_true(v)) return weft_j_iterate(r, v, out);
    if (!weft_j_list(r, 0, WEFT_J_PLAIN, &nothing)) return false;
    *out = nothing.list;
    return true;
}

// ---- map, select --------------------------------------------------------------------------------------------------

static bool map_attribute(struct weft_jrun *r, const struct weft_jlist *items, const struct weft_jargs *args,
                          struct weft_jv *out) {
    struct weft_jv a[2];
    if (!weft_j_bind(r, "map", args, "attribute,default", a) || !mapped(r, items, &a[0], WEFT_J_GENERATOR, out))
        return false;
    for (size_t i = 0; a[1].kind != WEFT_J_MISSING && i < out->list->n; i++)
        if (out->list->items[i].kind == WEFT_J_UNDEFINED) out->list->items[i] = a[1];
    return true;
}

FILTER(map) {
    struct weft_jlist *items;
    if (!iterate_true(r, v, &items)) return false;
    if (args->n == 0) return map_attribute(r, items, args, out);
    const struct weft_jv *name = &args->items[0];
    const struct weft_jfunction *filter = name->kind == WEFT_J_STR ? weft_j_find_filter(name->s) : NULL;
    if (!filter) return weft_j_fail(r, WEFT_ERR_UNSUPPORTED, "map takes the name of a filter, or attribute=");
    struct weft_jargs rest = {args->items + 1, args->n - 1, args->names, args->named};
    if (!weft_j_list(r, items->n, WEFT_J_GENERATOR, out)) return false;
    struct weft_jlist *list = out->list;
    for (size_t i = 0; i < items->n; i++) {
        struct weft_jv item;
        if (!weft_j_enter(r)) return weft_j_leave(r), false;
        bool ok = filter->call(r, &items->items[i], &rest, &item) && weft_j_append(r, list, item);
        weft_j_leave(r);
        if (!ok) return false;
    }
    return true;
}

// Elements for which a test holds, or not; `by` 1: the test is of an attribute.
static bool select(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jargs *args, size_t by, bool keep,
                   struct weft_jv *out) {
    static const struct weft_jv no_path = {.kind = WEFT_J_MISSING};
    struct weft_jlist *items;
    weft_j_test_call test = NULL;
    if (args->n < by) return weft_j_fail(r, WEFT_ERR_INVALID, "the filter takes an attribute");
    if (args->n > by) {
        const struct weft_jv *name = &args->items[by];
        test = name->kind == WEFT_J_STR ? weft_j_find_test(name->s->text, name->s->len) : NULL;
        if (!test) return weft_j_fail(r, WEFT_ERR_UNSUPPORTED, "the filter takes the name of a test");
    }
    size_t used = by + (test != NULL);
    struct weft_jargs rest = {args->items + used, args->n - used, args->names, args->named};
    if (!iterate_true(r, v, &items) || !weft_j_list(r, 0, WEFT_J_GENERATOR, out)) return false;
    struct weft_jlist *list = out->list;
    for (size_t i = 0; i < items->n; i++) {
        struct weft_jv item;
        bool yes;
        if (!weft_j_steps(r, 1) || !weft_j_path(r, &items->items[i], by ? &args->items[0] : &no_path, &item))
            return false;
        yes = weft_j_true(&item);
        if (test && !test(r, &item, &rest, &yes)) return false;
        if (yes == keep && !weft_j_append(r, list, items->items[i])) return false;
    }
    return true;
}

FILTER(select_items) { return select(r, v, args, 0, true, out); }
FILTER(reject_items) { return select(r, v, args, 0, false, out); }
FILTER(select_attr) { return select(r, v, args, 1, true, out); }
FILTER(reject_attr) { return select(r, v, args, 1, false, out); }

// ---- order --------------------------------------------------------------------------------------------------------

// What an element is compared by: an attribute, in lower case unless case counts.
static bool key_of(struct weft_jrun *r, const struct weft_jv *item, const struct weft_jv *path, bool exact,
                   struct weft_jv *out) {
    if (!weft_j_path(r, item, path, out)) return false;
    return exact || out->kind != WEFT_J_STR || weft_j_change_case(r, out->s, WEFT_J_AS_LOWER, out);
}

// Merge sort of items by their keys, both moved; stable. Halves are sorted into the spare arrays first.
struct sort {
    struct weft_jv *keys, *items, *spare_keys, *spare_items;
    bool reverse;
};

static bool merge(struct weft_jrun *r, struct sort *s, size_t from, size_t mid, size_t to) {
    size_t a = from, b = mid;
    for (size_t i = from; i < to; i++) {
        int order = 0;
        if (a < mid && b < to && !weft_j_compare(r, &s->keys[b], &s->keys[a], &order)) return false;
        bool second = a == mid || (b < to && (s->reverse ? order == 1 : order < 0));
        size_t place = second ? b++ : a++;
        s->spare_keys[i] = s->keys[place];
        s->spare_items[i] = s->items[place];
    }
    memcpy(s->keys + from, s->spare_keys + from, (to - from) * sizeof *s->keys);
    memcpy(s->items + from, s->spare_items + from, (to - from) * sizeof *s->items);
    return weft_j_steps(r, to - from);
}

static bool sorted(struct weft_jrun *r, const struct weft_jlist *list, const struct weft_jv *path, bool exact,
                   bool reverse, struct weft_jv *out) {
    struct weft_jv keys, items, spare[2];
    if (!weft_j_list(r, list->n, WEFT_J_PLAIN, &keys) || !weft_j_list(r, list->n, WEFT_J_PLAIN, &items) ||
        !weft_j_list(r, list->n, WEFT_J_PLAIN, &spare[0]) || !weft_j_list(r, list->n, WEFT_J_PLAIN, &spare[1]))
        return false;
    for (size_t i = 0; i < list->n; i++) {
        struct weft_jv key;
        if (!key_of(r, &list->items[i], path, exact, &key) || !weft_j_append(r, keys.list, key) ||
            !weft_j_append(r, items.list, list->items[i]))
            return false;
    }
    struct sort s = {keys.list->items, items.list->items, spare[0].list->items, spare[1].list->items, reverse};
    for (size_t width = 1; width < list->n; width *= 2)
        for (size_t from = 0; from + width < list->n; from += 2 * width)
            if (!merge(r, &s, from, from + width, from + 2 * width < list->n ? from + 2 * width : list->n))
                return false;
    *out = items;
    return true;
}

FILTER(sort) {
    struct weft_jv a[3];
    struct weft_jlist *list;
    if (!weft_j_bind(r, "sort", args, "reverse,case_sensitive,attribute", a) || !weft_j_iterate(r, v, &list))
        return false;
    if (a[2].kind == WEFT_J_STR && a[2].s->len && memchr(a[2].s->text, ',', a[2].s->len))
        return weft_j_fail(r, WEFT_ERR_UNSUPPORTED, "sort takes one attribute");
    return sorted(r, list, &a[2], weft_j_true(&a[1]), weft_j_true(&a[0]), out);
}

FILTER(dictsort) {
    struct weft_jv a[3], pairs;
    if (!weft_j_bind(r, "dictsort", args, "case_sensitive,by,reverse", a)) return false;
    if (v->kind != WEFT_J_MAP) return weft_j_fail(r, WEFT_ERR_INVALID, "dictsort takes a map, not %s", weft_j_type(v));
    bool by_value = weft_j_is(&a[1], "value");
    if (given(&a[1]) && !by_value && !weft_j_is(&a[1], "key"))
        return weft_j_fail(r, WEFT_ERR_INVALID, "dictsort sorts by 'key' or by 'value'");
    struct weft_jargs none = {0};
    struct weft_jv place = weft_j_int(by_value);
    return items(r, v, &none, &pairs) && sorted(r, pairs.list, &place, weft_j_true(&a[0]), weft_j_true(&a[2]), out);
}

FILTER(unique) {
    struct weft_jv a[2], seen;
    struct weft_jlist *list;
    if (!weft_j_bind(r, "unique", args, "case_sensitive,attribute", a) || !weft_j_iterate(r, v, &list) ||
        !weft_j_map(r, &seen) || !weft_j_list(r, 0, WEFT_J_GENERATOR, out))
        return false;
    struct weft_jlist *to = out->list;
    for (size_t i = 0; i < list->n; i++) {
        struct weft_jv key;
        size_t before = seen.map->n;
        if (!key_of(r, &list->items[i], &a[1], weft_j_true(&a[0]), &key) ||
            !weft_j_put(r, seen.map, key, weft_j_none()) ||
            (seen.map->n > before && !weft_j_append(r, to, list->items[i])))
            return false;
    }
    return true;
}

static bool extreme(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jargs *args, int want,
                    struct weft_jv *out) {
    struct weft_jv a[2], best = {.kind = WEFT_J_MISSING};
    struct weft_jlist *list;
    if (!weft_j_bind(r, "the filter", args, "case_sensitive,attribute", a) || !weft_j_iterate(r, v, &list))
        return false;
    if (list->n == 0) return weft_j_undefined(r, out, "the least or greatest of nothing is undefined");
    for (size_t i = 0; i < list->n; i++) {
        struct weft_jv key;
        int order = want;
        if (!key_of(r, &list->items[i], &a[1], weft_j_true(&a[0]), &key) ||
            (i && !weft_j_compare(r, &key, &best, &order)))
            return false;
        if (order != want) continue;
        best = key;
        *out = list->items[i];
    }
    return true;
}

FILTER(min) { return extreme(r, v, args, -1, out); }
FILTER(max) { return extreme(r, v, args, 1, out); }

FILTER(sum) {
    struct weft_jv a[2];
    struct weft_jlist *list;
    if (!weft_j_bind(r, "sum", args, "attribute,start", a) || !weft_j_iterate(r, v, &list)) return false;
    *out = a[1].kind == WEFT_J_MISSING ? weft_j_int(0) : a[1];
    for (size_t i = 0; i < list->n; i++) {
        struct weft_jv item, total = *out;
        if (!weft_j_path(r, &list->items[i], &a[0], &item) || !weft_j_binary(r, '+', &total, &item, out)) return false;
    }
    return true;
}

const struct weft_jfunction weft_j_list_filters[] = {{"length", length},
                                                     {"count", length},
                                                     {"default", fallback},
                                                     {"d", fallback},
                                                     {"join", join},
                                                     {"first", first},
                                                     {"last", last},
                                                     {"list", to_list},
                                                     {"reverse", reverse},
                                                     {"items", items},
                                                     {"attr", attr},
                                                     {"map", map},
                                                     {"select", select_items},
                                                     {"reject", reject_items},
                                                     {"selectattr", select_attr},
                                                     {"rejectattr", reject_attr},
                                                     {"sort", sort},
                                                     {"dictsort", dictsort},
                                                     {"unique", unique},
                                                     {"min", min},
                                                     {"max", max},
                                                     {"sum", sum},
                                                     {NULL, NULL}};
