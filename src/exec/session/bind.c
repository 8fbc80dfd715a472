/// Binding inputs and outputs (weft/buffer.h, second part).
#include "core/error.h"
#include "exec/buffer.h"
#include "exec/session/impl.h"
#include <string.h>

static weft_status find_io(const weft_session *s, const char *name, uint32_t *out) {
    const struct weft_plan *plan = s->base.plan;
    if (weft_io_find(&s->io, name, out)) return WEFT_OK;
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (strcmp(plan->states[i].name, name) == 0)
            return weft_fail(WEFT_ERR_INVALID, "'%s' is a state; only inputs and outputs can be bound", name);
    return weft_io_no_tensor(&s->io, name);
}

static weft_status bind_buffer(const weft_session *s, const struct weft_binding *b, struct weft_io_binding *out) {
    uint64_t size = weft_buffer_size(b->buffer);
    if (b->host)
        return weft_fail(WEFT_ERR_INVALID, "'%s' can be bound to a buffer or to the host, not to both", b->name);
    if (b->buffer->gpu != s->base.gpu)
        return weft_fail(WEFT_ERR_INVALID, "'%s': the buffer is of another device than the session", b->name);
    WEFT_TRY(weft_fail_in(weft_buffer_there(b->buffer), "'%s'", b->name));
    if (!weft_buf_alive(s->base.gpu, b->buffer->buf))
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

/// Makes the table of the change the live one, or changes nothing.
static weft_status install(weft_session *s) {
    struct weft_io_change change;
    WEFT_TRY(weft_io_validate(&s->io, weft_sizes_symbols(&s->sizes)));
    weft_status status = weft_io_stage(&s->io, &change);
    bool staged = status == WEFT_OK;
    if (staged && change.any) status = weft_sizes_enter_and_rebind(&s->sizes, WEFT_GROUPS_IOS);
    if (status == WEFT_OK) weft_io_commit(&s->io, &change);
    else weft_io_undo(&s->io, &change, staged);
    return status;
}

weft_status weft_session_bind_all(weft_session *s, const struct weft_binding *bindings, size_t count) {
    if (!s || (count && !bindings)) return weft_session_null_argument("weft_session_bind_all");
    WEFT_TRY(weft_base_check_alive(&s->base));
    weft_io_copy_table(&s->io);
    for (size_t i = 0; i < count; i++) {
        const struct weft_binding *b = &bindings[i];
        uint32_t io;
        if (!b->name) return weft_session_null_argument("a binding's name");
        WEFT_TRY(find_io(s, b->name, &io));
        if (b->buffer) WEFT_TRY(bind_buffer(s, b, &s->io.next[io]));
        else s->io.next[io] = (struct weft_io_binding){.host = b->host, .bytes = b->host ? b->bytes : 0};
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
    const struct weft_io_binding *b = &s->io.bound[io];
    *out = (struct weft_binding){.name = weft_io_name(&s->io, io),
                                 .buffer = b->buffer,
                                 .offset = b->offset,
                                 .bytes = weft_io_is_bound(b) ? b->bytes : weft_plan_io_bytes(s->base.plan, io),
                                 .host = b->host,
                                 .staged = b->staged,
                                 .stale = b->buf.id && !weft_buf_alive(s->base.gpu, b->buf)};
    return WEFT_OK;
}
