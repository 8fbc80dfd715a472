/// How the vectors of a text's tokens become the text's: from the keys of a model.
///
///   ARCH.pooling_type          of GGUF files: 0 (they say nothing), 1 mean, 2 the first token's, 3 the last one's
///   ARCH.embedding.pooling     a kind that Weft does not compute, by name
///   ARCH.embedding.normalize   whether vectors are divided by their length; true where a model says nothing
///   ARCH.embedding.max_tokens  where texts are cut, which may be below the model's context
/// The last three come from folders of Sentence Transformers (hf_pooling.c).
#ifndef WEFT_MODEL_POOLING_H
#define WEFT_MODEL_POOLING_H
#include "model/config.h"
#include "weft/embed.h" // enum weft_pooling

struct weft_pooling_config {
    enum weft_pooling pooling; ///< WEFT_POOLING_MODEL: the model does not say
    char unknown[64];          ///< the model's own kind, if Weft does not compute it; else ""
    bool normalize;
    uint32_t max_tokens; ///< of a text, 1 to the model's context
};

/// Errors: FORMAT (names the key), UNSUPPORTED (a model that ranks instead).
weft_status weft_pooling_read(const struct weft_source *file, const struct weft_model_config *config,
                              struct weft_pooling_config *out);

/// What each of n tokens (n >= 1) counts for. `pooling` is none of the model's own.
void weft_pooling_weights(enum weft_pooling pooling, uint32_t n, float *weights);
#endif
