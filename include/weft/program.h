/// Programs: a graph compiled for a device.
///
/// Compiling plans everything that a run does: kernels, dispatches, memory. What the compiler puts out is what is
/// replayed from the first run on; there is no warm-up and no recording. A program holds its weights, its pipelines and
/// the memory for intermediate values; a session (weft/session.h) holds what one user of it has.
#ifndef WEFT_PROGRAM_H
#define WEFT_PROGRAM_H
#include "weft/cancel.h"
#include "weft/device.h"
#include "weft/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/// A compiled graph. Immutable. Thread-safety: safe; sessions of several threads may share it.
typedef struct weft_program weft_program;

/// Bytes of one weight: row-major, in its element type; quantised types in the block layout of GGUF files.
struct weft_weight {
    const char *name;
    const void *data;
    uint64_t bytes;
};

/// What a progress callback is told of. Stages follow each other in the order OPEN, PLAN, WEIGHTS, COMPILE, and one in
/// which there is nothing to do is left out. Within a stage `total` stays, and `done` rises from call to call and ends
/// with `total`, unless the call fails. The callback is called by the thread that made the call, outside locks; it may
/// call anything but what would destroy what is being made.
enum weft_progress_stage {
    WEFT_PROGRESS_COMPILE, ///< counts pipelines
    WEFT_PROGRESS_WEIGHTS, ///< counts bytes on the device
    WEFT_PROGRESS_OPEN,    ///< counts steps of reading a model's file
    WEFT_PROGRESS_PLAN,    ///< counts the graph as a whole, then each schedule
};

/// How numbers are computed. Both are exact f32: values that the compiler introduces and sums are f32.
enum weft_numbers {
    WEFT_NUMBERS_F32, ///< sums in the order that is fastest for the sizes of a run
    /// The order of a sum depends on its length alone, and for attention on the positions of keys, in all kernels: what
    /// a token gives is the same to the bit in any run, alone or beside any others (docs/numbers.md). Slower.
    WEFT_NUMBERS_INVARIANT,
};

/// "f32", "invariant"; NULL for what is none.
WEFT_API const char *weft_numbers_name(enum weft_numbers numbers);

/// How to compile. Zero is the default of each field. All that it points to need only live until the call returns,
/// unless `weights_stay` says more.
struct weft_program_compile_params {
    size_t struct_size; ///< WEFT_SIZED, or 0 (weft/version.h)
    /// Weights by name. Those that reach no output and no state through any operator need not be given, and are not
    /// looked at if they are.
    const struct weft_weight *weights;
    size_t n_weights;
    /// Asked for weights that are not in `weights`; returns a status, which ends compiling if it is not WEFT_OK. The
    /// data must stay until compiling returns, or be NULL (see weight_read). NULL: there are no others.
    weft_status (*weight)(void *user, const char *name, const void **data, uint64_t *bytes);
    void *weight_user;
    /// Promises that `weights` with all that it points to, and `weight` with its user, stay valid until this program
    /// and all that share its weights have been destroyed. Then weft_device_recover can read them again after a loss,
    /// from the thread that calls it; what `weight` gives must stay until its next call or the end of that. Without it
    /// such a program is lost with its device, unless it has no weights.
    bool weights_stay;
    /// Cuts the range of one symbol, so that each part gets kernels of its own: "T" at {1, 16} makes [lo, 1], [2, 16]
    /// and [17, hi]. Rising values, at most 8. NULL: one part.
    const char *split_symbol;
    const int64_t *split_at;
    size_t n_splits;
    /// Takes weights of equal name, type and shape from this program of the same device instead of loading them again.
    /// Either program may be destroyed first. NULL: none.
    weft_program *share_weights;
    /// Rows of a page of paged states: a power of two from 4 to 4096. 0: chosen.
    uint32_t page_rows;
    /// Policy of all states that can have it; the plan's report names those that stay in place. Pairs of past and
    /// present are shared by it, or with SEPARATE kept apart. 0: each as the graph says.
    enum weft_state_policy state_policy;
    enum weft_numbers numbers;
    /// May be NULL: see enum weft_progress_stage.
    void (*progress)(void *user, enum weft_progress_stage stage, uint64_t done, uint64_t total);
    void *progress_user;
    const struct weft_cancel *cancel; ///< ends compiling with CANCELLED; may be NULL. Needs WEFT_SIZED
    /// Where `weight` gives no data but a number of bytes, ranges of these are asked for, so that no weight need be in
    /// memory as a whole: bytes offset .. offset + bytes - 1 of the weight that was asked for last, to be written to
    /// `into` in order and without reading there, which is slow where the device copies from it. Called with
    /// weight_user by several threads at once, for ranges of some 256 KiB, or of a few rows if these are longer. A
    /// status that is not WEFT_OK ends compiling. `weights_stay` holds for it, too. NULL: all data is given. Needs
    /// WEFT_SIZED.
    weft_status (*weight_read)(void *user, const char *name, uint64_t offset, uint64_t bytes, void *into);
};

/// Bytes on the device: weights and transients are one program's, the rest one session's.
struct weft_memory_use {
    uint64_t weights;
    uint64_t states;     ///< variables, page tables, dense and ring states
    uint64_t pages;      ///< the pool, when one session has filled its context, of every slot; taken page by page
    uint64_t transients; ///< intermediate values, packed by lifetime
    uint64_t params;     ///< parameter blocks of the kernels
    uint64_t io;         ///< inputs and outputs at their largest
    uint64_t staging;
    uint64_t reserved[4]; ///< zero
};

/// Compiles *graph for a device, makes the pipelines and uploads the weights. Slow (from milliseconds to seconds,
/// mostly in the driver): compile once, run often. Takes the graph in every case: *graph becomes NULL. `params` may be
/// NULL. The device must outlive the program. On failure *out is NULL and nothing leaks. Blocks; a thread of its own
/// may do it while others run sessions, read and compile on the same device (examples/event_loop.c). Errors: INVALID
/// (graph, split, a weight without data), NOT_FOUND and FORMAT (weights), UNSUPPORTED (no kernel), LIMIT (larger than
/// the device allows; names what), CANCELLED, NOMEM, DEVICE, LOST.
WEFT_API weft_status weft_program_compile(weft_device *device, weft_graph **graph,
                                          const struct weft_program_compile_params *params, weft_program **out);

/// The memory that a program and each of its sessions take; all zero for NULL.
WEFT_API struct weft_memory_use weft_program_memory(const weft_program *program);

/// Writes the plan: schedules, steps, bindings, memory, what was fused and copied and why; as text or JSON. Writes at
/// most `capacity` bytes with the closing NUL and sets *length to the length without it. `text` may be NULL if
/// `capacity` is 0, to ask for the length alone. Errors: LIMIT (the text does not fit; *length is set), NOMEM.
WEFT_API weft_status weft_program_print(const weft_program *program, bool json, char *text, size_t capacity,
                                        size_t *length);

/// Frees a program and sets *program to NULL. Its sessions must have been destroyed. NULL, or a pointer to NULL, is
/// fine.
WEFT_API void weft_program_destroy(weft_program **program);

#ifdef __cplusplus
}
#endif
#endif
