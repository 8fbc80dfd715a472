/// A session, composed of its parts. Each owns its fields, which others only read, and how they are made, dropped and
/// made again after a loss. A part knows those that it points to and no others:
///
///     base <- states <- positions <- pages <- history
///     base <- io <- groups <- sizes            (groups know states as well)
///
/// The files that include this stand above all parts.
#ifndef WEFT_EXEC_SESSION_IMPL_H
#define WEFT_EXEC_SESSION_IMPL_H
#include "exec/session.h"
#include "exec/session/history.h"
#include "exec/session/sizes.h"

struct weft_session {
    struct weft_base base;
    struct weft_states states;
    struct weft_positions positions;
    struct weft_pages pages;
    struct weft_history history;
    struct weft_io io;
    struct weft_groups groups;
    struct weft_sizes sizes;
    struct {
        bool checker;
        uint32_t most; ///< in one submit
        struct weft_gpu_step *steps;
    } run; ///< session/run.c
    struct weft_gpu_dependent dependent;
};

weft_status weft_run_init(weft_session *s, const struct weft_session_params *params);
void weft_run_free(weft_session *s);
#endif
