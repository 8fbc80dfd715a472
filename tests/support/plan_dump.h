/// A plan as text that stays the same from run to run and from machine to machine: every step with its grid, parameter
/// words, operands, bindings and the hash of its WGSL, every tensor with its place, and the totals.
#ifndef WEFT_TEST_PLAN_DUMP_H
#define WEFT_TEST_PLAN_DUMP_H
#include "plan/plan.h"

#define WEFT_DUMP_HASH 12 ///< hexadecimal digits of a text's SHA-256 that a dump has

/// The first digits of the SHA-256 of `text`. False where it cannot be computed.
bool weft_test_text_hash(const char *text, char out[WEFT_DUMP_HASH + 1]);

/// Appends the plan to `out`. Parameter words and grids are those at the upper end of a schedule's guard.
void weft_test_plan_dump(const struct weft_plan *plan, struct weft_str *out);

/// Two texts line by line, as `diff -u` has it: " " for lines of both, "-" for lines of `was`, "+" for lines of `is`,
/// "@@ line N" before each place. At most `most` lines are written, then how many are left out. Returns the number of
/// lines that differ, 0 for equal texts.
size_t weft_test_text_diff(const char *was, const char *is, size_t most, struct weft_str *out);
#endif
