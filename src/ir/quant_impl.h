/// What quant.c and quant_k.c share; nobody else includes it.
#ifndef WEFT_IR_QUANT_IMPL_H
#define WEFT_IR_QUANT_IMPL_H
#include "core/half.h"
#include "ir/quant.h"
#include <math.h>
#include <stdbool.h>

static inline double weft_quant_load(const uint8_t *p) { return weft_f16_to_f32((uint16_t)(p[0] | p[1] << 8)); }

/// Stores an f16 and gives what a reader will see: quants are chosen for it.
static inline double weft_quant_store(uint8_t *p, double x) {
    uint16_t h = weft_quant_f16(x);
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
    return weft_f16_to_f32(h);
}

static inline double weft_quant_ratio(double x, double d) { return d != 0 ? x / d : 0; }

/// Scale that maps the value of largest magnitude to quant `q` (a negative number where that side is wider).
double weft_quant_scale_for(const double *x, int n, double q);
/// The place in the table that is nearest to x.
int weft_quant_nearest(const int8_t table[16], double x);
#endif
