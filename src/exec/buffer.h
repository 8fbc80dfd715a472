/// Behind weft/buffer.h: what a user's buffer is.
#ifndef WEFT_EXEC_BUFFER_H
#define WEFT_EXEC_BUFFER_H
#include "exec/exec_impl.h"
#include "gpu/gpu.h"
#include "weft/buffer.h"

struct weft_buffer {
    weft_gpu *gpu;
    weft_buf buf; ///< of `bytes` rounded up to WEFT_BUFFER_ALIGN
    uint64_t bytes;
    weft_buf before; ///< `buf` before the last recovery: what sessions that were bound to it remember
    struct weft_gpu_dependent dependent;
    char lost_why[WEFT_LOST_WHY];
};

/// Makes one of at least one byte, all zero. Errors: NOMEM, LOST.
weft_status weft_buffer_make(weft_gpu *gpu, uint64_t bytes, weft_buffer **out);
/// LOST, and why, if the last recovery could not make it again.
weft_status weft_buffer_there(const weft_buffer *buffer);
/// The same of one that may have been destroyed meanwhile, which is OK here.
weft_status weft_buffer_why_gone(weft_gpu *gpu, const weft_buffer *buffer);

/// What the buffer that a session was bound to as `buf` is after a recovery; `buffer` may have been destroyed, and then
/// it is `buf` still, which is stale.
weft_buf weft_buffer_renewed(weft_gpu *gpu, const weft_buffer *buffer, weft_buf buf);
#endif
