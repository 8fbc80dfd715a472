#include "exec/session/pages.h"
#include "core/alloc.h"
#include "core/error.h"
#include <stdio.h>
#include <string.h>

// ---- life ----------------------------------------------------------------------------------------------------------

weft_status weft_pages_join(struct weft_pages *pg) {
    weft_program *program = pg->base->program;
    if (!program->pool) return WEFT_OK;
    pg->wanted = weft_calloc(pg->base->plan->n_page_tables + 1, sizeof *pg->wanted);
    if (!pg->wanted) return weft_session_no_memory();
    weft_program_enter_pool(program);
    weft_status status = weft_pool_join(program->pool, NULL, &pg->tables);
    weft_program_leave(program);
    return status;
}

void weft_pages_leave(struct weft_pages *pg) {
    weft_pages_drop_kept(pg->base->program, &pg->tables);
    weft_free(pg->wanted);
}

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

/// " of slot 3", or nothing where there are none.
struct slot_text {
    char text[24];
};
static struct slot_text slot_text(const struct weft_pages *pg, const struct weft_page_table *t) {
    struct slot_text x = {""};
    if (group_of(pg, t->group)->slots > 1) snprintf(x.text, sizeof x.text, " of slot %u", t->slot);
    return x;
}

/// Whether a table is what a call for `slot` is about, WEFT_ALL_SLOTS included.
static bool is_of(const struct weft_pages *pg, const struct weft_page_table *t, uint32_t slot) {
    return slot == WEFT_ALL_SLOTS || (t->slot == slot && group_of(pg, t->group)->slots == pg->base->plan->slots);
}

static uint64_t position_of(const struct weft_pages *pg, const struct weft_page_table *t) {
    return weft_positions_at(pg->positions, group_of(pg, t->group)->position + t->slot);
}

static weft_status make_free(struct weft_pages *pg, uint32_t group, uint32_t count) {
    return weft_prefixes_make_free(&pg->base->program->prefixes, pg->base->program->pool, group, count);
}

// ---- the table -----------------------------------------------------------------------------------------------------

/// This is not cancelled, because a write that was cut off may have been queued, and then the tables would differ.
static weft_status write_table(struct weft_pages *pg, const struct weft_page_table *t, uint32_t first, uint32_t end) {
    const struct weft_plan_pages *g = group_of(pg, t->group);
    if (first >= end) return WEFT_OK;
    uint64_t word = g->table + (uint64_t)t->slot * weft_table_words(g) + first;
    struct weft_cancel_scope scope;
    weft_cancel_begin_whole(&scope);
    weft_status status = weft_states_write_words(pg->states, word, t->pages + first, end - first);
    weft_cancel_end(&scope);
    return status;
}

/// Gives back the pages from number `keep` on.
static weft_status shorten(struct weft_pages *pg, struct weft_page_table *t, uint32_t keep) {
    uint32_t n = t->n;
    if (keep >= n) return WEFT_OK;
    for (uint32_t i = keep; i < n; i++) {
        weft_pool_drop(pg->base->program->pool, t->group, t->pages[i]);
        t->pages[i] = 0;
    }
    t->n = keep;
    return write_table(pg, t, keep, n);
}

/// Takes new pages, all zeros, up to number `end`.
static weft_status extend(struct weft_pages *pg, struct weft_page_table *t, uint32_t end) {
    struct weft_pool *pool = pg->base->program->pool;
    uint32_t first = t->n;
    if (end <= first) return WEFT_OK;
    weft_status status = weft_pool_take(pool, t->group, end - first, t->pages + first);
    if (status != WEFT_OK) return status;
    t->n = end;
    status = weft_pool_zero(pool, t->group, t->pages + first, end - first);
    if (status == WEFT_OK) status = write_table(pg, t, first, end);
    if (status != WEFT_OK) (void)shorten(pg, t, first);
    return status;
}

/// Puts a page of the table's own in place of a shared one, with the same contents.
static weft_status own_page(struct weft_pages *pg, struct weft_page_table *t, uint32_t number) {
    struct weft_pool *pool = pg->base->program->pool;
    uint32_t *page = &t->pages[number], old = *page, own;
    WEFT_TRY(weft_pool_take(pool, t->group, 1, &own));
    weft_status status = weft_pool_copy(pool, t->group, old, own);
    *page = own;
    if (status == WEFT_OK) status = write_table(pg, t, number, number + 1);
    if (status != WEFT_OK) *page = old;
    weft_pool_drop(pool, t->group, status == WEFT_OK ? old : own);
    return status;
}

// ---- rows of its own -----------------------------------------------------------------------------------------------

/// How many pages are to be taken for a table's wanted rows. Of a page that several tables want for their own, the last
/// one needs no copy, so whoever asks first is marked; `by` -1 takes the marks back.
static uint32_t need_of(struct weft_pages *pg, const struct weft_page_table *t, int by) {
    const struct weft_plan_pages *g = group_of(pg, t->group);
    const struct weft_pool_group *pool = &pg->base->program->pool->groups[t->group];
    const struct weft_rows *rows = &pg->wanted[t - pg->tables];
    if (rows->end == 0) return 0;
    uint32_t to = pages_for(g, rows->end), old = t->n < to ? t->n : to, need = to > t->n ? to - t->n : 0;
    for (uint32_t i = (uint32_t)(rows->first >> g->shift); i < old; i++) {
        pool->marks[t->pages[i]] += (uint32_t)by;
        need += pool->refs[t->pages[i]] > pool->marks[t->pages[i]];
    }
    return need;
}

static uint32_t need_of_group(struct weft_pages *pg, uint32_t group, const struct weft_page_table **lacks) {
    const struct weft_plan_pages *g = group_of(pg, group);
    struct weft_page_table *tables = pg->tables + g->first;
    uint32_t need = 0, n_free = pg->base->program->pool->groups[group].n_free;
    for (uint32_t slot = 0; slot < g->slots; slot++) {
        bool enough = need <= n_free;
        need += need_of(pg, &tables[slot], 1);
        if (enough && need > n_free) *lacks = &tables[slot];
    }
    for (uint32_t slot = 0; slot < g->slots; slot++) (void)need_of(pg, &tables[slot], -1);
    return need;
}

/// Sees to it that there are free pages for all wanted rows. Takes none.
static weft_status free_pages(struct weft_pages *pg) {
    for (uint32_t g = 0; g < pg->base->plan->n_page_groups; g++) {
        const struct weft_page_table *t = &pg->tables[group_of(pg, g)->first];
        uint32_t need = need_of_group(pg, g, &t);
        weft_status status = need ? make_free(pg, g, need) : WEFT_OK;
        if (status == WEFT_OK) continue;
        const struct weft_rows *rows = &pg->wanted[t - pg->tables];
        return weft_fail_in(status, "rows up to %llu%s of state '%s' (capacity %llu)", (unsigned long long)rows->end,
                            slot_text(pg, t).text, name_of(pg, g), (unsigned long long)group_of(pg, g)->rows);
    }
    return WEFT_OK;
}

/// Takes the pages of one table's wanted rows, which are free.
static weft_status take_pages(struct weft_pages *pg, struct weft_page_table *t) {
    const struct weft_plan_pages *g = group_of(pg, t->group);
    const struct weft_rows *rows = &pg->wanted[t - pg->tables];
    if (rows->end == 0) return WEFT_OK;
    uint32_t to = pages_for(g, rows->end), old = t->n < to ? t->n : to;
    WEFT_TRY(extend(pg, t, to));
    for (uint32_t i = (uint32_t)(rows->first >> g->shift); i < old; i++)
        if (pg->base->program->pool->groups[t->group].refs[t->pages[i]] > 1) WEFT_TRY(own_page(pg, t, i));
    return WEFT_OK;
}

weft_status weft_pages_own(struct weft_pages *pg) {
    WEFT_TRY(free_pages(pg));
    for (uint32_t k = 0; k < pg->base->plan->n_page_tables; k++) WEFT_TRY(take_pages(pg, &pg->tables[k]));
    return WEFT_OK;
}

// ---- before a run --------------------------------------------------------------------------------------------------

/// The rows that `runs` runs at the live sizes write.
static struct weft_rows rows_of(const struct weft_pages *pg, const struct weft_page_table *t, uint32_t runs,
                                const int64_t *symbols) {
    const struct weft_plan_pages *g = group_of(pg, t->group);
    const struct weft_dims *dims = pg->base->plan->graph->dims;
    struct weft_rows rows = {.first = position_of(pg, t)};
    int64_t by = weft_positions_step(pg->positions, g->position + t->slot, symbols), span = 0;
    if (weft_positions_idle(pg->positions, g->position + t->slot)) return rows; // its tokens leave no trace
    for (uint32_t i = 0; i < g->n_spans; i++) {
        int64_t more = g->spans[i].word == WEFT_NO_WORD ? 0 : pg->positions->known[g->spans[i].word + t->slot];
        int64_t n = weft_dim_eval(dims, g->spans[i].rows, symbols) + more;
        if (n > span) span = n;
    }
    if (span) rows.end = rows.first + (by > 0 ? (uint64_t)by : 0) * (runs - 1) + (uint64_t)span;
    return rows;
}

static const struct weft_page_table *too_long(const struct weft_pages *pg, uint32_t runs, const int64_t *symbols) {
    for (uint32_t k = 0; k < pg->base->plan->n_page_tables; k++) {
        struct weft_rows rows = rows_of(pg, &pg->tables[k], runs, symbols);
        if (rows.end > group_of(pg, pg->tables[k].group)->rows) return &pg->tables[k];
    }
    return NULL;
}

weft_status weft_pages_check(struct weft_pages *pg, uint32_t runs, const int64_t *symbols) {
    if (!pg->tables || pg->positions->idle || !too_long(pg, runs, symbols)) return WEFT_OK;
    WEFT_TRY(weft_positions_settle(pg->positions));
    const struct weft_page_table *t = pg->positions->idle ? NULL : too_long(pg, runs, symbols);
    if (!t) return WEFT_OK;
    struct weft_rows rows = rows_of(pg, t, runs, symbols);
    return weft_fail(WEFT_ERR_LIMIT,
                     "%u run%s from position %llu%s would write rows up to %llu of state '%s', whose capacity is %llu "
                     "rows: rewind, make fewer or shorter runs, or compile with a larger capacity",
                     runs, runs == 1 ? "" : "s", (unsigned long long)rows.first, slot_text(pg, t).text,
                     (unsigned long long)rows.end, name_of(pg, t->group),
                     (unsigned long long)group_of(pg, t->group)->rows);
}

weft_status weft_pages_cover(struct weft_pages *pg, uint32_t runs, const int64_t *symbols) {
    if (!pg->tables || pg->positions->idle) return WEFT_OK;
    for (uint32_t k = 0; k < pg->base->plan->n_page_tables; k++)
        pg->wanted[k] = rows_of(pg, &pg->tables[k], runs, symbols);
    struct weft_cancel_scope scope;
    weft_cancel_begin(&scope, &pg->base->cancel); // nothing of the run itself is queued yet
    weft_status status = weft_pages_own(pg);
    weft_cancel_end(&scope);
    return status;
}

// ---- giving back, sharing ------------------------------------------------------------------------------------------

weft_status weft_pages_release(struct weft_pages *pg, uint32_t slot, uint64_t rows) {
    weft_status status = WEFT_OK;
    if (!pg->tables) return WEFT_OK;
    weft_program_enter_pool(pg->base->program);
    for (uint32_t k = 0; k < pg->base->plan->n_page_tables && status == WEFT_OK; k++)
        if (is_of(pg, &pg->tables[k], slot))
            status = shorten(pg, &pg->tables[k], pages_for(group_of(pg, pg->tables[k].group), rows));
    weft_program_leave(pg->base->program);
    return status;
}

static weft_status share(struct weft_pages *pg, struct weft_page_table *t, const struct weft_page_table *from) {
    struct weft_pool *pool = pg->base->program->pool;
    uint32_t n = t->n > from->n ? t->n : from->n;
    for (uint32_t i = 0; i < from->n; i++) weft_pool_share(pool, t->group, from->pages[i]);
    for (uint32_t i = 0; i < t->n; i++) weft_pool_drop(pool, t->group, t->pages[i]);
    memset(t->pages, 0, n * sizeof *t->pages);
    memcpy(t->pages, from->pages, from->n * sizeof *t->pages);
    t->n = from->n;
    return write_table(pg, t, 0, n);
}

weft_status weft_pages_share(struct weft_pages *pg, uint32_t slot, const struct weft_page_table *from,
                             uint32_t from_slot) {
    weft_status status = WEFT_OK;
    if (!pg->tables) return WEFT_OK;
    weft_program_enter_pool(pg->base->program);
    status = weft_pool_ready_bounce(pg->base->program->pool); // what the first write to a shared page needs
    for (uint32_t k = 0; k < pg->base->plan->n_page_tables && status == WEFT_OK; k++)
        if (is_of(pg, &pg->tables[k], slot))
            status = share(pg, &pg->tables[k], slot == WEFT_ALL_SLOTS ? &from[k] : &from[k + from_slot - slot]);
    weft_program_leave(pg->base->program);
    return status;
}

/// How many pages hold the rows before the position.
static uint32_t count_live(const struct weft_pages *pg, const struct weft_page_table *t) {
    const struct weft_plan_pages *g = group_of(pg, t->group);
    uint64_t rows = position_of(pg, t);
    uint32_t n = pages_for(g, rows < g->rows ? rows : g->rows);
    return n < t->n ? n : t->n;
}

weft_status weft_pages_keep(const struct weft_pages *pg, uint32_t slot, struct weft_page_table **out) {
    const struct weft_plan *plan = pg->base->plan;
    struct weft_pool *pool = pg->base->program->pool;
    if (!pg->tables) return WEFT_OK;
    uint32_t *room = weft_calloc(plan->n_page_tables + 1, sizeof *room);
    if (!room) return weft_fail(WEFT_ERR_NOMEM, "out of memory for a snapshot");
    for (uint32_t k = 0; k < plan->n_page_tables; k++)
        if (is_of(pg, &pg->tables[k], slot)) room[k] = count_live(pg, &pg->tables[k]);
    weft_program_enter_pool(pg->base->program);
    weft_status status = weft_pool_join(pool, room, out);
    if (status == WEFT_OK) status = weft_pool_ready_bounce(pool);
    for (uint32_t k = 0; k < plan->n_page_tables && status == WEFT_OK; k++) {
        struct weft_page_table *t = &(*out)[k];
        memcpy(t->pages, pg->tables[k].pages, room[k] * sizeof *t->pages);
        for (t->n = 0; t->n < room[k]; t->n++) weft_pool_share(pool, t->group, t->pages[t->n]);
    }
    weft_program_leave(pg->base->program);
    weft_free(room);
    return status;
}

void weft_pages_drop_kept(weft_program *program, struct weft_page_table **tables) {
    if (!*tables) return;
    weft_program_enter_pool(program);
    if (program->pool->holders == 1) weft_prefixes_clear(&program->prefixes, program->pool); // the pool goes as well
    weft_pool_leave(program->pool, tables);
    weft_program_leave(program);
}

/// Pages of a group that are free once the tables have given up their own.
static uint32_t freed_pages(const struct weft_pages *pg, uint32_t group, uint32_t slot) {
    const struct weft_pool_group *pool = &pg->base->program->pool->groups[group];
    const struct weft_plan_pages *g = group_of(pg, group);
    uint32_t freed = 0;
    for (uint32_t k = g->first; k < g->first + g->slots; k++)
        for (uint32_t i = 0; i < pg->tables[k].n && is_of(pg, &pg->tables[k], slot); i++)
            freed += pool->refs[pg->tables[k].pages[i]] == ++pool->marks[pg->tables[k].pages[i]];
    for (uint32_t k = g->first; k < g->first + g->slots; k++)
        for (uint32_t i = 0; i < pg->tables[k].n; i++) pool->marks[pg->tables[k].pages[i]] = 0;
    return freed;
}

weft_status weft_pages_fresh(struct weft_pages *pg, uint32_t slot, const uint64_t *rows) {
    const struct weft_plan *plan = pg->base->plan;
    weft_status status = WEFT_OK;
    if (!pg->tables) return WEFT_OK;
    weft_program_enter_pool(pg->base->program);
    for (uint32_t g = 0; g < plan->n_page_groups && status == WEFT_OK; g++) {
        uint32_t need = 0, freed = freed_pages(pg, g, slot),
                 end = plan->page_groups[g].first + plan->page_groups[g].slots;
        for (uint32_t k = plan->page_groups[g].first; k < end; k++)
            if (is_of(pg, &pg->tables[k], slot)) need += pages_for(&plan->page_groups[g], rows[k]);
        if (need > freed) status = make_free(pg, g, need - freed);
    }
    for (uint32_t k = 0; k < plan->n_page_tables && status == WEFT_OK; k++)
        if (is_of(pg, &pg->tables[k], slot)) status = shorten(pg, &pg->tables[k], 0);
    for (uint32_t k = 0; k < plan->n_page_tables && status == WEFT_OK; k++)
        if (is_of(pg, &pg->tables[k], slot))
            status = extend(pg, &pg->tables[k], pages_for(group_of(pg, pg->tables[k].group), rows[k]));
    weft_program_leave(pg->base->program);
    return status;
}

weft_status weft_pages_reserve(struct weft_pages *pg, uint64_t rows) {
    const struct weft_plan *plan = pg->base->plan;
    WEFT_TRY(weft_positions_settle(pg->positions));
    for (uint32_t k = 0; k < plan->n_page_tables; k++) {
        const struct weft_page_table *t = &pg->tables[k];
        uint64_t live = position_of(pg, t), most = group_of(pg, t->group)->rows;
        if (rows > most)
            return weft_fail(WEFT_ERR_LIMIT, "%llu rows of state '%s', whose capacity is %llu",
                             (unsigned long long)rows, name_of(pg, t->group), (unsigned long long)most);
        if (rows < live)
            return weft_fail(WEFT_ERR_LIMIT,
                             "state '%s' holds %llu rows%s and can't be made smaller than that (%llu were asked for); "
                             "rewind first",
                             name_of(pg, t->group), (unsigned long long)live, slot_text(pg, t).text,
                             (unsigned long long)rows);
    }
    weft_status status = WEFT_OK;
    weft_program_enter_pool(pg->base->program);
    for (uint32_t k = 0; k < plan->n_page_tables; k++) { // nothing that is shared is copied
        const struct weft_plan_pages *g = group_of(pg, pg->tables[k].group);
        pg->wanted[k] = (struct weft_rows){.first = (uint64_t)pages_for(g, rows) << g->shift, .end = rows};
    }
    status = weft_pages_own(pg);
    for (uint32_t k = 0; k < plan->n_page_tables && status == WEFT_OK; k++)
        status = shorten(pg, &pg->tables[k], pages_for(group_of(pg, pg->tables[k].group), rows));
    weft_program_leave(pg->base->program);
    return status;
}
