/// The command line on a folder of Hugging Face: what it prints of a model is what it prints of the same model as GGUF.
#include "cli.h"
#include "core/error.h"
#include "model/gguf.h"
#include "support/hf_folder.h"
#include "support/tiny_gemma3.h"

#include <jansson.h>

static char gguf[256], folder[256];

/// The model in both formats.
static int make(void **state) {
    (void)state;
    struct weft_source *s;
    size_t size;
    void *data = weft_tiny_gemma3_make(&(struct weft_tiny_gemma3){.seed = 1, .plain = true, .n_layer = 3}, &size);
    snprintf(gguf, sizeof gguf, "%s/tiny.gguf", cli_folder());
    snprintf(folder, sizeof folder, "%s/tiny-hf", cli_folder());
    if (!data || weft_gguf_open_memory(data, size, "tiny", &s) != WEFT_OK) return -1;
    weft_hf_round(s);
    cli_write(gguf, data, size);
    bool ok = weft_hf_write_folder(s, folder, 2);
    weft_source_close(s);
    weft_free(data);
    return ok ? 0 : -1;
}

static void check_same(const char *const args[4]) {
    struct cli a = {.args = {args[0], gguf, args[1], args[2], args[3]}};
    struct cli b = {.args = {args[0], folder, args[1], args[2], args[3]}};
    cli_expect(&a, 0);
    cli_expect(&b, 0);
    assert_true(a.out_size > 0);
    assert_string_equal(a.out, b.out);
    cli_free(&a), cli_free(&b);
}

static void test_prints_the_same(void **state) {
    (void)state;
    static const char *const cases[][4] = {
        {"tokenize", "a b \xC3\xA9"},
        {"tokenize", "--pieces", "a<eos>b"},
        {"tokenize", "--decode", "2 262 288"},
        {"inspect", "--graph"},
        {"inspect", "--plan"},
        {"inspect", "--memory"},
        {"inspect", "--plan", "--head", "nll"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_same(cases[i]);
}

static void test_lists_what_is_there(void **state) {
    (void)state;
    struct cli *text = CLI("inspect", folder), *json = CLI("inspect", folder, "--json");
    cli_expect(text, 0);
    assert_non_null(strstr(text->out, "tiny-hf: safetensors, 2 files, "));
    assert_non_null(strstr(text->out, "gemma3.attention.head_count"));
    assert_non_null(strstr(text->out, "blk.2.ffn_down.weight"));
    cli_expect(json, 0);
    json_t *root = json_loadb(json->out, json->out_size, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(root, "format")), "safetensors");
    assert_int_equal(json_integer_value(json_object_get(root, "parts")), 2);
    json_decref(root);
    cli_free(text), cli_free(json);
}

/// A device that computes nothing loads it all the same.
static void test_loads(void **state) {
    (void)state;
    struct cli *c = CLI("bench", folder, "-p", "4", "-n", "2", "-r", "1", "--webgpu", "null", "--json");
    cli_expect(c, 0);
    cli_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prints_the_same),
        cmocka_unit_test(test_lists_what_is_there),
        cmocka_unit_test(test_loads),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
