/// Many sequences of one model in the same runs (continuous batching).
///
/// A batch has slots, each of which serves one sequence at a time; sequences wait until one is free, first come first
/// served. A run takes one token of each sequence that generates and fills up with chunks of prompts; where no prompt
/// is left, several runs go in one submit and feed themselves on the device. What a sequence gets depends on its own
/// ids, settings and seed: others share its runs, not its sums (docs/contracts.md says how far).
///
/// Nothing blocks but weft_lm_batch_step with `wait`. Thread-safety: one thread at a time uses a batch, and its model.
#ifndef WEFT_ENGINE_BATCH_H
#define WEFT_ENGINE_BATCH_H
#include "engine/lm.h"

typedef struct weft_lm_batch weft_lm_batch;

#define WEFT_BATCH_SLOTS 8 ///< where the caller does not say

struct weft_lm_batch_params {
    uint32_t slots; ///< 1 to WEFT_MAX_SEQUENCES; 0: WEFT_BATCH_SLOTS
    uint32_t ctx;   ///< of each sequence; 0: the model's
    uint32_t chunk; ///< most tokens of a run, at least `slots`; 0: chosen
    uint32_t runs;  ///< decode runs a submit, at most WEFT_LM_RUNS; 0: chosen from measured time
    /// Called with the `user` of a sequence that ends, behind its last id. May be NULL.
    void (*ended)(void *user);
};

/// A sequence that has ended, in the order in which they did.
struct weft_lm_batch_end {
    uint64_t id;
    weft_status status; ///< FORMAT: all logits of a row were NaN
    struct weft_generate_stats stats;
};

/// Compiles the program of a batch; weights are shared with what the model has. The model must outlive it. Errors:
/// INVALID (params), LIMIT (memory, context), those of compiling.
weft_status weft_lm_batch_create(weft_lm *lm, const struct weft_lm_batch_params *params, weft_lm_batch **out);
/// Sequences that have not ended are dropped.
void weft_lm_batch_destroy(weft_lm_batch **batch);

/// Queues a sequence that continues `n` ids. Callbacks of `params` come from weft_lm_batch_step and must not use the
/// batch but to add and to stop sequences. Errors: those of weft_lm_generate that need no device; NOMEM.
weft_status weft_lm_batch_add(weft_lm_batch *batch, const int32_t *ids, uint32_t n,
                              const struct weft_generate_params *params, uint64_t *id);
/// Ends a sequence as if its callback had returned false. Errors: NOT_FOUND (there is no such one, or it has ended).
weft_status weft_lm_batch_stop(weft_lm_batch *batch, uint64_t id);
/// Takes a sequence out of its slot for the sake of another; it waits in front of all others, and what it needs of its
/// past is computed again. Errors: NOT_FOUND (it has no slot).
weft_status weft_lm_batch_evict(weft_lm_batch *batch, uint64_t id);

/// Admits what waits, queues the next runs and passes on what earlier ones gave. With `wait` it returns once something
/// was passed on or nothing is left; without it never waits. *left, which may be NULL, is how many sequences have not
/// ended. After an error the batch goes on with what is left: sequences that had a slot wait again.
weft_status weft_lm_batch_step(weft_lm_batch *batch, bool wait, size_t *left);
/// The next sequence that has ended; false: there is none.
bool weft_lm_batch_next(weft_lm_batch *batch, struct weft_lm_batch_end *out);

/// What a batch has done so far.
struct weft_lm_batch_counts {
    uint64_t runs, tokens; ///< queued; tokens of prompts and of sequences
    uint64_t reused;       ///< tokens of prompts that a slot held from before
    uint64_t evicted;
};
struct weft_lm_batch_counts weft_lm_batch_counts(const weft_lm_batch *batch);
weft_program *weft_lm_batch_program(const weft_lm_batch *batch);
uint32_t weft_lm_batch_ctx(const weft_lm_batch *batch);
#endif
