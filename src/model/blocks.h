/// Blocks that decoder models share. A builder of a family is a page of calls of these.
///
/// Weights carry their tensor's name, nodes the name without ".weight" ("blk.3.attn_q"). Calls after a failure do
/// nothing; the first error stays in `b.status`.
#ifndef WEFT_MODEL_BLOCKS_H
#define WEFT_MODEL_BLOCKS_H
#include "ir/graph.h"
#include "model/config.h"

struct weft_model_build {
    struct weft_build b;
    const struct weft_source *file;
    const struct weft_model_config *config;
    weft_dim tokens;     ///< T: tokens of this run
    weft_dim reach;      ///< P: no token of this run stands at it or behind
    weft_value pos;      ///< variable: position of the run's first token
    uint32_t ctx, chunk; ///< most positions, most tokens a run
    weft_dtype cache;    ///< of keys and values: WEFT_F32 or WEFT_F16
};

/// The tensor as a weight of the graph, [rows, k], or [k] with rows = 0; made once. `name` is without ".weight".
/// Errors: NOT_FOUND, FORMAT (another shape; both are named), UNSUPPORTED (type).
weft_value weft_block_weight(struct weft_model_build *m, const char *name, uint64_t rows, uint64_t k);

/// The same by the tensor's whole name.
weft_value weft_block_tensor(struct weft_model_build *m, const char *name, uint64_t rows, uint64_t k);

/// rms_norm over the last axis, of `width` elements, with the file's weight.
weft_value weft_block_norm(struct weft_model_build *m, const char *name, weft_value x, uint64_t width);

/// x [..., k] times a weight of n rows: [..., n].
weft_value weft_block_linear(struct weft_model_build *m, const char *name, weft_value x, uint64_t n, uint64_t k);

/// x [T, n] as [T, heads, n / heads], and back.
weft_value weft_block_heads(struct weft_model_build *m, weft_value x, uint32_t heads, uint64_t size);
weft_value weft_block_flat(struct weft_model_build *m, weft_value x, uint64_t n);

/// Columns start .. start + len - 1 of the last axis, as a copy.
weft_value weft_block_columns(struct weft_model_build *m, weft_value x, uint64_t start, uint64_t len);

/// x + y, both [T, n].
weft_value weft_block_add(struct weft_model_build *m, const char *name, weft_value x, weft_value y);

/// Self-attention of one layer from its normed input h [T, n_embd] to the output projection [T, n_embd]: heads are
/// normed (if the file has attn_q_norm), rotated, and keys and values go to the ring states "cache.N.k" and "cache.N.v"
/// before they are read.
struct weft_block_attention {
    uint32_t layer;
    uint32_t window; ///< keys a query sees, its own included; 0: all
    double rope_base, rope_factor, scale;
    bool gated; ///< attn_q gives each head a query and a gate behind it: sigmoid(gate) multiplies what it reads
};
weft_value weft_block_attention(struct weft_model_build *m, const struct weft_block_attention *a, weft_value h);

/// Gated feed-forward of one layer: down(act(gate(h)) * up(h)). `act` is the operator's name.
weft_value weft_block_ffn(struct weft_model_build *m, uint32_t layer, const char *act, weft_value h);

/// "blk.N.name" in the graph's arena; "" once failed.
const char *weft_block_name(struct weft_model_build *m, uint32_t layer, const char *name);
#endif
