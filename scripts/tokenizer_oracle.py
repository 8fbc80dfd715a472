#!/usr/bin/env python3
"""Compares Weft's tokenizers with PyPI `tokenizers` on adversarial texts.

    scripts/tokenizer_oracle.py [--weft build/weft] [--folder build/vocabularies] [--texts 2000] [NAME...]

Each vocabulary of the folder (scripts/deps.sh vocabularies) is written as a tokenizer.json, which both libraries read;
Weft also reads the GGUF file. All three must give the same ids for every text. Where `tokenizers` is known to do
otherwise, EXCEPT says why. Without the package (pip install tokenizers) nothing is compared, which is said.
"""
import argparse
import base64
import json
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARK = "\u2581"
# tokenizers maps whole grapheme clusters by the first hit within, SentencePiece the longest prefix at each place.
EXCEPT = {"nomic-bert-moe": "a mapped character beside a combining mark"}


def read_gguf(path):
    """The keys of a GGUF file."""
    data, at, out = path.read_bytes(), 4, {}
    kinds = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def take(form):
        nonlocal at
        value, = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize(form)
        return value

    def text():
        nonlocal at
        n = take("Q")
        at += n
        return data[at - n:at].decode(errors="surrogateescape")

    def value(kind):
        if kind in kinds:
            return take(kinds[kind])
        if kind == 8:
            return text()
        kind, n = take("I"), take("Q")
        return [value(kind) for _ in range(n)]

    take("I"), take("Q")
    for _ in range(take("Q")):
        key = text()
        out[key.removeprefix("tokenizer.ggml.")] = value(take("I"))
    return out


def patterns(pre):
    """The expressions of a pre-tokenizer, as src/model/tokenizer/pre.c has them."""
    source = (ROOT / "src/model/tokenizer/pre.c").read_text()

    def unquote(text):
        parts = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
        return re.sub(r"\\(.)", r"\1", "".join(parts))

    form = r"const char (\w+)\[\] =\s*((?:\"(?:[^\"\\]|\\.)*\"\s*)+);"
    words = {m[1]: unquote(m[2]) for m in re.finditer(form, source)}
    lists = {m[1]: re.findall(r"\w+", m[2])[:-1] for m in re.finditer(r"const l_(\w+)\[\] = \{([^}]*)\}", source)}
    row = re.search(r'\{"%s", \{l_(\w+), (\w+)' % re.escape(pre), source)
    return [words[name] for name in lists[row[1]]], row[2] == "true"


def added(keys):
    """Added tokens: what is special, and what users defined."""
    types = keys.get("token_type") or [1] * len(keys["tokens"])
    return [{"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": types[i] in (2, 3)}
            for i, text in enumerate(keys["tokens"]) if types[i] in (2, 3, 4) and text]


def bpe(keys, **more):
    merges = [text.split(" ", 1) if text[0] != " " else [" ", text[2:]] for text in keys["merges"]]
    vocab = {}
    for i, text in enumerate(keys["tokens"]):
        vocab[text] = i  # of equal texts the last
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": vocab, "merges": merges} | more


def convert(keys):
    """A tokenizer.json that does what the keys ask for."""
    kind, out = keys["model"], {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added(keys),
                                "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None}
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": MARK}
    if kind == "gpt2":
        words, ignore = patterns(keys.get("pre", "default"))
        cuts = [{"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated", "invert": False} for p in words]
        level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
        out["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": cuts + [level]}
        out["model"] = bpe(keys, ignore_merges=ignore)
        out["decoder"] = level | {"use_regex": True}
    elif kind == "gemma4":
        out["normalizer"] = spaces
        out["model"] = bpe(keys, byte_fallback=True)
    elif kind == "bert":
        vocab = {}
        for i, text in enumerate(keys["tokens"]):
            special = keys["token_type"][i] != 1
            vocab[text if special else text[1:] if text.startswith(MARK) else "##" + text] = i
        out["normalizer"] = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                             "strip_accents": None, "lowercase": True}
        out["pre_tokenizer"] = {"type": "BertPreTokenizer"}
        out["model"] = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                        "max_input_chars_per_word": 100, "vocab": vocab}
        out["decoder"] = {"type": "WordPiece", "prefix": "##", "cleanup": True}
    elif kind == "t5":
        charsmap = base64.b64encode(bytes(b & 255 for b in keys["precompiled_charsmap"])).decode()
        squeeze = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
        strip = {"type": "Strip", "strip_left": True, "strip_right": True}
        out["normalizer"] = {"type": "Sequence", "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": charsmap}, strip, squeeze]}
        out["pre_tokenizer"] = {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "always", "split": True}
        out["model"] = {"type": "Unigram", "unk_id": keys["unknown_token_id"], "byte_fallback": False,
                        "vocab": list(zip(keys["tokens"], keys["scores"]))}
    else:
        return None  # merges by score are no model of a tokenizer.json
    return out




def span(first, last):
    return [chr(code) for code in range(first, last)]


POOLS = [
    list("abcdefghijklmnopqrstuvwxyz") + list("ABCXYZ"),
    list("0123456789"),
    list(" \t\n\r\u00A0\u3000\u2028\u200B\u0085\x0b"),
    list("'\"!?.,;:-_()[]{}<>|^~`$+=*&%#@/\\"),
    "'s 't 're 've 'm 'll 'd 'S 'LL 'Re".split() + [" '", "\u017F"],
    "the and ing tion Hello world http www def return self function print I've don't 1st".split(),
    span(0x4E00, 0x4E80), span(0x3041, 0x30FF), span(0xAC00, 0xAC80), span(0x400, 0x460),
    list("\u00E9\u00E8\u00FC\u00F6\u00F1\u00C5\u00C4\u00F8\u00DF\u0141\u017E\u0130\u0131\u017FK\u03A9\u03CE"),
    span(0x300, 0x330),
    list("\uFB01\u2460\u00BD\u00B2\u2167\u338F\uFF71\uFF21\uFF19"),
    ["\U0001F600", "\U0001F469\u200D\U0001F469\u200D\U0001F467", "\U0001F44D\U0001F3FD", "\u2764\uFE0F",
     "\U0001F1E9\U0001F1EA"],
    span(0x900, 0x950), span(0x600, 0x660), span(0xE01, 0xE40),
    [MARK, MARK + MARK, MARK + "a"],
]
ASSIGNED = [c for c in range(1, 0x20000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]


def stable(text):
    """Without characters that changed their category since Unicode 3.2: `tokenizers` has some old tables."""
    return "".join(c for c in text if unicodedata.category(c) == unicodedata.ucd_3_2_0.category(c))


def texts(count, specials, seed, old):
    """`old`: none that differ between versions of Unicode."""
    rng, out = random.Random(seed), []
    for i in range(count):
        pools = rng.sample(POOLS, rng.randint(1, 5))
        text = ""
        for _ in range(rng.randint(0, 40 if i % 10 else 400)):
            roll = rng.random()
            if roll < 0.03:
                text += chr(rng.choice(ASSIGNED))
            elif roll < 0.06 and specials:
                text += rng.choice(specials)
            else:
                text += rng.choice(rng.choice(pools)) * (rng.randint(1, 9) if rng.random() < 0.1 else 1)
            if rng.random() < 0.15:
                text += " " * rng.choice([1, 1, 1, 2, 3, 8])
        text = text.replace("\0", "")
        out.append(stable(text) if old else text)
    return out


def weft_ids(weft, model, inputs):
    done = subprocess.run([weft, "tokenize", str(model), "--null", "--no-bos"], check=False, capture_output=True,
                          input="\0".join(inputs).encode() + b"\0")
    if done.returncode:
        raise SystemExit(f"oracle: {model}: {done.stderr.decode().strip()}")
    return [[int(word) for word in line.split()] for line in done.stdout.decode().split("\n")[:-1]]


def compare(name, what, inputs, got, want):
    bad = [i for i in range(len(inputs)) if got[i] != want[i]]
    excuse = EXCEPT.get(name)
    if excuse:
        bad = [i for i in bad if unicodedata.normalize("NFKC", inputs[i]) == inputs[i] and
               not any(unicodedata.category(c)[0] in "MC" for c in inputs[i])]
    equal = sum(a == b for a, b in zip(got, want))
    rest = f", {len(inputs) - equal - len(bad)} excused: {excuse}" if excuse else ""
    print(f"oracle: {name}: {what}: {equal} of {len(inputs)} texts agree{rest}")
    for i in bad[:3]:
        print(f"  {inputs[i]!r}\n    weft {got[i]}\n    else {want[i]}")
    return len(bad)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weft", default=str(ROOT / "build/weft"))
    parser.add_argument("--folder", default=str(ROOT / "build/vocabularies"))
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    try:
        from tokenizers import Tokenizer
    except ImportError:
        print("oracle: skipped: Python has no package tokenizers (pip install tokenizers)")
        return 0
    bad = seen = 0
    for path in sorted(pathlib.Path(options.folder).glob("ggml-vocab-*.gguf")):
        name = path.stem.removeprefix("ggml-vocab-")
        if options.names and name not in options.names:
            continue
        keys = read_gguf(path)
        made = convert(keys)
        if not made:
            continue
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "tokenizer.json"
            file.write_text(json.dumps(made, ensure_ascii=False))
            specials = [token["content"] for token in made["added_tokens"]][:400]
            inputs = texts(options.texts, specials, name, keys["model"] == "bert")
            other = Tokenizer.from_file(str(file))
            want = [encoding.ids for encoding in other.encode_batch(inputs, add_special_tokens=False)]
            bad += compare(name, "tokenizer.json", inputs, weft_ids(options.weft, file, inputs), want)
            bad += compare(name, "GGUF", inputs, weft_ids(options.weft, path, inputs), want)
        seen += 1
    if not seen:
        print("oracle: skipped: no vocabularies; scripts/deps.sh vocabularies fetches them")
    return 1 if bad else 0


sys.exit(main())
