/// Shared by the files of `weft inspect` only.
#ifndef WEFT_APP_INSPECT_H
#define WEFT_APP_INSPECT_H
#include "weft/plan.h"

/// Prints the memory of a plan; the exit code.
int weft_inspect_memory(const weft_plan *plan, bool json);
#endif
