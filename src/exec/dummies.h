/// Dummy bindings, where there is nothing to bind yet: ranges that no element of a live size reaches. A step may read
/// one and write another, so there are two buffers, and each slot has a range of its own.
#ifndef WEFT_EXEC_DUMMIES_H
#define WEFT_EXEC_DUMMIES_H
#include "gpu/gpu.h"
#include "plan/kernel.h"

struct weft_dummies {
    weft_buf bufs[2]; ///< for reading, for writing
};

/// Makes those that there are not. Those made before a failure stay. Errors: those of weft_buf_make.
weft_status weft_dummies_make(weft_gpu *gpu, enum weft_buf_purpose purpose, const char *label, struct weft_dummies *d);
void weft_dummies_drop(weft_gpu *gpu, struct weft_dummies *d);
/// For slot number `n` of a step.
struct weft_bind weft_dummies_bind(const struct weft_dummies *d, const struct weft_slot *slot, uint32_t n);
#endif
