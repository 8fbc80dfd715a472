/// Each family's model as a folder of Hugging Face gives the logits of its GGUF file, bit for bit. config.json is what
/// the other implementation wrote (scripts/family_oracle.py).
#include "core/alloc.h"
#include "core/file.h"
#include "model/gguf.h"
#include "model/hf.h"
#include "model/host.h"
#include "support/hf_folder.h"

#include "family_models.h"

#include <unistd.h>

static void must(weft_status status) {
    if (status != WEFT_OK) fail_msg("%s", weft_error_message());
}

static void logits_of(const struct weft_source *s, const struct family_model *f, const int32_t *ids, double *out) {
    struct weft_host_lm *lm;
    must(weft_host_lm_create(s, &(struct weft_host_lm_params){.ctx = f->ctx, .chunk = f->tokens}, &lm));
    must(weft_host_lm_feed(lm, ids, f->tokens, f->tokens, out));
    weft_host_lm_destroy(lm);
}

/// What the other implementation wrote of it.
static void read_config(const struct family_model *f, char **text, size_t *len) {
    const char *folder = getenv("WEFT_TEST_SOURCE");
    char path[512];
    snprintf(path, sizeof path, "%s/tests/model/families/%s.json", folder ? folder : ".", f->name);
    must(weft_file_read(path, 0, text, len));
}

enum { SHARDS = 3 };

static void remove_folder(const char *folder) {
    char path[128];
    for (int i = 0; i < SHARDS; i++) {
        snprintf(path, sizeof path, "%s/model-%05d-of-%05d.safetensors", folder, i + 1, SHARDS);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/config.json", folder);
    unlink(path);
    rmdir(folder);
}

static void check(const struct family_model *f) {
    static double x[FAMILY_TOKENS * FAMILY_VOCAB], y[FAMILY_TOKENS * FAMILY_VOCAB];
    static struct family_oracle oracle;
    struct weft_source *gguf, *hf;
    char path[512], *data = NULL, *config = NULL;
    size_t size, config_len, tensors_size;
    family_oracle_read(f, &oracle);
    snprintf(path, sizeof path, "models/%s.gguf", f->name);
    must(weft_file_read(path, 0, &data, &size));
    must(weft_gguf_open_memory(data, size, path, &gguf));
    weft_hf_round(gguf);
    read_config(f, &config, &config_len);
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

static void test_families_in_both_formats(void **state) {
    (void)state;
    for (size_t i = 0; i < FAMILY_MODELS; i++) check(&family_models[i]);
}

/// Experts of a layer in several files, opened by the folder's path.
static void test_experts_in_shards(void **state) {
    (void)state;
    static double x[FAMILY_TOKENS * FAMILY_VOCAB], y[FAMILY_TOKENS * FAMILY_VOCAB];
    static struct family_oracle oracle;
    for (size_t i = 0; i < FAMILY_MODELS; i++) {
        const struct family_model *f = &family_models[i];
        char folder[] = "/tmp/weft-experts-XXXXXX", path[64];
        struct weft_test_model m;
        struct weft_source *hf;
        family_open(f, &m);
        if (!weft_source_find(m.file, "blk.0.ffn_up_exps.weight")) {
            weft_test_model_free(&m);
            continue;
        }
        family_oracle_read(f, &oracle);
        assert_non_null(mkdtemp(folder));
        char *config = NULL;
        size_t len = 0;
        read_config(f, &config, &len);
        snprintf(path, sizeof path, "%s/config.json", folder);
        must(weft_file_write(path, config, len));
        assert_true(weft_hf_write_shards(m.file, folder, SHARDS));
        must(weft_hf_open(folder, &hf));
        assert_int_equal(weft_source_part_count(hf), SHARDS);
        logits_of(m.file, f, oracle.ids, x);
        logits_of(hf, f, oracle.ids, y);
        if (memcmp(x, y, sizeof x) != 0) fail_msg("%s in shards: other logits", f->name);
        weft_source_close(hf);
        weft_free(config);
        remove_folder(folder);
        weft_test_model_free(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_families_in_both_formats),
                                       cmocka_unit_test(test_experts_in_shards)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
