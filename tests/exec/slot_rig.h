/// Several sequences in one session whose cached rows are told by the host, each with a history that is known: tests go
/// on from any point of it and compare with a session in which a slot was fed the same rows alone.
#ifndef WEFT_TEST_SLOT_RIG_H
#define WEFT_TEST_SLOT_RIG_H
#include "cache_rig.h"

#include <stdio.h>

/// A ring of 24 rows under a window of 5 and a cache of 48 rows in each slot; runs of up to 16 rows.
enum { SLOTS = 4, SLOT_ROWS = 48, SLOT_MOST = 16 };

#define SLOT_HEAD                                                                                                      \
    "symbol T 1 16\nvar pos u32 [4] 0 1000\nvar count u32 [4] 0 16\ninput q f32 [T, 2, 8]\n"                           \
    "input k f32 [T, 1, 8]\ninput v f32 [T, 1, 8]\n%at %slot = place_tokens %pos %count {tokens=T}\n"
#define SLOT_CACHE(KIND)                                                                                               \
    "state kf " KIND " f32 [4, 48, 1, 8] slots\nstate vf " KIND " f32 [4, 48, 1, 8] slots\n"                           \
    "%3 = cache_append %kf %k %at %slot\n%4 = cache_append %vf %v %at %slot\n"                                         \
    "%5 = attention %q %3 %4 %pos %count\n"
#define SLOT_RING                                                                                                      \
    "state kw ring f32 [4, 24, 1, 8] slots\nstate vw ring f32 [4, 24, 1, 8] slots\n"                                   \
    "%0 = cache_append %kw %k %at %slot\n%1 = cache_append %vw %v %at %slot\n"                                         \
    "%2 = attention %q %0 %1 %pos %count {window=5}\n"
/// Only caches, or rings beside them.
#define SLOT_GRAPH(KIND) SLOT_HEAD SLOT_CACHE(KIND) "%7 = advance %pos %count\noutput %5 y\n"
#define SLOT_RINGS(KIND) SLOT_HEAD SLOT_RING SLOT_CACHE(KIND) "%6 = add %2 %5\n%7 = advance %pos %count\noutput %6 y\n"

struct slot_past {
    uint32_t n;
    uint8_t stream[SLOT_ROWS + SLOT_MOST]; ///< from which stream of numbers each position was fed
};

struct slot_rig {
    weft_session *s;
    struct slot_past slot[SLOTS];
};

static inline struct slot_rig slot_begin(weft_program *p, bool checker) {
    struct slot_rig r = {0};
    rig_must(weft_session_create(p, &(struct weft_session_params){.checker = checker}, &r.s));
    return r;
}

static inline void slot_write(struct slot_rig *r, const char *name, uint32_t width, uint32_t salt,
                              const uint32_t *counts) {
    float x[SLOT_MOST * 2 * RIG_HEAD];
    uint32_t n = 0;
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        for (uint32_t i = r->slot[slot].n; i < r->slot[slot].n + counts[slot]; i++)
            for (uint32_t c = 0; c < width; c++) x[n++] = rig_number(r->slot[slot].stream[i], i, c + salt);
    rig_must(weft_session_write(r->s, name, 0, x, (uint64_t)n * 4));
}

/// Sizes, counts and inputs of the next run: counts[i] tokens of slot i, from its stream. At least one in all.
static inline void slot_prepare(struct slot_rig *r, const uint32_t *counts, const uint32_t *streams) {
    uint32_t t = 0;
    for (uint32_t i = 0; i < SLOTS; i++) {
        t += counts[i];
        for (uint32_t k = 0; k < counts[i]; k++) r->slot[i].stream[r->slot[i].n + k] = (uint8_t)streams[i];
        rig_must(weft_session_set_var_at(r->s, "count", i, counts[i]));
    }
    rig_must(weft_session_set_sizes(r->s, &(struct weft_size){"T", t}, 1));
    slot_write(r, "q", 2 * RIG_HEAD, 0, counts);
    slot_write(r, "k", RIG_HEAD, 100, counts);
    slot_write(r, "v", RIG_HEAD, 200, counts);
}

/// A run; `y`, which may be NULL, gets the rows of all slots in their order.
static inline void slot_feed(struct slot_rig *r, const uint32_t *counts, const uint32_t *streams, float *y) {
    uint32_t t = 0;
    slot_prepare(r, counts, streams);
    rig_must(weft_session_run(r->s, 1, NULL));
    for (uint32_t i = 0; i < SLOTS; i++) t += counts[i], r->slot[i].n += counts[i];
    if (y) rig_must(weft_session_read(r->s, "y", 0, y, (uint64_t)t * 2 * RIG_HEAD * 4));
}

/// One slot alone.
static inline void slot_feed_one(struct slot_rig *r, uint32_t slot, uint32_t t, uint32_t stream) {
    uint32_t counts[SLOTS] = {0}, streams[SLOTS] = {0};
    counts[slot] = t;
    streams[slot] = stream;
    slot_feed(r, counts, streams, NULL);
}

/// Feeds history [0, past->n) to one slot of the twin alone, which is reset first.
static inline void slot_follow(struct slot_rig *twin, uint32_t slot, const struct slot_past *past) {
    rig_must(weft_session_reset(twin->s));
    memset(twin->slot, 0, sizeof twin->slot);
    while (twin->slot[slot].n < past->n) {
        uint32_t from = twin->slot[slot].n, t = 1; // runs of one stream
        while (t < SLOT_MOST && from + t < past->n && past->stream[from + t] == past->stream[from]) t++;
        slot_feed_one(twin, slot, t, past->stream[from]);
    }
}

/// A run of several slots. True if all bits that come out for each are those of a slot of the twin that was fed the
/// same history alone from the start.
static inline bool slot_agrees(struct slot_rig *r, struct slot_rig *twin, const uint32_t *counts,
                               const uint32_t *streams) {
    const uint32_t width = 2 * RIG_HEAD;
    float a[SLOT_MOST * 2 * RIG_HEAD], b[SLOT_MOST * 2 * RIG_HEAD];
    const struct slot_rig before = *r;
    bool same = true;
    slot_feed(r, counts, streams, a);
    for (uint32_t i = 0, first = 0; i < SLOTS; first += counts[i], i++) {
        uint32_t alone[SLOTS] = {0}, stream[SLOTS] = {0}, at = (i + 1) % SLOTS;
        if (!counts[i]) continue;
        slot_follow(twin, at, &before.slot[i]);
        alone[at] = counts[i];
        stream[at] = streams[i];
        slot_feed(twin, alone, stream, b);
        if (memcmp(a + first * width, b, (size_t)counts[i] * width * sizeof *a) == 0) continue;
        printf("slot %u: %u rows from %u on differ\n", i, counts[i], before.slot[i].n);
        same = false;
    }
    return same;
}
#endif
