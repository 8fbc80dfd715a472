/// Statements: what they append to the text at work, and the scopes in which they set names.
#include "model/template/call.h"
#include "model/template/template.h"

#include <string.h>

enum flow { FAILED, NEXT, BREAK, CONTINUE };

static enum flow run(struct weft_jrun *r, const struct weft_jnode *list);

static enum flow flow_of(bool ok) { return ok ? NEXT : FAILED; }

static bool push(struct weft_jrun *r, struct weft_jscope *up) {
    struct weft_jscope *s = weft_j_alloc(r, sizeof *s);
    if (!s) return false;
    s->up = up;
    r->scope = s;
    return true;
}

// ---- assignment ---------------------------------------------------------------------------------------------------

static bool find(struct weft_jrun *r, const struct weft_js *name, struct weft_jv **out) {
    for (struct weft_jscope *s = r->scope; s; s = s->up)
        for (size_t i = 0; i < s->n; i++)
            if (weft_j_js_is(s->vars[i].name, name->text, name->len)) return *out = &s->vars[i].value, true;
    return false;
}

static bool assign(struct weft_jrun *r, const struct weft_jnode *target, struct weft_jv v) {
    struct weft_jlist *items;
    struct weft_jv *space;
    if (target->kind == WEFT_JN_NAME) return weft_j_set(r, target->name, v);
    r->line = target->line, r->column = target->column;
    if (target->kind == WEFT_JN_SPACE_REF) {
        if (!find(r, target->name, &space) || space->kind != WEFT_J_SPACE)
            return weft_j_fail(r, WEFT_ERR_INVALID, "'%.*s' is no namespace, and attributes of others can't be set",
                               (int)target->name->len, target->name->text);
        return weft_j_put(r, space->map, weft_j_text(target->arg), v);
    }
    if (!weft_j_iterate(r, &v, &items)) return false;
    if (items->n != target->n)
        return weft_j_fail(r, WEFT_ERR_INVALID, "%zu names can't take %zu values", target->n, items->n);
    size_t i = 0;
    for (const struct weft_jnode *n = target->list; n; n = n->next)
        if (!assign(r, n, items->items[i++])) return false;
    return true;
}

// ---- texts of bodies ----------------------------------------------------------------------------------------------

struct capture {
    struct weft_jbuf text, *outer;
    struct weft_jscope *scope;
    bool root;
};

static bool begin(struct weft_jrun *r, struct capture *c, struct weft_jscope *up) {
    *c = (struct capture){.outer = r->out, .scope = r->scope, .root = r->is_root_output};
    if (!push(r, up)) return false;
    r->out = &c->text;
    r->is_root_output = false;
    return true;
}

static void end(struct weft_jrun *r, const struct capture *c) {
    r->out = c->outer;
    r->scope = c->scope;
    r->is_root_output = c->root;
}

// The text of a body in a scope of its own beneath `up`.
static bool captured(struct weft_jrun *r, const struct weft_jnode *body, struct weft_jscope *up, struct weft_jv *out) {
    struct capture c;
    if (!begin(r, &c, up)) return false;
    bool ok = run(r, body) != FAILED;
    end(r, &c);
    return ok && weft_j_done(r, &c.text, false, out);
}

// ---- macros -------------------------------------------------------------------------------------------------------

static const struct weft_js caller_name = {.text = "caller", .len = 6};

static bool parameter(struct weft_jrun *r, const struct weft_jnode *p, size_t place, const struct weft_jargs *args,
                      uint8_t *used) {
    struct weft_jv v = {.kind = WEFT_J_MISSING};
    if (place < args->n) v = args->items[place];
    for (size_t i = 0; i < args->named; i++) {
        if (!weft_j_js_is(args->names[i], p->name->text, p->name->len)) continue;
        if (v.kind != WEFT_J_MISSING)
            return weft_j_fail(r, WEFT_ERR_INVALID, "argument '%.*s' is given twice", (int)p->name->len, p->name->text);
        v = args->items[args->n + i];
        used[i] = 1;
    }
    if (v.kind == WEFT_J_MISSING) {
        bool ok = p->a ? weft_j_eval(r, p->a, &v)
                       : weft_j_undefined(r, &v, "parameter '%.*s' was not provided and is undefined",
                                          (int)p->name->len, p->name->text);
        if (!ok) return false;
    }
    return weft_j_set(r, p->name, v);
}

// What no parameter takes: `caller`, and varargs and kwargs where the macro asks for them.
static bool leftovers(struct weft_jrun *r, const struct weft_jmacro *m, const struct weft_jargs *args,
                      const uint8_t *used) {
    static const struct weft_js varargs = {.text = "varargs", .len = 7}, kwargs = {.text = "kwargs", .len = 6};
    size_t takes = m->parameters->n;
    struct weft_jv rest, named;
    if (!weft_j_list(r, 0, WEFT_J_TUPLE, &rest) || !weft_j_map(r, &named)) return false;
    if (args->n > takes && !(m->special & WEFT_J_VARARGS))
        return weft_j_fail(r, WEFT_ERR_INVALID, "macro '%.*s' takes at most %zu arguments, not %zu",
                           m->name ? (int)m->name->len : 6, m->name ? m->name->text : "caller", takes, args->n);
    for (size_t i = takes; i < args->n; i++)
        if (!weft_j_append(r, rest.list, args->items[i])) return false;
    for (size_t i = 0; i < args->named; i++) {
        const struct weft_js *name = args->names[i];
        if (used[i]) continue;
        if (weft_j_js_is(name, "caller", 6)) {
            if (!weft_j_set(r, &caller_name, args->items[args->n + i])) return false;
            continue;
        }
        if (!(m->special & WEFT_J_KWARGS))
            return weft_j_fail(r, WEFT_ERR_INVALID, "macro '%.*s' has no parameter '%.*s'",
                               m->name ? (int)m->name->len : 6, m->name ? m->name->text : "caller", (int)name->len,
                               name->text);
        if (!weft_j_put(r, named.map, weft_j_text(name), args->items[args->n + i])) return false;
    }
    return (!(m->special & WEFT_J_VARARGS) || weft_j_set(r, &varargs, rest)) &&
           (!(m->special & WEFT_J_KWARGS) || weft_j_set(r, &kwargs, named));
}

static bool run_macro(struct weft_jrun *r, const struct weft_jmacro *m, const struct weft_jargs *args) {
    size_t place = 0;
    uint8_t *used = weft_j_alloc(r, args->named + 1);
    if (!used) return false;
    for (const struct weft_jnode *p = m->parameters->list; p; p = p->next)
        if (!parameter(r, p, place++, args, used)) return false;
    return leftovers(r, m, args, used) && run(r, m->body) != FAILED;
}

bool weft_j_call_macro(struct weft_jrun *r, const struct weft_jmacro *m, const struct weft_jargs *args,
                       struct weft_jv *out) {
    struct capture c;
    if (!begin(r, &c, m->scope)) return false;
    bool ok = weft_j_enter(r) && run_macro(r, m, args);
    weft_j_leave(r);
    end(r, &c);
    return ok && weft_j_done(r, &c.text, false, out);
}

static bool make_macro(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out) {
    struct weft_jmacro *m = weft_j_alloc(r, sizeof *m);
    if (!m) return false;
    *m = (struct weft_jmacro){
        .name = n->name, .parameters = n->a, .body = n->list, .scope = r->scope, .special = n->special};
    *out = (struct weft_jv){.kind = WEFT_J_MACRO, .macro = m};
    return true;
}

static bool call_block(struct weft_jrun *r, const struct weft_jnode *n) {
    struct weft_jv caller, callee, v;
    struct weft_jargs args;
    if (!make_macro(r, n, &caller) || !weft_j_eval(r, n->b->a, &callee) || !weft_j_arguments(r, n->b, &caller, &args))
        return false;
    return weft_j_call_value(r, &callee, &args, &v) && weft_j_print(r, r->out, &v, false);
}

// ---- loops --------------------------------------------------------------------------------------------------------

// The elements that the loop's condition takes, each looked at in a scope of its own.
static bool chosen(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jlist *items, struct weft_jlist **out) {
    struct weft_jv list, yes;
    struct weft_jscope *outer = r->scope;
    if (!weft_j_list(r, 0, WEFT_J_PLAIN, &list)) return false;
    for (size_t i = 0; i < items->n; i++) {
        if (!push(r, outer)) return false;
        bool ok = assign(r, n->a, items->items[i]) && weft_j_eval(r, n->c, &yes) &&
                  (!weft_j_true(&yes) || weft_j_append(r, list.list, items->items[i]));
        r->scope = outer;
        if (!ok) return false;
    }
    *out = list.list;
    return true;
}

static bool turn(struct weft_jrun *r) {
    uint64_t most = r->options->limits.loop_turns;
    if (++r->turns <= most) return true;
    return weft_j_fail(r, WEFT_ERR_LIMIT, "the loops take more than %llu turns (limits.loop_turns)",
                       (unsigned long long)most);
}

static enum flow turns(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jloop *loop) {
    static const struct weft_js name = {.text = "loop", .len = 4};
    enum flow flow = NEXT;
    for (; loop->index < loop->items->n && flow != BREAK; loop->index++) {
        if (!turn(r) || !push(r, loop->scope)) return FAILED;
        bool ok = weft_j_set(r, &name, (struct weft_jv){.kind = WEFT_J_LOOP, .loop = loop}) &&
                  assign(r, n->a, loop->items->items[loop->index]);
        flow = ok ? run(r, n->list) : FAILED;
        r->scope = loop->scope;
        if (flow == FAILED) return FAILED;
        loop->finished |= flow == NEXT;
    }
    return NEXT;
}

// The list as it is now: the body may change it.
static bool copied(struct weft_jrun *r, const struct weft_jlist *list, struct weft_jlist **out) {
    struct weft_jv copy;
    if (!weft_j_list(r, list->n, WEFT_J_PLAIN, &copy)) return false;
    if (list->n) memcpy(copy.list->items, list->items, list->n * sizeof *list->items);
    copy.list->n = list->n;
    *out = copy.list;
    return true;
}

static enum flow loop_over(struct weft_jrun *r, const struct weft_jnode *n, const struct weft_jv *v, size_t depth) {
    struct weft_jloop *loop = weft_j_alloc(r, sizeof *loop);
    struct weft_jlist *items;
    struct weft_jscope *outer = r->scope;
    if (!loop || !weft_j_iterate(r, v, &items)) return FAILED;
    if (n->c ? !chosen(r, n, items, &items) : !copied(r, items, &items)) return FAILED;
    *loop = (struct weft_jloop){.node = n, .scope = outer, .items = items, .depth = depth};
    enum flow flow = turns(r, n, loop);
    r->scope = outer;
    // Jinja's else is for loops of which no turn came to its end, also those that `break` or `continue` cut short.
    if (flow != NEXT || loop->finished || !n->d) return flow;
    if (!push(r, outer)) return FAILED;
    flow = run(r, n->d); // a break here belongs to a loop outside
    r->scope = outer;
    return flow;
}

bool weft_j_call_loop(struct weft_jrun *r, const struct weft_jloop *loop, const struct weft_jv *items,
                      struct weft_jv *out) {
    struct capture c;
    if (!loop->node->op) return weft_j_fail(r, WEFT_ERR_INVALID, "loop() needs a loop that is 'recursive'");
    if (!begin(r, &c, loop->scope)) return false;
    bool ok = weft_j_enter(r) && loop_over(r, loop->node, items, loop->depth + 1) != FAILED;
    weft_j_leave(r);
    end(r, &c);
    return ok && weft_j_done(r, &c.text, false, out);
}

static enum flow run_for(struct weft_jrun *r, const struct weft_jnode *n) {
    struct weft_jv v;
    if (!weft_j_eval(r, n->b, &v)) return FAILED;
    r->line = n->line, r->column = n->column;
    return loop_over(r, n, &v, 0);
}

// ---- the others ---------------------------------------------------------------------------------------------------

static enum flow run_if(struct weft_jrun *r, const struct weft_jnode *n) {
    for (;;) {
        struct weft_jv v;
        if (!weft_j_eval(r, n->a, &v)) return FAILED;
        if (weft_j_true(&v)) return run(r, n->list);
        if (!n->b || n->b->kind != WEFT_JN_IF || !n->b->op) return run(r, n->b);
        n = n->b;
    }
}

static bool set(struct weft_jrun *r, const struct weft_jnode *n) {
    struct weft_jv v;
    return weft_j_eval(r, n->b, &v) && assign(r, n->a, v);
}

// Filters of a block, the innermost at the bottom.
static bool filtered(struct weft_jrun *r, const struct weft_jnode *filter, struct weft_jv *v) {
    if (!filter) return true;
    struct weft_jnode alone = *filter;
    alone.a = NULL;
    return filtered(r, filter->a, v) && weft_j_apply_filter(r, &alone, *v, v);
}

static bool set_block(struct weft_jrun *r, const struct weft_jnode *n) {
    struct weft_jv v;
    return captured(r, n->list, r->scope, &v) && filtered(r, n->b, &v) && assign(r, n->a, v);
}

static bool print_block(struct weft_jrun *r, const struct weft_jnode *n) {
    struct weft_jv v;
    return captured(r, n->list, r->scope, &v) && filtered(r, n->b, &v) && weft_j_print(r, r->out, &v, false);
}

// The values of `with` are all taken outside of it.
static enum flow with(struct weft_jrun *r, const struct weft_jnode *n) {
    struct weft_jscope *outer = r->scope, *inner;
    if (!push(r, outer)) return FAILED;
    inner = r->scope;
    enum flow flow = NEXT;
    for (const struct weft_jnode *i = n->a; i && flow == NEXT; i = i->next) {
        struct weft_jv v;
        r->scope = outer;
        bool ok = weft_j_eval(r, i->b, &v);
        r->scope = inner;
        flow = flow_of(ok && assign(r, i->a, v));
    }
    if (flow == NEXT) flow = run(r, n->list);
    r->scope = outer;
    return flow;
}

static bool output(struct weft_jrun *r, const struct weft_jnode *n) {
    struct weft_jv v;
    return weft_j_eval(r, n->list, &v) && weft_j_print(r, r->out, &v, false);
}

static bool macro(struct weft_jrun *r, const struct weft_jnode *n) {
    struct weft_jv v;
    return make_macro(r, n, &v) && weft_j_set(r, n->name, v);
}

static enum flow statement(struct weft_jrun *r, const struct weft_jnode *n) {
    switch (n->kind) {
    case WEFT_JN_DATA: return flow_of(weft_j_add_js(r, r->out, n->name, 0, n->name->len));
    case WEFT_JN_OUTPUT: return flow_of(output(r, n));
    case WEFT_JN_IF: return run_if(r, n);
    case WEFT_JN_FOR: return run_for(r, n);
    case WEFT_JN_SET: return flow_of(set(r, n));
    case WEFT_JN_SET_BLOCK: return flow_of(set_block(r, n));
    case WEFT_JN_MACRO: return flow_of(macro(r, n));
    case WEFT_JN_CALL_BLOCK: return flow_of(call_block(r, n));
    case WEFT_JN_FILTER_BLOCK:
    case WEFT_JN_SCOPE: return flow_of(print_block(r, n));
    case WEFT_JN_WITH: return with(r, n);
    case WEFT_JN_BREAK: return BREAK;
    case WEFT_JN_CONTINUE: return CONTINUE;
    default: return flow_of(weft_j_fail(r, WEFT_ERR_INVALID, "an expression stands where a statement should"));
    }
}

static enum flow run(struct weft_jrun *r, const struct weft_jnode *list) {
    enum flow flow = flow_of(weft_j_enter(r));
    for (const struct weft_jnode *n = list; n && flow == NEXT; n = n->next) {
        r->line = n->line, r->column = n->column;
        flow = weft_j_steps(r, 1) ? statement(r, n) : FAILED;
    }
    weft_j_leave(r);
    return flow;
}

bool weft_j_exec(struct weft_jrun *r, const struct weft_jnode *list) { return run(r, list) != FAILED; }
