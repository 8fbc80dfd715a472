#!/usr/bin/env python3
"""Logits of the models of make_family.py by another implementation, written to tests/model/families/NAME.txt: the
tests compare ours with them to 1e-3; and its config.json, as NAME.json. Needs the packages torch, transformers and
gguf; the tests need none of them.

    scripts/family_oracle.py MODELS [NAME...]    MODELS: a folder that make_family.py wrote

A file has the ids, the numbers of some columns on a line, and then the logits of these columns, a line for each token.
The context, 48 tokens, is longer than all windows and than what rotation is stretched from; NAME.short.txt of models
with lists has a context of 24.
"""
import json
import os
import sys
import tempfile

import gguf
import torch
import transformers as hf

from make_family import CTX, MODELS, VOCAB, Model

TOKENS, SHORT, COLUMNS = 48, 24, range(1, VOCAB, 29)


def ids(n):
    seed, out = 7, []
    for _ in range(n):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((seed >> 33) % VOCAB)
    return out


def tensors(path):
    dequantised = gguf.quants.dequantize
    return {t.name: torch.tensor(dequantised(t.data, t.tensor_type)) for t in gguf.GGUFReader(path).tensors}


def pairs_apart(x, m, heads):
    """Rows of a head from neighbours that are a pair to halves that are: converters do the opposite."""
    if getattr(m, "pairing", "neox") == "neox":
        return x
    rest = x.shape[1:]
    return x.reshape(heads, m.head_dim // 2, 2, *rest).transpose(1, 2).reshape(heads * m.head_dim, *rest)


def rope(m):
    r = {"rope_type": "default", "rope_theta": m.base}
    if m.linear:
        r.update(rope_type="linear", factor=m.linear)
    if m.yarn:
        r.update(rope_type="yarn", factor=m.yarn, original_max_position_embeddings=m.original)
    if m.llama3:
        r.update(rope_type="llama3", factor=m.llama3["factor"], low_freq_factor=m.llama3["low"],
                 high_freq_factor=m.llama3["high"], original_max_position_embeddings=m.original)
    if m.lists:
        r.update(rope_type="longrope", short_factor=m.lists["short"], long_factor=m.lists["long"],
                 original_max_position_embeddings=m.original)
    if m.rotated != m.head_dim:
        r["partial_rotary_factor"] = m.rotated / m.head_dim
    return r


def build(m, t):
    common = dict(vocab_size=VOCAB, hidden_size=m.embd, intermediate_size=m.ff, num_hidden_layers=m.layers,
                  num_attention_heads=m.heads, num_key_value_heads=m.kv, rms_norm_eps=m.eps,
                  max_position_embeddings=CTX, tie_word_embeddings=not m.head, pad_token_id=0, bos_token_id=1,
                  eos_token_id=2, attn_implementation="eager")
    full = dict(common, head_dim=m.head_dim, rope_parameters=rope(m))
    if m.experts:
        full["experts_implementation"] = "eager"  # the others take no doubles
    family = m.arch if not m.window or m.arch != "llama" else "mistral"
    if family == "llama" and m.experts:
        return hf.MixtralForCausalLM(hf.MixtralConfig(num_local_experts=m.experts[0],
                                                      num_experts_per_tok=m.experts[1], **full))
    if family == "llama":
        return hf.LlamaForCausalLM(hf.LlamaConfig(attention_bias="qkv" in m.biases, mlp_bias="ffn" in m.biases, **full))
    if family == "mistral":
        return hf.MistralForCausalLM(hf.MistralConfig(sliding_window=m.window, **full))
    if family == "qwen2":
        return hf.Qwen2ForCausalLM(hf.Qwen2Config(**dict(full, use_sliding_window=False)))
    if family == "qwen3":
        return hf.Qwen3ForCausalLM(hf.Qwen3Config(**dict(full, use_sliding_window=False)))
    if family == "gemma2":
        return hf.Gemma2ForCausalLM(hf.Gemma2Config(
            sliding_window=m.window, query_pre_attn_scalar=m.head_dim, attn_logit_softcapping=m.softcaps[0],
            final_logit_softcapping=m.softcaps[1], **full))
    if family == "gemma3":
        full["rope_parameters"] = {"full_attention": rope(m), "sliding_attention": {"rope_type": "default",
                                                                                    "rope_theta": m.local_base}}
        return hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(sliding_window=m.window, query_pre_attn_scalar=m.head_dim,
                                                        **full))
    if family == "phi3":
        return hf.Phi3ForCausalLM(hf.Phi3Config(**dict(common, rope_parameters=rope(m), sliding_window=m.window or None,
                                                       original_max_position_embeddings=m.original)))
    if family == "qwen2moe":
        return hf.Qwen2MoeForCausalLM(hf.Qwen2MoeConfig(
            num_experts=m.experts[0], num_experts_per_tok=m.experts[1], moe_intermediate_size=m.expert_ff,
            shared_expert_intermediate_size=m.shared_ff, **full))
    if family == "qwen3moe":
        return hf.Qwen3MoeForCausalLM(hf.Qwen3MoeConfig(
            num_experts=m.experts[0], num_experts_per_tok=m.experts[1], moe_intermediate_size=m.expert_ff,
            norm_topk_prob=True, **full))
    if family == "smollm3":
        return hf.SmolLM3ForCausalLM(hf.SmolLM3Config(use_sliding_window=False, no_rope_layer_interval=4,
                                                      **dict(common, rope_parameters=rope(m))))
    return hf.GPT2LMHeadModel(hf.GPT2Config(
        vocab_size=VOCAB, n_positions=CTX, n_embd=m.embd, n_layer=m.layers, n_head=m.heads, n_inner=m.ff,
        layer_norm_epsilon=m.eps, activation_function="gelu_new", bos_token_id=1, eos_token_id=2,
        attn_implementation="eager"))


NAMES = {  # by tensor of a layer: the module, for gpt2 and for all others
    "attn_norm": ("ln_1", "input_layernorm"), "attn_q": (None, "self_attn.q_proj"),
    "attn_k": (None, "self_attn.k_proj"), "attn_v": (None, "self_attn.v_proj"),
    "attn_qkv": ("attn.c_attn", "self_attn.qkv_proj"), "attn_output": ("attn.c_proj", "self_attn.o_proj"),
    "attn_q_norm": (None, "self_attn.q_norm"), "attn_k_norm": (None, "self_attn.k_norm"),
    "ffn_norm": ("ln_2", "post_attention_layernorm"), "ffn_gate": (None, "mlp.gate_proj"),
    "ffn_gate_inp": (None, "mlp.gate"), "ffn_gate_inp_shexp": (None, "mlp.shared_expert_gate"),
    "ffn_gate_shexp": (None, "mlp.shared_expert.gate_proj"), "ffn_up_shexp": (None, "mlp.shared_expert.up_proj"),
    "ffn_down_shexp": (None, "mlp.shared_expert.down_proj"),
    "ffn_up": ("mlp.c_fc", "mlp.up_proj"), "ffn_down": ("mlp.c_proj", "mlp.down_proj"),
    "post_attention_norm": (None, "post_attention_layernorm"), "post_ffw_norm": (None, "post_feedforward_layernorm"),
}


def stacked(out, at, part, x):
    """Gate and up lie in one tensor, in this order; files have the gate's first."""
    if part == "ffn_down_exps":
        out[at + "down_proj"] = x
    elif part == "ffn_gate_exps":
        out[at + "gate_up_proj"] = x
    else:
        out[at + "gate_up_proj"] = torch.cat((out[at + "gate_up_proj"], x), 1)


def state(m, t):
    gpt2, out = m.arch == "gpt2", {}
    for name, x in t.items():
        part, kind = name.split(".")[-2:]
        if part in ("rope_freqs", "rope_factors_short", "rope_factors_long"):
            continue
        if part in ("attn_q", "attn_k"):
            x = pairs_apart(x, m, m.heads if part == "attn_q" else m.kv)
        if part.endswith("_exps"):
            stacked(out, "model.layers.%s.mlp.experts." % name.split(".")[1], part, x)
            continue
        if part == "ffn_gate_inp_shexp":
            x = x.reshape(1, -1)
        if m.shifted and part.endswith("norm"):
            x = x - 1
        if gpt2 and name.startswith("blk") and "norm" not in part and kind == "weight":
            x = x.T
        module = {"token_embd": "transformer.wte" if gpt2 else "model.embed_tokens", "output": "lm_head",
                  "position_embd": "transformer.wpe", "output_norm": "transformer.ln_f" if gpt2 else "model.norm"}
        if name.startswith("blk"):
            layer = name.split(".")[1]
            inner = NAMES[part][0 if gpt2 else 1]
            if m.after and part == "ffn_norm":
                inner = "pre_feedforward_layernorm"
            if m.fused and part == "ffn_up" and not gpt2:
                inner = "mlp.gate_up_proj"
            out["%s.%s.%s.%s" % ("transformer.h" if gpt2 else "model.layers", layer, inner, kind)] = x
        else:
            out[module[part] + "." + kind] = x
    return out


def write(m, model, tokens, path):
    with torch.no_grad():
        y = model(torch.tensor([tokens])).logits[0]
    with open(path, "w") as f:
        for at in range(0, len(tokens), 24):
            f.write(" ".join(map(str, tokens[at:at + 24])) + "\n")
        f.write(" ".join(map(str, COLUMNS)) + "\n")
        for row in y:
            f.write(" ".join("%.5f" % row[c] for c in COLUMNS) + "\n")
    print(path, "logits up to %.2f" % y.abs().max(), "std %.2f" % y.std())


def config(model):
    """config.json as the library writes it beside weights in f32."""
    with tempfile.TemporaryDirectory() as folder:
        model.config.save_pretrained(folder)
        with open(os.path.join(folder, "config.json")) as f:
            c = json.load(f)
    return dict(sorted(dict(c, architectures=[type(model).__name__], dtype="float32").items()))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "model", "families")
    os.makedirs(folder, exist_ok=True)
    for name in sys.argv[2:] or MODELS:
        m = Model(name)
        t = tensors(os.path.join(sys.argv[1], name + ".gguf"))
        model = build(m, t)
        missing, unexpected = model.load_state_dict(state(m, t), strict=False)
        missing = [x for x in missing if not x.endswith(("lm_head.weight", ".attn.bias", ".masked_bias"))]
        if missing or unexpected:
            sys.exit("%s: missing %s, unexpected %s" % (name, missing, unexpected))
        model.tie_weights()
        model = model.eval().double() if not m.lists else model.eval()
        with open(os.path.join(folder, name + ".json"), "w") as f:
            f.write(json.dumps(config(model), indent=1) + "\n")
        write(m, model, ids(TOKENS), os.path.join(folder, name + ".txt"))
        if m.lists:
            write(m, model, ids(SHORT), os.path.join(folder, name + ".short.txt"))


main()
