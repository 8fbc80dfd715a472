#include "exec/session/groups.h"
#include "core/alloc.h"
#include "core/error.h"
#include <string.h>

enum { KEPT_CHANGES = 4 }; ///< changes of all groups after which the first ones go

static bool is_pool(const struct weft_groups *g, uint32_t mem_key) {
    uint32_t state = mem_key & 0xffffff & ~WEFT_STATE_PRESENT;
    return mem_key >> 24 == WEFT_MEM_STATE && g->base->plan->states[state].kind == WEFT_STATE_PAGED;
}

/// The buffer behind a memory key of the plan (weft_mem_key), as runs of this parity see it; not of inputs and outputs.
static weft_buf buffer_of(const struct weft_groups *g, uint32_t mem_key, uint32_t parity) {
    uint32_t number = mem_key & 0xffffff;
    switch (mem_key >> 24) {
    case WEFT_MEM_TRANSIENT: return g->base->program->heaps[number];
    case WEFT_MEM_WEIGHT: return weft_shards_buf(g->base->program->shards, number);
    case WEFT_MEM_VARS: return g->states->vars;
    case WEFT_MEM_FAULT: return g->states->fault;
    default: return weft_states_buffer(g->states, number, parity);
    }
}

static weft_status bind_step(const struct weft_groups *g, weft_buf arena, const struct weft_step *step, uint32_t parity,
                             weft_bindgroup *out) {
    struct weft_bind binds[WEFT_MAX_SLOTS];
    uint32_t number;
    binds[0] = (struct weft_bind){arena, 0, WEFT_PARAM_SLOT};
    for (uint32_t n = 1; n < step->bound.n_slots; n++) {
        const struct weft_slot *slot = &step->bound.slots[n];
        if (is_pool(g, slot->mem_key))
            binds[n] = weft_pool_bind(g->base->program->pool, slot->mem_key & 0xffffff, step->bound.slots, n);
        else if (!weft_io_of_key(slot->mem_key, &number))
            binds[n] = (struct weft_bind){buffer_of(g, slot->mem_key, parity), slot->offset, slot->size};
        else if (!weft_io_slot(g->io, step, n, &binds[n])) {
            *out = (weft_bindgroup){0}; // refused by the run, not by a binding of something else
            return WEFT_OK;
        }
    }
    weft_status status = weft_bindgroup_get(g->base->gpu, g->base->program->pipelines[step->bound.pipeline], binds,
                                            step->bound.n_slots, out);
    return status == WEFT_OK ? status : weft_fail_in(status, "step '%s'", step->label);
}

static bool touches(const struct weft_groups *g, const struct weft_step *step, enum weft_group_change change) {
    uint32_t number;
    if (change == WEFT_GROUPS_ALL) return true;
    for (uint32_t n = 1; n < step->bound.n_slots; n++)
        if (weft_io_of_key(step->bound.slots[n].mem_key, &number) && g->io->changed[number]) return true;
    return false;
}

// ---- groups that were left ------------------------------------------------------------------------------------------

static bool same(weft_bindgroup a, weft_bindgroup b) { return a.id == b.id && a.gen == b.gen; }

static void take_out(struct weft_groups *g, weft_bindgroup group) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_left; i++)
        if (!same(g->left[i], group)) g->left[n++] = g->left[i];
    g->n_left = n;
}

/// Puts a group where another one was. The latter is the youngest that was left.
static void put_group(struct weft_groups *g, weft_bindgroup *at, weft_bindgroup group) {
    weft_bindgroup old = *at;
    *at = group;
    if (!old.id || same(old, group)) return;
    take_out(g, old);
    g->left[g->n_left++] = old;
}

/// A step may have left a group that another has, or takes in the same change: inputs and outputs that are bound to the
/// same ranges, or trade them.
static bool in_use(const struct weft_groups *g, weft_bindgroup group) {
    const struct weft_plan *plan = g->base->plan;
    for (uint32_t k = 0; k < plan->n_schedules; k++)
        for (uint32_t i = 0; i < plan->schedules[k].n_steps; i++)
            if (same(g->tables[0][k][i], group) || same(g->tables[1][k][i], group)) return true;
    return false;
}

/// A group that is in use, because it was taken again, drops out of the list. Whoever leaves it puts it there again.
static void forget_oldest(struct weft_groups *g) {
    uint32_t n = g->n_left > g->most_left ? g->n_left - g->most_left : 0;
    for (uint32_t i = 0; i < n; i++)
        if (!in_use(g, g->left[i])) weft_bindgroup_forget(g->base->gpu, g->left[i]);
    memmove(g->left, g->left + n, (g->n_left - n) * sizeof *g->left);
    g->n_left -= n;
}

/// Forgets what a change had got when it failed, except what stood in the tables or may stand there again.
static void forget_staged(struct weft_groups *g, const weft_bindgroup *staged, size_t n) {
    for (size_t i = 0; i < n; i++) {
        bool kept = !staged[i].id || in_use(g, staged[i]);
        for (uint32_t k = 0; k < g->n_left && !kept; k++) kept = same(g->left[k], staged[i]);
        if (!kept) weft_bindgroup_forget(g->base->gpu, staged[i]);
    }
}

// ---- making ---------------------------------------------------------------------------------------------------------

weft_status weft_groups_get(struct weft_groups *g, weft_buf arena, enum weft_group_change change) {
    const struct weft_plan *plan = g->base->plan;
    size_t total = 0, at = 0;
    uint32_t parities = g->states->flips ? 2 : 1;
    for (uint32_t k = 0; k < plan->n_schedules; k++) total += plan->schedules[k].n_steps;
    weft_bindgroup *staged = weft_calloc(total * parities + 1, sizeof *staged);
    weft_status status = staged ? WEFT_OK : weft_session_no_memory();
    for (uint32_t p = 0; p < parities; p++)
        for (uint32_t k = 0; k < plan->n_schedules && status == WEFT_OK; k++)
            for (uint32_t i = 0; i < plan->schedules[k].n_steps && status == WEFT_OK; i++, at++)
                if (touches(g, &plan->schedules[k].steps[i], change))
                    status = bind_step(g, arena, &plan->schedules[k].steps[i], p, &staged[at]);
    if (status != WEFT_OK && staged) forget_staged(g, staged, at);
    at = 0;
    for (uint32_t p = 0; p < parities; p++)
        for (uint32_t k = 0; k < plan->n_schedules && status == WEFT_OK; k++)
            for (uint32_t i = 0; i < plan->schedules[k].n_steps; i++, at++)
                if (touches(g, &plan->schedules[k].steps[i], change)) put_group(g, &g->tables[p][k][i], staged[at]);
    forget_oldest(g);
    weft_free(staged);
    if (status == WEFT_OK && change == WEFT_GROUPS_ALL && g->base->program->pool)
        g->pool_generation = g->base->program->pool->buffer_generation;
    return status;
}

bool weft_groups_are_stale(const struct weft_groups *g) {
    const struct weft_pool *pool = g->base->program->pool;
    return pool && g->pool_generation != pool->buffer_generation;
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

weft_status weft_groups_init(struct weft_groups *g) {
    const struct weft_plan *plan = g->base->plan;
    uint32_t total = 0, parities = g->states->flips ? 2 : 1;
    for (uint32_t k = 0; k < plan->n_schedules; k++) total += plan->schedules[k].n_steps * parities;
    g->tables[0] = make_tables(plan);
    g->tables[1] = g->states->flips ? make_tables(plan) : g->tables[0];
    g->most_left = KEPT_CHANGES * total;
    g->left = weft_calloc((size_t)g->most_left + total + 1, sizeof *g->left); // and those of one change more
    return g->tables[0] && g->tables[1] && g->left ? WEFT_OK : weft_session_no_memory();
}

void weft_groups_free(struct weft_groups *g) {
    if (g->tables[1] != g->tables[0]) free_tables(g->base->plan, g->tables[1]);
    free_tables(g->base->plan, g->tables[0]);
    weft_free(g->left);
}
