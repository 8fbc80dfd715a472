/// Recovery from a lost device: weights, programs and sessions are made again in place, so that all handles stay valid.
/// Each is made on its own. What can't be made again stays lost, reports why, and does not affect objects that do not
/// depend on it.
#include "core/error.h"
#include "exec/exec_impl.h"
#include "exec/session_impl.h"
#include "weft/device.h"
#include <stdio.h>
#include <string.h>

weft_status weft_stay_lost(char why[WEFT_LOST_WHY], weft_status status) {
    if (status == WEFT_OK) why[0] = 0;
    else snprintf(why, WEFT_LOST_WHY, "%s", weft_error_message());
    return status;
}

// ---- weights and programs ------------------------------------------------------------------------------------------

/// What a program is called in messages: "the program of 'logits'".
static const char *title(const struct weft_plan *plan) {
    for (uint32_t i = 0; i < plan->n_ios; i++)
        if (plan->ios[i].is_output && plan->ios[i].name) return plan->ios[i].name;
    return plan->n_ios && plan->ios[0].name ? plan->ios[0].name : "";
}

static weft_status load_again(struct weft_shards *s) {
    if (s->parent && weft_shards_lost(s->parent))
        return weft_fail(WEFT_ERR_LOST, "it shares weights that are lost: %s", weft_shards_lost(s->parent));
    if (!s->source.stays && weft_shards_need_source(s))
        return weft_fail(WEFT_ERR_UNSUPPORTED,
                         "the weights of the program of '%s' can't be read again; compile it with `weights_stay` and "
                         "keep what it reads them from, or destroy it and compile it anew",
                         title(s->plan));
    return weft_fail_in(weft_shards_load(s, NULL), "the weights of the program of '%s'", title(s->plan));
}

weft_status weft_shards_remake(void *shards, void *report) {
    struct weft_shards *s = shards;
    (void)report; // their programs are counted
    return weft_stay_lost(s->lost_why, load_again(s));
}

static weft_status build_again(weft_program *p) {
    static const struct weft_program_params quiet;
    const char *weights = weft_shards_lost(p->shards);
    if (weights) return weft_fail(WEFT_ERR_LOST, "%s", weights);
    return weft_fail_in(weft_program_build(p, &quiet), "the program of '%s'", title(p->plan));
}

weft_status weft_program_remake(void *program, void *report) {
    weft_program *p = program;
    struct weft_recovery *r = report;
    weft_pool_lose(p->pool);
    weft_status status = weft_stay_lost(p->lost_why, build_again(p));
    if (status == WEFT_OK) r->programs++;
    else r->programs_failed++;
    return status;
}

weft_status weft_program_check_alive(const weft_program *p) {
    if (!p->lost_why[0]) return WEFT_OK;
    return weft_fail(WEFT_ERR_LOST, "the program of '%s' was lost with the device and not recovered: %s",
                     title(p->plan), p->lost_why);
}

// ---- sessions ------------------------------------------------------------------------------------------------------

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
    return weft_fail_in(status, "a session of the program of '%s'", title(s->program->plan));
}

weft_status weft_session_remake(void *session, void *report) {
    weft_session *s = session;
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

// ---- the device ----------------------------------------------------------------------------------------------------

weft_status weft_device_recover(weft_device *device, struct weft_recovery *report) {
    struct weft_recovery r = {0};
    size_t failed = 0;
    if (report) *report = r;
    if (!device) return weft_fail(WEFT_ERR_INVALID, "weft_device_recover: device must not be NULL");
    WEFT_TRY(weft_gpu_reopen(device));
    weft_status status = weft_gpu_remake(device, &r, &failed);
    if (report) *report = r;
    return weft_fail_in(status, "%u of %u programs and %u of %u sessions were recovered", r.programs,
                        r.programs + r.programs_failed, r.sessions, r.sessions + r.sessions_failed);
}
