/// A language model from a file: weights, tokenizer, programs; generation and perplexity on top of exec/.
#ifndef WEFT_ENGINE_LM_H
#define WEFT_ENGINE_LM_H
#include "exec/session.h"
#include "model/source.h"
#include "model/tokenizer/tokenizer.h"
#include "weft/model.h" // weft_sampling, weft_generate_stats, enum weft_stop_reason

typedef struct weft_model weft_lm; ///< what users see as a model is this object

#define WEFT_LM_RUNS 64 ///< decode runs a submit, at most

struct weft_lm_params {
    uint32_t ctx;   ///< tokens of context; 0: min(model's, 4096)
    uint32_t chunk; ///< most prompt tokens a run; 0: 64 on a CPU driver, 512 on a GPU
    bool cache_f16; ///< f16 KV cache (a printed mode; default f32)
    bool sampling;  ///< compile the full sampler (else greedy only: fewer, smaller kernels)
    /// Decode runs a submit, at most WEFT_LM_RUNS; 0: chosen from measured time, 1 on a CPU driver and at least 8 on a
    /// GPU.
    uint32_t runs;
    bool lazy;             ///< compile nothing in weft_lm_open: for callers that only score; weft_lm_program is NULL
    uint64_t memory_limit; ///< refuse before allocating if more would be needed; 0: no limit but the device's
    void (*progress)(void *user, enum weft_progress_stage stage, uint64_t done, uint64_t total);
    void *progress_user;
    const struct weft_cancel *cancel; ///< of all that takes long; generation ends as by its own
};

struct weft_generate_params {
    struct weft_sampling sampling;
    uint32_t max_tokens; ///< 0: until the context is full
    const int32_t *stop_ids;
    uint32_t n_stop_ids; ///< in addition to the model's own
    bool ignore_stops;   ///< the model's own stop tokens are tokens like others (benchmarks)
    bool reuse;          ///< what the caches hold of `ids`, from the call before, is not fed again (engine/held.h)
    /// Called with each new id in order, from the calling thread; return false to stop. The stop token itself is not
    /// passed on.
    bool (*token)(void *user, int32_t id);
    void *user;
    const struct weft_cancel *cancel; ///< when set: stop soon, with the statistics so far
};

/// Opens a model's file or folder on a device. Errors name the key, tensor or limit.
weft_status weft_lm_open(weft_gpu *gpu, const char *path, const struct weft_lm_params *params, weft_lm **out);
/// The same of a source, which the model closes, also where this fails.
weft_status weft_lm_open_source(weft_gpu *gpu, struct weft_source *source, const struct weft_lm_params *params,
                                weft_lm **out);
void weft_lm_close(weft_lm **lm);
const struct weft_source *weft_lm_source(const weft_lm *lm);
const struct weft_tokenizer *weft_lm_tokenizer(const weft_lm *lm);
weft_program *weft_lm_program(const weft_lm *lm); ///< of generation
uint32_t weft_lm_ctx(const weft_lm *lm);
bool weft_lm_samples(const weft_lm *lm); ///< it was opened with `sampling`

/// Compiles what generation needs if that is not done yet (`lazy`). Errors: those of weft_lm_open.
weft_status weft_lm_prepare_generate(weft_lm *lm);

/// Generates after `ids` (BOS included by the caller). ERR_LIMIT if the prompt does not fit the context; one that fills
/// it gets no new token (WEFT_STOP_CONTEXT). ERR_FORMAT if all logits of a row are NaN.
weft_status weft_lm_generate(weft_lm *lm, const int32_t *ids, uint32_t n, const struct weft_generate_params *params,
                             struct weft_generate_stats *stats);

/// What generation says of these parameters. Errors: INVALID (names the one outside its range).
weft_status weft_lm_check_sampling(const struct weft_sampling *sampling);

/// Perplexity as spec'd: text tokenised once with BOS, chunks of `n_ctx`, first token replaced by BOS, second half
/// scored. `each` may be NULL; it gets the running figure after every chunk.
weft_status weft_lm_perplexity(weft_lm *lm, const int32_t *ids, uint32_t n, uint32_t n_ctx, uint32_t max_chunks,
                               void (*each)(void *user, uint32_t chunk, uint32_t chunks, double figure), void *user,
                               double *figure);

/// Logits of every position of `ids` (teacher forcing, from an empty cache) in runs of `chunk` tokens: n * vocab
/// floats.
weft_status weft_lm_logits(weft_lm *lm, const int32_t *ids, uint32_t n, uint32_t chunk, float *logits);
#endif
