/// What every part of a session needs: whose it is, whether it was cancelled or lost, submits, and reads that end when
/// it is cancelled.
#ifndef WEFT_EXEC_SESSION_BASE_H
#define WEFT_EXEC_SESSION_BASE_H
#include "exec/exec_impl.h"

struct weft_base {
    weft_program *program;
    const struct weft_plan *plan; ///< of the program
    weft_gpu *gpu;                ///< of the program
    struct weft_cancel cancel;    ///< weft_session_cancel
    uint64_t last_serial;         ///< of the newest submit; 0: there was none since the device was opened
    char lost_why[WEFT_LOST_WHY];
};

weft_status weft_session_null_argument(const char *call);
weft_status weft_session_no_memory(void);
/// Refuses (LOST) what is asked of a session that could not be recovered, or whose program could not.
weft_status weft_base_check_alive(const struct weft_base *b);
/// Refuses (CANCELLED) after weft_session_cancel. Calls that wait begin with it.
weft_status weft_base_check_not_cancelled(const struct weft_base *b);
/// Reads a buffer, and blocks until weft_session_cancel or the data ends it.
weft_status weft_base_read(struct weft_base *b, weft_buf buf, uint64_t offset, void *data, uint64_t bytes);
/// Queues a submit, which is the newest then. `whole`: weft_session_cancel does not end it.
weft_status weft_base_submit(struct weft_base *b, const struct weft_gpu_submit *submit, bool whole);
/// False on the null device, which computes nothing, so that reading back is useless.
bool weft_base_computes(const struct weft_base *b);
#endif
