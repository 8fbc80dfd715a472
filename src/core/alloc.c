/// The only way to host memory. Counters are relaxed atomics: exact once threads have been joined.
#include "core/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint_fast64_t call_count;
static atomic_int_fast64_t live_count;
static atomic_uint_fast64_t fail_at; // call number that fails, 0: none
static atomic_int fail_sticky;
static _Thread_local uint64_t failures;

/// Counts a call and says whether fault injection lets it through.
static int allowed(void) {
    uint64_t call = atomic_fetch_add_explicit(&call_count, 1, memory_order_relaxed) + 1;
    uint64_t at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (at == 0) return 1;
    return call != at && !(call > at && atomic_load_explicit(&fail_sticky, memory_order_relaxed));
}

/// No object may be larger than PTRDIFF_MAX; refusing it here keeps absurd sizes away from the allocator.
static int absurd(size_t size) { return size > PTRDIFF_MAX; }

static void *refused(void) {
    failures++;
    return NULL;
}

static void *counted(void *p) {
    if (!p) return refused();
    atomic_fetch_add_explicit(&live_count, 1, memory_order_relaxed);
    return p;
}

void *weft_alloc(size_t size) {
    if (!allowed() || absurd(size)) return refused();
    return counted(malloc(size ? size : 1));
}

void *weft_calloc(size_t count, size_t size) {
    if (!allowed()) return refused();
    if (count == 0 || size == 0) count = size = 1;
    if (count > PTRDIFF_MAX / size) return refused();
    return counted(calloc(count, size));
}

void *weft_realloc(void *p, size_t size) {
    if (!allowed() || absurd(size)) return refused();
    if (!p) return counted(malloc(size ? size : 1));
    void *grown = realloc(p, size ? size : 1);
    return grown ? grown : refused();
}

void weft_free(void *p) {
    if (!p) return;
    atomic_fetch_sub_explicit(&live_count, 1, memory_order_relaxed);
    free(p);
}

char *weft_strdup(const char *s) { return s ? weft_strndup(s, strlen(s)) : NULL; }

char *weft_strndup(const char *s, size_t n) {
    if (!s) return NULL;
    n = strnlen(s, n);
    char *copy = weft_alloc(n + 1);
    if (!copy) return NULL;
    memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

struct weft_alloc_stats weft_alloc_stats(void) {
    return (struct weft_alloc_stats){
        .calls = atomic_load_explicit(&call_count, memory_order_relaxed),
        .live = atomic_load_explicit(&live_count, memory_order_relaxed),
    };
}

uint64_t weft_alloc_failures(void) { return failures; }

void weft_alloc_fail_at(uint64_t n, int sticky) {
    uint64_t now = atomic_load_explicit(&call_count, memory_order_relaxed);
    atomic_store_explicit(&fail_sticky, sticky, memory_order_relaxed);
    atomic_store_explicit(&fail_at, n ? now + n : 0, memory_order_relaxed);
}

int weft_grow(void **items, size_t *cap, size_t need, size_t size) {
    if (need <= *cap) return 1;
    size_t most = size ? SIZE_MAX / 2 / size : SIZE_MAX;
    if (need > most) return refused() != NULL;
    size_t grown = *cap < 8 ? 8 : *cap > most - *cap / 2 ? most : *cap + *cap / 2;
    if (grown < need) grown = need;
    void *fresh = weft_realloc(*items, grown * size);
    if (!fresh) return 0;
    *items = fresh;
    *cap = grown;
    return 1;
}
