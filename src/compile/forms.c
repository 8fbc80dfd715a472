#include "compile/passes.h"
#include <inttypes.h>

/// True if it is larger on the device than in its file.
static bool is_wide(const struct weft_plan_weight *w) {
    return w->from == WEFT_FROM_BOTH || (w->form == WEFT_FORM_ELEMENTS && weft_dtype_info(w->dtype)->quantised);
}

/// Weights that lie on the device in several forms, and those that are larger there than in their file.
weft_status weft_pass_forms(struct weft_compiling *c) {
    struct weft_plan *p = c->plan;
    static const char *const names[WEFT_FORMS] = {"packed", "as elements", "as a table"};
    for (uint32_t i = 0; i < p->n_weights; i++) {
        const struct weft_plan_weight *w = &p->weights[i];
        bool first = w->name != NULL, wide = is_wide(w);
        uint32_t forms = 0;
        if (w->value == WEFT_NO_VALUE) continue;
        for (uint32_t k = 0; k < p->n_weights; k++) {
            if (p->weights[k].value != w->value) continue;
            forms++;
            first &= k >= i;
        }
        if (!first || (forms == 1 && !wide)) continue;
        weft_str_addf(&p->report, "weight '%s' lies on the device", w->name);
        for (uint32_t k = i, n = 0; k < p->n_weights; k++) {
            const struct weft_plan_weight *x = &p->weights[k];
            uint64_t bytes = 0;
            for (uint32_t j = 0; j < x->n_parts; j++) bytes += x->parts[j].bytes;
            if (x->value == w->value)
                weft_str_addf(&p->report, "%s %s in %" PRIu64 " bytes", n++ ? " and" : "", names[x->form], bytes);
        }
        weft_str_add(&p->report, ": what reads it asks for that\n");
    }
    return WEFT_OK;
}
