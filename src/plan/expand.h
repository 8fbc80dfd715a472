/// Template expansion that remembers: a plan of thousands of steps has few different kernels.
#ifndef WEFT_PLAN_EXPAND_H
#define WEFT_PLAN_EXPAND_H
#include "plan/plan.h"

/// weft_template_expand; equal files and values are expanded once a compilation (plan->scratch.texts).
weft_status weft_plan_expand(struct weft_plan *plan, const char *file, const struct weft_tval *values, size_t n,
                             struct weft_str *out);
#endif
