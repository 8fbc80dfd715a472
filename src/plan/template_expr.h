/// Values and integer expressions of the template language. For template.c only.
#ifndef WEFT_PLAN_TEMPLATE_EXPR_H
#define WEFT_PLAN_TEMPLATE_EXPR_H
#include "plan/template.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What an expression gives: an integer, or a string when `text` is not NULL (not 0-terminated, `len` bytes).
struct weft_template_result {
    int64_t i;
    const char *text;
    size_t len;
};

/// A value that the template itself defined: by `set`, or the variable of a running loop. The name is a slice of the
/// source.
struct weft_template_var {
    const char *name;
    size_t len;
    struct weft_template_result value;
    bool loop;
};

struct weft_template_scope {
    const struct weft_tval *values; ///< the caller's
    size_t n_values;
    struct weft_template_var *vars; ///< the template's own; they hide the caller's
    size_t n_vars, cap_vars;
};

/// A cursor in one line. Functions move `p`; the first fault fills `error` and everything after it does nothing.
struct weft_template_expr {
    const char *p, *end;
    const struct weft_template_scope *scope;
    bool live; ///< false: only the syntax is checked, names need not exist (branches that are not taken)
    int depth;
    char error[256];
};

struct weft_template_var *weft_template_scope_var(const struct weft_template_scope *scope, const char *name,
                                                  size_t len); ///< NULL: not one of the template's own
bool weft_template_scope_get(const struct weft_template_scope *scope, const char *name, size_t len,
                             struct weft_template_result *out); ///< false: undefined
/// Adds a variable; false: out of memory.
bool weft_template_scope_push(struct weft_template_scope *scope, const struct weft_template_var *var);

struct weft_template_result weft_template_eval(struct weft_template_expr *e);
/// The same, refusing a string. 0 after a fault and where not live.
int64_t weft_template_eval_int(struct weft_template_expr *e);
/// Takes a name; false (and no fault) if there is none here.
bool weft_template_name(struct weft_template_expr *e, const char **name, size_t *len);
/// Takes `token` if it stands here. A token of letters is a whole word.
bool weft_template_take(struct weft_template_expr *e, const char *token);
/// True at the end of the line; a trailing `// comment` counts as the end.
bool weft_template_at_end(struct weft_template_expr *e);
void weft_template_fault(struct weft_template_expr *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
