/// UTF-8, as Unicode's table of well-formed byte sequences has it.
#ifndef WEFT_CORE_UTF8_H
#define WEFT_CORE_UTF8_H
#include <stddef.h>
#include <stdint.h>

/// Length of the well-formed sequence at the beginning of `text` (1 to 4), whose code point `*code` becomes. Returns 0
/// where there is none: at the end, at a stray or missing continuation byte, at an overlong form, a surrogate or a
/// value above U+10FFFF. `code` may be NULL.
size_t weft_utf8_next(const char *text, size_t length, uint32_t *code);

/// Writes a code point up to U+10FFFF and returns its length.
size_t weft_utf8_put(uint32_t code, char text[4]);
#endif
