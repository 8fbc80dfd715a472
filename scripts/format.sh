#!/usr/bin/env bash
# Lays C files out as .clang-format has it.
#
#   scripts/format.sh            every C file
#   scripts/format.sh PATH...    these files, and the C files beneath these folders
#   scripts/format.sh --check    changes nothing, and fails if a file is laid out otherwise
#
# Another version of clang-format lays some lines out otherwise, so --check is skipped with any other.
set -euo pipefail
cd "$(dirname "$0")/.."

version=14

files() { git ls-files --cached --others --exclude-standard -- "$@" | grep -E '\.[ch]$' | sort -u |
    while read -r f; do [ ! -f "$f" ] || printf '%s\n' "$f"; done; }
major() { clang-format --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p'; }

if [ "${1:-}" = --check ]; then
    if [ "$(major)" != $version ]; then
        echo "lint: format: skipped (needs clang-format $version)"
        exit 0
    fi
    # The control: what is laid out otherwise must be refused, and what is right must pass.
    if printf 'int f(void)\n{ return 1; }\n' | clang-format --dry-run --Werror --assume-filename=a.c 2>/dev/null ||
        ! printf 'int f(void) { return 1; }\n' | clang-format --dry-run --Werror --assume-filename=a.c 2>/dev/null; then
        echo "format: the check itself is broken" >&2
        exit 1
    fi
    mapfile -t list < <(files '*.c' '*.h')
    failed=0
    for f in "${list[@]}"; do
        clang-format "$f" | cmp -s - "$f" || { echo "$f: not laid out as .clang-format has it" >&2; failed=1; }
    done
    [ $failed -eq 0 ] || { echo "format: run make format" >&2; exit 1; }
    echo "lint: format: ${#list[@]} files"
    exit 0
fi
if ! command -v clang-format >/dev/null; then
    echo "format: clang-format is not installed (apt-get install clang-format)" >&2
    exit 1
fi
[ "$(major)" = $version ] || echo "format: notice: clang-format $(major) is here, the layout of $version counts" >&2
[ $# -gt 0 ] || set -- '*.c' '*.h'
mapfile -t list < <(files "$@")
[ ${#list[@]} -gt 0 ] || { echo "format: no C file in $*" >&2; exit 1; }
clang-format -i "${list[@]}"
echo "format: ${#list[@]} files"
