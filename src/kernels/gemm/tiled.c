/// Many rows: see tiled.wgsl.
#include "kernels/gemm/impl.h"
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/map/region.h"
#include "plan/expand.h"
#include <stdio.h>
#include <string.h>

static void matmul_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct weft_gemm_cfg *cfg = u->step->cfg;
    struct weft_gemm_params *p = (struct weft_gemm_params *)words;
    p->rows = (uint32_t)weft_live(u, cfg->rows);
    p->n = cfg->part_n ? cfg->part_n : (uint32_t)weft_live(u, cfg->n);
    p->col0 = cfg->col0;
    p->k = (uint32_t)weft_live(u, cfg->k);
    p->kb = (p->k + 31) / 32;
    p->width = (uint32_t)weft_live(u, cfg->n);
    weft_x_update(u, WEFT_GEMM_WORDS, words);
    uint64_t x = (p->n + cfg->col_tile - 1) / cfg->col_tile, y = (p->rows + cfg->row_tile - 1) / cfg->row_tile;
    weft_grid_fold(x * y, u->caps->max_groups, grid);
}

static const struct weft_kernel tiled_kernel = {"matmul", "kernels/gemm/tiled.wgsl", weft_gemm_params_fields,
                                                matmul_update};

/// Rows of tiles are what the step may be cut into: a row of tiles reaches row_tile rows of x and of what the epilogue
/// reads and stores in the output's space.
static void allow_split(struct weft_lower *l, struct weft_step *s, uint32_t x, const struct weft_gemm_cfg *cfg) {
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

void weft_gemm_emit_tiled(struct weft_lower *l, const struct weft_gemm_group *p, const struct weft_plan_weight *w,
                          uint32_t part, const struct weft_gemm_choice *choice, struct weft_xstep *step) {
    const struct weft_node *n = weft_gemm_node(l, p->anchors[0]);
    const struct weft_type *xt = &weft_lv(l, n->in[0])->type, *yt = &weft_lv(l, n->out[0])->type;
    int64_t k = weft_lower_const(l, xt->dims[xt->rank - 1]);
    char label[200];
    weft_gemm_label(label, sizeof label, l, "matmul", p);
    const weft_dim rows = weft_lower_product(l, xt, 0, xt->rank - 1);
    struct weft_gemm_cfg cfg = {.rows = rows,
                                .n = yt->dims[yt->rank - 1],
                                .k = xt->dims[xt->rank - 1],
                                .row_tile = choice->rows,
                                .col_tile = choice->columns};
    if (w && w->rows) {
        cfg.part_n = (uint32_t)w->parts[part].rows;
        cfg.col0 = (uint32_t)w->parts[part].row0;
    }
    struct weft_step *s = weft_emit(l, &tiled_kernel, label, &cfg, sizeof cfg);
    weft_xstep_next(step, s);
    struct weft_str text = {0};
    bool wide = weft_lower_wide(l, n->in[0]);
    uint32_t x = WEFT_NO_OPERAND;
    bool across = false;
    if (p->n_prologue) {
        struct weft_gemm_program side;
        weft_gemm_side_begin(step, &(struct weft_gemm_side){.v = n->in[0], .col = xt->rank - 1}, 0, true, &side);
        weft_gemm_side_text(&side, "x", "p.rows", &text);
        across = side.across;
    } else x = weft_emit_value(l, s, "x", WEFT_READ, n->in[0], wide ? WEFT_OPERAND_WIDE : 0);
    bool empty = k == 0 || (w && w->rows == 0);
    if (empty) {
        weft_gemm_add_empty_decoder("w0", &text);
    } else if (w) {
        weft_emit_weight(l, s, "w0", w, part);
        weft_gemm_add_decoder(l, "w0", w->layout, "p.kb", true, &text);
    } else {
        bool w_wide = weft_lower_wide(l, n->in[1]);
        weft_emit_value(l, s, "w0", WEFT_READ, n->in[1], w_wide ? WEFT_OPERAND_WIDE : 0);
        weft_gemm_add_plain_decoder("w0", w_wide, &text);
    }
    weft_gemm_add_epilogue(step, p, p->anchors, 1, 0, true, "p.width", &text);
    weft_emit_int(l, s, "WHOLE_BLOCKS", choice->whole_blocks && !empty);
    weft_gemm_emit_order(l, s, w);
    weft_emit_int(l, s, "X_SIDE", p->n_prologue > 0);
    weft_emit_int(l, s, "X_ACROSS", across);
    weft_emit_int(l, s, "X_WIDE", wide);
    weft_emit_int(l, s, "BM", cfg.row_tile);
    weft_emit_int(l, s, "BN", cfg.col_tile);
    weft_emit_int(l, s, "TX", choice->lanes);
    weft_emit_int(l, s, "TY", choice->threads / choice->lanes);
    weft_emit_text(l, s, "FUNCTIONS", weft_str_get(&text));
    weft_emit_workgroup(s, choice->threads, (cfg.row_tile + cfg.col_tile) * 9 * 16);
    allow_split(l, s, x, &cfg);
    weft_xstep_finish(step, weft_gemm_params_fields);
    weft_str_free(&text);
}
