#!/usr/bin/env bash
# scripts/format.sh            mends what `make lint` refuses in C files: wraps lines over 120 columns (those lines
#                              only), drops blanks at line ends
# scripts/format.sh FILE...    formats whole files with .clang-format
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v clang-format >/dev/null; then
    echo "format: clang-format is not installed (apt-get install clang-format)" >&2
    exit 1
fi
if [ $# -gt 0 ]; then
    clang-format -i "$@"
    echo "format: $# files"
    exit 0
fi
count=0
while read -r file; do
    [ -f "$file" ] || continue
    sed -i 's/[ \t\r]*$//' "$file"
    # Wrapping moves the lines behind it, and a wrapped comment may need a second pass.
    for _ in 1 2 3; do
        mapfile -t long < <(LC_ALL=C.UTF-8 awk 'length($0) > 120 { print "--lines=" FNR ":" FNR }' "$file")
        [ ${#long[@]} -gt 0 ] || break
        clang-format -i "${long[@]}" "$file"
        count=$((count + ${#long[@]}))
    done
done < <(git ls-files --cached --others --exclude-standard | grep -E '\.[ch]$' | sort -u)
echo "format: $count long lines wrapped; what no formatter can wrap is listed by: make lint"
