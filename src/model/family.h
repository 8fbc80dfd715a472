/// Families of models: what files of an architecture mean, as a row of flags and names (families.c). Most rows are
/// computed by the plain layer (layer.c); a family that computes something else has a builder (qwen35.c).
///
/// A plain layer, from the residual x [T, n_embd]:
///   x = x + after(attn_output attention(attn_q h, attn_k h, attn_v h)), h = attn_norm x
///   x = x + after(ffn_down (act(ffn_gate h) * ffn_up h)),               h = ffn_norm x
/// Rows say which norms there are, which products have a bias, how heads are turned and what lies together in one
/// tensor.
#ifndef WEFT_MODEL_FAMILY_H
#define WEFT_MODEL_FAMILY_H
#include "model/source.h"

/// Tensors that some files have and others have not. A row lists those that its files must have and those that they
/// may have; any other is refused (a bias that is not added would be another model).
enum weft_family_part {
    WEFT_PART_QKV_BIAS = 1 << 0,    ///< attn_q.bias, attn_k.bias, attn_v.bias; attn_qkv.bias
    WEFT_PART_OUTPUT_BIAS = 1 << 1, ///< attn_output.bias
    WEFT_PART_FFN_BIAS = 1 << 2,    ///< ffn_gate.bias, ffn_up.bias, ffn_down.bias
    WEFT_PART_HEAD_NORMS = 1 << 3,  ///< attn_q_norm, attn_k_norm: RMS norms of each head
    WEFT_PART_HEAD = 1 << 4,        ///< output; without it the logits are products with token_embd
    WEFT_PART_ROPE_FREQS = 1 << 5,  ///< rope_freqs: what divides each pair's frequency
    WEFT_PART_ROPE_LISTS = 1 << 6,  ///< rope_factors_short and rope_factors_long: the same, by the context's length
};

enum weft_family_norm {
    WEFT_NORM_RMS,   ///< eps is key attention.layer_norm_rms_epsilon
    WEFT_NORM_LAYER, ///< with a bias; eps is key attention.layer_norm_epsilon
};

/// Pairs of channels of a head that are turned: "neox" takes channels i and i + n/2, "normal" 2i and 2i + 1.
enum weft_family_rope { WEFT_ROPE_NONE, WEFT_ROPE_NEOX, WEFT_ROPE_NORMAL };

/// Who builds a layer from the residual x [T, n_embd] to the next one (decoder.c).
enum weft_family_layer {
    WEFT_LAYER_PLAIN,  ///< layer.c, by the row
    WEFT_LAYER_QWEN35, ///< qwen35.c
};

/// Whether tokens choose among experts in the feed-forward: never, in files that have key expert_count, in all.
enum weft_family_experts { WEFT_EXPERTS_NONE, WEFT_EXPERTS_MAY, WEFT_EXPERTS_MUST };

#define WEFT_EVERY_LAYER UINT32_MAX ///< of local_period: no layer is global

struct weft_family {
    const char *architecture; ///< general.architecture
    const char *models;       ///< for people: "Llama 2, Llama 3"
    uint32_t must, may;       ///< enum weft_family_part, or-ed
    enum weft_family_norm norm;
    bool norms_after;   ///< post_attention_norm and post_ffw_norm behind each branch, beside those before
    bool fused_qkv;     ///< attn_qkv holds the rows of attn_q, attn_k and attn_v, in this order
    bool fused_gate_up; ///< ffn_up holds the rows of ffn_gate and ffn_up, in this order
    bool plain_ffn;     ///< ffn_down act(ffn_up h): there is no gate
    const char *act;    ///< the activation's operator
    enum weft_family_rope rope;
    bool learned_positions;   ///< a row of position_embd is added to each token's embedding
    uint32_t unturned_period; ///< heads of each such layer (the third of 3, the sixth ...) are not turned; 0: all are
    bool scaled_embedding;    ///< embeddings are multiplied by the root of their width
    double attn_softcap, softcap; ///< where a file says nothing; 0: none
    /// The last of so many layers is global and the others see a window, where a file has one and does not say which
    /// layers are local. 0: windows are refused.
    uint32_t local_period, window; ///< and the window where a file says nothing; 0: none
    bool local_rope;               ///< local layers have a base of their own, and are not stretched
    uint32_t wide_layers; ///< the one size of so many layers whose attention scale comes from the width; 0: none
    bool recurrent;       ///< takes keys "ssm.*"
    enum weft_family_experts experts; ///< in place of ffn_gate, ffn_up and ffn_down (model/blocks.h)
    bool experts_sum_to_1; ///< the weights of the chosen ones are divided by their sum, where a file says nothing
    bool shared_expert;    ///< one more stands beside them, which all tokens take
    /// Tokens see all of their text, and each text becomes a vector (model/encoder.h): there are no logits, and nothing
    /// generates. Else the family is one of model/decoder.h.
    bool encoder;
    enum weft_family_layer layer;
};

/// The family of an architecture's name (not ended by NUL). Errors: UNSUPPORTED names it and those that are known.
weft_status weft_family_find(const struct weft_source *file, const char *name, size_t length,
                             const struct weft_family **out);
/// Row i of the table; NULL behind the last.
const struct weft_family *weft_family_at(size_t i);
#endif
