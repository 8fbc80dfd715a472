/// Snapshots: everything that a session remembers, on the device or on the host.
#include "core/alloc.h"
#include "core/error.h"
#include "exec/session/history.h"
#include <pthread.h>
#include <string.h>

/// One state: what it is, and its contents.
struct part {
    char *name;
    enum weft_state_kind kind;
    weft_dtype dtype;
    uint32_t position, var_slot; ///< whose rows these are; which variable this is
    uint32_t slots;
    uint64_t rows, row_bytes, bytes;
    weft_buf buf;  ///< device form
    uint8_t *data; ///< host form
};

struct weft_snapshot {
    bool host, idle;
    weft_gpu *gpu;         ///< device form
    weft_program *program; ///< device form: whose sessions it suits
    struct part *parts;    ///< by number in plan->states; variables have no contents
    uint32_t n_parts, n_tracks;
    struct weft_track *tracks;
    weft_buf vars;
    uint32_t n_words, *words;       ///< variables: all, or in device form those that no operator writes
    struct weft_page_table *pages;  ///< device form: shared with the session that it was taken from
    struct weft_history *followers; ///< host form: sessions whose newest snapshot this is
};

// A host snapshot belongs to the caller, so sessions only follow it, until it is destroyed or another one is newer.
// Snapshots and sessions may be used by different threads, hence the lock.
static pthread_mutex_t followers_lock = PTHREAD_MUTEX_INITIALIZER;

void weft_snapshot_unfollow(struct weft_history *h, uint64_t from) {
    pthread_mutex_lock(&followers_lock);
    if (h->newest && weft_snapshot_position(h->newest) >= from) {
        struct weft_history **at = &h->newest->followers;
        while (*at != h) at = &(*at)->next;
        *at = h->next;
        h->newest = NULL;
    }
    pthread_mutex_unlock(&followers_lock);
}

void weft_snapshot_follow(struct weft_history *h, struct weft_snapshot *x) {
    if (!x->host) return;
    weft_snapshot_unfollow(h, 0);
    pthread_mutex_lock(&followers_lock);
    h->newest = x;
    h->next = x->followers;
    x->followers = h;
    pthread_mutex_unlock(&followers_lock);
}

static void release_followers(struct weft_snapshot *x) {
    pthread_mutex_lock(&followers_lock);
    for (struct weft_history *h = x->followers; h; h = h->next) h->newest = NULL;
    x->followers = NULL;
    pthread_mutex_unlock(&followers_lock);
}

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for a snapshot"); }

/// Whether a state has a buffer of its own in each session.
static bool has_buffer(const struct weft_history *h, uint32_t i) { return h->states->bufs[i].id != 0; }

/// Bytes of a paged state's rows in a slot that stands where the tracks say.
static uint64_t live_bytes(const struct weft_plan *plan, const struct weft_plan_state *s,
                           const struct weft_track *tracks, uint32_t slot) {
    uint64_t rows = tracks[s->position + slot].at, most = plan->page_groups[s->pages].rows;
    return (rows < most ? rows : most) * s->row_bytes;
}

// ---- taking --------------------------------------------------------------------------------------------------------

static weft_status describe(const struct weft_history *h, struct weft_snapshot *x) {
    const struct weft_plan *plan = h->base->plan;
    x->parts = weft_calloc(plan->n_states + 1, sizeof *x->parts);
    x->tracks = weft_calloc(plan->n_positions + 1, sizeof *x->tracks);
    x->words = weft_calloc(plan->n_vars, sizeof *x->words);
    if (!x->parts || !x->tracks || !x->words) return no_memory();
    x->n_words = plan->n_vars;
    x->n_parts = plan->n_states;
    x->n_tracks = plan->n_positions;
    memcpy(x->tracks, h->positions->tracks, plan->n_positions * sizeof *x->tracks);
    memcpy(x->words, h->positions->known, x->n_words * sizeof *x->words);
    for (uint32_t i = 0; i < plan->n_states; i++) {
        const struct weft_plan_state *from = &plan->states[i];
        x->parts[i] = (struct part){.name = weft_strdup(from->name),
                                    .kind = from->kind,
                                    .dtype = plan->graph->values[from->value].type.dtype,
                                    .rows = from->rows,
                                    .slots = from->slots,
                                    .position = from->position,
                                    .var_slot = from->var_slot,
                                    .row_bytes = from->row_bytes,
                                    .bytes = has_buffer(h, i) ? weft_buf_size(h->base->gpu, h->states->bufs[i]) : 0};
        if (!x->parts[i].name) return no_memory();
        for (uint32_t k = 0; x->host && from->kind == WEFT_STATE_PAGED && k < from->slots; k++)
            x->parts[i].bytes += live_bytes(plan, from, x->tracks, k);
    }
    return WEFT_OK;
}

/// Reads or writes the live rows of all slots of a paged state, which lie one slot behind the other in `data`.
static weft_status move_rows(struct weft_history *h, const struct weft_snapshot *x, uint32_t state, bool put) {
    const struct weft_plan_state *s = &h->base->plan->states[state];
    uint8_t *data = x->parts[state].data;
    for (uint32_t slot = 0; slot < s->slots; slot++) {
        uint64_t at = slot * s->rows * s->row_bytes, bytes = live_bytes(h->base->plan, s, x->tracks, slot);
        WEFT_TRY(put ? weft_pages_write(h->pages, s, at, data, bytes) : weft_pages_read(h->pages, s, at, data, bytes));
        data += bytes;
    }
    return WEFT_OK;
}

static weft_status take_host(struct weft_history *h, struct weft_snapshot *x) {
    for (uint32_t i = 0; i < x->n_parts; i++) {
        struct part *part = &x->parts[i];
        if (!part->bytes) continue;
        part->data = weft_alloc(part->bytes);
        if (!part->data) return no_memory();
        WEFT_TRY(part->kind == WEFT_STATE_PAGED
                     ? weft_fail_in(move_rows(h, x, i, false), "'%s'", part->name)
                     : weft_base_read(h->base, h->states->bufs[i], 0, part->data, part->bytes));
    }
    if (!weft_base_computes(h->base)) return WEFT_OK; // then they are what the host knows
    return weft_base_read(h->base, h->states->vars, 0, x->words, x->n_words * sizeof *x->words);
}

static weft_status take_device(struct weft_history *h, struct weft_snapshot *x) {
    struct weft_gpu_copy *copies = weft_calloc(x->n_parts + 1, sizeof *copies);
    size_t n = 0;
    weft_status status = copies ? WEFT_OK : no_memory();
    for (uint32_t i = 0; i < x->n_parts && status == WEFT_OK; i++) {
        struct part *part = &x->parts[i];
        if (!part->bytes) continue;
        status =
            weft_buf_make(h->base->gpu, WEFT_BUF_FOR_SNAPSHOTS, part->bytes, WEFT_BUF_STORAGE, "snapshot", &part->buf);
        copies[n++] = (struct weft_gpu_copy){.src = h->states->bufs[i], .dst = part->buf, .size = part->bytes};
    }
    if (status == WEFT_OK)
        status = weft_buf_make(h->base->gpu, WEFT_BUF_FOR_SNAPSHOTS, weft_vars_bytes(x->n_words), WEFT_BUF_STORAGE,
                               "snapshot", &x->vars);
    if (status == WEFT_OK)
        copies[n++] =
            (struct weft_gpu_copy){.src = h->states->vars, .dst = x->vars, .size = weft_vars_bytes(x->n_words)};
    struct weft_gpu_submit submit = {.before = copies, .n_before = n};
    if (status == WEFT_OK) status = weft_pages_keep(h->pages, WEFT_ALL_SLOTS, &x->pages);
    if (status == WEFT_OK) status = weft_base_submit(h->base, &submit, true);
    weft_free(copies);
    return status;
}

weft_status weft_snapshot_take(struct weft_history *h, bool host, struct weft_snapshot **out) {
    WEFT_TRY(weft_base_check_alive(h->base));
    WEFT_TRY(weft_states_check(h->states));
    WEFT_TRY(weft_positions_settle(h->positions));
    struct weft_snapshot *x = weft_calloc(1, sizeof *x);
    if (!x) return no_memory();
    x->host = host;
    x->idle = h->positions->idle;
    if (!host) x->gpu = h->base->gpu, x->program = h->base->program;
    weft_status status = describe(h, x);
    if (status == WEFT_OK) status = host ? take_host(h, x) : take_device(h, x);
    if (status == WEFT_OK) *out = x;
    else weft_snapshot_destroy(&x);
    return status;
}

uint64_t weft_snapshot_position(const weft_snapshot *x) { return x && x->n_tracks ? x->tracks[0].at : 0; }

uint64_t weft_snapshot_bytes(const weft_snapshot *x) {
    uint64_t bytes = x ? weft_vars_bytes(x->n_words) : 0;
    for (uint32_t i = 0; x && i < x->n_parts; i++) bytes += x->parts[i].bytes;
    return bytes;
}

void weft_snapshot_destroy(weft_snapshot **snapshot) {
    if (!snapshot || !*snapshot) return;
    struct weft_snapshot *x = *snapshot;
    *snapshot = NULL;
    release_followers(x);
    for (uint32_t i = 0; i < x->n_parts; i++) {
        if (x->parts[i].buf.id) weft_buf_release(x->gpu, &x->parts[i].buf);
        weft_free(x->parts[i].data);
        weft_free(x->parts[i].name);
    }
    if (x->vars.id) weft_buf_release(x->gpu, &x->vars);
    weft_pages_drop_kept(x->program, &x->pages);
    weft_free(x->parts);
    weft_free(x->tracks);
    weft_free(x->words);
    weft_free(x);
}

weft_status weft_snapshot_suits(const struct weft_history *h, const struct weft_snapshot *x) {
    const struct weft_plan *plan = h->base->plan;
    if (!x->host && x->program != h->base->program)
        return weft_fail(WEFT_ERR_INVALID,
                         "the snapshot lies on the device with another program; take one on the host instead");
    if (!x->host && !weft_buf_alive(h->base->gpu, x->vars))
        return weft_fail(WEFT_ERR_STALE, "the snapshot lay on the device that was lost; only host snapshots survive");
    if (x->n_parts != plan->n_states || x->n_tracks != plan->n_positions || x->n_words != plan->n_vars)
        return weft_fail(WEFT_ERR_INVALID, "the snapshot holds %u states, the program has %u", x->n_parts,
                         plan->n_states);
    for (uint32_t i = 0; i < plan->n_states; i++) {
        const struct weft_plan_state *a = &plan->states[i];
        const struct part *b = &x->parts[i];
        if (strcmp(a->name, b->name) != 0 || a->kind != b->kind || a->rows != b->rows || a->slots != b->slots ||
            a->row_bytes != b->row_bytes || plan->graph->values[a->value].type.dtype != b->dtype)
            return weft_fail(WEFT_ERR_INVALID,
                             "the snapshot's state '%s' of %llu rows of %llu bytes is not the program's '%s' of %llu "
                             "rows of %llu bytes",
                             b->name, (unsigned long long)b->rows, (unsigned long long)b->row_bytes, a->name,
                             (unsigned long long)a->rows, (unsigned long long)a->row_bytes);
        if (a->position != b->position || a->var_slot != b->var_slot)
            return weft_fail(WEFT_ERR_INVALID, "the snapshot's state '%s' goes by another variable than the program's",
                             a->name);
        for (uint32_t k = 0; a->kind == WEFT_STATE_VAR && x->host && k < a->slots; k++)
            WEFT_TRY(weft_var_check(plan, i, x->words[a->var_slot + k]));
    }
    return WEFT_OK;
}

static bool wanted(const struct weft_plan *plan, uint32_t i, bool all) {
    return all || plan->states[i].written || weft_is_position(plan, i);
}

/// Allocates pages for what a host snapshot holds, the only step of restoring it that can fail for want of memory.
static weft_status make_rows(struct weft_history *h, const struct weft_snapshot *x) {
    const struct weft_plan *plan = h->base->plan;
    uint64_t *rows = weft_calloc(plan->n_page_tables + 1, sizeof *rows);
    if (!rows) return no_memory();
    for (uint32_t g = 0; g < plan->n_page_groups; g++)
        for (uint32_t slot = 0; slot < plan->page_groups[g].slots; slot++) {
            uint64_t at = x->tracks[plan->page_groups[g].position + slot].at, most = plan->page_groups[g].rows;
            rows[plan->page_groups[g].first + slot] = at < most ? at : most;
        }
    weft_status status = weft_pages_fresh(h->pages, WEFT_ALL_SLOTS, rows);
    weft_free(rows);
    return status;
}

static weft_status put_host(struct weft_history *h, const struct weft_snapshot *x, bool all) {
    const struct weft_plan *plan = h->base->plan;
    if (h->pages->tables) WEFT_TRY(make_rows(h, x));
    weft_states_mark_gone(h->states, true); // until all of it is there
    for (uint32_t i = 0; i < x->n_parts; i++) {
        if (!wanted(plan, i, all)) continue;
        uint32_t word = plan->states[i].var_slot;
        if (plan->states[i].kind == WEFT_STATE_VAR)
            WEFT_TRY(weft_buf_write(h->base->gpu, h->states->vars, word * 4ull, &x->words[word],
                                    plan->states[i].slots * 4ull));
        else if (x->parts[i].bytes && x->parts[i].kind == WEFT_STATE_PAGED) WEFT_TRY(move_rows(h, x, i, true));
        else if (x->parts[i].bytes)
            WEFT_TRY(weft_buf_write(h->base->gpu, h->states->bufs[i], 0, x->parts[i].data, x->parts[i].bytes));
    }
    return all ? weft_buf_write(h->base->gpu, h->states->vars, 0, x->words, x->n_words * sizeof *x->words) : WEFT_OK;
}

static weft_status put_device(struct weft_history *h, const struct weft_snapshot *x, bool all) {
    const struct weft_plan *plan = h->base->plan;
    struct weft_gpu_copy *copies = weft_calloc(x->n_parts + 1, sizeof *copies);
    size_t n = 0;
    if (!copies) return no_memory();
    for (uint32_t i = 0; i < x->n_parts; i++) {
        uint64_t at = plan->states[i].var_slot * 4ull;
        if (!wanted(plan, i, all)) continue;
        if (plan->states[i].kind == WEFT_STATE_VAR)
            copies[n++] = (struct weft_gpu_copy){x->vars, at, h->states->vars, at, plan->states[i].slots * 4ull};
        else if (x->parts[i].bytes)
            copies[n++] = (struct weft_gpu_copy){x->parts[i].buf, 0, h->states->bufs[i], 0, x->parts[i].bytes};
    }
    if (all) copies[n++] = (struct weft_gpu_copy){x->vars, 0, h->states->vars, 0, 4}; // the activity
    struct weft_gpu_submit submit = {.before = copies, .n_before = n};
    weft_status status = weft_base_submit(h->base, &submit, true);
    if (status == WEFT_OK && x->pages) {
        weft_states_mark_gone(h->states, true); // until the pages are there as well
        status = weft_pages_share(h->pages, WEFT_ALL_SLOTS, x->pages, 0);
    }
    weft_free(copies);
    return status;
}

weft_status weft_snapshot_put(struct weft_history *h, const struct weft_snapshot *x, bool all) {
    WEFT_TRY(x->host ? put_host(h, x, all) : put_device(h, x, all));
    weft_positions_put(h->positions, x->tracks, all ? x->words : NULL, x->idle);
    weft_states_mark_gone(h->states, false); // nothing was, unless all is restored
    return WEFT_OK;
}
