/// weft/plan.h: compiling for a look.
#include "weft/plan.h"
#include "api/impl.h"
#include "core/cancel.h"
#include "core/error.h"
#include <string.h>

static void report(void *user, size_t done, size_t total) {
    const struct weft_program_params *p = user;
    p->progress(p->progress_user, WEFT_PROGRESS_PLAN, done, total);
}

static weft_status make(const weft_device *device, weft_graph **graph, const struct weft_program_compile_params *params,
                        const char *pass, struct weft_str *shown, struct weft_plan **out) {
    struct weft_program_compile_params own;
    struct weft_program_params p;
    weft_graph *g = graph ? *graph : NULL;
    weft_status status = WEFT_OK;
    if (graph) *graph = NULL;
    if (!device || !g || !out) status = weft_api_null("weft_plan_make", !device ? "device" : !g ? "graph" : "out");
    if (status == WEFT_OK) status = WEFT_PARAMS_TAKE(weft_program_compile_params, progress_user, params, &own);
    if (status == WEFT_OK) status = weft_api_compile_params(&own, device, g, &p);
    if (status != WEFT_OK) {
        weft_graph_destroy(g);
        return status;
    }
    if (p.progress) p.compile.progress = report;
    p.compile.progress_user = &p;
    if (own.share_weights) p.compile.weights_of = weft_program_plan(own.share_weights);
    p.compile.show = pass;
    p.compile.show_to = shown;
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, own.cancel);
    status = weft_compile(g, weft_gpu_caps(device), &p.compile, out);
    weft_cancel_end(&scope);
    return status;
}

weft_status weft_plan_make(const weft_device *device, weft_graph **graph,
                           const struct weft_program_compile_params *params, weft_plan **out) {
    if (out) *out = NULL;
    return make(device, graph, params, NULL, NULL, out);
}

void weft_plan_free(weft_plan **plan) {
    if (!plan || !*plan) return;
    weft_plan_destroy(*plan);
    *plan = NULL;
}

weft_status weft_plan_text(const weft_plan *plan, bool json, char *text, size_t capacity, size_t *length) {
    struct weft_str s = {0};
    if (!plan) return weft_api_null("weft_plan_text", "plan");
    weft_plan_print(plan, json, &s);
    return weft_api_text(&s, text, capacity, length);
}

bool weft_plan_state_at(const weft_plan *plan, size_t index, struct weft_plan_state_info *out) {
    if (!plan || !out || index >= plan->n_states) return false;
    const struct weft_plan_state *s = &plan->states[index];
    *out = (struct weft_plan_state_info){.name = s->name, .kind = s->kind};
    if (s->kind == WEFT_STATE_VAR) return true;
    out->buffers = weft_state_buffers(s);
    out->rows = s->rows * s->slots;
    out->row_bytes = s->row_bytes;
    out->bytes = s->bytes * out->buffers;
    if (s->kind != WEFT_STATE_PAGED) return true;
    out->bytes = s->page_bytes * plan->page_groups[s->pages].n * plan->page_groups[s->pages].slots;
    out->context = s->pages;
    return true;
}

bool weft_plan_context_at(const weft_plan *plan, size_t index, struct weft_plan_context_info *out) {
    if (!plan || !out || index >= plan->n_page_groups) return false;
    const struct weft_plan_pages *p = &plan->page_groups[index];
    *out = (struct weft_plan_context_info){.positions = p->rows,
                                           .page_rows = (uint64_t)1 << p->shift,
                                           .page_bytes = p->page_bytes,
                                           .pages = p->n,
                                           .slots = p->slots};
    return true;
}

// ---- passes --------------------------------------------------------------------------------------------------------

bool weft_plan_pass(size_t index, const char **name, const char **leaves) {
    const struct weft_pass_info *pass = NULL;
    for (size_t i = 0; i <= index && (pass = weft_pass_list(i)); i++) continue; // ends at the list's end
    if (!pass) return false;
    if (name) *name = pass->name;
    if (leaves) *leaves = pass->leaves;
    return true;
}

static bool is_pass(const char *name) {
    const char *other;
    for (size_t i = 0; weft_plan_pass(i, &other, NULL); i++)
        if (strcmp(name, other) == 0) return true;
    return false;
}

weft_status weft_plan_show(const weft_device *device, weft_graph **graph,
                           const struct weft_program_compile_params *params, const char *pass,
                           void (*text)(void *user, const char *text, size_t length), void *user) {
    struct weft_str shown = {0};
    struct weft_plan *plan = NULL;
    weft_status status = WEFT_OK;
    if (!pass || !text) status = weft_api_null("weft_plan_show", pass ? "text" : "pass");
    else if (!is_pass(pass)) status = weft_fail(WEFT_ERR_NOT_FOUND, "the compiler has no pass '%s'", pass);
    if (status != WEFT_OK) {
        weft_graph_free(graph);
        return status;
    }
    status = make(device, graph, params, pass, &shown, &plan);
    if (status == WEFT_OK && shown.failed) status = weft_fail(WEFT_ERR_NOMEM, "out of memory for a text");
    if (shown.len && !shown.failed) text(user, shown.data, shown.len);
    weft_str_free(&shown);
    weft_plan_destroy(plan);
    return status;
}
