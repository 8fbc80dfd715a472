#!/usr/bin/env python3
"""Writes a small hybrid language model with random weights as a GGUF file (architecture "qwen35"): three recurrent
layers (gated delta nets) to one attention layer. The same arguments give the same bytes. For tests; it speaks no
language.

    scripts/make_hybrid.py OUT.gguf [--seed 1] [--layers 8] [--embd 64] [--ctx 128] [--plain]
"""
import argparse
import math
import random
import struct

F32, Q8_0 = 0, 8
U32, FLOAT, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5
ALIGN = 32


def text(s):
    data = s.encode()
    return struct.pack("<Q", len(data)) + data


class Writer:
    def __init__(self, seed, plain):
        self.random = random.Random(seed)
        self.plain = plain
        self.keys, self.n_keys = b"", 0
        self.tensors, self.data = [], bytearray()

    def key(self, name, kind, payload):
        self.keys += text(name) + struct.pack("<I", kind) + payload
        self.n_keys += 1

    def u32(self, name, x):
        self.key(name, U32, struct.pack("<I", x))

    def f32(self, name, x):
        self.key(name, FLOAT, struct.pack("<f", x))

    def bool(self, name, x):
        self.key(name, BOOL, struct.pack("<?", x))

    def string(self, name, x):
        self.key(name, STRING, text(x))

    def array(self, name, kind, items):
        pack = {STRING: text, FLOAT: lambda x: struct.pack("<f", x), I32: lambda x: struct.pack("<i", x)}[kind]
        self.key(name, ARRAY, struct.pack("<IQ", kind, len(items)) + b"".join(map(pack, items)))

    def tensor(self, name, dims, values, kind=F32):
        """dims as in the file: fastest axis first."""
        self.tensors.append((name, dims, kind, len(self.data)))
        self.data += pack_q8_0(values) if kind == Q8_0 else struct.pack("<%df" % len(values), *values)
        self.data += bytes(-len(self.data) % ALIGN)

    def matrix(self, name, k, rows):
        values = [self.random.gauss(0, 1.5 / math.sqrt(k)) for _ in range(k * rows)]
        self.tensor(name, (k, rows), values, F32 if self.plain or k % 32 else Q8_0)

    def vector(self, name, n, mean=1.0, spread=0.2):
        self.tensor(name, (n,), [self.random.gauss(mean, spread) for _ in range(n)])

    def write(self, path):
        head = b"GGUF" + struct.pack("<IQQ", 3, len(self.tensors), self.n_keys) + self.keys
        for name, dims, kind, offset in self.tensors:
            head += text(name) + struct.pack("<I%dQIQ" % len(dims), len(dims), *dims, kind, offset)
        with open(path, "wb") as f:
            f.write(head + bytes(-len(head) % ALIGN) + self.data)


def pack_q8_0(values):
    """Blocks of 32: an f16 scale, then 32 signed bytes."""
    out = bytearray()
    for at in range(0, len(values), 32):
        block = values[at:at + 32]
        scale = max(map(abs, block)) / 127
        scale = struct.unpack("<e", struct.pack("<e", scale))[0]
        out += struct.pack("<e", scale)
        out += struct.pack("<32b", *(max(-127, min(127, round(x / scale))) if scale else 0 for x in block))
    return out


def tokenizer(w, vocab):
    names = ["<pad>", "<eos>", "<bos>", "<unk>"] + ["<0x%02X>" % i for i in range(256)] + ["\u2581"]
    names += [chr(ord("a") + i) for i in range(26)] + ["\u2581" + chr(ord("a") + i) for i in range(26)]
    names += ["word%d" % i for i in range(vocab)]
    w.string("tokenizer.ggml.model", "llama")
    w.array("tokenizer.ggml.tokens", STRING, names[:vocab])
    w.array("tokenizer.ggml.scores", FLOAT, [0 if i < 260 else -i for i in range(vocab)])
    w.array("tokenizer.ggml.token_type", I32, [3 if i < 4 else 6 if i < 260 else 1 for i in range(vocab)])
    for name, x in (("bos", 2), ("eos", 1), ("unknown", 3), ("padding", 0)):
        w.u32("tokenizer.ggml.%s_token_id" % name, x)
    w.bool("tokenizer.ggml.add_bos_token", True)
    w.bool("tokenizer.ggml.add_eos_token", False)
    w.bool("tokenizer.ggml.add_space_prefix", False)


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
