/// Encoders of text as graphs: every token of a text sees all tokens of it, and each text becomes one vector.
///
/// One run takes B texts of at most L tokens. Symbols: B (1..batch), L (1..ctx), with B * L <= tokens. Inputs, in this
/// order:
///   ids      i32 [B, L]; behind a text's end anything within the vocabulary
///   length   u32 [B, 1]: tokens of each text, 1 to L
///   weights  f32 [B, L]: what each token counts for in its text's vector; a token of weight 0 is left out, and behind
///            a text's end all are 0
/// Output "embedding", f32 [B, n_embd]: sum over l of weights[b, l] * (what became of token l of text b).
///
/// No number of one text goes into another's, and nothing that stands behind a text's end goes into it, NaN and
/// infinities included.
///
/// Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2018.
#ifndef WEFT_MODEL_ENCODER_H
#define WEFT_MODEL_ENCODER_H
#include "model/blocks.h"

struct weft_encoder_params {
    uint32_t ctx;    ///< most tokens of a text, 1 to the model's
    uint32_t batch;  ///< most texts a run, at least 1
    uint32_t tokens; ///< most tokens a run, what stands behind ends included; at least ctx
};

/// Where the graph has its symbols, inputs and output: places among the symbols, and among what is put in and out.
struct weft_encoder_handles {
    uint32_t b, l;
    uint32_t ids, length, weights, embedding;
};

/// The graph of a file whose family is an encoder. `handles` may be NULL. Errors: INVALID (params), UNSUPPORTED (the
/// family is none; a tensor that nothing computes), and those of weft_block_weight. On failure *out is NULL.
weft_status weft_encoder_build(const struct weft_source *file, const struct weft_model_config *config,
                               const struct weft_encoder_params *params, struct weft_encoder_handles *handles,
                               struct weft_graph **out);
#endif
