/// Unigram: of all ways to write a text as tokens, the one whose scores have the highest sum.
///
/// From left to right, the best way to each place is known once all tokens that end there were seen. A character that
/// is no token may be an unknown one, which costs more than any token; unknown ones in a row are one.
#include "model/tokenizer/impl.h"

#include "core/alloc.h"
#include "core/error.h"

#include <float.h>
#include <string.h>

#define PENALTY 10.0 // of an unknown character, below the lowest score

struct weft_path { // the best way to a place
    double score;
    uint32_t from;
    int32_t id;
};

static size_t character(const char *text, size_t len) {
    size_t n = 1;
    while (n < len && n < 4 && ((unsigned char)text[n] & 0xC0) == 0x80) n++;
    return (unsigned char)text[0] < 0xC0 ? 1 : n;
}

static void offer(struct weft_path *to, uint32_t from, int32_t id, double score) {
    if (score > to->score) *to = (struct weft_path){score, from, id};
}

/// Tries all tokens that begin at `at`.
static void leave(const struct weft_tokenizer *t, struct weft_path *path, const char *text, size_t len, size_t at,
                  size_t single) {
    bool found = false;
    uint32_t node = 0;
    for (size_t end = at; end < len;) {
        node = weft_trie_step(&t->trie, node, (unsigned char)text[end++]);
        if (node == 0) break;
        int32_t id = t->trie.ids[node];
        if (id < 0) continue;
        found = found || end == at + single;
        offer(&path[end], (uint32_t)at, id, path[at].score + t->score[id]);
    }
    if (!found) offer(&path[at + single], (uint32_t)at, t->unknown, path[at].score + t->unknown_score);
}

static weft_status put_unknown(const struct weft_tokenizer *t, const char *text, size_t len, struct weft_ids *out) {
    bool spelled = t->pieces_bytes;
    for (size_t i = 0; i < len && spelled; i++) spelled = t->bytes[(unsigned char)text[i]] >= 0;
    if (!spelled) return weft_ids_push(out, t->unknown);
    for (size_t i = 0; i < len; i++) WEFT_TRY(weft_ids_push(out, t->bytes[(unsigned char)text[i]]));
    return WEFT_OK;
}

/// The best way, which the places know from their ends: turned round first.
static weft_status put_path(const struct weft_tokenizer *t, struct weft_path *path, const char *text, size_t len,
                            struct weft_ids *out) {
    uint32_t next = (uint32_t)len;
    for (uint32_t at = next; at > 0;) {
        uint32_t from = path[at].from;
        path[at].from = next; // where the token that ends here is followed by the end of the next one
        next = at;
        at = from;
    }
    for (uint32_t at = 0, end = next; at < len;) {
        int32_t id = path[end].id;
        uint32_t stop = end;
        while (id == t->unknown && stop < len && path[path[stop].from].id == id) stop = path[stop].from;
        if (id == t->unknown) WEFT_TRY(put_unknown(t, text + at, stop - at, out));
        else WEFT_TRY(weft_ids_push(out, id));
        at = stop;
        end = path[stop].from;
    }
    return WEFT_OK;
}

static weft_status encode(const struct weft_tokenizer *t, struct weft_work *w, const char *word, size_t len,
                          struct weft_ids *out) {
    if (!weft_grow((void **)&w->path, &w->cap_path, len + 1, sizeof *w->path))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory while tokenizing %zu bytes", len);
    for (size_t i = 0; i <= len; i++) w->path[i] = (struct weft_path){i ? -DBL_MAX : 0, 0, t->unknown};
    for (size_t at = 0; at < len;) {
        size_t single = character(word + at, len - at);
        leave(t, w->path, word, len, at, single);
        at += single;
    }
    return put_path(t, w->path, word, len, out);
}

static bool wanted(uint8_t type) {
    return type == WEFT_TOKEN_NORMAL || type == WEFT_TOKEN_USER_DEFINED || type == WEFT_TOKEN_UNUSED;
}

static weft_status prepare(struct weft_tokenizer *t) {
    double least = 0;
    bool any = false;
    if (t->unknown < 0) return weft_fail(WEFT_ERR_FORMAT, "the vocabulary has no unknown token");
    for (int32_t id = 0; id < t->size; id++) {
        if (!(t->score[id] > -FLT_MAX && t->score[id] < FLT_MAX))
            return weft_fail(WEFT_ERR_FORMAT, "the score of token %d is no number within the range of floats", id);
        if (t->type[id] == WEFT_TOKEN_NORMAL && (!any || t->score[id] < least)) least = t->score[id], any = true;
        if (t->type[id] == WEFT_TOKEN_USER_DEFINED) t->score[id] = 0; // likelier than all others
    }
    t->unknown_score = least - PENALTY;
    return weft_trie_create(&t->trie, t, wanted);
}

const struct weft_token_model weft_model_unigram = {.prepare = prepare, .encode = encode};
