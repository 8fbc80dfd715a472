#include "core/json.h"

#include "core/utf8.h"
#include "core/visible.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void weft_json_begin(struct weft_json *j, struct weft_str *out, unsigned indent) {
    *j = (struct weft_json){.out = out, .indent = indent, .digits = 17};
}

bool weft_json_done(const struct weft_json *j) { return j->depth == 0 && j->filled && !j->out->failed; }

static bool in_object(const struct weft_json *j) { return j->depth && (j->objects >> (j->depth - 1) & 1); }

static void new_line(struct weft_json *j) {
    if (!j->indent) return;
    weft_str_add(j->out, "\n");
    for (unsigned i = 0; i < j->indent * j->depth; i++) weft_str_add(j->out, " ");
}

static void escape(struct weft_str *out, uint32_t code) {
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *at = code && code < 0x80 ? strchr(plain, (int)code) : NULL;
    if (at) weft_str_addf(out, "\\%c", letters[at - plain]);
    else weft_str_addf(out, "\\u%04x", (unsigned)code);
}

static bool is_escaped(uint32_t code) { return code == '"' || code == '\\' || weft_is_control(code); }

static void quote(struct weft_str *out, const char *text, size_t length) {
    weft_str_add(out, "\"");
    size_t plain = 0; // where the run of bytes begins that stand as they are
    for (size_t i = 0; i < length;) {
        uint32_t code = 0;
        size_t n = weft_utf8_next(text + i, length - i, &code);
        if (n && !is_escaped(code)) {
            i += n;
            continue;
        }
        weft_str_addn(out, text + plain, i - plain);
        if (n) escape(out, code);
        else weft_str_add(out, "\xef\xbf\xbd");
        plain = i += n ? n : 1;
    }
    if (length > plain) weft_str_addn(out, text + plain, length - plain);
    weft_str_add(out, "\"");
}

// What stands in front of a value: the comma behind the one before, the line, the key. False if none may stand here.
static bool enter(struct weft_json *j, const char *key) {
    if ((key != NULL) != in_object(j) || (j->depth == 0 && j->filled)) j->out->failed = true;
    if (j->out->failed) return false;
    if (j->depth) {
        if (j->filled) weft_str_add(j->out, j->indent ? "," : ", ");
        new_line(j);
    }
    j->filled = true;
    if (!key) return true;
    quote(j->out, key, strlen(key));
    weft_str_add(j->out, ": ");
    return true;
}

static void open_container(struct weft_json *j, const char *key, bool object) {
    if (j->depth == WEFT_JSON_DEPTH) j->out->failed = true;
    if (!enter(j, key)) return;
    weft_str_add(j->out, object ? "{" : "[");
    uint64_t bit = (uint64_t)1 << j->depth++;
    j->objects = object ? j->objects | bit : j->objects & ~bit;
    j->filled = false;
}

void weft_json_object(struct weft_json *j, const char *key) { open_container(j, key, true); }

void weft_json_array(struct weft_json *j, const char *key) { open_container(j, key, false); }

void weft_json_end(struct weft_json *j) {
    if (j->depth == 0) j->out->failed = true;
    if (j->out->failed) return;
    bool object = in_object(j);
    j->depth--;
    if (j->filled) new_line(j);
    weft_str_add(j->out, object ? "}" : "]");
    j->filled = true; // the container is a value of the one around it
}

void weft_json_strn(struct weft_json *j, const char *key, const char *text, size_t length) {
    if (enter(j, key)) quote(j->out, text, text ? length : 0);
}

void weft_json_str(struct weft_json *j, const char *key, const char *text) {
    weft_json_strn(j, key, text, text ? strlen(text) : 0);
}

void weft_json_i64(struct weft_json *j, const char *key, int64_t value) {
    if (enter(j, key)) weft_str_addf(j->out, "%lld", (long long)value);
}

void weft_json_u64(struct weft_json *j, const char *key, uint64_t value) {
    if (enter(j, key)) weft_str_addf(j->out, "%llu", (unsigned long long)value);
}

// The locale chooses the point, which may have several bytes; all that is neither digit nor sign is taken for it. An
// exponent loses its plus and its leading zeros.
static void add_real(struct weft_str *out, const char *text) {
    const char *e = strchr(text, 'e');
    bool whole = !e;
    for (const char *c = text; *c && c != e; c++) {
        if (strchr("-0123456789", *c)) weft_str_addn(out, c, 1);
        else if (strchr("-0123456789", c[1])) weft_str_add(out, "."), whole = false;
    }
    if (whole) weft_str_add(out, ".0");
    if (!e) return;
    weft_str_add(out, e[1] == '-' ? "e-" : "e");
    e += strspn(e, "e+-0");
    weft_str_add(out, e);
}

void weft_json_real(struct weft_json *j, const char *key, double value) {
    char text[64];
    if (!isfinite(value)) {
        weft_json_null(j, key);
        return;
    }
    if (!enter(j, key)) return;
    snprintf(text, sizeof text, "%.*g", j->digits < 1 ? 1 : j->digits > 17 ? 17 : j->digits, value);
    add_real(j->out, text);
}

void weft_json_bool(struct weft_json *j, const char *key, bool value) {
    if (enter(j, key)) weft_str_add(j->out, value ? "true" : "false");
}

void weft_json_null(struct weft_json *j, const char *key) {
    if (enter(j, key)) weft_str_add(j->out, "null");
}
