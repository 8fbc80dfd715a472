/// A session's inputs and outputs: buffers of the session's own, and what they are bound to instead (weft/buffer.h). A
/// change of bindings is made in a table beside the live one and validated as a whole; it takes effect when bind groups
/// for all of it are there (session/bind.c).
///
/// Calls that need the live sizes are given the values of the graph's symbols.
#ifndef WEFT_EXEC_SESSION_IO_H
#define WEFT_EXEC_SESSION_IO_H
#include "exec/session/base.h"
#include "weft/buffer.h"

/// What an input or output is bound to: `buf` if it has an id, else memory of the host, else the session's own buffer.
struct weft_io_binding {
    weft_buffer *buffer; ///< only to be compared: it may have been destroyed
    weft_buf buf;
    uint64_t offset, bytes; ///< also of `host`
    bool staged;            ///< steps use the session's own buffer, and copies at the ends of a submit this one
    void *host;
};

/// Results on their way to host memory, of one output: a ring by run (weft_io.host_fences).
struct weft_io_back {
    weft_buf bufs[WEFT_HOST_RUNS]; ///< READBACK buffers
    weft_buf old[WEFT_HOST_RUNS];  ///< smaller ones of before, of those on their way when larger memory was bound
    void *host[WEFT_HOST_RUNS];    ///< where they go; NULL: nothing is on its way
    uint64_t bytes[WEFT_HOST_RUNS];
};

struct weft_io {
    struct weft_base *base;
    weft_buf *own; ///< by io, as are all tables here; none while the user's buffer serves instead
    struct weft_io_binding *bound, *next; ///< next: staging of a change
    struct weft_io_back *backs;
    bool *changed;                ///< staging of a change of bindings: whose bind groups it concerns
    uint32_t n_bound;             ///< that are not the session's own
    struct weft_dummies dummies;  ///< for bindings behind the end of what is bound; made when needed
    struct weft_gpu_copy *copies; ///< of the run that is being submitted
    uint64_t host_fences[WEFT_HOST_RUNS];
    uint32_t host_next;
};

// ---- life ----------------------------------------------------------------------------------------------------------

weft_status weft_io_init(struct weft_io *io); ///< makes the tables, and no buffers
void weft_io_free(struct weft_io *io);
/// Makes the own buffers of all. Those made before a failure are left for weft_io_drop.
weft_status weft_io_make(struct weft_io *io);
void weft_io_drop(struct weft_io *io);        ///< all buffers
void weft_io_drop_needed(struct weft_io *io); ///< those that bindings need beside the own ones

// ---- looking at it -------------------------------------------------------------------------------------------------

static inline bool weft_io_is_direct(const struct weft_io_binding *b) { return b->buf.id && !b->staged; }
static inline bool weft_io_is_bound(const struct weft_io_binding *b) { return b->buf.id || b->host; }
/// Whether a table has results of `number` go to memory of the host.
static inline bool weft_io_is_back(const struct weft_io *io, const struct weft_io_binding *table, uint32_t number) {
    return io->base->plan->ios[number].is_output && table[number].host;
}
/// "input" or "output".
static inline const char *weft_io_kind(const struct weft_io *io, uint32_t number) {
    return io->base->plan->ios[number].is_output ? "output" : "input";
}
static inline const char *weft_io_name(const struct weft_io *io, uint32_t number) {
    return io->base->plan->ios[number].name;
}
/// Whether `mem_key` is an input or output, and its number.
bool weft_io_of_key(uint32_t mem_key, uint32_t *number);
/// The number of the input or output of a name; false: there is none.
bool weft_io_find(const struct weft_io *io, const char *name, uint32_t *number);
/// Reports NOT_FOUND with the names of inputs, outputs and states that there are.
weft_status weft_io_no_tensor(const struct weft_io *io, const char *name);
/// The buffer that holds an input or output, and at which of its bytes that begins.
weft_buf weft_io_buffer(const struct weft_io *io, uint32_t number, uint64_t *offset);
/// Finds what slot `slot` of a step, which is of an input or output, is bound to. False if that buffer was destroyed.
bool weft_io_slot(const struct weft_io *io, const struct weft_step *step, uint32_t slot, struct weft_bind *out);
/// Whether all that a table binds is large enough at these sizes. Errors: LIMIT.
weft_status weft_io_fits(const struct weft_io *io, const struct weft_io_binding *table, const int64_t *symbols);

// ---- a change of bindings (session/io_change.c) ---------------------------------------------------------------------

/// What a change has made and is not the table's yet.
struct weft_io_change {
    bool *made; ///< own buffers
    struct weft_io_back *backs;
    bool any; ///< some bind groups change
};

/// Makes io->next equal to the live table, for the caller to change.
void weft_io_copy_table(struct weft_io *io);
/// Validates io->next as a whole and decides what is staged. `symbols`: NULL before there are live sizes.
weft_status weft_io_validate(struct weft_io *io, const int64_t *symbols);
/// Makes what io->next needs, marks in io->changed whose bind groups change, and makes io->next the live table.
/// weft_io_commit or weft_io_undo must follow, also after a failure.
weft_status weft_io_stage(struct weft_io *io, struct weft_io_change *change);
/// Gives up what is not needed any more, once the groups are there.
void weft_io_commit(struct weft_io *io, struct weft_io_change *change);
/// Everything is as before weft_io_stage, which returned `staged`.
void weft_io_undo(struct weft_io *io, struct weft_io_change *change, bool staged);
/// Makes the buffers again after a loss, those that bindings need as well.
weft_status weft_io_remake(struct weft_io *io);

// ---- runs (session/io_host.c) ---------------------------------------------------------------------------------------

/// Refuses what is stale before a run, takes inputs from the host, and gives the copies around the steps. Errors:
/// STALE, LOST.
weft_status weft_io_begin(struct weft_io *io, const int64_t *symbols, struct weft_gpu_submit *ends);
/// To be called after its submits. What goes to the host is of run `fence` now.
void weft_io_ran(struct weft_io *io, const int64_t *symbols, uint64_t fence);
/// Fills memory of the host with the results of the newest run up to `fence`, which is finished.
weft_status weft_io_deliver(struct weft_io *io, uint64_t fence);
/// Drops the buffers through which an output goes to the host.
void weft_io_drop_backs(struct weft_io *io, uint32_t number);
/// Larger buffers take the place of those that an output has; what is on its way stays where it is.
void weft_io_replace_backs(struct weft_io *io, uint32_t number, const struct weft_io_back *larger);
/// Makes such buffers for io->next, where those that there are do not suffice.
weft_status weft_io_make_backs(struct weft_io *io, uint32_t number, struct weft_io_back *out);
#endif
