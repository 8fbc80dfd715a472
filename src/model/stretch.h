/// How a model's rotation is stretched to long contexts: frequency scale, magnitude and a factor for each pair, from
/// the file's keys and tensors. All kinds become the operands of the operator `rope`.
///
/// A pair of base frequency f = base^(-2 i / n), which makes f / 2 pi turns a position, is divided by
///   linear   factor
///   llama3   1 where a turn takes fewer than original / high positions, `factor` where it takes more than original /
///            low, and between them by what lies between 1 and 1 / factor in the ratio of original / positions
///   yarn     1 where the pair makes more than `high` turns in the original context, `factor` where it makes fewer than
///            `low`, with a ramp over i between; the magnitude is 1 + 0.1 ln factor times the file's
///   lists    the tensor rope_factors_short, or rope_factors_long where the context is longer than the original
/// and, where the file has it, by the tensor rope_freqs, into which llama3 was written.
///
/// Peng et al., "YaRN: Efficient Context Window Extension of Large Language Models", 2023. Ding et al., "LongRoPE",
/// 2024.
#ifndef WEFT_MODEL_STRETCH_H
#define WEFT_MODEL_STRETCH_H
#include "model/blocks.h"

/// Fills m->turn. The context that lists are chosen by is m->ctx.
void weft_stretch_make(struct weft_model_build *m);

/// Whether a tensor is read by this, and so stands in no graph.
bool weft_stretch_reads(const struct weft_model_build *m, const char *name);
#endif
