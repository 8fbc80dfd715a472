/// A session: one user of a program, with its states, variables, live dims, inputs and outputs. What users of the
/// library see of it, with its contracts, stands in weft/session.h; here is what only the modules above need.
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
/// The variables in one piece of weft_vars_bytes: word WEFT_VAR_ACTIVE is the activity, the others stand where
/// weft_session_var_offset says. Errors: LIMIT (outside, not of 4), STALE, LOST.
weft_status weft_session_vars_read(weft_session *session, uint64_t offset, void *data, uint64_t bytes);
weft_status weft_session_vars_start(weft_session *session, uint64_t offset, uint64_t bytes, weft_readback *out);
/// Byte offset of a variable among them; ERR_NOT_FOUND.
weft_status weft_session_var_offset(const weft_session *session, const char *name, uint64_t *offset);

// Whoever built the graph has handles of what is in it, and needs no names: states and variables by their number in the
// order in which the graph got them (weft_value_info.state, which is their place in plan->states), inputs and outputs
// by their place in plan->ios. A number beyond is the caller's bug. Otherwise these are the calls of the same names.

weft_status weft_session_write_state(weft_session *session, uint32_t state, uint64_t offset, const void *data,
                                     uint64_t bytes);
weft_status weft_session_state_read_start(weft_session *session, uint32_t state, uint64_t offset, uint64_t bytes,
                                          weft_readback *out);
weft_status weft_session_write_io(weft_session *session, uint32_t io, uint64_t offset, const void *data,
                                  uint64_t bytes);
weft_status weft_session_read_io(weft_session *session, uint32_t io, uint64_t offset, void *data, uint64_t bytes);
/// weft_session_set_var.
weft_status weft_session_set_state(weft_session *session, uint32_t state, uint32_t index, uint32_t bits);

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
#endif
