/// Many sequences of one model in the same runs (continuous batching).
///
/// A batch has slots, each of which serves one sequence at a time; sequences wait until one is free, first come first
/// served. A run takes one token of each sequence that generates and fills up with chunks of prompts; where no prompt
/// is left, several runs go in one submit and feed themselves on the device. What a sequence gets depends on its own
/// ids, settings and seed: others share its runs, not its sums (docs/contracts.md says how far).
///
/// weft/batch.h has the contracts. Nothing blocks but weft_lm_batch_step with `wait`.
#ifndef WEFT_ENGINE_BATCH_H
#define WEFT_ENGINE_BATCH_H
#include "engine/lm.h"
#include "weft/batch.h" // params, results and counters are those of users

#define WEFT_BATCH_SLOTS 8 ///< where the caller does not say

/// `params` were taken (core/params.h).
weft_status weft_lm_batch_create(weft_lm *lm, const struct weft_batch_params *params, weft_batch **out);
void weft_lm_batch_destroy(weft_batch **batch);

/// Queues a sequence that continues `n` ids; `id` may be NULL.
weft_status weft_lm_batch_add(weft_batch *batch, const int32_t *ids, size_t n,
                              const struct weft_model_generate_params *params, uint64_t *id);
weft_status weft_lm_batch_stop(weft_batch *batch, uint64_t id);
/// Takes a sequence out of its slot for the sake of another; it waits in front of all others, and what it needs of its
/// past is computed again. Errors: NOT_FOUND (it has no slot).
weft_status weft_lm_batch_evict(weft_batch *batch, uint64_t id);

/// Admits what waits, queues the next runs and passes on what earlier ones gave.
weft_status weft_lm_batch_step(weft_batch *batch, bool wait, size_t *left);
bool weft_lm_batch_next(weft_batch *batch, struct weft_batch_result *out);

struct weft_batch_counters weft_lm_batch_counts(const weft_batch *batch);
weft_program *weft_lm_batch_program(const weft_batch *batch);
const weft_lm *weft_lm_batch_model(const weft_batch *batch);
#endif
