/// Matching: a program over characters, and a stack of places to go back to.
#include "model/tokenizer/pattern_impl.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/unicode.h"

enum { NESTED = 4 }; // programs within programs: (?=..) in (?!..)

/// Where to go on when what is being tried fails: at `pc`, with any place from `at` down to `low`.
struct weft_resume {
    uint32_t pc, at, low;
};

weft_char weft_char_of(uint32_t code) { return code | (uint32_t)weft_unicode_category(code) << 24; }

uint64_t weft_matcher_steps(size_t count) { return 1000 * ((uint64_t)count + 100); }

void weft_matcher_free(struct weft_matcher *m) {
    weft_free(m->stack);
    m->stack = NULL;
    m->depth = m->cap = 0;
}

static bool is_word(weft_char c) {
    uint32_t code = weft_char_code(c);
    uint32_t word =
        WEFT_UC_LETTER | WEFT_UC_MARK | WEFT_UC_BIT(WEFT_UC_ND) | WEFT_UC_BIT(WEFT_UC_NL) | WEFT_UC_BIT(WEFT_UC_PC);
    // Letters in circles and squares count as alphabetic, and the two joiners belong to words.
    return (word >> weft_char_category(c) & 1) || (code >= 0x24B6 && code <= 0x24E9) ||
           (code >= 0x1F130 && code <= 0x1F149) || (code >= 0x1F150 && code <= 0x1F169) ||
           (code >= 0x1F170 && code <= 0x1F189) || code == 0x200C || code == 0x200D;
}

bool weft_item_has(const struct weft_item *i, weft_char c) {
    bool in = false;
    switch (i->kind) {
    case WEFT_ITEM_RANGE: in = weft_char_code(c) >= i->low && weft_char_code(c) <= i->high; break;
    case WEFT_ITEM_CATEGORIES: in = i->low >> weft_char_category(c) & 1; break;
    case WEFT_ITEM_SPACE: in = weft_unicode_is_space(weft_char_code(c)); break;
    case WEFT_ITEM_WORD: in = is_word(c); break;
    }
    return in != i->negated;
}

static bool class_has(const struct weft_pattern *p, const struct weft_class *k, weft_char c) {
    uint32_t code = weft_char_code(c);
    if (code < 128) return k->ascii[code >> 5] >> (code & 31) & 1;
    bool in = false;
    for (uint32_t i = 0; i < k->count && !in; i++) in = weft_item_has(&p->items[k->first + i], c);
    return in != k->negated;
}

struct span {
    size_t from, to;
};

static bool asserted(const struct weft_matcher *m, struct span text, size_t at, uint32_t what) {
    bool begins = at == text.from, ends = at == text.to;
    bool before = !begins && is_word(m->chars[at - 1]), behind = !ends && is_word(m->chars[at]);
    switch (what) {
    case '^': return begins || weft_char_code(m->chars[at - 1]) == '\n';
    case '$': return ends || weft_char_code(m->chars[at]) == '\n';
    case 'A': return begins;
    case 'z': return ends;
    case 'b': return before != behind;
    default: return before == behind;
    }
}

static weft_status push(struct weft_matcher *m, uint32_t pc, size_t at, size_t low) {
    if (!weft_grow((void **)&m->stack, &m->cap, m->depth + 1, sizeof *m->stack))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory while splitting a text of %zu characters", m->count);
    m->stack[m->depth++] = (struct weft_resume){pc, (uint32_t)at, (uint32_t)low};
    return WEFT_OK;
}

/// The next place to go back to; false if there is none above `base`.
static bool resume(struct weft_matcher *m, size_t base, uint32_t *pc, size_t *at) {
    if (m->depth == base) return false;
    struct weft_resume *top = &m->stack[m->depth - 1];
    *pc = top->pc;
    *at = top->at;
    if (top->at > top->low) top->at--;
    else m->depth--;
    return true;
}

static weft_status spend(struct weft_matcher *m, uint64_t steps) {
    if (m->steps < steps)
        return weft_fail(WEFT_ERR_LIMIT,
                         "the pre-tokenizer's expression takes too many steps for this text of %zu "
                         "characters; cut the text",
                         m->count);
    m->steps -= steps;
    return WEFT_OK;
}

static weft_status run_loop(const struct weft_pattern *p, struct weft_matcher *m, uint32_t pc, size_t to, size_t *at,
                            bool *ok) {
    const struct weft_instruction *i = &p->code[pc];
    size_t from = *at, high = from;
    while (high < to && high - from < i->z && class_has(p, &p->classes[i->x], m->chars[high])) high++;
    WEFT_TRY(spend(m, high - from + 1));
    *ok = high - from >= i->y;
    *at = high;
    return *ok && high - from > i->y && !i->possessive ? push(m, pc + 1, high - 1, from + i->y) : WEFT_OK;
}

static weft_status run(const struct weft_pattern *p, struct weft_matcher *m, struct span text, uint32_t pc, size_t at,
                       unsigned nested, size_t *end);

/// A look ahead; `ok` is whether what it asks for holds.
static weft_status look(const struct weft_pattern *p, struct weft_matcher *m, struct span text, uint32_t pc, size_t at,
                        unsigned nested, bool *ok) {
    size_t end;
    if (nested == NESTED) return weft_fail(WEFT_ERR_LIMIT, "an expression looks ahead more than %d deep", NESTED);
    WEFT_TRY(run(p, m, text, pc + 1, at, nested + 1, &end));
    *ok = (end != SIZE_MAX) == (p->code[pc].op == WEFT_RX_LOOK);
    return WEFT_OK;
}

/// Runs the program from `pc`; *end is SIZE_MAX if it does not match at `at`.
static weft_status run(const struct weft_pattern *p, struct weft_matcher *m, struct span text, uint32_t pc, size_t at,
                       unsigned nested, size_t *end) {
    size_t base = m->depth;
    *end = SIZE_MAX;
    for (;;) {
        const struct weft_instruction *i = &p->code[pc];
        bool ok = true;
        WEFT_TRY(spend(m, 1));
        switch ((enum weft_opcode)i->op) {
        case WEFT_RX_CLASS:
            ok = at < text.to && class_has(p, &p->classes[i->x], m->chars[at]);
            at++, pc++;
            break;
        case WEFT_RX_LOOP:
            WEFT_TRY(run_loop(p, m, pc, text.to, &at, &ok));
            pc++;
            break;
        case WEFT_RX_SPLIT:
            WEFT_TRY(push(m, i->y, at, at));
            pc = i->x;
            break;
        case WEFT_RX_JUMP: pc = i->x; break;
        case WEFT_RX_LOOK:
        case WEFT_RX_NOT:
            WEFT_TRY(look(p, m, text, pc, at, nested, &ok));
            pc = i->x;
            break;
        case WEFT_RX_ASSERT:
            ok = asserted(m, text, at, i->x);
            pc++;
            break;
        case WEFT_RX_MATCH:
            *end = at;
            m->depth = base;
            return WEFT_OK;
        }
        if (!ok && !resume(m, base, &pc, &at)) return WEFT_OK;
    }
}

/// Behind a failure at `at`, where a match may begin next. A program that begins with a loop of at least one character
/// and fails, fails at all places of the same run: their ends are among those that were tried.
static size_t next_start(const struct weft_pattern *p, const struct weft_matcher *m, size_t at, size_t to) {
    const struct weft_instruction *first = &p->code[0];
    if (first->op != WEFT_RX_LOOP || first->y != 1 || first->z != UINT32_MAX) return at + 1;
    while (at < to && class_has(p, &p->classes[first->x], m->chars[at])) at++;
    return at + 1;
}

weft_status weft_pattern_find(const struct weft_pattern *p, struct weft_matcher *m, size_t from, size_t to, size_t at,
                              size_t *begin, size_t *end) {
    struct span text = {from, to};
    while (at < to) {
        m->depth = 0;
        WEFT_TRY(run(p, m, text, 0, at, 0, end));
        if (*end != SIZE_MAX && *end > at) {
            *begin = at;
            return WEFT_OK;
        }
        at = next_start(p, m, at, to);
    }
    *begin = *end = to;
    return WEFT_OK;
}
