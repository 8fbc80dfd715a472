/// The one parameterised device layout of weights, so that a file type is a repacker and not a kernel.
///
/// A matrix [rows, K] is cut into blocks of 32 consecutive elements of a row; rows are padded with zeros to whole
/// blocks (KB = ceil(K / 32) blocks). Up to four planes, each contiguous and row-major, each starting at a multiple of
/// 256 bytes:
///   q   quants. 4 bits: one vec4<u32> a block: byte b of word j holds element 4j+b in its low nibble and element
///       16+4j+b in its high nibble. 8 bits: two vec4<u32> a block, byte order. 16 bits: four vec4<u32>; 32 bits:
///       eight.
///   h   bits above the 4 of `q`. 1 bit: one u32 a block, bit 8b+j is the bit of element 4j+b (j = 0..7, b = 0..3).
///       2 bits: two u32 a block, bits 8b+2(j&3) of word j>>2.
///   s   scales, linear index g = row * groups + group. f16: half g of the plane (two a word). K types: u16 g, which is
///       scale | min << 8 (two a word). i8: byte g. f32: word g.
///   d   K types only: one u32 a super-block of 256: f16 d | f16 dmin << 16.
/// Element = scale * (q - zero) [- min]; with K types scale = d * s and min = dmin * m. 16 bits: f16 or bf16; 32 bits:
/// f32.
#ifndef WEFT_PLAN_WLAYOUT_H
#define WEFT_PLAN_WLAYOUT_H
#include "ir/dtype.h"

enum weft_wscale { WEFT_WSCALE_NONE, WEFT_WSCALE_F16, WEFT_WSCALE_K, WEFT_WSCALE_I8, WEFT_WSCALE_F32 };
enum weft_wplane { WEFT_PLANE_Q, WEFT_PLANE_H, WEFT_PLANE_S, WEFT_PLANE_D, WEFT_PLANE_COUNT };

struct weft_wlayout {
    weft_dtype dtype;
    uint32_t bits;  ///< of plane q: 4, 8, 16 or 32
    uint32_t high;  ///< of plane h: 0, 1 or 2
    uint32_t group; ///< elements a scale: 16 or 32, with f32 scales any multiple of 16 (0: no scales)
    uint32_t zero;  ///< subtracted from the unsigned quant; 8-bit quants are signed and have 0
    bool has_min;
    enum weft_wscale scale;
};

const struct weft_wlayout *weft_wlayout(weft_dtype dtype); ///< NULL: no device layout for this type
/// Bytes of a plane of [rows, k], not rounded.
uint64_t weft_wlayout_bytes(const struct weft_wlayout *w, enum weft_wplane plane, uint64_t rows, uint64_t k);
/// Repacks rows from file layout (rows stored one after the other, k a multiple of the block for quantised types) into
/// the planes that exist; planes[p] points to the first byte of row `row0 = 0` of the range. Padding is zeroed.
void weft_wlayout_repack(const struct weft_wlayout *w, const void *src, uint64_t rows, uint64_t k,
                         uint8_t *const planes[WEFT_PLANE_COUNT]);
/// Host reference of the device layout: element (row, col) as a double. For tests.
double weft_wlayout_get(const struct weft_wlayout *w, const uint8_t *const planes[WEFT_PLANE_COUNT], uint64_t k,
                        uint64_t row, uint64_t col);
#endif
