/// Functions of scalars: what the instructions of a scalar program (plan/expr.h) call. A row says how WGSL writes the
/// function and what it is on the host, so that one table serves kernels and constant folding.
#ifndef WEFT_PLAN_SCALAR_H
#define WEFT_PLAN_SCALAR_H
#include <stdbool.h>
#include <stdint.h>

/// Types of the values of a scalar program. Truth values are f32, 0 or 1. PAIR is two f32.
enum weft_xtype { WEFT_X_F32, WEFT_X_I32, WEFT_X_U32, WEFT_X_PAIR };

struct weft_scalar {
    const char *name;
    /// Text with $0, $1, $2 for the operands (each a name or a literal, without operators).
    const char *wgsl;
    /// The same in double, in which integers of 32 bits are exact. The one operand of a function of a PAIR comes as x
    /// and y. NULL, in tests only: not known to the host.
    double (*host)(double x, double y, double z);
    double (*second)(double x, double y, double z); ///< of a PAIR: its second value
    bool divides; ///< operand 1 is a divisor: a constant 0 there must not be seen by the shader's compiler
};
#endif
