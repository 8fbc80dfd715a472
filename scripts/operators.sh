#!/usr/bin/env bash
# docs/operators.md and the list of operators in README.md are what the operators' rows say. Without an argument this
# is checked, first on a planted difference; --write writes both. Needs a build.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/generated.sh
generated operators docs/operators.md operators 's/required/optional/' "$@"
