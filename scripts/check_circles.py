#!/usr/bin/env python3
"""Fails when the files of a folder call each other in a circle of more files than the folder may have.

    scripts/check_circles.py [FOLDER...]      (default: every folder of LIMITS)

A file calls another if its object has an undefined symbol that is a function of the other's object, as nm shows them.
Data (operator rows, tables) is not counted, nor are structs. A circle is a strongly connected set of files. Files
beneath a folder count as its files. Folders above three may only shrink: their number is what they have today.
"""
import os
import subprocess
import sys
import tempfile

LIMITS = {
    "core": 3, "gpu": 3, "plan": 3, "kernels": 3, "ops": 3, "compile": 3,
    "ir": 3, "exec": 3, "model": 3, "engine": 3, "api": 3, "app": 3,
}


def symbols(objects):
    """Maps each file to the functions that it defines, and to the names that it lacks."""
    defined, lacking = {}, {}
    for name, path in objects.items():
        text = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout
        defined[name], lacking[name] = set(), set()
        for line in text.splitlines():
            words = line.split()
            if words[-2] in "TW" and len(words) == 3:
                defined[name].add(words[-1])
            elif words[-2] == "U":
                lacking[name].add(words[-1])
    return defined, lacking


def graph(objects):
    """Maps each file to the files that it calls, each with one function that is called."""
    defined, lacking = symbols(objects)
    home = {symbol: name for name, names in defined.items() for symbol in names}
    calls = {name: {} for name in objects}
    for name, names in lacking.items():
        for symbol in sorted(names):
            if symbol in home and home[symbol] != name:
                calls[name].setdefault(home[symbol], symbol)
    return calls


def circles(calls):
    """The strongly connected sets of more than one file, largest first. Files are few, so reachability is enough."""
    reach = {}
    for start in calls:
        seen, todo = set(), [start]
        while todo:
            for other in calls[todo.pop()]:
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        reach[start] = seen
    found = {frozenset(b for b in reach[a] if a in reach[b]) for a in calls if a in reach[a]}
    return sorted((sorted(c) for c in found if len(c) > 1), key=lambda c: (-len(c), c))


def control():
    """Small programs with a known circle, so that a check that sees nothing is noticed."""
    def largest(sources):
        with tempfile.TemporaryDirectory() as folder:
            objects = {}
            for name, text in sources.items():
                path = os.path.join(folder, name)
                with open(path + ".c", "w", encoding="utf-8") as f:
                    f.write(text)
                subprocess.run([os.environ.get("CC", "cc"), "-c", path + ".c", "-o", path + ".o"], check=True)
                objects[name] = path + ".o"
            return max((len(c) for c in circles(graph(objects))), default=0)

    ring = {n: f"void f_{m}(void); void f_{n}(void) {{ f_{m}(); }}" for n, m in zip("abcd", "bcda")}
    line = dict(ring, d="void f_d(void) {}")
    data = dict(line, d="extern int f_t; int *f_d(void) { return &f_t; }",
                a=line["a"] + " int f_t;")
    table = dict(line, d="void f_a(void); void (*const t[])(void) = {f_a}; void f_d(void) {}")
    for sources, expected in ((ring, 4), (line, 0), (data, 0), (table, 4)):
        got = largest(sources)
        if got != expected:
            sys.exit(f"check_circles: the check itself is broken: a circle of {expected} files looked like {got}")


def objects_of(folder, build):
    objects = {}
    target = "weft_app" if folder == "app" else "weft_objects"
    for place, _, names in os.walk(os.path.join("src", folder)):
        for name in sorted(names):
            source = os.path.join(place, name)
            if not name.endswith(".c") or source == "src/app/main.c":
                continue
            path = os.path.join(build, "CMakeFiles", target + ".dir", source + ".o")
            if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(source):
                sys.exit(f"check_circles: {path} is missing or older than its source; build first")
            objects[os.path.relpath(source, os.path.join("src", folder))] = path
    return objects


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    build = os.environ.get("WEFT_BUILD_DIR", "build")
    folders = sys.argv[1:] or list(LIMITS)
    control()
    failed = False
    for folder in folders:
        limit = LIMITS.get(folder, 3)
        calls = graph(objects_of(folder, build))
        found = circles(calls)
        largest = len(found[0]) if found else 0
        for circle in (c for c in found if len(c) > limit):
            failed = True
            print(f"src/{folder}: a circle of {len(circle)} files, at most {limit}:", file=sys.stderr)
            for name in circle:
                text = ", ".join(f"{other} ({calls[name][other]})" for other in circle if other in calls[name])
                print(f"    {name} calls {text}", file=sys.stderr)
        if limit > 3 and largest < limit:
            failed = True
            print(f"src/{folder}: the largest circle has {max(largest, 3)} files now; write that into LIMITS of "
                  f"scripts/check_circles.py, so that it stays so", file=sys.stderr)
    if failed:
        sys.exit(1)
    print(f"lint: circles: none above its limit in {len(folders)} folders")


if __name__ == "__main__":
    main()
