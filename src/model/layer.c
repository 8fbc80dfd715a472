/// The layer that most families have, by the flags of their row (model/family.h).
#include "model/blocks.h"

/// x plus a branch, which has a norm of its own in some families. The residual is f32 throughout, since it may outgrow
/// f16.
static weft_value joined(struct weft_model_build *m, uint32_t i, const char *norm, const char *name, weft_value x,
                         weft_value branch) {
    if (m->config->family->norms_after)
        branch = weft_block_norm(m, weft_block_name(m, i, norm), branch, m->config->n_embd);
    return weft_block_add(m, weft_block_name(m, i, name), x, branch);
}

static weft_value experts(struct weft_model_build *m, uint32_t i, weft_value h) {
    const struct weft_model_config *c = m->config;
    const struct weft_block_experts e = {.layer = i,
                                         .count = c->experts.count,
                                         .used = c->experts.used,
                                         .width = c->experts.width,
                                         .act = c->family->act,
                                         .normalise = c->experts.sum_to_1,
                                         .scale = c->experts.scale,
                                         .shared = c->experts.shared};
    return weft_block_experts(m, &e, h);
}

weft_value weft_block_layer(struct weft_model_build *m, uint32_t i, weft_value x) {
    const struct weft_model_config *c = m->config;
    weft_value h = weft_block_norm(m, weft_block_name(m, i, "attn_norm"), x, c->n_embd);
    h = weft_block_attention(m, &(struct weft_block_attention){.layer = i}, h);
    x = joined(m, i, "post_attention_norm", "attn_residual", x, h);
    h = weft_block_norm(m, weft_block_name(m, i, "ffn_norm"), x, c->n_embd);
    h = c->experts.count ? experts(m, i, h) : weft_block_ffn(m, i, h);
    return joined(m, i, "post_ffw_norm", "ffn_residual", x, h);
}
