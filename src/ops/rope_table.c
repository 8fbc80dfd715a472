/// Rotary position embedding of queries and keys together, by tables of cosines and sines.
///
/// q[T, Hq, D] and k[T, Hk, D], f32 or f16; cos and sin [P, n/2], f32 or f16 (inputs, values or weights); n, which is
/// even and at most D, channels rotate. Token t takes row start + t of both tables; with c, s = cos, sin[start + t, i]:
///   (a, b) -> (a c - b s, a s + b c)
/// a and b are channels i and i + n/2 ("neox") or 2i and 2i + 1 ("normal") of a head; channels from n on are copied.
/// Gives the turned q and the turned k, in one step: neither can be left behind when T changes.
///
/// Sizes with start + T > P are refused when they are set. Where the position is known to the device alone, rope is the
/// operator to take: it needs no table.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/move.h"

#include <string.h>

#define ROPE_TABLE_PARAMS(F) F(u32, n) F(u32, n_q) F(u32, start) F(u32, heads_q) F(u32, heads_k)
WEFT_PARAMS(rope_table_params, ROPE_TABLE_PARAMS)

enum { Q, K, COS, SIN, INPUTS };
enum { START, PAIRING };
enum { NEOX, NORMAL };

struct rope_table_cfg {
    weft_dim q, k, heads_q, heads_k, start;
    uint32_t threads;
}; ///< elements of q and k

static weft_status heads(struct weft_graph *g, const struct weft_type *t, const char *name) {
    int64_t d;
    if ((t->dtype == WEFT_F32 || t->dtype == WEFT_F16) && t->rank == 3 && weft_dim_is_const(g->dims, t->dims[2], &d) &&
        d % 2 == 0 && d > 0)
        return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID,
                     "rope_table: %s is %s; it takes f32 or f16 [tokens, heads, head size] with a constant, even head "
                     "size above 0",
                     name, weft_ops_type_text(g, t));
}

static weft_status rope_table_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                    const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    int64_t half, d = 0, e = 0;
    WEFT_TRY(heads(g, &in[Q], "q"));
    WEFT_TRY(heads(g, &in[K], "k"));
    weft_dim_is_const(g->dims, in[Q].dims[2], &d);
    weft_dim_is_const(g->dims, in[K].dims[2], &e);
    for (uint32_t i = COS; i <= SIN; i++)
        if ((in[i].dtype != WEFT_F32 && in[i].dtype != WEFT_F16) || in[i].rank != 2 ||
            !weft_dim_is_const(g->dims, in[i].dims[1], &half) || 2 * half > d || 2 * half > e)
            return weft_fail(WEFT_ERR_INVALID,
                             "rope_table: the table %s is %s; it takes f32 or f16 [positions, channels / 2], of at "
                             "most half a head of %lld and %lld channels",
                             i == COS ? "cos" : "sin", weft_ops_type_text(g, &in[i]), (long long)d, (long long)e);
    if (in[COS].dims[1] != in[SIN].dims[1])
        return weft_fail(WEFT_ERR_INVALID, "rope_table: the tables cos, %s, and sin, %s, differ in their columns",
                         weft_ops_type_text(g, &in[COS]), weft_ops_type_text(g, &in[SIN]));
    weft_dim end = weft_dim_add(g->dims, attrs[START].d, in[Q].dims[0]);
    WEFT_TRY(weft_graph_guard_equal(g, in[K].dims[0], in[Q].dims[0], K, "its tokens are", "the tokens of q are"));
    WEFT_TRY(
        weft_graph_guard(g, weft_dim_const(g->dims, 0), attrs[START].d, COS, "the first position is", "it starts at"));
    for (uint32_t i = COS; i <= SIN; i++)
        WEFT_TRY(weft_graph_guard(g, end, in[i].dims[0], i, "it needs a row for each of the positions up to",
                                  "the rows of this table are"));
    out[0] = in[Q];
    out[1] = in[K];
    return WEFT_OK;
}

static weft_status turn(const struct weft_eval *e, uint32_t which) {
    const struct weft_host *x = &e->in[which];
    double *owned[3] = {NULL};
    const double *data = weft_ops_dense(x, &owned[0]), *cos = weft_ops_dense(&e->in[COS], &owned[1]),
                 *sin = weft_ops_dense(&e->in[SIN], &owned[2]);
    int64_t tokens = x->shape[0], n_heads = x->shape[1], d = x->shape[2], half = e->in[COS].shape[1];
    int64_t start = weft_dim_eval(e->dims, e->attrs[START].d, e->symbols);
    bool neox = e->attrs[PAIRING].i == NEOX;
    weft_status status = data && cos && sin ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "rope_table: out of memory");
    int64_t end = start + tokens;
    if (status == WEFT_OK && (start < 0 || end > e->in[COS].shape[0] || end > e->in[SIN].shape[0]))
        status = weft_fail(WEFT_ERR_INVALID, "rope_table: positions up to %lld of tables with %lld and %lld rows",
                           (long long)end, (long long)e->in[COS].shape[0], (long long)e->in[SIN].shape[0]);
    for (int64_t r = 0; status == WEFT_OK && r < tokens * n_heads; r++) {
        const double *from = data + r * d, *c = cos + (start + r / n_heads) * half,
                     *s = sin + (start + r / n_heads) * half;
        double *to = e->out[which].data + r * d;
        for (int64_t i = 2 * half; i < d; i++) to[i] = from[i];
        for (int64_t i = 0; i < half; i++) {
            int64_t a = neox ? i : 2 * i, b = neox ? i + half : 2 * i + 1;
            to[a] = from[a] * c[i] - from[b] * s[i];
            to[b] = from[a] * s[i] + from[b] * c[i];
        }
    }
    for (int i = 0; i < 3; i++) weft_free(owned[i]);
    return status;
}

static weft_status rope_table_eval(const struct weft_eval *e) {
    WEFT_TRY(turn(e, Q));
    return turn(e, K);
}

static void rope_table_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct rope_table_cfg *cfg = u->step->cfg;
    int64_t q = weft_live(u, cfg->q), k = weft_live(u, cfg->k), start = weft_live(u, cfg->start);
    if (q < 0) q = 0;
    if (k < 0) k = 0;
    struct rope_table_params p = {.n = (uint32_t)((q + k) / 2),
                                  .n_q = (uint32_t)(q / 2),
                                  .start = start > 0 ? (uint32_t)start : 0,
                                  .heads_q = (uint32_t)weft_live(u, cfg->heads_q),
                                  .heads_k = (uint32_t)weft_live(u, cfg->heads_k)};
    memcpy(words, &p, sizeof p);
    weft_grid_fold((p.n + (uint64_t)cfg->threads - 1) / cfg->threads, u->caps->max_groups, grid);
}

static const struct weft_kernel rope_table_kernel = {"rope_table", "ops/rope_table.wgsl", rope_table_params_fields,
                                                     rope_table_update};

static weft_status rope_table_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_type *q = &weft_lv(l, node->in[Q])->type, *k = &weft_lv(l, node->in[K])->type;
    struct rope_table_cfg cfg = {.q = weft_lower_product(l, q, 0, 3),
                                 .k = weft_lower_product(l, k, 0, 3),
                                 .heads_q = q->dims[1],
                                 .heads_k = k->dims[1],
                                 .start = node->attrs[START].d,
                                 .threads = weft_move_threads(l)};
    int64_t half = weft_lower_const(l, weft_lv(l, node->in[COS])->type.dims[1]);
    struct weft_step *s = weft_emit(l, &rope_table_kernel, weft_move_label(l, node), &cfg, sizeof cfg);
    for (int i = 0; i < 2; i++) weft_lower_place(l, node->out[i]);
    weft_emit_value(l, s, "q", WEFT_READ, node->in[Q], 0);
    weft_emit_value(l, s, "k", WEFT_READ, node->in[K], 0);
    weft_emit_value(l, s, "cos", WEFT_READ, node->in[COS], 0);
    weft_emit_value(l, s, "sin", WEFT_READ, node->in[SIN], 0);
    weft_emit_value(l, s, "yq", WEFT_WRITE, node->out[0], 0);
    weft_emit_value(l, s, "yk", WEFT_WRITE, node->out[1], 0);
    weft_emit_int(l, s, "D_Q", weft_lower_const(l, q->dims[2]));
    weft_emit_int(l, s, "D_K", weft_lower_const(l, k->dims[2]));
    weft_emit_int(l, s, "HALF", half);
    weft_emit_int(l, s, "NEOX", node->attrs[PAIRING].i == NEOX);
    weft_emit_int(l, s, "HALF_Q", q->dtype == WEFT_F16);
    weft_emit_int(l, s, "HALF_K", k->dtype == WEFT_F16);
    weft_emit_workgroup(s, cfg.threads, 0);
    weft_emit_items(s, cfg.threads);
    return l->status;
}

const struct weft_op weft_op_rope_table = {
    .name = "rope_table",
    .doc = "q, k, cos, sin -> yq, yk: pairs of channels turned by tables of cosines and sines",
    .n_in_min = INPUTS,
    .n_in_max = INPUTS,
    .n_out = 2,
    .attrs = {{.name = "start", .type = WEFT_ATTR_DIM},
              {.name = "pairing", .type = WEFT_ATTR_ENUM, .choices = "neox|normal"}},
    .infer = rope_table_infer,
    .eval = rope_table_eval,
    .lower = rope_table_lower,
};
