/// How the elements of a type lie in memory on the device: how many share a 32-bit word, so that whoever writes one
/// must own the word, and what stands in for them where nobody does. Accessors, stores of programs, aliasing, placement
/// and transfers of sessions follow from this table; other types than these lie in no memory of their own (quantised
/// weights have plan/wlayout.h).
#ifndef WEFT_PLAN_STORAGE_H
#define WEFT_PLAN_STORAGE_H
#include "weft/tensor.h"
#include <stdbool.h>

struct weft_storage {
    uint8_t bytes;      ///< of an element
    uint8_t per_word;   ///< elements that share a word
    bool real;          ///< accessors give f32; else i32 or u32
    bool negative;      ///< integers with a sign
    weft_dtype as_word; ///< what holds any value of it in a word of its own
};

/// Of block-quantised types: that of f32, which accessors give of their elements.
const struct weft_storage *weft_storage_of(weft_dtype dtype);

/// Bytes of an element.
static inline uint32_t weft_accessor_width(weft_dtype dtype) { return weft_storage_of(dtype)->bytes; }
/// Elements share words: f16 and bf16 by two; i8, u8 and bool by four.
static inline bool weft_shares_words(weft_dtype dtype) { return weft_storage_of(dtype)->per_word > 1; }
/// f16 and bf16.
static inline bool weft_is_half(weft_dtype dtype) { return weft_storage_of(dtype)->bytes == 2; }
#endif
