/// GGUF model files, versions 2 and 3, little-endian, in one file or in split parts, memory-mapped.
///
/// Opening walks the whole header once: every count, length, type, offset and alignment is checked against the
/// file's size before it is used. Nothing is copied but names; strings and tensor data are views into the mapping and
/// live until weft_source_close. Memory and time stay proportional to the header's bytes that are really there.
/// The data of a tensor is aligned to the file's alignment (up to the page size), at least to 8.
///
/// For src/model and src/app.
#ifndef WEFT_MODEL_GGUF_H
#define WEFT_MODEL_GGUF_H
#include "model/source.h"

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

/// Types that no GGUF file has, which follow in the same numbering. Nothing computes with them.
enum weft_more_types {
    WEFT_GGML_OTHER = 0x10000,
    WEFT_TYPE_U8 = WEFT_GGML_OTHER,
    WEFT_TYPE_BOOL,
    WEFT_TYPE_U16,
    WEFT_TYPE_U32,
    WEFT_TYPE_U64,
    WEFT_TYPE_F8_E4M3,
    WEFT_TYPE_F8_E5M2,
    WEFT_TYPE_F8_E8M0,
    WEFT_TYPE_C64,
    WEFT_TYPE_F4,
    WEFT_TYPE_F6_E2M3,
    WEFT_TYPE_F6_E3M2,
    WEFT_TYPE_END
};

struct weft_ggml_type_info {
    const char *name; ///< "Q4_K"
    uint32_t block;   ///< weights a block
    uint32_t bytes;   ///< bytes a block
};

/// NULL for a number that Weft does not know.
const struct weft_ggml_type_info *weft_ggml_type_info(uint32_t type);

/// Opens a file. For a split model `path` is the first part, NAME-00001-of-0000N.gguf; the others are found
/// beside it. On failure *out is NULL. Errors: NOT_FOUND, IO, NOMEM, FORMAT (damaged; names the key or tensor),
/// UNSUPPORTED (version 1, big-endian, an unknown tensor type, an array of arrays).
weft_status weft_gguf_open(const char *path, struct weft_source **out);

/// The same from memory, which must be 8-aligned and outlive the result; `name` is for messages. No split files.
weft_status weft_gguf_open_memory(const void *data, size_t size, const char *name, struct weft_source **out);
#endif
