/// The texts of a vocabulary: look-up, byte tokens, stops.
#include "model/tokenizer/impl.h"

#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "core/map.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/// Texts that end a turn when the file calls them control tokens.
static const char *const end_marks[] = {
    "<end_of_turn>",   "<|eot_id|>", "<|eom_id|>", "<|im_end|>",         "<|end|>", "<|endoftext|>",
    "<|end_of_text|>", "<|eot|>",    "<|return|>", "<end_of_utterance>", "<EOT>",   "<|END_OF_TURN_TOKEN|>",
};

struct weft_source_str weft_tokenizer_text(const struct weft_tokenizer *t, int32_t id) {
    if (id < 0 || id >= t->size) return (struct weft_source_str){0};
    return (struct weft_source_str){t->text + t->start[id], t->start[id + 1] - t->start[id]};
}

enum weft_token_type weft_tokenizer_type(const struct weft_tokenizer *t, int32_t id) {
    return id < 0 || id >= t->size ? (enum weft_token_type)0 : (enum weft_token_type)t->type[id];
}

/// The slot of a text, or the empty one where it belongs.
static size_t find_slot(const struct weft_tokenizer *t, const char *text, size_t len, uint64_t hash) {
    for (size_t i = hash & t->slot_mask;; i = (i + 1) & t->slot_mask) {
        uint64_t slot = t->slots[i];
        if (slot == 0) return i;
        if (slot >> 32 != hash >> 32) continue;
        uint32_t start = t->start[(uint32_t)slot - 1], end = t->start[(uint32_t)slot];
        if (end - start == len && memcmp(t->text + start, text, len) == 0) return i;
    }
}

int32_t weft_tokenizer_find(const struct weft_tokenizer *t, const char *text, size_t len) {
    if (len == 0 || len > t->longest) return -1;
    return (int32_t)(uint32_t)t->slots[find_slot(t, text, len, weft_hash(text, len, 0))] - 1;
}

static weft_status no_memory(size_t count) {
    return weft_fail(WEFT_ERR_NOMEM, "out of memory for a vocabulary of %zu tokens", count);
}

weft_status weft_vocabulary_load(struct weft_tokenizer *t, const struct weft_source_str *texts, size_t count) {
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) total += texts[i].len; // no overflow: they lie in one file
    if (total > UINT32_MAX) return weft_fail(WEFT_ERR_LIMIT, "the vocabulary's texts take %" PRIu64 " bytes", total);
    size_t slots = 16;
    while (slots < 2 * count) slots *= 2;
    t->text = weft_alloc((size_t)total);
    t->start = weft_alloc((count + 1) * sizeof *t->start);
    t->slots = weft_calloc(slots, sizeof *t->slots);
    t->type = weft_alloc(count);
    if (!t->text || !t->start || !t->slots || !t->type) return no_memory(count);
    memset(t->type, WEFT_TOKEN_NORMAL, count);
    t->slot_mask = slots - 1;
    t->size = (int32_t)count;
    uint32_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len = texts[i].len;
        WEFT_TRY(weft_cancel_check_at(i));
        t->start[i] = at;
        if (len) memcpy(t->text + at, texts[i].data, len);
        at += (uint32_t)len;
        t->start[i + 1] = at;
        if (len > t->longest) t->longest = len;
        if (len == 0) continue; // reached by no text
        uint64_t hash = weft_hash(texts[i].data, len, 0);
        t->slots[find_slot(t, texts[i].data, len, hash)] = (hash >> 32) << 32 | (uint32_t)(i + 1);
    }
    return WEFT_OK;
}

void weft_vocabulary_find_bytes(struct weft_tokenizer *t, bool typed) {
    for (int b = 0; b < 256; b++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)b);
        int32_t id = weft_tokenizer_find(t, text, 6);
        if (id >= 0 && !typed) t->type[id] = WEFT_TOKEN_BYTE;
        t->bytes[b] = id >= 0 && t->type[id] == WEFT_TOKEN_BYTE ? id : -1;
    }
}

void weft_vocabulary_spell_bytes(struct weft_tokenizer *t) {
    for (int b = 0; b < 256; b++) {
        char text[4];
        t->bytes[b] = weft_tokenizer_find(t, text, weft_bytes_spell(&(char){(char)b}, 1, text));
    }
}

int weft_vocabulary_byte_of(const struct weft_tokenizer *t, int32_t id) {
    struct weft_source_str text = weft_tokenizer_text(t, id);
    int value = 0;
    if (text.len != 6 || memcmp(text.data, "<0x", 3) != 0 || text.data[5] != '>') return -1;
    for (int i = 3; i < 5; i++) {
        char c = text.data[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) return -1;
        value = 16 * value + digit;
    }
    return value;
}

weft_status weft_vocabulary_add_stop(struct weft_tokenizer *t, size_t *cap, int32_t id) {
    size_t at = t->n_stops;
    while (at > 0 && t->stops[at - 1] >= id) at--;
    if (id < 0 || (at < t->n_stops && t->stops[at] == id)) return WEFT_OK;
    if (!weft_grow((void **)&t->stops, cap, t->n_stops + 1, sizeof *t->stops))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for stop tokens");
    memmove(t->stops + at + 1, t->stops + at, (t->n_stops - at) * sizeof *t->stops);
    t->stops[at] = id;
    t->n_stops++;
    return WEFT_OK;
}

weft_status weft_vocabulary_add_marks(struct weft_tokenizer *t, size_t *cap) {
    for (size_t i = 0; i < sizeof end_marks / sizeof *end_marks; i++) {
        int32_t id = weft_tokenizer_find(t, end_marks[i], strlen(end_marks[i]));
        if (id >= 0 && t->type[id] == WEFT_TOKEN_CONTROL) WEFT_TRY(weft_vocabulary_add_stop(t, cap, id));
    }
    return WEFT_OK;
}

/// Whether a text is written as `<|...|>`, with U+FF5C as some vocabularies have it.
static bool is_bracketed(struct weft_source_str s) {
    static const struct { const char *open, *close; } forms[] = {{"<|", "|>"}, {"<\xEF\xBD\x9C", "\xEF\xBD\x9C>"}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t n = strlen(forms[i].open);
        if (s.len > 2 * n && !memcmp(s.data, forms[i].open, n) && !memcmp(s.data + s.len - n, forms[i].close, n))
            return true;
    }
    return false;
}

bool weft_tokenizer_is_stop(const struct weft_tokenizer *t, int32_t id) {
    for (size_t i = 0; i < t->n_stops; i++) {
        if (t->stops[i] == id) return true;
    }
    return false;
}

bool weft_tokenizer_is_control(const struct weft_tokenizer *t, int32_t id) {
    uint8_t type = id < 0 || id >= t->size ? 0 : t->type[id];
    if (type == WEFT_TOKEN_CONTROL || type == WEFT_TOKEN_UNKNOWN) return true;
    if (type != WEFT_TOKEN_USER_DEFINED) return false;
    return id == t->bos || id == t->eos || weft_tokenizer_is_stop(t, id) || is_bracketed(weft_tokenizer_text(t, id));
}

int32_t weft_vocabulary_word(const struct weft_tokenizer *t, const char *text, size_t len) {
    int32_t id = weft_tokenizer_find(t, text, len);
    return weft_tokenizer_is_control(t, id) ? -1 : id;
}

// ---- the trie ------------------------------------------------------------------------------------------------------

// The length bounds what a place of a text costs.
enum { MOST_NODES = (1 << 24) - 1, LONGEST_TEXT = 4096 };

static struct weft_edge *edge(const struct weft_trie *trie, uint32_t key) {
    for (size_t i = (uint32_t)(key * 0x9E3779B1u) ^ key >> 15;; i++) {
        struct weft_edge *e = &trie->edges[i & trie->mask];
        if (e->key == 0 || e->key == key) return e;
    }
}

uint32_t weft_trie_step(const struct weft_trie *trie, uint32_t node, unsigned char byte) {
    return edge(trie, (node << 8 | byte) + 1)->node; // an empty slot has node 0
}

static bool grow_edges(struct weft_trie *trie) {
    struct weft_trie wide = {.mask = 2 * trie->mask + 1};
    wide.edges = weft_calloc(wide.mask + 1, sizeof *wide.edges);
    if (!wide.edges) return false;
    for (size_t i = 0; i <= trie->mask; i++)
        if (trie->edges[i].key) *edge(&wide, trie->edges[i].key) = trie->edges[i];
    weft_free(trie->edges);
    trie->edges = wide.edges;
    trie->mask = wide.mask;
    return true;
}

static bool add_node(struct weft_trie *trie) {
    if (!weft_grow((void **)&trie->ids, &trie->cap_ids, trie->n_nodes + 1, sizeof *trie->ids)) return false;
    trie->ids[trie->n_nodes++] = -1;
    return 2 * trie->n_nodes <= trie->mask || grow_edges(trie);
}

static weft_status insert(struct weft_trie *trie, const struct weft_tokenizer *t, int32_t id) {
    uint32_t node = 0;
    for (uint32_t i = t->start[id]; i < t->start[id + 1]; i++) {
        uint32_t key = (node << 8 | (unsigned char)t->text[i]) + 1;
        struct weft_edge *e = edge(trie, key);
        if (e->key == 0) {
            if (trie->n_nodes == MOST_NODES)
                return weft_fail(WEFT_ERR_LIMIT, "the vocabulary has more than %d different beginnings", MOST_NODES);
            *e = (struct weft_edge){key, node = (uint32_t)trie->n_nodes};
            if (!add_node(trie)) return no_memory((size_t)t->size);
        } else {
            node = e->node;
        }
    }
    if (node) trie->ids[node] = id;
    return WEFT_OK;
}

weft_status weft_trie_create(struct weft_trie *trie, const struct weft_tokenizer *t, bool (*wanted)(uint8_t type)) {
    if (t->longest > LONGEST_TEXT)
        return weft_fail(WEFT_ERR_LIMIT, "the vocabulary has a text of %zu bytes; the most for its kind is %d",
                         t->longest, LONGEST_TEXT);
    trie->mask = 1023;
    trie->edges = weft_calloc(trie->mask + 1, sizeof *trie->edges);
    if (!trie->edges || !add_node(trie)) return no_memory((size_t)t->size);
    for (int32_t id = 0; id < t->size; id++) {
        WEFT_TRY(weft_cancel_check_at((uint64_t)id));
        if (wanted(t->type[id]) && !weft_tokenizer_is_control(t, id)) WEFT_TRY(insert(trie, t, id));
    }
    return WEFT_OK;
}

void weft_trie_free(struct weft_trie *trie) {
    weft_free(trie->edges);
    weft_free(trie->ids);
    *trie = (struct weft_trie){0};
}
