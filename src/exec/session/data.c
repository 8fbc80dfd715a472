/// Reading and writing of inputs, outputs, states and variables.
#include "core/error.h"
#include "exec/session/impl.h"
#include <string.h>

/// A state, or else an input or output, by its number in the plan.
struct target {
    bool is_state;
    uint32_t number;
    const char *name;
};

static struct target state_target(const weft_session *s, uint32_t state) {
    return (struct target){true, state, s->base.plan->states[state].name};
}

static weft_status find_target(const weft_session *s, const char *name, struct target *out) {
    if (!s || !name) return weft_session_null_argument("a read or write of a session");
    const struct weft_plan *plan = s->base.plan;
    WEFT_TRY(weft_base_check_alive(&s->base));
    for (uint32_t i = 0; i < plan->n_states; i++) {
        *out = state_target(s, i);
        if (plan->states[i].kind != WEFT_STATE_VAR && strcmp(out->name, name) == 0) return WEFT_OK;
    }
    *out = (struct target){.name = name};
    return weft_io_find(&s->io, name, &out->number) ? WEFT_OK : weft_io_no_tensor(&s->io, name);
}

/// The buffer of an input, output or state, at which of its bytes that begins, and how many bytes are live.
static void find_buffer(const weft_session *s, struct target t, weft_buf *out, uint64_t *base, uint64_t *live) {
    const struct weft_plan *plan = s->base.plan;
    *base = 0;
    if (t.is_state) {
        bool paged = plan->states[t.number].kind == WEFT_STATE_PAGED;
        *out = paged ? (weft_buf){0} : s->states.bufs[t.number];
        *live = weft_plan_state_live_bytes(&plan->states[t.number]);
        return;
    }
    *out = weft_io_buffer(&s->io, t.number, base);
    *live = weft_plan_io_live_bytes(plan, t.number, weft_sizes_symbols(&s->sizes));
}

static const struct weft_plan_state *paged_target(const weft_session *s, struct target t) {
    const struct weft_plan_state *state = t.is_state ? &s->base.plan->states[t.number] : NULL;
    return state && state->kind == WEFT_STATE_PAGED ? state : NULL;
}

/// The buffer of a range that lies within what is live of it, and at which byte of the buffer the range begins.
static weft_status find_range(const weft_session *s, struct target t, uint64_t offset, uint64_t bytes, weft_buf *out,
                              uint64_t *at) {
    uint64_t size;
    WEFT_TRY(weft_base_check_alive(&s->base));
    find_buffer(s, t, out, at, &size);
    if (offset % 4 || bytes % 4)
        return weft_fail(WEFT_ERR_INVALID, "'%s': offset %llu and %llu bytes must be multiples of 4", t.name,
                         (unsigned long long)offset, (unsigned long long)bytes);
    *at += offset;
    if (offset <= size && bytes <= size - offset) return WEFT_OK;
    return weft_fail(WEFT_ERR_LIMIT, "'%s' has %llu bytes at the live sizes; %llu at offset %llu lie beyond its end",
                     t.name, (unsigned long long)size, (unsigned long long)bytes, (unsigned long long)offset);
}

static weft_status write_target(weft_session *s, struct target t, uint64_t offset, const void *data, uint64_t bytes) {
    weft_buf buf;
    uint64_t at;
    WEFT_TRY(find_range(s, t, offset, bytes, &buf, &at));
    const struct weft_plan_state *paged = paged_target(s, t);
    if (paged) return weft_pages_write(&s->pages, paged, offset, data, bytes);
    return bytes ? weft_fail_in(weft_buf_write(s->base.gpu, buf, at, data, bytes), "'%s'", t.name) : WEFT_OK;
}

weft_status weft_session_write(weft_session *s, const char *name, uint64_t offset, const void *data, uint64_t bytes) {
    struct target t;
    WEFT_TRY(find_target(s, name, &t));
    return write_target(s, t, offset, data, bytes);
}

weft_status weft_session_write_state(weft_session *s, uint32_t state, uint64_t offset, const void *data,
                                     uint64_t bytes) {
    return write_target(s, state_target(s, state), offset, data, bytes);
}

weft_status weft_session_write_io(weft_session *s, uint32_t io, uint64_t offset, const void *data, uint64_t bytes) {
    return write_target(s, (struct target){false, io, s->base.plan->ios[io].name}, offset, data, bytes);
}

static weft_status read_target(weft_session *s, struct target t, uint64_t offset, void *data, uint64_t bytes) {
    weft_buf buf;
    uint64_t at;
    WEFT_TRY(find_range(s, t, offset, bytes, &buf, &at));
    if (bytes && !data) return weft_session_null_argument("weft_session_read");
    WEFT_TRY(weft_states_check_one(&s->states, t.name));
    const struct weft_plan_state *paged = paged_target(s, t);
    weft_status status = !bytes  ? WEFT_OK
                         : paged ? weft_pages_read(&s->pages, paged, offset, data, bytes)
                                 : weft_base_read(&s->base, buf, at, data, bytes);
    return weft_fail_in(status, "'%s'", t.name);
}

weft_status weft_session_read(weft_session *s, const char *name, uint64_t offset, void *data, uint64_t bytes) {
    struct target t;
    WEFT_TRY(find_target(s, name, &t));
    return read_target(s, t, offset, data, bytes);
}

weft_status weft_session_read_io(weft_session *s, uint32_t io, uint64_t offset, void *data, uint64_t bytes) {
    return read_target(s, (struct target){false, io, s->base.plan->ios[io].name}, offset, data, bytes);
}

static weft_status start_target(weft_session *s, struct target t, uint64_t offset, uint64_t bytes, weft_readback *out) {
    weft_buf buf;
    uint64_t at;
    WEFT_TRY(find_range(s, t, offset, bytes, &buf, &at));
    WEFT_TRY(weft_states_check_one(&s->states, t.name));
    if (paged_target(s, t))
        return weft_fail(WEFT_ERR_UNSUPPORTED,
                         "state '%s' is paged, so its rows do not lie together; read it with "
                         "weft_session_read",
                         t.name);
    return weft_fail_in(weft_readback_start(s->base.gpu, buf, at, bytes, out), "'%s'", t.name);
}

weft_status weft_session_read_start(weft_session *s, const char *name, uint64_t offset, uint64_t bytes,
                                    weft_readback *out) {
    struct target t;
    WEFT_TRY(find_target(s, name, &t));
    return start_target(s, t, offset, bytes, out);
}

weft_status weft_session_state_read_start(weft_session *s, uint32_t state, uint64_t offset, uint64_t bytes,
                                          weft_readback *out) {
    return start_target(s, state_target(s, state), offset, bytes, out);
}

/// The number of a variable among the plan's states.
static weft_status find_var(const weft_session *s, const char *name, uint32_t *state) {
    if (!s || !name) return weft_session_null_argument("a variable of a session");
    const struct weft_plan *plan = s->base.plan;
    WEFT_TRY(weft_base_check_alive(&s->base));
    for (*state = 0; *state < plan->n_states; ++*state)
        if (plan->states[*state].kind == WEFT_STATE_VAR && strcmp(plan->states[*state].name, name) == 0) return WEFT_OK;
    return weft_fail(WEFT_ERR_NOT_FOUND,
                     "the program has no variable '%s' (weft_session_set_active stops and starts a session's runs)",
                     name);
}

weft_status weft_session_var_offset(const weft_session *s, const char *name, uint64_t *offset) {
    uint32_t state;
    *offset = 0;
    WEFT_TRY(find_var(s, name, &state));
    *offset = s->base.plan->states[state].var_slot * 4ull;
    return WEFT_OK;
}

weft_status weft_session_set_state(weft_session *s, uint32_t state, uint32_t index, uint32_t bits) {
    WEFT_TRY(weft_base_check_alive(&s->base));
    WEFT_TRY(weft_var_check(s->base.plan, state, bits));
    return weft_history_set_word(&s->history, s->base.plan->states[state].var_slot + index, bits);
}

/// The word of variable `index` of a name; `one`: of a name that has but one.
static weft_status find_word(const weft_session *s, const char *name, uint32_t index, bool one, uint32_t *state,
                             uint32_t *word) {
    WEFT_TRY(find_var(s, name, state));
    const struct weft_plan_state *var = &s->base.plan->states[*state];
    bool several = s->base.plan->graph->values[var->value].type.rank != 0;
    *word = var->var_slot + index;
    if (one && several)
        return weft_fail(WEFT_ERR_INVALID,
                         "there are %u variables '%s': weft_session_set_var_at and get_var_at take which", var->slots,
                         name);
    if (index < var->slots) return WEFT_OK;
    return weft_fail(WEFT_ERR_LIMIT, "there is no variable %u of '%s', which has %u", index, name, var->slots);
}

static weft_status set_var(weft_session *s, const char *name, uint32_t index, bool one, uint32_t bits) {
    uint32_t state, word;
    WEFT_TRY(find_word(s, name, index, one, &state, &word));
    WEFT_TRY(weft_var_check(s->base.plan, state, bits));
    return weft_history_set_word(&s->history, word, bits);
}

static weft_status get_var(weft_session *s, const char *name, uint32_t index, bool one, uint32_t *bits) {
    uint32_t state, word;
    WEFT_TRY(find_word(s, name, index, one, &state, &word));
    if (!bits) return weft_session_null_argument("weft_session_get_var");
    WEFT_TRY(weft_states_check_one(&s->states, name));
    return weft_base_read(&s->base, s->states.vars, word * 4ull, bits, 4);
}

weft_status weft_session_set_var(weft_session *s, const char *name, uint32_t bits) {
    return set_var(s, name, 0, true, bits);
}

weft_status weft_session_set_var_at(weft_session *s, const char *name, uint32_t index, uint32_t bits) {
    return set_var(s, name, index, false, bits);
}

weft_status weft_session_get_var(weft_session *s, const char *name, uint32_t *bits) {
    return get_var(s, name, 0, true, bits);
}

weft_status weft_session_get_var_at(weft_session *s, const char *name, uint32_t index, uint32_t *bits) {
    return get_var(s, name, index, false, bits);
}

weft_status weft_session_set_active(weft_session *s, bool active) {
    if (!s) return weft_session_null_argument("weft_session_set_active");
    WEFT_TRY(weft_base_check_alive(&s->base));
    return weft_history_set_word(&s->history, WEFT_VAR_ACTIVE, active);
}

weft_status weft_session_get_active(weft_session *s, bool *active) {
    uint32_t word;
    if (!s || !active) return weft_session_null_argument("weft_session_get_active");
    WEFT_TRY(weft_session_vars_read(s, WEFT_VAR_ACTIVE * 4, &word, sizeof word));
    *active = word != 0;
    return WEFT_OK;
}

/// The variables themselves; page tables, which stand behind them, are no one's to read.
static weft_status check_vars(weft_session *s, uint64_t offset, uint64_t bytes) {
    WEFT_TRY(weft_base_check_alive(&s->base));
    uint64_t all = weft_vars_bytes(s->base.plan->n_vars);
    if (offset % 4 || bytes % 4 || offset > all || bytes > all - offset)
        return weft_fail(WEFT_ERR_LIMIT, "the variables have %llu bytes; %llu at offset %llu are no words of theirs",
                         (unsigned long long)all, (unsigned long long)bytes, (unsigned long long)offset);
    return weft_states_check(&s->states);
}

weft_status weft_session_vars_read(weft_session *s, uint64_t offset, void *data, uint64_t bytes) {
    WEFT_TRY(check_vars(s, offset, bytes));
    return weft_base_read(&s->base, s->states.vars, offset, data, bytes);
}

weft_status weft_session_vars_start(weft_session *s, uint64_t offset, uint64_t bytes, weft_readback *out) {
    WEFT_TRY(check_vars(s, offset, bytes));
    return weft_readback_start(s->base.gpu, s->states.vars, offset, bytes, out);
}
