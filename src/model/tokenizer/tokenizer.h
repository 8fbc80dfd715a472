/// Text to token ids and back, from the vocabulary inside a GGUF file or a tokenizer.json (docs/tokenizers.md).
///
/// Kinds, by `tokenizer.ggml.model`: "llama" (SentencePiece-style merges by score), "gpt2" (byte-level merges by rank,
/// within the words that `tokenizer.ggml.pre` asks for), "gemma4" (merges by rank of characters), "bert" (WordPiece),
/// "t5" (unigram). Others give ERR_UNSUPPORTED. Encoding takes any bytes, zero bytes and broken UTF-8 included, and
/// costs O(n log n).
///
/// WordPiece forgets blanks, case and what it does not know, and a character mapping forgets what it mapped. Else
/// decoding gives the same bytes back, with two exceptions. Where the vocabulary writes spaces as U+2581, a literal
/// U+2581 comes back as a space, and a space behind a lead byte that lacks its continuation as U+2581. And a byte is
/// lost for which a byte-level vocabulary has neither a token nor an unknown token; some lack bytes that UTF-8 never
/// has.
///
/// Thread-safety: a tokenizer is immutable and may be shared; a decoder belongs to one thread at a time.
#ifndef WEFT_MODEL_TOKENIZER_H
#define WEFT_MODEL_TOKENIZER_H
#include "core/str.h"
#include "model/source.h"
#include "weft/tokenizer.h" // weft_tokenizer, opening one, its size, bos and eos
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Ids that grow; zero is empty. Freed with weft_ids_free.
struct weft_ids {
    int32_t *data;
    size_t count, cap;
};
void weft_ids_free(struct weft_ids *ids);

/// Kinds of tokens, with their numbers in `tokenizer.ggml.token_type`.
enum weft_token_type {
    WEFT_TOKEN_NORMAL = 1,
    WEFT_TOKEN_UNKNOWN = 2,
    WEFT_TOKEN_CONTROL = 3,
    WEFT_TOKEN_USER_DEFINED = 4,
    WEFT_TOKEN_UNUSED = 5,
    WEFT_TOKEN_BYTE = 6,
};

/// Of the keys "tokenizer.ggml.", or of a whole tokenizer.json in "tokenizer.huggingface.json" where they are not
/// there. Copies what it needs: the source may be closed afterwards. Errors: NOT_FOUND (a needed key is missing),
/// FORMAT (wrong types or lengths, ids beyond the vocabulary), UNSUPPORTED (another kind of tokenizer), NOMEM.
weft_status weft_tokenizer_create(const struct weft_source *file, struct weft_tokenizer **out);

/// The same from a tokenizer.json (Hugging Face): BPE, WordPiece and Unigram. `name` is for messages. Its kind is the
/// model's type. What such a file asks for and Weft does not know is refused by name. Ids below `least` that are no
/// token are unused ones: models have more rows than tokens. Errors: FORMAT, UNSUPPORTED, LIMIT, NOMEM.
weft_status weft_tokenizer_create_json(const char *name, const char *text, size_t len, size_t least,
                                       struct weft_tokenizer **out);

void weft_tokenizer_destroy(struct weft_tokenizer *t); ///< NULL is fine

enum weft_encode_flags {
    WEFT_ENCODE_ADD_BOS = 1,       ///< BOS in front and EOS behind, as far as the file asks for them
    WEFT_ENCODE_PARSE_SPECIAL = 2, ///< control tokens written out in the text become their ids
};

/// Appends the ids of text[0, len) to `out`. User-defined tokens are recognised always, control tokens with
/// PARSE_SPECIAL only. A BOS in the text is kept beside the one added. On failure `out` is as before.
/// Errors: NOMEM, LIMIT (a third of 2 GiB and more between two special tokens).
weft_status weft_tokenizer_encode(const struct weft_tokenizer *t, const char *text, size_t len, unsigned flags,
                                  struct weft_ids *out);

struct weft_template_run;

/// Appends the ids of a text that a chat template rendered, of which `runs` says what is the template's and what data
/// (model/template/template.h). A control token counts only where all its bytes are the template's: what a user writes
/// can't end a turn, whatever stands beside it. Between control tokens the text is one, across runs. Tokens behind the
/// last run are data. With ADD_BOS, a BOS that the file asks for stands in front, unless the template wrote it; nothing
/// is put behind. Errors as above.
weft_status weft_tokenizer_encode_runs(const struct weft_tokenizer *t, const char *text, size_t len,
                                       const struct weft_template_run *runs, size_t n_runs, unsigned flags,
                                       struct weft_ids *out);

/// Whether a token is used as control: by its type, or a user-defined one that is BOS, EOS or a stop, or that is
/// written as `<|...|>`, since files call some of these user-defined.
bool weft_tokenizer_is_control(const struct weft_tokenizer *t, int32_t id);

/// Appends the bytes of one token, which need not be whole characters. Control, unknown and unused tokens give
/// nothing, or their text if `show_control`. Errors: INVALID (no such id), NOMEM.
weft_status weft_tokenizer_decode(const struct weft_tokenizer *t, int32_t id, bool show_control, struct weft_str *out);

/// Turns a stream of ids into text that is cut at whole UTF-8 characters only. Zero (but for the first two
/// fields) is the start.
struct weft_decoder {
    const struct weft_tokenizer *tokenizer;
    bool show_control;
    unsigned held; ///< bytes in `bytes`: the start of a character whose rest is still to come
    unsigned char bytes[4];
};

/// Appends what can be shown after `id`; bytes that can't become a character pass as they are.
weft_status weft_decoder_push(struct weft_decoder *d, int32_t id, struct weft_str *out);

/// At the end: appends what was held back. The decoder is at its start again.
weft_status weft_decoder_flush(struct weft_decoder *d, struct weft_str *out);

/// Whether generation ends at this id: the file's eos, eot and eom ids, and those control tokens (by the file's
/// types) whose text is a known end-of-turn mark. A token of another type never stops, whatever its text.
bool weft_tokenizer_is_stop(const struct weft_tokenizer *t, int32_t id);

/// The stop ids in rising order, for samplers that test them on the device. The memory is the tokenizer's.
const int32_t *weft_tokenizer_stop_ids(const struct weft_tokenizer *t, size_t *count);

/// How many ids ADD_BOS puts in front of a text and behind it.
void weft_tokenizer_around(const struct weft_tokenizer *t, size_t *front, size_t *behind);

bool weft_tokenizer_adds_bos(const struct weft_tokenizer *t);
const char *weft_tokenizer_kind(const struct weft_tokenizer *t); ///< "llama", "gpt2"

/// Text as it stands in the vocabulary (not 0-terminated) and type; an id out of range gives {NULL, 0} and 0.
struct weft_source_str weft_tokenizer_text(const struct weft_tokenizer *t, int32_t id);
enum weft_token_type weft_tokenizer_type(const struct weft_tokenizer *t, int32_t id);

/// Id of a vocabulary text, -1 if there is none. Of equal texts the one with the highest id counts.
int32_t weft_tokenizer_find(const struct weft_tokenizer *t, const char *text, size_t len);
#endif
