/// The parts common to all kinds of tokenizers: vocabulary, special tokens, byte tokens, stops, streaming.
#include "model/tokenizer_impl.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/map.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MOST_TOKENS (INT32_MAX / 4)

static const struct weft_tokenizer_kind *const kinds[] = {&weft_tokenizer_spm};

/// Texts that end a turn when the file calls them control tokens.
static const char *const end_marks[] = {
    "<end_of_turn>",   "<|eot_id|>", "<|eom_id|>", "<|im_end|>",         "<|end|>", "<|endoftext|>",
    "<|end_of_text|>", "<|eot|>",    "<|return|>", "<end_of_utterance>", "<EOT>",   "<|END_OF_TURN_TOKEN|>",
};

void weft_ids_free(struct weft_ids *ids) {
    weft_free(ids->data);
    *ids = (struct weft_ids){0};
}

weft_status weft_ids_push(struct weft_ids *ids, int32_t id) {
    if (!weft_grow((void **)&ids->data, &ids->cap, ids->count + 1, sizeof *ids->data))
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for %zu token ids", ids->count + 1);
    ids->data[ids->count++] = id;
    return WEFT_OK;
}

struct weft_gguf_str weft_tokenizer_text(const struct weft_tokenizer *t, int32_t id) {
    if (id < 0 || id >= t->size) return (struct weft_gguf_str){0};
    return (struct weft_gguf_str){t->text + t->start[id], t->start[id + 1] - t->start[id]};
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

/// Copies the texts into one block and enters them into the hash table.
static weft_status load_texts(struct weft_tokenizer *t, const struct weft_gguf_str *texts, size_t count) {
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) total += texts[i].len; // no overflow: they lie in one file
    if (total > UINT32_MAX) return weft_fail(WEFT_ERR_LIMIT, "the vocabulary's texts take %" PRIu64 " bytes", total);
    size_t slots = 16;
    while (slots < 2 * count) slots *= 2;
    t->text = weft_alloc((size_t)total);
    t->start = weft_alloc((count + 1) * sizeof *t->start);
    t->slots = weft_calloc(slots, sizeof *t->slots);
    if (!t->text || !t->start || !t->slots)
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for a vocabulary of %zu tokens", count);
    t->slot_mask = slots - 1;
    t->size = (int32_t)count;
    uint32_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len = texts[i].len;
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

static weft_status load_vocabulary(struct weft_tokenizer *t, const struct weft_gguf *file) {
    static const char key[] = "tokenizer.ggml.tokens";
    struct weft_gguf_str *texts;
    size_t count;
    WEFT_TRY(weft_gguf_get_strings(file, key, &texts, &count));
    weft_status status;
    if (count == 0) status = weft_fail(WEFT_ERR_FORMAT, "%s: %s is empty", weft_gguf_path(file), key);
    else if (count > MOST_TOKENS)
        status = weft_fail(WEFT_ERR_LIMIT, "%s: %s has %zu elements", weft_gguf_path(file), key, count);
    else status = weft_fail_in(load_texts(t, texts, count), "%s", weft_gguf_path(file));
    weft_free(texts);
    return status;
}

static weft_status load_types(struct weft_tokenizer *t, const struct weft_gguf *file) {
    static const char key[] = "tokenizer.ggml.token_type";
    t->type = weft_alloc((size_t)t->size);
    if (!t->type) return weft_fail(WEFT_ERR_NOMEM, "out of memory for %d token types", t->size);
    memset(t->type, WEFT_TOKEN_NORMAL, (size_t)t->size);
    if (!weft_gguf_has(file, key)) return WEFT_OK;
    int32_t *types;
    size_t count;
    WEFT_TRY(weft_gguf_get_i32s(file, key, &types, &count));
    weft_status status = WEFT_OK;
    if (count != (size_t)t->size)
        status = weft_fail(WEFT_ERR_FORMAT, "%s: %s has %zu elements for %d tokens", weft_gguf_path(file), key, count,
                           t->size);
    for (size_t i = 0; i < count && status == WEFT_OK; i++) {
        if (types[i] < 0 || types[i] > WEFT_TOKEN_BYTE)
            status = weft_fail(WEFT_ERR_FORMAT, "%s: %s: token %zu has the unknown type %d", weft_gguf_path(file), key,
                               i, types[i]);
        else if (types[i]) t->type[i] = (uint8_t)types[i]; // 0, undefined, counts as normal
    }
    weft_free(types);
    return status;
}

/// Byte tokens are written "<0x00>" to "<0xFF>". A file without types has them by their text alone.
static void load_bytes(struct weft_tokenizer *t, bool typed) {
    for (int b = 0; b < 256; b++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)b);
        int32_t id = weft_tokenizer_find(t, text, 6);
        if (id >= 0 && !typed) t->type[id] = WEFT_TOKEN_BYTE;
        t->bytes[b] = id >= 0 && t->type[id] == WEFT_TOKEN_BYTE ? id : -1;
    }
}

/// The byte that a byte token stands for; -1 if its text is not as it should be.
static int byte_of(const struct weft_tokenizer *t, int32_t id) {
    struct weft_gguf_str text = weft_tokenizer_text(t, id);
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

static weft_status check_bytes(const struct weft_tokenizer *t, const struct weft_gguf *file) {
    for (int32_t id = 0; id < t->size; id++) {
        if (t->type[id] == WEFT_TOKEN_BYTE && byte_of(t, id) < 0)
            return weft_fail(WEFT_ERR_FORMAT, "%s: token %d is a byte token, but its text is not like <0x41>",
                             weft_gguf_path(file), id);
    }
    return WEFT_OK;
}

/// An id by key; -1 if the key is absent.
static weft_status load_id(const struct weft_tokenizer *t, const struct weft_gguf *file, const char *key,
                           int32_t *out) {
    uint32_t id;
    *out = -1;
    if (!weft_gguf_has(file, key)) return WEFT_OK;
    WEFT_TRY(weft_gguf_get_u32(file, key, &id));
    if (id >= (uint32_t)t->size)
        return weft_fail(WEFT_ERR_FORMAT, "%s: %s is %u, but the vocabulary has %d tokens", weft_gguf_path(file), key,
                         id, t->size);
    *out = (int32_t)id;
    return WEFT_OK;
}

static weft_status add_stop(struct weft_tokenizer *t, size_t *cap, int32_t id) {
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

/// Some files list every token that ends a text.
static weft_status load_stop_list(struct weft_tokenizer *t, const struct weft_gguf *file, size_t *cap) {
    static const char key[] = "tokenizer.ggml.eos_token_ids";
    int32_t *ids;
    size_t n;
    if (!weft_gguf_has(file, key)) return WEFT_OK;
    WEFT_TRY(weft_gguf_get_i32s(file, key, &ids, &n));
    weft_status status = WEFT_OK;
    for (size_t i = 0; status == WEFT_OK && i < n; i++)
        status = ids[i] >= 0 && ids[i] < t->size
                     ? add_stop(t, cap, ids[i])
                     : weft_fail(WEFT_ERR_FORMAT, "%s: %s has %d, but the vocabulary has %d tokens",
                                 weft_gguf_path(file), key, ids[i], t->size);
    weft_free(ids);
    return status;
}

static weft_status load_stops(struct weft_tokenizer *t, const struct weft_gguf *file) {
    static const char *const keys[] = {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    size_t cap = 0;
    WEFT_TRY(add_stop(t, &cap, t->eos));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int32_t id;
        WEFT_TRY(load_id(t, file, keys[i], &id));
        WEFT_TRY(add_stop(t, &cap, id));
    }
    WEFT_TRY(load_stop_list(t, file, &cap));
    for (size_t i = 0; i < sizeof end_marks / sizeof *end_marks; i++) {
        int32_t id = weft_tokenizer_find(t, end_marks[i], strlen(end_marks[i]));
        if (id >= 0 && t->type[id] == WEFT_TOKEN_CONTROL) WEFT_TRY(add_stop(t, &cap, id));
    }
    return WEFT_OK;
}

static weft_status find_kind(const struct weft_gguf *file, const struct weft_tokenizer_kind **out) {
    struct weft_gguf_str name;
    WEFT_TRY(weft_gguf_get_string(file, "tokenizer.ggml.model", &name));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        *out = kinds[i];
        if (name.len == strlen(kinds[i]->name) && memcmp(name.data, kinds[i]->name, name.len) == 0) return WEFT_OK;
    }
    return weft_fail(WEFT_ERR_UNSUPPORTED, "%s: tokenizer.ggml.model is '%.*s'; Weft has 'llama'", weft_gguf_path(file),
                     (int)(name.len < 40 ? name.len : 40), name.data);
}

static weft_status load(struct weft_tokenizer *t, const struct weft_gguf *file) {
    WEFT_TRY(find_kind(file, &t->kind));
    WEFT_TRY(load_vocabulary(t, file));
    WEFT_TRY(load_types(t, file));
    load_bytes(t, weft_gguf_has(file, "tokenizer.ggml.token_type"));
    WEFT_TRY(check_bytes(t, file));
    WEFT_TRY(load_id(t, file, "tokenizer.ggml.bos_token_id", &t->bos));
    WEFT_TRY(load_id(t, file, "tokenizer.ggml.eos_token_id", &t->eos));
    WEFT_TRY(load_id(t, file, "tokenizer.ggml.unknown_token_id", &t->unknown));
    WEFT_TRY(weft_gguf_bool_or(file, "tokenizer.ggml.add_bos_token", t->kind->adds_bos, &t->add_bos));
    WEFT_TRY(weft_gguf_bool_or(file, "tokenizer.ggml.add_eos_token", false, &t->add_eos));
    WEFT_TRY(
        weft_gguf_bool_or(file, "tokenizer.ggml.add_space_prefix", t->kind->adds_space_prefix, &t->add_space_prefix));
    WEFT_TRY(load_stops(t, file));
    WEFT_TRY(weft_splitter_create(t, false, &t->user));
    WEFT_TRY(weft_splitter_create(t, true, &t->all));
    return t->kind->setup(t, file);
}

weft_status weft_tokenizer_create(const struct weft_gguf *file, struct weft_tokenizer **out) {
    *out = NULL;
    struct weft_tokenizer *t = weft_calloc(1, sizeof *t);
    if (!t) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a tokenizer");
    weft_status status = load(t, file);
    if (status == WEFT_OK) *out = t;
    else weft_tokenizer_destroy(t);
    return status;
}

void weft_tokenizer_destroy(struct weft_tokenizer *t) {
    if (!t) return;
    weft_splitter_destroy(&t->user);
    weft_splitter_destroy(&t->all);
    weft_free(t->stops);
    weft_free(t->slots);
    weft_free(t->score);
    weft_free(t->type);
    weft_free(t->start);
    weft_free(t->text);
    weft_free(t);
}

/// Pieces and special tokens in turn.
static weft_status encode_parts(const struct weft_tokenizer *t, const char *text, size_t len,
                                const struct weft_special_at *places, size_t count, struct weft_ids *out) {
    size_t from = 0;
    for (size_t i = 0; i <= count; i++) {
        size_t to = i < count ? places[i].at : len;
        if (to > from) WEFT_TRY(t->kind->encode(t, text + from, to - from, out));
        if (i == count) break;
        WEFT_TRY(weft_ids_push(out, places[i].id));
        from = to + weft_tokenizer_text(t, places[i].id).len;
    }
    return WEFT_OK;
}

weft_status weft_tokenizer_encode(const struct weft_tokenizer *t, const char *text, size_t len, unsigned flags,
                                  struct weft_ids *out) {
    size_t before = out->count, n_places = 0;
    struct weft_special_at *places = NULL;
    const struct weft_splitter *splitter = flags & WEFT_ENCODE_PARSE_SPECIAL ? &t->all : &t->user;
    bool ends = flags & WEFT_ENCODE_ADD_BOS;
    weft_status status = WEFT_OK;
    if (ends && t->add_bos && t->bos >= 0) WEFT_GOTO(weft_ids_push(out, t->bos));
    WEFT_GOTO(weft_splitter_find(t, splitter, text, len, &places, &n_places));
    WEFT_GOTO(encode_parts(t, text, len, places, n_places, out));
    if (ends && t->add_eos && t->eos >= 0) WEFT_GOTO(weft_ids_push(out, t->eos));
fail:
    weft_free(places);
    if (status != WEFT_OK) out->count = before;
    return status;
}

weft_status weft_tokenizer_decode(const struct weft_tokenizer *t, int32_t id, bool show_control, struct weft_str *out) {
    if (id < 0 || id >= t->size)
        return weft_fail(WEFT_ERR_INVALID, "token id %d is not in the vocabulary of %d tokens", id, t->size);
    struct weft_gguf_str text = weft_tokenizer_text(t, id);
    switch ((enum weft_token_type)t->type[id]) {
    case WEFT_TOKEN_NORMAL: t->kind->decode(t, text.data, text.len, out); break;
    case WEFT_TOKEN_USER_DEFINED: weft_str_addn(out, text.data, text.len); break;
    case WEFT_TOKEN_BYTE: weft_str_addn(out, &(char){(char)byte_of(t, id)}, 1); break;
    case WEFT_TOKEN_CONTROL:
    case WEFT_TOKEN_UNKNOWN:
    case WEFT_TOKEN_UNUSED:
        if (show_control) weft_str_addn(out, text.data, text.len);
        break;
    }
    return out->failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory for the text of token %d", id) : WEFT_OK;
}

/// How many bytes at the end of the text are the start of a character that more bytes could complete.
static size_t incomplete(const unsigned char *text, size_t len) {
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        unsigned char lead = text[len - back];
        if ((lead & 0xC0) == 0x80) continue;
        size_t size = lead >= 0xC2 && lead <= 0xDF   ? 2
                      : (lead & 0xF0) == 0xE0        ? 3
                      : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                     : 1;
        if (size <= back) return 0;
        if (back == 1) return 1;
        // The second byte excludes overlong forms, surrogates and what lies beyond U+10FFFF.
        unsigned char second = text[len - back + 1];
        bool ok = !(lead == 0xE0 && second < 0xA0) && !(lead == 0xED && second > 0x9F) &&
                  !(lead == 0xF0 && second < 0x90) && !(lead == 0xF4 && second > 0x8F);
        return ok ? back : 0;
    }
    return 0;
}

weft_status weft_decoder_push(struct weft_decoder *d, int32_t id, struct weft_str *out) {
    size_t before = out->len;
    weft_str_addn(out, (const char *)d->bytes, d->held);
    weft_status status = weft_tokenizer_decode(d->tokenizer, id, d->show_control, out);
    if (status != WEFT_OK) {
        if (!out->failed && out->data) out->data[out->len = before] = 0; // nothing shown; what was held stays held
        return status;
    }
    if (!out->data) return WEFT_OK;
    size_t held = incomplete((const unsigned char *)out->data + before, out->len - before);
    out->len -= held;
    memcpy(d->bytes, out->data + out->len, held);
    d->held = (unsigned)held;
    out->data[out->len] = 0;
    return WEFT_OK;
}

weft_status weft_decoder_flush(struct weft_decoder *d, struct weft_str *out) {
    weft_str_addn(out, (const char *)d->bytes, d->held);
    d->held = 0;
    return out->failed ? weft_fail(WEFT_ERR_NOMEM, "out of memory for decoded text") : WEFT_OK;
}

bool weft_tokenizer_is_stop(const struct weft_tokenizer *t, int32_t id) {
    for (size_t i = 0; i < t->n_stops; i++) {
        if (t->stops[i] == id) return true;
    }
    return false;
}

const int32_t *weft_tokenizer_stop_ids(const struct weft_tokenizer *t, size_t *count) {
    *count = t->n_stops;
    return t->stops;
}

int32_t weft_tokenizer_size(const struct weft_tokenizer *t) { return t->size; }

int32_t weft_tokenizer_bos(const struct weft_tokenizer *t) { return t->bos; }

int32_t weft_tokenizer_eos(const struct weft_tokenizer *t) { return t->eos; }

bool weft_tokenizer_adds_bos(const struct weft_tokenizer *t) { return t->add_bos && t->bos >= 0; }

const char *weft_tokenizer_kind(const struct weft_tokenizer *t) { return t->kind->name; }
