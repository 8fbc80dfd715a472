/// The table of families on tiny models: the host reference against another implementation's logits, in pieces of every
/// kind; what a file must have and may have; and what its keys must say.
#include "core/alloc.h"
#include "core/file.h"
#include "model/host.h"

#include "family_models.h"

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
    struct weft_gguf *file;
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
    weft_gguf_close(d->file);
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
        struct damaged d = read_file(f->name);
        if (f->ctx != FAMILY_CTX) continue;
        family_open(f, &m);
        for (size_t k = 0; k < weft_gguf_tensor_count(m.file); k++) {
            const char *name = weft_gguf_tensor_at(m.file, k)->name;
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_the_oracles),
        cmocka_unit_test(oracles_tell_models_apart),
        cmocka_unit_test(missing_tensors_are_named),
    };
    return cmocka_run_group_tests_name("model/families", tests, NULL, NULL);
}
