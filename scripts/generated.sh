# A page of docs and a cell of README's table that a program of the build makes from the sources: source this and
# call `generated NAME PAGE ROW PLANT [--write]`. build/weft_NAME gives the page, and with --list the cell behind ROW.
# Without --write both are checked, first with the difference that PLANT (for sed) makes in the page.
generated() {
    local name=$1 page=$2 row=$3 plant=$4 program=${WEFT_BUILD_DIR:-build}/weft_$1 list
    [ -x "$program" ] || { echo "$name: $program is missing; build first" >&2; exit 1; }
    made=$(mktemp)
    readme=$(mktemp)
    trap 'rm -f "$made" "$readme"' EXIT
    "$program" >"$made"
    list=$("$program" --list)
    LIST=$list awk -F' [|] ' -v OFS=' | ' -v row="| $row |" \
        'index($0, row) == 1 { $2 = ENVIRON["LIST"] } { print }' README.md >"$readme"
    if [ "${5:-}" = --write ]; then
        cp "$made" "$page"
        cmp -s "$readme" README.md || cp "$readme" README.md
        echo "$name: $page and README.md are written"
        exit 0
    fi
    if sed "$plant" "$made" | diff -u "$page" - >/dev/null; then
        echo "$name: the check itself is broken: it let a difference pass" >&2
        exit 1
    fi
    diff -u "$page" "$made" >&2 && diff -u README.md "$readme" >&2 || {
        echo "$name: $page or README.md is not current (see above); run scripts/$name.sh --write" >&2
        exit 1
    }
    echo "lint: $name: $page and the list of README.md are current"
}
