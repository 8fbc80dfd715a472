/// A session's rows of paged states: pages are taken before a run writes to them, copied if they are shared, and given
/// back when rows go. The table on the device always equals the table here.
#include "core/error.h"
#include "exec/session_impl.h"
#include <string.h>

static const struct weft_plan_pages *group_of(const weft_session *s, uint32_t group) {
    return &s->program->plan->page_groups[group];
}

static uint32_t pages_for(const struct weft_plan_pages *g, uint64_t rows) {
    return (uint32_t)((rows + ((uint64_t)1 << g->shift) - 1) >> g->shift);
}

/// Messages name a group by its first state.
static const char *name_of(const weft_session *s, uint32_t group) {
    const struct weft_plan *plan = s->program->plan;
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (plan->states[i].kind == WEFT_STATE_PAGED && plan->states[i].pages == group) return plan->states[i].name;
    return "?";
}

// ---- the table -----------------------------------------------------------------------------------------------------

/// This is not cancelled, because a write that was cut off may have been queued, and then the tables would differ.
static weft_status write_table(weft_session *s, uint32_t group, uint32_t first, uint32_t end) {
    if (first >= end) return WEFT_OK;
    const atomic_bool *token = weft_gpu_token(NULL);
    weft_status status = weft_buf_write(s->gpu, s->vars, (group_of(s, group)->table + (uint64_t)first) * 4,
                                        s->pages[group].pages + first, (uint64_t)(end - first) * 4);
    weft_gpu_token(token);
    return status;
}

/// Gives back the pages from number `keep` on.
static weft_status shorten(weft_session *s, uint32_t group, uint32_t keep) {
    struct weft_page_table *t = &s->pages[group];
    uint32_t n = t->n;
    if (keep >= n) return WEFT_OK;
    for (uint32_t i = keep; i < n; i++) {
        weft_pool_drop(s->program->pool, group, t->pages[i]);
        t->pages[i] = 0;
    }
    t->n = keep;
    return write_table(s, group, keep, n);
}

/// Takes new pages, all zeros, up to number `end`.
static weft_status extend(weft_session *s, uint32_t group, uint32_t end) {
    struct weft_pool *pool = s->program->pool;
    struct weft_page_table *t = &s->pages[group];
    uint32_t first = t->n;
    if (end <= first) return WEFT_OK;
    weft_status status = weft_pool_take(pool, group, end - first, t->pages + first);
    if (status != WEFT_OK) return status;
    t->n = end;
    status = weft_pool_zero(pool, group, t->pages + first, end - first);
    if (status == WEFT_OK) status = write_table(s, group, first, end);
    if (status != WEFT_OK) (void)shorten(s, group, first);
    return status;
}

/// Puts a page of the session's own in place of a shared one, with the same contents.
static weft_status own_page(weft_session *s, uint32_t group, uint32_t number) {
    struct weft_pool *pool = s->program->pool;
    uint32_t *page = &s->pages[group].pages[number], old = *page, own;
    WEFT_TRY(weft_pool_take(pool, group, 1, &own));
    weft_status status = weft_pool_copy(pool, group, old, own);
    *page = own;
    if (status == WEFT_OK) status = write_table(s, group, number, number + 1);
    if (status != WEFT_OK) *page = old;
    weft_pool_drop(pool, group, status == WEFT_OK ? old : own);
    return status;
}

/// Sees to it that all rows before `end` have pages, and that those with rows from `first` on belong to this session
/// alone.
static weft_status own_rows(weft_session *s, uint32_t group, uint64_t first, uint64_t end) {
    const struct weft_plan_pages *g = group_of(s, group);
    struct weft_page_table *t = &s->pages[group];
    struct weft_pool *pool = s->program->pool;
    uint32_t from = (uint32_t)(first >> g->shift), to = pages_for(g, end), old = t->n < to ? t->n : to, shared = 0;
    for (uint32_t i = from; i < old; i++) shared += pool->groups[group].refs[t->pages[i]] > 1;
    uint32_t count = shared + (to > t->n ? to - t->n : 0);
    if (count == 0) return WEFT_OK;
    weft_status status = weft_pool_make_free(pool, group, count);
    if (status != WEFT_OK)
        return weft_fail_in(status, "rows %llu to %llu of state '%s' (capacity %llu)", (unsigned long long)first,
                            (unsigned long long)end, name_of(s, group), (unsigned long long)g->rows);
    WEFT_TRY(extend(s, group, to));
    for (uint32_t i = from; i < old && shared; i++)
        if (pool->groups[group].refs[t->pages[i]] > 1) WEFT_TRY(own_page(s, group, i));
    return WEFT_OK;
}

// ---- before a run --------------------------------------------------------------------------------------------------

/// Rows [*first, *end) are what `runs` runs at the live sizes write.
static void rows_of(const weft_session *s, uint32_t group, uint32_t runs, uint64_t *first, uint64_t *end) {
    const struct weft_plan *plan = s->program->plan;
    const struct weft_plan_pages *g = &plan->page_groups[group];
    const int64_t *symbols = weft_session_symbols(s);
    int64_t by = weft_dim_eval(plan->graph->dims, plan->positions[g->position].by, symbols), span = 0;
    for (uint32_t i = 0; i < g->n_spans; i++) {
        int64_t rows = weft_dim_eval(plan->graph->dims, g->spans[i], symbols);
        if (rows > span) span = rows;
    }
    *first = s->tracks[g->position].at;
    *end = span ? *first + (by > 0 ? (uint64_t)by : 0) * (runs - 1) + (uint64_t)span : *first;
}

static bool fits(const weft_session *s, uint32_t runs, uint32_t *group) {
    uint64_t first, end;
    for (*group = 0; *group < s->program->plan->n_page_groups; ++*group) {
        rows_of(s, *group, runs, &first, &end);
        if (end > group_of(s, *group)->rows && end > first) return false;
    }
    return true;
}

weft_status weft_session_check_rows(weft_session *s, uint32_t runs) {
    uint32_t group;
    if (!s->pages || s->idle || fits(s, runs, &group)) return WEFT_OK;
    WEFT_TRY(weft_session_settle(s));
    if (s->idle || fits(s, runs, &group)) return WEFT_OK;
    uint64_t first, end;
    rows_of(s, group, runs, &first, &end);
    return weft_fail(WEFT_ERR_LIMIT,
                     "%u run%s from position %llu would write rows up to %llu of state '%s', whose capacity is %llu "
                     "rows: rewind, make fewer or shorter runs, or compile with a larger capacity",
                     runs, runs == 1 ? "" : "s", (unsigned long long)first, (unsigned long long)end, name_of(s, group),
                     (unsigned long long)group_of(s, group)->rows);
}

static weft_status cover_groups(weft_session *s, uint32_t runs) {
    for (uint32_t g = 0; g < s->program->plan->n_page_groups && !s->idle; g++) {
        uint64_t first, end;
        rows_of(s, g, runs, &first, &end);
        if (end > first) WEFT_TRY(own_rows(s, g, first, end));
    }
    return WEFT_OK;
}

weft_status weft_session_cover(weft_session *s, uint32_t runs) {
    if (!s->pages) return WEFT_OK;
    const atomic_bool *token = weft_gpu_token(&s->cancelled); // nothing of the run itself is queued yet
    weft_status status = cover_groups(s, runs);
    weft_gpu_token(token);
    WEFT_TRY(status);
    if (s->pool_generation == s->program->pool->buffer_generation) return WEFT_OK;
    return weft_session_rebind_locked(s, UINT32_MAX);
}

// ---- giving back, sharing ------------------------------------------------------------------------------------------

weft_status weft_session_release_rows(weft_session *s, uint64_t rows) {
    weft_status status = WEFT_OK;
    if (!s->pages) return WEFT_OK;
    weft_program_enter_pool(s->program);
    for (uint32_t g = 0; g < s->program->plan->n_page_groups && status == WEFT_OK; g++)
        status = shorten(s, g, pages_for(group_of(s, g), rows));
    weft_program_leave(s->program);
    return status;
}

weft_status weft_session_share_pages(weft_session *s, const struct weft_page_table *from) {
    struct weft_pool *pool = s->program->pool;
    weft_status status = weft_pool_ready_bounce(pool); // what the first write to a shared page will need
    for (uint32_t g = 0; g < s->program->plan->n_page_groups && status == WEFT_OK; g++) {
        struct weft_page_table *t = &s->pages[g];
        uint32_t n = t->n > from[g].n ? t->n : from[g].n;
        for (uint32_t i = 0; i < from[g].n; i++) weft_pool_share(pool, g, from[g].pages[i]);
        for (uint32_t i = 0; i < t->n; i++) weft_pool_drop(pool, g, t->pages[i]);
        memset(t->pages, 0, n * sizeof *t->pages);
        memcpy(t->pages, from[g].pages, from[g].n * sizeof *t->pages);
        t->n = from[g].n;
        status = write_table(s, g, 0, n);
    }
    return status;
}

/// Pages of a group that are free once the session has given up its own.
static uint32_t own_pages(const weft_session *s, uint32_t group) {
    const struct weft_page_table *t = &s->pages[group];
    uint32_t own = 0;
    for (uint32_t i = 0; i < t->n; i++) own += s->program->pool->groups[group].refs[t->pages[i]] == 1;
    return own;
}

weft_status weft_session_fresh_rows(weft_session *s, const uint64_t *rows) {
    struct weft_pool *pool = s->program->pool;
    weft_status status = WEFT_OK;
    weft_program_enter_pool(s->program);
    for (uint32_t g = 0; g < s->program->plan->n_page_groups && status == WEFT_OK; g++) {
        uint32_t need = pages_for(group_of(s, g), rows[g]), own = own_pages(s, g);
        if (need > own) status = weft_pool_make_free(pool, g, need - own);
    }
    for (uint32_t g = 0; g < s->program->plan->n_page_groups && status == WEFT_OK; g++) {
        status = shorten(s, g, 0);
        if (status == WEFT_OK) status = extend(s, g, pages_for(group_of(s, g), rows[g]));
    }
    weft_program_leave(s->program);
    return status;
}

uint64_t weft_session_page_count(const weft_session *s, uint32_t group) {
    uint32_t n = pages_for(group_of(s, group), s->tracks[group_of(s, group)->position].at);
    return n < s->pages[group].n ? n : s->pages[group].n;
}

weft_status weft_session_reserve(weft_session *s, uint64_t rows) {
    if (!s) return weft_session_null_argument("weft_session_reserve");
    if (!s->pages)
        return weft_fail(WEFT_ERR_UNSUPPORTED,
                         "the program has no paged state; its sessions took all their memory when they were made");
    WEFT_TRY(weft_session_check_alive(s));
    WEFT_TRY(weft_session_settle(s));
    for (uint32_t g = 0; g < s->program->plan->n_page_groups; g++) {
        uint64_t live = s->tracks[group_of(s, g)->position].at, most = group_of(s, g)->rows;
        if (rows > most)
            return weft_fail(WEFT_ERR_LIMIT, "%llu rows of state '%s', whose capacity is %llu",
                             (unsigned long long)rows, name_of(s, g), (unsigned long long)most);
        if (rows < live)
            return weft_fail(WEFT_ERR_LIMIT,
                             "state '%s' holds %llu rows and can't be made smaller than that (%llu were "
                             "asked for); rewind first",
                             name_of(s, g), (unsigned long long)live, (unsigned long long)rows);
    }
    weft_status status = WEFT_OK;
    weft_program_enter_pool(s->program);
    for (uint32_t g = 0; g < s->program->plan->n_page_groups && status == WEFT_OK; g++)
        status = own_rows(s, g, (uint64_t)pages_for(group_of(s, g), rows) << group_of(s, g)->shift, rows);
    for (uint32_t g = 0; g < s->program->plan->n_page_groups && status == WEFT_OK; g++)
        status = shorten(s, g, pages_for(group_of(s, g), rows));
    weft_program_leave(s->program);
    return status;
}

// ---- the host's view -----------------------------------------------------------------------------------------------

const struct weft_plan_state *weft_session_paged(const weft_session *s, const char *name) {
    const struct weft_plan *plan = s->program->plan;
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (plan->states[i].kind == WEFT_STATE_PAGED && strcmp(plan->states[i].name, name) == 0)
            return &plan->states[i];
    return NULL;
}

/// A run of bytes of a state within neighbouring pages of a bank.
struct piece {
    bool there;      ///< else it has no page
    uint32_t page;   ///< the first
    uint64_t within; ///< byte in the first page
    uint64_t bytes;
};

/// Finds where byte `offset` lies, and as many behind it as lie together, at most `bytes`.
static struct piece piece_at(const weft_session *s, const struct weft_plan_state *state, uint64_t offset,
                             uint64_t bytes) {
    const struct weft_page_table *t = &s->pages[state->pages];
    uint32_t each = s->program->plan->page_groups[state->pages].bank_pages;
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
static weft_status read_piece(weft_session *s, uint32_t state, const struct piece *p, uint8_t *data) {
    const uint64_t most = (uint64_t)16 << 20;
    for (uint64_t done = 0, n, at; done < p->bytes; done += n) {
        weft_readback rb = {0};
        n = p->bytes - done < most ? p->bytes - done : most;
        WEFT_TRY(weft_session_check_not_cancelled(s));
        WEFT_TRY(weft_program_enter(s->program, &s->cancelled));
        weft_buf bank = weft_pool_place(s->program->pool, state, p->page, &at);
        weft_status status = weft_readback_start(s->gpu, bank, at + p->within + done, n, &rb);
        weft_program_leave(s->program);
        const atomic_bool *token = weft_gpu_token(&s->cancelled);
        if (status == WEFT_OK) status = weft_readback_finish(s->gpu, &rb, data + done, n);
        weft_gpu_token(token);
        WEFT_TRY(status);
    }
    return WEFT_OK;
}

weft_status weft_session_read_rows(weft_session *s, const struct weft_plan_state *state, uint64_t offset, void *data,
                                   uint64_t bytes) {
    uint8_t *to = data;
    uint32_t number = (uint32_t)(state - s->program->plan->states);
    for (uint64_t done = 0; done < bytes;) {
        struct piece p = piece_at(s, state, offset + done, bytes - done);
        if (!p.there) memset(to + done, 0, p.bytes);
        else WEFT_TRY(read_piece(s, number, &p, to + done));
        done += p.bytes;
    }
    return WEFT_OK;
}

weft_status weft_session_write_rows(weft_session *s, const struct weft_plan_state *state, uint64_t offset,
                                    const void *data, uint64_t bytes) {
    const uint8_t *from = data;
    if (bytes == 0) return WEFT_OK;
    if (!data) return weft_session_null_argument("weft_session_write");
    weft_program_enter_pool(s->program);
    weft_status status = own_rows(s, state->pages, offset / state->row_bytes,
                                  (offset + bytes + state->row_bytes - 1) / state->row_bytes);
    uint32_t number = (uint32_t)(state - s->program->plan->states);
    for (uint64_t done = 0, at; done < bytes && status == WEFT_OK;) {
        struct piece p = piece_at(s, state, offset + done, bytes - done);
        weft_buf bank = weft_pool_place(s->program->pool, number, p.page, &at);
        status = weft_buf_write(s->gpu, bank, at + p.within, from + done, p.bytes);
        done += p.bytes;
    }
    weft_program_leave(s->program);
    return status;
}
