/// Numbers in texts, as int() and float() read them.
#include "model/template/call.h"
#include "model/template/text.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Without blanks around it, and without single underscores between digits; 0 where it does not fit.
static size_t plain(const struct weft_js *s, char *to, size_t size) {
    size_t from = 0, end = s->len, n = 0;
    uint32_t code;
    while (from < end) {
        size_t width = weft_j_char(s, from, &code);
        if (!weft_j_space(code)) break;
        from += width;
    }
    while (end > from) {
        size_t width = weft_j_char_before(s, end, &code);
        if (!weft_j_space(code)) break;
        end -= width;
    }
    for (size_t i = from; i < end; i++) {
        bool digits = i > from && i + 1 < end && s->text[i - 1] >= '0' && s->text[i - 1] <= '9' &&
                      s->text[i + 1] >= '0' && s->text[i + 1] <= '9';
        if (s->text[i] == '_' && digits) continue;
        if (n + 1 >= size) return 0;
        to[n++] = s->text[i];
    }
    to[n] = 0;
    return n;
}

bool weft_j_read_int(const struct weft_js *s, int64_t *x) {
    char text[64];
    size_t n = plain(s, text, sizeof text), i = n && (text[0] == '-' || text[0] == '+');
    bool over = false;
    if (i == n) return false;
    for (*x = 0; i < n && !over; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        int64_t digit = text[0] == '-' ? '0' - text[i] : text[i] - '0';
        over = __builtin_mul_overflow(*x, (int64_t)10, x) || __builtin_add_overflow(*x, digit, x);
    }
    return !over;
}

bool weft_j_read_real(const struct weft_js *s, double *x) {
    char text[400], local[416], *end;
    const char *point = localeconv()->decimal_point;
    size_t n = plain(s, text, sizeof text), m = 0;
    if (n == 0 || strspn(text, "+-0123456789.eE") != n || strlen(point) > 15) return false;
    for (size_t i = 0; i < n; i++) {
        bool dot = text[i] == '.';
        memcpy(local + m, dot ? point : text + i, dot ? strlen(point) : 1);
        m += dot ? strlen(point) : 1;
    }
    local[m] = 0;
    *x = strtod(local, &end);
    return *end == 0 && end != local && isfinite(*x);
}
