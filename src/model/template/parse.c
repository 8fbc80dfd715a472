/// Statements of templates.
#include "model/template/ast.h"

#include "core/alloc.h"
#include "core/error.h"
#include "model/template/template.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MOST_DEPTH = 200, MOST_CHAIN = 400 };

// ---- what the expressions' half uses too ---------------------------------------------------------------------------

struct weft_jnode *weft_j_refuse(struct weft_jparser *p, weft_status status, const char *format, ...) {
    char why[256], found[64] = "";
    uint32_t line, column;
    va_list args;
    if (p->status != WEFT_OK) return NULL;
    const struct weft_j_token *token = weft_j_peek(p);
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    weft_j_place(p->lexer, token->at, &line, &column);
    int n = token->len < 40 ? (int)token->len : 40;
    if (token->kind == WEFT_JT_NAME) snprintf(found, sizeof found, "; '%.*s' stands here", n, token->text);
    else if (token->kind == WEFT_JT_END) snprintf(found, sizeof found, "; the template ends here");
    p->status = weft_fail(status, "chat template, line %u, column %u: %s%s", line, column, why, found);
    return NULL;
}

const struct weft_j_token *weft_j_peek(const struct weft_jparser *p) { return &p->lexer->tokens[p->at]; }

const struct weft_j_token *weft_j_peek_next(const struct weft_jparser *p) {
    return &p->lexer->tokens[p->at + 1 < p->lexer->n ? p->at + 1 : p->at];
}

bool weft_j_at_name(const struct weft_jparser *p, const char *word) {
    const struct weft_j_token *token = weft_j_peek(p);
    return token->kind == WEFT_JT_NAME && token->len == strlen(word) && memcmp(token->text, word, token->len) == 0;
}

bool weft_j_at_op(const struct weft_jparser *p, int op) {
    const struct weft_j_token *token = weft_j_peek(p);
    return token->kind == WEFT_JT_OP && token->op == op;
}

bool weft_j_take_name(struct weft_jparser *p, const char *word) {
    bool there = weft_j_at_name(p, word);
    p->at += there;
    return there;
}

bool weft_j_take_op(struct weft_jparser *p, int op) {
    bool there = weft_j_at_op(p, op);
    p->at += there;
    return there;
}

bool weft_j_expect_op(struct weft_jparser *p, int op) {
    return weft_j_take_op(p, op) || weft_j_refuse(p, WEFT_ERR_FORMAT, "expected '%c'", op);
}

const struct weft_js *weft_j_expect_name(struct weft_jparser *p, const char *what) {
    const struct weft_j_token *token = weft_j_peek(p);
    struct weft_js *s = NULL;
    if (token->kind != WEFT_JT_NAME) weft_j_refuse(p, WEFT_ERR_FORMAT, "expected %s", what);
    else if (!(s = weft_arena_alloc(p->arena, sizeof *s))) weft_j_refuse(p, WEFT_ERR_NOMEM, "out of memory");
    else *s = (struct weft_js){.text = token->text, .len = token->len}, p->at++;
    return s;
}

struct weft_jnode *weft_j_node(struct weft_jparser *p, enum weft_j_node_kind kind) {
    struct weft_jnode *n = p->status == WEFT_OK ? weft_arena_alloc(p->arena, sizeof *n) : NULL;
    if (!n) return weft_j_refuse(p, WEFT_ERR_NOMEM, "out of memory");
    n->kind = kind;
    n->line = weft_j_peek(p)->at; // places become lines and columns when all is parsed
    return n;
}

bool weft_j_deeper(struct weft_jparser *p) {
    if (++p->depth <= MOST_DEPTH) return true;
    return weft_j_refuse(p, WEFT_ERR_LIMIT, "the template is nested more than %d deep", MOST_DEPTH);
}

// A chain of operators is deep without brackets, and what walks the tree recurses on it.
bool weft_j_higher(struct weft_jparser *p, struct weft_jnode *n, const struct weft_jnode *a) {
    n->height = a->height + 1;
    if (n->height <= MOST_CHAIN) return true;
    return weft_j_refuse(p, WEFT_ERR_LIMIT, "a chain of operators has more than %d links", MOST_CHAIN);
}

// ---- bodies -------------------------------------------------------------------------------------------------------

// True at a tag of `until`, "|else|endif|".
static bool ends_at(const struct weft_jparser *p, const char *until) {
    const struct weft_j_token *token = weft_j_peek_next(p);
    if (weft_j_peek(p)->kind != WEFT_JT_BLOCK_OPEN || token->kind != WEFT_JT_NAME || !until) return false;
    for (const char *at = until + 1; *at; at += strcspn(at, "|") + 1)
        if (strcspn(at, "|") == token->len && memcmp(at, token->text, token->len) == 0) return true;
    return false;
}

static struct weft_jnode *statement(struct weft_jparser *p);

static bool close_block(struct weft_jparser *p) {
    if (weft_j_peek(p)->kind != WEFT_JT_BLOCK_CLOSE)
        return weft_j_refuse(p, WEFT_ERR_FORMAT, "expected the end of the block");
    p->at++;
    return true;
}

static struct weft_jnode *output(struct weft_jparser *p) {
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_OUTPUT);
    p->at++;
    if (!n || !(n->list = weft_j_parse_tuple(p, false))) return NULL;
    if (weft_j_peek(p)->kind != WEFT_JT_CLOSE)
        return weft_j_refuse(p, WEFT_ERR_FORMAT, "expected the end of the expression");
    p->at++;
    return n;
}

static struct weft_jnode *data(struct weft_jparser *p) {
    const struct weft_j_token *token = weft_j_peek(p);
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_DATA);
    struct weft_js *s = n ? weft_arena_alloc(p->arena, sizeof *s) : NULL;
    if (!s) return weft_j_refuse(p, WEFT_ERR_NOMEM, "out of memory");
    *s = (struct weft_js){.text = token->text, .len = token->len};
    n->name = s;
    p->at++;
    return n;
}

// Statements up to one of `until`, whose name is then behind p->at; NULL `until` is the end of the template.
static bool body(struct weft_jparser *p, const char *until, struct weft_jnode **out) {
    const char *outer = p->until;
    p->until = until;
    *out = NULL;
    while (!ends_at(p, until)) {
        enum weft_j_token_kind kind = weft_j_peek(p)->kind;
        if (kind == WEFT_JT_END) {
            if (!until) break;
            return weft_j_refuse(p, WEFT_ERR_FORMAT, "a block does not end; one of the tags %s is missing", until);
        }
        *out = kind == WEFT_JT_DATA ? data(p) : kind == WEFT_JT_OPEN ? output(p) : statement(p);
        if (!*out) return false;
        out = &(*out)->next;
    }
    p->until = outer;
    p->at += until != NULL;
    return true;
}

static bool body_to_end(struct weft_jparser *p, const char *until, struct weft_jnode **out) {
    if (!close_block(p) || !body(p, until, out)) return false;
    p->at++;
    return close_block(p);
}

// ---- statements ---------------------------------------------------------------------------------------------------

static struct weft_jnode *parse_if(struct weft_jparser *p) {
    struct weft_jnode *first = weft_j_node(p, WEFT_JN_IF), *n = first;
    for (;;) {
        if (!n || !(n->a = weft_j_parse_tuple(p, true)) || !close_block(p) || !body(p, "|elif|else|endif|", &n->list))
            return NULL;
        if (weft_j_take_name(p, "elif")) {
            struct weft_jnode *other = weft_j_node(p, WEFT_JN_IF);
            if (!other || !weft_j_higher(p, other, n)) return NULL;
            other->op = 1; // an elif
            n = n->b = other;
            continue;
        }
        if (weft_j_take_name(p, "else")) return body_to_end(p, "|endif|", &n->b) ? first : NULL;
        p->at++;
        return close_block(p) ? first : NULL;
    }
}

static struct weft_jnode *parse_for(struct weft_jparser *p) {
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_FOR);
    if (!n || !(n->a = weft_j_parse_target(p, false))) return NULL;
    if (!weft_j_take_name(p, "in")) return weft_j_refuse(p, WEFT_ERR_FORMAT, "expected 'in'");
    if (!(n->b = weft_j_parse_tuple(p, true))) return NULL;
    if (weft_j_take_name(p, "if") && !(n->c = weft_j_parse_expression(p))) return NULL;
    n->op = weft_j_take_name(p, "recursive");
    p->loops++;
    if (!close_block(p) || !body(p, "|else|endfor|", &n->list)) return NULL;
    p->loops--;
    if (weft_j_take_name(p, "else")) return body_to_end(p, "|endfor|", &n->d) ? n : NULL;
    p->at++;
    return close_block(p) ? n : NULL;
}

// `break` and `continue` of a loop outside do not reach into a body that is rendered by a call.
static bool closed_body(struct weft_jparser *p, const char *until, struct weft_jnode **out) {
    unsigned loops = p->loops;
    p->loops = 0;
    bool ok = body_to_end(p, until, out);
    p->loops = loops;
    return ok;
}

static struct weft_jnode *parse_set(struct weft_jparser *p) {
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_SET);
    if (!n || !(n->a = weft_j_parse_target(p, true))) return NULL;
    if (weft_j_take_op(p, '=')) return (n->b = weft_j_parse_tuple(p, false)) && close_block(p) ? n : NULL;
    n->kind = WEFT_JN_SET_BLOCK;
    if (weft_j_take_op(p, '|') && !(n->b = weft_j_parse_filters(p, NULL, true))) return NULL;
    return closed_body(p, "|endset|", &n->list) ? n : NULL;
}

// A macro takes more arguments than it names where its body asks for them.
static bool macro_body(struct weft_jparser *p, const char *until, struct weft_jnode *n) {
    unsigned outer = p->special;
    p->special = 0;
    bool ok = closed_body(p, until, &n->list);
    n->special = p->special;
    p->special = outer;
    return ok;
}

static struct weft_jnode *parse_macro(struct weft_jparser *p) {
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_MACRO);
    if (!n || !(n->name = weft_j_expect_name(p, "the macro's name")) || !(n->a = weft_j_parse_parameters(p)))
        return NULL;
    return macro_body(p, "|endmacro|", n) ? n : NULL;
}

static struct weft_jnode *parse_call_block(struct weft_jparser *p) {
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_CALL_BLOCK);
    if (!n) return NULL;
    n->a = weft_j_at_op(p, '(') ? weft_j_parse_parameters(p) : weft_j_node(p, WEFT_JN_LIST);
    if (!n->a || !(n->b = weft_j_parse_expression(p))) return NULL;
    if (n->b->kind != WEFT_JN_CALL) return weft_j_refuse(p, WEFT_ERR_FORMAT, "'call' needs a call");
    return macro_body(p, "|endcall|", n) ? n : NULL;
}

static struct weft_jnode *parse_filter(struct weft_jparser *p) {
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_FILTER_BLOCK);
    if (!n || !(n->b = weft_j_parse_filters(p, NULL, true))) return NULL;
    return closed_body(p, "|endfilter|", &n->list) ? n : NULL;
}

static struct weft_jnode *parse_with(struct weft_jparser *p) {
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_WITH), **last = n ? &n->a : NULL;
    while (n && weft_j_peek(p)->kind != WEFT_JT_BLOCK_CLOSE) {
        if (n->a && !weft_j_expect_op(p, ',')) return NULL;
        struct weft_jnode *set = weft_j_node(p, WEFT_JN_SET);
        if (!set || !(set->a = weft_j_parse_target(p, false)) || !weft_j_expect_op(p, '=') ||
            !(set->b = weft_j_parse_expression(p)))
            return NULL;
        *last = set;
        last = &set->next;
    }
    return n && body_to_end(p, "|endwith|", &n->list) ? n : NULL;
}

static struct weft_jnode *parse_generation(struct weft_jparser *p) {
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_SCOPE);
    return n && closed_body(p, "|endgeneration|", &n->list) ? n : NULL;
}

static struct weft_jnode *parse_print(struct weft_jparser *p) {
    struct weft_jnode *n = weft_j_node(p, WEFT_JN_OUTPUT);
    return n && (n->list = weft_j_parse_tuple(p, false)) && close_block(p) ? n : NULL;
}

static struct weft_jnode *jump(struct weft_jparser *p, enum weft_j_node_kind kind, const char *word) {
    struct weft_jnode *n = weft_j_node(p, kind);
    if (p->loops == 0) return weft_j_refuse(p, WEFT_ERR_FORMAT, "'%s' stands outside of a loop", word);
    return n && close_block(p) ? n : NULL;
}

static struct weft_jnode *parse_break(struct weft_jparser *p) { return jump(p, WEFT_JN_BREAK, "break"); }

static struct weft_jnode *parse_continue(struct weft_jparser *p) { return jump(p, WEFT_JN_CONTINUE, "continue"); }

static struct weft_jnode *unknown(struct weft_jparser *p) {
    static const char *const others[] = {"include", "import", "from", "extends", "block", "autoescape", "do", "trans"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (weft_j_at_name(p, others[i]))
            return weft_j_refuse(p, WEFT_ERR_UNSUPPORTED, "'%s' is not supported in chat templates", others[i]);
    if (p->until)
        return weft_j_refuse(p, WEFT_ERR_FORMAT, "unknown tag; the block that is open waits for %s", p->until);
    return weft_j_refuse(p, WEFT_ERR_FORMAT, "unknown tag");
}

static struct weft_jnode *statement(struct weft_jparser *p) {
    static const struct {
        const char *word;
        struct weft_jnode *(*parse)(struct weft_jparser *);
    } tags[] = {{"if", parse_if},       {"for", parse_for},          {"set", parse_set},
                {"macro", parse_macro}, {"call", parse_call_block},  {"filter", parse_filter},
                {"with", parse_with},   {"print", parse_print},      {"generation", parse_generation},
                {"break", parse_break}, {"continue", parse_continue}};
    struct weft_jnode *n = NULL;
    if (!weft_j_deeper(p)) return NULL;
    p->at++;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (weft_j_take_name(p, tags[i].word)) {
            n = tags[i].parse(p);
            p->depth--;
            return n;
        }
    return unknown(p);
}

// ---- the whole ----------------------------------------------------------------------------------------------------

// Nodes keep the byte at which they stand; rendering wants line and column. Tokens come in the order of the text, nodes
// do not, so the lines' beginnings are looked up.
struct lines {
    const struct weft_jlexer *lexer;
    size_t *starts, n, cap;
};

static bool find_lines(struct lines *l) {
    for (size_t i = 0; i <= l->lexer->len; i++) {
        if (i && l->lexer->text[i - 1] != '\n') continue;
        if (!weft_grow((void **)&l->starts, &l->cap, l->n + 1, sizeof *l->starts)) return false;
        l->starts[l->n++] = i;
    }
    return true;
}

static void place(const struct lines *l, struct weft_jnode *n) {
    size_t at = n->line, low = 0, high = l->n;
    while (high - low > 1) {
        size_t mid = (low + high) / 2;
        if (l->starts[mid] <= at) low = mid;
        else high = mid;
    }
    n->line = (uint32_t)low + 1;
    n->column = 1;
    for (size_t i = l->starts[low]; i < at; i++) n->column += ((unsigned char)l->lexer->text[i] & 0xc0) != 0x80;
}

// A node may be reached twice, as what is negated is; its column, 0 before, tells.
static void place_all(const struct lines *l, struct weft_jnode *n) {
    for (; n; n = n->next) {
        if (n->column) continue;
        place(l, n);
        place_all(l, n->a);
        place_all(l, n->b);
        place_all(l, n->c);
        place_all(l, n->d);
        place_all(l, n->list);
    }
}

static weft_status parse(struct weft_template *t, struct weft_jlexer *lexer) {
    struct weft_jparser p = {.lexer = lexer, .arena = &t->arena};
    struct lines lines = {.lexer = lexer};
    if (!body(&p, NULL, &t->body)) return p.status;
    bool found = find_lines(&lines);
    if (found) place_all(&lines, t->body);
    weft_free(lines.starts);
    return found ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "chat template: out of memory");
}

weft_status weft_template_parse(const char *text, size_t len, struct weft_template **out) {
    struct weft_jlexer lexer = {0};
    *out = NULL;
    if (!text || len == 0) return weft_template_missing("the model");
    struct weft_template *t = weft_calloc(1, sizeof *t);
    if (!t) return weft_fail(WEFT_ERR_NOMEM, "chat template: out of memory");
    weft_status status = weft_j_lex(text, len, &t->arena, &lexer);
    if (status == WEFT_OK) status = parse(t, &lexer);
    weft_free(lexer.tokens);
    if (status != WEFT_OK) {
        weft_template_free(t);
        return status;
    }
    *out = t;
    return WEFT_OK;
}

void weft_template_free(struct weft_template *t) {
    if (!t) return;
    weft_arena_free(&t->arena);
    weft_free(t);
}

weft_status weft_template_missing(const char *what) {
    return weft_fail(
        WEFT_ERR_NOT_FOUND,
        "%s has no chat template; give one with --chat-template, which takes a file (a text in Jinja such as "
        "the model's tokenizer_config.json has under 'chat_template') or a known name, such as chatml",
        what);
}
