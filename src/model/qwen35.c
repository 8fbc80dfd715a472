/// Qwen 3.5 text models (GGUF architecture "qwen35"): gated delta nets with a recurrent state, and every few layers
/// gated attention.
///
/// A recurrent layer, with Hk key heads, Hv value heads (a multiple), heads of dk and dv elements:
///   [q | k | v] = silu(conv(attn_qkv h)), causal, one filter of `taps` a channel     [T, 2 Hk dk + Hv dv]
///   decay = ssm_a * softplus(ssm_alpha h + ssm_dt), beta = sigmoid(ssm_beta h)       [T, Hv]
///   o = the gated delta rule over unit q and k, read with q / sqrt(dk)               [T, Hv, dv]
///   out = ssm_out (rms_norm(o) * silu(attn_gate h))
/// In files the value heads that share key head j are j, j + Hk, j + 2 Hk and so on: they share in turns. ssm_a holds
/// -exp(A_log).
///
/// Yang et al., "Gated Delta Networks: Improving Mamba2 with Delta Rule", 2024.
#include "model/blocks.h"

static weft_value op(struct weft_model_build *m, const char *name, uint32_t layer, const char *node, weft_value x) {
    return weft_bn(&m->b, name, weft_block_name(m, layer, node), &x, 1, NULL, 0);
}

static weft_value times(struct weft_model_build *m, uint32_t layer, const char *node, weft_value x, weft_value y) {
    return weft_bn(&m->b, "mul", weft_block_name(m, layer, node), (weft_value[]){x, y}, 2, NULL, 0);
}

/// A dense f32 state "kind.N", kept by slot if there are several.
static weft_value state(struct weft_model_build *m, uint32_t layer, const char *kind, const uint64_t *dims,
                        uint32_t rank) {
    const char *name = weft_arena_printf(&m->b.g->arena, "%s.%u", kind, layer);
    return weft_block_state(m, name, WEFT_F32, WEFT_STATE_DENSE, dims, rank);
}

/// Adds an operator of two outputs, of which 0 is a state's next version; gives output 1. The last two of `in`, count
/// and activity, are operands of several sequences only.
static weft_value stateful(struct weft_model_build *m, const char *name, const char *node, const weft_value *in,
                           uint32_t n_in, const struct weft_arg *args, uint32_t n_args) {
    weft_value outs[WEFT_MAX_OUTS] = {WEFT_NO_VALUE, WEFT_NO_VALUE};
    const struct weft_op *row = weft_op_find(m->b.g->ops, name);
    if (!m->slots) n_in -= 2;
    if (m->b.status == WEFT_OK) m->b.status = weft_graph_add(m->b.g, row, node, in, n_in, args, n_args, outs);
    return m->b.status == WEFT_OK ? outs[1] : WEFT_NO_VALUE;
}

/// [q | k | v] of all tokens behind the convolution.
static weft_value mixed(struct weft_model_build *m, uint32_t layer, weft_value h, uint64_t width) {
    const struct weft_model_config *c = m->config;
    weft_value x = weft_block_linear(m, weft_block_name(m, layer, "attn_qkv"), h, width, c->n_embd);
    weft_value past = state(m, layer, "conv", (uint64_t[]){c->ssm.taps - 1, width}, 2);
    weft_value filter = weft_block_weight(m, weft_block_name(m, layer, "ssm_conv1d"), width, c->ssm.taps);
    const struct weft_arg args[] = {{.name = "activation", .x = 1}, {.name = "layout", .x = 1}};
    return stateful(m, "causal_conv", weft_block_name(m, layer, "ssm_conv1d"),
                    (weft_value[]){past, x, filter, m->count, m->live}, 5, args, 2);
}

static weft_value recurrent(struct weft_model_build *m, uint32_t layer, weft_value h) {
    const struct weft_model_config *c = m->config;
    uint64_t keys = (uint64_t)c->ssm.n_key * c->ssm.key_dim, values = (uint64_t)c->ssm.n_value * c->ssm.value_dim;
    weft_value x = mixed(m, layer, h, 2 * keys + values);
    weft_value q = weft_block_columns(m, x, 0, keys), k = weft_block_columns(m, x, keys, keys);
    weft_value v = weft_block_columns(m, x, 2 * keys, values);
    weft_value z = weft_block_linear(m, weft_block_name(m, layer, "attn_gate"), h, values, c->n_embd);
    weft_value beta = weft_block_linear(m, weft_block_name(m, layer, "ssm_beta"), h, c->ssm.n_value, c->n_embd);
    weft_value decay = weft_block_linear(m, weft_block_name(m, layer, "ssm_alpha"), h, c->ssm.n_value, c->n_embd);
    weft_value shift = weft_block_tensor(m, weft_block_name(m, layer, "ssm_dt.bias"), 0, c->ssm.n_value);
    weft_value rate = weft_block_tensor(m, weft_block_name(m, layer, "ssm_a"), 0, c->ssm.n_value);
    decay = weft_block_add(m, weft_block_name(m, layer, "ssm_dt"), decay, shift);
    decay = times(m, layer, "ssm_a", op(m, "softplus", layer, "ssm_dt", decay), rate);
    weft_value past = state(m, layer, "recurrent", (uint64_t[]){c->ssm.n_value, c->ssm.value_dim, c->ssm.key_dim}, 3);
    const struct weft_arg args[] = {{.name = "q_heads", .x = c->ssm.n_key},
                                    {.name = "kv_heads", .x = c->ssm.n_value},
                                    {.name = "qk_l2_norm", .x = 1},
                                    {.name = "beta_activation", .x = 1},
                                    {.name = "sharing", .x = 1}};
    weft_value o = stateful(m, "gated_delta_net", weft_block_name(m, layer, "delta"),
                            (weft_value[]){past, q, k, v, decay, beta, m->count, m->live}, 8, args, 5);
    o = weft_block_norm(m, weft_block_name(m, layer, "ssm_norm"),
                        weft_block_heads(m, o, c->ssm.n_value, c->ssm.value_dim), c->ssm.value_dim);
    z = op(m, "silu", layer, "gate", weft_block_heads(m, z, c->ssm.n_value, c->ssm.value_dim));
    o = weft_block_flat(m, times(m, layer, "gated", o, z), values);
    return weft_block_linear(m, weft_block_name(m, layer, "ssm_out"), o, c->n_embd, values);
}

weft_value weft_qwen35_layer(struct weft_model_build *m, uint32_t i, weft_value x) {
    const struct weft_model_config *c = m->config;
    weft_value h = weft_block_norm(m, weft_block_name(m, i, "attn_norm"), x, c->n_embd);
    const struct weft_block_attention a = {.layer = i, .gated = true};
    h = c->recurrent[i] ? recurrent(m, i, h) : weft_block_attention(m, &a, h);
    x = weft_block_add(m, weft_block_name(m, i, "attn_residual"), x, h);
    h = weft_block_norm(m, weft_block_name(m, i, "post_attention_norm"), x, c->n_embd);
    h = weft_block_ffn(m, i, h);
    return weft_block_add(m, weft_block_name(m, i, "ffn_residual"), x, h);
}
