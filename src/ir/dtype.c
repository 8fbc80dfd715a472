// The table of element types. To add one: a value in weft_dtype, a row here, its two functions.
#include "ir/dtype.h"
#include "core/half.h"
#include "ir/quant.h"
#include <string.h>

// ---- plain types: little-endian, one element a block

static uint32_t load(const void *src, int64_t i, int bytes) {
    const uint8_t *p = (const uint8_t *)src + i * bytes;
    uint32_t x = 0;
    for (int k = 0; k < bytes; k++) x |= (uint32_t)p[k] << 8 * k;
    return x;
}

static void store(void *dst, int64_t i, int bytes, uint32_t x) {
    uint8_t *p = (uint8_t *)dst + i * bytes;
    for (int k = 0; k < bytes; k++) p[k] = (uint8_t)(x >> 8 * k);
}

static void decode_f32(const void *src, int64_t n, double *dst) {
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = load(src, i, 4);
        float f;
        memcpy(&f, &bits, sizeof f);
        dst[i] = f;
    }
}

static void decode_f16(const void *src, int64_t n, double *dst) {
    for (int64_t i = 0; i < n; i++) dst[i] = weft_f16_to_f32((uint16_t)load(src, i, 2));
}

static void decode_bf16(const void *src, int64_t n, double *dst) {
    for (int64_t i = 0; i < n; i++) dst[i] = weft_bf16_to_f32((uint16_t)load(src, i, 2));
}

static void decode_i32(const void *src, int64_t n, double *dst) {
    for (int64_t i = 0; i < n; i++) dst[i] = (int32_t)load(src, i, 4);
}

static void decode_u32(const void *src, int64_t n, double *dst) {
    for (int64_t i = 0; i < n; i++) dst[i] = load(src, i, 4);
}

static void decode_i8(const void *src, int64_t n, double *dst) {
    for (int64_t i = 0; i < n; i++) dst[i] = ((const int8_t *)src)[i];
}

static void decode_u8(const void *src, int64_t n, double *dst) {
    for (int64_t i = 0; i < n; i++) dst[i] = ((const uint8_t *)src)[i];
}

static void decode_bool(const void *src, int64_t n, double *dst) {
    for (int64_t i = 0; i < n; i++) dst[i] = load(src, i, 4) != 0;
}

// ---- encoding: integers saturate

static void encode_f32(const double *src, int64_t n, void *dst) {
    for (int64_t i = 0; i < n; i++) {
        float f = (float)src[i];
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        store(dst, i, 4, bits);
    }
}

static void encode_f16(const double *src, int64_t n, void *dst) {
    for (int64_t i = 0; i < n; i++) store(dst, i, 2, weft_quant_f16(src[i]));
}

static void encode_bf16(const double *src, int64_t n, void *dst) {
    for (int64_t i = 0; i < n; i++) store(dst, i, 2, weft_quant_bf16(src[i]));
}

#define INTEGERS(type, bytes, lo, hi)                                                                                  \
    static void encode_##type(const double *src, int64_t n, void *dst) {                                               \
        for (int64_t i = 0; i < n; i++) store(dst, i, bytes, (uint32_t)weft_quant_round(src[i], lo, hi));              \
    }
INTEGERS(i32, 4, INT32_MIN, INT32_MAX)
INTEGERS(u32, 4, 0, UINT32_MAX)
INTEGERS(i8, 1, INT8_MIN, INT8_MAX)
INTEGERS(u8, 1, 0, UINT8_MAX)

static void encode_bool(const double *src, int64_t n, void *dst) {
    for (int64_t i = 0; i < n; i++) store(dst, i, 4, src[i] != 0);
}

// ---- the table

#define PLAIN(type, bytes, is_float)                                                                                   \
    { #type, 1, bytes, false, is_float, decode_##type, encode_##type }
#define BLOCKS(type, block, bytes)                                                                                     \
    { #type, block, bytes, true, true, weft_quant_decode_##type, weft_quant_encode_##type }

static const struct weft_dtype_info table[WEFT_DTYPE_COUNT] = {
    [WEFT_F32] = PLAIN(f32, 4, true),       [WEFT_F16] = PLAIN(f16, 2, true),
    [WEFT_BF16] = PLAIN(bf16, 2, true),     [WEFT_I32] = PLAIN(i32, 4, false),
    [WEFT_U32] = PLAIN(u32, 4, false),      [WEFT_I8] = PLAIN(i8, 1, false),
    [WEFT_U8] = PLAIN(u8, 1, false),        [WEFT_BOOL] = PLAIN(bool, 4, false),
    [WEFT_Q4_0] = BLOCKS(q4_0, 32, 18),     [WEFT_Q5_0] = BLOCKS(q5_0, 32, 22),
    [WEFT_Q8_0] = BLOCKS(q8_0, 32, 34),     [WEFT_Q4_K] = BLOCKS(q4_k, 256, 144),
    [WEFT_Q6_K] = BLOCKS(q6_k, 256, 210),   [WEFT_Q4_1] = BLOCKS(q4_1, 32, 20),
    [WEFT_Q5_1] = BLOCKS(q5_1, 32, 24),     [WEFT_Q5_K] = BLOCKS(q5_k, 256, 176),
    [WEFT_IQ4_NL] = BLOCKS(iq4_nl, 32, 18), [WEFT_IQ4_XS] = BLOCKS(iq4_xs, 256, 136),
    [WEFT_MXFP4] = BLOCKS(mxfp4, 32, 17),   [WEFT_Q2_K] = BLOCKS(q2_k, 256, 84),
    [WEFT_Q3_K] = BLOCKS(q3_k, 256, 110),
};

const struct weft_dtype_info *weft_dtype_info(weft_dtype dtype) {
    return (unsigned)dtype < WEFT_DTYPE_COUNT ? &table[dtype] : NULL;
}

const char *weft_dtype_name(weft_dtype dtype) { return (unsigned)dtype < WEFT_DTYPE_COUNT ? table[dtype].name : "?"; }

weft_dtype weft_dtype_find(const char *name) {
    int i = 0;
    while (i < WEFT_DTYPE_COUNT && (!name || strcmp(table[i].name, name) != 0)) i++;
    return (weft_dtype)i;
}

uint64_t weft_dtype_bytes(weft_dtype dtype, uint64_t n) {
    const struct weft_dtype_info *info = weft_dtype_info(dtype);
    uint64_t blocks, bytes;
    if (!info) return 0;
    blocks = n / info->block + (n % info->block != 0);
    return __builtin_mul_overflow(blocks, (uint64_t)info->block_bytes, &bytes) ? UINT64_MAX : bytes;
}

void weft_dtype_encode(weft_dtype dtype, const double *src, int64_t n, void *dst) {
    const struct weft_dtype_info *info = weft_dtype_info(dtype);
    if (info) info->encode(src, n, dst);
}

#define CHUNK 256 // a multiple of every block

// A block at a time through the doubles, so that there is one decoder a type.
void weft_dtype_decode_f32(weft_dtype dtype, const void *src, int64_t n, float *dst) {
    const struct weft_dtype_info *info = weft_dtype_info(dtype);
    double buffer[CHUNK];
    const uint8_t *p = src;
    for (int64_t done = 0; info && done < n;) {
        int64_t part = n - done < CHUNK ? n - done : CHUNK;
        info->decode(p, part, buffer);
        for (int64_t i = 0; i < part; i++) dst[done + i] = (float)buffer[i];
        done += part;
        p += part / info->block * info->block_bytes;
    }
}
