/// Repacks weights from file layout into the planes of plan/wlayout.h, and reads them back one by one.
///
/// Four-bit types keep their nibbles where block types of 32 have them already (element i low, 16 + i high of byte i),
/// so these are copies; the K types interleave pairs of sub-blocks in the file and are taken apart here.
#include "plan/wlayout.h"

#include "core/half.h"
#include "ir/quant.h"

#include <string.h>

#define BLOCK 32       // elements a block of the device layout
#define SUPER 256      // elements a super-block of the K types
#define SUPER_BLOCKS 8 // blocks in it

// ---- repackers, one a file type, over all blocks of the range ----

static void pack_plain(const struct weft_wlayout *w, const uint8_t *src, uint64_t rows, uint64_t k, uint8_t *q) {
    uint64_t row = k * w->bits / 8, padded = (k + BLOCK - 1) / BLOCK * BLOCK * w->bits / 8;
    for (uint64_t r = 0; r < rows; r++, src += row, q += padded) {
        memcpy(q, src, row);
        memset(q + row, 0, padded - row);
    }
}

/// Bits b, b+4, .., b+28 of h as byte b: what a thread that holds word j of the nibbles wants to shift by j.
static uint32_t spread_high(uint32_t h) {
    uint32_t out = 0;
    for (int b = 0; b < 4; b++) {
        uint32_t x = h >> b & 0x11111111u;
        x = (x | x >> 3) & 0x03030303u;
        x = (x | x >> 6) & 0x000F000Fu;
        x = (x | x >> 12) & 0xFFu;
        out |= x << 8 * b;
    }
    return out;
}

/// Blocks of nibbles: `scale` bytes of scale, and of a minimum behind it, which is added where it is taken off here;
/// fifth bits, if there are any; nibbles.
static void pack_nibbles(uint32_t scale, bool fifth, const uint8_t *src, uint64_t blocks, uint8_t *const planes[]) {
    uint8_t *q = planes[WEFT_PLANE_Q], *h = planes[WEFT_PLANE_H], *s = planes[WEFT_PLANE_S];
    for (uint64_t b = 0; b < blocks; b++, q += 16, s += scale) {
        memcpy(s, src, scale);
        if (scale == 4) s[3] ^= 0x80;
        src += scale;
        if (fifth) {
            uint32_t high;
            memcpy(&high, src, 4);
            high = spread_high(high);
            memcpy(h, &high, 4);
            h += 4;
            src += 4;
        }
        memcpy(q, src, 16);
        src += 16;
    }
}

#define NIBBLES(name, scale, fifth)                                                                                    \
    static void pack_##name(const uint8_t *src, uint64_t blocks, uint8_t *const planes[]) {                            \
        pack_nibbles(scale, fifth, src, blocks, planes);                                                               \
    }
NIBBLES(q4_0, 2, false)
NIBBLES(q4_1, 4, false)
NIBBLES(q5_0, 2, true)
NIBBLES(q5_1, 4, true)
NIBBLES(mxfp4, 1, false)

static void pack_q8_0(const uint8_t *src, uint64_t blocks, uint8_t *const planes[]) {
    uint8_t *q = planes[WEFT_PLANE_Q], *s = planes[WEFT_PLANE_S];
    for (uint64_t b = 0; b < blocks; b++, src += 34, q += 32, s += 2) {
        memcpy(s, src, 2);
        memcpy(q, src + 2, 32);
    }
}

/// Scale and min of sub-block j out of the 12 packed bytes.
static void q4_k_scale(const uint8_t *s, int j, uint8_t *scale, uint8_t *min) {
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
    } else {
        *scale = (uint8_t)((s[j + 4] & 15) | (s[j - 4] >> 6) << 4);
        *min = (uint8_t)(s[j + 4] >> 4 | (s[j] >> 6) << 4);
    }
}

/// The bit at `shift` of 32 bytes, one an element, as the word of a block.
static void pack_high1(const uint8_t *from, int shift, uint8_t *h) {
    for (int b = 0; b < 4; b++) {
        h[b] = 0;
        for (int j = 0; j < 8; j++) h[b] |= (uint8_t)((from[4 * j + b] >> shift & 1) << j);
    }
}

/// The two bits at `shift` of 32 bytes, one an element, as the 8 bytes of a block.
static void pack_high2(const uint8_t *from, int shift, uint8_t *h) {
    for (int word = 0; word < 2; word++)
        for (int b = 0; b < 4; b++) {
            const uint8_t *x = from + 16 * word + b;
            h[4 * word + b] = (uint8_t)((x[0] >> shift & 3) | (x[4] >> shift & 3) << 2 | (x[8] >> shift & 3) << 4 |
                                        (x[12] >> shift & 3) << 6);
        }
}

/// Q4_K and Q5_K, which has 32 bytes of fifth bits in front of the nibbles.
static void pack_k(bool fifth, const uint8_t *src, uint64_t supers, uint8_t *const planes[]) {
    uint8_t *q = planes[WEFT_PLANE_Q], *h = planes[WEFT_PLANE_H], *s = planes[WEFT_PLANE_S], *d = planes[WEFT_PLANE_D];
    const uint32_t first = fifth ? 48 : 16;
    for (uint64_t b = 0; b < supers; b++, src += first + 128, q += 128, s += 16, d += 4) {
        memcpy(d, src, 4);
        for (int j = 0; j < SUPER_BLOCKS; j++) q4_k_scale(src + 4, j, &s[2 * j], &s[2 * j + 1]);
        for (int j = 0; j < SUPER_BLOCKS && fifth; j++, h += 4) pack_high1(src + 16, j, h);
        for (int p = 0; p < 4; p++) {
            const uint8_t *from = src + first + 32 * p;
            uint8_t *low = q + 32 * p, *high = low + 16;
            for (int i = 0; i < 16; i++) {
                low[i] = (uint8_t)((from[i] & 15) | from[16 + i] << 4);
                high[i] = (uint8_t)(from[i] >> 4 | (from[16 + i] & 0xF0));
            }
        }
    }
}

static void pack_q4_k(const uint8_t *src, uint64_t supers, uint8_t *const planes[]) {
    pack_k(false, src, supers, planes);
}

static void pack_q5_k(const uint8_t *src, uint64_t supers, uint8_t *const planes[]) {
    pack_k(true, src, supers, planes);
}

static void pack_q6_k(const uint8_t *src, uint64_t supers, uint8_t *const planes[]) {
    uint8_t *q = planes[WEFT_PLANE_Q], *h = planes[WEFT_PLANE_H], *s = planes[WEFT_PLANE_S], *d = planes[WEFT_PLANE_D];
    for (uint64_t b = 0; b < supers; b++, src += 210, q += 128, h += 64, s += 16, d += 4) {
        memcpy(s, src + 192, 16);
        memcpy(d, src + 208, 2);
        memset(d + 2, 0, 2);
        for (int block = 0; block < SUPER_BLOCKS; block++) {
            int half = block / 4, t = block % 4, shift = 4 * (t / 2);
            const uint8_t *low = src + 64 * half + 32 * (t % 2);
            for (int i = 0; i < 16; i++)
                q[16 * block + i] = (uint8_t)((low[i] >> shift & 15) | (low[16 + i] >> shift & 15) << 4);
            pack_high2(src + 128 + 32 * half, 2 * t, h + 8 * block);
        }
    }
}

/// The bit pairs of Q2_K and Q3_K, which lie as the upper ones of Q6_K do.
static void pack_pairs(const uint8_t *from, uint8_t *q) {
    for (int block = 0; block < SUPER_BLOCKS; block++)
        pack_high2(from + 32 * (block / 4), 2 * (block % 4), q + 8 * block);
}

static void pack_q2_k(const uint8_t *src, uint64_t supers, uint8_t *const planes[]) {
    uint8_t *q = planes[WEFT_PLANE_Q], *s = planes[WEFT_PLANE_S], *d = planes[WEFT_PLANE_D];
    for (uint64_t b = 0; b < supers; b++, src += 84, q += 64, s += 16, d += 4) {
        memcpy(s, src, 16);
        pack_pairs(src + 16, q);
        memcpy(d, src + 80, 4);
    }
}

static void pack_q3_k(const uint8_t *src, uint64_t supers, uint8_t *const planes[]) {
    uint8_t *q = planes[WEFT_PLANE_Q], *h = planes[WEFT_PLANE_H], *s = planes[WEFT_PLANE_S], *d = planes[WEFT_PLANE_D];
    for (uint64_t b = 0; b < supers; b++, src += 110, q += 64, s += 16, d += 4) {
        const uint8_t *scales = src + 96;
        for (int j = 0; j < SUPER_BLOCKS; j++, h += 4) pack_high1(src, j, h);
        pack_pairs(src + 32, q);
        for (int j = 0; j < 8; j++) {
            s[j] = (uint8_t)(((scales[j] & 15) | (scales[8 + j % 4] >> 2 * (j / 4) & 3) << 4) - 32);
            s[8 + j] = (uint8_t)((scales[j] >> 4 | (scales[8 + j % 4] >> (4 + 2 * (j / 4)) & 3) << 4) - 32);
        }
        memcpy(d, src + 108, 2);
        memset(d + 2, 0, 2);
    }
}

static void pack_iq4_xs(const uint8_t *src, uint64_t supers, uint8_t *const planes[]) {
    uint8_t *q = planes[WEFT_PLANE_Q], *s = planes[WEFT_PLANE_S], *d = planes[WEFT_PLANE_D];
    for (uint64_t b = 0; b < supers; b++, src += 136, q += 128, s += 8, d += 4) {
        uint32_t high = src[2] | (uint32_t)src[3] << 8;
        for (int j = 0; j < SUPER_BLOCKS; j++, high >>= 2)
            s[j] = (uint8_t)(((src[4 + j / 2] >> 4 * (j % 2) & 15) | (high & 3) << 4) - 32);
        memcpy(q, src + 8, 128);
        memcpy(d, src, 2);
        memset(d + 2, 0, 2);
    }
}

// ---- the table ----

#define AFFINE_32(t, f, ...)                                                                                           \
    { .dtype = t, .group = 32, .scale = WEFT_WSCALE_F16, .pack = f, __VA_ARGS__ }
#define SUPER_16(t, f, ...)                                                                                            \
    { .dtype = t, .group = 16, .pack = f, __VA_ARGS__ }
#define SUPER_32(t, f, ...)                                                                                            \
    { .dtype = t, .group = 32, .pack = f, __VA_ARGS__ }

static const struct weft_wlayout layouts[] = {
    {.dtype = WEFT_F32, .bits = 32},
    {.dtype = WEFT_F16, .bits = 16},
    {.dtype = WEFT_BF16, .bits = 16},
    AFFINE_32(WEFT_Q4_0, pack_q4_0, .bits = 4, .zero = 8),
    AFFINE_32(WEFT_Q4_1, pack_q4_1, .bits = 4, .has_min = true),
    AFFINE_32(WEFT_Q5_0, pack_q5_0, .bits = 4, .high = 1, .zero = 16),
    AFFINE_32(WEFT_Q5_1, pack_q5_1, .bits = 4, .high = 1, .has_min = true),
    AFFINE_32(WEFT_Q8_0, pack_q8_0, .bits = 8),
    SUPER_16(WEFT_Q2_K, pack_q2_k, .bits = 2, .has_min = true, .scale = WEFT_WSCALE_K4),
    SUPER_16(WEFT_Q3_K, pack_q3_k, .bits = 2, .high = 1, .zero = 4, .scale = WEFT_WSCALE_I8),
    SUPER_32(WEFT_Q4_K, pack_q4_k, .bits = 4, .has_min = true, .scale = WEFT_WSCALE_K),
    SUPER_32(WEFT_Q5_K, pack_q5_k, .bits = 4, .high = 1, .has_min = true, .scale = WEFT_WSCALE_K),
    SUPER_16(WEFT_Q6_K, pack_q6_k, .bits = 4, .high = 2, .zero = 32, .scale = WEFT_WSCALE_I8),
    AFFINE_32(WEFT_IQ4_NL, pack_q4_0, .bits = 4, .table = weft_quant_iq4),
    SUPER_32(WEFT_IQ4_XS, pack_iq4_xs, .bits = 4, .table = weft_quant_iq4, .scale = WEFT_WSCALE_I8),
    {WEFT_MXFP4, .bits = 4, .group = 32, .table = weft_quant_e2m1, .scale = WEFT_WSCALE_E8M0, .pack = pack_mxfp4},
};

const struct weft_wlayout *weft_wlayout(weft_dtype dtype) {
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].dtype == dtype) return &layouts[i];
    return NULL;
}

static uint64_t row_blocks(uint64_t k) { return (k + BLOCK - 1) / BLOCK; }

/// Groups of a row, padding included; the last may be in part.
static uint64_t row_groups(const struct weft_wlayout *w, uint64_t k) {
    return (row_blocks(k) * BLOCK + w->group - 1) / w->group;
}

static bool has_super(const struct weft_wlayout *w) {
    return w->scale == WEFT_WSCALE_K || w->scale == WEFT_WSCALE_I8 || w->scale == WEFT_WSCALE_K4;
}

/// Bits of plane s a group.
static uint64_t scale_bits(const struct weft_wlayout *w) {
    switch (w->scale) {
    case WEFT_WSCALE_NONE: return 0;
    case WEFT_WSCALE_F16: return w->has_min ? 32 : 16;
    case WEFT_WSCALE_K: return 16;
    case WEFT_WSCALE_F32: return 32;
    case WEFT_WSCALE_I8:
    case WEFT_WSCALE_K4:
    case WEFT_WSCALE_E8M0: return 8;
    }
    return 0;
}

uint64_t weft_wlayout_bytes(const struct weft_wlayout *w, enum weft_wplane plane, uint64_t rows, uint64_t k) {
    uint64_t blocks = rows * row_blocks(k);
    switch (plane) {
    case WEFT_PLANE_Q: return blocks * BLOCK * w->bits / 8;
    case WEFT_PLANE_H: return blocks * BLOCK * w->high / 8;
    case WEFT_PLANE_S: return w->scale == WEFT_WSCALE_NONE ? 0 : rows * row_groups(w, k) * scale_bits(w) / 8;
    case WEFT_PLANE_D: return has_super(w) ? rows * ((k + SUPER - 1) / SUPER) * 4 : 0;
    case WEFT_PLANE_COUNT: break;
    }
    return 0;
}

uint32_t weft_wlayout_planes(const struct weft_wlayout *w) {
    return 1 + (w->high != 0) + (w->scale != WEFT_WSCALE_NONE) + has_super(w);
}

size_t weft_wlayout_values(const struct weft_wlayout *w, struct weft_tval out[WEFT_WLAYOUT_VALUES]) {
    static const char *const words[] = {"W_T0", "W_T1", "W_T2", "W_T3"};
    const struct weft_tval values[] = {{"W_BITS", w->bits, NULL},           {"W_HIGH", w->high, NULL},
                                       {"W_GROUP", w->group, NULL},         {"W_ZERO", w->zero, NULL},
                                       {"W_MIN", w->has_min, NULL},         {"W_SCALE", w->scale, NULL},
                                       {"W_TABLE", w->table != NULL, NULL}, {"W_BF16", w->dtype == WEFT_BF16, NULL}};
    size_t n = sizeof values / sizeof *values;
    memcpy(out, values, sizeof values);
    for (int i = 0; i < 4 && w->table; i++) {
        uint32_t word = 0;
        for (int b = 0; b < 4; b++) word |= (uint32_t)(uint8_t)w->table[4 * i + b] << 8 * b;
        out[n++] = (struct weft_tval){words[i], word, NULL};
    }
    return n;
}

void weft_wlayout_repack(const struct weft_wlayout *w, const void *src, uint64_t rows, uint64_t k,
                         uint8_t *const planes[WEFT_PLANE_COUNT]) {
    if (w->pack) w->pack(src, rows * k / weft_dtype_info(w->dtype)->block, planes);
    else pack_plain(w, src, rows, k, planes[WEFT_PLANE_Q]);
}

// ---- reading back, by the words of the header ----

static uint32_t word_at(const uint8_t *plane, uint64_t index) {
    uint32_t x;
    memcpy(&x, plane + 4 * index, 4);
    return x;
}

static uint16_t half_at(const uint8_t *plane, uint64_t index) {
    uint16_t x;
    memcpy(&x, plane + 2 * index, 2);
    return x;
}

static double float_at(const uint8_t *plane, uint64_t index) {
    float x;
    memcpy(&x, plane + 4 * index, 4);
    return x;
}

static double plain_at(const struct weft_wlayout *w, const uint8_t *q, uint64_t index) {
    if (w->bits == 32) return float_at(q, index);
    uint16_t h = half_at(q, index);
    return w->dtype == WEFT_BF16 ? weft_bf16_to_f32(h) : weft_f16_to_f32(h);
}

/// The quant of element i of a block, zero not yet subtracted.
static int quant_at(const struct weft_wlayout *w, const uint8_t *const planes[], uint64_t block, uint32_t i) {
    const uint8_t *plane = planes[WEFT_PLANE_Q], *high = planes[WEFT_PLANE_H];
    uint32_t j = i / 4, b = i % 4, q;
    if (w->bits == 8) return (int8_t)(word_at(plane, block * 8 + j) >> 8 * b & 0xFF);
    if (w->bits == 2) q = word_at(plane, block * 2 + (j >> 2)) >> (8 * b + 2 * (j & 3)) & 3;
    else q = word_at(plane, block * 4 + (j & 3)) >> (8 * b + (i < 16 ? 0 : 4)) & 15;
    if (w->high == 1) q |= (word_at(high, block) >> (8 * b + j) & 1) << w->bits;
    if (w->high == 2) q |= (word_at(high, block * 2 + (j >> 2)) >> (8 * b + 2 * (j & 3)) & 3) << w->bits;
    return w->table ? w->table[q] : (int)q;
}

double weft_wlayout_get(const struct weft_wlayout *w, const uint8_t *const planes[WEFT_PLANE_COUNT], uint64_t k,
                        uint64_t row, uint64_t col) {
    uint64_t block = row * row_blocks(k) + col / BLOCK;
    if (w->scale == WEFT_WSCALE_NONE) return plain_at(w, planes[WEFT_PLANE_Q], block * BLOCK + col % BLOCK);
    double q = quant_at(w, planes, block, col % BLOCK) - (int)w->zero, scale = 0, min = 0;
    uint64_t group = row * row_groups(w, k) + col / w->group;
    const uint8_t *s = planes[WEFT_PLANE_S];
    switch (w->scale) {
    case WEFT_WSCALE_NONE: break;
    case WEFT_WSCALE_F32: scale = float_at(s, group); break;
    case WEFT_WSCALE_E8M0: scale = weft_quant_e8m0(s[group]) / 2; break;
    case WEFT_WSCALE_F16:
        scale = weft_f16_to_f32(half_at(s, w->has_min ? 2 * group : group));
        if (w->has_min) min = weft_f16_to_f32(half_at(s, 2 * group + 1));
        break;
    case WEFT_WSCALE_I8: scale = (int8_t)s[group]; break;
    case WEFT_WSCALE_K: scale = s[2 * group], min = s[2 * group + 1]; break;
    case WEFT_WSCALE_K4: scale = s[group] & 15, min = s[group] >> 4; break;
    }
    if (has_super(w)) {
        uint32_t d = word_at(planes[WEFT_PLANE_D], block / SUPER_BLOCKS);
        scale *= weft_f16_to_f32((uint16_t)d);
        if (w->has_min) min *= weft_f16_to_f32((uint16_t)(d >> 16));
    }
    return w->has_min ? scale * q - min : scale * q;
}
