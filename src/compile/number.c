/// Numbers the distinct kernels: steps of equal text share a pipeline.
#include "compile/passes.h"
#include "core/error.h"
#include "core/map.h"

/// A step may clear the activity: it writes variables other than by moving positions on.
static bool may_stop(const struct weft_plan *p) {
    for (uint32_t k = 0; k < p->n_schedules; k++) {
        const struct weft_schedule *sc = &p->schedules[k];
        for (uint32_t i = 0; i < sc->n_steps; i++) {
            const struct weft_step *s = &sc->steps[i];
            for (uint32_t o = 0; o < s->n_operands && !s->only_advances; o++)
                if ((s->operands[o].flags & WEFT_OPERAND_VARS) && (s->operands[o].access & WEFT_WRITE)) return true;
        }
    }
    return false;
}

weft_status weft_pass_number(struct weft_compiling *c) {
    struct weft_plan *p = c->plan;
    struct weft_map seen = {0};
    weft_status status = WEFT_OK;
    for (uint32_t k = 0; k < p->n_schedules; k++) {
        for (uint32_t i = 0; i < p->schedules[k].n_steps; i++) {
            struct weft_step *s = &p->schedules[k].steps[i];
            uint64_t number; // equal texts are one string (weft_bind_wgsl)
            if (!weft_map_get(&seen, &s->bound.wgsl, sizeof s->bound.wgsl, &number)) {
                number = p->n_pipelines++;
                if (!weft_map_set(&seen, &s->bound.wgsl, sizeof s->bound.wgsl, number))
                    status = weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph");
            }
            s->bound.pipeline = (uint32_t)number;
        }
    }
    p->may_stop = may_stop(p);
    weft_map_free(&seen);
    return status;
}
