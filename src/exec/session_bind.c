/// What inputs and outputs are bound to (weft/buffer.h). A change is made in a table beside the live one, validated as
/// a whole, and takes effect when bind groups for all of it are there.
#include "core/alloc.h"
#include "core/error.h"
#include "exec/buffer.h"
#include "exec/session_impl.h"
#include <string.h>

static const char *kind_of(const weft_session *s, uint32_t io) {
    return s->program->plan->ios[io].is_output ? "output" : "input";
}
static const char *name_of(const weft_session *s, uint32_t io) { return s->program->plan->ios[io].name; }

bool weft_session_is_io(uint32_t mem_key, uint32_t *io) {
    *io = mem_key & 0xffffff;
    return mem_key >> 24 == WEFT_MEM_INPUT || mem_key >> 24 == WEFT_MEM_OUTPUT;
}

static bool direct(const struct weft_io_binding *b) { return b->buf.id && !b->staged; }
static bool is_bound(const struct weft_io_binding *b) { return b->buf.id || b->host; }

bool weft_session_bind_slot(const weft_session *s, const struct weft_step *step, uint32_t slot, struct weft_bind *out) {
    const struct weft_slot *at = &step->bound.slots[slot];
    uint32_t io;
    weft_session_is_io(at->mem_key, &io);
    const struct weft_io_binding *b = &s->bound[io];
    *out = (struct weft_bind){s->ios[io], at->offset, at->size};
    if (!direct(b)) return true;
    if (!weft_buf_alive(s->gpu, b->buf)) return false;
    uint64_t room = weft_align256(b->bytes);
    // Live elements end before the bytes that are bound do, so what begins behind them is not reached.
    if (at->offset >= room) *out = weft_dummies_bind(&s->dummies, at, slot);
    else
        *out = (struct weft_bind){b->buf, b->offset + at->offset,
                                  at->size < room - at->offset ? at->size : room - at->offset};
    return true;
}

// ---- judging a table -----------------------------------------------------------------------------------------------

static weft_status fits(const weft_session *s, const struct weft_io_binding *table, const int64_t *symbols) {
    const struct weft_plan *plan = s->program->plan;
    for (uint32_t i = 0; i < plan->n_ios; i++) {
        const struct weft_io_binding *b = &table[i];
        if (!is_bound(b)) continue;
        uint64_t need = weft_plan_io_live_bytes(plan, i, symbols), have = b->bytes;
        if (b->buf.id) have = (have + 3) & ~(uint64_t)3;
        if (need > have)
            return weft_fail(WEFT_ERR_LIMIT,
                             "%s '%s' needs %llu bytes at the live sizes and %llu are bound; bind more "
                             "of them, or NULL for the session's own buffer",
                             kind_of(s, i), name_of(s, i), (unsigned long long)need, (unsigned long long)b->bytes);
    }
    return WEFT_OK;
}

weft_status weft_session_fits(const weft_session *s, const int64_t *symbols) {
    return s->n_bound ? fits(s, s->bound, symbols) : WEFT_OK;
}

static bool one_buffer(const struct weft_io_binding *a, const struct weft_io_binding *b) {
    return a->buf.id && a->buf.id == b->buf.id && a->buf.gen == b->buf.gen;
}

static weft_status no_overlap(const weft_session *s, uint32_t i, uint32_t j) {
    const struct weft_io_binding *a = &s->next[i], *b = &s->next[j];
    const struct weft_plan_io *ios = s->program->plan->ios;
    if (!one_buffer(a, b) || !(ios[i].is_output || ios[j].is_output)) return WEFT_OK;
    uint64_t a_end = a->offset + weft_align256(a->bytes), b_end = b->offset + weft_align256(b->bytes);
    if (a->offset >= b_end || b->offset >= a_end) return WEFT_OK;
    uint64_t from = a->offset > b->offset ? a->offset : b->offset, to = a_end < b_end ? a_end : b_end;
    return weft_fail(WEFT_ERR_INVALID,
                     "%s '%s' and %s '%s' would share bytes %llu to %llu of one buffer (ranges take "
                     "whole blocks of %d); bind ranges that do not overlap",
                     kind_of(s, i), ios[i].name, kind_of(s, j), ios[j].name, (unsigned long long)from,
                     (unsigned long long)to, WEFT_BUFFER_ALIGN);
}

/// WebGPU validates usage by whole buffer: where a step would bind one buffer read and read_write, the side that is
/// only read, an input if there is one, goes through the session's own buffer.
static void stage_step(weft_session *s, const struct weft_step *step) {
    const struct weft_step_bound *bound = &step->bound;
    uint32_t a, b;
    for (uint32_t i = 1; i < bound->n_slots; i++) {
        if (!weft_session_is_io(bound->slots[i].mem_key, &a)) continue;
        for (uint32_t j = 1; j < i; j++) {
            if (bound->slots[i].kind == bound->slots[j].kind || !weft_session_is_io(bound->slots[j].mem_key, &b))
                continue;
            if (a == b || !direct(&s->next[a]) || !direct(&s->next[b]) || !one_buffer(&s->next[a], &s->next[b]))
                continue;
            s->next[bound->slots[i].kind == WEFT_BIND_READ ? a : b].staged = true;
        }
    }
}

/// Validates s->next as a whole and decides what is staged.
static weft_status validate(weft_session *s) {
    const struct weft_plan *plan = s->program->plan;
    bool shared = false;
    if (weft_session_symbols(s)) WEFT_TRY(fits(s, s->next, weft_session_symbols(s)));
    for (uint32_t i = 0; i < plan->n_ios; i++) {
        s->next[i].staged = false;
        for (uint32_t j = 0; j < i; j++) {
            WEFT_TRY(no_overlap(s, j, i));
            shared |= one_buffer(&s->next[i], &s->next[j]);
        }
    }
    for (uint32_t k = 0; shared && k < plan->n_schedules; k++)
        for (uint32_t i = 0; i < plan->schedules[k].n_steps; i++) stage_step(s, &plan->schedules[k].steps[i]);
    return WEFT_OK;
}

// ---- a change ------------------------------------------------------------------------------------------------------

static bool is_back(const weft_session *s, const struct weft_io_binding *table, uint32_t io) {
    return s->program->plan->ios[io].is_output && table[io].host;
}

static void drop_backs(weft_session *s, uint32_t io) {
    for (uint32_t r = 0; r < WEFT_HOST_RUNS; r++) {
        weft_buf_release(s->gpu, &s->backs[io].bufs[r]);
        weft_buf_release(s->gpu, &s->backs[io].old[r]);
    }
    s->backs[io] = (struct weft_io_back){0};
}

/// Larger buffers take the place of those that an output has; what is on its way stays where it is.
static void replace_backs(weft_session *s, uint32_t io, const struct weft_io_back *larger) {
    struct weft_io_back *b = &s->backs[io];
    for (uint32_t r = 0; r < WEFT_HOST_RUNS; r++) {
        if (s->host_fences[r] && b->host[r] && !b->old[r].id) b->old[r] = b->bufs[r];
        else weft_buf_release(s->gpu, &b->bufs[r]);
        b->bufs[r] = larger->bufs[r];
    }
}

/// Makes the buffers through which an output goes to the host, where those that there are do not suffice.
static weft_status make_backs(weft_session *s, uint32_t io, struct weft_io_back *out) {
    uint64_t bytes = s->next[io].bytes, most = weft_plan_io_bytes(s->program->plan, io);
    bytes = bytes < most ? weft_align256(bytes) : most;
    if (s->backs[io].bufs[0].id && weft_buf_size(s->gpu, s->backs[io].bufs[0]) >= bytes) return WEFT_OK;
    for (uint32_t r = 0; r < WEFT_HOST_RUNS; r++) {
        weft_status status = weft_buf_create(s->gpu, bytes, WEFT_BUF_READBACK, name_of(s, io), &out->bufs[r]);
        if (status == WEFT_OK) continue;
        while (r-- > 0) weft_buf_release(s->gpu, &out->bufs[r]);
        *out = (struct weft_io_back){0};
        return status;
    }
    return WEFT_OK;
}

/// Makes whatever s->next needs and is not there yet, and marks it in `made` (own buffers) and `backs`.
static weft_status make_needed(weft_session *s, bool *made, struct weft_io_back *backs) {
    const struct weft_plan *plan = s->program->plan;
    bool dummies = false;
    for (uint32_t i = 0; i < plan->n_ios; i++) {
        if (is_back(s, s->next, i)) WEFT_TRY(make_backs(s, i, &backs[i]));
        dummies |= direct(&s->next[i]) && weft_align256(s->next[i].bytes) < weft_plan_io_bytes(plan, i);
        if (direct(&s->next[i]) || s->ios[i].id) continue;
        WEFT_TRY(weft_buf_make(s->gpu, WEFT_BUF_FOR_IO, weft_plan_io_bytes(plan, i), WEFT_BUF_STORAGE, name_of(s, i),
                               &s->ios[i]));
        made[i] = true;
    }
    return dummies ? weft_dummies_make(s->gpu, WEFT_BUF_FOR_OTHER, "nothing bound", &s->dummies) : WEFT_OK;
}

static bool changes(const weft_session *s, uint32_t io, bool made) {
    const struct weft_io_binding *a = &s->bound[io], *b = &s->next[io];
    if (!direct(a) && !direct(b)) return made;
    return direct(a) != direct(b) || !one_buffer(a, b) || a->offset != b->offset ||
           weft_align256(a->bytes) != weft_align256(b->bytes);
}

static void swap_tables(weft_session *s) {
    struct weft_io_binding *was = s->bound;
    s->bound = s->next;
    s->next = was;
}

/// Gives up what is not needed any more, once the groups are there. s->next is the table before.
static void settle(weft_session *s, const struct weft_io_back *backs) {
    s->n_bound = 0;
    for (uint32_t i = 0; i < s->program->plan->n_ios; i++) {
        s->n_bound += is_bound(&s->bound[i]);
        if (direct(&s->bound[i]) && s->ios[i].id) weft_buf_release(s->gpu, &s->ios[i]);
        if (!is_back(s, s->bound, i)) drop_backs(s, i);
        else if (backs[i].bufs[0].id) replace_backs(s, i, &backs[i]);
    }
}

/// Makes s->next the live table, or changes nothing.
static weft_status install(weft_session *s) {
    const struct weft_plan *plan = s->program->plan;
    bool *made = weft_calloc(plan->n_ios + 1, sizeof *made), any = false;
    struct weft_io_back *backs = weft_calloc(plan->n_ios + 1, sizeof *backs);
    weft_status status = made && backs ? validate(s) : weft_session_no_memory();
    if (status == WEFT_OK) status = make_needed(s, made, backs);
    for (uint32_t i = 0; status == WEFT_OK && i < plan->n_ios; i++) any |= s->io_changed[i] = changes(s, i, made[i]);
    if (status == WEFT_OK) {
        swap_tables(s);
        if (any) status = weft_session_rebind(s, WEFT_REBIND_IOS);
        if (status == WEFT_OK) settle(s, backs);
        else swap_tables(s);
    }
    for (uint32_t i = 0; status != WEFT_OK && made && backs && i < plan->n_ios; i++) {
        if (made[i]) weft_buf_release(s->gpu, &s->ios[i]);
        for (uint32_t r = 0; r < WEFT_HOST_RUNS; r++)
            if (backs[i].bufs[r].id) weft_buf_release(s->gpu, &backs[i].bufs[r]);
    }
    weft_free(made);
    weft_free(backs);
    return status;
}

// ---- asking for one ------------------------------------------------------------------------------------------------

static weft_status find_io(const weft_session *s, const char *name, uint32_t *out) {
    const struct weft_plan *plan = s->program->plan;
    for (*out = 0; *out < plan->n_ios; ++*out)
        if (plan->ios[*out].name && strcmp(plan->ios[*out].name, name) == 0) return WEFT_OK;
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (strcmp(plan->states[i].name, name) == 0)
            return weft_fail(WEFT_ERR_INVALID, "'%s' is a state; only inputs and outputs can be bound", name);
    return weft_session_no_tensor(s, name);
}

static weft_status bind_buffer(const weft_session *s, const struct weft_binding *b, struct weft_io_binding *out) {
    uint64_t size = weft_buffer_size(b->buffer);
    if (b->host)
        return weft_fail(WEFT_ERR_INVALID, "'%s' can be bound to a buffer or to the host, not to both", b->name);
    if (b->buffer->gpu != s->gpu)
        return weft_fail(WEFT_ERR_INVALID, "'%s': the buffer is of another device than the session", b->name);
    WEFT_TRY(weft_fail_in(weft_buffer_there(b->buffer), "'%s'", b->name));
    if (!weft_buf_alive(s->gpu, b->buffer->buf))
        return weft_fail(WEFT_ERR_STALE, "'%s': the buffer's memory is gone; make a new one", b->name);
    if (b->offset % WEFT_BUFFER_ALIGN)
        return weft_fail(WEFT_ERR_INVALID, "'%s': offset %llu is not a multiple of %d", b->name,
                         (unsigned long long)b->offset, WEFT_BUFFER_ALIGN);
    if (b->offset >= size || b->bytes > size - b->offset)
        return weft_fail(WEFT_ERR_LIMIT, "'%s': %llu bytes at offset %llu lie beyond the end of a buffer of %llu bytes",
                         b->name, (unsigned long long)b->bytes, (unsigned long long)b->offset,
                         (unsigned long long)size);
    *out = (struct weft_io_binding){.buffer = b->buffer,
                                    .buf = b->buffer->buf,
                                    .offset = b->offset,
                                    .bytes = b->bytes ? b->bytes : size - b->offset};
    return WEFT_OK;
}

weft_status weft_session_bind_all(weft_session *s, const struct weft_binding *bindings, size_t count) {
    if (!s || (count && !bindings)) return weft_session_null_argument("weft_session_bind_all");
    WEFT_TRY(weft_session_check_alive(s));
    memcpy(s->next, s->bound, s->program->plan->n_ios * sizeof *s->next);
    for (size_t i = 0; i < count; i++) {
        const struct weft_binding *b = &bindings[i];
        uint32_t io;
        if (!b->name) return weft_session_null_argument("a binding's name");
        WEFT_TRY(find_io(s, b->name, &io));
        if (b->buffer) WEFT_TRY(bind_buffer(s, b, &s->next[io]));
        else s->next[io] = (struct weft_io_binding){.host = b->host, .bytes = b->host ? b->bytes : 0};
    }
    return install(s);
}

weft_status weft_session_bind(weft_session *s, const char *name, weft_buffer *buffer, uint64_t offset, uint64_t bytes) {
    struct weft_binding b = {.name = name, .buffer = buffer, .offset = offset, .bytes = bytes};
    return weft_session_bind_all(s, &b, 1);
}

weft_status weft_session_bind_host(weft_session *s, const char *name, void *data, uint64_t bytes) {
    struct weft_binding b = {.name = name, .host = data, .bytes = bytes};
    return weft_session_bind_all(s, &b, 1);
}

weft_status weft_session_binding(const weft_session *s, const char *name, struct weft_binding *out) {
    uint32_t io;
    if (!s || !name || !out) return weft_session_null_argument("weft_session_binding");
    *out = (struct weft_binding){0};
    WEFT_TRY(find_io(s, name, &io));
    const struct weft_io_binding *b = &s->bound[io];
    *out = (struct weft_binding){.name = name_of(s, io),
                                 .buffer = b->buffer,
                                 .offset = b->offset,
                                 .bytes = is_bound(b) ? b->bytes : weft_plan_io_bytes(s->program->plan, io),
                                 .host = b->host,
                                 .staged = b->staged,
                                 .stale = b->buf.id && !weft_buf_alive(s->gpu, b->buf)};
    return WEFT_OK;
}

// ---- life ----------------------------------------------------------------------------------------------------------

weft_status weft_session_make_bindings(weft_session *s) {
    size_t n = s->program->plan->n_ios + 1;
    s->bound = weft_calloc(n, sizeof *s->bound);
    s->next = weft_calloc(n, sizeof *s->next);
    s->backs = weft_calloc(n, sizeof *s->backs);
    s->io_changed = weft_calloc(n, sizeof *s->io_changed);
    s->copies = weft_calloc(2 * n, sizeof *s->copies);
    return s->bound && s->next && s->backs && s->io_changed && s->copies ? WEFT_OK : weft_session_no_memory();
}

void weft_session_drop_bindings(weft_session *s) {
    for (uint32_t i = 0; s->backs && i < s->program->plan->n_ios; i++) drop_backs(s, i);
    weft_dummies_drop(s->gpu, &s->dummies);
}

weft_status weft_session_renew_bindings(weft_session *s) {
    const struct weft_plan *plan = s->program->plan;
    bool made[1];
    weft_session_drop_bindings(s); // of the device that was lost
    memset(s->host_fences, 0, sizeof s->host_fences);
    for (uint32_t i = 0; i < plan->n_ios; i++) {
        struct weft_io_binding *b = &s->bound[i];
        if (b->buf.id) b->buf = weft_buffer_renewed(s->gpu, b->buffer, b->buf);
        if (direct(b)) weft_buf_release(s->gpu, &s->ios[i]);
    }
    memcpy(s->next, s->bound, plan->n_ios * sizeof *s->next);
    return make_needed(s, made, s->backs); // own buffers are there where they are needed: `made` is not touched
}

void weft_session_free_bindings(weft_session *s) {
    weft_session_drop_bindings(s);
    weft_free(s->bound);
    weft_free(s->next);
    weft_free(s->backs);
    weft_free(s->io_changed);
    weft_free(s->copies);
}

// ---- runs ----------------------------------------------------------------------------------------------------------

static weft_status check_alive(const weft_session *s) {
    for (uint32_t i = 0; i < s->program->plan->n_ios; i++) {
        if (!s->bound[i].buf.id || weft_buf_alive(s->gpu, s->bound[i].buf)) continue;
        WEFT_TRY(
            weft_fail_in(weft_buffer_why_gone(s->gpu, s->bound[i].buffer), "%s '%s'", kind_of(s, i), name_of(s, i)));
        return weft_fail(WEFT_ERR_STALE,
                         "%s '%s' is bound to a buffer that has been destroyed; bind another, or "
                         "NULL for the session's own (weft_session_bind)",
                         kind_of(s, i), name_of(s, i));
    }
    return WEFT_OK;
}

weft_status weft_session_bindings_begin(weft_session *s, struct weft_gpu_submit *ends) {
    const struct weft_plan *plan = s->program->plan;
    const int64_t *symbols = weft_session_symbols(s);
    struct weft_gpu_copy *before = s->copies, *after = s->copies + plan->n_ios + 1;
    *ends = (struct weft_gpu_submit){.before = before, .after = after};
    if (!s->n_bound) return WEFT_OK;
    WEFT_TRY(check_alive(s));
    for (uint32_t i = 0; i < plan->n_ios; i++) {
        const struct weft_io_binding *b = &s->bound[i];
        uint64_t live = weft_plan_io_live_bytes(plan, i, symbols);
        if (b->host && !plan->ios[i].is_output && live)
            WEFT_TRY(weft_fail_in(weft_buf_write(s->gpu, s->ios[i], 0, b->host, live), "'%s'", plan->ios[i].name));
        if (b->staged && !plan->ios[i].is_output)
            before[ends->n_before++] = (struct weft_gpu_copy){b->buf, b->offset, s->ios[i], 0, live};
        if (b->staged && plan->ios[i].is_output) // a run writes all that is live of an output
            after[ends->n_after++] = (struct weft_gpu_copy){s->ios[i], 0, b->buf, b->offset, live};
        if (is_back(s, s->bound, i))
            after[ends->n_after++] = (struct weft_gpu_copy){s->ios[i], 0, s->backs[i].bufs[s->host_next], 0, live};
    }
    return WEFT_OK;
}

void weft_session_bindings_ran(weft_session *s, uint64_t fence) {
    const struct weft_plan *plan = s->program->plan;
    bool any = false;
    for (uint32_t i = 0; s->n_bound && i < plan->n_ios; i++) {
        bool back = is_back(s, s->bound, i);
        any |= back;
        weft_buf_release(s->gpu, &s->backs[i].old[s->host_next]);
        s->backs[i].host[s->host_next] = back ? s->bound[i].host : NULL;
        s->backs[i].bytes[s->host_next] = weft_plan_io_live_bytes(plan, i, weft_session_symbols(s));
    }
    if (!any) return;
    s->host_fences[s->host_next] = fence;
    s->host_next = (s->host_next + 1) % WEFT_HOST_RUNS;
}

static weft_status take_back(weft_session *s, uint32_t io, uint32_t r) {
    struct weft_io_back *b = &s->backs[io];
    weft_readback rb;
    if (!b->host[r] || !b->bytes[r]) return WEFT_OK;
    WEFT_TRY(weft_readback_start(s->gpu, b->old[r].id ? b->old[r] : b->bufs[r], 0, b->bytes[r], &rb));
    return weft_readback_finish(s->gpu, &rb, b->host[r], b->bytes[r]);
}

weft_status weft_session_deliver(weft_session *s, uint64_t fence) {
    uint32_t newest = WEFT_HOST_RUNS;
    for (uint32_t r = 0; r < WEFT_HOST_RUNS; r++)
        if (s->host_fences[r] && s->host_fences[r] <= fence &&
            (newest == WEFT_HOST_RUNS || s->host_fences[r] > s->host_fences[newest]))
            newest = r;
    if (newest == WEFT_HOST_RUNS) return WEFT_OK;
    for (uint32_t i = 0; i < s->program->plan->n_ios; i++)
        WEFT_TRY(weft_fail_in(take_back(s, i, newest), "output '%s'", name_of(s, i)));
    for (uint32_t r = 0; r < WEFT_HOST_RUNS; r++) {
        if (s->host_fences[r] > fence) continue;
        s->host_fences[r] = 0;
        for (uint32_t i = 0; i < s->program->plan->n_ios; i++) weft_buf_release(s->gpu, &s->backs[i].old[r]);
    }
    return WEFT_OK;
}
