/// Writes the WGSL of every step (accessor.c) and numbers those of a checked plan for its faults.
#include "compile/bind.h"
#include "compile/passes.h"
#include "core/cancel.h"
#include "core/error.h"

weft_status weft_pass_write(struct weft_compiling *c) {
    struct weft_plan *p = c->plan;
    struct weft_schedule *sc = c->schedule;
    for (uint32_t i = 0; i < sc->n_steps; i++) {
        struct weft_step *s = &sc->steps[i];
        if (p->checked) s->bound.number = (uint32_t)(sc - p->schedules) << 16 | i;
        if (p->checked && !s->bound.checked)
            weft_str_addf(&p->report,
                          "schedule %s: step '%s' is left unchecked: it has %u bindings and %u parameter words\n",
                          sc->name, s->label, s->bound.n_slots - 1, s->bound.n_words);
        WEFT_TRY(weft_cancel_check());
        WEFT_TRY(weft_bind_wgsl(p, sc, s));
    }
    return WEFT_OK;
}
