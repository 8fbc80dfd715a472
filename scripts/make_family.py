#!/usr/bin/env python3
"""Writes tiny language models with random weights, one for each way in which the rows of src/model/families.c differ,
as GGUF files. The same name gives the same bytes. For tests; they speak no language. What they compute is checked
against another implementation: scripts/family_oracle.py.

    scripts/make_family.py FOLDER [NAME...]      all of them, or some
"""
import math
import os
import sys

from gguf_writer import Writer, tokenizer

VOCAB, CTX = 320, 128

# What a model has beyond the defaults of `Model`. Names begin with that of their row where it differs from `arch`.
MODELS = {
    "llama": dict(arch="llama", pairing="normal", head=True),
    "llama-freqs": dict(arch="llama", pairing="normal", base=1000.0, llama3=dict(factor=8.0, low=1.0, high=4.0)),
    "llama-keys": dict(arch="llama", pairing="normal", base=1000.0, llama3=dict(factor=8.0, low=1.0, high=4.0),
                       freqs=False),
    "llama-biases": dict(arch="llama", pairing="normal", biases="qkv output ffn", linear=4.0),
    "mistral": dict(arch="llama", pairing="normal", head=True, head_dim=16, window=9),
    "qwen2": dict(arch="qwen2", biases="qkv", eps=1e-6),
    "qwen2-yarn": dict(arch="qwen2", biases="qkv", head=True, base=1000.0, yarn=4.0),
    "qwen3": dict(arch="qwen3", head_dim=20, head_norms=True, eps=1e-6, base=1e6),
    "mixtral": dict(arch="llama", pairing="normal", head=True, experts=(6, 2)),
    "qwen2moe": dict(arch="qwen2moe", biases="qkv", eps=1e-6, experts=(7, 3), expert_ff=20, shared_ff=28),
    "qwen3moe": dict(arch="qwen3moe", head_dim=20, head_norms=True, eps=1e-6, base=1e6, head=True, experts=(9, 4),
                     expert_ff=24),
    "gemma3": dict(arch="gemma3", head_dim=16, head_norms=True, after=True, shifted=True, layers=7, window=8,
                   linear=8.0, base=1e6, local_base=1e4, heads=6, kv=3, eps=1e-6),
    "gemma2": dict(arch="gemma2", head_dim=16, after=True, shifted=True, layers=4, window=8, softcaps=(5.0, 3.0),
                   eps=1e-6),
    "phi3": dict(arch="phi3", head=True, fused=True, window=11),
    "phi3-lists": dict(arch="phi3", fused=True, rotated=8, base=1000.0,
                       lists=dict(short=[1.0, 1.1, 1.3, 1.2], long=[1.0, 2.5, 4.5, 7.0])),
    "phi3-q8": dict(arch="phi3", head=True, fused=True, quantised=True, embd=64, head_dim=16, ff=96, layers=2),
    "smollm3": dict(arch="smollm3", pairing="normal", layers=5, base=1e6, eps=1e-6),
    "gpt2": dict(arch="gpt2", norm="layer", positions=True, gate=False, fused=True, kv=4,
                 biases="qkv output ffn"),
}


class Model:
    def __init__(self, name):
        self.embd, self.heads, self.kv, self.head_dim, self.ff, self.layers = 48, 4, 2, 12, 80, 3
        self.base, self.eps, self.original = 10000.0, 1e-5, 32
        self.norm, self.positions, self.gate, self.fused = "rms", False, True, False
        self.head = self.head_norms = self.after = self.shifted = self.quantised = False
        self.biases, self.window, self.local_base, self.rotated = "", 0, 0.0, 0
        self.linear = self.yarn = 0.0
        self.llama3, self.freqs, self.lists = None, True, None
        self.softcaps = None
        self.experts, self.expert_ff, self.shared_ff = None, 0, 0
        self.name = name
        self.__dict__.update(MODELS[name])
        self.rotated = self.rotated or self.head_dim

    def freq_factors(self):
        """Llama 3's rule, as converters write it into a tensor: what each pair's frequency is divided by."""
        out = []
        for i in range(self.rotated // 2):
            positions = 2 * math.pi * self.base ** (2 * i / self.rotated)
            share = (self.original / positions - self.llama3["low"]) / (self.llama3["high"] - self.llama3["low"])
            share = min(max(share, 0.0), 1.0)
            out.append(1 / (share + (1 - share) / self.llama3["factor"]))
        return out


def keys(w, m):
    def name(x):
        return m.arch + "." + x

    w.string("general.architecture", m.arch)
    w.string("general.name", m.name + " of random weights")
    for key, x in (("context_length", CTX), ("embedding_length", m.embd), ("block_count", m.layers),
                   ("feed_forward_length", m.ff), ("attention.head_count", m.heads)):
        w.u32(name(key), x)
    if m.kv != m.heads:
        w.u32(name("attention.head_count_kv"), m.kv)
    if m.head_dim * m.heads != m.embd:
        w.u32(name("attention.key_length"), m.head_dim)
        w.u32(name("attention.value_length"), m.head_dim)
    w.f32(name("attention.layer_norm_rms_epsilon" if m.norm == "rms" else "attention.layer_norm_epsilon"), m.eps)
    if not m.positions:
        w.u32(name("rope.dimension_count"), m.rotated)
        w.f32(name("rope.freq_base"), m.base)
    if m.window:
        w.u32(name("attention.sliding_window"), m.window)
    if m.local_base:
        w.f32(name("rope.freq_base_swa"), m.local_base)
    if m.experts:
        w.u32(name("expert_count"), m.experts[0])
        w.u32(name("expert_used_count"), m.experts[1])
    if m.expert_ff:
        w.u32(name("expert_feed_forward_length"), m.expert_ff)
    if m.shared_ff:
        w.u32(name("expert_shared_feed_forward_length"), m.shared_ff)
    stretch(w, m, name)


def stretch(w, m, name):
    if m.linear:
        w.string(name("rope.scaling.type"), "linear")
        w.f32(name("rope.scaling.factor"), m.linear)
    if m.yarn:
        w.string(name("rope.scaling.type"), "yarn")
        w.f32(name("rope.scaling.factor"), m.yarn)
    if m.llama3 and not m.freqs:
        w.string(name("rope.scaling.type"), "llama3")
        for key in m.llama3:
            w.f32(name("rope.scaling." + ("factor" if key == "factor" else key + "_freq_factor")), m.llama3[key])
    if m.yarn or m.lists or (m.llama3 and not m.freqs):
        w.u32(name("rope.scaling.original_context_length"), m.original)
    if m.lists:
        w.f32(name("rope.scaling.attn_factor"), math.sqrt(1 + math.log(CTX / m.original) / math.log(m.original)))
    if m.softcaps:
        w.f32(name("attn_logit_softcapping"), m.softcaps[0])
        w.f32(name("final_logit_softcapping"), m.softcaps[1])


def norm(w, m, name, n):
    w.vector(name + ".weight", n)
    if m.norm == "layer":
        w.vector(name + ".bias", n, 0.0, 0.3)


def product(w, m, name, k, rows, bias):
    w.matrix(name + ".weight", k, rows)
    if bias in m.biases.split():
        w.vector(name + ".bias", rows, 0.0, 0.3)


def experts(w, m, at):
    ff = m.expert_ff or m.ff
    w.matrix(at + "ffn_gate_inp.weight", m.embd, m.experts[0])
    for part, k, rows in (("gate", m.embd, ff), ("up", m.embd, ff), ("down", ff, m.embd)):
        w.stack(at + "ffn_%s_exps.weight" % part, k, rows, m.experts[0])
    if m.shared_ff:
        w.vector(at + "ffn_gate_inp_shexp.weight", m.embd, 0.0, 0.2)
        for part, k, rows in (("gate", m.embd, m.shared_ff), ("up", m.embd, m.shared_ff),
                              ("down", m.shared_ff, m.embd)):
            w.matrix(at + "ffn_%s_shexp.weight" % part, k, rows)


def layer(w, m, at):
    width, keys_width = m.heads * m.head_dim, m.kv * m.head_dim
    norm(w, m, at + "attn_norm", m.embd)
    if m.fused:
        product(w, m, at + "attn_qkv", m.embd, width + 2 * keys_width, "qkv")
    else:
        for part, rows in (("attn_q", width), ("attn_k", keys_width), ("attn_v", keys_width)):
            product(w, m, at + part, m.embd, rows, "qkv")
    if m.head_norms:
        w.vector(at + "attn_q_norm.weight", m.head_dim)
        w.vector(at + "attn_k_norm.weight", m.head_dim)
    product(w, m, at + "attn_output", width, m.embd, "output")
    if m.after:
        norm(w, m, at + "post_attention_norm", m.embd)
    norm(w, m, at + "ffn_norm", m.embd)
    if m.experts:
        experts(w, m, at)
        return
    if m.gate and not m.fused:
        product(w, m, at + "ffn_gate", m.embd, m.ff, "ffn")
    product(w, m, at + "ffn_up", m.embd, 2 * m.ff if m.gate and m.fused else m.ff, "ffn")
    product(w, m, at + "ffn_down", m.ff, m.embd, "ffn")
    if m.after:
        norm(w, m, at + "post_ffw_norm", m.embd)


def write(name, path):
    m = Model(name)
    w = Writer(1, not m.quantised)
    keys(w, m)
    tokenizer(w, VOCAB)
    w.matrix("token_embd.weight", m.embd, VOCAB)
    if m.positions:
        w.tensor("position_embd.weight", (m.embd, CTX), [w.random.gauss(0, 0.1) for _ in range(m.embd * CTX)])
    norm(w, m, "output_norm", m.embd)
    if m.head:
        w.matrix("output.weight", m.embd, VOCAB)
    if m.llama3 and m.freqs:
        w.tensor("rope_freqs.weight", (m.rotated // 2,), m.freq_factors())
    for which in ("short", "long"):
        if m.lists:
            w.tensor("rope_factors_%s.weight" % which, (m.rotated // 2,), m.lists[which])
    for i in range(m.layers):
        layer(w, m, "blk.%d." % i)
    w.write(path)


def main():
    if len(sys.argv) < 2 or any(x not in MODELS for x in sys.argv[2:]):
        sys.exit(__doc__ + "Names: " + " ".join(MODELS))
    os.makedirs(sys.argv[1], exist_ok=True)
    for name in sys.argv[2:] or MODELS:
        write(name, os.path.join(sys.argv[1], name + ".gguf"))


if __name__ == "__main__":
    main()
