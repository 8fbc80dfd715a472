/// From a model file to the graph of one of its uses: the table of model families, and how their programs are cut into
/// schedules. For engine/ and for `weft inspect`, which prints graphs and plans without a device.
#ifndef WEFT_MODEL_LM_GRAPH_H
#define WEFT_MODEL_LM_GRAPH_H
#include "compile/compile.h"
#include "model/config.h"
#include "model/decoder.h"

struct weft_lm_build {
    uint32_t ctx;   ///< 0: min(the file's, WEFT_LM_CTX)
    uint32_t chunk; ///< 0: by the kind of device
    bool cache_f16;
    uint32_t slots; ///< sequences at once, by slot; 0: one, and nothing by slot
    uint32_t rows;  ///< most rows of logits of a run; 0: as many as the head can have
    enum weft_lm_head head;
    bool sampling;
};
#define WEFT_LM_CTX 4096
#define WEFT_LM_SCORE_BYTES ((uint64_t)128 << 20) ///< most logits that a scoring run holds

/// Fills in ctx and chunk, of which each slot may have one token. Errors: LIMIT if ctx is beyond what the model was
/// made for, or holds fewer tokens than there are slots.
weft_status weft_lm_build_defaults(const struct weft_model_config *config, const struct weft_gpu_caps *caps,
                                   struct weft_lm_build *b);
/// `handles` may be NULL. Errors: UNSUPPORTED names the architecture and those that are known; else the family's.
weft_status weft_lm_build_graph(const struct weft_source *file, const struct weft_model_config *config,
                                const struct weft_lm_build *b, struct weft_decoder_handles *handles,
                                struct weft_graph **out);
/// Checks general.architecture against the table, before anything else is read: UNSUPPORTED unless it is a family that
/// generates.
weft_status weft_lm_check_family(const struct weft_source *file);
/// Schedules: one token; a few, some and more (not on CPU drivers, where kernels are costly to compile).
struct weft_compile_params weft_lm_compile_params(const struct weft_gpu_caps *caps, uint32_t chunk);
#endif
