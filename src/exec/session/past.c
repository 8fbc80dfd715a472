/// The past of a session as users see it: pages, snapshots, rewinding, forks.
#include "core/error.h"
#include "exec/session/impl.h"

weft_status weft_session_reset(weft_session *s) {
    return s ? weft_history_reset(&s->history, WEFT_ALL_SLOTS) : weft_session_null_argument("weft_session_reset");
}

weft_status weft_session_reserve(weft_session *s, uint64_t rows) {
    if (!s) return weft_session_null_argument("weft_session_reserve");
    if (!s->pages.tables)
        return weft_fail(WEFT_ERR_UNSUPPORTED,
                         "the program has no paged state; its sessions took all their memory when they were made");
    WEFT_TRY(weft_base_check_alive(&s->base));
    return weft_pages_reserve(&s->pages, rows);
}

weft_status weft_session_position(weft_session *s, uint64_t *position) {
    if (!s || !position) return weft_session_null_argument("weft_session_position");
    const struct weft_plan *plan = s->base.plan;
    *position = 0;
    WEFT_TRY(weft_base_check_alive(&s->base));
    if (plan->n_positions > 1)
        return weft_fail(WEFT_ERR_INVALID, "the program has %u positions ('%s', '%s'); read them as variables",
                         plan->n_positions, plan->states[plan->positions[0].state].name,
                         plan->states[plan->positions[1].state].name);
    WEFT_TRY(weft_positions_settle(&s->positions));
    if (plan->n_positions) *position = weft_positions_at(&s->positions, 0);
    return WEFT_OK;
}

weft_status weft_session_snapshot(weft_session *s, uint32_t flags, weft_snapshot **out) {
    if (out) *out = NULL;
    if (!s || !out) return weft_session_null_argument("weft_session_snapshot");
    if (flags != WEFT_SNAPSHOT_DEVICE && flags != WEFT_SNAPSHOT_HOST)
        return weft_fail(WEFT_ERR_INVALID, "a snapshot is taken either on the device or on the host (flags %u)", flags);
    WEFT_TRY(weft_snapshot_take(&s->history, WEFT_ALL_SLOTS, flags == WEFT_SNAPSHOT_HOST, true, out));
    weft_snapshot_follow(&s->history, *out);
    return WEFT_OK;
}

weft_status weft_session_restore(weft_session *s, const weft_snapshot *x) {
    return s && x ? weft_history_restore(&s->history, x) : weft_session_null_argument("weft_session_restore");
}

weft_status weft_session_checkpoint(weft_session *s) {
    return s ? weft_history_checkpoint(&s->history) : weft_session_null_argument("weft_session_checkpoint");
}

weft_status weft_session_rewind(weft_session *s, uint64_t position) {
    return s ? weft_history_rewind(&s->history, position) : weft_session_null_argument("weft_session_rewind");
}

weft_status weft_session_fork(weft_session *s, weft_session **out) {
    if (out) *out = NULL;
    if (!s || !out) return weft_session_null_argument("weft_session_fork");
    WEFT_TRY(weft_base_check_alive(&s->base));
    WEFT_TRY(weft_states_check(&s->states));
    struct weft_session_params params = {.checker = s->run.checker, .max_runs = s->run.most};
    const int64_t *symbols = weft_sizes_symbols(&s->sizes);
    weft_session *fork = NULL;
    weft_status status = weft_session_create(s->base.program, &params, &fork);
    if (status == WEFT_OK && symbols) status = weft_sizes_set(&fork->sizes, symbols);
    if (status == WEFT_OK) status = weft_states_copy(&s->states, &fork->states);
    if (status == WEFT_OK) status = weft_pages_share(&fork->pages, WEFT_ALL_SLOTS, s->pages.tables, 0);
    if (status != WEFT_OK) {
        weft_session_destroy(&fork);
        return status;
    }
    weft_positions_copy(&s->positions, &fork->positions);
    *out = fork;
    return WEFT_OK;
}

weft_status weft_session_fork_at(weft_session *s, uint64_t position, weft_session **out) {
    WEFT_TRY(weft_session_fork(s, out));
    weft_status status = weft_session_rewind(*out, position);
    if (status != WEFT_OK) weft_session_destroy(out);
    return status;
}

weft_status weft_session_lost_states(const weft_session *session, const char **names, size_t capacity, size_t *count) {
    if (!session || !count || (capacity && !names)) return weft_session_null_argument("weft_session_lost_states");
    const struct weft_plan *plan = session->base.plan;
    *count = session->states.gone ? plan->n_states : 0;
    for (size_t i = 0; i < *count && i < capacity; i++) names[i] = plan->states[i].name;
    return WEFT_OK;
}
