/// Language models from files: text in, text out, on top of graphs, programs and sessions.
///
/// Files: GGUF (version 2 and 3, also split) and folders of Hugging Face, of the families that docs/models.md lists.
/// Opening maps the files, builds the family's graph, compiles it and uploads the weights; the bits a weight takes in
/// the file are those it takes on the device (K types and IQ4_XS: up to 6 % more). Activations are f32, and so is the
/// key and value cache unless asked otherwise. One text at a time is here and in weft/chat.h, several are in
/// weft/batch.h.
///
/// Sampling happens on the device; ids are read behind. The same seed gives the same text on the same device.
#ifndef WEFT_MODEL_H
#define WEFT_MODEL_H
#include "weft/program.h"
#include "weft/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/// An open model. Thread-safety: one thread at a time uses a model; tokenizing is safe from several.
typedef struct weft_model weft_model;

/// How to open. Zero is the default of each field.
struct weft_model_params {
    size_t struct_size; ///< WEFT_SIZED, or 0 (weft/version.h)
    uint32_t ctx;       ///< tokens of context, prompt and new ones together; 0: the model's own, at most 4096
    uint32_t chunk;     ///< most prompt tokens a run, at most `ctx`; 0: 64 on a CPU driver, 512 on a GPU
    uint32_t runs;      ///< decode runs a submit, at most 64; 0: by measured time
    bool cache_f16;     ///< key and value cache in f16: half the memory, slightly less exact
    enum weft_numbers numbers;
    bool greedy;           ///< without the sampler: fewer and smaller kernels, but temp must stay 0
    bool lazy;             ///< compile when first needed: for callers that only tokenize or score
    uint64_t memory_limit; ///< refuse with LIMIT, before allocating, what needs more device bytes; 0: the device's own
    /// May be NULL: see enum weft_progress_stage. Also called when something is compiled later.
    void (*progress)(void *user, enum weft_progress_stage stage, uint64_t done, uint64_t total);
    void *progress_user;
    /// May be NULL. Ends with CANCELLED what the model does: opening, what is compiled later, weft_model_perplexity and
    /// weft_model_logits; and generation, texts of a batch too, with WEFT_STOP_CALLER. It must live until the model is
    /// closed. Needs WEFT_SIZED (weft/version.h).
    const struct weft_cancel *cancel;
};

struct weft_model_info {
    char architecture[32], name[128]; ///< as the file says, safe to print as weft_error_message; or ""
    uint32_t vocab;                   ///< ids are 0 to vocab - 1
    uint32_t ctx;                     ///< tokens of context it was opened with
    int32_t bos, eos;                 ///< -1: none
    struct weft_memory_use memory;    ///< of generation; zero until it is compiled (`lazy`)
    uint64_t file_bytes;              ///< of all parts of the file
    uint64_t reserved[4];             ///< zero
};

/// Sampling parameters; zero of each is "off". A value outside its range, NaN included, is INVALID.
struct weft_sampling {
    float temp;                ///< 0 to 1e6; below 1e-4 the likeliest token is taken always
    uint32_t top_k;            ///< of the likeliest tokens so many; more than there are: all
    float top_p, min_p;        ///< 0 to 1; top_p 0 or 1: off
    float repetition;          ///< above 1e-6, below 1e6; 0 or 1: off. Penalties count generated tokens
    float frequency, presence; ///< above -1e6, below 1e6
    uint64_t seed;
    uint64_t reserved[4]; ///< zero
};

/// What `weft run` samples with if nothing is said; seed 0.
WEFT_API struct weft_sampling weft_sampling_defaults(void);

/// What to generate. Zero is the default of each field.
struct weft_model_generate_params {
    size_t struct_size; ///< WEFT_SIZED, or 0 (weft/version.h)
    struct weft_sampling sampling;
    uint32_t max_tokens;     ///< 0: until the context is full
    unsigned tokenize;       ///< enum weft_tokenize_flags, for the prompt
    const int32_t *stop_ids; ///< ids that end the text, beside the model's own
    uint32_t n_stop_ids;
    const char *const *stop_texts; ///< texts that end the text; they are not passed on. At most 16, none empty, UTF-8
    size_t n_stop_texts;
    bool ignore_stops; ///< go on behind the model's own stop tokens
    /// What the caches hold of the prompt's beginning, from the call before, is not computed again (`cached_tokens` of
    /// weft_generate_stats). Its ids are those from empty caches within what docs/numbers.md says of other chunks. A
    /// batch does this always.
    bool reuse;
    /// Called from the calling thread with text as it comes: whole UTF-8 characters (bytes that are none pass as they
    /// are), not ended by NUL. Returns false to stop, and gets no more text then. May be NULL.
    bool (*text)(void *user, const char *text, size_t length);
    /// Called likewise with each new id, before its text; a stop token is not passed on. May be NULL.
    bool (*token)(void *user, int32_t id);
    void *user;
    const struct weft_cancel *cancel; ///< ends it soon, beside that of weft_model_params; may be NULL
};

enum weft_stop_reason {
    WEFT_STOP_TOKEN,   ///< a stop token
    WEFT_STOP_LENGTH,  ///< max_tokens
    WEFT_STOP_CONTEXT, ///< prompt and new tokens fill the context
    WEFT_STOP_CALLER,  ///< a callback or `cancel`
    WEFT_STOP_TEXT,    ///< a stop text
};

struct weft_generate_stats {
    uint32_t prompt_tokens, new_tokens;
    uint32_t cached_tokens; ///< of the prompt, that the caches held from before (weft/chat.h)
    double prefill_seconds, first_token_seconds, decode_seconds; ///< wall clock
    double decode_host_seconds; ///< host time of encoding during decode, without the implementation's submit call
    uint32_t dispatches_per_token, runs_per_submit;
    enum weft_stop_reason reason;
    uint64_t reserved[4]; ///< zero
};

/// Opens a GGUF file (the first, if it is split) or a folder of Hugging Face (docs/sources.md) on a device, which must
/// outlive the model. `params` may be NULL. The file must not change while it is open. On failure *out is NULL. Blocks;
/// a thread of its own may do it while others use the device. Errors:
/// NOT_FOUND, IO, FORMAT (names key or tensor), UNSUPPORTED (architecture, tokenizer or type; a key or tensor of the
/// file asks for what Weft does not compute: names it), INVALID (params), LIMIT (memory or context), CANCELLED, NOMEM,
/// DEVICE, LOST.
WEFT_API weft_status weft_model_open(weft_device *device, const char *path, const struct weft_model_params *params,
                                     weft_model **out);
/// Frees a model and sets *model to NULL. NULL, or a pointer to NULL, is fine.
WEFT_API void weft_model_close(weft_model **model);

/// Compiles what generation needs and loads the weights, if that is not done yet (`lazy`). Errors: those of
/// weft_model_open.
WEFT_API weft_status weft_model_prepare(weft_model *model);
/// Fills *out.
WEFT_API weft_status weft_model_info(const weft_model *model, struct weft_model_info *out);
/// The program of generation, to look at; it stays the model's. NULL until it is compiled (`lazy`).
WEFT_API weft_program *weft_model_program(const weft_model *model);

/// The model's tokenizer, which stays the model's; NULL for NULL.
WEFT_API const weft_tokenizer *weft_model_tokenizer(const weft_model *model);
/// Turns `length` bytes of text into ids (`flags`: enum weft_tokenize_flags). Writes at most `capacity` ids (`ids` may
/// be NULL if that is 0) and sets *count to how many there are. Errors: LIMIT (they do not fit; *count is set), NOMEM.
WEFT_API weft_status weft_model_tokenize(const weft_model *model, const char *text, size_t length, unsigned flags,
                                         int32_t *ids, size_t capacity, size_t *count);
/// The reverse; control tokens give nothing. Writes at most `capacity` bytes with the closing NUL and sets *length to
/// the length without it; `text` may be NULL if `capacity` is 0. Errors: INVALID (no such id), LIMIT, NOMEM.
WEFT_API weft_status weft_model_detokenize(const weft_model *model, const int32_t *ids, size_t count, char *text,
                                           size_t capacity, size_t *length);

/// Continues a prompt (`length` bytes of text) from an empty cache. `params` and `stats` may be NULL. Blocks; text and
/// tokens come through the callbacks, which must not use the model. Prompt and new tokens are at most the context
/// together: a prompt that fills it gets no new one. Errors: LIMIT (the prompt does not fit the context; more than 63
/// stop tokens, with the model's own), INVALID (an empty prompt without BOS, a sampling parameter outside its range, a
/// temperature on a model opened as greedy), FORMAT (all logits are NaN, so that there is no next token: the file is
/// damaged, or values overflow), CANCELLED (only while it compiles what it needs), NOMEM, DEVICE, LOST. After an error
/// text and tokens so far were passed on.
WEFT_API weft_status weft_model_generate(weft_model *model, const char *prompt, size_t length,
                                         const struct weft_model_generate_params *params,
                                         struct weft_generate_stats *stats);
/// The same after `count` ids, BOS included by the caller.
WEFT_API weft_status weft_model_generate_ids(weft_model *model, const int32_t *ids, size_t count,
                                             const struct weft_model_generate_params *params,
                                             struct weft_generate_stats *stats);

/// How well the model predicts a text: the text is tokenized once (control tokens as plain text), cut into chunks of
/// `ctx` tokens (0: 512), BOS takes the place of each chunk's first, and the second half of each is scored from an
/// empty cache. At most `chunks` of them (0: all). *figure is exp of the mean negative log-likelihood; it is NaN or
/// infinite where the model's logits are, and the status is OK. `each` may be NULL; it gets the figure so far after
/// every chunk. Errors: INVALID or LIMIT (a text of fewer than two chunks, a context beyond the model's), CANCELLED.
WEFT_API weft_status weft_model_perplexity(weft_model *model, const char *text, size_t length, uint32_t ctx,
                                           uint32_t chunks,
                                           void (*each)(void *user, uint32_t chunk, uint32_t chunks, double figure),
                                           void *user, double *figure);

/// Logits after each of `count` ids, from an empty cache: row i (`vocab` floats) predicts id i + 1. `logits` takes
/// count * vocab floats. Errors: LIMIT (beyond the context), INVALID (an id outside the vocabulary), CANCELLED.
WEFT_API weft_status weft_model_logits(weft_model *model, const int32_t *ids, size_t count, float *logits);

#ifdef __cplusplus
}
#endif
#endif
