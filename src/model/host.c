#include "model/host.h"

#include "core/alloc.h"
#include "core/error.h"
#include "ir/graph.h"
#include "model/decoder.h"

#include <string.h>

struct weft_host_lm {
    const struct weft_source *file;
    struct weft_model_config config;
    struct weft_graph *graph;
    uint32_t ctx, chunk, position;
    struct weft_host *states; // by index of the graph's states
    double *tokens;           // data of the state of that name
    int64_t symbols[WEFT_MAX_SYMBOLS];
    struct weft_source_room *rooms; // by value: weights that the source does not have in memory
    double *logits;                 // where the output of the run under way goes
    bool seen;
};

static struct weft_host describe(const struct weft_graph *g, const struct weft_value_info *info,
                                 const int64_t *symbols) {
    struct weft_host t = {.dtype = info->type.dtype, .rank = info->type.rank};
    for (uint32_t i = 0; i < t.rank; i++) t.shape[i] = weft_dim_eval(g->dims, info->type.dims[i], symbols);
    return t;
}

static weft_status make_states(struct weft_host_lm *lm) {
    struct weft_graph *g = lm->graph;
    lm->states = weft_calloc(g->n_states, sizeof *lm->states);
    lm->rooms = weft_calloc(g->n_values, sizeof *lm->rooms);
    if (!lm->states || !lm->rooms) return weft_fail(WEFT_ERR_NOMEM, "no memory for the states of the host model");
    for (size_t i = 0; i < g->n_states; i++) {
        const struct weft_value_info *info = &g->values[g->states[i]];
        lm->states[i] = describe(g, info, lm->symbols);
        lm->states[i].data = weft_calloc((size_t)weft_host_count(&lm->states[i]), sizeof(double));
        if (!lm->states[i].data)
            return weft_fail(WEFT_ERR_NOMEM, "no memory for the state %s of the host model", info->name);
        if (strcmp(info->name, "tokens") == 0) lm->tokens = lm->states[i].data;
    }
    return lm->tokens ? WEFT_OK : weft_fail(WEFT_ERR_INTERNAL, "the model's graph has no state named tokens");
}

static void set_symbol(struct weft_host_lm *lm, const char *name, int64_t value) {
    int i = weft_dims_symbol_find(lm->graph->dims, name);
    if (i >= 0) lm->symbols[i] = value;
}

weft_status weft_host_lm_create(const struct weft_source *file, const struct weft_host_lm_params *params,
                                struct weft_host_lm **out) {
    weft_status status;
    struct weft_host_lm *lm = weft_calloc(1, sizeof *lm);
    *out = NULL;
    if (!lm) return weft_fail(WEFT_ERR_NOMEM, "no memory for the host model");
    lm->file = file;
    WEFT_GOTO(weft_model_config_read(file, &lm->config));
    lm->ctx = params->ctx ? params->ctx : lm->config.ctx_train;
    lm->chunk = params->chunk ? params->chunk : 128;
    if (lm->chunk > lm->ctx) lm->chunk = lm->ctx;
    struct weft_decoder_params build = {
        .ctx = lm->ctx, .chunk = lm->chunk, .cache_f16 = params->cache_f16, .head = WEFT_LM_LOGITS};
    WEFT_GOTO(weft_decoder_build(file, &lm->config, &build, &lm->graph));
    set_symbol(lm, "T", lm->chunk);
    set_symbol(lm, "P", lm->ctx);
    WEFT_GOTO(make_states(lm));
    weft_host_lm_reset(lm);
    *out = lm;
    return WEFT_OK;
fail:
    weft_host_lm_destroy(lm);
    return status;
}

void weft_host_lm_destroy(struct weft_host_lm *lm) {
    if (!lm) return;
    for (size_t i = 0; lm->states && i < lm->graph->n_states; i++) weft_free(lm->states[i].data);
    weft_free(lm->states);
    for (size_t i = 0; lm->rooms && i < lm->graph->n_values; i++) weft_free(lm->rooms[i].data);
    weft_free(lm->rooms);
    weft_graph_destroy(lm->graph);
    weft_free(lm);
}

uint32_t weft_host_lm_vocab(const struct weft_host_lm *lm) { return lm->config.n_vocab; }
uint32_t weft_host_lm_position(const struct weft_host_lm *lm) { return lm->position; }

void weft_host_lm_reset(struct weft_host_lm *lm) {
    lm->position = 0;
    for (size_t i = 0; i < lm->graph->n_states; i++)
        memset(lm->states[i].data, 0, (size_t)weft_host_count(&lm->states[i]) * sizeof(double));
}

static weft_status leaf(void *user, weft_value v, const struct weft_value_info *info, struct weft_host *out) {
    struct weft_host_lm *lm = user;
    if (info->kind == WEFT_VALUE_STATE) {
        *out = lm->states[info->state];
        return WEFT_OK;
    }
    const struct weft_source_tensor *tensor = weft_source_find(lm->file, info->name);
    if (!tensor)
        return weft_fail(WEFT_ERR_INTERNAL, "the model's graph asks for %s, which is no tensor of the file",
                         info->name);
    *out = describe(lm->graph, info, lm->symbols);
    const uint8_t *bytes = lm->rooms[v].data;
    if (!bytes) WEFT_TRY(weft_source_bytes_of(lm->file, tensor, &lm->rooms[v], &bytes));
    out->raw = bytes;
    return WEFT_OK;
}

static weft_status take(void *user, weft_value v, const struct weft_value_info *info, const struct weft_host *t) {
    struct weft_host_lm *lm = user;
    (void)v;
    if (!info->is_output || strcmp(info->output_name, "logits") != 0) return WEFT_OK;
    lm->seen = true;
    if (lm->logits) memcpy(lm->logits, t->data, (size_t)weft_host_count(t) * sizeof *t->data);
    return WEFT_OK;
}

weft_status weft_host_lm_feed(struct weft_host_lm *lm, const int32_t *ids, uint32_t n, uint32_t rows, double *logits) {
    if (n == 0 || n > lm->chunk || rows > n)
        return weft_fail(WEFT_ERR_LIMIT,
                         "%u tokens and %u rows of logits; a call takes 1 to %u tokens, and rows of these", n, rows,
                         lm->chunk);
    if (n > lm->ctx - lm->position)
        return weft_fail(WEFT_ERR_LIMIT, "%u tokens at position %u are beyond the context of %u", n, lm->position,
                         lm->ctx);
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= lm->config.n_vocab)
            return weft_fail(WEFT_ERR_INVALID, "token %u is %d; the vocabulary has %u", i, ids[i], lm->config.n_vocab);
    for (uint32_t i = 0; i < n; i++) lm->tokens[i] = ids[i];
    set_symbol(lm, "T", n);
    set_symbol(lm, "R", rows);
    set_symbol(lm, "P", lm->position + n);
    lm->logits = logits;
    lm->seen = false;
    struct weft_eval_params params = {.symbols = lm->symbols, .leaf = leaf, .each = take, .user = lm};
    WEFT_TRY(weft_graph_eval(lm->graph, &params));
    if (!lm->seen) return weft_fail(WEFT_ERR_INTERNAL, "the model's graph has no output named logits");
    lm->position += n;
    return WEFT_OK;
}
