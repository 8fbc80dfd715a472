// The host reference run: every node by its operator's `eval`, in doubles. The oracle of the tests, so it is plain: no
// fusion, no reuse of memory beyond freeing what nothing uses any more.
#include "core/alloc.h"
#include "core/error.h"
#include "core/half.h"
#include "ir/graph_impl.h"
#include "ir/quant.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

int64_t weft_host_count(const struct weft_host *t) {
    int64_t n = 1;
    for (uint32_t i = 0; i < t->rank; i++) n *= t->shape[i];
    return n;
}

const double *weft_host_row(const struct weft_host *t, int64_t r, double *buffer) {
    int64_t columns = t->rank ? t->shape[t->rank - 1] : 1;
    if (t->data) return t->data + r * columns;
    const uint8_t *row = (const uint8_t *)t->raw + (uint64_t)r * weft_dtype_bytes(t->dtype, (uint64_t)columns);
    weft_dtype_info(t->dtype)->decode(row, columns, buffer);
    return buffer;
}

struct run {
    const struct weft_graph *g;
    const struct weft_eval_params *params;
    struct weft_host *host; ///< by value
    bool *ready;            ///< leaf fetched or result computed
    bool *owned;            ///< host[v].data is ours to free
    size_t *last;           ///< index of the last node that uses a value
};

// ---- shapes and memory

static const char *value_name(const struct weft_graph *g, weft_value v) {
    const struct weft_value_info *info = &g->values[v];
    if (info->name) return info->name;
    if (info->kind == WEFT_VALUE_NODE) {
        const struct weft_node *n = &g->nodes[info->node];
        return weft_node_label(n);
    }
    return "a constant";
}

static weft_status describe(struct run *r, weft_value v) {
    const struct weft_type *type = &r->g->values[v].type;
    struct weft_host *t = &r->host[v];
    int64_t count = 1;
    *t = (struct weft_host){.dtype = type->dtype, .rank = type->rank};
    for (uint32_t i = 0; i < type->rank; i++) {
        t->shape[i] = weft_dim_eval(r->g->dims, type->dims[i], r->params->symbols);
        if (t->shape[i] < 0 || __builtin_mul_overflow(count, t->shape[i], &count) || count > INT64_MAX / 16)
            return weft_fail(WEFT_ERR_LIMIT, "%s: axis %u is %" PRId64 ", which is negative or too large",
                             value_name(r->g, v), i, t->shape[i]);
    }
    return WEFT_OK;
}

static weft_status make_data(struct run *r, weft_value v) {
    struct weft_host *t = &r->host[v];
    t->data = weft_calloc((size_t)weft_host_count(t) + 1, sizeof *t->data); // never NULL for an empty tensor
    if (!t->data)
        return weft_fail(WEFT_ERR_NOMEM, "out of memory for the %" PRId64 " values of %s", weft_host_count(t),
                         value_name(r->g, v));
    r->owned[v] = true;
    return WEFT_OK;
}

static void drop(struct run *r, weft_value v) {
    if (r->owned[v]) weft_free(r->host[v].data);
    r->owned[v] = false;
    r->host[v].data = NULL;
}

/// What the declaration of a state says of the tensor, whoever gave it.
static void describe_state(struct run *r, weft_value v) {
    const struct weft_value_info *info = &r->g->values[v];
    if (info->state == UINT32_MAX) return;
    r->host[v].ends = info->state_kind == WEFT_STATE_DENSE || info->state_kind == WEFT_STATE_PAGED;
    r->host[v].lo = info->var_lo;
    r->host[v].hi = info->var_hi;
}

// ---- leaves

static weft_status fetch_leaf(struct run *r, weft_value v) {
    const struct weft_value_info *info = &r->g->values[v];
    struct weft_host *t = &r->host[v];
    if (r->ready[v]) return WEFT_OK;
    WEFT_TRY(describe(r, v));
    if (info->kind == WEFT_VALUE_CONST) {
        WEFT_TRY(make_data(r, v));
        weft_dtype_info(t->dtype)->decode(info->data, weft_host_count(t), t->data);
    } else {
        if (info->kind == WEFT_VALUE_WEIGHT) t->raw = info->data;
        struct weft_host want = *t;
        if (r->params->leaf) WEFT_TRY(r->params->leaf(r->params->user, v, info, t));
        bool same = t->dtype == want.dtype && t->rank == want.rank &&
                    memcmp(t->shape, want.shape, want.rank * sizeof want.shape[0]) == 0;
        if (!same)
            return weft_fail(WEFT_ERR_INVALID, "the host tensor of '%s' has another type or shape than declared",
                             info->name);
        if (t->data) t->raw = NULL;
        if (!t->data && (!t->raw || info->kind == WEFT_VALUE_STATE) && weft_host_count(t) > 0)
            return weft_fail(WEFT_ERR_INVALID, "no %s given for '%s'", t->raw ? "doubles are" : "data is", info->name);
    }
    describe_state(r, v);
    r->ready[v] = true;
    return WEFT_OK;
}

// Vectors and operands of elementwise nodes are handed over as doubles; only tables of rows stay encoded.
static weft_status expand_raw(struct run *r, const struct weft_node *n, weft_value v) {
    struct weft_host *t = &r->host[v];
    if (t->data || !t->raw || (t->rank > 1 && !((n->op->traits & WEFT_OP_ELEMENTWISE) || n->op->reduce)))
        return WEFT_OK;
    WEFT_TRY(make_data(r, v));
    weft_dtype_info(t->dtype)->decode(t->raw, weft_host_count(t), t->data);
    return WEFT_OK;
}

// ---- nodes

/// Halves are rounded. Of f32 only the range is kept: what would round beyond it is infinite.
static void round_values(struct weft_host *t) {
    int64_t n = weft_host_count(t);
    if (t->dtype == WEFT_F32)
        for (int64_t i = 0; i < n; i++)
            if (fabs(t->data[i]) >= 0x1.ffffffp127) t->data[i] = copysign(INFINITY, t->data[i]);
    if (t->dtype == WEFT_F16)
        for (int64_t i = 0; i < n; i++) t->data[i] = weft_f16_to_f32(weft_quant_f16(t->data[i]));
    if (t->dtype == WEFT_BF16)
        for (int64_t i = 0; i < n; i++) t->data[i] = weft_bf16_to_f32(weft_quant_bf16(t->data[i]));
}

static weft_status prepare_output(struct run *r, const struct weft_node *n, uint32_t k) {
    weft_value v = n->out[k];
    WEFT_TRY(describe(r, v));
    describe_state(r, v);
    r->ready[v] = true;
    if (!weft_op_writes(n->op, k)) return make_data(r, v);
    if (weft_node_writes(r->g, n, k)) {
        r->host[v].data = r->host[n->in[k]].data; // the same memory; its owner is whoever owns the leaf
        return WEFT_OK;
    }
    WEFT_TRY(make_data(r, v)); // a function: starts as a copy
    const struct weft_host *past = &r->host[n->in[k]];
    int64_t count = weft_host_count(past), columns = past->rank ? past->shape[past->rank - 1] : 1;
    for (int64_t i = 0; columns > 0 && i < count / columns; i++) {
        double *to = r->host[v].data + i * columns;
        const double *from = weft_host_row(past, i, to);
        if (from != to) memcpy(to, from, (size_t)columns * sizeof *to);
    }
    return WEFT_OK;
}

static weft_status eval_node(struct run *r, size_t index) {
    const struct weft_node *n = &r->g->nodes[index];
    struct weft_host in[WEFT_MAX_INS], out[WEFT_MAX_OUTS];
    for (uint32_t k = 0; k < n->n_in; k++) {
        WEFT_TRY(fetch_leaf(r, n->in[k]));
        WEFT_TRY(expand_raw(r, n, n->in[k]));
    }
    for (uint32_t k = 0; k < n->n_in; k++) in[k] = r->host[n->in[k]];
    for (uint32_t k = 0; k < n->n_out; k++) {
        WEFT_TRY(prepare_output(r, n, k));
        out[k] = r->host[n->out[k]];
    }
    if (!n->op->eval) return weft_fail(WEFT_ERR_UNSUPPORTED, "operator %s has no host reference", n->op->name);
    struct weft_eval e = {.node = n,
                          .attrs = n->attrs,
                          .symbols = r->params->symbols,
                          .dims = r->g->dims,
                          .n_in = n->n_in,
                          .n_out = n->n_out,
                          .in = in,
                          .out = out};
    weft_status status = n->op->eval(&e);
    if (status != WEFT_OK) return weft_node_blame(r->g, n->op, n->name, n->in, n->n_in, status);
    for (uint32_t k = 0; k < n->n_out; k++) round_values(&out[k]);
    return WEFT_OK;
}

static weft_status report(struct run *r, weft_value v) {
    if (!r->params->each) return WEFT_OK;
    return r->params->each(r->params->user, v, &r->g->values[v], &r->host[v]);
}

static weft_status run_nodes(struct run *r) {
    const struct weft_graph *g = r->g;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (uint32_t k = 0; !g->nodes[i].dead && k < g->nodes[i].n_in; k++) r->last[g->nodes[i].in[k]] = i;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct weft_node *n = &g->nodes[i];
        if (n->dead) continue;
        WEFT_TRY(eval_node(r, i));
        for (uint32_t k = 0; k < n->n_out; k++) WEFT_TRY(report(r, n->out[k]));
        for (uint32_t k = 0; k < n->n_in; k++)
            if (r->last[n->in[k]] == i) drop(r, n->in[k]);
        for (uint32_t k = 0; k < n->n_out; k++)
            if (r->last[n->out[k]] <= i) drop(r, n->out[k]); // nothing uses it
    }
    for (size_t v = 0; v < g->n_values; v++) { // leaves that are outputs as they stand
        if (!g->values[v].is_output || g->values[v].kind == WEFT_VALUE_NODE) continue;
        r->ready[v] = false; // its data may have been dropped
        WEFT_TRY(fetch_leaf(r, (weft_value)v));
        WEFT_TRY(report(r, (weft_value)v));
    }
    return WEFT_OK;
}

weft_status weft_graph_eval(const struct weft_graph *g, const struct weft_eval_params *params) {
    struct run r = {.g = g, .params = params};
    struct weft_arena arena = {0};
    WEFT_TRY(weft_graph_check(g, false));
    WEFT_TRY(weft_dims_check(g->dims, params->symbols));
    size_t n = g->n_values + 1;
    r.host = weft_arena_alloc(&arena, n * sizeof *r.host);
    r.ready = weft_arena_alloc(&arena, n * sizeof *r.ready);
    r.owned = weft_arena_alloc(&arena, n * sizeof *r.owned);
    r.last = weft_arena_alloc(&arena, n * sizeof *r.last);
    weft_status status = WEFT_OK;
    if (!r.host || !r.ready || !r.owned || !r.last) status = weft_fail(WEFT_ERR_NOMEM, "out of memory for a host run");
    if (status == WEFT_OK) status = run_nodes(&r);
    for (size_t v = 0; r.host && r.owned && v < g->n_values; v++) drop(&r, (weft_value)v);
    weft_arena_free(&arena);
    return status;
}
