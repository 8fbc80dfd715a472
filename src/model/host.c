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
    struct weft_decoder_handles at;
    uint32_t ctx, chunk, slots, position;
    struct weft_host *states; // by index of the graph's states
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
    }
    return WEFT_OK;
}

static double *data_of(const struct weft_host_lm *lm, uint32_t state) { return lm->states[state].data; }

static void set_sizes(struct weft_host_lm *lm, uint32_t t, uint32_t r, uint32_t p) {
    lm->symbols[lm->at.t] = t;
    lm->symbols[lm->at.r] = r;
    lm->symbols[lm->at.p] = p;
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
    lm->slots = params->slots;
    struct weft_decoder_params build = {.ctx = lm->ctx,
                                        .chunk = lm->chunk,
                                        .cache_f16 = params->cache_f16,
                                        .slots = params->slots,
                                        .head = WEFT_LM_LOGITS,
                                        .handles = &lm->at};
    WEFT_GOTO(weft_decoder_build(file, &lm->config, &build, &lm->graph));
    set_sizes(lm, lm->chunk, 0, lm->ctx);
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
    for (uint32_t i = 0; i < lm->slots; i++) data_of(lm, lm->at.live)[i] = 1;
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

/// Runs n tokens, the sizes of which are set, with logits of the last `rows`.
static weft_status run(struct weft_host_lm *lm, const int32_t *ids, uint32_t n, double *logits) {
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= lm->config.n_vocab)
            return weft_fail(WEFT_ERR_INVALID, "token %u is %d; the vocabulary has %u", i, ids[i], lm->config.n_vocab);
    for (uint32_t i = 0; i < n; i++) data_of(lm, lm->at.tokens)[i] = ids[i];
    lm->logits = logits;
    lm->seen = false;
    struct weft_eval_params params = {.symbols = lm->symbols, .leaf = leaf, .each = take, .user = lm};
    WEFT_TRY(weft_graph_eval(lm->graph, &params));
    return lm->seen ? WEFT_OK : weft_fail(WEFT_ERR_INTERNAL, "the model's graph has no output named logits");
}

static weft_status beyond_context(const struct weft_host_lm *lm, uint32_t n, uint32_t position) {
    return weft_fail(WEFT_ERR_LIMIT, "%u tokens at position %u are beyond the context of %u", n, position, lm->ctx);
}

weft_status weft_host_lm_feed(struct weft_host_lm *lm, const int32_t *ids, uint32_t n, uint32_t rows, double *logits) {
    if (n == 0 || n > lm->chunk || rows > n)
        return weft_fail(WEFT_ERR_LIMIT,
                         "%u tokens and %u rows of logits; a call takes 1 to %u tokens, and rows of these", n, rows,
                         lm->chunk);
    if (n > lm->ctx - lm->position) return beyond_context(lm, n, lm->position);
    set_sizes(lm, n, rows, lm->position + n);
    WEFT_TRY(run(lm, ids, n, logits));
    lm->position += n;
    return WEFT_OK;
}

weft_status weft_host_lm_feed_slots(struct weft_host_lm *lm, const uint32_t *counts, const int32_t *ids,
                                    double *logits) {
    uint32_t end = 1;
    uint64_t n = 0;
    for (uint32_t i = 0; i < lm->slots; n += counts[i++]) {
        uint32_t position = (uint32_t)data_of(lm, lm->at.pos)[i];
        if (counts[i] > lm->ctx - position) return beyond_context(lm, counts[i], position);
        if (counts[i] && position + counts[i] > end) end = position + counts[i];
    }
    if (n == 0 || n > lm->chunk)
        return weft_fail(WEFT_ERR_LIMIT, "%llu tokens in all; a call takes 1 to %u", (unsigned long long)n, lm->chunk);
    for (uint32_t i = 0; i < lm->slots; i++) data_of(lm, lm->at.count)[i] = counts[i];
    for (uint32_t i = 0; i < n; i++) data_of(lm, lm->at.rows)[i] = i;
    set_sizes(lm, (uint32_t)n, (uint32_t)n, end);
    return run(lm, ids, (uint32_t)n, logits);
}

void weft_host_lm_rewind_slot(struct weft_host_lm *lm, uint32_t slot, uint32_t position) {
    data_of(lm, lm->at.pos)[slot] = position;
}
