/// Access to an open source. Its bytes were checked when it was opened; here only types and ranges are.
#include "model/source_impl.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/visible.h"

#include <inttypes.h>
#include <string.h>

void weft_source_close(struct weft_source *s) {
    if (!s) return;
    for (uint32_t i = 0; i < s->n_parts; i++) weft_file_unmap(&s->parts[i]);
    weft_free(s->parts);
    weft_free(s->entries);
    weft_map_free(&s->keys);
    weft_free(s->tensors);
    weft_free(s->recipes);
    weft_map_free(&s->names);
    weft_arena_free(&s->arena);
    weft_free(s->path);
    weft_free(s);
}

const char *weft_source_path(const struct weft_source *s) { return s->path; }

const char *weft_source_format(const struct weft_source *s) { return s->format; }

uint32_t weft_source_version(const struct weft_source *s) { return s->version; }

uint32_t weft_source_part_count(const struct weft_source *s) { return s->n_parts ? s->n_parts : 1; }

uint64_t weft_source_bytes(const struct weft_source *s) { return s->bytes; }

// ---- tensors -------------------------------------------------------------------------------------------------------

size_t weft_source_tensor_count(const struct weft_source *s) { return s->n_tensors; }

const struct weft_source_tensor *weft_source_tensor_at(const struct weft_source *s, size_t i) { return &s->tensors[i]; }

const struct weft_source_tensor *weft_source_find(const struct weft_source *s, const char *name) {
    uint64_t i;
    return weft_map_get(&s->names, name, strlen(name), &i) ? &s->tensors[i] : NULL;
}

weft_status weft_source_read(const struct weft_source *s, const struct weft_source_tensor *t, uint64_t offset,
                             uint64_t size, void *to) {
    if (offset > t->size || size > t->size - offset)
        return weft_fail(WEFT_ERR_INVALID, "%s: bytes %" PRIu64 " to %" PRIu64 " of tensor %s, which has %" PRIu64,
                         s->path, offset, offset + size, t->name, t->size);
    if (size && !t->data) return weft_recipe_read(&s->recipes[t - s->tensors], t, offset, size, to);
    if (size) memcpy(to, t->data + offset, size);
    return WEFT_OK;
}

weft_status weft_source_bytes_of(const struct weft_source *s, const struct weft_source_tensor *t,
                                 struct weft_source_room *room, const uint8_t **out) {
    *out = t->data;
    if (t->data) return WEFT_OK;
    if (!weft_grow((void **)&room->data, &room->cap, (size_t)t->size + 1, 1))
        return weft_fail(WEFT_ERR_NOMEM, "%s: out of memory for the %" PRIu64 " bytes of tensor %s", s->path, t->size,
                         t->name);
    *out = room->data;
    return weft_source_read(s, t, 0, t->size, room->data);
}

static weft_status find_tensor(const struct weft_source *s, const char *name, const struct weft_source_tensor **out) {
    *out = weft_source_find(s, name);
    return *out ? WEFT_OK : weft_fail(WEFT_ERR_NOT_FOUND, "%s has no tensor '%s'", s->path, name);
}

weft_status weft_source_data_named(const struct weft_source *s, const char *name, const uint8_t **out, uint64_t *size) {
    const struct weft_source_tensor *t;
    WEFT_TRY(find_tensor(s, name, &t));
    *out = t->data;
    *size = t->size;
    return WEFT_OK;
}

weft_status weft_source_read_named(const struct weft_source *s, const char *name, uint64_t offset, uint64_t size,
                                   void *to) {
    const struct weft_source_tensor *t;
    WEFT_TRY(find_tensor(s, name, &t));
    return weft_source_read(s, t, offset, size, to);
}

// ---- values --------------------------------------------------------------------------------------------------------

size_t weft_source_scalar_size(uint32_t type) {
    static const uint8_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < sizeof sizes ? sizes[type] : 0;
}

const char *weft_source_type_name(enum weft_source_type type) {
    static const char *const names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
    return (unsigned)type < sizeof names / sizeof *names ? names[type] : "unknown";
}

static const struct weft_source_entry *find(const struct weft_source *s, const char *key) {
    uint64_t i;
    return weft_map_get(&s->keys, key, strlen(key), &i) ? &s->entries[i] : NULL;
}

static weft_status fail_type(const struct weft_source *s, const struct weft_source_entry *e, const char *expected) {
    bool array = e->type == WEFT_SOURCE_ARRAY;
    return weft_fail(WEFT_ERR_FORMAT, "%s: key '%s' should be %s, but is of type %s%s", s->path, e->key, expected,
                     array ? "array of " : "", weft_source_type_name(e->element));
}

static weft_status find_or_fail(const struct weft_source *s, const char *key, const struct weft_source_entry **out) {
    *out = find(s, key);
    return *out ? WEFT_OK : weft_fail(WEFT_ERR_NOT_FOUND, "%s: key '%s' is missing", s->path, key);
}

static bool is_integer(enum weft_source_type type) {
    return type <= WEFT_SOURCE_I32 || type == WEFT_SOURCE_U64 || type == WEFT_SOURCE_I64;
}

static bool is_signed(enum weft_source_type type) {
    return type == WEFT_SOURCE_I8 || type == WEFT_SOURCE_I16 || type == WEFT_SOURCE_I32 || type == WEFT_SOURCE_I64;
}

/// The integer at `p`; false if it is a u64 beyond int64_t.
static bool load_integer(enum weft_source_type type, const uint8_t *p, int64_t *out) {
    size_t size = weft_source_scalar_size(type);
    uint64_t v = weft_source_load(p, size);
    if (is_signed(type) && size < 8 && v >> (8 * size - 1)) v |= ~UINT64_C(0) << (8 * size);
    memcpy(out, &v, sizeof v);
    return type != WEFT_SOURCE_U64 || v <= INT64_MAX;
}

static double load_float(enum weft_source_type type, const uint8_t *p) {
    uint64_t bits = weft_source_load(p, weft_source_scalar_size(type));
    if (type == WEFT_SOURCE_F64) {
        double d;
        memcpy(&d, &bits, sizeof d);
        return d;
    }
    uint32_t low = (uint32_t)bits;
    float f;
    memcpy(&f, &low, sizeof f);
    return (double)f;
}

bool weft_source_has(const struct weft_source *s, const char *key) { return find(s, key) != NULL; }

static weft_status get_integer(const struct weft_source *s, const char *key, int64_t lowest, int64_t highest,
                               int64_t *out) {
    const struct weft_source_entry *e;
    WEFT_TRY(find_or_fail(s, key, &e));
    if (!is_integer(e->type)) return fail_type(s, e, "an integer");
    if (!load_integer(e->type, e->value, out))
        return weft_fail(WEFT_ERR_FORMAT, "%s: key '%s' is %" PRIu64 ", beyond %" PRId64, s->path, key,
                         weft_source_load(e->value, 8), highest);
    if (*out < lowest || *out > highest)
        return weft_fail(WEFT_ERR_FORMAT, "%s: key '%s' is %" PRId64 ", not from %" PRId64 " to %" PRId64, s->path, key,
                         *out, lowest, highest);
    return WEFT_OK;
}

weft_status weft_source_get_u32(const struct weft_source *s, const char *key, uint32_t *out) {
    int64_t v = 0;
    WEFT_TRY(get_integer(s, key, 0, UINT32_MAX, &v));
    *out = (uint32_t)v;
    return WEFT_OK;
}

weft_status weft_source_get_i64(const struct weft_source *s, const char *key, int64_t *out) {
    return get_integer(s, key, INT64_MIN, INT64_MAX, out);
}

weft_status weft_source_get_f64(const struct weft_source *s, const char *key, double *out) {
    const struct weft_source_entry *e;
    WEFT_TRY(find_or_fail(s, key, &e));
    if (e->type != WEFT_SOURCE_F32 && e->type != WEFT_SOURCE_F64) return fail_type(s, e, "a float (f32 or f64)");
    *out = load_float(e->type, e->value);
    return WEFT_OK;
}

weft_status weft_source_get_bool(const struct weft_source *s, const char *key, bool *out) {
    const struct weft_source_entry *e;
    WEFT_TRY(find_or_fail(s, key, &e));
    if (e->type != WEFT_SOURCE_BOOL) return fail_type(s, e, "a bool");
    *out = e->value[0] != 0;
    return WEFT_OK;
}

static struct weft_source_str load_string(const uint8_t *p) {
    return (struct weft_source_str){(const char *)p + 8, (size_t)weft_source_load(p, 8)};
}

weft_status weft_source_get_string(const struct weft_source *s, const char *key, struct weft_source_str *out) {
    const struct weft_source_entry *e;
    WEFT_TRY(find_or_fail(s, key, &e));
    if (e->type != WEFT_SOURCE_STRING) return fail_type(s, e, "a string");
    *out = load_string(e->value);
    return WEFT_OK;
}

weft_status weft_source_u32_or(const struct weft_source *s, const char *key, uint32_t fallback, uint32_t *out) {
    *out = fallback;
    return weft_source_has(s, key) ? weft_source_get_u32(s, key, out) : WEFT_OK;
}

weft_status weft_source_f64_or(const struct weft_source *s, const char *key, double fallback, double *out) {
    *out = fallback;
    return weft_source_has(s, key) ? weft_source_get_f64(s, key, out) : WEFT_OK;
}

weft_status weft_source_bool_or(const struct weft_source *s, const char *key, bool fallback, bool *out) {
    *out = fallback;
    return weft_source_has(s, key) ? weft_source_get_bool(s, key, out) : WEFT_OK;
}

weft_status weft_source_get_type(const struct weft_source *s, const char *key, enum weft_source_type *type,
                                 enum weft_source_type *element, uint64_t *count) {
    const struct weft_source_entry *e;
    WEFT_TRY(find_or_fail(s, key, &e));
    if (type) *type = e->type;
    if (element) *element = e->element;
    if (count) *count = e->count;
    return WEFT_OK;
}

/// Finds an array and makes room for its elements.
static weft_status begin_array(const struct weft_source *s, const char *key, bool (*fits)(enum weft_source_type),
                               const char *expected, size_t size, const struct weft_source_entry **e, void **out) {
    WEFT_TRY(find_or_fail(s, key, e));
    if ((*e)->type != WEFT_SOURCE_ARRAY || !fits((*e)->element)) return fail_type(s, *e, expected);
    *out = weft_calloc((size_t)(*e)->count, size);
    if (!*out)
        return weft_fail(WEFT_ERR_NOMEM, "%s: out of memory for the %" PRIu64 " elements of key '%s'", s->path,
                         (*e)->count, key);
    return WEFT_OK;
}

static bool fits_string(enum weft_source_type type) { return type == WEFT_SOURCE_STRING; }

static bool fits_f32(enum weft_source_type type) { return type == WEFT_SOURCE_F32; }

static bool fits_i32(enum weft_source_type type) { return is_integer(type) || type == WEFT_SOURCE_BOOL; }

weft_status weft_source_get_strings(const struct weft_source *s, const char *key, struct weft_source_str **out,
                                    size_t *count) {
    const struct weft_source_entry *e;
    void *items;
    *out = NULL;
    WEFT_TRY(begin_array(s, key, fits_string, "an array of strings", sizeof **out, &e, &items));
    *out = items;
    *count = (size_t)e->count;
    const uint8_t *p = e->value;
    for (size_t i = 0; i < *count; i++) {
        (*out)[i] = load_string(p);
        p += 8 + (*out)[i].len;
    }
    return WEFT_OK;
}

weft_status weft_source_get_f32s(const struct weft_source *s, const char *key, float **out, size_t *count) {
    const struct weft_source_entry *e;
    void *items;
    *out = NULL;
    WEFT_TRY(begin_array(s, key, fits_f32, "an array of f32", sizeof **out, &e, &items));
    *out = items;
    *count = (size_t)e->count;
    for (size_t i = 0; i < *count; i++) (*out)[i] = (float)load_float(WEFT_SOURCE_F32, e->value + 4 * i);
    return WEFT_OK;
}

weft_status weft_source_get_i32s(const struct weft_source *s, const char *key, int32_t **out, size_t *count) {
    const struct weft_source_entry *e;
    void *items;
    *out = NULL;
    WEFT_TRY(begin_array(s, key, fits_i32, "an array of integers", sizeof **out, &e, &items));
    int32_t *numbers = items;
    size_t size = weft_source_scalar_size(e->element);
    for (size_t i = 0; i < e->count; i++) {
        int64_t v;
        if (!load_integer(e->element, e->value + size * i, &v) || v < INT32_MIN || v > INT32_MAX) {
            weft_free(items);
            return weft_fail(WEFT_ERR_FORMAT, "%s: element %zu of key '%s' does not fit 32 bits", s->path, i, key);
        }
        numbers[i] = (int32_t)v;
    }
    *out = numbers;
    *count = (size_t)e->count;
    return WEFT_OK;
}

size_t weft_source_key_count(const struct weft_source *s) { return s->n_entries; }

const char *weft_source_key_at(const struct weft_source *s, size_t i) { return s->entries[i].key; }

/// In quotes, with what is no plain text as escapes. A cut goes to the end of a character.
static void print_string(struct weft_source_str s, size_t width, struct weft_str *out) {
    size_t end = s.len < width ? s.len : width;
    while (end < s.len && ((unsigned char)s.data[end] & 0xC0) == 0x80) end++;
    weft_str_add(out, "\"");
    for (size_t i = 0, n; i < end; i += n) {
        const char *stop = memchr(s.data + i, '\n', end - i);
        n = stop ? (size_t)(stop - s.data) - i : end - i;
        weft_str_add_escaped(out, s.data + i, n);
        if (stop) weft_str_add(out, "\\n"), n++;
    }
    weft_str_add(out, end < s.len ? "\"..." : "\"");
}

/// Prints the element at `p` and returns its size.
static size_t print_element(enum weft_source_type type, const uint8_t *p, size_t width, struct weft_str *out) {
    size_t size = weft_source_scalar_size(type);
    if (type == WEFT_SOURCE_STRING) {
        struct weft_source_str s = load_string(p);
        print_string(s, width, out);
        return 8 + s.len;
    }
    int64_t v;
    if (type == WEFT_SOURCE_BOOL) weft_str_add(out, *p ? "true" : "false");
    else if (!is_integer(type)) weft_str_addf(out, "%.9g", load_float(type, p));
    else if (load_integer(type, p, &v)) weft_str_addf(out, "%" PRId64, v);
    else weft_str_addf(out, "%" PRIu64, weft_source_load(p, size));
    return size;
}

void weft_source_print_value(const struct weft_source *s, size_t i, size_t width, struct weft_str *out) {
    const struct weft_source_entry *e = &s->entries[i];
    const uint8_t *p = e->value;
    if (e->type != WEFT_SOURCE_ARRAY) {
        print_element(e->type, p, width, out);
        return;
    }
    weft_str_addf(out, "%s[%" PRIu64 "] {", weft_source_type_name(e->element), e->count);
    uint64_t shown = e->count < 4 ? e->count : 4;
    for (uint64_t k = 0; k < shown; k++) {
        if (k) weft_str_add(out, ", ");
        p += print_element(e->element, p, width / 2, out);
    }
    weft_str_add(out, shown < e->count ? ", ...}" : "}");
}
