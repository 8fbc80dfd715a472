/// What config.json becomes, and what of it is refused.
#include "core/alloc.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hf_open.h"

static void test_keys(void **state) {
    (void)state;
    static const struct {
        const char *config, *key, *value; // value NULL: no such key
    } rows[] = {
        {"\"model_type\":\"llama\"," LLAMA, "general.architecture", "\"llama\""},
        {"\"model_type\":\"llama\"," LLAMA, "llama.context_length", "8"},
        {"\"model_type\":\"llama\"," LLAMA, "llama.attention.layer_norm_rms_epsilon", "9.99999975e-06"},
        {"\"model_type\":\"llama\"," LLAMA, "llama.attention.key_length", NULL},
        {"\"model_type\":\"llama\",\"head_dim\":null," LLAMA, "llama.attention.key_length", NULL},
        {"\"model_type\":\"llama\",\"head_dim\":16," LLAMA, "llama.attention.value_length", "16"},
        {"\"model_type\":\"llama\",\"rope_theta\":5e5," LLAMA, "llama.rope.freq_base", "500000"},
        {"\"model_type\":\"llama\",\"rope_parameters\":{\"rope_theta\":7,\"rope_type\":\"default\"}," LLAMA,
         "llama.rope.freq_base", "7"},
        {"\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}," LLAMA,
         "llama.rope.scaling.factor", "2"},
        {"\"model_type\":\"llama\",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4,\"beta_fast\":16}," LLAMA,
         "llama.rope.scaling.yarn_beta_fast", "16"},
        // attention_factor takes the place of 1 + 0.1 ln 4, which the key multiplies
        {"\"model_type\":\"llama\",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4,"
         "\"attention_factor\":2.2772588722239782}," LLAMA,
         "llama.rope.scaling.attn_factor", "2"},
        {"\"model_type\":\"mistral\",\"sliding_window\":4," LLAMA, "llama.attention.sliding_window", "4"},
        {"\"model_type\":\"mistral\",\"sliding_window\":4," LLAMA, "llama.attention.sliding_window_pattern",
         "bool[1] {true}"},
        {"\"model_type\":\"mistral\",\"sliding_window\":null," LLAMA, "llama.attention.sliding_window", NULL},
        {"\"model_type\":\"mistral\",\"sliding_window\":8," LLAMA, "llama.attention.sliding_window", NULL},
        {"\"model_type\":\"qwen2\",\"sliding_window\":4,\"use_sliding_window\":false," LLAMA,
         "qwen2.attention.sliding_window", NULL},
        {"\"model_type\":\"qwen2\",\"sliding_window\":4,\"use_sliding_window\":true,\"max_window_layers\":1," LLAMA,
         "qwen2.attention.sliding_window", NULL},
        {"\"model_type\":\"gemma3_text\",\"hidden_size\":8,\"num_hidden_layers\":7", "gemma3.attention.head_count",
         "8"},
        {"\"model_type\":\"gemma3_text\",\"hidden_size\":8,\"num_hidden_layers\":7", "gemma3.rope.freq_base",
         "1000000"},
        {"\"model_type\":\"gemma3_text\",\"hidden_size\":8,\"num_hidden_layers\":7",
         "gemma3.attention.sliding_window_pattern", "bool[7] {true, true, true, true, ...}"},
        {"\"model_type\":\"gemma3_text\",\"hidden_size\":8,\"num_hidden_layers\":7", "gemma3.attention.scale", NULL},
        {"\"model_type\":\"gemma3_text\",\"query_pre_attn_scalar\":4", "gemma3.attention.scale", "0.5"},
        {"\"model_type\":\"gemma2\",\"hidden_size\":8,\"num_hidden_layers\":3,\"max_position_embeddings\":9999",
         "gemma2.attention.sliding_window_pattern", "bool[3] {true, false, true}"},
        {"\"model_type\":\"gemma2\"", "gemma2.final_logit_softcapping", "30"},
        {"\"model_type\":\"gemma2\",\"final_logit_softcapping\":null", "gemma2.final_logit_softcapping", NULL},
        {"\"model_type\":\"mixtral\"," LLAMA, "llama.expert_used_count", "2"},
        {"\"model_type\":\"qwen2_moe\"," LLAMA, "qwen2moe.expert_count", "60"},
        {"\"model_type\":\"qwen2_moe\"," LLAMA, "qwen2moe.expert_shared_feed_forward_length", "5632"},
        {"\"model_type\":\"qwen2_moe\"," LLAMA, "qwen2moe.expert_weights_norm", "false"},
        {"\"model_type\":\"qwen3_moe\",\"norm_topk_prob\":true," LLAMA, "qwen3moe.expert_weights_norm", "true"},
        {"\"model_type\":\"qwen3_moe\",\"norm_topk_prob\":false," LLAMA, "qwen3moe.expert_weights_norm", "false"},
        {"\"model_type\":\"qwen3_moe\",\"num_experts\":6," LLAMA, "qwen3moe.expert_count", "6"},
        {"\"model_type\":\"qwen3_moe\",\"num_local_experts\":6," LLAMA, "qwen3moe.expert_count", "6"},
        {"\"model_type\":\"gpt2\",\"n_embd\":6", "gpt2.feed_forward_length", "24"},
        {"\"model_type\":\"gpt2\",\"n_embd\":6,\"n_inner\":7", "gpt2.feed_forward_length", "7"},
        {"\"model_type\":\"bert\"," LLAMA, "bert.attention.causal", "false"},
        {"\"model_type\":\"llama\",\"surprise\":1.5," LLAMA, "llama.config.surprise", "\"1.5\""},
        {"\"model_type\":\"llama\",\"surprise\":null," LLAMA, "llama.config.surprise", NULL},
        {"\"model_type\":\"llama\",\"eos_token_id\":[1,2,1]," LLAMA, "tokenizer.ggml.eos_token_ids", "i32[2] {1, 2}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct st_writer w = {0};
        struct opened o;
        struct weft_str config = {0}, value = {0};
        weft_str_addf(&config, "{%s}", rows[i].config);
        must(open_with(weft_str_get(&config), &w, &o));
        for (size_t k = 0; k < weft_source_key_count(o.s); k++)
            if (!strcmp(weft_source_key_at(o.s, k), rows[i].key)) weft_source_print_value(o.s, k, 60, &value);
        if (strcmp(weft_str_get(&value), rows[i].value ? rows[i].value : "") != 0)
            fail_msg("row %zu: %s is %s, not %s", i, rows[i].key, weft_str_get(&value), rows[i].value);
        close_opened(&o);
        weft_str_free(&config);
        weft_str_free(&value);
    }
}

/// Long waves are divided by the factor, short ones by one: the ends of the ramp, and a number between by hand.
static void test_llama3_frequencies(void **state) {
    (void)state;
    struct st_writer w = {0};
    struct opened o;
    must(open_with("{\"model_type\":\"llama\",\"head_dim\":128,\"rope_theta\":500000,\"rope_scaling\":{\"rope_type\":"
                   "\"llama3\",\"factor\":8,\"low_freq_factor\":1,\"high_freq_factor\":4,"
                   "\"original_max_position_embeddings\":8192}," LLAMA "}",
                   &w, &o));
    const struct weft_source_tensor *t = weft_source_find(o.s, "rope_freqs.weight");
    assert_non_null(t);
    assert_int_equal(t->dims[0], 64);
    float x[64];
    must(weft_source_read(o.s, t, 0, sizeof x, x));
    assert_true(x[0] == 1 && x[63] == 8);
    double wave = 2 * 3.14159265358979 * pow(500000, 60.0 / 128), ramp = (8192 / wave - 1) / 3;
    assert_true(ramp > 0 && ramp < 1 && fabs((double)x[30] - 1 / ((1 - ramp) / 8 + ramp)) < 1e-5);
    close_opened(&o);
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *config, *says;
        weft_status status;
    } rows[] = {
        {"", "line 1", WEFT_ERR_FORMAT},
        {"[]", "no object", WEFT_ERR_FORMAT},
        {"{}", "'model_type' is missing", WEFT_ERR_NOT_FOUND},
        {"{\"model_type\":1}", "'model_type' is missing", WEFT_ERR_NOT_FOUND},
        {"{\"model_type\":\"mamba\"}", "no row for the model_type 'mamba'; known: gemma2,", WEFT_ERR_UNSUPPORTED},
        {"{\"model_type\":\"llama\",\"text_config\":3}", "no object", WEFT_ERR_FORMAT},
        {"{\"model_type\":\"llama\",\"model_type\":\"llama\"}", "twice", WEFT_ERR_FORMAT},
        {"{\"model_type\":\"llama\",\"hidden_act\":\"relu\"}",
         "'hidden_act' is relu; Weft computes this model with silu", WEFT_ERR_UNSUPPORTED},
        {"{\"model_type\":\"llama\",\"quantization_config\":{\"quant_method\":\"gptq\"}}", "by gptq",
         WEFT_ERR_UNSUPPORTED},
        {"{\"model_type\":\"llama\",\"hidden_size\":-1}", "'hidden_size' is -1", WEFT_ERR_FORMAT},
        {"{\"model_type\":\"llama\",\"hidden_size\":2.5}", "'hidden_size' is 2.5", WEFT_ERR_FORMAT},
        {"{\"model_type\":\"llama\",\"hidden_size\":\"2\"}", "'hidden_size' is no number", WEFT_ERR_FORMAT},
        {"{\"model_type\":\"llama\",\"rms_norm_eps\":1e300}", "f32 cannot hold", WEFT_ERR_FORMAT},
        {"{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"dynamic\"}}", "'dynamic'", WEFT_ERR_UNSUPPORTED},
        {"{\"model_type\":\"llama\",\"rope_scaling\":7}", "no object", WEFT_ERR_FORMAT},
        {"{\"model_type\":\"llama\",\"partial_rotary_factor\":2}", "'partial_rotary_factor' is 2", WEFT_ERR_FORMAT},
        {"{\"model_type\":\"phi3\",\"rope_scaling\":{\"type\":\"longrope\",\"long_factor\":[1]},"
         "\"original_max_position_embeddings\":4,\"head_dim\":8}",
         "'long_factor' is no list of 4 factors", WEFT_ERR_FORMAT},
        {"{\"model_type\":\"gemma3_text\",\"num_hidden_layers\":2,\"layer_types\":[\"full_attention\"]}",
         "no list of 2 layers", WEFT_ERR_FORMAT},
        {"{\"model_type\":\"gemma3_text\",\"num_hidden_layers\":1,\"layer_types\":[\"chunked_attention\"]}",
         "element 0 of 'layer_types'", WEFT_ERR_UNSUPPORTED},
        {"{\"model_type\":\"gemma3_text\",\"num_hidden_layers\":4000000000}", "4000000000 layers", WEFT_ERR_FORMAT},
        {"{\"model_type\":\"qwen3_moe\",\"norm_topk_prob\":1}", "'norm_topk_prob' is neither", WEFT_ERR_FORMAT},
        {"{\"model_type\":\"qwen2_moe\",\"num_experts\":4,\"num_local_experts\":5}", "'num_local_experts' 5",
         WEFT_ERR_FORMAT},
        {"{\"model_type\":\"qwen2_moe\",\"decoder_sparse_step\":2}", "'decoder_sparse_step' is 2",
         WEFT_ERR_UNSUPPORTED},
        {"{\"model_type\":\"qwen3_moe\",\"mlp_only_layers\":[1]}", "'mlp_only_layers' is a list", WEFT_ERR_UNSUPPORTED},
        {"{\"model_type\":\"llama\",\"eos_token_id\":\"x\"}", "'eos_token_id' is no token id", WEFT_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct st_writer w = {0};
        struct opened o;
        weft_status status = open_with(rows[i].config, &w, &o);
        if (status != rows[i].status || !strstr(weft_error_message(), rows[i].says))
            fail_msg("row %zu: %d, %s", i, (int)status, weft_error_message());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_llama3_frequencies),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
