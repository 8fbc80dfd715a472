/// Reading and writing of inputs, outputs, states and variables.
#include "core/error.h"
#include "core/str.h"
#include "exec/session_impl.h"
#include <string.h>

weft_status weft_session_no_tensor(const weft_session *s, const char *name) {
    const struct weft_plan *plan = s->program->plan;
    struct weft_str names = {0};
    for (uint32_t i = 0; i < plan->n_ios && i < 8; i++) weft_str_addf(&names, " %s", plan->ios[i].name);
    for (uint32_t i = 0; i < plan->n_states && i < 8; i++) weft_str_addf(&names, " %s", plan->states[i].name);
    weft_status status = weft_fail(WEFT_ERR_NOT_FOUND, "the program has no input, output or state '%s'; it has%s", name,
                                   weft_str_get(&names));
    weft_str_free(&names);
    return status;
}

/// The buffer of an input, output or state, at which of its bytes that begins, and how many bytes are live. Errors:
/// NOT_FOUND.
static weft_status find_buffer(const weft_session *s, const char *name, weft_buf *out, uint64_t *base, uint64_t *live) {
    *base = *live = 0;
    if (!s || !name) return weft_session_null_argument("a read or write of a session");
    const struct weft_plan *plan = s->program->plan;
    WEFT_TRY(weft_session_check_alive(s));
    for (uint32_t i = 0; i < plan->n_states; i++) {
        if (plan->states[i].kind == WEFT_STATE_VAR || strcmp(plan->states[i].name, name) != 0) continue;
        bool paged = plan->states[i].kind == WEFT_STATE_PAGED;
        *out = paged ? (weft_buf){0} : s->states[i];
        *live = weft_plan_state_live_bytes(&plan->states[i]);
        return WEFT_OK;
    }
    for (uint32_t i = 0; i < plan->n_ios; i++) {
        if (!plan->ios[i].name || strcmp(plan->ios[i].name, name) != 0) continue;
        *out = s->bound[i].buf.id ? s->bound[i].buf : s->ios[i];
        *base = s->bound[i].buf.id ? s->bound[i].offset : 0;
        *live = weft_plan_io_live_bytes(plan, i, weft_session_symbols(s));
        return WEFT_OK;
    }
    return weft_session_no_tensor(s, name);
}

/// The buffer of a range that lies within what is live of it, and at which byte of the buffer the range begins.
static weft_status find_range(const weft_session *s, const char *name, uint64_t offset, uint64_t bytes, weft_buf *out,
                              uint64_t *at) {
    uint64_t size;
    WEFT_TRY(find_buffer(s, name, out, at, &size));
    if (offset % 4 || bytes % 4)
        return weft_fail(WEFT_ERR_INVALID, "'%s': offset %llu and %llu bytes must be multiples of 4", name,
                         (unsigned long long)offset, (unsigned long long)bytes);
    *at += offset;
    if (offset <= size && bytes <= size - offset) return WEFT_OK;
    return weft_fail(WEFT_ERR_LIMIT, "'%s' has %llu bytes at the live sizes; %llu at offset %llu lie beyond its end",
                     name, (unsigned long long)size, (unsigned long long)bytes, (unsigned long long)offset);
}

weft_status weft_session_write(weft_session *s, const char *name, uint64_t offset, const void *data, uint64_t bytes) {
    weft_buf buf;
    uint64_t at;
    WEFT_TRY(find_range(s, name, offset, bytes, &buf, &at));
    const struct weft_plan_state *paged = weft_session_paged(s, name);
    if (paged) return weft_session_write_rows(s, paged, offset, data, bytes);
    return bytes ? weft_fail_in(weft_buf_write(s->gpu, buf, at, data, bytes), "'%s'", name) : WEFT_OK;
}

weft_status weft_session_read_buffer(weft_session *s, weft_buf buf, uint64_t offset, void *data, uint64_t bytes) {
    WEFT_TRY(weft_session_check_not_cancelled(s));
    const atomic_bool *token = weft_gpu_token(&s->cancelled);
    weft_status status = weft_buf_read(s->gpu, buf, offset, data, bytes);
    weft_gpu_token(token);
    return status;
}

weft_status weft_session_read(weft_session *s, const char *name, uint64_t offset, void *data, uint64_t bytes) {
    weft_buf buf;
    uint64_t at;
    WEFT_TRY(find_range(s, name, offset, bytes, &buf, &at));
    if (bytes && !data) return weft_session_null_argument("weft_session_read");
    WEFT_TRY(weft_session_check_state(s, name));
    const struct weft_plan_state *paged = weft_session_paged(s, name);
    weft_status status = !bytes  ? WEFT_OK
                         : paged ? weft_session_read_rows(s, paged, offset, data, bytes)
                                 : weft_session_read_buffer(s, buf, at, data, bytes);
    return weft_fail_in(status, "'%s'", name);
}

weft_status weft_session_read_start(weft_session *s, const char *name, uint64_t offset, uint64_t bytes,
                                    weft_readback *out) {
    weft_buf buf;
    uint64_t at;
    WEFT_TRY(find_range(s, name, offset, bytes, &buf, &at));
    WEFT_TRY(weft_session_check_state(s, name));
    if (weft_session_paged(s, name))
        return weft_fail(WEFT_ERR_UNSUPPORTED,
                         "state '%s' is paged, so its rows do not lie together; read it with "
                         "weft_session_read",
                         name);
    return weft_fail_in(weft_readback_start(s->gpu, buf, at, bytes, out), "'%s'", name);
}

/// The number of a variable among the plan's states.
static weft_status find_var(const weft_session *s, const char *name, uint32_t *state) {
    if (!s || !name) return weft_session_null_argument("a variable of a session");
    const struct weft_plan *plan = s->program->plan;
    WEFT_TRY(weft_session_check_alive(s));
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
    *offset = s->program->plan->states[state].var_slot * 4ull;
    return WEFT_OK;
}

/// Writes word `word` of the variables block.
static weft_status set_word(weft_session *s, uint32_t word, uint32_t bits) {
    // What the device stopped goes on from where it was, not from where the host thinks that it might be.
    if (word == WEFT_VAR_ACTIVE && bits) WEFT_TRY(weft_session_settle(s));
    WEFT_TRY(weft_buf_write(s->gpu, s->vars, word * 4ull, &bits, 4));
    weft_session_track_var(s, word, bits);
    return WEFT_OK;
}

weft_status weft_session_set_var(weft_session *s, const char *name, uint32_t bits) {
    uint32_t state;
    WEFT_TRY(find_var(s, name, &state));
    WEFT_TRY(weft_session_check_var(s->program->plan, state, bits));
    return set_word(s, s->program->plan->states[state].var_slot, bits);
}

weft_status weft_session_set_active(weft_session *s, bool active) {
    if (!s) return weft_session_null_argument("weft_session_set_active");
    WEFT_TRY(weft_session_check_alive(s));
    return set_word(s, WEFT_VAR_ACTIVE, active);
}

weft_status weft_session_get_var(weft_session *s, const char *name, uint32_t *bits) {
    uint32_t state;
    WEFT_TRY(find_var(s, name, &state));
    if (!bits) return weft_session_null_argument("weft_session_get_var");
    WEFT_TRY(weft_session_check_state(s, name));
    return weft_session_read_buffer(s, s->vars, s->program->plan->states[state].var_slot * 4ull, bits, 4);
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
    WEFT_TRY(weft_session_check_alive(s));
    if (offset % 4 || bytes % 4 || offset > WEFT_VARS_BYTES || bytes > WEFT_VARS_BYTES - offset)
        return weft_fail(WEFT_ERR_LIMIT, "the variables have %d bytes; %llu at offset %llu are no words of theirs",
                         WEFT_VARS_BYTES, (unsigned long long)bytes, (unsigned long long)offset);
    return weft_session_check_states(s);
}

weft_status weft_session_vars_read(weft_session *s, uint64_t offset, void *data, uint64_t bytes) {
    WEFT_TRY(check_vars(s, offset, bytes));
    return weft_session_read_buffer(s, s->vars, offset, data, bytes);
}

weft_status weft_session_vars_start(weft_session *s, uint64_t offset, uint64_t bytes, weft_readback *out) {
    WEFT_TRY(check_vars(s, offset, bytes));
    return weft_readback_start(s->gpu, s->vars, offset, bytes, out);
}

weft_status weft_session_reset(weft_session *s) {
    if (!s) return weft_session_null_argument("weft_session_reset");
    const struct weft_plan *plan = s->program->plan;
    WEFT_TRY(weft_session_check_alive(s));
    s->gone = true; // until all of it is done
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (s->states[i].id) WEFT_TRY(weft_buf_fill(s->gpu, s->states[i], 0, weft_buf_size(s->gpu, s->states[i]), 0));
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (s->others[i].id) WEFT_TRY(weft_buf_fill(s->gpu, s->others[i], 0, weft_buf_size(s->gpu, s->others[i]), 0));
    WEFT_TRY(weft_session_release_rows(s, 0));
    weft_session_track_reset(s);
    WEFT_TRY(weft_buf_write(s->gpu, s->vars, 0, s->known, sizeof s->known));
    weft_session_forget(s, 0);
    s->gone = false;
    return WEFT_OK;
}
