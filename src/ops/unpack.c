#include "ops/unpack.h"
#include "core/error.h"
#include <stdio.h>
#include <string.h>

#define UNPACK_PARAMS(F) F(u32, count) F(u32, first)
WEFT_PARAMS(unpack_params, UNPACK_PARAMS)

struct unpack_cfg { uint64_t count; uint32_t first, threads; };

static void unpack_update(const struct weft_update *u, uint32_t *words, uint32_t grid[3])
{
    const struct unpack_cfg *cfg = u->step->cfg;
    struct unpack_params p = {.count = (uint32_t)cfg->count, .first = cfg->first};
    memcpy(words, &p, sizeof p);
    weft_grid_fold((cfg->count + cfg->threads - 1) / cfg->threads, u->caps->max_groups, grid);
}

static const struct weft_kernel unpack_kernel = {"unpack", "ops/unpack.wgsl", unpack_params_fields, unpack_update};

weft_status weft_unpack_lower(struct weft_lower *l, weft_value v)
{
    const struct weft_plan_weight *w = weft_lower_weight(l, v);
    uint32_t items = (uint32_t)((w->k + 31) / 32);
    char label[128];
    snprintf(label, sizeof label, "unpack %s", l->status == WEFT_OK ? w->name : "");
    for (uint32_t part = 0; l->status == WEFT_OK && part < w->n_parts; part++) {
        struct unpack_cfg cfg = {.count = w->parts[part].rows * items, .first = (uint32_t)w->parts[part].row0,
                                 .threads = l->caps->kind == WEFT_GPU_CPU ? 16 : 64};
        struct weft_step *s = weft_emit(l, &unpack_kernel, label, &cfg, sizeof cfg);
        uint8_t flags = w->k % 4 == 0 ? WEFT_OPERAND_WIDE : 0;
        uint32_t y = weft_emit_scratch(l, s, "y", WEFT_WRITE, l->places[v].tensor, flags);
        weft_emit_weight(l, s, "w", w, part);
        weft_emit_text(l, s, "W", "w");
        weft_emit_int(l, s, "W_KB", items);
        weft_emit_int(l, s, "ITEMS", items);
        weft_emit_int(l, s, "K", (int64_t)w->k);
        weft_emit_workgroup(s, cfg.threads, 0);
        if (w->n_parts > 1) continue; // a part's items reach rows of its own
        weft_emit_items(s, cfg.threads);
        weft_emit_reach(s, y, items, w->k);
    }
    return l->status;
}
