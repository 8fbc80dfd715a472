/// Folders of Hugging Face: config.json, a zero byte, and a file of tensors. Every value and tensor is read, in whole
/// and in part, and the settings, the tokenizer and the graph are made of it.
#include "fuzz.h"
#include "model/config.h"
#include "model/hf.h"
#include "model/lm_graph.h"
#include "model/tokenizer/tokenizer.h"

static volatile uint64_t sink;

static void read_tensor(const struct weft_source *s, const struct weft_source_tensor *t) {
    struct weft_source_room room = {0};
    const uint8_t *all;
    uint8_t part[16];
    weft_status status = weft_source_bytes_of(s, t, &room, &all);
    fuzz_refused(status);
    if (status == WEFT_OK)
        for (uint64_t k = 0; k < t->size; k++) sink += all[k];
    uint64_t at = t->size / 3, some = t->size - at < sizeof part ? t->size - at : sizeof part;
    if (status == WEFT_OK && weft_source_read(s, t, at, some, part) == WEFT_OK)
        fuzz_require(memcmp(part, all + at, some) == 0, "a part is what it is of the whole");
    weft_free(room.data);
}

static void read_model(const struct weft_source *s) {
    static struct weft_model_config config;
    struct weft_tokenizer *tokenizer = NULL;
    struct weft_lm_build build = {.ctx = 16, .chunk = 4, .head = WEFT_LM_GENERATE};
    struct weft_graph *graph = NULL;
    fuzz_refused(weft_tokenizer_create(s, &tokenizer));
    weft_tokenizer_destroy(tokenizer);
    weft_status status = weft_lm_check_family(s);
    if (status == WEFT_OK) status = weft_model_config_read(s, &config);
    fuzz_refused(status);
    // Layers cost a few dozen nodes each: more of them show nothing new.
    if (status != WEFT_OK || config.n_layer > 16 || config.ctx_train < build.ctx) return;
    fuzz_refused(weft_lm_build_graph(s, &config, &build, NULL, &graph));
    weft_graph_destroy(graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t live = weft_alloc_stats().live;
    struct weft_source *s = NULL;
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t config = zero ? (size_t)(zero - data) : size, rest = zero ? size - config - 1 : 0;
    void *copy = malloc(rest ? rest : 1); // aligned, and ends where the bytes end
    if (!copy) return 0;
    if (rest) memcpy(copy, zero + 1, rest);
    weft_status status = weft_hf_open_memory((const char *)data, config, copy, rest, "input", &s);
    fuzz_refused(status);
    fuzz_require((status == WEFT_OK) == (s != NULL), "a failed open gives no source");
    if (s) {
        for (size_t i = 0; i < weft_source_tensor_count(s); i++) read_tensor(s, weft_source_tensor_at(s, i));
        for (size_t i = 0; i < weft_source_key_count(s); i++) {
            struct weft_str text = {0};
            weft_source_print_value(s, i, 60, &text);
            sink += text.len;
            weft_str_free(&text);
        }
        read_model(s);
    }
    weft_source_close(s);
    free(copy);
    fuzz_require(weft_alloc_stats().live == live, "all memory is given back");
    return 0;
}
