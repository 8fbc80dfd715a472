/// y[...] = index of the largest element of x[..., N], as u32.
///
/// Ties go to the lowest index; -0 equals +0. NaN is never chosen unless the row holds nothing else: then, and for a
/// row of length 0, the index is 0. Comparison is on integer keys of the bits (ops/order_key.wgsl), because WGSL
/// promises nothing for comparisons with NaN; the result is exact and does not depend on how the row is cut.
///
/// Rows up to `short_row` take one step, a workgroup a row. Longer ones take two: a workgroup for each `chunk`
/// elements, then one that finishes the row's partials.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/shape.h"
#include "plan/lower.h"

#include <string.h>

#define ARGMAX_PARAMS(F) F(u32, groups) F(u32, n) F(u32, chunks)
WEFT_PARAMS(argmax_params, ARGMAX_PARAMS)

enum { threads = 256, chunk = 4096, short_row = 8192 };

struct argmax_cfg {
    weft_dim rows, n;
    bool chunked, finish;
};

static weft_status argmax_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    (void)attrs;
    if (!weft_ops_is_float(in[0].dtype) || in[0].rank == 0)
        return weft_fail(WEFT_ERR_INVALID, "argmax: x is %s; it takes floats with at least one axis",
                         weft_ops_type_text(g, &in[0]));
    out[0] = in[0];
    out[0].dtype = WEFT_U32;
    out[0].rank = in[0].rank - 1;
    return WEFT_OK;
}

static weft_status argmax_eval(const struct weft_eval *e) {
    double *owned;
    const double *x = weft_ops_dense(&e->in[0], &owned);
    if (!x) return weft_fail(WEFT_ERR_NOMEM, "argmax: out of memory");
    int64_t rows, n;
    weft_ops_rows(&e->in[0], &rows, &n);
    for (int64_t r = 0; r < rows; r++) {
        int64_t best = -1;
        for (int64_t i = 0; i < n; i++) // false for NaN on either side; the first number is taken as it comes
            if (x[r * n + i] == x[r * n + i] && (best < 0 || x[r * n + i] > x[r * n + best])) best = i;
        e->out[0].data[r] = best < 0 ? 0 : (double)best;
    }
    weft_free(owned);
    return WEFT_OK;
}

static void argmax_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct argmax_cfg *cfg = u->step->cfg;
    struct argmax_params p = {.n = (uint32_t)weft_live(u, cfg->n), .chunks = 1};
    uint64_t rows = (uint64_t)weft_live(u, cfg->rows);
    if (cfg->chunked) p.chunks = (p.n + chunk - 1) / chunk;
    uint64_t groups = cfg->finish ? rows : rows * p.chunks;
    p.groups = (uint32_t)groups;
    memcpy(words, &p, sizeof p);
    weft_grid_fold(groups, u->caps->max_groups, grid);
}

static const struct weft_kernel argmax_kernel = {"argmax", "ops/argmax.wgsl", argmax_params_fields, argmax_update};

/// Lets the step be cut: of its workgroups, `every` share a row of n elements of an operand. n < 0: of a live width.
static void argmax_reach(struct weft_step *s, uint32_t operand, uint64_t every, int64_t n) {
    weft_emit_items(s, 1);
    if (n > 0) weft_emit_reach(s, operand, every, (uint64_t)n);
}

static struct weft_step *argmax_step(struct weft_lower *l, const char *label, const struct argmax_cfg *cfg, int mode) {
    struct weft_step *s = weft_emit(l, &argmax_kernel, label, cfg, sizeof *cfg);
    weft_emit_int(l, s, "MODE", mode);
    weft_emit_int(l, s, "CHUNK", chunk);
    weft_emit_workgroup(s, threads, 2 * threads * 4);
    return s;
}

static weft_status argmax_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_type *t = &weft_lv(l, node->in[0])->type;
    struct argmax_cfg cfg = {.rows = weft_lower_product(l, t, 0, t->rank - 1), .n = t->dims[t->rank - 1]};
    int64_t n = weft_lower_max(l, cfg.n), rows = weft_lower_max(l, cfg.rows);
    const char *label = weft_node_label(node);
    if (n <= short_row) {
        struct weft_step *s = argmax_step(l, label, &cfg, 0);
        uint32_t x = weft_emit_value(l, s, "x", WEFT_READ, node->in[0], 0);
        uint32_t y = weft_emit_value(l, s, "y", WEFT_WRITE, node->out[0], 0);
        argmax_reach(s, x, 1, weft_lower_const(l, cfg.n));
        argmax_reach(s, y, 1, 1);
        return l->status;
    }
    cfg.chunked = true;
    uint64_t chunks = ((uint64_t)n + chunk - 1) / chunk;
    uint32_t part = weft_lower_scratch(l, "argmax partials", WEFT_U32, 2 * chunks * (uint64_t)(rows > 0 ? rows : 1));
    struct weft_step *s = argmax_step(l, label, &cfg, 1);
    uint32_t x = weft_emit_value(l, s, "x", WEFT_READ, node->in[0], 0);
    uint32_t partials = weft_emit_scratch(l, s, "part", WEFT_WRITE, part, 0);
    argmax_reach(s, x, chunks, weft_lower_const(l, cfg.n));
    argmax_reach(s, partials, 1, 2);
    cfg.finish = true;
    s = argmax_step(l, label, &cfg, 2);
    partials = weft_emit_scratch(l, s, "part", WEFT_READ, part, 0);
    uint32_t y = weft_emit_value(l, s, "y", WEFT_WRITE, node->out[0], 0);
    argmax_reach(s, y, 1, 1);
    if (weft_lower_const(l, cfg.n) > 0) argmax_reach(s, partials, 1, 2 * (int64_t)chunks);
    return l->status;
}

const struct weft_op weft_op_argmax = {
    .name = "argmax",
    .doc = "x -> y: u32, the index of the largest of each row; the first of equal ones",
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out = 1,
    .infer = argmax_infer,
    .eval = argmax_eval,
    .lower = argmax_lower,
};
