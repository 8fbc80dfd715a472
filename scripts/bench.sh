#!/usr/bin/env bash
# Figures of this machine as JSON: `weft bench` on the model, then every program of bench/.
#   MODEL (gemma3-270m) names the model; arguments go to `weft bench`.
set -euo pipefail
cd "$(dirname "$0")/.."
model=${MODEL:-gemma3-270m}
[ -x build/weft ] || { echo "bench: build/weft is missing; run 'make build' first" >&2; exit 1; }
build/weft pull "$model" >&2
build/weft bench "$model" "$@"
for program in build/bench/*; do
    if [ -f "$program" ] && [ -x "$program" ]; then "$program"; fi
done
