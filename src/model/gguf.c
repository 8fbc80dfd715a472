/// Opening GGUF files: one walk over the header that believes nothing.
///
/// The file: "GGUF", version, tensor count, key count; the keys (name, type, value); the tensor infos (name, number
/// of dims, dims, type, offset); padding to the alignment; tensor data, to which the offsets are relative. All
/// numbers are little-endian. Every read goes through `reader`, whose position never passes its size, and every
/// count is first held against the bytes left, at the least that one element takes.
#include "model/gguf.h"
#include "model/source_build.h"
#include "model/source_impl.h"

#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_KEY 65535 // the format's bound
#define LONGEST_NAME 255  // the format says 64; some writers go beyond
#define DEFAULT_ALIGNMENT 32
#define LEAST_KEY_BYTES (8 + 1 + 4 + 1)
#define LEAST_TENSOR_BYTES (8 + 1 + 4 + 4 + 8)

struct reader {
    const uint8_t *data;
    uint64_t size, pos; // pos <= size, always
};

/// The keys of one part, on their way into the model (part 0) or only to be looked at (the others).
struct header {
    struct weft_source_entry *entries;
    size_t n_entries;
    struct weft_map keys;
    uint64_t n_tensors, data_start;
    uint32_t alignment;
};

static uint64_t left(const struct reader *r) { return r->size - r->pos; }

static weft_status get(struct reader *r, size_t bytes, const char *what, const char *whose, uint64_t *out) {
    *out = 0;
    if (left(r) < bytes)
        return weft_fail(WEFT_ERR_FORMAT, "the file ends at byte %" PRIu64 ", inside the %s of %s", r->size, what,
                         whose);
    *out = weft_source_load(r->data + r->pos, bytes);
    r->pos += bytes;
    return WEFT_OK;
}

/// A name: copied and 0-terminated. ASCII's control characters are refused; what prints names makes the rest visible.
static weft_status get_name(struct weft_source *g, struct reader *r, const char *what, uint64_t index, size_t longest,
                            const char **out) {
    char whose[48];
    snprintf(whose, sizeof whose, "%s %" PRIu64, what, index);
    uint64_t len;
    WEFT_TRY(get(r, 8, "name length", whose, &len));
    if (len > left(r))
        return weft_fail(WEFT_ERR_FORMAT, "the name of %s is %" PRIu64 " bytes long, but the file has %" PRIu64 " left",
                         whose, len, left(r));
    if (len == 0 || len > longest)
        return weft_fail(WEFT_ERR_FORMAT, "the name of %s is %" PRIu64 " bytes long, not 1 to %zu", whose, len,
                         longest);
    const uint8_t *from = r->data + r->pos;
    for (uint64_t i = 0; i < len; i++) {
        if (from[i] < 0x20 || from[i] == 0x7F)
            return weft_fail(WEFT_ERR_FORMAT, "the name of %s has control characters", whose);
    }
    char *name = weft_arena_alloc(&g->arena, (size_t)len + 1);
    if (!name) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the name of %s", whose);
    memcpy(name, from, (size_t)len); // the arena's bytes are zero: terminated
    r->pos += len;
    *out = name;
    return WEFT_OK;
}

static weft_status skip_strings(struct reader *r, const struct weft_source_entry *e) {
    for (uint64_t i = 0; i < e->count; i++) {
        uint64_t len;
        WEFT_TRY(weft_cancel_check_at(i));
        WEFT_TRY(get(r, 8, "string length", e->key, &len));
        if (len > left(r))
            return weft_fail(WEFT_ERR_FORMAT,
                             "key '%s': string %" PRIu64 " is %" PRIu64 " bytes long, but the file has %" PRIu64
                             " left",
                             e->key, i, len, left(r));
        r->pos += len;
    }
    return WEFT_OK;
}

/// Walks over e->count values of type e->element, which it checks.
static weft_status skip_elements(struct reader *r, const struct weft_source_entry *e) {
    size_t size = weft_source_scalar_size(e->element);
    if (e->count > left(r) / (size ? size : 8))
        return weft_fail(WEFT_ERR_FORMAT,
                         "key '%s' has %" PRIu64 " value(s) of type %s, more than the %" PRIu64 " bytes left can hold",
                         e->key, e->count, weft_source_type_name(e->element), left(r));
    if (e->element == WEFT_SOURCE_STRING) return skip_strings(r, e);
    if (e->element == WEFT_SOURCE_BOOL) {
        for (uint64_t i = 0; i < e->count; i++) {
            if (e->value[i] > 1)
                return weft_fail(WEFT_ERR_FORMAT, "key '%s': a bool is %u, not 0 or 1", e->key, e->value[i]);
        }
    }
    r->pos += e->count * size;
    return WEFT_OK;
}

static bool known_type(uint64_t type) { return type <= WEFT_SOURCE_F64; }

static weft_status get_entry(struct weft_source *g, struct reader *r, uint64_t index, struct weft_source_entry *e) {
    WEFT_TRY(get_name(g, r, "key", index, LONGEST_KEY, &e->key));
    uint64_t type;
    WEFT_TRY(get(r, 4, "type", e->key, &type));
    if (!known_type(type)) return weft_fail(WEFT_ERR_FORMAT, "key '%s' has the unknown type %" PRIu64, e->key, type);
    e->type = e->element = (enum weft_source_type)type;
    e->count = 1;
    if (type == WEFT_SOURCE_ARRAY) {
        WEFT_TRY(get(r, 4, "element type", e->key, &type));
        WEFT_TRY(get(r, 8, "element count", e->key, &e->count));
        if (!known_type(type))
            return weft_fail(WEFT_ERR_FORMAT, "key '%s' is an array of the unknown type %" PRIu64, e->key, type);
        if (type == WEFT_SOURCE_ARRAY)
            return weft_fail(WEFT_ERR_UNSUPPORTED, "key '%s' is an array of arrays; Weft reads flat arrays only",
                             e->key);
        e->element = (enum weft_source_type)type;
    }
    e->value = r->data + r->pos;
    return skip_elements(r, e);
}

static weft_status get_entries(struct weft_source *g, struct reader *r, uint64_t count, struct header *h) {
    if (count > left(r) / LEAST_KEY_BYTES)
        return weft_fail(WEFT_ERR_FORMAT, "the header promises %" PRIu64 " keys, more than its %" PRIu64 " bytes hold",
                         count, r->size);
    h->entries = weft_calloc((size_t)count, sizeof *h->entries);
    if (!h->entries) return weft_fail(WEFT_ERR_NOMEM, "out of memory for %" PRIu64 " keys", count);
    for (uint64_t i = 0; i < count; i++) {
        struct weft_source_entry *e = &h->entries[i];
        WEFT_TRY(get_entry(g, r, i, e));
        size_t len = strlen(e->key);
        if (weft_map_get(&h->keys, e->key, len, NULL))
            return weft_fail(WEFT_ERR_FORMAT, "key '%s' is there twice", e->key);
        if (!weft_map_set(&h->keys, e->key, len, i)) return weft_fail(WEFT_ERR_NOMEM, "out of memory for keys");
        h->n_entries++;
    }
    return WEFT_OK;
}

/// Dims, type and the number of bytes. `offset` stays relative to the data for now.
static weft_status get_shape(struct reader *r, struct weft_source_tensor *t) {
    uint64_t n_dims, type, elements = 1;
    WEFT_TRY(get(r, 4, "number of dims", t->name, &n_dims));
    if (n_dims > 4) return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' has %" PRIu64 " dims, more than 4", t->name, n_dims);
    t->n_dims = (uint32_t)n_dims;
    bool empty = false;
    for (int i = 0; i < 4; i++) {
        t->dims[i] = 1;
        if ((uint32_t)i < t->n_dims) WEFT_TRY(get(r, 8, "dims", t->name, &t->dims[i]));
        uint64_t dim = t->dims[i] ? t->dims[i] : 1;
        empty = empty || t->dims[i] == 0;
        if (dim > INT64_MAX / elements)
            return weft_fail(WEFT_ERR_FORMAT, "the size of tensor '%s' overflows at dim %d, %" PRIu64, t->name, i,
                             t->dims[i]);
        elements *= dim;
    }
    WEFT_TRY(get(r, 4, "type", t->name, &type));
    WEFT_TRY(get(r, 8, "offset", t->name, &t->offset));
    const struct weft_ggml_type_info *info = weft_ggml_type_info((uint32_t)type);
    if (!info || type >= WEFT_GGML_OTHER)
        return weft_fail(WEFT_ERR_UNSUPPORTED,
                         "tensor '%s' has type %" PRIu64 ", which this version of Weft does not know", t->name, type);
    t->type = (uint32_t)type;
    if (t->dims[0] % info->block)
        return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' has rows of %" PRIu64 ", no multiple of %s's block of %u",
                         t->name, t->dims[0], info->name, info->block);
    uint64_t blocks = empty ? 0 : elements / info->block;
    if (blocks > r->size / info->bytes)
        return weft_fail(WEFT_ERR_FORMAT,
                         "tensor '%s' (%" PRIu64 " blocks of %u bytes) is larger than the file (%" PRIu64 ")", t->name,
                         blocks, info->bytes, r->size);
    t->size = blocks * info->bytes;
    return WEFT_OK;
}

static weft_status get_tensors(struct weft_source *g, struct reader *r, uint32_t part, uint64_t count) {
    if (count > left(r) / LEAST_TENSOR_BYTES)
        return weft_fail(WEFT_ERR_FORMAT,
                         "the header promises %" PRIu64 " tensors, more than its %" PRIu64 " bytes hold", count,
                         r->size);
    if (!weft_grow((void **)&g->tensors, &g->cap_tensors, g->n_tensors + (size_t)count, sizeof *g->tensors))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for %" PRIu64 " tensors", count);
    for (uint64_t i = 0; i < count; i++) {
        struct weft_source_tensor *t = &g->tensors[g->n_tensors];
        *t = (struct weft_source_tensor){.part = part};
        WEFT_TRY(weft_cancel_check_at(i));
        WEFT_TRY(get_name(g, r, "tensor", i, LONGEST_NAME, &t->name));
        WEFT_TRY(get_shape(r, t));
        size_t len = strlen(t->name);
        if (weft_map_get(&g->names, t->name, len, NULL))
            return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' is there twice", t->name);
        if (!weft_map_set(&g->names, t->name, len, g->n_tensors))
            return weft_fail(WEFT_ERR_NOMEM, "out of memory for tensors");
        g->n_tensors++;
    }
    return WEFT_OK;
}

/// A model view of one part's keys, so that the public getters serve while it is being opened.
static struct weft_source view_of(const struct header *h) {
    static char path[] = "header";
    return (struct weft_source){.path = path, .entries = h->entries, .n_entries = h->n_entries, .keys = h->keys};
}

static weft_status find_data(struct reader *r, struct header *h) {
    struct weft_source view = view_of(h);
    WEFT_TRY(weft_source_u32_or(&view, "general.alignment", DEFAULT_ALIGNMENT, &h->alignment));
    uint32_t alignment = h->alignment;
    if (alignment < 8 || (alignment & (alignment - 1)))
        return weft_fail(WEFT_ERR_FORMAT, "general.alignment is %u, not a power of two from 8 up", alignment);
    uint64_t past = r->pos % alignment;
    h->data_start = past ? r->pos + (alignment - past) : r->pos; // no overflow: pos <= size <= 2^63
    if (h->n_tensors && h->data_start > r->size)
        return weft_fail(WEFT_ERR_FORMAT, "the file ends at byte %" PRIu64 ", before its tensor data at %" PRIu64,
                         r->size, h->data_start);
    return WEFT_OK;
}

static int by_offset(const void *a, const void *b) {
    const struct weft_source_tensor *x = *(const struct weft_source_tensor *const *)a;
    const struct weft_source_tensor *y = *(const struct weft_source_tensor *const *)b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size; // empty tensors first: they overlap nothing
}

static weft_status check_overlap(struct weft_source_tensor *tensors, size_t count) {
    const struct weft_source_tensor **sorted = weft_alloc(count * sizeof *sorted);
    if (!sorted) return weft_fail(WEFT_ERR_NOMEM, "out of memory for %zu tensors", count);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (tensors[i].size) sorted[n++] = &tensors[i];
    }
    qsort(sorted, n, sizeof *sorted, by_offset);
    weft_status status = WEFT_OK;
    for (size_t i = 1; i < n && status == WEFT_OK; i++) {
        if (sorted[i]->offset - sorted[i - 1]->offset < sorted[i - 1]->size)
            status = weft_fail(WEFT_ERR_FORMAT, "tensors '%s' and '%s' overlap", sorted[i - 1]->name, sorted[i]->name);
    }
    weft_free(sorted);
    return status;
}

/// Turns relative offsets into checked pointers.
static weft_status place_tensors(struct weft_source *g, const struct reader *r, const struct header *h) {
    struct weft_source_tensor *tensors = g->tensors + (g->n_tensors - h->n_tensors);
    for (uint64_t i = 0; i < h->n_tensors; i++) {
        struct weft_source_tensor *t = &tensors[i];
        uint64_t room = r->size - h->data_start;
        if (t->offset % h->alignment)
            return weft_fail(WEFT_ERR_FORMAT, "tensor '%s' starts at %" PRIu64 ", no multiple of the alignment %u",
                             t->name, t->offset, h->alignment);
        if (t->offset > room || t->size > room - t->offset)
            return weft_fail(WEFT_ERR_FORMAT,
                             "tensor '%s' (offset %" PRIu64 ", %" PRIu64
                             " bytes) ends past the file, which has %" PRIu64
                             " bytes of data; is the download complete?",
                             t->name, t->offset, t->size, room);
        t->offset += h->data_start;
        t->data = r->data + t->offset;
    }
    return check_overlap(tensors, (size_t)h->n_tensors);
}

static weft_status check_start(struct reader *r, uint64_t *version) {
    uint64_t magic;
    if (r->size < 24) return weft_fail(WEFT_ERR_FORMAT, "not a GGUF file (%" PRIu64 " bytes)", r->size);
    WEFT_TRY(get(r, 4, "magic", "the file", &magic));
    WEFT_TRY(get(r, 4, "version", "the file", version));
    if (magic != 0x46554747) return weft_fail(WEFT_ERR_FORMAT, "not a GGUF file (it does not begin with 'GGUF')");
    if (*version == 2 || *version == 3) return WEFT_OK;
    if (*version && (*version & 0xFFFFFF) == 0)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "a big-endian GGUF file; convert it to little-endian");
    return weft_fail(WEFT_ERR_UNSUPPORTED, "GGUF version %" PRIu64 "; Weft reads versions 2 and 3", *version);
}

/// One file: its keys go to `h`, its tensors to the model.
static weft_status parse_into(struct weft_source *g, struct reader *r, uint32_t part, struct header *h) {
    uint64_t version = 0, n_keys;
    WEFT_TRY(check_start(r, &version));
    WEFT_TRY(get(r, 8, "tensor count", "the file", &h->n_tensors));
    WEFT_TRY(get(r, 8, "key count", "the file", &n_keys));
    WEFT_TRY(get_entries(g, r, n_keys, h));
    WEFT_TRY(get_tensors(g, r, part, h->n_tensors));
    WEFT_TRY(find_data(r, h));
    WEFT_TRY(place_tensors(g, r, h));
    if (part == 0) {
        snprintf(g->format, sizeof g->format, "GGUF");
        g->version = (uint32_t)version;
    }
    g->bytes += r->size;
    return WEFT_OK;
}

/// The same, and says in which file it failed.
static weft_status parse(struct weft_source *g, struct reader *r, const char *path, struct header *h) {
    return weft_fail_in(parse_into(g, r, g->n_parts ? g->n_parts - 1 : 0, h), "%s", path);
}

static void free_header(struct header *h) {
    weft_free(h->entries);
    weft_map_free(&h->keys);
}

/// Maps and parses one file. `h` is filled also on failure; the caller frees it.
static weft_status open_part(struct weft_source *g, const char *path, struct header *h) {
    size_t cap = g->n_parts;
    if (!weft_grow((void **)&g->parts, &cap, (size_t)g->n_parts + 1, sizeof *g->parts))
        return weft_fail(WEFT_ERR_NOMEM, "%s: out of memory", path);
    WEFT_TRY(weft_file_map(path, &g->parts[g->n_parts]));
    struct weft_mapping *m = &g->parts[g->n_parts++];
    struct reader r = {.data = m->data, .size = m->size};
    return parse(g, &r, path, h);
}

/// The name's part before "-00001-of-0000N.gguf", N being `count`; 0 if it does not end so.
static size_t split_prefix(const char *path, uint32_t count) {
    char ending[40];
    int n = snprintf(ending, sizeof ending, "-00001-of-%05u.gguf", count);
    size_t len = strlen(path);
    return len > (size_t)n && strcmp(path + len - (size_t)n, ending) == 0 ? len - (size_t)n : 0;
}

static weft_status check_split(const struct header *h, const char *path, uint32_t no, uint32_t count) {
    struct weft_source view = view_of(h);
    uint32_t found_no, found_count;
    if (!weft_source_has(&view, "split.no") || !weft_source_has(&view, "split.count"))
        return weft_fail(WEFT_ERR_FORMAT, "%s: should be part %u of %u, but has no split.no or no split.count", path,
                         no + 1, count);
    WEFT_TRY(weft_fail_in(weft_source_get_u32(&view, "split.no", &found_no), "%s", path));
    WEFT_TRY(weft_fail_in(weft_source_get_u32(&view, "split.count", &found_count), "%s", path));
    if (found_no == no && found_count == count) return WEFT_OK;
    return weft_fail(WEFT_ERR_FORMAT,
                     "%s: should be part %u of %u, but says that it is part %u of %u (split.no, split.count)", path,
                     no + 1, count, found_no + 1, found_count);
}

static weft_status open_rest(struct weft_source *g, uint32_t count) {
    size_t prefix = split_prefix(g->path, count);
    if (!prefix)
        return weft_fail(
            WEFT_ERR_FORMAT,
            "%s: split.count says that this is a model in %u parts: open the first, whose name must end in "
            "-00001-of-%05u.gguf",
            g->path, count, count);
    for (uint32_t no = 1; no < count; no++) {
        struct header h = {0};
        char *path = weft_arena_printf(&g->arena, "%.*s-%05u-of-%05u.gguf", (int)prefix, g->path, no + 1, count);
        weft_status status = path ? open_part(g, path, &h) : weft_fail(WEFT_ERR_NOMEM, "%s: out of memory", g->path);
        if (status == WEFT_OK) status = check_split(&h, path, no, count);
        free_header(&h);
        if (status != WEFT_OK) return weft_fail_in(status, "part %u of %u", no + 1, count);
    }
    return WEFT_OK;
}

/// After the first part: the others, and whether all tensors are there.
static weft_status open_split(struct weft_source *g) {
    uint32_t no, count, tensors;
    WEFT_TRY(weft_source_u32_or(g, "split.no", 0, &no));
    WEFT_TRY(weft_source_u32_or(g, "split.count", 1, &count));
    WEFT_TRY(weft_source_u32_or(g, "split.tensors.count", 0, &tensors));
    if (count <= 1) return WEFT_OK;
    if (count > 99999 || no >= count)
        return weft_fail(WEFT_ERR_FORMAT, "%s: split.no %u and split.count %u do not fit together", g->path, no, count);
    if (!g->parts)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "%s: a split model (%u parts) can't be in memory", g->path, count);
    if (no != 0)
        return weft_fail(WEFT_ERR_FORMAT, "%s: this is part %u of %u: open the first, ...-00001-of-%05u.gguf", g->path,
                         no + 1, count, count);
    WEFT_TRY(open_rest(g, count));
    if (weft_source_has(g, "split.tensors.count") && tensors != g->n_tensors)
        return weft_fail(WEFT_ERR_FORMAT, "%s: split.tensors.count is %u, but the %u parts have %zu tensors", g->path,
                         tensors, count, g->n_tensors);
    return WEFT_OK;
}

/// Moves the first part's keys into the model and hands it out, or frees all.
static weft_status finish(struct weft_source *g, struct header *h, weft_status status, struct weft_source **out) {
    g->entries = h->entries;
    g->n_entries = h->n_entries;
    g->keys = h->keys;
    if (status == WEFT_OK) status = open_split(g);
    if (status != WEFT_OK) {
        weft_source_close(g);
        g = NULL;
    }
    *out = g;
    return status;
}

weft_status weft_gguf_open(const char *path, struct weft_source **out) {
    struct header h = {0};
    struct weft_source *g;
    *out = NULL;
    WEFT_TRY(weft_source_create(path, &g));
    weft_status status = open_part(g, g->path, &h);
    return finish(g, &h, status, out);
}

weft_status weft_gguf_open_memory(const void *data, size_t size, const char *name, struct weft_source **out) {
    struct header h = {0};
    struct weft_source *g;
    *out = NULL;
    if ((uintptr_t)data % 8) return weft_fail(WEFT_ERR_INVALID, "%s: a GGUF file in memory must be 8-aligned", name);
    WEFT_TRY(weft_source_create(name, &g));
    struct reader r = {.data = data, .size = size};
    return finish(g, &h, parse(g, &r, g->path, &h), out);
}
