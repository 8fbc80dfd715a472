#!/usr/bin/env bash
# docs/operators.md and the list of operators in README.md are what the operators' rows say. Without an argument this
# is checked, first on a planted difference; --write writes both. Needs a build.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${WEFT_BUILD_DIR:-build}/weft_operators
[ -x "$program" ] || { echo "operators: $program is missing; build first" >&2; exit 1; }

made=$(mktemp)
readme=$(mktemp)
trap 'rm -f "$made" "$readme"' EXIT
"$program" >"$made"
# The second cell of the table's row "operators" is the list.
LIST=$("$program" --list) awk -F' [|] ' -v OFS=' | ' \
    '/^[|] operators [|]/ { $2 = ENVIRON["LIST"] } { print }' README.md >"$readme"

if [ "${1:-}" = --write ]; then
    cp "$made" docs/operators.md
    cmp -s "$readme" README.md || cp "$readme" README.md
    echo "operators: docs/operators.md and README.md are written"
    exit 0
fi
current() { diff -u "$1" "$2"; }
if sed 's/required/optional/' "$made" | current docs/operators.md - >/dev/null; then
    echo "operators: the check itself is broken: it let a difference pass" >&2
    exit 1
fi
current docs/operators.md "$made" >&2 && current README.md "$readme" >&2 || {
    echo "operators: docs/operators.md or README.md is not current (see above); run scripts/operators.sh --write" >&2
    exit 1
}
echo "lint: operators: docs/operators.md and the list of README.md are current"
