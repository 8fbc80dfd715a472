/// GGUF model files, versions 2 and 3, little-endian, in one file or in split parts, memory-mapped.
///
/// Opening walks the whole header once: every count, length, type, offset and alignment is checked against the
/// file's size before it is used, so that what the functions below return can be read without further checks.
/// Nothing is copied but names; strings and tensor data are views into the mapping and live until
/// weft_gguf_close. Memory and time stay proportional to the header's bytes that are really there.
///
/// Thread-safety: immutable once open, share it freely. For src/model and src/app.
#ifndef WEFT_MODEL_GGUF_H
#define WEFT_MODEL_GGUF_H
#include "core/str.h"
#include "weft/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_gguf;

/// Bytes inside the file; not 0-terminated, and any bytes at all.
struct weft_gguf_str {
    const char *data;
    size_t len;
};

enum weft_gguf_type { ///< types of key values, with their numbers in the file
    WEFT_GGUF_U8 = 0,
    WEFT_GGUF_I8 = 1,
    WEFT_GGUF_U16 = 2,
    WEFT_GGUF_I16 = 3,
    WEFT_GGUF_U32 = 4,
    WEFT_GGUF_I32 = 5,
    WEFT_GGUF_F32 = 6,
    WEFT_GGUF_BOOL = 7,
    WEFT_GGUF_STRING = 8,
    WEFT_GGUF_ARRAY = 9,
    WEFT_GGUF_U64 = 10,
    WEFT_GGUF_I64 = 11,
    WEFT_GGUF_F64 = 12,
};

enum weft_ggml_type { ///< tensor types with their numbers in the file; the table in gguf_types.c has all of them
    WEFT_GGML_F32 = 0,
    WEFT_GGML_F16 = 1,
    WEFT_GGML_Q4_0 = 2,
    WEFT_GGML_Q4_1 = 3,
    WEFT_GGML_Q5_0 = 6,
    WEFT_GGML_Q5_1 = 7,
    WEFT_GGML_Q8_0 = 8,
    WEFT_GGML_Q2_K = 10,
    WEFT_GGML_Q3_K = 11,
    WEFT_GGML_Q4_K = 12,
    WEFT_GGML_Q5_K = 13,
    WEFT_GGML_Q6_K = 14,
    WEFT_GGML_IQ4_NL = 20,
    WEFT_GGML_IQ4_XS = 23,
    WEFT_GGML_I8 = 24,
    WEFT_GGML_I16 = 25,
    WEFT_GGML_I32 = 26,
    WEFT_GGML_I64 = 27,
    WEFT_GGML_F64 = 28,
    WEFT_GGML_BF16 = 30,
    WEFT_GGML_MXFP4 = 39,
};

struct weft_ggml_type_info {
    const char *name; ///< "Q4_K"
    uint32_t block;   ///< weights a block
    uint32_t bytes;   ///< bytes a block
};

/// NULL for a number that Weft does not know.
const struct weft_ggml_type_info *weft_ggml_type_info(uint32_t type);

struct weft_gguf_tensor {
    const char *name;    ///< 0-terminated
    uint32_t type;       ///< a number that weft_ggml_type_info knows
    uint32_t n_dims;     ///< 0 to 4
    uint64_t dims[4];    ///< fastest first; 1 beyond n_dims; the product fits int64_t; dims[0] is whole blocks
    const uint8_t *data; ///< aligned to the file's alignment (up to the page size), at least to 8
    uint64_t size;       ///< bytes
    uint32_t part;       ///< which file, 0 unless split
    uint64_t offset;     ///< of `data` from the start of that file
};

/// Opens a file. For a split model `path` is the first part, NAME-00001-of-0000N.gguf; the others are found
/// beside it. On failure *out is NULL. Errors: NOT_FOUND, IO, NOMEM, FORMAT (damaged; names the key or tensor),
/// UNSUPPORTED (version 1, big-endian, an unknown tensor type, an array of arrays).
weft_status weft_gguf_open(const char *path, struct weft_gguf **out);

/// The same from memory, which must be 8-aligned and outlive the result; `name` is for messages. No split files.
weft_status weft_gguf_open_memory(const void *data, size_t size, const char *name, struct weft_gguf **out);
void weft_gguf_close(struct weft_gguf *g); ///< NULL is fine

const char *weft_gguf_path(const struct weft_gguf *g);
uint32_t weft_gguf_version(const struct weft_gguf *g);
uint32_t weft_gguf_part_count(const struct weft_gguf *g);
uint64_t weft_gguf_file_size(const struct weft_gguf *g); ///< all parts together

size_t weft_gguf_tensor_count(const struct weft_gguf *g);
const struct weft_gguf_tensor *weft_gguf_tensor_at(const struct weft_gguf *g, size_t i);    ///< in file order
const struct weft_gguf_tensor *weft_gguf_find(const struct weft_gguf *g, const char *name); ///< NULL: absent

// Values by key. NOT_FOUND: no such key; FORMAT: another type than the function's, or out of its range. The
// sentence names the key, what was expected and what was found. Integers of any width are taken when the value
// fits; u32 and i64 take no bool and no float, f64 takes f32 and f64 only.
bool weft_gguf_has(const struct weft_gguf *g, const char *key);
weft_status weft_gguf_get_u32(const struct weft_gguf *g, const char *key, uint32_t *out);
weft_status weft_gguf_get_i64(const struct weft_gguf *g, const char *key, int64_t *out);
weft_status weft_gguf_get_f64(const struct weft_gguf *g, const char *key, double *out);
weft_status weft_gguf_get_bool(const struct weft_gguf *g, const char *key, bool *out);
weft_status weft_gguf_get_string(const struct weft_gguf *g, const char *key, struct weft_gguf_str *out);

// The same, but an absent key gives `fallback`. A key that is there with a wrong type is still an error.
weft_status weft_gguf_u32_or(const struct weft_gguf *g, const char *key, uint32_t fallback, uint32_t *out);
weft_status weft_gguf_f64_or(const struct weft_gguf *g, const char *key, double fallback, double *out);
weft_status weft_gguf_bool_or(const struct weft_gguf *g, const char *key, bool fallback, bool *out);

/// Type of a value; for an array also that of its elements and their number. Errors: NOT_FOUND.
weft_status weft_gguf_get_type(const struct weft_gguf *g, const char *key, enum weft_gguf_type *type,
                               enum weft_gguf_type *element, uint64_t *count);

// Arrays. The caller frees *out with weft_free; it is non-NULL on success even when *count is 0. Errors also:
// NOMEM. The views' bytes belong to the file. i32s takes integers of any width that fit, and bools as 0 and 1.
weft_status weft_gguf_get_strings(const struct weft_gguf *g, const char *key, struct weft_gguf_str **out,
                                  size_t *count);
weft_status weft_gguf_get_f32s(const struct weft_gguf *g, const char *key, float **out, size_t *count);
weft_status weft_gguf_get_i32s(const struct weft_gguf *g, const char *key, int32_t **out, size_t *count);

// For listings: keys in file order, and a value as text (strings escaped and cut at `width` characters, arrays as
// their type, length and first elements).
size_t weft_gguf_key_count(const struct weft_gguf *g);
const char *weft_gguf_key_at(const struct weft_gguf *g, size_t i);
void weft_gguf_print_value(const struct weft_gguf *g, size_t i, size_t width, struct weft_str *out);
const char *weft_gguf_type_name(enum weft_gguf_type type); ///< "u32", "string", ...
#endif
