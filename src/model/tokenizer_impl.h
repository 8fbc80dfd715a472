/// Inside of a tokenizer. For tokenizer*.c only.
#ifndef WEFT_MODEL_TOKENIZER_IMPL_H
#define WEFT_MODEL_TOKENIZER_IMPL_H
#include "model/tokenizer.h"

/// What a kind of tokenizer adds to the common parts (vocabulary, special tokens, byte tokens, stops).
struct weft_tokenizer_kind {
    const char *name;                 // the value of tokenizer.ggml.model
    bool adds_bos, adds_space_prefix; // where the file does not say
    weft_status (*setup)(struct weft_tokenizer *t, const struct weft_gguf *file);
    /// Appends the ids of a piece, which stands at the start of the text or directly behind a special token.
    weft_status (*encode)(const struct weft_tokenizer *t, const char *text, size_t len, struct weft_ids *out);
    void (*decode)(const struct weft_tokenizer *t, const char *text, size_t len, struct weft_str *out); // normal ones
};
extern const struct weft_tokenizer_kind weft_tokenizer_spm;

/// Special tokens in two orders: by text, to find those that start at a position, and by rank, the order in which
/// they claim their places (longest first, then by id).
struct weft_splitter {
    struct weft_special {
        int32_t id;
        uint32_t rank;
    } * sorted; // by text, byte by byte; of equal texts the lowest id only
    size_t count;
    uint32_t first[257]; // those whose text begins with byte b are sorted[first[b] .. first[b + 1])
    uint32_t *by_rank;   // rank -> index in sorted
};

struct weft_tokenizer {
    const struct weft_tokenizer_kind *kind;
    int32_t size;
    char *text;      // all texts, one behind the other
    uint32_t *start; // size + 1 offsets into it
    uint8_t *type;
    float *score;    // NULL if the kind has none
    uint64_t *slots; // text -> id: open addressing by weft_hash; low half id + 1 (0: empty), high half of the hash
    size_t slot_mask;
    size_t longest;     // bytes of the longest text
    int32_t bytes[256]; // byte -> id, -1: none
    int32_t bos, eos, unknown;
    bool add_bos, add_eos, add_space_prefix;
    int32_t *stops;
    size_t n_stops;
    struct weft_splitter user, all; // user-defined only; with control and unknown
};

weft_status weft_ids_push(struct weft_ids *ids, int32_t id);

weft_status weft_splitter_create(const struct weft_tokenizer *t, bool control, struct weft_splitter *out);
void weft_splitter_destroy(struct weft_splitter *s);

/// Places of special tokens in a text, in rising order; freed with weft_free.
struct weft_special_at {
    size_t at;
    int32_t id;
};
weft_status weft_splitter_find(const struct weft_tokenizer *t, const struct weft_splitter *s, const char *text,
                               size_t len, struct weft_special_at **out, size_t *count);
#endif
