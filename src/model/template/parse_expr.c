/// Expressions of templates, by Jinja's grammar: what binds closest is parsed deepest.
#include "model/template/ast.h"

#include <string.h>

static struct weft_jnode *parse_or(struct weft_jparser *p);
static struct weft_jnode *parse_unary(struct weft_jparser *p, bool filters);

static struct weft_jnode *two(struct weft_jparser *p, enum weft_j_node_kind kind, struct weft_jnode *a,
                              struct weft_jnode *b) {
    struct weft_jnode *n = a && b ? weft_j_node(p, kind) : NULL;
    if (!n) return NULL;
    n->a = a;
    n->b = b;
    n->line = a->line;
    return weft_j_higher(p, n, a) ? n : NULL;
}

// Puts `item` behind the last of `list`.
static bool put(struct weft_jnode *list, struct weft_jnode ***last, struct weft_jnode *item) {
    if (!item) return false;
    **last = item;
    *last = &item->next;
    list->n++;
    return true;
}

// ---- primaries ----------------------------------------------------------------------------------------------------

static struct weft_jnode *constant(struct weft_jparser *p, struct weft_jv v) {
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_CONST);
    if (n) n->value = v;
    return n;
}

static const struct weft_js *template_text(struct weft_jparser *p, const char *text, size_t len) {
    struct weft_js *s = weft_arena_alloc(p->arena, sizeof *s);
    if (!s) weft_j_refuse(p, WEFT_ERR_NOMEM, "out of memory");
    else *s = (struct weft_js){.text = text, .len = len};
    return s;
}

// Strings side by side are one.
static struct weft_jnode *string(struct weft_jparser *p) {
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_CONST);
    size_t from = p->at, len = 0;
    for (; weft_j_peek(p)->kind == WEFT_JT_STRING; p->at++) len += weft_j_peek(p)->len;
    char *text = n ? weft_arena_alloc(p->arena, len + 1) : NULL;
    if (!text) return weft_j_refuse(p, WEFT_ERR_NOMEM, "out of memory");
    for (size_t i = from, at = 0; i < p->at; i++) {
        const struct weft_j_token *token = &p->lexer->tokens[i];
        if (token->len) memcpy(text + at, token->text, token->len);
        at += token->len;
    }
    n->value.kind = WEFT_J_STR;
    n->value.s = template_text(p, text, len);
    return n->value.s ? n : NULL;
}

static struct weft_jnode *name(struct weft_jparser *p) {
    static const struct {
        const char *word;
        struct weft_jv v;
    } words[] = {{"true", {.kind = WEFT_J_BOOL, .b = true}},
                 {"True", {.kind = WEFT_J_BOOL, .b = true}},
                 {"false", {.kind = WEFT_J_BOOL, .b = false}},
                 {"False", {.kind = WEFT_J_BOOL, .b = false}},
                 {"none", {.kind = WEFT_J_NONE}},
                 {"None", {.kind = WEFT_J_NONE}}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (weft_j_at_name(p, words[i].word)) {
            struct weft_jnode *n = constant(p, words[i].v);
            p->at++;
            return n;
        }
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_NAME);
    if (weft_j_at_name(p, "varargs")) p->special |= WEFT_J_VARARGS;
    if (weft_j_at_name(p, "kwargs")) p->special |= WEFT_J_KWARGS;
    if (n) n->name = weft_j_expect_name(p, "a name");
    return n;
}

static struct weft_jnode *list(struct weft_jparser *p) {
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_LIST), **last = n ? &n->list : NULL;
    p->at++;
    while (n && !weft_j_at_op(p, ']')) {
        if (n->n && !weft_j_expect_op(p, ',')) return NULL;
        if (weft_j_at_op(p, ']')) break;
        if (!put(n, &last, weft_j_parse_expression(p))) return NULL;
    }
    return n && weft_j_expect_op(p, ']') ? n : NULL;
}

static struct weft_jnode *map(struct weft_jparser *p) {
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_MAP), **last = n ? &n->list : NULL;
    p->at++;
    while (n && !weft_j_at_op(p, '}')) {
        if (n->n && !weft_j_expect_op(p, ',')) return NULL;
        if (weft_j_at_op(p, '}')) break;
        if (!put(n, &last, weft_j_parse_expression(p)) || !weft_j_expect_op(p, ':') ||
            !put(n, &last, weft_j_parse_expression(p)))
            return NULL;
    }
    return n && weft_j_expect_op(p, '}') ? n : NULL;
}

static struct weft_jnode *parentheses(struct weft_jparser *p) {
    p->at++;
    if (weft_j_at_op(p, ')')) {
        struct weft_jnode *empty = weft_j_node(p, WEFT_JN_TUPLE);
        p->at++;
        return empty;
    }
    struct weft_jnode *n = weft_j_parse_tuple(p, false);
    return n && weft_j_expect_op(p, ')') ? n : NULL;
}

static struct weft_jnode *primary(struct weft_jparser *p) {
    const struct weft_j_token *token = weft_j_peek(p);
    switch (token->kind) {
    case WEFT_JT_NAME: return name(p);
    case WEFT_JT_STRING: return string(p);
    case WEFT_JT_INT:
    case WEFT_JT_REAL: {
        struct weft_jnode *n = constant(p, token->kind == WEFT_JT_INT ? weft_j_int(token->i) : weft_j_real(token->r));
        p->at++;
        return n;
    }
    default: break;
    }
    if (weft_j_at_op(p, '(')) return parentheses(p);
    if (weft_j_at_op(p, '[')) return list(p);
    if (weft_j_at_op(p, '{')) return map(p);
    return weft_j_refuse(p, WEFT_ERR_FORMAT, "expected an expression");
}

// ---- what stands behind a primary ---------------------------------------------------------------------------------

static struct weft_jnode *argument(struct weft_jparser *p) {
    int by = WEFT_J_BY_PLACE;
    const struct weft_js *arg = NULL;
    const struct weft_j_token *next = weft_j_peek_next(p);
    if (weft_j_take_op(p, '*')) by = WEFT_J_SPREAD;
    else if (weft_j_take_op(p, WEFT_J_OP2('*', '*'))) by = WEFT_J_SPREAD_MAP;
    else if (weft_j_peek(p)->kind == WEFT_JT_NAME && next->kind == WEFT_JT_OP && next->op == '=') {
        by = WEFT_J_BY_NAME;
        arg = weft_j_expect_name(p, "a name");
        p->at++;
    }
    struct weft_jnode *n = weft_j_parse_expression(p);
    if (!n) return NULL;
    n->by = by;
    n->arg = arg;
    return n;
}

// "(a, b=1, *c, **d)" into n's list.
static bool arguments(struct weft_jparser *p, struct weft_jnode *n) {
    struct weft_jnode **last = &n->list;
    bool named = false;
    if (!weft_j_expect_op(p, '(')) return false;
    while (!weft_j_at_op(p, ')')) {
        if (n->n && !weft_j_expect_op(p, ',')) return false;
        if (weft_j_at_op(p, ')')) break;
        struct weft_jnode *a = argument(p);
        if (!a) return false;
        if (named && a->by == WEFT_J_BY_PLACE)
            return weft_j_refuse(p, WEFT_ERR_FORMAT, "an argument without a name stands behind one with a name");
        named |= a->by == WEFT_J_BY_NAME || a->by == WEFT_J_SPREAD_MAP;
        put(n, &last, a);
    }
    return weft_j_expect_op(p, ')');
}

static struct weft_jnode *call(struct weft_jparser *p, struct weft_jnode *a) {
    struct weft_jnode *n = two(p, WEFT_JN_CALL, a, a);
    return n && arguments(p, n) ? n : NULL;
}

static struct weft_jnode *slice_part(struct weft_jparser *p, bool *ok) {
    if (weft_j_at_op(p, ':') || weft_j_at_op(p, ']') || weft_j_at_op(p, ',')) return NULL;
    struct weft_jnode *n = weft_j_parse_expression(p);
    *ok = n != NULL;
    return n;
}

static struct weft_jnode *index_of(struct weft_jparser *p) {
    struct weft_jnode *slice = weft_j_node(p, WEFT_JN_SLICE);
    bool ok = slice != NULL;
    if (!ok) return NULL;
    slice->a = slice_part(p, &ok);
    if (!ok) return NULL;
    if (!weft_j_take_op(p, ':')) {
        return slice->a ? slice->a : weft_j_refuse(p, WEFT_ERR_FORMAT, "expected an index");
    }
    slice->b = slice_part(p, &ok);
    if (ok && weft_j_take_op(p, ':')) slice->c = slice_part(p, &ok);
    return ok ? slice : NULL;
}

static struct weft_jnode *subscript(struct weft_jparser *p, struct weft_jnode *a) {
    struct weft_jnode *n;
    if (weft_j_take_op(p, '.')) {
        const struct weft_j_token *token = weft_j_peek(p);
        if (token->kind == WEFT_JT_INT) {
            n = two(p, WEFT_JN_ITEM, a, constant(p, weft_j_int(token->i)));
            p->at++;
            return n;
        }
        n = two(p, WEFT_JN_ATTR, a, a);
        if (n) n->name = weft_j_expect_name(p, "a name or a number behind '.'");
        return n && n->name ? n : NULL;
    }
    p->at++;
    n = two(p, WEFT_JN_ITEM, a, index_of(p));
    return n && weft_j_expect_op(p, ']') ? n : NULL;
}

static struct weft_jnode *postfix(struct weft_jparser *p, struct weft_jnode *n) {
    while (n) {
        if (weft_j_at_op(p, '.') || weft_j_at_op(p, '[')) n = subscript(p, n);
        else if (weft_j_at_op(p, '(')) n = call(p, n);
        else break;
    }
    return n;
}

static const struct weft_js *dotted_name(struct weft_jparser *p, const char *what) {
    const struct weft_js *first = weft_j_expect_name(p, what);
    if (first && weft_j_at_op(p, '.')) {
        weft_j_refuse(p, WEFT_ERR_UNSUPPORTED, "there is no %s with a point in its name", what);
        return NULL;
    }
    return first;
}

struct weft_jnode *weft_j_parse_filters(struct weft_jparser *p, struct weft_jnode *a, bool inner) {
    struct weft_jnode *n = a;
    while (inner || weft_j_take_op(p, '|')) {
        struct weft_jnode *filter = weft_j_node(p, WEFT_JN_FILTER);
        if (!filter) return NULL;
        filter->a = n;
        if (n && !weft_j_higher(p, filter, n)) return NULL;
        filter->name = dotted_name(p, "filter");
        if (!filter->name || (weft_j_at_op(p, '(') && !arguments(p, filter))) return NULL;
        n = filter;
        if (a) break; // in an expression tests and calls may follow
        inner = false;
    }
    return n;
}

static bool starts_argument(const struct weft_jparser *p) {
    const struct weft_j_token *token = weft_j_peek(p);
    if (token->kind == WEFT_JT_NAME)
        return !weft_j_at_name(p, "else") && !weft_j_at_name(p, "or") && !weft_j_at_name(p, "and");
    return token->kind == WEFT_JT_STRING || token->kind == WEFT_JT_INT || token->kind == WEFT_JT_REAL ||
           weft_j_at_op(p, '[') || weft_j_at_op(p, '{');
}

static struct weft_jnode *test(struct weft_jparser *p, struct weft_jnode *a) {
    p->at++;
    bool negated = weft_j_take_name(p, "not");
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_TEST);
    if (!n) return NULL;
    n->a = a;
    n->name = dotted_name(p, "test");
    if (!n->name || !weft_j_higher(p, n, a)) return NULL;
    if (weft_j_at_op(p, '(')) {
        if (!arguments(p, n)) return NULL;
    } else if (starts_argument(p)) {
        if (weft_j_at_name(p, "is")) return weft_j_refuse(p, WEFT_ERR_FORMAT, "tests can't be chained by 'is'");
        struct weft_jnode **last = &n->list;
        if (!put(n, &last, postfix(p, primary(p)))) return NULL;
    }
    return negated ? two(p, WEFT_JN_NOT, n, n) : n;
}

static struct weft_jnode *filters_and_tests(struct weft_jparser *p, struct weft_jnode *n) {
    while (n) {
        if (weft_j_at_op(p, '|')) n = weft_j_parse_filters(p, n, false);
        else if (weft_j_at_name(p, "is")) n = test(p, n);
        else if (weft_j_at_op(p, '(')) n = call(p, n);
        else break;
    }
    return n;
}

// ---- operators ----------------------------------------------------------------------------------------------------

static struct weft_jnode *parse_unary(struct weft_jparser *p, bool filters) {
    struct weft_jnode *n;
    if (!weft_j_deeper(p)) return NULL;
    if (weft_j_at_op(p, '-') || weft_j_at_op(p, '+')) {
        enum weft_j_node_kind kind = weft_j_at_op(p, '-') ? WEFT_JN_NEG : WEFT_JN_POS;
        p->at++;
        struct weft_jnode *a = parse_unary(p, false);
        n = two(p, kind, a, a);
    } else n = primary(p);
    n = postfix(p, n);
    p->depth--;
    return filters ? filters_and_tests(p, n) : n;
}

// A level of operators of equal rank, from the left.
static struct weft_jnode *level(struct weft_jparser *p, struct weft_jnode *(*operand)(struct weft_jparser *),
                                const int *ops) {
    struct weft_jnode *n = operand(p);
    while (n) {
        const int *op = ops;
        while (*op && !weft_j_at_op(p, *op)) op++;
        if (!*op) break;
        p->at++;
        n = two(p, WEFT_JN_BINARY, n, operand(p));
        if (n) n->op = *op;
    }
    return n;
}

static struct weft_jnode *power_operand(struct weft_jparser *p) { return parse_unary(p, true); }

static struct weft_jnode *power(struct weft_jparser *p) {
    return level(p, power_operand, (const int[]){WEFT_J_OP2('*', '*'), 0});
}

static struct weft_jnode *product(struct weft_jparser *p) {
    return level(p, power, (const int[]){'*', '/', WEFT_J_OP2('/', '/'), '%', 0});
}

static struct weft_jnode *concat(struct weft_jparser *p) {
    struct weft_jnode *first = product(p), *n, **last;
    if (!first || !weft_j_at_op(p, '~')) return first;
    n = two(p, WEFT_JN_CONCAT, first, first);
    if (!n) return NULL;
    last = &n->list;
    put(n, &last, first);
    while (weft_j_take_op(p, '~'))
        if (!put(n, &last, product(p))) return NULL;
    return n;
}

static struct weft_jnode *sum(struct weft_jparser *p) { return level(p, concat, (const int[]){'+', '-', 0}); }

static int comparison(struct weft_jparser *p) {
    static const int ops[] = {
        WEFT_J_OP2('=', '='), WEFT_J_OP2('!', '='), WEFT_J_OP2('<', '='), WEFT_J_OP2('>', '='), '<', '>'};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (weft_j_take_op(p, ops[i])) return ops[i];
    if (weft_j_take_name(p, "in")) return 'i';
    const struct weft_j_token *next = weft_j_peek_next(p);
    if (!weft_j_at_name(p, "not") || next->kind != WEFT_JT_NAME || next->len != 2 || memcmp(next->text, "in", 2) != 0)
        return 0;
    p->at += 2;
    return 'n';
}

static struct weft_jnode *compare(struct weft_jparser *p) {
    struct weft_jnode *first = sum(p), *n = NULL, **last = NULL;
    while (first) {
        int op = comparison(p);
        if (!op) break;
        if (!n) {
            n = two(p, WEFT_JN_COMPARE, first, first);
            if (!n) return NULL;
            last = &n->list;
        }
        struct weft_jnode *b = sum(p), *operand = two(p, WEFT_JN_BINARY, b, b);
        if (!operand) return NULL;
        operand->op = op;
        put(n, &last, operand);
    }
    return n ? n : first;
}

static struct weft_jnode *parse_not(struct weft_jparser *p) {
    if (!weft_j_at_name(p, "not")) return compare(p);
    if (!weft_j_deeper(p)) return NULL;
    p->at++;
    struct weft_jnode *a = parse_not(p);
    p->depth--;
    return two(p, WEFT_JN_NOT, a, a);
}

static struct weft_jnode *parse_and(struct weft_jparser *p) {
    struct weft_jnode *n = parse_not(p);
    while (n && weft_j_take_name(p, "and")) n = two(p, WEFT_JN_AND, n, parse_not(p));
    return n;
}

static struct weft_jnode *parse_or(struct weft_jparser *p) {
    struct weft_jnode *n = parse_and(p);
    while (n && weft_j_take_name(p, "or")) n = two(p, WEFT_JN_OR, n, parse_and(p));
    return n;
}

struct weft_jnode *weft_j_parse_expression(struct weft_jparser *p) {
    if (!weft_j_deeper(p)) return NULL;
    struct weft_jnode *n = parse_or(p);
    while (n && weft_j_take_name(p, "if")) {
        struct weft_jnode *condition = parse_or(p), *whole = two(p, WEFT_JN_IF_ELSE, n, condition);
        if (!whole) return NULL;
        whole->a = condition;
        whole->b = n;
        if (weft_j_take_name(p, "else") && !(whole->c = weft_j_parse_expression(p))) return NULL;
        n = whole;
    }
    p->depth--;
    return n;
}

// ---- tuples, targets, parameters ----------------------------------------------------------------------------------

static bool tuple_ends(const struct weft_jparser *p) {
    enum weft_j_token_kind kind = weft_j_peek(p)->kind;
    return kind == WEFT_JT_CLOSE || kind == WEFT_JT_BLOCK_CLOSE || weft_j_at_op(p, ')') || weft_j_at_op(p, '=') ||
           weft_j_at_name(p, "in") || weft_j_at_name(p, "recursive");
}

static struct weft_jnode *tuple(struct weft_jparser *p, struct weft_jnode *(*item)(struct weft_jparser *)) {
    struct weft_jnode *first = item(p), *n, **last;
    if (!first || !weft_j_at_op(p, ',')) return first;
    n = weft_j_node(p, WEFT_JN_TUPLE);
    if (!n) return NULL;
    last = &n->list;
    put(n, &last, first);
    while (weft_j_take_op(p, ',') && !tuple_ends(p))
        if (!put(n, &last, item(p))) return NULL;
    return n;
}

struct weft_jnode *weft_j_parse_tuple(struct weft_jparser *p, bool plain) {
    return tuple(p, plain ? parse_or : weft_j_parse_expression);
}

static struct weft_jnode *target_item(struct weft_jparser *p) {
    const struct weft_j_token *next = weft_j_peek_next(p);
    if (weft_j_at_op(p, '(')) {
        if (!weft_j_deeper(p)) return NULL;
        p->at++;
        struct weft_jnode *inner = tuple(p, target_item);
        p->depth--;
        return inner && weft_j_expect_op(p, ')') ? inner : NULL;
    }
    if (weft_j_peek(p)->kind == WEFT_JT_NAME && next->kind == WEFT_JT_OP && next->op == '.') {
        struct weft_jnode *n = weft_j_node(p, WEFT_JN_SPACE_REF);
        if (!n) return NULL;
        n->name = weft_j_expect_name(p, "a namespace");
        p->at++;
        n->arg = weft_j_expect_name(p, "an attribute of the namespace");
        return n->arg ? n : NULL;
    }
    struct weft_jnode *n = weft_j_peek(p)->kind == WEFT_JT_NAME ? name(p) : NULL;
    if (!n || n->kind != WEFT_JN_NAME) return weft_j_refuse(p, WEFT_ERR_FORMAT, "expected a name that gets a value");
    return n;
}

static bool has_space_ref(const struct weft_jnode *n) {
    if (n->kind == WEFT_JN_SPACE_REF) return true;
    for (const struct weft_jnode *i = n->kind == WEFT_JN_TUPLE ? n->list : NULL; i; i = i->next)
        if (has_space_ref(i)) return true;
    return false;
}

struct weft_jnode *weft_j_parse_target(struct weft_jparser *p, bool spaces) {
    struct weft_jnode *n = tuple(p, target_item);
    if (n && !spaces && has_space_ref(n))
        return weft_j_refuse(p, WEFT_ERR_FORMAT, "an attribute of a namespace can't be set here, only by 'set'");
    return n;
}

struct weft_jnode *weft_j_parse_parameters(struct weft_jparser *p) {
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_LIST), **last = n ? &n->list : NULL;
    bool defaults = false;
    if (!n || !weft_j_expect_op(p, '(')) return NULL;
    while (!weft_j_at_op(p, ')')) {
        if (n->n && !weft_j_expect_op(p, ',')) return NULL;
        struct weft_jnode *parameter = weft_j_node(p, WEFT_JN_NAME);
        if (!parameter || !(parameter->name = weft_j_expect_name(p, "a parameter"))) return NULL;
        if (weft_j_take_op(p, '=')) {
            defaults = true;
            if (!(parameter->a = weft_j_parse_expression(p))) return NULL;
        } else if (defaults)
            return weft_j_refuse(p, WEFT_ERR_FORMAT, "a parameter without a default stands behind one with a default");
        put(n, &last, parameter);
    }
    return weft_j_expect_op(p, ')') ? n : NULL;
}
