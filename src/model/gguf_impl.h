/// Inside of an open GGUF file. For gguf*.c only.
#ifndef WEFT_MODEL_GGUF_IMPL_H
#define WEFT_MODEL_GGUF_IMPL_H
#include "core/arena.h"
#include "core/file.h"
#include "core/map.h"
#include "model/gguf.h"

struct weft_gguf_entry {
    const char *key; // 0-terminated copy
    enum weft_gguf_type type;
    enum weft_gguf_type element; // of an array, else the type itself; never ARRAY
    uint64_t count;              // elements of an array, else 1
    const uint8_t *value;        // checked elements, one after the other, unaligned; a string has its length in front
};

struct weft_gguf {
    char *path;
    uint32_t version, n_parts;
    uint64_t file_size;
    struct weft_mapping *parts; // n_parts of them; NULL for memory
    struct weft_arena arena;    // names and keys
    struct weft_gguf_entry *entries;
    size_t n_entries;
    struct weft_map keys; // key -> index in entries
    struct weft_gguf_tensor *tensors;
    size_t n_tensors, cap_tensors;
    struct weft_map names; // name -> index in tensors
};

/// Bytes of one scalar value; 0 for strings, arrays and unknown types.
size_t weft_gguf_scalar_size(uint32_t type);

static inline uint64_t weft_gguf_load(const uint8_t *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}
#endif
