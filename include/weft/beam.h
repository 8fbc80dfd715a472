/// Beam search: the likeliest continuations of a prompt, as far as a search of some width finds them.
///
///     weft_model_beams(model, prompt, strlen(prompt), &(struct weft_beam_params){.beams = 4}, &beams);
///     weft_beams_result(beams, 0, &best);       // best.text, best.score
///     weft_beams_destroy(&beams);
///
/// A beam is a beginning of a reply. Each step takes, of all tokens behind all beams, those whose sums of log
/// probabilities are the largest, as many as there are beams; what ends by a stop token leaves the search with its
/// place. One beam is greedy generation, and as many as there are texts find the likeliest one. All beams share a run
/// of the device, and the prompt is read once. docs/batch.md says more.
#ifndef WEFT_BEAM_H
#define WEFT_BEAM_H
#include "weft/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/// What to search for. Zero is the default of each field.
struct weft_beam_params {
    size_t struct_size;  ///< WEFT_SIZED, or 0 (weft/version.h)
    uint32_t beams;      ///< 1 to 64; 0: 4
    uint32_t results;    ///< at most so many of the best, at most `beams`; 0: 1
    uint32_t max_tokens; ///< of a text; 0: until the context is full
    /// Texts of different lengths are compared by score = sum of log probabilities / length^length_penalty, where
    /// length counts the new tokens and the stop token: the `length_penalty` of Hugging Face transformers' beam search.
    /// 0: the sum, 1: its mean a token; above 0 favours longer texts. -10 to 10.
    float length_penalty;
    unsigned tokenize;       ///< enum weft_tokenize_flags, for the prompt
    const int32_t *stop_ids; ///< ids that end a text, beside the model's own
    uint32_t n_stop_ids;
    bool ignore_stops;                ///< the model's own stop tokens are tokens like others
    const struct weft_cancel *cancel; ///< ends the search soon, beside that of weft_model_params; may be NULL
};

/// A text that was found.
struct weft_beam_result {
    const int32_t *ids; ///< the new ones, without the stop token
    size_t count;
    const char *text; ///< of these ids, as weft_model_generate passes it on, ended by NUL
    size_t length;
    double log_probability; ///< sum of the natural logs, the stop token's among them
    double score;
    enum weft_stop_reason reason; ///< TOKEN, LENGTH or CONTEXT
    uint64_t reserved[4];         ///< zero
};

struct weft_beam_stats {
    uint32_t prompt_tokens;
    uint32_t steps;                         ///< choices among ways on
    uint64_t tokens;                        ///< of all beams, that were run behind the prompt
    double prefill_seconds, search_seconds; ///< wall clock: until the prompt's logits were read; behind that
    uint64_t reserved[4];                   ///< zero
};

/// What a search found. It does not need the model any more. Thread-safety: reads are safe from several threads.
typedef struct weft_beams weft_beams;

/// Searches from a prompt (`length` bytes of text). `params` may be NULL. Blocks. Compiles a program for so many beams
/// when first needed, which the model keeps until it is asked for another number. On failure *out is NULL. A prompt
/// that fills the context has one result without tokens, of score 0. Ends early where no beam can score better than the
/// results that there are. Errors: INVALID (more than 64 beams, more results than beams, a penalty outside its range or
/// NaN, an empty prompt without BOS, an id outside the vocabulary), LIMIT (the prompt does not fit the context, which
/// also needs as many tokens as there are beams; more than 63 stop tokens; memory), FORMAT (a beam of which all logits
/// are NaN or minus infinity, so that there is no next token), CANCELLED, NOMEM, DEVICE, LOST.
WEFT_API weft_status weft_model_beams(weft_model *model, const char *prompt, size_t length,
                                      const struct weft_beam_params *params, weft_beams **out);
/// The same after `count` ids, BOS included by the caller.
WEFT_API weft_status weft_model_beams_ids(weft_model *model, const int32_t *ids, size_t count,
                                          const struct weft_beam_params *params, weft_beams **out);
/// How many results there are; 0 for NULL.
WEFT_API size_t weft_beams_count(const weft_beams *beams);
/// Fills *out with result `index`, best score first, of equal ones what ended first. What it points to lives as long as
/// `beams`. Errors: INVALID (no such result).
WEFT_API weft_status weft_beams_result(const weft_beams *beams, size_t index, struct weft_beam_result *out);
/// Fills *out.
WEFT_API weft_status weft_beams_stats(const weft_beams *beams, struct weft_beam_stats *out);
/// Frees what a search found and sets *beams to NULL. NULL, or a pointer to NULL, is fine.
WEFT_API void weft_beams_destroy(weft_beams **beams);

#ifdef __cplusplus
}
#endif
#endif
