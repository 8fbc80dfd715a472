/// Unicode: categories, lower case, normal forms. The tables are generated (scripts/unicode.py), of the version that
/// weft_unicode_version names.
#ifndef WEFT_CORE_UNICODE_H
#define WEFT_CORE_UNICODE_H
#include "core/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const char *const weft_unicode_version; ///< "14.0.0"

enum weft_category {
    WEFT_UC_CN, ///< unassigned, and whatever is beyond U+10FFFF
    WEFT_UC_LU,
    WEFT_UC_LL,
    WEFT_UC_LT,
    WEFT_UC_LM,
    WEFT_UC_LO,
    WEFT_UC_MN,
    WEFT_UC_MC,
    WEFT_UC_ME,
    WEFT_UC_ND,
    WEFT_UC_NL,
    WEFT_UC_NO,
    WEFT_UC_PC,
    WEFT_UC_PD,
    WEFT_UC_PS,
    WEFT_UC_PE,
    WEFT_UC_PI,
    WEFT_UC_PF,
    WEFT_UC_PO,
    WEFT_UC_SM,
    WEFT_UC_SC,
    WEFT_UC_SK,
    WEFT_UC_SO,
    WEFT_UC_ZS,
    WEFT_UC_ZL,
    WEFT_UC_ZP,
    WEFT_UC_CC,
    WEFT_UC_CF,
    WEFT_UC_CS,
    WEFT_UC_CO,
};

// Sets of categories, one bit each.
#define WEFT_UC_BIT(category) ((uint32_t)1 << (category))
#define WEFT_UC_LETTER (0x1Fu << WEFT_UC_LU)
#define WEFT_UC_MARK (7u << WEFT_UC_MN)
#define WEFT_UC_NUMBER (7u << WEFT_UC_ND)
#define WEFT_UC_PUNCTUATION (0x7Fu << WEFT_UC_PC)
#define WEFT_UC_SYMBOL (0xFu << WEFT_UC_SM)
#define WEFT_UC_SEPARATOR (7u << WEFT_UC_ZS)
#define WEFT_UC_OTHER (0xFu << WEFT_UC_CC | 1u << WEFT_UC_CN)

enum weft_category weft_unicode_category(uint32_t code);
bool weft_unicode_is_space(uint32_t code);      ///< the property White_Space
uint32_t weft_unicode_lower(uint32_t code);     ///< the simple mapping; the code point itself where there is none
unsigned weft_unicode_combining(uint32_t code); ///< the canonical combining class
bool weft_unicode_is_cjk(uint32_t code);        ///< of the blocks that BERT's tokenizers set apart

enum weft_form { WEFT_NFC, WEFT_NFD, WEFT_NFKC, WEFT_NFKD };

/// Appends text[0, len) in a normal form. A byte that belongs to no well-formed sequence stands as it is, and nothing
/// is combined across it. Out of memory sets `failed` of the string.
void weft_unicode_normalize(enum weft_form form, const char *text, size_t len, struct weft_str *out);
#endif
