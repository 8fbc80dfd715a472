/// Shared by the files of exec only, those of a session included.
#ifndef WEFT_EXEC_EXEC_IMPL_H
#define WEFT_EXEC_EXEC_IMPL_H
#include "core/cancel.h"
#include "exec/prefix.h"
#include "exec/program.h"
#include "plan/update.h"
#include <pthread.h>
#include <stdatomic.h>

#define WEFT_LOST_WHY 512 ///< room for why something was not recovered; "" if it was

/// Remembers the sentence of a failure in `why`, or "", so that later calls can report it. Returns `status`.
weft_status weft_stay_lost(char why[WEFT_LOST_WHY], weft_status status);
/// What a program is called in messages: "the program of 'logits'".
const char *weft_plan_title(const struct weft_plan *plan);

/// Refuses (INVALID) unless all pairs of past and present are shared. `what` asks for it, such as "3 runs in one
/// submit".
weft_status weft_plan_need_shared(const struct weft_plan *plan, const char *what);

/// Weight buffers, which are reference-counted. Programs that use the same weights keep them alive together, and with
/// them the source and the plan with the place of each weight, so that they can be loaded again.
struct weft_shards {
    atomic_uint refs;
    weft_gpu *gpu;
    struct weft_shards *parent; ///< owner of the first `base` shards, or NULL
    uint32_t base, n;           ///< bufs[i] is shard base + i
    weft_buf *bufs;
    struct weft_plan *plan; ///< of the program that made them; owned from when that program was made
    bool owns_plan;
    struct weft_weight_source source;
    struct weft_gpu_dependent dependent;
    char lost_why[WEFT_LOST_WHY];
};

weft_buf weft_shards_buf(const struct weft_shards *s, uint32_t shard);
void weft_shards_release(struct weft_shards *s);
/// Makes the buffers of a plan's own shards and uploads weights from the source, one after the other, each by several
/// threads.
/// Takes params->source over, also on failure. The plan stays the caller's until `owns_plan` is set.
weft_status weft_shards_create(weft_gpu *gpu, struct weft_plan *plan, struct weft_shards *parent,
                               const struct weft_program_params *params, struct weft_shards **out);
/// The source gives nothing any more: shards that live on can't be loaded again.
void weft_shards_forget_source(struct weft_shards *s, void *user);
/// Ends a source that is taken over by nobody.
void weft_weight_source_end(struct weft_weight_source *source);
/// Why a shard of these could not be recovered, or NULL.
const char *weft_shards_lost(const struct weft_shards *s);

/// Who waits to begin a run; on its stack.
struct weft_program_waiter {
    struct weft_program_waiter *next;
};

struct weft_program {
    weft_gpu *gpu;
    struct weft_plan *plan;
    weft_pipeline *pipelines;
    struct weft_shards *shards;
    weft_buf heaps[WEFT_HEAPS];
    struct weft_pool *pool;        ///< of paged states; NULL: the plan has none
    struct weft_prefixes prefixes; ///< which of its pages stand for which tokens
    // The submits of one run are contiguous, because the heaps are common to all sessions: weft_program_enter. The lock
    // is never held while anything is waited for, so that whoever waits for `busy` to end can be cancelled.
    pthread_mutex_t lock;
    bool busy;
    struct weft_program_waiter *first, **last; ///< who waits, in the order in which they came
    uint32_t max_steps;
    struct weft_gpu_dependent dependent;
    char lost_why[WEFT_LOST_WHY];
};

/// Begins a run: waits until no other session is in the middle of one; who came first goes first. Errors: CANCELLED,
/// when `cancel` is set or the thread is cancelled otherwise.
weft_status weft_program_enter(weft_program *program, const struct weft_cancel *cancel);
void weft_program_leave(weft_program *program);
/// The same for work on the pool's pages, which can't be cancelled. Ends with weft_program_leave.
void weft_program_enter_pool(weft_program *program);

/// Refuses (LOST) what is asked of a program that could not be recovered.
weft_status weft_program_check_alive(const weft_program *program);
#endif
