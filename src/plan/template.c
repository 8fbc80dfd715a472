/// Expands templates in one pass, line by line: a directive acts at once, a loop goes back to its first line, a branch
/// that is not taken is walked with `live` off, which checks its structure and syntax and writes nothing.
#include "plan/template.h"
#include "core/alloc.h"
#include "core/error.h"
#include "plan/template_expr.h"
#include "plan/wgsl.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_BLOCKS = 48,          // nested if and for
    MAX_INCLUDES = 16,        // nested files; `include again` may be recursive
    MAX_FILES = 64,           // as file_names of the map
    MAX_TURNS = 1 << 20,      // loop turns of one expansion
    MAX_OUTPUT = 16 * 1048576 // bytes
};

/// One file being read. `parent` is the file whose include is being carried out.
struct source {
    const char *name, *text;
    size_t len, pos;
    uint32_t line;
    uint16_t map_file;
    const struct source *parent;
    int depth;
};

struct expansion {
    struct weft_template_scope scope;
    struct weft_str *out;
    struct weft_line_map *map; // may be NULL
    const char *seen[MAX_FILES];
    size_t n_seen, start, turns;
    int blocks;
};

enum directive { TEXT, COMMENT, IF, ELIF, ELSE, END, FOR, SET, INCLUDE, UNKNOWN, END_OF_FILE };

static weft_status run_block(struct expansion *x, struct source *s, bool live, enum directive *stop,
                             struct weft_template_expr *args);

// ---- line map ----------------------------------------------------------------------------------------------------

void weft_line_map_free(struct weft_line_map *m) {
    if (!m) return;
    weft_free(m->lines);
    weft_free(m->files);
    for (size_t i = 0; i < m->n_files; i++) weft_free((void *)m->file_names[i]);
    memset(m, 0, sizeof *m);
}

const char *weft_line_map_at(const struct weft_line_map *m, uint32_t line) {
    static _Thread_local char text[320];
    if (m && line >= 1 && line <= m->n)
        snprintf(text, sizeof text, "%s:%" PRIu32, m->file_names[m->files[line - 1]], m->lines[line - 1]);
    else snprintf(text, sizeof text, "(no such line):%" PRIu32, line);
    return text;
}

static weft_status map_push(struct weft_line_map *m, uint16_t file, uint32_t line) {
    if (!m) return WEFT_OK;
    size_t cap = m->cap; // both arrays grow alike; the smaller one decides
    if (!weft_grow((void **)&m->lines, &cap, m->n + 1, sizeof *m->lines)) goto fail;
    size_t cap_files = m->cap;
    if (!weft_grow((void **)&m->files, &cap_files, m->n + 1, sizeof *m->files)) goto fail;
    m->cap = cap < cap_files ? cap : cap_files;
    m->lines[m->n] = line;
    m->files[m->n++] = file;
    return WEFT_OK;
fail:
    return weft_fail(WEFT_ERR_NOMEM, "out of memory for the line map of a kernel of %zu lines", m->n);
}

/// Finds or adds a file name; the map keeps a copy, because names of unembedded texts belong to callers.
static weft_status map_file(struct weft_line_map *m, const char *name, uint16_t *index) {
    *index = 0;
    if (!m) return WEFT_OK;
    for (uint16_t i = 0; i < m->n_files; i++) {
        *index = i;
        if (strcmp(m->file_names[i], name) == 0) return WEFT_OK;
    }
    if (m->n_files == MAX_FILES)
        return weft_fail(WEFT_ERR_FORMAT, "%s: a kernel is made of more than %d files", name, (int)MAX_FILES);
    char *copy = weft_strdup(name);
    if (!copy) return weft_fail(WEFT_ERR_NOMEM, "out of memory for the line map of %s", name);
    *index = m->n_files;
    m->file_names[m->n_files++] = copy;
    return WEFT_OK;
}

/// Text that stood in `out` before counts as lines of "(generated)", so that the map fits the whole output.
static weft_status map_start(struct weft_line_map *m, const struct weft_str *out) {
    if (!m) return WEFT_OK;
    size_t lines = 0;
    for (size_t i = 0; i < out->len; i++) lines += out->data[i] == '\n';
    if (m->n >= lines) return WEFT_OK;
    uint16_t file;
    WEFT_TRY(map_file(m, "(generated)", &file));
    while (m->n < lines) WEFT_TRY(map_push(m, file, (uint32_t)m->n + 1));
    return WEFT_OK;
}

// ---- errors ------------------------------------------------------------------------------------------------------

static weft_status fail_at(weft_status status, const struct source *s, uint32_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static weft_status fail_at(weft_status status, const struct source *s, uint32_t line, const char *format, ...) {
    char text[512], chain[400] = "";
    size_t used = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (const struct source *up = s->parent; up && used < sizeof chain - 1; up = up->parent) {
        int n = snprintf(chain + used, sizeof chain - used, ", included from %s:%" PRIu32, up->name, up->line);
        used += n > 0 ? (size_t)n : 0;
    }
    return weft_fail(status, "%s:%" PRIu32 ": %s%s", s->name, line, text, chain);
}

static weft_status fail_memory(const struct source *s) {
    return weft_fail(WEFT_ERR_NOMEM, "out of memory expanding %s", s->name);
}

static weft_status check_expr(const struct source *s, const struct weft_template_expr *e) {
    return e->error[0] ? fail_at(WEFT_ERR_FORMAT, s, s->line, "%s", e->error) : WEFT_OK;
}

/// Reports a fault, or what is left of a directive after its last argument.
static weft_status check_end(const struct source *s, struct weft_template_expr *e) {
    WEFT_TRY(check_expr(s, e));
    if (weft_template_at_end(e)) return WEFT_OK;
    size_t rest = (size_t)(e->end - e->p);
    return fail_at(WEFT_ERR_FORMAT, s, s->line, "unexpected '%.*s' at the end of a directive",
                   (int)(rest < 40 ? rest : 40), e->p);
}

// ---- lines -------------------------------------------------------------------------------------------------------

static bool next_line(struct source *s, const char **first, const char **end) {
    if (s->pos >= s->len) return false;
    const char *p = s->text + s->pos, *newline = memchr(p, '\n', s->len - s->pos);
    *first = p;
    *end = newline ? newline : s->text + s->len;
    s->pos = (size_t)(*end - s->text) + (newline ? 1 : 0);
    s->line++;
    if (*end > p && (*end)[-1] == '\r') (*end)--;
    return true;
}

/// Tells what a line is and leaves the cursor behind the directive's word.
static enum directive classify(struct weft_template_expr *e) {
    static const struct {
        const char *word;
        enum directive is;
    } words[] = {{"if", IF},   {"elif", ELIF}, {"else", ELSE},      {"end", END},
                 {"for", FOR}, {"set", SET},   {"include", INCLUDE}};
    if (!weft_template_take(e, "//%")) return TEXT;
    if (e->p < e->end && *e->p == '%') return COMMENT;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (weft_template_take(e, words[i].word)) return words[i].is;
    return UNKNOWN;
}

/// Appends `n` bytes; each line begun gets an entry in the map.
static weft_status emit(struct expansion *x, const struct source *s, const char *text, size_t n) {
    if (x->out->len - x->start + n > MAX_OUTPUT)
        return fail_at(WEFT_ERR_FORMAT, s, s->line, "the kernel grows beyond %d MiB", (int)MAX_OUTPUT / 1048576);
    for (size_t i = 0; x->map && i < n; i++)
        if (text[i] == '\n') WEFT_TRY(map_push(x->map, s->map_file, s->line));
    weft_str_addn(x->out, text, n);
    return x->out->failed ? fail_memory(s) : WEFT_OK;
}

static weft_status run_text(struct expansion *x, struct source *s, const char *p, const char *end, bool live) {
    while (p < end) {
        const char *dollar = p;
        while (dollar < end && !(dollar[0] == '$' && dollar + 1 < end && dollar[1] == '{')) dollar++;
        if (live) WEFT_TRY(emit(x, s, p, (size_t)(dollar - p)));
        if (dollar == end) break;
        struct weft_template_expr e = {.p = dollar + 2, .end = end, .scope = &x->scope, .live = live};
        struct weft_template_result value = weft_template_eval(&e);
        if (!weft_template_take(&e, "}")) weft_template_fault(&e, "a ${ has no closing }");
        WEFT_TRY(check_expr(s, &e));
        p = e.p;
        if (!live) continue;
        char number[24];
        if (!value.text) {
            value.len = (size_t)snprintf(number, sizeof number, "%" PRId64, value.i);
            value.text = number;
        }
        WEFT_TRY(emit(x, s, value.text, value.len));
    }
    return live ? emit(x, s, "\n", 1) : WEFT_OK;
}

// ---- directives --------------------------------------------------------------------------------------------------

static weft_status enter_block(struct expansion *x, const struct source *s) {
    if (++x->blocks > MAX_BLOCKS)
        return fail_at(WEFT_ERR_FORMAT, s, s->line, "if and for are nested deeper than %d", (int)MAX_BLOCKS);
    return WEFT_OK;
}

static weft_status eval_condition(const struct source *s, struct weft_template_expr *args, bool live, bool *value) {
    args->live = live;
    *value = weft_template_eval_int(args) != 0;
    return check_end(s, args);
}

static weft_status run_if(struct expansion *x, struct source *s, struct weft_template_expr *args, bool live) {
    uint32_t opened = s->line;
    bool enter, taken = false, had_else = false;
    WEFT_TRY(enter_block(x, s));
    WEFT_TRY(eval_condition(s, args, live, &enter));
    for (;;) {
        enum directive stop;
        enter = enter && live && !taken;
        WEFT_TRY(run_block(x, s, enter, &stop, args));
        taken = taken || enter;
        if (stop == END_OF_FILE) return fail_at(WEFT_ERR_FORMAT, s, opened, "this if has no end");
        if (stop != END && had_else) return fail_at(WEFT_ERR_FORMAT, s, s->line, "nothing but end may follow an else");
        if (stop == ELIF) {
            WEFT_TRY(eval_condition(s, args, live && !taken, &enter));
            continue;
        }
        WEFT_TRY(check_end(s, args));
        if (stop == END) break;
        had_else = enter = true;
    }
    x->blocks--;
    return WEFT_OK;
}

/// Reads `NAME in A..B`.
static weft_status read_for(struct expansion *x, struct source *s, struct weft_template_expr *args,
                            struct weft_template_var *var, int64_t *from, int64_t *to) {
    if (!weft_template_name(args, &var->name, &var->len) || !weft_template_take(args, "in"))
        return fail_at(WEFT_ERR_FORMAT, s, s->line, "a loop is written: for NAME in A..B");
    *from = weft_template_eval_int(args);
    if (!weft_template_take(args, "..")) weft_template_fault(args, "a loop is written: for NAME in A..B");
    *to = weft_template_eval_int(args);
    WEFT_TRY(check_end(s, args));
    struct weft_template_result hidden;
    if (args->live && weft_template_scope_get(&x->scope, var->name, var->len, &hidden))
        return fail_at(WEFT_ERR_FORMAT, s, s->line, "the loop variable '%.*s' would hide a value of this name",
                       (int)(var->len < 100 ? var->len : 100), var->name);
    return WEFT_OK;
}

static weft_status run_for(struct expansion *x, struct source *s, struct weft_template_expr *args, bool live) {
    struct weft_template_var var = {.loop = true};
    int64_t from = 0, to = 0;
    uint32_t opened = s->line;
    size_t body = s->pos, slot = x->scope.n_vars;
    args->live = live;
    WEFT_TRY(enter_block(x, s));
    WEFT_TRY(read_for(x, s, args, &var, &from, &to));
    if (live && !weft_template_scope_push(&x->scope, &var)) return fail_memory(s);
    bool turn = live && from < to;
    do { // an empty loop is walked once with live off, to find its end
        enum directive stop;
        s->pos = body;
        s->line = opened;
        if (turn && ++x->turns > MAX_TURNS)
            return fail_at(WEFT_ERR_FORMAT, s, opened, "the loops of a kernel make more than %d turns", (int)MAX_TURNS);
        if (live) x->scope.vars[slot].value = (struct weft_template_result){from, NULL, 0};
        WEFT_TRY(run_block(x, s, turn, &stop, args));
        if (stop == END_OF_FILE) return fail_at(WEFT_ERR_FORMAT, s, opened, "this for has no end");
        if (stop != END) return fail_at(WEFT_ERR_FORMAT, s, s->line, "elif and else belong to an if, not to a for");
        WEFT_TRY(check_end(s, args));
    } while (turn && ++from < to);
    if (live) { // `set` inside the loop may have pushed values above the variable; those stay
        x->scope.n_vars--;
        memmove(&x->scope.vars[slot], &x->scope.vars[slot + 1], (x->scope.n_vars - slot) * sizeof var);
    }
    x->blocks--;
    return WEFT_OK;
}

static weft_status run_set(struct expansion *x, struct source *s, struct weft_template_expr *args, bool live) {
    struct weft_template_var var = {0};
    args->live = live;
    if (!weft_template_name(args, &var.name, &var.len) || !weft_template_take(args, "="))
        return fail_at(WEFT_ERR_FORMAT, s, s->line, "a value is written: set NAME = EXPRESSION");
    var.value = weft_template_eval(args);
    WEFT_TRY(check_end(s, args));
    if (!live) return WEFT_OK;
    struct weft_template_var *old = weft_template_scope_var(&x->scope, var.name, var.len);
    if (old && old->loop)
        return fail_at(WEFT_ERR_FORMAT, s, s->line, "'%.*s' is the variable of a loop and cannot be set",
                       (int)(var.len < 100 ? var.len : 100), var.name);
    if (old) old->value = var.value;
    else if (!weft_template_scope_push(&x->scope, &var)) return fail_memory(s);
    return WEFT_OK;
}

static const struct weft_wgsl_file *find_embedded(const char *name, size_t len) {
    for (size_t i = 0; i < weft_wgsl_file_count; i++) {
        const char *have = weft_wgsl_files[i].name;
        if (strncmp(have, name, len) == 0 && !have[len]) return &weft_wgsl_files[i];
    }
    return NULL;
}

static weft_status run_source(struct expansion *x, struct source *s) {
    enum directive stop;
    struct weft_template_expr args;
    int blocks = x->blocks;
    WEFT_TRY(map_file(x->map, s->name, &s->map_file));
    WEFT_TRY(run_block(x, s, true, &stop, &args));
    if (stop != END_OF_FILE)
        return fail_at(WEFT_ERR_FORMAT, s, s->line, "this elif, else or end belongs to no if or for");
    x->blocks = blocks;
    return WEFT_OK;
}

static weft_status run_include(struct expansion *x, struct source *s, struct weft_template_expr *args, bool live) {
    args->live = live;
    bool again = weft_template_take(args, "again");
    struct weft_template_result name = weft_template_eval(args);
    WEFT_TRY(check_end(s, args));
    if (!live) return WEFT_OK;
    if (!name.text) return fail_at(WEFT_ERR_FORMAT, s, s->line, "include needs the name of a file in quotes");
    const struct weft_wgsl_file *file = find_embedded(name.text, name.len);
    if (!file)
        return fail_at(WEFT_ERR_NOT_FOUND, s, s->line, "there is no embedded file \"%.*s\"",
                       (int)(name.len < 200 ? name.len : 200), name.text);
    bool seen = false;
    for (size_t i = 0; i < x->n_seen; i++) seen = seen || strcmp(x->seen[i], file->name) == 0;
    if (seen && !again) return WEFT_OK;
    if (s->depth + 1 > MAX_INCLUDES)
        return fail_at(WEFT_ERR_FORMAT, s, s->line, "includes are nested deeper than %d; does \"%s\" include itself?",
                       (int)MAX_INCLUDES, file->name);
    if (!seen && x->n_seen == MAX_FILES)
        return fail_at(WEFT_ERR_FORMAT, s, s->line, "a kernel includes more than %d files", (int)MAX_FILES);
    if (!seen) x->seen[x->n_seen++] = file->name;
    struct source inner = {.name = file->name, .text = file->text, .len = file->len};
    inner.parent = s;
    inner.depth = s->depth + 1;
    return run_source(x, &inner);
}

/// Runs lines until an elif, else or end that belongs to an enclosing block, or the end of the file; `args` is then the
/// cursor behind that word.
static weft_status run_block(struct expansion *x, struct source *s, bool live, enum directive *stop,
                             struct weft_template_expr *args) {
    const char *first, *end;
    *stop = END_OF_FILE;
    while (next_line(s, &first, &end)) {
        struct weft_template_expr e = {.p = first, .end = end, .scope = &x->scope, .live = live};
        enum directive is = classify(&e);
        switch (is) {
        case TEXT: WEFT_TRY(run_text(x, s, first, end, live)); break;
        case IF: WEFT_TRY(run_if(x, s, &e, live)); break;
        case FOR: WEFT_TRY(run_for(x, s, &e, live)); break;
        case SET: WEFT_TRY(run_set(x, s, &e, live)); break;
        case INCLUDE: WEFT_TRY(run_include(x, s, &e, live)); break;
        case ELIF:
        case ELSE:
        case END:
            *stop = is;
            *args = e;
            return WEFT_OK;
        case UNKNOWN:
            return fail_at(WEFT_ERR_FORMAT, s, s->line,
                           "unknown directive '%.*s'; known are if, elif, else, end, for, set, include",
                           (int)(end - e.p < 40 ? end - e.p : 40), e.p);
        case COMMENT:
        case END_OF_FILE: break;
        }
    }
    return WEFT_OK;
}

// ---- entry -------------------------------------------------------------------------------------------------------

static weft_status expand(struct source *s, const struct weft_tval *values, size_t n_values, struct weft_str *out,
                          struct weft_line_map *map) {
    struct expansion x = {.scope = {.values = values, .n_values = n_values}, .out = out, .map = map, .start = out->len};
    size_t map_n = map ? map->n : 0;
    x.seen[x.n_seen++] = s->name;
    weft_status status = map_start(map, out);
    if (status == WEFT_OK) status = run_source(&x, s);
    weft_free(x.scope.vars);
    if (status != WEFT_OK) { // half a kernel is of no use to anyone
        if (map) map->n = map_n;
        if (out->data && !out->failed) out->data[out->len = x.start] = '\0';
    }
    return status;
}

weft_status weft_template_expand(const char *file, const struct weft_tval *values, size_t n_values,
                                 struct weft_str *out, struct weft_line_map *map) {
    if (!file || !out) return weft_fail(WEFT_ERR_INVALID, "weft_template_expand: file and out are needed");
    const struct weft_wgsl_file *found = find_embedded(file, strlen(file));
    if (!found) return weft_fail(WEFT_ERR_NOT_FOUND, "%s: there is no embedded template of this name", file);
    struct source s = {.name = found->name, .text = found->text, .len = found->len};
    return expand(&s, values, n_values, out, map);
}

weft_status weft_template_expand_text(const char *name, const char *text, const struct weft_tval *values,
                                      size_t n_values, struct weft_str *out, struct weft_line_map *map) {
    if (!text || !out) return weft_fail(WEFT_ERR_INVALID, "weft_template_expand_text: text and out are needed");
    struct source s = {.name = name ? name : "(text)", .text = text, .len = strlen(text)};
    return expand(&s, values, n_values, out, map);
}
