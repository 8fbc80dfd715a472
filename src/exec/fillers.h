/// What stands in bindings where there is nothing to bind yet: ranges that no element of a live size reaches. A step
/// may read one and write another, so there are two buffers, and each slot has a range of its own.
#ifndef WEFT_EXEC_FILLERS_H
#define WEFT_EXEC_FILLERS_H
#include "gpu/gpu.h"
#include "plan/kernel.h"

struct weft_fillers {
    weft_buf bufs[2];
}; ///< for reading, for writing

/// Makes those that there are not. Those made before a failure stay. Errors: those of weft_buf_make.
weft_status weft_fillers_make(weft_gpu *gpu, enum weft_buf_purpose purpose, const char *label, struct weft_fillers *f);
void weft_fillers_drop(weft_gpu *gpu, struct weft_fillers *f);
/// For slot number `n` of a step.
struct weft_bind weft_fillers_bind(const struct weft_fillers *f, const struct weft_slot *slot, uint32_t n);
#endif
