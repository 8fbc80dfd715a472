/// A language model from a file: weights, tokenizer, programs; generation and perplexity on top of exec/.
#ifndef WEFT_ENGINE_LM_H
#define WEFT_ENGINE_LM_H
#include "exec/session.h"
#include "model/source.h"
#include "model/tokenizer/tokenizer.h"
#include "weft/model.h" // params, results and callbacks are those of users

typedef struct weft_model weft_lm; ///< what users see as a model is this object

/// Opens a model's file or folder on a device. `params` are those of users, whole (core/params.h); NULL: defaults.
/// Errors name the key, tensor or limit.
weft_status weft_lm_open(weft_gpu *gpu, const char *path, const struct weft_model_params *params, weft_lm **out);
/// The same of a source, which the model closes, also where this fails.
weft_status weft_lm_open_source(weft_gpu *gpu, struct weft_source *source, const struct weft_model_params *params,
                                weft_lm **out);
void weft_lm_close(weft_lm **lm);
const struct weft_source *weft_lm_source(const weft_lm *lm);
const struct weft_tokenizer *weft_lm_tokenizer(const weft_lm *lm);
weft_program *weft_lm_program(const weft_lm *lm); ///< of generation
uint32_t weft_lm_ctx(const weft_lm *lm);
bool weft_lm_samples(const weft_lm *lm); ///< it was not opened as greedy

/// Compiles what generation needs if that is not done yet (`lazy`). Errors: those of weft_lm_open.
weft_status weft_lm_prepare_generate(weft_lm *lm);

/// What weft_model_generate_ids says, of params that were taken (core/params.h). `stats` may be NULL.
weft_status weft_lm_generate(weft_lm *lm, const int32_t *ids, size_t n, const struct weft_model_generate_params *params,
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
