/// Evaluation of expressions.
#include "model/template/call.h"
#include "model/template/template.h"

#include <string.h>

static void at(struct weft_jrun *r, const struct weft_jnode *n) {
    r->line = n->line;
    r->column = n->column;
}

// ---- names --------------------------------------------------------------------------------------------------------

static bool look_up(struct weft_jrun *r, const struct weft_js *name, struct weft_jv *out) {
    for (const struct weft_jscope *s = r->scope; s; s = s->up) {
        if (!weft_j_steps(r, 1 + s->n / 8)) return false;
        for (size_t i = s->n; i-- > 0;)
            if (weft_j_js_is(s->vars[i].name, name->text, name->len)) return *out = s->vars[i].value, true;
    }
    return weft_j_undefined(r, out, "'%.*s' is undefined", name->len < 200 ? (int)name->len : 200, name->text);
}

bool weft_j_set(struct weft_jrun *r, const struct weft_js *name, struct weft_jv v) {
    struct weft_jscope *s = r->scope;
    if (!weft_j_steps(r, s->n / 8)) return false;
    for (size_t i = 0; i < s->n; i++)
        if (weft_j_js_is(s->vars[i].name, name->text, name->len)) return s->vars[i].value = v, true;
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 4;
        struct weft_jvar *vars = weft_j_alloc(r, cap * sizeof *vars);
        if (!vars) return false;
        if (s->n) memcpy(vars, s->vars, s->n * sizeof *vars);
        s->vars = vars;
        s->cap = cap;
    }
    s->vars[s->n++] = (struct weft_jvar){name, v};
    return true;
}

// ---- calls --------------------------------------------------------------------------------------------------------

struct arguments {
    struct weft_jv values; // a list
    struct weft_jlist *by_name;
    const struct weft_js **names;
    size_t named, cap;
};

static bool add_named(struct weft_jrun *r, struct arguments *a, const struct weft_js *name, struct weft_jv v) {
    if (a->named == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 4;
        const struct weft_js **names = weft_j_alloc(r, cap * sizeof *names);
        if (!names) return false;
        if (a->named) memcpy(names, a->names, a->named * sizeof *names);
        a->names = names;
        a->cap = cap;
    }
    a->names[a->named++] = name;
    return weft_j_append(r, a->by_name, v);
}

static bool add_argument(struct weft_jrun *r, struct arguments *a, const struct weft_jnode *n) {
    struct weft_jv v;
    struct weft_jlist *items;
    if (!weft_j_eval(r, n, &v)) return false;
    if (n->by == WEFT_J_BY_PLACE) return weft_j_append(r, a->values.list, v);
    if (n->by == WEFT_J_BY_NAME) return add_named(r, a, n->arg, v);
    if (n->by == WEFT_J_SPREAD) {
        if (!weft_j_iterate(r, &v, &items)) return false;
        for (size_t i = 0; i < items->n; i++)
            if (!weft_j_append(r, a->values.list, items->items[i])) return false;
        return true;
    }
    if (v.kind != WEFT_J_MAP) return weft_j_fail(r, WEFT_ERR_INVALID, "** takes a map, not %s", weft_j_type(&v));
    for (size_t i = 0; i < v.map->n; i++) {
        if (v.map->keys[i].kind != WEFT_J_STR) return weft_j_fail(r, WEFT_ERR_INVALID, "** takes a map of names");
        if (!add_named(r, a, v.map->keys[i].s, v.map->values[i])) return false;
    }
    return true;
}

bool weft_j_arguments(struct weft_jrun *r, const struct weft_jnode *call, const struct weft_jv *caller,
                      struct weft_jargs *out) {
    static const struct weft_js caller_name = {.text = "caller", .len = 6};
    struct arguments a = {0};
    struct weft_jv by_name;
    *out = (struct weft_jargs){0};
    if (!call->list && !caller) return true;
    if (!weft_j_list(r, call->n, WEFT_J_PLAIN, &a.values) || !weft_j_list(r, 0, WEFT_J_PLAIN, &by_name)) return false;
    a.by_name = by_name.list;
    for (const struct weft_jnode *n = call->list; n; n = n->next)
        if (!add_argument(r, &a, n)) return false;
    if (caller && !add_named(r, &a, &caller_name, *caller)) return false;
    out->n = a.values.list->n;
    for (size_t i = 0; i < a.by_name->n; i++)
        if (!weft_j_append(r, a.values.list, a.by_name->items[i])) return false;
    out->items = a.values.list->items;
    out->names = a.names;
    out->named = a.named;
    return true;
}

bool weft_j_call_value(struct weft_jrun *r, const struct weft_jv *callee, const struct weft_jargs *args,
                       struct weft_jv *out) {
    switch (callee->kind) {
    case WEFT_J_MACRO: return weft_j_call_macro(r, callee->macro, args, out);
    case WEFT_J_METHOD: return callee->method->function->call(r, &callee->method->self, args, out);
    case WEFT_J_FUNCTION: return callee->function->call(r, NULL, args, out);
    case WEFT_J_LOOP:
        if (args->n == 1 && !args->named) return weft_j_call_loop(r, callee->loop, &args->items[0], out);
        return weft_j_fail(r, WEFT_ERR_INVALID, "loop() takes one argument");
    case WEFT_J_UNDEFINED: return weft_j_fail(r, WEFT_ERR_INVALID, "%s, so it can't be called", callee->s->text);
    default: return weft_j_fail(r, WEFT_ERR_INVALID, "%s can't be called", weft_j_type(callee));
    }
}

static bool call(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    struct weft_jv callee;
    struct weft_jargs args;
    if (!weft_j_eval(r, n->a, &callee) || !weft_j_arguments(r, n, NULL, &args)) return false;
    at(r, n);
    return weft_j_call_value(r, &callee, &args, out);
}

bool weft_j_apply_filter(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv v, struct weft_jv *out) {
    struct weft_jargs args;
    if (n->a && !weft_j_eval(r, n->a, &v)) return false;
    const struct weft_jfunction *filter = weft_j_find_filter(n->name);
    at(r, n);
    if (!filter)
        return weft_j_fail(r, WEFT_ERR_UNSUPPORTED, "there is no filter '%.*s'", (int)n->name->len, n->name->text);
    if (!weft_j_arguments(r, n, NULL, &args)) return false;
    at(r, n);
    return filter->call(r, &v, &args, out);
}

static bool filter(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    return weft_j_apply_filter(r, n, weft_j_none(), out);
}

static bool test(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    struct weft_jv v;
    struct weft_jargs args;
    bool yes = false;
    weft_j_test_call ask = weft_j_find_test(n->name->text, n->name->len);
    if (!ask) return weft_j_fail(r, WEFT_ERR_UNSUPPORTED, "there is no test '%.*s'", (int)n->name->len, n->name->text);
    if (!weft_j_eval(r, n->a, &v) || !weft_j_arguments(r, n, NULL, &args)) return false;
    at(r, n);
    if (!ask(r, &v, &args, &yes)) return false;
    *out = weft_j_bool(yes);
    return true;
}

// ---- the rest -----------------------------------------------------------------------------------------------------

static bool list(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    if (!weft_j_list(r, n->n, n->kind == WEFT_JN_TUPLE ? WEFT_J_TUPLE : WEFT_J_PLAIN, out)) return false;
    struct weft_jlist *items = out->list;
    for (const struct weft_jnode *i = n->list; i; i = i->next) {
        struct weft_jv v;
        if (!weft_j_eval(r, i, &v) || !weft_j_append(r, items, v)) return false;
    }
    return true;
}

static bool map(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    if (!weft_j_map(r, out)) return false;
    struct weft_jmap *members = out->map;
    for (const struct weft_jnode *i = n->list; i; i = i->next->next) {
        struct weft_jv key, v;
        if (!weft_j_eval(r, i, &key) || !weft_j_eval(r, i->next, &v) || !weft_j_put(r, members, key, v)) return false;
    }
    return true;
}

static bool item(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    struct weft_jv v, key, part[3];
    if (!weft_j_eval(r, n->a, &v)) return false;
    if (n->b->kind != WEFT_JN_SLICE) {
        if (!weft_j_eval(r, n->b, &key)) return false;
        at(r, n);
        return weft_j_item(r, &v, &key, out);
    }
    const struct weft_jnode *nodes[3] = {n->b->a, n->b->b, n->b->c};
    for (int i = 0; i < 3; i++) {
        part[i] = (struct weft_jv){.kind = WEFT_J_MISSING};
        if (nodes[i] && !weft_j_eval(r, nodes[i], &part[i])) return false;
    }
    at(r, n);
    return weft_j_slice_of(r, &v, part, out);
}

// All operands come first: one of them may append to the text that the first one ends.
static bool concat(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    struct weft_jv operands, first;
    if (!list(r, n, &operands)) return false;
    at(r, n);
    const struct weft_jv *items = operands.list->items;
    if (!weft_j_to_str(r, &items[0], &first)) return false;
    struct weft_jbuf *b = weft_j_tail(r, first.s);
    for (size_t i = 1; b && i < n->n; i++)
        if (!weft_j_print(r, b, &items[i], false)) return false;
    return b && weft_j_owned(r, b, out);
}

static bool compare(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    struct weft_jv a, b;
    bool yes = true;
    if (!weft_j_eval(r, n->a, &a)) return false;
    for (const struct weft_jnode *i = n->list; i && yes; i = i->next, a = b) {
        if (!weft_j_eval(r, i->a, &b)) return false;
        at(r, n);
        if (!weft_j_related(r, i->op, &a, &b, &yes)) return false;
    }
    *out = weft_j_bool(yes);
    return true;
}

static bool binary(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    struct weft_jv a, b;
    if (!weft_j_eval(r, n->a, &a) || !weft_j_eval(r, n->b, &b)) return false;
    at(r, n);
    return weft_j_binary(r, n->op, &a, &b, out);
}

static bool unary(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    struct weft_jv v;
    if (!weft_j_eval(r, n->a, &v)) return false;
    if (n->kind == WEFT_JN_NOT) return *out = weft_j_bool(!weft_j_true(&v)), true;
    at(r, n);
    return weft_j_negate(r, &v, n->kind == WEFT_JN_NEG, out);
}

// `and` and `or` give the operand that decided.
static bool logic(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    if (!weft_j_eval(r, n->a, out)) return false;
    return weft_j_true(out) == (n->kind == WEFT_JN_OR) || weft_j_eval(r, n->b, out);
}

static bool if_else(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    if (!weft_j_eval(r, n->a, out)) return false;
    if (weft_j_true(out)) return weft_j_eval(r, n->b, out);
    if (n->c) return weft_j_eval(r, n->c, out);
    return weft_j_undefined(r, out, "the inline if has no else and is undefined");
}

static bool attr(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    struct weft_jv v;
    if (!weft_j_eval(r, n->a, &v)) return false;
    at(r, n);
    return weft_j_attr(r, &v, n->name, out);
}

static bool eval(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    switch (n->kind) {
    case WEFT_JN_CONST: return *out = n->value, true;
    case WEFT_JN_NAME: return look_up(r, n->name, out);
    case WEFT_JN_LIST:
    case WEFT_JN_TUPLE: return list(r, n, out);
    case WEFT_JN_MAP: return map(r, n, out);
    case WEFT_JN_ATTR: return attr(r, n, out);
    case WEFT_JN_ITEM: return item(r, n, out);
    case WEFT_JN_CALL: return call(r, n, out);
    case WEFT_JN_FILTER: return filter(r, n, out);
    case WEFT_JN_TEST: return test(r, n, out);
    case WEFT_JN_NOT:
    case WEFT_JN_NEG:
    case WEFT_JN_POS: return unary(r, n, out);
    case WEFT_JN_AND:
    case WEFT_JN_OR: return logic(r, n, out);
    case WEFT_JN_BINARY: return binary(r, n, out);
    case WEFT_JN_CONCAT: return concat(r, n, out);
    case WEFT_JN_COMPARE: return compare(r, n, out);
    case WEFT_JN_IF_ELSE: return if_else(r, n, out);
    default: return weft_j_fail(r, WEFT_ERR_INVALID, "a slice stands where a value should");
    }
}

bool weft_j_eval(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    at(r, n);
    bool ok = weft_j_enter(r) && eval(r, n, out);
    weft_j_leave(r);
    return ok;
}
