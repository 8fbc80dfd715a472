/// Several texts of one model at once: prompts in, replies out, in the same runs of the device.
///
/// A batch has slots, each of which generates one text at a time; what is added beyond waits, first come first served.
/// A run takes a token of each text that generates and pieces of the prompts that are not read yet, so that a new
/// prompt does not hold the others up, and a text that ends makes room at once. Weights are read once a run for all:
/// sixteen texts take much less than sixteen times as long as one. Each text has sampling settings, stops and a seed of
/// its own.
///
///     weft_batch_create(model, &(struct weft_batch_params){.slots = 8}, &batch);
///     for (i = 0; i < n; i++) weft_batch_add(batch, prompt[i], strlen(prompt[i]), &params[i], &id[i]);
///     do weft_batch_step(batch, true, &left); while (left);      // callbacks get the texts
///     while (weft_batch_next(batch, &result)) ...                // how each one ended
///
/// docs/batch.md is the guide.
#ifndef WEFT_BATCH_H
#define WEFT_BATCH_H
#include "weft/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Thread-safety: one thread at a time uses a batch, and its model.
typedef struct weft_batch weft_batch;

/// Zero is the default of each field.
struct weft_batch_params {
    size_t struct_size; ///< WEFT_SIZED, or 0 (weft/version.h)
    uint32_t slots;     ///< texts at once, at most 64; 0: 8
    uint32_t ctx;       ///< tokens of each, prompt and new ones together; 0: the model's
    uint32_t chunk;     ///< most tokens of a run, at least `slots`; 0: 64 on a CPU driver, 512 on a GPU
    uint32_t runs;      ///< decode runs a submit, at most 64; 0: by measured time
};

/// How a text ended.
struct weft_batch_result {
    uint64_t id;
    weft_status status; ///< OK; FORMAT: all logits were NaN, so that there was no next token
    struct weft_generate_stats stats;
    uint64_t reserved[4]; ///< zero
};

struct weft_batch_counters {
    uint64_t runs, tokens;  ///< that were queued; a token of a prompt or of a text in a run
    uint64_t reused_tokens; ///< of prompts, that a slot held from a text before
    uint64_t evicted;       ///< times that a text lost its slot and went on later
    uint64_t reserved[4];   ///< zero
};

/// Makes a batch: compiles its program; weights are shared with the model, which must outlive it. `params` may be NULL.
/// On failure *out is NULL. Errors: INVALID (params), LIMIT (memory or context), NOMEM, DEVICE, LOST.
WEFT_API weft_status weft_batch_create(weft_model *model, const struct weft_batch_params *params, weft_batch **out);
/// Frees a batch, and drops texts that have not ended; sets *batch to NULL. NULL, or a pointer to NULL, is fine.
WEFT_API void weft_batch_destroy(weft_batch **batch);

/// Adds a text that continues a prompt (`length` bytes); *id, which may be NULL, names it. Nothing of it blocks.
/// `params` may be NULL; what it points to is copied, but `user` and `cancel`. Its callbacks come from
/// weft_batch_step; of the batch they may call weft_batch_add and weft_batch_stop alone. Errors: those of
/// weft_model_generate that need no device; NOMEM.
WEFT_API weft_status weft_batch_add(weft_batch *batch, const char *prompt, size_t length,
                                    const struct weft_model_generate_params *params, uint64_t *id);
/// The same after `count` ids, BOS included by the caller.
WEFT_API weft_status weft_batch_add_ids(weft_batch *batch, const int32_t *ids, size_t count,
                                        const struct weft_model_generate_params *params, uint64_t *id);
/// Ends a text soon: no callback comes any more, and its result says WEFT_STOP_CALLER. Errors: NOT_FOUND (no such text,
/// or it has ended).
WEFT_API weft_status weft_batch_stop(weft_batch *batch, uint64_t id);

/// One step: gives free slots to what waits, queues runs, and passes on what earlier ones gave. With `wait` it returns
/// when something was passed on, or nothing is left; without, it never waits, for loops that have other work. *left,
/// which may be NULL, is the number of texts that have not ended. After an error the texts that had slots wait again,
/// and go on from their ids. Texts whose `cancel` is set end as by weft_batch_stop, and all do where that of
/// weft_model_params is. Errors: DEVICE, LOST, NOMEM, LIMIT (no room for even one text).
WEFT_API weft_status weft_batch_step(weft_batch *batch, bool wait, size_t *left);
/// Takes the next result, in the order in which texts ended; false if there is none.
WEFT_API bool weft_batch_next(weft_batch *batch, struct weft_batch_result *out);

/// Fills *out.
WEFT_API weft_status weft_batch_counters(const weft_batch *batch, struct weft_batch_counters *out);
/// The batch's program, to look at; it stays the batch's. NULL for NULL.
WEFT_API weft_program *weft_batch_program(const weft_batch *batch);

#ifdef __cplusplus
}
#endif
#endif
