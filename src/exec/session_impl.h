/// What the files of the session share. Only session*.c include this.
#ifndef WEFT_EXEC_SESSION_IMPL_H
#define WEFT_EXEC_SESSION_IMPL_H
#include "exec/exec_impl.h"
#include "exec/session.h"
#include "weft/buffer.h"

#define WEFT_NO_VERSION UINT32_MAX
#define WEFT_POISON 0x7fc0deadu ///< a NaN with a mark, for transients in checker mode

/// Parameter blocks and steps of one binding of the symbols.
struct weft_version {
    bool valid;
    uint32_t schedule, n_steps;
    uint64_t used;
    int64_t symbols[WEFT_MAX_SYMBOLS];
    struct weft_gpu_step
        *steps[2];        ///< without the skipped ones, by parity; one and the same where no state is ping-pong
    uint32_t *plan_steps; ///< number in the schedule of each of them
};

/// What the host knows of one of the plan's positions.
struct weft_track {
    uint64_t at;  ///< its value; an upper bound while session->inexact
    uint64_t top; ///< highest value since the caches were empty: rings hold rows from top - capacity on
};

#define WEFT_CHECKPOINTS 8
/// What an input or output is bound to: `buf` if it has an id, else memory of the host, else the session's own buffer.
struct weft_io_binding {
    weft_buffer *buffer; ///< only to be compared: it may have been destroyed
    weft_buf buf;
    uint64_t offset, bytes; ///< also of `host`
    bool staged;            ///< steps use the session's own buffer, and copies at the ends of a submit this one
    void *host;
};

/// Results on their way to host memory, of one output: a ring by run (weft_session.host_fences).
struct weft_io_back {
    weft_buf bufs[WEFT_HOST_RUNS]; ///< READBACK buffers
    weft_buf old[WEFT_HOST_RUNS];  ///< smaller ones of before, of those on their way when larger memory was bound
    void *host[WEFT_HOST_RUNS];    ///< where they go; NULL: nothing is on its way
    uint64_t bytes[WEFT_HOST_RUNS];
};

struct weft_session {
    weft_program *program;
    weft_gpu *gpu;
    bool checker;
    uint32_t max_runs, n_symbols, live;
    uint64_t clock;
    weft_buf vars, arena, fault;
    weft_buf *states, *ios; ///< by number in the plan; a state's is always the buffer that holds it now, an io's is
                            ///< none while the user's buffer serves instead
    weft_buf *others;       ///< second buffers of states that have two
    bool flips;             ///< some states are ping-pong
    uint32_t parity;        ///< 0 or 1, by which the next run's bind groups are chosen; flips with every run, if flips
    struct weft_io_binding *bound, *next; ///< by io; next: staging of a change
    struct weft_io_back *backs;           ///< by io
    bool *io_changed;                     ///< by io: staging of a change of bindings
    uint32_t n_bound;                     ///< that are not the session's own
    struct weft_dummies dummies;          ///< for bindings behind the end of what is bound; made when needed
    struct weft_gpu_copy *copies;         ///< of the run that is being submitted
    uint64_t host_fences[WEFT_HOST_RUNS];
    uint32_t host_next;
    atomic_bool cancelled;
    weft_bindgroup **groups[2]; ///< [parity][schedule][step]; one and the same where no state is ping-pong
    weft_bindgroup *left;       ///< that stood in the tables and may again, oldest first; at most most_left
    uint32_t n_left, most_left;
    struct weft_version versions[WEFT_PARAM_VERSIONS];
    struct weft_version spare; ///< staging: a failed resize leaves the versions alone
    uint32_t *words;           ///< staging for the blocks of one version
    struct weft_gpu_step *run_steps;
    uint64_t last_serial;
    uint64_t staged_offset, staged_bytes; ///< where `words` went last
    struct {                              ///< faults for tests (session_test.h)
        uint32_t step, word, stale_step;
        const weft_session *stale; ///< whose bind groups the stale step keeps
        bool fixed_parity;
    } test;
    struct weft_page_table *pages;       ///< by group in plan->page_groups; NULL: the plan has none
    uint32_t pool_generation;            ///< of the pool's buffers that the bind groups are for
    struct weft_track *tracks;           ///< by number in plan->positions
    uint32_t known[WEFT_VARS_BYTES / 4]; ///< variables that no operator writes, by word: what they hold
    bool inexact;                        ///< the device may have stopped a run: tracks[].at are upper bounds
    bool idle;                           ///< the activity is 0: runs move nothing on
    struct weft_snapshot *checkpoints[WEFT_CHECKPOINTS]; ///< oldest first
    uint32_t n_checkpoints;
    struct weft_gpu_dependent dependent;
    bool gone; ///< states went with a lost device, or while they were set: weft_session_check_states
    struct weft_snapshot *host_snapshot; ///< newest on the host, taken or restored and not undone since; the caller's
    weft_session *next_follower;         ///< of that snapshot
    char lost_why[WEFT_LOST_WHY];
};

static inline uint64_t weft_session_version_bytes(const weft_session *s) {
    return (uint64_t)s->program->max_steps * WEFT_PARAM_SLOT;
}

/// The buffer behind a memory key of the plan (weft_mem_key), as runs of this parity see it, but of inputs and
/// outputs: weft_session_bind_slot.
weft_buf weft_session_buffer(const weft_session *s, uint32_t mem_key, uint32_t parity);
/// To be called when so many runs were queued. Ping-pong states have exchanged their buffers as often.
void weft_session_flip(weft_session *s, uint32_t runs);
/// Refuses (INVALID) unless all pairs of past and present are shared. `what` asks for it, such as "3 runs in one
/// submit".
weft_status weft_session_need_shared(const weft_program *program, const char *what);
// ---- bind groups (session_groups.c) ----
bool weft_session_make_groups(weft_session *s); ///< the tables; false: no memory
void weft_session_free_groups(weft_session *s); ///< the tables; the groups go with the session's buffers
/// Gets the bind groups of all steps that touch memory `mem_key` (UINT32_MAX: of all steps) again, after its buffer has
/// become another one, and puts them into the versions, or changes nothing. Errors: those of weft_bindgroup_get.
weft_status weft_session_rebind(weft_session *s, uint32_t mem_key);
// ---- positions (session_track.c) ----
/// Moves the host's positions on, after the submit of `runs` runs.
void weft_session_track_runs(weft_session *s, uint32_t runs);
/// To be called after a write of word `word` of the variables block.
void weft_session_track_var(weft_session *s, uint32_t word, uint32_t bits);
/// False on the null device, which computes nothing, so that reading back is useless.
bool weft_session_computes(const weft_session *s);
/// Sets all positions and variables as after a reset. `known` is then what the variables block must hold.
void weft_session_track_reset(weft_session *s);
/// A variable starts with 0, or with the bound that is nearest to it.
uint32_t weft_session_var_start(const struct weft_plan *plan, uint32_t state);
/// Refuses (INVALID) bits that a variable may not hold.
weft_status weft_session_check_var(const struct weft_plan *plan, uint32_t state, uint32_t bits);
/// Whether `runs` runs at the live sizes keep to the plan's limits, reading variables back where the host's bound says
/// no. Errors: LIMIT (names the variable, what it would lead to, ways out), LOST.
weft_status weft_session_check_limits(weft_session *s, uint32_t runs);
static inline bool weft_is_position(const struct weft_plan *plan, uint32_t state) {
    for (uint32_t i = 0; i < plan->n_positions; i++)
        if (plan->positions[i].state == state) return true;
    return false;
}
/// Makes the positions exact: reads the variables back if the device may have stopped a run. Errors: LOST, DEVICE.
weft_status weft_session_settle(weft_session *s);

// ---- pages (session_pages.c) ----
/// Whether `runs` runs at the live sizes stay within the capacity of paged states, reading the position back where the
/// host's bound says no. Errors: LIMIT (names state, rows, capacity, ways out), LOST.
weft_status weft_session_check_rows(weft_session *s, uint32_t runs);
/// Takes pages for the rows that `runs` runs write, none of them shared, and bind groups for the pool as it is. The
/// caller has entered the program. Errors: those of weft_pool_take and weft_session_rebind.
weft_status weft_session_cover(weft_session *s, uint32_t runs);
/// Gives back pages beyond the first `rows` rows of each group. Enters the program.
weft_status weft_session_release_rows(weft_session *s, uint64_t rows);
/// Takes the pages of `from` in place of its own, shared. The caller has entered the program.
weft_status weft_session_share_pages(weft_session *s, const struct weft_page_table *from);
/// Takes new pages, all zeros, for so many rows of each group in place of its own. Enters the program. A failure
/// changes nothing, unless it is LOST. Errors: those of weft_pool_take.
weft_status weft_session_fresh_rows(weft_session *s, const uint64_t *rows);
/// How many pages hold the rows before the position.
uint64_t weft_session_page_count(const weft_session *s, uint32_t group);
/// The paged state of this name, or NULL.
const struct weft_plan_state *weft_session_paged(const weft_session *s, const char *name);
/// Reads or writes bytes of a paged state's rows, wherever they lie. Rows without a page are zero. The range is within
/// the state.
weft_status weft_session_read_rows(weft_session *s, const struct weft_plan_state *state, uint64_t offset, void *data,
                                   uint64_t bytes);
weft_status weft_session_write_rows(weft_session *s, const struct weft_plan_state *state, uint64_t offset,
                                    const void *data, uint64_t bytes);
/// weft_session_rebind for callers that have entered the program.
weft_status weft_session_rebind_locked(weft_session *s, uint32_t mem_key);

// ---- snapshots (snapshot.c) ----
/// Forgets checkpoints at `from` and beyond, and the newest host snapshot if it was taken there.
void weft_session_forget(weft_session *s, uint64_t from);
/// Makes a host snapshot the session's newest: what a recovery restores, as long as the caller keeps it.
void weft_session_follow(weft_session *s, struct weft_snapshot *snapshot);
/// The newest checkpoint at just this position, NULL: there is none.
const struct weft_snapshot *weft_session_find_checkpoint(const weft_session *s, uint64_t position);
/// Restores; `all` false leaves alone what no operator writes.
weft_status weft_session_restore_part(weft_session *s, const struct weft_snapshot *snapshot, bool all);

#define WEFT_REBIND_IOS (UINT32_MAX - 1) ///< as `mem_key`: the ios marked in io_changed
/// Reports NOT_FOUND with the names that there are.
weft_status weft_session_no_tensor(const weft_session *s, const char *name);

// session_bind.c
weft_status weft_session_make_bindings(weft_session *s);
void weft_session_free_bindings(weft_session *s);
/// Drops the buffers that bindings need, apart from the ios', and makes them again after a recovery, when the ios' are
/// there.
void weft_session_drop_bindings(weft_session *s);
weft_status weft_session_renew_bindings(weft_session *s);
/// Whether `mem_key` is an input or output, and its number.
bool weft_session_is_io(uint32_t mem_key, uint32_t *io);
/// Finds what slot `slot` of a step, which is of an input or output, is bound to. False if that buffer was destroyed.
bool weft_session_bind_slot(const weft_session *s, const struct weft_step *step, uint32_t slot, struct weft_bind *out);
/// Whether all that is bound is large enough at these values of the symbols. Errors: LIMIT.
weft_status weft_session_fits(const weft_session *s, const int64_t *symbols);
/// Refuses what is stale before a run, takes inputs from the host, and gives the copies around the steps. Errors:
/// STALE, LOST.
weft_status weft_session_bindings_begin(weft_session *s, struct weft_gpu_submit *ends);
/// To be called after its submits. What goes to the host is of run `fence` now.
void weft_session_bindings_ran(weft_session *s, uint64_t fence);
/// Fills memory of the host with the results of the newest run up to `fence`, which is finished.
weft_status weft_session_deliver(weft_session *s, uint64_t fence);
/// Makes the buffers of a session, by its plan. Those made before a failure are left for weft_session_drop_buffers.
weft_status weft_session_make_buffers(weft_session *s);
void weft_session_drop_buffers(weft_session *s);
/// Computes the blocks of the live sizes again and forgets those of all others.
weft_status weft_session_restage(weft_session *s);

// recover.c
/// Refuses (LOST) what is asked of a session that could not be recovered, or whose program could not.
weft_status weft_session_check_alive(const weft_session *s);
/// Refuses (STALE, naming one) while states are gone.
weft_status weft_session_check_states(const weft_session *s);
/// Refuses the same for one state or variable. Inputs and outputs are never gone.
weft_status weft_session_check_state(const weft_session *s, const char *name);
weft_status weft_session_null_argument(const char *call);
/// Refuses (CANCELLED) after weft_session_cancel. Calls that wait begin with it.
weft_status weft_session_check_not_cancelled(const weft_session *s);
/// Reads one of the session's buffers, and blocks until weft_session_cancel or the data ends it.
weft_status weft_session_read_buffer(weft_session *s, weft_buf buf, uint64_t offset, void *data, uint64_t bytes);
weft_status weft_session_no_memory(void);
#endif
