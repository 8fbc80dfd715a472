/// Chat templates, which come with model files of strangers: any template over any conversation ends within its limits.
/// An input is a template, a line "----" and the conversation's JSON: a list of messages, or a map with messages,
/// tools, variables and tokens. Without the line the conversation is a small one.
#include "core/arena.h"
#include "fuzz.h"
#include "model/template/template.h"

static const char plain[] =
    "[{\"role\": \"system\", \"content\": \"Be <b>.\"}, {\"role\": \"user\", \"content\": \"Hi \xc3\xa9\"}]";

static void check_runs(const struct weft_str *out, const struct weft_template_runs *runs) {
    size_t end = 0;
    for (size_t i = 0; i < runs->n; i++) {
        fuzz_require(runs->items[i].end > end, "no run is empty");
        fuzz_require(i == 0 || runs->items[i].data != runs->items[i - 1].data, "neighbours among runs differ");
        end = runs->items[i].end;
    }
    fuzz_require(end == out->len, "runs cover the text");
}

static void render(const struct weft_template *t, const char *text, size_t len) {
    struct weft_arena arena = {0};
    struct weft_json_value v;
    struct weft_str out = {0};
    struct weft_template_runs runs = {0};
    weft_status status = weft_json_read(text, len, "conversation", &arena, &v);
    fuzz_refused(status);
    if (status == WEFT_OK) {
        const struct weft_json_value *messages = weft_json_find(&v, "messages");
        struct weft_template_options options = {
            .tools = weft_json_find(&v, "tools"),
            .variables = weft_json_find(&v, "variables"),
            .tokens = weft_json_find(&v, "tokens"),
            .add_generation_prompt = true,
            .limits = {.steps = 200000, .loop_turns = 20000, .depth = 400, .memory = 16 << 20, .output = 1 << 20}};
        status = weft_template_render(t, messages ? messages : &v, &options, &out, &runs);
        fuzz_refused(status);
        fuzz_require(status == WEFT_OK || (out.len == 0 && runs.n == 0), "a failure hands nothing out");
        if (status == WEFT_OK) check_runs(&out, &runs);
    }
    weft_template_runs_free(&runs);
    weft_str_free(&out);
    weft_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char line[] = "\n----\n";
    int64_t live = weft_alloc_stats().live;
    const char *text = (const char *)data, *split = NULL;
    for (size_t i = 0; i + sizeof line - 1 <= size && !split; i++)
        if (memcmp(text + i, line, sizeof line - 1) == 0) split = text + i;
    size_t len = split ? (size_t)(split - text) : size;
    const char *conversation = split ? split + sizeof line - 1 : plain;
    struct weft_template *t;
    weft_status status = weft_template_parse(text, len, &t);
    fuzz_refused(status);
    if (status == WEFT_OK) render(t, conversation, split ? size - len - (sizeof line - 1) : sizeof plain - 1);
    weft_template_free(t);
    fuzz_require(weft_alloc_stats().live == live, "all memory is given back");
    return 0;
}
