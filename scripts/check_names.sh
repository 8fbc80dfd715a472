#!/usr/bin/env bash
# Names decide nothing: between the graph and the device no text is compared with one that the library chose, so that no
# name of a user can be taken for it. In src/compile, src/plan, src/exec and src/kernels this fails on
#   - a comparison of text with a literal,
#   - a comparison of the name of an operator, a kernel or an operand,
#   - an attribute or an operator looked up by name (but for weft_graph_add_op, whose user names one).
# What they ask of an operator is a field of its row (src/ir/op.h); of an operand, its memory or its flags. Names of
# inputs, outputs, states and weights, which users pass back in, are compared with each other. Before the tree, the
# check runs on planted faults and on legal lines, and fails if it gets wrong one of them.
set -euo pipefail
cd "$(dirname "$0")/.."

validate='
function says(what) { printf "%s:%d: %s\n", FILENAME, FNR, what; bad = 1 }
{
    line = $0
    sub(/\/\/.*/, "", line)
    compares = line ~ /(strn?(case)?cmp|strstr|memcmp)\(/
    if (compares && line ~ /(strn?(case)?cmp|strstr|memcmp)\([^;]*"/) says("compares text with a literal")
    if (compares && line ~ /([^A-Za-z0-9_](op|o|operand|kernel)->name|operands?\[[^]]*\]\.name)/)
        says("compares the name of an operator, a kernel or an operand")
    if (line ~ /weft_(node_attr|op_find)\(/)
        says("looks an attribute or an operator up by name")
}
END { exit bad }'

planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
bad=(
    'if (strcmp(name, "vars") == 0) return s->vars;'
    'bool commit = !strcmp(s->kernel->name, other->kernel->name);'
    'static bool is(const struct weft_node *n, const char *op) { return strcmp(n->op->name, op) == 0; }'
    'if (strncmp(s->operands[i].name, what, 3) == 0) n++;'
    'if (memcmp(o->name, what, 4) == 0) n++;'
    'while (strcmp("constant", w->name)) w++;'
    'if (strstr(name, "cache")) return true;'
    'const struct weft_attr *start = weft_node_attr(n, "start");'
    'const struct weft_op *op = weft_op_find(g->ops, name);')
good=(
    'if (strcmp(plan->states[i].name, name) != 0) continue; // "vars"'
    'return weft_fail(WEFT_ERR_UNSUPPORTED, "operator %s has no kernel", n->op->name);'
    'same &= memcmp(a->dims, b->dims, n) == 0;'
    'seen = seen || strcmp(x->seen[i], file->name) == 0;')
for line in "${bad[@]}"; do
    printf '%s\n' "$line" >"$planted/line.c"
    awk "$validate" "$planted/line.c" >/dev/null || continue
    echo "names: the check itself is broken: it passed: $line"
    exit 1
done
for line in "${good[@]}"; do
    printf '%s\n' "$line" >"$planted/line.c"
    awk "$validate" "$planted/line.c" >/dev/null && continue
    echo "names: the check itself is broken: it refused: $line"
    exit 1
done

status=0 files=0
for folder in src/compile src/plan src/exec src/kernels; do
    [ -d "$folder" ] || continue
    while IFS= read -r file; do
        files=$((files + 1))
        awk "$validate" "$file" || status=1
    done < <(find "$folder" -name '*.[ch]' | sort)
done
[ $status -eq 0 ] && echo "lint: names: $files files compare no name of the library's"
exit $status
