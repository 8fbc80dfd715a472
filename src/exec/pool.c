#include "exec/pool.h"
#include "core/alloc.h"
#include "core/error.h"

enum { FIRST_PAGES = 4, BATCH = 64 };

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for a pool of pages"); }

static bool in_group(const struct weft_pool *pool, uint32_t state, uint32_t group) {
    return pool->plan->states[state].kind == WEFT_STATE_PAGED && pool->plan->states[state].pages == group;
}

static void note_used(struct weft_pool *pool, uint32_t group, int64_t pages) {
    weft_gpu_note_pages(pool->gpu, pages * (int64_t)pool->plan->page_groups[group].page_bytes);
}

static weft_buf *banks_of(const struct weft_pool *pool, uint32_t state) { return pool->bufs + state * pool->n_banks; }

/// How many pages bank `bank` of a pool of `total` has.
static uint64_t pages_in(const struct weft_plan_pages *plan, uint64_t total, uint32_t bank) {
    uint64_t before = (uint64_t)bank * plan->bank_pages;
    return total <= before ? 0 : total - before < plan->bank_pages ? total - before : plan->bank_pages;
}

weft_buf weft_pool_place(const struct weft_pool *pool, uint32_t state, uint32_t page, uint64_t *offset) {
    const struct weft_plan_state *s = &pool->plan->states[state];
    uint32_t each = pool->plan->page_groups[s->pages].bank_pages;
    *offset = page % each * s->page_bytes;
    return banks_of(pool, state)[page / each];
}

struct weft_bind weft_pool_bind(const struct weft_pool *pool, uint32_t state, const struct weft_slot *slots,
                                uint32_t n) {
    weft_buf buf = banks_of(pool, state)[slots[n].bank];
    if (buf.id) return (struct weft_bind){buf, 0, weft_buf_size(pool->gpu, buf)};
    return weft_dummies_bind(&pool->dummies, &slots[n], n);
}

// ---- life ----------------------------------------------------------------------------------------------------------

weft_status weft_pool_create(weft_gpu *gpu, const struct weft_plan *plan, struct weft_pool **out) {
    struct weft_pool *p = weft_calloc(1, sizeof *p);
    *out = NULL;
    if (!p) return no_memory();
    p->gpu = gpu;
    p->plan = plan;
    p->n_banks = 1;
    for (uint32_t g = 0; g < plan->n_page_groups; g++)
        if (plan->page_groups[g].n_banks > p->n_banks) p->n_banks = plan->page_groups[g].n_banks;
    p->bufs = weft_calloc((size_t)plan->n_states * p->n_banks + 1, sizeof *p->bufs);
    p->groups = weft_calloc(plan->n_page_groups + 1, sizeof *p->groups);
    if (!p->bufs || !p->groups) {
        weft_pool_destroy(p);
        return no_memory();
    }
    *out = p;
    return WEFT_OK;
}

static void free_lists(struct weft_pool_group *g) {
    weft_free(g->free);
    weft_free(g->refs);
    weft_free(g->marks);
}

/// Frees all buffers and pages.
static void empty(struct weft_pool *p) {
    for (uint32_t i = 0; i < p->plan->n_states * p->n_banks; i++)
        if (p->bufs[i].id) weft_buf_release(p->gpu, &p->bufs[i]);
    weft_dummies_drop(p->gpu, &p->dummies);
    if (p->bounce.id) weft_buf_release(p->gpu, &p->bounce);
    for (uint32_t g = 0; g < p->plan->n_page_groups; g++) {
        if (p->groups[g].total) note_used(p, g, -1); // page 0
        free_lists(&p->groups[g]);
        p->groups[g] = (struct weft_pool_group){0};
    }
    p->buffer_generation++;
}

void weft_pool_lose(struct weft_pool *p) {
    if (!p) return;
    for (uint32_t g = 0; g < p->plan->n_page_groups; g++) {
        struct weft_pool_group *group = &p->groups[g];
        note_used(p, g, -((int64_t)group->total - group->n_free));
        free_lists(group);
        *group = (struct weft_pool_group){.wanted = group->wanted};
    }
    for (uint32_t i = 0; i < p->plan->n_states * p->n_banks; i++) p->bufs[i] = (weft_buf){0};
    p->dummies = (struct weft_dummies){0};
    p->bounce = (weft_buf){0};
    p->buffer_generation++;
    p->device_generation++;
}

void weft_pool_destroy(struct weft_pool *p) {
    if (!p) return;
    if (p->bufs && p->groups) empty(p);
    weft_free(p->bufs);
    weft_free(p->groups);
    weft_free(p);
}

// ---- growth --------------------------------------------------------------------------------------------------------

/// How many pages of a group the plan's bindings show.
static uint64_t most_pages(const struct weft_plan_pages *plan) { return (uint64_t)plan->n_banks * plan->bank_pages; }

static void drop_new(struct weft_pool *p, weft_buf *bufs) {
    for (uint32_t i = 0; i < p->plan->n_states * p->n_banks; i++)
        if (bufs[i].id) weft_buf_release(p->gpu, &bufs[i]);
}

/// Makes buffers for all banks of a group that are not as they will be with `total` pages, into `bufs`, or none.
static weft_status make_buffers(struct weft_pool *p, uint32_t group, uint64_t total, weft_buf *bufs) {
    const struct weft_plan_pages *g = &p->plan->page_groups[group];
    weft_status status = WEFT_OK;
    for (uint32_t i = 0; i < p->plan->n_states && status == WEFT_OK; i++)
        for (uint32_t b = 0; b < g->n_banks && in_group(p, i, group) && status == WEFT_OK; b++) {
            uint64_t pages = pages_in(g, total, b);
            if (pages == 0 || pages == pages_in(g, p->groups[group].total, b)) continue;
            status = weft_buf_make(p->gpu, WEFT_BUF_FOR_PAGES, pages * p->plan->states[i].page_bytes, WEFT_BUF_STORAGE,
                                   p->plan->states[i].name, &bufs[i * p->n_banks + b]);
        }
    if (status == WEFT_OK && g->n_banks > 1)
        status = weft_dummies_make(p->gpu, WEFT_BUF_FOR_STAGING, "no pages yet", &p->dummies);
    if (status != WEFT_OK) drop_new(p, bufs);
    return status;
}

static weft_status copy_over(struct weft_pool *p, const weft_buf *bufs) {
    struct weft_gpu_copy copies[BATCH];
    uint32_t n_bufs = p->plan->n_states * p->n_banks;
    size_t n = 0;
    uint64_t serial;
    for (uint32_t i = 0; i < n_bufs; i++) {
        if (bufs[i].id && p->bufs[i].id)
            copies[n++] =
                (struct weft_gpu_copy){.src = p->bufs[i], .dst = bufs[i], .size = weft_buf_size(p->gpu, p->bufs[i])};
        if (n == BATCH || (n && i + 1 == n_bufs)) {
            WEFT_TRY(weft_gpu_submit(p->gpu, &(struct weft_gpu_submit){.before = copies, .n_before = n}, &serial));
            n = 0;
        }
    }
    return WEFT_OK;
}

/// Makes room in the lists of pages for `total` pages. What they hold stays.
static bool make_room(struct weft_pool_group *g, uint64_t total) {
    uint32_t *refs = weft_realloc(g->refs, total * sizeof *refs);
    if (refs) g->refs = refs;
    uint32_t *marks = refs ? weft_realloc(g->marks, total * sizeof *marks) : NULL;
    if (marks) g->marks = marks;
    uint32_t *list = marks ? weft_realloc(g->free, total * sizeof *list) : NULL;
    if (list) g->free = list;
    return list != NULL;
}

static weft_status grow_to(struct weft_pool *p, uint32_t group, uint64_t total) {
    struct weft_pool_group *g = &p->groups[group];
    weft_buf *bufs = weft_calloc((size_t)p->plan->n_states * p->n_banks + 1, sizeof *bufs);
    if (!bufs || !make_room(g, total)) {
        weft_free(bufs);
        return no_memory();
    }
    weft_status status = make_buffers(p, group, total, bufs);
    if (status == WEFT_OK) status = copy_over(p, bufs);
    if (status != WEFT_OK) drop_new(p, bufs);
    for (uint32_t i = 0; i < p->plan->n_states * p->n_banks; i++) {
        if (!bufs[i].id) continue;
        if (p->bufs[i].id) weft_buf_release(p->gpu, &p->bufs[i]);
        p->bufs[i] = bufs[i];
    }
    weft_free(bufs);
    if (status != WEFT_OK) return status;
    for (uint64_t page = total; page-- > (g->total ? g->total : 1);) { // so that the lowest is taken first
        g->refs[page] = g->marks[page] = 0;
        g->free[g->n_free++] = (uint32_t)page;
    }
    if (g->total == 0) {
        g->refs[0] = 1;
        note_used(p, group, 1);
    }
    g->total = (uint32_t)total;
    p->buffer_generation++;
    return WEFT_OK;
}

/// Makes `count` pages free. The pool doubles as far as holders can need it; where there is no memory for so many
/// pages, it grows just enough.
weft_status weft_pool_make_free(struct weft_pool *p, uint32_t group, uint32_t count) {
    struct weft_pool_group *g = &p->groups[group];
    const struct weft_plan_pages *plan = &p->plan->page_groups[group];
    if (g->n_free >= count) return WEFT_OK;
    uint64_t need = (uint64_t)(g->total ? g->total : 1) + count - g->n_free, most = most_pages(plan);
    uint64_t total = (uint64_t)g->total * 2 < need ? need : (uint64_t)g->total * 2;
    if (total > g->wanted + 1) total = g->wanted + 1 < need ? need : g->wanted + 1;
    if (total > most) total = most;
    weft_status status = WEFT_ERR_LIMIT;
    if (total >= need) status = grow_to(p, group, total);
    if (status != WEFT_OK && status != WEFT_ERR_LOST && total > need) status = grow_to(p, group, need);
    if (status != WEFT_ERR_LIMIT || total >= need) return status;
    return weft_fail(
        WEFT_ERR_LIMIT,
        "%u more page%s of %llu bytes %s needed, %u of %u are free and the bindings of this device "
        "hold %llu: destroy or rewind sessions, slots and snapshots of the program, or choose a smaller context",
        count, count == 1 ? "" : "s", (unsigned long long)plan->page_bytes, count == 1 ? "is" : "are", g->n_free,
        g->total, (unsigned long long)most);
}

// ---- pages ---------------------------------------------------------------------------------------------------------

weft_status weft_pool_take(struct weft_pool *p, uint32_t group, uint32_t count, uint32_t *pages) {
    struct weft_pool_group *g = &p->groups[group];
    if (count == 0) return WEFT_OK;
    WEFT_TRY(weft_pool_make_free(p, group, count));
    for (uint32_t i = 0; i < count; i++) {
        pages[i] = g->free[--g->n_free];
        g->refs[pages[i]] = 1;
    }
    note_used(p, group, count);
    return WEFT_OK;
}

void weft_pool_drop(struct weft_pool *p, uint32_t group, uint32_t page) {
    struct weft_pool_group *g = &p->groups[group];
    if (page == 0 || --g->refs[page]) return;
    g->free[g->n_free++] = page;
    note_used(p, group, -1);
}

void weft_pool_share(struct weft_pool *p, uint32_t group, uint32_t page) {
    if (page) p->groups[group].refs[page]++;
}

weft_status weft_pool_zero(struct weft_pool *p, uint32_t group, const uint32_t *pages, uint32_t n) {
    struct weft_gpu_copy moves[BATCH];
    size_t k = 0;
    uint64_t serial;
    for (uint32_t i = 0, run; i < n; i += run) {
        uint32_t each = p->plan->page_groups[group].bank_pages;
        for (run = 1; i + run < n && pages[i + run] == pages[i] + run && pages[i + run] % each;) run++;
        for (uint32_t s = 0; s < p->plan->n_states; s++) {
            uint64_t bytes = p->plan->states[s].page_bytes;
            if (!in_group(p, s, group)) continue;
            moves[k] = (struct weft_gpu_copy){.size = run * bytes}; // from nowhere: zeros
            moves[k].dst = weft_pool_place(p, s, pages[i], &moves[k].dst_offset);
            k++;
            if (k < BATCH) continue;
            WEFT_TRY(weft_gpu_submit(p->gpu, &(struct weft_gpu_submit){.before = moves, .n_before = k}, &serial));
            k = 0;
        }
    }
    return k ? weft_gpu_submit(p->gpu, &(struct weft_gpu_submit){.before = moves, .n_before = k}, &serial) : WEFT_OK;
}

weft_status weft_pool_ready_bounce(struct weft_pool *p) {
    uint64_t most = 0;
    for (uint32_t i = 0; i < p->plan->n_states; i++)
        if (p->plan->states[i].kind == WEFT_STATE_PAGED && p->plan->states[i].page_bytes > most)
            most = p->plan->states[i].page_bytes;
    if (p->bounce.id) return WEFT_OK;
    return weft_buf_make(p->gpu, WEFT_BUF_FOR_STAGING, most, WEFT_BUF_STORAGE, "page copy", &p->bounce);
}

weft_status weft_pool_copy(struct weft_pool *p, uint32_t group, uint32_t from, uint32_t to) {
    struct weft_gpu_copy moves[BATCH];
    size_t k = 0;
    uint64_t serial;
    WEFT_TRY(weft_pool_ready_bounce(p));
    for (uint32_t s = 0; s < p->plan->n_states; s++) {
        uint64_t bytes = p->plan->states[s].page_bytes;
        if (!in_group(p, s, group)) continue;
        uint64_t at, dst;
        weft_buf source = weft_pool_place(p, s, from, &at), target = weft_pool_place(p, s, to, &dst);
        moves[k++] = (struct weft_gpu_copy){source, at, p->bounce, 0, bytes};
        moves[k++] = (struct weft_gpu_copy){p->bounce, 0, target, dst, bytes};
        if (k < BATCH) continue;
        WEFT_TRY(weft_gpu_submit(p->gpu, &(struct weft_gpu_submit){.before = moves, .n_before = k}, &serial));
        k = 0;
    }
    return k ? weft_gpu_submit(p->gpu, &(struct weft_gpu_submit){.before = moves, .n_before = k}, &serial) : WEFT_OK;
}

// ---- holders -------------------------------------------------------------------------------------------------------

static void free_tables(struct weft_page_table *t) {
    if (t) weft_free(t[0].pages);
    weft_free(t);
}

/// The pages of all tables lie in one piece, which the first has.
static struct weft_page_table *make_tables(const struct weft_pool *p, const uint32_t *room) {
    const struct weft_plan *plan = p->plan;
    struct weft_page_table *t = weft_calloc(plan->n_page_tables + 1, sizeof *t);
    size_t words = 1;
    for (uint32_t g = 0; t && g < plan->n_page_groups; g++)
        for (uint32_t slot = 0, k = plan->page_groups[g].first; slot < plan->page_groups[g].slots; slot++, k++) {
            t[k] = (struct weft_page_table){.room = room ? room[k] : plan->page_groups[g].n,
                                            .device_generation = p->device_generation,
                                            .group = g,
                                            .slot = slot};
            words += t[k].room;
        }
    uint32_t *pages = t ? weft_calloc(words, sizeof *pages) : NULL;
    if (!pages) {
        weft_free(t);
        return NULL;
    }
    for (uint32_t k = 0; k < plan->n_page_tables; k++) {
        t[k].pages = pages;
        pages += t[k].room;
    }
    return t;
}

/// Makes the buffers of groups that have none, for holders of these tables.
static weft_status make_first(struct weft_pool *p, const struct weft_page_table *t) {
    for (uint32_t k = 0; k < p->plan->n_page_tables; k++) {
        uint32_t first = t[k].room < FIRST_PAGES ? t[k].room : FIRST_PAGES;
        if (!p->groups[t[k].group].total) WEFT_TRY(weft_pool_make_free(p, t[k].group, first ? first : 1));
    }
    return WEFT_OK;
}

weft_status weft_pool_join_again(struct weft_pool *p, struct weft_page_table *t) {
    for (uint32_t k = 0; k < p->plan->n_page_tables; k++) {
        if (t[k].device_generation != p->device_generation) t[k].n = 0;
        t[k].device_generation = p->device_generation;
    }
    return make_first(p, t);
}

weft_status weft_pool_join(struct weft_pool *p, const uint32_t *room, struct weft_page_table **out) {
    struct weft_page_table *t = make_tables(p, room);
    *out = NULL;
    if (!t) return no_memory();
    for (uint32_t k = 0; k < p->plan->n_page_tables; k++) p->groups[t[k].group].wanted += t[k].room;
    weft_status status = make_first(p, t);
    if (status != WEFT_OK) {
        for (uint32_t k = 0; k < p->plan->n_page_tables; k++) p->groups[t[k].group].wanted -= t[k].room;
        free_tables(t);
        if (p->holders == 0) empty(p);
        return status;
    }
    p->holders++;
    *out = t;
    return WEFT_OK;
}

void weft_pool_leave(struct weft_pool *p, struct weft_page_table **tables) {
    struct weft_page_table *t = *tables;
    if (!t) return;
    *tables = NULL;
    for (uint32_t k = 0; k < p->plan->n_page_tables; k++) {
        for (uint32_t i = 0; i < t[k].n && t[k].device_generation == p->device_generation; i++)
            weft_pool_drop(p, t[k].group, t[k].pages[i]);
        p->groups[t[k].group].wanted -= t[k].room;
    }
    free_tables(t);
    if (--p->holders == 0) empty(p);
}
