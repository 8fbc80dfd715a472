/// The parsed template: tokens, nodes, and what reads them.
#ifndef WEFT_MODEL_TEMPLATE_AST_H
#define WEFT_MODEL_TEMPLATE_AST_H
#include "core/arena.h"
#include "model/template/value.h"

enum weft_j_token_kind {
    WEFT_JT_DATA,
    WEFT_JT_OPEN,        ///< {{
    WEFT_JT_CLOSE,       ///< }}
    WEFT_JT_BLOCK_OPEN,  ///< {%
    WEFT_JT_BLOCK_CLOSE, ///< %}
    WEFT_JT_NAME,
    WEFT_JT_STRING,
    WEFT_JT_INT,
    WEFT_JT_REAL,
    WEFT_JT_OP, ///< its text is `op`, two characters as first << 8 | second
    WEFT_JT_END,
};

struct weft_j_token {
    enum weft_j_token_kind kind;
    uint32_t at; ///< byte of the text
    int op;
    const char *text; ///< DATA, NAME, STRING
    size_t len;
    int64_t i;
    double r;
};

/// Two characters of an operator as one number.
#define WEFT_J_OP2(a, b) ((a) << 8 | (b))

/// a, b, c are operands; list and next make lists.
enum weft_j_node_kind {
    // expressions
    WEFT_JN_CONST, ///< value
    WEFT_JN_NAME,
    WEFT_JN_LIST,   ///< list
    WEFT_JN_TUPLE,  ///< list
    WEFT_JN_MAP,    ///< list of key, value, key, value
    WEFT_JN_ATTR,   ///< a . name
    WEFT_JN_ITEM,   ///< a [ b ]
    WEFT_JN_SLICE,  ///< a : b : c, inside ITEM
    WEFT_JN_CALL,   ///< a ( list )
    WEFT_JN_FILTER, ///< a | name ( list ); a is NULL in {% filter %}
    WEFT_JN_TEST,   ///< a is name ( list )
    WEFT_JN_NOT,
    WEFT_JN_NEG,
    WEFT_JN_POS,
    WEFT_JN_AND,
    WEFT_JN_OR,
    WEFT_JN_BINARY,    ///< a op b
    WEFT_JN_CONCAT,    ///< list joined by ~
    WEFT_JN_COMPARE,   ///< a, and a list of operands with op
    WEFT_JN_IF_ELSE,   ///< b if a else c
    WEFT_JN_SPACE_REF, ///< name . text, on the left of = only
    // statements
    WEFT_JN_DATA,         ///< name
    WEFT_JN_OUTPUT,       ///< list
    WEFT_JN_IF,           ///< a, body list, else b (a list, or one IF)
    WEFT_JN_FOR,          ///< target a in b if c, body list, else d; op: recursive
    WEFT_JN_SET,          ///< a = b
    WEFT_JN_SET_BLOCK,    ///< a, filters b, body list
    WEFT_JN_MACRO,        ///< name, parameters a (NAMEs, default in a), body list
    WEFT_JN_CALL_BLOCK,   ///< call b, parameters a, body list
    WEFT_JN_FILTER_BLOCK, ///< filters b, body list
    WEFT_JN_WITH,         ///< a: targets, each with its value in a field b of a SET; body list
    WEFT_JN_SCOPE,        ///< body list: a generation block
    WEFT_JN_BREAK,
    WEFT_JN_CONTINUE,
};

/// How an argument of a call stands.
enum { WEFT_J_BY_PLACE, WEFT_J_BY_NAME, WEFT_J_SPREAD, WEFT_J_SPREAD_MAP };

struct weft_jnode {
    enum weft_j_node_kind kind;
    int op;
    int by; ///< of an argument; its name is `arg`
    uint32_t line, column;
    const struct weft_js *name, *arg;
    struct weft_jv value;
    struct weft_jnode *a, *b, *c, *d, *list, *next;
    size_t n;         ///< length of list
    unsigned height;  ///< of operators that lean on their left
    unsigned special; ///< of a macro: WEFT_J_VARARGS and so on, as its body uses them
};

enum { WEFT_J_VARARGS = 1, WEFT_J_KWARGS = 2 };

struct weft_template {
    struct weft_arena arena;
    struct weft_jnode *body;
};

struct weft_jlexer {
    struct weft_arena *arena;
    const char *text; ///< line ends are \n, the last one cut
    size_t len, at;
    struct weft_j_token *tokens;
    size_t n, cap;
    char open[256]; ///< brackets
    size_t depth;
};

struct weft_jparser {
    struct weft_jlexer *lexer;
    struct weft_arena *arena;
    size_t at;
    unsigned depth, loops, special;
    weft_status status;
    const char *until; ///< the tags that the innermost body waits for, for messages
};

/// Cuts a template into tokens; these are freed with weft_free, their texts with the arena.
weft_status weft_j_lex(const char *text, size_t len, struct weft_arena *arena, struct weft_jlexer *out);
void weft_j_place(const struct weft_jlexer *l, size_t at, uint32_t *line, uint32_t *column);

// ---- what the two halves of the parser share; NULL after a failure --------------------------------------------------

struct weft_jnode *weft_j_refuse(struct weft_jparser *p, weft_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const struct weft_j_token *weft_j_peek(const struct weft_jparser *p);
const struct weft_j_token *weft_j_peek_next(const struct weft_jparser *p);
bool weft_j_at_name(const struct weft_jparser *p, const char *word);
bool weft_j_at_op(const struct weft_jparser *p, int op);
bool weft_j_take_name(struct weft_jparser *p, const char *word);
bool weft_j_take_op(struct weft_jparser *p, int op);
bool weft_j_expect_op(struct weft_jparser *p, int op);
const struct weft_js *weft_j_expect_name(struct weft_jparser *p, const char *what);
struct weft_jnode *weft_j_node(struct weft_jparser *p, enum weft_j_node_kind kind);
bool weft_j_deeper(struct weft_jparser *p);
bool weft_j_higher(struct weft_jparser *p, struct weft_jnode *n, const struct weft_jnode *a); ///< n leans on a

struct weft_jnode *weft_j_parse_expression(struct weft_jparser *p);
/// Expressions with commas between them are a tuple. `plain`: without inline if.
struct weft_jnode *weft_j_parse_tuple(struct weft_jparser *p, bool plain);
struct weft_jnode *weft_j_parse_target(struct weft_jparser *p, bool spaces); ///< what = or `in` may give a value
/// `| name(...) | ...` behind `a`; `inner`: the first stands without its bar.
struct weft_jnode *weft_j_parse_filters(struct weft_jparser *p, struct weft_jnode *a, bool inner);
struct weft_jnode *weft_j_parse_parameters(struct weft_jparser *p); ///< "(a, b=1)"; an empty LIST for "()"
#endif
