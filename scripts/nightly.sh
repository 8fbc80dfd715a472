#!/usr/bin/env bash
# What CI has no time for, within 90 minutes on two processors. Exits with an error if any part failed; later parts run
# all the same.
#   long      every test with all its cases (WEFT_TEST_LONG=1): drivers, the soak, memory, damaged files, the real
#             model at length
#   oracle    tokenizers beside PyPI's `tokenizers`, where Python has it
#   fuzz      changed copies of the corpora through the fuzz targets, under sanitizers
#   sanitize  operators, the compiler and the command on a driver under sanitizers, which CI leaves to the null device;
#             fused kernels on the host at all sizes
#   cases     the programs and graphs of ../shared/cases, where that folder is (scripts/shared_cases.py)
#   templates chat templates of a package beside jinja2 (scripts/check_templates.py)
#   mutants   each line of tests/mutants.txt broken in turn; some test must notice
# scripts/nightly.sh NAME... runs only those. WEFT_FUZZ_COPIES says how many copies a file gets.
set -uo pipefail
cd "$(dirname "$0")/.."
export CTEST_OUTPUT_ON_FAILURE=1 WEFT_SOAK_SECONDS=${WEFT_SOAK_SECONDS:-60}
. scripts/parts.sh
jobs=$(nproc 2>/dev/null || echo 2)

# A test may take as long as it needs here; the next ordinary configuration puts the limit back.
long() {
    build/weft pull gemma3-270m smollm2-135m
    scripts/deps.sh vocabularies && scripts/deps.sh minilm || return 1
    cmake --preset release -DWEFT_TEST_TIMEOUT=3600 >build/nightly.log || return 1
    WEFT_TEST_LONG=1 WEFT_BATCH_SECONDS=${WEFT_BATCH_SECONDS:-600} ctest --preset release -j "$jobs"
    local result=$?
    cmake --preset release -DWEFT_TEST_TIMEOUT=900 >build/nightly.log
    return $result
}

# In build/sanitize/fuzz, so that an input that ends a target stays there.
fuzz() {
    local copies=${WEFT_FUZZ_COPIES:-2000} root=$PWD name bad=0
    cmake -DWEFT_WERROR=OFF --preset sanitize >build/nightly.sanitize.log &&
        cmake --build --preset sanitize -j "$jobs" \
            --target fuzz_chat fuzz_gguf fuzz_graph fuzz_history fuzz_safetensors fuzz_template fuzz_tokenizer \
            fuzz_tokenizer_json fuzz_tune ||
        return 1
    for name in chat gguf graph history safetensors tokenizer tokenizer_json tune; do
        (cd build/sanitize/fuzz && ./fuzz_$name --change "$copies" "$root/fuzz/corpus/$name") || bad=1
    done
    # Golden graphs are large, and a template may loop a million times: fewer copies take as long.
    (cd build/sanitize/fuzz && ./fuzz_graph --change $((copies / 10)) "$root"/tests/golden/*.weft) || bad=1
    (cd build/sanitize/fuzz && ./fuzz_template --change $((copies / 100)) "$root/fuzz/corpus/template") || bad=1
    return $bad
}

sanitize() {
    make sanitize SANITIZE_SKIP= TESTS='-R "^(app|ops|compile)_test_gpu"' || return 1
    WEFT_TEST_LONG=1 ctest --preset sanitize -R '^compile_test_host$'
}

oracle() { scripts/deps.sh vocabularies && scripts/tokenizer_oracle.py; }

# Without the package or jinja2 there is nothing to compare with, and that is no failure.
templates() {
    python3 -c 'import jinja2' || return 0
    scripts/check_templates.py
    local result=$?
    [ $result -eq 77 ] || return $result
}

# Without the folder there is nothing to run, and that is no failure.
cases() {
    scripts/shared_cases.py
    local result=$?
    [ $result -eq 77 ] || return $result
}

one() { # NAME
    case $1 in
    sanitize | fuzz | oracle | templates | cases | long) part "$1" "$1" ;;
    mutants) part mutants make mutants ;;
    *)
        part "$1" sh -c \
            "echo 'no part of this name; known are long oracle fuzz sanitize templates cases mutants' >&2; false"
        ;;
    esac
}

# The drivers' tests wait for each other and leave a processor partly free (SwiftShader compiles on one), so the other
# parts run beside them, one after the other, on what is left. What those say comes when `long` has ended.
[ $# -gt 0 ] || set -- long mutants sanitize fuzz oracle templates cases
[ -n "${WEFT_NIGHTLY_BUILT:-}" ] || part build make deps build WERROR=ON || exit 1
if [ $# -gt 1 ] && [ "$1" = long ]; then
    shift
    mkdir -p build/nightly
    WEFT_NIGHTLY_BUILT=1 nice scripts/nightly.sh "$@" </dev/null >build/nightly/beside.log 2>&1 &
    beside=$!
    one long
    wait "$beside"
    result=$?
    cat build/nightly/beside.log
    [ $result -eq 0 ] || failed+=("what ran beside long")
else
    for name in "$@"; do one "$name"; done
fi
finish nightly
