#include "core/visible.h"

#include "core/utf8.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 8 }; // bytes that one character becomes, NUL included

bool weft_is_control(uint32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069);
}

/// What the character or byte at `text` becomes: `*size` bytes of `out`. Returns the bytes taken.
static size_t next(enum weft_visible mode, const char *text, size_t n, char out[MOST], size_t *size) {
    uint32_t code = 0;
    size_t taken = weft_utf8_next(text, n, &code);
    if (taken == 0) {
        *size = (size_t)snprintf(out, MOST, "\\x%02x", (unsigned char)*text);
        return 1;
    }
    bool line_end = code == '\r' && (mode == WEFT_VISIBLE_LINE || (n > 1 && text[1] == '\n'));
    bool blank = code == '\n' || code == '\t' || line_end;
    if (blank || !weft_is_control(code)) {
        memcpy(out, text, taken);
        if (blank && mode == WEFT_VISIBLE_LINE) *out = ' ';
        *size = taken;
    } else {
        *size = (size_t)snprintf(out, MOST, code >= 0x80 ? "\\u%04x" : "\\x%02x", (unsigned)code);
    }
    return taken;
}

size_t weft_visible(enum weft_visible mode, const char *text, size_t n, char *out, size_t room) {
    size_t length = 0, whole = 0; // `whole`: the last end of a character behind which "..." has room
    for (size_t i = 0, size; i < n; length += size) {
        char unit[MOST];
        if (length + 4 <= room) whole = length;
        i += next(mode, text + i, n - i, unit, &size);
        if (length + size + 1 > room) {
            memcpy(out + whole, "...", 4);
            return whole + 3;
        }
        memcpy(out + length, unit, size);
    }
    out[length] = 0;
    return length;
}

void weft_str_add_visible(struct weft_str *s, enum weft_visible mode, const char *text, size_t n) {
    char unit[MOST];
    for (size_t i = 0, size; i < n;) {
        i += next(mode, text + i, n - i, unit, &size);
        weft_str_addn(s, unit, size);
    }
}

void weft_str_add_escaped(struct weft_str *s, const char *text, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t code = 0;
        size_t size = weft_utf8_next(text + i, n - i, &code), end = i + (size ? size : 1);
        if (size && !weft_is_control(code)) {
            if (code == '"' || code == '\\') weft_str_add(s, "\\");
            weft_str_addn(s, text + i, size);
            i = end;
        }
        for (; i < end; i++) weft_str_addf(s, "\\x%02x", (unsigned char)text[i]);
    }
}

void weft_str_add_utf8(struct weft_str *s, const char *text, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t code;
        size_t size = weft_utf8_next(text + i, n - i, &code);
        weft_str_addn(s, size ? text + i : "\xEF\xBF\xBD", size ? size : 3);
        i += size ? size : 1;
    }
}
