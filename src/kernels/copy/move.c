#include "kernels/copy/move.h"
#include "plan/update.h"
#include <string.h>

#define MOVE_PARAMS(F) F(u32, count)
WEFT_PARAMS(move_params, MOVE_PARAMS)

/// What a thread moves.
enum {
    WORDS,   ///< `unit` elements of 32 bits
    JOINED,  ///< a word of `unit` elements, each from a word of its own
    PARTIAL, ///< a word of `unit` elements, of which some or all are set
};

struct move_cfg {
    weft_dim count;
    uint32_t threads, mode, unit;
};

static void move_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct move_cfg *cfg = u->step->cfg;
    struct move_params p = {.count = (uint32_t)weft_live(u, cfg->count)};
    memcpy(words, &p, sizeof p);
    uint64_t elements = p.count;
    if (cfg->mode == PARTIAL && elements) elements += cfg->unit - 1; // the range may start anywhere in a word
    uint64_t items = (elements + cfg->unit - 1) / cfg->unit;
    weft_grid_fold((items + cfg->threads - 1) / cfg->threads, u->caps->max_groups, grid);
}

static const struct weft_kernel move_kernel = {"move", "kernels/copy/move.wgsl", move_params_fields, move_update};

static uint32_t threads_for(const struct weft_lower *l) { return weft_tile_of(l->profile, WEFT_TILE_COPY, 0)->threads; }

/// A range may be larger than a binding: unless it may begin inside a word the step can be cut anywhere.
static void finish(struct weft_lower *l, struct weft_step *s, const struct move_cfg *cfg, bool cuts, uint32_t x,
                   uint32_t y) {
    weft_emit_int(l, s, "MODE", cfg->mode);
    weft_emit_int(l, s, "UNIT", cfg->unit);
    weft_emit_workgroup(s, cfg->threads, 0);
    if (!cuts) return;
    weft_emit_items(s, cfg->threads);
    weft_emit_reach(s, x, 1, cfg->unit);
    weft_emit_reach(s, y, 1, cfg->unit);
}

/// True if nothing stands behind what is moved to the place, so that the last word is the move's own.
static bool is_whole(const struct weft_lower *l, struct weft_place to) {
    return to.elem_offset == WEFT_DIM_ZERO && l->tensors[to.tensor].mem != WEFT_MEM_STATE;
}

struct weft_step *weft_emit_move(struct weft_lower *l, const char *label, weft_dim count, struct weft_place from,
                                 weft_dtype from_type, struct weft_place to, weft_dtype to_type) {
    const struct weft_storage *storage = weft_storage_of(to_type);
    uint32_t per = storage->per_word;
    bool raw = weft_shares_words(from_type);
    bool first = from.elem_offset == WEFT_DIM_ZERO && to.elem_offset == WEFT_DIM_ZERO;
    int64_t n = weft_lower_const(l, count);
    if (per > 1 && raw && first && n > 0 && n % per == 0) { // whole words
        n /= per;
        per = 1;
        raw = false;
        count = weft_dim_const(l->graph->dims, n);
    }
    bool aligned = weft_dim_is_multiple(l->graph->dims, to.elem_offset, per);
    bool own = aligned && (weft_dim_is_multiple(l->graph->dims, count, per) || is_whole(l, to));
    struct move_cfg cfg = {.count = count,
                           .threads = threads_for(l),
                           .mode = per == 1      ? WORDS
                                   : raw || !own ? PARTIAL
                                                 : JOINED,
                           .unit = per > 1                         ? per
                                   : first && n >= 0 && n % 4 == 0 ? 4
                                                                   : 1};
    uint8_t flags = (uint8_t)(WEFT_OPERAND_INPLACE | (cfg.mode == WORDS && cfg.unit == 4 ? WEFT_OPERAND_WIDE : 0));
    uint8_t bits = (uint8_t)(flags | (cfg.mode == PARTIAL ? WEFT_OPERAND_BITS : 0));
    struct weft_step *s = weft_emit(l, &move_kernel, label, &cfg, sizeof cfg);
    uint32_t x = weft_emit_place(l, s, "x", WEFT_READ, from, per > 1 ? from_type : WEFT_U32, count, raw ? bits : flags);
    uint32_t y = weft_emit_place(l, s, "y", WEFT_WRITE, to, per > 1 ? to_type : WEFT_U32, count, bits);
    weft_emit_int(l, s, "RAW", raw);
    weft_emit_int(l, s, "ONES", per == 4 ? 0xff : 0xffff);
    weft_emit_text(l, s, "TYPE", storage->real ? "f32" : storage->negative ? "i32" : "u32");
    finish(l, s, &cfg, per == 1 || aligned, x, y);
    return s;
}

weft_status weft_move_value(struct weft_lower *l, const char *label, weft_value from, weft_value to) {
    const struct weft_type *t = &weft_lv(l, to)->type;
    weft_lower_place(l, to);
    weft_lower_place(l, from);
    if (l->status != WEFT_OK) return l->status;
    weft_emit_move(l, label, weft_lower_product(l, t, 0, t->rank), l->places[from], t->dtype, l->places[to], t->dtype);
    return l->status;
}

void weft_move_is_copy(struct weft_lower *l, struct weft_step *s, weft_dim count, weft_dtype to_type, const char *why) {
    int64_t n = weft_lower_max(l, count);
    s->copy = (struct weft_step_copy){.kind = WEFT_COPY_ALIAS,
                                      .bytes = n > 0 ? weft_bytes_times((uint64_t)n, weft_accessor_width(to_type)) : 0,
                                      .why = why ? why : "out of memory"};
}

weft_status weft_move_commit(struct weft_lower *l, uint32_t state) {
    const struct weft_plan_state *p = &l->plan->states[state];
    uint32_t past = weft_lower_state_tensor(l, state, false), present = weft_lower_state_tensor(l, state, true);
    if (l->status != WEFT_OK) return l->status;
    struct move_cfg cfg = {.count = weft_dim_const(l->graph->dims, (int64_t)(p->bytes / 4)),
                           .threads = threads_for(l),
                           .mode = WORDS,
                           .unit = 4};
    const char *label = weft_arena_printf(&l->plan->arena, "commit %s", p->name);
    struct weft_step *s = weft_emit(l, &move_kernel, label, &cfg, sizeof cfg);
    uint32_t x = weft_emit_scratch(l, s, "x", WEFT_READ, present, WEFT_OPERAND_WIDE);
    uint32_t y = weft_emit_scratch(l, s, "y", WEFT_WRITE, past, WEFT_OPERAND_WIDE);
    if (l->status != WEFT_OK) return l->status;
    s->operands[x].dtype = s->operands[y].dtype = WEFT_U32;
    s->operands[x].used = s->operands[y].used = p->bytes;
    finish(l, s, &cfg, true, x, y);
    s->writes_state = true;
    s->copy = (struct weft_step_copy){.kind = WEFT_COPY_COMMIT,
                                      .bytes = p->bytes,
                                      .why = "the state is double-buffered: its present becomes its past"};
    return l->status;
}
