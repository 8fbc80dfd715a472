/// A random Gemma 3 model of a few layers as a GGUF file, for tests: same seed, same bytes.
#ifndef WEFT_TEST_TINY_GEMMA3_H
#define WEFT_TEST_TINY_GEMMA3_H
#include "ir/dtype.h"
#include "model/gguf.h"
#include <stddef.h>

/// A key that the model does not have otherwise, or one of its own with another value.
struct weft_tiny_key {
    const char *name;
    enum weft_source_type type; ///< U32, F32, BOOL, STRING, or ARRAY of two i32
    double x;
    const char *text;
};

/// Zero in a field takes the value in brackets.
struct weft_tiny_gemma3 {
    uint64_t seed;
    uint32_t n_layer;                     ///< [6]
    uint32_t window;                      ///< [8]
    uint32_t period;                      ///< every period-th layer is global [3]
    uint32_t ctx;                         ///< [64]
    uint32_t n_embd;                      ///< [64; 256 with k_types]
    uint32_t n_head, n_head_kv, head_dim; ///< [2, 1, 32; heads of 128 with k_types]
    uint32_t n_ff;                        ///< [96; 512 with k_types]
    uint32_t n_vocab;                     ///< [300], at least 260: 256 of them are bytes
    bool k_types;                         ///< Q4_K and Q6_K weights too (rows of 256)
    bool every_type;                      ///< the block types in turn: two layers have all; shapes as with k_types
    bool plain;                           ///< all weights F32
    bool flags;                           ///< the pattern as one flag a layer instead of a period
    bool separate_head;                   ///< with output.weight
    double softcap;                       ///< 0: no key
    double rope_factor;                   ///< linear scaling of global layers; 0: no key
    const struct weft_tiny_key *keys;
    uint32_t n_keys;
    const char *more; ///< a tensor, of n_embd elements, that the model does not have; NULL: none
    const char *nan;  ///< a norm's tensor without ".weight": its first element is NaN; NULL: none
};

/// The file in memory (weft_free). NULL: out of memory.
void *weft_tiny_gemma3_make(const struct weft_tiny_gemma3 *params, size_t *size);
/// The same written to `path`; false if that failed.
bool weft_tiny_gemma3_write(const struct weft_tiny_gemma3 *params, const char *path);
#endif
