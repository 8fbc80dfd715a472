/// Tensors of folders of Hugging Face under the names and in the order of GGUF.
#include "core/alloc.h"
#include "model/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hf_open.h"

/// Checks a tensor's dims and its elements, whole and in pieces of every size.
static void check_f32(const struct weft_source *s, const char *name, const uint64_t dims[4], const float *want,
                      size_t n) {
    const struct weft_source_tensor *t = weft_source_find(s, name);
    if (!t) fail_msg("no tensor %s", name);
    assert_int_equal(t->type, WEFT_GGML_F32);
    assert_memory_equal(t->dims, dims, 4 * sizeof *dims);
    assert_int_equal(t->size, n * 4);
    struct weft_source_room room = {0};
    const uint8_t *all;
    must(weft_source_bytes_of(s, t, &room, &all));
    for (size_t i = 0; i < n; i++) {
        float x;
        memcpy(&x, all + 4 * i, 4);
        if (x != want[i]) fail_msg("%s: element %zu is %g, not %g", name, i, (double)x, (double)want[i]);
    }
    const uint8_t *data = all;
    uint64_t size = 0;
    must(weft_source_data_named(s, name, &data, &size));
    assert_true(data == t->data && size == t->size);
    for (uint64_t at = 0; at <= t->size; at++) {
        uint8_t part[1024];
        for (uint64_t some = 0; at + some <= t->size; some++) {
            must(at % 2 ? weft_source_read(s, t, at, some, part) : weft_source_read_named(s, name, at, some, part));
            assert_memory_equal(part, all + at, some);
        }
    }
    uint8_t one;
    assert_int_equal(weft_source_read(s, t, t->size, 1, &one), WEFT_ERR_INVALID);
    assert_int_equal(weft_source_read(s, t, UINT64_MAX, 2, &one), WEFT_ERR_INVALID);
    assert_int_equal(weft_source_read_named(s, name, t->size, 1, &one), WEFT_ERR_INVALID);
    assert_int_equal(weft_source_read_named(s, "nobody", 0, 1, &one), WEFT_ERR_NOT_FOUND);
    assert_int_equal(weft_source_data_named(s, "nobody", &data, &size), WEFT_ERR_NOT_FOUND);
    weft_free(room.data);
}

#define DIMS(...) ((const uint64_t[4]){__VA_ARGS__})
#define WANT(...) (const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}) / sizeof(float)

/// A head of four rows 0 1 | 2 3 becomes 0 2 1 3, in weights and biases, of queries and of keys. Values stay.
static void test_rotated_rows_stand_in_pairs(void **state) {
    (void)state;
    struct st_writer w = {0};
    struct opened o;
    put_counted(&w, "model.layers.0.self_attn.q_proj.weight", "8,1", 8);
    put_counted(&w, "model.layers.0.self_attn.k_proj.weight", "4,2", 8);
    put_counted(&w, "model.layers.0.self_attn.v_proj.weight", "4,2", 8);
    put_counted(&w, "model.layers.0.self_attn.q_proj.bias", "8", 8);
    must(open_with("{\"model_type\":\"llama\"," LLAMA "}", &w, &o));
    check_f32(o.s, "blk.0.attn_q.weight", DIMS(1, 8, 1, 1), WANT(0, 2, 1, 3, 4, 6, 5, 7));
    check_f32(o.s, "blk.0.attn_k.weight", DIMS(2, 4, 1, 1), WANT(0, 1, 4, 5, 2, 3, 6, 7));
    check_f32(o.s, "blk.0.attn_v.weight", DIMS(2, 4, 1, 1), WANT(0, 1, 2, 3, 4, 5, 6, 7));
    check_f32(o.s, "blk.0.attn_q.bias", DIMS(8, 1, 1, 1), WANT(0, 2, 1, 3, 4, 6, 5, 7));
    assert_null(weft_source_find(o.s, "blk.0.attn_q.weight")->data);
    close_opened(&o);
    // Families that rotate halves against each other have the rows as they are stored.
    put_counted(&w, "model.layers.0.self_attn.q_proj.weight", "8,1", 8);
    must(open_with("{\"model_type\":\"qwen2\"," LLAMA "}", &w, &o));
    check_f32(o.s, "blk.0.attn_q.weight", DIMS(1, 8, 1, 1), WANT(0, 1, 2, 3, 4, 5, 6, 7));
    assert_non_null(weft_source_find(o.s, "blk.0.attn_q.weight")->data);
    close_opened(&o);
}

/// Vectors of 16 bits become f32; norms of gemma one more; matrices stay as they are stored.
static void test_vectors_are_f32(void **state) {
    (void)state;
    static const uint16_t half[] = {0x3C00, 0xC000, 0x0001}, brain[] = {0x3F80, 0xC000, 0x3E80};
    static const float tiny = 5.9604644775390625e-8f;
    struct st_writer w = {0};
    struct opened o;
    st_tensor(&w, "model.norm.weight", "F16", "3", half, sizeof half);
    st_tensor(&w, "model.layers.0.input_layernorm.weight", "BF16", "3", brain, sizeof brain);
    st_tensor(&w, "model.embed_tokens.weight", "BF16", "1,3", brain, sizeof brain);
    must(open_with("{\"model_type\":\"llama\"," LLAMA "}", &w, &o));
    check_f32(o.s, "output_norm.weight", DIMS(3, 1, 1, 1), WANT(1, -2, tiny));
    check_f32(o.s, "blk.0.attn_norm.weight", DIMS(3, 1, 1, 1), WANT(1, -2, 0.25f));
    assert_int_equal(weft_source_find(o.s, "token_embd.weight")->type, WEFT_GGML_BF16);
    close_opened(&o);
    st_tensor(&w, "model.language_model.layers.0.post_attention_layernorm.weight", "BF16", "3", brain, sizeof brain);
    st_tensor(&w, "language_model.model.norm.weight", "F16", "3", half, sizeof half);
    must(open_with("{\"model_type\":\"gemma3\",\"text_config\":{" LLAMA "}}", &w, &o));
    check_f32(o.s, "blk.0.post_attention_norm.weight", DIMS(3, 1, 1, 1), WANT(2, -1, 1.25f));
    check_f32(o.s, "output_norm.weight", DIMS(3, 1, 1, 1), WANT(2, -1, 1 + tiny));
    close_opened(&o);
}

static void test_gpt2_is_transposed(void **state) {
    (void)state;
    struct st_writer w = {0};
    struct opened o;
    put_counted(&w, "wte.weight", "3,2", 6);
    put_counted(&w, "h.0.attn.c_attn.weight", "2,6", 12);
    put_counted(&w, "h.0.attn.c_attn.bias", "6", 6);
    put_counted(&w, "h.0.attn.bias", "1,1,2,2", 4);
    must(open_with("{\"model_type\":\"gpt2\",\"n_embd\":2,\"n_layer\":1,\"n_head\":1,\"n_positions\":8,"
                   "\"layer_norm_epsilon\":1e-5,\"activation_function\":\"gelu_new\"}",
                   &w, &o));
    check_f32(o.s, "token_embd.weight", DIMS(2, 3, 1, 1), WANT(0, 1, 2, 3, 4, 5));
    check_f32(o.s, "blk.0.attn_qkv.weight", DIMS(2, 6, 1, 1), WANT(0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11));
    check_f32(o.s, "blk.0.attn_qkv.bias", DIMS(6, 1, 1, 1), WANT(0, 1, 2, 3, 4, 5));
    assert_int_equal(weft_source_tensor_count(o.s), 3);
    close_opened(&o);
}

static void test_experts_are_joined(void **state) {
    (void)state;
    static const char config[] = "{\"model_type\":\"mixtral\"," LLAMA "}";
    struct st_writer w = {0};
    struct opened o;
    put_counted(&w, "model.layers.0.block_sparse_moe.experts.1.w1.weight", "1,2", 2);
    put_counted(&w, "model.layers.0.block_sparse_moe.experts.0.w1.weight", "1,2", 2);
    put_counted(&w, "model.layers.0.block_sparse_moe.gate.weight", "2,2", 4);
    must(open_with(config, &w, &o));
    check_f32(o.s, "blk.0.ffn_gate_exps.weight", DIMS(2, 1, 2, 1), WANT(0, 1, 0, 1));
    assert_non_null(weft_source_find(o.s, "blk.0.ffn_gate_inp.weight"));
    close_opened(&o);
    const struct {
        const char *names[3], *shapes[3], *says;
    } wrong[] = {
        {{"0.w1", "2.w1"}, {"1,2", "1,2"}, "expert 1 of blk.0.ffn_gate_exps.weight is missing"},
        {{"1.w1"}, {"1,2"}, "expert 0 of blk.0.ffn_gate_exps.weight is missing"},
        {{"0.w2", "1.w2"}, {"1,2", "2,1"}, "has another shape or type"},
        {{"0.w3"}, {"2"}, "of an expert is no matrix"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        for (size_t k = 0; k < 3 && wrong[i].names[k]; k++) {
            char name[128];
            snprintf(name, sizeof name, "model.layers.0.block_sparse_moe.experts.%s.weight", wrong[i].names[k]);
            put_counted(&w, name, wrong[i].shapes[k], 2);
        }
        assert_int_equal(open_with(config, &w, &o), WEFT_ERR_FORMAT);
        if (!strstr(weft_error_message(), wrong[i].says)) fail_msg("case %zu: %s", i, weft_error_message());
    }
}

static void test_names(void **state) {
    (void)state;
    static const struct {
        const char *type, *from, *to; // to NULL: dropped; the same: kept
    } rows[] = {
        {"llama", "model.embed_tokens.weight", "token_embd.weight"},
        {"llama", "lm_head.weight", "output.weight"},
        {"llama", "model.layers.31.mlp.down_proj.weight", "blk.31.ffn_down.weight"},
        {"llama", "model.layers.0.post_attention_layernorm.weight", "blk.0.ffn_norm.weight"},
        {"llama", "model.layers.0.self_attn.rotary_emb.inv_freq", NULL},
        {"llama", "model.layers.00.mlp.down_proj.weight", "model.layers.00.mlp.down_proj.weight"},
        {"llama", "model.layers.99999.mlp.down_proj.weight", "model.layers.99999.mlp.down_proj.weight"},
        {"llama", "model.layers..mlp.down_proj.weight", "model.layers..mlp.down_proj.weight"},
        {"llama", "something.else", "something.else"},
        {"phi3", "model.layers.3.self_attn.qkv_proj.weight", "blk.3.attn_qkv.weight"},
        {"phi3", "model.layers.3.mlp.gate_up_proj.weight", "blk.3.ffn_up.weight"},
        {"qwen2", "model.layers.3.self_attn.v_proj.bias", "blk.3.attn_v.bias"},
        {"qwen3_moe", "model.layers.3.mlp.gate.weight", "blk.3.ffn_gate_inp.weight"},
        {"qwen3_moe", "model.layers.3.mlp.experts.0.up_proj.weight", "blk.3.ffn_up_exps.weight"},
        {"qwen2_moe", "model.layers.3.mlp.shared_expert.up_proj.weight", "blk.3.ffn_up_shexp.weight"},
        {"qwen2_moe", "model.layers.3.mlp.shared_expert_gate.weight", "blk.3.ffn_gate_inp_shexp.weight"},
        {"gemma3", "vision_tower.vision_model.embeddings.patch_embedding.weight", NULL},
        {"gemma3", "model.language_model.layers.3.pre_feedforward_layernorm.weight", "blk.3.ffn_norm.weight"},
        {"bert", "bert.encoder.layer.2.attention.output.LayerNorm.gamma", "blk.2.attn_output_norm.weight"},
        {"bert", "encoder.layer.2.output.dense.bias", "blk.2.ffn_down.bias"},
        {"bert", "embeddings.token_type_embeddings.weight", "token_types.weight"},
        {"bert", "pooler.dense.weight", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct st_writer w = {0};
        struct opened o;
        char config[64];
        snprintf(config, sizeof config, "{\"model_type\":\"%s\"}", rows[i].type);
        put_counted(&w, rows[i].from, "2,2", 4);
        if (open_with(config, &w, &o) != WEFT_OK) fail_msg("%s: %s", rows[i].from, weft_error_message());
        assert_int_equal(weft_source_tensor_count(o.s), rows[i].to ? 1 : 0);
        if (rows[i].to) assert_string_equal(weft_source_tensor_at(o.s, 0)->name, rows[i].to);
        close_opened(&o);
    }
}

/// Data that stands at an odd address has no pointer; reading it works all the same.
static void test_unaligned_data_is_copied(void **state) {
    (void)state;
    static const uint8_t bytes[] = {7, 9, 11};
    struct st_writer w = {0};
    struct opened o;
    st_tensor(&w, "first", "U8", "3", bytes, sizeof bytes);
    put_counted(&w, "model.layers.0.mlp.up_proj.weight", "2,3", 6);
    must(open_with("{\"model_type\":\"llama\"," LLAMA "}", &w, &o));
    assert_null(weft_source_find(o.s, "blk.0.ffn_up.weight")->data);
    check_f32(o.s, "blk.0.ffn_up.weight", DIMS(3, 2, 1, 1), WANT(0, 1, 2, 3, 4, 5));
    close_opened(&o);
}

static void test_tied_heads(void **state) {
    (void)state;
    static const struct {
        const char *tie;
        bool head, there;
        weft_status status;
    } cases[] = {{"", true, true, WEFT_OK},
                 {"", false, false, WEFT_OK},
                 {",\"tie_word_embeddings\":true", true, false, WEFT_OK},
                 {",\"tie_word_embeddings\":false", true, true, WEFT_OK},
                 {",\"tie_word_embeddings\":false", false, false, WEFT_ERR_NOT_FOUND}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct st_writer w = {0};
        struct opened o;
        char config[512];
        snprintf(config, sizeof config, "{\"model_type\":\"llama\"," LLAMA "%s}", cases[i].tie);
        put_counted(&w, "model.embed_tokens.weight", "3,2", 6);
        if (cases[i].head) put_counted(&w, "lm_head.weight", "3,2", 6);
        assert_int_equal(open_with(config, &w, &o), cases[i].status);
        if (cases[i].status != WEFT_OK) continue;
        assert_int_equal(weft_source_find(o.s, "output.weight") != NULL, cases[i].there);
        close_opened(&o);
    }
}

/// Whatever allocation is refused, opening and reading end in order.
static void test_out_of_memory(void **state) {
    (void)state;
    static const char config[] = "{\"model_type\":\"mixtral\",\"sliding_window\":4,\"other\":1,\"eos_token_id\":[1,2],"
                                 "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8}," LLAMA "}";
    struct st_writer w = {0};
    size_t size;
    put_counted(&w, "model.layers.0.self_attn.q_proj.weight", "4,2", 8);
    put_counted(&w, "model.layers.0.block_sparse_moe.experts.0.w1.weight", "1,2", 2);
    put_counted(&w, "model.layers.0.block_sparse_moe.experts.1.w1.weight", "1,2", 2);
    uint8_t *data = st_finish(&w, &size);
    int64_t live = weft_alloc_stats().live;
    for (uint64_t n = 1;; n++) {
        struct weft_source_room room = {0};
        const uint8_t *all;
        struct weft_source *s;
        weft_alloc_fail_at(n, 0);
        weft_status status = weft_hf_open_memory(config, sizeof config - 1, data, size, "t", &s);
        for (size_t i = 0; status == WEFT_OK && i < weft_source_tensor_count(s); i++)
            status = weft_source_bytes_of(s, weft_source_tensor_at(s, i), &room, &all);
        weft_alloc_fail_at(0, 0);
        weft_free(room.data);
        weft_source_close(s);
        assert_int_equal(weft_alloc_stats().live, live);
        if (status == WEFT_OK) break;
        assert_int_equal(status, WEFT_ERR_NOMEM);
        assert_true(n < 2000);
    }
    weft_free(data);
}

static void test_heads_that_do_not_fit(void **state) {
    (void)state;
    static const struct {
        const char *config, *name, *shape, *says;
    } rows[] = {
        {"{\"model_type\":\"llama\"," LLAMA "}", "model.layers.0.self_attn.q_proj.weight", "3,1", "are no 2 heads"},
        {"{\"model_type\":\"llama\"," LLAMA "}", "model.layers.0.self_attn.q_proj.weight", "2,1", "odd number"},
        {"{\"model_type\":\"llama\"}", "model.layers.0.self_attn.q_proj.weight", "4,1", "head_count' is missing"},
        {"{\"model_type\":\"qwen3_5_text\"," LLAMA "}", "model.layers.0.linear_attn.A_log", "3", "are no 32 heads"},
        {"{\"model_type\":\"qwen3_5_text\"," LLAMA "}", "model.layers.0.linear_attn.in_proj_qkv.weight", "3,1",
         "has 3 rows only"},
        {"{\"model_type\":\"qwen3_5_text\",\"linear_num_key_heads\":0," LLAMA "}", "model.layers.0.linear_attn.A_log",
         "32", "do not divide"},
        {"{\"model_type\":\"llama\",\"num_attention_heads\":0}", "model.layers.0.self_attn.q_proj.weight", "0,1",
         "are no 0 heads"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct st_writer w = {0};
        struct opened o;
        put_counted(&w, rows[i].name, rows[i].shape, (size_t)atoi(rows[i].shape));
        weft_status status = open_with(rows[i].config, &w, &o);
        if (status == WEFT_OK || !strstr(weft_error_message(), rows[i].says))
            fail_msg("row %zu: %d, %s", i, (int)status, weft_error_message());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rotated_rows_stand_in_pairs),
        cmocka_unit_test(test_vectors_are_f32),
        cmocka_unit_test(test_gpt2_is_transposed),
        cmocka_unit_test(test_experts_are_joined),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_unaligned_data_is_copied),
        cmocka_unit_test(test_tied_heads),
        cmocka_unit_test(test_heads_that_do_not_fit),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
