/// Runs, and what a checked program's runs left in the fault buffer.
#include "core/alloc.h"
#include "core/error.h"
#include "exec/session/impl.h"
#include <stdio.h>
#include <string.h>

enum { MOST_RUNS = 65536 }; // of a submit; room is made for all

weft_status weft_run_init(weft_session *s, const struct weft_session_params *params) {
    s->run.checker = params->checker;
    s->run.most = params->max_runs ? params->max_runs : 16;
    if (s->run.most > MOST_RUNS)
        return weft_fail(WEFT_ERR_INVALID, "sessions of up to %u runs in one submit; at most %d", s->run.most,
                         MOST_RUNS);
    if (params->replay) WEFT_TRY(weft_plan_need_shared(s->base.plan, "a session made for replay"));
    s->run.steps = weft_calloc(((size_t)s->base.program->max_steps + 1) * s->run.most, sizeof *s->run.steps);
    return s->run.steps ? WEFT_OK : weft_session_no_memory();
}

void weft_run_free(weft_session *s) { weft_free(s->run.steps); }

// ---- submits -------------------------------------------------------------------------------------------------------

/// Only the first submit of a run can be cancelled: what was begun is finished, so that states are exact.
static weft_status submit_one(struct weft_base *b, const struct weft_gpu_submit *submit, bool *begun) {
    weft_status status = weft_base_submit(b, submit, *begun);
    *begun |= status == WEFT_OK;
    return status;
}

/// Poison in what a run must write before it is read: transients, and the present of states of two buffers.
static weft_status poison(weft_session *s) {
    const struct weft_program *p = s->base.program;
    for (uint32_t h = 0; h < WEFT_HEAPS; h++)
        if (p->heaps[h].id)
            WEFT_TRY(weft_buf_fill(s->base.gpu, p->heaps[h], 0, weft_buf_size(s->base.gpu, p->heaps[h]), WEFT_POISON));
    return weft_states_poison(&s->states);
}

static weft_status run_checked(weft_session *s, const struct weft_version *v, bool *begun) {
    WEFT_TRY(poison(s));
    const struct weft_gpu_step *steps = v->steps[weft_states_parity(&s->states, 0)];
    for (uint32_t i = 0; i < v->n_steps; i++) {
        struct weft_gpu_submit submit = {.steps = &steps[i], .n_steps = 1};
        WEFT_TRY(submit_one(&s->base, &submit, begun));
    }
    weft_states_flip(&s->states, 1);
    return WEFT_OK;
}

static weft_status runs_checked(weft_session *s, const struct weft_version *v, uint32_t runs,
                                const struct weft_gpu_submit *ends) {
    struct weft_gpu_submit first = {.before = ends->before, .n_before = ends->n_before},
                           last = {.after = ends->after, .n_after = ends->n_after};
    bool begun = false;
    if (first.n_before) WEFT_TRY(submit_one(&s->base, &first, &begun));
    weft_status status = WEFT_OK;
    for (uint32_t r = 0; r < runs && status == WEFT_OK; r++) status = run_checked(s, v, &begun);
    if (status == WEFT_OK && last.n_after) status = submit_one(&s->base, &last, &begun);
    // Cut off between two steps, states are neither as before nor as after.
    if (status != WEFT_OK && begun) weft_states_mark_gone(&s->states, true);
    return status;
}

/// Where ping-pong states exchange their buffers, the bind groups alternate within the submit.
static weft_status runs_at_once(weft_session *s, const struct weft_version *v, uint32_t runs,
                                const struct weft_gpu_submit *ends) {
    struct weft_gpu_submit submit = *ends;
    bool begun = false;
    submit.steps = v->steps[weft_states_parity(&s->states, 0)];
    submit.n_steps = (size_t)v->n_steps * runs;
    if (runs > 1) {
        for (uint32_t r = 0; r < runs; r++)
            memcpy(s->run.steps + (size_t)r * v->n_steps, v->steps[weft_states_parity(&s->states, r)],
                   v->n_steps * sizeof *s->run.steps);
        submit.steps = s->run.steps;
    }
    WEFT_TRY(submit_one(&s->base, &submit, &begun));
    weft_states_flip(&s->states, runs);
    return WEFT_OK;
}

/// Refuses what needs no look at the device.
static weft_status check_run(const weft_session *s, uint32_t runs) {
    WEFT_TRY(weft_base_check_alive(&s->base));
    WEFT_TRY(weft_states_check(&s->states));
    if (!weft_sizes_live(&s->sizes))
        return weft_fail(WEFT_ERR_INVALID, "set the session's sizes before the first run (weft_session_set_sizes)");
    if (runs == 0 || runs > s->run.most)
        return weft_fail(WEFT_ERR_INVALID, "%u runs asked for in one submit; the session was made for 1 to %u", runs,
                         s->run.most);
    if (runs > 1) {
        char what[48];
        snprintf(what, sizeof what, "%u runs in one submit", runs);
        WEFT_TRY(weft_plan_need_shared(s->base.plan, what));
    }
    return weft_base_check_not_cancelled(&s->base);
}

/// Pages and bind groups for the runs, and the runs. The caller has entered the program.
static weft_status submit_runs(weft_session *s, uint32_t runs, const struct weft_gpu_submit *ends) {
    const struct weft_version *v = weft_sizes_live(&s->sizes);
    WEFT_TRY(weft_pages_cover(&s->pages, runs, v->symbols));
    if (weft_groups_are_stale(&s->groups)) WEFT_TRY(weft_sizes_rebind(&s->sizes, WEFT_GROUPS_ALL));
    WEFT_TRY(s->run.checker ? runs_checked(s, v, runs, ends) : runs_at_once(s, v, runs, ends));
    weft_positions_ran(&s->positions, runs, v->symbols);
    return WEFT_OK;
}

weft_status weft_session_run(weft_session *s, uint32_t runs, uint64_t *serial) {
    struct weft_gpu_submit ends;
    if (!s) return weft_session_null_argument("weft_session_run");
    WEFT_TRY(check_run(s, runs));
    const int64_t *symbols = weft_sizes_symbols(&s->sizes);
    WEFT_TRY(weft_pages_check(&s->pages, runs, symbols));
    WEFT_TRY(weft_positions_check(&s->positions, runs, symbols));
    WEFT_TRY(weft_io_begin(&s->io, symbols, &ends));
    WEFT_TRY(weft_program_enter(s->base.program, &s->base.cancel));
    weft_status status = submit_runs(s, runs, &ends);
    weft_program_leave(s->base.program);
    if (status == WEFT_OK) weft_io_ran(&s->io, symbols, s->base.last_serial);
    if (serial) *serial = s->base.last_serial;
    return status;
}

uint32_t weft_session_dispatches(const weft_session *s) {
    const struct weft_version *v = weft_sizes_live(&s->sizes);
    return v ? v->n_steps : 0;
}

weft_status weft_session_fault(weft_session *s, struct weft_fault *fault) {
    const struct weft_plan *plan = s->base.plan;
    uint32_t words[WEFT_FAULT_WORDS];
    *fault = (struct weft_fault){0};
    if (!plan->checked)
        return weft_fail(WEFT_ERR_INVALID, "the program was compiled without the checked accessors that record faults");
    WEFT_TRY(weft_base_read(&s->base, s->states.fault, 0, words, sizeof words));
    if (!words[WEFT_FAULT_SET]) return WEFT_OK;
    WEFT_TRY(weft_buf_fill(s->base.gpu, s->states.fault, 0, sizeof words, 0));
    uint32_t k = words[WEFT_FAULT_STEP] >> 16, i = words[WEFT_FAULT_STEP] & 0xffff, o = words[WEFT_FAULT_OPERAND];
    if (k >= plan->n_schedules || i >= plan->schedules[k].n_steps || o >= plan->schedules[k].steps[i].n_operands)
        return weft_fail(WEFT_ERR_INTERNAL,
                         "the fault buffer names operand %u of step %u of schedule %u, which is not there", o, i, k);
    const struct weft_step *step = &plan->schedules[k].steps[i];
    *fault = (struct weft_fault){.any = true,
                                 .schedule = k,
                                 .step = i,
                                 .label = step->label,
                                 .operand = step->operands[o].name,
                                 .operand_number = o,
                                 .index = words[WEFT_FAULT_INDEX],
                                 .length = words[WEFT_FAULT_LENGTH]};
    snprintf(fault->text, sizeof fault->text,
             "schedule %s, step %u '%s': element %u of operand '%s' (%s) was asked for, which has %u",
             plan->schedules[k].name, i, fault->label, fault->index, fault->operand,
             plan->schedules[k].tensors[step->operands[o].tensor].name, fault->length);
    return WEFT_OK;
}
