/// A scalar program on the host, over its whole index space: the oracle of fused kernels, in plain loops. It knows
/// nothing of schedules; what it stores is what every schedule must store.
///
/// It reads of the program, and of its finished step, what is there when lowering has ended: loads and live sizes.
#ifndef WEFT_PLAN_EXPR_HOST_H
#define WEFT_PLAN_EXPR_HOST_H
#include "plan/expr.h"

/// Memory of an operand as its accessor reaches it: whatever offset its view has is in `bytes`.
struct weft_xmemory {
    uint8_t *bytes; ///< element 0
    uint64_t count; ///< elements; what lies behind is not there
    weft_dtype dtype;
    uint32_t ring;      ///< of a ring state: its rows, in which row i is i modulo their number; 0: row i is i
    uint32_t slot_rows; ///< of a state by slot: rows of each
};

struct weft_xhost {
    const struct weft_xmemory *operands; ///< by number in the step
    const struct weft_dims *dims;
    const int64_t *symbols;
    const uint32_t *vars; ///< the variables block
    /// Floats are doubles until they are stored, and beyond the range of f32 infinite. Else each is rounded to f32, as
    /// devices have it, but for a sum, which is rounded once.
    bool exact;
    uint64_t first, end; ///< rows, of a flat program elements; end 0: all
    // Each may be NULL.
    double (*arg)(void *user, uint32_t number, uint64_t row, uint64_t col); ///< what the surrounding kernel computed
    void (*root)(void *user, uint32_t number, uint64_t row, uint64_t col, double x); ///< what it takes
    void (*touch)(void *user, uint32_t operand, uint64_t index, bool write, uint64_t row, uint64_t col);
    void *user;
};

/// Errors: INVALID (an element that its operand does not have), INTERNAL (the program breaks a rule of plan/expr.h),
/// NOMEM.
weft_status weft_expr_run(const struct weft_expr *e, const struct weft_xhost *host);
#endif
