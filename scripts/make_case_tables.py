#!/usr/bin/env python3
"""Writes src/model/template/text_tables.h, from the Unicode data of this Python: upper case, and all mappings that give
several characters or are a title case of their own. core/unicode has the rest (lower case, categories).

    scripts/make_case_tables.py > src/model/template/text_tables.h
"""
import sys
import unicodedata

MOST = 0x110000


def ranges():
    """(first, last, stride, delta) of single characters that have an upper case of one, greedily."""
    pairs = [(c, ord(chr(c).upper()) - c) for c in range(MOST)
             if not 0xd800 <= c < 0xe000 and len(chr(c).upper()) == 1 and chr(c).upper() != chr(c)]
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
    table("static const struct case_range upper_ranges[]", ["{0x%x, 0x%x, %d, %d}" % r for r in ranges()])
    table("static const struct case_special specials[]",
          ["{0x%x, %d, {%s}}" % (c, to, ", ".join("0x%x" % x for x in out)) for c, to, out in specials()])
    print("// clang-format on\n#endif")


sys.exit(main())
