/// What the files of the language model share. Only engine/ includes this.
#ifndef WEFT_ENGINE_LM_IMPL_H
#define WEFT_ENGINE_LM_IMPL_H
#include "engine/held.h"
#include "engine/lm.h"
#include "model/lm_graph.h"

/// A program of one head and its session.
struct weft_lm_engine {
    weft_program *program;
    weft_session *session;
    struct weft_lm_build build;
    struct weft_decoder_handles at;
    uint32_t pos;                ///< host's count of tokens fed since the reset
    struct weft_held held;       ///< of generation
    struct weft_lm_engine *next; ///< of those of batches
};

struct weft_model {
    weft_gpu *gpu;
    struct weft_source *file;
    struct weft_tokenizer *tokenizer;
    struct weft_model_config config;
    struct weft_model_params params;
    struct weft_lm_build build; ///< of generation, defaults filled in
    struct weft_lm_engine generate, score, logits, beams;
    struct weft_lm_engine *batches; ///< of batches that are not destroyed
    uint32_t max_runs;
};

/// Makes an engine whose submits have up to max_runs runs, sharing weights with one that is there. Errors: those of
/// compiling; LIMIT if it needs more memory than there is.
weft_status weft_lm_engine_create(weft_lm *lm, const struct weft_lm_build *build, uint32_t max_runs,
                                  struct weft_lm_engine *e);
void weft_lm_engine_destroy(struct weft_lm_engine *e);

/// Empty caches, position 0, active.
weft_status weft_lm_engine_reset(struct weft_lm_engine *e);
/// Live sizes for runs of t tokens with r rows of logits each, of which none reaches position `end`. That bound is
/// rounded up, so that sizes change rarely. Errors: LIMIT (it is beyond the context).
weft_status weft_lm_engine_size(struct weft_lm_engine *e, uint32_t t, uint32_t r, uint64_t end);
/// Live sizes for `runs` runs of t tokens with r rows of logits each, from the current position.
weft_status weft_lm_engine_resize(struct weft_lm_engine *e, uint32_t t, uint32_t r, uint32_t runs);
/// Writes `t` tokens and runs them as one run. *serial may be NULL.
weft_status weft_lm_engine_feed(struct weft_lm_engine *e, const int32_t *ids, uint32_t t, uint32_t r, uint64_t *serial);
/// Every id within the vocabulary. Errors: INVALID names the first that is not.
weft_status weft_lm_check_ids(const weft_lm *lm, const int32_t *ids, uint32_t n);
#endif
