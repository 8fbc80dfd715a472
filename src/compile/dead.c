/// Removes nodes whose results reach no output and no write of a state: variables are states too. Inputs, states and
/// variables that nothing reads any more stay, since sessions know them by name.
#include "compile/passes.h"
#include "core/error.h"
#include "ir/rewrite.h"

weft_status weft_pass_dead(struct weft_graph *g) {
    struct weft_rewrite r;
    WEFT_TRY(weft_rewrite_begin(g, &r));
    for (uint32_t i = weft_rewrite_before(&r, WEFT_NO_NODE), next; i != WEFT_NO_NODE; i = next) { // readers first
        next = weft_rewrite_before(&r, i);
        if (!weft_rewrite_needed(&r, i)) weft_rewrite_kill(&r, i);
    }
    return weft_rewrite_end(&r, WEFT_OK);
}
