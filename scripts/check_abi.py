#!/usr/bin/env python3
"""Fails when a program that was compiled with the headers of the last release would not work with this library.

    scripts/check_abi.py            compares with tests/abi/MAJOR.MINOR.txt, if there is one for this version
    scripts/check_abi.py --write    writes that file: at a release, or while nothing of this version is released

The file lists each call with the types of its parameters, each struct with its size and the place of its fields, each
value of an enum and each macro that is a number. What they are is taken from include/weft/ by a C program that is
compiled here, and the calls are just what libweft.so exports. Calls, fields, values and macros may be added as
include/weft/version.h says: fields behind the end of a struct that begins with struct_size, or in place of the reserved
words at its end. Anything else that differs is an error.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile
import textwrap

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADERS = os.path.join(ROOT, "include")
NO_PROMISE = re.compile(r"^WEFT_VERSION_|_COUNT$")  # counts what there is, so it rises with each addition


# ---- what there is -----------------------------------------------------------------------------------------------

def without_comments(text):
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)
    return re.sub(r"\\\n", " ", text)


def split_top(text, mark):
    """Splits at a mark that is in no parentheses."""
    parts, depth = [""], 0
    for c in text:
        depth += {"(": 1, ")": -1}.get(c, 0)
        if c == mark and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [p.strip() for p in parts]


def field_names(body):
    names = []
    for declaration in split_top(body, ";"):
        if not declaration:
            continue
        for declarator in split_top(declaration, ","):
            pointer = re.search(r"\(\s*\*\s*(?:const\s+)?(\w+)\s*\)", declarator)
            plain = re.search(r"(\w+)\s*(?:\[[^]]*\]\s*)*$", declarator)
            names.append((pointer or plain).group(1))
    return names


def parameter_type(text):
    """A parameter without its name."""
    text = re.sub(r"\(\s*\*\s*\w+\s*\)", "(*)", text, count=1)
    words = re.match(r"^(.*?[\s*])(\w+)$", text)
    bare = ("const", "struct", "enum", "unsigned", "const struct")
    if "(" not in text and words and words.group(1).strip() not in bare:
        text = words.group(1)
    return re.sub(r"\s*\*\s*", "*", re.sub(r"\s+", " ", text.strip()))


def calls_of(text):
    calls = {}
    for m in re.finditer(r"WEFT_API\s+([^;{]*?)(weft_\w+)\s*\(", text):
        depth, end = 1, m.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        types = [parameter_type(p) for p in split_top(text[m.end():end - 1], ",")]
        calls[m.group(2)] = f"{parameter_type(m.group(1) + 'x')}({', '.join(types)})"
    return calls


def program_of(text, headers):
    """A C program that prints structs, enums and macros."""
    lines = [f'#include "{h}"' for h in headers] + ["#include <stdio.h>", "int main(void) {"]
    structs = dict(re.findall(r"struct (weft_\w+) \{([^{}]*)\}", text))
    for name, body in sorted(structs.items()):
        lines.append(f'printf("struct {name} %zu\\n", sizeof(struct {name}));')
        for f in field_names(body):
            place = f"offsetof(struct {name}, {f}), sizeof(((struct {name} *)0)->{f})"
            lines.append(f'printf("field {name}.{f} %zu %zu\\n", {place});')
    for body in re.findall(r"enum (?:weft_\w+ )?\{(.*?)\}", text, flags=re.S):
        for value in split_top(body, ","):
            if value:
                name = value.split("=")[0].strip()
                lines.append(f'printf("value {name} %lld\\n", (long long){name});')
    for name in re.findall(r"^#define (WEFT_\w+) +[0-9(]", text, flags=re.M):
        lines.append(f'printf("macro {name} %lld\\n", (long long)({name}));')
    return "\n".join(lines + ["return 0;", "}", ""])


def look(headers_folder):
    """Everything as a dict from "kind name" to what is promised of it."""
    files = sorted(glob.glob(os.path.join(headers_folder, "weft", "*.h")))
    text = "\n".join(without_comments(open(f, encoding="utf-8").read()) for f in files)
    found = {f"call {name}": types for name, types in calls_of(text).items()}
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, "abi.c"), os.path.join(folder, "abi")
        with open(source, "w", encoding="utf-8") as f:
            f.write(program_of(text, ["weft/" + os.path.basename(p) for p in files]))
        subprocess.run([os.environ.get("CC", "cc"), "-std=c17", "-D_GNU_SOURCE", "-I", headers_folder, source, "-o",
                        program], check=True)
        output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        kind, name, *rest = line.split(" ")
        found[f"{kind} {name}"] = " ".join(rest)
    return found


# ---- comparing ---------------------------------------------------------------------------------------------------

def fields(all_, struct):
    """The fields of a struct as name, offset and size, in the order of their places."""
    prefix = f"field {struct}."
    rows = [(k[len(prefix):], *map(int, v.split())) for k, v in all_.items() if k.startswith(prefix)]
    return sorted(rows, key=lambda r: r[1])


def compare_struct(old, new, name):
    key = f"struct {name}"
    if key not in new:
        return [f"{key} is gone"]
    before, after = fields(old, name), fields(new, name)
    old_size, new_size = int(old[key]), int(new[key])
    sized = before and before[0][0] == "struct_size"
    reserved = before[-1] if before and before[-1][0] == "reserved" else None
    faults = []
    places = {f: (at, size) for f, at, size in after}
    for f, at, size in before:
        if f != "reserved" and places.get(f) != (at, size):
            faults.append(f"{key}: field {f} was {size} bytes at {at}, and is "
                          + ("gone" if f not in places else "%d bytes at %d" % places[f][::-1]))
    known = {f for f, _, _ in before}
    for f, at, _ in after:
        if f in known:
            continue
        if sized and at < old_size:
            faults.append(f"{key}: the new field {f} at {at} lies before the old end, {old_size}")
        if not sized and not (reserved and at >= reserved[1]):
            faults.append(f"{key}: the new field {f} at {at} lies in no reserved words")
    if not sized and new_size != old_size:
        faults.append(f"{key} had {old_size} bytes and has {new_size}")
    return faults


def compare(old, new):
    faults = []
    for key, promise in sorted(old.items()):
        kind, name = key.split(" ")
        if kind == "struct":
            faults += compare_struct(old, new, name)
        elif kind != "field" and not NO_PROMISE.search(name) and new.get(key) != promise:
            faults.append(f"{key}: it was {promise}, and is {new.get(key, 'gone')}")
    return faults


def exported(library):
    text = subprocess.run(["nm", "--dynamic", "--defined-only", library], check=True, capture_output=True,
                          text=True).stdout
    return {line.split()[-1] for line in text.splitlines() if line.split()[-1].startswith("weft_")}


# ---- control -----------------------------------------------------------------------------------------------------

CONTROL = """
#include <stddef.h>
#define WEFT_API
#define WEFT_MOST 8
enum weft_e { WEFT_A = 1, WEFT_B, WEFT_E_COUNT };
struct weft_p { size_t struct_size; int a; void (*each)(void *user, int n); void *user; };
struct weft_i { int a; char text[12]; unsigned reserved[4]; };
struct weft_v { int a, b; };
WEFT_API int weft_f(const struct weft_p *p, struct weft_i *out, int n);
"""
CHANGES = [  # each with whether it breaks
    (True, "int a; char text[12]", "char text[12]; int a"),
    (True, "struct weft_v { int a, b; }", "struct weft_v { int a, b, c; }"),
    (True, "struct weft_v { int a, b; }", "struct weft_v { int a; short b, c; }"),
    (True, "size_t struct_size; int a;", "size_t struct_size; int a, b;"),
    (True, "size_t struct_size; int a;", "size_t struct_size;"),
    (True, "WEFT_A = 1, WEFT_B", "WEFT_A = 1, WEFT_C, WEFT_B"),
    (True, "*out, int n);", "*out, long n);"),
    (True, "WEFT_API int weft_f(const", "WEFT_API int weft_g(const"),
    (True, "WEFT_MOST 8", "WEFT_MOST 9"),
    (True, "unsigned reserved[4];", "unsigned reserved[3];"),
    (True, "unsigned reserved[4];", "unsigned reserved[4]; int c;"),
    (False, "void *user; };", "void *user; int b; };"),
    (False, "unsigned reserved[4];", "unsigned b, reserved[3];"),
    (False, "WEFT_B, ", "WEFT_B, WEFT_C, "),
    (False, "*out, int n);", "*out, int count);\nWEFT_API void weft_g(void);"),
    (False, "WEFT_MOST 8", "WEFT_MOST 8\n#define WEFT_LEAST 1"),
]


def control():
    def look_at(text):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "weft"))
            with open(os.path.join(folder, "weft", "a.h"), "w", encoding="utf-8") as f:
                f.write(text)
            return look(folder)

    plain = look_at(CONTROL)
    for breaks, a, b in CHANGES:
        assert CONTROL.count(a) == 1, a
        if bool(compare(plain, look_at(CONTROL.replace(a, b)))) != breaks:
            sys.exit(f"check_abi: the check itself is broken: '{b}' in place of '{a}' " +
                     ("was not noticed" if breaks else "was refused"))


# ---- the check ---------------------------------------------------------------------------------------------------

def main():
    control()
    new = look(HEADERS)
    version = f"{new['macro WEFT_VERSION_MAJOR']}.{new['macro WEFT_VERSION_MINOR']}"
    path = os.path.join(ROOT, "tests", "abi", version + ".txt")
    if sys.argv[1:] == ["--write"]:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"# What programs compiled for {version} rely on, by scripts/check_abi.py --write (x86-64).\n")
            f.writelines("\n    ".join(textwrap.wrap(f"{key} = {new[key]}", 110, break_long_words=False)) + "\n"
                         for key in sorted(new))
        print(f"wrote {os.path.relpath(path, ROOT)}: {len(new)} lines")
        return
    library = os.path.join(ROOT, os.environ.get("WEFT_BUILD_DIR", "build"), "libweft.so")
    if not os.path.exists(library):
        sys.exit(f"check_abi: {library} is missing; build first")
    declared = {key.split()[1] for key in new if key.startswith("call ")}
    there = exported(library)
    faults = [f"{name} is declared and not exported" for name in sorted(declared - there)]
    faults += [f"{name} is exported and in no public header" for name in sorted(there - declared)]
    old = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            lines = f.read().replace("\n    ", " ").splitlines()
        old = dict(line.split(" = ", 1) for line in lines if not line.startswith("#"))
        faults += compare(old, new)
    for fault in faults:
        print(f"abi: {fault}", file=sys.stderr)
    if faults:
        sys.exit(f"abi: programs compiled for {version} would break; see include/weft/version.h for how structs grow, "
                 "or raise the version")
    print(f"lint: abi: {len(new)} calls, structs, fields, values and macros agree with {version} ({len(old)})")


if __name__ == "__main__":
    main()
