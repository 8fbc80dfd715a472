/// The cost model, and the candidates that it compares.
#include "kernels/gemm/choose.h"
#include "plan/order.h"
#include "plan/round.h"

/// At most so many rows are staged at once, each of which has accumulators of its own.
#define MOST_STAGED 4
/// Lanes beside each other that at least stay so, which read a run of memory.
#define LEAST_BESIDE 8
/// Share of a CPU driver's rate that tiles leave, measured against lanes that read where the sides lie.
#define BARRIERS 0.4
/// Of some rows: least blocks of a piece of k, and threads that are wanted, as a multiple of the device's.
#define LEAST_ROWS_PIECE 16
/// Runs of a schedule may have fewer rows than it allows, so that k is cut for no more than these.
#define MOST_ROWS_DOWN 64
#define ROWS_WAVES 6
/// Least blocks of 32 columns of a piece of k.
#define LEAST_PIECE 32
/// Workgroup memory that staged rows leave to reductions and to the prologue, in bytes.
#define RESERVED 4096
/// Bytes of a block of 32 staged columns.
#define BLOCK_BYTES 128

/// Blocks of 32 columns that fit beside what is reserved.
static uint64_t room_of(const struct weft_profile *p) {
    return p->workgroup_memory > RESERVED ? (p->workgroup_memory - RESERVED) / BLOCK_BYTES : 0;
}

bool weft_gemm_row_fits(const struct weft_profile *p, uint64_t k) {
    return k > 0 && weft_ceil_div(k, 32) <= room_of(p);
}

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

/// A vector of workgroup memory, or of a cache, is read for every `per` multiplications of vectors: a GPU reads one
/// while it does four.
static double rate_of(const struct weft_profile *p, double per) {
    if (p->software) return 1;
    return per >= 4 ? 1 : per / 4;
}

static double few_cost(const struct weft_profile *p, const struct weft_gemm_extents *x,
                       const struct weft_gemm_choice *c) {
    double kb = (double)weft_ceil_div(x->k, 32), passes = (double)(x->batch * weft_ceil_div(x->m, c->rows));
    double own = (double)(c->threads / c->lanes * c->outputs), across = (double)weft_ceil_div(x->n, (uint64_t)own);
    // Each pass reads the weights, and each workgroup its rows, which a cache holds.
    double bytes = passes * (double)x->n * (double)x->k * x->weight_bytes + passes * c->rows * kb * 128;
    // A block is decoded once a pass, which costs about as much as one row.
    double macs = passes * across * own * kb * 32 * (c->rows + 1);
    double barriers = c->chunk < kb ? kb / c->chunk * (p->software ? 0.1 : 0.05) : 0;
    return cost_of(p, bytes, macs, rate_of(p, 1), passes * across, c->threads) + barriers;
}

/// Pieces of k, and what joining them costs beside the sums.
static double pieces_of(const struct weft_profile *p, const struct weft_gemm_extents *x,
                        const struct weft_gemm_choice *c) {
    if (c->turns) return (double)weft_order_turns(p, weft_ceil_div(x->k, 32)) / c->turns;
    return c->split ? (double)weft_ceil_div(weft_ceil_div(x->k, 32), c->split) : 1;
}
/// Sums of an output that are to be joined.
static double parts_of(const struct weft_profile *p, const struct weft_gemm_extents *x,
                       const struct weft_gemm_choice *c) {
    return c->turns ? (double)weft_order_turns(p, weft_ceil_div(x->k, 32)) : pieces_of(p, x, c);
}
static double join_cost(const struct weft_profile *p, const struct weft_gemm_extents *x,
                        const struct weft_gemm_choice *c) {
    double sums = (double)x->batch * (double)x->m * (double)x->n * parts_of(p, x, c);
    return c->split || c->turns ? p->step_us + 2 * 4 * sums / p->bytes_per_us : 0;
}

/// How much slower memory is than the device's where few workgroups ask for it.
static double shortage(const struct weft_profile *p, double groups, uint32_t threads) {
    double running = groups * threads;
    return running > 0 && running < p->slots ? p->slots / running : 1;
}

static double direct_cost(const struct weft_profile *p, const struct weft_gemm_extents *x,
                          const struct weft_gemm_choice *c) {
    uint64_t own = (uint64_t)(c->threads / c->lanes) * c->outputs;
    double down = (double)weft_ceil_div(x->m, c->rows), across = (double)weft_ceil_div(x->n, own),
           batch = (double)x->batch;
    double k = (double)(weft_ceil_div(x->k, 4) * 4), groups = batch * down * across * pieces_of(p, x, c);
    double bytes = batch * down * (double)x->n * k * x->weight_bytes + batch * (double)x->m * k * 4;
    double macs = batch * down * across * (double)own * k * c->rows;
    double per = 2.0 * c->outputs * c->rows / (c->outputs + c->rows);
    bytes *= shortage(p, groups, c->threads);
    return cost_of(p, bytes, macs, rate_of(p, per), groups, c->threads) + join_cost(p, x, c);
}

static double tiled_cost(const struct weft_profile *p, const struct weft_gemm_extents *x,
                         const struct weft_gemm_choice *c) {
    double down = (double)weft_ceil_div(x->m, c->rows), across = (double)weft_ceil_div(x->n, c->columns);
    double kb = (double)weft_ceil_div(x->k, 32), tiles = (double)x->batch * down * across;
    double bytes = (double)x->batch * ((double)x->n * (double)x->k * x->weight_bytes + (double)x->m * (double)x->k * 4);
    double macs = tiles * kb * 32 * c->columns * (c->rows + 1.0);
    double tm = (double)c->rows * c->lanes / c->threads, tn = (double)c->columns / c->lanes;
    double groups = tiles * pieces_of(p, x, c), rate = rate_of(p, 2 * tm * tn / (tm + tn));
    if (p->software && !x->packed) rate = BARRIERS;
    if (!x->packed) bytes *= shortage(p, groups, c->threads);
    return cost_of(p, bytes, macs, rate, groups, c->threads) + join_cost(p, x, c);
}

static uint64_t columns_of(const struct weft_gemm_extents *x) { return x->all_n ? x->all_n : x->n; }

static double rows_cost(const struct weft_profile *p, const struct weft_gemm_extents *x,
                        const struct weft_gemm_choice *c) {
    double down = (double)(x->batch * weft_ceil_div(x->m, c->rows)), n = (double)columns_of(x);
    double kb = (double)weft_ceil_div(x->k, 32), own = (double)c->lanes * c->outputs;
    double tiles = down * (double)weft_ceil_div((uint64_t)n, (uint64_t)own);
    double bytes = n * (double)x->k * x->weight_bytes + (double)x->m * (double)x->k * 4;
    // A vector of the left side is read for `outputs` multiplications; decoding costs about as much as eight rows.
    double macs = tiles * kb * 32 * own * (c->rows + 8.0), pieces = pieces_of(p, x, c), groups = tiles * pieces;
    struct weft_gemm_extents all = *x;
    all.n = (uint64_t)n;
    bytes *= shortage(p, groups, c->threads);
    return cost_of(p, bytes, macs, rate_of(p, 2 * c->outputs), groups, c->threads) + join_cost(p, &all, c);
}

double weft_gemm_cost(const struct weft_profile *p, const struct weft_gemm_extents *x,
                      const struct weft_gemm_choice *c) {
    return c->kernel == WEFT_GEMM_FEW      ? few_cost(p, x, c)
           : c->kernel == WEFT_GEMM_ROWS   ? rows_cost(p, x, c)
           : c->kernel == WEFT_GEMM_DIRECT ? direct_cost(p, x, c)
                                           : tiled_cost(p, x, c);
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
    uint64_t kb = weft_ceil_div(x->k, 32), room = room_of(p);
    uint32_t most = x->m < MOST_STAGED ? (uint32_t)x->m : MOST_STAGED;
    const struct weft_tile *t = weft_tile_of(p,
                                             x->n >= WEFT_HEAD_ROWS ? WEFT_TILE_MATVEC_HEAD
                                             : x->n_anchors > 1     ? WEFT_TILE_MATVEC_PAIR
                                                                    : WEFT_TILE_MATVEC,
                                             kb);
    struct weft_gemm_choice c = {
        .kernel = WEFT_GEMM_FEW, .threads = t->threads, .lanes = t->lanes, .outputs = t->rows, .chunk = (uint32_t)kb};
    if (p->invariant) c.threads = weft_order_threads(p), c.lanes = weft_order_packed(p, kb).lanes;
    if (most == 0) most = 1;
    if (kb <= room) {
        c.rows = most < room / kb ? most : (uint32_t)(room / kb);
        offer(p, x, best, c);
    }
    if (x->prologue || (kb <= room && c.rows == most) || room < c.lanes) return;
    c.rows = most < room / c.lanes ? most : (uint32_t)(room / c.lanes);
    // Chunks of about equal length, in which every lane has the same number of blocks.
    uint64_t chunks = weft_ceil_div(kb, room / c.rows / c.lanes * c.lanes);
    c.chunk = (uint32_t)(weft_ceil_div(weft_ceil_div(kb, chunks), c.lanes) * c.lanes);
    offer(p, x, best, c);
}

/// Lanes are moved from directions that are shorter than they.
struct weft_gemm_choice weft_gemm_direct(const struct weft_profile *p, const struct weft_gemm_extents *x) {
    const struct weft_tile *t = weft_tile_of(p, WEFT_TILE_MATVEC_DIRECT, weft_ceil_div(x->k, 32));
    uint64_t quads = weft_ceil_div(x->k, 4);
    uint32_t along = x->across ? t->threads / t->lanes : t->lanes, beside = t->threads / along, outputs = t->columns;
    while (along > 1 && along >= 2 * quads) along /= 2, beside *= 2;
    while (outputs > 1 && (uint64_t)beside * outputs >= 2 * x->n) outputs /= 2;
    while (beside > 1 && beside >= 2 * x->n && along < quads) along *= 2, beside /= 2;
    struct weft_gemm_choice c = {.kernel = WEFT_GEMM_DIRECT, .threads = t->threads};
    c.rows = x->m < t->rows ? (uint32_t)x->m : t->rows;
    if (c.rows == 0) c.rows = 1;
    // Where workgroups are too few for the device, each has less to do, and more lanes along k do it. A lane that reads
    // across has four words under way where one along k has four vectors, so that it takes more lanes to wait as
    // little.
    uint64_t wanted = (x->across && !p->software ? 8 : 1) * (uint64_t)p->slots / t->threads,
             down = x->batch * weft_ceil_div(x->m, c.rows);
    while (outputs > 1 && down * weft_ceil_div(x->n, (uint64_t)beside * outputs) < wanted) outputs /= 2;
    while (beside > LEAST_BESIDE && along < quads && down * weft_ceil_div(x->n, beside) < wanted)
        along *= 2, beside /= 2;
    c.lanes = along;
    c.outputs = outputs;
    c.us = weft_gemm_cost(p, x, &c);
    return c;
}

/// The same in pieces of k, as many as give the device work, if outputs alone do not.
static void offer_pieces(const struct weft_profile *p, const struct weft_gemm_extents *x, uint64_t groups,
                         struct weft_gemm_choice *best) {
    uint64_t kb = weft_ceil_div(x->k, 32), running = groups * best->threads;
    uint64_t wanted = running ? weft_ceil_div(p->slots, running) : 0;
    if (x->packed || wanted < 2 || kb < 2 * LEAST_PIECE) return;
    struct weft_gemm_choice c = *best;
    uint64_t chunk = weft_ceil_div(kb, wanted);
    c.split = (uint32_t)(chunk < LEAST_PIECE ? LEAST_PIECE : chunk);
    if (p->invariant) c.split = weft_order_plain().piece; // the same sums as of one workgroup
    offer(p, x, best, c);
}

static struct weft_gemm_choice best_direct(const struct weft_profile *p, const struct weft_gemm_extents *x) {
    struct weft_gemm_choice c = weft_gemm_direct(p, x);
    uint64_t own = (uint64_t)(c.threads / c.lanes) * c.outputs;
    offer_pieces(p, x, x->batch * weft_ceil_div(x->m, c.rows) * weft_ceil_div(x->n, own), &c);
    return c;
}

uint64_t weft_gemm_few_rows(const struct weft_profile *p) { return p->slices ? 1 : WEFT_FEW_ROWS; }

uint32_t weft_gemm_rows_staged(const struct weft_gemm_choice *c) { return 2 * c->rows * 8 * (c->threads / c->lanes); }

/// Turns of a workgroup, all of which are as many; 0: one workgroup has them all.
static uint32_t turns_of(uint32_t turns, uint64_t workgroups) {
    uint32_t each = turns;
    while (each > 1 && turns / each < workgroups) each /= 2;
    return each < turns ? each : 0;
}

/// Tiles of rows that fit workgroup memory, in pieces of k where tiles alone are too few for the device.
static struct weft_gemm_choice rows_of(const struct weft_profile *p, const struct weft_gemm_extents *x) {
    const struct weft_tile *t = weft_tile_of(p, WEFT_TILE_MATROWS, x->m);
    struct weft_gemm_choice c = {
        .kernel = WEFT_GEMM_ROWS, .threads = t->threads, .lanes = t->lanes, .outputs = t->columns, .rows = t->rows};
    uint64_t room = p->workgroup_memory / 16, kb = weft_ceil_div(x->k, 32);
    if (p->invariant) { // the order has its own slices, whatever a tuned shape has
        uint32_t slices = weft_order_packed(p, kb).slices;
        while (c.lanes > 1 && c.lanes * slices > t->threads) c.lanes /= 2;
        c.threads = c.lanes * slices;
    }
    uint32_t held = c.outputs, slices = c.threads / c.lanes; // sums of a row that a thread may have
    while (held < x->n_anchors) held *= 2;
    while (c.rows > 4 && c.rows > c.lanes / 8 &&
           (weft_gemm_rows_staged(&c) > room || (uint64_t)c.rows * held / 4 * c.threads > room))
        c.rows /= 2;
    uint64_t down = weft_ceil_div(x->m < MOST_ROWS_DOWN ? x->m : MOST_ROWS_DOWN, c.rows);
    uint64_t tiles = down * weft_ceil_div(columns_of(x), (uint64_t)c.lanes * c.outputs);
    uint64_t pieces = (uint64_t)ROWS_WAVES * p->slots / c.threads / (tiles ? tiles : 1);
    if (p->invariant) c.turns = turns_of(weft_order_turns(p, kb), pieces);
    else if (pieces > 1 && kb >= 2 * LEAST_ROWS_PIECE) {
        uint64_t piece = weft_ceil_div(weft_ceil_div(kb, pieces), slices) * slices;
        c.split = (uint32_t)(piece < LEAST_ROWS_PIECE ? LEAST_ROWS_PIECE : piece);
        if (c.split >= kb) c.split = 0;
    }
    c.us = weft_gemm_cost(p, x, &c);
    return c;
}

struct weft_gemm_choice weft_gemm_tiles(const struct weft_profile *p, const struct weft_gemm_extents *x) {
    const struct weft_tile *t = weft_tile_of(p, WEFT_TILE_MATMUL, x->m);
    struct weft_gemm_choice c = {.kernel = WEFT_GEMM_TILED,
                                 .threads = t->threads,
                                 .lanes = t->lanes,
                                 .rows = t->rows,
                                 .columns = t->columns,
                                 .whole_blocks = x->packed && t->unroll};
    c.us = weft_gemm_cost(p, x, &c);
    return c;
}

static bool can_take_rows(const struct weft_profile *p, const struct weft_gemm_extents *x) {
    return p->slices && x->packed && !x->prologue && x->n > 0 && x->k > 0 && x->m > weft_gemm_few_rows(p);
}

bool weft_gemm_takes_rows(const struct weft_profile *p, const struct weft_gemm_extents *x) {
    return can_take_rows(p, x) && x->m <= WEFT_GEMM_MOST_ROWS;
}

/// True if the difference between costs is beyond doubt.
static bool clearly_less(const struct weft_profile *p, double us, double other) {
    return other > WEFT_GEMM_DOUBT * us && other - us > WEFT_GEMM_DOUBT_STEPS * p->step_us;
}

struct weft_gemm_choice weft_gemm_choose(const struct weft_profile *p, const struct weft_gemm_extents *x) {
    struct weft_gemm_choice few = {0}, tiled = weft_gemm_tiles(p, x);
    offer_pieces(p, x, x->batch * weft_ceil_div(x->m, tiled.rows) * weft_ceil_div(x->n, tiled.columns), &tiled);
    if (can_take_rows(p, x)) {
        struct weft_gemm_choice rows = rows_of(p, x);
        return x->m <= WEFT_GEMM_MOST_ROWS || clearly_less(p, rows.us, tiled.us) ? rows : tiled;
    }
    if (x->packed && x->n > 0 && x->k > 0 && x->m <= WEFT_GEMM_MOST_FEW) offer_few(p, x, &few);
    if (!x->packed && p->invariant) return tiled; // lanes along k would have an order of their own
    if (!x->packed) { // barriers cost a CPU driver more than tiles save it, however many rows there are
        few = x->m <= WEFT_GEMM_MOST_FEW || p->software ? best_direct(p, x) : tiled;
        return few.us < tiled.us ? few : tiled;
    }
    if (few.threads == 0) return tiled;
    // Fusion counts on few rows being staged, at any cost. For more rows the difference must be beyond doubt.
    return x->m <= WEFT_FEW_ROWS || clearly_less(p, few.us, tiled.us) ? few : tiled;
}
