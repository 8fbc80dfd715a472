/// Rounding of sizes, for those who shape kernels.
#ifndef WEFT_PLAN_ROUND_H
#define WEFT_PLAN_ROUND_H
#include <stdint.h>

/// a / b, rounded up; b is not 0.
static inline uint64_t weft_ceil_div(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

/// The least power of two that is no less than x, at most 2^31.
static inline uint32_t weft_pow2_up(uint64_t x) {
    uint32_t p = 1;
    while (p < x && p < 1u << 31) p *= 2;
    return p;
}

/// The greatest power of two that is no more than x, from 1 to 2^31.
static inline uint32_t weft_pow2_down(uint64_t x) {
    uint32_t p = 1;
    while (p <= x / 2 && p < 1u << 31) p *= 2;
    return p;
}
#endif
