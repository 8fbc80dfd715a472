/// For tests only. A window into a session: what the live sizes replay, and which parameter blocks were written last.
/// And test faults, which prove that checkers notice.
#ifndef WEFT_EXEC_SESSION_TEST_H
#define WEFT_EXEC_SESSION_TEST_H
#include "exec/session.h"

struct weft_session_view {
    uint32_t schedule;
    const struct weft_gpu_step *steps; ///< of the live sizes, without the skipped ones; NULL before the first resize
    uint32_t n_steps;
    const uint32_t *staged;               ///< blocks of all plan steps (64 words each) as the last resize wrote them
    uint64_t staged_offset, staged_bytes; ///< where in the parameter arena they went
    weft_buf arena, vars;
    const weft_buf *states, *ios; ///< by number in the plan
};

/// Pointers are valid until the next call on the session.
struct weft_session_view weft_session_view(const weft_session *session);

/// Makes an update function wrong: adds 1 to word `word` of the block of step `step`, in every schedule and from the
/// next run on; step UINT32_MAX turns it off.
void weft_session_test_word(weft_session *session, uint32_t step, uint32_t word);
/// Ping-pong states no longer change buffers from run to run.
void weft_session_test_parity(weft_session *session, bool fixed);
/// Skips a refresh of bind groups: step `step` of every schedule keeps the buffers of `other`, a session of the same
/// program that must live until this is turned off (step UINT32_MAX) or `session` is run no more.
void weft_session_test_groups(weft_session *session, uint32_t step, const weft_session *other);
#endif
