"""Writes GGUF files of random weights: what make_hybrid.py and make_family.py have in common. The same calls give the
same bytes."""
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

    def stack(self, name, k, rows, count):
        values = [self.random.gauss(0, 1.5 / math.sqrt(k)) for _ in range(k * rows * count)]
        self.tensor(name, (k, rows, count), values, F32 if self.plain or k % 32 else Q8_0)

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
