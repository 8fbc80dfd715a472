/// The template language of WGSL kernels. Its texts are Weft's own; an operator's author should meet sentences all the
/// same, and no text may run or grow without end.
#include "fuzz.h"
#include "plan/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct weft_tval values[] = {
        {"R", 4, NULL}, {"K", 256, NULL}, {"SUBGROUPS", 1, NULL}, {"FORMAT", 0, "Q8_0"}, {"BODY", 0, "let x = 1;\n"}};
    enum { N = sizeof values / sizeof *values };
    int64_t live = weft_alloc_stats().live;
    struct weft_str out = {0};
    struct weft_line_map map = {0};
    char *text = malloc(size + 1);
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = 0;
    weft_status status = weft_template_expand_text("input.wgsl", text, values, N, &out, &map);
    fuzz_refused(status);
    if (status == WEFT_OK) {
        size_t lines = 0;
        for (size_t i = 0; i < out.len; i++) lines += out.data[i] == '\n';
        fuzz_require(map.n >= lines && map.n <= lines + 1, "every line has its place in the map");
        fuzz_require(map.n == 0 || *weft_line_map_at(&map, (uint32_t)map.n) != 0, "a place has a name");
    }
    weft_line_map_free(&map);
    weft_str_free(&out);
    free(text);
    fuzz_require(weft_alloc_stats().live == live, "all memory is given back");
    return 0;
}
