/// Snapshots: everything that a session remembers, or a slot of it, on the device or on the host. One of a slot has the
/// slot's part of each state, and the variables whole: which words of them are the slot's follows from their places.
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
    uint32_t position, var_slot; ///< whose rows these are, or which of the tracks this variable is; its first word
    uint32_t slots;
    bool by_slot; ///< each slot has its part
    uint64_t rows, row_bytes, bytes;
    weft_buf buf;  ///< device form
    uint8_t *data; ///< host form
};

struct weft_snapshot {
    uint32_t slot; ///< of which it was taken, or WEFT_ALL_SLOTS
    bool host, idle;
    bool inexact;          ///< tracks are upper bounds
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

// ---- taking --------------------------------------------------------------------------------------------------------

/// Bytes of a paged state's rows in a slot that stands where the tracks say.
static uint64_t live_bytes(const struct weft_plan *plan, const struct weft_plan_state *s, struct weft_track at) {
    uint64_t most = plan->page_groups[s->pages].rows;
    return (at.at < most ? at.at : most) * s->row_bytes;
}

static struct part part_of(const struct weft_history *h, const struct weft_snapshot *x, uint32_t state) {
    const struct weft_plan *plan = h->base->plan;
    const struct weft_plan_state *from = &plan->states[state];
    bool var = from->kind == WEFT_STATE_VAR;
    uint64_t offset;
    struct part part = {.name = weft_strdup(from->name),
                        .kind = from->kind,
                        .dtype = plan->graph->values[from->value].type.dtype,
                        .rows = from->rows,
                        .slots = from->slots,
                        .by_slot = weft_plan_by_slot(plan, state),
                        .position = var ? weft_position_of(plan, state) : from->position,
                        .var_slot = from->var_slot,
                        .row_bytes = from->row_bytes};
    if (from->kind != WEFT_STATE_PAGED) (void)weft_states_range(h->states, state, x->slot, &offset, &part.bytes);
    for (uint32_t k = 0; x->host && from->kind == WEFT_STATE_PAGED && k < from->slots; k++)
        if (x->slot == WEFT_ALL_SLOTS || (part.by_slot && k == x->slot))
            part.bytes += live_bytes(plan, from, x->tracks[from->position + k]);
    return part;
}

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
        x->parts[i] = part_of(h, x, i);
        if (!x->parts[i].name) return no_memory();
    }
    return WEFT_OK;
}

/// Reads or writes the live rows of a paged state, one slot's or those of all, which lie one behind the other in
/// `data`. They were `from` of the snapshot's slots.
static weft_status move_rows(struct weft_history *h, const struct weft_snapshot *x, uint32_t state, uint32_t slot,
                             bool put) {
    const struct weft_plan_state *s = &h->base->plan->states[state];
    uint8_t *data = x->parts[state].data;
    uint32_t first = slot == WEFT_ALL_SLOTS ? 0 : slot, end = slot == WEFT_ALL_SLOTS ? s->slots : slot + 1;
    for (uint32_t k = first; k < end; k++) {
        uint32_t from = x->parts[state].position + (x->slot == WEFT_ALL_SLOTS ? k : x->slot);
        uint64_t at = k * s->rows * s->row_bytes, bytes = live_bytes(h->base->plan, s, x->tracks[from]);
        WEFT_TRY(put ? weft_pages_write(h->pages, s, at, data, bytes) : weft_pages_read(h->pages, s, at, data, bytes));
        data += bytes;
    }
    return WEFT_OK;
}

static weft_status take_host(struct weft_history *h, struct weft_snapshot *x) {
    for (uint32_t i = 0; i < x->n_parts; i++) {
        struct part *part = &x->parts[i];
        uint64_t at, bytes;
        if (!part->bytes) continue;
        part->data = weft_alloc(part->bytes);
        if (!part->data) return no_memory();
        (void)weft_states_range(h->states, i, x->slot, &at, &bytes);
        WEFT_TRY(part->kind == WEFT_STATE_PAGED
                     ? weft_fail_in(move_rows(h, x, i, x->slot, false), "'%s'", part->name)
                     : weft_base_read(h->base, h->states->bufs[i], at, part->data, part->bytes));
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
        uint64_t at, bytes;
        if (!weft_states_range(h->states, i, x->slot, &at, &bytes)) continue;
        status = weft_buf_make(h->base->gpu, WEFT_BUF_FOR_SNAPSHOTS, bytes, WEFT_BUF_STORAGE, "snapshot", &part->buf);
        copies[n++] = (struct weft_gpu_copy){h->states->bufs[i], at, part->buf, 0, bytes};
    }
    if (status == WEFT_OK)
        status = weft_buf_make(h->base->gpu, WEFT_BUF_FOR_SNAPSHOTS, weft_vars_bytes(x->n_words), WEFT_BUF_STORAGE,
                               "snapshot", &x->vars);
    if (status == WEFT_OK)
        copies[n++] =
            (struct weft_gpu_copy){.src = h->states->vars, .dst = x->vars, .size = weft_vars_bytes(x->n_words)};
    struct weft_gpu_submit submit = {.before = copies, .n_before = n};
    if (status == WEFT_OK) status = weft_pages_keep(h->pages, x->slot, &x->pages);
    if (status == WEFT_OK) status = weft_base_submit(h->base, &submit, true);
    weft_free(copies);
    return status;
}

weft_status weft_snapshot_take(struct weft_history *h, uint32_t slot, bool host, bool settle,
                               struct weft_snapshot **out) {
    WEFT_TRY(weft_base_check_alive(h->base));
    WEFT_TRY(weft_states_check(h->states));
    if (settle) WEFT_TRY(weft_positions_settle(h->positions));
    struct weft_snapshot *x = weft_calloc(1, sizeof *x);
    if (!x) return no_memory();
    x->slot = slot;
    x->host = host;
    x->idle = h->positions->idle;
    x->inexact = h->positions->inexact;
    if (!host) x->gpu = h->base->gpu, x->program = h->base->program;
    weft_status status = describe(h, x);
    if (status == WEFT_OK) status = host ? take_host(h, x) : take_device(h, x);
    if (status == WEFT_OK) *out = x;
    else weft_snapshot_destroy(&x);
    return status;
}

uint64_t weft_snapshot_position(const weft_snapshot *x) {
    uint32_t first = 0;
    if (!x || !x->n_tracks) return 0;
    if (x->slot == WEFT_ALL_SLOTS) return x->tracks[0].at;
    while (first < x->n_parts && !(x->parts[first].kind == WEFT_STATE_VAR && x->parts[first].by_slot &&
                                   x->parts[first].position != WEFT_NO_POSITION))
        first++;
    return first < x->n_parts ? x->tracks[x->parts[first].position + x->slot].at : 0;
}

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

/// What a snapshot can be put into: the same program in device form, else equal states.
static weft_status check_place(const struct weft_history *h, uint32_t slot, const struct weft_snapshot *x) {
    const struct weft_plan *plan = h->base->plan;
    if ((slot == WEFT_ALL_SLOTS) != (x->slot == WEFT_ALL_SLOTS))
        return weft_fail(WEFT_ERR_INVALID,
                         slot == WEFT_ALL_SLOTS
                             ? "the snapshot is of one slot; weft_session_restore_slot puts it back"
                             : "the snapshot is of a whole session; weft_session_restore puts it back");
    if (!x->host && x->program != h->base->program)
        return weft_fail(WEFT_ERR_INVALID,
                         "the snapshot lies on the device with another program; take one on the host instead");
    if (!x->host && !weft_buf_alive(h->base->gpu, x->vars))
        return weft_fail(WEFT_ERR_STALE, "the snapshot lay on the device that was lost; only host snapshots survive");
    bool words = slot != WEFT_ALL_SLOTS || (x->n_tracks == plan->n_positions && x->n_words == plan->n_vars);
    if (x->n_parts == plan->n_states && words) return WEFT_OK;
    return weft_fail(WEFT_ERR_INVALID, "the snapshot holds %u states, the program has %u", x->n_parts, plan->n_states);
}

/// Whether two numbers of positions mean the same variable: of one slot, programs may have other numbers of slots.
static bool same_position(const struct weft_history *h, uint32_t slot, const struct weft_snapshot *x, uint32_t a,
                          uint32_t b) {
    const struct weft_plan *plan = h->base->plan;
    if (slot == WEFT_ALL_SLOTS || a == WEFT_NO_POSITION || b == WEFT_NO_POSITION) return a == b;
    const struct part *var = &x->parts[plan->positions[a].state];
    return var->kind == WEFT_STATE_VAR && var->position == b;
}

weft_status weft_snapshot_suits(const struct weft_history *h, uint32_t slot, const struct weft_snapshot *x) {
    const struct weft_plan *plan = h->base->plan;
    bool all = slot == WEFT_ALL_SLOTS;
    WEFT_TRY(check_place(h, slot, x));
    for (uint32_t i = 0; i < plan->n_states; i++) {
        const struct weft_plan_state *a = &plan->states[i];
        const struct part *b = &x->parts[i];
        bool slots = all ? a->slots == b->slots : weft_plan_by_slot(plan, i) == b->by_slot;
        if (strcmp(a->name, b->name) != 0 || a->kind != b->kind || a->rows != b->rows || !slots ||
            a->row_bytes != b->row_bytes || plan->graph->values[a->value].type.dtype != b->dtype)
            return weft_fail(WEFT_ERR_INVALID,
                             "the snapshot's state '%s' of %llu rows of %llu bytes is not the program's '%s' of %llu "
                             "rows of %llu bytes",
                             b->name, (unsigned long long)b->rows, (unsigned long long)b->row_bytes, a->name,
                             (unsigned long long)a->rows, (unsigned long long)a->row_bytes);
        uint32_t position = a->kind == WEFT_STATE_VAR ? weft_position_of(plan, i) : a->position;
        if (!same_position(h, slot, x, position, b->position) || (all && a->var_slot != b->var_slot))
            return weft_fail(WEFT_ERR_INVALID, "the snapshot's state '%s' goes by another variable than the program's",
                             a->name);
        for (uint32_t k = 0; a->kind == WEFT_STATE_VAR && x->host && k < b->slots; k++)
            if (all || (b->by_slot && k == x->slot)) WEFT_TRY(weft_var_check(plan, i, x->words[b->var_slot + k]));
    }
    return WEFT_OK;
}

/// Whether a state is put back: in a slot what is its part; but `all`, what operators write.
static bool wanted(const struct weft_plan *plan, uint32_t i, uint32_t slot, bool all) {
    if (slot != WEFT_ALL_SLOTS)
        return weft_plan_by_slot(plan, i) &&
               (plan->states[i].kind != WEFT_STATE_VAR || plan->states[i].var_slot != WEFT_VAR_ACTIVE);
    return all || plan->states[i].written || weft_is_position(plan, i);
}

/// The words of a variable that are put back: from which one of the snapshot's, to which one of the session's.
struct words {
    uint32_t from, to, n;
};
static struct words words_of(const struct weft_plan *plan, uint32_t i, uint32_t slot, const struct weft_snapshot *x) {
    const struct weft_plan_state *s = &plan->states[i];
    if (slot == WEFT_ALL_SLOTS) return (struct words){s->var_slot, s->var_slot, s->slots};
    return (struct words){x->parts[i].var_slot + x->slot, s->var_slot + slot, 1};
}

/// Allocates pages for what a host snapshot holds, the only step of restoring it that can fail for want of memory.
static weft_status make_rows(struct weft_history *h, uint32_t slot, const struct weft_snapshot *x) {
    const struct weft_plan *plan = h->base->plan;
    uint64_t *rows = weft_calloc(plan->n_page_tables + 1, sizeof *rows);
    if (!rows) return no_memory();
    for (uint32_t i = 0; i < plan->n_states; i++) {
        const struct weft_plan_state *s = &plan->states[i];
        if (s->kind != WEFT_STATE_PAGED || !s->row_bytes || !wanted(plan, i, slot, true)) continue;
        const struct weft_plan_pages *g = &plan->page_groups[s->pages];
        for (uint32_t k = 0; k < g->slots; k++) {
            uint32_t from = x->slot == WEFT_ALL_SLOTS ? k : x->slot;
            if (slot == WEFT_ALL_SLOTS || k == slot)
                rows[g->first + k] = live_bytes(plan, s, x->tracks[x->parts[i].position + from]) / s->row_bytes;
        }
    }
    weft_status status = weft_pages_fresh(h->pages, slot, rows);
    weft_free(rows);
    return status;
}

static weft_status put_host(struct weft_history *h, uint32_t slot, const struct weft_snapshot *x, bool all) {
    const struct weft_plan *plan = h->base->plan;
    if (h->pages->tables) WEFT_TRY(make_rows(h, slot, x));
    weft_states_mark_gone(h->states, true); // until all of it is there
    for (uint32_t i = 0; i < x->n_parts; i++) {
        uint64_t at, bytes;
        if (!wanted(plan, i, slot, all)) continue;
        struct words w = words_of(plan, i, slot, x);
        if (plan->states[i].kind == WEFT_STATE_VAR)
            WEFT_TRY(weft_buf_write(h->base->gpu, h->states->vars, w.to * 4ull, &x->words[w.from], w.n * 4ull));
        else if (x->parts[i].bytes && x->parts[i].kind == WEFT_STATE_PAGED) WEFT_TRY(move_rows(h, x, i, slot, true));
        else if (weft_states_range(h->states, i, slot, &at, &bytes))
            WEFT_TRY(weft_buf_write(h->base->gpu, h->states->bufs[i], at, x->parts[i].data, bytes));
    }
    if (slot != WEFT_ALL_SLOTS || !all) return WEFT_OK;
    return weft_buf_write(h->base->gpu, h->states->vars, 0, x->words, x->n_words * sizeof *x->words);
}

static weft_status put_device(struct weft_history *h, uint32_t slot, const struct weft_snapshot *x, bool all) {
    const struct weft_plan *plan = h->base->plan;
    struct weft_gpu_copy *copies = weft_calloc(x->n_parts + 1, sizeof *copies);
    size_t n = 0;
    if (!copies) return no_memory();
    for (uint32_t i = 0; i < x->n_parts; i++) {
        uint64_t at, bytes;
        if (!wanted(plan, i, slot, all)) continue;
        struct words w = words_of(plan, i, slot, x);
        if (plan->states[i].kind == WEFT_STATE_VAR)
            copies[n++] = (struct weft_gpu_copy){x->vars, w.from * 4ull, h->states->vars, w.to * 4ull, w.n * 4ull};
        else if (weft_states_range(h->states, i, slot, &at, &bytes))
            copies[n++] = (struct weft_gpu_copy){x->parts[i].buf, 0, h->states->bufs[i], at, bytes};
    }
    if (all && slot == WEFT_ALL_SLOTS)
        copies[n++] = (struct weft_gpu_copy){x->vars, 0, h->states->vars, 0, 4}; // the activity
    struct weft_gpu_submit submit = {.before = copies, .n_before = n};
    weft_status status = weft_base_submit(h->base, &submit, true);
    if (status == WEFT_OK && x->pages) {
        weft_states_mark_gone(h->states, true); // until the pages are there as well
        status = weft_pages_share(h->pages, slot, x->pages, x->slot);
    }
    weft_free(copies);
    return status;
}

/// Where a slot of the session stands now, which is where the snapshot's stood.
static void put_slot(struct weft_history *h, uint32_t slot, const struct weft_snapshot *x) {
    const struct weft_plan *plan = h->base->plan;
    for (uint32_t i = 0; i < x->n_parts; i++) {
        uint32_t position = x->parts[i].position;
        if (plan->states[i].kind != WEFT_STATE_VAR || !wanted(plan, i, slot, true)) continue;
        weft_positions_put_slot(h->positions, i, slot, x->words[x->parts[i].var_slot + x->slot],
                                position == WEFT_NO_POSITION ? NULL : &x->tracks[position + x->slot]);
    }
    h->positions->inexact |= x->inexact;
}

weft_status weft_snapshot_put(struct weft_history *h, uint32_t slot, const struct weft_snapshot *x, bool all) {
    WEFT_TRY(x->host ? put_host(h, slot, x, all) : put_device(h, slot, x, all));
    if (slot == WEFT_ALL_SLOTS) weft_positions_put(h->positions, x->tracks, all ? x->words : NULL, x->idle);
    else put_slot(h, slot, x);
    weft_states_mark_gone(h->states, false); // nothing was, unless all is restored
    return WEFT_OK;
}
