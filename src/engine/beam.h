/// Beam search of a language model over the slots of one session: the prompt is read once in one slot, a step is one
/// run for all beams, a beam that goes on in several ways is forked to other slots, and one that ends gives its slot
/// back.
#ifndef WEFT_ENGINE_BEAM_H
#define WEFT_ENGINE_BEAM_H
#include "engine/lm.h"
#include "weft/beam.h"

struct weft_lm_hypothesis {
    struct weft_ids ids; ///< without the stop token
    double log_probability, score;
    enum weft_stop_reason reason;
};

struct weft_lm_hypotheses {
    struct weft_lm_hypothesis *all; ///< the best first
    uint32_t n;
    struct weft_beam_stats stats;
};

/// What weft_model_beams_ids says, of params that were taken (core/params.h). On failure *out is empty.
weft_status weft_lm_beams(weft_lm *lm, const int32_t *ids, uint32_t n, const struct weft_beam_params *params,
                          struct weft_lm_hypotheses *out);
void weft_lm_hypotheses_free(struct weft_lm_hypotheses *h);
#endif
