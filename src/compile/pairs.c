/// Pairs of past and present become states, unless the pair or the program keeps them separate.
#include "compile/passes.h"
#include "core/error.h"

static uint8_t causes_of(const struct weft_pair *p, const struct weft_compile_params *params) {
    enum weft_state_policy program = params->state_policy;
    uint8_t causes = 0;
    if (p->policy == WEFT_STATE_SEPARATE && (program == WEFT_STATE_AS_DECLARED || program == WEFT_STATE_SEPARATE))
        causes |= WEFT_SEPARATE_BY_PAIR;
    if (program == WEFT_STATE_SEPARATE) causes |= WEFT_SEPARATE_BY_PROGRAM;
    return causes;
}

static weft_status share(struct weft_plan *plan, const struct weft_pair *p, enum weft_state_policy policy) {
    bool by_itself;
    WEFT_TRY(weft_graph_share_pair(plan->graph, p, policy, &by_itself));
    weft_str_addf(&plan->report, "past '%s' and present '%s' are one state, %s\n", p->past, p->present,
                  by_itself ? "written by its own operator" : "written at the end of the run");
    return WEFT_OK;
}

weft_status weft_pass_pairs(struct weft_compiling *c) {
    struct weft_plan *plan = c->plan;
    const struct weft_compile_params *params = c->params;
    struct weft_graph *g = plan->graph;
    enum weft_state_policy program = params->state_policy;
    if ((unsigned)program > WEFT_STATE_SEPARATE)
        return weft_fail(WEFT_ERR_INVALID, "%d is no policy of states for a program", (int)program);
    plan->pairs = weft_arena_alloc(&plan->arena, (g->n_pairs + 1) * sizeof *plan->pairs);
    if (!plan->pairs) return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph");
    for (size_t i = 0; i < g->n_pairs; i++) {
        const struct weft_pair *p = &g->pairs[i];
        uint8_t causes = causes_of(p, params);
        if (!causes) {
            WEFT_TRY(share(plan, p, program == WEFT_STATE_AS_DECLARED ? p->policy : program));
            continue;
        }
        plan->pairs[plan->n_pairs++] = (struct weft_plan_pair){p->past, p->present, causes};
        weft_str_addf(&plan->report, "past '%s' and present '%s' stay separate\n", p->past, p->present);
    }
    g->n_pairs = 0; // those that are separate are the plan's now
    return WEFT_OK;
}
