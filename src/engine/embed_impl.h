/// What the files of the embedder share. Only engine/ includes this.
#ifndef WEFT_ENGINE_EMBED_IMPL_H
#define WEFT_ENGINE_EMBED_IMPL_H
#include "engine/embed.h"
#include "exec/session.h"
#include "model/encoder.h"
#include "model/pooling.h"
#include "model/tokenizer/tokenizer.h"

struct weft_embedder {
    weft_gpu *gpu;
    struct weft_source *file;
    struct weft_tokenizer *tokenizer;
    struct weft_model_config config;
    struct weft_pooling_config pooling;
    struct weft_embedder_params params;
    struct weft_encoder_params build;
    struct weft_encoder_handles at;
    weft_program *program;
    weft_session *session;
};
#endif
