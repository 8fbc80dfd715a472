/// Reading an expression: a tree first, then the program.
#include "core/alloc.h"
#include "core/error.h"
#include "core/unicode.h"
#include "core/utf8.h"
#include "model/tokenizer/pattern_impl.h"

#include <string.h>

enum { MOST_TEXT = 4096, MOST_CODE = 32768, MOST_DEPTH = 32, MOST_COUNT = 1024 };
#define NO_NODE UINT32_MAX

enum node_kind { EMPTY, CLASS, BOTH, EITHER, REPEAT, LOOK, ASSERT };

struct node {
    enum node_kind kind;
    bool flag;     // REPEAT: possessive; LOOK: must not match
    uint32_t a, b; // children; CLASS: a is the class; ASSERT: a is what
    uint32_t low, high;
    uint32_t least; // characters that a match has at least
};

struct reader {
    struct weft_pattern *p;
    const char *text;
    size_t len, at;
    struct node *nodes;
    size_t n_nodes, cap_nodes;
    unsigned depth;
    bool fold; // letters stand for both cases
};

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for an expression"); }

static weft_status refuse(const struct reader *r, const char *what) {
    return weft_fail(WEFT_ERR_UNSUPPORTED, "the expression has %s at byte %zu, which Weft does not understand: %.*s",
                     what, r->at, (int)(r->len < 200 ? r->len : 200), r->text);
}

static weft_status broken(const struct reader *r, const char *what) {
    return weft_fail(WEFT_ERR_FORMAT, "the expression %s at byte %zu: %.*s", what, r->at,
                     (int)(r->len < 200 ? r->len : 200), r->text);
}

static weft_status new_node(struct reader *r, struct node node, uint32_t *out) {
    if (!weft_grow((void **)&r->nodes, &r->cap_nodes, r->n_nodes + 1, sizeof *r->nodes)) return no_memory();
    r->nodes[ *out = (uint32_t)r->n_nodes++] = node;
    return WEFT_OK;
}

// ---- classes -------------------------------------------------------------------------------------------------------

static weft_status new_class(struct reader *r, uint32_t *out) {
    struct weft_pattern *p = r->p;
    if (!weft_grow((void **)&p->classes, &p->cap_classes, p->n_classes + 1, sizeof *p->classes)) return no_memory();
    p->classes[ *out = (uint32_t)p->n_classes++] = (struct weft_class){.first = (uint32_t)p->n_items};
    return WEFT_OK;
}

static weft_status add_item(struct reader *r, struct weft_item item) {
    struct weft_pattern *p = r->p;
    if (!weft_grow((void **)&p->items, &p->cap_items, p->n_items + 1, sizeof *p->items)) return no_memory();
    p->items[p->n_items++] = item;
    return WEFT_OK;
}

static weft_status add_range(struct reader *r, uint32_t low, uint32_t high) {
    return add_item(r, (struct weft_item){WEFT_ITEM_RANGE, false, low, high});
}

/// A code point, and where letters stand for both cases what folds to the same.
static weft_status add_literal(struct reader *r, uint32_t code) {
    WEFT_TRY(add_range(r, code, code));
    if (!r->fold) return WEFT_OK;
    uint32_t lower = weft_unicode_lower(code);
    if (lower != code) WEFT_TRY(add_range(r, lower, lower));
    if (lower >= 'a' && lower <= 'z') WEFT_TRY(add_range(r, lower - 32, lower - 32));
    else if (lower >= 0x80 || lower != code) return refuse(r, "a letter beyond ASCII in both cases");
    if (lower == 's') WEFT_TRY(add_range(r, 0x17F, 0x17F));   // long s
    if (lower == 'k') WEFT_TRY(add_range(r, 0x212A, 0x212A)); // Kelvin
    return WEFT_OK;
}

static void end_class(struct reader *r, uint32_t index) {
    struct weft_class *k = &r->p->classes[index];
    k->count = (uint32_t)r->p->n_items - k->first;
    for (uint32_t code = 0; code < 128; code++) {
        bool in = false;
        for (uint32_t i = 0; i < k->count && !in; i++)
            in = weft_item_has(&r->p->items[k->first + i], weft_char_of(code));
        if (in != k->negated) k->ascii[code >> 5] |= 1u << (code & 31);
    }
}

struct named {
    const char *name;
    uint32_t categories;
};
static const struct named properties[] = {
    {"L", WEFT_UC_LETTER},
    {"M", WEFT_UC_MARK},
    {"N", WEFT_UC_NUMBER},
    {"P", WEFT_UC_PUNCTUATION},
    {"S", WEFT_UC_SYMBOL},
    {"Z", WEFT_UC_SEPARATOR},
    {"C", WEFT_UC_OTHER},
    {"Cn", WEFT_UC_BIT(WEFT_UC_CN)},
    {"Lu", WEFT_UC_BIT(WEFT_UC_LU)},
    {"Ll", WEFT_UC_BIT(WEFT_UC_LL)},
    {"Lt", WEFT_UC_BIT(WEFT_UC_LT)},
    {"Lm", WEFT_UC_BIT(WEFT_UC_LM)},
    {"Lo", WEFT_UC_BIT(WEFT_UC_LO)},
    {"Mn", WEFT_UC_BIT(WEFT_UC_MN)},
    {"Mc", WEFT_UC_BIT(WEFT_UC_MC)},
    {"Me", WEFT_UC_BIT(WEFT_UC_ME)},
    {"Nd", WEFT_UC_BIT(WEFT_UC_ND)},
    {"Nl", WEFT_UC_BIT(WEFT_UC_NL)},
    {"No", WEFT_UC_BIT(WEFT_UC_NO)},
    {"Pc", WEFT_UC_BIT(WEFT_UC_PC)},
    {"Pd", WEFT_UC_BIT(WEFT_UC_PD)},
    {"Ps", WEFT_UC_BIT(WEFT_UC_PS)},
    {"Pe", WEFT_UC_BIT(WEFT_UC_PE)},
    {"Pi", WEFT_UC_BIT(WEFT_UC_PI)},
    {"Pf", WEFT_UC_BIT(WEFT_UC_PF)},
    {"Po", WEFT_UC_BIT(WEFT_UC_PO)},
    {"Sm", WEFT_UC_BIT(WEFT_UC_SM)},
    {"Sc", WEFT_UC_BIT(WEFT_UC_SC)},
    {"Sk", WEFT_UC_BIT(WEFT_UC_SK)},
    {"So", WEFT_UC_BIT(WEFT_UC_SO)},
    {"Zs", WEFT_UC_BIT(WEFT_UC_ZS)},
    {"Zl", WEFT_UC_BIT(WEFT_UC_ZL)},
    {"Zp", WEFT_UC_BIT(WEFT_UC_ZP)},
    {"Cc", WEFT_UC_BIT(WEFT_UC_CC)},
    {"Cf", WEFT_UC_BIT(WEFT_UC_CF)},
    {"Co", WEFT_UC_BIT(WEFT_UC_CO)},
};

/// The scripts that tokenizers ask for, by their ranges.
static const uint32_t han[] = {0x2E80,  0x2E99,  0x2E9B,  0x2EF3,  0x2F00,  0x2FD5,  0x3005,  0x3005,  0x3007,
                               0x3007,  0x3021,  0x3029,  0x3038,  0x303B,  0x3400,  0x4DBF,  0x4E00,  0x9FFF,
                               0xF900,  0xFA6D,  0xFA70,  0xFAD9,  0x16FE2, 0x16FE3, 0x16FF0, 0x16FF1, 0x20000,
                               0x2A6DF, 0x2A700, 0x2B738, 0x2B740, 0x2B81D, 0x2B820, 0x2CEA1, 0x2CEB0, 0x2EBE0,
                               0x2F800, 0x2FA1D, 0x30000, 0x3134A, 0};
static const uint32_t hiragana[] = {0x3041,  0x3096,  0x309D,  0x309F,  0x1B001, 0x1B11F,
                                    0x1B150, 0x1B152, 0x1F200, 0x1F200, 0};
static const uint32_t katakana[] = {0x30A1,  0x30FA,  0x30FD,  0x30FF,  0x31F0,  0x31FF,  0x32D0,  0x32FE,  0x3300,
                                    0x3357,  0xFF66,  0xFF6F,  0xFF71,  0xFF9D,  0x1AFF0, 0x1AFF3, 0x1AFF5, 0x1AFFB,
                                    0x1AFFD, 0x1AFFE, 0x1B000, 0x1B000, 0x1B120, 0x1B122, 0x1B164, 0x1B167, 0};
static const struct {
    const char *name;
    const uint32_t *ranges;
} scripts[] = {{"Han", han}, {"Hiragana", hiragana}, {"Katakana", katakana}};

/// \p{Name}, \pL, \P{Name}; `at` stands behind the letter p. A negated script has no single item, so it is refused.
static weft_status read_property(struct reader *r, bool negated) {
    const char *name = r->text + r->at;
    size_t len = 1;
    if (r->at == r->len) return broken(r, "ends within \\p");
    if (*name == '{') {
        const char *close = memchr(name, '}', r->len - r->at);
        if (!close) return broken(r, "lacks a }");
        name++;
        len = (size_t)(close - name);
        r->at += 2;
        if (len && *name == '^') name++, len--, r->at++, negated = !negated;
    }
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++) {
        if (strlen(properties[i].name) != len || memcmp(properties[i].name, name, len) != 0) continue;
        r->at += len;
        return add_item(r, (struct weft_item){WEFT_ITEM_CATEGORIES, negated, properties[i].categories, 0});
    }
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts && !negated; i++) {
        if (strlen(scripts[i].name) != len || memcmp(scripts[i].name, name, len) != 0) continue;
        for (const uint32_t *range = scripts[i].ranges; *range; range += 2) WEFT_TRY(add_range(r, range[0], range[1]));
        r->at += len;
        return WEFT_OK;
    }
    return refuse(r, "a property of characters");
}

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static weft_status read_hex(struct reader *r, size_t least, size_t most, uint32_t *code) {
    size_t n = 0;
    for (*code = 0; n < most && r->at < r->len && hex_digit(r->text[r->at]) >= 0; n++, r->at++)
        *code = *code << 4 | (uint32_t)hex_digit(r->text[r->at]);
    return n < least || *code > 0x10FFFF ? broken(r, "has a wrong number of a character") : WEFT_OK;
}

static weft_status read_code(struct reader *r, char c, uint32_t *code) {
    bool braces = c == 'x' && r->at < r->len && r->text[r->at] == '{';
    if (c == 'u') return read_hex(r, 4, 4, code);
    if (!braces) return read_hex(r, 2, 2, code);
    r->at++;
    WEFT_TRY(read_hex(r, 1, 6, code));
    return r->at < r->len && r->text[r->at++] == '}' ? WEFT_OK : broken(r, "lacks a }");
}

/// Behind a backslash. Either a single code point, or *many is set and the items are added.
static weft_status read_escape(struct reader *r, uint32_t *code, bool *many) {
    static const char names[] = "rntfvae0", values[] = "\r\n\t\f\v\a\x1B\0";
    if (r->at == r->len) return broken(r, "ends with a backslash");
    char c = r->text[r->at++];
    const char *known = strchr(names, c);
    *many = true;
    switch (c) {
    case 's':
    case 'S': return add_item(r, (struct weft_item){WEFT_ITEM_SPACE, c == 'S', 0, 0});
    case 'w':
    case 'W': return add_item(r, (struct weft_item){WEFT_ITEM_WORD, c == 'W', 0, 0});
    case 'd':
    case 'D': return add_item(r, (struct weft_item){WEFT_ITEM_CATEGORIES, c == 'D', WEFT_UC_BIT(WEFT_UC_ND), 0});
    case 'p':
    case 'P': return read_property(r, c == 'P');
    default: *many = false;
    }
    if (c == 'x' || c == 'u') return read_code(r, c, code);
    if (c && known) *code = (unsigned char)values[known - names];
    else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80)
        return r->at--, refuse(r, "an escape");
    else *code = (unsigned char)c;
    return WEFT_OK;
}

static weft_status read_character(struct reader *r, uint32_t *code) {
    size_t n = weft_utf8_next(r->text + r->at, r->len - r->at, code);
    if (n == 0) return broken(r, "is no UTF-8");
    r->at += n;
    return WEFT_OK;
}

static weft_status read_member(struct reader *r, uint32_t *code, bool *many) {
    *many = false;
    WEFT_TRY(read_character(r, code));
    if (*code == '[') return r->at--, refuse(r, "a class within a class");
    if (*code == '&' && r->at < r->len && r->text[r->at] == '&') return refuse(r, "an intersection of classes");
    return *code == '\\' ? read_escape(r, code, many) : WEFT_OK;
}

/// Behind the opening bracket.
static weft_status read_class(struct reader *r, uint32_t *out) {
    WEFT_TRY(new_class(r, out));
    if (r->at < r->len && r->text[r->at] == '^') r->p->classes[*out].negated = true, r->at++;
    for (bool first = true;; first = false) {
        uint32_t low, high;
        bool many;
        if (r->at == r->len) return broken(r, "lacks a ]");
        if (r->text[r->at] == ']' && !first) break;
        WEFT_TRY(read_member(r, &low, &many));
        if (many) continue;
        bool range = r->at + 1 < r->len && r->text[r->at] == '-' && r->text[r->at + 1] != ']';
        if (!range) {
            WEFT_TRY(add_literal(r, low));
            continue;
        }
        r->at++;
        WEFT_TRY(read_member(r, &high, &many));
        if (many || high < low) return broken(r, "has a range that ends before it begins");
        if (r->fold) return refuse(r, "a range in both cases");
        WEFT_TRY(add_range(r, low, high));
    }
    r->at++;
    return WEFT_OK;
}

// ---- the tree ------------------------------------------------------------------------------------------------------

static weft_status read_either(struct reader *r, uint32_t *out);

/// Behind the opening parenthesis.
static weft_status read_group(struct reader *r, uint32_t *out) {
    bool fold = r->fold, looks = false, negated = false;
    const char *rest = r->text + r->at;
    size_t left = r->len - r->at;
    if (left >= 2 && !memcmp(rest, "?:", 2)) r->at += 2;
    else if (left >= 3 && !memcmp(rest, "?i:", 3)) r->fold = true, r->at += 3;
    else if (left >= 2 && !memcmp(rest, "?=", 2)) looks = true, r->at += 2;
    else if (left >= 2 && !memcmp(rest, "?!", 2)) looks = negated = true, r->at += 2;
    else if (left >= 1 && *rest == '?') return refuse(r, "a group of an unknown kind");
    if (++r->depth > MOST_DEPTH) return weft_fail(WEFT_ERR_LIMIT, "an expression is nested deeper than %d", MOST_DEPTH);
    WEFT_TRY(read_either(r, out));
    r->depth--;
    r->fold = fold;
    if (r->at == r->len || r->text[r->at] != ')') return broken(r, "lacks a )");
    r->at++;
    return looks ? new_node(r, (struct node){.kind = LOOK, .flag = negated, .a = *out}, out) : WEFT_OK;
}

static weft_status class_node(struct reader *r, uint32_t class, uint32_t *out) {
    end_class(r, class);
    return new_node(r, (struct node){.kind = CLASS, .a = class, .least = 1}, out);
}

static weft_status read_atom(struct reader *r, uint32_t *out) {
    uint32_t code, class;
    bool many = false;
    WEFT_TRY(read_character(r, &code));
    if (code == '(') return read_group(r, out);
    if (code == '^' || code == '$') return new_node(r, (struct node){.kind = ASSERT, .a = code}, out);
    if (code == '*' || code == '+' || code == '?') return broken(r, "repeats nothing");
    if (code == '\\' && r->at < r->len && strchr("AzbB", r->text[r->at]) && r->text[r->at])
        return new_node(r, (struct node){.kind = ASSERT, .a = (unsigned char)r->text[r->at++]}, out);
    if (code == '[') {
        WEFT_TRY(read_class(r, &class));
        return class_node(r, class, out);
    }
    WEFT_TRY(new_class(r, &class));
    if (code == '.') {
        r->p->classes[class].negated = true;
        WEFT_TRY(add_range(r, '\n', '\n'));
        return class_node(r, class, out);
    }
    if (code == '\\') WEFT_TRY(read_escape(r, &code, &many));
    if (!many) WEFT_TRY(add_literal(r, code));
    return class_node(r, class, out);
}

static bool read_number(struct reader *r, uint32_t *out) {
    size_t from = r->at;
    for (*out = 0; r->at < r->len && r->text[r->at] >= '0' && r->text[r->at] <= '9' && *out <= MOST_COUNT; r->at++)
        *out = 10 * *out + (uint32_t)(r->text[r->at] - '0');
    return r->at > from;
}

/// {m}, {m,}, {m,n}; what does not look so is text, and `at` is where it was.
static bool read_counts(struct reader *r, uint32_t *low, uint32_t *high) {
    size_t from = r->at++;
    bool ok = read_number(r, low);
    *high = *low;
    if (ok && r->at < r->len && r->text[r->at] == ',') {
        r->at++;
        if (!read_number(r, high)) *high = UINT32_MAX;
    }
    ok = ok && r->at < r->len && r->text[r->at] == '}';
    r->at = ok ? r->at + 1 : from;
    return ok;
}

static weft_status read_repeat(struct reader *r, uint32_t *out) {
    WEFT_TRY(read_atom(r, out));
    while (r->at < r->len) {
        struct node node = {.kind = REPEAT, .a = *out, .low = 0, .high = UINT32_MAX};
        const struct node child = r->nodes[*out];
        char c = r->text[r->at];
        bool counts = c == '{';
        if (counts && !read_counts(r, &node.low, &node.high)) return WEFT_OK;
        if (!counts && c != '*' && c != '+' && c != '?') return WEFT_OK;
        if (!counts) r->at++, node.low = c == '+', node.high = c == '?' ? 1 : UINT32_MAX;
        if (node.low > MOST_COUNT || node.high < node.low || (node.high != UINT32_MAX && node.high > MOST_COUNT))
            return broken(r, "repeats too often");
        if (r->at < r->len && r->text[r->at] == '?') return refuse(r, "a lazy repetition");
        if (!counts && r->at < r->len && r->text[r->at] == '+') node.flag = true, r->at++;
        if (node.flag && child.kind != CLASS) return refuse(r, "a possessive repetition of more than one class");
        if (child.kind != CLASS && child.least == 0 && node.high > 1)
            return refuse(r, "a repetition of what may be empty");
        uint64_t least = (uint64_t)child.least * node.low;
        node.least = least < MOST_TEXT ? (uint32_t)least : MOST_TEXT;
        WEFT_TRY(new_node(r, node, out));
    }
    return WEFT_OK;
}

static weft_status read_row(struct reader *r, uint32_t *out) {
    WEFT_TRY(new_node(r, (struct node){.kind = EMPTY}, out));
    while (r->at < r->len && r->text[r->at] != '|' && r->text[r->at] != ')') {
        uint32_t next;
        WEFT_TRY(read_repeat(r, &next));
        uint32_t least = r->nodes[*out].least + r->nodes[next].least;
        struct node both = {.kind = BOTH, .a = *out, .b = next, .least = least < MOST_TEXT ? least : MOST_TEXT};
        WEFT_TRY(new_node(r, both, out));
    }
    return WEFT_OK;
}

static weft_status read_either(struct reader *r, uint32_t *out) {
    WEFT_TRY(read_row(r, out));
    if (r->at == r->len || r->text[r->at] != '|') return WEFT_OK;
    uint32_t next;
    r->at++;
    if (++r->depth > 16 * MOST_DEPTH) return weft_fail(WEFT_ERR_LIMIT, "an expression has too many alternatives");
    WEFT_TRY(read_either(r, &next));
    r->depth--;
    uint32_t a = r->nodes[*out].least, b = r->nodes[next].least;
    return new_node(r, (struct node){.kind = EITHER, .a = *out, .b = next, .least = a < b ? a : b}, out);
}

// ---- the program ---------------------------------------------------------------------------------------------------

static weft_status emit(struct reader *r, struct weft_instruction i, uint32_t *at) {
    struct weft_pattern *p = r->p;
    if (p->n_code == MOST_CODE) return weft_fail(WEFT_ERR_LIMIT, "an expression needs more than %d steps", MOST_CODE);
    if (!weft_grow((void **)&p->code, &p->cap_code, p->n_code + 1, sizeof *p->code)) return no_memory();
    if (at) *at = (uint32_t)p->n_code;
    p->code[p->n_code++] = i;
    return WEFT_OK;
}

static weft_status put_node(struct reader *r, uint32_t index);

static weft_status put_repeat(struct reader *r, const struct node *n) {
    const struct node *child = &r->nodes[n->a];
    uint32_t split, jump;
    if (child->kind == CLASS)
        return emit(r, (struct weft_instruction){WEFT_RX_LOOP, n->flag, child->a, n->low, n->high}, NULL);
    for (uint32_t i = 0; i < n->low; i++) WEFT_TRY(put_node(r, n->a));
    if (n->high == UINT32_MAX) {
        WEFT_TRY(emit(r, (struct weft_instruction){.op = WEFT_RX_SPLIT}, &split));
        WEFT_TRY(put_node(r, n->a));
        WEFT_TRY(emit(r, (struct weft_instruction){.op = WEFT_RX_JUMP, .x = split}, &jump));
        r->p->code[split].x = split + 1;
        r->p->code[split].y = jump + 1;
        return WEFT_OK;
    }
    uint32_t first = (uint32_t)r->p->n_code;
    for (uint32_t i = n->low; i < n->high; i++) {
        WEFT_TRY(emit(r, (struct weft_instruction){.op = WEFT_RX_SPLIT}, &split));
        r->p->code[split].x = split + 1;
        WEFT_TRY(put_node(r, n->a));
        // Each copy is left for the end of all; a mark tells the splits of these copies from those within.
        r->p->code[split].y = UINT32_MAX;
    }
    for (uint32_t i = first; i < r->p->n_code; i++)
        if (r->p->code[i].op == WEFT_RX_SPLIT && r->p->code[i].y == UINT32_MAX)
            r->p->code[i].y = (uint32_t)r->p->n_code;
    return WEFT_OK;
}

static weft_status put_either(struct reader *r, const struct node *n) {
    uint32_t split, jump;
    WEFT_TRY(emit(r, (struct weft_instruction){.op = WEFT_RX_SPLIT}, &split));
    WEFT_TRY(put_node(r, n->a));
    WEFT_TRY(emit(r, (struct weft_instruction){.op = WEFT_RX_JUMP}, &jump));
    r->p->code[split].x = split + 1;
    r->p->code[split].y = jump + 1;
    WEFT_TRY(put_node(r, n->b));
    r->p->code[jump].x = (uint32_t)r->p->n_code;
    return WEFT_OK;
}

static weft_status put_node(struct reader *r, uint32_t index) {
    const struct node n = r->nodes[index];
    uint32_t at;
    switch (n.kind) {
    case EMPTY: return WEFT_OK;
    case CLASS: return emit(r, (struct weft_instruction){.op = WEFT_RX_CLASS, .x = n.a}, NULL);
    case ASSERT: return emit(r, (struct weft_instruction){.op = WEFT_RX_ASSERT, .x = n.a}, NULL);
    case REPEAT: return put_repeat(r, &n);
    case EITHER: return put_either(r, &n);
    case BOTH: WEFT_TRY(put_node(r, n.a)); return put_node(r, n.b);
    case LOOK: break;
    }
    WEFT_TRY(emit(r, (struct weft_instruction){.op = n.flag ? WEFT_RX_NOT : WEFT_RX_LOOK}, &at));
    WEFT_TRY(put_node(r, n.a));
    WEFT_TRY(emit(r, (struct weft_instruction){.op = WEFT_RX_MATCH}, NULL));
    r->p->code[at].x = (uint32_t)r->p->n_code;
    return WEFT_OK;
}

static weft_status compile(struct reader *r) {
    uint32_t top;
    if (r->len > MOST_TEXT)
        return weft_fail(WEFT_ERR_LIMIT, "an expression of %zu bytes; the most is %d", r->len, MOST_TEXT);
    WEFT_TRY(read_either(r, &top));
    if (r->at < r->len) return broken(r, "has a ) too many");
    WEFT_TRY(put_node(r, top));
    return emit(r, (struct weft_instruction){.op = WEFT_RX_MATCH}, NULL);
}

weft_status weft_pattern_create(const char *text, size_t len, struct weft_pattern **out) {
    *out = NULL;
    struct reader r = {.p = weft_calloc(1, sizeof *r.p), .text = text, .len = len};
    if (!r.p) return no_memory();
    weft_status status = compile(&r);
    weft_free(r.nodes);
    if (status == WEFT_OK) *out = r.p;
    else weft_pattern_destroy(r.p);
    return status;
}

void weft_pattern_destroy(struct weft_pattern *p) {
    if (!p) return;
    weft_free(p->code);
    weft_free(p->classes);
    weft_free(p->items);
    weft_free(p);
}
