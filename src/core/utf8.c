#include "core/utf8.h"

size_t weft_utf8_next(const char *text, size_t length, uint32_t *code) {
    const unsigned char *s = (const unsigned char *)text;
    if (length == 0) return 0;
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (n == 0 || n > length) return 0;
    uint32_t value = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        value = value << 6 | (s[i] & 0x3f);
    }
    // The lead byte excludes overlong forms of two bytes; those of three and four show in the value.
    if ((n == 3 && value < 0x800) || (n == 4 && value < 0x10000)) return 0;
    if ((value >= 0xd800 && value <= 0xdfff) || value > 0x10ffff) return 0;
    if (code) *code = value;
    return n;
}

size_t weft_utf8_put(uint32_t code, char text[4]) {
    if (code < 0x80) return text[0] = (char)code, 1;
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; code >>= 6) text[i] = (char)(0x80 | (code & 0x3f));
    text[0] = (char)((0xf00 >> n & 0xff) | code);
    return n;
}
