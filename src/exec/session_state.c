/// What becomes of a session's past: forks, and going back to an earlier position.
#include "core/alloc.h"
#include "core/error.h"
#include "exec/session_impl.h"
#include <string.h>

// ---- forks ---------------------------------------------------------------------------------------------------------

static weft_status copy_states(weft_session *from, weft_session *to) {
    const struct weft_plan *plan = from->program->plan;
    struct weft_gpu_copy *copies = weft_calloc(plan->n_states + 1, sizeof *copies);
    size_t n = 0;
    if (!copies) return weft_session_no_memory();
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (from->states[i].id)
            copies[n++] = (struct weft_gpu_copy){
                .src = from->states[i], .dst = to->states[i], .size = weft_buf_size(from->gpu, from->states[i])};
    copies[n++] = (struct weft_gpu_copy){.src = from->vars, .dst = to->vars, .size = WEFT_VARS_BYTES};
    struct weft_gpu_submit submit = {.before = copies, .n_before = n};
    weft_status status = weft_gpu_submit(from->gpu, &submit, &from->last_serial);
    to->last_serial = from->last_serial;
    weft_free(copies);
    return status;
}

weft_status weft_session_fork(weft_session *s, weft_session **out) {
    if (out) *out = NULL;
    if (!s || !out) return weft_session_null_argument("weft_session_fork");
    WEFT_TRY(weft_session_check_alive(s));
    WEFT_TRY(weft_session_check_states(s));
    struct weft_session_params params = {.checker = s->checker, .max_runs = s->max_runs};
    weft_session *fork = NULL;
    weft_status status = weft_session_create(s->program, &params, &fork);
    if (status == WEFT_OK && s->live != WEFT_NO_VERSION)
        status = weft_session_resize(fork, s->versions[s->live].symbols);
    if (status == WEFT_OK) status = copy_states(s, fork);
    if (status == WEFT_OK && s->pages) {
        weft_program_enter_pool(s->program);
        status = weft_session_share_pages(fork, s->pages);
        weft_program_leave(s->program);
    }
    if (status != WEFT_OK) {
        weft_session_destroy(&fork);
        return status;
    }
    memcpy(fork->tracks, s->tracks, s->program->plan->n_positions * sizeof *fork->tracks);
    memcpy(fork->known, s->known, sizeof fork->known);
    fork->inexact = s->inexact;
    fork->idle = s->idle;
    *out = fork;
    return WEFT_OK;
}

weft_status weft_session_fork_at(weft_session *s, uint64_t position, weft_session **out) {
    WEFT_TRY(weft_session_fork(s, out));
    weft_status status = weft_session_rewind(*out, position);
    if (status != WEFT_OK) weft_session_destroy(out);
    return status;
}

// ---- rewinding -----------------------------------------------------------------------------------------------------

/// Rows by position; everything else is as the positions so far have made it.
static bool is_cache(const struct weft_plan_state *p) { return p->position != WEFT_NO_POSITION; }

/// The lowest position to which a ring can be cropped: the rows from `top - rows` on are there, and what stands at p
/// looks back by the window.
static uint64_t lowest(const weft_session *s, const struct weft_plan_state *p) {
    uint64_t top = s->tracks[p->position].top;
    if (p->kind != WEFT_STATE_RING || top <= p->rows) return 0;
    uint64_t first = top - p->rows;
    return p->window > UINT64_MAX - first ? UINT64_MAX : first + p->window;
}

/// Asks for everything that may refuse a crop to `position`, before anything is touched.
static weft_status check_crop(const weft_session *s, uint64_t position) {
    const struct weft_plan *plan = s->program->plan;
    if (position == s->tracks[0].at) return WEFT_OK;
    for (uint32_t i = 0; i < plan->n_states; i++) {
        const struct weft_plan_state *p = &plan->states[i];
        if (!p->written || p->non_positional || weft_is_position(plan, i)) continue;
        if (!is_cache(p))
            return weft_fail(WEFT_ERR_UNSUPPORTED,
                             "state '%s' is what all positions made of it and can't be cropped to position %llu; "
                             "restore a snapshot or have a checkpoint at that position, or rewind to 0 and feed again",
                             p->name, (unsigned long long)position);
        uint64_t low = lowest(s, p);
        if (position >= low) continue;
        if (low > s->tracks[0].at)
            return weft_fail(WEFT_ERR_LIMIT,
                             "state '%s' keeps %llu rows and went past them, so it can't be cropped to position %llu; "
                             "rewind to 0 or restore a snapshot",
                             p->name, (unsigned long long)p->rows, (unsigned long long)position);
        return weft_fail(WEFT_ERR_LIMIT,
                         "state '%s' keeps %llu rows and no longer has those before position %llu; the lowest position "
                         "it can be cropped to is %llu",
                         p->name, (unsigned long long)p->rows, (unsigned long long)position, (unsigned long long)low);
    }
    return WEFT_OK;
}

static weft_status start_again(weft_session *s, uint32_t variable) {
    const struct weft_plan *plan = s->program->plan;
    uint32_t start = weft_session_var_start(plan, variable), word = plan->states[variable].var_slot;
    s->known[word] = start;
    return weft_buf_write(s->gpu, s->vars, word * 4ull, &start, 4);
}

/// Sets to zero what operators write and what is no cache, and variables to what they start with.
static weft_status clear_written(weft_session *s) {
    const struct weft_plan *plan = s->program->plan;
    for (uint32_t i = 0; i < plan->n_states; i++) {
        const struct weft_plan_state *p = &plan->states[i];
        if (!p->written || is_cache(p)) continue;
        if (p->kind == WEFT_STATE_VAR) WEFT_TRY(start_again(s, i));
        else WEFT_TRY(weft_buf_fill(s->gpu, s->states[i], 0, weft_buf_size(s->gpu, s->states[i]), 0));
    }
    for (uint32_t i = 0; i < plan->n_positions; i++) {
        uint64_t at = weft_session_var_start(plan, plan->positions[i].state);
        WEFT_TRY(start_again(s, plan->positions[i].state));
        s->tracks[i] = (struct weft_track){at, at};
    }
    s->inexact = false;
    return weft_session_release_rows(s, 0);
}

static weft_status crop(weft_session *s, uint64_t position) {
    const struct weft_plan *plan = s->program->plan;
    const struct weft_snapshot *x = weft_session_find_checkpoint(s, position);
    if (x) return weft_session_restore_part(s, x, false);
    WEFT_TRY(check_crop(s, position));
    WEFT_TRY(weft_session_set_var(s, plan->states[plan->positions[0].state].name, (uint32_t)position));
    return weft_session_release_rows(s, position);
}

weft_status weft_session_rewind(weft_session *s, uint64_t position) {
    if (!s) return weft_session_null_argument("weft_session_rewind");
    const struct weft_plan *plan = s->program->plan;
    WEFT_TRY(weft_session_check_alive(s));
    if (position) {
        WEFT_TRY(weft_session_check_states(s));
        if (plan->n_positions != 1)
            return weft_fail(WEFT_ERR_UNSUPPORTED, "the program has %u positions, so it can be rewound to 0 only",
                             plan->n_positions);
        WEFT_TRY(weft_session_settle(s));
        if (position > s->tracks[0].at)
            return weft_fail(WEFT_ERR_INVALID, "the session stands at position %llu and can't be rewound to %llu",
                             (unsigned long long)s->tracks[0].at, (unsigned long long)position);
        WEFT_TRY(crop(s, position));
    } else {
        if (s->gone) return weft_session_reset(s); // settings went with the rest
        s->gone = true;                            // until all of it is done
        WEFT_TRY(clear_written(s));
        s->gone = false;
    }
    weft_session_forget(s, plan->n_positions ? position + 1 : position);
    return weft_session_set_active(s, true);
}
