/// `weft run --beams`: the likeliest text in place of a sampled one.
#ifndef WEFT_APP_RUN_BEAMS_H
#define WEFT_APP_RUN_BEAMS_H
#include "app/generating.h"

struct weft_run_beams {
    uint32_t beams; ///< 0: no beam search
    float length_penalty;
    uint32_t tokens;
    bool ignore_stops, json;
    bool talkative; ///< statistics on stderr
};

/// Searches from these ids and prints the best text, or as JSON all of them. Returns an exit code.
int weft_run_beams(const struct weft_run_beams *r, const struct weft_opened *o, const int32_t *ids, size_t count);
#endif
