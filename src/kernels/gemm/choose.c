/// The cost model, and the candidates that it compares.
#include "kernels/gemm/choose.h"

/// At most so many rows are staged at once, each of which has accumulators of its own.
#define MOST_STAGED 4
/// Beyond so many rows all is computed in tiles: a weight would be read too often, whatever the model says.
#define MOST_FEW 64
/// Workgroup memory that staged rows leave to reductions and to the prologue, in bytes.
#define RESERVED 4096
/// Bytes of a block of 32 staged columns.
#define BLOCK_BYTES 128

static uint64_t ceil_div(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

/// Blocks of 32 columns that fit beside what is reserved.
static uint64_t room_of(const struct weft_profile *p) {
    return p->workgroup_memory > RESERVED ? (p->workgroup_memory - RESERVED) / BLOCK_BYTES : 0;
}

bool weft_gemm_row_fits(const struct weft_profile *p, uint64_t k) { return k > 0 && ceil_div(k, 32) <= room_of(p); }

// ---- cost ----------------------------------------------------------------------------------------------------------

/// Times of a step: `bytes` from memory, then `macs` at the share `rate` of the device's rate, by `groups` workgroups
/// that run in whole waves. A GPU hides one time behind the other only in part, so that they add up.
static double cost_of(const struct weft_profile *p, double bytes, double macs, double rate, double groups,
                      uint32_t threads) {
    double running = groups * threads, waves = running / p->slots;
    double whole = (double)(uint64_t)waves + (waves > (double)(uint64_t)waves);
    double idle = running > 0 ? whole / waves : 1;
    return p->step_us + bytes / p->bytes_per_us + macs / (p->macs_per_us * rate) * idle;
}

/// A vector of workgroup memory is read for every `per` multiplications of vectors: a GPU reads one while it does four.
static double rate_of(const struct weft_profile *p, double per) {
    if (p->software) return 1;
    return per >= 4 ? 1 : per / 4;
}

static double few_cost(const struct weft_profile *p, const struct weft_gemm_extents *x,
                       const struct weft_gemm_choice *c) {
    double kb = (double)ceil_div(x->k, 32), passes = (double)(x->batch * ceil_div(x->m, c->rows));
    double own = (double)(c->threads / c->lanes * c->outputs), across = (double)ceil_div(x->n, (uint64_t)own);
    // Each pass reads the weights, and each workgroup its rows, which a cache holds.
    double bytes = passes * (double)x->n * (double)x->k * x->weight_bytes + passes * c->rows * kb * 128;
    // A block is decoded once a pass, which costs about as much as one row.
    double macs = passes * across * own * kb * 32 * (c->rows + 1);
    double barriers = c->chunk < kb ? kb / c->chunk * (p->software ? 0.1 : 0.05) : 0;
    return cost_of(p, bytes, macs, rate_of(p, 1), passes * across, c->threads) + barriers;
}

static double tiled_cost(const struct weft_profile *p, const struct weft_gemm_extents *x,
                         const struct weft_gemm_choice *c) {
    double down = (double)ceil_div(x->m, c->rows), across = (double)ceil_div(x->n, c->columns);
    double kb = (double)ceil_div(x->k, 32), tiles = (double)x->batch * down * across;
    double bytes = (double)x->batch * ((double)x->n * (double)x->k * x->weight_bytes + (double)x->m * (double)x->k * 4);
    double macs = tiles * kb * 32 * c->columns * (c->rows + 1.0);
    double tm = (double)c->rows * c->lanes / c->threads, tn = (double)c->columns / c->lanes;
    return cost_of(p, bytes, macs, rate_of(p, 2 * tm * tn / (tm + tn)), tiles, c->threads);
}

double weft_gemm_cost(const struct weft_profile *p, const struct weft_gemm_extents *x,
                      const struct weft_gemm_choice *c) {
    return c->kernel == WEFT_GEMM_FEW ? few_cost(p, x, c) : tiled_cost(p, x, c);
}

// ---- candidates ----------------------------------------------------------------------------------------------------

/// Takes `c` if it is cheaper than what there is.
static void offer(const struct weft_profile *p, const struct weft_gemm_extents *x, struct weft_gemm_choice *best,
                  struct weft_gemm_choice c) {
    c.us = weft_gemm_cost(p, x, &c);
    if (best->threads == 0 || c.us < best->us) *best = c;
}

/// Rows staged whole, as many at once as fit; and, unless a prologue wants them whole, in chunks.
static void offer_few(const struct weft_profile *p, const struct weft_gemm_extents *x, struct weft_gemm_choice *best) {
    uint64_t kb = ceil_div(x->k, 32), room = room_of(p);
    uint32_t most = x->m < MOST_STAGED ? (uint32_t)x->m : MOST_STAGED;
    const struct weft_tile *t = weft_tile_of(p,
                                             x->n >= WEFT_HEAD_ROWS ? WEFT_TILE_MATVEC_HEAD
                                             : x->n_anchors > 1     ? WEFT_TILE_MATVEC_PAIR
                                                                    : WEFT_TILE_MATVEC,
                                             kb);
    struct weft_gemm_choice c = {
        .kernel = WEFT_GEMM_FEW, .threads = t->threads, .lanes = t->lanes, .outputs = t->rows, .chunk = (uint32_t)kb};
    if (most == 0) most = 1;
    if (kb <= room) {
        c.rows = most < room / kb ? most : (uint32_t)(room / kb);
        offer(p, x, best, c);
    }
    if (x->prologue || (kb <= room && c.rows == most) || room < t->lanes) return;
    c.rows = most < room / t->lanes ? most : (uint32_t)(room / t->lanes);
    // Chunks of about equal length, in which every lane has the same number of blocks.
    uint64_t chunks = ceil_div(kb, room / c.rows / t->lanes * t->lanes);
    c.chunk = (uint32_t)(ceil_div(ceil_div(kb, chunks), t->lanes) * t->lanes);
    offer(p, x, best, c);
}

struct weft_gemm_choice weft_gemm_choose(const struct weft_profile *p, const struct weft_gemm_extents *x) {
    struct weft_gemm_choice few = {0}, tiled = {0};
    const struct weft_tile *t = weft_tile_of(p, WEFT_TILE_MATMUL, x->m);
    tiled = (struct weft_gemm_choice){.kernel = WEFT_GEMM_TILED,
                                      .threads = t->threads,
                                      .lanes = t->lanes,
                                      .rows = t->rows,
                                      .columns = t->columns,
                                      .whole_blocks = x->packed && t->unroll};
    tiled.us = weft_gemm_cost(p, x, &tiled);
    if (x->packed && x->n > 0 && x->k > 0 && x->m <= MOST_FEW) offer_few(p, x, &few);
    if (few.threads == 0) return tiled;
    // Fusion counts on few rows being staged, at any cost. For more rows the difference must be beyond doubt.
    bool clear = tiled.us > WEFT_GEMM_DOUBT * few.us && tiled.us - few.us > WEFT_GEMM_DOUBT_STEPS * p->step_us;
    return x->m <= WEFT_FEW_ROWS || clear ? few : tiled;
}
