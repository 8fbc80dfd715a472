/// Products and rows of weights in groups of 4-bit numbers with f32 scales, in the layout of their files.
///
/// A byte holds two numbers u = q + 8 of 4 bits, q in -8..7; an element is (u - 8) * scale of its group.
///
///   embedding_q4gsw(weight, scales, ids; group, linear_order)
///     weight u8 [V, E/2], scales f32 [V, ceil(E/group)], ids u32 or i32 [n...]; y f32 [n..., E]
///     y[i, d] = (u[ids[i], d] - 8) * scales[ids[i], d / group]
///     linear_order 0: even channels lie in the high half of a byte; 1: in the low half, as linear_q4gsw has them
///     An id is taken as gather takes it: negative ones count from the end, the rest is clamped.
///
///   linear_q4gsw(x, weight, scales[, bias]; group)
///     x f32 or f16 [..., K], weight u8 [N, ceil(K/2)] (even k in the low half), scales f32 [ceil(K/group), N rounded
///     up to 4] (transposed), bias f32 [N] or [N rounded up to 4]; y f32 [..., N]
///     y[m, n] = bias[n] + sum over k of x[m, k] * (u[n, k] - 8) * scales[k / group, n]
///
/// The bytes stay as they are, so a head that is tied to the embedding shares them: one weight, one place in memory.
/// Only their scales differ. A weight larger than a binding comes in parts of whole rows, with a step each.
#include "core/alloc.h"
#include "core/error.h"
#include "ops/move.h"

#include <stdio.h>
#include <string.h>

#define EMBED_PARAMS(F) F(u32, count) F(u32, rows) F(u32, first) F(u32, last) F(u32, end)
WEFT_PARAMS(embed_params, EMBED_PARAMS)
#define LINEAR_PARAMS(F)                                                                                               \
    F(u32, groups) F(u32, tiles) F(u32, m) F(u32, rows) F(u32, first) F(u32, n) F(u32, stride) F(u32, end)
WEFT_PARAMS(linear_params, LINEAR_PARAMS)

enum { GROUP, ORDER };
enum { TILE = 32 }; ///< rows of x and of the weight that a workgroup of the tiled kernel takes

static int64_t constant(struct weft_graph *g, weft_dim d) {
    int64_t c;
    return weft_dim_is_const(g->dims, d, &c) ? c : -1;
}

/// u8 [rows, columns] and f32 [rows, columns], all constants.
static weft_status matrices(struct weft_graph *g, const struct weft_type *weight, const struct weft_type *scales) {
    bool good = weight->dtype == WEFT_U8 && weight->rank == 2 && scales->dtype == WEFT_F32 && scales->rank == 2;
    for (int k = 0; good && k < 2; k++) good = constant(g, weight->dims[k]) >= 1 && constant(g, scales->dims[k]) >= 1;
    if (good) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID,
                     "the weight is %s and its scales are %s; they must be u8 and f32 of two constant axes",
                     weft_ops_type_text(g, weight), weft_ops_type_text(g, scales));
}

static weft_status shape_of_scales(struct weft_graph *g, const struct weft_type *scales, int64_t rows, int64_t columns,
                                   int64_t group) {
    if (constant(g, scales->dims[0]) == rows && constant(g, scales->dims[1]) == columns) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "the scales are %s; with groups of %lld they must be f32[%lld, %lld]",
                     weft_ops_type_text(g, scales), (long long)group, (long long)rows, (long long)columns);
}

static uint32_t last_word(const struct weft_plan_weight *w, uint32_t part) {
    return (uint32_t)((w->parts[part].rows * w->k + 3) / 4 - 1);
}

/// The raw scales, which every step reads as a whole. False: failed.
static bool emit_scales(struct weft_lower *l, struct weft_step *s, const struct weft_plan_weight *scales,
                        uint8_t flags) {
    if (l->status == WEFT_OK && scales->n_parts != 1)
        weft_lower_fail(l, WEFT_ERR_LIMIT, "the scales '%s' are larger than the device binds (%llu bytes)",
                        scales->name, (unsigned long long)l->caps->max_binding);
    if (l->status == WEFT_OK) weft_emit_raw(l, s, "s", scales, 0, flags);
    return l->status == WEFT_OK;
}

// ---- embedding -----------------------------------------------------------------------------------------------------

struct embed_cfg {
    weft_dim ids;
    uint32_t items, rows, first, last, end, threads;
};

static weft_status embed_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                               const struct weft_attr *attrs, struct weft_type *out) {
    (void)n_in;
    WEFT_TRY(matrices(g, &in[0], &in[1]));
    int64_t e = 2 * constant(g, in[0].dims[1]), group = attrs[GROUP].i;
    WEFT_TRY(shape_of_scales(g, &in[1], constant(g, in[0].dims[0]), (e + group - 1) / group, group));
    if ((in[2].dtype != WEFT_U32 && in[2].dtype != WEFT_I32) || in[2].rank + 1 > WEFT_MAX_RANK)
        return weft_fail(WEFT_ERR_INVALID, "ids are %s; it takes u32 or i32 of at most %d axes",
                         weft_ops_type_text(g, &in[2]), WEFT_MAX_RANK - 1);
    *out = in[2];
    out->dtype = WEFT_F32;
    out->dims[out->rank++] = weft_dim_const(g->dims, e);
    return WEFT_OK;
}

static weft_status embed_eval(const struct weft_eval *e) {
    int64_t rows = e->in[0].shape[0], bytes = e->in[0].shape[1], groups = e->in[1].shape[1];
    int64_t n = weft_host_count(&e->in[2]), group = e->attrs[GROUP].i;
    double *buffer = weft_alloc((size_t)(bytes + groups) * sizeof *buffer);
    if (!buffer) return weft_fail(WEFT_ERR_NOMEM, "embedding_q4gsw: out of memory");
    for (int64_t i = 0; i < n; i++) {
        int64_t id = (int64_t)e->in[2].data[i];
        if (id < 0) id += rows;
        id = id < 0 ? 0 : id >= rows ? rows - 1 : id;
        const double *w = weft_host_row(&e->in[0], id, buffer), *s = weft_host_row(&e->in[1], id, buffer + bytes);
        for (int64_t d = 0; d < 2 * bytes; d++) {
            bool low = (d % 2 == 0) == (e->attrs[ORDER].i == 1);
            int u = low ? (int)w[d / 2] & 15 : (int)w[d / 2] >> 4;
            e->out[0].data[i * 2 * bytes + d] = (u - 8) * s[d / group];
        }
    }
    weft_free(buffer);
    return WEFT_OK;
}

static void embed_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct embed_cfg *cfg = u->step->cfg;
    int64_t ids = weft_live(u, cfg->ids);
    uint64_t items = (ids > 0 ? (uint64_t)ids : 0) * cfg->items;
    struct embed_params p = {
        .count = (uint32_t)items, .rows = cfg->rows, .first = cfg->first, .last = cfg->last, .end = cfg->end};
    memcpy(words, &p, sizeof p);
    weft_grid_fold((items + cfg->threads - 1) / cfg->threads, u->caps->max_groups, grid);
}

static const struct weft_kernel embed_kernel = {"embedding_q4gsw", "ops/embedding_q4gsw.wgsl", embed_params_fields,
                                                embed_update};

static weft_status embed_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_plan_weight *w = weft_lower_raw(l, node->in[0]), *scales = weft_lower_raw(l, node->in[1]);
    const struct weft_value_info *ids = weft_lv(l, node->in[2]);
    if (l->status != WEFT_OK) return l->status;
    int64_t e = 2 * (int64_t)w->k;
    bool variable = ids->state_kind == WEFT_STATE_VAR && ids->state != UINT32_MAX;
    struct embed_cfg cfg = {.ids = weft_lower_product(l, &ids->type, 0, ids->type.rank),
                            .items = (uint32_t)(e + 7) / 8,
                            .rows = (uint32_t)w->rows,
                            .threads = weft_move_threads(l)};
    for (uint32_t part = 0; part < w->n_parts && l->status == WEFT_OK; part++) {
        cfg.first = (uint32_t)w->parts[part].row0;
        cfg.last = (uint32_t)(cfg.first + w->parts[part].rows);
        cfg.end = last_word(w, part);
        struct weft_step *s = weft_emit(l, &embed_kernel, weft_move_label(l, node), &cfg, sizeof cfg);
        weft_lower_place(l, node->out[0]);
        weft_emit_raw(l, s, "w", w, part, 0);
        if (!emit_scales(l, s, scales, 0)) return l->status;
        uint32_t at_ids = WEFT_NO_OPERAND;
        if (variable) weft_emit_vars(l, s, WEFT_READ);
        else at_ids = weft_emit_value(l, s, "ids", WEFT_READ, node->in[2], 0);
        uint32_t at_y = weft_emit_value(l, s, "y", WEFT_WRITE, node->out[0], e % 4 == 0 ? WEFT_OPERAND_WIDE : 0);
        weft_emit_int(l, s, "VAR", variable ? (int64_t)weft_lower_var_slot(l, node->in[2]) : -1);
        weft_emit_int(l, s, "SIGNED", ids->type.dtype == WEFT_I32);
        weft_emit_int(l, s, "E", e);
        weft_emit_int(l, s, "GROUP", node->attrs[GROUP].i);
        weft_emit_int(l, s, "GROUPS", (int64_t)scales->k);
        weft_emit_int(l, s, "LINEAR", node->attrs[ORDER].i);
        weft_emit_workgroup(s, cfg.threads, 0);
        if (variable) continue;
        weft_emit_items(s, cfg.threads);
        weft_emit_reach(s, at_ids, cfg.items, 1);
        weft_emit_reach(s, at_y, cfg.items, (uint64_t)e);
    }
    return l->status;
}

#define GROUP_ATTR                                                                                                     \
    { .name = "group", .type = WEFT_ATTR_INT, .required = true, .lo = 1, .hi = 1 << 20 }

const struct weft_op weft_op_embedding_q4gsw = {
    .name = "embedding_q4gsw",
    .doc = "w, scales, ids -> y: rows of a table in groups of 4-bit numbers",
    .n_in_min = 3,
    .n_in_max = 3,
    .n_out = 1,
    .attrs = {GROUP_ATTR, {.name = "linear_order", .type = WEFT_ATTR_INT, .lo = 0, .hi = 1}},
    .infer = embed_infer,
    .eval = embed_eval,
    .lower = embed_lower,
};

// ---- linear --------------------------------------------------------------------------------------------------------

enum { X, WEIGHT, SCALES, BIAS };
struct linear_cfg {
    weft_dim m;
    uint32_t rows, first, n, stride, end, tile_m, tile_n;
};

static weft_status linear_infer(struct weft_graph *g, const struct weft_type *in, uint32_t n_in,
                                const struct weft_attr *attrs, struct weft_type *out) {
    WEFT_TRY(matrices(g, &in[WEIGHT], &in[SCALES]));
    int64_t n = constant(g, in[WEIGHT].dims[0]), packed = constant(g, in[WEIGHT].dims[1]), padded = (n + 3) / 4 * 4;
    int64_t k = in[X].rank ? constant(g, in[X].dims[in[X].rank - 1]) : -1, group = attrs[GROUP].i;
    if ((in[X].dtype != WEFT_F32 && in[X].dtype != WEFT_F16) || k < 1 || (k + 1) / 2 != packed)
        return weft_fail(WEFT_ERR_INVALID,
                         "x is %s; for the weight %s it must be f32 or f16 [..., %lld] or [..., %lld]",
                         weft_ops_type_text(g, &in[X]), weft_ops_type_text(g, &in[WEIGHT]), (long long)(2 * packed - 1),
                         (long long)(2 * packed));
    WEFT_TRY(shape_of_scales(g, &in[SCALES], (k + group - 1) / group, padded, group));
    int64_t bias = n_in > BIAS && in[BIAS].rank == 1 ? constant(g, in[BIAS].dims[0]) : -1;
    if (n_in > BIAS && (in[BIAS].dtype != WEFT_F32 || (bias != n && bias != padded)))
        return weft_fail(WEFT_ERR_INVALID, "the bias is %s; it must be f32 [%lld] or [%lld]",
                         weft_ops_type_text(g, &in[BIAS]), (long long)n, (long long)padded);
    *out = in[X];
    out->dtype = WEFT_F32;
    out->dims[out->rank - 1] = in[WEIGHT].dims[0];
    return WEFT_OK;
}

static weft_status linear_eval(const struct weft_eval *e) {
    int64_t m, k, n = e->in[WEIGHT].shape[0], packed = e->in[WEIGHT].shape[1], padded = e->in[SCALES].shape[1];
    weft_ops_rows(&e->in[X], &m, &k);
    double *owned[4] = {NULL}, *row = weft_alloc((size_t)packed * sizeof *row);
    const double *x = weft_ops_dense(&e->in[X], &owned[0]), *scales = weft_ops_dense(&e->in[SCALES], &owned[1]);
    const double *bias = e->n_in > BIAS ? weft_ops_dense(&e->in[BIAS], &owned[2]) : NULL;
    bool good = row && x && scales && (bias || e->n_in <= BIAS);
    for (int64_t j = 0; good && j < n; j++) {
        const double *w = weft_host_row(&e->in[WEIGHT], j, row);
        for (int64_t i = 0; i < m; i++) {
            double sum = bias ? bias[j] : 0;
            for (int64_t c = 0; c < k; c++) {
                int u = c % 2 == 0 ? (int)w[c / 2] & 15 : (int)w[c / 2] >> 4;
                sum += x[i * k + c] * (u - 8) * scales[c / e->attrs[GROUP].i * padded + j];
            }
            e->out[0].data[i * n + j] = sum;
        }
    }
    weft_free(row);
    for (int i = 0; i < 3; i++) weft_free(owned[i]);
    return good ? WEFT_OK : weft_fail(WEFT_ERR_NOMEM, "linear_q4gsw: out of memory");
}

static void linear_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct linear_cfg *cfg = u->step->cfg;
    int64_t live = weft_live(u, cfg->m);
    uint64_t m = live > 0 ? (uint64_t)live : 0, tiles = (cfg->rows + cfg->tile_n - 1) / cfg->tile_n;
    uint64_t groups = tiles * ((m + cfg->tile_m - 1) / cfg->tile_m);
    struct linear_params p = {.groups = (uint32_t)groups,
                              .tiles = (uint32_t)tiles,
                              .m = (uint32_t)m,
                              .rows = cfg->rows,
                              .first = cfg->first,
                              .n = cfg->n,
                              .stride = cfg->stride,
                              .end = cfg->end};
    memcpy(words, &p, sizeof p);
    weft_grid_fold(groups, u->caps->max_groups, grid);
}

static const struct weft_kernel few_kernel = {"linear_q4gsw_few", "ops/linear_q4gsw_few.wgsl", linear_params_fields,
                                              linear_update};
static const struct weft_kernel tiled_kernel = {"linear_q4gsw", "ops/linear_q4gsw.wgsl", linear_params_fields,
                                                linear_update};

static void linear_part(struct weft_lower *l, const struct weft_node *node, const struct weft_plan_weight *w,
                        uint32_t part, const struct linear_cfg *cfg, bool few) {
    const struct weft_plan_weight *scales = weft_lower_raw(l, node->in[SCALES]);
    const struct weft_type *x = &weft_lv(l, node->in[X])->type;
    int64_t k = weft_lower_const(l, x->dims[x->rank - 1]);
    bool wide = weft_lower_wide(l, node->in[X]);
    uint32_t threads = few ? weft_tile_of(l->profile, WEFT_TILE_ROWS_Q4, 0)->threads : 64;
    struct weft_step *s = weft_emit(l, few ? &few_kernel : &tiled_kernel, weft_move_label(l, node), cfg, sizeof *cfg);
    weft_lower_place(l, node->out[0]);
    weft_emit_value(l, s, "x", WEFT_READ, node->in[X], wide ? WEFT_OPERAND_WIDE : 0);
    weft_emit_raw(l, s, "w", w, part, 0);
    if (!emit_scales(l, s, scales, few ? WEFT_OPERAND_WIDE : 0)) return;
    if (node->n_in > BIAS) weft_emit_value(l, s, "bias", WEFT_READ, node->in[BIAS], 0);
    weft_emit_value(l, s, "y", WEFT_WRITE, node->out[0], 0);
    weft_emit_int(l, s, "K", k);
    weft_emit_int(l, s, "GROUP", node->attrs[GROUP].i);
    weft_emit_int(l, s, "GROUPS", (int64_t)scales->rows);
    weft_emit_int(l, s, "BIAS", node->n_in > BIAS);
    weft_emit_int(l, s, "WIDE", wide);
    weft_emit_int(l, s, "M", cfg->tile_m);
    weft_emit_workgroup(s, threads, few ? threads * 16 * cfg->tile_m : 2 * TILE * TILE * 4);
    weft_emit_items(s, 1);
}

static weft_status linear_lower(struct weft_lower *l, uint32_t group) {
    const struct weft_node *node = &l->graph->nodes[l->groups[group].nodes[0]];
    const struct weft_type *x = &weft_lv(l, node->in[X])->type;
    const struct weft_plan_weight *w = weft_lower_raw(l, node->in[WEIGHT]);
    if (l->status != WEFT_OK) return l->status;
    struct linear_cfg cfg = {.m = weft_lower_product(l, x, 0, x->rank - 1),
                             .n = (uint32_t)w->rows,
                             .stride = (uint32_t)(w->rows + 3) / 4 * 4};
    int64_t most = weft_lower_max(l, cfg.m);
    bool few = most <= WEFT_FEW_ROWS;
    if (most > 4) most = 4; // more of them make a kernel that drivers are slow to compile
    cfg.tile_m = !few ? TILE : most > 0 ? (uint32_t)most : 1;
    cfg.tile_n = few ? 4 : TILE;
    for (uint32_t part = 0; part < w->n_parts && l->status == WEFT_OK; part++) {
        cfg.first = (uint32_t)w->parts[part].row0;
        cfg.rows = (uint32_t)w->parts[part].rows;
        cfg.end = last_word(w, part);
        linear_part(l, node, w, part, &cfg, few);
    }
    return l->status;
}

const struct weft_op weft_op_linear_q4gsw = {
    .name = "linear_q4gsw",
    .doc = "x, w, scales[, b] -> y: matmul with a weight in groups of 4-bit numbers",
    .n_in_min = 3,
    .n_in_max = 4,
    .n_out = 1,
    .attrs = {GROUP_ATTR},
    .infer = linear_infer,
    .eval = linear_eval,
    .lower = linear_lower,
};
