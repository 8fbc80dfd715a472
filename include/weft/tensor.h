/// Element types and shapes.
///
/// Shapes are row-major, last axis fastest, at most WEFT_MAX_RANK axes. A quantised type stores blocks of
/// consecutive elements of the last axis; its shape still counts elements.
#ifndef WEFT_TENSOR_H
#define WEFT_TENSOR_H
#include "weft/status.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_MAX_RANK 8

typedef enum weft_dtype {
    WEFT_F32 = 0,
    WEFT_F16,
    WEFT_BF16,
    WEFT_I32,
    WEFT_U32,
    WEFT_I8,
    WEFT_U8,
    WEFT_BOOL, ///< 0 or 1: a byte a value on the device, a little-endian u32 in constants and weights
    // Block-quantised weights (formats of GGUF)
    WEFT_Q4_0,
    WEFT_Q5_0,
    WEFT_Q8_0,
    WEFT_Q4_K,
    WEFT_Q6_K,
    WEFT_Q4_1,
    WEFT_Q5_1,
    WEFT_Q5_K,
    WEFT_IQ4_NL,
    WEFT_IQ4_XS,
    WEFT_MXFP4, ///< a scale byte of 255 makes a block of NaN (OCP microscaling); as decoded elsewhere it is 2^128
    WEFT_Q2_K,
    WEFT_Q3_K,
    WEFT_DTYPE_COUNT
} weft_dtype;

/// Name such as "f32" or "q4_k"; "?" for an unknown value. Static storage. Thread-safety: safe.
WEFT_API const char *weft_dtype_name(weft_dtype dtype);
/// Type of a name; WEFT_DTYPE_COUNT if there is none.
WEFT_API weft_dtype weft_dtype_find(const char *name);

#ifdef __cplusplus
}
#endif
#endif
