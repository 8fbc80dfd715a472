/// Rows of paged states as the host reads and writes them, wherever they lie.
#include "core/error.h"
#include "exec/session/pages.h"
#include <string.h>

/// A run of bytes of a state within neighbouring pages of a bank.
struct piece {
    bool there;      ///< else it has no page
    uint32_t page;   ///< the first
    uint64_t within; ///< byte in the first page
    uint64_t bytes;
};

/// Bytes of a slot's rows, which follow those of the slots in front.
static uint64_t slot_bytes(const struct weft_plan_state *state) { return state->rows * state->row_bytes; }

static struct weft_page_table *table_of(const struct weft_pages *pg, const struct weft_plan_state *state,
                                        uint32_t slot) {
    return &pg->tables[pg->base->plan->page_groups[state->pages].first + slot];
}

/// Finds where byte `offset` lies, and as many behind it as lie together, at most `bytes`.
static struct piece piece_at(const struct weft_pages *pg, const struct weft_plan_state *state, uint64_t offset,
                             uint64_t bytes) {
    uint32_t slot = (uint32_t)(offset / slot_bytes(state)), each = pg->base->plan->page_groups[state->pages].bank_pages;
    const struct weft_page_table *t = table_of(pg, state, slot);
    offset -= slot * slot_bytes(state);
    if (bytes > slot_bytes(state) - offset) bytes = slot_bytes(state) - offset;
    uint64_t number = offset / state->page_bytes;
    struct piece p = {.there = number < t->n, .within = offset % state->page_bytes};
    p.bytes = state->page_bytes - p.within;
    if (p.there) p.page = t->pages[number];
    for (; p.bytes < bytes; p.bytes += state->page_bytes, number++) {
        if (!p.there) continue;
        if (number + 1 >= t->n || t->pages[number + 1] != t->pages[number] + 1 || t->pages[number + 1] % each == 0)
            break;
    }
    if (p.bytes > bytes) p.bytes = bytes;
    return p;
}

/// The pool's buffer must be there when the read is queued; it need not stay until the data arrives.
static weft_status read_piece(struct weft_pages *pg, uint32_t state, const struct piece *p, uint8_t *data) {
    const uint64_t most = (uint64_t)16 << 20;
    for (uint64_t done = 0, n, at; done < p->bytes; done += n) {
        weft_readback rb = {0};
        n = p->bytes - done < most ? p->bytes - done : most;
        WEFT_TRY(weft_base_check_not_cancelled(pg->base));
        WEFT_TRY(weft_program_enter(pg->base->program, &pg->base->cancel));
        weft_buf bank = weft_pool_place(pg->base->program->pool, state, p->page, &at);
        weft_status status = weft_readback_start(pg->base->gpu, bank, at + p->within + done, n, &rb);
        weft_program_leave(pg->base->program);
        struct weft_cancel_scope scope;
        weft_cancel_begin(&scope, &pg->base->cancel);
        if (status == WEFT_OK) status = weft_readback_finish(pg->base->gpu, &rb, data + done, n);
        weft_cancel_end(&scope);
        WEFT_TRY(status);
    }
    return WEFT_OK;
}

weft_status weft_pages_read(struct weft_pages *pg, const struct weft_plan_state *state, uint64_t offset, void *data,
                            uint64_t bytes) {
    uint8_t *to = data;
    uint32_t number = (uint32_t)(state - pg->base->plan->states);
    for (uint64_t done = 0; done < bytes;) {
        struct piece p = piece_at(pg, state, offset + done, bytes - done);
        if (!p.there) memset(to + done, 0, p.bytes);
        else WEFT_TRY(read_piece(pg, number, &p, to + done));
        done += p.bytes;
    }
    return WEFT_OK;
}

/// Takes pages for the rows of a range of bytes, in all slots that it touches. A table ends with the shortest state
/// that it serves.
static weft_status own_range(struct weft_pages *pg, const struct weft_plan_state *state, uint64_t offset,
                             uint64_t bytes) {
    const struct weft_plan_pages *g = &pg->base->plan->page_groups[state->pages];
    memset(pg->wanted, 0, pg->base->plan->n_page_tables * sizeof *pg->wanted);
    for (uint64_t at = offset, end = offset + bytes, n; at < end; at += n) {
        uint64_t slot = at / slot_bytes(state), first = at - slot * slot_bytes(state);
        n = slot_bytes(state) - first < end - at ? slot_bytes(state) - first : end - at;
        struct weft_rows rows = {.first = first / state->row_bytes,
                                 .end = (first + n + state->row_bytes - 1) / state->row_bytes};
        if (rows.end > (uint64_t)g->n << g->shift)
            return weft_fail(WEFT_ERR_LIMIT,
                             "row %llu of state '%s' has no page: a state that is written at the same position keeps "
                             "%llu rows",
                             (unsigned long long)rows.end - 1, state->name, (unsigned long long)g->rows);
        pg->wanted[table_of(pg, state, (uint32_t)slot) - pg->tables] = rows;
    }
    return weft_pages_own(pg);
}

weft_status weft_pages_write(struct weft_pages *pg, const struct weft_plan_state *state, uint64_t offset,
                             const void *data, uint64_t bytes) {
    const uint8_t *from = data;
    if (bytes == 0) return WEFT_OK;
    if (!data) return weft_session_null_argument("weft_session_write");
    weft_program_enter_pool(pg->base->program);
    weft_status status = own_range(pg, state, offset, bytes);
    uint32_t number = (uint32_t)(state - pg->base->plan->states);
    for (uint64_t done = 0, at; done < bytes && status == WEFT_OK;) {
        struct piece p = piece_at(pg, state, offset + done, bytes - done);
        weft_buf bank = weft_pool_place(pg->base->program->pool, number, p.page, &at);
        status = weft_buf_write(pg->base->gpu, bank, at + p.within, from + done, p.bytes);
        done += p.bytes;
    }
    weft_program_leave(pg->base->program);
    return status;
}
