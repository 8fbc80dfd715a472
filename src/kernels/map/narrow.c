/// Elements that share words, of what a program stored as a word each where it can't know who owns a word.
#include "core/error.h"
#include "kernels/copy/move.h"
#include "kernels/map/region.h"

void weft_region_narrow(struct weft_xstep *t) {
    struct weft_lower *l = t->l;
    for (uint32_t i = 0; i < t->n_narrow && l->status == WEFT_OK; i++) {
        weft_value v = t->narrow[i].v;
        const struct weft_type *type = weft_x_stored_type(l, v);
        const struct weft_node *range = weft_x_range_writer(l, v);
        weft_dim count = weft_lower_product(l, type, 0, type->rank);
        weft_dtype narrow = weft_lv(l, range ? range->out[0] : v)->type.dtype;
        const char *label = weft_arena_printf(&l->plan->arena, "narrow to %s", weft_dtype_name(narrow));
        if (!label) {
            weft_lower_fail(l, WEFT_ERR_NOMEM, "out of memory while compiling the graph");
            return;
        }
        if (!range) weft_lower_place(l, v);
        if (l->status != WEFT_OK) return;
        weft_emit_move(l, label, count, (struct weft_place){t->narrow[i].tensor, WEFT_DIM_ZERO},
                       weft_storage_of(narrow)->as_word, range ? weft_lower_range(l, range) : l->places[v], narrow);
    }
    t->n_narrow = 0;
}
