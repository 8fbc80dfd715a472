/// f32 <-> f16 and bf16 in integer arithmetic, so that no rounding mode, compiler flag or flush of denormals
/// changes a result.
#include "core/half.h"

#include <string.h>

static uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float weft_f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, fraction = h & 0x3FFu;
    if (exponent == 31) return float_of(sign | 0x7F800000u | fraction << 13);
    if (exponent) return float_of(sign | (exponent + 112u) << 23 | fraction << 13);
    if (!fraction) return float_of(sign);
    exponent = 113; // a denormal: shift until the leading one stands where f32 hides it
    while (!(fraction & 0x400u)) {
        fraction <<= 1;
        exponent--;
    }
    return float_of(sign | exponent << 23 | (fraction & 0x3FFu) << 13);
}

/// value >> shift, rounded to nearest, ties to even. 0 < shift < 32.
static uint32_t shift_even(uint32_t value, uint32_t shift) {
    uint32_t half = 1u << (shift - 1), rest = value & ((1u << shift) - 1), result = value >> shift;
    return result + (rest > half || (rest == half && (result & 1u)));
}

uint16_t weft_f32_to_f16(float f) {
    uint32_t u = bits_of(f), sign = u >> 16 & 0x8000u, magnitude = u & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) return (uint16_t)(sign | 0x7E00u | (magnitude >> 13 & 0x3FFu)); // a quiet NaN
    if (magnitude >= 0x47800000u) return (uint16_t)(sign | 0x7C00u);                             // from 65,536 up
    if (magnitude >= 0x38800000u) {
        // Normal. A carry out of the fraction goes into the exponent, and from 65,520 up to infinity.
        return (uint16_t)(sign | shift_even(magnitude - 0x38000000u, 13));
    }
    uint32_t exponent = magnitude >> 23;
    if (exponent < 102) return (uint16_t)sign; // below half of the smallest denormal
    return (uint16_t)(sign | shift_even((magnitude & 0x7FFFFFu) | 0x800000u, 126 - exponent));
}

float weft_bf16_to_f32(uint16_t h) { return float_of((uint32_t)h << 16); }

uint16_t weft_f32_to_bf16(float f) {
    uint32_t u = bits_of(f);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(u >> 16 | 0x40u); // a quiet NaN, payload kept
    return (uint16_t)((u + 0x7FFFu + (u >> 16 & 1u)) >> 16);
}
