/// The binder: assigns every operand of every step to a binding, checks WebGPU's usage rules, and writes each kernel's
/// complete WGSL (prelude, parameter struct, bindings, accessors, template).
#ifndef WEFT_COMPILE_BIND_H
#define WEFT_COMPILE_BIND_H
#include "plan/plan.h"

/// Which buffer a tensor lies in: memory kind and number, as one key.
uint32_t weft_mem_key(const struct weft_tensor *t);

/// Assigns slots of one step. Tensors must be placed. Errors: LIMIT (too many bindings, too large a binding), INTERNAL
/// (a written range overlaps another operand that is no declared in-place pair).
weft_status weft_bind_step(const struct weft_plan *plan, const struct weft_schedule *schedule, struct weft_step *step);

/// Writes step->wgsl (arena). Errors name the step and the template's file and line.
weft_status weft_bind_wgsl(struct weft_plan *plan, const struct weft_schedule *schedule, struct weft_step *step);
#endif
