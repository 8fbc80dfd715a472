/// Text to token ids and back, without a model: from the vocabulary in a GGUF file or from a tokenizer.json.
#ifndef WEFT_TOKENIZER_H
#define WEFT_TOKENIZER_H
#include "weft/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A vocabulary and its rules. Immutable. Thread-safety: safe.
typedef struct weft_tokenizer weft_tokenizer;

enum weft_tokenize_flags {
    WEFT_TOKENIZE_NO_BOS = 1,  ///< leave out the BOS (and EOS) that the file asks for
    WEFT_TOKENIZE_SPECIAL = 2, ///< control tokens written out in the text become their ids; not for untrusted text
};

/// Opens a tokenizer.json where the name ends in ".json", else a GGUF file, in which nothing but a vocabulary need be.
/// The file is read and closed. On failure *out is NULL. Errors: NOT_FOUND (also a key that is needed), IO, FORMAT,
/// UNSUPPORTED (a kind of tokenizer that Weft does not know: names it), LIMIT, NOMEM.
WEFT_API weft_status weft_tokenizer_open(const char *path, weft_tokenizer **out);
/// Frees a tokenizer and sets *tokenizer to NULL. NULL, or a pointer to NULL, is fine.
WEFT_API void weft_tokenizer_close(weft_tokenizer **tokenizer);

/// Ids are 0 to size - 1; 0 for NULL.
WEFT_API int32_t weft_tokenizer_size(const weft_tokenizer *tokenizer);
/// Ids of the tokens that begin and end a text; -1: none.
WEFT_API int32_t weft_tokenizer_bos(const weft_tokenizer *tokenizer);
WEFT_API int32_t weft_tokenizer_eos(const weft_tokenizer *tokenizer);

/// Turns `length` bytes of text into ids (`flags`: enum weft_tokenize_flags). Writes at most `capacity` ids (`ids` may
/// be NULL if that is 0) and sets *count to how many there are; most texts have fewer ids than bytes. Errors: LIMIT
/// (they do not fit; *count is set), INVALID (unknown flags), NOMEM.
WEFT_API weft_status weft_tokenizer_to_ids(const weft_tokenizer *tokenizer, const char *text, size_t length,
                                           unsigned flags, int32_t *ids, size_t capacity, size_t *count);
/// The reverse: the bytes of `count` tokens, which are whole characters only if the tokens end at one. Control, unknown
/// and unused tokens give nothing, or their text if `control`. Writes at most `capacity` bytes with the closing NUL and
/// sets *length to the length without it; `text` may be NULL if `capacity` is 0. Errors: INVALID (no such id), LIMIT,
/// NOMEM.
WEFT_API weft_status weft_tokenizer_to_text(const weft_tokenizer *tokenizer, const int32_t *ids, size_t count,
                                            bool control, char *text, size_t capacity, size_t *length);

#ifdef __cplusplus
}
#endif
#endif
