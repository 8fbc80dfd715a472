/// Decoder-only language models as graphs: what all families have in common. A family (gemma3.c, qwen35.c) gives the
/// layers; the table of families is in decoder.c.
///
/// One run takes T tokens at positions pos .. pos+T-1 and gives logits of its last R. Symbols: T (1..chunk), R
/// (0..chunk, at most T), P (1..ctx, at least pos + T: the host's bound of how far attention reaches). Variables: pos.
/// States: tokens (i32 [chunk]: what this run reads), and those of the layers (model/blocks.h).
#ifndef WEFT_MODEL_DECODER_H
#define WEFT_MODEL_DECODER_H
#include "model/blocks.h"

#define WEFT_LM_RING 4096 ///< slots of the state "ring": ids that were picked
#define WEFT_LM_STOPS 64  ///< words of the state "stops": a count, then ids

/// What a run ends with. All advance pos by T.
enum weft_lm_head {
    WEFT_LM_LOGITS,   ///< output "logits", f32 [R, vocab]
    WEFT_LM_NLL,      ///< state targets (i32 [chunk]); output "nll", f32 [R]: of targets[T-R .. T)
    WEFT_LM_GENERATE, ///< R is 0 or 1: picks a token from that row by ops/sample.c, whose states have its names for
                      ///< them, and leaves it in tokens[0] for the next run
};

struct weft_decoder_params {
    uint32_t ctx;   ///< 1 to the model's
    uint32_t chunk; ///< 1 to ctx
    bool cache_f16;
    enum weft_lm_head head;
    bool sampling; ///< GENERATE: the full sampler; else the most likely token
};

/// A family of models, by the name of its GGUF architecture.
struct weft_decoder_family {
    const char *architecture;
    /// Keys that change meaning and that this family reads beside those of all (model/keys.c), without prefix; NULL at
    /// the end.
    const char *const *honours;
    double (*embedding_scale)(const struct weft_model_config *config); ///< NULL: 1
    /// Layer i from the residual x [T, n_embd] to the next one.
    weft_value (*layer)(struct weft_model_build *m, uint32_t i, weft_value x);
};
extern const struct weft_decoder_family weft_gemma3_family, weft_qwen35_family;

/// The family of an architecture's name (not ended by NUL). Errors: UNSUPPORTED names it and those that are known.
weft_status weft_decoder_find(const struct weft_source *file, const char *name, size_t length,
                              const struct weft_decoder_family **out);

/// The graph of the family that config->arch names. Errors: INVALID (params), UNSUPPORTED (no such family), and those
/// of weft_block_weight. On failure *out is NULL.
weft_status weft_decoder_build(const struct weft_source *file, const struct weft_model_config *config,
                               const struct weft_decoder_params *params, struct weft_graph **out);
#endif
