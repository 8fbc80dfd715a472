/// Cuts: expressions that divide a section into words, one after the other, each within what those before left.
#include "model/tokenizer/impl.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/utf8.h"

#include <string.h>

struct piece {
    uint32_t from, to; // characters
};

struct pieces {
    struct piece *items;
    size_t count, cap;
};

/// What a cut reads and writes.
struct cutting {
    struct weft_matcher matcher;
    weft_char *chars;
    uint32_t *at; // bytes; one more than characters
    struct pieces now, next;
};

weft_status weft_cuts_add(struct weft_cuts *c, const char *pattern, size_t len, enum weft_cut_rule rule,
                          bool inverted) {
    struct weft_cut cut = {.rule = rule, .inverted = inverted};
    WEFT_TRY(weft_pattern_create(pattern, len, &cut.pattern));
    if (weft_grow((void **)&c->items, &c->cap, c->count + 1, sizeof *c->items)) {
        c->items[c->count++] = cut;
        return WEFT_OK;
    }
    weft_pattern_destroy(cut.pattern);
    return weft_fail(WEFT_ERR_NOMEM, "out of memory for a pre-tokenizer");
}

void weft_cuts_free(struct weft_cuts *c) {
    for (size_t i = 0; i < c->count; i++) weft_pattern_destroy(c->items[i].pattern);
    weft_free(c->items);
    *c = (struct weft_cuts){0};
}

static weft_status no_memory(size_t len) {
    return weft_fail(WEFT_ERR_NOMEM, "out of memory while splitting %zu bytes into words", len);
}

/// The characters of a section. A byte that belongs to none counts as a symbol.
static weft_status read_chars(struct cutting *c, const char *text, size_t len) {
    c->chars = weft_alloc(len * sizeof *c->chars);
    c->at = weft_alloc((len + 1) * sizeof *c->at);
    if (!c->chars || !c->at) return no_memory(len);
    size_t n = 0, at = 0;
    for (; at < len; n++) {
        uint32_t code = 0xFFFD;
        size_t size = weft_utf8_next(text + at, len - at, &code);
        c->chars[n] = weft_char_of(code);
        c->at[n] = (uint32_t)at;
        at += size ? size : 1;
    }
    c->at[n] = (uint32_t)len;
    c->matcher = (struct weft_matcher){.chars = c->chars, .count = n, .steps = weft_matcher_steps(n)};
    return WEFT_OK;
}

static bool put(struct pieces *p, size_t from, size_t to) {
    if (from == to) return true;
    if (!weft_grow((void **)&p->items, &p->cap, p->count + 1, sizeof *p->items)) return false;
    p->items[p->count++] = (struct piece){(uint32_t)from, (uint32_t)to};
    return true;
}

/// Where a rule joins matches with what lies beside them, it does so over what was put last of this piece.
struct joiner {
    struct cutting *c;
    enum weft_cut_rule rule;
    size_t first;        // index of the first piece put of the piece that is cut
    bool joins, matched; // the last one put takes what follows; it was a match
};

/// Puts a part in its order; empty parts are no parts.
static bool put_part(struct joiner *j, size_t from, size_t to, bool match) {
    struct pieces *p = &j->c->next;
    bool last = p->count > j->first, joined = false;
    if (from == to) return true;
    if (match && j->rule == WEFT_CUT_REMOVED) return j->matched = false, j->joins = false, true;
    if (j->rule == WEFT_CUT_WITH_PREVIOUS) joined = match && last && !j->matched;
    if (j->rule == WEFT_CUT_WITH_NEXT) joined = !match && last && j->matched;
    if (j->rule == WEFT_CUT_CONTIGUOUS) joined = match && last && j->matched;
    j->matched = match;
    if (!joined) return put(p, from, to);
    p->items[p->count - 1].to = (uint32_t)to;
    return true;
}

static weft_status cut_piece(struct cutting *c, const struct weft_cut *cut, struct piece piece) {
    struct joiner j = {.c = c, .rule = cut->rule, .first = c->next.count};
    for (size_t at = piece.from; at < piece.to;) {
        size_t begin, end;
        WEFT_TRY(weft_pattern_find(cut->pattern, &c->matcher, piece.from, piece.to, at, &begin, &end));
        if (!put_part(&j, at, begin, cut->inverted) || !put_part(&j, begin, end, !cut->inverted))
            return no_memory(c->matcher.count);
        at = end;
    }
    return WEFT_OK;
}

static weft_status cut_all(struct cutting *c, const struct weft_cut *cut) {
    c->next.count = 0;
    for (size_t i = 0; i < c->now.count; i++) WEFT_TRY(cut_piece(c, cut, c->now.items[i]));
    struct pieces old = c->now;
    c->now = c->next;
    c->next = old;
    return WEFT_OK;
}

/// A word with the prefix that each has.
static weft_status encode_prefixed(const struct weft_tokenizer *t, struct weft_work *w, const char *word, size_t len,
                                   struct weft_ids *out) {
    size_t n = t->word_prefix ? strlen(t->word_prefix) : 0;
    if (n == 0 || (len >= n && memcmp(word, t->word_prefix, n) == 0)) return t->model->encode(t, w, word, len, out);
    struct weft_str both = {0};
    weft_str_addn(&both, t->word_prefix, n);
    weft_str_addn(&both, word, len);
    weft_status status = both.failed ? no_memory(len) : t->model->encode(t, w, both.data, both.len, out);
    weft_str_free(&both);
    return status;
}

weft_status weft_cuts_run(const struct weft_tokenizer *t, struct weft_work *w, const char *text, size_t len,
                          struct weft_ids *out) {
    if (len == 0) return WEFT_OK;
    if (t->cuts.count == 0) return t->model->encode(t, w, text, len, out);
    struct cutting c = {0};
    weft_status status = WEFT_OK;
    WEFT_GOTO(read_chars(&c, text, len));
    if (!put(&c.now, 0, c.matcher.count)) WEFT_GOTO(no_memory(len));
    for (size_t i = 0; i < t->cuts.count; i++) WEFT_GOTO(cut_all(&c, &t->cuts.items[i]));
    for (size_t i = 0; i < c.now.count; i++) {
        uint32_t from = c.at[c.now.items[i].from], to = c.at[c.now.items[i].to];
        WEFT_GOTO(encode_prefixed(t, w, text + from, to - from, out));
    }
fail:
    weft_matcher_free(&c.matcher);
    weft_free(c.now.items);
    weft_free(c.next.items);
    weft_free(c.chars);
    weft_free(c.at);
    return status;
}
