/// The host's part of a step of beam search: from logits to the best ways on of all beams.
///
/// Logits come to the host, `vocabulary` floats a beam and step (1 MB for 262144 tokens), and an exponential of each is
/// taken in double: 4 beams of such a vocabulary cost about 6 ms a step on one core, beside a run that reads all
/// weights. Sums of log probabilities then differ by what the logits differ, whatever order they were added in.
///
/// Only engine/ and tests include this.
#ifndef WEFT_ENGINE_BEAM_CHOOSE_H
#define WEFT_ENGINE_BEAM_CHOOSE_H
#include "weft/status.h"

#include <stdint.h>

#define WEFT_BEAMS 64 ///< at most, since each is a slot

/// A beam and a token behind it.
struct weft_beam_way {
    uint32_t beam;
    int32_t token;
    float logit;
    double sum; ///< of log probabilities, natural ones
};

/// The best ways on of `n` beams, at most `most` of them (1 to WEFT_BEAMS), the best first; of equal sums that of the
/// beam with the lower number, and of one beam's that of the larger logit, then of the lower token. Beam i has sums[i]
/// and logits[i], `vocabulary` floats. A logit of NaN or -inf is a token that is never taken; several of +inf share the
/// whole probability. Returns how many there are; 0 if a beam has none.
uint32_t weft_beam_choose(const float *const *logits, const double *sums, uint32_t n, uint32_t vocabulary,
                          uint32_t most, struct weft_beam_way *ways);

/// What hypotheses of several lengths are compared by: sum / length^penalty; 0 for none of length 0.
double weft_beam_score(double sum, uint32_t length, double penalty);
/// The most that any continuation of a beam can score: it has `length` tokens or more in the end, at most `limit`.
double weft_beam_bound(double sum, uint32_t length, uint32_t limit, double penalty);
#endif
