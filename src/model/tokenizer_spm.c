/// "llama" tokenizers: SentencePiece-style merges by score.
///
/// A piece, with each space written as U+2581, is cut into symbols of one character. Of all neighbours whose
/// joined text is a token, the pair with the highest score is merged (the leftmost on a tie), until there is none.
/// A heap holds the candidate pairs. A merge makes older entries of the two symbols stale, which shows when they
/// are popped: a part is empty, or the lengths no longer add up to what was entered. Each merge enters at most two
/// new pairs, so the whole costs O(n log n).
#include "model/tokenizer_impl.h"

#include "core/alloc.h"
#include "core/error.h"

#include <string.h>

#define SPACE "\xE2\x96\x81"
#define NONE UINT32_MAX
#define LONGEST_PIECE ((size_t)1 << 31)

struct symbol {
    uint32_t at, len; // bytes of the piece; len 0: merged into another
    uint32_t prev, next;
};

struct pair {
    float score;
    uint32_t left, right, len;
};

struct work {
    const struct weft_tokenizer *t;
    char *text;
    size_t len;
    struct symbol *symbols;
    size_t n_symbols;
    struct pair *heap;
    size_t n_heap, cap_heap;
};

static bool before(const struct pair *a, const struct pair *b) {
    return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static bool heap_push(struct work *w, struct pair pair) {
    if (!weft_grow((void **)&w->heap, &w->cap_heap, w->n_heap + 1, sizeof *w->heap)) return false;
    size_t i = w->n_heap++;
    for (; i > 0 && before(&pair, &w->heap[(i - 1) / 2]); i = (i - 1) / 2) w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = pair;
    return true;
}

static struct pair heap_pop(struct work *w) {
    struct pair top = w->heap[0], last = w->heap[--w->n_heap];
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

/// Enters the pair if its joined text, which stands together in the piece, is a token. False: out of memory.
static bool try_pair(struct work *w, uint32_t left, uint32_t right) {
    if (left == NONE || right == NONE) return true;
    const struct symbol *a = &w->symbols[left], *b = &w->symbols[right];
    size_t len = (size_t)a->len + b->len;
    int32_t id = len > w->t->longest ? -1 : weft_tokenizer_find(w->t, w->text + a->at, len);
    if (id < 0) return true;
    return heap_push(w, (struct pair){w->t->score[id], left, right, (uint32_t)len});
}

/// Bytes of a symbol by its lead byte; continuation bytes are not checked, the end of the text cuts it short.
static size_t symbol_length(unsigned char lead, size_t left) {
    static const uint8_t lengths[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4};
    size_t n = lengths[lead >> 4];
    return n < left ? n : left;
}

/// The piece with its spaces replaced, and its symbols.
static bool prepare(struct work *w, const char *text, size_t len, bool prefix) {
    size_t spaces = prefix ? 1 : 0, n = 0;
    for (size_t i = 0; i < len; i++) spaces += text[i] == ' ';
    w->len = len + (prefix ? 1 : 0) + 2 * spaces;
    w->text = weft_alloc(w->len);
    w->symbols = weft_alloc(w->len * sizeof *w->symbols);
    if (!w->text || !w->symbols) return false;
    if (prefix) memcpy(w->text, SPACE, n = 3);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ' ') {
            memcpy(w->text + n, SPACE, 3);
            n += 3;
        } else {
            w->text[n++] = text[i];
        }
    }
    for (size_t at = 0; at < w->len;) {
        size_t size = symbol_length((unsigned char)w->text[at], w->len - at);
        uint32_t i = (uint32_t)w->n_symbols++;
        w->symbols[i] = (struct symbol){(uint32_t)at, (uint32_t)size, i ? i - 1 : NONE, i + 1};
        at += size;
    }
    w->symbols[w->n_symbols - 1].next = NONE;
    return true;
}

static bool merge_all(struct work *w) {
    for (uint32_t i = 1; i < w->n_symbols; i++) {
        if (!try_pair(w, i - 1, i)) return false;
    }
    while (w->n_heap) {
        struct pair pair = heap_pop(w);
        struct symbol *a = &w->symbols[pair.left], *b = &w->symbols[pair.right];
        if (!a->len || !b->len || a->len + b->len != pair.len) continue; // stale
        a->len += b->len;
        b->len = 0;
        a->next = b->next;
        if (b->next != NONE) w->symbols[b->next].prev = pair.left;
        if (!try_pair(w, a->prev, pair.left) || !try_pair(w, pair.left, a->next)) return false;
    }
    return true;
}

/// A symbol that is no token becomes one token a byte, or the unknown token where the file has no byte tokens.
static weft_status put_bytes(const struct weft_tokenizer *t, const char *bytes, size_t len, struct weft_ids *out) {
    for (size_t i = 0; i < len; i++) {
        int32_t id = t->bytes[(unsigned char)bytes[i]];
        WEFT_TRY(weft_ids_push(out, id >= 0 ? id : t->unknown));
    }
    return WEFT_OK;
}

static weft_status put_symbols(const struct work *w, struct weft_ids *out) {
    for (uint32_t i = 0; i != NONE; i = w->symbols[i].next) {
        const struct symbol *s = &w->symbols[i];
        int32_t id = weft_tokenizer_find(w->t, w->text + s->at, s->len);
        if (id >= 0) WEFT_TRY(weft_ids_push(out, id));
        else WEFT_TRY(put_bytes(w->t, w->text + s->at, s->len, out));
    }
    return WEFT_OK;
}

static weft_status encode(const struct weft_tokenizer *t, const char *text, size_t len, struct weft_ids *out) {
    if (len == 0) return WEFT_OK;
    if (len >= LONGEST_PIECE / 3)
        return weft_fail(WEFT_ERR_LIMIT, "cannot tokenize %zu bytes without a special token between; the most is %zu",
                         len, LONGEST_PIECE / 3);
    struct work w = {.t = t};
    weft_status status = WEFT_OK;
    if (prepare(&w, text, len, t->add_space_prefix) && merge_all(&w)) status = put_symbols(&w, out);
    else status = weft_fail(WEFT_ERR_NOMEM, "out of memory while tokenizing %zu bytes", len);
    weft_free(w.heap);
    weft_free(w.symbols);
    weft_free(w.text);
    return status;
}

static void decode(const struct weft_tokenizer *t, const char *text, size_t len, struct weft_str *out) {
    (void)t;
    size_t from = 0;
    for (size_t i = 0; i + 3 <= len;) {
        if (memcmp(text + i, SPACE, 3) != 0) {
            i++;
            continue;
        }
        weft_str_addn(out, text + from, i - from);
        weft_str_addn(out, " ", 1);
        from = i += 3;
    }
    weft_str_addn(out, text + from, len - from);
}

static weft_status setup(struct weft_tokenizer *t, const struct weft_gguf *file) {
    size_t count;
    WEFT_TRY(weft_gguf_get_f32s(file, "tokenizer.ggml.scores", &t->score, &count));
    if (count != (size_t)t->size)
        return weft_fail(WEFT_ERR_FORMAT, "%s: tokenizer.ggml.scores has %zu elements for %d tokens",
                         weft_gguf_path(file), count, t->size);
    for (size_t i = 0; i < count; i++) {
        if (t->score[i] != t->score[i])
            return weft_fail(WEFT_ERR_FORMAT, "%s: tokenizer.ggml.scores: the score of token %zu is NaN",
                             weft_gguf_path(file), i);
    }
    for (int b = 0; b < 256 && t->unknown < 0; b++) {
        if (t->bytes[b] < 0)
            return weft_fail(WEFT_ERR_FORMAT,
                             "%s: the vocabulary has neither a token for byte 0x%02X nor an unknown token",
                             weft_gguf_path(file), b);
    }
    return WEFT_OK;
}

const struct weft_tokenizer_kind weft_tokenizer_spm = {
    .name = "llama",
    .adds_bos = true,
    .adds_space_prefix = true,
    .setup = setup,
    .encode = encode,
    .decode = decode,
};
