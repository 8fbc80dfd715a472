/// Plans: what compiling a graph results in, to look at. A plan takes no memory on the device and no weights, so those
/// of the largest models can be made anywhere, on the null device too. A program (weft/program.h) is a plan that runs.
#ifndef WEFT_PLAN_H
#define WEFT_PLAN_H
#include "weft/program.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Immutable. Thread-safety: safe.
typedef struct weft_plan weft_plan;

/// A state of each session, as the plan lays it out.
struct weft_plan_state_info {
    const char *name; ///< lives as long as the plan
    enum weft_state_kind kind;
    uint32_t buffers;         ///< 1 or 2, by its policy
    uint64_t rows, row_bytes; ///< of each buffer, of all slots
    uint64_t bytes;           ///< of all buffers; of a paged state, of all pages of full contexts
    uint32_t context;         ///< of paged states: number for weft_plan_context_at
    uint64_t reserved[4];     ///< zero
};

/// Paged states whose pages are taken together, as positions are reached.
struct weft_plan_context_info {
    uint64_t positions;   ///< capacity
    uint64_t page_rows;   ///< positions that a page holds
    uint64_t page_bytes;  ///< of a page, in all states together
    uint64_t pages;       ///< when it is full
    uint64_t slots;       ///< so many contexts there are, one for each sequence
    uint64_t reserved[3]; ///< zero
};

/// Compiles *graph for a device without making anything on it. Takes the graph in every case: *graph becomes NULL. Of
/// `params`, which may be NULL, weights are not used, and of progress there is the stage PLAN. On failure *out is NULL.
/// Errors: those of weft_program_compile that concern the graph and its size; CANCELLED.
WEFT_API weft_status weft_plan_make(const weft_device *device, weft_graph **graph,
                                    const struct weft_program_compile_params *params, weft_plan **out);
/// Frees a plan and sets *plan to NULL. NULL, or a pointer to NULL, is fine.
WEFT_API void weft_plan_free(weft_plan **plan);

/// Writes the plan as weft_program_print does that of a program.
WEFT_API weft_status weft_plan_text(const weft_plan *plan, bool json, char *text, size_t capacity, size_t *length);
/// The memory that a program of the plan and each of its sessions would take. Weights that another program owns are not
/// counted. `plan` must not be NULL.
WEFT_API struct weft_memory_use weft_plan_memory(const weft_plan *plan);
/// Fills *out; false behind the last state, and for NULL.
WEFT_API bool weft_plan_state_at(const weft_plan *plan, size_t index, struct weft_plan_state_info *out);
/// Fills *out; false behind the last context, and for NULL.
WEFT_API bool weft_plan_context_at(const weft_plan *plan, size_t index, struct weft_plan_context_info *out);

/// The passes of the compiler in their order: name, and a sentence on what it leaves. Static storage; NULL pointers are
/// fine. False behind the last.
WEFT_API bool weft_plan_pass(size_t index, const char **name, const char **leaves);
/// Compiles as weft_plan_make does and gives `text` what stands behind a pass, in one piece, not ended by NUL: the
/// graph, the groups of nodes or the steps. It is called after a failure too, with how far the compiler came. Errors
/// also: NOT_FOUND (no such pass).
WEFT_API weft_status weft_plan_show(const weft_device *device, weft_graph **graph,
                                    const struct weft_program_compile_params *params, const char *pass,
                                    void (*text)(void *user, const char *text, size_t length), void *user);

#ifdef __cplusplus
}
#endif
#endif
