/// Regular expressions over code points, as far as the pre-tokenizers of known vocabularies use them.
///
/// Understood: literals, `.`, classes with ranges and negation, \s \S \d \D \w \W \h \p{..} \P{..} (general categories,
/// Han, Hiragana, Katakana), \r \n \t \f \v \0 \xHH \x{H..} \uHHHH, groups, (?i:..), alternatives (the first that
/// matches wins), greedy * + ? {m} {m,} {m,n}, possessive forms of these behind one class, (?=..) and (?!..), ^ and $
/// at lines, \A \z, \b \B. All else is refused by name: lazy repetitions, back references, look-behind, intersections
/// of classes.
///
/// Matching goes back as such expressions ask for. What a text may cost is bounded (weft_matcher.steps): an expression
/// that would take longer gives ERR_LIMIT instead of an answer.
#ifndef WEFT_MODEL_TOKENIZER_PATTERN_H
#define WEFT_MODEL_TOKENIZER_PATTERN_H
#include "weft/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_pattern;

/// Errors: FORMAT (no expression), UNSUPPORTED (names what and where), LIMIT (too large), NOMEM.
weft_status weft_pattern_create(const char *text, size_t len, struct weft_pattern **out);
void weft_pattern_destroy(struct weft_pattern *p); ///< NULL is fine

/// Code points with their categories, so that a text is looked up once for all expressions.
typedef uint32_t weft_char;
weft_char weft_char_of(uint32_t code);
static inline uint32_t weft_char_code(weft_char c) { return c & 0x1FFFFF; }
static inline unsigned weft_char_category(weft_char c) { return c >> 24; }

/// A text and what matching in it needs. Zero but for the first three fields; freed with weft_matcher_free.
struct weft_matcher {
    const weft_char *chars;
    size_t count;
    uint64_t steps; ///< that may still be taken; weft_matcher_steps(count) is enough for all expressions of pre.c
    struct weft_resume *stack;
    size_t depth, cap;
};
uint64_t weft_matcher_steps(size_t count);
void weft_matcher_free(struct weft_matcher *m);

/// Finds the first match in chars[at, to), where the text begins at `from` and ends at `to`. *begin is `to` if there is
/// none; an empty match does not count. Errors: LIMIT, NOMEM.
weft_status weft_pattern_find(const struct weft_pattern *p, struct weft_matcher *m, size_t from, size_t to, size_t at,
                              size_t *begin, size_t *end);
#endif
