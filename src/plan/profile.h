/// What kernels are shaped by: a profile, made once from a device's capabilities, and one table of tile shapes.
///
/// Nothing in plan/, kernels/ or ops/ asks what kind of device it compiles for (`lint.sh profile`). A trait that
/// decides how a text is written is a field of the profile; a number that was measured is a row of the table in
/// profile.c, by the use that a kernel makes of it, the size class of its shape, and the profile.
#ifndef WEFT_PLAN_PROFILE_H
#define WEFT_PLAN_PROFILE_H
#include "core/arena.h"
#include "gpu/caps.h"
#include "weft/status.h"

struct weft_tile;
struct weft_profile {
    /// A driver that runs a workgroup as vectors of a CPU. Such a driver gains nothing from text that is longer than it
    /// must be, and compiles it slowly.
    bool software;
    /// Text may hold a row's elements in variables between passes, and write several elements side by side.
    bool unrolls;
    /// Some rows by a packed weight are computed by threads that hold a slice of k each, and only one row is staged
    /// whole.
    bool slices;
    uint32_t workgroup_memory; ///< bytes
    uint32_t max_threads;      ///< of a workgroup
    /// Orders of sums are those of plan/order.h, and nothing depends on rows beside. Asked for, not a device's.
    bool invariant;
    // What costs are modelled with: orders of magnitude, which only ever compare kernels for one device.
    double bytes_per_us; ///< from the device's memory
    double macs_per_us;  ///< multiplications with an addition, f32
    double step_us;      ///< of a dispatch
    uint32_t slots;      ///< threads that keep its arithmetic busy
    /// NULL, or a copy of the table with what a file says of this device: WEFT_TILE_CLASSES shapes a use.
    const struct weft_tile *tuned;
};

struct weft_profile weft_profile_make(const struct weft_gpu_caps *caps);

/// What a shape is for. The comment says what its class is: the size by which rows of the table are chosen.
enum weft_tile_use {
    WEFT_TILE_ELEMENTS,       ///< an element or four a thread (gather, pad, convolution, gates); class: none
    WEFT_TILE_COPY,           ///< a run of memory a thread; class: none
    WEFT_TILE_ROWS,           ///< reductions of rows; class: columns
    WEFT_TILE_BESIDE,         ///< reductions of rows that lie side by side; class: columns
    WEFT_TILE_MATVEC,         ///< few rows by a packed weight; class: columns in blocks of 32
    WEFT_TILE_MATVEC_PAIR,    ///< the same for several weights that an epilogue combines
    WEFT_TILE_MATVEC_HEAD,    ///< the same for a weight of WEFT_HEAD_ROWS rows or more
    WEFT_TILE_MATVEC_DIRECT,  ///< few rows by a right side that is no packed weight; class: columns in blocks of 32
    WEFT_TILE_MATROWS,        ///< some rows by a packed weight; class: rows
    WEFT_TILE_MATMUL,         ///< many rows; class: rows
    WEFT_TILE_ATTENTION,      ///< class: rows of queries of a tile
    WEFT_TILE_ATTENTION_JOIN, ///< joins the pieces of attention; class: none
    WEFT_TILE_RECURRENT,      ///< linear attention; class: none
    WEFT_TILE_USES,
};

#define WEFT_HEAD_ROWS 65536

/// A shape; a use has those fields that its comment in profile.c names.
struct weft_tile {
    uint32_t threads; ///< of a workgroup; where a kernel adapts it, the least
    uint32_t lanes;   ///< threads that share an output
    uint32_t rows;    ///< of a tile, or outputs of a lane
    uint32_t columns; ///< of a tile
    uint32_t block;   ///< elements of the walked axis at once
    uint32_t unroll;  ///< turns of the innermost loop side by side
    uint32_t loads;   ///< elements that a thread has under way
};

/// The shape for a use at `size` of its class. Never NULL.
const struct weft_tile *weft_tile_of(const struct weft_profile *p, enum weft_tile_use use, uint64_t size);

#define WEFT_TILE_CLASSES 4 ///< most rows that a use has in the table
/// Largest size of class number `i` of a use, UINT64_MAX for the last; 0 where there is no such class.
uint64_t weft_tile_class(enum weft_tile_use use, uint32_t i);

/// Reads shapes that were measured from a file (docs/kernels.md, "Measured shapes") and lets weft_tile_of give them.
/// The copy of the table lies in `arena`. Errors: NOT_FOUND, IO, FORMAT (line and what is wrong), LIMIT (a shape that
/// this device or the kernel does not have), NOMEM; the profile is then as it was.
weft_status weft_profile_tune(struct weft_profile *p, const char *path, struct weft_arena *arena);
/// The same for the text of a file; `name` is used in messages.
weft_status weft_profile_tune_text(struct weft_profile *p, const char *name, const char *text,
                                   struct weft_arena *arena);
#endif
