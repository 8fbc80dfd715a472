/// Products in any form: tiles (general.wgsl), and lanes for few rows of either side (direct.wgsl). Both sides are
/// scalar programs (side.c). Where outputs are too few for the device and k is long, workgroups sum pieces of k, and a
/// step behind joins them in the order of the pieces.
#include "kernels/gemm/impl.h"
#include "core/error.h"
#include "kernels/map/region.h"
#include <stdio.h>
#include <string.h>

#define GENERAL_PARAMS(F) F(u32, rows) F(u32, n) F(u32, k) F(u32, kb) F(u32, batch) F(u32, width) F(u32, zero)
WEFT_PARAMS(general_params, GENERAL_PARAMS)
enum { WORDS = 7 };

struct general_cfg {
    struct weft_xdims dims;
    weft_dim batch, m, n, k, width;
    uint32_t row_tile, col_tile;
    uint32_t chunk; ///< blocks of 32 along k of a workgroup; 0: all
};

static void general_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct general_cfg *cfg = u->step->cfg;
    struct general_params *p = (struct general_params *)words;
    p->rows = (uint32_t)weft_live(u, cfg->m);
    p->n = (uint32_t)weft_live(u, cfg->n);
    p->width = (uint32_t)weft_live(u, cfg->width);
    p->k = (uint32_t)weft_live(u, cfg->k);
    p->kb = (p->k + 31) / 32;
    p->batch = (uint32_t)weft_live(u, cfg->batch);
    weft_x_update(u, WORDS, words);
    uint64_t x = (p->n + cfg->col_tile - 1) / cfg->col_tile, y = (p->rows + cfg->row_tile - 1) / cfg->row_tile;
    uint64_t pieces = cfg->chunk ? (p->kb + cfg->chunk - 1) / cfg->chunk : 1;
    weft_grid_fold(x * y * p->batch * pieces, u->caps->max_groups, grid);
}

static const struct weft_kernel tiles_kernel = {"matmul_general", "kernels/gemm/general.wgsl", general_params_fields,
                                                general_update};
static const struct weft_kernel direct_kernel = {"matvec_direct", "kernels/gemm/direct.wgsl", general_params_fields,
                                                 general_update};

// ---- the form ------------------------------------------------------------------------------------------------------

/// The product as a kernel computes it: batch axes of dense rows by one matrix are rows (`folded`), and sides may have
/// changed places (`swapped`).
struct form {
    const struct weft_gemm *g;
    weft_dim batch, m, n;
    bool folded, swapped;
    struct weft_gemm_program a, b;
    struct weft_gemm_choice choice;
};

/// True if element (batch..., m, k) of the left side is that of its own row-major order, and the right side has no
/// batch.
static bool folds(const struct weft_lower *l, const struct weft_gemm *g) {
    const struct weft_type *a = &weft_lv(l, g->a.v)->type, *b = &weft_lv(l, g->b.v)->type;
    for (uint32_t i = 0; i < g->b.n_batch; i++)
        if (weft_lower_const(l, b->dims[i]) != 1) return false;
    return g->n_batch && g->a.n_batch == g->n_batch && g->a.row + 2 == a->rank && g->a.col + 1 == a->rank;
}

static struct weft_gemm_extents extents_of(const struct weft_lower *l, const struct form *f, bool swap) {
    struct weft_gemm_extents x = {.batch = (uint64_t)weft_lower_max(l, f->batch),
                                  .m = (uint64_t)weft_lower_max(l, swap ? f->n : f->m),
                                  .n = (uint64_t)weft_lower_max(l, swap ? f->m : f->n),
                                  .k = (uint64_t)weft_lower_max(l, f->g->k),
                                  .across = swap ? f->a.across : f->b.across,
                                  .n_anchors = 1,
                                  .weight_bytes = 4};
    return x;
}

/// Picks the kernel. The few rows that lanes share may be those of the right side.
static void choose(const struct weft_lower *l, struct form *f) {
    struct weft_gemm_extents x = extents_of(l, f, false), other = extents_of(l, f, true);
    struct weft_gemm_choice swapped = weft_gemm_choose(l->profile, &other);
    f->choice = weft_gemm_choose(l->profile, &x);
    f->swapped = swapped.kernel == WEFT_GEMM_DIRECT && swapped.us < f->choice.us;
    if (!f->swapped) return;
    const weft_dim m = f->m;
    const struct weft_gemm_program a = f->a;
    f->choice = swapped;
    f->m = f->n;
    f->n = m;
    f->a = f->b;
    f->b = a;
}

static struct form form_of(const struct weft_lower *l, const struct weft_gemm *g) {
    struct weft_dims *dims = l->graph->dims;
    struct form f = {.g = g, .batch = weft_dim_const(dims, 1), .m = g->m, .n = g->n, .folded = folds(l, g)};
    weft_dim *all = f.folded ? &f.m : &f.batch;
    for (uint32_t i = 0; i < g->n_batch; i++) *all = weft_dim_mul(dims, *all, g->batch[i]);
    return f;
}

bool weft_gemm_wants_general(const struct weft_lower *l, const struct weft_gemm *g) {
    struct form f = form_of(l, g);
    choose(l, &f);
    return f.choice.kernel == WEFT_GEMM_DIRECT || f.choice.split;
}

double weft_gemm_evaluations(const struct weft_lower *l, const struct weft_gemm *g, weft_value v) {
    struct form f = form_of(l, g);
    choose(l, &f);
    struct weft_gemm_extents x = extents_of(l, &f, false);
    bool direct = f.choice.kernel == WEFT_GEMM_DIRECT;
    uint64_t columns = direct ? f.choice.outputs : f.choice.columns, rows = f.choice.rows;
    double k = (double)x.batch * (double)x.k;
    double left = k * (double)x.m * (double)((x.n + columns - 1) / columns);
    double right = k * (double)x.n * (double)((x.m + rows - 1) / rows);
    return (g->a.v == v ? (f.swapped ? right : left) : 0) + (g->b.v == v ? (f.swapped ? left : right) : 0);
}

// ---- text ----------------------------------------------------------------------------------------------------------

/// Statements that take the number of a matrix apart: at0, at1, ...
static void add_places(struct weft_xstep *step, const struct form *f, struct weft_str *out) {
    uint32_t n = f->folded ? 0 : f->g->n_batch;
    for (uint32_t axis = n; axis-- > 0;) {
        // Without elements there is no batch, but a division by a constant 0 would not compile.
        bool none = weft_lower_const(step->l, f->g->batch[axis]) == 0;
        const char *size = none ? "1u" : weft_xtext_dim(step, f->g->batch[axis]);
        const char *rest = axis + 1 == n ? "batch" : weft_arena_printf(&step->l->plan->arena, "rest%u", axis);
        if (axis)
            weft_str_addf(out, "let at%u = %s %% %s;\nlet rest%u = %s / %s;\n", axis, rest, size, axis - 1, rest, size);
        else weft_str_addf(out, "let at0 = %s;\n", rest);
    }
}

/// Arguments in front of row and column.
static const char *places_of(struct weft_lower *l, const struct weft_gemm_program *p) {
    const char *text = "";
    for (uint32_t i = 0; i < p->n_at && text; i++) text = weft_arena_printf(&l->plan->arena, "%sat%u, ", text, i);
    if (!text) weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    return text ? text : "";
}

/// fn result(piece, batch, row, col, x): what becomes of a sum.
static void add_result(const char *type, const char *what, struct weft_str *out) {
    weft_str_addf(out, "fn result(piece: u32, batch: u32, row: u32, col: u32, x: %s) {\n%s\n}\n", type, what);
}

static void emit_shape(struct weft_lower *l, struct weft_step *s, const struct weft_gemm_choice *c, bool across) {
    weft_emit_int(l, s, "CHUNK", c->split);
    if (c->kernel == WEFT_GEMM_DIRECT) {
        weft_emit_int(l, s, "KL", c->lanes);
        weft_emit_int(l, s, "R", c->outputs);
        weft_emit_int(l, s, "MT", c->rows);
        weft_emit_int(l, s, "ACROSS", across);
        weft_emit_workgroup(s, c->threads, c->threads * c->outputs * c->rows * 4);
        return;
    }
    weft_emit_int(l, s, "BM", c->rows);
    weft_emit_int(l, s, "BN", c->columns);
    weft_emit_int(l, s, "TX", c->lanes);
    weft_emit_int(l, s, "TY", c->threads / c->lanes);
    weft_emit_workgroup(s, c->threads, (c->rows + c->columns) * 9 * 16);
}

// ---- steps ---------------------------------------------------------------------------------------------------------

/// Joins the pieces, as a product with ones: out[o] = sum over pieces of parts[piece, o].
static void emit_join(const struct weft_gemm_group *p, const struct form *f, const char *label, uint32_t parts,
                      struct weft_xstep *step) {
    struct weft_lower *l = step->l;
    struct weft_dims *dims = l->graph->dims;
    const char *type = weft_xtype_name(weft_x_type_of(f->g->sums));
    struct general_cfg cfg = {.batch = weft_dim_const(dims, 1), .m = weft_dim_const(dims, 1), .width = f->g->n};
    cfg.n = weft_dim_mul(dims, f->batch, weft_dim_mul(dims, f->m, f->n));
    cfg.k = weft_dim_ceildiv(dims, f->g->k, (int64_t)f->choice.split * 32);
    struct weft_gemm_extents x = {.batch = 1,
                                  .m = 1,
                                  .n = (uint64_t)weft_lower_max(l, cfg.n),
                                  .k = (uint64_t)weft_lower_max(l, cfg.k),
                                  .across = true,
                                  .n_anchors = 1,
                                  .weight_bytes = 4};
    struct weft_gemm_choice c = weft_gemm_direct(l->profile, &x);
    if (l->profile->invariant) c.lanes = 1; // one piece behind the other, as a workgroup that has all adds them up
    cfg.row_tile = c.rows;
    cfg.col_tile = c.threads / c.lanes * c.outputs;
    struct weft_step *s = weft_emit(l, &direct_kernel, label, &cfg, sizeof cfg);
    struct weft_str text = {0};
    weft_xstep_next(step, s);
    weft_emit_scratch(l, s, "parts", WEFT_READ, parts, 0);
    weft_str_addf(&text,
                  "fn a_quad(row: u32, col: u32) -> vec4<%s> { return vec4<%s>(%s(row < p.rows)); }\n"
                  "fn b_one(row: u32, col: u32) -> %s {\nif (row >= p.n || col >= p.k) { return %s(); }\n"
                  "return load_parts(col * p.n + row);\n}\n"
                  "fn b_quad(row: u32, col: u32) -> vec4<%s> {\nreturn vec4<%s>(b_one(row, col), b_one(row, col + 1u), "
                  "b_one(row, col + 2u), b_one(row, col + 3u));\n}\n",
                  type, type, type, type, type, type, type);
    weft_gemm_add_epilogue(step, p, p->anchors, 1, 0, true, "p.width", &text);
    add_result(type, "epilogue_0(col / p.width, col % p.width, x);", &text);
    weft_emit_text(l, s, "T", type);
    weft_emit_text(l, s, "PLACES", "");
    weft_emit_text(l, s, "AT_A", "");
    weft_emit_text(l, s, "AT_B", "");
    weft_emit_text(l, s, "FUNCTIONS", weft_str_get(&text));
    emit_shape(l, s, &c, true);
    weft_xstep_finish(step, general_params_fields);
    weft_str_free(&text);
}

/// Elements of the scratch that holds all pieces of all outputs.
static uint64_t parts_of(const struct weft_lower *l, const struct form *f) {
    uint64_t kb = ((uint64_t)weft_lower_max(l, f->g->k) + 31) / 32,
             pieces = (kb + f->choice.split - 1) / f->choice.split;
    return pieces * (uint64_t)weft_lower_max(l, f->batch) * (uint64_t)weft_lower_max(l, f->m) *
           (uint64_t)weft_lower_max(l, f->n);
}

/// Adds what stores the sums; returns the scratch that takes those of pieces.
static uint32_t add_stores(struct weft_xstep *step, const struct weft_gemm_group *p, const struct form *f,
                           struct weft_str *out) {
    struct weft_lower *l = step->l;
    const char *type = weft_xtype_name(weft_x_type_of(f->g->sums));
    if (!f->choice.split) {
        weft_gemm_add_epilogue(step, p, p->anchors, 1, 0, true, "p.width", out);
        add_result(type,
                   f->swapped ? "epilogue_0(batch * p.n + col, row, x);" : "epilogue_0(batch * p.rows + row, col, x);",
                   out);
        return 0;
    }
    uint32_t parts = weft_lower_scratch(l, "pieces of sums", f->g->sums, parts_of(l, f));
    weft_emit_scratch(l, step->s, "parts", WEFT_WRITE, parts, 0);
    add_result(type,
               f->swapped ? "store_parts(((piece * p.batch + batch) * p.n + col) * p.rows + row, x);"
                          : "store_parts(((piece * p.batch + batch) * p.rows + row) * p.n + col, x);",
               out);
    return parts;
}

void weft_gemm_emit_general(struct weft_lower *l, const struct weft_gemm_group *p, const struct weft_gemm *g,
                            struct weft_xstep *step) {
    char label[200];
    struct form f = form_of(l, g);
    struct general_cfg cfg = {.batch = f.batch, .k = g->k, .width = g->n};
    weft_gemm_label(label, sizeof label, l, "matmul", p);
    struct weft_step *s = weft_emit(l, &tiles_kernel, label, &cfg, sizeof cfg);
    weft_xstep_next(step, s);
    weft_gemm_side_begin(step, &g->a, g->n_batch, f.folded, &f.a);
    weft_gemm_side_begin(step, &g->b, f.folded ? 0 : g->n_batch, false, &f.b);
    if (l->status != WEFT_OK) return;
    choose(l, &f);
    struct weft_str text = {0}, places = {0};
    if (f.choice.kernel == WEFT_GEMM_DIRECT) s->kernel = &direct_kernel;
    weft_gemm_side_text(&f.a, "a", "p.rows", &text);
    weft_gemm_side_text(&f.b, "b", "p.n", &text);
    add_places(step, &f, &places);
    uint32_t parts = add_stores(step, p, &f, &text);
    if (l->status == WEFT_OK) weft_xtext_widen((const struct weft_xtext *const[]){&f.a.t, &f.b.t}, 2);
    weft_emit_text(l, s, "T", weft_xtype_name(weft_x_type_of(g->sums)));
    weft_emit_text(l, s, "PLACES", weft_str_get(&places));
    weft_emit_text(l, s, "AT_A", places_of(l, &f.a));
    weft_emit_text(l, s, "AT_B", places_of(l, &f.b));
    weft_emit_text(l, s, "FUNCTIONS", weft_str_get(&text));
    if (f.choice.kernel == WEFT_GEMM_TILED) {
        weft_gemm_emit_order(l, s, NULL);
        weft_emit_int(l, s, "A_ACROSS", f.a.across);
        weft_emit_int(l, s, "B_ACROSS", f.b.across);
    }
    emit_shape(l, s, &f.choice, f.b.across);
    weft_xstep_finish(step, general_params_fields);
    if (l->status == WEFT_OK) {
        struct general_cfg *kept = (struct general_cfg *)s->cfg;
        bool direct = f.choice.kernel == WEFT_GEMM_DIRECT;
        kept->m = f.m;
        kept->n = f.n;
        kept->row_tile = f.choice.rows;
        kept->col_tile = direct ? f.choice.threads / f.choice.lanes * f.choice.outputs : f.choice.columns;
        kept->chunk = f.choice.split;
        if (f.choice.split) {
            snprintf(label + strlen(label), sizeof label - strlen(label), ", pieces");
            emit_join(p, &f, label, parts, step);
        }
    }
    weft_str_free(&text);
    weft_str_free(&places);
}
