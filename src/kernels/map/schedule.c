#include "kernels/map/schedule.h"
#include "plan/order.h"
#include "plan/round.h"

enum {
    SHORT = 16,         ///< columns of a row that one thread walks by itself, where there are rows for all threads
    MOST_TURNS = 1024,  ///< elements that a thread adds up one behind the other
    MOST_CHUNKS = 4096, ///< of a row
    AMPLE = 16,         ///< threads that chunks are made for, in those that keep the device's arithmetic busy
};

static uint64_t most(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static bool is_beside(const struct weft_profile *p, const struct weft_map_shape *s) {
    return s->inner > 1 || (s->n <= SHORT && s->rows >= 4 * (uint64_t)p->slots);
}

uint32_t weft_map_threads(const struct weft_profile *p, const struct weft_map_shape *s) {
    if (p->invariant) return weft_order_threads(p);
    return weft_tile_of(p, is_beside(p, s) ? WEFT_TILE_BESIDE : WEFT_TILE_ROWS, s->n)->threads;
}

/// Threads that share a row of those side by side: all that a line of memory leaves, but fewer where rows alone keep
/// the device busy, and no more than there are columns.
static uint32_t lanes_of(const struct weft_profile *p, const struct weft_map_shape *s, uint32_t threads) {
    uint64_t line = weft_tile_of(p, WEFT_TILE_BESIDE, s->n)->columns;
    uint32_t width = 1;
    if (s->inner <= 1) return 1;
    while (width < threads && width < least(line, s->inner)) width *= 2;
    uint32_t lanes = threads / width;
    while (lanes > 1 && (lanes > s->n || s->rows * (lanes / 2) >= 4 * (uint64_t)p->slots)) lanes /= 2;
    return lanes;
}

static uint64_t chunk_of(const struct weft_profile *p, const struct weft_map_shape *s,
                         const struct weft_map_schedule *x) {
    uint64_t turns = weft_tile_of(p, x->beside ? WEFT_TILE_BESIDE : WEFT_TILE_ROWS, s->n)->block, lanes = x->lanes;
    bool busy = s->rows * lanes >= (x->beside ? 4 : 1) * (uint64_t)p->slots;
    if (s->n < 4 * turns * lanes || (busy && s->n <= MOST_TURNS * lanes)) return 0;
    uint64_t chunks = most(weft_ceil_div(AMPLE * (uint64_t)p->slots, s->rows * lanes), 1),
             chunk = weft_ceil_div(s->n, chunks);
    chunk = most(least(chunk, MOST_TURNS * lanes), turns * lanes);
    chunk = most(chunk, weft_ceil_div(s->n, MOST_CHUNKS));
    return weft_ceil_div(chunk, lanes) * lanes;
}

/// By the length of a row alone, and by whether its elements are neighbours.
static struct weft_map_schedule by_length(const struct weft_profile *p, const struct weft_map_shape *s,
                                          uint32_t threads) {
    struct weft_map_schedule x = {
        .threads = threads, .beside = s->across || s->n <= WEFT_ORDER_SHORT, .rows = 1, .lanes = threads};
    if (s->rows == 0 || s->n == 0) return x;
    if (x.beside) x.lanes = s->across ? weft_order_lanes(p, s->n) : 1;
    x.rows = threads / x.lanes;
    x.chunk = weft_order_chunk(p, s->n, x.lanes);
    return x;
}

struct weft_map_schedule weft_map_schedule(const struct weft_profile *p, const struct weft_map_shape *s,
                                           uint32_t threads) {
    if (p->invariant) return by_length(p, s, threads);
    struct weft_map_schedule x = {.threads = threads, .beside = is_beside(p, s), .rows = 1, .lanes = threads};
    if (s->rows == 0 || s->n == 0) return x;
    if (x.beside) x.lanes = lanes_of(p, s, threads);
    x.rows = x.beside ? threads / x.lanes : 1;
    x.chunk = chunk_of(p, s, &x);
    return x;
}
