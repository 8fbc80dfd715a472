/// Lowering of contractions. Two kernels:
///
/// matvec  few rows (a decode step): a workgroup stages the rows of x in workgroup memory (by way of the prologue's row
/// program, if
///         there is one) and computes a run of outputs; TPR lanes share an output, each lane group has R of them.
///         Contractions of one x stand side by side as segments of the grid; those that an epilogue combines (gate and
///         up) are computed by one lane.
/// matmul  many rows: tiles of BM x BN outputs, blocks of 32 along k staged and decoded once a tile.
///
/// A weight cut into parts by the binding limit gives one step a part. The order of a sum depends on template values
/// alone.
#include "ops/contract.h"
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/map/region.h"
#include "plan/expand.h"
#include <stdio.h>
#include <string.h>

#define CONTRACT_PARAMS(F) F(u32, rows) F(u32, n) F(u32, col0) F(u32, zero) F(u32, k) F(u32, kb) F(u32, width)
WEFT_PARAMS(contract_params, CONTRACT_PARAMS)
#define N_CONTRACT 7

struct contract_cfg {
    struct weft_xdims dims;
    weft_dim rows, n;
    weft_dim k;              ///< matmul
    uint32_t col0, part_n;   ///< of a part; part_n 0: all n
    uint32_t row_tile, col_tile;
    uint32_t tiles;          ///< matvec: workgroups along x
};

static void matvec_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3])
{
    const struct contract_cfg *cfg = u->step->cfg;
    struct contract_params *p = (struct contract_params *)words;
    p->rows = (uint32_t)weft_live(u, cfg->rows);
    p->n = cfg->part_n;
    p->col0 = cfg->col0;
    weft_x_update(u, N_CONTRACT, words);
    if (p->rows == 0 || cfg->tiles == 0) return;
    grid[0] = cfg->tiles;
    grid[1] = (p->rows + cfg->row_tile - 1) / cfg->row_tile;
    grid[2] = 1;
}

static void matmul_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3])
{
    const struct contract_cfg *cfg = u->step->cfg;
    struct contract_params *p = (struct contract_params *)words;
    p->rows = (uint32_t)weft_live(u, cfg->rows);
    p->n = cfg->part_n ? cfg->part_n : (uint32_t)weft_live(u, cfg->n);
    p->col0 = cfg->col0;
    p->k = (uint32_t)weft_live(u, cfg->k);
    p->kb = (p->k + 31) / 32;
    p->width = (uint32_t)weft_live(u, cfg->n);
    weft_x_update(u, N_CONTRACT, words);
    uint64_t x = (p->n + cfg->col_tile - 1) / cfg->col_tile, y = (p->rows + cfg->row_tile - 1) / cfg->row_tile;
    weft_grid_fold(x * y, u->caps->max_groups, grid);
}

static const struct weft_kernel matvec_kernel = {"matvec", "ops/matvec.wgsl", contract_params_fields, matvec_update};
static const struct weft_kernel matmul_kernel = {"matmul", "ops/matmul.wgsl", contract_params_fields, matmul_update};

bool weft_contract_takes_prologue(const struct weft_gpu_caps *caps, int64_t k)
{
    return k > 0 && k % 4 == 0 && (uint64_t)(k + 31) / 32 * 32 * 4 + 4096 <= caps->workgroup_memory;
}

bool weft_contract_stages(const struct weft_lower *l, weft_value v)
{
    const struct weft_graph *g = l->graph;
    uint32_t readers = 0;
    if (g->values[v].is_output) return false;
    for (uint32_t n = 0; n < g->n_nodes; n++) {
        const struct weft_node *node = &g->nodes[n];
        for (uint32_t i = 0; !node->dead && i < node->n_in; i++) {
            if (node->in[i] != v) continue;
            readers++;
            if (node->op->view == WEFT_VIEW_SAME) {
                if (!weft_contract_stages(l, node->out[0])) return false;
                continue;
            }
            const struct weft_type *t = &g->values[v].type;
            weft_dim rows = weft_lower_product((struct weft_lower *)l, t, 0, t->rank - 1);
            if (!(node->op->traits & WEFT_OP_CONTRACT) || i != 0 || !weft_lower_packs(l, node->in[1]) ||
                weft_lower_max(l, rows) > WEFT_FEW_ROWS ||
                !weft_contract_takes_prologue(l->caps, weft_lower_const(l, t->dims[t->rank - 1])))
                return false;
        }
    }
    return readers > 0;
}

// ---- the group -----------------------------------------------------------------------------------------------------

#define MAX_ANCHORS 4

struct parts {
    uint32_t *prologue, n_prologue;
    uint32_t *epilogue, n_epilogue;
    uint32_t anchors[MAX_ANCHORS], n_anchors;
};

static bool split_group(struct weft_lower *l, const struct weft_group *g, struct parts *p)
{
    memset(p, 0, sizeof *p);
    p->prologue = weft_arena_alloc(&l->plan->arena, (g->n_nodes + 1) * sizeof *p->prologue);
    p->epilogue = weft_arena_alloc(&l->plan->arena, (g->n_nodes + 1) * sizeof *p->epilogue);
    if (!p->prologue || !p->epilogue) return false;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        uint32_t n = g->nodes[i];
        if (l->graph->nodes[n].op->traits & WEFT_OP_CONTRACT) {
            if (p->n_anchors == MAX_ANCHORS) return false;
            p->anchors[p->n_anchors++] = n;
        } else if (g->roles[i] ==
                   WEFT_ROLE_EPILOGUE) { // told by the fuser: not all of it need depend on the contraction
            p->epilogue[p->n_epilogue++] = n;
        } else {
            p->prologue[p->n_prologue++] = n;
        }
    }
    return p->n_anchors > 0;
}

static const struct weft_node *node_of(const struct weft_lower *l, uint32_t n) { return &l->graph->nodes[n]; }

static void add_label(char *label, size_t size, const struct weft_lower *l, const char *kernel, const struct parts *p)
{
    size_t at = (size_t)snprintf(label, size, "%s", kernel);
    for (uint32_t i = 0; i < p->n_anchors && at < size; i++) {
        const struct weft_node *n = node_of(l, p->anchors[i]);
        at += (size_t)snprintf(label + at, size - at, "%s%s", i ? "+" : " ", weft_node_label(n));
    }
    if (p->n_prologue && at < size) at += (size_t)snprintf(label + at, size - at, ", prologue of %u", p->n_prologue);
    if (p->n_epilogue && at < size) snprintf(label + at, size - at, ", epilogue of %u", p->n_epilogue);
}

// ---- text ----------------------------------------------------------------------------------------------------------

/// Decoding functions of a weight operand, for the name `w`.
static void add_decoder(struct weft_lower *l, const char *w, const struct weft_wlayout *y, const char *kb, bool first,
                        struct weft_str *out) {
    struct weft_tval v[] = {{"W", 0, w},
                            {"W_KB", 0, kb},
                            {"W_BITS", y->bits, NULL},
                            {"W_HIGH", y->high, NULL},
                            {"W_GROUP", y->group, NULL},
                            {"W_ZERO", y->zero, NULL},
                            {"W_MIN", y->has_min, NULL},
                            {"W_SCALE", y->scale, NULL},
                            {"W_BF16", y->dtype == WEFT_BF16, NULL},
                            {"W_ONCE", 1, NULL}};
    weft_status status =
        weft_plan_expand(l->plan, "plan/dequant.wgsl", v, sizeof v / sizeof v[0] - (first ? 1 : 0), out);
    if (status != WEFT_OK) weft_lower_fail(l, status, "%s", weft_error_message());
}

/// The same for a weight without elements, which has no planes to read.
static void add_empty_decoder(const char *w, struct weft_str *out)
{
    weft_str_addf(out, "fn w_quad_%s(row: u32, blk: u32, j: u32) -> vec4<f32> { return vec4<f32>(0.0); }\n", w);
}

/// The same for a plain value [N, K].
static void add_plain_decoder(const char *w, bool wide, struct weft_str *out)
{
    if (wide) {
        weft_str_addf(out,
                      "fn w_quad_%s(row: u32, blk: u32, j: u32) -> vec4<f32> { let c = blk * 32u + j * 4u; if (c >= "
                      "p.k) { return vec4<f32>(0.0); } "
                      "return load4_%s(row * p.k + c); }\n",
                      w, w);
        return;
    }
    weft_str_addf(
        out, "fn w_one_%s(row: u32, c: u32) -> f32 { if (c >= p.k) { return 0.0; } return load_%s(row * p.k + c); }\n",
        w, w);
    weft_str_addf(out,
                  "fn w_quad_%s(row: u32, blk: u32, j: u32) -> vec4<f32> { let c = blk * 32u + j * 4u; return "
                  "vec4<f32>(w_one_%s(row, c), "
                  "w_one_%s(row, c + 1u), w_one_%s(row, c + 2u), w_one_%s(row, c + 3u)); }\n",
                  w, w, w, w, w);
}

/// fn epilogue_S(row, col, acc0, acc1, ...): stores what escapes of the anchors and the epilogue's nodes.
static void add_epilogue(struct weft_xstep *step, const struct parts *p, const uint32_t *anchors, uint32_t n_anchors,
                         uint32_t segment, bool with_nodes, const char *width, struct weft_str *out) {
    struct weft_lower *l = step->l;
    struct weft_expr e;
    struct weft_xtext t;
    struct weft_str body = {0}, stores = {0}; // stores last: one may write over what another value is made from
    struct weft_type space = weft_lv(l, node_of(l, anchors[0])->out[0])->type;
    weft_expr_begin(&e, step, space, weft_region_last_axis(&space), width);
    weft_str_addf(out, "fn epilogue_%u(row: u32, col: u32", segment);
    for (uint32_t i = 0; i < n_anchors; i++) {
        weft_str_addf(out, ", acc%u: f32", i);
        weft_x_give(&e, node_of(l, anchors[i])->out[0], i);
    }
    weft_region_build(&e, anchors, n_anchors);
    if (with_nodes) weft_region_build(&e, p->epilogue, p->n_epilogue);
    if (l->status != WEFT_OK || !weft_xtext_begin(&t, &e)) return;
    t.row_out = t.col_out = &body;
    for (uint32_t i = 0; i < e.n_stores; i++) weft_xtext_store(&t, &e.stores[i], 0, &stores);
    weft_str_addf(out, ") {\n%s%s}\n", weft_str_get(&body), weft_str_get(&stores));
    weft_str_free(&body);
    weft_str_free(&stores);
}

/// Plain loads of a row into slot m of xs.
static void stage_loads(struct weft_xstep *step, weft_value x, int64_t k, struct weft_str *out)
{
    struct weft_lower *l = step->l;
    bool wide = weft_lower_wide(l, x);
    weft_emit_value(l, step->s, "x", WEFT_READ, x, wide ? WEFT_OPERAND_WIDE : 0);
    if (wide) {
        weft_str_addf(out, "for (var q = lid; q < %uu; q += WG) { xs[m * KQ + q] = load4_x(row * %uu + q * 4u); }\n",
                      (unsigned)(k / 4), (unsigned)k);
        return;
    }
    weft_str_add(out, "for (var q = lid; q < KQ; q += WG) {\nvar v = vec4<f32>(0.0);\n");
    for (int i = 0; i < 4; i++)
        weft_str_addf(out, "if (q * 4u + %uu < %uu) { v[%d] = load_x(row * %uu + q * 4u + %uu); }\n", i, (unsigned)k, i,
                      (unsigned)k, i);
    weft_str_add(out, "xs[m * KQ + q] = v;\n}\n");
}

/// Held regime of a prologue: a thread holds whole quads of columns, since a vector of workgroup memory has one owner.
static bool hold_quads(struct weft_xtext *t, uint32_t n_nodes, int64_t k, uint32_t wg, struct weft_str *out)
{
    struct weft_lower *l = t->e->step->l;
    struct weft_arena *arena = &l->plan->arena;
    uint32_t quads = (uint32_t)((k / 4 + wg - 1) / wg);
    if (l->caps->kind == WEFT_GPU_CPU || quads * 4 > WEFT_X_HELD || (uint64_t)n_nodes * quads * 12 > 1500) return false;
    for (uint32_t u = 0; u < quads; u++) {
        bool whole = (int64_t)(u + 1) * wg <= k / 4;
        weft_str_addf(out, whole ? "let quad%u = lid + %uu;\n" : "let quad%u = min(lid + %uu, %uu);\n", u, u * wg,
                      (unsigned)(k / 4 - 1));
        for (uint32_t i = 0; i < 4; i++) {
            weft_str_addf(out, "let hold%u = quad%u * 4u + %uu;\n", 4 * u + i, u, i);
            t->col[4 * u + i] = weft_arena_printf(arena, "hold%u", 4 * u + i);
            t->ok[4 * u + i] = whole ? NULL : weft_arena_printf(arena, "lid + %uu < %uu", u * wg, (unsigned)(k / 4));
        }
    }
    t->n_held = 4 * quads;
    return true;
}

/// Writes what the prologue gives for x, four columns at a time: the held ones, or those of a loop.
static void stage_columns(struct weft_xtext *t, uint32_t x, int64_t k, struct weft_str *out)
{
    const char *v[4];
    if (t->n_held) {
        t->row_out = t->col_out = out;
        for (uint32_t u = 0; u < t->n_held / 4; u++) {
            const char *ok = t->ok[4 * u] ? t->ok[4 * u] : "true";
            for (uint32_t i = 0; i < 4; i++) v[i] = weft_xtext_at(t, x, 4 * u + i);
            weft_str_addf(out, "if (%s) { xs[m * KQ + quad%u] = vec4<f32>(%s, %s, %s, %s); }\n", ok, u, v[0], v[1],
                          v[2], v[3]);
        }
        return;
    }
    static const char *const names[] = {"col0", "col1", "col2", "col3"};
    struct weft_str row = {0}, col = {0};
    t->row_out = &row;
    t->col_out = &col;
    weft_xtext_forget(t, false);
    for (uint32_t i = 0; i < 4; i++) t->col[i] = names[i];
    for (uint32_t i = 0; i < 4; i++) v[i] = weft_xtext_at(t, x, i);
    weft_str_addf(
        out,
        "%sfor (var q = lid; q < %uu; q += WG) {\nlet col0 = q * 4u;\nlet col1 = col0 + 1u;\nlet col2 = col0 + 2u;\n"
        "let col3 = col0 + 3u;\n%s",
        weft_str_get(&row), (unsigned)(k / 4), weft_str_get(&col));
    weft_str_addf(out, "xs[m * KQ + q] = vec4<f32>(%s, %s, %s, %s);\n}\n", v[0], v[1], v[2], v[3]);
    weft_str_free(&row);
    weft_str_free(&col);
    t->col[0] = "col";
    weft_xtext_forget(t, true);
}

/// Text that fills xs with row `row` (slot m): the prologue's program, or plain loads.
static void add_stage(struct weft_xstep *step, struct weft_expr *e, const struct parts *p, weft_value x, int64_t k,
                      uint32_t wg, struct weft_str *out) {
    struct weft_lower *l = step->l;
    const struct weft_deferred *deferred = weft_lower_deferred(l, x);
    // A row that ends inside a block of 32 is padded: weights beyond it are zero, and zero times garbage may be NaN.
    if (k % 32)
        weft_str_addf(out, "for (var q = lid + %uu; q < KQ; q += WG) { xs[m * KQ + q] = vec4<f32>(0.0); }\n",
                      (unsigned)((k + 3) / 4));
    if (deferred) {
        deferred->stage(l, step->s, deferred, out);
        return;
    }
    if (p->n_prologue == 0) {
        stage_loads(step, x, k, out);
        return;
    }
    struct weft_xtext t;
    struct weft_str stores = {0};
    char loop[80];
    const struct weft_at at = weft_x_point(e);
    e->roots[e->n_roots++] = weft_x_value(e, x, &at);
    weft_region_build(e, p->prologue, p->n_prologue);
    if (l->status != WEFT_OK || !weft_xtext_begin(&t, e)) return;
    snprintf(loop, sizeof loop, "for (var col = lid; col < %uu; col += WG)", (unsigned)k);
    hold_quads(&t, p->n_prologue, k, wg, out);
    weft_xtext_reductions(&t, loop, out);
    stage_columns(&t, e->roots[0], k, out);
    weft_xtext_stores(&t, loop, "lid == 0u", true, &stores);
    // One column tile stores what others read; slots beyond the last row repeat it and must not.
    if (stores.len) weft_str_addf(out, "if (wid.x == 0u && m0 + m < p.rows) {\n%s}\n", weft_str_get(&stores));
    weft_str_free(&stores);
}

// ---- few rows ------------------------------------------------------------------------------------------------------

struct shape { uint32_t tpr, r, wg, mt; };

static struct shape matvec_shape(const struct weft_lower *l, int64_t k, uint64_t n, int64_t max_rows,
                                 uint32_t n_anchors) {
    uint64_t kb = (uint64_t)(k + 31) / 32;
    struct shape s;
    if (l->caps->kind == WEFT_GPU_CPU) {
        s = (struct shape){.tpr = 1, .r = n_anchors > 1 ? 2 : 4, .wg = n >= 65536 ? 64 : 32};
    } else {
        // Measured on an H200: rows of a few hundred columns want 16 lanes, longer ones a subgroup; the long head fewer
        // lanes and four rows each, so that more bytes are under way.
        s = n >= 65536 ? (struct shape){.tpr = kb <= 8 ? 2 : kb <= 64 ? 4 : 16, .r = 4, .wg = 128}
                       : (struct shape){.tpr = kb <= 8 ? 8 : kb <= 24 ? 16 : 32, .r = 1, .wg = 128};
    }
    uint64_t room = l->caps->workgroup_memory - 4096;
    uint64_t fit = room / (kb * 32 * 4);
    s.mt = max_rows < 4 ? (uint32_t)max_rows : 4;
    if (s.mt > fit) s.mt = (uint32_t)fit;
    if (s.mt == 0) s.mt = 1;
    return s;
}

static uint32_t tiles_of(struct shape s, uint64_t n)
{
    uint64_t rows = s.wg / s.tpr * s.r;
    return (uint32_t)((n + rows - 1) / rows);
}

/// One step: all anchors over part `part` (several parts only with one anchor).
static void emit_matvec(struct weft_lower *l, uint32_t group, const struct parts *p, uint32_t part,
                        struct weft_xstep *step) {
    const struct weft_node *first = node_of(l, p->anchors[0]);
    const struct weft_type *xt = &weft_lv(l, first->in[0])->type;
    int64_t k = weft_lower_const(l, xt->dims[xt->rank - 1]);
    weft_dim rows = weft_lower_product(l, xt, 0, xt->rank - 1);
    bool combined = p->n_epilogue > 0;
    char label[200];
    add_label(label, sizeof label, l, "matvec", p);
    struct contract_cfg cfg = {.rows = rows};
    struct weft_step *s = weft_emit(l, &matvec_kernel, label, &cfg, sizeof cfg);
    struct weft_type space = p->n_prologue ? weft_lv(l, first->in[0])->type : *xt;
    struct weft_expr prologue;
    weft_xstep_begin(step, l, s, group);
    weft_expr_begin(&prologue, step, space, weft_region_last_axis(&space), NULL);
    uint64_t largest = 0;
    const struct weft_plan_weight *w[MAX_ANCHORS];
    for (uint32_t i = 0; i < p->n_anchors; i++) {
        w[i] = weft_lower_weight(l, node_of(l, p->anchors[i])->in[1]);
        if (l->status != WEFT_OK) return;
        if (w[i]->parts[part].rows > largest) largest = w[i]->parts[part].rows;
    }
    struct shape shape = matvec_shape(l, k, largest, weft_lower_max(l, rows), p->n_anchors);
    struct weft_str stage = {0}, text = {0}, pick = {0};
    char kb_text[16];
    snprintf(kb_text, sizeof kb_text, "%uu", (unsigned)((k + 31) / 32));
    add_stage(step, &prologue, p, first->in[0], k, shape.wg, &stage);
    uint32_t n_segments = combined ? 1 : p->n_anchors, tiles = 0;
    for (uint32_t i = 0; i < p->n_anchors; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%u", i);
        weft_emit_weight(l, s, name, w[i], part);
        add_decoder(l, name, w[i]->layout, kb_text, i == 0, &text);
    }
    for (uint32_t g = 0; g < n_segments && l->status == WEFT_OK; g++) {
        uint32_t n_anchors = combined ? p->n_anchors : 1;
        add_epilogue(step, p, &p->anchors[g], n_anchors, g, combined, NULL, &text);
        uint64_t n = w[g]->parts[part].rows;
        struct weft_tval v[] = {{"S", g, NULL},         {"N", (int64_t)n, NULL},  {"NA", n_anchors, NULL},
                                {"FIRST", g, NULL},     {"TPR", shape.tpr, NULL}, {"R", shape.r, NULL},
                                {"MT", shape.mt, NULL}, {"WG", shape.wg, NULL},   {"KB", (k + 31) / 32, NULL}};
        weft_status status = weft_plan_expand(l->plan, "ops/matvec_segment.wgsl", v, sizeof v / sizeof v[0], &text);
        if (status != WEFT_OK) weft_lower_fail(l, status, "%s", weft_error_message());
        uint32_t mine = tiles_of(shape, n);
        if (g + 1 < n_segments)
            weft_str_addf(&pick, "if (wid.x < %uu) { segment_%u(wid.x - %uu, m0, lid); } else ", tiles + mine, g,
                          tiles);
        else weft_str_addf(&pick, "{ segment_%u(wid.x - %uu, m0, lid); }", g, tiles);
        tiles += mine;
    }
    weft_emit_int(l, s, "TPR", shape.tpr);
    weft_emit_int(l, s, "LANES", shape.tpr);
    weft_emit_int(l, s, "MT", shape.mt);
    weft_emit_int(l, s, "KQ", (k + 31) / 32 * 8);
    weft_emit_int(l, s, "REDUCE", shape.tpr > 1 || weft_x_levels(&prologue) > 0);
    weft_emit_int(l, s, "SINCOS", step->uses_sincos);
    weft_emit_text(l, s, "SEGMENTS", weft_str_get(&text));
    weft_emit_text(l, s, "STAGE", weft_str_get(&stage));
    weft_emit_text(l, s, "PICK", weft_str_get(&pick));
    weft_emit_workgroup(s, shape.wg,
                        (uint32_t)((k + 31) / 32 * 128 * shape.mt + shape.wg * 12)); // f32 and vec2 of the reductions
    weft_xstep_finish(step, contract_params_fields);
    if (l->status == WEFT_OK) {
        struct contract_cfg *kept = (struct contract_cfg *)s->cfg;
        kept->rows = rows;
        kept->row_tile = shape.mt;
        kept->tiles = tiles;
        kept->col0 = (uint32_t)w[0]->parts[part].row0;
        kept->part_n = (uint32_t)w[0]->parts[part].rows;
        if (p->n_anchors > 1) kept->col0 = 0;
    }
    weft_str_free(&stage);
    weft_str_free(&text);
    weft_str_free(&pick);
}

// ---- many rows -----------------------------------------------------------------------------------------------------

/// Rows of tiles are what the step may be cut into: a row of tiles reaches row_tile rows of x and of what the epilogue
/// reads and stores in the output's space.
static void cut_matmul(struct weft_lower *l, struct weft_step *s, uint32_t x, const struct contract_cfg *cfg) {
    int64_t n = cfg->part_n ? cfg->part_n : weft_lower_const(l, cfg->n), width = weft_lower_const(l, cfg->n);
    uint64_t across = n > 0 ? (uint64_t)(n + cfg->col_tile - 1) / cfg->col_tile : 0;
    if (l->status != WEFT_OK || across == 0 || width <= 0) return;
    for (uint32_t i = 0; i < s->n_operands; i++) {
        struct weft_operand *o = &s->operands[i];
        if (o->every == 0) continue;
        o->every = o->unit ? across : 0;
        o->unit *= cfg->row_tile;
    }
    int64_t k = weft_lower_const(l, cfg->k);
    if (k >= 0) weft_emit_reach(s, x, across, (uint64_t)k * cfg->row_tile);
    weft_emit_items(s, 1);
}

static void emit_matmul(struct weft_lower *l, uint32_t group, const struct parts *p, const struct weft_plan_weight *w,
                        uint32_t part, struct weft_xstep *step) {
    const struct weft_node *n = node_of(l, p->anchors[0]);
    const struct weft_type *xt = &weft_lv(l, n->in[0])->type, *yt = &weft_lv(l, n->out[0])->type;
    int64_t k = weft_lower_const(l, xt->dims[xt->rank - 1]);
    char label[200];
    add_label(label, sizeof label, l, "matmul", p);
    struct contract_cfg cfg = {.rows = weft_lower_product(l, xt, 0, xt->rank - 1),
                               .n = yt->dims[yt->rank - 1],
                               .k = xt->dims[xt->rank - 1],
                               .row_tile = 32,
                               .col_tile = 64};
    if (w && w->rows) {
        cfg.part_n = (uint32_t)w->parts[part].rows;
        cfg.col0 = (uint32_t)w->parts[part].row0;
    }
    struct weft_step *s = weft_emit(l, &matmul_kernel, label, &cfg, sizeof cfg);
    weft_xstep_begin(step, l, s, group);
    struct weft_str text = {0};
    bool wide = weft_lower_wide(l, n->in[0]);
    uint32_t x = weft_emit_value(l, s, "x", WEFT_READ, n->in[0], wide ? WEFT_OPERAND_WIDE : 0);
    bool empty = k == 0 || (w && w->rows == 0);
    if (empty) {
        add_empty_decoder("w0", &text);
    } else if (w) {
        weft_emit_weight(l, s, "w0", w, part);
        add_decoder(l, "w0", w->layout, "p.kb", true, &text);
    } else {
        bool w_wide = weft_lower_wide(l, n->in[1]);
        weft_emit_value(l, s, "w0", WEFT_READ, n->in[1], w_wide ? WEFT_OPERAND_WIDE : 0);
        add_plain_decoder("w0", w_wide, &text);
    }
    add_epilogue(step, p, p->anchors, 1, 0, true, "p.width", &text);
    // Measured: whole blocks are 25 % faster on an H200; quads compile and run faster on CPU drivers.
    weft_emit_int(l, s, "WHOLE_BLOCKS", w && !empty && l->caps->kind != WEFT_GPU_CPU);
    weft_emit_int(l, s, "X_WIDE", wide);
    weft_emit_int(l, s, "BM", cfg.row_tile);
    weft_emit_int(l, s, "BN", cfg.col_tile);
    weft_emit_int(l, s, "TX", 16);
    weft_emit_int(l, s, "TY", 8);
    weft_emit_int(l, s, "SINCOS", 0);
    weft_emit_text(l, s, "FUNCTIONS", weft_str_get(&text));
    weft_emit_workgroup(s, 128, (cfg.row_tile + cfg.col_tile) * 9 * 16);
    cut_matmul(l, s, x, &cfg);
    weft_xstep_finish(step, contract_params_fields);
    weft_str_free(&text);
}

weft_status weft_contract_lower(struct weft_lower *l, uint32_t group)
{
    struct parts p;
    if (!split_group(l, &l->groups[group], &p))
        return weft_fail(WEFT_ERR_INTERNAL, "a contraction group could not be split");
    const struct weft_node *n = node_of(l, p.anchors[0]);
    const struct weft_type *xt = &weft_lv(l, n->in[0])->type;
    bool packed = weft_lower_packs(l, n->in[1]);
    const struct weft_plan_weight *w = packed ? weft_lower_weight(l, n->in[1]) : NULL;
    if (l->status != WEFT_OK) return l->status;
    int64_t max_rows = weft_lower_max(l, weft_lower_product(l, xt, 0, xt->rank - 1));
    int64_t k = weft_lower_const(l, xt->dims[xt->rank - 1]);
    struct weft_xstep step = {.l = l};
    bool few = max_rows <= WEFT_FEW_ROWS && packed && w->rows > 0 && k > 0 &&
               (uint64_t)(k + 31) / 32 * 128 + 4096 <= l->caps->workgroup_memory;
    uint32_t n_parts = w ? w->n_parts : 1;
    for (uint32_t part = 0; part < n_parts && l->status == WEFT_OK; part++) {
        if (few) emit_matvec(l, group, &p, part, &step);
        else emit_matmul(l, group, &p, w, part, &step);
        weft_region_narrow(&step);
    }
    return l->status;
}
