/// The search for a filter.
#include "model/template/call.h"

#include <string.h>

const struct weft_jfunction *weft_j_find_filter(const struct weft_js *name) {
    static const struct weft_jfunction *const tables[] = {weft_j_text_filters, weft_j_list_filters};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const struct weft_jfunction *f = tables[i]; f->name; f++)
            if (weft_j_js_is(name, f->name, strlen(f->name))) return f;
    return NULL;
}
