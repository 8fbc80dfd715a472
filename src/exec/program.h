/// A program: a compiled graph on a device. Pipelines, weights and transient heaps live here; it is immutable and
/// shared by sessions and threads.
#ifndef WEFT_EXEC_PROGRAM_H
#define WEFT_EXEC_PROGRAM_H
#include "compile/compile.h"
#include "gpu/gpu.h"
#include "plan/memory.h"
#include "weft/program.h" // weft_program, weft_memory_use, weft_program_memory, weft_program_destroy

/// Where weights come from: file-layout bytes of a graph weight, valid until the source is asked again. Where `get`
/// gives no data but a number of bytes, ranges of these are read, so that no weight need be in memory as a whole.
struct weft_weight_source {
    weft_status (*get)(void *user, const char *name, const void **data, uint64_t *bytes);
    void *user;
    /// Bytes offset .. offset + bytes - 1, written to `into` in order and without reading there, since it may be memory
    /// that the device copies from. Called by several threads at once, for the weight that was asked for last. NULL:
    /// `get` gives all data.
    weft_status (*read)(void *user, const char *name, uint64_t offset, uint64_t bytes, void *into);
    bool stays;                  ///< can be asked as long as the weights live, so that a lost device can be recovered
    void (*release)(void *user); ///< called once, when it will not be asked again; may be NULL
};

struct weft_program_params {
    struct weft_compile_params compile;
    struct weft_weight_source source;
    weft_program *share_weights; ///< take weights of equal name and layout from this program (both keep them alive)
    void (*progress)(void *user, enum weft_progress_stage stage, uint64_t done, uint64_t total); ///< may be NULL
    void *progress_user;
    /// Asked about the plan before anything is allocated; anything but OK ends the creation with it. May be NULL.
    weft_status (*accept)(void *user, const struct weft_plan *plan);
    void *accept_user;
};

/// Compiles `graph` (consumed in every case), makes pipelines, uploads weights. `gpu` must outlive the program.
weft_status weft_program_create(weft_gpu *gpu, struct weft_graph *graph, const struct weft_program_params *params,
                                weft_program **out);
const struct weft_plan *weft_program_plan(const weft_program *program);
weft_gpu *weft_program_gpu(const weft_program *program);
/// To be called when a source is freed before programs that share its weights: what `user` gave can't be loaded again.
void weft_program_forget_source(weft_program *program, void *user);
#endif
