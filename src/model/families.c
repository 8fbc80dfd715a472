#include "model/family.h"

#include "core/error.h"
#include "core/str.h"

#include <string.h>

// Facts of the GGUF format (names, order of rows, defaults that files rely on) beside the models' papers.
#define STRETCHED (WEFT_PART_ROPE_FREQS | WEFT_PART_ROPE_LISTS)

static const struct weft_family rows[] = {
    {
        .architecture = "llama",
        .models = "Llama 2 and 3, Mistral, Mixtral, SmolLM 1 and 2",
        .may = WEFT_PART_QKV_BIAS | WEFT_PART_OUTPUT_BIAS | WEFT_PART_FFN_BIAS | WEFT_PART_HEAD | STRETCHED,
        .act = "silu",
        .rope = WEFT_ROPE_NORMAL,
        .local_period = WEFT_EVERY_LAYER,
        .experts = WEFT_EXPERTS_MAY,
        .experts_sum_to_1 = true,
    },
    {
        .architecture = "qwen2",
        .models = "Qwen 1.5 to 2.5",
        .must = WEFT_PART_QKV_BIAS,
        .may = WEFT_PART_HEAD | STRETCHED,
        .act = "silu",
        .rope = WEFT_ROPE_NEOX,
        .local_period = WEFT_EVERY_LAYER,
    },
    {
        .architecture = "qwen3",
        .models = "Qwen 3",
        .must = WEFT_PART_HEAD_NORMS,
        .may = WEFT_PART_HEAD | WEFT_PART_QKV_BIAS | STRETCHED,
        .act = "silu",
        .rope = WEFT_ROPE_NEOX,
        .local_period = WEFT_EVERY_LAYER,
    },
    {
        .architecture = "qwen2moe",
        .models = "Qwen 1.5 and 2 of experts",
        .must = WEFT_PART_QKV_BIAS,
        .may = WEFT_PART_HEAD | STRETCHED,
        .act = "silu",
        .rope = WEFT_ROPE_NEOX,
        .local_period = WEFT_EVERY_LAYER,
        .experts = WEFT_EXPERTS_MUST,
        .shared_expert = true,
    },
    {
        .architecture = "qwen3moe",
        .models = "Qwen 3 of experts",
        .must = WEFT_PART_HEAD_NORMS,
        .may = WEFT_PART_HEAD | STRETCHED,
        .act = "silu",
        .rope = WEFT_ROPE_NEOX,
        .local_period = WEFT_EVERY_LAYER,
        .experts = WEFT_EXPERTS_MUST,
        .experts_sum_to_1 = true,
    },
    {
        .architecture = "smollm3",
        .models = "SmolLM 3",
        .may = WEFT_PART_HEAD | WEFT_PART_QKV_BIAS | STRETCHED,
        .act = "silu",
        .rope = WEFT_ROPE_NORMAL,
        .unturned_period = 4,
        .local_period = WEFT_EVERY_LAYER,
    },
    {
        .architecture = "phi3",
        .models = "Phi 3, Phi 4",
        .may = WEFT_PART_HEAD | STRETCHED,
        .fused_qkv = true,
        .fused_gate_up = true,
        .act = "silu",
        .rope = WEFT_ROPE_NEOX,
        .local_period = WEFT_EVERY_LAYER,
    },
    {
        .architecture = "gpt2",
        .models = "GPT 2",
        .must = WEFT_PART_QKV_BIAS | WEFT_PART_OUTPUT_BIAS | WEFT_PART_FFN_BIAS,
        .may = WEFT_PART_HEAD,
        .norm = WEFT_NORM_LAYER,
        .fused_qkv = true,
        .plain_ffn = true,
        .act = "gelu_tanh",
        .learned_positions = true,
    },
    {
        .architecture = "gemma2",
        .models = "Gemma 2",
        .may = WEFT_PART_HEAD,
        .norms_after = true,
        .act = "gelu_tanh",
        .rope = WEFT_ROPE_NEOX,
        .scaled_embedding = true,
        .attn_softcap = 50,
        .softcap = 30,
        .local_period = 2,
        .window = 4096,
        .wide_layers = 46, // 27B
    },
    {
        .architecture = "gemma3",
        .models = "Gemma 3",
        .may = WEFT_PART_HEAD_NORMS | WEFT_PART_HEAD,
        .norms_after = true,
        .act = "gelu_tanh",
        .rope = WEFT_ROPE_NEOX,
        .scaled_embedding = true,
        .local_period = 6,
        .local_rope = true,
        .wide_layers = 62, // 27B
    },
    {
        .architecture = "qwen35",
        .models = "Qwen 3.5",
        .may = WEFT_PART_HEAD_NORMS | WEFT_PART_HEAD,
        .act = "silu",
        .rope = WEFT_ROPE_NEOX,
        .recurrent = true,
        .layer = WEFT_LAYER_QWEN35,
    },
    {
        .architecture = "bert",
        .models = "BERT, MiniLM and their kin, for embeddings",
        .must = WEFT_PART_QKV_BIAS | WEFT_PART_OUTPUT_BIAS | WEFT_PART_FFN_BIAS,
        .norm = WEFT_NORM_LAYER,
        .norms_after = true,
        .plain_ffn = true,
        .act = "gelu",
        .learned_positions = true,
        .encoder = true,
    },
};

const struct weft_family *weft_family_at(size_t i) { return i < sizeof rows / sizeof *rows ? &rows[i] : NULL; }

weft_status weft_family_find(const struct weft_source *file, const char *name, size_t length,
                             const struct weft_family **out) {
    struct weft_str known = {0};
    for (size_t i = 0; (*out = weft_family_at(i)); i++) {
        const char *arch = (*out)->architecture;
        if (strlen(arch) == length && memcmp(arch, name, length) == 0) {
            weft_str_free(&known);
            return WEFT_OK;
        }
        weft_str_addf(&known, "%s%s", i ? ", " : "", arch);
    }
    weft_status status =
        weft_fail(WEFT_ERR_UNSUPPORTED, "%s: Weft has no builder for the architecture '%.*s'; known: %s",
                  weft_source_path(file), (int)(length < 64 ? length : 64), name, weft_str_get(&known));
    weft_str_free(&known);
    return status;
}
