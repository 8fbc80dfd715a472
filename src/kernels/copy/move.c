#include "kernels/copy/move.h"
#include "plan/update.h"
#include <string.h>

#define MOVE_PARAMS(F) F(u32, count)
WEFT_PARAMS(move_params, MOVE_PARAMS)

struct move_cfg {
    weft_dim count;
    uint32_t threads;
    bool half;
};

static void move_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct move_cfg *cfg = u->step->cfg;
    struct move_params p = {.count = (uint32_t)weft_live(u, cfg->count)};
    memcpy(words, &p, sizeof p);
    uint64_t items =
        cfg->half && p.count ? (uint64_t)p.count / 2 + 1 : p.count; // words, the range starting at any half
    weft_grid_fold((items + cfg->threads - 1) / cfg->threads, u->caps->max_groups, grid);
}

static const struct weft_kernel move_kernel = {"assign", "kernels/copy/move.wgsl", move_params_fields, move_update};

struct weft_step *weft_emit_move(struct weft_lower *l, const char *label, weft_dim count, struct weft_place from,
                                 weft_dtype from_type, struct weft_place to, weft_dtype to_type) {
    bool half = weft_is_half(to_type), raw = weft_is_half(from_type);
    struct move_cfg cfg = {
        .count = count, .threads = weft_tile_of(l->profile, WEFT_TILE_COPY, 0)->threads, .half = half};
    struct weft_step *s = weft_emit(l, &move_kernel, label, &cfg, sizeof cfg);
    weft_emit_place(l, s, "x", WEFT_READ, from, half ? from_type : WEFT_U32, count,
                    WEFT_OPERAND_INPLACE | (raw ? WEFT_OPERAND_BITS : 0));
    weft_emit_place(l, s, "y", WEFT_WRITE, to, half ? to_type : WEFT_U32, count,
                    WEFT_OPERAND_INPLACE | (half ? WEFT_OPERAND_BITS : 0));
    weft_emit_int(l, s, "HALF", half);
    weft_emit_int(l, s, "FROM_HALF", raw);
    weft_emit_workgroup(s, cfg.threads, 0);
    return s;
}

void weft_move_is_copy(struct weft_lower *l, struct weft_step *s, weft_dim count, weft_dtype to_type, const char *why) {
    int64_t n = weft_lower_max(l, count);
    s->copy = (struct weft_step_copy){.kind = WEFT_COPY_ALIAS,
                                      .bytes = n > 0 ? weft_bytes_times((uint64_t)n, weft_accessor_width(to_type)) : 0,
                                      .why = why ? why : "out of memory"};
}
