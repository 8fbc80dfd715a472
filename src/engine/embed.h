/// Embeddings of texts by an encoder from a file: weights, tokenizer, program, and runs of texts of like lengths. What
/// users see of it, with its contracts, stands in weft/embed.h; here params are those of this release (core/params.h).
#ifndef WEFT_ENGINE_EMBED_H
#define WEFT_ENGINE_EMBED_H
#include "gpu/gpu.h"
#include "model/source.h"
#include "weft/embed.h"

#define WEFT_EMBED_TOKENS 2048 ///< most tokens of a text, where nothing is said
#define WEFT_EMBED_BATCH 4096  ///< most texts a run

weft_status weft_embed_open(weft_gpu *gpu, const char *path, const struct weft_embedder_params *params,
                            weft_embedder **out);
/// The same of a source, which the embedder closes, also where this fails.
weft_status weft_embed_open_source(weft_gpu *gpu, struct weft_source *source, const struct weft_embedder_params *params,
                                   weft_embedder **out);
void weft_embed_close(weft_embedder *e); ///< NULL is fine

/// All of it but `memory`.
void weft_embed_info(const weft_embedder *e, struct weft_embedder_info *out);
const struct weft_source *weft_embed_source(const weft_embedder *e);
const struct weft_tokenizer *weft_embed_tokenizer(const weft_embedder *e);
weft_program *weft_embed_program(const weft_embedder *e);

/// weft_embedder_run_ids. *stats, which is not NULL, gets all but `seconds`.
weft_status weft_embed_run(weft_embedder *e, const int32_t *ids, const size_t *counts, size_t n,
                           const struct weft_embed_params *params, float *vectors, struct weft_embed_stats *stats);

/// How `weft inspect` and an embedder compile an encoder. Fills in what is 0 of `params`; errors: INVALID.
struct weft_model_config;
struct weft_encoder_params;
weft_status weft_embed_sizes(const struct weft_model_config *config, const struct weft_gpu_caps *caps,
                             uint32_t model_tokens, const struct weft_embedder_params *params,
                             struct weft_encoder_params *out);
#endif
