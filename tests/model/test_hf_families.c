/// Each family's model as a folder of Hugging Face gives the logits of its GGUF file, bit for bit. config.json is what
/// the other implementation wrote (scripts/family_oracle.py).
#include "core/alloc.h"
#include "core/file.h"
#include "model/gguf.h"
#include "model/hf.h"
#include "model/host.h"
#include "support/hf_folder.h"

#include "family_models.h"

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static void logits_of(const struct weft_source *s, const struct family_model *f, const int32_t *ids, double *out) {
    struct weft_host_lm *lm;
    must(weft_host_lm_create(s, &(struct weft_host_lm_params){.ctx = f->ctx, .chunk = f->tokens}, &lm));
    must(weft_host_lm_feed(lm, ids, f->tokens, f->tokens, out));
    weft_host_lm_destroy(lm);
}

static void check(const struct family_model *f) {
    static double x[FAMILY_TOKENS * FAMILY_VOCAB], y[FAMILY_TOKENS * FAMILY_VOCAB];
    static struct family_oracle oracle;
    const char *folder = getenv("WEFT_TEST_SOURCE");
    struct weft_source *gguf, *hf;
    char path[512], *data = NULL, *config = NULL;
    size_t size, config_len, tensors_size;
    family_oracle_read(f, &oracle);
    snprintf(path, sizeof path, "models/%s.gguf", f->name);
    must(weft_file_read(path, 0, &data, &size));
    must(weft_gguf_open_memory(data, size, path, &gguf));
    weft_hf_round(gguf);
    snprintf(path, sizeof path, "%s/tests/model/families/%s.json", folder ? folder : ".", f->name);
    must(weft_file_read(path, 0, &config, &config_len));
    uint8_t *tensors = weft_hf_write_tensors(gguf, 0, 1, &tensors_size);
    assert_non_null(tensors);
    must(weft_hf_open_memory(config, config_len, tensors, tensors_size, f->name, &hf));
    for (size_t i = 0; i < weft_source_key_count(hf); i++) // nothing that the library writes is unknown
        if (strstr(weft_source_key_at(hf, i), ".config.")) fail_msg("%s: %s", f->name, weft_source_key_at(hf, i));
    logits_of(gguf, f, oracle.ids, x);
    logits_of(hf, f, oracle.ids, y);
    assert_true(family_apart_double(&oracle, y, 0, f->tokens) < 1e-3);
    if (memcmp(x, y, f->tokens * FAMILY_VOCAB * sizeof *x) != 0) fail_msg("%s: other logits", f->name);
    weft_source_close(hf);
    weft_source_close(gguf);
    weft_free(tensors);
    weft_free(config);
    weft_free(data);
}

/// Of models of experts no config.json of the other implementation is kept; test_hf_tensors joins their tensors.
static bool has_config(const char *name) {
    static const char *const without[] = {"mixtral", "qwen2moe", "qwen3moe"};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        if (strcmp(name, without[i]) == 0) return false;
    return true;
}

static void test_families_in_both_formats(void **state) {
    (void)state;
    for (size_t i = 0; i < FAMILY_MODELS; i++)
        if (has_config(family_models[i].name)) check(&family_models[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_families_in_both_formats)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
