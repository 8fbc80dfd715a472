/// Sequences whose pages are looked at, on the null device: a program of caches alone and one of rings beside them,
/// runs of so many tokens of each slot.
#ifndef WEFT_TEST_SLOT_PAGES_RIG_H
#define WEFT_TEST_SLOT_PAGES_RIG_H
#include "page_rig.h"
#include "slot_rig.h"

static weft_program *slots, *rings;

static inline weft_status counts_of(weft_session *s, const uint32_t *counts) {
    uint32_t t = 0;
    for (uint32_t i = 0; i < SLOTS; i++) {
        WEFT_TRY(weft_session_set_var_at(s, "count", i, counts[i]));
        t += counts[i];
    }
    WEFT_TRY(resize(s, t ? t : 1));
    return weft_session_run(s, 1, NULL);
}

static inline weft_status run_of(weft_session *s, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    const uint32_t counts[SLOTS] = {a, b, c, d};
    return counts_of(s, counts);
}

static inline weft_session *session_of(weft_program *p) {
    weft_session *s = NULL;
    rig_must(weft_session_create(p, NULL, &s));
    return s;
}

static inline int begin(void **state) {
    setup(state);
    slots = rig_program(gpu, SLOT_GRAPH("paged"), &(struct weft_compile_params){.page_rows = PAGE});
    rings = rig_program(gpu, SLOT_RINGS("paged"), &(struct weft_compile_params){.page_rows = PAGE});
    return 0;
}

static inline int end(void **state) {
    weft_program_destroy(&slots);
    weft_program_destroy(&rings);
    return teardown(state);
}
#endif
