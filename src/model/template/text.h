/// Characters of chat templates, as Python's str sees them: code points. A byte that belongs to no well-formed sequence
/// counts as a character of its own.
#ifndef WEFT_MODEL_TEMPLATE_TEXT_H
#define WEFT_MODEL_TEMPLATE_TEXT_H
#include "model/template/value.h"

size_t weft_j_char(const struct weft_js *s, size_t at, uint32_t *code); ///< bytes of the one at `at`; code may be NULL
size_t weft_j_char_before(const struct weft_js *s, size_t end, uint32_t *code); ///< of the one that ends at `end`
size_t weft_j_chars(const struct weft_js *s);                                   ///< len(s)
size_t weft_j_byte_of(const struct weft_js *s, size_t index); ///< where character `index` begins; len behind the last

bool weft_j_space(uint32_t code);     ///< str.isspace
bool weft_j_printable(uint32_t code); ///< str.isprintable
enum weft_j_case { WEFT_J_UPPER, WEFT_J_LOWER, WEFT_J_TITLE };
size_t weft_j_map_case(uint32_t code, enum weft_j_case to, uint32_t out[3]); ///< how many it becomes
bool weft_j_cased(uint32_t code);                                            ///< it has two cases
#endif
