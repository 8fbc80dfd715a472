#!/usr/bin/env bash
# The C example of the README is examples/generate.c, those of docs/chat.md, docs/batch.md and docs/async.md are
# examples/chat.c, batch.c and event_loop.c, byte for byte, so that they work as printed (the build compiles the files,
# scripts/check_install.sh builds them against an installation). First on a planted difference.
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
check() { # check PAGE PROGRAM
    block_of "$1" | diff -u "$2" - >&2 && return
    echo "check_readme: the C example of $1 is not $2 (the lines above)" >&2
    exit 1
}
check README.md examples/generate.c
check docs/chat.md examples/chat.c
check docs/batch.md examples/batch.c
check docs/async.md examples/event_loop.c
echo "lint: readme: the C examples of README.md and of docs/chat.md, batch.md and async.md are programs of examples/"
