#!/usr/bin/env python3
"""Breaks one line of Weft at a time and shows that the test suite notices.

    scripts/mutate.py [--only TEXT] [--list]

tests/mutants.txt lists the mutants. Each is made in a copy of the tree (build/mutants), built, and the tests that it
names are run there: at least one must fail. A mutant that does not compile is a mistake in the list; one that all tests
let pass is a hole in the suite. Either makes this script fail. The tests also run once unbroken, and must pass.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "mutants")
TREE = os.path.join(BUILD, "tree")
SECONDS = 240  # a mutant may hang: that counts as noticed


def read_list(path):
    """Blocks of "name:", "file:", "from:", "to:", "tests:", parted by empty lines; # begins a comment line."""
    mutants, block = [], {}
    with open(path) as f:
        for number, line in enumerate(list(f) + [""], 1):
            line = line.rstrip("\n")
            if line.startswith("#"):
                continue
            if not line.strip():
                if block:
                    missing = {"name", "file", "from", "to", "tests"} - set(block)
                    if missing:
                        sys.exit(f"{path}:{number}: the mutant before has no {', '.join(sorted(missing))}")
                    mutants.append(block)
                block = {}
                continue
            key, _, value = line.partition(":")
            block[key] = value[1:] if value.startswith(" ") else value
    return mutants


def run(command, log, timeout=None):
    with open(log, "ab") as out:
        try:
            return subprocess.run(command, cwd=TREE, stdout=out, stderr=out, timeout=timeout).returncode
        except subprocess.TimeoutExpired:
            return 124


def prepare(log):
    shutil.rmtree(TREE, ignore_errors=True)
    os.makedirs(TREE)
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    for name in files.decode().split("\0"):
        if name and os.path.exists(os.path.join(ROOT, name)):
            os.makedirs(os.path.dirname(os.path.join(TREE, name)), exist_ok=True)
            shutil.copy2(os.path.join(ROOT, name), os.path.join(TREE, name))
    webgpu = os.environ.get("WEFT_WEBGPU_DIR", os.path.join(ROOT, "build", "webgpu"))
    if run(["cmake", "--preset", "release", f"-DWEFT_WEBGPU_DIR={webgpu}"], log) != 0:
        sys.exit(f"mutate: the tree does not configure; see {log}")


def build(tests, log):
    return run(["cmake", "--build", "build", "-j", str(os.cpu_count()), "--target", *tests], log)


def passes(test, log):
    """TEST or TEST.LANE: with a lane, through ctest, which knows its environment."""
    if "." in test:
        return run(["ctest", "--test-dir", "build", "-R", f"^{re.escape(test)}$", "--no-tests=error"], log, SECONDS) == 0
    return run([os.path.join("build", "tests", test)], log, SECONDS) == 0


def targets(tests):
    return sorted({t.split(".")[0] for t in tests})


def mutate(mutant):
    path = os.path.join(TREE, mutant["file"])
    with open(path) as f:
        text = f.read()
    count = text.count(mutant["from"])
    if count != 1:
        return f"'{mutant['from']}' stands {count} times in {mutant['file']}, not once"
    with open(path, "w") as f:
        f.write(text.replace(mutant["from"], mutant["to"]))
    return None


def restore(mutant):
    shutil.copy(os.path.join(ROOT, mutant["file"]), os.path.join(TREE, mutant["file"]))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", default="", help="mutants whose name or file holds this text")
    p.add_argument("--list", action="store_true")
    a = p.parse_args()
    mutants = [m for m in read_list(os.path.join(ROOT, "tests", "mutants.txt")) if a.only in m["name"] + " " + m["file"]]
    if a.list:
        print("\n".join(f"{m['file']}: {m['name']}" for m in mutants))
        return 0
    os.makedirs(BUILD, exist_ok=True)
    log = os.path.join(BUILD, "log")
    open(log, "w").close()
    prepare(log)
    everything = targets({t for m in mutants for t in m["tests"].split()})
    if build(everything, log) != 0:
        sys.exit(f"mutate: the tree does not build; see {log}")
    sound = {t: passes(t, log) for t in sorted({t for m in mutants for t in m["tests"].split()})}
    broken = [t for t, ok in sound.items() if not ok]
    if broken:
        sys.exit(f"mutate: fails without a mutant: {', '.join(broken)}; see {log}")
    survivors = mistakes = 0
    for m in mutants:
        why = mutate(m)
        killer = None
        if why is None and build(targets(m["tests"].split()), log) != 0:
            why = "does not compile"
        if why is None:
            killer = next((t for t in m["tests"].split() if not passes(t, log)), None)
        restore(m)
        if why:
            mistakes += 1
            print(f"MISTAKE   {m['name']}: {why}", flush=True)
        elif killer:
            print(f"killed    {m['name']} (by {killer})", flush=True)
        else:
            survivors += 1
            print(f"SURVIVED  {m['name']} ({m['file']}: {m['from']} -> {m['to']})", flush=True)
    print(f"mutate: {len(mutants)} mutants, {survivors} survived, {mistakes} mistakes in the list")
    return 1 if survivors or mistakes else 0


sys.exit(main())
