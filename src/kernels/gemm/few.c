/// Few rows (a decode step): see few.wgsl. A workgroup stages rows of x in workgroup memory, by way of the prologue's
/// program if there is one.
#include "kernels/gemm/impl.h"
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/map/region.h"
#include "plan/expand.h"
#include "plan/order.h"
#include <stdio.h>
#include <string.h>

static void matvec_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct weft_gemm_cfg *cfg = u->step->cfg;
    struct weft_gemm_params *p = (struct weft_gemm_params *)words;
    p->rows = (uint32_t)weft_live(u, cfg->rows);
    p->n = cfg->part_n;
    p->col0 = cfg->col0;
    weft_x_update(u, WEFT_GEMM_WORDS, words);
    if (p->rows == 0 || cfg->tiles == 0) return;
    grid[0] = cfg->tiles;
    grid[1] = (p->rows + cfg->row_tile - 1) / cfg->row_tile;
    grid[2] = 1;
}

static const struct weft_kernel few_kernel = {"matvec", "kernels/gemm/few.wgsl", weft_gemm_params_fields,
                                              matvec_update};

// ---- staging ---

/// Plain loads of a row into slot m of xs.
static void stage_loads(struct weft_xstep *step, weft_value x, int64_t k, struct weft_str *out) {
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

/// The same for columns from block `first` on, as many as xs holds. Plain loads only.
static void add_chunk(struct weft_xstep *step, weft_value x, int64_t k, struct weft_str *out) {
    struct weft_lower *l = step->l;
    bool wide = weft_lower_wide(l, x);
    weft_emit_value(l, step->s, "x", WEFT_READ, x, wide ? WEFT_OPERAND_WIDE : 0);
    weft_str_add(out, "for (var q = lid; q < KQ; q += WG) {\nvar v = vec4<f32>(0.0);\nlet c = first * 32u + q * 4u;\n");
    if (wide) weft_str_addf(out, "if (c < %uu) { v = load4_x(row * %uu + c); }\n", (unsigned)k, (unsigned)k);
    for (int i = 0; !wide && i < 4; i++)
        weft_str_addf(out, "if (c + %uu < %uu) { v[%d] = load_x(row * %uu + c + %uu); }\n", i, (unsigned)k, i,
                      (unsigned)k, i);
    weft_str_add(out, "xs[m * KQ + q] = v;\n}\n");
}

/// Held regime of a prologue: a thread holds whole quads of columns, since a vector of workgroup memory has one owner.
static bool hold_quads(struct weft_xtext *t, uint32_t n_nodes, int64_t k, uint32_t wg, struct weft_str *out) {
    struct weft_lower *l = t->e->step->l;
    struct weft_arena *arena = &l->plan->arena;
    uint32_t quads = (uint32_t)((k / 4 + wg - 1) / wg);
    // Where sums have an order, thread t has columns t, t + WG, ... as in regions.
    if (l->profile->invariant || !l->profile->unrolls || quads * 4 > WEFT_X_HELD ||
        (uint64_t)n_nodes * quads * 12 > 1500)
        return false;
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
static void stage_columns(struct weft_xtext *t, uint32_t x, int64_t k, struct weft_str *out) {
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
static void add_stage(struct weft_xstep *step, struct weft_expr *e, const struct weft_gemm_group *p, weft_value x,
                      int64_t k, uint32_t wg, struct weft_str *out) {
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

/// The ids that anchor `i` chooses by; anchors of the same ids share an operand.
static void add_chooser(struct weft_xstep *step, const struct weft_gemm_group *p, uint32_t i, struct weft_str *out) {
    struct weft_lower *l = step->l;
    uint32_t same = 0;
    char ids[16], name[16];
    while (p->experts[same].ids != p->experts[i].ids) same++;
    snprintf(ids, sizeof ids, "ids%u", same);
    snprintf(name, sizeof name, "expert_w%u", i);
    if (same == i) weft_emit_value(l, step->s, ids, WEFT_READ, p->experts[i].ids, 0);
    weft_gemm_add_chooser(l, &p->experts[i], name, ids, weft_xtext_dim(step, p->experts[i].experts), out);
}

// ---- the step ---

static uint32_t tiles_of(const struct weft_gemm_choice *c, uint64_t n) {
    uint64_t rows = (uint64_t)(c->threads / c->lanes * c->outputs);
    return (uint32_t)((n + rows - 1) / rows);
}

void weft_gemm_emit_few(struct weft_lower *l, const struct weft_gemm_group *p, uint32_t part,
                        const struct weft_gemm_choice *choice, struct weft_xstep *step) {
    const struct weft_node *first = weft_gemm_node(l, p->anchors[0]);
    const struct weft_type *xt = &weft_lv(l, first->in[0])->type;
    int64_t k = weft_lower_const(l, xt->dims[xt->rank - 1]);
    weft_dim rows = p->experts ? p->experts->m : weft_lower_product(l, xt, 0, xt->rank - 1);
    bool combined = p->n_epilogue > 0;
    char label[200];
    weft_gemm_label(label, sizeof label, l, "matvec", p);
    struct weft_gemm_cfg cfg = {.rows = rows};
    struct weft_step *s = weft_emit(l, &few_kernel, label, &cfg, sizeof cfg);
    struct weft_expr prologue;
    weft_xstep_next(step, s);
    weft_expr_begin(&prologue, step, *xt, weft_region_last_axis(xt), NULL);
    const struct weft_plan_weight *w[WEFT_GEMM_ANCHORS];
    for (uint32_t i = 0; i < p->n_anchors; i++) {
        w[i] = weft_lower_weight(l, weft_gemm_node(l, p->anchors[i])->in[1]);
        if (l->status != WEFT_OK) return;
    }
    uint32_t kb = (uint32_t)((k + 31) / 32);
    bool chunked = choice->chunk < kb;
    struct weft_str stage = {0}, text = {0}, pick = {0};
    char kb_text[16];
    snprintf(kb_text, sizeof kb_text, "%uu", kb);
    if (chunked) add_chunk(step, first->in[0], k, &stage);
    else add_stage(step, &prologue, p, first->in[0], k, choice->threads, &stage);
    uint32_t n_segments = combined ? 1 : p->n_anchors, tiles = 0;
    for (uint32_t i = 0; i < p->n_anchors; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%u", i);
        weft_emit_weight(l, s, name, w[i], part);
        weft_gemm_add_decoder(l, name, w[i]->layout, kb_text, i == 0, &text);
        if (p->experts) add_chooser(step, p, i, &text);
    }
    for (uint32_t g = 0; g < n_segments && l->status == WEFT_OK; g++) {
        uint32_t n_anchors = combined ? p->n_anchors : 1;
        weft_gemm_add_epilogue(step, p, &p->anchors[g], n_anchors, g, combined, NULL, &text);
        uint64_t n = p->experts ? (uint64_t)weft_lower_const(l, p->experts[g].n) : w[g]->parts[part].rows;
        struct weft_tval v[] = {{"EXPERTS", p->experts != NULL, NULL},
                                {"ALL", w[g]->n_parts == 1 || !p->experts, NULL},
                                {"PART", (int64_t)w[g]->parts[part].row0, NULL},
                                {"ROWS", (int64_t)w[g]->parts[part].rows, NULL},
                                {"S", g, NULL},
                                {"N", (int64_t)n, NULL},
                                {"NA", n_anchors, NULL},
                                {"FIRST", g, NULL},
                                {"TPR", choice->lanes, NULL},
                                {"R", choice->outputs, NULL},
                                {"MT", choice->rows, NULL},
                                {"WG", choice->threads, NULL},
                                {"KB", kb, NULL},
                                {"ORDERED", l->profile->invariant, NULL},
                                {"CHUNK", chunked ? choice->chunk : 0, NULL},
                                {"XB", 0, chunked ? "own" : "blk"}};
        weft_status status =
            weft_plan_expand(l->plan, "kernels/gemm/few_segment.wgsl", v, sizeof v / sizeof v[0], &text);
        if (status != WEFT_OK) weft_lower_fail(l, status, "%s", weft_error_message());
        uint32_t mine = tiles_of(choice, n);
        if (g + 1 < n_segments)
            weft_str_addf(&pick, "if (wid.x < %uu) { segment_%u(wid.x - %uu, m0, lid); } else ", tiles + mine, g,
                          tiles);
        else weft_str_addf(&pick, "{ segment_%u(wid.x - %uu, m0, lid); }", g, tiles);
        tiles += mine;
    }
    weft_emit_text(l, s, "SHARE", p->experts ? weft_gemm_share(step, p->experts) : "");
    weft_emit_int(l, s, "LANES", choice->lanes);
    if (l->profile->invariant) weft_emit_int(l, s, "SLICES", weft_order_packed(l->profile, kb).slices);
    weft_emit_int(l, s, "MT", choice->rows);
    weft_emit_int(l, s, "KQ", choice->chunk * 8);
    weft_emit_int(l, s, "CHUNKED", chunked);
    weft_emit_int(l, s, "REDUCE", choice->lanes > 1 || weft_x_levels(&prologue) > 0);
    weft_emit_text(l, s, "SEGMENTS", weft_str_get(&text));
    weft_emit_text(l, s, "STAGE", weft_str_get(&stage));
    weft_emit_text(l, s, "PICK", weft_str_get(&pick));
    // Staged rows, and f32 and vec2 of the reductions, and sums of lanes.
    weft_emit_workgroup(s, choice->threads,
                        choice->chunk * 128 * choice->rows +
                            choice->threads * ((step->trees ? 16 : 12) + (l->profile->invariant ? 4 : 0)));
    weft_xstep_finish(step, weft_gemm_params_fields);
    if (l->status == WEFT_OK) {
        struct weft_gemm_cfg *kept = (struct weft_gemm_cfg *)s->cfg;
        kept->row_tile = choice->rows;
        kept->tiles = tiles;
        kept->col0 = (uint32_t)w[0]->parts[part].row0;
        kept->part_n = (uint32_t)w[0]->parts[part].rows;
        if (p->n_anchors > 1 || p->experts) kept->col0 = 0;
    }
    weft_str_free(&stage);
    weft_str_free(&text);
    weft_str_free(&pick);
}
