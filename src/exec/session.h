/// A session: one user of a program, with its states, variables, live dims, inputs and outputs.
///
/// Thread-safety: one thread at a time uses a session; sessions of one program or device may be used by different threads.
#ifndef WEFT_EXEC_SESSION_H
#define WEFT_EXEC_SESSION_H
#include "exec/program.h"

typedef struct weft_session weft_session;

struct weft_session_params {
    bool checker;      ///< one submit a step, transients poisoned before each run: must give the same bits
    uint32_t max_runs; ///< most runs in one submit (0: 16)
};

/// Makes states (zeroed; active = 1) and everything a run needs. All sizes are at the maximum of the symbols, so nothing is
/// allocated later. The live dims start at the symbols' upper bounds.
weft_status weft_session_create(weft_program *program, const struct weft_session_params *params, weft_session **out);
/// Waits for its runs in flight, frees everything. NULL is fine.
void weft_session_destroy(weft_session **session);

/// Sets the live value of every symbol (in the graph's order): picks the schedule, recomputes all parameter blocks and grids in a
/// staging copy, commits at the end. A failure changes nothing. Cheap when the values were used recently.
weft_status weft_session_resize(weft_session *session, const int64_t *symbols);

/// Writes to an input or a state by name (queue-ordered: before later runs, after earlier ones). Bytes are in the tensor's storage
/// type. ERR_NOT_FOUND names what exists; ERR_LIMIT beyond the end.
weft_status weft_session_write(weft_session *session, const char *name, uint64_t offset, const void *data, uint64_t bytes);
/// Blocking read of an output, input, state; sees all runs submitted before.
weft_status weft_session_read(weft_session *session, const char *name, uint64_t offset, void *data, uint64_t bytes);
/// Reads that do not block: see weft_readback_*.
weft_status weft_session_read_start(weft_session *session, const char *name, uint64_t offset, uint64_t bytes, weft_readback *out);
/// Variables by name ("active" is one); 32-bit patterns.
weft_status weft_session_set_var(weft_session *session, const char *name, uint32_t bits);
weft_status weft_session_get_var(weft_session *session, const char *name, uint32_t *bits); ///< blocking
/// Byte offset of a variable in the block that weft_session_read(..., "vars", ...) reads; ERR_NOT_FOUND.
weft_status weft_session_var_offset(const weft_session *session, const char *name, uint64_t *offset);
/// All states and variables to zero, active to 1.
weft_status weft_session_reset(weft_session *session);

/// Submits `runs` runs (1..max_runs) of the current schedule in one submit, contiguous in the queue. *serial may be NULL.
weft_status weft_session_run(weft_session *session, uint32_t runs, uint64_t *serial);
/// Dispatches a run makes at the current dims.
uint32_t weft_session_dispatches(const weft_session *session);
weft_program *weft_session_program(const weft_session *session);

/// For tests, to prove that the checkers notice. Both concern step `step` of every schedule, from the next run on; UINT32_MAX turns
/// them off.
/// Makes an update function lie: adds 1 to word `word` of the step's block.
void weft_session_sabotage(weft_session *session, uint32_t step, uint32_t word);
/// Skips a refresh of bind groups: the step keeps the buffers of `other`, a session of the same program that must live until this
/// is turned off or `session` is run no more.
void weft_session_sabotage_bind(weft_session *session, uint32_t step, const weft_session *other);
#endif
