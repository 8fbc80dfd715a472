#!/usr/bin/env python3
"""Plain copies of CUDA between host and device, as bench/transfer.c prints Weft's: pinned and pageable memory.

    bench/transfer_cuda.py [libcudart.so]

The pinned figures of large copies are what the bus gives; the pageable ones what a program gets that copies memory it
has from malloc. Each figure is the median of its turns. Needs nothing but the CUDA runtime library.
"""
import ctypes
import glob
import json
import statistics
import sys
import time

TO_DEVICE, TO_HOST = 1, 2
MOST = 256 << 20


def find_runtime():
    for name in ("libcudart.so", "libcudart.so.13", "libcudart.so.12"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            pass
    for path in glob.glob("/usr/local/cuda*/lib64/libcudart.so*") + glob.glob(
        sys.prefix + "/lib/python3*/site-packages/nvidia/*/lib/libcudart.so*"
    ):
        return ctypes.CDLL(path)
    sys.exit("transfer_cuda: no libcudart was found; name it")


def check(code, what):
    if code != 0:
        sys.exit(f"transfer_cuda: {what} gave error {code}")


def seconds(cuda, to, source, size, kind):
    turns = []
    for _ in range(min(40, (1 << 30) // size + 3)):
        start = time.perf_counter()
        check(cuda.cudaMemcpy(to, source, ctypes.c_size_t(size), kind), "cudaMemcpy")
        check(cuda.cudaDeviceSynchronize(), "cudaDeviceSynchronize")
        turns.append(time.perf_counter() - start)
    return statistics.median(turns)


def main():
    cuda = ctypes.CDLL(sys.argv[1]) if len(sys.argv) > 1 else find_runtime()
    device, pinned = ctypes.c_void_p(), ctypes.c_void_p()
    check(cuda.cudaMalloc(ctypes.byref(device), ctypes.c_size_t(MOST)), "cudaMalloc")
    check(cuda.cudaMallocHost(ctypes.byref(pinned), ctypes.c_size_t(MOST)), "cudaMallocHost")
    pageable = ctypes.create_string_buffer(b"\1" * (MOST - 1), MOST)
    rows = []
    size = 4096
    while size <= MOST:
        row = {"bytes": size}
        for name, host in (("pinned", pinned), ("pageable", ctypes.cast(pageable, ctypes.c_void_p))):
            row[name + "_write_us"] = round(seconds(cuda, device, host, size, TO_DEVICE) * 1e6, 1)
            row[name + "_read_us"] = round(seconds(cuda, host, device, size, TO_HOST) * 1e6, 1)
            row[name + "_write_gbps"] = round(size / row[name + "_write_us"] * 1e-3, 2)
            row[name + "_read_gbps"] = round(size / row[name + "_read_us"] * 1e-3, 2)
        rows.append(row)
        size *= 4
    print(json.dumps({"implementation": "cuda", "rows": rows}).replace("{\"bytes\"", "\n{\"bytes\""))


if __name__ == "__main__":
    main()
