/// The graph of Gemma 3 and the hyper-parameters it is made from, on tiny files: structure, names, and what is refused.
#include "core/alloc.h"
#include "model/decoder.h"
#include "model/gguf.h"
#include "ops/ops.h"
#include "support/tiny_gemma3.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/// A tiny file, changed before it is opened.
struct opened {
    uint8_t *data;
    size_t size;
    struct weft_source *file;
    struct weft_model_config config;
};

static void make(struct opened *o, const struct weft_tiny_gemma3 *tiny) {
    o->data = weft_tiny_gemma3_make(tiny, &o->size);
    assert_non_null(o->data);
}

/// Overwrites the first place where `from` stands, by as many bytes; `past` bytes behind it if that is not 0.
static void patch(struct opened *o, const char *from, size_t past, const void *to, size_t n) {
    uint8_t *at = memmem(o->data, o->size, from, strlen(from));
    assert_non_null(at);
    memcpy(at + (past ? strlen(from) + past - 1 : 0), to, n);
}

/// A u32 key gets another value: behind the name stands its type.
static void set_u32(struct opened *o, const char *key, uint32_t value) { patch(o, key, 5, &value, 4); }

static weft_status open_it(struct opened *o) {
    if (weft_gguf_open_memory(o->data, o->size, "tiny", &o->file) != WEFT_OK) fail_msg("%s", weft_error_message());
    return weft_model_config_read(o->file, &o->config);
}

static void close_it(struct opened *o) {
    weft_source_close(o->file);
    weft_free(o->data);
}

static weft_status build(struct opened *o, const struct weft_decoder_params *params, struct weft_graph **g) {
    return weft_decoder_build(o->file, &o->config, params, g);
}

// ---- hyper-parameters ----

static void test_config(void **state) {
    (void)state;
    struct opened o;
    make(&o, &(struct weft_tiny_gemma3){.softcap = 30, .rope_factor = 8});
    assert_int_equal(open_it(&o), WEFT_OK);
    const struct weft_model_config *c = &o.config;
    assert_string_equal(c->arch, "gemma3");
    assert_int_equal(c->n_embd, 64);
    assert_int_equal(c->n_layer, 6);
    assert_int_equal(c->n_head, 2);
    assert_int_equal(c->n_head_kv, 1);
    assert_int_equal(c->head_dim, 32);
    assert_int_equal(c->rope_dim, 32);
    assert_int_equal(c->n_vocab, 300);
    assert_int_equal(c->window, 8);
    for (uint32_t i = 0; i < 6; i++) assert_int_equal(c->local[i], i % 3 != 2);
    assert_true(c->rope_base == 1e6 && c->rope_base_local == 1e4);
    assert_true(c->stretch.factor == 8 && c->softcap == 30);
    assert_true(fabs(c->eps - 1e-6) < 1e-12);
    assert_true(fabs(c->attn_scale - 1 / sqrt(32)) < 1e-15);
    close_it(&o);
}

static void test_defaults(void **state) {
    (void)state;
    struct opened o;
    make(&o, &(struct weft_tiny_gemma3){.n_head = 2, .n_head_kv = 2, .n_layer = 7});
    patch(&o, "gemma3.rope.freq_base", 0, "gemma3.rope.freq_besa", 21);
    patch(&o, "gemma3.attention.head_count_kv", 0, "gemma3.attention.head_count_vk", 30);
    patch(&o, "gemma3.attention.key_length", 0, "gemma3.attention.yek_length", 27);
    patch(&o, "gemma3.attention.sliding_window_pattern", 0, "gemma3.attention.sliding_window_nrettap", 39);
    assert_int_equal(open_it(&o), WEFT_OK);
    assert_true(o.config.rope_base == 1e4 && o.config.stretch.factor == 1 && o.config.softcap == 0);
    assert_int_equal(o.config.n_head_kv, 2);
    assert_int_equal(o.config.head_dim, 32);
    for (uint32_t i = 0; i < 7; i++) assert_int_equal(o.config.local[i], i != 5);
    close_it(&o);
    make(&o, &(struct weft_tiny_gemma3){0});
    set_u32(&o, "gemma3.attention.sliding_window", 0);
    assert_int_equal(open_it(&o), WEFT_OK);
    for (uint32_t i = 0; i < 6; i++) assert_false(o.config.local[i]);
    close_it(&o);
}

static void refuse(const struct weft_tiny_gemma3 *tiny, const char *key, const char *text, uint32_t value,
                   weft_status want, const char *said) {
    struct opened o;
    make(&o, tiny);
    if (text) patch(&o, key, 0, text, strlen(text));
    else set_u32(&o, key, value);
    weft_status status = open_it(&o);
    if (status != want) fail_msg("%s: %s, not %s", key, weft_status_name(status), weft_status_name(want));
    if (!strstr(weft_error_message(), said)) fail_msg("'%s' does not say '%s'", weft_error_message(), said);
    close_it(&o);
}

static void test_config_refusals(void **state) {
    (void)state;
    const struct weft_tiny_gemma3 base = {0}, scaled = {.rope_factor = 2};
    refuse(&base, "gemma3.block_count", "gemma3.block_tnuoc", 0, WEFT_ERR_NOT_FOUND, "gemma3.block_count");
    refuse(&base, "gemma3.block_count", NULL, 0, WEFT_ERR_FORMAT, "gemma3.block_count is 0");
    refuse(&base, "gemma3.block_count", NULL, 100000, WEFT_ERR_FORMAT, "100000");
    refuse(&base, "gemma3.attention.head_count_kv", NULL, 3, WEFT_ERR_FORMAT, "3 key heads");
    refuse(&base, "gemma3.attention.value_length", NULL, 16, WEFT_ERR_UNSUPPORTED, "values of 16");
    refuse(&base, "gemma3.embedding_length", NULL, 65, WEFT_ERR_FORMAT, "token_embd.weight");
    refuse(&base, "gemma3.attention.layer_norm_rms_epsilon", NULL, 0, WEFT_ERR_FORMAT, "positive");
    refuse(&base, "gemma3.attention.layer_norm_rms_epsilon", NULL, 0x7FC00000, WEFT_ERR_FORMAT, "positive");
    refuse(&base, "token_embd.weight", "token_embd.thgiew", 0, WEFT_ERR_NOT_FOUND, "token_embd.weight");
    refuse(&base, "gemma3", "gemma!", 0, WEFT_ERR_UNSUPPORTED, "architecture 'gemma!'; known: ");
    refuse(&scaled, "linear", "yarn!!", 0, WEFT_ERR_UNSUPPORTED, "yarn");
}

// ---- the graph ----

static const struct weft_value_info *find(const struct weft_graph *g, const char *name) {
    uint64_t v;
    return weft_map_get(&g->names, name, strlen(name), &v) ? &g->values[v] : NULL;
}

static int64_t rows_of(const struct weft_graph *g, const char *name) {
    const struct weft_value_info *info = find(g, name);
    int64_t n = -1;
    assert_non_null(info);
    weft_dim_is_const(g->dims, info->type.dims[0], &n);
    return n;
}

static void test_graph(void **state) {
    (void)state;
    struct opened o;
    struct weft_graph *g;
    make(&o, &(struct weft_tiny_gemma3){.window = 20, .ctx = 200});
    assert_int_equal(open_it(&o), WEFT_OK);
    struct weft_decoder_params params = {.ctx = 200, .chunk = 64, .cache_f16 = true};
    assert_int_equal(build(&o, &params, &g), WEFT_OK);
    assert_int_equal(rows_of(g, "cache.0.k"), 128); // 19 + 64 = 83
    assert_int_equal(rows_of(g, "cache.2.v"), 200); // the context, in pages
    assert_int_equal(find(g, "cache.0.k")->type.dtype, WEFT_F16);
    assert_int_equal(find(g, "cache.0.k")->state_kind, WEFT_STATE_RING);
    assert_int_equal(find(g, "cache.2.k")->state_kind, WEFT_STATE_PAGED);
    assert_int_equal(rows_of(g, "tokens"), 64);
    assert_null(find(g, "counts"));
    bool named = false;
    for (size_t i = 0; i < g->n_nodes; i++) named |= g->nodes[i].name && strcmp(g->nodes[i].name, "blk.3.attn_q") == 0;
    assert_true(named);
    weft_graph_destroy(g);
    params = (struct weft_decoder_params){.ctx = 70, .chunk = 1, .head = WEFT_LM_GENERATE};
    assert_int_equal(build(&o, &params, &g), WEFT_OK);
    assert_int_equal(rows_of(g, "cache.0.k"), 64);
    assert_int_equal(rows_of(g, "cache.2.k"), 70);
    assert_int_equal(rows_of(g, "counts"), 300);
    assert_int_equal(rows_of(g, "ring"), WEFT_LM_RING);
    weft_graph_destroy(g);
    close_it(&o);
}

/// Every variant verifies, and its text reads back to the same text.
static void test_variants(void **state) {
    (void)state;
    static const enum weft_lm_head heads[] = {WEFT_LM_LOGITS, WEFT_LM_NLL, WEFT_LM_GENERATE};
    struct opened o;
    make(&o, &(struct weft_tiny_gemma3){.softcap = 5, .separate_head = true});
    assert_int_equal(open_it(&o), WEFT_OK);
    for (int i = 0; i < 6; i++) {
        struct weft_graph *g, *back;
        struct weft_str text = {0}, again = {0};
        struct weft_decoder_params params = {.ctx = 64, .chunk = 16, .head = heads[i / 2], .sampling = i % 2 == 1};
        if (build(&o, &params, &g) != WEFT_OK) fail_msg("%s", weft_error_message());
        assert_int_equal(weft_graph_print(g, &text), WEFT_OK);
        if (weft_graph_parse(weft_ops(), weft_str_get(&text), text.len, &back) != WEFT_OK)
            fail_msg("%s", weft_error_message());
        assert_int_equal(weft_graph_verify(back), WEFT_OK);
        assert_int_equal(weft_graph_print(back, &again), WEFT_OK);
        assert_string_equal(weft_str_get(&text), weft_str_get(&again));
        weft_str_free(&text);
        weft_str_free(&again);
        weft_graph_destroy(g);
        weft_graph_destroy(back);
    }
    close_it(&o);
}

static void refuse_graph(const char *from, size_t past, const void *to, size_t n, struct weft_decoder_params params,
                         weft_status want, const char *said) {
    struct opened o;
    struct weft_graph *g;
    make(&o, &(struct weft_tiny_gemma3){0});
    if (from) patch(&o, from, past, to, n);
    assert_int_equal(open_it(&o), WEFT_OK);
    weft_status status = build(&o, &params, &g);
    if (status != want) fail_msg("%s, not %s", weft_status_name(status), weft_status_name(want));
    assert_null(g);
    if (!strstr(weft_error_message(), said)) fail_msg("'%s' does not say '%s'", weft_error_message(), said);
    close_it(&o);
}

static void test_graph_refusals(void **state) {
    (void)state;
    struct weft_decoder_params p = {.ctx = 64, .chunk = 16};
    refuse_graph(NULL, 0, NULL, 0, (struct weft_decoder_params){.ctx = 65, .chunk = 1}, WEFT_ERR_INVALID, "65");
    refuse_graph(NULL, 0, NULL, 0, (struct weft_decoder_params){.ctx = 0, .chunk = 1}, WEFT_ERR_INVALID, "context");
    refuse_graph(NULL, 0, NULL, 0, (struct weft_decoder_params){.ctx = 8, .chunk = 9}, WEFT_ERR_INVALID, "9");
    refuse_graph("blk.4.ffn_up.", 0, "blk.4.ffn_pu.", 13, p, WEFT_ERR_NOT_FOUND, "blk.4.ffn_up.weight");
    refuse_graph("gemma3.feed_forward_length", 5, &(uint32_t){64}, 4, p, WEFT_ERR_FORMAT, "blk.0.ffn_gate.weight");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config), cmocka_unit_test(test_defaults), cmocka_unit_test(test_config_refusals),
        cmocka_unit_test(test_graph),  cmocka_unit_test(test_variants), cmocka_unit_test(test_graph_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
