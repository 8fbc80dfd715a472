#include "model/safetensors.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/json_read.h"
#include "model/gguf.h"
#include "model/source_build.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_HEADER ((uint64_t)100 << 20) // the format's bound

static const struct {
    const char *name;
    uint32_t type;
} dtypes[] = {
    {"F32", WEFT_GGML_F32},         {"F16", WEFT_GGML_F16},         {"BF16", WEFT_GGML_BF16},
    {"F64", WEFT_GGML_F64},         {"I8", WEFT_GGML_I8},           {"I16", WEFT_GGML_I16},
    {"I32", WEFT_GGML_I32},         {"I64", WEFT_GGML_I64},         {"U8", WEFT_TYPE_U8},
    {"BOOL", WEFT_TYPE_BOOL},       {"U16", WEFT_TYPE_U16},         {"U32", WEFT_TYPE_U32},
    {"U64", WEFT_TYPE_U64},         {"F8_E4M3", WEFT_TYPE_F8_E4M3}, {"F8_E5M2", WEFT_TYPE_F8_E5M2},
    {"F8_E8M0", WEFT_TYPE_F8_E8M0}, {"C64", WEFT_TYPE_C64},         {"F4", WEFT_TYPE_F4},
    {"F6_E2M3", WEFT_TYPE_F6_E2M3}, {"F6_E3M2", WEFT_TYPE_F6_E3M2},
};

struct file {
    const uint8_t *bytes; // behind the header
    uint64_t start, size; // where they begin, and how many there are
    uint32_t part;
};

static weft_status read_dtype(const struct weft_json_value *v, const char *name, uint32_t *out) {
    if (!v || v->type != WEFT_JSON_STRING) return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' has no dtype", name);
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (weft_json_is(v, dtypes[i].name)) return *out = dtypes[i].type, WEFT_OK;
    return weft_fail(WEFT_ERR_UNSUPPORTED, "tensor '%s' has the dtype '%.*s', which Weft does not know", name,
                     (int)(v->s.len < 40 ? v->s.len : 40), v->s.text);
}

/// Shapes count from the slowest axis.
static weft_status read_shape(const struct weft_json_value *v, struct weft_source_tensor *t) {
    if (!v || v->type != WEFT_JSON_LIST) return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' has no shape", t->name);
    for (uint32_t i = 0; i < 4; i++) t->dims[i] = 1;
    t->n_dims = v->n < 4 ? (uint32_t)v->n : 4;
    for (size_t i = 0; i < v->n; i++) {
        const struct weft_json_value *dim = &v->items[i];
        uint64_t *to = &t->dims[v->n - 1 - i < 3 ? v->n - 1 - i : 3];
        if (dim->type != WEFT_JSON_INT || dim->i < 0)
            return weft_fail(WEFT_ERR_FORMAT, "the shape of tensor '%s' has an element that is no count", t->name);
        if (*to && (uint64_t)dim->i > INT64_MAX / *to)
            return weft_fail(WEFT_ERR_FORMAT, "the size of tensor '%s' overflows at its dim of %" PRId64, t->name,
                             dim->i);
        *to *= (uint64_t)dim->i;
    }
    return WEFT_OK;
}

static weft_status read_place(const struct weft_json_value *v, const struct file *f, struct weft_source_tensor *t) {
    bool pair = v && v->type == WEFT_JSON_LIST && v->n == 2 && v->items[0].type == WEFT_JSON_INT &&
                v->items[1].type == WEFT_JSON_INT;
    if (!pair || v->items[0].i < 0 || v->items[1].i < v->items[0].i)
        return weft_fail(WEFT_ERR_FORMAT, "data_offsets of tensor '%s' are no start and end", t->name);
    uint64_t start = (uint64_t)v->items[0].i, end = (uint64_t)v->items[1].i;
    if (end > f->size)
        return weft_fail(WEFT_ERR_FORMAT,
                         "tensor '%s' ends at %" PRIu64 ", but the file has %" PRIu64
                         " bytes of data; is the download complete?",
                         t->name, end, f->size);
    if (end - start != t->size)
        return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' has %" PRIu64 " bytes in the file and %" PRIu64 " by its shape",
                         t->name, end - start, t->size);
    t->offset = f->start + start;
    t->data = f->bytes + start;
    return WEFT_OK;
}

static weft_status read_tensor(struct weft_safetensors *list, const struct file *f, const struct weft_json_text *key,
                               const struct weft_json_value *v) {
    struct weft_source_tensor t = {.part = f->part};
    for (size_t i = 0; i < key->len; i++)
        if ((unsigned char)key->text[i] < 0x20 || key->text[i] == 0x7F)
            return weft_fail(WEFT_ERR_FORMAT, "the name of a tensor has control characters");
    if (key->len == 0 || key->len > 1024)
        return weft_fail(WEFT_ERR_FORMAT, "the name of a tensor is %zu bytes long, not 1 to 1024", key->len);
    t.name = weft_arena_strdup(&list->arena, key->text);
    if (!t.name || !weft_grow((void **)&list->tensors, &list->cap, list->n + 1, sizeof *list->tensors))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for %zu tensors", list->n + 1);
    if (v->type != WEFT_JSON_MAP || v->repeats)
        return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' is no object of dtype, shape and data_offsets", t.name);
    if (weft_map_get(&list->names, t.name, key->len, NULL))
        return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' is in two files", t.name);
    WEFT_TRY(read_dtype(weft_json_find(v, "dtype"), t.name, &t.type));
    WEFT_TRY(read_shape(weft_json_find(v, "shape"), &t));
    WEFT_TRY(weft_source_tensor_size(t.name, t.type, t.dims, t.n_dims, &t.size));
    WEFT_TRY(read_place(weft_json_find(v, "data_offsets"), f, &t));
    if (!weft_map_set(&list->names, t.name, key->len, list->n))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for %zu tensors", list->n + 1);
    list->tensors[list->n++] = t;
    return WEFT_OK;
}

static int by_offset(const void *a, const void *b) {
    const struct weft_source_tensor *x = *(const struct weft_source_tensor *const *)a;
    const struct weft_source_tensor *y = *(const struct weft_source_tensor *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static weft_status check_overlap(const struct weft_source_tensor *tensors, size_t count) {
    const struct weft_source_tensor **sorted = weft_alloc(count * sizeof *sorted + 1);
    if (!sorted) return weft_fail(WEFT_ERR_NOMEM, "out of memory for %zu tensors", count);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (tensors[i].size) sorted[n++] = &tensors[i];
    qsort(sorted, n, sizeof *sorted, by_offset);
    weft_status status = WEFT_OK;
    for (size_t i = 1; i < n && status == WEFT_OK; i++)
        if (sorted[i]->offset - sorted[i - 1]->offset < sorted[i - 1]->size)
            status = weft_fail(WEFT_ERR_FORMAT, "tensors '%s' and '%s' overlap", sorted[i - 1]->name, sorted[i]->name);
    weft_free(sorted);
    return status;
}

static weft_status read_header(struct weft_safetensors *list, const struct file *f, const struct weft_json_value *v) {
    size_t before = list->n;
    if (v->type != WEFT_JSON_MAP) return weft_fail(WEFT_ERR_FORMAT, "the header is no object");
    if (v->repeats) return weft_fail(WEFT_ERR_FORMAT, "the header has a name twice");
    for (size_t i = 0; i < v->n; i++) {
        bool meta = v->keys[i].len == 12 && memcmp(v->keys[i].text, "__metadata__", 12) == 0;
        if (!meta) WEFT_TRY(read_tensor(list, f, &v->keys[i], &v->items[i]));
    }
    return check_overlap(list->tensors + before, list->n - before);
}

weft_status weft_safetensors_parse(struct weft_safetensors *list, uint32_t part, const uint8_t *data, uint64_t size) {
    uint64_t length = 0;
    if (size < 8) return weft_fail(WEFT_ERR_FORMAT, "not a safetensors file (%" PRIu64 " bytes)", size);
    for (size_t i = 0; i < 8; i++) length |= (uint64_t)data[i] << (8 * i);
    if (length > LONGEST_HEADER || length > size - 8)
        return weft_fail(WEFT_ERR_FORMAT,
                         "not a safetensors file, or cut: its first bytes ask for a header of %" PRIu64
                         " bytes, and %" PRIu64 " follow (at most %" PRIu64 " are a header)",
                         length, size - 8, LONGEST_HEADER);
    struct file f = {.bytes = data + 8 + length, .start = 8 + length, .size = size - 8 - length, .part = part};
    struct weft_arena arena = {0};
    struct weft_json_value header;
    weft_status status = weft_json_read((const char *)data + 8, (size_t)length, "header", &arena, &header);
    if (status == WEFT_OK) status = read_header(list, &f, &header);
    weft_arena_free(&arena);
    return status;
}

void weft_safetensors_free(struct weft_safetensors *list) {
    weft_free(list->tensors);
    weft_map_free(&list->names);
    weft_arena_free(&list->arena);
    *list = (struct weft_safetensors){0};
}
