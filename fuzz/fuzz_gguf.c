/// Model files: the header, every value and tensor, the settings of the model, its tokenizer and its graph.
#include "fuzz.h"
#include "model/config.h"
#include "model/gguf.h"
#include "model/lm_graph.h"
#include "model/tokenizer/tokenizer.h"

static volatile uint64_t sink;

static void read_value(const struct weft_source *g, size_t i) {
    const char *key = weft_source_key_at(g, i);
    struct weft_str text = {0};
    struct weft_source_str *strings = NULL;
    float *floats = NULL;
    int32_t *numbers = NULL;
    size_t n = 0;
    double x;
    weft_source_print_value(g, i, 60, &text);
    sink += text.len;
    if (weft_source_get_strings(g, key, &strings, &n) == WEFT_OK)
        for (size_t k = 0; k < n; k++) sink += strings[k].len ? (uint8_t)strings[k].data[strings[k].len - 1] : 0;
    fuzz_refused(weft_source_get_f32s(g, key, &floats, &n));
    fuzz_refused(weft_source_get_i32s(g, key, &numbers, &n));
    fuzz_refused(weft_source_get_f64(g, key, &x));
    weft_free(strings);
    weft_free(floats);
    weft_free(numbers);
    weft_str_free(&text);
}

static void read_model(const struct weft_source *g) {
    static struct weft_model_config config;
    struct weft_tokenizer *tokenizer = NULL;
    struct weft_lm_build build = {.ctx = 16, .chunk = 4, .head = WEFT_LM_GENERATE};
    weft_status status = weft_tokenizer_create(g, &tokenizer);
    fuzz_refused(status);
    weft_tokenizer_destroy(tokenizer);
    status = weft_lm_check_family(g);
    if (status == WEFT_OK) status = weft_model_config_read(g, &config);
    fuzz_refused(status);
    // Layers cost a few dozen nodes each: more of them show nothing new.
    if (status != WEFT_OK || config.n_layer > 16 || config.ctx_train < build.ctx) return;
    struct weft_graph *graph = NULL;
    fuzz_refused(weft_lm_build_graph(g, &config, &build, NULL, &graph));
    weft_graph_destroy(graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t live = weft_alloc_stats().live;
    struct weft_source *g = NULL;
    void *copy = malloc(size ? size : 1); // aligned, and ends where the bytes end
    if (!copy) return 0;
    if (size) memcpy(copy, data, size);
    weft_status status = weft_gguf_open_memory(copy, size, "input", &g);
    fuzz_refused(status);
    fuzz_require((status == WEFT_OK) == (g != NULL), "a failed open gives no file");
    if (g) {
        for (size_t i = 0; i < weft_source_tensor_count(g); i++) {
            const struct weft_source_tensor *t = weft_source_tensor_at(g, i);
            for (uint64_t k = 0; k < t->size; k++) sink += t->data[k];
        }
        for (size_t i = 0; i < weft_source_key_count(g); i++) read_value(g, i);
        read_model(g);
    }
    weft_source_close(g);
    free(copy);
    fuzz_require(weft_alloc_stats().live == live, "all memory is given back");
    return 0;
}
