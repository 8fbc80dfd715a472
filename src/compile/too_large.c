/// The answer of a pass that a group does not fit (driver.c tries again).
#include "compile/passes.h"
#include "core/error.h"
#include <stdio.h>

weft_status weft_too_large(struct weft_compiling *c, uint32_t k, bool now) {
    const struct weft_group *g = &c->lower.groups[k];
    if (g->n_nodes < 2 || g->n_bindings < 2 || c->level == 0) return WEFT_ERR_LIMIT; // fusion is not the cause
    uint32_t budget = g->n_bindings - 1 < 255 ? g->n_bindings - 1 : 255;
    if (c->n_smaller++ == 0) snprintf(c->why, sizeof c->why, "%s", weft_error_message());
    for (uint32_t i = 0; i < g->n_nodes && (now || c->attempt > 0); i++) c->node_budget[g->nodes[i]] = (uint8_t)budget;
    c->fit = WEFT_TOO_LARGE;
    return WEFT_OK;
}
