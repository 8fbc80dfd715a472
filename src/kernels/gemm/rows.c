/// Some rows (a decode step of several sequences, the end of a prompt): see rows.wgsl. Contractions of one left side
/// stand side by side as segments; those that an epilogue combines are computed by one thread. Where outputs are too
/// few for the device, workgroups sum pieces of k, and a step behind joins them and has the epilogue.
#include "kernels/gemm/impl.h"
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/map/region.h"
#include "plan/expand.h"
#include "plan/order.h"
#include "plan/round.h"
#include "plan/update.h"
#include <stdio.h>
#include <string.h>

enum { JOIN_THREADS = 128 };

/// cfg: tiles is those of a row of tiles, of all segments.
static void rows_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct weft_gemm_cfg *cfg = u->step->cfg;
    struct weft_gemm_params *p = (struct weft_gemm_params *)words;
    p->rows = (uint32_t)weft_live(u, cfg->rows);
    p->col0 = cfg->col0;
    p->k = (uint32_t)weft_live(u, cfg->k);
    weft_x_update(u, WEFT_GEMM_WORDS, words);
    weft_grid_fold((uint64_t)cfg->tiles * cfg->pieces * weft_ceil_div(p->rows, cfg->row_tile), u->caps->max_groups,
                   grid);
}

/// cfg: part_n is the outputs of a row, of all segments.
static void join_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct weft_gemm_cfg *cfg = u->step->cfg;
    struct weft_gemm_params *p = (struct weft_gemm_params *)words;
    p->rows = (uint32_t)weft_live(u, cfg->rows);
    p->col0 = cfg->col0;
    weft_x_update(u, WEFT_GEMM_WORDS, words);
    weft_grid_fold(weft_ceil_div((uint64_t)p->rows * cfg->part_n, JOIN_THREADS), u->caps->max_groups, grid);
}

static const struct weft_kernel rows_kernel = {"matrows", "kernels/gemm/rows.wgsl", weft_gemm_params_fields,
                                               rows_update};
static const struct weft_kernel join_kernel = {"matrows_join", "kernels/gemm/rows_join.wgsl", weft_gemm_params_fields,
                                               join_update};

/// What a step computes: one segment of all contractions where an epilogue combines them, else one of each.
struct job {
    const struct weft_gemm_group *p;
    const struct weft_gemm_choice *c;
    const struct weft_plan_weight *w[WEFT_GEMM_ANCHORS];
    uint32_t part, n_segments, each; ///< contractions of a segment
    uint32_t pad;                    ///< `each`, or the next power of two
    uint32_t r;                      ///< columns of a contraction that a thread has
    uint32_t kb, pieces, width;      ///< blocks of a row; pieces of k; sums of a row and piece
    uint32_t turns, groups;          ///< invariant: turns of a workgroup, lanes of the order
    uint32_t split;                  ///< pieces of k among workgroups
    bool combined;
};

static uint32_t columns_of(const struct job *j, uint32_t segment) {
    return (uint32_t)j->w[segment]->parts[j->part].rows;
}

static bool job_of(struct weft_lower *l, const struct weft_gemm_group *p, uint32_t part,
                   const struct weft_gemm_choice *c, int64_t k, struct job *j) {
    *j = (struct job){.p = p, .c = c, .part = part, .combined = p->n_epilogue > 0, .pad = 1, .r = c->outputs};
    for (uint32_t i = 0; i < p->n_anchors; i++) {
        j->w[i] = weft_lower_weight(l, weft_gemm_node(l, p->anchors[i])->in[1]);
        if (l->status != WEFT_OK) return false;
        j->width += columns_of(j, i);
    }
    j->each = j->combined ? p->n_anchors : 1;
    j->n_segments = p->n_anchors / j->each;
    while (j->pad < j->each) j->pad *= 2;
    while (j->r > 1 && j->r * j->pad > c->outputs) j->r /= 2;
    j->kb = (uint32_t)weft_ceil_div((uint64_t)k, 32);
    j->pieces = j->split = c->split ? (uint32_t)weft_ceil_div(j->kb, c->split) : 1;
    if (l->profile->invariant) {
        uint32_t turns = weft_order_turns(l->profile, j->kb);
        j->groups = weft_order_packed(l->profile, j->kb).lanes;
        j->turns = c->turns ? c->turns : turns;
        j->split = turns / j->turns;
        j->pieces = c->turns ? turns : 1; // a turn each, so that the join adds up turns
    }
    return true;
}

// ---- text ----------------------------------------------------------------------------------------------------------

/// fn result_S: what becomes of the sums of an output. `at`: where the segment begins in a row of sums.
static void add_result(struct weft_xstep *step, const struct job *j, uint32_t segment, uint32_t at,
                       struct weft_str *out) {
    if (j->pieces == 1)
        weft_gemm_add_epilogue(step, j->p, &j->p->anchors[segment], j->each, segment, j->combined, NULL, out);
    weft_str_addf(out, "fn result_%u(piece: u32, row: u32, col: u32", segment);
    for (uint32_t a = 0; a < j->each; a++) weft_str_addf(out, ", acc%u: f32", a);
    weft_str_add(out, ") {\n");
    if (j->pieces == 1) {
        weft_str_addf(out, "epilogue_%u(row, p.col0 + col", segment);
        for (uint32_t a = 0; a < j->each; a++) weft_str_addf(out, ", acc%u", a);
        weft_str_add(out, ");\n");
    }
    for (uint32_t a = 0; j->pieces > 1 && a < j->each; a++, at += columns_of(j, segment))
        weft_str_addf(out, "store_parts((piece * p.rows + row) * %uu + %uu + col, acc%u);\n", j->width, at, a);
    weft_str_add(out, "}\n");
}

static void add_segment(struct weft_lower *l, const struct job *j, uint32_t segment, struct weft_str *out) {
    const struct weft_gemm_choice *c = j->c;
    struct weft_tval v[] = {{"S", segment, NULL},
                            {"FIRST", segment, NULL},
                            {"NA", j->each, NULL},
                            {"NP", j->pad, NULL},
                            {"R", j->r, NULL},
                            {"N", columns_of(j, segment), NULL},
                            {"BM", c->rows, NULL},
                            {"COLS", c->lanes, NULL},
                            {"KS", c->threads / c->lanes, NULL},
                            {"KB", j->kb, NULL},
                            {"SPLIT", c->split ? c->split : j->kb, NULL},
                            {"WG", c->threads, NULL},
                            {"STEPS", c->rows * 8 / c->lanes, NULL},
                            {"ORDERED", l->profile->invariant, NULL},
                            {"LANES", j->groups, NULL},
                            {"TURNS", j->turns, NULL},
                            {"APART", j->pieces > 1, NULL}};
    weft_status status = weft_plan_expand(l->plan, "kernels/gemm/rows_segment.wgsl", v, sizeof v / sizeof v[0], out);
    if (status != WEFT_OK) weft_lower_fail(l, status, "%s", weft_error_message());
}

// ---- steps ---------------------------------------------------------------------------------------------------------

static void emit_join(struct weft_xstep *step, const struct job *j, const struct weft_gemm_cfg *before,
                      const char *label, uint32_t parts) {
    struct weft_lower *l = step->l;
    struct weft_gemm_cfg cfg = {.rows = before->rows, .col0 = before->col0};
    uint32_t at = 0;
    struct weft_str text = {0}, pick = {0};
    for (uint32_t g = 0; g < j->n_segments; g++) cfg.part_n += columns_of(j, g);
    struct weft_step *s = weft_emit(l, &join_kernel, label, &cfg, sizeof cfg);
    weft_xstep_next(step, s);
    weft_emit_scratch(l, s, "parts", WEFT_READ, parts, 0);
    for (uint32_t g = 0, from = 0; g < j->n_segments && l->status == WEFT_OK; g++) {
        uint32_t n = columns_of(j, g);
        weft_gemm_add_epilogue(step, j->p, &j->p->anchors[g], j->each, g, j->combined, NULL, &text);
        if (g + 1 < j->n_segments) weft_str_addf(&pick, "if (col < %uu) ", from + n);
        weft_str_addf(&pick, "{ epilogue_%u(row, p.col0 + col - %uu", g, from);
        for (uint32_t a = 0; a < j->each; a++, at += n)
            weft_str_addf(&pick, ", joined(row, %uu + col - %uu)", at, from);
        weft_str_add(&pick, g + 1 < j->n_segments ? "); } else " : "); }");
        from += n;
    }
    weft_emit_int(l, s, "PIECES", j->pieces);
    weft_emit_int(l, s, "WIDTH", j->width);
    weft_emit_int(l, s, "OUTPUTS", cfg.part_n);
    weft_emit_text(l, s, "FUNCTIONS", weft_str_get(&text));
    weft_emit_text(l, s, "PICK", weft_str_get(&pick));
    weft_emit_workgroup(s, JOIN_THREADS, 0);
    weft_xstep_finish(step, weft_gemm_params_fields);
    weft_str_free(&text);
    weft_str_free(&pick);
}

/// Adds decoders, results and segments, and what picks one of these; returns the tiles of all.
static uint32_t add_segments(struct weft_xstep *step, const struct job *j, struct weft_str *text,
                             struct weft_str *pick) {
    struct weft_lower *l = step->l;
    uint32_t tiles = 0, at = 0;
    char kb[16], name[8];
    snprintf(kb, sizeof kb, "%uu", j->kb);
    for (uint32_t i = 0; i < j->p->n_anchors; i++) {
        snprintf(name, sizeof name, "w%u", i);
        weft_emit_weight(l, step->s, name, j->w[i], j->part);
        weft_gemm_add_decoder(l, name, j->w[i]->layout, kb, i == 0, text);
    }
    for (uint32_t g = 0; g < j->n_segments && l->status == WEFT_OK; g++) {
        add_result(step, j, g, at, text);
        add_segment(l, j, g, text);
        uint32_t mine = (uint32_t)weft_ceil_div(columns_of(j, g), (uint64_t)j->c->lanes * j->r);
        if (g + 1 < j->n_segments) weft_str_addf(pick, "if (tile < %uu) ", tiles + mine);
        weft_str_addf(pick, "{ segment_%u(tile - %uu, piece, m0, lid); }", g, tiles);
        if (g + 1 < j->n_segments) weft_str_add(pick, " else ");
        tiles += mine;
        at += columns_of(j, g) * j->each;
    }
    return tiles;
}

void weft_gemm_emit_rows(struct weft_lower *l, const struct weft_gemm_group *p, uint32_t part,
                         const struct weft_gemm_choice *c, struct weft_xstep *step) {
    const struct weft_node *first = weft_gemm_node(l, p->anchors[0]);
    const struct weft_type *xt = &weft_lv(l, first->in[0])->type;
    struct weft_gemm_cfg cfg = {
        .rows = weft_lower_product(l, xt, 0, xt->rank - 1), .k = xt->dims[xt->rank - 1], .row_tile = c->rows};
    struct job j;
    char label[200];
    if (!job_of(l, p, part, c, weft_lower_const(l, cfg.k), &j)) return;
    weft_gemm_label(label, sizeof label, l, "matrows", p);
    if (p->n_anchors == 1) cfg.col0 = (uint32_t)j.w[0]->parts[part].row0;
    cfg.pieces = j.split;
    struct weft_step *s = weft_emit(l, &rows_kernel, label, &cfg, sizeof cfg);
    weft_xstep_next(step, s);
    struct weft_str text = {0}, pick = {0};
    bool wide = weft_lower_wide(l, first->in[0]);
    uint32_t parts = 0;
    weft_emit_value(l, s, "x", WEFT_READ, first->in[0], wide ? WEFT_OPERAND_WIDE : 0);
    if (j.pieces > 1) {
        uint64_t sums = (uint64_t)j.pieces * j.width * (uint64_t)weft_lower_max(l, cfg.rows);
        parts = weft_lower_scratch(l, "pieces of sums", WEFT_F32, sums);
        weft_emit_scratch(l, s, "parts", WEFT_WRITE, parts, 0);
    }
    uint32_t tiles = add_segments(step, &j, &text, &pick);
    uint32_t staged = weft_gemm_rows_staged(c), sums = c->rows * j.r * j.pad / 4 * c->threads;
    weft_emit_int(l, s, "X_WIDE", wide);
    weft_emit_int(l, s, "BM", c->rows);
    weft_emit_int(l, s, "KS", c->threads / c->lanes);
    weft_emit_int(l, s, "XS", staged > sums ? staged : sums);
    weft_emit_int(l, s, "TILES", tiles);
    weft_emit_int(l, s, "PIECES", j.split);
    weft_emit_text(l, s, "SEGMENTS", weft_str_get(&text));
    weft_emit_text(l, s, "PICK", weft_str_get(&pick));
    weft_emit_workgroup(s, c->threads, (staged > sums ? staged : sums) * 16);
    weft_xstep_finish(step, weft_gemm_params_fields);
    if (l->status == WEFT_OK) {
        ((struct weft_gemm_cfg *)s->cfg)->tiles = tiles;
        if (j.pieces > 1) {
            snprintf(label + strlen(label), sizeof label - strlen(label), ", pieces");
            emit_join(step, &j, &cfg, label, parts);
        }
    }
    weft_str_free(&text);
    weft_str_free(&pick);
}
