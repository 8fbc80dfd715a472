/// Inputs and outputs of the plan, in the order of the graph's values.
#include "compile/passes.h"
#include "core/error.h"
#include "plan/memory.h"
#include <inttypes.h>

static weft_status out_of_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph"); }

weft_status weft_pass_io(struct weft_compiling *c) {
    struct weft_plan *p = c->plan;
    struct weft_graph *g = p->graph;
    p->ios = weft_arena_alloc(&p->arena, (g->n_values + 1) * sizeof *p->ios);
    if (!p->ios) return out_of_memory();
    for (uint32_t v = 0; v < g->n_values; v++) {
        const struct weft_value_info *info = &g->values[v];
        if (info->kind == WEFT_VALUE_INPUT)
            p->ios[p->n_ios++] = (struct weft_plan_io){.name = info->name, .value = v, .dtype = info->type.dtype};
        else if (info->is_output && info->state == UINT32_MAX)
            p->ios[p->n_ios++] = (struct weft_plan_io){.name = info->output_name ? info->output_name : info->name,
                                                       .value = v,
                                                       .dtype = info->type.dtype,
                                                       .is_output = true};
        else continue;
        uint64_t bytes = weft_plan_io_live_bytes(p, p->n_ios - 1, NULL);
        if (bytes > p->caps.max_buffer)
            return weft_fail(WEFT_ERR_LIMIT,
                             "%s '%s' may take %" PRIu64 " bytes, a buffer of this device has at most %" PRIu64
                             "; lower the bounds of its symbols",
                             info->kind == WEFT_VALUE_INPUT ? "input" : "output", p->ios[p->n_ios - 1].name, bytes,
                             p->caps.max_buffer);
    }
    return WEFT_OK;
}
