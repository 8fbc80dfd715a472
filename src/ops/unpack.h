/// Packed weights for kernels that read them element by element.
#ifndef WEFT_OPS_UNPACK_H
#define WEFT_OPS_UNPACK_H
#include "plan/lower.h"

/// Emits the steps that write weight `v` as f32 to the tensor of its place (weft_emit_value made it).
weft_status weft_unpack_lower(struct weft_lower *l, weft_value v);
#endif
