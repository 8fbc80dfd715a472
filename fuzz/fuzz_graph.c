/// Graphs in text: parsing, printing and parsing again, and compiling for a desktop GPU and for the minimum limits.
#include "compile/compile.h"
#include "fuzz.h"
#include "gpu/gpu_backend.h"
#include "ops/ops.h"

static void compile(const char *text, size_t size, const struct weft_gpu_caps *caps, int no_fuse) {
    struct weft_graph *g = NULL;
    struct weft_plan *plan = NULL;
    struct weft_compile_params params = {.no_fuse = no_fuse};
    if (weft_graph_parse(weft_ops(), text, size, &g) != WEFT_OK) return;
    weft_status status = weft_compile(g, caps, &params, &plan);
    fuzz_refused(status);
    fuzz_require((status == WEFT_OK) == (plan != NULL), "a failed compilation gives no plan");
    if (plan) {
        struct weft_str text_form = {0};
        weft_plan_print(plan, true, &text_form);
        weft_str_free(&text_form);
    }
    weft_plan_destroy(plan);
}

/// What is printed is parsed, and prints the same.
static void print_twice(const struct weft_graph *g) {
    struct weft_str once = {0}, twice = {0};
    struct weft_graph *again = NULL;
    fuzz_require(weft_graph_print(g, &once) == WEFT_OK, "a graph can be printed");
    fuzz_require(weft_graph_parse(weft_ops(), weft_str_get(&once), once.len, &again) == WEFT_OK,
                 "a printed graph can be parsed");
    fuzz_require(weft_graph_print(again, &twice) == WEFT_OK && once.len == twice.len &&
                     memcmp(weft_str_get(&once), weft_str_get(&twice), once.len) == 0,
                 "a graph prints as it was parsed");
    weft_graph_destroy(again);
    weft_str_free(&once);
    weft_str_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t live = weft_alloc_stats().live;
    struct weft_gpu_caps caps;
    struct weft_graph *g = NULL;
    char *text = malloc(size + 1);
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = 0;
    weft_status status = weft_graph_parse(weft_ops(), text, size, &g);
    fuzz_refused(status);
    fuzz_require((status == WEFT_OK) == (g != NULL), "a failed parse gives no graph");
    if (g) {
        fuzz_refused(weft_graph_verify(g)); // the order of states is seen only in a whole graph
        print_twice(g);
        weft_graph_destroy(g);
        weft_gpu_null_caps(&caps);
        compile(text, size, &caps, 0);
        weft_gpu_caps_min(&caps);
        compile(text, size, &caps, size % 3);
    }
    free(text);
    fuzz_require(weft_alloc_stats().live == live, "all memory is given back");
    return 0;
}
