#include "kernels/select/select.h"
#include "kernels/copy/move.h"
#include "plan/expr_wgsl.h"
#include "plan/round.h"
#include "plan/update.h"
#include <string.h>

enum {
    FAN = 16,           ///< runs that one step makes one of
    RUN = 1024,         ///< elements of a run
    SOFTWARE_RUN = 256, ///< the same on a CPU driver: counting takes the square of it
    MERGE_THREADS = 64,
};

#define RUNS_PARAMS(F) F(u32, groups) F(u32, rows) F(u32, n) F(u32, chunks) F(u32, cap)
WEFT_PARAMS(runs_params, RUNS_PARAMS)
#define MERGE_PARAMS(F) F(u32, total) F(u32, n) F(u32, runs) F(u32, cap) F(u32, span) F(u32, out_runs) F(u32, out_cap)
WEFT_PARAMS(merge_params, MERGE_PARAMS)

struct runs_cfg {
    weft_dim rows, n;
    uint32_t k, run, per;
};

struct merge_cfg {
    weft_dim rows, n;
    uint32_t k;
    uint64_t span; ///< elements of a row that a run stands for
};

static uint32_t least(uint64_t a, uint64_t b) { return (uint32_t)(a < b ? a : b); }

static void runs_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct runs_cfg *cfg = u->step->cfg;
    uint64_t rows = (uint64_t)weft_live(u, cfg->rows), n = (uint64_t)weft_live(u, cfg->n);
    uint64_t chunks = weft_ceil_div(n, cfg->run), groups = cfg->k ? weft_ceil_div(rows, cfg->per) * chunks : 0;
    struct runs_params p = {.groups = (uint32_t)groups,
                            .rows = (uint32_t)rows,
                            .n = (uint32_t)n,
                            .chunks = chunks ? (uint32_t)chunks : 1,
                            .cap = least(cfg->k, cfg->run)};
    memcpy(words, &p, sizeof p);
    weft_grid_fold(groups, u->caps->max_groups, grid);
}

static void merge_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct merge_cfg *cfg = u->step->cfg;
    uint64_t rows = (uint64_t)weft_live(u, cfg->rows), n = (uint64_t)weft_live(u, cfg->n);
    uint64_t runs = weft_ceil_div(n, cfg->span), cap = least(cfg->k, cfg->span), total = rows * runs * cap;
    struct merge_params p = {.total = (uint32_t)total,
                             .n = (uint32_t)n,
                             .runs = runs ? (uint32_t)runs : 1,
                             .cap = cap ? (uint32_t)cap : 1,
                             .span = least(cfg->span, UINT32_MAX),
                             .out_runs = (uint32_t)weft_ceil_div(runs, FAN),
                             .out_cap = least(cfg->k, cfg->span * FAN)};
    memcpy(words, &p, sizeof p);
    weft_grid_fold(weft_ceil_div(total, MERGE_THREADS), u->caps->max_groups, grid);
}

static const struct weft_kernel runs_kernel = {"select", "kernels/select/runs.wgsl", runs_params_fields, runs_update};
static const struct weft_kernel merge_kernel = {"select_merge", "kernels/select/merge.wgsl", merge_params_fields,
                                                merge_update};

// ---- steps ---------------------------------------------------------------------------------------------------------

struct work {
    struct weft_lower *l;
    const struct weft_select *select;
    const char *label;
    weft_dtype word; ///< of an element of x in a word of its own
    uint32_t to;     ///< scratch tensor for values, or WEFT_NO_TENSOR
    weft_dim rows, n;
    uint64_t most_rows, most_n;
    int64_t const_n; ///< or -1
};

/// Adds the results, of which `every` items reach those of `rows` rows.
static void add_results(const struct work *w, struct weft_step *s, uint64_t every, uint32_t rows) {
    uint64_t unit = (uint64_t)rows * w->select->k;
    uint32_t indices = weft_emit_value(w->l, s, "indices", WEFT_WRITE, w->select->indices, 0);
    uint32_t values = w->to == WEFT_NO_TENSOR ? weft_emit_value(w->l, s, "values", WEFT_WRITE, w->select->values, 0)
                                              : weft_emit_scratch(w->l, s, "values", WEFT_WRITE, w->to, 0);
    if (w->const_n <= 0) return;
    weft_emit_reach(s, indices, every, unit);
    weft_emit_reach(s, values, every, unit);
}

static void emit_runs(const struct work *w, uint32_t run, uint32_t part) {
    struct weft_lower *l = w->l;
    uint32_t threads = weft_tile_of(l->profile, WEFT_TILE_ROWS, w->most_n)->threads;
    struct runs_cfg cfg = {.rows = w->rows, .n = w->n, .k = w->select->k, .run = run, .per = 1};
    if (w->const_n > 0 && w->const_n < threads) cfg.per = threads / (uint32_t)w->const_n;
    struct weft_step *s = weft_emit(l, &runs_kernel, w->label, &cfg, sizeof cfg);
    uint64_t chunks = w->const_n > 0 ? weft_ceil_div((uint64_t)w->const_n, run) : 1;
    uint32_t x = weft_emit_value(l, s, "x", WEFT_READ, w->select->x, 0);
    if (w->const_n > 0) weft_emit_reach(s, x, chunks, (uint64_t)w->const_n * cfg.per);
    if (part == WEFT_NO_TENSOR) {
        add_results(w, s, 1, cfg.per);
    } else {
        uint32_t o = weft_emit_scratch(l, s, "part", WEFT_WRITE, part, 0);
        weft_emit_reach(s, o, 1, 2 * (uint64_t)least(cfg.k, run));
    }
    weft_emit_text(l, s, "T", weft_xtype_name(weft_x_type_of(w->word)));
    weft_emit_int(l, s, "KIND", w->word == WEFT_F32 ? 0 : w->word == WEFT_I32 ? 1 : 2);
    weft_emit_int(l, s, "RUN", run);
    weft_emit_int(l, s, "PER", cfg.per);
    weft_emit_int(l, s, "LAST", part == WEFT_NO_TENSOR);
    weft_emit_workgroup(s, threads, run * 4);
    weft_emit_items(s, 1);
}

/// Pairs of runs that stand for `span` elements each.
static uint32_t pairs(const struct work *w, uint64_t span) {
    uint64_t runs = weft_ceil_div(w->most_n, span), cap = least(w->select->k, span);
    return weft_lower_scratch(w->l, "runs in order", WEFT_U32, 2 * weft_bytes_times(w->most_rows * runs, cap));
}

static void emit_merge(const struct work *w, uint64_t span, uint32_t part, uint32_t merged) {
    struct weft_lower *l = w->l;
    struct merge_cfg cfg = {.rows = w->rows, .n = w->n, .k = w->select->k, .span = span};
    struct weft_step *s = weft_emit(l, &merge_kernel, w->label, &cfg, sizeof cfg);
    uint64_t every = weft_ceil_div(w->most_n, span) * least(cfg.k, span); // items of a row
    uint32_t from = weft_emit_scratch(l, s, "part", WEFT_READ, part, 0);
    if (merged == WEFT_NO_TENSOR) {
        uint32_t x = weft_emit_value(l, s, "x", WEFT_READ, w->select->x, 0);
        if (w->const_n > 0) weft_emit_reach(s, x, every, (uint64_t)w->const_n);
        add_results(w, s, every, 1);
    } else {
        uint32_t to = weft_emit_scratch(l, s, "merged", WEFT_WRITE, merged, 0);
        uint64_t out = weft_ceil_div(w->most_n, span * FAN) * least(cfg.k, span * FAN);
        if (w->const_n > 0) weft_emit_reach(s, to, every, 2 * out);
    }
    if (w->const_n > 0) weft_emit_reach(s, from, every, 2 * every);
    weft_emit_int(l, s, "FAN", FAN);
    weft_emit_int(l, s, "LAST", merged == WEFT_NO_TENSOR);
    weft_emit_workgroup(s, MERGE_THREADS, 0);
    weft_emit_items(s, MERGE_THREADS);
}

weft_status weft_select_lower(struct weft_lower *l, const char *label, const struct weft_select *select) {
    const struct weft_type *t = &weft_lv(l, select->x)->type;
    const struct weft_type to = weft_lv(l, select->values)->type;
    struct work w = {.l = l, .select = select, .label = label, .to = WEFT_NO_TENSOR, .n = t->dims[t->rank - 1]};
    w.rows = weft_lower_product(l, t, 0, t->rank - 1);
    w.word = weft_storage_of(weft_lower_dtype(l, select->x))->as_word;
    w.most_rows = (uint64_t)weft_lower_max(l, w.rows);
    w.most_n = (uint64_t)weft_lower_max(l, w.n);
    w.const_n = weft_lower_const(l, w.n);
    weft_dim count = weft_lower_product(l, &to, 0, to.rank);
    weft_lower_place(l, select->x);
    weft_lower_place(l, select->values);
    if (weft_shares_words(to.dtype)) // two rows may share a word
        w.to = weft_lower_scratch(l, "selected values", w.word, (uint64_t)weft_lower_max(l, count));
    uint32_t run = l->profile->software ? SOFTWARE_RUN : RUN;
    uint64_t span = run;
    uint32_t part = w.most_n > span ? pairs(&w, span) : WEFT_NO_TENSOR;
    emit_runs(&w, run, part);
    for (; span < w.most_n && l->status == WEFT_OK; span *= FAN) {
        uint32_t merged = span * FAN < w.most_n ? pairs(&w, span * FAN) : WEFT_NO_TENSOR;
        emit_merge(&w, span, part, merged);
        part = merged;
    }
    if (l->status == WEFT_OK && w.to != WEFT_NO_TENSOR)
        weft_emit_move(l, label, count, (struct weft_place){w.to, WEFT_DIM_ZERO}, w.word, l->places[select->values],
                       to.dtype);
    return l->status;
}
