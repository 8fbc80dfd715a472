/// The GPU layer: finds a WebGPU implementation, opens one adapter, and gives buffers, pipelines, bind groups,
/// submits, readbacks and timestamps. It knows nothing of graphs or operators, and nothing above it sees webgpu.h.
///
/// These functions are one validation layer (front/). They check their arguments, handles, ranges and WebGPU's rules
/// for every device alike, keep the counters, and then call the device's table (gpu_backend.h): that of an
/// implementation of webgpu.h (webgpu/), or of the null device (null/), which runs nothing. So no call that an
/// implementation answers with an abort is reachable.
///
/// Thread-safety: all functions may be called from any thread; one lock a device. Nothing here calls back while the
/// lock is held.
#ifndef WEFT_GPU_GPU_H
#define WEFT_GPU_GPU_H
#include "gpu/caps.h"
#include "weft/status.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct weft_gpu weft_gpu; ///< an open device

/// Handles: an index and a generation, so that a released object is noticed. All zero is "none".
typedef struct {
    uint32_t id, gen;
} weft_buf;
typedef struct {
    uint32_t id, gen;
} weft_pipeline;
typedef struct {
    uint32_t id, gen;
} weft_bindgroup;

struct weft_gpu_params {
    const char *implementation; ///< "wgpu", "dawn", "null" or a library file; NULL: WEFT_WEBGPU, else the best found
    int adapter;                ///< index in the implementation's list, 0 the preferred one
    bool limits_min;            ///< also by WEFT_LIMITS=min
    bool keep_robustness;       ///< leave the implementation's bounds checks on (tests); off: trusted modules
    bool profile;               ///< timestamps wanted: one compute pass a step
    /// Most bytes of a storage binding, where less than the device's; 0: the device's. The validation layer holds every
    /// bind group to it, so that tests meet tensors above the limit without gigabytes.
    uint64_t max_binding;
    uint32_t max_groups; ///< likewise for the workgroups of a dimension: tests meet folded grids at small sizes
    double timeout;      ///< seconds without any work finishing after which a wait gives the device up; 0: none
};

/// Opens a device. NULL params: defaults. Errors: NOT_FOUND with everything that was tried and what to install; DEVICE.
weft_status weft_gpu_open(const struct weft_gpu_params *params, weft_gpu **out);
/// Waits for work in flight, frees everything, sets *gpu to NULL. NULL is fine. Gives up waiting after params.timeout
/// (60 s if there is none) without progress; then the objects of an implementation that could block are left to it.
void weft_gpu_close(weft_gpu **gpu);
const struct weft_gpu_caps *weft_gpu_caps(const weft_gpu *gpu);
weft_status weft_gpu_check(weft_gpu *gpu); ///< ERR_LOST, with why, if the device is gone
/// Opens the same adapter of the same implementation again, underneath the same handle; for a device that was lost, but
/// one that is not does as well. All buffers, bind groups, pipelines and readbacks of before are gone (ERR_STALE), and
/// so are results of submits that were not finished (to wait for one is ERR_LOST). Counters go on; those of what is
/// live become 0. No other thread may be inside a call on what depends on the device. On failure the device stays
/// lost, and this may be called again. Errors: those of weft_gpu_open; DEVICE (the adapter is no longer the same).
weft_status weft_gpu_reopen(weft_gpu *gpu);

/// An object to make again after its device was reopened, in the order of rank, then of registration. The caller owns
/// the node, so registering cannot fail.
enum weft_gpu_rank {
    WEFT_GPU_RANK_WEIGHTS,
    WEFT_GPU_RANK_PROGRAM,
    WEFT_GPU_RANK_BUFFER, ///< of the user
    WEFT_GPU_RANK_SESSION,
    WEFT_GPU_RANKS
};
struct weft_gpu_dependent {
    enum weft_gpu_rank rank;
    weft_status (*remake)(void *self, void *report); ///< a failure concerns this dependent only
    void *self;
    struct weft_gpu_dependent *prev, *next;
    bool listed;
};
void weft_gpu_depend(weft_gpu *gpu, struct weft_gpu_dependent *dependent);
void weft_gpu_undepend(weft_gpu *gpu, struct weft_gpu_dependent *dependent); ///< fine if it was never registered
/// True if `self` is registered, even if the pointer may be of something that is gone.
bool weft_gpu_depends(weft_gpu *gpu, enum weft_gpu_rank rank, const void *self);
/// Calls `remake` of all, with `report`, going on behind failures. The first failure's status and sentence; *failed
/// counts them.
weft_status weft_gpu_remake(weft_gpu *gpu, void *report, size_t *failed);

/// One row of `weft devices`: an adapter of an implementation, or the reason why there is none.
struct weft_gpu_found {
    struct weft_gpu_caps caps;
    bool usable, chosen;
    char why[384];
};
/// Lists every implementation and adapter; the caller frees *rows with weft_free. No device is opened, so what only a
/// shader can tell (subgroup sizes and packed dot products of wgpu-native) is left at 0.
weft_status weft_gpu_list(const struct weft_gpu_params *params, struct weft_gpu_found **rows, size_t *count);

// ---- buffers --------------------------------------------------------------------------------------------------------

enum weft_buf_usage {
    WEFT_BUF_STORAGE,  ///< storage; also copied from and to; zeroed when made
    WEFT_BUF_UNIFORM,  ///< the uniform arena; written by the host
    WEFT_BUF_READBACK, ///< copied to, then mapped
    WEFT_BUF_INDIRECT, ///< indirect arguments; storage too
    WEFT_BUF_STAGING,  ///< mapped and written by this layer, then copied from
};

/// What a buffer is for, in the accounts of memory.
enum weft_buf_purpose {
    WEFT_BUF_FOR_OTHER,
    WEFT_BUF_FOR_WEIGHTS,
    WEFT_BUF_FOR_STATES,
    WEFT_BUF_FOR_PAGES,
    WEFT_BUF_FOR_SNAPSHOTS,
    WEFT_BUF_FOR_TRANSIENTS,
    WEFT_BUF_FOR_PARAMS,
    WEFT_BUF_FOR_IO,
    WEFT_BUF_FOR_STAGING,
    WEFT_BUF_FOR_READBACK,
    WEFT_BUF_PURPOSES
};

/// weft_buf_create with a purpose.
weft_status weft_buf_make(weft_gpu *gpu, enum weft_buf_purpose purpose, uint64_t size, enum weft_buf_usage usage,
                          const char *label, weft_buf *out);
/// Adds to the bytes of pages that are in use, which only their owner knows (weft_gpu_counters.pages_used).
void weft_gpu_note_pages(weft_gpu *gpu, int64_t bytes);

/// Size is rounded up to 16 bytes. Errors: LIMIT (names size and limit), NOMEM.
weft_status weft_buf_create(weft_gpu *gpu, uint64_t size, enum weft_buf_usage usage, const char *label, weft_buf *out);
/// Releases a buffer after the work in flight that uses it; sets *buf to none. Later use of its handle is ERR_STALE.
void weft_buf_release(weft_gpu *gpu, weft_buf *buf);
bool weft_buf_alive(const weft_gpu *gpu, weft_buf buf);
uint64_t weft_buf_size(const weft_gpu *gpu, weft_buf buf); ///< 0 for a dead handle
/// Queue write: ordered before later submits. Offset and size are multiples of 4. A MiB and more goes through the
/// pieces of uploads, see below; only then, and only while all pieces are in flight, does it wait.
weft_status weft_buf_write(weft_gpu *gpu, weft_buf buf, uint64_t offset, const void *data, uint64_t size);
/// Fills a range with a 32-bit word (queue-ordered). For poisoning and zeroing.
weft_status weft_buf_fill(weft_gpu *gpu, weft_buf buf, uint64_t offset, uint64_t size, uint32_t word);
/// Blocking read of any storage buffer, through the readback ring. The null device reads zeros.
weft_status weft_buf_read(weft_gpu *gpu, weft_buf buf, uint64_t offset, void *data, uint64_t size);

struct weft_buf_span {
    weft_buf buf;
    uint64_t offset, size; ///< multiples of 4
};
enum { WEFT_UPLOAD_SPANS = 4 };

/// A write whose bytes are made while it goes on, item by item on several threads, straight into memory that the device
/// copies from. That memory is a few pieces of 4 MiB, which stay with the device; while one upload has them, others
/// go by the queue.
struct weft_gpu_upload {
    size_t count;
    uint64_t most;    ///< bytes that an item takes at most, all its spans together
    uint64_t scratch; ///< bytes of working memory that `make` gets, of each thread its own
    /// Where the bytes of an item go; sizes of 0 at first. Called for one item at a time, in order.
    void (*place)(void *user, size_t item, struct weft_buf_span spans[WEFT_UPLOAD_SPANS]);
    /// Makes all bytes of the spans of an item, in order of address and without reading any: the memory may be slow to
    /// read. Called for several items at once. Anything but OK ends the upload with it and with the thread's sentence.
    weft_status (*make)(void *user, size_t item, uint8_t *scratch, uint8_t *const to[WEFT_UPLOAD_SPANS]);
    /// May be NULL. Called by the caller's thread, outside locks, with how many items are on their way; rises.
    void (*sent)(void *user, size_t items);
    void *user;
};
/// Ordered before later submits, as weft_buf_write. On failure items from some one on are not written. Errors: those of
/// weft_buf_write and of `make`; CANCELLED, which is looked at for every piece; TIMEOUT.
weft_status weft_gpu_upload(weft_gpu *gpu, const struct weft_gpu_upload *upload);

// ---- pipelines ------------------------------------------------------------------------------------------------------

/// Group 0 only; binding i is kinds[i]. A uniform binding has a dynamic offset and `uniform_size` bytes.
struct weft_pipeline_desc {
    const char *label, *wgsl, *entry; ///< entry NULL: "main"
    uint32_t n_bindings;
    uint8_t kinds[16]; ///< enum weft_bind_kind
    uint32_t uniform_size;
    uint32_t workgroup[3];     ///< for the validation layer's limit checks
    uint32_t workgroup_memory; ///< bytes declared by the kernel, likewise
};

/// Gets or makes a pipeline; equal descriptions give the same handle. Errors: DEVICE with label and compiler message.
weft_status weft_pipeline_get(weft_gpu *gpu, const struct weft_pipeline_desc *desc, weft_pipeline *out);
/// Makes many, in parallel where that helps. `progress` may be NULL; it is called from the caller's thread alone,
/// outside locks, with rising `done`, and at last with `total`. Errors also: CANCELLED, looked at for each pipeline;
/// those that are there by then stay for later calls.
weft_status weft_pipeline_get_many(weft_gpu *gpu, const struct weft_pipeline_desc *descs, size_t count,
                                   weft_pipeline *out, void (*progress)(void *user, size_t done, size_t total),
                                   void *user);

// ---- bind groups ----------------------------------------------------------------------------------------------------

struct weft_bind {
    weft_buf buf;
    uint64_t offset, size;
};

/// Gets or makes the bind group of a pipeline over ranges; cached by pipeline layout, buffer ids, generations and
/// ranges. Checks what WebGPU checks and what wgpu-native does not: a buffer bound read and read_write in one group,
/// overlapping read_write ranges, alignment to 256, sizes, the binding limit. Errors: INVALID, LIMIT, STALE, each
/// naming binding and label.
weft_status weft_bindgroup_get(weft_gpu *gpu, weft_pipeline pipeline, const struct weft_bind *binds, uint32_t count,
                               weft_bindgroup *out);
/// Takes a group out of the cache; the device keeps it until submitted work is done. One that is gone is ignored.
void weft_bindgroup_forget(weft_gpu *gpu, weft_bindgroup group);

// ---- submit ---------------------------------------------------------------------------------------------------------

struct weft_gpu_step {
    weft_pipeline pipeline;
    weft_bindgroup group;
    uint32_t uniform_offset; ///< dynamic offset of the uniform binding, a multiple of 256
    uint32_t grid[3];        ///< any zero: the step is skipped
    const char *label;       ///< for profiling; static or outlives the call
};
/// Where src is none, the destination is zeroed.
struct weft_gpu_copy {
    weft_buf src;
    uint64_t src_offset;
    weft_buf dst;
    uint64_t dst_offset;
    uint64_t size;
};

/// One encoder: copies before, one compute pass with the steps, copies after. Copies are between different buffers.
struct weft_gpu_submit {
    const struct weft_gpu_copy *before;
    size_t n_before;
    const struct weft_gpu_step *steps;
    size_t n_steps;
    const struct weft_gpu_copy *after;
    size_t n_after;
};

/// Checks every handle, grid limit and range first; nothing is encoded if one is wrong (ERR_STALE, ERR_LIMIT,
/// ERR_INVALID). *serial is the number of this submit, rising by one. Blocks only for back-pressure (too many submits
/// in flight).
weft_status weft_gpu_submit(weft_gpu *gpu, const struct weft_gpu_submit *submit, uint64_t *serial);
/// Lets callbacks run; returns the highest serial known to be finished. ERR_LOST once the device is gone.
weft_status weft_gpu_poll(weft_gpu *gpu, uint64_t *finished);
/// Waits (polling with short sleeps) until `serial` is finished. seconds < 0: for ever. ERR_TIMEOUT, ERR_LOST.
weft_status weft_gpu_wait(weft_gpu *gpu, uint64_t serial, double seconds);
weft_status weft_gpu_wait_idle(weft_gpu *gpu);

// Every wait of this layer (of the two above, of back-pressure, of uploads and readbacks) ends early in two cases: with
// ERR_CANCELLED when the thread is cancelled (core/cancel.h); and with ERR_TIMEOUT, which names the oldest work in
// flight, when nothing finished for params.timeout. After that the device counts as lost.

/// For a wait for another thread, which began at `since` (weft_now), to be called without locks: lets a moment pass, as
/// the waits of this layer do. Errors: CANCELLED.
weft_status weft_gpu_stand_by(weft_gpu *gpu, double since);

/// A function to be called once submit `serial` is finished or the device is lost (status OK or LOST).
typedef void (*weft_gpu_done_fn)(void *user, uint64_t serial, weft_status status);
/// Registers one; `owner` is what weft_gpu_forget goes by. Errors: INVALID (no such submit yet), NOMEM.
weft_status weft_gpu_on_done(weft_gpu *gpu, uint64_t serial, weft_gpu_done_fn fn, void *user, const void *owner);
/// Polls, then calls what is due from this thread, outside locks, lower serials first. What a function registers is
/// called by a later call. Errors as weft_gpu_poll; the functions are called all the same.
weft_status weft_gpu_fire(weft_gpu *gpu);
/// Drops the functions of an owner that have not been called, and waits for one that another thread is in.
void weft_gpu_forget(weft_gpu *gpu, const void *owner);

// ---- readback -------------------------------------------------------------------------------------------------------

typedef struct {
    uint32_t id, gen;
} weft_readback;
/// Copies a range to the readback ring after all submits so far and starts to map it. Never blocks. A WEFT_BUF_READBACK
/// buffer is mapped as it is, without a copy; until it is finished it can't be copied to. Errors: LIMIT with 64
/// outstanding.
weft_status weft_readback_start(weft_gpu *gpu, weft_buf buf, uint64_t offset, uint64_t size, weft_readback *out);
/// True once the data is there (polls).
weft_status weft_readback_ready(weft_gpu *gpu, weft_readback rb, bool *ready);
/// Waits, copies out `size` bytes and frees the slot. The null device gives zeros.
weft_status weft_readback_finish(weft_gpu *gpu, weft_readback *rb, void *data, uint64_t size);

// ---- counters and profiling -----------------------------------------------------------------------------------------

struct weft_gpu_counters {
    uint64_t submits, passes, dispatches, copies, bytes_written, bytes_read;
    uint64_t buffers_made, buffers_live, buffer_bytes_live, buffer_bytes_peak;
    uint64_t bytes_for[WEFT_BUF_PURPOSES];                     ///< buffer_bytes_live by purpose
    uint64_t pages_used;                                       ///< of bytes_for[WEFT_BUF_FOR_PAGES]
    uint64_t pipelines_made, groups_made, groups_live, allocs; ///< allocs: weft_alloc calls made by this layer
    double encode_seconds, submit_seconds; ///< host time: encoding, and inside finish and queue submit
};
void weft_gpu_counters(const weft_gpu *gpu, struct weft_gpu_counters *out);

/// With params.profile: GPU time of each step of the last finished submits, summed by label. The caller frees *rows.
struct weft_gpu_profile_row {
    const char *label;
    uint64_t count;
    double seconds;
};
weft_status weft_gpu_profile(weft_gpu *gpu, struct weft_gpu_profile_row **rows, size_t *count, bool reset);
#endif
