/// Cuts the range of one symbol into schedules: each has kernels and a memory plan of its own.
#include "compile/passes.h"
#include "core/error.h"
#include <inttypes.h>

static weft_status out_of_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph"); }

weft_status weft_pass_schedules(struct weft_compiling *c) {
    struct weft_plan *p = c->plan;
    const struct weft_compile_params *params = c->params;
    const struct weft_dims *dims = p->graph->dims;
    uint32_t n = weft_dims_symbol_count(dims);
    int symbol = params->split_symbol ? weft_dims_symbol_find(dims, params->split_symbol) : -1;
    uint32_t pieces = symbol >= 0 ? params->n_splits + 1 : 1;
    p->schedules = weft_arena_alloc(&p->arena, pieces * sizeof *p->schedules);
    if (!p->schedules) return out_of_memory();
    int64_t lo = 0, hi = 0, from;
    if (symbol >= 0) weft_dims_symbol_bounds(dims, (uint32_t)symbol, &lo, &hi);
    from = lo;
    for (uint32_t k = 0; k < pieces; k++) {
        int64_t to = k + 1 < pieces ? params->split_at[k] : hi;
        if (to > hi) to = hi;
        if (symbol >= 0 && to < from) continue;
        if (symbol >= 0 && p->bound && (p->bind[symbol] < from || p->bind[symbol] > to)) {
            from = to + 1;
            continue;
        }
        struct weft_schedule *sc = &p->schedules[p->n_schedules++];
        for (uint32_t i = 0; i < n; i++) weft_dims_symbol_bounds(dims, i, &sc->lo[i], &sc->hi[i]);
        if (symbol >= 0) {
            sc->lo[symbol] = from;
            sc->hi[symbol] = to;
            from = to + 1;
        }
        sc->name = symbol < 0 ? "all"
                              : weft_arena_printf(&p->arena, "%s=%" PRId64 "..%" PRId64, params->split_symbol,
                                                  sc->lo[symbol], sc->hi[symbol]);
        if (!sc->name) return out_of_memory();
    }
    return WEFT_OK;
}
