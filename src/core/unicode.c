#include "core/unicode.h"

#include "core/unicode_impl.h"

/// The index of the last number that is at most `wanted`, of an array whose first is.
static size_t last_at_most(const uint32_t *sorted, size_t count, uint32_t wanted) {
    size_t low = 0, high = count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] <= wanted) low = middle;
        else high = middle;
    }
    return low;
}

enum weft_category weft_unicode_category(uint32_t code) {
    if (code - 'a' < 26) return WEFT_UC_LL; // most texts are mostly these
    if (code > 0x10FFFF) return WEFT_UC_CN;
    size_t i = last_at_most(weft_unicode_categories, weft_unicode_categories_count, code << 5 | 31);
    return (enum weft_category)(weft_unicode_categories[i] & 31);
}

bool weft_unicode_is_space(uint32_t code) {
    if (code < 0x80) return code == ' ' || (code >= '\t' && code <= '\r');
    return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
           code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

uint32_t weft_unicode_lower(uint32_t code) {
    if (code < 0x80) return code - 'A' < 26 ? code + 32 : code;
    size_t low = 0, high = weft_unicode_cases_count / 4; // runs before `low` end before the code point
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uint32_t)weft_unicode_cases[4 * middle + 1] < code) low = middle + 1;
        else high = middle;
    }
    const int32_t *run = weft_unicode_cases + 4 * low; // first, last, step, distance
    if (low == weft_unicode_cases_count / 4 || (uint32_t)run[0] > code) return code;
    return (code - (uint32_t)run[0]) % (uint32_t)run[2] ? code : code + (uint32_t)run[3];
}

unsigned weft_unicode_combining(uint32_t code) {
    size_t low = 0, high = weft_unicode_classes_count; // runs before `low` begin at or before the code point
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (weft_unicode_classes[middle] >> 16 <= code) low = middle + 1;
        else high = middle;
    }
    if (low == 0) return 0;
    uint64_t run = weft_unicode_classes[low - 1];
    return code - (run >> 16) <= (run >> 8 & 255) ? (unsigned)(run & 255) : 0;
}

bool weft_unicode_is_cjk(uint32_t code) {
    return (code >= 0x4E00 && code <= 0x9FFF) || (code >= 0x3400 && code <= 0x4DBF) ||
           (code >= 0x20000 && code <= 0x2A6DF) || (code >= 0x2A700 && code <= 0x2B73F) ||
           (code >= 0x2B740 && code <= 0x2B81F) || (code >= 0x2B920 && code <= 0x2CEAF) ||
           (code >= 0xF900 && code <= 0xFAFF) || (code >= 0x2F800 && code <= 0x2FA1F);
}
