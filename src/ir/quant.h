/// Block-quantised formats of GGUF: decoding and encoding in file layout.
#ifndef WEFT_IR_QUANT_H
#define WEFT_IR_QUANT_H
#include <stdint.h>

/// X(name) for each format, by the weights a block; `n` of its functions is a multiple of them.
#define WEFT_QUANT_OF_32(X) X(q4_0) X(q4_1) X(q5_0) X(q5_1) X(q8_0) X(iq4_nl) X(mxfp4)
#define WEFT_QUANT_OF_256(X) X(q2_k) X(q3_k) X(q4_k) X(q5_k) X(q6_k) X(iq4_xs)
#define WEFT_QUANT_DECLARE(name)                                                                                       \
    void weft_quant_decode_##name(const void *src, int64_t n, double *dst);                                            \
    void weft_quant_encode_##name(const double *src, int64_t n, void *dst);
WEFT_QUANT_OF_32(WEFT_QUANT_DECLARE)
WEFT_QUANT_OF_256(WEFT_QUANT_DECLARE)

/// What the nibbles of IQ4_NL and IQ4_XS stand for, and twice what those of MXFP4 do.
extern const int8_t weft_quant_iq4[16], weft_quant_e2m1[16];
/// The scale of MXFP4, 2^(e - 127); NaN for 255.
double weft_quant_e8m0(uint8_t e);

/// Nearest integer (ties to even) within [lo, hi]; lo for NaN.
int64_t weft_quant_round(double x, int64_t lo, int64_t hi);
/// f16 bits of a double, rounded once, to nearest, ties to even. Large values become infinity.
uint16_t weft_quant_f16(double x);
/// The same for bf16.
uint16_t weft_quant_bf16(double x);
#endif
