/// The bind groups of a session's steps. They are made for the buffers that bindings stand for, and again where a
/// buffer becomes another one. Groups that a change leaves behind are kept for a while, since many programs bind a few
/// buffers in turn; the oldest go, so that binding ever new ranges takes no more and more memory.
#include "core/alloc.h"
#include "core/error.h"
#include "exec/session_impl.h"
#include <string.h>

enum { KEPT_CHANGES = 4 }; ///< changes of all groups after which the first ones go

static bool is_pool(const weft_session *s, uint32_t mem_key) {
    uint32_t state = mem_key & 0xffffff & ~WEFT_STATE_PRESENT;
    return mem_key >> 24 == WEFT_MEM_STATE && s->program->plan->states[state].kind == WEFT_STATE_PAGED;
}

static weft_status bind_step(const weft_session *s, const struct weft_step *step, uint32_t parity,
                             weft_bindgroup *out) {
    struct weft_bind binds[WEFT_MAX_SLOTS];
    uint32_t io;
    for (uint32_t n = 0; n < step->bound.n_slots; n++) {
        const struct weft_slot *slot = &step->bound.slots[n];
        if (n == 0) binds[n] = (struct weft_bind){s->arena, 0, WEFT_PARAM_SLOT};
        else if (is_pool(s, slot->mem_key))
            binds[n] = weft_pool_bind(s->program->pool, slot->mem_key & 0xffffff, step->bound.slots, n);
        else binds[n] = (struct weft_bind){weft_session_buffer(s, slot->mem_key, parity), slot->offset, slot->size};
        if (n && weft_session_is_io(slot->mem_key, &io) && !weft_session_bind_slot(s, step, n, &binds[n])) {
            *out = (weft_bindgroup){0}; // refused by the run, not by a binding of something else
            return WEFT_OK;
        }
    }
    weft_status status =
        weft_bindgroup_get(s->gpu, s->program->pipelines[step->bound.pipeline], binds, step->bound.n_slots, out);
    return status == WEFT_OK ? status : weft_fail_in(status, "step '%s'", step->label);
}

static bool touches(const weft_session *s, const struct weft_step *step, uint32_t mem_key) {
    uint32_t io;
    if (mem_key == UINT32_MAX) return true;
    uint32_t twin = mem_key >> 24 == WEFT_MEM_STATE ? WEFT_STATE_PRESENT : 0; // the other buffer of a state
    for (uint32_t n = 1; n < step->bound.n_slots; n++) {
        if (step->bound.slots[n].mem_key == mem_key || step->bound.slots[n].mem_key == (mem_key ^ twin)) return true;
        if (mem_key == WEFT_REBIND_IOS && weft_session_is_io(step->bound.slots[n].mem_key, &io) && s->io_changed[io])
            return true;
    }
    return false;
}

/// Puts the groups where the versions have copies of them.
static void refresh_version(const weft_session *s, struct weft_version *v) {
    for (uint32_t i = 0; i < v->n_steps; i++) {
        uint32_t step = v->plan_steps[i];
        const weft_session *from = step == s->test.stale_step ? s->test.stale : s;
        for (uint32_t p = 0; p < 2; p++) v->steps[p][i].group = from->groups[p][v->schedule][step];
    }
}

// ---- groups that were left ------------------------------------------------------------------------------------------

static bool same(weft_bindgroup a, weft_bindgroup b) { return a.id == b.id && a.gen == b.gen; }

static void take_out(weft_session *s, weft_bindgroup group) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_left; i++)
        if (!same(s->left[i], group)) s->left[n++] = s->left[i];
    s->n_left = n;
}

/// Puts a group where another one was. The latter is the youngest that was left.
static void put_group(weft_session *s, weft_bindgroup *at, weft_bindgroup group) {
    weft_bindgroup old = *at;
    *at = group;
    if (!old.id || same(old, group)) return;
    take_out(s, old);
    s->left[s->n_left++] = old;
}

/// A step may have left a group that another has, or takes in the same change: inputs and outputs that are bound to the
/// same ranges, or trade them.
static bool in_use(const weft_session *s, weft_bindgroup group) {
    const struct weft_plan *plan = s->program->plan;
    for (uint32_t k = 0; k < plan->n_schedules; k++)
        for (uint32_t i = 0; i < plan->schedules[k].n_steps; i++)
            if (same(s->groups[0][k][i], group) || same(s->groups[1][k][i], group)) return true;
    return false;
}

/// A group that is in use, because it was taken again, drops out of the list. Whoever leaves it puts it there again.
static void forget_oldest(weft_session *s) {
    uint32_t n = s->n_left > s->most_left ? s->n_left - s->most_left : 0;
    for (uint32_t i = 0; i < n; i++)
        if (!in_use(s, s->left[i])) weft_bindgroup_forget(s->gpu, s->left[i]);
    memmove(s->left, s->left + n, (s->n_left - n) * sizeof *s->left);
    s->n_left -= n;
}

/// Forgets what a change had got when it failed, except what stood in the tables or may stand there again.
static void forget_staged(weft_session *s, const weft_bindgroup *staged, size_t n) {
    for (size_t i = 0; i < n; i++) {
        bool kept = !staged[i].id || in_use(s, staged[i]);
        for (uint32_t k = 0; k < s->n_left && !kept; k++) kept = same(s->left[k], staged[i]);
        if (!kept) weft_bindgroup_forget(s->gpu, staged[i]);
    }
}

// ---- making ---------------------------------------------------------------------------------------------------------

weft_status weft_session_rebind(weft_session *s, uint32_t mem_key) {
    weft_program_enter_pool(s->program); // the pool may not grow meanwhile
    weft_status status = weft_session_rebind_locked(s, mem_key);
    weft_program_leave(s->program);
    return status;
}

weft_status weft_session_rebind_locked(weft_session *s, uint32_t mem_key) {
    const struct weft_plan *plan = s->program->plan;
    size_t total = 0, at = 0;
    uint32_t parities = s->flips ? 2 : 1;
    for (uint32_t k = 0; k < plan->n_schedules; k++) total += plan->schedules[k].n_steps;
    weft_bindgroup *staged = weft_calloc(total * parities + 1, sizeof *staged);
    weft_status status = staged ? WEFT_OK : weft_session_no_memory();
    for (uint32_t p = 0; p < parities; p++)
        for (uint32_t k = 0; k < plan->n_schedules && status == WEFT_OK; k++)
            for (uint32_t i = 0; i < plan->schedules[k].n_steps && status == WEFT_OK; i++, at++)
                if (touches(s, &plan->schedules[k].steps[i], mem_key))
                    status = bind_step(s, &plan->schedules[k].steps[i], p, &staged[at]);
    if (status != WEFT_OK && staged) forget_staged(s, staged, at);
    at = 0;
    for (uint32_t p = 0; p < parities; p++)
        for (uint32_t k = 0; k < plan->n_schedules && status == WEFT_OK; k++)
            for (uint32_t i = 0; i < plan->schedules[k].n_steps; i++, at++)
                if (touches(s, &plan->schedules[k].steps[i], mem_key)) put_group(s, &s->groups[p][k][i], staged[at]);
    forget_oldest(s);
    for (uint32_t v = 0; v < WEFT_PARAM_VERSIONS && status == WEFT_OK; v++)
        if (s->versions[v].valid) refresh_version(s, &s->versions[v]);
    weft_free(staged);
    if (status == WEFT_OK && mem_key == UINT32_MAX && s->pages)
        s->pool_generation = s->program->pool->buffer_generation;
    return status;
}

static void free_tables(const struct weft_plan *plan, weft_bindgroup **groups) {
    for (uint32_t k = 0; groups && k < plan->n_schedules; k++) weft_free(groups[k]);
    weft_free(groups);
}

static weft_bindgroup **make_tables(const struct weft_plan *plan) {
    weft_bindgroup **groups = weft_calloc(plan->n_schedules + 1, sizeof *groups);
    bool room = groups != NULL;
    for (uint32_t k = 0; room && k < plan->n_schedules; k++)
        room = (groups[k] = weft_calloc(plan->schedules[k].n_steps + 1, sizeof **groups)) != NULL;
    if (room) return groups;
    free_tables(plan, groups);
    return NULL;
}

bool weft_session_make_groups(weft_session *s) {
    const struct weft_plan *plan = s->program->plan;
    uint32_t total = 0, parities = s->flips ? 2 : 1;
    for (uint32_t k = 0; k < plan->n_schedules; k++) total += plan->schedules[k].n_steps * parities;
    s->groups[0] = make_tables(plan);
    s->groups[1] = s->flips ? make_tables(plan) : s->groups[0];
    s->most_left = KEPT_CHANGES * total;
    s->left = weft_calloc((size_t)s->most_left + total + 1, sizeof *s->left); // and those of one change more
    return s->groups[0] && s->groups[1] && s->left;
}

void weft_session_free_groups(weft_session *s) {
    if (s->groups[1] != s->groups[0]) free_tables(s->program->plan, s->groups[1]);
    free_tables(s->program->plan, s->groups[0]);
    weft_free(s->left);
}
