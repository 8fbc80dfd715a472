#!/usr/bin/env bash
# Every test that docs/contracts.md names is there: `module/file: names` or, behind one in the same row, `names`; of
# tables of cases `module/file.h: name, name`. The file may lie in a folder of the module.
set -euo pipefail
cd "$(dirname "$0")/.."
missing=0 count=0 file=
# The path of `module/file`, or the one that it would have.
place() { find "tests/${1%%/*}" -name "${1#*/}" 2>/dev/null | grep . || echo "tests/$1"; }
while IFS= read -r token; do
    names=$token
    case $token in
    *.h:*)
        file=$(place "${token%%:*}")
        while IFS= read -r name; do
            count=$((count + 1))
            grep -qF ".name = \"$name\"" "$file" || { echo "contracts: $file has no case '$name'"; missing=1; }
        done < <(sed 's/^[^:]*: //; s/, /\n/g' <<<"$token")
        continue
        ;;
    *:*) file=$(place "${token%%:*}.c") names=${token#*:} ;;
    esac
    [ -f "$file" ] || { echo "contracts: there is no $file"; missing=1; continue; }
    for name in $names; do
        count=$((count + 1))
        grep -q "cmocka_unit_test[a-z_]*($name[,)]" "$file" || { echo "contracts: $file has no test $name"; missing=1; }
    done
done < <(grep '^|' docs/contracts.md | grep -o '`[^`]*`' | tr -d '`' |
    grep -E '^[a-z]+/(test|cases)_[a-z_0-9.]+:|^[a-z_0-9]+( [a-z_0-9]+)*$' | grep -vx validation)
[ $missing -eq 0 ] && echo "lint: contracts: $count tests, all there"
exit $missing
