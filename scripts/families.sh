#!/usr/bin/env bash
# docs/models.md and the list of families in README.md are what the rows of src/model/families.c say. Without an
# argument this is checked, first on a planted difference; --write writes both. Needs a build.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/generated.sh
generated families docs/models.md 'model families' 's/neox/normal/' "$@"
