#!/usr/bin/env bash
# Checks of form, and of the house's structure. Each names file and line; the exit status is 0 only if all hold.
#   text      lines of at most 120 columns, no tabs outside Makefiles, no blanks at line ends, a newline at the end,
#             sources of at most 600 lines
#   format    C files have the layout of .clang-format (scripts/format.sh --check)
#   includes  only along the arrows of the house (scripts/check_includes.sh)
#   names     compile, plan, exec and kernels compare no name of the library's (scripts/check_names.sh)
#   profile   only plan/profile.c asks for the kind of device (scripts/check_profile.sh)
#   output    only two files of src/app print (scripts/check_output.sh)
#   waits     the library waits in one place (scripts/check_waits.sh)
#   circles   files of a folder call each other in no circle above its limit (scripts/check_circles.py)
#   headers   every public header compiles alone, as C17 and as C++17, pedantically
#   symbols   the shared library exports nothing but weft_*, the static one defines nothing else
#   abi       programs compiled for the last release of this version still work (scripts/check_abi.py)
#   readme    the C example of the README is the file that it says
#   operators docs/operators.md and the list in README.md are what the operators' rows say
#   families  docs/models.md and the list in README.md are what the families' rows say
#   unicode   the tables of src/core/unicode_*.c are what scripts/unicode.py writes
#   plans     the plans in docs/ are those that `weft inspect` prints
#   mutants   each entry of tests/mutants.txt still suits the sources and names tests that there are
#   tidy      clang-tidy, if it is installed and WEFT_TIDY is set (slow; findings are printed, not failed on)
# scripts/lint.sh NAME... runs only those.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${WEFT_BUILD_DIR:-build}
failed=0
fail() { printf 'lint: %s\n' "$*" >&2; failed=1; }

# Tracked and new files, without what git ignores and without names that the index still has but the tree has not.
files() {
    { git ls-files --cached --others --exclude-standard 2>/dev/null ||
        find . -type f -not -path './build/*' -not -path './.git/*' | sed 's|^\./||'; } |
        sort -u | while read -r f; do [ ! -f "$f" ] || printf '%s\n' "$f"; done
}

# The rules on one file's text; also run on a file that breaks each of them, see check_text.
text_faults() {
    local f=$1
    LC_ALL=C.UTF-8 awk -v name="$f" -v tabs="$2" -v longest="$3" '
        length($0) > 120 { printf "%s:%d: %d columns, at most 120\n", name, FNR, length($0) }
        tabs == "no" && /\t/ { printf "%s:%d: tab\n", name, FNR }
        /[ \t\r]$/ { printf "%s:%d: blank at the end of the line\n", name, FNR }
        END { if (longest > 0 && FNR > longest) printf "%s: %d lines, at most %d\n", name, FNR, longest }' "$f"
    [ ! -s "$f" ] || [ -z "$(tail -c1 "$f")" ] || printf '%s: no newline at the end\n' "$f"
}

check_text() {
    local f found bad control
    control=$(mktemp)
    { printf '\t\nx \n'; printf '%0121d\n' 0; seq 600; printf 'end'; } >"$control"
    bad=$(text_faults "$control" no 600 | wc -l)
    rm -f "$control"
    # 5 faults and the tab line, which also ends in a blank.
    [ "$bad" -eq 6 ] || fail "text: the check itself is broken: it found $bad of 6 planted faults"
    found=$(files | while read -r f; do
        case $f in
        fuzz/corpus/*) ;; # any bytes
        *.c | *.h | *.wgsl) text_faults "$f" no 600 ;;
        *.sh | *.cmake | *.txt | *.def | *.py | .ci/run) text_faults "$f" no 0 ;;
        Makefile) text_faults "$f" yes 0 ;;
        esac
    done)
    if [ -n "$found" ]; then fail "text: (make format wraps long lines of C files)"; printf '%s\n' "$found" >&2; fi
}

check_format() { scripts/format.sh --check || fail "format: see above"; }

check_includes() { scripts/check_includes.sh || fail "includes: see above"; }

check_names() { scripts/check_names.sh || fail "names: see above"; }

check_profile() { scripts/check_profile.sh || fail "profile: see above"; }

check_output() { scripts/check_output.sh || fail "output: see above"; }

check_waits() { scripts/check_waits.sh || fail "waits: see above"; }

check_circles() { scripts/check_circles.py || fail "circles: see above"; }

compiles() { # compiles LANGUAGE STANDARD FLAGS... HEADER
    local language=$1 standard=$2 header=$3 compiler=${CC:-cc}
    [ "$language" = c++ ] && compiler=${CXX:-c++}
    printf '#include "%s"\n' "$header" |
        "$compiler" -x "$language" -std="$standard" -Wall -Wextra -pedantic-errors -Werror -Iinclude -fsyntax-only -
}

check_headers() {
    local h control count=0
    control=$(mktemp --suffix=.h)
    echo 'static inline size_t weft_control(void) { return sizeof(int); }' >"$control"
    if compiles c c17 "$control" 2>/dev/null; then
        fail "headers: the check itself is broken: it let a header pass that needs another"
    fi
    rm -f "$control"
    for h in include/weft/*.h; do
        [ -f "$h" ] || continue
        compiles c c17 "weft/${h##*/}" || fail "headers: $h does not compile alone as C17"
        compiles c++ c++17 "weft/${h##*/}" || fail "headers: $h does not compile alone as C++17"
        count=$((count + 1))
    done
    echo "lint: headers: $count compiled alone as C17 and as C++17"
}

# Names in column 3 of nm output that are not Weft's.
foreign() { awk 'NF >= 3 && $3 !~ /^(weft_|__asan|__ubsan|__odr_asan|_init$|_fini$)/ { print $3 }'; }

check_symbols() {
    local names count
    [ "$(printf '0 T weft_ok\n0 T stray\n' | foreign)" = stray ] || fail "symbols: the check itself is broken"
    if [ ! -f "$build/libweft.so" ] || [ ! -f "$build/libweft.a" ]; then
        fail "symbols: $build/libweft.so or libweft.a is missing; build first"
        return
    fi
    names=$(nm --dynamic --defined-only "$build/libweft.so" | foreign)
    [ -z "$names" ] || fail "symbols: libweft.so exports" $names
    names=$(nm --extern-only --defined-only "$build/libweft.a" 2>/dev/null | foreign)
    [ -z "$names" ] || fail "symbols: libweft.a defines" $names
    count=$(nm --dynamic --defined-only "$build/libweft.so" | wc -l)
    echo "lint: symbols: libweft.so exports $count names, all weft_*"
}

check_abi() { scripts/check_abi.py || fail "abi: see above"; }

check_contracts() { scripts/check_contracts.sh || fail "contracts: see above"; }

check_readme() { scripts/check_readme.sh || fail "readme: see above"; }

check_operators() { scripts/operators.sh || fail "operators: see above"; }
check_families() { scripts/families.sh || fail "families: see above"; }

check_unicode() { scripts/unicode.py || fail "unicode: see above"; }

check_mutants() { scripts/mutate.py --check || fail "mutants: see above"; }

check_plans() {
    if [ ! -x "$build/weft" ] || [ ! -x "$build/examples/alias" ]; then
        fail "plans: $build/weft or the examples are missing; build first"
        return
    fi
    scripts/check_plans.py || fail "plans: see above"
}

check_tidy() {
    [ -n "${WEFT_TIDY:-}" ] || return 0
    if ! command -v clang-tidy >/dev/null || [ ! -f "$build/compile_commands.json" ]; then
        echo "lint: tidy: skipped (needs clang-tidy and a build)"
        return
    fi
    files | grep '^src/.*\.c$' | xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p "$build" 2>/dev/null
}

checks=(text format includes names profile output waits circles headers symbols abi readme contracts operators families
    unicode plans mutants tidy)
[ $# -gt 0 ] || set -- "${checks[@]}"
for check in "$@"; do
    case " ${checks[*]} " in
    *" $check "*) "check_$check" ;;
    *) fail "no check named '$check'; known: ${checks[*]}" ;;
    esac
done
[ $failed -eq 0 ] && echo "lint: passed"
exit $failed
