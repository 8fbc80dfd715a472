/// States and variables of the plan: their bytes, words and policies. The report says where a state is not in place, or
/// stays in place against what the program asks for.
#include "compile/passes.h"
#include "core/error.h"
#include "plan/update.h"
#include <inttypes.h>

static weft_status out_of_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph"); }

static uint64_t max_count(const struct weft_graph *g, const struct weft_type *t, uint32_t first) {
    uint64_t n = 1;
    for (uint32_t i = first; i < t->rank; i++) {
        int64_t lo, hi;
        weft_dim_bounds(g->dims, t->dims[i], &lo, &hi);
        n = weft_bytes_times(n, hi > 0 ? (uint64_t)hi : 0);
    }
    return n;
}

/// Decides a state's policy.
static weft_status choose(struct weft_plan *plan, enum weft_state_policy program, uint32_t state) {
    struct weft_plan_state *s = &plan->states[state];
    if (program == WEFT_STATE_IN_PLACE) s->policy = program;
    if (program == WEFT_STATE_PING_PONG || program == WEFT_STATE_DOUBLE) {
        struct weft_str why = {0};
        if (weft_graph_state_whole(plan->graph, state, &why)) {
            s->policy = program;
        } else {
            s->policy = WEFT_STATE_IN_PLACE;
            weft_str_addf(&plan->report, "state '%s' stays in place: it %s\n", s->name, weft_str_get(&why));
        }
        weft_str_free(&why);
    }
    if (s->kind != WEFT_STATE_VAR) WEFT_TRY(weft_graph_state_policy(plan->graph, s->value, s->policy));
    if (s->policy == WEFT_STATE_PING_PONG)
        weft_str_addf(&plan->report, "state '%s' has two buffers of %" PRIu64 " bytes that take turns\n", s->name,
                      s->bytes);
    if (s->policy == WEFT_STATE_DOUBLE)
        weft_str_addf(&plan->report, "state '%s' has two buffers; %" PRIu64 " bytes are copied at the end of a run\n",
                      s->name, s->bytes);
    return WEFT_OK;
}

weft_status weft_pass_states(struct weft_compiling *c) {
    struct weft_plan *p = c->plan;
    struct weft_graph *g = p->graph;
    p->states = weft_arena_alloc(&p->arena, (g->n_states + 1) * sizeof *p->states);
    if (!p->states) return out_of_memory();
    p->n_vars = 1; // word 0 is the activity, which every session has
    for (size_t i = 0; i < g->n_states; i++) {
        const struct weft_value_info *info = &g->values[g->states[i]];
        struct weft_plan_state *s = &p->states[p->n_states++];
        *s = (struct weft_plan_state){
            .value = g->states[i], .name = info->name, .kind = info->state_kind, .policy = info->policy};
        if (s->kind == WEFT_STATE_VAR) {
            int64_t words = 1;
            if (info->type.rank) weft_dim_is_const(g->dims, info->type.dims[0], &words);
            s->slots = (uint32_t)words;
            s->var_slot = info->is_activity ? WEFT_VAR_ACTIVE : p->n_vars;
            if (!info->is_activity) p->n_vars += s->slots;
            if (p->n_vars > WEFT_MOST_VARS)
                return weft_fail(WEFT_ERR_LIMIT, "the graph's variables take more than %d words", WEFT_MOST_VARS - 1);
            continue;
        }
        uint32_t axis = info->by_slot; // of the rows
        bool has_rows = info->type.rank > axis;
        s->slots = axis ? (uint32_t)max_count(g, &(struct weft_type){.rank = 1, .dims = {info->type.dims[0]}}, 0) : 1;
        s->rows = has_rows ? max_count(g, &(struct weft_type){.rank = 1, .dims = {info->type.dims[axis]}}, 0) : 1;
        s->row_bytes = weft_bytes_times(max_count(g, &info->type, has_rows ? axis + 1 : axis),
                                        weft_accessor_width(info->type.dtype));
        s->bytes = weft_align256(weft_plan_state_used_bytes(s));
        if (s->bytes == 0) s->bytes = 256;
        WEFT_TRY(choose(p, c->params->state_policy, (uint32_t)i));
        if (s->kind == WEFT_STATE_PAGED) { // its pool has as many pages as there is room for
            s->bytes = weft_plan_state_used_bytes(s);
            continue;
        }
        if (s->bytes > p->caps.max_buffer)
            return weft_fail(WEFT_ERR_LIMIT,
                             "state '%s' needs %" PRIu64 " bytes, a buffer of this device has at most %" PRIu64
                             "; choose a smaller context",
                             s->name, s->bytes, p->caps.max_buffer);
    }
    return WEFT_OK;
}
