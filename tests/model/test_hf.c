/// Folders of Hugging Face: the same model in both formats gives the same graph, plan and logits, and which files are
/// read.
#include "compile/compile.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/file.h"
#include "gpu/gpu.h"
#include "model/gguf.h"
#include "model/host.h"
#include "model/lm_graph.h"
#include "model/tokenizer/tokenizer.h"
#include "ops/ops.h"
#include "support/hf_folder.h"
#include "support/tiny_gemma3.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hf_open.h"

static char folder[] = "/tmp/weft-hf-XXXXXX";

static const char *in_folder(const char *name) {
    static char paths[4][256];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof *paths, "%s/%s", folder, name);
    return path;
}

// ---- one model in two formats --------------------------------------------------------------------------------------

enum { TOKENS = 24, MOST_VOCAB = 512 };

static double *logits_of(const struct weft_source *s, uint32_t *vocab) {
    struct weft_host_lm *lm;
    must(weft_host_lm_create(s, &(struct weft_host_lm_params){.chunk = TOKENS}, &lm));
    *vocab = weft_host_lm_vocab(lm);
    assert_true(*vocab <= MOST_VOCAB);
    int32_t ids[TOKENS];
    for (int i = 0; i < TOKENS; i++) ids[i] = i ? 260 + i * 7 % 39 : 2;
    double *x = weft_calloc((size_t)TOKENS * MOST_VOCAB, sizeof *x);
    assert_non_null(x);
    must(weft_host_lm_feed(lm, ids, TOKENS, TOKENS, x));
    weft_host_lm_destroy(lm);
    return x;
}

static void print_plan(const struct weft_source *s, struct weft_str *graph_text, struct weft_str *plan_text) {
    struct weft_model_config config;
    struct weft_graph *graph;
    struct weft_plan *plan;
    weft_gpu *gpu;
    struct weft_lm_build build = {.ctx = 64, .chunk = 16, .head = WEFT_LM_GENERATE};
    must(weft_model_config_read(s, &config));
    must(weft_lm_build_graph(s, &config, &build, NULL, &graph));
    must(weft_graph_print(graph, graph_text));
    must(weft_gpu_open(&(struct weft_gpu_params){.implementation = "null"}, &gpu));
    struct weft_compile_params params = weft_lm_compile_params(weft_gpu_caps(gpu), build.chunk);
    must(weft_compile(graph, weft_gpu_caps(gpu), &params, &plan));
    weft_plan_print(plan, false, plan_text);
    weft_plan_destroy(plan);
    weft_gpu_close(&gpu);
}

static void check_equal(const struct weft_source *gguf, const struct weft_source *hf) {
    struct weft_str text[4] = {0};
    uint32_t vocab[2];
    print_plan(gguf, &text[0], &text[1]);
    print_plan(hf, &text[2], &text[3]);
    assert_string_equal(weft_str_get(&text[0]), weft_str_get(&text[2]));
    assert_string_equal(weft_str_get(&text[1]), weft_str_get(&text[3]));
    for (int i = 0; i < 4; i++) weft_str_free(&text[i]);
    double *x = logits_of(gguf, &vocab[0]), *y = logits_of(hf, &vocab[1]);
    assert_int_equal(vocab[0], vocab[1]);
    assert_true(isfinite(x[0]) && x[0] != x[1]);
    assert_memory_equal(x, y, (size_t)TOKENS * MOST_VOCAB * sizeof *x);
    weft_free(x);
    weft_free(y);
}

/// Ids and pieces, and what the settings beside the vocabulary say.
static void check_tokenizers(const struct weft_source *gguf, const struct weft_source *hf) {
    static const char text[] = "a b c\xC3\xA9 zz 1";
    struct weft_tokenizer *t[2];
    struct weft_ids ids[2] = {0};
    must(weft_tokenizer_create(gguf, &t[0]));
    must(weft_tokenizer_create(hf, &t[1]));
    for (int i = 0; i < 2; i++) must(weft_tokenizer_encode(t[i], text, sizeof text - 1, WEFT_ENCODE_ADD_BOS, &ids[i]));
    assert_int_equal(ids[0].count, ids[1].count);
    assert_memory_equal(ids[0].data, ids[1].data, ids[0].count * sizeof(int32_t));
    assert_int_equal(weft_tokenizer_size(t[0]), weft_tokenizer_size(t[1]));
    assert_int_equal(weft_tokenizer_bos(t[1]), 2);
    assert_int_equal(weft_tokenizer_eos(t[1]), 1);
    assert_true(weft_tokenizer_adds_bos(t[1]) && weft_tokenizer_is_stop(t[1], 1) && !weft_tokenizer_is_stop(t[1], 2));
    for (int i = 0; i < 2; i++) {
        weft_ids_free(&ids[i]);
        weft_tokenizer_destroy(t[i]);
    }
}

/// In one file, in three shards, and named by file and index.
static void check_formats(const struct weft_source *gguf, const char *name) {
    static const char *const ends[] = {"", "/", "/model.safetensors.index.json"};
    for (uint32_t parts = 1; parts <= 3; parts += 2) {
        char path[256];
        snprintf(path, sizeof path, "%s-%u", in_folder(name), parts);
        assert_true(weft_hf_write_folder(gguf, path, parts));
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
            char whole[320];
            struct weft_source *hf;
            snprintf(whole, sizeof whole, "%s%s", path, parts == 1 && i == 2 ? "/model.safetensors" : ends[i]);
            must(weft_source_open(whole, &hf));
            assert_string_equal(weft_source_format(hf), "safetensors");
            assert_int_equal(weft_source_part_count(hf), parts);
            assert_int_equal(weft_source_tensor_count(hf), weft_source_tensor_count(gguf));
            if (i == 0) check_equal(gguf, hf);
            check_tokenizers(gguf, hf);
            weft_source_close(hf);
        }
    }
}

static void test_gemma3_in_both_formats(void **state) {
    (void)state;
    const struct weft_tiny_gemma3 models[] = {
        {.seed = 1, .plain = true},
        {.seed = 2, .plain = true, .separate_head = true, .softcap = 5, .rope_factor = 4, .n_layer = 4},
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct weft_source *gguf;
        size_t size;
        char name[16];
        void *data = weft_tiny_gemma3_make(&models[i], &size);
        assert_non_null(data);
        must(weft_gguf_open_memory(data, size, "tiny", &gguf));
        weft_hf_round(gguf);
        snprintf(name, sizeof name, "gemma3-%zu", i);
        check_formats(gguf, name);
        weft_source_close(gguf);
        weft_free(data);
    }
}

/// Recurrent layers, whose value heads stand in another order. The quantised weights are decoded, which is exact.
static void test_qwen35_in_both_formats(void **state) {
    (void)state;
    struct weft_source *gguf, *hf;
    char *data = NULL;
    size_t size;
    uint32_t vocab[2];
    must(weft_file_read("models/hybrid-golden.gguf", 0, &data, &size));
    must(weft_gguf_open_memory(data, size, "hybrid", &gguf));
    weft_hf_round(gguf);
    assert_true(weft_hf_write_folder(gguf, in_folder("hybrid"), 2));
    must(weft_source_open(in_folder("hybrid"), &hf));
    check_tokenizers(gguf, hf);
    double *x = logits_of(gguf, &vocab[0]), *y = logits_of(hf, &vocab[1]);
    assert_memory_equal(x, y, (size_t)TOKENS * MOST_VOCAB * sizeof *x);
    weft_free(x);
    weft_free(y);
    weft_source_close(hf);
    weft_source_close(gguf);
    weft_free(data);
}

// ---- files ---------------------------------------------------------------------------------------------------------

static void write_file(const char *sub, const char *name, const void *data, size_t size) {
    char path[320];
    must(weft_dir_make(in_folder(sub)));
    snprintf(path, sizeof path, "%s/%s", in_folder(sub), name);
    must(weft_file_write(path, data, size));
}

static void write_tensors(const char *sub, const char *name, const char *tensor) {
    struct st_writer w = {0};
    size_t size;
    put_counted(&w, tensor, "3,2", 6);
    uint8_t *data = st_finish(&w, &size);
    write_file(sub, name, data, size);
    weft_free(data);
}

static void check_open(const char *path, weft_status want, const char *says) {
    struct weft_source *s;
    weft_error_clear();
    weft_status status = weft_source_open(path, &s);
    if (status != want || (says && !strstr(weft_error_message(), says)))
        fail_msg("%s: %d, %s", path, (int)status, weft_error_message());
    assert_true((status == WEFT_OK) == (s != NULL));
    weft_source_close(s);
}

static void write_index(const char *sub, const char *weight_map) {
    struct weft_str text = {0};
    weft_str_addf(&text, "{\"weight_map\":%s}", weight_map);
    write_file(sub, "model.safetensors.index.json", weft_str_get(&text), text.len);
    weft_str_free(&text);
}

static void test_folders(void **state) {
    (void)state;
    static const char config[] = "{\"model_type\":\"llama\"," LLAMA "}";
    must(weft_dir_make(in_folder("f")));
    check_open(in_folder("f"), WEFT_ERR_NOT_FOUND, "f/config.json is missing");
    check_open(in_folder("g/model.safetensors"), WEFT_ERR_NOT_FOUND, "g/config.json is missing");
    write_file("f", "config.json", config, sizeof config - 1);
    check_open(in_folder("f"), WEFT_ERR_NOT_FOUND, "neither model.safetensors nor");
    check_open(in_folder("f/other.safetensors"), WEFT_ERR_NOT_FOUND, "other.safetensors");
    write_tensors("f", "other.safetensors", "model.embed_tokens.weight");
    check_open(in_folder("f/other.safetensors"), WEFT_OK, NULL);
    write_tensors("f", "second.safetensors", "lm_head.weight");
    static const struct {
        const char *map, *says;
    } rows[] = {
        {"{\"model.embed_tokens.weight\":\"other.safetensors\",\"lm_head.weight\":\"second.safetensors\"}", NULL},
        {"{\"model.embed_tokens.weight\":\"second.safetensors\"}", "is in none of the files"},
        {"{\"x\":\"../f/other.safetensors\"}", "no .safetensors file beside it"},
        {"{\"x\":\"/etc/passwd\"}", "no .safetensors file beside it"},
        {"{\"x\":\"other.bin\"}", "no .safetensors file beside it"},
        {"{\"x\":\".safetensors\"}", "no .safetensors file beside it"},
        {"{\"x\":\"other\\u0000.safetensors\"}", "no .safetensors file beside it"},
        {"{\"x\":7}", "no .safetensors file beside it"},
        {"7", "no 'weight_map'"},
        {"{\"x\":\"missing.safetensors\"}", "missing.safetensors"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_index("f", rows[i].map);
        struct weft_source *s;
        weft_status status = weft_source_open(in_folder("f"), &s);
        if ((status == WEFT_OK) != !rows[i].says || (s && weft_source_tensor_count(s) != 2) ||
            (rows[i].says && !strstr(weft_error_message(), rows[i].says)))
            fail_msg("row %zu: %d, %s", i, (int)status, weft_error_message());
        weft_source_close(s);
    }
    write_tensors("f", "second.safetensors", "model.embed_tokens.weight");
    write_index("f", "{\"model.embed_tokens.weight\":\"other.safetensors\",\"x\":\"second.safetensors\"}");
    check_open(in_folder("f"), WEFT_ERR_FORMAT,
               "second.safetensors: tensor 'model.embed_tokens.weight' is in two files");
    write_file("f", "second.safetensors", "no model", 8);
    check_open(in_folder("f"), WEFT_ERR_FORMAT, "second.safetensors: not a safetensors file");
    write_file("f", "config.json", "{", 1);
    check_open(in_folder("f"), WEFT_ERR_FORMAT, "f/config.json: JSON: line 1");
}

static bool has_text(const struct weft_source *s, const char *key, const char *want) {
    struct weft_source_str text = {0};
    return weft_source_get_string(s, key, &text) == WEFT_OK && text.len == strlen(want) &&
           !memcmp(text.data, want, text.len);
}

/// Templates and ids of the files beside the weights, and rows beyond the vocabulary.
static void test_files_beside_the_weights(void **state) {
    (void)state;
    static const char config[] = "{\"model_type\":\"llama\",\"eos_token_id\":1," LLAMA "}";
    static const char generation[] = "{\"bos_token_id\":0,\"eos_token_id\":[2,1]}";
    static const char settings[] = "{\"chat_template\":\"of settings\"}";
    static const char tokenizer[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[]}}";
    struct weft_source *s;
    struct weft_tokenizer *t;
    struct weft_str text = {0};
    write_file("h", "config.json", config, sizeof config - 1);
    write_file("h", "generation_config.json", generation, sizeof generation - 1);
    write_file("h", "tokenizer_config.json", settings, sizeof settings - 1);
    write_file("h", "tokenizer.json", tokenizer, sizeof tokenizer - 1);
    write_tensors("h", "model.safetensors", "model.embed_tokens.weight");
    must(weft_source_open(in_folder("h"), &s));
    assert_true(has_text(s, "tokenizer.chat_template", "of settings"));
    must(weft_tokenizer_create(s, &t));
    assert_int_equal(weft_tokenizer_size(t), 3); // of which two have texts
    assert_int_equal(weft_tokenizer_type(t, 2), WEFT_TOKEN_UNUSED);
    must(weft_tokenizer_decode(t, 2, false, &text));
    assert_int_equal(text.len, 0);
    assert_int_equal(weft_tokenizer_bos(t), 0);
    assert_int_equal(weft_tokenizer_eos(t), 2);
    assert_true(weft_tokenizer_is_stop(t, 1) && weft_tokenizer_is_stop(t, 2) && !weft_tokenizer_is_stop(t, 0));
    weft_tokenizer_destroy(t);
    weft_source_close(s);
    write_file("h", "chat_template.jinja", "of its own", 10);
    must(weft_source_open(in_folder("h"), &s));
    assert_true(has_text(s, "tokenizer.chat_template", "of its own"));
    weft_source_close(s);
    write_file("h", "tokenizer.json", "{}", 2);
    must(weft_source_open(in_folder("h"), &s));
    assert_int_equal(weft_tokenizer_create(s, &t), WEFT_ERR_FORMAT);
    assert_non_null(strstr(weft_error_message(), "tokenizer.huggingface.json"));
    weft_source_close(s);
    weft_str_free(&text);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemma3_in_both_formats),
        cmocka_unit_test(test_qwen35_in_both_formats),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_files_beside_the_weights),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
