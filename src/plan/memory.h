/// What a plan takes on the device, counted in one place: sessions allocate it, `weft inspect` and weft_program_memory
/// print it.
#ifndef WEFT_PLAN_MEMORY_H
#define WEFT_PLAN_MEMORY_H
#include "plan/plan.h"
#include "weft/plan.h" // struct weft_memory_use, weft_plan_memory

#define WEFT_PARAM_VERSIONS 8 ///< parameter blocks of so many recent sizes are kept

/// Bytes of an input or output at these values of the symbols (NULL: the largest), rounded up to 4.
uint64_t weft_plan_io_live_bytes(const struct weft_plan *plan, uint32_t io, const int64_t *symbols);
/// Bytes of its buffer.
uint64_t weft_plan_io_bytes(const struct weft_plan *plan, uint32_t io);
/// Steps of the schedule that has the most, hence blocks of one version of the parameters.
uint32_t weft_plan_most_steps(const struct weft_plan *plan);
/// Bytes of a session's parameter arena: all versions, and a block behind them.
uint64_t weft_plan_param_bytes(const struct weft_plan *plan);
/// The most bytes of transients that are alive at once in a schedule: no placement takes less.
uint64_t weft_plan_lower_bound(const struct weft_plan *plan);
#endif
