#!/usr/bin/env bash
# The C example of the README is examples/generate.c, byte for byte, so that it works as printed (the build compiles
# that file, scripts/check_install.sh builds it against an installation). First on a planted difference.
set -euo pipefail
cd "$(dirname "$0")/.."

# The first block between ```c and ``` of a file.
block_of() { awk '/^```c$/ && !seen { on = seen = 1; next } /^```$/ { on = 0 } on' "$1"; }

planted=$(mktemp)
trap 'rm -f "$planted"' EXIT
sed 's/^int main(/int Main(/' README.md >"$planted"
if block_of "$planted" | cmp -s - examples/generate.c; then
    echo "check_readme: the check itself is broken: it let a difference pass" >&2
    exit 1
fi
if ! block_of README.md | diff -u examples/generate.c - >&2; then
    echo "check_readme: the C example of README.md is not examples/generate.c (the lines above)" >&2
    exit 1
fi
echo "lint: readme: the C example is examples/generate.c"
