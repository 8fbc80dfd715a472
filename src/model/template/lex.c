/// Tokens of a template. Whitespace control happens here, as Jinja has it with trim_blocks and lstrip_blocks: a line
/// end behind a block or comment goes, and so do blanks between a line's beginning and a block or comment.
#include "model/template/ast.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/utf8.h"
#include "model/template/text.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 20 };

void weft_j_place(const struct weft_jlexer *l, size_t at, uint32_t *line, uint32_t *column) {
    *line = 1, *column = 1;
    for (size_t i = 0; i < at && i < l->len; i++) {
        if (l->text[i] == '\n') (*line)++, *column = 1;
        else *column += ((unsigned char)l->text[i] & 0xc0) != 0x80;
    }
}

static weft_status refuse(const struct weft_jlexer *l, size_t at, const char *why) {
    uint32_t line, column;
    weft_j_place(l, at, &line, &column);
    return weft_fail(WEFT_ERR_FORMAT, "chat template, line %u, column %u: %s", line, column, why);
}

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "chat template: out of memory"); }

static weft_status push(struct weft_jlexer *l, struct weft_j_token token) {
    if (!weft_grow((void **)&l->tokens, &l->cap, l->n + 1, sizeof *l->tokens)) return no_memory();
    l->tokens[l->n++] = token;
    return WEFT_OK;
}

static bool starts(const struct weft_jlexer *l, size_t at, const char *word) {
    size_t n = strlen(word);
    return l->len - at >= n && memcmp(l->text + at, word, n) == 0;
}

static bool is_letter(char c) { return ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || (unsigned char)c >= 0x80; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static size_t skip_space(const struct weft_jlexer *l, size_t at) {
    struct weft_js s = {.text = l->text, .len = l->len};
    uint32_t code;
    while (at < l->len) {
        size_t n = weft_j_char(&s, at, &code);
        if (!weft_j_space(code)) break;
        at += n;
    }
    return at;
}

// ---- text between tags --------------------------------------------------------------------------------------------

static size_t space_before(const struct weft_jlexer *l, size_t from, size_t end) {
    struct weft_js s = {.text = l->text + from, .len = end - from};
    uint32_t code;
    while (s.len) {
        size_t n = weft_j_char_before(&s, s.len, &code);
        if (!weft_j_space(code)) break;
        s.len -= n;
    }
    return from + s.len;
}

// The text up to a tag with `sign`; `strips`: blanks at the line's beginning go.
static weft_status push_data(struct weft_jlexer *l, size_t from, size_t end, char sign, bool strips) {
    size_t blanks = space_before(l, from, end), line = end;
    if (sign == '-') end = blanks;
    else if (sign != '+' && strips) {
        while (line > from && l->text[line - 1] != '\n') line--;
        bool begins = line > from || from == 0 || l->text[from - 1] == '\n';
        if (begins && blanks <= line) end = line;
    }
    if (end == from) return WEFT_OK;
    return push(l, (struct weft_j_token){
                       .kind = WEFT_JT_DATA, .at = (uint32_t)from, .text = l->text + from, .len = end - from});
}

static char sign_at(const struct weft_jlexer *l, size_t at) {
    char c = at < l->len ? l->text[at] : 0;
    return c == '-' || c == '+' ? c : 0;
}

// Behind the end of a block: "-%}" takes all blanks along, "%}" a line end.
static size_t after_block(const struct weft_jlexer *l, size_t end, char sign) {
    if (sign == '-') return skip_space(l, end);
    return end < l->len && l->text[end] == '\n' && sign != '+' ? end + 1 : end;
}

static weft_status skip_comment(struct weft_jlexer *l) {
    size_t start = l->at, inner = start + 2 + (sign_at(l, start + 2) != 0);
    for (size_t i = inner; i + 1 < l->len; i++) {
        if (!starts(l, i, "#}")) continue;
        char sign = i > inner ? sign_at(l, i - 1) : 0; // the sign of "{#-#}" is the beginning's
        l->at = after_block(l, i + 2, sign);
        return WEFT_OK;
    }
    return refuse(l, start, "the comment does not end; '#}' is missing");
}

// "{%- raw -%}" and the like at `at`; `*end` is behind it, `*sign` the one at its end.
static bool tag_at(const struct weft_jlexer *l, size_t at, const char *word, size_t *end, char *sign) {
    at += 2 + (sign_at(l, at + 2) != 0);
    at = skip_space(l, at);
    if (!starts(l, at, word)) return false;
    at = skip_space(l, at + strlen(word));
    *sign = sign_at(l, at);
    at += *sign != 0;
    *end = at + 2;
    return starts(l, at, "%}");
}

static weft_status raw(struct weft_jlexer *l, size_t from) {
    size_t end;
    char sign;
    for (size_t i = from; i + 1 < l->len; i++) {
        if (!starts(l, i, "{%") || !tag_at(l, i, "endraw", &end, &sign)) continue;
        WEFT_TRY(push_data(l, from, i, sign_at(l, i + 2), true));
        l->at = after_block(l, end, sign);
        return WEFT_OK;
    }
    return refuse(l, l->at, "'raw' does not end; '{% endraw %}' is missing");
}

// ---- strings and numbers ------------------------------------------------------------------------------------------

static bool hex(const struct weft_jlexer *l, size_t at, int n, uint32_t *code) {
    *code = 0;
    for (int i = 0; i < n; i++) {
        char c = at + (size_t)i < l->len ? l->text[at + (size_t)i] : 0;
        int digit = is_digit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0) return false;
        *code = *code << 4 | (uint32_t)digit;
    }
    return true;
}

// Behind a backslash at l->at; Python's escapes. An unknown one stands as it is.
static weft_status escape(struct weft_jlexer *l, char *to, size_t *n) {
    static const char letters[] = "\\'\"abfnrtv", plain[] = "\\'\"\a\b\f\n\r\t\v";
    char c = l->text[l->at];
    const char *letter = c ? strchr(letters, c) : NULL;
    uint32_t code = 0;
    if (letter) {
        to[(*n)++] = plain[letter - letters];
        l->at++;
    } else if (c == '\n') l->at++;
    else if (c >= '0' && c <= '7') {
        for (int i = 0; i < 3 && l->text[l->at] >= '0' && l->text[l->at] <= '7'; i++)
            code = code << 3 | (uint32_t)(l->text[l->at++] - '0');
        *n += weft_utf8_put(code, to + *n);
    } else if (c == 'x' || c == 'u' || c == 'U') {
        int width = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        if (!hex(l, l->at + 1, width, &code) || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return refuse(l, l->at - 1,
                          "the escape needs two (\\x), four (\\u) or eight (\\U) hexadecimal digits that "
                          "name a character");
        *n += weft_utf8_put(code, to + *n);
        l->at += 1 + (size_t)width;
    } else if (c == 'N') return refuse(l, l->at - 1, "characters by name (\\N{...}) are not supported; write \\u");
    else to[(*n)++] = '\\';
    return WEFT_OK;
}

static weft_status string(struct weft_jlexer *l) {
    size_t start = l->at, end = start + 1, n = 0;
    char quote = l->text[start];
    while (end < l->len && l->text[end] != quote) end += l->text[end] == '\\' ? 2 : 1;
    if (end >= l->len) return refuse(l, start, "the string does not end");
    char *to = weft_arena_alloc(l->arena, end - start);
    if (!to) return no_memory();
    for (l->at = start + 1; l->at < end;) {
        if (l->text[l->at] != '\\') {
            to[n++] = l->text[l->at++];
            continue;
        }
        l->at++;
        WEFT_TRY(escape(l, to, &n));
    }
    l->at = end + 1;
    return push(l, (struct weft_j_token){.kind = WEFT_JT_STRING, .at = (uint32_t)start, .text = to, .len = n});
}

static void digits(const struct weft_jlexer *l, size_t *at) {
    while (*at < l->len &&
           (is_digit(l->text[*at]) || (l->text[*at] == '_' && *at + 1 < l->len && is_digit(l->text[*at + 1]))))
        (*at)++;
}

static bool after_point(const struct weft_jlexer *l, size_t at) { return at < l->len && is_digit(l->text[at]); }

static weft_status number(struct weft_jlexer *l) {
    size_t start = l->at, at = start, n = 0;
    char text[64], *end;
    bool real = false;
    digits(l, &at);
    if (at < l->len && l->text[at] == '.' && after_point(l, at + 1)) real = true, at++, digits(l, &at);
    size_t e = at + 1 + (at + 1 < l->len && (l->text[at + 1] == '-' || l->text[at + 1] == '+'));
    if (at < l->len && (l->text[at] | 32) == 'e' && after_point(l, e)) real = true, at = e, digits(l, &at);
    const char *point = localeconv()->decimal_point;
    for (size_t i = start; i < at; i++) {
        const char *piece = l->text[i] == '.' ? point : &l->text[i];
        size_t size = l->text[i] == '_' ? 0 : l->text[i] == '.' ? strlen(point) : 1;
        if (n + size >= sizeof text) return refuse(l, start, "the number has more than 60 digits");
        memcpy(text + n, piece, size);
        n += size;
    }
    text[n] = 0;
    l->at = at;
    struct weft_j_token token = {.kind = real ? WEFT_JT_REAL : WEFT_JT_INT, .at = (uint32_t)start};
    errno = 0;
    if (real) token.r = strtod(text, &end);
    else token.i = strtoll(text, &end, 10);
    if (!real && errno == ERANGE) return refuse(l, start, "the integer needs more than 64 bits");
    return push(l, token);
}

// ---- inside tags --------------------------------------------------------------------------------------------------

static weft_status bracket(struct weft_jlexer *l, char c) {
    static const char pairs[] = "()[]{}";
    const char *at = strchr(pairs, c);
    if (!at) return WEFT_OK;
    if ((at - pairs) % 2 == 0) {
        if (l->depth == sizeof l->open) return refuse(l, l->at, "brackets are more than 256 deep");
        l->open[l->depth++] = at[1];
        return WEFT_OK;
    }
    if (l->depth == 0 || l->open[--l->depth] != c) return refuse(l, l->at, "this bracket closes none that is open");
    return WEFT_OK;
}

static weft_status operation(struct weft_jlexer *l) {
    static const char *const twos[] = {"==", "!=", ">=", "<=", "//", "**"};
    struct weft_j_token token = {.kind = WEFT_JT_OP, .at = (uint32_t)l->at};
    char c = l->text[l->at];
    for (size_t i = 0; i < sizeof twos / sizeof *twos; i++)
        if (starts(l, l->at, twos[i])) {
            token.op = WEFT_J_OP2(c, twos[i][1]);
            l->at += 2;
            return push(l, token);
        }
    if (!c || !strchr("+-/*%~[](){}><=.:|,;", c)) return refuse(l, l->at, "no token begins with this character");
    WEFT_TRY(bracket(l, c));
    l->at++;
    token.op = c;
    return push(l, token);
}

// True at the end of the tag, which is then behind l->at. Inside brackets there is none.
static bool tag_end(struct weft_jlexer *l, bool block) {
    const char *end = block ? "%}" : "}}";
    char sign = sign_at(l, l->at);
    if (l->depth) return false;
    if (sign == '+' && !block) sign = 0;
    if (!starts(l, l->at + (sign != 0), end)) return false;
    size_t behind = l->at + (sign != 0) + 2;
    l->at = block ? after_block(l, behind, sign) : sign ? skip_space(l, behind) : behind;
    return true;
}

static weft_status inside(struct weft_jlexer *l, size_t start, bool block) {
    l->depth = 0;
    WEFT_TRY(push(l, (struct weft_j_token){.kind = block ? WEFT_JT_BLOCK_OPEN : WEFT_JT_OPEN, .at = (uint32_t)start}));
    for (;;) {
        l->at = skip_space(l, l->at);
        if (l->at >= l->len)
            return refuse(l, start,
                          block ? "the block does not end; '%}' is missing"
                                : "the expression does not end; '}}' is missing");
        size_t at = l->at;
        char c = l->text[at];
        if (tag_end(l, block))
            return push(l,
                        (struct weft_j_token){.kind = block ? WEFT_JT_BLOCK_CLOSE : WEFT_JT_CLOSE, .at = (uint32_t)at});
        if (c == '"' || c == '\'') WEFT_TRY(string(l));
        else if (is_digit(c)) WEFT_TRY(number(l));
        else if (is_letter(c)) {
            while (l->at < l->len && (is_letter(l->text[l->at]) || is_digit(l->text[l->at]))) l->at++;
            WEFT_TRY(push(l, (struct weft_j_token){
                                 .kind = WEFT_JT_NAME, .at = (uint32_t)at, .text = l->text + at, .len = l->at - at}));
        } else WEFT_TRY(operation(l));
    }
}

static weft_status tag(struct weft_jlexer *l, size_t from, size_t at) {
    char kind = l->text[at + 1], sign = sign_at(l, at + 2), last;
    size_t end;
    WEFT_TRY(push_data(l, from, at, sign, kind != '{'));
    l->at = at;
    if (kind == '#') return skip_comment(l);
    if (kind == '%' && tag_at(l, at, "raw", &end, &last)) return raw(l, last == '-' ? skip_space(l, end) : end);
    l->at = at + 2 + (sign != 0);
    return inside(l, at, kind == '%');
}

static weft_status all(struct weft_jlexer *l) {
    size_t from = 0;
    for (size_t i = 0; i + 1 < l->len; i++) {
        if (l->text[i] != '{' || !l->text[i + 1] || !strchr("{%#", l->text[i + 1])) continue;
        WEFT_TRY(tag(l, from, i));
        from = l->at;
        i = from - 1;
    }
    WEFT_TRY(push_data(l, from, l->len, '+', false));
    return push(l, (struct weft_j_token){.kind = WEFT_JT_END, .at = (uint32_t)l->len});
}

// Line ends become \n, and the last one goes.
static void normalize(char *to, const char *text, size_t len, size_t *n) {
    *n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\r' && i + 1 < len && text[i + 1] == '\n') continue;
        to[(*n)++] = text[i] == '\r' ? '\n' : text[i];
    }
    if (*n && to[*n - 1] == '\n') --*n;
    to[*n] = 0;
}

weft_status weft_j_lex(const char *text, size_t len, struct weft_arena *arena, struct weft_jlexer *out) {
    *out = (struct weft_jlexer){.arena = arena};
    if (len > MOST_BYTES)
        return weft_fail(WEFT_ERR_LIMIT, "the chat template has %zu bytes, at most %d are read", len, MOST_BYTES);
    char *copy = weft_arena_alloc(arena, len + 1);
    if (!copy) return no_memory();
    normalize(copy, text, len, &out->len);
    out->text = copy;
    for (size_t i = 0, n; i < out->len; i += n) {
        n = weft_utf8_next(copy + i, out->len - i, NULL);
        if (!n) return refuse(out, i, "the text is no UTF-8 here");
    }
    return all(out);
}
