/// A growing string. After a failed allocation it stays as it was and takes no more, so that no text with a
/// hole in it is ever handed out.
#include "core/str.h"

#include "core/alloc.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool reserve(struct weft_str *s, size_t more) {
    if (s->failed) return false;
    if (more > SIZE_MAX / 2 - s->len || !weft_grow((void **)&s->data, &s->cap, s->len + more + 1, 1)) {
        s->failed = true;
        return false;
    }
    return true;
}

void weft_str_addn(struct weft_str *s, const char *text, size_t n) {
    if (!reserve(s, n)) return;
    if (n) memcpy(s->data + s->len, text, n);
    s->len += n;
    s->data[s->len] = 0;
}

void weft_str_add(struct weft_str *s, const char *text) { weft_str_addn(s, text, strlen(text)); }

void weft_str_addv(struct weft_str *s, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0) s->failed = true;
    if (n >= 0 && reserve(s, (size_t)n)) {
        vsnprintf(s->data + s->len, (size_t)n + 1, format, again);
        s->len += (size_t)n;
    }
    va_end(again);
}

void weft_str_addf(struct weft_str *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    weft_str_addv(s, format, args);
    va_end(args);
}

void weft_str_cut(struct weft_str *s, size_t len) {
    if (len >= s->len) return;
    s->len = len;
    s->data[len] = 0;
}

const char *weft_str_get(const struct weft_str *s) { return s->data ? s->data : ""; }

char *weft_str_take(struct weft_str *s) {
    if (!s->data) weft_str_addn(s, "", 0);
    char *text = s->failed ? NULL : s->data;
    if (s->failed) weft_free(s->data);
    *s = (struct weft_str){0};
    return text;
}

void weft_str_free(struct weft_str *s) {
    weft_free(s->data);
    *s = (struct weft_str){0};
}
