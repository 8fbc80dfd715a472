/// The profile of a device, and the table of tile shapes.
#include "plan/profile.h"
#include <stddef.h>

struct weft_profile weft_profile_make(const struct weft_gpu_caps *caps) {
    bool software = caps->kind == WEFT_GPU_CPU, shared = caps->kind == WEFT_GPU_INTEGRATED;
    struct weft_profile p = {
        .software = software,
        .unrolls = !software,
        .slices = !software,
        .workgroup_memory = caps->workgroup_memory,
        .max_threads = caps->max_invocations,
        .bytes_per_us = software ? 2e4
                        : shared ? 1e5
                                 : 4e6,
        .macs_per_us = software ? 4e4
                       : shared ? 1e6
                                : 3e7,
        .step_us = software ? 20 : 2,
        .slots = software ? 64
                 : shared ? 1 << 12
                          : 1 << 14,
    };
    return p;
}

// ---- shapes --------------------------------------------------------------------------------------------------------

#define ANY UINT64_MAX

/// Rows of one use stand together, those of smaller classes first: a row holds up to size `most` of its class.
struct row {
    uint64_t most;
    struct weft_tile gpu, software;
};

// clang-format off
static const struct row elements[] = {
    {ANY, {.threads = 64}, {.threads = 16}},
};
static const struct row copy[] = {
    {ANY, {.threads = 64}, {.threads = 32}},
};
// block: least elements that a thread adds up of a row in chunks; columns: threads side by side that read a line of
// memory.
static const struct row rows[] = {
    {64,  {.threads = 32, .block = 32},  {.threads = 32, .block = 256}},
    {512, {.threads = 64, .block = 32},  {.threads = 64, .block = 256}},
    {ANY, {.threads = 256, .block = 32}, {.threads = 64, .block = 256}},
};
static const struct row beside[] = {
    {ANY, {.threads = 256, .columns = 32, .block = 32}, {.threads = 64, .columns = 32, .block = 256}},
};
// threads; lanes that share an output; rows: outputs of a lane. Measured on an H200: rows of a few hundred columns want
// 16 lanes, longer ones a subgroup; the long head wants fewer lanes and four rows each, so that more bytes are under
// way.
static const struct row matvec[] = {
    {8,   {.threads = 128, .lanes = 8, .rows = 1},  {.threads = 32, .lanes = 1, .rows = 4}},
    {24,  {.threads = 128, .lanes = 16, .rows = 1}, {.threads = 32, .lanes = 1, .rows = 4}},
    {ANY, {.threads = 128, .lanes = 32, .rows = 1}, {.threads = 32, .lanes = 1, .rows = 4}},
};
static const struct row matvec_pair[] = {
    {8,   {.threads = 128, .lanes = 8, .rows = 1},  {.threads = 32, .lanes = 1, .rows = 2}},
    {24,  {.threads = 128, .lanes = 16, .rows = 1}, {.threads = 32, .lanes = 1, .rows = 2}},
    {ANY, {.threads = 128, .lanes = 32, .rows = 1}, {.threads = 32, .lanes = 1, .rows = 2}},
};
static const struct row matvec_head[] = {
    {8,   {.threads = 128, .lanes = 2, .rows = 4},  {.threads = 64, .lanes = 1, .rows = 4}},
    {64,  {.threads = 128, .lanes = 4, .rows = 4},  {.threads = 64, .lanes = 1, .rows = 4}},
    {ANY, {.threads = 128, .lanes = 16, .rows = 4}, {.threads = 64, .lanes = 1, .rows = 4}},
};
// threads; lanes: along the direction in which the right side lies; rows: most of the left side, and columns: most of
// the right side that a lane has at once. A CPU driver is twice as fast with much work a lane as with tiles and
// barriers.
static const struct row matvec_direct[] = {
    {ANY, {.threads = 128, .lanes = 32, .rows = 4, .columns = 2}, {.threads = 16, .lanes = 4, .rows = 8, .columns = 4}},
};
// threads; lanes: threads along the columns; rows of a tile; columns of a thread. Measured on an H200: half the
// columns, other lanes and 64 or 256 threads are 3 to 15 % slower, four columns or 32 rows lose half to registers. CPU
// drivers don't take this kernel.
static const struct row matrows[] = {
    {4,   {.threads = 128, .lanes = 32, .rows = 4, .columns = 2},
          {.threads = 128, .lanes = 32, .rows = 4, .columns = 2}},
    {8,   {.threads = 128, .lanes = 32, .rows = 8, .columns = 2},
          {.threads = 128, .lanes = 32, .rows = 8, .columns = 2}},
    {ANY, {.threads = 128, .lanes = 32, .rows = 16, .columns = 2},
          {.threads = 128, .lanes = 32, .rows = 16, .columns = 2}},
};
// rows and columns of a tile; lanes: threads along its columns; unroll: 1 if a thread decodes a block of 32 at once.
// Measured: whole blocks are 25 % faster on an H200; quads compile and run faster on CPU drivers.
static const struct row matmul[] = {
    {8,   {.threads = 128, .rows = 8, .columns = 64, .lanes = 16, .unroll = 1},
          {.threads = 128, .rows = 8, .columns = 64, .lanes = 16}},
    {16,  {.threads = 128, .rows = 16, .columns = 64, .lanes = 16, .unroll = 1},
          {.threads = 128, .rows = 16, .columns = 64, .lanes = 16}},
    {ANY, {.threads = 128, .rows = 32, .columns = 64, .lanes = 16, .unroll = 1},
          {.threads = 128, .rows = 32, .columns = 64, .lanes = 16}},
};
// rows: most of a tile; lanes that share a key; block: keys of a piece; unroll: keys side by side; loads: most keys
// times quads under way. A CPU driver runs a workgroup as one vector of lanes, each of which walks whole keys; a
// GPU has lanes side by side on a key, so that they read consecutive memory.
static const struct row attention[] = {
    {4,   {.threads = 128, .rows = 16, .lanes = 16, .block = 32, .unroll = 8, .loads = 16},
          {.threads = 8, .rows = 4, .lanes = 1, .block = 128, .unroll = 1, .loads = 4}},
    {8,   {.threads = 128, .rows = 16, .lanes = 4, .block = 64, .unroll = 4, .loads = 8},
          {.threads = 8, .rows = 4, .lanes = 1, .block = 128, .unroll = 1, .loads = 4}},
    {ANY, {.threads = 128, .rows = 16, .lanes = 8, .block = 64, .unroll = 4, .loads = 16},
          {.threads = 8, .rows = 4, .lanes = 1, .block = 128, .unroll = 1, .loads = 4}},
};
static const struct row attention_join[] = {
    {ANY, {.threads = 128}, {.threads = 8}},
};
// threads: least of a token's step; block: most tokens of a chunk; columns: most of a tile; rows: most blocks of four
// tokens side by side.
static const struct row recurrent[] = {
    {ANY, {.threads = 64, .block = 64, .columns = 16, .rows = 4},
          {.threads = 8, .block = 16, .columns = 8, .rows = 1}},
};

static const struct row *const table[WEFT_TILE_USES] = {
    [WEFT_TILE_ELEMENTS] = elements,
    [WEFT_TILE_COPY] = copy,
    [WEFT_TILE_ROWS] = rows,
    [WEFT_TILE_BESIDE] = beside,
    [WEFT_TILE_MATVEC] = matvec,
    [WEFT_TILE_MATVEC_PAIR] = matvec_pair,
    [WEFT_TILE_MATVEC_HEAD] = matvec_head,
    [WEFT_TILE_MATVEC_DIRECT] = matvec_direct,
    [WEFT_TILE_MATROWS] = matrows,
    [WEFT_TILE_MATMUL] = matmul,
    [WEFT_TILE_ATTENTION] = attention,
    [WEFT_TILE_ATTENTION_JOIN] = attention_join,
    [WEFT_TILE_RECURRENT] = recurrent,
};
// clang-format on

const struct weft_tile *weft_tile_of(const struct weft_profile *p, enum weft_tile_use use, uint64_t size) {
    const struct row *r = table[use];
    while (size > r->most) r++;
    if (p->tuned) return &p->tuned[use * WEFT_TILE_CLASSES + (r - table[use])];
    return p->software ? &r->software : &r->gpu;
}

uint64_t weft_tile_class(enum weft_tile_use use, uint32_t i) {
    const struct row *r = table[use];
    for (; i && r->most != ANY; i--) r++;
    return i ? 0 : r->most;
}
