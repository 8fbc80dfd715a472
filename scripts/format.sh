#!/usr/bin/env bash
# Lays C files out as .clang-format has it.
#
#   scripts/format.sh            the folders of `formatted`; elsewhere it mends what `make lint` refuses: it wraps lines
#                                over 120 columns (those lines only) and drops blanks at line ends
#   scripts/format.sh --all      every C file
#   scripts/format.sh PATH...    these files, and the C files beneath these folders
#   scripts/format.sh --check    changes nothing, and fails if a file of `formatted` is laid out otherwise
#
# Another version of clang-format lays some lines out otherwise, so --check is skipped with any other.
set -euo pipefail
cd "$(dirname "$0")/.."

# Folders that are kept in this layout. The others join when nobody works on them.
formatted=(src/gpu)
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
    mapfile -t list < <(files "${formatted[@]}")
    failed=0
    for f in "${list[@]}"; do
        clang-format "$f" | cmp -s - "$f" || { echo "$f: not laid out as .clang-format has it" >&2; failed=1; }
    done
    [ $failed -eq 0 ] || { echo "format: run scripts/format.sh ${formatted[*]}" >&2; exit 1; }
    echo "lint: format: ${#list[@]} files of ${formatted[*]}"
    exit 0
fi
if ! command -v clang-format >/dev/null; then
    echo "format: clang-format is not installed (apt-get install clang-format)" >&2
    exit 1
fi
[ "$(major)" = $version ] || echo "format: notice: clang-format $(major) is here, the layout of $version counts" >&2
if [ "${1:-}" = --all ]; then
    mapfile -t list < <(files '*.c' '*.h')
elif [ $# -gt 0 ]; then
    mapfile -t list < <(files "$@")
else
    mapfile -t list < <(files "${formatted[@]}")
fi
[ ${#list[@]} -gt 0 ] || { echo "format: no C file in $*" >&2; exit 1; }
clang-format -i "${list[@]}"
echo "format: ${#list[@]} files"
[ $# -eq 0 ] || exit 0

count=0
while read -r file; do
    sed -i 's/[ \t\r]*$//' "$file"
    # Wrapping moves the lines behind it, and a wrapped comment may need a second pass.
    for _ in 1 2 3; do
        mapfile -t long < <(LC_ALL=C.UTF-8 awk 'length($0) > 120 { print "--lines=" FNR ":" FNR }' "$file")
        [ ${#long[@]} -gt 0 ] || break
        clang-format -i "${long[@]}" "$file"
        count=$((count + ${#long[@]}))
    done
done < <(files '*.c' '*.h')
echo "format: $count long lines wrapped elsewhere; what no formatter can wrap is listed by: make lint"
