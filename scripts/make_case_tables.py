#!/usr/bin/env python3
"""Writes src/model/template/text_tables.h: upper, lower and title case, and which characters Python's repr escapes,
from the Unicode data of this Python.

    scripts/make_case_tables.py > src/model/template/text_tables.h
"""
import sys
import unicodedata

MOST = 0x110000


def ranges(function):
    """(first, last, stride, delta) of single characters, greedily."""
    pairs = [(c, ord(function(chr(c))) - c) for c in range(MOST)
             if not 0xd800 <= c < 0xe000 and len(function(chr(c))) == 1 and function(chr(c)) != chr(c)]
    out, i = [], 0
    while i < len(pairs):
        first, delta = pairs[i]
        last, stride, j = first, 1, i + 1
        if j < len(pairs) and pairs[j][1] == delta and pairs[j][0] - first in (1, 2):
            stride = pairs[j][0] - first
            while j < len(pairs) and pairs[j] == (last + stride, delta):
                last, j = last + stride, j + 1
        out.append((first, last, stride, delta))
        i = j
    return out


def specials():
    out = []
    for c in range(0x80, MOST):
        if 0xd800 <= c < 0xe000:
            continue
        ch = chr(c)
        for to, text in enumerate((ch.upper(), ch.lower(), ch.title())):
            if len(text) > 1 or (to == 2 and text != ch.upper()):
                out.append((c, to, [ord(x) for x in text]))
    return out


def unprintable():
    out = []
    for c in range(MOST):
        if chr(c).isprintable():
            continue
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def table(head, rows):
    print(head + " = {")
    line = "   "
    for row in rows:
        if len(line) + len(row) + 2 > 120:
            print(line)
            line = "   "
        line += " " + row + ","
    print(line + "\n};\n")


def main():
    print(f"/// Written by scripts/make_case_tables.py from Unicode {unicodedata.unidata_version}.")
    print("#ifndef WEFT_MODEL_TEMPLATE_TEXT_TABLES_H\n#define WEFT_MODEL_TEMPLATE_TEXT_TABLES_H\n#include <stdint.h>\n")
    print("// clang-format off")
    print("struct case_range {\n    uint32_t first, last, stride;\n    int32_t delta;\n};\n")
    print("struct case_special {\n    uint32_t code, to, out[3]; // `to` counts enum weft_j_case\n};\n")
    for name, function in (("upper", str.upper), ("lower", str.lower)):
        table(f"static const struct case_range {name}_ranges[]",
              ["{0x%x, 0x%x, %d, %d}" % r for r in ranges(function)])
    table("static const struct case_special specials[]",
          ["{0x%x, %d, {%s}}" % (c, to, ", ".join("0x%x" % x for x in out)) for c, to, out in specials()])
    table("static const uint32_t unprintable[][2]", ["{0x%x, 0x%x}" % tuple(r) for r in unprintable()])
    print("// clang-format on\n#endif")


sys.exit(main())
