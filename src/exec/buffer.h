/// Behind weft/buffer.h: what a user's buffer is.
#ifndef WEFT_EXEC_BUFFER_H
#define WEFT_EXEC_BUFFER_H
#include "gpu/gpu.h"
#include "weft/buffer.h"

struct weft_buffer {
    weft_gpu *gpu;
    weft_buf buf;   ///< of `bytes` rounded up to WEFT_BUFFER_ALIGN
    uint64_t bytes;
};
#endif
