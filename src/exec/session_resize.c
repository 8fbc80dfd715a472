/// Live sizes: parameter blocks and grids of all steps, staged as a whole and committed by one write.
#include "core/error.h"
#include "exec/session_impl.h"
#include "exec/session_test.h"
#include <string.h>

static bool in_guard(const weft_session *s, const struct weft_schedule *sc, const int64_t *symbols) {
    for (uint32_t i = 0; i < s->n_symbols; i++)
        if (symbols[i] < sc->lo[i] || symbols[i] > sc->hi[i]) return false;
    return true;
}

static uint32_t find_version(const weft_session *s, const int64_t *symbols) {
    for (uint32_t v = 0; v < WEFT_PARAM_VERSIONS; v++)
        if (s->versions[v].valid && memcmp(s->versions[v].symbols, symbols, s->n_symbols * sizeof *symbols) == 0)
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

/// Computes blocks and grids of all steps into s->words and s->spare; the version's place in the arena is `base`.
static weft_status stage(weft_session *s, uint32_t k, const int64_t *symbols, uint64_t base) {
    const struct weft_plan *plan = s->program->plan;
    const struct weft_schedule *sc = &plan->schedules[k];
    s->spare.n_steps = 0;
    s->spare.schedule = k;
    memcpy(s->spare.symbols, symbols, s->n_symbols * sizeof *symbols);
    for (uint32_t i = 0; i < sc->n_steps; i++) {
        const struct weft_step *step = &sc->steps[i];
        struct weft_update u = {.dims = plan->graph->dims, .symbols = symbols, .caps = &plan->caps, .step = step};
        uint32_t grid[3], *words = s->words + (size_t)i * WEFT_MAX_WORDS;
        weft_step_update(&u, words, grid);
        if (i == s->test.step) words[s->test.word]++;
        for (int d = 0; d < 3; d++)
            if (grid[d] > plan->caps.max_groups)
                return weft_fail(WEFT_ERR_LIMIT, "step '%s' needs %u workgroups in a dimension, the device allows %u",
                                 step->label, grid[d], plan->caps.max_groups);
        if (grid[0] == 0 || grid[1] == 0 || grid[2] == 0) { // all outputs are empty
            WEFT_TRY(may_skip(plan, sc, step));
            continue;
        }
        const weft_session *from = i == s->test.stale_step ? s->test.stale : s;
        s->spare.plan_steps[s->spare.n_steps] = i;
        for (uint32_t p = 0; p < 2; p++)
            s->spare.steps[p][s->spare.n_steps] =
                (struct weft_gpu_step){.pipeline = s->program->pipelines[step->bound.pipeline],
                                       .group = from->groups[p][k][i],
                                       .uniform_offset = (uint32_t)(base + (uint64_t)i * WEFT_PARAM_SLOT),
                                       .grid = {grid[0], grid[1], grid[2]},
                                       .label = step->label};
        s->spare.n_steps++;
    }
    return WEFT_OK;
}

weft_status weft_session_resize(weft_session *s, const int64_t *symbols) {
    const struct weft_plan *plan = s->program->plan;
    WEFT_TRY(weft_session_check_alive(s));
    uint32_t found = find_version(s, symbols);
    if (found != WEFT_NO_VERSION) {
        WEFT_TRY(weft_session_fits(s, symbols));
        s->versions[found].used = ++s->clock;
        s->live = found;
        return WEFT_OK;
    }
    WEFT_TRY(weft_graph_sizes_check(plan->graph, symbols));
    for (uint32_t i = 0; i < s->n_symbols && plan->bound; i++)
        if (symbols[i] != plan->bind[i])
            return weft_fail(WEFT_ERR_INVALID, "dim %s is %lld, but the program was compiled for %lld alone",
                             weft_dims_symbol_name(plan->graph->dims, i), (long long)symbols[i],
                             (long long)plan->bind[i]);
    WEFT_TRY(weft_session_fits(s, symbols));
    uint32_t k = 0;
    while (k < plan->n_schedules && !in_guard(s, &plan->schedules[k], symbols)) k++;
    if (k == plan->n_schedules) return weft_fail(WEFT_ERR_INVALID, "no schedule of the program covers these sizes");
    uint32_t v = 0; // the version used longest ago; queue order makes rewriting its blocks safe
    for (uint32_t i = 1; i < WEFT_PARAM_VERSIONS; i++)
        if (s->versions[i].used < s->versions[v].used) v = i;
    uint64_t base = weft_session_version_bytes(s) * v;
    WEFT_TRY(stage(s, k, symbols, base));
    uint64_t bytes = (uint64_t)plan->schedules[k].n_steps * WEFT_PARAM_SLOT;
    if (bytes) WEFT_TRY(weft_buf_write(s->gpu, s->arena, base, s->words, bytes));
    s->staged_offset = base;
    s->staged_bytes = bytes;
    struct weft_version old = s->versions[v];
    s->versions[v] = s->spare;
    memcpy(s->spare.steps, old.steps, sizeof old.steps);
    s->spare.plan_steps = old.plan_steps;
    s->versions[v].valid = true;
    s->versions[v].used = ++s->clock;
    s->live = v;
    return WEFT_OK;
}

const int64_t *weft_session_symbols(const weft_session *s) {
    return s->live == WEFT_NO_VERSION ? NULL : s->versions[s->live].symbols;
}

struct weft_session_view weft_session_view(const weft_session *s) {
    struct weft_session_view v = {.staged = s->words,
                                  .staged_offset = s->staged_offset,
                                  .staged_bytes = s->staged_bytes,
                                  .arena = s->arena,
                                  .vars = s->vars,
                                  .states = s->states,
                                  .ios = s->ios};
    if (s->live == WEFT_NO_VERSION) return v;
    v.schedule = s->versions[s->live].schedule;
    v.steps = s->versions[s->live].steps[0];
    v.n_steps = s->versions[s->live].n_steps;
    return v;
}

weft_status weft_session_restage(weft_session *s) {
    for (uint32_t v = 0; v < WEFT_PARAM_VERSIONS; v++) s->versions[v].valid = false;
    if (s->live == WEFT_NO_VERSION) return WEFT_OK;
    int64_t symbols[WEFT_MAX_SYMBOLS];
    memcpy(symbols, s->versions[s->live].symbols, sizeof symbols);
    return weft_session_resize(s, symbols);
}

void weft_session_test_word(weft_session *s, uint32_t step, uint32_t word) {
    s->test.step = step;
    s->test.word = word;
    (void)weft_session_restage(s);
}

void weft_session_test_parity(weft_session *s, bool fixed) { s->test.fixed_parity = fixed; }

void weft_session_test_groups(weft_session *s, uint32_t step, const weft_session *other) {
    s->test.stale_step = step;
    s->test.stale = other;
    (void)weft_session_restage(s);
}
