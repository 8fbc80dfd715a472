/// Repacks weights from file layout into the planes of plan/wlayout.h, and reads them back one by one.
///
/// Four-bit types keep their nibbles where block types of 32 have them already (element i low, 16 + i high of byte i),
/// so Q4_0 and Q5_0 are copies; the K types interleave pairs of sub-blocks in the file and are taken apart here.
#include "plan/wlayout.h"

#include "core/half.h"

#include <string.h>

#define BLOCK 32       // elements a block of the device layout
#define SUPER 256      // elements a super-block of the K types
#define SUPER_BLOCKS 8 // blocks in it

static const struct weft_wlayout layouts[] = {
    {.dtype = WEFT_F32, .bits = 32},
    {.dtype = WEFT_F16, .bits = 16},
    {.dtype = WEFT_BF16, .bits = 16},
    {.dtype = WEFT_Q4_0, .bits = 4, .group = 32, .zero = 8, .scale = WEFT_WSCALE_F16},
    {.dtype = WEFT_Q5_0, .bits = 4, .high = 1, .group = 32, .zero = 16, .scale = WEFT_WSCALE_F16},
    {.dtype = WEFT_Q8_0, .bits = 8, .group = 32, .scale = WEFT_WSCALE_F16},
    {.dtype = WEFT_Q4_K, .bits = 4, .group = 32, .has_min = true, .scale = WEFT_WSCALE_K},
    {.dtype = WEFT_Q6_K, .bits = 4, .high = 2, .group = 16, .zero = 32, .scale = WEFT_WSCALE_I8},
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

static bool has_super(const struct weft_wlayout *w) { return w->scale == WEFT_WSCALE_K || w->scale == WEFT_WSCALE_I8; }

uint64_t weft_wlayout_bytes(const struct weft_wlayout *w, enum weft_wplane plane, uint64_t rows, uint64_t k) {
    uint64_t blocks = rows * row_blocks(k);
    switch (plane) {
    case WEFT_PLANE_Q: return blocks * BLOCK * w->bits / 8;
    case WEFT_PLANE_H: return blocks * BLOCK * w->high / 8;
    case WEFT_PLANE_S:
        if (w->scale == WEFT_WSCALE_NONE) return 0;
        if (w->scale == WEFT_WSCALE_F32) return rows * row_groups(w, k) * 4;
        return blocks * (BLOCK / w->group) * (w->scale == WEFT_WSCALE_I8 ? 1 : 2);
    case WEFT_PLANE_D: return has_super(w) ? rows * ((k + SUPER - 1) / SUPER) * 4 : 0;
    case WEFT_PLANE_COUNT: break;
    }
    return 0;
}

// ---- one function a file type, over all blocks of the range ----

static void pack_plain(const struct weft_wlayout *w, const uint8_t *src, uint64_t rows, uint64_t k, uint8_t *q) {
    uint64_t row = k * w->bits / 8, padded = row_blocks(k) * BLOCK * w->bits / 8;
    for (uint64_t r = 0; r < rows; r++, src += row, q += padded) {
        memcpy(q, src, row);
        memset(q + row, 0, padded - row);
    }
}

static void pack_q4_0(const uint8_t *src, uint64_t blocks, uint8_t *const planes[]) {
    uint8_t *q = planes[WEFT_PLANE_Q], *s = planes[WEFT_PLANE_S];
    for (uint64_t b = 0; b < blocks; b++, src += 18, q += 16, s += 2) {
        memcpy(s, src, 2);
        memcpy(q, src + 2, 16);
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

static void pack_q5_0(const uint8_t *src, uint64_t blocks, uint8_t *const planes[]) {
    uint8_t *q = planes[WEFT_PLANE_Q], *h = planes[WEFT_PLANE_H], *s = planes[WEFT_PLANE_S];
    for (uint64_t b = 0; b < blocks; b++, src += 22, q += 16, h += 4, s += 2) {
        uint32_t high;
        memcpy(s, src, 2);
        memcpy(&high, src + 2, 4);
        high = spread_high(high);
        memcpy(h, &high, 4);
        memcpy(q, src + 6, 16);
    }
}

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

static void pack_q4_k(const uint8_t *src, uint64_t supers, uint8_t *const planes[]) {
    uint8_t *q = planes[WEFT_PLANE_Q], *s = planes[WEFT_PLANE_S], *d = planes[WEFT_PLANE_D];
    for (uint64_t b = 0; b < supers; b++, src += 144, q += 128, s += 16, d += 4) {
        memcpy(d, src, 4);
        for (int j = 0; j < SUPER_BLOCKS; j++) q4_k_scale(src + 4, j, &s[2 * j], &s[2 * j + 1]);
        for (int p = 0; p < 4; p++) {
            const uint8_t *from = src + 16 + 32 * p;
            uint8_t *low = q + 32 * p, *high = low + 16;
            for (int i = 0; i < 16; i++) {
                low[i] = (uint8_t)((from[i] & 15) | from[16 + i] << 4);
                high[i] = (uint8_t)(from[i] >> 4 | (from[16 + i] & 0xF0));
            }
        }
    }
}

/// Two high bits of 32 elements, a byte each in `from` at `shift`, into the 8 bytes of a block.
static void pack_high2(const uint8_t *from, int shift, uint8_t *h) {
    for (int word = 0; word < 2; word++)
        for (int b = 0; b < 4; b++) {
            const uint8_t *x = from + 16 * word + b;
            h[4 * word + b] = (uint8_t)((x[0] >> shift & 3) | (x[4] >> shift & 3) << 2 | (x[8] >> shift & 3) << 4 |
                                        (x[12] >> shift & 3) << 6);
        }
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

void weft_wlayout_repack(const struct weft_wlayout *w, const void *src, uint64_t rows, uint64_t k,
                         uint8_t *const planes[WEFT_PLANE_COUNT]) {
    switch (w->dtype) {
    case WEFT_Q4_0: pack_q4_0(src, rows * k / BLOCK, planes); return;
    case WEFT_Q5_0: pack_q5_0(src, rows * k / BLOCK, planes); return;
    case WEFT_Q8_0: pack_q8_0(src, rows * k / BLOCK, planes); return;
    case WEFT_Q4_K: pack_q4_k(src, rows * (k / SUPER), planes); return;
    case WEFT_Q6_K: pack_q6_k(src, rows * (k / SUPER), planes); return;
    default: pack_plain(w, src, rows, k, planes[WEFT_PLANE_Q]); return;
    }
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
    if (w->bits == 8) return (int8_t)(word_at(planes[WEFT_PLANE_Q], block * 8 + i / 4) >> 8 * (i % 4) & 0xFF);
    uint32_t j = i % 16 / 4, b = i % 4;
    uint32_t q = word_at(planes[WEFT_PLANE_Q], block * 4 + j) >> (8 * b + (i < 16 ? 0 : 4)) & 15;
    j = i / 4;
    if (w->high == 1) q |= (word_at(planes[WEFT_PLANE_H], block) >> (8 * b + j) & 1) << 4;
    if (w->high == 2) q |= (word_at(planes[WEFT_PLANE_H], block * 2 + (j >> 2)) >> (8 * b + 2 * (j & 3)) & 3) << 4;
    return (int)q;
}

double weft_wlayout_get(const struct weft_wlayout *w, const uint8_t *const planes[WEFT_PLANE_COUNT], uint64_t k,
                        uint64_t row, uint64_t col) {
    uint64_t block = row * row_blocks(k) + col / BLOCK;
    if (w->scale == WEFT_WSCALE_NONE) return plain_at(w, planes[WEFT_PLANE_Q], block * BLOCK + col % BLOCK);
    double q = quant_at(w, planes, block, col % BLOCK) - (int)w->zero;
    if (w->scale == WEFT_WSCALE_F32) return float_at(planes[WEFT_PLANE_S], row * row_groups(w, k) + col / w->group) * q;
    uint64_t group = block * (BLOCK / w->group) + col % BLOCK / w->group;
    if (w->scale == WEFT_WSCALE_F16) return weft_f16_to_f32(half_at(planes[WEFT_PLANE_S], group)) * q;
    uint32_t d = word_at(planes[WEFT_PLANE_D], block / SUPER_BLOCKS);
    double scale = weft_f16_to_f32((uint16_t)d);
    if (w->scale == WEFT_WSCALE_I8) return scale * (int8_t)planes[WEFT_PLANE_S][group] * q;
    uint32_t s = half_at(planes[WEFT_PLANE_S], group);
    return scale * (s & 0xFF) * q - (double)weft_f16_to_f32((uint16_t)(d >> 16)) * (s >> 8);
}
