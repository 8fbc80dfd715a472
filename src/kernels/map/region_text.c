/// Schedules as text: what stands in the body of a region's kernel for a part, around its scalar program.
#include "kernels/map/region_impl.h"
#include <stdio.h>

// ---- flat ----------------------------------------------------------------------------------------------------------

/// True if the number of elements is a multiple of 4 for all sizes, and a row too.
static bool whole_quads(const struct weft_lower *l, const struct weft_expr *e) {
    int64_t row = e->space.rank ? weft_lower_const(l, e->space.dims[e->space.rank - 1]) : 1;
    return weft_dim_is_multiple(l->graph->dims, e->n, 4) && row % 4 == 0;
}

/// Four neighbours a thread. `exact`: all or none of them are there.
static void side_by_side(struct weft_region *r, struct weft_xtext *t, const char *first, const char *total,
                         bool exact) {
    const struct weft_expr *e = t->e;
    struct weft_arena *arena = &r->l->plan->arena;
    static const char *const names[] = {"c0", "c1", "c2", "c3"};
    bool phase = e->phase != NULL;
    t->n_held = 4;
    t->quads = exact;
    t->quad = "quad";
    weft_str_addf(&r->body, "let quad = (group - %s) * WG + lid;\n", first);
    for (uint32_t u = 0; u < 4; u++) {
        t->col[u] = names[u];
        if (exact) {
            weft_str_addf(&r->body, "let c%u = quad * 4u + %uu;\n", u, u);
            continue;
        }
        weft_str_addf(&r->body, "let n%u = quad * 4u + %uu", u, u);
        if (phase) weft_str_addf(&r->body, " - phase_%s()", e->phase);
        weft_str_addf(&r->body, ";\nlet c%u = min(n%u, %s - 1u);\n", u, u, total); // in front of the first: wraps
        t->ok[u] = weft_arena_printf(arena, "n%u < %s", u, total);
    }
    if (exact) weft_str_addf(&r->body, "if (c0 < %s) {\n", total);
    else weft_str_addf(&r->body, "if (quad * 4u < %s + %uu) {\n", total, phase ? WEFT_REGION_PER_THREAD - 1 : 0);
    if (exact && r->cfg.n_parts == 1) weft_xtext_widen((const struct weft_xtext *const[]){t}, 1);
    weft_xtext_stores(t, "", "true", false, &r->body);
    weft_str_add(&r->body, "}\n");
}

void weft_region_flat(struct weft_region *r, struct weft_xtext *t, const char *first) {
    struct weft_lower *l = r->l;
    const struct weft_expr *e = t->e;
    const char *total = weft_xtext_dim(&r->step, e->n);
    bool packed = false, exact = whole_quads(l, e) && !e->phase;
    for (uint32_t i = 0; i < e->n_stores; i++) packed |= e->stores[i].packed;
    if (packed || (exact && l->profile->unrolls && (uint64_t)e->n_x * 4 < 600)) {
        side_by_side(r, t, first, total, exact);
        return;
    }
    weft_str_addf(&r->body, "for (var k = 0u; k < %uu; k++) {\nlet col = (group - %s) * %uu * WG + k * WG + lid;\n",
                  WEFT_REGION_PER_THREAD, first, WEFT_REGION_PER_THREAD);
    weft_str_addf(&r->body, "if (col < %s) {\n", total);
    weft_xtext_stores(t, "", "true", false, &r->body);
    weft_str_add(&r->body, "}\n}\n");
}

// ---- with reductions -----------------------------------------------------------------------------------------------

/// Chooses the held regime where it fits, and defines its columns. False: loop.
static bool hold(struct weft_xtext *t, const struct weft_region_walk *w, struct weft_str *out) {
    struct weft_lower *l = t->e->step->l;
    uint32_t n_nodes = w->n_nodes, wg = w->schedule->threads;
    int64_t width = weft_lower_const(l, w->end);
    uint32_t columns = width > 0 ? (uint32_t)((width + wg - 1) / wg) : 0;
    if (!l->profile->unrolls || columns == 0 || columns > 8 || (uint64_t)n_nodes * columns * 3 > 1500) return false;
    for (uint32_t u = 0; u < columns; u++) {
        bool whole = (int64_t)(u + 1) * wg <= width;
        weft_str_addf(out, whole ? "let hold%u = lid + %uu;\n" : "let hold%u = min(lid + %uu, %uu);\n", u, u * wg,
                      (unsigned)(width - 1));
        t->col[u] = weft_arena_printf(&l->plan->arena, "hold%u", u);
        t->ok[u] = whole ? NULL : weft_arena_printf(&l->plan->arena, "lid + %uu < %uu", u * wg, (unsigned)width);
    }
    t->n_held = columns;
    return true;
}

/// Which columns of the row a workgroup walks: `from` (NULL: 0) and `to`, as text. Of a row in chunks, `chunk` is its
/// number.
static void choose_columns(struct weft_region *r, const struct weft_region_walk *w, const char *first,
                           const char **block, const char **from, const char **to) {
    struct weft_arena *arena = &r->l->plan->arena;
    *block = weft_arena_printf(arena, "group - %s", first);
    *from = NULL;
    *to = weft_xtext_dim(&r->step, w->end);
    if (w->chunks == WEFT_DIM_NONE) return;
    const char *chunks = weft_xtext_dim(&r->step, w->chunks);
    weft_str_addf(&r->body, "let block = (%s) / %s;\nlet chunk = (%s) %% %s;\n", *block, chunks, *block, chunks);
    weft_str_addf(&r->body, "let begin = chunk * %lluu;\nlet stop = min(begin + %lluu, %s);\n",
                  (unsigned long long)w->schedule->chunk, (unsigned long long)w->schedule->chunk, *to);
    *block = "block";
    *from = "begin";
    *to = "stop";
}

/// Stores whole words of rows of a constant multiple of four: four neighbours a thread, computed again. They come
/// first, into memory that the program does not read, and before any thread writes over what it does.
static void store_words(struct weft_region *r, struct weft_xtext *t) {
    static const char *const names[] = {"c0", "c1", "c2", "c3"};
    const struct weft_expr *e = t->e;
    struct weft_xtext q;
    bool any = false, over = false;
    for (uint32_t i = 0; i < e->n_stores; i++) {
        any |= e->stores[i].packed;
        over |= e->stores[i].last;
    }
    if (!any || !weft_xtext_begin(&q, e)) return;
    for (uint32_t x = 0; x < e->n_x; x++)
        if (e->x[x].scope != WEFT_X_COL) q.text[(size_t)x * WEFT_X_HELD] = t->text[(size_t)x * WEFT_X_HELD];
    t->stores = WEFT_XSTORES_OTHERS;
    q.stores = WEFT_XSTORES_PACKED;
    q.n_held = 4;
    q.quads = true;
    unsigned quads = (unsigned)(weft_lower_const(r->l, e->n) / 4);
    q.quad = weft_arena_printf(&r->l->plan->arena, "(row * %uu + quad)", quads);
    if (!q.quad) weft_lower_fail(r->l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    weft_str_addf(&r->body, "for (var quad = lid; quad < %uu; quad += WG) {\n", quads);
    for (uint32_t u = 0; u < 4; u++) {
        q.col[u] = names[u];
        weft_str_addf(&r->body, "let c%u = quad * 4u + %uu;\n", u, u);
    }
    weft_xtext_stores(&q, "", "true", false, &r->body);
    weft_str_add(&r->body, over ? "}\nworkgroupBarrier();\n" : "}\n");
}

/// Four columns a turn, `step` apart, where threads walk many of them.
static void take_turns(struct weft_region *r, struct weft_xtext *t, uint32_t step, const char *to) {
    static const char *const names[] = {"c0", "c1", "c2", "c3"};
    struct weft_arena *arena = &r->l->plan->arena;
    t->n_turn = 4;
    t->turn = weft_arena_printf(arena,
                                "let c0 = col;\nlet c1 = min(col + %uu, %s - 1u);\nlet c2 = min(col + %uu, %s - 1u);\n"
                                "let c3 = min(col + %uu, %s - 1u);\n",
                                step, to, 2 * step, to, 3 * step, to);
    for (uint32_t u = 0; u < 4; u++) {
        t->col[u] = names[u];
        t->ok[u] = u ? weft_arena_printf(arena, "col + %uu < %s", u * step, to) : NULL;
        if (!t->turn || (u && !t->ok[u])) weft_lower_fail(r->l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    }
}

/// Head of the loop over columns.
static const char *loop_of(struct weft_region *r, const struct weft_map_schedule *s, const char *from, const char *to,
                           uint32_t turn) {
    struct weft_arena *arena = &r->l->plan->arena;
    const char *plus = from ? " + " : "", *begin = from ? from : "", *times = turn ? " * 4u" : "", *loop;
    if (s->beside)
        loop = weft_arena_printf(arena, "for (var col = %s%sline; there && col < %s; col += %uu%s)", begin, plus, to,
                                 s->lanes, times);
    else loop = weft_arena_printf(arena, "for (var col = %s%slid; col < %s; col += WG%s)", begin, plus, to, times);
    if (!loop) weft_lower_fail(r->l, WEFT_ERR_NOMEM, "out of memory while writing a kernel");
    return loop ? loop : "";
}

void weft_region_rows(struct weft_region *r, struct weft_xtext *t, const struct weft_region_walk *w,
                      const char *first) {
    const struct weft_map_schedule *s = w->schedule;
    const char *block, *from, *to, *once = w->some_once && w->chunks != WEFT_DIM_NONE ? " && chunk == 0u" : "";
    char stores[96];
    choose_columns(r, w, first, &block, &from, &to);
    if (!s->beside) {
        snprintf(stores, sizeof stores, "lid == 0u%s", once);
        weft_str_addf(&r->body, "let row = %s;\n", block);
        if (!from) hold(t, w, &r->body);
    } else {
        const char *rows = weft_xtext_dim(&r->step, t->e->rows);
        snprintf(stores, sizeof stores, "there && line == 0u%s", once);
        // A thread beyond the last row takes part in barriers only.
        weft_str_addf(&r->body, "let line = lid / %uu;\nlet at = (%s) * %uu + lid %% %uu;\n", s->rows, block, s->rows,
                      s->rows);
        weft_str_addf(&r->body, "let there = at < %s;\nlet row = min(at, %s - 1u);\n", rows, rows);
        t->share = s->lanes == 1 ? WEFT_X_ALONE : WEFT_X_LANES;
        t->stride = s->rows;
    }
    int64_t most = weft_lower_max(r->l, w->end);
    bool many = from || (s->beside && most >= 4 * (int64_t)s->lanes);
    if (many && r->l->profile->unrolls && (uint64_t)t->e->n_x * 4 < 600)
        take_turns(r, t, s->beside ? s->lanes : s->threads, to);
    weft_xtext_reductions(t, loop_of(r, s, from, to, t->n_turn), &r->body);
    t->n_turn = 0;
    if (!t->n_held) {
        t->col[0] = "col";
        t->ok[0] = NULL;
    }
    store_words(r, t);
    weft_xtext_stores(t, loop_of(r, s, from, to, 0), stores, t->share != WEFT_X_ALONE, &r->body);
}
