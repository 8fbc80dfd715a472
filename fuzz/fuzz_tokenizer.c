/// Tokenizers: a vocabulary and a text. An input is a line of flags, the lines of the vocabulary, an empty line, and
/// the text. The flags are a byte of bits and a letter for the kind (b: gpt2, w: bert, u: t5, g: gemma4, else llama). A
/// line is "TYPE TEXT", the type one digit (scores fall from line to line), or "m A B" (a merge), "p NAME"
/// (tokenizer.ggml.pre), "x BYTES" (the character mapping, which takes all that is left of its line).
#include "fuzz.h"
#include "model/gguf.h"
#include "model/tokenizer/tokenizer.h"

// ---- a file with the vocabulary ------------------------------------------------------------------------------------

struct entry {
    const char *text;
    size_t len;
    int32_t type;
};
enum { MOST = 600, BYTES = 256 };

struct vocabulary {
    struct entry tokens[MOST], merges[MOST], pre, map;
    size_t n_tokens, n_merges;
    const char *kind;
};

static void number(struct weft_str *s, uint64_t x, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) weft_str_addn(s, &(char){(char)(x >> 8 * i)}, 1);
}

static void string(struct weft_str *s, const char *text, size_t len) {
    number(s, len, 8);
    weft_str_addn(s, text, len);
}

static void key(struct weft_str *s, const char *name, enum weft_source_type type) {
    string(s, name, strlen(name));
    number(s, type, 4);
}

static void list(struct weft_str *s, const char *name, enum weft_source_type element, size_t n) {
    key(s, name, WEFT_SOURCE_ARRAY);
    number(s, element, 4);
    number(s, n, 8);
}

static void text_key(struct weft_str *s, const char *name, const char *text, size_t len) {
    key(s, name, WEFT_SOURCE_STRING);
    string(s, text, len);
}

static void strings(struct weft_str *s, const char *name, const struct entry *entries, size_t n) {
    list(s, name, WEFT_SOURCE_STRING, n);
    for (size_t i = 0; i < n; i++) string(s, entries[i].text, entries[i].len);
}

static void id_key(struct weft_str *s, const char *name, uint64_t id) {
    key(s, name, WEFT_SOURCE_U32);
    number(s, id, 4);
}

static void write_file(struct weft_str *s, const struct vocabulary *v, unsigned flags) {
    size_t n = v->n_tokens;
    number(s, 0x46554747, 4);
    number(s, 3, 4);
    number(s, 0, 8);
    number(s, 8 + !!v->pre.text + !!v->map.text + (flags >> 7), 8);
    text_key(s, "tokenizer.ggml.model", v->kind, strlen(v->kind));
    strings(s, "tokenizer.ggml.tokens", v->tokens, n);
    list(s, "tokenizer.ggml.scores", WEFT_SOURCE_F32, n);
    for (size_t i = 0; i < n; i++) {
        float score = -(float)(i / (1 + (flags >> 4 & 3))); // ties, if the flags ask for them
        weft_str_addn(s, (const char *)&score, 4);
    }
    list(s, "tokenizer.ggml.token_type", WEFT_SOURCE_I32, n);
    for (size_t i = 0; i < n; i++) number(s, (uint32_t)v->tokens[i].type, 4);
    id_key(s, "tokenizer.ggml.bos_token_id", n - 1);
    key(s, "tokenizer.ggml.add_space_prefix", WEFT_SOURCE_BOOL);
    number(s, flags >> 2 & 1, 1);
    strings(s, "tokenizer.ggml.merges", v->merges, v->n_merges);
    id_key(s, "tokenizer.ggml.seperator_token_id", 0);
    if (v->pre.text) text_key(s, "tokenizer.ggml.pre", v->pre.text, v->pre.len);
    if (v->map.text) {
        list(s, "tokenizer.ggml.precompiled_charsmap", WEFT_SOURCE_U8, v->map.len);
        weft_str_addn(s, v->map.text, v->map.len);
    }
    if (flags >> 7) id_key(s, "tokenizer.ggml.unknown_token_id", n / 2);
}

/// Lines up to an empty one; returns the first byte behind it.
static const char *read_vocabulary(const char *p, const char *end, struct vocabulary *v) {
    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        const char *line = p;
        p = stop < end ? stop + 1 : end;
        if (stop == line) break;
        if (stop - line < 2) continue;
        struct entry entry = {line + 2, (size_t)(stop - line) - 2, line[0] - '0'};
        if (line[0] == 'p') v->pre = entry;
        else if (line[0] == 'x') v->map = entry;
        else if (line[0] == 'm' && v->n_merges < MOST) v->merges[v->n_merges++] = entry;
        else if (line[0] != 'm' && v->n_tokens < MOST) v->tokens[v->n_tokens++] = entry;
    }
    return p;
}

static const char *kind_of(uint8_t letter) {
    switch (letter) {
    case 'b': return "gpt2";
    case 'w': return "bert";
    case 'u': return "t5";
    case 'g': return "gemma4";
    default: return "llama";
    }
}

// ---- the promises --------------------------------------------------------------------------------------------------

/// Piece by piece a decoder gives what all tokens at once give.
static void check(const struct weft_tokenizer *t, const char *text, size_t len, unsigned flags) {
    struct weft_ids ids = {0};
    struct weft_str whole = {0}, parts = {0};
    struct weft_decoder decoder = {.tokenizer = t, .show_control = flags >> 3 & 1};
    fuzz_require(weft_tokenizer_encode(t, text, len, flags & 3, &ids) == WEFT_OK, "any bytes can be encoded");
    for (size_t i = 0; i < ids.count; i++) {
        fuzz_require(ids.data[i] >= 0 && ids.data[i] < weft_tokenizer_size(t), "ids are of the vocabulary");
        fuzz_require(weft_tokenizer_decode(t, ids.data[i], decoder.show_control, &whole) == WEFT_OK &&
                         weft_decoder_push(&decoder, ids.data[i], &parts) == WEFT_OK,
                     "every id can be decoded");
        weft_tokenizer_is_stop(t, ids.data[i]);
    }
    fuzz_require(weft_decoder_flush(&decoder, &parts) == WEFT_OK, "a decoder can be emptied");
    fuzz_require(whole.len == parts.len && (!whole.len || memcmp(whole.data, parts.data, whole.len) == 0),
                 "a stream of tokens gives the text of all");
    weft_ids_free(&ids);
    weft_str_free(&whole);
    weft_str_free(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char byte_texts[BYTES][8];
    static struct vocabulary v;
    int64_t live = weft_alloc_stats().live;
    struct weft_str file = {0};
    struct weft_source *g = NULL;
    struct weft_tokenizer *t = NULL;
    if (size < 2) return 0;
    unsigned flags = data[0];
    v = (struct vocabulary){.kind = kind_of(data[1])};
    // A vocabulary may have no bytes of its own.
    for (; v.n_tokens < BYTES && !(flags >> 6 & 1); v.n_tokens++) {
        snprintf(byte_texts[v.n_tokens], sizeof byte_texts[0], "<0x%02X>", (unsigned)v.n_tokens);
        v.tokens[v.n_tokens] = (struct entry){byte_texts[v.n_tokens], 6, WEFT_TOKEN_BYTE};
    }
    const char *end = (const char *)data + size, *begin = memchr(data + 1, '\n', size - 1);
    const char *text = read_vocabulary(begin ? begin + 1 : end, end, &v);
    if (v.n_tokens == 0) return 0;
    write_file(&file, &v, flags);
    weft_status status = weft_gguf_open_memory(weft_str_get(&file), file.len, "input", &g);
    if (status == WEFT_OK) status = weft_tokenizer_create(g, &t);
    fuzz_refused(status);
    weft_source_close(g);
    if (t) check(t, text, (size_t)(end - text), flags);
    weft_tokenizer_destroy(t);
    weft_str_free(&file);
    fuzz_require(weft_alloc_stats().live == live, "all memory is given back");
    return 0;
}
