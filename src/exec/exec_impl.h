/// Shared by the files of exec only.
#ifndef WEFT_EXEC_EXEC_IMPL_H
#define WEFT_EXEC_EXEC_IMPL_H
#include "exec/pages.h"
#include "exec/program.h"
#include "plan/update.h"
#include <pthread.h>
#include <stdatomic.h>

/// Weight buffers, reference-counted: programs that use the same weights keep them alive together.
struct weft_shards {
    atomic_uint refs;
    weft_gpu *gpu;
    struct weft_shards *parent; ///< owner of the first `base` shards, or NULL
    uint32_t base, n;           ///< bufs[i] is shard base + i
    weft_buf *bufs;
};

weft_buf weft_shards_buf(const struct weft_shards *s, uint32_t shard);
void weft_shards_release(struct weft_shards *s);
/// Makes the buffers of a plan's own shards and uploads weights from the source, a few MiB at a time.
weft_status weft_shards_create(weft_gpu *gpu, const struct weft_plan *plan, struct weft_shards *parent,
                               const struct weft_program_params *params, struct weft_shards **out);

struct weft_program {
    weft_gpu *gpu;
    struct weft_plan *plan;
    weft_pipeline *pipelines;
    struct weft_shards *shards;
    weft_buf heaps[WEFT_HEAPS];
    struct weft_pool *pool; ///< of paged states; NULL: the plan has none
    // The submits of one run are contiguous, because the heaps are common to all sessions: weft_program_enter. The lock
    // is never held while anything is waited for, so that whoever waits for `busy` to end can be cancelled.
    pthread_mutex_t lock;
    pthread_cond_t left;
    bool busy;
    uint32_t max_steps;
};

/// Begins a run: waits until no other session is in the middle of one. Errors: CANCELLED, when *cancelled becomes true.
weft_status weft_program_enter(weft_program *program, const atomic_bool *cancelled);
void weft_program_leave(weft_program *program);
/// The same for work on the pool's pages, which can't be cancelled. Ends with weft_program_leave.
void weft_program_enter_pool(weft_program *program);
/// Has everyone who waits in weft_program_enter look at its flag again.
void weft_program_wake(weft_program *program);

#define WEFT_PARAM_VERSIONS 8 ///< parameter blocks of so many recent sizes are kept

/// Bytes of an input's or output's buffer.
uint64_t weft_plan_io_bytes(const struct weft_plan *plan, uint32_t io);
#endif
