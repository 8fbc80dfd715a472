/// Integer expressions of the template language: recursive descent over one line, evaluated while it is parsed.
/// Where the left side of && or || decides, the right side is still parsed, but its names need not exist, so that
/// `defined(X) && X > 1` works.
#include "plan/template_expr.h"
#include "core/alloc.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 64 }; // bounds the recursion on hostile text

typedef struct weft_template_expr expr;
typedef struct weft_template_result result;

void weft_template_fault(expr *e, const char *format, ...) {
    if (e->error[0]) return;
    va_list args;
    va_start(args, format);
    vsnprintf(e->error, sizeof e->error, format, args);
    va_end(args);
    e->p = e->end; // nothing after the first fault is read
}

// ---- scope -------------------------------------------------------------------------------------------------------

struct weft_template_var *weft_template_scope_var(const struct weft_template_scope *scope, const char *name,
                                                  size_t len) {
    for (size_t i = scope->n_vars; i-- > 0;) {
        struct weft_template_var *v = &scope->vars[i];
        if (v->len == len && memcmp(v->name, name, len) == 0) return v;
    }
    return NULL;
}

bool weft_template_scope_get(const struct weft_template_scope *scope, const char *name, size_t len, result *out) {
    const struct weft_template_var *v = weft_template_scope_var(scope, name, len);
    if (v) {
        *out = v->value;
        return true;
    }
    for (size_t i = 0; i < scope->n_values; i++) {
        const struct weft_tval *value = &scope->values[i];
        if (!value->name || strncmp(value->name, name, len) != 0 || value->name[len]) continue;
        *out = (result){value->i, value->text, value->text ? strlen(value->text) : 0};
        return true;
    }
    return false;
}

bool weft_template_scope_push(struct weft_template_scope *scope, const struct weft_template_var *var) {
    if (!weft_grow((void **)&scope->vars, &scope->cap_vars, scope->n_vars + 1, sizeof *var)) return false;
    scope->vars[scope->n_vars++] = *var;
    return true;
}

// ---- tokens ------------------------------------------------------------------------------------------------------

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static void skip_space(expr *e) {
    while (e->p < e->end && (*e->p == ' ' || *e->p == '\t')) e->p++;
}

bool weft_template_at_end(expr *e) {
    skip_space(e);
    return e->p == e->end || (e->end - e->p >= 2 && e->p[0] == '/' && e->p[1] == '/');
}

bool weft_template_name(expr *e, const char **name, size_t *len) {
    skip_space(e);
    const char *q = e->p;
    if (q == e->end || !is_letter(*q)) return false;
    while (q < e->end && (is_letter(*q) || is_digit(*q))) q++;
    *name = e->p;
    *len = (size_t)(q - e->p);
    e->p = q;
    return true;
}

bool weft_template_take(expr *e, const char *token) {
    skip_space(e);
    size_t len = strlen(token);
    if ((size_t)(e->end - e->p) < len || memcmp(e->p, token, len) != 0) return false;
    const char *after = e->p + len;
    if (is_letter(*token) && after < e->end && (is_letter(*after) || is_digit(*after))) return false;
    e->p = after;
    return true;
}

// ---- expression --------------------------------------------------------------------------------------------------

static result parse_or(expr *e);

static result integer(int64_t i) { return (result){i, NULL, 0}; }

/// INT64_MIN is refused everywhere, so that negation and division cannot overflow.
static int64_t in_range(expr *e, bool overflow, int64_t value) {
    if (!overflow && value != INT64_MIN) return value;
    if (e->live) weft_template_fault(e, "the value of an expression does not fit 64 bits");
    return 0;
}

static int64_t need_int(expr *e, result v) {
    if (!v.text) return v.i;
    int shown = (int)(v.len < 60 ? v.len : 60);
    if (e->live) weft_template_fault(e, "the string \"%.*s\" stands where an integer is needed", shown, v.text);
    return 0;
}

static result parse_number(expr *e) {
    int base = 10;
    uint64_t value = 0;
    if (e->end - e->p > 2 && e->p[0] == '0' && (e->p[1] == 'x' || e->p[1] == 'X')) {
        base = 16;
        e->p += 2;
    }
    const char *first = e->p;
    for (; e->p < e->end; e->p++) {
        char c = *e->p;
        int digit = 99;
        if (is_digit(c)) digit = c - '0';
        else if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
        if (digit >= base) break;
        value = value * (uint64_t)base + (uint64_t)digit;
        if (value > INT64_MAX / 16) {
            weft_template_fault(e, "a number is too large");
            return integer(0);
        }
    }
    if (e->p == first || (e->p < e->end && is_letter(*e->p))) weft_template_fault(e, "a number is malformed");
    return integer((int64_t)value);
}

static result parse_string(expr *e) {
    const char *first = ++e->p;
    while (e->p < e->end && *e->p != '"') e->p++;
    if (e->p == e->end) {
        weft_template_fault(e, "a string has no closing quote");
        return integer(0);
    }
    return (result){0, first, (size_t)(e->p++ - first)};
}

static result parse_defined(expr *e) {
    const char *name;
    size_t len;
    result ignored;
    if (!weft_template_take(e, "(") || !weft_template_name(e, &name, &len) || !weft_template_take(e, ")")) {
        weft_template_fault(e, "defined needs a name in parentheses, as in defined(NAME)");
        return integer(0);
    }
    return integer(weft_template_scope_get(e->scope, name, len, &ignored));
}

static result parse_primary(expr *e) {
    const char *name;
    size_t len;
    result value = integer(0);
    skip_space(e);
    if (e->p == e->end) {
        weft_template_fault(e, "the expression ends where a value is needed");
    } else if (is_digit(*e->p)) {
        value = parse_number(e);
    } else if (*e->p == '"') {
        value = parse_string(e);
    } else if (weft_template_take(e, "(")) {
        value = parse_or(e);
        if (!weft_template_take(e, ")")) weft_template_fault(e, "a closing parenthesis is missing");
    } else if (weft_template_take(e, "defined")) {
        value = parse_defined(e);
    } else if (weft_template_name(e, &name, &len)) {
        if (!weft_template_scope_get(e->scope, name, len, &value) && e->live)
            weft_template_fault(e, "'%.*s' is not defined: the kernel was given no value of this name",
                                (int)(len < 100 ? len : 100), name);
        value.i = in_range(e, false, value.i);
    } else {
        weft_template_fault(e, "unexpected '%c' in an expression", *e->p);
    }
    return value;
}

static result parse_unary(expr *e) {
    if (++e->depth > MAX_DEPTH) weft_template_fault(e, "the expression is nested deeper than %d", (int)MAX_DEPTH);
    result value;
    skip_space(e);
    bool not_equal = e->end - e->p >= 2 && e->p[0] == '!' && e->p[1] == '=';
    if (!not_equal && weft_template_take(e, "!")) {
        value = integer(!need_int(e, parse_unary(e)));
    } else if (weft_template_take(e, "-")) {
        value = integer(-need_int(e, parse_unary(e)));
    } else {
        value = parse_primary(e);
    }
    e->depth--;
    return value;
}

/// The operator that stands here, out of `ops` (longest first), or 0. A `//` is a comment, not a division.
static const char *take_operator(expr *e, const char *const *ops) {
    if (weft_template_at_end(e)) return NULL;
    for (; *ops; ops++)
        if (weft_template_take(e, *ops)) return *ops;
    return NULL;
}

static result parse_product(expr *e) {
    static const char *const ops[] = {"*", "/", "%", NULL};
    result left = parse_unary(e);
    for (const char *op; (op = take_operator(e, ops)) != NULL;) {
        int64_t a = need_int(e, left), b = need_int(e, parse_unary(e)), value = 0;
        if (*op == '*') {
            bool overflow = __builtin_mul_overflow(a, b, &value);
            value = in_range(e, overflow, value);
        } else if (b == 0) {
            if (e->live) weft_template_fault(e, "division by zero");
        } else {
            value = *op == '/' ? a / b : a % b;
        }
        left = integer(value);
    }
    return left;
}

static result parse_sum(expr *e) {
    static const char *const ops[] = {"+", "-", NULL};
    result left = parse_product(e);
    for (const char *op; (op = take_operator(e, ops)) != NULL;) {
        int64_t a = need_int(e, left), b = need_int(e, parse_product(e)), value;
        bool overflow = *op == '+' ? __builtin_add_overflow(a, b, &value) : __builtin_sub_overflow(a, b, &value);
        left = integer(in_range(e, overflow, value));
    }
    return left;
}

static result parse_order(expr *e) {
    static const char *const ops[] = {"<=", ">=", "<", ">", NULL};
    result left = parse_sum(e);
    for (const char *op; (op = take_operator(e, ops)) != NULL;) {
        int64_t a = need_int(e, left), b = need_int(e, parse_sum(e));
        bool value = op[1] ? (*op == '<' ? a <= b : a >= b) : (*op == '<' ? a < b : a > b);
        left = integer(value);
    }
    return left;
}

static result parse_equality(expr *e) {
    static const char *const ops[] = {"==", "!=", NULL};
    result left = parse_order(e);
    for (const char *op; (op = take_operator(e, ops)) != NULL;) {
        result right = parse_order(e);
        if (e->live && !left.text != !right.text) weft_template_fault(e, "a string is compared with an integer");
        bool equal = left.text && right.text ? left.len == right.len && memcmp(left.text, right.text, left.len) == 0
                                             : left.i == right.i;
        left = integer(*op == '=' ? equal : !equal);
    }
    return left;
}

static result parse_and(expr *e) {
    static const char *const ops[] = {"&&", NULL};
    result left = parse_equality(e);
    while (take_operator(e, ops)) {
        bool live = e->live, a = need_int(e, left) != 0;
        e->live = live && a;
        bool b = need_int(e, parse_equality(e)) != 0;
        e->live = live;
        left = integer(a && b);
    }
    return left;
}

static result parse_or(expr *e) {
    static const char *const ops[] = {"||", NULL};
    result left = parse_and(e);
    while (take_operator(e, ops)) {
        bool live = e->live, a = need_int(e, left) != 0;
        e->live = live && !a;
        bool b = need_int(e, parse_and(e)) != 0;
        e->live = live;
        left = integer(a || b);
    }
    return left;
}

result weft_template_eval(expr *e) { return parse_or(e); }

int64_t weft_template_eval_int(expr *e) {
    int64_t value = need_int(e, parse_or(e));
    return e->error[0] || !e->live ? 0 : value;
}
