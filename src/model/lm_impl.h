/// What the files of the language model share. Only lm*.c include this.
#ifndef WEFT_MODEL_LM_IMPL_H
#define WEFT_MODEL_LM_IMPL_H
#include "model/lm.h"
#include "model/lm_graph.h"

/// A program of one head and its session.
struct weft_lm_engine {
    weft_program *program;
    weft_session *session;
    struct weft_lm_build build;
    int symbol_t, symbol_r, symbol_p; ///< places of the symbols; -1: the graph has none of that name
    uint32_t n_symbols;
    uint32_t pos; ///< host's count of tokens fed since the reset
};

struct weft_lm {
    weft_gpu *gpu;
    struct weft_source *file;
    struct weft_source_room room; ///< of the weight that was asked for last
    struct weft_tokenizer *tokenizer;
    struct weft_model_config config;
    struct weft_lm_params params;
    struct weft_lm_build build; ///< of generation, defaults filled in
    struct weft_lm_engine generate, score, logits;
    uint32_t max_runs;
};

/// Makes an engine, sharing weights with one that is there. Errors: those of compiling; LIMIT if it needs more memory
/// than there is.
weft_status weft_lm_engine_create(weft_lm *lm, const struct weft_lm_build *build, struct weft_lm_engine *e);
void weft_lm_engine_destroy(struct weft_lm_engine *e);

/// Empty caches, position 0, active.
weft_status weft_lm_engine_reset(struct weft_lm_engine *e);
/// Live sizes for `runs` runs of t tokens with r rows of logits each, from the current position. The bound of positions
/// is rounded up, so that sizes change rarely.
weft_status weft_lm_engine_resize(struct weft_lm_engine *e, uint32_t t, uint32_t r, uint32_t runs);
/// Writes `t` tokens and runs them as one run. *serial may be NULL.
weft_status weft_lm_engine_feed(struct weft_lm_engine *e, const int32_t *ids, uint32_t t, uint32_t r, uint64_t *serial);
/// Bytes of a state of the program; 0 if it has none of that name.
uint64_t weft_lm_state_bytes(const struct weft_lm_engine *e, const char *name);
/// Every id within the vocabulary. Errors: INVALID names the first that is not.
weft_status weft_lm_check_ids(const weft_lm *lm, const int32_t *ids, uint32_t n);
/// Makes generation's engine if it is not there yet.
weft_status weft_lm_prepare_generate(weft_lm *lm);
#endif
