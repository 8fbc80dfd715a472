/// The feed-forward of layers in which each token chooses some of many experts (model/blocks.h).
#include "model/blocks.h"

#include "core/error.h"

static weft_dim constant(struct weft_model_build *m, uint64_t x) { return weft_dim_const(m->b.g->dims, (int64_t)x); }

/// Matrices of all experts, one behind the other: [count, rows, k].
static weft_value stack(struct weft_model_build *m, const char *name, uint32_t count, uint64_t rows, uint64_t k) {
    const char *full = weft_arena_printf(&m->b.g->arena, "%s.weight", name);
    weft_value v = WEFT_NO_VALUE;
    struct weft_type type = {.rank = 3, .dims = {constant(m, count), constant(m, rows), constant(m, k)}};
    if (!full && m->b.status == WEFT_OK) m->b.status = weft_fail(WEFT_ERR_NOMEM, "no memory for the model's graph");
    if (m->b.status != WEFT_OK) return v;
    const struct weft_source_tensor *t = weft_source_find(m->file, full);
    if (!t)
        m->b.status =
            weft_fail(WEFT_ERR_NOT_FOUND,
                      "tensor %s is missing: the experts of a layer must stand in one tensor (files that have "
                      "a tensor for each expert must be converted again)",
                      full);
    else if (t->n_dims != 3 || t->dims[0] != k || t->dims[1] != rows || t->dims[2] != count)
        m->b.status = weft_fail(
            WEFT_ERR_FORMAT, "tensor %s is %llu x %llu x %llu, but the model's keys make it %llu x %llu x %u", full,
            (unsigned long long)t->dims[0], (unsigned long long)t->dims[1],
            (unsigned long long)(t->dims[2] * t->dims[3]), (unsigned long long)k, (unsigned long long)rows, count);
    else m->b.status = weft_model_dtype(t, &type.dtype);
    if (m->b.status == WEFT_OK) m->b.status = weft_graph_weight(m->b.g, full, type, &v);
    return v;
}

static weft_value binary(struct weft_model_build *m, const char *op, const char *name, weft_value x, weft_value y) {
    return weft_bn(&m->b, op, name, (weft_value[]){x, y}, 2, NULL, 0);
}

static weft_value unary(struct weft_model_build *m, const char *op, const char *name, weft_value x) {
    return weft_bn(&m->b, op, name, &x, 1, NULL, 0);
}

static weft_value shaped(struct weft_model_build *m, weft_value x, const weft_dim *dims, uint32_t n) {
    return weft_bn(&m->b, "reshape", NULL, &x, 1, (struct weft_arg[]){{.name = "shape", .dims = dims, .n = n}}, 1);
}

/// The chosen experts of each token, i32 [T, used], and their weights f32 [T, used].
static weft_value route(struct weft_model_build *m, const struct weft_block_experts *e, weft_value h,
                        weft_value *weights) {
    const char *name = weft_block_name(m, e->layer, "ffn_route");
    weft_value p = weft_block_linear(m, weft_block_name(m, e->layer, "ffn_gate_inp"), h, e->count, m->config->n_embd);
    p = unary(m, "softmax", name, p);
    weft_value v = weft_bn(&m->b, "topk", name, &p, 1, (struct weft_arg[]){{.name = "k", .x = e->used}}, 1);
    if (m->b.status != WEFT_OK) return WEFT_NO_VALUE;
    weft_value chosen = m->b.g->nodes[m->b.g->values[v].node].out[1];
    if (e->normalise) v = binary(m, "div", name, v, unary(m, "sum", name, v));
    if (e->scale != 1) v = binary(m, "mul", name, v, weft_bf(&m->b, (float)e->scale));
    *weights = v;
    return chosen;
}

static weft_value by_experts(struct weft_model_build *m, const char *name, weft_value x, weft_value w, weft_value ids) {
    return weft_bn(&m->b, "matmul_experts", name, (weft_value[]){x, w, ids}, 3, NULL, 0);
}

/// What all tokens have in common, weighed by a gate of its own.
static weft_value shared(struct weft_model_build *m, const struct weft_block_experts *e, weft_value h) {
    uint64_t n = m->config->n_embd;
    weft_value gate = weft_block_linear(m, weft_block_name(m, e->layer, "ffn_gate_shexp"), h, e->shared, n);
    weft_value up = weft_block_linear(m, weft_block_name(m, e->layer, "ffn_up_shexp"), h, e->shared, n);
    gate = unary(m, e->act, weft_block_name(m, e->layer, "ffn_act_shexp"), gate);
    up = binary(m, "mul", weft_block_name(m, e->layer, "ffn_mul_shexp"), gate, up);
    weft_value y = weft_block_linear(m, weft_block_name(m, e->layer, "ffn_down_shexp"), up, n, e->shared);
    const char *name = weft_block_name(m, e->layer, "ffn_gate_inp_shexp");
    weft_value one = binary(m, "matmul", name, h, weft_block_weight(m, name, 0, n));
    one = shaped(m, one, (weft_dim[]){m->tokens, constant(m, 1)}, 2);
    return binary(m, "mul", name, y, unary(m, "sigmoid", name, one));
}

weft_value weft_block_experts(struct weft_model_build *m, const struct weft_block_experts *e, weft_value h) {
    uint64_t n = m->config->n_embd;
    const char *gate = weft_block_name(m, e->layer, "ffn_gate_exps"), *up = weft_block_name(m, e->layer, "ffn_up_exps");
    const char *down = weft_block_name(m, e->layer, "ffn_down_exps"), *sum = weft_block_name(m, e->layer, "ffn_sum");
    weft_value weights = WEFT_NO_VALUE, ids = route(m, e, h, &weights);
    weft_value x = by_experts(m, gate, h, stack(m, gate, e->count, e->width, n), ids);
    weft_value y = by_experts(m, up, h, stack(m, up, e->count, e->width, n), ids);
    x = unary(m, e->act, weft_block_name(m, e->layer, "ffn_act"), x);
    x = binary(m, "mul", weft_block_name(m, e->layer, "ffn_mul"), x, y);
    x = by_experts(m, down, x, stack(m, down, e->count, n, e->width), ids);
    weights = shaped(m, weights, (weft_dim[]){m->tokens, constant(m, e->used), constant(m, 1)}, 3);
    x = binary(m, "mul", sum, x, weights);
    const struct weft_arg args[] = {{.name = "axes", .ints = (int64_t[]){1}, .n = 1}, {.name = "keep", .x = 0}};
    x = weft_bn(&m->b, "sum", sum, &x, 1, args, 2);
    return e->shared ? weft_block_add(m, sum, x, shared(m, e, h)) : x;
}
