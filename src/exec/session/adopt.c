/// Pages that sequences with equal beginnings share: made known by the one that computed them, taken by others.
#include "core/alloc.h"
#include "core/error.h"
#include "exec/session/impl.h"

/// Whether all that a slot's tokens leave behind lies in pages. A ring has lost the beginning, and what all positions
/// made is not known page by page; what is noted beside the sequence does not count.
static bool only_pages(const struct weft_plan *plan) {
    if (plan->n_page_groups != 1 || plan->page_groups[0].slots != plan->slots) return false;
    for (uint32_t i = 0; i < plan->n_states; i++) {
        const struct weft_plan_state *s = &plan->states[i];
        if (s->written && !s->non_positional && !weft_is_position(plan, i) && s->kind != WEFT_STATE_PAGED) return false;
    }
    return true;
}

static weft_status check(const weft_session *s, uint32_t slot, const int32_t *ids, size_t n, uint32_t *track) {
    if (!s || (n && !ids)) return weft_session_null_argument("a prefix of a slot");
    WEFT_TRY(weft_history_check_slot(&s->history, slot, true));
    return weft_history_slot_position(&s->history, slot, track);
}

weft_status weft_session_publish_slot(weft_session *s, uint32_t slot, const int32_t *ids, size_t n) {
    uint32_t track;
    WEFT_TRY(check(s, slot, ids, n, &track));
    uint64_t at = weft_positions_at(&s->positions, track); // the caller knows which runs have been
    if (n > at)
        return weft_fail(WEFT_ERR_INVALID, "%zu tokens of slot %u, which holds %llu", n, slot, (unsigned long long)at);
    if (!only_pages(s->base.plan)) return WEFT_OK;
    const struct weft_page_table *t = &s->pages.tables[slot];
    struct weft_prefixes *known = &s->base.program->prefixes;
    uint32_t shift = s->base.plan->page_groups[0].shift, entry = WEFT_NO_PREFIX;
    weft_status status = WEFT_OK;
    weft_program_enter_pool(s->base.program);
    for (uint32_t i = 0; i < n >> shift && i < t->n && status == WEFT_OK; i++) {
        const int32_t *page = ids + ((size_t)i << shift);
        if (!weft_prefixes_find(known, s->base.program->pool, entry, page, &entry))
            status = weft_prefixes_add(known, s->base.program->pool, entry, page, t->pages[i], &entry);
    }
    if (entry != WEFT_NO_PREFIX) weft_prefixes_touch(known, entry);
    weft_program_leave(s->base.program);
    return status;
}

/// Finds the pages of a beginning and holds them in a table of their own.
static void find_pages(weft_session *s, const int32_t *ids, size_t n, struct weft_page_table *found) {
    struct weft_prefixes *known = &s->base.program->prefixes;
    struct weft_pool *pool = s->base.program->pool;
    uint32_t shift = s->base.plan->page_groups[0].shift, entry = WEFT_NO_PREFIX;
    weft_program_enter_pool(s->base.program);
    for (; found->n < found->room && found->n < n >> shift; found->n++) {
        if (!weft_prefixes_find(known, pool, entry, ids + ((size_t)found->n << shift), &entry)) break;
        found->pages[found->n] = known->entries[entry].page;
        weft_pool_share(pool, 0, found->pages[found->n]);
    }
    if (entry != WEFT_NO_PREFIX) weft_prefixes_touch(known, entry);
    weft_program_leave(s->base.program);
}

static void let_go(weft_session *s, struct weft_page_table *found) {
    weft_program_enter_pool(s->base.program);
    for (uint32_t i = 0; i < found->n; i++) weft_pool_drop(s->base.program->pool, 0, found->pages[i]);
    weft_program_leave(s->base.program);
    weft_free(found->pages);
}

static weft_status take(weft_session *s, uint32_t slot, uint32_t track, const struct weft_page_table *found) {
    const struct weft_plan_position *at = &s->base.plan->positions[track];
    uint32_t rows = found->n << s->base.plan->page_groups[0].shift;
    WEFT_TRY(weft_var_check(s->base.plan, at->state, rows));
    WEFT_TRY(weft_pages_share(&s->pages, slot, found, 0)); // the only group's tables begin with slot 0's
    WEFT_TRY(weft_positions_write(&s->positions, at->word, rows));
    weft_history_forget(&s->history, 0);
    return WEFT_OK;
}

weft_status weft_session_adopt_slot(weft_session *s, uint32_t slot, const int32_t *ids, size_t n, size_t *adopted) {
    uint32_t track;
    if (adopted) *adopted = 0;
    if (!adopted) return weft_session_null_argument("weft_session_adopt_slot");
    WEFT_TRY(check(s, slot, ids, n, &track));
    const struct weft_plan *plan = s->base.plan;
    if (weft_positions_at(&s->positions, track) != 0)
        return weft_fail(WEFT_ERR_INVALID, "slot %u holds %llu tokens; rewind it to 0 before it takes those of others",
                         slot, (unsigned long long)weft_positions_at(&s->positions, track));
    if (!only_pages(plan)) return WEFT_OK;
    struct weft_page_table found = {.room = (uint32_t)(plan->page_groups[0].rows >> plan->page_groups[0].shift)};
    found.pages = weft_calloc(found.room + 1, sizeof *found.pages);
    if (!found.pages) return weft_session_no_memory();
    find_pages(s, ids, n, &found);
    weft_status status = found.n ? take(s, slot, track, &found) : WEFT_OK;
    if (status == WEFT_OK) *adopted = (size_t)found.n << plan->page_groups[0].shift;
    let_go(s, &found);
    return status;
}

weft_status weft_session_forget_prefixes(weft_session *s) {
    if (!s) return weft_session_null_argument("weft_session_forget_prefixes");
    if (!s->base.program->pool) return WEFT_OK;
    weft_program_enter_pool(s->base.program);
    weft_prefixes_clear(&s->base.program->prefixes, s->base.program->pool);
    weft_program_leave(s->base.program);
    return WEFT_OK;
}
