/// The table of families on tiny models: the host reference against another implementation's logits, in pieces of every
/// kind; what a file must have and may have; and what its keys must say.
#include "core/alloc.h"
#include "core/file.h"
#include "model/host.h"

#include "family_mix.h"

#define BOUND 1e-3 // asked; f32 on the oracle's side and five digits of its text give 2e-5

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

// ---- logits --------------------------------------------------------------------------------------------------------

static double feed(struct weft_host_lm *lm, const struct family_model *f, const struct family_oracle *o,
                   uint32_t chunk) {
    double rows[FAMILY_TOKENS * FAMILY_VOCAB], most = 0;
    for (uint32_t at = 0, n; at < f->tokens; at += n) {
        n = f->tokens - at < chunk ? f->tokens - at : chunk;
        must(weft_host_lm_feed(lm, o->ids + at, n, n, rows));
        double d = family_apart_double(o, rows, at, n);
        if (!(d <= most)) most = d;
    }
    return most;
}

static void logits_are_the_oracles(void **state) {
    (void)state;
    static const uint32_t chunks[] = {FAMILY_TOKENS, 1, 7};
    for (uint32_t i = 0; i < FAMILY_MODELS; i++) {
        const struct family_model *f = &family_models[i];
        struct family_oracle o;
        struct weft_test_model m;
        struct weft_host_lm *lm;
        family_oracle_read(f, &o);
        family_open(f, &m);
        must(weft_host_lm_create(m.file, &(struct weft_host_lm_params){.ctx = f->ctx, .chunk = f->tokens}, &lm));
        for (uint32_t k = 0; k < sizeof chunks / sizeof *chunks; k++) {
            double d = feed(lm, f, &o, chunks[k]);
            if (getenv("WEFT_TEST_TIMES")) print_message("%s, chunks of %u: %.1e\n", f->oracle, chunks[k], d);
            if (!(d <= BOUND)) fail_msg("%s, chunks of %u: logits differ by %g", f->oracle, chunks[k], d);
            weft_host_lm_reset(lm);
        }
        weft_host_lm_destroy(lm);
        weft_test_model_free(&m);
    }
}

static double run_mixed(struct family_mix *mix, struct weft_host_lm *lm) {
    static double rows[MIX_CHUNK * FAMILY_VOCAB];
    int32_t tokens[MIX_CHUNK];
    uint32_t end, slot, to;
    double most = 0;
    weft_host_lm_reset(lm);
    family_mix_again(mix);
    while (family_mix_next(mix, tokens, &end)) {
        must(weft_host_lm_feed_slots(lm, mix->counts, tokens, rows));
        double d = family_mix_compare(mix, rows, BOUND);
        if (!(d <= most)) most = d;
        if (family_mix_goes_back(mix, &slot, &to)) weft_host_lm_rewind_slot(lm, slot, to);
    }
    family_mix_was_whole(mix);
    return most;
}

/// Several sequences in one run by the decoder's graph of slots, each as alone. Control: by another slot's text, none
/// is. The null device, which gives no numbers, takes every step.
static void mixed_batches_are_as_alone(void **state) {
    (void)state;
    weft_gpu *null = NULL;
    must(weft_gpu_open(&(struct weft_gpu_params){.implementation = "null"}, &null));
    for (uint32_t i = 0; i < FAMILY_MODELS; i++) {
        const struct family_model *f = &family_models[i];
        static struct family_oracle o;
        struct weft_test_model m;
        struct weft_host_lm *lm;
        struct family_mix mix;
        family_oracle_read(f, &o);
        family_open(f, &m);
        family_mix_begin(&mix, f, &o, m.file);
        must(weft_host_lm_create(
            m.file, &(struct weft_host_lm_params){.ctx = f->ctx, .chunk = MIX_CHUNK, .slots = MIX_SLOTS}, &lm));
        double d = run_mixed(&mix, lm);
        if (getenv("WEFT_TEST_TIMES")) print_message("%s, mixed: %.1e\n", f->oracle, d);
        if (!(d <= 1e-9)) fail_msg("%s in a mixed batch: logits differ by %g", f->oracle, d);
        double *own = mix.want[0];
        mix.want[0] = mix.want[2];
        assert_true(run_mixed(&mix, lm) > BOUND);
        mix.want[0] = own;
        family_mix_on_device(&mix, null, &m, INFINITY);
        weft_host_lm_destroy(lm);
        family_mix_end(&mix);
        weft_test_model_free(&m);
    }
    weft_gpu_close(&null);
}

/// Models that differ in one thing are told apart by their logits, so the oracle's files are none of another model.
static void oracles_tell_models_apart(void **state) {
    (void)state;
    static struct family_oracle oracles[FAMILY_MODELS];
    for (uint32_t i = 0; i < FAMILY_MODELS; i++) family_oracle_read(&family_models[i], &oracles[i]);
    for (uint32_t i = 0; i < FAMILY_MODELS; i++)
        for (uint32_t k = 0; k < i; k++) {
            double most = 0;
            for (uint32_t c = 0; c < FAMILY_COLUMNS; c++)
                most = fmax(most, fabs(oracles[i].logits[20][c] - oracles[k].logits[20][c]));
            bool same = !strcmp(family_models[i].name, "llama-keys") && !strcmp(family_models[k].name, "llama-freqs");
            if (same != (most < BOUND))
                fail_msg("%s and %s differ by %g", family_models[i].oracle, family_models[k].oracle, most);
        }
}

// ---- hostile files -------------------------------------------------------------------------------------------------

struct damaged {
    char *data;
    size_t size;
    struct weft_source *file;
};

static struct damaged read_file(const char *name) {
    const char *build = getenv("WEFT_TEST_BUILD");
    char path[512];
    struct damaged d = {0};
    snprintf(path, sizeof path, "%s/models/%s.gguf", build ? build : ".", name);
    must(weft_file_read(path, 16 << 20, &d.data, &d.size));
    return d;
}

static void change(struct damaged *d, const char *from, const char *to) {
    char *at = memmem(d->data, d->size, from, strlen(from));
    if (!at) fail_msg("no %s in the file", from);
    memcpy(at, to, strlen(to));
}

/// Config and graph of the file as it is now.
static weft_status build(struct damaged *d, uint32_t ctx) {
    static struct weft_model_config config;
    struct weft_graph *g = NULL;
    must(weft_gguf_open_memory(d->data, d->size, "damaged", &d->file));
    weft_status status = weft_model_config_read(d->file, &config);
    if (status == WEFT_OK)
        status = weft_decoder_build(d->file, &config, &(struct weft_decoder_params){.ctx = ctx, .chunk = 8}, &g);
    weft_graph_destroy(g);
    weft_source_close(d->file);
    return status;
}

/// Whether a model of this name may do without the tensor, which then changes what it computes.
static bool may_lack(const char *model, const char *tensor) {
    if (!strcmp(tensor, "output.weight") || !strcmp(tensor, "rope_freqs.weight")) return true;
    if (!strncmp(model, "llama", 5)) return strstr(tensor, ".bias") != NULL;
    if (!strncmp(model, "gemma3", 6)) return strstr(tensor, "attn_q_norm") || strstr(tensor, "attn_k_norm");
    // The graph has one of the two lists.
    return !strcmp(tensor, "rope_factors_short.weight");
}

/// Each tensor of each model under another name: one that is missing is named, and so is one that belongs to nothing.
static void missing_tensors_are_named(void **state) {
    (void)state;
    uint32_t missing = 0, spare = 0;
    for (uint32_t i = 0; i < FAMILY_MODELS; i++) {
        const struct family_model *f = &family_models[i];
        struct weft_test_model m;
        if (f->ctx != FAMILY_CTX) continue; // a model once
        struct damaged d = read_file(f->name);
        family_open(f, &m);
        for (size_t k = 0; k < weft_source_tensor_count(m.file); k++) {
            const char *name = weft_source_tensor_at(m.file, k)->name;
            char other[64];
            snprintf(other, sizeof other, "%s", name);
            other[strlen(other) - 1] ^= 1; // of "weight" and "bias"
            change(&d, name, other);
            weft_status status = build(&d, f->ctx);
            bool lacks = may_lack(f->name, name), lists = !strncmp(name, "rope_factors_long", 17);
            if (status != (lacks || lists ? WEFT_ERR_UNSUPPORTED : WEFT_ERR_NOT_FOUND))
                fail_msg("%s without %s: %s, %s", f->name, name, weft_status_name(status), weft_error_message());
            if (!strstr(weft_error_message(), lacks ? other : lists ? "rope_factors_" : name))
                fail_msg("%s without %s: %s", f->name, name, weft_error_message());
            lacks ? spare++ : missing++;
            change(&d, other, name);
        }
        must(build(&d, f->ctx));
        weft_test_model_free(&m);
        weft_free(d.data);
    }
    assert_true(missing > 300 && spare > 20);
}

/// A key's value, four bytes behind its name and type.
static void set(struct damaged *d, const char *key, const void *value) {
    char *at = memmem(d->data, d->size, key, strlen(key));
    if (!at) fail_msg("no %s in the file", key);
    memcpy(at + strlen(key) + 4, value, 4);
}

static void hostile_keys_are_named(void **state) {
    (void)state;
    // A key (or a tensor) of a model, and what stands in its place: another name, a count, or a number.
    static const struct {
        const char *model, *key, *other;
        uint32_t count;
        float number;
        weft_status status;
        const char *said;
    } cases[] = {
        // eps has the name that the kind of norm gives it
        {"gpt2", "gpt2.attention.layer_norm_epsilon", "gpt2.attention.layer_norm_epsilom", 0, 0, WEFT_ERR_NOT_FOUND,
         "gpt2.attention.layer_norm_epsilon"},
        {"llama", "attention.layer_norm_rms_epsilon", "attention.layer_norm_rms_epsilom", 0, 0, WEFT_ERR_NOT_FOUND,
         "layer_norm_rms_epsilon"},
        // rows of learned positions are the context
        {"gpt2", "gpt2.context_length", NULL, 64, 0, WEFT_ERR_FORMAT, "tensor position_embd.weight is 48 x 128"},
        // fused tensors hold what the keys make of them
        {"phi3", "phi3.feed_forward_length", NULL, 81, 0, WEFT_ERR_FORMAT, "blk.0.ffn_up.weight is 48 x 160"},
        {"phi3", "phi3.attention.head_count_kv", NULL, 1, 0, WEFT_ERR_FORMAT, "blk.0.attn_qkv.weight"},
        {"qwen2", "qwen2.attention.head_count_kv", NULL, 4, 0, WEFT_ERR_FORMAT, "blk.0.attn_k.weight"},
        // ways to stretch rotation
        {"qwen2-yarn", "qwen2.rope.scaling.factor", NULL, 0, -2, WEFT_ERR_FORMAT, "rope.scaling.factor is -2"},
        {"qwen2-yarn", "original_context_length", NULL, 0, 0, WEFT_ERR_FORMAT, "original_context_length is 0"},
        {"llama-keys", "rope.scaling.low_freq_factor", NULL, 0, 4, WEFT_ERR_FORMAT, "between 4 and 4"},
        {"llama-keys", "rope.scaling.high_freq_factor", NULL, 0, NAN, WEFT_ERR_FORMAT, "high_freq_factor is nan"},
        {"llama-freqs", "llama.rope.dimension_count", NULL, 10, 0, WEFT_ERR_FORMAT, "rope_freqs.weight has 6 elements"},
        {"phi3-lists", "phi3.rope.dimension_count", NULL, 12, 0, WEFT_ERR_FORMAT, "rope_factors_long.weight"},
        {"phi3-lists", "phi3.rope.scaling.attn_factor", NULL, 0, 0, WEFT_ERR_FORMAT, "attn_factor is 0"},
        {"llama", "llama.rope.dimension_count", NULL, 7, 0, WEFT_ERR_FORMAT, "7 of 12 elements"},
        {"llama", "llama.rope.freq_base", NULL, 0, INFINITY, WEFT_ERR_FORMAT, "freq_base is inf"},
        {"gemma2", "gemma2.attn_logit_softcapping", NULL, 0, -1, WEFT_ERR_FORMAT, "softcapping is -1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct damaged d = read_file(cases[i].model);
        if (cases[i].other) change(&d, cases[i].key, cases[i].other);
        else set(&d, cases[i].key, cases[i].count ? (const void *)&cases[i].count : &cases[i].number);
        weft_status status = build(&d, FAMILY_CTX / 2);
        if (status != cases[i].status || !strstr(weft_error_message(), cases[i].said))
            fail_msg("%s with another %s: %s, %s", cases[i].model, cases[i].key, weft_status_name(status),
                     weft_error_message());
        weft_free(d.data);
    }
}

/// What files of Gemma 2 leave out, and the scale of its largest model.
static void files_may_leave_out(void **state) {
    (void)state;
    struct weft_model_config c;
    struct damaged d = read_file("gemma2");
    const uint32_t layers = 46;
    change(&d, "gemma2.attn_logit_softcapping", "gemma2.attn_logit_softcappinG");
    change(&d, "gemma2.final_logit_softcapping", "gemma2.final_logit_softcappinG");
    change(&d, "gemma2.attention.sliding_window", "gemma2.attention.sliding_windoW");
    must(weft_gguf_open_memory(d.data, d.size, "changed", &d.file));
    must(weft_model_config_read(d.file, &c));
    assert_true(c.attn_softcap == 50 && c.softcap == 30 && c.window == 4096);
    assert_true(c.local[0] && !c.local[1] && c.local[2] && !c.local[3]);
    assert_true(c.attn_scale == 0.25); // heads of 16
    weft_source_close(d.file);
    set(&d, "gemma2.block_count", &layers);
    must(weft_gguf_open_memory(d.data, d.size, "changed", &d.file));
    must(weft_model_config_read(d.file, &c));
    assert_true(fabs(c.attn_scale - 1 / sqrt(48 / 4.)) < 1e-12);
    weft_source_close(d.file);
    weft_free(d.data);
}

/// A key that one family honours is refused in a file of another: here Gemma 3's window, by a name of equal length.
static void windows_are_of_families(void **state) {
    (void)state;
    struct damaged d = {0};
    struct weft_model_config config;
    d.data = weft_tiny_gemma3_make(&(struct weft_tiny_gemma3){.plain = true}, &d.size);
    assert_non_null(d.data);
    for (char *at; (at = memmem(d.data, d.size, "gemma3", 6));) memcpy(at, "qwen35", 6);
    must(weft_gguf_open_memory(d.data, d.size, "renamed", &d.file));
    assert_int_equal(weft_model_config_read(d.file, &config), WEFT_ERR_UNSUPPORTED);
    if (!strstr(weft_error_message(), "qwen35.attention.sliding_window is 8")) fail_msg("%s", weft_error_message());
    weft_source_close(d.file);
    weft_free(d.data);
}

/// A list's numbers divide frequencies, so each is a positive number.
static void hostile_lists_are_named(void **state) {
    (void)state;
    static const float bad[] = {0, -1, NAN, INFINITY};
    static const char *const models[] = {"llama-freqs", "phi3-lists"}, *const names[] = {"rope_freqs.weight",
                                                                                         "rope_factors_long.weight"};
    for (int i = 0; i < 8; i++) {
        struct damaged d = read_file(models[i / 4]);
        must(weft_gguf_open_memory(d.data, d.size, "damaged", &d.file));
        const struct weft_source_tensor *t = weft_source_find(d.file, names[i / 4]);
        memcpy(d.data + ((const char *)t->data - d.data) + sizeof(float), &bad[i % 4], sizeof(float));
        weft_source_close(d.file);
        assert_int_equal(build(&d, FAMILY_CTX), WEFT_ERR_FORMAT);
        if (!strstr(weft_error_message(), "element 1 of tensor rope_f")) fail_msg("%s", weft_error_message());
        weft_free(d.data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_the_oracles),    cmocka_unit_test(oracles_tell_models_apart),
        cmocka_unit_test(missing_tensors_are_named), cmocka_unit_test(hostile_keys_are_named),
        cmocka_unit_test(hostile_lists_are_named),   cmocka_unit_test(windows_are_of_families),
        cmocka_unit_test(files_may_leave_out),       cmocka_unit_test(mixed_batches_are_as_alone),
    };
    return cmocka_run_group_tests_name("model/families", tests, NULL, NULL);
}
