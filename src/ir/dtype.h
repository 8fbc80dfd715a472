/// What is known of each element type: block layout in files, and the host reference of its decoding.
#ifndef WEFT_IR_DTYPE_H
#define WEFT_IR_DTYPE_H
#include "weft/tensor.h"
#include <stdbool.h>

struct weft_dtype_info {
    const char *name;
    uint32_t block;       ///< elements a block (1 for plain types)
    uint32_t block_bytes; ///< bytes a block as stored in files
    bool quantised, is_float;
    /// Host reference: decodes `n` elements (a multiple of `block`) from file layout into doubles, exactly.
    void (*decode)(const void *src, int64_t n, double *dst);
    /// The other way, simple round-to-nearest: for tests and tools.
    void (*encode)(const double *src, int64_t n, void *dst);
};

const struct weft_dtype_info *weft_dtype_info(weft_dtype dtype); ///< NULL for an unknown type
/// Bytes of `n` elements as stored in files; n must be a multiple of the block (else rounds up to whole blocks).
uint64_t weft_dtype_bytes(weft_dtype dtype, uint64_t n);
/// Decodes as `decode` does, into floats: each value is rounded once, from the exact one.
void weft_dtype_decode_f32(weft_dtype dtype, const void *src, int64_t n, float *dst);
/// Quantises `n` doubles (a multiple of the block) to the file layout: simple round-to-nearest, for tests and tools.
void weft_dtype_encode(weft_dtype dtype, const double *src, int64_t n, void *dst);
#endif
