# Running a list of things to the end, whatever fails: source this, call `part NAME COMMAND...` for each and
# `finish NAME` last.
failed=()
start=$SECONDS

part() { # part NAME COMMAND...
    local name=$1 from=$SECONDS
    shift
    printf '\n==== %s\n' "$name"
    if "$@" </dev/null; then
        printf '==== %s: passed in %d s\n' "$name" $((SECONDS - from))
    else
        printf '==== %s: FAILED after %d s\n' "$name" $((SECONDS - from))
        failed+=("$name")
        return 1
    fi
}

finish() { # finish NAME
    printf '\n%s: %d s in all\n' "$1" $((SECONDS - start))
    if [ ${#failed[@]} -gt 0 ]; then
        printf '%s: failed: %s\n' "$1" "${failed[*]}"
        exit 1
    fi
    echo "$1: passed"
}
