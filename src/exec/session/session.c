/// A session replays schedules. All that a run needs is made at creation (bind groups of every schedule, room for
/// parameter blocks of WEFT_PARAM_VERSIONS recent sizes); in steady state a run creates and allocates nothing.
/// Here: making a session of its parts, making it again after a loss, and ending it.
#include "core/alloc.h"
#include "core/error.h"
#include "core/params.h"
#include "exec/session/impl.h"
#include "exec/session_test.h"
#include "weft/device.h"

/// Tells each part which others it knows.
static void compose(weft_session *s, weft_program *program) {
    struct weft_base *base = &s->base;
    base->program = program;
    base->plan = program->plan;
    base->gpu = program->gpu;
    s->states.base = base;
    s->positions.base = base, s->positions.states = &s->states;
    s->pages.base = base, s->pages.states = &s->states, s->pages.positions = &s->positions;
    s->history.base = base, s->history.states = &s->states;
    s->history.positions = &s->positions, s->history.pages = &s->pages;
    s->io.base = base;
    s->groups.base = base, s->groups.states = &s->states, s->groups.io = &s->io;
    s->sizes.base = base, s->sizes.groups = &s->groups, s->sizes.io = &s->io;
}

static weft_status init(weft_session *s, const struct weft_session_params *params) {
    WEFT_TRY(weft_run_init(s, params));
    WEFT_TRY(weft_program_check_alive(s->base.program));
    WEFT_TRY(weft_states_init(&s->states));
    WEFT_TRY(weft_positions_init(&s->positions));
    WEFT_TRY(weft_io_init(&s->io));
    WEFT_TRY(weft_groups_init(&s->groups));
    return weft_sizes_init(&s->sizes);
}

static void drop_buffers(weft_session *s) {
    weft_io_drop(&s->io);
    weft_states_drop(&s->states);
    weft_sizes_drop(&s->sizes);
}

/// What depends on a device; the parts are made again in the order in which they are made.
static weft_status make(weft_session *s) {
    WEFT_TRY(weft_states_make(&s->states));
    WEFT_TRY(weft_io_make(&s->io));
    WEFT_TRY(weft_sizes_make(&s->sizes));
    WEFT_TRY(weft_pages_join(&s->pages));
    WEFT_TRY(weft_sizes_enter_and_rebind(&s->sizes, WEFT_GROUPS_ALL));
    WEFT_TRY(weft_history_reset(&s->history, WEFT_ALL_SLOTS));
    return weft_sizes_set_first(&s->sizes);
}

static weft_status make_again(weft_session *s, struct weft_snapshot *newest) {
    WEFT_TRY(weft_states_remake(&s->states));
    WEFT_TRY(weft_pages_remake(&s->pages));
    WEFT_TRY(weft_io_remake(&s->io));
    WEFT_TRY(weft_sizes_make(&s->sizes));
    WEFT_TRY(weft_sizes_enter_and_rebind(&s->sizes, WEFT_GROUPS_ALL));
    WEFT_TRY(weft_history_reset(&s->history, WEFT_ALL_SLOTS)); // which forgets the newest snapshot
    WEFT_TRY(weft_sizes_restage(&s->sizes));
    return weft_history_resume(&s->history, newest);
}

static weft_status bring_back(weft_session *s) {
    WEFT_TRY(weft_program_check_alive(s->base.program));
    s->base.last_serial = 0; // nothing of before is waited for
    struct weft_snapshot *newest = s->history.newest;
    weft_status status = make_again(s, newest);
    if (status != WEFT_OK) {
        weft_states_mark_gone(&s->states, s->base.plan->n_states > 0);
        if (newest) weft_snapshot_follow(&s->history, newest); // for the next recovery
        drop_buffers(s);
    }
    return weft_fail_in(status, "a session of the program of '%s'", weft_plan_title(s->base.plan));
}

static weft_status remake(void *self, void *report) {
    weft_session *s = self;
    struct weft_recovery *r = report;
    s->base.lost_why[0] = 0;
    weft_status status = weft_stay_lost(s->base.lost_why, bring_back(s));
    if (status != WEFT_OK) {
        r->sessions_failed++;
        return status;
    }
    r->sessions++;
    r->gone += s->states.gone;
    r->restored += s->history.newest != NULL;
    return WEFT_OK;
}

weft_status weft_session_create(weft_program *program, const struct weft_session_params *params, weft_session **out) {
    if (out) *out = NULL;
    struct weft_session_params own;
    if (!program || !out) return weft_session_null_argument("weft_session_create");
    WEFT_TRY(WEFT_PARAMS_TAKE(weft_session_params, replay, params, &own));
    weft_session *s = weft_calloc(1, sizeof *s);
    if (!s) return weft_session_no_memory();
    compose(s, program);
    weft_status status = init(s, &own);
    if (status == WEFT_OK) status = make(s);
    if (status != WEFT_OK) {
        weft_session_destroy(&s);
        return status;
    }
    s->dependent = (struct weft_gpu_dependent){.rank = WEFT_GPU_RANK_SESSION, .remake = remake, .self = s};
    weft_gpu_depend(s->base.gpu, &s->dependent);
    *out = s;
    return WEFT_OK;
}

void weft_session_destroy(weft_session **session) {
    if (!session || !*session) return;
    weft_session *s = *session;
    *session = NULL;
    weft_gpu_undepend(s->base.gpu, &s->dependent);
    weft_gpu_forget(s->base.gpu, s);
    if (s->base.last_serial) weft_gpu_wait(s->base.gpu, s->base.last_serial, -1);
    weft_history_forget(&s->history, 0);
    weft_pages_leave(&s->pages);
    drop_buffers(s);
    weft_run_free(s);
    weft_sizes_free(&s->sizes);
    weft_groups_free(&s->groups);
    weft_io_free(&s->io);
    weft_positions_free(&s->positions);
    weft_states_free(&s->states);
    weft_free(s);
}

weft_program *weft_session_program(const weft_session *s) { return s->base.program; }

weft_status weft_session_resize(weft_session *s, const int64_t *symbols) { return weft_sizes_set(&s->sizes, symbols); }

const int64_t *weft_session_symbols(const weft_session *s) { return weft_sizes_symbols(&s->sizes); }

// ---- for tests (session_test.h) ------------------------------------------------------------------------------------

struct weft_session_view weft_session_view(const weft_session *s) {
    const struct weft_version *live = weft_sizes_live(&s->sizes);
    struct weft_session_view v = {.staged = s->sizes.words,
                                  .staged_offset = s->sizes.staged_offset,
                                  .staged_bytes = s->sizes.staged_bytes,
                                  .arena = s->sizes.arena,
                                  .vars = s->states.vars,
                                  .states = s->states.bufs,
                                  .ios = s->io.own};
    if (!live) return v;
    v.schedule = live->schedule;
    v.steps = live->steps[0];
    v.n_steps = live->n_steps;
    return v;
}

void weft_session_test_word(weft_session *s, uint32_t step, uint32_t word) {
    s->sizes.test.step = step;
    s->sizes.test.word = word;
    (void)weft_sizes_restage(&s->sizes);
}

void weft_session_test_parity(weft_session *s, bool fixed) { s->states.fixed_parity = fixed; }

void weft_session_test_groups(weft_session *s, uint32_t step, const weft_session *other) {
    s->sizes.test.stale_step = step;
    s->sizes.test.stale = other ? &other->groups : NULL;
    (void)weft_sizes_restage(&s->sizes);
}
