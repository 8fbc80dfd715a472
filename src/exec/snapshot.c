/// Snapshots: everything that a session remembers, on the device or on the host, and checkpoints, which are device
/// snapshots that a session keeps for weft_session_rewind.
#include "core/alloc.h"
#include "core/error.h"
#include "exec/session_impl.h"
#include <pthread.h>
#include <string.h>

/// One state: what it is, and its contents.
struct part {
    char *name;
    enum weft_state_kind kind;
    weft_dtype dtype;
    uint32_t position, var_slot; ///< whose rows these are; which variable this is
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
    uint32_t words[WEFT_VARS_BYTES / 4]; ///< variables: all, or in device form those that no operator writes
    struct weft_page_table *pages;       ///< device form: shared with the session that it was taken from
    weft_session *followers;             ///< host form: sessions whose newest snapshot this is
};

// A host snapshot belongs to the caller, so sessions only follow it, until it is destroyed or another one is newer.
// Snapshots and sessions may be used by different threads, hence the lock.
static pthread_mutex_t followers_lock = PTHREAD_MUTEX_INITIALIZER;

/// Forgets the host snapshot if it was taken at `from` or beyond.
static void unfollow(weft_session *s, uint64_t from) {
    pthread_mutex_lock(&followers_lock);
    if (s->host_snapshot && weft_snapshot_position(s->host_snapshot) >= from) {
        weft_session **at = &s->host_snapshot->followers;
        while (*at != s) at = &(*at)->next_follower;
        *at = s->next_follower;
        s->host_snapshot = NULL;
    }
    pthread_mutex_unlock(&followers_lock);
}

void weft_session_follow(weft_session *s, struct weft_snapshot *x) {
    unfollow(s, 0);
    pthread_mutex_lock(&followers_lock);
    s->host_snapshot = x;
    s->next_follower = x->followers;
    x->followers = s;
    pthread_mutex_unlock(&followers_lock);
}

static void release_followers(struct weft_snapshot *x) {
    pthread_mutex_lock(&followers_lock);
    for (weft_session *s = x->followers; s; s = s->next_follower) s->host_snapshot = NULL;
    x->followers = NULL;
    pthread_mutex_unlock(&followers_lock);
}

static weft_status no_memory(void) { return weft_fail(WEFT_ERR_NOMEM, "out of memory for a snapshot"); }

/// Whether a state has a buffer of its own in each session.
static bool has_buffer(const weft_session *s, uint32_t i) { return s->states[i].id != 0; }

// ---- taking --------------------------------------------------------------------------------------------------------

static weft_status describe(const weft_session *s, struct weft_snapshot *x) {
    const struct weft_plan *plan = s->program->plan;
    x->parts = weft_calloc(plan->n_states + 1, sizeof *x->parts);
    x->tracks = weft_calloc(plan->n_positions + 1, sizeof *x->tracks);
    if (!x->parts || !x->tracks) return no_memory();
    x->n_parts = plan->n_states;
    x->n_tracks = plan->n_positions;
    memcpy(x->tracks, s->tracks, plan->n_positions * sizeof *x->tracks);
    memcpy(x->words, s->known, sizeof x->words);
    for (uint32_t i = 0; i < plan->n_states; i++) {
        const struct weft_plan_state *from = &plan->states[i];
        x->parts[i] = (struct part){.name = weft_strdup(from->name),
                                    .kind = from->kind,
                                    .dtype = plan->graph->values[from->value].type.dtype,
                                    .rows = from->rows,
                                    .position = from->position,
                                    .var_slot = from->var_slot,
                                    .row_bytes = from->row_bytes,
                                    .bytes = has_buffer(s, i) ? weft_buf_size(s->gpu, s->states[i]) : 0};
        if (!x->parts[i].name) return no_memory();
        if (x->host && from->kind == WEFT_STATE_PAGED)
            x->parts[i].bytes = s->tracks[from->position].at * from->row_bytes;
    }
    return WEFT_OK;
}

static weft_status take_host(weft_session *s, struct weft_snapshot *x) {
    for (uint32_t i = 0; i < x->n_parts; i++) {
        struct part *part = &x->parts[i];
        if (!part->bytes) continue;
        part->data = weft_alloc(part->bytes);
        if (!part->data) return no_memory();
        WEFT_TRY(part->kind == WEFT_STATE_PAGED
                     ? weft_session_read(s, part->name, 0, part->data, part->bytes)
                     : weft_session_read_buffer(s, s->states[i], 0, part->data, part->bytes));
    }
    if (!weft_session_computes(s)) return WEFT_OK; // then they are what the host knows
    return weft_session_read_buffer(s, s->vars, 0, x->words, sizeof x->words);
}

/// Takes a share in the pages of the rows before the position.
static weft_status share_pages(weft_session *s, struct weft_snapshot *x) {
    const struct weft_plan *plan = s->program->plan;
    struct weft_pool *pool = s->program->pool;
    uint32_t *room = weft_calloc(plan->n_page_groups + 1, sizeof *room);
    if (!room) return no_memory();
    for (uint32_t g = 0; g < plan->n_page_groups; g++) room[g] = (uint32_t)weft_session_page_count(s, g);
    weft_program_enter_pool(s->program);
    weft_status status = weft_pool_join(pool, room, &x->pages);
    if (status == WEFT_OK) status = weft_pool_ready_bounce(pool);
    for (uint32_t g = 0; g < plan->n_page_groups && status == WEFT_OK; g++) {
        for (uint32_t i = 0; i < room[g]; i++) {
            x->pages[g].pages[i] = s->pages[g].pages[i];
            weft_pool_share(pool, g, x->pages[g].pages[i]);
        }
        x->pages[g].n = room[g];
    }
    weft_program_leave(s->program);
    weft_free(room);
    return status;
}

static weft_status take_device(weft_session *s, struct weft_snapshot *x) {
    struct weft_gpu_copy *copies = weft_calloc(x->n_parts + 1, sizeof *copies);
    size_t n = 0;
    weft_status status = copies ? WEFT_OK : no_memory();
    for (uint32_t i = 0; i < x->n_parts && status == WEFT_OK; i++) {
        struct part *part = &x->parts[i];
        if (!part->bytes) continue;
        status = weft_buf_make(s->gpu, WEFT_BUF_FOR_SNAPSHOTS, part->bytes, WEFT_BUF_STORAGE, "snapshot", &part->buf);
        copies[n++] = (struct weft_gpu_copy){.src = s->states[i], .dst = part->buf, .size = part->bytes};
    }
    if (status == WEFT_OK)
        status = weft_buf_make(s->gpu, WEFT_BUF_FOR_SNAPSHOTS, WEFT_VARS_BYTES, WEFT_BUF_STORAGE, "snapshot", &x->vars);
    if (status == WEFT_OK)
        copies[n++] = (struct weft_gpu_copy){.src = s->vars, .dst = x->vars, .size = WEFT_VARS_BYTES};
    struct weft_gpu_submit submit = {.before = copies, .n_before = n};
    if (status == WEFT_OK && s->pages) status = share_pages(s, x);
    if (status == WEFT_OK) status = weft_gpu_submit(s->gpu, &submit, &s->last_serial);
    weft_free(copies);
    return status;
}

weft_status weft_session_snapshot(weft_session *s, uint32_t flags, weft_snapshot **out) {
    if (out) *out = NULL;
    if (!s || !out) return weft_session_null_argument("weft_session_snapshot");
    if (flags != WEFT_SNAPSHOT_DEVICE && flags != WEFT_SNAPSHOT_HOST)
        return weft_fail(WEFT_ERR_INVALID, "a snapshot is taken either on the device or on the host (flags %u)", flags);
    WEFT_TRY(weft_session_check_alive(s));
    WEFT_TRY(weft_session_check_states(s));
    WEFT_TRY(weft_session_settle(s));
    struct weft_snapshot *x = weft_calloc(1, sizeof *x);
    if (!x) return no_memory();
    x->host = flags == WEFT_SNAPSHOT_HOST;
    x->idle = s->idle;
    if (!x->host) x->gpu = s->gpu, x->program = s->program;
    weft_status status = describe(s, x);
    if (status == WEFT_OK) status = x->host ? take_host(s, x) : take_device(s, x);
    if (status != WEFT_OK) {
        weft_snapshot_destroy(&x);
        return status;
    }
    if (x->host) weft_session_follow(s, x);
    *out = x;
    return WEFT_OK;
}

uint64_t weft_snapshot_position(const weft_snapshot *x) { return x && x->n_tracks ? x->tracks[0].at : 0; }

uint64_t weft_snapshot_bytes(const weft_snapshot *x) {
    uint64_t bytes = x ? WEFT_VARS_BYTES : 0;
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
    if (x->pages) {
        weft_program_enter_pool(x->program);
        weft_pool_leave(x->program->pool, &x->pages);
        weft_program_leave(x->program);
    }
    weft_free(x->parts);
    weft_free(x->tracks);
    weft_free(x);
}

// ---- putting back --------------------------------------------------------------------------------------------------

static weft_status suits(const weft_session *s, const struct weft_snapshot *x) {
    const struct weft_plan *plan = s->program->plan;
    if (!x->host && x->program != s->program)
        return weft_fail(WEFT_ERR_INVALID,
                         "the snapshot lies on the device with another program; take one on the host instead");
    if (!x->host && !weft_buf_alive(s->gpu, x->vars))
        return weft_fail(WEFT_ERR_STALE, "the snapshot lay on the device that was lost; only host snapshots survive");
    if (x->n_parts != plan->n_states || x->n_tracks != plan->n_positions)
        return weft_fail(WEFT_ERR_INVALID, "the snapshot holds %u states, the program has %u", x->n_parts,
                         plan->n_states);
    for (uint32_t i = 0; i < plan->n_states; i++) {
        const struct weft_plan_state *a = &plan->states[i];
        const struct part *b = &x->parts[i];
        if (strcmp(a->name, b->name) != 0 || a->kind != b->kind || a->rows != b->rows || a->row_bytes != b->row_bytes ||
            plan->graph->values[a->value].type.dtype != b->dtype)
            return weft_fail(WEFT_ERR_INVALID,
                             "the snapshot's state '%s' of %llu rows of %llu bytes is not the program's '%s' of %llu "
                             "rows of %llu bytes",
                             b->name, (unsigned long long)b->rows, (unsigned long long)b->row_bytes, a->name,
                             (unsigned long long)a->rows, (unsigned long long)a->row_bytes);
        if (a->position != b->position || a->var_slot != b->var_slot)
            return weft_fail(WEFT_ERR_INVALID, "the snapshot's state '%s' goes by another variable than the program's",
                             a->name);
        if (a->kind == WEFT_STATE_VAR && x->host) WEFT_TRY(weft_session_check_var(plan, i, x->words[a->var_slot]));
    }
    return WEFT_OK;
}

static bool wanted(const struct weft_plan *plan, uint32_t i, bool all) {
    return all || plan->states[i].written || weft_is_position(plan, i);
}

/// Allocates pages for what a host snapshot holds, the only step of restoring it that can fail for want of memory.
static weft_status make_rows(weft_session *s, const struct weft_snapshot *x) {
    const struct weft_plan *plan = s->program->plan;
    uint64_t *rows = weft_calloc(plan->n_page_groups + 1, sizeof *rows);
    if (!rows) return no_memory();
    for (uint32_t g = 0; g < plan->n_page_groups; g++) rows[g] = x->tracks[plan->page_groups[g].position].at;
    weft_status status = weft_session_fresh_rows(s, rows);
    weft_free(rows);
    return status;
}

static weft_status put_host(weft_session *s, const struct weft_snapshot *x, bool all) {
    const struct weft_plan *plan = s->program->plan;
    if (s->pages) WEFT_TRY(make_rows(s, x));
    s->gone = true; // until all of it is there
    for (uint32_t i = 0; i < x->n_parts; i++) {
        if (!wanted(plan, i, all)) continue;
        uint32_t word = plan->states[i].var_slot;
        if (plan->states[i].kind == WEFT_STATE_VAR)
            WEFT_TRY(weft_buf_write(s->gpu, s->vars, word * 4ull, &x->words[word], 4));
        else if (x->parts[i].bytes && x->parts[i].kind == WEFT_STATE_PAGED)
            WEFT_TRY(weft_session_write(s, x->parts[i].name, 0, x->parts[i].data, x->parts[i].bytes));
        else if (x->parts[i].bytes)
            WEFT_TRY(weft_buf_write(s->gpu, s->states[i], 0, x->parts[i].data, x->parts[i].bytes));
    }
    return all ? weft_buf_write(s->gpu, s->vars, 0, x->words, WEFT_VARS_BYTES) : WEFT_OK;
}

static weft_status put_device(weft_session *s, const struct weft_snapshot *x, bool all) {
    const struct weft_plan *plan = s->program->plan;
    struct weft_gpu_copy *copies = weft_calloc(x->n_parts + 1, sizeof *copies);
    size_t n = 0;
    if (!copies) return no_memory();
    for (uint32_t i = 0; i < x->n_parts; i++) {
        uint64_t at = plan->states[i].var_slot * 4ull;
        if (!wanted(plan, i, all)) continue;
        if (plan->states[i].kind == WEFT_STATE_VAR) copies[n++] = (struct weft_gpu_copy){x->vars, at, s->vars, at, 4};
        else if (x->parts[i].bytes)
            copies[n++] = (struct weft_gpu_copy){x->parts[i].buf, 0, s->states[i], 0, x->parts[i].bytes};
    }
    if (all) copies[n++] = (struct weft_gpu_copy){x->vars, 0, s->vars, 0, 4}; // the activity
    struct weft_gpu_submit submit = {.before = copies, .n_before = n};
    weft_status status = weft_gpu_submit(s->gpu, &submit, &s->last_serial);
    if (status == WEFT_OK && s->pages) {
        s->gone = true; // until the pages are there as well
        weft_program_enter_pool(s->program);
        status = weft_session_share_pages(s, x->pages);
        weft_program_leave(s->program);
    }
    weft_free(copies);
    return status;
}

weft_status weft_session_restore_part(weft_session *s, const struct weft_snapshot *x, bool all) {
    WEFT_TRY(x->host ? put_host(s, x, all) : put_device(s, x, all));
    memcpy(s->tracks, x->tracks, x->n_tracks * sizeof *s->tracks);
    if (all) memcpy(s->known, x->words, sizeof s->known);
    s->inexact = false;
    s->idle = all ? x->idle : s->idle;
    s->gone = false; // nothing was, unless all is restored
    return WEFT_OK;
}

weft_status weft_session_restore(weft_session *s, const weft_snapshot *x) {
    if (!s || !x) return weft_session_null_argument("weft_session_restore");
    WEFT_TRY(weft_session_check_alive(s));
    WEFT_TRY(suits(s, x));
    WEFT_TRY(weft_session_restore_part(s, x, true));
    weft_session_forget(s, 0);
    if (x->host) weft_session_follow(s, (struct weft_snapshot *)(uintptr_t)x);
    return WEFT_OK;
}

// ---- checkpoints ---------------------------------------------------------------------------------------------------

void weft_session_forget(weft_session *s, uint64_t from) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->n_checkpoints; i++) {
        if (weft_snapshot_position(s->checkpoints[i]) >= from) weft_snapshot_destroy(&s->checkpoints[i]);
        else s->checkpoints[kept++] = s->checkpoints[i];
    }
    s->n_checkpoints = kept;
    unfollow(s, from);
}

const struct weft_snapshot *weft_session_find_checkpoint(const weft_session *s, uint64_t position) {
    for (uint32_t i = s->n_checkpoints; i-- > 0;)
        if (weft_snapshot_position(s->checkpoints[i]) == position) return s->checkpoints[i];
    return NULL;
}

weft_status weft_session_checkpoint(weft_session *s) {
    weft_snapshot *x;
    if (!s) return weft_session_null_argument("weft_session_checkpoint");
    WEFT_TRY(weft_session_snapshot(s, WEFT_SNAPSHOT_DEVICE, &x));
    if (s->n_checkpoints == WEFT_CHECKPOINTS) {
        weft_snapshot_destroy(&s->checkpoints[0]);
        memmove(s->checkpoints, s->checkpoints + 1, (WEFT_CHECKPOINTS - 1) * sizeof *s->checkpoints);
        s->n_checkpoints--;
    }
    s->checkpoints[s->n_checkpoints++] = x;
    return WEFT_OK;
}
