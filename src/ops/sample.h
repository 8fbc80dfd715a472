/// The sampler's contract: its parameter words, and the host reference that picks as the kernels do.
///
/// docs/sampler.md says what each setting means and in which order the filters act. Only floats of the penalties and
/// one product per candidate are rounded by the device; everything after that is integer work, the same here and there.
#ifndef WEFT_OPS_SAMPLE_H
#define WEFT_OPS_SAMPLE_H
#include "weft/status.h"
#include <stdbool.h>
#include <stdint.h>

/// What a user sets. All zero is: greedy, no penalties (then only `repetition` must be made 1; weft_sample_defaults
/// does).
struct weft_sample_settings {
    float temperature;         ///< below 1e-4: greedy. At most 1e6
    uint32_t top_k;            ///< 0: off
    float top_p;               ///< 1: off; 0: the likeliest token only
    float min_p;               ///< 0: off
    float repetition;          ///< 1: off; > 0
    float frequency, presence; ///< 0: off
    uint64_t seed;
    uint32_t window; ///< a token sampled so many steps ago leaves `counts`; 0: none does. At most the ring's length
};
struct weft_sample_settings weft_sample_defaults(void); ///< temperature 0.8, top_k 40, top_p 0.95, min_p 0.05, rest off

/// Words of the state `sampling`. An all-zero state is greedy without penalties.
enum weft_sample_word {
    WEFT_SAMPLE_FLAGS,      ///< enum weft_sample_flag
    WEFT_SAMPLE_TOP_K,      ///< in [1, V] or 0 for V
    WEFT_SAMPLE_TOP_P,      ///< in units of 2^-32
    WEFT_SAMPLE_MIN_P,      ///< -log2(min_p) in units of 2^-24
    WEFT_SAMPLE_REPETITION, ///< f32
    WEFT_SAMPLE_INVERSE,    ///< f32: 1 / repetition
    WEFT_SAMPLE_FREQUENCY,  ///< f32
    WEFT_SAMPLE_PRESENCE,   ///< f32
    WEFT_SAMPLE_SCALE,      ///< f32: half gaps of logits to octaves in units of 2^-24
    WEFT_SAMPLE_SCALE_T,    ///< f32: the same at the temperature
    WEFT_SAMPLE_SEED_LO,
    WEFT_SAMPLE_SEED_HI,
    WEFT_SAMPLE_WINDOW,
    WEFT_SAMPLE_WORDS = 16
};
enum weft_sample_flag {
    WEFT_SAMPLE_DRAW = 1, ///< off: greedy
    WEFT_SAMPLE_USE_TOP_P = 2,
    WEFT_SAMPLE_USE_MIN_P = 4,
    WEFT_SAMPLE_PENALISE = 8,
};

/// Checks settings and makes the words. Errors: INVALID (names the setting and its range).
weft_status weft_sample_pack(const struct weft_sample_settings *s, uint32_t words[WEFT_SAMPLE_WORDS]);

/// One draw of the counter-based generator: 64 bits for (seed, step).
uint64_t weft_sample_random(uint64_t seed, uint32_t step);

/// In place of a token where the row is nothing but NaN: in `ring` and `token`, while `tokens` gets 0, `counts` stay,
/// and `active` falls.
#define WEFT_SAMPLE_NONE UINT32_MAX

/// The token that the kernels pick, or WEFT_SAMPLE_NONE: logits[v] (f32), counts[v], and the draw (seed in the words,
/// step).
/// Errors: NOMEM.
weft_status weft_sample_pick(const uint32_t words[WEFT_SAMPLE_WORDS], const float *logits, const uint32_t *counts,
                             uint32_t v, uint32_t step, uint32_t *token);

/// Probability mass of a candidate `gap24` octaves (units of 2^-24) below the largest, in units of 2^-40. For tests.
uint64_t weft_sample_mass(uint32_t gap24);
#endif
