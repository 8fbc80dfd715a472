#!/usr/bin/env bash
# Only src/plan/profile.c asks what kind of device kernels are shaped for: in src/plan, src/kernels, src/ops and
# src/compile any other mention of a kind of device fails. They ask a trait of the profile (src/plan/profile.h) or a row
# of its table. Before the tree, the check runs on planted faults and on legal lines.
set -euo pipefail
cd "$(dirname "$0")/.."

# Reads lines "FILE:NUMBER:TEXT", and prints those that are faults.
validate() { sed 's|//.*||' | grep -E 'WEFT_GPU_(CPU|INTEGRATED|DISCRETE|OTHER|NULL)\b|caps(\.|->)kind\b' || true; }

bad=(
    'a.c:1:uint32_t threads = l->caps->kind == WEFT_GPU_CPU ? 16 : 64;'
    'a.c:2:if (plan->caps.kind != weft_kind) return false;'
    'a.c:3:    case WEFT_GPU_DISCRETE: return 256;')
good=(
    'a.c:1:uint32_t threads = weft_tile_of(l->profile, WEFT_TILE_COPY, 0)->threads; // not caps->kind'
    'a.c:2:if (l->caps->kinds) return WEFT_GPU_CPUS;'
    'a.c:3:if (family->kind == WEFT_GROUP_REGION) return true;')
[ "$(printf '%s\n' "${bad[@]}" | validate | wc -l)" -eq ${#bad[@]} ] ||
    { echo "profile: the check itself is broken: it passed a planted fault"; exit 1; }
[ -z "$(printf '%s\n' "${good[@]}" | validate)" ] ||
    { echo "profile: the check itself is broken: it refused a legal line"; exit 1; }

found=$(grep -rnE 'WEFT_GPU_|kind' --include='*.[ch]' src/plan src/kernels src/ops src/compile |
    grep -v '^src/plan/profile\.c:' | validate)
if [ -n "$found" ]; then
    printf '%s\n' "$found"
    echo "profile: the lines above ask for the kind of device; ask the profile (src/plan/profile.h)"
    exit 1
fi
echo "lint: profile: no kernel asks what kind of device it is for"
