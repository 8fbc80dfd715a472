#include "core/json_read.h"

#include "core/error.h"
#include "core/json.h"
#include "core/utf8.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *text;
    size_t len, at;
    struct weft_arena *arena;
    unsigned depth;
};

static weft_status broken(const struct reader *r, const char *what) {
    return weft_fail(WEFT_ERR_FORMAT, "no JSON: %s at byte %zu", what, r->at);
}

static weft_status no_memory(const struct reader *r) {
    return weft_fail(WEFT_ERR_NOMEM, "out of memory for JSON of %zu bytes", r->len);
}

static void skip_blanks(struct reader *r) {
    while (r->at < r->len && strchr(" \t\r\n", r->text[r->at]) && r->text[r->at]) r->at++;
}

static bool take(struct reader *r, const char *word) {
    size_t n = strlen(word);
    if (r->len - r->at < n || memcmp(r->text + r->at, word, n) != 0) return false;
    r->at += n;
    return true;
}

// ---- strings and numbers
// ---------------------------------------------------------------------------------------------

static bool read_hex(struct reader *r, uint32_t *out) {
    if (r->len - r->at < 4) return false;
    *out = 0;
    for (int i = 0; i < 4; i++) {
        char c = r->text[r->at++];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return false;
        *out = *out << 4 | (uint32_t)digit;
    }
    return true;
}

/// Behind a backslash; `out` has room for what an escape gives at most.
static weft_status read_escape(struct reader *r, char *out, size_t *n) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char c = r->at < r->len ? r->text[r->at++] : 0;
    const char *known = c ? strchr(names, c) : NULL;
    uint32_t code, low;
    *n = 1;
    if (known) return *out = values[known - names], WEFT_OK;
    if (c != 'u' || !read_hex(r, &code)) return broken(r, "a wrong escape");
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (!take(r, "\\u") || !read_hex(r, &low) || low < 0xDC00 || low > 0xDFFF) return broken(r, "half a character");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code <= 0xDFFF) {
        return broken(r, "half a character");
    }
    *n = weft_utf8_put(code, out);
    return WEFT_OK;
}

/// Copies a string with escapes, whose first stands at `at`, from its start.
static weft_status unescape(struct reader *r, size_t start, size_t end, const char **text, size_t *len) {
    char *out = weft_arena_alloc(r->arena, end - start + 4);
    size_t n = r->at - start;
    if (!out) return no_memory(r);
    memcpy(out, r->text + start, n);
    while (r->at < end) {
        size_t size = 1;
        if (r->text[r->at] == '\\') {
            r->at++;
            WEFT_TRY(read_escape(r, out + n, &size));
        } else {
            out[n] = r->text[r->at++];
        }
        n += size;
    }
    *text = out;
    *len = n;
    return WEFT_OK;
}

/// Behind the opening quote.
static weft_status read_string(struct reader *r, const char **text, size_t *len) {
    size_t start = r->at, escape = SIZE_MAX, end;
    for (;;) {
        if (r->at == r->len) return broken(r, "a string without an end");
        unsigned char c = (unsigned char)r->text[r->at];
        if (c == '"') break;
        if (c < 0x20) return broken(r, "a control character in a string");
        if (c == '\\') {
            if (escape == SIZE_MAX) escape = r->at;
            r->at++;
            if (r->at == r->len) return broken(r, "a string without an end");
        }
        size_t n = weft_utf8_next(r->text + r->at, r->len - r->at, NULL);
        if (n == 0) return broken(r, "a byte that is no UTF-8");
        r->at += n;
    }
    end = r->at;
    *text = r->text + start;
    *len = end - start;
    if (escape != SIZE_MAX) {
        r->at = escape;
        WEFT_TRY(unescape(r, start, end, text, len));
    }
    r->at = end + 1;
    return WEFT_OK;
}

static size_t digits(struct reader *r) {
    size_t from = r->at;
    while (r->at < r->len && r->text[r->at] >= '0' && r->text[r->at] <= '9') r->at++;
    return r->at - from;
}

/// strtod reads the point of the process's locale.
static double number_of(const char *text, size_t len) {
    char copy[512];
    const char *point = localeconv()->decimal_point, *dot = memchr(text, '.', len);
    size_t size = strlen(point), n = 0;
    if (len > sizeof copy / 2 || size > 16) return 0;
    for (size_t i = 0; i < len; i++) {
        if (text + i == dot) memcpy(copy + n, point, size), n += size;
        else copy[n++] = text[i];
    }
    copy[n] = 0;
    return strtod(copy, NULL);
}

static weft_status read_number(struct reader *r, double *out) {
    size_t from = r->at;
    take(r, "-");
    size_t first = r->at, n = digits(r);
    bool ok = n && (n == 1 || r->text[first] != '0');
    if (ok && take(r, ".")) ok = digits(r) > 0;
    if (ok && (take(r, "e") || take(r, "E"))) {
        if (!take(r, "+")) take(r, "-");
        ok = digits(r) > 0;
    }
    if (!ok) return broken(r, "no value");
    if (r->at - from > 250) return broken(r, "a number of more than 250 characters");
    *out = number_of(r->text + from, r->at - from);
    return WEFT_OK;
}

// ---- values
// ----------------------------------------------------------------------------------------------------------

static weft_status read_value(struct reader *r, struct weft_json_value *v);

static weft_status read_member(struct reader *r, bool object, struct weft_json_value **out) {
    struct weft_json_value *v = weft_arena_alloc(r->arena, sizeof *v);
    if (!v) return no_memory(r);
    skip_blanks(r);
    if (object) {
        if (!take(r, "\"")) return broken(r, "no key");
        WEFT_TRY(read_string(r, &v->key, &v->key_len));
        skip_blanks(r);
        if (!take(r, ":")) return broken(r, "no colon");
    }
    *out = v;
    return read_value(r, v);
}

static weft_status read_members(struct reader *r, bool object, struct weft_json_value *v) {
    const char *end = object ? "}" : "]";
    const struct weft_json_value **place = &v->first;
    if (++r->depth > WEFT_JSON_DEPTH) return broken(r, "too many levels");
    v->kind = object ? WEFT_JSON_OBJECT : WEFT_JSON_ARRAY;
    skip_blanks(r);
    if (take(r, end)) return r->depth--, WEFT_OK;
    for (;;) {
        struct weft_json_value *member = NULL;
        WEFT_TRY(read_member(r, object, &member));
        *place = member;
        place = &member->next;
        v->len++;
        skip_blanks(r);
        if (take(r, end)) return r->depth--, WEFT_OK;
        if (!take(r, ",")) return broken(r, "neither a comma nor an end");
    }
}

static weft_status read_value(struct reader *r, struct weft_json_value *v) {
    skip_blanks(r);
    if (take(r, "{")) return read_members(r, true, v);
    if (take(r, "[")) return read_members(r, false, v);
    if (take(r, "\"")) return v->kind = WEFT_JSON_STRING, read_string(r, &v->text, &v->len);
    if (take(r, "null")) return WEFT_OK;
    v->kind = WEFT_JSON_BOOL;
    if (take(r, "true")) return v->flag = true, WEFT_OK;
    if (take(r, "false")) return WEFT_OK;
    v->kind = WEFT_JSON_NUMBER;
    return read_number(r, &v->number);
}

weft_status weft_json_read(const char *text, size_t len, struct weft_arena *arena, const struct weft_json_value **out) {
    struct reader r = {.text = text, .len = len, .arena = arena};
    struct weft_json_value *v = weft_arena_alloc(arena, sizeof *v);
    *out = NULL;
    if (!v) return no_memory(&r);
    WEFT_TRY(read_value(&r, v));
    skip_blanks(&r);
    if (r.at < len) return broken(&r, "more than one value");
    *out = v;
    return WEFT_OK;
}

const struct weft_json_value *weft_json_get(const struct weft_json_value *v, const char *key) {
    size_t len = strlen(key);
    if (!v || v->kind != WEFT_JSON_OBJECT) return NULL;
    for (const struct weft_json_value *m = v->first; m; m = m->next)
        if (m->key_len == len && memcmp(m->key, key, len) == 0) return m;
    return NULL;
}

bool weft_json_is(const struct weft_json_value *v, const char *text) {
    size_t len = strlen(text);
    return v && v->kind == WEFT_JSON_STRING && v->len == len && memcmp(v->text, text, len) == 0;
}
