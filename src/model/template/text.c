#include "model/template/text.h"

#include "core/unicode.h"
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

bool weft_j_space(uint32_t c) { return weft_unicode_is_space(c) || (c >= 0x1c && c <= 0x1f); }

bool weft_j_printable(uint32_t code) {
    const uint32_t escaped = WEFT_UC_OTHER | WEFT_UC_SEPARATOR;
    return code == ' ' || !(WEFT_UC_BIT(weft_unicode_category(code)) & escaped);
}

/// The run of characters with an upper case of one character that has `code`; NULL: none has.
static const struct case_range *upper_range_of(uint32_t code) {
    size_t low = 0, high = sizeof upper_ranges / sizeof *upper_ranges;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (code < upper_ranges[mid].first) high = mid;
        else if (code > upper_ranges[mid].last) low = mid + 1;
        else return (code - upper_ranges[mid].first) % upper_ranges[mid].stride == 0 ? &upper_ranges[mid] : NULL;
    }
    return NULL;
}

static const struct case_special *special_of(uint32_t code, enum weft_j_case to) {
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (specials[i].code == code && specials[i].to == (uint32_t)to) return &specials[i];
    return NULL;
}

size_t weft_j_map_case(uint32_t code, enum weft_j_case to, uint32_t out[3]) {
    out[0] = code;
    const struct case_special *special = code < 0x80 ? NULL : special_of(code, to);
    if (special) {
        size_t n = 0;
        while (n < 3 && special->out[n]) out[n] = special->out[n], n++;
        return n;
    }
    if (to == WEFT_J_LOWER) {
        out[0] = weft_unicode_lower(code);
        return 1;
    }
    const struct case_range *range = upper_range_of(code);
    if (range) out[0] = (uint32_t)((int32_t)code + range->delta);
    return 1;
}

bool weft_j_cased(uint32_t code) {
    return weft_unicode_lower(code) != code || upper_range_of(code) || special_of(code, WEFT_J_UPPER);
}
