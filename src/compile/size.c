/// A plan for one size only.
#include "compile/passes.h"
#include "core/error.h"
#include <string.h>

weft_status weft_pass_size(struct weft_compiling *c) {
    struct weft_plan *p = c->plan;
    if (!c->params->bind) return WEFT_OK;
    WEFT_TRY(weft_graph_sizes_check(p->graph, c->params->bind));
    memcpy(p->bind, c->params->bind, weft_dims_symbol_count(p->graph->dims) * sizeof *p->bind);
    p->bound = true;
    return WEFT_OK;
}
