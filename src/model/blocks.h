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
    weft_dim tokens; ///< T: tokens of this run
    weft_dim reach;  ///< P: no token of this run stands at it or behind
    weft_value pos;  ///< variable: position of the run's first token; of several sequences [slots]: of each one's
    /// Of several sequences, else 0 and WEFT_NO_VALUE: variables that say how many tokens of the run are each slot's
    /// and whether it goes on, and of each token its position and its slot (ops/place_tokens.c).
    uint32_t slots;
    weft_value count, live, position, slot;
    uint32_t ctx, chunk; ///< most positions, most tokens a run
    weft_dtype cache;    ///< of keys and values: WEFT_F32 or WEFT_F16
    /// How heads are turned beside their base (model/stretch.h).
    struct weft_block_turn {
        double freq_scale, magnitude;
        weft_value factors; ///< WEFT_NO_VALUE: none
    } turn;
};

/// Whether the model has the tensor of this whole name, as a part that the family's row lists. True of what it must
/// have, so that whoever asks for it next reports what is missing.
bool weft_block_has(const struct weft_model_build *m, enum weft_family_part part, const char *name);

/// The tensor as a weight of the graph, [rows, k], or [k] with rows = 0; made once. `name` is without ".weight".
/// Errors: NOT_FOUND, FORMAT (another shape; both are named), UNSUPPORTED (type).
weft_value weft_block_weight(struct weft_model_build *m, const char *name, uint64_t rows, uint64_t k);

/// The same by the tensor's whole name.
weft_value weft_block_tensor(struct weft_model_build *m, const char *name, uint64_t rows, uint64_t k);

/// The family's norm over the last axis, of `width` elements, with the file's weight (and bias).
weft_value weft_block_norm(struct weft_model_build *m, const char *name, weft_value x, uint64_t width);

/// x [..., k] times a weight of n rows: [..., n]. There is no bias.
weft_value weft_block_linear(struct weft_model_build *m, const char *name, weft_value x, uint64_t n, uint64_t k);

/// x [T, n] as [T, heads, n / heads], and back.
weft_value weft_block_heads(struct weft_model_build *m, weft_value x, uint32_t heads, uint64_t size);
weft_value weft_block_flat(struct weft_model_build *m, weft_value x, uint64_t n);

/// Columns start .. start + len - 1 of the last axis, as a copy.
weft_value weft_block_columns(struct weft_model_build *m, weft_value x, uint64_t start, uint64_t len);

/// 0 to n - 1, u32 [n].
weft_value weft_block_counted(struct weft_model_build *m, uint32_t n);

/// A state of these sizes, behind an axis of slots if there are several.
weft_value weft_block_state(struct weft_model_build *m, const char *name, weft_dtype dtype, enum weft_state_kind kind,
                            const uint64_t *dims, uint32_t rank);

/// x + y, both [T, n].
weft_value weft_block_add(struct weft_model_build *m, const char *name, weft_value x, weft_value y);

/// Self-attention of one layer from its normed input h [T, n_embd] to the output projection [T, n_embd]: heads are
/// normed, rotated, and keys and values go to the states "cache.N.k" and "cache.N.v" before they are read.
struct weft_block_attention {
    uint32_t layer;
    bool gated; ///< attn_q gives each head a query and a gate behind it: sigmoid(gate) multiplies what it reads
};
weft_value weft_block_attention(struct weft_model_build *m, const struct weft_block_attention *a, weft_value h);

/// Its parts: queries, keys or values of h as heads [T, heads, size], neither normed nor turned, and the projection of
/// what heads read, [T, heads, size], to [T, n_embd].
enum weft_block_role { WEFT_BLOCK_Q, WEFT_BLOCK_K, WEFT_BLOCK_V };
weft_value weft_block_project(struct weft_model_build *m, const struct weft_block_attention *a,
                              enum weft_block_role role, weft_value h);
weft_value weft_block_attention_out(struct weft_model_build *m, uint32_t layer, weft_value o);

/// Feed-forward of one layer: down(act(gate(h)) * up(h)), or down(act(up(h))).
weft_value weft_block_ffn(struct weft_model_build *m, uint32_t layer, weft_value h);

/// The layer of most families (model/family.h) from the residual x [T, n_embd] to the next one.
weft_value weft_block_layer(struct weft_model_build *m, uint32_t i, weft_value x);
/// The same of Qwen 3.5.
weft_value weft_qwen35_layer(struct weft_model_build *m, uint32_t i, weft_value x);

/// Feed-forward of one layer by experts, from its normed input h [T, n_embd] to [T, n_embd]: a router (ffn_gate_inp)
/// scores them, softmax makes weights of the scores, and of the `used` largest (the first of equal ones) the sum of
///     weight * down(act(gate(h)) * up(h))
/// is taken, by rows of ffn_gate_exps, ffn_up_exps and ffn_down_exps. Which experts these are only the device knows.
struct weft_block_experts {
    uint32_t layer;
    uint32_t count, used; ///< 1 <= used <= count
    uint64_t width;       ///< of an expert: rows of its gate
    const char *act;      ///< the activation's operator
    bool normalise;       ///< the weights of the chosen are divided by their sum
    double scale;         ///< and multiplied by this
    uint64_t shared; ///< width of one more expert (ffn_*_shexp), which all tokens take, by sigmoid(ffn_gate_inp_shexp
                     ///< h); 0: none
};
weft_value weft_block_experts(struct weft_model_build *m, const struct weft_block_experts *e, weft_value h);

/// A tensor that no node reads would be a part of the model that is not computed, such as a bias. Parts for images,
/// sounds and for guessing several tokens ahead stand beside the model and take no part in it. Errors: UNSUPPORTED.
weft_status weft_block_check_used(const struct weft_model_build *m);

/// "blk.N.name" in the graph's arena; "" once failed.
const char *weft_block_name(struct weft_model_build *m, uint32_t layer, const char *name);
#endif
