#include "ops/ops.h"

#include <stddef.h>

#define X(name) &weft_op_##name,
static const struct weft_op *const rows[] = {
#include "ops/ops.def"
    NULL,
};
#undef X

const struct weft_op_set *weft_ops(void) {
    static const struct weft_op_set set = {rows, &weft_op_families};
    return &set;
}
