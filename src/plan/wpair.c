#include "plan/wpair.h"

#include <string.h>

enum { BLOCK = 32, HALF = 16 };

static uint64_t blocks_of(const struct weft_wpair *p) { return (p->k + BLOCK - 1) / BLOCK; }

struct weft_wlayout weft_wpair_layout(const struct weft_wpair *p) {
    bool one = p->group >= p->k;
    if (!one && p->group % HALF) return *weft_wlayout(WEFT_F32);
    return (struct weft_wlayout){.dtype = WEFT_U8,
                                 .bits = 4,
                                 .group = one ? (uint32_t)blocks_of(p) * BLOCK : p->group,
                                 .zero = 8,
                                 .scale = WEFT_WSCALE_F32};
}

/// The number of column c of a row of bytes.
static uint8_t number(const struct weft_wpair *p, const uint8_t *row, uint64_t c) {
    if (c >= p->k) return 8;
    return (c % 2 == 1) != p->high_first ? row[c / 2] >> 4 : row[c / 2] & 15;
}

void weft_wpair_pack_quants(const struct weft_wpair *p, const uint8_t *src, uint64_t rows, uint8_t *q) {
    uint64_t blocks = blocks_of(p), bytes = (p->k + 1) / 2;
    for (uint64_t r = 0; r < rows; r++, src += bytes)
        for (uint64_t b = 0; b < blocks; b++, q += HALF)
            for (uint64_t i = 0; i < HALF; i++)
                q[i] = (uint8_t)(number(p, src, b * BLOCK + i) | number(p, src, b * BLOCK + HALF + i) << 4);
}

void weft_wpair_pack_scales(const struct weft_wpair *p, const uint8_t *src, uint64_t rows, uint8_t *s) {
    const struct weft_wlayout y = weft_wpair_layout(p);
    uint64_t file = (p->k + p->group - 1) / p->group, groups = (blocks_of(p) * BLOCK + y.group - 1) / y.group;
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t g = 0; g < groups; g++, s += 4) {
            if (g < file) memcpy(s, src + 4 * (p->across ? g * p->stride + r : r * p->stride + g), 4);
            else memset(s, 0, 4);
        }
}

void weft_wpair_decode(const struct weft_wpair *p, const uint8_t *quants, const uint8_t *scales, uint64_t first,
                       uint64_t n, float *out) {
    uint64_t bytes = (p->k + 1) / 2;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t r = (first + i) / p->k, c = (first + i) % p->k, g = c / p->group;
        float scale;
        memcpy(&scale, scales + 4 * (p->across ? g * p->stride + r : r * p->stride + g), 4);
        out[i] = (float)(number(p, quants + r * bytes, c) - 8) * scale;
    }
}
