// Uploads: pieces of memory that the device reads are filled by several threads, while pieces filled before are copied
// to where they belong. A piece is mapped again behind its copy, so the memory of an upload is that of the pieces,
// whatever its size, and in steady state nothing is made.
//
// One upload at a time has the pieces and the helpers. Who finds them taken, or gets none, writes by the queue instead,
// which is slower and waits for nobody.
#include "core/alloc.h"
#include "core/cancel.h"
#include "core/error.h"
#include "core/file.h"
#include "core/thread.h"
#include "gpu/front/front.h"
#include "gpu/gpu_test.h"
#include <stdio.h>
#include <string.h>

enum { MOST_MOVES = 64, LINE = WEFT_GPU_LINE };

// AWAY: the device has it, or it is being mapped. FREE: mapped. OPEN: being filled. FULL: no more goes in.
enum state { ABSENT, AWAY, FREE, OPEN, FULL };

struct piece {
    enum state state;
    uint8_t *data;
    uint64_t used;
    uint32_t items, pending; // that are in it; of those, that are being made
    uint32_t n_moves;
    struct move {
        weft_buf dst;
        uint64_t offset, from, size;
    } moves[MOST_MOVES];
};

struct run {
    weft_gpu *gpu;
    const struct weft_gpu_upload *up;
    pthread_mutex_t lock; // of all below
    pthread_cond_t changed;
    struct piece pieces[WEFT_GPU_PIECES];
    int open;                  // the piece that is being filled, or -1
    int full[WEFT_GPU_PIECES]; // pieces that are full, in the order of their items
    size_t n_full, next, sent; // items handed out; items whose piece was sent
    uint32_t making, n_threads;
    bool stop;
    weft_status failed; // of the first item that could not be made, and its sentence
    char why[512];
    uint8_t *scratch;
};

static uint64_t piece_bytes(const weft_gpu *gpu) {
    return gpu->caps.max_buffer < WEFT_GPU_PIECE ? gpu->caps.max_buffer / LINE * LINE : WEFT_GPU_PIECE;
}

// A CPU driver copies with the processors that fill, and its pieces are memory that it needs: two will do.
static size_t pieces_of(const weft_gpu *gpu) {
    return gpu->caps.kind == WEFT_GPU_CPU || gpu->caps.kind == WEFT_GPU_NULL ? 2 : WEFT_GPU_PIECES;
}

// ---- helpers --------------------------------------------------------------------------------------------------------

static int threads_of(const weft_gpu *gpu) {
    int most = gpu->stage.threads ? gpu->stage.threads : 8, cpus = gpu->stage.threads ? most : weft_cpu_count();
    return cpus < most ? cpus : most;
}

// With the stage's lock.
static struct weft_workers *helpers(weft_gpu *gpu) {
    struct weft_gpu_stage *s = &gpu->stage;
    if (!s->workers_made) s->workers = weft_workers_create(threads_of(gpu) - 1);
    s->workers_made = true;
    return s->workers;
}

void weft_gpu_set_threads(weft_gpu *gpu, int threads) {
    pthread_mutex_lock(&gpu->stage.lock);
    weft_workers_destroy(gpu->stage.workers);
    gpu->stage.workers = NULL;
    gpu->stage.workers_made = false;
    gpu->stage.threads = threads;
    pthread_mutex_unlock(&gpu->stage.lock);
}

struct copy {
    uint8_t *to;
    const uint8_t *from;
    size_t bytes;
    atomic_size_t at;
};

static void copy_parts(void *user) {
    struct copy *c = user;
    for (;;) {
        size_t at = atomic_fetch_add(&c->at, WEFT_GPU_ITEM), left = at < c->bytes ? c->bytes - at : 0;
        if (left == 0) return;
        memcpy(c->to + at, c->from + at, left < WEFT_GPU_ITEM ? left : WEFT_GPU_ITEM);
    }
}

void weft_gpu_copy_host(weft_gpu *gpu, void *to, const void *from, uint64_t bytes, void (*meanwhile)(void *user),
                        void *user) {
    struct copy c = {.to = to, .from = from, .bytes = (size_t)bytes};
    bool several = bytes >= WEFT_GPU_STAGE_FROM && pthread_mutex_trylock(&gpu->stage.lock) == 0;
    struct weft_workers *w = several ? helpers(gpu) : NULL;
    weft_workers_begin(w, copy_parts, &c);
    if (meanwhile) meanwhile(user);
    copy_parts(&c);
    weft_workers_end(w);
    if (several) pthread_mutex_unlock(&gpu->stage.lock);
}

// ---- pieces ---------------------------------------------------------------------------------------------------------

static void set_state(struct run *r, size_t i, enum state state, uint8_t *data) {
    pthread_mutex_lock(&r->lock);
    struct piece *p = &r->pieces[i];
    p->state = state;
    p->data = data;
    p->used = p->n_moves = p->items = 0;
    if (state == FREE) pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

// A piece that can't be mapped is given back; the next upload makes another one. With the device's lock.
static void retire(struct run *r, size_t i) {
    weft_gpu_buf_drop(r->gpu, r->gpu->stage.pieces[i]);
    r->gpu->stage.pieces[i] = (weft_buf){0};
    set_state(r, i, ABSENT, NULL);
}

static void map_again(struct run *r, size_t i) {
    const weft_gpu *gpu = r->gpu;
    weft_status status = weft_gpu_inject_now(r->gpu, WEFT_GPU_AT_MAP, "upload");
    if (status == WEFT_OK) status = gpu->backend->map_start(gpu->dev, weft_gpu_buf(r->gpu, gpu->stage.pieces[i])->obj);
    if (status == WEFT_OK) set_state(r, i, AWAY, NULL);
    else retire(r, i); // what was written before is on its way all the same
}

// Finds out what the device is through with. With the device's lock.
static void look_at(struct run *r, size_t i) {
    const weft_gpu *gpu = r->gpu;
    struct weft_gpu_buf_slot *b = weft_gpu_buf(r->gpu, gpu->stage.pieces[i]);
    void *data = NULL;
    switch (b ? gpu->backend->map_state(gpu->dev, b->obj) : WEFT_GPU_MAP_FAILED) {
    case WEFT_GPU_MAP_NONE: map_again(r, i); return;
    case WEFT_GPU_MAP_PENDING: set_state(r, i, AWAY, NULL); return;
    case WEFT_GPU_MAP_FAILED: retire(r, i); return;
    case WEFT_GPU_MAP_READY: break;
    }
    if (gpu->backend->map_view(gpu->dev, b->obj, &data) == WEFT_OK && data) set_state(r, i, FREE, data);
    else retire(r, i);
}

static weft_status ready_pieces(struct run *r) {
    weft_gpu *gpu = r->gpu;
    weft_gpu_lock(gpu);
    weft_status status = weft_gpu_lost(gpu);
    for (size_t i = 0; i < pieces_of(gpu) && status == WEFT_OK; i++) {
        weft_buf *buf = &gpu->stage.pieces[i];
        if (!weft_gpu_buf(gpu, *buf))
            status = weft_gpu_buf_new(gpu, WEFT_BUF_FOR_STAGING, piece_bytes(gpu), WEFT_BUF_STAGING, "upload", buf);
        if (status == WEFT_OK) look_at(r, i);
    }
    weft_gpu_unlock(gpu);
    return status;
}

// ---- items ----------------------------------------------------------------------------------------------------------

static void add_move(struct piece *p, const struct weft_buf_span *span) {
    struct move *last = p->n_moves ? &p->moves[p->n_moves - 1] : NULL;
    if (last && last->dst.id == span->buf.id && last->offset + last->size == span->offset &&
        last->from + last->size == p->used)
        last->size += span->size;
    else p->moves[p->n_moves++] = (struct move){span->buf, span->offset, p->used, span->size};
    p->used += (span->size + LINE - 1) / LINE * LINE;
}

static void close_open(struct run *r) {
    if (r->open < 0) return;
    r->pieces[r->open].state = FULL;
    r->full[r->n_full++] = r->open;
    r->open = -1;
}

// A place for the next item; false if there is none at the moment. With the run's lock.
static bool take_item(struct run *r, size_t *item, int *piece, uint8_t *to[WEFT_UPLOAD_SPANS]) {
    struct weft_buf_span spans[WEFT_UPLOAD_SPANS] = {{{0}, 0, 0}};
    uint64_t need = 0;
    if (r->stop || r->next == r->up->count) return false;
    r->up->place(r->up->user, r->next, spans);
    for (int i = 0; i < WEFT_UPLOAD_SPANS; i++) need += (spans[i].size + LINE - 1) / LINE * LINE;
    struct piece *p = r->open < 0 ? NULL : &r->pieces[r->open];
    if (p && (p->used + need > piece_bytes(r->gpu) || p->n_moves + WEFT_UPLOAD_SPANS > MOST_MOVES)) close_open(r);
    for (int i = 0; i < WEFT_GPU_PIECES && r->open < 0; i++)
        if (r->pieces[i].state == FREE) r->open = i;
    if (r->open < 0) return false;
    p = &r->pieces[r->open];
    p->state = OPEN;
    for (int i = 0; i < WEFT_UPLOAD_SPANS; i++) {
        to[i] = p->data + p->used;
        if (spans[i].size) add_move(p, &spans[i]);
    }
    p->items++;
    p->pending++;
    r->making++;
    *piece = r->open;
    *item = r->next++;
    if (r->next == r->up->count) close_open(r);
    return true;
}

// Makes one item; false if none has a place. With the run's lock, which it gives up meanwhile.
static bool make_item(struct run *r, uint32_t thread) {
    uint8_t *to[WEFT_UPLOAD_SPANS];
    size_t item;
    int piece;
    if (!take_item(r, &item, &piece, to)) return false;
    pthread_mutex_unlock(&r->lock);
    weft_status made = r->up->make(r->up->user, item, r->scratch + thread * r->up->scratch, to);
    pthread_mutex_lock(&r->lock);
    r->pieces[piece].pending--;
    r->making--;
    if (made != WEFT_OK && r->failed == WEFT_OK) {
        r->failed = made;
        r->stop = true;
        snprintf(r->why, sizeof r->why, "%s", weft_error_message()); // of this thread
    }
    return true;
}

static void help(void *user) {
    struct run *r = user;
    pthread_mutex_lock(&r->lock);
    uint32_t thread = r->n_threads++;
    while (!r->stop && r->next < r->up->count)
        if (!make_item(r, thread)) pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

// ---- the caller's thread --------------------------------------------------------------------------------------------

// Copies a full piece to its places. With the device's lock.
static weft_status send(struct run *r, size_t i) {
    weft_gpu *gpu = r->gpu;
    const struct piece *p = &r->pieces[i];
    struct weft_gpu_move moves[MOST_MOVES];
    struct weft_gpu_work work = {.before = moves, .n_before = p->n_moves};
    uint64_t bytes = 0;
    WEFT_TRY(weft_gpu_lost(gpu));
    struct weft_gpu_buf_slot *from = weft_gpu_buf(gpu, gpu->stage.pieces[i]), *b;
    for (uint32_t k = 0; k < p->n_moves; k++) {
        WEFT_TRY(weft_gpu_writable(gpu, p->moves[k].dst, "write", p->moves[k].offset, p->moves[k].size, &b));
        moves[k] = (struct weft_gpu_move){from->obj, b->obj, p->moves[k].from, p->moves[k].offset, p->moves[k].size};
        bytes += p->moves[k].size;
    }
    WEFT_TRY(weft_gpu_inject_now(gpu, WEFT_GPU_AT_WRITE, "write"));
    gpu->backend->map_drop(gpu->dev, from->obj);
    WEFT_TRY(weft_gpu_submit_work(gpu, &work));
    gpu->counters.bytes_written += bytes;
    return WEFT_OK;
}

// The first of the full pieces, once its items are made: pieces go in the order of their items.
static weft_status send_first(struct run *r, bool *moved) {
    pthread_mutex_lock(&r->lock);
    bool any = r->n_full && r->pieces[r->full[0]].pending == 0 && r->failed == WEFT_OK;
    size_t i = any ? (size_t)r->full[0] : 0;
    pthread_mutex_unlock(&r->lock);
    if (!any) return WEFT_OK;
    const uint32_t items = r->pieces[i].items; // nobody changes a full piece
    weft_gpu_lock(r->gpu);
    weft_status status = send(r, i);
    if (status == WEFT_OK) map_again(r, i);
    weft_gpu_unlock(r->gpu);
    if (status != WEFT_OK) return status;
    pthread_mutex_lock(&r->lock);
    memmove(r->full, r->full + 1, --r->n_full * sizeof *r->full);
    r->sent += items;
    pthread_mutex_unlock(&r->lock);
    if (r->up->sent) r->up->sent(r->up->user, r->sent);
    *moved = true;
    return WEFT_OK;
}

// Sees to it that there are pieces to fill. *any is false if there is none that ever will be.
static weft_status fetch(struct run *r, bool *any) {
    weft_gpu *gpu = r->gpu;
    size_t away[WEFT_GPU_PIECES], n = 0;
    *any = false;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < WEFT_GPU_PIECES; i++) {
        if (r->pieces[i].state != ABSENT) *any = true;
        if (r->pieces[i].state == AWAY) away[n++] = i;
    }
    if (r->next == r->up->count) n = 0;
    pthread_mutex_unlock(&r->lock);
    if (n == 0) return WEFT_OK;
    WEFT_TRY(weft_gpu_poll_once(gpu));
    weft_gpu_lock(gpu);
    for (size_t i = 0; i < n; i++) look_at(r, away[i]);
    weft_gpu_unlock(gpu);
    return WEFT_OK;
}

static weft_status drive(struct run *r) {
    double idle = weft_now(), quiet = idle; // since this thread, and since anybody but the device, had something to do
    for (;;) {
        bool moved = false, any;
        WEFT_TRY(weft_cancel_check());
        WEFT_TRY(send_first(r, &moved));
        WEFT_TRY(fetch(r, &any));
        pthread_mutex_lock(&r->lock);
        bool all = r->sent == r->up->count || (!any && r->open < 0 && r->n_full == 0);
        if (!all && make_item(r, 0)) moved = true;
        bool making = r->making > 0;
        weft_status failed = r->failed;
        pthread_mutex_unlock(&r->lock);
        if (failed != WEFT_OK) return weft_fail(failed, "%s", r->why); // nobody writes another one
        if (all) return WEFT_OK;
        if (moved) idle = weft_now();
        if (moved || making) quiet = weft_now();
        if (moved) continue;
        WEFT_TRY(weft_gpu_check_timeout(r->gpu, quiet));
        weft_gpu_backoff(r->gpu, idle, WEFT_GPU_PIECE);
    }
}

// The items of an upload from the first on, as far as there are pieces for them.
static weft_status run_staged(weft_gpu *gpu, const struct weft_gpu_upload *up, struct run *r) {
    struct weft_workers *w = helpers(gpu);
    if (up->scratch) {
        r->scratch = weft_alloc((size_t)(up->scratch * (uint64_t)threads_of(gpu)));
        if (!r->scratch) return weft_fail(WEFT_ERR_NOMEM, "out of memory for an upload");
    }
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    weft_status status = ready_pieces(r);
    if (status != WEFT_ERR_LOST) status = WEFT_OK; // those that there are will do, or none
    if (status == WEFT_OK) {
        weft_workers_begin(w, help, r);
        status = drive(r);
        pthread_mutex_lock(&r->lock);
        r->stop = true;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
        weft_workers_end(w);
    }
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    weft_free(r->scratch);
    return status;
}

weft_status weft_gpu_stage(weft_gpu *gpu, const struct weft_gpu_upload *up, size_t *done) {
    *done = 0;
    if (up->count == 0 || up->most + (uint64_t)WEFT_UPLOAD_SPANS * LINE > piece_bytes(gpu)) return WEFT_OK;
    if (pthread_mutex_trylock(&gpu->stage.lock) != 0) return WEFT_OK;
    struct run r = {.gpu = gpu, .up = up, .open = -1, .n_threads = 1};
    weft_status status = run_staged(gpu, up, &r);
    *done = r.sent;
    pthread_mutex_unlock(&gpu->stage.lock);
    return status;
}
