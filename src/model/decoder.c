#include "model/decoder.h"

#include "core/alloc.h"
#include "core/error.h"
#include "model/stretch.h"
#include "ops/ops.h"
#include "ops/sample.h"

#include <math.h>
#include <string.h>

static weft_value slice(struct weft_model_build *m, const char *name, weft_value x, weft_dim start, weft_dim len) {
    const struct weft_arg args[] = {{.name = "start", .d = start}, {.name = "len", .d = len}};
    return weft_bn(&m->b, "slice", name, &x, 1, args, 2);
}

static weft_value times(struct weft_model_build *m, const char *name, weft_value x, double factor) {
    return weft_bn(&m->b, "mul", name, (weft_value[]){x, weft_bf(&m->b, (float)factor)}, 2, NULL, 0);
}

/// Logits [R, vocab] of the last R of x [T, n_embd].
static weft_value logits(struct weft_model_build *m, weft_value x, weft_dim rows) {
    const struct weft_model_config *c = m->config;
    x = slice(m, "last", x, weft_dim_sub(m->b.g->dims, m->tokens, rows), rows);
    x = weft_block_norm(m, "output_norm", x, c->n_embd);
    const char *table = weft_block_has(m, WEFT_PART_HEAD, "output.weight") ? "output" : "token_embd";
    weft_value in[] = {x, weft_block_weight(m, table, c->n_vocab, c->n_embd)};
    x = weft_bn(&m->b, "matmul", "output", in, 2, NULL, 0);
    if (c->softcap == 0) return x;
    x = times(m, "softcap", x, 1 / c->softcap);
    x = weft_bn(&m->b, "tanh", "softcap", &x, 1, NULL, 0);
    return times(m, "softcap", x, c->softcap);
}

static weft_value state(struct weft_model_build *m, const char *name, weft_dtype dtype, uint32_t n) {
    weft_value v = WEFT_NO_VALUE;
    struct weft_type type = {.dtype = dtype, .rank = 1, .dims = {weft_dim_const(m->b.g->dims, n)}};
    if (m->b.status == WEFT_OK) m->b.status = weft_graph_state(m->b.g, name, type, WEFT_STATE_DENSE, &v);
    return v;
}

static weft_value variable(struct weft_model_build *m, const char *name, int64_t most) {
    weft_value v = WEFT_NO_VALUE;
    if (m->b.status == WEFT_OK) m->b.status = weft_graph_var(m->b.g, name, WEFT_U32, 0, most, &v);
    return v;
}

static void output(struct weft_model_build *m, weft_value v, const char *name) {
    if (m->b.status == WEFT_OK) m->b.status = weft_graph_output(m->b.g, v, name);
}

/// The number of a state or variable.
static uint32_t number(const struct weft_model_build *m, weft_value v) {
    return m->b.status == WEFT_OK ? m->b.g->values[v].state : UINT32_MAX;
}

/// Picks the next token from logits [R, vocab] (R is 0 or 1) and moves everything on that the next run needs.
static void choose(struct weft_model_build *m, weft_value scores, weft_value tokens, weft_value pos, bool sampling,
                   struct weft_decoder_handles *h) {
    const struct {
        const char *name;
        uint32_t length, *handle;
    } states[] = {
        {"counts", m->config->n_vocab, &h->counts},
        {"ring", WEFT_LM_RING, &h->ring},
        {"token", 1, &h->token},
        {"n_out", 1, &h->n_out},
        {"rng", 1, &h->rng},
        {"sampling", WEFT_SAMPLE_WORDS, &h->sampling},
        {"stops", WEFT_LM_STOPS, &h->stops},
        {"n_max", 1, &h->n_max},
        {"pos_max", 1, &h->pos_max},
    };
    weft_value v[sizeof states / sizeof *states];
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        uint32_t n = states[i].length;
        if (n == 1 && i) v[i] = variable(m, states[i].name, UINT32_MAX);
        else v[i] = state(m, states[i].name, WEFT_U32, n);
        *states[i].handle = number(m, v[i]);
    }
    weft_value in[] = {v[0], v[1], tokens, v[2], v[3], v[4], scores, v[5], v[6], pos, v[7], v[8]};
    weft_bn(&m->b, "sample", "sample", in, 12, (struct weft_arg[]){{.name = "greedy", .x = !sampling}}, 1);
}

static weft_status check(const struct weft_model_config *c, const struct weft_decoder_params *p) {
    if (p->ctx == 0 || p->ctx > c->ctx_train)
        return weft_fail(WEFT_ERR_INVALID, "a context of %u tokens; the model takes 1 to %u", p->ctx, c->ctx_train);
    if (p->chunk == 0 || p->chunk > p->ctx)
        return weft_fail(WEFT_ERR_INVALID, "chunks of %u tokens; they hold 1 to the context's %u", p->chunk, p->ctx);
    return WEFT_OK;
}

/// Rows of position_embd at the run's positions [T, n_embd].
static weft_value positions(struct weft_model_build *m) {
    const struct weft_model_config *c = m->config;
    struct weft_type type = {.dtype = WEFT_U32, .rank = 1, .dims = {weft_dim_const(m->b.g->dims, m->chunk)}};
    weft_value all = WEFT_NO_VALUE;
    uint32_t *counts = weft_alloc(m->chunk * sizeof *counts);
    if (!counts && m->b.status == WEFT_OK) m->b.status = weft_fail(WEFT_ERR_NOMEM, "no memory for the model's graph");
    for (uint32_t i = 0; counts && i < m->chunk; i++) counts[i] = i;
    if (m->b.status == WEFT_OK) m->b.status = weft_graph_const(m->b.g, type, counts, m->chunk * sizeof *counts, &all);
    weft_free(counts);
    weft_value here = slice(m, "positions", all, weft_dim_const(m->b.g->dims, 0), m->tokens);
    here = weft_block_add(m, "positions", here, m->pos);
    weft_value in[] = {weft_block_weight(m, "position_embd", c->ctx_train, c->n_embd), here};
    return weft_bn(&m->b, "gather", "position_embd", in, 2, NULL, 0);
}

/// Embeddings of the run's tokens [T, n_embd].
static weft_value embed(struct weft_model_build *m, weft_value ids) {
    const struct weft_model_config *c = m->config;
    weft_value in[] = {weft_block_weight(m, "token_embd", c->n_vocab, c->n_embd), ids};
    double factor = c->family->scaled_embedding ? sqrt(c->n_embd) : 1;
    const struct weft_arg scale = {.name = "scale", .x = (float)factor};
    weft_value x = weft_bn(&m->b, "gather", "token_embd", in, 2, &scale, 1);
    return c->family->learned_positions ? weft_block_add(m, "embedded", x, positions(m)) : x;
}

static weft_value (*const layers[])(struct weft_model_build *m, uint32_t i, weft_value x) = {
    [WEFT_LAYER_PLAIN] = weft_block_layer,
    [WEFT_LAYER_QWEN35] = weft_qwen35_layer,
};

static void build(struct weft_model_build *m, const struct weft_decoder_params *p, struct weft_decoder_handles *h) {
    const struct weft_model_config *c = m->config;
    struct weft_dims *dims = m->b.g->dims;
    m->reach = weft_dim_symbol(dims, "P", 1, p->ctx);
    weft_dim rows = weft_dim_symbol(dims, "R", 0, p->head == WEFT_LM_GENERATE ? 1 : p->chunk),
             zero = weft_dim_const(dims, 0);
    m->b.status = weft_dim_relate(dims, weft_dim_sub(dims, rows, m->tokens), 0);
    m->pos = variable(m, "pos", p->ctx);
    weft_value tokens = state(m, "tokens", WEFT_I32, p->chunk);
    h->t = (uint32_t)weft_dims_symbol_find(dims, "T");
    h->r = (uint32_t)weft_dims_symbol_find(dims, "R");
    h->p = (uint32_t)weft_dims_symbol_find(dims, "P");
    h->pos = number(m, m->pos);
    h->tokens = number(m, tokens);
    weft_value ids = slice(m, "ids", tokens, zero, m->tokens);
    weft_stretch_make(m);
    weft_value x = embed(m, ids);
    for (uint32_t i = 0; i < c->n_layer; i++) x = layers[c->family->layer](m, i, x);
    x = logits(m, x, rows);
    weft_value pos =
        weft_bn(&m->b, "advance", "pos", &m->pos, 1, (struct weft_arg[]){{.name = "by", .d = m->tokens}}, 1);
    switch (p->head) {
    case WEFT_LM_LOGITS: output(m, x, "logits"); break;
    case WEFT_LM_NLL: {
        weft_value targets = state(m, "targets", WEFT_I32, p->chunk);
        h->targets = number(m, targets);
        targets = slice(m, "targets", targets, weft_dim_sub(dims, m->tokens, rows), rows);
        output(m, weft_bn(&m->b, "nll", "nll", (weft_value[]){x, targets}, 2, NULL, 0), "nll");
        break;
    }
    case WEFT_LM_GENERATE: choose(m, x, tokens, pos, p->sampling, h); break;
    }
}

/// A tensor that no node reads would be a part of the model that is not computed, such as a bias. Parts for images,
/// sounds and for guessing several tokens ahead stand beside the model and take no part in it.
static weft_status check_used(const struct weft_model_build *m) {
    static const char *const beside[] = {"v.", "mm.", "a.", "mtp."};
    for (size_t i = 0; i < weft_source_tensor_count(m->file); i++) {
        const char *name = weft_source_tensor_at(m->file, i)->name;
        bool skip = weft_map_get(&m->b.g->names, name, strlen(name), NULL) || weft_stretch_reads(m, name);
        for (size_t k = 0; k < sizeof beside / sizeof *beside; k++)
            skip = skip || !strncmp(name, beside[k], strlen(beside[k]));
        if (!skip)
            return weft_fail(WEFT_ERR_UNSUPPORTED,
                             "tensor %s belongs to nothing that Weft computes for this "
                             "architecture; without it the results would be another model's",
                             name);
    }
    return WEFT_OK;
}

weft_status weft_decoder_build(const struct weft_source *file, const struct weft_model_config *config,
                               const struct weft_decoder_params *params, struct weft_graph **out) {
    *out = NULL;
    WEFT_TRY(check(config, params));
    struct weft_graph *g;
    WEFT_TRY(weft_graph_create(weft_ops(), &g));
    struct weft_model_build m = {
        .b = {.g = g},
        .file = file,
        .config = config,
        .tokens = weft_dim_symbol(g->dims, "T", 1, params->chunk),
        .ctx = params->ctx,
        .chunk = params->chunk,
        .cache = params->cache_f16 ? WEFT_F16 : WEFT_F32,
    };
    struct weft_decoder_handles handles;
    memset(&handles, 0xff, sizeof handles);
    handles.output = 0; // these graphs have no input, and one output at most
    build(&m, params, &handles);
    if (m.b.status == WEFT_OK) m.b.status = check_used(&m);
    if (m.b.status == WEFT_OK) m.b.status = weft_graph_verify(g);
    if (m.b.status != WEFT_OK) {
        weft_graph_destroy(g);
        return weft_fail_in(m.b.status, "%s", weft_source_path(file));
    }
    if (params->handles) *params->handles = handles;
    *out = g;
    return WEFT_OK;
}
