/// Rows that choose their matrix, as tokens choose experts.
///
/// Few rows: the kernel of few rows, in which each row of the product is a run of workgroups that read its own matrix.
/// Nothing is shared between rows, so that a token costs the rows of its experts.
///
/// Many rows: a step sorts rows by matrix (route.wgsl), once for all products of the same ids, and tiles are made of
/// rows of one matrix, which is read once a tile (experts.wgsl). Only the device knows how many tiles there are: the
/// grid is what any choice of ids needs at most, rows / BM + experts of them, and workgroups without rows leave at
/// once. An indirect dispatch would cost its validation at every product to save these. Where an operand is larger than
/// a binding, rows are sorted in blocks, so that a run of workgroups reaches a run of rows and the step can be cut.
///
/// The order of a sum depends on k and template values: what a row gives depends neither on other rows nor on where it
/// stands among them, within one of the two regimes.
#include "kernels/gemm/impl.h"
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/map/region.h"
#include "plan/expand.h"
#include "plan/round.h"
#include "plan/update.h"
#include <stdio.h>
#include <string.h>

static uint64_t most(const struct weft_lower *l, weft_dim d) {
    int64_t n = weft_lower_max(l, d);
    return n > 0 ? (uint64_t)n : 0;
}

const char *weft_gemm_share(struct weft_xstep *step, const struct weft_gemm *g) {
    int64_t share = weft_lower_const(step->l, g->share);
    if (share == 0 || share == 1) return ""; // without rows nobody asks, but a constant 0 must not divide
    const char *text = weft_arena_printf(&step->l->plan->arena, " / %s", weft_xtext_dim(step, g->share));
    return text ? text : "";
}

// ---- regimes -------------------------------------------------------------------------------------------------------

bool weft_gemm_few_experts(struct weft_lower *l, const struct weft_node *n, const struct weft_gemm *g) {
    if (!weft_lower_packs(l, n->in[1]) || most(l, g->k) == 0 || most(l, g->n) == 0) return false;
    const struct weft_type *ids = &weft_lv(l, g->ids)->type;
    return most(l, ids->dims[0]) <= WEFT_FEW_ROWS || most(l, g->m) <= most(l, g->experts);
}

bool weft_gemm_joins(struct weft_lower *l, const struct weft_node *a, const struct weft_node *b) {
    struct weft_gemm g, h;
    a->op->gemm(l, a, &g);
    b->op->gemm(l, b, &h);
    if (!g.by_expert || !weft_gemm_few_experts(l, a, &g) || !weft_gemm_one_part(l, a)) return false;
    if (a == b) return true;
    return h.by_expert && h.m == g.m && h.share == g.share && weft_gemm_few_experts(l, b, &h) &&
           weft_gemm_one_part(l, b);
}

/// What one row of the product takes of part `part` of its matrix.
static struct weft_gemm_extents extents_of(struct weft_lower *l, const struct weft_gemm_group *p,
                                           const struct weft_plan_weight *w, uint64_t rows) {
    struct weft_gemm_extents x = {.batch = 1,
                                  .m = rows,
                                  .n = most(l, p->experts->n),
                                  .k = most(l, p->experts->k),
                                  .packed = w != NULL,
                                  .n_anchors = p->n_anchors,
                                  .weight_bytes = 4};
    for (uint32_t i = 1; i < p->n_anchors; i++)
        if (most(l, p->experts[i].n) > x.n) x.n = most(l, p->experts[i].n);
    if (w && w->n_parts && w->parts[0].rows && x.k)
        x.weight_bytes = (double)weft_weight_bytes(l->plan, w, 0) / (double)w->parts[0].rows / (double)x.k;
    return x;
}

// ---- sorting rows --------------------------------------------------------------------------------------------------

/// How rows are sorted.
struct sorting {
    weft_dim rows, experts;
    uint32_t tile, block; ///< rows of a tile; of a block, 0: all
};
/// At the live sizes.
struct sorted {
    uint64_t rows, experts, block, n_blocks;
    uint64_t slots; ///< numbers of tiles of a block
};

static struct sorted live(const struct weft_update *u, const struct sorting *s) {
    struct sorted x = {.rows = (uint64_t)weft_live(u, s->rows), .experts = (uint64_t)weft_live(u, s->experts)};
    x.block = s->block ? s->block : x.rows;
    x.n_blocks = x.rows ? weft_ceil_div(x.rows, x.block) : 0;
    x.slots = x.block / s->tile + x.experts;
    return x;
}

#define ROUTE_PARAMS(F) F(u32, rows) F(u32, experts) F(u32, block) F(u32, slots)
WEFT_PARAMS(route_params, ROUTE_PARAMS)

static void route_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    struct sorted x = live(u, u->step->cfg);
    struct route_params p = {.rows = (uint32_t)x.rows,
                             .experts = (uint32_t)(x.experts ? x.experts : 1),
                             .block = (uint32_t)x.block,
                             .slots = (uint32_t)x.slots};
    memcpy(words, &p, sizeof p);
    weft_grid_fold(x.n_blocks * x.experts, u->caps->max_groups, grid);
}

static const struct weft_kernel route_kernel = {"route", "kernels/gemm/route.wgsl", route_params_fields, route_update};

/// Rows of a block: so many that x and y of one are a part of a binding, if all are more than one holds.
static uint32_t block_of(const struct weft_lower *l, const struct weft_gemm *g) {
    int64_t share = weft_lower_const(l, g->share);
    uint64_t width = most(l, g->n), x = share > 0 ? weft_ceil_div(most(l, g->k), (uint64_t)share) : 0;
    uint64_t bytes = 4 * (width > x ? width : x);
    if (share <= 0 || weft_bytes_times(most(l, g->m), bytes) <= l->caps->max_binding) return 0;
    uint64_t block = l->caps->max_binding / 4 / bytes / (uint64_t)share * (uint64_t)share;
    return block ? (uint32_t)block : (uint32_t)share;
}

/// The rows by matrix, and tiles of them: made on first use.
static struct weft_remembered routed(struct weft_lower *l, const struct weft_gemm *g, const struct sorting *sorting) {
    struct weft_remembered r = {
        .kernel = &route_kernel, .of = g->ids, .numbers = {g->experts, sorting->tile, sorting->block}};
    const struct weft_remembered *known = weft_lower_recall(l, r.kernel, r.of, r.numbers);
    if (known) return *known;
    const struct weft_value_info *ids = weft_lv(l, g->ids);
    const char *maker = ids->kind == WEFT_VALUE_NODE ? weft_node_label(weft_gemm_node(l, ids->node)) : "ids";
    const char *label = weft_arena_printf(&l->plan->arena, "route %s", maker);
    uint64_t rows = most(l, g->m), block = sorting->block ? sorting->block : rows;
    uint64_t n_blocks = rows ? weft_ceil_div(rows, block) : 1, slots = block / sorting->tile + most(l, g->experts);
    r.scratch[0] = weft_lower_scratch(l, "rows by expert", WEFT_U32, rows ? rows : 1);
    r.scratch[1] = weft_lower_scratch(l, "tiles of experts", WEFT_U32, 3 * n_blocks * slots);
    struct weft_step *s = weft_emit(l, &route_kernel, label ? label : "route", sorting, sizeof *sorting);
    struct weft_str text = {0};
    uint32_t threads = l->profile->software ? 32 : 256;
    weft_emit_value(l, s, "ids", WEFT_READ, g->ids, 0);
    weft_emit_scratch(l, s, "order", WEFT_WRITE, r.scratch[0], 0);
    weft_emit_scratch(l, s, "tiles", WEFT_WRITE, r.scratch[1], 0);
    weft_gemm_add_chooser(l, g, "chosen", "ids", "p.experts", &text);
    weft_emit_text(l, s, "FUNCTIONS", weft_str_get(&text));
    weft_emit_int(l, s, "BM", sorting->tile);
    weft_emit_workgroup(s, threads, threads * 8);
    weft_str_free(&text);
    weft_lower_remember(l, &r);
    return r;
}

// ---- tiles ---------------------------------------------------------------------------------------------------------

#define EXPERT_PARAMS(F) F(u32, tiles) F(u32, n) F(u32, k) F(u32, kb) F(u32, zero)
WEFT_PARAMS(expert_params, EXPERT_PARAMS)
enum { WORDS = 5 };

struct expert_cfg {
    struct weft_xdims dims;
    struct sorting sorting;
    weft_dim n, k;
    uint32_t col_tile;
};

static void expert_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct expert_cfg *cfg = u->step->cfg;
    struct expert_params *p = (struct expert_params *)words;
    struct sorted x = live(u, &cfg->sorting);
    p->tiles = (uint32_t)(x.n_blocks * x.slots);
    p->n = (uint32_t)weft_live(u, cfg->n);
    p->k = (uint32_t)weft_live(u, cfg->k);
    p->kb = (p->k + 31) / 32;
    weft_x_update(u, WORDS, words);
    weft_grid_fold(p->tiles * weft_ceil_div(p->n, cfg->col_tile), u->caps->max_groups, grid);
}

static const struct weft_kernel expert_kernel = {"matmul_experts", "kernels/gemm/experts.wgsl", expert_params_fields,
                                                 expert_update};

/// The right side: planes of a part, or elements. Returns whether there are any.
static bool add_weight(struct weft_lower *l, struct weft_step *s, const struct weft_node *n,
                       const struct weft_plan_weight *w, uint32_t part, struct weft_str *out) {
    const struct weft_type *t = &weft_lv(l, n->in[1])->type;
    if (weft_lower_const(l, weft_lower_product(l, t, 0, t->rank)) == 0) {
        weft_gemm_add_empty_decoder("w0", out);
        return false;
    }
    if (w) {
        weft_emit_weight(l, s, "w0", w, part);
        weft_gemm_add_decoder(l, "w0", w->layout, "p.kb", true, out);
        return true;
    }
    weft_lower_place(l, n->in[1]);
    bool wide = weft_lower_wide(l, n->in[1]);
    weft_emit_value(l, s, "w0", WEFT_READ, n->in[1], wide ? WEFT_OPERAND_WIDE : 0);
    weft_gemm_add_plain_decoder("w0", wide, out);
    return true;
}

/// Lets the step be cut between blocks: which rows of x, and of what the epilogue reads and stores, a run of workgroups
/// reaches.
static void allow_split(struct weft_lower *l, struct weft_step *s, uint32_t x, const struct weft_gemm *g,
                        const struct expert_cfg *cfg) {
    int64_t experts = weft_lower_const(l, g->experts), n = weft_lower_const(l, g->n), k = weft_lower_const(l, g->k);
    uint64_t block = cfg->sorting.block;
    if (l->status != WEFT_OK || block == 0 || experts < 0 || n <= 0) return;
    uint64_t every = (block / cfg->sorting.tile + (uint64_t)experts) * weft_ceil_div((uint64_t)n, cfg->col_tile);
    for (uint32_t i = 0; i < s->n_operands; i++) {
        struct weft_operand *o = &s->operands[i];
        if (o->every == 0) continue;
        o->every = o->unit ? every : 0;
        o->unit *= block;
    }
    if (k > 0) weft_emit_reach(s, x, every, block / (uint64_t)weft_lower_const(l, g->share) * (uint64_t)k);
    weft_emit_items(s, 1);
}

static void emit_tiles(struct weft_lower *l, const struct weft_gemm_group *p, const struct weft_plan_weight *w,
                       uint32_t part, struct weft_xstep *step) {
    const struct weft_node *n = weft_gemm_node(l, p->anchors[0]);
    const struct weft_gemm *g = p->experts;
    // As many rows as an expert has where all are chosen alike.
    uint64_t each = weft_ceil_div(most(l, g->m), most(l, g->experts) ? most(l, g->experts) : 1);
    struct weft_gemm_extents x = extents_of(l, p, w, each ? each : 1);
    struct weft_gemm_choice c = weft_gemm_tiles(l->profile, &x);
    struct expert_cfg cfg = {
        .sorting = {g->m, g->experts, c.rows, block_of(l, g)}, .n = g->n, .k = g->k, .col_tile = c.columns};
    struct weft_remembered r = routed(l, g, &cfg.sorting);
    char label[200];
    weft_gemm_label(label, sizeof label, l, "matmul", p);
    struct weft_step *s = weft_emit(l, &expert_kernel, label, &cfg, sizeof cfg);
    struct weft_str text = {0};
    weft_xstep_next(step, s);
    weft_lower_place(l, n->in[0]);
    bool wide = weft_lower_wide(l, n->in[0]);
    uint32_t x_at = weft_emit_value(l, s, "x", WEFT_READ, n->in[0], wide ? WEFT_OPERAND_WIDE : 0);
    weft_emit_scratch(l, s, "order", WEFT_READ, r.scratch[0], 0);
    weft_emit_scratch(l, s, "tiles", WEFT_READ, r.scratch[1], 0);
    bool any = add_weight(l, s, n, w, part, &text);
    weft_gemm_add_epilogue(step, p, p->anchors, 1, 0, true, "p.n", &text);
    weft_emit_int(l, s, "WHOLE_BLOCKS", c.whole_blocks && w && any);
    weft_gemm_emit_order(l, s, w);
    weft_emit_int(l, s, "X_WIDE", wide);
    weft_emit_text(l, s, "SHARE", weft_gemm_share(step, g));
    weft_emit_int(l, s, "ALL", !w || w->n_parts == 1);
    weft_emit_int(l, s, "PART", w ? (int64_t)w->parts[part].row0 : 0);
    weft_emit_int(l, s, "ROWS", w ? (int64_t)w->parts[part].rows : 0);
    weft_emit_int(l, s, "BM", c.rows);
    weft_emit_int(l, s, "BN", c.columns);
    weft_emit_int(l, s, "TX", c.lanes);
    weft_emit_int(l, s, "TY", c.threads / c.lanes);
    weft_emit_text(l, s, "FUNCTIONS", weft_str_get(&text));
    weft_emit_workgroup(s, c.threads, (c.rows + c.columns) * 9 * 16 + c.rows * 4 + 16);
    allow_split(l, s, x_at, g, &cfg);
    weft_xstep_finish(step, expert_params_fields);
    weft_str_free(&text);
}

void weft_gemm_emit_experts(struct weft_lower *l, const struct weft_gemm_group *p, struct weft_xstep *step) {
    struct weft_gemm described[WEFT_GEMM_ANCHORS];
    struct weft_gemm_group group = *p;
    group.experts = described;
    for (uint32_t i = 0; i < p->n_anchors; i++) {
        const struct weft_node *n = weft_gemm_node(l, p->anchors[i]);
        n->op->gemm(l, n, &described[i]);
    }
    const struct weft_node *first = weft_gemm_node(l, p->anchors[0]);
    const struct weft_plan_weight *w = weft_lower_packs(l, first->in[1]) ? weft_lower_weight(l, first->in[1]) : NULL;
    bool few = weft_gemm_few_experts(l, first, described);
    for (uint32_t part = 0; part < (w ? w->n_parts : 1) && l->status == WEFT_OK; part++) {
        if (!few) {
            emit_tiles(l, &group, w, part, step);
            continue;
        }
        struct weft_gemm_extents x = extents_of(l, &group, w, 1);
        struct weft_gemm_choice choice = weft_gemm_choose(l->profile, &x);
        weft_gemm_emit_few(l, &group, part, &choice, step);
    }
}
