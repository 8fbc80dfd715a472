/// Inside of an open source. For the readers of formats and source.c only.
#ifndef WEFT_MODEL_SOURCE_IMPL_H
#define WEFT_MODEL_SOURCE_IMPL_H
#include "core/arena.h"
#include "core/file.h"
#include "core/map.h"
#include "model/source.h"
#include "model/source_recipe.h"

struct weft_source_entry {
    const char *key; // 0-terminated copy
    enum weft_source_type type;
    enum weft_source_type element; // of an array, else the type itself; never ARRAY
    uint64_t count;                // elements of an array, else 1
    /// Checked elements as GGUF has them: little-endian, one after the other, unaligned; a string has its length (8
    /// bytes) in front.
    const uint8_t *value;
};

struct weft_source {
    char *path;
    char format[32];
    uint32_t version, n_parts;
    uint64_t bytes;
    struct weft_arena arena; // names and keys
    struct weft_source_entry *entries;
    size_t n_entries, cap_entries;
    struct weft_map keys; // key -> index in entries
    struct weft_source_tensor *tensors;
    size_t n_tensors, cap_tensors;
    struct weft_map names;       // name -> index in tensors
    struct weft_recipe *recipes; // of tensors without data, by index in tensors; NULL: there is none
    size_t cap_recipes;
    struct weft_mapping *parts; // n_parts of them; NULL for memory
};

/// Adds a tensor, whose name is copied; dims beyond n_dims are set. `recipe` is copied; NULL: it has data. Errors:
/// FORMAT (no name, or one that is there), NOMEM.
weft_status weft_source_append(struct weft_source *s, const struct weft_source_tensor *tensor,
                               const struct weft_recipe *recipe);

/// Bytes of one scalar value; 0 for strings, arrays and unknown types.
size_t weft_source_scalar_size(uint32_t type);

static inline uint64_t weft_source_load(const uint8_t *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}
#endif
