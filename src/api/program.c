/// weft/program.h: compiling as users do, on weft_program_create.
#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "core/params.h"
#include "api/impl.h"
#include "exec/program.h"
#include <string.h>

const char *weft_numbers_name(enum weft_numbers numbers) {
    return numbers == WEFT_NUMBERS_F32 ? "f32" : numbers == WEFT_NUMBERS_INVARIANT ? "invariant" : NULL;
}

/// One call's weights: the array first, then the caller's function.
static weft_status find_weight(void *user, const char *name, const void **data, uint64_t *bytes) {
    const struct weft_program_compile_params *p = user;
    for (size_t i = 0; i < p->n_weights; i++) {
        if (!p->weights[i].name || strcmp(p->weights[i].name, name) != 0) continue;
        if (!p->weights[i].data && p->weights[i].bytes)
            return weft_fail(WEFT_ERR_INVALID, "weight '%s' was given without data", name);
        *data = p->weights[i].data;
        *bytes = p->weights[i].bytes;
        return WEFT_OK;
    }
    if (p->weight) return p->weight(p->weight_user, name, data, bytes);
    return weft_fail(WEFT_ERR_NOT_FOUND, "weight '%s' is not among the %zu that were given", name, p->n_weights);
}

static weft_status read_weight(void *user, const char *name, uint64_t offset, uint64_t bytes, void *into) {
    const struct weft_program_compile_params *p = user;
    weft_error_clear(); // what the caller's function says, if it says anything, is of this call
    weft_status status = p->weight_read(p->weight_user, name, offset, bytes, into);
    if (status == WEFT_OK) return status;
    const char *why = weft_error_message();
    return weft_fail(status, "bytes %llu to %llu could not be read%s%s", (unsigned long long)offset,
                     (unsigned long long)(offset + bytes), why[0] ? ": " : "", why);
}

static void free_kept(void *kept) { weft_free(kept); }

/// A copy of what is asked for weights, which outlives the call.
static weft_status keep_source(const struct weft_program_compile_params *p, struct weft_weight_source *out) {
    struct weft_program_compile_params *kept = weft_alloc(sizeof *kept);
    if (!kept) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a program");
    *kept = *p;
    *out = (struct weft_weight_source){.get = find_weight,
                                       .read = p->weight_read ? read_weight : NULL,
                                       .user = kept,
                                       .stays = true,
                                       .release = free_kept};
    return WEFT_OK;
}

weft_status weft_api_compile_params(const struct weft_program_compile_params *p, const weft_device *device,
                                    const struct weft_graph *graph, struct weft_program_params *out) {
    const size_t most = sizeof out->compile.split_at / sizeof out->compile.split_at[0];
    *out = (struct weft_program_params){
        .source = {.get = find_weight, .read = p->weight_read ? read_weight : NULL, .user = (void *)(uintptr_t)p},
        .share_weights = p->share_weights,
        .compile = {.state_policy = p->state_policy, .page_rows = p->page_rows, .numbers = p->numbers},
        .progress = p->progress,
        .progress_user = p->progress_user};
    if ((unsigned)p->state_policy > WEFT_STATE_SEPARATE)
        return weft_fail(WEFT_ERR_INVALID, "state_policy %d is none of enum weft_state_policy", (int)p->state_policy);
    if (!weft_numbers_name(p->numbers))
        return weft_fail(WEFT_ERR_INVALID, "numbers %d is none of enum weft_numbers", (int)p->numbers);
    if (p->n_weights && !p->weights) return weft_api_null("weft_program_compile", "weights");
    if (p->share_weights && weft_program_gpu(p->share_weights) != device)
        return weft_fail(WEFT_ERR_INVALID, "weights can be shared among programs of one device only");
    if (!p->n_splits) return WEFT_OK;
    if (!p->split_symbol || !p->split_at)
        return weft_api_null("weft_program_compile", p->split_symbol ? "split_at" : "split_symbol");
    if (p->n_splits > most) return weft_fail(WEFT_ERR_INVALID, "%zu splits; at most %zu", p->n_splits, most);
    if (weft_dims_symbol_find(graph->dims, p->split_symbol) < 0)
        return weft_fail(WEFT_ERR_NOT_FOUND, "the graph has no symbol %s to split", p->split_symbol);
    out->compile.split_symbol = p->split_symbol;
    out->compile.n_splits = (uint32_t)p->n_splits;
    for (size_t i = 0; i < p->n_splits; i++) {
        out->compile.split_at[i] = p->split_at[i];
        if (i && p->split_at[i] <= p->split_at[i - 1])
            return weft_fail(WEFT_ERR_INVALID, "the splits of %s must rise", p->split_symbol);
    }
    return WEFT_OK;
}

weft_status weft_program_compile(weft_device *device, weft_graph **graph,
                                 const struct weft_program_compile_params *params, weft_program **out) {
    struct weft_program_compile_params own;
    struct weft_program_params p;
    weft_graph *g = graph ? *graph : NULL;
    weft_status status = WEFT_OK;
    if (graph) *graph = NULL;
    if (out) *out = NULL;
    if (!device || !g || !out)
        status = weft_api_null("weft_program_compile", !device ? "device" : !g ? "graph" : "out");
    if (status == WEFT_OK) status = WEFT_PARAMS_TAKE(weft_program_compile_params, progress_user, params, &own);
    if (status == WEFT_OK) status = weft_api_compile_params(&own, device, g, &p);
    if (status == WEFT_OK && own.weights_stay) status = keep_source(&own, &p.source);
    if (status != WEFT_OK) {
        weft_graph_destroy(g);
        return status;
    }
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, own.cancel);
    status = weft_program_create(device, g, &p, out);
    weft_cancel_end(&scope);
    return status;
}

weft_status weft_program_print(const weft_program *program, bool json, char *text, size_t capacity, size_t *length) {
    struct weft_str s = {0};
    if (!program) return weft_api_null("weft_program_print", "program");
    weft_plan_print(weft_program_plan(program), json, &s);
    return weft_api_text(&s, text, capacity, length);
}
