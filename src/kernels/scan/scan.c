#include "kernels/scan/scan.h"
#include "kernels/copy/move.h"
#include "plan/expr_wgsl.h"
#include "plan/round.h"
#include "plan/update.h"
#include <stdio.h>
#include <string.h>

#define SCAN_PARAMS(F) F(u32, groups) F(u32, lines) F(u32, n) F(u32, inner) F(u32, chunks)
WEFT_PARAMS(scan_params, SCAN_PARAMS)

enum {
    PER = 8,             ///< elements of a thread, a multiple of 4
    THREADS = 256,       ///< what every device has
    SIDE = 32,           ///< lines side by side where elements of a line are no neighbours, so that loads are
    STREAM_CHUNKS = 8,   ///< a line of so many chunks is walked: three steps would take longer
    STREAM_GROUPS = 128, ///< so many workgroups that walk keep a device busy
};

enum scan_mode { SCAN_LINES, SCAN_TOTALS, SCAN_FROM_TOTALS };

/// How the threads of a workgroup stand: `side` lines of `lanes` threads.
struct scan_shape {
    uint32_t threads, lanes, side;
    bool stream;
};

struct scan_cfg {
    weft_dim lines, n, inner;
    uint32_t of; ///< a line has an element for so many of n: 1, or those of a chunk
    uint32_t chunk, side;
    bool stream;
};

static void scan_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct scan_cfg *cfg = u->step->cfg;
    uint64_t lines = (uint64_t)weft_live(u, cfg->lines);
    uint64_t n = ((uint64_t)weft_live(u, cfg->n) + cfg->of - 1) / cfg->of, chunks = (n + cfg->chunk - 1) / cfg->chunk;
    uint64_t blocks = (lines + cfg->side - 1) / cfg->side, groups = cfg->stream && chunks ? blocks : blocks * chunks;
    struct scan_params p = {.groups = (uint32_t)groups,
                            .lines = (uint32_t)lines,
                            .n = (uint32_t)n,
                            .inner = (uint32_t)weft_live(u, cfg->inner),
                            .chunks = chunks ? (uint32_t)chunks : 1};
    memcpy(words, &p, sizeof p);
    weft_grid_fold(groups, u->caps->max_groups, grid);
}

static const struct weft_kernel scan_kernel = {"scan", "kernels/scan/scan.wgsl", scan_params_fields, scan_update};

// ---- shapes --------------------------------------------------------------------------------------------------------

/// The least power of two that is no less than n, at most `most`, which is one.
static uint32_t pow2_up(uint64_t n, uint32_t most) {
    uint32_t p = 1;
    while (p < n && p < most) p *= 2;
    return p;
}

/// Of at most `lines` lines of at most n elements. `inner` is how far apart these are at most, 0: they are neighbours.
static struct scan_shape choose(const struct weft_lower *l, uint64_t lines, uint64_t n, uint64_t inner) {
    struct scan_shape s = {.threads = l->profile->software ? 32 : THREADS};
    if (inner && l->profile->invariant) inner = SIDE; // how far apart may depend on how many lines there are
    s.lanes = pow2_up(weft_ceil_div(n, PER), inner ? s.threads / pow2_up(inner, SIDE) : s.threads);
    s.side = s.threads / s.lanes;
    uint64_t chunks = weft_ceil_div(n, (uint64_t)s.lanes * PER);
    bool busy = !l->profile->invariant && weft_ceil_div(lines, s.side) >= STREAM_GROUPS;
    s.stream = chunks > 1 && (chunks <= STREAM_CHUNKS || busy);
    return s;
}

// ---- steps ---------------------------------------------------------------------------------------------------------

static struct weft_step *emit(struct weft_lower *l, const char *label, const struct weft_scan *scan, weft_dtype dtype,
                              const struct scan_cfg *cfg, const struct scan_shape *shape, enum scan_mode mode) {
    struct weft_step *s = weft_emit(l, &scan_kernel, label, cfg, sizeof *cfg);
    int64_t inner = weft_lower_const(l, cfg->inner);
    char text[24] = "p.inner"; // a constant 0 must not divide
    if (inner > 0) snprintf(text, sizeof text, "%lldu", (long long)inner);
    weft_emit_text(l, s, "INNER", text);
    weft_emit_text(l, s, "T", weft_xtype_name(weft_x_type_of(dtype)));
    weft_emit_int(l, s, "KIND", scan->kind);
    weft_emit_int(l, s, "MODE", mode);
    weft_emit_int(l, s, "STREAM", cfg->stream);
    weft_emit_int(l, s, "EXCLUSIVE", scan->exclusive);
    weft_emit_int(l, s, "REVERSE", scan->reverse);
    weft_emit_int(l, s, "LANES", shape->lanes);
    weft_emit_int(l, s, "PER", PER);
    weft_emit_workgroup(s, shape->threads, shape->lanes > 1 ? 2 * shape->threads * 4 : 0);
    return s;
}

/// Lets the step be cut: which elements of x or y its workgroups reach, where that is constant.
static void reach(struct weft_lower *l, struct weft_step *s, uint32_t operand, const struct scan_cfg *cfg) {
    int64_t n = cfg->of == 1 ? weft_lower_const(l, cfg->n) : -1, inner = weft_lower_const(l, cfg->inner);
    bool one_line = weft_lower_const(l, cfg->lines) == 1, walks = cfg->stream || (n > 0 && n <= cfg->chunk);
    weft_emit_items(s, walks ? cfg->side : 1);
    if (n <= 0 || inner <= 0) {
        if (!walks && one_line) weft_emit_reach(s, operand, 1, cfg->chunk);
    } else if (walks) {
        weft_emit_reach(s, operand, (uint64_t)inner, (uint64_t)(n * inner));
    } else if (cfg->side == 1 && inner == 1 && (one_line || n % cfg->chunk == 0)) {
        weft_emit_reach(s, operand, 1, cfg->chunk);
    } else if (inner % cfg->side == 0) {
        weft_emit_reach(s, operand, weft_ceil_div((uint64_t)n, cfg->chunk) * (uint64_t)(inner / cfg->side),
                        (uint64_t)(n * inner));
    }
}

/// What a scan is made of: its lines, where they go, and whether by four.
struct scan_work {
    struct weft_lower *l;
    const struct weft_scan *scan;
    const char *label;
    weft_dtype dtype; ///< of totals
    uint32_t to;      ///< scratch tensor for y, or WEFT_NO_TENSOR
    bool wide;
    struct scan_cfg cfg;
    struct scan_shape shape;
};

static void add_x(const struct scan_work *w, struct weft_step *s) {
    reach(w->l, s, weft_emit_value(w->l, s, "x", WEFT_READ, w->scan->x, w->wide ? WEFT_OPERAND_WIDE : 0), &w->cfg);
    weft_emit_int(w->l, s, "WIDE", w->wide);
}

static void add_y(const struct scan_work *w, struct weft_step *s) {
    uint8_t flags = w->wide ? WEFT_OPERAND_WIDE : 0;
    uint32_t y = w->to == WEFT_NO_TENSOR ? weft_emit_value(w->l, s, "y", WEFT_WRITE, w->scan->y, flags)
                                         : weft_emit_scratch(w->l, s, "y", WEFT_WRITE, w->to, flags);
    reach(w->l, s, y, &w->cfg);
}

static void add_part(const struct scan_work *w, struct weft_step *s, enum weft_access access, uint32_t tensor) {
    uint32_t part = weft_emit_scratch(w->l, s, "part", access, tensor, 0);
    if (w->shape.side == 1) weft_emit_reach(s, part, 1, 1);
}

/// Totals of chunks, those in front of each chunk, and each chunk from there.
static void emit_split(struct scan_work *w, uint64_t lines, uint64_t chunks) {
    struct weft_lower *l = w->l;
    uint32_t totals = weft_lower_scratch(l, "totals of chunks", w->dtype, lines * chunks);
    uint32_t before = weft_lower_scratch(l, "totals in front of chunks", w->dtype, lines * chunks);
    struct weft_step *s = emit(l, w->label, w->scan, w->dtype, &w->cfg, &w->shape, SCAN_TOTALS);
    add_x(w, s);
    add_part(w, s, WEFT_WRITE, totals);

    struct weft_scan over = *w->scan;
    over.exclusive = true;
    struct scan_shape shape = choose(l, lines, chunks, 0);
    struct scan_cfg cfg = {.lines = w->cfg.lines,
                           .n = w->cfg.n,
                           .inner = weft_dim_const(l->graph->dims, 1),
                           .of = w->cfg.chunk,
                           .chunk = shape.lanes * PER,
                           .side = shape.side};
    cfg.stream = chunks > cfg.chunk;
    s = emit(l, w->label, &over, w->dtype, &cfg, &shape, SCAN_LINES);
    weft_emit_scratch(l, s, "x", WEFT_READ, totals, 0);
    weft_emit_scratch(l, s, "y", WEFT_WRITE, before, 0);
    weft_emit_int(l, s, "WIDE", 0);

    s = emit(l, w->label, w->scan, w->dtype, &w->cfg, &w->shape, SCAN_FROM_TOTALS);
    add_x(w, s);
    add_part(w, s, WEFT_READ, before);
    add_y(w, s);
}

static uint64_t most(const struct weft_lower *l, weft_dim d) {
    int64_t n = weft_lower_max(l, d);
    return n > 0 ? (uint64_t)n : 0;
}

weft_status weft_scan_lower(struct weft_lower *l, const char *label, const struct weft_scan *scan) {
    const struct weft_type *t = &weft_lv(l, scan->x)->type, *to = &weft_lv(l, scan->y)->type;
    struct scan_work w = {.l = l, .scan = scan, .label = label, .dtype = to->dtype, .to = WEFT_NO_TENSOR};
    w.cfg = (struct scan_cfg){
        .n = t->dims[scan->axis], .inner = weft_lower_product(l, t, scan->axis + 1, t->rank), .of = 1};
    w.cfg.lines = weft_dim_mul(l->graph->dims, weft_lower_product(l, t, 0, scan->axis), w.cfg.inner);
    uint64_t lines = most(l, w.cfg.lines), n = most(l, w.cfg.n);
    uint64_t inner = most(l, w.cfg.inner);
    w.shape = choose(l, lines, n, weft_lower_const(l, w.cfg.inner) == 1 ? 0 : inner < 2 ? 2 : inner);
    w.cfg.chunk = w.shape.lanes * PER;
    w.cfg.side = w.shape.side;
    w.cfg.stream = w.shape.stream;
    weft_lower_place(l, scan->x);
    weft_lower_place(l, scan->y);
    weft_dim count = weft_lower_product(l, t, 0, t->rank);
    if (weft_is_half(to->dtype)) { // two lines may share a word
        w.dtype = WEFT_F32;
        w.to = weft_lower_scratch(l, "running totals", WEFT_F32, most(l, count));
    }
    w.wide = scan->axis + 1 == t->rank && weft_lower_wide(l, scan->x) && weft_lower_wide(l, scan->y);
    if (w.cfg.stream || n <= w.cfg.chunk) {
        struct weft_step *s = emit(l, label, scan, w.dtype, &w.cfg, &w.shape, SCAN_LINES);
        add_x(&w, s);
        add_y(&w, s);
    } else {
        emit_split(&w, lines, weft_ceil_div(n, w.cfg.chunk));
    }
    if (l->status == WEFT_OK && w.to != WEFT_NO_TENSOR)
        weft_emit_move(l, label, count, (struct weft_place){w.to, WEFT_DIM_ZERO}, WEFT_F32, l->places[scan->y],
                       to->dtype);
    return l->status;
}
