/// Decoder-only language models as graphs: what all families have in common. The family's row (model/family.h) says
/// what the layers are.
///
/// One run takes T tokens at positions pos .. pos+T-1 and gives logits of its last R. Symbols: T (1..chunk), R
/// (0..chunk, at most T), P (1..ctx, at least pos + T: the host's bound of how far attention reaches). Variables: pos.
/// States: tokens (i32 [chunk]: what this run reads), and those of the layers (model/blocks.h).
///
/// With several slots one run takes tokens of several sequences, those of slot 0 first: variables by slot are pos,
/// count (how many of the T tokens are its) and live (whether it has a sequence that goes on), and states of the layers
/// are kept by slot. State rows (u32 [slots], or [chunk] without a sampler) says which of the T tokens each of the R
/// rows of logits is of. A token below 0 stands for the one that its slot's sampler picked last.
#ifndef WEFT_MODEL_DECODER_H
#define WEFT_MODEL_DECODER_H
#include "model/blocks.h"

#define WEFT_LM_RING 4096      ///< slots of the state "ring": ids that were picked
#define WEFT_LM_RING_SLOTS 256 ///< the same for each of several sequences
#define WEFT_LM_STOPS 64       ///< words of the state "stops": a count, then ids

/// What a run ends with. All advance pos by T.
enum weft_lm_head {
    WEFT_LM_LOGITS,   ///< output "logits", f32 [R, vocab]
    WEFT_LM_NLL,      ///< state targets (i32 [chunk]); output "nll", f32 [R]: of targets[T-R .. T)
    WEFT_LM_GENERATE, ///< R is 0 or 1: picks a token from that row by ops/sample.c, whose states have its names for
                      ///< them, and leaves it in tokens[0] for the next run
};

/// Where a graph has what its user writes and reads, so that no one looks for it by name. States and variables by the
/// number that the graph gave them (weft_value_info.state); those that a head does not have are UINT32_MAX.
struct weft_decoder_handles {
    uint32_t t, r, p; ///< places of T, R and P among the symbols
    uint32_t pos, tokens;
    uint32_t count, live, rows;               ///< of several slots
    uint32_t targets;                         ///< NLL
    uint32_t counts, ring, token, n_out, rng; ///< GENERATE: what the sampler moves on
    uint32_t sampling, stops, n_max, pos_max; ///< GENERATE: what it is told
    uint32_t output;                          ///< LOGITS, NLL: number among the program's inputs and outputs
};

struct weft_decoder_params {
    uint32_t ctx;   ///< 1 to the model's
    uint32_t chunk; ///< 1 to ctx
    bool cache_f16;
    uint32_t slots; ///< up to WEFT_MAX_SEQUENCES; 0: one sequence, and nothing by slot. NLL has no slots
    uint32_t rows;  ///< most rows of logits of a run, at most `chunk`; 0: `chunk`. GENERATE has one a sequence
    enum weft_lm_head head;
    bool sampling;                        ///< GENERATE: the full sampler; else the most likely token
    struct weft_decoder_handles *handles; ///< filled in; NULL: not wanted
};

/// The graph of a file. Errors: INVALID (params), UNSUPPORTED (a tensor that nothing computes), and those of
/// weft_block_weight. On failure *out is NULL.
weft_status weft_decoder_build(const struct weft_source *file, const struct weft_model_config *config,
                               const struct weft_decoder_params *params, struct weft_graph **out);
#endif
