/// The only way to host memory: counted, and able to fail at the n-th call for tests.
#ifndef WEFT_CORE_ALLOC_H
#define WEFT_CORE_ALLOC_H
#include <stddef.h>
#include <stdint.h>

void *weft_alloc(size_t size);                ///< uninitialised; NULL when out of memory; size 0 gives a valid pointer
void *weft_calloc(size_t count, size_t size); ///< zeroed; checks the product
void *weft_realloc(void *p, size_t size);     ///< as realloc; `p` survives a failure
void weft_free(void *p);                      ///< NULL is fine
char *weft_strdup(const char *s);             ///< NULL in, NULL out
char *weft_strndup(const char *s, size_t n);

struct weft_alloc_stats {
    uint64_t calls; ///< alloc, calloc, realloc and strdup calls since the start
    int64_t live;   ///< blocks not yet freed
};
struct weft_alloc_stats weft_alloc_stats(void);

/// Allocations refused in this thread so far. Work that appends text in many places compares it before and after
/// instead of checking each append.
uint64_t weft_alloc_failures(void);

/// Makes the n-th allocation from now (1 is the next) return NULL, and all later ones too if `sticky`.
/// 0 turns it off. For tests; process-wide.
void weft_alloc_fail_at(uint64_t n, int sticky);

/// Grows `items` (element size `size`) so that `need` fit; keeps the old block on failure and returns 0.
/// `*cap` is updated. Growth is geometric.
int weft_grow(void **items, size_t *cap, size_t need, size_t size);
#endif
