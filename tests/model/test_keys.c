/// Keys of a file that change what the model computes: each is honoured, has a value at which it changes nothing, or is
/// refused by name; what is unknown is told. So with tensors.
#include "core/alloc.h"
#include "core/error.h"
#include "core/log.h"
#include "model/config.h"
#include "model/decoder.h"
#include "model/gguf.h"
#include "model/host.h"
#include "model/keys.h"
#include "model/tokenizer/tokenizer.h"
#include "engine/lm.h"
#include "support/tiny_gemma3.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { VOCAB = 300, IDS = 20, LAYERS = 3 };

struct opened {
    void *data;
    struct weft_source *file;
    struct weft_model_config config;
    weft_status status;
};

static struct opened open_with(const struct weft_tiny_key *keys, uint32_t n, const char *more) {
    struct opened o;
    size_t size;
    const struct weft_tiny_gemma3 tiny = {
        .seed = 4, .n_layer = LAYERS, .plain = true, .keys = keys, .n_keys = n, .more = more};
    o.data = weft_tiny_gemma3_make(&tiny, &size);
    assert_non_null(o.data);
    if (weft_gguf_open_memory(o.data, size, "tiny", &o.file) != WEFT_OK) fail_msg("%s", weft_error_message());
    o.status = weft_model_config_read(o.file, &o.config);
    return o;
}

static void close_it(struct opened *o) {
    weft_source_close(o->file);
    weft_free(o->data);
}

/// Logits of the host model after the same ids.
static void logits(const struct weft_tiny_key *keys, uint32_t n, double *out) {
    struct opened o = open_with(keys, n, NULL);
    struct weft_host_lm *lm;
    int32_t ids[IDS];
    for (int i = 0; i < IDS; i++) ids[i] = i ? 30 + 7 * i : 2;
    weft_status status = weft_host_lm_create(o.file, &(struct weft_host_lm_params){0}, &lm);
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
    assert_int_equal(weft_host_lm_feed(lm, ids, IDS, 1, out), WEFT_OK);
    weft_host_lm_destroy(lm);
    close_it(&o);
}

static double apart(const double *x, const double *y) {
    double most = 0;
    for (int i = 0; i < VOCAB; i++) most = fmax(most, fabs(x[i] - y[i]));
    return most;
}

#define F32(NAME, X)                                                                                                   \
    { .name = "gemma3." NAME, .type = WEFT_SOURCE_F32, .x = X }
#define U32(NAME, X)                                                                                                   \
    { .name = "gemma3." NAME, .type = WEFT_SOURCE_U32, .x = X }
#define TEXT(NAME, X)                                                                                                  \
    { .name = "gemma3." NAME, .type = WEFT_SOURCE_STRING, .text = X }

/// Two names of one number give the same bits, and other bits than the file without the key.
static void older_names_count(void **state) {
    (void)state;
    static const struct {
        struct weft_tiny_key one, other;
    } pairs[] = {
        {F32("rope.scaling.factor", 5), F32("rope.scale_linear", 5)},
        {F32("rope.freq_base", 3000), F32("rope.global.freq_base", 3000)},
        {F32("rope.freq_base_swa", 70), F32("rope.local.freq_base", 70)},
    };
    double plain[VOCAB], one[VOCAB], other[VOCAB];
    logits(NULL, 0, plain);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        // The tiny file has rope.freq_base itself: it goes where its other name is tried.
        struct weft_tiny_key both[] = {pairs[i].other, F32("rope.freq_base", 3000)};
        logits(&pairs[i].one, 1, one);
        logits(both, i == 1 ? 2 : 1, other);
        assert_true(apart(one, other) == 0);
        assert_true(apart(one, plain) > 1e-3);
    }
    struct weft_tiny_key twice[] = {F32("rope.scaling.factor", 2), F32("rope.scale_linear", 4)};
    struct opened o = open_with(twice, 2, NULL);
    assert_int_equal(o.status, WEFT_ERR_FORMAT);
    assert_non_null(strstr(weft_error_message(), "rope.scale_linear is 4"));
    close_it(&o);
    twice[1].x = 2;
    o = open_with(twice, 2, NULL);
    assert_int_equal(o.status, WEFT_OK);
    assert_true(o.config.stretch.factor == 2);
    close_it(&o);
    o = open_with((struct weft_tiny_key[]){TEXT("rope.scaling.type", "none"), F32("rope.scale_linear", 4)}, 2, NULL);
    assert_true(o.status == WEFT_OK && o.config.stretch.factor == 1);
    close_it(&o);
    o = open_with((struct weft_tiny_key[]){F32("rope.scaling.factor", 0)}, 1, NULL);
    assert_true(o.status == WEFT_OK && o.config.stretch.factor == 1);
    close_it(&o);
}

static void scale_and_softcap_count(void **state) {
    (void)state;
    static const struct weft_tiny_key scale = F32("attention.scale", 0.3), cap = F32("attn_logit_softcapping", 1.5);
    double plain[VOCAB], scaled[VOCAB], capped[VOCAB];
    logits(NULL, 0, plain);
    logits(&scale, 1, scaled);
    logits(&cap, 1, capped);
    assert_true(apart(plain, scaled) > 1e-3 && apart(plain, capped) > 1e-3 && apart(scaled, capped) > 1e-3);
    static const struct weft_tiny_key magnitude = F32("rope.scaling.attn_factor", 1.25);
    logits(&magnitude, 1, scaled);
    assert_true(apart(plain, scaled) > 1e-3);
    struct opened o = open_with(&scale, 1, NULL);
    assert_true(o.config.scale_given && fabs(o.config.attn_scale - 0.3) < 1e-7);
    close_it(&o);
}

static void refused_by_name(void **state) {
    (void)state;
    static const struct weft_tiny_key cases[] = {
        F32("rope.scaling.yarn_log_multiplier", 0.1),
        F32("rope.scaling.alpha", 1000),
        F32("rope.freq_scale", 0.5),
        TEXT("rope.scaling.type", "longrope"),
        U32("attention.key_length_swa", 16),
        U32("rope.dimension_count_swa", 16),
        {.name = "gemma3.attention.causal", .type = WEFT_SOURCE_BOOL, .x = 0},
        F32("attention.max_alibi_bias", 8),
        F32("attention.clamp_kqv", 8),
        U32("attention.shared_kv_layers", 1),
        U32("attention.kv_lora_rank", 512),
        F32("logit_scale", 0.0625),
        F32("residual_scale", 0.22),
        F32("embedding_scale", 12),
        F32("router_logit_softcapping", 30),
        U32("expert_count", 8),
        U32("expert_used_count", 2),
        U32("nextn_predict_layers", 1),
        {.name = "gemma3.use_parallel_residual", .type = WEFT_SOURCE_BOOL, .x = 1},
        TEXT("tensor_data_layout", "Meta AI original pth"),
        U32("ssm.state_size", 128),
        U32("ssm.conv_kernel", 4),
        U32("full_attention_interval", 4),
        U32("wkv.head_size", 64),
        U32("altup.num_inputs", 4),
        U32("attention.indexer.top_k", 2048),
        {.name = "gemma3.swiglu_clamp_exp", .type = WEFT_SOURCE_ARRAY, .x = 7},
        {.name = "gemma3.feed_forward_length", .type = WEFT_SOURCE_ARRAY, .x = 96},
        {.name = "gemma3.attention.head_count_kv", .type = WEFT_SOURCE_ARRAY, .x = 1},
        {.name = "tokenizer.ggml.remove_extra_whitespaces", .type = WEFT_SOURCE_BOOL, .x = 1},
        {.name = "tokenizer.ggml.precompiled_charsmap", .type = WEFT_SOURCE_ARRAY, .x = 0},
        {.name = "tokenizer.ggml.add_sep_token", .type = WEFT_SOURCE_BOOL, .x = 1},
        {.name = "general.type", .type = WEFT_SOURCE_STRING, .text = "adapter"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct opened o = open_with(&cases[i], 1, NULL);
        struct weft_tokenizer *t = NULL;
        if (o.status == WEFT_OK)
            o.status = weft_tokenizer_create(o.file, &t); // which keys a tokenizer takes, its kind says
        weft_tokenizer_destroy(t);
        if (o.status != WEFT_ERR_UNSUPPORTED && o.status != WEFT_ERR_FORMAT)
            fail_msg("%s is taken: %s", cases[i].name, weft_status_name(o.status));
        if (!strstr(weft_error_message(), cases[i].name)) fail_msg("%s: %s", cases[i].name, weft_error_message());
        close_it(&o);
    }
}

/// At its neutral value a key changes nothing, and keys that describe never do.
static void neutral_values_are_taken(void **state) {
    (void)state;
    static const struct weft_tiny_key keys[] = {
        F32("rope.scaling.attn_factor", 1),
        F32("rope.freq_scale", 1),
        F32("rope.scaling.alpha", 0),
        U32("attention.key_length_swa", 32),
        U32("rope.dimension_count_swa", 32),
        {.name = "gemma3.attention.causal", .type = WEFT_SOURCE_BOOL, .x = 1},
        F32("attention.max_alibi_bias", 0),
        F32("logit_scale", 1),
        F32("attn_logit_softcapping", 0),
        U32("expert_count", 0),
        U32("full_attention_interval", 1),
        U32("vocab_size", VOCAB),
        U32("rope.scaling.original_context_length", 64),
        F32("rope.scaling.yarn_beta_fast", 32),
        F32("attention.layer_norm_epsilon", 1e-5),
        U32("pooling_type", 0),
        U32("vision.block_count", 27),
        {.name = "gemma3.rope.dimension_sections", .type = WEFT_SOURCE_ARRAY, .x = 8},
        {.name = "tokenizer.ggml.pre", .type = WEFT_SOURCE_STRING, .text = "default"},
        {.name = "tokenizer.ggml.remove_extra_whitespaces", .type = WEFT_SOURCE_BOOL, .x = 0},
        {.name = "general.type", .type = WEFT_SOURCE_STRING, .text = "model"},
        {.name = "general.quantization_version", .type = WEFT_SOURCE_U32, .x = 2},
    };
    enum { N = sizeof keys / sizeof *keys };
    double plain[VOCAB], described[VOCAB];
    logits(NULL, 0, plain);
    logits(keys, N, described);
    assert_true(apart(plain, described) == 0);
    struct opened o = open_with(keys, N, NULL);
    struct weft_str names = {0};
    assert_int_equal(weft_model_keys_unknown(o.file, "gemma3", 4, &names), 0);
    assert_string_equal(weft_str_get(&names), "");
    close_it(&o);
}

static char said[4096];

static void keep(void *user, enum weft_log_level level, const char *message) {
    (void)user;
    assert_int_equal(level, WEFT_LOG_WARN);
    strncpy(said, message, sizeof said - 1);
}

/// Opening a model names the keys under the architecture's prefix that nothing knows, with safe text.
static void unknown_keys_are_told(void **state) {
    (void)state;
    static const struct weft_tiny_key keys[] = {
        U32("attention.brand_new", 3),
        U32("brand\xc2\x9bnew", 4),
        {.name = "tokenizer.ggml.novel", .type = WEFT_SOURCE_U32, .x = 1},
        {.name = "other.attention.brand_new", .type = WEFT_SOURCE_U32, .x = 1},
        {.name = "gemma3x.attention.brand_new", .type = WEFT_SOURCE_U32, .x = 1},
        {.name = "general.novel", .type = WEFT_SOURCE_U32, .x = 1},
    };
    char path[] = "/tmp/weft-keys-XXXXXX";
    weft_gpu *gpu;
    weft_lm *lm;
    assert_true(mkstemp(path) >= 0);
    for (int with = 0; with < 2; with++) {
        assert_true(weft_tiny_gemma3_write(&(struct weft_tiny_gemma3){.keys = keys, .n_keys = with ? 6 : 0}, path));
        assert_int_equal(weft_gpu_open(&(struct weft_gpu_params){.implementation = "null"}, &gpu), WEFT_OK);
        weft_log_set(keep, NULL, WEFT_LOG_WARN);
        *said = 0;
        assert_int_equal(weft_lm_open(gpu, path, &(struct weft_model_params){.lazy = true, .greedy = true}, &lm),
                         WEFT_OK);
        weft_log_set(NULL, NULL, WEFT_LOG_ERROR);
        if (!with) assert_string_equal(said, "");
        else
            assert_non_null(strstr(said, "3 keys that Weft does not know and does not use: "
                                         "gemma3.attention.brand_new, gemma3.brand\\u009bnew, tokenizer.ggml.novel"));
        weft_lm_close(&lm);
        weft_gpu_close(&gpu);
    }
    unlink(path);
}

static void unused_tensors_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool fine;
    } cases[] = {
        {"blk.1.attn_q.bias", false},  {"rope_freqs.weight", false},         {"output.bias", false},
        {"blk.2.attn_sinks", false},   {"blk.7.attn_norm.weight", false},    {"position_embd.weight", false},
        {"v.patch_embd.weight", true}, {"mm.input_projection.weight", true}, {"mtp.fc.weight", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct opened o = open_with(NULL, 0, cases[i].name);
        struct weft_graph *g;
        assert_int_equal(o.status, WEFT_OK);
        const struct weft_decoder_params params = {.ctx = 8, .chunk = 4};
        weft_status status = weft_decoder_build(o.file, &o.config, &params, &g);
        assert_int_equal(status, cases[i].fine ? WEFT_OK : WEFT_ERR_UNSUPPORTED);
        if (!cases[i].fine) assert_non_null(strstr(weft_error_message(), cases[i].name));
        if (cases[i].fine) weft_graph_destroy(g);
        close_it(&o);
    }
}

/// A list of ids that end a text is read like the single keys.
static void stop_lists_count(void **state) {
    (void)state;
    const struct weft_tiny_key good = {.name = "tokenizer.ggml.eos_token_ids", .type = WEFT_SOURCE_ARRAY, .x = 261};
    struct weft_tiny_key bad = good;
    bad.x = 299;
    struct weft_tokenizer *t;
    size_t n;
    struct opened o = open_with(&good, 1, NULL);
    assert_int_equal(weft_tokenizer_create(o.file, &t), WEFT_OK);
    const int32_t *stops = weft_tokenizer_stop_ids(t, &n);
    assert_int_equal(n, 3);
    assert_true(stops[0] == 1 && stops[1] == 261 && stops[2] == 262);
    weft_tokenizer_destroy(t);
    close_it(&o);
    o = open_with(&bad, 1, NULL);
    assert_int_equal(weft_tokenizer_create(o.file, &t), WEFT_ERR_FORMAT);
    assert_non_null(strstr(weft_error_message(), "eos_token_ids has 300"));
    close_it(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(older_names_count),     cmocka_unit_test(scale_and_softcap_count),
        cmocka_unit_test(refused_by_name),       cmocka_unit_test(neutral_values_are_taken),
        cmocka_unit_test(unknown_keys_are_told), cmocka_unit_test(unused_tensors_are_refused),
        cmocka_unit_test(stop_lists_count),
    };
    unsetenv("WEFT_LOG");
    return cmocka_run_group_tests_name("model/keys", tests, NULL, NULL);
}
