/// Hyper-parameters of a language model, read from the keys of a GGUF file, with the defaults that files rely on.
#ifndef WEFT_MODEL_CONFIG_H
#define WEFT_MODEL_CONFIG_H
#include "ir/dtype.h"
#include "model/family.h"
#include "model/source.h"

#define WEFT_MODEL_MAX_LAYERS 512

/// How rotation is stretched to contexts beyond those that a model was first trained on (model/stretch.h).
struct weft_model_stretch {
    enum weft_stretch_kind {
        WEFT_STRETCH_LINEAR, ///< frequencies are divided by `factor`
        WEFT_STRETCH_LLAMA3, ///< low ones are, by wavelength
        WEFT_STRETCH_YARN,   ///< likewise, by turns
        WEFT_STRETCH_LISTS,  ///< a list for short contexts and one for long ones ("longrope")
    } kind;
    double factor;      ///< at least 0; 1: none
    double magnitude;   ///< of turned heads: attn_factor
    double low, high;   ///< LLAMA3: low_freq_factor, high_freq_factor. YARN: beta_slow, beta_fast
    double extrapolate; ///< YARN: ext_factor, 0 to 1
    uint32_t original;  ///< original_context_length
};

struct weft_model_config {
    char arch[32]; ///< general.architecture: "gemma3", "qwen35"
    const struct weft_family *family;
    uint32_t ctx_train, n_embd, n_layer, n_ff;
    uint32_t n_head, n_head_kv, head_dim; ///< head_dim counts for keys and values alike
    uint32_t n_vocab;                     ///< rows of token_embd
    double eps;                           ///< of every norm
    uint32_t window;                   ///< keys a local layer sees, the query's own included; 0: all layers are global
    bool local[WEFT_MODEL_MAX_LAYERS]; ///< layer sees only the window
    uint32_t rope_dim;                 ///< elements of a head that are rotated
    double rope_base, rope_base_local; ///< of global and of local layers
    struct weft_model_stretch stretch;
    double attn_scale;                     ///< factor of q.k
    bool scale_given;                      ///< the file says it; else it follows from the head
    double attn_softcap, softcap;          ///< of attention's scores and of the logits: c tanh(x / c); 0: none
    bool recurrent[WEFT_MODEL_MAX_LAYERS]; ///< layer has a recurrent state in place of keys and values
    /// Of layers whose tokens choose `used` of `count` experts, all 0 where there are none.
    struct {
        uint32_t count, used, width; ///< rows of an expert's gate
        uint32_t shared;             ///< of the one that all tokens take; 0: there is none
        bool sum_to_1;               ///< the weights of the chosen are divided by their sum
        double scale;                ///< and multiplied by this
    } experts;
    /// Of recurrent layers, all 0 where there are none: heads of keys (and queries) and of values, elements of a head
    /// of each, taps of the convolution in front of them.
    struct {
        uint32_t n_key, n_value, key_dim, value_dim, taps;
    } ssm;
};

/// Errors: NOT_FOUND (a required key or token_embd is missing), FORMAT (wrong type, zero or absurd values, counts that
/// do not fit each other; names key and value), UNSUPPORTED (a scaling or a head shape that Weft has no kernel for; a
/// key that asks for what Weft does not compute, see model/keys.h).
weft_status weft_model_config_read(const struct weft_source *file, struct weft_model_config *out);

/// Element type of a tensor. UNSUPPORTED names tensor and type.
weft_status weft_model_dtype(const struct weft_source_tensor *tensor, weft_dtype *out);
#endif
