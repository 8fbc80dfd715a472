/// What a step asks of the device beside bindings: grid, workgroup, workgroup memory.
#include "compile/passes.h"
#include "core/error.h"
#include "plan/update.h"

weft_status weft_plan_check_limits(const struct weft_plan *plan, const struct weft_schedule *sc,
                                   const struct weft_step *s) {
    const struct weft_gpu_caps *c = &plan->caps;
    struct weft_update u = {.dims = plan->graph->dims, .symbols = sc->hi, .caps = c, .step = s};
    uint32_t words[WEFT_MAX_WORDS], grid[3];
    weft_step_update(&u, words, grid);
    for (int d = 0; d < 3; d++)
        if (grid[d] > c->max_groups)
            return weft_fail(WEFT_ERR_LIMIT,
                             "step '%s' needs a grid of %u x %u x %u workgroups, the limit is %u a dimension", s->label,
                             grid[0], grid[1], grid[2], c->max_groups);
    const uint32_t *w = s->workgroup;
    if (w[0] > c->max_workgroup_x || w[1] > c->max_workgroup_y || w[2] > c->max_workgroup_z ||
        (uint64_t)w[0] * w[1] * w[2] > c->max_invocations)
        return weft_fail(
            WEFT_ERR_LIMIT,
            "step '%s' has workgroups of %u x %u x %u threads, the device allows %u x %u x %u and %u in all", s->label,
            w[0], w[1], w[2], c->max_workgroup_x, c->max_workgroup_y, c->max_workgroup_z, c->max_invocations);
    if (s->workgroup_memory > c->workgroup_memory)
        return weft_fail(WEFT_ERR_LIMIT, "step '%s' needs %u bytes of workgroup memory, the device has %u", s->label,
                         s->workgroup_memory, c->workgroup_memory);
    return WEFT_OK;
}

weft_status weft_pass_limits(struct weft_compiling *c) {
    const struct weft_schedule *sc = c->schedule;
    for (uint32_t i = 0; i < sc->n_steps; i++) {
        weft_status status = weft_plan_check_limits(c->plan, sc, &sc->steps[i]);
        if (status == WEFT_ERR_LIMIT) status = weft_too_large(c, sc->steps[i].group, false);
        WEFT_TRY(status);
    }
    return WEFT_OK;
}
