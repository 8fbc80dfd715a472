/// A session replays schedules. All that a run needs is made at creation (bind groups of every schedule, room for
/// parameter blocks of WEFT_PARAM_VERSIONS recent sizes); in steady state a run creates and allocates nothing.
/// Here: making and ending one. session_groups.c, session_resize.c, session_run.c and session_data.c hold the rest.
#include "core/alloc.h"
#include "core/error.h"
#include "exec/session_impl.h"
#include "weft/device.h"
#include <stdio.h>
#include <string.h>

enum { MOST_RUNS = 65536 }; // of a submit; room is made for all

weft_status weft_session_no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for a session"); }

weft_status weft_session_null_argument(const char *call) {
    return weft_fail(WEFT_ERR_INVALID, "%s: an argument is NULL", call);
}

// ---- making --------------------------------------------------------------------------------------------------------

/// Past or present of a state. Ping-pong states exchange their buffers when the session's parity flips; groups of the
/// other parity are made for the time when they have.
static weft_buf state_buffer(const weft_session *s, uint32_t number, uint32_t parity) {
    bool present = (number & WEFT_STATE_PRESENT) != 0;
    number &= ~WEFT_STATE_PRESENT;
    if (s->program->plan->states[number].policy == WEFT_STATE_PING_PONG && parity != s->parity) present = !present;
    return present ? s->others[number] : s->states[number];
}

weft_buf weft_session_buffer(const weft_session *s, uint32_t mem_key, uint32_t parity) {
    uint32_t number = mem_key & 0xffffff;
    switch (mem_key >> 24) {
    case WEFT_MEM_TRANSIENT: return s->program->heaps[number];
    case WEFT_MEM_WEIGHT: return weft_shards_buf(s->program->shards, number);
    case WEFT_MEM_STATE: return state_buffer(s, number, parity);
    case WEFT_MEM_VARS: return s->vars;
    case WEFT_MEM_FAULT: return s->fault;
    default: return s->ios[number];
    }
}

void weft_session_flip(weft_session *s, uint32_t runs) {
    if (!s->flips || s->test.fixed_parity || runs % 2 == 0) return;
    const struct weft_plan *plan = s->program->plan;
    for (uint32_t i = 0; i < plan->n_states; i++) {
        if (plan->states[i].policy != WEFT_STATE_PING_PONG) continue;
        weft_buf past = s->states[i];
        s->states[i] = s->others[i];
        s->others[i] = past;
    }
    s->parity ^= 1;
}

weft_status weft_session_make_buffers(weft_session *s) {
    const struct weft_plan *plan = s->program->plan;
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (plan->states[i].kind != WEFT_STATE_VAR && plan->states[i].kind != WEFT_STATE_PAGED)
            WEFT_TRY(weft_buf_make(s->gpu, WEFT_BUF_FOR_STATES, plan->states[i].bytes, WEFT_BUF_STORAGE,
                                   plan->states[i].name, &s->states[i]));
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (s->states[i].id && weft_state_buffers(&plan->states[i]) == 2)
            WEFT_TRY(weft_buf_make(s->gpu, WEFT_BUF_FOR_STATES, plan->states[i].bytes, WEFT_BUF_STORAGE,
                                   plan->states[i].name, &s->others[i]));
    for (uint32_t i = 0; i < plan->n_ios; i++)
        WEFT_TRY(weft_buf_make(s->gpu, WEFT_BUF_FOR_IO, weft_plan_io_bytes(plan, i), WEFT_BUF_STORAGE,
                               plan->ios[i].name, &s->ios[i]));
    WEFT_TRY(weft_buf_make(s->gpu, WEFT_BUF_FOR_STATES, plan->vars_bytes, WEFT_BUF_STORAGE, "vars", &s->vars));
    if (plan->checked)
        WEFT_TRY(weft_buf_make(s->gpu, WEFT_BUF_FOR_STATES, WEFT_FAULT_BYTES, WEFT_BUF_STORAGE, "fault", &s->fault));
    return weft_buf_make(s->gpu, WEFT_BUF_FOR_PARAMS, weft_plan_param_bytes(plan), WEFT_BUF_UNIFORM, "params",
                         &s->arena);
}

/// Takes a share in the program's pages.
static weft_status join_pool(weft_session *s) {
    if (!s->program->pool) return WEFT_OK;
    weft_program_enter_pool(s->program);
    weft_status status = weft_pool_join(s->program->pool, NULL, &s->pages);
    weft_program_leave(s->program);
    return status;
}

void weft_session_drop_buffers(weft_session *s) {
    const struct weft_plan *plan = s->program->plan;
    for (uint32_t i = 0; s->states && i < plan->n_states; i++)
        if (s->states[i].id) weft_buf_release(s->gpu, &s->states[i]);
    for (uint32_t i = 0; s->others && i < plan->n_states; i++)
        if (s->others[i].id) weft_buf_release(s->gpu, &s->others[i]);
    for (uint32_t i = 0; s->ios && i < plan->n_ios; i++)
        if (s->ios[i].id) weft_buf_release(s->gpu, &s->ios[i]);
    if (s->vars.id) weft_buf_release(s->gpu, &s->vars);
    if (s->arena.id) weft_buf_release(s->gpu, &s->arena);
    if (s->fault.id) weft_buf_release(s->gpu, &s->fault);
}

static bool make_version(const weft_session *s, uint32_t steps, struct weft_version *v) {
    v->steps[0] = weft_calloc(steps, sizeof *v->steps[0]);
    v->steps[1] = s->flips ? weft_calloc(steps, sizeof *v->steps[1]) : v->steps[0];
    v->plan_steps = weft_calloc(steps, sizeof *v->plan_steps);
    return v->steps[0] && v->steps[1] && v->plan_steps;
}

static void free_version(struct weft_version *v) {
    if (v->steps[1] != v->steps[0]) weft_free(v->steps[1]);
    weft_free(v->steps[0]);
    weft_free(v->plan_steps);
}

static weft_status make_room(weft_session *s) {
    s->states = weft_calloc(s->program->plan->n_states + 1, sizeof *s->states);
    s->ios = weft_calloc(s->program->plan->n_ios + 1, sizeof *s->ios);
    s->others = weft_calloc(s->program->plan->n_states + 1, sizeof *s->others);
    s->tracks = weft_calloc(s->program->plan->n_positions + 1, sizeof *s->tracks);
    if (!s->states || !s->ios || !s->others || !s->tracks) return weft_session_no_memory();
    uint32_t steps = s->program->max_steps + 1;
    bool room = make_version(s, steps, &s->spare);
    for (uint32_t v = 0; room && v < WEFT_PARAM_VERSIONS; v++) room = make_version(s, steps, &s->versions[v]);
    s->words = weft_calloc(steps, WEFT_PARAM_SLOT);
    s->run_steps = weft_calloc((size_t)steps * s->max_runs, sizeof *s->run_steps);
    room &= weft_session_make_groups(s);
    return room && s->words && s->run_steps ? WEFT_OK : weft_session_no_memory();
}

// ---- what is gone --------------------------------------------------------------------------------------------------

weft_status weft_session_check_alive(const weft_session *s) {
    WEFT_TRY(weft_program_check_alive(s->program));
    if (!s->lost_why[0]) return WEFT_OK;
    return weft_fail(WEFT_ERR_LOST, "the session was lost with the device and not recovered: %s", s->lost_why);
}

weft_status weft_session_check_states(const weft_session *s) {
    const struct weft_plan *plan = s->program->plan;
    if (!s->gone || !plan->n_states) return WEFT_OK;
    WEFT_TRY(weft_gpu_check(s->gpu)); // while the device itself is gone, that is what to say
    char more[40] = "";
    if (plan->n_states > 1) snprintf(more, sizeof more, " and %u more", plan->n_states - 1);
    return weft_fail(WEFT_ERR_STALE,
                     "what state '%s'%s held is gone (with a lost device, or in a reset or restore that failed "
                     "midway); restore a snapshot, rewind to 0 or reset the session",
                     plan->states[0].name, more);
}

weft_status weft_session_check_state(const weft_session *s, const char *name) {
    const struct weft_plan *plan = s->program->plan;
    bool state = false;
    for (uint32_t i = 0; i < plan->n_states && !state; i++) state = strcmp(plan->states[i].name, name) == 0;
    return state ? weft_session_check_states(s) : WEFT_OK;
}

weft_status weft_session_lost_states(const weft_session *session, const char **names, size_t capacity, size_t *count) {
    if (!session || !count || (capacity && !names)) return weft_session_null_argument("weft_session_lost_states");
    const struct weft_plan *plan = session->program->plan;
    *count = session->gone ? plan->n_states : 0;
    for (size_t i = 0; i < *count && i < capacity; i++) names[i] = plan->states[i].name;
    return WEFT_OK;
}

// ---- life ----------------------------------------------------------------------------------------------------------

static weft_status bring_back(weft_session *s) {
    WEFT_TRY(weft_program_check_alive(s->program));
    const struct weft_plan *plan = s->program->plan;
    s->last_serial = 0;                                // nothing of before is waited for
    struct weft_snapshot *snapshot = s->host_snapshot; // which a reset forgets
    s->parity = 0;
    weft_status status = weft_session_make_buffers(s);
    if (status == WEFT_OK && s->pages) status = weft_pool_join_again(s->program->pool, s->pages);
    if (status == WEFT_OK) status = weft_session_renew_bindings(s);
    if (status == WEFT_OK) status = weft_session_rebind(s, UINT32_MAX);
    if (status == WEFT_OK) status = weft_session_reset(s);
    if (status == WEFT_OK) status = weft_session_restage(s);
    s->gone = plan->n_states > 0;
    if (status == WEFT_OK && snapshot) status = weft_session_restore(s, snapshot);
    if (status != WEFT_OK && snapshot) weft_session_follow(s, snapshot); // for the next recovery
    if (status != WEFT_OK) {
        weft_session_drop_bindings(s);
        weft_session_drop_buffers(s);
    }
    return weft_fail_in(status, "a session of the program of '%s'", weft_plan_title(s->program->plan));
}

static weft_status remake(void *self, void *report) {
    weft_session *s = self;
    struct weft_recovery *r = report;
    s->lost_why[0] = 0;
    weft_status status = weft_stay_lost(s->lost_why, bring_back(s));
    if (status != WEFT_OK) {
        r->sessions_failed++;
        return status;
    }
    r->sessions++;
    r->gone += s->gone;
    r->restored += s->host_snapshot != NULL;
    return WEFT_OK;
}

weft_status weft_session_create(weft_program *program, const struct weft_session_params *params, weft_session **out) {
    if (out) *out = NULL;
    if (!program || !out) return weft_session_null_argument("weft_session_create");
    if (params && params->max_runs > MOST_RUNS)
        return weft_fail(WEFT_ERR_INVALID, "sessions of up to %u runs in one submit; at most %d", params->max_runs,
                         MOST_RUNS);
    if (params && params->replay) WEFT_TRY(weft_session_need_shared(program, "a session made for replay"));
    weft_session *s = weft_calloc(1, sizeof *s);
    if (!s) return weft_session_no_memory();
    weft_status status;
    const struct weft_plan *plan = program->plan;
    s->program = program;
    s->gpu = program->gpu;
    s->checker = params && params->checker;
    s->max_runs = params && params->max_runs ? params->max_runs : 16;
    s->n_symbols = weft_dims_symbol_count(plan->graph->dims);
    s->live = WEFT_NO_VERSION;
    s->test.step = s->test.stale_step = UINT32_MAX;
    for (uint32_t i = 0; i < plan->n_states; i++) s->flips |= plan->states[i].policy == WEFT_STATE_PING_PONG;
    WEFT_GOTO(weft_program_check_alive(program));
    WEFT_GOTO(weft_session_make_bindings(s));
    WEFT_GOTO(make_room(s));
    WEFT_GOTO(weft_session_make_buffers(s));
    WEFT_GOTO(join_pool(s));
    WEFT_GOTO(weft_session_rebind(s, UINT32_MAX));
    WEFT_GOTO(weft_session_reset(s));
    int64_t symbols[WEFT_MAX_SYMBOLS] = {0}, lo;
    for (uint32_t i = 0; i < s->n_symbols; i++) weft_dims_symbol_bounds(plan->graph->dims, i, &lo, &symbols[i]);
    if (plan->bound) memcpy(symbols, plan->bind, sizeof symbols);
    if (weft_graph_sizes_check(plan->graph, symbols) == WEFT_OK) WEFT_GOTO(weft_session_resize(s, symbols));
    s->dependent = (struct weft_gpu_dependent){.rank = WEFT_GPU_RANK_SESSION, .remake = remake, .self = s};
    weft_gpu_depend(s->gpu, &s->dependent);
    *out = s;
    return WEFT_OK;
fail:
    weft_session_destroy(&s);
    return status;
}

void weft_session_destroy(weft_session **session) {
    if (!session || !*session) return;
    weft_session *s = *session;
    *session = NULL;
    weft_gpu_undepend(s->gpu, &s->dependent);
    weft_gpu_forget(s->gpu, s);
    if (s->last_serial) weft_gpu_wait(s->gpu, s->last_serial, -1);
    weft_session_free_bindings(s);
    weft_session_forget(s, 0);
    if (s->pages) {
        weft_program_enter_pool(s->program);
        weft_pool_leave(s->program->pool, &s->pages);
        weft_program_leave(s->program);
    }
    weft_session_drop_buffers(s);
    weft_session_free_groups(s);
    for (uint32_t v = 0; v < WEFT_PARAM_VERSIONS; v++) free_version(&s->versions[v]);
    free_version(&s->spare);
    weft_free(s->states);
    weft_free(s->others);
    weft_free(s->tracks);
    weft_free(s->ios);
    weft_free(s->words);
    weft_free(s->run_steps);
    weft_free(s);
}
