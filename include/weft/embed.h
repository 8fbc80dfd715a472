/// Embeddings: texts in, a vector of each out, with an encoder model such as BERT or all-MiniLM-L6-v2.
///
///     weft_embedder_open(device, "all-MiniLM-L6-v2", NULL, &embedder);
///     struct weft_embedder_info info;
///     weft_embedder_info(embedder, &info);
///     float *vectors = malloc(2 * info.size * sizeof *vectors);
///     struct weft_text texts[] = {{"a cat", 5}, {"a kitten", 8}};
///     weft_embedder_run(embedder, texts, 2, NULL, vectors, NULL);   // their dot product is how alike they are
///
/// Texts of like lengths are computed together. What a text's vector is depends on neither its neighbours nor what
/// fills their rows up: NaN and infinities of one text stay its own, and sums of another order move the last bits at
/// most. docs/embeddings.md is the guide.
#ifndef WEFT_EMBED_H
#define WEFT_EMBED_H
#include "weft/cancel.h"
#include "weft/program.h"
#include "weft/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/// An open encoder. Thread-safety: one thread at a time uses one.
typedef struct weft_embedder weft_embedder;

/// How the vectors of a text's tokens become one.
enum weft_pooling {
    WEFT_POOLING_MODEL, ///< what the model says
    WEFT_POOLING_MEAN,  ///< their mean
    WEFT_POOLING_CLS,   ///< the first token's
    WEFT_POOLING_LAST,  ///< the last token's
};

/// How to open. Zero is the default of each field.
struct weft_embedder_params {
    size_t struct_size; ///< WEFT_SIZED, or 0 (weft/version.h)
    /// Most tokens of a text, those around it included; at most the model's positions. 0: where the model cuts texts
    /// itself, at most 2048. Working memory grows with its square.
    uint32_t max_tokens;
    uint32_t batch_tokens; ///< most tokens a run, at least max_tokens; 0: max_tokens on a CPU driver, more on a GPU
    uint32_t batch;        ///< most texts a run, at most 4096; 0: 32 on a CPU driver, 256 on a GPU
    uint64_t memory_limit; ///< refuse with LIMIT, before allocating, what needs more device bytes; 0: the device's own
    void (*progress)(void *user, enum weft_progress_stage stage, uint64_t done, uint64_t total); ///< may be NULL
    void *progress_user;
    const struct weft_cancel *cancel; ///< ends the opening soon (weft/cancel.h); may be NULL
};

struct weft_embedder_info {
    char architecture[32], name[128]; ///< as the file says, safe to print as weft_error_message; or ""
    uint32_t size;                    ///< floats of a vector
    uint32_t max_tokens;              ///< of a text, as it was opened
    uint32_t model_tokens;            ///< the most that the model has positions for
    enum weft_pooling pooling;        ///< the model's own; WEFT_POOLING_MODEL if it has none that Weft computes
    bool normalize;                   ///< the model divides vectors by their length
    struct weft_memory_use memory;
    uint64_t file_bytes;  ///< of all parts of the file
    uint64_t reserved[4]; ///< zero
};

/// A text: `length` bytes, any at all. `data` may be NULL if there are none.
struct weft_text {
    const char *data;
    size_t length;
};

/// How to embed. Zero is the default of each field.
struct weft_embed_params {
    size_t struct_size;        ///< WEFT_SIZED, or 0 (weft/version.h)
    enum weft_pooling pooling; ///< WEFT_POOLING_MODEL where the model says none is INVALID
    bool raw;                  ///< vectors as pooling leaves them, though the model divides them by their length
    bool normalize;            ///< vectors of length 1, though the model leaves theirs; INVALID beside `raw`
    bool truncate;             ///< texts of too many tokens are cut, those behind a text kept; else they are LIMIT
    unsigned tokenize;         ///< enum weft_tokenize_flags; WEFT_TOKENIZE_SPECIAL is not for untrusted text
    uint32_t *tokens;          ///< gets the tokens of each text, those that were cut off not counted; may be NULL
    /// Called from the calling thread after each run with how many texts are done; must not use the embedder. May be
    /// NULL.
    void (*each)(void *user, size_t done, size_t count);
    void *user;
    const struct weft_cancel *cancel; ///< ends the call soon (weft/cancel.h); may be NULL
};

struct weft_embed_stats {
    uint64_t tokens;      ///< of all texts, without what filled rows up
    uint64_t slots;       ///< with it
    uint64_t truncated;   ///< texts that were cut
    uint64_t runs;        ///< of the program
    double seconds;       ///< wall clock, tokens and all
    uint64_t reserved[4]; ///< zero
};

/// Opens a GGUF file or a folder of Hugging Face (docs/sources.md) on a device, which must outlive the embedder.
/// `params` may be NULL. The file must not change while it is open. On failure *out is NULL. Errors: NOT_FOUND, IO,
/// FORMAT (names key or tensor), UNSUPPORTED (an architecture that is no encoder; a key, tensor or module that Weft
/// does not compute: names it), INVALID (params), LIMIT (memory), CANCELLED, NOMEM, DEVICE, LOST.
WEFT_API weft_status weft_embedder_open(weft_device *device, const char *path,
                                        const struct weft_embedder_params *params, weft_embedder **out);
/// Frees an embedder and sets *embedder to NULL. NULL, or a pointer to NULL, is fine.
WEFT_API void weft_embedder_close(weft_embedder **embedder);

/// Fills *out.
WEFT_API weft_status weft_embedder_info(const weft_embedder *embedder, struct weft_embedder_info *out);
/// Its tokenizer and its program, which stay the embedder's; NULL for NULL.
WEFT_API const weft_tokenizer *weft_embedder_tokenizer(const weft_embedder *embedder);
WEFT_API weft_program *weft_embedder_program(const weft_embedder *embedder);

/// Writes the vectors of `count` texts to vectors[count][size]. Blocks. `params` and `stats` may be NULL. Nothing is
/// computed before all texts have their tokens. Errors: LIMIT (a text of too many tokens: names which, how many and the
/// way out), INVALID (params; a text without any token; no pooling), FORMAT (a vector has NaN or infinities, which a
/// damaged file gives), CANCELLED, NOMEM, DEVICE, LOST. After an error the vectors are undefined.
WEFT_API weft_status weft_embedder_run(weft_embedder *embedder, const struct weft_text *texts, size_t count,
                                       const struct weft_embed_params *params, float *vectors,
                                       struct weft_embed_stats *stats);
/// The same of ids: text i has counts[i] of them, behind those of text i - 1, with what stands around a text, so that
/// `truncate` keeps the last ones (of `tokenize` only WEFT_TOKENIZE_NO_BOS counts: nothing stands around them). Errors
/// also: INVALID (an id outside the vocabulary).
WEFT_API weft_status weft_embedder_run_ids(weft_embedder *embedder, const int32_t *ids, const size_t *counts,
                                           size_t count, const struct weft_embed_params *params, float *vectors,
                                           struct weft_embed_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
