// The block formats, byte by byte. All are little-endian; a block's scales are f16, and the product of scale, sub-scale
// and quant is exact in a double (at most 50 bits), so decoding loses nothing.
//
//   q4_0   18 bytes, 32 weights: d, 16 bytes b. w = d (q - 8). Low nibbles are weights 0-15, high ones 16-31.
//   q5_0   22 bytes, 32 weights: d, 32 bits h, 16 bytes b. w = d (q - 16). Nibbles as above; bit i of h is the fifth
//          bit of weight i.
//   q8_0   34 bytes, 32 weights: d, 32 i8. w = d q.
//   q4_k  144 bytes, 256 weights in 8 sub-blocks of 32: d, m, 12 bytes of 6-bit scales and minima, 128 of nibbles.
//          w = d scale q - m min. Bytes 32p..32p+31 hold sub-block 2p in their low nibbles and 2p+1 in the high ones.
//   q6_k  210 bytes, 256 weights in 16 groups of 16: 128 bytes of low nibbles, 64 of upper bit pairs, 16 i8 scales, d.
//          w = d scale (q - 32). Each half of 128 weights has 32 columns; a column is four weights, 32 apart.
#include "ir/quant.h"
#include "core/half.h"
#include <math.h>
#include <string.h>

static double load_f16(const uint8_t *p) { return weft_f16_to_f32((uint16_t)(p[0] | p[1] << 8)); }

static double store_f16(uint8_t *p, double x) {
    uint16_t h = weft_quant_f16(x);
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
    return weft_f16_to_f32(h); // what a reader will see: quants are chosen for it
}

int64_t weft_quant_round(double x, int64_t lo, int64_t hi) {
    if (!(x > (double)lo)) return lo;
    if (x >= (double)hi) return hi;
    return (int64_t)nearbyint(x);
}

// A float on the way to fewer bits: where the double lies between two floats, the one with an odd last bit, so that the
// second rounding sees on which side of a tie the value was.
static float round_to_odd(double x) {
    float f = (float)x;
    if (isnan(f) || isinf(f) || (double)f == x) return f;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (bits & 1) return f;
    return nextafterf(f, x > (double)f ? INFINITY : -INFINITY);
}

uint16_t weft_quant_f16(double x) { return weft_f32_to_f16(round_to_odd(x)); }

uint16_t weft_quant_bf16(double x) { return weft_f32_to_bf16(round_to_odd(x)); }

// Scale that maps the value of largest magnitude to quant `q` (a negative number, so that the wider side is used).
static double scale_for(const double *x, int n, double q) {
    double most = 0;
    for (int i = 0; i < n; i++)
        if (fabs(x[i]) > fabs(most)) most = x[i];
    return most / q;
}

static double ratio(double x, double d) { return d != 0 ? x / d : 0; }

// ---- q4_0

void weft_quant_decode_q4_0(const void *src, int64_t n, double *dst) {
    for (const uint8_t *p = src; n > 0; n -= 32, p += 18, dst += 32) {
        double d = load_f16(p);
        for (int i = 0; i < 16; i++) {
            dst[i] = d * ((p[2 + i] & 15) - 8);
            dst[16 + i] = d * ((p[2 + i] >> 4) - 8);
        }
    }
}

void weft_quant_encode_q4_0(const double *src, int64_t n, void *dst) {
    for (uint8_t *p = dst; n > 0; n -= 32, p += 18, src += 32) {
        double d = store_f16(p, scale_for(src, 32, -8));
        for (int i = 0; i < 16; i++) {
            int64_t lo = weft_quant_round(ratio(src[i], d), -8, 7) + 8;
            int64_t hi = weft_quant_round(ratio(src[16 + i], d), -8, 7) + 8;
            p[2 + i] = (uint8_t)(lo | hi << 4);
        }
    }
}

// ---- q5_0

void weft_quant_decode_q5_0(const void *src, int64_t n, double *dst) {
    for (const uint8_t *p = src; n > 0; n -= 32, p += 22, dst += 32) {
        double d = load_f16(p);
        for (int i = 0; i < 32; i++) {
            int nibble = i < 16 ? p[6 + i] & 15 : p[6 + i - 16] >> 4;
            int fifth = p[2 + i / 8] >> i % 8 & 1;
            dst[i] = d * ((nibble | fifth << 4) - 16);
        }
    }
}

void weft_quant_encode_q5_0(const double *src, int64_t n, void *dst) {
    for (uint8_t *p = dst; n > 0; n -= 32, p += 22, src += 32) {
        memset(p, 0, 22);
        double d = store_f16(p, scale_for(src, 32, -16));
        for (int i = 0; i < 32; i++) {
            int q = (int)weft_quant_round(ratio(src[i], d), -16, 15) + 16;
            p[6 + i % 16] |= (uint8_t)((q & 15) << (i < 16 ? 0 : 4));
            p[2 + i / 8] |= (uint8_t)((q >> 4) << i % 8);
        }
    }
}

// ---- q8_0

void weft_quant_decode_q8_0(const void *src, int64_t n, double *dst) {
    for (const uint8_t *p = src; n > 0; n -= 32, p += 34, dst += 32) {
        double d = load_f16(p);
        for (int i = 0; i < 32; i++) dst[i] = d * (int8_t)p[2 + i];
    }
}

void weft_quant_encode_q8_0(const double *src, int64_t n, void *dst) {
    for (uint8_t *p = dst; n > 0; n -= 32, p += 34, src += 32) {
        double d = store_f16(p, fabs(scale_for(src, 32, 127)));
        for (int i = 0; i < 32; i++) p[2 + i] = (uint8_t)weft_quant_round(ratio(src[i], d), -127, 127);
    }
}

// ---- q4_k

// The 12 bytes hold eight 6-bit scales and eight 6-bit minima: those of sub-blocks 0-3 in the low bits of bytes 0-3 and
// 4-7; of sub-blocks 4-7 the low four bits share bytes 8-11, the upper two sit on top of bytes 0-3 and 4-7.
static void load_scales(const uint8_t *s, int *scale, int *min) {
    for (int j = 0; j < 4; j++) {
        scale[j] = s[j] & 63;
        min[j] = s[j + 4] & 63;
        scale[j + 4] = (s[j + 8] & 15) | (s[j] >> 6) << 4;
        min[j + 4] = s[j + 8] >> 4 | (s[j + 4] >> 6) << 4;
    }
}

static void store_scales(uint8_t *s, const int *scale, const int *min) {
    for (int j = 0; j < 4; j++) {
        s[j] = (uint8_t)(scale[j] | (scale[j + 4] >> 4) << 6);
        s[j + 4] = (uint8_t)(min[j] | (min[j + 4] >> 4) << 6);
        s[j + 8] = (uint8_t)((scale[j + 4] & 15) | (min[j + 4] & 15) << 4);
    }
}

void weft_quant_decode_q4_k(const void *src, int64_t n, double *dst) {
    for (const uint8_t *p = src; n > 0; n -= 256, p += 144, dst += 256) {
        double d = load_f16(p), m = load_f16(p + 2);
        int scale[8], min[8];
        load_scales(p + 4, scale, min);
        for (int i = 0; i < 256; i++) {
            int j = i / 32, byte = p[16 + j / 2 * 32 + i % 32];
            int q = j % 2 ? byte >> 4 : byte & 15;
            dst[i] = d * scale[j] * q - m * min[j];
        }
    }
}

void weft_quant_encode_q4_k(const double *src, int64_t n, void *dst) {
    for (uint8_t *p = dst; n > 0; n -= 256, p += 144, src += 256) {
        double step[8], low[8], most_step = 0, most_low = 0;
        for (int j = 0; j < 8; j++) {
            double least = 0, most = 0; // zero is always in range: a minimum is never negative
            for (int i = 32 * j; i < 32 * j + 32; i++) {
                least = fmin(least, src[i]);
                most = fmax(most, src[i]);
            }
            step[j] = (most - least) / 15;
            low[j] = -least;
            most_step = fmax(most_step, step[j]);
            most_low = fmax(most_low, low[j]);
        }
        memset(p, 0, 144);
        double d = store_f16(p, most_step / 63), m = store_f16(p + 2, most_low / 63);
        int scale[8], min[8];
        for (int j = 0; j < 8; j++) {
            scale[j] = (int)weft_quant_round(ratio(step[j], d), 0, 63);
            min[j] = (int)weft_quant_round(ratio(low[j], m), 0, 63);
        }
        store_scales(p + 4, scale, min);
        for (int i = 0; i < 256; i++) {
            int j = i / 32;
            int64_t q = weft_quant_round(ratio(src[i] + m * min[j], d * scale[j]), 0, 15);
            p[16 + j / 2 * 32 + i % 32] |= (uint8_t)(q << (j % 2 ? 4 : 0));
        }
    }
}

// ---- q6_k

// Where weight i sits: byte and shift of its low nibble and of its upper two bits.
struct q6_place {
    int low, low_shift, high, high_shift;
};

static struct q6_place q6_place(int i) {
    int half = i / 128, quarter = i % 128 / 32, column = i % 32;
    return (struct q6_place){
        .low = 64 * half + column + (quarter % 2 ? 32 : 0),
        .low_shift = quarter / 2 * 4,
        .high = 128 + 32 * half + column,
        .high_shift = quarter * 2,
    };
}

void weft_quant_decode_q6_k(const void *src, int64_t n, double *dst) {
    for (const uint8_t *p = src; n > 0; n -= 256, p += 210, dst += 256) {
        double d = load_f16(p + 208);
        for (int i = 0; i < 256; i++) {
            struct q6_place at = q6_place(i);
            int q = (p[at.low] >> at.low_shift & 15) | (p[at.high] >> at.high_shift & 3) << 4;
            dst[i] = d * (int8_t)p[192 + i / 16] * (q - 32);
        }
    }
}

void weft_quant_encode_q6_k(const double *src, int64_t n, void *dst) {
    for (uint8_t *p = dst; n > 0; n -= 256, p += 210, src += 256) {
        double step[16], most = 0;
        for (int j = 0; j < 16; j++) {
            step[j] = scale_for(src + 16 * j, 16, -32);
            if (fabs(step[j]) > fabs(most)) most = step[j];
        }
        memset(p, 0, 210);
        double d = store_f16(p + 208, most / -128);
        for (int j = 0; j < 16; j++) {
            int scale = (int)weft_quant_round(ratio(step[j], d), -128, 127);
            p[192 + j] = (uint8_t)scale;
            for (int i = 16 * j; i < 16 * j + 16; i++) {
                struct q6_place at = q6_place(i);
                int q = (int)weft_quant_round(ratio(src[i], d * scale), -32, 31) + 32;
                p[at.low] |= (uint8_t)((q & 15) << at.low_shift);
                p[at.high] |= (uint8_t)((q >> 4) << at.high_shift);
            }
        }
    }
}
