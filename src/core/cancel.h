/// Who may end the work of a thread: scopes of struct weft_cancel, innermost first. Whoever begins work that may be
/// cancelled begins a scope on its stack and ends it before it returns; whatever runs inside, in any folder, asks
/// weft_cancel_check now and then: in loops over thousands, between what takes milliseconds, and in every wait.
#ifndef WEFT_CORE_CANCEL_H
#define WEFT_CORE_CANCEL_H
#include "weft/cancel.h"
#include "weft/status.h"

struct weft_cancel_scope {
    const struct weft_cancel *cancel; ///< may be NULL, which nobody sets
    bool whole;                       ///< what is done inside is not cancelled from outside of it
    const struct weft_cancel_scope *outer;
};

void weft_cancel_begin(struct weft_cancel_scope *scope, const struct weft_cancel *cancel);
/// Begins what must be done wholly: scopes around it do not count.
void weft_cancel_begin_whole(struct weft_cancel_scope *scope);
/// Ends the thread's innermost scope, which is this one.
void weft_cancel_end(const struct weft_cancel_scope *scope);

/// ERR_CANCELLED if one of the thread's scopes is set.
weft_status weft_cancel_check(void);
/// The same for element `i` of a long loop: looks at every 1024th.
static inline weft_status weft_cancel_check_at(uint64_t i) { return i % 1024 ? WEFT_OK : weft_cancel_check(); }

/// The scopes of the calling thread, for threads that work for it while it waits for them.
const struct weft_cancel_scope *weft_cancel_scopes(void);
/// Makes another thread's scopes those of this one, and returns those that it had.
const struct weft_cancel_scope *weft_cancel_take_over(const struct weft_cancel_scope *scopes);

/// For tests: from the n-th check on that a thread with a scope makes, counted in all threads from now, each is
/// cancelled. 0 turns it off.
void weft_cancel_at(uint64_t n);
#endif
