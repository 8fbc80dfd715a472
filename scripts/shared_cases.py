#!/usr/bin/env python3
"""scripts/shared_cases.py [NAME...]: programs and graphs that showed faults of earlier versions, run on this build.

They lie beside the project, in ../shared/cases; without that folder there is nothing to run (exit 77). Their binding of
the C API and their reading of results are older than two changes of the API: params structs begin with their size, and
elements of 8 bits are packed; and one of them takes the name of its folder for a value now and then. So a copy in
build/cases is mended before it runs, where it lacks that. A line a case, "right" or "FAULT"; exits with an error while
a fault stands."""
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FROM = os.path.join(os.path.dirname(ROOT), "shared", "cases")
TO = os.path.join(ROOT, "build", "cases")

SIZE = '("struct_size", C.c_size_t), '
BINDING = [
    ('_fields_ = [("weights", C.POINTER(Weight))', f'_fields_ = [{SIZE}("weights", C.POINTER(Weight))'),
    ('("beams", C.c_uint32),\n                ("progress", C.c_void_p), ("progress_user", C.c_void_p)]',
     '("numbers", C.c_int),\n                ("progress", C.c_void_p), '
     '("progress_user", C.c_void_p), ("cancel", C.c_void_p)]'),
    ('_fields_ = [("implementation", C.c_char_p)', f'_fields_ = [{SIZE}("implementation", C.c_char_p)'),
    ('("timeout_seconds", C.c_double)]', '("timeout_seconds", C.c_double), ("profile", C.c_bool)]'),
    ("DevParams(impl.encode()", "DevParams(0, impl.encode()"),
    ('_fields_ = [("checker", C.c_bool)', f'_fields_ = [{SIZE}("checker", C.c_bool)'),
    ("SesParams(checker,", "SesParams(0, checker,"),
    ('("shape", C.c_int64 * 8), ("bytes", C.c_uint64)]',
     '("shape", C.c_int64 * 8), ("bytes", C.c_uint64), ("reserved", C.c_uint64 * 4)]'),
    ('_fields_ = [("ctx", C.c_uint32), ("chunk", C.c_uint32)',
     f'_fields_ = [{SIZE}("ctx", C.c_uint32), ("chunk", C.c_uint32)'),
    # What a model's params and information have gained stands at their ends; room for it is enough.
    ('("greedy", C.c_bool), ("lazy", C.c_bool), ("memory_limit", C.c_uint64), ("progress", C.c_void_p),\n'
     '                ("progress_user", C.c_void_p)]',
     '("greedy", C.c_bool), ("lazy", C.c_bool), ("memory_limit", C.c_uint64), ("progress", C.c_void_p),\n'
     '                ("progress_user", C.c_void_p), ("more", C.c_uint64 * 8)]'),
    ('("memory", MemUse)]', '("memory", MemUse), ("more", C.c_uint64 * 16)]'),
    ('"matrix_configs", C.c_uint32)]', '"matrix_configs", C.c_uint32), ("more", C.c_uint64 * 256)]'),
]
READING = [
    ('"i8": np.int32, "u8": np.uint32,\n      "bool": np.uint32}',
     '"i8": np.int8, "u8": np.uint8,\n      "bool": np.uint8}'),
]
# A case counts lines of JSON that hold a 7, and the name of the file, in a folder named at random, is in one.
PLACE = [
    ("TMP=$(mktemp -d) && trap",
     'while TMP=$(mktemp -d) && [[ ${TMP##*/} == *7* ]]; do rmdir "$TMP"; done\n[ -d "$TMP" ] && trap'),
]


def adapt(path, present, changes):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if present in text:
        return
    for old, new in changes:
        if text.count(old) != 1:
            sys.exit(f"shared_cases: {path} has '{old}' {text.count(old)} times, not once")
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def main(names):
    if not os.path.isdir(FROM):
        return 77
    shutil.rmtree(TO, ignore_errors=True)
    shutil.copytree(FROM, TO)
    adapt(os.path.join(TO, "graphs", "weftapi.py"), "struct_size", BINDING)
    adapt(os.path.join(TO, "common", "env.sh"), "##*/", PLACE)
    adapt(os.path.join(TO, "graphs", "check.py"), '"i8": np.int8', READING)
    folders = [os.path.join(d, n) for d in (TO, os.path.join(TO, "graphs")) for n in sorted(os.listdir(d))
               if os.path.exists(os.path.join(d, n, "run.sh"))]
    bad = 0
    for folder in folders:
        name = os.path.relpath(folder, TO)
        if names and not any(n in name for n in names):
            continue
        done = subprocess.run(["bash", os.path.join(folder, "run.sh")], env={**os.environ, "WEFT": ROOT},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
        print(("FAULT  " if done.returncode else "right  ") + name, flush=True)
        if done.returncode:
            bad += 1
            print(done.stdout[-2000:] + done.stderr[-2000:], file=sys.stderr)
    print(f"{len(folders)} cases, {bad} with a fault")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
