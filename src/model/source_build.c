#include "model/source_build.h"

#include "core/alloc.h"
#include "core/error.h"
#include "model/gguf.h"
#include "model/source_impl.h"

#include <inttypes.h>
#include <string.h>

weft_status weft_source_create(const char *path, struct weft_source **out) {
    *out = NULL;
    struct weft_source *s = weft_calloc(1, sizeof *s);
    if (s) s->path = weft_strdup(path);
    if (!s || !s->path) {
        weft_free(s);
        return weft_fail(WEFT_ERR_NOMEM, "%s: out of memory", path);
    }
    memcpy(s->format, "memory", sizeof "memory");
    *out = s;
    return WEFT_OK;
}

// ---- tensors -------------------------------------------------------------------------------------------------------

weft_status weft_source_tensor_size(const char *name, uint32_t type, const uint64_t *dims, uint32_t n_dims,
                                    uint64_t *size) {
    const struct weft_ggml_type_info *info = weft_ggml_type_info(type);
    uint64_t elements = 1;
    bool empty = false;
    if (!info) return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' has the unknown type %u", name, type);
    for (uint32_t i = 0; i < n_dims; i++) {
        empty = empty || dims[i] == 0;
        if (dims[i] > INT64_MAX / elements)
            return weft_fail(WEFT_ERR_FORMAT, "the size of tensor '%s' overflows at its dim of %" PRIu64, name,
                             dims[i]);
        if (dims[i]) elements *= dims[i];
    }
    if ((n_dims ? dims[0] : 1) % info->block)
        return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' has rows of %" PRIu64 ", no multiple of %s's block of %u", name,
                         n_dims ? dims[0] : 1, info->name, info->block);
    uint64_t blocks = empty ? 0 : elements / info->block;
    if (blocks > INT64_MAX / info->bytes)
        return weft_fail(WEFT_ERR_FORMAT, "the bytes of tensor '%s' overflow: %" PRIu64 " blocks of %u", name, blocks,
                         info->bytes);
    *size = blocks * info->bytes;
    return WEFT_OK;
}

weft_status weft_source_append(struct weft_source *s, const struct weft_source_tensor *tensor,
                               const struct weft_recipe *recipe) {
    size_t len = strlen(tensor->name);
    if (len == 0) return weft_fail(WEFT_ERR_FORMAT, "a tensor has no name");
    if (weft_map_get(&s->names, tensor->name, len, NULL))
        return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' is there twice", tensor->name);
    struct weft_source_tensor t = *tensor;
    t.name = weft_arena_strdup(&s->arena, tensor->name);
    if (!t.name || !weft_grow((void **)&s->recipes, &s->cap_recipes, s->n_tensors + 1, sizeof *s->recipes) ||
        !weft_grow((void **)&s->tensors, &s->cap_tensors, s->n_tensors + 1, sizeof *s->tensors) ||
        !weft_map_set(&s->names, t.name, len, s->n_tensors))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for tensor '%s'", tensor->name);
    for (uint32_t i = t.n_dims; i < 4; i++) t.dims[i] = 1;
    s->recipes[s->n_tensors] = recipe ? *recipe : (struct weft_recipe){0};
    s->tensors[s->n_tensors++] = t;
    return WEFT_OK;
}

weft_status weft_source_add_tensor(struct weft_source *s, const char *name, uint32_t type, const uint64_t *dims,
                                   uint32_t n_dims, const void *data, uint64_t size) {
    uint64_t want;
    if (n_dims > 4) return weft_fail(WEFT_ERR_INVALID, "tensor '%s' has %u dims, more than 4", name, n_dims);
    WEFT_TRY(weft_source_tensor_size(name, type, dims, n_dims, &want));
    if (size != want)
        return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' was given %" PRIu64 " bytes and has %" PRIu64, name, size, want);
    struct weft_source_tensor t = {.name = name, .type = type, .n_dims = n_dims, .size = size};
    for (uint32_t i = 0; i < n_dims; i++) t.dims[i] = dims[i];
    struct weft_recipe recipe;
    WEFT_TRY(weft_recipe_plain(&s->arena, &t, data, &recipe));
    bool aligned = (uintptr_t)data % WEFT_SOURCE_ALIGNMENT == 0;
    if (aligned) t.data = data;
    WEFT_TRY(weft_source_append(s, &t, aligned ? NULL : &recipe));
    s->bytes += size;
    return WEFT_OK;
}

// ---- values --------------------------------------------------------------------------------------------------------

/// Room of `bytes` for the value of a new key.
static weft_status add(struct weft_source *s, const char *key, enum weft_source_type type,
                       enum weft_source_type element, uint64_t count, size_t bytes, uint8_t **out) {
    size_t len = strlen(key);
    if (len == 0) return weft_fail(WEFT_ERR_INVALID, "a key is empty");
    if (weft_map_get(&s->keys, key, len, NULL)) return weft_fail(WEFT_ERR_INVALID, "key '%s' is there twice", key);
    struct weft_source_entry e = {.key = weft_arena_strdup(&s->arena, key), .type = type, .element = element};
    *out = weft_arena_alloc(&s->arena, bytes + 1);
    if (!e.key || !*out || !weft_grow((void **)&s->entries, &s->cap_entries, s->n_entries + 1, sizeof *s->entries) ||
        !weft_map_set(&s->keys, e.key, len, s->n_entries))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for key '%s'", key);
    e.count = count;
    e.value = *out;
    s->entries[s->n_entries++] = e;
    return WEFT_OK;
}

static uint8_t *store(uint8_t *p, uint64_t x, size_t n) {
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)(x >> (8 * i));
    return p + n;
}

static weft_status put_number(struct weft_source *s, const char *key, enum weft_source_type type, uint64_t bits) {
    uint8_t *p;
    size_t size = weft_source_scalar_size(type);
    WEFT_TRY(add(s, key, type, type, 1, size, &p));
    store(p, bits, size);
    return WEFT_OK;
}

static uint32_t f32_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

weft_status weft_source_put_u32(struct weft_source *s, const char *key, uint32_t x) {
    return put_number(s, key, WEFT_SOURCE_U32, x);
}

weft_status weft_source_put_i64(struct weft_source *s, const char *key, int64_t x) {
    return put_number(s, key, WEFT_SOURCE_I64, (uint64_t)x);
}

weft_status weft_source_put_f32(struct weft_source *s, const char *key, float x) {
    return put_number(s, key, WEFT_SOURCE_F32, f32_bits(x));
}

weft_status weft_source_put_f64(struct weft_source *s, const char *key, double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return put_number(s, key, WEFT_SOURCE_F64, bits);
}

weft_status weft_source_put_bool(struct weft_source *s, const char *key, bool x) {
    return put_number(s, key, WEFT_SOURCE_BOOL, x);
}

weft_status weft_source_put_string(struct weft_source *s, const char *key, const char *text, size_t len) {
    uint8_t *p;
    WEFT_TRY(add(s, key, WEFT_SOURCE_STRING, WEFT_SOURCE_STRING, 1, 8 + len, &p));
    p = store(p, len, 8);
    if (len) memcpy(p, text, len);
    return WEFT_OK;
}

weft_status weft_source_put_strings(struct weft_source *s, const char *key, const struct weft_source_str *x, size_t n) {
    uint8_t *p;
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) bytes += 8 + x[i].len;
    WEFT_TRY(add(s, key, WEFT_SOURCE_ARRAY, WEFT_SOURCE_STRING, n, bytes, &p));
    for (size_t i = 0; i < n; i++) {
        p = store(p, x[i].len, 8);
        if (x[i].len) memcpy(p, x[i].data, x[i].len);
        p += x[i].len;
    }
    return WEFT_OK;
}

weft_status weft_source_put_f32s(struct weft_source *s, const char *key, const float *x, size_t n) {
    uint8_t *p;
    WEFT_TRY(add(s, key, WEFT_SOURCE_ARRAY, WEFT_SOURCE_F32, n, 4 * n, &p));
    for (size_t i = 0; i < n; i++) p = store(p, f32_bits(x[i]), 4);
    return WEFT_OK;
}

weft_status weft_source_put_i32s(struct weft_source *s, const char *key, const int32_t *x, size_t n) {
    uint8_t *p;
    WEFT_TRY(add(s, key, WEFT_SOURCE_ARRAY, WEFT_SOURCE_I32, n, 4 * n, &p));
    for (size_t i = 0; i < n; i++) p = store(p, (uint32_t)x[i], 4);
    return WEFT_OK;
}

weft_status weft_source_put_bools(struct weft_source *s, const char *key, const bool *x, size_t n) {
    uint8_t *p;
    WEFT_TRY(add(s, key, WEFT_SOURCE_ARRAY, WEFT_SOURCE_BOOL, n, n, &p));
    for (size_t i = 0; i < n; i++) p = store(p, x[i], 1);
    return WEFT_OK;
}
