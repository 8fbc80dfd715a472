#include "model/encoder.h"

#include "core/alloc.h"
#include "core/error.h"
#include "ops/ops.h"

#include <math.h>

/// An encoder on its way. Tokens of all texts are rows [B * L, n_embd] (m.tokens) but in attention.
struct encoder {
    struct weft_model_build m;
    weft_dim texts, length; ///< B, L
    weft_value ends, weights;
    weft_value seen; ///< bool [B, L]: the token stands within its text
};

static weft_dim constant(struct encoder *e, uint64_t x) { return weft_dim_const(e->m.b.g->dims, (int64_t)x); }

static weft_value node(struct encoder *e, const char *op, const char *name, weft_value x, weft_value y) {
    return weft_bn(&e->m.b, op, name, (weft_value[]){x, y}, y == WEFT_NO_VALUE ? 1 : 2, NULL, 0);
}

static weft_value reshape(struct encoder *e, weft_value x, const weft_dim *dims, uint32_t n) {
    return weft_bn(&e->m.b, "reshape", NULL, &x, 1, (struct weft_arg[]){{.name = "shape", .dims = dims, .n = n}}, 1);
}

/// x where c is true, else y.
static weft_value where(struct encoder *e, const char *name, weft_value c, weft_value x, float y) {
    return weft_bn(&e->m.b, "where", name, (weft_value[]){c, x, weft_bf(&e->m.b, y)}, 3, NULL, 0);
}

// ---- tokens --------------------------------------------------------------------------------------------------------

static weft_value input(struct encoder *e, const char *name, weft_dtype dtype, weft_dim columns) {
    struct weft_type type = {.dtype = dtype, .rank = 2, .dims = {e->texts, columns}};
    weft_value v = WEFT_NO_VALUE;
    if (e->m.b.status == WEFT_OK) e->m.b.status = weft_graph_input(e->m.b.g, name, type, &v);
    return v;
}

/// 0, 1, 2 and so on to L - 1, u32 [L].
static weft_value positions(struct encoder *e) {
    struct weft_model_build *m = &e->m;
    weft_value all = weft_block_counted(m, m->ctx);
    const struct weft_arg args[] = {{.name = "start", .d = constant(e, 0)}, {.name = "len", .d = e->length}};
    return weft_bn(&m->b, "slice", "positions", &all, 1, args, 2);
}

/// The row of kind 0 of token_types [1, n_embd]: there is no second text. A table of one row may have lost its axis.
static weft_value type_row(struct encoder *e) {
    struct weft_model_build *m = &e->m;
    const struct weft_source_tensor *t = weft_source_find(m->file, "token_types.weight");
    uint64_t rows = t && t->n_dims == 2 ? t->dims[1] : 0;
    weft_value table = weft_block_weight(m, "token_types", rows, m->config->n_embd);
    if (rows < 2) return table;
    const struct weft_arg args[] = {{.name = "start", .d = constant(e, 0)}, {.name = "len", .d = constant(e, 1)}};
    return weft_bn(&m->b, "slice", "token_types", &table, 1, args, 2);
}

/// Embeddings of all tokens [B * L, n_embd]. What they are behind ends is read by rows behind ends alone.
static weft_value embed(struct encoder *e) {
    struct weft_model_build *m = &e->m;
    const struct weft_model_config *c = m->config;
    weft_value ids = input(e, "ids", WEFT_I32, e->length);
    e->ends = input(e, "length", WEFT_U32, constant(e, 1));
    e->weights = input(e, "weights", WEFT_F32, e->length);
    weft_value here = positions(e);
    e->seen = node(e, "lt", "seen", here, e->ends);
    weft_value x = node(e, "gather", "token_embd", weft_block_weight(m, "token_embd", c->n_vocab, c->n_embd), ids);
    x = weft_block_add(m, "embedded", x, type_row(e));
    weft_value place =
        node(e, "gather", "position_embd", weft_block_weight(m, "position_embd", c->ctx_train, c->n_embd), here);
    x = weft_block_add(m, "embedded", x, place);
    return weft_block_norm(m, "token_embd_norm", weft_block_flat(m, x, c->n_embd), c->n_embd);
}

// ---- layers --------------------------------------------------------------------------------------------------------

static weft_value swap_heads(struct encoder *e, weft_value x) {
    static const int64_t perm[] = {0, 2, 1, 3};
    return weft_bn(&e->m.b, "transpose", NULL, &x, 1, (struct weft_arg[]){{.name = "perm", .ints = perm, .n = 4}}, 1);
}

/// Queries, keys or values of h as [B, heads, L, size].
static weft_value heads(struct encoder *e, uint32_t layer, enum weft_block_role role, weft_value h) {
    const struct weft_model_config *c = e->m.config;
    weft_value x = weft_block_project(&e->m, &(struct weft_block_attention){.layer = layer}, role, h);
    return swap_heads(
        e, reshape(e, x, (weft_dim[]){e->texts, e->length, constant(e, c->n_head), constant(e, c->head_dim)}, 4));
}

/// The tokens that are seen, along the axis of keys of the scores, or along that of values.
static weft_value seen_along(struct encoder *e, bool scores) {
    weft_dim one = constant(e, 1);
    return reshape(e, e->seen, (weft_dim[]){e->texts, one, scores ? one : e->length, scores ? e->length : one}, 4);
}

static weft_value attention(struct encoder *e, uint32_t layer, weft_value h) {
    struct weft_model_build *m = &e->m;
    const char *name = weft_block_name(m, layer, "attn");
    weft_value q = heads(e, layer, WEFT_BLOCK_Q, h), k = heads(e, layer, WEFT_BLOCK_K, h);
    weft_value v = where(e, name, seen_along(e, false), heads(e, layer, WEFT_BLOCK_V, h), 0); // 0 times NaN is NaN
    weft_value s = node(e, "matmul", name, q, k);
    s = node(e, "mul", name, s, weft_bf(&m->b, (float)m->config->attn_scale));
    s = where(e, name, seen_along(e, true), s, -INFINITY);
    s = node(e, "softmax", name, s, WEFT_NO_VALUE);
    weft_value o =
        weft_bn(&m->b, "matmul", name, (weft_value[]){s, v}, 2, (struct weft_arg[]){{.name = "transpose_b"}}, 1);
    return weft_block_attention_out(m, layer, swap_heads(e, o));
}

/// x plus a branch, normed.
static weft_value joined(struct encoder *e, uint32_t layer, const char *name, weft_value x, weft_value branch) {
    struct weft_model_build *m = &e->m;
    const char *full = weft_block_name(m, layer, name);
    return weft_block_norm(m, full, weft_block_add(m, full, x, branch), m->config->n_embd);
}

// ---- the graph -----------------------------------------------------------------------------------------------------

/// Weighted sums over each text's tokens of x [B * L, n_embd].
static weft_value pool(struct encoder *e, weft_value x) {
    struct weft_model_build *m = &e->m;
    static const int64_t axis[] = {1};
    weft_value w = reshape(e, e->weights, (weft_dim[]){e->texts, e->length, constant(e, 1)}, 3);
    x = reshape(e, x, (weft_dim[]){e->texts, e->length, constant(e, m->config->n_embd)}, 3);
    weft_value counts = node(e, "ne", "pooling", w, weft_bf(&m->b, 0));
    x = where(e, "pooling", counts, node(e, "mul", "pooling", x, w), 0);
    const struct weft_arg args[] = {{.name = "axes", .ints = axis, .n = 1}, {.name = "keep", .x = 0}};
    return weft_bn(&m->b, "sum", "pooling", &x, 1, args, 2);
}

static void build(struct encoder *e) {
    struct weft_model_build *m = &e->m;
    weft_value x = embed(e);
    for (uint32_t i = 0; i < m->config->n_layer; i++) {
        x = joined(e, i, "attn_output_norm", x, attention(e, i, x));
        x = joined(e, i, "layer_output_norm", x, weft_block_ffn(m, i, x));
    }
    x = pool(e, x);
    if (m->b.status == WEFT_OK) m->b.status = weft_graph_output(m->b.g, x, "embedding");
}

static weft_status check(const struct weft_model_config *c, const struct weft_encoder_params *p) {
    if (!c->family->encoder)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "the architecture '%s' generates text; Weft makes no embeddings with it",
                         c->arch);
    if (c->n_head != c->n_head_kv)
        return weft_fail(WEFT_ERR_UNSUPPORTED, "%u heads share %u key heads; Weft's encoders have as many of both",
                         c->n_head, c->n_head_kv);
    if (p->ctx == 0 || p->ctx > c->ctx_train)
        return weft_fail(WEFT_ERR_INVALID, "texts of up to %u tokens; the model takes 1 to %u", p->ctx, c->ctx_train);
    if (p->batch == 0 || p->tokens < p->ctx)
        return weft_fail(WEFT_ERR_INVALID, "runs of %u texts and %u tokens; they hold a text of %u at least", p->batch,
                         p->tokens, p->ctx);
    return WEFT_OK;
}

/// B * L, and what it and B * L * L do not exceed: sizes of working memory follow from these.
static weft_status declare_sizes(struct encoder *e, const struct weft_encoder_params *p) {
    struct weft_dims *dims = e->m.b.g->dims;
    e->texts = weft_dim_symbol(dims, "B", 1, p->batch);
    e->length = weft_dim_symbol(dims, "L", 1, p->ctx);
    e->m.tokens = weft_dim_mul(dims, e->texts, e->length);
    WEFT_TRY(weft_dim_relate(dims, e->m.tokens, p->tokens));
    return weft_dim_relate(dims, weft_dim_mul(dims, e->m.tokens, e->length), (int64_t)p->tokens * p->ctx);
}

weft_status weft_encoder_build(const struct weft_source *file, const struct weft_model_config *config,
                               const struct weft_encoder_params *params, struct weft_encoder_handles *handles,
                               struct weft_graph **out) {
    struct encoder e = {.m = {.file = file, .config = config, .ctx = params->ctx}};
    struct weft_model_build *m = &e.m;
    *out = NULL;
    WEFT_TRY(check(config, params));
    WEFT_TRY(weft_graph_create(weft_ops(), &m->b.g));
    m->b.status = declare_sizes(&e, params);
    build(&e);
    if (m->b.status == WEFT_OK) m->b.status = weft_block_check_used(m);
    if (m->b.status == WEFT_OK) m->b.status = weft_graph_verify(m->b.g);
    if (m->b.status != WEFT_OK) {
        weft_graph_destroy(m->b.g);
        return weft_fail_in(m->b.status, "%s", weft_source_path(file));
    }
    if (handles)
        *handles = (struct weft_encoder_handles){.b = (uint32_t)weft_dims_symbol_find(m->b.g->dims, "B"),
                                                 .l = (uint32_t)weft_dims_symbol_find(m->b.g->dims, "L"),
                                                 .length = 1,
                                                 .weights = 2,
                                                 .embedding = 3};
    *out = m->b.g;
    return WEFT_OK;
}
