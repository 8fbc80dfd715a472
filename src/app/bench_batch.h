/// What `weft bench -b` measures: several texts at once.
#ifndef WEFT_APP_BENCH_BATCH_H
#define WEFT_APP_BENCH_BATCH_H
#include "weft/batch.h"

/// Of several texts, which all have prompts of one length.
struct weft_bench_batch {
    uint32_t texts, prompt, tokens; ///< how many; tokens of each prompt; new ones of each
    uint32_t repeats;
    double prefill; ///< tokens of prompts a second, until every text has a token; median of the repetitions
    double decode;  ///< new tokens a second of all texts together, from then on
};

/// Fills in the two speeds. The texts begin with different tokens behind the first one, so that none is in a cache.
/// Errors: CANCELLED (`cancel` was set), LIMIT (no room for a new token), those of a batch.
weft_status weft_bench_batch(weft_model *model, weft_batch *batch, const int32_t *ids, const struct weft_cancel *cancel,
                             struct weft_bench_batch *b);
#endif
