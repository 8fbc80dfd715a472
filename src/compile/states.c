/// States: pairs become states, policies are chosen, and what states of two buffers need is added to the steps. The
/// check of it stands at the end and shares nothing with the rest.
#include "compile/bind.h"
#include "compile/compile.h"
#include "core/error.h"
#include "ops/state_write.h"
#include <inttypes.h>
#include <string.h>

static weft_status out_of_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory while compiling the graph"); }

// ---- pairs ---------------------------------------------------------------------------------------------------------

static uint8_t causes_of(const struct weft_pair *p, const struct weft_compile_params *params)
{
    enum weft_state_policy program = params ? params->state_policy : WEFT_STATE_AS_DECLARED;
    uint8_t causes = 0;
    if (p->policy == WEFT_STATE_SEPARATE && (program == WEFT_STATE_AS_DECLARED || program == WEFT_STATE_SEPARATE))
        causes |= WEFT_APART_PAIR;
    if (program == WEFT_STATE_SEPARATE) causes |= WEFT_APART_PROGRAM;
    if (params && params->beams > 1) causes |= WEFT_APART_BEAMS;
    return causes;
}

static weft_status share(struct weft_plan *plan, const struct weft_pair *p, enum weft_state_policy policy)
{
    bool by_itself;
    WEFT_TRY(weft_graph_share_pair(plan->graph, p, policy, &by_itself));
    weft_str_addf(&plan->report, "past '%s' and present '%s' are one state, %s\n", p->past, p->present,
                  by_itself ? "written by its own operator" : "written at the end of the run");
    return WEFT_OK;
}

weft_status weft_pass_pairs(struct weft_plan *plan, const struct weft_compile_params *params)
{
    struct weft_graph *g = plan->graph;
    enum weft_state_policy program = params ? params->state_policy : WEFT_STATE_AS_DECLARED;
    if ((unsigned)program > WEFT_STATE_SEPARATE)
        return weft_fail(WEFT_ERR_INVALID, "%d is no policy of states for a program", (int)program);
    plan->beams = params ? params->beams : 0;
    plan->pairs = weft_arena_alloc(&plan->arena, (g->n_pairs + 1) * sizeof *plan->pairs);
    if (!plan->pairs) return out_of_memory();
    for (size_t i = 0; i < g->n_pairs; i++) {
        const struct weft_pair *p = &g->pairs[i];
        uint8_t causes = causes_of(p, params);
        if (!causes) {
            WEFT_TRY(share(plan, p, program == WEFT_STATE_AS_DECLARED ? p->policy : program));
            continue;
        }
        plan->pairs[plan->n_pairs++] = (struct weft_plan_pair){p->past, p->present, causes};
        weft_str_addf(&plan->report, "past '%s' and present '%s' stay apart\n", p->past, p->present);
    }
    g->n_pairs = 0; // those that are apart are the plan's now
    return WEFT_OK;
}

// ---- policies ------------------------------------------------------------------------------------------------------

weft_status weft_state_choose(struct weft_plan *plan, const struct weft_compile_params *params, uint32_t state)
{
    struct weft_plan_state *s = &plan->states[state];
    enum weft_state_policy program = params ? params->state_policy : WEFT_STATE_AS_DECLARED;
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

// ---- steps ---------------------------------------------------------------------------------------------------------

/// Where a run is not active the present must still become the past: a step that writes it reads the past as well.
static void keep_past(struct weft_lower *l, uint32_t step, uint32_t operand)
{
    const struct weft_operand o = l->steps[step].operands[operand];
    const struct weft_tensor t = l->tensors[o.tensor];
    if (t.mem != WEFT_MEM_STATE || !(t.index & WEFT_STATE_PRESENT) || !(o.access & WEFT_WRITE)) return;
    uint32_t past = weft_lower_state_tensor(l, t.index & ~WEFT_STATE_PRESENT, false);
    struct weft_step *s = &l->steps[step];
    for (uint32_t i = 0; i < s->n_operands; i++) {
        const struct weft_operand *p = &s->operands[i];
        if (p->tensor == past && (p->access & WEFT_READ) && p->dtype == o.dtype && p->byte_offset == o.byte_offset &&
            p->elem_offset == o.elem_offset)
            return;
    }
    const char *name = weft_arena_printf(&l->plan->arena, "kept_%s", o.name);
    if (!name || l->status != WEFT_OK) {
        weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while compiling the graph");
        return;
    }
    uint32_t n = weft_emit_scratch(l, s, name, WEFT_READ, past, o.flags & WEFT_OPERAND_WIDE);
    if (l->status != WEFT_OK) return;
    s->operands[n].dtype = o.dtype;
    s->operands[n].byte_offset = o.byte_offset;
    s->operands[n].bytes = o.bytes;
    s->operands[n].elem_offset = o.elem_offset;
    s->operands[n].used = o.used;
    s->operands[n].live = o.live;
    s->operands[n].every = o.every;
    s->operands[n].unit = o.unit;
}

weft_status weft_pass_states(struct weft_lower *l)
{
    const struct weft_plan *plan = l->plan;
    bool two = false;
    for (uint32_t i = 0; i < plan->n_states; i++) two |= weft_state_buffers(&plan->states[i]) == 2;
    for (uint32_t k = 0; two && k < l->n_steps; k++)
        for (uint32_t i = 0, n = l->steps[k].n_operands; i < n && l->status == WEFT_OK; i++) keep_past(l, k, i);
    for (uint32_t i = 0; i < plan->n_states && l->status == WEFT_OK; i++)
        if (plan->states[i].policy == WEFT_STATE_DOUBLE) WEFT_TRY(weft_state_commit_lower(l, i));
    return l->status;
}

// ---- the check -----------------------------------------------------------------------------------------------------

/// What the steps do to the two buffers of one state.
struct story {
    const struct weft_plan_state *state;
    uint32_t past_key, present_key;
    uint32_t writers;                          ///< operands that wrote the present so far
    uint32_t commits, commit, last_use;        ///< commits (a large one is cut); the first; last other user
    uint64_t committed;                        ///< bytes of the state so far
};

static weft_status fault(const struct story *y, const char *label, const char *what)
{
    return weft_fail(WEFT_ERR_INTERNAL, "state '%s' (%s): step '%s' %s", y->state->name,
                     weft_state_policy_name(y->state->policy), label, what);
}

/// The past of the same elements, which a store keeps while the run is not active.
static bool has_past(const struct weft_schedule *sc, const struct weft_step *s, const struct weft_operand *o,
                     uint32_t past_key) {
    for (uint32_t i = 0; i < s->n_operands; i++) {
        const struct weft_operand *p = &s->operands[i];
        if (weft_mem_key(&sc->tensors[p->tensor]) == past_key && (p->access & WEFT_READ) && p->dtype == o->dtype &&
            p->byte_offset == o->byte_offset && p->elem_offset == o->elem_offset)
            return true;
    }
    return false;
}

/// A copy of the present's next bytes to the same bytes of the past, active or not.
static bool is_commit(const struct weft_schedule *sc, const struct weft_step *s, struct story *y)
{
    uint64_t read = 0, written = 0;
    for (uint32_t i = 0; i < s->n_operands && s->is_copy; i++) {
        const struct weft_operand *o = &s->operands[i];
        uint32_t key = weft_mem_key(&sc->tensors[o->tensor]);
        if (o->byte_offset > y->committed) continue;
        if (key == y->present_key && o->access == WEFT_READ) read = o->byte_offset + o->bytes;
        if (key == y->past_key && o->access == WEFT_WRITE && !(o->flags & WEFT_OPERAND_STATE))
            written = o->byte_offset + o->bytes;
    }
    if (read != written || read <= y->committed) return false;
    if (y->committed == 0) y->commit = (uint32_t)(s - sc->steps);
    y->committed = read;
    y->commits++;
    return true;
}

static weft_status check_operand(const struct weft_schedule *sc, uint32_t n, const struct weft_operand *o, bool commit,
                                 struct story *y) {
    const struct weft_step *s = &sc->steps[n];
    uint32_t key = weft_mem_key(&sc->tensors[o->tensor]);
    if (key != y->past_key && key != y->present_key) return WEFT_OK;
    if (key == y->present_key && weft_state_buffers(y->state) == 1) return fault(y, s->label, "names a second buffer");
    if (weft_state_buffers(y->state) == 1 || commit) return WEFT_OK;
    y->last_use = n;
    if (key == y->past_key && (o->access & WEFT_WRITE)) return fault(y, s->label, "writes the past");
    if (key == y->past_key) return WEFT_OK;
    if ((o->access & WEFT_READ) && y->writers == 0) return fault(y, s->label, "reads the present before it is written");
    if (!(o->access & WEFT_WRITE)) return WEFT_OK;
    if (!(o->flags & WEFT_OPERAND_STATE)) return fault(y, s->label, "writes the present even where it is not active");
    if (!has_past(sc, s, o, y->past_key)) return fault(y, s->label, "writes the present without the past at hand");
    y->writers++;
    return WEFT_OK;
}

/// A version's tensor lies in the buffer that the version has: the initial one in the past, the next in the present.
static weft_status check_places(const struct weft_plan *plan, const struct weft_schedule *sc)
{
    for (uint32_t i = 0; i < sc->n_tensors; i++) {
        const struct weft_tensor *t = &sc->tensors[i];
        if (t->mem != WEFT_MEM_STATE || t->value == WEFT_NO_VALUE) continue;
        uint32_t number = plan->graph->values[t->value].state;
        if (number >= plan->n_states || (t->index & ~WEFT_STATE_PRESENT) != number)
            return weft_fail(WEFT_ERR_INTERNAL, "a tensor of state '%s' lies in the buffer of another", t->name);
        const struct weft_plan_state *s = &plan->states[number];
        bool present = weft_state_buffers(s) == 2 && t->value != s->value;
        if (present != ((t->index & WEFT_STATE_PRESENT) != 0))
            return weft_fail(WEFT_ERR_INTERNAL, "state '%s' (%s): its %s lies in the buffer of its %s", s->name,
                             weft_state_policy_name(s->policy), t->value == s->value ? "past" : "present",
                             t->value == s->value ? "present" : "past");
    }
    return WEFT_OK;
}

static weft_status check_state(const struct weft_schedule *sc, struct story *y)
{
    for (uint32_t n = 0; n < sc->n_steps; n++) {
        const struct weft_step *s = &sc->steps[n];
        bool commit = y->state->policy == WEFT_STATE_DOUBLE && is_commit(sc, s, y);
        for (uint32_t i = 0; i < s->n_operands; i++) WEFT_TRY(check_operand(sc, n, &s->operands[i], commit, y));
    }
    if (weft_state_buffers(y->state) == 1) return WEFT_OK;
    if (y->writers == 0) return fault(y, "of the schedule", "that writes the present is missing");
    if (y->state->policy != WEFT_STATE_DOUBLE) return WEFT_OK;
    if (y->committed != y->state->bytes) return fault(y, "commit", y->commits ? "leaves bytes out" : "is missing");
    if (y->last_use > y->commit) return fault(y, sc->steps[y->last_use].label, "comes after the commit");
    return WEFT_OK;
}

weft_status weft_plan_check_states(const struct weft_plan *plan, const struct weft_schedule *sc)
{
    WEFT_TRY(check_places(plan, sc));
    for (uint32_t i = 0; i < plan->n_states; i++) {
        if (plan->states[i].kind == WEFT_STATE_VAR) continue;
        uint32_t key = (uint32_t)WEFT_MEM_STATE << 24 | i;
        struct story y = {.state = &plan->states[i], .past_key = key, .present_key = key | WEFT_STATE_PRESENT};
        WEFT_TRY(check_state(sc, &y));
    }
    return WEFT_OK;
}
