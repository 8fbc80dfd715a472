#!/usr/bin/env python3
"""The first ids that llama.cpp generates greedily from a model in float, for tests to compare ours with: a question as
the model's chat template puts it, and the likeliest token each time. Needs the packages llama-cpp-python 0.3.36, gguf
and numpy; the tests need none of them.

    scripts/greedy_oracle.py MODEL.gguf NAME [QUESTION]     writes tests/engine/greedy/NAME.txt

llama.cpp rounds activations to 8 bits where weights are quantised, so all tensors are decoded into a file of F32 first;
keys and values are F32 too. NAME.txt has the question, the ids of the prompt, those that follow, and for each of these
how far its logit is above the next one's: where that is little, another order of sums may choose otherwise.
"""
import os
import struct
import sys
import tempfile

import gguf
import llama_cpp
import numpy as np

COUNT = 48
QUESTION = "Why is the sky blue?"
F32 = 0


def keys_of(data):
    """The bytes of all keys and values, as the file has them, and where they end."""
    plain = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    version, tensors, keys = struct.unpack_from("<IQQ", data, 4)
    assert version == 3
    at = start = 24

    def skip(at, kind):
        if kind == 8:
            return at + 8 + struct.unpack_from("<Q", data, at)[0]
        if kind != 9:
            return at + plain[kind]
        inner, n = struct.unpack_from("<IQ", data, at)
        at += 12
        if inner in plain:
            return at + n * plain[inner]
        for _ in range(n):
            at = skip(at, inner)
        return at

    for _ in range(keys):
        at += 8 + struct.unpack_from("<Q", data, at)[0]
        at = skip(at + 4, struct.unpack_from("<I", data, at)[0])
    return keys, data[start:at]


def write_float(path, to):
    with open(path, "rb") as f:
        n_keys, keys = keys_of(f.read())
    tensors = gguf.GGUFReader(path).tensors
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), n_keys) + keys
    offset = 0
    for t in tensors:
        name = t.name.encode()
        head += struct.pack("<Q", len(name)) + name + struct.pack("<I", len(t.shape))
        head += struct.pack("<%dQ" % len(t.shape), *map(int, t.shape)) + struct.pack("<IQ", F32, offset)
        offset += -(-int(t.n_elements) * 4 // 32) * 32
    with open(to, "wb") as f:
        f.write(head + bytes(-len(head) % 32))
        for t in tensors:
            data = np.ascontiguousarray(gguf.quants.dequantize(t.data, t.tensor_type), np.float32).tobytes()
            f.write(data + bytes(-len(data) % 32))


def render(model, question):
    """By the file's template, with jinja2, as llama-cpp-python does it."""
    form = llama_cpp.llama_chat_format.Jinja2ChatFormatter(
        template=model.metadata["tokenizer.chat_template"], eos_token="<|im_end|>", bos_token="<|im_start|>")
    return form(messages=[{"role": "user", "content": question}]).prompt


def lines(form, numbers):
    return "".join(" ".join(form % x for x in numbers[i:i + 16]) + "\n" for i in range(0, len(numbers), 16))


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    path, name = sys.argv[1:3]
    question = sys.argv[3] if len(sys.argv) == 4 else QUESTION
    with tempfile.TemporaryDirectory() as folder:
        plain = os.path.join(folder, "f32.gguf")
        write_float(path, plain)
        model = llama_cpp.Llama(plain, n_ctx=512, n_batch=512, type_k=F32, type_v=F32, flash_attn=False,
                                n_gpu_layers=0, logits_all=True, verbose=False)
        prompt = model.tokenize(render(model, question).encode(), add_bos=False, special=True)
        ids, gaps, feed = [], [], prompt
        for _ in range(COUNT):
            model.eval(feed)
            logits = model.scores[model.n_tokens - 1]
            order = np.argsort(logits)
            ids.append(int(order[-1]))
            gaps.append(float(logits[order[-1]] - logits[order[-2]]))
            feed = [ids[-1]]
        print(model.detokenize(ids).decode(errors="replace"))
        print("smallest gap %g at %d" % (min(gaps), int(np.argmin(gaps))))
    out = os.path.join(os.path.dirname(__file__), "..", "tests", "engine", "greedy", name + ".txt")
    os.makedirs(os.path.dirname(out), exist_ok=True)
    with open(out, "w", encoding="utf-8") as f:
        f.write(question + "\n%d\n%s%d\n%s%s" % (len(prompt), lines("%d", prompt), len(ids), lines("%d", ids),
                                               lines("%.3f", gaps)))


if __name__ == "__main__":
    main()
