#!/usr/bin/env bash
# docs/models.md and the list of families in README.md are what the rows of src/model/families.c say. Without an
# argument this is checked, first on a planted difference; --write writes both. Needs a build.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${WEFT_BUILD_DIR:-build}/weft_families
[ -x "$program" ] || { echo "families: $program is missing; build first" >&2; exit 1; }

made=$(mktemp)
readme=$(mktemp)
trap 'rm -f "$made" "$readme"' EXIT
"$program" >"$made"
# The second cell of the table's row "model families" is the list.
LIST=$("$program" --list) awk -F' [|] ' -v OFS=' | ' \
    '/^[|] model families [|]/ { $2 = ENVIRON["LIST"] } { print }' README.md >"$readme"

if [ "${1:-}" = --write ]; then
    cp "$made" docs/models.md
    cmp -s "$readme" README.md || cp "$readme" README.md
    echo "families: docs/models.md and README.md are written"
    exit 0
fi
current() { diff -u "$1" "$2"; }
if sed 's/neox/normal/' "$made" | current docs/models.md - >/dev/null; then
    echo "families: the check itself is broken: it let a difference pass" >&2
    exit 1
fi
current docs/models.md "$made" >&2 && current README.md "$readme" >&2 || {
    echo "families: docs/models.md or README.md is not current (see above); run scripts/families.sh --write" >&2
    exit 1
}
echo "lint: families: docs/models.md and the list of README.md are current"
