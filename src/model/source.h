/// Where a model comes from: tensors by name, values by key, and the bytes of tensors. Formats differ in the reader
/// alone (gguf.c); what is behind this interface speaks one language, GGUF's: its names of tensors and keys, its
/// order of dims (fastest first), of rows and of elements.
///
/// Whoever opens a source checks all of it, so that what the functions below return can be read without further checks.
///
/// Thread-safety: immutable once open, share it freely. For src/model and src/app.
#ifndef WEFT_MODEL_SOURCE_H
#define WEFT_MODEL_SOURCE_H
#include "core/str.h"
#include "weft/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_source;

/// Bytes of the source, which live as long as it does; not 0-terminated, and any bytes at all.
struct weft_source_str {
    const char *data;
    size_t len;
};

enum weft_source_type { ///< types of values, with their numbers in a GGUF file
    WEFT_SOURCE_U8 = 0,
    WEFT_SOURCE_I8 = 1,
    WEFT_SOURCE_U16 = 2,
    WEFT_SOURCE_I16 = 3,
    WEFT_SOURCE_U32 = 4,
    WEFT_SOURCE_I32 = 5,
    WEFT_SOURCE_F32 = 6,
    WEFT_SOURCE_BOOL = 7,
    WEFT_SOURCE_STRING = 8,
    WEFT_SOURCE_ARRAY = 9,
    WEFT_SOURCE_U64 = 10,
    WEFT_SOURCE_I64 = 11,
    WEFT_SOURCE_F64 = 12,
};

struct weft_source_tensor {
    const char *name;    ///< 0-terminated
    uint32_t type;       ///< a number that weft_ggml_type_info knows (gguf.h)
    uint32_t n_dims;     ///< 0 to 4
    uint64_t dims[4];    ///< fastest first; 1 beyond n_dims; the product fits int64_t; dims[0] is whole blocks
    const uint8_t *data; ///< its bytes where the source has them in memory; NULL: weft_source_read gives them
    uint64_t size;       ///< bytes
    uint32_t part;       ///< which file, 0 unless there are several
    uint64_t offset;     ///< from the start of that file
};

/// Opens the model at `path`, whatever its format. On failure *out is NULL. Errors: those of the format's open.
weft_status weft_source_open(const char *path, struct weft_source **out);
void weft_source_close(struct weft_source *s); ///< NULL is fine

const char *weft_source_path(const struct weft_source *s);   ///< or the name that stands in for it in messages
const char *weft_source_format(const struct weft_source *s); ///< "GGUF"
uint32_t weft_source_version(const struct weft_source *s);   ///< of the format; 0: it has none
uint32_t weft_source_part_count(const struct weft_source *s);
uint64_t weft_source_bytes(const struct weft_source *s); ///< all parts together

size_t weft_source_tensor_count(const struct weft_source *s);
const struct weft_source_tensor *weft_source_tensor_at(const struct weft_source *s, size_t i);    ///< in file order
const struct weft_source_tensor *weft_source_find(const struct weft_source *s, const char *name); ///< NULL: absent

/// Copies bytes offset .. offset + size - 1 of a tensor, in order, and reads nothing of `to`. Errors: INVALID (beyond
/// the tensor), IO, NOMEM.
weft_status weft_source_read(const struct weft_source *s, const struct weft_source_tensor *t, uint64_t offset,
                             uint64_t size, void *to);

/// All bytes of a tensor: where they are, or a copy in *room, which grows (weft_free) and holds one tensor at a time.
struct weft_source_room {
    uint8_t *data;
    size_t cap;
};
weft_status weft_source_bytes_of(const struct weft_source *s, const struct weft_source_tensor *t,
                                 struct weft_source_room *room, const uint8_t **out);

/// By the tensor's name, for loading: where its bytes are, *out NULL if they have to be read, and their number.
/// Errors: NOT_FOUND.
weft_status weft_source_data_named(const struct weft_source *s, const char *name, const uint8_t **out, uint64_t *size);
/// weft_source_read by the tensor's name. Errors also: NOT_FOUND.
weft_status weft_source_read_named(const struct weft_source *s, const char *name, uint64_t offset, uint64_t size,
                                   void *to);

// Values by key. NOT_FOUND: no such key; FORMAT: another type than the function's, or out of its range. The
// sentence names the key, what was expected and what was found. Integers of any width are taken when the value
// fits; u32 and i64 take no bool and no float, f64 takes f32 and f64 only.
bool weft_source_has(const struct weft_source *s, const char *key);
weft_status weft_source_get_u32(const struct weft_source *s, const char *key, uint32_t *out);
weft_status weft_source_get_i64(const struct weft_source *s, const char *key, int64_t *out);
weft_status weft_source_get_f64(const struct weft_source *s, const char *key, double *out);
weft_status weft_source_get_bool(const struct weft_source *s, const char *key, bool *out);
weft_status weft_source_get_string(const struct weft_source *s, const char *key, struct weft_source_str *out);

// The same, but an absent key gives `fallback`. A key that is there with a wrong type is still an error.
weft_status weft_source_u32_or(const struct weft_source *s, const char *key, uint32_t fallback, uint32_t *out);
weft_status weft_source_f64_or(const struct weft_source *s, const char *key, double fallback, double *out);
weft_status weft_source_bool_or(const struct weft_source *s, const char *key, bool fallback, bool *out);

/// Type of a value; for an array also that of its elements and their number. Errors: NOT_FOUND.
weft_status weft_source_get_type(const struct weft_source *s, const char *key, enum weft_source_type *type,
                                 enum weft_source_type *element, uint64_t *count);

// Arrays. The caller frees *out with weft_free; it is non-NULL on success even when *count is 0. Errors also:
// NOMEM. The views' bytes belong to the source. i32s takes integers of any width that fit, and bools as 0 and 1.
weft_status weft_source_get_strings(const struct weft_source *s, const char *key, struct weft_source_str **out,
                                    size_t *count);
weft_status weft_source_get_f32s(const struct weft_source *s, const char *key, float **out, size_t *count);
weft_status weft_source_get_i32s(const struct weft_source *s, const char *key, int32_t **out, size_t *count);

// For listings: keys in file order, and a value as text (strings escaped and cut at `width` characters, arrays as
// their type, length and first elements).
size_t weft_source_key_count(const struct weft_source *s);
const char *weft_source_key_at(const struct weft_source *s, size_t i);
void weft_source_print_value(const struct weft_source *s, size_t i, size_t width, struct weft_str *out);
const char *weft_source_type_name(enum weft_source_type type); ///< "u32", "string", ...
#endif
