/// The families that are read from folders of Hugging Face, as rows.
///
/// Keys: the family's own rows go before the common ones. Names: the same. A member of config.json without a row
/// becomes the key "ARCH.config.NAME", which nobody knows, so that it is reported; a tensor without a row keeps its
/// name, so that it is refused by name when the model is built.
#include "model/hf_impl.h"

#include "core/error.h"
#include "model/source_build.h"

#include <string.h>

const char *const weft_hf_prefixes[] = {
    "model.language_model.", "language_model.model.", "language_model.", "model.", "transformer.", "bert.", "", NULL};

const struct weft_hf_key weft_hf_common_keys[] = {
    {"hidden_size", WEFT_HF_COUNT, "embedding_length", 0},
    {"num_hidden_layers", WEFT_HF_COUNT, "block_count", 0},
    {"intermediate_size", WEFT_HF_COUNT, "feed_forward_length", 0},
    {"num_attention_heads", WEFT_HF_COUNT, "attention.head_count", 0},
    {"num_key_value_heads", WEFT_HF_COUNT, "attention.head_count_kv", 0},
    {"max_position_embeddings", WEFT_HF_COUNT, "context_length", 0},
    {"rms_norm_eps", WEFT_HF_NUMBER, "attention.layer_norm_rms_epsilon", 0},
    {"vocab_size", WEFT_HF_COUNT, "vocab_size", 0},
    {"final_logit_softcapping", WEFT_HF_NUMBER, "final_logit_softcapping", 0},
    {"attn_logit_softcapping", WEFT_HF_NUMBER, "attn_logit_softcapping", 0},
    {"hidden_act", WEFT_HF_MUST, "silu", 0},
    {"is_decoder", WEFT_HF_SKIP, NULL, 0},
    // weft_hf_attention reads these
    {"head_dim", WEFT_HF_SKIP, NULL, 0},
    {"rope_theta", WEFT_HF_SKIP, NULL, 0},
    {"rope_local_base_freq", WEFT_HF_SKIP, NULL, 0},
    {"rope_scaling", WEFT_HF_SKIP, NULL, 0},
    {"rope_parameters", WEFT_HF_SKIP, NULL, 0},
    {"partial_rotary_factor", WEFT_HF_SKIP, NULL, 0},
    {"original_max_position_embeddings", WEFT_HF_SKIP, NULL, 0},
    {"query_pre_attn_scalar", WEFT_HF_SKIP, NULL, 0},
    {"sliding_window", WEFT_HF_SKIP, NULL, 0},
    {"use_sliding_window", WEFT_HF_SKIP, NULL, 0},
    {"sliding_window_pattern", WEFT_HF_SKIP, NULL, 0},
    {"_sliding_window_pattern", WEFT_HF_SKIP, NULL, 0},
    {"max_window_layers", WEFT_HF_SKIP, NULL, 0},
    {"layer_types", WEFT_HF_SKIP, NULL, 0},
    // said by what tensors there are
    {"tie_word_embeddings", WEFT_HF_SKIP, NULL, 0},
    {"attention_bias", WEFT_HF_SKIP, NULL, 0},
    {"mlp_bias", WEFT_HF_SKIP, NULL, 0},
    {"use_qk_norm", WEFT_HF_SKIP, NULL, 0},
    // of training, of other uses, and of the library
    {"model_type", WEFT_HF_SKIP, NULL, 0},
    {"architectures", WEFT_HF_SKIP, NULL, 0},
    {"_name_or_path", WEFT_HF_SKIP, NULL, 0},
    {"transformers_version", WEFT_HF_SKIP, NULL, 0},
    {"torch_dtype", WEFT_HF_SKIP, NULL, 0},
    {"dtype", WEFT_HF_SKIP, NULL, 0},
    {"use_cache", WEFT_HF_SKIP, NULL, 0},
    {"cache_implementation", WEFT_HF_SKIP, NULL, 0},
    {"initializer_range", WEFT_HF_SKIP, NULL, 0},
    {"attention_dropout", WEFT_HF_SKIP, NULL, 0},
    {"hidden_dropout", WEFT_HF_SKIP, NULL, 0},
    {"pretraining_tp", WEFT_HF_SKIP, NULL, 0},
    {"auto_map", WEFT_HF_SKIP, NULL, 0},
    {"return_dict", WEFT_HF_SKIP, NULL, 0},
    {"output_attentions", WEFT_HF_SKIP, NULL, 0},
    {"output_hidden_states", WEFT_HF_SKIP, NULL, 0},
    {"gradient_checkpointing", WEFT_HF_SKIP, NULL, 0},
    {"id2label", WEFT_HF_SKIP, NULL, 0},
    {"label2id", WEFT_HF_SKIP, NULL, 0},
    {"problem_type", WEFT_HF_SKIP, NULL, 0},
    {"task_specific_params", WEFT_HF_SKIP, NULL, 0},
    {"transformers.js_config", WEFT_HF_SKIP, NULL, 0},
    {"router_aux_loss_coef", WEFT_HF_SKIP, NULL, 0},
    {"router_jitter_noise", WEFT_HF_SKIP, NULL, 0},
    {"output_router_logits", WEFT_HF_SKIP, NULL, 0},
    // tokens: hf.c takes those that it needs
    {"bos_token_id", WEFT_HF_SKIP, NULL, 0},
    {"eos_token_id", WEFT_HF_SKIP, NULL, 0},
    {"pad_token_id", WEFT_HF_SKIP, NULL, 0},
    {"unk_token_id", WEFT_HF_SKIP, NULL, 0},
    {"sep_token_id", WEFT_HF_SKIP, NULL, 0},
    {"cls_token_id", WEFT_HF_SKIP, NULL, 0},
    {NULL, WEFT_HF_SKIP, NULL, 0},
};

const struct weft_hf_name weft_hf_common_names[] = {
    {"embed_tokens", "token_embd", WEFT_HF_AS_IT_IS},
    {"norm", "output_norm", WEFT_HF_FACTOR},
    {"lm_head", "output", WEFT_HF_AS_IT_IS},
    {"layers.#.input_layernorm", "blk.#.attn_norm", WEFT_HF_FACTOR},
    {"layers.#.post_attention_layernorm", "blk.#.ffn_norm", WEFT_HF_FACTOR},
    {"layers.#.self_attn.q_proj", "blk.#.attn_q", WEFT_HF_QUERY},
    {"layers.#.self_attn.k_proj", "blk.#.attn_k", WEFT_HF_KEY},
    {"layers.#.self_attn.v_proj", "blk.#.attn_v", WEFT_HF_AS_IT_IS},
    {"layers.#.self_attn.o_proj", "blk.#.attn_output", WEFT_HF_AS_IT_IS},
    {"layers.#.self_attn.qkv_proj", "blk.#.attn_qkv", WEFT_HF_AS_IT_IS},
    {"layers.#.self_attn.q_norm", "blk.#.attn_q_norm", WEFT_HF_FACTOR},
    {"layers.#.self_attn.k_norm", "blk.#.attn_k_norm", WEFT_HF_FACTOR},
    {"layers.#.mlp.gate_proj", "blk.#.ffn_gate", WEFT_HF_AS_IT_IS},
    {"layers.#.mlp.up_proj", "blk.#.ffn_up", WEFT_HF_AS_IT_IS},
    {"layers.#.mlp.down_proj", "blk.#.ffn_down", WEFT_HF_AS_IT_IS},
    {"layers.#.mlp.gate_up_proj", "blk.#.ffn_up", WEFT_HF_AS_IT_IS},
    // experts
    {"layers.#.mlp.gate", "blk.#.ffn_gate_inp", WEFT_HF_AS_IT_IS},
    {"layers.#.mlp.experts.*.gate_proj", "blk.#.ffn_gate_exps", WEFT_HF_AS_IT_IS},
    {"layers.#.mlp.experts.*.up_proj", "blk.#.ffn_up_exps", WEFT_HF_AS_IT_IS},
    {"layers.#.mlp.experts.*.down_proj", "blk.#.ffn_down_exps", WEFT_HF_AS_IT_IS},
    {"layers.#.mlp.shared_expert.gate_proj", "blk.#.ffn_gate_shexp", WEFT_HF_AS_IT_IS},
    {"layers.#.mlp.shared_expert.up_proj", "blk.#.ffn_up_shexp", WEFT_HF_AS_IT_IS},
    {"layers.#.mlp.shared_expert.down_proj", "blk.#.ffn_down_shexp", WEFT_HF_AS_IT_IS},
    {"layers.#.mlp.shared_expert_gate", "blk.#.ffn_gate_inp_shexp", WEFT_HF_VECTOR},
    {"layers.#.block_sparse_moe.gate", "blk.#.ffn_gate_inp", WEFT_HF_AS_IT_IS},
    {"layers.#.block_sparse_moe.experts.*.w1", "blk.#.ffn_gate_exps", WEFT_HF_AS_IT_IS},
    {"layers.#.block_sparse_moe.experts.*.w3", "blk.#.ffn_up_exps", WEFT_HF_AS_IT_IS},
    {"layers.#.block_sparse_moe.experts.*.w2", "blk.#.ffn_down_exps", WEFT_HF_AS_IT_IS},
    // parts beside the text model, and what is computed anew
    {"layers.#.self_attn.rotary_emb.inv_freq", NULL, WEFT_HF_AS_IT_IS},
    {"rotary_emb.inv_freq", NULL, WEFT_HF_AS_IT_IS},
    {"vision_tower.", NULL, WEFT_HF_AS_IT_IS},
    {"visual.", NULL, WEFT_HF_AS_IT_IS},
    {"multi_modal_projector.", NULL, WEFT_HF_AS_IT_IS},
    {"mtp.", NULL, WEFT_HF_AS_IT_IS},
    {NULL, NULL, WEFT_HF_AS_IT_IS},
};

static const struct weft_hf_key no_keys[] = {{NULL, WEFT_HF_SKIP, NULL, 0}};
static const struct weft_hf_name no_names[] = {{NULL, NULL, WEFT_HF_AS_IT_IS}};

// ---- gemma ---------------------------------------------------------------------------------------------------------

static const struct weft_hf_name gemma_names[] = {
    {"layers.#.post_attention_layernorm", "blk.#.post_attention_norm", WEFT_HF_FACTOR},
    {"layers.#.pre_feedforward_layernorm", "blk.#.ffn_norm", WEFT_HF_FACTOR},
    {"layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm", WEFT_HF_FACTOR},
    {NULL, NULL, WEFT_HF_AS_IT_IS},
};

static const struct weft_hf_key gemma2_keys[] = {
    {"hidden_activation", WEFT_HF_MUST, "gelu_pytorch_tanh", 0},
    {"hidden_act", WEFT_HF_MUST, "gelu_pytorch_tanh", 0},
    {"attn_logit_softcapping", WEFT_HF_NUMBER, "attn_logit_softcapping", 50},
    {"final_logit_softcapping", WEFT_HF_NUMBER, "final_logit_softcapping", 30},
    {"rms_norm_eps", WEFT_HF_NUMBER, "attention.layer_norm_rms_epsilon", 1e-6},
    {"head_dim", WEFT_HF_SKIP, NULL, 256},
    {"query_pre_attn_scalar", WEFT_HF_SKIP, NULL, 256},
    {"sliding_window", WEFT_HF_SKIP, NULL, 4096},
    {"sliding_window_pattern", WEFT_HF_SKIP, NULL, 2},
    {"use_bidirectional_attention", WEFT_HF_MUST, "false", 0},
    {NULL, WEFT_HF_SKIP, NULL, 0},
};

/// What the text parts of gemma 3's larger models leave out is in the library's defaults.
static const struct weft_hf_key gemma3_keys[] = {
    {"hidden_activation", WEFT_HF_MUST, "gelu_pytorch_tanh", 0},
    {"hidden_act", WEFT_HF_MUST, "gelu_pytorch_tanh", 0},
    {"max_position_embeddings", WEFT_HF_COUNT, "context_length", 131072},
    {"num_attention_heads", WEFT_HF_COUNT, "attention.head_count", 8},
    {"num_key_value_heads", WEFT_HF_COUNT, "attention.head_count_kv", 4},
    {"rms_norm_eps", WEFT_HF_NUMBER, "attention.layer_norm_rms_epsilon", 1e-6},
    {"head_dim", WEFT_HF_SKIP, NULL, 256},
    {"query_pre_attn_scalar", WEFT_HF_SKIP, NULL, 256},
    {"rope_theta", WEFT_HF_SKIP, NULL, 1e6},
    {"rope_local_base_freq", WEFT_HF_SKIP, NULL, 1e4},
    {"sliding_window", WEFT_HF_SKIP, NULL, 4096},
    {"sliding_window_pattern", WEFT_HF_SKIP, NULL, 6},
    {"use_bidirectional_attention", WEFT_HF_MUST, "false", 0},
    {NULL, WEFT_HF_SKIP, NULL, 0},
};

// ---- llama and its kin ---------------------------------------------------------------------------------------------

static const struct weft_hf_key mixtral_keys[] = {
    {"num_local_experts", WEFT_HF_COUNT, "expert_count", 8},
    {"num_experts_per_tok", WEFT_HF_COUNT, "expert_used_count", 2},
    {NULL, WEFT_HF_SKIP, NULL, 0},
};

/// GGUF files have no key for the layers without rotation, which is every fourth.
static const struct weft_hf_key smollm3_keys[] = {
    {"no_rope_layers", WEFT_HF_SKIP, NULL, 0},
    {"no_rope_layer_interval", WEFT_HF_MUST, "4", 0},
    {NULL, WEFT_HF_SKIP, NULL, 0},
};

static const struct weft_hf_key phi3_keys[] = {
    {"embd_pdrop", WEFT_HF_SKIP, NULL, 0},
    {"resid_pdrop", WEFT_HF_SKIP, NULL, 0},
    {NULL, WEFT_HF_SKIP, NULL, 0},
};

// ---- qwen ----------------------------------------------------------------------------------------------------------

static const struct weft_hf_key qwen2moe_keys[] = {
    {"num_experts", WEFT_HF_SKIP, NULL, 60},
    {"num_local_experts", WEFT_HF_SKIP, NULL, 0},
    {"num_experts_per_tok", WEFT_HF_COUNT, "expert_used_count", 4},
    {"moe_intermediate_size", WEFT_HF_COUNT, "expert_feed_forward_length", 1408},
    {"shared_expert_intermediate_size", WEFT_HF_COUNT, "expert_shared_feed_forward_length", 5632},
    {"norm_topk_prob", WEFT_HF_SKIP, NULL, 0},
    {"decoder_sparse_step", WEFT_HF_MUST, "1", 0},
    {"mlp_only_layers", WEFT_HF_MUST, "[]", 0},
    {"qkv_bias", WEFT_HF_SKIP, NULL, 0}, // said by what tensors there are
    {NULL, WEFT_HF_SKIP, NULL, 0},
};

static const struct weft_hf_key qwen3moe_keys[] = {
    {"num_experts", WEFT_HF_SKIP, NULL, 128},
    {"num_local_experts", WEFT_HF_SKIP, NULL, 0},
    {"num_experts_per_tok", WEFT_HF_COUNT, "expert_used_count", 8},
    {"moe_intermediate_size", WEFT_HF_COUNT, "expert_feed_forward_length", 768},
    {"norm_topk_prob", WEFT_HF_SKIP, NULL, 0},
    {"decoder_sparse_step", WEFT_HF_MUST, "1", 0},
    {"mlp_only_layers", WEFT_HF_MUST, "[]", 0},
    {NULL, WEFT_HF_SKIP, NULL, 0},
};

/// The number of experts has two names, by the library's version, and the weights of those that were chosen add up to 1
/// where the file says so.
static weft_status experts_more(struct weft_hf *hf) {
    const struct weft_json_value *norm = weft_hf_member(&hf->config, "norm_topk_prob");
    const char *key = weft_hf_key_name(hf, "expert_weights_norm");
    uint32_t count, local;
    WEFT_TRY(weft_hf_count(&hf->config, "num_local_experts", (uint32_t)weft_hf_fallback(hf, "num_experts"), &local));
    WEFT_TRY(weft_hf_count(&hf->config, "num_experts", local, &count));
    if (count != local && weft_hf_member(&hf->config, "num_local_experts"))
        return weft_fail(WEFT_ERR_FORMAT, "'num_experts' is %u and 'num_local_experts' %u", count, local);
    if (norm && norm->type != WEFT_JSON_BOOL)
        return weft_fail(WEFT_ERR_FORMAT, "'norm_topk_prob' is neither true nor false");
    if (!key) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the keys of a model");
    WEFT_TRY(weft_hf_put_count(hf, "expert_count", count));
    return weft_source_put_bool(hf->source, key, norm && norm->b);
}

static const struct weft_hf_key qwen35_keys[] = {
    {"linear_key_head_dim", WEFT_HF_COUNT, "ssm.state_size", 128},
    {"linear_num_key_heads", WEFT_HF_COUNT, "ssm.group_count", 16},
    {"linear_num_value_heads", WEFT_HF_COUNT, "ssm.time_step_rank", 32},
    {"linear_conv_kernel_dim", WEFT_HF_COUNT, "ssm.conv_kernel", 4},
    {"linear_value_head_dim", WEFT_HF_SKIP, NULL, 128},
    {"full_attention_interval", WEFT_HF_COUNT, "full_attention_interval", 4},
    {"attn_output_gate", WEFT_HF_MUST, "true", 0},
    {"mamba_ssm_dtype", WEFT_HF_SKIP, NULL, 0},
    {"mlp_only_layers", WEFT_HF_MUST, "[]", 0},
    {"mtp_num_hidden_layers", WEFT_HF_SKIP, NULL, 0},
    {"mtp_use_dedicated_embeddings", WEFT_HF_SKIP, NULL, 0},
    {NULL, WEFT_HF_SKIP, NULL, 0},
};

static weft_status qwen35_more(struct weft_hf *hf) {
    uint32_t size, heads;
    WEFT_TRY(weft_hf_count(&hf->config, "linear_value_head_dim", 128, &size));
    WEFT_TRY(weft_hf_count(&hf->config, "linear_num_value_heads", 32, &heads));
    if ((uint64_t)size * heads > UINT32_MAX)
        return weft_fail(WEFT_ERR_FORMAT, "%u value heads of %u elements are absurd", heads, size);
    return weft_hf_put_count(hf, "ssm.inner_size", size * heads);
}

static const struct weft_hf_name qwen35_names[] = {
    {"layers.#.post_attention_layernorm", "blk.#.post_attention_norm", WEFT_HF_FACTOR},
    {"layers.#.linear_attn.in_proj_qkv", "blk.#.attn_qkv", WEFT_HF_CHANNELS},
    {"layers.#.linear_attn.conv1d", "blk.#.ssm_conv1d", WEFT_HF_CHANNELS},
    {"layers.#.linear_attn.in_proj_z", "blk.#.attn_gate", WEFT_HF_VALUES},
    {"layers.#.linear_attn.in_proj_a", "blk.#.ssm_alpha", WEFT_HF_VALUE},
    {"layers.#.linear_attn.in_proj_b", "blk.#.ssm_beta", WEFT_HF_VALUE},
    {"layers.#.linear_attn.dt_bias", "blk.#.ssm_dt.bias", WEFT_HF_VALUE},
    {"layers.#.linear_attn.A_log", "blk.#.ssm_a", WEFT_HF_DECAY},
    {"layers.#.linear_attn.norm", "blk.#.ssm_norm", WEFT_HF_AS_IT_IS},
    {"layers.#.linear_attn.out_proj", "blk.#.ssm_out", WEFT_HF_OUT},
    {NULL, NULL, WEFT_HF_AS_IT_IS},
};

// ---- gpt-2 ---------------------------------------------------------------------------------------------------------

static const struct weft_hf_key gpt2_keys[] = {
    {"n_embd", WEFT_HF_COUNT, "embedding_length", 0},
    {"n_layer", WEFT_HF_COUNT, "block_count", 0},
    {"n_head", WEFT_HF_COUNT, "attention.head_count", 0},
    {"n_positions", WEFT_HF_COUNT, "context_length", 0},
    {"n_ctx", WEFT_HF_SKIP, NULL, 0},
    {"n_inner", WEFT_HF_SKIP, NULL, 0},
    {"layer_norm_epsilon", WEFT_HF_NUMBER, "attention.layer_norm_epsilon", 1e-5},
    {"activation_function", WEFT_HF_MUST, "gelu_new|gelu_pytorch_tanh", 0},
    {"scale_attn_weights", WEFT_HF_MUST, "true", 0},
    {"scale_attn_by_inverse_layer_idx", WEFT_HF_MUST, "false", 0},
    {"add_cross_attention", WEFT_HF_MUST, "false", 0},
    {"reorder_and_upcast_attn", WEFT_HF_SKIP, NULL, 0},
    {"attn_pdrop", WEFT_HF_SKIP, NULL, 0},
    {"embd_pdrop", WEFT_HF_SKIP, NULL, 0},
    {"resid_pdrop", WEFT_HF_SKIP, NULL, 0},
    {"summary_activation", WEFT_HF_SKIP, NULL, 0},
    {"summary_first_dropout", WEFT_HF_SKIP, NULL, 0},
    {"summary_proj_to_labels", WEFT_HF_SKIP, NULL, 0},
    {"summary_type", WEFT_HF_SKIP, NULL, 0},
    {"summary_use_proj", WEFT_HF_SKIP, NULL, 0},
    {NULL, WEFT_HF_SKIP, NULL, 0},
};

static weft_status gpt2_more(struct weft_hf *hf) {
    uint32_t width, inner;
    WEFT_TRY(weft_hf_count(&hf->config, "n_embd", 0, &width));
    WEFT_TRY(weft_hf_count(&hf->config, "n_inner", width < UINT32_MAX / 4 ? 4 * width : 0, &inner));
    return weft_hf_put_count(hf, "feed_forward_length", inner);
}

static const struct weft_hf_name gpt2_names[] = {
    {"wte", "token_embd", WEFT_HF_AS_IT_IS},
    {"wpe", "position_embd", WEFT_HF_AS_IT_IS},
    {"ln_f", "output_norm", WEFT_HF_AS_IT_IS},
    {"h.#.ln_1", "blk.#.attn_norm", WEFT_HF_AS_IT_IS},
    {"h.#.ln_2", "blk.#.ffn_norm", WEFT_HF_AS_IT_IS},
    {"h.#.attn.c_attn", "blk.#.attn_qkv", WEFT_HF_TRANSPOSED},
    {"h.#.attn.c_proj", "blk.#.attn_output", WEFT_HF_TRANSPOSED},
    {"h.#.mlp.c_fc", "blk.#.ffn_up", WEFT_HF_TRANSPOSED},
    {"h.#.mlp.c_proj", "blk.#.ffn_down", WEFT_HF_TRANSPOSED},
    {"h.#.attn.masked_bias", NULL, WEFT_HF_AS_IT_IS},
    {"h.#.attn", NULL, WEFT_HF_AS_IT_IS}, // "h.0.attn.bias" is the causal mask
    {NULL, NULL, WEFT_HF_AS_IT_IS},
};

// ---- bert ----------------------------------------------------------------------------------------------------------

static const struct weft_hf_key bert_keys[] = {
    {"hidden_act", WEFT_HF_MUST, "gelu", 0},
    {"layer_norm_eps", WEFT_HF_NUMBER, "attention.layer_norm_epsilon", 1e-12},
    {"position_embedding_type", WEFT_HF_MUST, "absolute", 0},
    {"is_decoder", WEFT_HF_MUST, "false", 0},
    {"add_cross_attention", WEFT_HF_MUST, "false", 0},
    {"type_vocab_size", WEFT_HF_SKIP, NULL, 0},
    {"hidden_dropout_prob", WEFT_HF_SKIP, NULL, 0},
    {"attention_probs_dropout_prob", WEFT_HF_SKIP, NULL, 0},
    {"classifier_dropout", WEFT_HF_SKIP, NULL, 0},
    {NULL, WEFT_HF_SKIP, NULL, 0},
};

static weft_status bert_more(struct weft_hf *hf) {
    const char *key = weft_hf_key_name(hf, "attention.causal");
    return key ? weft_source_put_bool(hf->source, key, false) : weft_fail(WEFT_ERR_NOMEM, "out of memory for keys");
}

static const struct weft_hf_name bert_names[] = {
    {"embeddings.word_embeddings", "token_embd", WEFT_HF_AS_IT_IS},
    {"embeddings.position_embeddings", "position_embd", WEFT_HF_AS_IT_IS},
    {"embeddings.token_type_embeddings", "token_types", WEFT_HF_AS_IT_IS},
    {"embeddings.LayerNorm", "token_embd_norm", WEFT_HF_AS_IT_IS},
    {"embeddings.position_ids", NULL, WEFT_HF_AS_IT_IS},
    {"encoder.layer.#.attention.self.query", "blk.#.attn_q", WEFT_HF_AS_IT_IS},
    {"encoder.layer.#.attention.self.key", "blk.#.attn_k", WEFT_HF_AS_IT_IS},
    {"encoder.layer.#.attention.self.value", "blk.#.attn_v", WEFT_HF_AS_IT_IS},
    {"encoder.layer.#.attention.output.dense", "blk.#.attn_output", WEFT_HF_AS_IT_IS},
    {"encoder.layer.#.attention.output.LayerNorm", "blk.#.attn_output_norm", WEFT_HF_AS_IT_IS},
    {"encoder.layer.#.intermediate.dense", "blk.#.ffn_up", WEFT_HF_AS_IT_IS},
    {"encoder.layer.#.output.dense", "blk.#.ffn_down", WEFT_HF_AS_IT_IS},
    {"encoder.layer.#.output.LayerNorm", "blk.#.layer_output_norm", WEFT_HF_AS_IT_IS},
    {"pooler.dense", NULL, WEFT_HF_AS_IT_IS},
    {"cls.", NULL, WEFT_HF_AS_IT_IS},
    {NULL, NULL, WEFT_HF_AS_IT_IS},
};

static const struct weft_hf_family families[] = {
    {"gemma2", "gemma2", gemma2_keys, gemma_names, WEFT_HF_PLUS_ONE, NULL},
    {"gemma3", "gemma3", gemma3_keys, gemma_names, WEFT_HF_PLUS_ONE, NULL},
    {"gemma3_text", "gemma3", gemma3_keys, gemma_names, WEFT_HF_PLUS_ONE, NULL},
    {"llama", "llama", no_keys, no_names, WEFT_HF_PAIRS, NULL},
    {"mistral", "llama", no_keys, no_names, WEFT_HF_PAIRS, NULL},
    {"mixtral", "llama", mixtral_keys, no_names, WEFT_HF_PAIRS, NULL},
    {"smollm3", "smollm3", smollm3_keys, no_names, WEFT_HF_PAIRS, NULL},
    {"phi3", "phi3", phi3_keys, no_names, 0, NULL},
    {"qwen2", "qwen2", no_keys, no_names, 0, NULL},
    {"qwen3", "qwen3", no_keys, no_names, 0, NULL},
    {"qwen2_moe", "qwen2moe", qwen2moe_keys, no_names, 0, experts_more},
    {"qwen3_moe", "qwen3moe", qwen3moe_keys, no_names, 0, experts_more},
    {"qwen3_5", "qwen35", qwen35_keys, qwen35_names, WEFT_HF_PLUS_ONE, qwen35_more},
    {"qwen3_5_text", "qwen35", qwen35_keys, qwen35_names, WEFT_HF_PLUS_ONE, qwen35_more},
    {"gpt2", "gpt2", gpt2_keys, gpt2_names, 0, gpt2_more},
    {"bert", "bert", bert_keys, bert_names, 0, bert_more},
};

const struct weft_hf_family *weft_hf_find(const char *type, size_t len) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strlen(families[i].type) == len && memcmp(families[i].type, type, len) == 0) return &families[i];
    return NULL;
}

void weft_hf_types(struct weft_str *out) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        weft_str_addf(out, "%s%s", i ? ", " : "", families[i].type);
}
