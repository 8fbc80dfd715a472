#include "model/template/text.h"

#include "core/utf8.h"
#include "model/template/text_tables.h"

size_t weft_j_char(const struct weft_js *s, size_t at, uint32_t *code) {
    size_t n = weft_utf8_next(s->text + at, s->len - at, code);
    if (n) return n;
    if (code) *code = 0xdc00 + (unsigned char)s->text[at]; // a lone surrogate, which is no character of any class
    return 1;
}

size_t weft_j_char_before(const struct weft_js *s, size_t end, uint32_t *code) {
    for (size_t n = 4; n > 1; n--)
        if (n <= end && weft_utf8_next(s->text + end - n, n, code) == n) return n;
    struct weft_js last = {.text = s->text + end - 1, .len = 1};
    return weft_j_char(&last, 0, code);
}

size_t weft_j_chars(const struct weft_js *s) {
    size_t count = 0;
    for (size_t i = 0; i < s->len; count++) i += (unsigned char)s->text[i] < 0x80 ? 1 : weft_j_char(s, i, NULL);
    return count;
}

size_t weft_j_byte_of(const struct weft_js *s, size_t index) {
    size_t i = 0;
    for (; i < s->len && index; index--) i += (unsigned char)s->text[i] < 0x80 ? 1 : weft_j_char(s, i, NULL);
    return i;
}

size_t weft_j_encode(uint32_t code, char *to) {
    if (code < 0x80) return to[0] = (char)code, 1;
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; code >>= 6) to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)(0xf00 >> n | code);
    return n;
}

bool weft_j_space(uint32_t c) {
    return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool weft_j_printable(uint32_t code) {
    size_t low = 0, high = sizeof unprintable / sizeof *unprintable;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (code < unprintable[mid][0]) high = mid;
        else if (code > unprintable[mid][1]) low = mid + 1;
        else return false;
    }
    return true;
}

static const struct case_range *range_of(const struct case_range *table, size_t n, uint32_t code) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (code < table[mid].first) high = mid;
        else if (code > table[mid].last) low = mid + 1;
        else return (code - table[mid].first) % table[mid].stride == 0 ? &table[mid] : NULL;
    }
    return NULL;
}

static const struct case_special *special_of(uint32_t code, enum weft_j_case to) {
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (specials[i].code == code && specials[i].to == (uint32_t)to) return &specials[i];
    return NULL;
}

#define TABLE(t) t, sizeof(t) / sizeof *(t)

size_t weft_j_map_case(uint32_t code, enum weft_j_case to, uint32_t out[3]) {
    out[0] = code;
    const struct case_special *special = code < 0x80 ? NULL : special_of(code, to);
    if (special) {
        size_t n = 0;
        while (n < 3 && special->out[n]) out[n] = special->out[n], n++;
        return n;
    }
    const struct case_range *range =
        to == WEFT_J_LOWER ? range_of(TABLE(lower_ranges), code) : range_of(TABLE(upper_ranges), code);
    if (range) out[0] = (uint32_t)((int32_t)code + range->delta);
    return 1;
}

bool weft_j_cased(uint32_t code) {
    return range_of(TABLE(lower_ranges), code) || range_of(TABLE(upper_ranges), code) || special_of(code, WEFT_J_UPPER);
}
