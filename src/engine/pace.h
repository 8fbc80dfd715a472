/// How many decode runs go in a submit, and how many submits are under way ahead of the ids that the host has read: of
/// a single text and of a batch.
///
/// Only engine/ includes this. Thread-safety: none.
#ifndef WEFT_ENGINE_PACE_H
#define WEFT_ENGINE_PACE_H
#include "gpu/caps.h"
#include "weft/status.h"

enum {
    WEFT_PACE_RUNS = 64, ///< a submit, at most
    WEFT_PACE_AHEAD = 2, ///< submits under way, at most
};

struct weft_pace {
    uint32_t runs, most; ///< of a submit: now, and at most
    uint32_t ahead;      ///< submits under way at most
    bool chosen;         ///< `runs` by the caller, which then stays
    double arrived;      ///< clock of the last results, in seconds
};

/// The most runs of a submit where a caller wants `runs` (0: by measured time). Errors: INVALID (too many).
weft_status weft_pace_most(uint32_t runs, enum weft_gpu_kind kind, uint32_t *most);
/// Begins at `now` with that `most`, whose ids come through a ring of `ring` places.
struct weft_pace weft_pace_begin(uint32_t runs, uint32_t most, enum weft_gpu_kind kind, uint32_t ring, double now);
/// Prompts are queued: few runs go in a submit again. The one behind them is prepared before their first ids are passed
/// on, which would wait while many runs are encoded.
void weft_pace_prompts(struct weft_pace *p);
/// Results of a submit of `runs` decode runs arrived (0: prompts were in it, whose time says nothing of them).
/// `dry`: nothing was under way behind it.
void weft_pace_arrived(struct weft_pace *p, uint32_t runs, bool dry, double now);
#endif
