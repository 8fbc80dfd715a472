/// weft/cancel.h, and the scopes of threads.
#include "core/cancel.h"

#include "core/error.h"

#include <stdatomic.h>
#include <stddef.h>

// Loads and stores are atomic and need no lock, so a signal handler may call these. The struct has no _Atomic field
// because C++ reads its header too.
void weft_cancel_set(struct weft_cancel *cancel) {
    if (cancel) __atomic_store_n(&cancel->set, 1, __ATOMIC_RELEASE);
}

void weft_cancel_clear(struct weft_cancel *cancel) {
    if (cancel) __atomic_store_n(&cancel->set, 0, __ATOMIC_RELEASE);
}

bool weft_cancel_is_set(const struct weft_cancel *cancel) {
    return cancel && __atomic_load_n(&cancel->set, __ATOMIC_ACQUIRE) != 0;
}

static _Thread_local const struct weft_cancel_scope *innermost;

void weft_cancel_begin(struct weft_cancel_scope *scope, const struct weft_cancel *cancel) {
    *scope = (struct weft_cancel_scope){.cancel = cancel, .outer = innermost};
    innermost = scope;
}

void weft_cancel_begin_whole(struct weft_cancel_scope *scope) {
    *scope = (struct weft_cancel_scope){.whole = true, .outer = innermost};
    innermost = scope;
}

void weft_cancel_end(const struct weft_cancel_scope *scope) { innermost = scope->outer; }

static _Atomic uint64_t test_at, test_checks;

void weft_cancel_at(uint64_t n) {
    atomic_store(&test_checks, 0);
    atomic_store(&test_at, n);
}

static bool test_wants(void) {
    uint64_t at = atomic_load_explicit(&test_at, memory_order_relaxed);
    return at && atomic_fetch_add(&test_checks, 1) + 1 >= at;
}

weft_status weft_cancel_check(void) {
    const struct weft_cancel_scope *s = innermost;
    if (!s || s->whole) return WEFT_OK;
    bool set = test_wants();
    for (; s && !s->whole && !set; s = s->outer) set = weft_cancel_is_set(s->cancel);
    return set ? weft_fail(WEFT_ERR_CANCELLED, "cancelled by the caller") : WEFT_OK;
}

const struct weft_cancel_scope *weft_cancel_scopes(void) { return innermost; }

const struct weft_cancel_scope *weft_cancel_take_over(const struct weft_cancel_scope *scopes) {
    const struct weft_cancel_scope *before = innermost;
    innermost = scopes;
    return before;
}
