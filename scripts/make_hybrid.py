#!/usr/bin/env python3
"""Writes a small hybrid language model with random weights as a GGUF file (architecture "qwen35"): three recurrent
layers (gated delta nets) to one attention layer. The same arguments give the same bytes. For tests; it speaks no
language.

    scripts/make_hybrid.py OUT.gguf [--seed 1] [--layers 8] [--embd 64] [--ctx 128] [--plain]
"""
import argparse

from gguf_writer import Writer, tokenizer


def recurrent_layer(w, at, d, key_dim, n_key, n_value, taps):
    width = key_dim * (2 * n_key + n_value)
    w.matrix(at + "attn_qkv.weight", d, width)
    w.matrix(at + "attn_gate.weight", d, key_dim * n_value)
    w.tensor(at + "ssm_conv1d.weight", (taps, width), [w.random.gauss(0, 0.7) for _ in range(taps * width)])
    w.vector(at + "ssm_dt.bias", n_value, -1.0, 1.0)
    w.tensor(at + "ssm_a", (n_value,), [-w.random.uniform(0.05, 1.0) for _ in range(n_value)])
    w.matrix(at + "ssm_beta.weight", d, n_value)
    w.matrix(at + "ssm_alpha.weight", d, n_value)
    w.vector(at + "ssm_norm.weight", key_dim)
    w.matrix(at + "ssm_out.weight", key_dim * n_value, d)


def attention_layer(w, at, d, n_head, n_kv, size):
    w.matrix(at + "attn_q.weight", d, 2 * n_head * size)
    w.matrix(at + "attn_k.weight", d, n_kv * size)
    w.matrix(at + "attn_v.weight", d, n_kv * size)
    w.matrix(at + "attn_output.weight", n_head * size, d)
    w.vector(at + "attn_q_norm.weight", size)
    w.vector(at + "attn_k_norm.weight", size)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    for name, x in (("seed", 1), ("layers", 8), ("embd", 64), ("ctx", 128), ("vocab", 320), ("ff", 96), ("interval", 4),
                    ("heads", 2), ("kv-heads", 1), ("head-size", 32), ("rope", 16), ("state", 16), ("key-heads", 2),
                    ("value-heads", 4), ("taps", 4)):
        p.add_argument("--" + name, type=int, default=x)
    p.add_argument("--plain", action="store_true", help="all weights F32")
    a = p.parse_args()
    w = Writer(a.seed, a.plain)
    w.string("general.architecture", "qwen35")
    w.string("general.name", "hybrid of random weights")
    for name, x in (("context_length", a.ctx), ("embedding_length", a.embd), ("block_count", a.layers),
                    ("feed_forward_length", a.ff), ("attention.head_count", a.heads),
                    ("attention.head_count_kv", a.kv_heads), ("attention.key_length", a.head_size),
                    ("attention.value_length", a.head_size), ("rope.dimension_count", a.rope),
                    ("full_attention_interval", a.interval), ("ssm.state_size", a.state),
                    ("ssm.group_count", a.key_heads), ("ssm.time_step_rank", a.value_heads),
                    ("ssm.inner_size", a.state * a.value_heads), ("ssm.conv_kernel", a.taps)):
        w.u32("qwen35." + name, x)
    w.f32("qwen35.attention.layer_norm_rms_epsilon", 1e-6)
    w.f32("qwen35.rope.freq_base", 1e6)
    tokenizer(w, a.vocab)
    w.matrix("token_embd.weight", a.embd, a.vocab)
    w.vector("output_norm.weight", a.embd)
    for i in range(a.layers):
        at = "blk.%d." % i
        w.vector(at + "attn_norm.weight", a.embd)
        w.vector(at + "post_attention_norm.weight", a.embd)
        if (i + 1) % a.interval:
            recurrent_layer(w, at, a.embd, a.state, a.key_heads, a.value_heads, a.taps)
        else:
            attention_layer(w, at, a.embd, a.heads, a.kv_heads, a.head_size)
        w.matrix(at + "ffn_gate.weight", a.embd, a.ff)
        w.matrix(at + "ffn_up.weight", a.embd, a.ff)
        w.matrix(at + "ffn_down.weight", a.ff, a.embd)
    w.write(a.out)


main()
