// The block formats of 32 weights, byte by byte. All are little-endian; scales are f16 but for mxfp4, and the product
// of scale and quant is exact in a double, so decoding loses nothing.
//
//   q4_0   18 bytes: d, 16 bytes b. w = d (q - 8). Low nibbles are weights 0-15, high ones 16-31.
//   q4_1   20 bytes: d, m, 16 bytes b. w = d q + m.
//   q5_0   22 bytes: d, 32 bits h, 16 bytes b. w = d (q - 16). Bit i of h is the fifth bit of weight i.
//   q5_1   24 bytes: d, m, 32 bits h, 16 bytes b. w = d q + m.
//   q8_0   34 bytes: d, 32 i8. w = d q.
//   iq4_nl 18 bytes: as q4_0, and w = d table[q].
//   mxfp4  17 bytes: an exponent e, 16 bytes b. w = 2^(e - 127) times the number of sign, two bits of exponent and one
//   of
//          fraction that the nibble is; the table has twice that. e = 255 is not a number, and neither are the weights.
#include "ir/quant.h"
#include "ir/quant_impl.h"
#include <string.h>

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

double weft_quant_scale_for(const double *x, int n, double q) {
    double most = 0;
    for (int i = 0; i < n; i++)
        if (fabs(x[i]) > fabs(most)) most = x[i];
    return most / q;
}

// ---- nibbles, with or without a fifth bit and a minimum

struct nibbles {
    int bytes, fifth, first; // of a block; offsets of the fifth bits (0: there are none) and of the nibbles
    bool has_min;
    int zero;
};
static const struct nibbles nibbles_q4_0 = {18, 0, 2, false, 8}, nibbles_q4_1 = {20, 0, 4, true, 0},
                            nibbles_q5_0 = {22, 2, 6, false, 16}, nibbles_q5_1 = {24, 4, 8, true, 0};

static int nibble_at(const uint8_t *p, int i) { return i < 16 ? p[i] & 15 : p[i - 16] >> 4; }

static void decode_nibbles(const struct nibbles *f, const void *src, int64_t n, double *dst) {
    for (const uint8_t *p = src; n > 0; n -= 32, p += f->bytes, dst += 32) {
        double d = weft_quant_load(p), m = f->has_min ? weft_quant_load(p + 2) : 0;
        for (int i = 0; i < 32; i++) {
            int q = nibble_at(p + f->first, i);
            if (f->fifth) q |= (p[f->fifth + i / 8] >> i % 8 & 1) << 4;
            dst[i] = f->has_min ? d * q + m : d * (q - f->zero);
        }
    }
}

static void encode_nibbles(const struct nibbles *f, const double *src, int64_t n, void *dst) {
    int most = f->fifth ? 31 : 15;
    for (uint8_t *p = dst; n > 0; n -= 32, p += f->bytes, src += 32) {
        double d, m = 0, low = src[0], high = src[0];
        memset(p, 0, (size_t)f->bytes);
        for (int i = 1; i < 32; i++) {
            low = fmin(low, src[i]);
            high = fmax(high, src[i]);
        }
        if (f->has_min) m = weft_quant_store(p + 2, low);
        d = weft_quant_store(p, f->has_min ? (high - m) / most : weft_quant_scale_for(src, 32, -f->zero));
        for (int i = 0; i < 32; i++) {
            int q = (int)weft_quant_round(weft_quant_ratio(src[i] - m, d), -f->zero, most - f->zero) + f->zero;
            p[f->first + i % 16] |= (uint8_t)((q & 15) << (i < 16 ? 0 : 4));
            if (f->fifth) p[f->fifth + i / 8] |= (uint8_t)((q >> 4) << i % 8);
        }
    }
}

#define NIBBLES(name)                                                                                                  \
    void weft_quant_decode_##name(const void *src, int64_t n, double *dst) {                                           \
        decode_nibbles(&nibbles_##name, src, n, dst);                                                                  \
    }                                                                                                                  \
    void weft_quant_encode_##name(const double *src, int64_t n, void *dst) {                                           \
        encode_nibbles(&nibbles_##name, src, n, dst);                                                                  \
    }
NIBBLES(q4_0)
NIBBLES(q4_1)
NIBBLES(q5_0)
NIBBLES(q5_1)

// ---- q8_0

void weft_quant_decode_q8_0(const void *src, int64_t n, double *dst) {
    for (const uint8_t *p = src; n > 0; n -= 32, p += 34, dst += 32) {
        double d = weft_quant_load(p);
        for (int i = 0; i < 32; i++) dst[i] = d * (int8_t)p[2 + i];
    }
}

void weft_quant_encode_q8_0(const double *src, int64_t n, void *dst) {
    for (uint8_t *p = dst; n > 0; n -= 32, p += 34, src += 32) {
        double d = weft_quant_store(p, fabs(weft_quant_scale_for(src, 32, 127)));
        for (int i = 0; i < 32; i++) p[2 + i] = (uint8_t)weft_quant_round(weft_quant_ratio(src[i], d), -127, 127);
    }
}

// ---- nibbles that are places of a table

const int8_t weft_quant_iq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
const int8_t weft_quant_e2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

int weft_quant_nearest(const int8_t table[16], double x) {
    int best = 0;
    for (int i = 1; i < 16; i++)
        if (fabs(table[i] - x) < fabs(table[best] - x)) best = i;
    return best;
}

void weft_quant_decode_iq4_nl(const void *src, int64_t n, double *dst) {
    for (const uint8_t *p = src; n > 0; n -= 32, p += 18, dst += 32) {
        double d = weft_quant_load(p);
        for (int i = 0; i < 32; i++) dst[i] = d * weft_quant_iq4[nibble_at(p + 2, i)];
    }
}

static void encode_places(const int8_t table[16], const double *src, double d, uint8_t *p) {
    memset(p, 0, 16);
    for (int i = 0; i < 32; i++)
        p[i % 16] |= (uint8_t)(weft_quant_nearest(table, weft_quant_ratio(src[i], d)) << (i < 16 ? 0 : 4));
}

void weft_quant_encode_iq4_nl(const double *src, int64_t n, void *dst) {
    for (uint8_t *p = dst; n > 0; n -= 32, p += 18, src += 32)
        encode_places(weft_quant_iq4, src, weft_quant_store(p, weft_quant_scale_for(src, 32, -127)), p + 2);
}

double weft_quant_e8m0(uint8_t e) { return e == 255 ? NAN : ldexp(1, e - 127); }

void weft_quant_decode_mxfp4(const void *src, int64_t n, double *dst) {
    for (const uint8_t *p = src; n > 0; n -= 32, p += 17, dst += 32) {
        double d = weft_quant_e8m0(p[0]) / 2;
        for (int i = 0; i < 32; i++) dst[i] = d * weft_quant_e2m1[nibble_at(p + 1, i)];
    }
}

// The least exponent at which the largest weight is no more than 6.
void weft_quant_encode_mxfp4(const double *src, int64_t n, void *dst) {
    for (uint8_t *p = dst; n > 0; n -= 32, p += 17, src += 32) {
        double most = fabs(weft_quant_scale_for(src, 32, 1));
        int e = 0;
        while (e < 254 && most > 6 * weft_quant_e8m0((uint8_t)e)) e++;
        p[0] = isinf(most) ? 255 : (uint8_t)e;
        encode_places(weft_quant_e2m1, src, weft_quant_e8m0((uint8_t)e) / 2, p + 1);
    }
}
