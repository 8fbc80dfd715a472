/// Positions as the host knows them: set by weft_session_set_var, moved on by runs. While no step of the program can
/// clear the activity they are exact; else runs after a stop leave no trace on the device and the host's count is an
/// upper bound, until the variables are read back.
#include "core/error.h"
#include "exec/session_impl.h"

/// The null device computes nothing, so what it would read back says nothing.
static bool computes(const weft_session *s) { return weft_gpu_caps(s->gpu)->kind != WEFT_GPU_NULL; }

static void raise_top(struct weft_track *t)
{
    if (t->at > t->top) t->top = t->at;
}

static bool untracked(const struct weft_plan *plan)
{
    for (uint32_t i = 0; i < plan->n_positions; i++)
        if (plan->positions[i].untracked) return true;
    return false;
}

void weft_session_track_runs(weft_session *s, uint32_t runs)
{
    const struct weft_plan *plan = s->program->plan;
    const int64_t *symbols = weft_session_symbols(s);
    if (s->idle) return;
    if ((plan->may_stop || untracked(plan)) && computes(s)) s->inexact = true;
    for (uint32_t i = 0; i < plan->n_positions; i++) {
        int64_t by = weft_dim_eval(plan->graph->dims, plan->positions[i].by, symbols);
        s->tracks[i].at += by > 0 ? (uint64_t)by * runs : 0;
        if (!s->inexact) raise_top(&s->tracks[i]);
    }
}

void weft_session_track_var(weft_session *s, uint32_t word, uint32_t bits)
{
    const struct weft_plan *plan = s->program->plan;
    if (word == WEFT_VAR_ACTIVE) s->idle = bits == 0;
    for (uint32_t i = 0; i < plan->n_positions; i++) {
        if (plan->states[plan->positions[i].state].var_slot != word) continue;
        raise_top(&s->tracks[i]); // where it was, as far as is known
        s->tracks[i].at = bits;
        raise_top(&s->tracks[i]);
    }
    weft_session_forget(s, plan->n_positions ? s->tracks[0].at + 1 : UINT64_MAX);
}

void weft_session_track_reset(weft_session *s)
{
    for (uint32_t i = 0; i < s->program->plan->n_positions; i++) s->tracks[i] = (struct weft_track){0, 0};
    s->inexact = s->idle = false;
}

weft_status weft_session_settle(weft_session *s)
{
    const struct weft_plan *plan = s->program->plan;
    uint32_t words[WEFT_VARS_BYTES / 4];
    if (!s->inexact || !computes(s)) return WEFT_OK;
    WEFT_TRY(weft_session_read_buffer(s, s->vars, 0, words, sizeof words));
    for (uint32_t i = 0; i < plan->n_positions; i++) {
        s->tracks[i].at = words[plan->states[plan->positions[i].state].var_slot];
        raise_top(&s->tracks[i]);
    }
    s->idle = words[WEFT_VAR_ACTIVE] == 0;
    s->inexact = false;
    return WEFT_OK;
}

weft_status weft_session_position(weft_session *s, uint64_t *position)
{
    if (!s || !position) return weft_session_null_argument("weft_session_position");
    const struct weft_plan *plan = s->program->plan;
    *position = 0;
    WEFT_TRY(weft_session_there(s));
    if (plan->n_positions > 1)
        return weft_fail(WEFT_ERR_INVALID, "the program has %u positions ('%s', '%s'); read them as variables",
                         plan->n_positions, plan->states[plan->positions[0].state].name,
                         plan->states[plan->positions[1].state].name);
    WEFT_TRY(weft_session_settle(s));
    if (plan->n_positions) *position = s->tracks[0].at;
    return WEFT_OK;
}
