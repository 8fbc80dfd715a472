/// A window into a session, for tests only: what the live sizes replay, and which parameter blocks were written last.
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
#endif
