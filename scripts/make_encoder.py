#!/usr/bin/env python3
"""Writes a tiny encoder with random weights twice: as a GGUF file, bert.gguf, and as a folder of Sentence Transformers,
bert/, which hold the same numbers. For tests; its vectors mean nothing. What it computes is checked against
scripts/embed_oracle.py. The same script gives the same bytes.

    scripts/make_encoder.py FOLDER
"""
import json
import os
import struct
import sys

from gguf_writer import I32, STRING, Writer

EMBD, HEADS, FF, LAYERS, POSITIONS, TYPES, MOST = 36, 3, 52, 3, 40, 2, 32
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["the", "cat", "sat", "on", "mat", "embed", "text", "\u4e2d", "\u6587", "na", "ive", "stra", "caf", "!", "?",
         ",", ".", "-", "[", "]", "0", "1", "2"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
REST = list(LETTERS) + ["ed", "ing", "s", "\u00df", "e"]

# Names in a folder beside those of GGUF, by parts of a layer and of the embeddings.
LAYER = [("attn_q", "attention.self.query"), ("attn_k", "attention.self.key"), ("attn_v", "attention.self.value"),
         ("attn_output", "attention.output.dense"), ("attn_output_norm", "attention.output.LayerNorm"),
         ("ffn_up", "intermediate.dense"), ("ffn_down", "output.dense"), ("layer_output_norm", "output.LayerNorm")]
TOP = [("token_embd", "word_embeddings"), ("position_embd", "position_embeddings"),
       ("token_types", "token_type_embeddings"), ("token_embd_norm", "LayerNorm")]


def vocabulary():
    """Pieces as a folder has them: those that go on a word begin with ##."""
    first = SPECIAL + WORDS + [c for c in LETTERS]
    rest = ["##" + c for c in dict.fromkeys(REST)]
    return first + rest


def keys(w, pieces):
    w.string("general.architecture", "bert")
    w.string("general.name", "an encoder of random weights")
    for name, x in (("context_length", POSITIONS), ("embedding_length", EMBD), ("block_count", LAYERS),
                    ("feed_forward_length", FF), ("attention.head_count", HEADS), ("pooling_type", 1)):
        w.u32("bert." + name, x)
    w.f32("bert.attention.layer_norm_epsilon", 1e-12)
    w.bool("bert.attention.causal", False)
    w.string("tokenizer.ggml.model", "bert")
    w.u32("tokenizer.ggml.token_type_count", TYPES)
    names = [p if p in SPECIAL else p[2:] if p.startswith("##") else "\u2581" + p for p in pieces]
    w.array("tokenizer.ggml.tokens", STRING, names)
    w.array("tokenizer.ggml.token_type", I32, [3 if p in SPECIAL else 1 for p in pieces])
    for name, piece in (("unknown", "[UNK]"), ("cls", "[CLS]"), ("seperator", "[SEP]"), ("padding", "[PAD]"),
                        ("mask", "[MASK]")):
        w.u32("tokenizer.ggml.%s_token_id" % name, pieces.index(piece))


def tensors(w, n_pieces):
    def table(name, rows):
        w.tensor(name + ".weight", (EMBD, rows), [w.random.gauss(0, 0.6) for _ in range(EMBD * rows)])

    def norm(name):
        w.vector(name + ".weight", EMBD)
        w.vector(name + ".bias", EMBD, 0.0, 0.3)

    def product(name, k, rows):
        w.matrix(name + ".weight", k, rows)
        w.vector(name + ".bias", rows, 0.0, 0.3)

    table("token_embd", n_pieces)
    table("position_embd", POSITIONS)
    table("token_types", TYPES)
    norm("token_embd_norm")
    for i in range(LAYERS):
        at = "blk.%d." % i
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            product(at + part, EMBD, EMBD)
        norm(at + "attn_output_norm")
        product(at + "ffn_up", EMBD, FF)
        product(at + "ffn_down", FF, EMBD)
        norm(at + "layer_output_norm")


def folder_name(name):
    stem, kind = name.rsplit(".", 1)
    if stem.startswith("blk."):
        _, layer, part = stem.split(".")
        return "encoder.layer.%s.%s.%s" % (layer, dict(LAYER)[part], kind)
    return "embeddings.%s.%s" % (dict(TOP)[stem], kind)


def write_safetensors(w, path):
    header, data = {}, bytearray()
    for name, dims, _, offset in w.tensors:
        size = 4
        for d in dims:
            size *= d
        header[folder_name(name)] = {"dtype": "F32", "shape": list(dims[::-1]),
                                     "data_offsets": [len(data), len(data) + size]}
        data += w.data[offset:offset + size]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def tokenizer_json(pieces):
    ids = {p: i for i, p in enumerate(pieces)}
    one = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, \
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": ids[p], "content": p, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for p in SPECIAL],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": list(one), "pair": list(one),
                           "special_tokens": {p: {"id": p, "ids": [ids[p]], "tokens": [p]}
                                              for p in ("[CLS]", "[SEP]")}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": ids},
    }


def write_folder(w, pieces, folder):
    os.makedirs(os.path.join(folder, "1_Pooling"), exist_ok=True)
    write_safetensors(w, os.path.join(folder, "model.safetensors"))
    module = "sentence_transformers.models."
    files = {
        "config.json": {
            "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu", "hidden_size": EMBD,
            "intermediate_size": FF, "layer_norm_eps": 1e-12, "max_position_embeddings": POSITIONS,
            "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "pad_token_id": 0, "type_vocab_size": TYPES,
            "position_embedding_type": "absolute", "vocab_size": len(pieces)},
        "tokenizer.json": tokenizer_json(pieces),
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": module + "Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": module + "Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": module + "Normalize"}],
        "1_Pooling/config.json": {
            "word_embedding_dimension": EMBD, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False},
        "sentence_bert_config.json": {"max_seq_length": MOST, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": {}, "default_prompt_name": None},
    }
    for name, content in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            json.dump(content, f, indent=1)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    pieces = vocabulary()
    w = Writer(5, True)
    keys(w, pieces)
    tensors(w, len(pieces))
    os.makedirs(sys.argv[1], exist_ok=True)
    w.write(os.path.join(sys.argv[1], "bert.gguf"))
    write_folder(w, pieces, os.path.join(sys.argv[1], "bert"))


if __name__ == "__main__":
    main()
