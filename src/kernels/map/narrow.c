/// Halves of the f32 values that a program stored where it can't know who owns a word of two.
#include "core/error.h"
#include "kernels/copy/move.h"
#include "kernels/map/region.h"

#define NARROW_PARAMS(F) F(u32, count)
WEFT_PARAMS(narrow_params, NARROW_PARAMS)

enum { NARROW_THREADS = 64 };

struct narrow_cfg {
    weft_dim count;
};

static void narrow_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3]) {
    const struct narrow_cfg *cfg = u->step->cfg;
    words[0] = (uint32_t)weft_live(u, cfg->count);
    weft_grid_fold(((uint64_t)words[0] + 2 * NARROW_THREADS - 1) / (2 * NARROW_THREADS), u->caps->max_groups, grid);
}

static const struct weft_kernel narrow_kernel = {"narrow", "kernels/map/narrow.wgsl", narrow_params_fields,
                                                 narrow_update};

static void emit_narrow(struct weft_lower *l, const char *label, weft_value v, weft_dim count, uint32_t tensor) {
    struct narrow_cfg cfg = {count};
    struct weft_step *s = weft_emit(l, &narrow_kernel, label, &cfg, sizeof cfg);
    uint32_t x = weft_emit_scratch(l, s, "x", WEFT_READ, tensor, 0);
    uint32_t y = weft_emit_value(l, s, "y", WEFT_WRITE, v, 0);
    weft_emit_workgroup(s, NARROW_THREADS, 0);
    weft_emit_items(s, 2 * NARROW_THREADS);
    weft_emit_reach(s, x, 2, 2);
    weft_emit_reach(s, y, 2, 2);
}

void weft_region_narrow(struct weft_xstep *t) {
    struct weft_lower *l = t->l;
    for (uint32_t i = 0; i < t->n_narrow && l->status == WEFT_OK; i++) {
        weft_value v = t->narrow[i].v;
        const struct weft_type *type = weft_x_stored_type(l, v);
        const struct weft_node *range = weft_x_range_writer(l, v);
        weft_dim count = weft_lower_product(l, type, 0, type->rank);
        weft_dtype half = weft_lv(l, range ? range->out[0] : v)->type.dtype;
        const char *label = weft_arena_printf(&l->plan->arena, "narrow to %s", weft_dtype_name(half));
        if (!label) weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while compiling the graph");
        else if (!range) emit_narrow(l, label, v, count, t->narrow[i].tensor);
        else
            weft_emit_move(l, label, count, (struct weft_place){t->narrow[i].tensor, WEFT_DIM_BAD}, WEFT_F32,
                           weft_lower_range(l, range), half);
    }
    t->n_narrow = 0;
}
