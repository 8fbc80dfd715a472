#!/usr/bin/env python3
"""Breaks one line of Weft at a time and shows that the test suite notices.

    scripts/mutate.py [--only TEXT] [--list] [--check]

tests/mutants.txt lists the mutants. Each is made in a copy of the tree (build/mutants), built, and the tests that it
names are run there, in their order, until one fails. One that all of them let pass is a hole in the suite. The tests
also run once unbroken, and must pass.

    --only TEXT   mutants whose name, file or tests hold this text
    --list        their names, and nothing else
    --check       whether the list suits the sources, and nothing else

Exit status: 0 all killed, 1 some survived, 2 mistakes in the list (nothing is run then, except to find that a mutant
does not compile), 3 the unbroken tree does not build, or a test fails or is skipped in it.
"""
import argparse
import collections
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "mutants")
TREE = os.path.join(BUILD, "tree")
LIST = os.path.join(ROOT, "tests", "mutants.txt")
LOG = os.path.join(BUILD, "log")
BACKENDS = ("wgpu", "dawn", "min")
KEYS = ("name", "file", "from", "to", "tests")
MORE = ("case",)
SECONDS = 300  # a mutant may hang: that counts as noticed; a test takes a minute at most


# ---- the list --------------------------------------------------------------------------------------------------------

def read_list():
    """Blocks of lines that begin with a key and a colon, parted by empty lines; # begins a comment line."""
    mutants, mistakes, block = [], [], {}

    def end():
        if block:
            missing = [k for k in KEYS if k not in block]
            if missing:
                mistakes.append(f"line {block['line']}: no {', '.join(missing)}")
            else:
                mutants.append(dict(block))
        block.clear()

    with open(LIST) as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if line.startswith("#"):
                continue
            if not line.strip():
                end()
                continue
            key, colon, value = line.partition(":")
            if not colon or key not in KEYS + MORE:
                mistakes.append(f"line {number}: '{line[:40]}' begins with none of {', '.join(KEYS + MORE)}")
            elif key in block:
                mistakes.append(f"line {number}: a second {key}; an empty line parts mutants")
            block.setdefault("line", number)
            block[key] = value[1:] if value.startswith(" ") else value
    end()
    return mutants, mistakes


def known_tests():
    """Programs of the suite, as cmake/WeftTests.cmake names them."""
    names = set()
    for path in glob.glob(os.path.join(ROOT, "tests", "*", "**", "test_*.c"), recursive=True):
        module = os.path.relpath(path, os.path.join(ROOT, "tests")).split(os.sep)[0]
        test = os.path.splitext(os.path.basename(path))[0]
        name = f"{module}_{test}"
        backends = BACKENDS if module in ("ops", "compile") else BACKENDS[:2]
        names |= {f"{name}.{backend}" for backend in backends} if test.startswith("test_gpu_") else {name}
    return names


def check(mutants):
    mistakes, tests = [], known_tests()
    names = collections.Counter(m["name"] for m in mutants)
    changes = collections.Counter((m["file"], m["from"], m["to"]) for m in mutants)
    for m in mutants:
        def wrong(what, m=m):
            mistakes.append(f"line {m['line']}, '{m['name']}': {what}")
        path = os.path.join(ROOT, m["file"])
        if names[m["name"]] > 1:
            wrong("another mutant has this name")
        if changes[m["file"], m["from"], m["to"]] > 1:
            wrong("another mutant makes the same change")
        if m["from"] == m["to"]:
            wrong("it changes nothing")
        if not m["tests"].split():
            wrong("it names no test")
        for t in m["tests"].split():
            if t not in tests:
                wrong(f"there is no test '{t}'")
        if not m["file"].startswith("src/") or not os.path.isfile(path):
            wrong(f"there is no source '{m['file']}'")
            continue
        with open(path) as f:
            count = f.read().count(m["from"])
        if count != 1:
            wrong(f"its text stands {count} times in {m['file']}, not once")
    return mistakes


# ---- the copy --------------------------------------------------------------------------------------------------------

def run(command, timeout=None, case=""):
    """Exit status and output; 124 after `timeout` seconds, when all that was started is ended."""
    environment = {**os.environ, "WEFT_TEST_CASE": case}
    if not case:
        del environment["WEFT_TEST_CASE"]
    with open(LOG, "ab") as log:
        log.write(("$ " + " ".join(command) + "\n").encode())
        process = subprocess.Popen(command, cwd=TREE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env=environment, start_new_session=True)
        try:
            out, code = process.communicate(timeout=timeout)[0], process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, code = process.communicate()[0], 124
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        log.write(out)
    return code, out.decode(errors="replace")


def same(a, b):
    if not os.path.exists(b):
        return False
    with open(a, "rb") as x, open(b, "rb") as y:
        return x.read() == y.read()


def sync():
    """The copy of the tree; files that are there already and the same stay, so that little is built anew."""
    os.makedirs(TREE, exist_ok=True)
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    names = {n for n in names if n and os.path.isfile(os.path.join(ROOT, n))}
    for name in names:
        to = os.path.join(TREE, name)
        if not same(os.path.join(ROOT, name), to):
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copy(os.path.join(ROOT, name), to)
    for folder in ("src", "tests", "include"):  # those of a tree before, which CMake would still find
        for at, _, files in os.walk(os.path.join(TREE, folder)):
            for f in files:
                path = os.path.join(at, f)
                if os.path.relpath(path, TREE) not in names:
                    os.remove(path)


def configure():
    webgpu = os.environ.get("WEFT_WEBGPU_DIR", os.path.join(ROOT, "build", "webgpu"))
    command = ["cmake", "--preset", "release", "-DWEFT_WERROR=OFF", f"-DWEFT_WEBGPU_DIR={webgpu}"]
    command.append(f"-DWEFT_SHARED_DIR={os.path.join(os.path.dirname(ROOT), 'shared')}")
    return run(command)[0] == 0


def build(tests):
    targets = sorted({t.split(".")[0] for t in tests})
    return run(["cmake", "--build", "build", "-j", str(os.cpu_count()), "--target", *targets])[0] == 0


def result(test, case):
    """ "passed", "failed" or "skipped". Through ctest, which knows the environment of each test."""
    command = ["ctest", "--test-dir", "build", "-R", f"^{re.escape(test)}$", "--no-tests=error", "--output-on-failure"]
    code, out = run(command, SECONDS, case)
    return "failed" if code else "skipped" if "Skipped" in out else "passed"


# ---- mutants ---------------------------------------------------------------------------------------------------------

def unbroken(mutants):
    """What is wrong before anything is broken; None if nothing is."""
    tests = sorted({(t, m.get("case", "")) for m in mutants for t in m["tests"].split()})
    sync()
    if not configure():
        return "the tree does not configure"
    if not build([t for t, _ in tests]):
        return "the tree does not build"
    results = {t: result(*t) for t in tests}
    bad = [f"{t} {r}" for (t, _), r in results.items() if r != "passed"]
    return f"without a mutant: {', '.join(bad)}" if bad else None


def fate(m):
    """ "killed", "survived" or "mistake", and by which test or why."""
    source, copy = os.path.join(ROOT, m["file"]), os.path.join(TREE, m["file"])
    with open(source) as f:
        text = f.read()
    with open(copy, "w") as f:
        f.write(text.replace(m["from"], m["to"]))
    try:
        for t in m["tests"].split():
            if not build([t]):
                return "mistake", "does not compile"
            if result(t, m.get("case", "")) == "failed":
                return "killed", f"by {t}"
        return "survived", f"{m['file']}: {m['from']} -> {m['to']}"
    finally:
        shutil.copy(source, copy)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", default="", help=argparse.SUPPRESS)
    p.add_argument("--list", action="store_true", help=argparse.SUPPRESS)
    p.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    a = p.parse_args()
    mutants, mistakes = read_list()
    mistakes += check(mutants)
    for what in mistakes:
        print(f"tests/mutants.txt: {what}", file=sys.stderr)
    if mistakes:
        return 2
    mutants = [m for m in mutants if a.only in " ".join((m["name"], m["file"], m["tests"]))]
    if not mutants:
        print(f"mutate: no mutant holds '{a.only}'", file=sys.stderr)
        return 2
    if a.list:
        print("\n".join(f"{m['file']}: {m['name']}" for m in mutants))
    if a.list or a.check:
        return 0
    os.makedirs(BUILD, exist_ok=True)
    open(LOG, "w").close()
    start = time.monotonic()
    why = unbroken(mutants)
    if why:
        print(f"mutate: {why}; see {LOG}", file=sys.stderr)
        return 3
    print(f"mutate: {len(mutants)} mutants; the unbroken tree took {time.monotonic() - start:.0f} s", flush=True)
    count = collections.Counter()
    for m in mutants:
        since = time.monotonic()
        what, more = fate(m)
        count[what] += 1
        loud = what if what == "killed" else what.upper()
        print(f"{loud:9} {m['name']} ({more}; {time.monotonic() - since:.1f} s)", flush=True)
    print(f"mutate: {len(mutants)} mutants in {time.monotonic() - start:.0f} s: {count['killed']} killed, "
          f"{count['survived']} survived, {count['mistake']} mistakes in the list")
    return 2 if count["mistake"] else 1 if count["survived"] else 0


if __name__ == "__main__":
    sys.exit(main())
