#!/usr/bin/env python3
"""Writes the tables of src/core/unicode_*.c from Python's unicodedata.

    scripts/unicode.py          says whether the files are those of this Python's Unicode version
    scripts/unicode.py --write  writes them

Weft's tables are of the version that WANTED names, so that every machine builds the same tokenizers; a Python of
another version writes nothing unless WANTED is changed with it. clang-format lays the lines out.
"""
import pathlib
import shutil
import subprocess
import sys
import unicodedata

WANTED = "14.0.0"
# The order is that of enum weft_category in src/core/unicode.h.
CATEGORIES = ("Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co").split()
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "src" / "core"
ALL = range(0x110000)
HANGUL = range(0xAC00, 0xD7A4)


def array(kind, name, numbers):
    rows, line = [], ""
    for number in numbers:
        word = f"{number}, "
        if len(line) + len(word) > 116:
            rows.append(line.rstrip())
            line = ""
        line += word
    rows.append(line.rstrip(" ,"))
    body = "\n".join("    " + row for row in rows)
    return f"const {kind} {name}[] = {{\n{body}}};\nconst size_t {name}_count = sizeof {name} / sizeof *{name};\n"


def categories():
    """A change of category as start << 5 | category."""
    last, out = None, []
    for code in ALL:
        category = CATEGORIES.index(unicodedata.category(chr(code)))
        if category != last:
            out.append(code << 5 | category)
        last = category
    return out


def cases():
    """Runs of lower-case mappings: first, last, step, distance."""
    runs = []
    for code in ALL:
        lower = chr(code).lower()
        if len(lower) != 1 or ord(lower) == code:
            continue
        distance = ord(lower) - code
        if runs and runs[-1][3] == distance:
            step = code - runs[-1][1]
            if step <= 2 and runs[-1][2] in (0, step):
                runs[-1][1:3] = [code, step]
                continue
        runs.append([code, code, 0, distance])
    return [number for first, last, step, distance in runs for number in (first, last, step or 1, distance)]


def classes():
    """Runs of equal combining classes other than 0: first << 16 | (last - first) << 8 | class; runs end at 255."""
    runs = []
    for code in ALL:
        value = unicodedata.combining(chr(code))
        if not value:
            continue
        if runs and runs[-1][2] == value and runs[-1][1] == code - 1 and code - runs[-1][0] < 256:
            runs[-1][1] = code
        else:
            runs.append([code, code, value])
    return [(first << 16 | (last - first) << 8 | value) & 0xFFFFFFFFFF for first, last, value in runs]


def parts_of(code, compatible):
    text = unicodedata.decomposition(chr(code))
    if not text or code in HANGUL or text.startswith("<") != compatible:
        return []
    return [int(word, 16) for word in text.split() if not word.startswith("<")]


def canonical():
    """One level of the canonical decompositions: code point, first part, second part or 0."""
    rows = [(code, *parts_of(code, False)) for code in ALL if parts_of(code, False)]
    return [number for row in rows for number in (*row, 0)[:3]]


def compatible():
    """One level of the compatibility decompositions, as records of two numbers and a pool of texts. The first number is
    code point << 11 | how many follow in the run. The second is a length << 24, and behind it the code point that the
    first of the run becomes (the next becomes the next), or where in the pool its text begins."""
    records, pool = [], []
    for code in ALL:
        parts = parts_of(code, True)
        if len(parts) == 1 and records and records[-1][2] == 1:
            first, count, _, target = records[-1]
            if code == first + count and parts[0] == target + count and count < 2047:
                records[-1][1] += 1
                continue
        if parts:
            records.append([code, 1, len(parts), parts[0] if len(parts) == 1 else len(pool)])
            pool += parts if len(parts) > 1 else []
    return [n for code, count, length, data in records for n in (code << 11 | count - 1, length << 24 | data)], pool


def compositions():
    """Primary composites, in the order of their two parts."""
    rows = []
    for code in ALL:
        parts = parts_of(code, False)
        if len(parts) == 2 and unicodedata.normalize("NFC", chr(code)) == chr(code):
            rows.append((parts[0], parts[1], code))
    return [code for _, _, code in sorted(rows)]


def head(what):
    return (f"/// {what} of Unicode {WANTED}. Written by scripts/unicode.py, which says what the numbers mean; do not "
            "edit.\n"
            '#include "core/unicode_impl.h"\n\n')


def texts():
    data = head("Categories, lower case and combining classes")
    data += array("uint32_t", "weft_unicode_categories", categories()) + "\n"
    data += array("int32_t", "weft_unicode_cases", cases()) + "\n"
    data += array("uint64_t", "weft_unicode_classes", classes())
    data += f'\nconst char *const weft_unicode_version = "{WANTED}";\n'
    forms = head("Canonical decompositions and compositions")
    forms += array("uint32_t", "weft_unicode_canonical", canonical()) + "\n"
    forms += array("uint32_t", "weft_unicode_compositions", compositions())
    records, pool = compatible()
    compat = head("Compatibility decompositions") + array("uint32_t", "weft_unicode_compatible", records)
    texts_of = head("Texts of compatibility decompositions") + array("uint32_t", "weft_unicode_pool", pool)
    return {"unicode_data.c": data, "unicode_forms.c": forms, "unicode_compatible.c": compat,
            "unicode_pool.c": texts_of}


def laid_out(text):
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not tool:
        return text
    style = f"--style=file:{FOLDER.parent.parent}/.clang-format"
    return subprocess.run([tool, style], input=text, capture_output=True, text=True, check=True).stdout


def main():
    if unicodedata.unidata_version != WANTED:
        print(f"unicode: skipped: Python has Unicode {unicodedata.unidata_version}, the tables are of {WANTED}")
        return 0
    write, bad = sys.argv[1:] == ["--write"], 0
    for name, text in texts().items():
        path, text = FOLDER / name, laid_out(text)
        if write:
            path.write_text(text)
        elif not path.exists() or path.read_text().split() != text.split():
            print(f"unicode: {path.name} is not what this script writes", file=sys.stderr)
            bad = 1
    return bad


sys.exit(main())
