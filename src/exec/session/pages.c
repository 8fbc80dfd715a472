#include "exec/session/pages.h"
#include "core/alloc.h"
#include "core/error.h"
#include <string.h>

// ---- life ----------------------------------------------------------------------------------------------------------

weft_status weft_pages_join(struct weft_pages *pg) {
    weft_program *program = pg->base->program;
    if (!program->pool) return WEFT_OK;
    weft_program_enter_pool(program);
    weft_status status = weft_pool_join(program->pool, NULL, &pg->tables);
    weft_program_leave(program);
    return status;
}

void weft_pages_leave(struct weft_pages *pg) { weft_pages_drop_kept(pg->base->program, &pg->tables); }

weft_status weft_pages_remake(struct weft_pages *pg) {
    return pg->tables ? weft_pool_join_again(pg->base->program->pool, pg->tables) : WEFT_OK;
}

static const struct weft_plan_pages *group_of(const struct weft_pages *pg, uint32_t group) {
    return &pg->base->plan->page_groups[group];
}

static uint32_t pages_for(const struct weft_plan_pages *g, uint64_t rows) {
    return (uint32_t)((rows + ((uint64_t)1 << g->shift) - 1) >> g->shift);
}

/// Messages name a group by its first state.
static const char *name_of(const struct weft_pages *pg, uint32_t group) {
    const struct weft_plan *plan = pg->base->plan;
    for (uint32_t i = 0; i < plan->n_states; i++)
        if (plan->states[i].kind == WEFT_STATE_PAGED && plan->states[i].pages == group) return plan->states[i].name;
    return "?";
}

// ---- the table -----------------------------------------------------------------------------------------------------

/// This is not cancelled, because a write that was cut off may have been queued, and then the tables would differ.
static weft_status write_table(struct weft_pages *pg, uint32_t group, uint32_t first, uint32_t end) {
    if (first >= end) return WEFT_OK;
    const atomic_bool *token = weft_gpu_token(NULL);
    weft_status status = weft_states_write_words(pg->states, group_of(pg, group)->table + (uint64_t)first,
                                                 pg->tables[group].pages + first, end - first);
    weft_gpu_token(token);
    return status;
}

/// Gives back the pages from number `keep` on.
static weft_status shorten(struct weft_pages *pg, uint32_t group, uint32_t keep) {
    struct weft_page_table *t = &pg->tables[group];
    uint32_t n = t->n;
    if (keep >= n) return WEFT_OK;
    for (uint32_t i = keep; i < n; i++) {
        weft_pool_drop(pg->base->program->pool, group, t->pages[i]);
        t->pages[i] = 0;
    }
    t->n = keep;
    return write_table(pg, group, keep, n);
}

/// Takes new pages, all zeros, up to number `end`.
static weft_status extend(struct weft_pages *pg, uint32_t group, uint32_t end) {
    struct weft_pool *pool = pg->base->program->pool;
    struct weft_page_table *t = &pg->tables[group];
    uint32_t first = t->n;
    if (end <= first) return WEFT_OK;
    weft_status status = weft_pool_take(pool, group, end - first, t->pages + first);
    if (status != WEFT_OK) return status;
    t->n = end;
    status = weft_pool_zero(pool, group, t->pages + first, end - first);
    if (status == WEFT_OK) status = write_table(pg, group, first, end);
    if (status != WEFT_OK) (void)shorten(pg, group, first);
    return status;
}

/// Puts a page of the session's own in place of a shared one, with the same contents.
static weft_status own_page(struct weft_pages *pg, uint32_t group, uint32_t number) {
    struct weft_pool *pool = pg->base->program->pool;
    uint32_t *page = &pg->tables[group].pages[number], old = *page, own;
    WEFT_TRY(weft_pool_take(pool, group, 1, &own));
    weft_status status = weft_pool_copy(pool, group, old, own);
    *page = own;
    if (status == WEFT_OK) status = write_table(pg, group, number, number + 1);
    if (status != WEFT_OK) *page = old;
    weft_pool_drop(pool, group, status == WEFT_OK ? old : own);
    return status;
}

/// Sees to it that all rows before `end` have pages, and that those with rows from `first` on belong to this session
/// alone.
static weft_status own_rows(struct weft_pages *pg, uint32_t group, uint64_t first, uint64_t end) {
    const struct weft_plan_pages *g = group_of(pg, group);
    struct weft_page_table *t = &pg->tables[group];
    struct weft_pool *pool = pg->base->program->pool;
    uint32_t from = (uint32_t)(first >> g->shift), to = pages_for(g, end), old = t->n < to ? t->n : to, shared = 0;
    for (uint32_t i = from; i < old; i++) shared += pool->groups[group].refs[t->pages[i]] > 1;
    uint32_t count = shared + (to > t->n ? to - t->n : 0);
    if (count == 0) return WEFT_OK;
    weft_status status = weft_pool_make_free(pool, group, count);
    if (status != WEFT_OK)
        return weft_fail_in(status, "rows %llu to %llu of state '%s' (capacity %llu)", (unsigned long long)first,
                            (unsigned long long)end, name_of(pg, group), (unsigned long long)g->rows);
    WEFT_TRY(extend(pg, group, to));
    for (uint32_t i = from; i < old && shared; i++)
        if (pool->groups[group].refs[t->pages[i]] > 1) WEFT_TRY(own_page(pg, group, i));
    return WEFT_OK;
}

// ---- before a run --------------------------------------------------------------------------------------------------

/// Rows [*first, *end) are what `runs` runs at the live sizes write.
static void rows_of(const struct weft_pages *pg, uint32_t group, uint32_t runs, const int64_t *symbols, uint64_t *first,
                    uint64_t *end) {
    const struct weft_plan *plan = pg->base->plan;
    const struct weft_plan_pages *g = &plan->page_groups[group];
    int64_t by = weft_dim_eval(plan->graph->dims, plan->positions[g->position].by, symbols), span = 0;
    for (uint32_t i = 0; i < g->n_spans; i++) {
        int64_t rows = weft_dim_eval(plan->graph->dims, g->spans[i], symbols);
        if (rows > span) span = rows;
    }
    *first = weft_positions_at(pg->positions, g->position);
    *end = span ? *first + (by > 0 ? (uint64_t)by : 0) * (runs - 1) + (uint64_t)span : *first;
}

static bool fits(const struct weft_pages *pg, uint32_t runs, const int64_t *symbols, uint32_t *group) {
    uint64_t first, end;
    for (*group = 0; *group < pg->base->plan->n_page_groups; ++*group) {
        rows_of(pg, *group, runs, symbols, &first, &end);
        if (end > group_of(pg, *group)->rows && end > first) return false;
    }
    return true;
}

weft_status weft_pages_check(struct weft_pages *pg, uint32_t runs, const int64_t *symbols) {
    uint32_t group;
    if (!pg->tables || pg->positions->idle || fits(pg, runs, symbols, &group)) return WEFT_OK;
    WEFT_TRY(weft_positions_settle(pg->positions));
    if (pg->positions->idle || fits(pg, runs, symbols, &group)) return WEFT_OK;
    uint64_t first, end;
    rows_of(pg, group, runs, symbols, &first, &end);
    return weft_fail(WEFT_ERR_LIMIT,
                     "%u run%s from position %llu would write rows up to %llu of state '%s', whose capacity is %llu "
                     "rows: rewind, make fewer or shorter runs, or compile with a larger capacity",
                     runs, runs == 1 ? "" : "s", (unsigned long long)first, (unsigned long long)end, name_of(pg, group),
                     (unsigned long long)group_of(pg, group)->rows);
}

static weft_status cover_groups(struct weft_pages *pg, uint32_t runs, const int64_t *symbols) {
    for (uint32_t g = 0; g < pg->base->plan->n_page_groups && !pg->positions->idle; g++) {
        uint64_t first, end;
        rows_of(pg, g, runs, symbols, &first, &end);
        if (end > first) WEFT_TRY(own_rows(pg, g, first, end));
    }
    return WEFT_OK;
}

weft_status weft_pages_cover(struct weft_pages *pg, uint32_t runs, const int64_t *symbols) {
    if (!pg->tables) return WEFT_OK;
    const atomic_bool *token = weft_gpu_token(&pg->base->cancelled); // nothing of the run itself is queued yet
    weft_status status = cover_groups(pg, runs, symbols);
    weft_gpu_token(token);
    return status;
}

// ---- giving back, sharing ------------------------------------------------------------------------------------------

weft_status weft_pages_release(struct weft_pages *pg, uint64_t rows) {
    weft_status status = WEFT_OK;
    if (!pg->tables) return WEFT_OK;
    weft_program_enter_pool(pg->base->program);
    for (uint32_t g = 0; g < pg->base->plan->n_page_groups && status == WEFT_OK; g++)
        status = shorten(pg, g, pages_for(group_of(pg, g), rows));
    weft_program_leave(pg->base->program);
    return status;
}

static weft_status share(struct weft_pages *pg, uint32_t group, const struct weft_page_table *from) {
    struct weft_pool *pool = pg->base->program->pool;
    struct weft_page_table *t = &pg->tables[group];
    uint32_t n = t->n > from->n ? t->n : from->n;
    for (uint32_t i = 0; i < from->n; i++) weft_pool_share(pool, group, from->pages[i]);
    for (uint32_t i = 0; i < t->n; i++) weft_pool_drop(pool, group, t->pages[i]);
    memset(t->pages, 0, n * sizeof *t->pages);
    memcpy(t->pages, from->pages, from->n * sizeof *t->pages);
    t->n = from->n;
    return write_table(pg, group, 0, n);
}

weft_status weft_pages_share(struct weft_pages *pg, const struct weft_page_table *from) {
    if (!pg->tables) return WEFT_OK;
    weft_program_enter_pool(pg->base->program);
    weft_status status = weft_pool_ready_bounce(pg->base->program->pool); // what the first write to a shared page needs
    for (uint32_t g = 0; g < pg->base->plan->n_page_groups && status == WEFT_OK; g++) status = share(pg, g, &from[g]);
    weft_program_leave(pg->base->program);
    return status;
}

/// How many pages hold the rows before the position.
static uint32_t count_live(const struct weft_pages *pg, uint32_t group) {
    uint32_t n = pages_for(group_of(pg, group), weft_positions_at(pg->positions, group_of(pg, group)->position));
    return n < pg->tables[group].n ? n : pg->tables[group].n;
}

weft_status weft_pages_keep(const struct weft_pages *pg, struct weft_page_table **out) {
    const struct weft_plan *plan = pg->base->plan;
    struct weft_pool *pool = pg->base->program->pool;
    if (!pg->tables) return WEFT_OK;
    uint32_t *room = weft_calloc(plan->n_page_groups + 1, sizeof *room);
    if (!room) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a snapshot");
    for (uint32_t g = 0; g < plan->n_page_groups; g++) room[g] = count_live(pg, g);
    weft_program_enter_pool(pg->base->program);
    weft_status status = weft_pool_join(pool, room, out);
    if (status == WEFT_OK) status = weft_pool_ready_bounce(pool);
    for (uint32_t g = 0; g < plan->n_page_groups && status == WEFT_OK; g++) {
        for (uint32_t i = 0; i < room[g]; i++) {
            (*out)[g].pages[i] = pg->tables[g].pages[i];
            weft_pool_share(pool, g, (*out)[g].pages[i]);
        }
        (*out)[g].n = room[g];
    }
    weft_program_leave(pg->base->program);
    weft_free(room);
    return status;
}

void weft_pages_drop_kept(weft_program *program, struct weft_page_table **tables) {
    if (!*tables) return;
    weft_program_enter_pool(program);
    weft_pool_leave(program->pool, tables);
    weft_program_leave(program);
}

/// Pages of a group that are free once the session has given up its own.
static uint32_t own_pages(const struct weft_pages *pg, uint32_t group) {
    const struct weft_page_table *t = &pg->tables[group];
    uint32_t own = 0;
    for (uint32_t i = 0; i < t->n; i++) own += pg->base->program->pool->groups[group].refs[t->pages[i]] == 1;
    return own;
}

weft_status weft_pages_fresh(struct weft_pages *pg, const uint64_t *rows) {
    struct weft_pool *pool = pg->base->program->pool;
    weft_status status = WEFT_OK;
    weft_program_enter_pool(pg->base->program);
    for (uint32_t g = 0; g < pg->base->plan->n_page_groups && status == WEFT_OK; g++) {
        uint32_t need = pages_for(group_of(pg, g), rows[g]), own = own_pages(pg, g);
        if (need > own) status = weft_pool_make_free(pool, g, need - own);
    }
    for (uint32_t g = 0; g < pg->base->plan->n_page_groups && status == WEFT_OK; g++) {
        status = shorten(pg, g, 0);
        if (status == WEFT_OK) status = extend(pg, g, pages_for(group_of(pg, g), rows[g]));
    }
    weft_program_leave(pg->base->program);
    return status;
}

weft_status weft_pages_reserve(struct weft_pages *pg, uint64_t rows) {
    WEFT_TRY(weft_positions_settle(pg->positions));
    for (uint32_t g = 0; g < pg->base->plan->n_page_groups; g++) {
        uint64_t live = weft_positions_at(pg->positions, group_of(pg, g)->position), most = group_of(pg, g)->rows;
        if (rows > most)
            return weft_fail(WEFT_ERR_LIMIT, "%llu rows of state '%s', whose capacity is %llu",
                             (unsigned long long)rows, name_of(pg, g), (unsigned long long)most);
        if (rows < live)
            return weft_fail(WEFT_ERR_LIMIT,
                             "state '%s' holds %llu rows and can't be made smaller than that (%llu were "
                             "asked for); rewind first",
                             name_of(pg, g), (unsigned long long)live, (unsigned long long)rows);
    }
    weft_status status = WEFT_OK;
    weft_program_enter_pool(pg->base->program);
    for (uint32_t g = 0; g < pg->base->plan->n_page_groups && status == WEFT_OK; g++)
        status = own_rows(pg, g, (uint64_t)pages_for(group_of(pg, g), rows) << group_of(pg, g)->shift, rows);
    for (uint32_t g = 0; g < pg->base->plan->n_page_groups && status == WEFT_OK; g++)
        status = shorten(pg, g, pages_for(group_of(pg, g), rows));
    weft_program_leave(pg->base->program);
    return status;
}

// ---- the host's view -----------------------------------------------------------------------------------------------

/// A run of bytes of a state within neighbouring pages of a bank.
struct piece {
    bool there;      ///< else it has no page
    uint32_t page;   ///< the first
    uint64_t within; ///< byte in the first page
    uint64_t bytes;
};

/// Finds where byte `offset` lies, and as many behind it as lie together, at most `bytes`.
static struct piece piece_at(const struct weft_pages *pg, const struct weft_plan_state *state, uint64_t offset,
                             uint64_t bytes) {
    const struct weft_page_table *t = &pg->tables[state->pages];
    uint32_t each = pg->base->plan->page_groups[state->pages].bank_pages;
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
        WEFT_TRY(weft_program_enter(pg->base->program, &pg->base->cancelled));
        weft_buf bank = weft_pool_place(pg->base->program->pool, state, p->page, &at);
        weft_status status = weft_readback_start(pg->base->gpu, bank, at + p->within + done, n, &rb);
        weft_program_leave(pg->base->program);
        const atomic_bool *token = weft_gpu_token(&pg->base->cancelled);
        if (status == WEFT_OK) status = weft_readback_finish(pg->base->gpu, &rb, data + done, n);
        weft_gpu_token(token);
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

weft_status weft_pages_write(struct weft_pages *pg, const struct weft_plan_state *state, uint64_t offset,
                             const void *data, uint64_t bytes) {
    const uint8_t *from = data;
    if (bytes == 0) return WEFT_OK;
    if (!data) return weft_session_null_argument("weft_session_write");
    weft_program_enter_pool(pg->base->program);
    weft_status status = own_rows(pg, state->pages, offset / state->row_bytes,
                                  (offset + bytes + state->row_bytes - 1) / state->row_bytes);
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
