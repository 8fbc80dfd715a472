#!/usr/bin/env python3
"""Embeddings by a plain float64 reading of BERT, for tests to compare ours with: tests/engine/embeddings/NAME.json.
Needs the packages numpy and tokenizers; the tests need neither.

    scripts/embed_oracle.py FOLDER NAME      FOLDER: one of Sentence Transformers, such as build/all-minilm-l6-v2

Control tokens that a text spells are text here, as they are in Weft. Texts of more tokens than the model takes are cut.
"""
import json
import math
import os
import struct
import sys

import numpy as np
from tokenizers import Tokenizer

TEXTS = [
    "",
    "a",
    "The cat sat on the mat.",
    "A cat is sitting on a mat!",
    "Quarterly revenue rose by 12.5 %, the company said on Tuesday.",
    "na\u00efve caf\u00e9 stra\u00dfe \u00c5ngstr\u00f6m",
    "\u4e2d\u6587\u5d4c\u5165 and \u65e5\u672c\u8a9e \U0001f600 \u0645\u0631\u062d\u0628\u0627",
    "[SEP] [CLS] [PAD] are text",
    "tab\tbreak\nzero\u200bwidth \ufffd \u0000 e\u0301",
    "embed " * 20,
    "how do I sort a list of tuples by the second element in python? " * 8,
    "the mat, the cat and the text; " * 70,
]


def load(path):
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        header, data = json.loads(f.read(n)), f.read()
    out = {}
    for name, t in header.items():
        if name == "__metadata__":
            continue
        kind = {"F32": "<f4", "F16": "<f2", "I64": "<i8"}[t["dtype"]]
        part = data[t["data_offsets"][0]:t["data_offsets"][1]]
        name = name[5:] if name.startswith("bert.") else name
        out[name] = np.frombuffer(part, kind).reshape(t["shape"]).astype(np.float64)
    return out


class Bert:
    def __init__(self, folder):
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
            self.config = json.load(f)
        self.t = load(os.path.join(folder, "model.safetensors"))

    def norm(self, name, x):
        d = x - x.mean(-1, keepdims=True)
        return d / np.sqrt((d * d).mean(-1, keepdims=True) + self.config["layer_norm_eps"]) \
            * self.t[name + ".weight"] + self.t[name + ".bias"]

    def linear(self, name, x):
        return x @ self.t[name + ".weight"].T + self.t[name + ".bias"]

    def heads(self, name, x):
        n = self.config["num_attention_heads"]
        return self.linear(name, x).reshape(len(x), n, -1).transpose(1, 0, 2)

    def layer(self, at, x):
        q, k, v = (self.heads(at + "attention.self." + part, x) for part in ("query", "key", "value"))
        s = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        s = np.exp(s - s.max(-1, keepdims=True))
        o = (s / s.sum(-1, keepdims=True)) @ v
        o = self.linear(at + "attention.output.dense", o.transpose(1, 0, 2).reshape(len(x), -1))
        x = self.norm(at + "attention.output.LayerNorm", x + o)
        h = self.linear(at + "intermediate.dense", x)
        h = h * 0.5 * (1 + np.vectorize(math.erf)(h / math.sqrt(2)))
        return self.norm(at + "output.LayerNorm", x + self.linear(at + "output.dense", h))

    def run(self, ids):
        e = "embeddings."
        x = self.t[e + "word_embeddings.weight"][ids] + self.t[e + "position_embeddings.weight"][:len(ids)]
        x = self.norm(e + "LayerNorm", x + self.t[e + "token_type_embeddings.weight"][0])
        for i in range(self.config["num_hidden_layers"]):
            x = self.layer("encoder.layer.%d." % i, x)
        return x


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, name = sys.argv[1:]
    model = Bert(folder)
    with open(os.path.join(folder, "sentence_bert_config.json"), encoding="utf-8") as f:
        most = json.load(f)["max_seq_length"]
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    rows = []
    for text in TEXTS:
        tokenizer.no_truncation()
        whole = len(tokenizer.encode(text).ids)
        tokenizer.enable_truncation(most)
        ids = tokenizer.encode(text).ids
        x = model.run(ids)
        mean = x.mean(0)
        rows.append({"text": text, "whole": whole, "ids": ids, "length": float("%.6g" % np.linalg.norm(mean)),
                     "cls": float("%.6g" % x[0, 0]), "last": float("%.6g" % x[-1, 0]),
                     "vector": [float("%.5g" % v) for v in mean / np.linalg.norm(mean)]})
    path = os.path.join(os.path.dirname(__file__), "..", "tests", "engine", "embeddings", name + ".json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "\n]\n")


if __name__ == "__main__":
    main()
