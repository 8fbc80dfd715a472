/// Inside of the reader of Hugging Face folders. For hf*.c only.
#ifndef WEFT_MODEL_HF_IMPL_H
#define WEFT_MODEL_HF_IMPL_H
#include "core/json_read.h"
#include "model/hf.h"
#include "model/safetensors.h"
#include "model/source_impl.h"

// ---- the tables ----------------------------------------------------------------------------------------------------

enum weft_hf_use {
    WEFT_HF_COUNT,  ///< a whole number, as u32
    WEFT_HF_NUMBER, ///< a number, as f32, which GGUF files have
    WEFT_HF_MUST,   ///< refused unless it is `to`, or one of several with '|' between
    WEFT_HF_SKIP,   ///< changes nothing, or hf_config.c reads it by name
};

/// A member of config.json.
struct weft_hf_key {
    const char *from;
    enum weft_hf_use use;
    const char *to;  ///< GGUF's key behind the architecture's prefix
    double fallback; ///< where config.json is silent, the library's value; 0: there is none
};

enum weft_hf_change {
    WEFT_HF_AS_IT_IS,
    WEFT_HF_QUERY,      ///< rows of heads that are rotated; in pairs where the family has flag PAIRS
    WEFT_HF_KEY,        ///< the same, of key heads
    WEFT_HF_FACTOR,     ///< a norm's weight; one more where the family has flag PLUS_ONE
    WEFT_HF_TRANSPOSED, ///< stored as [in, out]
    WEFT_HF_VECTOR,     ///< a product of one row, stored as [1, in], which GGUF has as a vector
    WEFT_HF_CHANNELS,   ///< q, k and value heads of a recurrent layer behind each other; the value heads take turns
    WEFT_HF_VALUES,     ///< rows of value heads, which take turns
    WEFT_HF_VALUE,      ///< the same, one row a head
    WEFT_HF_DECAY,      ///< the same, as -exp
    WEFT_HF_OUT,        ///< columns of value heads, which take turns
};

/// A tensor's name without ".weight" or ".bias". In `from` '#' stands for the layer and '*' for the expert, whose
/// tensors are joined; a `from` that ends in '.' stands for all that begin so. `to` NULL: the tensor is not wanted.
struct weft_hf_name {
    const char *from, *to;
    enum weft_hf_change change;
};

enum weft_hf_flags {
    WEFT_HF_PAIRS = 1, ///< GGUF has elements that are rotated together beside each other, the folder half a head apart
    WEFT_HF_PLUS_ONE = 2, ///< the folder has norm weights less 1
};

struct weft_hf;
struct weft_hf_family {
    const char *type;               ///< model_type
    const char *arch;               ///< general.architecture
    const struct weft_hf_key *keys; ///< in front of the common ones; the last has no `from`
    const struct weft_hf_name *names;
    unsigned flags;
    weft_status (*more)(struct weft_hf *hf); ///< keys that follow from several members; may be NULL
};

/// NULL: no row has that model_type, whose name is not ended by NUL.
const struct weft_hf_family *weft_hf_find(const char *type, size_t len);
/// The types that there are, with commas between.
void weft_hf_types(struct weft_str *out);
extern const struct weft_hf_key weft_hf_common_keys[];
extern const struct weft_hf_name weft_hf_common_names[];
extern const char *const weft_hf_prefixes[]; ///< that may stand in front of names; NULL at the end

// ---- what translates -----------------------------------------------------------------------------------------------

struct weft_hf {
    struct weft_source *source; ///< where all goes
    const struct weft_hf_family *family;
    struct weft_json_value root;   ///< config.json
    struct weft_json_value config; ///< the language model's part of it
};

/// Chooses the family and fills in the keys.
weft_status weft_hf_config(struct weft_hf *hf);
/// The row of a member; NULL: there is none.
const struct weft_hf_key *weft_hf_find_key(const struct weft_hf *hf, const char *name, size_t len);
/// What the family's row of a member says for want of it; 0: nothing.
double weft_hf_fallback(const struct weft_hf *hf, const char *from);
/// Rotary positions, windows and scales, which have several members each.
weft_status weft_hf_attention(struct weft_hf *hf);
/// Fills in the tensors.
weft_status weft_hf_tensors(struct weft_hf *hf, const struct weft_safetensors *list);

/// What a folder of Sentence Transformers says of embeddings, as keys "ARCH.embedding.*" and "ARCH.pooling_type"
/// (model/pooling.h): modules.json, the file of the module that pools, and sentence_bert_config.json with
/// config_sentence_transformers.json. Each is NULL where the file is not there. Errors: FORMAT.
struct weft_hf_sentence {
    const struct weft_json_value *modules, *pooling, *limits, *prompts;
};
weft_status weft_hf_sentence(struct weft_hf *hf, const struct weft_hf_sentence *files);
/// Where modules.json has the module that pools: a folder's plain name, in *len bytes; NULL: nowhere. Errors: FORMAT.
weft_status weft_hf_pooling_folder(const struct weft_json_value *modules, const char **name, size_t *len);

/// "ARCH.name", in the source's arena. NULL: out of memory.
const char *weft_hf_key_name(const struct weft_hf *hf, const char *name);
/// A member's value as a number that f32 can hold, and as a count; whole numbers may be written as 8.0 too. Errors:
/// FORMAT names it.
weft_status weft_hf_to_number(const struct weft_json_value *m, const char *name, double *out);
weft_status weft_hf_to_count(const struct weft_json_value *m, const char *name, uint32_t *out);
/// A number of config.json, or of a part of it; `fallback` if it is absent or null. Errors: FORMAT names it.
weft_status weft_hf_number(const struct weft_json_value *v, const char *name, double fallback, double *out);
/// The same, of whole numbers.
weft_status weft_hf_count(const struct weft_json_value *v, const char *name, uint32_t fallback, uint32_t *out);
/// A member that is there and not null; else NULL.
const struct weft_json_value *weft_hf_member(const struct weft_json_value *v, const char *name);
/// Put values under "ARCH.name".
weft_status weft_hf_put_count(struct weft_hf *hf, const char *name, uint32_t x);
weft_status weft_hf_put_number(struct weft_hf *hf, const char *name, double x);
#endif
