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

/// Rows or elements of x [n, ...] at `at` [count].
static weft_value looked_up(struct weft_model_build *m, const char *name, weft_value x, weft_value at) {
    return weft_bn(&m->b, "gather", name, (weft_value[]){x, at}, 2, NULL, 0);
}

/// What output rows are of: the last R of x [T, n], or of several sequences those that `at` [R] names.
static weft_value picked(struct weft_model_build *m, const char *name, weft_value x, weft_dim rows, weft_value at) {
    if (m->slots) return looked_up(m, name, x, at);
    return slice(m, name, x, weft_dim_sub(m->b.g->dims, m->tokens, rows), rows);
}

/// Logits of rows x [R, n_embd].
static weft_value logits(struct weft_model_build *m, weft_value x) {
    const struct weft_model_config *c = m->config;
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

/// A variable, or one for each slot.
static weft_value variable(struct weft_model_build *m, const char *name, int64_t most) {
    weft_value v = WEFT_NO_VALUE;
    if (m->b.status != WEFT_OK) return v;
    if (m->slots) m->b.status = weft_graph_vars(m->b.g, name, WEFT_U32, m->slots, 0, most, &v);
    else m->b.status = weft_graph_var(m->b.g, name, WEFT_U32, 0, most, &v);
    return v;
}

static void output(struct weft_model_build *m, weft_value v, const char *name) {
    if (m->b.status == WEFT_OK) m->b.status = weft_graph_output(m->b.g, v, name);
}

/// The number of a state or variable.
static uint32_t number(const struct weft_model_build *m, weft_value v) {
    return m->b.status == WEFT_OK ? m->b.g->values[v].state : UINT32_MAX;
}

/// What the sampler reads and moves on: states and variables of these names, kept by slot if there are several.
struct chooser {
    weft_value counts, ring, token, n_out, rng, sampling, stops, n_max, pos_max;
};

static struct chooser chooser(struct weft_model_build *m, struct weft_decoder_handles *h) {
    struct chooser c = {0};
    const struct {
        const char *name;
        uint32_t length; ///< of a state; 0: a variable
        weft_value *value;
        uint32_t *handle;
    } rows[] = {
        {"counts", m->config->n_vocab, &c.counts, &h->counts},
        {"ring", m->slots ? WEFT_LM_RING_SLOTS : WEFT_LM_RING, &c.ring, &h->ring},
        {"token", 0, &c.token, &h->token},
        {"n_out", 0, &c.n_out, &h->n_out},
        {"rng", 0, &c.rng, &h->rng},
        {"sampling", WEFT_SAMPLE_WORDS, &c.sampling, &h->sampling},
        {"stops", WEFT_LM_STOPS, &c.stops, &h->stops},
        {"n_max", 0, &c.n_max, &h->n_max},
        {"pos_max", 0, &c.pos_max, &h->pos_max},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        *rows[i].value = rows[i].length ? weft_block_state(m, rows[i].name, WEFT_U32, WEFT_STATE_DENSE,
                                                           &(uint64_t){rows[i].length}, 1)
                                        : variable(m, rows[i].name, UINT32_MAX);
        *rows[i].handle = number(m, *rows[i].value);
    }
    return c;
}

/// Picks the next token from logits, [R, vocab] with R 0 or 1, or of several slots rows of those that `owner` [R]
/// names, and moves everything on that the next run needs.
static void choose(struct weft_model_build *m, const struct chooser *c, weft_value scores, weft_value tokens,
                   weft_value pos, weft_value owner, bool sampling) {
    weft_value in[] = {c->counts, c->ring,     m->slots ? m->live : tokens,
                       c->token,  c->n_out,    c->rng,
                       scores,    c->sampling, c->stops,
                       pos,       c->n_max,    c->pos_max,
                       owner};
    weft_bn(&m->b, "sample", "sample", in, m->slots ? 13 : 12, (struct weft_arg[]){{.name = "greedy", .x = !sampling}},
            1);
}

static weft_status check(const struct weft_model_config *c, const struct weft_decoder_params *p) {
    if (c->family->encoder)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "the architecture '%s' gives embeddings and no logits", c->arch);
    if (p->ctx == 0 || p->ctx > c->ctx_train)
        return weft_fail(WEFT_ERR_INVALID, "a context of %u tokens; the model takes 1 to %u", p->ctx, c->ctx_train);
    if (p->chunk == 0 || p->chunk > p->ctx)
        return weft_fail(WEFT_ERR_INVALID, "chunks of %u tokens; they hold 1 to the context's %u", p->chunk, p->ctx);
    if (p->rows > p->chunk)
        return weft_fail(WEFT_ERR_INVALID, "%u rows of logits of runs of %u tokens", p->rows, p->chunk);
    if (p->slots > WEFT_MAX_SEQUENCES)
        return weft_fail(WEFT_ERR_INVALID, "%u sequences at once; at most %d", p->slots, WEFT_MAX_SEQUENCES);
    if (p->slots && p->head == WEFT_LM_NLL)
        return weft_fail(WEFT_ERR_INVALID, "scores of %u sequences at once; they are made of one", p->slots);
    return WEFT_OK;
}

/// The run's positions [T]: of one sequence those from pos on.
static weft_value counted(struct weft_model_build *m) {
    if (m->slots) return m->position;
    weft_value here =
        slice(m, "positions", weft_block_counted(m, m->chunk), weft_dim_const(m->b.g->dims, 0), m->tokens);
    return weft_block_add(m, "positions", here, m->pos);
}

/// Rows of position_embd at the run's positions [T, n_embd].
static weft_value positions(struct weft_model_build *m) {
    const struct weft_model_config *c = m->config;
    weft_value in[] = {weft_block_weight(m, "position_embd", c->ctx_train, c->n_embd), counted(m)};
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

/// Says of each token of the run whose it is and where it stands, from how many tokens each slot has.
static void place(struct weft_model_build *m, struct weft_decoder_handles *h) {
    m->live = variable(m, "live", 1);
    m->count = variable(m, "count", m->chunk);
    h->count = number(m, m->count);
    h->live = number(m, m->live);
    weft_value places[WEFT_MAX_OUTS] = {WEFT_NO_VALUE, WEFT_NO_VALUE};
    const struct weft_op *row = weft_op_find(m->b.g->ops, "place_tokens");
    const struct weft_arg args[] = {{.name = "tokens", .d = m->tokens}};
    if (m->b.status == WEFT_OK)
        m->b.status =
            weft_graph_add(m->b.g, row, "places", (weft_value[]){m->pos, m->count, m->live}, 3, args, 1, places);
    m->position = places[0];
    m->slot = places[1];
}

/// Ids of the run's tokens, where those below 0 are what their slot's sampler picked last.
static weft_value fed(struct weft_model_build *m, weft_value ids, weft_value token) {
    const struct weft_arg to = {.name = "to", .x = WEFT_I32};
    weft_value last = looked_up(m, "fed", token, m->slot), zero = WEFT_NO_VALUE;
    last = weft_bn(&m->b, "cast", "fed", &last, 1, &to, 1);
    if (m->b.status == WEFT_OK)
        m->b.status = weft_graph_const(m->b.g, (struct weft_type){.dtype = WEFT_I32}, &(int32_t){0}, 4, &zero);
    weft_value below = weft_bn(&m->b, "lt", "fed", (weft_value[]){ids, zero}, 2, NULL, 0);
    return weft_bn(&m->b, "where", "fed", (weft_value[]){below, last, ids}, 3, NULL, 0);
}

static weft_value advanced(struct weft_model_build *m) {
    weft_dim by = m->slots ? weft_dim_const(m->b.g->dims, 0) : m->tokens;
    return weft_bn(&m->b, "advance", "pos", (weft_value[]){m->pos, m->count, m->live}, m->slots ? 3 : 1,
                   (struct weft_arg[]){{.name = "by", .d = by}}, 1);
}

static void score(struct weft_model_build *m, weft_value x, weft_dim rows, uint32_t chunk, uint32_t *handle) {
    weft_value targets = state(m, "targets", WEFT_I32, chunk);
    *handle = number(m, targets);
    targets = picked(m, "targets", targets, rows, WEFT_NO_VALUE);
    output(m, weft_bn(&m->b, "nll", "nll", (weft_value[]){x, targets}, 2, NULL, 0), "nll");
}

static void build(struct weft_model_build *m, const struct weft_decoder_params *p, struct weft_decoder_handles *h) {
    const struct weft_model_config *c = m->config;
    struct weft_dims *dims = m->b.g->dims;
    bool generates = p->head == WEFT_LM_GENERATE;
    uint32_t most = generates ? (m->slots ? m->slots : 1) : p->rows ? p->rows : p->chunk;
    m->reach = weft_dim_symbol(dims, "P", 1, p->ctx);
    weft_dim rows = weft_dim_symbol(dims, "R", 0, most), zero = weft_dim_const(dims, 0);
    m->b.status = weft_dim_relate(dims, weft_dim_sub(dims, rows, m->tokens), 0);
    m->pos = variable(m, "pos", p->ctx);
    weft_value tokens = state(m, "tokens", WEFT_I32, p->chunk), at = WEFT_NO_VALUE;
    h->t = (uint32_t)weft_dims_symbol_find(dims, "T");
    h->r = (uint32_t)weft_dims_symbol_find(dims, "R");
    h->p = (uint32_t)weft_dims_symbol_find(dims, "P");
    h->pos = number(m, m->pos);
    h->tokens = number(m, tokens);
    struct chooser chosen = {0};
    weft_value ids = slice(m, "ids", tokens, zero, m->tokens), owner = WEFT_NO_VALUE;
    if (m->slots) {
        place(m, h);
        at = state(m, "rows", WEFT_U32, most);
        h->rows = number(m, at);
        at = slice(m, "rows", at, zero, rows);
        if (generates) chosen = chooser(m, h), ids = fed(m, ids, chosen.token);
    }
    weft_stretch_make(m);
    weft_value x = embed(m, ids);
    for (uint32_t i = 0; i < c->n_layer; i++) x = layers[c->family->layer](m, i, x);
    x = logits(m, picked(m, "last", x, rows, at));
    weft_value pos = advanced(m);
    switch (p->head) {
    case WEFT_LM_LOGITS: output(m, x, "logits"); break;
    case WEFT_LM_NLL: score(m, x, rows, p->chunk, &h->targets); break;
    case WEFT_LM_GENERATE:
        if (!m->slots) chosen = chooser(m, h);
        else owner = looked_up(m, "rows", m->slot, at);
        choose(m, &chosen, x, tokens, pos, owner, p->sampling);
        break;
    }
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
        .slots = params->slots,
        .count = WEFT_NO_VALUE,
        .live = WEFT_NO_VALUE,
        .position = WEFT_NO_VALUE,
        .slot = WEFT_NO_VALUE,
        .cache = params->cache_f16 ? WEFT_F16 : WEFT_F32,
    };
    struct weft_decoder_handles handles;
    memset(&handles, 0xff, sizeof handles);
    handles.output = 0; // these graphs have no input, and one output at most
    build(&m, params, &handles);
    if (m.b.status == WEFT_OK) m.b.status = weft_block_check_used(&m);
    if (m.b.status == WEFT_OK) m.b.status = weft_graph_verify(g);
    if (m.b.status != WEFT_OK) {
        weft_graph_destroy(g);
        return weft_fail_in(m.b.status, "%s", weft_source_path(file));
    }
    if (params->handles) *params->handles = handles;
    *out = g;
    return WEFT_OK;
}
