/// Gemma 3 text models (GGUF architecture "gemma3").
#include "model/decoder.h"

#include <math.h>

#define LAYERS_27B 62 // layers of the one size whose attention scale comes from the width and not from the head

/// Norms stand before and behind each branch; the residual x is f32 throughout, since it outgrows f16.
static weft_value layer(struct weft_model_build *m, uint32_t i, weft_value x) {
    const struct weft_model_config *c = m->config;
    struct weft_block_attention a = {
        .layer = i, .scale = c->attn_scale, .rope_factor = 1, .rope_base = c->rope_base_local};
    if (c->local[i]) {
        a.window = c->window;
    } else {
        a.rope_base = c->rope_base;
        a.rope_factor = c->rope_factor;
    }
    if (!c->scale_given && c->n_layer == LAYERS_27B) a.scale = 1 / sqrt((double)c->n_embd / c->n_head);
    weft_value h = weft_block_norm(m, weft_block_name(m, i, "attn_norm"), x, c->n_embd);
    h = weft_block_attention(m, &a, h);
    h = weft_block_norm(m, weft_block_name(m, i, "post_attention_norm"), h, c->n_embd);
    x = weft_block_add(m, weft_block_name(m, i, "attn_residual"), x, h);
    h = weft_block_norm(m, weft_block_name(m, i, "ffn_norm"), x, c->n_embd);
    h = weft_block_ffn(m, i, "gelu_tanh", h);
    h = weft_block_norm(m, weft_block_name(m, i, "post_ffw_norm"), h, c->n_embd);
    return weft_block_add(m, weft_block_name(m, i, "ffn_residual"), x, h);
}

static double embedding_scale(const struct weft_model_config *c) { return sqrt(c->n_embd); }

static const char *const honours[] = {"attention.sliding_window", "attention.sliding_window_pattern",
                                      "rope.freq_base_swa", "rope.local.freq_base", NULL};

const struct weft_decoder_family weft_gemma3_family = {
    .architecture = "gemma3", .honours = honours, .embedding_scale = embedding_scale, .layer = layer};
