#!/usr/bin/env bash
# Commands print by weft_outf and weft_out_content, errors and remarks by weft_app_error and weft_app_note (app/app.h):
# these write what a terminal would act on as escapes. In src/app, functions of stdio that print fail elsewhere than in
# output.c and app.c, and the library prints nothing. Before the tree, the check runs on planted faults and legal lines.
set -euo pipefail
cd "$(dirname "$0")/.."

# Reads lines "FILE:NUMBER:TEXT", and prints those that are faults.
faults() { sed 's|//.*||' | grep -E '\b(v?f?printf|fput[sc]|puts|putchar|fwrite|perror|v?dprintf)\(' || true; }

bad=(
    'src/app/inspect.c:1:    fwrite(text, 1, n, stdout);'
    'src/app/run.c:2:    if (n) printf("%s", name);'
    'src/app/pull.c:3:    fputs(model->title, stderr);')
good=(
    'src/app/inspect.c:1:    weft_outf("%s", weft_str_get(&text)); // not printf()'
    'src/app/run.c:2:    snprintf(amount, sizeof amount, "%d", n);')
[ "$(printf '%s\n' "${bad[@]}" | faults | wc -l)" -eq ${#bad[@]} ] ||
    { echo "output: the check itself is broken: it passed a planted fault"; exit 1; }
[ -z "$(printf '%s\n' "${good[@]}" | faults)" ] ||
    { echo "output: the check itself is broken: it refused a legal line"; exit 1; }

found=$(grep -rn '(' --include='*.[ch]' src | grep -vE '^src/app/(output|app)\.c:' | faults)
if [ -n "$found" ]; then
    printf '%s\n' "$found"
    echo "output: the lines above print; use weft_outf or weft_app_note (src/app/app.h), in the library weft_log"
    exit 1
fi
echo "lint: output: only app/output.c and app/app.c print"
