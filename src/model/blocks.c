#include "model/blocks.h"

#include "core/alloc.h"
#include "core/error.h"

#include <string.h>

const char *weft_block_name(struct weft_model_build *m, uint32_t layer, const char *name) {
    const char *full = weft_arena_printf(&m->b.g->arena, "blk.%u.%s", layer, name);
    if (full) return full;
    if (m->b.status == WEFT_OK) m->b.status = weft_fail(WEFT_ERR_NOMEM, "no memory for the model's graph");
    return "";
}

static weft_dim constant(struct weft_model_build *m, uint64_t x) { return weft_dim_const(m->b.g->dims, (int64_t)x); }

// ---- weights ----

static weft_status check_shape(const struct weft_source_tensor *t, uint64_t rows, uint64_t k) {
    if (t->n_dims == (rows ? 2u : 1u) && t->dims[0] == k && (!rows || t->dims[1] == rows)) return WEFT_OK;
    return weft_fail(WEFT_ERR_FORMAT, "tensor %s is %llu x %llu x %llu, but the model's keys make it %llu x %llu",
                     t->name, (unsigned long long)t->dims[0], (unsigned long long)t->dims[1],
                     (unsigned long long)(t->dims[2] * t->dims[3]), (unsigned long long)k,
                     (unsigned long long)(rows ? rows : 1));
}

static weft_status add_weight(struct weft_model_build *m, const char *name, uint64_t rows, uint64_t k,
                              weft_value *out) {
    uint64_t known;
    if (weft_map_get(&m->b.g->names, name, strlen(name), &known)) return *out = (weft_value)known, WEFT_OK;
    const struct weft_source_tensor *t = weft_source_find(m->file, name);
    if (!t) return weft_fail(WEFT_ERR_NOT_FOUND, "tensor %s is missing", name);
    WEFT_TRY(check_shape(t, rows, k));
    struct weft_type type = {.rank = rows ? 2 : 1, .dims = {constant(m, rows ? rows : k), constant(m, k)}};
    WEFT_TRY(weft_model_dtype(t, &type.dtype));
    return weft_graph_weight(m->b.g, name, type, out);
}

weft_value weft_block_tensor(struct weft_model_build *m, const char *name, uint64_t rows, uint64_t k) {
    weft_value v = WEFT_NO_VALUE;
    if (m->b.status == WEFT_OK) m->b.status = add_weight(m, name, rows, k, &v);
    return m->b.status == WEFT_OK ? v : WEFT_NO_VALUE;
}

weft_value weft_block_weight(struct weft_model_build *m, const char *name, uint64_t rows, uint64_t k) {
    const char *full = weft_arena_printf(&m->b.g->arena, "%s.weight", name);
    if (!full && m->b.status == WEFT_OK) m->b.status = weft_fail(WEFT_ERR_NOMEM, "no memory for the model's graph");
    return weft_block_tensor(m, full, rows, k);
}

bool weft_block_has(const struct weft_model_build *m, enum weft_family_part part, const char *name) {
    const struct weft_family *f = m->config->family;
    return (f->must & part) || ((f->may & part) && weft_source_find(m->file, name));
}

/// "NAME.bias" in the graph's arena.
static const char *bias_of(struct weft_model_build *m, const char *name) {
    const char *full = weft_arena_printf(&m->b.g->arena, "%s.bias", name);
    if (!full && m->b.status == WEFT_OK) m->b.status = weft_fail(WEFT_ERR_NOMEM, "no memory for the model's graph");
    return full ? full : "";
}

static weft_value rms_norm(struct weft_model_build *m, const char *name, weft_value x, uint64_t width) {
    weft_value in[] = {x, weft_block_weight(m, name, 0, width)};
    return weft_bn(&m->b, "rms_norm", name, in, 2, (struct weft_arg[]){{.name = "eps", .x = m->config->eps}}, 1);
}

weft_value weft_block_norm(struct weft_model_build *m, const char *name, weft_value x, uint64_t width) {
    if (m->config->family->norm == WEFT_NORM_RMS) return rms_norm(m, name, x, width);
    weft_value in[] = {x, weft_block_weight(m, name, 0, width), weft_block_tensor(m, bias_of(m, name), 0, width)};
    return weft_bn(&m->b, "layer_norm", name, in, 3, (struct weft_arg[]){{.name = "eps", .x = m->config->eps}}, 1);
}

weft_value weft_block_linear(struct weft_model_build *m, const char *name, weft_value x, uint64_t n, uint64_t k) {
    weft_value in[] = {x, weft_block_weight(m, name, n, k)};
    return weft_bn(&m->b, "matmul", name, in, 2, NULL, 0);
}

/// A product of one layer, with the bias that the family's row lists for it. Its rows may be a run of a tensor that
/// holds those of several.
struct product {
    const char *name; ///< without "blk.N."
    uint64_t n, k;
    enum weft_family_part bias;
    const char *whole; ///< tensor that holds the rows; NULL: `name`
    uint64_t first, of;
};

/// Elements of axis 0 from `first` on.
static weft_value run_of(struct weft_model_build *m, const struct product *p, weft_value x) {
    if (p->n == p->of) return x;
    const struct weft_arg args[] = {{.name = "start", .d = constant(m, p->first)},
                                    {.name = "len", .d = constant(m, p->n)}};
    return weft_bn(&m->b, "slice", NULL, &x, 1, args, 2);
}

static weft_value product(struct weft_model_build *m, uint32_t layer, struct product p, weft_value x) {
    if (!p.whole) p.whole = p.name, p.of = p.n;
    const char *name = weft_block_name(m, layer, p.name), *whole = weft_block_name(m, layer, p.whole);
    const char *bias = bias_of(m, whole);
    weft_value in[] = {x, run_of(m, &p, weft_block_weight(m, whole, p.of, p.k))};
    weft_value y = weft_bn(&m->b, "matmul", name, in, 2, NULL, 0);
    if (!weft_block_has(m, p.bias, bias)) return y;
    return weft_block_add(m, name, y, run_of(m, &p, weft_block_tensor(m, bias, 0, p.of)));
}

weft_value weft_block_counted(struct weft_model_build *m, uint32_t n) {
    struct weft_type type = {.dtype = WEFT_U32, .rank = 1, .dims = {constant(m, n)}};
    weft_value all = WEFT_NO_VALUE;
    uint32_t *counts = weft_alloc(n * sizeof *counts);
    if (!counts && m->b.status == WEFT_OK) m->b.status = weft_fail(WEFT_ERR_NOMEM, "no memory for the model's graph");
    for (uint32_t i = 0; counts && i < n; i++) counts[i] = i;
    if (m->b.status == WEFT_OK) m->b.status = weft_graph_const(m->b.g, type, counts, n * sizeof *counts, &all);
    weft_free(counts);
    return all;
}

weft_value weft_block_state(struct weft_model_build *m, const char *name, weft_dtype dtype, enum weft_state_kind kind,
                            const uint64_t *dims, uint32_t rank) {
    struct weft_type type = {.dtype = dtype};
    weft_value v = WEFT_NO_VALUE;
    if (m->slots) type.dims[type.rank++] = constant(m, m->slots);
    for (uint32_t i = 0; i < rank; i++) type.dims[type.rank++] = constant(m, dims[i]);
    if (m->b.status == WEFT_OK) m->b.status = weft_graph_state(m->b.g, name, type, kind, &v);
    if (m->b.status == WEFT_OK && m->slots) m->b.status = weft_graph_state_by_slot(m->b.g, v);
    return v;
}

weft_value weft_block_add(struct weft_model_build *m, const char *name, weft_value x, weft_value y) {
    return weft_bn(&m->b, "add", name, (weft_value[]){x, y}, 2, NULL, 0);
}

// ---- attention ----

static weft_value reshape(struct weft_model_build *m, weft_value x, const weft_dim *dims, uint32_t n) {
    return weft_bn(&m->b, "reshape", NULL, &x, 1, (struct weft_arg[]){{.name = "shape", .dims = dims, .n = n}}, 1);
}

weft_value weft_block_heads(struct weft_model_build *m, weft_value x, uint32_t heads, uint64_t size) {
    return reshape(m, x, (weft_dim[]){m->tokens, constant(m, heads), constant(m, size)}, 3);
}

weft_value weft_block_flat(struct weft_model_build *m, weft_value x, uint64_t n) {
    return reshape(m, x, (weft_dim[]){m->tokens, constant(m, n)}, 2);
}

weft_value weft_block_columns(struct weft_model_build *m, weft_value x, uint64_t start, uint64_t len) {
    const struct weft_arg args[] = {
        {.name = "axis", .x = -1}, {.name = "start", .d = constant(m, start)}, {.name = "len", .d = constant(m, len)}};
    return weft_bn(&m->b, "slice", NULL, &x, 1, args, 3);
}

/// Norm over each head and rotation of x [T, heads, size]: what queries and keys have in common.
static weft_value turn(struct weft_model_build *m, const struct weft_block_attention *a, const char *name,
                       weft_value x) {
    const struct weft_model_config *c = m->config;
    const struct weft_family *f = c->family;
    const char *full = weft_block_name(m, a->layer, name), *norm = weft_arena_printf(&m->b.g->arena, "%s_norm", full);
    const char *tensor = norm ? weft_arena_printf(&m->b.g->arena, "%s.weight", norm) : NULL;
    if (tensor && weft_block_has(m, WEFT_PART_HEAD_NORMS, tensor)) x = rms_norm(m, norm, x, c->head_dim);
    if (f->rope == WEFT_ROPE_NONE || (f->unturned_period && (a->layer + 1) % f->unturned_period == 0)) return x;
    bool local = f->local_rope && c->local[a->layer], factors = !local && m->turn.factors != WEFT_NO_VALUE;
    const struct weft_arg args[] = {
        {.name = "base", .x = local ? c->rope_base_local : c->rope_base},
        {.name = "n_rot", .x = c->rope_dim},
        {.name = "pairing", .x = f->rope == WEFT_ROPE_NORMAL},
        {.name = "freq_scale", .x = local ? 1 : m->turn.freq_scale},
        {.name = "magnitude", .x = local ? 1 : m->turn.magnitude},
    };
    weft_value in[] = {x, m->slots ? m->position : m->pos, m->turn.factors};
    return weft_bn(&m->b, "rope", full, in, factors ? 3 : 2, args, 5);
}

weft_value weft_block_project(struct weft_model_build *m, const struct weft_block_attention *a,
                              enum weft_block_role role, weft_value h) {
    static const char *const names[] = {
        [WEFT_BLOCK_Q] = "attn_q", [WEFT_BLOCK_K] = "attn_k", [WEFT_BLOCK_V] = "attn_v"};
    const struct weft_model_config *c = m->config;
    uint64_t size = c->head_dim, keys = c->n_head_kv * size, queries = c->n_head * size * (a->gated ? 2 : 1);
    bool asks = role == WEFT_BLOCK_Q;
    uint32_t heads = asks ? c->n_head : c->n_head_kv;
    struct product p = {.name = names[role], .n = asks ? queries : keys, .k = c->n_embd};
    p.bias = WEFT_PART_QKV_BIAS;
    if (c->family->fused_qkv) {
        p.whole = "attn_qkv";
        p.first = asks ? 0 : role == WEFT_BLOCK_K ? queries : queries + keys;
        p.of = queries + 2 * keys;
    }
    return weft_block_heads(m, product(m, a->layer, p, h), heads, p.n / heads);
}

/// A local layer keeps a ring of what the window of the run's first query still sees beside the run's own rows, which
/// are written before anything is read. A global one takes pages as the text grows, up to the context.
static uint64_t cache_rows(const struct weft_model_build *m, uint32_t window, enum weft_state_kind *kind) {
    uint64_t rows = m->ctx;
    *kind = window ? WEFT_STATE_RING : WEFT_STATE_PAGED;
    if (!window) return rows;
    if (window - 1 + (uint64_t)m->chunk < rows) rows = window - 1 + (uint64_t)m->chunk;
    return (rows + 63) / 64 * 64;
}

/// The state "cache.N.k" or "cache.N.v" after this run's rows were written to it.
static weft_value cache(struct weft_model_build *m, const struct weft_block_attention *a, const char *part,
                        weft_value rows) {
    enum weft_state_kind kind;
    uint32_t window = m->config->local[a->layer] ? m->config->window : 0;
    uint64_t capacity = cache_rows(m, window, &kind);
    const char *name = weft_arena_printf(&m->b.g->arena, "cache.%u.%s", a->layer, part);
    weft_value state =
        weft_block_state(m, name, m->cache, kind, (uint64_t[]){capacity, m->config->n_head_kv, m->config->head_dim}, 3);
    weft_value in[] = {state, rows, m->slots ? m->position : m->pos, m->slot};
    return weft_bn(&m->b, "cache_append", name, in, m->slots ? 4 : 3, NULL, 0);
}

weft_value weft_block_attention_out(struct weft_model_build *m, uint32_t layer, weft_value o) {
    const struct weft_model_config *c = m->config;
    uint64_t width = (uint64_t)c->n_head * c->head_dim;
    struct product p = {.name = "attn_output", .n = c->n_embd, .k = width, .bias = WEFT_PART_OUTPUT_BIAS};
    return product(m, layer, p, weft_block_flat(m, o, width));
}

weft_value weft_block_attention(struct weft_model_build *m, const struct weft_block_attention *a, weft_value h) {
    const struct weft_model_config *c = m->config;
    uint64_t size = c->head_dim;
    weft_value q = weft_block_project(m, a, WEFT_BLOCK_Q, h), gate = q;
    if (a->gated) {
        gate = weft_block_columns(m, q, size, size);
        q = weft_block_columns(m, q, 0, size);
    }
    q = turn(m, a, "attn_q", q);
    weft_value k = turn(m, a, "attn_k", weft_block_project(m, a, WEFT_BLOCK_K, h));
    weft_value v = weft_block_project(m, a, WEFT_BLOCK_V, h);
    weft_value in[] = {q, cache(m, a, "k", k), cache(m, a, "v", v), m->pos, m->count};
    const struct weft_arg args[] = {
        {.name = "scale", .x = c->attn_scale},
        {.name = "window", .x = c->local[a->layer] ? c->window : 0},
        {.name = "softcap", .x = c->attn_softcap},
        {.name = "reach", .d = m->reach},
    };
    weft_value o = weft_bn(&m->b, "attention", weft_block_name(m, a->layer, "attn"), in, m->slots ? 5 : 4, args, 4);
    if (a->gated) {
        gate = weft_bn(&m->b, "sigmoid", weft_block_name(m, a->layer, "attn_gate"), &gate, 1, NULL, 0);
        o = weft_bn(&m->b, "mul", weft_block_name(m, a->layer, "attn_gated"), (weft_value[]){o, gate}, 2, NULL, 0);
    }
    return weft_block_attention_out(m, a->layer, o);
}

weft_value weft_block_ffn(struct weft_model_build *m, uint32_t layer, weft_value h) {
    const struct weft_model_config *c = m->config;
    const struct weft_family *f = c->family;
    struct product up = {.name = "ffn_up", .n = c->n_ff, .k = c->n_embd, .bias = WEFT_PART_FFN_BIAS};
    struct product gate = up, down = {.name = "ffn_down", .n = c->n_embd, .k = c->n_ff, .bias = WEFT_PART_FFN_BIAS};
    gate.name = "ffn_gate";
    if (f->fused_gate_up) {
        up.whole = gate.whole = "ffn_up";
        up.first = c->n_ff;
        up.of = gate.of = 2 * (uint64_t)c->n_ff;
    }
    weft_value x = product(m, layer, f->plain_ffn ? up : gate, h);
    weft_value y = f->plain_ffn ? WEFT_NO_VALUE : product(m, layer, up, h);
    x = weft_bn(&m->b, f->act, weft_block_name(m, layer, "ffn_act"), &x, 1, NULL, 0);
    if (!f->plain_ffn)
        x = weft_bn(&m->b, "mul", weft_block_name(m, layer, "ffn_mul"), (weft_value[]){x, y}, 2, NULL, 0);
    return product(m, layer, down, x);
}
