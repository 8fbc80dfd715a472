/// y[r] = log(sum_i exp(x[r, i])) - x[r, target[r]]: what a token costs, for perplexity and losses.
///
/// x [R, V] floats, target [R] i32 or u32, y [R] f32. Targets outside [0, V) are clamped into it. A row with a NaN or
/// +inf, or with nothing but -inf, gives NaN; a target of -inf in another row gives the largest finite f32.
///
/// A workgroup a row, two passes: maximum, then the sum of exponentials without the largest elements, which are
/// counted. Sums are f32 in a fixed order: blocks of 16 a thread and lane, then the blocks, lanes, then a tree over the
/// workgroup.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/shape.h"
#include "plan/lower.h"

#include <math.h>
#include <string.h>

#define NLL_PARAMS(F) F(u32, rows) F(u32, n)
WEFT_PARAMS(nll_params, NLL_PARAMS)

enum { threads = 256 };

struct nll_cfg {
    weft_dim rows, n;
};

static weft_status nll_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                             const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    (void)attrs;
    if (!weft_ops_is_float(in[0].dtype) || in[0].rank != 2)
        return weft_fail(WEFT_ERR_INVALID, "nll: logits are %s; they must be floats [R, V]",
                         weft_ops_type_text(g, &in[0]));
    bool integer = in[1].dtype == WEFT_I32 || in[1].dtype == WEFT_U32;
    if (!integer || in[1].rank != 1 || in[1].dims[0] != in[0].dims[0])
        return weft_fail(WEFT_ERR_INVALID, "nll: targets are %s for logits %s; they must be i32 or u32, one a row",
                         weft_ops_type_text(g, &in[1]), weft_ops_type_text(g, &in[0]));
    int64_t lo, hi;
    weft_dim_bounds(g->dims, in[0].dims[1], &lo, &hi);
    if (lo < 1) return weft_fail(WEFT_ERR_INVALID, "nll: logits %s may have no columns", weft_ops_type_text(g, &in[0]));
    out[0] = in[1];
    out[0].dtype = WEFT_F32;
    return WEFT_OK;
}

static double nll_row(const double *x, int64_t n, int64_t target) {
    double m = -INFINITY, sum = 0;
    int64_t largest = 0;
    for (int64_t i = 0; i < n; i++) {
        if (x[i] != x[i] || x[i] == INFINITY) return NAN;
        if (x[i] > m) m = x[i], largest = i;
    }
    if (m == -INFINITY) return NAN;
    for (int64_t i = 0; i < n; i++) sum += i == largest ? 0 : exp(x[i] - m);
    return x[target] == -INFINITY ? (double)3.4028234e38f : (m - x[target]) + log1p(sum);
}

static weft_status nll_eval(const struct weft_eval *e) {
    double *owned, *owned_target;
    const double *x = weft_ops_dense(&e->in[0], &owned), *target = weft_ops_dense(&e->in[1], &owned_target);
    int64_t rows, n;
    weft_ops_rows(&e->in[0], &rows, &n);
    for (int64_t r = 0; x && target && r < rows; r++) {
        double t = target[r] < 0 ? 0 : target[r] > (double)(n - 1) ? (double)(n - 1) : target[r];
        e->out[0].data[r] = nll_row(x + r * n, n, (int64_t)t);
    }
    bool ok = x && target;
    weft_free(owned);
    weft_free(owned_target);
    return ok ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "nll: out of memory");
}

static void nll_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct nll_cfg *cfg = u->step->cfg;
    struct nll_params p = {.rows = (uint32_t)weft_live(u, cfg->rows), .n = (uint32_t)weft_live(u, cfg->n)};
    memcpy(words, &p, sizeof p);
    weft_grid_fold(p.rows, u->caps->max_groups, grid);
}

static const struct weft_kernel nll_kernel = {"nll", "ops/nll.wgsl", nll_params_fields, nll_update};

static weft_status nll_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_type *t = &weft_lv(l, node->in[0])->type;
    struct nll_cfg cfg = {.rows = t->dims[0], .n = t->dims[1]};
    weft_lower_place(l, node->in[0]);
    bool wide = weft_lower_wide(l, node->in[0]);
    struct weft_step *s = weft_emit(l, &nll_kernel, weft_node_label(node), &cfg, sizeof cfg);
    uint32_t x = weft_emit_value(l, s, "x", WEFT_READ, node->in[0], wide ? WEFT_OPERAND_WIDE : 0);
    uint32_t target = weft_emit_value(l, s, "target", WEFT_READ, node->in[1], 0);
    uint32_t y = weft_emit_value(l, s, "y", WEFT_WRITE, node->out[0], 0);
    weft_emit_int(l, s, "WIDE", wide);
    weft_emit_int(l, s, "SIGNED", weft_lv(l, node->in[1])->type.dtype == WEFT_I32);
    weft_emit_workgroup(s, threads, threads * 12); // f32 and vec2 of the reductions
    weft_emit_items(s, 1);                         // a row a workgroup
    if (weft_lower_const(l, cfg.n) > 0) weft_emit_reach(s, x, 1, (uint64_t)weft_lower_const(l, cfg.n));
    weft_emit_reach(s, target, 1, 1);
    weft_emit_reach(s, y, 1, 1);
    return l->status;
}

const struct weft_op weft_op_nll = {
    .name = "nll",
    .doc = "x, target -> y: log(sum(exp(x))) - x[target], by rows",
    .n_in_min = 2,
    .n_in_max = 2,
    .n_out = 1,
    .infer = nll_infer,
    .eval = nll_eval,
    .lower = nll_lower,
};
