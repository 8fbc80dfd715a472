// The table of element types. To add one: a value in weft_dtype, a row here, its two functions, a case in the tests.
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

// ---- into floats: a block at a time through the doubles, so that there is one decoder a type

#define CHUNK 256 // a multiple of every block

static void narrow(void (*decode)(const void *, int64_t, double *), uint32_t block, uint32_t block_bytes,
                   const void *src, int64_t n, float *dst) {
    double buffer[CHUNK];
    const uint8_t *p = src;
    for (int64_t done = 0; done < n;) {
        int64_t part = n - done < CHUNK ? n - done : CHUNK;
        decode(p, part, buffer);
        for (int64_t i = 0; i < part; i++) dst[done + i] = (float)buffer[i];
        done += part;
        p += part / block * block_bytes;
    }
}

#define NARROW(type, decode, block, bytes)                                                                             \
    static void type##_to_floats(const void *src, int64_t n, float *dst) { narrow(decode, block, bytes, src, n, dst); }
NARROW(f32, decode_f32, 1, 4)
NARROW(f16, decode_f16, 1, 2)
NARROW(bf16, decode_bf16, 1, 2)
NARROW(i32, decode_i32, 1, 4)
NARROW(u32, decode_u32, 1, 4)
NARROW(i8, decode_i8, 1, 1)
NARROW(u8, decode_u8, 1, 1)
NARROW(bool, decode_bool, 1, 4)
NARROW(q4_0, weft_quant_decode_q4_0, 32, 18)
NARROW(q5_0, weft_quant_decode_q5_0, 32, 22)
NARROW(q8_0, weft_quant_decode_q8_0, 32, 34)
NARROW(q4_k, weft_quant_decode_q4_k, 256, 144)
NARROW(q6_k, weft_quant_decode_q6_k, 256, 210)

static const struct weft_dtype_info table[WEFT_DTYPE_COUNT] = {
    //             name  block bytes quantised float
    [WEFT_F32] = {"f32", 1, 4, false, true, decode_f32, f32_to_floats},
    [WEFT_F16] = {"f16", 1, 2, false, true, decode_f16, f16_to_floats},
    [WEFT_BF16] = {"bf16", 1, 2, false, true, decode_bf16, bf16_to_floats},
    [WEFT_I32] = {"i32", 1, 4, false, false, decode_i32, i32_to_floats},
    [WEFT_U32] = {"u32", 1, 4, false, false, decode_u32, u32_to_floats},
    [WEFT_I8] = {"i8", 1, 1, false, false, decode_i8, i8_to_floats},
    [WEFT_U8] = {"u8", 1, 1, false, false, decode_u8, u8_to_floats},
    [WEFT_BOOL] = {"bool", 1, 4, false, false, decode_bool, bool_to_floats},
    [WEFT_Q4_0] = {"q4_0", 32, 18, true, true, weft_quant_decode_q4_0, q4_0_to_floats},
    [WEFT_Q5_0] = {"q5_0", 32, 22, true, true, weft_quant_decode_q5_0, q5_0_to_floats},
    [WEFT_Q8_0] = {"q8_0", 32, 34, true, true, weft_quant_decode_q8_0, q8_0_to_floats},
    [WEFT_Q4_K] = {"q4_k", 256, 144, true, true, weft_quant_decode_q4_k, q4_k_to_floats},
    [WEFT_Q6_K] = {"q6_k", 256, 210, true, true, weft_quant_decode_q6_k, q6_k_to_floats},
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

static void encode_f32(const double *src, int64_t n, void *dst) {
    for (int64_t i = 0; i < n; i++) {
        float f = (float)src[i];
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        store(dst, i, 4, bits);
    }
}

// Integers saturate.
static void encode_integers(const double *src, int64_t n, int bytes, int64_t lo, int64_t hi, void *dst) {
    for (int64_t i = 0; i < n; i++) store(dst, i, bytes, (uint32_t)weft_quant_round(src[i], lo, hi));
}

void weft_dtype_encode(weft_dtype dtype, const double *src, int64_t n, void *dst) {
    switch (dtype) {
    case WEFT_F32: encode_f32(src, n, dst); break;
    case WEFT_F16:
        for (int64_t i = 0; i < n; i++) store(dst, i, 2, weft_quant_f16(src[i]));
        break;
    case WEFT_BF16:
        for (int64_t i = 0; i < n; i++) store(dst, i, 2, weft_quant_bf16(src[i]));
        break;
    case WEFT_I32: encode_integers(src, n, 4, INT32_MIN, INT32_MAX, dst); break;
    case WEFT_U32: encode_integers(src, n, 4, 0, UINT32_MAX, dst); break;
    case WEFT_I8: encode_integers(src, n, 1, INT8_MIN, INT8_MAX, dst); break;
    case WEFT_U8: encode_integers(src, n, 1, 0, UINT8_MAX, dst); break;
    case WEFT_BOOL:
        for (int64_t i = 0; i < n; i++) store(dst, i, 4, src[i] != 0);
        break;
    case WEFT_Q4_0: weft_quant_encode_q4_0(src, n, dst); break;
    case WEFT_Q5_0: weft_quant_encode_q5_0(src, n, dst); break;
    case WEFT_Q8_0: weft_quant_encode_q8_0(src, n, dst); break;
    case WEFT_Q4_K: weft_quant_encode_q4_k(src, n, dst); break;
    case WEFT_Q6_K: weft_quant_encode_q6_k(src, n, dst); break;
    case WEFT_DTYPE_COUNT: break;
    }
}
