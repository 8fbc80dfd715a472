/// Conversions between f32 and the 16-bit floats. To nearest, ties to even; NaN stays NaN; overflow to infinity.
#ifndef WEFT_CORE_HALF_H
#define WEFT_CORE_HALF_H
#include <stdint.h>

float weft_f16_to_f32(uint16_t h);
uint16_t weft_f32_to_f16(float f);
float weft_bf16_to_f32(uint16_t h);
uint16_t weft_f32_to_bf16(float f);
#endif
