#include "model/keys.h"

#include "core/error.h"
#include "core/log.h"
#include "model/family.h"
#include "model/gguf.h"

#include <math.h>
#include <string.h>

enum use {
    HONOURED,  ///< config.c or tokenizer/source_gguf.c reads it
    DESCRIBES, ///< changes nothing of a text model's logits
    NEEDS,     ///< refused unless it has the neutral value
    // the same, but honoured by families that have what it is about
    WINDOWS,
    RECURRENT,
    EXPERTS,
    SHARED_EXPERT,
    WITHOUT_EXPERTS, ///< changes nothing there
    CAUSAL,          ///< true, but of encoders false
    EMBEDDING,       ///< how texts become vectors
};

struct row {
    const char *name; ///< behind the prefix; one that ends in '.' stands for all that begin so
    enum use use;
    double neutral; ///< of NEEDS and the rest: a number, or 0 and 1 of a bool; NAN: none
};

static const struct row model_rows[] = {
    {"context_length", HONOURED, 0},
    {"embedding_length", HONOURED, 0},
    {"block_count", HONOURED, 0},
    {"feed_forward_length", HONOURED, 0},
    {"attention.head_count", HONOURED, 0},
    {"attention.head_count_kv", HONOURED, 0},
    {"attention.key_length", HONOURED, 0},
    {"attention.value_length", HONOURED, 0},
    {"attention.key_length_swa", HONOURED, 0}, // must equal the others
    {"attention.value_length_swa", HONOURED, 0},
    {"attention.layer_norm_rms_epsilon", HONOURED, 0},
    {"attention.scale", HONOURED, 0},
    {"attn_logit_softcapping", HONOURED, 0},
    {"final_logit_softcapping", HONOURED, 0},
    {"rope.dimension_count", HONOURED, 0},
    {"rope.dimension_count_swa", HONOURED, 0},
    {"rope.freq_base", HONOURED, 0},
    {"rope.global.freq_base", HONOURED, 0}, // another name of the same
    {"rope.scaling.type", HONOURED, 0},
    {"rope.scaling.factor", HONOURED, 0},
    {"rope.scale_linear", HONOURED, 0}, // the older name of the factor
    {"rope.scaling.attn_factor", HONOURED, 0},
    {"rope.scaling.yarn_attn_factor", HONOURED, 0}, // multiplies it
    {"rope.scaling.original_context_length", HONOURED, 0},
    {"rope.scaling.low_freq_factor", HONOURED, 0},
    {"rope.scaling.high_freq_factor", HONOURED, 0},
    {"rope.scaling.extrapolation_factor", HONOURED, 0},
    {"rope.scaling.yarn_ext_factor", HONOURED, 0},
    {"rope.scaling.beta_fast", HONOURED, 0},
    {"rope.scaling.yarn_beta_fast", HONOURED, 0},
    {"rope.scaling.beta_slow", HONOURED, 0},
    {"rope.scaling.yarn_beta_slow", HONOURED, 0},

    // honoured by families that have what they are about
    {"attention.sliding_window", WINDOWS, 0},
    {"attention.sliding_window_pattern", DESCRIBES, 0}, // says nothing without a window
    {"rope.freq_base_swa", DESCRIBES, 0},
    {"rope.local.freq_base", DESCRIBES, 0},
    {"ssm.conv_kernel", RECURRENT, 0},
    {"ssm.inner_size", RECURRENT, 0},
    {"ssm.state_size", RECURRENT, 0},
    {"ssm.time_step_rank", RECURRENT, 0},
    {"ssm.group_count", RECURRENT, 0},
    {"full_attention_interval", RECURRENT, 1},
    {"expert_count", EXPERTS, 0},
    {"expert_used_count", EXPERTS, 0},
    {"expert_feed_forward_length", EXPERTS, 0},
    {"expert_shared_feed_forward_length", SHARED_EXPERT, 0},
    {"expert_weights_scale", DESCRIBES, 0}, // says nothing without experts, and is honoured with them
    {"expert_weights_norm", DESCRIBES, 0},
    {"expert_gating_func", WITHOUT_EXPERTS, 1}, // softmax
    {"expert_group_count", WITHOUT_EXPERTS, 1},
    {"expert_group_used_count", WITHOUT_EXPERTS, 1},
    {"expert_group_scale", WITHOUT_EXPERTS, NAN},
    {"experts_per_group", WITHOUT_EXPERTS, NAN},

    {"rope.scaling.alpha", NEEDS, 0},
    {"rope.scaling.yarn_log_multiplier", NEEDS, 0},
    {"rope.freq_scale", NEEDS, 1},
    {"rope.freq_scale_swa", NEEDS, 1},
    {"attention.causal", CAUSAL, 1},
    // these five are of folders (hf_pooling.c)
    {"embedding.pooling", EMBEDDING, NAN},
    {"embedding.normalize", EMBEDDING, NAN},
    {"embedding.max_tokens", EMBEDDING, NAN},
    {"embedding.module", NEEDS, NAN},
    {"embedding.prompt", NEEDS, NAN},
    {"embedding.lower_case", NEEDS, 0},
    {"attention.max_alibi_bias", NEEDS, 0},
    {"attention.clamp_kqv", NEEDS, 0},
    {"attention.output_scale", NEEDS, 1},
    {"attention.temperature_length", NEEDS, 0},
    {"attention.temperature_scale", NEEDS, 0},
    {"attention.shared_kv_layers", NEEDS, 0},
    {"attention.q_lora_rank", NEEDS, 0},
    {"attention.kv_lora_rank", NEEDS, 0},
    {"attention.decay_lora_rank", NEEDS, 0},
    {"attention.iclr_lora_rank", NEEDS, 0},
    {"attention.gate_lora_rank", NEEDS, 0},
    {"attention.value_residual_mix_lora_rank", NEEDS, 0},
    {"attention.key_length_mla", NEEDS, 0},
    {"attention.value_length_mla", NEEDS, 0},
    {"attention.relative_buckets_count", NEEDS, 0},
    {"attention.group_norm_groups", NEEDS, 0},
    {"attention.indexer.", NEEDS, 0},
    {"router_logit_softcapping", NEEDS, 0},
    {"logit_scale", NEEDS, 1},
    {"residual_scale", NEEDS, 1},
    {"embedding_scale", NEEDS, NAN},
    {"expert_shared_count", NEEDS, 0},
    {"expert_chunk_feed_forward_length", NEEDS, 0},
    {"leading_dense_block_count", NEEDS, 0},
    {"moe_every_n_layers", NEEDS, 0},
    {"interleave_moe_layer_step", NEEDS, 0},
    {"moe_latent_size", NEEDS, 0},
    {"nextn_predict_layers", NEEDS, 0},
    {"use_parallel_residual", NEEDS, 0},
    {"tensor_data_layout", NEEDS, NAN},
    {"embedding_length_per_layer_input", NEEDS, 0},
    {"activation_sparsity_scale", NEEDS, NAN},
    {"swiglu_clamp_exp", NEEDS, NAN},
    {"swiglu_clamp_shexp", NEEDS, NAN},
    {"swin_norm", NEEDS, 0},
    {"rescale_every_n_layers", NEEDS, 0},
    {"time_mix_extra_dim", NEEDS, 0},
    {"time_decay_extra_dim", NEEDS, 0},
    {"token_shift_count", NEEDS, 0},
    {"decoder_start_token_id", NEEDS, NAN},
    {"decoder_block_count", NEEDS, 0},
    {"ssm.dt_b_c_rms", NEEDS, 0},
    {"ssm.v_head_reordered", NEEDS, 1},
    {"altup.", NEEDS, 0},
    {"kda.", NEEDS, 0},
    {"wkv.", NEEDS, 0},
    {"shortconv.", NEEDS, 0},
    {"posnet.", NEEDS, 0},
    {"convnext.", NEEDS, 0},
    {"classifier.", NEEDS, NAN},

    {"vocab_size", DESCRIBES, 0}, // rows of token_embd and the tokenizer say it
    {"embedding_length_out", DESCRIBES, 0},
    {"features_length", DESCRIBES, 0},
    {"pooling_type", DESCRIBES, 0}, // of embeddings; model/pooling.c honours it
    {"n_deepstack_layers", DESCRIBES, 0},
    {"attention.layer_norm_epsilon", DESCRIBES, 0}, // of norms that subtract a mean
    {"attention.group_norm_epsilon", DESCRIBES, 0},
    {"rope.dimension_sections", DESCRIBES, 0}, // places of images; those of text are equal in all sections
    {"rope.mrope_section", DESCRIBES, 0},
    {"rope.mrope_interleaved", DESCRIBES, 0},
    {"mrope_sections", DESCRIBES, 0},
    {"rope.scaling.finetuned", DESCRIBES, 0},
    {"vision.", DESCRIBES, 0}, // of images
    {"mm.", DESCRIBES, 0},
    {"image_token_id", DESCRIBES, 0},
    {"vision_start_token_id", DESCRIBES, 0},
    {"vision_end_token_id", DESCRIBES, 0},
};

static const struct row tokenizer_rows[] = {
    {"model", HONOURED, 0},
    {"tokens", HONOURED, 0},
    {"token_type", HONOURED, 0},
    {"scores", HONOURED, 0},
    {"bos_token_id", HONOURED, 0},
    {"eos_token_id", HONOURED, 0},
    {"eos_token_ids", HONOURED, 0},
    {"eot_token_id", HONOURED, 0},
    {"eom_token_id", HONOURED, 0},
    {"unknown_token_id", HONOURED, 0},
    {"add_bos_token", HONOURED, 0},
    {"add_eos_token", HONOURED, 0},
    {"add_space_prefix", HONOURED, 0},
    {"add_sep_token", HONOURED, 0}, // source_gguf.c refuses this and the next four where the kind does not know them
    {"remove_extra_whitespaces", HONOURED, 0},
    {"precompiled_charsmap", HONOURED, 0},
    {"normalizer.lowercase", HONOURED, 0},
    {"normalizer.strip_accents", HONOURED, 0},
    {"pre", HONOURED, 0},
    {"merges", HONOURED, 0},
    {"cls_token_id", HONOURED, 0},
    {"seperator_token_id", HONOURED, 0}, // as files have it
    {"separator_token_id", HONOURED, 0},
    {"add_padding_token", NEEDS, 0},
    {"add_unknown_token", NEEDS, 0},
    {"token_type_count", DESCRIBES, 0},
    {"padding_token_id", DESCRIBES, 0},
    {"mask_token_id", DESCRIBES, 0},
    {"prefix_token_id", DESCRIBES, 0},
    {"suffix_token_id", DESCRIBES, 0},
    {"middle_token_id", DESCRIBES, 0},
    {"fim_pre_token_id", DESCRIBES, 0},
    {"fim_suf_token_id", DESCRIBES, 0},
    {"fim_mid_token_id", DESCRIBES, 0},
    {"fim_pad_token_id", DESCRIBES, 0},
    {"fim_rep_token_id", DESCRIBES, 0},
    {"fim_sep_token_id", DESCRIBES, 0},
};

static const struct row *find(const struct row *rows, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(rows[i].name);
        if (!strcmp(rows[i].name, name)) return &rows[i];
        if (rows[i].name[length - 1] == '.' && !strncmp(rows[i].name, name, length)) return &rows[i];
    }
    return NULL;
}

/// Sets *row of a key under one of the prefixes (NULL: unknown); false if it is under neither.
static bool look_up(const char *arch, const char *key, const char **name, const struct row **row) {
    static const char tokenizer[] = "tokenizer.ggml.";
    size_t length = strlen(arch);
    if (!strncmp(key, arch, length) && key[length] == '.') {
        *name = key + length + 1;
        *row = find(model_rows, sizeof model_rows / sizeof *model_rows, *name);
        return true;
    }
    if (strncmp(key, tokenizer, sizeof tokenizer - 1) != 0) return false;
    *name = key + sizeof tokenizer - 1;
    *row = find(tokenizer_rows, sizeof tokenizer_rows / sizeof *tokenizer_rows, *name);
    return true;
}

/// Whether a key may have another value than its neutral one.
static bool honours(const struct weft_family *family, enum use use) {
    switch (use) {
    case HONOURED:
    case DESCRIBES: return true;
    case NEEDS: return false;
    case WINDOWS: return family->local_period != 0;
    case RECURRENT: return family->recurrent;
    case EXPERTS: return family->experts != WEFT_EXPERTS_NONE;
    case SHARED_EXPERT: return family->shared_expert;
    case WITHOUT_EXPERTS: return family->experts == WEFT_EXPERTS_NONE;
    case CAUSAL: return false;
    case EMBEDDING: return true; // who generates has no use for it
    }
    return false;
}

/// Whether a key's value is this number; of a bool, 0 or 1.
static bool equals(const struct weft_source *file, const char *key, double neutral) {
    enum weft_source_type type;
    int64_t integer;
    double real;
    bool flag;
    if (weft_source_get_type(file, key, &type, NULL, NULL) != WEFT_OK) return false;
    if (type == WEFT_SOURCE_BOOL) return weft_source_get_bool(file, key, &flag) == WEFT_OK && flag == (neutral != 0);
    if (type == WEFT_SOURCE_STRING || type == WEFT_SOURCE_ARRAY) return false;
    if (type == WEFT_SOURCE_F32 || type == WEFT_SOURCE_F64)
        return weft_source_get_f64(file, key, &real) == WEFT_OK && real == neutral;
    return weft_source_get_i64(file, key, &integer) == WEFT_OK && (double)integer == neutral;
}

static double neutral_of(const struct weft_family *family, const struct row *row) {
    return row->use == CAUSAL && family->encoder ? 0 : row->neutral;
}

static weft_status refuse(const struct weft_source *file, size_t i, double neutral) {
    struct weft_str value = {0};
    weft_source_print_value(file, i, 40, &value);
    weft_status status;
    if (isnan(neutral))
        status = weft_fail(WEFT_ERR_UNSUPPORTED, "%s: key %s is %s; Weft does not compute what it asks for",
                           weft_source_path(file), weft_source_key_at(file, i), weft_str_get(&value));
    else
        status = weft_fail(WEFT_ERR_UNSUPPORTED,
                           "%s: key %s is %s; Weft does not compute what it asks for, and takes %g only",
                           weft_source_path(file), weft_source_key_at(file, i), weft_str_get(&value), neutral);
    weft_str_free(&value);
    return status;
}

/// Keys of "general." that change what the tensors mean.
static weft_status check_general(const struct weft_source *file) {
    struct weft_source_str type = {"model", 5};
    uint32_t version = 2;
    if (weft_source_has(file, "general.type")) WEFT_TRY(weft_source_get_string(file, "general.type", &type));
    if (type.len != 5 || memcmp(type.data, "model", 5) != 0)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "%s: general.type is '%.*s'; only a file of a 'model' can be run",
                         weft_source_path(file), (int)(type.len < 40 ? type.len : 40), type.data);
    WEFT_TRY(weft_source_u32_or(file, "general.quantization_version", version, &version));
    for (size_t i = 0; version != 2 && i < weft_source_tensor_count(file); i++) {
        const struct weft_source_tensor *t = weft_source_tensor_at(file, i);
        if (weft_ggml_type_info(t->type)->block > 1)
            return weft_fail(WEFT_ERR_UNSUPPORTED,
                             "%s: general.quantization_version is %u; tensor %s is %s, which Weft reads in version 2",
                             weft_source_path(file), version, t->name, weft_ggml_type_info(t->type)->name);
    }
    return WEFT_OK;
}

weft_status weft_model_keys_check(const struct weft_source *file, const char *arch) {
    const struct weft_family *family;
    WEFT_TRY(weft_family_find(file, arch, strlen(arch), &family));
    WEFT_TRY(check_general(file));
    for (size_t i = 0; i < weft_source_key_count(file); i++) {
        const char *key = weft_source_key_at(file, i), *name;
        const struct row *row;
        if (!look_up(arch, key, &name, &row) || !row || honours(family, row->use)) continue;
        double neutral = neutral_of(family, row);
        if (!equals(file, key, neutral)) return refuse(file, i, neutral);
    }
    return WEFT_OK;
}

const char *weft_model_keys_arch(const struct weft_source *file, const char *arch) {
    const struct weft_family *family;
    return weft_family_find(file, arch, strlen(arch), &family) == WEFT_OK ? family->architecture : NULL;
}

bool weft_model_key_unknown(const char *arch, const char *key) {
    const struct row *row;
    const char *name;
    return arch && look_up(arch, key, &name, &row) && !row;
}

size_t weft_model_keys_unknown(const struct weft_source *file, const char *arch, size_t most, struct weft_str *out) {
    size_t n = 0;
    const char *known = weft_model_keys_arch(file, arch);
    for (size_t i = 0; i < weft_source_key_count(file); i++) {
        const char *key = weft_source_key_at(file, i);
        if (!weft_model_key_unknown(known, key)) continue;
        if (n < most) weft_str_addf(out, "%s%s", n ? ", " : "", key);
        n++;
    }
    return n;
}

void weft_model_keys_report(const struct weft_source *file, const char *arch) {
    enum { MOST = 8 };
    struct weft_str names = {0};
    size_t n = weft_model_keys_unknown(file, arch, MOST, &names);
    if (n)
        weft_log(WEFT_LOG_WARN, "%s: %zu key%s Weft does not know and does not use: %s%s", weft_source_path(file), n,
                 n == 1 ? " that" : "s that", weft_str_get(&names), n > MOST ? ", ..." : "");
    weft_str_free(&names);
}
