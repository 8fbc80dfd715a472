#!/usr/bin/env bash
# Before the suites run under sanitizers: a leak, a read past the end and a signed overflow must each be caught with the
# flags and the settings of the sanitize preset, or a green lane would mean nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cat >"$scratch/faults.c" <<'C'
#include <limits.h>
#include <stdlib.h>
static volatile int sink;
static void *volatile held;
static __attribute__((noinline)) void leak(void) {
    held = malloc(64);
    held = NULL;
}
int main(int argc, char **argv) {
    int *p = malloc(16);
    if (!p || argc < 2) return 0;
    if (argv[1][0] == 'l')
        for (int i = 0; i < 16; i++) leak();
    if (argv[1][0] == 'r') sink = ((volatile int *)p)[4];
    if (argv[1][0] == 'o') sink = INT_MAX - 1 + argc;
    free(p);
    return 0;
}
C
"${CC:-cc}" -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
    "$scratch/faults.c" -o "$scratch/faults" 2>/dev/null
export UBSAN_OPTIONS=halt_on_error=1 ASAN_OPTIONS=detect_leaks=1
export LSAN_OPTIONS=suppressions=$PWD/scripts/sanitizers.supp:print_suppressions=0
"$scratch/faults" none || { echo "sanitizers: a clean program was refused" >&2; exit 1; }
for fault in leak read overflow; do
    if "$scratch/faults" $fault >/dev/null 2>&1; then
        echo "sanitizers: a planted fault ($fault) was not caught" >&2
        exit 1
    fi
done
echo "sanitizers: planted leak, read past the end and overflow were caught"
