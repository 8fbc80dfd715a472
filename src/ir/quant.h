/// Block-quantised formats of GGUF: decoding and encoding in file layout. dtype.c alone includes this.
#ifndef WEFT_IR_QUANT_H
#define WEFT_IR_QUANT_H
#include <stdint.h>

// `n` is a multiple of the block: 32 for the first three, 256 for the K types.
void weft_quant_decode_q4_0(const void *src, int64_t n, double *dst);
void weft_quant_decode_q5_0(const void *src, int64_t n, double *dst);
void weft_quant_decode_q8_0(const void *src, int64_t n, double *dst);
void weft_quant_decode_q4_k(const void *src, int64_t n, double *dst);
void weft_quant_decode_q6_k(const void *src, int64_t n, double *dst);
void weft_quant_encode_q4_0(const double *src, int64_t n, void *dst);
void weft_quant_encode_q5_0(const double *src, int64_t n, void *dst);
void weft_quant_encode_q8_0(const double *src, int64_t n, void *dst);
void weft_quant_encode_q4_k(const double *src, int64_t n, void *dst);
void weft_quant_encode_q6_k(const double *src, int64_t n, void *dst);

/// Nearest integer (ties to even) within [lo, hi]; lo for NaN.
int64_t weft_quant_round(double x, int64_t lo, int64_t hi);
/// f16 bits of a double, rounded once, to nearest, ties to even. Large values become infinity.
uint16_t weft_quant_f16(double x);
/// The same for bf16.
uint16_t weft_quant_bf16(double x);
#endif
