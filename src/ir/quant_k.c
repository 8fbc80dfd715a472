// The block formats of 256 weights, byte by byte. All are little-endian; d and m are f16, and the product of scale,
// sub-scale and quant is exact in a double (at most 50 bits), so decoding loses nothing.
//
//   q2_k    84 bytes, 16 groups of 16: 16 bytes of a scale (low nibble) and a minimum (high), 64 of bit pairs, d, m.
//           w = d scale q - m min.
//   q3_k   110 bytes, 16 groups of 16: 32 bytes of third bits, 64 of bit pairs, 12 of 6-bit scales, d.
//           w = d (scale - 32) (q - 4). Bit j of third byte i is that of weight 32 j + i.
//   q4_k   144 bytes, 8 sub-blocks of 32: d, m, 12 bytes of 6-bit scales and minima, 128 of nibbles.
//           w = d scale q - m min. Bytes 32p..32p+31 hold sub-block 2p in their low nibbles and 2p+1 in the high ones.
//   q5_k   176 bytes: d, m, 12 bytes as in q4_k, 32 of fifth bits (as the third ones of q3_k), 128 of nibbles.
//   q6_k   210 bytes, 16 groups of 16: 128 bytes of low nibbles, 64 of upper bit pairs, 16 i8 scales, d.
//           w = d scale (q - 32). Each half of 128 weights has 32 columns; a column is four weights, 32 apart, and so
//           it is in bit pairs of q2_k and q3_k.
//   iq4_xs 136 bytes, 8 sub-blocks of 32: d, 8 upper bit pairs and 8 low nibbles of 6-bit scales, 128 bytes of nibbles
//   as
//           in q4_0. w = d (scale - 32) table[q].
#include "ir/quant.h"
#include "ir/quant_impl.h"
#include <string.h>

// ---- with minima: q2_k, q4_k, q5_k

// Byte and shift of the bit pair of weight i.
static int pair_byte(int i) { return i / 128 * 32 + i % 32; }
static int pair_shift(int i) { return i % 128 / 32 * 2; }

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

struct affine {
    int groups, most, most_scale; // groups of a super-block; the largest quant and sub-scale
};

// Scales and minima of a super-block, and its quants for what a reader will see of them.
static void encode_affine(const struct affine *f, const double *x, uint8_t *d_at, uint8_t *m_at, int *scale, int *min,
                          uint8_t *q) {
    double step[16], low[16], most_step = 0, most_low = 0;
    int size = 256 / f->groups;
    for (int j = 0; j < f->groups; j++) {
        double least = 0, most = 0; // zero is always in range: a minimum is never negative
        for (int i = size * j; i < size * j + size; i++) {
            least = fmin(least, x[i]);
            most = fmax(most, x[i]);
        }
        step[j] = (most - least) / f->most;
        low[j] = -least;
        most_step = fmax(most_step, step[j]);
        most_low = fmax(most_low, low[j]);
    }
    double d = weft_quant_store(d_at, most_step / f->most_scale), m = weft_quant_store(m_at, most_low / f->most_scale);
    for (int j = 0; j < f->groups; j++) {
        scale[j] = (int)weft_quant_round(weft_quant_ratio(step[j], d), 0, f->most_scale);
        min[j] = (int)weft_quant_round(weft_quant_ratio(low[j], m), 0, f->most_scale);
    }
    for (int i = 0; i < 256; i++) {
        int j = i / size;
        q[i] = (uint8_t)weft_quant_round(weft_quant_ratio(x[i] + m * min[j], d * scale[j]), 0, f->most);
    }
}

void weft_quant_decode_q2_k(const void *src, int64_t n, double *dst) {
    for (const uint8_t *p = src; n > 0; n -= 256, p += 84, dst += 256) {
        double d = weft_quant_load(p + 80), m = weft_quant_load(p + 82);
        for (int i = 0; i < 256; i++) {
            int q = p[16 + pair_byte(i)] >> pair_shift(i) & 3;
            dst[i] = d * (p[i / 16] & 15) * q - m * (p[i / 16] >> 4);
        }
    }
}

void weft_quant_encode_q2_k(const double *src, int64_t n, void *dst) {
    static const struct affine form = {16, 3, 15};
    for (uint8_t *p = dst; n > 0; n -= 256, p += 84, src += 256) {
        int scale[16], min[16];
        uint8_t q[256];
        memset(p, 0, 84);
        encode_affine(&form, src, p + 80, p + 82, scale, min, q);
        for (int j = 0; j < 16; j++) p[j] = (uint8_t)(scale[j] | min[j] << 4);
        for (int i = 0; i < 256; i++) p[16 + pair_byte(i)] |= (uint8_t)(q[i] << pair_shift(i));
    }
}

// q4_k and q5_k, which has 32 bytes of fifth bits in front of the nibbles.
static void decode_k(bool fifth, const void *src, int64_t n, double *dst) {
    for (const uint8_t *p = src; n > 0; n -= 256, p += fifth ? 176 : 144, dst += 256) {
        double d = weft_quant_load(p), m = weft_quant_load(p + 2);
        const uint8_t *nibbles = p + (fifth ? 48 : 16);
        int scale[8], min[8];
        load_scales(p + 4, scale, min);
        for (int i = 0; i < 256; i++) {
            int j = i / 32, byte = nibbles[j / 2 * 32 + i % 32];
            int q = j % 2 ? byte >> 4 : byte & 15;
            if (fifth) q |= (p[16 + i % 32] >> j & 1) << 4;
            dst[i] = d * scale[j] * q - m * min[j];
        }
    }
}

static void encode_k(bool fifth, const double *src, int64_t n, void *dst) {
    const struct affine form = {8, fifth ? 31 : 15, 63};
    for (uint8_t *p = dst; n > 0; n -= 256, p += fifth ? 176 : 144, src += 256) {
        uint8_t q[256], *nibbles = p + (fifth ? 48 : 16);
        int scale[8], min[8];
        memset(p, 0, fifth ? 176 : 144);
        encode_affine(&form, src, p, p + 2, scale, min, q);
        store_scales(p + 4, scale, min);
        for (int i = 0; i < 256; i++) {
            int j = i / 32;
            nibbles[j / 2 * 32 + i % 32] |= (uint8_t)((q[i] & 15) << (j % 2 ? 4 : 0));
            if (fifth) p[16 + i % 32] |= (uint8_t)(q[i] >> 4 << j);
        }
    }
}

void weft_quant_decode_q4_k(const void *src, int64_t n, double *dst) { decode_k(false, src, n, dst); }
void weft_quant_encode_q4_k(const double *src, int64_t n, void *dst) { encode_k(false, src, n, dst); }
void weft_quant_decode_q5_k(const void *src, int64_t n, double *dst) { decode_k(true, src, n, dst); }
void weft_quant_encode_q5_k(const double *src, int64_t n, void *dst) { encode_k(true, src, n, dst); }

// ---- with signed sub-scales: q3_k, q6_k, iq4_xs

// Signed sub-scales: the largest step, of either sign, is `least` times what goes to d.
static double encode_steps(const double *step, int n, int least, uint8_t *d_at, int *scale) {
    double d = weft_quant_store(d_at, weft_quant_scale_for(step, n, least));
    for (int j = 0; j < n; j++) scale[j] = (int)weft_quant_round(weft_quant_ratio(step[j], d), least, -least - 1);
    return d;
}

// The 12 bytes hold sixteen 6-bit scales: the low four bits of 0-7 and 8-15 share bytes 0-7; byte 8 + k has the upper
// two of k, k + 4, k + 8 and k + 12.
static int q3_scale(const uint8_t *s, int j) {
    return ((s[j % 8] >> (j < 8 ? 0 : 4) & 15) | (s[8 + j % 4] >> j / 4 * 2 & 3) << 4) - 32;
}

void weft_quant_decode_q3_k(const void *src, int64_t n, double *dst) {
    for (const uint8_t *p = src; n > 0; n -= 256, p += 110, dst += 256) {
        double d = weft_quant_load(p + 108);
        for (int i = 0; i < 256; i++) {
            int q = (p[32 + pair_byte(i)] >> pair_shift(i) & 3) | (p[i % 32] >> i / 32 & 1) << 2;
            dst[i] = d * q3_scale(p + 96, i / 16) * (q - 4);
        }
    }
}

void weft_quant_encode_q3_k(const double *src, int64_t n, void *dst) {
    for (uint8_t *p = dst; n > 0; n -= 256, p += 110, src += 256) {
        double step[16];
        int scale[16];
        memset(p, 0, 110);
        for (int j = 0; j < 16; j++) step[j] = weft_quant_scale_for(src + 16 * j, 16, -4);
        double d = encode_steps(step, 16, -32, p + 108, scale);
        for (int j = 0; j < 16; j++) {
            p[96 + j % 8] |= (uint8_t)((scale[j] + 32) % 16 << (j < 8 ? 0 : 4));
            p[104 + j % 4] |= (uint8_t)((scale[j] + 32) / 16 << j / 4 * 2);
        }
        for (int i = 0; i < 256; i++) {
            int q = (int)weft_quant_round(weft_quant_ratio(src[i], d * scale[i / 16]), -4, 3) + 4;
            p[32 + pair_byte(i)] |= (uint8_t)((q & 3) << pair_shift(i));
            p[i % 32] |= (uint8_t)((q >> 2) << i / 32);
        }
    }
}

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
        double d = weft_quant_load(p + 208);
        for (int i = 0; i < 256; i++) {
            struct q6_place at = q6_place(i);
            int q = (p[at.low] >> at.low_shift & 15) | (p[at.high] >> at.high_shift & 3) << 4;
            dst[i] = d * (int8_t)p[192 + i / 16] * (q - 32);
        }
    }
}

void weft_quant_encode_q6_k(const double *src, int64_t n, void *dst) {
    for (uint8_t *p = dst; n > 0; n -= 256, p += 210, src += 256) {
        double step[16];
        int scale[16];
        memset(p, 0, 210);
        for (int j = 0; j < 16; j++) step[j] = weft_quant_scale_for(src + 16 * j, 16, -32);
        double d = encode_steps(step, 16, -128, p + 208, scale);
        for (int i = 0; i < 256; i++) {
            struct q6_place at = q6_place(i);
            int q = (int)weft_quant_round(weft_quant_ratio(src[i], d * scale[i / 16]), -32, 31) + 32;
            p[192 + i / 16] = (uint8_t)scale[i / 16];
            p[at.low] |= (uint8_t)((q & 15) << at.low_shift);
            p[at.high] |= (uint8_t)((q >> 4) << at.high_shift);
        }
    }
}

void weft_quant_decode_iq4_xs(const void *src, int64_t n, double *dst) {
    for (const uint8_t *p = src; n > 0; n -= 256, p += 136, dst += 256) {
        double d = weft_quant_load(p);
        for (int i = 0; i < 256; i++) {
            int j = i / 32, byte = p[8 + 16 * j + i % 16];
            int scale = ((p[4 + j / 2] >> j % 2 * 4 & 15) | (p[2 + j / 4] >> j % 4 * 2 & 3) << 4) - 32;
            dst[i] = d * scale * weft_quant_iq4[i % 32 < 16 ? byte & 15 : byte >> 4];
        }
    }
}

void weft_quant_encode_iq4_xs(const double *src, int64_t n, void *dst) {
    for (uint8_t *p = dst; n > 0; n -= 256, p += 136, src += 256) {
        double step[8];
        int scale[8];
        memset(p, 0, 136);
        for (int j = 0; j < 8; j++) step[j] = weft_quant_scale_for(src + 32 * j, 32, -127);
        double d = encode_steps(step, 8, -32, p, scale);
        for (int j = 0; j < 8; j++) {
            p[4 + j / 2] |= (uint8_t)((scale[j] + 32) % 16 << j % 2 * 4);
            p[2 + j / 4] |= (uint8_t)((scale[j] + 32) / 16 << j % 4 * 2);
        }
        for (int i = 0; i < 256; i++) {
            int q = weft_quant_nearest(weft_quant_iq4, weft_quant_ratio(src[i], d * scale[i / 32]));
            p[8 + i / 32 * 16 + i % 16] |= (uint8_t)(q << (i % 32 < 16 ? 0 : 4));
        }
    }
}
