#include "exec/session/sizes.h"
#include "core/alloc.h"
#include "core/error.h"
#include <string.h>

// ---- life ----------------------------------------------------------------------------------------------------------

static bool make_version(const struct weft_sizes *sz, uint32_t steps, struct weft_version *v) {
    v->steps[0] = weft_calloc(steps, sizeof *v->steps[0]);
    v->steps[1] = sz->groups->states->flips ? weft_calloc(steps, sizeof *v->steps[1]) : v->steps[0];
    v->plan_steps = weft_calloc(steps, sizeof *v->plan_steps);
    return v->steps[0] && v->steps[1] && v->plan_steps;
}

static void free_version(struct weft_version *v) {
    if (v->steps[1] != v->steps[0]) weft_free(v->steps[1]);
    weft_free(v->steps[0]);
    weft_free(v->plan_steps);
}

weft_status weft_sizes_init(struct weft_sizes *sz) {
    uint32_t steps = sz->base->program->max_steps + 1;
    sz->n_symbols = weft_dims_symbol_count(sz->base->plan->graph->dims);
    sz->live = WEFT_NO_VERSION;
    sz->test.step = sz->test.stale_step = UINT32_MAX;
    bool room = make_version(sz, steps, &sz->spare);
    for (uint32_t v = 0; room && v < WEFT_PARAM_VERSIONS; v++) room = make_version(sz, steps, &sz->versions[v]);
    sz->words = weft_calloc(steps, WEFT_PARAM_SLOT);
    return room && sz->words ? WEFT_OK : weft_session_no_memory();
}

void weft_sizes_free(struct weft_sizes *sz) {
    for (uint32_t v = 0; v < WEFT_PARAM_VERSIONS; v++) free_version(&sz->versions[v]);
    free_version(&sz->spare);
    weft_free(sz->words);
}

weft_status weft_sizes_make(struct weft_sizes *sz) {
    return weft_buf_make(sz->base->gpu, WEFT_BUF_FOR_PARAMS, weft_plan_param_bytes(sz->base->plan), WEFT_BUF_UNIFORM,
                         "params", &sz->arena);
}

void weft_sizes_drop(struct weft_sizes *sz) {
    if (sz->arena.id) weft_buf_release(sz->base->gpu, &sz->arena);
}

// ---- bind groups ---------------------------------------------------------------------------------------------------

/// Puts the groups where a version has copies of them.
static void refresh_version(const struct weft_sizes *sz, struct weft_version *v) {
    for (uint32_t i = 0; i < v->n_steps; i++) {
        uint32_t step = v->plan_steps[i];
        const struct weft_groups *from = step == sz->test.stale_step ? sz->test.stale : sz->groups;
        for (uint32_t p = 0; p < 2; p++) v->steps[p][i].group = weft_groups_at(from, p, v->schedule, step);
    }
}

weft_status weft_sizes_rebind(struct weft_sizes *sz, enum weft_group_change change) {
    WEFT_TRY(weft_groups_get(sz->groups, sz->arena, change));
    for (uint32_t v = 0; v < WEFT_PARAM_VERSIONS; v++)
        if (sz->versions[v].valid) refresh_version(sz, &sz->versions[v]);
    return WEFT_OK;
}

weft_status weft_sizes_enter_and_rebind(struct weft_sizes *sz, enum weft_group_change change) {
    weft_program_enter_pool(sz->base->program);
    weft_status status = weft_sizes_rebind(sz, change);
    weft_program_leave(sz->base->program);
    return status;
}

// ---- staging -------------------------------------------------------------------------------------------------------

static uint64_t version_bytes(const struct weft_sizes *sz) {
    return (uint64_t)sz->base->program->max_steps * WEFT_PARAM_SLOT;
}

static bool in_guard(const struct weft_sizes *sz, const struct weft_schedule *sc, const int64_t *symbols) {
    for (uint32_t i = 0; i < sz->n_symbols; i++)
        if (symbols[i] < sc->lo[i] || symbols[i] > sc->hi[i]) return false;
    return true;
}

static uint32_t find_version(const struct weft_sizes *sz, const int64_t *symbols) {
    for (uint32_t v = 0; v < WEFT_PARAM_VERSIONS; v++)
        if (sz->versions[v].valid && memcmp(sz->versions[v].symbols, symbols, sz->n_symbols * sizeof *symbols) == 0)
            return v;
    return WEFT_NO_VERSION;
}

/// A step that writes the present of a state of two buffers can't be left out: the roles change after each run.
static weft_status may_skip(const struct weft_plan *plan, const struct weft_schedule *sc,
                            const struct weft_step *step) {
    for (uint32_t i = 0; i < step->n_operands; i++) {
        const struct weft_tensor *t = &sc->tensors[step->operands[i].tensor];
        if (t->mem != WEFT_MEM_STATE || !(t->index & WEFT_STATE_PRESENT) || !(step->operands[i].access & WEFT_WRITE))
            continue;
        const struct weft_plan_state *state = &plan->states[t->index & ~WEFT_STATE_PRESENT];
        if (state->rows && state->row_bytes)
            return weft_fail(WEFT_ERR_INTERNAL,
                             "step '%s' would be skipped, but it writes all of state '%s' in each run", step->label,
                             state->name);
    }
    return WEFT_OK;
}

/// Computes blocks and grids of all steps into sz->words and sz->spare; the version's place in the arena is `base`.
static weft_status stage(struct weft_sizes *sz, uint32_t k, const int64_t *symbols, uint64_t base) {
    const struct weft_plan *plan = sz->base->plan;
    const struct weft_schedule *sc = &plan->schedules[k];
    sz->spare.n_steps = 0;
    sz->spare.schedule = k;
    memcpy(sz->spare.symbols, symbols, sz->n_symbols * sizeof *symbols);
    for (uint32_t i = 0; i < sc->n_steps; i++) {
        const struct weft_step *step = &sc->steps[i];
        struct weft_update u = {.dims = plan->graph->dims, .symbols = symbols, .caps = &plan->caps, .step = step};
        uint32_t grid[3], *words = sz->words + (size_t)i * WEFT_MAX_WORDS;
        weft_step_update(&u, words, grid);
        if (i == sz->test.step) words[sz->test.word]++;
        for (int d = 0; d < 3; d++)
            if (grid[d] > plan->caps.max_groups)
                return weft_fail(WEFT_ERR_LIMIT, "step '%s' needs %u workgroups in a dimension, the device allows %u",
                                 step->label, grid[d], plan->caps.max_groups);
        if (grid[0] == 0 || grid[1] == 0 || grid[2] == 0) { // all outputs are empty
            WEFT_TRY(may_skip(plan, sc, step));
            continue;
        }
        const struct weft_groups *from = i == sz->test.stale_step ? sz->test.stale : sz->groups;
        sz->spare.plan_steps[sz->spare.n_steps] = i;
        for (uint32_t p = 0; p < 2; p++)
            sz->spare.steps[p][sz->spare.n_steps] =
                (struct weft_gpu_step){.pipeline = sz->base->program->pipelines[step->bound.pipeline],
                                       .group = weft_groups_at(from, p, k, i),
                                       .uniform_offset = (uint32_t)(base + (uint64_t)i * WEFT_PARAM_SLOT),
                                       .grid = {grid[0], grid[1], grid[2]},
                                       .label = step->label};
        sz->spare.n_steps++;
    }
    return WEFT_OK;
}

weft_status weft_sizes_set(struct weft_sizes *sz, const int64_t *symbols) {
    const struct weft_plan *plan = sz->base->plan;
    WEFT_TRY(weft_base_check_alive(sz->base));
    uint32_t found = find_version(sz, symbols);
    if (found != WEFT_NO_VERSION) {
        WEFT_TRY(weft_io_fits(sz->io, sz->io->bound, symbols));
        sz->versions[found].used = ++sz->clock;
        sz->live = found;
        return WEFT_OK;
    }
    WEFT_TRY(weft_graph_sizes_check(plan->graph, symbols));
    for (uint32_t i = 0; i < sz->n_symbols && plan->bound; i++)
        if (symbols[i] != plan->bind[i])
            return weft_fail(WEFT_ERR_INVALID, "dim %s is %lld, but the program was compiled for %lld alone",
                             weft_dims_symbol_name(plan->graph->dims, i), (long long)symbols[i],
                             (long long)plan->bind[i]);
    WEFT_TRY(weft_io_fits(sz->io, sz->io->bound, symbols));
    uint32_t k = 0;
    while (k < plan->n_schedules && !in_guard(sz, &plan->schedules[k], symbols)) k++;
    if (k == plan->n_schedules) return weft_fail(WEFT_ERR_INVALID, "no schedule of the program covers these sizes");
    uint32_t v = 0; // the version used longest ago; queue order makes rewriting its blocks safe
    for (uint32_t i = 1; i < WEFT_PARAM_VERSIONS; i++)
        if (sz->versions[i].used < sz->versions[v].used) v = i;
    uint64_t base = version_bytes(sz) * v;
    WEFT_TRY(stage(sz, k, symbols, base));
    uint64_t bytes = (uint64_t)plan->schedules[k].n_steps * WEFT_PARAM_SLOT;
    if (bytes) WEFT_TRY(weft_buf_write(sz->base->gpu, sz->arena, base, sz->words, bytes));
    sz->staged_offset = base;
    sz->staged_bytes = bytes;
    struct weft_version old = sz->versions[v];
    sz->versions[v] = sz->spare;
    memcpy(sz->spare.steps, old.steps, sizeof old.steps);
    sz->spare.plan_steps = old.plan_steps;
    sz->versions[v].valid = true;
    sz->versions[v].used = ++sz->clock;
    sz->live = v;
    return WEFT_OK;
}

weft_status weft_sizes_set_first(struct weft_sizes *sz) {
    const struct weft_plan *plan = sz->base->plan;
    int64_t symbols[WEFT_MAX_SYMBOLS] = {0}, lo;
    for (uint32_t i = 0; i < sz->n_symbols; i++) weft_dims_symbol_bounds(plan->graph->dims, i, &lo, &symbols[i]);
    if (plan->bound) memcpy(symbols, plan->bind, sizeof symbols);
    return weft_graph_sizes_check(plan->graph, symbols) == WEFT_OK ? weft_sizes_set(sz, symbols) : WEFT_OK;
}

weft_status weft_sizes_restage(struct weft_sizes *sz) {
    for (uint32_t v = 0; v < WEFT_PARAM_VERSIONS; v++) sz->versions[v].valid = false;
    if (sz->live == WEFT_NO_VERSION) return WEFT_OK;
    int64_t symbols[WEFT_MAX_SYMBOLS];
    memcpy(symbols, sz->versions[sz->live].symbols, sizeof symbols);
    return weft_sizes_set(sz, symbols);
}
