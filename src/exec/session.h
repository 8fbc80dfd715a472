/// A session: one user of a program, with its states, variables, live dims, inputs and outputs. What users of the
/// library see of it, with its contracts, stands in weft/session.h; here is what only the rooms above need.
#ifndef WEFT_EXEC_SESSION_H
#define WEFT_EXEC_SESSION_H
#include "exec/program.h"
#include "weft/session.h"

/// Sets the live value of every symbol (in the graph's order): picks the schedule, recomputes all parameter blocks and
/// grids in a staging copy, commits at the end. A failure changes nothing. Cheap when the values were used recently.
weft_status weft_session_resize(weft_session *session, const int64_t *symbols);
/// The live values, NULL before the first resize. Valid until the next one.
const int64_t *weft_session_symbols(const weft_session *session);

/// Reads that do not block: see weft_readback_*.
weft_status weft_session_read_start(weft_session *session, const char *name, uint64_t offset, uint64_t bytes,
                                    weft_readback *out);
/// The variables in one piece of WEFT_VARS_BYTES: word WEFT_VAR_ACTIVE is the activity, the others stand where
/// weft_session_var_offset says. Errors: LIMIT (outside, not of 4), STALE, LOST.
weft_status weft_session_vars_read(weft_session *session, uint64_t offset, void *data, uint64_t bytes);
weft_status weft_session_vars_start(weft_session *session, uint64_t offset, uint64_t bytes, weft_readback *out);
/// Byte offset of a variable among them; ERR_NOT_FOUND.
weft_status weft_session_var_offset(const weft_session *session, const char *name, uint64_t *offset);

/// Dispatches a run makes at the current dims.
uint32_t weft_session_dispatches(const weft_session *session);
weft_program *weft_session_program(const weft_session *session);

/// The first access out of range that the steps of a checked program (weft_compile_params.checked) met: see
/// weft_session_fault.
struct weft_fault {
    bool any;                               ///< the rest is set only if there was one
    uint32_t schedule, step;                ///< place in the plan
    const char *label, *operand;            ///< of the step; lives as long as the program
    uint32_t operand_number, index, length; ///< element asked for, and how many the operand had
    char text[256];                         ///< one sentence
};
/// Waits for the runs so far and reads the fault buffer; what it held is forgotten, so that the next fault is the first
/// again. Errors: INVALID (the program was not compiled checked), LOST.
weft_status weft_session_fault(weft_session *session, struct weft_fault *fault);

/// For tests, to prove that the checkers notice. Both concern step `step` of every schedule, from the next run on;
/// UINT32_MAX turns them off.
/// Makes an update function lie: adds 1 to word `word` of the step's block.
void weft_session_sabotage(weft_session *session, uint32_t step, uint32_t word);
/// Ping-pong states no longer change buffers from run to run.
void weft_session_sabotage_turn(weft_session *session, bool stuck);
/// Skips a refresh of bind groups: the step keeps the buffers of `other`, a session of the same program that must live
/// until this is turned off or `session` is run no more.
void weft_session_sabotage_bind(weft_session *session, uint32_t step, const weft_session *other);
#endif
