#include "engine/pace.h"

#include "core/error.h"

#define FIRST_RUNS 8
#define SUBMIT_SECONDS 0.03 // a longer submit would hold back the ids that it gives

weft_status weft_pace_most(uint32_t runs, enum weft_gpu_kind kind, uint32_t *most) {
    if (runs > WEFT_PACE_RUNS)
        return weft_fail(WEFT_ERR_INVALID, "%u decode runs a submit; at most %d, and 0 lets them be chosen", runs,
                         WEFT_PACE_RUNS);
    *most = runs ? runs : kind == WEFT_GPU_CPU ? 1 : WEFT_PACE_RUNS;
    return WEFT_OK;
}

struct weft_pace weft_pace_begin(uint32_t runs, uint32_t most, enum weft_gpu_kind kind, uint32_t ring, double now) {
    // CPU drivers compute inside the submit: running ahead would only delay each id.
    struct weft_pace p = {.ahead = kind == WEFT_GPU_CPU ? 1 : WEFT_PACE_AHEAD, .chosen = runs != 0, .arrived = now};
    uint32_t room = ring / (WEFT_PACE_AHEAD + 1); // places that are read beside those of the submits under way
    p.most = most < room ? most : room;
    p.runs = p.chosen || p.most < FIRST_RUNS ? p.most : FIRST_RUNS;
    return p;
}

void weft_pace_prompts(struct weft_pace *p) {
    if (!p->chosen && p->runs > FIRST_RUNS) p->runs = FIRST_RUNS;
}

void weft_pace_arrived(struct weft_pace *p, uint32_t runs, bool dry, double now) {
    double took = now - p->arrived; // of one submit, if the device had the next one at once
    p->arrived = now;
    if (p->chosen || dry || runs < p->runs) return;
    if (took < SUBMIT_SECONDS / 2 && p->runs * 2 <= p->most) p->runs *= 2;
}
