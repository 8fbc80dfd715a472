/// The buffers of a session's states: dense and ring states, the second ones of states that have two, the variables
/// block, and the fault buffer of checked programs. Rows of paged states lie elsewhere (session/pages.h).
#ifndef WEFT_EXEC_SESSION_STATES_H
#define WEFT_EXEC_SESSION_STATES_H
#include "exec/session/base.h"

#define WEFT_POISON 0x7fc0deadu ///< a NaN with a mark, for what a run in checker mode must write before it is read

struct weft_states {
    struct weft_base *base;
    weft_buf *bufs; ///< by number in the plan: the buffer that holds the state now; none of paged states and variables
    weft_buf *others; ///< second buffers of states that have two
    weft_buf vars, fault;
    bool flips;        ///< some states are ping-pong
    uint32_t parity;   ///< 0 or 1, by which the next run's bind groups are chosen; flips with every run, if `flips`
    bool fixed_parity; ///< a fault for tests (session_test.h)
    bool gone;         ///< contents went with a lost device, or while they were set: weft_states_check
};

weft_status weft_states_init(struct weft_states *st); ///< makes the tables, and no buffers
void weft_states_free(struct weft_states *st);
/// Makes the buffers. Those made before a failure are left for weft_states_drop.
weft_status weft_states_make(struct weft_states *st);
void weft_states_drop(struct weft_states *st);
/// Makes the buffers again after a loss. What they held is gone.
weft_status weft_states_remake(struct weft_states *st);

/// Past or, with WEFT_STATE_PRESENT in `number`, present of a state, as runs of this parity see it.
weft_buf weft_states_buffer(const struct weft_states *st, uint32_t number, uint32_t parity);
/// To be called when so many runs were queued. Ping-pong states have exchanged their buffers as often.
void weft_states_flip(struct weft_states *st, uint32_t runs);
/// The parity of run `run` of a submit.
uint32_t weft_states_parity(const struct weft_states *st, uint32_t run);

#define WEFT_ALL_SLOTS UINT32_MAX ///< in place of a slot: all of the session

/// The bytes of a state's buffers that are a slot's. False: there are none, since it is not kept by slot, or has no
/// buffer.
bool weft_states_range(const struct weft_states *st, uint32_t state, uint32_t slot, uint64_t *offset, uint64_t *bytes);

weft_status weft_states_zero(struct weft_states *st); ///< fills all but variables with zeros
/// Fills the past of one state with zeros, of one slot or of all.
weft_status weft_states_zero_one(struct weft_states *st, uint32_t state, uint32_t slot);
/// Fills the elements of all second buffers with WEFT_POISON; what is behind the last element is never written.
weft_status weft_states_poison(struct weft_states *st);
/// Writes words of the variables block, or of the page tables behind it.
weft_status weft_states_write_words(struct weft_states *st, uint64_t word, const uint32_t *words, uint64_t count);
/// Copies all buffers to those of another session of the program, in the queue.
weft_status weft_states_copy(struct weft_states *from, struct weft_states *to);

/// Contents are gone, until they are set as a whole.
void weft_states_mark_gone(struct weft_states *st, bool gone);
/// Refuses (STALE, naming one) while states are gone.
weft_status weft_states_check(const struct weft_states *st);
/// Refuses the same for one state or variable. Inputs and outputs are never gone.
weft_status weft_states_check_one(const struct weft_states *st, const char *name);
#endif
