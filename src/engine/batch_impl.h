/// What the files of a batch share. Only engine/batch*.c includes this.
#ifndef WEFT_ENGINE_BATCH_IMPL_H
#define WEFT_ENGINE_BATCH_IMPL_H
#include "engine/batch.h"
#include "engine/lm_impl.h"
#include "engine/pace.h"
#include "engine/request.h"
#include "engine/stream.h"

enum {
    WEFT_BATCH_LEAST_REUSE = 16, ///< tokens; to go back for fewer would cost more than it saves
};
#define WEFT_NO_SLOT UINT32_MAX

/// A sequence from when it is added until its end was taken.
struct weft_sequence {
    uint64_t id;
    struct weft_sequence *next; ///< of the queue that it stands in
    struct weft_ids ids;        ///< the prompt, then what was passed on
    uint32_t n_prompt;
    struct weft_lm_request request;
    struct weft_stream stream;
    const struct weft_cancel *cancel;
    uint32_t slot;          ///< WEFT_NO_SLOT while it waits
    uint64_t stay;          ///< number of its stay in a slot: results of an earlier one are nobody's
    uint32_t start;         ///< ids when it got its slot: what is fed before it generates
    uint32_t fed;           ///< of these
    uint32_t planned, read; ///< new ids since then: submitted for, passed on
    weft_status status;
    struct weft_generate_stats stats;
    double added, first;
};

struct weft_batch_slot {
    struct weft_sequence *sequence; ///< NULL: free
    struct weft_ids held;           ///< ids whose keys and values are there, from position 0 on
};

/// Submitted runs whose results are still to come.
struct weft_batch_flight {
    uint32_t runs;
    uint64_t serial; ///< of the submit
    bool prompts;    ///< a run of its own, with chunks of prompts
    weft_readback vars, ring;
    struct weft_batch_part {
        uint64_t stay;     ///< of the sequence that gets ids; 0: none
        uint32_t first, n; ///< of them: number since it got its slot, and how many at most
    } parts[WEFT_MAX_SEQUENCES];
};

/// What a run is made of, as it was written last.
struct weft_batch_run {
    uint32_t t, r, n; ///< tokens, rows of logits, runs
    uint32_t count[WEFT_MAX_SEQUENCES], rows[WEFT_MAX_SEQUENCES];
    int32_t *tokens; ///< [chunk]
};

struct weft_batch {
    weft_lm *lm;
    struct weft_lm_engine e;
    uint32_t n_slots, chunk;
    struct weft_batch_slot slots[WEFT_MAX_SEQUENCES];
    struct weft_sequence *waiting, *ended; ///< queues, the first in front
    uint64_t last_id, last_stay;
    bool anew; ///< what the session holds is unknown: it is to start again
    size_t left;
    struct weft_batch_flight flights[WEFT_PACE_AHEAD];
    uint32_t n_flights;
    struct weft_batch_run now, written;
    struct weft_pace pace;
    bool null_device;
    uint32_t *block, *ring, *zeros;
    uint32_t block_words, ring_slots;
    struct weft_batch_counters counts;
};

/// Gives waiting sequences the free slots. Errors: NOMEM, LOST.
weft_status weft_batch_admit(struct weft_batch *b);
/// Takes a sequence from its slot, which then generates nothing more.
weft_status weft_batch_leave(struct weft_batch *b, struct weft_sequence *s);
/// Ends a sequence.
void weft_batch_end(struct weft_batch *b, struct weft_sequence *s, weft_status status, enum weft_stop_reason reason);
/// The sequence leaves its slot and waits in front.
weft_status weft_batch_return(struct weft_batch *b, struct weft_sequence *s);

/// Gives back what free slots hold for prompts to come. False: they hold nothing.
bool weft_batch_forget(struct weft_batch *b);

/// Queues the next runs; *queued is false if there is nothing to compute, or results have to come first.
weft_status weft_batch_submit(struct weft_batch *b, bool *queued);
/// Passes on what the oldest runs gave; they must be finished, or this waits.
weft_status weft_batch_collect(struct weft_batch *b);
/// Whether weft_batch_collect would not wait.
weft_status weft_batch_ready(struct weft_batch *b, bool *ready);
/// Frees the results of all that was submitted.
void weft_batch_drain(struct weft_batch *b);
#endif
