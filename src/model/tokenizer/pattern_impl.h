/// Inside of an expression. For pattern*.c only.
#ifndef WEFT_MODEL_TOKENIZER_PATTERN_IMPL_H
#define WEFT_MODEL_TOKENIZER_PATTERN_IMPL_H
#include "model/tokenizer/pattern.h"

enum weft_item_kind { WEFT_ITEM_RANGE, WEFT_ITEM_CATEGORIES, WEFT_ITEM_SPACE, WEFT_ITEM_WORD };

struct weft_item { // a part of a class
    enum weft_item_kind kind;
    bool negated;
    uint32_t low, high; // RANGE: code points; CATEGORIES: `low` has a bit for each
};

struct weft_class {
    uint32_t ascii[4]; // a bit for each code point below 128
    uint32_t first, count;
    bool negated;
};

enum weft_opcode {
    WEFT_RX_CLASS,  // one character of class x
    WEFT_RX_LOOP,   // y to z characters of class x, as many as there are; fewer, if the rest asks for it
    WEFT_RX_SPLIT,  // goes on at x; if that fails, at y
    WEFT_RX_JUMP,   // goes on at x
    WEFT_RX_LOOK,   // the program behind, up to x, must match here
    WEFT_RX_NOT,    // it must not
    WEFT_RX_ASSERT, // x: one of ^ $ A z b B
    WEFT_RX_MATCH,
};

struct weft_instruction {
    uint8_t op;
    bool possessive;
    uint32_t x, y, z;
};

struct weft_pattern {
    struct weft_instruction *code;
    struct weft_class *classes;
    struct weft_item *items;
    size_t n_code, cap_code, n_classes, cap_classes, n_items, cap_items;
};

bool weft_item_has(const struct weft_item *i, weft_char c);
#endif
