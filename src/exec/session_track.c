/// Positions as the host knows them: set by weft_session_set_var, moved on by runs. While no step of the program can
/// clear the activity they are exact; else runs after a stop leave no trace on the device and the host's count is an
/// upper bound, until the variables are read back.
#include "core/error.h"
#include "exec/session_impl.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/// The null device computes nothing, so reading back from it is useless.
bool weft_session_computes(const weft_session *s) { return weft_gpu_caps(s->gpu)->kind != WEFT_GPU_NULL; }

static const struct weft_value_info *variable(const struct weft_plan *plan, uint32_t state) {
    return &plan->graph->values[plan->states[state].value];
}

static int64_t within(int64_t x, int64_t lo, int64_t hi) { return x < lo ? lo : x > hi ? hi : x; }

/// A step of a variable, which has 32 bits.
static int64_t word(int64_t x) { return within(x, -(int64_t)UINT32_MAX, UINT32_MAX); }

static void raise_top(struct weft_track *t) {
    if (t->at > t->top) t->top = t->at;
}

static bool untracked(const struct weft_plan *plan) {
    for (uint32_t i = 0; i < plan->n_positions; i++)
        if (plan->positions[i].untracked) return true;
    return false;
}

void weft_session_track_runs(weft_session *s, uint32_t runs) {
    const struct weft_plan *plan = s->program->plan;
    const int64_t *symbols = weft_session_symbols(s);
    if (s->idle) return;
    if ((plan->may_stop || untracked(plan)) && weft_session_computes(s)) s->inexact = true;
    for (uint32_t i = 0; i < plan->n_positions; i++) {
        const struct weft_value_info *info = variable(plan, plan->positions[i].state);
        int64_t by = weft_dim_eval(plan->graph->dims, plan->positions[i].by, symbols);
        int64_t at = (int64_t)s->tracks[i].at + word(by) * runs; // below 2^63: runs are few
        s->tracks[i].at = (uint64_t)within(at, info->var_lo, info->var_hi);
        if (!s->inexact) raise_top(&s->tracks[i]);
    }
}

void weft_session_track_var(weft_session *s, uint32_t word, uint32_t bits) {
    const struct weft_plan *plan = s->program->plan;
    if (word == WEFT_VAR_ACTIVE) s->idle = bits == 0;
    s->known[word] = bits;
    for (uint32_t i = 0; i < plan->n_positions; i++) {
        if (plan->states[plan->positions[i].state].var_slot != word) continue;
        raise_top(&s->tracks[i]); // where it was, as far as is known
        s->tracks[i].at = bits;
        raise_top(&s->tracks[i]);
    }
    weft_session_forget(s, plan->n_positions ? s->tracks[0].at + 1 : UINT64_MAX);
}

void weft_session_track_reset(weft_session *s) {
    const struct weft_plan *plan = s->program->plan;
    memset(s->known, 0, sizeof s->known);
    for (uint32_t i = 0; i < plan->n_positions; i++) {
        uint64_t at = weft_session_var_start(plan, plan->positions[i].state);
        s->tracks[i] = (struct weft_track){at, at};
    }
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (plan->states[i].kind == WEFT_STATE_VAR)
            s->known[plan->states[i].var_slot] = weft_session_var_start(plan, i);
    s->known[WEFT_VAR_ACTIVE] = 1;
    s->inexact = s->idle = false;
}

weft_status weft_session_settle(weft_session *s) {
    const struct weft_plan *plan = s->program->plan;
    uint32_t words[WEFT_VARS_BYTES / 4];
    if (!s->inexact || !weft_session_computes(s)) return WEFT_OK;
    WEFT_TRY(weft_session_read_buffer(s, s->vars, 0, words, sizeof words));
    for (uint32_t i = 0; i < plan->n_positions; i++) {
        s->tracks[i].at = words[plan->states[plan->positions[i].state].var_slot];
        raise_top(&s->tracks[i]);
    }
    memcpy(s->known, words, sizeof words);
    s->idle = words[WEFT_VAR_ACTIVE] == 0;
    s->inexact = false;
    return WEFT_OK;
}

// ---- bounds and limits ---------------------------------------------------------------------------------------------

uint32_t weft_session_var_start(const struct weft_plan *plan, uint32_t state) {
    const struct weft_value_info *info = variable(plan, state);
    int64_t start = within(0, info->var_lo, info->var_hi);
    float f = (float)start;
    uint32_t bits = (uint32_t)start;
    if (info->type.dtype == WEFT_F32) memcpy(&bits, &f, sizeof bits);
    return bits;
}

weft_status weft_session_check_var(const struct weft_plan *plan, uint32_t state, uint32_t bits) {
    const struct weft_value_info *info = variable(plan, state);
    float f;
    memcpy(&f, &bits, sizeof f);
    double x = info->type.dtype == WEFT_F32 ? (double)f : info->type.dtype == WEFT_I32 ? (double)(int32_t)bits : bits;
    if (x >= (double)info->var_lo && x <= (double)info->var_hi) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID,
                     "variable '%s' goes from %" PRId64 " to %" PRId64 " and can't be set to %.9g; declare it with "
                     "other bounds",
                     plan->states[state].name, info->var_lo, info->var_hi, x);
}

/// Where `runs` runs would take a limit's variable, from where it stands.
struct way {
    uint64_t from;
    int64_t to;
    bool below;
};

static bool keeps_to(const weft_session *s, const struct weft_plan_limit *x, uint32_t runs, struct way *way) {
    const struct weft_plan *plan = s->program->plan;
    const int64_t *symbols = weft_session_symbols(s);
    const struct weft_dims *dims = plan->graph->dims;
    int64_t span = word(weft_dim_eval(dims, x->span, symbols));
    int64_t more = word(weft_dim_eval(dims, x->by, symbols)) * (runs - 1);
    way->from = s->known[plan->states[x->variable].var_slot];
    if (x->position != WEFT_NO_POSITION) way->from = s->tracks[x->position].at;
    way->below = x->kind == WEFT_LIMIT_BOUND && (int64_t)way->from + span + (more < 0 ? more : 0) < x->least;
    way->to = (int64_t)way->from + span + ((more < 0) == way->below ? more : 0);
    if (x->kind != WEFT_LIMIT_BOUND && span <= 0) return true;
    return !way->below && way->to <= weft_dim_eval(dims, x->most, symbols);
}

static const struct weft_plan_limit *broken(const weft_session *s, uint32_t runs, struct way *way) {
    const struct weft_plan *plan = s->program->plan;
    for (uint32_t i = 0; i < plan->n_limits; i++)
        if (!keeps_to(s, &plan->limits[i], runs, way)) return &plan->limits[i];
    return NULL;
}

static weft_status refuse(const weft_session *s, const struct weft_plan_limit *x, uint32_t runs,
                          const struct way *way) {
    static const struct {
        const char *would, *whose, *unit;
    } words[] = {
        [WEFT_LIMIT_WRITE] = {"write rows up to %" PRId64 " of '%s'", "capacity", " rows"},
        [WEFT_LIMIT_READ] = {"read rows up to %" PRId64 " of '%s'", "capacity", " rows"},
        [WEFT_LIMIT_REACH] = {"take positions up to %" PRId64 " in '%s'", "reach", ""},
        [WEFT_LIMIT_BOUND] = {"reach %" PRId64 " with '%s'", "bound", ""},
    };
    const struct weft_plan *plan = s->program->plan;
    int64_t most = way->below ? x->least : weft_dim_eval(plan->graph->dims, x->most, weft_session_symbols(s));
    char would[160];
    snprintf(would, sizeof would, words[x->kind].would, way->to, x->name);
    return weft_fail(WEFT_ERR_LIMIT,
                     "%u run%s from %" PRIu64 " of variable '%s' would %s, whose %s is %" PRId64
                     "%s: rewind, make fewer or shorter runs, or compile with a larger %s",
                     runs, runs == 1 ? "" : "s", way->from, plan->states[x->variable].name, would, words[x->kind].whose,
                     most, words[x->kind].unit, words[x->kind].whose);
}

weft_status weft_session_check_limits(weft_session *s, uint32_t runs) {
    struct way way;
    if (s->idle || !broken(s, runs, &way)) return WEFT_OK;
    WEFT_TRY(weft_session_settle(s));
    const struct weft_plan_limit *x = s->idle ? NULL : broken(s, runs, &way);
    return x ? refuse(s, x, runs, &way) : WEFT_OK;
}

weft_status weft_session_position(weft_session *s, uint64_t *position) {
    if (!s || !position) return weft_session_null_argument("weft_session_position");
    const struct weft_plan *plan = s->program->plan;
    *position = 0;
    WEFT_TRY(weft_session_check_alive(s));
    if (plan->n_positions > 1)
        return weft_fail(WEFT_ERR_INVALID, "the program has %u positions ('%s', '%s'); read them as variables",
                         plan->n_positions, plan->states[plan->positions[0].state].name,
                         plan->states[plan->positions[1].state].name);
    WEFT_TRY(weft_session_settle(s));
    if (plan->n_positions) *position = s->tracks[0].at;
    return WEFT_OK;
}
