#include "core/json_read.h"

#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "core/map.h"
#include "core/utf8.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *text, *what;
    size_t len, at;
    unsigned depth;
    struct weft_arena *arena;
};

static weft_status refuse(const struct reader *r, const char *why) {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < r->at && i < r->len; i++) {
        bool starts = ((unsigned char)r->text[i] & 0xc0) != 0x80;
        if (r->text[i] == '\n') line++, column = 1;
        else column += starts;
    }
    return weft_fail(WEFT_ERR_FORMAT, "%s: line %zu, column %zu: %s", r->what, line, column, why);
}

static weft_status no_memory(const struct reader *r) { return weft_fail(WEFT_ERR_NOMEM, "%s: out of memory", r->what); }

static void skip_blanks(struct reader *r) {
    while (r->at < r->len && strchr(" \t\r\n", r->text[r->at]) && r->text[r->at]) r->at++;
}

static bool at_char(const struct reader *r, char c) { return r->at < r->len && r->text[r->at] == c; }

static bool take(struct reader *r, char c) {
    bool there = at_char(r, c);
    r->at += there;
    return there;
}

// ---- strings -------------------------------------------------------------------------------------------------------

static bool hex4(struct reader *r, uint32_t *code) {
    *code = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = r->at < r->len ? r->text[r->at] : 0;
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0) return false;
        *code = *code << 4 | (uint32_t)digit;
    }
    return true;
}

// Behind a backslash. A surrogate without its other half is no character, so it is refused.
static weft_status escape(struct reader *r, char *to, size_t *n) {
    static const char letters[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
    char c = r->at < r->len ? r->text[r->at] : 0;
    const char *letter = c ? strchr(letters, c) : NULL;
    if (letter) {
        r->at++;
        to[(*n)++] = plain[letter - letters];
        return WEFT_OK;
    }
    if (!take(r, 'u')) return refuse(r, "no escape begins like this; known are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u");
    uint32_t code, low;
    if (!hex4(r, &code)) return refuse(r, "\\u needs four hexadecimal digits");
    if (code >= 0xdc00 && code < 0xe000) return refuse(r, "a low surrogate stands without a high one before it");
    if (code >= 0xd800 && code < 0xdc00) {
        if (!take(r, '\\') || !take(r, 'u') || !hex4(r, &low) || low < 0xdc00 || low >= 0xe000)
            return refuse(r, "a high surrogate stands without a low one behind it");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    *n += weft_utf8_put(code, to + *n);
    return WEFT_OK;
}

static weft_status read_string(struct reader *r, struct weft_json_text *out) {
    if (!take(r, '"')) return refuse(r, "expected a string");
    size_t end = r->at;
    while (end < r->len && r->text[end] != '"') end += r->text[end] == '\\' ? 2 : 1;
    if (end >= r->len) return refuse(r, "the string does not end");
    char *to = weft_arena_alloc(r->arena, end - r->at + 1); // an escape is never shorter than what it stands for
    size_t n = 0;
    if (!to) return no_memory(r);
    while (r->at < end) {
        if (take(r, '\\')) {
            WEFT_TRY(escape(r, to, &n));
            continue;
        }
        if ((unsigned char)r->text[r->at] < 0x20) return refuse(r, "a control character in a string must be escaped");
        size_t size = weft_utf8_next(r->text + r->at, end - r->at, NULL);
        if (!size) return refuse(r, "the text is no UTF-8 here");
        memcpy(to + n, r->text + r->at, size);
        n += size;
        r->at += size;
    }
    r->at = end + 1;
    to[n] = 0;
    *out = (struct weft_json_text){to, n};
    return WEFT_OK;
}

// ---- numbers -------------------------------------------------------------------------------------------------------

static size_t digits(struct reader *r) {
    size_t start = r->at;
    while (r->at < r->len && r->text[r->at] >= '0' && r->text[r->at] <= '9') r->at++;
    return r->at - start;
}

static bool exact(const char *s, size_t n, int64_t *out) {
    bool negative = *s == '-';
    uint64_t x = 0, most = (uint64_t)INT64_MAX + negative;
    for (size_t i = negative; i < n; i++) {
        unsigned digit = (unsigned)(s[i] - '0');
        if (x > (most - digit) / 10) return false;
        x = x * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - x) : (int64_t)x;
    return true;
}

// strtod reads the locale's point, so that takes the place of the text's.
static weft_status real(struct reader *r, const char *s, size_t n, double *out) {
    const char *point = localeconv()->decimal_point, *dot = memchr(s, '.', n);
    size_t wide = strlen(point), before = dot ? (size_t)(dot - s) : n;
    char small[64], *copy = n + wide < sizeof small ? small : weft_arena_alloc(r->arena, n + wide + 1);
    if (!copy) return no_memory(r);
    memcpy(copy, s, before);
    if (dot) {
        memcpy(copy + before, point, wide);
        memcpy(copy + before + wide, dot + 1, n - before - 1);
    }
    copy[dot ? n - 1 + wide : n] = 0;
    *out = strtod(copy, NULL);
    return isfinite(*out) ? WEFT_OK : refuse(r, "the number is larger than a double can be");
}

static weft_status read_number(struct reader *r, struct weft_json_value *out) {
    size_t start = r->at;
    take(r, '-');
    bool zero = at_char(r, '0'), whole = true;
    size_t n = digits(r);
    if (n == 0) return refuse(r, "expected a value");
    if (zero && n > 1) return refuse(r, "a number may not begin with a zero that another digit follows");
    if (take(r, '.')) {
        whole = false;
        if (!digits(r)) return refuse(r, "a point needs a digit behind it");
    }
    if (take(r, 'e') || take(r, 'E')) {
        whole = false;
        if (!take(r, '-')) take(r, '+');
        if (!digits(r)) return refuse(r, "an exponent needs a digit");
    }
    const char *s = r->text + start;
    out->type = WEFT_JSON_INT;
    if (whole && exact(s, r->at - start, &out->i)) return WEFT_OK;
    out->type = WEFT_JSON_REAL;
    return real(r, s, r->at - start, &out->r);
}

// ---- containers ----------------------------------------------------------------------------------------------------

static weft_status read_value(struct reader *r, struct weft_json_value *out);

struct members {
    struct weft_json_value *items;
    struct weft_json_text *keys;
    size_t n, item_cap, key_cap;
    bool repeats;
    struct weft_map places; // of keys, so that a member with a known key takes its place
};

static weft_status add_member(struct reader *r, struct members *m) {
    struct weft_json_text key;
    struct weft_json_value value;
    uint64_t place;
    WEFT_TRY(weft_cancel_check_at(m->n));
    WEFT_TRY(read_string(r, &key));
    skip_blanks(r);
    if (!take(r, ':')) return refuse(r, "expected ':' behind the key");
    WEFT_TRY(read_value(r, &value));
    if (weft_map_get(&m->places, key.text, key.len, &place)) {
        m->items[place] = value;
        m->repeats = true;
        return WEFT_OK;
    }
    if (!weft_grow((void **)&m->items, &m->item_cap, m->n + 1, sizeof *m->items) ||
        !weft_grow((void **)&m->keys, &m->key_cap, m->n + 1, sizeof *m->keys) ||
        !weft_map_set(&m->places, key.text, key.len, m->n))
        return no_memory(r);
    m->items[m->n] = value;
    m->keys[m->n++] = key;
    return WEFT_OK;
}

static weft_status add_element(struct reader *r, struct members *m) {
    struct weft_json_value value;
    WEFT_TRY(weft_cancel_check_at(m->n));
    WEFT_TRY(read_value(r, &value));
    if (!weft_grow((void **)&m->items, &m->item_cap, m->n + 1, sizeof *m->items)) return no_memory(r);
    m->items[m->n++] = value;
    return WEFT_OK;
}

static weft_status read_members(struct reader *r, struct members *m, bool map) {
    char end = map ? '}' : ']';
    skip_blanks(r);
    if (take(r, end)) return WEFT_OK;
    do {
        skip_blanks(r);
        WEFT_TRY(map ? add_member(r, m) : add_element(r, m));
        skip_blanks(r);
    } while (take(r, ','));
    return take(r, end) ? WEFT_OK : refuse(r, map ? "expected ',' or '}'" : "expected ',' or ']'");
}

static weft_status read_container(struct reader *r, struct weft_json_value *out, bool map) {
    struct members m = {0};
    if (r->depth == WEFT_JSON_READ_DEPTH) return refuse(r, "containers are more than 256 deep");
    r->at++;
    r->depth++;
    weft_status status = read_members(r, &m, map);
    r->depth--;
    *out = (struct weft_json_value){.type = map ? WEFT_JSON_MAP : WEFT_JSON_LIST, .repeats = m.repeats, .n = m.n};
    if (status == WEFT_OK && m.n) {
        out->items = weft_arena_dup(r->arena, m.items, m.n * sizeof *m.items);
        out->keys = map ? weft_arena_dup(r->arena, m.keys, m.n * sizeof *m.keys) : NULL;
        if (!out->items || (map && !out->keys)) status = no_memory(r);
    }
    weft_free(m.items);
    weft_free(m.keys);
    weft_map_free(&m.places);
    return status;
}

static bool word(struct reader *r, const char *w) {
    size_t n = strlen(w);
    if (r->len - r->at < n || memcmp(r->text + r->at, w, n) != 0) return false;
    r->at += n;
    return true;
}

static weft_status read_value(struct reader *r, struct weft_json_value *out) {
    *out = (struct weft_json_value){.type = WEFT_JSON_NULL};
    skip_blanks(r);
    if (at_char(r, '{') || at_char(r, '[')) return read_container(r, out, at_char(r, '{'));
    if (at_char(r, '"')) {
        out->type = WEFT_JSON_STRING;
        return read_string(r, &out->s);
    }
    if (word(r, "null")) return WEFT_OK;
    bool yes = word(r, "true");
    if (yes || word(r, "false")) {
        out->type = WEFT_JSON_BOOL;
        out->b = yes;
        return WEFT_OK;
    }
    return read_number(r, out);
}

weft_status weft_json_read(const char *text, size_t len, const char *what, struct weft_arena *arena,
                           struct weft_json_value *out) {
    struct reader r = {.text = text, .what = what, .len = len, .arena = arena};
    WEFT_TRY(read_value(&r, out));
    skip_blanks(&r);
    return r.at == len ? WEFT_OK : refuse(&r, "something stands behind the value");
}

const struct weft_json_value *weft_json_find(const struct weft_json_value *v, const char *key) {
    if (!v || v->type != WEFT_JSON_MAP) return NULL;
    size_t n = strlen(key);
    for (size_t i = 0; i < v->n; i++)
        if (v->keys[i].len == n && memcmp(v->keys[i].text, key, n) == 0) return &v->items[i];
    return NULL;
}

bool weft_json_is(const struct weft_json_value *v, const char *text) {
    size_t n = strlen(text);
    return v && v->type == WEFT_JSON_STRING && v->s.len == n && memcmp(v->s.text, text, n) == 0;
}
