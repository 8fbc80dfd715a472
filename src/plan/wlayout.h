/// The one parameterised device layout of weights, so that a file type is a repacker and not a kernel.
///
/// A matrix [rows, K] is cut into blocks of 32 consecutive elements of a row; rows are padded with zeros to whole
/// blocks (KB = ceil(K / 32) blocks). Up to four planes, each contiguous and row-major, each starting at a multiple of
/// 256 bytes:
///   q   quants. 2 bits: half a vec4<u32> a block: bits 8b+2(j&3) of word j>>2 are element 4j+b (j = 0..7, b = 0..3).
///       4 bits: one vec4<u32> a block: byte b of word j holds element 4j+b in its low nibble and element 16+4j+b in
///       its high nibble. 8 bits: two vec4<u32> a block, byte order. 16 bits: four vec4<u32>; 32 bits: eight.
///   h   bits above those of `q`. 1 bit: one u32 a block, bit 8b+j is the bit of element 4j+b. 2 bits: two u32 a block,
///       as 2 bits of q are.
///   s   scales, linear index g = row * groups + group:
///         f16   half g of the plane (two a word); with a min, word g is scale | min << 16
///         f32   word g
///         e8m0  byte g, which is 2^(byte - 128), and NaN where the byte is 255
///         k     u16 g, which is scale | min << 8 (two a word)
///         k4    byte g, which is scale | min << 4
///         i8    byte g
///   d   k, k4 and i8 only: one u32 a super-block of 256: f16 d | f16 dmin << 16, by which scale and min are
///   multiplied.
/// Element = scale * (q - zero) [- min], or scale * table[q]. 16 bits: f16 or bf16; 32 bits: f32.
#ifndef WEFT_PLAN_WLAYOUT_H
#define WEFT_PLAN_WLAYOUT_H
#include "ir/dtype.h"
#include "plan/template.h"

enum weft_wscale {
    WEFT_WSCALE_NONE,
    WEFT_WSCALE_F16,
    WEFT_WSCALE_K,
    WEFT_WSCALE_I8,
    WEFT_WSCALE_F32,
    WEFT_WSCALE_K4,
    WEFT_WSCALE_E8M0
};
enum weft_wplane { WEFT_PLANE_Q, WEFT_PLANE_H, WEFT_PLANE_S, WEFT_PLANE_D, WEFT_PLANE_COUNT };

struct weft_wlayout {
    weft_dtype dtype;
    uint32_t bits;  ///< of plane q: 2, 4, 8, 16 or 32
    uint32_t high;  ///< of plane h: 0, 1 or 2; with 2 or 4 bits of q
    uint32_t group; ///< elements a scale: 16 or 32 (f16 and e8m0: 32), with f32 any multiple of 16 (0: no scales)
    uint32_t zero;  ///< subtracted from the unsigned quant; 8-bit quants are signed and have 0
    bool has_min;   ///< with f16, k and k4; the latter two always have one
    enum weft_wscale scale;
    const int8_t *table; ///< of 16: what quants of 4 bits stand for; NULL: themselves
    /// Repacks whole blocks of the file (as many elements as weft_dtype_info says) into the planes; NULL: plain types.
    void (*pack)(const uint8_t *src, uint64_t blocks, uint8_t *const planes[]);
};

const struct weft_wlayout *weft_wlayout(weft_dtype dtype); ///< NULL: no device layout for this type
/// Bytes of a plane of [rows, k], not rounded.
uint64_t weft_wlayout_bytes(const struct weft_wlayout *w, enum weft_wplane plane, uint64_t rows, uint64_t k);
/// How many planes there are.
uint32_t weft_wlayout_planes(const struct weft_wlayout *w);
enum { WEFT_WLAYOUT_VALUES = 12 };
/// The W_* values of plan/dequant.wgsl, and how many they are.
size_t weft_wlayout_values(const struct weft_wlayout *w, struct weft_tval out[WEFT_WLAYOUT_VALUES]);
/// Repacks rows from file layout (rows stored one after the other, k a multiple of the block for quantised types) into
/// the planes that exist; planes[p] points to the first byte of row `row0 = 0` of the range. Padding is zeroed.
void weft_wlayout_repack(const struct weft_wlayout *w, const void *src, uint64_t rows, uint64_t k,
                         uint8_t *const planes[WEFT_PLANE_COUNT]);
/// Host reference of the device layout: element (row, col) as a double. For tests.
double weft_wlayout_get(const struct weft_wlayout *w, const uint8_t *const planes[WEFT_PLANE_COUNT], uint64_t k,
                        uint64_t row, uint64_t col);
#endif
