/// What a caller asks of generation, checked and in the words that the sampler reads.
///
/// Only engine/ includes this.
#ifndef WEFT_ENGINE_REQUEST_H
#define WEFT_ENGINE_REQUEST_H
#include "engine/lm.h"
#include "model/decoder.h"
#include "ops/sample.h"

struct weft_lm_request {
    uint32_t words[WEFT_SAMPLE_WORDS]; ///< settings
    uint32_t stops[WEFT_LM_STOPS];     ///< a count, then ids
    uint32_t limit;                    ///< most new tokens: what the caller wants, and what the context has room for
    bool penalised;                    ///< the sampler reads how often each token was picked
};

/// Continuing `n` ids with `params` within a context of `ctx`. Errors: INVALID (an empty prompt, an id outside the
/// vocabulary, a setting outside its range, a temperature without a sampler), LIMIT (the prompt; too many stop tokens).
weft_status weft_lm_request_make(const weft_lm *lm, uint32_t ctx, const int32_t *ids, size_t n,
                                 const struct weft_model_generate_params *params, struct weft_lm_request *out);
/// Whether an id ends the output.
bool weft_lm_request_stops(const struct weft_lm_request *r, int32_t id);
#endif
