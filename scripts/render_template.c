/// Renders a chat template for scripts/check_templates.py.
///
///     weft_render_template TEMPLATE REQUESTS
///
/// REQUESTS is a JSON list of maps with messages, tools, documents, variables, tokens, add_generation_prompt, each but
/// the first optional. For each a line of JSON is printed: "text" and "runs", a list of [end, data], or "error". The
/// time is 2026-11-30 12:34:56.
#include "core/alloc.h"
#include "core/arena.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "model/template/template.h"

#include <stdio.h>
#include <string.h>

static void print_runs(struct weft_json *j, const struct weft_template_runs *runs) {
    weft_json_array(j, "runs");
    for (size_t i = 0; i < runs->n; i++) {
        weft_json_array(j, NULL);
        weft_json_u64(j, NULL, runs->items[i].end);
        weft_json_bool(j, NULL, runs->items[i].data);
        weft_json_end(j);
    }
    weft_json_end(j);
}

static void render(const struct weft_template *t, const struct weft_json_value *request) {
    struct tm now = {.tm_year = 126,
                     .tm_mon = 10,
                     .tm_mday = 30,
                     .tm_hour = 12,
                     .tm_min = 34,
                     .tm_sec = 56,
                     .tm_wday = 1,
                     .tm_yday = 333};
    const struct weft_json_value *prompt = weft_json_find(request, "add_generation_prompt");
    struct weft_template_options options = {.tools = weft_json_find(request, "tools"),
                                            .documents = weft_json_find(request, "documents"),
                                            .variables = weft_json_find(request, "variables"),
                                            .tokens = weft_json_find(request, "tokens"),
                                            .add_generation_prompt = prompt && prompt->b,
                                            .now = &now};
    struct weft_str out = {0}, line = {0};
    struct weft_template_runs runs = {0};
    struct weft_json j;
    weft_status status = weft_template_render(t, weft_json_find(request, "messages"), &options, &out, &runs);
    weft_json_begin(&j, &line, 0);
    weft_json_object(&j, NULL);
    if (status == WEFT_OK) {
        weft_json_strn(&j, "text", weft_str_get(&out), out.len);
        print_runs(&j, &runs);
    } else weft_json_str(&j, "error", weft_error_message());
    weft_json_end(&j);
    puts(weft_str_get(&line));
    weft_template_runs_free(&runs);
    weft_str_free(&line);
    weft_str_free(&out);
}

int main(int argc, char **argv) {
    struct weft_arena arena = {0};
    struct weft_json_value requests;
    struct weft_template *t = NULL;
    char *text = NULL, *list = NULL;
    size_t len = 0, size = 0;
    int result = 1;
    if (argc != 3) {
        fputs("usage: weft_render_template TEMPLATE REQUESTS\n", stderr);
        return 2;
    }
    if (weft_file_read(argv[1], 0, &text, &len) != WEFT_OK || weft_file_read(argv[2], 0, &list, &size) != WEFT_OK ||
        weft_json_read(list, size, argv[2], &arena, &requests) != WEFT_OK ||
        weft_template_parse(text, len, &t) != WEFT_OK)
        fprintf(stderr, "%s\n", weft_error_message());
    else result = 0;
    for (size_t i = 0; !result && requests.type == WEFT_JSON_LIST && i < requests.n; i++) render(t, &requests.items[i]);
    weft_template_free(t);
    weft_arena_free(&arena);
    weft_free(text);
    weft_free(list);
    return result;
}
