#include "plan/memory.h"
#include "plan/update.h"

int64_t weft_plan_max(const struct weft_plan *plan, weft_dim d) {
    int64_t lo, hi;
    if (plan->bound) return weft_dim_eval(plan->graph->dims, d, plan->bind);
    weft_dim_bounds(plan->graph->dims, d, &lo, &hi);
    return hi;
}

uint64_t weft_plan_io_live_bytes(const struct weft_plan *plan, uint32_t io, const int64_t *symbols) {
    const struct weft_type *t = &plan->graph->values[plan->ios[io].value].type;
    uint64_t n = weft_accessor_width(t->dtype);
    for (uint32_t a = 0; a < t->rank; a++) {
        int64_t hi = symbols ? weft_dim_eval(plan->graph->dims, t->dims[a], symbols) : weft_plan_max(plan, t->dims[a]);
        n = weft_bytes_times(n, hi > 0 ? (uint64_t)hi : 0);
    }
    return (n + 3) & ~(uint64_t)3;
}

uint64_t weft_plan_io_bytes(const struct weft_plan *plan, uint32_t io) {
    uint64_t bytes = weft_align256(weft_plan_io_live_bytes(plan, io, NULL));
    return bytes ? bytes : 256;
}

uint32_t weft_plan_most_steps(const struct weft_plan *plan) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < plan->n_schedules; i++)
        if (plan->schedules[i].n_steps > most) most = plan->schedules[i].n_steps;
    return most;
}

uint64_t weft_plan_param_bytes(const struct weft_plan *plan) {
    return (uint64_t)weft_plan_most_steps(plan) * WEFT_PARAM_SLOT * WEFT_PARAM_VERSIONS + WEFT_PARAM_SLOT;
}

struct weft_memory_use weft_plan_memory(const struct weft_plan *plan) {
    struct weft_memory_use m = {.params = weft_plan_param_bytes(plan)};
    for (uint32_t i = plan->shared_shards; i < plan->n_shards; i++) m.weights += plan->shard_bytes[i];
    for (uint32_t h = 0; h < WEFT_HEAPS; h++) m.transients += plan->heap_bytes[h];
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (plan->states[i].kind != WEFT_STATE_PAGED)
            m.states += plan->states[i].bytes * weft_state_buffers(&plan->states[i]);
    m.states += plan->vars_bytes + (plan->checked ? WEFT_FAULT_BYTES : 0); // variables and page tables, and faults
    for (uint32_t g = 0; g < plan->n_page_groups; g++)
        m.pages +=
            ((uint64_t)plan->page_groups[g].n * plan->page_groups[g].slots + 1) * plan->page_groups[g].page_bytes;
    for (uint32_t i = 0; i < plan->n_ios; i++) m.io += weft_plan_io_bytes(plan, i);
    return m;
}

uint64_t weft_plan_lower_bound(const struct weft_plan *plan) {
    uint64_t bound = 0;
    for (uint32_t i = 0; i < plan->n_schedules; i++)
        if (plan->schedules[i].lower_bound > bound) bound = plan->schedules[i].lower_bound;
    return bound;
}
