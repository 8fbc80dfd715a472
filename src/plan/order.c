#include "plan/order.h"
#include "plan/round.h"

enum {
    SLICES = 4,         ///< that share a tile of some rows by a packed weight
    PIECE = 32,         ///< blocks of a piece of k: as many as give a workgroup some work
    LINE = 32,          ///< rows side by side that read a line of memory
    MOST_CHUNKS = 4096, ///< of a row
};

// A CPU driver runs lanes as one vector, of which each has outputs of its own.
struct weft_order_product weft_order_packed(const struct weft_profile *p, uint64_t blocks) {
    uint32_t lanes = blocks <= 8 ? 8 : blocks <= 24 ? 16 : 32;
    return (struct weft_order_product){.lanes = p->software ? 1 : lanes, .slices = p->software ? 1 : SLICES};
}

uint32_t weft_order_turns(const struct weft_profile *p, uint64_t blocks) {
    struct weft_order_product o = weft_order_packed(p, blocks);
    return o.lanes / o.slices;
}

struct weft_order_product weft_order_plain(void) {
    return (struct weft_order_product){.piece = PIECE};
}

uint32_t weft_order_threads(const struct weft_profile *p) { return p->software ? 32 : 128; }

uint32_t weft_order_lanes(const struct weft_profile *p, uint64_t n) {
    return n <= WEFT_ORDER_SHORT ? 1 : weft_order_threads(p) / LINE;
}

uint64_t weft_order_chunk(const struct weft_profile *p, uint64_t n, uint32_t lanes) {
    uint64_t chunk = (uint64_t)lanes * (p->software ? 256 : 32);
    if (n < 4 * chunk) return 0;
    uint64_t least = weft_ceil_div(n, MOST_CHUNKS);
    return weft_ceil_div(chunk > least ? chunk : least, lanes) * lanes;
}

uint32_t weft_order_keys(const struct weft_profile *p) { return p->software ? 128 : 64; }
