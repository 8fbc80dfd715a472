/// The part of the check that concerns states of two buffers. It shares nothing with the passes that plan them.
#include "compile/bind.h"
#include "compile/compile.h"
#include "core/error.h"

/// What the steps do to the two buffers of one state.
struct state_audit {
    const struct weft_plan_state *state;
    uint32_t past_key, present_key;
    uint32_t writers;                   ///< operands that wrote the present so far
    uint32_t commits, commit, last_use; ///< commits (a large one is cut); the first; last other user
    uint64_t committed;                 ///< bytes of the state so far
};

static weft_status fault(const struct state_audit *y, const char *label, const char *what) {
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
static bool is_commit(const struct weft_schedule *sc, const struct weft_step *s, struct state_audit *y) {
    uint64_t read = 0, written = 0;
    for (uint32_t i = 0; i < s->n_operands && s->copy.kind; i++) {
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
                                 struct state_audit *y) {
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
static weft_status check_places(const struct weft_plan *plan, const struct weft_schedule *sc) {
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

static weft_status check_state(const struct weft_schedule *sc, struct state_audit *y) {
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

weft_status weft_plan_check_states(const struct weft_plan *plan, const struct weft_schedule *sc) {
    WEFT_TRY(check_places(plan, sc));
    for (uint32_t i = 0; i < plan->n_states; i++) {
        if (plan->states[i].kind == WEFT_STATE_VAR) continue;
        uint32_t key = (uint32_t)WEFT_MEM_STATE << 24 | i;
        struct state_audit y = {.state = &plan->states[i], .past_key = key, .present_key = key | WEFT_STATE_PRESENT};
        WEFT_TRY(check_state(sc, &y));
    }
    return WEFT_OK;
}
