/// WordPiece: a word is the longest token that begins it, then the longest that goes on, to its end. If one is missing,
/// the whole word is unknown.
#include "model/tokenizer/impl.h"

#include "core/error.h"

#include <string.h>

/// The node behind a mark, which stands before the first piece or before the others.
static uint32_t behind_mark(const struct weft_trie *trie, const char *mark, bool *there) {
    uint32_t node = 0;
    *there = true;
    for (; *mark && *there; mark++) {
        node = weft_trie_step(trie, node, (unsigned char)*mark);
        *there = node != 0;
    }
    return node;
}

/// Where only first pieces are marked, a mark within a word, which is text, must not make a first piece of what
/// follows.
static bool marked_within(const struct weft_tokenizer *t, bool first, const char *text, size_t len) {
    size_t n = strlen(t->mark_first);
    return !first && !*t->mark_rest && n && len >= n && memcmp(text, t->mark_first, n) == 0;
}

/// The longest piece at the start of a text: its length, 0 if there is none.
static size_t longest_piece(const struct weft_tokenizer *t, bool first, const char *text, size_t len, int32_t *id) {
    bool there;
    uint32_t node = behind_mark(&t->trie, first ? t->mark_first : t->mark_rest, &there);
    size_t found = 0;
    if (marked_within(t, first, text, len)) return 0;
    for (size_t i = 0; there && i < len; i++) {
        node = weft_trie_step(&t->trie, node, (unsigned char)text[i]);
        if (node == 0) break;
        if (t->trie.ids[node] < 0) continue;
        *id = t->trie.ids[node];
        found = i + 1;
    }
    return found;
}

static weft_status encode(const struct weft_tokenizer *t, struct weft_work *w, const char *word, size_t len,
                          struct weft_ids *out) {
    size_t before = out->count, characters = 0;
    (void)w;
    for (size_t i = 0; i < len; i++) characters += ((unsigned char)word[i] & 0xC0) != 0x80;
    bool known = characters <= t->longest_word;
    for (size_t at = 0; known && at < len;) {
        int32_t id;
        size_t n = longest_piece(t, at == 0, word + at, len - at, &id);
        known = n > 0;
        if (known) WEFT_TRY(weft_ids_push(out, id));
        at += n;
    }
    if (known) return WEFT_OK;
    out->count = before;
    return weft_ids_push(out, t->unknown);
}

static bool wanted(uint8_t type) { return type == WEFT_TOKEN_NORMAL || type == WEFT_TOKEN_USER_DEFINED; }

static weft_status prepare(struct weft_tokenizer *t) {
    if (t->unknown < 0) return weft_fail(WEFT_ERR_FORMAT, "the vocabulary has no unknown token");
    return weft_trie_create(&t->trie, t, wanted);
}

const struct weft_token_model weft_model_wordpiece = {.prepare = prepare, .encode = encode};
