/// Products in any form: see general.wgsl. Both sides are plain values, reached through strides, so that broadcasting,
/// transposition and vectors cost no step of their own.
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
    weft_dim batch, m, n, k;
    uint32_t row_tile, col_tile;
};

static void general_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct general_cfg *cfg = u->step->cfg;
    struct general_params *p = (struct general_params *)words;
    p->rows = (uint32_t)weft_live(u, cfg->m);
    p->n = p->width = (uint32_t)weft_live(u, cfg->n);
    p->k = (uint32_t)weft_live(u, cfg->k);
    p->kb = (p->k + 31) / 32;
    p->batch = (uint32_t)weft_live(u, cfg->batch);
    weft_x_update(u, WORDS, words);
    uint64_t x = (p->n + cfg->col_tile - 1) / cfg->col_tile, y = (p->rows + cfg->row_tile - 1) / cfg->row_tile;
    weft_grid_fold(x * y * p->batch, u->caps->max_groups, grid);
}

static const struct weft_kernel general_kernel = {"matmul_general", "kernels/gemm/general.wgsl", general_params_fields,
                                                  general_update};

/// fn NAME_start(batch): element at which a side's matrix of that number begins.
static void add_start(struct weft_xstep *step, const struct weft_gemm *g, const struct weft_gemm_side *side,
                      const char *name, struct weft_str *out) {
    struct weft_lower *l = step->l;
    weft_str_addf(out, "fn %s_start(batch: u32) -> u32 {\nvar rest = batch;\nvar start = 0u;\n", name);
    for (uint32_t axis = g->n_batch; axis-- > 0;) {
        // Without elements there is no batch, but a division by a constant 0 would not compile.
        bool none = weft_lower_const(l, g->batch[axis]) == 0;
        const char *size = none ? "1u" : weft_xtext_dim(step, g->batch[axis]);
        if (side->batch[axis] != WEFT_DIM_BAD)
            weft_str_addf(out, "start += rest %% %s * %s;\n", size, weft_xtext_dim(step, side->batch[axis]));
        weft_str_addf(out, "rest = rest / %s;\n", size);
    }
    weft_str_add(out, "return start;\n}\n");
}

void weft_gemm_emit_general(struct weft_lower *l, const struct weft_gemm_group *p, const struct weft_gemm *g,
                            struct weft_xstep *step) {
    char label[200];
    weft_dim batch = weft_dim_const(l->graph->dims, 1);
    for (uint32_t i = 0; i < g->n_batch; i++) batch = weft_dim_mul(l->graph->dims, batch, g->batch[i]);
    struct weft_gemm_extents x = {.batch = (uint64_t)weft_lower_max(l, batch),
                                  .m = (uint64_t)weft_lower_max(l, g->m),
                                  .n = (uint64_t)weft_lower_max(l, g->n),
                                  .k = (uint64_t)weft_lower_max(l, g->k),
                                  .n_anchors = 1,
                                  .weight_bytes = 4};
    struct weft_gemm_choice choice = weft_gemm_choose(l->profile, &x);
    struct general_cfg cfg = {
        .batch = batch, .m = g->m, .n = g->n, .k = g->k, .row_tile = choice.rows, .col_tile = choice.columns};
    weft_gemm_label(label, sizeof label, l, "matmul", p);
    struct weft_step *s = weft_emit(l, &general_kernel, label, &cfg, sizeof cfg);
    struct weft_str text = {0};
    weft_xstep_next(step, s);
    weft_emit_value(l, s, "a", WEFT_READ, g->a.v, 0);
    weft_emit_value(l, s, "b", WEFT_READ, g->b.v, 0);
    add_start(step, g, &g->a, "a", &text);
    add_start(step, g, &g->b, "b", &text);
    weft_emit_text(l, s, "A_ROW", weft_xtext_dim(step, g->a.row));
    weft_emit_text(l, s, "A_COL", weft_xtext_dim(step, g->a.col));
    weft_emit_text(l, s, "B_ROW", weft_xtext_dim(step, g->b.row));
    weft_emit_text(l, s, "B_COL", weft_xtext_dim(step, g->b.col));
    weft_gemm_add_epilogue(step, p, p->anchors, 1, 0, true, "p.width", &text);
    weft_emit_text(l, s, "T", weft_xtype_name(weft_x_type_of(g->sums)));
    weft_emit_int(l, s, "BM", choice.rows);
    weft_emit_int(l, s, "BN", choice.columns);
    weft_emit_int(l, s, "TX", choice.lanes);
    weft_emit_int(l, s, "TY", choice.threads / choice.lanes);
    weft_emit_text(l, s, "FUNCTIONS", weft_str_get(&text));
    weft_emit_workgroup(s, choice.threads, (choice.rows + choice.columns) * 9 * 16);
    weft_xstep_finish(step, general_params_fields);
    weft_str_free(&text);
}
