/// A session replays schedules. All that a run needs is made at creation (bind groups of every schedule, room for
/// parameter blocks of WEFT_PARAM_VERSIONS recent sizes); in steady state a run creates and allocates nothing.
#include "exec/session.h"
#include "core/alloc.h"
#include "core/error.h"
#include "exec/exec_impl.h"
#include "exec/session_test.h"
#include <stdio.h>
#include <string.h>

#define NO_VERSION UINT32_MAX
#define POISON 0x7fc0deadu ///< a NaN with a mark, for transients in checker mode

/// Parameter blocks and steps of one binding of the symbols.
struct version {
    bool valid;
    uint32_t schedule, n_steps;
    uint64_t used;
    int64_t symbols[WEFT_MAX_SYMBOLS];
    struct weft_gpu_step *steps; ///< without the skipped ones
};

struct weft_session {
    weft_program *program;
    weft_gpu *gpu;
    bool checker;
    uint32_t max_runs, n_symbols, live;
    uint64_t clock;
    weft_buf vars, arena, fault;
    weft_buf *states, *ios;
    weft_bindgroup **groups; ///< [schedule][step]
    struct version versions[WEFT_PARAM_VERSIONS];
    struct version spare;    ///< staging: a failed resize leaves the versions alone
    uint32_t *words;         ///< staging for the blocks of one version
    struct weft_gpu_step *run_steps;
    uint64_t last_serial;
    uint64_t staged_offset, staged_bytes; ///< where `words` went last
    uint32_t sabotage_step, sabotage_word, stale_step;
    const weft_session *stale; ///< whose bind group the stale step keeps
};

static weft_status out_of_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for a session"); }

static weft_status null_argument(const char *call) {
    return weft_fail(WEFT_ERR_INVALID, "%s: an argument is NULL", call);
}

static uint64_t version_bytes(const weft_session *s) { return (uint64_t)s->program->max_steps * 256; }

// ---- making --------------------------------------------------------------------------------------------------------

static weft_buf buffer_of(const weft_session *s, uint32_t mem_key)
{
    uint32_t number = mem_key & 0xffffff;
    switch (mem_key >> 24) {
    case WEFT_MEM_TRANSIENT: return s->program->heaps[number];
    case WEFT_MEM_WEIGHT: return weft_shards_buf(s->program->shards, number);
    case WEFT_MEM_STATE: return s->states[number];
    case WEFT_MEM_VARS: return s->vars;
    case WEFT_MEM_FAULT: return s->fault;
    default: return s->ios[number];
    }
}

static weft_status bind_schedule(weft_session *s, uint32_t k)
{
    const struct weft_schedule *sc = &s->program->plan->schedules[k];
    s->groups[k] = weft_calloc(sc->n_steps + 1, sizeof **s->groups);
    if (!s->groups[k]) return out_of_memory();
    for (uint32_t i = 0; i < sc->n_steps; i++) {
        const struct weft_step *step = &sc->steps[i];
        struct weft_bind binds[WEFT_MAX_SLOTS];
        for (uint32_t n = 0; n < step->n_slots; n++)
            binds[n] = n == 0 ? (struct weft_bind){s->arena, 0, 256}
                              : (struct weft_bind){buffer_of(s, step->slots[n].mem_key), step->slots[n].offset,
                                                   step->slots[n].size};
        weft_status status =
            weft_bindgroup_get(s->gpu, s->program->pipelines[step->pipeline], binds, step->n_slots, &s->groups[k][i]);
        if (status != WEFT_OK) return weft_fail_in(status, "step '%s'", step->label);
    }
    return WEFT_OK;
}

static weft_status make_buffers(weft_session *s)
{
    const struct weft_plan *plan = s->program->plan;
    s->states = weft_calloc(plan->n_states + 1, sizeof *s->states);
    s->ios = weft_calloc(plan->n_ios + 1, sizeof *s->ios);
    if (!s->states || !s->ios) return out_of_memory();
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (plan->states[i].kind != WEFT_STATE_VAR)
            WEFT_TRY(
                weft_buf_create(s->gpu, plan->states[i].bytes, WEFT_BUF_STORAGE, plan->states[i].name, &s->states[i]));
    for (uint32_t i = 0; i < plan->n_ios; i++)
        WEFT_TRY(weft_buf_create(s->gpu, weft_plan_io_bytes(plan, i), WEFT_BUF_STORAGE, plan->ios[i].name, &s->ios[i]));
    WEFT_TRY(weft_buf_create(s->gpu, 256, WEFT_BUF_STORAGE, "vars", &s->vars));
    if (plan->checked) WEFT_TRY(weft_buf_create(s->gpu, 256, WEFT_BUF_STORAGE, "fault", &s->fault));
    return weft_buf_create(s->gpu, version_bytes(s) * WEFT_PARAM_VERSIONS + 256, WEFT_BUF_UNIFORM, "params", &s->arena);
}

static weft_status make_room(weft_session *s)
{
    uint32_t steps = s->program->max_steps + 1;
    for (uint32_t v = 0; v < WEFT_PARAM_VERSIONS; v++) {
        s->versions[v].steps = weft_calloc(steps, sizeof *s->versions[v].steps);
        if (!s->versions[v].steps) return out_of_memory();
    }
    s->spare.steps = weft_calloc(steps, sizeof *s->spare.steps);
    s->words = weft_calloc(steps, 256);
    s->run_steps = weft_calloc((size_t)steps * s->max_runs, sizeof *s->run_steps);
    s->groups = weft_calloc(s->program->plan->n_schedules + 1, sizeof *s->groups);
    return s->spare.steps && s->words && s->run_steps && s->groups ? WEFT_OK : out_of_memory();
}

weft_status weft_session_create(weft_program *program, const struct weft_session_params *params, weft_session **out)
{
    if (out) *out = NULL;
    if (!program || !out) return null_argument("weft_session_create");
    weft_session *s = weft_calloc(1, sizeof *s);
    if (!s) return out_of_memory();
    weft_status status;
    const struct weft_plan *plan = program->plan;
    s->program = program;
    s->gpu = program->gpu;
    s->checker = params && params->checker;
    s->max_runs = params && params->max_runs ? params->max_runs : 16;
    s->n_symbols = weft_dims_symbol_count(plan->graph->dims);
    s->live = NO_VERSION;
    s->sabotage_step = s->stale_step = UINT32_MAX;
    WEFT_GOTO(make_buffers(s));
    WEFT_GOTO(make_room(s));
    for (uint32_t k = 0; k < plan->n_schedules; k++) WEFT_GOTO(bind_schedule(s, k));
    WEFT_GOTO(weft_session_reset(s));
    int64_t symbols[WEFT_MAX_SYMBOLS] = {0}, lo;
    for (uint32_t i = 0; i < s->n_symbols; i++) weft_dims_symbol_bounds(plan->graph->dims, i, &lo, &symbols[i]);
    if (weft_dims_check(plan->graph->dims, symbols) == WEFT_OK) WEFT_GOTO(weft_session_resize(s, symbols));
    *out = s;
    return WEFT_OK;
fail:
    weft_session_destroy(&s);
    return status;
}

void weft_session_destroy(weft_session **session)
{
    if (!session || !*session) return;
    weft_session *s = *session;
    *session = NULL;
    if (s->last_serial) weft_gpu_wait(s->gpu, s->last_serial, -1);
    const struct weft_plan *plan = s->program->plan;
    for (uint32_t i = 0; s->states && i < plan->n_states; i++)
        if (s->states[i].id) weft_buf_release(s->gpu, &s->states[i]);
    for (uint32_t i = 0; s->ios && i < plan->n_ios; i++)
        if (s->ios[i].id) weft_buf_release(s->gpu, &s->ios[i]);
    if (s->vars.id) weft_buf_release(s->gpu, &s->vars);
    if (s->arena.id) weft_buf_release(s->gpu, &s->arena);
    if (s->fault.id) weft_buf_release(s->gpu, &s->fault);
    for (uint32_t k = 0; s->groups && k < plan->n_schedules; k++) weft_free(s->groups[k]);
    for (uint32_t v = 0; v < WEFT_PARAM_VERSIONS; v++) weft_free(s->versions[v].steps);
    weft_free(s->spare.steps);
    weft_free(s->groups);
    weft_free(s->states);
    weft_free(s->ios);
    weft_free(s->words);
    weft_free(s->run_steps);
    weft_free(s);
}

// ---- resize --------------------------------------------------------------------------------------------------------

static bool in_guard(const weft_session *s, const struct weft_schedule *sc, const int64_t *symbols)
{
    for (uint32_t i = 0; i < s->n_symbols; i++)
        if (symbols[i] < sc->lo[i] || symbols[i] > sc->hi[i]) return false;
    return true;
}

static uint32_t find_version(const weft_session *s, const int64_t *symbols)
{
    for (uint32_t v = 0; v < WEFT_PARAM_VERSIONS; v++)
        if (s->versions[v].valid && memcmp(s->versions[v].symbols, symbols, s->n_symbols * sizeof *symbols) == 0)
            return v;
    return NO_VERSION;
}

/// Computes blocks and grids of all steps into s->words and s->spare; the version's place in the arena is `base`.
static weft_status stage(weft_session *s, uint32_t k, const int64_t *symbols, uint64_t base)
{
    const struct weft_plan *plan = s->program->plan;
    const struct weft_schedule *sc = &plan->schedules[k];
    s->spare.n_steps = 0;
    s->spare.schedule = k;
    memcpy(s->spare.symbols, symbols, s->n_symbols * sizeof *symbols);
    for (uint32_t i = 0; i < sc->n_steps; i++) {
        const struct weft_step *step = &sc->steps[i];
        struct weft_update u = {.dims = plan->graph->dims, .symbols = symbols, .caps = &plan->caps, .step = step};
        uint32_t grid[3], *words = s->words + i * 64;
        weft_step_update(&u, words, grid);
        if (i == s->sabotage_step) words[s->sabotage_word]++;
        for (int d = 0; d < 3; d++)
            if (grid[d] > plan->caps.max_groups)
                return weft_fail(WEFT_ERR_LIMIT, "step '%s' needs %u workgroups in a dimension, the device allows %u",
                                 step->label, grid[d], plan->caps.max_groups);
        if (grid[0] == 0 || grid[1] == 0 || grid[2] == 0) continue; // all outputs are empty
        s->spare.steps[s->spare.n_steps++] =
            (struct weft_gpu_step){.pipeline = s->program->pipelines[step->pipeline],
                                   .group = (i == s->stale_step ? s->stale : s)->groups[k][i],
                                   .uniform_offset = (uint32_t)(base + (uint64_t)i * 256),
                                   .grid = {grid[0], grid[1], grid[2]},
                                   .label = step->label};
    }
    return WEFT_OK;
}

weft_status weft_session_resize(weft_session *s, const int64_t *symbols)
{
    const struct weft_plan *plan = s->program->plan;
    uint32_t found = find_version(s, symbols);
    if (found != NO_VERSION) {
        s->versions[found].used = ++s->clock;
        s->live = found;
        return WEFT_OK;
    }
    WEFT_TRY(weft_dims_check(plan->graph->dims, symbols));
    uint32_t k = 0;
    while (k < plan->n_schedules && !in_guard(s, &plan->schedules[k], symbols)) k++;
    if (k == plan->n_schedules) return weft_fail(WEFT_ERR_INVALID, "no schedule of the program covers these sizes");
    uint32_t v = 0; // the version used longest ago; queue order makes rewriting its blocks safe
    for (uint32_t i = 1; i < WEFT_PARAM_VERSIONS; i++)
        if (s->versions[i].used < s->versions[v].used) v = i;
    uint64_t base = version_bytes(s) * v;
    WEFT_TRY(stage(s, k, symbols, base));
    uint64_t bytes = (uint64_t)plan->schedules[k].n_steps * 256;
    if (bytes) WEFT_TRY(weft_buf_write(s->gpu, s->arena, base, s->words, bytes));
    s->staged_offset = base;
    s->staged_bytes = bytes;
    struct weft_gpu_step *steps = s->versions[v].steps;
    s->versions[v] = s->spare;
    s->spare.steps = steps;
    s->versions[v].valid = true;
    s->versions[v].used = ++s->clock;
    s->live = v;
    return WEFT_OK;
}

const int64_t *weft_session_symbols(const weft_session *s) {
    return s->live == NO_VERSION ? NULL : s->versions[s->live].symbols;
}

struct weft_session_view weft_session_view(const weft_session *s)
{
    struct weft_session_view v = {.staged = s->words,
                                  .staged_offset = s->staged_offset,
                                  .staged_bytes = s->staged_bytes,
                                  .arena = s->arena,
                                  .vars = s->vars,
                                  .states = s->states,
                                  .ios = s->ios};
    if (s->live == NO_VERSION) return v;
    v.schedule = s->versions[s->live].schedule;
    v.steps = s->versions[s->live].steps;
    v.n_steps = s->versions[s->live].n_steps;
    return v;
}

/// Computes the live blocks again, and forgets all others.
static void restage(weft_session *s)
{
    for (uint32_t v = 0; v < WEFT_PARAM_VERSIONS; v++) s->versions[v].valid = false;
    if (s->live == NO_VERSION) return;
    int64_t symbols[WEFT_MAX_SYMBOLS];
    memcpy(symbols, s->versions[s->live].symbols, sizeof symbols);
    weft_session_resize(s, symbols);
}

void weft_session_sabotage(weft_session *s, uint32_t step, uint32_t word)
{
    s->sabotage_step = step;
    s->sabotage_word = word;
    restage(s);
}

void weft_session_sabotage_bind(weft_session *s, uint32_t step, const weft_session *other)
{
    s->stale_step = step;
    s->stale = other;
    restage(s);
}

// ---- run -----------------------------------------------------------------------------------------------------------

static weft_status run_checked(weft_session *s, const struct version *v)
{
    for (uint32_t h = 0; h < WEFT_HEAPS; h++)
        if (s->program->heaps[h].id)
            WEFT_TRY(
                weft_buf_fill(s->gpu, s->program->heaps[h], 0, weft_buf_size(s->gpu, s->program->heaps[h]), POISON));
    for (uint32_t i = 0; i < v->n_steps; i++) {
        struct weft_gpu_submit submit = {.steps = &v->steps[i], .n_steps = 1};
        WEFT_TRY(weft_gpu_submit(s->gpu, &submit, &s->last_serial));
    }
    return WEFT_OK;
}

weft_status weft_session_run(weft_session *s, uint32_t runs, uint64_t *serial)
{
    if (!s) return null_argument("weft_session_run");
    if (s->live == NO_VERSION)
        return weft_fail(WEFT_ERR_INVALID, "set the session's sizes before the first run (weft_session_set_sizes)");
    if (runs == 0 || runs > s->max_runs)
        return weft_fail(WEFT_ERR_INVALID, "%u runs asked for in one submit; the session was made for 1 to %u", runs,
                         s->max_runs);
    const struct version *v = &s->versions[s->live];
    weft_status status = WEFT_OK;
    pthread_mutex_lock(&s->program->lock);
    if (s->checker) {
        for (uint32_t r = 0; r < runs && status == WEFT_OK; r++) status = run_checked(s, v);
    } else {
        const struct weft_gpu_step *steps = v->steps;
        if (runs > 1) {
            for (uint32_t r = 0; r < runs; r++)
                memcpy(s->run_steps + (size_t)r * v->n_steps, v->steps, v->n_steps * sizeof *v->steps);
            steps = s->run_steps;
        }
        struct weft_gpu_submit submit = {.steps = steps, .n_steps = (size_t)v->n_steps * runs};
        status = weft_gpu_submit(s->gpu, &submit, &s->last_serial);
    }
    pthread_mutex_unlock(&s->program->lock);
    if (serial) *serial = s->last_serial;
    return status;
}

uint32_t weft_session_dispatches(const weft_session *s) {
    return s->live == NO_VERSION ? 0 : s->versions[s->live].n_steps;
}
weft_program *weft_session_program(const weft_session *s) { return s->program; }

weft_status weft_session_fault(weft_session *s, struct weft_fault *fault)
{
    const struct weft_plan *plan = s->program->plan;
    uint32_t words[WEFT_FAULT_WORDS];
    *fault = (struct weft_fault){0};
    if (!plan->checked)
        return weft_fail(WEFT_ERR_INVALID, "the program was compiled without the checked accessors that record faults");
    WEFT_TRY(weft_buf_read(s->gpu, s->fault, 0, words, sizeof words));
    if (!words[WEFT_FAULT_SET]) return WEFT_OK;
    WEFT_TRY(weft_buf_fill(s->gpu, s->fault, 0, sizeof words, 0));
    uint32_t k = words[WEFT_FAULT_STEP] >> 16, i = words[WEFT_FAULT_STEP] & 0xffff, o = words[WEFT_FAULT_OPERAND];
    if (k >= plan->n_schedules || i >= plan->schedules[k].n_steps || o >= plan->schedules[k].steps[i].n_operands)
        return weft_fail(WEFT_ERR_INTERNAL,
                         "the fault buffer names operand %u of step %u of schedule %u, which is not there", o, i, k);
    const struct weft_step *step = &plan->schedules[k].steps[i];
    *fault = (struct weft_fault){.any = true,
                                 .schedule = k,
                                 .step = i,
                                 .label = step->label,
                                 .operand = step->operands[o].name,
                                 .operand_number = o,
                                 .index = words[WEFT_FAULT_INDEX],
                                 .length = words[WEFT_FAULT_LENGTH]};
    snprintf(fault->text, sizeof fault->text,
             "schedule %s, step %u '%s': element %u of operand '%s' (%s) was asked for, which has %u",
             plan->schedules[k].name, i, fault->label, fault->index, fault->operand,
             plan->schedules[k].tensors[step->operands[o].tensor].name, fault->length);
    return WEFT_OK;
}

// ---- data ----------------------------------------------------------------------------------------------------------

/// The buffer behind a name, and how many of its bytes are live.
static weft_status find_buffer(const weft_session *s, const char *name, weft_buf *out, uint64_t *live)
{
    if (!s || !name) return null_argument("a read or write of a session");
    const struct weft_plan *plan = s->program->plan;
    if (strcmp(name, "vars") == 0) {
        *out = s->vars;
        *live = 256;
        return WEFT_OK;
    }
    for (uint32_t i = 0; i < plan->n_states; i++) {
        if (plan->states[i].kind == WEFT_STATE_VAR || strcmp(plan->states[i].name, name) != 0) continue;
        *out = s->states[i];
        *live = weft_buf_size(s->gpu, s->states[i]);
        return WEFT_OK;
    }
    for (uint32_t i = 0; i < plan->n_ios; i++) {
        if (!plan->ios[i].name || strcmp(plan->ios[i].name, name) != 0) continue;
        *out = s->ios[i];
        *live = weft_plan_io_live_bytes(plan, i, weft_session_symbols(s));
        return WEFT_OK;
    }
    struct weft_str names = {0};
    for (uint32_t i = 0; i < plan->n_ios && i < 8; i++) weft_str_addf(&names, " %s", plan->ios[i].name);
    for (uint32_t i = 0; i < plan->n_states && i < 8; i++) weft_str_addf(&names, " %s", plan->states[i].name);
    weft_status status = weft_fail(WEFT_ERR_NOT_FOUND, "the program has no input, output or state '%s'; it has%s", name,
                                   weft_str_get(&names));
    weft_str_free(&names);
    return status;
}

/// The buffer of a range that lies within what is live of it.
static weft_status find_range(const weft_session *s, const char *name, uint64_t offset, uint64_t bytes, weft_buf *out)
{
    uint64_t size;
    WEFT_TRY(find_buffer(s, name, out, &size));
    if (offset <= size && bytes <= size - offset) return WEFT_OK;
    return weft_fail(WEFT_ERR_LIMIT, "'%s' has %llu bytes at the live sizes; %llu at offset %llu lie beyond its end",
                     name, (unsigned long long)size, (unsigned long long)bytes, (unsigned long long)offset);
}

weft_status weft_session_write(weft_session *s, const char *name, uint64_t offset, const void *data, uint64_t bytes)
{
    weft_buf buf;
    WEFT_TRY(find_range(s, name, offset, bytes, &buf));
    return bytes ? weft_buf_write(s->gpu, buf, offset, data, bytes) : WEFT_OK;
}

weft_status weft_session_read(weft_session *s, const char *name, uint64_t offset, void *data, uint64_t bytes)
{
    weft_buf buf;
    WEFT_TRY(find_range(s, name, offset, bytes, &buf));
    if (bytes && !data) return null_argument("weft_session_read");
    return bytes ? weft_buf_read(s->gpu, buf, offset, data, bytes) : WEFT_OK;
}

weft_status weft_session_read_start(weft_session *s, const char *name, uint64_t offset, uint64_t bytes,
                                    weft_readback *out) {
    weft_buf buf;
    WEFT_TRY(find_range(s, name, offset, bytes, &buf));
    return weft_readback_start(s->gpu, buf, offset, bytes, out);
}

weft_status weft_session_var_offset(const weft_session *s, const char *name, uint64_t *offset)
{
    if (!s || !name) return null_argument("a variable of a session");
    const struct weft_plan *plan = s->program->plan;
    *offset = 0;
    if (strcmp(name, "active") == 0) return WEFT_OK;
    for (uint32_t i = 0; i < plan->n_states; i++) {
        if (plan->states[i].kind != WEFT_STATE_VAR || strcmp(plan->states[i].name, name) != 0) continue;
        *offset = (uint64_t)plan->states[i].var_slot * 4;
        return WEFT_OK;
    }
    return weft_fail(WEFT_ERR_NOT_FOUND, "the program has no variable '%s'", name);
}

weft_status weft_session_set_var(weft_session *s, const char *name, uint32_t bits)
{
    uint64_t offset;
    WEFT_TRY(weft_session_var_offset(s, name, &offset));
    return weft_buf_write(s->gpu, s->vars, offset, &bits, 4);
}

weft_status weft_session_get_var(weft_session *s, const char *name, uint32_t *bits)
{
    uint64_t offset;
    WEFT_TRY(weft_session_var_offset(s, name, &offset));
    if (!bits) return null_argument("weft_session_get_var");
    return weft_buf_read(s->gpu, s->vars, offset, bits, 4);
}

weft_status weft_session_reset(weft_session *s)
{
    if (!s) return null_argument("weft_session_reset");
    const struct weft_plan *plan = s->program->plan;
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (s->states[i].id) WEFT_TRY(weft_buf_fill(s->gpu, s->states[i], 0, weft_buf_size(s->gpu, s->states[i]), 0));
    WEFT_TRY(weft_buf_fill(s->gpu, s->vars, 0, 256, 0));
    return weft_session_set_var(s, "active", 1);
}
