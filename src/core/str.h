/// A string that grows. Out of memory is sticky: append freely, check once at the end.
#ifndef WEFT_CORE_STR_H
#define WEFT_CORE_STR_H
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

struct weft_str {
    char *data;
    size_t len, cap;
    bool failed;
}; ///< zero is an empty string; data is always 0-terminated once non-NULL

void weft_str_add(struct weft_str *s, const char *text);
void weft_str_addn(struct weft_str *s, const char *text, size_t n);
void weft_str_addf(struct weft_str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void weft_str_addv(struct weft_str *s, const char *format, va_list args);
void weft_str_cut(struct weft_str *s, size_t len);  ///< drops what stands behind the first `len` bytes
const char *weft_str_get(const struct weft_str *s); ///< never NULL
char *weft_str_take(struct weft_str *s); ///< gives the buffer to the caller (weft_free); NULL if it had failed
void weft_str_free(struct weft_str *s);
#endif
