/// Sessions: one user of a program, with states, live sizes, inputs and outputs of its own.
///
/// The order of things: set sizes if they change, write inputs, run, read outputs. Writes, runs and reads of a session
/// act in the order of the calls; runs only queue work, reads wait for what they need. In steady state (sizes used
/// recently) a run makes no buffer, bind group or pipeline and allocates nothing.
///
/// Tensors are row-major. On the device i8, u8 and bool take a byte an element, f16 and bf16 two, others four; writes
/// and reads use that form. Byte offsets and counts are multiples of 4: the bytes behind the last element of a tensor
/// belong to it, and may be anything.
#ifndef WEFT_SESSION_H
#define WEFT_SESSION_H
#include "weft/program.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Thread-safety: one thread at a time uses a session; sessions of one program or device may be used by different
/// threads. weft_session_cancel and _resume may be called from any thread at any time but while it is destroyed.
typedef struct weft_session weft_session;

struct weft_session_params {
    size_t struct_size; ///< WEFT_SIZED, or 0 (weft/version.h)
    bool checker;       ///< one submit a step, intermediate memory poisoned before each run: same bits, slowly
    uint32_t max_runs;  ///< most runs in one submit, at most 65536 (0: 16)
    /// The session's runs are to follow each other on the device alone: refused (INVALID) where the program keeps a
    /// pair of past and present apart (weft_graph_pair_state). The message names the tensors, every setting that keeps
    /// them apart, and the ways out.
    bool replay;
};

/// A live size: the value of a symbol of the graph.
struct weft_size {
    const char *name;
    int64_t value;
};

/// An input, output or state at the live sizes.
struct weft_tensor_info {
    weft_dtype dtype;
    uint32_t rank;
    int64_t shape[WEFT_MAX_RANK];
    uint64_t bytes;       ///< as written and read, rounded up to 4
    uint64_t reserved[4]; ///< zero
};

/// A read under way.
typedef struct weft_pending {
    uint32_t id, gen;
} weft_pending;

/// Makes a session; states are zero. All memory for the largest sizes is taken now; only pages of paged states are
/// taken later, as runs reach them. The live sizes start at the symbols' upper bounds, if the graph's relations allow
/// these together. `params` may be NULL. The program must outlive the session. On failure *out is NULL. Errors:
/// INVALID (params), LIMIT, NOMEM, DEVICE, LOST.
WEFT_API weft_status weft_session_create(weft_program *program, const struct weft_session_params *params,
                                         weft_session **out);
/// Waits for the session's runs in flight, frees all that is its own and sets *session to NULL. Functions registered by
/// weft_session_on_done and not yet called are dropped; one that another thread is in is waited for, so that none runs
/// once this returns. NULL, or a pointer to NULL, is fine.
WEFT_API void weft_session_destroy(weft_session **session);

// ---- sizes ---------------------------------------------------------------------------------------------------------

/// Sets live sizes; symbols that are not named keep theirs. All or nothing: a failure changes nothing. Contents of
/// inputs and outputs are undefined afterwards where their shape changed; states stay. Cheap when the sizes were used
/// recently. Errors: NOT_FOUND (no such symbol), INVALID or LIMIT (out of bounds, against a relation; names symbol and
/// bounds).
WEFT_API weft_status weft_session_set_sizes(weft_session *session, const struct weft_size *sizes, size_t count);
/// Type and live shape of an input or output; of a state, the shape it was made with. Errors: NOT_FOUND.
WEFT_API weft_status weft_session_tensor(const weft_session *session, const char *name, struct weft_tensor_info *out);

// ---- data ----------------------------------------------------------------------------------------------------------

/// Writes `bytes` at a byte offset into an input or state. `data` may be reused at once. Acts after the runs before and
/// before those that follow. What is larger than 8 MiB may wait for work in flight. Errors: NOT_FOUND (lists the
/// names), LIMIT (beyond the live end), INVALID (not of 4), LOST; TIMEOUT of such a wait.
WEFT_API weft_status weft_session_write(weft_session *session, const char *name, uint64_t offset, const void *data,
                                        uint64_t bytes);
/// Reads an output, input or state; waits for the runs before. Errors as above.
WEFT_API weft_status weft_session_read(weft_session *session, const char *name, uint64_t offset, void *data,
                                       uint64_t bytes);

/// Begins a read that does not block. At most 64 may be under way on a device (LIMIT).
WEFT_API weft_status weft_session_read_async(weft_session *session, const char *name, uint64_t offset, uint64_t bytes,
                                             weft_pending *out);
/// Sets *done when the data is there. Does not block. Errors: STALE (finished before), LOST.
WEFT_API weft_status weft_session_read_done(weft_session *session, weft_pending pending, bool *done);
/// Waits, copies the first `bytes` of what was read and ends the read, also if waiting fails. Every read that was begun
/// must be ended so, before the device is closed.
WEFT_API weft_status weft_session_read_finish(weft_session *session, weft_pending *pending, void *data, uint64_t bytes);

/// A variable's 32 bits (u32, i32 or f32); ordered like writes and reads, `get` blocks. Errors: NOT_FOUND, INVALID
/// (beyond the bounds that the graph declares).
WEFT_API weft_status weft_session_set_var(weft_session *session, const char *name, uint32_t bits);
WEFT_API weft_status weft_session_get_var(weft_session *session, const char *name, uint32_t *bits);
/// The same for number `index` of the variables of one name (weft_graph_add_variables). Errors beside: LIMIT (there are
/// not so many).
WEFT_API weft_status weft_session_set_var_at(weft_session *session, const char *name, uint32_t index, uint32_t bits);
WEFT_API weft_status weft_session_get_var_at(weft_session *session, const char *name, uint32_t index, uint32_t *bits);
/// Whether runs do anything: while a session is not active, they leave no trace in states and variables. It is active
/// at first; the device may end that itself (a sampler at a stop token, a variable of weft_graph_activity). Ordered
/// like writes and reads; `get` blocks, and setting it to true may wait, as calls of the past below do.
WEFT_API weft_status weft_session_set_active(weft_session *session, bool active);
WEFT_API weft_status weft_session_get_active(weft_session *session, bool *active);
/// All states to zero, variables to what of their bounds is nearest to zero, the session active; ordered like writes.
/// Should it fail midway (NOMEM, LOST), runs return STALE until it, or weft_session_restore, succeeds.
WEFT_API weft_status weft_session_reset(weft_session *session);

// ---- pages -------------------------------------------------------------------------------------------------------
// Rows of paged states are taken page by page, as positions are reached, from a pool that a program's sessions share.
// The pool grows as it is needed: then a run makes larger buffers and copies the old ones over, in the queue.

/// Takes pages for the first `rows` rows (of each slot) now, so that later runs up to there take none; or gives back
/// those beyond. Less than the rows that are live is refused and loses nothing. Errors: LIMIT (below the live rows;
/// above the capacity; no room), UNSUPPORTED (the program has no paged state), NOMEM, LOST.
WEFT_API weft_status weft_session_reserve(weft_session *session, uint64_t rows);

// ---- the past ------------------------------------------------------------------------------------------------------
// A program's position is the variable that its operator `advance` moves on, such as "pos". The host follows it without
// reading it back; where a run may have been ended by the device (a stop token), these calls read it and so wait for
// the runs in flight. Of the states,
//   - caches (paged and ring states, written at the position) hold rows by position, so they can be cropped;
//   - dense states that an operator writes (recurrent states) are what all positions so far have made of them;
//   - what an operator keeps beside the sequence (the sampler's counts, ring of ids and variables) is non-positional;
//   - what no operator writes (settings) belongs to the host, and only restoring a snapshot changes it.

/// A copy of everything that a session remembers. Thread-safety: one thread at a time.
typedef struct weft_snapshot weft_snapshot;

enum weft_snapshot_flags {
    WEFT_SNAPSHOT_DEVICE =
        1,                  ///< on the device: quick, shares pages; lost with the device, destroyed before the program
    WEFT_SNAPSHOT_HOST = 2, ///< in host memory: waits for the runs before it; outlives session, program and device
};

/// Makes a second session of the same program that goes on where this one stands: same live sizes, states and
/// variables, active if this one is; inputs and outputs are its own and zero. Pages are shared until one of the two
/// writes to them; other states are copied on the device, in the order of calls, without waiting. Either may be
/// destroyed first. Checkpoints are not taken over. On failure *out is NULL. Errors: LIMIT, NOMEM, DEVICE, LOST.
WEFT_API weft_status weft_session_fork(weft_session *session, weft_session **out);
/// Fork, then weft_session_rewind of the new session: a shared prefix. Errors: of both.
WEFT_API weft_status weft_session_fork_at(weft_session *session, uint64_t position, weft_session **out);

/// The position, 0 for a program that has none. May wait (see above). Errors: INVALID (several positions), LOST.
WEFT_API weft_status weft_session_position(weft_session *session, uint64_t *position);

/// Takes a snapshot of states and variables, either on the device or on the host. On failure *out is NULL and nothing
/// changes. Errors: INVALID (flags), LIMIT, CANCELLED (on the host, which waits), NOMEM, DEVICE, LOST.
WEFT_API weft_status weft_session_snapshot(weft_session *session, uint32_t flags, weft_snapshot **out);
/// Puts a snapshot's states and variables in place of the session's, as often as wanted; live sizes, inputs and outputs
/// stay. The session may be another one of the same program; for a host snapshot, of any program whose states have
/// equal names, kinds, types and shapes. Checkpoints are forgotten. A failure changes nothing; but NOMEM or LOST midway
/// leave the states gone, so that runs return STALE until they are set anew (as after weft_device_recover).
/// Errors: INVALID (names what differs), LIMIT (pages), NOMEM, LOST.
WEFT_API weft_status weft_session_restore(weft_session *session, const weft_snapshot *snapshot);
/// The position at which it was taken.
WEFT_API uint64_t weft_snapshot_position(const weft_snapshot *snapshot);
/// Bytes that it holds on the host or on the device, pages that it shares not counted.
WEFT_API uint64_t weft_snapshot_bytes(const weft_snapshot *snapshot);
/// Frees a snapshot and sets *snapshot to NULL. NULL, or a pointer to NULL, is fine.
WEFT_API void weft_snapshot_destroy(weft_snapshot **snapshot);

/// Remembers this position for weft_session_rewind: a device snapshot that the session keeps. The newest 8 are kept;
/// a rewind to before one forgets it, as do reset and restore. Errors: those of weft_session_snapshot.
WEFT_API weft_status weft_session_checkpoint(weft_session *session);

/// Goes back to an earlier position; what came after it is gone. The session is active.
/// At 0 dense states that operators write become zero, such variables what they start with, and caches empty; settings
/// stay. Where states are gone (weft_session_lost_states), settings went with them, and this is weft_session_reset.
/// Above 0, where there is a checkpoint at just this position, what operators write becomes as it was then. Else caches
/// are cropped, and non-positional states stay. A ring must still hold the rows that its readers look back for (LIMIT
/// names the state and the lowest position that is possible); recurrent states can't be cropped (UNSUPPORTED names the
/// state; take checkpoints or snapshots, or rewind to 0 and feed again). A failure changes nothing, unless it is NOMEM
/// or LOST midway in going back to 0 or to a checkpoint: as for weft_session_restore. Errors also: INVALID (beyond the
/// position).
WEFT_API weft_status weft_session_rewind(weft_session *session, uint64_t position);
// ---- the past of one slot -----------------------------------------------------------------------------------------
// A session of several sequences (weft_graph_state_by_slot) serves each in a slot, numbered from 0. A slot has its part
// of every state that is kept by slot, its word of every variable of as many words as there are slots, and its own
// pages. The calls below are those above for what one slot has. They leave alone the other slots, what is not kept by
// slot, and the session's activity. Where a program has no slots, its one sequence is slot 0. They forget the session's
// checkpoints, and the host snapshot that a recovery would restore, if they change anything. Errors of all: LIMIT (no
// such slot), INVALID (states and positions are kept for different numbers of slots), UNSUPPORTED (a slot's part of a
// state is no whole number of words), STALE (states are gone: reset the session first), LOST.

/// Zeros all that the slot has; its variables start again, those of the host too. As weft_session_reset.
WEFT_API weft_status weft_session_reset_slot(weft_session *session, uint32_t slot);
/// As weft_session_rewind, which see for what becomes of which state; at 0 what only the host writes stays, above 0
/// there are no checkpoints. Errors beside: those of weft_session_rewind; INVALID (a slot has no position, or several).
WEFT_API weft_status weft_session_rewind_slot(weft_session *session, uint32_t slot, uint64_t position);
/// Where the slot stands. May wait. Errors beside: INVALID (it has no position, or several).
WEFT_API weft_status weft_session_position_slot(weft_session *session, uint32_t slot, uint64_t *position);
/// Puts what slot `from_slot` has in place of what slot `to_slot` has, of the same session or of another one of the
/// program, which this thread uses both. Pages are shared until one of the two writes to them; other states are copied
/// on the device, in the order of calls, without waiting. Errors beside: INVALID (sessions of two programs),
/// UNSUPPORTED (a state has rows of all slots but is not kept by slot), NOMEM, DEVICE. A failure changes nothing; but
/// LOST midway as for weft_session_restore.
WEFT_API weft_status weft_session_fork_slot(weft_session *from, uint32_t from_slot, weft_session *to, uint32_t to_slot);
/// Takes a snapshot of what a slot has, which only weft_session_restore_slot puts back. Errors beside: those of
/// weft_session_snapshot; UNSUPPORTED as for forks.
WEFT_API weft_status weft_session_snapshot_slot(weft_session *session, uint32_t slot, uint32_t flags,
                                                weft_snapshot **out);
/// Puts it in place of what a slot has, of any number, as often as wanted; as weft_session_restore. For a snapshot on
/// the host the program may be another one that has the same states, of any number of slots. Errors beside: those of
/// weft_session_restore; INVALID (a snapshot of a whole session).
WEFT_API weft_status weft_session_restore_slot(weft_session *session, uint32_t slot, const weft_snapshot *snapshot);

// ---- beginnings that sequences share -------------------------------------------------------------------------------
// Keys and values of a token depend on the tokens before it alone, so whoever begins with the same ones can have them
// without computing. What a slot has computed is made known by its ids, page by page; other slots, of any session of
// the program, take the full pages of their beginning that are known, by all ids from the start and not by a hash of
// them. Known pages stay when their slot goes on elsewhere, in room that the pool has anyway: whoever needs pages gets
// those first that were not asked for the longest, before the pool grows. They go with the program's last session, and
// with the device. Whatever else decides keys and values (inputs beside the ids, states that the host writes) is the
// caller's affair: forget what is known when it changes. What is computed in other chunks may differ in its last bits.

/// The first `n` tokens of a slot, all of which have been run, are `ids`. Full pages become known; nothing is waited
/// for. Does nothing where a slot has states beside pages that its positions write (rings, recurrent states). Errors:
/// those of slot calls; INVALID (the slot holds fewer tokens; it has no position, or several), NOMEM.
WEFT_API weft_status weft_session_publish_slot(weft_session *session, uint32_t slot, const int32_t *ids, size_t n);
/// Gives an empty slot, one at position 0, the known pages of a sequence that begins with these ids, and its position
/// with them: *adopted tokens are there, a multiple of the rows of a page, or 0, and are not to be fed. Hand over all
/// ids but the last, since a run needs one token to give logits. 0 where weft_session_publish_slot does nothing.
/// Errors: those of slot calls; INVALID (the slot is not empty; it has no position, or several), NOMEM.
WEFT_API weft_status weft_session_adopt_slot(weft_session *session, uint32_t slot, const int32_t *ids, size_t n,
                                             size_t *adopted);
/// Forgets all that sessions of this program have published, and gives back the pages that no slot has.
WEFT_API weft_status weft_session_forget_prefixes(weft_session *session);

// ---- what was lost -------------------------------------------------------------------------------------------------

/// The states, variables included, whose contents went with a lost device and were not set anew since
/// (weft_device_recover): writes at most `capacity` names (`names` may be NULL if that is 0), which live as long as the
/// program, and sets *count to how many there are.
WEFT_API weft_status weft_session_lost_states(const weft_session *session, const char **names, size_t capacity,
                                              size_t *count);

// ---- runs ----------------------------------------------------------------------------------------------------------

/// Queues `runs` runs (1 to max_runs) at the live sizes as one submit, and returns; *fence, which may be NULL, is what
/// to wait for. Runs of sessions that share a program never mix. Blocks only when very many submits are in flight.
/// Several runs need every pair of past and present shared: see weft_session_params.replay. A refused run leaves all
/// states as they were. Errors: INVALID (runs, no sizes yet, a pair that is apart), LIMIT (from where
/// variables stand, the runs would write or read rows beyond the capacity of a dense or paged state, see more keys than
/// an attention's reach, or move a variable beyond its bounds; or there is no page to be had: names what, how far and
/// ways out; where the device alone knows a variable, kernels keep to the same bounds and drop such rows), STALE (a
/// bound buffer has been destroyed; names the input or output), CANCELLED, TIMEOUT (weft_device_params), NOMEM, DEVICE,
/// LOST.
WEFT_API weft_status weft_session_run(weft_session *session, uint32_t runs, uint64_t *fence);
/// Queues and waits: the blocking form of the above.
WEFT_API weft_status weft_session_run_blocking(weft_session *session, uint32_t runs);

/// Waits until the runs behind a fence are finished; `seconds` below 0: for ever. Fences of one device may be waited
/// for through any of its sessions. Fills outputs bound to host memory (weft/buffer.h). Errors: TIMEOUT (the runs go
/// on; or the device's own timeout, see weft_device_params), INVALID (no such fence yet), CANCELLED, LOST.
WEFT_API weft_status weft_session_wait(weft_session *session, uint64_t fence, double seconds);
/// Sets *done when the runs behind a fence are finished, and then fills outputs bound to host memory. Does not block.
WEFT_API weft_status weft_session_done(weft_session *session, uint64_t fence, bool *done);

/// Has `fn` called by the first weft_device_poll that finds the runs behind a fence finished (status OK) or the device
/// gone (LOST); in the order of the fences, once each. `fn` may call anything but weft_device_close; what it registers
/// is called by a later poll. Errors: INVALID (no such fence yet), NOMEM.
typedef void (*weft_done_fn)(void *user, uint64_t fence, weft_status status);
WEFT_API weft_status weft_session_on_done(weft_session *session, uint64_t fence, weft_done_fn fn, void *user);

/// From any thread: calls on the session that wait (runs that find the device busy, waits, blocking reads) return
/// CANCELLED at once, and so do runs and waits begun later, until weft_session_resume. Runs that were queued finish in
/// the background, wholly, so states are exact: what they would be without the calls that returned CANCELLED. Reads,
/// writes and destroying act as ever after resuming; writes, sizes, bindings and weft_session_reset act meanwhile too,
/// and do not resume.
WEFT_API void weft_session_cancel(weft_session *session);
WEFT_API void weft_session_resume(weft_session *session);
WEFT_API bool weft_session_cancelled(const weft_session *session);

#ifdef __cplusplus
}
#endif
#endif
