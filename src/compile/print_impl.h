/// What the two forms of a printed plan share (print.c: text, print_json.c: JSON). Only these two files
/// include this, and the dump of the golden plans (tests/support/plan_dump.c).
#ifndef WEFT_COMPILE_PRINT_IMPL_H
#define WEFT_COMPILE_PRINT_IMPL_H
#include "compile/compile.h"
#include "plan/memory.h"
#include "plan/update.h"

/// Name of a buffer: heap2, shard0, state kv.k, input tokens, vars.
void weft_print_buffer(const struct weft_plan *plan, uint32_t mem_key, struct weft_str *out);
const char *weft_print_mem(enum weft_mem mem);
const char *weft_print_state_kind(enum weft_state_kind kind);

/// Parameter words and grid of a step at the upper end of its schedule's guard.
struct weft_print_live {
    uint32_t words[WEFT_MAX_WORDS], grid[3];
};
struct weft_print_live weft_print_live(const struct weft_plan *plan, const struct weft_schedule *sc,
                                       const struct weft_step *s);
float weft_print_float(uint32_t bits);

void weft_print_json(const struct weft_plan *plan, struct weft_str *out);
#endif
