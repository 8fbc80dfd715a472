/// Collecting texts, and Tint through scripts/check_wgsl.mjs: the texts go to a file as JSON under their numbers, and
/// the lines of its answer are told as lines of the templates.
#include "support/wgsl_check.h"
#include "core/alloc.h"
#include "support/graph_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void weft_wgsl_texts_add(struct weft_wgsl_texts *t, const char *name, const char *wgsl, struct weft_line_map *map) {
    struct weft_wgsl_text item = {weft_strdup(name), weft_strdup(wgsl), {0}};
    if (map) {
        item.map = *map;
        *map = (struct weft_line_map){0};
    }
    assert_true(item.name && item.wgsl && weft_grow((void **)&t->items, &t->cap, t->n + 1, sizeof item));
    t->items[t->n++] = item;
}

void weft_wgsl_texts_expand(struct weft_wgsl_texts *t, const char *name, const char *prelude, const char *file,
                            const struct weft_tval *values, size_t n_values) {
    struct weft_str out = {0};
    struct weft_line_map map = {0};
    if (prelude) weft_str_add(&out, prelude);
    if (weft_template_expand(file, values, n_values, &out, &map) != WEFT_OK)
        fail_msg("%s: %s", name, weft_error_message());
    weft_wgsl_texts_add(t, name, weft_str_get(&out), &map);
    weft_str_free(&out);
}

void weft_wgsl_texts_free(struct weft_wgsl_texts *t) {
    for (size_t i = 0; i < t->n; i++) {
        weft_free(t->items[i].name);
        weft_free(t->items[i].wgsl);
        weft_line_map_free(&t->items[i].map);
    }
    weft_free(t->items);
    *t = (struct weft_wgsl_texts){0};
}

// ---- Tint --------------------------------------------------------------------------------------------------------

static void write_json(FILE *f, const struct weft_wgsl_texts *t) {
    fputc('[', f);
    for (size_t i = 0; i < t->n; i++) {
        fprintf(f, "%s{\"name\":\"%zu\",\"wgsl\":\"", i ? ",\n" : "", i);
        for (const unsigned char *c = (const unsigned char *)t->items[i].wgsl; *c; c++) {
            if (*c == '"' || *c == '\\') fprintf(f, "\\%c", *c);
            else if (*c < 32) fprintf(f, "\\u%04x", *c);
            else fputc(*c, f);
        }
        fputs("\"}", f);
    }
    fputs("]\n", f);
}

/// "number:line: message" becomes "name: file:line: message"; lines that go on a message stay as they are.
static void tell(const struct weft_wgsl_texts *t, char *text, struct weft_str *errors) {
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *end = line, *after = line;
        unsigned long item = strtoul(line, &end, 10), at = *end == ':' ? strtoul(end + 1, &after, 10) : 0;
        if (end == line || *after != ':' || item >= t->n) {
            weft_str_addf(errors, "%s\n", line);
            continue;
        }
        const struct weft_wgsl_text *it = &t->items[item];
        const char *where = it->map.n && at ? weft_line_map_at(&it->map, (uint32_t)at) : NULL;
        if (where) weft_str_addf(errors, "%s: %s%s\n", it->name, where, after);
        else weft_str_addf(errors, "%s: wgsl:%lu%s\n", it->name, at, after);
    }
}

static void read_answer(const struct weft_wgsl_texts *t, const char *path, struct weft_str *errors) {
    struct weft_str text = {0};
    char block[4096];
    FILE *f = fopen(path, "r");
    for (size_t n; f && (n = fread(block, 1, sizeof block, f)) > 0;) weft_str_addn(&text, block, n);
    if (f) fclose(f);
    if (text.data) tell(t, text.data, errors);
    weft_str_free(&text);
}

/// Exit status of the script, or -1. 127 is the shell's for a command that is not there.
static int run_script(const char *list, const char *answer) {
    const char *source = getenv("WEFT_TEST_SOURCE");
    struct weft_str command = {0};
    weft_str_addf(&command, "node '%s/scripts/check_wgsl.mjs' --quiet --out '%s' '%s' >/dev/null",
                  source ? source : ".", answer, list);
    fflush(NULL);
    int status = system(weft_str_get(&command));
    weft_str_free(&command);
    return status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

enum weft_wgsl_verdict weft_wgsl_check_tint(const struct weft_wgsl_texts *t, struct weft_str *errors) {
    const char *base = getenv("TMPDIR");
    char folder[512], list[540], answer[540];
    snprintf(folder, sizeof folder, "%s/weft-wgsl-XXXXXX", base && strlen(base) < 400 ? base : "/tmp");
    if (!mkdtemp(folder)) fail_msg("cannot make a temporary folder like %s", folder);
    snprintf(list, sizeof list, "%s/list.json", folder);
    snprintf(answer, sizeof answer, "%s/answer.txt", folder);
    FILE *f = fopen(list, "w");
    if (!f) fail_msg("cannot write %s", list);
    write_json(f, t);
    if (fclose(f) != 0) fail_msg("cannot write %s", list);
    int status = run_script(list, answer);
    read_answer(t, answer, errors);
    unlink(list);
    unlink(answer);
    rmdir(folder);
    if (status == 0) return WEFT_WGSL_ACCEPTED;
    if (status == 3 || status == 127) {
        weft_str_add(errors, status == 3 ? "the npm package webgpu is not installed: scripts/deps.sh npm\n"
                                         : "node is not installed\n");
        return WEFT_WGSL_MISSING;
    }
    if (!errors->len) weft_str_addf(errors, "scripts/check_wgsl.mjs ended with status %d\n", status);
    return WEFT_WGSL_REFUSED;
}

void weft_wgsl_assert_tint(struct weft_wgsl_texts *t) {
    struct weft_str errors = {0};
    size_t n = t->n;
    if (weft_test_sanitized()) {
        print_message("%zu texts were written; Tint is asked by the build without sanitizers\n", n);
        weft_wgsl_texts_free(t);
        return;
    }
    enum weft_wgsl_verdict verdict = weft_wgsl_check_tint(t, &errors);
    if (verdict != WEFT_WGSL_ACCEPTED) print_error("%s", weft_str_get(&errors));
    weft_str_free(&errors);
    weft_wgsl_texts_free(t); // skip and fail_msg do not come back
    if (verdict == WEFT_WGSL_MISSING) {
        print_error("*** SKIPPED: %zu texts were NOT checked with Tint ***\n", n);
        skip();
    }
    if (verdict == WEFT_WGSL_REFUSED) fail_msg("Tint refused some of %zu texts; see above", n);
}
