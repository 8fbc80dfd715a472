/// The operators. ops.def lists them.
#ifndef WEFT_OPS_OPS_H
#define WEFT_OPS_OPS_H
#include "ir/op.h"

extern const struct weft_family_set weft_op_families; ///< families.c

/// All of them, in the order of ops.def. Static storage. Thread-safety: safe.
const struct weft_op_set *weft_ops(void);

#define X(name) extern const struct weft_op weft_op_##name;
#include "ops/ops.def"
#undef X
#endif
