/// Runs, and what a checked program's runs left in the fault buffer.
#include "core/error.h"
#include "exec/session_impl.h"
#include <stdio.h>
#include <string.h>

/// Only the first submit of a run can be cancelled: what was begun is finished, so that states are exact.
static weft_status submit_one(weft_session *s, const struct weft_gpu_submit *submit, bool *begun) {
    const atomic_bool *token = weft_gpu_token(*begun ? NULL : &s->cancelled);
    weft_status status = weft_gpu_submit(s->gpu, submit, &s->last_serial);
    weft_gpu_token(token);
    *begun |= status == WEFT_OK;
    return status;
}

/// Poison in what a run must write before it is read: transients, and the present of states of two buffers.
static weft_status poison(weft_session *s) {
    const struct weft_plan *plan = s->program->plan;
    for (uint32_t h = 0; h < WEFT_HEAPS; h++)
        if (s->program->heaps[h].id)
            WEFT_TRY(weft_buf_fill(s->gpu, s->program->heaps[h], 0, weft_buf_size(s->gpu, s->program->heaps[h]),
                                   WEFT_POISON));
    for (uint32_t i = 0; i < plan->n_states; i++) // of their elements: what is behind the last is never written
        if (s->others[i].id)
            WEFT_TRY(weft_buf_fill(s->gpu, s->others[i], 0, plan->states[i].rows * plan->states[i].row_bytes & ~3ull,
                                   WEFT_POISON));
    return WEFT_OK;
}

static weft_status run_checked(weft_session *s, const struct weft_version *v, bool *begun) {
    WEFT_TRY(poison(s));
    const struct weft_gpu_step *steps = v->steps[s->parity];
    for (uint32_t i = 0; i < v->n_steps; i++) {
        struct weft_gpu_submit submit = {.steps = &steps[i], .n_steps = 1};
        WEFT_TRY(submit_one(s, &submit, begun));
    }
    weft_session_flip(s, 1);
    return WEFT_OK;
}

static weft_status runs_checked(weft_session *s, const struct weft_version *v, uint32_t runs,
                                const struct weft_gpu_submit *ends) {
    struct weft_gpu_submit first = {.before = ends->before, .n_before = ends->n_before},
                           last = {.after = ends->after, .n_after = ends->n_after};
    bool begun = false;
    if (first.n_before) WEFT_TRY(submit_one(s, &first, &begun));
    weft_status status = WEFT_OK;
    for (uint32_t r = 0; r < runs && status == WEFT_OK; r++) status = run_checked(s, v, &begun);
    if (status == WEFT_OK && last.n_after) status = submit_one(s, &last, &begun);
    // Cut off between two steps, states are neither as before nor as after.
    if (status != WEFT_OK && begun) s->gone = true;
    return status;
}

/// Where ping-pong states exchange their buffers, the bind groups alternate within the submit.
static weft_status runs_at_once(weft_session *s, const struct weft_version *v, uint32_t runs,
                                const struct weft_gpu_submit *ends) {
    struct weft_gpu_submit submit = *ends;
    bool begun = false, flips = s->flips && !s->test.fixed_parity;
    submit.steps = v->steps[s->parity];
    submit.n_steps = (size_t)v->n_steps * runs;
    if (runs > 1) {
        for (uint32_t r = 0; r < runs; r++)
            memcpy(s->run_steps + (size_t)r * v->n_steps, v->steps[s->parity ^ (flips && r % 2)],
                   v->n_steps * sizeof *s->run_steps);
        submit.steps = s->run_steps;
    }
    WEFT_TRY(submit_one(s, &submit, &begun));
    weft_session_flip(s, runs);
    return WEFT_OK;
}

weft_status weft_session_check_not_cancelled(const weft_session *s) {
    if (!atomic_load(&s->cancelled)) return WEFT_OK;
    return weft_fail(WEFT_ERR_CANCELLED, "the session was cancelled; weft_session_resume lets it go on");
}

weft_status weft_session_run(weft_session *s, uint32_t runs, uint64_t *serial) {
    if (!s) return weft_session_null_argument("weft_session_run");
    WEFT_TRY(weft_session_check_alive(s));
    WEFT_TRY(weft_session_check_states(s));
    if (s->live == WEFT_NO_VERSION)
        return weft_fail(WEFT_ERR_INVALID, "set the session's sizes before the first run (weft_session_set_sizes)");
    if (runs == 0 || runs > s->max_runs)
        return weft_fail(WEFT_ERR_INVALID, "%u runs asked for in one submit; the session was made for 1 to %u", runs,
                         s->max_runs);
    if (runs > 1) {
        char what[48];
        snprintf(what, sizeof what, "%u runs in one submit", runs);
        WEFT_TRY(weft_session_need_shared(s->program, what));
    }
    struct weft_gpu_submit ends;
    WEFT_TRY(weft_session_check_not_cancelled(s));
    WEFT_TRY(weft_session_check_rows(s, runs));
    WEFT_TRY(weft_session_check_limits(s, runs));
    WEFT_TRY(weft_session_bindings_begin(s, &ends));
    WEFT_TRY(weft_program_enter(s->program, &s->cancelled));
    const struct weft_version *v = &s->versions[s->live];
    weft_status status = weft_session_cover(s, runs);
    if (status == WEFT_OK) status = s->checker ? runs_checked(s, v, runs, &ends) : runs_at_once(s, v, runs, &ends);
    if (status == WEFT_OK) weft_session_track_runs(s, runs);
    weft_program_leave(s->program);
    if (status == WEFT_OK) weft_session_bindings_ran(s, s->last_serial);
    if (serial) *serial = s->last_serial;
    return status;
}

uint32_t weft_session_dispatches(const weft_session *s) {
    return s->live == WEFT_NO_VERSION ? 0 : s->versions[s->live].n_steps;
}
weft_program *weft_session_program(const weft_session *s) { return s->program; }

weft_status weft_session_fault(weft_session *s, struct weft_fault *fault) {
    const struct weft_plan *plan = s->program->plan;
    uint32_t words[WEFT_FAULT_WORDS];
    *fault = (struct weft_fault){0};
    if (!plan->checked)
        return weft_fail(WEFT_ERR_INVALID, "the program was compiled without the checked accessors that record faults");
    WEFT_TRY(weft_session_read_buffer(s, s->fault, 0, words, sizeof words));
    if (!words[WEFT_FAULT_SET]) return WEFT_OK;
    WEFT_TRY(weft_buf_fill(s->gpu, s->fault, 0, sizeof words, 0));
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
