/// Merges of neighbours: SentencePiece-style by score, and byte-pair encoding by rank.
///
/// A word is cut into symbols of one character (of one byte, for byte-level vocabularies). Of all neighbours that may
/// merge, the best pair is merged (the leftmost on a tie), until there is none. By score, any two whose joined text is
/// a token may, and the highest score is best; by rank, the pairs of a list may, and the first of it is best.
///
/// A heap holds the candidate pairs. A merge makes older entries of the two symbols stale, which shows when they
/// are popped: a part is empty, or the lengths no longer add up to what was entered. Each merge enters at most two
/// new pairs, so the whole costs O(n log n).
#include "model/tokenizer/impl.h"

#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"

#include <string.h>

#define NONE UINT32_MAX

struct weft_symbol {
    uint32_t at, len; // bytes of the word; len 0: merged into another
    uint32_t prev, next;
    int32_t id; // by rank only; -1: no token
};

struct weft_pair {
    uint32_t key; // lower is better
    uint32_t left, right, len;
    int32_t id; // of both together
};

/// What the merges of one word need.
struct merger {
    const struct weft_tokenizer *t;
    struct weft_work *w;
    const char *text;
    size_t len, n_symbols;
    /// Whether two symbols may merge, and what becomes of them.
    bool (*joins)(const struct merger *m, const struct weft_symbol *a, const struct weft_symbol *b,
                  struct weft_pair *pair);
};

static bool before(const struct weft_pair *a, const struct weft_pair *b) {
    return a->key < b->key || (a->key == b->key && a->left < b->left);
}

static bool heap_push(struct weft_work *w, struct weft_pair pair) {
    if (!weft_grow((void **)&w->heap, &w->cap_heap, w->n_heap + 1, sizeof *w->heap)) return false;
    size_t i = w->n_heap++;
    for (; i > 0 && before(&pair, &w->heap[(i - 1) / 2]); i = (i - 1) / 2) w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = pair;
    return true;
}

static struct weft_pair heap_pop(struct weft_work *w) {
    struct weft_pair top = w->heap[0], last = w->heap[--w->n_heap];
    size_t i = 0, n = w->n_heap;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n) break;
        if (child + 1 < n && before(&w->heap[child + 1], &w->heap[child])) child++;
        if (!before(&w->heap[child], &last)) break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    if (n) w->heap[i] = last;
    return top;
}

/// Enters the pair if it may merge. False: out of memory.
static bool try_pair(const struct merger *m, uint32_t left, uint32_t right) {
    if (left == NONE || right == NONE) return true;
    const struct weft_symbol *a = &m->w->symbols[left], *b = &m->w->symbols[right];
    struct weft_pair pair = {.left = left, .right = right, .len = a->len + b->len};
    return !m->joins(m, a, b, &pair) || heap_push(m->w, pair);
}

/// Scores as numbers of which the lower is better; 0 and -0 are equal.
static uint32_t key_of(double wide) {
    uint32_t bits;
    float score = (float)wide + 0.0f; // as files have them
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? bits : ~bits & 0x7FFFFFFFu;
}

static bool joins_by_score(const struct merger *m, const struct weft_symbol *a, const struct weft_symbol *b,
                           struct weft_pair *pair) {
    (void)b;
    int32_t id = weft_vocabulary_word(m->t, m->text + a->at, pair->len);
    if (id < 0) return false;
    pair->key = key_of(m->t->score[id]);
    pair->id = id;
    return true;
}

static uint64_t merge_key(int32_t left, int32_t right) {
    return ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1;
}

static struct weft_merge *merge_slot(const struct weft_merges *merges, uint64_t key) {
    for (size_t i = (key * 0x9E3779B97F4A7C15u) >> 32;; i++) {
        struct weft_merge *slot = &merges->slots[i & merges->mask];
        if (slot->key == 0 || slot->key == key) return slot;
    }
}

static bool joins_by_rank(const struct merger *m, const struct weft_symbol *a, const struct weft_symbol *b,
                          struct weft_pair *pair) {
    if (a->id < 0 || b->id < 0) return false;
    const struct weft_merge *slot = merge_slot(&m->t->merges, merge_key(a->id, b->id));
    if (slot->key == 0 || weft_tokenizer_is_control(m->t, slot->id)) return false;
    pair->key = slot->rank;
    pair->id = slot->id;
    return true;
}

weft_status weft_merges_create(struct weft_merges *m, size_t count) {
    size_t slots = 16;
    while (slots < 2 * count) slots *= 2;
    m->slots = weft_calloc(slots, sizeof *m->slots);
    m->mask = slots - 1;
    return m->slots ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "out of memory for %zu merges", count);
}

weft_status weft_merges_add(struct weft_tokenizer *t, size_t rank, struct weft_source_str left,
                            struct weft_source_str right) {
    WEFT_TRY(weft_cancel_check_at(rank));
    char small[512], *both = left.len + right.len <= sizeof small ? small : weft_alloc(left.len + right.len);
    if (!both) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a merge");
    if (left.len) memcpy(both, left.data, left.len);
    if (right.len) memcpy(both + left.len, right.data, right.len);
    int32_t a = weft_tokenizer_find(t, left.data, left.len), b = weft_tokenizer_find(t, right.data, right.len);
    int32_t id = weft_tokenizer_find(t, both, left.len + right.len);
    if (both != small) weft_free(both);
    if (a < 0 || b < 0 || id < 0)
        return weft_fail(WEFT_ERR_FORMAT, "merge %zu, of '%.*s' and '%.*s', has a text that is no token", rank,
                         (int)(left.len < 40 ? left.len : 40), left.data, (int)(right.len < 40 ? right.len : 40),
                         right.data);
    struct weft_merge *slot = merge_slot(&t->merges, merge_key(a, b));
    if (slot->key == 0) *slot = (struct weft_merge){merge_key(a, b), (uint32_t)rank, id}; // of equal ones the first
    return WEFT_OK;
}

/// Bytes of a symbol by its lead byte; continuation bytes are not checked, the end of the text cuts it short.
static size_t symbol_length(unsigned char lead, size_t left) {
    static const uint8_t lengths[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4};
    size_t n = lengths[lead >> 4];
    return n < left ? n : left;
}

/// Whether all bytes of a symbol are tokens.
static bool is_spelled(const struct weft_tokenizer *t, const char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (t->bytes[(unsigned char)bytes[i]] < 0) return false;
    return true;
}

/// By rank, what is neither a token nor anything else is left out, and its neighbours may merge.
static bool cut_symbols(struct merger *m, bool by_rank) {
    const struct weft_tokenizer *t = m->t;
    struct weft_work *w = m->w;
    size_t n = 0;
    if (!weft_grow((void **)&w->symbols, &w->cap_symbols, m->len, sizeof *w->symbols)) return false;
    for (size_t at = 0, size; at < m->len; at += size) {
        const char *text = m->text + at;
        size = t->byte_level ? 1 : symbol_length((unsigned char)*text, m->len - at);
        int32_t id = !by_rank        ? -1
                     : t->byte_level ? t->bytes[(unsigned char)*text]
                                     : weft_vocabulary_word(t, text, size);
        if (by_rank && id < 0 && t->unknown < 0 && !is_spelled(t, text, size)) continue;
        w->symbols[n] =
            (struct weft_symbol){(uint32_t)at, (uint32_t)size, n ? (uint32_t)n - 1 : NONE, (uint32_t)n + 1, id};
        n++;
    }
    if (n) w->symbols[n - 1].next = NONE;
    m->n_symbols = n;
    return true;
}

static bool merge_all(struct merger *m) {
    struct weft_work *w = m->w;
    w->n_heap = 0;
    for (uint32_t i = 1; i < m->n_symbols; i++) {
        if (!try_pair(m, i - 1, i)) return false;
    }
    while (w->n_heap) {
        struct weft_pair pair = heap_pop(w);
        struct weft_symbol *a = &w->symbols[pair.left], *b = &w->symbols[pair.right];
        if (!a->len || !b->len || a->len + b->len != pair.len) continue; // stale
        a->len += b->len;
        a->id = pair.id;
        b->len = 0;
        a->next = b->next;
        if (b->next != NONE) w->symbols[b->next].prev = pair.left;
        if (!try_pair(m, a->prev, pair.left) || !try_pair(m, pair.left, a->next)) return false;
    }
    return true;
}

/// By score, a symbol that is no token becomes one token a byte, the unknown one for a byte that has none.
static weft_status put_bytes(const struct weft_tokenizer *t, const char *bytes, size_t len, struct weft_ids *out) {
    for (size_t i = 0; i < len; i++) {
        int32_t id = t->bytes[(unsigned char)bytes[i]];
        WEFT_TRY(weft_ids_push(out, id >= 0 ? id : t->unknown));
    }
    return WEFT_OK;
}

/// By rank, a symbol that is no token becomes its bytes if all of them are tokens, else the unknown token; without one
/// it is left out. `from`: where the ids of this word begin.
static weft_status put_unknown(const struct weft_tokenizer *t, const char *bytes, size_t len, size_t from,
                               struct weft_ids *out) {
    if (is_spelled(t, bytes, len)) return put_bytes(t, bytes, len, out);
    bool again = out->count > from && out->data[out->count - 1] == t->unknown;
    return again && t->fuses_unknown ? WEFT_OK : weft_ids_push(out, t->unknown);
}

static weft_status merge(struct merger *m, bool by_rank, struct weft_ids *out) {
    size_t from = out->count;
    if (!cut_symbols(m, by_rank) || !merge_all(m))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory while tokenizing %zu bytes", m->len);
    for (uint32_t i = m->n_symbols ? 0 : NONE; i != NONE; i = m->w->symbols[i].next) {
        const struct weft_symbol *s = &m->w->symbols[i];
        int32_t id = by_rank ? s->id : weft_vocabulary_word(m->t, m->text + s->at, s->len);
        if (id >= 0) WEFT_TRY(weft_ids_push(out, id));
        else if (by_rank) WEFT_TRY(put_unknown(m->t, m->text + s->at, s->len, from, out));
        else WEFT_TRY(put_bytes(m->t, m->text + s->at, s->len, out));
    }
    return WEFT_OK;
}

static weft_status by_score(const struct weft_tokenizer *t, struct weft_work *w, const char *word, size_t len,
                            struct weft_ids *out) {
    struct merger m = {.t = t, .w = w, .text = word, .len = len, .joins = joins_by_score};
    return merge(&m, false, out);
}

/// The token that a whole word is, -1 if it is none.
static weft_status whole_word(const struct weft_tokenizer *t, struct weft_work *w, const char *word, size_t len,
                              int32_t *id) {
    *id = -1;
    if (len > t->longest) return WEFT_OK;
    if (t->byte_level) {
        if (!weft_grow((void **)&w->text, &w->cap_text, 2 * len, 1))
            return weft_fail(WEFT_ERR_NOMEM, "out of memory while tokenizing %zu bytes", len);
        len = weft_bytes_spell(word, len, w->text);
        word = w->text;
    }
    *id = weft_vocabulary_word(t, word, len);
    return WEFT_OK;
}

static weft_status by_rank(const struct weft_tokenizer *t, struct weft_work *w, const char *word, size_t len,
                           struct weft_ids *out) {
    struct merger m = {.t = t, .w = w, .text = word, .len = len, .joins = joins_by_rank};
    if (t->ignores_merges) {
        int32_t id;
        WEFT_TRY(whole_word(t, w, word, len, &id));
        if (id >= 0) return weft_ids_push(out, id);
    }
    return merge(&m, true, out);
}

void weft_work_free(struct weft_work *w) {
    weft_free(w->symbols);
    weft_free(w->heap);
    weft_free(w->path);
    weft_free(w->text);
    *w = (struct weft_work){0};
}

const struct weft_token_model weft_model_scores = {.encode = by_score};
const struct weft_token_model weft_model_ranks = {.encode = by_rank};
