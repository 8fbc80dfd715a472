/// The state of the validation layer, shared by the files of front/ and by what stands above them in src/gpu (open.c,
/// reopen.c, probe.c).
///
/// The files of front/ call downwards only, in this order: submit.c, readback.c; upload.c; stage.c; queue.c;
/// buffer.c; group.c, pipeline.c; done.c, profile.c; time.c; fault.c; loss.c, table.c.
#ifndef WEFT_GPU_FRONT_FRONT_H
#define WEFT_GPU_FRONT_FRONT_H
#include "core/map.h"
#include "core/workers.h"
#include "gpu/gpu_backend.h"
#include <pthread.h>

enum {
    WEFT_GPU_IN_FLIGHT = 16, ///< submits the host may run ahead
    WEFT_GPU_TICKS = 64,     ///< serials whose tick is remembered; above IN_FLIGHT
    WEFT_GPU_READBACKS = 64, ///< readbacks that may be outstanding
    WEFT_GPU_LOSSES = 16,    ///< losses in the middle of work that are kept apart
    WEFT_GPU_LABEL = 48,
    WEFT_GPU_ALIGN = 256, ///< of binding and dynamic offsets, on every device
    WEFT_GPU_LINE = 64,   ///< spans in a piece begin at lines of the host's cache
    WEFT_GPU_PIECES = 4,  ///< of an upload, and of a read beside the one that is copied out
};
#define WEFT_GPU_WRITE_CHUNK ((uint64_t)4 << 20)  ///< bytes of one queue write
#define WEFT_GPU_WRITE_FLUSH ((uint64_t)64 << 20) ///< queued bytes after which the queue is flushed
#define WEFT_GPU_PIECE ((uint64_t)4 << 20)        ///< bytes of a piece of an upload, and of a readback of weft_buf_read
#define WEFT_GPU_STAGE_FROM ((uint64_t)1 << 20)   ///< bytes from which on a write goes by pieces and several threads
#define WEFT_GPU_ITEM ((uint64_t)256 << 10)       ///< bytes that a thread copies at a time

struct weft_gpu_buf_slot {
    void *obj;
    uint64_t size;
    enum weft_buf_usage usage;
    enum weft_buf_purpose purpose;
    uint32_t gen, next_free;
    bool live, mapped, lost; ///< lost: it went with a device that is gone
    char label[WEFT_GPU_LABEL];
};

struct weft_gpu_layout_slot {
    struct weft_gpu_layout pattern;
    void *obj;
};

enum weft_gpu_build { WEFT_GPU_BUILD_FAILED, WEFT_GPU_BUILD_PENDING, WEFT_GPU_BUILD_READY };

struct weft_gpu_pipe_slot {
    void *obj;
    uint32_t layout;
    enum weft_gpu_build state;
    char label[WEFT_GPU_LABEL];
};

struct weft_gpu_group_slot {
    void *obj;
    uint32_t layout, gen, next_free, count;
    bool live;
    int uniform;            ///< binding of the uniform block, or -1
    uint64_t uniform_space; ///< bytes of its buffer from the binding's offset on
    struct weft_bind binds[16];
    char ended_by[WEFT_GPU_LABEL]; ///< label of the buffer whose release ended it; "": it went with the device
};

/// An object that is freed once `tick` is finished.
struct weft_gpu_deferred {
    void *obj;
    void (*free_obj)(void *dev, void *obj);
    uint64_t tick;
};

struct weft_gpu_read_slot {
    uint32_t gen;
    bool used, own; ///< own: `buf` belongs to the ring and is kept for the next readback
    weft_buf buf;   ///< a READBACK buffer
    uint64_t offset, size;
};

/// Uploads (stage.c). The lock is taken before the device's, by one thread from the beginning to the end of its upload.
struct weft_gpu_stage {
    pthread_mutex_t lock;
    struct weft_workers *workers;
    bool workers_made;
    int threads; ///< for tests; 0: by the processors
    weft_buf pieces[WEFT_GPU_PIECES];
};

/// What a timeout reports of a submit that does not finish.
struct weft_gpu_flight {
    uint32_t n_steps;
    char first[WEFT_GPU_LABEL], last[WEFT_GPU_LABEL];
};

/// A function to be called once submit `serial` is finished; `number` counts registrations.
struct weft_gpu_callback {
    uint64_t serial, number;
    weft_gpu_done_fn fn;
    void *user;
    const void *owner;
};
/// A function that a thread is in at the moment; on that thread's stack.
struct weft_gpu_call {
    const void *owner;
    pthread_t thread;
    struct weft_gpu_call *next;
};
/// See gpu_test.h.
struct weft_gpu_inject {
    int fault;
    uint32_t sites;
    uint64_t at, count;
};

struct weft_gpu_row {
    char *label;
    uint64_t count;
    double seconds;
};

struct weft_gpu {
    pthread_mutex_t lock, poll_lock;
    const struct weft_gpu_backend *backend;
    void *dev;
    void (*pause)(double seconds); ///< of the backend; stays when the device is opened again
    struct weft_gpu_caps caps;
    bool profile, lost, hung;      ///< hung: lost because a wait gave it up
    double timeout, close_timeout; ///< seconds without progress; 0: none
    double progress;               ///< when something was last seen to finish
    char lost_why[256];
    struct weft_gpu_counters counters;

    struct weft_gpu_params params; ///< to open the same again; `implementation` is unset
    char library[256];             ///< of which implementation; "null" for the null device
    uint32_t generation;           ///< rises when the device is opened again; pipelines carry it
    /// Serials that were never finished because the device of then was lost; the newest last.
    struct weft_gpu_serials {
        uint64_t first, last;
    } lost_serials[WEFT_GPU_LOSSES];
    size_t n_lost_serials;
    size_t building;                                       ///< pipelines that are being made outside the lock
    struct weft_gpu_dependent *dependents[WEFT_GPU_RANKS]; ///< by rank, in the order of registration
    struct weft_gpu_inject inject;

    struct weft_gpu_buf_slot *bufs;
    size_t n_bufs, cap_bufs;
    uint32_t free_buf;
    struct weft_gpu_layout_slot *layouts;
    size_t n_layouts, cap_layouts;
    struct weft_gpu_pipe_slot *pipes;
    size_t n_pipes, cap_pipes;
    struct weft_map pipe_map;
    struct weft_gpu_group_slot *groups;
    size_t n_groups, cap_groups;
    uint32_t free_group;
    struct weft_map group_map;
    struct weft_gpu_deferred *deferred;
    size_t n_deferred, cap_deferred;

    uint64_t serial, finished;    ///< of the caller's submits
    uint64_t tick, finished_tick; ///< of all submits
    uint64_t tick_of[WEFT_GPU_TICKS];
    struct weft_gpu_flight flights[WEFT_GPU_TICKS]; ///< by serial, as tick_of
    struct weft_gpu_callback *callbacks;
    size_t n_callbacks, cap_callbacks;
    uint64_t callback_number;
    struct weft_gpu_call *calls;
    uint64_t unflushed, flush_tick; ///< bytes written since the last submit; tick of the flush before the last
    struct weft_gpu_move *moves;
    size_t cap_moves;
    struct weft_gpu_dispatch *dispatches;
    size_t cap_dispatches;

    struct weft_gpu_read_slot reads[WEFT_GPU_READBACKS];
    struct weft_gpu_stage stage;
    uint32_t *fill_words;

    struct weft_gpu_row *rows;
    size_t n_rows, cap_rows;
    struct weft_map row_map;
};

static inline void weft_gpu_lock(const weft_gpu *gpu) { pthread_mutex_lock(&((weft_gpu *)(uintptr_t)gpu)->lock); }
static inline void weft_gpu_unlock(const weft_gpu *gpu) { pthread_mutex_unlock(&((weft_gpu *)(uintptr_t)gpu)->lock); }

// All below: the caller holds the lock unless a line says otherwise.

bool weft_gpu_grow(weft_gpu *gpu, void **items, size_t *cap, size_t need, size_t size); ///< counted weft_grow
weft_status weft_gpu_lost(weft_gpu *gpu);      ///< ERR_LOST with its reason if the device is gone, else WEFT_OK
void weft_gpu_advance(weft_gpu *gpu);          ///< takes over what the device has finished; frees what waited
weft_status weft_gpu_poll_once(weft_gpu *gpu); ///< without the lock: lets callbacks run, then advances
/// Without the lock, in every wait: yields as long as a transfer of `bytes` may take, then pauses ever longer.
void weft_gpu_backoff(const weft_gpu *gpu, double since, uint64_t bytes);
/// To be called without the lock by a wait that began at `since` and has found its work unfinished. Returns WEFT_OK to
/// go on, or the error to end with (CANCELLED, TIMEOUT).
weft_status weft_gpu_check_timeout(weft_gpu *gpu, double since);
void weft_gpu_note_flight(weft_gpu *gpu, uint64_t serial, const struct weft_gpu_step *steps, size_t n);
/// Gives the lock back while it waits until `tick` is finished.
weft_status weft_gpu_wait_tick(weft_gpu *gpu, uint64_t tick);
weft_status weft_gpu_submit_work(weft_gpu *gpu, struct weft_gpu_work *work); ///< numbers and hands on
/// Frees an object after the work in flight.
void weft_gpu_free_later(weft_gpu *gpu, void *obj, void (*free_obj)(void *, void *));

struct weft_gpu_buf_slot *weft_gpu_buf(weft_gpu *gpu, weft_buf buf); ///< NULL: dead
weft_status weft_gpu_buf_need(weft_gpu *gpu, weft_buf buf, const char *what, struct weft_gpu_buf_slot **out);
weft_status weft_gpu_buf_range(const struct weft_gpu_buf_slot *b, const char *what, uint64_t offset, uint64_t size);
/// Like buf_need and buf_range, for what is going to be written.
weft_status weft_gpu_writable(weft_gpu *gpu, weft_buf buf, const char *what, uint64_t offset, uint64_t size,
                              struct weft_gpu_buf_slot **out);
/// Takes the lock itself: a write by the queue, in chunks.
weft_status weft_gpu_write_queue(weft_gpu *gpu, weft_buf buf, uint64_t offset, const void *data, uint64_t size);
/// Without the lock: the first *done items of an upload, through pieces. WEFT_OK with fewer than all: there are no
/// pieces to be had, and the rest goes by the queue.
weft_status weft_gpu_stage(weft_gpu *gpu, const struct weft_gpu_upload *upload, size_t *done);
/// Copies memory of the host, with several threads where that pays; while these begin, the caller's goes through
/// `meanwhile`, if it is not NULL.
void weft_gpu_copy_host(weft_gpu *gpu, void *to, const void *from, uint64_t bytes, void (*meanwhile)(void *user),
                        void *user);
weft_status weft_gpu_buf_new(weft_gpu *gpu, enum weft_buf_purpose purpose, uint64_t size, enum weft_buf_usage usage,
                             const char *label, weft_buf *out);
void weft_gpu_buf_drop(weft_gpu *gpu, weft_buf buf);
void weft_gpu_groups_drop(weft_gpu *gpu, weft_buf buf); ///< groups that touch a buffer
void weft_gpu_readbacks_trim(weft_gpu *gpu);            ///< gives back the ring's buffers that are not in use
struct weft_gpu_pipe_slot *weft_gpu_pipe(weft_gpu *gpu, weft_pipeline pipeline); ///< NULL: no such pipeline
/// Frees all objects of the device and leaves the tables without live ones. A device that hangs and could block us
/// keeps what it has, itself included (weft_gpu_left).
void weft_gpu_free_objects(weft_gpu *gpu);
void weft_gpu_free_tables(weft_gpu *gpu); ///< the tables themselves, when the device is closed
static inline bool weft_gpu_left(const weft_gpu *gpu) { return gpu->hung && gpu->backend->may_block; }
bool weft_gpu_was_lost(const weft_gpu *gpu, uint64_t serial);          ///< not finished when the device was lost
void weft_gpu_note_lost(weft_gpu *gpu, uint64_t first, uint64_t last); ///< serials that will never be finished
/// To be asked before a call to the device: an error if a test wants it to fail (gpu_test.h).
weft_status weft_gpu_inject_now(weft_gpu *gpu, uint32_t site, const char *what);
weft_status weft_gpu_profile_row_of(weft_gpu *gpu, const char *label, uint32_t *row);
#endif
